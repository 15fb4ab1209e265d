import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  aboutTime,
  fits,
  layersText,
  lookingAndMattering,
  rowsFor,
  settledFrom,
  usualWindow,
} from '../../viz/viewer/src/knockouts.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');
const KEPT = [1, 0.4, 0.02, 0.3, 0.95, 1];
const VANILLA = [0.1, 0.2, 0.4, 0.2, 0.05, 0.05];
const CLVS = { label: 'CLVS', curve: [0.1, 0.15, 0.32, 0.17, 0.12, 0.12] };

function said(changes = {}) {
  const spec = { what: 'the ball', matters: [1, 2, 3], kept: [KEPT, KEPT], reference: VANILLA, other: CLVS };
  return plain(lookingAndMattering({ ...spec, ...changes }));
}

test('looking and mattering are put together', () => {
  assert.equal(
    said(),
    'Looking at the ball matters around layers 2 to 4: CLVS looks 20 % less there, and 2.4 times as much from layer 5 ' +
      'on, where hiding it changes nothing.',
  );
  const evenly = VANILLA.map((weight) => weight * 1.5);
  assert.equal(
    said({ other: { label: 'CLVS', curve: evenly } }),
    'Looking at the ball matters around layers 2 to 4: CLVS looks 50 % more there and from layer 5 on, where hiding it ' +
      'changes nothing.',
    'a number is said once',
  );
  assert.equal(
    said({ other: null }),
    'Looking at the ball matters around layers 2 to 4; from layer 5 on, hiding it changes nothing.',
  );
});

test('what matters to the end, little, or nowhere is said so', () => {
  const late = [1, 1, 1, 1, 0.3, 0.2];
  assert.match(
    said({ kept: [late], matters: [4, 5] }),
    /^Looking at the ball matters around layers 5 to 6: CLVS .* there\.$/,
  );
  assert.match(
    said({ kept: [late], matters: [4, 5], other: null }),
    /^Looking at the ball matters around layers 5 to 6\.$/,
  );
  assert.match(said({ kept: [[1, 0.7, 1, 1, 1, 1]], matters: [] }), /takes a little of the answer/);
  assert.equal(
    said({ kept: [[1, 0.95, 1, 1, 1, 1]], matters: [], everywhere: 0.04 }),
    'Hiding the ball in a few layers changes little, in all layers it leaves 4 % of the answer.',
  );
  assert.match(said({ kept: [[1, 0.95, 1, 1, 1, 1]], matters: [], everywhere: 0.9 }), /changes nothing in any layer/);
  const nothing = { kept: [[1, 1, 0.95, 1, 1, 1]], matters: [] };
  assert.match(said(nothing), /changes nothing in any layer/);
  assert.match(said({ ...nothing, question: [2] }), /the question’s words have read it, around layers 3\.$/);
});

test('what is not whole says nothing yet', () => {
  assert.equal(said({ kept: [[1, null, 1, 1, 1, 1]] }), '');
});

test('layers stand in runs, from 1', () => {
  assert.equal(layersText([2, 3, 4]), '3 to 5');
  assert.equal(layersText([0, 2, 3, 7]), '1, 3 to 4, 8');
});

test('nothing changes from the first layer on after which nothing changes', () => {
  assert.equal(settledFrom([KEPT]), 4);
  assert.equal(settledFrom([KEPT, [1, 1, 1, 1, 0.5, 1]]), 5);
  assert.equal(settledFrom([[1, 0.1]]), -1);
});

test('a knock-out is of one token, object, region and window', () => {
  const knockout = { step: 1, on: ['cup', 'ball'], region: null, window: 3, hidden: 4, left: [], reads: {} };
  const chosen = { step: 1, on: ['ball', 'cup'], region: null, window: 3 };
  assert.equal(fits(knockout, chosen), true);
  for (const other of [{ step: 0 }, { on: ['ball'] }, { region: { box: [0, 0, 1, 1] } }, { window: 5 }])
    assert.equal(fits(knockout, { ...chosen, ...other }), false, JSON.stringify(other));
  assert.equal(fits(null, chosen), false);
});

test('the chosen rows come first, and those without which they would mislead after them', () => {
  assert.deepEqual(['word', 'both', 'question'].map(rowsFor), [
    ['word', 'both'],
    ['both', 'word'],
    ['question', 'word', 'both'],
  ]);
});

test('the usual window is odd, about 9 of 32 layers', () => {
  assert.deepEqual([1, 12, 24, 32, 80].map(usualWindow), [1, 3, 7, 9, 23]);
});

test('a time is about so long', () => {
  assert.equal(aboutTime(0.2), 'about a second');
  assert.equal(aboutTime(40), 'about 40 seconds');
  assert.equal(aboutTime(400), 'about 7 minutes');
});
