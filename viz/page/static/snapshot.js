// What the viewer shows as one picture: question, answers, the maps of this layer, the curve. Put together from its
// canvases, so that it is what is seen, in the page's colours and language.

import { el } from '../../viewer/src/dom.js';

const [EDGE, GAP, LINE] = [24, 16, 20]; // pixels around, between maps, of a line of text
const SCALE = 2; // for slides

/** Puts it into the clipboard; rejects where that is not possible. @param {any} app the viewer */
export async function copyPicture(app) {
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture(app) })]);
}

/** Saves it as a file. @param {any} app the viewer */
export async function savePicture(app) {
  const url = URL.createObjectURL(await picture(app));
  el('a', { href: url, download: 'clvs.png' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @returns {Promise<Blob>} */
function picture(app) {
  const sheet = new Sheet(app);
  sheet.draw();
  return new Promise((done, fail) => sheet.canvas.toBlob((blob) => (blob ? done(blob) : fail()), 'image/png'));
}

class Sheet {
  constructor(app) {
    this.app = app;
    this.maps = [...app.root.querySelectorAll('.cv-map')].filter((map) => map.querySelector('canvas').width);
    this.curve = app.root.querySelector('.cv-curve canvas');
    this.look = app.look();
    this.cell = Math.max(200, Math.min(360, this.maps[0]?.querySelector('canvas').clientWidth ?? 0));
    this.wide = Math.max(640, this.maps.length * (this.cell + GAP) - GAP);
    this.canvas = el('canvas', { width: (this.wide + 2 * EDGE) * SCALE });
    this.lines = this.words();
    this.canvas.height =
      (2 * EDGE + LINE * (this.lines.length + 2) + this.mapHeight() + this.curveHeight() + LINE) * SCALE;
    this.ctx = this.canvas.getContext('2d');
  }

  /** The question, where this is, and what each method answered. */
  words() {
    const { model, root } = this.app;
    const shown = (name) => root.querySelector(name)?.textContent.trim() ?? '';
    const answers = model.methods.map(({ label, text, settings }) =>
      [label, text, settings].filter(Boolean).join(' · '),
    );
    return [model.question, `${model.model.label} · ${shown('.cv-context')}`, ...answers];
  }

  mapHeight() {
    const { w, h } = this.app.model.image;
    return LINE + (this.cell * h) / w + LINE + 8;
  }

  curveHeight() {
    return (this.wide * this.curve.clientHeight) / Math.max(1, this.curve.clientWidth);
  }

  draw() {
    const { ctx, look } = this;
    ctx.scale(SCALE, SCALE);
    ctx.fillStyle = look.paper;
    ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
    ctx.textBaseline = 'top';
    let y = EDGE;
    this.lines.forEach((text, i) => {
      const own = i > 1 ? this.app.ink(i - 2) : i ? look.muted : look.ink;
      this.write(text, EDGE, y, own, i ? '13px' : '600 17px');
      y += LINE + (i ? 0 : 4);
    });
    y += LINE / 2;
    this.maps.forEach((map, i) => this.map(map, EDGE + i * (this.cell + GAP), y));
    y += this.mapHeight() + LINE / 2;
    this.write(this.app.root.querySelector('.cv-curve-title').textContent, EDGE, y, look.ink, '600 13px');
    ctx.drawImage(this.curve, EDGE, y + LINE, this.wide, this.curveHeight());
  }

  /** A map with its name above, and its scale below. */
  map(node, x, y) {
    const { w, h } = this.app.model.image;
    const [canvas, bar] = node.querySelectorAll('canvas');
    const high = (this.cell * h) / w;
    const name = [...node.querySelector('figcaption').children].map((part) => part.textContent).join('  ');
    this.write(name, x, y, this.look.ink, '600 13px', this.cell);
    this.ctx.drawImage(canvas, x, y + LINE, this.cell, high);
    if (!bar?.width) return;
    this.ctx.drawImage(bar, x, y + LINE + high + 4, this.cell, 6);
    const [low, middle, top] = [...node.querySelectorAll('.cv-scale span')].map((span) => span.textContent);
    const under = y + LINE + high + 13;
    this.write(low, x, under, this.look.muted, '11px');
    this.write(middle, x + this.cell / 2, under, this.look.muted, '11px', undefined, 'center');
    this.write(top, x + this.cell, under, this.look.muted, '11px', undefined, 'right');
  }

  /** @param {CanvasTextAlign} [align] */
  write(text, x, y, colour, font, wide = this.wide, align = 'left') {
    const { ctx } = this;
    ctx.font = `${font} ${getComputedStyle(this.app.root).fontFamily}`;
    ctx.fillStyle = colour;
    ctx.textAlign = align;
    let shown = text;
    while (shown.length > 1 && ctx.measureText(shown).width > wide) shown = `${shown.slice(0, -2)}…`;
    ctx.fillText(shown, x, y);
  }
}
