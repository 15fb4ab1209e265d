// Gradio's number beside a slider takes the nearest number that is allowed without a word: here it is said.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

/** Says the nearest number that is allowed, as soon as another one is typed into the setting with this id. */
export function tellBounds(id) {
  document.addEventListener('input', ({ target }) => {
    const setting = target instanceof HTMLInputElement && target.type === 'number' && target.closest(`#${id}`);
    if (!setting) return;
    const said = setting.querySelector('.set-said') ?? el('p', { class: 'set-said', role: 'status' });
    setting.append(said);
    const { value, min, max } = target;
    if (value !== '' && Number(value) > Number(max)) said.textContent = t('The largest is {bound}.', { bound: max });
    else if (value !== '' && Number(value) < Number(min))
      said.textContent = t('The smallest is {bound}.', { bound: min });
    else said.textContent = '';
  });
}
