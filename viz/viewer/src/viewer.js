// @ts-check
// The viewer on a page: its parts, and what is drawn again when something changes.

import { CHOICES } from './choices.js';
import { term } from './define.js';
import { calm, el } from './dom.js';
import { drawSample } from './draw/canvas.js';
import { t } from './language.js';
import { Store } from './store.js';
import { Theme } from './theme.js';
import { tipText } from './tips.js';
import { linkText } from './view.js';
import { Answers } from './views/answers.js';
import { Chips } from './views/chips.js';
import { Closer } from './views/closer.js';
import { Contrast } from './views/contrast.js';
import { Knock } from './views/knock.js';
import { Large } from './views/large.js';
import { Maps } from './views/maps.js';
import { Notes } from './views/notes.js';
import { Player } from './views/player.js';
import { Plots } from './views/plots.js';
import { Readings } from './views/readings.js';
import { Strip } from './views/strip.js';
import { Tip } from './views/tip.js';
import { Tools } from './views/tools.js';

const REDRAWS = ['step', 'scale', 'power', 'cmap', 'smooth', 'sinks', 'head', 'memory', 'grid']; // every layer's map
const LIGHT = { hover: 'curves', patch: 'maps', sketch: 'maps' }; // follow the pointer: draw no more than needed

/** For scripts on the page: `state`, `model`, `curves()`, `goto(layer)`, `set({...})`, `isOn(object)`, `spelled()`, `drawn`. */
export class Viewer {
  /** root: a filled-in template.html, which `update(payload)` keeps up to date. */
  constructor(root, payload, onEvent, { decays = '', second = '', served = false } = {}) {
    this.root = root;
    this.decays = decays; // the address of the curves of all bundled questions
    this.second = second; // the address of the second script
    this.served = served; // something can be asked here
    this.store = new Store(onEvent);
    this.numbers = this.store.numbers;
    this.dirty = {};
    this.drawn = { count: 0, ms: 0 };
    this.tip = new Tip(this);
    this.player = new Player(this);
    this.answers = new Answers(this);
    this.notes = new Notes(this);
    this.chips = new Chips(this);
    this.maps = new Maps(this);
    this.large = new Large(this);
    this.tools = new Tools(this);
    this.strip = new Strip(this);
    this.knock = new Knock(this);
    this.plots = new Plots(this);
    this.readings = new Readings(this);
    this.contrast = new Contrast(this);
    this.closer = new Closer(this);
    this.store.heard = (moved, names) => this.follow(moved, names);
    this.listen();
    this.update(payload);
  }

  get state() {
    return this.store.state;
  }

  get model() {
    return this.store.model;
  }

  set(change) {
    this.store.set(change);
  }

  goto(layer) {
    this.store.goto(layer);
  }

  isOn(object) {
    return this.store.isOn(object);
  }

  curves() {
    return this.numbers.curves();
  }

  /** What the visitor chose of the view, as a link spells it. */
  spelled() {
    return linkText(this.store.spelled());
  }

  /** What a knock-out has found so far, as the page brings it. */
  knocked(news) {
    this.knock.hear(news);
  }

  $(name) {
    return this.root.querySelector(`.cv-${name}`);
  }

  listen() {
    const elsewhere = ({ target }) => {
      if (!target.closest('.cv-pop')) this.tools.close();
      if (!target.closest('.cv-map') && this.state.patch) this.set({ patch: null });
    };
    this.root.addEventListener('pointerdown', elsewhere, true); // before the map that is tapped shows its numbers
    new ResizeObserver(() => this.measure()).observe(this.root);
    this.theme = new Theme(this.root, () => this.measure());
  }

  // ---- payloads ----------------------------------------------------------------------------------------------------

  update(payload) {
    try {
      if (!payload || typeof payload !== 'object') return this.showEmpty('');
      if (payload.status === 'empty') return this.showEmpty(payload.error);
      if (payload.status === 'opening') return this.showOpening(payload.question);
      if (this.opening && payload.stays && payload.status === 'running') return undefined; // its answer is still to come
      this.opening = false;
      this.take(payload);
    } catch (error) {
      this.showEmpty(t('This result cannot be shown: {why}', { why: error.message }));
    }
  }

  /** Room for an answer that is on its way, under its question. */
  showOpening(question) {
    this.showEmpty('');
    this.opening = true;
    this.$('awaited').textContent = question;
    this.$('invites').textContent = t('Opening the link…');
    this.status('running', '');
  }

  /** why: the answers are of another question or picture than the page's, a word of it; null: they are of these. */
  dim(why) {
    this.root.toggleAttribute('data-stale', why !== null);
    this.$('stale').textContent = why ?? '';
  }

  showEmpty(error) {
    this.store.clear();
    this.player.stop();
    this.$('empty').hidden = false;
    this.$('body').hidden = true;
    this.status('empty', error);
  }

  take(payload) {
    const before = this.model;
    this.store.take(payload);
    const { model, root } = this;
    if (before?.image.url !== model.image.url) this.loadPicture(model.image.url);
    this.$('empty').hidden = true;
    this.$('body').hidden = false;
    this.status(model.status, model.error);
    root.dataset.present = String(this.state.present);
    root.dataset.waiting = String(!model.layers);
    root.dataset.many = String(model.methods.length > 2); // then answers take the whole width
    this.$('question').textContent = model.question;
    this.$('unsure-title').replaceChildren(this.term('Uncertainty', 'unsure'));
    this.knock.show();
    for (const view of [this.answers, this.notes, this.chips, this.maps, this.tools]) view.build();
    this.readings.notice(before);
    this.measure();
    if (!before) this.paint(); // the first sight is a whole one
  }

  status(state, error) {
    this.root.dataset.state = state;
    this.$('error').hidden = !error;
    this.$('error').textContent = error || '';
    this.root.setAttribute('aria-busy', String(state === 'running'));
    this.pulse?.cancel();
    if (state !== 'running' || calm()) return;
    const slide = [{ transform: 'translateX(-100%)' }, { transform: 'translateX(340%)' }];
    const forever = { duration: 1400, iterations: Infinity, easing: 'ease-in-out' };
    this.pulse = this.$('progress').firstElementChild.animate(slide, forever);
  }

  loadPicture(url) {
    const picture = new Image();
    this.picture = null;
    picture.onload = () => {
      if (this.model?.image.url !== url) return;
      this.picture = picture;
      this.invalidate('maps');
    };
    picture.src = url;
  }

  // ---- one frame ---------------------------------------------------------------------------------------------------

  /** What a change of choices makes anew. */
  follow(moved, names) {
    if (names.some((name) => name in CHOICES))
      this.root.dispatchEvent(new CustomEvent('clvs-chosen', { bubbles: true }));
    if (moved('step', 'focus')) this.answers.mark();
    if (moved('layer', 'step', 'head', 'grid')) this.maps.reader.show();
    if (moved(...REDRAWS)) this.invalidate('strip');
    if (moved('step', 'head', 'on', 'region', 'focus')) this.invalidate('stats');
    if (moved('diff', 'focus', 'rings', 'crop')) this.maps.build();
    if (moved('on', 'region', 'draw')) this.chips.build();
    if (moved('present')) this.root.dataset.present = String(this.state.present);
    for (const name of names) {
      for (const part of LIGHT[name] ? [LIGHT[name]] : ['maps', 'curves', 'words']) this.invalidate(part);
      if (!LIGHT[name]) this.tools.sync();
    }
  }

  invalidate(part) {
    this.dirty[part] = true;
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  /** Draws what has changed. */
  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const { dirty } = this;
    this.dirty = {};
    if (this.model && this.root.isConnected && this.width) this.draw(dirty);
  }

  measure() {
    this.width = this.root.clientWidth;
    for (const part of ['strip', 'stats', 'maps', 'curves', 'words']) this.invalidate(part);
  }

  draw(dirty) {
    const started = performance.now();
    if (dirty.strip) this.strip.draw();
    if (dirty.maps) this.maps.draw();
    if (dirty.curves) this.plots.draw();
    if (dirty.words) this.drawWords(dirty.stats);
    this.drawn = { count: this.drawn.count + 1, ms: performance.now() - started };
  }

  drawWords(stats) {
    this.readings.drawContext();
    if (stats) this.readings.drawSummary();
    if (stats) this.contrast.draw();
    this.answers.markCards();
    this.player.sync();
    if (!this.model.layers) return;
    this.root.style.setProperty('--cv-layers', String(this.model.layers));
    this.strip.mark();
    this.readings.draw();
    this.knock.draw();
    this.closer.draw();
  }

  // ---- what every part shares --------------------------------------------------------------------------------------

  /** Colours of the page's theme. */
  look() {
    return this.theme.look();
  }

  /** The colour of a method. */
  ink(method) {
    return this.look().methods[this.numbers.place(method)];
  }

  /** The sample of a method's line: dash and marker as in the curves. */
  sample(method) {
    const canvas = el('canvas', { class: 'cv-sample', 'aria-hidden': 'true' });
    drawSample(canvas, this.numbers.place(method), this.ink(method), this.look().paper);
    return canvas;
  }

  /** A method's name after its sample. */
  named(method) {
    const label = el('span', { text: this.model.methods[method].label });
    return el('span', { class: 'cv-name' }, this.sample(method), label);
  }

  /** A word that can be asked about. */
  term(text, tip) {
    return term(text, tipText(tip, this.model?.methods ?? []));
  }
}

/** Takes over a filled-in template.html; the page keeps it up to date with `update(payload)`. */
export function mount(root, payload, options = {}) {
  const app = new Viewer(root, payload, options.onEvent || (() => {}), options);
  root.__clvs = app; // for tests and for the page's own scripts
  return { update: (next) => app.update(next), app };
}
