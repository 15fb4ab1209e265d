// @ts-check
// What the terms mean, in words for somebody who has not met them: for the viewer, the page and exported pages.

/** @type {Record<string, [string, string]>} key: the term, and what it means */
export const GLOSSARY = {
  layer: [
    'Layer',
    'The model works in steps, one after the other, which are called layers. In each it looks at the picture and the words once more and passes on what it has found.',
  ],
  attention: [
    'Attention',
    'How much the model reads from each patch of the picture and from each word, as shares of one look: together they are 100 %.',
  ],
  map: [
    'Attention map',
    'Each square is a patch of the picture. Its colour says how much of its attention the model gives to that patch in this layer; the rest goes to other patches and to the words. A white corner marks more than the scale can show.',
  ],
  curve: [
    'Attention on an object',
    'How much of all its attention, on picture and words, the model gives to the chosen objects while it writes this token, layer by layer. A patch counts by the share of it that they cover.',
  ],
  decay: [
    'Attention decay',
    'In its middle layers the model often looks hard at what it is asked about, and then lets go of it, sometimes before it is sure of the answer.',
  ],
  token: [
    'Token',
    'The pieces that the model reads and writes: a word or a part of one. A picture is read in tokens, too: each is one square patch of it.',
  ],
  head: [
    'Head',
    'Each layer looks in several ways at once, which are called heads. The CLVS paper takes their mean; here you can also look at one of them alone.',
  ],
  vanilla: ['Vanilla', 'The model as it is, without any method. The other methods are compared with it.'],
  smoothing: [
    'Smoothing',
    'CLVS mixes where the model looked in the layers before into where it looks now, so that it lets go of an object less suddenly.',
  ],
  memory: ['Vision memory', 'What a method keeps of where the model has looked so far, and mixes into the next look.'],
  unsure: [
    'Uncertainty',
    'How undecided the model would be if it had to answer at this layer: 0 is certain, 1 a guess among its 10 likeliest words (their entropy).',
  ],
  sink: [
    'Sink',
    'A token that draws much attention whatever the question is. It says little about what the model is looking for.',
  ],
  gain: ['Gain', 'How much more (or less) than the reference at this layer: +79 %, or 2.8 × from double on.'],
  left: [
    'Left at the end',
    'What remains at the last layer of the attention at the peak. Fading is not a fault in itself: it is called attention decay.',
  ],
  contrast: [
    'Contrast',
    'The method works out the next word twice, with the picture and with a noised one or none. Words that are likely without seeing lose; words that are far from likely with the picture are ruled out.',
  ],
};
