// @ts-check
// The panels of "Look closer", from the viewer's second script: a page with a server fetches it when one is opened first,
// an exported page holds it from the start.

import { el } from './dom.js';
import { t } from './language.js';

export class Fetched {
  /** @param {import('./viewer.js').Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.made = null;
    this.state = ''; // loading or failed
  }

  /** The panels by name, once the script is here: `draw(node)` of each, and `fits()` of one that knows better. */
  get panels() {
    this.made ??= /** @type {any} */ (globalThis).__clvsPanelsOf?.(this.viewer) ?? null;
    return this.made;
  }

  load() {
    const settled = () => {
      script.remove();
      this.state = this.panels ? '' : 'failed';
      this.viewer.invalidate('words');
    };
    const script = el('script', { src: this.viewer.second, onload: settled, onerror: settled });
    this.state = 'loading';
    document.head.append(script);
  }

  /** What a panel says instead, which asks for the script. again: what happens when it is to be asked for again. */
  draw(node, again) {
    if (!this.state) this.load();
    const failed = this.state === 'failed';
    const text = failed ? t('The panel could not be loaded.') : t('Loading the panel…');
    if (node.textContent.startsWith(text)) return;
    const retry = () => {
      this.load();
      again();
    };
    const button = failed && el('button', { type: 'button', text: t('Try again'), onclick: retry });
    node.replaceChildren(el('p', { class: 'cv-quiet', role: 'status', text }), button || '');
  }
}
