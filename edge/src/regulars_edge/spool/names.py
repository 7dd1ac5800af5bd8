"""What a copy's name says: whose picture it is, and when it was taken. So it can be taken in again without books."""

from __future__ import annotations

import secrets
from urllib.parse import unquote

from regulars_edge.clock import Moment
from regulars_edge.picture import JPEG
from regulars_edge.spool.model import Stamp

LONGEST_CAMERA_BYTES = 150
"""A file's name has at most 255 bytes; 105 are for the rest."""


def camera_text(camera: str) -> str:
    """Write a camera's name so that a file's name can hold it."""
    return camera.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def name_of(camera: str, stamp: Stamp, content_type: str) -> str:
    """Make a name that no other copy has: a token, the wall clock's and the boot clock's ms, the boot, the camera."""
    moment = stamp.moment
    at = f"{stamp.stated_ms}__" if moment is None else f"{moment.wall_ms}_{moment.boot_ms}_{moment.boot_id}"
    return f"{secrets.token_hex(8)}_{at}_{camera_text(camera)}{'.jpg' if content_type == JPEG else '.png'}"


def read(name: str) -> tuple[str, Stamp] | None:
    """Return the camera and the stamp; None for a name that is not one of ours."""
    try:
        _, wall, booted, boot_id, camera = name[:-4].split("_", 4)
        stamp = Stamp(Moment(boot_id, int(booted), int(wall))) if boot_id else Stamp(stated_ms=int(wall))
    except ValueError:
        return None
    return unquote(camera), stamp
