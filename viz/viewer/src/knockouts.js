// @ts-check
// What knock-outs say, in numbers and in words: what is left of an answer where a model cannot look.

import { t } from './language.js';
import { gain } from './twins.js';
import { mean, percent, sizeWords } from './words.js';

const NOTHING = 0.9; // as much is left: hiding it there changes nothing

/** The odd window nearest to 9 of 32 layers, as clvs_core.engine.knockout has it. */
export const usualWindow = (layers) => 2 * Math.floor((9 / 32) * (layers / 2)) + 1;

/** Which rows are measured for a choice of rows; what was chosen comes first. */
export const rowsFor = (rows) => [rows, ...['word', 'both'].filter((other) => other !== rows)];

/**
 * Whether a knock-out is of what is chosen.
 *
 * @param {import('./payload.d.ts').Knockout | null} knockout
 * @param {{ step: number, on: string[], region: Record<string, any> | null, window: number }} chosen
 */
export function fits(knockout, { step, on, region, window }) {
  if (!knockout || knockout.step !== step || knockout.window !== window) return false;
  return JSON.stringify([[...knockout.on].sort(), knockout.region]) === JSON.stringify([[...on].sort(), region]);
}

/** Layers, from 0, in words, from 1: "3 to 5", "2, 4 to 6". */
export function layersText(layers) {
  const runs = [];
  for (const layer of layers) {
    const last = runs[runs.length - 1];
    if (last && last[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  const said = runs.map(([first, last]) =>
    first === last ? String(first + 1) : t('{first} to {last}', { first: first + 1, last: last + 1 }),
  );
  return said.reduce((some, name) => (some ? t('{some}, {name}', { some, name }) : name), '');
}

/** The first layer from which on hiding changes nothing for any of these, -1 where it does to the end. */
export function settledFrom(curves) {
  const changes = (layer) => curves.some((kept) => kept[layer] === null || kept[layer] < NOTHING);
  let from = curves[0].length;
  while (from > 0 && !changes(from - 1)) from -= 1;
  return from < curves[0].length ? from : -1;
}

/**
 * Where looking matters, and what the other method does to looking there and where it does not.
 *
 * @param {{ what: string, matters: number[], question?: number[], kept: (number | null)[][], reference: (number | null)[],
 *   everywhere?: number | null, other?: { label: string, curve: (number | null)[] } | null }} spec
 * matters, kept: layers and what is left, the reference's first, hidden from the word that is written; everywhere: what
 * is left of the reference's where it is hidden in all layers; question: layers that matter where it is hidden from the
 * question's words, too. reference, other: attention by layer.
 */
export function lookingAndMattering({
  what,
  matters,
  question = [],
  kept,
  everywhere = null,
  reference,
  other = null,
}) {
  if (kept.some((curve) => curve.includes(null))) return '';
  if (!matters.length && everywhere !== null && everywhere < 0.5)
    return t('Hiding {what} in a few layers changes little, in all layers it leaves {left} of the answer.', {
      what,
      left: percent(everywhere),
    });
  const from = settledFrom(kept);
  if (from === 0 && question.length)
    return t(
      'The word being written does not need to look at {what}: the question’s words have read it, around layers {layers}.',
      { what, layers: layersText(question) },
    );
  if (from === 0)
    return t('Hiding {what} changes nothing in any layer: this answer does not need a look at it.', { what });
  if (!matters.length)
    return t('Hiding {what} takes a little of the answer in some layers, and half of it in none.', { what });
  const facts = { what, layers: layersText(matters), from: from + 1 };
  const change = (layers) => {
    const more = other && gain(mean(layers.map((l) => other.curve[l])), mean(layers.map((l) => reference[l])));
    return more && Number.isFinite(more.unclipped) ? sizeWords(more.unclipped) : '';
  };
  const here = change(matters);
  if (from < 0) {
    if (!here) return t('Looking at {what} matters around layers {layers}.', facts);
    return t('Looking at {what} matters around layers {layers}: {method} looks {here} there.', {
      ...facts,
      method: other.label,
      here,
    });
  }
  const then = change(kept[0].map((_, layer) => layer).slice(from));
  if (!here || !then) {
    return t(
      'Looking at {what} matters around layers {layers}; from layer {from} on, hiding it changes nothing.',
      facts,
    );
  }
  if (here === then) {
    return t(
      'Looking at {what} matters around layers {layers}: {method} looks {here} there and from layer {from} on, where hiding it changes nothing.',
      { ...facts, method: other.label, here },
    );
  }
  return t(
    'Looking at {what} matters around layers {layers}: {method} looks {here} there, and {then} from layer {from} on, where hiding it changes nothing.',
    { ...facts, method: other.label, here, then },
  );
}

/** About how long something takes. */
export function aboutTime(seconds) {
  if (seconds < 1.5) return t('about a second');
  if (seconds < 90) return t('about {seconds} seconds', { seconds: Math.round(seconds) });
  return t('about {minutes} minutes', { minutes: Math.round(seconds / 60) });
}
