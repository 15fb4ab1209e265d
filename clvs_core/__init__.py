"""CLVS Explorer's engine: how a vision-language model looks at a picture, layer by layer, and what methods change."""

from .drawing import show
from .engine.images import EncodedImage
from .engine.model import Model
from .engine.runs import Run, Step, Token
from .errors import ClvsError, ImageError, ModelError, QuestionError
from .key_objects import coverage, key_object_attention
from .loading import load_model
from .methods import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Combine, Method, MethodError, Vanilla, method
from .trace import Trace
from .version import version

__version__ = version()

__all__ = [
    "ADHH",
    "CLVS",
    "PAI",
    "TARAC",
    "VAF",
    "VAR",
    "VCD",
    "ClvsError",
    "Combine",
    "EncodedImage",
    "ImageError",
    "Method",
    "MethodError",
    "Model",
    "ModelError",
    "QuestionError",
    "Run",
    "Step",
    "Token",
    "Trace",
    "Vanilla",
    "__version__",
    "coverage",
    "key_object_attention",
    "load_model",
    "method",
    "show",
]
