"""The orders in which faces are listed."""

from __future__ import annotations

from enum import StrEnum


class FaceOrder(StrEnum):
    ENROLLED = "enrolled"
    ARRIVED = "arrived"
    """By the last arrival or, without one, the enrolment: ascending, who has stayed away longest comes first."""
    ID = "id"
