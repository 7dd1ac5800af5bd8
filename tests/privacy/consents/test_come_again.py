"""Whose consent has ended is nobody when she comes again: nothing is kept of her, whatever is kept
of strangers."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import UNKEPT, Capture, Resolution, Sighting
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import ConsentMissing, ConsentOlder
from chalicelib.domain.model import Face
from chalicelib.domain.pictures import BoundingBox
from chalicelib.domain.rules.templates import parse_vector
from chalicelib.domain.tenant_settings import FORGET
from chalicelib.storage import keys
from chalicelib.storage.items import ENDED_CHANGES, WITHDRAWN, directory_of, walk_items
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.records.captures import sighting_item
from tests.support.book.book import MONDAY, Book, Shot, shot
from tests.support.book.withdrawn import (
    DAY,
    EVA,
    FINN,
    GUS,
    count_nobodies,
    embed,
    shown,
    sweep_for_a_day,
    withdraw,
)
from tests.support.fakes import RULES, OtherVision, Person, picture
from tests.support.faults.shop import another_photo
from tests.support.storage.failing import Calls

DAY_MIN = 24 * 60
End = Callable[[Book, str], None]


def expire(book: Book, _faceid: str) -> None:
    book.clock.advance(2 * DAY)
    book.sweep()


def enrol(book: Book, seed: int = EVA, *, given_at: datetime = MONDAY, **more: object) -> Face:
    consent = Consent(Basis.CONSENT, given_at, "form 7", book.clock.now() + DAY)
    return book.enrol(Person(seed), name="Eva Lee", consent=consent, **more)


def come_on_six_days(book: Book, seed: int = EVA, *beside: int) -> list[Capture]:
    """Each day with another picture. The promotion asks for five."""
    seen = []
    for day in range(6):
        book.clock.advance(DAY)
        book.sweep()
        at = book.clock.now()
        people = (
            Person(seed, side_px=110.0 - day, quality=85.0),
            *(Person(other, side_px=60.0) for other in beside),
        )
        seen += book.see(Shot(at, people))
    return seen


def stored_templates(book: Book) -> int:
    """How many templates are stored with captures that wait."""
    return sum(
        "detection" in item
        for item in walk_items(book.storage.items, keys.CAPTURES, keys.captures("shop", "door"))
    )


def left_pictures(book: Book) -> list[str]:
    return [blob.key for blob in book.storage.uploads.walk("shop/door/")]


SETTINGS = [{}, {"consent_required": True}, {"strangers": FORGET}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("end", [withdraw, expire])
def test_six_more_days_leave_nothing_but_a_count(
    book: Book, end: End, settings: dict[str, object]
) -> None:
    book.services.tenants.change_settings("shop", settings)
    eva = enrol(book)
    end(book, eva.faceid)
    seen = come_on_six_days(book)
    assert shown(book) == []
    assert left_pictures(book) == []
    assert stored_templates(book) == 0
    assert count_nobodies(book) == 6
    assert list(walk_items(book.storage.items, keys.REVIEWS, "shop")) == []
    assert list(walk_items(book.storage.items, keys.OUTBOX, "shop")) == []
    entries = [sighting for capture in seen for sighting in capture.sightings]
    assert {(one.faceid, one.quality, one.decision, max(one.box)) for one in entries} == {
        (None, None, None, 0.0)
    }
    captures = walk_items(book.storage.items, keys.CAPTURES, keys.captures("shop", "door"))
    assert {item.get("sha256", b"") for item in captures} == {b""}
    assert book.disagreements() == []


def test_a_picture_that_does_not_seem_alive_leaves_nothing_of_her(book: Book) -> None:
    """Of anybody else it is kept, and says why nobody is searched for."""
    book.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    withdraw(book, enrol(book).faceid)
    looks = [Person(seed, side_px=101.0, liveness=0.1) for seed in (EVA, GUS)]
    of_her, of_gus = book.see(*(Shot(book.clock.now(), (look,)) for look in looks))
    assert (of_her.sightings[0].reason, count_nobodies(book)) == (UNKEPT, 1)
    assert of_gus.sightings[0].reason != UNKEPT
    assert [path.rpartition("/")[2] for path in left_pictures(book)] == [of_gus.id]


def test_beside_others_she_goes_with_the_whole_picture_and_they_are_seen(book: Book) -> None:
    finn = book.enrol(Person(FINN), name="Finn Lee")
    withdraw(book, enrol(book).faceid)
    seen = come_on_six_days(book, EVA, FINN, GUS)
    assert [face.faceid for face in shown(book) if face.name] == [finn.faceid]
    assert sorted(face.arrive_count for face in shown(book)) == [6, 6]
    assert left_pictures(book) == []
    assert stored_templates(book) == 0
    assert {capture.sightings[0].reason for capture in seen} == {UNKEPT}
    assert count_nobodies(book) == 6


def test_a_worker_that_is_cut_off_behind_her_goes_on_with_the_others(book: Book) -> None:
    withdraw(book, enrol(book).faceid)
    capture = book.put(shot(600, EVA, GUS))
    of_her = Sighting(0, Resolution.SKIPPED, BoundingBox(0.0, 0.0, 0.0, 0.0), reason=UNKEPT)
    as_it_was_left = {"done": 1, "sightings": [sighting_item(of_her)]}
    key = keys.capture("shop", "door", capture.id)
    book.storage.items.transact(
        [Update(keys.CAPTURES, key, (exists("there"),), set=as_it_was_left)]
    )
    assert [one.faceid is None for one in book.deliver(capture).sightings] == [True, False]
    assert stored_templates(book) == 0
    assert len(shown(book)) == 1


def test_a_picture_that_no_match_would_find_makes_no_stranger_of_her(book: Book) -> None:
    """Take looks that score between the two thresholds: no match finds her by such a look."""
    eva, point = enrol(book), book.services.tenant_vision.make_operating_point(book.tenant)
    mean = parse_vector(eva.templates[0])
    looks = [Person(EVA, side_px=90.0 + n, likeness=0.46) for n in range(40)]
    scores = {look: float(embed(look) @ mean) for look in looks}
    lowest, highest = point.find_newcomer_threshold(1), point.find_threshold(1)
    between = [look for look in looks if lowest < scores[look] < highest]
    assert len(between) > 2
    [seen] = book.see(Shot(book.clock.now(), (between[0],)))
    assert seen.sightings[0].faceid != eva.faceid
    withdraw(book, eva.faceid)
    before = len(shown(book))
    book.clock.advance(DAY)
    book.sweep()
    book.see(Shot(book.clock.now(), (between[1],)))
    assert (len(shown(book)), count_nobodies(book)) == (before, 1)
    below = next(look for look in looks if scores[look] < lowest)
    book.clock.advance(DAY)
    book.sweep()
    book.see(Shot(book.clock.now(), (below,)))
    assert (len(shown(book)), count_nobodies(book)) == (before + 1, 1)


@pytest.mark.parametrize("seen_before", [True, False])
def test_who_was_never_her_is_kept_as_before(book: Book, *, seen_before: bool) -> None:
    """Strangers, and somebody named who looks like her: the nearer of the two counts."""
    if seen_before:
        book.see(shot(0, GUS))
    withdraw(book, enrol(book).faceid)
    come_on_six_days(book, GUS)
    [gus] = shown(book)
    assert (gus.arrive_count, gus.group_id) == (7 if seen_before else 6, "regular")
    assert count_nobodies(book) == 0


def test_erased_she_is_a_stranger_like_any_other(book: Book) -> None:
    eva = enrol(book)
    withdraw(book, eva.faceid)
    book.services.deletion.delete_faces(book.tenant, [eva.faceid], by="key 1", erase=True)
    book.clock.advance(timedelta(hours=1))
    sweep_for_a_day(book)
    book.see(Shot(book.clock.now(), (Person(EVA),)))
    assert len(shown(book)) == 1
    assert directory_of(book.storage.items, "shop")[WITHDRAWN] == 0


def test_with_a_record_again_she_is_herself(book: Book) -> None:
    eva = enrol(book)
    withdraw(book, eva.faceid)
    book.services.consents.set(
        book.tenant, eva.faceid, Consent(Basis.CONSENT, book.clock.now(), "form 8")
    )
    [seen] = book.see(another_photo(600, EVA))
    assert seen.sightings[0].faceid == eva.faceid


def test_with_a_record_for_another_face_she_is_that_one(book: Book) -> None:
    withdraw(book, enrol(book).faceid)
    with pytest.raises(ConsentOlder):
        enrol(book)
    again = enrol(book, given_at=book.clock.now())
    [seen] = book.see(another_photo(600, EVA))
    assert seen.sightings[0].faceid == again.faceid


def test_who_is_restricted_without_an_ended_record_is_a_stranger(book: Book) -> None:
    """Article 18 asks for no use at all: to compare would be one (docs/decisions/0102)."""
    book.services.restrictions.set(book.tenant, enrol(book).faceid, "letter 7")
    [seen] = book.see(another_photo(600, EVA))
    assert seen.sightings[0].faceid in book.faceids()
    assert directory_of(book.storage.items, "shop")[WITHDRAWN] == 0


def test_restricted_first_and_withdrawn_then_she_is_nobody(book: Book) -> None:
    eva = enrol(book)
    book.services.restrictions.set(book.tenant, eva.faceid, "letter 7")
    expire(book, eva.faceid)
    come_on_six_days(book)
    assert shown(book) == []


def test_who_withdrew_in_an_earlier_version_is_nobody_for_the_first_capture_of_this_one(
    tmp_path: Path,
) -> None:
    """Somebody went back to a version that does not raise the number, which stays at 0."""
    key = ("shop", keys.TENANT_ITEM)
    with closing(Book(tmp_path)) as book:
        before = directory_of(book.storage.items, "shop")
        withdraw(book, enrol(book).faceid)
        numbers = {name: before.get(name, 0) for name in (WITHDRAWN, ENDED_CHANGES)}
        book.storage.items.transact([Update(keys.DIRECTORY, key, (exists("there"),), set=numbers)])
    with closing(Book(tmp_path)) as book:
        for minutes in (600, 700):
            book.see(another_photo(minutes, EVA))
            assert shown(book) == []
        assert count_nobodies(book) == 2


@pytest.mark.parametrize("people", [1, 7])
def test_however_many_withdrew_they_are_read_once_and_each_change_of_them_counts_at_once(
    people: int, tmp_path: Path
) -> None:
    """A sighting reads as much as before anybody withdrew, and what changes is seen by the next
    one."""
    calls = Calls()
    with closing(Book(tmp_path, wrap=calls.wrap)) as book:
        several = [enrol(book, seed) for seed in range(20, 20 + people)]
        eva = enrol(book)
        another_days = count(1)

        def see(seed: int) -> tuple[str | None, list[str]]:
            at = next(another_days) * DAY_MIN
            capture = book.put(
                Shot(MONDAY + timedelta(minutes=at), (Person(seed, side_px=100.0 + at),))
            )
            calls.names.clear()
            resolved = book.services.sightings.ingest.resolve_capture("shop", "door", capture.id)
            return resolved.sightings[0].faceid, [*calls.names]

        see(GUS)
        _, reads_before = see(GUS)
        for one in several:
            withdraw(book, one.faceid)
        see(GUS)
        assert see(GUS)[1] == reads_before
        assert see(EVA)[0] == eva.faceid
        withdraw(book, eva.faceid)
        assert see(EVA)[0] is None
        book.services.consents.set(
            book.tenant, eva.faceid, Consent(Basis.CONSENT, book.clock.now(), "form 8")
        )
        assert see(EVA)[0] == eva.faceid
        withdraw(book, eva.faceid)
        assert see(EVA)[0] is None
        book.services.deletion.delete_faces(book.tenant, [eva.faceid], by="key 1", erase=True)
        assert see(EVA)[0] in {face.faceid for face in shown(book)}


def test_after_a_change_of_the_model_she_is_nobody_still(book: Book) -> None:
    withdraw(book, enrol(book).faceid)
    book.see(another_photo(0, FINN))
    new = OtherVision()
    outcome = book.services.reembedding.change_model("shop", book.vision, new)
    assert (outcome.switched, outcome.embedded, outcome.lost) == (True, 2, frozenset())
    book.vision = new
    book.see(Shot(book.clock.now(), (Person(EVA, side_px=77.0),)))
    assert len(shown(book)) == 1
    assert count_nobodies(book) == 1
    assert book.disagreements() == []


def test_nobody_is_enrolled_again_without_a_record(book: Book) -> None:
    eva, finn = enrol(book), book.enrol(Person(FINN), name="Finn Lee")
    withdraw(book, eva.faceid)
    enrolment, again = book.services.enrolment, picture(Person(EVA, quality=85.0))
    ways: list[Callable[[], object]] = [
        lambda: book.enrol(Person(EVA), name="Eva Lee"),
        lambda: book.enrol(Person(EVA), group="stranger"),
        lambda: enrolment.everybody.enrol_all_in_picture(
            book.tenant, "guests", again, RULES, labels=finn.labels
        ),
        lambda: enrolment.pictures.add_photo(
            book.tenant, finn.faceid, again, RULES, is_vouched_for=True
        ),
        lambda: enrolment.update.change_in_group(
            book.tenant, "regular", finn.faceid, FaceChanges(picture=again), RULES
        ),
    ]
    for way in ways:
        with pytest.raises(ConsentMissing, match="withdrawn or has expired"):
            way()
    assert [face.faceid for face in shown(book)] == [finn.faceid]
    with pytest.raises(ConsentMissing):
        book.services.enrolment.everybody.enrol_all_in_picture(
            book.tenant, "guests", picture(Person(GUS), Person(EVA)), RULES, labels=finn.labels
        )
    assert len(shown(book)) == 1
