// Which language the page speaks: before anything else on it runs. LANGUAGES is written before this.
// A link says it, or else what was chosen here before, or else the browser.

import { speak } from '../../viewer/src/language.js';

const codes = Object.keys(LANGUAGES);
const KEPT = 'clvs-language';

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // private window: the address keeps it
  }
}

/** "zh" of "zh-Hans-CN", where there is such a language. */
const known = (tag) => codes.find((code) => code === tag?.toLowerCase().split('-')[0]);
const wished = [new URLSearchParams(location.search).get('lang'), kept(), ...navigator.languages, 'en'];
const language = wished.map(known).find(Boolean);

/** Takes another language: the page is made anew in it. */
function choose(code) {
  const address = new URL(location.href);
  try {
    localStorage.setItem(KEPT, code);
    address.searchParams.delete('lang');
  } catch {
    address.searchParams.set('lang', code);
  }
  if (address.href === location.href) location.reload();
  else location.replace(address);
}

/** Whatever else sets it: a screen reader chooses its voice by this. */
function sayLanguage() {
  const { lang } = LANGUAGES[language];
  if (document.documentElement.lang !== lang) document.documentElement.lang = lang;
}

window.clvsLanguage = { code: language, names: LANGUAGES, choose };
sayLanguage();
new MutationObserver(sayLanguage).observe(document.documentElement, { attributeFilter: ['lang'] });
if (LANGUAGES[language].url) {
  const request = new XMLHttpRequest();
  request.open('GET', LANGUAGES[language].url, false); // nothing may be said before the words are there
  request.send();
  const { texts, sentences } = request.status === 200 ? JSON.parse(request.responseText) : {};
  const joined = (parts) => Object.assign({}, ...Object.values(parts));
  if (texts) window.clvsWords = { texts: joined(texts), sentences: joined(sentences) };
}
speak(document.documentElement);
