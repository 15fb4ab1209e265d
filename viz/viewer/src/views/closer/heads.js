// @ts-check
// Every head of every layer: how much of its attention lies on what is followed.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { row } from '../../arrays.js';
import { curve } from '../../twins.js';
import { share } from '../../words.js';
import { cellGrid, stopAtCell } from '../cells.js';
import { ramp, shade } from './ramp.js';

export class Heads {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.grids = []; // {method, cells: [head][layer]}
    this.built = '';
  }

  /** @param {HTMLElement} node */
  draw(node) {
    const { model, state } = this.store;
    if (!this.numbers.hasHeads()) {
      node.replaceChildren(
        el('p', {
          class: 'cv-quiet',
          text: t('Single heads are not at hand: they come with a finished answer, unless they are too large to send.'),
        }),
      );
      this.built = '';
      return;
    }
    const shown = this.shown();
    const { id, status } = model;
    const key = JSON.stringify([
      id,
      status,
      shown,
      model.methods.map(({ spec }) => spec),
      state.step,
      state.on,
      state.region,
      state.cmap,
      state.power,
    ]);
    if (key !== this.built || !node.firstChild) this.build(node, shown);
    this.built = key;
    this.mark();
  }

  /** The reference, and what is compared with it. */
  shown() {
    const { model, state } = this.store;
    return [...new Set([model.reference, state.focus])].filter((i) => i >= 0 && !this.numbers.ended(i));
  }

  build(node, shown) {
    const { state } = this.store;
    const shares = shown.map((method) => this.shares(method));
    const high = Math.max(...shares.flat(2));
    this.grids = shown.map((method, i) => ({ method, ...this.grid(method, shares[i], high) }));
    const what = this.numbers.followedText();
    node.replaceChildren(
      el('p', {
        text: t(
          'How much of its attention each head gives to {what} while this token is written. Press a cell to see that head and layer in the maps.',
          { what },
        ),
      }),
      el(
        'div',
        { class: 'cv-pair' },
        ...this.grids.map(({ method, node: grid, best }) =>
          el(
            'figure',
            {},
            el('figcaption', {}, this.viewer.named(method), el('span', { class: 'cv-quiet', text: best })),
            el('div', { class: 'cv-wide' }, grid),
          ),
        ),
      ),
      ramp(high, state),
    );
  }

  /** [head][layer] */
  shares(method) {
    const { model, state } = this.store;
    const { coverage } = this.numbers.chosen();
    const heads = model.arrays[`heads/${model.methods[method].key}`];
    const layers = Array.from({ length: model.layers }, (_, layer) => layer);
    return Array.from({ length: model.heads }, (_, head) =>
      curve(
        layers.map((layer) => row(heads, state.step, layer, head)),
        coverage,
      ),
    );
  }

  grid(method, shares, high) {
    const { model, state } = this.store;
    const { label } = model.methods[method];
    const [top, at] = strongest(shares);
    const facts = (head, layer) => ({ head: head + 1, layer: layer + 1, share: share(shares[head][layer]) });
    const made = cellGrid({
      label: t('Attention of every head, {method}', { method: label }),
      corner: t('head'),
      rows: shares.map((_, head) => String(head + 1)),
      columns: Array.from({ length: model.layers }, (_, layer) => String(layer + 1)),
      cell: (head, layer) => {
        const mark = head === top && layer === at ? '★' : '';
        const text = t('Head {head}, layer {layer}: {share}', facts(head, layer));
        return { ...shade(shares[head][layer], high, state), mark, text };
      },
      pick: (head, layer) => this.pick(method, head, layer),
    });
    return { ...made, best: t('★ strongest: head {head} in layer {layer}, {share}', facts(top, at)) };
  }

  /** The cell of the head and layer on the maps; pressed again, the mean of heads. */
  pick(method, head, layer) {
    const { state, model } = this.store;
    const again = state.head === head && state.layer === layer;
    this.store.set({ head: again ? null : head, layer, ...(method === model.reference ? {} : { focus: method }) });
  }

  /** Where the maps are: their layer's column, and the head if one is chosen. */
  mark() {
    const { head, layer } = this.store.state;
    for (const { cells } of this.grids) {
      cells.forEach((line, h) =>
        line.forEach((cell, l) => {
          cell.setAttribute('aria-selected', String(l === layer && h === head));
          cell.dataset.here = String(l === layer);
        }),
      );
      if (!cells.flat().includes(/** @type {any} */ (document.activeElement)))
        stopAtCell(cells, cells[head ?? 0]?.[layer]);
    }
  }
}

/** Where the highest share is: [head, layer]. */
function strongest(shares) {
  let best = [0, 0];
  shares.forEach((line, head) =>
    line.forEach((value, layer) => {
      if (value > shares[best[0]][best[1]]) best = [head, layer];
    }),
  );
  return best;
}
