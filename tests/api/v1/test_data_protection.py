from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from regulars_dialects.users import Users

from chalicelib.api.v1.data_protection import describe_erasure
from chalicelib.auth.roles import Role
from chalicelib.domain.model import Credentials
from chalicelib.privacy import erasure_progress, signing
from chalicelib.services import Services
from tests.api.v1.seen import see
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.book_with import book_with
from tests.support.book.several_faces import several_faces
from tests.support.fakes import FakeClock, Person, photo, picture
from tests.support.meanwhile import Meanwhile

GIVEN = "2026-02-28T09:00:00.000Z"

SENT = {
    "basis": "consent",
    "given_at": GIVEN,
    "evidence": "drawer 3",
    "expires_at": "2027-03-01T00:00:00.000Z",
}


def enrol(v1: V1Client, seed: int, **more: Any) -> str:
    return str(
        v1.done("POST", "/v1/faces", {"group": "regular", "picture": photo(seed), **more})["id"]
    )


@pytest.fixture
def subject(v1: V1Client, services: Services) -> list[str]:
    """Three faces of one subject, and one of another, last."""
    [tenant] = services.tenants.list_all()
    services.groups.create(tenant, "family", 100, "")
    group = services.groups.get_by_name(tenant, "family")
    named = (("Ann", (1, 2, 3)), ("Bob", (4,)))
    return [
        faceid
        for name, seeds in named
        for faceid in several_faces(
            services, tenant, group, name, [[picture(Person(seed))] for seed in seeds]
        )
    ]


@pytest.mark.parametrize(("route", "word"), [("hold", "held"), ("restriction", "restricted")])
def test_what_is_asked_for_one_face_is_done_to_all_of_its_subject(
    v1: V1Client, subject: list[str], route: str, word: str
) -> None:
    *anns, bob = subject
    for on in (True, False):
        found = v1.done("PUT", f"/v1/faces/{anns[1]}/{route}", {word: on, "reason": "asked"})
        assert (found[word], found["faces"][0], set(found["faces"]), found["others"]) == (
            on,
            anns[1],
            {*anns},
            [],
        )
        said = {one: v1.done("GET", f"/v1/faces/{one}/{route}") for one in subject}
        assert {one for one, answer in said.items() if answer[word]} == ({*anns} if on else set())
    assert set(v1.done("GET", f"/v1/faces/{anns[0]}/{route}")["faces"]) == {*anns}
    assert v1.done("GET", f"/v1/faces/{bob}/{route}")["faces"] == [bob]


@pytest.mark.parametrize("is_restricted", [False, True])
def test_an_erasure_of_one_face_takes_all_of_its_subject(
    v1: V1Client, subject: list[str], is_restricted: bool
) -> None:
    *anns, bob = subject
    if is_restricted:
        v1.done("PUT", f"/v1/faces/{anns[0]}/restriction", {"restricted": True, "reason": "asked"})
    assert set(v1.done("GET", f"/v1/faces/{anns[0]}/everything")["others"]) == {*anns[1:]}
    assert v1.done("DELETE", f"/v1/faces/{anns[0]}", erase="true")["faces"] == 3
    assert v1.done("GET", "/v1/restrictions")["restrictions"] == []
    assert [one["id"] for one in v1.done("GET", "/v1/faces")["faces"]] == [bob]


@pytest.fixture
def user(v1: V1Client, services: Services) -> list[str]:
    """Two faces of a user."""
    [tenant] = services.tenants.list_all()
    faces = [enrol(v1, 1), enrol(v1, 2)]
    group = services.groups.get_by_name(tenant, "regular")
    Users(services).create(tenant, group, "a-1")
    Users(services).associate_faces(tenant, group, "a-1", faces, 0.0)
    return faces


def test_of_a_user_one_face_is_taken_and_the_others_are_named(
    v1: V1Client, user: list[str]
) -> None:
    ann, other = user
    found = v1.done("PUT", f"/v1/faces/{ann}/hold", {"held": True, "reason": "asked"})
    assert (found["faces"], found["others"]) == ([ann], [other])
    assert not v1.done("GET", f"/v1/faces/{other}/hold")["held"]


@pytest.mark.parametrize(("route", "word"), [("hold", "held"), ("restriction", "restricted")])
@pytest.mark.parametrize("who", ["user", "subject"])
@pytest.mark.parametrize("whole", [True, False])
def test_who_asks_chooses_all_faces_or_this_one(
    v1: V1Client, request: pytest.FixtureRequest, route: str, word: str, who: str, whole: bool
) -> None:
    named, *others = request.getfixturevalue(who)[:3]
    for on in (True, False):
        v1.done("PUT", f"/v1/faces/{named}/{route}", {word: on, "reason": "asked", "whole": whole})
        said = {one for one in (named, *others) if v1.done("GET", f"/v1/faces/{one}/{route}")[word]}
        assert said == ({named, *(others if whole else ())} if on else set())


@pytest.mark.parametrize(("route", "word"), [("hold", "held"), ("restriction", "restricted")])
def test_of_a_person_with_more_faces_than_there_is_room_for_none_is_changed(
    v1: V1Client, services: Services, subject: list[str], route: str, word: str
) -> None:
    services.faces.holds.most = services.restrictions.most = 3
    first, *_, bob = subject
    change = {word: True, "reason": "asked"}
    v1.done("PUT", f"/v1/faces/{bob}/{route}", change)
    assert v1.failed(409, "PUT", f"/v1/faces/{first}/{route}", change)["code"] == "TooMany"
    assert [v1.done("GET", f"/v1/faces/{one}/{route}")[word] for one in subject] == [
        False,
        False,
        False,
        True,
    ]
    v1.done("PUT", f"/v1/faces/{first}/{route}", {**change, "whole": False})
    v1.done("PUT", f"/v1/faces/{bob}/{route}", change)


def test_an_erasure_takes_all_faces_or_this_one_as_is_chosen(
    v1: V1Client, user: list[str], subject: list[str]
) -> None:
    assert v1.failed(400, "DELETE", f"/v1/faces/{user[0]}", whole="true")["code"] == "InvalidInput"
    assert v1.done("DELETE", f"/v1/faces/{user[0]}", erase="true", whole="true")["faces"] == 2
    assert v1.done("DELETE", f"/v1/faces/{subject[0]}", erase="true", whole="false")["faces"] == 1
    assert {one["id"] for one in v1.done("GET", "/v1/faces")["faces"]} == {*subject[1:]}


def test_an_erasure_of_many_faces_that_is_cut_off_says_so_and_a_repeat_ends_it(
    v1: V1Client, services: Services, stage: Stage
) -> None:
    [tenant] = services.tenants.list_all()
    faces = [enrol(v1, seed, name="Ann Bell Cole Dunn Ede Fox") for seed in range(1, 25)]
    group = services.groups.get_by_name(tenant, "regular")
    Users(services).create(tenant, group, "a-1")
    Users(services).associate_faces(tenant, group, "a-1", faces, 0.0)
    meanwhile = Meanwhile(services.items)
    meanwhile.first = [dict, lambda: services.faces.holds.set(tenant, faces[5], "asked")]
    stage.services = book_with(services, items=meanwhile)
    whole = {"erase": "true", "whole": "true"}
    erased = partial(
        v1.send, "DELETE", f"/v1/faces/{faces[0]}", query=whole, headers={"Idempotency-Key": "ann"}
    )

    for _ in range(2):
        assert erased().json["code"] == "FaceHeld"
        left = {one["id"] for one in v1.done("GET", "/v1/faces", limit=100)["faces"]}
        assert {faces[0], faces[5]} < left < {*faces}
    services.faces.holds.lift(tenant, faces[5], "asked")
    answer = erased().json
    assert answer == erased().json
    assert answer["id"] == answer["erasures"][-1]
    listed = v1.done("GET", "/v1/erasures")["erasures"]
    assert {*answer["erasures"]} == {one["id"] for one in listed}
    assert v1.done("GET", "/v1/faces")["faces"] == []
    assert sum(one["faces"] for one in listed) == len(faces)
    page = v1.done("GET", "/v1/erasures", limit=1)
    assert [
        *page["erasures"],
        *v1.done("GET", "/v1/erasures", token=page["next_token"])["erasures"],
    ] == listed


def test_a_record_is_sent_with_an_enrolment_read_replaced_and_withdrawn(v1: V1Client) -> None:
    face = enrol(v1, 1, name="Ann", consent=SENT)
    path = f"/v1/faces/{face}/consent"
    assert v1.done("GET", path) == {"face": face, "name": "Ann", **SENT}
    other = {"basis": "employment", "given_at": GIVEN}
    now = {"face": face, "name": "Ann", **other, "evidence": "", "expires_at": None}
    assert v1.done("PUT", path, other) == now == v1.done("GET", path)
    v1.done_without_body("DELETE", path)
    for method in ("GET", "DELETE"):
        assert v1.failed(404, method, path)["code"] == "ConsentNotFound"


def test_records_are_listed_by_when_they_expire(v1: V1Client) -> None:
    later, endless, soon = (
        enrol(v1, seed, consent={**SENT, "expires_at": end})
        for seed, end in ((1, "2027-01-01T00:00:00Z"), (2, None), (3, "2026-06-01T00:00:00Z"))
    )
    bare = enrol(v1, 4)
    assert [one["face"] for one in v1.done("GET", "/v1/consents")["consents"]] == [
        soon,
        later,
        endless,
    ]
    expiring = v1.done("GET", "/v1/consents", expires_before="2026-07-01T00:00:00Z")
    assert ([one["face"] for one in expiring["consents"]], expiring["next_token"]) == ([soon], None)
    assert [one["face"] for one in v1.done("GET", "/v1/consents", face=soon)["consents"]] == [soon]
    assert v1.done("GET", "/v1/consents", face=bare)["consents"] == []
    assert (
        "face is one record"
        in v1.failed(400, "GET", "/v1/consents", face=soon, expires_before="0")["detail"]
    )
    page = v1.done("GET", "/v1/consents", limit=1)
    rest = v1.done("GET", "/v1/consents", limit=2, token=page["next_token"])
    assert [one["face"] for one in rest["consents"]] == [later, endless]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"given_at": "2026-03-02T00:00:00Z"}, "given_at"),
        ({"expires_at": "2026-03-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_record_that_cannot_be_is_refused(v1: V1Client, wrong: dict[str, Any], says: str) -> None:
    face = enrol(v1, 1)
    record = {**SENT, **wrong}
    assert says in v1.failed(400, "PUT", f"/v1/faces/{face}/consent", record)["detail"]
    new = {"group": "regular", "picture": photo(2), "consent": record}
    assert says in v1.failed(400, "POST", "/v1/faces", new)["detail"]
    assert v1.failed(404, "GET", f"/v1/faces/{face}/consent")["code"] == "ConsentNotFound"


def test_a_tenant_that_asks_for_a_record_says_so_in_each_dialect(
    v1: V1Client, camera: CameraClient, market: MarketClient, services: Services, shop: Credentials
) -> None:
    v1.done("PATCH", "/v1/settings", {"consent_required": True})
    refused = v1.failed(400, "POST", "/v1/faces", {"group": "regular", "picture": photo(1)})
    assert refused["code"] == "ConsentMissing"
    answer = camera.add_face("regular", picture(Person(1)))
    assert (answer["code"], "consent_required" in answer["msg"]) == (2, True)
    told = market.enrol("vip", picture(Person(1)))
    assert (told["ERROR_CODE"], "consent_required" in told["ERROR_MSG"]) == (
        "CONSENT_REQUIRED",
        True,
    )
    assert (
        services.groups.get_by_name(services.tenants.get_by_name(shop.tenant), "regular").count == 0
    )
    enrol(v1, 1, consent=SENT)


def enrolled(v1: V1Client) -> str:
    body = {"group": "regular", "id": "21", "picture": photo(1)}
    return str(v1.done("POST", "/v1/faces", body)["id"])


def test_a_hold_is_set_listed_and_lifted(v1: V1Client) -> None:
    face = enrolled(v1)
    free = {
        "face": face,
        "held": False,
        "reason": None,
        "since": None,
        "faces": [face],
        "others": [],
    }
    assert v1.done("GET", f"/v1/faces/{face}/hold") == free
    held = v1.done("PUT", f"/v1/faces/{face}/hold", {"held": True, "reason": "case 7"})
    assert (held["held"], held["reason"]) == (True, "case 7")
    assert v1.done("GET", "/v1/holds")["holds"] == [held]
    assert v1.failed(409, "DELETE", f"/v1/faces/{face}")["code"] == "FaceHeld"
    assert (
        v1.failed(409, "POST", "/v1/face-changes", {"ids": [face], "delete": True})["code"]
        == "FaceHeld"
    )
    assert (
        v1.done("PUT", f"/v1/faces/{face}/hold", {"held": False, "reason": "it is closed"}) == free
    )
    v1.done_without_body("DELETE", f"/v1/faces/{face}")


@pytest.mark.parametrize("body", [{"held": True}, {"held": True, "reason": " "}, {"reason": "x"}])
def test_a_hold_says_why(v1: V1Client, body: dict[str, object]) -> None:
    face = enrolled(v1)
    assert v1.failed(400, "PUT", f"/v1/faces/{face}/hold", body)["code"] == "InvalidInput"


AT, NOW = datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:03:00.000Z"

COUNTS = st.dictionaries(
    st.sampled_from(("observations", "captures_deleted", "captures_hidden")), st.integers(1, 9)
)

HASHES = st.dictionaries(
    st.sampled_from(("templates", "pictures")), st.lists(st.just("0" * 64)).map(tuple)
)


@given(counts=COUNTS, hashes=HASHES)
def test_a_receipt_that_is_saved_from_an_answer_is_verified_whatever_was_found(
    counts: Any, hashes: Any
) -> None:
    private, _ = signing.new_key()
    erasure = erasure_progress.Erasure(
        "1", AT, "first", True, (), 1, faces=("0" * 64,), hashes=hashes, counts=counts
    )
    receipt = signing.sign_statement(
        erasure_progress.make_statement("shop", "4B47", erasure, NOW, NOW), private
    )
    done = erasure_progress.Erasure(
        "1", AT, "first", True, (), 1, counts=counts, done_at=AT, receipt=receipt
    )
    statement, _ = signing.verify_statement(
        json.decode(json.encode(describe_erasure(done)))["receipt"]
    )
    assert {name: number for name, number in statement["counts"].items() if number} == counts


def test_an_admin_gets_a_url_of_the_archive(v1: V1Client, services: Services) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, 90, Person(1))
    answer = v1.done("GET", f"/v1/faces/{face}/everything", language="zh")
    assert answer["url"].startswith("http")
    assert answer["size"] > 0
    assert answer["next_part"] is None
    assert v1.failed(404, "GET", "/v1/faces/nobody/everything")["code"] == "FaceNotFound"
    assert v1.failed(400, "GET", f"/v1/faces/{face}/everything", part="x")["code"] == "InvalidInput"
    assert (
        v1.failed(400, "GET", f"/v1/faces/{face}/everything", language="tlh")["code"]
        == "InvalidInput"
    )


def test_who_was_deleted_can_be_erased_later_and_who_left_nothing_is_not_there(
    v1: V1Client, services: Services
) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, 90, Person(1))
    v1.done_without_body("DELETE", f"/v1/faces/{face}")
    reply = v1.send("DELETE", f"/v1/faces/{face}", query={"erase": "true"})
    assert (reply.status, reply.json["state"]) == (202, "running")
    assert v1.failed(404, "DELETE", "/v1/faces/nobody", erase="true")["code"] == "FaceNotFound"
    assert v1.failed(404, "DELETE", f"/v1/faces/{face}")["code"] == "FaceNotFound"


def test_who_had_an_id_before_is_erased_by_that_word_and_who_has_it_now_stays(
    v1: V1Client, clock: FakeClock
) -> None:
    for seed in (5, 6):
        sent = photo(seed)
        v1.done(
            "POST",
            "/v1/faces",
            {"picture": sent, "group": "regular", "id": "seven", "name": f"N{seed}"},
        )
        if seed == 5:
            v1.done_without_body("DELETE", "/v1/faces/seven")
            clock.advance(timedelta(minutes=1))
    assert v1.failed(400, "DELETE", "/v1/faces/seven", former="true")["code"] == "InvalidInput"
    assert v1.done("DELETE", "/v1/faces/seven", erase="true", former="true")["faces"] == 1
    assert v1.done("GET", "/v1/faces/seven")["name"] == "N6"


def test_others_do_not(v1: V1Client, services: Services) -> None:
    v1.add_camera("door")
    face, _ = see(v1, services, 90, Person(1))
    for role, pictures in ((Role.OPERATOR, True), (Role.VIEWER, True), (Role.ADMIN, False)):
        key = v1.done(
            "POST", "/v1/keys", {"name": f"{role} {pictures}", "role": role, "pictures": pictures}
        )
        refused = v1.with_key(key["api_key"]).failed(403, "GET", f"/v1/faces/{face}/everything")
        assert refused["code"] == "NotAllowed"


def test_a_photo_finds_a_restricted_face_if_somebody_asks_for_the_person(
    v1: V1Client, subject: list[str]
) -> None:
    bob = subject[3]
    v1.done("PUT", f"/v1/faces/{bob}/restriction", {"restricted": True, "reason": "asked"})
    sent = {"picture": photo(4)}
    [plain] = v1.done("POST", "/v1/identify", sent)["faces"]
    [asked] = v1.done("POST", "/v1/identify", {**sent, "restricted": True})["faces"]
    [ann] = v1.done("POST", "/v1/identify", {"picture": photo(1), "restricted": True})["faces"]
    assert (plain["same"], asked["same"]) == ([], [bob])
    assert ann["same"] == [one["face"]["id"] for one in ann["candidates"] if one["match"]]
    assert bob not in [one["face"]["id"] for one in asked["candidates"]]
    assert ann["match"]
