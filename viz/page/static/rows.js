/** How many rows a grid has at the moment. */
export const rowsOf = (grid) => getComputedStyle(grid).gridTemplateRows.split(' ').length;
