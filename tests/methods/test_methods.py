"""The methods' settings, their strings, and their editors: which rows, layers and branches each of them touches."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, ClvsError, Combine, Method, MethodError, Vanilla, method
from clvs_core.methods import METHODS, load_method, spec
from clvs_core.methods.base import RECORDS, Keys, NoisedPicture, NoPicture, PaperLayers, Target
from clvs_core.models.positions import rerotate, unified_positions
from clvs_core.trace import Trace
from tests import tiny
from tests.close import assert_close

# Two heads; keys are two prefix tokens, three visual tokens, one text token.
ROWS = torch.tensor([[[0.30, 0.10, 0.05, 0.25, 0.10, 0.20], [0.50, 0.05, 0.02, 0.03, 0.30, 0.10]]], dtype=torch.float64)
KEYS = Keys(slice(0, 2), slice(2, 5), slice(5, 6))


def editor(*settings):
    return type(settings[0]).editor(settings, torch.device("cpu"), torch.float64)


def test_an_index_works_where_a_slice_does():
    index = dataclasses.replace(KEYS, visual=torch.tensor([2, 3, 4]), reading=torch.tensor([[9, 0, 0, 9, 0, 0.0]]))
    keys = dataclasses.replace(KEYS, reading=index.reading)
    chosen = [CLVS(beta=0.6, first_check=1), TARAC(layers=(0, 2)), VAR(tau=5, dims=(0,)), VAF(layers=(0, 2)), PAI()]
    for settings in [*chosen, ADHH(threshold=0.1, heads=((1, 0), (2, 1)))]:
        changed = False
        ours, theirs = editor(settings), editor(settings)
        for layer in range(3):
            for name in ("scores", "weights"):
                a, b = getattr(ours, name)(layer, ROWS, keys), getattr(theirs, name)(layer, ROWS, index)
                assert_close(a, b)
                changed |= not torch.equal(a, ROWS)
        assert changed, settings


def test_each_branch_of_clvs_has_its_own_memory_and_stop():
    settings = [CLVS(alpha=0.5, beta=0.5, gamma=g, first_check=0) for g in (0.2, 0.9)]
    both = editor(*settings)
    rows = ROWS.expand(2, -1, -1)
    both.weights(0, rows, KEYS)
    assert both.observe(0, torch.tensor([0.5, 0.5])).tolist() == [False, True]
    assert both.active.tolist() == [True, False]
    used = both.weights(1, rows * 1.0, KEYS)
    assert not torch.equal(used[0], rows[0])
    assert torch.equal(used[1], rows[1])
    assert both.recorded(1)["memory"].isnan().all(-1).tolist() == [False, True]
    both.begin()
    assert both.active.tolist() == [True, True]
    assert both.memory is None


def test_each_branch_of_tarac_has_its_own_layers_and_mean_which_lasts_from_token_to_token():
    settings = [TARAC(alpha=0.5, beta=0.5, layers=(1, 2)), TARAC(alpha=0.9, beta=2, layers=(2, 3))]
    both, rows = editor(*settings), ROWS.expand(2, -1, -1)
    for token in range(2):
        both.begin()
        seen = rows.roll(token, -1)  # the second token looks elsewhere
        for layer in range(5):
            used = both.weights(layer, seen, KEYS)
            for row, s in enumerate(settings):
                inside = s.layers[0] <= layer <= s.layers[1]
                assert torch.equal(used[row], seen[row]) is not inside
                kept = both.recorded(layer).get("accumulation")
                assert (kept is None or bool(kept[row].isnan().all())) is not inside
                if inside:
                    peak = [r[0, :, 2:5].amax(0) for r in (ROWS, ROWS.roll(1, -1))]
                    expected = peak[0] if token == 0 else s.alpha * peak[1] + (1 - s.alpha) * peak[0]
                    torch.testing.assert_close(kept[row], expected)


def test_layers_and_heads_outside_a_method_s_own_are_left_alone():
    scores = torch.randn(2, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for settings in ((VAF(layers=(1, 1)), VAF(layers=(2, 3))), (PAI(start_layer=1), PAI(start_layer=3))):
        both = editor(*settings)
        for layer in range(5):
            used = both.scores(layer, scores, KEYS)
            for row, s in enumerate(settings):
                first, last = s.touched(5)
                assert torch.equal(used[row], scores[row]) is not (first <= layer <= last)
    both = editor(ADHH(threshold=0, heads=((1, 0), (3, 1))), ADHH(threshold=0, heads=((2, 1),)))
    rows = ROWS.expand(2, -1, -1)
    for layer, expected in enumerate([[], [(0, 0)], [(1, 1)], [(0, 1)], []]):
        used = both.weights(layer, rows, KEYS)
        changed = {(row, head) for row, head in itertools.product(range(2), range(2)) if used[row, head, 5] == 0}
        assert changed == set(expected)
        recorded = both.recorded(layer).get("acted_heads")
        assert (recorded is None and not expected) or set(map(tuple, recorded.nonzero().tolist())) == set(expected)


def test_var_finds_its_sinks_by_the_reading_from_the_third_layer_on():
    keys = dataclasses.replace(KEYS, reading=torch.tensor([[21, 0, 0, 20, 20.5, 0], [0, 0, 0, 0, 0, 21.0]]))
    both = editor(VAR(dims=(0,), rho=1, summ=0), VAR(dims=(0,), rho=1, summ=0))
    rows = ROWS.expand(2, -1, -1)
    for layer in (0, 1):
        assert torch.equal(both.weights(layer, rows, keys), rows)
        assert not any(bool(x.any()) for x in both.recorded(layer).values())
    used = both.weights(2, rows, keys)
    assert both.recorded(2)["sinks"].tolist() == [[False, False, True], [False] * 3], "20 is not more than 20"
    assert both.recorded(2)["acted_heads"].tolist() == [[True, True], [False, False]]
    torch.testing.assert_close(used[0][:, [0, 4]], 0.6 * rows[0][:, [0, 4]])
    assert torch.equal(used[1], rows[1])


def test_the_paper_s_words_for_rho_and_p_mean_the_opposite():
    keys = dataclasses.replace(KEYS, reading=torch.tensor([[9, 0, 0, 0, 9, 0.0]]))
    said = editor(VAR(tau=5, dims=(0,), rho=0.7, p=0.6, paper_convention=True)).weights(2, ROWS, keys)
    done = editor(VAR(tau=5, dims=(0,), rho=1 - 0.7, p=1 - 0.6)).weights(2, ROWS, keys)
    assert torch.equal(said, done)
    assert not torch.equal(said, editor(VAR(tau=5, dims=(0,), rho=0.7, p=0.6)).weights(2, ROWS, keys))


CHOSEN = [
    Vanilla(),
    CLVS(),
    CLVS(alpha=0.7, beta=0.9),
    CLVS(gamma=0.25, early_termination=False, top_k=5),
    VCD(),
    VCD(alpha=0.5, beta=0.2, noise_step=999, seed=2**40),
    PAI(),
    PAI(alpha=0.2, gamma=1, start_layer=0),
    VAR(),
    VAR(tau=12.5, rho=0.8, p=0.4, summ=0.1, dims=(1415, 2533), paper_convention=True),
    VAR(dims=(7,)),
    ADHH(),
    ADHH(threshold=0.4, heads=((16, 29), (26, 9))),
    ADHH(heads=((3, 1),)),
    VAF(),
    VAF(enhance=1.2, suppress=0.9, layers=(8, 15)),
    TARAC(),
    TARAC(alpha=0.1, beta=0.9, layers=(10, 10)),
    Combine(PAI(alpha=0.2), CLVS(alpha=0.7)),
    Combine(ADHH(heads=((0, 1), (2, 3))), VAF(layers=(1, 2)), VAR(dims=(1, 2)), TARAC(), VCD(seed=4)),
]


@pytest.mark.parametrize("chosen", CHOSEN, ids=spec)
def test_strings_and_objects_mean_the_same(chosen):
    assert method(spec(chosen)) == chosen
    assert method(" " + spec(chosen).replace(",", " , ").replace("+", " + ").replace("=", " = ")) == chosen
    assert spec(method(spec(chosen))) == spec(chosen)


def test_strings_are_short_and_read_in_several_ways():
    assert method("clvs:alpha=0.7,beta=0.9") == CLVS(alpha=0.7, beta=0.9)
    assert method(" CLVS: beta = none , unified_positions=False ") == CLVS(unified_positions=False)
    assert [spec(cls()) for cls in METHODS.values()] == list(METHODS)
    assert method("AD-HH:heads=16-29/26-9") == method("ad_hh:heads=16-29/26-9") == ADHH(heads=((16, 29), (26, 9)))
    assert spec(VAF(layers=(3, 5))) == "vaf:layers=3-5"
    assert spec(VAR(dims=(1, 2))) == "var:dims=1/2"
    assert spec(ADHH(heads=((1, 2), (3, 4)))) == "adhh:heads=1-2/3-4"


def test_the_paper_s_layers_written_out_are_another_setting_than_the_paper_s_layers_in_proportion():
    """In a model of another depth they are not scaled."""
    written = method("vaf:layers=9-14")
    assert spec(written) == "vaf:layers=9-14"
    assert isinstance(VAF().layers, PaperLayers)
    assert not isinstance(written.layers, PaperLayers)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clv", "no method"),
        ("", "no method"),
        ("clvs:alhpa=1", "not a setting"),
        ("clvs:alpha", "not a setting"),
        ("clvs:alpha=high", "number"),
        ("clvs:alpha=2", "between 0 and 1"),
        ("clvs:alpha=nan", "alpha"),
        ("clvs:beta=-0.1", "beta"),
        ("clvs:gamma=3", "gamma"),
        ("clvs:top_k=1", "top_k"),
        ("clvs:top_k=2.5", "top_k"),
        ("clvs:first_check=-1", "first_check"),
        ("clvs:unified_positions=3", "unified_positions"),
        ("clvs:alpha=0.1,alpha=0.2", "twice"),
        ("vanilla:alpha=1", "no settings"),
        ("vcd:alpha=-1", "alpha must be a number between 0 and 10"),
        ("vcd:beta=1.1", "beta"),
        ("vcd:noise_step=1000", "noise_step must be a whole number between 0 and 999"),
        ("vcd:noise_step=0.5", "noise_step"),
        ("vcd:seed=-1", "seed"),
        ("pai:alpha=11", "alpha"),
        ("pai:gamma=0.9", "gamma must be a number between 1 and 10"),
        ("pai:start_layer=-1", "start_layer"),
        ("var:tau=-1", "tau must be a number of at least 0"),
        ("var:rho=2", "rho"),
        ("var:p=1.5", "p must be"),
        ("var:summ=true", "summ"),
        ("var:dims=1.5", "dims"),
        ("var:dims=1-9", "dims must be dimensions"),
        ("var:paper_convention=1", "paper_convention must be true or false"),
        ("adhh:threshold=3", "threshold"),
        ("adhh:heads=3", "heads must be pairs"),
        ("adhh:heads=3/4", "heads must be pairs"),
        ("adhh:heads=none/1-2", "heads must be pairs"),
        ("vaf:enhance=-1", "enhance"),
        ("vaf:suppress=11", "suppress"),
        ("vaf:layers=14-9", "layers must be two layers, first and last"),
        ("vaf:layers=3", "layers"),
        ("tarac:alpha=1.1", "alpha"),
        ("tarac:beta=-1", "beta"),
        ("tarac:layers=1/2/3", "layers"),
        ("pai+pay", "no method 'pay'"),
        ("pai+", "no method"),
    ],
)
def test_wrong_strings_name_the_setting(text, words):
    with pytest.raises(ValueError, match=words) as error:
        method(text)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_settings_cannot_be_changed_afterwards():
    for chosen in CHOSEN:
        for field in dataclasses.fields(chosen):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(chosen, field.name, 0.3)


def test_settings_can_be_kept_in_sets():
    assert len({*CHOSEN, *map(method, map(spec, CHOSEN))}) == len(CHOSEN)


def target(layers, **settings):
    return Target("Some model", layers, 4, 64, settings)


# first layer / depth and end / depth as in 32 layers, to the nearest layer
IN_PROPORTION = {
    VAF: {32: (9, 14), 40: (11, 18), 28: (8, 12), 36: (10, 16), 16: (4, 7), 8: (2, 3), 4: (1, 1), 2: (1, 1), 1: (0, 0)},
    TARAC: {32: (9, 15), 40: (11, 19), 28: (8, 13), 36: (10, 17), 16: (4, 7), 8: (2, 3), 4: (1, 1), 2: (1, 1)},
}


@pytest.mark.parametrize("cls", IN_PROPORTION, ids=lambda cls: cls.name)
def test_layers_left_as_they_are_follow_the_depth_and_others_do_not(cls):
    for layers, expected in IN_PROPORTION[cls].items():
        found = cls().resolve(target(layers))
        assert found.layers == found.touched(layers) == expected
        assert method(spec(found)).resolve(target(layers)) == found, "what a trace says about itself is all it needs"
    assert cls(layers=(0, 3)).resolve(target(4)).layers == (0, 3)
    with pytest.raises(ValueError, match=r"layers must lie between 0 and 3 in this model of 4 layers, not 9 to 14"):
        cls(layers=(9, 14)).resolve(target(4))


def test_settings_left_open_come_from_the_model_s_card():
    card = {"adhh": {"heads": ((2, 3),), "threshold": 0.4}, "var": {"dims": (1, 2)}, "clvs": {"beta": 0.7}}
    assert ADHH().resolve(target(4, **card)) == ADHH(threshold=0.4, heads=((2, 3),))
    assert ADHH(threshold=0.5).resolve(target(4, **card)).threshold == 0.5, "written, if to the usual value"
    assert ADHH(heads=((0, 1),)).resolve(target(4, **card)).heads == ((0, 1),)
    assert VAR().resolve(target(4, **card)).dims == (1, 2)
    assert CLVS().resolve(target(4, **card)) == CLVS(beta=0.7, first_check=3)
    both = Combine(ADHH(), CLVS()).resolve(target(4, **card))
    assert both == Combine(ADHH(threshold=0.4, heads=((2, 3),)), CLVS(beta=0.7, first_check=3))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (ADHH(), r"AD-HH needs a list of heads, and none is known for Some model; .*find-heads"),
        (VAR(), r"VAR needs the dimensions .* none are known for Some model; .*find-sinks"),
        (ADHH(heads=((4, 0),)), "layer 4, head 0, but this model has layers 0 to 3"),
        (ADHH(heads=((0, 4),)), "heads 0 to 3"),
        (VAR(dims=(64,)), "dimension 64, but this model's hidden states have 0 to 63"),
        (PAI(start_layer=5), "start_layer, in this model of 4 layers,"),
        (CLVS(first_check=4), "first_check, in this model of 4 layers,"),
        (Combine(CLVS(), ADHH()), "AD-HH needs a list of heads"),
    ],
    ids=str,
)
def test_settings_that_a_model_cannot_have(chosen, words):
    with pytest.raises((ValueError, MethodError), match=words):
        chosen.resolve(target(4, clvs={"beta": 0.8}))


def test_what_editors_may_record_has_a_place_in_a_trace():
    assert set(RECORDS) <= {field.name for field in dataclasses.fields(Trace)}


def test_what_a_method_says_about_itself():
    for name, cls in METHODS.items():
        assert cls.name == name
        assert cls.label
        assert cls.summary.endswith(".")
        assert name == "vanilla" or cls.paper.startswith("https://")
        assert set(cls.records) <= set(RECORDS)
        assert cls().on_questions() == (cls() if name in ("var", "vaf") else None)
    touched = {spec(m): m.touched(32) for m in (Vanilla(), CLVS(), VCD(), PAI(), VAR(), ADHH(), VAF(), TARAC())}
    expected = {"vanilla": None, "clvs": (0, 31), "vcd": None, "pai": (2, 31), "var": (2, 31), "adhh": None}
    assert touched == expected | {"vaf": (9, 14), "tarac": (9, 15)}
    assert ADHH(heads=((5, 0), (3, 1))).touched(32) == (3, 5)
    assert PAI(start_layer=4).touched(4) is None
    assert VCD(noise_step=3, seed=2).contrasted() == NoisedPicture(3, 2)
    assert PAI().contrasted() == NoPicture()
    assert PAI(gamma=1).contrasted() is None


OWN = """
from dataclasses import dataclass
from typing import ClassVar
from clvs_core import Method

@dataclass(frozen=True)
class Mine(Method):
    name: ClassVar[str] = "mine"
    label: ClassVar[str] = "Mine"
    much: float = 0.5
"""


def test_a_method_of_one_s_own_is_read_from_a_file(tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    cls = load_method(file)
    assert issubclass(cls, Method)
    assert registry["mine"] is cls
    assert method("mine:much=0.25") == cls(much=0.25)
    assert spec(method("mine:much=0.25+clvs")) == spec(Combine(CLVS(), cls(much=0.25)))
    assert load_method(file) is registry["mine"] is not cls, "read again after it was changed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "cannot be run .ZeroDivisionError"),
        ("def", "cannot be run .SyntaxError"),
        ("import no_such_package_at_all", "cannot be run .ModuleNotFoundError"),
        ("x = 1", "defines 0 methods"),
        ("from clvs_core import CLVS, VAF", "defines 0 methods"),
        (OWN + OWN.replace("Mine(", "Yours("), "defines 2 methods"),
        (OWN.replace('"mine"', '"My Method"'), "named 'My Method'; name it with small letters"),
        (OWN.replace('"mine"', '"clvs"'), "There is a method 'clvs' already"),
    ],
)
def test_files_that_define_no_good_method(text, words, tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        load_method(file)
    assert "mine.py" in str(error.value)
    assert dict(registry) == METHODS


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="There is no method file"):
        load_method(tmp_path / "mine.py")
    (tmp_path / "mine.txt").write_text(OWN)
    with pytest.raises(ValueError, match=r"ends in \.py"):
        load_method(tmp_path / "mine.txt")


def test_two_files_cannot_share_a_name(tmp_path, registry):
    for name in ("mine", "other"):
        (tmp_path / f"{name}.py").write_text(OWN)
    load_method(tmp_path / "mine.py")
    with pytest.raises(ValueError, match=r"There is a method 'mine' already; give the one in other\.py another name"):
        load_method(tmp_path / "other.py")


def test_errors_of_methods_are_of_this_program():
    assert issubclass(MethodError, ClvsError)


def test_unified_positions_of_one_and_two_pictures():
    visual = torch.tensor([0, 0, 1, 1, 1, 0, 0], dtype=torch.bool)
    found, shift = unified_positions(torch.arange(7), visual)
    assert found.tolist() == [0, 1, 2, 2, 2, 3, 4]
    assert shift == 2
    visual = torch.tensor([1, 1, 0, 1, 1, 0], dtype=torch.bool)
    found, shift = unified_positions(torch.arange(6), visual)
    assert found.tolist() == [0, 0, 1, 2, 2, 3]
    assert shift == 2


ROPES = [
    {"rope_type": "default", "rope_theta": 1e4},
    {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
    {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64},
]


@pytest.mark.parametrize("rope", ROPES, ids=lambda r: r["rope_type"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-12)])
def test_rerotation_equals_rotating_afresh(rope, dtype, tolerance):
    decoder = tiny.llava(rope_parameters=rope).to(dtype).get_decoder()
    if dtype == torch.float64:
        decoder.rotary_emb.float()
    old, new = torch.arange(40)[None], torch.arange(40).flip(0)[None]
    plain = torch.randn(1, 2, 40, 8, dtype=dtype)

    def rotate(x, positions):
        return apply_rotary_pos_emb(x, x, *decoder.rotary_emb(x, positions))[0]

    found = rerotate(decoder, rotate(plain, old), old, new)
    assert (found - rotate(plain, new)).abs().max() < tolerance
    assert (rotate(plain, old) - rotate(plain, new)).abs().max() > 0.1
