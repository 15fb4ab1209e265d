// @ts-check
// Words and numbers beside the drawings: where one is, the sentence, the tables, what is said aloud.

import { el, refill } from '../dom.js';
import { t } from '../language.js';
import { gain, summarise } from '../twins.js';
import { claim, endedText, gainText, percent, sentence, signedPercent, tokenWord } from '../words.js';

export class Readings {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.numbers = viewer.numbers;
    this.news = ''; // what is still to be read out of an answer
    this.told = ''; // the last answer that was noticed
    this.places = ['layer', 'token', 'head'].map((about) => viewer.term('', about)); // where one is
  }

  draw() {
    const curves = this.viewer.curves();
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.describe(), 400);
    this.drawStats(curves);
    this.drawLens();
  }

  /** Where one is, in words that can be asked about; while a region is drawn, how. */
  drawContext() {
    const node = this.viewer.$('context');
    const hint = this.viewer.chips.hint() || (this.store.model.layers ? '' : t('Waiting for the first token'));
    if (hint) {
      const [said] = node.children;
      if (said?.textContent !== hint) refill(node, [el('span', { text: hint }), ' ', this.viewer.chips.canceller()]);
      return;
    }
    if (!node.contains(this.places[0]))
      node.replaceChildren(...this.places.flatMap((place, i) => (i ? [' · ', place] : [place])));
    this.context().forEach((text, i) => {
      if (this.places[i].textContent !== text) this.places[i].textContent = text;
    });
  }

  context() {
    const { model, state } = this.store;
    const text = model.methods[model.reference]?.tokens[state.step]?.text;
    const named = text === '' ? ` (${t('end')})` : text ? ` “${text.trim()}”` : '';
    const count = model.heads || '';
    const heads =
      this.numbers.head() === null
        ? t('mean of {count} heads', { count })
        : t('head {head} of {count}', { head: state.head + 1, count });
    const where = t('Layer {layer} of {layers}', { layer: state.layer + 1, layers: model.layers });
    return [where, t('token {number}', { number: state.step + 1 }) + named, heads];
  }

  /** For screen readers, once the cursor has rested: an answer that has come, once; while one is written, no progress. */
  describe() {
    const { viewer } = this;
    const { model } = this.store;
    if (!model?.layers) return;
    const words = [this.news, viewer.chips.hint() || viewer.player.spoken(), ...viewer.answers.spoken()];
    if (model.status !== 'running') {
      this.say(words.filter(Boolean).join(t('. ')));
      this.news = '';
    }
    for (const view of [viewer.strip, viewer.maps, viewer.plots]) view.describe();
  }

  say(text) {
    const live = this.viewer.$('live');
    if (live.textContent !== text) live.textContent = text;
  }

  /** Notices that an answer is under way, or there. before: the model until now, null on a page that has just opened. */
  notice(before) {
    const { model } = this.store;
    const { answers } = this.viewer;
    if (model.status === 'running') {
      if (before && before.status !== 'running') this.say(t('The answer is being worked out.'));
      return;
    }
    const said = answers.heard();
    const told = `${model.question} ${said}`;
    if (before && (before.status === 'running' || told !== this.told)) this.news = said;
    this.told = told;
  }

  drawSummary() {
    const { model, state } = this.store;
    const curves = this.viewer.curves();
    const part = (i) => {
      const { label, threshold } = model.methods[i] ?? {};
      return curves[i]?.length && { label, curve: curves[i], stop: this.numbers.stop(i), checks: threshold > 0 };
    };
    const [reference, other] = [part(model.reference), part(state.focus)];
    const { names } = this.numbers.chosen();
    const text = model.steps
      ? sentence({ names, absent: model.absent, head: this.numbers.head(), reference, other })
      : '';
    const say = this.viewer.$('say');
    say.style.minHeight = model.steps ? '' : `${say.getBoundingClientRect().height}px`; // until there is something to say
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
    const here = t('Layer {layer}', { layer: this.store.state.layer + 1 });
    const terms = Object.entries({ left: 'Left at the end', gain: 'Gain here' }).map(([tip, text]) =>
      el('th', { scope: 'col' }, this.viewer.term(text, tip)),
    );
    const head = el('tr', {}, ...['Method', here, 'Peak'].map(column), ...terms);
    const rows = this.store.model.methods.map((_, i) => this.statsRow(curves, i));
    refill(this.viewer.$('stats'), [el('thead', {}, head), el('tbody', {}, ...rows)]);
  }

  statsRow(curves, index) {
    const { layer } = this.store.state;
    const { reference } = this.store.model;
    const [value, base] = [curves[index][layer] ?? null, curves[reference][layer] ?? null];
    const sum = summarise(curves[index]);
    const name = el('th', { scope: 'row' }, this.viewer.named(index));
    if (this.numbers.ended(index)) return el('tr', {}, name, el('td', { colSpan: 4, text: endedText() }));
    const more = index === reference ? null : gain(value, base);
    const gained = more && {
      text: gainText(more),
      'data-tip': t('{gain}, or {clipped} where gains are clipped at 100 %, as in the CLVS paper.', {
        gain: signedPercent(more.unclipped, 1),
        clipped: signedPercent(more.clipped, 1),
      }),
      tabindex: '0',
    };
    return el(
      'tr',
      {},
      name,
      el('td', { text: percent(value, 1) }),
      el('td', { text: sum ? t('{share} at {layer}', { share: percent(sum.value, 1), layer: sum.peak + 1 }) : '–' }),
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
      return [
        el(
          'p',
          {},
          this.viewer.sample(i),
          number,
          el('span', { text: likely && t('would say {likely}', { likely }), translate: 'no' }),
        ),
      ];
    });
    const none = el('p', { class: 'cv-quiet', text: t('Not measured at layer {layer}.', { layer: state.layer + 1 }) });
    this.viewer.$('lens').replaceChildren(...(lines.length ? lines : [none]));
  }
}
