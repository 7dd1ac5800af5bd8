"""Done: what people did in the last 30 days, and taking it back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.auth.roles import Role
from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.api.v1.acts import acts, ann, forget, pictured, stored, v1
from tests.api.v1.seen import see
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, Person, picture

__all__ = ["ann", "pictured", "v1"]

SINCE = {"revision", "portrait", "kept_until"}
"""Of a face, what an act and its undoing leave otherwise."""


def test_a_change_is_listed_with_what_was_before_and_after(v1: V1Client, ann: str) -> None:
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Anna", "labels": {"a": "north"}, "age": 40})
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "regular"})
    moved, renamed, named = acts(v1)
    assert (named["before"], named["after"]) == (
        {"name": "", "note": ""},
        {"name": "Ann", "note": "tea"},
    )
    assert renamed["before"] == {"name": "Ann", "age": None, "labels.a": ""}
    assert renamed["after"] == {"name": "Anna", "age": 40, "labels.a": "north"}
    assert (moved["kind"], moved["of"], moved["after"]) == ("face", ann, {"group": "regular"})
    assert [who["name"] for who in renamed["faces"]] == ["Anna"], "as the face is now"
    assert renamed["faces"][0]["portrait"]["thumb_url"]
    [entry] = v1.done("GET", "/v1/audit", what="PATCH /v1/faces/{id}", limit=1)["entries"]
    assert (entry["id"], entry["by"]) == (moved["id"], moved["by"]), "it is what the audit knows"


def test_what_changes_nothing_is_no_act(v1: V1Client, ann: str) -> None:
    before = acts(v1)
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann"})
    assert acts(v1) == before


def test_an_act_is_taken_back_and_that_too(v1: V1Client, ann: str) -> None:
    v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 5, "attributes": ["seat"]})
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "VIP"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"attributes": {"seat": "5"}, "gender": "male"})
    before = v1.done("GET", f"/v1/faces/{ann}")
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "regular", "name": "Bea"})
    [wrong, *_] = acts(v1)

    back = v1.done("POST", f"/v1/done/{wrong['id']}/undo")

    def said(face: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in face.items() if name not in SINCE}

    assert said(v1.done("GET", f"/v1/faces/{ann}")) == said(before), "the value came along"
    assert back["taken_back_at"]
    assert back["until"] is None
    [undoing, listed, *_] = acts(v1)
    assert listed == back
    assert (undoing["takes_back"], undoing["before"]) == (wrong["id"], wrong["after"])
    v1.done("POST", f"/v1/done/{undoing['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{ann}")["name"] == "Bea"


def test_sent_twice_or_late_it_is_done_once(v1: V1Client, ann: str, clock: FakeClock) -> None:
    [named] = acts(v1)
    first = v1.done("POST", f"/v1/done/{named['id']}/undo")
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann"})
    clock.advance(timedelta(days=2))
    again = v1.done("POST", f"/v1/done/{named['id']}/undo")
    assert again["taken_back_at"] == first["taken_back_at"]
    assert v1.done("GET", f"/v1/faces/{ann}")["name"] == "Ann", "nothing was done again"


def test_what_was_set_anew_stands_in_the_way_and_is_named(v1: V1Client, ann: str) -> None:
    [named] = acts(v1)
    for body in ({"name": "Bea"}, {"note": "milk", "labels": {"a": "x"}}, {"labels": {"b": "y"}}):
        v1.done("PATCH", f"/v1/faces/{ann}", body)
    _beside, noted, renamed, _named = acts(v1)
    face = v1.done("GET", f"/v1/faces/{ann}")
    refused = v1.failed(409, "POST", f"/v1/done/{named['id']}/undo")
    assert (refused["code"], refused["acts"]) == ("InTheWay", [noted["id"], renamed["id"]])
    assert v1.done("GET", f"/v1/faces/{ann}") == face, "nothing is changed"
    for later in refused["acts"]:
        v1.done("POST", f"/v1/done/{later}/undo")
    v1.done("POST", f"/v1/done/{named['id']}/undo")
    face = v1.done("GET", f"/v1/faces/{ann}")
    assert (face["name"], face["note"], face["labels"]["b"]) == ("", "", "y")


def test_visits_and_changes_of_other_values_stand_in_nobodys_way(
    v1: V1Client, ann: str, services: Services
) -> None:
    [named] = acts(v1)
    v1.done("PATCH", f"/v1/faces/{ann}", {"labels": {"a": "x"}})
    see(v1, services, 30, Person(1))
    v1.done("POST", f"/v1/done/{named['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{ann}")["name"] == ""


def test_many_at_once_are_an_act_each(v1: V1Client, ann: str, services: Services) -> None:
    other, _ = see(v1, services, 30, Person(2))
    v1.done("POST", "/v1/face-changes", {"ids": [ann, other], "labels": {"a": "x"}})
    first, second, _named = acts(v1)
    assert {first["of"], second["of"]} == {ann, other}
    v1.done("POST", f"/v1/done/{first['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{second['of']}")["labels"]["a"] == "x"


def test_a_former_name_is_found_as_people_type_it(v1: V1Client, ann: str) -> None:
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Zoë O'Neil"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Eva"})
    assert [act["after"]["name"] for act in acts(v1, name="zoe one")] == ["Eva", "Zoë O'Neil"]
    assert acts(v1, name="Nobody") == []


def test_it_is_asked_by_colleague_day_and_face_in_pages(
    v1: V1Client, ann: str, services: Services, clock: FakeClock
) -> None:
    key = v1.done("POST", "/v1/keys", {"name": "Maria", "role": "operator"})
    maria = v1.with_key(key["api_key"])
    clock.advance(timedelta(days=1))
    day = clock.now().isoformat()
    for name in ("Bea", "Eva"):
        maria.done("PATCH", f"/v1/faces/{ann}", {"name": name})
    everything = acts(v1)
    assert acts(v1, by="key Maria") == acts(v1, by=f"key {key['id']}") == everything[:2]
    assert acts(v1, **{"from": day}) == everything[:2]
    assert acts(v1, to=day) == everything[2:]
    assert acts(v1, face=ann) == everything
    assert v1.failed(404, "GET", "/v1/done", face="nobody")["code"] == "FaceNotFound"
    assert v1.failed(400, "GET", "/v1/done", by="key Nobody")["code"] == "InvalidInput"
    page = v1.done("GET", "/v1/done", limit=2)
    rest = v1.done("GET", "/v1/done", limit=2, token=page["next_token"])
    assert ([*page["acts"], *rest["acts"]], rest["next_token"]) == (everything, None)


def test_who_only_reads_sees_nothing_of_it(v1: V1Client, ann: str) -> None:
    [named] = acts(v1)
    key = v1.done("POST", "/v1/keys", {"name": "r", "role": "viewer"})["api_key"]
    viewer = v1.with_key(key)
    assert viewer.failed(403, "GET", "/v1/done")["code"] == "NotAllowed"
    assert viewer.failed(403, "POST", f"/v1/done/{named['id']}/undo")["code"] == "NotAllowed"


def test_after_30_days_the_audit_alone_is_left(
    v1: V1Client, ann: str, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    [named] = acts(v1)
    clock.advance(timedelta(days=29, hours=23))
    assert [act["id"] for act in acts(v1)] == [named["id"]]
    services.done.forget_expired(shop.tenant)
    assert stored(services, shop.tenant)
    clock.advance(timedelta(hours=2))
    assert acts(v1) == []
    refused = v1.failed(404, "POST", f"/v1/done/{named['id']}/undo")
    assert refused["code"] == "ActNotFound"
    services.done.forget_expired(shop.tenant)
    assert not stored(services, shop.tenant)
    assert v1.done("GET", "/v1/audit", what="PATCH /v1/faces/{id}")["entries"]


@pytest.fixture
def erasing(v1: V1Client, ann: str) -> Iterator[str]:
    """Ann, who is called Bea by now."""
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Bea"})
    yield ann
    assert "Ann" not in repr(acts(v1))


def test_of_somebody_erased_nothing_stays_there(
    v1: V1Client, erasing: str, services: Services, shop: Credentials
) -> None:
    v1.done("DELETE", f"/v1/faces/{erasing}", erase="true")
    assert [act["kind"] for act in acts(v1)] == ["deletion"], "at once"
    forget(services, shop)
    [deleted] = stored(services, shop.tenant)
    assert erasing not in repr(deleted)
    [listed] = acts(v1)
    assert (listed["kind"], listed["after"], listed["faces"]) == ("deletion", {"people": 1}, [])
    assert listed["until"] is None
    refused = v1.failed(409, "POST", f"/v1/done/{listed['id']}/undo")
    assert (refused["code"], refused["acts"]) == ("InTheWay", [])


def test_of_somebody_deleted_nothing_stays_there(
    v1: V1Client, erasing: str, services: Services, shop: Credentials
) -> None:
    v1.done_without_body("DELETE", f"/v1/faces/{erasing}")
    assert [act["kind"] for act in acts(v1)] == ["deletion"], "at once"
    forget(services, shop)
    [deleted] = stored(services, shop.tenant)
    assert erasing not in repr(deleted)


def test_of_somebody_who_withdrew_nothing_stays_there(
    v1: V1Client, erasing: str, services: Services, shop: Credentials
) -> None:
    consent = {"basis": "consent", "given_at": "2026-01-01T00:00:00Z", "evidence": "signed"}
    v1.done("PUT", f"/v1/faces/{erasing}/consent", consent)
    v1.done_without_body("DELETE", f"/v1/faces/{erasing}/consent")
    assert acts(v1) == []
    assert not stored(services, shop.tenant)


def test_a_restricted_person_is_not_there(v1: V1Client, erasing: str) -> None:
    v1.done(
        "PUT", f"/v1/faces/{erasing}/restriction", {"restricted": True, "reason": "asked for it"}
    )
    assert acts(v1) == []


def test_each_shop_has_its_own(v1: V1Client, ann: str, services: Services) -> None:
    [named] = acts(v1)
    other = services.tenants.add("other", Profile.CLOUD)
    _, key = services.access.keys.add(services.tenants.get_by_name(other.tenant), "k", Role.ADMIN)
    stranger = v1.with_key(key)
    assert acts(stranger) == []
    refused = stranger.failed(404, "POST", f"/v1/done/{named['id']}/undo")
    assert refused["code"] == "ActNotFound"


def test_an_enrolled_photo_is_no_act_of_the_list(v1: V1Client, ann: str) -> None:
    before = acts(v1)
    v1.send("POST", f"/v1/faces/{ann}/pictures", picture(Person(1)), content_type="image/jpeg")
    assert acts(v1) == before


def test_a_merge_shows_both_and_is_taken_back(v1: V1Client, ann: str, services: Services) -> None:
    twin, _ = see(v1, services, 30, Person(2))
    v1.done("PATCH", f"/v1/faces/{twin}", {"name": "A. Lee"})
    v1.done("POST", f"/v1/faces/{ann}/merge", {"other": twin})
    [merged, named, _ann] = acts(v1)
    assert (merged["kind"], merged["after"]) == ("merge", {"merged": True})
    assert [(who["id"], who["name"]) for who in merged["faces"]] == [(twin, "A. Lee"), (ann, "Ann")]
    assert merged["faces"][0]["portrait"]["thumb_url"]
    refused = v1.failed(409, "POST", f"/v1/done/{named['id']}/undo")
    assert (refused["code"], refused["acts"]) == ("InTheWay", [merged["id"]])

    back = v1.done("POST", f"/v1/done/{merged['id']}/undo")

    assert back["taken_back_at"]
    assert v1.done("GET", f"/v1/faces/{twin}")["name"] == "A. Lee"
    assert [merge["state"] for merge in v1.done("GET", "/v1/merges")["merges"]] == ["undone"]
    assert acts(v1)[0]["until"] is None, "they are merged again by hand"
    v1.done("POST", f"/v1/done/{named['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{twin}")["name"] == ""


def test_a_merge_goes_with_either_of_the_two(
    v1: V1Client, ann: str, services: Services, shop: Credentials
) -> None:
    twin, _ = see(v1, services, 30, Person(2))
    v1.done("POST", f"/v1/faces/{ann}/merge", {"other": twin})
    v1.done("DELETE", f"/v1/faces/{ann}", erase="true")
    assert [act["kind"] for act in acts(v1)] == ["deletion"]
    forget(services, shop)
    [deleted] = stored(services, shop.tenant)
    assert ann not in repr(deleted)
    assert twin not in repr(deleted)


CHANGES = [
    ("/v1/settings", "settings", {"time_zone": "Asia/Tokyo", "arrive_times": 7}),
    ("/v1/settings", "settings", {"attributes_off": ["age"], "no_pictures_of": ["VIP"]}),
    ("/v1/groups/{group}", "group", {"name": "Gold", "capacity": 9, "learns": False}),
    ("/v1/cameras/door", "camera", {"name": "Back", "labels": {"a": "x"}, "groups": ["VIP"]}),
    ("/v1/cameras/door", "camera", {"gap_s": 60, "enabled": False}),
    ("/v1/hooks/{hook}", "hook", {"enabled": False, "events": ["face.arrived"], "groups": ["VIP"]}),
    ("/v1/hooks/{hook}", "hook", {"name": "crm", "people": ["{ann}"]}),
]


@pytest.mark.parametrize(("path", "kind", "changes"), CHANGES)
def test_what_is_set_up_is_taken_back_by_who_may_set_it(
    v1: V1Client, ann: str, path: str, kind: str, changes: dict[str, Any]
) -> None:
    group = v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 5})["id"]
    hook = v1.done("POST", "/v1/hooks", {"url": "https://8.8.8.8/"})["id"]
    path = path.format(group=group, hook=hook)
    body = {name: [ann] if name == "people" else value for name, value in changes.items()}

    def read() -> dict[str, Any]:
        known = v1.done("GET", path)
        return {name: value for name, value in known.items() if name in changes}

    before = read()
    v1.done("PATCH", path, body)
    changed = read()
    act, *_ = acts(v1)
    assert act["kind"] == kind
    assert {name.partition(".")[0] for name in act["after"]} == changes.keys()
    key = v1.done("POST", "/v1/keys", {"name": "o", "role": "operator"})["api_key"]
    operator = v1.with_key(key)
    if kind != "group":
        assert act["id"] not in [each["id"] for each in acts(operator)]
        refused = operator.failed(404, "POST", f"/v1/done/{act['id']}/undo")
        assert refused["code"] == "ActNotFound"
    v1.done("POST", f"/v1/done/{act['id']}/undo")
    assert read() == before != changed


GOES = [
    ("/v1/groups", "group", {"name": "Gold", "capacity": 5}, True),
    ("/v1/cameras", "camera", {"id": "till", "name": "Till"}, False),
    ("/v1/hooks", "hook", {"url": "https://8.8.8.8/", "name": "crm"}, False),
    ("/v1/places", "place", {"name": "Hall", "doors": ["door"]}, False),
]


@pytest.mark.parametrize(("path", "kind", "body", "by_editors"), GOES)
def test_what_was_set_up_and_deleted_is_listed_and_stays_away(
    v1: V1Client, path: str, kind: str, body: dict[str, Any], by_editors: bool
) -> None:
    if kind == "place":
        v1.done("POST", "/v1/cameras", {"id": "door", "name": "Door"})
    made = v1.done("POST", path, body)["id"]
    assert v1.send("DELETE", f"{path}/{made}").status == 204
    [act] = acts(v1)
    assert (act["kind"], act["of"], act["faces"]) == (kind, made, [])
    assert (act["before"], act["after"]) == ({"name": body["name"]}, {"deleted": True})
    assert (act["stays"], act["until"]) == ("deleted", None)
    assert v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")["code"] == "InTheWay"
    key = v1.done("POST", "/v1/keys", {"name": "o", "role": "operator"})["api_key"]
    assert len(acts(v1.with_key(key))) == by_editors


def test_a_setting_that_was_set_again_stands_in_the_way_whoever_did_it(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    v1.done("PATCH", "/v1/settings", {"audit_days": 300})
    [first] = acts(v1)
    services.tenants.change_settings(shop.tenant, {"audit_days": 200})
    refused = v1.failed(409, "POST", f"/v1/done/{first['id']}/undo")
    assert (refused["code"], refused["acts"]) == ("InTheWay", []), "no act of the list set it"


def test_what_a_setting_refuses_is_refused_of_its_undoing_too(v1: V1Client, ann: str) -> None:
    group = v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 1})["id"]
    v1.done("PATCH", f"/v1/groups/{group}", {"capacity": 5, "name": "Gold"})
    [act, *_] = acts(v1)
    v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 1})
    assert v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")["code"] == "GroupExists"
    assert v1.done("GET", f"/v1/groups/{group}")["name"] == "Gold"
    assert acts(v1)[0]["taken_back_at"] is None


@pytest.mark.parametrize("visit", [False, True])
def test_a_rejection_is_one_act_and_comes_back(
    v1: V1Client, pictured: str, services: Services, visit: bool
) -> None:
    ann = pictured
    see(v1, services, 29, Person(1))
    before = v1.done("GET", f"/v1/faces/{ann}")
    sightings = v1.done("GET", f"/v1/faces/{ann}/sightings")["sightings"]
    path = f"/v1/faces/{ann}/sightings/{sightings[0]['id']}/reject"
    new = v1.done("POST", path, {"instead": "stranger", "visit": visit})["sighting"]["face"]
    assert new not in (None, ann)
    act, _named = acts(v1)
    assert (act["kind"], act["before"]) == ("rejection", {"face": ann})

    back = v1.done("POST", f"/v1/done/{act['id']}/undo")

    assert back["taken_back_at"]
    face = v1.done("GET", f"/v1/faces/{ann}")
    assert face["arrive_count"] == before["arrive_count"]
    assert v1.done("GET", f"/v1/faces/{ann}/rejections")["rejections"] == []
    assert v1.failed(404, "GET", f"/v1/faces/{new}")["code"] == "FaceNotFound"
    undoing, listed, _named = acts(v1)
    assert (undoing["takes_back"], listed) == (act["id"], back)
    assert [who["id"] for who in undoing["faces"]] == [ann], "who was made went by it"


def test_a_sighting_that_was_given_on_stands_in_the_way(
    v1: V1Client, pictured: str, services: Services
) -> None:
    ann = pictured
    bea, _ = see(v1, services, 60, Person(2))
    see(v1, services, 29, Person(1))
    sighting = v1.done("GET", f"/v1/faces/{ann}/sightings")["sightings"][0]["id"]
    v1.done("POST", f"/v1/faces/{ann}/sightings/{sighting}/reject", {"other": bea})
    v1.done("POST", f"/v1/faces/{bea}/sightings/{sighting}/reject", {"instead": "stranger"})
    later, first, *_ = acts(v1)
    assert [who["id"] for who in first["faces"]] == [ann, bea]
    refused = v1.failed(409, "POST", f"/v1/done/{first['id']}/undo")
    assert (refused["code"], refused["acts"]) == ("InTheWay", [later["id"]])
    v1.done("POST", f"/v1/done/{later['id']}/undo")
    v1.done("POST", f"/v1/done/{first['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{ann}/sightings")["total"] == 2


def in_the_way(v1: V1Client, act: dict[str, Any]) -> list[str]:
    """The acts that are to be taken back before this one."""
    refused = v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")
    assert refused["code"] == "InTheWay", refused
    ids: list[str] = refused["acts"]
    return ids


def visit_given(v1: V1Client, services: Services, ann: str, **gift: str) -> str:
    """The face that a further visit of Ann's was given to."""
    see(v1, services, 29, Person(1))
    sighting = v1.done("GET", f"/v1/faces/{ann}/sightings")["sightings"][0]["id"]
    path = f"/v1/faces/{ann}/sightings/{sighting}/reject"
    given: str = v1.done("POST", path, {"visit": True, **gift})["sighting"]["face"]
    return given


@pytest.mark.parametrize("changes", [{"name": "Bea"}, {"note": "tall"}, {"labels": {"a": "x"}}])
def test_what_was_noted_of_whom_a_visit_made_stands_in_the_way(
    v1: V1Client, pictured: str, services: Services, changes: dict[str, Any]
) -> None:
    new = visit_given(v1, services, pictured, instead="stranger")
    [rejected, *_] = acts(v1)
    v1.done("PATCH", f"/v1/faces/{new}", changes)
    [noted, *_] = acts(v1)
    face = v1.done("GET", f"/v1/faces/{new}")
    assert in_the_way(v1, rejected) == [noted["id"]]
    assert v1.done("GET", f"/v1/faces/{new}") == face, "nothing is changed"
    v1.done("POST", f"/v1/done/{noted['id']}/undo")
    v1.done("POST", f"/v1/done/{rejected['id']}/undo")
    assert v1.failed(404, "GET", f"/v1/faces/{new}")["code"] == "FaceNotFound"


def test_who_was_named_with_the_visit_goes_with_it(
    v1: V1Client, pictured: str, services: Services
) -> None:
    new = visit_given(v1, services, pictured, instead="new", name="Bea")
    rejected = next(act for act in acts(v1) if act["kind"] == "rejection")
    v1.done("POST", f"/v1/done/{rejected['id']}/undo")
    assert v1.failed(404, "GET", f"/v1/faces/{new}")["code"] == "FaceNotFound"


def test_what_was_noted_of_somebody_known_since_stands_in_nobodys_way(
    v1: V1Client, pictured: str, services: Services
) -> None:
    bea, _ = see(v1, services, 60, Person(2))
    visit_given(v1, services, pictured, other=bea)
    [rejected, *_] = acts(v1)
    v1.done("PATCH", f"/v1/faces/{bea}", {"name": "Bea"})
    v1.done("POST", f"/v1/done/{rejected['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{bea}")["name"] == "Bea"


def test_whom_a_refused_merge_would_absorb_keeps_the_name(
    v1: V1Client, pictured: str, services: Services
) -> None:
    """The visit comes back by a merge, since somebody noted more of whom it made."""
    new = visit_given(v1, services, pictured, instead="stranger")
    v1.done("PATCH", f"/v1/faces/{new}", {"name": "Bea", "note": "tall"})
    sighting = v1.done("GET", f"/v1/faces/{new}/sightings")["sightings"][0]["id"]
    v1.done("PUT", f"/v1/faces/{new}/hold", {"held": True, "reason": "case 7"})
    path = f"/v1/faces/{new}/sightings/{sighting}/reject"
    v1.failed(409, "POST", path, {"other": pictured, "visit": True})
    assert v1.done("GET", f"/v1/faces/{new}")["name"] == "Bea"
    v1.done("PUT", f"/v1/faces/{new}/hold", {"held": False, "reason": "over"})
    v1.done("POST", path, {"other": pictured, "visit": True})
    assert v1.done("GET", f"/v1/faces/{pictured}")["name"] == "Ann"
    [merged, *_] = acts(v1)
    v1.done("POST", f"/v1/done/{merged['id']}/undo")
    assert v1.done("GET", f"/v1/faces/{new}")["name"] == "Bea"


def test_a_merge_of_the_merged_stands_in_the_way(
    v1: V1Client, ann: str, services: Services
) -> None:
    twin, _ = see(v1, services, 30, Person(2))
    other, _ = see(v1, services, 31, Person(3))
    v1.done("POST", f"/v1/faces/{ann}/merge", {"other": twin})
    v1.done("POST", f"/v1/faces/{other}/merge", {"other": ann})
    later, first, *_ = acts(v1)
    assert in_the_way(v1, first) == [later["id"]]


@pytest.mark.parametrize("whom", ["who has it", "who had it", "who was made of it"])
def test_a_merge_of_whom_a_visit_went_to_stands_in_the_way(
    v1: V1Client, pictured: str, services: Services, whom: str
) -> None:
    bea, _ = see(v1, services, 60, Person(2))
    other, _ = see(v1, services, 61, Person(3))
    gift = {"instead": "stranger"} if whom == "who was made of it" else {"other": bea}
    given = visit_given(v1, services, pictured, **gift)
    absorbed = pictured if whom == "who had it" else given
    v1.done("POST", f"/v1/faces/{other}/merge", {"other": absorbed})
    merged, rejected, *_ = acts(v1)
    assert in_the_way(v1, rejected) == [merged["id"]]
    v1.done("POST", f"/v1/done/{merged['id']}/undo")
    v1.done("POST", f"/v1/done/{rejected['id']}/undo")


def test_each_sighting_of_a_visit_that_was_given_on_stands_in_the_way(
    v1: V1Client, pictured: str, services: Services
) -> None:
    bea, _ = see(v1, services, 60, Person(2))
    see(v1, services, 28, Person(1))
    visit_given(v1, services, pictured, other=bea)
    [rejected, *_] = acts(v1)
    assert len(rejected["after"]["sightings"]) == 2
    for sighting in rejected["after"]["sightings"]:
        path = f"/v1/faces/{bea}/sightings/{sighting}/reject"
        v1.done("POST", path, {"instead": "stranger"})
        [later, *_] = acts(v1)
        assert in_the_way(v1, rejected) == [later["id"]]
        v1.done("POST", f"/v1/done/{later['id']}/undo")


def test_a_merge_that_is_undone_elsewhere_is_taken_back(
    v1: V1Client, ann: str, services: Services
) -> None:
    twin, _ = see(v1, services, 30, Person(2))
    v1.done("PATCH", f"/v1/faces/{twin}", {"name": "A. Lee"})
    merge = v1.done("POST", f"/v1/faces/{ann}/merge", {"other": twin})["merge"]
    v1.done("POST", f"/v1/merges/{merge}/undo")
    undone, merged, named, *_ = acts(v1)
    assert undone["takes_back"] == merged["id"]
    assert merged["until"] is None
    assert merged["taken_back_at"]
    v1.done("POST", f"/v1/done/{named['id']}/undo")


def test_what_cannot_be_given_back_says_so(
    v1: V1Client, pictured: str, services: Services, shop: Credentials
) -> None:
    see(v1, services, 29, Person(1))
    see(v1, services, 60, Person(1))
    second, third = v1.done("GET", f"/v1/faces/{pictured}/sightings")["sightings"][:2]
    path = f"/v1/faces/{pictured}/sightings"
    v1.done("POST", f"{path}/{second['id']}/reject", {"instead": "nobody"})
    v1.done("POST", f"{path}/{third['id']}/reject", {"instead": "stranger"})
    lost, nobodys, _named = acts(v1)
    assert lost["stays"] is None
    assert lost["until"]
    services.ports.storage.uploads.delete(
        keys.capture_picture(shop.tenant, "door", third["capture"])
    )
    lost, nobodys, _named = acts(v1)
    assert [(act["until"], act["stays"]) for act in (lost, nobodys)] == [(None, "nobodys")] * 2
    v1.failed(409, "POST", f"/v1/done/{nobodys['id']}/undo")


def test_whose_former_values_are_kept_nowhere_is_listed_and_stays(v1: V1Client, ann: str) -> None:
    group = v1.done("POST", "/v1/groups", {"name": "VIP", "capacity": 5, "attributes": ["seat"]})
    chat = {"way": "ntfy", "url": "https://ntfy.sh/a-secret-topic"}
    hook = v1.done("POST", "/v1/hooks", {"url": None, "channel": chat, "events": ["face.arrived"]})
    v1.done("PATCH", f"/v1/groups/{group['id']}", {"attributes": []})
    other = {**chat, "url": "https://ntfy.sh/another-secret-topic"}
    v1.done("PATCH", f"/v1/hooks/{hook['id']}", {"channel": other})
    channel, attributes, *_ = acts(v1)
    assert (attributes["before"], attributes["after"]) == (
        {"attributes": ["seat"]},
        {"attributes": []},
    )
    assert (channel["kind"], channel["after"]) == ("hook", {"channel": "changed"})
    assert "secret" not in repr(channel)
    for act in (channel, attributes):
        assert (act["until"], act["stays"]) == (None, "unkept")
        refused = v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")
        assert (refused["code"], refused["acts"]) == ("InTheWay", [])


def test_a_move_out_of_a_group_that_is_gone_is_not_taken_back_and_names_the_group(
    v1: V1Client, ann: str
) -> None:
    group = v1.done("POST", "/v1/groups", {"name": "Gold", "capacity": 5})["id"]
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "Gold"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "regular"})
    [moved, *_] = acts(v1)
    assert v1.send("DELETE", f"/v1/groups/{group}").status == 204
    problem = v1.failed(404, "POST", f"/v1/done/{moved['id']}/undo")
    assert problem["detail"] == (
        f"the group '{group}', which this act moved the person out of, is deleted: move the person "
        "to another group"
    )
    assert v1.done("GET", f"/v1/faces/{ann}")["group"] == "regular"
