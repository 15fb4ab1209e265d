// @ts-check
// What the controls do, and the keys.

import { memoryOf } from './acts.js';
import { GLOSSARY } from './glossary.js';
import { t } from './language.js';

export const TIPS = {
  strip:
    'Every layer of the network, first to last, on the same scale. Click or drag to move to a layer. A line below a row marks the layers in which the method acts.',
  scale:
    'Shared: one range for all methods and layers, so that maps can be compared. Per layer: methods can be compared within a layer. Per map: shows the shape only. × uniform: 1 is an evenly spread look.',
  noHead: 'Single heads are not at hand: they come with a finished answer, unless they are too large to send.',
  sinks:
    'Some tokens draw attention in every layer whatever the question (sinks). Hiding the strongest lets the rest be seen; the curves keep them.',
  grid: 'This model gets the picture twice, each time in visual tokens of their own: cut into finer tiles, and whole. The maps show one of the two; the curves count both.',
  power: 'Below 1 lifts faint weights, 1 is linear.',
  memory: 'Strongest head, so on a scale of its own.',
  rings: 'Tokens that draw attention whatever is asked, as this method finds them in each layer.',
  region: 'Draw a part of the picture to follow it through the layers.',
  asked: 'Follow again what the question names.',
};
export const KEYS = [
  ['← →', 'layer'],
  ['Shift ← →', 'five layers'],
  ['Home  End', 'first, last layer'],
  ['Space', 'play'],
  ['[  ]', 'token'],
  ['D', 'difference map'],
  ['S', 'scale'],
  ['M', 'outlines'],
  ['H', 'head'],
  ['P', 'present'],
  ['F', 'a map, large'],
  ['?', 'this help'],
  ['Tab to a map', 'its patches, by arrow keys'],
];
export const SCALES = { shared: 'Shared scale', layer: 'Per layer', map: 'Per map', uniform: '× uniform' };

/** The text of a tip or of a term: what it says of a stop or a memory is about the methods that have one. */
export function tipText(tip, methods) {
  const text = t(TIPS[tip] ?? GLOSSARY[tip][1]);
  const stopping = methods.filter((method) => method.threshold > 0).map((method) => method.label);
  const who = stopping.reduce((before, last) => (before ? t('{before} and {last}', { before, last }) : last), '');
  if (tip === 'strip' && who) return `${text} ${t('▼ is the layer after which {who} stopped smoothing.', { who })}`;
  if (tip === 'unsure' && who) {
    const stops =
      stopping.length > 1
        ? t('Once it falls below the threshold, {who} stop smoothing.', { who })
        : t('Once it falls below the threshold, {who} stops smoothing.', { who });
    return `${text} ${stops}`;
  }
  if (tip !== 'memory') return text;
  return [...methods.filter((method) => method.memory).map(memoryOf), text].join(' ');
}
