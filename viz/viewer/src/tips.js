// @ts-check
// What the terms of the page mean, and what its keys do.

import { memoryOf } from './acts.js';
import { t } from './language.js';

export const TIPS = {
  map: 'Each square is one visual token: a patch of the picture. Its colour is the share of its attention that the answering position gives it in this layer; the rest goes to other patches and to the words. A white corner marks a weight beyond the scale.',
  strip:
    'Every layer of the network, first to last, on the same scale. Click or drag to move to a layer. A line below a row marks the layers in which the method acts.',
  curve:
    'How much of all its attention, on picture and words, the model spends on the chosen objects while it writes this token, layer by layer. Each patch counts by the share of it that they cover; shares of several objects in one patch add up, to the whole patch at most.',
  unsure:
    'How undecided the model would be if it had to answer at this layer: the entropy of its 10 likeliest words, from 0 (certain) to 1 (all alike).',
  scale:
    'Shared: one range for all methods and layers, so that maps can be compared. Per layer: methods can be compared within a layer. Per map: shows the shape only. × uniform: 1 is an evenly spread look.',
  head: 'Each layer has several attention heads that look at different things. The CLVS paper averages them.',
  noHead: 'Single heads are not at hand: they come with a finished answer, unless they are too large to send.',
  gain: 'How much more (or less) than the reference at this layer: +79 %, or 2.8 × from double on.',
  left: 'What remains at the last layer of the attention at the peak. Fading is not a fault in itself: it is called attention decay.',
  sinks:
    'Some tokens draw attention in every layer whatever the question (sinks). Hiding the strongest lets the rest be seen; the curves keep them.',
  grid: 'This model gets the picture twice, each time in visual tokens of their own: cut into finer tiles, and whole. The maps show one of the two; the curves count both.',
  power: 'Below 1 lifts faint weights, 1 is linear.',
  memory: 'Strongest head, so on a scale of its own.',
  rings: 'Tokens that draw attention whatever is asked, as this method finds them in each layer.',
  contrast:
    'A contrasting method works out the next word twice, with the picture and with a noised one or none. Words that are likely without seeing lose; what comes out is its outcome. Words that are far from likely with the picture are ruled out.',
  region: 'Draw a part of the picture to follow it through the layers.',
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
  ['?', 'this help'],
];
export const SCALES = { shared: 'Shared scale', layer: 'Per layer', map: 'Per map', uniform: '× uniform' };

/** A tip's text: what it says of a stop or a memory is about the methods that have one. */
export function tipText(tip, methods) {
  const text = t(TIPS[tip]);
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
