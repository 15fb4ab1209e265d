"""The pictures that a model keeps for the next question, as many as memory allows. Knows nothing of what they hold."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What knows how many bytes it holds."""

    @property
    def nbytes(self) -> int: ...


Picture = TypeVar("Picture", bound=Sized)


class ImageCache(Generic[Picture]):
    """The most recently used pictures of one model, within a budget of bytes; the latest one always stays.

    budget: bytes at most. spare: how many more bytes may be taken now, asked whenever pictures have grown; None for as
    many as the budget allows.
    """

    def __init__(self, budget: int, spare: Callable[[], int] | None = None):
        self.budget, self.spare = budget, spare
        self._images: OrderedDict[tuple[str, str], Picture] = OrderedDict()
        self._left: deque[str] = deque()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Picture | None:
        """The picture of this content (see `fingerprint`) behind this text, if it is kept."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def put(self, key: tuple[str, str], image: Picture) -> None:
        with self._lock:
            self._drop_left()
            self._images[key] = image
            self._images.move_to_end(key)
        self.trim()

    def trim(self) -> None:
        """Forgets the oldest pictures until the rest fit the budget; pictures grow with their questions."""
        with self._lock:
            self._drop_left()
            used = {key: image.nbytes for key, image in self._images.items()}
            held = sum(used.values())
            most = self.budget if self.spare is None else min(self.budget, held + self.spare())
            while sum(used.values()) > most and len(self._images) > 1:
                oldest, _ = self._images.popitem(last=False)
                del used[oldest]

    def leave(self, content: str) -> None:
        """Forgets the pictures of this content, which nobody will ask any more.

        Now, or with the next picture where this interrupts one of the other calls: a finalizer may be who says it.
        """
        self._left.append(content)
        if self._lock.acquire(blocking=False):
            try:
                self._drop_left()
            finally:
                self._lock.release()

    def _drop_left(self) -> None:
        while self._left:
            content = self._left.popleft()
            for key in [key for key in self._images if key[0] == content]:
                del self._images[key]

    def clear(self) -> None:
        with self._lock:
            self._images.clear()

    def __len__(self) -> int:
        return len(self._images)
