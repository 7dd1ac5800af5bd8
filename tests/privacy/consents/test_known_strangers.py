"""Who withdrew, and was missed until a stranger had several pictures of her, is known by all of
them before anybody makes more of that stranger.

It is erased with its visits, and nobody is told a name.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.enrolment.enrolment import FaceChanges
from chalicelib.domain.captures import UNKEPT
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import ConsentMissing, ConsentOlder
from chalicelib.domain.hooks import NOBODY
from chalicelib.domain.model import STRANGER, Decision, Face
from chalicelib.domain.rules.decision import JOIN_FPIR, OperatingPoint
from chalicelib.storage import keys
from chalicelib.storage.items import WITHDRAWN, walk_items
from chalicelib.storage.ports import Put, Storage
from tests.support.book.book import MONDAY, Book, Shot
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
from tests.support.fakes import CURVE, Person
from tests.support.meanwhile import Meanwhile
from tests.support.storage.failing import Calls

POINT = OperatingPoint(CURVE)
SEEN = [Person(EVA, side_px=110.0 - day, quality=85.0) for day in range(6)]
"""How she looks on six days."""
AS_FINN = [replace(look, seed=FINN) for look in SEEN]


def list_misses() -> Iterator[Person]:
    """Yield photos of her by which no picture of those days is found, and all of them are."""
    for side in range(300):
        photo = Person(EVA, side_px=150.0 + side, likeness=0.38)
        scores = [float(embed(look) @ embed(photo)) for look in SEEN]
        if max(scores) < POINT.find_newcomer_threshold(1) and all(
            POINT.is_somebody_withdrawn(scores[:n], 1) for n in range(2, 7)
        ):
            yield photo


BAD_PHOTO = next(list_misses())


@pytest.fixture
def missed(book: Book) -> Face:
    """A stranger with three visits who is she: she withdrew."""
    make_missed(book)
    [stranger] = shown(book)
    assert (stranger.group_id, stranger.arrive_count) == (STRANGER, 3)
    assert len(stranger.pictures) > 1
    return stranger


def enrol_for_long(book: Book, look: Person | None = None) -> Face:
    return book.enrol(
        look or Person(EVA), name="Eva Lee", consent=Consent(Basis.CONSENT, MONDAY, "form 7")
    )


def make_missed(book: Book, days: int = 3) -> None:
    withdraw(book, enrol_for_long(book, BAD_PHOTO).faceid)
    come(book, SEEN[:days])


def come(book: Book, looks: list[Person]) -> None:
    for look in looks:
        book.clock.advance(DAY)
        book.see(Shot(book.clock.now(), (look,)))


def is_erased(book: Book, faceid: str) -> bool:
    """Whether nothing of somebody is left but a receipt that says why."""
    book.clock.advance(timedelta(hours=1))
    sweep_for_a_day(book)
    assert book.disagreements() == []
    receipts = [
        one for one in book.services.erasure.records.list_all("shop") if one.receipt is not None
    ]
    assert [one.by for one in receipts] == [NOBODY]
    return faceid not in {face.faceid for face in book.faces()}


def test_nobody_is_a_regular_after_six_days(book: Book) -> None:
    """Five visits promote. The fifth is counted as of nobody, and the four before are erased."""
    make_missed(book, days=5)
    assert (shown(book), count_nobodies(book)) == ([], 1)
    assert list(walk_items(book.storage.items, keys.REVIEWS, "shop")) == []
    captures = walk_items(book.storage.items, keys.CAPTURES, keys.captures("shop", "door"))
    assert UNKEPT in {one.get("reason") for item in captures for one in item["sightings"]}
    assert is_erased(book, "")
    assert [*book.storage.uploads.walk("shop/door/")] == []


def restrict(book: Book, faceid: str) -> None:
    book.services.restrictions.set(book.tenant, faceid, "disputes it")


def expire(book: Book, _faceid: str) -> None:
    book.clock.advance(9 * DAY)
    book.services.restrictions.restrict_expired(book.tenant, looks=True)


@pytest.mark.parametrize("end", [withdraw, expire])
def test_who_was_restricted_before_is_compared_from_the_same_moment_on(
    book: Book, end: Callable[[Book, str], None]
) -> None:
    eva = enrol_for_long(book, BAD_PHOTO)
    until = book.clock.now() + 9 * DAY
    consent = Consent(Basis.CONSENT, book.clock.now(), "form 8", until)
    book.services.consents.set(book.tenant, eva.faceid, consent)
    come(book, SEEN[:3])
    [stranger] = [face for face in shown(book) if face.faceid != eva.faceid]
    restrict(book, eva.faceid)
    end(book, eva.faceid)
    with pytest.raises(ConsentMissing):
        name(book, stranger)
    assert all(face.name != "Eva Lee" for face in shown(book))


def test_a_new_record_of_who_is_restricted_ends_it_at_once(book: Book) -> None:
    eva = enrol_for_long(book, BAD_PHOTO)
    come(book, SEEN[:3])
    [stranger] = [face for face in shown(book) if face.faceid != eva.faceid]
    restrict(book, eva.faceid)
    withdraw(book, eva.faceid)
    book.clock.advance(DAY)
    consent = Consent(Basis.CONSENT, book.clock.now(), "form 8")
    book.services.consents.set(book.tenant, eva.faceid, consent)
    name(book, stranger)
    assert [face.name for face in shown(book)] == ["Eva Lee"]


def test_a_sweep_that_notes_somebody_is_heard_of_at_once(book: Book) -> None:
    """As after a version that did not count."""
    eva = enrol_for_long(book, BAD_PHOTO)
    withdraw(book, eva.faceid)
    come(book, SEEN[:3])
    directory = book.storage.items.get(keys.DIRECTORY, ("shop", keys.TENANT_ITEM))
    assert directory is not None
    book.storage.items.transact([Put(keys.DIRECTORY, {**directory, WITHDRAWN: 0})])
    with closing(Book(book.folder)) as again:
        [stranger] = shown(again)
        again.enrol(Person(GUS))  # from here on it knows the gallery
        again.services.restrictions.note_withdrawn(again.tenant)
        with pytest.raises(ConsentMissing):
            name(again, stranger)


def name(book: Book, face: Face) -> object:
    changes = FaceChanges(name="Eva Lee")
    return book.services.enrolment.update.change_face(book.tenant, face.faceid, changes)


def regroup(book: Book, face: Face) -> object:
    changes = FaceChanges(new_group_name="regular")
    return book.services.enrolment.update.change_face(book.tenant, face.faceid, changes)


def note(book: Book, face: Face) -> object:
    changes = FaceChanges(note="likes tea")
    return book.services.enrolment.update.change_face(book.tenant, face.faceid, changes)


def merge_into_named(book: Book, face: Face) -> object:
    named = book.enrol(Person(GUS), name="Gus")
    return book.services.merges.merging.merge(book.tenant, named.faceid, face.faceid)


def merge_into_stranger(book: Book, face: Face) -> object:
    book.see(Shot(book.clock.now(), (Person(GUS),)))
    [gus] = [one for one in shown(book) if one.faceid != face.faceid]
    return book.services.merges.merging.merge(book.tenant, gus.faceid, face.faceid)


def merge_another(book: Book, face: Face) -> object:
    book.see(Shot(book.clock.now(), (Person(GUS),)))
    [gus] = [one for one in shown(book) if one.faceid != face.faceid]
    return book.services.merges.merging.merge(book.tenant, face.faceid, gus.faceid)


def assign(book: Book, face: Face) -> object:
    users, group = book.services.users, book.services.groups.get_by_name(book.tenant, STRANGER)
    users.create(book.tenant, group, "user-7")
    return users.associate_faces(book.tenant, group, "user-7", [face.faceid], 0.0)


WAYS = [name, regroup, note, assign, merge_into_named, merge_into_stranger, merge_another]


@pytest.mark.parametrize("way", WAYS)
def test_by_hand_it_is_refused_and_the_stranger_is_erased(
    book: Book, missed: Face, way: Callable[[Book, Face], object]
) -> None:
    with pytest.raises(ConsentMissing, match="withdrawn") as refusal:
        way(book, missed)
    assert "Eva" not in str(refusal.value)
    assert missed.faceid not in {face.faceid for face in book.faces()}
    assert [one.by for one in book.services.erasure.records.list_all("shop")] == [NOBODY]


@pytest.mark.parametrize("way", WAYS)
def test_of_somebody_else_each_is_done(book: Book, way: Callable[[Book, Face], object]) -> None:
    withdraw(book, enrol_for_long(book).faceid)
    come(book, AS_FINN[:3])
    [finn] = shown(book)
    way(book, finn)
    assert [*book.services.erasure.records.list_all("shop")] == []


def test_a_newer_record_is_a_new_yes(book: Book, missed: Face) -> None:
    consent = Consent(Basis.CONSENT, book.clock.now(), "form 8")
    book.services.consents.set(book.tenant, missed.faceid, consent)
    name(book, missed)
    come(book, SEEN[3:])
    [eva] = shown(book)
    assert (eva.faceid, eva.name, eva.arrive_count) == (missed.faceid, "Eva Lee", 6)


def test_an_older_record_is_refused(book: Book, missed: Face) -> None:
    with pytest.raises(ConsentOlder):
        book.services.consents.set(
            book.tenant, missed.faceid, Consent(Basis.CONSENT, MONDAY, "form 7")
        )
    assert [face.consent for face in shown(book)] == [None]


def test_a_part_of_somebody_with_a_record_it_may_be(book: Book, missed: Face) -> None:
    """Nobody who has a record loses visits by likeness to another."""
    finn = enrol_for_long(book, Person(FINN))
    book.services.merges.merging.merge(book.tenant, finn.faceid, missed.faceid)
    assert [face.faceid for face in shown(book)] == [finn.faceid]


def test_under_hold_it_stays_as_it_is(book: Book, missed: Face) -> None:
    book.services.faces.holds.set(book.tenant, missed.faceid, "case 7")
    with pytest.raises(ConsentMissing):
        name(book, missed)
    [face] = shown(book)
    assert (face.faceid, face.name) == (missed.faceid, "")


def test_no_pair_with_it_is_suggested(book: Book, missed: Face) -> None:
    book.see(Shot(book.clock.now(), (Person(GUS),)))
    [gus] = [one for one in shown(book) if one.faceid != missed.faceid]
    book.services.merges.duplicates.suggest_pair(book.tenant, gus, missed, Decision(0.4, 0.5, 9))
    assert list(walk_items(book.storage.items, keys.DUPLICATES, "shop")) == []
    assert shown(book) == [gus]
    assert is_erased(book, missed.faceid)


def test_where_nobody_withdrew_nothing_more_is_read(tmp_path: Path) -> None:
    """Not even when somebody had: the people are erased, and a sweep has noted it."""
    calls = Calls()
    with closing(Book(tmp_path, wrap=calls.wrap)) as book:

        def read_to_name(seed: int) -> list[str]:
            come(book, [replace(look, seed=seed) for look in SEEN[:2]])
            [face] = [one for one in shown(book) if not one.name]
            calls.names.clear()
            name(book, face)
            return [one for one in calls.names if "transact" not in one]

        before = read_to_name(FINN)
        eva = enrol_for_long(book)
        withdraw(book, eva.faceid)
        read_to_name(GUS)
        book.services.deletion.delete_faces(book.tenant, [eva.faceid], by="key 1", erase=True)
        sweep_for_a_day(book)
        assert read_to_name(GUS + 1) == before


def test_a_withdrawal_between_the_comparison_and_the_write_counts(tmp_path: Path) -> None:
    around = list[Meanwhile]()

    def wrap(storage: Storage) -> Storage:
        around.append(Meanwhile(storage.items))
        return replace(storage, items=around[0])

    with closing(Book(tmp_path, wrap=wrap)) as book, closing(Book(tmp_path)) as other:
        eva = enrol_for_long(book, BAD_PHOTO)
        come(book, SEEN[:3])
        [stranger] = [face for face in shown(book) if face.faceid != eva.faceid]
        around[0].first.append(lambda: withdraw(other, eva.faceid))
        with pytest.raises(ConsentMissing):
            name(book, stranger)
        assert shown(book) == []


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.integers(1, 500), st.floats(0.001, 0.5)
)
def test_the_mean_decides_and_more_likeness_never_less(
    scores: list[float], people: int, more: float
) -> None:
    """Of one picture a match; of several a mean that is rarer by chance than a join, whatever the
    order. Nobody is known by nothing, and the more withdrew the more it takes."""
    is_known = POINT.is_somebody_withdrawn(scores, people)
    needed = (
        CURVE.identify_threshold(people, JOIN_FPIR)
        if len(scores) > 1
        else POINT.find_threshold(people)
    )
    mean = sum(scores) / len(scores)
    assert is_known == (mean >= needed) or abs(mean - needed) < 1e-9
    assert (
        POINT.is_somebody_withdrawn(scores[::-1], people) == is_known or abs(mean - needed) < 1e-9
    )
    assert POINT.is_somebody_withdrawn([one + more for one in scores], people) >= is_known
    assert POINT.is_somebody_withdrawn(scores, people + 1) <= is_known
    assert not POINT.is_somebody_withdrawn([], people)
