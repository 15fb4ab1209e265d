"""ES modules as one script: Gradio takes a component's script as one string, and an exported page is one file.

Joined here and not by a bundler, so that who uses the page needs no Node and no built file can be out of date. For
that, modules import by name from relative paths, without `as` and without circles, export declarations only, and no two
have a name in common. Of what is needed later a second script can be made, which shares the modules of the first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

IMPORT = re.compile(r"^import \{((?:\s*\w+,)*(?:\s*\w+)?\s*)\} from '(\.[^']+)';\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function|class) )", re.MULTILINE)
DECLARED = re.compile(r"^(?:async )?(?:const|let|function|class) (\w+|[\[{][^\]}=]*[\]}])", re.MULTILINE)
INDENT = re.compile(r"^[ \t]+", re.MULTILINE)  # a seventh of what is sent; no text of a module has several lines
AFTER = re.compile(
    r"^((?:[^'\"`/\n]|'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|/(?!/))*?)[ \t]+// .*$", re.MULTILINE
)  # behind code
BREAK = re.compile(  # of a line, where it means nothing; a line that may end in a comment is kept as it is
    r"^(.*\s//.*\n)|(?<=[\[({,;])\n|,?\n(?=[)\]}])|\n(?=[?:.]|&&|\|\|)", re.MULTILINE
)
COMMENT = re.compile(r"^[ \t]*(?://.*|/\*\*(?:(?!\*/)(?:.|\n))*\*/)\n|^\n", re.MULTILINE)  # of whole lines


class Second(NamedTuple):
    """What is joined beside a first script. names: what it takes from the first one's modules, in order."""

    text: str
    names: tuple[str, ...]


def joined(entry: Path) -> str:
    """A module after all that it imports, each once, as statements of one scope and without what only people read.

    ValueError for a module that cannot be joined.
    """
    texts = _modules(entry)
    _owners(texts)
    return _script(texts)


def joined_beside(entry: Path, first: Path) -> Second:
    """As `joined`, without the modules that the script of the entry `first` already has.

    ValueError also for a name that `first` does not declare, or that it may give another value later.
    """
    there = _modules(first)
    texts = _modules(entry)
    owners = _owners(there | texts)
    own = {path: text for path, text in texts.items() if path not in there}
    taken = {name: path for path in own for name, path in _imported(path) if path in there}
    for name, path in taken.items():
        if owners.get(name) != path or re.search(
            rf"^let (?:{name}\b|[\[{{][^\]}}=]*\b{name}\b)", there[path], re.MULTILINE
        ):
            raise ValueError(f"{path.name} cannot hand out {name}: it has to declare it, and not with let.")
    return Second(_script(own), tuple(sorted(taken)))


def _modules(entry: Path) -> dict[Path, str]:
    """The texts of a module and of all that it imports, in the order in which they can run."""
    texts: dict[Path, str] = {}
    _add(entry.resolve(), texts, ())
    return texts


def _owners(texts: dict[Path, str]) -> dict[str, Path]:
    """Which module declares each name. ValueError where two declare one."""
    owner: dict[str, Path] = {}
    for path, text in texts.items():
        for name in (name for declared in DECLARED.findall(text) for name in re.findall(r"\w+", declared)):
            if owner.setdefault(name, path) != path:
                raise ValueError(f"{path.name} and {owner[name].name} both declare {name}; rename one of the two.")
    return owner


def _script(texts: dict[Path, str]) -> str:
    return BREAK.sub(r"\1", AFTER.sub(r"\1", INDENT.sub("", "".join(texts.values()))))


def _imported(path: Path) -> list[tuple[str, Path]]:
    """The names that a module imports, each with the module that has it."""
    lines = IMPORT.findall(path.read_text(encoding="utf-8"))
    return [(name, (path.parent / other).resolve()) for names, other in lines for name in re.findall(r"\w+", names)]


def _add(path: Path, texts: dict[Path, str], above: tuple[Path, ...]) -> None:
    if path in texts:
        return
    if path in above:
        raise ValueError(f"{path.name} imports itself by way of others.")
    source = path.read_text(encoding="utf-8")
    for _, other in IMPORT.findall(source):
        _add((path.parent / other).resolve(), texts, (*above, path))
    text = EXPORT.sub("", IMPORT.sub("", COMMENT.sub("", source)))
    if re.search(r"^(?:import|export)\b", text, re.MULTILINE):
        raise ValueError(f"{path.name} imports or exports in a way that cannot be joined.")
    texts[path] = text
