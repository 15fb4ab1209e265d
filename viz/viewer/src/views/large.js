// @ts-check
// One map as large as the window allows: the map itself and what belongs to it move into a dialog, and back.

import { el, refill } from '../dom.js';
import { t } from '../language.js';

export class Large {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.map = null; // the map that is shown
    this.lent = []; // [what is here, what keeps its place]
    /** @type {HTMLElement} */
    this.opener = null; // what had the focus
    this.which = el('div', { class: 'cv-which', role: 'group', 'aria-label': t('Maps') });
    this.stage = el('div', { class: 'cv-stage' });
    const label = t('Close');
    const close = el('button', { type: 'button', class: 'cv-close', 'aria-label': label, onclick: () => this.close() });
    const [where, follow] = [el('div'), el('div')];
    const time = el('div', { class: 'cv-large-time' });
    this.node = el(
      'dialog',
      { class: 'cv-large', 'aria-label': t('Large map') },
      el('div', { class: 'cv-large-top' }, this.which, close),
      where,
      this.stage,
      time,
      follow,
    );
    // by class, what is needed beside the map
    this.homes = { context: where, chips: follow, play: time, slide: time, live: this.node, tip: this.node };
    this.node.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.close();
    });
    viewer.root.append(this.node);
    new ResizeObserver(() => this.fit()).observe(this.stage);
  }

  /** Opens a map; it is closed again by its button and by Escape. */
  open(map) {
    if (this.node.open) return;
    this.opener = /** @type {HTMLElement} */ (document.activeElement);
    for (const [name, home] of Object.entries(this.homes)) this.lend(this.viewer.$(name), home);
    this.viewer.tip.within(this.node);
    this.node.showModal();
    this.put(map);
    this.viewer.player.slider.focus();
  }

  toggle() {
    const { maps } = this.viewer;
    if (this.node.open) this.close();
    else this.open(maps.of(maps.reader.canvas) ?? maps.shown[0]);
  }

  lend(node, into, height = null) {
    const keeps = el('div', { style: height === null ? '' : `height:${height}px` });
    node.replaceWith(keeps);
    into.append(node);
    this.lent.push([node, keeps]);
  }

  /** Shows a map, in place of the one before. */
  put(map) {
    this.giveMap();
    this.map = map;
    this.lend(map.node, this.stage, map.node.offsetHeight);
    this.viewer.maps.reader.reach(map.canvas, true);
    const maps = this.viewer.maps.shown;
    const button = (one) =>
      el('button', {
        type: 'button',
        class: 'cv-chip',
        text: one.name,
        'aria-pressed': String(one === map),
        onclick: () => this.put(one),
      });
    refill(this.which, maps.map(button));
    this.fit();
  }

  /** The map goes back to its place, if there still is one. */
  giveMap() {
    if (!this.map) return;
    const { node, canvas } = this.map;
    this.viewer.maps.reader.reach(canvas, this.map === this.viewer.maps.shown[0]);
    canvas.style.width = node.style.width = '';
    const at = this.lent.findIndex(([one]) => one === node);
    this.giveBack(...this.lent.splice(at, 1)[0]);
    this.map = null;
  }

  giveBack(node, keeps) {
    if (keeps.isConnected) keeps.replaceWith(node);
    else node.remove();
  }

  /** The maps have been made anew. */
  renew() {
    if (!this.node.open) return;
    const { shown } = this.viewer.maps;
    this.put(shown.find(({ method }) => method === this.map?.method) ?? shown[0]);
  }

  close() {
    this.giveMap();
    while (this.lent.length) this.giveBack(...this.lent.pop());
    this.viewer.tip.within(this.viewer.root);
    this.node.close();
    this.opener?.focus({ preventScroll: true });
    this.viewer.measure();
  }

  /** As large as there is room. */
  fit() {
    if (!this.node.open || !this.map) return;
    const { node, canvas } = this.map;
    const { wide, high } = this.viewer.maps.frame();
    const besides = node.offsetHeight - canvas.offsetHeight;
    const width = Math.floor(Math.min(this.stage.clientWidth, ((this.stage.clientHeight - besides) * wide) / high));
    node.style.width = `${Math.max(width, 40)}px`;
    canvas.style.width = '100%';
    this.viewer.invalidate('maps');
  }
}
