"""Write the model's card from what was measured: `python -m assets.recipes.card`, after

python -m assets.recipes.report --json assets/scenes_model/report.json

so that no number in it is typed by hand.
"""

from __future__ import annotations

import json

from .categories import COLOURS, NAMES
from .model import FOLDER, GRID, LENS_SCALE, PATCH, SIDE, WIDTH
from .report_tables import between, percent, signed, table
from .tokenizer import vocabulary

REPORT = FOLDER / "report.json"
TEXT = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---

# Scenes 8M: a small LLaVA for looking inside

A real `LlavaForConditionalGeneration`, trained from scratch for CLVS Explorer on rendered scenes of everyday
objects, so that what it looks at can be compared with exact object masks on any CPU.
`AutoModelForImageTextToText` and `AutoProcessor` load this folder.

{parts}

Prompt: LLaVA-1.5's `USER: <image>\\n{{question}} ASSISTANT:`.

## What it was trained on

Scenes of one to five objects of {names} kinds (COCO's names), drawn in five styles of emoji, unpainted or in
one of {colours} colours, on plain and horizon backgrounds, some touching; made in `assets/recipes`, which also
says how to train it again with one command and how long that takes. Artwork: Fluent Emoji 3-D and flat
(Microsoft, MIT), Noto Emoji, new and first version (Google, Apache-2.0), Emoji One (CC BY 4.0); tested on
Twemoji (Twitter, CC BY 4.0), which it never saw. None of it is part of this repository (see NOTICE).

Questions: is there a (red) cat, is the cat red, how many, are there two, what colour, where, left, right, above
or below, do they touch, what is beside it, what is in the picture; in some 200 wordings, with small talk,
unknown words and the benchmarks' "answer yes or no". In a part of the questions the picture was hidden from the
question's words but not from the last prompt token, and a small loss asked that token to know, after layer 3,
what is asked about: the model was *trained to look from the answering position*, as large models do by
themselves in their middle layers. Its final norm's weights are multiplied by {scale:g} and the unembedding
divided by {scale:g}: that changes no answer, and brings CLVS's uncertainty, which is read without the final
norm, into a range where it falls over the layers. So do not take the layer at which it crosses a threshold for
a finding about language models.

## Measured

By `make scenes-report` on fresh scenes (seeds apart from training's), from the weights with sha256 `{sha256}`;
all numbers, also those left out here, are in `report.json`. Percent, first token of the greedy answer ("where"
and description: the whole answer), {number} questions of each type, yes and no equally often, 95 % Wilson
intervals.

{accuracy}

A description is right if it names every kind of object in the scene and nothing else; {missing} leave something
out, {invented} invent something. First token after {latency:.0f} ms on one core, from the picture.

{styles}

Blind wordings ({wordings} that nobody trained on, {of} questions): {blind}, plainly worded {plain}; on the
{new_of} questions whose wording is new even after the tokenizer's folding: {new}.

## Attention, and what CLVS changes

The row that predicts the answer, {looks} questions about objects that are there, exact masks, layers from 1.
CLVS with this model's settings: {settings}.

{attention}

The attention on the object falls to half of its peak within {half_v:.1f} layers (median; CLVS {half_c:.1f}).
Uncertainty and convergence go together: point-biserial correlation {correlation:.2f}; half of the observations
have converged at an uncertainty of {half:.2f}, from which gamma was chosen, on a validation split; alpha and
beta were chosen there by accuracy over a grid.

CLVS against vanilla, percentage points, 95 % paired bootstrap interval, on the test split:

{paired}

So on this model CLVS moves attention more than answers: over all questions {all_change} points ({all_interval}).

## Limits

It knows drawn scenes and {words} words, no photographs; other words are `<unk>`. It sees only the centre square
of a picture. It is for teaching and testing, not for finding things out about pictures.
"""


def parts(about: dict) -> str:
    """What the model is made of."""
    millions, side = about["parameters"] / 1e6, f"{SIDE} x {SIDE} px"
    return table(
        ("part", "size"),
        (
            (
                "vision tower",
                f"CLIP-style, 5 layers, width {WIDTH}, {side}, patch {PATCH}: {GRID * GRID} visual tokens",
            ),
            ("projector", f"LLaVA's, {WIDTH} to {WIDTH}"),
            ("decoder", f"Llama, 12 layers, width {WIDTH}, 6 heads, 1024 positions"),
            ("weights", f"{millions:.1f} M parameters, float16, {about['megabytes']:.1f} MB"),
            ("vocabulary", f"{len(vocabulary())} words; synonyms and plurals are folded onto them"),
        ),
    )


def _row(found: dict) -> tuple[str, str]:
    return percent(found["share"]), between(found["interval"])


def accuracy(types: dict) -> str:
    """Accuracy by type beside the bar that was set for it."""
    bars = {name: "" if row["bar"] is None else percent(row["bar"], 0) for name, row in types.items()}
    met = {name: "" if row["bar"] is None else "yes" if row["reached"] else "no" for name, row in types.items()}
    rows = ((name, *_row(row), bars[name], met[name]) for name, row in types.items())
    return table(("question", "right", "95 % interval", "bar", "reached"), rows)


def styles(found: dict) -> str:
    """Accuracy by style of artwork, the held-out one last."""
    each, out = found["styles"], found["held out"]
    names = [*(style for style in each if style != out), out]
    rows = ((kind, *(percent(each[style][kind]["share"]) for style in names)) for kind in each[out])
    return table(("question, by style", *(f"{name} (never seen)" if name == out else name for name in names)), rows)


def attention(found: dict, unsure: dict) -> str:
    """Means per layer."""
    v, c = found["vanilla"], found["clvs"]
    head = ("layer", *range(1, len(v["key object"]) + 1))
    rows = (
        ("on the object, vanilla", v["key object"]), ("on the object, CLVS", c["key object"]),
        ("on the picture, vanilla", v["picture"]), ("on the picture, CLVS", c["picture"]),
        ("uncertainty, vanilla", unsure["uncertainty"]), ("converged, vanilla", unsure["converged"]),
    )  # fmt: skip
    shown = [(name, *(f"{value:.3f}".lstrip("0") for value in values)) for name, values in rows]
    peaks = [(f"peaks here, {name}", *m["peak layer"]) for name, m in (("vanilla", v), ("CLVS", c))]
    return table(head, [*shown, *peaks])


def paired(types: dict) -> str:
    """Accuracy of both methods on the same questions."""
    rows = (
        (name, percent(r["vanilla"]), percent(r["clvs"]), signed(r["difference"]),
         " to ".join(map(signed, r["interval"])), f"{r['p']:.2g}")
        for name, r in types.items()
    )  # fmt: skip
    return table(("question", "vanilla", "CLVS", "difference", "95 % interval", "McNemar p"), rows)


def card(found: dict) -> str:
    """The card's text from the report's numbers."""
    about, types, words = found["about"], found["accuracy"]["types"], found["phrasings"]
    described, fit, looks = found["accuracy"]["description"], found["convergence"], found["phenomenon"]
    settings = ", ".join(f"{name} {value}" for name, value in found["clvs"]["settings"].items())
    blind, plain, new = words["all"]["blind"], words["all"]["plain"], words["all"]["new"]
    return TEXT.format(
        parts=parts(about), names=len(NAMES), colours=len(COLOURS), scale=LENS_SCALE, words=len(vocabulary()),
        sha256=about["sha256"]["model.safetensors"], number=about["questions of each type"], accuracy=accuracy(types),
        missing=percent(described["leaves something out"]["share"]),
        invented=percent(described["invents something"]["share"]),
        latency=about["first token, milliseconds on one core"], styles=styles(found["styles"]),
        wordings=words["wordings"], of=blind["of"], blind=" (".join(_row(blind)) + ")",
        plain=percent(plain["share"]), new=" (".join(_row(new)) + ")", new_of=new["of"], looks=looks["questions"],
        settings=settings, attention=attention(looks, fit), half_v=looks["vanilla"]["half-life"],
        half_c=looks["clvs"]["half-life"], correlation=fit["correlation"], half=fit["half_converged"],
        paired=paired(found["clvs"]["types"]), all_change=signed(found["clvs"]["types"]["all"]["difference"]),
        all_interval=" to ".join(map(signed, found["clvs"]["types"]["all"]["interval"])),
    )  # fmt: skip


def main() -> None:
    (FOLDER / "README.md").write_text(card(json.loads(REPORT.read_text())))


if __name__ == "__main__":
    main()
