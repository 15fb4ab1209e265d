// On a phone the settings stand at the bottom of the screen, over what they change: a button shuts them. Where there is
// little height, as when a page is enlarged, they begin shut.

import { t } from '../../viewer/src/language.js';
import { browserKeeps, browserKept } from './keep.js';

const LOW = 500; // pixels of the window's height

/** Has the button shut the settings below it, as they were the last time. */
export function shutting(button, root) {
  const shut = (on) => {
    root.classList.toggle('mp-shut', on);
    button.setAttribute('aria-expanded', String(!on));
    const words = on ? t('Show the settings') : t('Hide the settings');
    button.setAttribute('aria-label', words);
    button.title = words;
  };
  button.addEventListener('click', () => {
    shut(!root.classList.contains('mp-shut'));
    browserKeeps('clvs-settings-shut', String(root.classList.contains('mp-shut')));
  });
  shut((browserKept('clvs-settings-shut') ?? String(window.innerHeight < LOW)) === 'true');
}
