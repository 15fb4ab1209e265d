// The methods to compare: chips pick them, and the settings of one at a time stand below. The server says what there is;
// what is picked goes back as specs, written as clvs_core.methods.spec writes them. An entry is a list of parts, one of
// a single method, each with the settings that its spec names; the others are the preset's. Labels may come from anybody's file: textContent only.

import { el } from '../../viewer/src/dom.js';
import { STYLES } from '../../viewer/src/styles.js';
import { placeAmong } from '../../viewer/src/twins.js';

const root = element.querySelector('.mp');
const find = (name) => root.querySelector(name);
const chips = find('.mp-chips');
const tabs = find('.mp-tabs');
const [paper, more, reset] = root.querySelectorAll('.mp-tools button');
const rare = find('.mp-rare');

let methods = []; // what there is
let limit = 4;
let entries = []; // what is picked
let open = null; // the entry whose settings are shown
let expanded = false; // its rarer settings, too

// ---- what is picked ------------------------------------------------------------------------------------------------

const PAPER = { preset: 'paper' };
const known = (name) => methods.find((method) => method.name === name);
const copy = (value) => JSON.parse(JSON.stringify(value));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const fieldsOf = (entry) => entry.flatMap((part) => known(part.name)?.fields ?? []);
const settled = () => entries.filter((entry) => fieldsOf(entry).length > 0);
/** The chip that stands for an entry: its method's own, or one more for methods that work together or come again. */
const keyOf = (entry) => {
  const name = entry.map((part) => part.name).join('+');
  const before = entries.slice(0, entries.indexOf(entry)).filter((other) => keyName(other) === name).length;
  return before ? `${name}-${before + 1}` : name;
};
const keyName = (entry) => entry.map((part) => part.name).join('+');
const labelOf = (entry) => {
  const label = entry.map((part) => known(part.name)?.label ?? part.name).join(' + ');
  const again = keyOf(entry).slice(keyName(entry).length + 1);
  return again ? `${label} ${again}` : label;
};
const styleOf = (entry) => {
  const reference = Math.max(0, entries.map(keyName).indexOf('vanilla'));
  return STYLES[placeAmong(entries.indexOf(entry), reference)];
};

const written = (value) => (Array.isArray(value) ? value.join('-') : String(value));
function specOf(entry) {
  return entry
    .map(({ name, set }) => {
      const order = ['preset', ...(known(name)?.fields ?? []).map((field) => field.name)];
      const pairs = Object.entries(set).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
      return name + (pairs.length ? `:${pairs.map(([key, value]) => `${key}=${written(value)}`).join(',')}` : '');
    })
    .join('+');
}

function keep() {
  props.value = { specs: entries.map(specOf) };
}
/** Tells the server; words: what to say if the answer takes longer than a blink. */
function send(words) {
  keep();
  document.dispatchEvent(new CustomEvent('clvs-working', { detail: words }));
  trigger('adjust', {});
}

function tell(text) {
  find('.mp-said').textContent = text;
}

function toggle(key) {
  tell('');
  const picked = entries.find((entry) => keyOf(entry) === key);
  if (picked) {
    if (entries.length === 1) return tell('One method has to stay; pick another one first.');
    entries = entries.filter((entry) => entry !== picked);
    draw();
    return send('');
  }
  const method = known(key);
  if (method.reason) return tell(method.reason);
  if (entries.length >= limit) return tell(`No more than ${limit} methods fit side by side; take one away first.`);
  const entry = [{ name: method.name, set: {} }];
  entries = method.name === 'vanilla' ? [entry, ...entries] : [...entries, entry]; // the reference comes first
  if (method.fields.length) open = entry;
  draw();
  return send(
    method.noised
      ? `Looking at the picture once more, with noise, for ${method.label}…`
      : `Asking with ${method.label}…`,
  );
}

// ---- chips and tabs ------------------------------------------------------------------------------------------------

const make = (tag, name, text = '') => el(tag, { class: name, text, type: tag === 'button' ? 'button' : null });

const PATHS = {
  ring: 'M6 2.6a3.4 3.4 0 1 1 0 6.8a3.4 3.4 0 1 1 0-6.8z',
  dot: 'M6 2.6a3.4 3.4 0 1 1 0 6.8a3.4 3.4 0 1 1 0-6.8z',
  square: 'M2.9 2.9h6.2v6.2h-6.2z',
  diamond: 'M6 1.6l4.4 4.4l-4.4 4.4l-4.4-4.4z',
  plus: 'M6 2.6v6.8M2.6 6h6.8',
};
/** The marker of a method's lines, or a plus for one that can be added. */
function mark(kind) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 12 12');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `mp-mark mp-mark-${kind}`);
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', PATHS[kind]);
  svg.append(path);
  return svg;
}
function dress(node, style) {
  node.style.setProperty('--own-light', style?.colour ?? '');
  node.style.setProperty('--own-dark', style?.dark ?? '');
  node.querySelector('.mp-mark')?.remove();
  node.prepend(mark(style?.mark ?? 'plus'));
}

function chip(key) {
  let one = [...chips.children].find((node) => node.dataset.key === key);
  if (!one) {
    one = make('span', 'mp-one');
    one.dataset.key = key;
    const tip = make('span', 'mp-tip');
    tip.setAttribute('role', 'tooltip');
    tip.id = `mp-about-${key}`;
    const button = make('button', 'mp-chip');
    button.dataset.key = key;
    button.setAttribute('aria-describedby', tip.id);
    button.append(make('span', 'mp-name'));
    one.append(button, tip);
  }
  return one;
}

function drawChips() {
  const own = methods.map((method) => method.name);
  const extra = entries.map(keyOf).filter((key) => !own.includes(key));
  const all = [...own, ...extra].map((key) => {
    const one = chip(key);
    const button = one.querySelector('button');
    const entry = entries.find((other) => keyOf(other) === key);
    const method = known(key);
    button.setAttribute('aria-pressed', String(Boolean(entry)));
    button.setAttribute('aria-disabled', String(!entry && Boolean(method?.reason)));
    button.querySelector('.mp-name').textContent = entry ? labelOf(entry) : method.label;
    const about = [method?.summary || 'Several methods at once.', method?.note].filter(Boolean).join(' ');
    one.querySelector('.mp-tip').textContent = (!entry && method?.reason) || about;
    dress(button, entry && styleOf(entry));
    return one;
  });
  for (const node of [...chips.children]) if (!all.includes(node)) node.remove();
  all.forEach((node, at) => {
    if (chips.children[at] !== node) chips.insertBefore(node, chips.children[at] ?? null);
  });
}

function drawTabs() {
  const shown = settled();
  if (!shown.includes(open)) open = shown[0] ?? null;
  find('.mp-set').hidden = open === null;
  const focused = tabs.contains(document.activeElement);
  tabs.replaceChildren(
    ...shown.map((entry) => {
      const tab = make('button', 'mp-tab');
      tab.dataset.key = keyOf(entry);
      tab.setAttribute('role', 'tab');
      tab.setAttribute('aria-selected', String(entry === open));
      tab.setAttribute('aria-controls', 'mp-panel');
      tab.tabIndex = entry === open ? 0 : -1;
      tab.append(make('span', 'mp-name', labelOf(entry)));
      dress(tab, styleOf(entry));
      return tab;
    }),
  );
  if (focused) tabs.querySelector('[aria-selected="true"]')?.focus();
}

function show(key) {
  open = entries.find((entry) => keyOf(entry) === key) ?? open;
  drawTabs();
  drawPanel();
}

// ---- settings ------------------------------------------------------------------------------------------------------

const fromPaper = (part) => part.set.preset === 'paper';
/** What a setting is where it is left out. */
const usual = (part, field) => (fromPaper(part) ? field.paper : field.value);
const valueOf = (part, field) => (field.name in part.set ? part.set[field.name] : usual(part, field));
/** Whether the method's paper and the model's card say different things. */
const differs = (part) => known(part.name)?.fields.some((field) => !same(field.paper, field.value));
function change(part, field, value) {
  tell('');
  if (value === null || value === '' || same(value, usual(part, field))) delete part.set[field.name];
  else part.set[field.name] = value;
  drawReset();
  send('Working out the new setting…');
}

/** Whether these are all the papers' settings: 'true', 'false', or 'mixed' of those that were changed since. */
function papers(parts) {
  if (!parts.some(fromPaper)) return 'false';
  return parts.every((part) => same(part.set, PAPER)) ? 'true' : 'mixed';
}

function drawReset() {
  reset.disabled = open === null || open.every((part) => Object.keys(part.set).length === 0);
  const parts = open?.filter((part) => differs(part) || fromPaper(part)) ?? [];
  paper.hidden = parts.length === 0;
  paper.setAttribute('aria-pressed', papers(parts));
  const whose = parts.map((part) => known(part.name).label).join(' and ');
  paper.title = `The settings of ${whose} in ${parts.length > 1 ? 'their papers' : 'its paper'}, instead of those that suit this model`;
  paper.setAttribute('aria-label', `The paper’s settings of ${whose}`);
  reset.title = open && `Back to what suits this model for ${labelOf(open)}`;
  reset.setAttribute('aria-label', open ? `Reset ${labelOf(open)}` : 'Reset');
}

/** A number box; people count layers from 1. on: called with a number inside the range, or null once emptied. */
function numberBox(field, value, on) {
  const shift = field.kind === 'layer' || field.kind === 'layers' ? 1 : 0;
  const box = make('input', 'mp-number');
  box.type = 'number';
  box.step = 'any';
  box.placeholder = 'usual';
  const put = (v) => {
    box.value = v === null || v === undefined ? '' : String(v + shift);
  };
  put(value);
  box.addEventListener('change', () => {
    if (box.value === '') {
      put(value);
      return on(null);
    }
    let v = Number(box.value) - shift;
    if (field.low !== null) v = Math.max(v, field.low);
    if (field.high !== null) v = Math.min(v, Math.max(field.high, value ?? field.high));
    if (field.kind !== 'number') v = Math.round(v);
    value = v;
    put(v);
    return on(v);
  });
  return {
    box,
    put: (v) => {
      value = v;
      put(v);
    },
  };
}

const sliding = (field) =>
  field.low !== null && field.high !== null && field.step !== null && (field.high - field.low) / field.step <= 1000;

/** A slider with a number box, or the box alone where a range would be endless. */
function number(part, field, id) {
  const value = valueOf(part, field);
  const shift = field.kind === 'layer' ? 1 : 0;
  let range = null;
  const fill = () =>
    range?.style.setProperty('--at', `${(100 * (range.value - range.min)) / (range.max - range.min)}%`);
  const { box, put } = numberBox(field, value, (v) => {
    const now = v ?? usual(part, field);
    if (v === null) put(now);
    if (range && now !== null) {
      range.value = now + shift;
      fill();
    }
    change(part, field, v);
  });
  box.setAttribute('aria-labelledby', id);
  if (sliding(field)) {
    range = make('input', 'mp-range');
    Object.assign(range, { type: 'range', min: field.low + shift, step: field.step });
    range.max = Math.max(field.high, value ?? field.high) + shift; // a link may hold more
    range.value = (value ?? field.low) + shift;
    range.setAttribute('aria-labelledby', id);
    range.setAttribute('aria-describedby', `${id}-about`);
    range.addEventListener('input', () => {
      const v = Number(range.value) - shift;
      put(v);
      fill();
      change(part, field, v);
    });
    fill();
  } else box.setAttribute('aria-describedby', `${id}-about`);
  return [box, range];
}

function layerRange(part, field, id) {
  const pair = [...(valueOf(part, field) ?? [null, null])];
  const both = make('span', 'mp-pair');
  const boxes = pair.map((value, at) =>
    numberBox(field, value, (v) => {
      pair[at] = v ?? usual(part, field)?.[at] ?? null;
      if (v === null)
        pair.splice(0, 2, ...(usual(part, field) ?? [null, null])); // emptied: both are the usual ones again
      else if (pair[1 - at] === null) pair[1 - at] = v;
      if (pair[0] > pair[1]) pair[1 - at] = pair[at];
      boxes.forEach((other, i) => other.put(pair[i]));
      change(part, field, pair[0] === null ? null : [...pair]);
    }),
  );
  boxes.forEach(({ box }, at) => {
    box.setAttribute('aria-label', `${field.label}, ${at ? 'last' : 'first'}`);
    box.setAttribute('aria-describedby', `${id}-about`);
  });
  both.append(boxes[0].box, make('span', 'mp-soft', 'to'), boxes[1].box);
  return [both, null];
}

function list(part, field, id) {
  const box = make('input', 'mp-list');
  Object.assign(box, {
    type: 'text',
    value: part.set[field.name] ?? '',
    placeholder: usual(part, field) ?? 'none',
    spellcheck: false,
    maxLength: 1900,
  });
  box.setAttribute('aria-labelledby', id);
  box.setAttribute('aria-describedby', `${id}-about`);
  box.addEventListener('change', () => {
    box.value = box.value
      .trim()
      .split(/[\s,;/]+/)
      .filter(Boolean)
      .join('/');
    change(part, field, box.value);
  });
  return [null, box];
}

function toggleBox(part, field, id) {
  const box = make('input', 'mp-check');
  Object.assign(box, { type: 'checkbox', checked: valueOf(part, field) === true });
  box.setAttribute('aria-labelledby', id);
  box.setAttribute('aria-describedby', `${id}-about`);
  box.addEventListener('change', () => change(part, field, box.checked));
  return [box, null];
}

const CONTROLS = { number, integer: number, layer: number, layers: layerRange, list, switch: toggleBox };

/** One setting: its name, three words, its number; then a slider. The meaning opens beside it, or stands below. */
function control(part, field) {
  const id = `mp-${part.name}-${field.name}`;
  const [small, wide] = CONTROLS[field.kind](part, field, id);
  const block = make('div', 'mp-field');
  block.dataset.field = field.name;
  const row = make('div', 'mp-row');
  const label = make('span', 'mp-label', field.label);
  label.id = id;
  if (field.kind === 'switch') label.addEventListener('click', () => small.click());
  row.append(label, make('span', 'mp-hint', field.hint));
  if (small) row.append(small);
  const about = make('span', field.main ? 'mp-tip' : 'mp-about', field.about);
  about.id = `${id}-about`;
  block.append(row);
  if (wide) block.append(wide);
  if (field.about) block.append(about);
  return block;
}

function drawPanel() {
  const at = root.contains(document.activeElement) ? document.activeElement.getAttribute('aria-labelledby') : null;
  const rows = { main: [], rare: [] };
  for (const part of open ?? []) {
    const fields = known(part.name)?.fields ?? [];
    for (const kind of ['main', 'rare']) {
      const here = fields.filter((field) => field.main === (kind === 'main'));
      if (open.length > 1 && here.length) rows[kind].push(make('div', 'mp-whose', known(part.name).label));
      rows[kind].push(...here.map((field) => control(part, field)));
    }
  }
  find('.mp-main').replaceChildren(...rows.main);
  rare.replaceChildren(...rows.rare);
  find('.mp-panel').setAttribute('aria-label', open ? `Settings of ${labelOf(open)}` : 'Settings');
  more.hidden = rows.rare.length === 0;
  rare.hidden = more.hidden || !expanded;
  more.setAttribute('aria-expanded', String(!rare.hidden));
  more.textContent = rare.hidden ? 'More' : 'Less';
  more.setAttribute('aria-label', `${more.textContent} settings of ${open ? labelOf(open) : 'a method'}`);
  drawReset();
  if (at) find(`[aria-labelledby="${at}"]`)?.focus();
}

function draw() {
  drawChips();
  drawTabs();
  drawPanel();
}

// ---- events --------------------------------------------------------------------------------------------------------

chips.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (event.detail) button.parentElement.classList.add('mp-hush'); // whoever has clicked wants to see the maps
  toggle(button.dataset.key);
});
chips.addEventListener('pointerout', (event) => event.target.closest('.mp-one')?.classList.remove('mp-hush'));
tabs.addEventListener('click', (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (tab) show(tab.dataset.key);
});
tabs.addEventListener('keydown', (event) => {
  const all = [...tabs.children];
  const at = all.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  if (all[to]) show(all[to].dataset.key);
});
more.addEventListener('click', () => {
  expanded = !expanded;
  drawPanel();
  if (expanded) rare.scrollIntoView({ block: 'nearest' });
});
/** All settings of the open method at once. */
function preset(set, words) {
  tell('');
  for (const part of open) part.set = set === PAPER && !differs(part) ? {} : copy(set);
  drawPanel();
  send(words);
}
reset.addEventListener('click', () => preset({}, 'Working out the usual settings…'));
paper.addEventListener('click', () =>
  paper.getAttribute('aria-pressed') === 'true'
    ? preset({}, 'Working out the usual settings…')
    : preset(PAPER, 'Working out the paper’s settings…'),
);

function take() {
  const value = props.value;
  if (!value?.methods) return;
  const news = !same(methods, value.methods) || Boolean(value.entries);
  ({ methods, limit } = value);
  if (value.entries) {
    const before = open && keyOf(open);
    entries = copy(value.entries);
    open = entries.find((entry) => keyOf(entry) === before) ?? null;
    tell('');
  }
  keep();
  if (news) draw(); // and nothing under a finger that moves a slider
}
watch('value', take);
take();
