import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.model import MAX_COMPARED, MAX_PICTURES, Credentials, Labels, Profile
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.pictures import PictureRules
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import HOST, V1Client
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.pictures import photos as at_hand

HALF_LIKE = Person(1, likeness=0.5, side_px=64.0)

"""Too little like one photo of the person to be found by it, and enough like the mean of
several."""


@pytest.fixture
def faceid(camera: CameraClient) -> str:
    """Person 1, enrolled with one photo."""
    camera.create_group("vip")
    return str(camera.add_face("vip", photo(100))["data"]["faceid"])


@pytest.fixture(autouse=True)
def _exact(services: Services, shop: Credentials) -> Any:
    """Whatever was done, the gallery is that of the faces, by the means of their pictures."""
    yield
    assert disagreements(services, services.tenants.get_by_name(shop.tenant)) == []


def photo(side_px: float, seed: int = 1, **of_person: float) -> bytes:
    """Of person 1, each size another photo."""
    return picture(Person(seed, side_px=side_px, **of_person))


def body(data: bytes, **fields: Any) -> dict[str, Any]:
    return {"picture": base64.b64encode(data).decode(), **fields}


def add(v1: V1Client, faceid: str, data: bytes, **fields: Any) -> dict[str, Any]:
    return v1.done("POST", f"/v1/faces/{faceid}/pictures", body(data, **fields))


def refused(v1: V1Client, status: int, faceid: str, data: bytes, **fields: Any) -> dict[str, Any]:
    return v1.failed(status, "POST", f"/v1/faces/{faceid}/pictures", body(data, **fields))


def pictures(v1: V1Client, faceid: str) -> list[dict[str, Any]]:
    return v1.done("GET", f"/v1/faces/{faceid}/pictures")["pictures"]


def see(v1: V1Client, services: Services, data: bytes) -> list[tuple[str, str]]:
    """Who is taken for whom on a capture of now, and the sightings' ids."""
    sightings = v1.done("GET", f"/v1/captures/{v1.take(services, data).id}", camera="door")[
        "sightings"
    ]
    return [(one["face"], one["id"]) for one in sightings]


def add_sighting(v1: V1Client, faceid: str, sighting: str, **fields: Any) -> dict[str, Any]:
    return v1.done("POST", f"/v1/faces/{faceid}/pictures", {"sighting": sighting, **fields})


def found(camera: CameraClient, person: Person) -> str | None:
    answer = camera.call("getFaceByPicture", pic=picture(person))
    return answer["data"]["faceid"] if answer["code"] == 0 and answer["data"] else None


def test_a_photo_that_is_added_is_listed_after_the_one_that_was_enrolled(
    v1: V1Client, faceid: str
) -> None:
    added = add(v1, faceid, photo(90))
    assert added == {
        "id": hashlib.sha256(photo(90)).hexdigest()[:32],
        "added_at": "2026-03-01T12:00:00.000Z",
        "quality": 80.0,
        "masked": None,
        "pose": {"yaw": 1, "pitch": 2, "roll": 3, "source": "model"},
        "url": added["url"],
        "thumb_url": added["thumb_url"],
        "compared": True,
        "kept": True,
        "learnt": None,
    }
    assert added["url"].startswith(f"http://{HOST}/_pictures/shop/faces/{faceid}/")
    assert ".jpg.160.jpg?" in added["thumb_url"]
    first, second = pictures(v1, faceid)
    assert second == added
    assert first["id"] == hashlib.sha256(photo(100)).hexdigest()[:32]


def test_the_very_same_photo_adds_nothing_and_is_answered_the_same(
    v1: V1Client, faceid: str
) -> None:
    added = add(v1, faceid, photo(90))
    assert add(v1, faceid, photo(90)) == added
    assert add(v1, faceid, photo(100)) == pictures(v1, faceid)[0], "the one that was enrolled"
    assert len(pictures(v1, faceid)) == 2


def test_the_picture_that_a_stranger_was_made_from_is_known_again(
    v1: V1Client, services: Services
) -> None:
    v1.add_camera("door")
    data = photo(100, seed=5)
    [(stranger, founding)] = see(v1, services, data)
    assert add(v1, stranger, data) == pictures(v1, stranger)[0]
    assert add_sighting(v1, stranger, founding) == pictures(v1, stranger)[0]
    assert len(pictures(v1, stranger)) == 1


def test_a_face_is_added_as_its_sighting_shows_it_whoever_else_is_on_the_capture(
    v1: V1Client, services: Services, camera: CameraClient, faceid: str
) -> None:
    v1.add_camera("door", keeps_strangers=False)
    data = picture(Person(2, side_px=95), Person(1, side_px=90))
    _, (seen_as, sighting) = see(v1, services, data)
    assert seen_as == faceid
    assert refused(v1, 422, faceid, data)["code"] == "Unusable", (
        "sent as a picture, nothing says who is meant"
    )
    added = add_sighting(v1, faceid, sighting)
    assert added["id"] == hashlib.sha256(data).hexdigest()[:32]
    assert add_sighting(v1, faceid, sighting) == added
    assert pictures(v1, faceid)[1:] == [added]
    add(v1, faceid, photo(80))
    assert found(camera, HALF_LIKE) == faceid


def test_who_is_most_like_the_picture_of_a_sighting_is_told(
    v1: V1Client, services: Services, camera: CameraClient, faceid: str
) -> None:
    v1.add_camera("door")
    other = camera.add_face("vip", photo(100, seed=2))["data"]["faceid"]
    [(_, sighting)] = see(v1, services, photo(90))
    path = f"/v1/faces/{faceid}/similar"
    sister = camera.add_face("vip", photo(110, likeness=0.6))["data"]["faceid"]
    [of_face], [of_sighting] = (
        v1.done("GET", path, **sent)["faces"] for sent in ({}, {"sighting": sighting})
    )
    assert of_sighting["face"]["id"] == of_face["face"]["id"] == sister
    assert of_sighting["score"] != of_face["score"]
    compared = v1.done("GET", path, faces=other)
    assert [(one["face"]["id"], one["match"], one["alike"]) for one in compared["faces"]] == [
        (other, False, False)
    ]
    assert compared["faces"][0]["score"] < compared["threshold"] / 2
    assert (
        "without sighting" in v1.failed(400, "GET", path, faces=other, sighting=sighting)["detail"]
    )
    assert v1.failed(404, "GET", path, sighting="x")["code"] == "SightingNotFound"
    services.ports.storage.uploads.delete(
        keys.capture_picture("shop", "door", sighting.rpartition("-")[0])
    )
    assert v1.failed(409, "GET", path, sighting=sighting)["code"] == "Conflict"


def test_strangers_since_a_time_are_listed_by_how_much_they_are_like_somebody(
    v1: V1Client, services: Services, camera: CameraClient, faceid: str
) -> None:
    v1.add_camera("door")
    camera.add_face("vip", photo(70, likeness=0.5))
    before, other, like, most_like = (
        v1.take(services, photo(side_px, seed, likeness=likeness), hours * 60).sightings[0].faceid
        for hours, side_px, seed, likeness in (
            (40, 110, 1, 0.4),
            (30, 100, 7, 0.9),
            (20, 120, 1, 0.4),
            (10, 130, 1, 0.45),
        )
    )
    since = "2026-02-28T06:00:00Z"
    path = f"/v1/faces/{faceid}/similar"
    found = v1.done("GET", path, since=since)
    assert [one["face"]["id"] for one in found["faces"]] == [most_like, like], (
        f"neither {before}, {other} nor a VIP"
    )
    assert not any(one["match"] for one in found["faces"])
    assert found["faces"][0]["score"] > found["faces"][1]["score"]
    assert [one["face"]["id"] for one in v1.done("GET", path, since=since, limit=1)["faces"]] == [
        most_like
    ]
    assert v1.done("GET", path, since="2026-03-01T06:00:00Z")["faces"] == []


def test_who_a_sighting_is_instead_is_said(
    v1: V1Client, services: Services, camera: CameraClient, faceid: str
) -> None:
    v1.add_camera("door")
    other = camera.add_face("vip", photo(100, seed=2))["data"]["faceid"]
    [(_, sighting)] = see(v1, services, photo(90))
    path = "/v1/faces/{}/sightings/{}/reject"
    given = v1.done("POST", path.format(faceid, sighting), {"other": other})
    assert (
        given["sighting"]["face"],
        given["sighting"]["score"],
        given["face"]["arrive_count"],
    ) == (other, None, 0)
    nobody = v1.done("POST", path.format(other, sighting), {"instead": "nobody"})["sighting"]
    assert (nobody["resolution"], nobody["face"]) == ("skipped", None)
    assert v1.done("GET", "/v1/arrivals", **{"from": "2026-01-01T00:00:00Z"})["arrivals"] == []
    assert (
        "stranger, new or nobody"
        in v1.failed(400, "POST", path.format(other, sighting), {"instead": "me"})["detail"]
    )


def test_a_sighting_that_is_too_poor_or_not_the_faces_or_not_kept_is_refused(
    v1: V1Client, services: Services, shop: Credentials, faceid: str
) -> None:
    v1.add_camera("door", learns=False)
    [(_, sighting)] = see(v1, services, photo(90))
    [(stranger, other)] = see(v1, services, photo(90, seed=2))
    path = f"/v1/faces/{faceid}/pictures"
    for wrong in (other, "x", f"{sighting}9"):
        assert (
            v1.failed(404, "POST", path, {"sighting": wrong, "trust": True})["code"]
            == "SightingNotFound"
        )
    assert (
        v1.failed(404, "POST", "/v1/faces/7/pictures", {"sighting": sighting})["code"]
        == "FaceNotFound"
    )
    services.tenants.change_settings(shop.tenant, {"enrol_quality": 90})
    assert "too blurred: 80 of 90" in v1.failed(422, "POST", path, {"sighting": sighting})["detail"]
    services.tenants.change_settings(shop.tenant, {"enrol_quality": 40})
    services.tenants.change_settings(shop.tenant, {"least_liveness": 0.95})
    assert "picture of a face" in v1.failed(422, "POST", path, {"sighting": sighting})["detail"]
    services.tenants.change_settings(shop.tenant, {"least_liveness": None})
    services.ports.storage.uploads.delete(
        keys.capture_picture("shop", "door", sighting.rpartition("-")[0])
    )
    assert v1.failed(409, "POST", path, {"sighting": sighting})["code"] == "Conflict"
    assert len(pictures(v1, faceid)) == len(pictures(v1, stranger)) == 1


def test_somebody_else_is_refused_with_the_score_and_what_it_had_to_reach(
    v1: V1Client, faceid: str
) -> None:
    for other in (photo(90, seed=2), picture(HALF_LIKE)):
        error = refused(v1, 422, faceid, other)
        assert error["code"] == "NotThisPerson"
        assert error["score"] < error["threshold"]
        assert f"{error['score']:.4f}" in error["detail"]
    assert len(pictures(v1, faceid)) == 1


def test_who_is_vouched_for_is_added_whoever_it_looks_like(
    v1: V1Client, camera: CameraClient, faceid: str
) -> None:
    add(v1, faceid, picture(HALF_LIKE), trust=True)
    assert refused(v1, 422, faceid, photo(90, seed=2), trust=False)["code"] == "NotThisPerson"
    assert len(pictures(v1, faceid)) == 2
    assert found(camera, HALF_LIKE) == faceid


def test_a_photo_that_is_more_like_another_face_names_that_one(
    v1: V1Client, camera: CameraClient, faceid: str
) -> None:
    other = camera.add_face("vip", photo(100, seed=2))["data"]["faceid"]
    error = refused(v1, 422, faceid, photo(90, seed=2))
    assert (error["code"], error["face"]) == ("AnotherFace", other)
    assert error["other_score"] > error["threshold"] > error["score"]
    add(v1, faceid, photo(90, seed=2), trust=True)


def test_one_person_under_two_ids_may_be_given_photos_under_either(
    v1: V1Client, camera: CameraClient, faceid: str
) -> None:
    again = camera.add_face("vip", photo(100))["data"]["faceid"]
    add(v1, faceid, photo(90))
    error = refused(v1, 422, again, photo(90))
    assert (error["code"], error["face"]) == ("AnotherFace", faceid), "which has this very photo"


def test_what_was_said_not_to_be_the_face_is_not_added_to_it(
    v1: V1Client, services: Services, faceid: str
) -> None:
    v1.add_camera("door", keeps_strangers=False)
    data = photo(90)
    [(_, sighting)] = see(v1, services, data)
    v1.done("POST", f"/v1/faces/{faceid}/sightings/{sighting}/reject")
    error = refused(v1, 422, faceid, data)
    assert error["code"] == "NotThisPerson"
    assert "rejected for this face" in error["detail"]
    assert error["score"] > error["threshold"]
    add(v1, faceid, data, trust=True)


def test_a_rejected_sighting_takes_its_picture_out_of_the_mean(
    v1: V1Client, services: Services, faceid: str
) -> None:
    v1.add_camera("door", keeps_strangers=False, learns=False)
    [(_, sighting)] = see(v1, services, photo(90))
    before = pictures(v1, faceid)
    add_sighting(v1, faceid, sighting)
    v1.done("POST", f"/v1/faces/{faceid}/sightings/{sighting}/reject")
    assert pictures(v1, faceid) == before


def test_a_sighting_whose_picture_is_the_faces_only_one_is_not_rejected(
    v1: V1Client, services: Services, faceid: str
) -> None:
    v1.add_camera("door", keeps_strangers=False)
    [(_, sighting)] = see(v1, services, photo(90))
    add_sighting(v1, faceid, sighting)
    v1.done_without_body("DELETE", f"/v1/faces/{faceid}/pictures/{pictures(v1, faceid)[0]['id']}")
    before = pictures(v1, faceid)
    assert (
        v1.failed(409, "POST", f"/v1/faces/{faceid}/sightings/{sighting}/reject")["code"]
        == "LastPicture"
    )
    assert pictures(v1, faceid) == before


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"no picture", "cannot be decoded"),
        (picture(), "no face was found"),
        (picture(Person(1, side_px=90), Person(2, side_px=40)), "2 faces were found"),
        (photo(90, quality=5), "too blurred: 5 of"),
        (photo(20), "too small to enrol"),
    ],
)
def test_what_shows_not_exactly_one_face_that_could_be_enrolled_is_unusable(
    v1: V1Client, faceid: str, data: bytes, part: str
) -> None:
    error = refused(v1, 422, faceid, data, trust=True)
    assert error["code"] == "Unusable"
    assert part in error["detail"]


def test_who_stands_in_the_background_or_is_blurred_does_not_matter(
    v1: V1Client, faceid: str
) -> None:
    add(v1, faceid, picture(Person(1, side_px=90), Person(2, side_px=20)))
    add(v1, faceid, picture(Person(2, side_px=90, quality=5), Person(1, side_px=80)))
    assert len(pictures(v1, faceid)) == 3


def test_the_tenants_quality_and_liveness_hold(
    v1: V1Client, services: Services, shop: Credentials, faceid: str
) -> None:
    services.tenants.change_settings(shop.tenant, {"enrol_quality": 90})
    assert "80 of 90" in refused(v1, 422, faceid, photo(90), trust=True)["detail"]
    services.tenants.change_settings(shop.tenant, {"enrol_quality": 40})
    services.tenants.change_settings(shop.tenant, {"least_liveness": 0.95})
    assert "picture of a face" in refused(v1, 422, faceid, photo(90), trust=True)["detail"]


def test_a_face_has_a_hundred_pictures_at_most_and_is_compared_by_eight(
    v1: V1Client, faceid: str
) -> None:
    for number in range(1, MAX_PICTURES):
        add(v1, faceid, photo(100 + number))
    assert [one["compared"] for one in pictures(v1, faceid)].count(True) == MAX_COMPARED
    error = refused(v1, 409, faceid, photo(90))
    assert error["code"] == "TooManyPictures"
    assert str(MAX_PICTURES) in error["detail"]
    assert add(v1, faceid, photo(101)) == pictures(v1, faceid)[1], (
        "one that it has is still answered"
    )


def test_a_picture_is_taken_away_and_never_the_last(
    v1: V1Client, services: Services, faceid: str
) -> None:
    add(v1, faceid, photo(90, quality=70))
    first, second = pictures(v1, faceid)
    v1.done_without_body("DELETE", f"/v1/faces/{faceid}/pictures/{first['id']}")
    assert pictures(v1, faceid) == [second]
    assert v1.done("GET", f"/v1/faces/{faceid}")["quality"] == 70, "the next one is the portrait"
    assert len(list(services.storage.blobs.walk("shop/faces/"))) == 2
    again = v1.failed(404, "DELETE", f"/v1/faces/{faceid}/pictures/{first['id']}")
    assert again["code"] == "PictureNotFound"
    last = v1.failed(409, "DELETE", f"/v1/faces/{faceid}/pictures/{second['id']}")
    assert last["code"] == "LastPicture"
    assert "delete the face" in last["detail"]


def test_nobody_arrives_and_nothing_is_counted_by_an_added_photo(
    v1: V1Client, services: Services, shop: Credentials, faceid: str
) -> None:
    tenant = services.tenants.get_by_name(shop.tenant)
    before = v1.done("GET", f"/v1/faces/{faceid}")
    groups = services.groups.list_all(tenant)
    now = int(services.clock.now().timestamp())
    observed = services.statistics.observations.query(
        tenant, ObservationFilter(), now - 9, now + 9
    ).observations
    add(v1, faceid, photo(90))
    assert v1.done("GET", f"/v1/faces/{faceid}") == {**before, "pictures": 2, "revision": 2}
    assert services.groups.list_all(tenant) == groups
    assert (
        services.statistics.observations.query(
            tenant, ObservationFilter(), now - 9, now + 9
        ).observations
        == observed
    )


def test_a_deleted_face_takes_all_its_pictures_along(
    v1: V1Client, services: Services, camera: CameraClient, faceid: str
) -> None:
    add(v1, faceid, photo(90))
    assert len(list(services.storage.blobs.walk("shop/faces/"))) == 4, (
        "two pictures and their thumbnails"
    )
    answer = camera.call(
        "deleteFace", {"group_name": "vip", "num": "1", "faceid_list": f'["{faceid}"]'}
    )
    assert answer["code"] == 0
    assert list(services.storage.blobs.walk("shop/faces/")) == []
    assert v1.failed(404, "GET", f"/v1/faces/{faceid}/pictures")["code"] == "FaceNotFound"
    assert refused(v1, 404, faceid, photo(90))["code"] == "FaceNotFound"
    assert v1.failed(404, "DELETE", f"/v1/faces/{faceid}/pictures/x")["code"] == "FaceNotFound"


def test_an_updated_face_has_the_new_picture_only(
    v1: V1Client, camera: CameraClient, faceid: str
) -> None:
    """As the other dialect's contract has it: the picture replaces picture, templates and
    estimates."""
    add(v1, faceid, photo(90))
    assert (
        camera.call("updateFace", {"group_name": "vip", "faceid": faceid}, photo(70))["code"] == 0
    )
    (only,) = pictures(v1, faceid)
    assert only["id"] == hashlib.sha256(photo(70)).hexdigest()[:32]


def test_a_better_picture_of_a_known_person_takes_the_portraits_place_only(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    """Enrolled again by the dialect that enrols everybody in a picture."""
    tenant = services.tenants.get_by_name(shop.tenant)
    enrol = services.enrolment.everybody.enrol_all_in_picture
    [first] = enrol(tenant, "shop", photo(100), RULES, Labels())
    added = add(v1, first.face.faceid, photo(90))
    enrol(tenant, "shop", photo(95, quality=99), RULES, Labels())
    better, kept = pictures(v1, first.face.faceid)
    assert (better["quality"], kept) == (99, added)


def test_what_is_switched_off_is_not_told_of_a_picture(
    v1: V1Client, services: Services, shop: Credentials, faceid: str
) -> None:
    add(v1, faceid, photo(90))
    services.tenants.change_settings(shop.tenant, {"attributes_off": {"pose"}})
    assert [one["pose"] for one in pictures(v1, faceid)] == [None, None]


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({}, "send either picture"),
        ({"picture": "AAAA", "sighting": "x"}, "send either picture"),
    ],
)
def test_what_is_wrong_with_the_request_is_said(
    v1: V1Client, faceid: str, sent: Any, part: str
) -> None:
    error = v1.failed(400, "POST", f"/v1/faces/{faceid}/pictures", sent)
    assert part in error["detail"]


def test_real_photos_of_one_person_are_told_from_anothers(
    real_services: Services, photos: Path
) -> None:
    """With the real models: another picture of the same person is taken, somebody else's is not."""
    credentials = real_services.tenants.add("studio", Profile.CLOUD)
    tenant = real_services.tenants.get_by_name("studio")
    v1 = V1Client(make_stage(real_services).app, credentials.api_key)
    rules = PictureRules(frozenset({"JPEG"}), 1 << 24, 8192, 8192)
    enrolled = (photos / at_hand.PORTRAIT).read_bytes()
    faceid = real_services.enrolment.enrol_largest_face(tenant, "regular", enrolled, rules).faceid
    smiling = (photos / at_hand.PORTRAIT_AGAIN).read_bytes()
    assert add(v1, faceid, smiling)["id"] == hashlib.sha256(smiling).hexdigest()[:32]
    assert add(v1, faceid, enrolled) == pictures(v1, faceid)[0]
    error = refused(v1, 422, faceid, (photos / at_hand.OTHER).read_bytes())
    assert (error["code"], error["score"] < error["threshold"]) == ("NotThisPerson", True)
    two = refused(v1, 422, faceid, (photos / at_hand.TWO).read_bytes())
    assert (two["code"], "2 faces" in two["detail"]) == ("Unusable", True)
    assert len(pictures(v1, faceid)) == 2
    assert disagreements(real_services, tenant) == []


def seen(v1: V1Client, services: Services) -> dict[str, str]:
    capture = v1.take(services, picture(Person(1)))
    return v1.done("GET", f"/v1/captures/{capture.id}", camera="door")


def test_no_answer_has_a_link_to_a_picture(v1: V1Client, services: Services) -> None:
    v1.add_camera("door", id="door")
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    capture = seen(v1, services)
    face = v1.done("GET", "/v1/faces")["faces"][0]
    more = [
        v1.done("GET", path)
        for path in ("/v1/arrivals", "/v1/observations", f"/v1/faces/{face['id']}/pictures")
    ]
    links = re.findall(r"'\w*url': ([^,}]+)", str([capture, face, *more]))
    assert set(links) == {"None"}
    crop = v1.failed(409, "GET", f"/v1/captures/{capture['id']}/crops/0", camera="door")
    assert "keeps no pictures" in crop["detail"]


def test_a_signed_in_key_is_told_that_there_are_no_pictures(v1: V1Client) -> None:
    assert v1.done("GET", "/v1/session")["pictures"] is True
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert v1.done("GET", "/v1/session")["pictures"] is False


def test_groups_without_pictures_are_named_and_must_be_there(v1: V1Client) -> None:
    v1.done("POST", "/v1/groups", {"name": "staff", "capacity": 9})
    changed = v1.done("PATCH", "/v1/settings", {"no_pictures_of": ["staff", "stranger"]})
    assert sorted(changed["no_pictures_of"]) == ["staff", "stranger"]
    assert (
        v1.failed(404, "PATCH", "/v1/settings", {"no_pictures_of": ["nobody"]})["code"]
        == "GroupNotFound"
    )
    face = v1.done("POST", "/v1/faces", body(photo(100.0, 5), group="staff"))
    assert (face["portrait"]["url"], face["pictures"]) == (None, 1)
    kept = v1.done("POST", "/v1/faces", body(photo(100.0, 5), group="regular"))
    assert kept["portrait"]["url"]
