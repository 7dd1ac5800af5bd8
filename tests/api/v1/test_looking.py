"""Looking at pictures over v1, with real models on real pictures, sent in each form that a body may
have."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from chalicelib.domain.model import Profile
from chalicelib.domain.observations import ObservationFilter
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.api.gateway import MULTIPART, Part, multipart
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import HOST, V1Client
from tests.support.book.recount_statistics import items_of
from tests.support.examples import parametrize
from tests.support.pictures.photos import GROUP, GROUP_SIZE, NOBODY, OTHER, PORTRAIT, PORTRAIT_AGAIN
from tests.support.pictures.rules import RULES

FORMS = ("json", "bare", "multipart")


class Eyes:
    """A client of a tenant who enrolled one portrait, and sends pictures."""

    def __init__(self, services: Services, photos: Path) -> None:
        self.services = services
        self.v1 = V1Client(
            make_stage(services).app, services.tenants.add("shop", Profile.CLOUD).api_key
        )
        self.tenant = services.tenants.get_by_name("shop")
        self.photos = photos
        services.groups.create(self.tenant, "vip", None, "")
        services.groups.create(self.tenant, "staff", None, "")
        self.known = self.enrol("vip", PORTRAIT)

    def photo(self, name: str) -> bytes:
        return (self.photos / name).read_bytes()

    def enrol(self, group: str, name: str) -> str:
        return self.services.enrolment.enrol_largest_face(
            self.tenant, group, self.photo(name), RULES
        ).faceid

    def ask(self, path: str, shown: bytes, form: str = "bare", **others: Any) -> dict[str, Any]:
        reply = self.v1.send("POST", path, **body_of(form, shown, others))
        assert reply.status == 200, reply
        return reply.json

    def refused(
        self, status: int, path: str, shown: bytes, form: str = "bare", **others: Any
    ) -> str:
        reply = self.v1.send("POST", path, **body_of(form, shown, others))
        assert reply.status == status, reply
        return str(reply.json["detail"])


def body_of(form: str, shown: bytes, others: Mapping[str, Any]) -> dict[str, Any]:
    """The same request in one of FORMS, as arguments of V1Client.send."""
    if form == "json":
        return {"body": {"picture": base64.b64encode(shown).decode(), **others}}
    texts = [
        (name, one)
        for name, value in others.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    if form == "multipart":
        parts = [
            Part("picture", shown, "me.jpg"),
            *(Part(name, str(one).encode()) for name, one in texts),
        ]
        return {"body": multipart(parts), "headers": {"Content-Type": MULTIPART}}
    query: dict[str, list[str]] = {}
    for name, one in texts:
        query.setdefault(name, []).append(str(one))
    return {"body": shown, "query": query, "headers": {"Content-Type": "image/jpeg"}}


@pytest.fixture
def eyes(real_services: Services, photos: Path) -> Eyes:
    return Eyes(real_services, photos)


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_of_a_face_comes_in_each_form_and_as_webp(eyes: Eyes, form: str) -> None:
    with Image.open(eyes.photos / PORTRAIT_AGAIN) as image:
        made = io.BytesIO()
        image.save(made, "WEBP", quality=90)
    path = f"/v1/faces/{eyes.known}/pictures"
    added = eyes.v1.send(
        "POST", path, **body_of(form, made.getvalue(), {} if form == "json" else {"trust": "true"})
    )
    assert added.status == 201, added
    assert len(eyes.v1.done("GET", path)["pictures"]) == 2


@pytest.mark.parametrize("form", FORMS)
def test_somebody_known_is_identified_and_nothing_is_recorded(eyes: Eyes, form: str) -> None:
    seen = eyes.services.statistics.observations.query(
        eyes.tenant, ObservationFilter(), 0, 10**10
    ).observations
    answer = eyes.ask(
        "/v1/identify", eyes.photo(PORTRAIT_AGAIN), form, k=3, groups=["vip", "staff"]
    )

    (face,) = answer["faces"]
    (candidate,) = face["candidates"]
    assert candidate["face"]["id"] == eyes.known
    assert (face["match"], candidate["match"], face["reason"], face["gallery_size"]) == (
        True,
        True,
        None,
        1,
    )
    assert face["threshold"] < candidate["score"] <= 1
    assert face["false_match_probability"] < 0.001
    assert face["quality"] > 20
    with Image.open(io.BytesIO(eyes.photo(PORTRAIT_AGAIN))) as image:
        assert (answer["width"], answer["height"]) == image.size
    after = eyes.services.statistics.observations.query(
        eyes.tenant, ObservationFilter(), 0, 10**10
    ).observations
    assert after == seen


def test_of_several_people_each_has_candidates(eyes: Eyes) -> None:
    other = eyes.enrol("staff", OTHER)
    answer = eyes.ask("/v1/identify", eyes.photo(GROUP), k=2)
    assert len(answer["faces"]) == GROUP_SIZE
    for face in answer["faces"]:
        assert {one["face"]["id"] for one in face["candidates"]} <= {eyes.known, other}
        assert all(one["score"] >= face["threshold"] / 2 for one in face["candidates"])
        scores = [one["score"] for one in face["candidates"]]
        assert scores == sorted(scores, reverse=True)
    assert eyes.ask("/v1/identify", eyes.photo(NOBODY))["faces"] == []


def test_a_match_is_counted_if_that_is_asked_for(eyes: Eyes) -> None:
    eyes.ask("/v1/identify", eyes.photo(PORTRAIT_AGAIN), "bare", record="true")
    eyes.ask("/v1/identify", eyes.photo(PORTRAIT_AGAIN), "json", record=True)
    found = eyes.services.statistics.observations.query(
        eyes.tenant, ObservationFilter(), 0, 10**10
    ).observations
    assert [one.kind.value for one in found].count("search") == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_person_is_verified_against_a_face(eyes: Eyes, form: str) -> None:
    same = eyes.ask("/v1/verify", eyes.photo(PORTRAIT_AGAIN), form, face=eyes.known)
    another = eyes.ask("/v1/verify", eyes.photo(OTHER), form, face=eyes.known)
    assert (same["match"], another["match"]) == (True, False)
    assert another["score"] < another["threshold"]
    assert same["threshold"] <= same["score"] <= 1
    assert same["false_match_probability"] < another["false_match_probability"]
    assert len(same["faces"]) == 1


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_two_pictures_are_compared(eyes: Eyes, form: str) -> None:
    def compared(other: str) -> dict[str, Any]:
        first, second = eyes.photo(PORTRAIT), eyes.photo(other)
        if form == "json":
            return eyes.ask("/v1/verify", first, form, other=base64.b64encode(second).decode())
        parts = [Part("other", second, "b.jpg"), Part("picture", first, "a.jpg")]
        reply = eyes.v1.send(
            "POST", "/v1/verify", multipart(parts), headers={"Content-Type": MULTIPART}
        )
        assert reply.status == 200, reply
        return reply.json

    assert compared(PORTRAIT_AGAIN)["match"]
    assert not compared(OTHER)["match"]
    assert len(compared(OTHER)["faces"]) == 2


@pytest.mark.parametrize("form", FORMS)
def test_faces_are_detected_and_described(eyes: Eyes, form: str) -> None:
    answer = eyes.ask("/v1/detect", eyes.photo(GROUP), form)
    assert len(answer["faces"]) == GROUP_SIZE
    for face in answer["faces"]:
        assert len(face["landmarks"]) == 5
        box = face["box"]
        assert all(
            box["x"] - box["width"] < point["x"] < box["x"] + 2 * box["width"]
            for point in face["landmarks"]
        )
        assert bool(face["flaw"]) == (face["quality"] < 100)


def test_faces_most_like_one_are_listed(eyes: Eyes) -> None:
    again, other = eyes.enrol("staff", PORTRAIT_AGAIN), eyes.enrol("staff", OTHER)
    answer = eyes.v1.done("GET", f"/v1/faces/{eyes.known}/similar", limit=2)
    assert [(one["face"]["id"], one["match"], one["alike"]) for one in answer["faces"]] == [
        (again, True, True)
    ]
    assert answer["faces"][0]["score"] > answer["threshold"]
    compared = eyes.v1.done("GET", f"/v1/faces/{eyes.known}/similar", faces=[other, again])
    assert [(one["face"]["id"], one["alike"]) for one in compared["faces"]] == [
        (other, False),
        (again, True),
    ]
    assert compared["threshold"] == answer["threshold"]
    assert eyes.v1.failed(404, "GET", "/v1/faces/nobody/similar")["code"] == "FaceNotFound"
    assert (
        "limit" in eyes.v1.failed(400, "GET", f"/v1/faces/{eyes.known}/similar", limit=51)["detail"]
    )


def phone_photo(eyes: Eyes, side: tuple[int, int], kind: str) -> bytes:
    """The portrait in the middle of a photograph as large as a phone's."""
    with Image.open(io.BytesIO(eyes.photo(PORTRAIT_AGAIN))) as image:
        scale = min(side) / max(image.size)
        face = image.convert("RGB").resize(
            (round(image.width * scale), round(image.height * scale))
        )
    canvas = Image.new("RGB", side, (90, 100, 110))
    canvas.paste(face, ((side[0] - face.width) // 2, (side[1] - face.height) // 2))
    target = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(canvas).save(target, quality=50)
    else:
        canvas.save(target, kind, quality=80)
    return target.getvalue()


@parametrize(
    ("side", "kind"),
    [
        ((4032, 3024), "JPEG"),
        ((1536, 2048), "HEIC"),
        ((8160, 6120), "JPEG"),
        ((2000, 1500), "WEBP"),
    ],
    gate=2,
)
def test_photographs_of_phones_are_looked_at_and_places_are_theirs(
    eyes: Eyes, side: tuple[int, int], kind: str
) -> None:
    answer = eyes.ask("/v1/identify", phone_photo(eyes, side, kind), "bare")
    assert (answer["width"], answer["height"]) == side
    (face,) = answer["faces"]
    assert face["match"]
    box = face["box"]
    assert abs(box["x"] + box["width"] / 2 - side[0] / 2) < side[0] / 8
    assert box["height"] > min(side) / 8


def test_pictures_thumbnails_and_crops_are_shown_to_keys_that_see_pictures(eyes: Eyes) -> None:
    face = eyes.v1.done("GET", f"/v1/faces/{eyes.known}")
    (only,) = eyes.v1.done("GET", f"/v1/faces/{eyes.known}/pictures")["pictures"]
    assert (face["portrait"]["url"], face["portrait"]["thumb_url"]) == (
        only["url"],
        only["thumb_url"],
    )
    assert max(face["portrait"]["width"], face["portrait"]["height"]) <= 640
    blind = V1Client(
        eyes.v1.app,
        eyes.v1.done("POST", "/v1/keys", {"name": "b", "role": "viewer", "pictures": False})[
            "api_key"
        ],
    )
    unseen = blind.done("GET", f"/v1/faces/{eyes.known}")["portrait"]
    assert (unseen["url"], unseen["thumb_url"]) == (None, None)

    eyes.v1.add_camera("door")
    capture = eyes.v1.take(eyes.services, eyes.photo(PORTRAIT_AGAIN), minutes_ago=1)
    (sighting,) = eyes.v1.done("GET", f"/v1/faces/{eyes.known}/sightings")["sightings"]
    path = sighting["crop_url"].removeprefix(f"http://{HOST}/api").partition("?")[0]
    assert path == f"/v1/captures/{capture.id}/crops/0"
    reply = eyes.v1.send("GET", path, query={"camera": "door"})
    assert (reply.status, "/_blobs/shop/-crops/door/" in reply.headers["location"]) == (302, True)
    assert blind.failed(403, "GET", path, camera="door")["code"] == "NotAllowed"
    assert eyes.v1.failed(404, "GET", path[:-1] + "7", camera="door")["code"] == "CaptureNotFound"
    small = eyes.v1.send("GET", f"/v1/captures/{capture.id}/thumbnail", query={"camera": "door"})
    assert (small.status, "/_blobs/shop/-crops/door/" in small.headers["location"]) == (302, True)
    made = (
        eyes.services.ports.storage.uploads.get(f"shop/-crops/door/{capture.id}-whole.jpg") or b""
    )
    assert max(Image.open(io.BytesIO(made)).size) == 320
    assert len(made) < 20_000
    assert (
        blind.failed(403, "GET", f"/v1/captures/{capture.id}/thumbnail", camera="door")["code"]
        == "NotAllowed"
    )
    assert (
        "n is a whole number"
        in eyes.v1.failed(400, "GET", path[:-1] + "x", camera="door")["detail"]
    )


def test_of_a_request_that_only_looks_nothing_is_kept(eyes: Eyes) -> None:
    def look(path: str, **query: Any) -> None:
        headers = {"Idempotency-Key": f"k{path}", "Content-Type": "image/jpeg"}
        assert (
            eyes.v1.send("POST", path, eyes.photo(PORTRAIT), headers=headers, query=query).status
            == 200
        )

    def kept() -> int:
        return len(list(walk_items(items_of(eyes.services), keys.REQUESTS, "shop")))

    for path, query in (
        ("/v1/identify", {}),
        ("/v1/detect", {}),
        ("/v1/verify", {"face": eyes.known}),
    ):
        look(path, **query)
    assert kept() == 0
    for _ in range(2):
        look("/v1/identify", record="true")
    assert kept() == 1
    assert len(eyes.v1.done("GET", "/v1/observations", kind="search")["observations"]) == 1


def test_what_does_not_fit_is_named(eyes: Eyes) -> None:
    shown = eyes.photo(PORTRAIT)
    identify = "/v1/identify"
    assert (
        eyes.refused(400, identify, shown, "bare", k=21)
        == 'k is a whole number from 1 to 20, not "21"'
    )
    assert (
        eyes.refused(400, identify, shown, "json", k=0) == "k is a whole number from 1 to 20, not 0"
    )
    assert "nowhere" in eyes.refused(404, identify, shown, "multipart", groups=["nowhere"])
    assert "'colour'" in eyes.refused(400, identify, shown, "bare", colour="red")
    assert (
        eyes.refused(400, identify, shown, "bare", k=[1, 2])
        == "'k' was sent twice: send each name once"
    )
    assert "send either face" in eyes.refused(400, "/v1/verify", shown)
    assert eyes.refused(422, "/v1/detect", b"no picture").startswith(
        "this is no picture that can be read; send a JPG"
    )
    assert "no face was found in the picture" in eyes.refused(
        422, "/v1/verify", eyes.photo(NOBODY), face=eyes.known
    )
    parts = multipart([Part("portrait", shown, "me.jpg")])
    message = eyes.v1.send("POST", identify, parts, headers={"Content-Type": MULTIPART}).json[
        "detail"
    ]
    assert message == "there is no file 'portrait' here: picture can be sent"
    reply = eyes.v1.send("POST", identify, {"picture": ""}, query={"k": 3})
    assert (reply.status, "'k'" in reply.json["detail"]) == (400, True)
    assert (
        eyes.v1.send("POST", identify, b"GIF89a", headers={"Content-Type": "text/plain"}).status
        == 415
    )


def test_a_missing_picture_is_named(eyes: Eyes) -> None:
    assert (
        eyes.v1.failed(400, "POST", "/v1/identify", {})["detail"]
        == "picture is missing: it is required"
    )
    empty = eyes.v1.send("POST", "/v1/identify", multipart([]), headers={"Content-Type": MULTIPART})
    assert empty.json["detail"] == "picture is missing: it is required"
