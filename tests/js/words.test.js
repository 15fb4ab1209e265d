import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actedWords, contrastHeads, doesWords, headsText } from '../../viz/viewer/src/acts.js';
import { gain } from '../../viz/viewer/src/twins.js';
import {
  claim,
  firstDifference,
  gainText,
  percent,
  sentence,
  share,
  signedPercent,
  startLayer,
  ticks,
  tour,
  verdict,
} from '../../viz/viewer/src/words.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');
const FADING = [0.02, 0.18, 0.16, 0.08, 0.06];

function summary(names, vanilla, clvs, stop = -1, head = null) {
  const other = clvs && { label: 'CLVS', curve: clvs, stop };
  return plain(sentence({ names, head, reference: { label: 'Vanilla', curve: vanilla }, other }));
}

test('the summary says what the numbers say', () => {
  assert.equal(
    summary(['dog'], FADING, [0.02, 0.18, 0.17, 0.112, 0.084], 3),
    'Vanilla gives 18 % of its attention to the dog at layer 2, its peak, and has let go of half by layer 4; ' +
      'CLVS gives it about as much there and 40 % more from layer 4 on, and stops smoothing after layer 4.',
  );
  assert.equal(
    summary([], [0.1, 0.2, 0.18], null),
    'Vanilla gives 20 % of its attention to the picture at layer 2, its peak, ' +
      'and still keeps 90 % of that at the last layer.',
  );
  const spread = summary(['dog'], FADING, [0.02, 0.144, 0.17, 0.1, 0.075]);
  assert.match(spread, /; CLVS spreads that peak: 20 % less at layer 2, 25 % more from layer 4 on\.$/);
  const times = summary(['dog'], FADING, [0.02, 0.1, 0.1, 0.24, 0.18]);
  assert.match(times, /44 % less at layer 2, 3\.0 times as much from layer 4 on/);
  const less = summary(['dog'], FADING, [0.02, 0.27, 0.1, 0.04, 0.03]);
  assert.match(less, /gives it 50 % more there and 50 % less from layer 4 on/);
  assert.match(summary(['dog'], FADING, FADING), /CLVS gives it about as much there and from layer 4 on\.$/);
  const several = summary(['dog', 'red car', 'your region'], FADING, null);
  assert.match(several, /to the dog, the red car and your region at layer 2/);
});

test('the summary says when smoothing never stops, and that an answer has ended', () => {
  const reference = { label: 'Vanilla', curve: FADING };
  const other = { label: 'CLVS', curve: FADING, stop: -1 };
  const said = (change) => plain(sentence({ names: ['dog'], reference, other: { ...other, ...change } }));
  assert.match(said({ checks: true }), /; CLVS gives it about as much .* on, and never stops smoothing\.$/);
  assert.match(said({ checks: false }), /layer 4 on\.$/);
  const none = FADING.map(() => null);
  assert.match(said({ curve: none }), /by layer 4; the answer of CLVS ended before this token\.$/);
  const ended = sentence({ names: [], reference: { ...reference, curve: none }, other });
  assert.equal(ended, 'The answer of Vanilla ended before this token.');
});

test('the summary says what the picture does not have', () => {
  const said = (absent, names = []) =>
    sentence({ absent, names, reference: { label: 'V', curve: FADING }, other: null });
  assert.match(said(['cat']), /^There is no cat in the picture\. V gives 18.% of its attention to the picture at/);
  assert.match(
    said(['cat', 'bird'], ['dog']),
    /^There is no cat or bird in the picture\. V gives 18.% .* to the dog at/,
  );
  assert.match(said(['cat', 'bus', 'bird']), /^There is no cat, bus or bird in/);
});

test('the summary names a head, and a peak at the end', () => {
  assert.equal(
    summary(['dog'], [0.1, 0.2, 0.4], [0.1, 0.2, 0.3], -1, 2),
    'In head 3, Vanilla gives 40 % of its attention to the dog at layer 3, its peak and its last layer; ' +
      'CLVS gives it 25 % less there.',
  );
});

test('it opens at the find', () => {
  assert.equal(startLayer(FADING), 1);
  assert.equal(startLayer([null]), 0);
});

const LAPTOP = [0.06, 0.14, 0.49, 0.4, 0.47, 0.5, 0.08, 0.02, 0, 0.01, 0, 0.03];
const UNSURE = [1, 0.9, 0.8, 0.7, 0.6, 0.58, 0.5, 0.3, 0.02, 0.01, 0, 0];
const claimed = (curve, more = {}) =>
  plain(claim({ who: '', names: ['laptop'], curve, unsure: UNSURE, threshold: 0.25, ...more }));

test('the claim says by which layer it finds, and from which on it no longer looks', () => {
  assert.equal(claimed(LAPTOP), 'It finds the laptop by layer 3 and has let go of it by layer 7, before it is sure.');
  const late = claimed([...LAPTOP.slice(0, 6), 0.4, 0.3, 0.27, 0.1, 0, 0]);
  assert.equal(late, 'It finds the laptop by layer 3 and has let go of it by layer 10, when it is sure.');
  const again = [...LAPTOP.slice(0, 10), 0.26, 0.03]; // once more at half of the peak
  assert.match(claimed(again), /let go of it by layer 12, when/);
  assert.match(claimed([0.1, 0.2, 0.3]), /^It finds the laptop by layer 2 and keeps looking to the last layer\.$/);
  assert.match(claimed(LAPTOP, { threshold: null }), /has let go of it by layer 7\.$/);
  assert.match(claimed(LAPTOP, { unsure: [] }), /has let go of it by layer 7\.$/);
});

test('the claim is no find where there is none', () => {
  assert.equal(claimed([0.01, 0.03, 0.02]), 'It hardly looks at the laptop: 3 % of its attention at most.');
  const picture = claimed(LAPTOP, { names: [], who: 'CLVS' });
  assert.equal(picture, 'CLVS looks at the picture most in layer 6: 50 % of its attention.');
  assert.equal(claimed([0.1, null]), '');
  assert.equal(claimed(undefined), '');
});

test('an answer is right or wrong only where that is certain', () => {
  const verdicts = [
    ['Yes', 'Yes', true],
    [' no.', 'Yes', false],
    ['Yes, there is a laptop.', 'Yes', true],
    ['There is a laptop.', 'Yes', null],
    ['red', 'red', true],
    ['It is red.', 'red', true],
    ['blue', 'red', false],
    ['It is scarlet', 'red', null],
    ['tops', 'top', false],
    ['top left', 'top left', true],
    ['right', 'top left', false],
    ['', 'Yes', null],
  ];
  for (const [text, truth, right] of verdicts) assert.equal(verdict(text, truth), right, `${text} for ${truth}`);
});

test('the tour goes from the find to where the answer is sure', () => {
  assert.deepEqual(tour(LAPTOP, UNSURE, 0.25), { from: 5, to: 8 });
  assert.deepEqual(tour(LAPTOP, UNSURE, null), { from: 5, to: 6 });
  assert.equal(tour([0.1, 0.2, 0.3], UNSURE, 0.25), null);
});

test('the first difference of two answers', () => {
  assert.equal(firstDifference([{ id: 1 }, { id: 2 }], [{ id: 1 }, { id: 3 }]), 1);
  assert.equal(firstDifference([{ id: 1 }], [{ id: 1 }, { id: 3 }]), -1);
});

const SHARES = [
  [0.375, '37.5 %'],
  [0.0482, '4.8 %'],
  [0.00036, '0.036 %'],
  [0, '0 %'],
  [-0.012, '−1.2 %'],
  [1e-8, '< 0.001 %'],
];
for (const [value, text] of SHARES) {
  test(`shares are percentages of two digits or more: ${text}`, () => assert.equal(plain(share(value)), text));
}

test('no chance has more digits than anybody reads', () => {
  const chances = [1, 0.416, 0.0096, 0.0004, 0.00009, 2e-7, 0].map((chance) => plain(percent(chance)));
  assert.deepEqual(chances, ['100 %', '42 %', '1 %', '0.04 %', '< 0.01 %', '< 0.01 %', '0 %']);
});

test('a gain is what it is, not what is left of it when it is clipped', () => {
  const gains = [0.149, 0.2667, 0.3, 0.416, 0, 4.5].map((value) => plain(gainText(gain(value, 0.149))));
  assert.deepEqual(gains, ['0 %', '+79 %', '2.0 ×', '2.8 ×', '−100 %', '30 ×']);
  assert.equal(gainText(gain(0.1, 0)), '–');
});

test('a gain of nothing has no sign', () => {
  const gains = [0.2, -0.2, 0.6, -0.6].map((percent) => plain(signedPercent(percent, 0)));
  assert.deepEqual(gains, ['0 %', '0 %', '+1 %', '−1 %']);
});

test('ticks are round and reach the top', () => {
  assert.deepEqual(ticks(0.43, 4), [0, 0.2, 0.4, 0.6]);
  assert.deepEqual(ticks(0.1, 4), [0, 0.05, 0.1]);
  assert.deepEqual(ticks(0, 4), [0, 1]);
  assert.deepEqual(ticks(1.0005, 4), [0, 0.5, 1, 1.5]);
  assert.deepEqual(ticks(1.0005, 4, 1), [0, 0.5, 1]); // a share, by float16's sums
});

// ---- single methods ------------------------------------------------------------------------------------------------

const method = (sinks, heads, tau = null, acted = 'silenced') => ({ sinks, heads, card: { tau, acted } });
const ACTS = [
  ['heads that are silenced', method(null, [[[], [0, 5]]]), ['Layer 2: 2 of 8 heads silenced']],
  ['an answer that ended before', method(null, []), []],
  ['sink tokens alone', method([[], [4]], null, 20), ['Layer 2: 1 sink token']],
  [
    'both',
    method([[3], []], [[[1], []]], 20, 'redistributed'),
    ['Layer 2: 0 sink tokens', '0 of 8 heads redistributed'],
  ],
  [
    'no sink token anywhere',
    method([[], []], [[[], []]], 5, 'redistributed'),
    ['No sink tokens found at τ 5,', 'so no head is redistributed'],
  ],
  [
    'no sink token, and heads all the same',
    method([[], []], [[[], [2]]], 5, 'changed'),
    ['No sink tokens found at τ 5', 'Layer 2: 1 of 8 heads changed'],
  ],
  ['no τ', method([[], []], [[[], []]]), ['No sink tokens found,', 'so no head is silenced']],
  ['nothing recorded', method(null, null), []],
];
for (const [name, about, lines] of ACTS) {
  test(`what a method did at a layer is counted: ${name}`, () => assert.deepEqual(actedWords(about, 0, 1, 8), lines));
}

test('acted heads are listed from one', () => {
  assert.equal(headsText([[], [0, 4], [], [7]]), 'layer 2: heads 1, 5; layer 4: head 8');
  assert.equal(headsText([[], []]), 'none');
});

test('a card without layers says so, or leaves room', () => {
  const card = { stage: 'weights', rows: 'last', layers: null, contrast: '', parts: [] };
  assert.equal(doesWords(card, 12), 'Changes the attention weights of the word being written, in no layer.');
  assert.match(doesWords(card, 0), /written, layers … to ….$/);
  assert.match(doesWords({ ...card, layers: [3, 3] }, 12), /written, layer 4\.$/);
});

test('a contrast is called what it is', () => {
  const heads = { 'no picture': 'without it', 'a noised picture': 'with a noised picture', '': 'with the contrast' };
  for (const [against, head] of Object.entries(heads))
    assert.deepEqual(contrastHeads(against), ['with the picture', head, 'outcome']);
});
