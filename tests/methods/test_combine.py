"""Several methods as one, against literal readings of both in the order in which they work; float64, to nine digits."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Combine, Method, MethodError, Vanilla, method
from clvs_core.methods import spec
from clvs_core.methods.base import NoisedPicture, NoPicture, Target

from ..engine.reference import StockReference
from ..engine.test_families import PICTURE
from .test_contrast import assert_contrast_is_recorded, assert_same_logits, beside, prompted, share
from .test_methods_literal import HEADS, QUESTIONS, STEPS, assert_equal, double, settings, watchful_adhh

# One of each kind: plain, M-RoPE, deepstack, tiles with text between them, windows that cut the picture in two.
FAMILIES = ["llava", "llava_next_llama3", "qwen2_5_vl", "qwen3_vl", "idefics3", "gemma3_half"]
SMOOTHED = CLVS(alpha=0.6, beta=0.7, gamma=0.5, first_check=1)
LATE = CLVS(alpha=0.4, beta=0.5, gamma=0, first_check=1, unified_positions=False)
EARLY = VAF(enhance=1.3, suppress=0.8, layers=(0, 2))  # layer 0, in which CLVS has unified positions
RAISED = PAI(alpha=0.8, gamma=1, start_layer=0)
NAMES = [
    "pai+clvs",
    "pai+clvs-contrast",
    "vaf+clvs",
    "vaf+pai+clvs",
    "var+clvs",
    "var+adhh",
    "vaf+var",
    "clvs+adhh",
    "tarac+adhh",
    "vaf+var+tarac+adhh",
    "vcd+clvs",
    "vcd+vaf",
    "vcd+var",
]


@functools.cache
def chosen(family):
    """By name, each on one of the two questions; what VAR and AD-HH act on is chosen from what the model does."""
    var, tarac = (settings(family)[name][0] for name in ("var-0", "tarac-0"))

    def with_adhh(name, *others):
        return Combine(watchful_adhh(family, index_of(name), HEADS[1], *others), *others)

    found = [
        Combine(SMOOTHED, RAISED),
        Combine(PAI(alpha=0.8, gamma=2), LATE),
        Combine(EARLY, SMOOTHED),
        Combine(SMOOTHED, EARLY, RAISED),
        Combine(var, LATE),
        with_adhh("var+adhh", var),
        Combine(var, EARLY),
        with_adhh("clvs+adhh", SMOOTHED),
        with_adhh("tarac+adhh", tarac),
        with_adhh("vaf+var+tarac+adhh", tarac, EARLY, var),
        Combine(SMOOTHED, VCD(noise_step=999)),
        Combine(EARLY, VCD(noise_step=700, beta=0)),
        Combine(var, VCD(seed=3, noise_step=900)),
    ]
    return dict(zip(NAMES, found, strict=True))


def index_of(name):
    return NAMES.index(name) % 2


@functools.cache
def answers(family):
    """Both questions with every combination and its parts alone, in one batch."""
    combined = list(chosen(family).values())
    parts = list(dict.fromkeys(part for found in combined for part in found.parts))
    runs = double(family).open_image(PICTURE).ask(QUESTIONS, [Vanilla(), *combined, *parts], STEPS, keep_logits=True)
    named = {name: runs[index_of(name)][i + 1] for i, name in enumerate(NAMES)}
    alone = [{part: row[1 + len(NAMES) + i] for i, part in enumerate(parts)} for row in runs]
    return named, alone


@functools.cache
def expected(family, name):
    model, found = double(family), chosen(family)[name]
    question = QUESTIONS[index_of(name)]
    contrast = next((part for part in found.parts if part.contrasted()), None)
    other = None if contrast is None else beside(model, contrast, question)
    reading = StockReference(model.hf, prompted(model, question), found, other)
    return reading, reading.run(STEPS)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_literal_reading_of_both(family, name):
    run, (_, rows) = answers(family)[0][name], expected(family, name)
    recorded = [*chosen(family)[name].records]
    assert_equal(run, rows, recorded)
    if rows[0].other is not None:
        assert_same_logits(run, rows)
        assert_contrast_is_recorded(run, rows, double(family).tokenizer)
    if "clvs" in name:
        np.testing.assert_allclose(run.trace.uncertainty, [row.uncertainty for row in rows], rtol=0, atol=1e-9)
        assert run.trace.stop_layer.tolist() == [row.stop for row in rows]
    for unused in {"memory", "accumulation", "sinks", "acted_heads"} - set(recorded):
        assert getattr(run.trace, unused) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_part_counts(family, name):
    """No combination says what it would say with a part left out."""
    run = answers(family)[0][name]
    for part in chosen(family)[name].parts:
        alone = answers(family)[1][index_of(name)][part]
        assert np.abs(share(run.logits) - share(alone.logits)).max() > 1e-6, spec(part)


@pytest.mark.parametrize("name", ["var+clvs", "clvs+adhh", "tarac+adhh"])
def test_another_order_would_say_something_else(name):
    """VAR before CLVS and AD-HH after both: readings that swap them differ, so the order is part of what is proven."""
    family = "qwen2_5_vl"
    model, found = double(family), chosen(family)[name]
    other = StockReference(model.hf, prompted(model, QUESTIONS[index_of(name)]), found)
    other.readings.reverse()
    for reading in other.readings:
        reading.before_memory = not reading.before_memory
    rows, run = other.run(1), answers(family)[0][name]
    assert np.abs(rows[0].logits - run.logits[0]).max() > 1e-6 * run.logits[0].std()


def test_both_parts_that_record_the_same_are_recorded(family):
    """Heads in which VAR gave the sinks' weight away, and heads that AD-HH silenced."""
    acted = answers(family)[0]["var+adhh"].trace.acted_heads
    listed = {tuple(pair) for pair in chosen(family)["var+adhh"].methods[1].heads}
    places = set(map(tuple, np.argwhere(acted.any(0)).tolist()))
    assert places & listed
    assert places - listed, "VAR acts on heads that are not on AD-HH's list"


CONTRADICTIONS = [
    ([CLVS(), TARAC()], "CLVS and TARAC both carry a vision memory, of which there can be only one; leave one out."),
    ([TARAC(), PAI(), CLVS()], "carry a vision memory"),
    ([VCD(), PAI()], "PAI and VCD both contrast the answer with another one, of which there can be only one"),
    ([VCD(), VCD(seed=1)], "VCD is given twice"),
    ([CLVS(), CLVS()], "CLVS is given twice; combine it with other methods, once."),
    ([VAF(), Combine(CLVS(), VAF(enhance=1.2))], "VAF is given twice"),
    ([Vanilla(), CLVS()], "Vanilla edits nothing, so it cannot be combined; leave it out."),
    ([CLVS()], "Combine takes at least two methods"),
    ([], "Combine takes at least two methods"),
    ([CLVS(), "pai"], "Combine takes at least two methods"),
]


@pytest.mark.parametrize(("parts", "words"), CONTRADICTIONS, ids=lambda x: x if isinstance(x, str) else None)
def test_contradictions_are_refused_in_one_sentence(parts, words):
    with pytest.raises(ValueError, match=words.replace(".", r"\.")) as error:
        Combine(*parts)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
    if len(parts) > 1 and all(isinstance(part, Method) and len(part.parts) == 1 for part in parts):
        with pytest.raises(ValueError, match=words.replace(".", r"\.")):
            method("+".join(map(spec, parts)))


def test_pai_without_its_contrast_goes_with_vcd():
    assert Combine(VCD(), PAI(gamma=1)).contrasted() == NoisedPicture(500, 0)
    assert Combine(VAF(), PAI()).contrasted() == NoPicture()
    assert Combine(VAF(), CLVS()).contrasted() is None


def test_two_methods_of_one_s_own_that_both_read_hidden_states():
    class Reader(Method):
        name, label = "reader", "Reader"

        def reading(self):
            return lambda hidden: hidden[:, 0]

    with pytest.raises(MethodError, match="Two of the combined methods read hidden states, which only one can"):
        Combine(VAR(dims=(0,)), Reader()).reading()


def test_the_order_given_does_not_matter():
    parts = [VAF(), PAI(gamma=1), VAR(), CLVS(), ADHH(), VCD()]
    for some in itertools.permutations(parts, 3):
        assert len({Combine(*order) for order in itertools.permutations(some)}) == 1
    assert [type(part) for part in Combine(*reversed(parts)).parts] == [type(part) for part in parts]
    assert [type(part) for part in Combine(ADHH(), TARAC(), VAR()).parts] == [VAR, TARAC, ADHH]
    assert Combine(Combine(CLVS(), PAI()), VAF()) == Combine(VAF(), PAI(), CLVS())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pai:alpha=0.2+clvs:alpha=0.7", Combine(PAI(alpha=0.2), CLVS(alpha=0.7))),
        ("clvs:alpha=0.7 + PAI:alpha=0.2", Combine(PAI(alpha=0.2), CLVS(alpha=0.7))),
        ("vaf+clvs", Combine(VAF(), CLVS())),
        ("adhh:heads=1-2/3-4+var:dims=1/2", Combine(VAR(dims=(1, 2)), ADHH(heads=((1, 2), (3, 4))))),
        ("vcd:alpha=1e+0+clvs", Combine(VCD(), CLVS())),
        ("pai:alpha=1e-05+tarac:layers=2-3", Combine(PAI(alpha=1e-5), TARAC(layers=(2, 3)))),
    ],
)
def test_strings_join_methods(text, expected):
    assert method(text) == expected
    assert method(spec(expected)) == expected
    assert "+".join(map(spec, expected.parts)) == spec(expected)


def test_what_a_combination_says_about_itself():
    found = Combine(CLVS(gamma=0.3, first_check=2), VAF(layers=(1, 2)), ADHH(heads=((3, 0),)), VAR(dims=(0,)))
    assert found.name == "vaf+var+clvs+adhh"
    assert found.label == "VAF + VAR + CLVS + AD-HH"
    assert found.records == ("sinks", "acted_heads", "memory")
    assert found.touched(4) == (0, 3)
    assert Combine(VAF(layers=(1, 2)), ADHH(heads=((3, 0),))).touched(4) == (1, 3)
    assert Combine(VCD(), PAI(gamma=1, start_layer=4)).touched(4) is None
    assert found.termination() == (0.3, 2)
    assert Combine(VAF(), VCD()).termination() == (None, None)
    assert found.on_questions() == Combine(VAF(layers=(1, 2)), VAR(dims=(0,)))
    assert Combine(CLVS(), VAF()).on_questions() == VAF()
    assert Combine(CLVS(), PAI()).on_questions() is None


def test_resolving_fills_every_part():
    card = {"clvs": {"beta": 0.7}, "var": {"dims": (1,)}}
    found = Combine(CLVS(), VAR(), VAF()).resolve(Target("A model", 4, 4, 8, card))
    assert found == Combine(CLVS(beta=0.7, first_check=3), VAR(dims=(1,)), VAF(layers=(1, 1)))
