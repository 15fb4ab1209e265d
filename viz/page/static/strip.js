// The strip of example pictures: one button is pressed at a time, the value says which.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { rowsOf } from './rows.js';

const strip = element.querySelector('.ex-strip');
const pictures = [...strip.children];
const mark = () => {
  for (const button of pictures) button.setAttribute('aria-pressed', String(button.dataset.name === props.value));
  stopAt(pictures);
};
arrows(strip, () => pictures, { rows: () => rowsOf(strip) });
strip.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  props.value = button.dataset.name;
  mark();
  trigger('pick', { name: button.dataset.name });
});
watch('value', mark);
mark();
