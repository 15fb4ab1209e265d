// Against what Python works out: tests/js/test_node.py writes it into the file that TWINS names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { bytes, decode, float16 } from '../../viz/viewer/src/arrays.js';
import { patchAt } from '../../viz/viewer/src/places.js';
import { TABLES } from '../../viz/viewer/src/tables.js';
import * as twins from '../../viz/viewer/src/twins.js';
import { middleHalf } from '../../viz/viewer/src/views/closer/half.js';
import { linkText, spelledView, usualView } from '../../viz/viewer/src/view.js';

const python = JSON.parse(readFileSync(process.env.TWINS, 'utf8'));
const functions = { ...twins, middleHalf };
const { colour, normalise, normaliseSigned } = twins;

/** Equal within float64, through lists and objects. */
function same(got, expected) {
  if (typeof expected === 'number') {
    assert.ok(Math.abs(got - expected) <= 1e-12 + 1e-6 * Math.abs(expected), `${got} is not ${expected}`);
  } else {
    assert.deepEqual(Object.keys(got), Object.keys(expected));
    for (const key of Object.keys(expected)) same(got[key], expected[key]);
  }
}

python.calls.forEach(({ name, args, expected }, i) => {
  test(`${name} gives Python's numbers (${i})`, () => same(functions[name](...args), expected));
});

for (const { values, limits, power, table, rgba } of python.colours) {
  test(`weights get Python's colours: ${table}, power ${power}`, () => {
    const signed = limits.length === 1;
    const shade = (value) =>
      signed ? normaliseSigned(value, limits[0], power) : normalise(value, limits[0], limits[1], power);
    values.forEach((value, token) =>
      colour(shade(value), TABLES[table], signed).forEach((part, i) => {
        assert.ok(Math.abs(part - rgba[token][i]) <= 1);
      }),
    );
  });
}

for (const { region, grids, visual, coverage } of python.regions) {
  test(`a drawn ${Object.keys(region)} covers what the server's mask covers, ${visual} tokens`, () => {
    const shares = [...twins.regionCoverage(region, grids, visual)];
    const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
    assert.equal(shares.length, coverage.length);
    shares.forEach((share, i) => assert.ok(Math.abs(share - coverage[i]) < 0.13)); // whole pixels, 8 to a patch here
    assert.ok(Math.abs(sum(shares) - sum(coverage)) < 0.03 * sum(coverage) + 0.1);
  });
}

for (const [name, table] of Object.entries(python.tables)) {
  test(`${name} is matplotlib's`, () => assert.deepEqual([...TABLES[name]], table));
}

test('every float16 decodes as numpy does, in browsers without fromBase64, too', () => {
  const spelt = (number) =>
    Number.isFinite(number) ? number : { Infinity: 'inf', '-Infinity': '-inf', NaN: 'nan' }[number];
  const read = () => [...float16(bytes(python.halves.blob))].map(spelt);
  assert.deepEqual(read(), python.halves.numbers);
  const { fromBase64 } = Uint8Array;
  delete Uint8Array.fromBase64;
  assert.deepEqual(read(), python.halves.numbers);
  if (fromBase64) Uint8Array.fromBase64 = fromBase64;
});

test('arrays come out by name, and a short blob is refused', () => {
  const words = new Uint16Array([0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500]); // 0 to 5
  const blob = Buffer.from(words.buffer).toString('base64');
  const arrays = { a: { offset: 0, shape: [2, 2] }, b: { offset: 4, shape: [2] } };
  const decoded = decode({ blob, arrays });
  assert.deepEqual([...decoded.a.data], [0, 1, 2, 3]);
  assert.deepEqual([...decoded.b.data], [4, 5]);
  assert.throws(() => decode({ blob, arrays: { b: { offset: 4, shape: [3] } } }), /ends before b does/);
});

test('hidden tokens are clear, and what is missing has no range, sinks or curve', () => {
  assert.deepEqual(colour(normalise(NaN, 0, 1, 1), new Uint8Array(768), false), [0, 0, 0, 0]);
  assert.deepEqual(twins.limits([[null]], 'map', 0, 0, 144), [0, 0]);
  assert.deepEqual(twins.sinks([[1, 2]], 0), []);
  assert.deepEqual(twins.curve([null], null), [null]);
  assert.equal(twins.together([]), null);
  assert.equal(twins.gain(0.1, 0), null);
});

test('the patch under a point', () => {
  assert.equal(patchAt(python.crop, 10, 50), null); // cropped away
  const { row, col, token } = patchAt(python.crop, 33, 95);
  assert.deepEqual({ row, col, token }, { row: 5, col: 0, token: 30 });
});

for (const { view, text } of python.views) {
  test(`a view is spelled as in Python: ${text}`, () => assert.equal(linkText(spelledView(view)), text));
}

test('a page starts with nothing to spell', () => assert.deepEqual(spelledView(usualView()), []));
