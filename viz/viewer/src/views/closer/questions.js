// @ts-check
// Is this one typical? The curves of all bundled questions in small, as the shipped model answers them.

import { arrows, stopAt } from '../../arrows.js';
import { el } from '../../dom.js';
import { prepare } from '../../draw/canvas.js';
import { t } from '../../language.js';
import { STYLES } from '../../styles.js';
import { summarise } from '../../twins.js';
import { share } from '../../words.js';
import { middleHalf } from './half.js';

export class Questions {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.store = viewer.store;
    this.known = null; // what the file holds, once it has come
    this.failed = false;
    this.built = '';
    this.tiles = [];
  }

  /** For the model that the file is about. */
  fits() {
    return !this.known || this.known.model === this.store.model.model.name;
  }

  /** @param {HTMLElement} node */
  draw(node) {
    if (!this.known) {
      const text = this.failed ? t('The curves could not be loaded; try again.') : t('Loading the curves…');
      node.replaceChildren(el('p', { class: 'cv-quiet', role: 'status', text }));
      if (!this.loading) this.load();
      return;
    }
    const key = `${this.viewer.root.dataset.theme} ${node.clientWidth}`;
    if (key !== this.built || !this.tiles.length || !node.contains(this.tiles[0])) this.build(node);
    this.built = key;
    this.mark(node);
  }

  async load() {
    this.loading = true;
    try {
      const answer = await fetch(this.viewer.decays);
      if (!answer.ok) throw new Error(answer.statusText);
      this.known = await answer.json();
    } catch {
      this.failed = true;
    }
    this.loading = !this.failed; // tried again when the panel is opened again
    this.viewer.invalidate('words');
  }

  build(node) {
    const { questions } = this.known;
    const band = middleHalf(questions.map(({ curves }) => curves[0]));
    const high = Math.max(...questions.flatMap(({ curves }) => curves.flat()));
    this.tiles = questions.map((one) => this.tile(one));
    const box = el('div', { class: 'cv-many' }, ...this.tiles);
    arrows(box, () => this.tiles);
    const about = t(
      'Attention on what each of {count} example questions names, layer by layer, all on one scale up to {share}. Grey: the middle half of all. Press one to ask it.',
      { count: questions.length, share: share(high) },
    );
    node.replaceChildren(el('p', { text: about }), el('p', { class: 'cv-typical' }), box);
    this.tiles.forEach((tile, i) => this.paint(tile.firstChild, questions[i].curves, band, high));
    stopAt(this.tiles);
  }

  tile({ scene, question, curves }) {
    const { peak, value } = summarise(curves[0]);
    const facts = { question, share: share(value), layer: peak + 1 };
    return el(
      'button',
      {
        type: 'button',
        'aria-label': t('{question} Peak {share} at layer {layer}.', facts),
        onclick: () => this.store.onEvent('example', { scene, question }),
      },
      el('canvas', { 'aria-hidden': 'true' }),
      el('span', { text: question, translate: 'no' }),
    );
  }

  paint(canvas, curves, band, high) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ctx = prepare(canvas, width, height);
    const look = this.viewer.look();
    const x = (layer) => 2 + (layer / (curves[0].length - 1)) * (width - 4);
    const y = (value) => height - 2 - (value / high) * (height - 4);
    const line = (values) => values.forEach((value, i) => ctx.lineTo(x(i), y(value)));
    ctx.fillStyle = look.line;
    ctx.beginPath();
    line(band.low);
    band.high
      .map((value, i) => [x(i), y(value)])
      .reverse()
      .forEach(([a, b]) => ctx.lineTo(a, b));
    ctx.fill();
    ctx.lineWidth = 1.6;
    curves.forEach((values, place) => {
      ctx.strokeStyle = look.methods[place];
      ctx.setLineDash(STYLES[place].dash);
      ctx.beginPath();
      line(values);
      ctx.stroke();
    });
  }

  /** The question that is shown, and how it compares. */
  mark(node) {
    const { model } = this.store;
    const { questions } = this.known;
    const scene = (one) => new RegExp(`/${one.scene}\\.\\w+$`).test(decodeURIComponent(model.image.url));
    this.tiles.forEach((tile, i) => {
      const here = questions[i].question === model.question && scene(questions[i]);
      if (here) tile.setAttribute('aria-current', 'true');
      else tile.removeAttribute('aria-current');
    });
    const halves = questions.map(({ curves }) => summarise(curves[0]));
    const own = summarise(this.viewer.curves()[model.reference]);
    const earlier = halves.filter(({ half }) => half >= 0 && own && half <= own.half).length;
    const text =
      own && own.half >= 0
        ? t(
            'This question: peak {share} at layer {layer}, half of it gone by layer {half}; in {earlier} of {count} it is gone as early or earlier.',
            { share: share(own.value), layer: own.peak + 1, half: own.half + 1, earlier, count: questions.length },
          )
        : t('This question never lets go of half of its peak; {held} of {count} examples do not either.', {
            held: halves.filter(({ half }) => half < 0).length,
            count: questions.length,
          });
    node.querySelector('.cv-typical').textContent = text;
  }
}
