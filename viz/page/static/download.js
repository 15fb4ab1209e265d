// A value with an address starts a download; the header hears about both outcomes.

import { el } from '../../viewer/src/dom.js';

watch('value', () => {
  const file = props.value;
  if (!file) return;
  window.dispatchEvent(new CustomEvent('clvs-download', { detail: { error: file.error || '' } }));
  if (!file.url) return;
  const link = el('a', { href: file.url, download: file.name });
  document.body.append(link);
  link.click();
  link.remove();
});
