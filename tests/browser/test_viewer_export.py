"""The exported page: opened from a file, with no network, under its own security policy."""

import pytest

from tests import viewer_fakes as fakes
from viz.viewer.standalone import page as export_page


def test_the_exported_page_works_from_a_file_with_the_network_off(open_page, tmp_path):
    path = tmp_path / "clvs.html"
    path.write_text(export_page(fakes.payload(question='Is there a "dog" & a </script>?')), encoding="utf-8")
    page = open_page(path.as_uri(), offline=True)
    page.locator(".cv-summary", has_text="of its attention to the dog").wait_for()
    assert page.locator("h1").inner_text() == 'Is there a "dog" & a </script>?'
    page.get_by_role("slider", name="Layer", exact=True).press("End")
    page.locator(".cv-context", has_text="Layer 8 of 8").wait_for()
    page.get_by_role("button", name="cat", exact=True).click()
    page.locator(".cv-curve-title", has_text="the dog and the cat").wait_for()
    assert page.evaluate("document.querySelector('.cv').__clvs.picture.naturalWidth") == 96


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_exported_page_follows_the_systems_theme(open_page, tmp_path, theme):
    path = tmp_path / "clvs.html"
    path.write_text(export_page(fakes.payload()), encoding="utf-8")
    page = open_page(path.as_uri(), theme=theme)
    page.locator(f".cv[data-theme={theme}]").wait_for()
    paper = page.evaluate("getComputedStyle(document.querySelector('.cv')).backgroundColor")
    assert paper == page.evaluate("getComputedStyle(document.body).backgroundColor")
