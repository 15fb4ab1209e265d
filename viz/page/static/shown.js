// Which answer is on the page: whatever means that answer names it, so that the server never takes another one for it.
// A recorded answer is named beside the visitor's own, to which one comes back from it.

import { viewer } from './viewer.js';

let own = { run: '', question: '' };
document.addEventListener('clvs-shown', () => {
  const model = viewer()?.model;
  if (!model) return;
  const { run = '', question = '', recorded } = model;
  if (!recorded) own = { run, question };
  props.value = { ...own, recording: recorded?.name ?? '', item: recorded?.id ?? '' };
});
