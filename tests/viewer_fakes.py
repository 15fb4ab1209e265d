"""Runs with weights that are known in advance, so that every pixel and every number of the viewer can be predicted."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

import clvs_core as clvs
from clvs_core.engine.decode import Run, Token
from clvs_core.models.views import llava_views
from viz.viewer.payload import MapObject, build

LAYERS, HEADS, SIDE = 8, 2, 6
HOT, COLD = 0.25, 2.0**-9  # float16 holds both exactly
QUESTION = "Is there a dog?"


def hot_token(layer):
    """The one token that gets the weight HOT at a layer: along the picture's diagonal, then back."""
    at = min(layer, SIDE - 1)
    return at * SIDE + at


def weights(method, steps, layers=LAYERS, side=SIDE):
    """(steps, layers, heads, visual): vanilla's hot spot has half the weight in the second half, CLVS keeps it."""
    out = np.full((steps, layers, HEADS, side * side), COLD)
    for layer in range(layers):
        fading = method == "vanilla" and layer >= layers // 2
        out[:, layer, :, hot_token(layer)] = HOT / 4 if fading else HOT
    out[:, :, 1] *= 2  # heads differ: the mean is 1.5 times the first
    return out.astype(np.float16)


def trace(method, steps=2, views=None, stop=6, lens=False):
    """One method's record; CLVS stops after layer `stop` (0-based)."""
    views = views or llava_views(SIDE * 16, SIDE * 16, SIDE * 8, 8, "squash")
    attention = weights(method.name, steps)
    uncertainty = np.full((steps, LAYERS), np.nan)
    uncertainty[:, 5:] = [0.9, 0.4, 0.2]
    smooths = method.name != "vanilla"
    return clvs.Trace(
        attention=attention,
        original=attention,
        memory=attention.max(axis=2) if smooths else None,
        uncertainty=uncertainty if smooths else np.full_like(uncertainty, np.nan),
        stop_layer=np.full(steps, stop if smooths else -1),
        views=views,
        meta={
            "model": "scenes",
            "question": QUESTION,
            "method": "clvs:alpha=0.8,beta=0.8" if smooths else "vanilla",
            "threshold": 0.5 if smooths else None,
            "first_check": 5 if smooths else None,
        },
        lens_probabilities=np.tile([0.5, 0.25, 0.125], (steps, LAYERS, 1)) if lens else None,
        lens_words=[[["yes", "no", "dog"]] * LAYERS] * steps if lens else None,
    )


def run(method, words=("yes", ""), **options):
    tokens = [Token(index, word, 0.5 + 0.25 * (index > 0)) for index, word in enumerate(words)]
    tokens[0] = Token(sum(map(ord, words[0])), words[0], 0.5)
    return Run(method, "".join(words), tokens, None, trace(method, len(words), **options), True)


def pair(**options):
    """Vanilla says yes, CLVS says no."""
    return [run(clvs.Vanilla(), **options), run(clvs.CLVS(), words=("no", ""), **options)]


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
    from viz.export import data_url

    runs = pair() if runs is None else runs
    views = runs[0].trace.views
    if objects is None:
        half = views.width // 2
        dog = box_object("dog", views, 0, 0, half, half)
        objects = [dog, box_object("cat", views, half, half, views.width, views.height, on=False)]
    picture = data_url(png(views.width, views.height))
    return build(runs, image_url=picture, objects=objects, id=options.pop("id", "fake"), **options)
