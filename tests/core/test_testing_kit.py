"""The kit for authors of methods: the built-in methods and the guide's example pass, and each mistake is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import clvs_core as clvs
from clvs_core.methods import METHODS, Editor, Method, load_method, method, spec
from clvs_core.testing import MethodCheckError, check_method

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "gain.py"


@pytest.fixture(scope="module")
def model():
    return clvs.load_model("scenes", dtype="float64")


@pytest.fixture
def gain():
    yield load_method(EXAMPLE)
    del METHODS["gain"]


HEADS = ((3, 1), (5, 2))
SINKS = {"dims": (0, 1, 2, 3), "tau": 1.5}
PAIRS = [
    (clvs.CLVS(gamma=0.25), clvs.CLVS(alpha=1, unified_positions=False)),
    (clvs.VCD(), clvs.VCD(alpha=0, beta=0)),
    (clvs.PAI(), clvs.PAI(alpha=0, gamma=1)),
    (clvs.VAR(**SINKS), clvs.VAR(p=1, **SINKS)),
    (clvs.ADHH(threshold=0.1, heads=HEADS), clvs.ADHH(threshold=2, heads=HEADS)),
    (clvs.VAF(), clvs.VAF(enhance=1, suppress=1)),
    (clvs.TARAC(), clvs.TARAC(beta=0)),
]


@pytest.mark.parametrize(("given", "neutral"), PAIRS, ids=[given.name for given, _ in PAIRS])
def test_the_built_in_methods_pass(model, given, neutral):
    told = check_method(given, neutral, sums_to_one=given.name != "adhh", model=model)
    assert len(told) == 4


def test_the_guide_s_example_passes_and_works_in_strings(model, gain):
    check_method(gain(strength=2), gain(strength=1), model=model)
    assert spec(method("gain:strength=2")) == "gain:strength=2"
    combined = method("gain:strength=2+clvs")
    check_method(combined, model=model)
    image = model.open_image("assets/scenes/kite-weather.jpg")
    plain, more = image.ask("Where is the kite?", [clvs.Vanilla(), gain(strength=2, start_layer=4)], 1)
    assert abs(plain.trace.attention - more.trace.attention)[0, :4].max() < 1e-12
    before, after = (x[0, 4:].sum(-1) for x in (more.trace.original, more.trace.attention))
    assert abs(after - 2 * before / (1 + before)).max() < 1e-12


class Broken(Editor):
    def __init__(self, edit):
        self.edit = edit

    def weights(self, layer, weights, keys):
        return self.edit(layer, weights, keys)


def broken(edit):
    @dataclass(frozen=True)
    class Mine(Method):
        name = "mine"
        label = "Mine"
        stage = "weights"

        @classmethod
        def editor(cls, methods, device, dtype):
            return Broken(edit)

    return Mine()


def writes(layer, weights, keys):
    weights[..., keys.visual] *= 1
    weights[..., 0] += 1e-3
    return weights


MISTAKES = {
    "writes to what it was given": writes,
    "sum to something else": lambda layer, weights, keys: weights * 1.1,
    "negative": lambda layer, weights, keys: weights - 1e-3 + 0 * layer,
    "not finite": lambda layer, weights, keys: weights * torch.nan,
    "not the same when it is made again": lambda layer, weights, keys: weights + 1e-13 * torch.rand(1).double(),
    "needs gradients": lambda layer, weights, keys: weights * torch.ones(1, dtype=weights.dtype, requires_grad=True),
    "changes the shape": lambda layer, weights, keys: weights[:, :1],
    "changes torch.float64": lambda layer, weights, keys: weights.float(),
    "Its weights edit fails \\(ZeroDivisionError: division by zero\\); correct it.": lambda layer, weights, keys: 1 / 0,
    "Its weights edit fails \\(AttributeError": lambda layer, weights, keys: weights.nonsense,
    "Its weights edit returns NoneType; return a tensor": lambda layer, weights, keys: None,
    "depends on the other branches": lambda layer, weights, keys: weights.roll(1, 1) if len(weights) > 1 else weights,
}


@pytest.mark.parametrize("words", MISTAKES)
def test_each_mistake_is_named(model, words):
    with pytest.raises(MethodCheckError, match=words):
        check_method(broken(MISTAKES[words]), model=model)


def test_neutral_settings_that_change_something_and_edits_that_never_run(model, gain):
    with pytest.raises(MethodCheckError, match="With neutral settings its answer differs"):
        check_method(gain(strength=2), gain(strength=1.5), model=model)
    with pytest.raises(MethodCheckError, match="was ever called"):
        check_method(Silent(), model=model)
    with pytest.raises(MethodCheckError, match="float64"):
        check_method(clvs.CLVS(), model=clvs.load_model("scenes"))


class Noisy(Editor):
    """Edits the layers from `first` on, and records what it is told to."""

    def __init__(self, first, records):
        self.first, self.records = first, records

    def weights(self, layer, weights, keys):
        self.seen = weights
        return weights.flip(-1) if layer >= self.first else weights

    def recorded(self, layer):
        kept = {"memory": self.seen[..., 1:145].amax(1), "acted_heads": self.seen[..., 0] > 0, "mood": self.seen}
        return {name: kept[name] for name in self.records}


def noisy(first=0, records=(), **said):
    @classmethod
    def editor(cls, methods, device, dtype):
        return Noisy(first, records)

    return dataclass(frozen=True)(
        type("Mine", (Method,), {"name": "mine", "label": "Mine", "editor": editor, **said})
    )()


UNSAID = {
    "edits weights, but names no layer; set its stage to 'weights'": noisy(),
    "edits weights, but names no layer": noisy(stage="logits"),
    "changes layer 2, which is not among those that touched\\(\\) names, \\(3, 11\\)": noisy(
        2, stage="weights", touched=lambda self, layers: (3, layers - 1)
    ),
    "records 'acted_heads', which its `records` does not name": noisy(stage="weights", records=("acted_heads",)),
    "records 'mood', of which traces know nothing; choose among memory": noisy(stage="weights", records=("mood",)),
}


@pytest.mark.parametrize("words", UNSAID)
def test_what_a_method_does_and_does_not_say_is_named(model, words):
    with pytest.raises(MethodCheckError, match=words):
        check_method(UNSAID[words], model=model)


def test_what_is_recorded_and_not_named_is_one_sentence_of_the_engine_s_too(model):
    image = model.open_image("assets/scenes/kite-weather.jpg")
    with pytest.raises(clvs.MethodError, match=r"^Mine records 'acted_heads'; name it in its `records`, too\.$"):
        image.ask("Where is the kite?", [clvs.ADHH(heads=HEADS), noisy(stage="weights", records=("acted_heads",))], 1)


def test_a_contrast_that_never_comes_is_named(model):
    class Contrast(Editor):
        def contrast(self, logits, other):
            return logits - other

    said = {"name": "mine", "label": "Mine", "editor": classmethod(lambda cls, methods, device, dtype: Contrast())}
    with pytest.raises(
        MethodCheckError, match=r"ever called; return NoPicture\(\) or NoisedPicture\(\) from contrasted"
    ):
        check_method(dataclass(frozen=True)(type("Mine", (Method,), said))(), model=model)


@pytest.mark.parametrize("stage", ["", "logits", "weights"])
@pytest.mark.parametrize("beside", [[], [clvs.CLVS()]], ids=["alone", "beside another"])
def test_the_attention_before_an_edit_is_kept_whatever_a_method_says(model, stage, beside):
    image = model.open_image("assets/scenes/kite-weather.jpg")
    vanilla = image.ask("Where is the kite?", [clvs.Vanilla()], 1)[0].trace
    for given in (noisy(11, stage=stage), clvs.Combine(noisy(11, stage=stage), clvs.VCD())):
        trace = image.ask("Where is the kite?", [given, *beside], 1)[0].trace
        assert trace.original is not trace.attention
        assert abs(trace.original - vanilla.attention).max() < 1e-12
        assert abs(trace.attention - vanilla.attention)[0, 11].max() > 1e-3
    assert vanilla.original is vanilla.attention


@dataclass(frozen=True)
class Silent(Method):
    name = "silent"
    label = "Silent"
    stage = "weights"


FILES = {
    "gone.py": (None, "no method file"),
    "empty.py": ("x = 1\n", "defines 0 methods"),
    "fails.py": ("1 / 0\n", "ZeroDivisionError"),
    "taken.py": ("from clvs_core.methods import Method\nclass M(Method):\n    name = 'clvs'\n", "already"),
    "odd.py": ("from clvs_core.methods import Method\nclass M(Method):\n    name = 'My Method'\n", "small letters"),
}


@pytest.mark.parametrize("name", FILES)
def test_wrong_files_are_one_sentence(tmp_path, name):
    content, words = FILES[name]
    if content is not None:
        (tmp_path / name).write_text(content)
    before = dict(METHODS)
    with pytest.raises(ValueError, match=words):
        load_method(tmp_path / name)
    assert before == METHODS


@pytest.mark.parametrize("given", [clvs.CLVS, "clvs", None], ids=str)
def test_what_is_no_method_with_settings_is_told(given):
    with pytest.raises(MethodCheckError, match="A method with its settings is checked, such as Mine"):
        check_method(given)
