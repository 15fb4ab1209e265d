// @ts-check
// Every layer in small, one column each: maps, and the heads that a method acted on.

import { drawBetween, gridImage, stopMark, toPixels } from './canvas.js';

const HEAD_ROOM = 96; // pixels that all heads of a layer get in the strip, at most

/** Height of one head's cell in the strip. */
export function headHeight(heads) {
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
export function drawStrip(ctx, spec) {
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
