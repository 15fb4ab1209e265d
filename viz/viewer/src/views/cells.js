// @ts-check
// A grid of coloured cells that can be pressed: Tab stops once, arrows lead to the neighbours.

import { el } from '../dom.js';

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * @typedef {{ colour: string, light?: boolean, text: string, tip?: string, mark?: string, off?: boolean }} Cell
 *   colour: as CSS takes it; light: for dark marks; text: said of it; mark: a sign in it; off: there is nothing
 * @param {{ label: string, rows: string[], columns: string[], cell: (row: number, column: number) => Cell,
 *   pick: (row: number, column: number) => void, corner?: string, ends?: Node[], end?: string }} spec
 *   corner: what stands above the rows' names; ends: what stands behind each row, if anything; end: above that
 */
export function cellGrid({ label, rows, columns, cell, pick, corner = '', ends, end = '' }) {
  const cells = rows.map((name, r) =>
    columns.map((_, c) => {
      const { colour, light, text, tip, mark, off } = cell(r, c);
      const node = el('button', {
        type: 'button',
        role: 'gridcell',
        class: 'cv-cell',
        text: mark ?? '',
        tabIndex: -1,
        'aria-label': text,
        'data-tip': tip ?? text,
        'data-light': light ? 'true' : null,
        'aria-disabled': off ? 'true' : null,
        onclick: () => off || pick(r, c),
      });
      node.style.backgroundColor = colour;
      return node;
    }),
  );
  const head = [...columns, ...(ends ? [end] : [])].map((text) => el('span', { role: 'columnheader', text }));
  const node = el(
    'div',
    { class: 'cv-cells', role: 'grid', 'aria-label': label },
    el('div', { role: 'row' }, el('span', { role: 'columnheader', text: corner }), ...head),
    ...rows.map((name, r) =>
      el(
        'div',
        { role: 'row' },
        el('span', { role: 'rowheader', text: name, translate: 'no' }),
        ...cells[r],
        ends?.[r],
      ),
    ),
  );
  node.style.setProperty('--cv-columns', String(columns.length));
  stopAtCell(cells, cells[0]?.[0]);
  node.addEventListener('keydown', (event) => {
    const r = cells.findIndex((row) => row.includes(/** @type {HTMLButtonElement} */ (event.target)));
    const c = cells[r]?.indexOf(/** @type {HTMLButtonElement} */ (event.target)) ?? -1;
    if (c < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const ends = { Home: [r, 0], End: [r, columns.length - 1] }[event.key];
    const step = STEPS[event.key];
    if (!ends && !step) return;
    event.preventDefault();
    event.stopPropagation(); // the layer stays where it is
    const [to, along] = ends ?? [r + step[0], c + step[1]];
    const next = cells[to]?.[along];
    if (!next) return;
    stopAtCell(cells, next);
    next.focus();
  });
  return { node, cells };
}

/** The one cell that Tab stops at. */
export function stopAtCell(cells, stop) {
  for (const cell of cells.flat()) cell.tabIndex = cell === stop ? 0 : -1;
}
