// @ts-check
// The second script: what is seen on request only, so that the first one is short (see fetched.js).

import { WordByWord } from './views/closer/byword.js';
import { Compare } from './views/closer/compare.js';
import { Heads } from './views/closer/heads.js';
import { Hide } from './views/closer/hide.js';
import { Questions } from './views/closer/questions.js';
import { Rest } from './views/closer/rest.js';
import { Settings } from './views/closer/settings.js';
import { NumbersTable } from './views/closer/table.js';
import { Whole } from './views/closer/whole.js';

/**
 * The panels of "Look closer", by the names of their tabs.
 *
 * @param {import('./viewer.js').Viewer} viewer
 */
export const panelsOf = (viewer) => ({
  heads: new Heads(viewer),
  rest: new Rest(viewer),
  words: new WordByWord(viewer),
  answers: new Whole(viewer),
  compare: new Compare(viewer),
  hide: new Hide(viewer),
  settings: new Settings(viewer),
  questions: new Questions(viewer),
  numbers: new NumbersTable(viewer),
});
