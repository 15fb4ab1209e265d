// @ts-check
// Text in the language of the page. English is the key of every dictionary (viz/languages), so what has no translation
// stays English. What is put together is asked for with `t`; all other text is translated where it stands, by `speak`,
// also what comes from Python and from Gradio. User text is inside translate="no".

const TEXT_HOLE = /\{(\w+)\}/g;
const ATTRIBUTES = [
  'alt',
  'aria-description',
  'aria-label',
  'aria-valuetext',
  'data-label',
  'data-tip',
  'label',
  'placeholder',
  'title',
];
const UNTOUCHED = '[translate="no"], code, pre, script, style, textarea, noscript';
const MARKS = [' · ', '; ', ': ', ', ']; // between texts that are listed, the widest first
const REMEMBERED = 4000; // texts to remember; the numbers of a scrub would fill any room

/** @type {Map<string, string>} texts that were looked for, and translations, which are not looked for again */
const translations = new Map();
/** @type {{shape: RegExp, names: string[], text: string}[]} the dictionary's sentences, the longest first */
let sentenceShapes = null;

/**
 * The page's dictionary, English text with {holes} to its translation: `texts`, and `sentences` that come filled in. None
 * on an English page.
 */
const dictionary = () => /** @type {any} */ (globalThis).clvsWords ?? { texts: {}, sentences: {} };
const partWith = (text) => Object.values(dictionary()).find((part) => Object.hasOwn(part, text));

function remember(text, said) {
  if (translations.size > REMEMBERED) translations.clear();
  translations.set(text, said);
  return said;
}

const filled = (text, values) => text.replace(TEXT_HOLE, (hole, name) => String(values[name] ?? hole));

/**
 * A text with its holes filled: t('Layer {layer} of {layers}', { layer: 3, layers: 12 }).
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values = {}) {
  const part = partWith(text);
  const said = filled(part ? part[text] : text, values);
  return part ? remember(said, said) : said;
}

/** A text as a pattern, whose holes match anything. */
function shapeOf(text) {
  const parts = text.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const names = [...text.matchAll(TEXT_HOLE)].map(([, name]) => name);
  return { shape: new RegExp(`^${parts.join('(.+?)')}$`, 's'), names, text };
}

/** A text that is there already, whoever wrote it, in the language of the page: found whole, or by its shape. */
export function translated(text) {
  const part = partWith(text);
  if (part) return part[text];
  if (translations.has(text)) return translations.get(text);
  if (!/\p{L}{2}/u.test(text)) return text;
  sentenceShapes ??= Object.keys(dictionary().sentences)
    .sort((a, b) => b.length - a.length)
    .map(shapeOf);
  for (const { shape, names, text: key } of sentenceShapes) {
    const match = shape.exec(text);
    if (!match) continue;
    const values = names.map((name, i) => [name, translated(match[i + 1])]);
    return remember(text, t(key, Object.fromEntries(values)));
  }
  return remember(text, translatedParts(text) ?? text);
}

/** Whether a text has several words: no name and no number. */
const isProse = (text) => /\p{Ll}{2}\S*\s+(\S+\s+)*\p{Ll}{2}/u.test(text);

/** A list of texts, each translated by itself: "loaded, 8 million weights", "CLVS (from layer 3)"; null if none is known. */
function translatedParts(text) {
  const mark = MARKS.find((each) => text.includes(each));
  const parts = mark ? text.split(mark) : text.match(/^(.+?) \((.+)\)$/s)?.slice(1);
  const said = parts?.map(translated);
  if (
    !said ||
    said.every((part, i) => part === parts[i]) ||
    said.some((part, i) => part === parts[i] && isProse(part))
  ) {
    return null;
  }
  return mark ? said.join(t(mark)) : t('{text} ({more})', { text: said[0], more: said[1] });
}

/** The same for text with room around it. */
function saidHere(text) {
  const bare = text.trim().replace(/\s*\n\s*/g, ' ');
  const said = bare && translated(bare);
  return said === bare ? text : text.replace(text.trim(), () => said);
}

function speakText(node) {
  if (node.parentElement?.closest(UNTOUCHED)) return;
  const said = saidHere(node.data);
  if (said !== node.data) node.data = said;
}

function speakAttribute(node, name) {
  const text = node.getAttribute(name);
  if (!text || node.closest(UNTOUCHED)) return;
  const said = saidHere(text);
  if (said !== text) node.setAttribute(name, said);
}

function speakAll(root) {
  if (root.nodeType === Node.TEXT_NODE) return speakText(root);
  if (root.nodeType !== Node.ELEMENT_NODE) return undefined;
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = /** @type {any} */ (root); node; node = walk.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) speakText(node);
    else for (const name of ATTRIBUTES) if (node.hasAttribute(name)) speakAttribute(node, name);
  }
  return undefined;
}

/** Has everything below an element in the language of the page, now and whenever it changes: before it is painted. */
export function speak(root) {
  if (!Object.keys(dictionary().texts).length) return;
  speakAll(root);
  new MutationObserver((changes) => {
    for (const { type, target, attributeName, addedNodes } of changes) {
      if (type === 'characterData') speakText(target);
      else if (type === 'attributes') speakAttribute(target, attributeName);
      else addedNodes.forEach(speakAll);
    }
  }).observe(root, {
    attributes: true,
    attributeFilter: ATTRIBUTES,
    characterData: true,
    childList: true,
    subtree: true,
  });
}
