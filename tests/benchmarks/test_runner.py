"""Running into a folder and going on, with a backend that answers by a rule; real models are in test_workers."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clvs_core import benchmarks
from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running import folder as runs
from clvs_core.benchmarks.running import job as runner
from clvs_core.benchmarks.running.job import run
from clvs_core.benchmarks.running.plan import Plan, Task, first_pictures, positives
from clvs_core.errors import ClvsError
from clvs_core.key_objects import CocoInstances
from tests.benchmarks import made, scenes

PLAN = Plan("fake", scenes.METHODS)
NAMES = (runs.ABOUT, runs.QUESTIONS, runs.ANSWERS)


@pytest.fixture(autouse=True)
def _versions(monkeypatch):
    """Asking git and pip takes longer than all the rest of such a run."""
    monkeypatch.setattr(runner, "versions", lambda: {"python": "3.11", "commit": None})


@pytest.fixture
def task(tmp_path):
    return scenes.pope_task(tmp_path / "pope", pictures=scenes.PICTURES[:3], questions=2)


def answers(folder):
    return (folder / runs.ANSWERS).read_bytes()


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def whole(task, folder):
    run(task, PLAN, folder, scenes.Fake())
    return answers(folder)


# --- a run --------------------------------------------------------------------------------------------


def test_a_run_says_what_was_asked_and_how(task, tmp_path):
    told = []
    run(task, PLAN, tmp_path / "deep" / "out", scenes.Fake(), lambda *counts: told.append(counts))
    found = runs.read_run(tmp_path / "deep" / "out")
    assert found.complete
    assert found.about["selection"] == {}
    assert found.about["files"].keys() == {"coco_pope_random.json"}
    assert found.answers == {m: {q.id: scenes.said(q, m) for q in task.questions} for m in scenes.METHODS}
    assert [(q.id, q.label, str(q.picture)) for q in found.questions] == [
        (q.id, q.label, str(scenes.FOLDER / q.image)) for q in task.questions
    ]
    assert told == [(0, 12), (4, 12), (8, 12), (12, 12)]
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == sorted(NAMES)


def test_a_complete_run_is_not_asked_again(task, tmp_path):
    before, again, told = whole(task, tmp_path / "out"), scenes.Fake(), []
    run(task, PLAN, tmp_path / "out", again, lambda *counts: told.append(counts))
    assert again.asked == []
    assert told == [(12, 12)]
    assert answers(tmp_path / "out") == before
    assert len(json.loads((tmp_path / "out" / runs.ABOUT).read_text())["sessions"]) == 2


def test_rbench_repeats_are_asked_once_and_score_as_listed(tmp_path):
    rbench = benchmarks.get("rbench")
    data = scenes.write_rbench(tmp_path / "rbench")
    with pytest.warns(benchmarks.BenchmarkWarning, match="2 entries"):
        questions = rbench.load(data, scenes.FOLDER)
    fake = scenes.Fake()
    run(Task(rbench, str(data), questions), PLAN, tmp_path / "out", fake)
    assert [ids for _, ids in fake.asked] == [["0", "1"], ["2", "3"]]
    found = runs.read_run(tmp_path / "out")
    assert [q.id for q in found.questions] == ["0", "1", "2", "3", "0", "3"]
    assert found.complete
    assert found.total == 8
    score = found.benchmark.score(found.questions, found.answers["clvs"])
    assert score.official == rbench.score(questions, {q.id: scenes.said(q, "clvs") for q in questions}).official
    assert score.groups["All"].answers == 6


def test_mme_is_asked_picture_by_picture(tmp_path):
    mme = benchmarks.get("mme")
    data = scenes.write_mme(tmp_path / "mme")
    with pytest.warns(benchmarks.BenchmarkWarning, match="lacks"):
        questions = mme.load(data, True)
    fake = scenes.Fake()
    run(Task(mme, str(data), questions), PLAN, tmp_path / "out", fake)
    assert [len(ids) for _, ids in fake.asked] == [2, 2]
    found = runs.read_run(tmp_path / "out")
    score = found.benchmark.score(found.questions, found.answers["vanilla"])
    assert score.official.keys() == {"existence", "total"}
    assert set(found.about["files"]) == {f"existence/{Path(name).stem}.txt" for name in scenes.PICTURES[:2]}


def test_questions_whose_picture_has_no_name_have_jobs_of_their_own():
    questions = [Question(str(n), "", "?", "yes", "x", picture=f"{n}.png") for n in range(3)]
    assert [job.picture for job in Task(benchmarks.get("mme"), "", questions).jobs] == ["0.png", "1.png", "2.png"]


# --- stopped at any moment ----------------------------------------------------------------------------


def test_cut_at_any_byte_a_run_ends_up_with_the_same_answers(tmp_path):
    task = scenes.pope_task(tmp_path / "pope", pictures=scenes.PICTURES[:2], questions=2)
    out = tmp_path / "out"
    full = whole(task, out)
    lines, about = full.splitlines(keepends=True), (out / runs.ABOUT).read_bytes()
    for cut in range(len(full)):
        (out / runs.ANSWERS).write_bytes(full[:cut])
        (out / runs.ABOUT).write_bytes(about)  # without the sessions of all the cuts before
        fake = scenes.Fake()
        run(task, PLAN, out, fake)
        kept = full[:cut].count(b"\n")
        assert answers(out).startswith(b"".join(lines[:kept]))
        assert sorted(answers(out).splitlines(keepends=True)) == sorted(lines), cut
        # whole jobs are asked, and none that has all its answers
        assert [name for name, _ in fake.asked] == list(scenes.PICTURES[kept // 4 : 2]), cut
        assert all(len(ids) == 2 for _, ids in fake.asked)


def test_answers_of_the_last_picture_first_are_kept_too(task, tmp_path):
    """Workers answer in any order."""
    full = whole(task, tmp_path / "out").splitlines(keepends=True)
    (tmp_path / "out" / runs.ANSWERS).write_bytes(b"".join(full[-1:2:-2]))
    fake = scenes.Fake()
    run(task, PLAN, tmp_path / "out", fake)
    assert len(fake.asked) == 3
    assert sorted(answers(tmp_path / "out").splitlines(keepends=True)) == sorted(full)


@pytest.mark.parametrize(
    "there",
    [
        {},
        {runs.ANSWERS: ""},
        {runs.ANSWERS: "", runs.QUESTIONS + ".new": '{"id": "co'},
        {runs.ANSWERS: "", runs.QUESTIONS: None},
        {runs.ANSWERS: "", runs.QUESTIONS: None, runs.ABOUT + ".new": '{"form'},
        {runs.ANSWERS: "", runs.QUESTIONS: None, runs.ABOUT: None},
        {runs.ANSWERS: "", runs.QUESTIONS: None, runs.ABOUT: None, runs.ABOUT + ".new": ""},
        {runs.ABOUT: None, runs.ANSWERS: None},
    ],
    ids=lambda there: ", ".join(there) or "nothing",
)
def test_killed_before_the_first_answer_a_run_begins_anew(task, tmp_path, there):
    """there: text of files, None for what a whole run has."""
    full = whole(task, tmp_path / "whole")
    out = tmp_path / "out"
    out.mkdir()
    for name, text in there.items():
        (out / name).write_bytes((tmp_path / "whole" / name).read_bytes() if text is None else text.encode())
    run(task, PLAN, out, scenes.Fake())
    assert answers(out) == full
    assert runs.read_run(out).complete
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)


def test_interrupted_between_pictures_and_gone_on_with(task, tmp_path):
    full = whole(task, tmp_path / "whole")
    for pictures in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(task, PLAN, tmp_path / "out", scenes.Fake(until=1))
        assert len(runs.read_run(tmp_path / "out").rows) == 4 * pictures
    run(task, PLAN, tmp_path / "out", scenes.Fake())
    assert answers(tmp_path / "out") == full


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_changes", "plan_changes", "about", "said"),
    [
        ({}, {"prompt": "vicuna"}, {}, "other prompt: chat, not vicuna"),
        ({}, {"max_new_tokens": 4}, {}, "other max_new_tokens: 1, not 4"),
        ({}, {"batch": 7}, {}, "other batch: 128, not 7"),
        ({}, {"lens": True}, {}, r"other records: \[\], not \['lens'\]"),
        ({}, {"knockout": True}, {}, r"other records: \[\], not \['knockout'\]"),
        ({}, {}, {"model": {"name": "other", "device": "cpu"}}, "other model: name fake, not other"),
        ({}, {"methods": {"vanilla": "vanilla"}}, {"methods": {"vanilla": "vanilla"}}, "other methods: clvs"),
        ({"questions": 1}, {}, {}, "other questions: "),
        ({"benchmark": benchmarks.get("amber")}, {}, {}, "other benchmark: pope, not amber"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_run_in_the_folder_is_refused_and_left_alone(task, tmp_path, task_changes, plan_changes, about, said):
    out = tmp_path / "out"
    whole(task, out)
    (out / runs.ANSWERS).write_bytes(answers(out)[:-100])  # also its cut line stays
    before = snapshot(out)
    if "questions" in task_changes:
        task_changes = {"questions": task.questions[1:]}
    with pytest.raises(ClvsError, match=f"holds a run with {said}.*; name another folder") as caught:
        run(replace(task, **task_changes), replace(PLAN, **plan_changes), out, scenes.Fake(**about))
    assert "\n" not in str(caught.value)
    assert snapshot(out) == before


def test_other_versions_are_a_note_and_no_hindrance(task, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(task, PLAN, tmp_path / "out", scenes.Fake(until=1))
    monkeypatch.setattr(runner, "versions", lambda: {"python": "3.11", "commit": "abc"})
    notes = []
    run(task, PLAN, tmp_path / "out", scenes.Fake(), note=notes.append)
    assert notes == [f"{tmp_path / 'out'} was begun with other versions: commit None, not abc."]
    about = runs.read_run(tmp_path / "out").about
    assert about["versions"]["commit"] is None
    assert [session["versions"]["commit"] for session in about["sessions"]] == [None, "abc"]


@pytest.mark.parametrize("name", ["thesis.tex", runs.ANSWERS])
def test_a_folder_with_something_else_is_refused_and_left_alone(task, tmp_path, name):
    (tmp_path / name).write_text('{"id": "1", "answer": "somebody else\'s"}\n{"no end')
    (tmp_path / "pope" / "coco_pope_random.json").rename(tmp_path / "pope.json")
    (tmp_path / "pope").rmdir()
    (tmp_path / "out").mkdir()
    (tmp_path / name).rename(tmp_path / "out" / name)
    before = snapshot(tmp_path / "out")
    with pytest.raises(ClvsError, match=f"holds something else, {name}; name an empty or new folder.$"):
        run(task, PLAN, tmp_path / "out", scenes.Fake())
    assert snapshot(tmp_path / "out") == before


def test_what_cannot_be_written_is_one_sentence(task, tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ClvsError, match=r"cannot be written \(.*\); name another folder\.$"):
            run(task, PLAN, folder, scenes.Fake())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(task, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(ClvsError, match="cannot be written"):
        run(task, PLAN, tmp_path / "out", scenes.Fake())


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
@pytest.mark.parametrize(("call", "name"), [*enumerate((runs.QUESTIONS, runs.ABOUT, runs.ANSWERS, runs.ANSWERS), 1)])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(task, tmp_path, monkeypatch, begun, call, name):
    """Full from some moment on, and still full when the run is gone on with."""
    full, out = whole(task, tmp_path / "whole"), tmp_path / "out"
    if begun:
        with pytest.raises(KeyboardInterrupt):
            run(task, PLAN, out, scenes.Fake(until=1))
    synced = []

    def fsync(number):
        synced.append(number)
        if len(synced) >= call:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(ClvsError, match=rf"{name} cannot be written \(No space left on device\); make room"):
            run(task, PLAN, out, scenes.Fake())
        synced[:] = [0] * call
        before = snapshot(out)
        with pytest.raises(
            ClvsError, match=rf"{runs.QUESTIONS} cannot be written \(No space left on device\); make room"
        ):
            run(task, PLAN, out, scenes.Fake())
        assert snapshot(out) == before
    run(task, PLAN, out, scenes.Fake())
    assert answers(out) == full
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)


def test_two_processes_do_not_write_to_one_folder(task, tmp_path):
    pytest.importorskip("fcntl")
    out = tmp_path / "out"
    out.mkdir()
    hold = (
        "import fcntl, sys; f = open(sys.argv[1], 'ab'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, out / runs.ANSWERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(ClvsError, match=r"Another process is writing to .*; wait for it, or stop it"):
            run(task, PLAN, out, scenes.Fake())
        other.communicate(b"\n")
    assert snapshot(out) == {runs.ANSWERS: b""}
    run(task, PLAN, out, scenes.Fake())
    assert runs.read_run(out).complete


def test_a_file_system_without_locks_is_written_to(task, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    run(task, PLAN, tmp_path / "out", scenes.Fake())
    assert runs.read_run(tmp_path / "out").complete


@pytest.mark.parametrize("bad", [b"\0\0\0\n", b'{"id": "coco/random/1"\n', b"[1]\n", b"\n"])
def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_lost(task, tmp_path, bad):
    out = tmp_path / "out"
    full = whole(task, out)
    lines = full.splitlines(keepends=True)
    damaged = b"".join([*lines[:3], bad, *lines[4:6]])
    (out / runs.ANSWERS).write_bytes(damaged)
    with pytest.raises(
        ClvsError, match=r"^Line 4 of .*answers\.jsonl is damaged; take it out to go on with the run\.$"
    ):
        run(task, PLAN, out, scenes.Fake())
    assert answers(out) == damaged
    (out / runs.ANSWERS).write_bytes(b"".join(lines[:3] + lines[4:6]))
    run(task, PLAN, out, scenes.Fake())
    assert sorted(answers(out).splitlines(keepends=True)) == sorted(lines)


# --- choosing questions -------------------------------------------------------------------------------


def test_first_pictures(task):
    chosen = first_pictures(task.questions, 2)
    assert list(dict.fromkeys(q.image for q in chosen)) == list(scenes.PICTURES[:2])
    assert [q.id for q in chosen] == [q.id for q in task.questions[:4]]
    assert first_pictures(task.questions, 100) == list(task.questions)


def test_pictures_without_names_are_different_pictures():
    questions = [Question(str(n), "", "?", "yes", "x", picture=f"{n}.png") for n in range(5)]
    assert [q.id for q in first_pictures(questions, 2)] == ["0", "1"]
    assert [q.id for q in positives(questions, 3)] == ["0", "1", "2"]


def test_positives_are_the_first_of_each_picture(tmp_path):
    task = scenes.pope_task(tmp_path / "pope", questions=6)
    found = positives(task.questions, 3)
    assert [(q.image, q.label) for q in found] == [(name, "yes") for name in scenes.PICTURES[:3]]
    firsts = [next(q for q in task.questions if q.image == name and q.label == "yes") for name in scenes.PICTURES]
    assert found == firsts[:3]
    assert positives(task.questions, 100) == firsts


def test_positives_name_an_object_with_a_mask(task):
    masks = CocoInstances(scenes.INSTANCES)
    vague = [replace(q, text="Is it a nice day?") if q.image == scenes.PICTURES[0] else q for q in task.questions]
    assert [q.image for q in positives(vague, 9, masks)] == list(scenes.PICTURES[1:3])
    unknown = [replace(q, image="elsewhere.jpg") for q in task.questions]
    with pytest.raises(ClvsError, match=r"^None of the questions .*\.$"):
        positives(unknown, 9, masks)
    with pytest.raises(ClvsError, match="None of the questions"):
        positives([q for q in task.questions if q.label == "no"], 9)


# --- where it comes from ------------------------------------------------------------------------------


def test_checksums_are_those_of_sha256sum(tmp_path):
    (tmp_path / "inner").mkdir()
    for n in range(3):
        (tmp_path / "inner" / f"{n}.json").write_bytes(b"abc")
    (tmp_path / "picture.jpg").write_bytes(b"not data")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert runner.checksums(str(tmp_path)) == {f"inner/{n}.json": abc for n in range(3)}
    assert runner.checksums(str(tmp_path / "inner" / "0.json")) == {"0.json": abc}
    assert runner.checksums("hub:owner/name") == {}
    for n in range(50):
        (tmp_path / f"{n}.txt").write_bytes(b"")
    many = runner.checksums(str(tmp_path))
    assert list(many) == ["*"]
    (tmp_path / "7.txt").write_bytes(b"x")
    assert runner.checksums(str(tmp_path)) != many


def test_questions_are_told_apart_whatever_folder_their_pictures_are_in(task, tmp_path):
    out = tmp_path / "out"
    full = whole(task, out)
    (out / runs.ANSWERS).write_bytes(full[:50])
    moved = [replace(q, picture=tmp_path / "elsewhere" / q.image) for q in task.questions]
    run(replace(task, questions=moved), PLAN, out, scenes.Fake())
    assert answers(out) == full
    assert {Path(q.picture).parent for q in runs.read_run(out).questions} == {tmp_path / "elsewhere"}


def test_made_runs_are_of_the_same_format(task, tmp_path):
    """What other tests take for a run has nothing that a run does not have, and the other way round."""
    whole(task, tmp_path / "out")
    ours = json.loads((tmp_path / "out" / runs.ABOUT).read_text())
    theirs = json.loads((made.made_run(tmp_path / "made") / runs.ABOUT).read_text())
    assert set(theirs) <= set(ours)
