"""Make the embedded model from nothing: `python -m assets.recipes.train`.

Four stages, each of which can be stopped and started again: the tower and the decoder on one style of artwork, so that
words and patches meet while there is little else to learn; then both again on every style.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from .artwork import FIRST_STYLE, fetch
from .train_tower import WORK

FIRST_TOWER, FIRST_DECODER = WORK / "tower.pt", WORK / "decoder.pt"
TOWER, DECODER = WORK / "tower_all.pt", WORK / "decoder_all.pt"
STAGES: tuple[tuple[str, float, tuple], ...] = (  # module, minutes on two cores, arguments
    ("train_tower", 31, ("--styles", FIRST_STYLE, "--out", FIRST_TOWER)),
    ("train_decoder", 62, ("--styles", FIRST_STYLE, "--tower", FIRST_TOWER, "--out", FIRST_DECODER)),
    ("train_tower", 13, ("--start", FIRST_DECODER, "--out", TOWER)),
    ("train_decoder", 80, ("--start", TOWER, "--tower-share", 0.15, "--out", DECODER)),
)


def commands(scale: float) -> list[list[str]]:
    """The command of each stage with its minutes multiplied by `scale`, and the export of the last checkpoint."""
    found = []
    for module, minutes, rest in STAGES:
        found.append([sys.executable, "-m", f"assets.recipes.{module}", "--minutes", str(minutes * scale)])
        found[-1] += map(str, rest)
    return [*found, [sys.executable, "-m", "assets.recipes.train_decoder", "--out", str(DECODER), "--only-export"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every stage's minutes")
    options = parser.parse_args()
    if options.scale <= 0:
        parser.error("--scale must be above 0")
    fetch()
    for command in commands(options.scale):
        print("$", " ".join(command), flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
