import assert from 'node:assert/strict';
import { test } from 'node:test';

import { t, translated } from '../../viz/viewer/src/language.js';

globalThis.clvsWords = {
  Layer: '层',
  'Layer {layer} of {layers}': '共 {layers} 层，第 {layer} 层',
  'Looking at the picture': '正在看图片',
  '{what}, token {n}': '{what}，第 {n} 个词元',
  'Again {n}': 'Again {n} mal',
  '{label}: {note}': '{label}：{note}',
};

test('a sentence in the order of its language', () => {
  assert.equal(t('Layer {layer} of {layers}', { layer: 3, layers: 12 }), '共 12 层，第 3 层');
  assert.equal(t('Not in the dictionary: {n}', { n: 2 }), 'Not in the dictionary: 2');
  assert.equal(t('A hole {left}', {}), 'A hole {left}');
});

test('what Python has filled in is recognised by its shape, and what fills it is translated', () => {
  assert.equal(translated('Layer 3 of 12'), '共 12 层，第 3 层');
  assert.equal(translated('Looking at the picture, token 4'), '正在看图片，第 4 个词元');
  assert.equal(translated('Layer'), '层');
});

test('what is no text of the page stays: values, names, and what only looks like a shape of marks', () => {
  for (const text of ['37.5 %', 'LLaVA 1.5', 'Some: thing', '', 'constructor', 'toString'])
    assert.equal(translated(text), text);
});

test('a translation is not translated again', () => {
  assert.equal(t('Again {n}', { n: 1 }), 'Again 1 mal');
  assert.equal(translated('Again 1 mal'), 'Again 1 mal');
});

test('text of a visitor that fills a hole is no pattern', () => {
  assert.equal(t('Layer {layer} of {layers}', { layer: '$&', layers: '{layer}' }), '共 {layer} 层，第 $& 层');
});
