// Answers never stand as if they answered a question or a picture that they do not: they are dimmed as soon as the typed
// text or the picture has moved on, with a word why, and are themselves again when it is put back.

import { t } from '../../viewer/src/language.js';
import { viewer } from './viewer.js';

const typed = () => document.querySelector('#question textarea')?.value ?? '';
const pictured = () => document.querySelector('#picture img')?.getAttribute('src') ?? '';
const bare = (text) => text.trim().split(/\s+/).join(' ');
let answered = { id: '', picture: '' };

function why() {
  const { model } = viewer() ?? {};
  if (!model || model.recorded) return null;
  answered.picture ||= pictured();
  const other = pictured() !== answered.picture;
  if (!other && (!bare(typed()) || bare(typed()) === bare(model.question))) return null;
  if (model.status === 'running') return ''; // the line below says how far it is
  return other
    ? t('The picture has changed since: press Run to ask about it.')
    : t('The question has changed since: press Run to ask it.');
}

function look() {
  viewer()?.dim(why());
}
/** Once what else has arrived with it stands on the page, too. */
const lookSoon = () => requestAnimationFrame(() => requestAnimationFrame(look));

function hear() {
  const { model } = viewer() ?? {};
  if (model && model.id !== answered.id) {
    answered = { id: model.id, picture: pictured() };
    requestAnimationFrame(() => {
      if (answered.id === model.id && model.question) answered.picture = pictured();
      look();
    });
  }
  lookSoon();
}

/** From now on. */
export function followQuestion() {
  document.addEventListener('clvs-shown', hear);
  document.addEventListener('input', (event) => {
    if (event.target.closest?.('#question')) look();
  });
  const box = document.querySelector('#picture');
  if (box) new MutationObserver(lookSoon).observe(box, { attributeFilter: ['src'], subtree: true });
  setTimeout(hear);
}
