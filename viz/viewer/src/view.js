// @ts-check
// What a visitor chose of the view, as `viz.viewer.view` declares it: where each choice starts, and how a link spells it.

import { CHOICES } from './choices.js';

/**
 * Where all choices start.
 *
 * @returns {any}
 */
export const usualView = () => Object.fromEntries(Object.entries(CHOICES).map(([name, { usual }]) => [name, usual]));

/** The number's tenths at most, as Python writes it. */
const tenths = (value) => String(Math.round(value * 10) / 10);

const SPELL = {
  whole: (value, { first }) => String(value + first),
  fraction: tenths,
  word: (value) => value,
  key: (value) => value,
  switch: (value) => String(Number(value)),
  region: ({ box, polygon }) => (box ?? polygon.flat()).map(tenths).join(','),
};

/**
 * What differs from the start, as a link's parameters.
 *
 * @param {import('./chosen.d.ts').Chosen} view
 * @returns {[string, string][]}
 */
export function spelledView(view) {
  return Object.entries(CHOICES).flatMap(([name, { usual, kind, ...facts }]) => {
    const value = view[name];
    if (value === undefined || value === usual) return [];
    if (kind !== 'names') return [[name, SPELL[kind](value, facts)]];
    return (value.length ? value : ['']).map((one) => [name, one]);
  });
}

/** Parameters as a link's text, which stays readable. @param {[string, string][]} pairs */
export function linkText(pairs) {
  const readable = { '%3A': ':', '%3D': '=', '%2C': ',', '%2F': '/' };
  return String(new URLSearchParams(pairs)).replace(/%(?:3A|3D|2C|2F)/g, (code) => readable[code]);
}
