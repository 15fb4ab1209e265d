"""Asking the models of a page: one thing is computed at a time, and each picture is kept while somebody shows it.

On ZeroGPU the computing is done in another process (`viz.page.zerogpu`), for which a question is one `Call`.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gradio.context import LocalContext

from clvs_core.engine.knockout import Knockout, Rows
from clvs_core.engine.runs import Addition, RunLog
from clvs_core.errors import ClvsError, Stopped
from clvs_core.models import memory
from clvs_core.models.prompts import CHAT
from viz.page import limits
from viz.page import zerogpu as border
from viz.page.limits.listeners import wanted
from viz.page.models import Models

AT_ONCE = 24  # branches of a knock-out in one turn
WHOLE_AT_ONCE = 8  # where each writes a whole answer
KEPT = {"lens": True, "rest": True}  # of each answer, beside its maps
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


@dataclass(frozen=True)
class Knock:
    """A knock-out of the answer to a question, as `clvs_core.EncodedImage.knockout` takes it.

    mask: (height, width) bool of what is hidden. draws: of the control. whole: whole answers, and nothing but where
    they are blinded around each layer and everywhere.
    """

    call: Call
    mask: np.ndarray
    rows: Rows
    window: int
    token: int = 0
    draws: int = 0
    whole: bool = False


class Turns:
    """Turns with the models: one thing is computed at a time, and what has time waits while an answer is wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers, self._ended = 0, threading.Condition()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """From the first turn that an answer waits for to its last one."""
        with self._ended:
            self._answers += 1
        try:
            yield
        finally:
            with self._ended:
                self._answers -= 1
                self._ended.notify_all()

    @contextlib.contextmanager
    def now(self) -> Iterator[None]:
        """One turn."""
        with self._lock:
            yield

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """One turn once no answer is wanted; an answer that is wanted then waits for this one turn."""
        while True:
            with self._ended:
                self._ended.wait_for(lambda: not self._answers)
            with self._lock:
                if not self._answers:
                    yield
                    return


class ShownPictures:
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
            last = not any((other, content) == (mark[0], mark[2]) for other, _, content in list(self._marks))
        if last and (kept := model()) is not None:
            kept.forget(mark[2])


class Asker:
    """Asks the models, for all visitors: a token at a time, or a whole answer.

    `_stream` and `_ask` run where the GPU is, the rest of this object where the page is.
    """

    def __init__(self, models: Models):
        self.models = models
        self.turns = Turns()
        self._room = threading.BoundedSemaphore(limits.QUEUE_SIZE)
        self._pictures = ShownPictures()
        self._streamed = border.across(self._stream, self._seconds)
        self._asked = border.across(self._ask, self._seconds)
        self._knocked = border.across(self._knock, lambda knock: self._seconds(knock.call))
        self._answered = border.across(self._answers, self._seconds_of_all)

    def stream(self, call: Call) -> Generator[Answer, None, None]:
        """Yields once when the picture has been read and once per token; closing it frees the engine's tensors."""
        self.models.get(call.model)
        with contextlib.closing(self._streamed(call)) as sent:
            answer = next(sent)
            yield answer
            logs = [RunLog(method, answer.views, answer.tokens) for method in call.methods]
            for additions in sent:
                for log, new in zip(logs, additions, strict=True):
                    if new is not None:
                        log.append(new)
                yield replace(answer, runs=[log.run(len(log.tokens)) for log in logs])

    def _stream(self, call: Call) -> Generator[Answer | list[Addition | None], None, None]:
        """Yields the answer without runs, then what each token adds to each run.

        The lock is held while something is computed and not between steps, where a visitor may be slow to listen.
        """
        with self.turns.answering(), self.models.using(call.model) as model:
            with self.turns.now():
                unknown = model.unknown_words(call.question, call.prompt)
                image = self._open(model, call)
            count = _affordable(model, image.views, call.methods, call.tokens)
            yield Answer(image.views, [], model.layers, unknown, count)
            with self.turns.now():
                steps = image.stream(call.question, call.methods, max_new_tokens=count, prompt=call.prompt, **KEPT)
            try:
                while True:
                    with self.turns.now():
                        step = next(steps, None)
                    if step is None:
                        return
                    yield step.additions
            finally:
                steps.close()
                del image, steps

    def ask(self, call: Call) -> Answer:
        """The finished answer, in one call: what a slider waits for. ClvsError when too many wait already.

        Stopped where it has its turn and who asked has gone.
        """
        self.models.get(call.model)
        if not self._room.acquire(blocking=False):
            raise ClvsError(BUSY)
        try:
            if not border.ZERO_GPU:  # what crosses to another process is pickled
                call = replace(call, wanted=wanted(LocalContext.request.get(None)))
            (answer,) = self._asked(call)
            return answer
        finally:
            self._room.release()

    def _ask(self, call: Call) -> Generator[Answer, None, None]:
        with self.turns.answering(), self.models.using(call.model) as model, self.turns.now():
            if call.wanted is not None and not call.wanted():
                raise Stopped("Nobody waits for this answer any more.")
            image = self._open(model, call)
            count = _affordable(model, image.views, [*call.methods, *call.beside], call.tokens)
            runs = image.ask(call.question, call.methods, max_new_tokens=count, prompt=call.prompt, **KEPT)
            unknown = model.unknown_words(call.question, call.prompt)
        runs = [replace(run, picture=None) for run in runs]  # the page keeps a picture once, and no copy has to cross
        yield Answer(image.views, runs, model.layers, unknown, count)

    def knock(self, knock: Knock) -> Generator[list[Knockout], None, None]:
        """Yields what is known after every pass, while no answer is wanted; closing it ends it."""
        self.models.get(knock.call.model)
        return self._knocked(knock)

    def _knock(self, knock: Knock) -> Generator[list[Knockout], None, None]:
        call, mask = knock.call, knock.mask
        with self.models.using(call.model) as model:
            with self.turns.later():
                image = self._open(model, call)
                passes = image.knockout_stream(
                    call.question,
                    mask,
                    call.methods,
                    knock.window,
                    knock.rows,
                    knock.token,
                    knock.draws,
                    max_new_tokens=call.tokens,
                    prompt=call.prompt,
                    only=not knock.whole,
                    answer=knock.whole,
                    at_once=WHOLE_AT_ONCE if knock.whole else AT_ONCE,
                )
            while True:
                with self.turns.later():
                    found = next(passes, None)
                if found is None:
                    return
                yield found

    def answers(self, call: Call, rows: Sequence[Sequence[Any]]) -> Generator[Sequence[Any], None, None]:
        """What is answered with the methods of each row, without traces; closing it ends that after a row."""
        self.models.get(call.model)
        with contextlib.closing(self._answered(call, rows)) as sent:
            yield from sent

    def _answers(self, call: Call, rows: Sequence[Sequence[Any]]) -> Generator[Sequence[Any], None, None]:
        with self.models.using(call.model) as model:
            for methods in rows:
                with self.turns.now():
                    image = self._open(model, call)
                    (answers,) = image.answers([call.question], methods, call.tokens, call.prompt)
                yield answers

    def _open(self, model: Any, call: Call) -> Any:
        image = model.open_image(call.picture, call.prompt)
        self._pictures.note(model, call.picture, image.key[0])
        return image

    def _seconds_of_all(self, call: Call, rows: Sequence[Sequence[Any]]) -> int:
        return self._seconds(replace(call, methods=[method for methods in rows for method in methods]))

    def _seconds(self, call: Call) -> int:
        """Seconds of GPU that a call may take."""
        models = self.models
        sizes = {name: card.size or memory.size_of(models.get(name).hf) for name, card in models.cards.items()}
        moved = sum(size.weights(models.precision.kept()) for size in sizes.values())
        return border.seconds(moved, sizes[call.model].parameters, call.methods, call.tokens)


def _affordable(model: Any, views: Any, methods: Sequence[Any], asked: int) -> int:
    """How many of the tokens asked for can be kept with their maps, in float16, before and after each method's edit."""
    maps = sum(1 if method.name == "vanilla" else 2 for method in methods)
    return limits.tokens_within(asked, 2 * maps * model.layers * model.heads * views.visual)
