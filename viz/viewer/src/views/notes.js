// @ts-check
// What has to be said, and how far it is. What can be pressed stays the same element while only words change.

import { el, refill } from '../dom.js';
import { t, translated } from '../language.js';

export class Notes {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.store = viewer.store;
    this.node = viewer.$('notes');
    this.shape = ''; // of what stands there
  }

  build() {
    const { notes = [], progress, steps, methods, status, offer, halts } = this.store.model;
    const expected = status === 'running' ? null : this.store.model.expected;
    const later = status === 'running' && steps && methods.some((method) => method.tokens.length > steps);
    const wait = later ? ` ${t('Maps beyond token {steps} come with the finished answer.', { steps })}` : '';
    const far = `${translated(progress || '')}${wait}`.trim();
    const shape = JSON.stringify([notes, expected, offer, Boolean(far), halts]);
    if (shape !== this.shape) {
      this.shape = shape;
      const lines = notes.map((text) => el('p', { text }));
      if (expected) lines.unshift(this.expected(expected));
      const button = halts ? this.button('Stop', 'halt', {}) : this.offerer(offer);
      const line = far && el('p', { class: 'cv-far' }, el('span'), button);
      if (offer) lines.push(this.offered(offer, line));
      else if (line) lines.unshift(line);
      refill(this.node, lines);
    }
    const words = this.node.querySelector('.cv-far > span');
    if (words && words.textContent !== far) words.textContent = far;
  }

  /** What is true of a bundled question, once it has been answered. */
  expected({ answer, note, less }) {
    const odd = less && t('An odd one: here CLVS looks less at it, not more.');
    const texts = [t('Expected: {answer}.', { answer }), note, odd].filter(Boolean);
    return el('p', { class: 'cv-expected' }, ...texts.flatMap((text) => [el('span', { text }), ' ']));
  }

  button(text, event, data) {
    const onclick = () => this.store.onEvent(event, data);
    return el('button', { type: 'button', class: 'cv-button', text, onclick });
  }

  /** The button of a model that suits the picture better, if there is one to be had. */
  offerer(offer) {
    if (!offer?.name) return null;
    const { name, label, asks } = offer;
    return this.button(asks ? t('Use {label}…', { label }) : t('Use {label}', { label }), asks ? 'ask' : 'pick', {
      name,
    });
  }

  /** The sentence about that model, which keeps its room while `line`, how far something is, stands in its place. */
  offered(offer, line) {
    const about = el('p', {}, el('span', { text: `${translated(offer.text)} ` }), this.offerer(offer));
    return el('div', { class: 'cv-offer' }, about, line);
  }
}
