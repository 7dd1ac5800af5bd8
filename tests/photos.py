"""The labelled pictures at hand, and which of them plays which part in a test.

They lie beside the checkout; a clone that stands alone takes those that package registries carry.
"""

from __future__ import annotations

import pytest

from regulars.demo import registry_photos
from regulars.demo.run import labelled_folder

FOLDER = labelled_folder()
_NUMBERS = "005 006 011 014 024 030 036 037 038 042 044 062 066 070 082 087 094 099 119 121 126 127 138 142"

STUDIO = FOLDER.name != registry_photos.FOLDER
"""Whether they are the studio portraits of 24 people whose ages are known, which no registry carries."""

of_24_people = pytest.mark.skipif(
    not STUDIO, reason="the studio portraits of 24 people with known ages are in no package registry"
)

PAIRS = (
    [(f"people/london_{number}_neutral.jpg", f"people/london_{number}_smiling.jpg") for number in _NUMBERS.split()]
    if STUDIO
    else [(f"people/{name}_1.jpg", f"people/{name}_2.jpg") for name in ("obama", "astronaut", "biden")]
)
"""Two pictures of each person: a man first, then a woman."""

(PORTRAIT, PORTRAIT_AGAIN), (OTHER, OTHER_AGAIN) = PAIRS[:2]
PORTRAITS = [file for pair in PAIRS for file in (pair if STUDIO else pair[:1])]
"""Those that the people sat for: frontal, sharp, in good light."""
TWO = "multi/two_people.jpg"
GROUP, GROUP_SIZE = ("multi/montage_6.jpg", 6) if STUDIO else ("multi/montage_3.jpg", 3)
CROWD, CROWD_SIZE = ("multi/montage_20.jpg", 20) if STUDIO else (GROUP, GROUP_SIZE)
NOBODY = "noface/house.jpg" if STUDIO else "noface/coffee.jpg"
CUT_OFF = "people/obama_partial_1.jpg"
"""A face that the picture's border cuts."""
