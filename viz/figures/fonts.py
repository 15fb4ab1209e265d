"""Letters that a figure's own font lacks: the installed fonts that have them, and what to install where none has.

matplotlib draws a letter in the first family of a list that has it. Order and joining of Arabic, Hebrew and Indic
letters are its own work, too: right from matplotlib 3.11 on, which asks libraqm; older ones draw letters one by one
from left to right.
"""

from __future__ import annotations

import contextlib
import functools
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Sequence

from matplotlib import font_manager
from matplotlib.font_manager import FontEntry
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"  # comes with matplotlib
MISSING = "□"  # which OWN has
_BOXES = ("LastResort", "Last Resort", "Adobe Blank", "AdobeBlank", "Tofu")  # fonts that have a box for every letter
_HAN = ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "FULLWIDTH", "IDEOGRAPHIC", "HANGUL", "BOPOMOFO")
# Whose forms of Chinese characters a text wants, by letters that only it has; else the simplified ones.
_REGIONS = (("HIRAGANA", "JP"), ("KATAKANA", "JP"), ("HANGUL", "KR"), ("BOPOMOFO", "TC"))


class FontWarning(UserWarning):
    """No installed font has letters of a figure: which, and what to install, in one sentence."""


def families(texts: Iterable[str]) -> tuple[list[str], str]:
    """Families to draw these texts with, the figure's own first, and the letters that no installed font has."""
    letters = "".join(sorted(set().union(*texts)))
    missing = {letter for letter in letters if _drawn(letter)} - _covered(_own(), letters)
    if not missing:
        return [OWN], ""
    found, left = _cover(frozenset(missing), _region(letters))
    return [OWN, *found], "".join(sorted(left))


def without(text: str, letters: str) -> str:
    """The text with boxes for letters that no font has."""
    return text.translate(dict.fromkeys(map(ord, letters), MISSING)) if letters else text


def say_missing(letters: str) -> None:
    """A FontWarning for each script of these letters that was not named yet."""
    for script, package in dict.fromkeys(map(_script, letters)):
        _say(script, package)


@functools.cache  # once for each script
def _say(script: str, package: str) -> None:
    warnings.warn(
        f"No installed font has {script} letters, which are drawn as boxes; install one, e.g. Debian's {package}.",
        FontWarning,
        stacklevel=4,
    )


def _drawn(letter: str) -> bool:
    """Whether it needs a glyph: not white space, joiners, marks of direction, or which form of an emoji is meant."""
    return letter.isprintable() and not letter.isspace() and not 0xFE00 <= ord(letter) <= 0xFE0F


def _script(letter: str) -> tuple[str, str]:
    """What people call the letter's script, and a Debian package that has it."""
    name = unicodedata.name(letter, "")
    first = name.replace("-", " ").partition(" ")[0]
    if first in _HAN:
        return "Chinese, Japanese or Korean", "fonts-noto-cjk"
    if unicodedata.category(letter) in ("So", "Sk") or ord(letter) >= 0x1F000:
        return "emoji or symbol", "fonts-symbola"
    return first.capitalize() or "these", "fonts-noto-core"


# --- installed fonts --------------------------------------------------------------------------------------------


def _own() -> FontEntry:
    return _regular(entry for entry in font_manager.fontManager.ttflist if entry.name == OWN)[OWN]


def _regular(fonts: Iterable[FontEntry]) -> dict[str, FontEntry]:
    """Each family's upright font of a usual weight, by name; no fonts that only have boxes."""
    found: dict[str, tuple[int, str, FontEntry]] = {}
    for entry in fonts:
        upright = entry.style == entry.variant == entry.stretch == "normal"
        if upright and not any(name in f"{entry.name} {entry.fname}" for name in _BOXES):
            apart = abs(entry.weight - 400) if isinstance(entry.weight, int) else 300
            one = apart, entry.fname, entry
            found[entry.name] = min(found.get(entry.name, one), one, key=lambda some: some[:2])
    return {name: entry for name, (_, _, entry) in found.items()}


def _region(letters: str) -> str:
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
    return next((region for script, region in _REGIONS if script in names), "SC")


@functools.cache
def _cover(missing: frozenset[str], region: str) -> tuple[list[str], frozenset[str]]:
    """As few families as have as many of the letters as possible, and the letters left."""
    found, left = _greedy(missing, font_manager.fontManager.ttflist, region)
    if left and (new := _newly_installed()):  # matplotlib's own list is as old as its cache
        more, left = _greedy(left, new, region)
        found = [*found, *more]
    return found, left


def _greedy(missing: frozenset[str], fonts: Sequence[FontEntry], region: str) -> tuple[list[str], frozenset[str]]:
    """Takes the font that has most of what is left, again and again."""
    having = {name: _covered(entry, missing) for name, entry in _regular(fonts).items()}
    found: list[str] = []
    left = set(missing)

    def worth(name: str) -> tuple[int, bool, bool, str]:
        return -len(having[name] & left), region not in name.split(), "Sans" not in name, name

    while having and having[best := min(having, key=worth)] & left:
        found.append(best)
        left -= having[best]
    return found, frozenset(left)


def _covered(entry: FontEntry, letters: Collection[str]) -> set[str]:
    """Those of the letters that the font has; none of a font that cannot be opened."""
    index = getattr(entry, "index", 0)  # of a face in a collection, from matplotlib 3.11 on
    with contextlib.suppress(OSError, RuntimeError):
        font = FT2Font(entry.fname, **({"face_index": index} if index else {}))
        return {letter for letter in letters if font.get_char_index(ord(letter))}
    return set()


def _newly_installed() -> list[FontEntry]:
    """Makes fonts known that were installed after matplotlib made its list."""
    listed = font_manager.fontManager.ttflist
    known, count = {entry.fname for entry in listed}, len(listed)
    for path in font_manager.findSystemFonts():
        if path not in known:
            with contextlib.suppress(OSError, RuntimeError, NotImplementedError, ValueError):
                font_manager.fontManager.addfont(path)
    return listed[count:]
