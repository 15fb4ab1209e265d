"""The checks of a model: each looks at one thing, and holds the engine to a plain float64 reading or the stock model.

Every function takes the `Subject` and returns a `Finding`; what it may raise is told by `findings.examined`.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..engine.images import EncodedImage
from ..engine.runs import Run
from ..methods import CLVS, Vanilla
from ..models import memory
from ..models.geometry.grids import Views
from ..models.memory import gigabytes
from . import literal
from .findings import GREEN, LEFT_OUT, RED, YELLOW, Check, Finding, judged
from .subject import QUESTION, Pass, Subject, attending, first_layer, numbers, watched
from .timing import time_of

STEPS = 4
SHAPES = ((480, 640), (640, 360))  # height, width of the impulse test's pictures
CELLS = 3  # that are inverted, for each kind of grid of each picture
_ROUNDING = 2.0**-11  # relative, of the float16 in which traces are kept
_LIBRARIES = 64 * 10**6  # bytes that cuBLAS keeps on a GPU to work in, whatever ran
_NEVER = 1e-9  # a gamma below every uncertainty


def checks(subject: Subject) -> list[tuple[str, Check]]:
    """The checks of a loaded model, by name, in the order in which they build on each other."""
    listed = (
        ("dtype", dtype),
        ("prompt", prompt),
        ("visual tokens", visual_tokens),
        ("impulse", impulse),
        ("attention", attention),
        ("unified positions", unified_positions),
        ("vanilla", vanilla),
        ("clvs", clvs),
        ("memory used", memory_used),
        ("time", time_of),
        ("unloading", unloading),
    )
    return [(name, lambda look=look: look(subject)) for name, look in listed]  # type: ignore[misc]


def load(subject: Subject) -> Finding:
    model = subject.load()
    text = model.hf.config.get_text_config()
    depth = f"{model.layers} layers of {model.heads} heads, width {text.hidden_size}"
    numbers = {"seconds": subject.seconds, "layers": model.layers, "heads": model.heads, "random": subject.invented}
    how = "was built with random weights" if subject.invented else "loads"
    return Finding("loads", GREEN, f"{model.card.label} {how} in {subject.seconds:.1f} s: {depth}.", numbers)


def dtype(subject: Subject) -> Finding:
    """The dtypes and devices of all weights, as they are."""
    parameters = list(subject.loaded.hf.parameters())
    kinds = sorted({str(p.dtype).removeprefix("torch.") for p in parameters})
    places = sorted({str(p.device) for p in parameters})
    odd = [str(p.dtype) for p in parameters if p.is_floating_point() and p.dtype != subject.loaded.hf.dtype]
    slow = subject.half and places == ["cpu"]
    sentence = f"Weights are {' and '.join(kinds)} on {' and '.join(places)}"
    if slow:
        sentence += ": 16 bits are slow on a CPU"
    if odd:
        sentence += f"; {len(odd)} of {len(parameters)} tensors are kept in another dtype than the rest"
    return Finding("dtype", judged(not slow, YELLOW), f"{sentence}.", {"dtypes": kinds, "devices": places})


def prompt(subject: Subject) -> Finding:
    """The card's prompt for one question, and what ends an answer."""
    model = subject.loaded
    if subject.invented:
        return Finding("prompt", LEFT_OUT, "The tokenizer is a stand-in, so its prompt is not the checkpoint's.")
    text, tail = model.prompts.text(QUESTION), model.prompts.tail(QUESTION)
    ends = [str(model.tokenizer.convert_ids_to_tokens(one)) for one in model.end_ids]
    unknown = model.unknown_words(QUESTION)
    numbers = {"text": text, "ids_after_picture": list(tail), "end_ids": list(model.end_ids), "end_tokens": ends}
    if not ends:
        return Finding("prompt", RED, "No token ends an answer: every one runs to its limit.", numbers)
    odd = f"; its vocabulary lacks {', '.join(unknown)}" if unknown else ""
    sentence = f"{text!r} has {len(tail)} tokens after the picture; answers end with {' or '.join(ends)}{odd}."
    return Finding("prompt", judged(not unknown, YELLOW), sentence, numbers)


def visual_tokens(subject: Subject) -> Finding:
    """As many visual tokens in the prompt as the picture's geometry has, and as the model's features are."""
    model = subject.loaded
    image, inputs = model.open_image(subject.picture), subject.inputs()
    written = int((inputs["input_ids"] == model.image_token_id).sum())
    made = len(_features(subject, inputs))
    most = model.card.size.tokens if model.card.size else None
    counts = {
        "prompt": written,
        "geometry": image.views.visual,
        "features": made,
        "engine": image.segment.visual_tokens,
    }
    seen = {**counts, "card_at_most": most}
    if len(set(counts.values())) > 1:
        each = ", ".join(f"{count} in the {name}" for name, count in counts.items())
        return Finding("visual tokens", RED, f"The numbers of visual tokens disagree: {each}.", seen)
    if most is not None and written > most:
        return Finding("visual tokens", YELLOW, f"A picture has {written}, its card says at most {most}.", seen)
    limit = f" (at most {most})" if most else ""
    sentence = f"{written} for a picture of {image.width} x {image.height}{limit}, in the prompt as on the picture."
    return Finding("visual tokens", GREEN, sentence, seen)


# --- the picture's geometry ---------------------------------------------------------------------------------------


@torch.no_grad()
def _features(subject: Subject, inputs: dict[str, Tensor]) -> Tensor:
    """What the decoder gets for each visual token, by the model's own vision tower: (N, d)."""
    text = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
    pixels = {name: value for name, value in inputs.items() if name not in text}
    features = subject.loaded.hf.get_image_features(**pixels).pooler_output
    features = torch.cat(list(features)) if isinstance(features, (list, tuple)) else features
    return features.flatten(0, -2).float()


def impulse(subject: Subject) -> Finding:
    """Inverting the pixels of one cell must change that cell's token most, in pictures of two shapes."""
    hits, near, tried = 0, 0, 0
    for height, width in SHAPES:
        for token, changed, views in _impulses(subject, height, width):
            tried += 1
            hits += changed == token
            near += _apart(views, token, changed) <= 1
    counts = {"hits": hits, "neighbours": near - hits, "tried": tried}
    if hits == tried:
        return Finding("impulse", GREEN, f"{hits} of {tried} inverted cells change their own token most.", counts)
    sentence = f"{hits} of {tried} inverted cells change their own token most, {near - hits} a neighbour"
    # a trained tower has tokens that react to everything; a wrong geometry hits next to nothing
    right = near * 3 >= tried * 2
    why = "maps may be a cell off" if right else "maps do not lie where the model looks"
    return Finding("impulse", YELLOW if right else RED, f"{sentence}: {why}.", counts)


def _impulses(subject: Subject, height: int, width: int) -> list[tuple[int, int, Views]]:
    """For some cells: their token, the token that changed most, relative to its size, and the geometry."""
    model, rng = subject.loaded, np.random.default_rng(0)
    blocks = rng.integers(0, 2, (24, 24, 3), dtype=np.uint8) * 255
    pixels = np.asarray(Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST))
    inputs = model.prompts.encode(Image.fromarray(pixels), "?")
    views = model.open_image(pixels).views
    before = _features(subject, model.placed(inputs))
    changes = []
    for kind in dict.fromkeys(view.kind for view in views.grids):
        boxes = _boxes(views, kind)
        rivals = torch.tensor(sorted(_all_tokens(views, kind)), device=before.device)
        for token in rng.permutation(sorted(boxes))[:CELLS].tolist():
            x0, y0, x1, y1 = boxes[token]
            other = pixels.copy()
            other[y0:y1, x0:x1] = 255 - other[y0:y1, x0:x1]
            after = _features(subject, model.placed(model.prompts.encode(Image.fromarray(other), "?")))
            change = (after - before).norm(dim=-1) / before.norm(dim=-1)
            changes.append((token, int(rivals[change[rivals].argmax()]), views))
    return changes


def _all_tokens(views: Views, kind: str) -> set[int]:
    grids = [view for view in views.grids if view.kind == kind]
    return {g.start + r * g.stride + c for g in grids for r, c in np.ndindex(g.rows, g.cols)}


def _boxes(views: Views, kind: str) -> dict[int, tuple[int, ...]]:
    """Whole pixels of the cells of this kind that lie within the picture, by token."""
    boxes = {}
    for view in (view for view in views.grids if view.kind == kind):
        for row, col in np.ndindex(view.rows, view.cols):
            x0, y0, x1, y1 = view.box(row, col)
            if x0 >= -0.5 and y0 >= -0.5 and x1 <= views.width + 0.5 and y1 <= views.height + 0.5:
                boxes[view.start + row * view.stride + col] = tuple(round(max(v, 0)) for v in (x0, y0, x1, y1))
    return boxes


def _apart(views: Views, one: int, other: int) -> float:
    """How many cells lie between two tokens, diagonally counted as one; infinite in different grids."""
    for view in views.grids:
        (row, col), (to_row, to_col) = (divmod(token - view.start, view.stride) for token in (one, other))
        if all(0 <= r < view.rows and 0 <= c < view.cols for r, c in ((row, col), (to_row, to_col))):
            return max(abs(row - to_row), abs(col - to_col))
    return np.inf


# --- attention ----------------------------------------------------------------------------------------------------


def attention(subject: Subject) -> Finding:
    """The weights that are shown, against the softmax of the very queries and keys, in float64; every layer."""
    image = subject.loaded.open_image(subject.picture)
    with watched(subject.loaded) as seen:
        (run,) = image.ask(QUESTION, [Vanilla()], 1)
    visual = image.segment.where(torch.device("cpu")).visual
    expected = np.stack([seen.weights(layer, 0)[:, visual] for layer in range(subject.loaded.layers)])
    shown = run.trace.original[0].astype(np.float64)
    off = np.abs(shown - expected)
    # NaN is the worst of all, and no comparison would notice it
    off = np.where(np.isfinite(off), off, np.inf)
    layer = int(off.max((1, 2)).argmax())
    most, mean = float(off.max()), float(off.mean())
    excess = float((off / _allowed(expected, subject)).max())
    measured = {"max": most, "mean": mean, "layer": layer, "times_allowed": excess}
    where = f"largest difference {most:.1e} (layer {layer + 1}), mean {mean:.1e}"
    if excess <= 1:
        return Finding("attention", GREEN, f"Every layer's weights are those of float64: {where}.", measured)
    rounded = subject.half and most < 0.1
    why = "16-bit rounding that shows" if rounded else "the maps are not what the model's queries and keys say"
    return Finding("attention", YELLOW if rounded else RED, f"{where[0].upper()}{where[1:]}: {why}.", measured)


def _allowed(expected: np.ndarray, subject: Subject) -> np.ndarray:
    """How far weights may be from float64's: float32's scores, kept as float16; 1e-9 in a float64 model."""
    return np.full_like(expected, 1e-9) if subject.float64 else 4 * _ROUNDING * np.abs(expected) + 1e-6


def unified_positions(subject: Subject) -> Finding:
    """Layer 0 of CLVS (eq. 2) against the stock model that is told those positions."""
    model = subject.loaded
    image = model.open_image(subject.picture)
    mask = (subject.inputs()["input_ids"][0] == model.image_token_id).cpu().numpy()
    query, keys, scaling, window = first_layer(subject, literal.unified_positions(mask))
    expected = literal.attention_row(query, keys, scaling, window)[:, mask]
    (run,) = image.ask(QUESTION, [CLVS()], 1)
    shown = run.trace.attention[0, 0].astype(np.float64)
    moved = float(np.abs(shown - run.trace.original[0, 0]).max())
    most = float(np.abs(shown - expected).max())
    # 16-bit keys are rounded once when they are rotated, and once more when they are moved
    allowed = 1e-9 if subject.float64 else 0.02 if subject.half else 1e-3 * float(expected.max()) + 1e-6
    measured = {"max": most, "allowed": allowed, "moved_by": moved}
    if not most <= allowed:
        return Finding("unified positions", RED, f"Layer 1 of CLVS is off by {most:.1e} from eq. 2.", measured)
    sentence = f"Layer 1 of CLVS is that of the stock model at the positions of eq. 2, to {most:.1e}."
    return Finding("unified positions", GREEN, sentence, measured)


# --- answers ------------------------------------------------------------------------------------------------------


def vanilla(subject: Subject) -> Finding:
    """Vanilla against `generate` of the stock model: the same tokens, and logits within the noise of the dtype."""
    model = subject.loaded
    (run,) = model.open_image(subject.picture).ask(QUESTION, [Vanilla()], STEPS, keep_logits=True)
    assert run.logits is not None
    inputs = subject.inputs()
    with attending(model, "sdpa") as hf, torch.no_grad():
        stock = hf.generate(
            **inputs, max_new_tokens=STEPS, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
    ids = stock.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    logits = torch.stack(stock.logits, 1)[0].float().cpu().numpy()
    ours = [token.id for token in run.tokens]
    same = next((i for i, (a, b) in enumerate(zip(ours, ids, strict=False)) if a != b), min(len(ours), len(ids)))
    differ = same < max(len(ours), len(ids))
    compared = min(same + 1, len(ids), len(ours))  # where another word was said the rest tells nothing
    off = np.abs(run.logits[:compared].astype(np.float64) - logits[:compared])
    unit = _noise(subject, logits)
    ratio = float(off.mean() / unit) if subject.half else float(off.max() / unit)
    top = np.sort(logits[same])[-2:] if differ and same < len(logits) else None
    tie = subject.half and top is not None and top[1] - top[0] < 8 * unit * 3
    measured = {"tokens": ours, "stock_tokens": ids, "logits_in_noise": ratio, "noise": unit, "tie": bool(tie)}
    what = "16-bit noise, on average" if subject.half else f"{_exact(subject):g} of their deviation, at most"
    words = f"logits differ by {ratio:.2g} times {what}"
    if not np.isfinite(ratio) or (differ and not tie):
        return Finding("vanilla", RED, f"Other tokens than generate's from number {same + 1} on; {words}.", measured)
    limit = 2.0 if subject.half else 1.0
    sentence = "The same tokens as generate" if not differ else f"Generate's tokens up to a tie at number {same + 1}"
    status = GREEN if ratio <= limit and not differ else YELLOW if subject.half and ratio <= 4 * limit else RED
    return Finding("vanilla", status, f"{sentence}; {words}.", measured)


def _noise(subject: Subject, logits: np.ndarray) -> float:
    """The unit for differences of logits: in 16 bits what SDPA and eager attention differ by, else `_exact`."""
    if not subject.half:
        return float(_exact(subject) * logits.std())
    rows = len(subject.loaded.prompts.tail(QUESTION))  # one row alone may round alike by chance
    eager, sdpa = (_prompt_logits(subject, kind, rows) for kind in ("eager", "sdpa"))
    return max(float((eager - sdpa).abs().mean()), float(np.abs(logits).mean()) * 2.0**-12)


@torch.no_grad()
def _prompt_logits(subject: Subject, kind: str, rows: int) -> Tensor:
    """What the stock model makes of the prompt's last tokens: (rows, V) float32."""
    with attending(subject.loaded, kind) as hf:
        return hf(**subject.inputs(), logits_to_keep=rows).logits[0].float()


def _exact(subject: Subject) -> float:
    """Of the logits' deviation; `generate` hands them out in float32, whatever the model computes in."""
    return 1e-6 if subject.float64 else 1e-4


def clvs(subject: Subject) -> Finding:
    """Memory, mix, uncertainty and stop of CLVS against the paper's formulas on the rows that the engine recorded."""
    model = subject.loaded
    image = model.open_image(subject.picture)
    usual = CLVS().resolve(model.target)
    first_check = min(usual.first_check or 0, model.layers - 1)  # of a model with very few layers
    endless = replace(usual, gamma=_NEVER, first_check=first_check, early_termination=True)
    (probe,) = image.ask(QUESTION, [endless], 1)
    stopping = replace(endless, gamma=_halfway(probe.trace.uncertainty[0]))
    with watched(model) as seen:
        runs = image.ask(QUESTION, [endless, stopping], 1)
    off = {"memory": 0.0, "attention": 0.0, "uncertainty": 0.0}
    stops = []
    for branch, (run, settings) in enumerate(zip(runs, (endless, stopping), strict=True)):
        smoothed = _literal_clvs(run, settings, _outside(image, seen, branch))
        stops.append((int(run.trace.stop_layer[0]), smoothed.stop))
        unsure = _uncertainty_off(subject, seen, run, settings, branch)
        for name, value in (*_clvs_off(run, smoothed, subject).items(), ("uncertainty", unsure)):
            off[name] = max(off[name], value)
    wrong = [f"the {name} is {value:.2g} times what rounding allows" for name, value in off.items() if not value <= 1]
    wrong += [f"it stops after layer {ours}, not {right}" for ours, right in stops if ours != right]
    measured = {"times_allowed": off, "stop_layers": [ours for ours, _ in stops], "expected": [s for _, s in stops]}
    if wrong:
        return Finding("clvs", RED, f"CLVS is not eq. 4 to 8: {'; '.join(wrong)}.", measured)
    worst = max(off.values())
    ends = " and ".join("never" if stop < 0 else f"after layer {stop + 1}" for stop, _ in stops)
    sentence = f"Memory, mix and uncertainty are eq. 4 to 8 ({worst:.2g} of what rounding allows); stops {ends}."
    return Finding("clvs", GREEN, sentence, measured)


def _halfway(unsure: np.ndarray) -> float:
    """A gamma that half of the measured layers are below, so that smoothing stops at one of them."""
    known = unsure[np.isfinite(unsure)]
    return float(np.sort(known)[len(known) // 2]) * 1.001 + 1e-12


def _outside(image: EncodedImage, seen: Pass, branch: int) -> np.ndarray:
    """Which visual tokens lie beyond each layer's window: (L, N) bool."""
    places = np.arange(image.segment.length)[image.segment.where(torch.device("cpu")).visual]
    lengths = [keys[branch].shape[-2] for keys in seen.keys]
    starts = [0 if window is None else length - window for window, length in zip(seen.windows, lengths, strict=True)]
    return places < np.array(starts)[:, None]


def _literal_clvs(run: Run, settings: CLVS, outside: np.ndarray) -> literal.Smoothed:
    trace = run.trace
    assert settings.beta is not None
    assert settings.first_check is not None
    alpha, beta, gamma, check = settings.alpha, settings.beta, settings.gamma, settings.first_check
    rows = trace.attention[0, 0], trace.original[0], trace.uncertainty[0], outside
    return literal.clvs(*rows, alpha, beta, gamma, check)


def _clvs_off(run: Run, smoothed: literal.Smoothed, subject: Subject) -> dict[str, float]:
    """By how many times what rounding allows the record is off; infinite where one has a number and the other not."""
    assert run.trace.memory is not None
    pairs = {
        "memory": (run.trace.memory[0], smoothed.memory),
        "attention": (run.trace.attention[0], smoothed.attention),
    }
    differences = {}
    for name, (kept, expected) in pairs.items():
        allowed = np.full(expected.shape, 1e-9) if subject.float64 else 8 * _ROUNDING * np.abs(expected) + 2.0**-22
        off = np.abs(kept.astype(np.float64) - expected) / allowed
        both = np.isnan(kept) & np.isnan(expected)
        differences[name] = float(np.where(both, 0, np.where(np.isfinite(off), off, np.inf)).max())
    return differences


def _uncertainty_off(subject: Subject, seen: Pass, run: Run, settings: CLVS, branch: int) -> float:
    """The same for eq. 8, from the hidden states after each measured layer."""
    head, differences = subject.loaded.hf.get_output_embeddings(), [0.0]
    norm = subject.loaded.hf.get_decoder().norm if settings.lens_norm else lambda hidden: hidden
    for layer, unsure in enumerate(run.trace.uncertainty[0]):
        if np.isfinite(unsure):
            with torch.no_grad():
                logits = numbers(head(norm(seen.hidden[layer]))[branch])
            expected = literal.uncertainty(logits, settings.top_k)
            differences.append(
                abs(float(unsure) - expected) / (1e-9 if subject.float64 else 0.02 if subject.half else 1e-4)
            )
    return max(differences)


# --- memory -------------------------------------------------------------------------------------------------------


def memory_used(subject: Subject) -> Finding:
    """The most memory in use while two pictures are read and asked about, against what the model's size promises.

    Pictures that are kept beyond these two take what is left free, and give it back where it is needed.
    """
    model, meter = subject.loaded, subject.meter
    model.cache.clear()
    meter.anew()
    for picture in (subject.picture, ImageOps.mirror(subject.picture)):
        model.open_image(picture).ask(QUESTION, [Vanilla(), CLVS()], 1)
    used = meter.peak()
    meter.stop()
    tokens = model.card.size.tokens if model.card.size else memory.TOKENS
    quantized = getattr(model.hf, "is_quantized", False)
    known = model.card.size if quantized and model.card.size else memory.size_of(model.hf, tokens)
    kept = _quantization(model.hf) if quantized else str(model.hf.dtype).removeprefix("torch.")
    promised = known.needed(kept)
    what = "on the GPU" if meter.gpu else "of resident memory, which other parts of the process share,"
    sentence = f"{gigabytes(used)} {what} at most; {gigabytes(promised)} was estimated"
    numbers = {"peak": used, "estimate": promised, "weights": known.weights(kept), "gpu": meter.gpu}
    if used <= promised:
        return Finding("memory used", GREEN, f"{sentence}.", numbers)
    return Finding("memory used", RED if meter.gpu else YELLOW, f"{sentence}: too little.", numbers)


def _quantization(hf: object) -> str:
    return "4bit" if getattr(hf, "is_loaded_in_4bit", False) else "8bit"


def unloading(subject: Subject) -> Finding:
    """Whether nothing holds the model once it is given back, and its memory is free again."""
    meter, held = subject.meter, subject.meter.now()
    weights = sum(p.nbytes for p in subject.loaded.hf.parameters())
    alive = weakref.ref(subject.loaded.hf)
    subject.model = None
    gc.collect()
    memory.release()
    left = meter.now() - meter.before
    numbers = {"before": meter.before, "loaded": held, "after": meter.now(), "weights": weights}
    if alive() is not None:
        return Finding("unloading", RED, "Something still holds the model after it was given back.", numbers)
    if meter.gpu:
        sentence = (
            f"{gigabytes(held - meter.now())} of the GPU's memory are free again, {gigabytes(max(left, 0))} kept."
        )
        return Finding("unloading", judged(left <= max(0.05 * weights, _LIBRARIES)), sentence, numbers)
    kept = weights > 2e8 and left > weights / 2
    why = "; the allocator keeps some, which is no leak" if kept else ""
    sentence = f"Nothing holds the model any more{why}."
    return Finding("unloading", judged(not kept, YELLOW), sentence, numbers)
