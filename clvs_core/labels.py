"""What runs and their settings are called: on the page, in figures, tables and exports alike.

A method's name is enough while it is there once; runs that share it are told apart by the settings that differ.
Specs are those of `clvs_core.methods.spec`, methods combined by "+" among them: "pai:alpha=0.2+clvs".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "tau": "τ", "rho": "ρ"}
TITLES = {"vanilla": "Vanilla", "adhh": "AD-HH"}  # of the methods whose name in capitals is not their name for people
# What a switch is called when it is on and when it is off; "" where that goes without saying.
SWITCHES = {
    "unified_positions": ("", "no unified positions"),
    "early_termination": ("", "no early termination"),
    "lens_norm": ("norm before the lens", ""),
    "paper_convention": ("the paper's convention", ""),
}


def labels(specs: Sequence[str], titles: Sequence[str]) -> list[str]:
    """One label a run, such as "CLVS", "CLVS (α 0.5)" or "PAI + CLVS (CLVS α 0.5)"; no two are alike.

    specs: method and settings of each. titles: the methods' names for people.
    """
    settings = [_settings(spec) for spec in specs]
    names = [name_of(spec) for spec in specs]
    alike = Counter(names)
    having = Counter((name, part) for name, own in zip(names, settings, strict=True) for part in set(own))
    found: list[str] = []
    for name, own, title in zip(names, settings, titles, strict=True):
        said = ", ".join(_words(part for part in own if having[name, part] < alike[name]))
        found.append(f"{title} ({said})" if said else str(title))
    return numbered(found, first=True)


def run_labels(names: Sequence[str], specs: Sequence[str], titles: Sequence[str]) -> list[str]:
    """The labels of a run's methods, which differ from the one that was asked for by its mere name, which keeps it.

    Without such a one they differ from any other. names: as they were asked for; specs: settings in full.
    """
    mere = {name: spec for name, spec in zip(names[::-1], specs[::-1], strict=True) if name == name_of(spec)}
    found = labels(specs, titles)
    for n, (name, spec) in enumerate(zip(names, specs, strict=True)):
        if base := mere.get(name_of(spec)):
            found[n] = titles[n] if name in mere else labels([base, spec], ["", titles[n]])[1]
    return found


def numbered(texts: Sequence[str], *, first: bool = False) -> list[str]:
    """Texts that are there several times get their number, the first of them only where that is asked for."""
    counts, seen, found = Counter(texts), Counter[str](), []
    for text in texts:
        seen[text] += 1
        found.append(f"{text} {seen[text]}" if counts[text] > 1 and (first or seen[text] > 1) else text)
    return found


def name_of(spec: str) -> str:
    """The method's name in a spec, "pai+clvs" for combined ones."""
    return "+".join(part.partition(":")[0].strip() for part in _parts(spec))


def title(spec: str) -> str:
    """A method's name for people, by its spec alone: "CLVS", "AD-HH", "PAI + CLVS"."""
    return " + ".join(_title(name) for name in name_of(spec).split("+"))


def preset_in_words(asked: str, resolved: str) -> str:
    """Where a method's settings are from: "card's settings for this model", "paper's settings", "own: α 0.4".

    Of combined methods each says so by name; "" for a method without settings. asked: the spec as it was asked for;
    resolved: with all that was left out.
    """
    return _told(asked, resolved, "")


def settings_line(asked: str, resolved: str) -> str:
    """All settings behind where they are from: "card's settings for this model (β 0.9, first check at layer 8)"."""
    return _told(asked, resolved, ", ".join(settings_in_words(resolved, preset=False)))


def _told(asked: str, resolved: str, words: str) -> str:
    pairs = zip(_parts(asked), _parts(resolved), strict=False)  # a trace's file may say anything
    found = [(title(own), own, whole) for own, whole in pairs]
    if len(found) == 1:
        return _source(*found[0][1:], words)
    said = [f"{name}: {source}" for name, own, whole in found if (source := _source(own, whole, ""))]
    return "; ".join(said) + (f" ({words})" if said and words else words)


def _source(asked: str, resolved: str, words: str) -> str:
    """Where one method's settings are from, before all of them in words, "" for none."""
    own = ", ".join(_words(part for part in _settings(asked) if not part[1].startswith("preset=")))
    paper = any(part[1] == "preset=paper" for part in _settings(asked))
    behind = f" ({words})" if words and words != own else ""
    if own and paper:
        return f"own: {own}, else the paper's settings{behind}"
    if own:
        return f"own: {own}{behind}"
    if paper:
        return f"paper's settings ({words})" if words else "paper's settings"
    if not _settings(resolved):
        return words
    return f"card's settings for this model ({words})" if words else "card's settings for this model"


def settings_in_words(spec: str, *, preset: bool = True) -> list[str]:
    """The settings of a spec in words, such as ["α 0.5", "first check at layer 8"].

    Combined methods say whose they are at the first of each: ["PAI α 0.2", "CLVS α 0.5", "β 0.8"]. preset: with whose
    settings stand for those that were left out.
    """
    return _words(part for part in _settings(spec) if preset or not part[1].startswith("preset="))


def _title(name: str) -> str:
    return TITLES.get(name, name.upper())


def _parts(spec: str) -> list[str]:
    return re.split(r"\+(?=\s*[a-zA-Z])", spec)


def _settings(spec: str) -> list[tuple[str, str]]:
    """(whose, "setting=value") of a spec; whose is "" unless methods are combined."""
    parts = [part.partition(":") for part in _parts(spec)]
    return [
        (_title(name.strip()) if len(parts) > 1 else "", setting.strip())
        for name, _, settings in parts
        for setting in settings.split(",")
        if setting.strip()
    ]


def _words(settings: Iterable[tuple[str, str]]) -> list[str]:
    found, last = [], ""
    for whose, setting in settings:
        words = _plain(*(part.strip() for part in setting.partition("=")[::2]))
        if words:
            found.append(f"{whose} {words}" if whose != last else words)
            last = whose
    return found


def _plain(name: str, value: str) -> str:
    """A setting for people: Greek letters, layers from 1 as everywhere on the page, lists by their length."""
    if name == "preset":
        return "the paper's settings" if value == "paper" else ""
    if value in ("true", "false"):
        on, off = SWITCHES.get(name, (name.replace("_", " "), f"no {name.replace('_', ' ')}"))
        return on if value == "true" else off
    if name == "heads" and re.fullmatch(r"\d+-\d+(/\d+-\d+)*", value):
        return number_of(value.count("/") + 1, "head")
    if name == "dims" and re.fullmatch(r"\d+(/\d+)*", value):
        dims = value.split("/")
        several = f"sink dimensions {', '.join(dims[:-1])} and {dims[-1]}"
        return (
            f"sink dimension {value}"
            if len(dims) == 1
            else several
            if len(dims) < 4
            else f"{len(dims)} sink dimensions"
        )
    if name == "layers" and (pair := re.fullmatch(r"(\d{1,9})-(\d{1,9})", value)):
        first, last = int(pair[1]) + 1, int(pair[2]) + 1
        return f"layers {first} to {last}" if first != last else f"layer {first}"
    if name in ("first_check", "start_layer") and re.fullmatch(r"\d{1,9}", value):
        return f"{'first check at' if name == 'first_check' else 'from'} layer {int(value) + 1}"
    return f"{GREEK.get(name, name.replace('_', ' '))} {_short(value)}"


def number_of(count: int, what: str) -> str:
    """(1, "picture") -> "1 picture"; (5449, "question") -> "5,449 questions"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _short(value: str) -> str:
    """A number without a needless ".0"."""
    return value[:-2] if re.fullmatch(r"\d+\.0", value) else value
