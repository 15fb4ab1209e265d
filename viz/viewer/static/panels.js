// The parts of the page and what pointers do on them. User text only ever goes through textContent.

const TIPS = {
  map: 'Each square is one visual token: a patch of the picture. Its colour is the share of its attention that the answering position gives it in this layer; the rest goes to other patches and to the words. A white corner marks a weight beyond the scale.',
  strip:
    'Every layer of the network, first to last, on the same scale. Click or drag to move to a layer. A line below a row marks the layers in which the method acts.',
  curve: 'How much of all its attention, on picture and words, the model spends on the chosen objects while it writes this token, layer by layer. Each patch counts by the share of it that they cover; shares of several objects in one patch add up, to the whole patch at most.',
  unsure:
    'How undecided the model would be if it had to answer at this layer: the entropy of its 10 likeliest words, from 0 (certain) to 1 (all alike).',
  scale:
    'Shared: one range for all methods and layers, so that maps can be compared. Per layer: methods can be compared within a layer. Per map: shows the shape only. × uniform: 1 is an evenly spread look.',
  head: 'Each layer has several attention heads that look at different things. The CLVS paper averages them.',
  noHead: 'Single heads are not at hand: they come with a finished answer, unless they are too large to send.',
  gain: 'How much more (or less) than the reference at this layer, clipped at 100 % as in the CLVS paper.',
  left: 'What remains at the last layer of the attention at the peak. Fading is not a fault in itself: it is called attention decay.',
  sinks:
    'Some tokens draw attention in every layer whatever the question (sinks). Hiding the strongest lets the rest be seen; the curves keep them.',
  grid: 'This model gets the picture twice, each time in visual tokens of their own: cut into finer tiles, and whole. The maps show one of the two; the curves count both.',
  power: 'Below 1 lifts faint weights, 1 is linear.',
  memory: 'Strongest head, so on a scale of its own.',
  rings: 'Tokens that draw attention whatever is asked, as this method finds them in each layer.',
  contrast:
    'A contrasting method works out the next word twice, with the picture and with a noised one or none. Words that are likely without seeing lose; what comes out is its outcome. Words that are far from likely with the picture are ruled out.',
  region: 'Draw a part of the picture to follow it through the layers.',
};
const KEYS = [
  ['← →', 'layer'],
  ['Shift ← →', 'five layers'],
  ['Home  End', 'first, last layer'],
  ['Space', 'play'],
  ['[  ]', 'token'],
  ['D', 'difference map'],
  ['S', 'scale'],
  ['M', 'outlines'],
  ['H', 'head'],
  ['?', 'this help'],
];
const SCALES = { shared: 'Shared scale', layer: 'Per layer', map: 'Per map', uniform: '× uniform' };
const CMAPS = ['magma', 'viridis', 'cividis'];

/** An element: `text`, `class`, `on…` listeners, other properties and attributes, then children. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key === 'text') node.textContent = value;
    else if (key === 'class') node.className = value;
    else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (typeof value === 'string') node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter(Boolean));
  return node;
}

/** New children for a node; the keyboard's place among its controls is kept. */
function refill(node, children) {
  const controls = () => [...node.querySelectorAll('button, [tabindex]')];
  const at = controls().indexOf(document.activeElement);
  node.replaceChildren(...children.filter(Boolean));
  if (at >= 0) controls()[at]?.focus({ preventScroll: true });
}

const END = /^(<\/s>|<eos>|<end_of_turn>|<\|(im_end|endoftext|eot_id)\|>)$/; // how models spell the end of an answer

/** A token's text for people. */
function saidWord(word) {
  return END.test(word) ? 'end' : word.trim() || '␣';
}

class Panels {
  // ---- once ------------------------------------------------------------------------------------------------------

  buildFixed() {
    this.maps = [];
    this.slider = el('input', {
      type: 'range',
      min: '0',
      max: '0',
      value: '0',
      'aria-label': 'Layer',
      oninput: (e) => this.goto(Number(e.target.value)),
    });
    this.strip = el('canvas', { role: 'img', 'aria-label': 'Attention maps of every layer' });
    this.cursor = el('i', { class: 'cv-cursor' });
    this.ticks = el('div', { class: 'cv-ticks', 'aria-hidden': 'true' });
    this.$('slide').replaceChildren(this.slider);
    this.$('strip').replaceChildren(this.strip, this.cursor, this.ticks);
    for (const name of ['curve', 'unsure']) this.$(name).replaceChildren(el('canvas', { role: 'img' }));
    this.$('look-title').replaceChildren(this.term('span', 'Where it looks', 'map'));
    this.$('caveat').textContent =
      'Attention shows where information is read from. It is not proof of what caused the answer.';
    this.buildPlay();
  }

  listen() {
    const { root } = this;
    root.addEventListener('keydown', (e) => this.key(e));
    root.addEventListener('focusin', (e) => this.showTip(e.target.closest('[data-tip]')));
    root.addEventListener('focusout', () => this.tipNode && this.hideTip());
    root.addEventListener(
      'pointerover',
      (e) => e.pointerType !== 'touch' && this.showTip(e.target.closest('[data-tip]')),
    );
    const elsewhere = (e) => {
      if (!e.target.closest('.cv-pop')) this.closePopovers();
      if (!e.target.closest('.cv-map') && this.state.patch) this.set({ patch: null });
    };
    root.addEventListener('pointerdown', elsewhere, true); // before the map that is tapped shows its numbers
    this.drag(this.$('strip'), (x) => this.goto(Math.floor(x / (this.column || 1))), null);
    this.$('strip').addEventListener('pointermove', (e) => this.hoverHead(e));
    this.$('strip').addEventListener('pointerleave', () => this.headTip && this.leaveHeads());
    for (const name of ['curve', 'unsure']) {
      const box = this.$(name);
      this.drag(
        box,
        (x) => box.at && this.goto(box.at.layer(x)),
        (x) => this.hoverLayer(box, x),
      );
    }
    this.$('numbers').addEventListener('toggle', () => this.invalidate('words'));
    new ResizeObserver(() => this.measure()).observe(root);
    this.followTheme();
  }

  /** Press and drag along an element; `over` hears the pointer without a press, and null when it leaves. */
  drag(node, move, over) {
    const x = (e) => e.clientX - node.getBoundingClientRect().left;
    node.addEventListener('pointerdown', (e) => {
      node.setPointerCapture(e.pointerId);
      this.stop();
      move(x(e));
    });
    node.addEventListener('pointermove', (e) => {
      if (node.hasPointerCapture(e.pointerId)) move(x(e));
      if (over) over(x(e));
    });
    if (over) node.addEventListener('pointerleave', () => over(null));
  }

  /** Gradio puts `dark` on the body; on its own the viewer follows the system. */
  followTheme() {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const apply = () => {
      if (!this.root.isConnected) return observer.disconnect();
      const dark =
        document.querySelector('body.dark, html.dark') ||
        (!document.querySelector('.gradio-container') && media.matches);
      this.root.dataset.theme = dark ? 'dark' : 'light';
      this.styled = null;
      return this.measure();
    };
    const observer = new MutationObserver(apply);
    for (const node of [document.documentElement, document.body])
      observer.observe(node, { attributes: true, attributeFilter: ['class'] });
    media.addEventListener('change', apply);
    apply();
  }

  // ---- answers ---------------------------------------------------------------------------------------------------

  buildAnswers() {
    const { model } = this;
    this.chipsOf = model.methods.map(() => []);
    this.nows = [];
    const cards = model.methods.map((m, i) => {
      const differs = i === model.reference ? -1 : firstDifference(model.methods[model.reference].tokens, m.tokens);
      const chips = m.tokens.map((token, t) => this.tokenChip(i, t, token, t === differs));
      this.chipsOf[i] = chips;
      const waiting = !m.finished && model.status === 'running';
      const title = el('strong', { text: m.label });
      const name = el('div', { class: 'cv-who' }, this.sample(i), title, ...this.whoWords(m, i));
      const said = chips.length
        ? chips
        : [el('span', { class: 'cv-quiet', text: waiting ? 'waiting for the first word …' : 'no answer yet' })];
      return el(
        'article',
        { class: 'cv-answer', 'data-style': String(this.style(i)), 'aria-label': `Answer of ${m.label}` },
        name,
        el(
          'div',
          { class: 'cv-tokens' },
          ...said,
          waiting && chips.length ? el('i', { class: 'cv-caret', 'aria-hidden': 'true' }) : null,
        ),
        this.buildCard(m, i),
      );
    });
    refill(this.$('answers'), cards);
    this.markTokens();
  }

  /** Beside a method's name: the button that compares it with the reference, what the reference is, the settings. */
  whoWords(method, index) {
    const { methods, reference } = this.model;
    const [several, many] = [methods.length > 1, methods.length > 2];
    const against = methods[reference].label;
    const compare = el('button', {
      class: 'cv-link',
      type: 'button',
      text: 'compare',
      'data-focus': String(index),
      'data-tip': `Compare with ${against}: in the difference map, the band of the curves and the sentence.`,
      onclick: () => this.set({ focus: index }),
    });
    const role = method.name === 'vanilla' ? 'the model as it is' : several ? 'reference' : '';
    const words = [index === reference ? role : '', many ? '' : method.settings].filter(Boolean).join(', ');
    return [many && index !== reference && compare, words && el('small', { text: words, 'data-tip': words })];
  }

  tokenChip(method, step, token, differs) {
    const text = token.text.trim() || (token.text ? '␣' : 'end');
    const p = percent(token.probability);
    const here = step < this.model.steps; // of a long answer only the first maps come while it is written
    const click = here ? 'Click to show this token in all panels.' : 'Its maps come with the finished answer.';
    const chip = el(
      'button',
      {
        type: 'button',
        class: `cv-token${token.text ? '' : ' cv-end'}${differs ? ' cv-differs' : ''}`,
        'aria-label': `${text} ${p}, token ${step + 1}${differs ? ', first difference' : ''}`,
        'aria-disabled': here ? null : 'true',
        onclick: () => here && this.set({ step }),
        'data-tip': `${differs ? 'The answers differ from here on. ' : ''}Probability ${percent(token.probability, 1)}. ${click}`,
      },
      el('span', { text }),
      ' ',
      el('small', { text: p }),
    );
    chip.style.setProperty('--p', String(token.probability));
    return chip;
  }

  markTokens() {
    const { step, focus } = this.state;
    this.chipsOf.forEach((chips) => chips.forEach((chip, t) => chip.setAttribute('aria-pressed', String(t === step))));
    this.root
      .querySelectorAll('[data-focus]')
      .forEach((b) => b.setAttribute('aria-pressed', String(Number(b.dataset.focus) === focus)));
  }

  /** What has to be said, and how far it is. What can be pressed stays the same element while only words change. */
  buildNotes() {
    const { notes = [], progress, steps, methods, status, offer, halts } = this.model;
    const later = status === 'running' && steps && methods.some((m) => m.tokens.length > steps);
    const wait = later ? ` Maps beyond token ${steps} come with the finished answer.` : '';
    const far = `${progress || ''}${wait}`.trim();
    const shape = JSON.stringify([notes, offer, Boolean(far), halts]);
    if (shape !== this.notesShape) {
      this.notesShape = shape;
      const lines = notes.map((text) => el('p', { text }));
      const button = halts ? this.halter() : this.offerer(offer);
      const line = far && el('p', { class: 'cv-far', role: 'status' }, el('span'), button);
      if (offer) lines.push(this.offered(offer, line));
      else if (line) lines.unshift(line);
      refill(this.$('notes'), lines);
    }
    const line = this.$('notes').querySelector('.cv-far > span');
    if (line && line.textContent !== far) line.textContent = far;
  }

  halter() {
    return el('button', { type: 'button', class: 'cv-button', text: 'Stop', onclick: () => this.onEvent('halt', {}) });
  }

  /** The button of a model that suits the picture better, if there is one to be had. */
  offerer(offer) {
    if (!offer?.name) return null;
    const { name, label, asks } = offer;
    const use = () => this.onEvent(asks ? 'ask' : 'pick', { name });
    return el('button', { type: 'button', class: 'cv-button', text: `Use ${label}${asks ? '…' : ''}`, onclick: use });
  }

  /** The sentence about that model, which keeps its room while `line`, how far something is, stands in its place. */
  offered(offer, line) {
    const about = el('p', {}, el('span', { text: `${offer.text} ` }), this.offerer(offer));
    return el('div', { class: 'cv-offer' }, about, line);
  }

  /** The sample of a method's line: dash and marker as in the curves. */
  sample(method) {
    const canvas = el('canvas', { class: 'cv-sample', 'aria-hidden': 'true' });
    const look = this.look();
    drawSample(canvas, this.style(method), look.methods[this.style(method)], look.paper);
    return canvas;
  }

  term(tag, text, tip) {
    return el(tag, { class: 'cv-term', text, tabindex: '0', 'data-tip': this.told(tip) });
  }

  /** A tip's text: what it says of a stop or a memory is about the methods that have one. */
  told(tip) {
    const stopping = this.model?.methods.filter((m) => m.threshold > 0).map((m) => m.label) || [];
    const who = stopping.join(' and ');
    if (tip === 'strip' && who) return `${TIPS.strip} ▼ is the layer after which ${who} stopped smoothing.`;
    const stop = stopping.length > 1 ? 'stop' : 'stops';
    if (tip === 'unsure' && who) return `${TIPS.unsure} Once it falls below the threshold, ${who} ${stop} smoothing.`;
    return tip === 'memory' ? `${this.memoryWords()} ${TIPS.memory}` : TIPS[tip];
  }

  // ---- objects ---------------------------------------------------------------------------------------------------

  buildChips() {
    const { model, state: s } = this;
    const chips = model.objects.map((o) =>
      el('button', {
        type: 'button',
        class: 'cv-chip',
        'aria-pressed': String(this.isOn(o)),
        text: o.name,
        onclick: () => this.toggleObject(o),
        'data-tip': `${percent(o.area)} of the picture${o.seen < 0.995 ? `, ${percent(o.seen)} of it seen by the model` : ''}.`,
      }),
    );
    if (s.region)
      chips.push(
        el('button', {
          type: 'button',
          class: 'cv-chip',
          'aria-pressed': 'true',
          'aria-label': 'Clear your region',
          text: 'your region ×',
          onclick: () => this.setRegion(null),
        }),
      );
    const tool = (kind, text) =>
      el('button', {
        type: 'button',
        class: 'cv-chip cv-draw',
        'aria-pressed': String(s.draw === kind),
        text,
        'data-tip': TIPS.region,
        onclick: () => this.startDrawing(s.draw === kind ? null : kind),
      });
    refill(this.$('chips'), [...chips, tool('box', '+ box'), tool('polygon', '+ freehand')]);
    this.$('curve-title').replaceChildren(this.term('span', `Attention on ${this.followedText()}`, 'curve'));
    this.root.dataset.draw = s.draw || '';
  }

  /** What to draw and how is said above the maps, which may be far from the button. */
  startDrawing(kind) {
    this.set({ draw: kind });
    if (!kind || !this.maps.length) return;
    const top = this.$('context').getBoundingClientRect().top;
    const bottom = this.maps[0].canvas.getBoundingClientRect().bottom;
    if (top >= 0 && bottom <= window.innerHeight) return;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.$('context').scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
  }

  hint() {
    const what = { box: 'Drag a box on a map.', polygon: 'Draw around something on a map.' }[this.state.draw];
    return what && `${what} Esc cancels.`;
  }

  // ---- maps ------------------------------------------------------------------------------------------------------

  buildMaps() {
    const { model, state: s } = this;
    const wanted = model.methods.map((m, i) => ({ method: i, name: m.label, style: String(this.style(i)) }));
    if (s.diff && s.focus >= 0) {
      wanted.push({
        method: null,
        style: 'diff',
        name: 'Difference',
        detail: `${model.methods[s.focus].label} − ${model.methods[model.reference].label}`,
      });
    }
    const key = JSON.stringify([wanted, model.image, s.rings && this.sinkSwitch()]);
    if (key === this.mapsKey) return;
    this.mapsKey = key;
    this.maps = wanted.map((map) => this.oneMap(map));
    this.$('maps').replaceChildren(...this.maps.map((map) => map.node), this.mapKey());
    this.$('maps').dataset.count = String(wanted.length);
  }

  mapKey() {
    const { model, state: s } = this;
    const [x0, y0, x1, y1] = model.image.seen;
    const unseen = (x1 - x0) * (y1 - y0) < 0.995 * model.image.w * model.image.h;
    const signed = s.diff && s.focus >= 0;
    const items = [
      ['corner', 'beyond the scale'],
      unseen && ['hatch', 'never seen by the model'],
      s.rings && this.sinkSwitch() && ['ring', 'sink tokens'],
      signed && ['more', `${model.methods[s.focus].label} looks more`],
      signed && ['less', `${model.methods[model.reference].label} looks more`],
    ];
    return el(
      'p',
      { class: 'cv-key' },
      ...items.filter(Boolean).map(([kind, text]) => el('span', { 'data-kind': kind, text })),
    );
  }

  oneMap(map) {
    const { image } = this.model;
    const canvas = el('canvas', { role: 'img', 'aria-label': map.name });
    canvas.style.aspectRatio = `${image.w} / ${image.h}`;
    canvas.style.width = `min(100%, ${(46 * image.w) / image.h}vh)`; // a tall picture leaves the layers in sight
    const bar = el('canvas', { class: 'cv-bar', 'aria-hidden': 'true' });
    const [low, middle, high] = [el('span'), el('span'), el('span')];
    const detail = map.detail && el('small', { text: map.detail });
    const head = el('figcaption', {}, el('strong', { text: map.name }), detail);
    const node = el(
      'figure',
      { class: 'cv-map', 'data-style': map.style },
      head,
      canvas,
      bar,
      el('div', { class: 'cv-scale' }, low, middle, high),
    );
    this.mapPointer(canvas);
    return { ...map, canvas, bar, low, middle, high, node };
  }

  mapPointer(canvas) {
    const spot = (e) => {
      const box = canvas.getBoundingClientRect();
      const { w, h } = this.model.image;
      return [
        Math.max(0, Math.min(w, ((e.clientX - box.left) / box.width) * w)),
        Math.max(0, Math.min(h, ((e.clientY - box.top) / box.height) * h)),
      ];
    };
    canvas.addEventListener('pointerdown', (e) => {
      if (this.state.draw) {
        canvas.setPointerCapture(e.pointerId);
        this.trail = [spot(e)];
      } else this.hoverPatch(e, spot(e));
    });
    canvas.addEventListener('pointermove', (e) => (this.trail ? this.extend(spot(e)) : this.hoverPatch(e, spot(e))));
    canvas.addEventListener('pointerup', () => this.trail && this.finish());
    canvas.addEventListener('pointercancel', () => {
      this.trail = null;
      this.set({ sketch: null });
    });
    canvas.addEventListener('pointerleave', (e) => {
      if (this.trail || e.pointerType === 'touch') return; // a lifted finger leaves its reading behind
      this.set({ patch: null });
      this.hideTip();
    });
  }

  extend(point) {
    this.trail.push(point);
    this.set({ sketch: this.shape() });
  }

  shape() {
    const round = (v) => Math.round(v * 10) / 10;
    const first = this.trail[0];
    const last = this.trail[this.trail.length - 1];
    if (this.state.draw === 'box') {
      return {
        box: [
          Math.min(first[0], last[0]),
          Math.min(first[1], last[1]),
          Math.max(first[0], last[0]),
          Math.max(first[1], last[1]),
        ].map(round),
      };
    }
    const gap = Math.max(this.model.image.w, this.model.image.h) / 200;
    const kept = this.trail.filter(
      (p, i, all) => i === 0 || Math.hypot(p[0] - all[i - 1][0], p[1] - all[i - 1][1]) > gap / 4,
    );
    const every = Math.max(1, Math.ceil(kept.length / 200)); // 200 points draw any outline a hand can
    return { polygon: kept.filter((_, i) => i % every === 0).map((p) => p.map(round)) };
  }

  /** A click without a drag is no region. */
  finish() {
    const shape = this.shape();
    this.trail = null;
    const [a, b, c, d] = shape.box || [0, 0, 1, 1];
    const real = shape.box ? c - a > 2 && d - b > 2 : shape.polygon.length > 2;
    if (real) this.setRegion(shape);
    else this.set({ sketch: null });
  }

  hoverPatch(event, [x, y]) {
    const { model, state: s } = this;
    const patch = patchAt(this.visibleViews(), x, y);
    this.set({ patch });
    if (!patch) {
      const told = patchAt(model.views, x, y)
        ? 'No token of this grid lies here; the other grid has one.'
        : 'The model never sees this part of the picture.';
      return this.tip(told, event.clientX, event.clientY);
    }
    const lines = model.methods.map((m, i) => {
      const values = this.raw()[i][s.layer];
      const mass = values ? values.reduce((a, b) => a + b, 0) : 0;
      return values
        ? `${m.label} ${share(values[patch.token])} of all its attention (${percent(values[patch.token] / mass, 1)} of what falls on the picture)`
        : `${m.label} –`;
    });
    const change = this.difference()[s.layer];
    if (s.focus >= 0 && change) {
      const value = this.raw()[s.focus][s.layer][patch.token] - this.raw()[model.reference][s.layer][patch.token];
      lines.push(`Difference ${value > 0 ? '+' : ''}${share(value)}`);
    }
    for (const m of s.rings ? this.sinkMethods() : [])
      if (m.sinks[s.layer]?.includes(patch.token)) lines.push(`A sink token of ${m.label} in this layer`);
    const grid = gridName(model.views, patch.view);
    const name = grid && `${grid[0].toUpperCase()}${grid.slice(1)} · `;
    return this.tip(
      `${name}${name ? 'patch' : 'Patch'} ${patch.row + 1}, ${patch.col + 1} · visual token ${patch.token}\n${lines.join('\n')}`,
      event.clientX,
      event.clientY,
    );
  }

  hoverLayer(box, x) {
    const { model } = this;
    if (x === null || !box.at) {
      this.set({ hover: null });
      return this.hideTip();
    }
    const layer = box.at.layer(x);
    this.set({ hover: layer });
    const curves = this.curves();
    const lines = model.methods.map((m, i) =>
      box === this.$('curve')
        ? this.curveLine(i, layer, curves)
        : `${m.label} ${m.uncertainty[this.state.step]?.[layer]?.toFixed(3) ?? '–'}`,
    );
    const at = box.getBoundingClientRect();
    return this.tip(`Layer ${layer + 1}\n${lines.join('\n')}`, at.left + box.at.x(layer), at.bottom - 4, true);
  }

  curveLine(method, layer, curves) {
    const { model } = this;
    const more = method === model.reference ? null : gain(curves[method][layer], curves[model.reference][layer]);
    const text = more
      ? ` (gain ${signedPercent(more.clipped, 1)}${more.unclipped > 100 ? `, unclipped ${signedPercent(more.unclipped, 1)}` : ''})`
      : '';
    return `${model.methods[method].label} ${share(curves[method][layer])}${text}`;
  }

  // ---- controls --------------------------------------------------------------------------------------------------

  /** Rebuilt only for other heads or grids, so that the control in use stays under the hand. */
  buildTools() {
    const { heads, views, methods, arrays } = this.model;
    const many = this.hasHeads() ? heads : 0;
    const grids = new Set(views.map((v) => v.kind)).size > 1;
    const memory = methods.some((m) => arrays[`memory/${m.key}`]) && this.told('memory');
    const key = `${many} ${heads > 1} ${grids} ${memory} ${this.sinkSwitch()}`;
    // While an answer is worked out there are no heads: the controls wait for them, so that nothing jumps.
    const waits = this.model.status === 'running' && this.toolsKey;
    if (key !== this.toolsKey && !waits) {
      const options = [['', 'Mean of heads'], ...Array.from({ length: many }, (_, i) => [String(i), `Head ${i + 1}`])];
      const head = this.select('Head', 'head', options, many ? TIPS.head : TIPS.noHead);
      head.lastElementChild.disabled = !many; // it keeps its place
      const tools = [
        this.select('Scale', 'scale', Object.entries(SCALES), TIPS.scale),
        head,
        grids &&
          this.select(
            'Grid',
            'grid',
            [
              ['tiles', 'Tiles'],
              ['base', 'Whole picture'],
            ],
            TIPS.grid,
          ),
        this.displayPop(memory),
        this.helpPop(),
      ];
      this.$('tools').replaceChildren(...tools.filter(Boolean));
    }
    if (!waits) this.toolsKey = key;
    this.syncTools();
  }

  displayPop(memory) {
    return el(
      'details',
      { class: 'cv-pop' },
      el('summary', { text: 'Display' }),
      el(
        'div',
        {},
        this.select(
          'Colours',
          'cmap',
          CMAPS.map((name) => [name, name]),
        ),
        this.range('Power', 'power', 0.3, 1, 0.1, TIPS.power),
        this.range('Hide sinks', 'sinks', 0, 8, 1, TIPS.sinks),
        this.check('Object outlines', 'contours'),
        this.check('Difference map', 'diff'),
        this.check('Smoothed for display', 'smooth'),
        memory && this.check('Vision memory', 'memory', memory),
        this.sinkSwitch() && this.check(this.sinkSwitch(), 'rings', TIPS.rings),
      ),
    );
  }

  helpPop() {
    return el(
      'details',
      { class: 'cv-pop cv-help' },
      el('summary', { text: '?', 'aria-label': 'Keys' }),
      el('dl', {}, ...KEYS.flatMap(([keys, what]) => [el('dt', { text: keys }), el('dd', { text: what })])),
    );
  }

  control(label, name, input, tip) {
    input.dataset.name = name;
    return el('label', { class: 'cv-control', 'data-tip': tip }, el('span', { text: label }), input);
  }

  select(label, name, options, tip) {
    const input = el(
      'select',
      {
        'aria-label': label,
        onchange: (e) =>
          this.set({
            [name]: name === 'head' ? (e.target.value === '' ? null : Number(e.target.value)) : e.target.value,
          }),
      },
      ...options.map(([value, text]) => el('option', { value, text })),
    );
    return this.control(label, name, input, tip);
  }

  check(label, name, tip) {
    return this.control(
      label,
      name,
      el('input', { type: 'checkbox', onchange: (e) => this.set({ [name]: e.target.checked }) }),
      tip,
    );
  }

  range(label, name, min, max, step, tip) {
    return this.control(
      label,
      name,
      el('input', {
        type: 'range',
        min: String(min),
        max: String(max),
        step: String(step),
        oninput: (e) => this.set({ [name]: Number(e.target.value) }),
      }),
      tip,
    );
  }

  syncTools() {
    for (const input of this.$('tools').querySelectorAll('[data-name]')) {
      const value = this.state[input.dataset.name];
      if (input.type === 'checkbox') input.checked = value;
      else input.value = value === null ? '' : String(value);
      if (input.type === 'range') {
        const said = input.dataset.name === 'sinks' ? (value ? `${value} strongest` : 'none') : String(value);
        input.setAttribute('aria-valuetext', said);
        input.previousSibling.dataset.value = said;
      }
    }
  }

  buildPlay() {
    const on = this.state.playing;
    this.playButton ??= el('button', { type: 'button', onclick: () => this.play() });
    this.playButton.setAttribute('aria-label', on ? 'Pause' : 'Play through the layers');
    this.playButton.dataset.on = String(on);
    if (!this.playButton.isConnected) this.$('play').replaceChildren(this.playButton);
  }

  // ---- tooltips --------------------------------------------------------------------------------------------------

  showTip(node) {
    if (!node) return this.tipNode && this.hideTip();
    const box = node.getBoundingClientRect();
    this.tip(node.dataset.tip, box.left + box.width / 2, box.bottom, true);
    this.tipNode = node;
    return undefined;
  }

  /** Near a point of the window, kept inside the viewer; lines after the first are readings. */
  tip(text, x, y, below) {
    const node = this.$('tip');
    if (!text) return;
    node.textContent = text;
    node.hidden = false;
    this.tipNode = null;
    const root = this.root.getBoundingClientRect();
    const left = Math.max(
      4,
      Math.min(root.width - node.offsetWidth - 4, x - root.left - (below ? node.offsetWidth / 2 : -14)),
    );
    const over = y + node.offsetHeight + 24 > window.innerHeight;
    const top = over ? y - root.top - node.offsetHeight - (below ? 40 : 14) : y - root.top + (below ? 8 : 16);
    node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hideTip() {
    this.$('tip').hidden = true;
    this.tipNode = null;
  }
}
