"""The labelled pictures beside the checkout: studio portraits of 24 people whose ages are known,
groups and films.

No package registry carries them, so only the lab's tests and benchmarks take them.
"""

from __future__ import annotations

from regulars_lab.bench.measuring import SHARED

FOLDER = SHARED / "data" / "faces"
FAIRFACE = SHARED / "data" / "fairface"
_NUMBERS = (
    "005 006 011 014 024 030 036 037 038 042 044 062 066 070 082 087 094 099 119 121 126 "
    "127 138 142"
)

PAIRS = [
    (f"people/london_{number}_neutral.jpg", f"people/london_{number}_smiling.jpg")
    for number in _NUMBERS.split()
]
"""Two pictures of each person, neutral and smiling."""
PORTRAITS = [file for pair in PAIRS for file in pair]
CROWD, CROWD_SIZE = "multi/montage_20.jpg", 20
FILM = "video/face-demographics-walking.mp4"
