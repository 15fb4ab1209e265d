// Which answer is on the page: whatever means that answer names it, so that the server never takes another one for it.
// A recorded answer is named beside the visitor's own, to which one comes back from it.

import { viewer } from './viewer.js';

/** Stop is there all the time, so that nothing moves, and can be pressed while something runs. */
function offerStop() {
  const stop = document.querySelector('#go button:last-child');
  stop?.setAttribute('aria-disabled', String(viewer()?.model?.status !== 'running'));
}

let own = { run: '', question: '' };
document.addEventListener('clvs-shown', () => {
  offerStop();
  const model = viewer()?.model;
  if (!model) return;
  const { run = '', question = '', recorded } = model;
  if (!recorded) own = { run, question };
  props.value = { ...own, recording: recorded?.name ?? '', item: recorded?.id ?? '' };
});
offerStop();
