// The column to ask in can be folded away, which leaves its room to what is looked at; the browser keeps that.

import { t } from '../../viewer/src/language.js';
import { keep, kept } from './keep.js';

/** Makes the button fold the column, as it was the last time. */
export function folding(button) {
  const fold = (on) => {
    document.body.classList.toggle('folded', on);
    button.setAttribute('aria-expanded', String(!on));
    const words = on ? t('Show picture and question') : t('Hide picture and question');
    button.setAttribute('aria-label', words);
    button.title = words;
  };
  button.addEventListener('click', () => {
    fold(!document.body.classList.contains('folded'));
    keep('clvs-folded', String(document.body.classList.contains('folded')));
  });
  fold(kept('clvs-folded') === 'true');
}
