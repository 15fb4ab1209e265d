"""The command `bench`: asks a model all questions of a benchmark, with several methods, into a run folder."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from ..benchmarks import BENCHMARKS, PAPER, Question
from ..benchmarks.running import job
from ..benchmarks.running.folder import RunFolder, read_run
from ..benchmarks.running.job import check
from ..benchmarks.running.local import InProcess
from ..benchmarks.running.plan import BATCH, Plan, Task, first_pictures, positives
from ..benchmarks.running.processes import ProcessPool
from ..benchmarks.running.ray import RayCluster
from ..errors import ClvsError, ModelError
from ..key_objects import CocoInstances
from ..methods import CLVS, METHODS, Combine, Method, Target, Vanilla, method, spec
from ..methods.base import Usual
from ..methods.settings import schema, unset
from ..models import prompts
from ..models.registry import CARDS, ModelCard, card_for
from ..terminal import say
from ..text import line
from .choose import METHOD_HELP, method_files, read_method
from .options import add_model, add_prompt, positive, whole
from .score import add_part, benchmark, load, part

ALL, ABLATION = "all", "ablation"
_SWEPT = ("alpha", "beta")
_LONGEST = 101  # values of a sweep
_ABOUT = """\
The run folder holds run.json, questions.jsonl and answers.jsonl; if the command is stopped, the same command goes on
where it was. Then: python -m clvs_core report DIR

--methods takes names or settings, joined by commas: vanilla,clvs:alpha=0.7,beta=0.9,pai+clvs; "all" stands for every
method that runs on the model, "ablation" for vanilla, CLVS, and CLVS without early termination and without unified
positions. --sweep alpha=0:1:0.1 adds CLVS with each of these values; all settings share one batch.

examples:
  python -m clvs_core bench pope --data POPE/ --images val2014/ --model llava-1.5-7b --preset paper --methods all \\
      --out runs/pope
  python -m clvs_core bench amber --data scenes/amber --methods ablation --out runs/ablation
  python -m clvs_core bench pope --data POPE/ --images val2014/ --source coco --category random --positives 500 \\
      --key-objects instances_val2014.json --lens --out runs/decay
  python -m clvs_core bench pope --data POPE/ --images val2014/ --source coco --category random --positives 500 \\
      --key-objects instances_val2014.json --knockout --methods all --out runs/looking
"""


def add(commands: Any) -> None:
    """Adds the command to what `ArgumentParser.add_subparsers` returned."""
    bench = commands.add_parser(
        "bench",
        help="run AMBER, R-Bench, POPE or MME with any methods",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("benchmark", metavar="BENCH", type=benchmark, help=", ".join(BENCHMARKS))
    bench.add_argument(
        "--data", required=True, metavar="DIR", help="the benchmark's files, a parquet file, or hub:OWNER/NAME"
    )
    bench.add_argument("--images", metavar="DIR", help="the folder of its pictures (default: somewhere in --data)")
    bench.add_argument("--out", required=True, metavar="DIR", help="the run folder, a new one or one to go on with")
    add_model(bench)
    _add_asking(bench)
    add_part(bench)
    bench.add_argument("--limit", type=positive, metavar="N", help="only the questions about the first N pictures")
    bench.add_argument(
        "--positives", type=positive, metavar="N", help="only N questions answered yes, the first of each picture"
    )
    bench.add_argument(
        "--key-objects",
        metavar="FILE",
        help="COCO instances of the pictures: record the attention on what the question asks about, layer by layer",
    )
    bench.add_argument(
        "--knockout",
        action="store_true",
        help="with --key-objects: also record what is left of every answer when that is hidden, layer by layer",
    )
    bench.add_argument("--lens", action="store_true", help="record uncertainty and convergence after every layer")
    bench.add_argument(
        "--batch", type=positive, default=BATCH, metavar="N", help="branches of one pass (default: %(default)s)"
    )
    bench.add_argument("--workers", type=positive, metavar="N", help="processes with a model each (default: one)")
    bench.add_argument(
        "--ray", metavar="ADDRESS", help="ask on a Ray cluster: auto, local or HOST:PORT (pip install ray)"
    )
    bench.add_argument("--gpus-per-worker", type=gpus, metavar="N", help="with --ray (default: 1 where there are GPUs)")
    bench.set_defaults(run=run)


def _add_asking(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("--methods", default="vanilla,clvs", metavar="LIST", help="default: %(default)s; see below")
    bench.add_argument("--method", action="append", default=[], metavar="SPEC", help=f"one more: {METHOD_HELP}")
    bench.add_argument(
        "--sweep", action="append", default=[], type=sweep, metavar="NAME=FROM:TO:STEP", help="CLVS's alpha or beta"
    )
    add_prompt(bench)
    bench.add_argument("--max-new-tokens", type=positive, metavar="N", help="default: 1, as the paper's runs have it")
    bench.add_argument(
        "--preset",
        choices=("paper",),
        help="prompt and length of the CLVS paper's runs of the model's family; "
        "a method's own settings of its paper are METHOD:preset=paper",
    )
    bench.add_argument("--seed", type=whole, default=0, metavar="N", help="of VCD's noise (default: %(default)s)")


# --- options ------------------------------------------------------------------------------------------


def sweep(text: str) -> tuple[str, list[float]]:
    """ "alpha=0:1:0.25" or "alpha=0,0.5,1" -> ("alpha", [0.0, 0.25, 0.5, 0.75, 1.0])"""
    name, _, values = text.partition("=")
    try:
        if name not in _SWEPT:
            raise ValueError
        if ":" in values:
            first, last, step = map(Decimal, values.split(":"))
            numbers = [first + step * n for n in range(min(_LONGEST + 1, int((last - first) / step) + 1))]
        else:
            numbers = list(map(Decimal, values.split(",")))
    except (ValueError, ArithmeticError, InvalidOperation):
        raise argparse.ArgumentTypeError(f"{text!r} is not like alpha=0:1:0.1 or beta=0.5,0.7,0.9") from None
    if not 1 <= len(numbers) <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(numbers)} values; give 1 to {_LONGEST}")
    return name, list(map(float, numbers))


def gpus(text: str) -> float:
    """ "0.5" -> 0.5; Ray shares one GPU out, but not one and a half."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1 << 10 or (number > 1 and not number.is_integer()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number from 0 up nor a part of one, e.g. 0.5")
    return number


def listed(text: str) -> list[str]:
    """ "vanilla,clvs:alpha=0.7,beta=0.9" -> ["vanilla", "clvs:alpha=0.7,beta=0.9"]"""
    specs: list[str] = []
    for piece in text.split(","):
        # "beta=0.9" goes on with the settings of the method before it
        if specs and re.match(r"\s*\w+\s*=", piece) and ":" in specs[-1]:
            specs[-1] += f",{piece}"
        elif piece.strip():
            specs.append(piece.strip())
    return specs


def _texts(options: argparse.Namespace) -> list[str]:
    return [*listed(options.methods), *options.method]


def methods(options: argparse.Namespace, card: ModelCard) -> dict[str, Method]:
    """The methods that the options name, by the names they get in the answers; each once.

    card: what is known of the model before it is loaded. Raises ClvsError for what is no method.
    """
    target, chosen = Target.of(card), dict[str, Method]()
    for text in _texts(options):
        if text == ALL:
            chosen |= {name: unset(cls).filled(target) for name, cls in METHODS.items() if _runs(cls, card)}
            continue
        if text == ABLATION:
            chosen |= ablation(target)
            continue
        try:
            words = read_method(text)
            chosen[words] = method(words).filled(target)
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise ClvsError(f"{str(error).rstrip('.')}; the command methods lists the names.") from None
    for name, values in options.sweep:
        for value in values:
            try:
                swept = replace(CLVS().filled(target), **{name: value})
            except ValueError as error:
                raise ClvsError(f"--sweep {name}: {error}") from None
            others = [other.resolve(target) for other in chosen.values() if isinstance(other, CLVS)]
            if swept.resolve(target) not in others:  # two specs may say the same
                chosen[spec(swept)] = swept
    if not chosen:
        raise ClvsError("There is no method in --methods; name at least one, e.g. vanilla,clvs.")
    return {name: _seeded(choice, options.seed) for name, choice in chosen.items()}


def ablation(target: Target) -> dict[str, Method]:
    """The rows of the paper's ablation (table 4)."""
    full = CLVS().filled(target)
    parts = [replace(full, early_termination=False), replace(full, unified_positions=False)]
    return {"vanilla": Vanilla(), "clvs": full, **{spec(part): part for part in parts}}


def _runs(cls: type[Method], card: ModelCard) -> bool:
    lacking = schema(cls, card, None)["reason"]
    if lacking:
        say(f"Left out: {lacking}")
    return not lacking


def _seeded(chosen: Method, seed: int) -> Method:
    """With the run's seed where the method draws noise and its own is the usual one."""
    if isinstance(chosen, Combine):
        return Combine(*(_seeded(inner, seed) for inner in chosen.methods))
    left_out = isinstance(getattr(chosen, "seed", None), Usual)
    return replace(chosen, seed=seed) if left_out else chosen  # type: ignore[call-arg]


def _selected(options: argparse.Namespace, questions: list[Question]) -> list[Question]:
    masks = CocoInstances(options.key_objects) if options.key_objects else None  # a wrong file costs no model
    if options.limit:
        questions = first_pictures(questions, options.limit)
    if options.positives:
        questions = positives(questions, options.positives, masks)
        if len(questions) < options.positives:
            say(f"There are {len(questions)} such questions, not {options.positives}.")
    return questions


# --- the command --------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> None:
    """Runs the benchmark; what is wrong with options or data costs no model."""
    options = _preset(options)
    prompts.parse(options.prompt)
    if options.ray is None and options.gpus_per_worker is not None:
        raise ClvsError("--gpus-per-worker is for --ray; leave it out, or give both.")
    if options.knockout and not options.key_objects:
        raise ClvsError("--knockout hides key objects; give their masks with --key-objects, or leave it out.")
    chosen = methods(options, card_for(options.model))
    questions = _selected(options, load(options, pictures=options.images or True))
    task = Task(
        options.benchmark,
        options.data if str(options.data).startswith("hub:") else str(Path(options.data).resolve()),
        questions,
        part(options),
        {"limit": options.limit, "positives": options.positives},
        options.seed,
    )
    plan = _plan(options, chosen)
    check(Path(options.out), task, plan)
    backend = _backend(options, plan)
    try:
        _run(Path(options.out), task, plan, backend)
    except KeyboardInterrupt:
        say("Stopped; the same command goes on from here.")
        raise
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        raise ModelError(
            f"There is too little memory for {plan.batch} branches in one pass; give a smaller --batch and another "
            "--out."
        ) from None
    finally:
        if not isinstance(backend, InProcess):
            backend.close()
    if options.key_objects:
        for sentence in key_objects_told(read_run(options.out)):
            say(sentence)
    print(options.out)


def _run(folder: Path, task: Task, plan: Plan, backend: InProcess | ProcessPool | RayCluster) -> None:
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            often = 0.2 if sys.stderr.isatty() else 15
            bar = tqdm(
                total=total, initial=done, unit=" answers", mininterval=often, smoothing=0.05, dynamic_ncols=True
            )
        bar.update(done - bar.n)

    try:
        job.run(task, plan, folder, backend, progress, say)
    finally:
        if bar is not None:
            bar.close()


def key_objects_told(run: RunFolder) -> list[str]:
    """How many questions that are answered yes had a key object, and why the first of the others had none."""
    answered = {row["id"]: row for row in run.rows}
    positive = [answered[q.id] for q in dict.fromkeys(run.questions) if q.label == "yes" and q.id in answered]
    without = [row for row in positive if "attention" not in row]
    doubtful = [row for row in positive if "attention" in row and row.get("mask_note")]
    share = f"{len(positive) - len(without)} of {len(positive)} positive questions had a key object."
    sentences = [share if len(without) < len(positive) else f"Warning: {share} Nothing was recorded of any."]
    for rows, what in ((without, "without one"), (doubtful, "in doubt")):
        if note := next((str(row["mask_note"]) for row in rows if row.get("mask_note")), ""):
            sentences.append(f"{what.capitalize()}: {len(rows)}, the first because: {line(note)}")
    return sentences


def _preset(options: argparse.Namespace) -> argparse.Namespace:
    """The options with what --preset says, where nothing else was said."""
    filled = argparse.Namespace(**vars(options))
    if options.preset:
        card = card_for(options.model)
        if card.name not in CARDS and not os.path.isdir(options.model):
            raise ClvsError(
                f"The family of {options.model} is not known before it is loaded; leave --preset out, and say --prompt "
                "and --max-new-tokens yourself."
            )
        family = card.family
        if family not in PAPER:
            raise ClvsError(f"The paper has no runs of {family} models; say --prompt and --max-new-tokens yourself.")
        paper = PAPER[family]
        filled.prompt = paper.prompt if options.prompt == prompts.CHAT else options.prompt
        filled.max_new_tokens = options.max_new_tokens or paper.max_new_tokens
    filled.max_new_tokens = filled.max_new_tokens or 1
    return filled


def _plan(options: argparse.Namespace, chosen: Mapping[str, Method]) -> Plan:
    return Plan(
        options.model,
        {name: spec(method) for name, method in chosen.items()},
        options.prompt,
        options.max_new_tokens,
        options.dtype,
        options.device,
        options.quantization,
        options.image_mode,
        tuple(_absolute(file) for text in _texts(options) for file in method_files(text)),
        _absolute(options.key_objects) if options.key_objects else None,
        options.lens,
        options.batch,
        knockout=options.knockout,
    )


def _absolute(path: str) -> str:
    """Workers on a cluster start in other folders."""
    return str(Path(path).resolve())


def _backend(options: argparse.Namespace, plan: Plan) -> InProcess | ProcessPool | RayCluster:
    say(f"Loading {options.model} ...")
    if not sys.stderr.isatty():
        disable_progress_bar()
    if options.ray is not None:
        return RayCluster(plan, options.ray, options.gpus_per_worker, options.workers)
    return ProcessPool(plan, options.workers) if (options.workers or 1) > 1 else InProcess(plan)
