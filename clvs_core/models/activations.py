"""How many numbers a model holds at once beside its weights, from its configuration.

Without gradients a layer's intermediate results are gone when the next layer starts, so that depth does not matter and
the widest layer decides. What is counted was found by counting every tensor of full-size models while they ran
(`tests/rehearsal/test_activations.py`, which also says how near this comes):

reading a picture   the larger of
  in the vision tower   for each patch, two MLP rows (three where it is gated) and 7 hidden states; 12 where the tower
                        turns queries and keys, which it does in float32
  in the decoder        for each token, three MLP rows and 5 hidden states; and the features of every crop
  and in both, the pixels as the processor made them and as the model takes them
asking              `COPIES` tensors of scores in float32 at least, one score for each row of a pack, head and key
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

WORDS = 256  # tokens of a prompt beside the picture's: Idefics3 spells the name of every tile
COPIES = 5  # scores over the picture and the question, joined, scaled, masked, and their softmax
PACK = 512  # rows of a pack of questions, at most
PACK_BYTES = 128 * 2**20  # of one of its tensors, at most


class Picture(NamedTuple):
    """The largest picture as a vision tower takes it: patches, numbers of its pixels, features that come out."""

    patches: int
    pixels: int
    features: int


def reading(config: Any, tokens: int) -> int:
    """Numbers that are alive at once while a picture of at most `tokens` visual tokens is read."""
    text, vision = config.get_text_config(), config.vision_config
    picture = _largest(config, tokens)
    rotary = hasattr(vision, "spatial_merge_size")
    width = getattr(vision, "embed_dim", None) or vision.hidden_size  # Qwen2-VL's hidden_size is the decoder's
    inner = getattr(vision, "intermediate_size", None) or int(width * vision.mlp_ratio)
    gated = 3 if getattr(vision, "hidden_act", "") == "silu" else 2
    tower = picture.patches * (gated * inner + (12 if rotary else 7) * width)
    decoder = (tokens + WORDS) * (3 * text.intermediate_size + 5 * text.hidden_size)
    layers = 1 + len(getattr(vision, "deepstack_visual_indexes", None) or ())
    features = picture.features * text.hidden_size * layers
    return max(tower + features * (layers > 1), decoder + features) + 4 * picture.pixels


def asking(config: Any, tokens: int) -> int:
    """Numbers of the scores that are alive at once while a pack of questions about a picture is run."""
    heads = config.get_text_config().num_attention_heads
    row = heads * (tokens + PACK)
    return COPIES * max(row, min(PACK * row, PACK_BYTES // 4))


def _largest(config: Any, tokens: int) -> Picture:
    vision = config.vision_config
    merge = getattr(vision, "spatial_merge_size", None)
    if merge:
        patches = tokens * merge**2
        return Picture(patches, patches * 3 * vision.temporal_patch_size * vision.patch_size**2, tokens)
    side, patch = (x if isinstance(x, int) else x[0] for x in (vision.image_size, vision.patch_size))
    grid = (side // patch) ** 2
    each = _tokens_of_a_crop(config, grid)
    crops = math.ceil(tokens / each)
    if pinpoints := getattr(config, "image_grid_pinpoints", None):  # tiles are all read, whatever is kept of them
        crops = 1 + max(height // side * (width // side) for height, width in pinpoints)
    return Picture(crops * (grid + 1), crops * 3 * side**2, crops * each)


def _tokens_of_a_crop(config: Any, grid: int) -> int:
    if hasattr(config, "scale_factor"):  # Idefics3, SmolVLM
        return grid // config.scale_factor**2
    if hasattr(config, "downsample_ratio"):  # InternVL
        return int(grid * config.downsample_ratio**2)
    return getattr(config, "mm_tokens_per_image", None) or grid
