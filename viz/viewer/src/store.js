// @ts-check
// What is shown: the payload, and what the visitor chose of it. Whoever changes a choice calls `set`; `heard`, which the
// viewer sets, is told what is different.

import { Numbers } from './numbers.js';
import { decode } from './arrays.js';
import { MAPS, MODES } from './styles.js';
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

const LINKED = ['layer', 'step', 'scale', 'power', 'cmap', 'smooth', 'contours', 'sinks', 'head', 'memory', 'closer'];

export class Store {
  constructor(onEvent) {
    this.onEvent = onEvent;
    /** @type {(moved: (...names: string[]) => boolean, names: string[]) => void} */
    this.heard = () => {};
    /** @type {Model} */
    this.model = null;
    /** @type {Payload} */
    this.payload = null; // as it came
    this.known = { layers: 12, heads: 6 }; // before the first token: room for what is to come, as much as the last time
    this.followed = {}; // what was on before a region was drawn
    this.state = {
      layer: 0,
      step: 0,
      scale: 'shared',
      power: 1,
      cmap: 'magma',
      smooth: false,
      contours: true,
      sinks: 0,
      head: null,
      memory: false,
      diff: true,
      rings: true,
      grid: 'tiles',
      focus: 1,
      closer: '', // the panel below that is open
      on: {},
      region: null,
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
    const { view = {}, step = 0 } = model;
    if (before?.id !== model.id) {
      Object.assign(state, { step, patch: null, hover: null }, this.allowed(view));
      if (!state.region || before?.image.url !== model.image.url) Object.assign(state, { region: null, on: {} });
      else this.keepRegion();
      state.placed = view.layer !== undefined;
    }
    state.step = Math.max(0, Math.min(state.step, model.steps - 1));
    state.layer = Math.max(0, Math.min(state.layer, model.layers - 1));
    if (state.head >= model.heads || (model.status !== 'running' && !this.numbers.hasHeads())) state.head = null;
    if (state.focus >= model.methods.length || state.focus === model.reference) {
      state.focus = model.methods.findIndex((_, i) => i !== model.reference);
    }
    if (!state.placed && model.layers && model.steps) {
      state.placed = true;
      const curveOf = (method) => this.numbers.curveOf(method);
      state.layer = startLayer(curveOf(model.reference), state.focus >= 0 ? curveOf(state.focus) : null);
    }
  }

  /** What a link may set, as far as it is of the right kind. */
  allowed(view) {
    const fits = ([key, value]) =>
      LINKED.includes(key) && (typeof value === typeof this.state[key] || (key === 'head' && Number.isInteger(value)));
    const picked = Object.fromEntries(Object.entries(view).filter(fits));
    if (!MODES.includes(picked.scale)) delete picked.scale;
    if (!MAPS.includes(picked.cmap)) delete picked.cmap;
    return picked;
  }

  // ---- choices -----------------------------------------------------------------------------------------------------

  set(change) {
    const before = { ...this.state };
    Object.assign(this.state, change);
    const moved = (...names) => names.some((name) => before[name] !== this.state[name]);
    if (moved('layer')) this.tellLayer();
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
    this.set({ on: { ...this.state.on, [object.name]: !this.isOn(object) } });
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
