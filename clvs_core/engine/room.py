"""What memory allows: how much the kept pictures may take, and a second try where it ran out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ..errors import OutOfMemory
from ..models import memory

Result = TypeVar("Result")


def ran_out(error: BaseException) -> bool:
    """Whether memory was short; PyTorch has a kind of error for CUDA alone, and says it in words for the rest."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "out of memory")
    )


class Room:
    """The memory beside a model's weights.

    hf: the model, on its devices. tokens: of one usual picture. forget: gives up everything that is kept for later.
    """

    def __init__(self, hf: Any, tokens: int, forget: Callable[[], None]):
        self.hf, self.forget = hf, forget
        precision, size = str(hf.dtype).removeprefix("torch."), memory.size_of(hf, tokens)
        self.reserve = size.needed(precision) - size.weights(precision)

    def places(self) -> list[memory.Place]:
        """Where the model computes, each with what is free there now."""
        devices = {str(parameter.device) for parameter in self.hf.parameters() if parameter.device.type != "meta"}
        return [memory.places(device)[0] for device in sorted(devices)]

    def spare(self) -> int:
        """Bytes that are free now beyond what one more picture with its questions takes; negative where those lack.

        Of several devices the fullest decides, since every one of them has its layers' share of a picture.
        """
        places = self.places()
        return min(place.free for place in places) * len(places) - self.reserve

    def within(self, work: Callable[[], Result]) -> Result:
        """What `work` returns; where memory runs out, what is kept is forgotten and `work` is done once more.

        Raises OutOfMemory, one sentence, where that does not help.
        """
        try:
            return work()
        except Exception as error:
            if not ran_out(error):
                raise
        # out of the handler: the error holds what was computed so far
        self.forget()
        memory.release()
        try:
            return work()
        except Exception as error:
            if not ran_out(error):
                raise
            short = self._short()
        memory.release()
        raise OutOfMemory(short)

    def _short(self) -> str:
        have = " and ".join(f"{place.label} has {memory.gigabytes(place.total)}" for place in self.places())
        return (
            f"Memory ran out while this was computed, though all other pictures were forgotten ({have} in all); ask "
            "with fewer methods or for fewer tokens at once, or load a smaller model or one with quantization='4bit'."
        )
