"""Pictures on their way to the page: opened and checked once, and served under an address that tells nothing."""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path

from PIL import Image

from clvs_core.errors import ImageError
from viz.page import limits
from viz.page.library import Library
from viz.page.limits.store import Store
from viz.page.session import Picture, Session
from viz.viewer.standalone import jpeg


class Pictures:
    """Opens pictures for visitors. files: what is served of theirs, and deleted after a while."""

    def __init__(self, library: Library):
        self.library, self.files = library, Store()
        self._examples: dict[str, Picture] = {}

    def open(self, session: Session, path: str | None) -> Picture:
        """The picture at this path, which becomes the visitor's. ImageError when it cannot be used."""
        if session.picture is not None and path == session.picture.path:
            return session.picture
        if session.unreadable is not None and path == session.unreadable[0]:
            raise session.unreadable[1]
        try:
            session.picture = self._read(session, path)
        except ImageError as error:
            if path and Path(path).is_file():  # one that is not there may come yet
                session.unreadable = path, error
            raise
        return session.picture

    def _read(self, session: Session, path: str | None) -> Picture:
        """Of an example there is one for all visitors, so that what a model keeps for it stays."""
        scene = self.library.at(path)
        if scene is not None and scene.name in self._examples:
            return self._examples[scene.name]
        image = limits.open_picture(path)
        assert path is not None
        objects = self.library.objects(path, image.width, image.height)
        if scene is not None:
            return self._examples.setdefault(scene.name, Picture(path, image, scene.url, objects))
        self.files.keep_for(session, path)
        return Picture(path, image, self.publish(jpeg(image), "picture.jpg"), objects)

    def publish(self, content: bytes, name: str) -> str:
        """The address of a file that Gradio serves and that is deleted after a while. DiskFull without room for it."""
        return f"gradio_api/file={self.files.put(content, name)}"


@functools.lru_cache(maxsize=4096)
def thumbnail(path: Path, stamp: int) -> str:
    """The whole picture, 88 pixels on its longer side; "" for what cannot be read. stamp: when it was last changed."""
    try:
        with Image.open(path, formats=limits.FORMATS) as picture:
            picture.draft("RGB", (88, 88))
            small = picture.convert("RGB")
    except Exception:  # a broken file can fail in any decoder, in any way
        return ""
    small.thumbnail((88, 88))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=72)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
