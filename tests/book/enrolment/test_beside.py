"""Photos that show somebody beside the person who is enrolled: the portrait tells which face is
meant."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.domain.observations import keep_own
from chalicelib.domain.pictures import BoundingBox, DetectedFace, FaceJpeg
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.book.tenants import add_tenant
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture

ANN, NEXT = Person(1, side_px=300), Person(2, side_px=150)


class Marking(FakeVision):
    """Eyes whose crops show all of the picture, so that other faces show in them."""

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        return replace(super().crop(image, face, others), meant=face.box if others else None)


class Ticking(FakeClock):
    def now(self) -> datetime:
        self.advance(timedelta(seconds=1))
        return super().now()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with closing(build(Settings(storage=tmp_path), vision=Marking)) as services:
        yield services


@pytest.mark.parametrize(
    ("people", "meant"), [((ANN,), None), ((ANN, NEXT), BoundingBox(10, 20, 300, 300))]
)
def test_a_portrait_tells_who_is_meant_if_another_face_shows(
    services: Services, people: tuple[Person, ...], meant: BoundingBox | None
) -> None:
    tenant = add_tenant(services, "shop", Profile.CAMERA)
    face = services.enrolment.enrol_largest_face(tenant, "regular", picture(*people), RULES)
    assert services.faces.get(tenant, face.faceid).portrait.meant == meant


def test_each_portrait_of_all_in_a_photo_tells_who_is_meant(services: Services) -> None:
    tenant = add_tenant(services, "shop", Profile.CAMERA)
    group = services.groups.get_by_name(tenant, "regular")
    indexed = services.enrolment.everybody.index_faces(
        tenant, group, picture(ANN, NEXT), RULES, lambda _: ""
    )
    assert [face.portrait.meant for face in indexed.faces.values()] == [
        BoundingBox(10, 20, 300, 300),
        BoundingBox(15, 20, 150, 150),
    ]


def test_an_indexed_face_is_enrolled_at_the_time_of_its_observation_however_long_that_takes(
    tmp_path: Path,
) -> None:
    """Its id may have been another's before, so an archive asks by that time what is whose."""
    with closing(build(Settings(storage=tmp_path), vision=FakeVision, clock=Ticking())) as services:
        tenant = add_tenant(services, "shop", Profile.CAMERA)
        group = services.groups.get_by_name(tenant, "regular")
        (face,) = services.enrolment.everybody.index_faces(
            tenant, group, picture(ANN), RULES, lambda _: ""
        ).faces.values()
        observed = [*services.merges.mover.list_observations(tenant, face.faceid)]
        assert [one.at for one in observed] == [face.enrolled_at]
        assert keep_own(face, observed) == (observed, face.enrolled_at)
