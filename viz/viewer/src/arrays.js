// @ts-check
// From base64 to numbers: the arrays of a payload.

/** @typedef {{ data: Float32Array, shape: number[] }} Numbers */

export function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves = null; // every float16, since a look-up is ten times faster than the arithmetic

export function float16(raw) {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  // Little-endian, as every machine with a browser is.
  const words = new Uint16Array(raw.buffer, raw.byteOffset, raw.length >> 1);
  const out = new Float32Array(words.length);
  for (let i = 0; i < out.length; i++) out[i] = halves[words[i]];
  return out;
}

/** {name: {data, shape}} of a payload; throws when the data ends before the shapes say. */
export function decode(payload) {
  const flat = float16(bytes(payload.blob || ''));
  const arrays = {};
  for (const [name, { offset, shape }] of Object.entries(payload.arrays || {})) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (offset < 0 || offset + size > flat.length) throw new Error(`The payload's data ends before ${name} does.`);
    arrays[name] = { data: flat.subarray(offset, offset + size), shape };
  }
  return arrays;
}

/** The last axis of an array at the given indices, or null outside of it. */
export function row(array, ...index) {
  if (!array) return null;
  let at = 0;
  for (let i = 0; i < index.length; i++) {
    if (!(index[i] >= 0 && index[i] < array.shape[i])) return null;
    at = at * array.shape[i] + index[i];
  }
  const n = array.shape[array.shape.length - 1];
  return array.data.subarray(at * n, at * n + n);
}
