// @ts-check
import { bytes } from './arrays.js';
import { LUTS } from './luts.js';

/** Each colour less the one before, which packs to a third, made colours again. */
function undone(steps) {
  for (let i = 3; i < steps.length; i++) steps[i] += steps[i - 3]; // bytes begin again after 255
  return steps;
}

/** Colour maps by name: 256 colours of three bytes. */
export const TABLES = Object.fromEntries(Object.entries(LUTS).map(([name, text]) => [name, undone(bytes(text))]));
