// The strip of example pictures: one button is pressed at a time, the value says which. One stop for Tab; arrows move.
const strip = element.querySelector('.ex-strip');
const pictures = [...strip.children];
/** The one picture that Tab stops at. */
const stopAt = (chosen) =>
  pictures.forEach((button) => {
    button.tabIndex = button === chosen ? 0 : -1;
  });
const mark = () => {
  for (const button of pictures) button.setAttribute('aria-pressed', String(button.dataset.name === props.value));
  stopAt(pictures.find((button) => button.dataset.name === props.value) ?? pictures[0]);
};
/** Where an arrow leads: pictures stand in columns, two high where there is room. */
const next = (key, at) => {
  const rows = getComputedStyle(strip).gridTemplateRows.split(' ').length;
  const row = at % rows;
  if (key === 'Home') return 0;
  if (key === 'End') return pictures.length - 1;
  if (key === 'ArrowRight') return at + rows;
  if (key === 'ArrowLeft') return at - rows;
  if (key === 'ArrowDown' && row + 1 < rows) return at + 1;
  if (key === 'ArrowUp' && row > 0) return at - 1;
  return null;
};
strip.addEventListener('keydown', (event) => {
  const at = pictures.indexOf(event.target);
  const to = at < 0 || event.ctrlKey || event.altKey || event.metaKey ? null : next(event.key, at);
  if (to === null) return;
  event.preventDefault();
  if (!pictures[to]) return;
  stopAt(pictures[to]);
  pictures[to].focus();
});
strip.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  props.value = button.dataset.name;
  mark();
  trigger('pick', { name: button.dataset.name });
});
watch('value', mark);
mark();
