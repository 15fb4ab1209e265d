"""Recordings: answers of larger models, made elsewhere and shown here."""
