// @ts-check
// Every layer in small: a row for each method, for what it carries, and for the heads that it acts on.

import { cardParts, headsText, memoryOf } from '../acts.js';
import { el } from '../dom.js';
import { drawMark, prepare } from '../draw/canvas.js';
import { drawStrip, headHeight } from '../draw/strip.js';
import { t } from '../language.js';
import { TIPS, tipText } from '../tips.js';
import { TABLES } from '../tables.js';
import { limits } from '../twins.js';
import { drag } from './drag.js';

const [TOP, GAP, BOTTOM] = [12, 15, 5]; // pixels above, between and below the rows

export class Strip {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.box = viewer.$('strip');
    this.canvas = el('canvas', { role: 'img', 'aria-label': 'Attention maps of every layer' });
    this.cursor = el('i', { class: 'cv-cursor' });
    this.ticks = el('div', { class: 'cv-ticks', 'aria-hidden': 'true' });
    this.rows = [];
    this.column = 0; // pixels
    this.reading = false; // a head's tip is shown
    this.box.replaceChildren(this.canvas, this.cursor, this.ticks);
    drag(this.box, viewer.player, (x) => this.store.goto(Math.floor(x / (this.column || 1))));
    this.box.addEventListener('pointermove', (event) => this.readHead(event));
    this.box.addEventListener('pointerleave', () => this.leaveHeads());
  }

  draw() {
    const { model, state } = this.store;
    const width = this.box.clientWidth;
    if (!width) return;
    const column = width / this.store.known.layers;
    const [x0, y0, x1, y1] = model.image.seen;
    const shape = (x1 - x0) / (y1 - y0);
    const h = Math.min(60, (column - (column < 32 ? 1.5 : 3)) / shape);
    const cell = { h, w: h * shape };
    const rows = [...this.mapRows(), ...(state.memory ? this.memoryRows() : []), ...this.headRows()];
    let y = TOP;
    for (const row of rows) {
      row.height ??= cell.h;
      row.y = y;
      y += row.height + GAP;
    }
    const height = y - GAP + BOTTOM;
    this.canvas.style.height = `${height}px`;
    if (!model.layers) return; // the strip before stays, faded, until there is another
    const { dark, line, paper } = this.viewer.look();
    const [image, views] = [model.image, this.numbers.visibleViews()];
    const spec = {
      image,
      views,
      layers: model.layers,
      rows,
      column,
      cell,
      smooth: state.smooth,
      paper,
      faint: line,
      dark,
    };
    drawStrip(prepare(this.canvas, width, height), spec);
    Object.assign(this, { rows, column });
    this.label();
    this.cursor.style.width = `${Math.max(6, Math.min(column, cell.w + 6))}px`;
    const every = [1, 2, 4, 8].find((n) => column * n >= 20) || 16;
    const numbers = Array.from({ length: model.layers }, (_, i) =>
      i === 0 || (i + 1) % every === 0 ? String(i + 1) : '',
    );
    this.ticks.replaceChildren(...numbers.map((text) => el('span', { text })));
  }

  /** Labels of the rows, with their methods' markers; where one has no room, its short form. */
  label() {
    const labels = this.rows.map(({ label, title, height, place, colour }) => {
      const mark = el('canvas', { class: 'cv-mark', 'aria-hidden': 'true' });
      drawMark(mark, place, colour, this.viewer.look().paper);
      const low = height < 27 ? 'cv-low' : null;
      return el('span', { 'data-tip': title, class: low, style: `height:${height}px` }, mark, el('b', { text: label }));
    });
    this.viewer.$('rows').replaceChildren(...labels);
    const cut = labels.map(({ lastChild: b }) => b.scrollWidth > b.clientWidth || b.scrollHeight > b.clientHeight + 1);
    this.rows.forEach((row, i) => {
      if (cut[i] && row.short) labels[i].lastChild.textContent = row.short;
    });
  }

  /** The cursor and the number of the current layer. */
  mark() {
    const { layer } = this.store.state;
    this.cursor.style.transform = `translateX(${(layer + 0.5) * this.column}px) translateX(-50%)`;
    const matters = new Set(this.viewer.knock.matters());
    [...this.ticks.children].forEach((tick, i) => {
      tick.classList.toggle('on', i === layer);
      tick.classList.toggle('cv-matters', matters.has(i));
    });
  }

  // ---- rows --------------------------------------------------------------------------------------------------------

  /** What every row of a method has. */
  row(method, index, about) {
    const [r, g, b] = TABLES[this.store.state.cmap];
    const own = { place: this.numbers.place(index), colour: this.viewer.ink(index), empty: `rgb(${r},${g},${b})` };
    return { acts: [], stop: -1, ...own, ...about };
  }

  mapRows() {
    const { methods } = this.store.model;
    const tip = tipText('strip', methods);
    return methods.map((method, i) =>
      this.row(method, i, {
        label: method.label,
        short: method.label.split(' (')[0],
        title: `${method.label}${t('. ')}${tip}`,
        layers: this.numbers.shown()[i],
        paint: (layer) => this.numbers.painter(this.numbers.limitsOf(i, layer), true),
        stop: this.numbers.stop(i),
        acts: method.card
          ? cardParts(method.card)
              .map((part) => part.layers)
              .filter(Boolean)
          : [],
      }),
    );
  }

  memoryRows() {
    const { methods, arrays, visual } = this.store.model;
    return methods.flatMap((method, i) => {
      if (!arrays[`memory/${method.key}`]) return [];
      const layers = this.numbers.memory(method);
      const paint = this.numbers.painter(limits([layers], 'shared', 0, 0, visual), true);
      const title = `${memoryOf(method)} ${t(TIPS.memory)}`;
      const label = t('{label} memory', { label: method.label });
      const about = { label, short: 'memory', title, layers, paint: () => paint };
      return [this.row(method, i, about)];
    });
  }

  headRows() {
    const count = this.store.known.heads;
    return this.store.model.methods.flatMap((method, i) => {
      if (!method.card?.records.includes('acted_heads')) return [];
      const { label, card, heads } = method;
      const values = { label, acted: t(card.acted) };
      const title = t('Heads of each layer, first to last; filled: {acted} by {label} at this token.', values);
      const acted = heads?.[this.store.state.step] || [];
      const about = {
        label: t('{label} heads', values),
        short: 'heads',
        title,
        name: label,
        acted,
        verb: card.acted,
        count,
      };
      return [this.row(method, i, { ...about, height: count * headHeight(count) })];
    });
  }

  // ---- heads -------------------------------------------------------------------------------------------------------

  /** The head under the pointer: its layer, its number and whether the method acted on it. */
  readHead(event) {
    const box = this.box.getBoundingClientRect();
    const y = event.clientY - box.top;
    const row = this.rows.find(({ acted, y: top, height }) => acted && y >= top && y < top + height);
    if (!row || !this.store.model?.layers) return this.leaveHeads();
    const column = Math.floor((event.clientX - box.left) / this.column);
    const layer = Math.max(0, Math.min(this.store.model.layers - 1, column));
    const head = Math.min(row.count - 1, Math.floor((y - row.y) / headHeight(row.count)));
    const what = t(row.acted[layer]?.includes(head) ? row.verb : 'left as it is');
    this.reading = true;
    const values = { label: row.name, layer: layer + 1, head: head + 1, what };
    const text = t('{label}: layer {layer}, head {head} {what}', values);
    return this.viewer.tip.at(text, event.clientX, event.clientY);
  }

  leaveHeads() {
    if (this.reading) this.viewer.tip.hide();
    this.reading = false;
  }

  /** For screen readers: all heads acted on at this token. */
  describe() {
    const { model, state } = this.store;
    const words = model.methods
      .filter(({ heads }) => heads?.[state.step])
      .map(({ card, label, heads }) => {
        const values = { label, acted: t(card.acted), heads: headsText(heads[state.step]) };
        return t('Heads {acted} by {label} at this token: {heads}.', values);
      });
    this.canvas.setAttribute('aria-label', [t('Attention maps of every layer.'), ...words].join(' '));
  }
}
