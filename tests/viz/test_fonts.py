"""Letters that matplotlib's own font lacks: drawn in installed fonts, or told once. The fonts are made here."""

import io
import subprocess
import sys
import unicodedata
import warnings

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from clvs_core.cli import main as cli
from tests.viz.test_figures import PICTURE, _trace
from viz import figures
from viz.figures import fonts
from viz.figures.style import plain, wrapped

CHINESE, THAI = "图片里有狗吗", "หมา"


def make_font(path, family, letters, weight=400):
    """A font that draws a square for each of these letters."""
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 700), (750, 700), (750, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = {ord(letter): f"uni{ord(letter):04X}" for letter in letters}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (800, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    style = "Regular" if weight == 400 else "Bold"
    builder.setupNameTable({"familyName": family, "styleName": style, "psName": f"{family.replace(' ', '')}-{style}"})
    builder.setupOS2(usWeightClass=weight)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Only matplotlib's own fonts, and those that a test makes; `late` ones are not in matplotlib's list yet."""
    manager, files = font_manager.fontManager, []
    bundled = [entry for entry in manager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(manager, "ttflist", list(bundled))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(files))
    fonts._cover.cache_clear()
    fonts._say.cache_clear()

    def install(family, letters, late=False, **options):
        path = make_font(tmp_path / f"{family}-{len(files)}.ttf", family, letters, **options)
        files.append(path)
        if not late:
            manager.addfont(path)

    yield install
    fonts._cover.cache_clear()
    fonts._say.cache_clear()


def svg(*words):
    """The drawn figure, and the sentences that were said."""
    figure, out = Figure(), io.BytesIO()
    for place, word in enumerate(words):
        figure.text(0.1, 0.1 * place, word)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figures.save(figure, out, "svg")
    return out.getvalue().decode(), [str(warning.message) for warning in caught]


@pytest.mark.parametrize("late", [False, True])
def test_letters_are_drawn_in_an_installed_font_that_has_them(installed, late):
    installed("Test Han", CHINESE, late)
    drawn, said = svg(f"A dog? {CHINESE}")
    assert said == []
    assert drawn.count('xlink:href="#TestHan-Regular') == len(CHINESE)
    assert fonts.families([f"A dog? {CHINESE}"]) == (["DejaVu Sans", "Test Han"], "")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_every_format_draws_them(installed, ending):
    installed("Test Han", CHINESE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for question in (CHINESE, "dog"):
            out = io.BytesIO()
            figures.save(figures.heatmaps(PICTURE, [_trace(question=question)]), out, ending)
            assert len(out.getvalue()) > 1000


def test_several_fonts_where_one_has_not_all(installed):
    installed("Test Some", CHINESE[:2])
    installed("Test Most", CHINESE[1:])
    installed("Test Thai", THAI)
    installed("Last Resort", CHINESE + THAI)
    families, missing = fonts.families([CHINESE, THAI, "dog 🐶"])
    assert (families, missing) == (["DejaVu Sans", "Test Most", "Test Thai", "Test Some"], "🐶")


def test_the_forms_of_characters_are_those_of_the_language(installed):
    for region in ("JP", "KR", "SC"):
        installed(f"Test CJK {region}", "犬写真に사")
    assert fonts.families(["犬"])[0][1:] == ["Test CJK SC"]
    assert fonts.families(["写真に犬"])[0][1:] == ["Test CJK JP"]
    assert fonts.families(["사犬"])[0][1:] == ["Test CJK KR"]


def test_what_no_font_has_is_said_once_for_each_script_and_boxed(installed):
    drawn, said = svg(CHINESE, THAI, "犬", "🐶")
    told = "No installed font has {} letters, which are drawn as boxes; install one, e.g. Debian's {}."
    assert sorted(said) == [
        told.format("Chinese, Japanese or Korean", "fonts-noto-cjk"),
        told.format("Thai", "fonts-noto-core"),
        told.format("emoji or symbol", "fonts-symbola"),
    ]
    assert f"<!-- {fonts.MISSING * len(CHINESE)} -->" in drawn
    assert svg(CHINESE, THAI)[1] == []


def test_text_that_matplotlibs_own_font_has_looks_for_none(installed, monkeypatch):
    monkeypatch.setattr(fonts, "_greedy", lambda *given: pytest.fail("looked for fonts"))
    for text in ("Is there a dog?", "α 0.5 · “yes” …", "¿Dónde está?", "Где собака?", "هل", "a\ufe0f\u200d\n"):
        assert fonts.families([text]) == (["DejaVu Sans"], "")


def test_wide_letters_count_twice_where_text_is_cut():
    assert plain("abcdef", 6) == "abcdef"
    assert plain("abcdefg", 6) == "abcde…"
    assert plain(CHINESE, 12) == CHINESE
    assert plain(CHINESE, 11) == CHINESE[:5] + "…"
    assert plain("", 3) == ""
    assert wrapped(f"a dog {CHINESE}", 8) == f"a dog {CHINESE[:1]}\n{CHINESE[1:5]}\n{CHINESE[5:]}"
    wide = sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in plain(CHINESE * 9, 20)[:-1])
    assert wide <= 19


def test_the_command_says_what_to_install(installed, tmp_path, capsys):
    trace, photo, out = tmp_path / "t.npz", tmp_path / "p.png", tmp_path / "x.svg"
    _trace(question=CHINESE).save(trace)
    PICTURE.save(photo)
    for _ in range(2):
        assert cli.main(["figure", str(trace), "--image", str(photo), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert said.count("Note: No installed font has Chinese, Japanese or Korean letters") == 1


def test_drawing_in_threads_needs_no_global_state():
    code = "from viz.figures import fonts; import matplotlib; assert matplotlib.rcParams == matplotlib.rcParamsDefault"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
