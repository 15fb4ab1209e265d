"""The models a page offers: each loaded once, on first use, and asked one thing at a time.

Only what is named at start can be used, so that a visitor cannot make the server download anything.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError
from clvs_core.models.registry import card_for
from viz.ui import limits

try:
    from spaces import GPU as gpu  # ZeroGPU: the function runs in a process that has the accelerator
except ImportError:

    def gpu(function: Callable[..., Any]) -> Callable[..., Any]:
        """Anywhere else the function stays as it is."""
        return function


BUSY = "Too many people are asking at this moment; try again in a minute."


@dataclass(frozen=True)
class Answer:
    """What has come so far of one question: geometry, and one run per method (none before the first token)."""

    views: Any
    runs: Sequence[Any]
    layers: int
    unknown: Sequence[str]


class Models:
    """Loads by name and runs questions; safe to share between visitors."""

    def __init__(
        self,
        names: Sequence[str] = ("scenes",),
        dtype: str = "auto",
        device: str = "auto",
        load: Callable[..., Any] | None = None,
    ):
        self._sources = _sources(names)
        self.cards = {name: replace(card_for(source), name=name) for name, source in self._sources.items()}
        self._settings = {"dtype": dtype, "device": device}
        self._load = load or clvs.load_model
        self._loaded: dict[str, Any] = {}
        self._loading = {name: threading.Lock() for name in self.cards}
        self._busy = threading.Lock()
        self._room = threading.BoundedSemaphore(limits.QUEUE_SIZE)
        self.stream = gpu(self._stream)
        self.ask = gpu(self._ask)

    @property
    def default(self) -> str:
        return next(iter(self.cards))

    def source(self, name: str) -> str:
        """What was given at start for this name: itself, or a folder of this machine."""
        return self._sources[name]

    def ready(self, name: str) -> bool:
        return name in self._loaded

    def get(self, name: str) -> Any:
        """The model, loaded now if need be. ModelError when it is not offered here or cannot be loaded."""
        if name not in self.cards:
            raise ModelError(f"There is no model {name!r:.80} here; choose one of {', '.join(self.cards)}.")
        if name not in self._loaded:
            with self._loading[name]:  # visitors of the other models do not wait for this one
                if name not in self._loaded:
                    self._loaded[name] = self._named(name, self._load(self._sources[name], **self._settings))
        return self._loaded[name]

    def _named(self, name: str, model: Any) -> Any:
        """A model out of a folder goes by the folder's name: its path is nobody's business."""
        if self._sources[name] != name:
            model.card = replace(model.card, name=name)
        return model

    def preload(self) -> threading.Thread:
        """Loads the first model in the background; an error shows again, as a sentence, at the first question."""

        def load() -> None:
            try:
                self.get(self.default)
            except ClvsError as error:
                print(error, file=sys.stderr)

        thread = threading.Thread(target=load, name="load-model", daemon=True)
        thread.start()
        return thread

    def _stream(
        self, name: str, picture: Any, question: str, methods: Sequence[Any], max_new_tokens: int
    ) -> Iterator[Answer]:
        """Yields once when the picture has been read and once per token; closing it frees the engine's tensors.

        The lock is held while something is computed and not between steps, where a visitor may be slow to listen.
        """
        model = self.get(name)
        with self._busy:
            unknown = model.unknown_words(question)
            image = model.open_image(picture)
        yield Answer(image.views, [], model.layers, unknown)
        with self._busy:
            steps = image.stream(question, methods, max_new_tokens=max_new_tokens, lens=True)
        try:
            while True:
                with self._busy:
                    step = next(steps, None)
                if step is None:
                    return
                yield Answer(image.views, step.runs, model.layers, unknown)
        finally:
            steps.close()

    def _ask(self, name: str, picture: Any, question: str, methods: Sequence[Any], max_new_tokens: int) -> Answer:
        """The finished answer, in one call: what a slider waits for. ClvsError when too many wait already."""
        model = self.get(name)
        if not self._room.acquire(blocking=False):
            raise ClvsError(BUSY)
        try:
            with self._busy:
                image = model.open_image(picture)
                runs = image.ask(question, methods, max_new_tokens=max_new_tokens, lens=True)
                unknown = model.unknown_words(question)
        finally:
            self._room.release()
        return Answer(image.views, runs, model.layers, unknown)


def _sources(names: Sequence[str]) -> dict[str, str]:
    """What to load, by the name that visitors see: the same, or a folder's base name. ClvsError when two agree."""
    found: dict[str, str] = {}
    for source in names:
        name = Path(source).resolve().name if Path(source).is_dir() else source
        if found.setdefault(name, source) != source:
            raise ClvsError(f"Two models would be called {name!r}; rename one of the folders.")
    return found
