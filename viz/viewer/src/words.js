// @ts-check
// Numbers in words: shares, curves, and what one method changes of another's.

import { t } from './language.js';
import { gain, summarise } from './twins.js';

const ALIKE = 0.02; // smaller changes are not worth a word
const FAINT = 0.05; // of all attention: less at the peak is no find
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

/** A share in percent: "38 %", below one "0.4 %", never with more digits than anybody reads. */
const plainWords = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/**
 * Whether an answer says what is true, null where that is not certain: "Yes, there is." for "yes", "It is red." for
 * "red"; a long answer that does not name what is true may still mean it.
 */
export function verdict(text, truth) {
  const [said, true_] = [plainWords(text), plainWords(truth)];
  if (!said.length || !true_.length) return null;
  if (['yes', 'no'].includes(true_[0])) return ['yes', 'no'].includes(said[0]) ? said[0] === true_[0] : null;
  if (` ${said.join(' ')} `.includes(` ${true_.join(' ')} `)) return true;
  return said.length <= true_.length ? false : null;
}

export function percent(share, digits = 0) {
  if (share === null || !Number.isFinite(share)) return '–';
  const value = share * 100;
  if (value > 0 && value < 0.01) return '<\u00a00.01\u00a0%';
  return `${value > 0 && value < 1 ? value.toPrecision(1) : value.toFixed(digits)}\u00a0%`;
}

export function signedPercent(value, digits) {
  const size = Math.abs(value).toFixed(digits);
  return `${Number(size) === 0 ? '' : value > 0 ? '+' : '−'}${size}\u00a0%`;
}

/** A gain over the reference: "+79 %", from double on "2.8 ×"; as it is, since clipped it would hide that. */
export function gainText(more) {
  if (!more) return '–';
  const times = 1 + more.unclipped / 100;
  return times < 2 ? signedPercent(more.unclipped, 0) : `${times.toFixed(times < 10 ? 1 : 0)}\u00a0×`;
}

/** The axis of curves up to a share of attention: {marks, high, format}. */
export function shareAxis(highest) {
  const marks = ticks(highest, 4, 1);
  const digits = Math.max(0, -Math.floor(Math.log10(marks[1] * 100) + 1e-9));
  const format = (value) => (value ? `${(value * 100).toFixed(digits)}\u00a0%` : '0\u00a0%');
  return { marks, high: marks[marks.length - 1], format };
}

/** What is said where an answer has no numbers any more. */
export function endedText() {
  return t('ended before this token');
}

/** A share of attention in percent, two digits at least: "37.5 %", "4.8 %", "0.036 %". */
export function share(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value) * 100;
  if (size > 0 && size < 1e-3) return '<\u00a00.001\u00a0%';
  return `${value < 0 ? '−' : ''}${size >= 1 ? size.toFixed(1) : Number(size.toPrecision(2))}\u00a0%`;
}

/** "the dog, the car and your region": names of what is followed, which are labels here. */
export function listed(names) {
  const [first = '', ...rest] = names.map((name) =>
    name === 'your region' ? t(name) : t('the {name}', { name: t(name) }),
  );
  const last = rest.pop();
  const before = rest.reduce((some, name) => t('{some}, {name}', { some, name }), first);
  return last ? t('{before} and {last}', { before, last }) : before;
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

/**
 * A few plain words about two curves: where the reference looks, how fast it lets go, what the other one changes.
 * names: what is followed; absent: what the question names and the picture does not have.
 *
 * @param {{ names: string[], absent?: string[], head?: number | null, reference: Curve | null, other: Curve | null }} spec
 * @typedef {{ label: string, curve: (number | null)[], stop: number, checks?: boolean }} Curve checks: may ever stop
 */
export function sentence({ names, absent = [], head = null, reference, other }) {
  const a = reference && summarise(reference.curve);
  if (!a) return reference ? t('The answer of {method} ended before this token.', { method: reference.label }) : '';
  const [first, second] = [
    peakWords(a, names, reference),
    other && otherWords(a, reference.curve, other, names.length > 1),
  ];
  const said = second ? t('{first}; {second}.', { first, second }) : t('{first}.', { first });
  const text = head === null ? said : t('In head {head}, {said}', { head: head + 1, said });
  return absent.length
    ? t('There is no {object} in the picture. {text}', { object: either(absent.map((name) => t(name))), text })
    : text;
}

/** "cat", "cat, dog or bird". */
function either(names) {
  const [last, ...before] = [...names].reverse();
  const first = before.reverse().reduce((some, name) => (some && t('{some}, {name}', { some, name })) || name, '');
  return first ? t('{first} or {last}', { first, last }) : last;
}

function peakWords(a, names, { label, curve }) {
  const what = names.length ? listed(names) : t('the picture');
  const facts = { method: label, share: percent(a.value), what, layer: a.peak + 1 };
  if (a.peak === curve.length - 1) {
    return t('{method} gives {share} of its attention to {what} at layer {layer}, its peak and its last layer', facts);
  }
  if (a.half >= 0) {
    return t(
      '{method} gives {share} of its attention to {what} at layer {layer}, its peak, and has let go of half by layer {half}',
      { ...facts, half: a.half + 1 },
    );
  }
  return t(
    '{method} gives {share} of its attention to {what} at layer {layer}, its peak, and still keeps {left} of that at the last layer',
    { ...facts, left: percent(a.left) },
  );
}

/** What the other method does, and where it stops. */
function otherWords(a, reference, other, several) {
  if (other.curve.some((value) => value === null)) {
    return t('the answer of {method} ended before this token', { method: other.label });
  }
  const change = changeWords(a, reference, other, several);
  if (!change) return '';
  if (other.stop >= 0) return t('{change}, and stops smoothing after layer {layer}', { change, layer: other.stop + 1 });
  return other.checks ? t('{change}, and never stops smoothing', { change }) : change;
}

/** What the other method changes at the reference's peak and, on average, after it: both are said, more or less. */
function changeWords(a, reference, other, several) {
  const from = a.half >= 0 ? a.half : a.peak + 1;
  const there = gain(other.curve[a.peak], reference[a.peak]);
  const after = from < reference.length ? gain(mean(other.curve.slice(from)), mean(reference.slice(from))) : null;
  if (!there) return '';
  const [p, q] = [there.unclipped, after?.unclipped ?? 0];
  const facts = { method: other.label, it: several ? t('them') : t('it'), here: sizeWords(p), then: sizeWords(q) };
  const places = { ...facts, layer: a.peak + 1, from: from + 1 };
  if (p <= -100 * ALIKE && q >= 100 * ALIKE) {
    return t('{method} spreads that peak: {here} at layer {layer}, {then} from layer {from} on', places);
  }
  if (!after) return t('{method} gives {it} {here} there', places);
  if (facts.here === facts.then) return t('{method} gives {it} {here} there and from layer {from} on', places);
  return t('{method} gives {it} {here} there and {then} from layer {from} on', places);
}

export function sizeWords(change) {
  if (Math.abs(change) < 100 * ALIKE) return t('about as much');
  if (change >= 95) return t('{times} times as much', { times: (1 + change / 100).toFixed(1) });
  const size = `${Math.round(Math.abs(change))}\u00a0%`;
  return change > 0 ? t('{size} more', { size }) : t('{size} less', { size });
}

export function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Round numbers from 0 to at least `high`, about `count` steps; of what can be no more than `most`, none above that. */
export function ticks(high, count, most = Infinity) {
  if (!(high > 0)) return [0, 1];
  const top = Math.min(high, most);
  const raw = top / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= raw);
  const out = [];
  for (let i = 0; i === 0 || out[i - 1] < top - 1e-9; i++) out.push(Number((i * step).toPrecision(6)));
  return out;
}
