"""ES modules as one script: Gradio takes a component's script as one string, and an exported page is one file.

Joined here and not by a bundler, so that who uses the page needs no Node and no built file can be out of date. For
that, modules import by name from relative paths, without `as` and without circles, export declarations only, and no two
have a name in common.
"""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r"^import \{(?:\s*\w+,)*(?:\s*\w+)?\s*\} from '(\.[^']+)';\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function|class) )", re.MULTILINE)
DECLARED = re.compile(r"^(?:async )?(?:const|let|function|class) (\w+|[\[{][^\]}=]*[\]}])", re.MULTILINE)
INDENT = re.compile(r"^[ \t]+", re.MULTILINE)  # a seventh of what is sent; no text of a module has several lines
AFTER = re.compile(
    r"^((?:[^'\"`/\n]|'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|/(?!/))*?)[ \t]+// .*$", re.MULTILINE
)  # behind code
COMMENT = re.compile(r"^[ \t]*(?://.*|/\*\*(?:.|\n)*?\*/)\n|^\n", re.MULTILINE)  # of whole lines


def joined(entry: Path) -> str:
    """A module after all that it imports, each once, as statements of one scope without comments and indentation.

    ValueError for a module that cannot be joined.
    """
    texts: dict[Path, str] = {}
    _add(entry.resolve(), texts, ())
    owner: dict[str, Path] = {}
    for path, text in texts.items():
        for name in (name for declared in DECLARED.findall(text) for name in re.findall(r"\w+", declared)):
            if owner.setdefault(name, path) != path:
                raise ValueError(f"{path.name} and {owner[name].name} both declare {name}; rename one of the two.")
    return AFTER.sub(r"\1", INDENT.sub("", "".join(texts.values())))


def _add(path: Path, texts: dict[Path, str], above: tuple[Path, ...]) -> None:
    if path in texts:
        return
    if path in above:
        raise ValueError(f"{path.name} imports itself by way of others.")
    source = path.read_text(encoding="utf-8")
    for other in IMPORT.findall(source):
        _add((path.parent / other).resolve(), texts, (*above, path))
    text = EXPORT.sub("", IMPORT.sub("", COMMENT.sub("", source)))
    if re.search(r"^(?:import|export)\b", text, re.MULTILINE):
        raise ValueError(f"{path.name} imports or exports in a way that cannot be joined.")
    texts[path] = text
