// Recordings: what is shown says whether it is one, so that this desk and the inputs that ask never stand together.
// All text is from files that may be anybody's: textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { el, refill } from '../../viewer/src/dom.js';
import { translated } from '../../viewer/src/language.js';
import { rowsOf } from './rows.js';
import { viewer } from './viewer.js';

const box = element.querySelector('.rd');
const desk = box.querySelector('.rd-desk');
const shown = () => viewer()?.model?.recorded ?? null;
const open = () => props.value?.open ?? null;
const strip = box.querySelector('.rd-pictures');
const list = box.querySelector('.rd-items');
const [pictures, questions] = [strip, list].map((one) => () => [...one.children]);
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
  return Object.assign(made, { title });
}

/** Of a sentence, every second part is an option of the app, to be copied. */
function words(text, place) {
  return place % 2 ? el('code', { text }) : text;
}

function drawDesk(recorded) {
  const { name, why, facts, items, ...more } = open();
  const now = items.find((item) => item.id === recorded.id);
  at = now?.picture ?? items[0].picture;
  box.querySelector('.rd-why').replaceChildren(
    ...translated(why)
      .split(/(--model \S+?)(?=[,.]? )/)
      .map(words),
  );
  refill(strip, more.pictures.map(picture));
  strip.classList.toggle('rd-few', strip.children.length < 6);
  const same = items.filter((item) => item.picture === at);
  refill(
    list,
    same.map((item) => button(item.question, item === now, () => choose(name, item.id))),
  );
  stopAt(pictures());
  stopAt(questions());
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

arrows(strip, pictures, { rows: () => rowsOf(strip) });
arrows(list, questions);
box.querySelector('.rd-leave').addEventListener('click', () => trigger('leave', {}));
// The model menu offers recordings, too, and the way back to the model that was there before.
document.addEventListener('clvs-record', (event) => (event.detail ? choose(event.detail) : trigger('leave', {})));
document.addEventListener('clvs-shown', draw);
watch('value', draw);
draw();
