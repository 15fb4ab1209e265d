"""The client-side viewer of attention maps, curves and uncertainty, as one Gradio component.

    from viz.viewer import Viewer
    from viz.viewer.payload import Comparison, build, empty

    viewer = Viewer()            # value: a payload of `build`, `empty()` / None before anything was asked
    run.click(handler, inputs, viewer, show_progress="hidden")  # a generator may yield partial payloads
    viewer.region(on_region)     # {"box": [x0, y0, x1, y1]} or {"polygon": [[x, y], ...]} in picture pixels; {} clears
    viewer.objects(on_objects)   # {"on": ["dog", ...]} after a chip was switched
    viewer.ask(on_ask)           # {"name"} of a model that the payload offers and that is to be downloaded; else `pick`
    viewer.example(on_example)   # {"scene", "question"}, picked among all bundled questions; with `decays` only
    viewer.attempt(on_attempt)   # all settings of alpha and beta; settle: {"alpha", "beta"} of a cell that was pressed
    viewer.survive(on_survive)   # whole answers without a look at what they name: {"view", "turn"}, or {"halt": True}
    viewer.alter(on_alter)       # the question about the picture without what is followed: {"view", "turn"} or "halt"
    viewer.halt(on_halt)         # Stop, beside the progress of a payload with "halts"
    viewer.layer(on_layer)       # {"layer": 7}, 0-based, after the cursor has rested; viewer.step: {"step": 2}

Give every payload of one question on one picture the same `id`, through the stream and through re-runs by a slider: the
visitor's layer, token, chips and region then stay. A new `id` starts at the peak of the curve, or at `view["layer"]`.
Chips and regions change the curves in the browser at once, so no event needs a listener; read event data from
`gr.EventData` (`event._data`). A drawn region is followed alone: `objects` tells that first, then `region`.
An error: `empty("sentence")`, or `Comparison(..., error="sentence")` to keep the last result on screen.

For scripts on the page, `root.__clvs` (root: `.cv`) has `state`, `model`, `curves()`, `goto(layer)`, `set({...})` and
`drawn.count`; `root.dataset.state` is empty, running or done.
Its JavaScript is ES modules in src: `store` holds what is chosen, `numbers` what follows from it, `views` are the parts
of the page, `draw` makes pixels, `twins` repeats Python for pages without it. Knows no model and no page around it.

The template never mentions the value and user text only reaches the page through `textContent`, since Gradio
evaluates templates as code.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import gradio as gr

from viz.viewer.modules import Second, joined, joined_beside

STATIC = Path(__file__).parent / "static"
SOURCE = Path(__file__).parent / "src"
FIRST = SOURCE / "viewer.js"

MOUNT = """
const payload = () => (props.value ? { ...JSON.parse(props.value.text), blob: props.value.blob } : null);
const opening = window.clvsOpening; // the page's: it opens at something else than this payload
const begin = opening === undefined ? payload() : { status: 'opening', question: opening };
const viewer = window.__clvsViewer.mount(element.querySelector('.cv'), begin, {
  // 'region' 'objects' 'layer' 'step' 'ask' 'pick' 'halt' 'example' 'attempt' 'settle' 'knock' 'survive' 'alter'
  onEvent: (name, data) => trigger(name, data),
  decays: DECAYS,
  second: SECOND,
  served: true,
});
const tell = () => document.dispatchEvent(new CustomEvent('clvs-shown'));
watch('value', () => {
  viewer.update(payload());
  tell();
});
tell();
"""


@functools.cache
def static(name: str) -> str:
    """Text of template.html or viewer.css."""
    return (STATIC / name).read_text(encoding="utf-8")


@functools.cache
def script() -> str:
    """The viewer's JavaScript; defines `window.__clvsViewer`, which has `mount`, once per page.

    `lent` are the names that the second script takes from it.
    """
    handed = f"{{ mount, share, speak, lent: {{ {', '.join(_beside().names)} }} }}"
    return f"window.__clvsViewer ??= (() => {{\n'use strict';\n{joined(FIRST)}return {handed};\n}})();\n"


@functools.cache
def second_script() -> str:
    """What is seen on request only, the panels of "Look closer"; runs after `script`, once per page."""
    text, names = _beside()
    taken = f"const {{ {', '.join(names)} }} = lent;\n"
    start = f"window.__clvsPanelsOf ??= ((lent) => {{\n'use strict';\n{taken}"
    return f"{start}{text}return panelsOf;\n}})(window.__clvsViewer.lent);\n"


@functools.cache
def _beside() -> Second:
    return joined_beside(SOURCE / "second.js", FIRST)


class Viewer(gr.HTML):
    """Shows one payload of `viz.viewer.payload.build`; see the module's text for its events."""

    def __init__(
        self, value: dict[str, Any] | None = None, *, decays: str = "", second: str = "", **kwargs: Any
    ) -> None:
        """decays: address of the curves of all bundled questions, "" for none; second: where the page fetches
        `second_script` when a panel is opened, "" to hold it from the start."""
        mount = MOUNT.replace("DECAYS", json.dumps(decays)).replace("SECOND", json.dumps(second))
        super().__init__(
            value,
            html_template=static("template.html"),
            css_template=static("viewer.css"),
            js_on_load=script() + ("" if second else second_script()) + mount,
            apply_default_css=False,
            **kwargs,
        )

    def preprocess(self, payload: dict[str, str] | None) -> dict[str, Any] | None:  # type: ignore[override]
        return json.loads(payload["text"]) | {"blob": payload["blob"]} if payload else None

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, str] | None:  # type: ignore[override]
        """Two strings. Gradio streams differences, in which lists that shrink arrive corrupted; a blob that stays the
        same is not sent again."""
        if value is None:
            return None
        small = {name: part for name, part in value.items() if name != "blob"}
        return {"text": json.dumps(small, separators=(",", ":")), "blob": value.get("blob", "")}

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "viewer payload, version 1 (viz.viewer.payload): JSON text and blob"}

    def example_payload(self) -> None:
        return None

    def example_value(self) -> None:
        return None
