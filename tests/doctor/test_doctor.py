"""`doctor`: all well on the embedded model, and each check turns red when the thing it looks at is broken."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from clvs_core import random_weights
from clvs_core.bundled import ASSETS
from clvs_core.cli import doctor as command
from clvs_core.cli.main import main
from clvs_core.doctor import checks, literal, machine, timing
from clvs_core.doctor.findings import GREEN, RED, YELLOW, Finding, examined, public
from clvs_core.doctor.subject import Subject
from clvs_core.engine import branches, decode, images
from clvs_core.engine.attention import NAME
from clvs_core.engine.lens import Lens
from clvs_core.engine.model import Model
from clvs_core.loading import load_model
from clvs_core.methods import clvs
from clvs_core.models import architectures, memory
from clvs_core.models.families import FAMILIES
from clvs_core.models.registry import CARDS, card_for
from tests import tiny, tiny_families

MACHINE = ["versions", "platform", "devices", "memory", "hub", "cards"]
MODEL = ["dtype", "prompt", "visual tokens", "impulse", "attention", "unified positions", "vanilla", "clvs"]
MODEL += ["memory used", "time", "unloading"]
NAMES = [*MACHINE, "loads", *MODEL]
SOFTMAX = branches.softmax_rows


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """One round of short answers; how long they take is not the matter here."""
    monkeypatch.setattr(timing, "TOKENS", (1, 2))
    monkeypatch.setattr(timing, "SLOW", 0.0)


@pytest.fixture(scope="module")
def embedded():
    subject = Subject(lambda: load_model("scenes", device="cpu"))
    subject.load()
    subject.meter.stop()
    return subject


@pytest.fixture
def subject(embedded):
    embedded.model.cache.clear()
    yield embedded
    embedded.model.cache.clear()


def run(capsys, *arguments):
    code = main(["doctor", *arguments])
    return code, capsys.readouterr()


def report(capsys, *arguments):
    """Exit code, statuses by name, and all that was written."""
    code, said = run(capsys, "--json", *arguments)
    told = json.loads(said.out)
    return code, {finding["name"]: finding["status"] for finding in told["findings"]}, told, said.out + said.err


# --- all well -----------------------------------------------------------------------------------------------------


def test_the_embedded_model_is_all_green(capsys):
    code, statuses, told, _ = report(capsys)
    assert list(statuses) == NAMES
    assert code == 0
    assert RED not in statuses.values()
    ours = {name: status for name, status in statuses.items() if name in ("loads", *MODEL) and name != "time"}
    assert set(ours.values()) == {GREEN}  # time depends on what else this machine does
    assert told["status"] in (GREEN, YELLOW)
    assert {"format", "project", "model", "random", "status", "findings"} == set(told)
    assert all({"name", "status", "sentence", "numbers"} == set(finding) for finding in told["findings"])
    numbers = {finding["name"]: finding["numbers"] for finding in told["findings"]}
    assert numbers["time"]["methods"][0] == "vanilla"
    assert len(numbers["time"]["methods"]) == 8
    assert numbers["clvs"]["stop_layers"][0] == -1
    assert numbers["clvs"]["stop_layers"][1] > 0
    assert numbers["unified positions"]["moved_by"] > 1e-3, "unified positions change nothing here"


def test_lines_have_a_mark_a_word_and_no_colour_where_they_are_not_for_a_terminal(capsys):
    code, said = run(capsys, "--model", "/nowhere/at/all")
    lines = said.out.splitlines()
    assert code == 3
    assert "\x1b" not in said.out
    (red,) = [line for line in lines if line[2:].startswith("red")]
    assert red[0] in "✗x"
    assert red[11:].startswith("loads")
    assert lines[-1].endswith("1 red.")
    assert [name for line in lines if (name := line[11:29].strip()) in NAMES] == [*MACHINE, "loads"]


def test_a_terminal_gets_colours_and_a_narrow_one_plain_marks(monkeypatch):
    class Terminal:
        encoding = "ascii"

        def isatty(self):
            return True

    monkeypatch.setattr(command.sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    (line,) = command._lines(Finding("clvs", RED, "wrong"))
    assert line == "\x1b[31mx red      \x1b[0mclvs              wrong"
    monkeypatch.setenv("NO_COLOR", "1")
    assert command._lines(Finding("clvs", RED, "wrong")) == ["x red      clvs              wrong"]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_nothing_is_red_in_other_precisions(capsys, dtype):
    _, statuses, _, _ = report(capsys, "--dtype", dtype)
    assert RED not in statuses.values()
    exact = ("attention", "unified positions", "vanilla", "clvs")
    if dtype == "float64":
        assert {statuses[name] for name in exact} == {GREEN}
    else:
        assert statuses["dtype"] == YELLOW  # slow on a CPU


# --- every check sees what it looks for ---------------------------------------------------------------------------


def lopsided(memory, weights, beta, visual):
    return beta * memory + (1 - beta) * weights[..., visual].mean(-2)


def not_divided(weights, memory, alpha, visual):
    mixed = weights.clone()
    mixed[..., visual] = alpha * weights[..., visual] + (1 - alpha) * memory[:, None]
    return mixed


def swapped(weights, memory, alpha, visual):
    return SMOOTH(weights, memory, 1 - alpha, visual)


SCORES = branches._scores
SMOOTH, VIEWS, UNCERTAINTY, LOGITS = clvs.smooth, images.views_for, branches.uncertainty, Lens.logits


def never(self, layer, uncertainty):
    return None


def late(self, layer, uncertainty):
    checked = self.checks(layer)
    if checked is None or layer == self.earliest:
        return None
    certain = uncertainty.to(self.gamma) < 0.9 * self.gamma
    self.active = self.active & ~(checked & certain)
    return checked & certain


def shifted(*arguments):
    """The geometry with every grid moved by a fifth of the picture."""
    views = VIEWS(*arguments)
    move = views.width / 5
    grids = [
        dataclasses.replace(g, region=(g.region[0] - move, g.region[1], g.region[2] - move, g.region[3]))
        for g in views.grids
    ]
    return dataclasses.replace(views, grids=tuple(grids))


def one_more(*arguments):
    views = VIEWS(*arguments)
    return dataclasses.replace(views, visual=views.visual + 1)


def sharper(scores):
    return SOFTMAX(scores * 1.05)


def coarse(rows, segments):
    """As bfloat16 rounds scores under a large offset that all keys share, such as Qwen2's key biases make."""
    return (SCORES(rows, segments) + 300).bfloat16().to(rows.dtype)


def broken(scores):
    return SOFTMAX(scores) * math.nan


BREAKAGES = {
    "softmax": ("attention", branches, "softmax_rows", sharper),
    "softmax, answers": ("vanilla", branches, "softmax_rows", sharper),
    "scores rounded to 16 bits": ("attention", branches, "_scores", coarse),
    "NaN": ("attention", branches, "softmax_rows", broken),
    "unified keys": ("unified positions", branches, "rerotate", lambda decoder, states, old, new: states),
    "tokens": ("vanilla", decode.RepetitionPenalty, "choose", lambda self, logits: logits.argmin(-1)),
    "logits": ("vanilla", Lens, "logits", lambda self, *a: 1.01 * LOGITS(self, *a)),
    "memory of the mean head": ("clvs", clvs, "remember", lopsided),
    "memory that fades": ("clvs", clvs, "remember", lambda memory, *rest: 0.99 * memory),
    "row not divided": ("clvs", clvs, "smooth", not_divided),
    "alpha the other way": ("clvs", clvs, "smooth", swapped),
    "no stop": ("clvs", clvs.CLVSEditor, "observe", never),
    "late stop": ("clvs", clvs.CLVSEditor, "observe", late),
    "uncertainty": ("clvs", branches, "uncertainty", lambda *a: 0.98 * UNCERTAINTY(*a)),
    "geometry": ("impulse", images, "views_for", shifted),
    "count": ("visual tokens", images, "views_for", one_more),
}
LOOKS = {
    "attention": checks.attention,
    "unified positions": checks.unified_positions,
    "vanilla": checks.vanilla,
    "clvs": checks.clvs,
    "impulse": checks.impulse,
    "visual tokens": checks.visual_tokens,
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_a_broken_engine_is_red(subject, monkeypatch, what):
    name, place, attribute, value = BREAKAGES[what]
    assert LOOKS[name](subject).status == GREEN
    subject.model.cache.clear()
    monkeypatch.setattr(place, attribute, value)
    found = examined(name, lambda: LOOKS[name](subject))
    assert found.status == RED
    assert found.sentence.endswith(".")


def test_an_answer_that_nothing_ends_is_red(subject, monkeypatch):
    assert checks.prompt(subject).status == GREEN
    monkeypatch.setattr(subject.model, "end_ids", [])
    assert checks.prompt(subject).status == RED


def test_words_that_the_vocabulary_lacks_are_yellow(subject, monkeypatch):
    monkeypatch.setattr(checks, "QUESTION", "Is there a xylophonist?")
    found = checks.prompt(subject)
    assert found.status == YELLOW
    assert "xylophonist" in found.sentence


def test_more_visual_tokens_than_the_card_says_are_yellow(subject, monkeypatch):
    card = subject.model.card
    monkeypatch.setattr(subject.model, "card", dataclasses.replace(card, size=dataclasses.replace(card.size, tokens=9)))
    assert checks.visual_tokens(subject).status == YELLOW


def test_more_memory_than_was_estimated_is_yellow_on_a_cpu_and_red_on_a_gpu(subject, monkeypatch):
    monkeypatch.setattr(subject.meter, "peak", lambda: 10**9)
    assert checks.memory_used(subject).status == YELLOW
    monkeypatch.setattr(subject.meter, "gpu", True)
    assert checks.memory_used(subject).status == RED
    monkeypatch.setattr(subject.meter, "peak", lambda: 10**8)
    assert checks.memory_used(subject).status == GREEN


def test_the_meter_sees_a_peak_that_is_over():
    subject = Subject(lambda: (torch.ones(50_000_000), memory.release())[1])
    subject.load()
    subject.meter.stop()
    assert subject.meter.peak() > 0


@pytest.mark.parametrize("held", [True, False])
def test_a_model_that_something_holds_is_red(held):
    subject = Subject(lambda: load_model("scenes", device="cpu"))
    model = subject.load()
    subject.meter.stop()
    keeper = model.hf if held else None
    del model
    found = checks.unloading(subject)
    assert found.status == (RED if held else GREEN)
    assert subject.model is None
    del keeper


def test_asking_that_costs_more_than_one_by_one_is_yellow(subject, monkeypatch):
    known = {f"{name}_{count}": 1.0 for name in ("generate", "pair", "all") for count in timing.TOKENS}
    monkeypatch.setattr(timing, "_medians", lambda work: (3, known))
    assert timing.time_of(subject).status == GREEN
    monkeypatch.setattr(timing, "_medians", lambda work: (3, {**known, "pair_1": 2.5}))
    assert timing.time_of(subject).status == YELLOW


def test_the_model_is_as_it_was_after_every_check(subject):
    before = subject.model.end_ids, subject.model.hf.generation_config.eos_token_id
    for look in (*LOOKS.values(), timing.time_of):
        look(subject)
    assert subject.model.hf.config.get_text_config()._attn_implementation == NAME
    assert (subject.model.end_ids, subject.model.hf.generation_config.eos_token_id) == before


def test_a_check_that_raises_is_one_red_line_and_the_others_go_on(capsys, monkeypatch):
    def falls(subject):
        raise ValueError("first line of /home/jane/secret/model.py\nsecond line")

    monkeypatch.setattr(checks, "attention", falls)
    code, statuses, told, everything = report(capsys)
    assert code == 4
    assert told["status"] == RED
    assert list(statuses) == NAMES
    assert [name for name, status in statuses.items() if status == RED] == ["attention"]
    sentence = next(f["sentence"] for f in told["findings"] if f["name"] == "attention")
    assert sentence == "This check stopped with ValueError: first line of …/model.py."
    assert "jane" not in everything


# --- a model that is not there, and what must not be told -----------------------------------------------------------


def test_a_model_that_cannot_be_loaded_is_one_red_line(capsys, tmp_path):
    folder = tmp_path / "jane" / "model"
    shutil.copytree(ASSETS / "scenes_model", folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    code, statuses, told, everything = report(capsys, "--model", str(folder))
    assert code == 3
    assert list(statuses) == [*MACHINE, "loads"]
    assert statuses["loads"] == RED
    assert told["model"] == "model"
    assert "jane" not in everything
    assert str(tmp_path) not in everything


def test_no_folder_no_user_and_no_token_are_told(capsys, monkeypatch, tmp_path):
    from huggingface_hub import constants

    secret = "hf_abcdefghijklmnop"
    home = tmp_path / "home" / "jane"
    (home / "models").mkdir(parents=True)
    monkeypatch.setenv("HF_TOKEN", secret)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / ".cache" / "hub"))
    folder = home / "models" / "mine"
    shutil.copytree(ASSETS / "scenes_model", folder)
    code, _, told, everything = report(capsys, "--model", str(folder))
    assert code == 0
    for private in ("jane", secret, str(tmp_path)):
        assert private not in everything
    hub = next(f for f in told["findings"] if f["name"] == "hub")
    assert hub["numbers"]["token"] is True
    assert "~/.cache/hub" in hub["sentence"]
    assert str(machine.hub_cache().numbers).count("jane") == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no /home/jane/x/model.safetensors here", "no …/model.safetensors here"),
        (r"no C:\Users\jane\x\model.bin here", "no …/model.bin here"),
        ("see https://huggingface.co/llava-hf/llava-1.5-7b-hf first", None),
        ("Qwen/Qwen2.5-VL-7B-Instruct", None),
        ("token hf_abcdefghijkl is bad", "token hf_… is bad"),
        ("'USER: <image>\\nIs it? ASSISTANT:' and </s>", None),
        ("one\x1b[31mtwo", "one [31mtwo"),
        ("24 km/h", None),
    ],
)
def test_what_is_fit_for_the_public(text, shown):
    assert public(text) == (text if shown is None else shown)


def test_an_interrupt_is_no_finding():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined("x", stopped)


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--layers", "2"], "--layers belongs to --random", 2),
        (["--random", "--quantization", "4bit"], "not quantized", 2),
        (["--dtype", "half"], "dtype must be", 3),
        (["--device", "tpu"], "device must be", 3),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(capsys, options, words, code):
    found, said = run(capsys, *options)
    assert found == code
    assert words in said.err
    assert said.out == ""


# --- the machine --------------------------------------------------------------------------------------------------


def test_packages_that_are_missing_or_of_another_version_are_yellow(monkeypatch):
    assert machine.versions().status == GREEN
    real = machine._version
    monkeypatch.setattr(machine, "_version", lambda name: None if name == "gradio" else real(name))
    assert "not installed: gradio" in machine.versions().sentence
    monkeypatch.setattr(machine, "_version", lambda name: "4.50.0" if name == "transformers" else real(name))
    found = machine.versions()
    assert found.status == YELLOW
    assert "asks for transformers" in found.sentence


def test_little_memory_and_little_disk_are_yellow_and_none_for_any_model_is_red(monkeypatch):
    place = memory.Place("cpu", "this machine", 10**9, 2 * 10**9)
    monkeypatch.setattr(memory, "places", lambda device="auto": [place])
    found = machine.ram()
    assert found.status == YELLOW
    assert "a container's limit" in found.sentence
    assert machine.cards("cpu").status in (GREEN, YELLOW)
    monkeypatch.setattr(memory, "places", lambda device="auto": [dataclasses.replace(place, free=10**6)])
    assert machine.cards("cpu").status == RED
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 9, 10**9))
    assert machine.hub_cache().status == YELLOW


def test_gpus_are_named_with_what_they_can(monkeypatch):
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "device_count", lambda: 1)
    monkeypatch.setattr(cuda, "get_device_capability", lambda number: (7, 5))
    monkeypatch.setattr(memory, "places", lambda device: [memory.Place(device, "Tesla T4", 15 * 10**9, 16 * 10**9)])
    found = machine.devices()
    assert found.status == YELLOW
    assert "Tesla T4 with 15.0 GB of 16.0 GB free, compute capability 7.5, without bfloat16" in found.sentence
    monkeypatch.setattr(cuda, "get_device_capability", lambda number: (9, 0))
    assert machine.devices().status == GREEN


# --- the formulas -------------------------------------------------------------------------------------------------


def test_the_formulas_by_hand():
    row = literal.attention_row(np.array([[1.0], [2.0]]), np.array([[[0.0], [math.log(3)]]]), 1.0)
    np.testing.assert_allclose(row, [[0.25, 0.75], [0.1, 0.9]])
    windowed = literal.attention_row(np.ones((1, 1)), np.zeros((1, 3, 1)), 1.0, window=2)
    np.testing.assert_allclose(windowed, [[0, 0.5, 0.5]])
    seen = np.array([0, 0, 1, 1, 1, 0, 1, 1, 0], bool)
    assert literal.unified_positions(seen).tolist() == [0, 1, 2, 2, 2, 3, 4, 4, 5]
    assert literal.uncertainty(np.array([0.0, 0.0, -50.0]), 2) == pytest.approx(1)
    assert literal.uncertainty(np.array([100.0, 0.0, 0.0]), 2) == pytest.approx(0, abs=1e-12)
    first, second = np.array([[0.2, 0.4]]), np.array([[0.5, 0.1]])
    rows, unsure, outside = np.stack([first, second, second]), np.array([np.nan, 0.4, np.nan]), np.zeros((3, 2), bool)
    told = literal.clvs(first, rows, unsure, outside, 0.5, 0.5, 0.45, 1)
    mixed = np.array([0.35, 0.25]) / (1 - 0.6 + 0.6)
    np.testing.assert_allclose(told.attention, [first, [mixed], second])
    np.testing.assert_allclose(told.memory, [[0.2, 0.4], [0.35, 0.25], [np.nan, np.nan]])
    assert told.stop == 1
    outside[1, 0] = True
    narrow = literal.clvs(first, rows, unsure, outside, 0.5, 0.5, 0.45, 1)
    np.testing.assert_allclose(narrow.attention[1], [[0, 0.25 / 0.65]])


# --- random weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", architectures.NAMES)
def test_known_architectures_have_the_size_on_their_card(name):
    card = CARDS[name]
    config = architectures.architecture(card)
    size = memory.size_of(memory.skeleton(config), card.size.tokens)
    assert config.model_type == card.family
    assert (size.parameters, size.kept) == pytest.approx((card.size.parameters, card.size.kept), abs=6e-4)
    assert size.kv == pytest.approx(card.size.kv, abs=0.06)


def small(name):
    """The architecture of a card with every width cut down."""
    found = json.loads(json.dumps(architectures._KNOWN[name]))
    text, vision = found["text_config"], found["vision_config"]
    text |= {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
    text |= {"vocab_size": 512, "num_hidden_layers": 4}
    if "rope_parameters" in text:
        text["rope_parameters"]["mrope_section"] = [2, 3, 3]
        vision |= {"depth": 2, "num_heads": 2, "patch_size": 14}
        own = {"embed_dim": 32, "hidden_size": 64} if found["model_type"] == "qwen2_vl" else {"hidden_size": 32}
        vision |= own if "embed_dim" in own else {**own, "intermediate_size": 48, "out_hidden_size": 64}
        if "fullatt_block_indexes" in vision:
            vision["fullatt_block_indexes"] = [1]
    else:
        vision |= {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2}
        vision |= {"image_size": 56}
        if "image_grid_pinpoints" in found:
            found["image_grid_pinpoints"] = [[56, 112], [112, 56], [112, 112]]
    return found


@pytest.mark.parametrize("name", ["llava-1.5-7b", "llava-next-vicuna-7b", "qwen2-vl-2b", "qwen2.5-vl-7b"])
def test_random_weights_pass_every_check_that_makes_sense_with_them(capsys, monkeypatch, name):
    monkeypatch.setitem(architectures._KNOWN, name, small(name))
    few = dataclasses.replace(FAMILIES[CARDS[name].family], most_tokens=100)
    monkeypatch.setitem(FAMILIES, CARDS[name].family, few)
    # VAR's dimensions and AD-HH's heads are those of the full width
    monkeypatch.setattr(random_weights, "card_for", lambda name: dataclasses.replace(CARDS[name], settings={}))
    monkeypatch.setattr(checks, "SHAPES", ((120, 160), (180, 100)))
    code, statuses, told, _ = report(capsys, "--random", "--model", name, "--dtype", "float32")
    assert code == 0, [f for f in told["findings"] if f["status"] == RED]
    assert told["random"] is True
    assert statuses["prompt"] == "left out"
    assert {statuses[n] for n in ("visual tokens", "attention", "unified positions", "vanilla", "clvs")} == {GREEN}
    assert statuses["unloading"] == GREEN


def test_random_weights_are_the_same_each_time_and_leave_others_random_numbers_alone(monkeypatch):
    monkeypatch.setitem(architectures._KNOWN, "llava-1.5-7b", small("llava-1.5-7b"))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, other = (random_weights.load("llava-1.5-7b", "bfloat16", "cpu", layers=2) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert one.layers == 2
    assert one.hf.dtype == torch.bfloat16
    for (name, ours), theirs in zip(one.hf.named_parameters(), other.hf.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize(
    ("name", "words"),
    [("gemma-3-4b", "is not known here"), ("scenes", "name another card with --model"), ("no/such", "not known here")],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(capsys, name, words):
    code, _, told, _ = report(capsys, "--random", "--model", name)
    assert code == 3
    assert words in told["findings"][-1]["sentence"]


def test_what_does_not_fit_says_what_it_needs(capsys, monkeypatch):
    monkeypatch.setattr(memory, "fit", lambda *a: None)
    code, _, told, _ = report(capsys, "--random", "--model", "llava-1.5-7b", "--dtype", "float16")
    assert code == 3
    assert "needs 15." in told["findings"][-1]["sentence"] or "needs 14." in told["findings"][-1]["sentence"]


# --- every family -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [name for name in tiny_families.FAMILIES if name not in tiny_families.MISSING])
def test_every_family_is_held_to_the_same_formulas(monkeypatch, family):
    monkeypatch.setattr(checks, "SHAPES", ((120, 160), (180, 100)))
    subject = Subject(lambda: Model(*tiny_families.FAMILIES[family](torch.float64), card_for("tiny")))
    subject.load()
    subject.meter.stop()
    subject.picture = Image.fromarray(tiny.picture(0, 72, 104))
    found = [examined(name, lambda look=look: look(subject)) for name, look in LOOKS.items()]
    assert [(one.name, one.sentence) for one in found if one.status != GREEN] == []
