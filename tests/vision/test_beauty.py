"""The figure of symmetry: highest for equal halves, blind to proportions, size, place, tilt, silent of turns."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.pictures import Box, DetectedFace, Pose
from chalicelib.vision.describe.attributes import beauty
from tests.photos import of_24_people
from tests.vision.album import Album

FRONTAL = Pose(0, 0, 0)
BOX = Box(-50, -50, 100, 130)
LITTLE = st.floats(-0.2, 0.2)


def face(
    *, eyes: float = 46, mouth: float = 47, aside: float = 0.0, slant: float = 0.0, nose: float = 0.0
) -> DetectedFace:
    """`eyes` pixels apart, the mouth `mouth` below them; the others in distances of the eyes: how far mouth and nose
    lie beside the axis, and the mouth's right corner below its left."""
    x, half = aside * eyes, slant * eyes / 2
    corners = ((x - 20, mouth - half), (x + 20, mouth + half))
    return DetectedFace(BOX, ((-eyes / 2, 0.0), (eyes / 2, 0.0), (nose * eyes, mouth / 2), *corners), 0.9)


@given(st.floats(20, 90), st.floats(20, 90), LITTLE)
def test_equal_halves_score_a_hundred_whatever_proportions_and_nose(eyes: float, mouth: float, nose: float) -> None:
    assert beauty(face(eyes=eyes, mouth=mouth, nose=nose), FRONTAL) == pytest.approx(100)


@pytest.mark.parametrize("part", ["aside", "slant"])
def test_a_larger_asymmetry_costs_more(part: str) -> None:
    scores = [beauty(face(**{part: step}), FRONTAL) for step in (0, 0.02, 0.05, 0.1)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@given(LITTLE, LITTLE)
def test_a_face_and_its_mirror_image_score_alike(aside: float, slant: float) -> None:
    mirrored = face(aside=-aside, slant=-slant)
    assert beauty(face(aside=aside, slant=slant), FRONTAL) == pytest.approx(beauty(mirrored, FRONTAL))


@given(st.floats(0.2, 20), st.floats(-30, 30), st.floats(-1e4, 1e4), LITTLE, LITTLE)
def test_size_tilt_and_place_change_nothing(
    scale: float, degrees: float, shift: float, aside: float, slant: float
) -> None:
    one = face(aside=aside, slant=slant)
    turn = cmath.rect(scale, math.radians(degrees))
    moved = tuple((p.real + shift, p.imag) for p in (complex(*point) * turn for point in one.landmarks))
    assert beauty(DetectedFace(BOX, moved, 0.9), FRONTAL) == pytest.approx(beauty(one, FRONTAL), abs=1e-3)


@pytest.mark.parametrize("pose", [Pose(40, 0, 0), Pose(-40, 0, 0), Pose(0, 40, 0)])
def test_nothing_is_said_of_a_turned_head(pose: Pose) -> None:
    assert beauty(face(), pose) is None


def test_nothing_is_said_of_landmarks_on_one_spot() -> None:
    assert beauty(DetectedFace(Box(0, 0, 10, 10), ((1.0, 1.0),) * 5, 0.9), FRONTAL) is None


def test_it_is_named_as_a_formula_where_it_is_given(album: Album) -> None:
    for label in album.of("people"):
        estimates = album.seen(label.file).estimates[0]
        assert estimates.source("beauty") == ("heuristic" if estimates.beauty is not None else None)
        assert estimates.beauty is None or 0 <= estimates.beauty <= 100


@of_24_people
def test_it_favours_no_group_of_people(album: Album) -> None:
    """Means by what people said of themselves differ by less than their spread."""
    scores: dict[str, list[float]] = {}
    for label in album.of("people"):
        score = album.seen(label.file).estimates[0].beauty
        for group in ("gender", "ethnicity"):
            if group in label.notes and score is not None and "/" not in label.notes[group]:
                scores.setdefault(label.notes[group], []).append(score)
    means = {group: float(np.mean(found)) for group, found in scores.items()}
    spread = float(np.std([score for found in scores.values() for score in found]))
    assert max(means.values()) - min(means.values()) < spread, means
