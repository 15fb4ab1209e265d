"""Methods read literally: float64, full attention matrices, everything recomputed for every token, loops over rows.

`Reference` is a plain Llama decoder with CLVS, written from its equations; weights come from the transformers model,
image features too. `StockReference` reads any family and any method: the stock model runs on the whole sequence, with
its own positions and masks, and only attention is a matrix written out here. Neither shares code with the engine.
Two roundings of transformers are kept, because they are part of the stock model even in float64: RMS norms and the
angles of the rotary positions are taken in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from clvs_core import CLVS
from clvs_core.methods import Method

from ..methods.reference import MethodReading, contrasted, readings, softmax


@dataclass
class Row:
    """What the reference records for one generated token."""

    token: int = -1
    logits: np.ndarray | None = None
    original: list[np.ndarray] = field(default_factory=list)  # per layer (heads, visual)
    attention: list[np.ndarray] = field(default_factory=list)
    whole: list[np.ndarray] = field(default_factory=list)  # per layer (heads, keys), as used
    memory: list[np.ndarray] = field(default_factory=list)  # NaN once smoothing has stopped
    uncertainty: list[float] = field(default_factory=list)
    stop: int = -1
    accumulation: list[np.ndarray] = field(default_factory=list)  # of TARAC
    sinks: list[np.ndarray] = field(default_factory=list)  # of VAR
    acted_heads: list[np.ndarray] = field(default_factory=list)  # of VAR and AD-HH; the latter's where both work
    seen: np.ndarray | None = None  # logits behind the picture and behind the contrast, where there is one
    other: np.ndarray | None = None


class Reading:
    """The equations on the row of one token; subclasses say what a hidden state would say (`lens`)."""

    settings: CLVS | None
    visual: list[int]

    def edit(self, layer, r, weights, unified, memory, active):
        """Equations 2 and 4 to 7 on the row of one token: (heads, keys) -> (heads, keys)."""
        s, visual = self.settings, self.visual
        if layer == 0:
            used = unified if s.unified_positions else weights
            memory[r] = used[:, visual].max(0)
            return used
        if not active[r]:
            return weights
        used = weights.copy()
        used[:, visual] = s.alpha * weights[:, visual] + (1 - s.alpha) * memory[r]
        used = used / used.sum(-1, keepdims=True)
        memory[r] = s.beta * memory[r] + (1 - s.beta) * weights[:, visual].max(0)
        return used

    def check(self, layer, r, hidden, row, active):
        """Equation 8 and the stop."""
        s = self.settings
        if s is None or not s.early_termination or s.gamma <= 0 or not active[r] or layer < s.first_check:
            row.uncertainty.append(np.nan)
            return
        logits = np.sort(self.lens(hidden, s.lens_norm))[::-1][: s.top_k]
        p = np.exp(logits - logits.max())
        p = p / p.sum()
        u = -sum(x * np.log(x) for x in p if x > 0) / np.log(s.top_k)
        row.uncertainty.append(u)
        if u < s.gamma:
            active[r], row.stop = False, layer


class Reference(Reading):
    """Greedy decoding of one prompt with CLVS (or, with settings None, without any edit)."""

    def __init__(self, hf, inputs, settings: CLVS | None):
        self.config = hf.config.text_config
        self.weights = {k: v.detach().double().numpy() for k, v in hf.state_dict().items() if "vision" not in k}
        self.ids = inputs["input_ids"][0].tolist()
        self.visual = [i for i, token in enumerate(self.ids) if token == hf.config.image_token_id]
        with torch.no_grad():
            features = hf.get_image_features(pixel_values=inputs["pixel_values"].to(hf.dtype)).pooler_output[0]
        self.features = features.double().numpy()
        self.settings = settings

    def weight(self, name):
        for prefix in ("model.language_model.", "language_model.", ""):
            if prefix + name in self.weights:
                return self.weights[prefix + name]
        raise KeyError(name)

    def run(self, steps: int) -> list[Row]:
        first = len(self.ids) - 1  # the row of the last prompt token predicts the first new one
        rows: list[Row] = []
        for _ in range(steps):
            hidden, seen = self.forward(first)
            row = seen[-1]
            row.logits = self.weight("lm_head.weight") @ self.norm(hidden[-1], "norm.weight")
            row.token = int(row.logits.argmax())
            rows.append(row)
            self.ids.append(row.token)
        return rows

    def forward(self, first: int):
        """All layers on the whole sequence; rows from `first` on are edited, each with its own memory and stop."""
        hidden = self.weight("embed_tokens.weight")[self.ids].copy()
        hidden[self.visual] = self.features
        seen = {r: Row() for r in range(first, len(self.ids))}
        memory: dict[int, np.ndarray] = {}
        active = dict.fromkeys(seen, self.settings is not None)
        for layer in range(self.config.num_hidden_layers):
            hidden = self.layer(layer, hidden, seen, memory, active)
        return hidden, list(seen.values())

    def layer(self, layer, hidden, seen, memory, active):
        prefix = f"layers.{layer}."
        x = np.stack([self.norm(h, prefix + "input_layernorm.weight") for h in hidden])
        heads, kv, dim = self.config.num_attention_heads, self.config.num_key_value_heads, self.config.head_dim
        query = (x @ self.weight(prefix + "self_attn.q_proj.weight").T).reshape(-1, heads, dim)
        key = (x @ self.weight(prefix + "self_attn.k_proj.weight").T).reshape(-1, kv, dim)
        value = (x @ self.weight(prefix + "self_attn.v_proj.weight").T).reshape(-1, kv, dim)
        key, value = np.repeat(key, heads // kv, 1), np.repeat(value, heads // kv, 1)
        plain = np.arange(len(hidden))
        weights = self.matrix(query, key, plain)
        for r, row in seen.items():
            row.original.append(weights[:, r, self.visual].copy())
        if self.settings is not None:
            unified = self.matrix(query, key, self.unified()) if layer == 0 else weights
            for r in seen:
                weights[:, r] = self.edit(layer, r, weights[:, r], unified[:, r], memory, active)
        for r, row in seen.items():
            row.attention.append(weights[:, r, self.visual].copy())
            row.whole.append(weights[:, r, : r + 1].copy())
            row.memory.append(memory[r].copy() if active[r] else np.full(len(self.visual), np.nan))
        mixed = np.einsum("hij,jhd->ihd", weights, value).reshape(len(hidden), -1)
        hidden = hidden + mixed @ self.weight(prefix + "self_attn.o_proj.weight").T
        x = np.stack([self.norm(h, prefix + "post_attention_layernorm.weight") for h in hidden])
        gate, up = (x @ self.weight(prefix + f"mlp.{n}_proj.weight").T for n in ("gate", "up"))
        hidden = hidden + (gate / (1 + np.exp(-gate)) * up) @ self.weight(prefix + "mlp.down_proj.weight").T
        for r, row in seen.items():
            self.check(layer, r, hidden[r], row, active)
        return hidden

    def lens(self, hidden, norm):
        return self.weight("lm_head.weight") @ (self.norm(hidden, "norm.weight") if norm else hidden)

    def unified(self):
        """Equation 2: image tokens at the first one's position, later text moved up."""
        start, count = self.visual[0], len(self.visual)
        return np.array(
            [i if i < start else start if i < start + count else i - count + 1 for i in range(len(self.ids))]
        )

    def matrix(self, query, key, positions):
        """Causal softmax attention of all rows: (heads, rows, keys)."""
        query, key = self.rotate(query, positions), self.rotate(key, positions)
        scores = np.einsum("ihd,jhd->hij", query, key) / np.sqrt(self.config.head_dim)
        scores = np.where(np.tri(len(positions), dtype=bool), scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        return scores / scores.sum(-1, keepdims=True)

    def rotate(self, x, positions):
        half = self.config.head_dim // 2
        theta = self.config.rope_parameters["rope_theta"]
        exponent = torch.arange(0, 2 * half, 2, dtype=torch.int64).float() / (2 * half)
        angle = torch.tensor(positions).float()[:, None] * (1.0 / (theta**exponent))[None]
        cos, sin = angle.cos().double().numpy()[:, None], angle.sin().double().numpy()[:, None]
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def norm(self, x, name):
        single = torch.from_numpy(np.asarray(x)).float()
        single = single * torch.rsqrt(single.pow(2).mean(-1, keepdim=True) + self.config.rms_norm_eps)
        return single.double().numpy() * self.weight(name)


class Enough(Exception):
    """Ends a forward pass of which only layer 0 was wanted."""


def literal_attention(module, query, key, value, attention_mask, **kwargs):
    return kwargs["literal"].attend(module.layer_idx, query, key, value, attention_mask, kwargs["scaling"]), None


AttentionInterface.register("literal", literal_attention)
AttentionMaskInterface.register("literal", sdpa_mask)


class StockReference(Reading):
    """Greedy decoding of one prompt by a stock model of any family, with any method or (method None) without an edit.

    inputs: the processor's, for one prompt. contrast: a reference on other inputs, without a method, whose logits the
    method contrasts with its own; both are fed the same tokens.
    """

    def __init__(self, hf, inputs, method: Method | None, contrast: StockReference | None = None):
        self.hf, self.method, self.contrast = hf, method, contrast
        self.settings = next((m for m in ([] if method is None else method.parts) if isinstance(m, CLVS)), None)
        self.decoder, self.head = hf.get_decoder(), hf.get_output_embeddings()
        self.inputs = {k: v.to(hf.dtype) if v.is_floating_point() else v for k, v in inputs.items()}
        self.visual = (inputs["input_ids"][0] == hf.config.image_token_id).nonzero().flatten().tolist()
        self.first = self.length - 1  # the row of the last prompt token predicts the first new one
        self.readings: list[MethodReading] = readings(method, self.visual, self.length)
        self.entered: dict[int, np.ndarray] = {}  # hidden states entering each layer in the latest pass

    @property
    def length(self):
        return self.inputs["input_ids"].shape[1]

    def run(self, steps: int) -> list[Row]:
        rows = []
        for _ in range(steps):
            row = self.step()
            row.logits = row.seen
            if self.contrast is not None:
                row.other = self.contrast.step().seen
                row.logits = contrasted(self.method, row.seen, row.other)
            row.token = int(row.logits.argmax())
            rows.append(row)
            self.append(row.token)
        return rows

    def step(self) -> Row:
        """The row of the newest token, with its logits in `seen`."""
        hidden, rows = self.forward()
        rows[-1].seen = self.head(hidden).detach().numpy()
        return rows[-1]

    def append(self, token: int) -> None:
        """One more token of text: what belongs to tokens grows with them; the contrast takes it, too."""
        for name, new in {"input_ids": token, "attention_mask": 1, "mm_token_type_ids": 0, "token_type_ids": 0}.items():
            if name in self.inputs:
                more = torch.full((1, 1), new, dtype=self.inputs[name].dtype)
                self.inputs[name] = torch.cat([self.inputs[name], more], 1)
        if self.contrast is not None:
            self.contrast.append(token)

    def forward(self):
        """The last token's hidden state after the final norm, and one Row per token that predicts a generated one."""
        unified = self.layer_zero(self.unified(self.layer_zero()[0]))[3] if self.settings else None
        self.seen, self.unified_scores = {r: Row() for r in range(self.first, self.length)}, unified
        self.memory, self.active = {}, dict.fromkeys(self.seen, self.settings is not None)
        self.only_layer_zero = False
        for reading in self.readings:
            reading.begin()
        with self.attached():
            hidden = self.hf.model(**self.inputs, use_cache=False, literal=self).last_hidden_state
        return hidden[0, -1], list(self.seen.values())

    def layer_zero(self, positions=None):
        """Positions, queries, keys and scores of layer 0, at the stock positions or at the given ones."""
        self.only_layer_zero = True
        ids = None if positions is None else torch.tensor(positions)
        if ids is not None and len(ids) > 1:
            ids = ids[:, None]  # (3, 1, N) for M-RoPE, else (1, N)
        with self.attached(), suppress(Enough):
            self.hf.model(**self.inputs, position_ids=ids, use_cache=False, literal=self)
        return self.positions, *self.caught

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The model with written-out attention, its rotary positions and what enters and leaves its layers watched."""
        before = self.hf.config.get_text_config()._attn_implementation

        def positions(module, args, kwargs):
            found = kwargs.get("position_ids", args[1] if len(args) > 1 else None)
            self.positions = found.reshape(-1, found.shape[-1]).numpy()  # one prompt: (axes, N)

        def entering(index):
            def hook(module, args):
                self.entered[index] = args[0][0].numpy()
                for reading in self.readings:
                    reading.enter(index, self.entered[index])

            return hook

        def leaving(index):
            def hook(module, args, output):
                for r, row in self.seen.items():
                    self.check(index, r, output[0, r], row, self.active)

            return hook

        self.hf.set_attn_implementation({"text_config": "literal"})
        with ExitStack() as stack, torch.no_grad():
            stack.callback(self.hf.set_attn_implementation, {"text_config": before})
            stack.callback(self.decoder.rotary_emb.register_forward_pre_hook(positions, with_kwargs=True).remove)
            for index, module in enumerate(self.decoder.layers):
                if not self.only_layer_zero:
                    stack.callback(module.register_forward_pre_hook(entering(index)).remove)
                stack.callback(module.register_forward_hook(leaving(index)).remove)
            yield

    def attend(self, layer, query, key, value, mask, scaling):
        """All rows of one layer: (1, heads, N, D) -> (1, N, heads, D)."""
        groups = query.shape[1] // key.shape[1]
        allowed = torch.ones(query.shape[2], query.shape[2]).tril().bool() if mask is None else mask[0, 0]
        scores = torch.einsum("hid,hjd->hij", query[0], key[0].repeat_interleave(groups, 0)) * scaling
        if self.only_layer_zero:
            self.caught = query, key, scores.numpy()
            raise Enough
        weights = torch.softmax(scores.masked_fill(~allowed, -torch.inf), -1).numpy()
        for r in range(self.visual[-1] + 1 if self.visual else self.first, self.length):
            weights[:, r] = self.row(layer, r, scores.numpy()[:, r], weights[:, r], allowed.numpy()[r])
        mixed = torch.einsum("hij,hjd->ihd", torch.from_numpy(weights), value[0].repeat_interleave(groups, 0))
        return mixed[None]

    def row(self, layer, r, scores, original, allowed):
        """The weights (heads, keys) that token `r` uses in a layer; what the trace keeps is written into its Row."""
        active = [reading for reading in self.readings if reading.all_rows or r >= self.first]
        smoothed = self.settings is not None and r >= self.first
        used = original
        if active or smoothed:
            unify = smoothed and layer == 0 and self.settings.unified_positions
            used = self.edited(layer, r, self.unified_scores[:, r] if unify else scores, active, allowed)
        if r >= self.first:
            row = self.seen[r]
            row.original.append(original[:, self.visual].copy())
            row.attention.append(used[:, self.visual].copy())
            for name, value in (item for reading in active for item in reading.records(layer).items()):
                kept = getattr(row, name)
                kept[layer:] = [kept[layer] | value if layer < len(kept) else value]  # heads may be acted on twice
            if smoothed:
                kept = self.active[r]
                row.memory.append(self.memory[r].copy() if kept else np.full(len(self.visual), np.nan))
        return used

    def edited(self, layer, r, scores, active, allowed):
        """Scores one method after another, the softmax over what may be seen, weights one after another."""
        for reading in active:
            scores = reading.scores(layer, scores)
        weights = softmax(np.where(allowed, scores, -np.inf))
        for reading in (x for x in active if x.before_memory):
            weights = reading.weights(layer, weights)
        if self.settings is not None and r >= self.first:
            weights = self.edit(layer, r, weights, weights, self.memory, self.active)
        for reading in (x for x in active if not x.before_memory):
            weights = reading.weights(layer, weights)
        # a layer's window holds for what is mixed in, too; the row keeps its sum, where anything is left of it
        inside = weights * allowed
        left = inside.sum(-1, keepdims=True)
        return inside * np.divide(weights.sum(-1, keepdims=True), left, out=np.zeros_like(left), where=left > 0)

    def lens(self, hidden, norm):
        return self.head(self.decoder.norm(hidden) if norm else hidden).numpy()

    def unified(self, positions):
        """Equation 2, run by run: image tokens stand where the run's first one does, later text follows on.

        positions and result (axes, N).
        """
        found, moved, i = np.empty_like(positions), 0, 0
        while i < self.length:
            if i not in self.visual:
                found[:, i] = positions[:, i] - moved
                i += 1
                continue
            start = i
            while i in self.visual:
                i += 1
            run = positions[:, start:i]
            found[:, start:i] = run[:, :1] - moved
            moved += run.max() - run[:, 0].max()
        return found
