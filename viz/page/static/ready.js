// Gradio puts the page together in pieces, each of which moves those below it: the page is seen once all are there.

const PIECES = [
  '.page-model *',
  '#picture img',
  '#examples button',
  '#question textarea',
  '#go button',
  '#suggestions button',
  '.mp-set',
  '#viewer .cv',
];
const STILL = 3; // frames in which its height stays
const PATIENCE = 3000; // milliseconds without another piece after which it is shown as it is

export function ready() {
  let [height, still, there, moved] = [0, 0, 0, performance.now()];
  const look = () => {
    const pieces = PIECES.filter((name) => document.querySelector(name)).length;
    if (pieces > there) [there, moved] = [pieces, performance.now()];
    const now = document.querySelector('#explore')?.scrollHeight ?? 0;
    still = there === PIECES.length && now === height ? still + 1 : 0;
    height = now;
    if (still >= STILL || performance.now() - moved > PATIENCE) document.body.classList.add('page-ready');
    else requestAnimationFrame(look);
  };
  look();
}
