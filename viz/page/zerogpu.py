"""The border between page and model: on ZeroGPU the model answers in another process, which has a GPU for a while.

The package `spaces` forks that process and pickles what goes in and what comes out. An error that crosses would leave
the visitor no more than the name of its class; so errors cross as values. Anywhere else the same functions are called
in this process.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import math
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.methods.base import NoisedPicture

try:
    from spaces import GPU
    from spaces.config import Config

    ZERO_GPU: bool = Config.zero_gpu
except ImportError:
    ZERO_GPU = False

    def GPU(task: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
        """Where the package is not installed there is no ZeroGPU."""
        return task


log = logging.getLogger(__name__)

FAILED = "Something went wrong on the server; try again, or choose another picture or question."
_END = object()
Values = Generator[Any, None, None]
LINK = re.compile(r"\[(.+?)\]\((.+?)\)")  # as Gradio's messages write one

# Seconds of GPU that a call asks for, about twice what it should take: ZeroGPU ends a call that takes longer, and
# refuses a visitor who has less left of a daily quota (2 minutes for who is not logged in). Nothing survives a call:
# each one starts CUDA, moves all weights to the GPU and reads the picture.
START = 5.0  # a process, CUDA, the first kernels
MOVED = 2e9  # bytes of weights moved in a second
READ = 0.15  # for each billion weights: a picture, and as long again for one with noise
STEP = 0.03, 0.02  # a token, and for each billion weights: all branches share one pass
BRANCH = 0.25  # of a step, for each branch after the first; a contrasting method has two
LONGEST = 120  # what is allowed to a visitor who is not logged in


def seconds(moved: float, billions: float, methods: Sequence[Any], tokens: int) -> int:
    """Seconds of GPU to ask for. moved: bytes of all models' weights; billions: weights of the one that answers."""
    contrasts = [contrast for method in methods if (contrast := method.contrasted()) is not None]
    pictures = 1 + len({contrast for contrast in contrasts if isinstance(contrast, NoisedPicture)})
    step = (STEP[0] + STEP[1] * billions) * (1 + BRANCH * (len(methods) + len(contrasts) - 1))
    return min(LONGEST, math.ceil(START + moved / MOVED + READ * billions * pictures + step * tokens))


def across(function: Callable[..., Values], duration: Callable[..., int]) -> Callable[..., Values]:
    """The generator function, run where the GPU is. duration: of the same arguments, seconds of GPU.

    Arguments and values are pickled on ZeroGPU. Errors are raised on this side as ClvsError, whose message is what the
    visitor is told; closing the iterator ends the work on the other side at its next value.
    """

    @functools.wraps(function)
    def there(*args: Any, **named: Any) -> Values:
        with contextlib.closing(function(*args, **named)) as values:
            while True:
                try:
                    value = next(values, _END)
                except BaseException as error:
                    value = _caught(error)
                if value is _END:
                    return
                yield value

    far = GPU(there, duration=duration)

    @functools.wraps(function)
    def here(*args: Any, **named: Any) -> Values:
        with contextlib.closing(far(*args, **named)) as values:
            for value in values:
                if isinstance(value, ClvsError):
                    raise value
                yield value

    return here


def contained(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of an event, whose errors are errors: what would end a program does not end the server.

    A method of one's own may raise anything, and `SystemExit` in a request would end the loop that answers all of them.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def values(*args: Any, **named: Any) -> Iterator[Any]:
            with contextlib.closing(function(*args, **named)) as each:
                while True:
                    with _as_error():
                        value = next(each, _END)
                    if value is _END:
                        return
                    yield value

        return values

    @functools.wraps(function)
    def value(*args: Any, **named: Any) -> Any:
        with _as_error():
            return function(*args, **named)

    return value


@contextlib.contextmanager
def _as_error() -> Iterator[None]:
    try:
        yield
    except (Exception, GeneratorExit) as error:
        if isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):  # no future can hold these
            raise gr.Error(str(_caught(error)), print_exception=False) from None
        raise
    except BaseException as error:
        raise gr.Error(str(_caught(error)), print_exception=False) from None


def _caught(error: BaseException) -> ClvsError:
    """As `for_visitors`, of anything that somebody's code may raise; but Ctrl+C, in the main thread, is Ctrl+C."""
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise error
    return for_visitors(error)


def for_visitors(error: BaseException) -> ClvsError:
    """What a visitor is told: our own sentences and ZeroGPU's as they are, anything else stays in the log."""
    if isinstance(error, ClvsError):
        return error
    if isinstance(error, gr.Error):  # the quota is used up, no GPU is free, the call took too long
        message = LINK.sub(r"\1 (\2)", str(error.message)).strip()
        return ClvsError(message if error.title == "Error" else f"{error.title}: {message}")
    log.error("A request failed", exc_info=error)
    return ClvsError(FAILED)
