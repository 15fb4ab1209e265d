"""The prompt menu in a real browser: a model's own prompts, carried by links, asked at the next Run."""

from __future__ import annotations

import pytest

from clvs_core.models import memory
from tests.browser.conftest import drawn, until
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

NAMES = ("qwen2.5-vl-3b", "llava-1.5-7b")


@pytest.fixture(scope="module")
def asked():
    """The models that were loaded, by name; each knows what prompts it was asked with."""
    return {name: fakes.FakeModel(name) for name in NAMES}


@pytest.fixture(scope="module")
def url(asked, tmp_path_factory):
    place = memory.Place("cuda:0", "GPU", 24 * 10**9, 24 * 10**9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "places", lambda device="auto": [place])
        library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
        models = Models(NAMES, load=lambda name, **settings: asked[name])
        page = build.build(models, library, record.make(models, library))
        _, address, _ = page.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **build.launch_settings()
        )
        yield address
        page.close()


def offered(page):
    """The labels in the menu, which is opened for it and stays open."""
    box = page.locator("#set-prompt input")
    box.scroll_into_view_if_needed()
    box.click()
    page.locator("li[role='option']").first.wait_for()
    return [" ".join(text.replace("✓", "").split()) for text in page.locator("li[role='option']").all_inner_texts()]


def answered(page, model, count):
    until(page, lambda: len(model.prompts) >= count)
    return model.prompts[-1]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_menu_offers_the_models_own_prompts_and_links_carry_them(open_page, url, asked, width, height):
    qwen, llava = (asked[name] for name in NAMES)
    page = drawn(open_page(url, width=width, height=height))
    page.locator("#more button").first.click()
    assert offered(page)[0] == "Chat template"
    page.locator("li[role='option']", has_text="template + word or phrase").click()
    before = len(qwen.prompts)
    page.locator("#go button", has_text="Run").click()
    assert answered(page, qwen, before + 1) == "short"
    page.locator("#viewer", has_text="Prompt: Chat template + word or phrase (LLaVA)").wait_for()

    before = len(llava.prompts)
    page.goto(f"{url}?scene=street&model=llava-1.5-7b&prompt=vicuna%2Bone-word")
    assert answered(page, llava, before + 1) == "vicuna+one-word"
    page.locator("#viewer", has_text="Prompt: Vicuna + one word (VCD, IMCCD)").wait_for()
    page.locator("#more button").first.click()
    assert page.locator("#set-prompt input").input_value() == "Vicuna + one word (VCD, IMCCD)"
    assert "Vicuna" in offered(page)
    page.locator("li[role='option']", has_text="Vicuna + yes or no").click()
    page.locator("#go button", has_text="Run").click()
    assert answered(page, llava, before + 2) == "vicuna+yes-no"
    page.locator("#viewer", has_text="Prompt: Vicuna + yes or no (MME)").wait_for()

    page.locator(".mm-open").click()
    page.locator(".mm-list [data-name='qwen2.5-vl-3b']").click()
    page.wait_for_function("document.querySelector('#set-prompt input').value === 'Chat template'")
    assert not [label for label in offered(page) if "Vicuna" in label], "it does not belong to this model"
