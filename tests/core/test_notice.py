"""What is said about a picture of which a model sees little: one sentence, in the page's notes and on stderr."""

import pytest
from PIL import Image

from clvs_core.cli import main as cli
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views
from tests.tiny import picture, save_llava


@pytest.mark.parametrize(
    ("width", "height", "mode", "share"),
    [
        (1024, 768, "crop", 75),
        (330, 180, "crop", 55),
        (100, 1000, "crop", 10),
        (1000, 4, "crop", 1),
        (1024, 768, "pad", None),
        (1024, 768, "squash", None),
        (105, 100, "crop", None),
    ],
)
def test_the_notice_says_how_much_is_seen(width, height, mode, share):
    expected = f"This model sees only the middle {share} % of this picture" if share else ""
    assert llava_views(height, width, 336, 14, mode).notice() == expected


def test_what_is_seen_at_one_side_is_not_called_the_middle():
    views = Views(100, 100, 4, (View(0, 2, 2, (0, 0, 80, 100)),))
    assert views.notice() == "This model sees only 80 % of this picture"


@pytest.mark.parametrize(("width", "told"), [(48, True), (33, False)])
def test_the_command_line_says_it_on_stderr(tmp_path, capsys, width, told):
    model = save_llava(tmp_path / "tiny")
    Image.fromarray(picture(height=32, width=width)).save(tmp_path / "a.png")
    asked = ["--model", str(model), "--image", str(tmp_path / "a.png"), "--question", "Is there a dog?"]
    assert cli.main(["ask", *asked, "--max-new-tokens", "1"]) == 0
    out, err = capsys.readouterr()
    assert ("This model sees only the middle 67 % of this picture.\n" in err) == told
    assert "This model sees" not in out
