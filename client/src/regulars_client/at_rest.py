"""Tell whether pictures and keys lie on an encrypted disk, if somebody steals the box."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

BLOCK_DEVICES = Path("/sys/dev/block")
"""Each block device by its numbers; those that encrypt have an id that says so."""
_ENCRYPTS = tuple(f"CRYPT-{kind}" for kind in ("LUKS", "PLAIN", "TCRYPT", "BITLK"))
"""How the ids of what encrypts begin; dm-verity and dm-integrity only check, as CRYPT-, too."""


def describe_at_rest(places: Iterable[Path], devices: Path = BLOCK_DEVICES) -> str:
    """Say of files and folders which of them a thief of the box reads."""
    states = {str(place): is_encrypted(place, devices) for place in places}
    open_places = [place for place, state in states.items() if state is False]
    unknown_places = [place for place, state in states.items() if state is None]
    said = []
    if open_places:
        said.append(f"a thief reads {', '.join(open_places)}: no encrypted disk (LUKS) is seen")
    if unknown_places:
        said.append(f"whether a thief reads {', '.join(unknown_places)} cannot be told here")
    if not said:
        said.append("a thief reads nothing while the box is off: an encrypted disk is below")
    return "; ".join(said)


def is_encrypted(place: Path, devices: Path = BLOCK_DEVICES) -> bool | None:
    """Say whether a file or folder, or the nearest folder that is there, lies on encrypted disks
    alone.

    None: it lies on no disk that this can see, such as memory, a network or a container's layers.
    """
    while not place.exists():
        place = place.parent
    number = place.stat().st_dev
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    if not device.exists():
        return None
    return _encrypts(device)


def _encrypts(device: Path) -> bool:
    """Say whether a device encrypts, or all do of which it is made, as a volume group is."""
    below = [*(device / "slaves").glob("*")]
    return _find_id(device).startswith(_ENCRYPTS) or (bool(below) and all(map(_encrypts, below)))


def _find_id(device: Path) -> str:
    file = device / "dm" / "uuid"
    return file.read_text(encoding="utf-8") if file.is_file() else ""
