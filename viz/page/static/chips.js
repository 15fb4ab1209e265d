// Suggested questions, the first few of many until asked for more. Text from files and visitors: textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const FEW = 4;
const box = element.querySelector('.ask-chips');
const chip = (text, onclick) => el('button', { type: 'button', text, onclick });
/** A question; one in which CLVS looks less says so, since it shows the opposite of what the page is about. */
function asked(item) {
  const { question, less = false } = typeof item === 'string' ? { question: item } : item;
  const button = chip('', () => trigger('pick', { question }));
  const odd = less && el('small', { text: t('CLVS looks less') });
  button.append(el('span', { text: question, translate: 'no' }), ...(odd ? [' ', odd] : []));
  return button;
}
const chips = () => [...box.children];
const draw = () => {
  const questions = Array.isArray(props.value) ? props.value : [];
  const all = questions.map(asked);
  if (all.length <= FEW + 1) return put(all);
  const rest = all.splice(FEW);
  const more = chip(t('{count} more', { count: rest.length }), () => {
    more.replaceWith(...rest);
    stopAt(chips(), rest[0]);
    rest[0].focus();
  });
  more.className = 'ask-more';
  return put([...all, more]);
};
function put(all) {
  box.replaceChildren(...all);
  stopAt(chips(), all[0]);
}
arrows(box, chips);
watch('value', draw);
draw();
