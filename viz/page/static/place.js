// Where the visitor is on the explore tab: the address says all of it, so that a link, a reload and Back bring it back.
// Another picture or question makes an entry in the history, whatever else is chosen changes the entry. The address of
// one's own picture says nothing: what it takes to ask again stays in the entry, in this browser.

import { keepOwn, sendOwn } from './own.js';
import { viewer } from './viewer.js';

const REST = 250; // milliseconds: browsers throttle who changes the address more often
const opened = new URLSearchParams(location.search);
const LASTING = ['__theme', 'lang'];
const lasting = LASTING.filter((name) => opened.has(name)).map((name) => `${name}=${opened.get(name)}`);

/** @typedef {{ again: string, view: string, own: string | null }} Place how to ask again, the view, whose picture */

/** @returns {Place | null} */
const placeIn = (state) => (typeof state?.again === 'string' ? state : null);
/**
 * What a link asks for whose answer had not come when it was left.
 *
 * @returns {Place | null}
 */
function placeInAddress() {
  const query = new URLSearchParams(location.search);
  if (!query.has('scene') && !query.has('recording')) return null;
  LASTING.forEach((name) => query.delete(name));
  return { again: String(query), view: '', own: null };
}
/** What makes a place of its own: the picture and the question. */
const nameOf = ({ again, own }) => {
  const query = new URLSearchParams(again);
  return JSON.stringify([own, ...['recording', 'scene', 'q'].map((name) => query.get(name))]);
};
const spelledOut = ({ again, view }) => [again, view].filter(Boolean).join('&');

let here = placeIn(history.state); // what the address says
let own = here?.own ?? null; // the key of the visitor's own picture
let wanted = ''; // the name of the place that is being opened
let first = null; // the page as it begins, of which the address says nothing
let resting = 0;
let before = null; // the id of the answer that stood here when Results, which have made the entry, asked for another

/** @returns {Place | null} */
function placeNow() {
  const { model } = viewer() ?? {};
  const again = model?.again ?? model?.link;
  if (!again || !model.layers) return null; // before the first token nothing is answered
  const named = /(^|&)(scene|recording)=/.test(again);
  return { again, view: viewer().spelled(), own: named ? null : own };
}

function addressOf(place) {
  const words = place && !place.own && spelledOut(place) !== first ? [spelledOut(place)] : [];
  const query = [...words, ...lasting].join('&');
  return location.pathname + (query && `?${query}`);
}

/**
 * The entry of the explore tab: what it keeps, and its address.
 *
 * @returns {[Place | null, string]}
 */
export const explorePlace = () => [here, addressOf(here)];

function follow() {
  clearTimeout(resting);
  const place = placeNow();
  if (!place || viewer().state.playing) return;
  const arrived = !wanted || nameOf(place) === wanted;
  if (!arrived && viewer().model.status === 'running') return; // still the one before
  const passed = before !== null && viewer().model.id !== before;
  const another = here && !wanted && !passed && nameOf(place) !== nameOf(here);
  wanted = '';
  if (passed) before = null;
  const untouched = navigator.userActivation?.hasBeenActive === false;
  if (!window.clvsLinked && (first === null || untouched)) first = spelledOut(place);
  const same = JSON.stringify(place) === JSON.stringify(here) && history.state;
  here = place;
  if (same || document.body.classList.contains('view-results')) return;
  if (another) history.pushState(here, '', addressOf(here));
  else history.replaceState(here, '', addressOf(here));
}

/** @param {Place} place */
async function reopen(place) {
  wanted = nameOf(place);
  own = place.own;
  const path = own && (await sendOwn(own));
  if (wanted === nameOf(place)) trigger('open', { query: spelledOut(place), path });
}

document.addEventListener('clvs-own', ({ detail }) => {
  own = keepOwn(detail);
});
document.addEventListener('clvs-chosen', () => {
  clearTimeout(resting);
  resting = setTimeout(follow, REST);
});
document.addEventListener('clvs-shown', () => {
  document.documentElement.classList.toggle('clvs-opening', Boolean(viewer()?.opening));
  follow();
});
document.addEventListener('clvs-view', () => {
  before = viewer()?.model?.id ?? null;
});
window.addEventListener('pagehide', follow);
window.addEventListener('popstate', ({ state }) => {
  const place = placeIn(state) ?? placeInAddress();
  clearTimeout(resting);
  if (!place) return;
  here = place;
  const now = placeNow();
  if (!now || nameOf(now) !== nameOf(place)) reopen(place);
});
if (here?.own && !opened.has('run')) reopen(here);
else setTimeout(follow); // once the viewer is there
