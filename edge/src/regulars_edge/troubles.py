"""Names of what is wrong with a camera, as heartbeats tell it beside the sentence for people.

The service says what each of them needs (chalicelib/domain/rules/camera_states.py).
"""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    LOGIN = "login"
    """The camera refuses user and password."""
    FROZEN = "frozen"
    COVERED = "covered"
    """Its picture is black or blank, or shows less than usual."""
    TURNED = "turned"
    """Its picture is another than usual."""
    FULL = "full"
    """There is no room for its pictures beside it, so they are turned away."""
    BLURRED = "blurred"
    WELL_AGAIN = "well_again"
    """It looks as usual again after it did not, and nobody has said yet that it is right."""
    SLOW = "slow"
    """The network, the camera or the machine is too slow for it."""
    NARROW = "narrow"
    """People are larger than the room beside its line."""
    CLOCK = "clock"
    """The machine's clock is wrong, and the camera's pictures have its times."""
