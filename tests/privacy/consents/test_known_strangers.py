"""Who withdrew, and was missed until a stranger had several pictures of her, is known by all of
them before anybody makes more of that stranger.

Nobody makes more of it. If the likeness is that of a newcomer, it is erased with its visits. Nobody
is told a name.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from regulars_dialects.users import Users

from chalicelib.book.enrolment.fields import FaceChanges
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


def list_photos() -> Iterator[tuple[Person, list[float]]]:
    """Yield photos of her, each with the least and the highest mean of two and more of those
    days."""
    for side in range(900):
        photo = Person(EVA, side_px=150.0 + side, likeness=0.38)
        scores = [float(embed(look) @ embed(photo)) for look in SEEN]
        yield photo, [max(scores), *(fmean(scores[:n]) for n in range(2, 7))]


def choose_photo(highest: float, least: float) -> Person:
    """Choose a photo to which no day is as like as `highest`, but the days are in the mean as like
    as `least`."""
    return next(
        photo
        for photo, (best, *means) in list_photos()
        if best < highest and all(mean >= least for mean in means)
    )


KEPT_BACK, FORGOTTEN = POINT.find_stranger_thresholds(2, 1)
BAD_PHOTO = choose_photo(POINT.find_newcomer_threshold(1), KEPT_BACK)
"""No picture of those days is found by it while she is forgotten; all of them are like enough that
nobody makes more of them."""
FAIR_PHOTO = choose_photo(POINT.find_threshold(1), FORGOTTEN)
"""No picture of those days is found by it while she is searched for; all of them are forgotten."""


@pytest.fixture
def missed(book: Book) -> Face:
    """A stranger with three visits who is she: she withdrew."""
    make_missed(book)
    [stranger] = shown(book)
    assert (stranger.group_id, stranger.arrive_count) == (STRANGER, 3)
    assert len(stranger.pictures) > 1
    return stranger


@pytest.fixture
def likely(book: Book) -> Face:
    """A stranger with three visits who most likely is she: from before she withdrew."""
    eva = enrol_for_long(book, FAIR_PHOTO)
    come(book, SEEN[:3])
    withdraw(book, eva.faceid)
    [stranger] = shown(book)
    assert (stranger.group_id, stranger.arrive_count) == (STRANGER, 3)
    return stranger


def enrol_for_long(book: Book, look: Person | None = None, evidence: str = "form 7") -> Face:
    return book.enrol(
        look or Person(EVA), name="Eva Lee", consent=Consent(Basis.CONSENT, MONDAY, evidence)
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


def test_nobody_is_a_regular_after_six_days(book: Book, likely: Face) -> None:
    """Five visits promote. The fifth is counted as of nobody, and those before are erased."""
    come(book, SEEN[3:5])
    assert shown(book) == []
    captures = walk_items(book.storage.items, keys.CAPTURES, keys.captures("shop", "door"))
    assert UNKEPT in {one.get("reason") for item in captures for one in item["sightings"]}
    assert is_erased(book, likely.faceid)


def test_who_is_a_little_like_her_stays_a_stranger_for_its_days(book: Book, missed: Face) -> None:
    """A visit that would promote it is one of nobody; no visit asks anybody anything."""
    book.services.tenants.change_settings("shop", {"stranger_days": 20})
    come(book, SEEN[3:] * 5)
    [face] = shown(book)
    assert (face.faceid, face.group_id) == (missed.faceid, STRANGER)
    assert face.arrive_count + count_nobodies(book) == 3 + 15
    assert count_nobodies(book) > 5
    assert list(walk_items(book.storage.items, keys.REVIEWS, "shop")) == []
    assert [*book.services.erasure.records.list_all("shop")] == []
    book.clock.advance(20 * DAY)
    sweep_for_a_day(book)
    assert shown(book) == []


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
    users, group = Users(book.services), book.services.groups.get_by_name(book.tenant, STRANGER)
    users.create(book.tenant, group, "user-7")
    return users.associate_faces(book.tenant, group, "user-7", [face.faceid], 0.0)


WAYS = [name, regroup, note, assign, merge_into_named, merge_into_stranger, merge_another]


@pytest.mark.parametrize("way", WAYS)
def test_by_hand_it_is_refused_and_the_stranger_is_erased(
    book: Book, likely: Face, way: Callable[[Book, Face], object]
) -> None:
    with pytest.raises(ConsentMissing, match="erased with its visits") as refusal:
        way(book, likely)
    assert "Eva" not in str(refusal.value)
    assert likely.faceid not in {face.faceid for face in book.faces()}
    assert [one.by for one in book.services.erasure.records.list_all("shop")] == [NOBODY]


@pytest.mark.parametrize("way", WAYS)
def test_by_less_likeness_it_is_refused_and_stays(
    book: Book, missed: Face, way: Callable[[Book, Face], object]
) -> None:
    """It may be somebody else: whose visits are lost by a mistake is not asked."""
    [eva] = [face for face in book.faces() if face.restriction is not None]
    with pytest.raises(ConsentMissing, match="newer than that end") as refusal:
        way(book, missed)
    assert not any(one in str(refusal.value) for one in ("Eva", eva.faceid, "erased"))
    assert [one for one in shown(book) if one.faceid == missed.faceid] == [missed]
    assert [*book.services.erasure.records.list_all("shop")] == []


def test_what_somebody_wrote_of_a_stranger_is_not_erased(book: Book) -> None:
    eva = enrol_for_long(book, FAIR_PHOTO)
    come(book, SEEN[:3])
    [stranger] = [face for face in shown(book) if face.faceid != eva.faceid]
    note(book, stranger)
    withdraw(book, eva.faceid)
    with pytest.raises(ConsentMissing, match="nothing of it was changed"):
        name(book, stranger)
    assert [(face.name, face.note) for face in shown(book)] == [("", "likes tea")]


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
    finn = enrol_for_long(book, Person(FINN), "form 8")
    book.services.merges.merging.merge(book.tenant, finn.faceid, missed.faceid)
    assert [face.faceid for face in shown(book)] == [finn.faceid]


def test_under_hold_it_stays_as_it_is(book: Book, likely: Face) -> None:
    book.services.faces.holds.set(book.tenant, likely.faceid, "case 7")
    with pytest.raises(ConsentMissing, match="nothing of it was changed"):
        name(book, likely)
    [face] = shown(book)
    assert (face.faceid, face.name) == (likely.faceid, "")


@pytest.mark.parametrize("is_likely", [True, False])
def test_no_pair_with_it_is_suggested(
    book: Book, request: pytest.FixtureRequest, *, is_likely: bool
) -> None:
    face = request.getfixturevalue("likely" if is_likely else "missed")
    book.see(Shot(book.clock.now(), (Person(GUS),)))
    [gus] = [one for one in shown(book) if one.faceid != face.faceid]
    before = list(walk_items(book.storage.items, keys.DUPLICATES, "shop"))
    book.services.merges.duplicates.suggest_pair(book.tenant, gus, face, Decision(0.4, 0.5, 9))
    assert list(walk_items(book.storage.items, keys.DUPLICATES, "shop")) == before
    assert (face in shown(book)) != is_likely
    if is_likely:
        assert is_erased(book, face.faceid)


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
        assert shown(book) == [stranger]


@given(st.integers(1, 8), st.integers(1, 500))
def test_an_erasure_takes_more_likeness_than_a_refusal(pictures: int, people: int) -> None:
    """However few withdrew, it takes that of a newcomer; the more withdrew, the more it takes."""
    kept_back, forgotten = POINT.find_stranger_thresholds(pictures, people)
    more = POINT.find_stranger_thresholds(pictures, people + 1)
    assert forgotten == max(kept_back, POINT.find_newcomer_threshold(people))
    assert (kept_back, forgotten) <= (more.kept_back, more.forgotten)
    if pictures == 1:
        assert kept_back == POINT.find_threshold(people)
    else:
        assert kept_back == CURVE.identify_threshold(people, JOIN_FPIR)
