"""Asking a model all questions of a benchmark, in this process or in others, into a run folder."""
