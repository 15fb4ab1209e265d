// @ts-check
// Through the layers: the slider, the play button, the keys.

import { calm, el } from '../dom.js';
import { t } from '../language.js';
import { MODES } from '../styles.js';
import { share, tour } from '../words.js';

export class Player {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.button = el('button', { type: 'button', onclick: () => this.play() });
    this.slider = el('input', {
      type: 'range',
      min: '0',
      max: '0',
      value: '0',
      'aria-label': 'Layer',
      oninput: (event) => this.store.goto(Number(event.target.value)),
    });
    viewer.$('play').replaceChildren(this.button);
    viewer.$('slide').replaceChildren(this.slider);
    viewer.root.addEventListener('keydown', (event) => this.key(event));
    this.markPlaying(false);
  }

  markPlaying(on) {
    this.store.state.playing = on;
    this.button.setAttribute('aria-label', on ? 'Pause' : 'Play through the layers');
    this.button.dataset.on = String(on);
  }

  play() {
    const { model, state } = this.store;
    if (state.playing) return this.stop();
    if (!model?.layers) return undefined;
    if (calm()) return this.store.goto((state.layer + 1) % model.layers);
    if (state.layer === model.layers - 1) this.store.goto(0);
    return this.run(Infinity, Math.max(120, 5400 / model.layers));
  }

  /** On through the layers, one in so many milliseconds, to a layer or the last one. */
  run(last, pause) {
    const { state } = this.store;
    const next = () => {
      if (state.layer < Math.min(last, this.store.model.layers - 1)) this.store.goto(state.layer + 1);
      else this.stop();
    };
    this.timer = setInterval(next, pause);
    this.markPlaying(true);
  }

  /** Once, for who has just come: from the find to where the answer is sure. Not for who wants less motion. */
  tour() {
    const { model, numbers } = this.store;
    if (!model?.layers || calm() || this.store.state.playing) return;
    const { unsure, threshold } = numbers.sureness();
    const stretch = tour(this.viewer.curves()[model.reference], unsure, threshold);
    if (stretch && this.store.state.layer === stretch.from) this.run(stretch.to, 800);
  }

  stop() {
    clearInterval(this.timer);
    this.markPlaying(false);
  }

  sync() {
    const { model, state } = this.store;
    this.slider.disabled = !model.layers;
    if (!model.layers) return;
    this.slider.max = String(model.layers - 1);
    this.slider.value = String(state.layer);
    this.slider.setAttribute('aria-valuetext', this.spoken());
  }

  /** Where the slider stands, for screen readers. */
  spoken() {
    const { model, state } = this.store;
    const curves = this.viewer.curves();
    const shares = model.methods
      .map(({ label }, i) => `${label} ${share(curves[i]?.[state.layer] ?? null)}`)
      .join(', ');
    const followed = this.viewer.numbers.followedText();
    const values = { layer: state.layer + 1, layers: model.layers, followed, shares };
    return t('Layer {layer} of {layers}, attention on {followed}: {shares}', values);
  }

  // ---- keys --------------------------------------------------------------------------------------------------------

  key(event) {
    const { target, key } = event;
    if (key === 'Escape') return this.escape(event);
    if (!this.store.model?.layers || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target !== this.slider && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    if (/^(BUTTON|SUMMARY)$/.test(target.tagName) && (key === ' ' || key === 'Enter')) return;
    const actions = this.actions(event.shiftKey ? 5 : 1);
    if (target === this.slider) Object.assign(actions, { ArrowUp: actions.ArrowRight, ArrowDown: actions.ArrowLeft });
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  actions(jump) {
    const { store } = this;
    const { model } = store;
    const { layer, head, scale, step, contours, diff } = store.state;
    const nextHead = head === null ? 0 : head + 1 < model.heads ? head + 1 : null;
    return {
      ArrowLeft: () => store.goto(layer - jump),
      ArrowRight: () => store.goto(layer + jump),
      Home: () => store.goto(0),
      End: () => store.goto(model.layers - 1),
      ' ': () => this.play(),
      '[': () => store.set({ step: Math.max(0, step - 1) }),
      ']': () => store.set({ step: Math.min(model.steps - 1, step + 1) }),
      d: () => store.set({ diff: !diff }),
      s: () => store.set({ scale: MODES[(MODES.indexOf(scale) + 1) % MODES.length] }),
      m: () => store.set({ contours: !contours }),
      f: () => this.viewer.large.toggle(),
      '?': () => this.viewer.$('help').toggleAttribute('open'),
      p: () => store.set({ present: !store.state.present }),
      h: () => this.viewer.numbers.hasHeads() && store.set({ head: nextHead }),
    };
  }

  /** Ends what is being drawn, else what is open, else present mode. */
  escape(event) {
    const { draw, present } = this.store.state;
    const closed = this.viewer.tools.escape();
    if (draw) {
      event.preventDefault(); // a map that is open large stays so
      this.viewer.chips.cancel();
    } else if (present && !closed && !event.target.closest('dialog')) this.store.set({ present: false });
  }
}
