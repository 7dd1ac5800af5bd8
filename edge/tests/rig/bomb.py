"""A picture that claims to be much larger than it is."""

import struct

from rig import pictures


def bomb(width: int, height: int, number: int = 1) -> bytes:
    """A JPEG whose head claims that size."""
    data = pictures.jpeg(number)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]
