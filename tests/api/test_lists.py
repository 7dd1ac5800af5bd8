"""Whoever asks, a shorter list of faces is the beginning of the longer one, and nobody who is
similar enough is left out, though a demand brings faces before others of a higher score."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from numpy.typing import NDArray
from regulars_dialects.deepstack.routes import LEAST_NAMED

from chalicelib.api.service_keys import add_service_key
from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.domain.pictures import DetectedFace
from chalicelib.domain.rules.decision import Population
from chalicelib.settings import Settings
from chalicelib.storage.in_process import SystemClock
from tests.support.api.compreface.client import RECOGNITION
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.icredit.client import MarketClient
from tests.support.api.rekognition.client import client
from tests.support.api.rekognition.faces import image
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.synthetic import write_faces
from tests.support.examples import examples
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
_ONE_ANSWERS = ("sunmi", "icredit", "deepstack")
SEEDS = st.integers(1_000, 100_000)
"""Numbers of people who are looked for."""


class Judging(FakeVision):
    """Vision with a population that some of the faces look like, and others do not.

    People of even numbers look like three of the gallery's faces, and match some of them; the
    others look like nobody.
    """

    population = Population(np.stack([embedding_of(500 + number) for number in range(70)]), 0.1)

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        vectors = [_embed_person(self._person(image, face).seed) for face in faces]
        return np.array(vectors, np.float32).reshape(-1, self.dimensions)


def _embed_person(seed: int) -> NDArray[np.float32]:
    if seed % 2:
        return embedding_of(seed)
    random = np.random.default_rng(seed)
    alike = np.stack([embedding_of(number) for number in random.choice(FACES, 3, replace=False)])
    blend: NDArray[np.float32] = random.uniform(0.5, 1, 3).astype(np.float32) @ alike
    return blend / np.linalg.norm(blend)


class Searches(Struct, frozen=True):
    """The calls of all dialects that look for somebody, whom a number names.

    `lists`: who is alike, and how many at most, by call. `one_answers`: the one who is found, by
    dialect. `list_matches`: those of the longest list of v1 who match; or of CompreFace, whose rule
    DeepStack has. `list_above`: Rekognition's matches from a similarity on, each with its own.
    """

    lists: dict[str, Callable[[int, int], list[str]]]
    one_answers: dict[str, Callable[[int], list[str]]]
    list_matches: dict[str, Callable[[int], list[str]]]
    list_above: Callable[[int, float], list[tuple[str, float]]]


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searches]:
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
    ids = [face["id"] for face in v1.done("GET", "/v1/faces", group="staff", limit=100)["faces"]]
    faceids = [face["FaceId"] for face in boto.list_faces(CollectionId="staff")["Faces"]]

    def make_key(kind: str) -> str:
        return add_service_key(services, tenant, kind, kind, group.id)

    compreface = CompreFace(app, make_key("recognition"))
    deepstack = DeepStack(app, make_key("deepstack"))
    sunmi = CameraClient(app, credentials.app_id, credentials.app_key, clock)
    icredit = MarketClient(app, credentials.appcode)

    def search(call: str, least: float = 0, **sent: Any) -> list[tuple[str, float]]:
        members = {"CollectionId": "staff", "FaceMatchThreshold": least, **sent}
        matches = getattr(boto, call)(**members)["FaceMatches"]
        return [(match["Face"]["FaceId"], match["Similarity"]) for match in matches]

    def list_faceids(call: str, **sent: Any) -> list[str]:
        return [faceid for faceid, _ in search(call, **sent)]

    def recognize(seed: int, count: int, least: float = 0) -> list[str]:
        path = f"{RECOGNITION}/recognize?prediction_count={count}"
        (face,) = compreface.form(path, file=picture(Person(seed))).json["result"]
        subjects = face["subjects"]
        return [one["subject"] for one in subjects if one["similarity"] >= least]

    def identify(seed: int, count: int) -> list[dict[str, Any]]:
        sent = {"picture": photo(seed), "groups": ["staff"], "k": count}
        (face,) = v1.done("POST", "/v1/identify", sent)["faces"]
        return list(face["candidates"])

    def list_similar(seed: int, count: int) -> list[str]:
        path = f"/v1/faces/{ids[seed % len(ids)]}/similar"
        found = v1.done("GET", path, limit=count)
        return [similar["face"]["id"] for similar in found["faces"]]

    def find_by_sunmi(seed: int) -> list[str]:
        answer = sunmi.call("getFaceByPicture", pic=picture(Person(seed)))
        return [answer["data"]["faceid"]] if answer["code"] == 0 else []

    def find_by_icredit(seed: int) -> list[str]:
        found = icredit.search("staff", picture(Person(seed)))["PERSON_ENTITY"]
        return [person["PERSON_TOKEN"] for person in found]

    def find_by_deepstack(seed: int) -> list[str]:
        named = deepstack.named(picture(Person(seed)))
        return [name for name, _ in named if name != "unknown"]

    def list_v1_matches(seed: int) -> list[str]:
        return [one["face"]["id"] for one in identify(seed, LONGEST) if one["match"]]

    yield Searches(
        {
            "SearchFacesByImage": lambda seed, count: list_faceids(
                "search_faces_by_image", Image=image(Person(seed)), MaxFaces=count
            ),
            "SearchFaces": lambda seed, count: list_faceids(
                "search_faces", FaceId=faceids[seed % FACES], MaxFaces=count
            ),
            "recognize": recognize,
            "identify": lambda seed, count: [
                candidate["face"]["id"] for candidate in identify(seed, count)
            ],
            "similar": list_similar,
        },
        {"sunmi": find_by_sunmi, "icredit": find_by_icredit, "deepstack": find_by_deepstack},
        {
            "sunmi": list_v1_matches,
            "icredit": list_v1_matches,
            "deepstack": lambda seed: recognize(seed, LONGEST, LEAST_NAMED),
        },
        lambda seed, least: search("search_faces_by_image", least, Image=image(Person(seed))),
    )
    services.close()


@examples(40, 500)
@given(name=st.sampled_from(_LISTS), seed=SEEDS, short=st.integers(1, LONGEST - 1))
def test_a_shorter_list_is_the_beginning_of_the_longer_one(
    searches: Searches, name: str, seed: int, short: int
) -> None:
    longest = searches.lists[name](seed, LONGEST)
    assert longest[:short] == searches.lists[name](seed, short)


@examples(20, 300)
@given(dialect=st.sampled_from(_ONE_ANSWERS), seed=SEEDS)
def test_who_is_answered_alone_is_the_first_match_of_the_longest_list(
    searches: Searches, dialect: str, seed: int
) -> None:
    assert searches.one_answers[dialect](seed) == searches.list_matches[dialect](seed)[:1]


@examples(10, 200)
@given(seed=SEEDS, least=st.floats(0, 100))
def test_nobody_of_at_least_the_similarity_that_is_asked_for_is_left_out(
    searches: Searches, seed: int, least: float
) -> None:
    everybody = searches.list_above(seed, 0)
    assert searches.list_above(seed, least) == [one for one in everybody if one[1] >= least]
    assert len(everybody) == FACES
