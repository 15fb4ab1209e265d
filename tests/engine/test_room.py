"""When memory runs out: the kept pictures go, the work is done once more, and what still fails is one sentence."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from clvs_core import CLVS, PAI, TARAC, VAR, VCD, Vanilla, load_model
from clvs_core.engine.cache import ImageCache
from clvs_core.engine.images import EncodedImage
from clvs_core.engine.room import Room, ran_out
from clvs_core.errors import ClvsError, OutOfMemory
from clvs_core.models import memory
from tests import tiny
from tests.close import assert_close
from tests.engine.test_streams import Sized, same

METHODS = [Vanilla(), CLVS(beta=0.7, gamma=0.5, first_check=1), VCD(), PAI(), VAR(dims=(1, 2), tau=1), TARAC()]
SHORT = {
    "cuda": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18.1 GB)."),
    "numpy": MemoryError("Unable to allocate 3.1 GiB for an array"),
}


@pytest.fixture
def model(tiny_folder):
    return load_model(tiny_folder)


def fail(monkeypatch, place, name, error, times, skip=0):
    """Makes a function raise `error` for `times` calls after the first `skip`; returns the list of its calls."""
    calls, works = [], getattr(place, name)

    def wrapped(*args, **options):
        calls.append(1)
        if skip < len(calls) <= skip + times:
            raise error
        return works(*args, **options)

    monkeypatch.setattr(place, name, wrapped)
    return calls


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT)
def test_an_image_pass_is_tried_again_without_the_other_pictures(model, monkeypatch, error):
    others = [model.open_image(tiny.picture(seed)) for seed in range(3)]
    fail(monkeypatch, model, "look", error, 1)
    image = model.open_image(tiny.picture(9))
    assert len(model.cache) == 1
    assert model.open_image(tiny.picture(9)) is image
    assert others[0].ask("Why?", [Vanilla()], 1), "who still holds one can go on asking it"


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("token", [0, 1, 3])
def test_a_token_is_computed_again_as_if_nothing_had_happened(model, monkeypatch, token, layer):
    """Whatever was done of it before memory ran out, in a layer's middle: edits, readings, contrasts, own keys."""
    questions = ["Why?", "Is there a dog?"]
    expected = model.open_image(tiny.picture()).ask(questions, METHODS, 5, keep_logits=True, lens=True)
    image = model.open_image(tiny.picture(2))
    image.ask(questions, METHODS, 5)  # question segments are there, so that only tokens run
    image = model.open_image(tiny.picture())
    model.open_image(tiny.picture(2))
    mlp = model.hf.get_decoder().layers[layer].mlp
    calls = fail(monkeypatch, mlp, "forward", SHORT["cuda"], 1, skip=token)
    found = image.ask(questions, METHODS, 5, keep_logits=True, lens=True)
    assert len(calls) > 5
    assert len(model.cache) == 0
    for runs, others in zip(found, expected, strict=True):
        for run, other in zip(runs, others, strict=True):
            same(run, other)
            assert_close(run.logits, other.logits)


def test_own_keys_that_could_not_grow_grow_at_the_second_try(model, monkeypatch):
    from clvs_core.engine import branches

    expected = model.open_image(tiny.picture()).ask("Why?", METHODS, 9)
    monkeypatch.setattr(branches, "ROOM", 4)
    for grown in (1, 2, model.layers + 1):
        image = model.open_image(tiny.picture())
        with monkeypatch.context() as patch:
            fail(patch, branches.SharedKeys, "grown", SHORT["cpu"], 1, skip=grown)
            for run, other in zip(image.ask("Why?", METHODS, 9), expected, strict=True):
                same(run, other)


@pytest.mark.parametrize("part", ["question", "token", "picture"])
def test_what_fails_twice_is_one_sentence_and_the_model_goes_on(model, monkeypatch, part):
    image = model.open_image(tiny.picture())
    expected = image.ask("Why?", METHODS, 2)
    with monkeypatch.context() as patch:
        if part == "picture":
            fail(patch, model, "look", SHORT["cuda"], 2)
        else:
            skip = 0 if part == "question" else 1
            fail(patch, model.hf.get_decoder().layers[0].mlp, "forward", SHORT["cuda"], 9, skip)
        with pytest.raises(
            OutOfMemory, match=r"^Memory ran out .* has [\d.]+ GB in all\); ask with fewer .*\.$"
        ) as caught:
            model.open_image(tiny.picture(5)).ask("And why?" if part == "question" else "Why?", METHODS, 2)
    assert isinstance(caught.value, ClvsError)
    for run, other in zip(model.open_image(tiny.picture()).ask("Why?", METHODS, 2), expected, strict=True):
        same(run, other)


def test_other_errors_are_not_tried_again(model, monkeypatch):
    image = model.open_image(tiny.picture())
    calls = fail(monkeypatch, model.hf.get_decoder().layers[0].mlp, "forward", RuntimeError("shapes differ"), 1)
    with pytest.raises(RuntimeError, match="shapes differ"):
        image.ask("Why?", METHODS, 2)
    assert len(calls) == 1
    assert len(model.cache) == 1
    assert not ran_out(ValueError("out of memory"))


def test_the_first_try_holds_nothing_during_the_second(model):
    """The error's frames refer to all that was computed so far, which is what there is no room for."""
    held = []

    def work():
        if held:
            gc.collect()
            return held[0]() is None
        tensor = torch.zeros(10)
        held.append(weakref.ref(tensor))
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    assert model.room.within(work) is True


def test_kept_pictures_leave_room_for_the_next_one():
    """The budget follows what is free now: held bytes give way when something else takes the memory."""
    free = [1000]
    cache = ImageCache(10**6, lambda: free[0])
    for key in range(5):
        cache.put(key, Sized(40))
    assert len(cache) == 5
    free[0] = -100  # two pictures and a half too many
    cache.trim()
    assert len(cache) == 2
    assert cache.get(4) is not None
    free[0] = -1000
    cache.put(5, Sized(40))
    assert len(cache) == 1, "the latest picture stays"


def gpus(monkeypatch, *free):
    each = [memory.Place(f"cuda:{i}", f"GPU {i}", int(f * 1e9), 16 * 10**9) for i, f in enumerate(free)]
    monkeypatch.setattr(memory, "places", lambda device: [each[int(device.partition(":")[2] or 0)]])


class Spread:
    """A model with parameters on several devices, as far as `Room` looks."""

    def __init__(self, hf, devices):
        self.hf, self.devices = hf, devices

    def __getattr__(self, name):
        return getattr(self.hf, name)

    def parameters(self):
        for device in self.devices:
            yield type("Parameter", (), {"device": torch.device(device), "numel": lambda self: 1000})()


@pytest.mark.parametrize(
    ("devices", "free", "spare"),
    [(["cuda:0"], [1.5], 1.5), (["cuda:0", "cuda:1"], [3.0, 1.0], 2.0), (["cuda:0", "meta"], [1.0], 1.0)],
)
def test_what_is_spare_on_gpus(model, monkeypatch, devices, free, spare):
    gpus(monkeypatch, *free)
    room = Room(Spread(model.hf, devices), 576, lambda: None)
    assert room.reserve > memory.WORKING
    assert room.spare() == int(spare * 1e9) - room.reserve


def test_a_model_on_a_small_gpu_keeps_what_fits(model, monkeypatch):
    """LLaVA-1.5-7B on a 16 GB card: 1.2 GB are left, of which a picture being asked takes up to 1.0."""
    size = 80 * 10**6
    monkeypatch.setattr(EncodedImage, "nbytes", size)

    def places(device):
        return [memory.Place("cuda:0", "GPU 0", int(1.2e9) - size * len(model.cache), 16 * 10**9)]

    monkeypatch.setattr(memory, "places", places)
    model.room.reserve = 10**9
    for seed in range(6):
        model.open_image(tiny.picture(seed))
    assert len(model.cache) == 2


# --- how much is kept, and for how long -------------------------------------------------------------------------------


def test_what_is_kept_for_a_picture_is_counted_as_it_is_held(model):
    image = model.open_image(tiny.picture())
    image.ask("Is there a dog?", METHODS, 2)
    held = [image.segment, *image.tree._questions.values()]
    for contrast in image._contrasts.values():
        held += [contrast.segment, *contrast._questions.values()]
    tensors = {x.data_ptr(): x.nbytes for part in held for x in _tensors(part) if x.nbytes}
    pixels = 4 * image.width * image.height  # Pillow takes four bytes for three
    assert image.nbytes >= sum(tensors.values()) + pixels
    assert image.nbytes == pytest.approx(sum(tensors.values()) + pixels, rel=0.02)


def _tensors(part):
    read = part.readings
    rows = [row for rows in read.values() for row in rows] if isinstance(read, dict) else read
    return [*part.keys, *part.values, part.unified, *rows]


@pytest.mark.parametrize(("weights", "budget"), [(32e6, 256 << 20), (1e9, int(1e9)), (14e9, 2 << 30)])
def test_a_small_model_keeps_few_pictures(tiny_folder, monkeypatch, weights, budget):
    class Weighed:
        nbytes = int(weights)

    loaded = load_model(tiny_folder)
    monkeypatch.setattr(type(loaded.hf), "parameters", lambda self, recurse=True: iter([Weighed()]))
    monkeypatch.setattr(
        "clvs_core.engine.checkpoint.Room", lambda *args: type("Beside", (), {"spare": lambda self: 0})()
    )
    assert type(loaded)(loaded.hf, loaded.processor, loaded.card).cache.budget == budget
    assert type(loaded)(loaded.hf, loaded.processor, loaded.card, cache_bytes=7).cache.budget == 7


def test_a_picture_is_forgotten_behind_every_prompt(model):
    first, other = (model.open_image(tiny.picture(seed)) for seed in range(2))
    model.cache.put((first.key[0], "another prompt"), first)
    model.forget(first.key[0])
    assert model.cache.get(first.key) is None
    assert len(model.cache) == 1
    assert model.cache.get(other.key) is other
    model.forget("no such picture")
    assert len(model.cache) == 1


def test_a_picture_may_be_forgotten_at_any_moment(model):
    """A finalizer runs wherever Python collects garbage, also in the middle of the cache's own work."""
    first = model.open_image(tiny.picture(0))
    with model.cache._lock:
        model.forget(first.key[0])
        assert len(model.cache) == 1, "later, since somebody is at work"
    model.open_image(tiny.picture(1))
    assert len(model.cache) == 1
    assert model.cache.get(first.key) is None
