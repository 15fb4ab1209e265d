"""Streaming, stopping, sharing one model, and what is kept in memory."""

from __future__ import annotations

import gc
import itertools
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, ModelError, Vanilla, load_model, method
from clvs_core.engine import branches, editing
from clvs_core.engine import decode as decode_module
from clvs_core.engine import questions as packs
from clvs_core.engine.cache import ImageCache
from clvs_core.engine.model import Model
from clvs_core.engine.runs import RunLog
from tests import tiny
from tests.close import assert_close
from tests.engine.test_families import built

METHODS = [Vanilla(), CLVS(beta=0.7, gamma=0.5, first_check=1)]


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.hf.modules())


def same(run, other):
    assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
    assert_close(run.trace.attention, other.trace.attention)
    assert_close(run.trace.uncertainty, other.trace.uncertainty)


def test_stream_gives_the_same_as_ask_token_by_token(tiny_model):
    image = tiny_model.open_image(tiny.picture())
    whole = image.ask("Why?", METHODS, 6, lens=True)
    steps = list(image.stream("Why?", METHODS, 6, lens=True))
    assert [step.index for step in steps] == list(range(len(steps)))
    for count, step in enumerate(steps, 1):
        assert [len(run.tokens) for run in step.runs] == [min(count, len(run.tokens)) for run in whole]
        assert all(token is None or token == run.tokens[-1] for token, run in zip(step.tokens, step.runs, strict=True))
    for run, other in zip(steps[-1].runs, whole, strict=True):
        same(run, other)
        assert run.text == other.text
    said = "".join(token.text for token in whole[0].tokens).strip()
    assert whole[0].text.rstrip("\ufffd").startswith(said), "bytes of an unfinished character are held back"


EVERY = [
    VCD(),
    TARAC(layers=(1, 2)),
    ADHH(heads=((2, 1),)),
    method("pai+clvs"),
    CLVS(beta=0.7, first_check=1),
    Vanilla(),
]


def test_what_each_step_adds_makes_the_same_runs_in_another_process(tiny_model):
    image = tiny_model.open_image(tiny.picture())
    logs = [RunLog(method, image.views, 6) for method in EVERY]
    for step in image.stream("Why?", EVERY, 6, keep_logits=True, lens=True):
        for log, new in zip(logs, pickle.loads(pickle.dumps(step.additions)), strict=True):
            log.append(new)
        for log, run in zip(logs, step.runs, strict=True):
            identical(log.run(len(log.tokens)), run)


def test_what_a_step_adds_does_not_grow_with_the_answer(tiny_model):
    steps = list(tiny_model.open_image(tiny.picture()).stream("Why?", METHODS, 24, lens=True))
    assert len(pickle.dumps(steps[-1].additions)) < 1.2 * len(pickle.dumps(steps[0].additions))
    first, last = (pickle.dumps([run.trace for run in steps[at].runs]) for at in (0, -1))
    assert len(last) > 8 * len(first)


def test_what_is_reserved_grows_with_the_answer_and_not_with_what_it_may_be(tiny_model):
    """32,000 possible tokens of a 7B model would be 60 GiB at the first."""
    image = tiny_model.open_image(tiny.picture())
    expected = image.ask("Why?", EVERY, 80, keep_logits=True, lens=True)
    logs = [RunLog(method, image.views, 32_000) for method in EVERY]
    kept = {}
    for step in image.stream("Why?", EVERY, 80, keep_logits=True, lens=True):
        for log, new in zip(logs, step.additions, strict=True):
            if new is not None:
                log.append(new)
        if step.index in (0, 31, 32):
            kept[step.index] = logs[0].run(step.index + 1)
        for log in (*logs, *step._logs):
            assert max(map(len, log.arrays.values())) <= max(branches.ROOM, 2 * len(log.tokens))
    for log, run in zip(logs, expected, strict=True):
        same(log.run(len(run.tokens)), run)
    for index, run in kept.items():
        assert_close(run.trace.attention, expected[0].trace.attention[: index + 1])


def test_a_branch_that_had_finished_adds_nothing(tiny_model, monkeypatch):
    image = tiny_model.open_image(tiny.picture())
    first = image.ask("Why?", [Vanilla()], 1)[0].tokens[0].id
    monkeypatch.setattr(tiny_model, "end_ids", [first])
    other = CLVS(alpha=0.1, first_check=1)
    assert image.ask("Why?", [other], 1)[0].tokens[0].id != first
    one, two = itertools.islice(image.stream("Why?", [Vanilla(), other], 4), 2)
    assert [new.finished for new in one.additions] == [True, False]
    assert two.additions[0] is None
    assert two.additions[1].token == two.tokens[1]


def identical(run, other):
    """Every field the same, arrays bit for bit."""
    for name in ("method", "text", "tokens", "finished"):
        assert getattr(run, name) == getattr(other, name)
    np.testing.assert_array_equal(run.logits, other.logits)
    for name, value in vars(other.trace).items():
        found = getattr(run.trace, name)
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.tobytes()) == (value.dtype, value.tobytes()), name
        else:
            assert found == value, name
    assert (run.trace.original is run.trace.attention) == (other.trace.original is other.trace.attention)


def test_an_earlier_step_keeps_what_it_showed(tiny_model):
    stream = tiny_model.open_image(tiny.picture()).stream("Why?", METHODS, 6)
    first, second = next(stream), next(stream)
    assert [len(run.tokens) for run in first.runs] == [1, 1]
    assert len(second.runs[0].trace.attention) == 2


def test_two_interleaved_streams_do_not_mix(tiny_model):
    images = [tiny_model.open_image(tiny.picture(seed)) for seed in (1, 2)]
    expected = [image.ask("What is it?", METHODS, 8) for image in images]
    streams = [image.stream("What is it?", METHODS, 8) for image in images]
    last = {}
    for a, b in zip(*streams, strict=False):
        last = {0: a.runs, 1: b.runs}
    for index, runs in last.items():
        for run, other in zip(runs, expected[index], strict=True):
            assert_close(run.trace.attention, other.trace.attention[: len(run.tokens)])


def test_threads_do_not_mix(tiny_model):
    questions = ["Why?", "Is there a dog?", "What colour is it, and how many are there?"]
    image = tiny_model.open_image(tiny.picture(3))
    expected = [image.ask(q, METHODS, 4) for q in questions]
    found = {}

    def work(index):
        for _ in range(3):
            found[index] = image.ask(questions[index], METHODS, 4)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, runs in found.items():
        for run, other in zip(runs, expected[index], strict=True):
            same(run, other)


def test_closing_a_stream_frees_everything_it_held(tiny_model, monkeypatch):
    alive = []
    original = decode_module.BranchBatch

    class Watched(original):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            alive.extend([weakref.ref(self), weakref.ref(self.own[0].keys)])

    monkeypatch.setattr(decode_module, "BranchBatch", Watched)
    before = hooks(tiny_model)
    stream = tiny_model.open_image(tiny.picture()).stream("Why?", METHODS, 8)
    next(stream)
    assert len(alive) == 2
    assert all(ref() is not None for ref in alive)
    stream.close()
    gc.collect()
    assert all(ref() is None for ref in alive)
    assert hooks(tiny_model) == before
    assert next(iter(stream), None) is None


def test_an_ordinary_call_of_the_model_is_untouched(tiny_model):
    """Without a tree the registered function is transformers' own, bit for bit, masks included."""
    inputs = tiny_model.processor(
        text=["<image>Why?", "<image>What is on the left side?"],
        images=[tiny.picture(1), tiny.picture(2)],
        return_tensors="pt",
        padding=True,
    )
    ours = tiny_model.hf(**inputs).logits
    tiny_model.hf.set_attn_implementation({"text_config": "sdpa"})
    stock = tiny_model.hf(**inputs).logits
    tiny_model.hf.set_attn_implementation({"text_config": "clvs_tree"})
    assert (inputs["attention_mask"] == 0).any(), "nothing is padded, so the mask is not proven"
    assert (ours == stock).all()


def test_the_same_picture_is_encoded_once(tiny_model):
    image = tiny_model.open_image(tiny.picture(5))
    assert tiny_model.open_image(tiny.picture(5)) is image
    assert tiny_model.open_image(tiny.picture(6)) is not image


class Sized:
    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_the_cache_forgets_the_least_recently_used_picture_first():
    cache = ImageCache(100)
    for key in "ab":
        cache.put(key, Sized(40))
    cache.get("a")
    cache.put("c", Sized(40))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    cache.put("huge", Sized(1000))
    assert len(cache) == 1, "the latest picture stays even when it is over the budget"
    assert cache.get("huge") is not None


def test_a_question_already_run_is_not_run_again(tiny_model, monkeypatch):
    image = tiny_model.open_image(tiny.picture(7))
    before = image.nbytes
    image.ask("Why?", METHODS, 1)
    assert image.nbytes > before
    calls = []
    forward = tiny_model.hf.get_decoder().forward
    monkeypatch.setattr(tiny_model.hf.get_decoder(), "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    image.ask("Why?", METHODS, 1)
    assert len(calls) == 1, "one pass for the branches, none for the question"


@pytest.mark.parametrize("count", [1, 3])
def test_many_questions_give_lists_of_runs(tiny_model, count):
    image = tiny_model.open_image(tiny.picture())
    questions = ["Why?", "Is there a dog?", "Why?"][:count]
    answers = image.ask(questions, METHODS, 3)
    assert len(answers) == count
    for question, runs in zip(questions, answers, strict=True):
        alone = image.ask(question, METHODS, 3)
        assert [r.text for r in runs] == [r.text for r in alone]
        assert [r.method for r in runs] == METHODS
    assert image.ask([], METHODS) == []


def test_an_answer_longer_than_the_reserved_room(tiny_model, monkeypatch):
    image = tiny_model.open_image(tiny.picture())
    expected = image.ask("Why?", METHODS, 9, keep_logits=True)
    monkeypatch.setattr(branches, "ROOM", 4)
    found = image.ask("Why?", METHODS, 9, keep_logits=True)
    for run, other in zip(found, expected, strict=True):
        same(run, other)
    assert len(found[1].tokens) == 9


def test_a_prompt_with_a_single_token_after_the_picture(tiny_folder, monkeypatch):
    model = load_model(tiny_folder)
    short = "{{ '<s>' }}<image>{{ messages[0]['content'][1]['text'] }}"
    monkeypatch.setattr(model.processor, "chat_template", short)
    image = model.open_image(tiny.picture())
    alone = image.ask("x", METHODS, 3, keep_logits=True)
    beside = image.ask(["What?", "x"], METHODS, 3, keep_logits=True)[1]
    for run, other in zip(alone, beside, strict=True):
        assert np.abs(run.logits - other.logits).max() < 1e-5 * other.logits.std()


def test_more_questions_than_one_pack_holds(tiny_model, monkeypatch):
    image = tiny_model.open_image(tiny.picture(8))
    questions = [f"Is there a thing number {i}?" for i in range(5)]
    together = image.ask(questions, [Vanilla()], 2, keep_logits=True)
    image.tree.forget()
    monkeypatch.setattr(packs, "PACK", 40)
    packed = image.ask(questions, [Vanilla()], 2, keep_logits=True)
    for (a,), (b,) in zip(together, packed, strict=True):
        assert np.abs(a.logits - b.logits).max() < 1e-5 * a.logits.std()


EDITED = [VAF(layers=(0, 3)), VAR(dims=(1, 2), tau=1), method("vaf:layers=0-3+clvs:beta=0.7,first_check=1"), Vanilla()]


@pytest.mark.parametrize("methods", [METHODS, EDITED], ids=["as they are", "edited"])
@pytest.mark.parametrize("family", ["llava", "gemma3_narrow"])
def test_a_long_question_meets_its_keys_some_rows_at_a_time(family, methods, monkeypatch):
    """Scores of all rows at once grow with the square of the question; the answer does not depend on it."""
    model = built(family, torch.float64)
    image = model.open_image(tiny.picture(8))
    questions = ["Is there a dog, " + "or a cat, " * 12 + "here?", "Why?"]
    together = image.ask(questions, methods, 3, keep_logits=True)
    image.tree.forget()
    widest = []

    def watched(scores, softmax=packs.softmax_rows):
        widest.append(scores.numel() * scores.element_size())
        return softmax(scores)

    for module in (packs, editing):
        monkeypatch.setattr(module, "softmax_rows", watched)
    monkeypatch.setattr(packs, "PACK_BYTES", 8 * model.heads * (image.segment.length + 200) * 8)
    bounded = image.ask(questions, methods, 3, keep_logits=True)
    assert len(widest) > 5 * model.layers
    assert max(widest) <= packs.PACK_BYTES
    for runs, others in zip(bounded, together, strict=True):
        for run, other in zip(runs, others, strict=True):
            assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
            assert np.abs(run.logits - other.logits).max() < 1e-9 * run.logits.std()
            assert np.abs(run.trace.attention - other.trace.attention).max() < 1e-9


@pytest.mark.parametrize("methods", [METHODS, EDITED], ids=["as they are", "edited"])
def test_a_long_question_costs_memory_by_its_length(tiny_model, monkeypatch, methods):
    """Whatever it is that grows with the square: scores, masks, what VAR reads of every row's keys in every layer."""
    image = tiny_model.open_image(tiny.picture(8))
    resolved = [m.resolve(tiny_model.target).on_questions() for m in methods]
    for reading in filter(None, (m and m.reading() for m in resolved)):
        image._read(reading, "chat")
    monkeypatch.setattr(packs, "PACK_BYTES", 1 << 18)
    peaks = []
    for length in (500, 1000):
        with Live() as live:
            for edits in resolved:
                packs.question_segments(tiny_model.hf, image.segment, [packs.Tail((5,) * length, edits)])
        peaks.append(live.peak)
    assert peaks[1] < 2.3 * peaks[0]


class Live(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at once."""

    def __init__(self):
        super().__init__()
        self.held, self.peak = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, torch.Tensor) and (storage := one.untyped_storage())._cdata not in self.held:
                self.held[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, self.held.pop, storage._cdata, None)
        self.peak = max(self.peak, sum(self.held.values()))
        return made


# --- one transformers model, several who use it ---------------------------------------------------------


SINKING = [Vanilla(), VAR(dims=(1, 2), tau=1), CLVS(beta=0.7, first_check=1), PAI(), VCD()]


def test_two_models_on_one_transformers_model_answer_as_one_does(tiny_folder):
    first = load_model(tiny_folder)
    expected = first.open_image(tiny.picture()).ask("Why?", SINKING, 4)
    assert expected[1].trace.sinks.any()
    before = hooks(first)
    second = Model(first.hf, first.processor, first.card)
    assert hooks(first) == before
    for model in (second, first):
        model.cache.clear()
        for run, other in zip(model.open_image(tiny.picture()).ask("Why?", SINKING, 4), expected, strict=True):
            same(run, other)
            for name in ("sinks", "acted_heads"):
                assert np.array_equal(getattr(run.trace, name), getattr(other.trace, name))


def test_they_may_answer_at_once(tiny_folder):
    first = load_model(tiny_folder)
    models = [first, Model(first.hf, first.processor, first.card)]
    pictures = [tiny.picture(seed) for seed in range(4)]
    expected = [first.open_image(picture).ask("Why?", SINKING, 4) for picture in pictures]
    first.cache.clear()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: models[n % 2].open_image(pictures[n]).ask("Why?", SINKING, 4), range(4))
        for runs, others in zip(found, expected, strict=True):
            for run, other in zip(runs, others, strict=True):
                same(run, other)


def test_another_attention_set_since_is_told_and_not_answered_through(tiny_folder):
    """Eager or SDPA attention would leave what is recorded as it lay in memory."""
    model = load_model(tiny_folder)
    image = model.open_image(tiny.picture())
    expected = image.ask("Why?", METHODS, 2)
    stream = image.stream("Why?", METHODS, 4)
    next(stream)
    model.hf.set_attn_implementation("eager")
    told = "attention was set to 'eager' since it was loaded; set it back with"
    for ask in (
        lambda: next(stream),
        lambda: image.ask("Why?", METHODS, 2),
        lambda: image.ask("Who?", METHODS, 2),
        lambda: model.open_image(tiny.picture(5)).ask("Who?", METHODS, 2),
    ):
        with pytest.raises(ModelError, match=told):
            ask()
    model.hf.set_attn_implementation({"text_config": "clvs_tree"})
    for run, other in zip(image.ask("Why?", METHODS, 2), expected, strict=True):
        same(run, other)
