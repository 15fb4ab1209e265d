// @ts-check

/** Press and drag along an element; `over` hears the pointer without a press, and null when it leaves. */
export function drag(node, player, move, over = null) {
  const x = (event) => event.clientX - node.getBoundingClientRect().left;
  node.addEventListener('pointerdown', (event) => {
    node.setPointerCapture(event.pointerId);
    player.stop();
    move(x(event));
  });
  node.addEventListener('pointermove', (event) => {
    if (node.hasPointerCapture(event.pointerId)) move(x(event));
    over?.(x(event));
  });
  if (over) node.addEventListener('pointerleave', () => over(null));
}
