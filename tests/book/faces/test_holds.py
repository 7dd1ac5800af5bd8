import json
from datetime import timedelta

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.idempotency import AnsweredAlready, RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.errors import Busy, FaceHeld
from chalicelib.domain.model import REGULAR, STRANGER
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Delete, Put
from chalicelib.storage.records.observations import read_visits
from tests.support.book.book import Book, shot
from tests.support.book.book_with import book_with
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person
from tests.support.meanwhile import Meanwhile


def seen(book: Book, minutes: float, seed: int) -> str:
    return book.see(shot(minutes, seed))[0].sightings[0].faceid or ""


def held(book: Book) -> dict[str, str]:
    return {one.faceid: one.hold.reason for one in book.services.faces.holds.list_all("shop")}


def test_of_many_faces_none_is_deleted_if_one_is_held(book: Book) -> None:
    people = [seen(book, 5 * number, number) for number in range(1, 46)]
    book.services.faces.holds.set(book.tenant, people[-1], "case 7")
    with pytest.raises(FaceHeld):
        book.services.deletion.delete_faces(book.tenant, people)
    assert len(book.faces()) == 45


def test_another_reason_keeps_the_time_of_the_hold(book: Book) -> None:
    eva = seen(book, 0, 1)
    first = book.services.faces.holds.set(book.tenant, eva, "case 7").hold
    book.clock.advance(timedelta(days=1))
    second = book.services.faces.holds.set(book.tenant, eva, "case 8").hold
    assert (first and first.at) == (second and second.at) == book.clock.now() - timedelta(days=1)
    assert held(book) == {eva: "case 8"}


def test_the_audit_says_why_a_hold_was_set_and_lifted(book: Book) -> None:
    eva = seen(book, 0, 1)
    with audit_events.begin_audit_event(
        AuditEvent("PUT /v1/faces/{id}/hold", "key 1", Kind.CHANGE, tenant="shop")
    ):
        book.services.faces.holds.set(book.tenant, eva, "case 7")
    with audit_events.begin_audit_event(
        AuditEvent("PUT /v1/faces/{id}/hold", "key 1", Kind.CHANGE, tenant="shop")
    ):
        book.services.faces.holds.lift(book.tenant, eva, "case 7 is closed")
    entries = [
        json.loads(item["entry"])
        for item in walk_items(book.storage.items, keys.AUDIT, "shop")
        if "entry" in item
    ]
    said = sorted((one["faces"], one["reason"]) for one in entries if one["by"] == "key 1")
    assert said == [([eva], "case 7"), ([eva], "case 7 is closed")]


def test_a_held_stranger_becomes_a_regular_when_the_hold_is_lifted(book: Book) -> None:
    eva = seen(book, 0, 1)
    book.services.faces.holds.set(book.tenant, eva, "case 7")
    for day in range(1, 120):
        seen(book, day * 24 * 60, 1)
        book.clock.advance(timedelta(days=1))
    face = book.services.faces.get(book.tenant, eva)
    assert (face.arrive_count, face.group_id) == (120, STRANGER)
    assert len(read_visits(book.storage.items, "shop", eva).arrivals.recent) == 120
    assert not list_disagreements(book.services, "shop")
    book.services.faces.holds.lift(book.tenant, eva, "closed")
    seen(book, 120 * 24 * 60, 1)
    assert book.services.faces.get(book.tenant, eva).group_id == REGULAR
    assert not list_disagreements(book.services, "shop")


def test_a_held_stranger_makes_room_for_nobody(book: Book) -> None:
    people = [seen(book, 5 * number, number) for number in range(1, 14)]
    for faceid in people[:11]:
        book.services.faces.holds.set(book.tenant, faceid, "case 7")
    group = book.services.groups.get_by_name(book.tenant, "stranger")
    book.services.groups.change_fields(book.tenant, group.id, {"capacity": 13})
    new = seen(book, 100, 50)
    assert set(book.faceids()) == {*people[:11], people[12], new}


def test_the_check_finds_a_list_of_holds_that_is_wrong(book: Book) -> None:
    eva, finn = seen(book, 0, 1), seen(book, 5, 2)
    book.services.faces.holds.set(book.tenant, eva, "case 7")
    lost = Delete(keys.DIRECTORY, ("shop", keys.hold_item(eva)))
    other = {"tenant": "shop", "item": keys.hold_item(finn), "faceid": finn, "hold": ["case 8", 0]}
    book.storage.items.transact([lost, Put(keys.DIRECTORY, other)])
    assert len(list_disagreements(book.services, "shop")) == 2


def test_a_repeat_of_a_request_that_changed_nothing_holds_nobody_again(book: Book) -> None:
    eva, holds, asked = seen(book, 0, 1), book.services.faces.holds, RequestId("v1#first#1", "d")
    holds.set(book.tenant, eva, "case 7")
    holds.set(book.tenant, eva, "case 7", asked)
    holds.lift(book.tenant, eva, "closed")
    with pytest.raises(AnsweredAlready):
        holds.set(book.tenant, eva, "case 7", asked)
    assert held(book) == {}


def test_a_face_that_others_change_meanwhile_is_held_as_it_is_then(book: Book) -> None:
    eva = book.services.faces.get(book.tenant, seen(book, 0, 1))
    items, changes = Meanwhile(book.storage.items), FaceChanges(name="Eva")
    items.first.append(
        lambda: book.services.enrolment.update.change_face(book.tenant, eva.faceid, changes)
    )
    book_with(book.services, items=items).faces.holds.set(book.tenant, eva.faceid, "case 7")
    assert held(book) == {eva.faceid: "case 7"}
    assert book.services.faces.get(book.tenant, eva.faceid).name == "Eva"


def test_a_face_whose_group_is_deleted_meanwhile_is_not_held(book: Book) -> None:
    book.services.groups.create(book.tenant, "staff", None, "")
    face = book.enrol(Person(1), "staff")
    items = Meanwhile(book.storage.items)
    items.first.append(lambda: book.services.deletion.groups.delete(book.tenant, "staff"))
    with pytest.raises(Busy):
        book_with(book.services, items=items).faces.holds.set(book.tenant, face.faceid, "case 7")
    assert held(book) == {}
