"""What each shape of model costs: time and memory beside transformers' own `generate`, and the uncertainty check.

    python -m tests.speed.families [--family llava_next ...] [--repeats 5] [--clock cpu]

Real classes and processors with random weights: the visual tokens and the vocabulary of the real checkpoints, but 6
decoder layers of width 512 and a small vision tower (a larger one would cost every column the same and hide
differences). Beside so few narrow layers the vocabulary weighs far more than in real models, so steps after the first
look dearer here than there; the last table has real widths. Every timed case but that table's starts from pixels; one
interleaved run, medians of ratios. Prints Markdown.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as tf
from PIL import Image

from clvs_core import CLVS, Vanilla
from clvs_core.engine.model import Model
from clvs_core.engine.record import Record
from clvs_core.models.registry import ModelCard
from tests import tiny, tiny_families

# The tokenizer spells bytes: as many tokens after the picture as "Is there a dog in the image?" has in real ones.
QUESTION = "Dog?"
LAYERS, HEADS = 6, 8
LONG = 8  # tokens of a long answer
MIB = 2**20


@dataclass(frozen=True)
class Shape:
    """make(layers, width, inner) -> model and processor; height, width of the picture; visual tokens; inner: the
    decoder's intermediate size at width 512, in the real checkpoint's proportion."""

    make: Callable[..., tuple[Any, Any]]
    height: int
    width: int
    visual: int
    inner: int


def _text(tokenizer: Any, vocabulary: int, layers: int, width: int, inner: int, kv_heads: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 8192,
        "pad_token_id": tokenizer.pad_token_id,
    }


_TOWER = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
_CLIP = {**_TOWER, "image_size": 336, "patch_size": 14}


def llava(layers: int, width: int, inner: int) -> tuple[Any, Any]:
    processor = tiny.llava_processor(336, 14)
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**_CLIP),
        text_config=tf.LlamaConfig(**_text(processor.tokenizer, 32064, layers, width, inner, HEADS)),
        image_token_index=3,
        vision_feature_layer=-1,
    )
    return tf.LlavaForConditionalGeneration(config), processor


def llava_next(layers: int, width: int, inner: int) -> tuple[Any, Any]:
    """With a Mistral decoder and the published pinpoints: 5 images of 336 x 336."""
    side = {"height": 336, "width": 336}
    tokenizer = tiny_families.llava_next_mistral()[1].tokenizer
    images = tf.LlavaNextImageProcessor(size={"shortest_edge": 336}, crop_size=side)
    template = tiny_families.TEMPLATES["mistral"]
    options = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = tf.LlavaNextProcessor(images, tokenizer, chat_template=template, **options)
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**_CLIP),
        text_config=tf.MistralConfig(**_text(tokenizer, 32064, layers, width, inner, 2), sliding_window=None),
        image_token_index=tokenizer.image_token_id,
        vision_feature_layer=-1,
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


def qwen2_5_vl(layers: int, width: int, inner: int) -> tuple[Any, Any]:
    """Patches of 14 x 14 in blocks of four, windows of 112 pixels in one of the tower's two layers."""
    small, processor = tiny_families.qwen2_5_vl()
    processor.image_processor = tf.Qwen2VLImageProcessor()
    config = small.config
    config.vision_config = type(config.vision_config)(
        depth=2,
        hidden_size=128,
        intermediate_size=256,
        num_heads=4,
        fullatt_block_indexes=[1],
        out_hidden_size=width,
    )
    size = width // HEADS // 2
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [size // 4, size * 3 // 8, size * 3 // 8]}
    text = _text(processor.tokenizer, 151936, layers, width, inner, 2)
    config.text_config = type(config.text_config)(**text, rope_parameters=rope)
    return tf.Qwen2_5_VLForConditionalGeneration(config), processor


SHAPES = {
    "llava": Shape(llava, 336, 336, 576, 1376),
    "llava_next": Shape(llava_next, 480, 640, 2340, 1792),
    "qwen2_5_vl": Shape(qwen2_5_vl, 840, 1120, 1200, 2704),
}


class Bench:
    """One shape in the engine and in transformers with SDPA and with eager attention, on the same weights."""

    def __init__(self, family: str, layers: int = LAYERS, width: int = 512, inner: int = 0):
        self.family, shape = family, SHAPES[family]
        torch.manual_seed(0)
        self.stock, self.processor = shape.make(layers, width, inner or shape.inner)
        self.stock.eval().generation_config.eos_token_id = None
        self.stock.generation_config.pad_token_id = self.processor.tokenizer.pad_token_id
        self.eager, engine = self._twin(), self._twin()
        self.eager.set_attn_implementation({"text_config": "eager"})  # its vision tower keeps SDPA
        self.model = Model(engine, self.processor, ModelCard("bench", "bench", "bench"))
        self.model.end_ids = []
        pixels = np.random.default_rng(0).integers(0, 256, (shape.height, shape.width, 3), dtype=np.uint8)
        self.pixels = pixels
        found = self.model.open_image(pixels).views.visual
        assert found == shape.visual, f"{family} makes {found} visual tokens, not {shape.visual}"

    def _twin(self) -> Any:
        return copy.deepcopy(self.stock, {id(p): p for p in self.stock.parameters()})

    def generate(self, hf: Any, tokens: int, **options: Any) -> Any:
        inputs = self.model.prompts.encode(Image.fromarray(self.pixels), QUESTION)
        return hf.generate(**inputs, max_new_tokens=tokens, do_sample=False, **options)

    def plain(self, tokens: int) -> Any:
        return self.generate(self.stock, tokens)

    def kept(self, tokens: int) -> Any:
        """transformers' own way to the attention weights."""
        return self.generate(self.eager, tokens, output_attentions=True, return_dict_in_generate=True)

    def ask(self, tokens: int) -> Any:
        """Side by side, from pixels; random weights are never certain, so every later layer is checked."""
        self.model.cache.clear()
        return list(self.model.open_image(self.pixels).stream(QUESTION, [Vanilla(), CLVS(beta=0.8)], tokens))


WAYS: dict[str, Callable[[Bench, int], object]] = {
    "generate": Bench.plain,
    "vanilla + CLVS": Bench.ask,
    "eager, output_attentions": Bench.kept,
}
RATIOS = ("vanilla + CLVS / generate (range)", "eager / generate")


def row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def heading(*columns: str) -> None:
    print()
    row(*columns)
    row(*["---"] * len(columns))


def interleaved(cases: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, list]:
    """Seconds of every case in every round; a round before the first warms up."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, work in cases.items():
            start = clock()
            work()
            if repeat:
                times[name].append(clock() - start)
    return times


def ratio(above: Iterable[float], below: Iterable[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def timings(bench: Bench, repeats: int, clock: Callable[[], float]) -> None:
    cases = {f"{way} {n}": lambda f=f, n=n: f(bench, n) for n in (1, LONG) for way, f in WAYS.items()}
    times = interleaved(cases, repeats, clock)
    for n in (1, LONG):
        plain, ask, kept = (times[f"{way} {n}"] for way in WAYS)
        seconds = (f"{statistics.median(values):.2f} s" for values in (plain, ask, kept))
        each = [a / b for a, b in zip(ask, plain, strict=True)]
        ratios = (f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})", f"{ratio(kept, plain):.2f}")
        row(bench.family, SHAPES[bench.family].visual, n, *seconds, *ratios)


def attention_bytes(bench: Bench, tokens: int) -> tuple[int, int]:
    """Bytes that stand in memory for attention with an answer's last token: ours of two methods, eager's of one."""
    stream = bench.model.open_image(bench.pixels).stream(QUESTION, [Vanilla(), CLVS(beta=0.8)], tokens)
    last = [next(stream) for _ in range(tokens)][-1]  # not at its end yet: the engine's own record is alive
    (record,) = (thing for thing in gc.get_objects() if isinstance(thing, Record))
    tensors = [record.attention, record.original, *record.extras.values(), record.uncertainty, record.stop]
    found = {tensor.data_ptr(): tensor.nbytes for tensor in tensors}
    for trace in (run.trace for run in last.runs):
        arrays = [trace.attention, trace.original, trace.memory, trace.uncertainty, trace.stop_layer]
        found |= {array.ctypes.data: array.nbytes for array in arrays if array is not None}
    stream.close()
    return sum(found.values()), sum(w.nbytes for step in bench.kept(tokens).attentions for w in step)


def peak(family: str, way: str) -> int:
    """Most resident bytes while one answer is made, beyond those before it; in this process (Linux)."""
    bench = Bench(family)
    bench.plain(1)  # what is loaded on first use
    bench.model.cache.clear()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = _status("VmRSS")
    WAYS[way](bench, LONG)
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) * 1024


def kept(bench: Bench) -> None:
    for tokens in (1, LONG):
        ours, theirs = attention_bytes(bench, tokens)
        row(bench.family, tokens, f"{ours / MIB:.2f} MiB", f"{theirs / MIB:.0f} MiB", f"{theirs / ours:.0f}")


def peaks(family: str) -> None:
    """Each way in a process of its own, so that none finds what another left."""
    # freed memory goes back at once, so that the high-water mark is that of what is used
    environ = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    found = []
    for way in WAYS:
        command = [sys.executable, "-m", "tests.speed.families", "--peak", family, way]
        told = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(told.splitlines()[-1]))
    row(family, LONG, *(f"{most / MIB:.0f} MiB" for most in found))


# The decoder of Qwen2.5-VL-3B: width, intermediate size, layers. Its real width, since the share of a product with the
# vocabulary depends on it; only 4 layers are run.
THREE_B = (2048, 11008, 36)
RUN, TOKENS = 4, 4
STEPS: dict[str, tuple[int, list]] = {  # -> how many layers are checked, methods
    "vanilla alone": (0, [Vanilla()]),
    "no check": (0, [Vanilla(), CLVS(beta=0.7, early_termination=False)]),
    "stops at the first check": (1, [Vanilla(), CLVS(beta=0.7, gamma=1.1, first_check=1)]),
    "checks in every later layer": (RUN - 1, [Vanilla(), CLVS(beta=0.7, gamma=1e-9, first_check=1)]),
}


def check(repeats: int, clock: Callable[[], float]) -> None:
    """Decode steps from a picture already encoded, by how many layers are checked."""
    width, inner, layers = THREE_B
    bench = Bench("qwen2_5_vl", RUN, width, inner)
    image, head = bench.model.open_image(bench.pixels), bench.model.hf.get_output_embeddings()
    states = torch.randn(2, width)
    cases: dict[str, Callable[[], object]] = {
        name: lambda m=methods: image.ask(QUESTION, m, TOKENS) for name, (_, methods) in STEPS.items()
    }
    with torch.no_grad():
        times = interleaved({**cases, "head": lambda: [head(states) for _ in range(TOKENS)]}, repeats, clock)
    step = {name: statistics.median(values) / TOKENS * 1e3 for name, values in times.items()}
    for name, (count, _) in STEPS.items():
        share = 1 - 1 / ratio(times[name], times["no check"]) if count else 0
        row(name, count, f"{step[name]:.0f} ms", f"{share:.0%}")
    each = (step["checks in every later layer"] - step["no check"]) / (RUN - 1)
    layer = (step["no check"] - step["head"]) / RUN
    print(f"\nOne check {each:.0f} ms, one decoder layer {layer:.0f} ms, the tokens' own logits {step['head']:.0f} ms.")
    for count in (1, layers - layers // 2 - 1):
        share = count * each / (layers * layer + step["head"] + count * each)
        print(f"By these (computed, not run), {count} of them would take {share:.0%} of a step of all {layers} layers.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=SHAPES, action="append", help="may be given several times; default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: fair on a busy machine")
    parser.add_argument("--peak", nargs=2, metavar=("FAMILY", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print(peak(*options.peak))
        return
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    families = options.family or list(SHAPES)
    benches = [Bench(family) for family in families]
    heading("family", "visual tokens", "new tokens", *WAYS, *RATIOS)
    for bench in benches:
        timings(bench, options.repeats, clock)
    heading("family", "new tokens", "vanilla + CLVS keep", "eager keeps", "times less")
    for bench in benches:
        kept(bench)
    heading("family", "new tokens", *(f"peak of {way}" for way in WAYS))
    for family in families:
        peaks(family)
    if "qwen2_5_vl" in families:
        heading("Qwen2.5-VL-3B's width", "layers checked", "step", "share of the checks")
        check(options.repeats, clock)


if __name__ == "__main__":
    main()
