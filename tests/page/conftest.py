"""A page over a fake model and two small pictures, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clvs_core.models.registry import CARDS
from tests.page import pictures
from tests.page.fake import FakeModel
from viz.page import first_answer as record
from viz.page.desks import Desks
from viz.page.library import Library
from viz.page.models import Models


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return Library(pictures.write(tmp_path_factory.mktemp("scenes")))


@pytest.fixture
def fake():
    return FakeModel()


@pytest.fixture
def models(fake, monkeypatch):
    """The fake model under the embedded one's name, with settings that do not change when that is trained anew."""
    plain = replace(CARDS["scenes"], settings={"clvs": {"beta": 0.8, "gamma": 0.5}})
    monkeypatch.setitem(CARDS, "scenes", plain)
    return Models(load=lambda name, **settings: fake)


@pytest.fixture
def first_answer(models, library):
    return record.make(models, library)


@pytest.fixture
def desks(models, library, first_answer):
    return Desks(models, library, first_answer)
