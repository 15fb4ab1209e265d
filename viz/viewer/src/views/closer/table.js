// @ts-check
// All numbers of the plots as a table.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { percent, share, tokenWord } from '../../words.js';

export class NumbersTable {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
  }

  /** @param {HTMLElement} node */
  draw(node) {
    const { methods, layers } = this.store.model;
    const curves = this.viewer.curves();
    const columns = methods.flatMap((method, i) => this.columnsOf(method, curves[i], i));
    const heads = [t('Layer'), ...columns.map(({ name }) => name)].map((text) => el('th', { text, scope: 'col' }));
    const rows = Array.from({ length: layers }, (_, layer) => {
      const cells = columns.map(({ read }) => el('td', { text: read(layer) }));
      const here = layer === this.store.state.layer ? 'true' : null;
      return el('tr', { 'aria-current': here }, el('th', { scope: 'row', text: String(layer + 1) }), ...cells);
    });
    const table = el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows));
    const label = t('All numbers as a table');
    const box =
      node.firstElementChild ??
      el('div', { class: 'cv-wide cv-numbers', tabindex: '0', role: 'region', 'aria-label': label });
    box.replaceChildren(table); // the box stays, and where it was scrolled to
    if (!box.isConnected) node.replaceChildren(box);
  }

  /** A method's columns of the table: {name, read: text of a layer}. */
  columnsOf({ label, uncertainty, sinks, heads, card }, values, index) {
    const { step } = this.store.state;
    const acted = heads?.[step];
    const { knock } = this.viewer;
    const left = knock.offered() && knock.fresh() && knock.left(index);
    return [
      { name: t('attention'), read: (layer) => share(values[layer]) },
      { name: t('uncertainty'), read: (layer) => uncertainty[step]?.[layer]?.toFixed(3) ?? '–' },
      left && { name: t('answer left without a look'), read: (layer) => percent(left.kept[layer]) },
      left && { name: t('says then'), read: (layer) => tokenWord(left.instead[layer]?.[0] ?? '–') },
      sinks && { name: t('sink tokens'), read: (layer) => String(sinks[layer]?.length ?? 0) },
      acted && {
        name: t('heads {acted}', { acted: card.acted }),
        read: (layer) => acted[layer].map((head) => head + 1).join(', ') || '–',
      },
    ]
      .filter(Boolean)
      .map(({ name, read }) => ({ name: `${label}: ${name}`, read }));
  }
}
