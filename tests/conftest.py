"""Fixtures every test may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

import clvs_core
from clvs_core.methods import METHODS
from tests import tiny

HERE = Path(__file__).parent
# The same for every family, method, size or card: many tests, or dear ones. What they ask is asked of one elsewhere.
MATRIX = {
    "assets", "doctor", "rehearsal", "zerogpu", "engine/test_families.py", "engine/test_half_precision.py",
    "methods/test_combine.py", "methods/test_contrast.py", "methods/test_methods_literal.py",
    "models/test_views_families.py", "page/test_families_page.py",
}  # fmt: skip


def pytest_configure():
    """One thread, here and in what is started from here: as many workers as cores share the work already."""
    torch.set_num_threads(int(os.environ.setdefault("OMP_NUM_THREADS", "1")))


def pytest_collection_modifyitems(items):
    """Folders and files whose tests all bear a marker."""
    for item in items:
        place = item.path.relative_to(HERE)
        if place.parts[0] in ("browser", "rehearsal"):
            item.add_marker(place.parts[0])
        if place.parts[0] in MATRIX or place.as_posix() in MATRIX:
            item.add_marker("matrix")


@pytest.fixture(scope="module", autouse=True)
def _small_heap():
    """Garbage is looked for among what a module's tests make, not in all of torch and every test that was collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _known_methods():
    """Methods of one's own that a module's tests load are forgotten with it."""
    with patch.dict(METHODS):
        yield


@pytest.fixture
def registry():
    """The methods by name; what a test loads is forgotten after it."""
    with patch.dict(METHODS):
        yield METHODS


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A saved tiny random LLaVA."""
    return tiny.save_llava(tmp_path_factory.mktemp("tiny") / "llava")


@pytest.fixture(scope="session")
def tiny_model(tiny_folder):
    """It, loaded in float32."""
    return clvs_core.load_model(tiny_folder)


@pytest.fixture(scope="session")
def tiny_double(tiny_folder):
    """It, loaded in float64."""
    return clvs_core.load_model(tiny_folder, dtype="float64")
