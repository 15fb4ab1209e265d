"""Every alpha and beta for one question: asked row by row, kept with the question, set by a cell."""

from __future__ import annotations

import pytest

import clvs_core as clvs
from clvs_core.engine.runs import Answer, Token
from clvs_core.methods import method
from tests.page.acts import controls, event, run
from viz.page.session import Session, Shown
from viz.page.tries import Tries, rest, smoothed


@pytest.fixture
def asked(desks, fake, monkeypatch):
    """A session whose question has been answered; alpha decides what is said, beta how likely that is."""

    def answers(self, questions, methods, max_new_tokens, prompt):
        assert max_new_tokens <= 8
        fake.tried.append([(m.alpha, m.beta) for m in methods])
        said = [("Yes" if m.alpha > 0.4 else "No", 0.5 + m.beta / 2) for m in methods]
        return [
            [
                Answer(m, t, [Token(1, t, p), Token(2, "", 0.5)], [-1, -1])
                for m, (t, p) in zip(methods, said, strict=True)
            ]
        ]

    fake.tried = []
    monkeypatch.setattr("tests.page.fake.FakeImage.answers", answers, raising=False)
    session = Session()
    run(desks, session)
    return session


def shown(session):
    return Shown(run=session.result.run, question=session.result.question)


def test_each_row_comes_by_itself_and_all_of_it_is_said(desks, fake, asked):
    *rows, last = desks.trying.try_settings(asked, shown(asked))
    assert [len(payload["tries"]["cells"]) for payload in (*rows, last)] == list(range(12))
    cells, steps = last["tries"]["cells"], [at / 10 for at in range(11)]
    assert fake.tried == [[(alpha, beta) for beta in steps] for alpha in steps]
    assert cells[4] == [["No", round((0.5 + beta / 2) * 0.5, 4)] for beta in steps]
    assert cells[5][10] == ["Yes", 0.5]
    assert rows[0]["tries"]["left"] is None
    assert last["tries"]["left"] == 0


def test_stop_ends_it_after_the_row_that_is_on_its_way(desks, fake, asked):
    rows = desks.trying.try_settings(asked, shown(asked))
    next(rows), next(rows)
    desks.answering.stop(asked)
    assert list(rows) == []
    assert len(fake.tried) == 2
    assert len(asked.tries.cells) == 1


def test_what_was_tried_outlives_alpha_and_no_other_setting_and_no_other_question(desks, asked):
    list(desks.trying.try_settings(asked, shown(asked)))
    moved = desks.answering.adjust(asked, *controls(clvs="alpha=0.5"))
    assert len(moved["tries"]["cells"]) == 11
    assert "tries" not in desks.answering.adjust(asked, *controls(clvs="gamma=0.1"))
    assert "tries" in desks.answering.adjust(asked, *controls())
    assert "tries" not in run(desks, asked, question="Is there a car?")[-1]


def test_a_cell_sets_alpha_and_beta_and_leaves_the_rest(desks, asked):
    values = controls("vanilla", "clvs:gamma=0.25")
    picker, payload, *_ = desks.trying.set(
        asked, shown(asked), asked.result.question, *values, event(alpha=0.3, beta=0.7)
    )
    assert [m.name for m in map(method, picker["specs"])] == ["vanilla", "clvs"]
    assert method(picker["specs"][1]) == clvs.CLVS(alpha=0.3, beta=0.7, gamma=0.25)
    assert method(payload["methods"][1]["spec"]).alpha == 0.3


@pytest.mark.parametrize("data", [{}, {"alpha": 0.3}, {"alpha": 0.31, "beta": 0.5}, {"alpha": "0.3", "beta": [0]}])
def test_a_cell_that_there_is_not_changes_nothing(desks, asked, data):
    unchanged = desks.trying.set(asked, shown(asked), "x", *controls(), event(**data))
    assert all("__type__" in part for part in unchanged)


def test_without_clvs_a_sentence_says_what_to_do(desks, asked):
    desks.answering.adjust(asked, *controls("vanilla", "pai"))
    (payload,) = desks.trying.try_settings(asked, shown(asked))
    assert payload["error"] == "Compare with CLVS first: its settings are what is tried."
    assert smoothed([clvs.PAI(), clvs.Combine(clvs.PAI(), clvs.CLVS())]) is None


def test_tries_know_what_they_are_about():
    base = clvs.CLVS(gamma=0.25, beta=0.4)
    tries = Tries("one", rest(base), (), (), (), None)
    assert tries.of("one", [clvs.Vanilla(), clvs.CLVS(gamma=0.25, alpha=0.1, beta=0.9)])
    assert not tries.of("two", [base])
    assert not tries.of("one", [clvs.CLVS(gamma=0.3)])
    assert not tries.of("one", [clvs.Vanilla()])
