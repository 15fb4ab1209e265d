// @ts-check
// The colours of a panel, from nothing to the highest share.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { TABLES } from '../../tables.js';
import { colour, normalise } from '../../twins.js';
import { share } from '../../words.js';

/** How a cell shows a share of the attention; cmap and power: as the maps are coloured. */
export function shade(value, high, { cmap, power }) {
  const [r, g, b] = colour(normalise(value, 0, high, power), TABLES[cmap], false);
  return { colour: `rgb(${r},${g},${b})`, light: 0.3 * r + 0.59 * g + 0.11 * b > 140 };
}

/** What the colours mean. */
export function ramp(high, state) {
  const stops = Array.from({ length: 9 }, (_, i) => shade(i / 8, 1, state).colour);
  return el(
    'p',
    { class: 'cv-ramp' },
    el('span', { text: share(0) }),
    el('i', { style: `background: linear-gradient(90deg, ${stops})` }),
    el('span', { text: t('{share} of all its attention', { share: share(high) }) }),
  );
}
