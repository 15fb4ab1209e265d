"""Key objects, from masks to attention curves: the names that scripts use, from the files of `clvs_core.objects`."""

from .objects.coco import CocoInstances, MaskWarning
from .objects.coverage import KeyObject, coverage, seen_share, together
from .objects.curves import Gain, Summary, key_object_attention, relative_gain, summarise
from .objects.regions import region_mask
from .objects.words import category, mentioned

__all__ = [
    "CocoInstances",
    "Gain",
    "KeyObject",
    "MaskWarning",
    "Summary",
    "category",
    "coverage",
    "key_object_attention",
    "mentioned",
    "region_mask",
    "relative_gain",
    "seen_share",
    "summarise",
    "together",
]
