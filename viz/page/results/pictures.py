"""Where pictures of runs are, and which of them are quickly found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clvs_core.benchmarks.pictures import with_pictures
from clvs_core.benchmarks.question import Question
from clvs_core.errors import ClvsError
from viz.page.library import Library
from viz.page.pictures import thumbnail
from viz.page.results.opened import readable


class RunPictures:
    """Where pictures of runs are: the page's own, folders given at start, and for its owner where the run had them.

    What a run's files say is not to be trusted: for visitors, no path out of them is read.
    """

    def __init__(self, library: Library, images: Sequence[Path]):
        self.folders = [library.folder, *filter(None, [library.coco_folder]), *images]

    def find(self, question: Question, *, owner: bool) -> Path:
        """The question's picture. ClvsError, one sentence, when it is not on this machine."""
        path, image = self.near(question, owner=owner), question.image
        # a name out of a file must not lead out of the folder
        wanted = replace(question, image=Path(image).name if Path(image).is_absolute() else image, picture=None)
        for folder in self.folders if path is None and image else ():
            try:
                path = Path(with_pictures([wanted], folder)[0].picture)
            except ClvsError:
                continue
            break
        if path is None:
            raise ClvsError(
                f"The picture {(question.image or question.id)!r:.120} is not on this machine; start the app with "
                "--images and the folder that has it."
            )
        return path

    def near(self, question: Question, *, owner: bool) -> Path | None:
        """The same, without looking into folders below."""
        if owner and isinstance(question.picture, (str, Path)) and os.path.isfile(question.picture):
            return Path(question.picture)
        image = Path(question.image)
        if not question.image or ".." in image.parts or image.is_absolute():
            return None
        return next((folder / image for folder in self.folders if os.path.isfile(folder / image)), None)

    def thumbnails(self, questions: Iterable[Question], *, owner: bool) -> dict[str, str]:
        """Small pictures as data URLs by image name as it is shown, of those that are quickly found and can be read."""
        urls: dict[str, str] = {}
        for question in questions:
            name = readable(question.image)
            path = None if name in urls else self.near(question, owner=owner)
            if path is not None and (small := thumbnail(path, path.stat().st_mtime_ns)):
                urls[name] = small
        return urls
