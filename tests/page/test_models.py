"""The model menu: what is offered to whom, what is grey and why, and what becomes of the model that was there."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace

import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core import loading
from clvs_core.errors import ModelError, Stopped
from clvs_core.models import download, memory
from clvs_core.models.recommend import Speed
from clvs_core.models.registry import CARDS
from tests.page.fake import FakeModel
from viz.page import first_answer as record
from viz.page import limits, main, models, offers
from viz.page.asking import Asker, Call, ShownPictures
from viz.page.desks import Desks
from viz.page.explore import explore
from viz.page.models import Models
from viz.page.offers import Offers
from viz.page.session import Session
from viz.page.widgets import ModelMenu

BROWSER = {"host": "127.0.0.1:7860", "connection": "keep-alive", "origin": "http://127.0.0.1:7860"}


def request(client="127.0.0.1", version="1.1", **headers):
    """A request from a browser, with other headers; None takes one away."""
    sent = {name: value for name, value in (BROWSER | headers).items() if value is not None}
    scope = SimpleNamespace(scope={"http_version": version})
    return SimpleNamespace(headers=sent, client=SimpleNamespace(host=client), request=scope)


HERE = request()
QUESTION = ("Is there a dog?", [clvs.Vanilla()], 4)


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """A machine with one GPU that has 20 GB free; gives a list whose first number may be changed."""
    free = [20e9]
    monkeypatch.setattr(
        memory, "places", lambda device="auto": [memory.Place("cuda:0", "GPU", int(free[0]), int(24e9))]
    )
    monkeypatch.setattr(models, "check_options", lambda *options: None)  # bitsandbytes may not be installed
    monkeypatch.setattr(offers, "downloaded", lambda card: card.name == "scenes")
    monkeypatch.setattr(offers, "measure", lambda device, kept: Speed(60e12, 500e9))
    return free


class Loader:
    """Loads fakes as `load_model` would: says how far it is, asks for room, and remembers what was alive then."""

    def __init__(self, fails=()):
        self.fails, self.loads, self.models, self.alive = fails, [], {}, []

    def __call__(self, name, progress=None, room=None, **settings):
        self.loads.append(name)
        if progress:
            progress(f"Downloading {name}: 0.1 of 0.2 GB")
        if name in self.fails:
            raise ModelError(f"{name} could not be downloaded; try again.")
        if room:
            room(CARDS[name].size.needed("bfloat16"))
        gc.collect()
        self.alive.append({name for name, model in self.models.items() if model() is not None})
        model = FakeModel(name)
        self.models[name] = weakref.ref(model)
        return model


def own(loader, *names):
    return Models(names or ("scenes",), load=loader, own=True)


def rows(found, name="scenes"):
    return {row["name"]: row for row in Offers(found).menu(name)["rows"]}


def choose(desks, session, name, current="scenes", request=HERE, specs=("vanilla", "clvs:alpha=0.5")):
    event = SimpleNamespace(_data={"name": name})
    return list(desks.choosing.choose_model(session, current, specs, event, request))


def test_the_owner_may_choose_any_card_and_others_what_was_named():
    assert set(own(Loader()).cards) == set(CARDS)
    assert set(Models(["scenes", "llava-1.5-7b"], load=Loader()).cards) == {"scenes", "llava-1.5-7b"}
    by_id = own(Loader(), "llava-hf/llava-1.5-7b-hf")
    assert "llava-1.5-7b" not in by_id.cards, "once is enough"
    assert by_id.default == "llava-hf/llava-1.5-7b-hf"


def test_what_does_not_fit_is_grey_with_the_reason(gpu):
    found = rows(own(Loader()))
    assert found["llava-1.5-7b"] == {
        "name": "llava-1.5-7b",
        "label": "LLaVA-1.5 7B",
        "about": "7.1 billion weights, 15.4 GB, downloads 14.1 GB, in the CLVS paper",
        "reason": "",
        "advice": "Recommended for this machine: the largest that leaves room in 24.0 GB of memory and gives its first "
        "answer in about a second, by estimate",
        "asks": True,
    }
    assert found["llava-1.5-13b"]["reason"] == "needs 28.4 GB, and 20.0 GB are free here"
    assert found["scenes"]["about"] == "8 million weights, 0.4 GB"
    gpu[0] = 10e9
    assert rows(own(Loader()))["llava-1.5-7b"]["reason"]
    small = Models(["scenes"], load=Loader(), quantization="4bit", own=True)
    assert rows(small)["llava-1.5-13b"]["reason"] == "", "9.6 GB in 4 bits"


def test_what_is_loaded_counts_as_free_only_for_the_owner(gpu):
    mine, theirs = own(Loader()), Models(["llava-1.5-7b", "qwen2.5-vl-7b"], load=Loader())
    list(mine.switch("llava-1.5-7b"))
    theirs.get("llava-1.5-7b")
    gpu[0] = 20e9 - CARDS["llava-1.5-7b"].size.needed("bfloat16")
    assert rows(mine)["qwen2.5-vl-7b"]["reason"] == ""
    assert "4.6 GB are free here" in rows(theirs)["qwen2.5-vl-7b"]["reason"]
    assert rows(theirs)["llava-1.5-7b"]["about"].startswith("loaded, ")


def test_switching_frees_the_old_model_first_and_tells_how_far_it_is():
    loader = Loader()
    found = own(loader)
    found.get("scenes")
    assert list(found.switch("llava-1.5-7b")) == ["Downloading llava-1.5-7b: 0.1 of 0.2 GB"]
    assert loader.alive == [set(), set()], "the old one was gone before the new one's weights came"
    assert found.ready("llava-1.5-7b")
    assert not found.ready("scenes")
    assert list(found.switch("llava-1.5-7b")) == [], "it is there"
    assert found.get("scenes").layers == found.get("llava-1.5-7b").layers == 8, "either can be asked again"


def test_on_a_page_for_others_nothing_is_taken_away():
    loader = Loader()
    found = Models(["scenes", "llava-1.5-7b"], load=loader)
    found.get("scenes")
    list(found.switch("llava-1.5-7b"))
    assert found.ready("scenes")
    with pytest.raises(ModelError, match=r"choose one of scenes, llava-1\.5-7b"):
        found.get("qwen2.5-vl-3b")


@pytest.mark.parametrize(("name", "told"), [
    ("llava-1.5-13b", "LLaVA-1.5 13B needs 28.4 GB, and 20.4 GB are free here; started with "
     "--quantization 8bit, the app could run it in 15.5 GB; the model on the page stays."),
    ("llava-1.5-7b", "llava-1.5-7b could not be downloaded; try again."),
])  # fmt: skip
def test_a_model_that_cannot_be_had_leaves_the_old_one(library, name, told):
    loader = Loader(fails=["llava-1.5-7b"])
    found = own(loader)
    desks, session = Desks(found, library, record.make(found, library)), Session()
    kept = found.get("scenes")
    *_, last = choose(desks, session, name)
    assert last[0]["error"] == told
    assert last[0]["status"] == "done"
    assert "entries" not in last[1], "the methods stay"
    assert (last[2]["name"], last[2]["status"]) == ("scenes", "")
    assert found.get("scenes") is kept


def test_the_page_follows_a_switch(library):
    found = own(Loader())
    desks, session = Desks(found, library, record.make(found, library)), Session()
    first, far, last = choose(desks, session, "qwen2.5-vl-3b")
    assert first[0]["progress"] == first[2]["status"] == "Loading Qwen2.5-VL 3B…"
    assert far[0]["progress"] == far[2]["status"] == "Downloading qwen2.5-vl-3b: 0.1 of 0.2 GB"
    assert {first[2]["name"], far[2]["name"]} == {"scenes"}, "chosen is only what is there"
    assert last[0]["progress"] == "Qwen2.5-VL 3B is ready: press Run."
    assert last[1]["entries"] == [[{"name": "vanilla", "set": {}}], [{"name": "clvs", "set": {}}]]
    fields = {method["name"]: method["fields"] for method in last[1]["methods"]}["clvs"]
    assert {field["name"]: field["value"] for field in fields}["beta"] == 0.7, "its own beta"
    assert (last[2]["name"], last[2]["status"]) == ("qwen2.5-vl-3b", "")
    assert last[3]["value"] == "chat"
    assert "vicuna" not in {name for _, name in last[3]["choices"]}, "only what belongs to this model is offered"
    assert "vicuna+short" in {name for _, name in desks.choosing.prompts("llava-1.5-7b")}


def test_methods_are_taken_along_to_a_model_that_can_run_them(library):
    found = own(Loader())
    desks, session = Desks(found, library, record.make(found, library)), Session()
    picked = ["vcd:alpha=2", "clvs:gamma=0.1", "pai+clvs:alpha=0.2", "adhh:heads=1-1"]
    *_, last = choose(desks, session, "qwen2.5-vl-3b", specs=picked)
    assert [[part["name"] for part in entry] for entry in last[1]["entries"]] == [["vcd"], ["clvs"], ["pai", "clvs"]]
    assert all(not part["set"] for entry in last[1]["entries"] for part in entry), "as the new model's card has them"
    assert last[0]["progress"] == "Qwen2.5-VL 3B is ready: press Run. It cannot be asked with AD-HH."
    for picked in (["adhh"], ["magic"], [], [5], ["vanilla"] * 9):
        *_, last = choose(desks, session, "scenes", current="qwen2.5-vl-3b", specs=picked)
        assert [entry[0]["name"] for entry in last[1]["entries"]] == ["vanilla", "clvs"]
        *_, last = choose(desks, session, "qwen2.5-vl-3b", specs=picked)


def test_an_answer_that_is_still_coming_is_waited_for(library, monkeypatch):
    monkeypatch.setattr(models, "PATIENCE", 0.05)
    found = own(Loader())
    answers = Asker(found).stream(Call("scenes", Image.new("RGB", (64, 64)), *QUESTION))
    next(answers)
    with pytest.raises(ModelError, match="answer is still coming"):
        list(found.switch("llava-1.5-7b"))
    assert found.ready("scenes")
    monkeypatch.setattr(models, "PATIENCE", 5)
    threading.Timer(0.1, answers.close).start()
    list(found.switch("llava-1.5-7b"))
    assert not found.ready("scenes")


@pytest.mark.parametrize("request_", [
    request(client="10.0.0.7"), request(host="clvs.example.org"), request(host=None),
    request(host="127.0.0.1.example.org"),
    request(origin="https://clvs.example.org"), request(origin="null"), request(referer="https://clvs.example.org/"),
    *(request(**{name: "10.0.0.7"}) for name in (
        "x-forwarded-for", "X-Forwarded-Host", "x-forwarded-proto", "forwarded", "x-real-ip", "via", "cf-connecting-ip",
        "cf-ray", "true-client-ip", "x-client-ip", "fly-client-ip", "x-amzn-trace-id", "x-envoy-external-address",
    )),
    request(version="1.0", connection="close"), request(connection=None),  # nginx as it comes, and of newer versions
    request(connection="upgrade"),
])  # fmt: skip
def test_a_visitor_loads_nothing_that_is_not_offered(library, request_):
    loader = Loader()
    found = own(loader)
    desks, session = Desks(found, library, record.make(found, library)), Session()
    before = list(loader.loads)
    ((payload, *rest),) = choose(desks, session, "llava-1.5-7b", request=request_)
    assert "Only who runs this page" in payload["error"]
    assert len(rest) == 3
    with pytest.raises(ModelError, match="choose one of scenes"):
        Asker(found).ask(Call("llava-1.5-7b", None, *QUESTION))
    link = SimpleNamespace(query_params={"scene": "street", "model": "llava-1.5-7b"})
    assert desks.arriving.arrive(session, link)[5] == "scenes", "a link loads nothing either"
    assert loader.loads == before
    list(found.switch("llava-1.5-7b"))
    (_, last) = choose(desks, session, "llava-1.5-7b", request=request_)
    assert last[2]["name"] == "llava-1.5-7b", "what is loaded may be asked by anybody"


@pytest.mark.parametrize("who", [
    HERE, request(host="localhost"), request(host="[::1]:7860", client="::1"), request(origin=None),
    request(origin="http://localhost:7860", referer="http://127.0.0.1:7860/?x"), request(connection="Keep-Alive"),
])  # fmt: skip
def test_who_sits_at_the_machine_is_its_owner(who):
    assert limits.is_owner(who)


@pytest.mark.parametrize(("host", "share", "public", "space", "mine"), [
    ("127.0.0.1", False, False, False, True), ("localhost", False, False, False, True),
    ("0.0.0.0", False, False, False, False), ("127.0.0.1", True, False, False, False),
    ("127.0.0.1", False, True, False, False), ("127.0.0.1", False, False, True, False),
])  # fmt: skip
def test_a_page_is_ones_own_where_nobody_else_comes(monkeypatch, host, share, public, space, mine):
    monkeypatch.delenv("SPACE_ID", raising=False)
    if space:
        monkeypatch.setenv("SPACE_ID", "somebody/clvs")
    assert limits.is_own(host, share=share, public=public) is mine


def test_a_public_page_loads_and_opens_nothing_for_anybody(monkeypatch, library):
    monkeypatch.delenv("CLVS_PUBLIC", raising=False)
    assert main.parse([]).public is False
    monkeypatch.setenv("CLVS_PUBLIC", "1")
    assert main.parse([]).public is True
    _, found = main.make(main.parse(["--public"]))
    assert found.own is False
    assert list(found.cards) == ["scenes"], "nothing else can be chosen"
    assert Offers(found).recommended() is None


def test_what_is_kept_for_a_picture_goes_with_the_last_visitor_who_has_it():
    fake, found = FakeModel(), ShownPictures()
    mine, yours, other = (Image.new("RGB", (8, 8)) for _ in range(3))
    for picture in (mine, yours, mine):
        found.note(fake, picture, "same")
    found.note(fake, other, "other")
    del mine, picture
    assert fake.forgotten == []
    del yours
    assert fake.forgotten == ["same"]
    del other
    assert fake.forgotten == ["same", "other"]


def test_a_visitors_picture_is_forgotten_with_the_visitor_and_an_example_stays(library, tmp_path):
    fake = FakeModel()
    found = Models(load=lambda name, **settings: fake)
    desks = Desks(found, library, record.make(found, library))
    Image.new("RGB", (64, 64)).save(tmp_path / "mine.png")
    controls = vars(desks.choosing.defaults("scenes")).values()
    for path in (tmp_path / "mine.png", library.named("street").path):
        session = Session()
        assert list(desks.answering.run(session, session.begin(), str(path), "Why?", *controls))[-1]["error"] == ""
        pictured = f"{id(session.picture.image)}"
        del session
        gc.collect()
        assert fake.forgotten.count(pictured) == (path.name == "mine.png")


def test_options_that_cannot_be_are_told_at_start(monkeypatch):
    monkeypatch.setattr(models, "check_options", loading.check_options)
    with pytest.raises(ModelError, match="dtype must be"):
        Models(dtype="float7")
    with pytest.raises(ModelError, match="device must be"):
        Models(device="tpu")


def test_a_browser_chooses_no_name_that_is_not_a_text():
    menu = ModelMenu(lambda name: {"name": name, "rows": []}, "scenes")
    assert menu.preprocess({"name": "scenes", "rows": [{"name": "evil"}]}) == "scenes"
    assert [menu.preprocess(payload) for payload in (None, "scenes", {"name": 5}, [])] == [""] * 4
    assert menu.postprocess("other") == {"name": "other", "rows": []}


def test_the_menu_is_the_page_s_first_setting(desks):
    import gradio as gr

    with gr.Blocks():
        page = explore(desks)
    assert isinstance(page.controls[0], ModelMenu)
    assert page.controls[0].value["name"] == "scenes"


def test_image_mode_goes_to_the_models_that_have_the_choice():
    given = {}

    def load(name, **settings):
        given[name] = settings.get("image_mode")
        return FakeModel(name)

    offered = Models(["llava-1.5-7b", "qwen2.5-vl-7b"], load=load, image_mode="pad")
    for name in offered.cards:
        offered.get(name)
    assert given == {"llava-1.5-7b": "pad", "qwen2.5-vl-7b": None}


# --- which one to use here ----------------------------------------------------------------------------------------


def stopping(found, name, at, gate=None):
    """Switches, and stops at the first words that begin with `at`; what was told, and the error.

    gate: set once it is told that stopping takes its time.
    """
    stop, told = threading.Event(), []

    def switch():
        for far in found.switch(name, stop):
            told.append(far)
            if far.startswith(at):
                stop.set()
            if gate and far.startswith("Stopping"):
                gate.set()

    with pytest.raises(Stopped) as caught:
        switch()
    return told, str(caught.value)


def test_the_menu_begins_with_the_model_for_this_machine(gpu):
    gpu[0] = 23e9
    first, *others = Offers(own(Loader())).menu("scenes")["rows"]
    assert first["name"] == "llava-1.5-7b"
    assert first["advice"].startswith("Recommended for this machine: the largest that leaves room in 24.0 GB of memory")
    assert not any(row["advice"] for row in others)
    theirs = Offers(Models(["scenes", "llava-1.5-7b"], load=Loader())).menu("scenes")["rows"]
    assert [row["name"] for row in theirs] == ["scenes", "llava-1.5-7b"]
    assert not any(row["advice"] for row in theirs), "its owner has chosen already"
    assert [row["asks"] for row in theirs] == [False, True], "15 GB are read"


def test_what_is_to_be_confirmed_before_a_download(gpu, monkeypatch):
    gpu[0] = 23e9
    found = own(Loader())
    assert Offers(found).asks("llava-1.5-7b")
    assert not Offers(found).asks("scenes"), "it is here"
    monkeypatch.setattr(download, "room", lambda: int(50e9))
    monkeypatch.setattr(download, "kept", lambda source: int(3e9))
    facts = dict(Offers(found).facts("llava-1.5-7b")["facts"])
    assert facts["Licence"] == "Llama 2 Community"
    assert facts["Download"] == (
        "14.1 GB from huggingface.co/llava-hf/llava-1.5-7b-hf, of which 3.0 GB have come already"
    )
    assert facts["Kept in"] == f"{download.cache()}, where 50.0 GB are free"
    assert facts["Memory"].startswith("15.4 GB")
    assert facts["First answer"] == "about a second on this machine once it is loaded (an estimate)"
    assert "accepted on its page" in dict(Offers(found).facts("gemma-3-4b")["facts"])["Licence"]
    monkeypatch.setattr(download, "room", lambda: int(11e9))
    with pytest.raises(ModelError, match=r"needs 11\.1 GB and the disk of .* has room for 11\.0 GB"):
        Offers(found).facts("llava-1.5-7b")
    with pytest.raises(ModelError, match=r"LLaVA-1\.5 13B needs 28\.4 GB"):
        Offers(found).facts("llava-1.5-13b")


def test_what_is_here_and_takes_its_time_to_be_read_is_confirmed_too(gpu, monkeypatch):
    gpu[0] = 23e9
    monkeypatch.setattr(offers, "downloaded", lambda card: True)
    found = Offers(own(Loader()))
    assert not found.asks("smolvlm-256m"), "one click is enough"
    facts = found.facts("llava-1.5-7b")
    assert (found.asks("llava-1.5-7b"), facts["downloads"]) == (True, False)
    assert [what for what, _ in facts["facts"]] == ["Licence", "Memory", "First answer"]
    theirs = Models(["scenes", "llava-1.5-7b"], load=Loader())
    assert dict(Offers(theirs).facts("llava-1.5-7b")["facts"])["Memory"] == "15.4 GB", "nothing makes room for it"
    theirs.get("llava-1.5-7b")
    assert not Offers(theirs).asks("llava-1.5-7b")


def test_for_photographs_there_is_a_model_or_a_sentence(gpu):
    gpu[0] = 23e9
    offer = Offers(own(Loader())).for_photographs()
    assert (offer["name"], offer["asks"]) == ("llava-1.5-7b", True)
    assert "LLaVA-1.5 7B suits this machine (Llama 2 Community, a download of 14.1 GB)" in offer["text"]
    theirs = Models(["scenes", "smolvlm-256m", "llava-onevision-0.5b"], load=Loader())
    theirs_offer = Offers(theirs)
    assert theirs_offer.for_photographs() == {
        "text": "For photographs, choose LLaVA-OneVision 0.5B.",
        "name": "llava-onevision-0.5b",
        "label": "LLaVA-OneVision 0.5B",
        "asks": False,
    }
    theirs.get("smolvlm-256m")
    assert theirs_offer.for_photographs()["name"] == "smolvlm-256m", "it is loaded"
    alone = Offers(Models(["scenes"], load=Loader())).for_photographs()
    assert set(alone) == {"text"}
    assert "whoever runs this page can offer" in alone["text"]
    gpu[0] = 0.5e9
    assert "than this machine can run" in Offers(own(Loader())).for_photographs()["text"]


def test_a_stop_ends_a_download_and_frees_nothing():
    class Slow(Loader):
        def __call__(self, name, progress=None, **options):
            for share in range(100 if progress else 0):
                progress(f"Downloading {name}: {share} %")
                threading.Event().wait(0.02)
            return super().__call__(name, progress, **options)

    found = own(Slow())
    kept = found.get("scenes")
    told, sentence = stopping(found, "llava-1.5-7b", "Downloading llava-1.5-7b: 3")
    assert len(told) < 8
    assert sentence == models.STOPPED
    assert found.get("scenes") is kept
    assert not found.offered("llava-1.5-7b")


def test_a_stop_while_weights_are_read_discards_them(monkeypatch):
    gate = threading.Event()

    class Reading(Loader):
        def __call__(self, name, progress=None, **options):
            model = super().__call__(name, progress, **options)
            if progress:
                progress("Loading…")
                assert gate.wait(60)
            return model

    loader = Reading()
    found = own(loader)
    found.get("scenes")
    told, _ = stopping(found, "llava-1.5-7b", "Loading", gate)
    assert told[-1] == "Stopping: the model is discarded as soon as it is read."
    assert not found.ready("llava-1.5-7b")
    gc.collect()
    assert loader.models["llava-1.5-7b"]() is None
    assert found.get("scenes").layers == 8


def test_a_stop_is_heard_while_another_model_is_being_loaded():
    gate = threading.Event()

    class Long(Loader):
        def __call__(self, name, progress=None, **options):
            self.begun.append(name)
            assert name != "smolvlm-256m" or gate.wait(20)
            return super().__call__(name, progress, **options)

    loader = Long()
    loader.begun = []
    found = own(loader)
    first = threading.Thread(target=lambda: list(found.switch("smolvlm-256m")))
    first.start()
    while "smolvlm-256m" not in loader.begun:
        threading.Event().wait(0.01)
    told, _ = stopping(found, "llava-1.5-7b", "Waiting for another model")
    gate.set()
    first.join()
    assert told[0] == "Waiting for another model that is being loaded…"
    assert found.ready("smolvlm-256m")


def test_stop_on_the_page_stops_the_switch_and_the_old_model_stays(library):
    class Slow(Loader):
        def __call__(self, name, progress=None, **options):
            for share in range(200 if progress else 0):
                progress(f"Downloading {name}: {share} %")
                threading.Event().wait(0.02)
            return super().__call__(name, progress, **options)

    found = own(Slow())
    desks, session = Desks(found, library, record.make(found, library)), Session()
    shown = []
    for payload, *others in desks.choosing.choose_model(
        session, "scenes", ["vanilla"], SimpleNamespace(_data={"name": "llava-1.5-7b"}), HERE
    ):
        shown.append((payload, *others))
        if payload["progress"].endswith(": 2 %"):
            assert payload["halts"]
            desks.answering.stop(session)
    last = shown[-1]
    assert last[0]["progress"] == models.STOPPED
    assert (last[0]["status"], last[0]["halts"], last[0].get("error", "")) == ("done", False, "")
    assert (last[2]["name"], last[2]["status"]) == ("scenes", "")
    assert session.switching is None


def test_only_the_owner_is_asked(library, gpu, monkeypatch):
    gpu[0] = 23e9
    monkeypatch.setattr(download, "room", lambda: int(50e9))
    found = own(Loader())
    desks, session = Desks(found, library, record.make(found, library)), Session()
    event = SimpleNamespace(_data={"name": "llava-1.5-7b"})
    _, asked = desks.choosing.ask_first(session, event, HERE)
    again = desks.choosing.ask_first(session, event, HERE)[1]
    assert (asked["label"], asked["asked"] == again["asked"]) == ("LLaVA-1.5 7B", False)
    elsewhere = request(host="clvs.example.org")
    shown, nothing = desks.choosing.ask_first(session, event, elsewhere)
    assert "Only who runs this page" in shown["error"]
    assert "facts" not in nothing
    for name in ("scenes", "evil/model", None):
        assert "facts" not in desks.choosing.ask_first(session, SimpleNamespace(_data={"name": name}), HERE)[1]
