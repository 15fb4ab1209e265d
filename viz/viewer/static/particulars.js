// What is particular to single methods: their cards, sink tokens, heads and contrasts. User text only goes through
// textContent; a paper's address is a link only if it begins with http(s).

class Particulars extends Panels {
  // ---- cards -----------------------------------------------------------------------------------------------------

  /** What a method does: where it acts on a small layer axis, one line, more on demand; what it did at this layer. */
  buildCard(method, index) {
    const { card } = method;
    if (!card) return null;
    const depth = this.model.layers;
    const lines = ['sinks', 'acted_heads'].filter((name) => card.records.includes(name)).length;
    this.nows[index] = lines ? el('p', { class: 'cv-now', style: `height:${18 * lines}px` }) : null;
    const summary = el(
      'summary',
      {},
      this.axis(card, depth),
      el('span', { class: 'cv-does', text: doesWords(card, depth) }),
      ' ',
      el('span', { class: 'cv-what', text: 'What it does' }),
    );
    const more = el('div', { class: 'cv-more' }, ...this.cardWords(method));
    const node = el('details', { class: 'cv-card', open: this.opened.has(method.key) }, summary, more);
    node.addEventListener('toggle', () => this.opened[node.open ? 'add' : 'delete'](method.key));
    return el('div', {}, node, this.nows[index]);
  }

  cardWords(method) {
    const { card } = method;
    const parts = cardParts(card);
    const several = parts.length > 1;
    const about = parts.map((part) => el('p', { text: several ? `${part.label}: ${part.summary}` : part.summary }));
    const stages = stageWords(card);
    const links = parts.filter((part) => /^https?:\/\//.test(part.paper)).map((part) => this.paper(part, several));
    return [
      ...about,
      stages && el('p', { class: 'cv-quiet', text: stages }),
      method.settings && el('p', { class: 'cv-quiet', text: `Settings: ${method.settings}.` }),
      links.length && el('p', { class: 'cv-papers' }, ...links),
    ].filter(Boolean);
  }

  paper(part, several) {
    const host = part.paper.split('/')[2].replace(/^www\./, '');
    return el('a', {
      href: part.paper,
      target: '_blank',
      rel: 'noopener noreferrer',
      text: `${several ? `${part.label} at` : 'Read more at'} ${host}`,
      'aria-label': `${several ? part.label : 'Read more'} at ${host}, opens in a new tab`,
    });
  }

  /** The layer axis in small: one lane for each method of a combined one; then the words, if their chances change. */
  axis(card, depth) {
    const parts = cardParts(card);
    const edits = parts.filter((part) => CHANGES[part.stage]);
    const lanes = (edits.length ? edits : parts.slice(0, 1)).map(({ layers }) => {
      const bar = el('b');
      if (layers && depth) {
        bar.style.left = `${(100 * layers[0]) / depth}%`;
        bar.style.width = `${(100 * (layers[1] + 1 - layers[0])) / depth}%`;
      }
      return el('i', {}, bar);
    });
    const chances = parts.some((part) => part.contrast || part.stage === 'logits');
    return el(
      'span',
      { class: 'cv-axis', 'aria-hidden': 'true' },
      el('small', { text: depth ? '1' : '' }),
      el('span', {}, ...lanes, el('u')),
      el('small', { text: depth ? String(depth) : '' }),
      el('em', { class: chances ? 'on' : '', text: 'word' }),
    );
  }

  /** The cursor on the small axes, and what the methods did at this layer. */
  markCards() {
    const { model, state: s } = this;
    const at = `${(100 * (s.layer + 0.5)) / (model.layers || 1)}%`;
    for (const tick of this.$('answers').querySelectorAll('.cv-axis u')) tick.style.left = at;
    this.nows.forEach((node, i) => {
      if (!node) return;
      const lines = actedWords(model.methods[i], s.step, s.layer, model.heads);
      node.replaceChildren(...lines.flatMap((text) => [el('span', { text }), ' ']));
    });
  }

  // ---- sink tokens -----------------------------------------------------------------------------------------------

  /** Methods that found sink tokens in some layer. */
  sinkMethods() {
    return this.model.methods.filter((m) => m.sinks?.some((tokens) => tokens.length));
  }

  sinkSwitch() {
    const found = this.sinkMethods();
    return found.length === 1 ? `Sink tokens of ${found[0].label}` : found.length ? 'Sink tokens' : '';
  }

  /** Sink tokens that a method found at the current layer; none for the difference map. */
  sinksHere(method) {
    return (method !== null && this.model.methods[method].sinks?.[this.state.layer]) || [];
  }

  /** For screen readers: how many, and where the first few lie. */
  sinkText(method) {
    const tokens = this.sinksHere(method);
    if (!tokens.length) return '';
    const some = tokens.slice(0, 4).map((token) => placeOf(this.model.views, token));
    const rest = tokens.length - some.length;
    return ` ${counted(tokens.length, 'sink token')}: ${some.join('; ')}${rest ? `; and ${rest} more` : ''}.`;
  }

  // ---- heads -----------------------------------------------------------------------------------------------------

  headRows(look) {
    const { model, state: s } = this;
    const count = this.known.heads;
    return model.methods
      .map((m, i) => ({ m, i }))
      .filter(({ m }) => m.card?.records.includes('acted_heads'))
      .map(({ m, i }) => ({
        label: `${m.label} heads`,
        short: 'heads',
        name: m.label,
        title: `Heads of each layer, first to last; filled: ${m.card.acted} by ${m.label} at this token.`,
        place: this.style(i),
        acted: m.heads?.[s.step] || [],
        verb: m.card.acted,
        count,
        height: count * headHeight(count),
        colour: look.methods[this.style(i)],
      }));
  }

  /** The head under the pointer: its layer, its number and whether the method acted on it. */
  hoverHead(event) {
    const box = this.$('strip').getBoundingClientRect();
    const y = event.clientY - box.top;
    const line = (this.stripRows || []).find((row) => row.acted && y >= row.y && y < row.y + row.height);
    if (!line || !this.model?.layers) return this.headTip && this.leaveHeads();
    const layer = Math.max(0, Math.min(this.model.layers - 1, Math.floor((event.clientX - box.left) / this.column)));
    const head = Math.min(line.count - 1, Math.floor((y - line.y) / headHeight(line.count)));
    const acted = line.acted[layer]?.includes(head);
    this.headTip = true;
    return this.tip(
      `${line.name}: layer ${layer + 1}, head ${head + 1} ${acted ? line.verb : 'left as it is'}`,
      event.clientX,
      event.clientY,
    );
  }

  leaveHeads() {
    this.headTip = false;
    this.hideTip();
  }

  /** For screen readers: all heads acted on at this token. */
  stripText() {
    const { model, state: s } = this;
    const told = model.methods
      .filter((m) => m.heads?.[s.step])
      .map((m) => ` Heads ${m.card.acted} by ${m.label} at this token: ${headsText(m.heads[s.step])}.`);
    return `Attention maps of every layer.${told.join('')}`;
  }

  // ---- memories --------------------------------------------------------------------------------------------------

  memoryWords() {
    return this.model.methods.filter((m) => this.model.arrays[`memory/${m.key}`]).map(memoryOf).join(' ');
  }

  // ---- contrasts -------------------------------------------------------------------------------------------------

  drawContrast() {
    const { model, state: s } = this;
    const box = this.$('contrast');
    const some = model.methods.map((m, i) => ({ m, i })).filter(({ m }) => m.card?.contrast || m.contrast);
    box.hidden = !some.length;
    const tables = some.map(({ m, i }) => this.contrastTable(m, i, m.contrast?.steps[s.step]));
    const title = el('h2', {}, this.term('span', 'With the picture, and without', 'contrast'));
    const shown = [el('header', { class: 'cv-head' }, title), el('div', {}, ...tables)];
    refill(box, some.length ? shown : []);
  }

  contrastTable(method, index, words) {
    const heads = contrastHeads(method.contrast?.against ?? method.card.contrast);
    const name = el('span', { class: 'cv-name' }, this.sample(index), el('span', { text: method.label }));
    const head = ['Next word', ...heads].map((text) => el('th', { text, scope: 'col' }));
    const waits = this.model.status === 'running' && !method.tokens.length;
    const rows = (words || []).map(([word, ...chances]) =>
      el('tr', {}, el('th', { scope: 'row', text: saidWord(word) }), ...chances.map((chance) => chanceCell(chance))),
    );
    const why = waits ? 'waiting for the first word …' : 'This answer ended before this token.';
    const none = el('td', { colSpan: 4, class: 'cv-quiet', text: why });
    return el(
      'table',
      { 'data-style': String(this.style(index)) },
      el('caption', {}, name),
      el('thead', {}, el('tr', {}, ...head)),
      el('tbody', {}, ...(rows.length ? rows : [el('tr', {}, none)])),
    );
  }
}

/** What a method carries, for people. */
function memoryOf(method) {
  return method.memory === 'words'
    ? `What ${method.label} has kept of where earlier words looked.`
    : `What ${method.label} carries from layer to layer.`;
}

/** A chance as a bar behind its number. */
function chanceCell(chance) {
  const cell = el('td', {}, el('span', { text: percent(chance) }));
  cell.style.setProperty('--p', String(chance));
  return cell;
}
