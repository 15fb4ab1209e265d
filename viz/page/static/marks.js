import { el } from '../../viewer/src/dom.js';

/** An element by tag, class and text; text may come from anybody's file. */
export const make = (tag, name, text = '') => el(tag, { class: name, text, type: tag === 'button' ? 'button' : null });

const PATHS = {
  ring: 'M6 2.6a3.4 3.4 0 1 1 0 6.8a3.4 3.4 0 1 1 0-6.8z',
  dot: 'M6 2.6a3.4 3.4 0 1 1 0 6.8a3.4 3.4 0 1 1 0-6.8z',
  square: 'M2.9 2.9h6.2v6.2h-6.2z',
  diamond: 'M6 1.6l4.4 4.4l-4.4 4.4l-4.4-4.4z',
  plus: 'M6 2.6v6.8M2.6 6h6.8',
};
const SVG = 'http://www.w3.org/2000/svg';

/** The marker of a method's lines, or a plus for one that can be added. */
function mark(kind) {
  const [svg, path] = ['svg', 'path'].map((name) => document.createElementNS(SVG, name));
  const about = { viewBox: '0 0 12 12', 'aria-hidden': 'true', class: `mp-mark mp-mark-${kind}` };
  for (const [name, value] of Object.entries(about)) svg.setAttribute(name, value);
  path.setAttribute('d', PATHS[kind]);
  svg.append(path);
  return svg;
}

/** A node in the colours of a method's style, with its marker; no style: a plus. */
export function dress(node, style) {
  node.style.setProperty('--own-light', style?.colour ?? '');
  node.style.setProperty('--own-dark', style?.dark ?? '');
  node.querySelector('.mp-mark')?.remove();
  node.prepend(mark(style?.mark ?? 'plus'));
  return node;
}
