"""The command bench, as a user types it; and killed, as a cluster does it."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from clvs_core.benchmarks.running import folder as runs
from clvs_core.cli import bench as bench_command
from clvs_core.cli.bench import gpus, listed, methods, sweep
from clvs_core.cli.main import main
from clvs_core.models.registry import card_for
from tests.benchmarks import made, scenes
from tests.benchmarks.test_workers import Blind
from tests.close import assert_same_rows

ROOT = Path(__file__).resolve().parents[2]
FOUR = "vanilla,clvs,vcd,tarac"
# A method of one's own that takes as long over a question as is wished, so that a run can be ended in its middle
SLOW = """
import os, time
from dataclasses import dataclass
from clvs_core.methods import Vanilla

@dataclass(frozen=True)
class Slow(Vanilla):
    name, label = "slow", "Slow"

    def contrasted(self):
        time.sleep(float(os.environ.get("PAUSE", "0")))
"""


def parsed(*words):
    parser = argparse.ArgumentParser()
    bench_command.add(parser.add_subparsers(required=True))
    return parser.parse_args(["bench", *map(str, words)])


def named(*words, model="scenes"):
    return methods(parsed("pope", "--data", "x", "--out", "y", *words), card_for(model))


@pytest.fixture
def blind(monkeypatch):
    """No model is loaded; answers are by a rule."""
    monkeypatch.setattr("clvs_core.benchmarks.running.local.Asker", Blind)


@pytest.fixture
def data(tmp_path):
    return scenes.write_pope(tmp_path / "pope", pictures=scenes.PICTURES[:3])


def words(data, out, *more):
    where = ("--data", data, "--images", scenes.FOLDER, "--out", out, "--device", "cpu")
    return ["bench", "pope", *map(str, (*where, *more))]


def bench(data, out, *more):
    return main(words(data, out, *more))


def failed(capsys, code, *command):
    """The one line that the command says of its failure."""
    capsys.readouterr()
    assert bench(*command) == code
    out, err = capsys.readouterr()
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("clvs_core: ")]
    assert len(said) == 1
    assert err.endswith(said[0] + "\n")
    assert "Traceback" not in err
    return said[0].removeprefix("clvs_core: ")


# --- options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vanilla,clvs", ["vanilla", "clvs"]),
        ("vanilla,clvs:alpha=0.7,beta=0.9", ["vanilla", "clvs:alpha=0.7,beta=0.9"]),
        ("clvs:alpha=0.7, beta=0.9, pai", ["clvs:alpha=0.7, beta=0.9", "pai"]),
        ("pai:alpha=0.2+clvs,vaf:layers=9-14", ["pai:alpha=0.2+clvs", "vaf:layers=9-14"]),
        ("my_method.py:strength=1e+3,seed=2,clvs", ["my_method.py:strength=1e+3,seed=2", "clvs"]),
        ("clvs,alpha=0.7", ["clvs", "alpha=0.7"]),
        (" , vanilla ,,", ["vanilla"]),
        ("", []),
    ],
)
def test_listed(text, found):
    assert listed(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alpha=0:1:0.25", ("alpha", [0.0, 0.25, 0.5, 0.75, 1.0])),
        ("beta=0:1:0.1", ("beta", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])),
        ("beta=0.5,0.7,0.9", ("beta", [0.5, 0.7, 0.9])),
        ("alpha=0.3", ("alpha", [0.3])),
        ("alpha=0.1:0.55:0.2", ("alpha", [0.1, 0.3, 0.5])),
        ("alpha=1:1:1", ("alpha", [1.0])),
        ("alpha=1:0:-0.5", ("alpha", [1.0, 0.5, 0.0])),
        ("alpha=0:1:0.01", ("alpha", [n / 100 for n in range(101)])),
    ],
)
def test_sweep(text, found):
    assert sweep(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("alpha", "alpha=", "=1", "gamma=0:1:0.1", "alpha=a,b", "alpha=0,,1", "alpha=0:1", "alpha=0:1:0.1:2"),
        *("alpha=0:1:0", "alpha=1:0:0.1", "alpha=0:1:0.001", "alpha=0:inf:1", "alpha=0:nan:1"),
    ],
)
def test_a_sweep_that_is_none(text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        sweep(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["-1", "1.5", "nan", "inf", "some", ""])
def test_gpus_that_ray_does_not_know(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a part of one"):
        gpus(text)
    assert [gpus(text) for text in ("0", "0.25", "1", "2")] == [0, 0.25, 1, 2]


def test_methods_are_named_as_they_were_typed_and_asked_once():
    found = named("--methods", "clvs,vanilla,clvs:alpha=0.7,beta=0.9,clvs", "--method=pai+clvs", "--method=vanilla")
    assert list(found) == ["clvs", "vanilla", "clvs:alpha=0.7,beta=0.9", "pai+clvs"]
    assert found["clvs"].gamma == card_for("scenes").settings["clvs"]["gamma"] != 0.5
    assert found["clvs:alpha=0.7,beta=0.9"].alpha == 0.7


def test_a_sweep_adds_settings_to_those_of_the_model():
    found = named("--methods", "vanilla", "--sweep", "alpha=0,0.5", "--sweep", "beta=0.25")
    assert next(iter(found)) == "vanilla"
    swept = list(found.values())[1:]
    usual = named("--methods", "clvs")["clvs"]
    assert [(one.alpha, one.beta) for one in swept] == [(0, usual.beta), (0.5, usual.beta), (usual.alpha, 0.25)]


def test_all_and_ablation(capsys):
    assert list(named("--methods", "all")) == list(scenes.ALL)
    found = named("--methods", "ablation,all")
    assert len(found) == 10
    assert list(found)[:2] == ["vanilla", "clvs"]
    assert [(one.early_termination, one.unified_positions) for one in list(found.values())[1:4]] == [
        (True, True),
        (False, True),
        (True, False),
    ]


def test_all_leaves_out_what_the_model_cannot_run(tmp_path, capsys):
    assert list(named("--methods", "all", model=str(tmp_path))) == [m for m in scenes.ALL if m not in ("var", "adhh")]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("Left out: ") for line in said)


def test_the_seed_is_that_of_noise_and_of_nothing_else():
    found = named("--methods", "vcd,vcd:seed=5,clvs,vcd:alpha=0.5+clvs", "--seed", "7")
    assert [found["vcd"].seed, found["vcd:seed=5"].seed] == [7, 5]
    assert [one.seed for one in found["vcd:alpha=0.5+clvs"].methods if hasattr(one, "seed")] == [7]
    assert found["clvs"] == named("--methods", "clvs")["clvs"]


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--methods", "clvs,clsv"], "'clsv'.*; the command methods lists the names.$"),
        (["--methods", "clvs,alpha=0.7"], "'alpha=0.7'"),
        (["--methods", "clvs:alpha=7"], "alpha"),
        (["--methods", ","], "There is no method in --methods; name at least one"),
        (["--sweep", "alpha=0:2:0.5"], "alpha"),
        (["--method", "missing.py"], "missing.py"),
        (["--prompt", "nonsense"], "nonsense"),
        (["--gpus-per-worker", "1"], "--gpus-per-worker is for --ray; leave it out, or give both.$"),
        (["--knockout"], "--knockout hides key objects; give their masks with --key-objects, or leave it out.$"),
        (["--subset", "1"], "--subset is for rbench, not pope; leave it out.$"),
        (["--category", "popular"], "has no questions of popular"),
        (["--model", "qwen2-vl-2b", "--preset", "paper"], "The paper has no runs of qwen2_vl models; say --prompt"),
        (["--model", "some/model", "--preset", "paper"], "The family of some/model is not known before it is loaded;"),
        (["--key-objects", "missing.json"], "missing.json"),
        (["--positives", "2", "--key-objects", "missing.json"], "missing.json"),
        (["--images", "/nowhere"], "There is no folder /nowhere"),
        (["--data", "/nowhere"], "There is no /nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_costs_no_model_and_writes_nothing(data, tmp_path, capsys, monkeypatch, more, said):
    def load(*_, **__):
        raise AssertionError("the model is loaded before everything is checked")

    monkeypatch.setattr("clvs_core.benchmarks.running.asker.load_model", load)
    message = failed(capsys, 2, data, tmp_path / "out", *more)
    assert re.search(said, message)
    assert not (tmp_path / "out").exists()


def test_missing_pictures_and_masks_that_do_not_fit(data, tmp_path, capsys, monkeypatch, blind):
    (tmp_path / "few").mkdir()
    message = failed(capsys, 2, data, tmp_path / "out", "--images", tmp_path / "few")
    assert message.startswith("3 pictures are missing from ")
    masks = json.loads(scenes.INSTANCES.read_text())
    masks["images"] = [{**entry, "file_name": "x" + entry["file_name"]} for entry in masks["images"]]
    (tmp_path / "other.json").write_text(json.dumps(masks))
    message = failed(capsys, 2, data, tmp_path / "out", "--positives", 2, "--key-objects", tmp_path / "other.json")
    assert message == "None of the questions is answered yes and names an object with a mask; give the masks' file."
    assert not (tmp_path / "out").exists()


def test_options_that_are_none(capsys):
    for more in (["--sweep", "gamma=0:1:0.1"], ["--workers", "0"], ["--limit", "-1"], ["--gpus-per-worker", "1.5"]):
        with pytest.raises(SystemExit) as caught:
            main(words("x", "y", *more))
        assert caught.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_model_that_is_not_there(data, tmp_path, capsys):
    assert "There is no model folder" in failed(capsys, 3, data, tmp_path / "out", "--model", "/no/such")
    assert not (tmp_path / "out").exists()


def test_too_little_memory_is_said_with_what_helps(data, tmp_path, capsys, monkeypatch, blind):
    def rows(self, picture, questions):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Blind, "rows", rows)
    message = failed(capsys, 3, data, tmp_path / "out", "--batch", 64)
    assert message.startswith("There is too little memory for 64 branches in one pass; give a smaller --batch")


def test_another_run_in_the_folder_is_refused(data, tmp_path, capsys, blind):
    out = tmp_path / "out"
    assert bench(data, out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for more in (["--limit", 2], ["--max-new-tokens", 3], ["--batch", 9], ["--lens"], ["--preset", "paper"]):
        assert f"{out} holds a run with other " in failed(capsys, 2, data, out, *more)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# --- a run --------------------------------------------------------------------------------------------


def test_a_run_and_what_it_writes_down(data, tmp_path, capsys, blind):
    out = tmp_path / "runs" / "one"
    more = ["--category", "random", "--limit", 3, "--positives", 2, "--key-objects", scenes.INSTANCES, "--seed", 4]
    more += ["--knockout"]
    assert bench(data, out, *more, "--preset", "paper", "--method", "vcd") == 0
    assert capsys.readouterr().out == f"{out}\n"
    found = runs.read_run(out)
    assert found.complete
    assert [(q.image, q.label) for q in found.questions] == [(name, "yes") for name in scenes.PICTURES[:2]]
    assert found.about["selection"] == {"limit": 3, "positives": 2}
    assert found.about["options"]["category"] == "random"
    assert found.about["records"] == ["key_objects", "knockout"]
    assert (found.about["prompt"], found.about["max_new_tokens"], found.about["seed"]) == ("vicuna", 1, 4)
    assert found.about["data"] == str(data.resolve())
    assert bench(data, out, *more, "--preset", "paper", "--method", "vcd") == 0


def test_fewer_positives_than_asked_for_are_said(data, tmp_path, capsys, blind):
    assert bench(data, tmp_path / "out", "--positives", 50) == 0
    assert "There are 3 such questions, not 50." in capsys.readouterr().err


def test_a_run_folder_is_scored_like_any_answers(data, tmp_path, capsys, blind):
    out = tmp_path / "out"
    assert bench(data, out) == 0
    capsys.readouterr()
    assert main(["score", "pope", "--answers", str(out), "--data", str(data), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = runs.read_run(out)
    assert printed == {m: found.benchmark.score(found.questions, a).official for m, a in found.answers.items()}
    assert list(printed) == ["vanilla", "clvs"]
    with (out / runs.ANSWERS).open("ab") as file:
        file.write(b'{"id": "coco/random/1", "met')
    assert runs.read_run(out).complete


def test_a_method_of_ones_own_in_a_file(data, tmp_path, monkeypatch, registry):
    """A gain of 1 changes nothing."""
    monkeypatch.chdir(ROOT / "docs")
    more = ["--methods", "vanilla,examples/gain.py:strength=1,start_layer=0,clvs", "--limit", 1]
    assert bench(data, tmp_path / "out", *more) == 0
    found = runs.read_run(tmp_path / "out")
    assert list(found.answers) == ["vanilla", "gain:strength=1,start_layer=0", "clvs"]
    vanilla, gain, _ = (found.column(name, "probability") for name in found.answers)
    assert gain == pytest.approx(vanilla, rel=1e-4)
    assert found.answers["gain:strength=1,start_layer=0"] == found.answers["vanilla"]
    assert bench(data, tmp_path / "out", *more) == 0


# --- killed -------------------------------------------------------------------------------------------


def started(command):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PAUSE": "0.05"}
    process, pipe = [sys.executable, "-m", "clvs_core", *command], subprocess.PIPE
    return subprocess.Popen(process, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def answered(out, number, process):
    """Waits until the run has so many answers."""
    end = time.monotonic() + 300
    while not (out / runs.ANSWERS).is_file() or (out / runs.ANSWERS).read_bytes().count(b"\n") < number:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)


def finished(data, out, *more):
    """The sorted lines of the run once it is complete."""
    with scenes.one_thread():
        assert bench(data, out, *more) == 0
    assert runs.read_run(out).complete
    return sorted((out / runs.ANSWERS).read_bytes().splitlines(keepends=True))


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    pictures = sorted(path.name for path in scenes.FOLDER.glob("*.jpg"))[:8]
    return scenes.write_pope(tmp_path_factory.mktemp("larger"), pictures=pictures, questions=6)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The options that name the methods, of which the last can be slow."""
    path = tmp_path_factory.mktemp("slow") / "slow.py"
    path.write_text(SLOW)
    return "--methods", f"{FOUR},{path}"


@pytest.fixture(scope="module")
def uninterrupted(larger, asked, tmp_path_factory):
    return finished(larger, tmp_path_factory.mktemp("whole") / "out", *asked)


def test_interrupted_it_says_so_and_the_same_command_goes_on(larger, asked, uninterrupted, tmp_path):
    out = tmp_path / "out"
    with started(words(larger, out, *asked)) as process:
        answered(out, 4, process)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert printed == ""
    assert "Stopped; the same command goes on from here." in said
    assert "Traceback" not in said
    kept = (out / runs.ANSWERS).read_bytes()
    assert 4 <= kept.count(b"\n") < len(uninterrupted)
    assert_same_rows(finished(larger, out, *asked), uninterrupted)
    assert (out / runs.ANSWERS).read_bytes().startswith(kept)


def test_killed_with_its_workers_it_loses_no_answer(larger, asked, uninterrupted, tmp_path):
    """First a worker, whose pictures others must answer, then the command itself, which must leave none behind."""
    out = tmp_path / "out"
    with started(words(larger, out, *asked, "--workers", 2)) as process:
        answered(out, 24, process)
        workers = [one for one in psutil.Process(process.pid).children() if "spawn_main" in " ".join(one.cmdline())]
        workers[-1].kill()
        before = (out / runs.ANSWERS).read_bytes().count(b"\n")
        answered(out, before + 24, process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=60)[1] == []
    kept = (out / runs.ANSWERS).read_bytes()
    assert kept.count(b"\n") < len(uninterrupted)
    assert_same_rows(finished(larger, out, *asked), uninterrupted)
    assert (out / runs.ANSWERS).read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])


def test_other_masks_or_another_method_file_are_another_run(data, tmp_path, capsys, registry):
    """Both are known by what is in them, not by their names."""
    masks, gain = tmp_path / "masks.json", tmp_path / "own.py"
    masks.write_bytes(scenes.INSTANCES.read_bytes())
    gain.write_text((ROOT / "docs" / "examples" / "gain.py").read_text())
    call = ["bench", "pope", "--data", str(data), "--images", str(scenes.FOLDER), "--limit", "1"]
    call += ["--methods", f"vanilla,{gain}", "--key-objects", str(masks), "--out", str(tmp_path / "run")]
    assert main(call) == 0
    assert main(call) == 0
    capsys.readouterr()
    usual = masks.read_bytes()
    masks.write_text(json.dumps(json.loads(usual) | {"info": {}}))
    assert main(call) == 2
    assert "holds a run with other files of masks or methods: masks.json" in capsys.readouterr().err
    masks.write_bytes(usual)
    gain.write_text(gain.read_text() + "\n# another one\n")
    assert main(call) == 2
    assert "holds a run with other files of masks or methods: own.py" in capsys.readouterr().err


def test_masks_that_cannot_be_used_stop_no_run_and_are_counted(tmp_path, capsys):
    """One is damaged, one picture is of another shape, one is there twice, one is named otherwise and usable."""
    data = scenes.write_pope(tmp_path / "pope", questions=2)
    masks = json.loads(scenes.INSTANCES.read_text())
    images = {entry["file_name"]: entry for entry in masks["images"]}
    kite, savanna, farmyard, car = (images[name] for name in scenes.PICTURES)
    next(one for one in masks["annotations"] if one["image_id"] == kite["id"])["segmentation"] = None
    savanna["width"] //= 2
    for one in masks["annotations"]:
        if one["image_id"] == savanna["id"]:
            one["segmentation"] = [[0, 0, 9, 0, 9, 9]]
    masks["images"].append({**farmyard, "id": 10**6, "file_name": f"b/{farmyard['file_name']}"})
    farmyard["file_name"] = f"a/{farmyard['file_name']}"
    car["file_name"] = f"D:\\scenes\\{car['file_name'].upper()}"
    path = tmp_path / "masks.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(masks).encode())
    call = ("--methods", "vanilla", "--key-objects", path)
    assert bench(data, tmp_path / "run", *call) == 0
    err = capsys.readouterr().err
    assert err.count("has entries that cannot be used (masks: 1 of") == 1
    rows = runs.read_run(tmp_path / "run").rows
    recorded = [row["id"] for row in rows if "attention" in row]
    assert (
        f"{len(recorded)} of 4 positive questions had a key object.\nWithout one: {4 - len(recorded)}, the first" in err
    )
    assert "coco/random/7" in recorded
    notes = {row["id"]: row["mask_note"] for row in rows if "mask_note" in row}
    assert "another shape" in notes["coco/random/3"]
    assert "'a/farmyard.jpg' and 'b/farmyard.jpg'" in notes["coco/random/5"]


def test_a_run_in_which_no_question_has_a_key_object_warns(data, tmp_path, capsys):
    masks = tmp_path / "masks.json"
    masks.write_text('{"images": [], "annotations": [], "categories": []}')
    assert bench(data, tmp_path / "run", "--methods", "vanilla", "--limit", 1, "--key-objects", masks) == 0
    err = capsys.readouterr().err
    assert "Warning: 0 of 2 positive questions had a key object. Nothing was recorded of any.\n" in err
    assert "Without one: 2, the first because: masks.json does not know 'kite-weather.jpg'.\n" in err


def test_pictures_are_found_in_other_spellings(tmp_path, capsys, blind):
    data = scenes.write_pope(tmp_path / "pope", pictures=scenes.PICTURES[:1])
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "Kite-Weather.JPG").write_bytes((scenes.FOLDER / scenes.PICTURES[0]).read_bytes())
    assert main(["bench", "pope", "--data", str(data), "--images", str(folder), "--out", str(tmp_path / "run")]) == 0


def test_a_folder_with_another_run_costs_no_model(data, tmp_path, capsys, monkeypatch):
    call = ["bench", "pope", "--data", str(data), "--images", str(scenes.FOLDER), "--limit", "1"]
    assert main([*call, "--out", str(tmp_path / "run")]) == 0
    monkeypatch.setattr(
        "clvs_core.benchmarks.running.asker.load_model", lambda *_, **__: pytest.fail("the model is loaded")
    )
    capsys.readouterr()
    assert main([*call, "--max-new-tokens", "2", "--out", str(tmp_path / "run")]) == 2
    assert "holds a run with other max_new_tokens: 1, not 2" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([*call, "--out", str(tmp_path / "file" / "run")]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_sweep_does_not_ask_what_clvs_is_already():
    usual = card_for("scenes").settings["clvs"]
    assert len(named("--sweep", f"alpha={usual.get('alpha', 0.8)},0.5", "--sweep", f"beta={usual['beta']}")) == 3


def test_a_run_is_not_scored_against_other_questions(data, tmp_path, capsys):
    run = tmp_path / "run"
    call = [
        "bench",
        "pope",
        "--data",
        str(data),
        "--images",
        str(scenes.FOLDER),
        "--limit",
        "1",
        "--methods",
        "vanilla",
    ]
    assert main([*call, "--out", str(run)]) == 0
    assert main(["score", "pope", "--data", str(data), "--answers", str(run)]) == 0
    other = scenes.write_pope(tmp_path / "other", scenes.PICTURES[::-1])
    capsys.readouterr()
    assert main(["score", "pope", "--data", str(other), "--answers", str(run)]) == 2
    assert "was asked other questions" in capsys.readouterr().err


def test_report_passes_over_folders_that_hold_no_run(tmp_path, capsys):
    made.made_run(tmp_path / "runs" / "one")
    (tmp_path / "runs" / "data").mkdir()
    assert main(["report", str(tmp_path / "runs" / "one"), str(tmp_path / "runs" / "data")]) == 0
    assert "There is no run in" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "runs" / "data")]) == 2
    assert main(["report", str(tmp_path / "runs" / "one"), str(tmp_path / "nothing")]) == 2
