import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import (
    Conflict,
    ConsentMissing,
    ConsentNotFound,
    ConsentOlder,
    FaceNotFound,
    InvalidInput,
    LimitReached,
    MergeNotFound,
    NotFound,
)
from chalicelib.domain.model import NO_LABELS, Face, Tenant
from chalicelib.privacy.consents import Consents
from chalicelib.privacy.retention import Kind
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import MONDAY, Book, shot
from tests.support.examples import examples
from tests.support.fakes import RULES, Person, picture
from tests.support.later import later

DAY = timedelta(days=1)
REFUSED = (NotFound, Conflict, LimitReached, InvalidInput)


def given_now(book: Book, consent: Consent) -> Consent:
    return replace(consent, given_at=book.clock.now())


def signed(evidence: str = "drawer 3", days: int | None = None, since: int = 0) -> Consent:
    """A record that begins with the shop, and ends so many days after now."""
    return Consent(
        Basis.CONSENT,
        MONDAY,
        evidence,
        None if days is None else MONDAY + (since + 14 + days) * DAY,
    )


def enrol(book: Book, seed: int, consent: Consent | None = None) -> Face:
    return book.enrol(Person(seed), consent=consent)


def record(book: Book, faceid: str) -> Consent | None:
    return book.services.faces.get(book.tenant, faceid).consent


def test_a_tenant_that_asks_for_one_enrols_nobody_by_hand_without_and_strangers_still_come(
    book: Book,
) -> None:
    book.services.tenants.change_settings("shop", {"consent_required": True})
    with pytest.raises(ConsentMissing, match="consent_required"):
        enrol(book, 1)
    with pytest.raises(ConsentMissing):
        book.services.enrolment.everybody.enrol_all_in_picture(
            book.tenant, "regular", picture(Person(1)), RULES, NO_LABELS
        )
    enrolled = enrol(book, 1, signed())
    known = book.services.enrolment.everybody.enrol_all_in_picture(
        book.tenant, "regular", picture(Person(1)), RULES, NO_LABELS
    )
    assert [one.face.faceid for one in known] == [enrolled.faceid], (
        "who is enrolled already is no enrolment"
    )
    copied = book.services.enrolment.everybody.enrol_stored_face(
        book.tenant, "stranger", enrolled.faceid, NO_LABELS
    )
    assert copied.face.consent == signed(), "the record goes with the person into another group"
    [seen] = book.see(shot(0, 2))
    assert seen.sightings[0].faceid, (
        "a capture makes strangers: whether they are kept, the setting `strangers` says"
    )
    with pytest.raises(ConsentMissing):
        book.services.enrolment.everybody.enrol_stored_face(
            book.tenant, "regular", seen.sightings[0].faceid, NO_LABELS
        )


def test_an_expired_record_erases_the_face_once_the_days_of_the_tenant_are_over(book: Book) -> None:
    ends = enrol(book, 1, signed(days=2)).faceid
    stays = enrol(book, 2, signed(days=4)).faceid
    endless = enrol(book, 3, signed()).faceid
    none = enrol(book, 4).faceid
    book.clock.advance(3 * DAY)
    book.sweep()
    assert set(book.faceids()) == {ends, stays, endless, none}
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.sweep()
    assert set(book.faceids()) == {stays, endless, none}


def test_records_that_expire_all_at_once_long_ago_erase_nobody_until_somebody_says_yes(
    book: Book,
) -> None:
    faces = {enrol(book, seed, signed(days=2)).faceid for seed in range(6)}
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.clock.advance(400 * DAY)
    book.sweep()
    assert set(book.faceids()) == faces
    assert [*book.services.erasure.retention.read_withheld(book.tenant)] == ["expired consents"]
    book.services.erasure.retention.sweep_tenant(
        book.tenant, swept_kinds=(Kind.CONSENTS,), is_confirmed=True
    )
    assert book.faces() == []


def test_a_record_that_is_renewed_while_the_sweep_looks_keeps_its_face(book: Book) -> None:
    face = enrol(book, 1, signed(days=1)).faceid
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.clock.advance(2 * DAY)

    class Renewing(Consents):
        def list_until(self, tenant: Tenant, before: datetime) -> Iterator[Face]:
            found = [*super().list_until(tenant, before)]
            self.set(book.tenant, face, given_now(book, signed(days=9)))
            return iter(found)

    services = book.services
    services.consents = Renewing(services)
    services.erasure.retention.sweep_tenant(book.tenant, swept_kinds=(Kind.CONSENTS,))
    assert [one.faceid for one in book.faces()] == [face]


def test_a_face_under_legal_hold_outlives_its_record_and_stops_no_other(book: Book) -> None:
    held, _ = enrol(book, 1, signed(days=1)).faceid, enrol(book, 2, signed(days=2))
    book.services.faces.holds.set(book.tenant, held, "case 7")
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.clock.advance(3 * DAY)
    book.sweep()
    assert [face.faceid for face in book.faces()] == [held]


@pytest.mark.parametrize("kept_by", ["holds", "restrictions"])
def test_who_was_kept_beyond_the_record_is_erased_a_day_after_that_is_lifted_unless_it_is_renewed(
    book: Book, kept_by: str
) -> None:
    """While it is kept, nobody can renew it."""
    erased, renewed = enrol(book, 1, signed(days=1)).faceid, enrol(book, 2, signed(days=2)).faceid
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    keeping = book.services.restrictions if kept_by == "restrictions" else book.services.faces.holds
    for faceid in (erased, renewed):
        keeping.set(book.tenant, faceid, "case 7")
    book.clock.advance(3 * DAY)
    for faceid in (erased, renewed):
        keeping.lift(book.tenant, faceid, "closed")
    book.clock.advance(DAY - timedelta(seconds=1))
    book.sweep()
    assert set(book.faceids()) == {erased, renewed}
    book.services.consents.set(book.tenant, renewed, given_now(book, signed(days=30)))
    book.clock.advance(timedelta(seconds=1))
    book.sweep()
    assert [face.faceid for face in book.faces()] == [renewed]


def test_a_merge_keeps_the_survivors_record_or_takes_the_others_and_its_undo_restores_both(
    book: Book,
) -> None:
    one = enrol(book, 1, signed("one"))
    other = enrol(book, 2, signed("other"))
    without = enrol(book, 3)
    first = book.services.merges.merging.merge(book.tenant, without.faceid, other.faceid)
    assert record(book, without.faceid) == signed("other")
    second = book.services.merges.merging.merge(book.tenant, one.faceid, without.faceid)
    assert record(book, one.faceid) == signed("one")
    for merge in (second, first):
        book.services.merges.merging.undo(book.tenant, merge.id)
    assert [record(book, face.faceid) for face in (one, other, without)] == [
        signed("one"),
        signed("other"),
        None,
    ]


def test_a_record_that_is_withdrawn_comes_back_by_no_undo(book: Book) -> None:
    one, other = enrol(book, 1, signed("one")), enrol(book, 2, signed("other"))
    merge = book.services.merges.merging.merge(book.tenant, one.faceid, other.faceid)
    book.services.consents.withdraw_consent(book.tenant, one.faceid)
    with pytest.raises(MergeNotFound):
        book.services.merges.merging.undo(book.tenant, merge.id)
    again = given_now(book, signed("again"))
    book.services.consents.set(book.tenant, one.faceid, again)
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert [record(book, face.faceid) for face in (one, other)] == [again, None]
    book.clock.advance(DAY)
    for face in (one, other):
        with pytest.raises(ConsentOlder):
            book.services.consents.set(book.tenant, face.faceid, signed("other"))


def test_who_withdrew_and_consented_again_is_not_merged_out_of_that(book: Book) -> None:
    one, other = enrol(book, 1, signed("one")), enrol(book, 2, signed("other"))
    book.services.consents.withdraw_consent(book.tenant, other.faceid)
    book.services.consents.set(book.tenant, other.faceid, given_now(book, signed("again")))
    book.services.merges.merging.merge(book.tenant, one.faceid, other.faceid)
    with pytest.raises(ConsentOlder):
        book.services.consents.set(book.tenant, one.faceid, signed("other"))


def withdraw_and_give_again(book: Book, faceid: str, evidence: str) -> Consent:
    book.services.consents.withdraw_consent(book.tenant, faceid)
    again = given_now(book, signed(evidence))
    book.services.consents.set(book.tenant, faceid, again)
    book.clock.advance(timedelta(minutes=1))
    return again


def test_an_undo_leaves_no_withdrawal_with_a_survivor_that_never_withdrew(book: Book) -> None:
    one, two, three = (enrol(book, seed, signed(f"{seed}")).faceid for seed in (1, 2, 3))
    for other in (two, three):
        withdraw_and_give_again(book, other, "again")
    merging, consents = book.services.merges.merging, book.services.consents
    first, second = (merging.merge(book.tenant, one, other) for other in (two, three))
    merging.undo(book.tenant, second.id)
    with pytest.raises(ConsentOlder):  # two, who withdrew, is still a part of it
        consents.set(book.tenant, one, signed("1"))
    merging.undo(book.tenant, first.id)
    consents.set(book.tenant, one, signed("1"))
    merge = merging.merge(book.tenant, one, two)
    merging.merge(book.tenant, one, three)
    merging.undo(book.tenant, merge.id)
    with pytest.raises(ConsentOlder):  # and now three is
        consents.set(book.tenant, one, signed("1"))


def test_an_undo_keeps_what_the_survivor_withdrew_itself(book: Book) -> None:
    one, two = (enrol(book, seed, signed(f"{seed}")).faceid for seed in (1, 2))
    merging, consents = book.services.merges.merging, book.services.consents
    kept = withdraw_and_give_again(book, one, "first")
    withdraw_and_give_again(book, two, "second")
    before = book.services.faces.get(book.tenant, one).withdrawn_at
    merge = merging.merge(book.tenant, one, two)
    merging.undo(book.tenant, merge.id)
    assert book.services.faces.get(book.tenant, one).withdrawn_at == before
    consents.set(book.tenant, one, kept)
    merge = merging.merge(book.tenant, one, two)
    book.clock.advance(timedelta(minutes=1))
    withdraw_and_give_again(book, one, "third")
    after = book.services.faces.get(book.tenant, one).withdrawn_at
    merging.undo(book.tenant, merge.id)
    assert book.services.faces.get(book.tenant, one).withdrawn_at == after


def test_no_record_of_before_a_merged_withdrawal_renews_one_that_expired(book: Book) -> None:
    one, two = enrol(book, 1, signed(days=2)).faceid, enrol(book, 2, signed()).faceid
    between = given_now(book, signed("between"))
    book.clock.advance(timedelta(minutes=1))
    withdraw_and_give_again(book, two, "again")
    book.services.merges.merging.merge(book.tenant, one, two)
    book.clock.advance(3 * DAY)
    with pytest.raises(ConsentOlder):
        book.services.consents.set(book.tenant, one, between)
    book.services.consents.set(book.tenant, one, given_now(book, signed("new")))


# --- any order
# --------------------------------------------------------------------------------------------------

Deed = Callable[[Book, "Told"], None]


class Told:
    """What was said in what order.

    `untouched`: faces whose record nobody changed since they were enrolled.
    """

    def __init__(self, book: Book) -> None:
        self.first = {
            f"{seed}": signed(f"<{seed}>", days=5 + seed) if seed % 2 else None for seed in range(5)
        }
        for name, consent in self.first.items():
            book.enrol(Person(int(name)), faceid=name, consent=consent)
        self.untouched = set(self.first)
        self.withdrawn: set[str] = set()
        self.number = len(self.first)

    def below(self, book: Book, faceid: str) -> set[str]:
        return {
            faceid,
            *(
                one.other
                for one in book.services.merges.records.list_below("shop", faceid)
                if one.is_active
            ),
        }


@later
def give(book: Book, told: Told, place: int) -> None:
    with suppress(FaceNotFound, ConsentOlder):
        told.number += 1
        book.services.consents.set(
            book.tenant, str(place), signed(f"<{told.number}>", days=1 + place)
        )
        told.untouched.discard(str(place))


@later
def withdraw(book: Book, told: Told, place: int) -> None:
    before = evidence(book, told.below(book, str(place)))
    with suppress(FaceNotFound, ConsentNotFound):
        book.services.consents.withdraw_consent(book.tenant, str(place))
        told.untouched -= told.below(book, str(place))
        told.withdrawn |= before


@later
def merge(book: Book, _told: Told, first: int, second: int) -> None:
    with suppress(*REFUSED):
        book.services.merges.merging.merge(book.tenant, str(first), str(second))


@later
def undo(book: Book, _told: Told, place: int) -> None:
    merges = book.services.merges.records.read_page(book.tenant, 100).rows
    with suppress(*REFUSED, IndexError, ZeroDivisionError):
        book.services.merges.merging.undo(book.tenant, merges[place % len(merges)].id)


def evidence(book: Book, faceids: set[str]) -> set[str]:
    """All evidence that is stored with these faces: of themselves, and kept by merges for them."""
    kept = [
        one.backup.face
        for one in book.services.merges.records.list_all("shop")
        if one.backup and one.other in faceids
    ]
    return {
        face.consent.evidence
        for face in (*book.faces(), *kept)
        if face.faceid in faceids and face.consent is not None
    }


DEEDS = st.one_of(
    st.builds(give, st.integers(0, 4)),
    st.builds(withdraw, st.integers(0, 4)),
    st.builds(merge, st.integers(0, 4), st.integers(0, 4)),
    st.builds(merge, st.integers(0, 4), st.integers(0, 4)),
    st.builds(undo, st.integers(0, 9)),
)


@examples(12, 400)
@given(st.lists(DEEDS, min_size=1, max_size=12))
def test_in_any_order_lists_agree_what_is_withdrawn_is_nowhere_and_undos_restore_the_rest(
    done: list[Deed],
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder) / "data")) as book:
        told = Told(book)
        for deed in done:
            deed(book, told)
            ends = {
                one.faceid: one.consent.expires_at
                for one in book.faces()
                if one.consent and not one.restriction
            }
            listed = [
                face.faceid
                for face in book.services.consents.read_page(book.tenant, None, 100).rows
            ]
            assert listed == sorted(ends, key=lambda one: (ends[one], one))
            stored = str(
                [
                    *walk_items(book.storage.items, keys.FACES, "shop"),
                    *walk_items(book.storage.items, keys.MERGES, "shop"),
                ]
            )
            assert [one for one in told.withdrawn if one in stored] == []
        for face in book.services.restrictions.list_all(book.tenant):
            again = given_now(book, signed("again"))
            book.services.consents.set(book.tenant, face.faceid, again)
        left = len(told.first)
        while left:
            left -= 1
            for merged in book.services.merges.records.read_page(book.tenant, 100).rows:
                with suppress(*REFUSED):
                    book.services.merges.merging.undo(book.tenant, merged.id)
        assert set(book.faceids()) == set(told.first), "every merge was undone"
        assert {name: record(book, name) for name in told.untouched} == {
            name: told.first[name] for name in told.untouched
        }
