"""End to end on the scenes benchmark: its four folders are read as the real ones, and a constant answer scores so."""

import json
from collections import Counter

import pytest

from assets.recipes import benchmarks as recipe
from clvs_core import benchmarks
from clvs_core.benchmarks.answers import read_answers
from clvs_core.pictures import read_picture
from tests.assets.test_benchmarks import Squares
from tests.benchmarks import files

FOLDERS = {"amber": "amber", "rbench": "r-bench", "pope": "pope", "mme": "mme"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Drawn with plain squares: no artwork is needed."""
    out = tmp_path_factory.mktemp("scenes") / "out"
    recipe.write(1, 8, out, Squares(), scale=2)
    return out


@pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")
@pytest.mark.parametrize("name", FOLDERS)
def test_a_constant_yes_scores_as_the_labels_say(scenes, tmp_path, name):
    benchmark = benchmarks.get(name)
    questions = benchmark.load(scenes / FOLDERS[name], pictures=True)
    assert all(read_picture(q.picture).size for q in questions)
    rows = [{"id": q.id, "method": "yes", "answer": "Yes"} for q in {q.id: q for q in questions}.values()]
    answers = read_answers(benchmark, files.lines(tmp_path / "run.jsonl", rows), questions).methods["yes"]
    found = benchmark.score(questions, answers)
    yes = Counter(q.label for q in questions)["yes"] / len(questions)
    assert found.missing == found.extra == 0
    if name == "mme":
        assert {task: printed["score"] for task, printed in found.official.items() if task != "total"} == dict.fromkeys(
            ("existence", "count", "position", "color"), 50.0
        )
        assert found.official["total"] == 200
    elif name == "amber":
        assert found.official["All"] == {"accuracy": round(100 * yes, 1), "precision": 0, "recall": 0, "f1": 0}
        assert found.official["Existence"]["accuracy"] == 0
    else:
        assert found.official["All"]["accuracy"] == yes
        assert found.official["All"]["recall"] == pytest.approx(1, abs=1e-5)


def test_questions_are_those_of_the_files(scenes):
    """Read once more without the loader."""
    pope = benchmarks.get("pope").load(scenes / "pope", category="popular")
    rows = [json.loads(line) for line in (scenes / "pope" / "coco_pope_popular.json").read_text().splitlines()]
    assert [(q.id, q.text, q.label) for q in pope] == [
        (f"coco/popular/{row['question_id']}", row["text"], row["label"]) for row in rows
    ]
