"""A picture of the visitor's own: every way in, in a real browser over the fake model, and every way it can fail."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from tests.browser.conftest import drawn, until
from tests.browser.test_app import RESULT, done, launch, result, when
from tests.page import fake as fakes
from tests.page import pictures
from tests.page.test_limits import png_header
from viz.page import build, limits
from viz.page import first_answer as record
from viz.page.library import ANYTHING, Library
from viz.page.models import Models

PHONE = {"width": 390, "height": 844, "has_touch": True}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    page = build.build(models, library, record.make(models, library))
    yield launch(page)
    page.close()


def png(width, height=40):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (170, 60, 40)).save(out, "PNG")
    return out.getvalue()


def file(name="mine.png", content=None, kind="image/png"):
    return {"name": name, "mimeType": kind, "buffer": png(60) if content is None else content}


def choose(page, press, *files):
    with page.expect_file_chooser() as chooser:
        press()
    chooser.value.set_files(list(files))


def shows(page, width):
    """The answer is about a picture of this width, and the page shows that picture."""
    when(page, f"m.status === 'done' && m.image.w === {width}")
    page.wait_for_function(f"document.querySelector('.pic img').naturalWidth === {width}")


def said(page):
    page.wait_for_function("document.querySelector('.pic-error').textContent")
    return page.locator(".pic-error").inner_text()


def give(page, kind, *files, types=(), target="document"):
    """Drops or pastes files and texts, as a browser hands them over."""
    if target != "document":
        page.locator(target).wait_for()
    given = [{**one, "buffer": base64.b64encode(one["buffer"]).decode()} for one in files]
    return page.evaluate(
        """([kind, files, texts, target]) => {
          const data = new DataTransfer();
          for (const { name, mimeType, buffer } of files) {
            const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type: mimeType }));
          }
          for (const [type, text] of texts) data.setData(type, text);
          const at = target === 'document' ? document.body : document.querySelector(target);
          const options = { bubbles: true, cancelable: true };
          const make = (name) => name === 'paste' ? new ClipboardEvent(name, { ...options, clipboardData: data })
            : new DragEvent(name, { ...options, dataTransfer: data });
          if (kind === 'drop') for (const name of ['dragenter', 'dragover']) at.dispatchEvent(make(name));
          return at.dispatchEvent(make(kind));  // false: the page took it
        }""",
        [kind, given, list(types), target],
    )


@pytest.mark.parametrize("way", ["click", "tap", "Enter", "Space"])
def test_the_button_opens_the_file_dialog(open_page, url, way):
    page = drawn(open_page(url, **PHONE if way == "tap" else {}))
    button = page.get_by_role("button", name="Your own picture")
    box = button.bounding_box()
    assert box["height"] >= 44, "the whole picture is the button"
    press = {"click": button.click, "tap": button.tap}.get(way, lambda: (button.focus(), page.keyboard.press(way)))
    choose(page, press, file())
    shows(page, 60)
    assert result(page)["question"] == ANYTHING[0], "asked at once, since the page thought of the other question"
    assert page.locator("#examples [aria-pressed=true]").count() == 0
    assert page.locator(".pic img").get_attribute("alt") == "Your own picture"


def test_a_closed_dialog_changes_nothing(open_page, url):
    page = drawn(open_page(url))
    before = result(page)
    choose(page, page.locator(".pic-open").click)
    page.wait_for_timeout(300)
    assert result(page) == before
    assert page.locator(".pic img").get_attribute("alt") == "The street <b>&\"'"


def test_a_picture_is_dropped_anywhere_on_the_page(open_page, url):
    page = drawn(open_page(url))
    assert give(page, "drop", file(content=png(70)), target="#viewer .cv-maps") is False
    shows(page, 70)
    assert not page.evaluate("document.body.classList.contains('pic-over')")
    notes = file("notes.txt", b"text", "text/plain")
    assert give(page, "drop", notes, file(content=png(71))) is False
    shows(page, 71)


def test_what_is_no_file_is_left_to_the_browser(open_page, url):
    page = drawn(open_page(url))
    before = result(page)
    assert give(page, "drop", types=[["text/plain", "words"]], target="#question textarea") is True
    assert give(page, "paste", types=[["text/plain", "words"]]) is True
    page.wait_for_timeout(200)
    assert result(page) == before


def test_dragging_over_the_page_says_what_it_is_for(open_page, url):
    page = drawn(open_page(url))
    over = "document.body.classList.contains('pic-over')"
    drag = """(name) => {
      const data = new DataTransfer();
      data.items.add(new File(['x'], 'x.png', { type: 'image/png' }));
      document.body.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: data }));
    }"""
    page.evaluate(drag, "dragenter")
    assert page.evaluate(over)
    page.evaluate(drag, "dragleave")
    assert not page.evaluate(over)
    page.evaluate("document.body.dispatchEvent(new DragEvent('dragstart', { bubbles: true }))")
    page.evaluate(drag, "dragenter")
    assert not page.evaluate(over), "a picture of this very page"


@pytest.mark.parametrize(("target", "types", "taken"), [
    ("document", [], True),
    ("document", [["text/plain", "mine.png"]], True),
    ("#question textarea", [["text/html", "<img>"]], True),
    ("#question textarea", [["text/plain", "a table as text"]], False),
])  # fmt: skip
def test_a_picture_is_pasted(open_page, url, target, types, taken):
    page = drawn(open_page(url))
    assert give(page, "paste", file(content=png(80)), types=types, target=target) is not taken
    if taken:
        shows(page, 80)
    else:
        page.wait_for_timeout(200)
        assert result(page)["image"]["w"] != 80


def test_ctrl_v_brings_what_the_clipboard_holds(open_page, url):
    page = drawn(open_page(url, permissions=["clipboard-read", "clipboard-write"]))
    page.evaluate(
        """async (text) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const item = new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) });
          await navigator.clipboard.write([item]);
        }""",
        base64.b64encode(png(90)).decode(),
    )
    page.locator("#question textarea").focus()
    page.keyboard.press("Control+V")
    shows(page, 90)


def test_of_two_quick_uploads_the_newest_wins(open_page, url):
    page = drawn(open_page(url))
    page.route("**/gradio_api/upload", lambda route: (page.wait_for_timeout(150), route.continue_()))
    files = page.locator("#picture input[type=file]")
    files.set_input_files(file("a.png", png(61)))
    files.set_input_files(file("b.png", png(62)))
    shows(page, 62)
    page.wait_for_timeout(500)
    shows(page, 62)
    assert page.locator(".pic-progress").inner_text() == page.locator(".pic-error").inner_text() == ""


def test_two_uploads_that_both_arrive_end_at_the_newest(open_page, url):
    page = drawn(open_page(url))
    files = page.locator("#picture input[type=file]")
    for width in (61, 62, 63):
        with page.expect_response("**/gradio_api/upload"):
            files.set_input_files(file(f"{width}.png", png(width)))
    shows(page, 63)
    page.wait_for_timeout(500)
    shows(page, 63)


def test_a_picture_that_another_one_has_overtaken_is_never_shown(open_page, url):
    """Its file may be gone by then."""
    page = drawn(open_page(url))
    page.evaluate(
        """() => {
          const image = document.querySelector('.pic img');
          window.sources = [];
          new MutationObserver(() => window.sources.push(image.src)).observe(image, { attributeFilter: ['src'] });
        }"""
    )
    held = []

    def hold(route):
        first = not held and "61.png" in (route.request.post_data or "")
        return held.append(route) if first else route.continue_()

    page.route("**/gradio_api/run/**", hold)
    files = page.locator("#picture input[type=file]")
    for width in (61, 62):
        with page.expect_response("**/gradio_api/upload"):
            files.set_input_files(file(f"{width}.png", png(width)))
    until(page, lambda: held)
    held[0].continue_()
    shows(page, 62)
    assert [source.rpartition("/")[2] for source in page.evaluate("window.sources")] == ["62.png"]


def test_the_same_file_may_be_chosen_again(open_page, url):
    page = drawn(open_page(url))
    choose(page, page.locator(".pic-open").click, file())
    shows(page, 60)
    page.locator("#examples button[data-name=table]").click()
    done(page, pictures.QUESTIONS["table"][0])
    choose(page, page.locator(".pic-open").click, file())
    shows(page, 60)


REFUSED = {
    "text": (file("x.txt", b"hello", "text/plain"), "PNG, JPEG or WebP"),
    "empty": (file("x.png", b""), "PNG, JPEG or WebP"),
    "damaged": (file("x.png", png(60)[:50]), "damaged"),
    "svg": (file("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "PNG, JPEG or WebP"),
    "bomb": (file("x.png", png_header(20_000, 20_000)), "The picture has 400 megapixels; make it smaller than 220."),
    "empty bomb": (file("x.png", png_header(7000, 7000)), "more than 25 megapixels"),
    "heic": (
        file("x.heic", b"\0\0\0\x18ftypheic".ljust(900)),
        "This browser cannot read a HEIC picture; save it as JPEG",
    ),
    "large": (file("x.png", bytes(limits.MAX_BYTES + 1)), "The file has 12.1 MB; the limit is 12 MB."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_leaves_the_picture_and_says_one_sentence(open_page, url, kind):
    page = drawn(open_page(url))
    choose(page, page.locator(".pic-open").click, file())
    shows(page, 60)
    before = result(page)
    refused, told = REFUSED[kind]
    choose(page, page.locator(".pic-open").click, refused)
    assert told in said(page)
    assert said(page).endswith(".")
    assert result(page) == before
    assert page.locator(".pic img").evaluate("(image) => image.naturalWidth") == 60
    assert page.locator(".pic-progress").inner_text() == ""
    page.get_by_role("button", name="Run", exact=True).click()
    when(page, f"m.status === 'done' && m.id !== {json.dumps(before['id'])}")
    assert result(page)["image"]["w"] == 60, "it can still be asked about"
    choose(page, page.locator(".pic-open").click, file(content=png(64)))
    shows(page, 64)
    assert page.locator(".pic-error").inner_text() == ""


def test_a_refused_picture_does_not_stop_an_answer(open_page, url):
    page = drawn(open_page(url))
    page.locator("#question textarea").fill("Count slowly.")
    page.keyboard.press("Enter")
    when(page, "m.status === 'running' && m.methods[0].tokens.length >= 2")
    page.locator("#picture input[type=file]").set_input_files(REFUSED["text"][0])
    assert "PNG, JPEG or WebP" in said(page)
    assert len(done(page, "Count slowly.")["methods"][0]["tokens"]) == 16


@pytest.mark.parametrize(("answer", "told"), [
    ({"status": 500, "body": "Internal Server Error"}, "The picture could not be sent (error 500); try again."),
    ({"status": 507, "body": "The disk is full; try again later."}, "The disk is full; try again later."),
    ({"status": 200, "body": "<html>"}, "The picture could not be sent (error 200); try again."),
    ({"status": 413, "body": "File size exceeded"}, "the limit is 12 MB."),
    (None, "The picture could not be sent: the server does not answer. Try again."),
])  # fmt: skip
def test_an_upload_that_fails_is_said(open_page, url, answer, told):
    page = drawn(open_page(url))
    before = result(page)
    page.route("**/gradio_api/upload", lambda route: route.fulfill(**answer) if answer else route.abort())
    choose(page, page.locator(".pic-open").click, file())
    assert told in said(page)
    assert result(page) == before
    page.unroute("**/gradio_api/upload")
    choose(page, page.locator(".pic-open").click, file())
    shows(page, 60)
    assert page.locator(".pic-error").inner_text() == ""


def test_how_far_an_upload_is_can_be_seen(open_page, url):
    page = drawn(open_page(url))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    network.send("Network.emulateNetworkConditions", slow)
    noise = io.BytesIO()
    Image.effect_noise((640, 480), 90).save(noise, "PNG")
    page.locator("#picture input[type=file]").set_input_files(file(content=noise.getvalue()))
    page.wait_for_function(
        r"/Sending the picture, [1-9]\d? %/.test(document.querySelector('.pic-progress').textContent)"
    )
    assert page.locator(".pic img").get_attribute("alt") == "The street <b>&\"'", "until the new one is there"
    shows(page, 640)


def test_an_own_picture_ends_what_stands_in_its_place(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("tab", name="Results").click()
    before = page.evaluate(f"{RESULT}.id")
    assert give(page, "drop", file()) is False, "the browser must not leave the page for the file"
    assert give(page, "paste", file()) is True
    page.wait_for_timeout(300)
    assert page.evaluate(f"{RESULT}.id") == before, "nothing is asked where nobody can see it"


# ---- what is done to a picture before it is sent --------------------------------------------------------------------


def turned(width, height):
    """A photograph stored lying on its side: its upper left corner, as it is meant to be seen, is black."""
    picture = Image.new("RGB", (height, width), "white")
    picture.paste("black", (0, width - width // 2, height // 2, width))
    note = Image.Exif()
    note[274] = 6
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=note)
    return out.getvalue()


def animated(kind):
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def encoded(kind, width, height, **options):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (170, 60, 40)).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def shared(browser, url):
    page = browser.new_page()
    page.goto(url)
    yield drawn(page)
    page.close()


PREPARED = {
    "photograph": (turned(5000, 7000), (1463, 2048), "Reduced from 35 to 12 megapixels before it was sent."),
    "bmp": (encoded("BMP", 2400, 1800), (2048, 1536), "Sent as a JPEG copy of 0.1 MB instead of 12.4 MB."),
    "avif": (encoded("AVIF", 64, 48), (64, 48), "Sent as a JPEG copy of the AVIF picture."),
    "gif": (encoded("GIF", 63, 40), (63, 40), ""),
    "tiff": (encoded("TIFF", 65, 40), (65, 40), ""),
    "animation": (animated("GIF"), (60, 40), "It has several frames or pages: the first is shown."),
}


@pytest.mark.parametrize("kind", PREPARED)
def test_pictures_that_people_have_are_taken(shared, kind):
    content, (width, height), done = PREPARED[kind]
    shared.locator("#picture input[type=file]").set_input_files(file(kind, content, ""))
    when(shared, f"m.status === 'done' && m.image.w === {width} && m.image.h === {height}")
    until(shared, lambda: shared.locator(".pic-heard").inner_text() == f"Your own picture is shown. {done}".strip())
    assert shared.locator(".pic-note").inner_text() == done
    if kind == "photograph":
        dark = shared.evaluate(
            """async () => {
              const image = document.querySelector('.pic img');
              await image.decode();
              const canvas = new OffscreenCanvas(2, 2).getContext('2d');
              canvas.drawImage(image, 0, 0, 2, 2);
              return [...canvas.getImageData(0, 0, 2, 2).data].filter((_, i) => i % 4 === 0).map((v) => v < 128);
            }"""
        )
        assert dark == [True, False, False, False], "as its notes turn it"


def test_a_screen_reader_hears_the_beginning_and_the_end(shared):
    shared.evaluate(
        """() => {
          window.heard = [];
          const listen = (node) => new MutationObserver(() => node.textContent && window.heard.push(node.textContent))
            .observe(node, { childList: true, characterData: true, subtree: true });
          document.querySelectorAll('.pic :is([role=status], [role=alert])').forEach(listen);
        }"""
    )
    shared.locator("#picture input[type=file]").set_input_files(file(content=png(77)))
    shows(shared, 77)
    shared.locator("#picture input[type=file]").set_input_files(REFUSED["text"][0])
    said(shared)
    told = "This file is not a picture that can be read here; use a PNG, JPEG or WebP picture."
    sending = "Sending the picture…"
    assert shared.evaluate("window.heard") == [sending, "Your own picture is shown.", sending, told]


def test_who_restores_a_picture_later_is_told_of_it_and_brings_it(shared):
    shared.evaluate("document.addEventListener('clvs-own', ({ detail }) => { window.own = detail; })")
    shared.locator("#picture input[type=file]").set_input_files(file(content=png(78)))
    shows(shared, 78)
    until(shared, lambda: shared.evaluate("window.own?.size") == len(png(78)))
    shared.locator("#examples button[data-name=table]").click()
    done(shared, pictures.QUESTIONS["table"][0])
    assert shared.locator(".pic-note").inner_text() == ""
    shared.evaluate("document.dispatchEvent(new CustomEvent('clvs-bring', { detail: window.own }))")
    shows(shared, 78)


def test_a_typed_question_is_asked_about_the_new_picture(shared):
    shared.locator("#question textarea").fill("Is there a bus?")
    shared.locator("#picture input[type=file]").set_input_files(file(content=png(79)))
    shows(shared, 79)
    assert result(shared)["question"] == "Is there a bus?"
