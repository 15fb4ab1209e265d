"""The explore page: what stands where, and which handler each event calls.

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

from viz.page import limits
from viz.page.downloads import Exports
from viz.page.handlers import Handlers
from viz.page.recorded.desk import Desk, Desks
from viz.page.recorded.recordings import Recordings
from viz.page.session import Session, Settings
from viz.page.widgets import (
    Chips,
    Consent,
    Download,
    Header,
    MethodPicker,
    ModelMenu,
    PictureInput,
    Setting,
    ShownRun,
    Strip,
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
    chips: Chips
    run: gr.Button
    stop: gr.Button
    controls: list[Any]
    viewer: Viewer
    header: Header
    download: Download
    consent: Consent
    desk: Desk
    shown: ShownRun

    @property
    def inputs(self) -> list[Any]:
        return [self.session, self.ticket, self.picture, self.question, *self.controls]

    @property
    def arrived(self) -> list[Any]:
        """All that a question from elsewhere fills in, a link's or a run's; the session comes after it."""
        return [self.viewer, self.picture, self.question, self.chips, self.strip, *self.controls, self.ticket]


def explore(handlers: Handlers, recordings: Recordings | None = None) -> Page:
    """Builds the page inside the current `gr.Blocks` and connects it."""
    header, desks = Header(elem_id="page-header"), Desks(handlers, recordings or Recordings())
    with gr.Row(elem_id="explore", equal_height=False):
        with gr.Column(elem_id="ask", scale=0, min_width=300):
            parts = _ask(handlers, desks)
        with gr.Column(elem_id="see", scale=1, min_width=300):
            viewer = Viewer(dict(handlers.recording.payload), elem_id="viewer")
    page = Page(
        session=gr.State(Session()),
        ticket=gr.Number(-1, visible="hidden", precision=0),  # on the page, unseen: its change is an event
        header=header,
        download=Download(elem_id="download"),
        consent=Consent(elem_id="consent"),
        shown=ShownRun(elem_id="shown"),
        viewer=viewer,
        **parts,
    )
    _connect(page, handlers, desks)
    return page


def _ask(handlers: Handlers, desks: Desks) -> dict[str, Any]:
    library, recording = handlers.library, handlers.recording
    scene = library.named(recording.scene)
    assert scene is not None
    parts: dict[str, Any] = {"desk": Desk(desks.state(), visible=bool(desks.rows()), elem_id="recorded")}
    parts["picture"] = PictureInput(library, str(scene.path), elem_id="picture")
    parts["strip"] = Strip(library.examples, value=scene.name, elem_id="examples")
    parts["question"] = gr.Textbox(
        recording.question,
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
    with gr.Row(elem_id="go"):
        parts["run"] = gr.Button("Run", variant="primary", min_width=60)
        parts["stop"] = gr.Button("Stop", min_width=60)
    parts["chips"] = Chips(scene.questions, elem_id="suggestions")
    return parts | {"controls": _controls(handlers, desks)}


def _controls(handlers: Handlers, desks: Desks) -> list[Any]:
    models = handlers.models
    start = handlers.defaults(models.default)
    methods = MethodPicker(handlers.picker(start.model, start.methods), elem_id="methods")
    with gr.Accordion("More settings", open=False, elem_id="more"):
        model = ModelMenu(models.menu, start.model, about=ABOUT["model"], recorded=desks.rows(), elem_id="model")
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
        prompt = _prompt(handlers, start)
    return [model, methods, tokens, prompt]


def _prompt(handlers: Handlers, start: Settings) -> gr.Dropdown:
    # Of all models here: in the closed part of the page a link's choice would not arrive together with other choices.
    return gr.Dropdown(
        handlers.prompts(*handlers.models.cards),
        value=start.prompt,
        label="Prompt",
        info=ABOUT["prompt"],
        filterable=False,
        elem_id="set-prompt",
    )


def _connect(page: Page, handlers: Handlers, desks: Desks) -> None:
    session, begun = page.session, [page.viewer, page.ticket, page.session]
    page.strip.pick(_keeping(handlers.choose), [session], [page.picture, page.question, page.chips, *begun], **QUICK)
    page.chips.pick(_keeping(handlers.suggest), [session], [page.question, *begun], **QUICK)
    page.run.click(_keeping(handlers.begin), [session], begun, **QUICK)
    page.question.submit(_keeping(handlers.begin), [session], begun, **QUICK)
    arrived = [*page.arrived, session]
    gr.context.Context.root_block.load(_keeping(desks.arrive), [session], [page.desk, *arrived], **QUICK)
    run = page.ticket.change(
        handlers.run,
        page.inputs,
        page.viewer,
        trigger_mode="multiple",
        validator=handlers.look,
        **HIDDEN,
        **limits.MODEL_QUEUE,
    )
    run.failure(handlers.refused, [session], page.viewer, **QUICK)
    model, methods, *_ = page.controls
    run.then(handlers.fit, [session, model, methods], methods, **QUICK)
    page.stop.click(handlers.stop, [session], page.viewer, cancels=[run], **QUICK)
    uploaded = [page.viewer, page.picture, page.chips, page.strip, page.ticket, session]
    shown = [session, page.picture, page.question]
    page.picture.upload(_keeping(handlers.new_picture), shown, uploaded, trigger_mode="multiple", **QUICK)
    _connect_settings(page, handlers)
    exports = Exports(handlers, desks)
    exporting = {**HIDDEN, "concurrency_id": "export", "concurrency_limit": 1}
    page.header.export(exports.handle, [session, page.shown], page.download, **exporting)
    page.viewer.objects(handlers.switch_objects, [session], None, **QUICK)
    page.viewer.region(handlers.set_region, [session], None, **QUICK)
    recorded = [page.desk, page.viewer, session]
    page.desk.open(_keeping(desks.open), [session], recorded, trigger_mode="multiple", **QUICK)
    page.desk.leave(_keeping(desks.leave), [session, page.shown], recorded, **QUICK)


def _keeping(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with the session as one more output, without which Gradio would never delete it.

    Gradio counts the time until then from the last output.
    """

    @wraps(handler)
    def kept(session: Session, *args: Any) -> tuple[Any, ...]:
        return *handler(session, *args), session

    return kept


def _connect_settings(page: Page, handlers: Handlers) -> None:
    model, methods, _, prompt = page.controls
    inputs = [page.session, page.shown, page.question, *page.controls]
    moved = [page.viewer, page.ticket, page.session]
    # past the queue, which costs a quarter of the time; the models let one call in at a time
    methods.adjust(_keeping(handlers.move), inputs, moved, trigger_mode="always_last", **QUICK)
    changed = [page.viewer, methods, model, prompt]
    for picked in (model.pick, page.viewer.pick, page.consent.use):
        picked(handlers.choose_model, [page.session, model, methods], changed, **HIDDEN, **limits.MODEL_QUEUE)
    for asked in (model.ask, page.viewer.ask):
        asked(handlers.ask_first, [page.session], [page.viewer, page.consent], **QUICK)
    for halted in (model.halt, page.viewer.halt):
        halted(handlers.stop, [page.session], page.viewer, **QUICK)
