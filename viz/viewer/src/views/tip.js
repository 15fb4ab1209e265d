// @ts-check
// The tooltip: beside whatever has `data-tip`, or beside the pointer.

export class Tip {
  /** @param {import('../viewer.js').Viewer} viewer */
  constructor(viewer) {
    const { root } = viewer;
    this.frame = root; // which it stays inside
    this.node = viewer.$('tip');
    this.anchor = null; // the element that it is about
    root.addEventListener('focusin', (event) => this.show(event.target.closest('[data-tip]')));
    root.addEventListener('focusout', () => this.anchor && this.hide());
    root.addEventListener('click', (event) => event.target.closest('.cv-term') && this.hide()); // its note says it
    root.addEventListener('pointerover', (event) => {
      if (event.pointerType !== 'touch') this.show(event.target.closest('[data-tip]'));
    });
  }

  show(anchor) {
    if (!anchor || anchor.ariaExpanded === 'true') return this.anchor && this.hide();
    const box = anchor.getBoundingClientRect();
    this.at(anchor.dataset.tip, box.left + box.width / 2, box.bottom, true);
    this.anchor = anchor;
    return undefined;
  }

  /** Near a point of the window, kept inside the viewer; lines after the first are readings. */
  at(text, x, y, below = false) {
    const { node } = this;
    if (!text) return;
    node.textContent = text;
    node.hidden = false;
    this.anchor = null;
    const root = this.frame.getBoundingClientRect();
    const wanted = x - root.left - (below ? node.offsetWidth / 2 : -14);
    const left = Math.max(4, Math.min(root.width - node.offsetWidth - 4, wanted));
    const over = y + node.offsetHeight + 24 > window.innerHeight;
    const top = over ? y - root.top - node.offsetHeight - (below ? 40 : 14) : y - root.top + (below ? 8 : 16);
    node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** Moves it into another frame, of the viewer. */
  within(frame) {
    this.frame = frame;
    this.hide();
  }

  hide() {
    this.node.hidden = true;
    this.anchor = null;
  }
}
