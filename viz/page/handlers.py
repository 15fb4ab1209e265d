"""What happens on each event of the page: inputs in, payloads and component values out.

Every handler gets the visitor's own `Session` first and touches nothing else that lasts. Wrong input ends as one
sentence in the payload's `error`, with the last result still on the page.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

import clvs_core as clvs
from clvs_core.errors import ClvsError, ImageError, Stopped
from clvs_core.key_objects import KeyObject, mentioned, region_mask
from clvs_core.methods import METHODS, Combine, Method, spec
from clvs_core.methods.base import NoisedPicture
from clvs_core.methods.settings import explicit, schema, unset
from clvs_core.models.prompts import CHAT, presets
from clvs_core.models.registry import card_for
from viz.page import limits, links
from viz.page import zerogpu as border
from viz.page.first_answer import Recording
from viz.page.library import ANYTHING, Library
from viz.page.limits.store import Store
from viz.page.models import Answer, Models
from viz.page.objects import add
from viz.page.session import Budget, Picture, Result, Session, Settings, Shown
from viz.viewer.payload import Comparison, build

GONE = "This answer is no longer kept here; press Run to ask again."
AGAIN = "The answer is no longer kept here: asking again…"
NOT_YOURS = "Only who runs this page, at the machine it runs on, can load another model."

Payload = dict[str, Any]


class Handlers:
    """The page's behaviour over models, pictures and the recorded first example."""

    def __init__(self, models: Models, library: Library, recording: Recording):
        self.models, self.library, self.recording = models, library, recording
        self.files = Store()
        self._examples: dict[str, Picture] = {}
        self.budget = Budget(limits.MAX_KEPT)

    # --- choosing what to ask -------------------------------------------------------------------------------------

    def choose(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """An example was picked: its picture, first question, questions to suggest; then as `begin`."""
        scene = self.library.named(_text(event, "name"))
        if scene is None:
            return (gr.skip(),) * 5
        return str(scene.path), scene.questions[0], list(scene.questions), *self.begin(session)

    def suggest(self, session: Session, event: gr.EventData) -> tuple[Any, Any, Any]:
        """A suggested question was picked; then as `begin`."""
        text = _text(event, "question")
        return (text, *self.begin(session)) if text else (gr.skip(),) * 3

    def begin(self, session: Session) -> tuple[Payload, int]:
        """Run was pressed: says at once that it was heard, and gives the new request's ticket."""
        return self._shown(session, status="running", error="", progress="Waiting for the model…"), session.begin()

    def refused(self, session: Session) -> Payload:
        """The question never reached `run`: the queue was full, or a control's value was not accepted."""
        session.interrupt()
        return self._failed(session, "The question could not be asked just now; try again in a minute.")

    def new_picture(self, session: Session, shown: str | None, question: str, event: gr.EventData) -> tuple[Any, ...]:
        """The visitor's own picture arrived: checked at once and asked the question that stands there; as `begin`.

        Without that, the last picture's answers would look like this one's. One that cannot be used changes nothing but
        the sentence beside the picture that is shown.
        """
        sent = _sent(event, "path")
        path = self.library.sent(sent)
        try:
            self._picture(session, None if path is None else str(path))
        except ClvsError as error:
            return gr.skip(), {"path": shown, "of": sent, "error": str(error)}, *(gr.skip(),) * 3
        session.interrupt()
        arrived = {"path": str(path), "of": sent}, list(ANYTHING), ""
        if not question or not question.strip():
            return self._failed(session, "New picture: ask something about it and press Run."), *arrived, gr.skip()
        told, ticket = self.begin(session)
        return told, *arrived, ticket

    def arrive(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """The page opens: a permalink fills it in, anything else leaves the recorded example as it is."""
        nothing = (gr.skip(),) * (6 + len(Settings.__dataclass_fields__))
        link = links.parse(_pairs(request.query_params))
        if link is None:
            return nothing
        scene = self.library.named(link.scene)
        if scene is None or not self.library.is_bundled(scene.path):
            told = "The link names a scene that is not here; choose another example."
            return self._failed(session, told), *nothing[1:]
        settings = self._linked(link)
        question = link.question or scene.questions[0]
        shown = self._shown(session, status="running", progress="Opening the link…")
        ticket = session.begin()
        session.view = dict(link.view)
        model, _, *others = _values(settings)
        controls = (model, self.picker(model, settings.methods), *others)
        return shown, str(scene.path), question, list(scene.questions), scene.name, *controls, ticket

    def picker(self, name: str, specs: Sequence[str]) -> dict[str, Any]:
        """What the method picker shows for a model, with these methods picked.

        {limit, methods: what `clvs_core.methods.settings` says of each, and what the card notes of it, specs, entries:
        [[{name, set}, ...], ...] what is picked: the parts of each method, a single one having one, with the settings
        that its spec names}.
        """
        picked = limits.methods(specs)
        entries = [[{"name": part.name, "set": explicit(part)} for part in method.parts] for method in picked]
        return self._offered(name) | {"specs": list(map(spec, picked)), "entries": entries}

    def _offered(self, name: str) -> dict[str, Any]:
        card, depth = self.models.cards[name], self.depth(name)
        methods = [schema(cls, card, depth) | {"note": card.method_notes.get(cls.name, "")} for cls in METHODS.values()]
        return {"limit": limits.MAX_METHODS, "methods": methods}

    def prompts(self, *names: str) -> list[tuple[str, str]]:
        """What the prompt menu offers for these models: label and name."""
        found: dict[str, str] = {}
        for name in names:
            found |= presets(self.models.cards[name].family)
        return [(label, prompt) for prompt, label in found.items()]

    def fit(self, session: Session, name: str, specs: Sequence[str]) -> Any:
        """After a run the model's depth is known: layers can be chosen up to it. specs: what is picked stays picked."""
        depth = self.depth(name) if name in self.models.cards else None
        if depth is None or session.fitted == (name, depth):
            return gr.skip()
        session.fitted = (name, depth)
        return self._offered(name) | {"specs": specs}

    def _linked(self, link: links.Link) -> Settings:
        known = link.model in self.models.cards and self.models.offered(link.model)  # a link loads no other model
        name = link.model if known else self.models.default
        usual = self.defaults(name)
        prompt = link.prompt if link.prompt in presets(self.models.cards[name].family) else None
        return Settings(name, link.methods or usual.methods, link.tokens or usual.tokens, prompt or usual.prompt)

    def defaults(self, name: str) -> Settings:
        """The controls' starting values for a model."""
        return Settings.of(self.models.cards[name])

    def depth(self, name: str) -> int | None:
        """How many layers a model has: known once it is loaded, and for the recorded example's model."""
        if self.models.ready(name):
            return self.models.get(name).layers
        return self.recording.layers if name == self.recording.model else None

    def choose_model(
        self, session: Session, current: str, specs: Sequence[str], event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """A line of the model menu was picked: as `switch_model`, for those who may load it."""
        name = _text(event, "name")
        if self._forbidden(name, request):
            yield self._failed(session, NOT_YOURS), *(gr.skip(),) * 3
            return
        yield from self.switch_model(session, name, current, specs)

    def ask_first(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """A model was picked that has to be downloaded: what is to be confirmed, or a sentence why it cannot be."""
        name = _text(event, "name")
        if name not in self.models.cards or not self.models.asks(name):
            return gr.skip(), gr.skip()
        if self._forbidden(name, request):
            return self._failed(session, NOT_YOURS), gr.skip()
        try:
            facts = self.models.facts(name)
        except Exception as error:
            return self._failed(session, sentence(error)), gr.skip()
        return gr.skip(), facts | {"asked": uuid.uuid4().hex}  # the browser takes no notice of what it has already

    def _forbidden(self, name: str, request: gr.Request) -> bool:
        return name in self.models.cards and not self.models.offered(name) and not limits.is_owner(request)

    def switch_model(
        self, session: Session, name: str, current: str = "", specs: Sequence[str] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Another model was chosen: loads it, then sets the picked methods to what its card recommends.

        current, specs: the model and the methods on the page, which stay as they are if this cannot be done.
        """
        ticket, unchanged = session.interrupt(), gr.skip()
        if name not in self.models.cards:
            told = "This model is not offered here; choose one of the list."
            yield self._failed(session, told), *(unchanged,) * 3
            return
        session.switching = stop = threading.Event()
        current = current if current in self.models.cards else self.models.default
        label = self.models.cards[name].label
        loading = f"Loading {label}…"
        shown = self._shown(session, status="running", progress=loading, halts=True)
        yield shown, unchanged, self.models.menu(current, loading), unchanged
        try:
            for far in self.models.switch(name, stop):
                mine = session.current(ticket)
                shown = self._shown(session, status="running", progress=far, halts=True) if mine else gr.skip()
                yield shown, unchanged, self.models.menu(current, far), unchanged
            done = self._switched(session, ticket, name, self.models.get(name).target, specs)
        except Exception as error:
            done = self._unchanged(session, ticket, error), unchanged, self.models.menu(current), unchanged
        finally:
            session.switching = None
        yield done

    def _unchanged(self, session: Session, ticket: int, error: Exception) -> Any:
        """What the page shows where another model could not be loaded, or was stopped."""
        if not session.current(ticket):
            return gr.skip()
        if isinstance(error, Stopped):
            return self._shown(session, status="done", progress=str(error))
        return self._failed(session, sentence(error))

    def _switched(self, session: Session, ticket: int, name: str, target: Any, specs: Sequence[str]) -> tuple[Any, ...]:
        """What the page shows once a model is there."""
        methods, left_out = _carried(specs, target)
        session.fitted = (name, target.layers)
        told = f"{self.models.cards[name].label} is ready: press Run."
        if left_out:
            told += f" It cannot be asked with {' and '.join(left_out)}."
        shown = self._shown(session, progress=told, offer=None) if session.current(ticket) else gr.skip()
        prompt = gr.update(choices=self.prompts(name), value=CHAT)
        return shown, self.picker(name, methods or self.defaults(name).methods), self.models.menu(name), prompt

    # --- answering ------------------------------------------------------------------------------------------------

    def look(self, session: Session, ticket: int, path: str | None, *controls: Any) -> list[Any]:
        """Opens the picture before `run` has its turn with the model; `run` says what is wrong with it."""
        session.unreadable = None
        with contextlib.suppress(Exception):
            self._picture(session, path)
        return [gr.validate(True, "")] * (3 + len(controls))

    def run(self, session: Session, ticket: int, path: str | None, question: str, *controls: Any) -> Iterator[Any]:
        """Answers token by token, one payload each; a newer ticket ends it at the next token."""
        if not session.current(ticket):
            yield gr.skip()
            return
        before = session.result, session.payload, session.on, session.region
        try:
            yield from self._answer(session, ticket, path, question, Settings(*controls))
        except Exception as error:
            if session.current(ticket):
                if session.result is before[0] or session.result is None or not session.result.runs:
                    session.result, session.payload, session.on, session.region = before
                else:  # what has come of this question stays, with all that a finished answer has
                    self._keep(session, ticket, session.result)
                yield self._failed(session, sentence(error))
        finally:
            session.finish(ticket)

    def _answer(
        self, session: Session, ticket: int, path: str | None, question: str, settings: Settings
    ) -> Iterator[Any]:
        question = limits.question(question)
        settings = replace(settings, tokens=limits.new_tokens(settings.tokens))
        yield self._shown(session, status="running", error="", progress=self._waiting(settings.model))
        settings, methods = self._methods(settings)
        picture = self._picture(session, path)
        id = uuid.uuid4().hex[:12]
        result = Result(picture, question, settings, methods, remark=session.remark, id=id, run=id)
        session.on = None  # the viewer starts afresh with a new id, too
        if session.region and (session.payload or self.recording.payload)["image"]["url"] != picture.url:
            session.region = {}  # it was drawn on another picture
        answers = self.models.stream(settings.model, picture.image, question, methods, settings.tokens, settings.prompt)
        try:
            for answer in answers:
                if not session.current(ticket):
                    return
                result = self._progressed(result, answer)
                yield self._keep(session, ticket, result, status="running", progress=_progress(result))
        finally:
            answers.close()
        session.finish(ticket)
        yield self._keep(session, ticket, replace(result, finished=True))
        if session.moved is not None:
            moved, session.moved = session.moved, None
            yield self.adjust(session, *_values(moved))

    def _methods(self, settings: Settings) -> tuple[Settings, list[Method]]:
        """The methods to ask with, once their model is loaded. ClvsError, one sentence, for one that cannot be."""
        methods = limits.methods(settings.methods)
        target = self.models.get(settings.model).target
        for method in methods:
            check(method, target)
        return replace(settings, methods=tuple(map(spec, methods))), methods

    def move(self, session: Session, shown: Shown, question: str, *controls: Any) -> tuple[Any, Any]:
        """A setting moved on a page that shows `shown`: as `adjust`, and a ticket where everything is asked again.

        An answer that is no longer kept here (somebody else's took its room, or the server was started anew) is asked
        again with the page's settings, if its question still stands there.
        """
        if session.running or not shown.run or self._keeps(session, shown.run):
            return self.adjust(session, *controls, run=shown.run), gr.skip()
        if " ".join((question or "").split()) != shown.question:
            return self._failed(session, GONE), gr.skip()
        return self._shown(session, status="running", error="", progress=AGAIN), session.begin()

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
            result = replace(result, run=result.run or uuid.uuid4().hex[:12])
        except Exception as error:
            newest = session.current(ticket) and session.moves == move
            return self._failed(session, sentence(error)) if newest else gr.skip()
        return self._keep(session, ticket, result) if session.moves == move else gr.skip()

    def _adjusted(self, last: Result, settings: Settings) -> Result:
        same = settings.model == last.settings.model  # else the prompt may not be one of the new model's
        prompt = last.settings.prompt if same else settings.prompt
        settings, methods = self._methods(replace(settings, tokens=last.settings.tokens, prompt=prompt))
        if settings.model != last.settings.model:  # another one was chosen: it answers all of the question
            last = Result(last.picture, last.question, settings, [], id=uuid.uuid4().hex[:12], run=last.run)
        found = dict(zip(map(spec, last.methods), last.runs, strict=True)) if last.finished else {}
        asked = [method for method in methods if spec(method) not in found]
        changed = replace(last, settings=settings, methods=methods, finished=True)
        if not asked:
            return replace(changed, runs=[found[text] for text in settings.methods])
        answer = self.models.ask(
            settings.model,
            last.picture.image,
            last.question,
            asked,
            settings.tokens,
            settings.prompt,
            beside=[method for method in methods if spec(method) in found],
        )
        found |= zip(map(spec, asked), answer.runs, strict=True)
        return self._progressed(changed, replace(answer, runs=[found[text] for text in settings.methods]))

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
            return self._shown(session, status="done", progress="")
        if session.payload["status"] != "running":
            return gr.skip()
        if session.result is not None and session.result.runs:
            return self._keep(session, ticket, session.result, progress="Stopped.")
        return self._shown(session, status="done", progress="Stopped.")

    def result(self, session: Session, run: str | None = None) -> Result:
        """The answer of that run, or the session's newest; the recorded example's is worked out now. ClvsError else."""
        if session.running:
            raise ClvsError("The answer is still coming; wait for it, then download.")
        last = self._last(session, run)
        if not last.run and not last.runs:
            if last.settings.model not in self.models.cards:
                raise ClvsError("The page shows a recorded example; press Run first.")
            last = self._adjusted(last, last.settings)
            self._keep(session, session.ticket, last)
        if not last.runs:
            raise ClvsError("There is no result yet; press Run first.")
        return last

    def meant(self, session: Session, run: str | None) -> str:
        """The run that a request is about: the one it names, or else the session's newest; "" is the example."""
        if run is not None:
            return run
        newest = session.payload if session.result is None else vars(session.result)
        return str((newest or {}).get("run", ""))

    def _keeps(self, session: Session, run: str) -> bool:
        return session.result is not None and session.result.run == run

    def _last(self, session: Session, run: str | None) -> Result:
        """The result of that run, or the recorded example, without its runs. ClvsError for one that is gone."""
        run = self.meant(session, run)
        if session.result is not None and session.result.run == run:
            return session.result
        if run:
            raise ClvsError(GONE)
        scene, model = self.library.named(self.recording.scene), self.recording.model
        if scene is None:
            raise ClvsError("There is no result yet; press Run first.")
        card = self.models.cards.get(model) or card_for(model)
        picture, settings = self._picture(session, str(scene.path)), Settings.of(card)
        return Result(picture, self.recording.question, settings, [], id=str(self.recording.payload["id"]))

    def _picture(self, session: Session, path: str | None) -> Picture:
        if session.picture is not None and path == session.picture.path:
            return session.picture
        if session.unreadable is not None and path == session.unreadable[0]:
            raise session.unreadable[1]
        try:
            session.picture = self._opened(session, path)
        except ImageError as error:
            if path and Path(path).is_file():  # one that is not there may come yet
                session.unreadable = path, error
            raise
        return session.picture

    def _opened(self, session: Session, path: str | None) -> Picture:
        """Of an example there is one for all visitors, so that what a model keeps for it stays."""
        scene = self.library.at(path)
        if scene is not None and scene.name in self._examples:
            return self._examples[scene.name]
        image = limits.open_picture(path)
        assert path is not None
        objects = self.library.objects(path, image.width, image.height)
        if scene is not None:
            return self._examples.setdefault(scene.name, Picture(path, image, scene.url, objects))
        self.files.keep_for(session, path)
        return Picture(path, image, self.publish(limits.jpeg(image), "picture.jpg"), objects)

    def publish(self, content: bytes, name: str) -> str:
        """The address of a file that Gradio serves and that is deleted after a while. DiskFull without room for it."""
        return f"gradio_api/file={self.files.put(content, name)}"

    def _waiting(self, name: str) -> str:
        known = name in self.models.cards
        loading = known and not self.models.ready(name)
        return f"Loading {self.models.cards[name].label}…" if loading else "Reading the picture…"

    def _progressed(self, result: Result, answer: Answer) -> Result:
        if (result.views, result.tokens) != (answer.views, answer.tokens):
            seen = result.picture.seen_by(answer.views)
            result = replace(result, views=answer.views, layers=answer.layers, seen=seen, tokens=answer.tokens)
            result = replace(result, notes=self._notes(result, answer.unknown))
        return replace(result, runs=answer.runs)

    def notes(self, result: Result) -> list[str]:
        """What has to be said of an answer, and of its methods on this model."""
        known = self.models.cards[result.settings.model].method_notes
        labels = {part.name: part.label for method in result.methods for part in method.parts}
        told = [f"{label}: {known[name]}" for name, label in labels.items() if name in known]
        return [*filter(None, [result.remark]), *result.notes, *told]

    def _notes(self, result: Result, unknown: Sequence[str]) -> list[str]:
        card = self.models.cards[result.settings.model]
        notes = []
        if result.settings.prompt != CHAT:
            notes.append(f"Prompt: {presets(card.family).get(result.settings.prompt, result.settings.prompt)}.")
        if result.tokens < result.settings.tokens:
            notes.append(f"Answers end after {result.tokens} tokens here: maps of more would not fit into memory.")
        if unknown:
            words = ", ".join(word[:40] for word in unknown[:12])
            notes.append(f"The demo model does not know: {words}.")
        if notice := result.views.notice():
            notes.append(f"{notice}; what is hatched it never sees.")
        if card.note and not self.library.is_bundled(result.picture.path):
            notes.append(card.note)
        return notes

    def _offered_instead(self, result: Result) -> dict[str, Any] | None:
        """What to use for a visitor's own picture where the model was not made for such pictures, once it answered."""
        able = self.models.cards[result.settings.model].photographs
        if able or not result.runs or self.library.is_bundled(result.picture.path):
            return None
        return self.models.for_photographs()

    # --- key objects ----------------------------------------------------------------------------------------------

    def switch_objects(self, session: Session, event: gr.EventData) -> None:
        """Object chips were switched; remembered for the next answer and for downloads."""
        names = (event._data or {}).get("on")
        if isinstance(names, list):
            session.on = frozenset(str(name)[:80] for name in names[:200])

    def set_region(self, session: Session, event: gr.EventData) -> None:
        """A region was drawn on the picture ({} when cleared); the browser draws it, downloads need it here."""
        self.follow(session, event._data)

    def follow(self, session: Session, region: Any) -> None:
        """The region that the page shows is this one; what is none clears it."""
        session.region = _region(region)

    def key_objects(self, session: Session, result: Result) -> list[KeyObject]:
        """The objects that are switched on, with the drawn region last."""
        on = self._on(session, result)
        chosen = [item for item in result.seen.objects if item.name in on]
        if session.region:
            mask = region_mask(result.views.height, result.views.width, **session.region)
            chosen.append(KeyObject("region", mask, clvs.coverage(mask, result.views), "region"))
        return chosen

    def _on(self, session: Session, result: Result) -> frozenset[str]:
        if session.on is not None:
            return session.on
        return self._asked(result)

    def _asked(self, result: Result) -> frozenset[str]:
        """The objects that the question names."""
        return frozenset(mentioned(result.question, [item.name for item in result.seen.objects]))

    # --- payloads -------------------------------------------------------------------------------------------------

    def _keep(self, session: Session, ticket: int, result: Result, status: str = "done", progress: str = "") -> Any:
        """What to show of a result, which becomes the visitor's last one, unless the ticket is no longer current."""
        payload = self.payload(session, result, status, progress)
        if not session.current(ticket):
            return gr.skip()
        session.result, session.payload = result, payload
        if result.finished:
            self.budget.keep(session, result)
        return dict(payload)

    def payload(self, session: Session, result: Result, status: str = "done", progress: str = "") -> Payload:
        """The viewer's payload of a result, finished or not, with the permalink beside it."""
        payload = build(
            Comparison(
                result.runs,
                image_url=result.picture.url,
                views=result.views,
                methods=result.methods,
                label=self.models.cards[result.settings.model].label,
                question=result.question,
                status=status,
                progress=progress,
                notes=self.notes(result),
                view=session.view,
                id=result.id if result.runs else f"{result.id}-waiting",  # a link's layer is set once there are layers
            )
        )
        on = self._asked(result) if session.region else self._on(session, result)  # what is on again without a region
        offer = self._offered_instead(result)
        return add(payload, result.seen, on) | {"link": self._link(result), "offer": offer, "run": result.run}

    def _link(self, result: Result) -> str:
        scene = self.library.at(result.picture.path)
        settings = result.settings
        if scene is None or scene not in self.library.scenes or not links.is_model(self.models.source(settings.model)):
            return ""  # a visitor's picture, and a model in a folder, mean nothing elsewhere
        model = None if settings.model == self.models.default else settings.model
        prompt = None if settings.prompt == CHAT else settings.prompt
        methods = tuple(map(spec, result.methods))
        return links.query(links.Link(scene.name, result.question, methods, model, settings.tokens, prompt=prompt))

    def _shown(self, session: Session, **changes: Any) -> Payload:
        """What is on the page now, with a few words changed: nothing jumps, nothing is lost.

        What is running is never a recorded answer (`viz.page.recorded.desk`): then that gives way. A session that
        has shown nothing yet may be that of a page which shows an answer of an earlier one: it changes nothing but the
        parts named in `stays`.
        """
        if changes.get("status") == "running" and "recorded" in (session.payload or ()):
            self.live(session)
        before = session.payload or {**self.recording.payload, "stays": []}
        payload = {**before, "halts": False, **changes}
        if "stays" in before:
            payload["stays"] = sorted({*before["stays"], "status", "halts", *changes})
        if payload["status"] == "running" and "status" not in changes:
            payload["status"] = "done"
        session.payload = payload
        return dict(payload)

    def live(self, session: Session, shown: Shown | None = None) -> Payload:
        """Puts the visitor's last answer, or what the page began with, in place of a recorded one.

        shown: what the page showed before the recorded one; if that is gone, the example comes with a sentence.
        """
        session.on, session.region, last = None, {}, session.result
        if last and last.runs:
            session.payload = self.payload(session, last)
            return dict(session.payload)
        session.payload = self.recording.payload
        if shown and shown.run:
            return self._failed(session, f"{GONE} This is the example that the page begins with.")
        return dict(session.payload)

    def _failed(self, session: Session, sentence: str) -> Payload:
        return self._shown(session, status="done", progress="", error=sentence)


def sentence(error: Exception) -> str:
    """What a visitor is told of an error."""
    return str(border.told(error))


def _sent(event: gr.EventData, name: str) -> Any:
    return event._data.get(name) if isinstance(event._data, Mapping) else None


def _text(event: gr.EventData, name: str) -> str:
    value = _sent(event, name)
    return value[: limits.MAX_QUESTION] if isinstance(value, str) else ""


def _values(settings: Settings) -> tuple[Any, ...]:
    return tuple(getattr(settings, name) for name in Settings.__dataclass_fields__)


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
                told = f"{field['label']} of {part.label}"
                return f"The model has {target.layers} layers; set {told} to one of them."
    return ""


def _carried(specs: Sequence[str], target: Any) -> tuple[list[str], list[str]]:
    """Methods taken along to another model with its settings, and the labels of those it cannot run."""
    kept: dict[str, None] = {}
    left_out: list[str] = []
    try:
        picked = limits.methods(specs)
    except ClvsError:  # nothing that this page could have sent
        return [], []
    for method in picked:
        try:
            parts = [unset(type(part), part.preset) for part in method.parts]
            usual = parts[0] if len(parts) == 1 else Combine(*parts)
            usual.resolve(target)
        except ValueError:
            left_out.append(method.label)
        else:
            kept[spec(usual)] = None
    return list(kept), left_out


def _pairs(params: Any) -> list[tuple[str, Any]]:
    """Names and texts of a request's query parameters, also of those that come several times."""
    return list(params.multi_items() if hasattr(params, "multi_items") else params.items())


def _region(data: Any) -> dict[str, Any]:
    """A box or polygon in picture pixels from the browser, or {} for anything else."""
    if not isinstance(data, Mapping):
        return {}
    box, polygon = data.get("box"), data.get("polygon")
    if isinstance(box, list) and len(box) == 4 and all(map(_number, box)):
        return {"box": box}
    pairs = isinstance(polygon, list) and 3 <= len(polygon) <= limits.MAX_POLYGON
    if pairs and all(isinstance(p, list) and len(p) == 2 and all(map(_number, p)) for p in polygon):
        return {"polygon": polygon}
    return {}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
