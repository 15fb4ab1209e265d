"""The 49 everyday objects of the scenes: COCO names and ids, the artwork that shows them, the words that mean them.

A word is folded onto its category inside the tokenizer (tokenizer.py), so that "dogs" and "puppy" cost the model
nothing to learn. `colour_chance` is how often training paints an object in one of COLOURS instead of its own colours;
`natural` is the colour an unpainted artwork plainly has, None where no single colour word would be fair.
"""

from __future__ import annotations

from dataclasses import dataclass

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (216, 32, 40),
    "orange": (245, 130, 20),
    "yellow": (250, 208, 30),
    "green": (44, 160, 70),
    "blue": (38, 96, 216),
    "purple": (128, 60, 180),
    "pink": (246, 130, 180),
    "brown": (128, 78, 44),
    "black": (44, 44, 50),
    "gray": (140, 144, 150),
    "white": (236, 238, 242),
}


@dataclass(frozen=True)
class Category:
    """One kind of object; `artwork` maps a code-point name of the emoji set to its natural colour."""

    name: str
    coco_id: int
    artwork: dict[str, str | None]
    words: str  # regular expression (lower case) of every word that means this object
    plural: str
    colour_chance: float


def _category(name: str, coco_id: int, artwork: str, words: str, plural: str, chance: float) -> Category:
    """`artwork` is "codepoint[=natural colour] ..."."""
    pairs = (item.partition("=") for item in artwork.split())
    return Category(name, coco_id, {code: colour or None for code, _, colour in pairs}, words, plural, chance)


_MADE, _ANIMAL, _FOOD = 0.6, 0.25, 0.15
PEOPLE = "1f9cd-1f3fb-200d-2640-fe0f 1f9cd-1f3fd-200d-2642-fe0f 1f6b6-1f3fb-200d-2642-fe0f 1f6b6-1f3fe-200d-2640-fe0f"
CATEGORIES: tuple[Category, ...] = (
    _category(
        "person", 1, PEOPLE, r"persons?|people|m[ae]n|wom[ae]n|boys?|girls?|humans?|child(?:ren)?", "people", 0.0
    ),
    _category("bicycle", 2, "1f6b2", r"bicycles?|bikes?", "bicycles", _MADE),
    _category("car", 3, "1f697=red 1f699=blue", r"cars?|automobiles?", "cars", _MADE),
    _category("motorcycle", 4, "1f3cd-fe0f=red 1f6f5", r"motorcycles?|motorbikes?|scooters?", "motorcycles", _MADE),
    _category("airplane", 5, "2708-fe0f 1f6e9-fe0f", r"airplanes?|planes?|aeroplanes?|aircraft", "airplanes", _MADE),
    _category("bus", 6, "1f68c", r"bus(?:es)?", "buses", _MADE),
    _category("train", 7, "1f682", r"trains?|locomotives?", "trains", _MADE),
    _category("truck", 8, "1f69a 1f6fb=red", r"trucks?|lorry|lorries|pickups?", "trucks", _MADE),
    _category("boat", 9, "26f5 1f6a4", r"boats?|ships?|sailboats?", "boats", 0.5),
    _category("traffic light", 10, "1f6a6 1f6a5", r"traffic ?lights?|stop ?lights?", "traffic lights", 0.0),
    _category("bird", 16, "1f426=red 1f986", r"birds?|ducks?", "birds", _ANIMAL),
    _category("cat", 17, "1f408=orange", r"cats?|kittens?|kitty", "cats", _ANIMAL),
    _category("dog", 18, "1f415 1f429=gray", r"dogs?|pupp(?:y|ies)", "dogs", _ANIMAL),
    _category("horse", 19, "1f40e=brown", r"horses?|pon(?:y|ies)", "horses", _ANIMAL),
    _category("sheep", 20, "1f411", r"sheep|lambs?|rams?", "sheep", _ANIMAL),
    _category("cow", 21, "1f404", r"cows?|cattle", "cows", _ANIMAL),
    _category("elephant", 22, "1f418=gray", r"elephants?", "elephants", _ANIMAL),
    _category("bear", 23, "1f43b=brown", r"bears?", "bears", _ANIMAL),
    _category("zebra", 24, "1f993", r"zebras?", "zebras", 0.2),
    _category("giraffe", 25, "1f992", r"giraffes?", "giraffes", 0.3),
    _category("backpack", 27, "1f392", r"backpacks?|rucksacks?", "backpacks", _MADE),
    _category("umbrella", 28, "2602-fe0f=purple", r"umbrellas?", "umbrellas", _MADE),
    _category("suitcase", 33, "1f9f3=blue", r"suitcases?|luggage", "suitcases", _MADE),
    _category("sports ball", 37, "26bd 1f3c0=orange", r"(?:sports? |soccer )?balls?|basketballs?", "sports balls", 0.4),
    _category("kite", 38, "1fa81", r"kites?", "kites", _MADE),
    _category("skateboard", 41, "1f6f9=purple", r"skateboards?", "skateboards", _MADE),
    _category("wine glass", 46, "1f377", r"(?:wine ?)?glass(?:es)?", "wine glasses", 0.3),
    _category("cup", 47, "1f964 2615", r"cups?|mugs?", "cups", _MADE),
    _category("banana", 52, "1f34c=yellow", r"bananas?", "bananas", _FOOD),
    _category("apple", 53, "1f34e=red 1f34f=green", r"apples?", "apples", _FOOD),
    _category("sandwich", 54, "1f96a", r"sandwich(?:es)?", "sandwiches", _FOOD),
    _category("broccoli", 56, "1f966=green", r"broccolis?", "broccolis", _FOOD),
    _category("carrot", 57, "1f955=orange", r"carrots?", "carrots", _FOOD),
    _category("hot dog", 58, "1f32d", r"hot ?dogs?", "hot dogs", _FOOD),
    _category("pizza", 59, "1f355", r"pizzas?", "pizzas", _FOOD),
    _category("donut", 60, "1f369=brown", r"do(?:ugh)?nuts?", "donuts", _FOOD),
    _category("cake", 61, "1f370 1f382", r"(?:birthday )?cakes?", "cakes", _FOOD),
    _category("chair", 62, "1fa91=brown", r"chairs?", "chairs", _MADE),
    _category("couch", 63, "1f6cb-fe0f", r"couch(?:es)?|sofas?", "couches", _MADE),
    _category("potted plant", 64, "1fab4", r"(?:potted |house)?plants?", "potted plants", 0.3),
    _category("bed", 65, "1f6cf-fe0f=blue", r"beds?", "beds", _MADE),
    _category("tv", 72, "1f4fa", r"tvs?|televisions?", "tvs", _MADE),
    _category("laptop", 73, "1f4bb", r"laptops?|computers?|notebooks?", "laptops", _MADE),
    _category("cell phone", 77, "1f4f1", r"(?:cell |mobile |smart)?phones?|cellphones?", "cell phones", _MADE),
    _category("book", 84, "1f4d5=red 1f4d8=blue 1f4d7=green", r"books?", "books", _MADE),
    _category("clock", 85, "23f0 1f550", r"(?:alarm )?clocks?", "clocks", _MADE),
    _category("vase", 86, "1f3fa", r"vases?", "vases", _MADE),
    _category("scissors", 87, "2702-fe0f", r"(?:pairs? of )?scissors", "scissors", _MADE),
    _category("teddy bear", 88, "1f9f8=brown", r"teddy(?: ?bears?)?", "teddy bears", _MADE),
)
NAMES: tuple[str, ...] = tuple(category.name for category in CATEGORIES)
BY_NAME: dict[str, Category] = {category.name: category for category in CATEGORIES}
CONTEXTS: dict[str, tuple[str, ...]] = {  # what belongs together: without it, POPE's adversarial objects mean nothing
    "street": ("person", "bicycle", "car", "motorcycle", "bus", "truck", "traffic light", "dog"),
    "travel": ("person", "airplane", "train", "boat", "bus", "suitcase", "backpack", "umbrella", "bird"),
    "farm": ("cow", "horse", "sheep", "dog", "cat", "bird", "truck", "person"),
    "savanna": ("elephant", "giraffe", "zebra", "bear", "bird", "truck"),
    "park": ("person", "dog", "bicycle", "kite", "sports ball", "skateboard", "bird", "umbrella"),
    "table": ("cup", "banana", "apple", "sandwich", "pizza", "donut", "wine glass", "hot dog", "cake", "cell phone"),
    "kitchen": ("broccoli", "carrot", "apple", "banana", "cup", "scissors", "clock", "potted plant", "vase"),
    "home": ("chair", "couch", "tv", "potted plant", "clock", "vase", "book", "cat", "dog", "person"),
    "bedroom": ("bed", "teddy bear", "book", "clock", "laptop", "cell phone", "cat", "backpack", "chair"),
    "desk": ("laptop", "cell phone", "book", "cup", "clock", "scissors", "chair", "potted plant", "backpack"),
}
COMMON = ("person", "car", "dog", "cat", "bird", "cup", "chair", "book", "apple", "clock")
FREQUENCY: dict[str, float] = {name: 2.0 if name in COMMON else 1.0 for name in NAMES}
