"""The explore page: what stands where, and which desk answers each event.

Running shares one queue with room for one call at a time; everything else answers at once. What asks a question
draws a ticket, and a changed ticket runs: who only looks takes no place in the queue.
All handlers are hidden from the API, which has its own typed endpoints in `viz.page.api`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

from viz.page import about, limits, second
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.recorded.recordings import Recordings
from viz.page.recorded.replaying import Replaying
from viz.page.session import Session, Settings
from viz.page.widgets import (
    Altered,
    Chips,
    Consent,
    Download,
    Header,
    Knocked,
    MethodPicker,
    ModelMenu,
    PictureInput,
    RecordedDesk,
    Setting,
    ShownRun,
    Strip,
    Survived,
    Vocabulary,
)
from viz.viewer import Viewer

ABOUT = {
    "model": "Which vision-language model answers. Grey ones need more memory than there is here; "
    "the option --model of the app offers others.",
    "tokens": "The answer ends here at the latest; applies at the next Run.",
    "prompt": "How the question is put to the model: its own chat template, or with what papers add to it, the Vicuna "
    "system sentence before and a request for a short answer after; applies at the next Run.",
}
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
TYPED = 2000  # more than a question may have: one that is too long is told, not cut
QUICK: dict[str, Any] = {**HIDDEN, "queue": False}


@dataclass
class Page:
    """The components that events connect."""

    session: gr.State
    ticket: gr.Number
    picture: PictureInput
    strip: Strip
    question: gr.Textbox
    vocabulary: Vocabulary
    chips: Chips
    run: gr.Button
    stop: gr.Button
    controls: list[Any]
    viewer: Viewer
    header: Header
    download: Download
    consent: Consent
    desk: RecordedDesk
    shown: ShownRun
    knocked: Knocked
    survived: Survived
    altered: Altered

    @property
    def inputs(self) -> list[Any]:
        return [self.session, self.ticket, self.picture, self.question, *self.controls]

    @property
    def arrived(self) -> list[Any]:
        """All that a question from elsewhere fills in, a link's or a run's; the session comes after it."""
        return [self.viewer, self.picture, self.question, self.chips, self.strip, *self.controls, self.ticket]


def explore(desks: Desks, recordings: Recordings | None = None) -> Page:
    """Builds the page inside the current `gr.Blocks` and connects it."""
    models, drawn = desks.models, desks.library.kinds
    told = {name: about.facts(card, models.source(name), drawn) for name, card in models.cards.items()}
    header, replaying = Header(told, elem_id="page-header"), Replaying(recordings or Recordings(), desks)
    with gr.Row(elem_id="explore", equal_height=False):
        with gr.Column(elem_id="ask", scale=0, min_width=300):
            parts = _ask(desks, replaying)
        with gr.Column(elem_id="see", scale=1, min_width=300):
            viewer = Viewer(
                dict(desks.first.payload), decays=desks.library.decays, second=second.address(), elem_id="viewer"
            )
    page = Page(
        session=gr.State(Session()),
        ticket=gr.Number(-1, visible="hidden", precision=0),  # on the page, unseen: its change is an event
        header=header,
        download=Download(elem_id="download"),
        consent=Consent(elem_id="consent"),
        shown=ShownRun(elem_id="shown"),
        knocked=Knocked(elem_id="knocked"),
        survived=Survived(elem_id="survived"),
        altered=Altered(elem_id="altered"),
        viewer=viewer,
        **parts,
    )
    _connect(page, desks, replaying)
    return page


def _ask(desks: Desks, replaying: Replaying) -> dict[str, Any]:
    library, first = desks.library, desks.first
    scene = library.named(first.scene)
    assert scene is not None
    recorded = RecordedDesk(replaying.state(), visible=bool(replaying.rows()), elem_id="recorded")
    parts: dict[str, Any] = {"desk": recorded}
    parts["picture"] = PictureInput(library, str(scene.path), elem_id="picture")
    parts["strip"] = Strip(library.examples, value=scene.name, elem_id="examples")
    parts["question"] = gr.Textbox(
        first.question,
        label="Question",
        show_label=False,
        container=False,
        placeholder="Ask about the picture",
        lines=1,
        max_lines=3,
        max_length=TYPED,
        elem_id="question",
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=True),
    )
    words = {"vocabularies": desks.knowing.vocabularies(), "model": desks.models.default}
    parts["vocabulary"] = Vocabulary(words, elem_id="vocabulary")
    with gr.Row(elem_id="go"):
        parts["run"] = gr.Button("Run", variant="primary", min_width=60)
        parts["stop"] = gr.Button("Stop", min_width=60)
    parts["chips"] = Chips(scene.suggestions, elem_id="suggestions")
    return parts | {"controls": _controls(desks, replaying)}


def _controls(desks: Desks, replaying: Replaying) -> list[Any]:
    models = desks.models
    start = desks.choosing.defaults(models.default)
    methods = MethodPicker(desks.choosing.picker(start.model, start.methods), elem_id="methods")
    with gr.Accordion("More settings", open=False, elem_id="more"):
        model = ModelMenu(
            desks.offers.menu, start.model, about=ABOUT["model"], recorded=replaying.rows(), elem_id="model"
        )
        tokens = Setting(
            1,
            limits.MAX_TOKENS,
            start.tokens,
            step=1,
            label="Longest answer, in tokens",
            info=ABOUT["tokens"],
            buttons=[],
            elem_id="set-tokens",
        )
        prompt = _prompt(desks, start)
    return [model, methods, tokens, prompt]


def _prompt(desks: Desks, start: Settings) -> gr.Dropdown:
    # Of all models here: in the closed part of the page a link's choice would not arrive together with other choices.
    return gr.Dropdown(
        desks.choosing.prompts(*desks.models.cards),
        value=start.prompt,
        label="Prompt",
        info=ABOUT["prompt"],
        filterable=False,
        elem_id="set-prompt",
    )


def _connect(page: Page, desks: Desks, replaying: Replaying) -> None:
    _connect_questions(page, desks, replaying)
    _connect_settings(page, desks)
    session = page.session
    exports = Exports(desks, replaying)
    exporting = {**HIDDEN, "concurrency_id": "export", "concurrency_limit": 1}
    page.header.export(exports.handle, [session, page.shown], page.download, **exporting)
    looking = {**HIDDEN, "concurrency_id": "knock", "concurrency_limit": None, "trigger_mode": "multiple"}
    page.viewer.knock(desks.knocking.look, [session, page.shown], page.knocked, **looking)
    page.viewer.survive(desks.surviving.look, [session, page.shown], page.survived, **looking)
    page.viewer.alter(desks.altering.look, [session, page.shown], page.altered, **looking)
    recorded = [page.desk, page.viewer, session]
    page.desk.open(keeping(replaying.open), [session], recorded, trigger_mode="multiple", **QUICK)
    page.desk.leave(keeping(replaying.leave), [session, page.shown], recorded, **QUICK)


def _connect_questions(page: Page, desks: Desks, replaying: Replaying) -> None:
    session, begun = page.session, [page.viewer, page.ticket, page.session]
    arriving, answering = desks.arriving, desks.answering
    page.strip.pick(keeping(arriving.choose), [session], [page.picture, page.question, page.chips, *begun], **QUICK)
    page.chips.pick(keeping(arriving.suggest), [session], [page.question, *begun], **QUICK)
    picked = [page.picture, page.question, page.chips, page.strip, *begun]
    page.viewer.example(keeping(arriving.example), [session], picked, **QUICK)
    page.vocabulary.check(desks.knowing.check, None, page.vocabulary, trigger_mode="always_last", **QUICK)
    page.run.click(keeping(answering.begin), [session], begun, **QUICK)
    page.question.submit(keeping(answering.begin), [session], begun, **QUICK)
    arrived = [*page.arrived, session]
    blocks = gr.context.Context.root_block
    assert blocks is not None, "a page is built inside its blocks"
    blocks.load(keeping(replaying.arrive), [session], [page.desk, *arrived], **QUICK)
    page.header.open(keeping(replaying.come_back), [session], [page.desk, *arrived], trigger_mode="multiple", **QUICK)
    run = page.ticket.change(
        answering.run,
        page.inputs,
        page.viewer,
        trigger_mode="multiple",
        validator=answering.look,
        **HIDDEN,
        **limits.MODEL_QUEUE,
    )
    run.failure(answering.refused, [session], page.viewer, **QUICK)
    model, methods, *_ = page.controls
    run.then(desks.choosing.fit, [session, model, methods], methods, **QUICK)
    page.stop.click(answering.stop, [session], page.viewer, cancels=[run], **QUICK)
    uploaded = [page.viewer, page.picture, page.question, page.chips, page.strip, page.ticket, session]
    shown = [session, page.picture, page.question]
    page.picture.upload(keeping(arriving.new_picture), shown, uploaded, trigger_mode="multiple", **QUICK)


def keeping(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with the session as one more output, without which Gradio would never delete it.

    Gradio counts the time until then from the last output.
    """

    @wraps(handler)
    def kept(session: Session, *args: Any) -> tuple[Any, ...]:
        return *handler(session, *args), session

    return kept


def _connect_settings(page: Page, desks: Desks) -> None:
    model, methods, _, prompt = page.controls
    inputs = [page.session, page.shown, page.question, *page.controls]
    moved = [page.viewer, page.ticket, page.session]
    # past the queue, which costs a quarter of the time; the models let one call in at a time
    methods.adjust(keeping(desks.answering.move), inputs, moved, trigger_mode="always_last", **QUICK)
    trying = [page.session, page.shown]
    page.viewer.attempt(desks.trying.try_settings, trying, page.viewer, **HIDDEN, **limits.MODEL_QUEUE)
    page.viewer.settle(keeping(desks.trying.set), inputs, [methods, *moved], **QUICK)
    changed = [page.viewer, methods, model, prompt]
    for picked in (model.pick, page.viewer.pick, page.consent.use):
        picked(desks.choosing.choose_model, [page.session, model, methods], changed, **HIDDEN, **limits.MODEL_QUEUE)
    for asked in (model.ask, page.viewer.ask):
        asked(desks.choosing.ask_first, [page.session], [page.viewer, page.consent], **QUICK)
    for halted in (model.halt, page.viewer.halt):
        halted(desks.answering.stop, [page.session], page.viewer, **QUICK)
