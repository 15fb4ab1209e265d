// @ts-check
// Text in the language of the page. English is the key of every dictionary, so a sentence that has no translation yet
// stays English.

/** The page's dictionary: English text with {holes} to its translation. Empty on an English page. */
const dictionary = () => /** @type {any} */ (globalThis).clvsWords ?? {};

/**
 * A text with its holes filled: t('Layer {layer} of {layers}', { layer: 3, layers: 12 }).
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values = {}) {
  const words = dictionary()[text] ?? text;
  return words.replace(/\{(\w+)\}/g, (hole, name) => String(values[name] ?? hole));
}
