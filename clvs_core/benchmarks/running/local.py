"""Asking in this process; and pictures as they are read, here or by workers."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ...errors import ImageError
from ...models.hub import first_line
from ...pictures import FORMATS, read_picture
from ..question import Question
from .asker import Asker, Row
from .plan import Job, Plan

AHEAD = 4  # pictures that are read before it is their turn, of each worker


class InProcess:
    """One model in this process; the next pictures are read meanwhile."""

    def __init__(self, plan: Plan):
        self.asker = Asker(plan)

    def about(self) -> dict[str, Any]:
        return self.asker.about()

    def devices(self) -> list[str]:
        return [self.asker.device()]

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        with ThreadPoolExecutor(2, "pictures") as pool:
            coming = iter(jobs)
            read = [
                (job, pool.submit(picture_of, job.picture, job.questions)) for job in itertools.islice(coming, AHEAD)
            ]
            while read:
                job, picture = read.pop(0)
                for late in itertools.islice(coming, 1):
                    read.append((late, pool.submit(picture_of, late.picture, late.questions)))
                yield self.asker.rows(picture.result(), job.questions)


# --- pictures -----------------------------------------------------------------------------------------


def decoded(picture: Any) -> Image.Image:
    """An upright RGB image of a path, bytes of a picture file, a PIL image, or a function that gives one of them."""
    picture = picture() if callable(picture) else picture
    if isinstance(picture, bytes):
        picture = Image.open(io.BytesIO(picture), formats=FORMATS)
    return read_picture(picture)


def packed(picture: Any) -> bytes:
    """A picture as the bytes of a file, which any machine can read."""
    if isinstance(picture, (str, Path)):
        return Path(picture).read_bytes()
    file = io.BytesIO()
    decoded(picture).save(file, "PNG", compress_level=1)  # many workers wait for the one who packs
    return file.getvalue()


@contextmanager
def reading(questions: Sequence[Question]) -> Iterator[None]:
    """Says of a picture that cannot be read whose it is: bytes that a table or another machine holds have no name."""
    try:
        yield
    except Exception as error:  # Pillow and the readers of tables raise errors of many kinds
        why = "it is not a picture" if isinstance(error, UnidentifiedImageError) else first_line(error)
        image = f" ({questions[0].image})" if questions[0].image else ""
        raise ImageError(
            f"The picture of question {questions[0].id}{image} cannot be read: {why.partition(';')[0]}; mend it, "
            "and the same command goes on."
        ) from error


def picture_of(picture: Any, questions: Sequence[Question]) -> Image.Image:
    with reading(questions):
        return decoded(picture)
