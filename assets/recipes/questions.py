"""Questions about a scene with their true answers, as text; and many of them packed into one training sequence.

Yes/no answers are balanced by construction: for each type the answer is drawn first, then an object that gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .categories import BY_NAME, COMMON, CONTEXTS, NAMES
from .facts import COLOUR_NAMES, counts, in_contact, place, row_and_column
from .phrases import FORMS, reworded
from .render import Scene
from .tokenizer import COUNTS, build_tokenizer, token, vocabulary

BLOCKS, LENGTH = 16, 16  # questions of a training sequence and tokens of each; fixed: nothing is compiled twice
APART = 0.12  # share of the picture that two centres must differ by for "left of" or "above" to be asked
SHARES = {  # of training questions
    "exists": 0.14,
    "is_colour": 0.05,
    "coloured_exists": 0.06,
    "relation": 0.08,
    "contact": 0.17,
    "is_place": 0.02,
    "is_count": 0.06,
    "colour": 0.06,
    "count": 0.14,
    "where": 0.05,
    "beside": 0.07,
    "list": 0.10,
}
TYPES = tuple(SHARES)
YES_NO = ("exists", "is_colour", "coloured_exists", "relation", "contact", "is_place", "is_count")
DIRECTIONS = {  # phrase: (axis of the centre, sign)
    "to the left of": (0, -1),
    "to the right of": (0, 1),
    "above": (1, -1),
    "below": (1, 1),
}
RELATIONS = {
    **DIRECTIONS,
    "left of": (0, -1),
    "right of": (0, 1),
    "on the left of": (0, -1),
    "on the right of": (0, 1),
    "on the left side of": (0, -1),
    "on the right side of": (0, 1),
}


@dataclass(frozen=True)
class Question:
    """`kind` is one of TYPES; `slots` fill its wordings (phrases.FORMS), `names` are the objects asked about; `text` is
    the wording in use, the plainest by default."""

    kind: str
    answer: str
    names: tuple[str, ...]
    slots: dict[str, str]
    text: str = ""

    def __post_init__(self):
        if not self.text:
            object.__setattr__(self, "text", FORMS[self.kind][0].format(**self.slots))


def article(name: str) -> str:
    """The name with "a" or "an"."""
    return ("an " if name[0] in "aeiou" else "a ") + name


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def absent(rng: np.random.Generator, scene: Scene, how: str | None = None) -> str:
    """A kind of object that is not in the scene, drawn as POPE does: "random"; "popular", from the most frequent;
    "adversarial", from those that are often seen with one that is there; None takes any of the three.
    """
    present = counts(scene)
    pools = {"popular": COMMON, "adversarial": companions(present), "random": NAMES}
    pool = pools[how or _pick(rng, tuple(pools))]
    return _pick(rng, [name for name in pool if name not in present] or [n for n in NAMES if n not in present])


def companions(present) -> list[str]:
    """The kinds that share a context with one of `present`, in the order of NAMES."""
    near = {name for pool in CONTEXTS.values() if any(other in pool for other in present) for name in pool}
    return [name for name in NAMES if name in near and name not in present]


def _unique(scene: Scene) -> list[int]:
    number = counts(scene)
    return [index for index, thing in enumerate(scene.things) if number[thing.name] == 1]


def _yes_no(answer: bool) -> str:
    return "Yes" if answer else "No"


def exists(rng: np.random.Generator, scene: Scene) -> Question:
    answer = bool(rng.random() < 0.5)
    name = _pick(rng, list(counts(scene))) if answer else absent(rng, scene)
    slots = {"name": name, "a_name": article(name), "plural": BY_NAME[name].plural}
    return Question("exists", _yes_no(answer), (name,), slots)


def is_colour(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [i for i in _unique(scene) if scene.things[i].true_colour]
    if not able:
        return None
    thing, answer = scene.things[_pick(rng, able)], bool(rng.random() < 0.5)
    colour = thing.true_colour if answer else _pick(rng, [c for c in COLOUR_NAMES if c != thing.true_colour])
    return Question("is_colour", _yes_no(answer), (thing.name,), {"name": thing.name, "colour": colour})


def coloured_exists(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [thing for thing in scene.things if thing.true_colour]
    if not able:
        return None
    thing, answer = _pick(rng, able), bool(rng.random() < 0.55)
    looks = {(t.name, t.true_colour) for t in scene.things}
    if any(name == thing.name and colour is None for name, colour in looks):
        return None
    colour, name = thing.true_colour, thing.name
    if not answer:
        others = [c for n, c in looks if c and (name, c) not in looks]  # the colour of something else: the hard case
        free = [c for c in COLOUR_NAMES if (name, c) not in looks]
        colour = _pick(rng, sorted(others)) if others and rng.random() < 0.5 else _pick(rng, free)
    what = f"{colour} {name}"
    slots = {"colour_name": what, "a_colour_name": article(what)}
    return Question("coloured_exists", _yes_no(answer), (name,), slots)


def relation(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = _unique(scene)
    if len(able) < 2:
        return None
    first, second = (int(i) for i in rng.choice(able, 2, replace=False))
    apart = [scene.centre(first)[axis] - scene.centre(second)[axis] for axis in (0, 1)]
    answer = bool(rng.random() < 0.5)
    fair = [
        (axis, sign) for axis, sign in DIRECTIONS.values()
        if abs(apart[axis]) > APART and (apart[axis] * sign > 0) == answer
    ]  # fmt: skip
    if not fair:
        return None
    direction = _pick(rng, fair)  # first, because left and right have more wordings than above and below
    said = _pick(rng, [phrase for phrase, towards in RELATIONS.items() if towards == direction])
    names = scene.things[first].name, scene.things[second].name
    slots = {"first": names[0], "second": names[1], "relation": said}
    return Question("relation", _yes_no(answer), names, slots)


def contact(rng: np.random.Generator, scene: Scene, near: bool = False) -> Question | None:
    """Whether two objects touch; with `near`, those that do not are mostly close to each other: the hard case."""
    answer, able = bool(rng.random() < 0.4), _unique(scene)  # fewer scenes have a pair that is plainly apart
    pairs = [(i, j) for i in able for j in able if i != j and in_contact(scene, i, j) is answer]
    if not pairs:
        return None
    chance = np.array([1 / scene.gaps[pair] ** 2 if near else 1.0 for pair in pairs])
    first, second = (scene.things[i].name for i in pairs[rng.choice(len(pairs), p=chance / chance.sum())])
    return Question("contact", _yes_no(answer), (first, second), {"first": first, "second": second})


def is_place(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = _unique(scene)
    if not able:
        return None
    index, answer = _pick(rng, able), bool(rng.random() < 0.5)
    row, column = row_and_column(scene, index)
    truths = {
        "at the top": row == 0,
        "at the bottom": row == 2,
        "on the left side": column == 0,
        "on the right side": column == 2,
        "in the middle": (row, column) == (1, 1),
    }
    phrase = _pick(rng, [phrase for phrase, true in truths.items() if true == answer])
    name = scene.things[index].name
    return Question("is_place", _yes_no(answer), (name,), {"name": name, "place": phrase})


def is_count(rng: np.random.Generator, scene: Scene) -> Question | None:
    number, answer = counts(scene), bool(rng.random() < 0.5)
    several = [name for name in number if number[name] > 1]
    name = _pick(rng, several if several and rng.random() < 0.6 else list(number))
    true = number[name]
    said = true if answer else _pick(rng, [n for n in (true - 1, true + 1, true + 2) if 1 <= n <= len(COUNTS)])
    what = f"{COUNTS[said - 1]} {BY_NAME[name].plural if said > 1 else name}"
    verb = "are" if said > 1 else "is"
    return Question("is_count", _yes_no(answer), (name,), {"what": what, "verb": verb})


def colour(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [i for i in _unique(scene) if scene.things[i].true_colour]
    if not able:
        return None
    thing = scene.things[_pick(rng, able)]
    return Question("colour", thing.true_colour, (thing.name,), {"name": thing.name})


def count(rng: np.random.Generator, scene: Scene, several: bool = False) -> Question:
    """How many of a kind there are; with `several`, mostly kinds that there are more than one of, where possible."""
    number = counts(scene)
    weights = np.array(list(number.values()), float) ** (3 if several else 1)
    none = rng.random() < 0.1
    name = absent(rng, scene) if none else list(number)[rng.choice(len(number), p=weights / weights.sum())]
    slots = {"plural": BY_NAME[name].plural, "name": name}
    return Question("count", "zero" if none else COUNTS[number[name] - 1], (name,), slots)


def where(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = _unique(scene)
    if not able:
        return None
    index = _pick(rng, able)
    name = scene.things[index].name
    return Question("where", place(scene, index), (name,), {"name": name})


def ahead(scene: Scene, index: int, direction: str) -> set[str | None]:
    """The kinds of the objects that stand in a direction from one; None for those that hardly do (see APART)."""
    axis, sign = DIRECTIONS[direction]
    found = set()
    for other in range(len(scene.things)):
        further = (scene.centre(other)[axis] - scene.centre(index)[axis]) * sign
        if other != index and further > 0:
            found.add(scene.things[other].name if further > APART else None)
    return found


def beside(rng: np.random.Generator, scene: Scene) -> Question | None:
    """What stands in a direction from an object: asked where exactly one kind does and no other nearly does."""
    fair = []
    for index in _unique(scene):
        for phrase in DIRECTIONS:
            found = ahead(scene, index, phrase)
            if len(found) == 1 and None not in found:
                fair.append((scene.things[index].name, phrase, found.pop()))
    if not fair:
        return None
    name, direction, answer = _pick(rng, fair)
    return Question("beside", answer, (name, answer), {"name": name, "direction": direction})


def listing(rng: np.random.Generator, scene: Scene) -> Question:
    names = tuple(counts(scene))
    return Question("list", " and ".join(names), names, {})


Makers = dict[str, Callable[[np.random.Generator, Scene], Question | None]]
MAKERS: Makers = dict(
    zip(
        TYPES,
        (
            exists, is_colour, coloured_exists, relation, contact, is_place, is_count, colour, count, where, beside,
            listing,
        ),
        strict=True,
    )
)  # fmt: skip


TAUGHT = {**MAKERS, "contact": partial(contact, near=True), "count": partial(count, several=True)}


def ask(rng: np.random.Generator, scene: Scene, kind: str | None = None, makers: Makers = MAKERS) -> Question:
    """A random question of `kind` (or of a kind drawn by SHARES), plainly worded; where a scene allows none of it, of
    another kind."""
    while True:
        drawn = kind or TYPES[rng.choice(len(TYPES), p=list(SHARES.values()))]
        question = makers[drawn](rng, scene)
        if question:
            return question
        kind = None


@dataclass
class Packed:
    """BLOCKS questions about one scene, each in LENGTH tokens.

    `ids` (BLOCKS, LENGTH) of prompt and answer, `target` the token that each must predict or -100, `prompt` (BLOCKS,)
    length up to the answer, `kind` (BLOCKS,) index of TYPES, `noun` (BLOCKS,) index in NAMES of the (first) object
    asked about, -100 for a list.
    """

    ids: np.ndarray
    target: np.ndarray
    prompt: np.ndarray
    kind: np.ndarray
    noun: np.ndarray


class Packer:
    """Turns questions into token ids, remembering those it has seen."""

    def __init__(self):
        self.words, self.tokenizer, self.cache = vocabulary(), build_tokenizer(), {}

    def encode(self, text: str) -> list[int]:
        """Ids of a question and of the end of the prompt, without the beginning."""
        if text not in self.cache:
            self.cache[text] = self.tokenizer(text + " ASSISTANT:", add_special_tokens=False)["input_ids"]
        return self.cache[text]

    def answer(self, text: str) -> list[int]:
        """Ids of an answer; names of two words are one token."""
        for name in (n for n in NAMES if " " in n):
            text = text.replace(name, token(name))
        return [self.words[word] for word in text.split()]

    def __call__(self, rng: np.random.Generator, scene: Scene) -> Packed:
        ids, target = np.zeros((BLOCKS, LENGTH), np.int64), np.full((BLOCKS, LENGTH), -100, np.int64)
        prompts, kinds, nouns = (np.zeros(BLOCKS, np.int64) for _ in range(3))
        asked, block = set(), 0
        while block < BLOCKS:
            question = ask(rng, scene, makers=TAUGHT)
            if question.text in asked:  # one more draw, since a scene with one object allows few questions
                question = ask(rng, scene, makers=TAUGHT)
            asked.add(question.text)
            text = reworded(rng, question.kind, question.slots)
            prompt, answer = self.encode(text), self.answer(question.answer)
            size = len(prompt) + len(answer)
            if size > LENGTH:
                continue
            ids[block, :size] = [*prompt, *answer]
            target[block, len(prompt) - 1 : size] = [*answer, self.words["</s>"]]
            prompts[block], kinds[block] = len(prompt), TYPES.index(question.kind)
            nouns[block] = -100 if question.kind == "list" else NAMES.index(question.names[0])
            block += 1
        return Packed(ids, target, prompts, kinds, nouns)
