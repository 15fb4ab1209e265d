// Gradio puts the page together in pieces, each of which moves those below it: the page is seen once all are there.

const PIECES = ['.page-model *', '#picture img', '#examples button', '#suggestions button', '.mp-set', '#viewer .cv'];
const STILL = 3; // frames in which its height stays
const PATIENCE = 3000; // milliseconds after which it is shown as it is

export function ready() {
  const began = performance.now();
  let [height, still] = [0, 0];
  const look = () => {
    const whole = PIECES.every((name) => document.querySelector(name));
    const now = document.querySelector('#explore')?.scrollHeight ?? 0;
    still = whole && now === height ? still + 1 : 0;
    height = now;
    if (still >= STILL || performance.now() - began > PATIENCE) document.body.classList.add('page-ready');
    else requestAnimationFrame(look);
  };
  look();
}
