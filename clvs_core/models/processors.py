"""How a checkpoint's processor prepares a picture: what its files leave out, LLaVA-1.5's crop or pad, Qwen's cap.

All of it changes the processor that was loaded, in place, and nothing else: the geometry follows the processor's
settings, so heat maps, masks and regions follow by themselves.
"""

from __future__ import annotations

from typing import Any, Literal

from PIL import Image

from ..errors import ModelError
from ..plain import plain

MODES = ("crop", "pad")
PADDED = 8192  # pixels
_KEPT = ("resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std", "do_convert_rgb")


def complete(processor: Any, config: Any) -> None:
    """Tells a LLaVA processor what the model's configuration says about the tokens of a picture.

    Checkpoints that were published before transformers 4.46 have no processor_config.json or one without these settings
    (BakLLaVA, xtuner's), and their processor would fail at the first picture or write too few tokens.
    """
    vision = config.vision_config
    if hasattr(processor, "num_additional_image_tokens"):  # LLaVA-1.5 and LLaVA-NeXT
        processor.patch_size = vision.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        # CLIP puts a token for the whole picture before the patches; SigLIP does not
        processor.num_additional_image_tokens = int(vision.model_type == "clip_vision_model")
    elif hasattr(processor, "num_image_tokens"):  # LLaVA-OneVision
        processor.num_image_tokens = (vision.image_size // vision.patch_size) ** 2
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.vision_aspect_ratio = config.vision_aspect_ratio


def image_mode(processor: Any) -> Literal["crop", "pad", "squash"] | None:
    """How a LLaVA-1.5 processor makes a picture square; None for families that leave no choice.

    "crop": the ends of the longer side are cut off. "pad": bars in the mean colour make it square. "squash": resized
    without keeping its proportions. A freshly loaded processor tells what its checkpoint was published with: the
    `llava-hf` LLaVA-1.5 checkpoints crop, while the original LLaVA-1.5 was trained and evaluated with pad
    (haotian-liu/LLaVA issue 591, huggingface/transformers issue 33175).
    """
    if type(processor).__name__ != "LlavaProcessor":
        return None
    images = processor.image_processor
    if getattr(images, "do_pad", None):
        return "pad"
    return "crop" if getattr(images, "do_center_crop", None) else "squash"


def set_image_mode(processor: Any, mode: Literal["crop", "pad"]) -> None:
    """Makes a LLaVA-1.5 processor crop or pad, at the side, resampling and normalisation it has now.

    crop: shortest edge to the input's side, then the centre, as the `llava-hf` checkpoints are published. pad: to a
    square in the mean colour, then to the input's side, as the original LLaVA-1.5 was trained and evaluated.
    Raises ModelError for another mode, and for a processor that leaves no choice.
    """
    from transformers.models.llava.image_processing_llava import LlavaImageProcessor
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    if mode not in MODES:
        raise ModelError(f"The image mode must be {' or '.join(MODES)}, not {mode!r}.")
    if image_mode(processor) is None:
        raise ModelError("Only LLaVA-1.5 leaves the choice between crop and pad; leave image_mode out.")
    now = processor.image_processor
    side = dict(now.crop_size if image_mode(processor) != "squash" else now.size)
    if "height" not in side or side["height"] != side["width"]:
        raise ModelError(f"The image processor's input {side} is not a square; leave image_mode out.")
    pil = type(now).__name__.endswith("Pil")
    processor.image_processor = (LlavaImageProcessorPil if pil else LlavaImageProcessor)(
        size={"shortest_edge": side["height"]},
        crop_size=side,
        do_resize=True,
        do_center_crop=True,
        do_pad=mode == "pad",
        **{name: getattr(now, name) for name in _KEPT},
    )


def unpadded(processor: Any, picture: Image.Image) -> Image.Image:
    """The picture as the processor may pad it: shrunk to sides of at most `PADDED` where it would become a square.

    That square is then shrunk to a few hundred pixels. Of 99,000 x 1,000 pixels it would take 30 GB.
    """
    if image_mode(processor) != "pad" or max(picture.size) <= PADDED:
        return picture
    small = picture.copy()
    small.thumbnail((PADDED, PADDED))
    return small


def cap_visual_tokens(processor: Any, tokens: int) -> None:
    """Limits how many visual tokens a picture gives under Qwen's dynamic grid, by shrinking larger pictures.

    It only ever lowers the processor's own limit. With 100 tokens or more it holds for every picture the engine opens
    (sides of at most 100 : 1); below, for sides of at most `tokens` : 1.
    Raises ModelError for fewer than 16 tokens, and for a processor whose number of tokens is not a matter of pixels.
    """
    images = processor.image_processor
    size = dict(getattr(images, "size", None) or {})
    if not hasattr(images, "merge_size") or not {"shortest_edge", "longest_edge"} <= set(size):
        raise ModelError("This model's number of visual tokens does not follow the pixels; leave the limit out.")
    tokens = plain(tokens)
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 16:
        raise ModelError(f"The limit of visual tokens must be a whole number of at least 16, not {tokens!r}.")
    area = (images.patch_size * images.merge_size) ** 2  # pixels a token
    most = min(size["longest_edge"], tokens * area)
    # A picture is enlarged to the lower limit by rounding both sides up, so that has to stay well below the upper one.
    least = min(size["shortest_edge"], most // 4)
    images.size = type(images.size)(shortest_edge=least, longest_edge=most)
