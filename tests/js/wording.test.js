import assert from 'node:assert/strict';
import { test } from 'node:test';

import { built, marked } from '../../viz/page/static/wording.js';

const WORDS = {
  objects: { apple: 'apples', 'hot dog': 'hot dogs', sheep: 'sheep' },
  colours: ['red', 'orange'],
  relations: ['above', 'to the left of'],
  forms: [
    'Is there {a_object} in the picture?',
    'Is there {a_colour} {object} in the picture?',
    'How many {plural} are there?',
    'Is the {object} {relation} the {other}?',
    'What is in the picture?',
  ],
};
const ask = (form, object, other = 0, colour = 0, relation = 0) =>
  built(WORDS, { form, object, other, colour, relation });

test('a question is built from its form and words', () => {
  assert.equal(ask(0, 0), 'Is there an apple in the picture?');
  assert.equal(ask(0, 1), 'Is there a hot dog in the picture?');
  assert.equal(ask(1, 0, 0, 0), 'Is there a red apple in the picture?');
  assert.equal(ask(1, 1, 0, 1), 'Is there an orange hot dog in the picture?');
});

test('forms say where words stand: plurals, two objects, none', () => {
  assert.equal(ask(2, 2), 'How many sheep are there?');
  assert.equal(ask(3, 2, 1, 0, 1), 'Is the sheep to the left of the hot dog?');
  assert.equal(ask(4, 2), 'What is in the picture?');
});

const found = (text, ...words) =>
  marked(text, words)
    .map(([part, odd]) => (odd ? `[${part}]` : part))
    .join('');

test('unknown words are found whole, as they are written', () => {
  assert.equal(found('Is there a flurb, or flurbs?', 'flurb'), 'Is there a [flurb], or flurbs?');
  assert.equal(found('🦄 or a 🦄?', '🦄'), '[🦄] or a [🦄]?');
  assert.equal(found('(a+b) and élan', 'a+b', 'élan'), '([a+b]) and [élan]');
});

test('without unknown words a text is one part, or none', () => {
  assert.equal(found('nothing'), 'nothing');
  assert.equal(found('', 'x'), '');
});
