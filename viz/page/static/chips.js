// Suggested questions, the first few of many until asked for more. Text from files and visitors: textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const FEW = 4;
const box = element.querySelector('.ask-chips');
const chip = (text, onclick) => el('button', { type: 'button', text, onclick, translate: 'no' });
const chips = () => [...box.children];
const draw = () => {
  const questions = Array.isArray(props.value) ? props.value : [];
  const all = questions.map((question) => chip(question, () => trigger('pick', { question })));
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
