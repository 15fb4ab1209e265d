// The model menu: a button with the chosen model, and under it a list of all. The server alone changes what is chosen.
// Names may be those of folders: textContent only.

import { arrows } from '../../viewer/src/arrows.js';
import { el } from '../../viewer/src/dom.js';
import { tellBounds } from './bounds.js';
import { viewer } from './viewer.js';

const menu = element.querySelector('.mm');
const opener = menu.querySelector('.mm-open');
const list = menu.querySelector('.mm-list');
const options = () => [...list.querySelectorAll('[role="option"]')];
/** The name of the recording that is shown in place of a model's answers, if there is one. */
const shownRecording = () => viewer()?.model?.recorded?.name;

function open(on) {
  list.hidden = !on;
  opener.setAttribute('aria-expanded', String(on));
  if (on) (list.querySelector('[aria-selected="true"]') ?? options()[0])?.focus();
}

const part = (name, text) => el('span', { class: name, text });

/**
 * One model: its name, what it needs, and in grey why it cannot be used. It can be asked for all the same.
 *
 * @param {Record<string, string>} data
 */
function option(row, chosen, data = { 'data-name': row.name }) {
  const state = { 'aria-selected': String(row.name === chosen), 'aria-disabled': String(Boolean(row.reason)) };
  return el(
    'button',
    { type: 'button', tabIndex: -1, role: 'option', ...state, ...data },
    part('mm-label', row.label),
    part('mm-more', row.reason || row.about),
    row.advice && part('mm-advice', row.advice),
  );
}

/** Models that cannot be asked here, but have answered elsewhere. */
function recordings(rows, shown) {
  if (!rows.length) return [];
  const options = rows.map((row) => option({ ...row, reason: '' }, shown, { 'data-recording': row.name }));
  const title = 'Recorded, not asked here';
  const about = { class: 'mm-recorded', role: 'group', 'aria-label': title };
  return [el('div', about, part('mm-group', title), ...options)];
}

function draw() {
  const { name = '', status = '', rows = [], recorded = [] } = props.value ?? {};
  const shown = shownRecording();
  const model = rows.find((row) => row.name === name);
  const chosen = recorded.find((row) => row.name === shown) ?? model;
  const focused = list.querySelector(':focus');
  document.dispatchEvent(new CustomEvent('clvs-model', { detail: name }));
  opener.disabled = rows.length + recorded.length < 2;
  opener.querySelector('.mm-label').textContent = chosen?.label ?? name;
  opener.querySelector('.mm-more').textContent = chosen?.about ?? '';
  menu.querySelector('.mm-status').textContent = status; // in the place of the words below: nothing moves
  menu.classList.toggle('mm-busy', Boolean(status));
  menu.querySelector('.mm-halt').hidden = !status;
  list.replaceChildren(...rows.map((row) => option(row, shown ? '' : name)), ...recordings(recorded, shown));
  if (focused)
    options()
      .find((button) => button.dataset.name === focused.dataset.name)
      ?.focus();
}

opener.addEventListener('click', () => open(list.hidden));
list.addEventListener('click', (event) => {
  const button = event.target.closest('[role="option"]');
  if (!button) return;
  open(false);
  opener.focus();
  const { name, recording } = button.dataset;
  const row = props.value.rows.find((one) => one.name === name);
  const back = shownRecording() && name === props.value.name; // to what was asked before
  if (recording || back) document.dispatchEvent(new CustomEvent('clvs-record', { detail: recording }));
  else trigger(row?.asks && !row.reason ? 'ask' : 'pick', { name });
});
menu.querySelector('.mm-halt').addEventListener('click', () => trigger('halt', {}));
menu.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || list.hidden) return;
  open(false);
  opener.focus();
});
arrows(list, options, { along: 'y' });
document.addEventListener('click', (event) => {
  if (!menu.contains(event.target)) open(false);
});
tellBounds('set-tokens'); // in the same closed part of the page
watch('value', draw);
let drawn = shownRecording();
document.addEventListener('clvs-shown', () => {
  // with every token of an answer
  if (shownRecording() === drawn) return;
  drawn = shownRecording();
  draw();
});
draw();
