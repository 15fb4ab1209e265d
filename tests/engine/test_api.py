"""The public names, shapes and NaN rules, and what bad input is told."""

from __future__ import annotations

import inspect
import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core.methods import spec
from clvs_core.pictures import read_picture
from tests import tiny
from tests.close import assert_close

PAIR = [clvs.Vanilla(), clvs.CLVS(beta=0.8, gamma=0.6, first_check=1)]


@pytest.fixture(scope="module")
def image(tiny_model):
    return tiny_model.open_image(tiny.picture())


@pytest.fixture(scope="module")
def runs(image):
    return image.ask("Is there a dog?", PAIR, 6, keep_logits=True)


def test_shapes_and_nan_rules(runs, tiny_model):
    vanilla, smoothed = (run.trace for run in runs)
    steps, shape = len(runs[1].tokens), (4, 4, 16)
    assert smoothed.attention.shape == smoothed.original.shape == (steps, *shape)
    assert smoothed.attention.dtype == np.float16
    assert smoothed.memory.shape == (steps, 4, 16)
    assert vanilla.memory is None
    assert vanilla.original is vanilla.attention
    assert np.isnan(vanilla.uncertainty).all()
    assert (vanilla.stop_layer == -1).all()
    assert runs[0].logits.shape == (len(runs[0].tokens), 260)
    assert runs[0].logits.dtype == np.float32
    for step, stop in enumerate(smoothed.stop_layer.tolist()):
        last = stop if stop >= 0 else tiny_model.layers - 1
        assert np.isfinite(smoothed.memory[step, : last + 1].astype(float)).all()
        assert np.isnan(smoothed.memory[step, last + 1 :].astype(float)).all()
        assert np.isnan(smoothed.uncertainty[step, 0])
        assert np.isfinite(smoothed.uncertainty[step, 1 : last + 1]).all()
        assert np.isnan(smoothed.uncertainty[step, last + 1 :]).all()
        if stop >= 0:
            assert smoothed.uncertainty[step, stop] < 0.6
            np.testing.assert_array_equal(smoothed.attention[step, stop + 1 :], smoothed.original[step, stop + 1 :])


def test_after_the_stop_rows_are_left_alone_and_before_it_they_are_not(runs):
    trace = runs[1].trace
    assert (trace.stop_layer >= 0).any()
    assert np.abs(trace.attention[:, 1].astype(float) - trace.original[:, 1].astype(float)).max() > 1e-3


def test_probabilities_are_the_softmax_of_the_logits(runs):
    for run in runs:
        shares = np.exp(run.logits - run.logits.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        assert [t.probability for t in run.tokens] == pytest.approx(shares.max(-1).tolist(), rel=1e-4)
        assert [t.id for t in run.tokens] == shares.argmax(-1).tolist()


def test_lens_measures_every_layer_and_changes_nothing(image, runs):
    read = image.ask("Is there a dog?", PAIR, 6, lens=True)
    for run, plain in zip(read, runs, strict=True):
        assert [t.id for t in run.tokens] == [t.id for t in plain.tokens]
        np.testing.assert_array_equal(run.trace.stop_layer, plain.trace.stop_layer)
        assert np.isfinite(run.trace.uncertainty).all()
        assert run.trace.lens_ids.shape == run.trace.lens_probabilities.shape == (len(run.tokens), 4, 3)
        assert len(run.trace.lens_words[0][0]) == 3
        assert plain.trace.lens_ids is None
        assert run.logits is None


def test_end_of_sequence_is_a_step_and_ends_one_branch_only(tiny_model, monkeypatch):
    image = tiny_model.open_image(tiny.picture())
    pair = [clvs.Vanilla(), clvs.CLVS(alpha=0, beta=0.9, gamma=0)]  # far enough from vanilla to say other things
    for question in ("Why?", "Is there a dog?", "What colour is it?", "Where is it?", "How many are there?"):
        ids = [[t.id for t in run.tokens] for run in image.ask(question, pair, 8)]
        ends = [i for i in ids[0][1:7] if i not in ids[1]]
        if ends:
            break
    monkeypatch.setattr(tiny_model, "end_ids", ends[:1])
    ended, other = image.ask(question, pair, 8)
    assert ended.finished
    assert ended.tokens[-1].id == ends[0]
    assert len(ended.tokens) == ids[0].index(ends[0]) + 1
    assert [t.id for t in other.tokens] == ids[1]
    assert not other.finished
    last = list(image.stream(question, pair, 8))[-1]
    assert last.tokens[0] is None
    assert last.tokens[1] is not None


def test_meta_says_what_was_run(runs):
    meta = runs[1].trace.meta
    assert meta["question"] == "Is there a dog?"
    assert meta["prompt"].count("<image>") == 1
    assert meta["method"] == spec(PAIR[1])
    assert (meta["layers"], meta["heads"], meta["threshold"], meta["first_check"]) == (4, 4, 0.6, 1)
    assert runs[0].trace.meta["threshold"] is None


def test_beta_and_first_check_come_from_the_card_and_the_depth(image):
    run = image.ask("Why?", [clvs.CLVS()], 1)[0]
    assert run.method == clvs.CLVS()
    assert run.trace.meta["method"] == "clvs:beta=0.8,first_check=3"


@pytest.mark.parametrize("lens", [False, True])
def test_a_trace_survives_saving(runs, image, tmp_path, lens):
    run = image.ask("Is there a dog?", PAIR, 3, lens=lens)[1]
    run.trace.save(tmp_path / "a.npz")
    read = clvs.Trace.load(tmp_path / "a.npz")
    for name in ("attention", "original", "memory", "uncertainty", "stop_layer"):
        np.testing.assert_array_equal(getattr(read, name), getattr(run.trace, name))
    assert read.views == run.trace.views
    assert read.meta == run.trace.meta
    assert read.lens_words == run.trace.lens_words


def test_a_vanilla_trace_shares_its_arrays_after_loading(runs):
    buffer = io.BytesIO()
    runs[0].trace.save(buffer)
    buffer.seek(0)
    read = clvs.Trace.load(buffer)
    assert read.original is read.attention
    assert read.memory is None


def hostile(trace, **changes):
    """A saved trace with some arrays replaced (None: left out)."""
    buffer = io.BytesIO()
    trace.save(buffer)
    buffer.seek(0)
    arrays = dict(np.load(buffer))
    arrays.update({k: v for k, v in changes.items() if v is not None})
    arrays = {k: v for k, v in arrays.items() if k not in changes or changes[k] is not None}
    out = io.BytesIO()
    np.savez(out, **arrays)
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": None},
        {"about": None},
        {"about": np.array("{")},
        {"about": np.array("[]")},
        {"about": np.array(json.dumps({"format": 1, "views": {}, "meta": {}}))},
        {"stop_layer": np.array([99, 0, 0, 0, 0, 0])},
        {"stop_layer": np.zeros(3, int)},
        {"uncertainty": np.full((6, 4), np.inf)},
        {"attention": np.full((6, 4, 4, 16), np.nan)},
        {"attention": np.zeros((6, 4, 4, 15), np.float16)},
        {"memory": np.array([[object()]], dtype=object)},
        {"extra": np.zeros(3)},
        {"attention": -np.ones((6, 4, 4, 16))},
        {"about": np.array("[" * 100_000)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_hostile_traces_are_refused_in_one_sentence(runs, changes):
    with pytest.raises(clvs.ClvsError, match="not a CLVS trace"):
        clvs.Trace.load(hostile(runs[1].trace, **changes))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello" * 100, b"\x93NUMPY"])
def test_files_that_are_no_traces(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(clvs.ClvsError, match="not a CLVS trace"):
        clvs.Trace.load(tmp_path / "x.npz")
    with pytest.raises(clvs.ClvsError, match="no trace file"):
        clvs.Trace.load(tmp_path / "none.npz")


@pytest.mark.parametrize("question", ["", "  \n", None, 3])
def test_an_empty_question(image, question):
    with pytest.raises(clvs.QuestionError):
        image.ask(question, PAIR)


def test_a_question_that_is_too_long_or_names_the_placeholder(image):
    with pytest.raises(clvs.QuestionError, match="shorten it"):
        image.ask("dog " * 300, PAIR)
    with pytest.raises(clvs.QuestionError, match="<image>"):
        image.ask("What is <image>?", PAIR)


def test_wrong_arguments(image):
    for methods in ([], ["clvs"], [clvs.CLVS], clvs.CLVS()):
        with pytest.raises(ValueError, match="methods"):
            image.ask("Why?", methods)
    for count in (0, -1, 1.5, True, "4"):
        with pytest.raises(ValueError, match="max_new_tokens"):
            image.ask("Why?", PAIR, count)
    with pytest.raises(ValueError, match="first_check"):
        image.ask("Why?", [clvs.CLVS(first_check=4)])


def test_unicode_and_multibyte_questions(image):
    run = image.ask("Où est l'été 🐶 à 東京?", [clvs.Vanilla()], 5)[0]
    assert len(run.tokens) == 5
    assert "".join(t.text for t in run.tokens) == run.text or "�" in run.text


def as_file(tmp_path, picture, name, **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


def test_pictures_of_every_kind_open_upright(tiny_model, tmp_path):
    rgb = Image.fromarray(tiny.picture(4, 40, 56))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    turned = tiny_model.open_image(as_file(tmp_path, rgb, "turned.jpg", exif=exif))
    assert (turned.width, turned.height) == (40, 56)
    for mode in ("L", "P", "RGBA", "LA", "CMYK", "1"):
        name = f"{mode}.tiff" if mode == "CMYK" else f"{mode}.png"
        assert tiny_model.open_image(as_file(tmp_path, rgb.convert(mode), name)).width == 56
    deep = Image.fromarray(np.arange(56 * 40, dtype=np.uint16).reshape(40, 56) * 20)
    assert tiny_model.open_image(as_file(tmp_path, deep, "deep.png")).height == 40
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    white = np.full((40, 40, 3), 255, np.uint8)
    assert tiny_model.open_image(clear) is tiny_model.open_image(white)


@pytest.mark.parametrize(
    "picture",
    [
        "missing.png",
        3,
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 300, 3), np.uint8),
    ],
    ids=repr,
)
def test_unusable_pictures(tiny_model, picture):
    with pytest.raises(clvs.ImageError) as told:
        tiny_model.open_image(picture)
    assert str(told.value).endswith(".")


@pytest.mark.parametrize(("size", "words"), [((3000, 10), "crop it"), ((12000, 12000), "make it smaller")])
def test_a_picture_of_impossible_size_is_told_its_size_and_nothing_else(tiny_model, tmp_path, size, words, recwarn):
    Image.new("1", size).save(tmp_path / "big.png")
    with pytest.raises(clvs.ImageError, match=words) as told:
        tiny_model.open_image(tmp_path / "big.png")
    assert "damaged" not in str(told.value)
    assert not recwarn.list


def test_a_trace_whose_header_promises_more_than_the_file_holds(runs, tmp_path):
    runs[1].trace.save(tmp_path / "a.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": (10**13, 1)})
    with zipfile.ZipFile(tmp_path / "a.npz") as good, zipfile.ZipFile(tmp_path / "b.npz", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, header.getvalue() if name == "attention.npy" else good.read(name))
    with pytest.raises(clvs.ClvsError, match="size is not what it says"):
        clvs.Trace.load(tmp_path / "b.npz")


@pytest.mark.parametrize("meta", [{"method": ["x"]}, {"threshold": "high"}, {"tokens": 7}, {"tokens": [[1, 2, 3]]}, []])
def test_notes_of_the_wrong_kind(runs, meta):
    buffer = io.BytesIO()
    runs[1].trace.save(buffer)
    buffer.seek(0)
    about = json.loads(str(np.load(buffer)["about"][()]))
    with pytest.raises(clvs.ClvsError, match="not a CLVS trace"):
        clvs.Trace.load(hostile(runs[1].trace, about=np.array(json.dumps({**about, "meta": meta}))))


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's own, of damaged TIFF
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_randomly_damaged_pictures_never_escape_as_other_errors(tmp_path, kind):
    good = io.BytesIO()
    Image.fromarray(tiny.picture(4, 64, 64)).save(good, kind)
    rng, refused = np.random.default_rng(0), 0
    for _ in range(60):
        bytes_ = np.frombuffer(good.getvalue(), np.uint8).copy()
        where = rng.integers(0, len(bytes_), 12)
        bytes_[where] = rng.integers(0, 256, 12)
        (tmp_path / "x").write_bytes(bytes_[: rng.integers(1, len(bytes_) + 1)].tobytes())
        try:
            read_picture(tmp_path / "x")
        except clvs.ImageError:
            refused += 1
    assert refused > 5


def test_broken_files(tiny_model, tmp_path):
    good = io.BytesIO()
    Image.fromarray(tiny.picture(4, 200, 200)).save(good, "PNG")
    for name, content in {"a.png": b"nothing", "b.png": good.getvalue()[:300], "c.svg": b"<svg/>"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(clvs.ImageError):
            tiny_model.open_image(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/no/such/folder",), "no model folder"),
        (("scenes", "int3"), "dtype"),
        (("scenes", "auto", "tpu"), "device"),
        (("scenes", "auto", "cuda:9"), "GPU"),
        (("scenes", "auto", "cpu", "3bit"), "quantization"),
    ],
)
def test_models_that_cannot_be_loaded(arguments, words):
    with pytest.raises(clvs.ModelError, match=words):
        clvs.load_model(*arguments)


def test_a_model_of_another_kind(tmp_path):
    from transformers import LlamaConfig

    LlamaConfig(vocab_size=8, hidden_size=8, num_attention_heads=2).save_pretrained(tmp_path)
    tiny.llava_processor().save_pretrained(tmp_path)
    with pytest.raises(clvs.ModelError, match="'llama'"):
        clvs.load_model(tmp_path)


@pytest.mark.parametrize(
    "text", [{"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0, "alpha": 9.0}}], ids=str
)
def test_positions_that_cannot_be_unified(tmp_path, text):
    tiny.llava_config(**text).save_pretrained(tmp_path)
    tiny.llava_processor().save_pretrained(tmp_path)
    with pytest.raises(clvs.ModelError, match="rotary"):
        clvs.load_model(tmp_path)


def test_the_cache_goes_by_the_name_that_the_library_has(tiny_folder, monkeypatch):
    """transformers 5.10 says past_key_values, 5.24 takes both and warns, 5.40 only takes cache."""
    model = clvs.load_model(tiny_folder)
    expected = model.open_image(tiny.picture()).ask("Why?", PAIR[:1], 2)[0]
    forward = model.hf.model.forward

    def old(input_ids=None, pixel_values=None, past_key_values=None, **others):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return forward(input_ids=input_ids, pixel_values=pixel_values, past_key_values=past_key_values, **others)

    def new(input_ids=None, pixel_values=None, cache=None, **others):
        name = "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"
        return forward(input_ids=input_ids, pixel_values=pixel_values, **{name: cache}, **others)

    for version in (old, new):
        monkeypatch.setattr(model.hf.model, "forward", version)
        model.cache.clear()
        run = model.open_image(tiny.picture()).ask("Why?", PAIR[:1], 2)[0]
        assert_close(run.trace.attention, expected.trace.attention)
