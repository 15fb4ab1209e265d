"""Questions about a scene with their true answers, as text; and many of them packed into one training sequence.

Yes/no answers are balanced by construction: for each type the answer is drawn first, then an object that gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .categories import BY_NAME, NAMES
from .facts import COLOUR_NAMES, counts, place, row_and_column
from .render import Scene
from .tokenizer import COUNTS, build_tokenizer, token, vocabulary

BLOCKS, LENGTH = 20, 12  # questions of a training sequence and tokens of each; fixed, so that nothing is compiled twice
LISTED = 3  # kinds of object that a list names at most; richer scenes are not asked for one
APART = 0.12  # share of the picture that two centres must differ by for "left of" or "above" to be asked
SHARES = {  # of training questions; six in ten are open, a denser signal than yes and no
    "exists": 0.2,
    "is_colour": 0.08,
    "coloured_exists": 0.07,
    "relation": 0.07,
    "is_place": 0.06,
    "colour": 0.14,
    "count": 0.16,
    "where": 0.16,
    "list": 0.06,
}
TYPES = tuple(SHARES)
YES_NO = ("exists", "is_colour", "coloured_exists", "relation", "is_place")
RELATIONS = {  # phrase: (axis of the centre, sign)
    "to the left of": (0, -1),
    "left of": (0, -1),
    "to the right of": (0, 1),
    "right of": (0, 1),
    "on the left of": (0, -1),
    "on the right of": (0, 1),
    "above": (1, -1),
    "below": (1, 1),
}


@dataclass(frozen=True)
class Question:
    """`kind` is one of TYPES; `names` are the objects asked about."""

    kind: str
    text: str
    answer: str
    names: tuple[str, ...] = ()


def article(name: str) -> str:
    """The name with "a" or "an"."""
    return ("an " if name[0] in "aeiou" else "a ") + name


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def _absent(rng: np.random.Generator, scene: Scene) -> str:
    present = counts(scene)
    return _pick(rng, [name for name in NAMES if name not in present])


def _unique(scene: Scene) -> list[int]:
    number = counts(scene)
    return [index for index, thing in enumerate(scene.things) if number[thing.name] == 1]


def _yes_no(answer: bool) -> str:
    return "Yes" if answer else "No"


def exists(rng: np.random.Generator, scene: Scene) -> Question:
    answer = bool(rng.random() < 0.5)
    name = _pick(rng, list(counts(scene))) if answer else _absent(rng, scene)
    forms = ["Is there {} in the picture?"] * 4 + ["Is there {}?", "Do you see {}?", "Can you see {} in the picture?"]
    text = _pick(rng, forms).format(article(name))
    if rng.random() < 0.1:
        text = f"Are there any {BY_NAME[name].plural} in the picture?"
    return Question("exists", text, _yes_no(answer), (name,))


def is_colour(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [i for i in _unique(scene) if scene.things[i].true_colour]
    if not able:
        return None
    thing, answer = scene.things[_pick(rng, able)], bool(rng.random() < 0.5)
    colour = thing.true_colour if answer else _pick(rng, [c for c in COLOUR_NAMES if c != thing.true_colour])
    return Question("is_colour", f"Is the {thing.name} {colour}?", _yes_no(answer), (thing.name,))


def coloured_exists(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [thing for thing in scene.things if thing.true_colour]
    if not able:
        return None
    thing, answer = _pick(rng, able), bool(rng.random() < 0.5)
    looks = {(t.name, t.true_colour) for t in scene.things}
    if any(name == thing.name and colour is None for name, colour in looks):
        return None
    colour, name = thing.true_colour, thing.name
    if not answer:
        others = [c for n, c in looks if c and (name, c) not in looks]  # the colour of something else: the hard case
        free = [c for c in COLOUR_NAMES if (name, c) not in looks]
        colour = _pick(rng, sorted(others)) if others and rng.random() < 0.5 else _pick(rng, free)
    text = f"Is there {article(f'{colour} {name}')} in the picture?"
    return Question("coloured_exists", text, _yes_no(answer), (name,))


def relation(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = _unique(scene)
    if len(able) < 2:
        return None
    first, second = (int(i) for i in rng.choice(able, 2, replace=False))
    apart = [scene.centre(first)[axis] - scene.centre(second)[axis] for axis in (0, 1)]
    answer = bool(rng.random() < 0.5)
    fair = [
        phrase for phrase, (axis, sign) in RELATIONS.items()
        if abs(apart[axis]) > APART and (apart[axis] * sign > 0) == answer
    ]  # fmt: skip
    if not fair:
        return None
    names = scene.things[first].name, scene.things[second].name
    return Question("relation", f"Is the {names[0]} {_pick(rng, fair)} the {names[1]}?", _yes_no(answer), names)


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
    return Question("is_place", f"Is the {name} {phrase} of the picture?", _yes_no(answer), (name,))


def colour(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = [i for i in _unique(scene) if scene.things[i].true_colour]
    if not able:
        return None
    thing = scene.things[_pick(rng, able)]
    return Question("colour", f"What color is the {thing.name}?", thing.true_colour, (thing.name,))


def count(rng: np.random.Generator, scene: Scene) -> Question:
    number = counts(scene)
    weights = np.array(list(number.values()), float)
    absent = rng.random() < 0.12
    name = _absent(rng, scene) if absent else list(number)[rng.choice(len(number), p=weights / weights.sum())]
    forms = ["How many {} are there in the picture?", "How many {} are there?", "How many {} are in the picture?"]
    text = _pick(rng, [*forms, "How many {} do you see?"]).format(BY_NAME[name].plural)
    return Question("count", text, "zero" if absent else COUNTS[number[name] - 1], (name,))


def where(rng: np.random.Generator, scene: Scene) -> Question | None:
    able = _unique(scene)
    if not able:
        return None
    index = _pick(rng, able)
    text = _pick(rng, ["Where is the {}?", "Where is the {}?", "Where is the {} in the picture?"])
    return Question("where", text.format(scene.things[index].name), place(scene, index), (scene.things[index].name,))


def listing(rng: np.random.Generator, scene: Scene) -> Question | None:
    if len(counts(scene)) > LISTED:
        return None
    forms = ["What is in the picture?", "What do you see?", "What objects are in the picture?"]
    text = _pick(rng, [*forms, "What things are in this picture?"])
    names = tuple(counts(scene))
    return Question("list", text, " and ".join(names), names)


MAKERS: dict[str, Callable[[np.random.Generator, Scene], Question | None]] = dict(
    zip(TYPES, (exists, is_colour, coloured_exists, relation, is_place, colour, count, where, listing), strict=True)
)


def ask(rng: np.random.Generator, scene: Scene, kind: str | None = None) -> Question:
    """A random question of `kind` (or of a kind drawn by SHARES); where a scene allows none of it, another kind."""
    while True:
        drawn = kind or TYPES[rng.choice(len(TYPES), p=list(SHARES.values()))]
        question = MAKERS[drawn](rng, scene)
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
            question = ask(rng, scene)
            if question.text in asked:  # one more draw, since a scene with one object allows few questions
                question = ask(rng, scene)
            asked.add(question.text)
            prompt, answer = self.encode(question.text), self.answer(question.answer)
            size = len(prompt) + len(answer)
            if size > LENGTH:
                continue
            ids[block, :size] = [*prompt, *answer]
            target[block, len(prompt) - 1 : size] = [*answer, self.words["</s>"]]
            prompts[block], kinds[block] = len(prompt), TYPES.index(question.kind)
            nouns[block] = -100 if question.kind == "list" else NAMES.index(question.names[0])
            block += 1
        return Packed(ids, target, prompts, kinds, nouns)
