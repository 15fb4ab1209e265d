"""Models in 16 bits whose keys share a part far larger than what tells them apart, as Qwen2's key biases make them.

q·k rounded to 16 bits loses attention there (bfloat16) or overflows (float16), while SDPA, which sums in float32, keeps
it: huggingface/transformers pull request 33317. Maps are that product, so they have to be as good as SDPA's.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from clvs_core import CLVS, PAI, TARAC, VAF, VCD, Vanilla
from clvs_core.engine.model import Model
from clvs_core.engine.questions import Tail, question_segments
from clvs_core.errors import ModelError
from clvs_core.models.registry import card_for
from tests import tiny_families
from tests.engine.test_families import FAMILIES, PICTURE, QUESTIONS, Stock, padded

HALF = [torch.bfloat16, torch.float16]
# One unit in the last place, relative. A product of other shapes, or with other instructions, sums in another order,
# and rounds a number that lies between two of 16 bits to the other one.
UNIT = {torch.bfloat16: 2**-8, torch.float16: 2**-10}
OFFSETS = {"q": 128.0, "k": 512.0}  # in the two slowest numbers of a head: q·k is above 65,504, where float16 ends


def capturing(module, query, key, value, attention_mask, **kwargs):
    kwargs.pop("captured")[module.layer_idx] = (
        query,
        key,
        attention_mask,
        kwargs["scaling"],
        kwargs.get("sliding_window"),
    )
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register("capturing", capturing)
AttentionMaskInterface.register("capturing", sdpa_mask)


@pytest.fixture(params=FAMILIES)
def family(request):
    if request.param in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[request.param])
    return request.param


@pytest.fixture(params=HALF, ids=str)
def dtype(request):
    return request.param


def offset_model(name, dtype, rounded=None):
    """A tiny model whose keys, and queries, share a large constant part. rounded: weights are cast to it first."""
    hf, processor = tiny_families.FAMILIES[name](torch.float32)
    for layer in hf.get_decoder().layers:
        for kind, size in OFFSETS.items():
            add_offset(layer.self_attn, kind, size)
    for name, frequencies in hf.get_decoder().named_buffers():
        if name.endswith("inv_freq"):
            frequencies[-1] = 0  # real heads are wide enough for numbers that hardly rotate
    for parameter in hf.parameters():
        parameter.data = parameter.data.to(rounded or dtype).to(dtype)
    return Model(hf, processor, card_for("tiny"))


def add_offset(attention, kind, size):
    """`size` in the two numbers of each head that rotate slowest, which do not depend on the token."""
    project, norm = getattr(attention, f"{kind}_proj"), getattr(attention, f"{kind}_norm", None)
    width = attention.head_dim
    slow = torch.zeros(width, dtype=torch.bool)
    slow[[width // 2 - 1, width - 1]] = True
    every = slow.repeat(project.out_features // width)
    bias = torch.zeros(len(every)) if project.bias is None else project.bias.data
    project.weight.data[every] = 0
    project.bias = torch.nn.Parameter(bias.masked_fill(every, size))
    if norm is not None:  # makes the two numbers sqrt(width / 2) long and nearly alike, the others small
        plus = 1 if "Gemma" in type(norm).__name__ else 0
        rest = norm.weight.data * size / 16
        norm.weight.data = torch.where(slow, size / (width / 2) ** 0.5 - plus, rest)


def stock_layers(model, question):
    """By layer what stock SDPA computes with; and the logits of the last row."""
    captured = {}
    with Stock(model, "capturing") as hf, torch.no_grad():
        logits = hf(**padded(model, [question]), captured=captured).logits[0, -1]
    return captured, logits.float().cpu().numpy()


def row(query, key, mask, scaling, window, dtype):
    """(H, K) attention of the last row, its scores computed in `dtype` from the 16 bits that the model holds."""
    keys = key.repeat_interleave(query.shape[1] // key.shape[1], 1)[0].to(dtype)
    scores = query[0, :, -1:].to(dtype) @ keys.transpose(-1, -2) * scaling
    if window is not None:
        scores[..., : max(0, scores.shape[-1] - window)] = -torch.inf
    return scores[:, 0].double().softmax(-1).numpy()


def misplaced(found, wanted):
    """The largest share of a row's attention that stands in the wrong place (total variation)."""
    return 0.5 * np.abs(found.astype(float) - wanted).sum(-1).max()


def test_attention_is_that_of_the_keys_the_model_holds(family, dtype):
    """The answering row, all heads, against float64; the same product in 16 bits is far off or no number."""
    model = offset_model(family, dtype)
    image = model.open_image(PICTURE)
    visual = image.segment.where(torch.device("cpu")).visual
    captured, logits = stock_layers(model, QUESTIONS[2])
    run = image.ask(QUESTIONS[2], [Vanilla()], 1, keep_logits=True)[0]
    wanted = [row(*captured[layer], torch.float64)[:, visual] for layer in range(model.layers)]
    found = [misplaced(weights, other) for weights, other in zip(run.trace.attention[0], wanted, strict=True)]
    assert found[0] < 2 * UNIT[dtype]  # layer 0 meets the same numbers, but for keys that fell to the other side
    assert max(found) < 16 * UNIT[dtype]  # below, what the two paths round differently
    assert np.abs(run.logits[0] - logits).mean() < 12 * UNIT[dtype] * logits.std()
    if family != "gemma3_narrow":  # whose layer 0 sees no part of the picture
        naive = misplaced(row(*captured[0], dtype)[:, visual], wanted[0])
        assert naive > 0.03 if dtype == torch.bfloat16 else np.isnan(naive), (
            "an offset that harms nobody proves nothing"
        )


def test_questions_read_the_picture_as_under_sdpa(family, dtype):
    """Keys of the question's own tokens, which from layer 1 on hold what their rows read below, plain and edited."""
    model = offset_model(family, dtype)
    image = model.open_image(PICTURE).segment
    captured, _ = stock_layers(model, QUESTIONS[2])
    stock = [captured[layer][1][0, :, image.length : -1].float() for layer in range(model.layers)]
    tail = tuple(model.prompts.tail(QUESTIONS[2]))
    nothing = VAF(enhance=1, suppress=1, layers=(0, model.layers - 1)).resolve(model.target)
    for method in (None, nothing):
        question = question_segments(model.hf, image, [Tail(tail, method), Tail(tail[-3:], None)])[0]
        for keys, expected in zip(question.keys, stock, strict=True):
            error = (keys.float() - expected).abs().mean() / expected.std(1).mean()
            assert error < 8 * UNIT[dtype]


def test_unified_positions_lose_no_more_than_the_model_s_own(family, dtype):
    """CLVS's layer 0, of re-rotated keys, against the same weights in float32; and vanilla's, of the keys as held."""
    half, single = offset_model(family, dtype), offset_model(family, torch.float32, rounded=dtype)
    runs, others = (m.open_image(PICTURE).ask(QUESTIONS[2], [CLVS(), Vanilla()], 1) for m in (half, single))
    found, own = (
        misplaced(run.trace.attention[0, 0], other.trace.attention[0, 0])
        for run, other in zip(runs, others, strict=True)
    )
    assert found < 2 * own + 0.01


def test_every_method_keeps_shares(family, dtype):
    model = offset_model(family, dtype)
    methods = [CLVS(first_check=1), PAI(), VAF(), TARAC(), VCD()]
    for run in model.open_image(PICTURE).ask(QUESTIONS[0], methods, 2, keep_logits=True):
        assert not np.isnan(run.logits).any()
        for weights in (run.trace.attention, run.trace.original):
            assert np.isfinite(weights).all()
            assert weights.astype(float).sum(-1).max() <= 1.01


def test_logits_that_are_no_numbers_are_one_sentence(dtype):
    """Not an empty answer, whatever the cause; here a weight that overflowed."""
    model = offset_model("llava", dtype)
    image = model.open_image(PICTURE)
    model.hf.get_decoder().layers[-1].mlp.down_proj.weight.data[0, 0] = torch.inf
    with pytest.raises(ModelError, match=rf"no numbers \(NaN\).*{str(dtype).removeprefix('torch.')}.*dtype='float32'"):
        image.ask(QUESTIONS[0], [Vanilla(), CLVS()], 2)
    with pytest.raises(ModelError, match=r"no numbers \(NaN\).*dtype='float32'"):
        image.knockout(QUESTIONS[0], np.eye(image.views.visual)[0], [Vanilla(), CLVS()], control=0)
