"""The viewer inside Gradio: partial results arrive, the page's nodes survive them, events reach Python."""

import gzip
import json
import threading

import gradio as gr
import pytest

import clvs_core as clvs
from tests import viewer_fakes as fakes
from tests.browser.conftest import drawn
from viz.viewer import Viewer, script
from viz.viewer.payload import Comparison, build, empty

proceed = threading.Semaphore(0)  # lets a streamed answer take its next step
EVENTS = ("region", "objects", "layer", "step")
EVIL = "${window.hit=1}{{constructor}}<img src=x onerror='window.hit=1'>`"


def answer():
    """A run as the page streams it: the picture, the first token, everything."""
    whole = fakes.payload(question=EVIL)
    views = fakes.pair()[0].trace.views
    start = {"image_url": whole["image"]["url"], "id": "fake", "status": "running"}
    yield build(Comparison([], views=views, methods=[clvs.Vanilla(), clvs.CLVS()], progress="reading", **start))
    proceed.acquire(timeout=20)
    yield {**fakes.payload(list(map(first_token, fakes.pair()))), "status": "running", "progress": "token 1"}
    proceed.acquire(timeout=20)
    yield whole


def fewer_and_fewer():
    """Another picture's answer, each partial result with fewer objects than the one before."""
    views = fakes.pair()[0].trace.views
    for count in (5, 3, 1):
        objects = [fakes.box_object(f"{i} of {count}", views, 10 * i, 0, 10 * i + 9, 50) for i in range(count)]
        for item in objects:
            item.mask[60 : 60 + count * 4 : 4, :20] = True  # stripes: fewer and fewer outlines, too
        payload = fakes.payload(objects=objects, id=f"fake-{count}")
        yield {**payload, "status": "running"}
        proceed.acquire(timeout=20)
    yield payload


def first_token(run):
    run.tokens, run.finished = run.tokens[:1], False
    for name in ("attention", "original", "memory", "uncertainty", "stop_layer"):
        value = getattr(run.trace, name)
        setattr(run.trace, name, None if value is None else value[:1])
    return run


@pytest.fixture(scope="module")
def url(serve):
    with gr.Blocks() as demo:
        viewer = Viewer(empty())
        go, fail, fewer = gr.Button("Ask"), gr.Button("Fail"), gr.Button("Fewer")
        fewer.click(fewer_and_fewer, None, viewer, show_progress="hidden")
        go.click(answer, None, viewer, show_progress="hidden")
        fail.click(lambda: fakes.payload(error=EVIL), None, viewer, show_progress="hidden")
        for name in EVENTS:

            def tell(event: gr.EventData):
                return json.dumps(event._data)

            box = gr.Textbox(elem_id=f"told-{name}")
            getattr(viewer, name)(tell, None, box, show_progress="hidden")
    return serve(demo)


@pytest.fixture
def page(open_page, url):
    page = open_page(url)
    page.locator(".cv-empty").wait_for()
    return page


def finished(page):
    proceed.release(2)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".cv[data-state=done]").wait_for()
    return drawn(page)


def told(page, name, part):
    """What Python heard of an event, once it holds `part`."""
    box = f"document.querySelector('#told-{name} textarea').value"
    page.wait_for_function(f"{box}.includes({json.dumps(part)})")
    return json.loads(page.evaluate(box))


def test_partial_results_arrive_and_the_canvases_survive_them(page):
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".cv[data-state=running]").wait_for()
    page.locator(".cv-map canvas").first.evaluate("node => { node.mine = true; }")
    proceed.release()
    page.locator(".cv-token").first.wait_for()
    proceed.release()
    page.locator(".cv[data-state=done]").wait_for()
    assert page.locator(".cv-map canvas").first.evaluate("node => node.mine") is True
    assert page.locator(".cv-answer").first.locator(".cv-token").count() == 2
    assert page.locator(".cv-summary").inner_text().startswith("Vanilla gives 40\u00a0% of its attention to the dog")


def test_partial_results_with_fewer_objects_arrive_whole(page):
    """Gradio streams differences; of lists that shrink it once delivered the wrong entries."""
    names = "document.querySelector('.cv').__clvs.model.objects.map((o) => o.name).join()"
    page.get_by_role("button", name="Fewer").click()
    for expected in ("0 of 5,1 of 5,2 of 5,3 of 5,4 of 5", "0 of 3,1 of 3,2 of 3", "0 of 1"):
        page.wait_for_function(f"document.querySelector('.cv').__clvs.model && {names} === {json.dumps(expected)}")
        proceed.release()


def test_template_code_in_texts_is_not_run(page):
    finished(page)
    page.get_by_role("button", name="Fail").click()
    page.locator(".cv-error", has_text="${window.hit=1}").wait_for()
    assert page.evaluate("window.hit") is None
    assert page.locator(".cv img").count() == 0


def test_chips_tokens_and_layers_reach_python(page):
    finished(page)
    page.get_by_role("button", name="cat", exact=True).click()
    assert told(page, "objects", "cat") == {"on": ["dog", "cat"]}
    page.locator(".cv-token").nth(1).click()
    assert told(page, "step", "step") == {"step": 1}
    page.get_by_role("slider", name="Layer", exact=True).press("End")
    assert told(page, "layer", "layer") == {"layer": 7}


def test_a_drawn_region_reaches_python_in_picture_pixels_and_its_clearing_too(page):
    finished(page)
    page.get_by_role("button", name="+ box").click()
    box = page.locator(".cv-map canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75, steps=5)
    page.mouse.up()
    assert told(page, "region", "box")["box"] == pytest.approx([24, 48, 72, 72], abs=0.6)
    assert told(page, "objects", "[]") == {"on": []}  # a region is followed alone
    page.get_by_role("button", name="Clear your region").click()
    assert told(page, "region", "{}") == {}
    assert told(page, "objects", "dog") == {"on": ["dog"]}


def test_without_an_address_to_fetch_them_from_the_panels_are_there(page):
    finished(page)
    page.get_by_role("tab", name="Heads").click()
    page.locator(".cv-cells").first.wait_for()
    assert [url for url in page.answered if "viewer-" in url] == []


def test_it_looks_the_same_in_gradios_dark_theme(open_page, url):
    page = open_page(url, theme="dark")
    page.locator(".cv[data-theme=dark]").wait_for()


def test_the_script_stays_small():
    """No framework: what a visitor downloads for the viewer, tables included, is a few pictures' worth at most."""
    assert len(gzip.compress(script().encode(), 9)) < 45 * 1024
