// @ts-check
import { bytes } from './arrays.js';
import { LUTS } from './luts.js';

/** Colour maps by name: 256 colours of three bytes. */
export const TABLES = Object.fromEntries(Object.entries(LUTS).map(([name, text]) => [name, bytes(text)]));
