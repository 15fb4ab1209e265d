// @ts-check
// One heat map over the picture.

import { patchBox, patchOf } from '../places.js';
import { drawBetween, gridImage, toPixels } from './canvas.js';

const RING = '#9dff57'; // of sink tokens: in none of the colour maps
const REGION = '#7ee0ff'; // a drawn region's line

/** A picture, or the part of it in a frame, for under the maps: its colours muted, so that the heat is what stands out. */
function mutedPicture(picture, frame, width, height, dark) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const ctx = canvas.getContext('2d');
  const { left, top, wide, high } = frame;
  ctx.drawImage(picture, left, top, wide, high, 0, 0, canvas.width, canvas.height);
  ctx.globalCompositeOperation = 'saturation';
  ctx.fillStyle = 'rgba(128,128,128,.6)';
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.globalCompositeOperation = 'source-over';
  ctx.fillStyle = dark ? 'rgba(12,12,18,.34)' : 'rgba(18,18,26,.16)';
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The picture below a map, made once for what it shows and for its size in pixels of the page. */
export class Underlay {
  /** @param {HTMLImageElement | null} picture null while it is loaded: then there is none below */
  of(picture, frame, width, height, dark) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    const key = JSON.stringify([frame, w, h, dark]);
    if (picture !== this.picture || key !== this.key) this.canvas = picture && mutedPicture(picture, frame, w, h, dark);
    this.picture = picture;
    this.key = key;
    return this.canvas;
  }
}

/** One heat map. `spec`: {picture, image, frame, views, values, paint, over, smooth, outlines, rings, region, hover}; pixels
 * of the picture are scaled to the box; `over(value)` marks weights beyond the scale; tokens in `rings` get one. */
export function drawMap(ctx, width, height, spec) {
  const { left, top, wide, high } = spec.frame;
  const sx = width / wide;
  const sy = height / high;
  if (spec.picture) ctx.drawImage(spec.picture, 0, 0, width, height);
  const snap = toPixels(ctx);
  ctx.save();
  ctx.translate(-snap(left * sx), -snap(top * sy)); // from here on in pixels of the whole picture, scaled
  if (spec.values) {
    ctx.imageSmoothingEnabled = spec.smooth;
    ctx.imageSmoothingQuality = 'high';
    for (const view of spec.views) {
      const [x0, y0, x1, y1] = view.region;
      const grid = gridImage(view, spec.values, spec.paint);
      drawBetween(ctx, grid, snap(x0 * sx), snap(y0 * sy), snap(x1 * sx), snap(y1 * sy));
      if (!spec.smooth) markClipped(ctx, view, spec, sx, sy);
    }
  }
  shadeUnseen(ctx, spec.image, spec.image.w * sx, spec.image.h * sy, sx, sy);
  for (const line of spec.outlines) outline(ctx, line, sx, sy, 'rgba(255,255,255,.95)', []);
  for (const token of spec.rings) drawRing(ctx, token, spec.views, sx, sy);
  if (spec.region) outline(ctx, regionLine(spec.region), sx, sy, REGION, [5, 3]);
  if (spec.hover) drawPatch(ctx, spec.hover, sx, sy);
  ctx.restore();
}

function markClipped(ctx, view, spec, sx, sy) {
  const [x0, y0, x1, y1] = view.region;
  const w = ((x1 - x0) / view.cols) * sx;
  const h = ((y1 - y0) / view.rows) * sy;
  const side = Math.min(7, w * 0.35, h * 0.35);
  ctx.fillStyle = '#fff';
  for (let r = 0; r < view.rows; r++) {
    for (let c = 0; c < view.cols; c++) {
      if (!spec.over(spec.values[view.start + r * view.stride + c])) continue;
      const x = x0 * sx + (c + 1) * w;
      const y = y0 * sy + r * h;
      ctx.beginPath();
      ctx.moveTo(x - side, y);
      ctx.lineTo(x, y);
      ctx.lineTo(x, y + side);
      ctx.fill();
    }
  }
}

function shadeUnseen(ctx, image, width, height, sx, sy) {
  const [x0, y0, x1, y1] = image.seen;
  if (x0 <= 0.5 && y0 <= 0.5 && x1 >= image.w - 0.5 && y1 >= image.h - 0.5) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, 0, width, height);
  ctx.rect(x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
  ctx.clip('evenodd');
  ctx.fillStyle = 'rgba(120,122,132,.72)';
  ctx.fillRect(0, 0, width, height);
  ctx.strokeStyle = 'rgba(255,255,255,.4)';
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = -height; x < width; x += 9) {
    ctx.moveTo(x, height);
    ctx.lineTo(x + height, 0);
  }
  ctx.stroke();
  ctx.restore();
}

export function outline(ctx, points, sx, sy, stroke, dash) {
  if (points.length < 2) return;
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x * sx, y * sy) : ctx.moveTo(x * sx, y * sy)));
  ctx.lineJoin = 'round';
  ctx.setLineDash([]);
  ctx.lineWidth = 3;
  ctx.strokeStyle = 'rgba(0,0,0,.45)';
  ctx.stroke();
  ctx.setLineDash(dash);
  ctx.lineWidth = 1.4;
  ctx.strokeStyle = stroke;
  ctx.stroke();
  ctx.setLineDash([]);
}

function regionLine({ box, polygon }) {
  if (!box) return [...polygon, polygon[0]];
  const [a, b, c, d] = box;
  return [
    [a, b],
    [c, b],
    [c, d],
    [a, d],
    [a, b],
  ];
}

function drawPatch(ctx, patch, sx, sy) {
  const [x0, y0, x1, y1] = patchBox(patch);
  for (const [width, stroke] of [
    [3.5, 'rgba(0,0,0,.75)'],
    [1.6, '#fff'],
  ]) {
    ctx.lineWidth = width;
    ctx.strokeStyle = stroke;
    ctx.strokeRect(x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
  }
}

/** A ring on a visual token, if one of the grids on the map has it. */
function drawRing(ctx, token, views, sx, sy) {
  const patch = patchOf(views, token);
  if (!patch) return;
  const [x0, y0, x1, y1] = patchBox(patch);
  const [x, y] = [((x0 + x1) / 2) * sx, ((y0 + y1) / 2) * sy];
  const r = Math.max(2.5, Math.min((x1 - x0) * sx, (y1 - y0) * sy) * 0.32);
  for (const [width, stroke] of [
    [Math.min(4, r * 1.1), 'rgba(0,0,0,.7)'],
    [Math.min(1.8, r * 0.5), RING],
  ]) {
    ctx.beginPath();
    ctx.arc(x, y, r, 0, 2 * Math.PI);
    ctx.lineWidth = width;
    ctx.strokeStyle = stroke;
    ctx.stroke();
  }
}
