"""The stored first example is what the shipped model says today."""

from __future__ import annotations

import numpy as np
import pytest

from viz.page import first_answer as record
from viz.page.library import FIRST, Library
from viz.page.models import Models
from viz.viewer.payload import decode


@pytest.fixture(scope="module")
def stored():
    return Library().first_answer()


@pytest.fixture(scope="module")
def fresh():
    return record.make(Models(), Library())


def test_the_recording_equals_a_fresh_run(stored, fresh):
    assert (stored.scene, stored.question, stored.model, stored.layers) == (
        fresh.scene, fresh.question, fresh.model, fresh.layers,
    )  # fmt: skip
    for old, new in zip(stored.payload["methods"], fresh.payload["methods"], strict=True):
        assert [t["text"] for t in old["tokens"]] == [t["text"] for t in new["tokens"]], (
            "run python -m viz.page.first_answer"
        )
        assert (old["stop"], old["spec"]) == (new["stop"], new["spec"])
    old, new = decode(stored.payload), decode(fresh.payload)
    assert set(old) == set(new)
    for name in old:
        np.testing.assert_allclose(
            old[name].astype(float), new[name].astype(float), rtol=4e-3, atol=1e-4, err_msg=name, equal_nan=True
        )


def test_everything_but_numbers_is_current(stored, fresh):
    for key in ("v", "question", "model", "views", "visual", "heads", "arrays", "notes", "link", "objects"):
        assert stored.payload[key] == fresh.payload[key], key
    assert stored.payload["image"]["url"].endswith(f"{stored.scene}.jpg")


def test_the_recording_is_small(stored):
    assert FIRST.stat().st_size < 512 * 1024
    assert stored.payload["status"] == "done"
    assert any(item["on"] for item in stored.payload["objects"]), "the first page shows a curve"
