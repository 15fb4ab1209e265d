"""The results tab: a run of a benchmark as answers, tables and figures; any question of it opens in the explorer.

The browser says what is chosen (`Choice`) and the server answers with what to show; nothing of it is kept for a
visitor. Answers come at once; tables and figures are made when they are opened, one visitor at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from clvs_core.benchmarks import PARSERS
from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from clvs_core.models.prompts import presets
from viz.page import events, limits
from viz.page.arriving import FILLED_IN
from viz.page.desks import Desks
from viz.page.explore import HIDDEN, QUICK, TYPED, Page, keeping
from viz.page.library import ANYTHING
from viz.page.results import filtering
from viz.page.results.choice import Choice
from viz.page.results.made import Made, file_name
from viz.page.results.opened import OpenRun, about, readable
from viz.page.results.pictures import RunPictures
from viz.page.results.runs import Runs
from viz.page.screen import sentence
from viz.page.session import Session, Settings
from viz.page.widgets import ResultsBoard

ENDINGS = {"tables": ("md", "csv", "tex"), "figures": ("png", "svg")}
TITLES = {  # of figures, with their numbers in the CLVS paper
    "decay": "Attention on key objects by layer (figure 2)",
    "decay-share": "The same, as a share of what the picture gets",
    "convergence": "Uncertainty and convergence (figure 4)",
    "mme": "MME scores (figure 5)",
    "peaks": "Peak layers, and gain after the peak (figure 6)",
    "sweep-alpha": "CLVS with other α (figure 7)",
    "sweep-beta": "CLVS with other β (figure 8)",
    "sweep-grid": "CLVS with other α and β",
    "looking": "Which layers' looking matters, and where attention is added",
}
# What a run must have recorded of its answers for these figures.
RECORDS = {
    "decay": "key_objects",
    "decay-share": "key_objects",
    "peaks": "key_objects",
    "convergence": "lens",
    "looking": "knockout",
}
SUGGESTED = 8  # other questions about the same picture


def results(page: Page, desks: Desks, available: Runs) -> None:
    """Builds the tab inside the current `gr.Blocks` and connects it with the explorer."""
    with gr.Column(elem_id="results"):
        board = ResultsBoard(elem_id="board")
        tables = gr.Markdown(elem_id="tables", latex_delimiters=[], container=False)
    tab = Results(desks, available)
    heavy: dict[str, Any] = {**HIDDEN, "concurrency_id": "export", "concurrency_limit": 1}
    # not "always_last": Gradio then forgets what the last event said
    board.look(tab.look, None, board, trigger_mode="multiple", **QUICK)
    board.draw(tab.draw, None, [board, tables], trigger_mode="multiple", **heavy)
    board.save(tab.save, None, page.download, **heavy)
    arrived = [*page.arrived, page.session]
    board.open(keeping(tab.open), [page.session, page.controls[0]], [board, *arrived], **QUICK)


class Results:
    """What happens on the tab, over the app's runs and the explorer's desks."""

    def __init__(self, desks: Desks, available: Runs):
        self.desks, self.models, self.runs = desks, desks.models, available
        self.pictures = RunPictures(desks.library, available.images)
        self.made = Made()
        self._turns = itertools.count()  # a browser takes no notice of a value that is the same as before

    def _owner(self, request: gr.Request) -> bool:
        return self.models.own and limits.is_owner(request)

    # --- looking --------------------------------------------------------------------------------------------------

    def look(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """Answers of the chosen run; without a choice, of the first there is; what is wrong as one sentence."""
        owner, listed = self._owner(request), list(self.runs.listed())
        choice = Choice.of(event._data)
        if not choice.run and not choice.folder and listed:
            choice = replace(choice, run=listed[0])
        board = {"part": "answers", "runs": listed, "own": owner, "run": choice.run, "folder": choice.folder}
        board |= {"turn": next(self._turns), "asked": events.number(event, "asked")}
        if not choice.run and not choice.folder:
            return board
        try:
            return board | self._answers(self.runs.get(choice, owner=owner), choice, owner=owner)
        except Exception as error:
            return board | {"error": sentence(error)}

    def _answers(self, opened: OpenRun, choice: Choice, *, owner: bool) -> dict[str, Any]:
        table = filtering.shown(opened, choice)
        seen = [opened.questions[opened.places[row["id"]]] for row in table["rows"]]
        parts = [opened.benchmark.parser, *(name for name in PARSERS if name != opened.benchmark.parser)]
        methods = [[name, label] for name, label in zip(opened.names, opened.labels, strict=True)]
        return {
            "about": about(opened),
            "methods": methods,
            "vanilla": None if opened.vanilla is None else opened.names[opened.vanilla],
            "usual": filtering.usual(opened),
            "limit": limits.MAX_METHODS,
            "kinds": opened.kinds[:100],
            "parsers": parts,
            "answers": len(opened.run.rows),
            "thumbs": self.pictures.thumbnails(seen, owner=owner),
            **table,
        }

    # --- tables and figures ---------------------------------------------------------------------------------------

    def draw(self, event: gr.EventData, request: gr.Request) -> tuple[dict[str, Any], Any]:
        """Tables, which are Markdown, or figures, whichever part was opened."""
        choice, part = Choice.of(event._data), _word(event, "part")
        board: dict[str, Any] = {"part": part, "turn": next(self._turns)}
        try:
            opened = self.runs.get(choice, owner=self._owner(request))
            if part == "tables":
                return board, self.made.tables(opened, choice.parser, "md")
            drawn = self.made.figures(opened)
            shown = [
                {"name": name, "title": TITLES.get(name, name), "url": self._image(opened, name)}
                for name in drawn.figures
            ]
            elsewhere = self._elsewhere(opened, drawn.missing)
            held = {name for names in elsewhere.values() for name in names}
            missing = list(dict.fromkeys(why for name, why in drawn.missing.items() if name not in held))
            others = [{"run": run, "titles": [TITLES[name] for name in names]} for run, names in elsewhere.items()]
            return board | {"part": "figures", "figures": shown, "elsewhere": others, "missing": missing}, gr.skip()
        except Exception as error:
            return board | {"error": sentence(error)}, "" if part == "tables" else gr.skip()

    def _elsewhere(self, opened: OpenRun, missing: Iterable[str]) -> dict[str, list[str]]:
        """Of the figures that this run lacks the records for, those that another run of the list has, by that run."""
        found: dict[str, list[str]] = {}
        for name in missing:
            record = RECORDS.get(name, "")
            other = record and record not in opened.run.about.get("records", ()) and self.runs.with_record(record)
            if other:
                found.setdefault(other, []).append(name)
        return found

    def _image(self, opened: OpenRun, name: str) -> str:
        return self.desks.pictures.publish(self.made.file(opened, name, "png"), f"{file_name(name)}.png")

    def save(self, event: gr.EventData, request: gr.Request) -> dict[str, str]:
        """The download component's value: tables as md, csv or tex, or a figure as png or svg."""
        choice, part, ending = Choice.of(event._data), _word(event, "part"), _word(event, "ending")
        try:
            opened = self.runs.get(choice, owner=self._owner(request))
            if ending not in ENDINGS.get(part, ()):
                raise ClvsError("There is no such download; choose one of the tab.")
            if part == "tables":
                name, content = part, self.made.tables(opened, choice.parser, ending).encode("utf-8")
            else:
                name = _word(event, "name")
                content = self.made.file(opened, name, ending)
            name = f"{file_name(opened.run.folder.name)}-{file_name(name)}.{ending}"
            return {"url": self.desks.pictures.publish(content, name), "name": name}
        except Exception as error:
            return {"error": sentence(error)}

    # --- a question in the explorer -------------------------------------------------------------------------------

    def open(self, session: Session, present: str, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """A row was chosen: its picture, question and methods, as the run had them; asked at once.

        present: the page's model. First the board's value, which says that the explorer is to be shown, or why not.
        """
        try:
            return self._open(session, present, event, owner=self._owner(request))
        except Exception as error:
            board = {"part": "opened", "turn": next(self._turns), "error": sentence(error)}
            return board, *events.unchanged(FILLED_IN)

    def _open(self, session: Session, present: str, event: gr.EventData, *, owner: bool) -> tuple[Any, ...]:
        choice = Choice.of(event._data)
        opened = self.runs.get(choice, owner=owner)
        place, question = opened.question(choice.id)
        path, scene = self._picture(self.pictures.find(question, owner=owner))
        picked, differing = _picked(event)
        said = opened.said(filtering.parser(opened, choice))[place]
        names = filtering.to_ask(opened, said, picked, differing=differing)
        settings, sentences = self._settings(opened, names, present)
        shown, ticket = self.desks.answering.begin(session)
        session.remark = readable(" ".join([_in_the_run(opened, question.id, names), *sentences]), TYPED)
        beside = [readable(q.text, TYPED) for q in opened.questions if q.image == question.image]
        asked = list(dict.fromkeys(text for text in beside if len(text) <= limits.MAX_QUESTION))
        suggested = asked[:SUGGESTED] if question.image else list(ANYTHING)
        controls = self.desks.choosing.controls(settings)
        board = {"part": "opened", "turn": next(self._turns), "id": opened.ids[place]}
        return board, shown, path, readable(question.text, TYPED), suggested, scene, *controls, ticket

    def _picture(self, file: Path) -> tuple[str, str]:
        """Where the page may serve the picture from, and the example's name if it is one.

        A copy keeps bytes and name: answers stay the same, and masks are known by name.
        """
        scene = self.desks.library.at(file)
        if scene is not None:
            return str(scene.path), scene.name
        limits.open_picture(file)  # only what is a picture is served
        return str(self.desks.pictures.files.put(file.read_bytes(), file.name)), ""

    def _settings(self, opened: OpenRun, names: Sequence[str], present: str) -> tuple[Settings, list[str]]:
        """The explorer's settings that are nearest to the run's, and a sentence for each that differs."""
        models, run, sentences = self.models, opened.run.about, []
        present = present if present in models.cards else models.default
        model = self._model(run["model"])
        if model is None:
            label = str(run["model"].get("label") or run["model"].get("name"))[:80]
            sentences.append(f"The run's model, {label}, is not offered here; {models.cards[present].label} answers.")
        name = model or present
        specs, unknown = _specs([dict(zip(opened.names, opened.specs, strict=True))[name] for name in names])
        if unknown:
            sentences.append(f"Not known here: {', '.join(unknown)}.")
        usual = self.desks.choosing.defaults(name)
        prompt = run["prompt"] if run["prompt"] in presets(models.cards[name].family) else usual.prompt
        if prompt != run["prompt"]:
            sentences.append(f"The run's prompt, {run['prompt'][:80]}, is not offered here.")
        tokens = min(max(run["max_new_tokens"], 1), limits.MAX_TOKENS)
        return Settings(name, tuple(specs) or usual.methods, tokens, prompt), sentences

    def _model(self, facts: Mapping[str, Any]) -> str | None:
        """The page's name of a run's model, if anybody may ask it."""
        wanted = str(facts.get("name") or "")
        models = self.models
        same = [name for name, card in models.cards.items() if wanted in (name, card.source, models.source(name))]
        return next(filter(models.offered, same), None)


def _specs(texts: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Specs that this program knows, each once; and the others."""
    known: dict[str, None] = {}
    unknown = []
    for text in texts:
        try:
            known[spec(limits.methods([text])[0])] = None
        except ClvsError:
            unknown.append(f"{text!s:.80}")
    return list(known), unknown


def _in_the_run(opened: OpenRun, id: str, names: Sequence[str]) -> str:
    """What the run's methods answered, e.g. "In the run: Vanilla Yes, CLVS No." """
    called = dict(zip(opened.names, opened.labels, strict=True))
    answers = [f"{called[name]:.80} {opened.answers[name].get(id, 'nothing yet').strip()[:60]}" for name in names]
    return f"In the run: {', '.join(answers)}."


def _word(event: gr.EventData, name: str) -> str:
    data = event._data if isinstance(event._data, Mapping) else {}
    value = data.get(name)
    return value[:200] if isinstance(value, str) else ""


def _picked(event: gr.EventData) -> tuple[list[str], bool]:
    """The methods picked by hand, and whether those that differ are wanted too."""
    data = event._data if isinstance(event._data, Mapping) else {}
    picked = data.get("picked")
    names = [name for name in picked[:200] if isinstance(name, str)] if isinstance(picked, list) else []
    return names, data.get("differing") is True
