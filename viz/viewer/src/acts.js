// @ts-check
// What methods do and did, in words: cards, sink tokens, heads, memories, contrasts.

import { t } from './language.js';

export const CHANGES = { scores: 'the attention scores', weights: 'the attention weights' };
const CHANCES = 'the chances of the next word';
const ROWS = { last: 'of the word being written', after_image: 'of every word after the picture' };
const STAGES = {
  scores: 'Attention scores are what the softmax turns into weights.',
  weights: 'Attention weights come out of the softmax: how much is read from each token.',
  logits: 'These chances come out of the last layer.',
};

/** "layer 3", "layers 3 to 12"; the pair counts from 0. As much room while the depth is not known, which is 0 then. */
function layerWords(layers, depth) {
  if (!layers) return depth ? t('in no layer') : t('layers … to …');
  const [first, last] = layers.map((layer) => layer + 1);
  return first === last ? t('layer {layer}', { layer: first }) : t('layers {first} to {last}', { first, last });
}

/** The methods that a card is about: itself, or the parts of a combined one. */
export function cardParts(card) {
  return card.parts.length ? card.parts : [card];
}

const ofRows = (what, rows) => t('{what} {rows}', { what, rows: t(ROWS[rows]) });

/** What a method changes, of which rows, in which layers, in one line; depth 0: not known yet. */
export function doesWords(card, depth) {
  const all = cardParts(card);
  const chances = all.some((part) => part.contrast || part.stage === 'logits');
  const edits = editWords(card, depth);
  if (edits && chances) return t('Changes {first}; then {then}.', { first: edits, then: t(CHANCES) });
  return t('Changes {what}.', { what: edits || t(chances ? CHANCES : 'nothing') });
}

function editWords(card, depth) {
  const parts = cardParts(card).filter((part) => CHANGES[part.stage]);
  const alike = new Set(parts.map((part) => part.rows)).size < 2; // whose rows is said once if it can be
  const several = cardParts(card).length > 1;
  const edits = parts.map(({ stage, rows, layers }) => {
    const what = alike ? t(CHANGES[stage]) : ofRows(t(CHANGES[stage]), rows);
    return several ? t('{text} ({more})', { text: what, more: layerWords(layers, depth) }) : what;
  });
  if (!edits.length) return '';
  const joined = edits.reduce((before, last) => t('{before} and {last}', { before, last }));
  const text = alike ? ofRows(joined, parts[0].rows) : joined;
  return several ? text : t('{what}, {where}', { what: text, where: layerWords(card.layers, depth) });
}

/** What the stages that a card names are. */
export function stageWords(card) {
  const stages = cardParts(card).flatMap((part) => [part.stage, part.contrast && 'logits']);
  const named = Object.entries(STAGES).filter(([stage]) => stages.includes(stage));
  return named.map(([, words]) => t(words)).join(' ');
}

/** "1 sink token", "3 sink tokens". */
export function sinkCount(count) {
  return count === 1 ? t('1 sink token') : t('{count} sink tokens', { count });
}

/** How many sink tokens and heads a method acted on at a layer, a line each; [] for a method that records neither. */
export function actedWords({ sinks, heads, card }, step, layer, count) {
  const here = (text) => t('Layer {layer}: {text}', { layer: layer + 1, text });
  if (sinks?.every((tokens) => !tokens.length)) {
    const none =
      card.tau === null ? t('No sink tokens found') : t('No sink tokens found at τ {tau}', { tau: card.tau });
    const idle = !heads?.[step]?.some((acted) => acted.length);
    if (idle) return [`${none}${t(',')}`, t('so no head is {acted}', { acted: t(card.acted) })];
    return [none, here(headWords(heads[step][layer], count, card))];
  }
  const lines = [
    sinks && sinkCount(sinks[layer]?.length ?? 0),
    heads?.[step] && headWords(heads[step][layer], count, card),
  ].filter(Boolean);
  return lines.map((line, i) => (i ? line : here(line)));
}

function headWords({ length: n }, of, card) {
  const values = { n, of, acted: t(card.acted) };
  return of === 1 ? t('{n} of {of} head {acted}', values) : t('{n} of {of} heads {acted}', values);
}

/** All heads that a method acted on at a token, by layer: "layer 3: heads 1, 2; layer 5: head 1". */
export function headsText(acted) {
  const layers = acted.map((heads, at) => {
    const values = { layer: at + 1, heads: heads.map((head) => head + 1).join(', ') };
    if (!heads.length) return '';
    return heads.length > 1 ? t('layer {layer}: heads {heads}', values) : t('layer {layer}: head {heads}', values);
  });
  return layers.filter(Boolean).join('; ') || t('none');
}

/** What the contrast's columns are called. */
export function contrastHeads(against) {
  const other = against === 'no picture' ? t('without it') : t('with {what}', { what: t(against || 'the contrast') });
  return [t('with the picture'), other, t('outcome')];
}

/** What a method carries, for people. */
export function memoryOf({ memory, label }) {
  return memory === 'words'
    ? t('What {label} has kept of where earlier words looked.', { label })
    : t('What {label} carries from layer to layer.', { label });
}
