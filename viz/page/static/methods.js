// The methods to compare: chips pick them, and the settings of one at a time stand below. The server says what there is;
// what is picked goes back as specs, written as clvs_core.methods.spec writes them. An entry is a list of parts, one of
// a single method, each with the settings that its spec names; the others are the preset's. Labels may come from anybody's file: textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { t } from '../../viewer/src/language.js';
import { STYLES } from '../../viewer/src/styles.js';
import { placeAmong } from '../../viewer/src/twins.js';
import { el } from '../../viewer/src/dom.js';
import { dress, make } from './marks.js';
import { control, fromPaper, usual } from './settings.js';
import { shutting } from './shut.js';

const root = element.querySelector('.mp');
const find = (name) => root.querySelector(name);
const chips = find('.mp-chips');
const tabs = find('.mp-tabs');
const [shut, paper, more, reset] = root.querySelectorAll('.mp-tools button');
const rare = find('.mp-rare');
shutting(shut, root);

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
  if (entries.length >= limit)
    return tell(t('No more than {limit} methods fit side by side; take one away first.', { limit }));
  const entry = [{ name: method.name, set: {} }];
  entries = method.name === 'vanilla' ? [entry, ...entries] : [...entries, entry]; // the reference comes first
  if (method.fields.length) open = entry;
  draw();
  return send(
    method.noised
      ? t('Looking at the picture once more, with noise, for {label}…', { label: method.label })
      : t('Asking with {label}…', { label: method.label }),
  );
}

// ---- chips and tabs ------------------------------------------------------------------------------------------------

function chip(key) {
  const id = `mp-about-${key}`;
  const there = [...chips.children].find((node) => node.dataset.key === key);
  if (there) return there;
  const button = { class: 'mp-chip', type: 'button', 'data-key': key, 'aria-describedby': id };
  const tip = el('span', { class: 'mp-tip', role: 'tooltip', id });
  return el('span', { class: 'mp-one', 'data-key': key }, el('button', button, make('span', 'mp-name')), tip);
}

const buttons = () => [...chips.querySelectorAll('button')];

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
    const about = [method?.summary || 'Several methods at once.', method?.note]
      .filter(Boolean)
      .map((text) => t(text))
      .join(' ');
    one.querySelector('.mp-tip').textContent = (!entry && method?.reason) || about;
    dress(button, entry && styleOf(entry));
    return one;
  });
  for (const node of [...chips.children]) if (!all.includes(node)) node.remove();
  all.forEach((node, at) => {
    if (chips.children[at] !== node) chips.insertBefore(node, chips.children[at] ?? null);
  });
  stopAt(
    buttons(),
    buttons().find((button) => button.tabIndex === 0),
  );
}

function drawTabs() {
  const shown = settled();
  if (!shown.includes(open)) open = shown[0] ?? null;
  find('.mp-set').hidden = open === null;
  const focused = tabs.contains(document.activeElement);
  const tab = (entry) => {
    const on = entry === open;
    const about = { role: 'tab', 'aria-selected': String(on), 'aria-controls': 'mp-panel', tabIndex: on ? 0 : -1 };
    const name = make('span', 'mp-name', labelOf(entry));
    return el('button', { class: 'mp-tab', type: 'button', 'data-key': keyOf(entry), ...about }, name);
  };
  tabs.replaceChildren(...shown.map((entry) => dress(tab(entry), styleOf(entry))));
  if (focused) tabs.querySelector('[aria-selected="true"]')?.focus();
}

function show(key) {
  open = entries.find((entry) => keyOf(entry) === key) ?? open;
  drawTabs();
  drawPanel();
}

// ---- settings ------------------------------------------------------------------------------------------------------

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
  const labels = parts.map((part) => known(part.name).label);
  const whose = labels.reduce((before, last) => (before ? t('{before} and {last}', { before, last }) : last), '');
  paper.title =
    parts.length > 1
      ? t('The settings of {whose} in their papers, instead of those that suit this model', { whose })
      : t('The settings of {whose} in its paper, instead of those that suit this model', { whose });
  paper.setAttribute('aria-label', t('The paper’s settings of {whose}', { whose }));
  reset.title = open && t('Back to what suits this model for {label}', { label: labelOf(open) });
  reset.setAttribute('aria-label', open ? t('Reset {label}', { label: labelOf(open) }) : t('Reset'));
  stopAt(
    tools(),
    tools().find((button) => button === document.activeElement),
  );
}

function drawPanel() {
  const at = root.contains(document.activeElement) ? document.activeElement.getAttribute('aria-labelledby') : null;
  const rows = { main: [], rare: [] };
  for (const part of open ?? []) {
    const fields = known(part.name)?.fields ?? [];
    for (const kind of ['main', 'rare']) {
      const here = fields.filter((field) => field.main === (kind === 'main'));
      if (open.length > 1 && here.length) rows[kind].push(make('div', 'mp-whose', known(part.name).label));
      rows[kind].push(...here.map((field) => control(part, field, change)));
    }
  }
  find('.mp-main').replaceChildren(...rows.main);
  rare.replaceChildren(...rows.rare);
  find('.mp-panel').setAttribute(
    'aria-label',
    open ? t('Settings of {label}', { label: labelOf(open) }) : t('Settings'),
  );
  more.hidden = rows.rare.length === 0;
  rare.hidden = more.hidden || !expanded;
  more.setAttribute('aria-expanded', String(!rare.hidden));
  more.textContent = t(rare.hidden ? 'More' : 'Less');
  const label = open ? labelOf(open) : '';
  more.setAttribute(
    'aria-label',
    rare.hidden ? t('More settings of {label}', { label }) : t('Less settings of {label}', { label }),
  );
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
arrows(tabs, () => [...tabs.children], { along: 'x', go: (tab) => show(tab.dataset.key) });
arrows(chips, buttons);
const tools = () => [paper, more, reset].filter((button) => !button.hidden && !button.disabled);
arrows(find('.mp-tools'), tools, { along: 'x' });
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
