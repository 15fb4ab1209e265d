// @ts-check
// What contrasting methods compare: the next word's chances with the picture, without it, and the outcome.

import { contrastHeads } from '../acts.js';
import { el, refill } from '../dom.js';
import { percent, tokenWord } from '../words.js';

export class Contrast {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.node = viewer.$('contrast');
  }

  draw() {
    const { methods } = this.store.model;
    const tables = methods.flatMap((method, i) =>
      method.card?.contrast || method.contrast ? [this.table(method, i)] : [],
    );
    this.node.hidden = !tables.length;
    const title = el('h2', {}, this.viewer.term('With the picture, and without', 'contrast'));
    refill(this.node, tables.length ? [el('header', { class: 'cv-head' }, title), el('div', {}, ...tables)] : []);
  }

  /** @param {import('../store.js').Method} method */
  table(method, index) {
    const { model, state } = this.store;
    const columns = ['Next word', ...contrastHeads(method.contrast?.against ?? method.card.contrast)];
    const rows = (method.contrast?.steps[state.step] || []).map(([word, ...chances]) =>
      el('tr', {}, el('th', { scope: 'row', text: tokenWord(word), translate: 'no' }), ...chances.map(chanceCell)),
    );
    const waits = model.status === 'running' && !method.tokens.length;
    const why = waits ? 'waiting for the first word …' : 'This answer ended before this token.';
    const none = el('tr', {}, el('td', { colSpan: 4, class: 'cv-quiet', text: why }));
    return el(
      'table',
      { 'data-style': String(this.viewer.numbers.place(index)) },
      el('caption', {}, this.viewer.named(index)),
      el('thead', {}, el('tr', {}, ...columns.map((text) => el('th', { text, scope: 'col' })))),
      el('tbody', {}, ...(rows.length ? rows : [none])),
    );
  }
}

/** A chance as a bar behind its number. */
function chanceCell(chance) {
  const cell = el('td', {}, el('span', { text: percent(chance) }));
  cell.style.setProperty('--p', String(chance));
  return cell;
}
