"""What a run recorded: one row of attention per layer and head for each generated token, and what was derived from it.

Saved as .npz without pickle: a file from a stranger can be wrong, but it cannot run code.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, Strict, ValidationError

from .errors import ClvsError
from .files import whole
from .methods.base import RECORDS
from .models import memory
from .models.geometry.grids import Views
from .untrusted import Number, Text, Untrusted, Whole, departure

FORMAT = 1
_SMALL = 1 << 28  # bytes that any archive may unpack to
_PACKED = 64  # times as large a larger one may become: attention is packed to a half or less, zip bombs to a thousandth
_BROKEN = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error),
)
# The axes of every array, as `Trace` names them (3: K most likely words of a layer, or distributions); kinds of numpy.
_AXES: Mapping[str, str] = {
    "attention": "SLHN",
    "original": "SLHN",
    **{name: "SLH" if recorded.over == "heads" else "SLN" for name, recorded in RECORDS.items()},
    "uncertainty": "SL",
    "rest": "SLW",
    "stop_layer": "S",
    "lens_ids": "SL3",
    "lens_probabilities": "SL3",
    "contrast_ids": "SK",
    "contrast_probabilities": "S3K",
}
_KINDS = {
    **{name: "b" for name, recorded in RECORDS.items() if recorded.kind == "flags"},
    **dict.fromkeys(("stop_layer", "lens_ids", "contrast_ids"), "i"),
}  # others: "f"


@dataclass
class Trace:
    """The record of one method answering one question.

    S generated tokens, L layers, H query heads, N visual tokens; layers are 0-based. Weights are float16, or float64
    when the model runs in float64.

    attention: (S, L, H, N) weights the model used, after the method's edit (softmax over the whole row, visual part).
    original: same shape, before the edit; the very same array where the method edits nothing.
    memory: (S, L, N) CLVS's vision memory after each layer, NaN where there is none; None for other methods.
    accumulation: (S, L, N) what TARAC has accumulated in each of its layers, NaN in others; None for other methods.
    sinks: (S, L, N) bool, the picture's sink tokens that VAR found in each layer; None for other methods.
    acted_heads: (S, L, H) bool, the heads that AD-HH silenced, or in which VAR gave the sinks' weight away; None for
        other methods.
    rest: (S, L, 3 + T) means of heads: the attention on the prompt's first token, on all others before the picture (and
        between its tokens), on the answer's own tokens so far, and on each of the T prompt tokens after the picture,
        whose texts are meta["words"]; those from meta["asked"][0] up to [1] are the question's. None without `rest`.
    uncertainty: (S, L) eq. 8, NaN where it was not measured.
    stop_layer: (S,) layer after which smoothing stopped, -1 if never.
    views: where the visual tokens lie on the picture.
    meta: model, question, prompt (its text), template (the prompt's name), method (spec string), given (the same as it
        was asked for), text, tokens, layers, heads, threshold, first_check.
    lens_ids, lens_probabilities: (S, L, 3) the tokens each layer would say and their share; None without `lens`.
    lens_words: the same tokens as text, [S][L][3].
    contrast_ids, contrast_probabilities: (S, K) the likeliest tokens of a method that contrasts, and (S, 3, K) their
        share behind the picture, behind what it is contrasted with (a noised picture, or none), and in the outcome;
        None for other methods.
    contrast_words: the same tokens as text, [S][K].
    """

    attention: np.ndarray
    original: np.ndarray
    memory: np.ndarray | None
    uncertainty: np.ndarray
    stop_layer: np.ndarray
    views: Views
    meta: dict[str, Any] = field(default_factory=dict)
    lens_ids: np.ndarray | None = None
    lens_probabilities: np.ndarray | None = None
    lens_words: list[list[list[str]]] | None = None
    accumulation: np.ndarray | None = None
    sinks: np.ndarray | None = None
    acted_heads: np.ndarray | None = None
    contrast_ids: np.ndarray | None = None
    contrast_probabilities: np.ndarray | None = None
    contrast_words: list[list[str]] | None = None
    rest: np.ndarray | None = None

    @property
    def carries(self) -> str | None:
        """The name of what the method carries, from layer to layer or from word to word; None for nothing."""
        carried = (name for name, recorded in RECORDS.items() if recorded.carried)
        return next((name for name in carried if getattr(self, name) is not None), None)

    def save(self, path: str | Path | IO[bytes]) -> None:
        """Writes a compressed .npz; the name is kept as given.

        Raises OSError where it cannot be written, as on a full disk; a file that was there then stays as it was.
        """
        about = {"format": FORMAT, "views": self.views.to_json(), "meta": self.meta, "words": self.lens_words}
        if self.contrast_words is not None:
            about["contrast_words"] = self.contrast_words
        arrays = {name: getattr(self, name) for name in _AXES if getattr(self, name) is not None}
        if self.original is self.attention:
            del arrays["original"]
        arrays["about"] = np.array(json.dumps(about))
        with whole(path) if isinstance(path, (str, Path)) else nullcontext(path) as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | Path | IO[bytes]) -> Trace:
        """Reads what `save` wrote. Raises ClvsError, one sentence, for anything else."""
        if isinstance(path, (str, Path)):
            _check_file(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                headers = _headers(archive)
                about = json.loads(str(archive["about"][()]))
                if not isinstance(about, dict) or about.get("format") != FORMAT:
                    raise ValueError("it was written by another version")
                _About.model_validate(about)
                views = Views.from_json(about["views"])
                _check_shapes(headers, views)  # before any of it is unpacked
                arrays = {name: archive[name] for name in _AXES if name in archive.files}
            return _checked(arrays, about, views)
        except ClvsError:
            raise
        except _BROKEN as error:
            what = path if isinstance(path, (str, Path)) else "this file"
            raise ClvsError(f"{str(what)!r} is not a CLVS trace: {_why(error)}; save it again.") from None


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"it {departure(error)}"
    return "it is no archive of arrays" if "pickle" in str(error) else str(error)  # numpy's advice is to run its code


def _check_file(path: str | Path) -> None:
    """ClvsError for what is no file, or no path at all; a pipe would be waited for."""
    if not os.path.exists(path):
        raise ClvsError(f"There is no trace file {str(path)!r:.200}; check the name.")
    if not os.path.isfile(path):
        raise ClvsError(f"{str(path)!r:.200} is no file; give a trace that the command trace wrote.")


class _Header(NamedTuple):
    """What an archive says of one of its arrays."""

    shape: tuple[int, ...]
    dtype: np.dtype


def _headers(archive: Any) -> dict[str, _Header]:
    """By name. Raises ValueError for an archive that holds anything else, or promises more than it can hold."""
    headers, promised, packed = {}, 0, 0
    for info in archive.zip.infolist():
        name = info.filename.removesuffix(".npy")
        if name not in (*_AXES, "about") or name in headers:
            raise ValueError("it holds unknown arrays")
        with archive.zip.open(info) as file:
            read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            shape, _, dtype = read[np.lib.format.read_magic(file)[0]](file)
            if math.prod(shape) * dtype.itemsize + file.tell() != info.file_size:
                raise ValueError("it holds an array whose size is not what it says")
        headers[name] = _Header(shape, dtype)
        promised, packed = promised + info.file_size, packed + info.compress_size
    packed = min(packed, archive.zip.start_dir)  # whatever it says, there are no more bytes
    if promised > max(_SMALL, _PACKED * packed):
        raise ValueError(f"its {packed:,} bytes would unpack to {promised:,}")
    free = memory.places("cpu")[0].free
    if promised > max(_SMALL, free):
        raise ClvsError(
            f"The trace needs {memory.gigabytes(promised)} of memory and {memory.gigabytes(free)} are free; close what "
            "else runs here, or record fewer tokens."
        )
    return headers


def _check_shapes(headers: Mapping[str, _Header], views: Views) -> None:
    for name in ("attention", "uncertainty", "stop_layer"):
        if name not in headers:
            raise ValueError(f"it has no {name}")
    attention = headers["attention"]
    if len(attention.shape) != 4 or attention.dtype.kind != "f":
        raise ValueError("attention must be numbers of shape (steps, layers, heads, visual)")
    if attention.shape[-1] != views.visual:
        raise ValueError(f"attention covers {attention.shape[-1]} visual tokens, its geometry {views.visual}")
    ids = headers.get("contrast_ids")
    rest = headers.get("rest")
    sizes = dict(zip("SLHN", attention.shape, strict=True)) | {"3": 3, "K": _last(ids), "W": _last(rest)}
    for name, header in headers.items():
        shape = tuple(sizes[axis] for axis in _AXES.get(name, ""))
        if name in _AXES and (header.shape != shape or header.dtype.kind != _KINDS.get(name, "f")):
            raise ValueError(f"{name} must have shape {shape}, not {header.shape} of {header.dtype}")


def _last(header: _Header | None) -> int:
    return header.shape[-1] if header and header.shape else 0


def _checked(arrays: dict[str, np.ndarray], about: Mapping[str, Any], views: Views) -> Trace:
    attention, stop = arrays["attention"], arrays["stop_layer"]
    original = arrays.setdefault("original", attention)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise ValueError(f"{name} holds infinite values")
    if not np.isfinite(attention).all() or not np.isfinite(original).all():
        raise ValueError("its attention weights are not all finite")
    if attention.size == 0 or min(attention.min(), original.min()) < 0:
        raise ValueError("its attention weights are empty or negative")
    if ((stop < -1) | (stop >= attention.shape[1])).any():
        raise ValueError("its stop layers are not among its layers")
    if "rest" in arrays and arrays["rest"].shape[-1] != 3 + len(about["meta"].get("words", ())):
        raise ValueError("its words do not fit the attention on them")
    words, contrast = about.get("words"), about.get("contrast_words")
    _check_words("lens", words, (*attention.shape[:2], 3))
    _check_words("contrasted", contrast, arrays["contrast_ids"].shape if "contrast_ids" in arrays else (0,))
    optional = {"memory": None} | arrays
    return Trace(views=views, meta=about["meta"], lens_words=words, contrast_words=contrast, **optional)  # type: ignore[arg-type]


def _check_words(what: str, words: Any, shape: tuple[int, ...]) -> None:
    if words is not None and np.array(words, dtype=object).shape != shape:
        raise ValueError(f"its {what} words do not fit its shape")


# --- what an archive says of itself in words ---------------------------------------------------------------------


class _Meta(Untrusted):
    """The facts that other code relies on, where they are there."""

    model: Text = ""
    question: Text = ""
    prompt: Text = ""
    method: Text = ""
    given: Text = ""
    text: Text = ""
    threshold: Number | None = None
    first_check: Number | None = None
    words: list[Text] = Field(default_factory=list)
    asked: Annotated[tuple[Whole, Whole], Strict(False)] = (0, 0)
    tokens: list[Annotated[tuple[Whole, Text, Number], Strict(False)]] = Field(default_factory=list)


class _About(Untrusted):
    views: dict[str, Any]
    meta: _Meta
    words: list[list[list[Text]]] | None = None
    contrast_words: list[list[Text]] | None = None
