"""Hide and ask again: answered as the engine answers about the altered picture, streamed, and never in the way."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clvs_core.hiding import FILLS, hide
from tests.page.acts import attention, event, run
from viz.page.desks import Desks
from viz.page.library import Library
from viz.page.models import Models
from viz.page.screen import GONE
from viz.page.session import Session, Shown
from viz.viewer.received import CONTRACT


def look(desks, session, view="fill=mean", turn=1, shown=None, **data):
    return desks.altering.look(session, event(view=view, turn=turn, **data), shown)


@pytest.fixture(scope="module")
def asked():
    """The page over the embedded model, with an answer about the desk's laptop: its desks and the session."""
    models, library = Models(), Library()
    desks, session = Desks(models, library, library.first_answer()), Session()
    run(desks, session, scene="desk", question="Is there a laptop in the picture?")
    return desks, session


@pytest.mark.parametrize("fill", FILLS)
def test_answers_are_the_engines_about_the_altered_picture(asked, fill):
    desks, session = asked
    before = session.result
    *_, news = look(desks, session, f"fill={fill}", turn=7)
    assert (news["of"], news["turn"], news["running"], news["error"]) == (before.id, 7, False, "")
    payload = news["payload"]
    mask = next(item.mask for item in before.picture.objects if item.name == "laptop")
    altered = hide(before.picture.image, mask, fill)
    runs = desks.models.get("scenes").open_image(altered).ask(before.question, before.methods)
    for method, wanted in zip(payload["methods"], runs, strict=True):
        assert (method["text"], method["finished"]) == (wanted.text, True)
        assert method["text"].strip() == "No", "the answer came from the laptop"
        maps = wanted.trace.attention.astype(np.float32).mean(axis=2)
        np.testing.assert_allclose(attention(payload, method["key"]), maps, atol=1e-3)
    served = Image.open(payload["image"]["url"].partition("file=")[2])
    assert np.abs(np.asarray(served, dtype=int) - np.asarray(altered, dtype=int)).mean() < 3, "but for JPEG"
    assert session.result is before, "nothing of the first answer is lost"
    assert session.payload["methods"][0]["text"].strip() == "Yes"


def test_what_is_followed_is_what_is_hidden(asked):
    desks, session = asked

    def hidden(view):
        *_, news = look(desks, session, view)
        return [method["text"].strip() for method in news["payload"]["methods"]]

    assert hidden("fill=mean&on=clock") == ["Yes", "Yes"]
    assert hidden("fill=mean&on=clock&on=laptop") == ["No", "No"]
    assert hidden("fill=mean&region=0,0,20,20") == ["Yes", "Yes"]
    assert hidden("fill=mean&on=") == ["No", "No"], "the whole picture"


def test_tokens_come_one_by_one_and_a_halt_or_a_newer_question_ends_them(desks, fake):
    session = Session()
    run(desks, session, question="Answer slowly.", tokens=4)
    news = list(look(desks, session))
    assert [len(one["payload"]["methods"][0]["tokens"]) for one in news] == [1, 2, 3, 4, 4]
    assert [one["running"] for one in news] == [True] * 4 + [False]
    CONTRACT.validate_python(news[-1]["payload"])
    coming, closed = look(desks, session), fake.closed
    next(coming)
    (silent,) = look(desks, session, halt=True)
    assert silent["__type__"] == "update"
    assert list(coming) == []
    assert fake.closed == closed + 1, "the engine was told"
    coming = look(desks, session)
    next(coming)
    session.begin()
    assert [(one["running"], one["payload"]) for one in coming] == [(False, None)]
    assert [one["payload"] for one in look(desks, session)] == [None], "while a question is being answered"


def test_what_cannot_be_is_said_in_one_sentence(desks):
    session = Session()
    run(desks, session)
    *_, news = look(desks, session, "fill=mean&region=9000,9000,9100,9100")
    assert news["error"].startswith("The region covers no pixel")
    assert news["payload"] is None
    *_, news = look(desks, session, shown=Shown(run="another"))
    assert news["error"] == GONE
    *_, news = look(desks, session, "fill=sepia")
    assert news["error"] == ""
    assert news["payload"]["status"] == "done", "as from a link: what is not known is left out"
