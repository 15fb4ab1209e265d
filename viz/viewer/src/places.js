// @ts-check
// Where visual tokens lie on the picture.

import { t } from './language.js';
import { percent, share } from './words.js';

/** The part of the picture that maps show: all of it, or what the model sees: left, top, width, height in its pixels. */
export function frameOf({ w, h, seen }, crop) {
  const [x0, y0, x1, y1] = crop ? seen : [0, 0, w, h];
  return { left: x0, top: y0, wide: x1 - x0, high: y1 - y0 };
}

/** The visual token at a point of the picture: {token, row, col, view} or null where the model sees nothing. */
export function patchAt(views, x, y) {
  for (const view of views) {
    const [x0, y0, x1, y1] = view.region;
    const col = Math.floor(((x - x0) / (x1 - x0)) * view.cols);
    const line = Math.floor(((y - y0) / (y1 - y0)) * view.rows);
    if (col >= 0 && line >= 0 && col < view.cols && line < view.rows) {
      return { token: view.start + line * view.stride + col, row: line, col, view };
    }
  }
  return null;
}

/** A visual token among grids, as `patchAt` gives it; null where none of them has it. */
export function patchOf(views, token) {
  const view = views.find((v) => token >= v.start && token < v.start + v.rows * v.stride);
  const col = view && (token - view.start) % view.stride;
  if (!view || col >= view.cols) return null;
  return { token, row: Math.floor((token - view.start) / view.stride), col, view };
}

/** A patch's edges in pixels of the picture: left, top, right, bottom. */
export function patchBox({ row, col, view }) {
  const [x0, y0, x1, y1] = view.region;
  const [w, h] = [(x1 - x0) / view.cols, (y1 - y0) / view.rows];
  return [x0 + col * w, y0 + row * h, x0 + (col + 1) * w, y0 + (row + 1) * h];
}

/** Which grid of several this is: "tile 3 of 6", "tiles" or "whole picture"; '' for the only one. */
export function gridName(views, view) {
  if (view.kind === 'base') return t('whole picture');
  const tiles = views.filter((v) => v.kind === 'tiles');
  if (tiles.length > 1) return t('tile {number} of {count}', { number: tiles.indexOf(view) + 1, count: tiles.length });
  return tiles.length ? t('tiles') : '';
}

/** Where a visual token lies, in words. */
export function placeOf(views, token) {
  const patch = patchOf(views, token);
  if (!patch) return t('a token outside the grid');
  const name = gridName(views, patch.view);
  const place = { name, row: patch.row + 1, column: patch.col + 1 };
  return name ? t('{name}, row {row}, column {column}', place) : t('row {row}, column {column}', place);
}

/** What a map shows, in a sentence: how much is on the picture, and where most; of a difference, where most changes. */
export function heatText(values, { name, layer, views }, signed) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (!(Math.abs(values[i]) <= Math.abs(values[best]))) best = i;
  const about = { name, layer: layer + 1, where: placeOf(views, best), share: share(values[best]) };
  if (signed) return t('{name}, layer {layer}: largest change at {where} ({share}).', about);
  const total = percent(values.reduce((a, b) => a + (b || 0), 0));
  return t('{name}, layer {layer}: {total} of all attention is on the picture; strongest at {where} ({share}).', {
    ...about,
    total,
  });
}
