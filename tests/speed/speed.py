"""How much the tree saves: ratios to transformers' own `generate`, interleaved in one run, medians.

    python -m tests.speed.speed [--repeats 7] [--clock cpu]

The model is LLaVA-shaped with random weights: 12 layers, width 512, 16 heads, 576 image tokens, vocabulary 32k, fp32.
Every case starts from pixels (an empty cache), as `generate` does; "warm" lines start from the encoded picture.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from clvs_core import CLVS, Vanilla
from clvs_core.engine.model import Model
from clvs_core.models.registry import ModelCard
from tests.tiny import llava_processor

NAMES = ("dog", "cat", "car", "tree", "man", "cup", "hat", "bus", "bed", "cow", "pen", "toy", "fox", "jar")
# The tokenizer here spells bytes. "Dog?" makes as many tokens after the picture (16) as LLaVA's own tokenizer makes of
# "Is there a dog in the image?" (about 15).
QUESTIONS = [f"{name.title()}?" for name in NAMES]


def build() -> tuple[Model, LlavaForConditionalGeneration]:
    """The engine's model, and a stock one with the same weights under plain SDPA."""
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=32064,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=12,
        num_attention_heads=16,
        num_key_value_heads=16,
        max_position_embeddings=2048,
    )
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=336,
        patch_size=14,
    )
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=3, vision_feature_layer=-1)
    stock = LlavaForConditionalGeneration(config).eval()
    copy = LlavaForConditionalGeneration(config).eval()
    copy.load_state_dict(stock.state_dict())
    for hf in (stock, copy):
        hf.generation_config.eos_token_id = None
        hf.generation_config.pad_token_id = 2
    return Model(copy, llava_processor(336, 14), ModelCard("bench", "bench", "bench")), stock


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def cases(model: Model, stock: LlavaForConditionalGeneration) -> dict[str, tuple[Callable[[], object], float, str]]:
    """Name -> (work, how many `generate` calls of one token it stands for, limit on the ratio)."""
    picture = np.random.default_rng(0).integers(0, 256, (336, 336, 3), dtype=np.uint8)
    upright = Image.fromarray(picture)
    defaults = {"beta": 0.8, "gamma": 0.5}
    pair = [Vanilla(), CLVS(**defaults)]
    stopping = [Vanilla(), CLVS(beta=0.8, gamma=1.1)]  # random weights are never certain by themselves
    eight = [CLVS(alpha=a, **defaults) for a in np.linspace(0.3, 1, 8).tolist()]
    grid = [CLVS(alpha=a / 10, beta=b / 10) for a in range(11) for b in range(11)]

    def generate(tokens: int) -> object:
        inputs = model.prompts.encode(upright, QUESTIONS[0])
        return stock.generate(**inputs, max_new_tokens=tokens, do_sample=False)

    def ask(question: str | list[str], methods: list, tokens: int = 1, cold: bool = True) -> object:
        if cold:
            model.cache.clear()
        return model.open_image(picture).ask(question, methods, tokens)

    first = QUESTIONS[0]
    return {
        "generate, 1 token": (lambda: generate(1), 1, ""),
        "generate, 16 tokens": (lambda: generate(16), 1, ""),
        "vanilla + CLVS, 1 token": (lambda: ask(first, pair), 2, "<= 1.15"),
        "vanilla + CLVS, 16 tokens": (lambda: ask(first, pair, 16), 2, "<= 1.15"),
        "same, stopping at first check": (lambda: ask(first, stopping, 16), 2, "<= 1.15"),
        "8 CLVS settings": (lambda: ask(first, eight), 8, "<= 1.3"),
        "11 x 11 sweep": (lambda: ask(first, grid), 121, "<= 2.5"),
        "14 questions x 8 settings": (lambda: ask(QUESTIONS, eight), 112, "<= 5.6 (20 x faster)"),
        "warm: vanilla + CLVS, 1 token": (lambda: ask(first, pair, cold=False), 2, ""),
    }


def report(times: dict[str, list[float]], table: dict) -> None:
    one, sixteen = times["generate, 1 token"], times["generate, 16 tokens"]
    print(f"{'work':32} {'median':>9} {'ratio to generate':>18}  limit  {'generate calls saved':>22}")
    for name, values in times.items():
        base = sixteen if "16 tokens" in name or "same" in name else one
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        calls, limit = table[name][1:]
        gain = f"{calls / ratio:.1f} x faster than {calls}" if calls > 1 else ""
        print(f"{name:32} {statistics.median(values) * 1e3:7.0f}ms {ratio:18.2f}  {limit:8} {gain}")


def memory(model: Model) -> None:
    """Bytes kept per generated token and branch, beside what `output_attentions=True` keeps for one prefill."""
    picture = np.zeros((336, 336, 3), np.uint8)
    runs = model.open_image(picture).ask(QUESTIONS[0], [Vanilla(), CLVS(beta=0.8)], 4)
    for run in runs:
        t = run.trace
        arrays = {id(a): a for a in (t.attention, t.original, t.memory) if a is not None}
        each = sum(a.nbytes for a in arrays.values()) / len(t.attention)
        print(f"kept per token, {run.method.label}: {each / 2**20:.2f} MiB")
    n = model.open_image(picture).segment.length + len(model.prompts.tail(QUESTIONS[0]))
    print(f"output_attentions=True keeps for the prompt: {model.layers * model.heads * n * n * 4 / 2**20:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: fair on a busy machine")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    torch.set_num_threads(options.threads)
    model, stock = build()
    table = cases(model, stock)
    times: dict[str, list[float]] = {name: [] for name in table}
    for repeat in range(options.repeats + 1):
        for name, (work, _, _) in table.items():
            elapsed = seconds(work, clock)
            if repeat:  # the first round warms up
                times[name].append(elapsed)
    report(times, table)
    memory(model)


if __name__ == "__main__":
    main()
