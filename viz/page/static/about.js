// Which model answers, how large it is, what it knows and what methods do to its answers: a line under the title, whose
// parts with more to say open on a click, a tap or a key.

import { el, refill } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';
import { viewer } from './viewer.js';

function more(text, ...inside) {
  return el('details', { class: 'page-fact' }, el('summary', { text }), el('div', {}, ...inside));
}

function parts({ model, layers }, { weights = '', objects = [], effect = [] }) {
  const [sentence, numbers] = effect;
  const kinds = el('ul', {}, ...objects.map((text) => el('li', { text })));
  return [
    el('strong', { text: model.label }),
    el('span', { text: layers ? t('{layers} layers', { layers }) : '' }),
    el('span', { text: weights }),
    objects.length && more(t('knows {count} drawn objects', { count: objects.length }), kinds),
    sentence && more(sentence, el('p', { text: numbers })),
  ].filter((part) => part?.textContent);
}

/** Fills the line for the model whose answer is shown. facts: by name, of viz.page.about. */
export function aboutModel(node, facts) {
  let said = '';
  const draw = () => {
    const shown = viewer()?.model;
    if (!shown) return;
    const { model, layers } = shown;
    const key = JSON.stringify([model, layers]);
    if (key !== said) refill(node, parts(shown, facts[model.name] ?? {}));
    said = key;
  };
  const wait = () => (viewer()?.model ? draw() : requestAnimationFrame(wait));
  wait();
  document.addEventListener('clvs-shown', draw);
  const close = (event) => {
    for (const open of node.querySelectorAll('details[open]'))
      if (event.key === 'Escape' || !open.contains(event.target)) {
        if (open.contains(document.activeElement)) open.firstElementChild.focus();
        open.open = false;
      }
  };
  document.addEventListener('pointerdown', close);
  node.addEventListener('keydown', (event) => event.key === 'Escape' && close(event));
}
