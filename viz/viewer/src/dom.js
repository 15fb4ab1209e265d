// @ts-check
// Elements. User text only ever goes through textContent.

/** An element: `text`, `class`, `on…` listeners, other properties and attributes, then children. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key === 'text') node.textContent = value;
    else if (key === 'class') node.className = value;
    else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (typeof value === 'string') node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter(Boolean));
  return node;
}

/** New children for a node; the keyboard's place among its controls is kept. */
export function refill(node, children) {
  const controls = () => [...node.querySelectorAll('button, [tabindex]')];
  const at = controls().indexOf(document.activeElement);
  node.replaceChildren(...children.filter(Boolean));
  if (at >= 0) controls()[at]?.focus({ preventScroll: true });
}

/** Whether the visitor asked for less motion. */
export function calm() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
