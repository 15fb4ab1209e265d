"""Figures for papers and slides, drawn with matplotlib: one file a figure.

Knows traces and runs, no model, no page. This package offers what is drawn of traces; `paper` what is drawn of runs.

    figure = heatmaps(picture, [vanilla.trace, clvs.trace], outline=dog.mask)
    save(figure, "dog.pdf")
"""

from .curves import curves
from .fonts import FontWarning
from .heatmaps import heatmaps
from .knockout import knockout
from .rows import Look, Maps
from .scrub import Scrub
from .style import FORMATS, save
from .traces import labels
from .uncertainty import uncertainty

__all__ = [
    "FORMATS",
    "FontWarning",
    "Look",
    "Maps",
    "Scrub",
    "curves",
    "heatmaps",
    "knockout",
    "labels",
    "save",
    "uncertainty",
]
