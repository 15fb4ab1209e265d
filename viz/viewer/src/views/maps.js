// @ts-check
// The maps of the current layer: one for each method, and their difference.

import { sinkCount } from '../acts.js';
import { el } from '../dom.js';
import { drawBar, prepare } from '../draw/canvas.js';
import { drawMap, Underlay } from '../draw/map.js';
import { t } from '../language.js';
import { frameOf, heatText, placeOf } from '../places.js';
import { DIVERGING } from '../styles.js';
import { TABLES } from '../tables.js';
import { colour, normaliseSigned } from '../twins.js';
import { endedText, share } from '../words.js';
import { Pointer } from './pointer.js';
import { Reader } from './reader.js';

const LONG = 2.6; // times as wide as high: side by side, such maps would be strips

export class Maps {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.pointer = new Pointer(viewer);
    this.reader = new Reader(viewer);
    this.underlay = new Underlay();
    this.shown = []; // what stands there: {method, name, canvas, bar, low, middle, high, node, values}
    viewer.$('look-title').replaceChildren(viewer.term('Where it looks', 'map'));
    viewer.$('caveat').textContent =
      'Attention shows where information is read from. It is not proof of what caused the answer.';
  }

  // ---- elements ----------------------------------------------------------------------------------------------------

  build() {
    const { model, state } = this.store;
    const wanted = model.methods.map(({ label }, i) => ({
      method: i,
      name: label,
      style: String(this.numbers.place(i)),
      detail: '',
    }));
    if (state.diff && state.focus >= 0) {
      const detail = `${model.methods[state.focus].label} − ${model.methods[model.reference].label}`;
      wanted.push({ method: null, name: 'Difference', style: 'diff', detail });
    }
    const key = JSON.stringify([wanted, model.image, state.crop, state.rings && this.sinkSwitch()]);
    if (key === this.built) return;
    this.built = key;
    this.shown = wanted.map((map) => this.figure(map));
    const node = this.viewer.$('maps');
    node.replaceChildren(...this.shown.map((map) => map.node), this.legend());
    node.dataset.count = String(wanted.length);
    const { wide, high } = this.frame();
    node.dataset.long = String(wide > LONG * high); // these stand one above the other
    this.shown.forEach(({ canvas }, i) => this.reader.reach(canvas, i === 0));
    this.viewer.large?.renew();
  }

  legend() {
    const { model, state } = this.store;
    const [x0, y0, x1, y1] = model.image.seen;
    const unseen = (x1 - x0) * (y1 - y0) < 0.995 * model.image.w * model.image.h;
    const signed = state.diff && state.focus >= 0;
    const items = [
      ['corner', 'beyond the scale'],
      unseen && !state.crop && ['hatch', 'never seen by the model'],
      state.rings && this.sinkSwitch() && ['ring', 'sink tokens'],
      signed && ['more', t('{label} looks more', { label: model.methods[state.focus].label })],
      signed && ['less', t('{label} looks more', { label: model.methods[model.reference].label })],
    ].filter(Boolean);
    const keys = items.map(([kind, text]) => el('span', { 'data-kind': kind, text }));
    return el('p', { class: 'cv-key' }, ...keys, unseen && this.cropper());
  }

  /** Shows what the model sees alone, and the whole picture again: of a panorama that is little else than hatching. */
  cropper() {
    const { crop } = this.store.state;
    const text = crop ? t('show the whole picture') : t('show only what it sees');
    const onclick = () => {
      this.store.set({ crop: !crop });
      this.viewer.$('maps').querySelector('.cv-crop')?.focus();
    };
    return el('button', { type: 'button', class: 'cv-link cv-crop', text, onclick });
  }

  /** The part of the picture that the maps show. */
  frame() {
    return frameOf(this.store.model.image, this.store.state.crop);
  }

  figure(map) {
    const frame = this.frame();
    const canvas = el('canvas', { role: 'img', 'aria-label': map.name });
    canvas.style.setProperty('--cv-shape', String(frame.wide / frame.high)); // a tall picture leaves the layers in sight
    const bar = el('canvas', { class: 'cv-bar', 'aria-hidden': 'true' });
    const [low, middle, high] = [el('span'), el('span'), el('span')];
    const detail = map.detail && el('small', { text: map.detail });
    const head = el('figcaption', {}, el('strong', { text: map.name }), detail, this.enlarger(map));
    const scale = el('div', { class: 'cv-scale' }, low, middle, high);
    const ended = el('p', { class: 'cv-ended', hidden: true, text: endedText() });
    const node = el('figure', { class: 'cv-map', 'data-style': map.style }, head, canvas, ended, bar, scale);
    this.pointer.follow(canvas);
    this.reader.follow(canvas);
    return { ...map, canvas, ended, bar, low, middle, high, node, values: null, painted: '', said: '' };
  }

  enlarger({ method, name }) {
    const about = t('Enlarge the map {name}', { name: t(name) });
    const onclick = () => this.viewer.large.open(this.shown.find((map) => map.method === method));
    return el('button', { type: 'button', class: 'cv-enlarge', 'aria-label': about, 'data-tip': about, onclick });
  }

  /** The map of a canvas. */
  of(canvas) {
    return this.shown.find((map) => map.canvas === canvas);
  }

  /** What the switch for the rings is called, '' where there are none. */
  sinkSwitch() {
    const methods = this.numbers.sinkMethods();
    return methods.length === 1 ? `Sink tokens of ${methods[0].label}` : methods.length ? 'Sink tokens' : '';
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  draw() {
    const { model, state } = this.store;
    const shared = {
      image: model.image,
      frame: this.frame(),
      views: this.numbers.visibleViews(),
      outlines: state.contours
        ? model.objects.filter((object) => this.store.isOn(object)).flatMap((o) => o.contours)
        : [],
      smooth: state.smooth,
      region: state.sketch || state.region,
      hover: state.patch,
    };
    for (const map of this.shown) {
      const { clientWidth: width, clientHeight: height } = map.canvas;
      if (width) this.drawOne(map, width, height, shared);
    }
  }

  drawOne(map, width, height, shared) {
    const { layer, power, rings } = this.store.state;
    const signed = map.method === null;
    const limits = signed ? null : this.numbers.limitsOf(map.method, layer);
    const high = signed ? this.numbers.signedOf(layer) : limits[1];
    const diverging = (value) => colour(normaliseSigned(value, high, power), TABLES[DIVERGING], true);
    map.ended.hidden = !this.ended(map.method);
    map.values = signed ? this.numbers.difference()[layer] : this.numbers.shown()[map.method][layer];
    drawMap(prepare(map.canvas, width, height), width, height, {
      ...shared,
      picture: this.underlay.of(this.viewer.picture, shared.frame, width, height, this.viewer.look().dark),
      values: map.values,
      rings: rings ? this.numbers.sinksHere(map.method) : [],
      paint: signed ? diverging : this.numbers.painter(limits),
      over: (value) => Math.abs(value) > high * (1 + 1e-6),
    });
    this.drawScale(map, signed, signed ? -high : limits[0], high);
  }

  /** Whether a map, null the difference's, is empty because an answer has ended before this token. */
  ended(method) {
    const { reference } = this.store.model;
    return (method === null ? [reference, this.store.state.focus] : [method]).some((i) => this.numbers.ended(i));
  }

  drawScale(map, signed, low, high) {
    const { scale, cmap, power } = this.store.state;
    const width = map.bar.clientWidth;
    const table = TABLES[signed ? DIVERGING : cmap];
    const bend = (x) => (signed ? Math.sign(2 * x - 1) * Math.abs(2 * x - 1) ** power : x ** power);
    const key = `${width} ${signed} ${cmap} ${power}`;
    if (map.painted !== key) drawBar(prepare(map.bar, width, 6), width, 6, (x) => colour(bend(x), table, signed));
    map.painted = key;
    const times = (value) => `${Number((value * this.store.model.visual).toPrecision(3))}×`;
    const write = (value) => (scale === 'uniform' ? times(Math.abs(value)) : share(Math.abs(value)));
    const unit = t(scale === 'uniform' ? '× an even look' : 'of all attention');
    map.low.textContent = map.values ? `${signed && high > 0 ? '−' : ''}${write(low)}` : '';
    map.middle.textContent = signed ? '0' : power < 1 ? t('{unit}, power {power}', { unit, power }) : unit;
    map.high.textContent = map.values ? `${signed ? '+' : ''}${write(high)}` : '';
    this.fitUnit(map, width);
  }

  /** The words between the ends of a scale go where there is no room for all of them; measured when they change. */
  fitUnit(map, width) {
    const said = `${width} ${map.low.textContent} ${map.middle.textContent} ${map.high.textContent}`;
    if (map.said === said) return;
    map.said = said;
    map.middle.hidden = false;
    map.middle.hidden = map.middle.scrollWidth > map.middle.clientWidth;
  }

  // ---- for screen readers ------------------------------------------------------------------------------------------

  describe() {
    for (const map of this.shown) map.canvas.setAttribute('aria-label', this.mapText(map));
  }

  mapText({ name, values, method }) {
    if (!values) return t('{name}: nothing recorded at this token.', { name: t(name) });
    const at = { name: t(name), layer: this.store.state.layer, views: this.store.model.views };
    return heatText(values, at, method === null) + this.sinkText(method);
  }

  /** How many sink tokens, and where the first few lie. */
  sinkText(method) {
    const tokens = this.numbers.sinksHere(method);
    if (!tokens.length) return '';
    const some = tokens.slice(0, 4).map((token) => placeOf(this.store.model.views, token));
    const rest = tokens.length - some.length;
    const values = { sinks: sinkCount(tokens.length), places: some.join('; '), rest };
    return rest > 0 ? ` ${t('{sinks}: {places}; and {rest} more.', values)}` : ` ${t('{sinks}: {places}.', values)}`;
  }
}
