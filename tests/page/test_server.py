"""The served app from outside: typed endpoints through gradio_client, and limits through plain HTTP."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from clvs_core.errors import ModelError
from tests import viewer_fakes
from tests.page import fake as fakes
from tests.page.test_limits import png_header
from viz.page import build, limits, main
from viz.page import first_answer as record
from viz.page.models import Models
from viz.page.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model():
    return fakes.FakeModel()


@pytest.fixture(scope="module")
def page(library, model):
    models = Models(load=lambda name, **settings: model)
    return build.build(models, library, record.make(models, library))


@pytest.fixture(scope="module")
def url(page):
    with fakes.served(page) as address:
        yield address


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


@pytest.fixture
def picture(library):
    return handle_file(str(library.named("street").path))


def test_only_the_typed_endpoints_are_public(client):
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/ask", "/key_object_curve"}
    assert not api["unnamed_endpoints"]
    names = [p["parameter_name"] for p in api["named_endpoints"]["/ask"]["parameters"]]
    assert names == ["image", "question", "methods", "max_new_tokens", "model", "prompt"]


def test_ask(client, picture):
    told = client.predict(picture, "Is there a unicorn?", ["vanilla", "clvs:alpha=0.5"], 16, api_name="/ask")
    assert told["model"] == "scenes"
    assert told["layers"] == 8
    assert told["unknown_words"] == ["unicorn"]
    assert [answer["method"] for answer in told["answers"]] == ["vanilla", "clvs:alpha=0.5"]
    vanilla, clvs = told["answers"]
    assert vanilla["text"] == "Yes"
    assert vanilla["finished"] is True
    assert [token["text"] for token in clvs["tokens"]] == ["Yes", ""]
    assert clvs["tokens"][0]["stop_layer"] == 6
    assert clvs["tokens"][0]["uncertainty"][:5] == [None] * 5
    assert clvs["tokens"][0]["uncertainty"][5:] == [0.9, 0.4, 0.2]


def test_ask_with_methods_that_tell_more(client, picture):
    specs = ["vcd:alpha=0.5", "var:dims=3/11", "adhh:heads=2-1/4-0", "pai+clvs"]
    told = client.predict(picture, "Is there a dog?", specs, 16, api_name="/ask")
    contrasting, sinking, silencing, both = (answer["tokens"][0] for answer in told["answers"])
    assert [answer["method"] for answer in told["answers"]] == specs
    assert contrasting["contrast"][1] == {"text": "no", "with_picture": 0.3, "contrasted": 0.1, "outcome": 0.7}
    assert not {"sinks", "acted_heads"} & set(contrasting)
    assert sinking["sinks"] == [viewer_fakes.SINKS.get(layer, []) for layer in range(8)]
    assert silencing["acted_heads"] == [[2, 1], [4, 0]]
    assert "contrast" not in silencing
    assert len(both["contrast"]) == len(viewer_fakes.WORDS)
    assert both["stop_layer"] == 6


def test_a_prompt_is_asked_for_by_name(client, picture, model):
    told = client.predict(image=picture, question="Is it?", prompt="vicuna+one-word", api_name="/ask")
    assert told["prompt"] == model.prompts[-1] == "vicuna+one-word"
    client.predict(image=picture, question="Is it?", box=[0, 0, 9, 9], prompt="short", api_name="/key_object_curve")
    assert model.prompts[-1] == "short"


def test_ask_has_defaults(client, picture):
    told = client.predict(image=picture, question="Why?", api_name="/ask")
    assert told["prompt"] == "chat"
    assert [answer["method"] for answer in told["answers"]] == ["vanilla", "clvs"]


def test_key_object_curve(client, picture):
    told = client.predict(picture, "Is there a dog?", box=[0, 0, 192, 192], api_name="/key_object_curve")
    vanilla, clvs = told["curves"]
    assert told["object"] == "box"
    assert len(vanilla["attention"]) == told["layers"] == 8
    assert vanilla["gain_percent"] == [0.0] * 8
    assert clvs["attention"][0] == pytest.approx(0.8 * vanilla["attention"][0], rel=1e-3)
    assert clvs["gain_percent"][0] == pytest.approx(-20, abs=0.2)
    assert vanilla["peak_layer"] == 0


@pytest.mark.parametrize(("changes", "told"), [
    ({"question": ""}, "no question"),
    ({"question": "x" * 513}, "513"),
    ({"methods": ["magic"]}, "no method 'magic'"),
    ({"methods": ["clvs:alpha=9"]}, "alpha must be"),
    ({"methods": ["clvs+tarac"]}, "CLVS and TARAC both carry a vision memory"),
    ({"methods": ["adhh:heads=9-0"]}, "heads names layer 9"),
    ({"methods": ["clvs:first_check=9"]}, "The model has 8 layers"),
    ({"methods": []}, "list of 1 to 4"),
    ({"methods": ["clvs"] * 5}, "list of 1 to 4"),
    ({"methods": ["adhh:heads=" + "1-1/" * 500 + "1-1"]}, "2014 characters; shorten them to 2000"),
    ({"max_new_tokens": 1000}, "1 to 64"),
    ({"model": "meta/other"}, "choose one of scenes"),
    ({"prompt": "magic"}, "no prompt 'magic'; choose one of chat, vicuna"),
    ({"image": {"path": "/etc/passwd"}}, "must be uploaded"),
    ({"image": {"path": str(ROOT / "pyproject.toml")}}, "must be uploaded"),
    ({"image": None}, "no picture"),
    ({"question": "Please explode."}, "Something went wrong on the server"),
])  # fmt: skip
def test_wrong_calls_get_one_sentence(client, picture, changes, told):
    call = {"image": picture, "question": "Why?", "methods": ["clvs"], "max_new_tokens": 4, "model": "", **changes}
    with pytest.raises(AppError, match=re.escape(told)) as caught:
        client.predict(**call, api_name="/ask")
    assert "secret" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("region", [{"box": [1, 2]}, {"box": ["a"] * 4}, {"category": "giraffe"}, {"box": [500] * 4}])
def test_a_wrong_object_is_said(client, picture, region):
    with pytest.raises(AppError, match=r"box|category|region"):
        client.predict(picture, "Why?", **region, api_name="/key_object_curve")


@pytest.mark.parametrize(("name", "content"), [
    ("bomb.png", png_header(20_000, 20_000)),
    ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("x.png", b"nothing"),
])  # fmt: skip
def test_bad_pictures_get_one_sentence(client, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError, match=r"megapixels|PNG, JPEG or WebP"):
        client.predict(handle_file(str(tmp_path / name)), "Why?", api_name="/ask")


def test_two_clients_at_once_get_their_own_answers(url, library):
    told = {}

    def visit(scene, question):
        own = Client(url, verbose=False)
        told[question] = own.predict(handle_file(str(library.named(scene).path)), question, api_name="/ask")

    calls = [("street", "Count dogs slowly."), ("table", "Count apples slowly."), ("street", "Is there a unicorn?")]
    threads = [threading.Thread(target=visit, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {question: answer["question"] for question, answer in told.items()} == {q: q for _, q in calls}
    assert told["Is there a unicorn?"]["unknown_words"] == ["unicorn"]


def test_uploads_and_data_urls_are_bounded(url):
    content = b"x" * (limits.MAX_BYTES + 2**17)
    assert httpx.post(f"{url}gradio_api/upload", files={"files": ("x.png", content)}).status_code == 413
    data_url = "data:image/png;base64," + base64.b64encode(content).decode()
    body = {"data": [{"url": data_url, "path": "x.png", "meta": {"_type": "gradio.FileData"}}], "session_hash": "s"}
    for address in ("gradio_api/queue/join", "gradio_api/call/ask", "gradio_api/run/ask"):
        assert httpx.post(f"{url}{address}", json={**body, "fn_index": 0}).status_code == 413

    def chunked():
        yield from (b"x" * 2**20 for _ in range(14))

    assert httpx.post(f"{url}gradio_api/queue/join", content=chunked()).status_code == 413


def test_a_small_picture_is_accepted_by_upload(url):
    answer = httpx.post(f"{url}gradio_api/upload", files={"files": ("x.png", b"x" * 1000)})
    assert answer.status_code == 200


def test_a_picture_on_another_machine_is_not_fetched(url, client, monkeypatch):
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_get", lambda url: pytest.fail("fetched"))
    there = {"path": "https://example.org/x.png", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="Send the picture itself"):
        client.predict(there, "Why?", api_name="/ask")
    for address in ("https://example.org/x.png", "HTTP://127.0.0.1:1/", "http%3A//example.org"):
        answer = httpx.get(f"{url}gradio_api/file={address}")
        assert (answer.status_code, answer.text) == (404, "There is nothing at this address.")


def event(page, name):
    """Number and outputs of the event that calls a handler first."""
    return next((number, fn) for number, fn in page.fns.items() if fn.name == name)


def test_looking_takes_no_place_in_the_queue(page):
    """Only a changed ticket runs, and opening the page changes none: tests/page/test_arriving.py and the browser."""
    queued = {fn.name: fn.targets for fn in page.fns.values() if fn.concurrency_id == "model" and fn.queue is not False}
    assert {name for name, targets in queued.items() if any(kind == "load" for _, kind in targets)} == set()
    (ticket,) = (block for block in page.blocks.values() if isinstance(block, gr.Number) and block.value == -1)
    assert queued["run"] == [(ticket._id, "change")]
    assert ticket.visible == "hidden", "an invisible one would not be on the page, and never change"


def test_a_closed_tab_is_forgotten(page, url, monkeypatch):
    monkeypatch.setenv("GRADIO_IS_E2E_TEST", "1")  # a second instead of an hour
    number, _ = event(page, "arrive")
    visitors = page.app.state_holder.session_data
    with httpx.stream("GET", f"{url}gradio_api/heartbeat/somebody"):
        body = {"data": [None], "fn_index": number, "session_hash": "somebody"}
        assert httpx.post(f"{url}gradio_api/run/predict", json=body).status_code == 200
        kept = [value for value in visitors["somebody"].state_data.values() if isinstance(value, Session)]
        assert len(kept) == 1
        time.sleep(2.2)
        assert visitors["somebody"].state_data, "nothing is forgotten while the tab is open"
    fakes.when(lambda: not visitors["somebody"].state_data)


def test_only_so_many_visitors_are_kept(page, url):
    assert page.app.state_holder.capacity == limits.MAX_VISITORS <= 40


@pytest.mark.parametrize("path", [
    "monitoring", "gradio_api/monitoring", "gradio_api/file=/etc/passwd", f"gradio_api/file={ROOT}/pyproject.toml",
    f"gradio_api/file={ROOT}/app.py", "gradio_api/file=../../etc/passwd",
])  # fmt: skip
def test_nothing_else_is_served(url, path):
    assert httpx.get(f"{url}{path}").status_code in (403, 404)


def test_bundled_pictures_are_served(url, library):
    answer = httpx.get(f"{url}{library.named('street').url}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"


def test_the_page_names_no_other_machine(url):
    page = httpx.get(url).text
    config = json.loads(page.split("window.gradio_config = ")[1].split(";</script>")[0])
    assert "fonts.googleapis" not in page
    assert config["analytics_enabled"] is False
    private = [d for d in config["dependencies"] if d["api_visibility"] != "public"]
    assert len(private) == len(config["dependencies"]) - 2


def test_visitors_files_are_known_to_gradios_clean_up(library, tmp_path):
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    page = build.build(models, library, record.make(models, library))
    assert page.delete_cache == (limits.KEEP_SECONDS // 4, limits.KEEP_SECONDS)
    assert any(files is page.files for files in page.temp_file_sets)
    assert page.upload_file_set is page.files
    written = page.files.put(b"x", "x.bin")
    assert written.read_bytes() == b"x"
    gr.route_utils.delete_files_created_by_app(page, age=None)
    assert not written.parent.exists()


@pytest.mark.parametrize(("arguments", "code", "told"), [
    (["--coco-annotations", "/nowhere.json"], 2, "/nowhere.json"),
    (["--coco-images", "/nowhere"], 2, "does not exist"),
    (["--model", "/nowhere/model"], 3, "There is no model folder"),
    (["--dtype", "float7", "--model", "llava-1.5-7b"], 3, "dtype must be"),
    (["--port", "many"], 2, "invalid int value"),
    (["--method", "/nowhere/mine.py"], 2, "There is no method file '/nowhere/mine.py'; check the path."),
])  # fmt: skip
def test_the_command_fails_with_one_sentence(capsys, arguments, code, told):
    try:
        returned = main.main(arguments)
    except SystemExit as stop:
        returned = stop.code
    assert returned == code
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert len([line for line in error.splitlines() if "Loading" not in line]) == 1 or "usage" in error


def test_the_command_needs_the_port(monkeypatch, capsys, url, library, model):
    models = Models(load=lambda name, **settings: model)
    page = build.build(models, library, record.make(models, library))
    monkeypatch.setattr(main, "make", lambda chosen: (page, models))
    assert main.main(["--port", url.rstrip("/").rpartition(":")[2]]) == 2
    assert "is taken; choose another with --port" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_is_served(monkeypatch, library, model, host):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    page = build.build(models := Models(load=lambda *args, **settings: model), library, record.make(models, library))
    seen = []
    monkeypatch.setattr(main, "make", lambda chosen: seen.append(chosen.host) or (page, models))
    monkeypatch.setattr(page, "block_thread", lambda: seen.append(httpx.get(f"http://[::1]:{port}/").status_code))
    assert main.main(["--host", host, "--port", str(port)]) == 0
    page.close()
    assert seen == ["::1", 200]
    assert limits.is_own(seen[0]), "of this machine alone"


def test_another_trouble_with_the_address_is_told_as_it_is(monkeypatch, capsys, page):
    monkeypatch.setattr(main, "make", lambda chosen: (page, Models(load=lambda *args, **settings: fakes.FakeModel())))
    monkeypatch.setattr(page, "launch", lambda **settings: (_ for _ in ()).throw(OSError("no such interface")))
    assert main.main(["--host", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert "nowhere:7860 (no such interface)" in error
    assert "taken" not in error


def test_a_model_that_fails_in_the_background_is_told_in_the_log(capsys):
    def load(name, **settings):
        raise ModelError("The model is damaged.")

    Models(load=load).preload().join()
    assert capsys.readouterr() == ("", "The model is damaged.\n")


def test_a_space_listens_to_everybody_and_a_laptop_does_not(monkeypatch):
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "CLVS_MODELS"):
        monkeypatch.delenv(name, raising=False)
    here = main.parse([])
    assert (here.host, here.port, here.model, here.share) == ("127.0.0.1", 7860, ["scenes"], False)
    monkeypatch.setenv("SPACE_ID", "somebody/clvs")
    monkeypatch.setenv("CLVS_MODELS", "llava-1.5-7b,scenes")
    there = main.parse([])
    assert (there.host, there.model) == ("0.0.0.0", ["llava-1.5-7b", "scenes"])
    monkeypatch.setenv("GRADIO_SERVER_NAME", "10.0.0.1")
    assert main.parse(["--model", "scenes", "--model", "x/y"]).model == ["scenes", "x/y"]
    assert main.parse([]).host == "10.0.0.1"
