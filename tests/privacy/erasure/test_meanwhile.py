"""Somebody is erased while cameras go on seeing the person: nothing has the old id, who came after
is a stranger."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain.captures import Capture
from chalicelib.domain.model import Decision, Face, NewFace
from chalicelib.storage import keys
from chalicelib.storage.ports import ItemStore, Storage
from tests.support.book import person
from tests.support.book.book import MONDAY, Book, Shot, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import Meanwhile, side_by_side

pytestmark = pytest.mark.disk


def shots() -> list[Shot]:
    """She comes alone and beside others; no two pictures of her are the same, nor any of before."""
    others = [(), (Person(person.FINN),), (), (Person(person.ANN),)]
    at = MONDAY + timedelta(days=10)
    return [
        Shot(at + timedelta(hours=n), (Person(person.EVA, side_px=80.0 - n), *beside))
        for n, beside in enumerate(others)
    ]


@pytest.mark.parametrize("earlier", range(4))
def test_who_is_seen_meanwhile_leaves_nothing_under_the_old_id_and_comes_back_as_a_stranger(
    book: Book, earlier: int
) -> None:
    """So many captures are dealt with earlier; the others arrive together with the wish, and all
    once more later."""
    face, wanted = lived(book)
    old = face.faceid
    captures = [book.put(one) for one in shots()]
    seen = [book.deliver(one) for one in captures[:earlier]]
    erase = partial(book.services.deletion.delete_faces, book.tenant, [old], by="first", erase=True)
    deleted, *now = side_by_side(
        [erase, *(partial(book.deliver, one) for one in captures[earlier:])]
    )
    side_by_side(
        [partial(person.worked_off, book), *(partial(book.deliver, one) for one in captures)]
    )

    assert book.services.erasure.records.get("shop", *deleted.erasures).done_at is not None
    assert person.held(book, face) == {}
    assert person.left(book, wanted) == []
    assert shown_of(book, [*seen, *now], old) == []
    [after] = book.see(Shot(MONDAY + timedelta(days=11), (Person(person.EVA, side_px=70.0),)))
    stranger = after.sightings[0].faceid
    assert stranger not in (old, None)
    assert {one.sightings[-1].faceid for one in [*seen, *now]} <= {old, stranger}
    assert not list_disagreements(book.services, "shop")


@pytest.mark.parametrize("writes", range(3))
@pytest.mark.parametrize("way", ["alone", "beside another", "in a search"])
def test_who_is_erased_between_two_writes_of_another_process_that_found_her_leaves_nothing_there(
    book: Book, tmp_path: Path, way: str, writes: int
) -> None:
    """The deletion, and what can be done at once, come after so many transactions of the capture,
    or of the search."""
    face, wanted = lived(book)
    others = (Person(person.FINN),) if way == "beside another" else ()
    taken = Shot(MONDAY + timedelta(days=10), (Person(person.EVA, side_px=80.0), *others))
    capture = book.put(taken) if way != "in a search" else None

    def erase() -> None:
        book.services.deletion.delete_faces(book.tenant, [face.faceid], by="first", erase=True)
        book.services.erasure.steps.continue_all(book.tenant)

    def wrap(storage: Storage) -> Storage:
        items = Meanwhile(storage.items)
        items.first = [*[lambda: None] * writes, erase]
        return replace(storage, items=cast(ItemStore, items))

    with closing(Book(tmp_path / "data", wrap=wrap)) as other:
        if capture:
            capture = other.deliver(capture)
        else:
            other.services.recognition.face_analysis.search_by_picture(
                other.tenant, taken.picture, RULES
            )
    if book.services.faces.by_id(book.tenant, [face.faceid]):
        erase()  # it made fewer
    person.worked_off(book)
    assert person.held(book, face) == {}
    assert person.left(book, wanted) == []
    assert shown_of(book, [capture] if capture else [], face.faceid) == []
    assert not list_disagreements(book.services, "shop")


def test_who_is_enrolled_with_the_id_while_its_erasure_goes_on_keeps_what_is_the_own(
    book: Book,
) -> None:
    """Also of a camera that was offline: it saw the new one before either was enrolled."""
    services, tenant = book.services, book.tenant
    services.webhooks.hooks.add("shop", None)

    def live(seed: int, name: str) -> Face:
        sent, asked = picture(Person(seed)), RequestId(f"v1#first#{name}", "d")
        services.enrolment.enrol_largest_face(
            tenant,
            "regular",
            sent,
            RULES,
            NewFace(faceid="seven", name=name, note=f"note of {name}"),
            is_somebody_else=True,
            request=asked,
        )
        book.see(shot(seed, seed), shot(seed + 60, seed, person.FINN))
        [finn] = [one for one in book.faces() if one.faceid != "seven"]
        seven = services.faces.get(tenant, "seven")
        services.merges.duplicates.suggest_pair(tenant, seven, finn, Decision(0.4, 0.5, 9, 0.02))
        return seven

    wanted = person.needles(book, live(person.EVA, person.NAME), person.NAME, [])
    services.deletion.delete_faces(tenant, ["seven"], by="first", erase=True)
    book.clock.advance(timedelta(seconds=1))
    gus = live(person.GUS, "Gus")
    person.worked_off(book)

    assert (
        person.left(book, {name: data for name, data in wanted.items() if name != "faceid"}) == []
    )
    held = person.held(book, gus)
    numbers = {
        "observations": 3,
        "captures": 2,
        "outbox": 2,
        "requests": 1,
        "duplicates": 1,
        "audit": 2,
    }
    assert {name: held.get(name) for name in numbers} == numbers
    assert not list_disagreements(services, "shop")


def lived(book: Book) -> tuple[Face, dict[str, bytes]]:
    """She came on three days and has a name: her face, and what must be nowhere once she is
    erased."""
    first = book.see(*(shot(day * person.DAY, person.EVA) for day in range(3)))[0]
    faceid = first.sightings[0].faceid or ""
    book.services.enrolment.update.change_face(
        book.tenant, faceid, person.changes(person.NAME, person.NOTE)
    )
    book.sweep()
    face = book.services.faces.get(book.tenant, faceid)
    return face, person.needles(book, face, faceid, [first.id])


def shown_of(book: Book, captures: Sequence[Capture], faceid: str) -> list[str]:
    """The captures in which she was seen under her old id, and whose stored picture shows her
    still."""
    found = []
    for capture in captures:
        if faceid in {one.faceid for one in capture.sightings}:
            data = (
                book.storage.uploads.get(keys.capture_picture("shop", "door", capture.id)) or b"[]"
            )
            if person.EVA in {one["seed"] for one in json.loads(data)}:
                found.append(capture.id)
    return found
