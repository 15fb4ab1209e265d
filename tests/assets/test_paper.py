"""`make paper` from scenes to page, small: the artwork is stood in for by plain squares."""

import re

import pytest

from assets.recipes import benchmarks, paper
from clvs_core.benchmarks.report.paper_numbers import paper_tables
from clvs_core.benchmarks.running.folder import read_run
from tests.assets.test_benchmarks import Squares

IMAGES, POSITIVES = 3, 3


def make(out, docs):
    given = ["--images", str(IMAGES), "--positives", str(POSITIVES), "--workers", "1"]
    paper.main([*given, "--out", str(out), "--docs", str(docs)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "fetch", lambda: None)
        patch.setattr(paper, "Artwork", lambda fetched, styles: Squares())
        patch.setattr(benchmarks, "MME_IMAGES", 2)
        make(folder / "runs", folder / "docs")
        # once more, as after a stop: everything is there
        patch.setattr(paper, "fetch", lambda: pytest.fail("the scenes are there"))
        before = {path: path.read_bytes() for path in (folder / "runs").glob("*/answers.jsonl")}
        make(folder / "runs", folder / "docs")
    return folder, before


def test_every_run_is_complete_and_a_second_call_asks_nothing_again(made):
    folder, before = made
    assert len(before) == 8
    for path, answers in before.items():
        run = read_run(path.parent)
        assert run.complete
        assert len(run.about["sessions"]) == 2
        assert path.read_bytes() == answers
    assert list(read_run(folder / "runs" / "amber").methods) == [
        *("vanilla", "clvs", "vcd", "pai", "var", "adhh", "vaf", "tarac")
    ]
    assert (
        len(read_run(folder / "runs" / "sweeps").methods) == 2 + 10 + 10
    )  # the card's alpha and beta are those of clvs
    assert len(read_run(folder / "runs" / "ablation").methods) == 4


def test_the_page_has_every_table_of_the_paper_with_its_numbers_and_all_figures(made):
    folder, _ = made
    text = (folder / "docs" / paper.PAGE).read_text()
    titles = [table.title for table in paper_tables()]
    assert [text.count(f"\n### {title}\n") for title in titles] == [1] * len(titles)
    assert "| paper   | 71.4" in text  # table 1, vanilla's existence accuracy of LLaVA-1.5-7B
    figures = re.findall(r"\((figures/[\w-]+\.png)\)", text)
    assert {"decay", "convergence", "mme", "peaks", "sweep-alpha", "sweep-beta"} <= {name[8:-4] for name in figures}
    for name in figures:
        assert (folder / "docs" / name).read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / "docs" / name).with_suffix(".svg").read_text()
    assert f"--images {IMAGES}" in text
    assert text.count("\npython -m clvs_core bench ") == 8


def test_data_of_another_size_is_not_taken_for_this_one(made, tmp_path):
    folder, _ = made
    data = folder / "runs" / f"scenes-{paper.SEED}-{IMAGES}"
    with pytest.raises(SystemExit, match="not an empty folder"):
        paper.scenes(data, IMAGES + 1, paper.SEED)
