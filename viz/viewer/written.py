"""What the viewer's JavaScript has from Python, as files: `python -m viz.viewer.written` after a change of these.

src/payload.d.ts is `viz.viewer.contract`; src/styles.js and src/luts.js are what they name of `viz.scales`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

from viz import scales
from viz.viewer.contract import declaration

SOURCE = Path(__file__).parent / "src"
HEAD = "// Written by python -m viz.viewer.written from viz/scales.py, which says what these are.\n"


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
    luts = {name: base64.b64encode(scales.lut(name).tobytes()).decode("ascii") for name in names}
    return {
        "payload.d.ts": declaration(),
        "styles.js": HEAD + "".join(_constant(name, value) for name, value in styles.items()),
        "luts.js": HEAD + _constant("LUTS", luts),
    }


def _constant(name: str, value: object) -> str:
    return f"export const {name} = {json.dumps(value)};\n"


if __name__ == "__main__":
    for name, text in texts().items():
        (SOURCE / name).write_text(text, encoding="utf-8")
