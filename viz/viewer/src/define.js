// @ts-check
// Words that can be asked about: a button in the text. Pressed by mouse, finger or key, it opens a note beside it, which
// Escape or a press anywhere else closes.

import { el } from './dom.js';

const LOOK = [
  'position: fixed; inset: auto; box-sizing: border-box; margin: 0; padding: 10px 13px; max-height: 50vh; overflow: auto;',
  'border: 1px solid #565966; border-radius: 8px; background: #20222b; color: #f4f4f8; outline-offset: -2px;',
  'font: 13px/1.5 var(--font, system-ui), sans-serif; text-align: left; white-space: normal; overflow-wrap: anywhere;',
].join(' ');

let note = null; // one for all words
let asked = null; // the button that it is about

function made() {
  note = el('div', { class: 'cv-note', popover: 'auto', role: 'note', tabindex: '-1', style: LOOK });
  note.addEventListener('toggle', ({ newState }) => {
    asked.setAttribute('aria-expanded', String(newState === 'open'));
    if (newState === 'open' && asked.matches(':focus-visible')) note.focus(); // then it is read out
  });
  for (const name of ['scroll', 'resize']) window.addEventListener(name, () => asked.isConnected && place(asked), true);
  document.body.append(note);
}

/** Below the word, or above it in the lower half of the window; inside the window in any case. */
function place(button) {
  const box = button.getBoundingClientRect();
  const width = Math.min(320, window.innerWidth - 24);
  const left = Math.max(12, Math.min(box.left, window.innerWidth - width - 12));
  const below = box.bottom < 0.6 * window.innerHeight;
  Object.assign(note.style, {
    width: `${width}px`,
    left: `${left}px`,
    top: below ? `${box.bottom + 6}px` : 'auto',
    bottom: below ? 'auto' : `${window.innerHeight - box.top + 6}px`,
  });
}

/** A word with what it means: a button; its `data-tip` says it under the pointer, too. */
export function term(text, about) {
  const button = el('button', { type: 'button', class: 'cv-term', text, 'data-tip': about, 'aria-expanded': 'false' });
  button.addEventListener('click', () => {
    if (!note?.isConnected) made();
    if (asked !== button && note.matches(':popover-open')) note.hidePopover(); // that of another word
    asked?.setAttribute('aria-expanded', 'false');
    asked = button;
    button.popoverTargetElement = note; // the press opens it, or closes it if it is open
    note.textContent = button.dataset.tip;
    note.setAttribute('aria-label', button.textContent);
    place(button);
  });
  return button;
}
