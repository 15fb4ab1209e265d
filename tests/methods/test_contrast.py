"""VCD and PAI against two streams of the stock model, run one after the other and put together by hand, in float64.

Both streams hear the same chosen word at every step. Everything is recomputed for every word: no cache, no tree.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from PIL import Image

from clvs_core import CLVS, PAI, VCD, ModelError, Vanilla
from clvs_core.engine.branches import BranchBatch
from clvs_core.methods import Combine, Editor, Method, MethodError, spec
from tests import tiny
from tests.close import assert_close

from ..engine.reference import Row, StockReference
from ..engine.test_families import PICTURE
from .reference import contrasted, kept_share
from .test_methods_literal import FAMILIES, QUESTIONS, STEPS, assert_equal, double

METHODS = [
    VCD(),
    VCD(alpha=0.6, beta=0.02, noise_step=999, seed=7),
    VCD(alpha=0.5, beta=0, noise_step=300, seed=7),
    VCD(alpha=2, beta=0, noise_step=999, seed=7),
    PAI(alpha=0, gamma=1.5),
    PAI(alpha=0, gamma=3),
    PAI(alpha=0.5, gamma=1.1),
    PAI(alpha=1.5, gamma=2.5, start_layer=0),
]
CHECKED = [(method, i % 2) for i, method in enumerate(METHODS)]  # each on one of the two questions


class Stream:
    """One prompt in the stock model with transformers' own attention."""

    def __init__(self, hf, inputs):
        self.hf = hf
        self.inputs = {k: v.to(hf.dtype) if v.is_floating_point() else v for k, v in inputs.items()}

    def step(self) -> Row:
        """The logits of the word to come, in `seen`."""
        if hasattr(self.hf.model, "rope_deltas"):
            self.hf.model.rope_deltas = None  # as in a model that has seen no other prompt
        before = self.hf.config.get_text_config()._attn_implementation
        self.hf.set_attn_implementation({"text_config": "sdpa"})
        with torch.no_grad():
            logits = self.hf(**self.inputs, use_cache=False).logits[0, -1].numpy()
        self.hf.set_attn_implementation({"text_config": before})
        return Row(seen=logits)

    def append(self, token: int) -> None:
        for name, new in {"input_ids": token, "attention_mask": 1, "mm_token_type_ids": 0, "token_type_ids": 0}.items():
            if name in self.inputs:
                more = torch.full((1, 1), new, dtype=self.inputs[name].dtype)
                self.inputs[name] = torch.cat([self.inputs[name], more], 1)


def prompted(model, question, prompt="chat"):
    return model.prompts.encode(Image.fromarray(PICTURE), question, prompt)


def beside(model, method, question, prompt="chat"):
    """The stream that a method contrasts with: the same prompt behind noise, or without its picture."""
    inputs = dict(prompted(model, question, prompt))
    if isinstance(method, VCD):
        pixels = inputs["pixel_values"]
        noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(method.seed))
        share = kept_share(method.noise_step)
        return Stream(model.hf, {**inputs, "pixel_values": share**0.5 * pixels + (1 - share) ** 0.5 * noise})
    ids = torch.tensor([model.prompts.without_picture(question, prompt)])
    nothing = {name: torch.zeros_like(ids) for name in ("mm_token_type_ids", "token_type_ids") if name in inputs}
    return Stream(model.hf, {"input_ids": ids, "attention_mask": torch.ones_like(ids), **nothing})


def by_hand(model, method, question, prompt="chat", steps=STEPS):
    """Rows of two stock streams, the method's logits made of theirs."""
    main, other = Stream(model.hf, prompted(model, question, prompt)), beside(model, method, question, prompt)
    rows = []
    for _ in range(steps):
        row = main.step()
        row.other = other.step().seen
        row.logits = contrasted(method, row.seen, row.other)
        row.token = int(row.logits.argmax())
        rows.append(row)
        main.append(row.token)
        other.append(row.token)
    return rows


@functools.cache
def answers(family):
    """Both questions with every method in one batch, beside methods that contrast nothing."""
    methods = [Vanilla(), *METHODS, PAI(gamma=1), CLVS(alpha=0.6, beta=0.7, first_check=1)]
    runs = double(family).open_image(PICTURE).ask(QUESTIONS, methods, STEPS, keep_logits=True)
    return runs[0][:1] + runs[1][:1], [runs[index][i + 1] for i, (_, index) in enumerate(CHECKED)]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def assert_same_logits(run, rows):
    """The same tokens, the same words ruled out, and the others to nine digits."""
    assert [t.id for t in run.tokens] == [row.token for row in rows]
    wanted = np.array([row.logits for row in rows])
    np.testing.assert_array_equal(np.isneginf(run.logits), np.isneginf(wanted))
    close = {"rtol": 0, "atol": 1e-9 * np.array([row.seen for row in rows]).std()}
    np.testing.assert_allclose(run.logits, wanted, **close)


WITHOUT_EDITS = [i for i, m in enumerate(METHODS) if isinstance(m, VCD) or m.alpha == 0]
WITH_EDITS = [i for i in range(len(METHODS)) if i not in WITHOUT_EDITS]


@pytest.mark.parametrize("number", WITHOUT_EDITS)
def test_equals_two_streams_of_the_stock_model(family, number):
    method, index = CHECKED[number]
    run, rows = answers(family)[1][number], by_hand(double(family), method, QUESTIONS[index])
    assert_same_logits(run, rows)
    assert_contrast_is_recorded(run, rows, double(family).tokenizer)
    seen, other, said = (np.array([getattr(row, name) for row in rows]) for name in ("seen", "other", "logits"))
    assert np.abs(seen - other).max() > 1e-2 * seen.std(), "both streams say the same, so nothing is proven"
    assert np.abs(said[np.isfinite(said)] - seen[np.isfinite(said)]).max() > 1e-3 * seen.std()


@pytest.mark.parametrize("number", WITHOUT_EDITS)
def test_the_attention_recorded_is_that_behind_the_picture_as_it_is(family, number):
    run, index = answers(family)[1][number], CHECKED[number][1]
    plain = StockReference(double(family).hf, prompted(double(family), QUESTIONS[index]), None)
    for token in run.tokens[:2]:
        row = plain.step()
        step = plain.length - plain.first - 1
        np.testing.assert_allclose(run.trace.attention[step], row.attention, rtol=0, atol=1e-9)
        plain.append(token.id)
    np.testing.assert_array_equal(run.trace.attention, run.trace.original)


@pytest.mark.parametrize("number", WITH_EDITS)
def test_pai_with_both_parts_edits_the_stream_with_the_picture_only(family, number):
    method, index = CHECKED[number]
    model, question = double(family), QUESTIONS[index]
    other = beside(model, method, question)
    rows = StockReference(model.hf, prompted(model, question), method, other).run(STEPS)
    run = answers(family)[1][number]
    assert_same_logits(run, rows)
    assert_equal(run, rows)
    assert_contrast_is_recorded(run, rows, model.tokenizer)
    assert np.abs(run.trace.attention - run.trace.original).max() > 1e-2


def share(logits):
    """Probabilities of rows of logits, -inf included."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def assert_contrast_is_recorded(run, rows, tokenizer):
    """Probabilities of the same few words behind the picture, behind the contrast and in the outcome."""
    ids, found = run.trace.contrast_ids, run.trace.contrast_probabilities
    wanted = np.stack([share(np.array([getattr(row, n) for row in rows])) for n in ("seen", "other", "logits")], 1)
    assert ids.shape == (STEPS, 6)
    assert found.shape == (STEPS, 3, 6)
    np.testing.assert_allclose(found, np.take_along_axis(wanted, ids[:, None], -1), rtol=0, atol=1e-6)
    assert (found.sum(-1) <= 1 + 1e-6).all()
    for step, row in enumerate(rows):
        assert len(set(ids[step])) == 6
        assert set(wanted[step].argmax(-1)) <= set(ids[step]), "the likeliest of each is among them"
        left = np.delete(wanted[step], ids[step], -1)
        assert left.max() <= wanted[step][:, ids[step]].max(0).min(), "whatever is left out is less likely"
        assert run.tokens[step].probability == pytest.approx(wanted[step, 2, row.token], abs=1e-6)
        for word, token in zip(run.trace.contrast_words[step], ids[step], strict=True):
            assert word == tokenizer.decode([token]).strip() or word == tokenizer.convert_ids_to_tokens(int(token))


def test_methods_that_contrast_nothing_record_nothing(family):
    for run in answers(family)[0]:
        assert run.trace.contrast_ids is run.trace.contrast_probabilities is run.trace.contrast_words is None


def test_contrasts_choose_other_words_and_rule_words_out():
    """Over the families: otherwise greedy decoding would not show what the contrast does."""
    names = ("llava", "llava_next_vicuna", "qwen2_5_vl", "gemma3")
    said = {spec(m): set() for m in METHODS}
    for name in names:
        vanilla, runs = answers(name)
        for (method, index), run in zip(CHECKED, runs, strict=True):
            said[spec(method)].add([t.id for t in run.tokens] != [t.id for t in vanilla[index].tokens])
            ruled_out = np.isneginf(run.logits)
            assert not ruled_out.all(-1).any()
            assert ruled_out.any(-1).all() is np.bool_(not isinstance(method, VCD) or method.beta > 0)
    assert sum(True in different for different in said.values()) >= 5


def test_noise_is_the_seed_s_and_stays_with_the_picture():
    model = double("qwen2_5_vl")
    image = model.open_image(PICTURE)
    ask = functools.partial(image.ask, max_new_tokens=2, keep_logits=True)
    first, again, other = (run.logits for run in ask(QUESTIONS[0], [VCD(seed=1), VCD(seed=1), VCD(seed=2)]))
    both = np.isfinite(first)
    finite = both[0] & np.isfinite(other[0])
    assert np.abs(first[0][finite] - other[0][finite]).max() > 1e-3
    later = ask(QUESTIONS, [Vanilla(), VCD(seed=1)])[0][1].logits  # beside a longer question
    for same in (again, later):  # rows of one product may be summed in another order, which no processor rules out
        np.testing.assert_array_equal(both, np.isfinite(same))
        np.testing.assert_allclose(same[both], first[both], rtol=0, atol=1e-9)
    model.cache.clear()
    torch.manual_seed(99)  # nobody else's random numbers count
    afresh = model.open_image(PICTURE).ask(QUESTIONS[0], [VCD(seed=1)], 2, True)[0].logits
    np.testing.assert_array_equal(np.isfinite(afresh), both)
    np.testing.assert_allclose(afresh[both], first[both], rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", [VCD(noise_step=900), PAI(alpha=0, gamma=2)], ids=spec)
@pytest.mark.parametrize(("name", "prompt"), [("llava", "vicuna+one-word"), ("qwen3_vl", "yes-no"), ("llava", "short")])
def test_another_prompt_is_contrasted_with_itself(name, prompt, method):
    """What it says before the picture stands before the noise, too, and in the prompt without a picture."""
    model = double(name)
    run = model.open_image(PICTURE).ask(QUESTIONS[0], [Vanilla(), method], 3, keep_logits=True, prompt=prompt)[1]
    assert_same_logits(run, by_hand(model, method, QUESTIONS[0], prompt, steps=3))


def test_prompts_without_their_picture(family):
    """The text with nothing in the picture's place; Qwen's marks around it go, too."""
    model = double(family)
    placeholder = model.prompts.placeholder
    if family.startswith("qwen"):
        placeholder = f"<|vision_start|>{placeholder}<|vision_end|>"
    for question in QUESTIONS:
        text = model.prompts.text(question)
        assert text.count(placeholder) == 1
        expected = text.replace(placeholder, "")
        bos = model.tokenizer.bos_token
        ids = model.tokenizer(expected, add_special_tokens=not (bos and expected.startswith(bos)))["input_ids"]
        assert model.prompts.without_picture(question) == ids
        assert model.image_token_id not in ids


def test_gamma_one_and_alpha_zero_are_the_model_as_it_is():
    model = double("llava")
    runs = model.open_image(PICTURE).ask(
        QUESTIONS[0], [Vanilla(), PAI(alpha=0, gamma=1), VCD(alpha=0, beta=0)], 4, True
    )
    for run in runs[1:]:
        assert [t.id for t in run.tokens] == [t.id for t in runs[0].tokens]
        np.testing.assert_allclose(run.logits, runs[0].logits, rtol=0, atol=1e-12 * runs[0].logits.std())


def test_an_answer_that_ends_leaves_the_others_going(monkeypatch):
    """A contrast's stream ends with its branch."""
    model = double("qwen2_vl")
    image = model.open_image(PICTURE)
    full = image.ask(QUESTIONS, METHODS, 6, keep_logits=True)
    end = full[0][1].tokens[2].id
    monkeypatch.setattr(model, "end_ids", [end])
    ended = image.ask(QUESTIONS, METHODS, 6, keep_logits=True)
    lengths = set()
    for runs, others in zip(ended, full, strict=True):
        for run, other in zip(runs, others, strict=True):
            ids = [t.id for t in other.tokens]
            length = ids.index(end) + 1 if end in ids else 6
            assert [t.id for t in run.tokens] == ids[:length]
            assert len(run.trace.contrast_ids) == length
            assert_close(run.logits, other.logits[:length])
            lengths.add(length)
    assert 6 in lengths
    assert min(lengths) < 6


def test_a_lone_contrast_says_the_same_as_amid_others():
    image = double("internvl").open_image(tiny.picture(3, 72, 104))
    together = image.ask(QUESTIONS, METHODS, 4, keep_logits=True)
    for i, (method, index) in enumerate(CHECKED):
        (alone,) = image.ask(QUESTIONS[index], [method], 4, keep_logits=True)
        amid = together[index][i]
        assert [t.id for t in amid.tokens] == [t.id for t in alone.tokens]
        finite = np.isfinite(alone.logits)
        np.testing.assert_array_equal(np.isfinite(amid.logits), finite)
        np.testing.assert_allclose(amid.logits[finite], alone.logits[finite], rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", [VCD(), VCD(beta=0), PAI(), PAI(alpha=0, gamma=3)], ids=spec)
@pytest.mark.parametrize("stream", ["picture", "contrast"])
def test_no_numbers_in_either_stream_are_one_sentence(method, stream, monkeypatch):
    """A word that is ruled out must not hide that nothing was computed."""
    image = double("llava").open_image(PICTURE)
    contrasted = BranchBatch.contrasted

    def broken(self, logits):
        logits = logits.clone()
        if stream == "picture":
            logits[: self.batch, 9] = torch.nan
        else:
            logits[self.batch :] = torch.nan
        return contrasted(self, logits)

    monkeypatch.setattr(BranchBatch, "contrasted", broken)
    for several in ([method], [Vanilla(), method, CLVS()]):
        with pytest.raises(ModelError, match=r"^The model computes no numbers \(NaN\) in float64; load it with"):
            image.ask(QUESTIONS[0], several, 2)


class Divided(Editor):
    """0 / 0, as an edit of one's own may come to."""

    def weights(self, layer, weights, keys):
        return weights * torch.nan


@dataclasses.dataclass(frozen=True)
class Dividing(Method):
    name, label, stage = "dividing", "Dividing", "weights"

    @classmethod
    def editor(cls, methods, device, dtype):
        return Divided()


@pytest.mark.parametrize("own", [Dividing(), Combine(PAI(), Dividing())], ids=lambda own: own.label)
def test_the_model_is_not_blamed_for_a_method_of_one_s_own(own):
    image = double("llava").open_image(PICTURE)
    with pytest.raises(MethodError, match=r"^(PAI \+ )?Dividing gives no numbers \(NaN\); correct its edits"):
        image.ask(QUESTIONS[0], [Vanilla(), own, CLVS()], 2)
