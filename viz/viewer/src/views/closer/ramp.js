// @ts-check
// The colours of a panel, from nothing to the highest share.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { TABLES } from '../../tables.js';
import { colour } from '../../twins.js';
import { share } from '../../words.js';

/** high: the highest; cmap and power: as the maps are coloured. */
export function ramp(high, { cmap, power }) {
  const stops = Array.from(
    { length: 9 },
    (_, i) => `rgb(${colour((i / 8) ** power, TABLES[cmap], false).slice(0, 3)})`,
  );
  const bar = el('i', { style: `background: linear-gradient(90deg, ${stops})` });
  return el(
    'p',
    { class: 'cv-ramp' },
    el('span', { text: share(0) }),
    bar,
    el('span', { text: t('{share} of all its attention', { share: share(high) }) }),
  );
}
