// @ts-check
// Numbers in words: shares, curves, and what one method changes of another's.

import { t } from './language.js';
import { gain, summarise } from './twins.js';

const ALIKE = 0.02; // smaller changes are not worth a word
const END = /^(<\/s>|<eos>|<end_of_turn>|<\|(im_end|endoftext|eot_id)\|>)$/; // how models spell the end of an answer

/** A token's text for people. */
export function tokenWord(word) {
  return END.test(word) ? t('end') : word.trim() || '␣';
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

/** "the dog, the car and your region": names of what is followed, which are labels here. */
export function listed(names) {
  const [first, ...rest] = names.map((name) => (name === 'your region' ? t(name) : t('the {name}', { name: t(name) })));
  const last = rest.pop();
  const before = rest.reduce((some, name) => t('{before}, {name}', { before: some, name }), first ?? '');
  return last ? t('{before} and {last}', { before, last }) : before;
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
  const clauses = [lookWords(names, head, reference, a)];
  if (other && !other.curve.some((v) => v === null)) {
    clauses.push(changeWords(a, reference.curve, other, names.length > 1));
  }
  const [first, second] = clauses;
  return second ? t('{first}; {second}.', { first, second }) : t('{first}.', { first });
}

/** Where the reference looks, and how fast it lets go; a: its `summarise`. */
function lookWords(names, head, { label, curve }, a) {
  const what = names.length ? listed(names) : t('the picture');
  const values = { label, what, share: percent(a.value), layer: a.peak + 1, half: a.half + 1, left: percent(a.left) };
  const looks =
    a.half >= 0
      ? t(
          '{label} gives {share} of its attention to {what} at layer {layer}, its peak, and has let go of half by layer {half}',
          values,
        )
      : a.peak === curve.length - 1
        ? t('{label} gives {share} of its attention to {what} at layer {layer}, its peak and its last layer', values)
        : t(
            '{label} gives {share} of its attention to {what} at layer {layer}, its peak, and still keeps {left} of that at the last layer',
            values,
          );
  return head === null ? looks : t('In head {head}, {looks}', { head: head + 1, looks });
}

/** What the other method changes at the reference's peak and, on average, after it: both are said, more or less. */
function changeWords(a, reference, other, several) {
  const from = a.half >= 0 ? a.half : a.peak + 1;
  const there = gain(other.curve[a.peak], reference[a.peak]);
  const after = from < reference.length ? gain(mean(other.curve.slice(from)), mean(reference.slice(from))) : null;
  if (!there) return '';
  const [p, q] = [there.unclipped, after?.unclipped ?? 0];
  const [here, then] = [sizeWords(p), sizeWords(q)];
  const values = { label: other.label, here, then, layer: a.peak + 1, from: from + 1 };
  const gives = after ? laterWords(values, several) : hereWords(values, several);
  const spreads = p <= -100 * ALIKE && q >= 100 * ALIKE;
  const change = spreads
    ? t('{label} spreads that peak: {here} at layer {layer}, {then} from layer {from} on', values)
    : gives;
  if (other.stop < 0) return change;
  return t('{change}, and stops smoothing after layer {stop}', { change, stop: other.stop + 1 });
}

function hereWords(values, several) {
  return several ? t('{label} gives them {here} there', values) : t('{label} gives it {here} there', values);
}

function laterWords(values, several) {
  if (values.here === values.then) {
    return several
      ? t('{label} gives them {here} there and from layer {from} on', values)
      : t('{label} gives it {here} there and from layer {from} on', values);
  }
  return several
    ? t('{label} gives them {here} there and {then} from layer {from} on', values)
    : t('{label} gives it {here} there and {then} from layer {from} on', values);
}

function sizeWords(change) {
  if (Math.abs(change) < 100 * ALIKE) return t('about as much');
  if (change >= 95) return t('{times} times as much', { times: (1 + change / 100).toFixed(1) });
  const size = Math.round(Math.abs(change));
  return change > 0 ? t('{size}\u00a0% more', { size }) : t('{size}\u00a0% less', { size });
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
