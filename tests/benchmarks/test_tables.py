"""Tables of `datasets`, as the hub's mirrors of the benchmarks have them: the same questions as the official files."""

import builtins
import io

import pytest
from PIL import Image

from clvs_core import benchmarks
from clvs_core.errors import ClvsError
from tests.benchmarks import files

AMBER, RBENCH, POPE, MME = (benchmarks.get(name) for name in ("amber", "rbench", "pope", "mme"))
quiet = pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")


def facts(questions):
    return sorted((q.id, q.text, q.label, q.kind, q.source) for q in questions)


def pope_rows():
    """Columns of lmms-lab/POPE."""
    rows = []
    for category in ("adversarial", "popular", "random"):
        for row in files.pope_rows():
            rows.append(
                {
                    "id": str(len(rows)),
                    "question_id": str(row["question_id"]),
                    "question": row["text"],
                    "answer": row["label"],
                    "image_source": row["image"].removesuffix(".jpg"),
                    "category": category,
                }
            )
    return rows


def amber_rows():
    """Columns of qgallouedec/amber, and a row of its other part."""
    rows = [{"id": n, "query": f"Q{n}?", "type": kind, "truth": truth} for n, kind, truth in files.AMBER_TRUTHS[1:]]
    return [*rows, {"id": 1, "query": "Describe this image.", "type": "generative", "truth": "sky"}]


def mme_rows(questions):
    """Columns of lmms-lab/MME, in no order, and a row of another task."""
    rows = [
        {"question_id": q.image, "question": q.text, "answer": q.label.capitalize(), "category": q.kind}
        for q in questions[::2] + questions[1::2]
    ]
    return [*rows, {"question_id": "artwork/1.jpg", "question": "?", "answer": "Yes", "category": "artwork"}]


def rbench_rows():
    """Columns of MM-Hallu/R-Bench, and a row of its other level."""
    rows = [
        {("question" if key == "text" else key): value for key, value in row.items()} for row in files.rbench_rows()
    ]
    rows = [row | {"level": "image"} for row in rows]
    return [*rows, rows[0] | {"question_id": 77, "level": "instance"}]


@quiet
def test_json_with_the_columns_of_mirrors_is_read(tmp_path):
    official = POPE.load(files.write_pope(tmp_path / "pope"), source="coco")
    assert facts(POPE.load(files.dump(tmp_path / "pope.json", pope_rows()))) == facts(official)
    assert POPE.load(tmp_path / "pope.json")[0].image == "COCO_val2014_000000000000.jpg"
    official = AMBER.load(files.write_amber(tmp_path / "amber"))
    assert facts(AMBER.load(files.lines(tmp_path / "amber.jsonl", amber_rows()))) == facts(official)
    official = MME.load(files.write_mme(tmp_path / "mme"))
    assert MME.load(files.dump(tmp_path / "mme.json", mme_rows(official))) == official
    official = RBENCH.load(files.write_rbench(tmp_path / "rbench"), subset=None)
    assert facts(RBENCH.load(files.dump(tmp_path / "r.json", rbench_rows()), subset=None)) == facts(official)


def test_amber_answers_may_be_lists_for_both_parts(tmp_path):
    """DogNeverSleep/AMBER."""
    row = {
        "id": 5,
        "image": "AMBER_1.jpg",
        "question": "Q?",
        "type": files.STATE,
        "answer": {"truth": ["no"], "hallu": []},
    }
    (question,) = AMBER.load(files.dump(tmp_path / "a.json", [row]))
    assert (question.label, question.image) == ("no", "AMBER_1.jpg")
    with pytest.raises(ClvsError, match="has no question of AMBER's discriminative part"):
        AMBER.load(files.dump(tmp_path / "b.json", [row | {"type": "generative"}]))


def test_tables_of_rbench_have_no_subsets(tmp_path):
    path = files.dump(tmp_path / "r.json", rbench_rows()[:3])
    with pytest.raises(ClvsError, match="only R-Bench's own annotation archive has the subsets"):
        RBENCH.load(path, subset=1)


@pytest.mark.parametrize("data", ["hub:lmms-lab/POPE", "test.parquet"])
def test_without_datasets_one_sentence_says_what_to_install(tmp_path, monkeypatch, data):
    real = builtins.__import__

    def importing(name, *rest):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"")
    for benchmark in (AMBER, POPE, MME):
        with pytest.raises(ClvsError, match="need the library datasets; run: pip install datasets"):
            benchmark.load(data)


def pictured(rows):
    """The rows, each with a picture of its own width."""
    found = []
    for n, row in enumerate(rows):
        file = io.BytesIO()
        Image.new("RGB", (n + 1, 2)).save(file, "PNG")
        found.append(row | {"image": {"bytes": file.getvalue(), "path": None}})
    return found


@pytest.mark.parametrize("typed", [True, False])
def test_parquet_files_are_read_with_their_pictures(tmp_path, monkeypatch, typed):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    table = datasets.Dataset.from_list(pictured(pope_rows()))
    if typed:
        table = table.cast_column("image", datasets.Image())
    (tmp_path / "data").mkdir()
    table.to_parquet(str(tmp_path / "data" / "test-00000-of-00001.parquet"))
    official = POPE.load(files.write_pope(tmp_path / "pope"), source="coco")
    for data in (tmp_path / "data", tmp_path / "data" / "test-00000-of-00001.parquet"):
        assert facts(POPE.load(data)) == facts(official)
        assert [q.picture().size for q in POPE.load(data, pictures=True)] == [(n + 1, 2) for n in range(36)]


def test_hub_tables_are_read_from_their_best_configuration(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    asked = []

    def load(name, config):
        asked.append((name, config))
        rows = {}
        for row in pope_rows():
            rows.setdefault(row.pop("category"), []).append(row)
        return datasets.DatasetDict({split: datasets.Dataset.from_list(found) for split, found in rows.items()})

    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda name: ["default", "Full"])
    monkeypatch.setattr(datasets, "load_dataset", load)
    official = POPE.load(files.write_pope(tmp_path / "pope"), source="coco")
    assert facts(POPE.load("hub:lmms-lab/POPE")) == facts(official)
    assert asked == [("lmms-lab/POPE", "Full")]


def test_a_hub_that_does_not_answer_is_one_sentence(monkeypatch):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")

    def fail(name):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)
    with pytest.raises(ClvsError, match=r"lmms-lab/POPE cannot be had from the hub \(no route\); check its name"):
        POPE.load("hub:lmms-lab/POPE")
