"""What works for which family, as the tests find it: runs them and prints a Markdown table on standard output.

    python -m tests.matrix > matrix.md

pytest's own report goes to standard error. The exit status is 1 where a test failed, as pytest's own.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clvs_core.models.families import FAMILIES
from tests import tiny_families

ROOT = Path(__file__).parents[1]
_ENGINE, _VIEWS = "tests/engine/test_families.py", "tests/models/test_views_families.py"
_BATCHED = (f"{_ENGINE}::test_vanilla_equals_generate", f"{_ENGINE}::test_clvs_equals_the_literal_reading")
# Column -> the tests that it stands for, each with all its parameters.
COLUMNS: dict[str, tuple[str, ...]] = {
    "loads": ("tests/models/test_loading.py::test_every_family_loads",),
    "equality": (*_BATCHED, f"{_ENGINE}::test_capture_alone_stays_within_the_noise_of_half_precision"),
    "unified": (f"{_ENGINE}::test_unified_positions_equal_recomputing",),
    "impulse": (f"{_VIEWS}::test_inverting_one_cell_changes_that_token_most",),
    "batch": _BATCHED,  # each also asks several questions of different lengths at once
    "streams in the page": ("tests/page/test_families_page.py::test_streams_in_the_page",),
}
LEGEND = ["", "✓ with the number of tests that ran, all of which passed. Every model is tiny, with random weights."]


@dataclass
class Found:
    """What became of the tests of one cell: how many passed, which failed, why others were skipped."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """A mark only where tests ran and all passed."""
        if self.failed:
            return f"failed: {len(self.failed)} of {len(self.failed) + self.passed + len(self.skipped)}"
        if self.skipped:
            return f"skipped: {'; '.join(dict.fromkeys(self.skipped))}"
        return f"✓ {self.passed}" if self.passed else "no test"


Cells = dict[tuple[str, str], Found]  # by family (transformers' model_type) and column


def family_of(name: str) -> str | None:
    """The family that a tiny model belongs to, e.g. llava_next for llava_next_mistral; None for other words."""
    known = [family for family in FAMILIES if name == family or name.startswith(f"{family}_")]
    return max(known, key=len, default=None)


def columns_of(nodeid: str) -> list[str]:
    test = nodeid.partition("[")[0]
    return [column for column, tests in COLUMNS.items() if test in tests]


class Collector:
    """A pytest plugin: keeps only the tests of the matrix, and what became of them."""

    def __init__(self) -> None:
        self.cells: Cells = {(family, column): Found() for family in FAMILIES for column in COLUMNS}
        self.family: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        wanted = []
        for item in items:
            values = item.callspec.params.values() if hasattr(item, "callspec") else ()
            families = [found for value in values if isinstance(value, str) and (found := family_of(value))]
            if families and columns_of(item.nodeid):
                self.family[item.nodeid] = families[0]
                wanted.append(item)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self.family])
        items[:] = wanted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for column in columns_of(report.nodeid):
            found = self.cells[self.family[report.nodeid], column]
            if report.failed:
                found.failed.append(report.nodeid)
            elif report.skipped:
                # (file, line, "Skipped: reason"), or the text of an expected failure
                why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
                found.skipped.append(why.removeprefix("Skipped: "))
            elif report.when == "call":
                found.passed += 1


def table(cells: Cells) -> str:
    """Markdown, one line a family; in brackets its variants, by decoder or setting, that are tested too."""
    lines = [f"| family | {' | '.join(COLUMNS)} |", "|---|" + ":-:|" * len(COLUMNS)]
    for family, known in FAMILIES.items():
        built = [name for name in tiny_families.FAMILIES if family_of(name) == family and name != family]
        names = ", ".join(name.removeprefix(f"{family}_") for name in built)
        also = "also " if family in tiny_families.FAMILIES else ""
        more = f" ({also}{names})" if built else ""
        row = " | ".join(str(cells[family, column]) for column in COLUMNS)
        lines.append(f"| {known.label}{more} | {row} |")
    return "\n".join(lines + LEGEND)


def main() -> int:
    files = sorted({test.partition("::")[0] for tests in COLUMNS.values() for test in tests})
    present = [str(ROOT / name) for name in files if (ROOT / name).exists()]
    collector = Collector()
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main(["-q", "--rootdir", str(ROOT), *present], plugins=[collector])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        print(f"pytest ended with {pytest.ExitCode(status).name}; there is no matrix.", file=sys.stderr)
        return int(status)
    print(table(collector.cells))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
