"""The command line, on a tiny random model: what is printed where, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clvs_core import key_objects as ko
from clvs_core.cli import ask, choose, models
from clvs_core.cli import main as cli
from clvs_core.cli.main import parser
from clvs_core.cli.trace import file_names
from clvs_core.hiding import hide
from clvs_core.methods import METHODS, method
from clvs_core.models import memory
from clvs_core.models.recommend import Speed
from clvs_core.models.registry import CARDS
from clvs_core.trace import Trace
from tests.tiny import picture, save_llava

ROOT = Path(__file__).resolve().parents[2]
needs_scenes = pytest.mark.skipif(
    not (ROOT / "assets" / "scenes_model" / "config.json").exists(), reason="the embedded model is not there"
)
WIDTH, HEIGHT = 48, 32  # of which the tiny model's centre crop sees x 8 to 40


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_llava(tmp_path_factory.mktemp("cli") / "tiny"))


@pytest.fixture
def photo(tmp_path):
    """A picture, and next to it COCO annotations that know it: a dog on the left, a person on the right."""
    Image.fromarray(picture(height=HEIGHT, width=WIDTH)).save(tmp_path / "000000000042.png")
    left, right = [0, 0, 20, 0, 20, 32, 0, 32], [40, 0, 48, 0, 48, 32, 40, 32]
    annotations = [
        {"id": 1, "image_id": 42, "category_id": 18, "iscrowd": 0, "segmentation": [left]},
        {"id": 2, "image_id": 42, "category_id": 1, "iscrowd": 0, "segmentation": [right]},
    ]
    image = {"id": 42, "file_name": "COCO_val2014_000000000042.jpg", "width": WIDTH, "height": HEIGHT}
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    data = {"images": [image], "annotations": annotations, "categories": categories}
    (tmp_path / "instances.json").write_text(json.dumps(data))
    return tmp_path / "000000000042.png"


@pytest.fixture
def run(model, photo, capsys):
    """Runs a command on the tiny model and gives its exit code, stdout and stderr."""

    def call(command, *options, question="Is there a dog?", image=photo):
        asked = ["--question", question] if question else []
        shown = ["--image", str(image)] if image else []
        code = cli.main([command, "--model", model, "--max-new-tokens", "2", *asked, *shown, *map(str, options)])
        return code, *capsys.readouterr()

    return call


def _coco(photo):
    return ("--coco-annotations", photo.with_name("instances.json"))


# --- ask --------------------------------------------------------------------------------------------------------


def test_json_holds_what_the_engine_recorded(run, photo):
    code, out, err = run("ask", "--json", *_coco(photo))
    report = json.loads(out)
    assert code == 0
    assert report["image"]["seen"] == [8.0, 0.0, 40.0, 32.0]
    assert report["key_object"] == {"names": ["dog"], "area": pytest.approx(20 / 48), "seen": pytest.approx(0.6)}
    assert [m["method"] for m in report["methods"]] == ["vanilla", "clvs"]
    vanilla, clvs = report["methods"]
    assert (vanilla["threshold"], clvs["threshold"], clvs["first_check"]) == (None, 0.5, 3)
    for found in report["methods"]:
        assert len(found["tokens"]) == 2
        assert np.shape(found["uncertainty"]) == np.shape(found["key_object_attention"]) == (2, 4)
        assert all(u is not None for row in found["uncertainty"] for u in row)
        curve = found["key_object_attention"][0]
        assert found["summary"][0]["peak_layer"] == int(np.argmax(curve))
    gain = 100 * (np.array(clvs["key_object_attention"]) / vanilla["key_object_attention"] - 1)
    assert np.allclose([g["unclipped"] for g in clvs["relative_gain"]], gain)
    assert np.allclose([g["clipped"] for g in clvs["relative_gain"]], np.minimum(gain, 100))
    assert "Looking at the picture" in err


def test_the_table_is_aligned_and_says_the_same(run, photo):
    code, out, _ = run("ask", "--method", "vanilla", "--method", "clvs:alpha=0.5,gamma=2.0", *_coco(photo))
    assert code == 0
    report = json.loads(run("ask", "--json", "--method", "vanilla", *_coco(photo))[1])
    lines = out.splitlines()
    assert "Key object  dog (41.7% of the picture, 60% of it seen)" in lines
    start = lines.index("Token 1, layer by layer")
    titles, names, *rows = lines[start + 1 : start + 7]
    assert titles.split() == ["key-object", "attention", "gain", "(unclipped)", "uncertainty"]
    assert names.split() == ["layer", "vanilla", *["clvs:alpha=0.5,gamma=2.0"] * 2, *names.split()[4:]]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row.split()[1]) for row in rows] == pytest.approx(
        report["methods"][0]["key_object_attention"][0], abs=5e-5
    )
    assert rows[3].endswith("*")  # gamma 2 stops at the first check, after the fourth layer
    assert [row.index(".") for row in rows] == [rows[0].index(".")] * 4
    assert "* smoothing stops after this layer" in lines
    assert "clvs:alpha=0.5,gamma=2.0: peak" in out


def test_without_masks_the_uncertainty_remains(run):
    code, out, err = run("ask")
    assert code == 0
    assert "key-object" not in out
    assert "uncertainty" in out
    assert "no masks of this picture are known; give --box or --coco-annotations" in err


def test_a_box_is_a_key_object(run):
    report = json.loads(run("ask", "--json", "--box", "8,0,40,32")[1])
    assert report["key_object"] == {"names": ["region"], "area": pytest.approx(32 / 48), "seen": 1.0}
    assert all(0 < a <= 1 for m in report["methods"] for row in m["key_object_attention"] for a in row)


def test_what_the_model_cannot_see_is_said(run, photo):
    code, out, err = run("ask", "--box", "0,0,8,32", "--json")
    assert code == 0
    assert json.loads(out)["key_object"]["seen"] == 0
    assert "The model never sees the region: that part of the picture is cut off." in err


def test_objects_can_be_named_and_joined(run, photo):
    report = json.loads(run("ask", "--json", "--object", "Person", "--object", "dog", *_coco(photo))[1])
    assert report["key_object"]["names"] == ["person", "dog"]
    assert report["key_object"]["area"] == pytest.approx(28 / 48)


def test_an_object_that_the_question_does_not_name_is_offered(run, photo):
    code, _, err = run("ask", *_coco(photo), question="What is this?")
    assert code == 0
    assert "the question names none of dog, person; choose with --object or --box" in err


def test_overlapping_objects_share_tokens_as_on_the_page(run, photo):
    box = (10, 5, 30, 27)  # half over the dog; its edges and the dog's cut through patches
    _, out, _ = run("trace", "--method", "vanilla", "--out", photo.with_name("record"))
    trace = Trace.load(Path(out.strip()))
    dog = np.zeros((HEIGHT, WIDTH), dtype=bool)
    dog[:, :20] = True
    masks = [dog, ko.region_mask(HEIGHT, WIDTH, box=box)]
    shares = [ko.coverage(mask, trace.views) for mask in masks]
    expected = ko.key_object_attention(trace, ko.together(shares))
    assert not np.allclose(ko.together(shares), ko.coverage(masks[0] | masks[1], trace.views))
    asked = ("--json", "--method", "vanilla", "--object", "dog", "--box", ",".join(map(str, box)), *_coco(photo))
    found = json.loads(run("ask", *asked)[1])["methods"][0]["key_object_attention"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_hidden_objects_are_asked_about_again_in_the_altered_picture(run, photo):
    asked = ("--json", "--object", "dog", *_coco(photo))
    report = json.loads(run("ask", *asked, "--hide", "background")[1])
    again = report.pop("hidden")
    assert report == json.loads(run("ask", *asked)[1]), "the first answer is what it is without"
    assert again.pop("fill") == "background"
    dog = np.zeros((HEIGHT, WIDTH), dtype=bool)
    dog[:, :20] = True
    altered = photo.with_name("altered.png")
    hide(photo, dog, "background").save(altered)
    box = ("--json", "--box", f"0,0,20,{HEIGHT}")
    expected = json.loads(run("ask", *box, image=altered)[1])
    assert again["methods"] == expected["methods"]
    assert again["methods"] != report["methods"]
    assert again["key_object"] == report["key_object"]


def test_the_table_with_something_hidden_stands_below_the_first_one(run, photo):
    out = run("ask", "--object", "dog", "--hide", "blur", *_coco(photo))[1]
    first, again = out.split("With dog hidden (blur)")
    assert "Token 1, layer by layer" in first
    assert "Token 1, layer by layer" in again


def test_hiding_nothing_is_one_sentence(run):
    code, out, err = run("ask", "--hide", "mean")
    assert (code, out) == (2, "")
    assert "There is nothing to hide; give --object or --box." in err


def test_bundled_scenes_bring_their_masks(run, photo, monkeypatch):
    monkeypatch.setattr(choose, "MASKS", photo.with_name("instances.json"))
    assert json.loads(run("ask", "--json")[1])["key_object"]["names"] == ["dog"]


def test_somebody_elses_picture_with_a_scenes_name_is_only_a_picture(run, photo, monkeypatch, tmp_path):
    monkeypatch.setattr(choose, "MASKS", photo.with_name("instances.json"))
    (tmp_path / "holiday").mkdir()
    own = photo.rename(tmp_path / "holiday" / photo.name)
    code, out, err = run("ask", "--json", image=own)
    assert (code, json.loads(out)["key_object"]) == (0, None)
    assert "no masks of this picture are known" in err


def test_a_coco_picture_of_another_shape_is_refused(run, photo):
    annotations = _coco(photo)
    Image.new("RGB", (90, 32)).save(photo)
    code, out, err = run("ask", *annotations)
    assert (code, out) == (2, "")
    assert "annotated at 48 x 32 pixels, but this picture is 90 x 32" in err.splitlines()[-1]


def _changed(photo, change):
    """The annotations beside the photo after `change(data)`."""
    path = photo.with_name("instances.json")
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_mask_that_cannot_be_read_is_said_once_and_the_rest_is_used(run, photo):
    _changed(photo, lambda data: data["annotations"].append({"id": 3, "image_id": 42, "category_id": 18}))
    code, out, err = run("ask", "--json", *_coco(photo))
    assert (code, json.loads(out)["key_object"]["names"]) == (0, ["dog"])
    note = "Note: instances.json has entries that cannot be used (masks: 1 of 3); the first is annotation 3 (it has no "
    assert err.count(note) == 1


def test_masks_of_stored_pixels_turn_with_a_turned_photo(run, photo):
    stored = Image.open(photo).transpose(Image.Transpose.ROTATE_90)  # orientation 6: turn it clockwise to see it
    exif = stored.getexif()
    exif[0x0112] = 6
    turned = photo.with_suffix(".jpg")
    stored.save(turned, exif=exif)
    stored_dog = [0, 28, 32, 28, 32, 48, 0, 48]  # the left 20 columns lie at the bottom of the stored photo

    def change(data):
        data["images"][0] |= {"width": HEIGHT, "height": WIDTH}
        data["annotations"][0]["segmentation"] = [stored_dog]

    upright = json.loads(run("ask", "--json", *_coco(photo))[1])["key_object"]
    _changed(photo, change)
    assert json.loads(run("ask", "--json", *_coco(photo), image=turned)[1])["key_object"] == upright


@pytest.mark.parametrize(
    ("category", "wanted"), [("traffic_light", "Traffic light"), ("tvmonitor", "tv"), ("dogs", "dog"), ("dog", "puppy")]
)
def test_objects_are_found_in_other_spellings(run, photo, category, wanted):
    _changed(photo, lambda data: data["categories"][1].update(name=category))
    for how in ({"question": f"Is there a {wanted}?"}, {}):
        named = () if how else ("--object", wanted)
        assert json.loads(run("ask", "--json", *named, *_coco(photo), **how)[1])["key_object"]["names"] == [category]


def test_an_object_that_could_be_two_is_not_guessed(run, photo):
    for entry, name in enumerate(("bow_(weapon)", "bow_(tie)")):
        _changed(photo, lambda data, entry=entry, name=name: data["categories"][entry].update(name=name))
    code, _, err = run("ask", "--object", "bow", *_coco(photo))
    assert code == 2
    assert "'bow' may be 'bow_(tie)' or 'bow_(weapon)'; give one of them as it is written." in err


def test_the_chosen_token_is_shown(run, photo):
    second = run("ask", "--token", 2, *_coco(photo))[1]
    assert "Token 2, layer by layer" in second
    code, out, err = run("ask", "--token", 3)
    assert (code, out) == (2, "")
    assert "There is no token 3 in an answer of at most 2" in err


@needs_scenes
def test_words_the_demo_model_does_not_know_are_named(photo, capsys):
    question = "Is there a unicorn or a dog?"
    code = cli.main(["ask", "--image", str(photo), "--question", question, "--max-new-tokens", "1"])
    err = capsys.readouterr().err
    assert code == 0
    assert "does not know: unicorn" in err
    assert "dog" not in err.split("does not know:")[1].splitlines()[0]


def test_the_prompt_can_be_chosen_by_name(run, tmp_path):
    code, out, _ = run("trace", "--prompt", "vicuna+one-word", "--method", "vanilla", "--out", tmp_path / "t")
    asked = Trace.load(Path(out.strip())).meta
    assert code == 0
    assert asked["template"] == "vicuna+one-word"
    assert asked["prompt"] == (
        "<s>A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the human's questions. USER: <image>\nIs there a dog? Please answer this "
        "question with one word. ASSISTANT:"
    )
    assert "Prompt      short" in run("ask", "--prompt", "short")[1].splitlines()
    assert json.loads(run("ask", "--json")[1])["prompt"] == "chat"
    assert run("figure", "--prompt", "yes-no", "--kind", "uncertainty", "--out", tmp_path / "f.png")[0] == 0


# --- methods ----------------------------------------------------------------------------------------------------

OWN = """
from dataclasses import dataclass
from typing import Any, ClassVar
from clvs_core.methods import Editor, Method

@dataclass(frozen=True)
class Half(Method):
    name: ClassVar[str] = "testhalf"
    label: ClassVar[str] = "Half"
    stage: ClassVar[Any] = "weights"
    strength: float = 0.5

    @classmethod
    def editor(cls, methods, device, dtype):
        return Halving([m.strength for m in methods])

class Halving(Editor):
    def __init__(self, strengths):
        self.strengths = strengths

    def weights(self, layer, weights, keys):
        weights = weights.clone()
        for row, strength in enumerate(self.strengths):
            weights[row, :, keys.visual] *= strength
        return weights
"""
ALL = ("vanilla", "clvs", "vcd", "pai", "var:dims=3,tau=0.5", "adhh:heads=1-2/3-0,threshold=0.2", "vaf", "tarac")


@pytest.fixture
def own(tmp_path):
    """A file with a method of one's own, which is forgotten afterwards."""
    (tmp_path / "half.py").write_text(OWN)
    yield tmp_path / "half.py"
    METHODS.pop("testhalf", None)


def _asked(*methods):
    return [part for one in methods for part in ("--method", one)]


def test_methods_can_work_together(run):
    found = json.loads(run("ask", "--json", *_asked("vaf+tarac", "vanilla"))[1])["methods"]
    assert [(m["method"], m["label"]) for m in found] == [("vaf+tarac", "VAF + TARAC"), ("vanilla", "Vanilla")]


def test_a_file_with_a_method_of_ones_own(run, own, tmp_path):
    found = json.loads(run("ask", "--json", *_asked(str(own), f"{own}:strength=1.0", f"{own}:strength=0.25+vaf"))[1])
    assert [m["method"] for m in found["methods"]] == [
        "testhalf",
        "testhalf:strength=1.0",
        "vaf+testhalf:strength=0.25",
    ]
    assert found["methods"][0]["label"] == "Half"
    out = run("trace", *_asked(f"{own}:strength=0.25"), "--out", tmp_path / "{method}")[1]
    trace = Trace.load(Path(out.strip()))
    np.testing.assert_allclose(trace.attention, trace.original.astype(float) / 4, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.py", "no method file 'nowhere.py'"),
        ("{own}:weight=3", "'weight=3' is not a setting of Half"),
        ("clvs+clvs", "CLVS is given twice"),
        ("clvs+tarac", "both carry a vision memory"),
        ("pai+magic", "no method 'magic'"),
        ("var", "VAR needs the dimensions in which sink tokens are large"),
        ("adhh", "AD-HH needs a list of heads"),
        ("var:dims=99", "dims names dimension 99"),
    ],
)
def test_methods_that_cannot_run_say_so_in_one_sentence(run, own, capsys, text, message):
    try:
        code, out, err = run("ask", *_asked(text.format(own=own)))
    except SystemExit as stopped:  # argparse
        code, (out, err) = stopped.code, capsys.readouterr()
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_what_methods_did_besides_is_reported(run, photo):
    report = json.loads(run("ask", "--json", *_asked(*ALL))[1])
    found = {m["label"]: m for m in report["methods"]}
    assert "sinks" not in found["Vanilla"]
    assert "acted_heads" not in found["CLVS"]
    assert np.shape(found["VAR"]["sinks"]) == np.shape(found["VAR"]["acted_heads"]) == (2, 4)
    assert 0 < max(found["VAR"]["sinks"][0]) <= 16
    assert found["VAR"]["sinks"][0][:2] == [0, 0]
    heads = np.array(found["AD-HH"]["acted_heads"])
    assert heads.shape == (2, 4)
    assert heads[:, [0, 2]].max() == 0
    assert heads[:, [1, 3]].max() <= 1
    for label in ("VCD", "PAI"):
        words = found[label]["contrast"][0]
        assert set(words[0]) == {"id", "text", "picture", "contrast", "outcome"}
        chosen = next(word for word in words if word["id"] == found[label]["tokens"][0]["id"])
        assert chosen["outcome"] == max(word["outcome"] for word in words)
        assert chosen["outcome"] == pytest.approx(found[label]["tokens"][0]["probability"], abs=1e-3)


def test_a_table_of_all_methods_is_numbered_and_no_wider_than_a_screen(run, photo):
    code, out, _ = run("ask", *_asked(*ALL), *_coco(photo))
    lines = out.splitlines()
    assert code == 0
    table = lines[lines.index("Token 1, layer by layer") :]
    assert max(len(line) for line in table if line[:5].strip().isdigit() or line.startswith("layer")) <= 120
    answers = [line for line in lines if line[:3] in [f"{n}  " for n in range(1, 9)]]
    assert [line.split()[1] for line in answers] == [
        *("vanilla", "clvs", "vcd", "pai", "var:tau=0.5,dims=3", "adhh:threshold=0.2,heads=1-2/3-0", "vaf", "tarac")
    ]
    heads = [line.split() for line in lines if line.startswith("layer")]
    assert heads == [["layer", *"12345678"], ["layer", *"2345678"], ["layer", *"12345678"]]
    rows = [line.split() for line in lines if line[:5].strip().isdigit() and not line[0].isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"] * 3
    assert [len(row) - 1 for row in rows] == [8] * 4 + [7] * 4 + [8] * 4
    notes = [line for line in lines if line.startswith(("5: ", "6: ", "3: "))]
    assert any("sink tokens of the picture, in layers" in note for note in notes)
    assert any(" silenced, in layer" in note for note in notes)
    assert any("behind the contrast" in note for note in notes)


def test_a_long_list_of_heads_is_cut_in_file_names_and_still_told_apart():
    heads = "/".join(f"{layer}-{head}" for layer in range(20) for head in range(3))
    several = [method(f"adhh:heads={heads}/30-{n}") for n in (1, 2)]
    one, other = file_names("{method}", "x.jpg", several)
    assert one != other
    assert max(len(path.name) for path in (one, other)) < 130


def test_the_methods_are_listed(capsys, own):
    assert cli.main(["methods", "--file", str(own)]) == 0
    out = capsys.readouterr().out
    heads = [line for line in out.splitlines() if line and line[0] != " "]
    assert [line.split()[0] for line in heads] == [*METHODS]
    assert "clvs     CLVS  https://arxiv.org/abs/2509.12897" in heads
    assert "- rho = 0.5. A head counts as looking at the picture" in out
    assert "Usually 0 to 1." in out
    assert "- strength = 0.5" in out
    assert " On " not in out


def test_methods_say_what_runs_on_a_model(capsys):
    assert cli.main(["methods", "--model", "llava-next-vicuna-7b"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "On LLaVA-NeXT 7B (Vicuna): clvs" in out
    assert "Not on LLaVA-NeXT 7B (Vicuna): AD-HH needs a list of heads" in out
    assert cli.main(["methods", "--model", "llava-next-vicuna-7b", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    found = {one["name"]: one for one in report["methods"]}
    assert (report["model"], report["layers"]) == ("llava-next-vicuna-7b", None)
    assert [name for name, one in found.items() if not one["runs"]] == ["var", "adhh"]
    assert found["adhh"]["recommended"] is None
    assert method(found["clvs"]["recommended"]) == method("clvs")
    fields = {entry["name"]: entry for entry in found["vcd"]["fields"]}
    assert (fields["alpha"]["value"], fields["alpha"]["low"], fields["alpha"]["high"]) == (1.0, 0, 3)


@needs_scenes
def test_methods_on_the_demo_model_know_its_layers_and_notes(capsys):
    assert cli.main(["methods", "--model", "scenes", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    found = {one["name"]: one for one in report["methods"]}
    assert report["layers"] == 12
    assert all(one["runs"] for one in found.values())
    assert found["var"]["note"] == CARDS["scenes"].method_notes["var"]


def test_a_file_without_a_method_is_refused_in_the_list_too(capsys, tmp_path):
    (tmp_path / "empty.py").write_text("")
    assert cli.main(["methods", "--file", str(tmp_path / "empty.py")]) == 2
    assert "defines 0 methods" in capsys.readouterr().err


# --- what can go wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "clvs:alpha=7"], "alpha must be a number between 0 and 1"),
        (["--method", "magic"], "no method 'magic'"),
        (["--method", "clvs:first_check=99"], "first_check, in this model of 4 layers"),
        (["--max-new-tokens", "0"], "not a whole number from 1 up"),
        (["--max-new-tokens", "5000"], "5000 new tokens the model has room for"),
        (["--box", "1,2,3"], "not four numbers"),
        (["--box", "500,500,600,600"], "covers no pixel of the picture, which is 48 x 32"),
        (["--object", "dog"], "no masks of it are known"),
        (["--coco-annotations", "nowhere.json"], "nowhere.json cannot be read"),
        (["--question", "  "], "The question is empty"),
        (["--image", "nowhere.png"], "no picture at 'nowhere.png'"),
        (["--prompt", "magic"], "no prompt 'magic'; choose one of chat, vicuna, yes-no"),
        (["--wrong"], "unrecognized arguments: --wrong"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_requests_end_in_one_sentence_and_code_2(run, capsys, options, message):
    try:
        code, out, err = run("ask", *options)
    except SystemExit as stopped:  # argparse
        code, (out, err) = stopped.code, capsys.readouterr()
    last = err.splitlines()[-1]
    assert (code, out) == (2, "")
    assert message in last
    assert last.endswith(".")
    assert "Traceback" not in err


@pytest.mark.parametrize("options", [["--model", "/nowhere/at/all"], ["--dtype", "int3"], ["--device", "tpu"]])
def test_model_problems_are_code_3(run, options):
    code, out, err = run("ask", *options)
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("clvs_core: ")


@pytest.mark.parametrize("command", ["ask", "figure"])
@pytest.mark.parametrize(
    "options",
    [
        ["--question", " "],
        ["--prompt", "magic"],
        ["--token", "3"],
        ["--object", "unicorn"],
        ["--box", "500,500,600,600"],
        ["--coco-annotations", "nowhere.json"],
    ],
    ids=lambda options: options[0],
)
def test_a_slip_is_found_before_the_model_is_loaded(run, tmp_path, command, options):
    out = ("--out", tmp_path / "f.png") if command == "figure" else ()
    code, _, err = run(command, *out, *options)
    assert code == 2
    assert "Loading" not in err


def test_a_file_that_is_no_picture_is_refused_before_the_model_is_loaded(run, photo):
    photo.write_bytes(b"not a picture")
    code, _, err = run("ask")
    assert code == 2
    assert "Loading" not in err


def test_interruption_is_code_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ask, "load", interrupted)
    code, out, err = run("ask")
    assert (code, out, err.splitlines()[-1]) == (130, "", "clvs_core: interrupted")


def test_a_bug_is_not_hidden(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(ask, "load", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run("ask")


# --- trace ------------------------------------------------------------------------------------------------------


def test_one_trace_file_a_method(run, tmp_path):
    pattern = tmp_path / "new" / "{image}_{method}.npz"
    methods = ("--method", "vanilla", "--method", "clvs:alpha=0.5,gamma=0.25")
    code, out, _ = run("trace", *methods, "--out", pattern)
    paths = [Path(line) for line in out.splitlines()]
    assert code == 0
    assert [p.name for p in paths] == [
        "000000000042_vanilla.npz",
        "000000000042_clvs-alpha=0.5,gamma=0.25.npz",
    ]
    vanilla, clvs = map(Trace.load, paths)
    assert vanilla.meta["question"] == clvs.meta["question"] == "Is there a dog?"
    assert clvs.attention.shape == (2, 4, 4, 16)
    assert not np.isnan(clvs.uncertainty).any()


def test_a_plain_name_is_kept_for_one_method_and_split_for_several(tmp_path):
    one, two = [method("clvs")], [method("vanilla"), method("clvs")]
    assert file_names("dog.npz", "x.jpg", one) == [Path("dog.npz")]
    assert file_names("dog.npz", "x.jpg", two) == [Path("dog-vanilla.npz"), Path("dog-clvs.npz")]
    assert file_names("dog.v2", "x.jpg", two) == [Path("dog.v2-vanilla.npz"), Path("dog.v2-clvs.npz")]


def test_a_method_given_twice_would_overwrite_its_trace(run):
    code, _, err = run("trace", "--method", "clvs", "--method", "CLVS")
    assert code == 2
    assert "'clvs' is given twice" in err


def test_a_place_that_cannot_be_written_is_named(run, photo):
    code, _, err = run("trace", "--out", photo / "below-a-file.npz")
    assert code == 2
    assert "cannot be written" in err.splitlines()[-1]


# --- figure -----------------------------------------------------------------------------------------------------


@pytest.fixture
def traces(run, tmp_path):
    return run("trace", "--out", tmp_path / "t.npz")[1].split()


@pytest.mark.parametrize("kind", ["heatmaps", "curves", "uncertainty"])
@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_from_traces(run, photo, traces, tmp_path, kind, ending):
    out = tmp_path / f"figure.{ending}"
    code, printed, _ = run("figure", *traces, "--kind", kind, "--out", out, *_coco(photo), question=None)
    assert (code, printed.strip()) == (0, str(out))
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert out.read_bytes().startswith(start)


def test_a_figure_straight_from_a_question(run, photo, tmp_path):
    out = tmp_path / "f.png"
    assert run("figure", "--kind", "curves", "--box", "4,0,20,20", "--out", out, "--token", 2)[0] == 0
    assert Image.open(out).width > 500


def test_curves_need_no_picture_when_there_is_a_box(run, traces, tmp_path):
    out = tmp_path / "f.svg"
    code, *_ = run("figure", *traces, "--kind", "curves", "--box", "4,0,20,20", "--out", out, question=None, image=None)
    assert code == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "f.gif"], "must end in .png, .svg, .pdf"),
        (["--out", "f.png", "--layers", "9"], "Layers must be between 1 and 4"),
        (["--out", "f.png", "--token", "9"], "Token 9 was not recorded; the longest answer has 2"),
        (["--out", "f.png", "--kind", "curves"], "The curves need a key object"),
        (["--out", "f.png", "--question", "Why?"], "either from trace files or from --image and --question"),
    ],
)
def test_figures_that_cannot_be_drawn_say_why(run, traces, options, message):
    code, _, err = run("figure", *traces, *options, question=None)
    assert code == 2
    assert message in err.splitlines()[-1]


def test_a_figure_needs_its_own_picture(run, traces, tmp_path):
    Image.new("RGB", (99, 32)).save(tmp_path / "other.png")
    code, _, err = run("figure", *traces, "--out", "f.png", question=None, image=tmp_path / "other.png")
    assert code == 2
    assert "belong to a picture of 48 x 32 pixels" in err


def test_files_that_are_no_traces_are_refused(run, photo):
    code, _, err = run("figure", photo, "--out", "f.png", question=None)
    assert code == 2
    assert "is not a CLVS trace" in err


def test_without_viz_the_rest_still_works_and_figures_say_what_is_missing(run, traces, monkeypatch):
    monkeypatch.setitem(sys.modules, "viz.figures", None)
    code, _, err = run("figure", *traces, "--out", "f.png", question=None)
    assert code == 2
    assert "This needs the project's viz folder" in err
    assert run("ask")[0] == 0


# --- as a program -----------------------------------------------------------------------------------------------


def test_as_a_program_results_and_progress_are_apart_and_a_closed_pipe_is_quiet(model, photo):
    command = [sys.executable, "-m", "clvs_core", "ask", "--image", str(photo), "--question", "Is it?", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    shell = f"{subprocess.list2cmdline([*command, '--model', model, '--max-new-tokens', '300'])} | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0
    assert done.stdout == "{"
    assert "Looking at the picture" in done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


# --- models -----------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch):
    """A machine with one GPU of 12 GB."""
    place = memory.Place("cuda:0", "Small GPU", 12 * 10**9, 12 * 10**9)
    monkeypatch.setattr(memory, "places", lambda device="auto": [place])
    monkeypatch.setattr(models, "measure", lambda device, kept: Speed(5e13, 4e11))


def test_the_models_are_listed_with_what_fits(gpu, capsys):
    assert cli.main(["models"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (lines[0], err) == ("Small GPU: 12.0 GB of 12.0 GB free", "")
    rows = {line.split()[0]: line for line in lines[2:] if line and line.split()[0] in CARDS}
    assert set(rows) == set(CARDS)
    assert rows["llava-1.5-7b"].split() == [
        *["llava-1.5-7b", "7.1", "30.1", "15.4", "8.7*", "5.6*", "P"],
        *["Llama", "2", "Community", "llava-hf/llava-1.5-7b-hf"],
    ]
    assert " G " in rows["gemma-3-4b"]
    assert "ships with this program" in rows["scenes"]
    assert len({line.index("/") for line in lines if "llava-hf/" in line}) == 1, "columns"


def test_the_models_as_json_hold_the_same(gpu, capsys):
    assert cli.main(["models", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["machine"] == [{"device": "cuda:0", "name": "Small GPU", "free": 12 * 10**9, "total": 12 * 10**9}]
    found = {card["name"]: card for card in report["models"]}
    llava = found["llava-1.5-7b"]
    assert (llava["parameters"], llava["paper"], llava["gated"]) == (7.063, True, False)
    assert llava["fits"] == ["8bit", "4bit"]
    assert llava["needs"]["bfloat16"] == pytest.approx(15.4e9, rel=0.01)
    assert "LLaVA-NeXT" in found["internvl3-8b"]["note"]


def test_without_a_gpu_quantization_is_not_promised(capsys):
    assert cli.main(["models", "--json", "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [place["device"] for place in report["machine"]] == ["cpu"]
    assert all(set(card["fits"]) <= {"float32", "bfloat16"} for card in report["models"])
    assert cli.main(["models", "--device", "cuda:99"]) == 3


def test_image_mode_decides_what_of_a_wide_picture_is_seen(run):
    seen = {}
    for mode in ("crop", "pad"):
        code, out, err = run("ask", "--json", "--image-mode", mode)
        assert code == 0
        seen[mode] = json.loads(out)["image"]["seen"]
        assert ("sees only" in err) is (mode == "crop")
    x0, _, x1, _ = seen["crop"]
    assert (x0, x1) != (0, WIDTH)
    assert seen["pad"] == [0, 0, WIDTH, HEIGHT]


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("kite-weather", str(choose.SCENES / "kite-weather.jpg")),
        ("kite-weather.jpg", str(choose.SCENES / "kite-weather.jpg")),
        ("own", "own"),
        ("../scenes/kite-weather", "../scenes/kite-weather"),
        ("x" * 5000, "x" * 5000),
        ("\0", "\0"),
    ],
    ids=lambda text: text[-12:],
)
def test_a_bundled_scene_has_a_name_and_files_come_first(text, image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ask = ["ask", "--question", "Why?", "--image"]
    assert parser().parse_args([*ask, text]).image == image
    if "/" not in text and len(text) < 100 and text.isprintable():
        (tmp_path / text).touch()
        assert parser().parse_args([*ask, text]).image == text
