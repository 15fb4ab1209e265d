"""What the viewer's JavaScript has from Python, as files: `python -m viz.viewer.written` after a change of these.

src/payload.d.ts is `viz.viewer.contract`; src/styles.js and src/luts.js are what they name of `viz.scales`;
src/choices.js and src/chosen.d.ts are the choices of `viz.viewer.view`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import numpy as np

from viz import scales
from viz.viewer import contract, view

SOURCE = Path(__file__).parent / "src"
HEAD = "// Written by python -m viz.viewer.written from viz/{}, which says what these are.\n"


def texts() -> dict[str, str]:
    """Name and text of each file."""
    styles = {
        "CLIP": scales.CLIP,
        "UNIFORM_HIGH": scales.UNIFORM_HIGH,
        "OPACITY": scales.OPACITY,
        "MODES": scales.MODES,
        "MAPS": scales.MAPS,
        "DIVERGING": scales.DIVERGING,
        "STYLES": [dataclasses.asdict(style) for style in scales.STYLES],
    }
    names = (*scales.MAPS, scales.DIVERGING)
    luts = {name: _steps(scales.lut(name)) for name in names}
    return {
        "payload.d.ts": contract.declaration(),
        "styles.js": HEAD.format("scales.py") + "".join(_constant(name, value) for name, value in styles.items()),
        "luts.js": HEAD.format("scales.py") + _constant("LUTS", luts),
        "choices.js": HEAD.format("viewer/view.py") + _constant("CHOICES", view.table()),
        "chosen.d.ts": HEAD.format("viewer/view.py") + view.declaration(),
    }


def _steps(lut: np.ndarray) -> str:
    """Base64 of each colour (256, 3) less the one before, modulo 256: neighbours are alike, so that packs well."""
    return base64.b64encode(np.diff(lut.astype(np.uint8), axis=0, prepend=np.uint8(0)).tobytes()).decode("ascii")


def _constant(name: str, value: object) -> str:
    return f"export const {name} = {json.dumps(value)};\n"


if __name__ == "__main__":
    for name, text in texts().items():
        (SOURCE / name).write_text(text, encoding="utf-8")
