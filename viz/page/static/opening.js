// Whether the page opens at something else than its first example: a link, or a reload of one's own picture. Then nothing
// of that example is seen before. Runs before anything else on the page.

const query = new URLSearchParams(location.search);
const mine = history.state?.own && !query.has('run') ? new URLSearchParams(history.state.again) : null;
if (mine || query.has('scene') || query.has('recording')) {
  window.clvsOpening = (mine ?? query).get('q') ?? '';
  document.documentElement.classList.add('clvs-opening');
}
