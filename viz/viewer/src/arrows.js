// @ts-check
// Lists by keyboard: Tab stops at one item only, arrows lead to its neighbours, Home and End to the ends.

const ALONG = { ArrowLeft: 'x', ArrowUp: 'y', ArrowRight: 'x', ArrowDown: 'y' };

const pressed = (item) => item.getAttribute('aria-pressed') === 'true';

/** The one item of a list that Tab stops at, the pressed one if none is named; the first where there is no such item. */
export function stopAt(items, item = items.find(pressed)) {
  const stop = items.includes(item) ? item : items[0];
  for (const one of items) one.tabIndex = one === stop ? 0 : -1;
}

/** Where a key leads from a place in a list: another place, which may lie outside, or null. rows: as in `arrows`. */
function leadsTo(key, at, count, along, rows) {
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  if (!ALONG[key] || !along.includes(ALONG[key])) return null;
  const back = key === 'ArrowLeft' || key === 'ArrowUp';
  if (rows === 1) return at + (back ? -1 : 1);
  if (ALONG[key] === 'x') return at + (back ? -rows : rows);
  const row = (at % rows) + (back ? -1 : 1);
  return row >= 0 && row < rows ? at + (back ? -1 : 1) : -1;
}

/**
 * Arrows move among the items of a box.
 * @param {HTMLElement} box hears the keys
 * @param {() => HTMLElement[]} list the items in order, as they are when a key is pressed
 * @param {{ along?: string, rows?: () => number, round?: boolean, go?: (item: HTMLElement) => void }} [how]
 *   along: 'x', 'y' or both; rows: of a grid that is filled column by column; round: from the last on to the first;
 *   go: what happens to the item that a key leads to, if not that it becomes the stop and has the focus
 */
export function arrows(box, list, { along = 'xy', rows = () => 1, round = false, go = null } = {}) {
  box.addEventListener('keydown', (event) => {
    const items = list();
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const to = leadsTo(event.key, at, items.length, along, rows());
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    const item = items[round ? (to + items.length) % items.length : to];
    if (!item) return;
    if (go) return void go(item);
    item.focus();
  });
  box.addEventListener('focusin', (event) => {
    const items = list();
    const item = /** @type {HTMLElement} */ (event.target);
    if (!go && items.includes(item)) stopAt(items, item);
  });
}
