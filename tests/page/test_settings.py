"""What a page is told of each method: controls, ranges, what is usual, why a model cannot run one."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clvs_core.errors import ClvsError
from clvs_core.methods import METHODS, Method, Target, load_method, method, spec
from clvs_core.methods.settings import KINDS, explicit, schema, unset
from clvs_core.models.registry import CARDS, ModelCard
from tests.page.fake import FakeModel
from viz.page import main
from viz.page.desks import Desks
from viz.page.models import Models
from viz.page.session import Session

GAIN = Path(__file__).resolve().parents[2] / "docs/examples/gain.py"
LISTS = {"var": {"dims": (3, 11)}, "adhh": {"heads": ((2, 1), (4, 0))}}  # settings without which they cannot run


def card(settings=None, family="llava"):
    return ModelCard("tiny", "Tiny", "", family, settings or {})


def of(name, settings=None, layers=8):
    return schema(METHODS[name], card(settings), layers)


def fields(found):
    return {entry["name"]: entry for entry in found["fields"]}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("layers", [None, 8, 40])
def test_every_setting_has_a_control_with_a_name_a_range_and_a_sentence(name, layers):
    found = of(name, LISTS, layers)
    json.dumps(found, allow_nan=False)
    assert {*fields(found), "preset"} == {f.name for f in dataclasses.fields(METHODS[name])}
    assert found["reason"] == ""
    for entry in found["fields"]:
        assert entry["kind"] in KINDS
        assert entry["label"]
        assert entry["about"].endswith(".")
        assert len(entry["hint"]) <= 22
        if entry["kind"] in ("number", "integer"):
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["step"] > 0
        if entry["main"]:
            assert entry["hint"]
    assert 1 <= sum(entry["main"] for entry in found["fields"]) <= 3 or name == "vanilla"


@pytest.mark.parametrize("name", METHODS)
def test_ends_of_every_range_are_settings_that_the_method_takes(name):
    for entry in of(name, LISTS)["fields"]:
        for end in ("low", "high"):
            if entry["kind"] in ("number", "integer", "layer"):
                METHODS[name](**{entry["name"]: entry[end]}).resolve(Target("Tiny", 8, 4, 64, LISTS))


def test_what_is_usual_is_the_cards_or_else_the_methods_own():
    settings = {"clvs": {"alpha": 0.6, "beta": 0.9, "first_check": 3}}
    found = fields(of("clvs", settings))
    names = ("alpha", "beta", "gamma", "first_check", "early_termination")
    assert [found[name]["value"] for name in names] == [0.6, 0.9, 0.5, 3, True]
    assert [found[name]["paper"] for name in names] == [0.8, 0.8, 0.5, 5, True]
    assert type(found["early_termination"]["value"]) is bool


def test_what_depends_on_a_depth_that_is_not_known_is_left_open():
    found = fields(of("clvs", layers=None))
    assert (found["first_check"]["value"], found["first_check"]["high"]) == (None, None)
    assert fields(of("clvs", {"clvs": {"first_check": 3}}, None))["first_check"]["value"] == 3
    assert fields(of("vaf", layers=None))["layers"]["value"] is None
    assert fields(of("vaf"))["layers"]["value"] == [2, 3]
    assert fields(of("pai", layers=None))["start_layer"]["value"] == 2
    assert fields(of("clvs"))["first_check"]["value"] == 5


def test_a_method_that_cannot_run_says_why_and_still_has_its_settings():
    found = of("adhh")
    assert "needs a list of heads, and none is known for Tiny" in found["reason"]
    assert fields(found)["threshold"]["value"] == 0.5
    given = of("adhh", LISTS)
    assert given["reason"] == ""
    assert fields(given)["heads"]["value"] == "2-1/4-0"
    assert of("var", LISTS)["fields"][-2]["value"] == "3/11"


def test_only_a_noised_picture_has_to_be_looked_at_again():
    assert {name for name in METHODS if of(name, LISTS)["noised"]} == {"vcd"}


@pytest.mark.parametrize("text", [
    "vanilla", "clvs:alpha=0.7,first_check=3,early_termination=false", "var:dims=3/11", "adhh:heads=2-1/4-0",
    "adhh:threshold=0.4,heads=3-1", "vaf:layers=1-2", "tarac:layers=9-15", "vcd:seed=5",
])  # fmt: skip
def test_what_a_spec_sets_reads_back(text):
    chosen = method(text)
    parts = [f"{name}={_written(value)}" for name, value in explicit(chosen).items()]
    assert spec(chosen) == chosen.name + (":" + ",".join(parts) if parts else "")


def _written(value):
    return "-".join(map(str, value)) if isinstance(value, list) else str(value).lower()


@dataclass(frozen=True)
class Bare(Method):
    """Nothing said but types and defaults."""

    name = "bare"
    label = "Bare"

    share: float = 0.3
    size: float = 40.0
    below: float = -3.0
    often: int = 7
    on: bool = True
    perhaps: float | None = None
    pair: tuple[int, ...] = (1, 2)
    word: str = "no spec can say this"
    endless: float = math.inf


def test_fields_without_metadata_get_controls_from_type_and_default():
    found = fields(schema(Bare, None, 8))
    kinds = {name: entry["kind"] for name, entry in found.items()}
    assert kinds == {
        "share": "number", "size": "number", "below": "number", "often": "integer", "on": "switch",
        "perhaps": "number", "pair": "list", "endless": "number",
    }  # fmt: skip
    ranges = {name: (entry["low"], entry["high"]) for name, entry in found.items() if entry["step"]}
    assert ranges == {
        "share": (0, 1), "size": (0, 100), "below": (-10, 10), "often": (0, 10), "perhaps": (0, 1), "endless": (0, 1),
    }  # fmt: skip
    assert [name for name, entry in found.items() if entry["main"]] == ["share", "size", "below"]
    assert (found["size"]["label"], found["pair"]["value"], found["endless"]["value"]) == ("Size", "1/2", None)


@dataclass(frozen=True)
class Needy(Method):
    """Has to be told something."""

    name = "needy"
    label = "Needy"

    strength: float


def test_a_method_without_defaults_cannot_be_picked():
    sentence = "Needy has no usual strength; give its fields a default."
    assert schema(Needy, card(), 8)["reason"] == sentence
    with pytest.raises(ValueError, match=sentence):
        unset(Needy)


@pytest.mark.parametrize(("metadata", "told"), [
    ({"label": 5}, "metadata of the wrong kind"),
    ({"low": "0"}, "metadata of the wrong kind"),
    ({"high": math.inf}, "metadata of the wrong kind"),
    ({"low": 1, "high": 1}, "has no range"),
    ({"step": 0}, "has no range"),
])  # fmt: skip
def test_metadata_that_make_no_sense_are_told(metadata, told):
    cls = dataclasses.make_dataclass(
        "Odd", [("s", float, field(default=0.5, metadata=metadata))], bases=(Method,), frozen=True
    )
    with pytest.raises(ValueError, match=told) as caught:
        schema(cls, None, 8)
    assert str(caught.value).count(".") == 1


def test_a_method_of_ones_own_stands_beside_the_others(registry, library, first_answer):
    assert main.parse(["--method", str(GAIN), "--method", str(GAIN)]).method == [str(GAIN)] * 2
    main.offer_method(str(GAIN))
    main.offer_method(str(GAIN))  # once more is no harm
    models = Models(load=lambda name, **settings: FakeModel())
    desks, session = Desks(models, library, first_answer), Session()
    found = desks.choosing.picker("scenes", ["vanilla", "gain:strength=2"])
    own = found["methods"][-1]
    assert (own["name"], own["label"], own["reason"]) == ("gain", "Gain", "")
    strength, start_layer = own["fields"]
    assert (strength["label"], strength["high"], strength["main"], strength["value"]) == ("Strength", 4, True, 1.5)
    assert (start_layer["kind"], start_layer["high"]) == ("layer", 7), "this model has 8 layers"
    path = str(library.named("street").path)
    last = list(
        desks.answering.run(
            session, session.begin(), path, "Is there a dog?", "scenes", ["gain:strength=2"], 16, "chat"
        )
    )[-1]
    assert (last["error"], last["methods"][0]["spec"]) == ("", "gain:strength=2")
    assert "method=gain:strength=2&alone=1" in last["link"]


@pytest.mark.parametrize(("code", "told"), [
    ("1/0", "cannot be run"),
    ("x = 1", "defines 0 methods"),
    ("from dataclasses import dataclass, field\nfrom clvs_core.methods import Method\n@dataclass(frozen=True)\n"
     "class Odd(Method):\n    name = 'odd'\n    s: float = field(default=1.0, metadata={'low': 2, 'high': 1})\n",
     "has no range"),
])  # fmt: skip
def test_a_wrong_file_ends_the_command_with_one_sentence(registry, capsys, tmp_path, code, told):
    path = tmp_path / "mine.py"
    path.write_text(code)
    assert main.main(["--method", str(path)]) == main.EXIT_INPUT
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
    with pytest.raises(ClvsError):
        main.offer_method(str(path))


def test_every_models_page_can_be_made():
    for card in CARDS.values():
        for cls in METHODS.values():
            found = schema(cls, card, None)
            assert found["reason"] == "" or cls.name in ("var", "adhh")


def test_gain_is_the_documented_example(registry):
    assert spec(load_method(GAIN)(strength=2)) == "gain:strength=2"
