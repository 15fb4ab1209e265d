"""The whole app: page, endpoints, looks and limits in one `gr.Blocks`."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from viz import languages
from viz.page import api, limits, links, second
from viz.page import zerogpu as border
from viz.page.desks import Desks
from viz.page.explore import explore
from viz.page.library import FirstAnswer, Library, file_url
from viz.page.limits import KEEP_SECONDS, gate
from viz.page.limits.listeners import ListenedQueue
from viz.page.models import Models
from viz.page.recorded.recordings import Recordings
from viz.page.results.runs import Runs
from viz.page.results.tab import results
from viz.page.theme import theme
from viz.page.widgets import static


def build(
    models: Models,
    library: Library,
    first: FirstAnswer | None = None,
    runs: Runs | None = None,
    recordings: Recordings | None = None,
) -> gr.Blocks:
    """The page; launch it with `launch_settings()`.

    runs: what the results tab offers, recordings: of models that cannot be asked here; none by default.
    """
    limits.refuse_addresses()
    desks = Desks(models, library, first or library.first_answer())
    gr.set_static_paths([library.folder, *languages.files(), *(scene.path for scene in library.coco_scenes)])
    with gr.Blocks(
        title="CLVS Explorer", analytics_enabled=False, delete_cache=(KEEP_SECONDS // 4, KEEP_SECONDS), fill_width=True
    ) as page:
        results(explore(desks, recordings), desks, runs or Runs())
        api.endpoints(desks.asker, library)
    for event in page.fns.values():
        event.fn = event.fn and border.contained(event.fn)
    page.files = page.upload_file_set = desks.pictures.files
    page.temp_file_sets.append(desks.pictures.files)
    page.queue(max_size=limits.QUEUE_SIZE, default_concurrency_limit=4, api_open=False)
    page.listeners = ListenedQueue.of(page._queue).listeners
    return page


def launch_settings() -> dict[str, Any]:
    """Keyword arguments of `launch`: limits, theme and style sheet."""
    settings = gate.launch_settings()
    settings["app_kwargs"]["routes"] = [second.route()]
    return {**settings, "theme": theme(), "css": static("page.css"), "head": HEAD + _first_scripts()}


def _first_scripts() -> str:
    """The scripts that decide on the language of the page and what it opens at; they have to run before all others."""
    urls = {path.stem: file_url(path) for path in languages.files()}
    tags = languages.tags()
    offered = {
        code: {"name": name, "lang": tags[code], "url": urls.get(code)} for code, name in languages.names().items()
    }
    known = json.dumps(offered).replace("<", "\\u003c")
    parts = json.dumps(sorted(links.PARTS))
    scripts = f"const LANGUAGES = {known};\n{static('language.js')}", f"const PARTS = {parts};\n{static('opening.js')}"
    return "".join(f"<script>(() => {{\n{script}}})();</script>" for script in scripts)


HEAD = (
    '<meta name="description" content="See where a vision-language model looks, layer by layer.">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    # what is focused on a phone is not hidden under the settings; Gradio takes no rule for html from a style sheet
    "<style>@media (max-width: 900px) { html { scroll-padding-bottom: 130px; } }"
    # a page that opens at a link shows nothing of the first example
    " .clvs-opening :is(#picture img, #question textarea, #suggestions, #examples) { visibility: hidden; }"
    # Gradio's word of waiting for its scripts: as large as the window, so that it does not move with the page below it
    " .app > .wrap.default.full { position: fixed !important; inset: 0 !important; height: auto !important; }"
    # ready.js shows the page when it is whole; without scripts, which Gradio needs, there would be nothing to show
    " body:not(.page-ready) :is(#page-header, #explore) { visibility: hidden; }</style>"
)
