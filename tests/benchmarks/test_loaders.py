"""Reading the four benchmarks: their official files, the traps in them, and pictures."""

import json
from collections import Counter

import pytest

from clvs_core import benchmarks
from clvs_core.benchmarks import BenchmarkWarning
from clvs_core.benchmarks.rows import read_rows
from clvs_core.errors import ClvsError
from tests.benchmarks import files
from tests.benchmarks.test_official import shared

AMBER, RBENCH, POPE, MME = (benchmarks.get(name) for name in ("amber", "rbench", "pope", "mme"))
quiet = pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")


# --- forms of files -----------------------------------------------------------------------------------

ROWS = [{"id": 1, "text": "a\u2028b"}, {"id": 2, "text": "é"}]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("form", ["array", "indented", "lines"])
def test_arrays_and_lines_are_told_apart_by_what_they_hold(tmp_path, mark, end, form):
    if form == "lines":
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n"
    else:
        text = json.dumps(ROWS, indent=4 if form == "indented" else None)
    path = tmp_path / "any.name"
    path.write_bytes((mark + text.replace("\n", end)).encode())
    assert read_rows(path) == ROWS


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "neither a JSON array nor JSON lines"),
        (b"question,answer", "neither a JSON array nor JSON lines"),
        (b"\xff\xfe[", "not a UTF-8 text file"),
        (b'{"id": 1}\n{"id": ', "not valid JSON at line 2"),
        (b'[{"id": 1},\n{"id"', "not valid JSON at line 2"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1, 2]", "Row 1 of .* is not a JSON object"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, content, problem):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(ClvsError, match=problem):
        read_rows(path)


def test_benchmarks_are_found_by_any_spelling():
    assert {benchmarks.get(name) for name in ("R-Bench", "rbench", "r_bench")} == {RBENCH}
    with pytest.raises(ClvsError, match="no benchmark 'mmbench'; choose one of amber, rbench, pope, mme"):
        benchmarks.get("mmbench")


@pytest.mark.parametrize("benchmark", benchmarks.BENCHMARKS.values(), ids=lambda b: b.name)
def test_an_empty_folder_and_a_missing_one_say_what_to_name(tmp_path, benchmark):
    with pytest.raises(ClvsError, match=r"; name .*folder"):
        benchmark.load(tmp_path)
    with pytest.raises(ClvsError, match=r"There is no .*gone; name the benchmark's folder, or hub:OWNER/NAME"):
        benchmark.load(tmp_path / "gone")


# --- AMBER --------------------------------------------------------------------------------------------


def test_amber_joins_labels_and_types_by_id(tmp_path):
    questions = AMBER.load(files.write_amber(tmp_path))
    assert [(int(q.id), q.kind, q.label) for q in questions] == files.AMBER_TRUTHS[1:]
    assert (questions[0].image, questions[0].text) == ("AMBER_2.jpg", "Q2?")


def test_amber_reads_query_all_and_the_three_parts_too(tmp_path):
    expected = AMBER.load(files.write_amber(tmp_path / "a"))
    everything = files.write_amber(tmp_path / "b", name="query_all.json")
    path = everything / "data" / "query" / "query_all.json"
    files.dump(path, [{"id": 1, "image": "AMBER_1.jpg", "query": "Describe this image."}, *read_rows(path)])
    assert AMBER.load(everything) == expected
    rows = read_rows(path)[1:]
    files.write_amber(tmp_path / "c", name="unused.json")
    for part, some in (("attribute", rows[:6]), ("relation", rows[8:]), ("existence", rows[6:8])):
        files.dump(tmp_path / "c" / f"query_discriminative-{part}.json", some)
    assert sorted(AMBER.load(tmp_path / "c"), key=lambda q: int(q.id)) == expected


@pytest.mark.parametrize(
    ("truths", "problem"),
    [
        ([(2, "discriminative-colour", "yes")], "has the type 'discriminative-colour', which AMBER does not have"),
        ([(2, files.STATE, "maybe")], "Question 2 of .* has the label 'maybe'"),
        ([(2, files.STATE, ["yes"])], r"has the label \['yes'\]"),
        ([(2, files.STATE, "yes")] * 2, "Row 2 of .* has the id 2"),
    ],
)
def test_faulty_amber_annotations_are_refused(tmp_path, truths, problem):
    with pytest.raises(ClvsError, match=problem):
        AMBER.load(files.write_amber(tmp_path, truths))


@pytest.mark.parametrize("written", [str, float])
def test_amber_s_ids_may_be_text_or_whole_floats(tmp_path, written):
    expected = [(q.id, q.label) for q in AMBER.load(files.write_amber(tmp_path / "a"))]
    files.write_amber(tmp_path / "b")
    for path in (tmp_path / "b").rglob("*.json"):
        files.dump(path, [{**row, "id": written(row["id"])} for row in json.loads(path.read_text())])
    assert [(q.id, q.label) for q in AMBER.load(tmp_path / "b")] == expected


@pytest.mark.parametrize("id", [[2], {"2": 2}, True, 2.5, "two"])
def test_what_is_no_id_of_amber_is_told(tmp_path, id):
    files.write_amber(tmp_path)
    path = next(tmp_path.rglob("query_discriminative.json"))
    rows = json.loads(path.read_text())
    files.dump(path, [{**rows[0], "id": id}, *rows[1:]])
    with pytest.raises(ClvsError, match=r"Row 1 of .* is question .*, of which .* says nothing"):
        AMBER.load(tmp_path)


def test_amber_files_of_different_versions_are_refused(tmp_path):
    files.write_amber(tmp_path)
    files.dump(tmp_path / "data" / "annotations.json", [{"id": 2, "type": files.STATE, "truth": "yes"}])
    with pytest.raises(ClvsError, match=r"Row 2 of .* is question 3, of which .*annotations\.json says nothing"):
        AMBER.load(tmp_path)
    files.write_amber(tmp_path / "copy")
    with pytest.raises(ClvsError, match=r"annotations\.json is there twice"):
        AMBER.load(tmp_path)


def test_ambers_real_files_have_the_published_sizes():
    questions = AMBER.load(shared("AMBER"))
    groups = AMBER.groups(questions)
    sizes = {name: int(mask.sum()) for name, mask in groups.items()}
    assert sizes == {
        "All": 14216,
        "Existence": 4924,
        "Attribute": 7628,
        "State": 4764,
        "Number": 2072,
        "Action": 792,
        "Relation": 1664,
    }
    assert Counter(q.label for q in questions) == {"yes": 4789, "no": 9427}


# --- R-Bench ------------------------------------------------------------------------------------------


def test_rbench_counts_repeated_ids_as_asked_and_keeps_the_last_row(tmp_path):
    folder = files.write_rbench(tmp_path)
    with pytest.warns(BenchmarkWarning) as caught:
        official = RBENCH.load(folder)
    notes = " ".join(str(warning.message) for warning in caught)
    assert "1 rows of" in notes
    assert "('o')" in notes
    assert "2 entries of nocaps_image-level_rel_ids_1.json repeat an id" in notes
    assert [q.id for q in official] == ["1", "2", "191", "191", "3", "0", "5356", "3"]
    assert [q.label for q in official] == ["no", "no", "no", "no", "yes", "yes", "yes", "yes"]
    assert (official[2].image, official[2].meta["row"]) == ("d.jpg", 5)


@quiet
def test_rbench_drops_repeats_and_has_all_rows_and_other_subsets(tmp_path):
    folder = files.write_rbench(tmp_path)
    assert [q.id for q in RBENCH.load(folder, duplicates="drop")] == ["1", "2", "191", "3", "0", "5356"]
    assert [q.id for q in RBENCH.load(folder, subset=2)] == ["1", "2"]
    everything = RBENCH.load(folder, subset=None)
    assert [q.id for q in everything] == ["0", "1", "2", "3", "191", "5356"]
    assert RBENCH.load(folder / "data_filterd" / "image-level_filterd.json", subset=2) == RBENCH.load(folder, subset=2)


@quiet
def test_faulty_rbench_requests_and_lists_are_refused(tmp_path):
    folder = files.write_rbench(tmp_path)
    for wrong in ({"subset": 6}, {"duplicates": "both"}):
        with pytest.raises(ClvsError, match="R-Bench has the subsets 1 to 5"):
            RBENCH.load(folder, **wrong)
    ids = folder / "data_filterd" / "nocaps_image-level_rel_ids_3.json"
    for content, problem in (([1, 9], "lists question 9"), ({"1": 1}, "not a list"), ([[1]], "not a list")):
        files.dump(ids, content)
        with pytest.raises(ClvsError, match=problem):
            RBENCH.load(folder, subset=3)
    ids.write_text("[1,")
    with pytest.raises(ClvsError, match="not valid JSON"):
        RBENCH.load(folder, subset=3)
    ids.unlink()
    with pytest.raises(ClvsError, match="only R-Bench's own annotation archive has the subsets"):
        RBENCH.load(folder, subset=3)


@quiet
def test_rbenchs_real_rows_are_read():
    questions = RBENCH.load(shared("R-Bench", "image-level_filterd.sample.json"), subset=None)
    rows = read_rows(shared("R-Bench", "image-level_filterd.sample.json"))
    assert len(rows) == 45
    assert len(questions) == len({row["question_id"] for row in rows})
    last = {str(row["question_id"]): row for row in rows}
    assert all((q.text, q.label) == (last[q.id]["text"], last[q.id]["label"].lower()) for q in questions)


# --- POPE ---------------------------------------------------------------------------------------------


def test_pope_pools_sources_and_picks_parts(tmp_path):
    folder = files.write_pope(tmp_path)
    questions = POPE.load(folder)
    assert len(questions) == 9 * 12
    assert Counter((q.source, q.kind) for q in questions).most_common()[-1][1] == 12
    assert questions[0].id == "coco/random/1"
    pooled = POPE.load(folder, category="random")
    assert [q.source for q in pooled] == ["coco"] * 12 + ["aokvqa"] * 12 + ["gqa"] * 12
    assert {q.kind for q in POPE.load(folder, source="gqa")} == {"random", "popular", "adversarial"}
    assert list(POPE.groups(pooled)) == ["All", "random", "coco/random", "aokvqa/random", "gqa/random"]
    assert list(POPE.groups(POPE.load(folder, source="coco", category="popular"))) == ["All", "popular"]


def test_popes_versions_side_by_side_are_refused(tmp_path):
    files.write_pope(tmp_path / "old")
    files.write_pope(tmp_path / "new")
    with pytest.raises(ClvsError, match=r"is there twice, .* and .*; name the folder of one version"):
        POPE.load(tmp_path)


def test_pope_warns_of_the_old_random_file(tmp_path):
    path = files.lines(tmp_path / "coco_pope_random.json", files.pope_rows(485))
    with pytest.warns(BenchmarkWarning, match="old random file of 2910 questions"):
        assert len(POPE.load(path)) == 2910


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("pope_random.json", {}, "does not say its source"),
        ("coco_pope_random.json", {"label": "o"}, "Row 1 of .* has the label 'o'"),
        ("coco_pope_random.json", {"question_id": 2}, "holds question coco/random/2 twice"),
        ("coco_pope_random.json", {"text": 5}, "Row 1 of .* has something else than text as text"),
        ("coco_pope_random.json", {"category": "hard"}, "Row 1 of .* has the category 'hard'"),
        ("coco_pope.json", {}, "Row 1 of .* has the category ''"),
    ],
)
def test_faulty_pope_files_are_refused(tmp_path, name, change, problem):
    rows = files.pope_rows()
    path = files.lines(tmp_path / name, [rows[0] | change, *rows[1:]])
    with pytest.raises(ClvsError, match=problem):
        POPE.load(path)


def test_unknown_parts_of_pope_are_refused(tmp_path):
    folder = files.write_pope(tmp_path)
    with pytest.raises(ClvsError, match="POPE has no source 'vg'; choose one of coco, aokvqa, gqa"):
        POPE.load(folder, source="vg")
    with pytest.raises(ClvsError, match="has no questions of gqa and random"):
        POPE.load(folder / "coco", source="gqa", category="random")


@pytest.mark.parametrize("version", ["RUCAIBox", "VCD"])
def test_popes_real_files_have_the_published_sizes(version):
    questions = POPE.load(shared("POPE", version))
    parts = Counter((q.source, q.kind, q.label) for q in questions)
    assert len(parts) == 18
    assert set(parts.values()) == {1500}
    pooled = Counter(q.label for q in POPE.load(shared("POPE", version), category="random"))
    assert pooled == {"yes": 4500, "no": 4500}


def test_popes_real_versions_differ_only_by_a_typo():
    ours, theirs = (POPE.load(shared("POPE", version), source="coco") for version in ("RUCAIBox", "VCD"))
    differ = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert len(differ) == 57
    assert all(b.text.replace("imange", "image") == a.text for a, b in differ)


# --- MME ----------------------------------------------------------------------------------------------


def test_mme_is_read_in_both_layouts_and_at_any_depth(tmp_path):
    flat = files.write_mme(tmp_path / "a" / "MME_Benchmark_release_version")
    files.write_mme(tmp_path / "b" / "MME" / "release", apart=("existence", "OCR"))
    (flat / "artwork" / "questions_answers_YN").mkdir(parents=True)
    (flat / "artwork" / "questions_answers_YN" / "1.txt").write_text("Another task?\tYes\n")
    files.write_mme(tmp_path / "a" / "__MACOSX", tasks=("color",))
    questions = MME.load(tmp_path / "a")
    assert questions == MME.load(tmp_path / "b") == MME.load(flat)
    assert len(questions) == 5 * 3 * 2
    assert [q.id for q in questions[:2]] == ["existence/0000/yes", "existence/0000/no"]
    assert questions[1].text == "Is it existence2? Please answer yes or no."
    assert questions[-1].image == "OCR/0002.jpg"
    assert [q.picture.name for q in MME.load(tmp_path / "b", pictures=True)[:2]] == ["0000.jpg"] * 2


def test_mme_says_which_tasks_are_missing(tmp_path):
    with pytest.warns(BenchmarkWarning, match="lacks MME's position, OCR; the total is of the other tasks"):
        assert len(MME.load(files.write_mme(tmp_path, tasks=("existence", "count", "color")))) == 18


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a?\tYes\n", "existence/0000.jpg has 1 questions, answered yes, and not one Yes and one No"),
        ("a?\tYes\nb?\tYes\n", "has 2 questions, answered yes, yes"),
        ("a?\tYes\nb?\tNo\nc?\tNo\n", "has 3 questions"),
        ("a? Yes\nb?\tNo\n", "Line 1 of .* is not a question, a tab and Yes or No"),
        ("a?\tYes\nb?\tNone\n", "Line 2 of .* has the label 'None'"),
    ],
)
def test_mme_pictures_without_a_pair_are_refused(tmp_path, text, problem):
    folder = files.write_mme(tmp_path)
    (folder / "existence" / "0000.txt").write_text(text)
    with pytest.raises(ClvsError, match=problem):
        MME.load(folder)


def test_two_copies_of_mme_are_refused(tmp_path):
    for name in ("one", "two"):
        files.write_mme(tmp_path / name)
    with pytest.raises(ClvsError, match="is there twice"):
        MME.load(tmp_path)


# --- pictures -----------------------------------------------------------------------------------------


def test_pictures_are_found_anywhere_below_the_folder(tmp_path):
    folder = files.write_amber(tmp_path / "amber")
    for n in range(3):
        path = tmp_path / "pictures" / str(n) / f"AMBER_{n}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    questions = AMBER.load(folder, pictures=tmp_path / "pictures")
    assert all(q.picture.name == q.image and q.picture.is_file() for q in questions)
    assert questions == AMBER.load(folder)
    path.unlink()
    with pytest.raises(ClvsError, match=r"1 pictures are missing from .*, the first is 'AMBER_2\.jpg'"):
        AMBER.load(folder, pictures=tmp_path / "pictures")
    with pytest.raises(ClvsError, match="3 pictures are missing"):
        AMBER.load(folder, pictures=True)
    with pytest.raises(ClvsError, match="There is no folder"):
        AMBER.load(folder, pictures=tmp_path / "gone")


def test_pictures_there_twice_are_refused_and_names_do_not_climb_out(tmp_path):
    folder = files.write_amber(tmp_path / "amber", [(3, files.STATE, "yes")])
    for place in ("a", "b"):
        (folder / place).mkdir()
        (folder / place / "AMBER_0.jpg").write_bytes(b"")
    with pytest.raises(ClvsError, match=r"several pictures 'AMBER_0\.jpg'"):
        AMBER.load(folder, pictures=True)
    (tmp_path / "secret.jpg").write_bytes(b"")
    files.dump(
        folder / "data" / "query" / "query_discriminative.json", [{"id": 3, "image": "../secret.jpg", "query": "?"}]
    )
    with pytest.raises(ClvsError, match="1 pictures are missing"):
        AMBER.load(folder, pictures=True)


def test_a_missing_mme_picture_is_refused(tmp_path):
    folder = files.write_mme(tmp_path)
    (folder / "count" / "0001.jpg").unlink()
    with pytest.raises(ClvsError, match=r"no picture to .*count/0001\.txt"):
        MME.load(folder, pictures=True)
    assert len(MME.load(folder)) == 30
