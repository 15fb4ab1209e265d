"""What happens on each event of the page: inputs in, payloads and component values out.

Every handler gets the visitor's own `Session` first and touches nothing else that lasts. Wrong input ends as one
sentence in the payload's `error`, with the last result still on the page.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

import clvs_core as clvs
from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject, mentioned, region_mask
from clvs_core.methods import spec
from clvs_core.models.prompts import CHAT, presets
from clvs_core.models.registry import card_for
from viz.ui import limits, links
from viz.ui.library import ANYTHING, Library
from viz.ui.models import Answer, Models
from viz.ui.objects import add
from viz.ui.record import Recording
from viz.ui.session import Budget, Picture, Result, Session, Settings
from viz.viewer.payload import build

log = logging.getLogger(__name__)

Payload = dict[str, Any]


class Handlers:
    """The page's behaviour over models, pictures and the recorded first example."""

    def __init__(self, models: Models, library: Library, recording: Recording):
        self.models, self.library, self.recording = models, library, recording
        self.files = Files()
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

    def new_picture(self, session: Session, path: str | None, question: str) -> tuple[Any, ...]:
        """The visitor's own picture arrived: checked at once and asked the question that stands there; as `begin`.

        Without that, the last picture's answers would look like this one's.
        """
        session.interrupt()
        chips, chosen = list(ANYTHING), ""
        try:
            self._picture(session, path)
        except ClvsError as error:
            return self._failed(session, str(error)), chips, chosen, gr.skip()
        if not question or not question.strip():
            told = "New picture: ask something about it and press Run."
            return self._failed(session, told), chips, chosen, gr.skip()
        shown, ticket = self.begin(session)
        return shown, chips, chosen, ticket

    def arrive(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """The page opens: a permalink fills it in, anything else leaves the recorded example as it is."""
        nothing = (gr.skip(),) * (6 + len(Settings.__dataclass_fields__))
        link = links.parse(dict(request.query_params))
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
        session.view, session.unsure = dict(link.view), settings.first_check is None
        values = replace(settings, first_check=self._first_check(settings))
        return shown, str(scene.path), question, list(scene.questions), scene.name, *_values(values), ticket

    def _first_check(self, settings: Settings) -> Any:
        """The slider's update; a first check that is too deep is told as an error of the run."""
        if settings.first_check is None:
            return gr.skip()
        depth = self.depth(settings.model) or self.recording.layers
        return gr.update(value=settings.first_check, maximum=max(depth, settings.first_check))

    def prompts(self, *names: str) -> list[tuple[str, str]]:
        """What the prompt menu offers for these models: label and name."""
        found: dict[str, str] = {}
        for name in names:
            found |= presets(self.models.cards[name].family)
        return [(label, prompt) for prompt, label in found.items()]

    def fit(self, session: Session, name: str, first_check: int) -> Any:
        """After a run the model's depth is known: the slider of the first check goes to it."""
        depth = self.depth(name)
        if depth is None or (session.depth == depth and not session.unsure):
            return gr.skip()
        update = {"maximum": depth}
        if session.unsure or first_check > depth:
            update["value"] = self.defaults(name).first_check or depth
        session.depth, session.unsure = depth, False
        return gr.update(**update)

    def _linked(self, link: links.Link) -> Settings:
        known = link.model in self.models.cards and self.models.offered(link.model)  # a link loads no other model
        name = link.model if known else self.models.default
        settings = self.defaults(name)
        prompt = link.prompt if link.prompt in presets(self.models.cards[name].family) else None
        settings = replace(settings, tokens=link.tokens or settings.tokens, prompt=prompt or settings.prompt)
        try:
            method = clvs.method(link.method) if link.method else None
        except ValueError:
            method = None
        if method is None:
            return settings
        return replace(
            settings,
            alpha=method.alpha,
            gamma=method.gamma,
            beta=settings.beta if method.beta is None else method.beta,
            first_check=settings.first_check if method.first_check is None else method.first_check + 1,
            unified=method.unified_positions,
            early=method.early_termination,
        )

    def defaults(self, name: str) -> Settings:
        """The controls' starting values for a model."""
        return Settings.of(self.models.cards[name], self.depth(name))

    def depth(self, name: str) -> int | None:
        """How many layers a model has: known once it is loaded, and for the recorded example's model."""
        if self.models.ready(name):
            return self.models.get(name).layers
        return self.recording.layers if name == self.recording.model else None

    def choose_model(
        self, session: Session, current: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """A line of the model menu was picked: as `switch_model`, for those who may load it."""
        name = _text(event, "name")
        if name in self.models.cards and not self.models.offered(name) and not limits.is_owner(request):
            told = "Only who runs this page, at the machine it runs on, can load another model."
            yield self._failed(session, told), *(gr.skip(),) * 8
            return
        yield from self.switch_model(session, name, current)

    def switch_model(self, session: Session, name: str, current: str = "") -> Iterator[tuple[Any, ...]]:
        """Another model was chosen: loads it, then sets the controls to what its card recommends.

        current: the model on the page, which stays there, and stays as it is, if this cannot be done.
        """
        ticket, unchanged = session.interrupt(), (gr.skip(),) * 6
        if name not in self.models.cards:
            told = "This model is not offered here; choose one of the list."
            yield self._failed(session, told), *unchanged, gr.skip(), gr.skip()
            return
        current = current if current in self.models.cards else self.models.default
        label = self.models.cards[name].label
        loading = f"Loading {label}…"
        shown = self._shown(session, status="running", progress=loading)
        yield shown, *unchanged, self.models.menu(current, loading), gr.skip()
        try:
            for far in self.models.switch(name):
                shown = self._shown(session, status="running", progress=far) if session.current(ticket) else gr.skip()
                yield shown, *unchanged, self.models.menu(current, far), gr.skip()
            layers = self.models.get(name).layers
        except Exception as error:
            failed = self._failed(session, sentence(error)) if session.current(ticket) else gr.skip()
            yield failed, *unchanged, self.models.menu(current), gr.skip()
            return
        yield self._switched(session, ticket, name, layers)

    def _switched(self, session: Session, ticket: int, name: str, layers: int) -> tuple[Any, ...]:
        """What the page shows once a model is there."""
        values = _values(Settings.of(self.models.cards[name], layers))
        first_check = gr.update(maximum=layers, value=values[4])
        session.depth, session.unsure = layers, False
        told = f"{self.models.cards[name].label} is ready: press Run."
        shown = self._shown(session, progress=told) if session.current(ticket) else gr.skip()
        prompt = gr.update(choices=self.prompts(name), value=CHAT)
        return shown, *values[1:4], first_check, *values[5:7], self.models.menu(name), prompt

    # --- answering ------------------------------------------------------------------------------------------------

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
        settings, methods = self._methods(session, settings)
        picture = self._picture(session, path)
        result = Result(picture, question, settings, methods, id=uuid.uuid4().hex[:12])
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

    def _methods(self, session: Session, settings: Settings) -> tuple[Settings, list[Any]]:
        """Loads the model, which says how deep it is; then what to ask it with."""
        layers = self.models.get(settings.model).layers
        usual = self.defaults(settings.model)
        if session.unsure or settings.first_check is None:
            settings = replace(settings, first_check=usual.first_check)
        if settings.first_check is not None and settings.first_check > layers:
            raise ClvsError(f"The model has {layers} layers; set First check to one of them.")
        return settings, settings.methods(usual)

    def adjust(self, session: Session, *controls: Any) -> Any:
        """A method setting moved: the question on the page again, from the tree, only the changed method anew.

        While an answer is still coming the setting waits for its end; the page has one result at a time.
        """
        if session.running:
            session.moved = Settings(*controls)
            return gr.skip()
        session.moves += 1
        ticket, move = session.ticket, session.moves
        try:
            result = self._adjusted(session, Settings(*controls))
        except Exception as error:
            newest = session.current(ticket) and session.moves == move
            return self._failed(session, sentence(error)) if newest else gr.skip()
        return self._keep(session, ticket, result) if session.moves == move else gr.skip()

    def _adjusted(self, session: Session, settings: Settings) -> Result:
        last = self._last(session)
        same = settings.model == last.settings.model  # else the prompt may not be one of the new model's
        prompt = last.settings.prompt if same else settings.prompt
        settings, methods = self._methods(session, replace(settings, tokens=last.settings.tokens, prompt=prompt))
        if settings.model != last.settings.model:  # another one was chosen: it answers all of the question
            last = Result(last.picture, last.question, settings, [], id=uuid.uuid4().hex[:12])
        reused = last.runs[:1] if last.finished else []
        asked = methods[len(reused) :]
        answer = self.models.ask(
            settings.model, last.picture.image, last.question, asked, settings.tokens, settings.prompt
        )
        changed = replace(last, settings=settings, methods=methods, finished=True)
        return self._progressed(changed, replace(answer, runs=[*reused, *answer.runs]))

    def stop(self, session: Session) -> Any:
        """Stop was pressed: the run ends at its next token, what has come stays, with all that it has maps for."""
        ticket = session.interrupt()
        if session.payload is None or session.payload["status"] != "running":
            return gr.skip()
        if session.result is not None and session.result.runs:
            return self._keep(session, ticket, session.result, progress="Stopped.")
        return self._shown(session, status="done", progress="Stopped.")

    def result(self, session: Session) -> Result:
        """The visitor's result; the recorded example's, worked out now, before there was any other. ClvsError else."""
        if session.running:
            raise ClvsError("The answer is still coming; wait for it, then download.")
        last = self._last(session)
        if session.result is None:
            if last.settings.model not in self.models.cards:
                raise ClvsError("The page shows a recorded example; press Run first.")
            last = self._adjusted(session, last.settings)
            self._keep(session, session.ticket, last)
        if not last.runs:
            raise ClvsError("There is no result yet; press Run first.")
        return last

    def _last(self, session: Session) -> Result:
        """The last result, or the recorded example before there was any, without its runs."""
        if session.result is not None:
            return session.result
        if session.payload is not None and session.payload["id"] != self.recording.payload["id"]:
            raise ClvsError("This answer is no longer kept here; press Run again.")
        scene, model = self.library.named(self.recording.scene), self.recording.model
        if scene is None:
            raise ClvsError("There is no result yet; press Run first.")
        card = self.models.cards.get(model) or card_for(model)
        picture, settings = self._picture(session, str(scene.path)), Settings.of(card, self.recording.layers)
        return Result(picture, self.recording.question, settings, [], id=str(self.recording.payload["id"]))

    def _picture(self, session: Session, path: str | None) -> Picture:
        if session.picture is not None and path == session.picture.path:
            return session.picture
        image = limits.open_picture(path)
        assert path is not None
        scene = self.library.at(path)
        url = self.publish(limits.jpeg(image), "picture.jpg") if scene is None else scene.url
        objects = self.library.objects(path, image.width, image.height)
        session.picture = Picture(path, image, url, objects)
        return session.picture

    def publish(self, content: bytes, name: str) -> str:
        """Puts a file where Gradio serves it and, after a while, deletes it; its address cannot be guessed."""
        folder = Path(get_upload_folder()) / uuid.uuid4().hex
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        self.files.add(str(folder / name))
        return f"gradio_api/file={folder / name}"

    def _waiting(self, name: str) -> str:
        known = name in self.models.cards
        loading = known and not self.models.ready(name)
        return f"Loading {self.models.cards[name].label}…" if loading else "Reading the picture…"

    def _progressed(self, result: Result, answer: Answer) -> Result:
        if result.views != answer.views:
            seen = result.picture.seen_by(answer.views)
            result = replace(result, views=answer.views, layers=answer.layers, seen=seen)
            result = replace(result, notes=self._notes(result, answer.unknown))
        return replace(result, runs=answer.runs)

    def _notes(self, result: Result, unknown: Sequence[str]) -> list[str]:
        card = self.models.cards[result.settings.model]
        notes = []
        if result.settings.prompt != CHAT:
            notes.append(f"Prompt: {presets(card.family).get(result.settings.prompt, result.settings.prompt)}.")
        if unknown:
            words = ", ".join(word[:40] for word in unknown[:12])
            notes.append(f"The demo model does not know: {words}.")
        if notice := result.views.notice():
            notes.append(f"{notice}; what is hatched it never sees.")
        if card.note and not self.library.is_bundled(result.picture.path):
            notes.append(card.note)
        return notes

    # --- key objects ----------------------------------------------------------------------------------------------

    def switch_objects(self, session: Session, event: gr.EventData) -> None:
        """Object chips were switched; remembered for the next answer and for downloads."""
        names = (event._data or {}).get("on")
        if isinstance(names, list):
            session.on = frozenset(str(name)[:80] for name in names[:200])

    def set_region(self, session: Session, event: gr.EventData) -> None:
        """A region was drawn on the picture ({} when cleared); the browser draws it, downloads need it here."""
        session.region = _region(event._data)

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
            result.runs,
            image_url=result.picture.url,
            views=result.views,
            methods=result.methods,
            label=self.models.cards[result.settings.model].label,
            question=result.question,
            status=status,
            progress=progress,
            notes=result.notes,
            view=session.view,
            id=result.id if result.runs else f"{result.id}-waiting",  # a link's layer is set once there are layers
        )
        on = self._asked(result) if session.region else self._on(session, result)  # what is on again without a region
        return add(payload, result.seen, on) | {"link": self._link(result)}

    def _link(self, result: Result) -> str:
        scene = self.library.at(result.picture.path)
        settings = result.settings
        if scene is None or scene not in self.library.scenes or not links.is_model(self.models.source(settings.model)):
            return ""  # a visitor's picture, and a model in a folder, mean nothing elsewhere
        model = None if settings.model == self.models.default else settings.model
        prompt = None if settings.prompt == CHAT else settings.prompt
        return links.query(
            links.Link(scene.name, result.question, spec(result.methods[-1]), model, settings.tokens, prompt=prompt)
        )

    def _shown(self, session: Session, **changes: Any) -> Payload:
        """What is on the page now, with a few words changed: nothing jumps, nothing is lost."""
        payload = {**(session.payload or self.recording.payload), **changes}
        if payload["status"] == "running" and "status" not in changes:
            payload["status"] = "done"
        session.payload = payload
        return dict(payload)

    def _failed(self, session: Session, sentence: str) -> Payload:
        return self._shown(session, status="done", progress="", error=sentence)


class Files(set[str]):
    """Paths of what we wrote into Gradio's cache, one to a folder; Gradio's clean-up thread takes them from here."""

    def __iter__(self) -> Iterator[str]:
        return iter(set.copy(self))  # another visitor may add a file meanwhile

    def __isub__(self, deleted: Collection[str]) -> Files:
        """Forgets files that were deleted, and their folders."""
        for path in deleted:
            with contextlib.suppress(OSError):
                Path(path).parent.rmdir()
        self.difference_update(deleted)
        return self


def sentence(error: Exception) -> str:
    """What a visitor is told: our own sentences as they are, anything else stays in the log."""
    if isinstance(error, ClvsError):
        return str(error)
    log.error("A request failed", exc_info=error)
    return "Something went wrong on the server; try again, or choose another picture or question."


def _text(event: gr.EventData, name: str) -> str:
    data = event._data if isinstance(event._data, Mapping) else {}
    value = data.get(name)
    return value[: limits.MAX_QUESTION] if isinstance(value, str) else ""


def _values(settings: Settings) -> tuple[Any, ...]:
    return tuple(getattr(settings, name) for name in Settings.__dataclass_fields__)


def _progress(result: Result) -> str:
    count = max((len(run.tokens) for run in result.runs), default=0)
    return f"Token {count}…" if count else "Reading the question…"


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
