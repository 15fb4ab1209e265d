// @ts-check
// What methods do and did, in words: cards, sink tokens, heads, memories, contrasts.

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
  if (!layers) return depth ? 'in no layer' : 'layers … to …';
  const [first, last] = layers;
  return first === last ? `layer ${first + 1}` : `layers ${first + 1} to ${last + 1}`;
}

/** The methods that a card is about: itself, or the parts of a combined one. */
export function cardParts(card) {
  return card.parts.length ? card.parts : [card];
}

/** What a method changes, of which rows, in which layers, in one line; depth 0: not known yet. */
export function doesWords(card, depth) {
  const parts = cardParts(card).filter((part) => CHANGES[part.stage]);
  const alike = new Set(parts.map((part) => part.rows)).size < 2; // whose rows is said once if it can be
  const several = cardParts(card).length > 1;
  const edits = parts.map(({ stage, rows, layers }) => {
    return `${CHANGES[stage]}${alike ? '' : ` ${ROWS[rows]}`}${several ? ` (${layerWords(layers, depth)})` : ''}`;
  });
  const rows = alike && parts.length ? ` ${ROWS[parts[0].rows]}` : '';
  const where = several || !edits.length ? '' : `, ${layerWords(card.layers, depth)}`;
  const chances = cardParts(card).some((part) => part.contrast || part.stage === 'logits');
  const changes = [edits.length && `${edits.join(' and ')}${rows}${where}`, chances && CHANCES].filter(Boolean);
  return `Changes ${changes.join('; then ') || 'nothing'}.`;
}

/** What the stages that a card names are. */
export function stageWords(card) {
  const stages = cardParts(card).flatMap((part) => [part.stage, part.contrast && 'logits']);
  const named = Object.entries(STAGES).filter(([stage]) => stages.includes(stage));
  return named.map(([, words]) => words).join(' ');
}

/** "1 head", "3 heads", "2 of 8 heads". */
export function counted(number, what, of = null) {
  return `${number}${of === null ? '' : ` of ${of}`} ${what}${(of ?? number) === 1 ? '' : 's'}`;
}

/** How many sink tokens and heads a method acted on at a layer, a line each; [] for a method that records neither. */
export function actedWords({ sinks, heads, card }, step, layer, count) {
  if (sinks?.every((tokens) => !tokens.length)) {
    const tau = card.tau === null ? '' : ` at τ ${card.tau}`;
    const idle = !heads?.[step]?.some((acted) => acted.length);
    if (idle) return [`No sink tokens found${tau},`, `so no head is ${card.acted}`];
    return [`No sink tokens found${tau}`, `Layer ${layer + 1}: ${headWords(heads[step][layer], count, card)}`];
  }
  const lines = [
    sinks && counted(sinks[layer]?.length ?? 0, 'sink token'),
    heads?.[step] && headWords(heads[step][layer], count, card),
  ].filter(Boolean);
  return lines.map((line, i) => (i ? line : `Layer ${layer + 1}: ${line}`));
}

function headWords(acted, count, card) {
  return `${counted(acted.length, 'head', count)} ${card.acted}`;
}

/** All heads that a method acted on at a token, by layer: "layer 3: heads 1, 2; layer 5: head 1". */
export function headsText(acted) {
  const layers = acted.map((heads, layer) => {
    const which = heads.map((head) => head + 1).join(', ');
    return which && `layer ${layer + 1}: head${heads.length > 1 ? 's' : ''} ${which}`;
  });
  return layers.filter(Boolean).join('; ') || 'none';
}

/** What the contrast's columns are called. */
export function contrastHeads(against) {
  return ['with the picture', against === 'no picture' ? 'without it' : `with ${against || 'the contrast'}`, 'outcome'];
}

/** What a method carries, for people. */
export function memoryOf(method) {
  return method.memory === 'words'
    ? `What ${method.label} has kept of where earlier words looked.`
    : `What ${method.label} carries from layer to layer.`;
}
