"""One rule for names of pictures, entries and categories: exact first, never by chance."""

import unicodedata

import pytest

from clvs_core.errors import ClvsError
from clvs_core.names import ById, FileNames, whole
from clvs_core.objects.words import category, coco_name, mentioned

CAFE = "café.jpg"
NFC, NFD = (unicodedata.normalize(form, CAFE) for form in ("NFC", "NFD"))


def found(name, *files):
    return FileNames((file, file) for file in files).find(name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("photo.jpg", "photo.jpg"),
        (NFC, NFD),
        (NFD, NFC),
        ("연.jpg", unicodedata.normalize("NFD", "연.jpg")),
        ("PHOTO.JPG", "photo.jpg"),
        ("photo.jpg", "photo.JPG"),
        ("photo.png", "photo.JPEG"),
        ("photo", "photo.webp"),
        ("C:\\pictures\\photo.jpg", "images/photo.jpg"),
        ("photo.jpg", "images\\1\\photo.jpg"),
        ("photo one.jpg", "photo%20one.jpg"),
        ("photo.jpg", "https://host/x/photo.jpg?sig=a/b.png#top"),
        ("/val/000000310196.jpg", "COCO_val2014_000000310196.jpg"),
        ("COCO_val2014_000000310196.jpg", "000000310196.jpg"),
        ("coco_train2014_000000310196.png", "COCO_val2014_000000310196.jpg"),
        ("000000397133.jpg", "http://images.cocodataset.org/val2017/000000397133.jpg"),
        ("frame_0.5", "frame_0.5"),
        ("frame_0.5.png", "frame_0.5"),
        ("STRASSE.jpg", "Straße.jpg"),
    ],
)
def test_the_same_picture_in_another_spelling(name, file):
    assert found(name, file, "another.jpg") == [file]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("310196.jpg", "COCO_val2014_000000310196.jpg"),  # Visual Genome's names are such numbers
        ("frame_0.7", "frame_0.5"),
        ("xphoto.jpg", "photo.jpg"),
        ("", "photo.jpg"),
        (".jpg", ".png"),
        ("cafe.jpg", NFC),
        ("COCO_val2014_.jpg", "COCO_val2014_000000310196.jpg"),
    ],
)
def test_another_picture(name, file):
    assert found(name, file) == []


def test_exact_comes_first():
    pairs = [("IMG_1.jpg", "img_1.jpg"), ("a.jpg", "a.png"), (NFC, NFD), ("a/b.jpg", "a\\b.jpg")]
    pairs += [("COCO_val2014_000000310196.jpg", "000000310196.jpg"), ("train/a.jpg", "val/a.jpg")]
    for pair in pairs:
        for name in pair:
            assert found(name, *pair) == [name]


def test_folders_tell_files_of_one_name_apart():
    files = "data/train/a.jpg", "data/val/a.jpg"
    assert found("/home/me/VAL/a.JPG", *files) == ["data/val/a.jpg"]
    assert found("D:\\coco\\train\\a.jpg", *files) == ["data/train/a.jpg"]
    assert found("a.jpg", "a.jpg", *files) == ["a.jpg"]


def test_what_could_be_several_is_all_of_them():
    assert found("a.jpg", "train/a.jpg", "val/a.jpg") == ["train/a.jpg", "val/a.jpg"]
    assert found("Img_1.jpg", "IMG_1.jpg", "img_1.jpg") == ["IMG_1.jpg", "img_1.jpg"]
    assert found("a.webp", "a.jpg", "a.png") == ["a.jpg", "a.png"]


def test_ids_are_equal_as_in_python_and_then_as_text():
    things = ById([(1, "number"), ("2", "text"), (0, "zero"), ("val_7", "word")])
    assert [things.find(id) for id in (1, 1.0, "1", "0001")] == [["number"]] * 4
    assert [things.find(id) for id in (2, "2", 2.0, " 2 ")] == [["text"]] * 4
    assert [things.find(id) for id in (0, "0", "000", "val_7")] == [["zero"]] * 3 + [["word"]]
    assert [things.find(id) for id in (None, True, [1], {}, "", 1.5, 3)] == [[]] * 7
    assert ById([(1, "number"), ("1", "text")]).find("1") == ["text"]
    assert ById([(10**30, "huge")]).find(str(10**30)) == ["huge"]


def test_whole_numbers_in_any_clothes():
    assert [whole(value) for value in (640, 640.0, "640", " 640.0 ")] == [640] * 4
    wrong = (None, True, 640.5, "640px", "", float("nan"), float("inf"), "1e999", [640], 10**400)
    assert [whole(value) for value in wrong] == [None] * len(wrong)


# --- categories ---------------------------------------------------------------------------------------------------

STRANGE = ["traffic_light", "diningtable", "tvmonitor", "car_(automobile)", "dogs", "Sneakers", "aeroplane", "kite"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("kite", "kite"),
        ("KITES", "kite"),
        ("traffic light", "traffic_light"),
        ("Traffic-Light", "traffic_light"),
        ("trafficlight", "traffic_light"),
        ("dining table", "diningtable"),
        ("tv", "tvmonitor"),
        ("television", "tvmonitor"),
        ("car", "car_(automobile)"),
        ("automobile", "car_(automobile)"),
        ("dog", "dogs"),
        ("sneaker", "Sneakers"),
        ("airplane", "aeroplane"),
        ("puppy", "dogs"),
        ("cat", None),
        ("", None),
    ],
)
def test_a_category_in_another_spelling(wanted, name):
    assert category(wanted, STRANGE) == name
    if wanted:
        assert mentioned(f"Is there a {wanted} in the image?", STRANGE) == [name] * bool(name)


def test_exact_categories_come_first_and_several_are_not_guessed():
    assert category("Dog", ["dog", "Dog", "dogs"]) == "Dog"
    assert category("dog", ["dogs", "dog"]) == "dog"
    bows = ["bow_(weapon)", "bow_(decorative_ribbons)"]
    with pytest.raises(ClvsError, match=r"'bow' may be 'bow_\(weapon\)' or 'bow_\(decorative_ribbons\)'; give one"):
        category("bow", bows)
    assert category("bow (weapon)", bows) == "bow_(weapon)"
    assert mentioned("Is there a bow?", bows) == []
    assert mentioned("A bow_(weapon)?", bows) == bows[:1]
    assert mentioned("A couch?", ["sofa", "couch"]) == ["couch"]


def test_narrower_words_stand_for_a_category_but_not_for_each_other():
    assert category("woman", ["person"]) == "person"
    assert category("woman", ["man", "person"]) == "person"
    assert category("person", ["woman"]) is None
    assert mentioned("Is the man tall?", ["woman"]) == []


def test_a_question_in_another_unicode_form_names_its_object():
    name = unicodedata.normalize("NFC", "caffè")
    assert mentioned(unicodedata.normalize("NFD", "Is there a caffè?"), [name]) == [name]


def test_what_coco_calls_them():
    names = ["tvmonitor", "television_set", "dogs", "car_(automobile)", "cellular_telephone", "wineglass", "woman"]
    assert list(map(coco_name, names)) == ["tv", "tv", "dog", "car", "cell phone", "wine glass", "person"]
    assert coco_name("spaceship") == "spaceship"
