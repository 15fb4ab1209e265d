"""The explore page: what stands where, and which handler each event calls.

Running shares one queue with room for one call at a time; everything else answers at once. What asks a question
draws a ticket, and a changed ticket runs: who only looks takes no place in the queue.
All handlers are hidden from the API, which has its own typed endpoints in `viz.ui.api`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

from viz.ui import limits
from viz.ui.exports import Exports
from viz.ui.handlers import Handlers
from viz.ui.session import Session, Settings
from viz.ui.widgets import Chips, Download, Header, ModelMenu, PictureInput, Setting, Strip
from viz.viewer import Viewer

ABOUT = {
    "model": "Which vision-language model answers. Grey ones need more memory than there is here; "
    "the option --model of the app offers others.",
    "alpha": "Weight of a layer's own attention; the rest comes from the vision memory. 1 leaves attention as it is.",
    "beta": "How much of the memory is kept from one layer to the next. Higher remembers earlier layers longer.",
    "gamma": "Smoothing stops once the model's uncertainty falls below this. 0 never stops.",
    "first_check": "The first layer after which the uncertainty is looked at.",
    "unified": "In the first layer every image token stands at the same position, so none is favoured for being near.",
    "early": "Leave the last layers alone once the model is certain. Off smooths every layer.",
    "tokens": "The answer ends here at the latest; applies at the next Run.",
    "prompt": "How the question is put to the model: its own chat template, or with what papers add to it, the Vicuna "
    "system sentence before and a request for a short answer after; applies at the next Run.",
}
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
METHOD = "method-setting"
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

    @property
    def inputs(self) -> list[Any]:
        return [self.session, self.ticket, self.picture, self.question, *self.controls]


def explore(handlers: Handlers) -> Page:
    """Builds the page inside the current `gr.Blocks` and connects it."""
    header = Header(elem_id="page-header")
    with gr.Row(elem_id="explore", equal_height=False):
        with gr.Column(elem_id="ask", scale=0, min_width=300):
            parts = _ask(handlers)
        with gr.Column(elem_id="see", scale=1, min_width=300):
            viewer = Viewer(dict(handlers.recording.payload), elem_id="viewer")
    page = Page(
        session=gr.State(Session()),
        ticket=gr.Number(-1, visible="hidden", precision=0),  # on the page, unseen: its change is an event
        header=header,
        download=Download(elem_id="download"),
        viewer=viewer,
        **parts,
    )
    _connect(page, handlers)
    return page


def _ask(handlers: Handlers) -> dict[str, Any]:
    library, recording = handlers.library, handlers.recording
    scene = library.named(recording.scene)
    assert scene is not None
    parts: dict[str, Any] = {"picture": _picture(str(scene.path))}
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
    return parts | {"controls": _controls(handlers)}


def _picture(path: str) -> PictureInput:
    return PictureInput(
        path,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        show_label=False,
        container=False,
        height=208,
        buttons=[],
        placeholder="Drop a picture here, paste one, or click to choose",
        elem_id="picture",
    )


def _controls(handlers: Handlers) -> list[Any]:
    models = handlers.models
    start = handlers.defaults(models.default)

    def share(name: str, label: str, step: float) -> gr.Slider:
        value, about = getattr(start, name), ABOUT[name]
        return Setting(
            0, 1, value, step=step, label=label, info=about, buttons=[], elem_classes=METHOD, elem_id=f"set-{name}"
        )

    with gr.Group(elem_id="live"):
        alpha = share("alpha", "α  own attention", 0.05)
        beta = share("beta", "β  memory kept", 0.05)
        gamma = share("gamma", "γ  certain below", 0.01)
    with gr.Accordion("More settings", open=False, elem_id="more"):
        model = ModelMenu(models.menu, start.model, about=ABOUT["model"], elem_id="model")
        first_check = Setting(
            1,
            handlers.depth(start.model) or handlers.recording.layers,
            start.first_check,
            step=1,
            label="First check",
            info=ABOUT["first_check"],
            buttons=[],
            elem_classes=METHOD,
        )
        unified = gr.Checkbox(start.unified, label="Unified positions", info=ABOUT["unified"], elem_classes=METHOD)
        early = gr.Checkbox(start.early, label="Early termination", info=ABOUT["early"], elem_classes=METHOD)
        tokens = Setting(
            1,
            limits.MAX_TOKENS,
            start.tokens,
            step=1,
            label="Longest answer, in tokens",
            info=ABOUT["tokens"],
            buttons=[],
        )
        prompt = _prompt(handlers, start)
    return [model, alpha, beta, gamma, first_check, unified, early, tokens, prompt]


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


def _connect(page: Page, handlers: Handlers) -> None:
    session, begun = page.session, [page.viewer, page.ticket, page.session]
    page.strip.pick(_keeping(handlers.choose), [session], [page.picture, page.question, page.chips, *begun], **QUICK)
    page.chips.pick(_keeping(handlers.suggest), [session], [page.question, *begun], **QUICK)
    page.run.click(_keeping(handlers.begin), [session], begun, **QUICK)
    page.question.submit(_keeping(handlers.begin), [session], begun, **QUICK)
    arrived = [page.viewer, page.picture, page.question, page.chips, page.strip, *page.controls, page.ticket, session]
    gr.context.Context.root_block.load(_keeping(handlers.arrive), [session], arrived, **QUICK)
    run = page.ticket.change(
        handlers.run, page.inputs, page.viewer, trigger_mode="multiple", **HIDDEN, **limits.MODEL_QUEUE
    )
    run.failure(handlers.refused, [session], page.viewer, **QUICK)
    run.then(handlers.fit, [session, page.controls[0], page.controls[4]], page.controls[4], **QUICK)
    page.stop.click(handlers.stop, [session], page.viewer, cancels=[run], **QUICK)
    uploaded = [page.viewer, page.chips, page.strip, page.ticket, session]
    page.picture.upload(_keeping(handlers.new_picture), [session, page.picture, page.question], uploaded, **QUICK)
    _connect_settings(page, handlers)
    exports = Exports(handlers)
    page.header.export(exports.handle, [session], page.download, **HIDDEN, concurrency_id="export", concurrency_limit=1)
    page.viewer.objects(handlers.switch_objects, [session], None, **QUICK)
    page.viewer.region(handlers.set_region, [session], None, **QUICK)


def _keeping(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with the session as one more output, without which Gradio would never delete it.

    Gradio counts the time until then from the last output.
    """

    @wraps(handler)
    def kept(session: Session, *args: Any) -> tuple[Any, ...]:
        return *handler(session, *args), session

    return kept


def _connect_settings(page: Page, handlers: Handlers) -> None:
    model, *settings, _, prompt = page.controls
    for control in settings:  # past the queue, which costs a quarter of the time; the models let one call in at a time
        control.input(handlers.adjust, [page.session, *page.controls], page.viewer, trigger_mode="always_last", **QUICK)
    changed = [page.viewer, *page.controls[1:7], model, prompt]
    model.pick(handlers.choose_model, [page.session, model], changed, **HIDDEN, **limits.MODEL_QUEUE)


assert [*Settings.__dataclass_fields__] == [*ABOUT], "the controls stand in the order of Settings"
