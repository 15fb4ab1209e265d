// @ts-check
// The pointer on a map: it reads a patch, or draws a region.

import { t } from '../language.js';
import { frameOf, gridName, patchAt } from '../places.js';
import { percent, share } from '../words.js';

const POINTS = 200; // draw any outline a hand can

export class Pointer {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.tapped = null; // where a finger came down that has not moved since, in pixels of the picture
    this.trail = null; // of the region that is being drawn: points in pixels of the picture
  }

  follow(canvas) {
    /** @returns {[number, number]} */
    const spot = (event) => {
      const box = canvas.getBoundingClientRect();
      const { left, top, wide, high } = frameOf(this.store.model.image, this.store.state.crop);
      const inside = (at, start, size) => start + Math.max(0, Math.min(size, at * size));
      return [
        inside((event.clientX - box.left) / box.width, left, wide),
        inside((event.clientY - box.top) / box.height, top, high),
      ];
    };
    canvas.addEventListener('dblclick', () => this.enlarge(canvas));
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.store.state.draw) {
        this.tapped = event.pointerType === 'touch' ? spot(event) : null;
        return this.readPatch(event, spot(event));
      }
      canvas.setPointerCapture(event.pointerId);
      this.trail = [spot(event)];
    });
    canvas.addEventListener('pointermove', (event) => {
      const at = spot(event);
      if (this.trail) return this.extend(at);
      if (this.tapped && Math.hypot(at[0] - this.tapped[0], at[1] - this.tapped[1]) > this.store.model.image.w / 20)
        this.tapped = null;
      return this.readPatch(event, at);
    });
    canvas.addEventListener('pointerup', () => (this.trail ? this.finish() : this.tapped && this.enlarge(canvas)));
    canvas.addEventListener('pointercancel', () => this.drop());
    canvas.addEventListener('pointerleave', (event) => {
      if (this.trail || event.pointerType === 'touch') return; // a lifted finger leaves its reading behind
      this.store.set({ patch: null });
      this.viewer.tip.hide();
    });
  }

  /** A tapped map opens large, and says there what it says of the tapped patch. */
  enlarge(canvas) {
    const { large, maps } = this.viewer;
    if (large.node.open || this.store.state.draw) return;
    large.open(maps.of(canvas));
    if (!this.tapped) return;
    const [x, y] = this.tapped;
    const { left, top, wide, high } = maps.frame();
    const box = canvas.getBoundingClientRect();
    const at = {
      clientX: box.left + ((x - left) / wide) * box.width,
      clientY: box.top + ((y - top) / high) * box.height,
    };
    this.tapped = null;
    this.readPatch(at, [x, y]);
  }

  // ---- regions -----------------------------------------------------------------------------------------------------

  extend(point) {
    this.trail.push(point);
    this.store.set({ sketch: this.shape() });
  }

  drop() {
    this.trail = this.tapped = null;
    this.store.set({ sketch: null });
  }

  shape() {
    const round = (value) => Math.round(value * 10) / 10;
    if (this.store.state.draw === 'box') {
      const [[ax, ay], [bx, by]] = [this.trail[0], this.trail[this.trail.length - 1]];
      return { box: [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)].map(round) };
    }
    const { w, h } = this.store.model.image;
    const gap = Math.max(w, h) / 800;
    const far = ([x, y], i, all) => i === 0 || Math.hypot(x - all[i - 1][0], y - all[i - 1][1]) > gap;
    const kept = this.trail.filter(far);
    const every = Math.max(1, Math.ceil(kept.length / POINTS));
    return { polygon: kept.filter((_, i) => i % every === 0).map((point) => point.map(round)) };
  }

  /** A click without a drag is no region. */
  finish() {
    const { box, polygon } = this.shape();
    this.trail = null;
    const drawn = box ? box[2] - box[0] > 2 && box[3] - box[1] > 2 : polygon.length > 2;
    if (drawn) this.store.setRegion(box ? { box } : { polygon });
    else this.store.set({ sketch: null });
  }

  // ---- readings ----------------------------------------------------------------------------------------------------

  readPatch(event, [x, y]) {
    const { views } = this.store.model;
    const patch = patchAt(this.numbers.visibleViews(), x, y);
    this.store.set({ patch });
    this.viewer.tip.at(patch ? this.patchText(patch) : this.nothing(views, x, y), event.clientX, event.clientY);
  }

  nothing(views, x, y) {
    return patchAt(views, x, y)
      ? 'No token of this grid lies here; the other grid has one.'
      : 'The model never sees this part of the picture.';
  }

  patchText({ token, row, col, view }) {
    const { model, state } = this.store;
    const weights = this.numbers.raw().map((layers) => layers[state.layer]);
    const lines = model.methods.map(({ label }, i) => `${label} ${this.weightText(weights[i], token)}`);
    if (state.focus >= 0 && this.numbers.difference()[state.layer]) {
      const change = weights[state.focus][token] - weights[model.reference][token];
      lines.push(t('Difference {change}', { change: `${change > 0 ? '+' : ''}${share(change)}` }));
    }
    for (const { label, sinks } of state.rings ? this.numbers.sinkMethods() : [])
      if (sinks[state.layer]?.includes(token)) lines.push(t('A sink token of {label} in this layer', { label }));
    const grid = gridName(model.views, view);
    const values = { grid: grid && `${grid[0].toUpperCase()}${grid.slice(1)}`, row: row + 1, col: col + 1, token };
    const name = grid
      ? t('{grid} · patch {row}, {col} · visual token {token}', values)
      : t('Patch {row}, {col} · visual token {token}', values);
    return [name, ...lines].join('\n');
  }

  weightText(values, token) {
    if (!values) return '–';
    const part = values[token] / values.reduce((a, b) => a + b, 0);
    return t('{share} of all its attention ({part} of what falls on the picture)', {
      share: share(values[token]),
      part: percent(part, 1),
    });
  }
}
