"""A model whose answers are known in advance and whose slowness and failures are asked for in the question.

"slowly" in a question: one token each 50 ms up to the limit; "explode": the engine fails; "unicorn" and "girafe":
unknown words.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time

import numpy as np

from clvs_core.engine.knockout import Knockout
from clvs_core.engine.runs import Addition, Token
from clvs_core.methods import Target, spec
from clvs_core.models.geometry.llava import llava_views
from clvs_core.models.registry import card_for
from tests import viewer_fakes
from viz.page import build

NAMING = ["A dog", " and a car.", ""]  # what "Describe" is answered


class FakeModel:
    """The part of `clvs_core.Model` that the page uses. `opened`, `finished` and `closed` count streams.

    CLVS's alpha scales its weights, so that a changed setting changes what is drawn.
    """

    def __init__(self, name="scenes"):
        self.name, self.card = name, card_for(name)
        self.layers, self.heads = viewer_fakes.LAYERS, viewer_fakes.HEADS
        self.opened = self.closed = self.finished = self.steps = 0
        self.asked, self.prompts, self.forgotten = [], [], []
        self.hidden, self.passes, self.hiding_closed = [], 0, 0  # of knock-outs

    @property
    def target(self):
        card = card_for(self.name)
        return Target(card.label, self.layers, self.heads, 4096, card.settings)

    def unknown_words(self, question, prompt="chat"):
        return [word for word in question.rstrip("?").split() if word in ("unicorn", "girafe")]

    def open_image(self, picture, prompt="chat"):
        side = viewer_fakes.SIDE * 8
        return FakeImage(self, llava_views(picture.height, picture.width, side, 8, "squash"), f"{id(picture)}")

    def forget(self, content):
        self.forgotten.append(content)


class FakeImage:
    def __init__(self, model, views, content):
        self.model, self.views, self.key = model, views, (content, "")
        self.width, self.height = views.width, views.height

    def ask(self, question, methods, max_new_tokens=16, lens=False, prompt="chat", rest=False):
        *_, last = self.stream(question, methods, max_new_tokens, lens, prompt, rest)
        self.model.asked.append([spec(m) for m in methods])
        return last.runs

    def knockout_stream(self, question, mask, methods, window, rows, token, control, **more):
        """What is left falls from layer to layer, and for CLVS twice as fast; three passes, "slowly" 50 ms each.

        With `answer`, whole answers name dog and car, but in layers 2 and 3, and without any look, nothing.
        """
        self.model.hidden.append((rows, int(mask.sum()), window, token))
        layers = np.arange(self.model.layers)
        try:
            for known in (1, self.model.layers // 2, self.model.layers):
                if "slowly" in question:
                    time.sleep(0.05)
                self.model.passes += 1
                kept = [np.where(layers < known, 0.5 ** (layers * (i + 1)), np.nan) for i in range(len(methods))]
                found = [_knockout(m, k, rows, window) for m, k in zip(methods, kept, strict=True)]
                yield [_whole(one, known) for one in found] if more["answer"] else found
        finally:
            self.model.hiding_closed += 1

    def stream(self, question, methods, max_new_tokens=16, lens=False, prompt="chat", rest=False):
        self.model.prompts.append(prompt)
        self.model.opened += 1
        return self._steps(question, methods, max_new_tokens)

    def _steps(self, question, methods, limit):
        words = NAMING if "Describe" in question else ["word"] * limit if "slowly" in question else ["Yes", ""]
        try:
            for index in range(min(len(words), limit)):
                if "explode" in question:
                    raise RuntimeError("a secret of the engine")
                if "slowly" in question:
                    time.sleep(0.05)
                self.model.steps += 1
                yield Step(index, [_run(m, words[: index + 1], question, self.views) for m in methods])
            self.model.finished += 1
        finally:
            self.model.closed += 1


def _knockout(method, kept, rows, window):
    said = [None if np.isnan(share) else Token(1, "Yes" if share > 0.5 else "No", 0.9) for share in kept]
    nothing, all_of_it = np.full(len(kept), np.nan), np.where(np.isnan(kept), np.nan, 1.0)
    return Knockout(method, Token(1, "Yes", 0.9), 0.9, kept, nothing, said, 0.25, kept[::-1].copy(), all_of_it,
                    np.arange(9) < 4, rows, window)  # fmt: skip


def _whole(found, known):
    said = [
        ("Nothing." if layer in (1, 2) else "".join(NAMING)) if layer < known else None for layer in range(found.layers)
    ]
    return dataclasses.replace(found, answer="".join(NAMING), answers=said, answer_everywhere="Nothing.")


@dataclasses.dataclass
class Step:
    index: int
    runs: list

    @property
    def additions(self):
        return [_addition(run) for run in self.runs]


def _addition(run):
    """What the last token of a run added, with the text of the ids that `viewer_fakes` gives its words."""
    trace, row = run.trace, {}
    for name in ("attention", "uncertainty", "stop_layer", "memory", "accumulation", "sinks", "acted_heads",
                 "contrast_ids", "contrast_probabilities", "rest"):  # fmt: skip
        if getattr(trace, name) is not None:
            row[name] = getattr(trace, name)[-1]
    words = dict(enumerate(viewer_fakes.WORDS))
    return Addition(row, run.tokens[-1], run.text, words, trace.meta, run.finished)


def _run(method, words, question, views):
    for part in method.parts:  # of a method of one's own nothing is known
        viewer_fakes.SPECS.setdefault(part.name, part.name)
    run = viewer_fakes.run(method, words=words, views=views)
    trace = run.trace
    trace.meta |= {"question": question, "method": spec(method)}
    for part in method.parts:
        if part.name == "clvs":
            trace.attention = trace.original = (trace.attention * part.alpha).astype("float16")
    return run


@contextlib.contextmanager
def served(page):
    """The address of a page that is served meanwhile."""
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **build.launch_settings()
    )
    yield address
    page.close()


def when(condition, seconds=60):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
