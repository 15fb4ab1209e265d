"""The viewer as the output of a notebook's cell: `clvs_core.show` makes it.

A page of its own in a frame, so that several in one notebook, and the notebook around them, do not disturb each other.
It is as high as what it shows and as dark as the notebook; where the notebook hides itself from it, as high as `HEIGHT`
and as dark as the system.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import clvs_core as clvs
from clvs_core.key_objects import KeyObject, mentioned
from clvs_core.models.registry import label_of
from clvs_core.pictures import read_picture
from viz.viewer import standalone
from viz.viewer.payload import Comparison, MapObject, build

HEIGHT = 900  # pixels

PAGE = (
    """<!doctype html>
<html lang="en" data-hosted>
"""
    + standalone.HEAD
    + """<style>
:root {{ --font: system-ui; --cv-vh: 8px; }}
html {{ overflow: auto hidden; }}
body {{ margin: 0; padding: 12px 14px 16px; background: #fff; color: #1b1c22; font: 14px/1.5 system-ui, sans-serif; }}
h1 {{ margin: 0; font-size: 17px; line-height: 1.3; overflow-wrap: anywhere; }}
.about {{ margin: 0 0 14px; color: #5d6070; }}
body.dark {{ background: #15161b; color: #ededf2; color-scheme: dark; }}
body.dark .about {{ color: #a4a7b6; }}
#clvs {{ {css} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="about">{about}</p>
<div id="clvs">{template}</div>
<script>
(() => {{
const host = window.frameElement;
const system = matchMedia('(prefers-color-scheme: dark)');
function follow() {{
  const [r, g, b] = host ? getComputedStyle(host.parentElement).color.match(/[\\d.]+/g).map(Number) : [];
  document.body.classList.toggle('dark', host ? 0.3 * r + 0.6 * g + 0.1 * b > 127 : system.matches);
}}
follow();
system.addEventListener('change', follow);
if (!host) {{
  document.documentElement.style.overflowY = 'auto';
  return;
}}
const around = host.ownerDocument;
const theme = new MutationObserver(follow);
for (const node of [around.documentElement, around.body]) theme.observe(node, {{ attributes: true }});
new ResizeObserver(() => (host.style.height = `${{Math.ceil(document.body.offsetHeight)}}px`)).observe(document.body);
}})();
{script}
window.__clvsViewer.mount(document.querySelector('.cv'), {payload});
</script>
</body>
</html>
"""
)


class Shown:
    """What a notebook displays: `page` as HTML, the answers as text where there is no HTML."""

    def __init__(self, page: str, text: str):
        self.page, self.text = page, text

    def _repr_html_(self) -> str:
        title = html.escape(self.text.partition("\n")[0])
        style = f"display: block; width: 100%; height: {HEIGHT}px; border: 0;"
        return f'<iframe title="{title}" style="{style}" srcdoc="{html.escape(self.page)}"></iframe>'

    def __repr__(self) -> str:
        return self.text


def shown(
    runs: Any, objects: Sequence[KeyObject] = (), *, picture: Any = None, view: Mapping[str, Any] | None = None
) -> Shown:
    """See `clvs_core.show`."""
    runs = [runs] if isinstance(runs, clvs.Run) else list(runs)
    _check(runs)
    image = runs[0].picture if picture is None else read_picture(picture)
    trace = runs[0].trace
    if image is None:
        raise ValueError("These runs do not know their picture; give it: show(runs, picture=...).")
    if image.size != (trace.views.width, trace.views.height):
        raise ValueError(
            f"The runs are of a picture of {trace.views.width} x {trace.views.height} pixels, not of this."
        )
    question, label = str(trace.meta["question"]), label_of(str(trace.meta["model"]))
    url = standalone.data_url(standalone.jpeg(image))
    followed = _followed(objects, question, trace.views)
    payload = build(Comparison(runs, url, followed, label=label, view=view))
    answers = [f"{method['label']}: {run.text}" for method, run in zip(payload["methods"], runs, strict=True)]
    return Shown(standalone.page(payload, template=PAGE), "\n".join([f"{question} ({label})", *answers]))


def _check(runs: Sequence[Any]) -> None:
    if not runs:
        raise ValueError("There is nothing to show: give the runs of a question.")
    if not all(isinstance(run, clvs.Run) for run in runs):
        kind = next(type(run).__name__ for run in runs if not isinstance(run, clvs.Run))
        raise ValueError(f"Only runs can be shown, not {kind}; of several questions show one: show(runs[0]).")
    metas = [run.trace.meta for run in runs]
    if len({(meta["model"], meta["question"], run.trace.views) for meta, run in zip(metas, runs, strict=True)}) > 1:
        raise ValueError("The runs must be of one question to one model on one picture; show the others by themselves.")


def _followed(objects: Sequence[KeyObject], question: str, views: Any) -> list[MapObject]:
    named = mentioned(question, [item.name for item in objects]) or [item.name for item in objects]
    return [
        MapObject(item.name, item.mask, clvs.coverage(item.mask, views), item.source or "", item.name in named)
        for item in objects
    ]
