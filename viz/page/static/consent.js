// What is to be known before a model is downloaded. The browser's own modal dialog keeps the keyboard inside, closes on
// Escape and gives the focus back. Names may be those of folders: textContent only.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const dialog = element.querySelector('.cs');
const facts = dialog.querySelector('dl');

const line = ([name, text]) => [el('dt', { text: name }), el('dd', { text })];

function draw() {
  if (!props.value?.asked || dialog.open) return;
  dialog.querySelector('h2').textContent = t('Download {model}?', { model: props.value.label });
  facts.replaceChildren(...props.value.facts.flatMap(line));
  dialog.showModal();
  dialog.querySelector('.cs-no').focus();
}

dialog.querySelector('.cs-no').addEventListener('click', () => dialog.close());
dialog.querySelector('.cs-yes').addEventListener('click', () => {
  dialog.close();
  trigger('use', { name: props.value.name });
});
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close();
}); // beside it
watch('value', draw);
