"""Which categories a question names: the words people use for COCO's 80 object names, and their plurals.

This file knows words only, no picture and no mask.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

# All COCO names, so that "hot dog" is no dog even where no hot dog was annotated, and other words for each.
_COCO = """
person: human, man, woman, boy, girl, child, kid, baby, toddler, infant, lady, gentleman, guy, adult,
    teenager, pedestrian, cyclist, biker, rider, skier, snowboarder, surfer, skateboarder, player,
    tennis player, baseball player, soccer player, batter, pitcher, umpire, driver, waiter, waitress, chef,
    policeman, policewoman, police officer, fireman, firefighter, soldier, worker, crowd
bicycle: bike, cycle
car: automobile, taxi, cab, sedan, suv, hatchback
motorcycle: motorbike, motor bike, scooter, moped, vespa
airplane: aeroplane, plane, aircraft, jet, airliner, jetliner
bus: minibus, double decker
train: locomotive, tram, streetcar
truck: lorry, pickup, pickup truck, fire truck
boat: ship, sailboat, canoe, kayak, ferry, yacht, rowboat, motorboat
traffic light: traffic signal, stoplight, stop light
fire hydrant: hydrant
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
backpack: back pack, rucksack, knapsack
umbrella: parasol
handbag: hand bag, purse
tie: necktie, bow tie
suitcase: luggage, suit case
frisbee:
skis: ski
snowboard: snow board
sports ball: ball, soccer ball, tennis ball, football, basketball, volleyball, beach ball
kite:
baseball bat: bat
baseball glove: baseball mitt, catcher's mitt
skateboard: skate board
surfboard: surf board
tennis racket: racket, racquet, tennis racquet
bottle: water bottle, wine bottle, beer bottle
wine glass: wineglass, glass, goblet
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
hot dog: hotdog
pizza:
donut: doughnut
cake: cupcake, birthday cake
chair: armchair, stool
couch: sofa
potted plant: plant, houseplant, house plant, pot plant
bed:
dining table: table, kitchen table
toilet:
tv: television, tv set, television set, monitor
laptop: laptop computer, notebook computer, computer
mouse: computer mouse
remote: remote control, tv remote, remote controller
keyboard: computer keyboard
cell phone: cellphone, phone, mobile phone, mobile, smartphone, smart phone, telephone, iphone
microwave: microwave oven
oven: stove
toaster:
sink:
refrigerator: fridge
book:
clock: alarm clock, wall clock
vase:
scissors: pair of scissors, scissor
teddy bear: teddy, stuffed bear
hair drier: hair dryer, hairdryer, hairdrier
toothbrush: tooth brush
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


def mentioned(question: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that the question names, in the order in which it does so.

    Singular and plural, upper and lower case, COCO's usual synonyms ("woman", "bike", "sofa"). The longest
    phrase wins: "hot dog" is not a dog and "teddy bear" not a bear. Other names match literally.
    """
    return list(dict.fromkeys(mention.name for mention in mentions(question, names)))


def mentions(text: str, names: Iterable[str] | None = None) -> list[Mention]:
    """Every place where a text names one of `names` (None: all of COCO's), read as `mentioned` reads it."""
    wanted = tuple(_vocabulary()) if names is None else tuple(dict.fromkeys(names))
    pattern, meaning = _matcher(wanted)
    plain = text.casefold()
    place = [i for i, character in enumerate(text) for _ in character.casefold()]  # some letters become two
    found = []
    for match in pattern.finditer(plain):
        name = meaning[_plain(match.group())]
        if name in wanted and not _is_colour(plain, match, pattern):
            found.append(Mention(name, place[match.start()], place[match.end() - 1] + 1))
    return found


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
    given = {name.casefold(): name for name in names}
    for name, synonyms in _vocabulary().items():
        phrases = {phrase for word in (name, *synonyms) for phrase in _numbers(word)}
        meaning |= dict.fromkeys(phrases, given.get(name, name))
    for name in names:  # a picture's own name outranks a synonym of another
        meaning |= dict.fromkeys(_numbers(_plain(name.casefold())), name)
    meaning.pop("", None)
    longest_first = sorted(meaning, key=lambda phrase: (-len(phrase), phrase))
    choice = "|".join(re.escape(phrase).replace(r"\ ", r"[\s-]+") for phrase in longest_first)
    return re.compile(rf"(?<!\w)(?:{choice})(?!\w)"), meaning


@functools.cache
def _vocabulary() -> dict[str, tuple[str, ...]]:
    joined = re.sub(r",\s*\n\s+", ", ", _COCO)
    lines = (line.partition(":") for line in joined.strip().splitlines())
    return {name: tuple(_words(synonyms)) for name, _, synonyms in lines}


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.replace("\n", " ").split(",") if word.strip()]


def _plain(phrase: str) -> str:
    return re.sub(r"[\s-]+", " ", phrase).strip()


def _numbers(phrase: str) -> set[str]:
    """The phrase and its plural, made on its last word."""
    head, space, last = phrase.rpartition(" ")
    return {phrase} | {head + space + plural for plural in _plurals(last)}


def _plurals(word: str) -> set[str]:
    for singular, plural in _IRREGULAR.items():
        if word.endswith(singular) and (word == singular or singular == "man"):
            return {word[: -len(singular)] + plural} | ({"persons"} if word == "person" else set())
    if re.search(r"[^aeiou]y$", word):
        return {word[:-1] + "ies"}
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return {word + "es"}
    return {word + "s", word + "es"} if word.endswith("o") else {word + "s"}
