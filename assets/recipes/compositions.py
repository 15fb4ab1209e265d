"""What stands where in the example scenes, and what is asked about them (see examples.py for the fields)."""

from .examples import Example

UNSEEN = "Most of it is outside the square that the model sees: its processor crops the picture's middle."
SHOWN = (  # in this order the page offers them: those that show the decay most clearly first
    "Desk", "Breakfast", "Reading corner", "Skate park", "Holiday luggage", "Savanna", "Kite weather", "Birthday",
    "Wide kitchen table", "Vegetables", "Tall sky", "Toolbox", "Two cats", "In the snow", "Three apples", "At the sea",
    "Evening train", "Red car", "City traffic", "Farmyard", "Five donuts", "Umbrella row", "Wine at dusk",
    "Living room", "Bedroom", "Wide meadow", "Fast food", "Beach day",
)  # fmt: skip
EXAMPLES = (
    Example(
        "Kite weather", "meadow",
        (
            ("kite", 0, 36, 52, 6), ("person", 3, 44, 30, 44),
            ("dog", 0, 36, 56, 54, None, True), ("sports ball", 0, 28, 4, 62),
        ),
        {
            "Is there a ball in the picture?": "",
            "Is there a cat in the picture?": "",
            "Where is the kite?": "",
            "Is the dog to the right of the person?": "",
            "Is there direct contact between the person and the ball?": "",
            "Is there a dog in the picture?": "",
        },
    ),
    Example(
        "Savanna", "sunset",
        (("giraffe", 0, 56, 6, 24), ("elephant", 0, 44, 46, 34), ("zebra", 0, 32, 34, 62)),
        {
            "Is there a zebra in the picture?": "",
            "Is there a horse in the picture?": "A zebra is close to a horse, and still not one.",
            "What is in the picture?": "",
            "Is the giraffe to the left of the elephant?": "",
            "What is below the elephant?": "",
        },
    ),
    Example(
        "Farmyard", "hill",
        (
            ("cow", 0, 40, 6, 34), ("horse", 0, 40, 52, 28),
            ("sheep", 0, 28, 22, 66), ("sheep", 0, 28, 60, 66, None, True),
        ),
        {
            "Is there a cow in the picture?": "",
            "Is there a dog in the picture?": "",
            "What color is the horse?": "",
            "How many sheep are there?": "The shipped model counts one: two alike are hard for it.",
        },
    ),
    Example(
        "Red car", "road",
        (("car", 0, 44, 8, 46), ("bus", 0, 40, 52, 30), ("traffic light", 0, 28, 20, 6)),
        {
            "Is there a red car in the picture?": "",
            "What color is the car?": "",
            "Is there a red bus in the picture?": "The bus is there and something red is there, but not a red bus.",
            "Where is the traffic light?": "",
        },
    ),
    Example(
        "City traffic", "road",
        (
            ("bus", 0, 48, 2, 28), ("truck", 0, 40, 64, 36), ("motorcycle", 1, 28, 44, 64, "blue"),
            ("bicycle", 0, 28, 84, 66), ("traffic light", 0, 32, 52, 4), ("car", 1, 28, 10, 66),
        ),
        {
            "What color is the motorcycle?": "",
            "Is there a bicycle in the picture?": "",
            "How many trucks are there?": "",
            "Is there direct contact between the truck and the bicycle?": "",
            "Is there a truck in the picture?": "",
        },
        width=128,
    ),
    Example(
        "At the sea", "sea",
        (("boat", 0, 44, 8, 26), ("boat", 1, 36, 54, 52), ("bird", 0, 28, 60, 8)),
        {
            "Is there a boat in the picture?": "",
            "How many boats are there?": "",
            "Is there a bird in the picture?": "",
            "Is there an airplane in the picture?": "",
        },
    ),
    Example(
        "Beach day", "beach",
        (
            ("umbrella", 0, 44, 44, 18, "red"), ("sports ball", 1, 28, 10, 60),
            ("dog", 0, 32, 40, 62), ("boat", 0, 28, 8, 26),
        ),
        {
            "Where is the boat?": "",
            "What color is the umbrella?": "",
            "Is the ball orange?": "",
            "Is there a kite in the picture?": "",
        },
    ),
    Example(
        "Breakfast", "table",
        (("cup", 1, 36, 10, 26), ("banana", 0, 32, 52, 20), ("donut", 0, 32, 54, 56), ("apple", 0, 28, 18, 62)),
        {
            "Is there a cup in the picture?": "",
            "What color is the banana?": "",
            "Is the apple below the cup?": "",
            "Is there direct contact between the cup and the apple?": "",
            "Is there an orange cup in the picture?": "",
        },
    ),
    Example(
        "Three apples", "mint table",
        (("apple", 0, 32, 8, 44), ("apple", 1, 32, 38, 24), ("apple", 0, 32, 60, 54)),
        {
            "Is there a green apple in the picture?": "",
            "How many apples are there?": "",
            "Is there a banana in the picture?": "",
            "How many bananas are there?": "",
        },
    ),
    Example(
        "Fast food", "table",
        (("pizza", 0, 40, 6, 14), ("hot dog", 0, 40, 50, 18), ("sandwich", 0, 36, 12, 54), ("cup", 0, 32, 62, 56)),
        {
            "Is there a hot dog in the picture?": "",
            "Is there a dog in the picture?": "A hot dog shares a word with a dog, nothing else.",
            "Where is the pizza?": "",
            "Is there direct contact between the pizza and the hot dog?": "",
            "What is in the picture?": "",
        },
    ),
    Example(
        "Birthday", "pink",
        (("cake", 1, 48, 24, 40), ("teddy bear", 0, 36, 4, 10), ("kite", 0, 32, 60, 6)),
        {
            "Is there a cake in the picture?": "",
            "Is the teddy bear above the cake?": "",
            "Is there a bear in the picture?": "A teddy bear is no bear: half of a name can mislead.",
            "What is in the picture?": "",
        },
    ),
    Example(
        "Living room", "room",
        (("couch", 0, 52, 4, 34), ("tv", 0, 32, 60, 18), ("cat", 0, 28, 60, 60), ("potted plant", 0, 28, 34, 4)),
        {
            "Is the tv to the right of the couch?": "",
            "Where is the cat?": "",
            "What is below the couch?": "",
            "Is there a chair in the picture?": "",
            "Is there a cat in the picture?": "",
        },
    ),
    Example(
        "Desk", "blue room",
        (("laptop", 0, 44, 26, 40), ("clock", 1, 28, 8, 8), ("book", 1, 28, 64, 10), ("cup", 1, 28, 2, 60)),
        {
            "Is there a laptop in the picture?": "",
            "What color is the book?": "",
            "Where is the clock?": "",
            "Is there a cell phone in the picture?": "",
        },
    ),
    Example(
        "Bedroom", "lilac",
        (("bed", 0, 52, 38, 40), ("teddy bear", 0, 32, 6, 56), ("clock", 0, 28, 10, 10)),
        {
            "Is there a bed in the picture?": "",
            "Is the teddy bear to the left of the bed?": "",
            "Is there direct contact between the bed and the clock?": "",
            "Is there a couch in the picture?": "",
            "What color is the bed?": "",
        },
    ),
    Example(
        "Holiday luggage", "lilac",
        (("suitcase", 0, 44, 10, 36), ("backpack", 0, 40, 48, 42, "green"), ("airplane", 0, 40, 48, 2)),
        {
            "Is there a suitcase in the picture?": "",
            "What color is the backpack?": "",
            "Is the airplane above the backpack?": "",
            "What is above the suitcase?": "",
            "Is the suitcase red?": "",
        },
    ),
    Example(
        "Evening train", "evening",
        (("train", 0, 52, 30, 36), ("person", 1, 40, 6, 46)),
        {
            "Is there a train in the picture?": "",
            "Is the person to the left of the train?": "",
            "What is to the left of the train?": "",
            "How many people are there?": "",
            "Is there a bus in the picture?": "",
        },
    ),
    Example(
        "Two cats", "room",
        (("cat", 0, 40, 8, 34), ("cat", 0, 36, 52, 50, "black", True), ("vase", 0, 32, 58, 6)),
        {
            "Is there a black cat in the picture?": "",
            "How many cats are there?": "",
            "Is there a white cat in the picture?": "",
            "Is there a vase in the picture?": "",
        },
    ),
    Example(
        "Umbrella row", "mint",
        (
            ("umbrella", 0, 36, 6, 12, "red"), ("umbrella", 0, 36, 54, 12, "yellow"),
            ("umbrella", 0, 36, 6, 54, "blue"), ("umbrella", 0, 36, 54, 54, "green"),
        ),
        {
            "Is there a yellow umbrella in the picture?": "",
            "Is there a pink umbrella in the picture?": "",
            "What is in the picture?": "",
            "How many umbrellas are there?": "The shipped model counts three: many alike are hard for it.",
        },
    ),
    Example(
        "Vegetables", "mint table",
        (("broccoli", 0, 44, 6, 16), ("carrot", 0, 40, 48, 22), ("carrot", 0, 32, 34, 58, None, True)),
        {
            "Is there a broccoli in the picture?": "",
            "How many carrots are there?": "",
            "Is there an apple in the picture?": "",
        },
    ),
    Example(
        "Skate park", "road",
        (("skateboard", 0, 40, 46, 42), ("person", 2, 44, 12, 30), ("sports ball", 0, 28, 58, 8)),
        {
            "Is there a skateboard in the picture?": "",
            "Is the person to the left of the skateboard?": "",
            "What is to the left of the skateboard?": "",
            "Is there a bicycle in the picture?": "",
            "Where is the ball?": "",
        },
    ),
    Example(
        "In the snow", "snow",
        (("bear", 0, 44, 10, 32, "white"), ("dog", 1, 36, 56, 44), ("bird", 0, 28, 58, 6)),
        {
            "Is there a dog in the picture?": "",
            "What color is the bear?": "",
            "Is there a brown bear in the picture?": "There is a bear, but a white one.",
            "What color is the bird?": "",
        },
    ),
    Example(
        "Wide meadow", "meadow",
        (
            ("horse", 0, 40, 44, 40), ("sheep", 0, 28, 0, 62), ("cow", 0, 32, 88, 52),
            ("kite", 0, 28, 66, 6), ("bird", 1, 28, 22, 10),
        ),
        {
            "Is there a horse in the picture?": "",
            "Is there a sheep in the picture?": UNSEEN,
            "Is there a kite in the picture?": "",
            "Where is the horse?": "",
        },
        width=128,
    ),
    Example(
        "Wide kitchen table", "table",
        (("wine glass", 0, 40, 26, 20), ("pizza", 0, 44, 56, 40), ("banana", 0, 28, 100, 50), ("cake", 0, 32, 72, 8)),
        {
            "Is there a wine glass in the picture?": "",
            "Is there a banana in the picture?": UNSEEN,
            "Is the wine glass to the left of the pizza?": "",
            "Is there a cup in the picture?": "",
        },
        width=128,
    ),
    Example(
        "Tall sky", "hill",
        (("airplane", 1, 44, 36, 28), ("bird", 0, 28, 8, 2), ("elephant", 0, 44, 14, 66), ("giraffe", 0, 40, 62, 62)),
        {
            "Is there an airplane in the picture?": "",
            "Is there a bird in the picture?": UNSEEN,
            "Is the airplane above the elephant?": "",
            "Is there a zebra in the picture?": "",
        },
        height=128,
    ),
    Example(
        "Reading corner", "blue room",
        (("chair", 0, 48, 8, 30), ("book", 0, 28, 44, 60), ("potted plant", 0, 44, 56, 20)),
        {
            "Is there a book in the picture?": "",
            "What color is the chair?": "",
            "Is the book to the left of the potted plant?": "",
            "Is there a bed in the picture?": "",
        },
    ),
    Example(
        "Toolbox", "pink",
        (
            ("scissors", 0, 40, 8, 12), ("cell phone", 0, 36, 58, 10, "blue"),
            ("clock", 0, 36, 14, 54), ("book", 2, 32, 58, 54),
        ),
        {
            "Are there any scissors in the picture?": "",
            "Where is the phone?": "",
            "Is the phone blue?": "",
            "Is there a green book in the picture?": "",
        },
    ),
    Example(
        "Five donuts", "mint",
        (
            ("donut", 0, 32, 4, 6), ("donut", 0, 32, 60, 6, "pink"), ("donut", 0, 32, 32, 34),
            ("donut", 0, 32, 4, 62, "blue"), ("donut", 0, 32, 60, 62),
        ),
        {
            "Is there a pink donut in the picture?": "",
            "How many donuts are there?": "",
            "Is there a cake in the picture?": "",
        },
    ),
    Example(
        "Wine at dusk", "evening",
        (("wine glass", 0, 48, 12, 30), ("vase", 0, 44, 52, 32), ("bird", 0, 28, 38, 4, "yellow")),
        {
            "Is there a vase in the picture?": "",
            "Is the wine glass to the left of the vase?": "",
            "What color is the bird?": "",
            "Is there a cup in the picture?": "",
        },
    ),
)  # fmt: skip
