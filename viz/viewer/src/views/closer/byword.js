// @ts-check
// Word by word: at every layer, how much of its attention a word of the answer has for what it names.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { row } from '../../arrays.js';
import { curve, together } from '../../twins.js';
import { listed, share, tokenWord } from '../../words.js';
import { cellGrid, stopAtCell } from '../cells.js';
import { ramp, shade } from './ramp.js';

const LETTER = /[\p{L}\p{N}]/u;

export class WordByWord {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.grids = []; // {cells: [word][layer], lines}
    this.built = '';
  }

  /** @param {HTMLElement} node */
  draw(node) {
    const { model, state } = this.store;
    const shown = [...new Set([model.reference, state.focus])].filter((i) => i >= 0);
    const others = this.others();
    const key = JSON.stringify([
      model.id,
      model.status,
      model.steps,
      shown,
      model.methods.map(({ spec, text }) => [spec, text]),
      model.objects.map(({ name, word }) => word ?? name),
      others.what,
      state.region,
      state.head,
      state.cmap,
      state.power,
    ]);
    if (key !== this.built || !node.firstChild) this.build(node, shown, others);
    this.built = key;
    this.mark();
  }

  build(node, shown, others) {
    const { methods } = this.store.model;
    this.grids = [];
    const several = (i) => methods[i].tokens.filter(({ text }) => LETTER.test(text)).length > 1;
    if (!shown.some(several) && this.store.model.status !== 'running') {
      const text = t(
        'This answer has one word only: its curve above says all. Ask “What is in the picture?” for a longer one.',
      );
      node.replaceChildren(el('p', { class: 'cv-quiet', text }));
      return;
    }
    const lines = shown.map((method) => this.lines(method, others));
    const high = Math.max(0, ...lines.flat().flatMap(({ shares }) => shares));
    this.grids = shown.map((method, i) => ({ ...this.grid(method, lines[i], high), lines: lines[i] }));
    const about = t(
      'While a word is written that names an object of the picture: the attention on that object. For other words: on {what}. Press a cell to go to that word and layer.',
      { what: others.what },
    );
    const figures = shown.map((method, i) =>
      el(
        'figure',
        {},
        el('figcaption', {}, this.viewer.named(method)),
        el('div', { class: 'cv-wide cv-byword' }, this.grids[i].node),
      ),
    );
    const pair = el('div', { class: 'cv-pair' }, ...figures);
    pair.style.setProperty('--cv-least', `calc(200 * var(--cv-u) + ${26 * this.store.model.layers}px)`); // beside each
    node.replaceChildren(el('p', { text: about }), pair, ramp(high, this.store.state));
  }

  /**
   * What words that name nothing are measured on: what is followed, or the question's objects while a word's own one is;
   * where that is nothing, all objects that the answers name, and last the whole picture.
   */
  others() {
    const { model } = this.store;
    const asked = this.store.fromAnswer() && this.numbers.coveredBy(({ on }) => on);
    const { names, coverage } = asked
      ? { names: asked.names, coverage: together(asked.coverages) }
      : this.numbers.chosen();
    if (coverage) return { what: listed(names), coverage, short: briefly(names) };
    const said = new Set(model.methods.flatMap(({ tokens }) => tokens.map((token) => token.names)));
    const named = this.numbers.coveredBy(({ name }) => said.has(name));
    const what = listed(named.names) || t('the whole picture');
    return { what, coverage: together(named.coverages), short: briefly(named.names) || what };
  }

  /**
   * The words of a method's answer, without its end: {step, word, own, what, short, shares}. own: the object that it names;
   * what, short: what its attention is measured on; shares: [layer], none before its maps come.
   */
  lines(method, others) {
    const { model } = this.store;
    return model.methods[method].tokens.flatMap((token, step) => {
      if (!token.text) return [];
      const own = this.store.ownOf(token);
      const coverage = own ? row(model.arrays.coverage, model.objects.indexOf(own)) : others.coverage;
      const name = own && (own.word ?? own.name);
      const { what, short } = own ? { what: listed([name]), short: name } : others;
      const weights = this.numbers.weights(method, step);
      const shares = weights.every(Boolean) ? curve(weights, coverage) : [];
      return [{ step, word: tokenWord(token.text), own, what, short, shares }];
    });
  }

  grid(method, lines, high) {
    const { state, model } = this.store;
    const named = ({ own, what, short }) =>
      el('span', {
        role: 'gridcell',
        class: 'cv-named',
        'data-own': own ? 'true' : null,
        'data-tip': what,
        text: short,
      });
    return cellGrid({
      label: t('Attention word by word, {method}', { method: model.methods[method].label }),
      corner: t('word'),
      rows: lines.map(({ word }) => word),
      columns: Array.from({ length: model.layers }, (_, layer) => String(layer + 1)),
      ends: lines.map(named),
      end: t('attention on'),
      cell: (line, layer) => {
        const { word, what, shares } = lines[line];
        if (!shares.length)
          return {
            colour: 'transparent',
            text: t('“{word}”: its maps come with the finished answer.', { word }),
            off: true,
          };
        const facts = { word, layer: layer + 1, share: share(shares[layer]), what };
        const text = t('“{word}”, layer {layer}: {share} on {what}', facts);
        return { ...shade(shares[layer], high, state), text };
      },
      pick: (line, layer) =>
        this.store.read(method, lines[line].step, { layer, ...(method === model.reference ? {} : { focus: method }) }),
    });
  }

  /** Where the maps are: their layer's column, and the word's row. */
  mark() {
    const { step, layer } = this.store.state;
    for (const { cells, lines } of this.grids) {
      const here = lines.findIndex((line) => line.step === step);
      cells.forEach((line, i) =>
        line.forEach((cell, l) => {
          cell.setAttribute('aria-selected', String(l === layer && i === here));
          cell.dataset.here = String(l === layer);
        }),
      );
      if (!cells.flat().includes(/** @type {any} */ (document.activeElement)))
        stopAtCell(cells, cells[Math.max(0, here)]?.[layer]);
    }
  }
}

/** The same as `listed`, for the end of a row. */
function briefly(names) {
  return names.length > 1 ? t('{count} objects', { count: names.length }) : listed(names);
}
