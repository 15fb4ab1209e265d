"""The gate for JSON from outside: what passes, and the one sentence about what does not."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from clvs_core.errors import ClvsError, QuestionError
from clvs_core.untrusted import Count, Flag, Number, Text, Untrusted, Whole, checked


class Token(Untrusted):
    text: Text
    probability: Annotated[Number, Field(ge=0, le=1)] | None = None


class Answer(Untrusted):
    id: Text
    tokens: Annotated[list[Token], Field(max_length=3)] = Field(default_factory=list)
    kind: Literal["yes", "no"] = "yes"
    stop: Whole = -1
    count: Count = 0
    flag: Flag = True
    words: dict[Text, Text] = Field(default_factory=dict)
    pair: tuple[Whole, Whole] = (0, 0)
    name: Annotated[Text, Field(max_length=4)] = ""


def test_what_fits_comes_back_and_what_is_not_asked_for_is_passed_over():
    answer = checked(Answer, {"id": "a", "tokens": [{"text": "Yes", "probability": 1}], "new": 1}, "It", "mend it")
    assert (answer.id, answer.tokens[0].text, answer.tokens[0].probability, answer.stop) == ("a", "Yes", 1.0, -1)
    assert checked(dict[Text, Whole], {"a": 1}, "It", "mend it") == {"a": 1}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "has no id"),
        ([], "is not an object"),
        ("no", "is not an object"),
        ({"id": 1}, "has something else than text as id"),
        ({"id": "\ud83d"}, "has something else than text as id"),
        ({"id": "a", "tokens": {}}, "has something else than a list as tokens"),
        ({"id": "a", "tokens": [{"text": "a"}, 1]}, "has something else than an object as tokens[1]"),
        ({"id": "a", "tokens": [{"text": "a"}] * 4}, "has something else than what is at most 3 long as tokens"),
        ({"id": "a", "tokens": [{"probability": 1}]}, "has no tokens[0].text"),
        *(
            (
                {"id": "a", "tokens": [{"text": "a", "probability": number}]},
                "has something else than a number as tokens[0].probability",
            )
            for number in (True, "1", float("nan"), float("inf"), 10**400, [1])
        ),
        (
            {"id": "a", "tokens": [{"text": "a", "probability": 2}]},
            "has something else than a number up to 1.0 as tokens[0].probability",
        ),
        *(({"id": "a", "stop": stop}, "has something else than a whole number as stop") for stop in (True, "1", 1.5)),
        ({"id": "a", "count": -1}, "has something else than a number from 0 up as count"),
        ({"id": "a", "flag": 1}, "has something else than true or false as flag"),
        ({"id": "a", "kind": "maybe"}, "has something else than 'yes' or 'no' as kind"),
        ({"id": "a", "words": {"x\ny": 1}}, "has something else than text as words.x y"),
        ({"id": "a", "pair": [1]}, "has something else than a list as pair"),
        ({"id": "a", "name": "abcde"}, "has something else than what is at most 4 long as name"),
    ],
)
def test_what_does_not_fit_is_one_sentence(value, told):
    with pytest.raises(QuestionError) as caught:
        checked(Answer, value, "Line 3 of a.json", "take it out", QuestionError)
    assert str(caught.value) == f"Line 3 of a.json {told}; take it out."


def test_a_check_of_its_own_says_its_own_words():
    class Even(Untrusted):
        number: Whole

        def model_post_init(self, _):
            if self.number % 2:
                raise ValueError("is odd")

    with pytest.raises(ClvsError, match=r"^It is odd; add one\.$"):
        checked(Even, {"number": 1}, "It", "add one")
