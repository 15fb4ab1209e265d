// @ts-check
// Numbers in words: shares, curves, and what one method changes of another's.

import { t } from './language.js';
import { gain, summarise } from './twins.js';

const ALIKE = 0.02; // smaller changes are not worth a word
const FAINT = 0.05; // of all attention: less at the peak is no find
const END = /^(<\/s>|<eos>|<end_of_turn>|<\|(im_end|endoftext|eot_id)\|>)$/; // how models spell the end of an answer

/** A token's text for people. */
export function tokenWord(word) {
  return END.test(word) ? 'end' : word.trim() || '␣';
}

/** Index of the first token in which two answers differ, or -1. */
export function firstDifference(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i].id !== b[i].id) return i;
  return -1;
}

export function percent(share, digits = 0) {
  if (share === null || !Number.isFinite(share)) return '–';
  const value = share * 100;
  return `${value > 0 && value < 1 ? value.toPrecision(1) : value.toFixed(digits)}\u00a0%`;
}

export function signedPercent(value, digits) {
  const size = Math.abs(value).toFixed(digits);
  return `${Number(size) === 0 ? '' : value > 0 ? '+' : '−'}${size}\u00a0%`;
}

/** A share of attention in percent, two digits at least: "37.5 %", "4.8 %", "0.036 %". */
export function share(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value) * 100;
  if (size > 0 && size < 1e-4) return '<\u00a00.0001\u00a0%';
  return `${value < 0 ? '−' : ''}${size >= 1 ? size.toFixed(1) : Number(size.toPrecision(2))}\u00a0%`;
}

export function listed(names) {
  const the = names.map((name) => (name === 'your region' ? name : `the ${name}`));
  return the.length < 2 ? the.join('') : `${the.slice(0, -1).join(', ')} and ${the[the.length - 1]}`;
}

/** The layer to open at, where the reference has found what is followed: its peak. */
export function startLayer(reference) {
  return summarise(reference)?.peak ?? 0;
}

/**
 * The layers that a claim is about: `found`, the first with at least half of the peak, and `gone`, the first from which
 * on there is less than that, -1 for none. Null where the curve is not whole, or never rises.
 */
export function stretch(curve) {
  const a = summarise(curve);
  if (!a || a.value < FAINT) return null;
  const there = curve.map((v) => v >= a.value / 2);
  const gone = there.lastIndexOf(true) + 1;
  return { found: there.indexOf(true), peak: a.peak, gone: gone < curve.length ? gone : -1 };
}

/** From the layer of the find to the one where the answer is sure after it: what is shown to who has just come. */
export function tour(curve, unsure, threshold) {
  const at = stretch(curve);
  if (!at || at.gone < 0) return null;
  const sure = unsure.findIndex((v, i) => i >= at.gone && v !== null && v < threshold);
  return { from: at.peak, to: Math.max(sure, at.gone) };
}

/**
 * One claim about where the reference looks: it finds what is followed, and lets go of it, before or when it is sure.
 * who: a name, '' for the model as it is. unsure: by layer; threshold: below it an answer is sure, null where none is.
 */
export function claim({ who, names, curve, unsure, threshold }) {
  const a = curve && summarise(curve);
  if (!a) return '';
  const it = who || t('It');
  const numbers = { it, peak: a.peak + 1, share: percent(a.value) };
  if (!names.length) return t('{it} looks at the picture most in layer {peak}: {share} of its attention.', numbers);
  const what = listed(names);
  const at = stretch(curve);
  if (!at) return t('{it} hardly looks at {what}: {share} of its attention at most.', { ...numbers, what });
  const where = { it, what, found: at.found + 1, gone: at.gone + 1 };
  if (at.gone < 0) return t('{it} finds {what} by layer {found} and keeps looking to the last layer.', where);
  const left = unsure[at.gone] ?? null;
  if (threshold === null || left === null)
    return t('{it} finds {what} by layer {found} and has let go of it by layer {gone}.', where);
  return left < threshold
    ? t('{it} finds {what} by layer {found} and has let go of it by layer {gone}, when it is sure.', where)
    : t('{it} finds {what} by layer {found} and has let go of it by layer {gone}, before it is sure.', where);
}

/** One plain sentence about two curves: where the reference looks, how fast it lets go, what the other one changes. */
export function sentence({ names, head = null, reference, other }) {
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

export function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Round numbers from 0 to at least `high`, about `count` steps. */
export function ticks(high, count) {
  if (!(high > 0)) return [0, 1];
  const raw = high / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= raw);
  const out = [];
  for (let i = 0; i === 0 || out[i - 1] < high - 1e-9; i++) out.push(Number((i * step).toPrecision(6)));
  return out;
}
