// @ts-check
// A map by keyboard: arrows lead over its patches, which are read out. Shift and arrows draw a box, as do two presses of
// Enter, one at each corner.

import { t } from '../language.js';
import { patchAt, patchBox, patchOf, placeOf } from '../places.js';
import { share } from '../words.js';

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Reader {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.canvas = null; // the map that has the focus
    this.at = null; // the patch that the keys have led to
    this.corner = null; // the patch at which a box was begun
  }

  /** Lets a map hear keys. */
  follow(canvas) {
    canvas.addEventListener('mousedown', (event) => this.keepFocus(event, canvas));
    canvas.addEventListener('focus', () => this.enter(canvas));
    canvas.addEventListener('blur', () => this.leave());
    canvas.addEventListener('keydown', (event) => this.key(event));
  }

  /** The one map that Tab stops at; a screen reader leaves the arrows to it. */
  reach(canvas, on) {
    canvas.tabIndex = on ? 0 : -1;
    canvas.setAttribute('role', on ? 'application' : 'img');
    if (!on) return canvas.removeAttribute('aria-description');
    canvas.setAttribute('aria-roledescription', t('map'));
    return canvas.setAttribute('aria-description', t('Arrow keys read its patches; with Shift they draw a box.'));
  }

  /** Whoever presses a map with a mouse scrubs on with the arrow keys: the focus goes where it would without this. */
  keepFocus(event, canvas) {
    event.preventDefault();
    const home = canvas.closest('dialog')?.querySelector('input[type="range"]') ?? this.viewer.root;
    home.focus({ preventScroll: true });
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  enter(canvas) {
    const views = this.numbers.visibleViews();
    this.canvas = canvas;
    if (!this.store.model?.layers) return;
    if (!this.at || !patchOf(views, this.at.token)) this.at = patchOf(views, this.strongest());
    this.show();
    if (this.store.state.draw) this.viewer.invalidate('words'); // the hint is another one
  }

  leave() {
    this.canvas = null;
    if (this.corner) this.viewer.chips.cancel();
    this.store.set({ patch: null });
    this.viewer.tip.hide();
    if (this.store.state.draw) this.viewer.invalidate('words');
  }

  /** The token with most attention of the visible grid. */
  strongest() {
    const { model, state } = this.store;
    const values = this.numbers.shown()[model.reference][state.layer];
    const tokens = this.numbers.visibleViews().flatMap((view) => tokensOf(view));
    return tokens.reduce((best, token) => (values?.[token] > values?.[best] ? token : best), tokens[0]);
  }

  /** Shows the patch as the pointer does. */
  show() {
    if (!this.at || !this.canvas) return;
    const { left, top, wide, high } = this.viewer.maps.frame();
    const box = this.canvas.getBoundingClientRect();
    const [, , right, bottom] = patchBox(this.at);
    this.store.set({ patch: this.at, ...(this.corner ? { sketch: this.sketch() } : {}) });
    const spot = [box.left + ((right - left) / wide) * box.width, box.top + ((bottom - top) / high) * box.height];
    this.viewer.tip.at(this.viewer.maps.pointer.patchText(this.at), spot[0], spot[1]);
  }

  place() {
    return placeOf(this.store.model.views, this.at.token);
  }

  /** What is read out of a patch: where it is, and its share for each method. */
  spoken() {
    const { model, state } = this.store;
    const shares = this.numbers
      .raw()
      .map((layers, i) => `${model.methods[i].label} ${share(layers[state.layer]?.[this.at.token] ?? null)}`);
    return t('{place}: {shares}', { place: this.place(), shares: shares.join(', ') });
  }

  // ---- keys --------------------------------------------------------------------------------------------------------

  key(event) {
    const { key } = event;
    if (!this.at || event.ctrlKey || event.metaKey || event.altKey) return;
    const pages = { PageUp: -1, PageDown: 1 };
    if (MOVES[key]) this.move(MOVES[key], event.shiftKey);
    else if (key === 'Enter') this.enterCorner();
    else if (pages[key]) this.store.goto(this.store.state.layer + pages[key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move([across, down], draws) {
    if (draws && !this.corner) this.begin();
    const [x0, y0, x1, y1] = patchBox(this.at);
    const x = (x0 + x1) / 2 + across * (x1 - x0);
    const y = (y0 + y1) / 2 + down * (y1 - y0);
    const next = patchAt(this.numbers.visibleViews(), x, y);
    if (next) this.at = next;
    this.show();
    this.viewer.readings.say(next ? this.spoken() : t('No patch beyond {place}.', { place: this.place() }));
  }

  /** The first corner of a box, or the second. */
  enterCorner() {
    if (!this.corner) {
      this.begin();
      this.show();
      return this.viewer.readings.say(t('First corner: {place}.', { place: this.place() }));
    }
    const region = this.sketch();
    this.corner = null;
    return this.store.setRegion(region);
  }

  begin() {
    this.corner = this.at;
    this.store.set({ draw: 'box' });
    this.viewer.invalidate('words');
  }

  /** The box from the first corner to here. */
  sketch() {
    const [a, b] = [patchBox(this.corner), patchBox(this.at)];
    const round = (value) => Math.round(value * 10) / 10;
    const edges = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
    return { box: edges.map(round) };
  }

  /** What to press while a region is drawn by keyboard. */
  hint() {
    if (!this.canvas) return '';
    return this.corner ? t('Move to the other corner and press Enter.') : t('Press Enter at two corners of a box.');
  }
}

function tokensOf({ start, rows, cols, stride }) {
  return Array.from({ length: rows * cols }, (_, i) => start + Math.floor(i / cols) * stride + (i % cols));
}
