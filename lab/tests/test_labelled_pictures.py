"""The gate's tests of labelled pictures, on those beside the checkout: more people, crowds, faces
that are far away."""

from tests.book.vision.test_labelled_faces import (
    TestDetection,
    TestIdentification,
    curve,
    gallery,
    test_the_figures,
)

__all__ = ["TestDetection", "TestIdentification", "curve", "gallery", "test_the_figures"]
