// @ts-check
// Twins of Python functions, since an exported page works without Python: viz/scales.py (scales, colours, sink tokens,
// places) and clvs_core/objects (coverage, together, curves, gains). tests/js compares their numbers.

import { CLIP, OPACITY, UNIFORM_HIGH } from './styles.js';

/** A method's place among the styles: the reference first, then the others in order. */
export function placeAmong(method, reference) {
  return method === reference ? 0 : method < reference ? method + 1 : method;
}

// ---- scales --------------------------------------------------------------------------------------------------------

export function percentile(values, q) {
  const sorted = Float64Array.from(values).sort();
  const at = (q / 100) * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

function finite(rows) {
  const out = [];
  for (const values of rows) if (values) for (const v of values) if (Number.isFinite(v)) out.push(v);
  return out;
}

/** [low, high] of one map's scale; maps[method][layer] are weights of one step, null where a method has none. */
export function limits(maps, mode, method, layer, visual) {
  if (mode === 'uniform') return [0, UNIFORM_HIGH / visual];
  if (mode === 'map') {
    const values = finite([maps[method][layer]]);
    return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0, 0];
  }
  const values = finite(mode === 'shared' ? maps.flat() : maps.map((layers) => layers[layer]));
  return [0, values.length ? percentile(values, CLIP) : 0];
}

/** Largest magnitude shown for a signed difference, given per layer. */
export function signedLimit(difference, mode, layer, visual) {
  if (mode === 'uniform') return UNIFORM_HIGH / 2 / visual;
  const values = finite(mode === 'shared' ? difference : [difference[layer]]).map(Math.abs);
  if (!values.length) return 0;
  return mode === 'map' ? values.reduce((a, b) => Math.max(a, b)) : percentile(values, CLIP);
}

export function normalise(value, low, high, power) {
  if (Number.isNaN(value)) return NaN;
  if (!(high > low)) return 0;
  return Math.min(1, Math.max(0, (value - low) / (high - low))) ** power;
}

export function normaliseSigned(value, limit, power) {
  return Math.sign(value) * normalise(Math.abs(value), 0, limit, power);
}

/** [r, g, b, a] of a value in [0, 1], or in [-1, 1] for a signed table; opacity follows the magnitude, NaN is clear. */
export function colour(value, lut, signed) {
  if (Number.isNaN(value)) return [0, 0, 0, 0];
  const at = 3 * Math.min(255, Math.floor((signed ? value / 2 + 0.5 : value) * 256));
  return [lut[at], lut[at + 1], lut[at + 2], Math.round(Math.abs(value) * OPACITY * 255)];
}

/** The k tokens with the highest median weight over layers, strongest first: looked at whatever the question. */
export function sinks(layers, k) {
  const rows = layers.filter(Boolean);
  if (!rows.length || !k) return [];
  const median = Array.from(rows[0], (_, i) =>
    percentile(
      rows.map((r) => r[i]),
      50,
    ),
  );
  return median
    .map((_, i) => i)
    .sort((a, b) => median[b] - median[a] || a - b)
    .slice(0, k);
}

// ---- objects, regions and curves -----------------------------------------------------------------------------------

/** Share of each token that the objects cover together: the sum of theirs, at most 1; null when there are none. The
 * Python twin says what that means for objects that overlap. */
export function together(coverages) {
  if (!coverages.length) return null;
  return Float64Array.from(coverages[0], (_, i) =>
    Math.min(
      1,
      coverages.reduce((sum, c) => sum + c[i], 0),
    ),
  );
}

/** Share of each visual token covered by a box or polygon in picture pixels: exact for a box, 8 x 8 samples else. */
export function regionCoverage(region, views, visual) {
  const out = new Float64Array(visual);
  for (const view of views) {
    const [x0, y0, x1, y1] = view.region;
    const w = (x1 - x0) / view.cols;
    const h = (y1 - y0) / view.rows;
    for (let r = 0; r < view.rows; r++) {
      for (let c = 0; c < view.cols; c++) {
        const share = region.box ? boxShare : polygonShare;
        out[view.start + r * view.stride + c] = share(region, x0 + c * w, y0 + r * h, w, h);
      }
    }
  }
  return out;
}

function boxShare({ box }, x, y, w, h) {
  const across = Math.min(box[2], x + w) - Math.max(box[0], x);
  const down = Math.min(box[3], y + h) - Math.max(box[1], y);
  return across > 0 && down > 0 ? (across * down) / (w * h) : 0;
}

function polygonShare({ polygon }, x, y, w, h) {
  let hits = 0;
  for (let i = 0; i < 64; i++) {
    hits += inside(polygon, x + ((i % 8) + 0.5) * (w / 8), y + (Math.floor(i / 8) + 0.5) * (h / 8));
  }
  return hits / 64;
}

export function inside(polygon, x, y) {
  let odd = 0;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd ^= 1;
  }
  return odd;
}

/** Sum of coverage x weight at every layer, a share of all attention: where float16 rounds its parts up, the whole is 1.
 * coverage null is the whole picture. Null where there is no data. */
export function curve(layers, coverage) {
  return layers.map((values) => {
    if (!values) return null;
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += coverage ? coverage[i] * values[i] : values[i];
    return Math.min(1, sum);
  });
}

/** Peak layer (0-based), its value, the share left at the end, and the first later layer below half (-1: none). */
export function summarise(values) {
  if (!values.length || values.some((v) => v === null)) return null;
  const peak = values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
  const half = values.findIndex((v, i) => i > peak && v < values[peak] / 2);
  return { peak, value: values[peak], left: values[peak] > 0 ? values[values.length - 1] / values[peak] : 0, half };
}

/** Gain over the reference in percent, clipped at 100 as in the paper, and as it is; null against nothing. */
export function gain(value, reference) {
  if (value === null || reference === null || !(reference > 0)) return null;
  const percent = (value / reference - 1) * 100;
  return { clipped: Math.min(100, percent), unclipped: percent };
}
