// @ts-check
// What a method does: where it acts on a small layer axis, and in words on demand. A paper's address is a link only if
// it begins with http(s).

import { cardParts, CHANGES, doesWords, stageWords } from '../acts.js';
import { el } from '../dom.js';
import { t, translated } from '../language.js';

/** opened: keys of the methods whose card is open. */
export function card(method, depth, opened) {
  const summary = el('summary', {}, axis(method.card, depth), el('span', { class: 'cv-what', text: 'What it does' }));
  const does = el('p', { class: 'cv-does', text: doesWords(method.card, depth) });
  const more = el('div', { class: 'cv-more' }, does, ...cardWords(method));
  const node = el('details', { class: 'cv-card', open: opened.has(method.key) }, summary, more);
  node.addEventListener('toggle', () => opened[node.open ? 'add' : 'delete'](method.key));
  return node;
}

function cardWords({ card: about, settings }) {
  const parts = cardParts(about);
  const several = parts.length > 1;
  const stages = stageWords(about);
  const links = parts.filter(({ paper }) => /^https?:\/\//.test(paper)).map((part) => paperLink(part, several));
  return [
    ...parts.map((part) => el('p', { text: several ? `${part.label}: ${t(part.summary)}` : part.summary })),
    stages && el('p', { class: 'cv-quiet', text: stages }),
    settings && el('p', { class: 'cv-quiet', text: t('Settings: {settings}.', { settings: translated(settings) }) }),
    links.length && el('p', { class: 'cv-papers' }, ...links),
  ];
}

function paperLink(part, several) {
  const about = { label: part.label, host: part.paper.split('/')[2].replace(/^www\./, '') };
  return el('a', {
    href: part.paper,
    target: '_blank',
    rel: 'noopener noreferrer',
    text: several ? t('{label} at {host}', about) : t('Read more at {host}', about),
    'aria-label': several
      ? t('{label} at {host}, opens in a new tab', about)
      : t('Read more at {host}, opens in a new tab', about),
  });
}

/** The layer axis in small: one lane for each method of a combined one; then the words, if their chances change. */
function axis(about, depth) {
  const parts = cardParts(about);
  const edits = parts.filter((part) => CHANGES[part.stage]);
  const lanes = (edits.length ? edits : parts.slice(0, 1)).map(({ layers }) => {
    const bar = el('b');
    if (layers && depth) {
      bar.style.left = `${(100 * layers[0]) / depth}%`;
      bar.style.width = `${(100 * (layers[1] + 1 - layers[0])) / depth}%`;
    }
    return el('i', {}, bar);
  });
  const chances = parts.some((part) => part.contrast || part.stage === 'logits');
  return el(
    'span',
    { class: 'cv-axis', 'aria-hidden': 'true' },
    el('small', { text: depth ? '1' : '' }),
    el('span', {}, ...lanes, el('u')),
    el('small', { text: depth ? String(depth) : '' }),
    el('em', { class: chances ? 'on' : '', text: 'word' }),
  );
}
