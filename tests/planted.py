"""Plants faults, one at a time, in a copy of the tree, and prints whether the tests named for each notice.

    python -m tests.planted [WORD ...]     only the faults of files whose path has one of the words

The exit status is 1 where a fault went unnoticed. What is slow to import is imported once, and each fault gets a child.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not matrix", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
FAULTS = [  # file, what stands there, what stands there instead, the tests and options of pytest
    ("clvs_core/methods/clvs.py", "alpha * weights[..., visual] + (1 - alpha) * memory[:, None]",
     "(1 - alpha) * weights[..., visual] + alpha * memory[:, None]", "methods/test_methods_golden.py"),
    ("clvs_core/methods/clvs.py", "amax(dim=-2)", "mean(dim=-2)", "methods/test_methods_golden.py"),
    ("clvs_core/methods/clvs.py", "layers // 2 + 1)", "layers // 2)", "methods engine/test_equality.py"),
    ("clvs_core/methods/clvs.py", "return mixed / mixed.sum(dim=-1, keepdim=True)", "return mixed",
     "methods/test_methods_golden.py"),
    ("clvs_core/engine/lens.py", "/ k.to(share.dtype).log()", "", "engine/test_equality.py"),
    ("clvs_core/engine/lens.py", "rank >= k[:, None]", "rank > k[:, None]", "engine/test_equality.py"),
    ("clvs_core/engine/questions.py", "rows[:, None] - keys >= window", "rows[:, None] - keys > window",
     "engine/test_families.py -m=matrix"),
    ("clvs_core/engine/decode.py", "return logits.argmax(-1)", "return logits.argmin(-1)", "engine/test_equality.py"),
    ("clvs_core/engine/cache.py", "self._images.move_to_end(key)", "pass", "engine/test_streams.py"),
    ("clvs_core/methods/pai.py", "gamma * (seen - blind) + blind", "gamma * (seen - blind) + seen",
     "methods/test_methods_golden.py"),
    ("clvs_core/methods/pai.py", "alpha * scores[..., visual].abs()", "alpha * scores[..., visual]",
     "methods/test_methods_golden.py"),
    ("clvs_core/models/geometry/llava.py", 'frame.pad_to_square().resize(', "frame.resize(", "models/test_views.py"),
    ("clvs_core/objects/coverage.py", "np.linspace(x0, x1, view.cols + 1)", "np.linspace(y0, y1, view.cols + 1)",
     "objects/test_key_objects.py"),
    ("clvs_core/objects/curves.py", "np.minimum(gain, 100.0)", "np.minimum(gain, 1000.0)",
     "objects/test_key_objects.py"),
    ("clvs_core/objects/curves.py", "/ vanilla_curve\n", "/ method_curve\n", "objects/test_key_objects.py"),
    ("clvs_core/benchmarks/parsers.py", '{"No", "no", "not"} & set(words)', '{"No", "no"} & set(words)',
     "benchmarks/test_official.py"),
    ("clvs_core/benchmarks/bootstrap.py", "return 2 * hit / (said + true)", "return hit / (said + true)",
     "benchmarks/test_scores.py"),
    ("clvs_core/benchmarks/bootstrap.py", "wilson(fp, no)", "wilson(fp, yes)", "benchmarks/test_scores.py"),
    ("clvs_core/cli/main.py", "_fail(error, NO_MODEL)", "_fail(error, WRONG_INPUT)", "cli/test_cli.py"),
    ("clvs_core/cli/main.py", '_fail("interrupted", INTERRUPTED)', '_fail("interrupted", 1)',
     "cli/test_cli.py objects/test_words.py"),
    ("viz/scales.py", "CLIP = 99.5", "CLIP = 95.0", "viz/test_scales.py js"),
    ("viz/viewer/src/twins.js", "method < reference ? method + 1", "method < reference ? method", "js"),
    ("viz/viewer/src/twins.js", "Math.min(low + 1, sorted.length - 1)", "low", "js"),
    ("viz/page/links.py", "low <= int(text) <= high", "low < int(text) <= high", "page/test_links.py"),
    ("viz/page/links.py", "[: limits.MAX_METHODS]", "", "page/test_links.py"),
    ("viz/page/limits/gate.py", "queue/join|cancel|", "queue/join|cancel|component_server|", "page/test_gate.py"),
    ("viz/page/limits/store.py", "len(files) >= self.count", "len(files) > self.count + 1", "page/test_store.py"),
    ("viz/page/limits/store.py", "or self._all > self.everybody", "", "page/test_store.py page/test_gate.py"),
]  # fmt: skip


def noticed(tree: Path, tests: str) -> bool:
    """Whether pytest fails, in a child of this process."""
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"pytest ended with {status}"
        return status == pytest.ExitCode.TESTS_FAILED
    os.chdir(tree)
    sys.path[0] = str(tree)
    sys.modules.pop("tests", None)  # of the tree that this file is of
    where = [word if word.startswith("-") else f"tests/{word}" for word in tests.split()]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    status = 2
    try:
        status = pytest.main([*OPTIONS, *where])
    finally:
        os._exit(status)


def main(words: list[str]) -> int:
    import gradio  # noqa: F401
    import transformers  # noqa: F401

    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
        for name in filter(None, names):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
        faults = [fault for fault in FAULTS if not words or any(word in fault[0] for word in words)]
        for tests in dict.fromkeys(tests for *_, tests in faults):
            assert not noticed(tree, tests), f"tests/{tests} fails without any fault"
        for file, old, new, tests in faults:
            text = (tree / file).read_text(encoding="utf-8")
            assert text.count(old) >= 1, f"{file} has no {old!r} any more"
            (tree / file).write_text(text.replace(old, new, 1), encoding="utf-8")
            caught = noticed(tree, tests)
            (tree / file).write_text(text, encoding="utf-8")
            print("caught" if caught else "MISSED", file, " ".join(new.split()) or "(nothing)", sep="  ", flush=True)
            missed += not caught
    return missed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
