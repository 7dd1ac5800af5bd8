"""The geometric score: highest at the preferred proportions, blind to size, place and tilt, silent of turned heads."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.pictures import Box, DetectedFace, Pose
from chalicelib.vision.describe.beauty import EYE_TO_EYE, EYES_TO_MOUTH, beauty
from tests.photos import of_24_people
from tests.vision.album import Album

FRONTAL = Pose(0, 0, 0)
WIDTH, HEIGHT = 100.0, 130.0


def face(*, eyes: float = EYE_TO_EYE, mouth: float = EYES_TO_MOUTH, aside: float = 0.0) -> DetectedFace:
    """`eyes` of the width apart, the mouth `mouth` of the height below them, nose and mouth `aside` of the axis."""
    half, down, off = eyes * WIDTH / 2, mouth * HEIGHT, aside * eyes * WIDTH
    points = ((-half, 0.0), (half, 0.0), (off, down / 2), (off - 20, down), (off + 20, down))
    return DetectedFace(Box(-50, -50, WIDTH, HEIGHT), points, 0.9)


def test_the_preferred_proportions_score_a_hundred() -> None:
    assert beauty(face(), FRONTAL) == pytest.approx(100)


@pytest.mark.parametrize("part", ["eyes", "mouth", "aside"])
def test_every_deviation_costs_and_a_larger_one_more(part: str) -> None:
    at = {"eyes": EYE_TO_EYE, "mouth": EYES_TO_MOUTH, "aside": 0.0}[part]
    scores = [beauty(face(**{part: at + step}), FRONTAL) for step in (0, 0.02, 0.05, 0.1)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@given(st.floats(0.2, 20), st.floats(-30, 30), st.floats(-1e4, 1e4))
def test_size_tilt_and_place_change_nothing(scale: float, degrees: float, shift: float) -> None:
    one = face(eyes=0.5, aside=0.05)
    turn = cmath.rect(scale, math.radians(degrees))
    moved = tuple((p.real + shift, p.imag) for p in (complex(*point) * turn for point in one.landmarks))
    other = DetectedFace(Box(shift, 0, WIDTH * scale, HEIGHT * scale), moved, 0.9)
    assert beauty(other, FRONTAL) == pytest.approx(beauty(one, FRONTAL), abs=1e-3)


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
