"""What docs/reference.md says of every command, option and endpoint, from where it is declared; a test keeps it so.

python -m tests.documents       writes it
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clvs_core.cli.main import parser as clvs
from viz.page.api import endpoints
from viz.page.main import gr
from viz.page.main import parser as explorer
from viz.viewer import view

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.md"
BEGIN, END = "<!-- from here on written by: python -m tests.documents -->\n", "<!-- to here -->\n"


def reference() -> str:
    """The generated part of docs/reference.md."""
    return "\n".join([*_view(), *_commands(clvs()), *_program(explorer("clvs-explorer")), *_endpoints()])


def _view() -> Iterator[str]:
    """The view's part of a link."""
    yield "## The view in a link\n\nWhat is left out is as the page starts.\n"
    yield "| | | |\n|---|---|---|"
    for name, kind in view.KINDS.items():
        yield f"| `{name}` | {_cell(view.ABOUT[name])} | {_cell(kind.told)}{_usual(name, kind)} |"
    yield ""


def _usual(name: str, kind: view.Kind) -> str:
    """Where a choice starts, if that is anything that a link could write."""
    return "" if view.USUAL[name] in (None, "") else f" (default {kind.written(view.USUAL[name])})"


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    told = {choice.dest: choice.help for choice in commands._choices_actions}
    for name, command in commands.choices.items():
        yield f"## clvs {name}\n\n{_sentence(told[name])}\n"
        yield from _options(command)


def _program(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {parser.prog}\n\n{_sentence(parser.description)}\n"
    yield from _options(parser)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            yield f"| {_written(action)} | {_cell(_help(action, parser))} |"
    yield ""


def _written(action: argparse.Action) -> str:
    """Such as `--method METHOD`, with what may stand there."""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else None
    value = "" if action.nargs == 0 else action.metavar or choices or action.dest.upper()
    names = ", ".join(action.option_strings)
    return f"`{' '.join(filter(None, [names, str(value)]))}`" + (" (needed)" if names and action.required else "")


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    if not action.help:
        raise AssertionError(f"{parser.prog} {action.option_strings or action.dest} says nothing of itself.")
    return action.help % {**vars(action), "prog": parser.prog}


def _endpoints() -> Iterator[str]:
    with gr.Blocks() as page:
        endpoints(None, None)  # only told of, not called
    for function in [block.fn for block in page.fns.values()]:
        yield f"## /{function.__name__}\n\n{inspect.getdoc(function)}\n"
        yield "| | |\n|---|---|"
        for parameter in _parameters(function):
            usual = "needed" if parameter.default is parameter.empty else f"default `{parameter.default!r}`"
            yield f"| `{parameter.name}` | {_cell(str(parameter.annotation))}, {usual} |"
        yield ""


def _parameters(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    yield from inspect.signature(function).parameters.values()


def _sentence(text: str | None) -> str:
    text = (text or "").strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes the generated part anew and leaves what stands around it."""
    before, _, rest = REFERENCE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    REFERENCE.write_text(f"{before}{BEGIN}\n{reference()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
