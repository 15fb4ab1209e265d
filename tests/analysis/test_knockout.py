"""What is read off knock-outs, on numbers made by hand and on the embedded model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clvs_core import CLVS, Vanilla, load_model
from clvs_core.analysis import knockout as ka
from clvs_core.bundled import ASSETS
from clvs_core.engine.knockout import Knockout
from clvs_core.engine.runs import Token
from clvs_core.key_objects import CocoInstances

SCENES = ASSETS / "scenes"
NAN = np.full(4, np.nan)


def made(kept=(1.0, 0.2, 0.6, 1.0), control=NAN, everywhere=0.1, rows="word"):
    token = Token(1, " Yes", 0.9)
    kept = np.array(kept)
    return Knockout(Vanilla(), token, 0.9, kept, NAN, [token] * 4, everywhere, NAN, np.array(control), NAN, rows, 1)


def test_importance_is_what_is_lost_beside_the_control():
    np.testing.assert_allclose(ka.importance(made()), [0, 0.8, 0.4, 0])
    np.testing.assert_allclose(ka.importance(made(control=(1, 0.4, 0.6, 0.5))), [0, 0.5, 0, 0])
    assert ka.layers_that_matter(made()) == [1]
    assert ka.layers_that_matter(made(), share=0.7) == [1, 2]


def test_the_share_of_added_attention_that_falls_where_looking_matters():
    importance = ka.importance(made())
    assert ka.share_where_it_matters(np.array([0, 1, 0, 1]), importance) == pytest.approx(0.4)
    assert ka.share_where_it_matters(np.array([0, -3, 0, 1]), importance) == 0, "what is taken away adds nothing"
    assert np.isnan(ka.share_where_it_matters(np.zeros(4), importance))


@pytest.mark.parametrize(
    ("word", "both", "words"),
    [
        (0.02, 0.0, "The word being written reads it for itself"),
        (0.99, 0.11, "The question's words read it"),
        (0.99, 0.97, "Nobody needs it"),
    ],
)
def test_who_reads(word, both, words):
    sentence = ka.who_reads(made(everywhere=word), replace(made(everywhere=both), rows="both"))
    assert sentence.startswith(words)


@pytest.fixture(scope="module")
def model():
    return load_model("scenes")


def masks(image, scene):
    return {
        item.name: item.mask for item in CocoInstances(SCENES / "instances.json").find(scene, image.width, image.height)
    }


def test_on_the_embedded_model_looking_matters_early_and_clvs_adds_it_late(model):
    """The sentence of README and docs/knockout.md: layers 2 to 5, and nothing from 7 on."""
    image = model.open_image(SCENES / "desk.jpg")
    question, mask = "Is there a laptop in the picture?", masks(image, "desk.jpg")["laptop"]
    vanilla, clvs = image.knockout(question, mask, [Vanilla(), CLVS()])
    assert vanilla.token.text.strip() == clvs.token.text.strip() == "Yes"
    assert ka.layers_that_matter(vanilla) == [2, 3, 4]
    assert vanilla.kept[6:].min() > 0.99
    assert vanilla.everywhere < 0.05
    assert vanilla.control.min() > 0.99
    assert vanilla.instead[3].text.strip() == "No"
    both = image.knockout(question, mask, [Vanilla()], rows="both", control=0, only=False)[0]
    assert ka.who_reads(vanilla, both).startswith("The word being written")


def test_objects_that_survive(model):
    image = model.open_image(SCENES / "savanna.jpg")
    answer, table = ka.survivals(
        image, "What is in the picture?", masks(image, "savanna.jpg"), Vanilla(), max_new_tokens=8
    )
    assert {row.name for row in table} == {"giraffe", "zebra", "elephant"}
    assert all(row.name in answer for row in table)
    for row in table:
        assert not row.everywhere, "hidden in all layers it is not named"
        assert row.named[0], "hidden in the first layers it still is"
    np.testing.assert_allclose(ka.mean_survival(table), np.mean([row.named for row in table], 0))
    assert np.isnan(ka.mean_survival([])).all()
