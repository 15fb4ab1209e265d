// @ts-check
// A twin of Python like those of twins.js, for a panel alone.

import { percentile } from '../../twins.js';

/** {low, high} by layer: a quarter of the curves lies below, a quarter above, as numpy's percentiles have it. */
export function middleHalf(curves) {
  const at = (q) =>
    curves[0].map((_, layer) =>
      percentile(
        curves.map((values) => values[layer]),
        q,
      ),
    );
  return { low: at(25), high: at(75) };
}
