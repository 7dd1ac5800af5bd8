"""A shorter list of faces is the beginning of the longer one, whoever asks, though a demand brings
faces before others of a higher score."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.service_keys import add_service_key
from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.domain.rules.decision import Population
from chalicelib.settings import Settings
from chalicelib.storage.in_process import SystemClock
from tests.support.api.compreface.client import RECOGNITION
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.rekognition.client import client
from tests.support.api.rekognition.faces import image
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.synthetic import write_faces
from tests.support.fakes import (
    UNHURRIED,
    FakeClock,
    FakeVision,
    Person,
    embedding_of,
    photo,
    picture,
)

FACES, LONGEST = 60, 20
_LISTS = ("SearchFacesByImage", "SearchFaces", "recognize", "identify", "similar")
List = Callable[[int, int], list[str]]


class Judging(FakeVision):
    """Vision with a population that some of the faces look like, and others do not."""

    population = Population(np.stack([embedding_of(500 + number) for number in range(70)]), 0.1)


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, List]]:
    """Each call that lists similar faces: of whom, and how many at most."""
    folder: Path = tmp_path_factory.mktemp("lists")
    vision, clock = Judging(), FakeClock()
    clock.advance(SystemClock().now() - clock.now())  # boto3 signs by it
    services = build(
        Settings(storage=folder / "data", **UNHURRIED), clock=clock, vision=lambda: vision
    )
    credentials = services.tenants.add("shop", Profile.CLOUD)
    app = make_stage(services).app
    boto, v1 = client(app, credentials), V1Client(app, credentials.api_key)
    boto.create_collection(CollectionId="staff")
    tenant = services.tenants.get_by_name("shop")
    group = services.groups.get_by_name(tenant, "staff")
    write_faces(services.ports.storage.items, tenant, group, FACES, vision)
    faceids = [face["FaceId"] for face in boto.list_faces(CollectionId="staff")["Faces"]]
    ids = [face["id"] for face in v1.done("GET", "/v1/faces", group="staff")["faces"]]
    key = add_service_key(services, tenant, "double take", "recognition", group.id)
    compreface = CompreFace(app, key)

    def name_similar(**sent: Any) -> list[str]:
        matches = getattr(boto, sent.pop("call"))(
            CollectionId="staff", FaceMatchThreshold=0, **sent
        )["FaceMatches"]
        return [match["Face"]["FaceId"] for match in matches]

    def recognize(seed: int, count: int) -> list[str]:
        path = f"{RECOGNITION}/recognize?prediction_count={count}"
        (face,) = compreface.form(path, file=picture(Person(seed))).json["result"]
        return [subject["subject"] for subject in face["subjects"]]

    def identify(seed: int, count: int) -> list[str]:
        sent = {"picture": photo(seed), "groups": ["staff"], "k": count}
        (face,) = v1.done("POST", "/v1/identify", sent)["faces"]
        return [candidate["face"]["id"] for candidate in face["candidates"]]

    def list_similar(seed: int, count: int) -> list[str]:
        path = f"/v1/faces/{ids[seed % len(ids)]}/similar"
        found = v1.done("GET", path, limit=count)
        return [similar["face"]["id"] for similar in found["faces"]]

    yield {
        "SearchFacesByImage": lambda seed, count: name_similar(
            call="search_faces_by_image", Image=image(Person(seed)), MaxFaces=count
        ),
        "SearchFaces": lambda seed, count: name_similar(
            call="search_faces", FaceId=faceids[seed % FACES], MaxFaces=count
        ),
        "recognize": recognize,
        "identify": identify,
        "similar": list_similar,
    }
    services.close()


@given(
    name=st.sampled_from(_LISTS),
    seed=st.integers(1_000, 100_000),
    short=st.integers(1, LONGEST - 1),
)
def test_a_shorter_list_is_the_beginning_of_the_longer_one(
    lists: dict[str, List], name: str, seed: int, short: int
) -> None:
    longest = lists[name](seed, LONGEST)
    assert longest[:short] == lists[name](seed, short)
