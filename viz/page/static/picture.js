// The picture that is asked about, and every way in for one of the visitor's own: the button that the whole picture is,
// drop and paste anywhere on the page. What stands there stays until the server has taken another one.
// Who restores a picture later hears of it: `clvs-own` tells what was sent, `clvs-bring` has a file sent again.

import { t } from '../../viewer/src/language.js';
import { prepared, tooLarge } from './reduce.js';

const box = element.querySelector('.pic');
const input = box.querySelector('input');
const image = box.querySelector('img');
const progress = box.querySelector('.pic-progress');
const note = box.querySelector('.pic-note');
const heard = box.querySelector('.pic-heard'); // by screen readers: what begins and how it ends, not how far it is
const error = box.querySelector('.pic-error');
const PATIENCE = 60000; // for the server to look at what has arrived
const UNHEARD = () => t('The picture could not be sent: the server does not answer. Try again.');
let sending = null; // the newest upload, until the server has judged it
let newest = 0; // counts files, of which the newest counts
let judged = ''; // the file that the server is looking at: one at a time, so that the newest is the last
let waiting = 0;

function draw() {
  const { url, title } = props.value;
  if (image.getAttribute('src') !== url) {
    image.src = url;
    note.textContent = '';
  }
  image.alt = title || t('Your own picture');
}

function tell(text, share = null) {
  progress.textContent = text;
  progress.style.setProperty('--share', share ?? 1);
  progress.classList.toggle('pic-asked', Boolean(text) && share === null);
}

/** The newest upload is over; why: a sentence where it came to nothing. */
function finish(why = '') {
  clearTimeout(waiting);
  sending = null;
  judged = '';
  tell('');
  error.textContent = why;
  if (why) heard.textContent = ''; // the error is heard by itself
}

/** The picture is there: what was done to it stays to be read, and is heard once. */
function arrive(request, several) {
  finish();
  const frames = several ? t('It has several frames or pages: the first is shown.') : '';
  note.textContent = `${request.note} ${frames}`.trim();
  heard.textContent = `${t('Your own picture is shown.')} ${note.textContent}`.trim();
  document.dispatchEvent(new CustomEvent('clvs-own', { detail: request.file }));
}

/** Why the server did not take the file, in its own words where it has any. */
function refusal({ status, responseText, file }) {
  if (status === 413) return tooLarge(file);
  const own = status >= 400 && responseText.length < 200 && /^[A-Z][^<{]*[.]$/.test(responseText.trim());
  return own ? responseText.trim() : t('The picture could not be sent (error {status}); try again.', { status });
}

function received(request) {
  let path;
  try {
    [path] = JSON.parse(request.responseText);
  } catch {
    /* no list: refused below */
  }
  if (request.status !== 200 || typeof path !== 'string') return finish(refusal(request));
  request.path = path;
  tell(t('Opening the picture…'));
  return judged || judge(path);
}

function judge(path) {
  judged = path;
  clearTimeout(waiting);
  waiting = setTimeout(() => finish(UNHEARD()), PATIENCE);
  trigger('upload', { path });
}

/** Sends a file, or a copy of it that can be taken; one that is still on its way gives way to it. */
async function send(file) {
  newest += 1;
  const turn = newest;
  sending?.abort();
  sending = null;
  error.textContent = '';
  heard.textContent = t('Sending the picture…');
  tell(t('Reading the picture…'));
  try {
    const ready = await prepared(file);
    if (turn === newest) upload(ready);
  } catch (failure) {
    if (turn === newest) finish(failure.message);
  }
}

/** @param {{ file: File, note: string }} ready */
function upload({ file, note: done }) {
  /** @type {XMLHttpRequest & { file?: File, note?: string, path?: string }} */
  const request = new XMLHttpRequest(); // fetch cannot tell how much has been sent
  const form = new FormData();
  form.append('files', file, file.name || 'picture');
  const own = (act) => (event) => {
    if (sending === request) act(event);
  };
  Object.assign(request, { file, note: done });
  request.upload.onprogress = own(({ loaded, total }) => {
    const share = loaded / total;
    tell(t('Sending the picture, {percent} %', { percent: Math.floor(100 * share) }), share);
  });
  request.onload = own(() => received(request));
  request.onerror = own(() => finish(UNHEARD()));
  request.open('POST', 'gradio_api/upload');
  sending = request;
  tell(t('Sending the picture…'), 0);
  request.send(form);
}

/** Of several files the first that is a picture; another kind only where there is none: the server says why not. */
const pick = (files) => [...files].find((file) => file.type.startsWith('image/')) ?? files[0];

box.querySelector('.pic-open').addEventListener('click', () => input.click());
input.addEventListener('change', () => {
  const file = pick(input.files);
  if (file) send(file);
  input.value = ''; // the same file may be chosen again
});

// ---- drop and paste ------------------------------------------------------------------------------------------------

const usable = () => !document.body.classList.contains('view-results');
let ours = false; // something of this very page is dragged
let over = 0; // elements that are dragged over: each is entered before the one before is left
const carried = (event) => !ours && event.dataTransfer?.types.includes('Files');
function hover(count) {
  over = Math.max(0, count);
  document.body.classList.toggle('pic-over', over > 0 && usable());
}
document.addEventListener('dragstart', () => {
  ours = true;
});
document.addEventListener('dragend', () => {
  ours = false;
});
document.addEventListener('dragenter', (event) => {
  if (carried(event)) hover(over + 1);
});
document.addEventListener('dragleave', (event) => {
  if (carried(event)) hover(over - 1);
});
document.addEventListener('dragover', (event) => {
  if (!carried(event)) return;
  event.preventDefault(); // else the browser would leave the page for the file
  event.dataTransfer.dropEffect = usable() ? 'copy' : 'none';
});
document.addEventListener('drop', (event) => {
  hover(0);
  if (!carried(event)) return;
  event.preventDefault();
  const file = pick(event.dataTransfer.files);
  if (file && usable()) send(file);
});

/** Text that is pasted into a field stays the field's, whatever picture of it the clipboard holds besides. */
const typing = (target) => target instanceof Element && target.closest('input, textarea, select, [contenteditable]');
document.addEventListener('paste', (event) => {
  const { files, types } = event.clipboardData ?? { files: [], types: [] };
  if (!files.length || !usable() || (typing(event.target) && types.includes('text/plain'))) return;
  event.preventDefault();
  send(pick(files));
});

document.addEventListener('clvs-bring', (event) => send(event.detail));

watch('value', () => {
  const { of, error: why, several } = props.value;
  // A newer one has arrived: what this answer shows may be gone already.
  if (of && of === judged && sending?.path && sending.path !== of) return judge(sending.path);
  draw();
  if (!sending) error.textContent = why;
  if (!of || of !== judged) return;
  judged = '';
  if (!sending?.path) return; // a newer one is on its way
  if (why) finish(why);
  else arrive(sending, several);
  // On a phone the answer stands below the picture: whoever asks wants to see it.
  if (!why && window.innerWidth <= 900) document.querySelector('#see')?.scrollIntoView();
});
draw();
