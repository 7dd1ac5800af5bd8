from itertools import pairwise

import numpy as np
import pytest

from chalicelib.book.vision.describe import quality
from chalicelib.book.vision.describe.attributes import MEAN_FACE
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import BoundingBox, DetectedFace, Pose
from chalicelib.domain.rules.decision import MIN_QUALITY
from tests.support.examples import parametrize
from tests.support.pictures import degrade
from tests.support.pictures.album import Album
from tests.support.pictures.degrade import Picture
from tests.support.pictures.photos import GROUP, PORTRAITS

SLACK = 3.0
FACE = DetectedFace(
    BoundingBox(0, 0, 100, 100), ((30, 40), (77, 40), (50, 60), (35, 80), (65, 80)), 0.95
)
GOOD = {"size": 0.9, "sharpness": 1.0, "exposure": 1.0, "eyes": 0.8}


def score(vision: FacePipeline, picture: Picture) -> float:
    estimates = vision.describe(picture, vision.detect(picture)[:1])
    return estimates[0].quality or 0.0 if estimates else 0.0


@parametrize("file", PORTRAITS, gate=1)
@pytest.mark.parametrize(
    ("change", "steps"),
    [
        (degrade.blurred, [0, 4, 8, 12, 18]),
        (lambda picture, length: degrade.moved(picture, length, 0), [1, 21, 41, 81]),
        (lambda picture, length: degrade.moved(picture, length, 1), [1, 21, 41, 81]),
        (degrade.shrunk, [1, 4, 8, 16, 22]),
        (degrade.enlarged_again, [1, 8, 16, 26]),
        (degrade.lit, [1, 0.25, 0.12, 0.03]),
        (degrade.lit, [1, 2, 4, 8]),
    ],
    ids=["blur", "motion down", "motion across", "shrunk", "enlarged", "dark", "bleached"],
)
def test_it_falls_step_by_step_from_good_to_refused(
    file: str, change: object, steps: list[float], album: Album, vision: FacePipeline
) -> None:
    found = [score(vision, change(album.seen(file).image, step)) for step in steps]  # type: ignore[operator]
    assert all(later <= earlier + SLACK for earlier, later in pairwise(found)), found
    assert found[0] > 90
    assert found[-1] < MIN_QUALITY


def test_compression_counts_by_how_large_its_blocks_are_on_the_face(
    album: Album, vision: FacePipeline
) -> None:
    portrait = album.seen(PORTRAITS[0]).image
    assert score(vision, degrade.compressed(portrait, 5)) > 50
    assert score(vision, degrade.compressed(degrade.shrunk(portrait, 6), 5)) < MIN_QUALITY


def test_every_portrait_can_be_enrolled_and_most_are_perfect(album: Album) -> None:
    scores = {
        label.file: album.seen(label.file).estimates[0].quality or 0 for label in album.of("people")
    }
    assert min(scores.values()) > 2.5 * MIN_QUALITY, scores
    assert np.median(list(scores.values())) > 99


def test_a_good_portrait_is_good_whatever_the_skin(album: Album) -> None:
    for file in PORTRAITS:
        assert (album.seen(file).estimates[0].quality or 0) > 90, file


def test_small_faces_of_a_crowd_score_below_portraits(album: Album, vision: FacePipeline) -> None:
    """Of about 30 pixels, and of 20 and less."""
    small = degrade.shrunk(album.seen(GROUP).image, 3)
    smaller = degrade.shrunk(small, 2)
    found = [face.quality or 0 for face in vision.describe(small, vision.detect(small))]
    assert MIN_QUALITY < min(found) < max(found) < 60
    found = [face.quality or 0 for face in vision.describe(smaller, vision.detect(smaller))]
    assert max(found) < MIN_QUALITY


def test_without_the_pose_it_is_never_less(album: Album, vision: FacePipeline) -> None:
    for label in album.of("multi"):
        seen = album.seen(label.file)
        for one, estimates in zip(
            vision.qualities(seen.image, seen.faces), seen.estimates, strict=True
        ):
            assert one.total >= (estimates.quality or 0) - 1e-9


class TestFusion:
    def test_one_bad_factor_refuses_by_itself(self) -> None:
        for name in GOOD:
            assert quality.combine_factors({**GOOD, name: 0.1}).total < MIN_QUALITY

    def test_better_in_one_thing_is_never_worse(self) -> None:
        for name in GOOD:
            scores = [
                quality.combine_factors({**GOOD, name: share}).total
                for share in (0, 0.2, 0.5, 0.9, 1)
            ]
            assert scores == sorted(scores)

    def test_it_names_the_worst(self) -> None:
        found = quality.combine_factors({**GOOD, "sharpness": 0.12})
        assert (found.flaw, found.flaw_score) == ("too blurred", pytest.approx(12))

    def test_every_factor_has_words(self, album: Album) -> None:
        seen = album.seen(PORTRAITS[0])
        found = quality.measure_quality(
            seen.image, seen.faces[0], np.zeros((128, 128, 3), np.uint8)
        )
        assert found.total == 0
        assert found.flaw in quality.FLAWS.values()


def test_turned_heads_score_less() -> None:
    angles = [0, 30, 45, 60, 80]
    shares = [quality.rate_frontality(Pose(yaw, 0, 0)) for yaw in angles]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1, 0)
    assert quality.rate_frontality(Pose(40, 0, 0)) == quality.rate_frontality(Pose(0, -40, 0))
    assert quality.rate_frontality(Pose(0, 0, 80)) == 1


@pytest.mark.parametrize("yaw", [0, 20, 48, 71])
def test_a_head_that_turns_grows_no_smaller(yaw: int) -> None:
    turned = MEAN_FACE[:, 0] * np.cos(np.radians(yaw)) + MEAN_FACE[:, 2] * np.sin(np.radians(yaw))
    points = tuple(
        (float(x), float(y))
        for x, y in zip(100 + 20 * turned, 100 + 20 * MEAN_FACE[:, 1], strict=True)
    )
    ahead = quality.interpolate_octaves(20, quality.EYES_USELESS_PX, quality.EYES_BEST_PX)
    assert quality.rate_size(DetectedFace(FACE.box, points, 0.95)) == pytest.approx(ahead, abs=0.01)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_face_is_worth_nothing(level: int) -> None:
    blank = np.full((128, 128, 3), level, np.uint8)
    assert quality.measure_quality(blank, FACE, blank).total == 0


@pytest.mark.parametrize("size_px", [112, 128, 150])
def test_crops_of_any_size_will_do(size_px: int) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (size_px, size_px, 3), np.uint8)
    assert 0 <= quality.measure_quality(noise, FACE, noise).total <= 100
