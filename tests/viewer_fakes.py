"""Runs with weights that are known in advance, so that every pixel and every number of the viewer can be predicted."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

import clvs_core as clvs
from clvs_core.engine.runs import Run, Token
from clvs_core.models.geometry.llava import llava_views
from viz.viewer.payload import Comparison, MapObject, build

LAYERS, HEADS, SIDE = 8, 2, 6
HOT, COLD = 0.25, 2.0**-9  # float16 holds both exactly
QUESTION = "Is there a dog?"
LATER = {
    "vanilla": 1 / 4,
    "vcd": 1 / 4,
    "adhh": 3 / 8,
    "tarac": 1 / 2,
    "vaf": 5 / 8,
    "var": 3 / 4,
}  # float16 has them all


def hot_token(layer):
    """The one token that gets the weight HOT at a layer: along the picture's diagonal, then back."""
    at = min(layer, SIDE - 1)
    return at * SIDE + at


ASKED = ["Is", " there", " a", " dog", "?", " ASSISTANT:"]
SHARES = np.array([4, 1, 0, 1, 1, 1, 7, 1, 0]) / 16  # of what the picture leaves: first token, around, own, ASKED


def rest(attention):
    """(steps, layers, 3 + words) attention outside of the picture: the question's word dog gets seven sixteenths."""
    return ((1 - attention.astype(float).mean(2).sum(-1))[..., None] * SHARES).astype(np.float16)


def weights(method, steps, layers=LAYERS, side=SIDE):
    """(steps, layers, heads, visual): the hot spot loses weight in the second half, but CLVS keeps it."""
    out = np.full((steps, layers, HEADS, side * side), COLD)
    for layer in range(layers):
        out[:, layer, :, hot_token(layer)] = HOT * (LATER.get(method, 1) if layer >= layers // 2 else 1)
    out[:, :, 1] *= 2  # heads differ: the mean is 1.5 times the first
    return out.astype(np.float16)


SPECS = {  # as the engine writes them: settings resolved for 8 layers
    "vanilla": "vanilla",
    "clvs": "clvs:alpha=0.8,beta=0.8",
    "vcd": "vcd",
    "pai": "pai",
    "var": "var:dims=3/11",
    "adhh": "adhh:heads=2-1/4-0",
    "vaf": "vaf:layers=2-3",
    "tarac": "tarac:layers=2-3",
}
SINKS = {2: [0], 3: [0, 7], 4: [7]}  # visual tokens by layer, 0-based
SILENCED = {2: [1], 4: [0]}  # heads by layer
REDISTRIBUTED = {2: [0, 1], 3: [1]}
WORDS = ["yes", "no", "dog", "cat", "the", "a", "it"]
WITH, AGAINST, OUTCOME = (  # what VCD compares: noise says yes all the more
    [0.5, 0.3, 0.1, 0.04, 0.03, 0.02, 0.01],
    [0.8, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01],
    [0.2, 0.7, 0.1, 0.0, 0.0, 0.0, 0.0],
)


def spec_of(method):
    """The resolved spec of a method, parts of a combined one together."""
    return "+".join(SPECS.get(part.name, part.name) for part in method.parts)


def flags(steps, found, width):
    """(steps, layers, width) bool: true at the indices `found` gives for a layer."""
    out = np.zeros((steps, LAYERS, width), dtype=bool)
    for layer, indices in found.items():
        out[:, layer, indices] = True
    return out


def particulars(method, steps, attention):
    """What only some methods record; a combined one records what its parts do."""
    names = [part.name for part in method.parts]
    found = {}
    if "clvs" in names:
        found["memory"] = attention.max(axis=2)
    if "tarac" in names:
        found["accumulation"] = np.full_like(attention.max(axis=2), np.nan)
        found["accumulation"][:, 2:4] = attention.max(axis=2)[:, 2:4]
    if "var" in names:
        found["sinks"] = flags(steps, SINKS, attention.shape[-1])
        found["acted_heads"] = flags(steps, REDISTRIBUTED, HEADS)
    if "adhh" in names:
        found["acted_heads"] = flags(steps, SILENCED, HEADS)
    if method.contrasted() is not None:
        found["contrast_ids"] = np.tile(np.arange(len(WORDS)), (steps, 1))
        found["contrast_probabilities"] = np.tile([WITH, AGAINST, OUTCOME], (steps, 1, 1))
        found["contrast_words"] = [WORDS] * steps
    return found


def trace(method, steps=2, views=None, stop=6, lens=False):
    """One method's record; CLVS stops after layer `stop` (0-based)."""
    views = views or llava_views(SIDE * 16, SIDE * 16, SIDE * 8, 8, "squash")
    attention = weights(method.name, steps)
    uncertainty = np.full((steps, LAYERS), np.nan)
    uncertainty[:, 5:] = [0.9, 0.4, 0.2]
    smooths = any(part.name == "clvs" for part in method.parts)
    contrast = {"vcd": "a noised picture", "pai": "no picture"}
    own = {"memory": None, **particulars(method, steps, attention)}
    return clvs.Trace(
        attention=attention,
        original=attention,
        uncertainty=uncertainty if smooths else np.full_like(uncertainty, np.nan),
        stop_layer=np.full(steps, stop if smooths else -1),
        views=views,
        meta={
            "model": "scenes",
            "question": QUESTION,
            "method": spec_of(method),
            "threshold": 0.5 if smooths else None,
            "first_check": 5 if smooths else None,
            "words": ASKED,
            "asked": [0, 5],
            "contrast": next((contrast[part.name] for part in method.parts if part.name in contrast), ""),
        },
        lens_probabilities=np.tile([0.5, 0.25, 0.125], (steps, LAYERS, 1)) if lens else None,
        lens_words=[[["yes", "no", "dog"]] * LAYERS] * steps if lens else None,
        rest=rest(attention),
        **own,
    )


def run(method, words=("yes", ""), **options):
    tokens = [Token(index, word, 0.5 + 0.25 * (index > 0)) for index, word in enumerate(words)]
    tokens[0] = Token(sum(map(ord, words[0])), words[0], 0.5)
    return Run(method, "".join(words), tokens, None, trace(method, len(words), **options), True)


def pair(**options):
    """Vanilla says yes, CLVS says no."""
    return [run(clvs.Vanilla(), **options), run(clvs.CLVS(), words=("no", ""), **options)]


METHODS = {
    "vanilla": clvs.Vanilla(),
    "clvs": clvs.CLVS(),
    "vcd": clvs.VCD(),
    "pai": clvs.PAI(),
    "var": clvs.VAR(dims=(3, 11)),
    "adhh": clvs.ADHH(heads=((2, 1), (4, 0))),
    "vaf": clvs.VAF(),
    "tarac": clvs.TARAC(),
    "pai+clvs": clvs.Combine(clvs.PAI(), clvs.CLVS()),
}


def several(*names, **options):
    """Runs of the named methods; every second one says no."""
    words = (("yes", ""), ("no", ""))
    return [run(METHODS[name], words=words[at % 2], **options) for at, name in enumerate(names)]


def png(width=96, height=96, colour=(128, 128, 128)):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def box_object(name, views, x0, y0, x1, y1, **options):
    """An object that fills a box of the picture exactly."""
    mask = np.zeros((views.height, views.width), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return MapObject(name, mask, clvs.coverage(mask, views), **options)


def payload(runs=None, objects=None, **options):
    """A finished comparison: a dog on the picture's upper left quarter, a cat (switched off) on the lower right."""
    from viz.viewer.standalone import data_url

    runs = pair() if runs is None else runs
    views = runs[0].trace.views
    if objects is None:
        half = views.width // 2
        dog = box_object("dog", views, 0, 0, half, half)
        objects = [dog, box_object("cat", views, half, half, views.width, views.height, on=False)]
    picture = data_url(png(views.width, views.height))
    return build(Comparison(runs, image_url=picture, objects=objects, id=options.pop("id", "fake"), **options))
