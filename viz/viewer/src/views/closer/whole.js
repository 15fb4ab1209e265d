// @ts-check
// Whole answers: each object that they name is hidden in turn, a few layers at a time, from every word that is written.
// Is it still named? The server asks again for every cell, when it is told to.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { aboutTime, layersText, usualWindow } from '../../knockouts.js';
import { percent } from '../../words.js';
import { cellGrid, stopAtCell } from '../cells.js';

const BLINDED = {
  word: 'every word being written',
  question: 'the question’s words',
  both: 'the question’s words and every word being written',
};

export class Whole {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.turn = 0; // of the newest request
    this.asked = ''; // what it is about
    this.running = false;
    this.error = '';
    this.built = '';
    this.grids = []; // {spec, cells: [object][layer]}
    /** @type {{ of: string, survival: import('../../payload.d.ts').Survival } | null} */
    this.news = null;
  }

  /** Where it can be asked, or came with the page. */
  fits() {
    return Boolean(this.viewer.served || this.store.model.survival);
  }

  // ---- what is known -----------------------------------------------------------------------------------------------

  window() {
    const { model, state } = this.store;
    return Math.min(state.window ?? usualWindow(model.layers), 2 * model.layers - 1);
  }

  key() {
    const { model, state } = this.store;
    return JSON.stringify([model.id, model.methods.map(({ spec }) => spec), state.rows, this.window()]);
  }

  /** What is known of what is chosen, null for nothing. */
  survival() {
    const { model, state } = this.store;
    const found = this.news?.of === model.id ? this.news.survival : model.survival;
    return found && found.rows === state.rows && found.window === this.window() ? found : null;
  }

  /** The rows of a method, in the order in which they came. */
  rowsOf(method) {
    const { spec } = this.store.model.methods[method];
    return this.survival()?.objects.filter((row) => row.spec === spec) ?? [];
  }

  complete() {
    const { knocks, methods } = this.store.model;
    const known = new Set(this.survival()?.objects.map(({ name }) => name));
    const whole = methods.flatMap((_, i) => this.rowsOf(i)).every(({ named }) => !named.includes(null));
    const answered = methods.every(({ spec }) => this.survival()?.specs.includes(spec));
    return known.size > 0 && whole && answered && (knocks?.named ?? []).every((name) => known.has(name));
  }

  // ---- asking ------------------------------------------------------------------------------------------------------

  ask() {
    Object.assign(this, { asked: this.key(), running: true, error: '', turn: this.turn + 1 });
    this.store.onEvent('survive', { view: this.viewer.spelled(), turn: this.turn });
    this.viewer.invalidate('words');
  }

  halt() {
    Object.assign(this, { running: false, turn: this.turn + 1 });
    this.store.onEvent('survive', { halt: true, turn: this.turn });
    this.viewer.invalidate('words');
  }

  /** News of the server. */
  hear({ of, turn, running, error, survival }) {
    if (turn !== this.turn) return;
    Object.assign(this, { running, error });
    if (survival) this.news = { of, survival };
    this.viewer.invalidate('words');
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  /** @param {HTMLElement} node */
  draw(node) {
    const { model } = this.store;
    if (this.running && this.asked !== this.key()) this.halt();
    if (this.error && this.asked !== this.key()) this.error = '';
    const { dark } = this.viewer.look();
    const key = JSON.stringify([
      this.key(),
      model.status,
      this.survival(),
      this.running,
      this.error,
      model.knocks,
      dark,
    ]);
    if (key !== this.built || !node.firstChild) this.build(node);
    this.built = key;
    this.mark();
  }

  build(node) {
    const held = this.held();
    const { state } = this.store;
    const about = t(
      'Each object that an answer names is hidden in turn from {whom}, {window} layers at a time, and the whole answer is written again: ✓ it still names the object, ✕ it no longer does.',
      { whom: t(BLINDED[state.rows]), window: this.window() },
    );
    const shown = this.store.model.methods.flatMap((_, i) => (this.rowsOf(i).length ? [i] : []));
    this.grids = shown.map((method) => this.grid(method));
    this.said = el('p', { class: 'cv-became', role: 'status' });
    const figures = this.grids.map(({ method, node: grid, rows }) =>
      el(
        'figure',
        {},
        el('figcaption', {}, this.viewer.named(method)),
        el('p', { class: 'cv-quiet', text: this.store.model.methods[method].text, translate: 'no' }),
        el('div', { class: 'cv-wide' }, grid),
        el('p', { text: this.complete() ? survivalText(rows) : '' }),
      ),
    );
    const found = shown.length > 0;
    node.replaceChildren(
      el('p', { text: about }),
      this.controls(),
      found ? el('div', { class: 'cv-pair cv-whole' }, ...figures) : '',
      found ? this.said : '',
    );
    if (held) this.hold(held);
  }

  /** What starts it, how far it is, and what ends it. */
  controls() {
    const { model } = this.store;
    const quiet = (text) => el('span', { class: 'cv-quiet', text });
    const button = (text, onclick, disabled = false) => el('button', { type: 'button', text, onclick, disabled });
    if (this.running) {
      const cells = (this.survival()?.objects ?? []).flatMap(({ named }) => named);
      const done = cells.filter((named) => named !== null).length;
      const far = done ? t('{done} answers so far', { done }) : t('It has begun.');
      return el(
        'p',
        { class: 'cv-go', role: 'status' },
        button(t('Stop'), () => this.halt()),
        el('span', { text: far }),
      );
    }
    const error = this.error && el('span', { class: 'cv-error', role: 'alert', text: this.error });
    if (this.complete())
      return el('p', { class: 'cv-go' }, error || quiet(t('Press a cell to see that object and layer in the maps.')));
    if (!model.knocks) return el('p', { class: 'cv-go' }, quiet(t('Not measured for this choice.')));
    if (!model.objects.length)
      return el(
        'p',
        { class: 'cv-go' },
        quiet(t('No outlines of objects are known in this picture, so none can be hidden by its name.')),
      );
    if (!model.knocks.named.length)
      return el(
        'p',
        { class: 'cv-go' },
        quiet(
          t(
            'This answer names none of the objects that are known in this picture. Ask for a description: “What is in the picture?”',
          ),
        ),
      );
    const time = aboutTime(model.knocks.whole);
    const text = this.survival() ? t('Go on') : t('Hide each object it names ({time})', { time });
    return el(
      'p',
      { class: 'cv-go' },
      button(text, () => this.ask(), model.status === 'running'),
      error || '',
    );
  }

  // ---- a method's table --------------------------------------------------------------------------------------------

  grid(method) {
    const rows = this.rowsOf(method);
    const { layers, methods } = this.store.model;
    const { paper, dark } = this.viewer.look();
    const ink = this.viewer.ink(method);
    const tint = (share) => `color-mix(in srgb, ${ink} ${Math.round(100 * share)}%, ${paper})`;
    const shares = rows.length > 1 ? [sharesOf(rows)] : [];
    const made = cellGrid({
      label: t('Objects that are still named, {method}', { method: methods[method].label }),
      corner: t('object'),
      rows: [...rows.map(({ name }) => t(name)), ...shares.map(() => t('still named, %'))],
      columns: [...Array.from({ length: layers }, (_, layer) => String(layer + 1)), t('all')],
      cell: (at, column) => {
        if (at === rows.length) {
          const share = shares[0][column];
          const text = share === null ? t('not asked yet') : t('{share} are still named', { share: percent(share) });
          return {
            colour: paper,
            light: !dark,
            text,
            mark: share === null ? '' : String(Math.round(100 * share)),
            off: true,
          };
        }
        const { named } = cellOf(rows[at], column);
        const text = cellText(rows[at], column);
        if (named === null) return { colour: paper, text, off: true };
        return { colour: tint(named ? 0.16 : 1), light: named ? !dark : dark, text, mark: named ? '✓' : '✕' };
      },
      pick: (at, column) => this.pick(method, rows[at].name, column),
    });
    const tell = ({ target }) => {
      const at = made.cells.findIndex((line) => line.includes(target));
      if (at >= 0 && at < rows.length) this.tell(rows[at], made.cells[at].indexOf(target));
    };
    for (const kind of ['focusin', 'pointerover', 'click']) made.node.addEventListener(kind, tell);
    return { ...made, method, rows };
  }

  /** Under the tables: what the answer became. It is heard and seen without a tip. */
  tell(row, column) {
    const text = cellText(row, column);
    if (this.said.textContent !== text) this.said.textContent = text;
  }

  /** The object and layer of a cell in the maps. */
  pick(method, name, column) {
    const { model } = this.store;
    const layer = column < model.layers ? { layer: column } : {};
    const focus = method === model.reference ? {} : { focus: method };
    const on = Object.fromEntries(model.objects.map((object) => [object.name, object.name === name]));
    this.store.set({ on, region: null, ...layer, ...focus });
  }

  /** Where the maps are: their layer's column. */
  mark() {
    const { layer } = this.store.state;
    for (const { cells, rows } of this.grids) {
      cells.forEach((line, at) =>
        line.forEach((cell, column) => {
          const here = column === layer;
          cell.dataset.here = String(here);
          const on = this.store.model.objects.filter((object) => this.store.isOn(object));
          cell.setAttribute('aria-selected', String(here && on.length === 1 && rows[at]?.name === on[0].name));
        }),
      );
      if (!cells.flat().includes(/** @type {any} */ (document.activeElement))) stopAtCell(cells, cells[0]?.[layer]);
    }
  }

  /** Which cell or control has the keyboard: [table, row, column], and again after a change. */
  held() {
    const focused = /** @type {any} */ (document.activeElement);
    for (const [table, { cells }] of this.grids.entries())
      for (const [at, line] of cells.entries()) if (line.includes(focused)) return [table, at, line.indexOf(focused)];
    return focused?.closest('.cv-go') && this.viewer.$('closer').contains(focused) ? ['go'] : null;
  }

  /** @param {any[]} held */
  hold([table, at, column]) {
    const panel = this.viewer.$('closer');
    const cell = this.grids[table]?.cells[at]?.[column];
    (table === 'go' ? panel.querySelector('.cv-go button, .cv-cell[tabindex="0"]') : cell)?.focus({
      preventScroll: true,
    });
  }
}

/** A cell: whether the object is still named, and what is said; the last column is that of all layers. */
function cellOf(row, column) {
  if (column < row.named.length) return { named: row.named[column], said: row.said[column] };
  return { named: row.everywhere, said: row.said_everywhere };
}

/** A cell in one sentence. */
export function cellText(row, column) {
  const { named, said } = cellOf(row, column);
  const facts = { object: t(row.name), layer: column + 1, answer: said?.trim() || '–' };
  if (named === null) return t('not asked yet');
  if (column < row.named.length)
    return named
      ? t('{object} hidden around layer {layer}, still named: “{answer}”', facts)
      : t('{object} hidden around layer {layer}, no longer named: “{answer}”', facts);
  return named
    ? t('{object} hidden in all layers, still named: “{answer}”', facts)
    : t('{object} hidden in all layers, no longer named: “{answer}”', facts);
}

/** By column, the share of the objects that are still named, null where not all of them are known. */
export function sharesOf(rows) {
  return [...rows[0].named, null].map((_, column) => {
    const named = rows.map((row) => cellOf(row, column).named);
    return named.includes(null) ? null : named.filter(Boolean).length / named.length;
  });
}

/** What a method's table says, in one sentence. */
export function survivalText(rows) {
  const layers = rows[0].named.flatMap((_, layer) => (rows.some(({ named }) => !named[layer]) ? [layer] : []));
  if (layers.length)
    return t('Hidden around layers {layers}, at least one of its objects is no longer named.', {
      layers: layersText(layers),
    });
  const lost = rows.filter(({ everywhere }) => !everywhere).length;
  if (!lost)
    return t(
      'Each object is still named, even where it is hidden in all layers: these words are not read from it then.',
    );
  return t(
    'No few layers decide it: each object is still named wherever it is hidden, and only without any look {lost} of {count} are lost.',
    { lost, count: rows.length },
  );
}
