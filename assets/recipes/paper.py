"""Every table and figure of the CLVS paper, on the embedded model and fresh scenes: `make paper`.

Writes the four benchmarks as scenes, runs all methods on them, the ablation, the sweeps of alpha and beta and the
key-object analysis, and beyond the paper which layers' looking matters, each by the command that a larger model takes
on the real data, and puts tables and figures into docs/. What is there already is used again; a stopped run goes on.
Fresh scenes and the embedded model are no reproduction of the paper: they show that the way from data to table works,
and what it costs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clvs_core.analysis.knockout import HALF
from clvs_core.analysis.looking import Looking, NoKnockouts, counted, looking, looking_tables
from clvs_core.benchmarks.bootstrap import Estimate
from clvs_core.benchmarks.report import tables
from clvs_core.benchmarks.report.paper_numbers import paper_tables
from clvs_core.benchmarks.report.render import markdown
from clvs_core.benchmarks.report.table import Table
from clvs_core.benchmarks.running.folder import RunFolder, read_run
from clvs_core.cli import main as cli
from clvs_core.labels import title
from clvs_core.methods import method
from viz.figures import paper as paper_figures

from . import benchmarks
from .artwork import TRAINED_STYLES, Artwork, fetch

IMAGES, POSITIVES, SEED, WORKERS = 300, 300, 2, 2
NOTHING = 0.01  # less than this is lost: there looking does not matter
PAGE, TOOK = "results.md", "took.json"
SCENES = "scenes"
ABLATION, SWEEPS, KEY_OBJECTS, LOOKING = "ablation", "sweeps", "key-objects", "looking"


def commands(data: Path, out: Path, positives: int, workers: int) -> dict[str, list[str]]:
    """The arguments of `python -m clvs_core`, by the name of the run folder they write."""
    masks = str(data / "pope" / "instances_val2014.json")
    positive = ["pope", "--data", str(data / "pope"), "--category", "random", "--positives", str(positives)]
    positive += ["--key-objects", masks]
    several = {
        "amber": ["amber", "--data", str(data / "amber"), "--methods", "all"],
        "r-bench": ["rbench", "--data", str(data / "r-bench"), "--methods", "all"],
        "pope": ["pope", "--data", str(data / "pope"), "--methods", "all"],
        "mme": ["mme", "--data", str(data / "mme"), "--methods", "all"],
        ABLATION: ["amber", "--data", str(data / "amber"), "--methods", "ablation"],
        SWEEPS: ["amber", "--data", str(data / "amber"), "--sweep", "alpha=0:1:0.1", "--sweep", "beta=0:1:0.1"],
        KEY_OBJECTS: [*positive, "--lens", "--methods", "vanilla,clvs"],
        LOOKING: [*positive, "--knockout", "--methods", "all"],
    }
    more = ["--workers", str(workers)]
    return {name: ["bench", *given, *more, "--out", str(out / name)] for name, given in several.items()}


def scenes(data: Path, images: int, seed: int) -> None:
    """The four benchmarks in `data`, unless they are there. Raises SystemExit where others are."""
    made, wanted = data / "made.json", {"images": images, "seed": seed}
    if made.is_file() and json.loads(made.read_text()) == wanted:
        return
    if problem := benchmarks.complaint(seed, images, data, 4):
        raise SystemExit(problem)
    try:
        artwork = Artwork(fetch(), TRAINED_STYLES)
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
    benchmarks.write(seed, images, data, artwork)
    made.write_text(json.dumps(wanted) + "\n")


def run_all(calls: dict[str, list[str]], out: Path) -> None:
    """Runs the commands. Raises SystemExit with the code of one that fails."""
    for name, call in calls.items():
        print(f"\npython -m clvs_core {shlex.join(call)}", file=sys.stderr, flush=True)
        with timed(out, name):
            if code := cli.main(call):
                raise SystemExit(code)


@contextmanager
def timed(out: Path, name: str) -> Iterator[None]:
    """Adds how long this takes to what the same took before it was stopped."""
    began = time.monotonic()
    try:
        yield
    finally:
        took = seconds(out)
        took[name] = took.get(name, 0) + time.monotonic() - began
        out.mkdir(parents=True, exist_ok=True)
        (out / TOOK).write_text(json.dumps(took) + "\n")


def seconds(out: Path) -> dict[str, float]:
    """What each part has taken, by its name."""
    return json.loads((out / TOOK).read_text()) if (out / TOOK).is_file() else {}


# --- the page -----------------------------------------------------------------------------------------


def layout(runs: Mapping[str, RunFolder]) -> list[Table]:
    """The paper's tables; the ablation's from its own run, in which all its rows shared their passes."""
    found = tables([run for run in runs.values() if _main(run)], paper=True)
    found += [table for table in tables([runs[ABLATION]], paper=True) if table.name == ABLATION]
    order = [table.name for table in paper_tables()]
    return sorted(found, key=lambda table: order.index(table.name))


def _main(run: RunFolder) -> bool:
    """Whether a run is of all methods, as the paper's tables but the ablation's are."""
    return run.folder.name not in (ABLATION, SWEEPS, KEY_OBJECTS, LOOKING)


def conclusion(runs: Mapping[str, RunFolder]) -> str:
    """What the numbers say: which methods differ from vanilla beyond chance, and what the ablation changes."""
    lines = []
    for run in filter(_main, runs.values()):
        found = []
        for name, answers in run.answers.items():
            change = run.benchmark.compare(run.questions, answers, run.answers["vanilla"])
            all_of = change["All" if "All" in change else "total"].accuracy
            if all_of.value is not None and all_of.low is not None and all_of.high is not None:
                found += [f"{method(name).label} {100 * all_of.value:+.1f}"] * (all_of.low > 0 or all_of.high < 0)
        lines.append(f"- {run.benchmark.label}: {', '.join(found) or 'no method'}")
    full, apart = runs[ABLATION].answers["clvs"], []
    for name, answers in runs[ABLATION].answers.items():
        if name not in ("vanilla", "clvs"):
            apart.append(f"`{name}` {sum(answers[id] != said for id, said in full.items())}")
    return (
        "Accuracy differs from vanilla's by more than chance (points; the 95 % interval of a paired bootstrap over "
        "pictures leaves 0 out) of:\n\n" + "\n".join(lines) + "\n\n"
        f"Answers of {len(full):,} that differ from CLVS's in the ablation: {', '.join(apart)}."
    )


def beyond(run: RunFolder) -> list[str]:
    """What knock-outs say: in which layers vanilla needs to look, and whether CLVS adds its attention there."""
    try:
        found = looking(run)
    except NoKnockouts as error:
        return [str(error)]
    return [in_words(found), f"![{LOOKING}](figures/{LOOKING}.png)", *map(section, looking_tables([run]))]


def in_words(found: Looking) -> str:
    lost, shares = found.lost(found.reference).mean, found.shares("clvs")
    needed, free = np.flatnonzero(lost > HALF) + 1, np.flatnonzero(lost < NOTHING) + 1
    own = found.shares(found.reference)
    others = [
        f"{title(name)} {_percent(found.shares(name).change, signed=True)}"
        for name in found.samples.methods
        if name not in (found.reference, "clvs")
    ]
    return (
        f"Over {counted(found)}: when the object is hidden from the answering word around layers {_listed(needed)}, "
        f"vanilla's answer loses more than half of its probability; around layers {_listed(free)}, less than "
        f"{NOTHING:.0%}; without a look in any layer, {own.left['word']:.0%} of it is left. Of vanilla's attention on "
        f"the object, {_percent(own.there)} falls where looking matters. CLVS adds {_percent(shares.added)} to that "
        f"attention, and of what it adds {_percent(shares.added_there)} falls where looking matters; it takes away "
        f"{_percent(shares.taken)}, and of that {_percent(shares.taken_there)} fell where looking matters: there the "
        f"object's attention changes by {_percent(shares.change, signed=True)}. With the others it changes there by "
        f"{', '.join(others)}. More attention can only help where looking matters; whether it helps there, the tables "
        "above say. What the numbers are: "
        "[knockout.md](knockout.md#over-a-benchmark)."
    )


def _listed(layers: np.ndarray) -> str:
    """(2, 3, 4, 7) -> "2 to 4 and 7"; "none"."""
    runs = np.split(layers, np.flatnonzero(np.diff(layers) > 1) + 1) if len(layers) else []
    said = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return " and ".join(said) or "none"


def _percent(estimate: Estimate | None, *, signed: bool = False) -> str:
    """ "8.2 % (1.4 to 14.3)" """
    if estimate is None or estimate.value is None:
        return "nothing"
    form = "+.1f" if signed else ".1f"
    ends = [format(100 * end, form) for end in (estimate.low, estimate.high) if end is not None]
    return f"{100 * estimate.value:{form}} %" + (f" ({' to '.join(ends)})" if ends else "")


def section(table: Table) -> str:
    """A table's Markdown, its headings one level deeper."""
    return re.sub("^#", "##", markdown(table), flags=re.MULTILINE)


def page(
    runs: Mapping[str, RunFolder], calls: dict[str, list[str]], drawn: Sequence[str], spent: str, command: str
) -> str:
    """docs/results.md. drawn: names of the figures that were saved. spent: how long it took, in words."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    lines = "\n".join(f"python -m clvs_core {shlex.join(call)}" for call in calls.values())
    figures = "\n\n".join(f"![{name}](figures/{name}.png)" for name in drawn)
    parts = [
        "# The paper's tables and figures, on the embedded model",
        f"Written by `{command}` on {today} ({spent}); nothing here is typed by hand. The model is the embedded one "
        "of 8 million parameters and the questions are about fresh drawn scenes, in the formats of the four "
        "benchmarks: the paper's numbers beside ours are those of another model on other data, and the differences "
        "say nothing about how well the paper is reproduced. How to make each table from the real data: "
        "[benchmarks.md](benchmarks.md).",
        conclusion(runs),
        "## In the paper's layout",
        *map(section, layout(runs)),
        "## With intervals",
        *map(section, tables([run for run in runs.values() if _main(run)], paper=False)),
        "## Beyond the paper",
        *beyond(runs[LOOKING]),
        "## Figures",
        figures,
        "## Commands",
        f"```sh\n{lines}\n```",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


# --- the command --------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m assets.recipes.paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=IMAGES, help="of each benchmark; MME: 30 a task (%(default)s)")
    parser.add_argument("--positives", type=int, default=POSITIVES, help="of the key-object analysis (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="other scenes for every seed (%(default)s)")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/paper"), help="data and run folders (%(default)s)")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where tables and figures go (%(default)s)")
    options = parser.parse_args(arguments)
    data = options.out / f"scenes-{options.seed}-{options.images}"
    with timed(options.out, SCENES):
        scenes(data, options.images, options.seed)
    calls = commands(data, options.out, options.positives, options.workers)
    run_all(calls, options.out)
    runs = {name: read_run(options.out / name) for name in calls}
    of_paper = [run for name, run in runs.items() if name != LOOKING]
    saved = paper_figures.save_all(of_paper, options.docs / "figures")
    paper_figures.save_all([runs[LOOKING]], options.docs / "figures", kinds=[LOOKING])
    figures = [path.stem for path in saved if path.suffix == ".png"]
    took = seconds(options.out)
    minutes = sum(took.values()) / 60
    processes = f"{options.workers} process{'es' * (options.workers > 1)}"
    spent = f"{minutes:.1f} minutes on {processes}, of which {took[SCENES] / 60:.1f} for drawing scenes"
    answers = sum(len(run.rows) for run in runs.values())
    command = shlex.join(["python", "-m", "assets.recipes.paper", *(sys.argv[1:] if arguments is None else arguments)])
    text = page(runs, calls, figures, f"{spent}; {answers:,} answers", command)
    options.docs.mkdir(parents=True, exist_ok=True)
    (options.docs / PAGE).write_text(text, encoding="utf-8")
    print("\n".join(f"{name}: {spent_on:.0f} s" for name, spent_on in took.items()), file=sys.stderr)
    print(f"{options.docs / PAGE}: {minutes:.1f} minutes in all")


if __name__ == "__main__":
    main()
