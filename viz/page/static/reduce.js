// What is sent of a picture: the file itself, or a copy that the browser makes of what is too large, or of a kind that
// only browsers read. Nothing is ever made larger, and how a picture is turned stays.

import { el } from '../../viewer/src/dom.js';
import { t } from '../../viewer/src/language.js';

const LONGEST = 4096; // pixels of a copy's longer side: no model looks at more
const MOST = 220e6; // pixels that a browser is asked to decode: phones have cameras of 200 megapixels
const QUALITIES = [0.92, 0.8, 0.6];
const TAKEN = ['JPEG', 'PNG', 'GIF', 'WebP', 'BMP', 'TIFF']; // by the server

/** What a file is, by how it begins, whatever its name says; "" for what is no picture that anybody here reads. */
function kindOf(text) {
  if (text.startsWith('\xff\xd8')) return 'JPEG';
  if (text.startsWith('\x89PNG')) return 'PNG';
  if (text.startsWith('GIF8')) return 'GIF';
  if (text.startsWith('BM')) return 'BMP';
  if (/^(II\*\0|MM\0\*)/.test(text)) return 'TIFF';
  if (/^RIFF[^]{4}WEBP/.test(text)) return 'WebP';
  if (/^[^]{4}ftypavi[fs]/.test(text)) return 'AVIF';
  return /^[^]{4}ftyp(hei|hev|mif|msf)/.test(text) ? 'HEIC' : '';
}

const megabytes = (bytes) => Math.ceil((10 * bytes) / 2 ** 20) / 10; // never what is allowed of what is not
const megapixels = (pixels) => (pixels >= 1e7 ? Math.round(pixels / 1e6) : Math.round(pixels / 1e5) / 10);

/** The sentence about a file that is too large. */
export const tooLarge = (file) =>
  t('The file has {size} MB; the limit is {limit} MB.', { size: megabytes(file.size), limit: megabytes(MAX_BYTES) });

/** Width and height of a picture as it is meant to be seen, null where this browser cannot read it. */
async function sizeOf(file) {
  const image = el('img', { src: URL.createObjectURL(file) });
  const loaded = new Promise((done) => {
    image.onload = () => done({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => done(null);
  });
  const size = await loaded;
  URL.revokeObjectURL(image.src);
  return size?.width && size.height ? size : null;
}

/** A JPEG of a picture with at most LONGEST pixels on its longer side; null where it cannot be made. */
async function copyOf(file, { width, height }) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const resized = scale < 1 ? { resizeWidth: w, resizeHeight: h, resizeQuality: /** @type {const} */ ('high') } : {};
  const canvas = el('canvas', { width: w, height: h });
  try {
    const pixels = await createImageBitmap(file, { imageOrientation: 'from-image', ...resized });
    const brush = canvas.getContext('2d');
    brush.fillStyle = '#fff'; // behind what is transparent, as on the server
    brush.fillRect(0, 0, w, h);
    brush.drawImage(pixels, 0, 0, w, h);
    pixels.close();
  } catch {
    return null;
  }
  for (const quality of QUALITIES) {
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', quality));
    if (blob && blob.size <= MAX_BYTES) return { blob, pixels: w * h };
  }
  return null;
}

/**
 * The file to send, and a sentence about what was done to it, "" for nothing. An Error says why nothing can be sent.
 *
 * @param {File} file
 * @returns {Promise<{ file: File, note: string }>}
 */
export async function prepared(file) {
  const kind = kindOf(String.fromCharCode(...new Uint8Array(await file.slice(0, 16).arrayBuffer())));
  const taken = !kind || TAKEN.includes(kind); // what is nothing, the server says so
  const size = kind ? await sizeOf(file) : null;
  const pixels = size ? size.width * size.height : 0;
  if (taken && file.size <= MAX_BYTES && pixels <= MAX_PIXELS) return { file, note: '' };
  if (pixels > MOST) {
    const about = { pixels: megapixels(pixels), limit: megapixels(MOST) };
    throw new Error(t('The picture has {pixels} megapixels; make it smaller than {limit}.', about));
  }
  const copy = size && (await copyOf(file, size));
  if (!copy && taken && file.size > MAX_BYTES) throw new Error(tooLarge(file));
  if (!copy && taken) return { file, note: '' };
  if (!copy) throw new Error(t('This browser cannot read a {kind} picture; save it as JPEG and use that.', { kind }));
  const name = `${file.name.replace(/[.][^.]*$/, '') || 'picture'}.jpg`;
  return { file: new File([copy.blob], name, { type: 'image/jpeg' }), note: changed(kind, file, pixels, copy) };
}

/** What was done to a picture. */
function changed(kind, file, pixels, copy) {
  const [before, after] = [pixels, copy.pixels].map(megapixels);
  if (before !== after) return t('Reduced from {before} to {after} megapixels before it was sent.', { before, after });
  if (!TAKEN.includes(kind)) return t('Sent as a JPEG copy of the {kind} picture.', { kind });
  const [size, less] = [file.size, copy.blob.size].map(megabytes);
  return t('Sent as a JPEG copy of {less} MB instead of {size} MB.', { less, size });
}
