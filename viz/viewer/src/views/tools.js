// @ts-check
// The controls above the maps: scale, head, grid, display, keys.

import { CHOICES } from '../choices.js';
import { el } from '../dom.js';
import { GLOSSARY } from '../glossary.js';
import { t } from '../language.js';
import { MAPS } from '../styles.js';
import { KEYS, SCALES, TIPS, tipText } from '../tips.js';

const GRIDS = [
  ['tiles', 'Tiles'],
  ['base', 'Whole picture'],
];

export class Tools {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.node = viewer.$('tools');
  }

  /** Rebuilt only for other heads or grids, so that the control in use stays under the hand. */
  build() {
    const { heads, views, methods, arrays, status } = this.store.model;
    const many = this.viewer.numbers.hasHeads() ? heads : 0;
    const grids = new Set(views.map((view) => view.kind)).size > 1;
    const memory = methods.some(({ key }) => arrays[`memory/${key}`]) && tipText('memory', methods);
    const rings = this.viewer.maps.sinkSwitch();
    const key = JSON.stringify([many, heads > 1, grids, memory, rings]);
    // While an answer is worked out there are no heads: the controls wait for them, so that nothing jumps.
    const waits = status === 'running' && this.built;
    if (key !== this.built && !waits) {
      this.node.replaceChildren(
        this.select('Scale', 'scale', Object.entries(SCALES), TIPS.scale),
        this.heads(many),
        ...(grids ? [this.select('Grid', 'grid', GRIDS, TIPS.grid)] : []),
        this.display(memory, rings),
        this.help(),
      );
    }
    if (!waits) this.built = key;
    this.sync();
  }

  heads(many) {
    const options = [
      ['', 'Mean of heads'],
      ...Array.from({ length: many }, (_, i) => [String(i), t('Head {head}', { head: i + 1 })]),
    ];
    const head = this.select('Head', 'head', options, many ? tipText('head', []) : TIPS.noHead);
    head.lastElementChild.disabled = !many; // it keeps its place
    return head;
  }

  display(memory, rings) {
    const controls = [
      this.select(
        'Colours',
        'cmap',
        MAPS.map((name) => [name, name]),
      ),
      this.range('Power', 'power', TIPS.power),
      this.range('Hide sinks', 'sinks', TIPS.sinks),
      this.check('Object outlines', 'contours'),
      this.check('Difference map', 'diff'),
      this.check('Smoothed for display', 'smooth'),
      memory && this.check('Vision memory', 'memory', memory),
      rings && this.check(rings, 'rings', TIPS.rings),
    ];
    return el('details', { class: 'cv-pop' }, el('summary', { text: 'Display' }), el('div', {}, ...controls));
  }

  help() {
    const list = (pairs) => pairs.flatMap(([term, about]) => [el('dt', { text: term }), el('dd', { text: about })]);
    const parts = [
      el('h3', { text: 'Keys' }),
      el('dl', {}, ...list(KEYS)),
      el('h3', { text: 'Words' }),
      el('dl', { class: 'cv-words' }, ...list(Object.values(GLOSSARY))),
    ];
    const about = { tabindex: '0', role: 'group', 'aria-label': 'Keys and words' };
    const summary = el('summary', { text: '?', 'aria-label': 'Keys and words' });
    return el('details', { class: 'cv-pop cv-help' }, summary, el('div', about, ...parts));
  }

  // ---- kinds of controls -------------------------------------------------------------------------------------------

  control(label, name, input, tip) {
    input.dataset.name = name;
    return el('label', { class: 'cv-control', 'data-tip': tip }, el('span', { text: label }), input);
  }

  select(label, name, options, tip = null) {
    const read = (value) => (name !== 'head' ? value : value === '' ? null : Number(value));
    const onchange = (event) => this.store.set({ [name]: read(event.target.value) });
    const choices = options.map(([value, text]) => el('option', { value, text }));
    return this.control(label, name, el('select', { 'aria-label': label, onchange }, ...choices), tip);
  }

  check(label, name, tip = null) {
    const onchange = (event) => this.store.set({ [name]: event.target.checked });
    return this.control(label, name, el('input', { type: 'checkbox', onchange }), tip);
  }

  range(label, name, tip) {
    const { low: min, high: max, kind } = CHOICES[name];
    const step = kind === 'whole' ? 1 : 0.1;
    const oninput = (event) => this.store.set({ [name]: Number(event.target.value) });
    return this.control(label, name, el('input', { type: 'range', min, max, step, oninput }), tip);
  }

  /** The controls show what is chosen. */
  sync() {
    for (const input of this.node.querySelectorAll('[data-name]')) {
      const value = this.store.state[input.dataset.name];
      if (input.type === 'checkbox') input.checked = value;
      else input.value = value === null ? '' : String(value);
      if (input.type !== 'range') continue;
      const words =
        input.dataset.name === 'sinks' ? (value ? t('{count} strongest', { count: value }) : t('none')) : String(value);
      input.setAttribute('aria-valuetext', words);
      input.previousSibling.dataset.value = words;
    }
  }

  // ---- what opens --------------------------------------------------------------------------------------------------

  close() {
    for (const pop of this.node.querySelectorAll('.cv-pop[open]')) pop.removeAttribute('open');
    this.viewer.tip.hide();
  }

  /** Leaves the keyboard at what opened the popover that it was in; whether one was open. */
  escape() {
    const open = this.node.querySelector('.cv-pop[open]');
    if (open?.contains(document.activeElement)) open.firstElementChild.focus();
    this.close();
    return Boolean(open);
  }
}
