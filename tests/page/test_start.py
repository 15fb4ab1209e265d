"""What the page needs from its surroundings: a folder for uploads, and no proxy on the way to itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from viz.page import main
from viz.page.proxy import without_proxy

ROOT = Path(__file__).resolve().parents[2]
SERVES = """
import runpy
from viz.page import main
seen = []
class Page:
    def launch(self, **settings):
        with main.gr.Blocks() as page:
            main.gr.Markdown("here")
        where = {name: settings[name] for name in ("server_name", "prevent_thread_lock", "share")}
        page.launch(quiet=True, **where)
        seen.append(page)
    def block_thread(self):
        seen[0].close(verbose=False)
main.make = lambda options: (Page(), type("Models", (), {"preload": lambda self: None})())
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    "proxies",
    [
        {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"},
        {"HTTP_PROXY": "no such thing", "NO_PROXY": "example.org"},
    ],
    ids=["http and socks", "nonsense"],
)
def test_the_page_starts_behind_a_proxy(proxies, tmp_path):
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"GRADIO_TEMP_DIR": str(tmp_path), "OMP_NUM_THREADS": "1", **proxies}
    line = [sys.executable, "-c", SERVES]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_proxies_are_as_before_afterwards(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "example.org")
    with without_proxy():
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "example.org,*"
    with without_proxy(["127.0.0.1", "::1"]):
        assert os.environ["no_proxy"] == "example.org,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == "example.org"
    assert "no_proxy" not in os.environ


@pytest.mark.parametrize("place", ["/dev/null/uploads", "{}/file"])
def test_a_folder_for_uploads_that_cannot_be_made_is_one_sentence(monkeypatch, capsys, tmp_path, place):
    (tmp_path / "file").write_text("")
    place = place.replace("{}", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", place)
    assert main.main([]) == main.EXIT_INPUT
    said = capsys.readouterr().err
    assert said.startswith(f"Uploaded pictures cannot be kept in {place} (")
    assert said.endswith("let the variable GRADIO_TEMP_DIR name a folder that can be written.\n")


def test_network_troubles_at_the_start_are_one_sentence(monkeypatch, capsys):
    class Page:
        def launch(self, **settings):
            raise RuntimeError("no such network")

    models = type("Models", (), {"preload": lambda self: None})()
    monkeypatch.setattr(main, "make", lambda options: (Page(), models))
    assert main.main([]) == main.EXIT_INPUT
    said = "The page cannot be served at 127.0.0.1:7860 (no such network); check --host and --port.\n"
    assert capsys.readouterr().err == said
