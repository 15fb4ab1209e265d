// @ts-check
// Look closer: one of several panels below the maps and curves, or none. `offered` says whether a panel has anything to
// show here; the panel itself comes with the second script, and its `draw(node)` is called only while it is open.

import { arrows, stopAt } from '../arrows.js';
import { el } from '../dom.js';
import { Fetched } from '../fetched.js';
import { t } from '../language.js';

export class Closer {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.node = viewer.$('closer');
    this.fetched = new Fetched(viewer);
    const { store } = viewer;
    /** @type {{ name: string, text: string, offered: () => any }[]} */
    this.panels = [
      { name: 'heads', text: t('Heads × layers'), offered: () => store.model.heads > 1 },
      { name: 'rest', text: t('Where the rest goes'), offered: () => Boolean(store.model.rest && this.has('rest')) },
      { name: 'words', text: t('Word by word'), offered: () => true },
      { name: 'answers', text: t('Whole answers'), offered: () => !store.model.recorded },
      { name: 'compare', text: t('Compare'), offered: () => viewer.served },
      { name: 'hide', text: t('Hide and ask again'), offered: () => store.model.knocks && !store.model.recorded },
      {
        name: 'settings',
        text: 'α × β',
        offered: () => viewer.served && !store.model.recorded && this.answered('clvs'),
      },
      { name: 'questions', text: t('All example questions'), offered: () => Boolean(viewer.decays) },
      { name: 'numbers', text: t('All numbers'), offered: () => true },
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

  /** Whether any method's answer has this part. */
  has(part) {
    const { arrays, methods } = this.store.model;
    return methods.some(({ key }) => arrays[`${part}/${key}`]);
  }

  answered(method) {
    return this.store.model.methods.some(({ name }) => name === method);
  }

  offers({ name, offered }) {
    return offered() && (this.fetched.panels?.[name].fits?.() ?? true);
  }

  /** The panel that is open, if it is offered here. */
  current() {
    return this.panels.find((one) => one.name === this.store.state.closer && this.offers(one));
  }

  /** Opens a panel, or closes the one that is open. more: what it is opened for, which leaves an open one open. */
  open(name, more) {
    this.store.set({ closer: !more && this.store.state.closer === name ? '' : name, ...more });
    this.revealing = Boolean(this.store.state.closer);
  }

  draw() {
    const current = this.current();
    for (const tab of this.tabs) {
      const one = this.panels.find(({ name }) => name === tab.dataset.panel);
      tab.hidden = !this.offers(one);
      tab.setAttribute('aria-selected', String(one === current));
    }
    const offered = this.tabs.filter((tab) => !tab.hidden);
    if (!offered.includes(/** @type {any} */ (document.activeElement)))
      stopAt(
        offered,
        offered.find((tab) => tab.dataset.panel === current?.name),
      );
    this.body.hidden = !current;
    const { panels } = this.fetched;
    const drawn = current && panels ? current.name : '';
    if (this.body.dataset.panel !== drawn) this.body.replaceChildren();
    this.body.dataset.panel = drawn;
    if (!current) return;
    this.body.setAttribute('aria-labelledby', `cv-tab-${current.name}`);
    if (panels) panels[current.name].draw(this.body);
    else this.fetched.draw(this.body, () => this.tabs.find((tab) => tab.dataset.panel === current.name).focus());
    if (this.revealing) this.body.scrollIntoView({ block: 'nearest' });
    if (panels) this.revealing = false; // until then, what is seen is only that it is on its way
  }
}
