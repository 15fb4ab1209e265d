"""What a visitor takes home: the viewer with its data in one file, and the curves as a table.

Both are made from a viewer payload, so that what is exported is what was on screen. The page needs no network: the
picture, the data, the script and the styles are inside it, and its content security policy forbids everything else.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clvs_core.key_objects import coverage as token_shares
from clvs_core.key_objects import region_mask, together
from viz import languages
from viz.viewer import received, script, second_script, static
from viz.viewer.payload import decode
from viz.viewer.view import View

# Columns of the table that only some methods fill, and what of a payload's method says so.
PARTICULARS = {
    "memory": "memory",
    "sink_tokens_from_0": "sinks",
    "acted_heads_from_0": "heads",
    "contrast": "contrast",
}

HEAD = """<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
"""  # nothing may be fetched

PAGE = (
    """<!doctype html>
<html lang="{lang}">
"""
    + HEAD
    + """<style>
:root {{ color-scheme: light dark; --font: system-ui; }}
body {{ margin: 0; background: #fff; color: #1b1c22; font: 14px/1.5 system-ui, sans-serif; }}
main {{ max-width: 1360px; margin: 0 auto; padding: 28px clamp(16px, 3vw, 40px) 40px; }}
h1 {{ margin: 0; font-size: 22px; line-height: 1.3; letter-spacing: -.01em; overflow-wrap: anywhere; }}
.about {{ margin: 2px 0 22px; color: #5d6070; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #15161b; color: #ededf2; }} .about {{ color: #a4a7b6; }} }}
#clvs {{ {css} }}
</style>
</head>
<body>
<main>
<h1 translate="no">{title}</h1>
<p class="about">{about}</p>
<div id="clvs">{template}</div>
</main>
<script>
{script}
window.__clvsViewer.speak(document.body);
window.__clvsViewer.mount(document.querySelector('.cv'), {payload});
</script>
</body>
</html>
"""
)


def page(
    payload: Mapping[str, Any], picture: bytes | str | os.PathLike[str] | None = None, template: str = PAGE
) -> str:
    """The viewer with this payload as one self-contained HTML page that opens from a file, without a network.

    picture: the encoded picture (PNG, JPEG, WebP) or its path; not needed when the payload's image is a data URL.
    template: what stands around the viewer. It speaks the language of the payload's view, English if that says none.
    Raises ValueError when the payload has nothing to show, or refers to a picture that is not given.
    """
    if payload.get("status") == "empty":
        raise ValueError("There is no result to export yet: ask a question first.")
    image = dict(payload["image"])
    if picture is not None:
        image["url"] = data_url(picture if isinstance(picture, bytes) else Path(picture).read_bytes())
    if not str(image["url"]).startswith("data:image/"):
        raise ValueError("The page would need the network for its picture: give the picture to export it.")
    # A picture's or a question's text may hold "</script>": inside a string, \u003c means the same to JSON.
    data = json.dumps({**payload, "image": image}).replace("<", "\\u003c")
    labels = ", ".join(method["label"] for method in payload["methods"])
    language = str(dict(payload.get("view") or {}).get("lang", languages.ENGLISH))
    return template.format(
        lang=languages.tags().get(language, languages.ENGLISH),
        title=html.escape(payload["question"] or "CLVS Explorer"),
        about=html.escape(f"{labels} · {payload['model']['label'] or 'model'} · made with CLVS Explorer"),
        css=static("viewer.css"),
        template=static("template.html"),
        script=_words(language) + script() + second_script(),
        payload=data,
    )


def _words(language: str) -> str:
    """The page's dictionary; English pages need none."""
    if not languages.words(language)["texts"]:
        return ""
    known = json.dumps(languages.words(language)).replace("<", "\\u003c")
    return f"globalThis.clvsWords = {known};\n"


def jpeg(picture: Image.Image) -> bytes:
    """A picture as the browser gets it: encoded anew, so nothing hidden in its file is passed on."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def data_url(encoded: bytes) -> str:
    """A data URL of an encoded picture; ValueError for anything but PNG, JPEG and WebP."""
    starts = {"png": b"\x89PNG\r\n", "jpeg": b"\xff\xd8\xff"}
    kind = next((name for name, start in starts.items() if encoded.startswith(start)), None)
    if kind is None and encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        raise ValueError("The picture must be a PNG, JPEG or WebP file.")
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode('ascii')}"


def curves_csv(payload: Mapping[str, Any], view: View | None = None) -> str:
    """The curves as CSV: one line for each generated token, method and layer.

    Columns: step_from_0, token, probability, method, settings, layer_from_0, picture (attention on the whole picture),
    one column for each object (attention on it) and for the view's region, followed (on what the view follows,
    together, as the page's curve), uncertainty, and stops (1 at the layer after which smoothing stopped). Then, where a
    method records it: memory (what it carries, summed over what is followed; strongest head, so no share of attention),
    sink_tokens_from_0 and acted_heads_from_0 (numbers with spaces between) and, at the last layer, contrast (word,
    chance with the picture, with what it is contrasted with, and outcome). At the end, on every line: head_from_0
    (whose weights they are, "mean" for the mean of heads), follows (the names), question, model and
    settings_are (in words, with whose they are). Before these, where a knock-out was measured, for its token: left_ROWS
    (what is left of the answer, hidden around the layer from these rows), instead_ROWS (what it says then), only_ROWS
    (hidden everywhere but there), control_ROWS (as many other visual tokens hidden). Where whole answers were asked
    without a look at what they name, on the lines of their first token: still_named_OBJECT (1 or 0) and
    answer_without_OBJECT, hidden around the layer. An empty field is a number that was not measured.
    """
    view = view or View()
    arrays = decode(payload)
    names, coverage, on = _sights(payload, arrays, view)
    followed = together(coverage[on]) if any(on) else np.ones(payload["visual"])
    shares = np.vstack([np.ones(payload["visual"]), coverage, followed])
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")  # what ends a line is quoted inside a token, and a token may be "\r"
    own = [column for column, part in PARTICULARS.items() if any(m.get(part) for m in payload["methods"])]
    start = ["step_from_0", "token", "probability", "method", "settings", "layer_from_0", "picture"]
    about = {
        "head_from_0": "mean" if view.head is None else view.head,
        "follows": _cell(" and ".join(name for name, chosen in zip(names, on, strict=True) if chosen) or "picture"),
        "question": _cell(payload["question"]),
        "model": _cell(payload["model"]["label"] or payload["model"]["name"]),
    }
    knocked = _knocked(payload)
    left = [f"{name}_{rows}" for rows in knocked for name in _LEFT]
    about_all = [*about, "settings_are"]
    hidden = list(dict.fromkeys(row["name"] for row in _survivors(payload)))
    named = [_cell(f"{part}_{name}") for name in hidden for part in ("still_named", "answer_without")]
    table.writerow([*start, *map(_cell, names), "followed", "uncertainty", "stops", *own, *left, *named, *about_all])
    for method in payload["methods"]:
        lines = list(_lines(method, _weights(arrays, method["key"], view.head), arrays, shares, own))
        cells = (
            [
                *_left_cells(payload, knocked, method, line[0], line[5]),
                *_named_cells(payload, hidden, method, line[0], line[5]),
            ]
            for line in lines
        )
        last = [*about.values(), _cell(method["settings"])]
        table.writerows([*line, *more, *last] for line, more in zip(lines, cells, strict=True))
    return out.getvalue()


def _sights(
    payload: Mapping[str, Any], arrays: Mapping[str, np.ndarray], view: View
) -> tuple[list[str], np.ndarray, list[bool]]:
    """What may be followed: names, (objects, visual) coverage, and which of it is. A region is followed alone unless
    the view says otherwise."""
    objects = payload["objects"]
    names = [item["name"] for item in objects]
    coverage = np.asarray(arrays.get("coverage", np.zeros((0, payload["visual"]))), dtype=np.float64)
    on = [item["name"] in view.on if view.on is not None else item["on"] and not view.region for item in objects]
    if not view.region:
        return names, coverage, on
    views = received.views(payload)
    region = token_shares(region_mask(views.height, views.width, **view.region), views)
    return [*names, "region"], np.vstack([coverage, region]), [*on, True]


def _weights(arrays: Mapping[str, np.ndarray], key: str, head: int | None) -> np.ndarray:
    """(steps, layers, visual) of one head or of all. ValueError for a head that the payload does not have."""
    if head is None:
        return np.asarray(arrays[f"attention/{key}"], dtype=np.float64)
    heads = arrays.get(f"heads/{key}")
    if heads is None or not head < heads.shape[2]:
        raise ValueError(f"There is no head {head + 1} here; choose the mean of heads.")
    return np.asarray(heads[:, :, head], dtype=np.float64)


_LEFT = ("left", "instead", "only", "control")


def _knocked(payload: Mapping[str, Any]) -> list[str]:
    """The rows that something was hidden from."""
    return list(dict.fromkeys(left["rows"] for left in (payload.get("knockout") or {"left": ()})["left"]))


def _left_cells(
    payload: Mapping[str, Any], knocked: Sequence[str], method: Mapping[str, Any], step: int, layer: int
) -> list[Any]:
    """What a knock-out found at a method's token and layer, in the columns of all `knocked` rows."""
    cells: list[Any] = []
    for rows in knocked:
        of = {"spec": method["spec"], "rows": rows}
        found = next((left for left in payload["knockout"]["left"] if of.items() <= left.items()), None)
        if found is None or payload["knockout"]["step"] != step:
            cells += [""] * len(_LEFT)
            continue
        said = found["instead"][layer]
        numbers = [found[name][layer] for name in ("kept", "only", "control")]
        kept, only, control = ("" if number is None else number for number in numbers)
        cells += [kept, "" if said is None else _cell(said[0]), only, control]
    return cells


def _survivors(payload: Mapping[str, Any]) -> Sequence[Any]:
    """Whole answers without a look at what they name, a row for each method and object."""
    survival = payload.get("survival")
    return survival["objects"] if survival else ()


def _named_cells(
    payload: Mapping[str, Any], hidden: Sequence[str], method: Mapping[str, Any], step: int, layer: int
) -> list[Any]:
    """Whether each of the hidden objects is still named by a method around a layer, and what its answer is then."""
    rows = {row["name"]: row for row in _survivors(payload) if row["spec"] == method["spec"] and step == 0}
    cells: list[Any] = []
    for name in hidden:
        row = rows.get(name)
        if row is None or row["named"][layer] is None:
            cells += ["", ""]
        else:
            cells += [int(row["named"][layer]), _cell(row["said"][layer])]
    return cells


def _lines(
    method: Mapping[str, Any],
    attention: np.ndarray,
    arrays: Mapping[str, np.ndarray],
    shares: np.ndarray,
    own: Sequence[str],
) -> Iterator[list[Any]]:
    """A method's lines; shares: (columns, visual) what is summed, what is followed last; own: of `PARTICULARS`."""
    carried = arrays.get(f"memory/{method['key']}")
    memory = None if carried is None else np.asarray(carried, dtype=np.float64) @ shares[-1]
    for step, layers in enumerate(np.minimum(attention @ shares.T, 1.0)):  # sums of rounded weights
        token = method["tokens"][step]
        start = [step, _cell(token["text"]), token["probability"], _cell(method["label"]), _cell(method["spec"])]
        for layer, values in enumerate(layers):
            unsure = method["uncertainty"][step][layer]
            numbers = [f"{value:.6g}" for value in values]
            last = ["" if unsure is None else unsure, int(method["stop"][step] == layer)]
            more = _particulars(method, memory, step, layer)
            yield [*start, layer, *numbers, *last, *(more[name] for name in own)]


def _particulars(method: Mapping[str, Any], memory: np.ndarray | None, step: int, layer: int) -> dict[str, str]:
    contrast = method.get("contrast") if layer == len(method["uncertainty"][step]) - 1 else None
    words = contrast["steps"][step] if contrast else []
    carried = memory[step, layer] if memory is not None else np.nan
    return {
        "memory": f"{carried:.6g}" if np.isfinite(carried) else "",
        "sink_tokens_from_0": " ".join(map(str, method["sinks"][layer])) if method.get("sinks") else "",
        "acted_heads_from_0": " ".join(map(str, method["heads"][step][layer])) if method.get("heads") else "",
        "contrast": _cell("; ".join(f"{word} {with_} {against} {outcome}" for word, with_, against, outcome in words)),
    }


def _cell(text: str) -> str:
    """Text as it is, unless a spreadsheet would run it as a formula: then after an apostrophe."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
