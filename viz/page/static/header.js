// The page's tools: link, downloads, light or dark. No state of its own beyond the open menu.

import { arrows, stopAt } from '../../viewer/src/arrows.js';
import { calm, el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';
import { aboutModel } from './about.js';
import { folding } from './fold.js';
import { browserKeeps, browserKept } from './keep.js';
import { explorePlace } from './place.js';
import { presenting } from './present.js';
import { ready } from './ready.js';
import { followQuestion } from './stale.js';
import { copyPicture, savePicture } from './snapshot.js';
import { touring } from './tour.js';
import { viewer } from './viewer.js';

const head = element.querySelector('.page-head');
const said = head.querySelector('.page-said');
const menu = head.querySelector('.page-items');
const opener = head.querySelector('[data-do="menu"]');
const languages = head.querySelector('.page-language');
const { clvsLanguage: language } = window;
const spoken = language.code === 'en' ? '' : `lang=${language.code}`; // as a link says it
let hush = 0;

// Each by its own name, for whoever cannot read the page's.
const tongue = ([value, { name, lang }]) => el('option', { value, text: name, lang, translate: 'no' });
languages.replaceChildren(...Object.entries(language.names).map(tongue));
languages.value = language.code;
languages.addEventListener('change', () => language.choose(languages.value));

function say(text) {
  said.textContent = text;
  clearTimeout(hush);
  hush = setTimeout(() => {
    said.textContent = '';
  }, 6000);
}

/** One full trace for each method of the result. Their labels may come from a file: textContent only. */
function listTraces() {
  const row = menu.querySelector('.page-traces');
  const { methods = [], recorded } = viewer()?.model ?? {};
  // a recording has none
  const buttons = (recorded ? [] : methods).map(({ key, label }) =>
    el('button', {
      type: 'button',
      role: 'menuitem',
      'data-kind': `${key}.npz`,
      text: label,
      'aria-label': t('Full traces, .npz, {label}', { label }),
    }),
  );
  row.replaceChildren(row.firstElementChild, ...buttons);
  row.hidden = buttons.length === 0;
}

function open(on) {
  if (on) listTraces();
  menu.hidden = !on;
  opener.setAttribute('aria-expanded', String(on));
  if (on) menu.querySelector('button').focus();
}

// The choice of light or dark outlives a reload, but not an address that says which.
const ofAddress = new URLSearchParams(location.search).has('__theme');
const keptTheme = ofAddress ? null : browserKept('clvs-theme');
if (keptTheme) document.body.classList.toggle('dark', keptTheme === 'dark');
folding(head.querySelector('.page-fold'));
ready();
presenting(head.querySelector('[data-do="present"]'));
aboutModel(element.querySelector('.page-model'), props.value ?? {});
touring([...new URLSearchParams(location.search).keys()].every((name) => name === 'lang'));

// Two views, of which one is shown; the results are asked for when they are looked at for the first time.
const tabs = [...head.querySelectorAll('[data-view]')];
function view(name, focus = false) {
  document.body.classList.toggle('view-results', name === 'results');
  head.dataset.view = name;
  for (const tab of tabs) {
    const on = tab.dataset.view === name;
    tab.setAttribute('aria-selected', String(on));
    if (on) stopAt(tabs, tab);
    if (on && focus) tab.focus();
    const panel = document.getElementById(tab.dataset.view);
    panel?.setAttribute('role', 'tabpanel');
    panel?.setAttribute('aria-labelledby', tab.id);
  }
  document.dispatchEvent(new CustomEvent('clvs-viewed', { detail: name }));
}
const inResults = () => document.body.classList.contains('view-results');
const inAddress = () => new URLSearchParams(location.search).has('run');

// Each has its own address, which says what is chosen.
const theme = new URLSearchParams(location.search).get('__theme');
function themed(query) {
  if (theme) query.set('__theme', theme);
  return String(query) && `?${query}`;
}
const ofResults = () => themed(new URLSearchParams(document.querySelector('#board .rs')?.__address ?? 'run='));
function go(name) {
  const [entry, url] = name === 'results' ? [null, location.pathname + ofResults()] : explorePlace();
  if (name !== head.dataset.view) history.pushState(entry, '', url);
  view(name, true);
}
/** The results as they are now, also where one comes back to them: nothing is asked again. */
function keepAddress() {
  if (inResults() && document.querySelector('#board .rs')?.__address)
    history.replaceState(null, '', location.pathname + ofResults());
}
window.addEventListener('popstate', () => {
  view(inAddress() ? 'results' : 'explore');
  keepAddress();
});
document.addEventListener('clvs-address', keepAddress);
document.addEventListener('clvs-view', (event) => go(event.detail));
view(inAddress() ? 'results' : 'explore');

followQuestion();

function address() {
  if (inResults()) {
    const query = document.querySelector('#board .rs')?.__link;
    return query ? `${location.origin}${location.pathname}?${query}` : null;
  }
  const link = viewer()?.model?.link;
  if (!link) return null;
  const parts = [link, viewer().spelled(), spoken];
  return `${location.origin}${location.pathname}?${parts.filter(Boolean).join('&')}`;
}

async function copy() {
  const url = address();
  if (!url && inResults()) return say('Only runs that the page lists can be linked.');
  if (!url) return say('Only example pictures can be linked: your own picture stays yours.');
  try {
    await navigator.clipboard.writeText(url);
    say('Link copied.');
  } catch {
    window.prompt(t('Copy this link:'), url);
  }
}

/** Over everything that asks, to what was answered; the address stays. */
head.querySelector('.page-skip').addEventListener('click', (event) => {
  const answers = document.querySelector(inResults() ? '#rs-answers' : '#viewer .cv');
  event.preventDefault();
  answers.scrollIntoView({ block: 'start' });
  answers.focus({ preventScroll: true });
});

/** What is seen as a picture in the clipboard, or as a file where the browser keeps pages from it. */
async function takeSnapshot() {
  open(false);
  opener.focus();
  const app = viewer();
  if (!app?.model?.layers) return say(t('There is nothing to copy yet; press Run first.'));
  try {
    await copyPicture(app);
    return say(t('Copied: paste the picture where you need it.'));
  } catch {
    await savePicture(app);
    return say(t('This browser lets no page copy pictures: it is in your downloads.'));
  }
}

head.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.view) go(button.dataset.view);
  else if (button.dataset.kind) {
    open(false);
    opener.focus();
    say(t('Preparing the file…'));
    const view = [viewer()?.spelled(), spoken].filter(Boolean).join('&');
    trigger('export', { kind: button.dataset.kind, view });
  } else if (button.dataset.do === 'menu') open(menu.hidden);
  else if (button.dataset.do === 'copy') copy();
  else if (button.dataset.do === 'snapshot') takeSnapshot();
  else if (button.dataset.do === 'theme')
    browserKeeps('clvs-theme', document.body.classList.toggle('dark') ? 'dark' : 'light');
});
head.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || menu.hidden) return;
  open(false);
  opener.focus();
});
arrows(head.querySelector('.page-views'), () => tabs, { along: 'x', round: true, go: (tab) => go(tab.dataset.view) });
const tools = [...head.querySelectorAll('.page-tools > button, .page-menu > button')];
stopAt(tools);
arrows(head.querySelector('.page-tools'), () => tools, { along: 'x', round: true });
arrows(menu, () => [...menu.querySelectorAll('button')], { along: 'y', round: true });
document.addEventListener('click', (event) => {
  if (!head.contains(event.target) || !event.target.closest('.page-menu')) open(false);
});
// A method or a setting that takes longer than a blink says so.
document.addEventListener('clvs-working', (event) => {
  const before = viewer()?.model;
  setTimeout(() => {
    if (event.detail && before && viewer().model === before) say(event.detail);
  }, 900);
});
// An error stands above the answers, which may have been scrolled away.
new MutationObserver((changes) => {
  const error = document.querySelector('#viewer .cv-error');
  if (error && !error.hidden && changes.some((change) => change.target === error))
    error.scrollIntoView({ block: 'nearest' });
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['hidden'] });
// On a phone the answer stands below the question: whoever asks wants to see it.
document.addEventListener('click', (event) => {
  if (
    window.innerWidth > 900 ||
    !event.target.closest(
      '#go button:first-child, #suggestions button, #examples button, .rd-pictures button, .rd-items button',
    )
  )
    return;
  document.querySelector('#see')?.scrollIntoView({ behavior: calm() ? 'auto' : 'smooth', block: 'start' });
});
window.addEventListener('clvs-download', (event) => say(event.detail.error || 'Done: see your downloads.'));
