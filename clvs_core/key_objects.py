"""Key objects, from masks to attention curves: the names that scripts use, from the files of `clvs_core.objects`."""

from .objects.coco import CocoInstances, MaskWarning
from .objects.coverage import KeyObject, coverage, seen_share, together
from .objects.curves import (
    Gain,
    ObjectCurve,
    Summary,
    gains,
    key_object_attention,
    object_curves,
    relative_gain,
    summarise,
)
from .objects.regions import region_mask
from .objects.words import category, mentioned

__all__ = [
    "CocoInstances",
    "Gain",
    "KeyObject",
    "MaskWarning",
    "ObjectCurve",
    "Summary",
    "category",
    "coverage",
    "gains",
    "key_object_attention",
    "mentioned",
    "object_curves",
    "region_mask",
    "relative_gain",
    "seen_share",
    "summarise",
    "together",
]
