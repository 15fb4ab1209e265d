// @ts-check
// Two answers side by side: one that was pinned, and the one that is shown. What is pinned stays in the browser until the
// page is left.

import { el, refill } from '../../dom.js';
import { label, prepare } from '../../draw/canvas.js';
import { Underlay } from '../../draw/map.js';
import { axisRoom, drawPlot } from '../../draw/plot.js';
import { t } from '../../language.js';
import { frameOf, heatText } from '../../places.js';
import { limits, summarise } from '../../twins.js';
import { endedText, percent, shareAxis } from '../../words.js';
import { drag } from '../drag.js';
import { drawOver, Pictures } from './pictured.js';
import { ramp } from './ramp.js';

const LETTERS = ['A', 'B'];
const LINES = [2, 3]; // their places among the styles: the first two are those of methods that are always there
const MOST = 12; // tokens of an answer that are written out

/**
 * An answer as it is shown, of each method for one token: {id, question, model, image, views, layers, visual, step, head,
 * heads, what, outlines, region, reference, methods: {key, label, spec, settings, tokens, curve: [layer], maps: [layer]}}.
 * @typedef {ReturnType<Compare['present']>} Side
 */

export class Compare {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.pictures = new Pictures(viewer);
    /** @type {Side | null} */
    this.pinned = null;
    this.pins = 0; // how often something was pinned
    this.swapped = false; // the pinned one is B
    this.keys = { pinned: '', shown: '' }; // the methods that were chosen of them, '' for the reference
    this.figures = [];
    this.built = '';
  }

  /** Where something else can be asked. */
  offered() {
    return this.viewer.served;
  }

  // ---- the two answers ---------------------------------------------------------------------------------------------

  present() {
    const { model, state } = this.store;
    const [curves, maps] = [this.numbers.curves(), this.numbers.raw()];
    return {
      id: model.id,
      question: model.question,
      model: model.model.label,
      image: model.image,
      views: this.numbers.visibleViews(),
      layers: model.layers,
      visual: model.visual,
      step: state.step,
      head: this.numbers.head(),
      heads: model.heads,
      what: this.numbers.followedText(),
      outlines: model.objects.filter((object) => this.store.isOn(object)).flatMap(({ contours }) => contours),
      region: state.region,
      reference: model.methods[model.reference].key,
      methods: model.methods.map(({ key, label: name, spec, settings, tokens }, i) => ({
        key,
        label: name,
        spec,
        settings,
        tokens,
        curve: curves[i],
        maps: maps[i],
      })),
    };
  }

  /** Keeps the answer, but not all that came with it: its maps are copies. */
  pin() {
    const side = this.present();
    const copied = (maps) => maps.map((values) => values && values.slice());
    this.pinned = { ...side, methods: side.methods.map((method) => ({ ...method, maps: copied(method.maps) })) };
    this.pins += 1;
    this.swapped = false;
    this.keys.pinned = this.keys.shown;
    this.viewer.invalidate('words');
  }

  unpin() {
    this.pinned = null;
    this.viewer.invalidate('words');
  }

  swap() {
    this.swapped = !this.swapped;
    this.viewer.invalidate('words');
  }

  /** A and B: {side, own: what its method gave, kept: whether it is the pinned one}. */
  pair() {
    const of = (side, kept) => {
      const key = this.keys[kept ? 'pinned' : 'shown'] || side.reference;
      const own = side.methods.find((method) => method.key === key);
      return { side, kept, own: own ?? side.methods.find((method) => method.key === side.reference) };
    };
    const pair = [of(this.pinned, true), of(this.present(), false)];
    return this.swapped ? pair.reverse() : pair;
  }

  choose(kept, key) {
    this.keys[kept ? 'pinned' : 'shown'] = key;
    this.viewer.invalidate('words');
  }

  // ---- elements ----------------------------------------------------------------------------------------------------

  /** @param {HTMLElement} node */
  draw(node) {
    const pair = this.pinned && this.pair();
    const { model, state } = this.store;
    const facts = pair?.map(({ side, own }) => [...factsOf(side, own), own.tokens]);
    const look = [state.cmap, state.power, state.crop, state.grid, model.methods.length];
    const key = JSON.stringify([this.pins, this.swapped, facts, model.status, look]);
    if (key !== this.built || !node.firstChild) this.build(node, pair);
    this.built = key;
    if (pair) this.drawPair(pair);
  }

  build(node, pair) {
    const held = document.activeElement?.closest('.cv-go') && node.contains(document.activeElement);
    refill(node, [this.controls(), ...(pair ? this.sides(pair) : [])]);
    if (held && !node.contains(document.activeElement)) node.querySelector('button').focus(); // after Unpin
  }

  controls() {
    const button = (text, onclick) => el('button', { type: 'button', text, onclick });
    const pin = button(this.pinned ? t('Pin this answer instead') : t('Pin this answer'), () => this.pin());
    pin.disabled = this.store.model.status === 'running'; // there is more of it to come
    const about = t(
      'Then ask another question, or choose another picture or setting: both answers stand here side by side, layer by layer.',
    );
    const rest = this.pinned
      ? [button(t('Swap'), () => this.swap()), button(t('Unpin'), () => this.unpin())]
      : [el('span', { class: 'cv-quiet', text: about })];
    return el('div', { class: 'cv-go' }, pin, ...rest);
  }

  sides(pair) {
    this.limits = limits(
      pair.map(({ own }) => own.maps),
      'shared',
      0,
      0,
      0,
    );
    const [a, b] = pair;
    const set = a.own.key === b.own.key && a.own.spec !== b.own.spec; // then it is the settings that tell them apart
    this.figures = pair.map((one, i) => this.figure(one, i, set));
    this.canvas = el('canvas', { role: 'img' });
    this.box = el('div', { class: 'cv-plot' }, this.canvas);
    this.said = el('p', { class: 'cv-differ' });
    drag(this.box, this.viewer.player, (x) => this.box.at && this.store.goto(this.box.at.layer(x)));
    const curves = el(
      'figure',
      {},
      el('figcaption', {}, el('strong', { text: t('Attention by layer') })),
      this.box,
      this.said,
    );
    const notes = notesOf(pair).map((text) => el('p', { class: 'cv-quiet', text }));
    return [
      ...notes,
      el('div', { class: 'cv-pair cv-two' }, ...this.figures.map(({ node }) => node), curves),
      ramp(this.limits[1], this.store.state),
    ];
  }

  figure({ side, own, kept }, i, set) {
    const { wide, high } = frameOf(side.image, this.store.state.crop);
    const canvas = el('canvas', { role: 'img' });
    canvas.style.setProperty('--cv-shape', String(wide / high));
    const head = side.head === null ? '' : t('head {head} of {count}', { head: side.head + 1, count: side.heads });
    const name = side.methods.length < 2 && own.label; // else it stands pressed among the others
    const facts = [name, set && own.settings, head, side.model, side.what].filter(Boolean).join(' · ');
    const caption = el(
      'figcaption',
      {},
      el('strong', { class: 'cv-letter', text: LETTERS[i] }),
      el('span', { class: 'cv-quiet', text: kept ? t('pinned') : t('shown now') }),
      el('strong', { class: 'cv-asked', text: side.question, translate: 'no' }),
    );
    const about = el('p', { class: 'cv-quiet', text: facts });
    const answer = el('p', { class: 'cv-said' }, ...said(own.tokens, side.step));
    const ended = el('p', { class: 'cv-ended', hidden: true });
    const node = el('figure', {}, caption, about, this.methods(side, own, kept, i), answer, canvas, ended);
    node.style.setProperty('--own', `var(--cv-m${LINES[i]})`);
    return { node, canvas, ended, underlay: new Underlay() };
  }

  /** Which method's answer it is, where there are several. */
  methods(side, own, kept, i) {
    if (side.methods.length < 2) return null;
    const buttons = side.methods.map(({ key, label: text }) => {
      const onclick = () => this.choose(kept, key);
      return el('button', { type: 'button', text, 'aria-pressed': String(key === own.key), onclick });
    });
    const name = t('Method of {letter}', { letter: LETTERS[i] });
    return el('div', { class: 'cv-go', role: 'group', 'aria-label': name }, ...buttons);
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  drawPair(pair) {
    const { layer } = this.store.state;
    this.pictures.keep(pair.map(({ side }) => side.image.url));
    pair.forEach((one, i) => this.map(one, i, layer));
    this.plot(pair, layer);
    pair.forEach((one, i) => this.tell(one, i, layer)); // after all drawing, which has to know sizes
    const text = differenceText(pair, layer);
    this.said.textContent = text;
    this.canvas.setAttribute('aria-label', `${t('Attention by layer.')} ${text}`);
  }

  /** What a map shows, in words, and why where it shows nothing. */
  tell({ side, own }, i, layer) {
    const { canvas, ended } = this.figures[i];
    const [values, name] = [own.maps[layer] ?? null, LETTERS[i]];
    const none =
      layer < side.layers ? endedText() : t('{letter} has no layer {layer}.', { letter: name, layer: layer + 1 });
    ended.textContent = none;
    ended.hidden = Boolean(values);
    canvas.setAttribute('aria-label', values ? heatText(values, { name, layer, views: side.views }, false) : none);
  }

  map({ side, own }, i, layer) {
    const { canvas, underlay } = this.figures[i];
    const { pictures, limits: scale } = this;
    drawOver(this.viewer, { ...side, canvas, underlay, pictures, values: own.maps[layer] ?? null, limits: scale });
  }

  plot(pair, layer) {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width) return;
    const look = this.viewer.look();
    const ctx = prepare(this.canvas, width, height);
    const lines = pair.map(({ own }, i) => ({
      values: own.curve,
      index: LINES[i],
      colour: look.methods[LINES[i]],
      stop: -1,
    }));
    const axis = shareAxis(Math.max(0, ...lines.flatMap(({ values }) => values.filter(Number.isFinite))));
    const layers = Math.max(...pair.map(({ side }) => side.layers));
    const left = axisRoom(ctx, axis.marks.map(axis.format));
    const at = drawPlot(ctx, width, height, { ...axis, layers, cursor: layer, hover: null, look, lines, left });
    lines.forEach(({ values, colour }, i) => {
      const top = summarise(values);
      if (!top) return;
      const beside = (i ? 11 : -11) * at.u; // the letters of two peaks at one place stand side by side
      label(ctx, LETTERS[i], at.x(top.peak) + beside, at.y(top.value) - 5 * at.u, colour, 'center', look.paper);
    });
    this.box.at = at;
  }
}

/** An answer's first tokens with their chances; the one that is shown stands out. */
export function said(tokens, step) {
  if (!tokens.length) return [t('no answer yet')];
  const words = tokens.slice(0, MOST).map(({ text, probability }, i) => {
    const word = el('span', { text: text.trim() || (text ? '␣' : t('end')), translate: 'no' });
    const chance = el('small', { text: percent(probability) });
    return el('span', { 'aria-current': i === step ? 'true' : null }, word, ' ', chance);
  });
  return tokens.length > MOST ? [...words, '…'] : words;
}

/** What makes an answer the one that it is. */
const factsOf = ({ id, model, step, head, what, region }, { key, spec }) => [
  ...[id, model, step, head, what],
  JSON.stringify(region),
  key,
  spec,
];

/** What has to be known before the two are compared. */
export function notesOf([a, b]) {
  const [facts, others] = [a, b].map(({ side, own }) => factsOf(side, own));
  const alike = facts.every((fact, i) => fact === others[i]);
  return [
    alike &&
      t(
        'A and B are the same answer now: ask another question, or choose another picture, method, setting, token or object.',
      ),
    a.side.layers !== b.side.layers &&
      t('A has {a} layers and B {b}: they are compared by number.', { a: a.side.layers, b: b.side.layers }),
    a.side.visual !== b.side.visual &&
      t('A has {a} visual tokens and B {b}: of more tokens, each gets less.', { a: a.side.visual, b: b.side.visual }),
  ].filter(Boolean);
}

/** One sentence about a layer of both; '' where neither has numbers. layer: from 0. */
export function differenceText(pair, layer) {
  const found = pair.map(({ side, own }, i) => ({
    letter: LETTERS[i],
    value: own.curve[layer] ?? null,
    what: side.what,
  }));
  const [a, b] = found;
  const [known, unknown] = [found.filter(({ value }) => value !== null), found.find(({ value }) => value === null)];
  if (!known.length) return '';
  if (unknown) {
    const [{ letter, value, what }] = known;
    const facts = { letter, other: unknown.letter, layer: layer + 1, share: percent(value), what };
    return t('At layer {layer}, {letter} gives {share} to {what}; {other} has no numbers there.', facts);
  }
  const facts = { layer: layer + 1, a: percent(a.value), what: a.what, b: percent(b.value), other: b.what };
  return a.what === b.what
    ? t('At layer {layer}, A gives {a} to {what}, B {b}.', facts)
    : t('At layer {layer}, A gives {a} to {what}, B {b} to {other}.', facts);
}
