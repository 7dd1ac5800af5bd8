"""Somebody leaves while events of each kind wait that are about her: nothing that waits or is kept
for people to see then has a text of hers.

Each text of an event that may be a person's, and each that somebody writes of a person, is a
needle, which is looked for in all that is stored, whatever wrote it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.events import EVENTS
from chalicelib.domain.webhooks import Event, delivery_from, delivery_item, event_put
from chalicelib.privacy.data_map import DATA_MAP, Mark
from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import Put
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.book.written import CHANGES, WRITTEN
from tests.support.fakes import Person
from tests.support.faults.stored import stored
from tests.support.hooks.events import NO_PERSONS, list_members, make_data

NEEDLE = "her-"
"""What each text begins with that was written of her (tests/support/book/written.py)."""
LATER = {"praise": f"{NEEDLE}praise", "told": {f"{NEEDLE}aunt": [f"{NEEDLE}uncle"]}}
"""Members that a later version has made."""
EVA, HER_SECOND = Person(21), Person(22)
Leave = Callable[[Book, str], object]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path)) as made:
        yield made


def delete(book: Book, faceid: str) -> None:
    book.services.deletion.delete_faces(book.tenant, [faceid])


def erase(book: Book, faceid: str) -> None:
    book.services.deletion.delete_faces(book.tenant, [faceid], erase=True)


def restrict(book: Book, faceid: str) -> None:
    book.services.restrictions.set(book.tenant, faceid, "letter 7")


def withdraw(book: Book, faceid: str) -> None:
    book.services.consents.withdraw_consent(book.tenant, faceid)


FOR_NOBODY_TO_SEE = {
    place.name for place in DATA_MAP if place.restriction in (Mark.KEPT, Mark.HIDDEN)
}
WAYS: tuple[tuple[Leave, set[str]], ...] = (
    (delete, set()),
    (erase, set()),
    (restrict, FOR_NOBODY_TO_SEE),
    (withdraw, FOR_NOBODY_TO_SEE),
)
"""How she leaves, and the tables that may have texts of her then: she is still in the book."""


def make_event(kind: str, faceid: str, number: int) -> Event:
    """Make an event about her, whose texts are needles, but for those that are no person's."""
    texts = {
        name: faceid if member.of else f"{NEEDLE}{kind}-{name}"
        for name, (types, member) in list_members(kind).items()
        if str in types and name not in NO_PERSONS
    }
    return Event(f"{kind}-{number}", make_data(kind, **texts), MONDAY + timedelta(days=13))


def is_about_somebody(kind: str) -> bool:
    return any(member.of for _, member in list_members(kind).values())


def tell_all(book: Book, faceid: str) -> int:
    """Let an event of each kind about her wait in each way; return how many wait."""
    hooks = book.services.webhooks.hooks
    url, mailbox = hooks.add("shop", "http://127.0.0.1:1025/")[0], hooks.add("shop", None)[0]
    now, puts = book.clock.now(), list[Put]()
    for number, kind in enumerate(kind for kind in EVENTS if is_about_somebody(kind)):
        event = make_event(kind, faceid, number)
        in_mailbox, pending = (event_put("shop", one, event, now) for one in (mailbox, url))
        said = f"the receiver answered 400 (cannot tell {NEEDLE}{kind}), not 200 to 299"
        failed = replace(
            delivery_from(pending.item), event_id=f"{event.id}-failed", last_error=said
        )
        parked = replace(failed, event_id=f"{event.id}-parked", parked=True)
        body = json.loads(in_mailbox.item["payload"])
        body = {**body, "type": "person.praised", "data": {"faceid": faceid, **LATER}}
        later = replace(
            delivery_from(in_mailbox.item),
            event_id=f"{event.id}-later",
            kind="person.praised",
            payload=json.dumps(body),
        )
        others = [Put(keys.OUTBOX, delivery_item(one)) for one in (failed, parked, later)]
        puts += [in_mailbox, pending, *others]
    write(book.storage.items, puts)
    return len(puts)


def list_tables_with_needles(book: Book) -> set[str]:
    """Return the tables with a text of hers; of files the beginning of their text."""
    texts = (text.split() for text in stored(book.folder) if NEEDLE in text)
    rows = ("items", "index_rows")
    return {words[1] if words[0] in rows else " ".join(words)[:60] for words in texts}


def enrol(book: Book, person: Person) -> str:
    """Enrol her with all that may be written of a person; return the id."""
    consent = WRITTEN["consent"]
    faceid = book.enrol(person, consent=consent, labels=WRITTEN["labels"]).faceid
    book.services.enrolment.update.change_face(book.tenant, faceid, FaceChanges(**CHANGES))
    return faceid


@pytest.mark.parametrize(("leave", "places"), WAYS, ids=lambda way: getattr(way, "__name__", ""))
def test_nothing_that_waits_or_is_kept_has_a_text_of_who_left(
    book: Book, leave: Leave, places: set[str]
) -> None:
    eva, second = (enrol(book, person) for person in (EVA, HER_SECOND))
    book.services.merges.merging.merge(book.tenant, eva, second)
    book.see(Shot(MONDAY + timedelta(days=6), (EVA,)))
    waiting = tell_all(book, eva)
    assert waiting >= 4 * 4
    assert {"faces", keys.OUTBOX.name} <= list_tables_with_needles(book)
    leave(book, eva)
    for _ in range(3):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
    assert list_tables_with_needles(book) <= places
