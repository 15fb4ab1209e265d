"""The files of a checkpoint: a folder as it is, or a repository of the Hugging Face hub, downloaded with progress.

Small files come first, so that a model this program cannot run costs no gigabytes. Weights are safetensors only: a
pickled file could run code. Everything comes from one revision. Failures are one sentence (ModelError).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import ModelError
from . import download, foreign
from .memory import GB
from .registry import ModelCard

Progress = Callable[[str], None]
_SMALL = ("*.json", "*.jinja", "*.txt", "*.model")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"


def small_files(card: ModelCard) -> Path:
    """The folder with a checkpoint's configuration, tokenizer and processor, downloaded now if need be."""
    folder = Path(card.source)
    if os.path.isdir(folder):  # False, too, for what cannot be a path
        return folder
    if os.path.isfile(folder) or folder.suffix.casefold() in foreign.WEIGHTS:
        raise ModelError(foreign.told_of_file(folder))
    if card.source.count("/") > 1 or card.source.startswith((".", "/", "~")):
        raise ModelError(f"There is no model folder {card.source!r:.200}; give {known()}.")
    return _download(card, _SMALL)


def weights(card: ModelCard, folder: Path, progress: Progress | None = None) -> None:
    """Sees that the weights are in the folder of the small files, downloading them if it is one of the hub's.

    progress: told a few times a second how far the download is, which ends at once when it raises `Stopped`; without it
    huggingface_hub downloads as it is set up, and draws its own bars.
    """
    names = _weight_files(folder)
    if _complete(folder, names):
        return
    if not os.path.isdir(card.source):
        if progress:
            _fetch(card, folder.name, names, progress)
        else:
            _download(card, names)
    if not _complete(folder, names):
        raise ModelError(
            f"{card.label} has no complete weights in the safetensors format ({_missing(folder, names)} is not there), "
            "and pickled ones are not opened, since they can run code; choose a checkpoint that has them."
        )


def downloaded(card: ModelCard) -> bool:
    """Whether all of a checkpoint is on this machine, as far as that can be told without the hub."""
    from huggingface_hub import try_to_load_from_cache

    folder: Path | None = Path(card.source)
    if not os.path.isdir(card.source):
        found = try_to_load_from_cache(card.source, "config.json", revision=card.revision)
        folder = Path(found).parent if isinstance(found, str) else None
    return folder is not None and _complete(folder, _weight_files(folder))


def known() -> str:
    """What may be given as a model's name, for the end of a sentence."""
    return "a short name (python -m clvs_core models lists them), a hub id or a folder"


def _weight_files(folder: Path) -> Sequence[str]:
    """Names of the weight files: those of the index, else the one file of an unsharded checkpoint."""
    try:
        table = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"]
        names = sorted({Path(name).name for name in table.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [_WEIGHTS]
    return [name for name in names if name.endswith(".safetensors")] or [_WEIGHTS]


def _missing(folder: Path, names: Sequence[str]) -> str:
    return next((name for name in names if not (folder / name).is_file()), "")


def _complete(folder: Path, names: Sequence[str]) -> bool:
    return not _missing(folder, names)


def _download(card: ModelCard, patterns: Sequence[str], revision: str = "") -> Path:
    """The folder of the card's revision, or of another one, with these files of its top level."""
    from huggingface_hub import snapshot_download

    with _told(card):
        return Path(
            snapshot_download(
                card.source,
                revision=revision or card.revision,
                allow_patterns=list(patterns),
                ignore_patterns=["*/*"],
            )
        )


def _fetch(card: ModelCard, commit: str, names: Sequence[str], progress: Progress) -> None:
    """Downloads weights so that `progress` can stop it, and has huggingface_hub put them into the commit's folder."""

    def told(come: int, total: int) -> None:
        share = 100 * come // max(1, total)
        progress(f"Downloading {card.label}: {come / GB:.2f} of {total / GB:.2f} GB ({share} %)")

    with _told(card):
        download.fetch(card.source, commit, names, told)
    _download(card, names, commit)


@contextlib.contextmanager
def _told(card: ModelCard) -> Iterator[None]:
    """Makes one sentence (ModelError) of what a download fails with."""
    from huggingface_hub import errors

    source, label = card.source, card.label
    page = f"https://huggingface.co/{source}"
    try:
        yield
    except ModelError:
        raise
    except errors.GatedRepoError:
        raise ModelError(f"{label} is gated: accept its licence at {page}, then {_identify()}.") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"The hub has no model {source!r} that is public; check the name, {_identify()} if it is private, or give "
            f"{known()}."
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{label} has no revision {card.revision!r} on the hub; see {page}.") from None
    except errors.HFValidationError:
        raise ModelError(f"{source!r:.200} cannot be a model's name; give {known()}.") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise ModelError(
            f"{label} is not on this machine, or not all of it, and the hub cannot be reached; connect to the network "
            "and try again, or give a folder."
        ) from None
    except Exception as error:  # of the network library, which differs between versions of huggingface_hub
        raise ModelError(_stopped(label, error)) from error


def _identify() -> str:
    """How to show the hub who one is, for the middle of a sentence; in a Space there is no terminal to log in at."""
    if os.environ.get("SPACE_ID"):
        return "add a token that may read it to this Space's secrets as HF_TOKEN"
    return "log in with `hf auth login`"


def _stopped(label: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full: {label} could not be stored; make room, or let HF_HOME name a folder elsewhere."
    why = first_line(error)
    return f"The download of {label} stopped ({why}); check the network and try again: what has come is kept."


def first_line(error: BaseException) -> str:
    """The first line of an error that says something, without its full stop, to stand in brackets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # huggingface_hub begins with the name of its check: "Validation error for field 'x':", then "TypeError: ..."
    line = (
        lines[1].partition("Error: ")[2] or lines[1]
        if len(lines) > 1 and lines[0].endswith(":")
        else "".join(lines[:1])
    )
    return f"{line:.300}".rstrip(".") or type(error).__name__
