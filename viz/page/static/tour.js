// Who has just come sees the example's find, and how the model lets go of it: played once, unless anything was touched.

import { viewer } from './viewer.js';

const SOON = 1500; // milliseconds to see what there is
const TOUCHES = ['pointerdown', 'keydown', 'wheel', 'touchstart', 'focusin'];

/** fresh: whether the page's address asks for nothing, so that it opens with its example. */
export function touring(fresh) {
  if (!fresh) return;
  let touched = false;
  const touch = () => {
    touched = true;
  };
  for (const name of TOUCHES) document.addEventListener(name, touch, { once: true, capture: true, passive: true });
  const begin = () => {
    const app = viewer();
    if (!touched && !document.hidden && app?.model?.id === 'first') app.player.tour();
  };
  const wait = () => (viewer()?.drawn.count ? setTimeout(begin, SOON) : touched || requestAnimationFrame(wait));
  wait();
}
