// @ts-check
// Light or dark, and the colours to draw with: Gradio and notebooks put `dark` on the body; on its own the viewer follows the
// system.

export class Theme {
  /** changed: called now, and whenever it is the other one. */
  constructor(root, changed) {
    this.root = root;
    this.media = matchMedia('(prefers-color-scheme: dark)');
    this.observer = new MutationObserver(() => this.follow(changed));
    for (const node of [document.documentElement, document.body])
      this.observer.observe(node, { attributes: true, attributeFilter: ['class'] });
    this.media.addEventListener('change', () => this.follow(changed));
    this.follow(changed);
  }

  follow(changed) {
    if (!this.root.isConnected) return this.observer.disconnect();
    const alone = !document.querySelector('.gradio-container, html[data-hosted]');
    const dark = document.querySelector('body.dark, html.dark') || (alone && this.media.matches);
    this.root.dataset.theme = dark ? 'dark' : 'light';
    this.colours = null;
    return changed();
  }

  /** Read once from the styles. */
  look() {
    this.colours ??= this.read();
    return this.colours;
  }

  read() {
    const style = getComputedStyle(this.root);
    const value = (name) => style.getPropertyValue(`--cv-${name}`).trim();
    return {
      ink: value('ink'),
      muted: value('muted'),
      line: value('line'),
      axis: value('axis'),
      paper: value('paper'),
      more: value('more'),
      less: value('less'),
      methods: [0, 1, 2, 3].map((place) => value(`m${place}`)),
      dark: this.root.dataset.theme === 'dark',
    };
  }
}
