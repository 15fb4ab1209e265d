// Lists by keyboard, without a browser: items are objects that know whether they have the focus.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrows, stopAt } from '../../viz/viewer/src/arrows.js';

/** A box of items; press(key) presses it where the focus is and gives the place of the focus afterwards. */
function made(count, how) {
  const hear = {};
  const box = { addEventListener: (name, listener) => (hear[name] = listener) };
  const items = Array.from({ length: count }, (_, i) => ({
    tabIndex: -1,
    focus: () => ((box.at = i), hear.focusin({ target: items[i] })),
  }));
  box.at = 0;
  stopAt(items, items[0]);
  arrows(box, () => items, how);
  const press = (key, more = {}) => {
    const event = {
      key,
      target: items[box.at],
      preventDefault: () => (event.taken = true),
      stopPropagation() {},
      ...more,
    };
    hear.keydown(event);
    press.taken = Boolean(event.taken);
    return box.at;
  };
  return { items, press };
}

test('Tab stops at one item: the chosen one, else the first', () => {
  const items = [{}, {}, {}];
  stopAt(items, items[2]);
  assert.deepEqual(
    items.map((item) => item.tabIndex),
    [-1, -1, 0],
  );
  stopAt(items, {});
  assert.deepEqual(
    items.map((item) => item.tabIndex),
    [0, -1, -1],
  );
  stopAt([]);
  for (const [i, item] of items.entries()) item.getAttribute = () => String(i === 1);
  stopAt(items);
  assert.deepEqual(
    items.map((item) => item.tabIndex),
    [-1, 0, -1],
  );
});

test('arrows of both axes move in a list, Home and End go to its ends, and the ends hold', () => {
  const { items, press } = made(4);
  assert.deepEqual(
    ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'End', 'ArrowRight', 'Home', 'ArrowUp'].map((key) => press(key)),
    [1, 2, 1, 3, 3, 0, 0],
  );
  assert.deepEqual(
    items.map((item) => item.tabIndex),
    [0, -1, -1, -1],
  );
  assert.equal(press.taken, true, 'the page does not scroll at an end');
});

test('other keys, and arrows with another key, are left alone', () => {
  const { press } = made(3);
  for (const [key, more] of [
    ['a'],
    ['Enter'],
    ['ArrowRight', { ctrlKey: true }],
    ['ArrowRight', { altKey: true }],
    ['End', { shiftKey: true }],
  ]) {
    assert.equal(press(key, more), 0);
    assert.equal(press.taken, false);
  }
});

test('a list along one axis leaves the other to the page', () => {
  const { press } = made(3, { along: 'y' });
  assert.equal(press('ArrowRight'), 0);
  assert.equal(press.taken, false);
  assert.equal(press('ArrowDown'), 1);
});

test('a grid is filled column by column', () => {
  const { press } = made(5, { rows: () => 2 });
  assert.deepEqual(
    ['ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowUp', 'ArrowRight', 'ArrowDown', 'ArrowLeft'].map((key) =>
      press(key),
    ),
    [1, 1, 3, 2, 4, 4, 2],
  );
});

test('a menu goes round', () => {
  const { press } = made(3, { round: true });
  assert.deepEqual(
    ['ArrowUp', 'ArrowDown', 'ArrowDown'].map((key) => press(key)),
    [2, 0, 1],
  );
});

test('tabs are told instead', () => {
  const told = [];
  const { items, press } = made(3, { go: (item) => told.push(items.indexOf(item)) });
  press('ArrowRight');
  press('End');
  press('ArrowLeft');
  assert.deepEqual(told, [1, 2]);
});
