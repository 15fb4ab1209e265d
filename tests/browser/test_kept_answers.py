"""An open page whose answer the server no longer has: others took its room, or the server was started anew."""

from __future__ import annotations

import json
import re

import pytest

from tests.browser.conftest import drawn, quiet
from tests.browser.test_app import RESULT, ask, chip, done, menu, result, slide, when
from tests.page import fake as fakes
from tests.page import pictures
from tests.ports import free_port
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

QUESTION = "What is on the table?"
GONE = "This answer is no longer kept here; press Run to ask again."


class Server:
    """A page over the fake model, always at the same address."""

    def __init__(self, folder):
        self.library = Library(pictures.write(folder))
        self.port = free_port()
        self.blocks = None

    def start(self):
        models = Models(load=lambda name, **settings: fakes.FakeModel())
        self.blocks = build.build(models, self.library, record.make(models, self.library))
        settings = {"server_name": "127.0.0.1", "server_port": self.port, **build.launch_settings()}
        _, url, _ = self.blocks.launch(prevent_thread_lock=True, quiet=True, **settings)
        return url

    def stop(self):
        self.blocks.close()

    def forget(self):
        """As if more newer visitors had come than are kept."""
        self.blocks.app.state_holder.session_data.clear()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return Server(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(params=["evicted", "restarted"])
def lost(request, server, open_page):
    """A page with an answer of the visitor's own, which the server then loses, and what it showed."""
    try:
        page = drawn(open_page(server.start()))
        page.locator("#examples button[data-name=table]").click()
        done(page, pictures.QUESTIONS["table"][0])
        ask(page, QUESTION)
        before = done(page, QUESTION)
        lose(page, server, request.param)
        yield page, before
    finally:  # the next test starts at the same address
        server.stop()


def lose(page, server, how):
    if how == "evicted":
        return server.forget()
    quiet(page)  # a page that asks while nobody answers is loaded anew: see the last test
    server.stop()
    return server.start()


def stays(page, before):
    """The answer on the page is the one before, whatever is said beside it."""
    changing = {"status", "progress", "error", "halts"}
    now = {name: part for name, part in result(page).items() if name not in changing}
    assert now == {name: part for name, part in before.items() if name not in changing}


def error_of(page):
    page.locator("#viewer .cv-error").wait_for(state="visible")
    return page.locator("#viewer .cv-error").inner_text()


def test_a_moved_setting_asks_again_by_itself(lost):
    page, before = lost
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    after = result(page)
    assert after["question"] == QUESTION
    assert after["image"]["url"] == before["image"]["url"]
    assert after["run"] not in ("", before["run"])
    assert after["error"] == ""
    slide(page, "α", "0.6")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.6')")
    assert result(page)["run"] == after["run"], "from then on it is kept as ever"


def test_a_method_that_comes_asks_again_by_itself(lost):
    page, _ = lost
    chip(page, "PAI").click()
    when(page, "m.status === 'done' && m.methods.length === 3")
    assert result(page)["question"] == QUESTION


def test_an_edited_question_is_not_asked_by_a_moved_setting(lost):
    page, _ = lost
    page.locator("#question textarea").fill("Something else?")
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    assert result(page)["question"] == QUESTION, "asked again is what had been answered"
    assert page.locator("#question textarea").input_value() == "Something else?"


@pytest.mark.parametrize("item", ["Heatmaps, PNG", "Full traces, .npz, CLVS"])
def test_a_download_says_that_the_answer_is_gone(lost, item):
    page, before = lost
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    menu(page, item)
    page.locator(".page-said", has_text=GONE).wait_for()
    assert downloads == []
    stays(page, before)
    ask(page, QUESTION)
    when(page, f"m.status === 'done' && m.run && m.run !== {json.dumps(before['run'])}")
    with page.expect_download():
        menu(page, item)


def test_run_stop_and_errors_leave_the_answer_where_it_is(lost):
    page, before = lost
    assert page.get_by_role("button", name="Stop", exact=True).get_attribute("aria-disabled") == "true"
    ask(page, " ")
    assert "no question" in error_of(page)
    stays(page, before)
    ask(page, "Count slowly.")
    when(page, "m.status === 'running'")
    assert page.evaluate(f"{RESULT}.question") in (QUESTION, "Count slowly."), "never the example"
    done(page, "Count slowly.")


def test_a_region_and_chips_of_a_lost_page_are_followed_by_the_next_answer(lost):
    page, _ = lost
    page.get_by_role("button", name=re.compile("box")).click()
    first = page.locator("#viewer .cv-maps canvas").first.bounding_box()
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(first["x"] + first["width"] / 2, first["y"] + first["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.state.region?.box")
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.state.region?.box")
    with page.expect_download() as got:
        menu(page, "All numbers, CSV")
    header, *lines = got.value.path().read_text().splitlines()
    assert header.split(",")[6:9] == ["picture", "apple", "region"]
    assert len(lines) == 2 * 2 * 8


@pytest.mark.parametrize("how", ["evicted", "restarted"])
def test_the_example_goes_on_as_if_nothing_had_happened(open_page, server, how):
    page = drawn(open_page(server.start()))
    lose(page, server, how)
    with page.expect_download() as got:
        menu(page, "This view, offline, HTML")
    assert pictures.QUESTIONS["street"][0] in got.value.path().read_text()
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    moved = result(page)
    assert (moved["question"], moved["error"]) == (pictures.QUESTIONS["street"][0], "")
    lose(page, server, how)
    menu(page, "All numbers, CSV")
    page.locator(".page-said", has_text=GONE).wait_for()
    stays(page, moved)
    server.stop()


def test_a_page_that_asked_while_nobody_answered_comes_back_with_its_question(open_page, server):
    page = drawn(open_page(server.start()))
    ask(page, QUESTION)
    done(page, QUESTION)
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    quiet(page)
    server.stop()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Connection to the server was lost").wait_for()
    with page.expect_navigation():
        server.start()
    when(drawn(page), "m.status === 'done' && m.methods[1]?.spec.includes('alpha=0.5')")
    assert result(page)["question"] == QUESTION
    page.get_by_text("Connection to the server was lost").wait_for(state="hidden")
    server.stop()
