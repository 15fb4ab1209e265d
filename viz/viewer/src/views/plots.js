// @ts-check
// The two plots over the layers: attention on what is followed, and uncertainty.

import { el } from '../dom.js';
import { prepare } from '../draw/canvas.js';
import { axisRoom, drawPlot } from '../draw/plot.js';
import { t } from '../language.js';
import { gain } from '../twins.js';
import { endedText, gainText, percent, share, shareAxis, stretch, ticks } from '../words.js';
import { drag } from './drag.js';

export class Plots {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    const labels = {
      curve: t('Attention by layer'),
      unsure: t('Uncertainty by layer'),
      left: t('What is left of the answer by layer'),
    };
    for (const [name, label] of Object.entries(labels)) {
      const box = viewer.$(name);
      box.replaceChildren(el('canvas', { role: 'img', 'aria-label': label }));
      const move = (x) => box.at && this.store.goto(box.at.layer(x));
      drag(box, viewer.player, move, (x) => this.readLayer(name, box, x));
    }
  }

  draw() {
    const { model, state } = this.store;
    const curves = this.viewer.curves();
    const lines = model.methods.map((_, i) => ({
      values: curves[i],
      index: this.viewer.numbers.place(i),
      colour: this.viewer.ink(i),
      stop: this.viewer.numbers.stop(i),
    }));
    const { knock } = this.viewer;
    const matters = knock.matters();
    const shared = { layers: model.layers, cursor: state.layer, hover: state.hover, matters, look: this.viewer.look() };
    const plots = { curve: this.attention(curves, lines), unsure: this.uncertainty(lines), left: knock.plot(lines) };
    const left = this.left(Object.values(plots));
    const remarks = this.remarks();
    for (const [name, plot] of Object.entries(plots)) this.plot(name, { ...shared, ...plot, left, remarks });
  }

  /** Room for the axes' labels, the same for all plots: a layer stands at one place in each. */
  left(plots) {
    const texts = plots.flatMap(({ marks, format }) => marks.map(format));
    return axisRoom(this.viewer.$('curve').firstChild.getContext('2d'), texts);
  }

  /** Of the answers that have ended before this token there are no lines. */
  remarks() {
    return this.store.model.methods.flatMap(({ label }, i) =>
      this.viewer.numbers.ended(i) ? [{ text: `${label}: ${endedText()}`, colour: this.viewer.ink(i) }] : [],
    );
  }

  attention(curves, lines) {
    const { more, less } = this.viewer.look();
    const other = curves[this.store.state.focus];
    const spans = this.spans(curves[this.store.model.reference]);
    const band = other && { low: curves[this.store.model.reference], high: other, more, less };
    return { ...shareAxis(Math.max(0, ...curves.flat().filter(Number.isFinite))), lines, band, spans };
  }

  /** Where the reference looks at what is followed, as the claim says it, and how much at the peak. */
  spans(curve) {
    const { layers } = this.store.model;
    const at = this.viewer.numbers.chosen().names.length && stretch(curve);
    if (!at) return null;
    const words = { finds: t('finds'), gone: t('lets go'), peak: percent(curve[at.peak]) };
    return { ...at, until: at.gone < 0 ? layers - 1 : at.gone, value: curve[at.peak], words };
  }

  uncertainty(lines) {
    const { methods } = this.store.model;
    const measured = methods
      .map(({ uncertainty }, i) => ({ ...lines[i], values: uncertainty[this.store.state.step] || [] }))
      .filter(({ values }) => values.length);
    const marks = ticks(
      Math.max(1, ...measured.flatMap(({ values }) => values.filter((value) => value !== null))),
      2,
      1,
    );
    const checked = methods.filter(({ threshold }) => threshold > 0); // 0 never stops
    const thresholds = [...new Set(checked.map(({ threshold }) => threshold))].map((value) => ({
      value,
      text: t('stop below {value}', { value: Number(value.toFixed(3)) }),
      colour: this.viewer.look().muted,
    }));
    const firsts = new Set(checked.map((method) => method.first_check));
    return { marks, high: marks[marks.length - 1], lines: measured, thresholds, firsts, format: String };
  }

  plot(name, spec) {
    const box = this.viewer.$(name);
    const { clientWidth: width, clientHeight: height } = box;
    if (width && spec.layers) box.at = drawPlot(prepare(box.firstChild, width, height), width, height, spec);
  }

  // ---- readings ----------------------------------------------------------------------------------------------------

  readLayer(name, box, x) {
    const { tip } = this.viewer;
    if (x === null || !box.at) {
      this.store.set({ hover: null });
      return tip.hide();
    }
    const layer = box.at.layer(x);
    this.store.set({ hover: layer });
    const text = {
      curve: (i) => this.attentionText(i, layer),
      unsure: (i) => this.uncertaintyText(i, layer),
      left: (i) => this.viewer.knock.textAt(i, layer),
    }[name];
    const lines = this.store.model.methods.map(({ label }, i) => `${label} ${text(i)}`);
    const place = box.getBoundingClientRect();
    const head = t('Layer {layer}', { layer: layer + 1 });
    return tip.at([head, ...lines].join('\n'), place.left + box.at.x(layer), place.bottom - 4, true);
  }

  uncertaintyText(method, layer) {
    return this.store.model.methods[method].uncertainty[this.store.state.step]?.[layer]?.toFixed(3) ?? '–';
  }

  attentionText(method, layer) {
    const { reference } = this.store.model;
    const curves = this.viewer.curves();
    const more = method === reference ? null : gain(curves[method][layer], curves[reference][layer]);
    const value = share(curves[method][layer]);
    return more ? t('{text} ({more})', { text: value, more: gainText(more) }) : value;
  }

  // ---- for screen readers ------------------------------------------------------------------------------------------

  describe() {
    const say = (name, text) => this.viewer.$(name).firstChild.setAttribute('aria-label', text);
    const table = t('The numbers are in the table below.');
    const followed = this.viewer.numbers.followedText();
    say(
      'curve',
      `${t('Attention on {what} by layer.', { what: followed })} ${this.viewer.$('summary').textContent} ${table}`,
    );
    say('left', `${this.viewer.knock.described()} ${table}`);
    say('unsure', `${t('Uncertainty by layer.')} ${this.viewer.$('lens').textContent} ${table}`);
  }
}
