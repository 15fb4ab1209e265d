// What is said of two answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { differenceText, notesOf } from '../../viz/viewer/src/views/closer/compare.js';

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

const side = {
  id: '1',
  model: 'Scenes 8M',
  step: 0,
  head: null,
  what: 'the cat',
  region: null,
  layers: 12,
  visual: 576,
};
const own = { key: 'clvs', spec: 'clvs:alpha=0.8' };
const answer = (about, method) => ({ side: about, own: method });
const ALIKE = /^A and B are the same answer now/;

test('two are the same answer until one thing about them differs', () => {
  const noted = (otherSide, otherOwn) =>
    notesOf([answer(side, own), answer({ ...side, ...otherSide }, { ...own, ...otherOwn })]);
  assert.match(noted({}, {})[0], ALIKE);
  const sides = [
    { id: '2' },
    { model: 'LLaVA' },
    { step: 1 },
    { head: 0 },
    { what: 'the dog' },
    { region: { box: [0, 0, 9, 9] } },
  ];
  for (const other of sides) assert.deepEqual(noted(other, {}), [], JSON.stringify(other));
  for (const other of [{ key: 'vcd' }, { spec: 'clvs:alpha=0.5' }]) assert.deepEqual(noted({}, other), []);
  const boxes = [
    [0, 0, 9, 9],
    [0, 0, 9, 8],
  ].map((box) => answer({ ...side, region: { box } }, own));
  assert.deepEqual(notesOf(boxes), [], 'two regions have one name');
});

test('models of other depths, and with other numbers of visual tokens, are said to be', () => {
  const large = { ...side, id: '2', model: 'LLaVA', layers: 32, visual: 144 };
  assert.deepEqual(notesOf([answer(side, own), answer(large, own)]), [
    'A has 12 layers and B 32: they are compared by number.',
    'A has 576 visual tokens and B 144: of more tokens, each gets less.',
  ]);
});
