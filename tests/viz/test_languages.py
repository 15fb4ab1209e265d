"""The dictionaries: each text in each language, with the same holes, and none that nothing says."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from clvs_core.labels import settings_in_words
from clvs_core.methods import METHODS
from clvs_core.methods.settings import schema
from clvs_core.models.registry import CARDS
from tests.texts import ROOT, SCRIPTS, TEMPLATES, of_python, of_script, of_template, sentence, shape, wordy
from viz import languages
from viz.page.results.tab import TITLES

CODES = [code for code in languages.names() if code != languages.ENGLISH]
HOLE = re.compile(r"\{\w+\}")


def texts_of(code):
    """(English text, translation) of every part, also of one that is there twice."""
    found = json.loads((languages.FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    return [pair for kind in ("texts", "sentences") for part in found[kind].values() for pair in part.items()]


def known(code):
    """Every text that there is a translation of."""
    return [text for part in languages.words(code).values() for text in part]


def test_chinese_is_there_and_english_needs_no_words():
    assert languages.names()["zh"] == "中文"
    assert languages.tags() == {"en": "en", "zh": "zh-Hans"}
    assert languages.words("zh")["texts"]["Explore"] == "探索"
    assert languages.words("en") == languages.words("xx") == languages.words(None) == {"texts": {}, "sentences": {}}


@pytest.mark.parametrize("code", CODES)
def test_each_text_has_one_translation_with_its_holes(code):
    pairs = texts_of(code)
    assert [text for text, count in Counter(text for text, _ in pairs).items() if count > 1] == []
    lost = [text for text, said in pairs if sorted(HOLE.findall(text)) != sorted(HOLE.findall(said))]
    assert lost == []
    assert [text for text, said in pairs if not said.strip() or (wordy(text) and text != text.strip())] == []


# What is on the page as it is: names, units, keys, endings of files; what HTML or a script needs.
NAMES = {"CSV", "GIF", "HTML", "LaTeX", "Markdown", "PNG", "SVG", "ABOUT", "Escape", "Enter", "Files", "Home", "End"}
GRADIO = {"number input for {label}", "range slider for {label}", "Number"}  # what its own controls say
COMPOSED = {"first check at layer {layer}"}  # of pieces that stand apart in the code
OF_FILES = {"objects"}  # names of COCO, which annotations bring along


def test_what_is_composed_in_python_is_there():
    assert settings_in_words("clvs:first_check=7") == ["first check at layer 8"]


@pytest.fixture(scope="module")
def literals():
    """The shape of every text in the code and in the files that come with it."""
    found = {shape(text) for path in SCRIPTS for text, _ in of_script(path.read_text(encoding="utf-8"))}
    found |= {shape(text) for path in TEMPLATES for text in of_template(path.read_text(encoding="utf-8"))}
    found |= {shape(text) for text in of_python([*ROOT.glob("viz/**/*.py"), *ROOT.glob("clvs_core/**/*.py")])}
    scenes = json.loads((ROOT / "assets/scenes/questions.json").read_text(encoding="utf-8"))
    found |= {text for scene in scenes for text in (scene["title"], *(asked["note"] for asked in scene["questions"]))}
    return found | {text for card in CARDS.values() for text in (card.note, card.label)} | NAMES


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("path", [*SCRIPTS, *TEMPLATES], ids=lambda path: path.name)
def test_no_text_of_a_script_or_a_template_is_left_out(code, path):
    """Whatever goes through `t`, and each literal that reads like a sentence."""
    source, there = path.read_text(encoding="utf-8"), {*known(code), *NAMES}
    shapes = {shape(text) for text in there}
    if path.suffix == ".html":
        assert [text for text in of_template(source) if text not in there] == []
        return
    said = list(of_script(source))
    assert [text for text, called in said if called and wordy(text) and text not in there] == []
    assert [text for text, _ in said if sentence(text) and shape(text) not in shapes] == []


@pytest.mark.parametrize("code", CODES)
def test_nothing_about_methods_models_and_scenes_is_left_out(code):
    """What the page gets from the fields of methods, from cards and from the scenes."""
    there, said = known(code), []
    for method in METHODS.values():
        about = schema(method, None, None)
        said += [about["summary"], *(field[part] for field in about["fields"] for part in ("label", "hint", "about"))]
    said += [text for card in CARDS.values() for text in (card.note, *card.method_notes.values())]
    scenes = json.loads((ROOT / "assets/scenes/questions.json").read_text(encoding="utf-8"))
    said += [text for scene in scenes for text in (scene["title"], *(asked["note"] for asked in scene["questions"]))]
    categories = json.loads((ROOT / "assets/scenes/instances.json").read_text(encoding="utf-8"))["categories"]
    said += [category["name"] for category in categories] + list(TITLES.values())
    assert sorted({text for text in said if wordy(text) and text not in there}) == []


@pytest.mark.parametrize("code", CODES)
def test_nothing_in_a_dictionary_is_unused(code, literals):
    """A text is one of the code; of a sentence, each part between its holes is."""
    found = json.loads((languages.FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    texts = [text for place, part in found["texts"].items() if place not in OF_FILES for text in part]
    everything = "\n".join(literals)  # some of it HTML, with attributes
    unsaid = [text for text in texts if shape(text) not in literals and f'="{text}"' not in everything]
    assert [text for text in unsaid if text not in GRADIO and wordy(text)] == []
    sentences = [text for part in found["sentences"].values() for text in part if text not in GRADIO | COMPOSED]
    parts = {text: [part for part in HOLE.split(text) if wordy(part)] for text in sentences}
    assert [text for text, said in parts.items() if not all(part in everything for part in said)] == []
