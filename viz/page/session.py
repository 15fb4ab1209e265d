"""What the server keeps for one visitor: the picture, the last result, and which request is the newest."""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

import clvs_core as clvs
from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from clvs_core.models.prompts import CHAT
from viz.page.seen import Seen, see
from viz.page.tries import Tries
from viz.viewer.view import View

LONGEST = 1000  # characters of what a browser names


@dataclass(frozen=True)
class Settings:
    """The page's controls. methods: one to four specs, as `clvs_core.methods.spec` writes them, in the page's order."""

    model: str
    methods: tuple[str, ...]
    tokens: int = 16
    prompt: str = CHAT

    @classmethod
    def of(cls, card: Any) -> Settings:
        """What the page starts with for a model: vanilla and CLVS."""
        return cls(card.name, (spec(clvs.Vanilla()), spec(clvs.CLVS())))

    @property
    def values(self) -> tuple[Any, ...]:
        """One a control, in the page's order."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Shown:
    """Which answer a visitor's page shows, as the browser says it: the session may be another one since.

    run: of the visitor's own answer, "" for the example that the page begins with; question: what it answers.
    recording, item: of the recorded answer that stands in its place (`viz.page.recorded.replaying`), "" for none.
    """

    run: str = ""
    question: str = ""
    recording: str = ""
    item: str = ""

    @classmethod
    def of(cls, data: Any) -> Shown:
        """What cannot be read is left out; nothing raises."""
        data = data if isinstance(data, Mapping) else {}
        texts = {name: data.get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: text[:LONGEST] for name, text in texts.items() if isinstance(text, str)})


@dataclass(frozen=True)
class Picture:
    """A checked picture: where it came from, its pixels, where the page finds it, its objects' masks."""

    path: str
    image: Image.Image
    url: str
    objects: Sequence[Any]
    _seen: dict[Any, Seen] = field(default_factory=dict, compare=False)

    def seen_by(self, views: Any) -> Seen:
        """Its objects under a model's geometry, measured once."""
        if views not in self._seen:
            self._seen[views] = see(self.objects, views)
        return self._seen[views]


@dataclass(frozen=True)
class Result:
    """The last answer, with everything needed to draw it again or to change one method of it.

    methods, runs: in the same order; runs are empty before the first token. id: of what the viewer shows, which keeps
    its place as long as that stays the same; run: by which the page names it, "" for the example as it came.
    """

    picture: Picture
    question: str
    settings: Settings
    methods: Sequence[Any]
    views: Any = None
    layers: int = 0
    runs: Sequence[Any] = ()
    seen: Seen = field(default_factory=lambda: Seen((), (), np.zeros((0, 0))))
    tokens: int = 0  # how many an answer may have: those asked for, or fewer where more maps would not fit
    notes: Sequence[str] = ()
    remark: str = ""  # what a run answered to this question, where it was opened from one
    seconds: float = 0.0  # that the answer took once the picture was read
    unopened: Sequence[str] = ()  # what of the link that asked it is not here
    id: str = ""
    run: str = ""
    finished: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the traces and of the picture."""
        arrays = {id(value): value for run in self.runs for value in vars(run.trace).values()}
        width, height = self.picture.image.size
        return sum(getattr(array, "nbytes", 0) for array in arrays.values()) + 4 * width * height


@dataclass(eq=False)
class Session:
    """One visitor's tab. Lives in `gr.State`, so no other visitor's request can reach it."""

    ticket: int = 0
    running: int = 0  # the ticket that is being answered or waits for its turn, 0 for none
    moves: int = 0  # counts moved settings, so that only the newest is shown
    choice: int = 0  # the newest of the choices of recordings, as the browser counts them
    fitted: tuple[str, int] | None = None  # model and depth that the page's settings were last made for
    picture: Picture | None = None
    unreadable: tuple[str, ClvsError] | None = None  # the last picture that could not be opened, and why
    result: Result | None = None
    payload: Mapping[str, Any] | None = None
    moved: Settings | None = None  # settings that moved while an answer was still coming
    view: View | None = None  # what a permalink asked the viewer to show; None leaves it as the visitor has it
    remark: str = ""  # as in the result to come
    looks: dict[str, int] = field(default_factory=dict)  # counts knock-outs of a kind, so that only the newest goes on
    knocked: Any = None  # the last one that is whole, as `viz.page.knocking.Known`
    survived: Any = None  # of whole answers, as `viz.page.surviving.Known`
    unopened: Sequence[str] = ()  # likewise
    instead: str = ""  # what is asked in place of the question that is typed
    tries: Tries | None = None  # other settings of the last question
    switching: threading.Event | None = None  # set, it stops the model that is being loaded for this visitor

    def begin(self) -> int:
        """A new question: everything older that still runs stops at its next token.

        Tickets never repeat, not even after this session was forgotten: the page runs when its ticket changes.
        """
        self.running = self.interrupt()
        return self.ticket

    def interrupt(self) -> int:
        """Ends what runs, at its next token, with nothing new to answer."""
        self.ticket, self.running = secrets.randbits(40) + 1, 0
        self.view, self.moved, self.remark, self.unopened, self.instead = None, None, "", (), ""
        return self.ticket

    def finish(self, ticket: int) -> None:
        """This ticket has been answered, or never will be."""
        if self.running == ticket:
            self.running = 0

    def current(self, ticket: int) -> bool:
        return ticket == self.ticket

    def keeps(self, run: str) -> bool:
        """Whether the answer of that run is kept here."""
        return self.result is not None and self.result.run == run

    def meant(self, run: str | None) -> str:
        """The run that a request is about: the one it names, or else the newest; "" is the example."""
        if run is not None:
            return run
        newest = self.payload if self.result is None else vars(self.result)
        return str((newest or {}).get("run", ""))


class Budget:
    """The visitors' results together stay within `limit` bytes: who asked longest ago has to ask again."""

    def __init__(self, limit: int):
        self.limit = limit
        self._sizes: weakref.WeakKeyDictionary[Session, int] = weakref.WeakKeyDictionary()  # in the order of asking
        self._lock = threading.Lock()

    def keep(self, session: Session, result: Result) -> None:
        """Makes room for this visitor's new result."""
        with self._lock:
            self._sizes.pop(session, None)
            self._sizes[session] = result.nbytes
            for oldest in list(self._sizes)[:-1]:
                if sum(self._sizes.values()) <= self.limit:
                    return
                del self._sizes[oldest]
                oldest.result = oldest.picture = None
