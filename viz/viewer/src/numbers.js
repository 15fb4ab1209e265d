// @ts-check
// The numbers of what is chosen: weights, scales, colours and curves of the current token, each worked out once.

import { row } from './arrays.js';
import { t } from './language.js';
import { TABLES } from './tables.js';
import { colour, curve, limits, normalise, placeAmong, regionCoverage, signedLimit, sinks, together } from './twins.js';
import { listed } from './words.js';

export class Numbers {
  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.store = store;
    this.cache = new Map();
  }

  clear() {
    this.cache.clear();
  }

  once(key, make) {
    if (!this.cache.has(key)) this.cache.set(key, make());
    return this.cache.get(key);
  }

  // ---- weights -----------------------------------------------------------------------------------------------------

  /** The chosen head, or null for the mean of heads. */
  head() {
    return this.hasHeads() ? this.store.state.head : null;
  }

  hasHeads() {
    const { methods, arrays } = this.store.model;
    return methods.every(({ key }) => arrays[`heads/${key}`]);
  }

  /** [method][layer] weights of the current token, untouched; null where there are none. */
  raw() {
    const { model, state } = this.store;
    return this.once(`raw ${state.step} ${state.head}`, () =>
      model.methods.map((_, method) => this.weights(method, state.step)),
    );
  }

  /** [layer] weights of a method's token, of the chosen head; null where there are none. */
  weights(method, step) {
    const { arrays, methods, layers } = this.store.model;
    const { key } = methods[method];
    const head = this.head();
    return Array.from({ length: layers }, (_, layer) =>
      head === null ? row(arrays[`attention/${key}`], step, layer) : row(arrays[`heads/${key}`], step, layer, head),
    );
  }

  /** The same with hidden sinks as NaN: what maps and scales use. */
  shown() {
    const { sinks: k, step, head } = this.store.state;
    if (!k) return this.raw();
    return this.once(`shown ${step} ${head} ${k}`, () => {
      const hidden = sinks(this.raw()[this.store.model.reference], k);
      return this.raw().map((layers) =>
        layers.map((values) => {
          const copy = values && Float32Array.from(values);
          if (copy) hidden.forEach((token) => (copy[token] = NaN));
          return copy;
        }),
      );
    });
  }

  /** [layer] the compared method's weights less the reference's. */
  difference() {
    const { model, state } = this.store;
    return this.once(`diff ${state.step} ${state.head} ${state.sinks} ${state.focus}`, () =>
      this.shown()[model.reference].map((a, layer) => {
        const b = this.shown()[state.focus]?.[layer];
        return a && b && Float32Array.from(b, (value, i) => value - a[i]);
      }),
    );
  }

  /** [layer] what a method carries at the current token. */
  memory(method) {
    const { model, state } = this.store;
    return Array.from({ length: model.layers }, (_, layer) => {
      const values = row(model.arrays[`memory/${method.key}`], state.step, layer);
      return values && values.some(Number.isFinite) ? values : null;
    });
  }

  // ---- colours -----------------------------------------------------------------------------------------------------

  limitsOf(method, layer) {
    const { scale, step, head, sinks: k } = this.store.state;
    const key = { layer: `layer ${layer}`, map: `map ${method} ${layer}` }[scale] || scale;
    return this.once(`limits ${step} ${head} ${k} ${key}`, () =>
      limits(this.shown(), scale, method, layer, this.store.model.visual),
    );
  }

  signedOf(layer) {
    const { step, head, sinks: k, focus, scale } = this.store.state;
    return this.once(`signed ${step} ${head} ${k} ${focus} ${scale} ${scale === 'shared' ? '' : layer}`, () =>
      signedLimit(this.difference(), scale, layer, this.store.model.visual),
    );
  }

  /**
   * From a weight between the limits to its colour, more of it the higher; `opaque`: without the picture below.
   *
   * @param {number[]} limits
   */
  painter([low, high], opaque = false) {
    const { power, cmap } = this.store.state;
    return (value) => {
      const [r, g, b, a] = colour(normalise(value, low, high, power), TABLES[cmap], false);
      return [r, g, b, !opaque ? a : Number.isNaN(value) ? 0 : 255];
    };
  }

  // ---- objects and curves ------------------------------------------------------------------------------------------

  /** What is followed: names, and the share of each token that it covers, null for the whole picture. */
  chosen() {
    const { model, state } = this.store;
    const { names, coverages } = this.coveredBy((object) => this.store.isOn(object));
    if (state.region) {
      names.push('your region');
      const measure = () => regionCoverage(state.region, model.views, model.visual);
      coverages.push(this.once(`region ${JSON.stringify(state.region)}`, measure));
    }
    return { names, coverage: together(coverages) };
  }

  /** Names of some of the objects, and the share of each token that each of them covers. */
  coveredBy(wanted) {
    const { model } = this.store;
    const places = model.objects.map((_, i) => i).filter((i) => model.arrays.coverage && wanted(model.objects[i]));
    return {
      names: places.map((i) => model.objects[i].word ?? model.objects[i].name),
      coverages: places.map((i) => row(model.arrays.coverage, i)),
    };
  }

  followedText() {
    return listed(this.chosen().names) || t('the whole picture');
  }

  curveOf(method) {
    return curve(this.raw()[method], this.chosen().coverage);
  }

  /** [method][layer] attention on what is followed. */
  curves() {
    const { step, head, on, region } = this.store.state;
    return this.once(`curves ${step} ${head} ${JSON.stringify([on, region])}`, () =>
      this.store.model.methods.map((_, method) => this.curveOf(method)),
    );
  }

  // ---- of the payload ----------------------------------------------------------------------------------------------

  /** The grids that the maps show: the tiles, or the whole picture. */
  visibleViews() {
    const { views } = this.store.model;
    const tiles = views.filter((view) => view.kind !== 'base');
    if (!tiles.length) return views;
    return this.store.state.grid === 'base' ? views.filter((view) => view.kind === 'base') : tiles;
  }

  /** A method's place among the styles. */
  place(method) {
    return placeAmong(method, this.store.model.reference);
  }

  /** After which layer a method stopped smoothing, -1 for none. */
  stop(method) {
    return this.store.model.methods[method].stop[this.store.state.step] ?? -1;
  }

  /** By layer how undecided the reference is, and below which value an answer is sure: null where no method says. */
  sureness() {
    const { methods, reference } = this.store.model;
    const unsure = methods[reference].uncertainty[this.store.state.step] || [];
    return { unsure, threshold: methods.find(({ threshold }) => threshold > 0)?.threshold ?? null };
  }

  /** Whether a method's answer has no such token: it is finished, and shorter. */
  ended(method) {
    const { finished, tokens } = this.store.model.methods[method];
    return finished && this.store.state.step >= tokens.length;
  }

  /** Methods that found sink tokens in some layer. */
  sinkMethods() {
    return this.store.model.methods.filter(({ sinks: layers }) => layers?.some((tokens) => tokens.length));
  }

  /** Sink tokens that a method found at the current layer; none for the difference map. */
  sinksHere(method) {
    return (method !== null && this.store.model.methods[method].sinks?.[this.store.state.layer]) || [];
  }
}
