"""Every family of models against stock transformers and against a literal reading of the paper's formulas.

Test ids end in the family's name, e.g. `test_vanilla_equals_generate[qwen2_5_vl]`.
"""

from __future__ import annotations

import dataclasses
import functools
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

import clvs_core as clvs
from clvs_core import CLVS, Vanilla
from clvs_core.engine.model import Model
from clvs_core.engine.questions import Tail, question_segments
from clvs_core.models.positions import rerotate
from clvs_core.models.prompts import Prompts
from clvs_core.models.registry import card_for
from tests import tiny, tiny_families
from tests.close import assert_close
from tests.engine.reference import StockReference

FAMILIES = list(tiny_families.FAMILIES)
QUESTIONS = ["Is there a dog?", "Why?", "What colour is the big car on the left?"]  # of different lengths
PICTURE = tiny.picture(0, 72, 104)  # several tiles, and a grid that is not square, where a family makes them
STEPS = 4


@functools.cache
def built(name, dtype=torch.float32):
    """The tiny model of one family inside the engine, made once."""
    if name in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[name])
    return Model(*tiny_families.FAMILIES[name](dtype), card_for("tiny"))


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


class Stock:
    """The same model with transformers' own attention."""

    def __init__(self, model, kind="sdpa"):
        self.model, self.kind = model, kind

    def __enter__(self):
        self.model.hf.set_attn_implementation({"text_config": self.kind})
        return self.model.hf

    def __exit__(self, *error):
        self.model.hf.set_attn_implementation({"text_config": "clvs_tree"})


def padded(model, questions, picture=PICTURE):
    """The processor's inputs for several questions about one picture, padded on the left where they differ."""
    prompts = [model.prompts.text(question) for question in questions]
    bos = model.tokenizer.bos_token
    inputs = model.processor(
        text=prompts,
        images=[[Image.fromarray(picture)] for _ in questions],
        return_tensors="pt",
        padding=True,
        add_special_tokens=not (bos and prompts[0].startswith(bos)),
    )
    assert (inputs["attention_mask"] == 0).any() == (len(set(map(len, prompts))) > 1)
    return {k: v.to(model.hf.dtype) if v.is_floating_point() else v for k, v in inputs.items()}


def generated(model, questions):
    """Ids (questions, steps) and logits (questions, steps, vocabulary) of transformers' own greedy decoding."""
    inputs = padded(model, questions)
    with Stock(model) as hf:
        out = hf.generate(
            **inputs, max_new_tokens=STEPS, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
    return out.sequences[:, inputs["input_ids"].shape[1] :].tolist(), torch.stack(out.logits, 1).float().numpy()


def test_vanilla_equals_generate(family):
    """A lone question against a lone prompt; several at once against one batch padded on the left."""
    model = built(family)
    image = model.open_image(PICTURE)
    branches = [Vanilla(), CLVS(), CLVS(alpha=0.5, beta=0.5)]
    said: set[int] = set()
    for questions in (QUESTIONS[:1], QUESTIONS):
        answers = image.ask(questions, branches, STEPS, keep_logits=True)
        ids, logits = generated(model, questions)
        for (vanilla, *_), expected, close in zip(answers, ids, logits, strict=True):
            assert [t.id for t in vanilla.tokens] == expected
            assert np.abs(vanilla.logits - close).max() < 1e-4 * logits.std()
            said |= set(expected)
    assert len(said) > 3, "a model that repeats itself proves little"


SETTINGS = [
    CLVS(alpha=0.6, beta=0.7, first_check=1),
    CLVS(alpha=0.5, beta=0.4, first_check=1, lens_norm=True, top_k=5, unified_positions=False),
]


def equals_the_literal_reading(model):
    """In float64, each setting on a question of its own, beside other branches and padded to the longest."""
    image = model.open_image(PICTURE)
    questions = [QUESTIONS[0], QUESTIONS[2]]
    endless = image.ask(questions, [dataclasses.replace(s, gamma=1e-9) for s in SETTINGS], STEPS)
    # thresholds at which the first token's row stops at once under one setting and never under the other
    first, second = (endless[i][i].trace.uncertainty[0] for i in range(2))
    gammas = [1.001 * float(first[1]), 0.999 * float(np.nanmin(second))]
    chosen = [dataclasses.replace(s, gamma=gamma) for s, gamma in zip(SETTINGS, gammas, strict=True)]
    answers = image.ask(questions, [*chosen, Vanilla()], STEPS, keep_logits=True)
    stops, edits = set(), []
    for index, (question, settings) in enumerate(zip(questions, chosen, strict=True)):
        inputs = model.prompts.encode(Image.fromarray(PICTURE), question)
        expected = StockReference(model.hf, inputs, settings).run(STEPS)
        run = answers[index][index]
        trace = run.trace
        assert [t.id for t in run.tokens] == [row.token for row in expected]
        for name in ("attention", "original", "memory", "uncertainty"):
            wanted = [getattr(row, name) for row in expected]
            np.testing.assert_allclose(getattr(trace, name), wanted, rtol=0, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(run.logits, [row.logits for row in expected], rtol=0, atol=1e-9 * run.logits.std())
        assert trace.stop_layer.tolist() == [row.stop for row in expected]
        stops |= set(trace.stop_layer.tolist())
        edits.append(np.abs(trace.attention - trace.original).max())
    assert stops >= {1, -1}
    assert max(edits) > 1e-3, "nothing was edited, so nothing is proven"


def test_clvs_equals_the_literal_reading(family):
    equals_the_literal_reading(built(family, torch.float64))


def test_clvs_through_a_window_that_cuts_the_picture_in_two():
    """Gemma 3's local layers on a longer prompt: they see the picture's second half, the others all of it."""
    prompts = built("gemma3").prompts
    hf, processor = tiny_families.gemma3(window=len(prompts.tail(QUESTIONS[0])) + 8)
    for parameter in hf.parameters():
        parameter.data = parameter.data.double()
    equals_the_literal_reading(Model(hf, processor, card_for("tiny")))


def test_unified_positions_equal_recomputing(family):
    """Layer 0's keys, re-rotated, against the stock model given other position ids; float64, to 1e-9."""
    model = built(family, torch.float64)
    image = model.open_image(PICTURE).segment
    inputs = model.prompts.encode(Image.fromarray(PICTURE), QUESTIONS[2])
    reference = StockReference(model.hf, inputs, None)
    positions, _, plain, _ = reference.layer_zero()
    unified = reference.unified(positions)
    keys = reference.layer_zero(unified)[2]
    assert image.positions.reshape(-1, image.length).tolist() == positions[:, : image.length].tolist()
    assert (positions[:, image.length :] - image.next == np.arange(positions.shape[1] - image.length)).all()
    assert (positions[:, image.length :] - unified[:, image.length :] == image.shift).all()
    question = question_segments(model.hf, image, [Tail(tuple(model.prompts.tail(QUESTIONS[2])), None)])[0]
    ours = torch.cat([image.unified[0], question.unified], 1)  # all but the last prompt token
    assert (ours - keys[0, :, :-1]).abs().max() < 1e-9
    assert (plain - keys).abs().max() > 1e-2, "unified positions change nothing here"


def test_capture_alone_stays_within_the_noise_of_half_precision(family):
    """bf16 and fp16: as far from SDPA as eager attention is, and no other word where that noise could not say one."""
    clear_rows = 0
    for dtype in (torch.bfloat16, torch.float16):
        model = built(family, dtype)
        ours, sdpa, eager = [], [], []
        for seed in range(3):
            picture = tiny.picture(seed, 56, 80)
            answers = model.open_image(picture).ask(QUESTIONS, [Vanilla()], 1, keep_logits=True)
            ours += [run.logits[0] for (run,) in answers]
            sdpa += first_logits(model, "sdpa", picture)
            eager += first_logits(model, "eager", picture)
        ours, sdpa, eager = map(np.stack, (ours, sdpa, eager))
        noise = np.abs(eager - sdpa)
        assert np.abs(ours - sdpa).mean() < 1.5 * noise.mean()  # means over 9 prompts scatter by a third
        second, first = np.sort(sdpa, -1)[:, -2:].T
        clear = first - second > 4 * noise.max(-1)
        assert (ours.argmax(-1) == sdpa.argmax(-1))[clear].all()
        clear_rows += clear.sum()
    assert clear_rows > 1


def first_logits(model, kind, picture):
    """(vocabulary,) for each question alone, by transformers with this kind of attention."""
    with Stock(model, kind) as hf, torch.no_grad():
        return [hf(**padded(model, [q], picture)).logits[0, -1].float().numpy() for q in QUESTIONS]


def test_interleaved_streams_do_not_disturb_each_other():
    """Qwen keeps the positions of the latest prompt on the model; neither stream may look at them."""
    model = built("qwen2_5_vl")
    pictures = [PICTURE, tiny.picture(4, 104, 40)]
    methods = [Vanilla(), CLVS()]
    expected = [model.open_image(picture).ask(QUESTIONS[0], methods, 6) for picture in pictures]
    model.cache.clear()
    streams = [model.open_image(picture).stream(QUESTIONS[0], methods, 6) for picture in pictures]
    for _ in range(6):
        last = [next(stream) for stream in streams]
        generated(model, QUESTIONS[1:2])  # and stock transformers beside them
    for step, runs in zip(last, expected, strict=True):
        for run, other in zip(step.runs, runs, strict=True):
            assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
            assert_close(run.trace.attention, other.trace.attention)


def test_the_checkpoint_s_repetition_penalty_is_applied(monkeypatch):
    """Qwen2.5-VL's generation settings have one, which `generate` follows."""
    model = built("qwen2_5_vl")
    image = model.open_image(PICTURE)
    free = [[t.id for t in run.tokens] for run in image.ask(QUESTIONS[0], [Vanilla()], 12)]
    monkeypatch.setattr(model.hf.generation_config, "repetition_penalty", 1.5)
    inputs = padded(model, QUESTIONS[:1])
    with Stock(model) as hf:
        ids = hf.generate(**inputs, max_new_tokens=12, do_sample=False)[:, inputs["input_ids"].shape[1] :].tolist()
    runs = image.ask([QUESTIONS[2], QUESTIONS[0]], [CLVS(), Vanilla()], 12, keep_logits=True)[1]
    assert [t.id for t in runs[1].tokens] == ids[0]
    assert ids != free, "the penalty changes nothing here"
    raw = np.exp(runs[1].logits - runs[1].logits.max(-1, keepdims=True))
    chosen = [row[t.id] / row.sum() for row, t in zip(raw, runs[1].tokens, strict=True)]
    np.testing.assert_allclose([t.probability for t in runs[1].tokens], chosen, rtol=1e-4)


def test_a_sliding_window_shorter_than_the_prompt():
    """Mistral's first version: every layer sees the latest tokens only, part of the picture's among them."""
    model, window = Model(*tiny_families.FAMILIES["llava_next_mistral"](), card_for("tiny")), 60
    _, free = generated(model, QUESTIONS)
    model.hf.config.text_config.sliding_window = window
    ids, narrow = generated(model, QUESTIONS)
    assert np.abs(free - narrow).max() > 0.1 * narrow.std(), "the window hides nothing"
    image = model.open_image(PICTURE)
    answers = image.ask(QUESTIONS, [Vanilla(), CLVS()], STEPS, keep_logits=True)
    for question, (vanilla, smoothed), expected, logits in zip(QUESTIONS, answers, ids, narrow, strict=True):
        assert [t.id for t in vanilla.tokens] == expected
        assert np.abs(vanilla.logits - logits).max() < 1e-4 * narrow.std()
        last = image.segment.length + len(model.prompts.tail(question)) - 1
        place = np.arange(image.segment.length)[image.segment.visual]
        for step in range(STEPS):
            seen = last + step - place < window
            assert seen.any() != seen.all(), "all of the picture, or none of it, is outside"
            weights = smoothed.trace.attention[step]
            assert not weights[:, :, ~seen].any(), "the memory shows what the layer cannot see"
            assert (weights[1:, :, seen] > 0).all()


@pytest.mark.parametrize("name", ["qwen2_5_vl", "gemma3_narrow"])
def test_a_model_spread_over_devices_answers_the_same(name, tmp_path):
    """accelerate moves layers in from disk one by one, through the same hooks that serve several GPUs."""
    model = built(name)
    folder = tiny_families.save(name, tmp_path / "model")
    inner, decoder = (dict(m.named_children()) for m in (model.hf.model, model.hf.model.language_model))
    parts = dict.fromkeys(["lm_head", *(f"model.{key}" for key in inner if key != "language_model")], "cpu")
    parts |= {f"model.language_model.{key}": "cpu" for key in decoder if key != "layers"}
    parts |= {f"model.language_model.layers.{i}": "disk" if i == 2 else "cpu" for i in range(4)}
    hf = AutoModelForImageTextToText.from_pretrained(folder, device_map=parts, offload_folder=tmp_path / "off")
    assert any(p.device.type == "meta" for p in hf.parameters()), "nothing is offloaded, so nothing is proven"
    spread = Model(hf, model.processor, card_for("tiny"))
    methods = [Vanilla(), CLVS(gamma=0.5, first_check=1)]
    expected, found = (m.open_image(PICTURE).ask(QUESTIONS, methods, STEPS, keep_logits=True) for m in (model, spread))
    for runs, others in zip(found, expected, strict=True):
        for run, other in zip(runs, others, strict=True):
            assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
            assert np.abs(run.logits - other.logits).max() < 1e-5 * other.logits.std()


def test_the_uncertainty_check_is_one_product_and_ends_with_the_smoothing():
    model = built("qwen2_5_vl")
    rows = []
    head = model.hf.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, args, output: rows.append(len(output)))
    methods = [CLVS(alpha=a, gamma=1.1, first_check=1) for a in (0.2, 0.5, 0.8)]  # stop at the first check
    endless = [CLVS(gamma=1e-9, first_check=2)]
    try:
        model.open_image(PICTURE).ask(QUESTIONS[:2], [*methods, Vanilla()], 1)
        assert rows == [6, 8], "one product after layer 1 for the six that check, one for the tokens"
        rows.clear()
        model.open_image(PICTURE).ask(QUESTIONS[:2], [*methods, *endless], 1)
        assert rows == [6, 2, 2, 8]
    finally:
        handle.remove()


def test_the_prompt_is_split_at_the_picture(family):
    """The tail is the same for every picture, whatever the processor writes around its tiles."""
    model = built(family)
    for shape in ((72, 104), (120, 40), (40, 40), (30, 200)):
        for question in QUESTIONS:
            ids = model.prompts.encode(Image.fromarray(tiny.picture(1, *shape)), question)["input_ids"][0].tolist()
            tail = model.prompts.tail(question)
            assert ids[-len(tail) - 1] == model.image_token_id
            assert ids[-len(tail) :] == tail
            assert model.image_token_id not in tail


def test_questions_that_name_what_stands_for_a_picture(family):
    model = built(family)
    for token in {model.prompts.placeholder, model.tokenizer.convert_ids_to_tokens(model.image_token_id)}:
        with pytest.raises(clvs.QuestionError, match="stands for pictures"):
            model.prompts.text(f"What is {token}?")


def test_a_processor_that_writes_something_else_after_the_picture(family, monkeypatch):
    model = built(family)
    monkeypatch.setattr(model.prompts, "closing", model.prompts.closing + "x")
    with pytest.raises(clvs.ModelError, match="after a picture"):
        model.prompts.encode(Image.fromarray(PICTURE), "Why?")


BAD_TEMPLATES = {
    "{% for p in messages[0]['content'] | reverse %}{{ p['text'] or '<|image_pad|>' }}{% endfor %}:": "before the",
    "<|image_pad|>{{ messages[0]['content'][1]['text'] }}<|image_pad|>:": "2 placeholders",
    "{{ messages[0]['content'][1]['text'] }}": "0 placeholders",
    None: "no chat template",
}


@pytest.mark.parametrize("template", BAD_TEMPLATES, ids=str)
def test_templates_that_cannot_be_split(template, monkeypatch):
    model = built("qwen2_5_vl")
    monkeypatch.setattr(model.processor, "chat_template", template)
    prompts = Prompts(model.processor, model.image_token_id, "qwen2_5_vl")
    with pytest.raises(clvs.ModelError, match=BAD_TEMPLATES[template]):
        prompts.tail("Is there a dog?")


def test_a_family_whose_prompts_are_not_known():
    model = built("llava")
    with pytest.raises(clvs.ModelError, match="'florence2' are not supported"):
        Prompts(model.processor, model.image_token_id, "florence2")


ROPES = {
    "linear": {"rope_type": "linear", "factor": 2.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
}


@pytest.mark.parametrize("rope", ROPES)
@pytest.mark.parametrize("name", ["llava_next_vicuna", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_rerotation_equals_rotating_afresh_under_every_scaling(name, rope):
    model = tiny_families.FAMILIES[name](torch.float64)[0]
    decoder = model.get_decoder()
    decoder.config.rope_parameters = {**decoder.config.rope_parameters, **ROPES[rope]}
    decoder.rotary_emb = type(decoder.rotary_emb)(decoder.config)
    axes = () if name == "llava_next_vicuna" else (3,)
    generator = torch.Generator().manual_seed(0)
    old, new = (torch.randint(0, 90, (*axes, 1, 40), generator=generator) for _ in range(2))
    plain = torch.randn(1, 2, 40, 16, dtype=torch.float64, generator=generator)

    module = sys.modules[type(decoder.layers[0].self_attn).__module__]
    before, after = (module.apply_rotary_pos_emb(plain, plain, *decoder.rotary_emb(plain, p))[1] for p in (old, new))
    assert (rerotate(decoder, before, old, new) - after).abs().max() < 1e-9
    assert (before - after).abs().max() > 0.1
