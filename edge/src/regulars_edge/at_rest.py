"""What a thief of the box reads: does what lies on it lie on an encrypted disk?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK_DEVICES = Path("/sys/dev/block")
"""Each block device by its numbers; those of dm-crypt have an id that says so."""
_OF_DM_CRYPT = "CRYPT-"


def describe_at_rest(spool: Path, secrets: Iterable[Path], devices: Path = BLOCK_DEVICES) -> str:
    """Say of the spool and of files with secrets which of them a thief of the box reads."""
    states = {str(place): is_encrypted(place, devices) for place in (spool, *secrets)}
    open_places = [place for place, state in states.items() if state is False]
    unknown_places = [place for place, state in states.items() if state is None]
    said = []
    if open_places:
        said.append(f"a thief reads {', '.join(open_places)}: no encrypted disk (LUKS) is below")
    if unknown_places:
        said.append(f"whether a thief reads {', '.join(unknown_places)} cannot be told here")
    if not said:
        said.append("spool and secrets lie on an encrypted disk, as long as it is off")
    return "; ".join(said)


def is_encrypted(place: Path, devices: Path = BLOCK_DEVICES) -> bool | None:
    """Say whether a file or folder, or the nearest folder that is there, lies on dm-crypt.

    None: it lies on no disk that this can see, such as memory, a network or a container's layers.
    """
    while not place.exists():
        place = place.parent
    number = place.stat().st_dev
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    if not device.exists():
        return None
    return any(_find_id(each).startswith(_OF_DM_CRYPT) for each in _list_below(device))


def _list_below(device: Path) -> Iterator[Path]:
    """Yield a device and those of which it is made, as a volume group is of an encrypted disk."""
    yield device
    for below in (device / "slaves").glob("*"):
        yield from _list_below(below)


def _find_id(device: Path) -> str:
    file = device / "dm" / "uuid"
    return file.read_text(encoding="utf-8") if file.is_file() else ""
