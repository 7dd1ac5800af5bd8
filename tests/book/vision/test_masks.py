"""A face in a mask is told, and judged by what the mask leaves uncovered."""

from itertools import chain

import numpy as np
import pytest

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import Estimates
from chalicelib.domain.rules.decision import MIN_QUALITY
from tests.support.pictures import degrade
from tests.support.pictures.album import Album
from tests.support.pictures.degrade import Picture
from tests.support.pictures.photos import GROUP, PAIRS, PORTRAITS


def look(vision: FacePipeline, picture: Picture) -> Estimates:
    return vision.examine(picture, vision.detect(picture)[:1], ()).estimates[0]


@pytest.fixture(scope="module")
def masked_pictures(album: Album) -> list[Picture]:
    """Small portraits in masks, as a camera sees people some metres away."""
    cloths = ((176, 204, 214), (28, 28, 32), (150, 40, 48))
    pictures = []
    for number, file in enumerate(PORTRAITS[:3]):
        seen = album.seen(file)
        drawn = degrade.masked(seen.image, seen.faces[0], cloths[number % len(cloths)])
        pictures.append(degrade.shrunk(drawn, seen.faces[0].box.width / 90))
    return pictures


def test_a_mask_is_told_and_a_bare_face_is_none(
    album: Album, vision: FacePipeline, masked_pictures: list[Picture]
) -> None:
    assert [look(vision, picture).masked for picture in masked_pictures] == [True] * len(
        masked_pictures
    )
    bare = [*PORTRAITS[:3], GROUP]
    told = [estimates.masked for file in bare for estimates in album.seen(file).estimates]
    assert told == [False] * len(told)


def test_a_bare_face_in_a_dark_room_wears_no_mask(album: Album, vision: FacePipeline) -> None:
    """In a fifth of the light, with a sensor's noise: a stranger in a mask is not remembered."""
    told = []
    for file in (*chain(*PAIRS), GROUP):
        seen = album.seen(file)
        for side_px in (60, 45):
            small = degrade.shrunk(seen.image, seen.faces[0].box.width / side_px)
            dark = degrade.compressed(degrade.noisy(degrade.lit(small, 0.22), 6), 90)
            faces = vision.detect(dark)
            told += [each.masked for each in vision.examine(dark, faces, ()).estimates]
    assert len(told) > 12
    assert not any(told)


def test_a_mask_is_no_blur(vision: FacePipeline, masked_pictures: list[Picture]) -> None:
    """The face that a mask covers by half is as good as what is seen of it; one that is blurred
    besides is not."""
    for picture in masked_pictures:
        estimates = look(vision, picture)
        blurred = degrade.blurred(picture, 5)
        assert (estimates.quality or 0) > 2 * MIN_QUALITY
        for found in vision.detect(blurred):
            assert (vision.examine(blurred, [found], ()).estimates[0].quality or 0) < MIN_QUALITY
        again = np.array(picture)
        (first,) = vision.qualities(again, vision.detect(again)[:1])
        assert first.total >= (estimates.quality or 0) - 1e-6, "before it was embedded"


def test_only_a_mask_changes_what_is_judged(album: Album, vision: FacePipeline) -> None:
    """A bare face that is sharper about the eyes than below is judged whole."""
    seen = album.seen(PORTRAITS[0])
    picture = seen.image.copy()
    nose = round(seen.faces[0].landmarks[2][1])
    picture[nose:] = degrade.blurred(picture, 14)[nose:]
    estimates = look(vision, picture)
    assert estimates.masked is False
    assert (estimates.quality or 0) < 90
