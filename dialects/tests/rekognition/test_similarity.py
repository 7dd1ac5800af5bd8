"""One pair of pictures has one similarity in every operation, and 80 is where every other dialect
says who it is."""

from typing import Any

import pytest

from chalicelib.api.v1.wire import PICTURES
from chalicelib.domain.rules.decision import MATCH
from chalicelib.services import Services
from tests.support.api.rekognition.faces import ids, image
from tests.support.book.synthetic import write_faces
from tests.support.fakes import FakeVision, Person, picture

SOMEBODY = 999_999
"""Whom none of the made faces is like: they are made of the numbers from 0 on."""
ROUNDING = 0.5
LIKENESSES = [0.05, *(0.3 + step * 2 / 25 for step in range(9))]
"""Of a probe to the person, whose own picture has 0.9: so scores go from near 0 to near 0.9."""


def close(one: float, other: float) -> bool:
    """Tell whether two similarities are one, but for what a decision moved to its side of 80."""
    return abs(one - other) <= ROUNDING or bool({one, other} & {80.0, 79.9999})


@pytest.fixture(params=[1, 199, 1_000])
def staff(request: pytest.FixtureRequest, rekognition: Any, services: Services) -> Any:
    """The client, with a person in the collection `staff`, and others who make so many faces of
    it."""
    rekognition.create_collection(CollectionId="staff")
    tenant = services.tenants.get_by_name("shop")
    group = services.groups.get_by_name(tenant, "staff")
    write_faces(services.ports.storage.items, tenant, group, request.param - 1, FakeVision())
    (face,) = ids(rekognition.index_faces(CollectionId="staff", Image=image(Person(SOMEBODY))))
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == request.param
    return rekognition, face


def similarities(found: Any, face: str) -> float | None:
    return next(
        (one["Similarity"] for one in found["FaceMatches"] if one["Face"]["FaceId"] == face), None
    )


def test_three_operations_agree_on_two_pictures(staff: Any, services: Services) -> None:
    client, face = staff
    tenant = services.tenants.get_by_name("shop")
    levels = []
    for number, likeness in enumerate(LIKENESSES):
        probe = Person(SOMEBODY, likeness=likeness, quality=81 + number / 10)
        compared = client.compare_faces(
            SourceImage=image(probe), TargetImage=image(Person(SOMEBODY)), SimilarityThreshold=0
        )
        of_pair = compared["FaceMatches"][0]["Similarity"]
        sent = {"CollectionId": "staff", "Image": image(probe)}
        by_image = similarities(client.search_faces_by_image(**sent, FaceMatchThreshold=0), face)
        (identified,) = services.recognition.face_analysis.identify_faces(
            tenant, picture(probe), PICTURES, max_candidates=1, group_names=["staff"]
        ).faces
        indexed = ids(client.index_faces(**sent))
        by_face = similarities(
            client.search_faces(CollectionId="staff", FaceId=indexed[0], FaceMatchThreshold=0), face
        )
        client.delete_faces(CollectionId="staff", FaceIds=indexed)
        assert by_face is not None
        assert close(by_image, by_face), likeness
        assert abs(of_pair - by_image) <= ROUNDING, likeness
        assert all(round(one, 4) == one for one in (of_pair, by_image, by_face))
        matches = [one.face.faceid for one in identified.candidates if one.match]
        assert (by_image >= MATCH) == (face in matches), likeness
        levels.append(by_image)
    assert min(levels) < 20
    assert max(levels) > 99
    assert levels[-1] == max(levels)
