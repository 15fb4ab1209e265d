"""The system's Chromium, driven by Playwright: pages that fail their test on a script error or a request to elsewhere.

`CLVS_REQUIRE_BROWSER=1` (set in CI) turns a missing browser from a skip into a failure.
"""

from __future__ import annotations

import contextlib
import functools
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
# The viewer draws what has changed with its next frame
DRAWN = f"""() => new Promise((done) => {{
    const look = () => ({ROOT}?.__clvs?.frame ? requestAnimationFrame(look) : done());
    look();
}})"""
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
READS = ("all_inner_texts", "get_attribute", "inner_text", "text_content")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = f"no {' or '.join(NAMES)} here: install Debian's chromium-headless-shell for the browser tests"
        if os.environ.get("CLVS_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session", autouse=True)
def _read_when_drawn():
    """No test reads what the viewer is about to draw anew."""
    api = pytest.importorskip("playwright.sync_api")

    def after_drawing(read):
        @functools.wraps(read)
        def reading(locator, *arguments, **options):
            with contextlib.suppress(api.Error):  # the page is on its way to another address: then there is no viewer
                locator.page.evaluate(DRAWN)
            return read(locator, *arguments, **options)

        return reading

    with pytest.MonkeyPatch.context() as patch:
        for name in READS:
            patch.setattr(api.Locator, name, after_drawing(getattr(api.Locator, name)))
        yield


@pytest.fixture(scope="session")
def contexts(browser):
    """Contexts by theme and motion, for pages that ask for nothing else: what a server has sent stays cached."""
    return {}


@pytest.fixture
def open_page(browser, contexts):
    """open_page(url, width=1440, height=900, theme="light", motion=True, **context): a page, as of a new visitor.

    After the test, no script may have failed and nothing may have been requested from another machine.
    """
    own, pages, errors, foreign = [], [], [], []

    def context(theme, motion, options):
        if not options and (theme, motion) in contexts:
            return contexts[theme, motion]
        reduced = "no-preference" if motion else "reduce"
        made = browser.new_context(color_scheme=theme, reduced_motion=reduced, **options)
        made.set_default_timeout(60_000)  # milliseconds; a machine may be busy with other tests
        if options:
            own.append(made)
        else:
            contexts[theme, motion] = made
        return made

    def open_(url, width=1440, height=900, theme="light", motion=True, **options):
        page = context(theme, motion, options).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: _local(request.url) or foreign.append(request.url))
        _note(page)
        _forget(page, url)
        page.goto(f"{url}?__theme={theme}" if url.startswith("http") and "?" not in url else url)
        return page

    yield open_
    for opened in (*pages, *own):
        opened.close()
    assert not errors, f"scripts failed: {errors}"
    assert not foreign, f"requests to other machines: {foreign}"


def _note(page):
    """under_way: requests without an answer yet, but for the one that says the tab is open; answered: addresses.

    moved: when the last one began or ended, by time.monotonic.
    """
    page.under_way, page.answered, page.moved = set(), [], time.monotonic()

    def begun(request):
        page.moved = time.monotonic()
        if "/heartbeat/" not in request.url:
            page.under_way.add(request)

    def ended(request):
        page.moved = time.monotonic()
        page.under_way.discard(request)

    page.on("request", begun)
    page.on("requestfinished", lambda request: page.answered.append(request.url))
    for end in ("requestfinished", "requestfailed"):
        page.on(end, ended)


def quiet(page, seconds=1.0):
    """Waits until the page has asked its server for nothing for so long: what it looks up after a pause has come."""
    until(page, lambda: not page.under_way and time.monotonic() - page.moved > seconds)


def _forget(page, url):
    """The storage of the page's server, of which others may have had a page in the same context."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        devtools = page.context.new_cdp_session(page)
        origin = f"{parts.scheme}://{parts.netloc}"
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
        devtools.detach()


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
    """Waits until the viewer has drawn its payload, and can be seen."""
    page.wait_for_function("document.querySelector('.cv')?.__clvs?.drawn?.count > 0")
    page.wait_for_function("!document.querySelector('#explore') || document.body.classList.contains('page-ready')")
    page.evaluate(FRAME)  # buttons, whose changes are transitions, are seen one frame later
    return page


def until(page, condition, seconds=60):
    """Waits until something is so, while the page's own events go on."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(20)
