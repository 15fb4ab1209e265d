"""The questions of the report: what is asked of which fresh scene, in equal numbers of yes and no."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from .artwork import Artwork
from .categories import BY_NAME
from .phrases import AFTER, BEFORE, BRIEFLY, FORMS
from .questions import MAKERS, RELATIONS, YES_NO, Question, absent, article
from .render import Scene, render, sample_names, sample_scene

# The first number of a seed. Training draws from seeds of a few hundred, its own tests from 10**6 on.
TEST, VALIDATION = 20_000_000, 30_000_000
CHUNKS = 8  # pieces that a section's questions are drawn in, however many processes work on them
TRIES = 6  # draws for an answer that is still wanted before a scene is given up for a type
PHRASINGS = Path(__file__).resolve().parents[2] / "tests" / "assets" / "phrasings.json"
SAID = ("to the left of", "left of", "to the right of", "right of", "above", "below")  # in blind phrasings


@dataclass(frozen=True)
class Type:
    """A row of the report: questions of `kind`, the share of right answers asked for (`bar`), how an object that is not
    there is drawn (`absent`, as POPE does), and whether the answer is read `whole` or only its first token."""

    name: str
    kind: str
    bar: float | None = None
    absent: str | None = None
    whole: bool = False


ASKED = (
    Type("existence, random", "exists", 0.97, "random"),
    Type("existence, popular", "exists", 0.96, "popular"),
    Type("existence, adversarial", "exists", 0.95, "adversarial"),
    Type("colour, yes/no", "is_colour", 0.95),
    Type("colour of some object, yes/no", "coloured_exists", 0.95),
    Type("relation", "relation", 0.93),
    Type("contact", "contact", 0.90),
    Type("place, yes/no", "is_place"),
    Type("count, yes/no", "is_count", 0.90),
    Type("how many", "count", 0.90),
    Type("what colour", "colour", 0.90),
    Type("what is beside", "beside", 0.90),
    Type("where", "where", whole=True),
    Type("description", "list", 0.75, whole=True),
)
BY_TYPE = {one.name: one for one in ASKED}
FIRST_TOKEN = tuple(one.name for one in ASKED if not one.whole)
KIND_OF = {"describe": "list"}  # the phrasings' name for a kind of question
Left = dict[tuple[str, str], int]  # questions still wanted, by type and answer ("" where any answer will do)


@dataclass(frozen=True)
class Shown:
    """A rendered scene, `owner` (H, W) int8 the object each pixel belongs to, and its question of each type."""

    scene: Scene
    picture: np.ndarray
    owner: np.ndarray
    asked: dict[str, Question]


def wanted(number: int, part: int = 0, parts: int = 1, names: tuple[str, ...] = tuple(BY_TYPE)) -> Left:
    """One of `parts` equal parts of `number` questions of each type, half of them Yes where that is the question; an
    odd number is rounded up."""
    half = -(-number // 2)
    share = half // parts + (part < half % parts)
    left = {}
    for name in names:
        if BY_TYPE[name].kind in YES_NO:
            left[name, "Yes"] = left[name, "No"] = share
        else:
            left[name, ""] = 2 * share
    return left


def make(rng: np.random.Generator, scene: Scene, one: Type) -> Question | None:
    """A question of a type, plainly worded, or None where the scene allows none."""
    question = MAKERS[one.kind](rng, scene)
    if question and one.absent and question.answer == "No":
        name = absent(rng, scene, one.absent)
        return Question(
            "exists", "No", (name,), {"name": name, "a_name": article(name), "plural": BY_NAME[name].plural}
        )
    return question


def shown(rng: np.random.Generator, artwork: Artwork, left: Left) -> Iterator[Shown]:
    """Fresh scenes with at most one question of each type until none of `left` (which is used up) is wanted."""
    while any(left.values()):
        scene, asked = sample_scene(rng, artwork, drawable(rng, artwork)), {}
        for name in dict.fromkeys(name for (name, _), number in left.items() if number):
            for _ in range(TRIES):
                question = make(rng, scene, BY_TYPE[name])
                if question is None:
                    break
                key = (name, question.answer if question.kind in YES_NO else "")
                if left.get(key):
                    left[key] -= 1
                    asked[name] = question
                    break
        if asked:
            yield Shown(scene, *render(scene, artwork), asked)


def drawable(rng: np.random.Generator, artwork: Artwork) -> list[str]:
    """Names for a scene, without those that none of the artwork's styles has a drawing of."""
    while True:
        names = [name for name in sample_names(rng) if artwork.codes(name)]
        if names:
            return names


# --- wordings nobody trained on ------------------------------------------------------------------------


def phrasings(path: Path = PHRASINGS) -> dict[str, list[str]]:
    """The blind list: wordings by kind of question, with the slots of its questions."""
    return {KIND_OF.get(kind, kind): wordings for kind, wordings in json.loads(path.read_text()).items()}


def type_of(kind: str) -> str:
    """The (first) type that asks a kind of question."""
    return next(one.name for one in ASKED if one.kind == kind)


def phrased(rng: np.random.Generator, artwork: Artwork, number: int, part: int, parts: int) -> Iterator[tuple]:
    """(Shown, {type: (wording, the question so worded)}) with `number` scenes for each wording of one of `parts`.

    A scene serves one wording of a kind; yes and no are as frequent in every wording.
    """
    lists = {type_of(kind): wordings[part::parts] for kind, wordings in phrasings().items()}
    left: Left = {}
    for name, wordings in lists.items():
        left |= {key: share * len(wordings) for key, share in wanted(number, names=(name,)).items()}
    turn: dict[tuple[str, str], int] = {}
    for scene in shown(rng, artwork, left):
        worded = {}
        for name, question in scene.asked.items():
            key = (name, question.answer if question.kind in YES_NO else "")
            turn[key] = turn.get(key, -1) + 1
            wording = lists[name][turn[key] % len(lists[name])]
            question = said_otherwise(question)
            worded[name] = (wording, wording.format(**question.slots), question)
        yield scene, worded


def said_otherwise(question: Question) -> Question:
    """The question with a relation that people say: one of SAID with the same meaning."""
    relation = question.slots.get("relation")
    if relation in SAID or relation is None:
        return question
    same = next(said for said in SAID if RELATIONS[said] == RELATIONS[relation])
    return Question(question.kind, question.answer, question.names, {**question.slots, "relation": same})


EXAMPLE = {
    "name": "dog", "a_name": "a dog", "plural": "dogs", "colour": "red", "colour_name": "red cup",
    "a_colour_name": "a red cup", "first": "cat", "second": "dog", "relation": "above", "direction": "below",
    "place": "at the top", "what": "two dogs", "verb": "are",
}  # fmt: skip


def trained_wordings(tokenizer, kind: str) -> tuple[set, set]:
    """Token ids (tuples) of the training's wordings of a kind: bare, and with the small talk that training puts before
    and after them, all with the slots of EXAMPLE."""

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    bare = {ids(form.format(**EXAMPLE)) for form in FORMS[kind]}
    around = [[()] + [ids(text) for text in texts] for texts in (BEFORE, AFTER, BRIEFLY)]
    return bare, {before + form + after + briefly for form in bare for before, after, briefly in product(*around)}


def known(tokenizer) -> dict[str, dict[str, str]]:
    """By kind and blind wording: "bare" where it is token for token a wording of the training, "dressed" where it is
    one with the training's small talk, "" where it is new."""
    found: dict[str, dict[str, str]] = {}
    for kind, wordings in phrasings().items():
        bare, dressed = trained_wordings(tokenizer, kind)
        for wording in wordings:
            text = tuple(tokenizer(wording.format(**EXAMPLE), add_special_tokens=False)["input_ids"])
            found.setdefault(kind, {})[wording] = "bare" if text in bare else "dressed" if text in dressed else ""
    return found
