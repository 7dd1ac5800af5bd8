"""The pictures that a stranger's clone has, from package registries, and which of them plays which
part in a test.

The gate takes these and no others, whatever lies beside the checkout. The lab's tests take those
beside it, too (regulars_lab.studio).
"""

from regulars.demo import registry_photos

FOLDER = registry_photos.provide_folder()

PAIRS = [
    (f"people/{name}_1.jpg", f"people/{name}_2.jpg")
    for name in ("neighbour", "astronaut", "stranger")
]
"""Two pictures of each person: a man first, then a woman."""

(PORTRAIT, PORTRAIT_AGAIN), (OTHER, OTHER_AGAIN) = PAIRS[:2]
PORTRAITS = [first for first, _ in PAIRS]
"""Those that the people sat for: frontal, sharp, in good light."""
TWO = "multi/two_people.jpg"
GROUP, GROUP_SIZE = "multi/montage_3.jpg", 3
NOBODY = "noface/coffee.jpg"
CUT_OFF = "people/neighbour_partial_1.jpg"
"""A face that the picture's border cuts."""
