// @ts-check
// Hide and ask again: the answers beside those about the same picture without what is followed. The server covers it
// and asks; what comes stays here until another one is asked for.

import { el, refill } from '../../dom.js';
import { Underlay } from '../../draw/map.js';
import { t } from '../../language.js';
import { frameOf, heatText } from '../../places.js';
import { Store } from '../../store.js';
import { limits } from '../../twins.js';
import { endedText, firstDifference, percent } from '../../words.js';
import { RESTED, TRIES } from '../knock.js';
import { said } from './compare.js';
import { drawOver, Pictures } from './pictured.js';
import { ramp } from './ramp.js';

const FILLS = [
  ['mean', 'one colour, the picture’s mean'],
  ['blur', 'itself, blurred'],
  ['background', 'the colours around it'],
];

export class Hide {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.other = new Store(() => {}); // of the picture with something hidden
    this.turn = 0; // of the newest request
    this.asked = ''; // what it is about
    this.tries = 0;
    this.running = false;
    this.error = '';
    this.shown = ''; // what the answer that is here is about
    this.what = ''; // the same, in words
    this.pictures = new Pictures(viewer);
    this.tiles = [];
    this.at = el('span'); // which layer's maps these are
    this.built = '';
  }

  // ---- what is asked -----------------------------------------------------------------------------------------------

  /** What the answer depends on, '' while there is none to ask again. */
  key() {
    const { model, state } = this.store;
    if (model.status !== 'done' || !model.layers) return '';
    const on = model.objects.filter((object) => this.store.isOn(object)).map(({ name }) => name);
    return JSON.stringify([
      model.id,
      model.run,
      model.methods.map(({ spec }) => spec),
      on,
      state.region,
      state.fill || 'mean',
    ]);
  }

  fresh() {
    return Boolean(this.shown) && this.shown === this.key();
  }

  /** Asks for what is chosen, if a link or a press wants it or it takes no time; what is no longer chosen, no longer. */
  consider() {
    const { model, state } = this.store;
    const key = state.fill && this.key();
    clearTimeout(this.resting);
    if (this.running && this.asked !== key) this.halt();
    if (!key || this.fresh() || this.asked === key || !(model.knocks.itself || !this.turn)) return;
    this.resting = setTimeout(() => this.key() === key && this.ask(), this.turn ? RESTED : 0);
  }

  ask() {
    const key = this.key();
    this.tries = key === this.asked ? this.tries + 1 : 1;
    Object.assign(this, { asked: key, running: true, error: '', turn: this.turn + 1 });
    this.next = this.viewer.numbers.followedText();
    if (!this.store.state.fill) this.store.set({ fill: 'mean' });
    this.store.onEvent('alter', { view: this.viewer.spelled(), turn: this.turn });
    this.viewer.invalidate('words');
  }

  halt() {
    Object.assign(this, { running: false, turn: this.turn + 1 });
    this.store.onEvent('alter', { halt: true, turn: this.turn });
    this.viewer.invalidate('words');
  }

  /** News of the server. */
  hear({ of, turn, running, error, payload }) {
    if (turn !== this.turn || !this.store.model) return;
    Object.assign(this, { running, error });
    if (payload && of === this.store.model.id) this.take(payload);
    else if (!error && !running && this.tries < TRIES) setTimeout(() => turn === this.turn && this.ask(), RESTED);
    if (payload && !running) this.viewer.readings.say(this.told());
    this.viewer.invalidate('words');
  }

  take(payload) {
    const { other } = this;
    Object.assign(other, { state: { ...this.store.state } }); // what is chosen there is what is chosen here
    other.take(payload);
    other.state = this.store.state;
    Object.assign(this, { shown: this.asked, what: this.next });
  }

  // ---- elements ----------------------------------------------------------------------------------------------------

  /** @param {HTMLElement} node */
  draw(node) {
    this.consider();
    const { state, model } = this.store;
    const { other } = this;
    const answers = other.model?.methods.map(({ tokens, finished }) => [tokens.length, finished]);
    const look = [state.cmap, state.power, state.crop, state.grid, state.step, state.head, state.fill];
    const what = this.viewer.numbers.followedText();
    const facts = [what, this.running, this.error, this.fresh(), this.shown, answers, other.model?.image.url];
    const key = JSON.stringify([facts, look, model.id, model.status, model.methods.map(({ spec }) => spec)]);
    if (key !== this.built || !node.firstChild) this.build(node, what);
    this.built = key;
    this.at.textContent = t('Layer {layer} of {layers}', { layer: state.layer + 1, layers: model.layers });
    this.pictures.keep(this.tiles.map(({ store }) => store.model.image.url));
    this.tiles.forEach((tile) => this.drawTile(tile));
  }

  build(node, what) {
    const there = Boolean(this.other.model) && this.other.model.id === this.store.model.id;
    this.tiles = [];
    const told = there && this.fresh() ? this.told() : '';
    refill(node, [
      this.controls(what),
      this.error && el('p', { role: 'alert', text: this.error }),
      el('p', { class: 'cv-differ cv-without', text: told || this.waiting(what) }),
      ...(there ? this.sides() : []),
      el('p', {
        class: 'cv-quiet',
        text: t(
          'Here the model never sees what is covered. “Does looking matter?” above leaves it in the picture and hides it from some words, a few layers at a time. What covers it is something to see as well: try another cover.',
        ),
      }),
    ]);
  }

  controls(what) {
    const { state, model } = this.store;
    const button = (text, onclick) => el('button', { type: 'button', text, onclick });
    const again = model.knocks.itself
      ? t('Hide {what} and ask again', { what })
      : t('Hide {what} and ask again (as long as the first time)', { what });
    const ask = this.running ? button(t('Stop'), () => this.halt()) : button(again, () => this.ask());
    ask.disabled = !this.running && (!this.key() || (this.fresh() && !this.error && Boolean(state.fill)));
    const onchange = (event) => this.cover(event.target.value);
    const fills = FILLS.map(([value, text]) => el('option', { value, text: t(text) }));
    const select = el('select', { 'aria-label': t('Covered with'), onchange }, ...fills);
    select.value = state.fill || 'mean';
    return el(
      'div',
      { class: 'cv-go' },
      ask,
      el('label', { class: 'cv-control' }, el('span', { text: t('Covered with') }), select),
    );
  }

  cover(fill) {
    this.store.set({ fill });
    if (!this.running && !this.store.model.knocks.itself && !this.turn) this.turn = 1; // it is chosen, not asked for
    this.viewer.root.querySelector('.cv-panel select')?.focus();
  }

  waiting(what) {
    if (this.running) return t('{what} is covered, and all methods are asked again …', { what: capital(what) });
    const drawn = this.store.state.region || this.viewer.numbers.chosen().names.length;
    if (this.shown && this.other.model?.id === this.store.model.id)
      return t('Below {what} was hidden; what is followed now has not been asked about.', { what: this.what });
    return drawn
      ? t('{what} is covered in the picture, and the same question is asked again.', { what: capital(what) })
      : t('Nothing is followed: the whole picture is covered. Choose an object or draw a box to hide only that.');
  }

  sides() {
    const sides = [
      { store: this.store, text: t('As asked'), url: this.store.model.image.url },
      { store: this.other, text: t('With {what} hidden', { what: this.what }), url: this.other.model.image.url },
    ];
    const { state } = this.store;
    const maps = sides.flatMap(({ store }) => store.numbers.raw());
    this.limits = limits(maps, 'shared', 0, 0, 0);
    const [first, second] = sides.map((side) => this.side(side));
    second.dataset.stale = String(!this.fresh());
    const colours = ramp(this.limits[1], state);
    colours.append(this.at);
    return [el('div', { class: 'cv-pair cv-hidden' }, first, second), colours];
  }

  side({ store, text, url }) {
    const { image, methods } = store.model;
    const { wide, high } = frameOf(image, false);
    const alt = t('The picture: {side}', { side: text });
    const picture = el('img', { src: url, alt, style: `aspect-ratio: ${wide / high}` });
    const tiles = methods.map((method, i) => this.tile(store, method, i));
    return el(
      'figure',
      {},
      el('figcaption', {}, el('strong', { text })),
      el('div', { class: 'cv-tiles' }, el('div', {}, picture), ...tiles),
    );
  }

  tile(store, method, index) {
    const { wide, high } = frameOf(store.model.image, this.store.state.crop);
    const canvas = el('canvas', { role: 'img', style: `aspect-ratio: ${wide / high}` });
    const words = method.tokens.filter(({ text }) => text); // an answer's end says nothing here
    const ended = el('p', { class: 'cv-ended cv-quiet', hidden: true });
    const answer = el('p', { class: 'cv-said' }, ...said(words.length ? words : method.tokens, store.state.step));
    this.tiles.push({ store, method, index, canvas, ended, underlay: new Underlay() });
    return el('div', {}, canvas, ended, this.viewer.named(index), answer);
  }

  drawTile({ store, method, index, canvas, ended, underlay }) {
    const { model, numbers } = store;
    const { layer, region } = this.store.state;
    const values = numbers.head() === this.viewer.numbers.head() ? numbers.raw()[index]?.[layer] : null;
    const none = model.status === 'running' ? t('Its maps come with the finished answer.') : endedText();
    ended.textContent = none;
    ended.hidden = Boolean(values);
    const views = numbers.visibleViews();
    const about = { name: method.label, layer, views };
    canvas.setAttribute('aria-label', values ? heatText(values, about, false) : none);
    const { pictures, limits: scale } = this;
    const outlines = model.objects.filter((object) => store.isOn(object)).flatMap((object) => object.contours);
    const place = { canvas, underlay, pictures, image: model.image, views, outlines, region };
    drawOver(this.viewer, { ...place, values, limits: scale });
  }

  // ---- words -------------------------------------------------------------------------------------------------------

  told() {
    const [before, after] = [this.store.model.methods, this.other.model.methods];
    if (this.running || !after.every(({ finished }) => finished)) return '';
    const pairs = before.map((method, i) => ({ label: method.label, before: method, after: after[i] }));
    return withoutText(pairs, this.what);
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A short answer's chance is its only word's; null for a long answer. */
function short({ tokens }) {
  const words = tokens.filter(({ text }) => text);
  return words.length === 1 ? words[0].probability : null;
}

/**
 * What becomes of the answers where something is hidden, in a sentence. what: in words.
 *
 * @param {{ label: string, before: Answer, after: Answer }[]} pairs of each method
 * @typedef {{ text: string, tokens: { id: number, text: string, probability: number }[] }} Answer
 */
export function withoutText(pairs, what) {
  const words = (answer) => answer.text.trim();
  const alike = (name) => pairs.every((pair) => words(pair[name]) === words(pairs[0][name]));
  const brief = pairs.every(({ before, after }) => short(before) !== null && short(after) !== null);
  if (!brief || !alike('before') || !alike('after')) return eachText(pairs, what, brief);
  const chances = pairs.map(({ after }) => short(after));
  const [low, high] = [percent(Math.min(...chances)), percent(Math.max(...chances))];
  const facts = {
    what,
    word: words(pairs[0].after),
    before: words(pairs[0].before),
    chance: low === high ? low : t('{first} to {last}', { first: low, last: high }),
  };
  const count = Math.min(pairs.length, 3);
  if (facts.word === facts.before)
    return [
      t('With {what} hidden it still says {word} ({chance}): the answer does not need it.', facts),
      t('With {what} hidden both still say {word} ({chance}): the answer does not need it.', facts),
      t('With {what} hidden all still say {word} ({chance}): the answer does not need it.', facts),
    ][count - 1];
  return [
    t('With {what} hidden it says {word} ({chance}) instead of {before}: the answer came from there.', facts),
    t('With {what} hidden both say {word} ({chance}) instead of {before}: the answer came from there.', facts),
    t('With {what} hidden all say {word} ({chance}) instead of {before}: the answer came from there.', facts),
  ][count - 1];
}

/** The same where not all say the same, or more than a word. */
function eachText(pairs, what, brief) {
  const said = pairs.map(({ label: method, before, after }) => {
    const [word, was] = [after.text.trim(), before.text.trim()];
    const facts = { method, word, before: was, chance: percent(short(after)), was: percent(short(before)) };
    if (brief && word !== was) return t('{method} says {word} ({chance}) instead of {before}', facts);
    if (brief) return t('{method} still says {word} ({chance}, before {was})', facts);
    const number = firstDifference(before.tokens, after.tokens) + 1;
    if (word === was) return t('{method} says the same, word for word', facts);
    return t('{method} answers otherwise from token {number} on', { method, number: number || before.tokens.length });
  });
  const all = said.reduce((before, last) => t('{before}; {last}', { before, last }));
  return t('With {what} hidden, {said}.', { what, said: all });
}
