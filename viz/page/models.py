"""The models a page offers: each loaded once, on first use, and asked one thing at a time.

Visitors can use only what is named at start, so that they cannot make the server download anything; who runs the
page on a machine of their own may choose any model this program knows.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradio.context import LocalContext

import clvs_core as clvs
from clvs_core.engine.runs import Addition, RunLog
from clvs_core.errors import ClvsError, ModelError, Stopped
from clvs_core.loading import check_options
from clvs_core.models import download, memory
from clvs_core.models.hub import downloaded
from clvs_core.models.prompts import CHAT
from clvs_core.models.recommend import Recommendation, duration, measure, recommend, seconds
from clvs_core.models.registry import CARDS, card_for
from viz.page import limits
from viz.page import zerogpu as border
from viz.page.limits.listeners import wanted

PATIENCE = 20.0  # seconds that switching waits for an answer that is still coming
STOPPED = "Stopped: the model on the page stays, and what has come of the other one is kept."
BUSY = "Too many people are asking at this moment; try again in a minute."


@dataclass(frozen=True)
class Answer:
    """What has come so far of one question: geometry, and one run per method (none before the first token).

    tokens: how many the answer may have, those asked for or as many as there is room for the maps of.
    """

    views: Any
    runs: Sequence[Any]
    layers: int
    unknown: Sequence[str]
    tokens: int


@dataclass(frozen=True)
class Call:
    """One question as it crosses to where the GPU is.

    tokens: how many are asked for. beside: methods whose runs are there already and will be kept together with these.
    wanted: whether somebody waits for the answer; None where that cannot be asked.
    """

    model: str
    picture: Any
    question: str
    methods: Sequence[Any]
    tokens: int
    prompt: str = CHAT
    beside: Sequence[Any] = ()
    wanted: Callable[[], bool] | None = None


class Shown:
    """The pictures that visitors have on their pages: what models keep for one goes with it.

    The same picture of two visitors is kept for as long as one of them has it.
    """

    def __init__(self) -> None:
        self._marks: set[tuple[int, int, str]] = set()
        self._lock = threading.RLock()  # a picture may be found gone while it is held

    def note(self, model: Any, picture: Any, content: str) -> None:
        """This visitor's picture has been read by the model, which knows it by its content."""
        mark = id(model), id(picture), content
        with self._lock:
            if mark not in self._marks:
                self._marks.add(mark)
                weakref.finalize(picture, self._gone, mark, weakref.ref(model)).atexit = False

    def _gone(self, mark: tuple[int, int, str], model: Callable[[], Any]) -> None:
        with self._lock:
            self._marks.discard(mark)
            last = not any((one, content) == (mark[0], mark[2]) for one, _, content in list(self._marks))
        if last and (kept := model()) is not None:
            kept.forget(mark[2])


class Models:
    """Loads by name and runs questions; safe to share between visitors.

    names: what may be asked, the first of them to start with. own: the page is its owner's alone, who may also choose
    any card in the menu; then switching frees what was loaded before. On a page for others nothing that is loaded is
    taken away, since somebody else may be using it.
    """

    def __init__(
        self,
        names: Sequence[str] = ("scenes",),
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
            given = {card_for(source).name for source in self._sources.values()}
            self._sources |= {name: name for name in CARDS if name not in given and name not in self._sources}
        self.cards = {name: replace(card_for(source), name=name) for name, source in self._sources.items()}
        self.own = own
        self._settings = {"dtype": dtype, "device": device}
        if quantization:
            self._settings["quantization"] = quantization
        self._precision = quantization, dtype, device
        self._image_mode = image_mode
        self._load = load or clvs.load_model
        self._loaded: dict[str, Any] = {}
        one = threading.RLock()
        self._loading = {name: one if own else threading.Lock() for name in self.cards}
        self._busy = threading.Lock()
        self._idle, self._running = threading.Condition(), 0
        self._room = threading.BoundedSemaphore(limits.QUEUE_SIZE)
        self._shown = Shown()
        self._streamed = border.across(self._stream, self._seconds)
        self._asked = border.across(self._ask, self._seconds)

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
        self._refuse(name)
        told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        failed: list[BaseException] = []

        def tell(far: str) -> None:
            if stop.is_set():
                raise Stopped(STOPPED)
            told.put(far)

        def load() -> None:
            try:
                self._get(name, progress=tell)
            except BaseException as error:  # whatever ends this thread is to be told
                failed.append(error)
            finally:
                told.put(None)

        was_ready = self.ready(name)
        threading.Thread(target=load, name="switch-model", daemon=True).start()
        yield from _heard(told, stop)
        if failed:
            raise failed[0] if isinstance(failed[0], Exception) else border.told(failed[0])
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
                model = self._load(self._sources[name], **self._settings, **options)
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

    def menu(self, name: str, status: str = "") -> dict[str, Any]:
        """What the model menu shows: the chosen name, a line about each model, and how far loading is.

        The model for this machine comes first, with `advice`; `asks` says that `facts` are to be confirmed before.
        """
        best = self.recommended()
        first = best.card.name if best else ""
        rows = [self._row(each) for each in sorted(self.cards, key=lambda each: each != first)]
        if best:
            rows[0]["advice"] = f"Recommended for this machine: {best.reason}"
        return {"name": name, "status": status, "rows": rows}

    def _row(self, name: str) -> dict[str, Any]:
        card, ready = self.cards[name], self.ready(name)
        about, asks = ["loaded"] if ready else [], self.asks(name)
        if card.size:
            about += [_count(card.size.parameters), memory.gigabytes(self._needed(card))]
            if not ready and not downloaded(card):
                about.append(f"downloads {memory.gigabytes(_download(card))}")
        if card.paper:
            about.append("in the CLVS paper")
        told = {"label": card.label, "about": ", ".join(about), "reason": self.reason(name)}
        return {"name": name, **told, "advice": "", "asks": asks}

    # --- which one to use here ------------------------------------------------------------------------------------

    def recommended(self) -> Recommendation | None:
        """The model to use on its owner's machine; None on a page for others, whose owner has chosen already."""
        if not self.own:
            return None
        places, kept = memory.places(self._precision[2]), self._kept()
        device = max(places, key=lambda place: place.total).device
        return recommend(places, self.cards.values(), kept, lambda: measure(device, kept), self._spare())

    def asks(self, name: str) -> bool:
        """Whether choosing a model would download it, which its owner confirms first."""
        card = self.cards[name]
        return self.own and not self.ready(name) and card.size is not None and not downloaded(card)

    def facts(self, name: str) -> dict[str, Any]:
        """What is to be known of a model before it is downloaded. ModelError when there is no room for it."""
        self._refuse(name)
        card, come = self.cards[name], download.kept(self.cards[name].source)
        size = _download(card)
        download.check_disk(size - come)
        has = f", of which {memory.gigabytes(come)} have come already" if come > 10**8 else ""
        room = memory.gigabytes(download.room())
        told = [
            ("Licence", card.licence + (", to be accepted on its page first" if card.gated else "")),
            ("Download", f"{memory.gigabytes(size)} from huggingface.co/{card.source}{has}"),
            ("Kept in", f"{download.cache()}, where {room} are free"),
            ("Memory", f"{memory.gigabytes(self._needed(card))}; the model that is loaded makes room for it"),
            ("First answer", self._time(card)),
        ]
        return {"name": name, "label": card.label, "facts": [pair for pair in told if pair[1]]}

    def _time(self, card: Any) -> str:
        """The estimated time of a first answer, "" where nothing is known of the model's parts."""
        device = memory.places(self._precision[2])[0].device
        took = seconds(card, self._kept(), measure(device, self._kept()))
        return f"{duration(took)} on this machine once it is loaded (an estimate)" if took else ""

    def for_photographs(self) -> dict[str, Any]:
        """What to use where the model on the page is not made for photographs: {text}, and {name, label, asks} of one.

        text: a sentence. On a page for others only what is offered is named.
        """
        best = self.recommended()
        if best:
            size = "" if downloaded(best.card) else f", a download of {memory.gigabytes(_download(best.card))}"
            text = (
                f"For photographs, {best.card.label} suits this machine ({best.card.licence}{size}): the first answer "
                f"in {duration(best.seconds)}, by estimate."
            )
            return {"text": text, **self._offer(best.card.name)}
        able = [name for name in self.cards if self.offered(name) and self._sees(name)]
        if able:
            name = max(able, key=lambda name: (self.ready(name), self.cards[name].parameters or 0))
            return {"text": f"For photographs, choose {self.cards[name].label}.", **self._offer(name)}
        if self.own:
            return {"text": "For photographs, a larger model is needed than this machine can run."}
        return {"text": "For photographs, whoever runs this page can offer a larger model, e.g. --model llava-1.5-7b."}

    def _sees(self, name: str) -> bool:
        return self.cards[name].photographs and not self.reason(name)

    def _offer(self, name: str) -> dict[str, Any]:
        return {"name": name, "label": self.cards[name].label, "asks": self.asks(name)}

    def _kept(self) -> str:
        quantization, dtype, device = self._precision
        return memory.precision(dtype, device, quantization)

    def reason(self, name: str) -> str:
        """Why a model cannot be used here, to follow its name; "" where it can, as far as is known before loading."""
        card = self.cards[name]
        if self.ready(name) or card.size is None:
            return ""
        needed, device = self._needed(card), self._precision[2]
        if memory.fit(needed, device, self._spare()):
            return ""
        free = max(place.free for place in memory.places(device)) + self._spare()
        return f"needs {memory.gigabytes(needed)}, and {memory.gigabytes(free)} are free here"

    def _refuse(self, name: str) -> None:
        """ModelError on its owner's page for what does not fit.

        Elsewhere loading says so itself, which does not count on what could be freed.
        """
        reason = self.reason(name)
        if self.own and reason:
            raise ModelError(f"{self.cards[name].label} {reason}; {self._advice(name)}the model on the page stays.")

    def _advice(self, name: str) -> str:
        """The option of the app with which a model would fit, for the middle of a sentence; "" where none helps."""
        card, (quantization, dtype, device) = self.cards[name], self._precision
        kept = memory.precision(dtype, device, quantization, family=card.family)
        fitting = memory.others(card.size, device, kept, self._spare())
        for kept, needed in fitting.items():
            option = "--quantization" if kept.endswith("bit") else "--dtype"
            return f"started with {option} {kept}, the app could run it in {memory.gigabytes(needed)}; "
        return ""

    def _needed(self, card: Any) -> int:
        quantization, dtype, device = self._precision
        computed = memory.precision(dtype, device, None, family=card.family)
        return card.size.needed(quantization or computed, computed)

    def _spare(self) -> int:
        """Bytes that freeing what is loaded would give; none of it is ours to free on a page for others."""
        if not self.own:
            return 0
        return sum(self._needed(self.cards[name]) for name in self._loaded if self.cards[name].size)

    def _make_room(self, needed: int, always: bool) -> None:
        """Frees the models that are loaded: always, or only if the new one would not fit beside them."""
        device = self._precision[2]
        if not self._loaded or not (always or memory.fit(needed, device) is None):
            return
        if memory.fit(needed, device, self._spare()) is None:
            return  # it would be for nothing: loading will say what would fit
        with self._idle:
            if not self._idle.wait_for(lambda: self._running == 0, timeout=PATIENCE):
                raise ModelError("An answer is still coming from the model that is loaded; switch when it is done.")
            self._loaded.clear()
        memory.release()

    @contextlib.contextmanager
    def _using(self, name: str) -> Iterator[Any]:
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
        needed = sum(self._needed(self.cards[name]) for name in names if self.cards[name].size)
        if len(names) > 1 and memory.fit(needed, self._precision[2]) is None:
            free = max(place.free for place in memory.places(self._precision[2]))
            raise ModelError(
                f"{' and '.join(names)} need {memory.gigabytes(needed)} together, and {memory.gigabytes(free)} are "
                "free here; name fewer models."
            )
        for name in names:
            print(f"Loading {self.cards[name].label} ...", file=sys.stderr)
            self.get(name)

    # --- answering: `_stream` and `_ask` run where the GPU is, the rest of this object where the page is -------------

    def stream(
        self,
        name: str,
        picture: Any,
        question: str,
        methods: Sequence[Any],
        max_new_tokens: int,
        prompt: str = CHAT,
    ) -> Iterator[Answer]:
        """Yields once when the picture has been read and once per token; closing it frees the engine's tensors."""
        self.get(name)
        with contextlib.closing(self._streamed(Call(name, picture, question, methods, max_new_tokens, prompt))) as sent:
            answer = next(sent)
            yield answer
            logs = [RunLog(method, answer.views, answer.tokens) for method in methods]
            for additions in sent:
                for log, new in zip(logs, additions, strict=True):
                    if new is not None:
                        log.append(new)
                yield replace(answer, runs=[log.run(len(log.tokens)) for log in logs])

    def _stream(self, call: Call) -> Iterator[Answer | list[Addition | None]]:
        """Yields the answer without runs, then what each token adds to each run.

        The lock is held while something is computed and not between steps, where a visitor may be slow to listen.
        """
        with self._using(call.model) as model:
            with self._busy:
                unknown = model.unknown_words(call.question, call.prompt)
                image = self._open(model, call)
            count = _room(model, image.views, call.methods, call.tokens)
            yield Answer(image.views, [], model.layers, unknown, count)
            with self._busy:
                steps = image.stream(call.question, call.methods, max_new_tokens=count, lens=True, prompt=call.prompt)
            try:
                while True:
                    with self._busy:
                        step = next(steps, None)
                    if step is None:
                        return
                    yield step.additions
            finally:
                steps.close()
                del image, steps

    def ask(
        self,
        name: str,
        picture: Any,
        question: str,
        methods: Sequence[Any],
        max_new_tokens: int,
        prompt: str = CHAT,
        beside: Sequence[Any] = (),
    ) -> Answer:
        """The finished answer, in one call: what a slider waits for. ClvsError when too many wait already.

        Stopped where it has its turn and who asked has gone.
        """
        self.get(name)
        if not self._room.acquire(blocking=False):
            raise ClvsError(BUSY)
        try:
            call = Call(name, picture, question, methods, max_new_tokens, prompt, beside)
            if not border.ZERO_GPU:  # what crosses to another process is pickled
                call = replace(call, wanted=wanted(LocalContext.request.get(None)))
            (answer,) = self._asked(call)
            return answer
        finally:
            self._room.release()

    def _ask(self, call: Call) -> Iterator[Answer]:
        with self._using(call.model) as model, self._busy:
            if call.wanted is not None and not call.wanted():
                raise Stopped("Nobody waits for this answer any more.")
            image = self._open(model, call)
            count = _room(model, image.views, [*call.methods, *call.beside], call.tokens)
            runs = image.ask(call.question, call.methods, max_new_tokens=count, lens=True, prompt=call.prompt)
            unknown = model.unknown_words(call.question, call.prompt)
        yield Answer(image.views, runs, model.layers, unknown, count)

    def _open(self, model: Any, call: Call) -> Any:
        image = model.open_image(call.picture, call.prompt)
        self._shown.note(model, call.picture, image.key[0])
        return image

    def _seconds(self, call: Call) -> int:
        """Seconds of GPU that a call may take."""
        sizes = {name: card.size or memory.size_of(self.get(name).hf) for name, card in self.cards.items()}
        quantization, dtype, device = self._precision
        kept = memory.precision(dtype, device, quantization)
        moved = sum(size.weights(kept) for size in sizes.values())
        return border.seconds(moved, sizes[call.model].parameters, call.methods, call.tokens)


def _room(model: Any, views: Any, methods: Sequence[Any], asked: int) -> int:
    """How many of the tokens asked for can be kept with their maps, in float16, before and after each method's edit."""
    maps = sum(1 if method.name == "vanilla" else 2 for method in methods)
    return limits.tokens_within(asked, 2 * maps * model.layers * model.heads * views.visual)


def _sources(names: Sequence[str]) -> dict[str, str]:
    """What to load, by the name that visitors see: the same, or a folder's base name. ClvsError when two agree."""
    found: dict[str, str] = {}
    for source in names:
        name = Path(source).resolve().name if Path(source).is_dir() else source
        if found.setdefault(name, source) != source:
            raise ClvsError(f"Two models would be called {name!r}; rename one of the folders.")
    return found


def _heard(told: queue.SimpleQueue[str | None], stop: threading.Event) -> Iterator[str]:
    """What is told until None comes; and once, that a stop takes its time."""
    slow = False
    while True:
        try:
            far = told.get(timeout=0.7)
        except queue.Empty:
            if stop.is_set() and not slow:
                slow = True
                yield "Stopping: the model is discarded as soon as it is read."
            continue
        if far is None:
            return
        yield far


def _download(card: Any) -> int:
    """Bytes of a card's weights on the hub, where such checkpoints are published in 16 bits."""
    return card.size.weights("bfloat16")


def _count(billions: float) -> str:
    """A number of parameters for people, e.g. "7.1 billion weights"."""
    if billions < 1:
        return f"{billions * 1000:.0f} million weights"
    return f"{billions:.1f} billion weights"
