"""Questions are asked and answered: token by token, again with another setting, until Stop.

Every event gets the visitor's own `Session` first and touches nothing else that lasts.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.methods import Method, spec
from clvs_core.methods.base import NoisedPicture
from clvs_core.methods.settings import explicit, schema
from clvs_core.models.registry import card_for
from viz.page import limits
from viz.page.asking import Asker, Call
from viz.page.library import FirstAnswer, Library
from viz.page.pictures import Pictures
from viz.page.screen import GONE, Screen
from viz.page.session import Result, Session, Settings, Shown

AGAIN = "The answer is no longer kept here: asking again…"


class Answering:
    """Asks the models; what comes of it goes to the screen."""

    def __init__(self, asker: Asker, library: Library, first: FirstAnswer, pictures: Pictures, screen: Screen):
        self.asker, self.models, self.library, self.first = asker, asker.models, library, first
        self.pictures, self.screen = pictures, screen

    # --- a question -----------------------------------------------------------------------------------------------

    def begin(self, session: Session) -> tuple[dict[str, Any], int]:
        """Run was pressed: says at once that it was heard, and gives the new request's ticket."""
        payload = self.screen.show(session, status="running", error="", progress="Waiting for the model…")
        return payload, session.begin()

    def refused(self, session: Session) -> dict[str, Any]:
        """The question never reached `run`: the queue was full, or a control's value was not accepted."""
        session.interrupt()
        return self.screen.fail(session, "The question could not be asked just now; try again in a minute.")

    def look(self, session: Session, ticket: int, path: str | None, *controls: Any) -> list[Any]:
        """Opens the picture before `run` has its turn with the model; `run` says what is wrong with it."""
        session.unreadable = None
        with contextlib.suppress(Exception):
            self.pictures.open(session, path)
        return [gr.validate(True, "")] * (3 + len(controls))

    def run(self, session: Session, ticket: int, path: str | None, question: str, *controls: Any) -> Iterator[Any]:
        """Answers token by token, one payload each; a newer ticket ends it at the next token."""
        if not session.current(ticket):
            yield gr.skip()
            return
        before = session.result, session.payload
        try:
            yield from self.answer(session, ticket, path, session.instead or question, Settings(*controls))
        except Exception as error:
            if session.current(ticket):
                if session.result is before[0] or session.result is None or not session.result.runs:
                    session.result, session.payload = before
                else:  # what has come of this question stays, with all that a finished answer has
                    self.screen.keep(session, ticket, session.result)
                yield self.screen.fail(session, error)
        finally:
            session.finish(ticket)

    def answer(
        self, session: Session, ticket: int, path: str | None, question: str, settings: Settings
    ) -> Iterator[Any]:
        """As `run`, for a ticket that is current; errors are raised."""
        question = limits.question(question)
        settings = replace(settings, tokens=limits.new_tokens(settings.tokens))
        yield self.screen.show(session, status="running", error="", progress=self._waiting(settings.model))
        settings, methods = self._methods(settings)
        picture = self.pictures.open(session, path)
        id = _id()
        result = Result(
            picture, question, settings, methods, remark=session.remark, unopened=session.unopened, id=id, run=id
        )
        call = Call(settings.model, picture.image, question, methods, settings.tokens, settings.prompt)
        started = time.perf_counter()
        with contextlib.closing(self.asker.stream(call)) as answers:
            for answer in answers:
                if not answer.runs:
                    started = time.perf_counter()
                if not session.current(ticket):
                    return
                result = self.screen.progressed(result, answer)
                yield self.screen.keep(session, ticket, result, status="running", progress=_progress(result))
        session.finish(ticket)
        result = replace(result, finished=True, seconds=time.perf_counter() - started)
        yield self.screen.keep(session, ticket, result)
        if session.moved is not None:
            moved, session.moved = session.moved, None
            yield self.adjust(session, *moved.values)

    def _waiting(self, name: str) -> str:
        known = name in self.models.cards
        loading = known and not self.models.ready(name)
        return f"Loading {self.models.cards[name].label}…" if loading else "Reading the picture…"

    def _methods(self, settings: Settings) -> tuple[Settings, list[Method]]:
        """The methods to ask with, once their model is loaded. ClvsError, one sentence, for one that cannot be."""
        methods = limits.methods(settings.methods)
        target = self.models.get(settings.model).target
        for method in methods:
            check(method, target)
        return replace(settings, methods=tuple(map(spec, methods))), methods

    def stop(self, session: Session) -> Any:
        """Stop was pressed: the run ends at its next token, what has come stays, with all that it has maps for.

        A model that is being downloaded or read is stopped instead.
        """
        if session.switching is not None:
            session.switching.set()  # the switch itself says what becomes of it
            if not session.running:
                return gr.skip()
        ticket = session.interrupt()
        if session.payload is None:  # whatever the page still waits for will not come
            return self.screen.show(session, status="done", progress="")
        if session.payload["status"] != "running":
            return gr.skip()
        if session.result is not None and session.result.runs:
            return self.screen.keep(session, ticket, session.result, progress="Stopped.")
        return self.screen.show(session, status="done", progress="Stopped.")

    # --- the same question with other settings --------------------------------------------------------------------

    def move(self, session: Session, shown: Shown, question: str, *controls: Any) -> tuple[Any, Any]:
        """A setting moved on a page that shows `shown`: as `adjust`, and a ticket where everything is asked again.

        An answer that is no longer kept here (somebody else's took its room, or the server was started anew) is asked
        again with the page's settings: its own question, not another one that has been typed since.
        """
        if session.running or not shown.run or session.keeps(shown.run):
            return self.adjust(session, *controls, run=shown.run), gr.skip()
        if not (question or "").strip():  # as with a new picture, of which nothing has been asked
            return self.screen.fail(session, GONE), gr.skip()
        payload, ticket = self.screen.show(session, status="running", error="", progress=AGAIN), session.begin()
        session.instead = shown.question
        return payload, ticket

    def adjust(self, session: Session, *controls: Any, run: str | None = None) -> Any:
        """A method came, went or was set anew: the question on the page again, from the tree, with what changed only.

        While an answer is still coming the setting waits for its end; the page has one result at a time.
        run: of the answer that is meant, the session's newest unless it is named.
        """
        if session.running:
            session.moved = Settings(*controls)
            return gr.skip()
        session.moves += 1
        ticket, move = session.ticket, session.moves
        try:
            result = self._adjusted(self._last(session, run), Settings(*controls))
            result = replace(result, run=result.run or _id())
        except Exception as error:
            newest = session.current(ticket) and session.moves == move
            return self.screen.fail(session, error) if newest else gr.skip()
        return self.screen.keep(session, ticket, result) if session.moves == move else gr.skip()

    def _adjusted(self, last: Result, settings: Settings) -> Result:
        same = settings.model == last.settings.model  # else the prompt may not be one of the new model's
        prompt = last.settings.prompt if same else settings.prompt
        settings, methods = self._methods(replace(settings, tokens=last.settings.tokens, prompt=prompt))
        if not same:  # another one was chosen: it answers all of the question
            last = Result(last.picture, last.question, settings, [], id=_id(), run=last.run)
        runs = dict(zip(map(spec, last.methods), last.runs, strict=True)) if last.finished else {}
        missing = [method for method in methods if spec(method) not in runs]
        changed = replace(last, settings=settings, methods=methods, finished=True)
        if not missing:
            return replace(changed, runs=[runs[text] for text in settings.methods])
        call = Call(settings.model, last.picture.image, last.question, missing, settings.tokens, settings.prompt)
        call = replace(call, beside=[method for method in methods if spec(method) in runs])
        started = time.perf_counter()
        answer = self.asker.ask(call)
        changed = replace(changed, seconds=last.seconds or time.perf_counter() - started)
        runs |= zip(map(spec, missing), answer.runs, strict=True)
        return self.screen.progressed(changed, replace(answer, runs=[runs[text] for text in settings.methods]))

    # --- which answer is meant ------------------------------------------------------------------------------------

    def result(self, session: Session, run: str | None = None) -> Result:
        """The answer of that run, or the session's newest; the first answer's is worked out now. ClvsError else."""
        if session.running:
            raise ClvsError("The answer is still coming; wait for it, then download.")
        last = self._last(session, run)
        if not last.run and not last.runs:
            if last.settings.model not in self.models.cards:
                raise ClvsError("The page shows a recorded example; press Run first.")
            last = self._adjusted(last, last.settings)
            self.screen.keep(session, session.ticket, last)
        if not last.runs:
            raise ClvsError("There is no result yet; press Run first.")
        return last

    def _last(self, session: Session, run: str | None) -> Result:
        """The result of that run, or the first answer, without its runs. ClvsError for one that is gone."""
        run = session.meant(run)
        if session.result is not None and session.keeps(run):
            return session.result
        if run:
            raise ClvsError(GONE)
        scene, model = self.library.named(self.first.scene), self.first.model
        if scene is None:
            raise ClvsError("There is no result yet; press Run first.")
        card = self.models.cards.get(model) or card_for(model)
        picture, settings = self.pictures.open(session, str(scene.path)), Settings.of(card)
        return Result(picture, self.first.question, settings, [], id=str(self.first.payload["id"]))


def _id() -> str:
    """A name for one answer."""
    return uuid.uuid4().hex[:12]


def _progress(result: Result) -> str:
    count = max((len(run.tokens) for run in result.runs), default=0)
    if count:
        return f"Token {count}…"
    noised = any(isinstance(method.contrasted(), NoisedPicture) for method in result.methods)
    return "Reading the picture once more, with noise…" if noised else "Reading the question…"


def check(method: Method, target: Any) -> None:
    """ClvsError, in a visitor's words, for a method that the model of `target` cannot be asked with."""
    try:
        method.resolve(target)
    except ClvsError:
        raise
    except ValueError as error:
        raise ClvsError(_too_deep(method, target) or str(error)) from None


def _too_deep(method: Method, target: Any) -> str:
    """The sentence for a layer that the model does not have, counted as on the page; "" where nothing names one."""
    for part in method.parts:
        fields = schema(type(part), None, target.layers)["fields"]
        for name, value in explicit(part).items():
            field = next((f for f in fields if f["name"] == name and f["kind"] in ("layer", "layers")), None)
            deepest = value[-1] if isinstance(value, list) else value
            if field and deepest is not None and deepest >= target.layers:
                setting = f"{field['label']} of {part.label}"
                return f"The model has {target.layers} layers; set {setting} to one of them."
    return ""
