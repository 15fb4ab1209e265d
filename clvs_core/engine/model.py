"""A model that opens pictures: what `load_model` gives."""

from __future__ import annotations

from typing import Any

from ..models.prompts import CHAT
from ..pictures import fingerprint, read_picture
from .checkpoint import Checkpoint
from .images import EncodedImage, encoded


class Model(Checkpoint):
    """A checkpoint (see there for what is known of it) that opens pictures."""

    def open_image(self, picture: Any, prompt: str = CHAT) -> EncodedImage:
        """Encodes a picture (path, PIL image or (H, W, 3) uint8 array), or finds it among the latest ones.

        prompt: the one it will be asked with. Any other can be asked for, too; it may cost encoding the picture again.
        Raises ImageError when it cannot be read, QuestionError for a prompt this model does not have.
        """
        upright = read_picture(picture)
        return encoded(self, upright, fingerprint(upright), prompt)

    def forget(self, content: str) -> None:
        """Gives up what is kept for pictures of this content (the first part of `EncodedImage.key`)."""
        self.cache.leave(content)
