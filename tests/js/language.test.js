import assert from 'node:assert/strict';
import { test } from 'node:test';

import { t, translated } from '../../viz/viewer/src/language.js';

globalThis.clvsWords = {
  texts: {
    Layer: '层',
    'Layer {layer} of {layers}': '共 {layers} 层，第 {layer} 层',
    'Looking at the picture': '正在看图片',
    'Again {n}': 'Again {n} mal',
    loaded: '已加载',
    ', ': '，',
    ': ': '：',
    '{text} ({more})': '{text}（{more}）',
  },
  sentences: {
    '{what}, token {n}': '{what}，第 {n} 个词元',
    'The file has {size} MB.': '文件有 {size} MB。',
    '{size} weights': '{size}参数',
  },
};

test('a sentence in the order of its language', () => {
  assert.equal(t('Layer {layer} of {layers}', { layer: 3, layers: 12 }), '共 12 层，第 3 层');
  assert.equal(t('Not in the dictionary: {n}', { n: 2 }), 'Not in the dictionary: 2');
  assert.equal(t('A hole {left}', {}), 'A hole {left}');
});

test('what Python has filled in is recognised by its shape, and what fills it is translated', () => {
  assert.equal(translated('The file has 12.5 MB.'), '文件有 12.5 MB。');
  assert.equal(translated('Looking at the picture, token 4'), '正在看图片，第 4 个词元');
  assert.equal(translated('Layer'), '层');
});

test('a text that is put together elsewhere is no pattern: it would fit too much', () => {
  assert.equal(translated('Layer 3 of 12'), 'Layer 3 of 12');
});

test('a list of texts is translated text by text, unless one of them is unknown prose', () => {
  assert.equal(translated('loaded, 8 weights, LLaVA-1.5'), '已加载，8参数，LLaVA-1.5');
  assert.equal(translated('CLVS (loaded)'), 'CLVS（loaded）'.replace('loaded', '已加载'));
  assert.equal(translated('loaded, but nobody knows what'), 'loaded, but nobody knows what');
});

test('what is no text of the page stays: values, names, and what only looks like a shape of marks', () => {
  for (const text of ['37.5 %', 'LLaVA 1.5', '', 'constructor', 'toString']) assert.equal(translated(text), text);
});

test('a translation is not translated again', () => {
  assert.equal(t('Again {n}', { n: 1 }), 'Again 1 mal');
  assert.equal(translated('Again 1 mal'), 'Again 1 mal');
});

test('text of a visitor that fills a hole is no pattern', () => {
  assert.equal(t('Layer {layer} of {layers}', { layer: '$&', layers: '{layer}' }), '共 {layer} 层，第 $& 层');
});
