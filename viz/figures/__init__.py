"""Figures for papers and slides, drawn with matplotlib: one file a figure. Knows traces and runs, no model, no page."""
