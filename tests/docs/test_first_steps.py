"""docs/first_steps.ipynb runs from top to bottom, as in a notebook: a cell's last expression is what it displays."""

from __future__ import annotations

import ast
import contextlib
import io
import json

import pytest

from tests.documents import ROOT

NOTEBOOK = json.loads((ROOT / "docs" / "first_steps.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def displayed(source, scope):
    """Runs a cell: what it displays."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), scope)


@pytest.fixture(scope="module")
def ran():
    """What the cells displayed, and what they printed."""
    scope = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        values = [displayed("".join(cell["source"]), scope) for cell in CODE]
    return values, printed.getvalue().splitlines()


def test_it_is_kept_without_outputs():
    assert 5 <= len(CODE) <= 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])


def test_its_cells_run_and_show_the_viewer(ran):
    shown = [value for value in ran[0] if hasattr(value, "_repr_html_")]
    assert [len(str(value).splitlines()) for value in shown] == [3, 4, 3]  # the question and each method's answer
    assert all(value._repr_html_().startswith("<iframe ") for value in shown)
    assert "Is there a laptop" in shown[0]._repr_html_()


def test_what_it_prints_is_the_answer_and_its_curve(ran):
    *_, vanilla_says, clvs_says, vanilla, clvs = ran[1]
    assert [vanilla_says, clvs_says] == ["Vanilla: Yes (100%)", "CLVS: Yes (100%)"]
    shares = [int(share) for share in vanilla.partition(":")[2].replace("%", " ").split()]
    assert len(shares) == clvs.count("%") == 12
    assert max(shares) == shares[5] == 50  # percent, at layer 6
