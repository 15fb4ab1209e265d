"""Fixtures every test may use."""

from __future__ import annotations

import pytest

import clvs_core
from tests import tiny


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
