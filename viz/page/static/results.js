// The results of a run. What is chosen is kept here, the server answers with what to show. Texts come from files:
// textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';
import { figure, heads, row } from './table.js';

const root = element.querySelector('.rs');
const get = (name) => root.querySelector(name);
const control = (name) => root.querySelector(`[data-do="${name}"]`);
const tabs = [...root.querySelectorAll('[data-part]')];
const OF_ONE = ['wrong', 'gained', 'lost'];
const first = { run: '', folder: '', parser: '', text: '', kind: '', show: 'all', method: '', page: 0, id: '' };
let choice = { ...first };
let board = null; // what the server last said of the answers
let part = 'answers';
let picked = null; // methods picked by hand to open a question with; null: the usual ones
let differing = true;
let asked = 0; // how often the server was asked for answers
let settled = choice; // what the answers on the page were asked with
const made = {}; // by part, what it was made for

function look(change = {}) {
  choice = { ...choice, page: 0, id: '', ...change };
  root.setAttribute('aria-busy', 'true');
  trigger('look', { ...choice, asked: ++asked });
}

// --- answers ---------------------------------------------------------------------------------------------

/** own: what the options are called is a file's or a program's own name, but for the one that stands for all. */
function fill(select, options, value, own = false) {
  const known = JSON.stringify(options);
  if (select.dataset.known !== known) {
    select.replaceChildren(
      ...options.map(([key, label]) => el('option', { value: key, text: label, translate: own && key ? 'no' : 'yes' })),
    );
    select.dataset.known = known;
  }
  select.value = value;
}

function tell(error) {
  get('.rs-error').textContent = error ?? '';
  get('.rs-error').hidden = !error;
}

function drawTop() {
  const listed = [...board.runs, ...(board.folder ? [board.folder] : [])];
  fill(
    control('run'),
    listed.map((name) => [name, name]),
    board.folder || board.run,
    true,
  );
  get('.rs-path').hidden = !board.own;
  get('.rs-none').hidden = listed.length > 0;
  get('.rs-choose').hidden = control('again').hidden = listed.length === 0;
  get('.rs-run').hidden = !board.methods;
  tell(board.error);
  Object.assign(choice, { run: board.run, folder: board.folder });
  setLink(choice.id);
}

/** What the header copies: only runs that the page lists can be linked. */
function setLink(id) {
  const linked = !board.folder && board.runs.includes(board.run);
  root.__link = linked ? new URLSearchParams({ run: board.run, ...(id ? { id } : {}) }).toString() : '';
}

/** What the address bar says: of a run that is not listed nothing, its path least of all. "page" is Gradio's own word. */
function setAddress() {
  const { folder, run, page, ...rest } = choice;
  const said = folder
    ? []
    : Object.entries({ ...rest, at: page }).filter(([name, value]) => value !== (first[name] ?? 0));
  root.__address = new URLSearchParams({ run: folder ? '' : run, ...Object.fromEntries(said) }).toString();
  document.dispatchEvent(new CustomEvent('clvs-address'));
}

/** What the address bar says is chosen. */
function linked() {
  const query = new URLSearchParams(location.search);
  const names = ['run', 'parser', 'text', 'kind', 'show', 'method', 'id'].filter((name) => query.has(name));
  const found = { ...first, ...Object.fromEntries(names.map((name) => [name, query.get(name)])) };
  const shows = [...control('show').options].map((option) => option.value);
  return { ...found, page: Number(query.get('at')) || 0, show: shows.includes(found.show) ? found.show : first.show };
}

function drawFilters() {
  const { methods, kinds, parsers } = board;
  get('.rs-line').textContent = board.about.line;
  get('.rs-state').textContent = board.about.state;
  fill(
    control('parser'),
    parsers.map((name, at) => [name, at ? name : t('{name} (official)', { name })]),
    board.parser,
    true,
  );
  fill(control('kind'), [['', 'All kinds'], ...kinds.map((kind) => [kind, kind])], choice.kind, true);
  fill(control('method'), methods, choice.method || otherMethod());
  control('method').disabled = !OF_ONE.includes(choice.show);
  if (document.activeElement !== control('text')) control('text').value = choice.text;
  control('show').value = choice.show;
  for (const name of ['gained', 'lost']) control('show').querySelector(`[value="${name}"]`).disabled = !board.vanilla;
  get('.rs-count').textContent =
    board.count === board.total
      ? t('{count} questions', { count: count(board.total) })
      : t('{count} of {total} questions', { count: count(board.count), total: count(board.total) });
  get('.rs-page').textContent = `${board.page + 1} / ${board.pages}`;
  control('back').disabled = board.page === 0;
  for (const next of root.querySelectorAll('[data-do="next"]')) next.disabled = board.page + 1 >= board.pages;
}

const count = (number) => number.toLocaleString('en');
const otherMethod = () => (board.methods.find(([name]) => name !== board.vanilla) ?? board.methods[0])[0];

const chips = () => [...root.querySelectorAll('.rs-chips button:enabled')];

/** Which methods a question opens with: some by hand, and perhaps those whose answers differ. Vanilla always. */
function drawChips() {
  const names = board.methods.map(([name]) => name);
  picked = (picked ?? board.usual).filter((name) => names.includes(name));
  const buttons = board.methods.map(([name, label]) =>
    el('button', {
      type: 'button',
      text: label,
      'data-method': name,
      disabled: name === board.vanilla,
      'aria-pressed': String(name === board.vanilla || picked.includes(name)),
    }),
  );
  const more = el('button', {
    type: 'button',
    class: 'rs-differing',
    text: 'those that differ',
    'aria-pressed': String(differing),
  });
  const stop = chips().findIndex((chip) => chip.tabIndex === 0);
  get('.rs-chips').replaceChildren(more, ...buttons);
  stopAt(chips(), chips()[stop]);
}

function drawRows() {
  const names = ['Id', 'Picture', 'Question', 'Label', 'Kind', ...board.methods.map(([, label]) => label)];
  get('thead tr').replaceChildren(...heads(names));
  const nothing = { class: 'rs-nothing', colSpan: names.length, text: 'No question is left by these filters.' };
  const rows = board.rows.map((question, at) => row(question, at, board));
  get('tbody').replaceChildren(...(rows.length ? rows : [el('tr', {}, el('td', nothing))]));
  const marked = get('.rs-marked');
  if (marked) marked.scrollIntoView({ block: 'nearest' });
  else get('.rs-scroll').scrollTop = 0;
}

function drawAnswers(value) {
  if (value.error && board?.methods) {
    // what was there stays
    choice = settled;
    drawTop();
    drawFilters();
    setAddress();
    return tell(value.error);
  }
  const other = board?.run !== value.run || board?.folder !== value.folder;
  board = value;
  if (other) picked = null;
  drawTop();
  if (board.methods) choice.page = board.page;
  setAddress();
  if (!board.methods) return;
  settled = choice;
  drawFilters();
  drawChips();
  drawRows();
  if (part !== 'answers') open(part);
}

// --- tables and figures ----------------------------------------------------------------------------------

const key = () => JSON.stringify([choice.run, choice.folder, part === 'tables' ? choice.parser : '', board?.answers]);
const wait = (name, on) => {
  get(`[data-of="${name}"] .rs-wait`).hidden = !on;
};

/** Shows one part of the run; what it shows is made when that has not been done yet. */
function open(name, focus = false) {
  part = name;
  tell();
  document.querySelector('#results').dataset.part = name;
  for (const tab of tabs) {
    const on = tab.dataset.part === name;
    tab.setAttribute('aria-selected', String(on));
    if (on) stopAt(tabs, tab);
    if (on && focus) tab.focus();
  }
  for (const panel of root.querySelectorAll('[data-of]')) panel.hidden = panel.dataset.of !== name;
  if (name === 'answers' || made[name] === key()) return;
  made[name] = key();
  document.querySelector('#results').dataset.waiting = name;
  wait(name, true);
  trigger('draw', { ...choice, part: name });
}

/** Which other run has figures that this one lacks, and the button that opens it. */
function elsewhere({ run, titles }) {
  const open = el('button', { type: 'button', 'data-run': run, text: t('Open {run}', { run }) });
  return el(
    'div',
    { class: 'rs-elsewhere' },
    el('p', { text: 'This run has not recorded what these figures show; another run has:' }),
    el('ul', {}, ...titles.map((title) => el('li', { text: title }))),
    open,
  );
}

function drawFigures(value) {
  get('.rs-others').replaceChildren(...(value.elsewhere ?? []).map(elsewhere));
  get('.rs-figures').replaceChildren(...(value.figures ?? []).map(figure));
  get('.rs-missing').replaceChildren(...(value.missing ?? []).map((why) => el('li', { text: why })));
}

function drawPart(value) {
  wait(value.part, false);
  delete document.querySelector('#results').dataset.waiting;
  if (value.part === part) tell(value.error);
  if (value.error) made[value.part] = '';
  if (value.part === 'figures') drawFigures(value);
}

/** A table that is wider than the page can be scrolled by keyboard. */
function reachTables() {
  for (const table of document.querySelectorAll('#tables table'))
    if (table.scrollWidth > table.clientWidth) table.setAttribute('tabindex', '0');
    else table.removeAttribute('tabindex');
}
new ResizeObserver(reachTables).observe(document.querySelector('#results'));

// --- events ----------------------------------------------------------------------------------------------

function ask(id) {
  choice.id = id;
  root.setAttribute('aria-busy', 'true');
  trigger('open', { ...choice, picked, differing });
}

function opened(value) {
  tell(value.error);
  if (value.error) return get('.rs-error').scrollIntoView({ block: 'nearest' });
  for (const line of root.querySelectorAll('tbody tr'))
    line.classList.toggle('rs-marked', line.dataset.id === value.id);
  setLink(value.id);
  setAddress();
  document.dispatchEvent(new CustomEvent('clvs-view', { detail: 'explore' }));
  // On a phone the answer stands below the question, as after Run.
  if (window.innerWidth > 900) window.scrollTo(0, 0);
  else document.querySelector('#see').scrollIntoView();
}

function pick(button) {
  const name = button.dataset.method;
  if (name === undefined) differing = !differing;
  else if (picked.includes(name)) picked = picked.filter((one) => one !== name);
  else if (new Set([board.vanilla, ...picked].filter(Boolean)).size < board.limit) picked = [...picked, name];
  drawChips();
  [...get('.rs-chips').children].find((one) => one.dataset.method === name)?.focus();
}

function choose(run) {
  const own = run === board.folder;
  if (!own) control('folder').value = '';
  look({ ...first, [own ? 'folder' : 'run']: run });
}

/** Another run's figures, from this one's: the button goes with them, so the focus moves to the tab. */
function change(run) {
  tabs.find((tab) => tab.dataset.part === part).focus();
  choose(run);
}

let typing = 0;
root.addEventListener('input', (event) => {
  if (event.target !== control('text')) return;
  clearTimeout(typing);
  typing = setTimeout(() => look({ text: control('text').value }), 250);
});
root.addEventListener('change', (event) => {
  const name = event.target.dataset.do;
  if (name === 'run') choose(event.target.value);
  else if (name === 'show')
    look({ show: event.target.value, method: OF_ONE.includes(event.target.value) ? control('method').value : '' });
  else if (['kind', 'method', 'parser'].includes(name)) look({ [name]: event.target.value });
});
get('.rs-path').addEventListener('submit', (event) => {
  event.preventDefault();
  if (control('folder').value.trim()) look({ ...first, folder: control('folder').value.trim() });
});
root.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.save)
    return trigger('save', { ...choice, part, ending: button.dataset.save, name: button.dataset.name ?? '' });
  if (button?.dataset.part) return open(button.dataset.part);
  if (button?.dataset.run) return change(button.dataset.run);
  if (button?.closest('.rs-chips')) return pick(button);
  const go = {
    again: () => look({ page: choice.page }),
    back: () => look({ page: choice.page - 1 }),
    next: () => look({ page: choice.page + 1 }),
  };
  if (button?.matches('.rs-more')) get('.rs-pager').scrollIntoView();
  if (go[button?.dataset.do]) return go[button.dataset.do]();
  const line = event.target.closest('tbody tr[data-id]');
  if (line && !String(window.getSelection())) ask(line.dataset.id); // who marks text to copy does not click
});
arrows(get('.rs-parts'), () => tabs, { along: 'x', go: (tab) => open(tab.dataset.part, true) });
arrows(get('tbody'), () => [...root.querySelectorAll('.rs-id')], { along: 'y' });
arrows(get('.rs-chips'), chips);
watch('value', () => {
  const value = props.value;
  if (!value) return;
  if (value.part === 'answers' && value.asked < asked) return; // a newer one comes
  root.setAttribute('aria-busy', 'false');
  if (value.part === 'answers') drawAnswers(value);
  else if (value.part === 'opened') opened(value);
  else drawPart(value);
});
const seen = () => {
  if (!asked && document.body.classList.contains('view-results')) look(linked());
};
document.addEventListener('clvs-viewed', seen);
document.querySelector('#results').dataset.part = part;
/** Reports are documents in English, whatever the page speaks; their place on the page may come later than this. */
function tellLanguage() {
  const tables = document.querySelector('#tables');
  if (tables?.translate) Object.assign(tables, { lang: 'en', translate: false });
}
new MutationObserver(tellLanguage).observe(document.querySelector('#results'), { childList: true, subtree: true });
tellLanguage();
seen();
