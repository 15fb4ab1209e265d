// @ts-check
// Words and numbers beside the drawings: where one is, the sentence, the tables, what is said aloud.

import { el, refill } from '../dom.js';
import { t } from '../language.js';
import { gain, summarise } from '../twins.js';
import { claim, percent, sentence, share, signedPercent, tokenWord } from '../words.js';

export class Readings {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    viewer.$('numbers').addEventListener('toggle', () => viewer.invalidate('words'));
  }

  draw() {
    const curves = this.viewer.curves();
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.describe(), 400);
    this.drawStats(curves);
    this.drawLens();
    if (this.viewer.$('numbers').open) this.drawTable(curves);
  }

  drawContext() {
    this.viewer.$('context').textContent = this.viewer.chips.hint() || this.context();
  }

  context() {
    const { model, state } = this.store;
    if (!model.layers) return 'Waiting for the first token';
    const text = model.methods[model.reference]?.tokens[state.step]?.text;
    const named = text === '' ? ' (end)' : text ? ` “${text.trim()}”` : '';
    const mean = this.numbers.head() === null;
    const heads = mean ? `mean of ${model.heads || ''} heads` : `head ${state.head + 1} of ${model.heads}`;
    return `Layer ${state.layer + 1} of ${model.layers} · token ${state.step + 1}${named} · ${heads}`;
  }

  /** For screen readers, once the cursor has rested. */
  describe() {
    const { viewer } = this;
    if (!this.store.model?.layers) return;
    const words = [viewer.chips.hint() || viewer.player.spoken(), ...viewer.answers.spoken()];
    viewer.$('live').textContent = words.join('. ');
    for (const view of [viewer.strip, viewer.maps, viewer.plots]) view.describe();
  }

  drawSummary() {
    const { model, state } = this.store;
    const curves = this.viewer.curves();
    const part = (i) =>
      curves[i]?.length ? { label: model.methods[i].label, curve: curves[i], stop: this.numbers.stop(i) } : null;
    const [reference, other] = [part(model.reference), part(state.focus)];
    const { names } = this.numbers.chosen();
    const text = model.steps ? sentence({ names, head: this.numbers.head(), reference, other }) : '';
    this.viewer.$('summary').textContent = text;
    this.viewer.$('claim').textContent = model.steps ? this.claim(names, curves[model.reference]) : '';
  }

  claim(names, curve) {
    const { methods, reference } = this.store.model;
    const { name, label } = methods[reference];
    const head = this.numbers.head();
    const who = head === null ? '' : t('Head {head}', { head: head + 1 });
    return claim({ who: name === 'vanilla' ? who : label, names, curve, ...this.numbers.sureness() });
  }

  // ---- tables ------------------------------------------------------------------------------------------------------

  drawStats(curves) {
    const column = (text) => el('th', { text, scope: 'col' });
    const here = `Layer ${this.store.state.layer + 1}`;
    const terms = [this.viewer.term('th', 'Left at the end', 'left'), this.viewer.term('th', 'Gain here', 'gain')];
    const head = el('tr', {}, ...['Method', here, 'Peak'].map(column), ...terms);
    const rows = this.store.model.methods.map((_, i) => this.statsRow(curves, i));
    refill(this.viewer.$('stats'), [el('thead', {}, head), el('tbody', {}, ...rows)]);
  }

  statsRow(curves, index) {
    const { layer } = this.store.state;
    const { reference } = this.store.model;
    const [value, base] = [curves[index][layer] ?? null, curves[reference][layer] ?? null];
    const sum = summarise(curves[index]);
    const more = index === reference ? null : gain(value, base);
    const gained = more && {
      text: signedPercent(more.clipped, 0),
      'data-tip': `Unclipped: ${signedPercent(more.unclipped, 1)}`,
      tabindex: '0',
    };
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, this.viewer.named(index)),
      el('td', { text: percent(value, 1) }),
      el('td', { text: sum ? `${percent(sum.value, 1)} at ${sum.peak + 1}` : '–' }),
      el('td', { text: sum ? percent(sum.left) : '–' }),
      el('td', gained || { text: '–' }),
    );
  }

  /** How undecided each method is at this layer, and what it would say. */
  drawLens() {
    const { model, state } = this.store;
    const lines = model.methods.flatMap(({ uncertainty, lens }, i) => {
      const value = uncertainty[state.step]?.[state.layer] ?? null;
      const words = lens?.[state.step]?.[state.layer];
      if (value === null && !words) return [];
      const likely = (words || []).map(([word, chance]) => `${tokenWord(word)} ${percent(chance)}`).join(' · ');
      const number = el('span', { text: value === null ? '' : value.toFixed(2) });
      return [el('p', {}, this.viewer.sample(i), number, el('span', { text: likely ? `would say ${likely}` : '' }))];
    });
    const none = el('p', { class: 'cv-quiet', text: `Not measured at layer ${state.layer + 1}.` });
    this.viewer.$('lens').replaceChildren(...(lines.length ? lines : [none]));
  }

  drawTable(curves) {
    const { methods, layers } = this.store.model;
    const columns = methods.flatMap((method, i) => this.columnsOf(method, curves[i]));
    const heads = ['Layer', ...columns.map(({ name }) => name)].map((text) => el('th', { text, scope: 'col' }));
    const rows = Array.from({ length: layers }, (_, layer) => {
      const cells = columns.map(({ read }) => el('td', { text: read(layer) }));
      return el('tr', {}, el('th', { scope: 'row', text: String(layer + 1) }), ...cells);
    });
    const table = el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows));
    this.viewer.$('numbers').lastElementChild.replaceChildren(table);
  }

  /** A method's columns of the table: {name, read: text of a layer}. */
  columnsOf({ label, uncertainty, sinks, heads, card }, values) {
    const { step } = this.store.state;
    const acted = heads?.[step];
    return [
      { name: 'attention', read: (layer) => share(values[layer]) },
      { name: 'uncertainty', read: (layer) => uncertainty[step]?.[layer]?.toFixed(3) ?? '–' },
      sinks && { name: 'sink tokens', read: (layer) => String(sinks[layer]?.length ?? 0) },
      acted && { name: `heads ${card.acted}`, read: (layer) => acted[layer].map((head) => head + 1).join(', ') || '–' },
    ]
      .filter(Boolean)
      .map(({ name, read }) => ({ name: `${label}: ${name}`, read }));
  }
}
