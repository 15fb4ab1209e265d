"""Looking for VAR's sink dimensions: planted massive activations must be found, and nothing else."""

import json
import math

import numpy as np
import pytest
import torch

from clvs_core.analysis import sinks as searching
from clvs_core.analysis.sinks import find_sinks
from clvs_core.cli import main as cli
from clvs_core.engine.model import Model
from clvs_core.errors import ClvsError
from clvs_core.methods import VAR, method
from clvs_core.models.registry import ModelCard
from clvs_core.pictures import read_picture
from tests import tiny_families
from tests.tiny import picture

DIMS, TOKENS = (5, 20), (3, 7)  # where the planted values stand: dimensions, and visual tokens beside the first token
FAMILIES = [name for name in tiny_families.FAMILIES if name not in tiny_families.MISSING]
QUESTION = "?"


def _model(family="llava", **settings):
    hf, processor = tiny_families.build(family)
    return Model(hf, processor, ModelCard("tiny", "Tiny", "tiny", hf.config.model_type, settings))


def _plant(model, first=1e6, visual=1e6, everywhere=0.0):
    """Values in DIMS of what enters the first layer, for the first token, for TOKENS, and for every token.

    No layer adds anything to these dimensions: in so few, other tokens would be large in them by chance.
    """
    layers = model.hf.get_decoder().layers
    for layer in layers:
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
            part.weight.data[list(DIMS)] = 0
    ids = model.prompts.encode(read_picture(picture()), QUESTION)["input_ids"][0]
    places = (ids == model.image_token_id).nonzero().flatten()

    def before(layer, args, kwargs):
        hidden = (args[0] if args else kwargs["hidden_states"]).clone()
        if hidden.shape[1] > int(places[-1]):  # the picture is in this pass
            hidden[..., DIMS] = everywhere
            hidden[:, 0, DIMS] += torch.tensor([first, -first])
            for token in TOKENS:
                hidden[:, places[token], DIMS] += torch.tensor([visual, -visual])
        return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

    layers[0].register_forward_pre_hook(before, with_kwargs=True)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_planted_dimensions_and_tokens_are_found_in_every_family(family):
    model = _plant(_model(family))
    found = find_sinks(model, [picture()], QUESTION)
    assert (found.massive, found.dims) == (True, DIMS)
    assert found.tau == round(20 * math.sqrt(model.target.hidden / 4096), 2)
    one = found.pictures[0]
    expected = np.zeros((model.layers, one.views.visual), dtype=bool)
    expected[2:, TOKENS] = True
    assert np.array_equal(one.sinks, expected)
    assert found.per_layer.tolist() == [0, 0, 2, 2]
    assert method(found.spec) == VAR(dims=DIMS, tau=found.tau)
    best = {d.dimension: d for d in found.candidates[:2]}
    assert set(best) == set(DIMS)
    for d in best.values():
        assert d.energy == pytest.approx(0.5, abs=0.01)
        assert d.first == pytest.approx(math.sqrt(model.target.hidden / 2), rel=0.01)
        assert d.often == 1


def test_what_is_found_is_what_var_records():
    model = _plant(_model())
    found = find_sinks(model, [picture()], QUESTION)
    (run,) = model.open_image(picture()).ask(QUESTION, [method(found.spec)], max_new_tokens=1)
    assert np.array_equal(run.trace.sinks[0], found.pictures[0].sinks)


def test_tokens_lie_where_the_views_say():
    one = find_sinks(_plant(_model()), [picture()], QUESTION).pictures[0]
    view = one.views.grids[0]
    assert one.boxes() == [(token, view.box(*divmod(token, view.cols))) for token in TOKENS]


def test_the_published_threshold_is_kept_where_sinks_reach_it(monkeypatch):
    monkeypatch.setattr(searching, "TAU", 3.0)
    assert find_sinks(_plant(_model()), [picture()], QUESTION).tau == 3.0  # the first token reaches 4


def test_large_values_on_every_token_are_no_sinks():
    found = find_sinks(_plant(_model(), first=0, visual=0, everywhere=1e6), [picture()], QUESTION)
    assert not found.massive


def test_without_massive_activations_a_stand_in_is_offered_and_said_to_be_one():
    found = find_sinks(_model(), [picture(), picture(1)], QUESTION, ["a", "b"])
    assert not found.massive
    assert len(found.dims) == 1
    assert found.share == pytest.approx(searching.EXAMPLES, abs=1 / 32)
    assert [one.name for one in found.pictures] == ["a", "b"]
    largest = max(found.candidates, key=lambda d: d.visual)
    assert found.dims == (largest.dimension,)


def test_a_sink_that_draws_attention_is_told_from_one_that_does_not():
    model = _plant(_model())
    found = find_sinks(model, [picture()], QUESTION)
    (run,) = model.open_image(picture()).ask(QUESTION, [method("vanilla")], max_new_tokens=1)
    rows = run.trace.attention[0].astype(float).mean(1)[2:]
    others = np.delete(np.arange(16), TOKENS)
    assert found.attention == pytest.approx(rows[:, TOKENS].mean() / rows[:, others].mean())


def test_hooks_are_gone_afterwards_even_when_the_model_fails(monkeypatch):
    model = _model()
    before = [len(layer._forward_pre_hooks) for layer in model.hf.get_decoder().layers]
    find_sinks(model, [picture()], QUESTION)

    def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(model.hf.model, "forward", broken)
    with pytest.raises(RuntimeError, match="broken"):
        find_sinks(model, [picture()], QUESTION)
    assert [len(layer._forward_pre_hooks) for layer in model.hf.get_decoder().layers] == before


def test_no_picture_and_too_few_layers_are_refused(monkeypatch):
    model = _model()
    with pytest.raises(ClvsError, match="give at least one"):
        find_sinks(model, [])
    monkeypatch.setattr(model, "layers", 2)
    with pytest.raises(ClvsError, match="from the third on, and Tiny has 2"):
        find_sinks(model, [picture()])


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs find-sinks on a planted model and one picture."""
    from PIL import Image

    Image.fromarray(picture()).save(tmp_path / "dog.png")

    def call(*options, model=None, images=(tmp_path,)):
        monkeypatch.setattr("clvs_core.cli.options.load_model", lambda *_, **__: model or _plant(_model()))
        code = cli.main(["find-sinks", "--images", *map(str, images), "--question", QUESTION, *options])
        return code, *capsys.readouterr()

    return call


def test_the_command_prints_what_was_found_and_a_spec_to_paste(run):
    code, out, err = run()
    lines = out.splitlines()
    assert code == 0
    assert "Massive activations: dimensions 5 and 20." in lines
    assert lines[-1] == "var:tau=1.77,dims=5/20"
    assert (
        "The published threshold, 20, is out of reach or nearly so in 32 dimensions (none can be larger than 5.7)"
        in out
    )
    assert "Visual tokens flagged, by layer (mean of a picture): 0.0 0.0 2.0 2.0" in lines
    assert "dog.png: 2 of 16 tokens are sinks in half of the layers, at" in out
    assert "Looked 2 of 2" in err


def test_the_command_as_json(run):
    code, out, _ = run("--json")
    found = json.loads(out)
    assert code == 0
    assert (found["massive"], found["dims"], found["tau"], found["spec"]) == (
        True,
        [5, 20],
        1.77,
        "var:tau=1.77,dims=5/20",
    )
    assert found["sinks_per_layer"] == [0, 0, 2, 2]
    assert [token["token"] for token in found["pictures"][0]["tokens"]] == list(TOKENS)
    assert {d["dimension"] for d in found["dimensions"][:2]} == set(DIMS)


def test_the_command_says_when_there_is_nothing(run):
    code, out, _ = run(model=_model())
    assert code == 0
    assert "This model has no massive activations" in out
    assert "Only to see how VAR works" in out


def test_wrong_pictures_cost_no_model(run):
    code, out, err = run(images=["nowhere.png"])
    assert (code, out) == (2, "")
    assert "no picture at 'nowhere.png'" in err
    assert "Loading" not in err


def test_a_folder_without_pictures_is_named(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run(images=[tmp_path / "empty"])
    assert code == 2
    assert "There are no pictures in" in err
    assert run("--question", " ")[0] == 2
