"""Who asks: answers equal the engine's own, whoever gives them, and what is lost or broken is one sentence."""

import io
import json
import os
import pickle
import signal
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import clvs_core
from clvs_core import benchmarks
from clvs_core.benchmarks.running import asker
from clvs_core.benchmarks.running import folder as runs
from clvs_core.benchmarks.running.asker import Asker
from clvs_core.benchmarks.running.job import run
from clvs_core.benchmarks.running.local import InProcess, decoded, packed, picture_of
from clvs_core.benchmarks.running.plan import Job, Plan, Task, named_object
from clvs_core.benchmarks.running.processes import ProcessPool, _sent
from clvs_core.benchmarks.running.ray import RayCluster
from clvs_core.benchmarks.running.worker import Worker, without_pictures
from clvs_core.errors import ClvsError, ImageError, ModelError
from clvs_core.key_objects import CocoInstances, coverage
from tests.benchmarks import scenes
from tests.close import assert_same_rows

QUESTIONS = 4


@pytest.fixture(autouse=True)
def _one_thread():
    with scenes.one_thread():
        yield


@pytest.fixture(scope="module")
def model():
    return clvs_core.load_model("scenes", device="cpu")


@pytest.fixture
def loaded(model, monkeypatch):
    """Askers take the model that is there."""
    monkeypatch.setattr("clvs_core.benchmarks.running.asker.load_model", lambda *_, **__: model)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return scenes.pope_task(tmp_path_factory.mktemp("pope"), pictures=scenes.PICTURES[:3], questions=QUESTIONS)


@pytest.fixture(scope="module")
def parquet(task, tmp_path_factory):
    """The same questions as a table of `datasets`, with the pictures' bytes inside."""
    datasets = pytest.importorskip("datasets")
    rows = [
        {
            "question_id": question.id.split("/")[-1],
            "question": question.text,
            "answer": question.label,
            "category": question.kind,
            "image_source": question.image.removesuffix(".jpg"),
            "image": str(question.picture),
        }
        for question in task.questions
    ]
    table = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    path = tmp_path_factory.mktemp("table") / "pope.parquet"
    table.to_parquet(str(path))
    return path


def lines(rows):
    return sorted(json.dumps(row) for row in rows)


def asked(backend, jobs):
    return lines(row for rows in backend.rows(jobs) for row in rows)


# --- answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [1, 4])
def test_answers_without_traces_equal_ask(model, task, tokens):
    image = model.open_image(task.questions[0].picture)
    methods = [clvs_core.method(name) for name in scenes.ALL]
    texts = [question.text for question in task.questions[:QUESTIONS]] + ["What is in the picture?"]
    found = image.answers(texts, methods, tokens)
    for several, runs_ in zip(found, image.ask(texts, methods, tokens), strict=True):
        for answer, one in zip(several, runs_, strict=True):
            assert answer.method == one.method
            assert answer.text == one.text
            assert [(t.id, t.text) for t in answer.tokens] == [(t.id, t.text) for t in one.tokens]
            assert [t.probability for t in answer.tokens] == pytest.approx([t.probability for t in one.tokens], 1e-5)
            assert answer.stop_layers == one.trace.stop_layer.tolist()
    assert any(answer.stop_layers[0] >= 0 for several in found for answer in several)
    assert {answer.text for several in found for answer in several} > {"Yes", "No"}


def test_rows_equal_asking_one_question_at_a_time(model, loaded, task):
    plan = Plan("scenes", scenes.ALL, batch=17)  # two questions share a pass
    found = {(row["id"], row["method"]): row for rows in InProcess(plan).rows(task.jobs) for row in rows}
    assert len(found) == len(task.questions) * len(scenes.ALL)
    methods = [clvs_core.method(name) for name in scenes.ALL]
    for question in task.questions:
        image = model.open_image(question.picture)
        for name, one in zip(scenes.ALL, image.ask(question.text, methods, 1), strict=True):
            row = found[question.id, name]
            assert list(row) == ["id", "method", "answer", "probability", "stop"]
            assert row["answer"] == one.text
            assert row["probability"] == pytest.approx(one.tokens[0].probability, rel=1e-3, abs=1e-6)
            assert row["stop"] == one.trace.stop_layer[0]
    assert any(row["stop"] >= 0 for (_, name), row in found.items() if name == "clvs")
    assert {row["answer"] for row in found.values()} >= {"Yes", "No"}


def test_vanilla_is_what_generate_says(model, loaded, task):
    found = {row["id"]: row for rows in InProcess(Plan("scenes", {"v": "vanilla"})).rows(task.jobs) for row in rows}
    for question in task.questions:
        inputs = model.prompts.encode(Image.open(question.picture).convert("RGB"), question.text)
        out = model.hf.generate(
            **inputs, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        token = int(out.sequences[0, -1])
        assert found[question.id]["answer"] == model.tokenizer.decode([token]).strip()
        expected = out.logits[0][0].float().softmax(-1)[token].item()
        assert found[question.id]["probability"] == pytest.approx(expected, rel=1e-4)


def test_what_a_run_says_of_the_model(model, loaded):
    asker = Asker(Plan("scenes", {"a": "clvs", "b": "vcd:seed=3"}, max_new_tokens=2))
    about = asker.about()
    assert json.loads(json.dumps(about)) == about
    assert about["model"]["layers"] == model.layers
    assert about["model"]["device"] == "cpu"
    assert about["model"]["weights"] == Asker(Plan("scenes", {"a": "clvs"})).about()["model"]["weights"]
    assert about["methods"]["a"].startswith("clvs:beta=")
    assert "seed=3" in about["methods"]["b"]
    assert "Is there a dog in the image?" in about["example"]
    assert asker.device() == f"cpu, {torch.get_num_threads()} threads"


def test_weights_are_told_apart(model, loaded):
    asker = Asker(Plan("scenes", {"a": "vanilla"}))
    before, weight = asker.about()["model"]["weights"], next(model.hf.parameters())
    with torch.no_grad():
        weight.view(-1)[3] += 1
    try:
        assert asker.about()["model"]["weights"] != before
    finally:
        with torch.no_grad():
            weight.view(-1)[3] -= 1


def test_a_method_that_the_model_cannot_run_is_one_sentence(tiny_folder):
    with pytest.raises(ClvsError, match="dims") as caught:
        Asker(Plan(str(tiny_folder), {"var": "var"}))
    assert str(caught.value).count("\n") == 0


# --- records ------------------------------------------------------------------------------------------


def test_records_are_those_of_the_traces(model, loaded, task):
    """Recomputed number by number from `ask`."""
    plan = Plan("scenes", {"vanilla": "vanilla", "clvs": "clvs"}, masks=str(scenes.INSTANCES), lens=True)
    assert plan.records == ["key_objects", "lens"]
    found = {(row["id"], row["method"]): row for rows in InProcess(plan).rows(task.jobs) for row in rows}
    masks = CocoInstances(scenes.INSTANCES)
    for question in task.questions[: QUESTIONS + 1]:
        image = model.open_image(question.picture)
        several = image.ask(question.text, [clvs_core.Vanilla(), clvs_core.CLVS()], 1, lens=True)
        name = question.text.split(" a ")[1].split(" in ")[0]
        mask = {item.name: item.mask for item in masks.find(question.image)}.get(name)
        for method, one in zip(plan.methods, several, strict=True):
            row, trace = found[question.id, method], one.trace
            assert row["uncertainty"] == pytest.approx(trace.uncertainty[0].tolist(), rel=1e-3, abs=1e-5)
            said = trace.lens_ids[0, :, 0].tolist()
            later = [said[layer:] for layer in range(len(said))]
            assert row["converged"] == [all(token == one.tokens[0].id for token in rest) for rest in later]
            assert row["converged"][-1] is True
            assert ("attention" in row) == ("picture_attention" in row) == (question.label == "yes")
            if question.label == "no":
                continue
            share = coverage(mask, image.views)
            weights = trace.attention[0].astype(np.float64)
            for layer in range(model.layers):
                heads = [weights[layer, head] for head in range(model.heads)]
                on_object = sum(float((head * share).sum()) for head in heads) / len(heads)
                on_picture = sum(float(head.sum()) for head in heads) / len(heads)
                assert row["attention"][layer] == pytest.approx(on_object, rel=2e-3, abs=1e-6)
                assert row["picture_attention"][layer] == pytest.approx(on_picture, rel=2e-3)


def test_records_change_no_answer(loaded, task):
    methods = {"clvs": "clvs", "pai": "pai"}
    plain = [row for rows in InProcess(Plan("scenes", methods)).rows(task.jobs) for row in rows]
    plan = Plan("scenes", methods, masks=str(scenes.INSTANCES), lens=True)
    recorded = [row for rows in InProcess(plan).rows(task.jobs) for row in rows]
    for one, other in zip(plain, recorded, strict=True):
        assert {name: other[name] for name in ("id", "method", "answer", "stop")} == {
            name: one[name] for name in ("id", "method", "answer", "stop")
        }
        assert other["probability"] == pytest.approx(one["probability"], rel=1e-4)


def test_knock_outs_are_those_of_the_engine(model, loaded, task):
    """Of positive questions only, hidden from the answering word and from the question's words too."""
    plan = Plan("scenes", {"vanilla": "vanilla", "clvs": "clvs"}, masks=str(scenes.INSTANCES), knockout=True, batch=20)
    assert plan.records == ["key_objects", "knockout"]
    question, other = task.questions[:2]
    assert (question.label, other.label) == ("yes", "no")
    ((*rows, _, _),) = InProcess(plan).rows([Job(question.picture, [question, other])])
    assert ["knockout" in row for row in rows] == [True, True]
    image = model.open_image(question.picture)
    name = question.text.split(" a ")[1].split(" in ")[0]
    mask = {item.name: item.mask for item in CocoInstances(scenes.INSTANCES).find(question.image)}[name]
    for blinded in ("word", "both"):
        found = image.knockout(question.text, mask, [clvs_core.Vanilla(), clvs_core.CLVS()], rows=blinded, control=1)
        for row, one in zip(rows, found, strict=True):
            held = row["knockout"]
            assert held["window"] == one.window == 3
            assert held[blinded]["kept"] == pytest.approx(one.kept.tolist(), rel=1e-3, abs=1e-6)
            assert held[blinded]["control"] == pytest.approx(one.control.tolist(), rel=1e-3, abs=1e-6)
            assert held[blinded]["everywhere"] == pytest.approx(one.everywhere, rel=1e-3, abs=1e-6)
    assert min(rows[0]["knockout"]["word"]["kept"]) < 0.1, "this object is needed"


def test_an_object_that_covers_no_token_is_not_hidden(loaded, task, monkeypatch):
    plan = Plan("scenes", {"vanilla": "vanilla"}, masks=str(scenes.INSTANCES), knockout=True)
    backend, question = InProcess(plan), task.questions[0]
    monkeypatch.setattr(asker, "coverage", lambda mask, views: np.full(views.visual, 0.04))
    ((row,),) = backend.rows([Job(question.picture, [question])])
    assert "attention" in row
    assert "knockout" not in row
    assert row["mask_note"].endswith("No visual token lies on it by more than 5%, so nothing was hidden.")


def test_questions_without_a_mask_have_no_attention(loaded, task):
    unknown = replace(task.questions[0], text="Is it a nice day in the picture?")
    nowhere = replace(task.questions[0], image="elsewhere.jpg")
    plan = Plan("scenes", {"vanilla": "vanilla"}, masks=str(scenes.INSTANCES))
    for question in (unknown, nowhere):
        assert not named_object(CocoInstances(scenes.INSTANCES), question)
        ((row,),) = InProcess(plan).rows([Job(question.picture, [question])])
        assert set(row) == {"id", "method", "answer", "probability", "stop", "mask_note"}, "and why"


# --- pictures -----------------------------------------------------------------------------------------


@pytest.fixture
def rotated(tmp_path):
    """A JPEG that a camera held sideways wrote, and what is to be seen."""
    upright = Image.open(scenes.FOLDER / "tall-sky.jpg").convert("RGB").crop((0, 0, 96, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    upright.rotate(90, expand=True).save(tmp_path / "r.jpg", quality=95, exif=exif)
    return tmp_path / "r.jpg"


def test_a_rotated_picture_is_the_same_however_it_travels(rotated):
    seen = decoded(rotated)
    assert seen.size == (96, 48)
    assert np.array_equal(np.asarray(seen), np.asarray(Image.open(rotated).rotate(-90, expand=True)))
    ways = (rotated.read_bytes(), packed(rotated), lambda: Image.open(rotated), packed(lambda: Image.open(rotated)))
    for way in (*ways, packed(Image.open(rotated)), packed(seen)):
        assert np.array_equal(np.asarray(decoded(way)), np.asarray(seen))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_pictures_of_all_kinds_travel_unchanged(mode):
    grey = Image.fromarray(np.linspace(0, 255, 24 * 32).reshape(24, 32).astype(np.uint8))
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) << 8) if mode == "I;16" else grey.convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(np.asarray(grey)[::-1].copy()))
    assert picture.mode == mode
    assert np.array_equal(np.asarray(decoded(packed(lambda: picture))), np.asarray(decoded(picture)))


def test_tables_answer_as_files_do(loaded, task, parquet):
    questions = benchmarks.get("pope").load(parquet, True)
    assert all(callable(question.picture) for question in questions)
    plan = Plan("scenes", scenes.METHODS)
    found = asked(InProcess(plan), Task(task.benchmark, str(parquet), questions).jobs)
    assert_same_rows(found, asked(InProcess(plan), task.jobs))
    assert np.array_equal(
        np.asarray(decoded(packed(questions[0].picture))), np.asarray(decoded(task.questions[0].picture))
    )
    pickle.dumps((_sent(questions[0].picture), without_pictures(questions)))


class Blind:
    """An asker that looks at nothing, but at whether there is a picture."""

    def __init__(self, plan):
        self.plan = plan

    def about(self):
        return scenes.Fake(self.plan.methods).about()

    def device(self):
        return "none"

    def rows(self, picture, questions):
        assert picture.mode == "RGB"
        return next(scenes.Fake(self.plan.methods).rows([Job(None, questions)]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "kite-weather.jpg is not a picture"),
        (b"\xff\xd8\xff\xe0 no JPEG", "kite-weather.jpg is"),
        ("half", "kite-weather.jpg is damaged"),
        (None, "There is no picture at"),
    ],
    ids=["empty", "noise", "half", "gone"],
)
def test_an_unreadable_picture_stops_the_run_which_goes_on_once_it_is_mended(tmp_path, monkeypatch, content, said):
    monkeypatch.setattr("clvs_core.benchmarks.running.local.Asker", Blind)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in scenes.PICTURES:
        (pictures / name).write_bytes((scenes.FOLDER / name).read_bytes())
    task = scenes.pope_task(tmp_path / "pope", pictures=(scenes.PICTURES[1], *scenes.PICTURES[:1]), questions=2)
    moved = [replace(question, picture=pictures / question.image) for question in task.questions]
    task, plan = replace(task, questions=moved), Plan("blind", scenes.METHODS)
    bad = pictures / scenes.PICTURES[0]
    good = bad.read_bytes()
    bad.unlink()
    if content is not None:
        bad.write_bytes(good[: len(good) // 2] if content == "half" else content)
    with pytest.raises(ImageError) as caught:
        run(task, plan, tmp_path / "out", InProcess(plan))
    message = str(caught.value)
    assert message.startswith(f"The picture of question coco/random/3 (kite-weather.jpg) cannot be read: {said}")
    assert message.endswith("; mend it, and the same command goes on.")
    assert len(runs.read_run(tmp_path / "out").rows) == 4
    bad.write_bytes(good)
    run(task, plan, tmp_path / "out", InProcess(plan))
    assert runs.read_run(tmp_path / "out").complete


@pytest.mark.parametrize("picture", [b"nothing", b"", lambda: Image.open(io.BytesIO(b"nothing")), lambda: 1 / 0])
def test_pictures_without_a_name_are_called_by_their_question(picture, task):
    with pytest.raises(
        ImageError, match=r"^The picture of question coco/random/1 \(kite-weather\.jpg\) cannot be read"
    ):
        picture_of(picture, task.questions)
    with pytest.raises(ImageError, match=r"^The picture of question coco/random/1 cannot be read: [^<]*$"):
        picture_of(picture, [replace(task.questions[0], image="")])


def test_a_gigantic_picture_is_one_sentence(task):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    with pytest.raises(ImageError, match=r"cannot be read: .*pixels"):
        picture_of(file.getvalue(), task.questions)


# --- processes (a real run of theirs, killed, is in test_bench_command) -------------------------------


def losing(*answered):
    """A ProcessPool; the first pool answers these jobs before it breaks, and so on. And what each pool was asked."""
    backend, left, pools = ProcessPool.__new__(ProcessPool), list(answered), []

    def through(jobs):
        pools.append("".join(job.picture for job in jobs))
        for name in left.pop(0):
            yield next(job for job in jobs if job.picture == name), [name]
        if left:
            raise BrokenProcessPool

    backend._through, backend._pool = through, lambda: None
    return backend, pools


def test_lost_workers_jobs_are_asked_again(task):
    backend, pools = losing("a", "cb", "", "fde")
    found = [rows[0] for rows in backend.rows([Job(name, task.questions) for name in "abcdef"])]
    assert found == list("acbfde")
    assert pools == ["abcdef", "bcdef", "def", "def"]


def test_a_picture_that_every_worker_dies_of_ends_the_run(task):
    """Also where others are answered in between."""
    backend, pools = losing("bc", "d", "ef", "a")
    found = []
    with pytest.raises(ClvsError, match=r"^The worker processes end .* at question coco/random/1; use fewer"):
        found.extend(rows[0] for rows in backend.rows([Job(name, task.questions) for name in "abcdef"]))
    assert found == list("bcdef")
    assert pools == ["abcdef", "adef", "aef"]


def test_what_a_worker_cannot_load_is_told_to_whoever_asks():
    worker = Worker(Plan("/no/such/model", scenes.METHODS))
    with pytest.raises(ModelError, match="There is no model folder") as caught:
        worker.about()
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (type(travelled), str(travelled)) == (ModelError, str(caught.value))


def test_workers_that_die_while_they_load_are_one_sentence(monkeypatch):
    class Pool:
        def submit(self, _):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    monkeypatch.setattr(ProcessPool, "_pool", lambda self: Pool())
    with pytest.raises(ModelError, match=r"^A worker process ended while it loaded scenes; .* memory for it\.$"):
        ProcessPool(Plan("scenes", scenes.METHODS), 2)


# --- Ray ----------------------------------------------------------------------------------------------


@pytest.mark.ray
def test_ray_answers_the_same_also_when_a_worker_is_killed(task, tmp_path, loaded):
    ray = pytest.importorskip("ray")
    on_terminate = signal.getsignal(signal.SIGTERM)
    plan = Plan("scenes", scenes.ALL, device="cpu")
    run(task, plan, tmp_path / "here", InProcess(plan))
    cluster = RayCluster(plan, "local", count=2)
    try:
        assert cluster.own
        pids = ray.get([worker.__ray_call__.remote(lambda self: os.getpid()) for worker in cluster.workers])
        assert len({os.getpid(), *pids}) == 3
        seen = []

        def progress(done, total):
            if not seen:
                os.kill(pids[0], signal.SIGKILL)
            seen.append(done)

        run(task, plan, tmp_path / "ray", cluster, progress)
        _wrong_picture(cluster, task, tmp_path)
        _too_many(plan)
    finally:
        cluster.close()
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is on_terminate  # whoever ends this process later does not end a cluster
    each = QUESTIONS * len(scenes.ALL)
    assert seen == [0, each, 2 * each, 3 * each]
    here, there = ((tmp_path / name / runs.ANSWERS).read_text().splitlines() for name in ("here", "ray"))
    assert_same_rows(there, here)
    (session,) = json.loads((tmp_path / "ray" / runs.ABOUT).read_text())["sessions"]
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # which Ray leaves as it is
    assert session["devices"] == [f"cpu, {threads} threads"] * 2


def _wrong_picture(cluster, task, folder):
    """Here already, and only where it was sent to."""
    (folder / "half.jpg").write_bytes(task.questions[0].picture.read_bytes()[:5000])
    for picture in (lambda: 1 / 0, folder / "half.jpg"):
        with pytest.raises(
            ImageError, match=r"^The picture of question coco/random/1 .* cannot be read: .*; mend it, "
        ):
            list(cluster.rows([Job(picture, task.questions[:1])]))


def _too_many(plan):
    with pytest.raises(ClvsError, match=r"^The cluster has room for \d+ workers; "):
        RayCluster(plan, "local", count=1000)
    with pytest.raises(ClvsError, match=r"^The cluster has room for 0 workers with 1000 GPUs each; "):
        RayCluster(plan, "local", gpus=1000)


@pytest.mark.ray
@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "no.such.host.invalid:6379"])
def test_a_cluster_that_is_not_there_is_one_sentence(address):
    pytest.importorskip("ray")
    with pytest.raises(
        ClvsError, match=rf"^There is no Ray cluster at {address} \(.+\); start one with ray start --head"
    ):
        RayCluster(Plan("scenes", scenes.METHODS), address)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClvsError, match=r"^Running on a cluster needs the package ray; run: pip install ray$"):
        RayCluster(Plan("scenes", scenes.METHODS), "local")
