// What is said of two answers at a layer.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { differenceText } from '../../viz/viewer/src/views/closer/compare.js';

const one = (what, curve) => ({ side: { what }, own: { curve } });
const said = (a, b, layer) => differenceText([a, b], layer).replaceAll('\u00a0', ' ');

test('both shares are said, and what they are of', () => {
  const [laptop, cat] = [one('the laptop', [0.1, 0.47]), one('the cat', [0.2, 0.03])];
  assert.equal(said(laptop, cat, 1), 'At layer 2, A gives 47 % to the laptop, B 3 % to the cat.');
  assert.equal(said(laptop, one('the laptop', [0.2, 0.5]), 0), 'At layer 1, A gives 10 % to the laptop, B 20 %.');
});

test('where one has no such layer, or its answer has ended, only the other one counts', () => {
  const [short, long] = [one('the cat', [0.2]), one('the laptop', [0.1, 0.47])];
  assert.equal(said(short, long, 1), 'At layer 2, B gives 47 % to the laptop; A has no numbers there.');
  assert.equal(said(long, short, 1), 'At layer 2, A gives 47 % to the laptop; B has no numbers there.');
  assert.equal(said(one('the cat', [null]), one('the cat', [null]), 0), '');
});
