"""CLVS Explorer's command line: reads the options, makes the page and serves it; `app.py` and `clvs-explorer` call it.

What is imported first matters here, and nowhere else: see the comments.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

with contextlib.suppress(ImportError):
    from spaces.config import Config  # ZeroGPU must see itself imported before PyTorch

    if Config.zero_gpu:  # it emulates CUDA in this thread alone: transformers must not load weights in others
        os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"

from viz.page.proxy import without_proxy

with without_proxy():
    import gradio as gr
    from gradio.utils import get_upload_folder

from clvs_core.bundled import ASSETS
from clvs_core.cli.options import add_loading
from clvs_core.errors import ClvsError, ModelError
from clvs_core.loading import check_interpreter
from clvs_core.methods import load_method
from clvs_core.methods.settings import schema
from clvs_core.terminal import write_any_letter
from clvs_core.version import version
from viz.page import limits
from viz.page import zerogpu as border
from viz.page.build import build, launch_settings
from viz.page.library import Library
from viz.page.models import Models
from viz.page.recorded.recordings import Recordings, usual_recordings
from viz.page.results.runs import Runs

EXIT_INPUT, EXIT_MODEL = 2, 3
RUNS = ASSETS / "runs"  # those that come with the page


def main(arguments: Sequence[str] | None = None, prog: str = "clvs-explorer") -> int:
    """Serves until interrupted; 2 for wrong paths or options, 3 for a model that cannot be loaded."""
    write_any_letter()
    options = parse(arguments, prog)
    try:
        check_interpreter()
        _check_uploads()
        page, models = make(options)
    except ModelError as error:
        print(error, file=sys.stderr)
        return EXIT_MODEL
    except ClvsError as error:
        print(error, file=sys.stderr)
        return EXIT_INPUT
    models.preload()
    return _serve(page, options)


def make(options: argparse.Namespace) -> tuple[gr.Blocks, Models]:
    """The page for these options. ClvsError for files that cannot be used, ModelError for a model."""
    for path in options.method:
        offer_method(path)
    library = Library(coco_annotations=options.coco_annotations, coco_images=options.coco_images)
    runs, recordings = Runs(options.runs, options.images), Recordings(options.recordings)
    models = Models(
        options.model,
        dtype=options.dtype,
        device=options.device,
        quantization=options.quantization,
        own=not border.ZERO_GPU and limits.is_own(options.host, share=options.share, public=options.public),
        image_mode=options.image_mode,
    )
    if border.ZERO_GPU:  # a call gets only what the main thread has loaded before
        models.load(*models.cards)
    elif models.default != "scenes":  # the page needs to know the depth of any other model
        models.load(models.default)
    return build(models, library, runs=runs, recordings=recordings), models


def offer_method(path: str) -> None:
    """Makes the method in a file known, here and on the page. ClvsError, one sentence, when that cannot be."""
    try:
        method = load_method(path)
        schema(method, None, None)  # what the page will ask of it
    except (Exception, SystemExit, GeneratorExit) as error:  # it is somebody's own code
        own = isinstance(error, ValueError)
        raise ClvsError(str(error) if own else f"{path} has no usable method ({error}); correct it.") from None


def _check_uploads() -> None:
    """ClvsError where the folder that Gradio keeps uploads in cannot be written."""
    try:
        folder = get_upload_folder()
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ClvsError(
            f"Uploaded pictures cannot be kept in {error.filename or 'a temporary folder'} ({error.strerror}); let the "
            "variable GRADIO_TEMP_DIR name a folder that can be written."
        ) from None


def _serve(page: gr.Blocks, options: argparse.Namespace) -> int:
    host, port = options.host, options.port
    address = f"[{host}]" if ":" in host else host  # Gradio makes an address of it
    try:
        # sharing needs a proxy that there is, and nothing else does
        with without_proxy(["127.0.0.1", "localhost", "::1", host] if options.share else ["*"]):
            place = {"server_name": address, "server_port": port, "share": options.share}
            page.launch(prevent_thread_lock=True, **place, **launch_settings())
    except Exception as error:  # of Gradio's own look at the page, by whatever its network library raises
        taken = f"Port {port} of {host} is taken; choose another with --port."
        other = f"The page cannot be served at {host}:{port} ({error}); check --host and --port."
        print(taken if "empty port" in str(error) else other, file=sys.stderr)
        return EXIT_INPUT
    page.block_thread()
    return 0


# --- options ------------------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None = None, prog: str = "clvs-explorer") -> argparse.Namespace:
    """The command line; a Space gives none and sets environment variables instead."""
    options = parser(prog).parse_args(arguments)
    options.host = options.host.strip("[]")  # as addresses write one of IPv6
    options.model = options.model or _listed("CLVS_MODELS") or ["scenes"]
    options.recordings = options.recordings or _listed("CLVS_RECORDINGS") or usual_recordings()
    options.runs = options.runs or [folder for folder in (Path("runs"), RUNS) if folder.is_dir()]
    return options


def parser(prog: str) -> argparse.ArgumentParser:
    """Every option."""
    options = argparse.ArgumentParser(prog=prog, description="CLVS Explorer in the browser.")
    options.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    _add_address(options)
    _add_models(options)
    _add_folders(options)
    _add_access(options)
    return options


def _listed(variable: str) -> list[str]:
    """The names, with commas between, in an environment variable."""
    return [name for name in os.environ.get(variable, "").split(",") if name]


def _add_address(parser: argparse.ArgumentParser) -> None:
    everywhere = "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1"
    host = os.environ.get("GRADIO_SERVER_NAME", everywhere)
    parser.add_argument("--host", default=host, help="address to listen on (default %(default)s)")
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (default %(default)s)")


def _add_models(parser: argparse.ArgumentParser) -> None:
    _add_several(
        parser,
        "--model",
        "model to offer: scenes (default), llava-1.5-7b, a hub id or a folder; may be given several times",
        metavar="MODEL",
    )
    add_loading(parser)
    _add_several(
        parser,
        "--method",
        "a Python file with a method of your own, which is run, to offer beside the others; may be given several times",
        metavar="FILE",
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--coco-annotations", help="a file like instances_val2014.json: masks by file name")
    parser.add_argument("--coco-images", help="folder of COCO pictures to offer as examples")
    _add_several(
        parser,
        "--runs",
        "folder with runs of the command bench, or one run, for the Results tab; may be given several times (default: "
        "the folder runs, where there is one, and the examples that come with the page)",
    )
    _add_several(
        parser,
        "--recordings",
        "folder with recordings of the command record, or one recording, to show beside the models; may be given "
        "several times (default: the folder recordings, where there is one)",
    )
    _add_several(parser, "--images", "folder where pictures of runs are looked for by name; may be given several times")


def _add_several(parser: argparse.ArgumentParser, option: str, words: str, metavar: str = "DIR") -> None:
    parser.add_argument(option, action="append", default=[], metavar=metavar, help=words)


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--public",
        action="store_true",
        default=os.environ.get("CLVS_PUBLIC", "").lower() in ("1", "true", "yes"),
        help="the page is for others, as behind a proxy at this machine: nobody may load a model that --model does not "
        "name, or open a folder by its path (default on a Space, and where CLVS_PUBLIC=1)",
    )
    parser.add_argument("--share", action="store_true", help="also open a public gradio.live address")
