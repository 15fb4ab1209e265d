// @ts-check
// The answers, a chip for each token, and under each what its method does.

import { actedWords } from '../acts.js';
import { el, refill } from '../dom.js';
import { t } from '../language.js';
import { firstDifference, listed, percent, verdict } from '../words.js';
import { card } from './card.js';

export class Answers {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.node = viewer.$('answers');
    this.opened = new Set(); // methods whose card is open, by key
    this.chips = []; // [method][token]
    this.acted = []; // [method] where what it did at this layer stands, null where it records nothing
  }

  build() {
    const { methods } = this.store.model;
    this.chips = [];
    this.acted = methods.map(({ card: about }) => {
      const lines = about ? ['sinks', 'acted_heads'].filter((name) => about.records.includes(name)).length : 0;
      return lines ? el('p', { class: 'cv-now', style: `--cv-lines:${lines}` }) : null;
    });
    refill(
      this.node,
      methods.map((method, i) => this.answer(method, i)),
    );
    this.mark();
  }

  answer(method, index) {
    const { model } = this.store;
    const { reference } = model;
    const differs = index === reference ? -1 : firstDifference(model.methods[reference].tokens, method.tokens);
    const chips = method.tokens.map((token, step) => this.chip(index, step, token, step === differs));
    this.chips.push(chips);
    const waiting = !method.finished && model.status === 'running';
    const title = el(
      'strong',
      {},
      method.name === 'vanilla' ? this.viewer.term(method.label, 'vanilla') : method.label,
    );
    const none = el('span', { class: 'cv-quiet', text: t(waiting ? 'waiting for the first word …' : 'no answer yet') });
    const caret = waiting && chips.length && el('i', { class: 'cv-caret', 'aria-hidden': 'true' });
    const about = {
      'data-style': String(this.viewer.numbers.place(index)),
      'aria-label': t('Answer of {label}', { label: method.label }),
    };
    return el(
      'article',
      { class: 'cv-answer', ...about },
      el('div', { class: 'cv-who' }, this.viewer.sample(index), title, ...this.whoWords(method, index)),
      el('div', { class: 'cv-tokens' }, ...(chips.length ? chips : [none]), caret, this.verdict(method)),
      method.card && el('div', {}, card(method, model.layers, this.opened), this.acted[index]),
    );
  }

  /** Beside a method's name: the button that compares it with the reference, what the reference is, the settings. */
  whoWords(method, index) {
    const { methods, reference } = this.store.model;
    const [several, many] = [methods.length > 1, methods.length > 2];
    const role = method.name === 'vanilla' ? t('the model as it is') : several ? t('reference') : '';
    const words = [index === reference ? role : '', many ? '' : method.settings].filter(Boolean).join(', ');
    return [
      many && index !== reference && this.comparer(index),
      words && el('small', { text: words, 'data-tip': words }),
    ];
  }

  /** Whether a finished answer is right, where what is true is known: a sign and a word. */
  verdict({ text, finished }) {
    const { expected } = this.store.model;
    const right = finished && expected ? verdict(text, expected.answer) : null;
    if (right === null) return null;
    const words = right ? t('✓ right') : t('✗ wrong');
    const truth = t('Expected: {answer}.', { answer: expected.answer });
    return el('span', { class: 'cv-verdict', 'data-right': String(right), 'data-tip': truth, text: words });
  }

  comparer(index) {
    const { methods, reference } = this.store.model;
    return el('button', {
      class: 'cv-link',
      type: 'button',
      text: 'compare',
      'data-focus': String(index),
      'data-tip': t('Compare with {label}: in the difference map, the band of the curves and the sentence.', {
        label: methods[reference].label,
      }),
      onclick: () => this.store.set({ focus: index }),
    });
  }

  chip(index, step, token, differs) {
    const text = token.text.trim() || (token.text ? '␣' : t('end'));
    const chance = percent(token.probability);
    const here = step < this.store.model.steps; // of a long answer only the first maps come while it is written
    const own = this.store.ownOf(token);
    const shows = own
      ? t('Click to show this token in all panels, and to follow {what}.', { what: listed([own.word ?? own.name]) })
      : t('Click to show this token in all panels.');
    const click = here ? shows : t('Its maps come with the finished answer.');
    const first = differs ? `${t('The answers differ from here on.')} ` : '';
    const named = { text, chance, number: step + 1 };
    const chip = el(
      'button',
      {
        type: 'button',
        class: `cv-token${token.text ? '' : ' cv-end'}${differs ? ' cv-differs' : ''}`,
        translate: 'no',
        'aria-label': differs
          ? t('{text} {chance}, token {number}, first difference', named)
          : t('{text} {chance}, token {number}', named),
        'aria-disabled': here ? null : 'true',
        'data-names': own && own.name,
        onclick: () => here && this.store.read(index, step),
        'data-tip': `${first}${t('Probability {chance}.', { chance: percent(token.probability, 1) })} ${click}`,
      },
      el('span', { text }),
      ' ',
      el('small', { text: chance }),
    );
    chip.style.setProperty('--p', String(token.probability));
    return chip;
  }

  /** Which token and which comparison are chosen. */
  mark() {
    const { step, focus } = this.store.state;
    for (const chips of this.chips) chips.forEach((chip, t) => chip.setAttribute('aria-pressed', String(t === step)));
    for (const button of this.node.querySelectorAll('[data-focus]'))
      button.setAttribute('aria-pressed', String(Number(button.dataset.focus) === focus));
  }

  /** The cursor on the cards' small axes, and what the methods did at this layer. */
  markCards() {
    const { model, state } = this.store;
    const left = `${(100 * (state.layer + 0.5)) / (model.layers || 1)}%`;
    for (const tick of this.node.querySelectorAll('.cv-axis u')) tick.style.left = left;
    this.acted.forEach((node, i) => {
      const lines = node && actedWords(model.methods[i], state.step, state.layer, model.heads);
      node?.replaceChildren(...lines.flatMap((text) => [el('span', { text }), ' ']));
    });
  }

  /** All answers, for screen readers: "Vanilla: Yes, 100 %". */
  heard() {
    return this.store.model.methods
      .map(({ label, text, tokens }) => {
        const [first] = tokens;
        const answer = text.trim();
        if (!answer) return t('{label}: no answer', { label });
        const chance = first && percent(first.probability);
        const short = tokens.filter((token) => token.text).length === 1; // then the chance is the answer's
        return short ? t('{label}: {answer}, {chance}', { label, answer, chance }) : `${label}: ${answer}`;
      })
      .join(t('. '));
  }

  /** What the methods did, for screen readers. */
  spoken() {
    return this.acted
      .map((node, i) => node?.textContent && `${t(this.store.model.methods[i].label)}: ${node.textContent.trim()}`)
      .filter(Boolean);
  }
}
