// What the words of an answer are about, and which way they lead.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Store } from '../../viz/viewer/src/store.js';
import { WordByWord } from '../../viz/viewer/src/views/closer/byword.js';

const array = (shape, data) => ({ shape, data: Float32Array.from(data) });

/** Two layers of two visual tokens: the cat covers the first, the dog the second. */
function store({ on = [], names = ['cat', undefined, 'dog'] } = {}) {
  const told = [];
  const made = new Store((name, data) => told.push([name, data]));
  const texts = ['cat', ' and', ' dogs'];
  const tokens = texts.map((text, id) => ({ id, text, probability: 1, names: names[id] }));
  const method = { key: 'vanilla', label: 'Vanilla', tokens: [...tokens, { id: 9, text: '', probability: 1 }] };
  made.model = /** @type {any} */ ({
    id: '1',
    methods: [method],
    objects: [
      { name: 'cat', on: on.includes('cat') },
      { name: 'dog', word: 'dogs', on: on.includes('dog') },
    ],
    layers: 2,
    steps: 3,
    reference: 0,
    arrays: {
      coverage: array([2, 2], [1, 0, 0, 1]),
      'attention/vanilla': array([3, 2, 2], [0.5, 0.125, 0.25, 0.125, 0.25, 0.25, 0.125, 0.5, 0.125, 0.75, 0, 0.5]),
    },
  });
  return { store: made, told };
}

const followed = (made) => made.model.objects.filter((object) => made.isOn(object)).map(({ name }) => name);
const panel = (made) => new WordByWord(/** @type {any} */ ({ store: made, numbers: made.numbers }));

test('a word that names an object is measured on it, every other on what is followed', () => {
  const words = panel(store({ on: ['cat'] }).store);
  const lines = words.lines(0, words.others());
  assert.deepEqual(
    lines.map(({ step, word, what, shares }) => [step, word, what, ...shares]),
    [
      [0, 'cat', 'the cat', 0.5, 0.25],
      [1, 'and', 'the cat', 0.25, 0.125],
      [2, 'dogs', 'the dogs', 0.75, 0.5],
    ],
  );
});

test('where the question names nothing, the others are measured on all that the answer names', () => {
  const all = panel(store().store).others();
  assert.deepEqual([all.what, all.short, ...all.coverage], ['the cat and the dogs', '2 objects', 1, 1]);
  const none = panel(store({ names: [] }).store).others();
  assert.deepEqual([none.what, none.short, none.coverage], ['the whole picture', 'the whole picture', null]);
});

test('a word before its maps has no numbers', () => {
  const { store: made } = store();
  made.model.arrays['attention/vanilla'] = array([1, 2, 2], [0.5, 0, 0.5, 0]);
  const words = panel(made);
  assert.deepEqual(
    words.lines(0, words.others()).map(({ shares }) => shares.length),
    [2, 0, 0],
  );
});

test('what a word names is followed alone, until a word is read that names nothing', () => {
  const { store: made, told } = store({ on: ['cat'] });
  assert.equal(made.fromAnswer(), false);
  made.read(0, 2);
  assert.deepEqual([followed(made), made.state.step, made.fromAnswer()], [['dog'], 2, true]);
  assert.deepEqual(told.at(-1), ['objects', { on: ['dog'] }]);
  assert.deepEqual(made.view().on, ['dog']);
  assert.equal(panel(made).others().what, 'the cat', 'what the others are measured on stays');
  made.read(0, 1, { layer: 1 });
  assert.deepEqual([followed(made), made.state.step, made.state.layer], [['cat'], 1, 1]);
  assert.equal(made.view().on, null);
});

test('what the visitor chose stays, where a word names nothing', () => {
  const { store: made } = store({ on: ['cat'] });
  made.follow({ dog: true });
  made.read(0, 1);
  assert.deepEqual([followed(made), made.fromAnswer()], [['cat', 'dog'], false]);
});

test('a drawn region stays followed alone', () => {
  const { store: made } = store();
  made.state.region = { box: [0, 0, 1, 1] };
  made.read(0, 0);
  assert.deepEqual([followed(made), made.state.step], [[], 0]);
});
