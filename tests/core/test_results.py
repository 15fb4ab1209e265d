"""What runs say as JSON: read off a run in one place, for the command line, the endpoints and downloads."""

import re
from pathlib import Path

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core import results
from clvs_core.key_objects import gains, key_object_attention, object_curves, relative_gain
from tests import viewer_fakes

ROOT = Path(clvs.__file__).parents[1]


@pytest.fixture(scope="module")
def runs():
    image = clvs.load_model("scenes").open_image(ROOT / "assets/scenes/kite-weather.jpg")
    specs = ("vanilla", "clvs", "vcd", "adhh:heads=2-1/3-0", "var:dims=3/11,tau=1")
    return image.ask("Where is the kite?", list(map(clvs.method, specs)), max_new_tokens=3)


def test_facts_are_what_the_trace_has(runs):
    for run in runs:
        facts, trace = results.facts(run), run.trace
        assert clvs.method(facts["method"]) == run.method
        assert [token["id"] for token in facts["tokens"]] == [token.id for token in run.tokens]
        np.testing.assert_array_equal(np.array(facts["uncertainty"], dtype=float), trace.uncertainty)
        for name in ("sinks", "acted_heads"):
            flags = getattr(trace, name)
            assert (name in facts) == (flags is not None)
            where = [[s, n, i] for s, step in enumerate(facts.get(name, ())) for n, row in enumerate(step) for i in row]
            assert flags is None or where == np.argwhere(flags).tolist()


def test_a_contrast_has_the_same_words_and_shares(runs):
    facts, trace = results.facts(runs[2]), runs[2].trace
    assert [[word["text"] for word in step] for step in facts["contrast"]] == trace.contrast_words
    shares = [
        [[word[name] for word in step] for name in ("picture", "contrast", "outcome")] for step in facts["contrast"]
    ]
    np.testing.assert_array_equal(np.array(shares), trace.contrast_probabilities.astype(float))


def test_gains_are_against_vanilla_at_the_tokens_that_both_have():
    traces = [run.trace for run in viewer_fakes.pair()]
    cover = np.linspace(0, 1, traces[0].attention.shape[-1])
    vanilla, clvs_curve = object_curves(traces, cover)
    np.testing.assert_array_equal(clvs_curve.attention, key_object_attention(traces[1], cover))
    expected = relative_gain(clvs_curve.attention[0], vanilla.attention[0])
    np.testing.assert_array_equal(clvs_curve.gain(0).unclipped, expected.unclipped)
    nothing, drawn = gains([vanilla, clvs_curve], 0)
    assert nothing is None
    np.testing.assert_array_equal(drawn, expected.unclipped)
    assert clvs_curve.gain(len(clvs_curve.attention)) is None
    assert object_curves(traces[1:], cover)[0].gain(0) is None


@pytest.mark.parametrize("told", [r"\brelative_gain\(", r'"stop_layer": .*trace'])
def test_no_other_file_reads_this_off_a_run(told):
    files = [*ROOT.glob("clvs_core/**/*.py"), *ROOT.glob("viz/**/*.py")]
    places = [file.name for file in files if re.search(told, file.read_text(encoding="utf-8"))]
    assert set(places) <= {"curves.py", "results.py", "trace.py"}
