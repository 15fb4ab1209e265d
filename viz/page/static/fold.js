// The column to ask in can be folded away, which leaves its room to what is looked at; the browser keeps that.

import { t } from '../../viewer/src/language.js';
import { browserKeeps, browserKept } from './keep.js';

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
    browserKeeps('clvs-folded', String(document.body.classList.contains('folded')));
  });
  fold(browserKept('clvs-folded') === 'true');
}
