"""Which categories a question names."""

import pytest

from clvs_core.key_objects import mentioned
from clvs_core.objects.words import mentions

NAMES = """person, bicycle, car, motorcycle, airplane, bus, boat, traffic light, bird, cat, dog, sheep, bear,
orange, hot dog, couch, dining table, tv, mouse, knife, cell phone, wine glass, teddy bear, scissors, sandwich,
remote"""
NAMES = NAMES.replace("\n", " ").split(", ")


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Is there a dog in the image?", ["dog"]),
        ("IS THERE A DOG?", ["dog"]),
        ("Are there dogs, and a cat?", ["dog", "cat"]),
        ("Is the cat left of the dog? The cat!", ["cat", "dog"]),
        ("Is the dog's tail white?", ["dog"]),
        ("Is there a hot dog?", ["hot dog"]),
        ("Are there two hot-dogs?", ["hot dog"]),
        ("Is the dog eating a hot  dog?", ["dog", "hot dog"]),
        ("Who holds the teddy bear?", ["teddy bear"]),
        ("Is a bear near the teddy bears?", ["bear", "teddy bear"]),
        ("Is the woman taller than the man?", ["person"]),
        ("How many people, and which children?", ["person"]),
        ("Which policewoman is human?", ["person"]),
        ("Are there knives, mice, sheep and couches?", ["knife", "mouse", "sheep", "couch"]),
        ("Are the buses and sandwiches red?", ["bus", "sandwich"]),
        ("Are the wine glasses full?", ["wine glass"]),
        ("Are there glasses?", ["wine glass"]),
        ("Is the man wearing glasses?", ["person"]),
        ("Where are the scissors?", ["scissors"]),
        ("Is the bike near the motorbike?", ["bicycle", "motorcycle"]),
        ("A phone, a television, a sofa, a plane", ["cell phone", "tv", "couch", "airplane"]),
        ("Where is the TV remote?", ["remote"]),
        ("Is the table under the traffic lights?", ["dining table", "traffic light"]),
        ("Is the bus stop empty?", []),
        ("Is there a snowman, a catalogue or a cargo?", []),
        ("Is the car orange?", ["car"]),
        ("Is there an orange car?", ["car"]),
        ("Is there an orange on the table?", ["orange", "dining table"]),
        ("How many oranges?", ["orange"]),
        ("What is this?", []),
        ("", []),
    ],
)
def test_the_objects_a_question_names(question, names):
    assert mentioned(question, NAMES) == names


def test_only_the_names_asked_for_are_returned():
    assert mentioned("Is there a dog and a cat?", ["cat"]) == ["cat"]
    assert mentioned("Is there a hot dog?", ["dog"]) == []


def test_names_outside_coco_match_with_their_plurals():
    names = ["Red Kite (bird)", "butterfly", "tomato", "bat", "Person"]
    assert mentioned("a red kite (bird), two butterflies, tomatoes, bats", names) == names[:4]
    assert mentioned("Is the woman here?", names) == ["Person"]


def test_a_long_question_takes_no_time():
    assert mentioned("hot " * 20_000 + "dog", ["hot dog"]) == ["hot dog"]


def test_mentions_say_where_each_stands_even_behind_letters_that_fold_into_two():
    text = "Großer Spaß: two dogs, one hot dog and a DOG."
    found = mentions(text)
    assert [(m.name, text[m.start : m.end]) for m in found] == [("dog", "dogs"), ("hot dog", "hot dog"), ("dog", "DOG")]
    assert mentions("Die Straße!", ["Straße"]) == [("Straße", 4, 10)]
