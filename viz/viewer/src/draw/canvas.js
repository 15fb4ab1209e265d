// @ts-check
// What every drawing needs: canvases in device pixels, grids, markers, lines, words. No state of its own.

import { STYLES } from '../styles.js';

const SAMPLE = 34; // pixels, enough to show every dash on both sides of the marker

/** Sizes the backing store to the canvas's box in device pixels; returns a context in CSS pixels. */
export function prepare(canvas, width, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const ctx = canvas.getContext('2d');
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

const scratch = new Map(); // one small canvas for each grid size

export function gridImage(view, values, paint) {
  const key = `${view.cols}x${view.rows}`;
  if (!scratch.has(key)) {
    const canvas = document.createElement('canvas');
    canvas.width = view.cols;
    canvas.height = view.rows;
    const ctx = canvas.getContext('2d');
    scratch.set(key, { canvas, ctx, image: ctx.createImageData(view.cols, view.rows) });
  }
  const { canvas, ctx, image } = scratch.get(key);
  for (let r = 0, at = 0; r < view.rows; r++) {
    for (let c = 0; c < view.cols; c++, at += 4) image.data.set(paint(values[view.start + r * view.stride + c]), at);
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

/** Rounds to device pixels: neighbouring tiles then share an edge instead of two half-transparent ones. */
export function toPixels(ctx) {
  const ratio = ctx.getTransform().a;
  return (v) => Math.round(v * ratio) / ratio;
}

export function drawBetween(ctx, image, x0, y0, x1, y1) {
  ctx.drawImage(image, x0, y0, x1 - x0, y1 - y0);
}

/** The ▼ of the layer after which smoothing stopped; its tip is at (x, y). */
export function stopMark(ctx, x, y, fill, halo) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x - 5.5, y - 9);
  ctx.lineTo(x + 5.5, y - 9);
  ctx.closePath();
  ctx.lineWidth = 2.5;
  ctx.strokeStyle = halo;
  ctx.stroke();
  ctx.fillStyle = fill;
  ctx.fill();
}

export function marker(ctx, x, y, shape, r, colour, paper) {
  ctx.beginPath();
  if (shape === 'square') ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (shape === 'diamond')
    [
      [0, -1],
      [1, 0],
      [0, 1],
      [-1, 0],
      [0, -1],
    ].forEach(([a, b]) => ctx.lineTo(x + a * r * 1.3, y + b * r * 1.3));
  else ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.lineWidth = 1.6;
  ctx.fillStyle = shape === 'ring' ? paper : colour;
  ctx.strokeStyle = shape === 'ring' ? colour : paper;
  ctx.fill();
  ctx.stroke();
}

export function level(ctx, x0, y0, x1, y1, stroke, dash) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.lineWidth = 1;
  ctx.strokeStyle = stroke;
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

function font(ctx) {
  const { fontSize, fontFamily } = getComputedStyle(ctx.canvas);
  return `${fontSize} ${fontFamily}`;
}

/** Pixels that the widest of some labels takes. */
export function labelsWidth(ctx, texts) {
  ctx.font = font(ctx);
  return Math.max(0, ...texts.map((text) => ctx.measureText(text).width));
}

export function label(ctx, text, x, y, fill, align, halo) {
  ctx.font = font(ctx);
  ctx.fillStyle = fill;
  ctx.textAlign = align;
  ctx.textBaseline = 'middle';
  if (halo) {
    ctx.lineWidth = 3;
    ctx.lineJoin = 'round';
    ctx.strokeStyle = halo;
    ctx.strokeText(text, x, y);
  }
  ctx.fillText(text, x, y);
}

/** The sample of a method's line for headings: dash and marker, as an image that needs no alternative text. */
export function drawSample(canvas, index, colour, paper) {
  const ctx = prepare(canvas, SAMPLE, 12);
  ctx.setLineDash(STYLES[index].dash);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(0, 6);
  ctx.lineTo(SAMPLE, 6);
  ctx.stroke();
  ctx.setLineDash([]);
  marker(ctx, SAMPLE / 2, 6, STYLES[index].mark, 3.6, colour, paper);
}

/** A method's marker alone, beside its rows in the strip. */
export function drawMark(canvas, index, colour, paper) {
  marker(prepare(canvas, 11, 11), 5.5, 5.5, STYLES[index].mark, 3.4, colour, paper);
}

/** A colour bar of the painted scale, opaque, from low to high. */
export function drawBar(ctx, width, height, paint) {
  for (let x = 0; x < width; x++) {
    const [r, g, b] = paint(x / Math.max(1, width - 1));
    ctx.fillStyle = `rgb(${r},${g},${b})`;
    ctx.fillRect(x, 0, 1.5, height);
  }
}
