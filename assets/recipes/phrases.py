"""How people type the questions of questions.py: the wordings used in training.

The held-out wordings of tests/assets/phrasings.json were written without reading this file.
"""

from __future__ import annotations

import numpy as np

PLAIN_CHANCE = 0.35  # of a question in the first, plainest wording of its kind
FORMS: dict[str, tuple[str, ...]] = {
    "exists": (
        "Is there {a_name} in the picture?", "Is there {a_name}?", "Do you see {a_name}?",
        "Can you see {a_name} in the picture?", "Are there any {plural} in the picture?", "Are there {plural}?",
        "can you see a {name}", "Is {a_name} in the image?", "Does the picture have {a_name} in it?",
        "Does this photo show {a_name}?", "Does the image contain {a_name}?", "Is {a_name} visible?",
        "Do you see any {plural} here?", "any {plural}?", "{name}?", "{a_name}?", "Is {a_name} present in the scene?",
        "Can you find {a_name} here?", "Could you tell me if there is {a_name}?", "Tell me whether there are {plural}.",
        "Is there one {name} or more in this picture?", "Have you seen {a_name}?", "Does it show {plural}?",
        "Is that {a_name} in the photo?", "I want to know if {a_name} is there", "are {plural} part of this picture",
        "Has this picture got {a_name}?", "Is there {a_name} anywhere?", "Does {a_name} appear in the picture?",
        "Please say if you can spot {a_name}", "do we have {a_name} here", "Is {a_name} located in the image?",
        "does anything look like {a_name}", "would you say there is {a_name} here",
    ),
    "is_colour": (
        "Is the {name} {colour}?", "is the {name} {colour} in this picture", "Is the color of the {name} {colour}?",
        "Is that {name} {colour}?", "does the {name} look {colour}", "Is this {name} {colour} colored?",
        "Would you say that the {name} is {colour}?", "Is {colour} the color of the {name}?",
        "the {name} is {colour}, true?", "Do you see the {name} as {colour}?", "Does the {name} have a {colour} color?",
        "Can you tell me if the {name} is {colour}?", "{name} {colour}?", "Does the {name} appear {colour}?",
        "Is it a {colour} {name}?", "Is the {name} in the picture of {colour} color?",
    ),
    "coloured_exists": (
        "Is there {a_colour_name} in the picture?", "Is there {a_colour_name}?", "Do you see {a_colour_name}?",
        "can you see {a_colour_name} here", "{a_colour_name}?", "any {colour_name}?", "Is {a_colour_name} visible?",
        "Does the picture show {a_colour_name}?", "Is there any {colour_name} in this image?", "{colour_name}?",
        "Could you find {a_colour_name} in the photo?", "Does it have {a_colour_name}?",
        "Have you got {a_colour_name}?", "Tell me if there is {a_colour_name}", "Is one of the things {a_colour_name}?",
        "I would like {a_colour_name}?", "Does {a_colour_name} appear?",
        "Is there such a thing as {a_colour_name} here?",
    ),
    "relation": (
        "Is the {first} {relation} the {second}?", "is the {first} {relation} the {second} in this picture",
        "Is {first} {relation} {second}?", "Does the {first} stand {relation} the {second}?",
        "Can you see the {first} {relation} the {second}?", "Is there a {first} {relation} the {second}?",
        "Would you say the {first} is {relation} the {second}?", "the {first} is {relation} the {second}, true?",
        "Do you see a {first} {relation} a {second}?", "Is the {first} located {relation} the {second}?",
        "Tell me if the {first} is {relation} the {second}", "In the image, is the {first} {relation} the {second}?",
        "Is the {first} somewhere {relation} the {second}?", "{first} {relation} {second}?",
        "Does the {first} appear {relation} the {second}?", "Is the {first} placed {relation} that {second}?",
        "Could you check that the {first} is {relation} the {second}?", "Looking at it, is {first} {relation} {second}",
    ),
    "contact": (
        "Is there direct contact between the {first} and the {second}?",
        "Is there direct contact between the {first} and {second}?", "Is the {first} touching the {second}?",
        "Are the {first} and the {second} touching?", "do the {first} and the {second} touch",
        "Does the {first} touch the {second}?", "Are the {first} and {second} in contact?",
        "Is the {first} in contact with the {second}?", "Does the {first} have contact with the {second}?",
        "Are the {first} and the {second} touching each other?", "is there any contact between {first} and {second}",
        "Do the {first} and {second} touch each other in the picture?",
        "Is the {first} in direct contact with {second}?", "Can you see the {first} touching the {second}?",
        "{first} touching {second}?", "Would you say that the {first} touches the {second}?",
        "Does {first} make contact with {second}?", "Tell me if the {first} is touching the {second}",
        "Is some part of the {first} touching the {second}?", "Do the {first} and the {second} make physical contact?",
    ),
    "is_place": (
        "Is the {name} {place} of the picture?", "is the {name} {place}", "Is the {name} located {place} of the image?",
        "Can you see the {name} {place} of the picture?", "Is there a {name} {place}?",
        "Would you say the {name} is {place}?", "Is the {name} somewhere {place}?",
    ),
    "is_count": (
        "{verb} there {what} in the picture?", "{verb} there {what}?", "Do you see {what}?", "Can you see {what} here?",
        "{verb} there exactly {what} in this image?", "Does the picture show {what}?",
        "{verb} there a total of {what}?", "{verb} there only {what} in the picture?",
        "Would you say there {verb} {what}?", "I count {what}, true?",
    ),
    "colour": (
        "What color is the {name}?", "what is the color of the {name}", "Which color is the {name}?",
        "What color does the {name} have?", "color of the {name}?", "Tell me the color of the {name}.",
        "Can you tell me what color the {name} is?", "What is the {name} color?", "What color is that {name}?",
        "The {name} is what color?", "In which color is the {name}?", "Name the color of the {name} in the image",
        "Which color has the {name}?", "what color would you say the {name} is", "{name} color?",
        "Please give me the color of the {name}", "What color do you see on the {name}?",
        "Say which color the {name} has", "I want to know the color of the {name}",
        "What color was the {name} in this picture?",
    ),
    "count": (
        "How many {plural} are there in the picture?", "How many {plural} are there?", "How many {plural} do you see?",
        "How many {plural} are in the picture?", "how many {plural}", "Count the {plural}.",
        "What is the number of {plural}?", "Tell me how many {plural} there are", "number of {plural}?",
        "Can you count the {plural} in the image?", "How many {plural} can you see here?",
        "How many {plural} does the picture show?", "Could you tell me how many {plural} you see?",
        "What number of {plural} is in this photo?", "{plural}, how many?", "Please count all {plural}",
        "How many {plural} have you found?", "Give me the number of {plural}", "how many {plural} appear in the image",
        "What is the total number of {plural}?", "How many {name} are visible?", "count of {plural}",
    ),
    "where": (
        "Where is the {name}?", "Where is the {name} in the picture?", "where can you see the {name}",
        "In which part of the picture is the {name}?", "What is the position of the {name}?",
        "Where do you see the {name}?", "Where is that {name} located?", "Tell me where the {name} is",
        "position of the {name}?",
    ),
    "beside": (
        "What is {direction} the {name}?", "what is there {direction} the {name}",
        "Which object is {direction} the {name}?", "What do you see {direction} the {name}?",
        "Which thing is {direction} the {name} in the picture?", "What can you see {direction} the {name}?",
        "What object is located {direction} the {name}?", "Tell me what is {direction} the {name}",
        "{direction} the {name} is what?", "Name the object {direction} the {name}",
        "What stands {direction} the {name}?", "{direction} the {name} there is what?",
        "What thing appears {direction} {name}", "what {direction} the {name}?",
        "Can you say what is {direction} the {name}?", "What item do you see {direction} it, the {name}",
    ),
    "list": (
        "What is in the picture?", "What do you see?", "What objects are in the picture?", "Describe the picture.",
        "What things are in this picture?", "describe this image", "What can you see here?", "List the objects.",
        "Tell me what you see", "Which objects do you see in this image?", "Name all objects in the picture",
        "What is shown here?", "Please describe this photo in detail", "What does the picture show?",
        "Name everything you can see", "What is this?", "list all things in the image", "what is here",
        "What kind of objects does the image contain?", "Give me a description of the scene", "What is there to see?",
        "Can you describe what is in this photo?", "Which things are visible?", "What is on it?", "say what you see",
        "Could you list everything in this picture?", "what have we got here", "Tell me about all the objects",
    ),
}  # fmt: skip
SIDES = {  # other ways to say left of and right of, in place of a relation or direction
    "to the left of": ("on the left of", "left of", "on the left side of", "to the left side of"),
    "to the right of": ("on the right of", "right of", "on the right side of", "to the right side of"),
    "above": ("above", "over", "higher than"),
    "below": ("below", "under", "lower than"),
}
BEFORE = ("Please", "Hello,", "Hey there,", "So", "Look:", "In this picture,", "Tell me:", "Now")
AFTER = ("please", "in this picture", "here", "in the image", "right now", "thanks")
BRIEFLY = ("Please answer yes or no.", "Answer the question using a single word or phrase.", "Answer briefly.")
STRANGE = "qux"  # a word that no vocabulary has: what people type is full of them


def reworded(rng: np.random.Generator, kind: str, slots: dict[str, str]) -> str:
    """A question of `kind` in one of its wordings, sometimes with the small talk, the benchmark's suffix or the unknown
    words that questions have in life."""
    forms, slots = FORMS[kind], dict(slots)
    form = forms[0] if rng.random() < PLAIN_CHANCE else _pick(rng, forms)
    for slot in ("relation", "direction"):
        if slots.get(slot) in SIDES and rng.random() < 0.3:
            slots[slot] = _pick(rng, SIDES[slots[slot]])
    text = form.format(**slots)
    if rng.random() < 0.12:
        text = f"{_pick(rng, BEFORE)} {text}"
    if rng.random() < 0.12:
        text = f"{text} {_pick(rng, AFTER)}"
    if rng.random() < 0.08:
        text = _with_a_strange_word(rng, text)
    return f"{text} {_pick(rng, BRIEFLY)}" if rng.random() < 0.12 else text


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def _with_a_strange_word(rng: np.random.Generator, text: str) -> str:
    """One unknown word more, before, after or among the others."""
    words = text.split()
    words.insert(int(rng.integers(len(words) + 1)), STRANGE)
    return " ".join(words)
