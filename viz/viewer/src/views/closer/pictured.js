// @ts-check
// Maps of answers other than the page's own, over their pictures.

import { prepare } from '../../draw/canvas.js';
import { drawMap } from '../../draw/map.js';
import { frameOf } from '../../places.js';

/** Pictures by address; the panel is drawn again once one is loaded. */
export class Pictures {
  /** @param {import('../../viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Map<string, HTMLImageElement>} */
    this.known = new Map();
  }

  /**
   * The picture, null while it is not loaded.
   *
   * @param {string} url
   */
  of(url) {
    let picture = this.known.get(url);
    if (!picture) {
      picture = new Image();
      picture.onload = () => this.viewer.invalidate('words');
      picture.src = url;
      this.known.set(url, picture);
    }
    return picture.complete && picture.naturalWidth ? picture : null;
  }

  /**
   * Lets go of all others.
   *
   * @param {string[]} urls
   */
  keep(urls) {
    for (const url of this.known.keys()) if (!urls.includes(url)) this.known.delete(url);
  }
}

/**
 * One map as the page's own are drawn, with the view's outlines, smoothing and crop; nothing where it has no size.
 *
 * @param {import('../../viewer.js').Viewer} viewer
 * @param {{ canvas: HTMLCanvasElement, underlay: import('../../draw/map.js').Underlay, pictures: Pictures, image: any,
 *   views: any, outlines: any[], region: any, values: any, limits: number[] }} map
 * values: attention by visual token, or null; limits: of the scale.
 */
export function drawOver(viewer, { canvas, underlay, pictures, image, views, outlines, region, values, limits }) {
  const { contours, smooth, crop } = viewer.store.state;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const frame = frameOf(image, crop);
  drawMap(prepare(canvas, width, height), width, height, {
    picture: underlay.of(pictures.of(image.url), frame, width, height, viewer.look().dark),
    image,
    frame,
    views,
    outlines: contours ? outlines : [],
    smooth,
    region,
    rings: [],
    values,
    paint: viewer.numbers.painter(limits),
    over: (value) => value > limits[1] * (1 + 1e-6),
  });
}
