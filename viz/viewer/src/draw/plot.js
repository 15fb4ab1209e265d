// @ts-check
// Curves over the layers.

import { t } from '../language.js';
import { STYLES } from '../styles.js';
import { label, labelsWidth, level, marker, stopMark } from './canvas.js';

const TYPE = 12; // pixels high on a usual screen
const [LEAST, AIR] = [40, 12]; // pixels: left of the axes, and between its labels and them

/** Room for an axis and its labels, left of a plot. */
export function axisRoom(ctx, texts) {
  return Math.max(LEAST, Math.ceil(labelsWidth(ctx, texts)) + AIR);
}

/** Axis geometry of a plot: functions from layer and value to pixels. left: room for labels; type: height of its words. */
export function frame(width, height, { layers, high, left }, type) {
  const u = type / TYPE;
  const box = { left, right: width - 12, top: 16 * u, bottom: height - 22 * u };
  const span = layers > 1 ? (box.right - box.left - 16) / (layers - 1) : 0;
  return {
    ...box,
    u,
    x: (layer) => box.left + 8 + layer * span,
    y: (value) => box.bottom - (value / high) * (box.bottom - box.top),
    layer: (px) => Math.max(0, Math.min(layers - 1, Math.round((px - box.left - 8) / (span || 1)))),
  };
}

/** Axes, band, lines and markers; gives the axis geometry, by which the page turns a pointer into a layer. */
export function drawPlot(ctx, width, height, spec) {
  const at = frame(width, height, spec, parseFloat(getComputedStyle(ctx.canvas).fontSize));
  drawAxes(ctx, at, spec);
  if (spec.spans) drawSpans(ctx, at, spec.spans, spec.look);
  if (spec.band) drawBand(ctx, at, spec.band);
  drawFirsts(ctx, at, spec);
  for (const t of spec.thresholds || []) {
    level(ctx, at.left, at.y(t.value), at.right, at.y(t.value), t.colour, [6, 3]);
    const settled = spec.lines.every((line) => (line.values[spec.layers - 1] ?? 0) < t.value * 0.7);
    const early = Math.ceil(spec.layers / 3);
    const clear = spec.lines.every((line) => line.values.slice(0, early).every((v) => v === null || v > t.value * 1.2));
    const [x, y, side] = settled && !clear ? [at.right, -8, 'right'] : [at.left + 4, 8, 'left']; // where the lines are not
    label(ctx, t.text, x, at.y(t.value) + y, t.colour, side, spec.look.paper);
  }
  level(ctx, at.x(spec.cursor), at.top - 4, at.x(spec.cursor), at.bottom, spec.look.ink, []);
  if (spec.hover !== null) level(ctx, at.x(spec.hover), at.top, at.x(spec.hover), at.bottom, spec.look.muted, []);
  if (spec.matters?.length) drawMatters(ctx, at, spec);
  spec.lines.forEach((line) => drawLine(ctx, at, line, spec));
  for (const line of spec.lines) {
    const value = line.stop >= 0 ? line.values[line.stop] : null;
    if (value !== null && value !== undefined)
      stopMark(ctx, at.x(line.stop), at.y(value) - 6, line.colour, spec.look.paper);
  }
  if (spec.spans) {
    const { peak, value, words } = spec.spans;
    const [x, side] = peak < 2 ? [at.x(peak) + 7, 'left'] : [at.x(peak) - 7, 'right']; // beside the cursor's line
    label(
      ctx,
      words.peak,
      x,
      Math.max(at.y(value) - 9 * at.u, at.top + 5 * at.u),
      spec.look.ink,
      side,
      spec.look.paper,
    );
  }
  (spec.remarks || []).forEach(({ text, colour }, i) =>
    label(ctx, text, at.right, at.top + (6 + 15 * i) * at.u, colour, 'right', spec.look.paper),
  );
  return at;
}

/** Where uncertainty is looked at first: a line for each such layer, words at the first of them. */
function drawFirsts(ctx, at, { firsts = [], look }) {
  const layers = [...firsts].sort((a, b) => a - b);
  for (const first of layers) level(ctx, at.x(first), at.top, at.x(first), at.bottom, look.muted, [2, 3]);
  if (!layers.length) return;
  const text = t(layers.length > 1 ? 'first checks' : 'first check');
  const x = at.x(layers[layers.length - 1]);
  if (x <= at.right - 72 * at.u) label(ctx, text, x + 4, at.top + 4 * at.u, look.muted, 'left', look.paper);
  else label(ctx, text, at.x(layers[0]) - 6, at.top + 4 * at.u, look.muted, 'right', look.paper); // no room beside the last
}

/** From the layer that finds to the one that lets go, with both words above. */
function drawSpans(ctx, at, { found, until, gone, words }, look) {
  ctx.fillStyle = look.less;
  ctx.fillRect(at.x(found), at.top, at.x(until) - at.x(found), at.bottom - at.top);
  const y = at.top - 7 * at.u;
  label(ctx, words.finds, at.x(found), y, look.muted, found ? 'center' : 'left');
  if (gone >= 0) label(ctx, words.gone, at.x(gone), y, look.muted, gone < 2 ? 'left' : 'center');
}

/** A bar under the numbers of the layers in which looking matters. */
function drawMatters(ctx, at, { matters, layers, look }) {
  const half = layers > 1 ? (at.x(1) - at.x(0)) / 2 : 8;
  ctx.fillStyle = look.ink;
  for (const layer of matters) ctx.fillRect(at.x(layer) - half, at.bottom + 19 * at.u, 2 * half, 2.5);
}

function drawAxes(ctx, at, spec) {
  for (const value of spec.marks) {
    level(ctx, at.left, at.y(value), at.right, at.y(value), value === 0 ? spec.look.axis : spec.look.line, []);
    label(ctx, spec.format(value), at.left - 6, at.y(value), spec.look.muted, 'right');
  }
  drawLayers(ctx, at, spec);
}

/** The layers' numbers under a plot, from 1, as many as there is room for. */
export function drawLayers(ctx, at, { layers, cursor, look }) {
  const every = [1, 2, 4, 5, 8, 10, 20].find((n) => (layers / n) * 22 * at.u < at.right - at.left) || 40;
  for (let layer = 0; layer < layers; layer++) {
    const shown = every === 1 || layer === 0 || ((layer + 1) % every === 0 && layer > every / 2);
    const colour = layer === cursor ? look.ink : look.muted;
    if (shown) label(ctx, String(layer + 1), at.x(layer), at.bottom + 11 * at.u, colour, 'center');
  }
}

function drawBand(ctx, at, { low, high, more, less }) {
  for (let i = 0; i + 1 < low.length; i++) {
    if ([low[i], low[i + 1], high[i], high[i + 1]].some((v) => v === null)) continue;
    ctx.fillStyle = high[i] + high[i + 1] >= low[i] + low[i + 1] ? more : less;
    ctx.beginPath();
    ctx.moveTo(at.x(i), at.y(low[i]));
    ctx.lineTo(at.x(i + 1), at.y(low[i + 1]));
    ctx.lineTo(at.x(i + 1), at.y(high[i + 1]));
    ctx.lineTo(at.x(i), at.y(high[i]));
    ctx.fill();
  }
}

function drawLine(ctx, at, line, spec) {
  ctx.strokeStyle = line.colour;
  ctx.lineWidth = line.faint ? 1 : 1.8;
  ctx.globalAlpha = line.faint ? (line.dotted ? 0.8 : 0.4) : 1;
  ctx.lineJoin = 'round';
  ctx.setLineDash(line.dotted ? [1, 3] : STYLES[line.index].dash);
  ctx.beginPath();
  let open = false;
  line.values.forEach((value, i) => {
    if (value === null) open = false;
    else if (open) ctx.lineTo(at.x(i), at.y(value));
    else {
      ctx.moveTo(at.x(i), at.y(value));
      open = true;
    }
  });
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  if (line.faint) return;
  const dense = spec.layers > 40;
  line.values.forEach((value, i) => {
    const current = i === spec.cursor;
    if (value !== null && (current || !dense))
      marker(ctx, at.x(i), at.y(value), STYLES[line.index].mark, current ? 4.6 : 3, line.colour, spec.look.paper);
  });
}
