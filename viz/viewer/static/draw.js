// Numbers to pixels: heat maps over the picture, the decay strip, curves. Canvas only, no state of its own.

const RING = '#9dff57'; // of sink tokens: in none of the colour maps
const SAMPLE = 34; // pixels, enough to show every dash on both sides of the marker
const HEAD_ROOM = 96; // pixels that all heads of a layer get in the strip, at most

/** Sizes the backing store to the canvas's box in device pixels; returns a context in CSS pixels. */
function prepare(canvas, width, height) {
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

function gridImage(view, values, paint) {
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
function toPixels(ctx) {
  const ratio = ctx.getTransform().a;
  return (v) => Math.round(v * ratio) / ratio;
}

function drawBetween(ctx, image, x0, y0, x1, y1) {
  ctx.drawImage(image, x0, y0, x1 - x0, y1 - y0);
}

/** A picture for under the maps: its colours muted, so that the heat is what stands out. */
function mutedPicture(picture, width, height, dark) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const ctx = canvas.getContext('2d');
  ctx.drawImage(picture, 0, 0, canvas.width, canvas.height);
  ctx.globalCompositeOperation = 'saturation';
  ctx.fillStyle = 'rgba(128,128,128,.6)';
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.globalCompositeOperation = 'source-over';
  ctx.fillStyle = dark ? 'rgba(12,12,18,.34)' : 'rgba(18,18,26,.16)';
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

/** One heat map. `spec`: {picture, image, views, values, paint, over, smooth, outlines, rings, region, hover}; pixels
 * of the picture are scaled to the box; `over(value)` marks weights beyond the scale; tokens in `rings` get one. */
function drawMap(ctx, width, height, spec) {
  const sx = width / spec.image.w;
  const sy = height / spec.image.h;
  if (spec.picture) ctx.drawImage(spec.picture, 0, 0, width, height);
  const snap = toPixels(ctx);
  if (spec.values) {
    ctx.imageSmoothingEnabled = spec.smooth;
    ctx.imageSmoothingQuality = 'high';
    for (const view of spec.views) {
      const [x0, y0, x1, y1] = view.region;
      const grid = gridImage(view, spec.values, spec.paint);
      drawBetween(ctx, grid, snap(x0 * sx), snap(y0 * sy), snap(x1 * sx), snap(y1 * sy));
      if (!spec.smooth) markClipped(ctx, view, spec, sx, sy);
    }
  }
  shadeUnseen(ctx, spec.image, width, height, sx, sy);
  for (const line of spec.outlines) outline(ctx, line, sx, sy, 'rgba(255,255,255,.95)', []);
  for (const token of spec.rings) drawRing(ctx, token, spec.views, sx, sy);
  if (spec.region) outline(ctx, regionLine(spec.region), sx, sy, spec.regionColour, [5, 3]);
  if (spec.hover) drawPatch(ctx, spec.hover, sx, sy);
}

function markClipped(ctx, view, spec, sx, sy) {
  const [x0, y0, x1, y1] = view.region;
  const w = ((x1 - x0) / view.cols) * sx;
  const h = ((y1 - y0) / view.rows) * sy;
  const side = Math.min(7, w * 0.35, h * 0.35);
  ctx.fillStyle = '#fff';
  for (let r = 0; r < view.rows; r++) {
    for (let c = 0; c < view.cols; c++) {
      if (!spec.over(spec.values[view.start + r * view.stride + c])) continue;
      const x = x0 * sx + (c + 1) * w;
      const y = y0 * sy + r * h;
      ctx.beginPath();
      ctx.moveTo(x - side, y);
      ctx.lineTo(x, y);
      ctx.lineTo(x, y + side);
      ctx.fill();
    }
  }
}

function shadeUnseen(ctx, image, width, height, sx, sy) {
  const [x0, y0, x1, y1] = image.seen;
  if (x0 <= 0.5 && y0 <= 0.5 && x1 >= image.w - 0.5 && y1 >= image.h - 0.5) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, 0, width, height);
  ctx.rect(x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
  ctx.clip('evenodd');
  ctx.fillStyle = 'rgba(120,122,132,.72)';
  ctx.fillRect(0, 0, width, height);
  ctx.strokeStyle = 'rgba(255,255,255,.4)';
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = -height; x < width; x += 9) {
    ctx.moveTo(x, height);
    ctx.lineTo(x + height, 0);
  }
  ctx.stroke();
  ctx.restore();
}

function outline(ctx, points, sx, sy, stroke, dash) {
  if (points.length < 2) return;
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x * sx, y * sy) : ctx.moveTo(x * sx, y * sy)));
  ctx.lineJoin = 'round';
  ctx.setLineDash([]);
  ctx.lineWidth = 3;
  ctx.strokeStyle = 'rgba(0,0,0,.45)';
  ctx.stroke();
  ctx.setLineDash(dash);
  ctx.lineWidth = 1.4;
  ctx.strokeStyle = stroke;
  ctx.stroke();
  ctx.setLineDash([]);
}

function regionLine({ box, polygon }) {
  if (!box) return [...polygon, polygon[0]];
  const [a, b, c, d] = box;
  return [
    [a, b],
    [c, b],
    [c, d],
    [a, d],
    [a, b],
  ];
}

function drawPatch(ctx, { row: r, col: c, view }, sx, sy) {
  const [x0, y0, x1, y1] = view.region;
  const w = ((x1 - x0) / view.cols) * sx;
  const h = ((y1 - y0) / view.rows) * sy;
  ctx.lineWidth = 3.5;
  ctx.strokeStyle = 'rgba(0,0,0,.75)';
  ctx.strokeRect(x0 * sx + c * w, y0 * sy + r * h, w, h);
  ctx.lineWidth = 1.6;
  ctx.strokeStyle = '#fff';
  ctx.strokeRect(x0 * sx + c * w, y0 * sy + r * h, w, h);
}

/** A ring on a visual token, if one of the grids on the map has it. */
function drawRing(ctx, token, views, sx, sy) {
  const view = views.find((v) => token >= v.start && token < v.start + v.rows * v.stride);
  const col = view && (token - view.start) % view.stride;
  if (!view || col >= view.cols) return;
  const [x0, y0, x1, y1] = view.region;
  const w = ((x1 - x0) / view.cols) * sx;
  const h = ((y1 - y0) / view.rows) * sy;
  const x = x0 * sx + (col + 0.5) * w;
  const y = y0 * sy + (Math.floor((token - view.start) / view.stride) + 0.5) * h;
  const r = Math.max(2.5, Math.min(w, h) * 0.32);
  for (const [width, stroke] of [
    [Math.min(4, r * 1.1), 'rgba(0,0,0,.7)'],
    [Math.min(1.8, r * 0.5), RING],
  ]) {
    ctx.beginPath();
    ctx.arc(x, y, r, 0, 2 * Math.PI);
    ctx.lineWidth = width;
    ctx.strokeStyle = stroke;
    ctx.stroke();
  }
}

/** Height of one head's cell in the strip. */
function headHeight(heads) {
  return Math.max(2, Math.min(8, HEAD_ROOM / heads));
}

/** Heads by layers: `line` is {acted: [layer][..] heads, count, colour, acts}; the acted ones are filled. */
function drawHeads(ctx, line, y, spec) {
  const { column, cell } = spec;
  const h = headHeight(line.count);
  const gap = h > 4 ? 1 : 0.5;
  for (let layer = 0; layer < spec.layers; layer++) {
    const acted = new Set(line.acted[layer]);
    const x = layer * column + (column - cell.w) / 2;
    for (let head = 0; head < line.count; head++) {
      ctx.fillStyle = acted.has(head) ? line.colour : spec.faint;
      ctx.fillRect(x, y + head * h, cell.w, h - gap);
    }
  }
}

/** A line below a row of thumbnails, from the first layer to the last in which the method acts. */
function drawActs(ctx, line, y, spec) {
  const { column, cell } = spec;
  ctx.fillStyle = line.colour;
  for (const [first, last] of line.acts) {
    ctx.fillRect(first * column + (column - cell.w) / 2, y, (last - first) * column + cell.w, 2);
  }
}

/** What the model sees, one column for each layer: `rows` of {y, layers, paint, stop, colour, empty, acts} are
 * thumbnails, rows with `acted` heads by layers. */
function drawStrip(ctx, spec) {
  const { image, views, rows, column, cell, dark } = spec;
  const [left, over, right, under] = image.seen;
  const sx = cell.w / (right - left);
  const sy = cell.h / (under - over);
  const snap = toPixels(ctx);
  rows.forEach((line) => {
    const { y } = line;
    if (line.acted) {
      drawHeads(ctx, line, y, spec);
      return;
    }
    drawActs(ctx, line, y + cell.h + 2, spec);
    line.layers.forEach((values, i) => {
      const x = i * column + (column - cell.w) / 2;
      ctx.save();
      ctx.beginPath();
      ctx.roundRect(x, y, cell.w, cell.h, Math.min(3, cell.w / 8));
      ctx.clip();
      ctx.fillStyle = values ? line.empty : dark ? '#24262e' : '#e8e8ec';
      ctx.fillRect(x, y, cell.w, cell.h);
      ctx.imageSmoothingEnabled = spec.smooth;
      if (values) {
        for (const view of views) {
          const [x0, y0, x1, y1] = view.region;
          const grid = gridImage(view, values, line.paint(i));
          const [a, b] = [snap(x + (x0 - left) * sx), snap(x + (x1 - left) * sx)];
          drawBetween(ctx, grid, a, snap(y + (y0 - over) * sy), b, snap(y + (y1 - over) * sy));
        }
      }
      ctx.restore();
      if (line.stop === i) stopMark(ctx, x + cell.w / 2, y - 1, line.colour, spec.paper);
    });
  });
}

/** The ▼ of the layer after which smoothing stopped; its tip is at (x, y). */
function stopMark(ctx, x, y, fill, halo) {
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

/** Axis geometry of a plot of `layers` points: functions from layer and value to pixels. */
function frame(width, height, layers, high) {
  const box = { left: 38, right: width - 12, top: 16, bottom: height - 22 };
  const span = layers > 1 ? (box.right - box.left - 16) / (layers - 1) : 0;
  return {
    ...box,
    x: (layer) => box.left + 8 + layer * span,
    y: (value) => box.bottom - (value / high) * (box.bottom - box.top),
    layer: (px) => Math.max(0, Math.min(layers - 1, Math.round((px - box.left - 8) / (span || 1)))),
  };
}

/** Axes, band, lines and markers; gives the axis geometry, by which the page turns a pointer into a layer. */
function drawPlot(ctx, width, height, spec) {
  const at = frame(width, height, spec.layers, spec.high);
  drawAxes(ctx, at, spec);
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
  spec.lines.forEach((line) => drawLine(ctx, at, line, spec));
  for (const line of spec.lines) {
    const value = line.stop >= 0 ? line.values[line.stop] : null;
    if (value !== null && value !== undefined)
      stopMark(ctx, at.x(line.stop), at.y(value) - 6, line.colour, spec.look.paper);
  }
  return at;
}

/** Where uncertainty is looked at first: a line for each such layer, words at the first of them. */
function drawFirsts(ctx, at, { firsts = [], look }) {
  const layers = [...firsts].sort((a, b) => a - b);
  for (const first of layers) level(ctx, at.x(first), at.top, at.x(first), at.bottom, look.muted, [2, 3]);
  if (!layers.length) return;
  const text = layers.length > 1 ? 'first checks' : 'first check';
  const x = at.x(layers[layers.length - 1]);
  if (x <= at.right - 66) label(ctx, text, x + 4, at.top + 4, look.muted, 'left', look.paper);
  else label(ctx, text, at.x(layers[0]) - 6, at.top + 4, look.muted, 'right', look.paper); // no room beside the last
}

function drawAxes(ctx, at, spec) {
  for (const value of spec.marks) {
    level(ctx, at.left, at.y(value), at.right, at.y(value), value === 0 ? spec.look.axis : spec.look.line, []);
    label(ctx, spec.format(value), at.left - 6, at.y(value), spec.look.muted, 'right');
  }
  const every = [1, 2, 4, 5, 8, 10, 20].find((n) => (spec.layers / n) * 26 < at.right - at.left) || 40;
  for (let layer = 0; layer < spec.layers; layer++) {
    const shown = every === 1 || layer === 0 || ((layer + 1) % every === 0 && layer > every / 2);
    if (shown)
      label(
        ctx,
        String(layer + 1),
        at.x(layer),
        at.bottom + 11,
        layer === spec.cursor ? spec.look.ink : spec.look.muted,
        'center',
      );
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
  ctx.lineWidth = 1.8;
  ctx.lineJoin = 'round';
  ctx.setLineDash(CLVS_STYLES[line.index].dash);
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
  const dense = spec.layers > 40;
  line.values.forEach((value, i) => {
    const current = i === spec.cursor;
    if (value !== null && (current || !dense))
      marker(ctx, at.x(i), at.y(value), CLVS_STYLES[line.index].mark, current ? 4.6 : 3, line.colour, spec.look.paper);
  });
}

function marker(ctx, x, y, shape, r, colour, paper) {
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

function level(ctx, x0, y0, x1, y1, stroke, dash) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.lineWidth = 1;
  ctx.strokeStyle = stroke;
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

function label(ctx, text, x, y, fill, align, halo) {
  ctx.font = `11px ${getComputedStyle(ctx.canvas).fontFamily}`;
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
function drawSample(canvas, index, colour, paper) {
  const ctx = prepare(canvas, SAMPLE, 12);
  ctx.setLineDash(CLVS_STYLES[index].dash);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(0, 6);
  ctx.lineTo(SAMPLE, 6);
  ctx.stroke();
  ctx.setLineDash([]);
  marker(ctx, SAMPLE / 2, 6, CLVS_STYLES[index].mark, 3.6, colour, paper);
}

/** A method's marker alone, beside its rows in the strip. */
function drawMark(canvas, index, colour, paper) {
  marker(prepare(canvas, 11, 11), 5.5, 5.5, CLVS_STYLES[index].mark, 3.4, colour, paper);
}

/** A colour bar of the painted scale, opaque, from low to high. */
function drawBar(ctx, width, height, paint) {
  for (let x = 0; x < width; x++) {
    const [r, g, b] = paint(x / Math.max(1, width - 1));
    ctx.fillStyle = `rgb(${r},${g},${b})`;
    ctx.fillRect(x, 0, 1.5, height);
  }
}
