"""Prompts by name: what is written, that it is answered as transformers does, and that pictures are not mixed up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import clvs_core as clvs
from clvs_core import CLVS, Vanilla
from clvs_core.engine.model import Model
from clvs_core.models.families import FAMILIES
from clvs_core.models.prompts import SUFFIXES, parse, presets
from clvs_core.models.registry import card_for
from tests import tiny, tiny_families
from tests.close import assert_close

VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the human's questions. USER: <image>\n"
)
QUESTION, STEPS = "Is there a dog?", 4


def tiny_model(name, dtype=torch.float32):
    return Model(*tiny_families.FAMILIES[name](dtype), card_for("tiny"))


@pytest.fixture(scope="module")
def models():
    """A tiny LLaVA-1.5, and one of a family with another template."""
    llava = Model(tiny.llava(), tiny.llava_processor(), card_for("tiny"))
    return {"llava": llava, "qwen2_5_vl": tiny_model("qwen2_5_vl")}


def generated(model, text, picture):
    """Ids and logits (steps, vocabulary) of transformers' own greedy answer to a prompt given as text."""
    bos = model.tokenizer.bos_token
    inputs = model.processor(
        text=text,
        images=Image.fromarray(picture),
        return_tensors="pt",
        add_special_tokens=not (bos and text.startswith(bos)),
    )
    model.hf.set_attn_implementation({"text_config": "sdpa"})
    out = model.hf.generate(
        **inputs, max_new_tokens=STEPS, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    model.hf.set_attn_implementation({"text_config": "clvs_tree"})
    return out.sequences[0, inputs["input_ids"].shape[1] :].tolist(), torch.cat(out.logits).float().numpy()


LLAVA_TEXTS = {
    "chat": f"<s>USER: <image>\n{QUESTION} ASSISTANT:",
    "yes-no": f"<s>USER: <image>\n{QUESTION} Please answer yes or no. ASSISTANT:",
    "just-yes-no": f"<s>USER: <image>\n{QUESTION} Please just answer yes or no. ASSISTANT:",
    "one-word": f"<s>USER: <image>\n{QUESTION} Please answer this question with one word. ASSISTANT:",
    "short": f"<s>USER: <image>\n{QUESTION}\nAnswer the question using a single word or phrase. ASSISTANT:",
    "vicuna": f"<s>{VICUNA}{QUESTION} ASSISTANT:",
    "vicuna+one-word": f"<s>{VICUNA}{QUESTION} Please answer this question with one word. ASSISTANT:",
    "yes-no+one-word": f"<s>USER: <image>\n{QUESTION} Please answer yes or no. Please answer this question with one "
    "word. ASSISTANT:",
}
QWEN = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TEXTS = [("llava", name, text) for name, text in LLAVA_TEXTS.items()] + [
    ("qwen2_5_vl", name, SYSTEM + QWEN.format(QUESTION + suffix.text)) for name, suffix in SUFFIXES.items()
]


@pytest.mark.parametrize(("family", "prompt", "text"), TEXTS, ids=lambda value: value.replace("\n", " ")[:20])
def test_each_prompt_is_answered_as_generate_answers_its_text(models, family, prompt, text):
    """One picture for all of them: a prefix taken from another prompt would show. Logits to 1e-4 of their spread."""
    model, picture = models[family], tiny.picture()
    run = model.open_image(picture).ask(QUESTION, [Vanilla()], STEPS, keep_logits=True, prompt=prompt)[0]
    assert run.trace.meta["prompt"] == text
    assert run.trace.meta["template"] == prompt
    ids, logits = generated(model, text, picture)
    assert [t.id for t in run.tokens] == ids[: len(run.tokens)]
    assert np.abs(run.logits - logits[: len(run.tokens)]).max() < 1e-4 * logits.std()


def test_a_picture_is_encoded_once_for_each_head_and_never_mixed_up():
    model, picture = Model(tiny.llava(), tiny.llava_processor(), card_for("tiny")), tiny.picture()
    image, methods = model.open_image(picture), [Vanilla(), CLVS(alpha=0.5)]
    plain, vicuna = (image.ask(QUESTION, methods, STEPS, True, prompt=name) for name in ("chat", "vicuna"))
    assert len(model.cache) == 2, "the other head's keys are kept beside the first one's"
    assert np.abs(plain[0].logits - vicuna[0].logits).max() > 0.01 * plain[0].logits.std()
    image.ask(QUESTION, methods, 1, prompt="one-word")
    image.ask(QUESTION, methods, 1, prompt="vicuna+short")
    assert len(model.cache) == 2, "suffixes share the picture"
    assert model.open_image(picture) is image
    direct = model.open_image(picture, "vicuna")
    assert direct is not image
    assert len(model.cache) == 2
    for (again, other), expected in [
        (image.ask(QUESTION, methods, STEPS, True), plain),
        (direct.ask(QUESTION, methods, STEPS, True), plain),  # the prompt is asked for, not the picture's
        (direct.ask(QUESTION, methods, STEPS, True, prompt="vicuna"), vicuna),
    ]:
        assert_close(again.logits, expected[0].logits)
        assert_close(other.trace.attention, expected[1].trace.attention)
    steps = list(image.stream(QUESTION, methods, STEPS, prompt="vicuna"))
    assert [t.id for t in steps[-1].runs[1].tokens] == [t.id for t in vicuna[1].tokens]


def test_several_questions_take_the_same_prompt(models):
    image = models["llava"].open_image(tiny.picture(1))
    questions = [QUESTION, "What colour is the big car on the left?"]
    together = image.ask(questions, [Vanilla()], 3, keep_logits=True, prompt="vicuna+short")
    for question, (run,) in zip(questions, together, strict=True):
        alone = image.ask(question, [Vanilla()], 3, keep_logits=True, prompt="vicuna+short")[0]
        assert np.abs(run.logits - alone.logits).max() < 1e-5 * alone.logits.std()


def test_a_template_that_has_the_sentence_is_left_as_it_is():
    """LLaVA-NeXT with Vicuna: its prompt "vicuna" is its own, and shares the picture."""
    prompts = tiny_model("llava_next_vicuna").prompts
    assert VICUNA in prompts.text(QUESTION)
    assert prompts.text(QUESTION, "vicuna") == prompts.text(QUESTION)
    assert prompts.head("vicuna") == prompts.head()


@pytest.mark.parametrize("family", [f for f in tiny_families.FAMILIES if f not in ("llava", "llava_next_vicuna")])
def test_vicuna_is_refused_where_it_does_not_belong(family):
    if family in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[family])
    model = tiny_model(family)
    with pytest.raises(clvs.QuestionError, match="'vicuna' is for models that were trained on Vicuna's conversations"):
        model.open_image(tiny.picture(), "vicuna")
    for name, suffix in SUFFIXES.items():
        assert QUESTION + suffix.text in model.prompts.text(QUESTION, name)


def test_without_a_chat_template_llava_takes_both(models, monkeypatch):
    prompts = models["llava"].prompts
    monkeypatch.setattr(prompts.processor, "chat_template", None)
    assert prompts.text(QUESTION, "vicuna") == f"{VICUNA}{QUESTION} ASSISTANT:"
    monkeypatch.setattr(prompts.processor, "chat_template", "Be brief. " + tiny.TEMPLATE)
    with pytest.raises(clvs.QuestionError, match="vicuna"):
        prompts.text(QUESTION, "vicuna")  # two system sentences are nobody's prompt


def test_a_question_that_quotes_the_sentence_changes_nothing(models):
    text = models["llava"].prompts.text(f"Who said: {VICUNA.partition(' USER')[0]}?", "vicuna")
    assert text.startswith(f"<s>{VICUNA}Who said: A chat")


@pytest.mark.parametrize("name", ["", "magic", "chat+vicuna", "short+short", "one-word+", "Vicuna", None, 5, ["chat"]])
def test_names_that_do_not_exist(models, name):
    image = models["llava"].open_image(tiny.picture())
    with pytest.raises(clvs.QuestionError, match=r"There is no prompt .*; choose one of chat, vicuna, yes-no"):
        image.ask(QUESTION, [Vanilla()], 1, prompt=name)


def test_what_is_offered_can_be_asked():
    for family in FAMILIES:
        offered = presets(family)
        assert next(iter(offered)) == "chat"
        assert ("vicuna" in offered) == (family in ("llava", "llava_next"))
        assert len(set(offered.values())) == len(offered), "labels tell them apart"
        for name in offered:
            parse(name)


def test_words_of_the_prompt_can_be_unknown_too():
    model = clvs.load_model("scenes")
    assert model.unknown_words("Is there a dog?") == []
    assert "curious" in model.unknown_words("Is there a dog?", "vicuna")
