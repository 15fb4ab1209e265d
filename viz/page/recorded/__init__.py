"""Recordings: answers of larger models, made elsewhere and shown here.

Knows their folders and how they are replayed; the command `record` keeps what `recorder` hands out.
"""
