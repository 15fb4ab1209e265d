// Recordings: what is shown says whether it is one, so that this desk and the inputs that ask never stand together.
// All text is from files that may be anybody's: textContent only.

import { el, refill } from '../../viewer/src/dom.js';
import { viewer } from './viewer.js';

const box = element.querySelector('.rd');
const desk = box.querySelector('.rd-desk');
const shown = () => viewer()?.model?.recorded ?? null;
const open = () => props.value?.open ?? null;
const strip = box.querySelector('.rd-pictures');
let at = null; // the picture whose questions are listed
let choices = 0; // how often something was chosen

function button(text, pressed, onclick, ...children) {
  const state = pressed === null ? null : String(pressed);
  return el('button', { type: 'button', text, 'aria-pressed': state, onclick }, ...children);
}

function choose(recording, id = '') {
  trigger('open', { recording, id, choice: ++choices }); // answers may overtake each other: the last choice is shown
}

function picture({ name, title, thumbnail }) {
  const on = name === at;
  const src = thumbnail.startsWith('data:image/webp;base64,') ? thumbnail : null;
  const show = () => choose(open().name, open().items.find((item) => item.picture === name).id);
  const made = button('', on, show, el('img', { alt: title, width: 56, height: 56, src }));
  made.dataset.name = name;
  return Object.assign(made, { title, tabIndex: on ? 0 : -1 });
}

/** Of a sentence, every second part is an option of the app, to be copied. */
function words(text, place) {
  return place % 2 ? el('code', { text }) : text;
}

function drawDesk(recorded) {
  const { name, why, facts, pictures, items } = open();
  const now = items.find((item) => item.id === recorded.id);
  at = now?.picture ?? items[0].picture;
  box.querySelector('.rd-why').replaceChildren(...why.split(/(--model \S+?)(?=[,.]? )/).map(words));
  refill(strip, pictures.map(picture));
  strip.classList.toggle('rd-few', pictures.length < 6);
  const same = items.filter((item) => item.picture === at);
  refill(
    box.querySelector('.rd-items'),
    same.map((item) => button(item.question, item === now, () => choose(name, item.id))),
  );
  box.querySelector('.rd-rights').textContent = recorded.rights;
  box.querySelector('.rd-facts').replaceChildren(...facts.map((text) => el('li', { text })));
}

function draw() {
  const recorded = shown();
  const on = Boolean(recorded && open()?.name === recorded.name);
  const focused = box.contains(document.activeElement);
  const lost = () => !box.contains(document.activeElement) || document.activeElement.closest('[hidden]');
  document.body.classList.toggle('recorded', on);
  desk.hidden = !on;
  box.querySelector('.rd-offer').hidden = on;
  const models = (props.value?.recordings ?? []).map((row) => button(row.label, null, () => choose(row.name)));
  refill(box.querySelector('.rd-models'), models);
  if (on) drawDesk(recorded);
  if (focused && lost()) (on ? desk.querySelector('[aria-pressed="true"]') : models[0])?.focus({ preventScroll: true });
}

strip.addEventListener('keydown', (event) => {
  const all = [...strip.children];
  const from = all.indexOf(event.target);
  const rows = getComputedStyle(strip).gridTemplateRows.split(' ').length;
  const to = {
    ArrowRight: from + rows,
    ArrowLeft: from - rows,
    ArrowDown: from + 1,
    ArrowUp: from - 1,
    Home: 0,
    End: all.length - 1,
  }[event.key];
  if (from < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (!all[to]) return;
  all.forEach((other) => {
    other.tabIndex = other === all[to] ? 0 : -1;
  });
  all[to].focus();
});
box.querySelector('.rd-leave').addEventListener('click', () => trigger('leave', {}));
// The model menu offers recordings, too, and the way back to the model that was there before.
document.addEventListener('clvs-record', (event) => (event.detail ? choose(event.detail) : trigger('leave', {})));
document.addEventListener('clvs-shown', draw);
watch('value', draw);
draw();
