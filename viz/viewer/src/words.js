// @ts-check
// Numbers in words: shares, curves, and what one method changes of another's.

import { gain, summarise } from './twins.js';

const ALIKE = 0.02; // smaller changes are not worth a word
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

/** The layer to open at: where the other curve lies farthest above the reference after its peak, else that peak. */
export function startLayer(reference, other) {
  const a = summarise(reference);
  if (!a || !other || other.some((v) => v === null)) return a?.peak ?? 0;
  const more = reference.map((v, i) => (i > a.peak ? other[i] - v : 0));
  const most = more.reduce((best, v, i) => (v > more[best] ? i : best), 0);
  return more[most] > ALIKE * a.value ? most : a.peak;
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
