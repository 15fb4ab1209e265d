// Suggested questions, the first few of many until asked for more. Text from files and visitors: textContent only.

import { el } from '../../viewer/src/dom.js';

const FEW = 4;
const box = element.querySelector('.ask-chips');
const chip = (text, onclick) => el('button', { type: 'button', text, onclick });
const draw = () => {
  const questions = Array.isArray(props.value) ? props.value : [];
  const all = questions.map((question) => chip(question, () => trigger('pick', { question })));
  if (all.length <= FEW + 1) return box.replaceChildren(...all);
  const rest = all.splice(FEW);
  const more = chip(`${rest.length} more`, () => {
    more.replaceWith(...rest);
    rest[0].focus();
  });
  more.className = 'ask-more';
  return box.replaceChildren(...all, more);
};
watch('value', draw);
draw();
