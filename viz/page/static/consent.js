// What is to be known before a model is downloaded or takes its time to be loaded. The browser's own modal dialog keeps the keyboard inside, closes on
// Escape and gives the focus back. Names may be those of folders: textContent only.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const dialog = element.querySelector('.cs');
const facts = dialog.querySelector('dl');

const DOWNLOADS =
  'You can stop the download at any time, and what has come is kept. Until the new model is ready, the one on the page stays.';
const LOADS = 'You can stop at any time. Until the new model is ready, the one on the page stays.';
const line = ([name, text]) => [el('dt', { text: name }), el('dd', { text })];

function draw() {
  if (!props.value?.asked || dialog.open) return;
  const { downloads, label } = props.value;
  dialog.querySelector('h2').textContent = downloads
    ? t('Download {model}?', { model: label })
    : t('Load {model}?', { model: label });
  dialog.querySelector('.cs-yes').textContent = downloads ? t('Download and use') : t('Load and use');
  dialog.querySelector('#cs-about').textContent = t(downloads ? DOWNLOADS : LOADS);
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
