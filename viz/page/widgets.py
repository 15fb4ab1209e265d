"""Small components that Gradio does not have: picture input, slider, strip, chips, menus, header, download.

Like the viewer, each but the slider is a `gr.HTML` with a fixed template: Gradio evaluates templates as code, so
text that is not ours arrives in the value and reaches the page through `textContent` only.
"""

from __future__ import annotations

import functools
import html
import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from viz.page import limits
from viz.page.library import Library, Scene, file_url
from viz.page.session import Shown
from viz.viewer.modules import joined

STATIC = Path(__file__).parent / "static"


@functools.cache
def static(name: str) -> str:
    """Text of a file of the page, a script with what it imports: page.css, header.html, header.js."""
    path = STATIC / name
    return joined(path) if path.suffix == ".js" else path.read_text(encoding="utf-8")


class Setting(gr.Slider):
    """Gradio's slider, which refuses a typed number out of range without a word: here the nearest one is taken.

    Of numbers in range only whole steps are rounded to: a link may hold finer ones. It has no `__init__`, as above.
    """

    def preprocess(self, payload: float) -> float:
        if isinstance(payload, bool) or not isinstance(payload, (int, float)) or not math.isfinite(payload):
            return payload  # the handlers say what is wrong
        inside = min(max(payload, self.minimum), self.maximum)
        return round(inside) if self.step == 1 else super().preprocess(inside)

    def get_block_name(self) -> str:
        return "slider"


class Fixed(gr.HTML):
    """A `gr.HTML` that hands its value through and has no default look. files: its template and script, where fixed."""

    files = "", ""

    def __init__(self, value: Any = None, **kwargs: Any) -> None:
        template, script = self.files
        if script:
            kwargs |= {"html_template": static(template) if template else "<span></span>", "js_on_load": static(script)}
        super().__init__(value, apply_default_css=False, **kwargs)

    def preprocess(self, payload: Any) -> Any:
        return payload

    def postprocess(self, value: Any) -> Any:
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}

    def example_payload(self) -> None:
        return None

    def example_value(self) -> None:
        return None


class PictureInput(Fixed):
    """The picture that is asked about, and the ways in for one of the visitor's own: a button, drop and paste.

    Event `upload` with {"path"}, once the file is on the server. The value is the path of the picture to show; in
    answer to an upload {"path", "of": the uploaded one, "error": why that is not shown, "several": whether it has more
    frames than the first}. For handlers it is the path of
    the one that is shown, None where no such file may be opened.
    """

    def __init__(self, library: Library, value: str = "", **kwargs: Any) -> None:
        self._library = library
        limited = f"const MAX_BYTES = {limits.MAX_BYTES};\nconst MAX_PIXELS = {limits.MAX_PIXELS};\n"
        super().__init__(
            value,
            html_template=static("picture.html"),
            js_on_load=limited + static("picture.js"),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> str | None:
        path = self._library.sent(payload.get("path") if isinstance(payload, Mapping) else None)
        return None if path is None else str(path)

    def postprocess(self, value: Any) -> Any:
        """{path, url, title, of, error, several, turn} for the browser; no title for one of the visitor's own."""
        news = value if isinstance(value, Mapping) else {"path": value}
        scene = self._library.at(news["path"])
        shown = {"url": file_url(news["path"] or ""), "title": scene.title if scene else ""}
        turn = uuid.uuid4().hex  # a browser takes no notice of a value that is the same as before
        return {"of": "", "error": "", "several": False, **news, **shown, "turn": turn}


class RecordedDesk(Fixed):
    """Recorded pictures and questions; events `open` {"recording", "id"}, `leave`. The value is `Replaying.state`'s."""

    files = "recorded.html", "recorded.js"


class ResultsBoard(Fixed):
    """The results tab; events `look`, `draw`, `save` and `open`, all with a choice. The value: what `Results` says."""

    files = "results.html", "results.js"


class Strip(Fixed):
    """Thumbnails of the example scenes; event `pick` with {"name"}. The value is the name of the chosen one."""

    def __init__(self, scenes: Sequence[Scene], value: str = "", **kwargs: Any) -> None:
        buttons = "".join(
            f'<button type="button" data-name="{_safe(scene.name)}" title="{_safe(scene.title)}">'
            f'<img src="{scene.thumbnail}" alt="{_safe(scene.title)}" width="56" height="56"></button>'
            for scene in scenes
        )
        super().__init__(
            value,
            html_template=f'<div class="ex-strip" role="group" aria-label="Example pictures">{buttons}</div>',
            js_on_load=static("strip.js"),
            **kwargs,
        )


class Chips(Fixed):
    """Questions worth asking about the picture; event `pick` with {"question"}.

    The value is the list of them, as text or as {"question", "less": whether CLVS looks less there}.
    """

    def __init__(self, value: Sequence[str | Mapping[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(
            list(value),
            html_template='<div class="ask-chips" role="group" aria-label="Suggested questions"></div>',
            js_on_load=static("chips.js"),
            **kwargs,
        )


class Vocabulary(Fixed):
    """What can be asked, and which words of the question are unknown; event `check` with {"text", "model"}.

    The value is {"vocabularies", "model"} to begin with, then what `viz.page.knowing.Knowing.check` says.
    """

    files = "vocabulary.html", "vocabulary.js"


class ModelMenu(Fixed):
    """The models with what each needs and why one cannot be used; event `pick` with {"name"}, or `ask` for one that is
    to be downloaded, and `halt` for Stop.

    For handlers its value is the name of the chosen one; menu(name) tells the browser all the rest. The list is the
    server's: a browser that sends another name changes nothing here. recorded: lines about models that cannot be asked
    here, which the browser shows in a group of their own and gives to the `RecordedDesk`.
    """

    def __init__(
        self,
        menu: Callable[[str], Mapping[str, Any]],
        value: str = "",
        about: str = "",
        recorded: Sequence[Mapping[str, str]] = (),
        **kwargs: Any,
    ):
        self._menu, self._recorded = menu, list(recorded)
        super().__init__(
            value,
            html_template=static("models.html").replace("ABOUT", _safe(about)),
            js_on_load=static("models.js"),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> str:
        name = payload.get("name") if isinstance(payload, Mapping) else None
        return name if isinstance(name, str) else ""

    def postprocess(self, value: Any) -> Any:
        menu = self._menu(value) if isinstance(value, str) else value
        return {**menu, "recorded": self._recorded} if self._recorded and isinstance(menu, Mapping) else menu


class Consent(Fixed):
    """Asks before a model is downloaded: event `use` with {"name"}. Each new value, of `Models.facts`, opens it."""

    files = "consent.html", "consent.js"


class MethodPicker(Fixed):
    """The methods to compare and their settings; event `adjust` after each change. The value is `Choosing.picker`'s.

    For handlers its value is the list of specs that the browser sent, of whatever kind: `limits.methods` checks it.
    """

    def __init__(self, value: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            value,
            html_template=static("methods.html"),
            js_on_load=static("methods.js"),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> list[Any]:
        specs = payload.get("specs") if isinstance(payload, Mapping) else None
        return specs if isinstance(specs, list) else []


class Header(Fixed):
    """Title, one sentence, and the page's own tools; event `export` with {"kind"}.

    The value is what to say of each model, by name: `viz.page.about.facts`.
    """

    files = "header.html", "header.js"


class ShownRun(Fixed):
    """Says to the server which answer is on the page, as a `Shown`; the browser alone sets it."""

    files = "", "shown.js"

    def preprocess(self, payload: Any) -> Shown:
        return Shown.of(payload)


class Knocked(Fixed):
    """Brings the viewer what a knock-out has found: {"of": the answer's id, "turn": of the page's request, "running",
    "error", "knockout": as a payload has it}.

    It travels as text: Gradio sends differences, in which lists that shrink arrive corrupted.
    """

    files = "", "knocked.js"

    def postprocess(self, value: Any) -> Any:
        return None if value is None else json.dumps(value, separators=(",", ":"))


class Survived(Knocked):
    """Brings the viewer's panel which objects whole answers still name; "survival" in place of "knockout"."""

    files = "", "survived.js"


class Altered(Fixed):
    """Brings the viewer the answer about an altered picture: {"of": the answer's id, "turn": of the page's request,
    "running", "error", "payload": as the viewer takes it, None where there is none}. It travels as the viewer's does.
    """

    files = "", "altered.js"

    def postprocess(self, value: Any) -> Any:
        if value is None:
            return None
        payload = value["payload"] or {}
        told = {**value, "payload": {name: part for name, part in payload.items() if name != "blob"} or None}
        return {"text": json.dumps(told, separators=(",", ":")), "blob": payload.get("blob", "")}


class Download(Fixed):
    """Hands a file to the visitor: the value is {"url", "name"}, or {"error"} for the header to say."""

    files = "", "download.js"


def _safe(text: str) -> str:
    """Text of our own files inside a template, which is Handlebars and a template literal at once."""
    plain = html.escape(text[: limits.MAX_QUESTION], quote=True)
    return plain.replace("$", "&#36;").replace("{", "&#123;").replace("`", "&#96;").replace("\\", "&#92;")
