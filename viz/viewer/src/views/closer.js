// @ts-check
// Look closer: one of several panels below the maps and curves, or none. A panel has `offered()`, whether it has anything
// to show here, and `draw(node)`, which is called only while it is open.

import { arrows, stopAt } from '../arrows.js';
import { el } from '../dom.js';
import { t } from '../language.js';
import { WordByWord } from './closer/byword.js';
import { Heads } from './closer/heads.js';
import { Questions } from './closer/questions.js';
import { Rest } from './closer/rest.js';
import { Settings } from './closer/settings.js';
import { NumbersTable } from './closer/table.js';

export class Closer {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.node = viewer.$('closer');
    this.panels = [
      { name: 'heads', text: t('Heads × layers'), panel: new Heads(viewer) },
      { name: 'rest', text: t('Where the rest goes'), panel: new Rest(viewer) },
      { name: 'words', text: t('Word by word'), panel: new WordByWord(viewer) },
      { name: 'settings', text: 'α × β', panel: new Settings(viewer) },
      { name: 'questions', text: t('All example questions'), panel: new Questions(viewer) },
      { name: 'numbers', text: t('All numbers'), panel: new NumbersTable(viewer) },
    ];
    this.tabs = this.panels.map(({ name, text }) =>
      el('button', {
        type: 'button',
        role: 'tab',
        id: `cv-tab-${name}`,
        'data-panel': name,
        'aria-controls': 'cv-panel',
        text,
        onclick: () => this.open(name),
      }),
    );
    const bar = el('div', { role: 'tablist', 'aria-label': t('Look closer') }, ...this.tabs);
    arrows(bar, () => this.tabs.filter((tab) => !tab.hidden), { along: 'x', round: true });
    this.body = el('div', { class: 'cv-panel', id: 'cv-panel', role: 'tabpanel', hidden: true });
    this.node.replaceChildren(el('h2', { text: t('Look closer') }), bar, this.body);
  }

  /** The panel that is open, if it is offered here. */
  current() {
    return this.panels.find(({ name, panel }) => name === this.store.state.closer && panel.offered());
  }

  /** Opens a panel, or closes the one that is open. */
  open(name) {
    this.store.set({ closer: this.store.state.closer === name ? '' : name });
    if (this.store.state.closer) requestAnimationFrame(() => this.body.scrollIntoView({ block: 'nearest' }));
  }

  draw() {
    const current = this.current();
    for (const tab of this.tabs) {
      const { panel, name } = this.panels.find((one) => one.name === tab.dataset.panel);
      tab.hidden = !panel.offered();
      tab.setAttribute('aria-selected', String(name === current?.name));
    }
    const offered = this.tabs.filter((tab) => !tab.hidden);
    if (!offered.includes(/** @type {any} */ (document.activeElement)))
      stopAt(
        offered,
        offered.find((tab) => tab.dataset.panel === current?.name),
      );
    this.body.hidden = !current;
    if (this.body.dataset.panel !== (current?.name ?? '')) this.body.replaceChildren();
    this.body.dataset.panel = current?.name ?? '';
    if (!current) return;
    this.body.setAttribute('aria-labelledby', `cv-tab-${current.name}`);
    current.panel.draw(this.body);
  }
}
