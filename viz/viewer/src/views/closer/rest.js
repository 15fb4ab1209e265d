// @ts-check
// Where the rest goes: all attention of a layer as a band, on what is followed, on the rest of the picture, on the words.

import { row } from '../../arrays.js';
import { el } from '../../dom.js';
import { level, label, prepare } from '../../draw/canvas.js';
import { drawLayers, frame } from '../../draw/plot.js';
import { t } from '../../language.js';
import { curve } from '../../twins.js';
import { percent, share } from '../../words.js';
import { drag } from '../drag.js';

const FIRST = 3; // of the words among a record's numbers, which `clvs_core.Trace` explains

export class Rest {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.bands = []; // {method, canvas, cells, words, parts}
    this.built = '';
  }

  /** @param {HTMLElement} node */
  draw(node) {
    const { model, state } = this.store;
    const shown = [...new Set([model.reference, state.focus])].filter((i) => i >= 0 && this.row(i, 0));
    const key = JSON.stringify([model.id, shown, model.methods.map(({ spec }) => spec), this.names()]);
    if (key !== this.built || !node.firstChild) this.build(node, shown);
    this.built = key;
    for (const band of this.bands) this.drawBand(band);
  }

  /** What the parts of a band are called, from below. */
  names() {
    return [
      this.numbers.chosen().names.length ? this.numbers.followedText() : '',
      this.numbers.chosen().names.length ? t('the rest of the picture') : t('the picture'),
      t('the question’s words'),
      t('the very first token'),
      t('other words of the prompt, and of the answer'),
    ];
  }

  row(method, layer) {
    const { arrays, methods } = this.store.model;
    return row(arrays[`rest/${methods[method].key}`], this.store.state.step, layer);
  }

  /** [layer][part] shares of all attention, in the order of the names. */
  parts(method) {
    const { model, state } = this.store;
    const { coverage } = this.numbers.chosen();
    const maps = Array.from({ length: model.layers }, (_, layer) =>
      row(model.arrays[`attention/${model.methods[method].key}`], state.step, layer),
    );
    const [whole, followed] = [curve(maps, null), coverage ? curve(maps, coverage) : maps.map(() => 0)];
    const [from, to] = model.rest.asked;
    return whole.map((picture, layer) => {
      const values = [...this.row(method, layer)];
      const asked = sum(values.slice(FIRST + from, FIRST + to));
      return [followed[layer], picture - followed[layer], asked, values[0], sum(values) - asked - values[0]];
    });
  }

  build(node, shown) {
    this.bands = shown.map((method) => this.band(method));
    const about = t(
      'All of its attention at each layer, from the bottom up. The very first token often takes what is not needed elsewhere (a sink). Darker words of the question get more at this layer.',
    );
    node.replaceChildren(
      el('p', { text: about }),
      el('div', { class: 'cv-pair' }, ...this.bands.map(({ figure }) => figure)),
    );
  }

  band(method) {
    const canvas = el('canvas', { role: 'img' });
    const box = el('div', { class: 'cv-plot cv-band' }, canvas);
    const cells = this.names().map(() => el('td'));
    const rows = this.names().map((name, i) =>
      name ? el('tr', { 'data-part': String(i) }, el('th', { scope: 'row', text: name }), cells[i]) : null,
    );
    const { rest } = this.store.model;
    const words = rest.words.map((word, i) => {
      const asked = i >= rest.asked[0] && i < rest.asked[1];
      return asked ? el('span', { text: word.trim() || '␣', translate: 'no' }) : null;
    });
    const table = el('table', {}, el('tbody', {}, ...rows.reverse()));
    const figure = el(
      'figure',
      {},
      el('figcaption', {}, this.viewer.named(method)),
      box,
      el('p', { class: 'cv-tinted' }, ...words),
      table,
    );
    const made = { method, canvas, box, cells, words, figure, at: null };
    drag(box, this.viewer.player, (x) => made.at && this.store.goto(made.at.layer(x)));
    return made;
  }

  drawBand(band) {
    const { canvas, box, cells, method } = band;
    const { layer } = this.store.state;
    const parts = this.parts(method);
    const { clientWidth: width, clientHeight: height } = box;
    if (width) band.at = this.paint(prepare(canvas, width, height), width, height, parts);
    cells.forEach((cell, i) => (cell.textContent = percent(parts[layer][i], 1)));
    const names = this.names();
    const said = parts[layer].map((value, i) => names[i] && `${names[i]} ${percent(value)}`).filter(Boolean);
    canvas.setAttribute('aria-label', t('Layer {layer}: {shares}', { layer: layer + 1, shares: said.join(', ') }));
    this.tint(band, [...this.row(method, layer)].slice(FIRST));
  }

  /** The question's words, darker the more of the attention they get at this layer. */
  tint({ words }, shares) {
    words.forEach((word, i) => {
      if (!word) return;
      word.style.setProperty('--p', String(Math.min(1, shares[i] * 2))); // half of all attention is as dark as can be
      word.dataset.tip = t('{share} of all attention', { share: share(shares[i]) });
    });
  }

  paint(ctx, width, height, parts) {
    const look = this.viewer.look();
    const type = parseFloat(getComputedStyle(ctx.canvas).fontSize);
    const at = frame(width, height, { layers: parts.length, high: 1, left: 46 * (type / 12) }, type);
    const style = getComputedStyle(ctx.canvas);
    const tops = parts.map((shares) => shares.map((_, i) => sum(shares.slice(0, i + 1))));
    for (let part = parts[0].length - 1; part >= 0; part--) {
      ctx.beginPath();
      ctx.moveTo(at.x(0), at.bottom);
      tops.forEach((top, layer) => ctx.lineTo(at.x(layer), at.y(Math.min(1, top[part]))));
      ctx.lineTo(at.x(tops.length - 1), at.bottom);
      ctx.fillStyle = style.getPropertyValue(`--cv-part${part}`);
      ctx.fill();
      ctx.lineWidth = 1;
      ctx.strokeStyle = look.paper;
      ctx.stroke();
    }
    for (const value of [0, 0.5, 1]) label(ctx, percent(value), at.left - 6, at.y(value), look.muted, 'right');
    const { layer: cursor } = this.store.state;
    drawLayers(ctx, at, { layers: tops.length, cursor, look });
    level(ctx, at.x(cursor), at.top - 4, at.x(cursor), at.bottom, look.ink, []);
    return at;
  }
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
