"""The system's Chromium, driven by Playwright: pages that fail their test on a script error or a request to elsewhere.

`CLVS_REQUIRE_BROWSER=1` (set in CI) turns a missing browser from a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
import time
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_SSR_MODE", "False")

ROOT = "document.querySelector('.cv')"
APP = f"{ROOT}.__clvs"
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = f"no {' or '.join(NAMES)} on this machine: install Debian's chromium to run the browser tests"
        if os.environ.get("CLVS_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """open_page(url, width=1440, height=900, theme="light", motion=True, **context): a page in a context of its own.

    After the test, no script may have failed and nothing may have been requested from another machine.
    """
    contexts, errors, foreign = [], [], []

    def open_(url, width=1440, height=900, theme="light", motion=True, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="no-preference" if motion else "reduce",
            **options,
        )
        context.set_default_timeout(60_000)  # milliseconds; a machine may be busy with other tests
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: _local(request.url) or foreign.append(request.url))
        # requests without an answer yet, but for the one that says the tab is open; and the addresses that have one
        page.under_way, page.answered = set(), []
        page.on("request", lambda request: "/heartbeat/" in request.url or page.under_way.add(request))
        page.on("requestfinished", lambda request: page.answered.append(request.url))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: page.under_way.discard(request))
        page.goto(f"{url}?__theme={theme}" if url.startswith("http") and "?" not in url else url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not errors, f"scripts failed: {errors}"
    assert not foreign, f"requests to other machines: {foreign}"


def _local(url):
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "file", "about") or parts.hostname in ("127.0.0.1", "localhost")


@pytest.fixture
def show(open_page, tmp_path):
    """show(payload, **page options): the exported page of a viewer payload, drawn."""
    from tests import viewer_fakes
    from viz.viewer.standalone import page as export_page

    def show_(payload=None, **options):
        path = tmp_path / "viewer.html"
        path.write_text(export_page(payload or viewer_fakes.payload()), encoding="utf-8")
        # waiting for a condition needs eval, which the page's own policy forbids
        page = drawn(open_page(path.as_uri(), bypass_csp=True, **options))
        page.wait_for_function(f"{APP}.picture")
        page.evaluate(SETTLED)
        return page

    return show_


@pytest.fixture(scope="module")
def serve():
    """serve(blocks, **launch options): starts a Gradio app on a free port until the module ends; gives its address."""
    running = []

    def start(blocks, **options):
        where = {"server_name": "127.0.0.1", "server_port": free_port()}
        _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, show_error=True, **where, **options)
        running.append(blocks)
        return address

    yield start
    for blocks in running:
        blocks.close()


def drawn(page):
    """Waits until the viewer has drawn its payload."""
    page.wait_for_function("document.querySelector('.cv')?.__clvs?.drawn?.count > 0")
    return page


def until(page, condition, seconds=60):
    """Waits until something is so, while the page's own events go on."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(20)
