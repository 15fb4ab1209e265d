"""The models of a page: each loaded once, on first use, and freed for another one where the page is its owner's.

Visitors can use only what is named at start, so that they cannot make the server download anything; who runs the
page on a machine of their own may choose any model this program knows. What is said of them is `viz.page.offers`, what
is asked of them `viz.page.asking`.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError, Stopped
from clvs_core.loading import check_options
from clvs_core.models import memory
from clvs_core.models.registry import CARDS, card_for
from viz.page import zerogpu as border

PATIENCE = 20.0  # seconds that switching waits for an answer that is still coming
STOPPED = "Stopped: the model on the page stays, and what has come of the other one is kept."


@dataclass(frozen=True)
class Precision:
    """The options that models are loaded with."""

    quantization: str | None
    dtype: str
    device: str

    def kept(self, family: str = "") -> str:
        """How weights are kept with these options, by its name in `memory`."""
        return memory.precision(self.dtype, self.device, self.quantization, family=family)


class Models:
    """Loads by name; safe to share between visitors.

    names: what may be asked, the first of them to start with. own: the page is its owner's alone, who may also choose
    any card in the menu; then switching frees what was loaded before. On a page for others nothing that is loaded is
    taken away, since somebody else may be using it.
    """

    def __init__(
        self,
        names: Sequence[str] = ("scenes",),
        *,
        dtype: str = "auto",
        device: str = "auto",
        load: Callable[..., Any] | None = None,
        quantization: str | None = None,
        own: bool = False,
        image_mode: str | None = None,
    ):
        check_options(dtype, device, quantization)
        self._sources = _sources(names)
        self._named = frozenset(self._sources)
        if own:
            named = {card_for(source).name for source in self._sources.values()}
            self._sources |= {name: name for name in CARDS if name not in named and name not in self._sources}
        self.cards = {name: replace(card_for(source), name=name) for name, source in self._sources.items()}
        self.own = own
        self._options: dict[str, Any] = {"dtype": dtype, "device": device}
        if quantization:
            self._options["quantization"] = quantization
        self.precision = Precision(quantization, dtype, device)
        self._image_mode = image_mode
        self._load = load or clvs.load_model
        self._loaded: dict[str, Any] = {}
        shared = threading.RLock()
        self._loading = {name: shared if own else threading.Lock() for name in self.cards}
        self._idle, self._running = threading.Condition(), 0

    @property
    def default(self) -> str:
        return next(iter(self.cards))

    def source(self, name: str) -> str:
        """What was given at start for this name: itself, or a folder of this machine."""
        return self._sources[name]

    def ready(self, name: str) -> bool:
        return name in self._loaded

    def offered(self, name: str) -> bool:
        """Whether anybody may ask this model: it was named at start, or is loaded."""
        return name in self._named or name in self._loaded

    def get(self, name: str) -> Any:
        """The model, loaded now if need be. ModelError when it is not offered here or cannot be loaded."""
        if not self.offered(name):
            known = ", ".join(filter(self.offered, self.cards))
            raise ModelError(f"There is no model {name!r:.80} here; choose one of {known}.")
        return self._get(name)

    def switch(self, name: str, stop: threading.Event | None = None) -> Iterator[str]:
        """Loads any card, in place of what is loaded if the page is its owner's; yields how far that is.

        stop: set, it ends a download at once, and what has come is kept; weights are read to their end and discarded.
        ModelError when that cannot be, Stopped when it was stopped; then what was loaded before still is, or is loaded
        again when it is asked.
        """
        stop = stop or threading.Event()
        self.refuse(name)
        news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        failed: list[BaseException] = []

        def tell(progress: str) -> None:
            if stop.is_set():
                raise Stopped(STOPPED)
            news.put(progress)

        def load() -> None:
            try:
                self._get(name, progress=tell)
            except BaseException as error:  # whatever ends this thread is to be told
                failed.append(error)
            finally:
                news.put(None)

        was_ready = self.ready(name)
        threading.Thread(target=load, name="switch-model", daemon=True).start()
        yield from _heard(news, stop)
        if failed:
            raise failed[0] if isinstance(failed[0], Exception) else border.for_visitors(failed[0])
        if stop.is_set() and not was_ready:
            self._discard(name)
            raise Stopped(STOPPED)
        self._named |= {name}  # it may have to make room for another one, and be asked again

    def _discard(self, name: str) -> None:
        """Forgets a model that was read before the stop was heard, unless somebody asks it already."""
        with self._idle:
            if not self._running:
                self._loaded.pop(name, None)
        memory.release()

    def _get(self, name: str, progress: Callable[[str], None] | None = None) -> Any:
        model = self._loaded.get(name)
        if model is not None:
            return model
        with self._turn(name, progress):  # visitors of the other models do not wait for this one
            if name not in self._loaded:
                options: dict[str, Any] = {"progress": progress} if progress else {}
                if self._image_mode and self.cards[name].family == "llava":  # the others have no choice
                    options["image_mode"] = self._image_mode
                if self.own:
                    options["room"] = lambda needed: self._make_room(needed, always=progress is not None)
                model = self._load(self._sources[name], **self._options, **options)
                self._loaded[name] = self._called(name, model)
            return self._loaded[name]

    @contextlib.contextmanager
    def _turn(self, name: str, progress: Callable[[str], None] | None) -> Iterator[None]:
        """Holds the lock under which a model is loaded; `progress` is told of waiting for it, and may end that."""
        lock = self._loading[name]
        while not lock.acquire(timeout=0.3):
            if progress:
                progress("Waiting for another model that is being loaded…")
        try:
            yield
        finally:
            lock.release()

    def _called(self, name: str, model: Any) -> Any:
        """A model out of a folder goes by the folder's name: its path is nobody's business."""
        if self._sources[name] != name:
            model.card = replace(model.card, name=name)
        if self._sources[name] not in CARDS:  # its family, and so its settings, may be known only now
            self.cards[name] = replace(self.cards[name], settings=model.card.settings, note=model.card.note)
        return model

    # --- what this machine can hold -------------------------------------------------------------------------------

    def reason(self, name: str) -> str:
        """Why a model cannot be used here, to follow its name; "" where it can, as far as is known before loading."""
        card = self.cards[name]
        if self.ready(name) or card.size is None:
            return ""
        needed, device = self.needed(card), self.precision.device
        if memory.fit(needed, device, self.spare()):
            return ""
        free = max(place.free for place in memory.places(device)) + self.spare()
        return f"needs {memory.gigabytes(needed)}, and {memory.gigabytes(free)} are free here"

    def refuse(self, name: str) -> None:
        """ModelError on its owner's page for what does not fit.

        Elsewhere loading says so itself, which does not count on what could be freed.
        """
        reason = self.reason(name)
        if self.own and reason:
            raise ModelError(f"{self.cards[name].label} {reason}; {self._advice(name)}the model on the page stays.")

    def _advice(self, name: str) -> str:
        """The option of the app with which a model would fit, for the middle of a sentence; "" where none helps."""
        card = self.cards[name]
        assert card.size is not None  # else nothing is known that would not fit
        fitting = memory.others(card.size, self.precision.device, self.precision.kept(card.family), self.spare())
        for kept, needed in fitting.items():
            option = "--quantization" if kept.endswith("bit") else "--dtype"
            return f"started with {option} {kept}, the app could run it in {memory.gigabytes(needed)}; "
        return ""

    def needed(self, card: Any) -> int:
        """Bytes that a model of a known size takes as it is loaded here."""
        computed = replace(self.precision, quantization=None).kept(card.family)
        return card.size.needed(self.precision.quantization or computed, computed)

    def spare(self) -> int:
        """Bytes that freeing what is loaded would give; none of it is ours to free on a page for others."""
        if not self.own:
            return 0
        return sum(self.needed(self.cards[name]) for name in self._loaded if self.cards[name].size)

    def _make_room(self, needed: int, *, always: bool) -> None:
        """Frees the models that are loaded: always, or only if the new one would not fit beside them."""
        device = self.precision.device
        if not self._loaded or not (always or memory.fit(needed, device) is None):
            return
        if memory.fit(needed, device, self.spare()) is None:
            return  # it would be for nothing: loading will say what would fit
        with self._idle:
            if not self._idle.wait_for(lambda: self._running == 0, timeout=PATIENCE):
                raise ModelError("An answer is still coming from the model that is loaded; switch when it is done.")
            self._loaded.clear()
        memory.release()

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """The model, which is not freed meanwhile."""
        while True:
            self.get(name)
            with self._idle:
                model = self._loaded.get(name)
                if model is not None:
                    self._running += 1
                    break
        try:
            yield model
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

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

    def load(self, *names: str) -> None:
        """Loads models in this thread, to keep them all; ModelError when that cannot be."""
        needed = sum(self.needed(self.cards[name]) for name in names if self.cards[name].size)
        if len(names) > 1 and memory.fit(needed, self.precision.device) is None:
            free = max(place.free for place in memory.places(self.precision.device))
            raise ModelError(
                f"{' and '.join(names)} need {memory.gigabytes(needed)} together, and {memory.gigabytes(free)} are "
                "free here; name fewer models."
            )
        for name in names:
            print(f"Loading {self.cards[name].label} ...", file=sys.stderr)
            self.get(name)


def _sources(names: Sequence[str]) -> dict[str, str]:
    """What to load, by the name that visitors see: the same, or a folder's base name. ClvsError when two agree."""
    sources: dict[str, str] = {}
    for source in names:
        name = Path(source).resolve().name if Path(source).is_dir() else source
        if sources.setdefault(name, source) != source:
            raise ClvsError(f"Two models would be called {name!r}; rename one of the folders.")
    return sources


def _heard(news: queue.SimpleQueue[str | None], stop: threading.Event) -> Iterator[str]:
    """What comes until None does; and once, that a stop takes its time."""
    slow = False
    while True:
        try:
            progress = news.get(timeout=0.7)
        except queue.Empty:
            if stop.is_set() and not slow:
                slow = True
                yield "Stopping: the model is discarded as soon as it is read."
            continue
        if progress is None:
            return
        yield progress
