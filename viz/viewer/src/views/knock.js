// @ts-check
// Does looking matter: what is left of the answer where the model cannot look at what is followed. The server measures
// it, by itself or when it is asked to; a page without one shows what came with its payload.

import { el, refill } from '../dom.js';
import { t, translated } from '../language.js';
import { aboutTime, fits, lookingAndMattering, rowsFor, usualWindow } from '../knockouts.js';
import { percent, ticks, tokenWord } from '../words.js';

const HIDDEN_FROM = [
  ['word', 'from the word'],
  ['question', 'from the question'],
  ['both', 'from both'],
];
const HIDDEN_WHERE = [
  ['false', 'hidden here'],
  ['true', 'seen only here'],
];
const WINDOWS = [1, 3, 5, 7, 9, 13];
export const TRIES = 3;
export const RESTED = 250; // milliseconds that a choice has rested before it is measured

export class Knock {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.node = viewer.$('knock');
    this.turn = 0; // of the newest request
    this.asked = ''; // what it is about
    this.tried = '';
    this.tries = 0;
    this.running = false;
    this.error = '';
    this.built = 0; // the model's depth
    this.shape = ''; // of the status line
    /** @type {object} */
    this.told = null; // the knock-out that it is about
    this.caveat = viewer.$('caveat').textContent;
    this.again = viewer.$('again');
    this.again.onclick = () => viewer.closer.open('hide', { fill: this.store.state.fill || 'mean' });
  }

  // ---- what is known -----------------------------------------------------------------------------------------------

  /** What is chosen, as a knock-out has it. */
  chosen() {
    const { model, state } = this.store;
    const on = model.objects.filter((object) => this.store.isOn(object)).map(({ name }) => name);
    const window = Math.min(state.window ?? usualWindow(model.layers), 2 * model.layers - 1);
    return { step: state.step, on, region: state.region, window };
  }

  /** Whether what is there is of what is chosen. */
  fresh() {
    return fits(this.store.knockout, this.chosen());
  }

  /** What is left of a method's token, null where that is not known. */
  left(method, rows = this.store.state.rows) {
    const { spec } = this.store.model.methods[method] ?? {};
    return this.store.knockout?.left.find((left) => left.spec === spec && left.rows === rows) ?? null;
  }

  /** Methods that say a token here. */
  saying() {
    const { model, state } = this.store;
    return model.methods.flatMap(({ tokens }, i) => (tokens.length > state.step ? [i] : []));
  }

  complete() {
    const whole = (left) => left && ![...left.kept, ...left.only].includes(null);
    const { rows } = this.store.state;
    return this.fresh() && this.saying().every((i) => rowsFor(rows).every((each) => whole(this.left(i, each))));
  }

  /** The method in focus, or the only one. */
  focus() {
    const { model, state } = this.store;
    return state.focus >= 0 ? state.focus : model.reference;
  }

  /** Layers around which the reference needs to look: the word that is written, whose attention the page shows. */
  matters(rows = 'word') {
    return this.offered() && this.fresh() ? (this.left(this.store.model.reference, rows)?.matters ?? []) : [];
  }

  /** Whether there is something to show, or to wait for. */
  offered() {
    const { model, knockout } = this.store;
    return Boolean(model.knocks || knockout) && !model.recorded;
  }

  // ---- asking ------------------------------------------------------------------------------------------------------

  key() {
    const { model, state } = this.store;
    return JSON.stringify([model.id, model.run, model.methods.map(({ spec }) => spec), this.chosen(), state.rows]);
  }

  /** Asks for what is chosen, if that comes by itself; what is no longer chosen is asked for no longer. */
  consider() {
    const { model } = this.store;
    clearTimeout(this.resting);
    const ready = model.knocks && model.status === 'done' && model.layers;
    if (this.running && this.asked !== (ready && this.key())) this.halt();
    if (!ready || this.complete() || this.asked === this.key() || !model.knocks.itself) return;
    this.resting = setTimeout(() => this.store.model === model && this.ask(), RESTED);
  }

  ask() {
    const key = this.key();
    if (key !== this.tried) [this.tried, this.tries] = [key, 0];
    Object.assign(this, { asked: key, running: true, error: '', turn: this.turn + 1, tries: this.tries + 1 });
    this.store.onEvent('knock', { view: this.viewer.spelled(), turn: this.turn });
    this.viewer.invalidate('words');
  }

  halt() {
    Object.assign(this, { running: false, turn: this.turn + 1 });
    this.store.onEvent('knock', { halt: true, turn: this.turn });
    this.viewer.invalidate('words');
  }

  /** News of the server. */
  hear({ of, turn, running, error, knockout }) {
    if (turn !== this.turn || !this.store.model) return;
    Object.assign(this, { running, error });
    if (!knockout && !error && this.tries < TRIES) this.asked = ''; // something else came in between: once more
    if (knockout && of === this.store.model.id) this.store.knockout = knockout;
    for (const part of ['curves', 'words']) this.viewer.invalidate(part);
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  /** Before anything is drawn: it has its room from the first answer on. */
  show() {
    this.node.hidden = !this.offered();
    this.again.hidden = !this.store.model.knocks;
  }

  draw() {
    const { model, state } = this.store;
    this.drawTogether();
    if (this.node.hidden) return;
    if (model.layers && this.built !== model.layers) this.build(model.layers);
    this.consider();
    const what = this.numbers.followedText();
    const title = state.only
      ? t('How much of the answer is left when it can look at {what} only here', { what })
      : t('How much of the answer is left when it cannot look at {what} here', { what });
    this.viewer.$('left-what').textContent = title;
    this.node.dataset.stale = String(!this.fresh());
    this.again.textContent = t('Hide {what} and ask again', { what });
    this.drawLeft();
    this.drawStatus(what);
    this.viewer.$('left-reads').textContent = this.reads();
  }

  build(layers) {
    this.built = layers;
    const usual = usualWindow(layers);
    const sizes = [...new Set([...WINDOWS, usual])].filter((size) => size < layers).sort((a, b) => a - b);
    const windows = sizes.map((size) => [
      size === usual ? '' : String(size),
      size === 1 ? t('1 layer') : t('{size} layers', { size }),
    ]);
    this.viewer.$('knock-title').replaceChildren(this.viewer.term('Does looking matter?', 'knock'));
    const { tools } = this.viewer;
    this.viewer
      .$('left-choices')
      .replaceChildren(
        tools.select('Where it is hidden', 'only', HIDDEN_WHERE),
        tools.select('Hidden from', 'rows', HIDDEN_FROM),
        tools.select('Layers at a time', 'window', windows),
      );
    tools.sync();
  }

  /** Curves of what is left, for the plot. lines: how each method's looks. */
  plot(lines) {
    const { model, state } = this.store;
    const drawn = model.methods.flatMap((_, i) => {
      const left = this.left(i);
      if (!left) return [];
      if (state.only) return [{ ...lines[i], values: left.only }];
      return [
        { ...lines[i], values: left.control, faint: true },
        { ...lines[i], values: left.kept },
      ];
    });
    const beside = this.left(this.focus(), this.other());
    const values = beside && (state.only ? beside.only : beside.kept);
    if (values) drawn.unshift({ ...lines[this.focus()], values, faint: true, dotted: true });
    const most = Math.max(...drawn.flatMap((line) => line.values.filter((value) => value !== null)), 1);
    const marks = ticks(most > 1.05 ? most : 1, 2);
    const format = (value) => `${Math.round(value * 100)}\u00a0%`;
    const found = drawn.map((line) => ({ ...line, stop: -1 }));
    return { marks, high: marks[marks.length - 1], lines: found, matters: this.matters(state.rows), format };
  }

  /** The rows that stand beside the chosen ones, for the method in focus. */
  other() {
    return this.store.state.rows === 'word' ? 'both' : 'word';
  }

  drawLeft() {
    const { layer } = this.store.state;
    const lines = this.saying().map((i) =>
      el(
        'p',
        {},
        this.viewer.sample(i),
        el('span', { text: this.fresh() ? this.shareAt(i, layer) : '–' }),
        el('span', { text: this.fresh() ? this.detailAt(i, layer) : '' }),
      ),
    );
    this.viewer.$('left-words').replaceChildren(...lines);
  }

  shareAt(method, layer, rows = this.store.state.rows) {
    const left = this.left(method, rows);
    const share = left && (this.store.state.only ? left.only : left.kept)[layer];
    return t('{share} left', { share: percent(share ?? null) });
  }

  /** What it would say instead, and of the method in focus how it is with the other rows. */
  detailAt(method, layer) {
    const left = this.left(method);
    const said = !this.store.state.only && left?.instead[layer];
    const other = said && said[0] !== left.token && said;
    const beside = method === this.focus() && this.left(method, this.other());
    return [
      other && t('would say {word}', { word: `${tokenWord(other[0])} ${percent(other[1])}` }),
      beside &&
        (this.other() === 'both'
          ? t('hidden from both: {left}', { left: this.shareAt(method, layer, 'both') })
          : t('hidden from the word alone: {left}', { left: this.shareAt(method, layer, 'word') })),
    ]
      .filter(Boolean)
      .join(' · ');
  }

  textAt(method, layer) {
    return [this.shareAt(method, layer), this.detailAt(method, layer)].filter(Boolean).join(', ');
  }

  /** One line: what is going on, what can be done, or else what the faint lines are. */
  drawStatus(what) {
    const { model, knockout, state } = this.store;
    const shape = JSON.stringify([
      this.running,
      this.error,
      this.complete(),
      this.fresh(),
      model.knocks,
      state.only,
      what,
    ]);
    if (shape === this.shape && knockout === this.told) return;
    [this.shape, this.told] = [shape, knockout];
    refill(this.viewer.$('left-status'), this.statusParts(what));
  }

  statusParts(what) {
    const { model, knockout } = this.store;
    const button = (text, onclick) => el('button', { type: 'button', class: 'cv-button', text, onclick });
    const waits = model.knocks && !model.knocks.itself;
    if (this.running) {
      const text = el('span', { text: t('Hiding {what}, layer by layer …', { what }) });
      return waits ? [text, button(t('Stop'), () => this.halt())] : [text];
    }
    if (this.error) return [el('span', { text: this.error })];
    if (this.complete() || (this.fresh() && !model.knocks)) {
      const facts = { hidden: knockout.hidden, visual: model.visual };
      const text = this.store.state.only
        ? t('{hidden} of {visual} visual tokens hidden.', facts)
        : t('{hidden} of {visual} visual tokens hidden; faint: as many others.', facts);
      return [el('span', { text })];
    }
    if (!model.knocks) return [el('span', { text: t('Not measured for this choice.') })];
    if (model.status === 'running' || (!waits && this.asked !== this.key())) return [];
    const time = aboutTime(model.knocks.seconds);
    return [button(t('Hide {what}, layer by layer ({time})', { what, time }), () => this.ask())];
  }

  /** Who reads, of the method in focus. */
  reads() {
    const { methods } = this.store.model;
    const { spec, label } = methods[this.focus()];
    const text = this.fresh() && this.store.knockout.reads[spec];
    if (!text) return '';
    return methods.length > 1 ? t('{method}: {text}', { method: label, text: translated(text) }) : text;
  }

  /** Looking and mattering in one sentence, in place of the caveat that looking proves nothing. */
  drawTogether() {
    const text = this.offered() && this.store.model.layers && this.fresh() ? this.together() : '';
    const node = this.viewer.$('caveat');
    const said = text || this.caveat;
    if (node.dataset.said === said) return;
    node.textContent = node.dataset.said = said;
    node.dataset.known = String(Boolean(text));
  }

  together() {
    const { model } = this.store;
    const { reference } = model;
    const focus = this.focus();
    const [a, b] = [this.left(reference, 'word'), this.left(focus, 'word')];
    const curves = this.viewer.curves();
    if (!a || !b || curves[reference].includes(null) || curves[focus].includes(null)) return '';
    const compared = focus !== reference && this.numbers.head() === null;
    return lookingAndMattering({
      what: this.numbers.followedText(),
      matters: a.matters,
      question: this.matters('both'),
      kept: [a.kept, b.kept],
      everywhere: a.everywhere,
      reference: curves[reference],
      other: compared ? { label: model.methods[focus].label, curve: curves[focus] } : null,
    });
  }

  /** For screen readers. */
  described() {
    const title = this.viewer.$('left-what').textContent;
    return [title, this.fresh() ? this.viewer.$('caveat').textContent : '', this.reads()].filter(Boolean).join(' ');
  }
}
