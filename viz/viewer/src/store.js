// @ts-check
// What is shown: the payload, and what the visitor chose of it. Whoever changes a choice calls `set`; `heard`, which the
// viewer sets, is told what is different.

import { Numbers } from './numbers.js';
import { decode } from './arrays.js';
import { spelledView, usualView } from './view.js';
import { startLayer } from './words.js';

/**
 * @typedef {import('./payload.d.ts').PagePayload} Payload
 * @typedef {import('./payload.d.ts').Method} Method
 * @typedef {Omit<Payload, 'arrays'> & {
 *   arrays: Record<string, import('./arrays.js').Numbers>,
 *   steps: number,
 *   reference: number,
 * }} Model
 * steps: of the longest answer whose maps are there; reference: the method that others are compared with.
 */

export class Store {
  constructor(onEvent) {
    this.onEvent = onEvent;
    /** @type {(moved: (...names: string[]) => boolean, names: string[]) => void} */
    this.heard = () => {};
    /** @type {Model} */
    this.model = null;
    /** @type {Payload} */
    this.payload = null; // as it came
    /** @type {import('./payload.d.ts').Knockout | null} */
    this.knockout = null; // the newest one of the answer
    this.known = { layers: 12, heads: 6 }; // before the first token: room for what is to come, as much as the last time
    this.followed = {}; // what was on before a region was drawn
    this.awaited = 0; // the token that a link shows, as soon as it is there
    /** @type {Omit<import('./chosen.d.ts').Chosen, 'focus' | 'on'> & Record<string, any>} */
    this.state = {
      ...usualView(), // the visitor's choices; three of them are told in more detail here:
      layer: 0,
      focus: 1, // the place of the method
      on: {}, // by name, what was switched
      sketch: null,
      draw: null,
      patch: null,
      hover: null,
      playing: false,
      placed: false, // the layer to open at has been chosen
    };
    this.numbers = new Numbers(this);
  }

  // ---- payloads ----------------------------------------------------------------------------------------------------

  clear() {
    this.model = this.payload = null;
  }

  /** Takes over what a payload says is news; throws for one that is damaged. */
  take(payload) {
    const before = this.model;
    this.payload = this.whole(payload);
    const arrays = decode(this.payload);
    const { methods } = this.payload;
    this.model = {
      ...this.payload,
      arrays,
      steps: Math.max(0, ...methods.map(({ key }) => arrays[`attention/${key}`]?.shape[0] || 0)),
      reference: Math.max(
        0,
        methods.findIndex(({ name }) => name === 'vanilla'),
      ),
    };
    if (this.model.layers) this.known = { layers: this.model.layers, heads: this.model.heads };
    this.numbers.clear();
    this.adopt(before);
  }

  /** The payload to show: the one on the page with a few parts changed, where it says that this one stays. */
  whole(payload) {
    const replaces = this.payload?.recorded && payload.status === 'running'; // what is recorded never runs
    if (!payload.stays || !this.payload || replaces) return payload;
    return { ...this.payload, ...Object.fromEntries(payload.stays.map((name) => [name, payload[name]])) };
  }

  /** What the visitor chose stays while the id stays; a new id starts at its own layer and token. */
  adopt(before) {
    const { state, model } = this;
    const compared = before?.methods[state.focus]?.key;
    if (before?.id !== model.id) this.begin(before);
    else state.focus = model.methods.findIndex(({ key }) => key === compared);
    if (this.awaited && model.steps > this.awaited) [state.step, this.awaited] = [this.awaited, 0];
    state.step = Math.max(0, Math.min(state.step, model.steps - 1));
    state.layer = Math.max(0, Math.min(state.layer, model.layers - 1));
    if (state.head >= model.heads || (model.status !== 'running' && !this.numbers.hasHeads())) state.head = null;
    if (state.focus < 0 || state.focus >= model.methods.length || state.focus === model.reference) {
      state.focus = model.methods.findIndex((_, i) => i !== model.reference);
    }
    if (!state.placed && model.layers && model.steps) {
      state.placed = true;
      state.layer = this.start();
    }
  }

  /** Another answer: what a link says of the view is taken over. */
  begin(before) {
    const { state, model } = this;
    const { step = 0 } = model;
    this.knockout = model.knockout ?? null;
    const { on, focus, region, layer, ...view } = model.view ?? {};
    Object.assign(state, { step, patch: null, hover: null, layer: layer ?? state.layer }, view);
    this.awaited = view.step ?? 0;
    state.placed = Number.isInteger(layer);
    state.focus = model.methods.findIndex(({ key }) => key === focus);
    const stays = state.region && before?.image.url === model.image.url;
    if (stays && region === undefined && on === undefined) return this.keepRegion();
    state.region = region ?? null;
    state.on = on ? Object.fromEntries(model.objects.map(({ name }) => [name, on.includes(name)])) : {};
    if (on) this.tellObjects();
    return region && this.onEvent('region', region);
  }

  /** The layer that an answer opens at. */
  start() {
    return startLayer(this.numbers.curveOf(this.model.reference));
  }

  /** What the visitor chose, as `viz.viewer.view` has it. */
  view() {
    const { state, model } = this;
    const first = model.methods.findIndex((_, i) => i !== model.reference);
    return {
      ...state, // more than a view has: the spelling passes over it
      layer: model.layers ? state.layer : null,
      focus: state.focus === first ? '' : (model.methods[state.focus]?.key ?? ''),
      on: this.switched() ? model.objects.filter((object) => this.isOn(object)).map(({ name }) => name) : null,
    };
  }

  /** The same as a link's parameters. */
  spelled() {
    return this.model ? spelledView(this.view()) : [];
  }

  // ---- choices -----------------------------------------------------------------------------------------------------

  set(change) {
    const before = { ...this.state };
    Object.assign(this.state, change);
    const moved = (...names) => names.some((name) => before[name] !== this.state[name]);
    if (moved('layer')) this.tellLayer();
    if ('step' in change) this.awaited = 0;
    if (moved('step')) this.onEvent('step', { step: this.state.step });
    this.heard(
      moved,
      Object.keys(change).filter((name) => moved(name)),
    );
  }

  goto(layer) {
    if (this.model?.layers) this.set({ layer: Math.max(0, Math.min(this.model.layers - 1, layer)) });
  }

  /** Once the cursor has rested. */
  tellLayer() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.onEvent('layer', { layer: this.state.layer }), 250);
  }

  isOn(object) {
    return this.state.on[object.name] ?? (object.on && !this.state.region);
  }

  toggleObject(object) {
    this.follow({ ...this.state.on, [object.name]: !this.isOn(object) });
  }

  /** The object that a word of an answer names, null for none. */
  ownOf(token) {
    return this.model.objects.find(({ name }) => name === token?.names) ?? null;
  }

  /** Whether one object is followed alone that a word of an answer names, and that is not what the question names. */
  fromAnswer() {
    const { methods, objects } = this.model;
    const [own, more] = objects.filter((object) => this.isOn(object));
    if (!own || more || !this.switched()) return false;
    return methods.some(({ tokens }) => tokens.some((token) => token.names === own.name));
  }

  /** Whether other objects are followed than those of the question. */
  switched() {
    return this.model.objects.some((object) => this.isOn(object) !== (object.on && !this.state.region));
  }

  /**
   * Goes to a word of an answer: what it names is followed, until a word is read that names nothing. A drawn region stays:
   * it is followed alone.
   */
  read(method, step, change = {}) {
    const { model, state } = this;
    const own = state.region ? null : this.ownOf(model.methods[method].tokens[step]);
    const to = { step, ...change };
    if (own) this.follow(Object.fromEntries(model.objects.map((object) => [object.name, object === own])), to);
    else if (this.fromAnswer()) this.follow({}, to);
    else this.set(to);
  }

  /** on: by name, what is switched; what is left out is as the question has it. */
  follow(on, change = {}) {
    this.set({ ...change, on });
    this.tellObjects();
  }

  tellObjects() {
    this.onEvent('objects', { on: this.model.objects.filter((object) => this.isOn(object)).map(({ name }) => name) });
  }

  /** A drawn region is followed alone; clearing it brings back the objects followed before. */
  setRegion(region) {
    if (region && !this.state.region) this.followed = this.state.on;
    this.set({ region, sketch: null, draw: null, on: region ? {} : this.followed });
    this.tellObjects();
    this.onEvent('region', region || {});
  }

  /** Another question about the same picture: the region stays, and the server, which starts afresh, hears of it. */
  keepRegion() {
    this.followed = {};
    this.state.on = {};
    this.tellObjects();
    this.onEvent('region', this.state.region);
  }
}
