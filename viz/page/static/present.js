// Present mode, for a projector: it is one of the viewer's choices, which a button and P turn on wherever the keyboard
// is; Escape leaves it.

import { viewer } from './viewer.js';

const TYPED = 'input, select, textarea, [contenteditable="true"], dialog';

/** Has the button show and change whether the viewer presents. */
export function presenting(button) {
  const on = () => Boolean(viewer()?.state.present);
  const set = (present) => viewer()?.model && viewer().set({ present });
  const mark = () => button.setAttribute('aria-pressed', String(on()));
  button.addEventListener('click', () => set(!on()));
  document.addEventListener('keydown', ({ key, target, ctrlKey, metaKey, altKey }) => {
    if (ctrlKey || metaKey || altKey || target.closest(TYPED) || target.closest('.cv')) return;
    if (key.toLowerCase() === 'p') set(!on());
    else if (key === 'Escape' && on()) set(false);
  });
  const watch = () => {
    const root = document.querySelector('#viewer .cv');
    if (!root) return requestAnimationFrame(watch);
    mark();
    return new MutationObserver(mark).observe(root, { attributes: true, attributeFilter: ['data-present'] });
  };
  watch();
}
