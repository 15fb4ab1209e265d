// The controls of a method's settings. A part is one method of an entry: {name, set}, its settings as far as they differ.
// People count layers from 1. `set` is told a value, or null for the usual one.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';
import { make } from './marks.js';

export const fromPaper = (part) => part.set.preset === 'paper';
/** What a setting is where it is left out. */
export const usual = (part, field) => (fromPaper(part) ? field.paper : field.value);
const valueOf = (part, field) => (field.name in part.set ? part.set[field.name] : usual(part, field));

/** What names an input, and what tells of its meaning. */
const labels = (id) => ({ 'aria-labelledby': id, 'aria-describedby': `${id}-about` });
const shiftOf = ({ kind }) => (kind === 'layer' || kind === 'layers' ? 1 : 0);

/** A number box. on: called with a number inside the range, or null once emptied. */
function numberBox(field, value, names, on) {
  const shift = shiftOf(field);
  const box = el('input', { class: 'mp-number', type: 'number', step: 'any', placeholder: 'usual', ...names });
  const put = (next) => {
    value = next;
    box.value = next === null || next === undefined ? '' : String(next + shift);
  };
  put(value);
  box.addEventListener('change', () => {
    if (box.value === '') {
      put(value);
      return on(null);
    }
    const asked = Number(box.value) - shift;
    let number = asked;
    if (field.low !== null) number = Math.max(number, field.low);
    if (field.high !== null) number = Math.min(number, Math.max(field.high, value ?? field.high));
    if (number !== asked) tellBound(box, number + shift, number < asked);
    put(field.kind === 'number' ? number : Math.round(number));
    return on(value);
  });
  return { box, put };
}

/** Says beside a number box, in place of its hint, that the number which was typed is the nearest one now. */
function tellBound(box, bound, largest) {
  const hint = box.closest('.mp-row')?.querySelector('.mp-hint');
  if (!hint) return;
  const before = hint.dataset.hint ?? hint.textContent;
  hint.dataset.hint = before;
  hint.setAttribute('role', 'status');
  hint.textContent = largest ? t('The largest is {bound}.', { bound }) : t('The smallest is {bound}.', { bound });
  box.addEventListener('input', () => (hint.textContent = before), { once: true });
}

const sliding = ({ low, high, step }) => low !== null && high !== null && step !== null && (high - low) / step <= 1000;

/** A slider with a number box, or the box alone where a range would be endless. */
function number(part, field, id, set) {
  const value = valueOf(part, field);
  const names = sliding(field) ? { 'aria-labelledby': id } : labels(id);
  const range = sliding(field) ? slider(field, value, id) : null;
  const { box, put } = numberBox(field, value, names, (next) => {
    const now = next ?? usual(part, field);
    if (next === null) put(now);
    if (range && now !== null) fillTrack(range, now + shiftOf(field));
    set(next);
  });
  range?.addEventListener('input', () => {
    const next = Number(range.value) - shiftOf(field);
    put(next);
    fillTrack(range);
    set(next);
  });
  return [box, range];
}

function slider(field, value, id) {
  const shift = shiftOf(field);
  const [min, max] = [field.low + shift, Math.max(field.high, value ?? field.high) + shift]; // a link may hold more
  const range = el('input', { class: 'mp-range', type: 'range', min, max, step: field.step, ...labels(id) });
  fillTrack(range, (value ?? field.low) + shift);
  return range;
}

/** Puts a slider at a value and colours it up to there. */
function fillTrack(range, value = range.value) {
  range.value = value;
  range.style.setProperty('--at', `${(100 * (range.value - range.min)) / (range.max - range.min)}%`);
}

function layerRange(part, field, id, set) {
  const pair = [...(valueOf(part, field) ?? [null, null])];
  const boxes = pair.map((value, at) => {
    const names = {
      'aria-label': at ? t('{label}, last', { label: t(field.label) }) : t('{label}, first', { label: t(field.label) }),
      'aria-describedby': `${id}-about`,
    };
    return numberBox(field, value, names, (next) => {
      pair[at] = next ?? usual(part, field)?.[at] ?? null;
      if (next === null)
        pair.splice(0, 2, ...(usual(part, field) ?? [null, null])); // emptied: both are the usual ones again
      else if (pair[1 - at] === null) pair[1 - at] = next;
      if (pair[0] > pair[1]) pair[1 - at] = pair[at];
      boxes.forEach(({ put }, i) => put(pair[i]));
      set(pair[0] === null ? null : [...pair]);
    });
  });
  return [el('span', { class: 'mp-pair' }, boxes[0].box, make('span', 'mp-soft', 'to'), boxes[1].box), null];
}

function list(part, field, id, set) {
  const [value, placeholder] = [part.set[field.name] ?? '', usual(part, field) ?? 'none'];
  const onchange = () => {
    const items = box.value.split(/[\s,;/]+/).filter(Boolean);
    box.value = items.join('/');
    set(box.value);
  };
  const props = { class: 'mp-list', type: 'text', value, placeholder, spellcheck: false, maxLength: 1900 };
  const box = el('input', { ...props, ...labels(id), onchange });
  return [null, box];
}

function toggleBox(part, field, id, set) {
  const checked = valueOf(part, field) === true;
  const onchange = (event) => set(event.target.checked);
  return [el('input', { class: 'mp-check', type: 'checkbox', checked, ...labels(id), onchange }), null];
}

const CONTROLS = { number, integer: number, layer: number, layers: layerRange, list, switch: toggleBox };

/** One setting: its name, three words, its number; then a slider. The meaning opens beside it, or stands below. */
export function control(part, field, change) {
  const id = `mp-${part.name}-${field.name}`;
  const [small, wide] = CONTROLS[field.kind](part, field, id, (value) => change(part, field, value));
  const onclick = field.kind === 'switch' ? () => small.click() : null;
  const label = el('span', { class: 'mp-label', id, text: field.label, onclick });
  const row = el('div', { class: 'mp-row' }, label, make('span', 'mp-hint', field.hint), small);
  const about = { class: field.main ? 'mp-tip' : 'mp-about', id: `${id}-about`, text: field.about };
  return el('div', { class: 'mp-field', 'data-field': field.name }, row, wide, field.about && el('span', about));
}
