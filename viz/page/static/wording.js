// Questions as text: built from words, written into a field, and where their unknown words are.

const article = (words) => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;

/**
 * The question that is chosen: its form with the holes filled.
 *
 * @param {{ forms: string[], objects: Record<string, string>, colours: string[], relations: string[] }} words
 * @param {{ form: number, object: number, other: number, colour: number, relation: number }} chosen
 */
export function built({ forms, objects, colours, relations }, chosen) {
  const names = Object.keys(objects);
  const object = names[chosen.object];
  const colour = colours[chosen.colour];
  const values = {
    object,
    colour,
    a_object: article(object),
    a_colour: article(colour),
    plural: objects[object],
    other: names[chosen.other],
    relation: relations[chosen.relation],
  };
  return forms[chosen.form].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/**
 * A text in parts, each with whether it is one of `words`: whole words, as they are written.
 *
 * @param {string} text
 * @param {string[]} words
 * @returns {[string, boolean][]}
 */
export function marked(text, words) {
  if (!words.length) return [[text, false]];
  const any = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  const parts = text.split(new RegExp(`(?<![\\p{L}\\p{N}])(${any})(?![\\p{L}\\p{N}])`, 'u'));
  return parts.map((part, i) => /** @type {[string, boolean]} */ ([part, i % 2 === 1])).filter(([part]) => part);
}

/** Writes into a field as typing does, so that whoever listens hears of it. */
export function asTyped(field, text) {
  const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value');
  set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
