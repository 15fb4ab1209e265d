import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withoutText } from '../../viz/viewer/src/views/closer/hide.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');

/** An answer: its words with their chances, ids by text, and its end. */
function answer(...words) {
  const tokens = words.map(([text, probability]) => ({
    id: text.length * 1000 + text.charCodeAt(0),
    text,
    probability,
  }));
  return { text: words.map(([text]) => text).join(' '), tokens: [...tokens, { id: 0, text: '', probability: 1 }] };
}

const pair = (label, before, after) => ({ label, before: answer(...before), after: answer(...after) });
const said = (...pairs) => plain(withoutText(pairs, 'the dog'));

test('answers that turn are told, with the chance of what is said then', () => {
  const turned = (label, chance = 0.98) => pair(label, [['Yes', 1]], [['No', chance]]);
  assert.equal(
    said(turned('Vanilla'), turned('CLVS')),
    'With the dog hidden both say No (98 %) instead of Yes: the answer came from there.',
  );
  assert.match(said(turned('Vanilla', 0.8), turned('CLVS')), /both say No \(80 % to 98 %\)/);
  assert.match(said(turned('Vanilla')), /hidden it says No \(98 %\) instead of Yes/);
  assert.match(said(turned('Vanilla'), turned('CLVS'), turned('PAI')), /hidden all say No/);
});

test('answers that stay did not need it', () => {
  const stays = (label) => pair(label, [['Yes', 1]], [['Yes', 0.9]]);
  assert.equal(
    said(stays('Vanilla'), stays('CLVS')),
    'With the dog hidden both still say Yes (90 %): the answer does not need it.',
  );
});

test('where they differ, each is told', () => {
  assert.equal(
    said(pair('Vanilla', [['Yes', 1]], [['No', 0.7]]), pair('CLVS', [['Yes', 0.9]], [['Yes', 0.6]])),
    'With the dog hidden, Vanilla says No (70 %) instead of Yes; CLVS still says Yes (60 %, before 90 %).',
  );
});

test('of long answers it is told from which token on they differ', () => {
  const long = [['A', 0.9], ['dog', 0.8], ['runs', 0.7]]; // prettier-ignore
  const other = [['A', 0.9], ['cat', 0.8], ['runs', 0.7]]; // prettier-ignore
  assert.equal(
    said(pair('Vanilla', long, other), pair('CLVS', long, long)),
    'With the dog hidden, Vanilla answers otherwise from token 2 on; CLVS says the same, word for word.',
  );
});
