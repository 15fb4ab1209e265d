"""Which object each token of an answer names, as the browser is told it."""

import clvs_core as clvs
from tests import viewer_fakes as fakes
from viz.page.seen import add, see
from viz.viewer.naming import naming


def named(tokens, objects):
    methods = naming([{"tokens": [{"id": 0, "text": text, "probability": 1.0} for text in tokens]}], objects)
    return [token.get("names") for token in methods[0]["tokens"]]


def test_a_word_names_its_object_in_any_number_and_by_any_synonym():
    assert named(["Two", " dogs", " and", " a", " woman", ".", ""], ["person", "dog"]) == [
        None, "dog", None, None, "person", None, None,
    ]  # fmt: skip


def test_every_token_of_a_name_names_it_and_none_of_its_neighbours():
    assert named([" gir", "affe", " and", " hot", " dog", "s", "!"], ["giraffe", "hot dog", "dog"]) == [
        "giraffe", "giraffe", None, "hot dog", "hot dog", "hot dog", None,
    ]  # fmt: skip
    assert named(["a", " ", "cat"], ["cat"]) == [None, None, "cat"]


def test_what_is_not_in_the_picture_is_not_named():
    assert named(["cat", " horse"], ["cat"]) == ["cat", None]
    assert named(["cat"], []) == [None]


def test_a_payload_tells_it_of_every_method():
    runs = [fakes.run(method, words=("cat", " and", " dogs", "")) for method in (clvs.Vanilla(), clvs.CLVS())]
    for method in fakes.payload(runs)["methods"]:
        assert [token.get("names") for token in method["tokens"]] == ["cat", None, "dog", None]
    assert not any("names" in token for token in fakes.payload()["methods"][0]["tokens"])


def test_objects_that_come_after_the_answer_are_named_too():
    runs = [fakes.run(clvs.Vanilla(), words=("cat", ""))]
    views = runs[0].trace.views
    cat = fakes.box_object("cat", views, 0, 0, 8, 8)
    whole = add(fakes.payload(runs, objects=[]), see([cat], views), on=["cat"])
    assert [token.get("names") for token in whole["methods"][0]["tokens"]] == ["cat", None]
