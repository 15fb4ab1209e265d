// @ts-check
// What the question is answered with every alpha and beta of CLVS, eleven of each: asked on the server, row by row.

import { el } from '../../dom.js';
import { t } from '../../language.js';
import { percent } from '../../words.js';
import { cellGrid } from '../cells.js';

export class Settings {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.built = '';
    this.stopped = false; // by the visitor, before all rows had come
  }

  method() {
    return this.store.model.methods.findIndex(({ name }) => name === 'clvs');
  }

  /** @param {HTMLElement} node */
  draw(node) {
    const { tries, methods, status } = this.store.model;
    const { spec } = methods[this.method()];
    const key = JSON.stringify([
      tries,
      spec,
      status,
      this.stopped,
      this.viewer.root.dataset.theme,
      Boolean(node.firstChild),
    ]);
    if (key === this.built) return;
    const about = t(
      'The answer of CLVS with every α and β, all other settings as they are: darker is more certain. Press a cell to take its settings.',
    );
    node.replaceChildren(el('p', { text: about }), this.controls(), tries?.cells.length ? this.grid(tries, spec) : '');
    this.built = JSON.stringify([tries, spec, status, this.stopped, this.viewer.root.dataset.theme, true]);
  }

  /** What starts it, how far it is, and what ends it. */
  controls() {
    const { tries, status } = this.store.model;
    const rows = tries?.alphas.length ?? 0;
    const going = tries && tries.cells.length < rows && !this.stopped;
    const button = (text, event, then) =>
      el('button', {
        type: 'button',
        text,
        disabled: status === 'running',
        onclick: () => {
          then();
          this.store.onEvent(event, {});
        },
      });
    if (!going) {
      const ask = button(t('Ask with all 121 settings'), 'attempt', () => (this.stopped = false));
      const words = t('On the small model that takes a few seconds; on a large one as long as 121 answers.');
      return el('p', { class: 'cv-go' }, ask, el('span', { class: 'cv-quiet', text: words }));
    }
    const halt = button(t('Stop'), 'halt', () => {
      this.stopped = true;
      this.viewer.invalidate('words');
    });
    const facts = { row: tries.cells.length, rows, seconds: Math.ceil(tries.left ?? 0) };
    const far = tries.left === null ? t('It has begun.') : t('Row {row} of {rows}; about {seconds} s left', facts);
    return el('p', { class: 'cv-go', role: 'status' }, halt, el('span', { text: far }));
  }

  grid({ alphas, betas, cells }, spec) {
    const answers = byNumber(cells.flat().map(([text]) => text));
    const { methods, paper, dark } = this.viewer.look();
    const own = ['alpha', 'beta'].map((name) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(spec)?.[1]));
    const made = cellGrid({
      label: t('Answers by α and β'),
      corner: 'α \\ β',
      rows: alphas.map(String),
      columns: betas.map(String),
      cell: (a, b) => {
        const [answer, chance] = cells[a]?.[b] ?? [];
        if (answer === undefined) return { colour: 'transparent', text: t('not asked yet'), off: true };
        const place = Math.min(answers.indexOf(answer), methods.length - 1);
        const colour = `color-mix(in srgb, ${methods[place]} ${Math.round(12 + 76 * chance)}%, ${paper})`;
        const facts = { alpha: alphas[a], beta: betas[b], answer: answer || '–', share: percent(chance) };
        const text = t('α {alpha}, β {beta}: {answer}, {share}', facts);
        return { colour, light: dark ? chance > 0.5 : chance < 0.8, text, mark: answer };
      },
      pick: (a, b) => this.store.onEvent('settle', { alpha: alphas[a], beta: betas[b] }),
    });
    made.cells.forEach((line, a) =>
      line.forEach((cell, b) => {
        const here = Math.abs(alphas[a] - own[0]) < 0.05 && Math.abs(betas[b] - own[1]) < 0.05;
        cell.setAttribute('aria-selected', String(here));
      }),
    );
    return el('div', { class: 'cv-wide cv-tries' }, made.node);
  }
}

/** The different answers, the most frequent first. */
function byNumber(texts) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
}
