// State, actions and frames: what is shown, and when it is drawn again.

class App extends Particulars {
  constructor(root, payload, options) {
    super();
    Object.assign(this, {
      root,
      onEvent: options.onEvent || (() => {}),
      model: null,
      given: null, // the payload as it came
      picture: null,
      muted: null,
      cache: new Map(),
      opened: new Set(), // methods whose card is open, by key
      nows: [],
      known: { layers: 12, heads: 6 }, // before the first token: room for what is to come, as much as the last time
    });
    this.$ = (name) => root.querySelector(`.cv-${name}`);
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
      on: {},
      region: null,
      draw: null,
      patch: null,
      hover: null,
      playing: false,
    };
    this.luts = Object.fromEntries(Object.entries(CLVS_LUTS).map(([name, text]) => [name, bytes(text)]));
    this.buildFixed();
    this.listen();
    this.update(payload);
  }

  // ---- payloads --------------------------------------------------------------------------------------------------

  update(payload) {
    try {
      if (!payload || typeof payload !== 'object') return this.showEmpty('');
      if (payload.status === 'empty') return this.showEmpty(payload.error);
      this.take(this.kept(payload));
    } catch (error) {
      this.showEmpty(`This result cannot be shown: ${error.message}`);
    }
  }

  /** The payload to show: the one on the page with a few parts changed, where it says that this one stays. */
  kept(payload) {
    const gives = this.given?.recorded && payload.status === 'running'; // what is recorded never runs
    if (!payload.stays || !this.given || gives) return payload;
    return { ...this.given, ...Object.fromEntries(payload.stays.map((name) => [name, payload[name]])) };
  }

  showEmpty(error) {
    this.model = this.given = null;
    this.stop();
    this.$('empty').hidden = false;
    this.$('body').hidden = true;
    this.status('empty', error);
  }

  status(state, error) {
    this.root.dataset.state = state;
    this.$('error').hidden = !error;
    this.$('error').textContent = error || '';
    this.root.setAttribute('aria-busy', String(state === 'running'));
    this.pulse?.cancel();
    if (state !== 'running' || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const slide = [{ transform: 'translateX(-100%)' }, { transform: 'translateX(340%)' }];
    this.pulse = this.$('progress').firstElementChild.animate(slide, {
      duration: 1400,
      iterations: Infinity,
      easing: 'ease-in-out',
    });
  }

  take(payload) {
    const before = this.model;
    this.given = payload;
    const model = { ...payload, arrays: decode(payload) };
    model.steps = Math.max(0, ...model.methods.map((m) => model.arrays[`attention/${m.key}`]?.shape[0] || 0));
    const vanilla = model.methods.findIndex((m) => m.name === 'vanilla');
    model.reference = Math.max(0, vanilla);
    this.model = model;
    if (model.layers) this.known = { layers: model.layers, heads: model.heads };
    this.cache.clear();
    this.adopt(before, payload);
    if (before?.image.url !== model.image.url) this.loadPicture(model.image.url);
    this.$('empty').hidden = true;
    this.$('body').hidden = false;
    this.status(payload.status, payload.error);
    this.root.dataset.waiting = String(!model.layers);
    this.root.dataset.many = String(model.methods.length > 2); // then maps and answers take the whole width
    this.$('unsure-title').replaceChildren(this.term('span', 'Uncertainty', 'unsure'));
    this.buildAnswers();
    this.buildNotes();
    this.buildChips();
    this.buildMaps();
    this.buildTools();
    this.measure();
  }

  /** What the visitor chose stays while the id stays; a new id starts at its own layer and token. */
  adopt(before, { id, view = {}, step = 0 }) {
    const { state: s, model } = this;
    const fresh = before?.id !== id;
    if (fresh) {
      Object.assign(s, { step, patch: null, hover: null, placed: false }, this.allowed(view));
      if (!s.region || before?.image.url !== model.image.url) Object.assign(s, { region: null, on: {} });
      else this.keepRegion();
      s.placed = view.layer !== undefined;
    }
    s.step = Math.max(0, Math.min(s.step, model.steps - 1));
    s.layer = Math.max(0, Math.min(s.layer, model.layers - 1));
    if (s.head >= model.heads || (model.status !== 'running' && !this.hasHeads())) s.head = null;
    if (s.focus >= model.methods.length || s.focus === model.reference) {
      s.focus = model.methods.findIndex((_, i) => i !== model.reference);
    }
    if (!s.placed && model.layers && model.steps) {
      s.placed = true;
      s.layer = startLayer(this.curveOf(model.reference), s.focus >= 0 ? this.curveOf(s.focus) : null);
    }
  }

  allowed(view) {
    const keys = ['layer', 'step', 'scale', 'power', 'cmap', 'smooth', 'contours', 'sinks', 'head', 'memory'];
    const fits = ([key, value]) =>
      keys.includes(key) && (typeof value === typeof this.state[key] || (key === 'head' && Number.isInteger(value)));
    const picked = Object.fromEntries(Object.entries(view || {}).filter(fits));
    if (!MODES.includes(picked.scale)) delete picked.scale;
    if (!CMAPS.includes(picked.cmap)) delete picked.cmap;
    return picked;
  }

  loadPicture(url) {
    const picture = new Image();
    this.picture = null;
    this.muted = null;
    picture.onload = () => {
      if (this.model?.image.url !== url) return;
      this.picture = picture;
      this.invalidate('maps');
    };
    picture.src = url;
  }

  // ---- numbers of the current state ------------------------------------------------------------------------------

  once(key, make) {
    if (!this.cache.has(key)) this.cache.set(key, make());
    return this.cache.get(key);
  }

  head() {
    return this.hasHeads() ? this.state.head : null;
  }

  hasHeads() {
    return this.model.methods.every((m) => this.model.arrays[`heads/${m.key}`]);
  }

  /** [method][layer] weights of the current token, untouched. */
  raw() {
    const { model, state: s } = this;
    return this.once(`raw ${s.step} ${s.head}`, () =>
      model.methods.map((_, m) =>
        Array.from({ length: model.layers }, (_, l) => weights(model, m, s.step, l, this.head())),
      ),
    );
  }

  /** The same with hidden sinks as NaN: what maps and scales use. */
  shown() {
    const { sinks: k, step, head } = this.state;
    if (!k) return this.raw();
    return this.once(`shown ${step} ${head} ${k}`, () => {
      const hidden = sinks(this.raw()[this.model.reference], k);
      return this.raw().map((layers) =>
        layers.map((values) => {
          const copy = values && Float32Array.from(values);
          if (copy) hidden.forEach((token) => (copy[token] = NaN));
          return copy;
        }),
      );
    });
  }

  difference() {
    const { model, state: s } = this;
    return this.once(`diff ${s.step} ${s.head} ${s.sinks} ${s.focus}`, () =>
      this.shown()[model.reference].map((a, l) => {
        const b = this.shown()[s.focus]?.[l];
        return a && b && Float32Array.from(b, (v, i) => v - a[i]);
      }),
    );
  }

  limitsOf(method, layer) {
    const { scale, step, head, sinks: k } = this.state;
    const key = { layer: `layer ${layer}`, map: `map ${method} ${layer}` }[scale] || scale;
    return this.once(`limits ${step} ${head} ${k} ${key}`, () =>
      limits(this.shown(), scale, method, layer, this.model.visual),
    );
  }

  signedOf(layer) {
    const s = this.state;
    const key = s.scale === 'shared' ? '' : layer;
    return this.once(`signed ${s.step} ${s.head} ${s.sinks} ${s.focus} ${s.scale} ${key}`, () =>
      signedLimit(this.difference(), s.scale, layer, this.model.visual),
    );
  }

  paint(method, layer) {
    const [low, high] = this.limitsOf(method, layer);
    const { power, cmap } = this.state;
    return (value) => colour(normalise(value, low, high, power), this.luts[cmap], false);
  }

  opaque(method, layer) {
    const paint = this.paint(method, layer);
    return (value) => {
      const [r, g, b] = paint(value);
      return [r, g, b, Number.isNaN(value) ? 0 : 255];
    };
  }

  chosen() {
    const { model, state: s } = this;
    const names = [];
    const coverages = [];
    model.objects.forEach((o, i) => {
      const coverage = row(model.arrays.coverage, i);
      if (!coverage || !this.isOn(o)) return;
      names.push(o.name);
      coverages.push(coverage);
    });
    if (s.region) {
      names.push('your region');
      coverages.push(
        this.once(`region ${JSON.stringify(s.region)}`, () => regionCoverage(s.region, model.views, model.visual)),
      );
    }
    return { names, coverage: together(coverages) };
  }

  followedText() {
    return listed(this.chosen().names) || 'the whole picture';
  }

  isOn(object) {
    return this.state.on[object.name] ?? (object.on && !this.state.region);
  }

  curveOf(method) {
    const { coverage } = this.chosen();
    return curve(this.raw()[method], coverage);
  }

  curves() {
    const { step, head, on, region } = this.state;
    return this.once(`curves ${step} ${head} ${JSON.stringify([on, region])}`, () =>
      this.model.methods.map((_, m) => this.curveOf(m)),
    );
  }

  visibleViews() {
    const { views } = this.model;
    const tiles = views.filter((v) => v.kind !== 'base');
    return this.state.grid === 'base' || !tiles.length
      ? views.filter((v) => v.kind === 'base' || !tiles.length)
      : tiles;
  }

  look() {
    if (this.styled) return this.styled;
    const style = getComputedStyle(this.root);
    const read = (name) => style.getPropertyValue(`--cv-${name}`).trim();
    this.styled = {
      ink: read('ink'),
      muted: read('muted'),
      line: read('line'),
      axis: read('axis'),
      paper: read('paper'),
      methods: [0, 1, 2, 3].map((i) => read(`m${i}`)),
      more: read('more'),
      less: read('less'),
      dark: this.root.dataset.theme === 'dark',
    };
    return this.styled;
  }

  /** The reference is drawn in the first style, the others in order. */
  style(method) {
    const { reference } = this.model;
    return method === reference ? 0 : method < reference ? method + 1 : method;
  }

  // ---- actions ---------------------------------------------------------------------------------------------------

  set(change) {
    const before = { ...this.state };
    Object.assign(this.state, change);
    const s = this.state;
    const moved = (...keys) => keys.some((key) => before[key] !== s[key]);
    if (moved('layer')) this.tell('layer', { layer: s.layer }, 250);
    if (moved('step')) this.onEvent('step', { step: s.step });
    if (moved('step', 'focus')) this.markTokens();
    if (moved('step', 'scale', 'power', 'cmap', 'smooth', 'sinks', 'head', 'memory', 'grid')) this.invalidate('strip');
    if (moved('step', 'head', 'on', 'region', 'focus')) this.invalidate('stats');
    if (moved('diff', 'focus', 'rings')) this.buildMaps();
    if (moved('on', 'region', 'draw')) this.buildChips();
    const light = { hover: 'curves', patch: 'maps', sketch: 'maps' }; // follow the pointer: draw no more than needed
    for (const key of Object.keys(change).filter((name) => moved(name))) {
      for (const part of light[key] ? [light[key]] : ['maps', 'curves', 'words']) this.invalidate(part);
      if (!light[key]) this.syncTools();
    }
  }

  goto(layer) {
    if (this.model?.layers) this.set({ layer: Math.max(0, Math.min(this.model.layers - 1, layer)) });
  }

  tell(name, data, wait) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.onEvent(name, data), wait);
  }

  toggleObject(object) {
    this.set({ on: { ...this.state.on, [object.name]: !this.isOn(object) } });
    this.tellObjects();
  }

  /** Another question about the same picture: the region stays, and the server, which starts afresh, hears of it. */
  keepRegion() {
    this.followed = {};
    this.state.on = {};
    this.tellObjects();
    this.onEvent('region', this.state.region);
  }

  tellObjects() {
    this.onEvent('objects', { on: this.model.objects.filter((o) => this.isOn(o)).map((o) => o.name) });
  }

  /** A drawn region is followed alone; clearing it brings back the objects followed before. */
  setRegion(region) {
    if (region && !this.state.region) this.followed = this.state.on;
    this.set({ region, sketch: null, draw: null, on: region ? {} : this.followed || {} });
    this.tellObjects();
    this.onEvent('region', region || {});
  }

  play() {
    if (this.state.playing) return this.stop();
    const { model, state: s } = this;
    if (!model?.layers) return undefined;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return this.goto((s.layer + 1) % model.layers);
    if (s.layer === model.layers - 1) this.goto(0);
    this.set({ playing: true });
    this.timer = setInterval(
      () => (s.layer < this.model.layers - 1 ? this.goto(s.layer + 1) : this.stop()),
      Math.max(120, 5400 / model.layers),
    );
    return this.buildPlay();
  }

  stop() {
    clearInterval(this.timer);
    this.state.playing = false;
    this.buildPlay();
  }

  key(event) {
    const { target, key } = event;
    const slider = target === this.slider;
    if (key === 'Escape') return this.escape();
    if (!this.model?.layers || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!slider && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    if (/^(BUTTON|SUMMARY)$/.test(target.tagName) && (key === ' ' || key === 'Enter')) return;
    const { layer, head, scale, step, contours, diff } = this.state;
    const jump = event.shiftKey ? 5 : 1;
    const actions = {
      ArrowLeft: () => this.goto(layer - jump),
      ArrowRight: () => this.goto(layer + jump),
      Home: () => this.goto(0),
      End: () => this.goto(this.model.layers - 1),
      ' ': () => this.play(),
      '[': () => this.set({ step: Math.max(0, step - 1) }),
      ']': () => this.set({ step: Math.min(this.model.steps - 1, step + 1) }),
      d: () => this.set({ diff: !diff }),
      s: () => this.set({ scale: MODES[(MODES.indexOf(scale) + 1) % MODES.length] }),
      m: () => this.set({ contours: !contours }),
      '?': () => this.$('help').toggleAttribute('open'),
      h: () => this.hasHeads() && this.set({ head: head === null ? 0 : head + 1 < this.model.heads ? head + 1 : null }),
    };
    if (slider) Object.assign(actions, { ArrowUp: actions.ArrowRight, ArrowDown: actions.ArrowLeft });
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  escape() {
    const open = this.root.querySelector('.cv-pop[open]');
    if (open?.contains(document.activeElement)) open.firstElementChild.focus();
    this.trail = null;
    this.closePopovers();
    if (this.state.draw) this.set({ draw: null, sketch: null });
  }

  closePopovers() {
    this.root.querySelectorAll('.cv-pop[open]').forEach((pop) => pop.removeAttribute('open'));
    this.hideTip();
  }

  // ---- one frame -------------------------------------------------------------------------------------------------

  invalidate(part) {
    this.dirty = { ...this.dirty, [part]: true };
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const dirty = this.dirty;
      this.dirty = {};
      if (this.model && this.root.isConnected && this.width) this.draw(dirty);
    });
  }

  measure() {
    this.width = this.root.clientWidth;
    for (const part of ['strip', 'stats', 'maps', 'curves', 'words']) this.invalidate(part);
  }

  draw(dirty) {
    const started = performance.now();
    const look = this.look();
    if (dirty.strip) this.drawStrip(look);
    if (dirty.maps) this.drawMaps(look);
    if (dirty.curves) this.drawCurves(look);
    if (dirty.words) this.drawWords(dirty);
    this.drawn = { count: (this.drawn?.count || 0) + 1, ms: performance.now() - started };
  }

  drawMaps(look) {
    const { model, state: s } = this;
    const views = this.visibleViews();
    const outlines = s.contours ? model.objects.filter((o) => this.isOn(o)).flatMap((o) => o.contours) : [];
    for (const map of this.maps) {
      const width = map.canvas.clientWidth;
      const height = map.canvas.clientHeight;
      if (!width) continue;
      const signed = map.method === null;
      const high = signed ? this.signedOf(s.layer) : this.limitsOf(map.method, s.layer)[1];
      const diverging = (v) => colour(normaliseSigned(v, high, s.power), this.luts.PuOr_r, true);
      map.values = signed ? this.difference()[s.layer] : this.shown()[map.method][s.layer];
      drawMap(prepare(map.canvas, width, height), width, height, {
        picture: this.under(width, height, look.dark),
        image: model.image,
        views,
        values: map.values,
        smooth: s.smooth,
        outlines,
        rings: s.rings ? this.sinksHere(map.method) : [],
        paint: signed ? diverging : this.paint(map.method, s.layer),
        over: (v) => Math.abs(v) > high * (1 + 1e-6),
        region: s.sketch || s.region,
        regionColour: '#7ee0ff',
        hover: s.patch,
      });
      this.drawLegend(map, signed, high);
    }
  }

  under(width, height, dark) {
    const key = `${width}x${height} ${dark}`;
    if (this.picture && this.muted?.key !== key) {
      const ratio = Math.min(2, devicePixelRatio || 1);
      this.muted = {
        key,
        canvas: mutedPicture(this.picture, Math.round(width * ratio), Math.round(height * ratio), dark),
      };
    }
    return this.muted?.canvas;
  }

  drawLegend(map, signed, high) {
    const s = this.state;
    const low = signed ? -high : this.limitsOf(map.method, s.layer)[0];
    const width = map.bar.clientWidth;
    const lut = this.luts[signed ? 'PuOr_r' : s.cmap];
    const paint = (x) =>
      signed
        ? colour(Math.sign(2 * x - 1) * Math.abs(2 * x - 1) ** s.power, lut, true)
        : colour(x ** s.power, lut, false);
    const key = `${width} ${signed} ${s.cmap} ${s.power}`;
    if (map.painted !== key) drawBar(prepare(map.bar, width, 6), width, 6, paint);
    map.painted = key;
    const write = (v) =>
      s.scale === 'uniform' ? `${Number((Math.abs(v) * this.model.visual).toPrecision(3))}×` : share(Math.abs(v));
    const minus = signed && high > 0 ? '−' : '';
    map.low.textContent = map.values ? minus + write(low) : '';
    const bent = s.power < 1 ? `, power ${s.power}` : '';
    map.middle.textContent = signed ? '0' : (s.scale === 'uniform' ? '× an even look' : 'of all attention') + bent;
    map.high.textContent = map.values ? `${signed ? '+' : ''}${write(high)}` : '';
  }

  drawStrip(look) {
    const { model, state: s } = this;
    const box = this.$('strip');
    const width = box.clientWidth;
    if (!width) return;
    const column = width / this.known.layers;
    const [x0, y0, x1, y1] = model.image.seen;
    const shape = (x1 - x0) / (y1 - y0);
    const cell = { h: Math.min(60, (column - (column < 32 ? 1.5 : 3)) / shape) };
    cell.w = cell.h * shape;
    const rows = [...this.mapRows(look), ...(s.memory ? this.memoryRows(look) : []), ...this.headRows(look)];
    const [top, gap] = [12, 15];
    rows.reduce((y, line) => {
      line.height ??= cell.h;
      line.y = y;
      return y + line.height + gap;
    }, top);
    const end = rows[rows.length - 1];
    const height = end.y + end.height + 5;
    this.strip.style.height = `${height}px`;
    if (!model.layers) return; // the strip before stays, faded, until there is another
    drawStrip(prepare(this.strip, width, height), {
      image: model.image,
      views: this.visibleViews(),
      layers: model.layers,
      rows,
      column,
      cell,
      smooth: s.smooth,
      paper: look.paper,
      faint: look.line,
      dark: look.dark,
    });
    this.stripRows = rows;
    this.labelRows(rows, look);
    this.cursor.style.width = `${Math.max(6, Math.min(column, cell.w + 6))}px`;
    this.column = column;
    const every = [1, 2, 4, 8].find((n) => column * n >= 20) || 16;
    this.ticks.replaceChildren(
      ...rows[0].layers.map((_, i) => el('span', { text: i === 0 || (i + 1) % every === 0 ? String(i + 1) : '' })),
    );
  }

  mapRows(look) {
    const { model, state: s } = this;
    return model.methods.map((m, i) => ({
      label: m.label,
      short: m.label.split(' (')[0],
      title: `${m.label}. ${this.told('strip')}`,
      place: this.style(i),
      layers: this.shown()[i],
      paint: (l) => this.opaque(i, l),
      stop: m.stop[s.step] ?? -1,
      colour: look.methods[this.style(i)],
      acts: m.card ? cardParts(m.card).map((part) => part.layers).filter(Boolean) : [],
      empty: this.css(this.luts[s.cmap]),
    }));
  }

  /** Labels of the strip's rows, with their methods' markers; where one has no room, its short form. */
  labelRows(rows, look) {
    const labels = rows.map(({ label, title, height, place }) => {
      const mark = el('canvas', { class: 'cv-mark', 'aria-hidden': 'true' });
      drawMark(mark, place, look.methods[place], look.paper);
      const low = height < 27 ? 'cv-low' : null;
      return el('span', { 'data-tip': title, class: low, style: `height:${height}px` }, mark, el('b', { text: label }));
    });
    this.$('rows').replaceChildren(...labels);
    const cut = labels.map(({ lastChild: b }) => b.scrollWidth > b.clientWidth || b.scrollHeight > b.clientHeight + 1);
    rows.forEach((line, i) => {
      if (cut[i] && line.short) labels[i].lastChild.textContent = line.short;
    });
  }

  css(lut) {
    return `rgb(${lut[0]},${lut[1]},${lut[2]})`;
  }

  memoryRows(look) {
    const { model, state: s } = this;
    return model.methods
      .map((m, i) => ({ m, i }))
      .filter(({ m }) => model.arrays[`memory/${m.key}`])
      .map(({ m, i }) => {
        const layers = Array.from({ length: model.layers }, (_, l) => {
          const values = row(model.arrays[`memory/${m.key}`], s.step, l);
          return values && values.some(Number.isFinite) ? values : null;
        });
        const [low, high] = limits([layers], 'shared', 0, 0, model.visual);
        const paint = (v) => {
          const [r, g, b] = colour(normalise(v, low, high, s.power), this.luts[s.cmap], false);
          return [r, g, b, Number.isNaN(v) ? 0 : 255];
        };
        return {
          label: `${m.label} memory`,
          short: 'memory',
          title: `${memoryOf(m)} ${TIPS.memory}`,
          place: this.style(i),
          colour: look.methods[this.style(i)],
          acts: [],
          layers,
          paint: () => paint,
          stop: -1,
          empty: this.css(this.luts[s.cmap]),
        };
      });
  }

  drawCurves(look) {
    const { model, state: s } = this;
    const curves = this.curves();
    const lines = model.methods.map((m, i) => ({
      values: curves[i],
      index: this.style(i),
      colour: look.methods[this.style(i)],
      stop: m.stop[s.step] ?? -1,
    }));
    const marks = ticks(Math.max(0, ...curves.flat().filter(Number.isFinite)), 4);
    const digits = Math.max(0, -Math.floor(Math.log10(marks[1] * 100) + 1e-9));
    const shared = { layers: model.layers, cursor: s.layer, hover: s.hover, look };
    const pair = s.focus >= 0 && curves[s.focus];
    const band = pair && { low: curves[model.reference], high: pair, more: look.more, less: look.less };
    this.plot('curve', {
      ...shared,
      marks,
      high: marks[marks.length - 1],
      lines,
      band,
      format: (v) => (v ? `${(v * 100).toFixed(digits)} %` : '0 %'),
    });
    const unsure = model.methods
      .map((m, i) => ({ ...lines[i], values: m.uncertainty[s.step] || [] }))
      .filter((l) => l.values.length);
    const top = Math.max(1, ...unsure.flatMap((l) => l.values.filter((v) => v !== null)));
    const checked = model.methods.filter((m) => m.threshold > 0); // 0 never stops
    const thresholds = [...new Set(checked.map((m) => m.threshold))].map((value) => ({
      value,
      text: `stop below ${Number(value.toFixed(3))}`,
      colour: look.muted,
    }));
    this.plot('unsure', {
      ...shared,
      marks: ticks(top, 2),
      high: ticks(top, 2).pop(),
      lines: unsure,
      thresholds,
      firsts: new Set(checked.map((m) => m.first_check)),
      format: (v) => String(v),
    });
  }

  plot(name, spec) {
    const box = this.$(name);
    const canvas = box.firstChild;
    const width = box.clientWidth;
    const height = box.clientHeight;
    if (!width || !spec.layers) return;
    box.at = drawPlot(prepare(canvas, width, height), width, height, spec);
  }

  // ---- words and numbers in the page -----------------------------------------------------------------------------

  drawWords(dirty) {
    const { model, state: s } = this;
    this.$('context').textContent = this.hint() || this.context();
    this.slider.disabled = !model.layers;
    if (dirty.stats) this.drawSummary(this.curves());
    if (dirty.stats) this.drawContrast();
    this.markCards();
    if (!model.layers) return;
    this.slider.max = String(model.layers - 1);
    this.slider.value = String(s.layer);
    this.root.style.setProperty('--cv-layers', String(model.layers));
    const curves = this.curves();
    const said = model.methods.map((m, i) => `${m.label} ${share(curves[i]?.[s.layer] ?? null)}`).join(', ');
    const spoken = `Layer ${s.layer + 1} of ${model.layers}, attention on ${this.followedText()}: ${said}`;
    this.slider.setAttribute('aria-valuetext', spoken);
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.describe(this.hint() || spoken), 400);
    this.cursor.style.transform = `translateX(${(s.layer + 0.5) * (this.column || 0)}px) translateX(-50%)`;
    [...this.ticks.children].forEach((tick, i) => tick.classList.toggle('on', i === s.layer));
    this.drawStats(curves);
    this.drawLens();
    if (this.$('numbers').open) this.drawTable(curves);
  }

  context() {
    const { model, state: s } = this;
    const text = model.methods[model.reference]?.tokens[s.step]?.text;
    const named = text === '' ? ' (end)' : text ? ` “${text.trim()}”` : '';
    const heads = this.head() === null ? `mean of ${model.heads || ''} heads` : `head ${s.head + 1} of ${model.heads}`;
    const token = `token ${s.step + 1}${named}`;
    return model.layers
      ? `Layer ${s.layer + 1} of ${model.layers} · ${token} · ${heads}`
      : 'Waiting for the first token';
  }

  describe(spoken) {
    if (!this.model) return;
    const acted = this.nows.map(
      (node, i) => node?.textContent && `${this.model.methods[i].label}: ${node.textContent.trim()}`,
    );
    this.$('live').textContent = [spoken, ...acted.filter(Boolean)].join('. ');
    this.strip.setAttribute('aria-label', this.stripText());
    for (const map of this.maps) map.canvas.setAttribute('aria-label', this.mapText(map));
    const told = this.$('summary').textContent;
    this.$('curve').firstChild.setAttribute(
      'aria-label',
      `Attention on ${this.followedText()} by layer. ${told} The numbers are in the table below.`,
    );
    this.$('unsure').firstChild.setAttribute(
      'aria-label',
      `Uncertainty by layer. ${this.$('lens').textContent} The numbers are in the table below.`,
    );
  }

  mapText({ name, values, method }) {
    if (!values) return `${name}: nothing recorded at this token.`;
    let best = 0;
    for (let i = 1; i < values.length; i++) if (!(Math.abs(values[i]) <= Math.abs(values[best]))) best = i;
    const where = placeOf(this.model.views, best);
    const total = values.reduce((a, b) => a + (b || 0), 0);
    const mass = method === null ? '' : ` ${percent(total)} of all attention is on the picture;`;
    const what = method === null ? 'largest change' : 'strongest';
    const strongest = `${what} at ${where} (${share(values[best])}).`;
    return `${name}, layer ${this.state.layer + 1}:${mass} ${strongest}${this.sinkText(method)}`;
  }

  drawStats(curves) {
    const { model, state: s } = this;
    const head = el(
      'tr',
      {},
      el('th', { text: 'Method', scope: 'col' }),
      el('th', { text: `Layer ${s.layer + 1}`, scope: 'col' }),
      el('th', { text: 'Peak', scope: 'col' }),
      this.term('th', 'Left at the end', 'left'),
      this.term('th', 'Gain here', 'gain'),
    );
    const rows = model.methods.map((m, i) => {
      const sum = summarise(curves[i]);
      const more =
        i === model.reference ? null : gain(curves[i][s.layer] ?? null, curves[model.reference][s.layer] ?? null);
      const gained = more && {
        text: signedPercent(more.clipped, 0),
        'data-tip': `Unclipped: ${signedPercent(more.unclipped, 1)}`,
        tabindex: '0',
      };
      return el(
        'tr',
        {},
        el('th', { scope: 'row' }, el('span', { class: 'cv-name' }, this.sample(i), el('span', { text: m.label }))),
        el('td', { text: percent(curves[i][s.layer] ?? null, 1) }),
        el('td', { text: sum ? `${percent(sum.value, 1)} at ${sum.peak + 1}` : '–' }),
        el('td', { text: sum ? percent(sum.left) : '–' }),
        el('td', gained || { text: '–' }),
      );
    });
    refill(this.$('stats'), [el('thead', {}, head), el('tbody', {}, ...rows)]);
  }

  drawLens() {
    const { model, state: s } = this;
    const told = model.methods.map((m, i) => {
      const value = m.uncertainty[s.step]?.[s.layer] ?? null;
      const words = m.lens?.[s.step]?.[s.layer];
      if (value === null && !words) return null;
      const says = (words || []).map(([word, p]) => `${saidWord(word)} ${percent(p)}`).join(' · ');
      return el(
        'p',
        {},
        this.sample(i),
        el('span', { text: value === null ? '' : value.toFixed(2) }),
        el('span', { text: says ? `would say ${says}` : '' }),
      );
    });
    const some = told.filter(Boolean);
    this.$('lens').replaceChildren(
      ...(some.length ? some : [el('p', { class: 'cv-quiet', text: `Not measured at layer ${s.layer + 1}.` })]),
    );
  }

  drawSummary(curves) {
    const { model, state: s } = this;
    const part = (i) =>
      i >= 0 && curves[i]?.length
        ? { label: model.methods[i].label, curve: curves[i], stop: model.methods[i].stop[s.step] ?? -1 }
        : null;
    const text = model.steps
      ? sentence({
          names: this.chosen().names,
          head: this.head(),
          reference: part(model.reference),
          other: part(s.focus),
        })
      : '';
    this.$('summary').textContent = text;
  }

  /** A method's columns of the table: [heading, text of a layer]. */
  columnsOf(m, values) {
    const { step } = this.state;
    const found = [
      [`${m.label}: attention`, (l) => share(values[l])],
      [`${m.label}: uncertainty`, (l) => m.uncertainty[step]?.[l]?.toFixed(3) ?? '–'],
    ];
    if (m.sinks) found.push([`${m.label}: sink tokens`, (l) => String(m.sinks[l]?.length ?? 0)]);
    if (m.heads?.[step])
      found.push([`${m.label}: heads ${m.card.acted}`, (l) => m.heads[step][l].map((h) => h + 1).join(', ') || '–']);
    return found;
  }

  drawTable(curves) {
    const { model } = this;
    const columns = model.methods.flatMap((m, i) => this.columnsOf(m, curves[i]));
    const heads = ['Layer', ...columns.map(([name]) => name)];
    const rows = Array.from({ length: model.layers }, (_, l) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row', text: String(l + 1) }),
        ...columns.map(([, read]) => el('td', { text: read(l) })),
      ),
    );
    this.$('numbers').lastElementChild.replaceChildren(
      el(
        'table',
        {},
        el('thead', {}, el('tr', {}, ...heads.map((text) => el('th', { text, scope: 'col' })))),
        el('tbody', {}, ...rows),
      ),
    );
  }
}

/** Takes over a filled-in template.html; the page keeps it up to date with `update(payload)`. */
function mount(root, payload, options = {}) {
  const app = new App(root, payload, options);
  root.__clvs = app; // for tests and for the page's own scripts: state, model, curves()
  return { update: (next) => app.update(next), app };
}
