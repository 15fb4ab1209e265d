// The table of a run's questions. Texts come from files: textContent only.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const SIGNS = { right: '✓', wrong: '✗', unread: '?', none: '–' };
const MEANINGS = { right: 'right', wrong: 'wrong', unread: 'not read', none: 'no answer yet' };

/** An answer with its sign; with a second one where the parser reads it and a person would not, or not so. */
function cell([answer, mark, odd], label) {
  const sign = (kind, about) => el('b', { class: `rs-${kind}`, text: SIGNS[kind], title: about });
  const second = odd && sign('unread', 'by this parser; a person would not read it so');
  const words = el('span', { class: 'rs-said', text: answer, title: answer, translate: 'no' });
  return el('td', { class: 'rs-cell', 'data-label': label }, sign(mark, MEANINGS[mark]), second, ' ', words);
}

/** The end of a long file name, where names of one folder differ. */
const tail = (name) => (name.length > 18 ? `…${name.slice(-16)}` : name);

/** A question with every method's answer; board: what the server says of the run. */
export function row(question, at, board) {
  const thumb = board.thumbs[question.image];
  const picture = thumb ? el('img', { src: thumb, alt: '' }) : el('span', { class: 'rs-blank' });
  const open = el('button', {
    type: 'button',
    class: 'rs-id',
    text: question.id,
    title: question.id,
    tabIndex: at ? -1 : 0,
    translate: 'no',
    'aria-label': t('Question {id}, open in the explorer', { id: question.id }),
  });
  const cells = question.cells.map((answer, n) => cell(answer, board.methods[n][1]));
  return el(
    'tr',
    { 'data-id': question.id, class: question.id === board.marked ? 'rs-marked' : '' },
    el('td', {}, open),
    el(
      'td',
      { class: 'rs-picture', title: question.image, translate: 'no' },
      picture,
      el('span', { text: tail(question.image) }),
    ),
    el('td', { class: 'rs-question', text: question.text, translate: 'no' }),
    el('td', { class: 'rs-label', 'data-label': 'Label' }, el('span', { text: question.label, translate: 'no' })),
    el(
      'td',
      { class: 'rs-kind', 'data-label': 'Kind' },
      el('span', { text: question.kind, title: question.kind, translate: 'no' }),
    ),
    ...cells,
  );
}

/** The table's head; a long name is told whole by its title. */
export function heads(names) {
  const wide = (name) => (name.length > 60 ? 'rs-endless' : name.length > 14 ? 'rs-long' : '');
  return names.map((name) => el('th', { scope: 'col', title: name, class: wide(name) }, el('span', { text: name })));
}

/** A figure with its downloads. */
export function figure({ name, title, url }) {
  const saves = ['png', 'svg'].map((ending) => {
    const text = ending.toUpperCase();
    const label = t('{title}, {kind}', { title: t(title), kind: text });
    const data = { 'data-save': ending, 'data-name': name, 'aria-label': label };
    return el('button', { type: 'button', text, ...data });
  });
  const link = el('a', { href: url, target: '_blank', rel: 'noopener' }, el('img', { src: url, alt: title }));
  return el('figure', {}, link, el('figcaption', {}, el('span', { text: title }), ...saves));
}
