// From payload to numbers: decoding, scales, curves, regions and words. Pure functions, nothing here touches the page.
// The Python twins are viz/scales.py and clvs_core/key_objects.py; tests/browser compares them.

const CLIP = 99.5;
const UNIFORM_HIGH = 10;
const OPACITY = 0.92;
const ALIKE = 0.02; // smaller changes are not worth a word
const MODES = ['shared', 'layer', 'map', 'uniform'];

// ---- decoding ------------------------------------------------------------------------------------------------------

function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves = null; // every float16, since a look-up is ten times faster than the arithmetic

function float16(raw) {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  // Little-endian, as every machine with a browser is.
  const words = new Uint16Array(raw.buffer, raw.byteOffset, raw.length >> 1);
  const out = new Float32Array(words.length);
  for (let i = 0; i < out.length; i++) out[i] = halves[words[i]];
  return out;
}

/** {name: {data, shape}} of a payload; throws when the data ends before the shapes say. */
function decode(payload) {
  const flat = float16(bytes(payload.blob || ''));
  const arrays = {};
  for (const [name, { offset, shape }] of Object.entries(payload.arrays || {})) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (offset < 0 || offset + size > flat.length) throw new Error(`The payload's data ends before ${name} does.`);
    arrays[name] = { data: flat.subarray(offset, offset + size), shape };
  }
  return arrays;
}

/** The last axis of an array at the given indices, or null outside of it. */
function row(array, ...index) {
  if (!array) return null;
  let at = 0;
  for (let i = 0; i < index.length; i++) {
    if (!(index[i] >= 0 && index[i] < array.shape[i])) return null;
    at = at * array.shape[i] + index[i];
  }
  const n = array.shape[array.shape.length - 1];
  return array.data.subarray(at * n, at * n + n);
}

/** One method's weights over the visual tokens at a step and layer; head null is the mean of heads. */
function weights(model, method, step, layer, head) {
  const key = model.methods[method].key;
  if (head === null) return row(model.arrays[`attention/${key}`], step, layer);
  return row(model.arrays[`heads/${key}`], step, layer, head);
}

// ---- scales --------------------------------------------------------------------------------------------------------

function percentile(values, q) {
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
function limits(maps, mode, method, layer, visual) {
  if (mode === 'uniform') return [0, UNIFORM_HIGH / visual];
  if (mode === 'map') {
    const values = finite([maps[method][layer]]);
    return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0, 0];
  }
  const values = finite(mode === 'shared' ? maps.flat() : maps.map((layers) => layers[layer]));
  return [0, values.length ? percentile(values, CLIP) : 0];
}

/** Largest magnitude shown for a signed difference, given per layer. */
function signedLimit(difference, mode, layer, visual) {
  if (mode === 'uniform') return UNIFORM_HIGH / 2 / visual;
  const values = finite(mode === 'shared' ? difference : [difference[layer]]).map(Math.abs);
  if (!values.length) return 0;
  return mode === 'map' ? values.reduce((a, b) => Math.max(a, b)) : percentile(values, CLIP);
}

function normalise(value, low, high, power) {
  if (Number.isNaN(value)) return NaN;
  if (!(high > low)) return 0;
  return Math.min(1, Math.max(0, (value - low) / (high - low))) ** power;
}

function normaliseSigned(value, limit, power) {
  return Math.sign(value) * normalise(Math.abs(value), 0, limit, power);
}

/** [r, g, b, a] of a value in [0, 1], or in [-1, 1] for a signed table; opacity follows the magnitude, NaN is clear. */
function colour(value, lut, signed) {
  if (Number.isNaN(value)) return [0, 0, 0, 0];
  const at = 3 * Math.min(255, Math.floor((signed ? value / 2 + 0.5 : value) * 256));
  return [lut[at], lut[at + 1], lut[at + 2], Math.round(Math.abs(value) * OPACITY * 255)];
}

/** The k tokens with the highest median weight over layers, strongest first: looked at whatever the question. */
function sinks(layers, k) {
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
function together(coverages) {
  if (!coverages.length) return null;
  return Float64Array.from(coverages[0], (_, i) =>
    Math.min(
      1,
      coverages.reduce((sum, c) => sum + c[i], 0),
    ),
  );
}

/** Share of each visual token covered by a box or polygon in picture pixels: exact for a box, 8 x 8 samples else. */
function regionCoverage(region, views, visual) {
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

function inside(polygon, x, y) {
  let odd = 0;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd ^= 1;
  }
  return odd;
}

/** Sum of coverage x weight at every layer; coverage null is the whole picture. Null where there is no data. */
function curve(layers, coverage) {
  return layers.map((values) => {
    if (!values) return null;
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += coverage ? coverage[i] * values[i] : values[i];
    return sum;
  });
}

/** Peak layer (0-based), its value, the share left at the end, and the first later layer below half (-1: none). */
function summarise(values) {
  if (!values.length || values.some((v) => v === null)) return null;
  const peak = values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
  const half = values.findIndex((v, i) => i > peak && v < values[peak] / 2);
  return { peak, value: values[peak], left: values[peak] > 0 ? values[values.length - 1] / values[peak] : 0, half };
}

/** Gain over the reference in percent, clipped at 100 as in the paper, and as it is; null against nothing. */
function gain(value, reference) {
  if (value === null || reference === null || !(reference > 0)) return null;
  const percent = (value / reference - 1) * 100;
  return { clipped: Math.min(100, percent), unclipped: percent };
}

/** Index of the first token in which two answers differ, or -1. */
function firstDifference(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i].id !== b[i].id) return i;
  return -1;
}

/** The visual token at a point of the picture: {token, row, col, view} or null where the model sees nothing. */
function patchAt(views, x, y) {
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

/** Which grid of several this is: "tile 3 of 6", "tiles" or "whole picture"; '' for the only one. */
function gridName(views, view) {
  if (view.kind === 'base') return 'whole picture';
  const tiles = views.filter((v) => v.kind === 'tiles');
  return tiles.length > 1 ? `tile ${tiles.indexOf(view) + 1} of ${tiles.length}` : tiles.length ? 'tiles' : '';
}

/** Where a visual token lies, in words. */
function placeOf(views, token) {
  const view = views.find((v) => token >= v.start && token < v.start + v.rows * v.stride);
  const col = view && (token - view.start) % view.stride;
  if (!view || col >= view.cols) return 'a token outside the grid';
  const name = gridName(views, view);
  return `${name && `${name}, `}row ${Math.floor((token - view.start) / view.stride) + 1}, column ${col + 1}`;
}

// ---- words ---------------------------------------------------------------------------------------------------------

function percent(share, digits = 0) {
  if (share === null || !Number.isFinite(share)) return '–';
  const value = share * 100;
  return `${value > 0 && value < 1 ? value.toPrecision(1) : value.toFixed(digits)}\u00a0%`;
}

function signedPercent(value, digits) {
  const size = Math.abs(value).toFixed(digits);
  return `${Number(size) === 0 ? '' : value > 0 ? '+' : '−'}${size}\u00a0%`;
}

/** A share of attention in percent, two digits at least: "37.5 %", "4.8 %", "0.036 %". */
function share(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value) * 100;
  if (size > 0 && size < 1e-4) return '<\u00a00.0001\u00a0%';
  return `${value < 0 ? '−' : ''}${size >= 1 ? size.toFixed(1) : Number(size.toPrecision(2))}\u00a0%`;
}

function listed(names) {
  const the = names.map((name) => (name === 'your region' ? name : `the ${name}`));
  return the.length < 2 ? the.join('') : `${the.slice(0, -1).join(', ')} and ${the[the.length - 1]}`;
}

/** The layer to open at: where the other curve lies farthest above the reference after its peak, else that peak. */
function startLayer(reference, other) {
  const a = summarise(reference);
  if (!a || !other || other.some((v) => v === null)) return a?.peak ?? 0;
  const more = reference.map((v, i) => (i > a.peak ? other[i] - v : 0));
  const most = more.reduce((best, v, i) => (v > more[best] ? i : best), 0);
  return more[most] > ALIKE * a.value ? most : a.peak;
}

/** One plain sentence about two curves: where the reference looks, how fast it lets go, what the other one changes. */
function sentence({ names, head = null, reference, other }) {
  const a = reference && summarise(reference.curve);
  if (!a) return '';
  const what = names.length ? listed(names) : 'the picture';
  const alone = head === null ? '' : `In head ${head + 1}, `;
  const last = a.peak === reference.curve.length - 1;
  let text = `${alone}${reference.label} gives ${percent(a.value)} of its attention to ${what} at layer ${a.peak + 1}`;
  text += last ? ', its peak and its last layer' : ', its peak,';
  if (a.half >= 0) text += ` and has let go of half by layer ${a.half + 1}`;
  else if (!last) text += ` and still keeps ${percent(a.left)} of that at the last layer`;
  if (other && !other.curve.some((v) => v === null)) text += changeWords(a, reference.curve, other, names.length > 1);
  return `${text}.`;
}

/** What the other method changes at the reference's peak and, on average, after it: both are said, more or less. */
function changeWords(a, reference, other, several) {
  const from = a.half >= 0 ? a.half : a.peak + 1;
  const there = gain(other.curve[a.peak], reference[a.peak]);
  const after = from < reference.length ? gain(mean(other.curve.slice(from)), mean(reference.slice(from))) : null;
  if (!there) return '';
  const [p, q] = [there.unclipped, after?.unclipped ?? 0];
  const later = after ? ` from layer ${from + 1} on` : '';
  const stop = other.stop >= 0 ? `, and stops smoothing after layer ${other.stop + 1}` : '';
  if (p <= -100 * ALIKE && q >= 100 * ALIKE) {
    return `; ${other.label} spreads that peak: ${sizeWords(p)} at layer ${a.peak + 1}, ${sizeWords(q)}${later}${stop}`;
  }
  const it = several ? 'them' : 'it';
  const [here, then] = [sizeWords(p), sizeWords(q)];
  return `; ${other.label} gives ${it} ${here} there${after ? ` and${then === here ? '' : ` ${then}`}${later}` : ''}${stop}`;
}

function sizeWords(change) {
  if (Math.abs(change) < 100 * ALIKE) return 'about as much';
  if (change >= 95) return `${(1 + change / 100).toFixed(1)} times as much`;
  return `${Math.round(Math.abs(change))}\u00a0% ${change > 0 ? 'more' : 'less'}`;
}

const CHANGES = { scores: 'the attention scores', weights: 'the attention weights' };
const CHANCES = 'the chances of the next word';
const ROWS = { last: 'of the word being written', after_image: 'of every word after the picture' };
const STAGES = {
  scores: 'Attention scores are what the softmax turns into weights.',
  weights: 'Attention weights come out of the softmax: how much is read from each token.',
  logits: 'These chances come out of the last layer.',
};

/** "layer 3", "layers 3 to 12"; the pair counts from 0. As much room while the depth is not known, which is 0 then. */
function layerWords(layers, depth) {
  if (!layers) return depth ? 'in no layer' : 'layers … to …';
  const [first, last] = layers;
  return first === last ? `layer ${first + 1}` : `layers ${first + 1} to ${last + 1}`;
}

/** The methods that a card is about: itself, or the parts of a combined one. */
function cardParts(card) {
  return card.parts.length ? card.parts : [card];
}

/** What a method changes, of which rows, in which layers, in one line; depth 0: not known yet. */
function doesWords(card, depth) {
  const parts = cardParts(card).filter((part) => CHANGES[part.stage]);
  const alike = new Set(parts.map((part) => part.rows)).size < 2; // whose rows is said once if it can be
  const several = cardParts(card).length > 1;
  const edits = parts.map(({ stage, rows, layers }) => {
    return `${CHANGES[stage]}${alike ? '' : ` ${ROWS[rows]}`}${several ? ` (${layerWords(layers, depth)})` : ''}`;
  });
  const rows = alike && parts.length ? ` ${ROWS[parts[0].rows]}` : '';
  const where = several || !edits.length ? '' : `, ${layerWords(card.layers, depth)}`;
  const chances = cardParts(card).some((part) => part.contrast || part.stage === 'logits');
  const found = [edits.length && `${edits.join(' and ')}${rows}${where}`, chances && CHANCES].filter(Boolean);
  return `Changes ${found.join('; then ') || 'nothing'}.`;
}

/** What the stages that a card names are. */
function stageWords(card) {
  const stages = cardParts(card).flatMap((part) => [part.stage, part.contrast && 'logits']);
  const named = Object.entries(STAGES).filter(([stage]) => stages.includes(stage));
  return named.map(([, words]) => words).join(' ');
}

/** "1 head", "3 heads", "2 of 8 heads". */
function counted(number, what, of = null) {
  return `${number}${of === null ? '' : ` of ${of}`} ${what}${(of ?? number) === 1 ? '' : 's'}`;
}

/** How many sink tokens and heads a method acted on at a layer, a line each; [] for a method that records neither. */
function actedWords({ sinks, heads, card }, step, layer, count) {
  if (sinks?.every((tokens) => !tokens.length)) {
    const tau = card.tau === null ? '' : ` at τ ${card.tau}`;
    const idle = !heads?.[step]?.some((acted) => acted.length);
    if (idle) return [`No sink tokens found${tau},`, `so no head is ${card.acted}`];
    return [`No sink tokens found${tau}`, `Layer ${layer + 1}: ${headWords(heads[step][layer], count, card)}`];
  }
  const lines = [
    sinks && counted(sinks[layer]?.length ?? 0, 'sink token'),
    heads?.[step] && headWords(heads[step][layer], count, card),
  ].filter(Boolean);
  return lines.map((line, i) => (i ? line : `Layer ${layer + 1}: ${line}`));
}

function headWords(acted, count, card) {
  return `${counted(acted.length, 'head', count)} ${card.acted}`;
}

/** All heads that a method acted on at a token, by layer: "layer 3: heads 1, 2; layer 5: head 1". */
function headsText(acted) {
  const found = acted.map((heads, layer) => {
    const which = heads.map((head) => head + 1).join(', ');
    return which && `layer ${layer + 1}: head${heads.length > 1 ? 's' : ''} ${which}`;
  });
  return found.filter(Boolean).join('; ') || 'none';
}

/** What the contrast's columns are called. */
function contrastHeads(against) {
  return ['with the picture', against === 'no picture' ? 'without it' : `with ${against || 'the contrast'}`, 'outcome'];
}

function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Round numbers from 0 to at least `high`, about `count` steps. */
function ticks(high, count) {
  if (!(high > 0)) return [0, 1];
  const raw = high / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= raw);
  const out = [];
  for (let i = 0; i === 0 || out[i - 1] < high - 1e-9; i++) out.push(Number((i * step).toPrecision(6)));
  return out;
}
