// The model menu: a button with the chosen model, and under it a list of all. The server alone changes what is chosen.
// Names may be those of folders: textContent only.
const menu = element.querySelector('.mm');
const opener = menu.querySelector('.mm-open');
const list = menu.querySelector('.mm-list');
const options = () => [...list.children];

function open(on) {
  list.hidden = !on;
  opener.setAttribute('aria-expanded', String(on));
  if (on) (list.querySelector('[aria-selected="true"]') ?? list.firstElementChild)?.focus();
}

function part(name, text) {
  const span = document.createElement('span');
  span.className = name;
  span.textContent = text;
  return span;
}

/** One model: its name, what it needs, and in grey why it cannot be used. It can be asked for all the same. */
function option(row, chosen) {
  const button = document.createElement('button');
  button.type = 'button';
  button.tabIndex = -1;
  button.dataset.name = row.name;
  button.setAttribute('role', 'option');
  button.setAttribute('aria-selected', String(row.name === chosen));
  button.setAttribute('aria-disabled', String(Boolean(row.reason)));
  button.append(part('mm-label', row.label), part('mm-more', row.reason || row.about));
  if (row.advice) button.append(part('mm-advice', row.advice));
  return button;
}

function draw() {
  const { name = '', status = '', rows = [] } = props.value ?? {};
  const chosen = rows.find((row) => row.name === name);
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  opener.disabled = rows.length < 2;
  opener.querySelector('.mm-label').textContent = chosen?.label ?? name;
  opener.querySelector('.mm-more').textContent = chosen?.about ?? '';
  menu.querySelector('.mm-status').textContent = status; // in the place of the words below: nothing moves
  menu.classList.toggle('mm-busy', Boolean(status));
  menu.querySelector('.mm-halt').hidden = !status;
  list.replaceChildren(...rows.map((row) => option(row, name)));
  if (focused !== null) options().find((button) => button.dataset.name === focused)?.focus();
}

opener.addEventListener('click', () => open(list.hidden));
list.addEventListener('click', (event) => {
  const button = event.target.closest('[role="option"]');
  if (!button) return;
  open(false);
  opener.focus();
  const row = props.value.rows.find((one) => one.name === button.dataset.name);
  trigger(row?.asks && !row.reason ? 'ask' : 'pick', { name: button.dataset.name });
});
menu.querySelector('.mm-halt').addEventListener('click', () => trigger('halt', {}));
menu.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !list.hidden) {
    open(false);
    opener.focus();
    return;
  }
  const all = options();
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  all[to]?.focus();
});
document.addEventListener('click', (event) => { if (!menu.contains(event.target)) open(false); });
watch('value', draw);
draw();
