"""Tests of everything drawn."""
