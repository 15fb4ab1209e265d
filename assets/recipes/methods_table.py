"""All methods on fresh scenes: `python -m assets.recipes.methods_table`, or `make scenes-methods`.

Every method, with the settings that the embedded model's card recommends, answers the same yes/no questions: existence
with absent objects drawn at random, among popular ones and among likely companions (as POPE does, Li et al., EMNLP
2023), colour, relation, contact, place and count, half of each Yes. All methods share one batch a scene; the first
token is the answer, greedy. Scenes are drawn from [20000000, 50, seed, part], apart from training's and the report's.

accuracy, precision, recall, yes    shares with Wilson's 95 % interval; precision is of the answers Yes, recall of the
                                    questions whose answer is Yes; yes is how often Yes is said.
F1                                  with the 95 % percentile bootstrap interval over scenes.
changes                             against vanilla on the same questions, in points, with the paired bootstrap interval
                                    over scenes: of the accuracy, and of the true and the false positive rate. A method
                                    that raises both rates alike says Yes more often; it does not see better.
changed                             how many answers are other than vanilla's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import clvs_core as clvs
from clvs_core.methods import METHODS, Target, spec
from clvs_core.methods.settings import unset

from .artwork import TRAINED_STYLES
from .measure import Answer, Bench, Seed
from .model import FOLDER
from .questions import YES_NO
from .report import Workers
from .report_numbers import by_type, finite
from .report_questions import ASKED, CHUNKS, TEST, wanted
from .report_statistics import RESAMPLES, paired_interval, wilson
from .report_tables import between, percent, signed, table

SECTION = 50  # of the test seeds
TYPES = tuple(one.name for one in ASKED if one.kind in YES_NO)
PER_TYPE = 400


def recommended(target: Target) -> tuple[list[clvs.Method], dict[str, str]]:
    """The methods that run on the model with its card's settings, vanilla first; and why others do not, by label."""
    chosen, refused = [], {}
    for cls in METHODS.values():
        try:
            method = unset(cls).resolve(target)
        except clvs.MethodError as error:
            refused[cls.label] = str(error)
        else:
            chosen.append(method)
    return chosen, refused


def answers(bench: Bench, seed: Seed, part: int, number: int, methods: Sequence[clvs.Method]) -> list[Answer]:
    """What every method says to one of CHUNKS parts of `number` questions of each of TYPES."""
    found = []
    for order, scene in enumerate(bench.scenes((*seed, part), wanted(number, part, CHUNKS, TYPES), TRAINED_STYLES)):
        texts = [question.text for question in scene.asked.values()]
        several = bench.open(scene.picture).ask(texts, methods, max_new_tokens=1)
        for (name, question), runs in zip(scene.asked.items(), several, strict=True):
            stops = tuple(int(run.trace.stop_layer[0]) for run in runs)
            found.append(Answer(name, (*seed, part, order), question, tuple(run.text for run in runs), stops))
    return found


# --- numbers -------------------------------------------------------------------------------------------


def share(right: int, of: int) -> dict:
    """A share with its interval; NaN of nothing."""
    if not of:
        return {"share": float("nan"), "interval": (float("nan"), float("nan")), "of": 0}
    return {"share": right / of, "interval": wilson(right, of), "of": of}


def f1(true: np.ndarray, said: np.ndarray, scenes: np.ndarray, seed: int = 0) -> dict:
    """F1 of the answers Yes with its bootstrap interval over scenes; `true` and `said` (questions,) bool."""
    counts = np.stack([true & said, true | said], 1).astype(int)  # 2 tp / (2 tp + fp + fn)
    several = np.zeros((scenes.max() + 1, 2), int)
    np.add.at(several, scenes, counts)
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn.append(_f1(several[rng.integers(len(several), size=len(several))].sum(0)))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"share": _f1(several.sum(0)), "interval": (float(low), float(high))}


def _f1(counts: np.ndarray) -> float:
    both, either = counts.tolist()
    return 2 * both / (both + either) if either else float("nan")


def change(before: np.ndarray, after: np.ndarray, scenes: np.ndarray) -> dict:
    """Mean of after - before (questions,) bool, with its paired interval over scenes."""
    difference = after.astype(int) - before.astype(int)
    return {"difference": float(difference.mean()), "interval": paired_interval(difference, scenes)}


def row(found: Sequence[Answer], method: int) -> dict:
    """One method's numbers on some questions, and how they differ from those of vanilla, which is method 0."""
    true = np.array([answer.question.answer == "Yes" for answer in found])
    said, plain = (np.array([answer.said[m] == "Yes" for answer in found]) for m in (method, 0))
    right, before = (np.array([answer.right(m) for answer in found]) for m in (method, 0))
    scenes = np.unique([answer.scene for answer in found], axis=0, return_inverse=True)[1].ravel()
    numbers = {
        "accuracy": share(int(right.sum()), len(found)),
        "precision": share(int((said & true).sum()), int(said.sum())),
        "recall": share(int((said & true).sum()), int(true.sum())),
        "f1": f1(true, said, scenes),
        "yes": share(int(said.sum()), len(found)),
    }
    if method == 0:
        return numbers
    return numbers | {
        "change": {
            "accuracy": change(before, right, scenes),
            "true positive rate": change(plain[true], said[true], scenes[true]),
            "false positive rate": change(plain[~true], said[~true], scenes[~true]),
        },
        "changed": int(sum(answer.said[method] != answer.said[0] for answer in found)),
    }


def measured(workers: Workers, number: int, seed: int) -> dict:
    """The whole table: {"methods": {label: spec}, "left out": {label: why}, "types": {type: {label: row}}, ...}."""
    model = workers.bench.model
    methods, refused = recommended(model.target)
    found = workers.rows(answers, (TEST, SECTION, seed), number, tuple(methods))
    kinds = {name: some for name, some in by_type(found).items() if some} | {"all": found}
    return {
        "methods": {method.label: spec(method) for method in methods},
        "left out": refused,
        "notes": {cls.label: note for name, cls in METHODS.items() if (note := model.card.method_notes.get(name))},
        "seed": [TEST, SECTION, seed],
        "questions of each type": number,
        "types": {
            name: {method.label: row(some, index) for index, method in enumerate(methods)}
            for name, some in kinds.items()
        },
    }


# --- text ----------------------------------------------------------------------------------------------


def markdown(found: dict) -> str:
    """The numbers as Markdown; nothing is computed here."""
    given = (f"- {label}: `{text}`" for label, text in found["methods"].items())
    notes = (f"- {label}: {note}" for label, note in (found["notes"] | found["left out"]).items())
    names = list(found["types"])
    overview = (
        (label, *(percent(found["types"][name][label]["accuracy"]["share"]) for name in names))
        for label in found["methods"]
    )
    parts = [
        f"# Methods on fresh scenes\n\n{found['questions of each type']} yes/no questions of each type, seed "
        f"{found['seed']}; first token, greedy; 95 % intervals in brackets; changes in points against vanilla.",
        "\n".join(given),
        "\n".join(notes),
        "## Accuracy\n\n" + table(("", *names), overview),
        *(_section(name, rows) for name, rows in found["types"].items()),
    ]
    return "\n\n".join(part for part in parts if part)


HEAD = (
    *("", "accuracy", "precision", "recall", "F1", "yes"),
    *("change of accuracy", "of true positive rate", "of false positive rate", "changed"),
)


def _section(name: str, rows: dict) -> str:
    of = next(iter(rows.values()))["accuracy"]["of"]
    return f"## {name[:1].upper()}{name[1:]}, {of} questions\n\n" + table(HEAD, (_cells(*one) for one in rows.items()))


def _cells(label: str, found: dict) -> Iterable[str]:
    yield label
    for name in ("accuracy", "precision", "recall", "f1", "yes"):
        one = found[name]
        yield "-" if one["share"] != one["share"] else f"{percent(one['share'])} ({between(one['interval'])})"
    for one in found.get("change", {"": None, " ": None, "  ": None}).values():
        yield f"{signed(one['difference'])} ({' to '.join(map(signed, one['interval']))})" if one else ""
    yield str(found.get("changed", ""))


# --- the command ---------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m assets.recipes.methods_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--per-type", type=int, default=PER_TYPE, help="questions of each type (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other scenes for every seed (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the weights")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the numbers here (.json), or this text (.md)")
    options = parser.parse_args(arguments)
    if options.per_type < 2 or options.seed < 0:
        parser.error("--per-type must be at least 2, and --seed not negative")
    if options.out and options.out.suffix not in (".json", ".md"):
        parser.error(f"{options.out} must end in .json or .md")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the worker processes
    began = time.time()
    workers = Workers(Bench(options.folder), options.workers)
    try:
        found = measured(workers, options.per_type, options.seed)
    finally:
        workers.close()
    text = markdown(found)
    print(text, flush=True)
    print(f"Measured in {(time.time() - began) / 60:.1f} minutes.", file=sys.stderr)
    if options.out:
        whole = json.dumps(finite(found), indent=1, allow_nan=False) if options.out.suffix == ".json" else text
        options.out.write_text(whole + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
