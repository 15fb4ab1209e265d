"""Pictures a model has seen: opened, encoded once, asked many times, and forgotten when memory runs short."""

from __future__ import annotations

import hashlib
import struct
import threading
import warnings
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError, QuestionError
from ..methods import CLVS, Method, Vanilla
from ..methods.base import check_range
from ..models.prompts import CHAT
from ..models.views import Views
from .decode import BranchLog, Run, Step, Token, about, decode
from .segments import ImageSegment, QuestionSegment, question_segments

if TYPE_CHECKING:
    from .model import Model

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")  # no format that starts another program
_DAMAGED = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, IndexError, KeyError, TypeError, struct.error)
MAX_ASPECT = 100  # transformers refuses more elongated pictures in some families
MAX_PIXELS = 100_000_000
_QUESTIONS_KEPT = 32  # question segments kept per picture
_DEFAULT_METHODS = (Vanilla(), CLVS())


def read_picture(picture: Any) -> Image.Image:
    """A PIL image, a path or an (H, W, 3) uint8 array as an upright RGB image; transparency becomes white.

    Raises ImageError, one sentence, for anything that is not a usable picture.
    """
    if isinstance(picture, (str, Path)):
        return _read_file(Path(picture))
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise ImageError(
                f"A picture array must be height x width x 3 of uint8, not {picture.shape} of {picture.dtype}."
            )
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        raise ImageError(f"A picture must be a path, a PIL image or an array, not {type(picture).__name__}.")
    return _upright(picture, "The picture")


def _read_file(path: Path) -> Image.Image:
    if not path.is_file():
        raise ImageError(f"There is no picture at {str(path)!r}; check the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is checked below
            opened = Image.open(path, formats=FORMATS)
        with opened:
            return _upright(opened, path.name)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{path.name} has too many pixels to open; make it smaller.") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path.name} is not a picture this program can read; use PNG, JPEG or WebP.") from None
    except PermissionError:
        raise ImageError(f"{path.name} may not be read by this user; change its permissions.") from None
    except _DAMAGED as error:
        raise ImageError(f"{path.name} is damaged ({error}); save it again or choose another one.") from None


def _upright(picture: Image.Image, name: str) -> Image.Image:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} has {width} x {height} pixels; make it smaller than {MAX_PIXELS // 10**6} million.")
    if not width or not height or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"{name} is {width} x {height} pixels; crop it to sides of at most {MAX_ASPECT} : 1.")
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I;16"):
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        if picture.has_transparency_data:
            rgba = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return picture.convert("RGB")
    except _DAMAGED as error:
        raise ImageError(f"{name} is damaged ({error}); save it again or choose another one.") from None


class EncodedImage:
    """One picture inside one model, ready for any number of questions.

    width, height: of the upright picture, in pixels. views: where its visual tokens lie on it. key: the picture's
    fingerprint, and the text before it in the prompt it was encoded in.
    """

    def __init__(self, model: Model, picture: Image.Image, segment: ImageSegment, views: Views, key: tuple[str, str]):
        self.model, self.key = model, key
        self._picture = picture  # for prompts that say something else before it
        self.width, self.height = picture.size
        self.views = views
        self.segment = segment
        self._questions: OrderedDict[tuple[int, ...], QuestionSegment] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held for this picture: its keys and values, those of its questions, and its pixels."""
        with self._lock:
            questions = sum(q.nbytes for q in self._questions.values())
        return self.segment.nbytes + questions + 3 * self.width * self.height

    @overload
    def ask(  # type: ignore[overload-overlap]
        self,
        question: str,
        methods: Sequence[Method] = ...,
        max_new_tokens: int = ...,
        keep_logits: bool = ...,
        lens: bool = ...,
        prompt: str = ...,
    ) -> list[Run]: ...
    @overload
    def ask(
        self,
        question: Sequence[str],
        methods: Sequence[Method] = ...,
        max_new_tokens: int = ...,
        keep_logits: bool = ...,
        lens: bool = ...,
        prompt: str = ...,
    ) -> list[list[Run]]: ...
    def ask(
        self,
        question: str | Sequence[str],
        methods: Sequence[Method] = _DEFAULT_METHODS,
        max_new_tokens: int = 16,
        keep_logits: bool = False,
        lens: bool = False,
        prompt: str = CHAT,
    ) -> list[Run] | list[list[Run]]:
        """Answers greedily with every method, all in one batch: one Run per method, in the given order.

        question: one question, or several, which then share the batch and give one list of runs each.
        keep_logits: keep `run.logits`. lens: measure the uncertainty after every layer and keep what each would say;
            answers stay the same.
        prompt: name of the prompt, e.g. "vicuna+one-word"; "chat" is the checkpoint's own chat template alone
            (see clvs_core.models.prompts).
        Raises QuestionError for a question that is empty or does not fit the model, or a prompt that the model does not
        have, ValueError for wrong settings.
        """
        several = isinstance(question, (list, tuple))
        questions: list[str] = list(question) if several else [question]  # type: ignore[list-item]
        if not questions:
            return []
        logs, tokens = self._start(questions, methods, max_new_tokens, keep_logits, lens, prompt)
        for _ in tokens:
            pass
        runs = [log.run(len(log.tokens)) for log in logs]
        width = len(runs) // len(questions)
        return [runs[i : i + width] for i in range(0, len(runs), width)] if several else runs

    def stream(
        self,
        question: str,
        methods: Sequence[Method] = _DEFAULT_METHODS,
        max_new_tokens: int = 16,
        keep_logits: bool = False,
        lens: bool = False,
        prompt: str = CHAT,
    ) -> Iterator[Step]:
        """As `ask`, one Step per token. Closing the generator stops at once and frees everything it held."""
        logs, tokens = self._start([question], methods, max_new_tokens, keep_logits, lens, prompt)
        return (Step(index, step, logs) for index, step in enumerate(tokens))

    def _start(
        self,
        questions: Sequence[str],
        methods: Sequence[Method],
        steps: int,
        keep_logits: bool,
        lens: bool,
        prompt: str,
    ) -> tuple[list[BranchLog], Iterator[list[Token | None]]]:
        model = self.model
        check_range("max_new_tokens", steps, 1, 1 << 20, int)
        steps = int(steps)  # sliders send 16.0
        methods = [] if isinstance(methods, Method) else list(methods)
        if not methods or not all(isinstance(m, Method) for m in methods):
            raise ValueError("methods must be a list of at least one method, e.g. [Vanilla(), CLVS()].")
        resolved = [m.resolve(dict(model.card.settings.get(m.name, {})), model.layers) for m in methods]
        tails = [tuple(model.prompts.tail(q, prompt)) for q in questions]
        image = self._behind(prompt)
        image._check_length(tails, steps)
        logs = [
            BranchLog(m, about(r, **self._facts(q, prompt)), model.tokenizer, image.views, steps)
            for q in questions
            for m, r in zip(methods, resolved, strict=True)
        ]
        segments = image._segments(tails)
        tokens = decode(model.hf, image.segment, segments, resolved, logs, model.end_ids, keep_logits, lens)
        return logs, tokens

    def _behind(self, prompt: str) -> EncodedImage:
        """This picture, as encoded behind what the prompt says before it: another one's keys would not be the same."""
        content, head = self.key
        return self if self.model.prompts.head(prompt) == head else self.model.encoded(self._picture, content, prompt)

    def _facts(self, question: str, prompt: str) -> dict[str, Any]:
        model = self.model
        return {
            "model": model.name,
            "question": question,
            "prompt": model.prompts.text(question, prompt),
            "template": prompt,
            "layers": model.layers,
            "heads": model.heads,
        }

    def _check_length(self, tails: Sequence[Sequence[int]], steps: int) -> None:
        longest = max(map(len, tails))
        room = self.model.context - self.segment.length - steps
        if longest > room:
            raise QuestionError(
                f"The question takes {longest} tokens, but beside the picture and {steps} new tokens "
                f"the model has room for {max(room, 0)}; shorten it."
            )

    def _segments(self, tails: Sequence[tuple[int, ...]]) -> list[QuestionSegment]:
        """Question segments of these tails, from memory where possible; identical questions are run once."""
        with self._lock:
            found = {tail: self._questions[tail] for tail in tails if tail in self._questions}
        missing = [tail for tail in dict.fromkeys(tails) if tail not in found]
        found.update(zip(missing, question_segments(self.model.hf, self.segment, missing), strict=True))
        with self._lock:
            for tail in dict.fromkeys(tails):
                self._questions[tail] = found[tail]
                self._questions.move_to_end(tail)
            while len(self._questions) > _QUESTIONS_KEPT:
                self._questions.popitem(last=False)
        self.model.cache.trim()
        return [found[tail] for tail in tails]


class ImageCache:
    """The most recently used pictures of one model, within a budget of bytes; the latest one always stays."""

    def __init__(self, budget: int):
        self.budget = budget
        self._images: OrderedDict[Hashable, EncodedImage] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> EncodedImage | None:
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def put(self, key: Hashable, image: EncodedImage) -> None:
        with self._lock:
            self._images[key] = image
            self._images.move_to_end(key)
        self.trim()

    def trim(self) -> None:
        """Forgets the oldest pictures until the rest fit the budget; pictures grow with their questions."""
        with self._lock:
            used = {key: image.nbytes for key, image in self._images.items()}
            while sum(used.values()) > self.budget and len(self._images) > 1:
                oldest, _ = self._images.popitem(last=False)
                del used[oldest]

    def clear(self) -> None:
        with self._lock:
            self._images.clear()

    def __len__(self) -> int:
        return len(self._images)


def fingerprint(picture: Image.Image) -> str:
    """A key for the picture's content."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
