"""The methods: one a file, its settings declared in its own fields, its formulas as functions of arrays.

They know rows of attention and logits, and of a model no more than its depth and what its card says (`Target`); they
know neither its layers nor its words.
"""

from .ad_hh import ADHH
from .base import Editor, Keys, Method, MethodError, Target
from .clvs import CLVS
from .combine import Combine
from .known import METHODS, load_method
from .pai import PAI
from .tarac import TARAC
from .vaf import VAF
from .vanilla import Vanilla
from .var import VAR
from .vcd import VCD
from .words import method, spec

__all__ = [
    "ADHH",
    "CLVS",
    "METHODS",
    "PAI",
    "TARAC",
    "VAF",
    "VAR",
    "VCD",
    "Combine",
    "Editor",
    "Keys",
    "Method",
    "MethodError",
    "Target",
    "Vanilla",
    "load_method",
    "method",
    "spec",
]
