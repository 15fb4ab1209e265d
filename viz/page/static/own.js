// A visitor's own pictures, which no link can name: kept in the visitor's browser alone, for a day, so that a reload and
// Back find them, also after the server's copy is gone.

const [PICTURES, FEW, DAY] = ['pictures', 6, 86_400_000];

/** What a request to the browser's database comes to. */
const outcome = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function pictures(mode) {
  const request = indexedDB.open('clvs', 1);
  request.onupgradeneeded = () => request.result.createObjectStore(PICTURES);
  const database = await outcome(request);
  return database.transaction(PICTURES, mode).objectStore(PICTURES);
}

/** Those beyond a few, and those of yesterday, are forgotten: keys begin with the time. */
async function forgetOld() {
  const store = await pictures('readwrite');
  const keys = await outcome(store.getAllKeys());
  const old = keys.filter((key, at) => at < keys.length - FEW || Date.now() - parseInt(key, 36) > DAY);
  for (const key of old) store.delete(key);
}

/** Keeps a picture and gives the key by which it is found, at once. */
export function keepOwn(file) {
  const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  pictures('readwrite')
    .then((store) => outcome(store.put(file, key)))
    .then(forgetOld)
    .catch(() => {}); // a browser that keeps nothing: a reload says that the picture is gone
  return key;
}

/** Sends a kept picture to the server again: its path there, "" where it is no longer kept or cannot be sent. */
export async function sendOwn(key) {
  try {
    const file = await outcome((await pictures('readonly')).get(key));
    if (!file) return '';
    const form = new FormData();
    form.append('files', file, file.name || 'picture');
    const answer = await fetch('gradio_api/upload', { method: 'POST', body: form });
    const [path] = answer.ok ? await answer.json() : [''];
    return String(path);
  } catch {
    return '';
  }
}

forgetOld().catch(() => {});
