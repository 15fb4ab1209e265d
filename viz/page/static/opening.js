// Whether the page opens at something else than its first example: a link, or a reload of one's own picture. Then nothing
// of that example is seen before. Runs before anything else on the page; PARTS of a link is written before this.

const query = new URLSearchParams(location.search);
const mine = history.state?.own && !query.has('run') ? new URLSearchParams(history.state.again) : null;
const linked = ['scene', 'recording'].some((name) => query.has(name));
window.clvsLinked = linked || (!query.has('run') && PARTS.some((name) => query.has(name)));
if (mine || window.clvsLinked) {
  window.clvsOpening = (mine ?? query).get('q') ?? '';
  document.documentElement.classList.add('clvs-opening');
}
