"""The viewer's pure modules in Node.js: they have to give what their Python twins work out, written as JSON."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, get_origin

import numpy as np
import pytest
from typing_extensions import NotRequired

from clvs_core.key_objects import coverage, key_object_attention, region_mask, relative_gain, summarise, together
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views
from tests import viewer_fakes as fakes
from viz import scales
from viz.page import links, widgets
from viz.viewer import SOURCE, contract, modules, script, second_script, written
from viz.viewer.view import USUAL
from viz.viewer.view import View as Chosen

HERE = Path(__file__).parent
FINITE = np.isfinite(np.arange(65536, dtype="<u2").view("<f2"))
GEOMETRIES = {
    "squash": llava_views(96, 160, 48, 8, "squash"),
    "crop": llava_views(96, 160, 48, 8, "crop"),
    "pad": llava_views(96, 160, 48, 8, "pad"),
    "two grids": Views(
        160, 96, 4 + 30, (View(0, 2, 2, (0, 0, 160, 96), kind="base"), View(4, 5, 5, (0, 0, 160, 96), 6, "tiles"))
    ),
}
REGIONS = {"box": {"box": [13, 7, 90, 61]}, "polygon": {"polygon": [[20, 10], [140, 30], [70, 90]]}}

VIEWS = [
    Chosen(),
    Chosen(layer=6, step=1, scale="uniform", power=0.6, smooth=True, contours=False, sinks=3, head=0, focus="pai+clvs"),
    *(Chosen(on=on, region=region) for on, region in (((), REGIONS["box"]), (("a b", "c&d"), REGIONS["polygon"]))),
    Chosen(layer=0, region={"box": [0.1, 2.2, 30.0, 4]}),
]


def link_text(view):
    return links.query(links.Link("", view=view)).removeprefix("scene=").removeprefix("&")


def some_maps():
    """(2 methods, 5 layers, 144 tokens) of skewed weights, as float16 holds them."""
    random = np.random.default_rng(3)
    return (random.gamma(0.3, 0.02, (2, 5, 144)) + random.random((2, 5, 1)) * 1e-3).astype(np.float16).astype(float)


class Traced(NamedTuple):
    """The part of a trace that a curve needs."""

    attention: np.ndarray


def calls():
    """Functions of twins.js with arguments, and what their Python twins give for these."""
    maps, random = some_maps(), np.random.default_rng(1)
    difference, share = maps[1] - maps[0], random.random(144)
    for mode in scales.MODES:
        for method, layer in ((0, 0), (1, 3)):
            yield "limits", [maps, mode, method, layer, 144], scales.limits(maps, mode, method, layer)
        yield "signedLimit", [difference, mode, 2, 144], scales.signed_limit(difference, mode, 2)
    missing, holes = maps.copy(), maps.tolist()
    missing[0, 4], holes[0][4] = np.nan, None
    yield "limits", [holes, "shared", 0, 0, 144], scales.limits(missing, "shared", 0, 0)
    yield "sinks", [maps[0], 5], scales.sinks(maps[0], 5)
    shares = np.array([[0.25, 1.0, 0.0], [0.5, 0.75, 0.125]])
    yield "together", [shares], together(shares)
    trace = Traced(maps[:1, :, None])  # some layers' weights add up to more than 1, as rounded ones may
    yield "curve", [maps[0], share], key_object_attention(trace, share)[0]
    yield "curve", [maps[0], None], key_object_attention(trace, np.ones(144))[0]
    low, high = np.percentile(maps[0], (25, 75), axis=0)
    yield "middleHalf", [maps[0]], {"low": low, "high": high}
    vanilla, other = np.array([0.1, 0.4, 0.3, 0.19, 0.05]), np.array([0.1, 0.5, 0.45, 0.4, 0.3])
    peak, value, lost, half = summarise(vanilla)
    yield "summarise", [vanilla], {"peak": peak, "value": value, "left": 1 - lost, "half": half}
    gains = relative_gain(other, vanilla)
    for at, (clipped, unclipped) in enumerate(zip(gains.clipped, gains.unclipped, strict=True)):
        yield "gain", [other[at], vanilla[at]], {"clipped": clipped, "unclipped": unclipped}
    for names in (["vanilla", "clvs", "var"], ["clvs", "vanilla", "var"], ["clvs", "var"]):
        for method, place in enumerate(scales.places(names)):
            yield "placeAmong", [method, max(0, names.index("vanilla") if "vanilla" in names else 0)], place


def colours():
    """Weights with their limits and power, and the colours that Python gives them."""
    maps = some_maps()
    values, (low, high) = maps[1, 2], scales.limits(maps, "map", 1, 2)
    for power in (1.0, 0.4):
        normalised = scales.normalise(values, low, high, power)
        yield {"values": values, "limits": [low, high], "power": power, "table": "viridis"}, normalised
    change, limit = values - maps[0, 2], scales.signed_limit(maps[1] - maps[0], "shared", 2)
    yield (
        {"values": change, "limits": [limit], "power": 0.7, "table": "PuOr_r"},
        scales.normalise_signed(change, limit, 0.7),
    )


def regions():
    """Drawn regions under every geometry, and what the server's masks cover, which are made of whole pixels."""
    for views in GEOMETRIES.values():
        for region in REGIONS.values():
            shares = coverage(region_mask(views.height, views.width, **region), views)
            yield {"region": region, "grids": views.to_json()["grids"], "visual": views.visual, "coverage": shares}


def twins():
    words = np.arange(65536, dtype="<u2")
    return {
        "calls": [{"name": name, "args": args, "expected": expected} for name, args, expected in calls()],
        "colours": [case | {"rgba": scales.colour(values, case["table"])} for case, values in colours()],
        "regions": list(regions()),
        "halves": {
            "blob": base64.b64encode(words.tobytes()).decode(),
            "numbers": [value if np.isfinite(value) else str(value) for value in words.view("<f2").astype(float)],
        },
        "tables": {name: scales.lut(name).ravel() for name in (*scales.MAPS, scales.DIVERGING)},
        "views": [{"view": {**USUAL, **view.chosen()}, "text": link_text(view)} for view in VIEWS],
        "crop": GEOMETRIES["crop"].to_json()["grids"],
    }


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """node(name): runs a file of tests; what Python works out stands in the file that TWINS names."""
    own = HERE.parents[1] / "node_modules" / ".bin"  # where `make check` puts one if the machine's is too old
    program = shutil.which("node", path=os.pathsep.join([str(own), os.environ.get("PATH", "")]))
    if program is None:
        message = "no Node.js on this machine: install Debian's nodejs to run the tests of the viewer's modules"
        if os.environ.get("CLVS_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    path = tmp_path_factory.mktemp("node") / "twins.json"
    path.write_text(json.dumps(twins(), default=lambda value: value.tolist()), encoding="utf-8")

    def run(name):
        command = [program, "--test", "--test-reporter=spec", str(HERE / name)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TWINS": str(path)})

    return run


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.js")))
def test_the_viewers_modules_give_what_they_should(node, name):
    done = node(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"pass (\d+)", done.stdout)[1]) > 3, done.stdout
    assert "skipped 0" in done.stdout, done.stdout


@pytest.mark.parametrize("name", written.texts())
def test_what_javascript_has_from_python_is_written_anew(name):
    assert (SOURCE / name).read_text(encoding="utf-8") == written.texts()[name], "run python -m viz.viewer.written"


def test_the_contract_names_the_parts_of_a_payload():
    payload = fakes.payload()
    parts = [(contract.Method, "methods"), (contract.Object, "objects"), (contract.View, "views")]
    found = [(contract.Payload, payload), *((part, payload[entry][0]) for part, entry in parts)]
    for part, entry in [*found, (contract.Card, payload["methods"][0]["card"])]:
        hints = contract.get_type_hints(part, include_extras=True)
        always = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        assert always <= set(entry) <= set(hints)


@pytest.mark.parametrize(
    "path", [SOURCE / "viewer.js", *sorted(widgets.STATIC.glob("*.js"))], ids=lambda path: path.name
)
def test_every_script_of_the_page_can_be_joined(path):
    assert modules.joined(path)


def test_comments_are_left_out_and_texts_are_not(tmp_path):
    lines = ["const a = 'one // two'; // three isn't", "const b = `// ${a}`; // four", "const c = 8 / 2; // five"]
    (tmp_path / "a.js").write_text("\n".join([*lines, "const d = 'https://x'; // six", "  f(/[/] /); // 'seven'"]))
    assert modules.joined(tmp_path / "a.js").replace("\n", "") == (
        "const a = 'one // two';const b = `// ${a}`;const c = 8 / 2;const d = 'https://x';f(/[/] /);"
    )


def test_lines_are_joined_where_their_end_means_nothing(tmp_path):
    (tmp_path / "a.js").write_text(
        "const a = [\n  {\n    b: 1, // one\n  },\n];\nfunction f(x) {\n  return x\n    ? a\n      .map((y) => y)\n"
        "    : null;\n}\nclass C {}\nf(1);\nf(/'/, // not seen as a comment,\n  2,\n);\n"
    )
    assert modules.joined(tmp_path / "a.js") == (
        "const a = [{b: 1}];function f(x) {return x? a.map((y) => y): null;}\nclass C {}\nf(1);"
        "f(/'/, // not seen as a comment,\n2);"
    )


def test_code_behind_a_type_at_the_beginning_of_its_line_is_kept(tmp_path):
    lines = ["/** One line. */", "/** @type {A} */ (a).b();", "c();", "/**", " * Several lines.", " */", "d();"]
    (tmp_path / "a.js").write_text("\n".join(lines))
    assert modules.joined(tmp_path / "a.js") == "/** @type {A} */ (a).b();c();d();"


def test_two_modules_with_a_name_in_common_are_refused(tmp_path):
    (tmp_path / "a.js").write_text("import { b } from './b.js';\nconst [AIR, GAP] = [b, 1];\n")
    (tmp_path / "b.js").write_text("export const b = 1;\nfunction GAP() {}\n")
    with pytest.raises(ValueError, match=r"a\.js and b\.js both declare GAP; rename one of the two"):
        modules.joined(tmp_path / "a.js")


def test_modules_are_joined_after_what_they_import(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.js").write_text("// About a.\nimport { b } from './deep/b.js';\n\nexport const a = b + '// 1';")
    (tmp_path / "c.js").write_text("/** Said\n * twice. */\nexport const c = 3;\n")
    (tmp_path / "deep" / "b.js").write_text("import {\n  c,\n} from '../c.js';\nexport const b = c;\n")
    assert modules.joined(tmp_path / "a.js") == "const c = 3;const b = c;const a = b + '// 1';"
    (tmp_path / "c.js").write_text("import { a } from './a.js';\n")
    with pytest.raises(ValueError, match=r"a\.js imports itself by way of others"):
        modules.joined(tmp_path / "a.js")


@pytest.mark.parametrize(
    "line",
    ["import * as b from './b.js';", "import { b as c } from './b.js';", "export default 1;", "export { a };"],
)
def test_a_module_that_cannot_be_joined_is_refused(tmp_path, line):
    (tmp_path / "a.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=r"a\.js imports or exports in a way that cannot be joined"):
        modules.joined(tmp_path / "a.js")


def beside(folder, first="export const b = 1;\nexport const c = 2;\n", second="export const d = b + e;\n"):
    """What is joined beside a script of a.js and b.js: a module that takes b of it and has e to itself."""
    (folder / "a.js").write_text("import { b } from './b.js';\nexport const a = b;\n")
    (folder / "b.js").write_text(first)
    imports = "import { a } from './a.js';\nimport {\n  b,\n} from './b.js';\nimport { e } from './e.js';\n"
    (folder / "d.js").write_text(imports + second)
    (folder / "e.js").write_text("export const e = 3;\n")
    return modules.joined_beside(folder / "d.js", folder / "a.js")


def test_a_second_script_takes_the_first_ones_names_and_has_only_its_own_modules(tmp_path):
    assert beside(tmp_path) == ("const e = 3;const d = b + e;", ("a", "b"))


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("export const c = 1;\n", "", r"b\.js cannot hand out b"),
        ("export let b = 1;\n", "", r"b\.js cannot hand out b"),
        ("export const b = 1;\n", "const b = 2;\n", r"both declare b"),
        ("export const b = 1;\nconst d = 1;\n", "const d = 2;\n", r"both declare d"),
    ],
)
def test_a_second_script_that_could_not_run_is_refused(tmp_path, first, second, told):
    with pytest.raises(ValueError, match=told):
        beside(tmp_path, first, second)


def test_the_viewers_first_script_hands_out_all_that_the_second_takes():
    first, taken = script(), re.search(r"const \{ ([\w, ]+) \} = lent;", second_script())[1].split(", ")
    own = {SOURCE / "second.js", SOURCE / "views/cells.js", *(SOURCE / "views/closer").glob("*.js")}
    imported = {
        name
        for path in own
        for names, other in modules.IMPORT.findall(path.read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", names)
        if (path.parent / other).resolve() not in own
    }
    assert set(taken) == imported
    assert f"lent: {{ {', '.join(taken)} }}" in first
