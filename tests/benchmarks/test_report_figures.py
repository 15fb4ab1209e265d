"""`report --figures`: what the runs hold is drawn, what they lack is said."""

import pytest

from clvs_core.cli import main as cli
from tests.benchmarks.made import made_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("figures") / "run", "pope", records=("key_objects", "lens"))


def test_figures_are_written_beside_the_tables(run, tmp_path, capsys):
    assert cli.main(["report", str(run), "--figures", str(tmp_path / "figures")]) == 0
    told = capsys.readouterr()
    assert "## POPE" in told.out
    assert "No figure mme: No run is of MME" in told.err
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert drawn == {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert {"decay", "convergence", "peaks"} <= drawn
    assert not {"mme", "sweep-alpha"} & drawn


def test_a_folder_that_is_a_file_is_one_sentence(run, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert cli.main(["report", str(run), "--figures", str(tmp_path / "taken")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written" in told
    assert "name another folder" in told
