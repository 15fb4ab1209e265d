"""The wheel, installed into an environment of its own outside the checkout: the commands answer, the page serves.

That environment is fresh as far as the project goes; the libraries that it needs are lent to it by the one that runs
the tests, since a second PyTorch takes gigabytes and minutes. What the wheel asks for is held to what the code imports.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from packaging.requirements import Requirement

import clvs_core

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}  # must not lead back into the checkout
OPTIONAL = {"spaces"}  # what only a Space has


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that `python -m build` makes of the source distribution that it makes first."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """run(command, *arguments): a command of the wheel's own environment, started outside of the checkout."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "env", with_pip=False)
    python = home / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    packages = next((home / "env" / "lib").glob("python*/site-packages"))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}

    def start(command, *arguments):
        call = [str(python.with_name(command)), *arguments]
        return subprocess.Popen(
            call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home, env=environment
        )

    return start


def output(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def test_it_has_the_page_the_model_and_the_scenes_and_nothing_of_the_workshop(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("runs/examples-key-objects/run.json", "scenes/kite-weather.jpg", "scenes_model/model.safetensors"):
        assert f"clvs_core/assets/{part}" in names
    parts = [path for room in ("viz", "clvs_core") for path in (ROOT / room).rglob("*.*") if path.is_file()]
    left_behind = {".pyc", ".pyi"}  # by running
    assert {path.relative_to(ROOT).as_posix() for path in parts if path.suffix not in left_behind} <= set(names)
    assert {name.split("/")[0] for name in names} == {
        "clvs_core",
        "viz",
        f"clvs_explorer-{clvs_core.__version__}.dist-info",
    }
    assert not [name for name in names if "recipes" in name or name.endswith(".pyi")]


def test_the_commands_know_their_version(installed):
    for process in [installed(command, "--version") for command in ("clvs", "clvs-explorer")]:
        assert output(process).split() == ["clvs-explorer", clvs_core.__version__]


def test_a_bundled_scene_is_asked_about(installed):
    found = json.loads(
        output(installed("clvs", "ask", "--image", "kite-weather", "--question", "Where is the kite?", "--json"))
    )
    assert found["methods"][0]["text"] == "top right"


def test_the_page_serves(installed):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = installed("clvs-explorer", "--port", str(port))
    try:
        answers = _client(process, port).predict(
            image=handle_file(ROOT / "assets/scenes/kite-weather.jpg"), question="Where is the kite?", api_name="/ask"
        )
        assert answers["answers"][0]["text"] == "top right"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _client(process, port):
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            return Client(f"http://127.0.0.1:{port}/", verbose=False)
        except Exception:  # it does not listen yet, which libraries say in many ways
            time.sleep(0.5)
    process.kill()
    pytest.fail(process.communicate()[1])


def test_what_the_code_imports_is_asked_for_or_comes_with_that(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = HeaderParser().parsestr(archive.read(metadata).decode())
    asked = {_plain(Requirement(line).name) for line in about.get_all("Requires-Dist")}
    brought = {_plain(Requirement(line).name) for name in asked for line in importlib.metadata.requires(name) or ()}
    distributions = importlib.metadata.packages_distributions()
    for path in [*(ROOT / "clvs_core").rglob("*.py"), *(ROOT / "viz").rglob("*.py")]:
        for package in _imported(path) - OPTIONAL - {"clvs_core", "viz"} - sys.stdlib_module_names:
            assert (asked | brought) & set(map(_plain, distributions.get(package, [package]))), f"{path}: {package}"


def _imported(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    absolute = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in (*plain, *absolute)}


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()
