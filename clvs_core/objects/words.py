"""Which categories people name: words for COCO's 80 object names, their plurals, and how other data sets write them.

This file knows words only, no picture and no mask.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ClvsError
from ..names import composed

# All COCO names, so that "hot dog" is no dog even where no hot dog was annotated, and other words for each. Those with
# "=" mean the very same things: other data sets (VOC, LVIS, Objects365) name the category so. Two words may be one.
_COCO = """
person: =human, man, woman, boy, girl, child, kid, baby, toddler, infant, lady, gentleman, guy, adult,
    teenager, pedestrian, cyclist, biker, rider, skier, snowboarder, surfer, skateboarder, player,
    tennis player, baseball player, soccer player, batter, pitcher, umpire, driver, waiter, waitress, chef,
    policeman, policewoman, police officer, fireman, firefighter, soldier, worker, crowd
bicycle: =bike, cycle
car: =automobile, taxi, cab, sedan, suv, hatchback
motorcycle: =motorbike, =motor bike, scooter, moped, vespa
airplane: =aeroplane, plane, aircraft, jet, airliner, jetliner
bus: minibus, double decker
train: locomotive, tram, streetcar
truck: lorry, pickup, pickup truck, fire truck
boat: ship, sailboat, canoe, kayak, ferry, yacht, rowboat, motorboat
traffic light: =traffic signal, =stop light
fire hydrant: =hydrant, =fireplug
stop sign:
parking meter:
bench:
bird: duck, goose, seagull, gull, pigeon, parrot, owl, chicken, swan
cat: kitten, kitty
dog: puppy, pup, doggy
horse: pony, foal
sheep: lamb, ram, ewe
cow: cattle, calf, bull, ox
elephant:
bear: polar bear
zebra:
giraffe:
backpack: =back pack, =rucksack, knapsack
umbrella: parasol
handbag: =hand bag, purse
tie: =necktie, bow tie
suitcase: luggage, =suit case
frisbee:
skis: =ski
snowboard: =snow board
sports ball: ball, soccer ball, tennis ball, football, basketball, volleyball, beach ball
kite:
baseball bat: bat
baseball glove: =baseball mitt, catcher's mitt
skateboard: =skate board
surfboard: =surf board
tennis racket: racket, racquet, =tennis racquet
bottle: water bottle, wine bottle, beer bottle
wine glass: glass, goblet
cup: mug, teacup, tea cup, coffee cup
fork:
knife:
spoon:
bowl:
banana:
apple:
sandwich: burger, hamburger
orange:
broccoli:
carrot:
hot dog:
pizza:
donut: =doughnut
cake: cupcake, birthday cake
chair: armchair, stool
couch: =sofa
potted plant: plant, =house plant, =pot plant
bed:
dining table: table, kitchen table
toilet:
tv: =television, =tv set, =television set, =tv monitor, monitor
laptop: =laptop computer, notebook computer, computer
mouse: =computer mouse
remote: =remote control, =tv remote, =remote controller
keyboard: =computer keyboard
cell phone: phone, =mobile phone, =cellular telephone, mobile, smartphone, smart phone, telephone, iphone
microwave: =microwave oven
oven: stove
toaster:
sink:
refrigerator: =fridge
book:
clock: alarm clock, wall clock
vase:
scissors: pair of scissors, scissor
teddy bear: =teddy, stuffed bear
hair drier: =hair dryer
toothbrush: =tooth brush
"""
# Phrases that contain a category's word but mean something else.
_OTHER = """
eye glasses, wearing glasses, wear glasses, wears glasses, made of glass, stained glass, magnifying glass,
glass door, glass window, orange juice, banana bread, bed sheet, car park, bus stop, bus station,
train station, train track, dog house, bird house, tie dye, table cloth, table tennis, mouse pad,
toilet paper, phone booth
"""
_IRREGULAR = {
    "human": "humans",
    "man": "men",
    "child": "children",
    "person": "people",
    "mouse": "mice",
    "knife": "knives",
    "calf": "calves",
    "goose": "geese",
    "ox": "oxen",
    "sheep": "sheep",
    "cattle": "cattle",
    "aircraft": "aircraft",
    "luggage": "luggage",
    "broccoli": "broccoli",
    "skis": "skis",
    "scissors": "scissors",
}


class Mention(NamedTuple):
    """A category that a text names, and the characters text[start:end] that do so."""

    name: str
    start: int
    end: int


def category(wanted: str, names: Iterable[str]) -> str | None:
    """The one of `names` that somebody means by `wanted`, None where there is none.

    Exact first; then, step by step: capitals aside; "traffic_light" for "traffic light"; "car" for "car_(automobile)",
    plurals, spaces left out, and other data sets' names ("diningtable", "tvmonitor", "sofa" for "couch"); and last what
    `mentioned` takes for it ("woman" for "person"). Raises ClvsError, which lists them, where several are as near.
    """
    known = list(dict.fromkeys(names))
    for keys in (_as_written, _capitals_aside, _spelled, _alike):
        if alike := [name for name in known if keys(name) & keys(wanted)]:
            if len(alike) > 1:
                raise ClvsError(
                    f"{wanted!r} may be {' or '.join(map(repr, alike))}; give one of them as it is written."
                )
            return alike[0]
    text = composed(wanted.strip())
    return next((mention.name for mention in mentions(text, known) if mention[1:] == (0, len(text))), None)


def coco_name(name: str) -> str:
    """What COCO calls a category: "tv" for "tvmonitor", "person" for "woman"; the name itself where it has none."""
    return category(_head(name), _vocabulary()) or name


def mentioned(question: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that the question names, in the order in which it does so.

    Singular and plural, upper and lower case, COCO's usual synonyms ("woman", "bike", "sofa"), and names as other data
    sets write them (see `category`). The longest phrase wins: "hot dog" is not a dog and "teddy bear" not a bear. Other
    names match literally. A word that could be two of the names is none of them.
    """
    text = unicodedata.normalize("NFC", question)
    return list(dict.fromkeys(mention.name for mention in mentions(text, names)))


def mentions(text: str, names: Iterable[str] | None = None) -> list[Mention]:
    """Every place where a text names one of `names` (None: all of COCO's), read as `mentioned` reads it."""
    wanted = tuple(_vocabulary()) if names is None else tuple(dict.fromkeys(names))
    pattern, meaning = _matcher(wanted)
    plain = text.casefold()
    place = [i for i, character in enumerate(text) for _ in character.casefold()]  # some letters become two
    result = []
    for match in pattern.finditer(plain):
        name = meaning[_plain(match.group())]
        if name in wanted and not _is_colour(plain, match, pattern):
            result.append(Mention(name, place[match.start()], place[match.end() - 1] + 1))
    return result


def _is_colour(text: str, match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """The word orange before a thing ("an orange car"), or after no determiner ("is the car orange?")."""
    if match.group() != "orange":
        return False
    after = re.match(r"\s+", text[match.end() :])
    if after and pattern.match(text, match.end() + after.end()):
        return True
    determiner = r"(?:^|\b(?:an?|the|this|that|one|each|every|any|another|no|of|and|or|with|whole|peeled)\s+)$"
    return re.search(determiner, text[: match.start()]) is None


@functools.lru_cache(maxsize=256)
def _matcher(names: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern of all known phrases, longest first, and what each phrase means ("" for nothing)."""
    meaning = {phrase: "" for other in _words(_OTHER) for phrase in _numbers(other)}
    for entry, synonyms in _vocabulary().items():
        phrases = {phrase for word in (entry, *synonyms) for phrase in _numbers(word)}
        meaning |= dict.fromkeys(phrases, _owner(entry, names))
    claims: dict[str, list[str]] = {}
    for name in names:
        for phrase in _numbers(_plain(composed(name))) | _numbers(_head(name)):
            claims.setdefault(phrase, []).append(name)
    # a picture's own name outranks a synonym of another
    meaning |= {phrase: _only(phrase, claimed) for phrase, claimed in claims.items()}
    for name in names:
        for phrase in _singulars(_head(name)):
            meaning.setdefault(phrase, name)
    meaning.pop("", None)
    longest_first = sorted(meaning, key=lambda phrase: (-len(phrase), phrase))
    choice = "|".join(re.escape(phrase).replace(r"\ ", r"[\s_-]+") for phrase in longest_first)
    return re.compile(rf"(?<!\w)(?:{choice})(?!\w)"), meaning


def _owner(entry: str, names: Iterable[str]) -> str:
    """The name that stands for one of COCO's categories; the entry itself where none does, "" where several could."""
    alike = [name for name in names if f"={entry}" in _alike(name)]
    return _only(entry, alike) if alike else entry


def _only(phrase: str, names: Sequence[str]) -> str:
    """The name that a phrase stands for: the one that is written so, else the only one, else ""."""
    written = [name for name in names if _plain(composed(name)) == phrase]
    return (written or [*names, ""])[0] if written or len(names) == 1 else ""


# --- one name, several spellings: what two of them must share to be the same, the strictest first ---------------------


def _as_written(name: str) -> set[str]:
    return {name}


def _capitals_aside(name: str) -> set[str]:
    return {composed(name.strip())}


def _spelled(name: str) -> set[str]:
    return {_plain(composed(name))}


@functools.lru_cache(maxsize=4096)
def _alike(name: str) -> set[str]:
    """Without what stands in brackets, singular and plural, without spaces; and "=entry" for one of COCO's names."""
    keys = {_compact(phrase) for phrase in _numbers(_head(name))}
    return keys | {f"={_same_names()[key]}" for key in keys if key in _same_names()}


@functools.cache
def _same_names() -> dict[str, str]:
    """COCO's categories and their other names, without spaces -> the category."""
    lines = ((name, word) for name, words in _table().items() for word in (f"={name}", *words))
    return {_compact(phrase): name for name, word in lines if word[0] == "=" for phrase in _numbers(word[1:])}


def _head(name: str) -> str:
    """ "Car_(automobile)" -> "car"; a name that is all in brackets stays."""
    plain = _plain(composed(name))
    return _plain(re.sub(r"\([^()]*\)", " ", plain)) or plain


def _compact(phrase: str) -> str:
    return phrase.replace(" ", "")


@functools.cache
def _vocabulary() -> dict[str, tuple[str, ...]]:
    """COCO's categories and the words for each; those of two words that mean the very same also as one."""
    found = {}
    for name, words in _table().items():
        same = (name, *(word[1:] for word in words if word[0] == "="))
        found[name] = (*(word.removeprefix("=") for word in words), *map(_compact, same))
    return found


@functools.cache
def _table() -> dict[str, tuple[str, ...]]:
    joined = re.sub(r",\s*\n\s+", ", ", _COCO)
    lines = (line.partition(":") for line in joined.strip().splitlines())
    return {name: tuple(_words(synonyms)) for name, _, synonyms in lines}


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.replace("\n", " ").split(",") if word.strip()]


def _plain(phrase: str) -> str:
    return re.sub(r"[\s_-]+", " ", phrase).strip()


def _numbers(phrase: str) -> set[str]:
    """The phrase and its plural, made on its last word."""
    head, space, last = phrase.rpartition(" ")
    return {phrase} | {head + space + plural for plural in _plurals(last)}


def _singulars(phrase: str) -> set[str]:
    """Phrases of which this may be the plural."""
    guesses = (phrase[:-1], phrase[:-2], phrase[:-3] + "y")
    return {guess for guess in guesses if len(guess) > 2 and phrase in _numbers(guess)} - {phrase}


def _plurals(word: str) -> set[str]:
    for singular, plural in _IRREGULAR.items():
        if word.endswith(singular) and (word == singular or singular == "man"):
            return {word[: -len(singular)] + plural} | ({"persons"} if word == "person" else set())
    if re.search(r"[^aeiou]y$", word):
        return {word[:-1] + "ies"}
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return {word + "es"}
    return {word + "s", word + "es"} if word.endswith("o") else {word + "s"}
