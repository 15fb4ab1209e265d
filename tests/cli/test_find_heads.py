"""Ranking AD-HH's heads: against separate forward passes of the stock model, and what a captions file may hold."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from clvs_core.analysis import heads as ranking
from clvs_core.analysis.heads import Caption, find_heads, influences, judged, read_captions
from clvs_core.cli import main as cli
from clvs_core.engine.model import Model
from clvs_core.errors import ClvsError
from clvs_core.key_objects import CocoInstances
from clvs_core.methods import ADHH, spec
from clvs_core.models.registry import ModelCard
from clvs_core.pictures import read_picture
from tests import tiny_families
from tests.tiny import picture

QUESTION = "What is here?"
TEXT = "A dog and a cat, a dog on a red car."
FAMILIES = [name for name in tiny_families.FAMILIES if name not in tiny_families.MISSING]


def _model(family):
    hf, processor = tiny_families.build(family, torch.float64)
    hf.get_decoder().norm.weight.data /= (
        20  # else random models are so certain of their word that no other has a chance
    )
    return Model(hf, processor, ModelCard("tiny", "Tiny", "tiny", hf.config.model_type))


def _caption(seed=0, said=("cat",), seen=("dog", "car"), text=TEXT):
    spans = [tuple(span for word in words for span in ranking._spans(text, word)) for words in (said, seen)]
    return Caption(picture(seed), text, *spans)


@torch.no_grad()
def _chance(model, caption, start, layer=None, head=None):
    """p of the token at character `start`, by one whole pass of the stock model with one head silent before it."""
    prompt = model.prompts.encode(read_picture(caption.picture), QUESTION)
    said = model.tokenizer(caption.text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    at = prompt["input_ids"].shape[1] + start  # every character is a token
    ids = torch.cat([prompt["input_ids"], said], 1)[:, :at]
    inputs = {"input_ids": ids, **_longer(prompt, ids)}

    def silence(module, args):
        hidden = args[0].clone()
        size = hidden.shape[-1] // model.heads
        hidden[:, -1, head * size : (head + 1) * size] = 0
        return (hidden,)

    hooks = []
    if layer is not None:
        hooks.append(model.hf.get_decoder().layers[layer].self_attn.o_proj.register_forward_pre_hook(silence))
    try:
        logits = model.hf(**inputs).logits[0, -1]
    finally:
        for hook in hooks:
            hook.remove()
    return float(logits.double().softmax(-1)[said[0, start]])


def _longer(prompt, ids):
    """The processor's other inputs; those of one number a token go on as text."""
    more = {}
    for name, value in prompt.items():
        if name not in ("input_ids", "attention_mask"):
            same = value.shape == prompt["input_ids"].shape
            value = torch.nn.functional.pad(value, (0, ids.shape[1] - value.shape[1])) if same else value
            more[name] = value.double() if value.is_floating_point() else value
    return more


@pytest.mark.parametrize("family", FAMILIES)
def test_influences_equal_those_of_separate_passes_with_one_head_silent(family):
    model, caption = _model(family), _caption()
    said, seen = influences(model, caption, QUESTION)
    assert (said.shape, seen.shape) == ((1, model.layers, model.heads), (3, model.layers, model.heads))
    start = caption.hallucinated[0][0]
    plain = _chance(model, caption, start)
    for layer in range(model.layers):
        expected = [plain - _chance(model, caption, start, layer, head) for head in (0, 3)]
        assert said[0, layer, [0, 3]].tolist() == pytest.approx(expected, abs=1e-9, rel=1e-6)
    assert said.abs().max() > 1e-4, "nothing to compare"
    last = caption.grounded[-1][0]
    assert float(seen[-1, 2, 1]) == pytest.approx(
        _chance(model, caption, last) - _chance(model, caption, last, 2, 1), abs=1e-9, rel=1e-6
    )


def test_the_ranking_is_that_of_brute_force():
    model = _model("llava")
    captions = [_caption(), _caption(1, said=("dog",), seen=("cat",)), _caption(2, said=(), seen=("car",))]
    told = []
    found = find_heads(model, captions, QUESTION, progress=lambda *one: told.append(one))
    effects = {"said": [], "seen": []}
    for caption in captions[:2]:  # the third has no hallucination
        for kind, spans in (("said", caption.hallucinated), ("seen", caption.grounded)):
            for start, _ in spans:
                plain = _chance(model, caption, start)
                silent = [[_chance(model, caption, start, n, h) for h in range(4)] for n in range(4)]
                effects[kind].append(plain - np.array(silent))
    expected = np.mean(effects["said"], 0) - np.mean(effects["seen"], 0)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert expected.max() > 1e-4
    order = [divmod(int(flat), 4) for flat in np.argsort(-expected, axis=None) if expected.flat[flat] > 0]
    assert found.top(3) == order[:3]
    assert found.top(99, first=2) == [pair for pair in order if pair[0] >= 2]
    assert (found.read, found.captions, found.words) == (3, 2, (3, 4))
    assert told == [(1, 2), (2, 2)]


def test_rows_share_passes_of_bounded_size(monkeypatch):
    model, caption = _model("llava"), _caption()
    whole = influences(model, caption, QUESTION)
    monkeypatch.setattr(ranking, "_NUMBERS", 2000)
    monkeypatch.setattr(ranking, "_pass", _counted(ranking._pass, sizes := []))
    for one, other in zip(whole, influences(model, caption, QUESTION), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert max(sizes) < 10
    assert sum(sizes) == 4 * (4 * 4 + 1)


def _counted(function, sizes):
    def call(model, image, caption, rows, heads):
        sizes.append(len(rows))
        return function(model, image, caption, rows, heads)

    return call


def test_errors_and_halves_tell_signal_from_chance(monkeypatch):
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4, 4))

    def report(signal):
        def pretended(model, caption, question, prompt):
            said = signal * true + rng.normal(size=(2, 4, 4))
            return torch.tensor(said), torch.tensor(rng.normal(size=(3, 4, 4)))

        monkeypatch.setattr(ranking, "influences", pretended)
        return find_heads(_model("llava"), [_caption()] * 200, QUESTION)

    clear, chance = report(1.0), report(0.0)
    assert clear.halves > 0.9
    assert abs(chance.halves) < 0.6
    assert clear.error == pytest.approx(np.full((4, 4), math.sqrt(1 / 400 + 1 / 600)), rel=0.2)
    assert np.abs(clear.scores - true).max() < 4 * clear.error.max()


def test_words_of_one_caption_are_not_counted_as_independent(monkeypatch):
    rng = np.random.default_rng(0)

    def pretended(model, caption, question, prompt):
        same = np.repeat(rng.normal(size=(1, 4, 4)), 4, 0)
        return torch.tensor(same), torch.zeros(1, 4, 4, dtype=torch.float64)

    monkeypatch.setattr(ranking, "influences", pretended)
    found = find_heads(_model("llava"), [_caption()] * 100, QUESTION)
    assert found.error.mean() == pytest.approx(0.1, rel=0.1)


def test_without_both_kinds_of_words_nothing_can_be_ranked():
    model = _model("llava")
    with pytest.raises(ClvsError, match="Of 1 captions, 0 name something that is not"):
        find_heads(model, [_caption(said=())], QUESTION)
    with pytest.raises(ClvsError, match="takes words of both kinds"):
        find_heads(model, [_caption(seen=())], QUESTION)


def test_a_caption_that_does_not_fit_is_refused():
    with pytest.raises(ClvsError, match="does not fit the model"):
        influences(_model("llava"), _caption(text=TEXT * 20), QUESTION)


# --- captions ---------------------------------------------------------------------------------------------------


def test_captions_are_judged_by_the_categories_of_their_picture():
    found = judged("a.jpg", "Two dogs on a sofa, near a hot dog.", ["dog", "person"])
    assert found.words(found.grounded) == ["dogs"]
    assert found.words(found.hallucinated) == ["sofa", "hot dog"]


@pytest.fixture
def coco(tmp_path):
    """Annotations in which a.png shows a dog; the picture beside them."""
    Image.fromarray(picture()).save(tmp_path / "a.png")
    square = [4, 4, 20, 4, 20, 20, 4, 20]
    data = {
        "images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 18, "iscrowd": 0, "segmentation": [square]}],
        "categories": [{"id": 18, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(data))
    return tmp_path


def _write(folder, *lines):
    path = folder / "captions.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_captions_file_lists_words_or_leaves_them_to_the_annotations(coco):
    path = _write(
        coco,
        {"image": "a.png", "caption": " A dog, a Cat and a cat. ", "hallucinated": ["cat"], "grounded": ["dog"]},
        "",
        {"image": "a.png", "caption": "A puppy near a car."},
    )
    own, left = read_captions(path, coco, CocoInstances(coco / "instances.json"))
    assert own.picture == coco / "a.png"
    assert (own.words(own.hallucinated), own.words(own.grounded)) == (["Cat", "cat"], ["dog"])
    assert (left.words(left.hallucinated), left.words(left.grounded)) == (["car"], ["puppy"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Line 2 of captions.jsonl cannot be used: it is not of the form that --help shows."),
        ({"caption": "A dog."}, "not of the form"),
        ([1], "not of the form"),
        ({"image": "a.png", "caption": 3}, "not of the form"),
        ({"image": "a.png", "caption": "A dog.", "hallucinated": "dog"}, "'hallucinated' must be a list of words."),
        ({"image": "a.png", "caption": "A dog.", "grounded": [""]}, "'grounded' must be a list of words."),
        ({"image": "a.png", "caption": "A dogma.", "grounded": ["dog"]}, "does not contain the word 'dog'."),
        ({"image": "b.png", "caption": "A dog."}, "instances.json does not know b.png."),
    ],
)
def test_lines_that_cannot_be_used_are_named(coco, line, message):
    path = _write(coco, {"image": "a.png", "caption": "A dog."}, line)
    with pytest.raises(ClvsError) as caught:
        read_captions(path, coco, CocoInstances(coco / "instances.json"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("Line 2 of captions.jsonl")


def test_captions_of_chair_name_pictures_by_their_id(coco):
    (coco / "a.png").rename(coco / "A.PNG")
    annotations = CocoInstances(coco / "instances.json")
    caption = {"image_id": 1, "caption": "A dog and a cat."}
    for text in (
        json.dumps(caption),
        json.dumps([caption, caption]),
        json.dumps([{**caption, "image_id": "1"}], indent=1),
    ):
        found = read_captions(_write(coco, text), coco, annotations)[0]
        assert found.picture == coco / "A.PNG"
        assert (found.words(found.hallucinated), found.words(found.grounded)) == (["cat"], ["dog"])
    with pytest.raises(ClvsError, match=r"Line 1 .* its picture is the id 7, and instances\.json does not know it\."):
        read_captions(_write(coco, {**caption, "image_id": 7}), coco, annotations)
    with pytest.raises(ClvsError, match=r"the id 1, and give --coco-annotations, which knows it\."):
        read_captions(_write(coco, caption), coco)


def test_captions_are_judged_by_other_data_sets_names_too():
    found = judged("a.jpg", "A television, a person and a car.", ["tvmonitor", "woman", "dogs"])
    assert found.words(found.grounded) == ["television", "person"]
    assert found.words(found.hallucinated) == ["car"]


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def run(coco, monkeypatch, capsys):
    model = _model("llava")
    monkeypatch.setattr("clvs_core.cli.options.load_model", lambda *_, **__: model)

    def call(*options):
        code = cli.main(["find-heads", "--images", str(coco), "--question", QUESTION, *map(str, options)])
        return code, *capsys.readouterr()

    return call


CAPTION = {"image": "a.png", "caption": TEXT, "hallucinated": ["cat"], "grounded": ["dog", "car"]}


def test_the_command_prints_the_list_and_a_spec_to_paste(run, coco):
    path = _write(coco, CAPTION)
    code, out, err = run("--captions", path, "--top", 3, "--out", coco / "new" / "heads.json")
    assert code == 0
    lines = out.splitlines()
    assert "Captions  1 of 1 with hallucinations: 1 hallucinated and 3 grounded words" in lines
    assert "There are too few captions to tell how far the order is chance." in lines
    report = json.loads((coco / "new" / "heads.json").read_text())
    best = [tuple(pair) for pair in report["heads"]]
    assert len(best) == 3
    assert lines[-1] == spec(ADHH(heads=tuple(best))) == report["spec"]
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows] == [f"{layer}-{head}" for layer, head in best]
    assert [float(row[1]) for row in rows] == pytest.approx([report["scores"][n][h] for n, h in best], abs=5e-5)
    assert report["used"] == [CAPTION]
    assert "Ranked by 1 of 1" in err


def test_the_command_as_json_and_without_early_layers(run, coco):
    path = _write(coco, CAPTION)
    code, out, _ = run("--captions", path, "--json", "--first-layer", 2)
    report = json.loads(out)
    assert code == 0
    assert report["words"] == {"hallucinated": 1, "grounded": 3}
    assert np.shape(report["scores"]) == np.shape(report["errors"]) == (4, 4)
    assert report["halves"] is None
    assert {layer for layer, _ in report["heads"]} <= {2, 3}


def test_a_list_with_heads_of_the_first_layers_is_warned_of(run, coco):
    def scores(entry):
        return np.array(json.loads(run("--captions", _write(coco, entry), "--json")[1])["scores"])

    turned = {**CAPTION, "hallucinated": CAPTION["grounded"], "grounded": CAPTION["hallucinated"]}
    plain = scores(CAPTION)
    np.testing.assert_allclose(scores(turned), -plain, rtol=1e-9)
    assert plain[0].min() < 0  # so the first layer has heads in the list of the turned one
    path = _write(coco, turned)
    warning = "Some of these heads are in the first layers"
    assert warning in run("--captions", path, "--top", 16)[1]
    assert warning not in run("--captions", path, "--top", 16, "--first-layer", 1)[1]


def test_the_command_lets_the_model_describe_its_pictures(run, coco, monkeypatch):
    Image.fromarray(picture(1)).save(coco / "unknown.png")
    asked = []

    def described(model, pictures, objects, *settings, **more):
        asked.extend((path.name, objects(path), settings[:3]) for path in pictures)
        yield judged(pictures[0], "A dog and a cat.", objects(pictures[0]))

    monkeypatch.setattr(ranking, "describe", described)
    code, out, err = run("--json", "--max-new-tokens", 5)
    assert code == 0
    assert asked == [("a.png", ["dog"], (QUESTION, "chat", 5))]
    assert json.loads(out)["words"] == {"hallucinated": 1, "grounded": 1}
    assert "1 pictures are left out: instances.json does not know them." in err


def test_descriptions_are_the_models_own_answers():
    model = _model("llava")
    (found,) = ranking.describe(model, [picture()], lambda _: ["dog"], QUESTION, longest=3)
    (run,) = model.open_image(picture()).ask(QUESTION, max_new_tokens=3)[:1]
    assert found.text == run.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--captions", "nowhere.jsonl"], "The captions nowhere.jsonl cannot be read"),
        (["--images", "nowhere"], "nowhere is not a folder"),
        (["--question", " "], "The question is empty"),
        (["--prompt", "magic"], "no prompt 'magic'"),
        (["--coco-annotations", "nowhere.json"], "nowhere.json cannot be read"),
    ],
)
def test_a_slip_is_found_before_the_model_is_loaded(run, options, message):
    code, out, err = run(*options)
    assert (code, out) == (2, "")
    assert message in err
    assert "Loading" not in err


def test_without_annotations_pictures_cannot_be_judged(run, coco):
    (coco / "instances.json").unlink()
    code, _, err = run()
    assert code == 2
    assert "Nothing says what the pictures show" in err
    assert "Loading" not in err


def test_a_file_that_cannot_be_written_is_named(run, coco):
    path = _write(coco, CAPTION)
    code, _, err = run("--captions", path, "--out", path / "below-a-file.json")
    assert code == 2
    assert "cannot be written" in err.splitlines()[-1]
