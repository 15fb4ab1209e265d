// Under the question: words that the model does not know, underlined as they are typed, and, for a model that knows few
// words, a builder of questions out of those. What is asked is the visitor's: textContent only.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';
import { asTyped, built, marked } from './wording.js';

const PAUSE = 300; // milliseconds without a key, after which words are looked up
const box = element.querySelector('.vb');
const said = box.querySelector('.vb-unknown');
const more = box.querySelector('.vb-more');
const objects = box.querySelector('.vb-objects');
const field = () => document.querySelector('#question textarea');
const mirror = el('div', { class: 'vb-mirror', 'aria-hidden': 'true', translate: 'no' });
const { vocabularies, model: first } = props.value;
const chosen = { form: 0, object: 0, other: 1, colour: 0, relation: 0 };
let unknown = []; // [word, the nearest known one or ""]
let model = first;
let words = null; // of the model on the page, null where it knows any

// ---- unknown words -------------------------------------------------------------------------------------------------

/** The question once more, over itself: invisible but for the lines under what is unknown. */
function underline() {
  const input = field();
  if (!input) return;
  if (mirror.parentElement !== input.parentElement) {
    input.parentElement.style.position = 'relative';
    input.after(mirror);
  }
  const style = getComputedStyle(input);
  for (const name of ['font', 'letterSpacing', 'padding', 'borderWidth', 'textAlign']) mirror.style[name] = style[name];
  const { offsetLeft: left, offsetTop: top, offsetWidth: width, offsetHeight: height } = input;
  for (const [name, value] of Object.entries({ left, top, width, height })) mirror.style[name] = `${value}px`;
  const parts = marked(
    input.value,
    unknown.map(([word]) => word),
  );
  mirror.replaceChildren(...parts.map(([text, odd]) => el(odd ? 'u' : 'span', { text })));
  mirror.scrollTop = input.scrollTop;
}

/** What is unknown, in words, with a button for each that has a near one. */
function tellUnknown() {
  const here = unknown.filter(([word]) => marked(field()?.value ?? '', [word]).some(([, odd]) => odd));
  if (!here.length) return said.replaceChildren();
  const names = el('b', { translate: 'no', text: here.map(([word]) => word).join(', ') });
  const near = here.filter(([, known]) => known).map(([word, known]) => instead(word, known));
  return said.replaceChildren(el('span', { text: t('The model does not know:') }), ' ', names, ' ', ...near);
}

function instead(word, known) {
  const onclick = () => write(field().value.replace(word, () => known));
  const about = t('Write “{known}” instead of “{word}”', { word, known });
  return el('button', { type: 'button', 'aria-label': about, text: `${word} → ${known}`, onclick });
}

let typing = 0;
function typed() {
  underline();
  tellUnknown();
  clearTimeout(typing);
  typing = setTimeout(() => trigger('check', { text: field()?.value ?? '', model }), PAUSE);
}

/** Puts a question into its field, as if it had been typed. */
function write(text) {
  asTyped(field(), text);
  field().focus();
}

// ---- the builder ---------------------------------------------------------------------------------------------------

function choice(name, label, texts) {
  const options = texts.map((text, i) => el('option', { value: String(i), text, selected: i === chosen[name] }));
  const onchange = ({ target }) => {
    chosen[name] = Number(target.value);
    ask();
  };
  return el('select', { 'aria-label': label, translate: 'no', 'data-choice': name, onchange }, ...options);
}

/** The question that is chosen, and the choices that its form has. */
function ask() {
  asTyped(field(), built(words, chosen));
  drawChoices();
}

function drawChoices() {
  const { forms, colours, relations } = words;
  const form = forms[chosen.form];
  const shown = forms.map((text) => text.replace(/\{\w+\}( \{object\})?/g, '…'));
  const at = document.activeElement?.getAttribute('data-choice');
  const choices = [
    choice('form', t('Kind of question'), shown),
    form.includes('colour}') && choice('colour', t('Colour'), colours),
    form.includes('{relation}') && choice('relation', t('Where'), relations),
    form.includes('{other}') && choice('other', t('The other object'), Object.keys(words.objects)),
  ];
  box.querySelector('.vb-row').replaceChildren(...choices.filter(Boolean));
  if (at) box.querySelector(`[data-choice="${at}"]`)?.focus();
  objects.hidden = !/object|plural/.test(form);
  [...objects.children].forEach((chip, i) => chip.setAttribute('aria-pressed', String(i === chosen.object)));
}

function drawObjects() {
  const chips = Object.keys(words.objects).map((text, i) => {
    const onclick = () => {
      chosen.object = i;
      ask();
    };
    return el('button', { type: 'button', text, onclick });
  });
  objects.replaceChildren(...chips);
  stopAt(chips, chips[0]);
}

/** The model on the page is another one. */
function showModel(name) {
  if (name === model && words) return;
  model = name;
  words = vocabularies[name] ?? null;
  more.hidden = !words;
  if (!words) return;
  const count = { objects: Object.keys(words.objects).length, colours: words.colours.length };
  const about = t(
    'It knows {objects} drawn objects and {colours} colours. A click writes the question; Run asks it.',
    count,
  );
  box.querySelector('.vb-about').textContent = about;
  drawObjects();
  drawChoices();
}

arrows(objects, () => [...objects.children]);
document.addEventListener('clvs-model', (event) => showModel(event.detail));
document.addEventListener('input', (event) => {
  if (event.target === field()) typed();
});
document.addEventListener('clvs-shown', () => {
  if (field()?.value !== props.value?.text) typed(); // a question came from elsewhere
});
new ResizeObserver(underline).observe(element);
watch('value', () => {
  if (props.value.text !== field()?.value) return; // more has been typed since
  unknown = props.value.unknown;
  underline();
  tellUnknown();
});
showModel(first);
