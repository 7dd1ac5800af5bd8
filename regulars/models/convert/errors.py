"""Errors of the converters."""

from __future__ import annotations


class DamagedWeights(ValueError):
    """Error: the weights do not agree with their description."""
