"""The documents say what is true: every command, option, variable, link, hook and folder is told, and nothing else."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from clvs_core.methods import Editor, Method
from tests import documents
from viz import scales
from viz.page import links
from viz.viewer.view import View

ROOT = documents.ROOT
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "assets/recipes/README.md"]
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def files(*patterns):
    return [path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)]


def test_every_command_option_and_endpoint_is_told(monkeypatch):
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "SPACE_ID", "CLVS_PUBLIC"):
        monkeypatch.delenv(name, raising=False)
    assert documents.reference() in text("docs/reference.md"), "run python -m tests.documents"


def test_every_variable_that_is_read_is_told():
    found = {
        name
        for path in files("app.py", "clvs_core/**/*.py", "viz/**/*.py")
        for name in re.findall(r"(?:environ(?:\.get\()?\[?|_listed\()\"([A-Z_]+)\"", text(path))
    }
    assert {"CLVS_MODELS", "CLVS_PUBLIC", "HF_HOME"} & found
    ours = {name for name in found if name.startswith(("CLVS_", "GRADIO_"))} - {"GRADIO_ANALYTICS_ENABLED"}
    assert not {name for name in ours if f"`{name}`" not in text("docs/reference.md")}


def test_every_part_of_a_link_is_told():
    view = View(layer=3, step=1, scale=scales.MODES[-1], cmap=scales.MAPS[-1], on=(), region={"box": [0, 0, 1, 1]})
    link = links.Link("kite-weather", "Where?", ("clvs:alpha=0.7",), "scenes", 4, view, "one-word")
    names = {name for name, _ in parse_qsl(links.query(link))}
    assert names >= {"scene", "q", "method", "alone", "cmap", "region"}
    assert not {name for name in names if not re.search(rf"[`?&]{name}[`=]", text("docs/reference.md"))}


@pytest.mark.parametrize("kind", [Method, Editor])
def test_every_hook_of_a_method_of_ones_own_is_told(kind):
    hooks = {name for name in vars(kind) if not name.startswith("_")}
    assert not {name for name in hooks if not re.search(rf"`{name}\b", text("docs/methods.md"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_commands_of_a_page_are_there(page):
    commands = re.findall(r"^## clvs (\S+)", text("docs/reference.md"), re.M)
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.M)
    if page.name != "CHANGELOG.md":
        written = page.read_text(encoding="utf-8")
        assert set(re.findall(r"-m clvs_core ([a-z][a-z-]*)", written)) <= {*commands}
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)(?:`|$| ARGS|  )", written, re.M)) <= {*targets}
        for module in re.findall(r"-m ((?:assets|tests|viz)\.[\w.]+)", written):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module


def test_every_folder_of_the_architecture_is_told_in_a_sentence():
    packages = {str(Path(path).parent) for path in files("clvs_core/*/**/__init__.py", "viz/*/**/__init__.py")}
    told = re.findall(r"^\| `([\w/]+)` \|", text("docs/architecture.md"), re.M)
    assert packages - set(told) == set()


def test_what_the_architecture_names_is_there():
    for name in re.findall(r"`((?:clvs_core|viz)[\w./]*)`", text("docs/architecture.md")):
        if "/" in name:
            stem = Path(name)
            assert stem.stem in "xyzfm" or (ROOT / name).exists(), name
        else:
            pkgutil.resolve_name(name)
