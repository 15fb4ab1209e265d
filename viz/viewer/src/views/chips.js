// @ts-check
// The objects to follow, and the tools to draw one.

import { calm, el, refill } from '../dom.js';
import { t } from '../language.js';
import { TIPS } from '../tips.js';
import { percent } from '../words.js';

const HINTS = { box: 'Drag a box on a map.', polygon: 'Draw around something on a map.' };

export class Chips {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
  }

  build() {
    const { viewer } = this;
    const { model, state } = this.store;
    const chips = model.objects.map((object) => this.object(object));
    const clear = { 'aria-label': 'Clear your region', onclick: () => this.store.setRegion(null) };
    if (state.region) chips.push(this.chip('your region ×', true, clear));
    refill(viewer.$('chips'), [...chips, this.tool('box', '+ box'), this.tool('polygon', '+ freehand')]);
    const title = t('Attention on {what}', { what: viewer.numbers.followedText() });
    refill(viewer.$('curve-title'), [viewer.term(title, 'curve'), this.back()]);
    viewer.root.dataset.draw = state.draw || '';
  }

  chip(text, pressed, props) {
    return el('button', { type: 'button', class: 'cv-chip', 'aria-pressed': String(pressed), text, ...props });
  }

  /** The way back from what a word of the answer names. */
  back() {
    if (!this.store.fromAnswer()) return null;
    const onclick = () => {
      this.store.follow({});
      this.viewer.$('chips').querySelector('button').focus(); // this one is gone
    };
    return el('button', {
      type: 'button',
      class: 'cv-link',
      text: 'named in the answer ×',
      'data-tip': TIPS.asked,
      onclick,
    });
  }

  object(object) {
    const values = { area: percent(object.area), seen: percent(object.seen) };
    return this.chip(object.word ?? object.name, this.store.isOn(object), {
      onclick: () => this.store.toggleObject(object),
      'data-tip':
        object.seen < 0.995
          ? t('{area} of the picture, {seen} of it seen by the model.', values)
          : t('{area} of the picture.', values),
    });
  }

  tool(kind, text) {
    const on = this.store.state.draw === kind;
    const onclick = (event) => this.startDrawing(on ? null : kind, event.detail === 0);
    return this.chip(text, on, { class: 'cv-chip cv-draw', 'data-tip': TIPS.region, onclick });
  }

  /** What to draw and how is said above the maps, which may be far from the button. */
  startDrawing(kind, byKey) {
    const { viewer } = this;
    this.store.set({ draw: kind });
    const { canvas } = viewer.large.map ?? viewer.maps.shown[0] ?? {};
    if (!kind || !canvas) return;
    if (byKey) return canvas.focus();
    const context = viewer.$('context');
    const { bottom } = canvas.getBoundingClientRect();
    if (context.getBoundingClientRect().top >= 0 && bottom <= window.innerHeight) return;
    context.scrollIntoView({ block: 'start', behavior: calm() ? 'auto' : 'smooth' });
  }

  cancel() {
    const { pointer, reader } = this.viewer.maps;
    pointer.trail = reader.corner = null;
    this.store.set({ draw: null, sketch: null });
  }

  /** How to draw, and how not to: a finger has no Escape, but gets a button. */
  hint() {
    const { draw } = this.store.state;
    if (!draw) return '';
    const how = this.viewer.maps.reader.hint() || t(HINTS[draw]);
    return this.canceller() ? how : `${how} ${t('Esc cancels.')}`;
  }

  canceller() {
    if (!this.store.state.draw || !matchMedia('(pointer: coarse)').matches) return null;
    return el('button', { type: 'button', class: 'cv-button', text: 'Cancel', onclick: () => this.cancel() });
  }
}
