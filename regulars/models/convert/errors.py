"""What can be wrong with what is converted."""

from __future__ import annotations


class DamagedWeights(ValueError):
    """The bytes are not what their description says."""
