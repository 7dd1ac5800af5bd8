"""Who said no is not enrolled again by what was there before it: the same id, the same picture, or
the record of consent of that time. A record that was given after it counts.

The days: before the erasure, after it, and a year later.
"""

import hashlib
import hmac
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.consent import Basis, Consent, EndedRecord, Ending
from chalicelib.domain.errors import ConsentMissing, ConsentOlder, FaceErased, FaceExists
from chalicelib.domain.grounds import Claim, list_claims, require_not_ended
from chalicelib.domain.model import Face, NewFace, Picture
from chalicelib.domain.tenant_settings import FORGET
from chalicelib.privacy.erasure.again import parse_receipt
from chalicelib.privacy.erasure_progress import require_done
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.values import time_text
from tests.support.book import person
from tests.support.book.book import MONDAY, Book, shot
from tests.support.fakes import RULES, Person, picture
from tests.support.storage.meter import Meter, MeteredItems

DAY = timedelta(days=1)
HERS, OTHERS = Person(11), Person(12)
GIVEN = MONDAY - 7 * DAY
OLD = Consent(Basis.CONSENT, GIVEN, "form 7, drawer 3")
CONTROLLER = "Corner Shops, 1 High Street"


def withdraw(book: Book) -> None:
    book.services.consents.withdraw_consent(book.tenant, "eva")


def erase(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first", erase=True)


def expire(book: Book) -> None:
    """Her record expires by itself, half a day after it was written down."""
    book.services.consents.set(
        book.tenant, "eva", replace(OLD, expires_at=book.clock.now() + DAY / 2)
    )
    book.clock.advance(DAY / 2)
    book.sweep()


ENDS = [withdraw, expire, erase]
DAYS = [1, 15, 366]
End = Callable[[Book], None]


def say_no(book: Book, end: End, days: int) -> None:
    """Enrol her, let her say no, and let days pass with their sweeps."""
    book.services.tenants.change_settings("shop", {"controller": CONTROLLER})
    book.enrol(HERS, faceid="eva", consent=OLD)
    book.clock.advance(timedelta(hours=1))
    end(book)
    pass_days(book, days)


def pass_days(book: Book, days: int) -> None:
    for _ in range(min(days, 16)):
        book.clock.advance(DAY)
        book.sweep()
        person.worked_off(book)
    book.clock.advance(max(days - 16, 0) * DAY)


@pytest.fixture(params=ENDS, ids=lambda end: end.__name__)
def end(request: pytest.FixtureRequest) -> End:
    return request.param  # type: ignore[no-any-return]


def enrol(book: Book, look: Person, tenant: str = "shop", **fields: object) -> str:
    """Enrol by the way of every door; `tenant` may be another shop."""
    its_tenant = book.services.tenants.get_by_name(tenant)
    new = NewFace(**fields)  # type: ignore[arg-type]
    return book.services.enrolment.enrol_largest_face(
        its_tenant, "regular", picture(look), RULES, new
    ).faceid


@pytest.mark.parametrize("days", DAYS)
def test_what_was_there_before_the_no_is_refused_and_what_comes_after_it_counts(
    book: Book, end: End, days: int
) -> None:
    say_no(book, end, days)
    before = book.faceids()
    with pytest.raises(ConsentOlder, match="given at 2026-02-23T") as refused:
        enrol(book, OTHERS, consent=OLD)
    assert "2026-03-16T" in str(refused.value) or "2026-03-17T" in str(refused.value)
    with pytest.raises((ConsentOlder, FaceExists)):
        enrol(book, OTHERS, faceid="eva", consent=replace(OLD, evidence="form 8"))
    with pytest.raises((FaceErased, FaceExists)):
        enrol(book, OTHERS, faceid="eva")
    with pytest.raises(ConsentOlder):
        enrol(book, HERS, consent=replace(OLD, evidence="form 8"))
    with pytest.raises((FaceErased, ConsentMissing)):
        enrol(book, HERS)
    ben = enrol(book, OTHERS)
    with pytest.raises(ConsentOlder):
        book.services.consents.set(book.tenant, ben, OLD)
    photo = picture(HERS)
    with pytest.raises((FaceErased, ConsentMissing)):
        book.services.enrolment.pictures.add_photo(
            book.tenant, ben, photo, RULES, is_vouched_for=True
        )
    assert book.faceids() == sorted([*before, ben])
    new = Consent(Basis.CONSENT, book.clock.now(), "form 9, drawer 3")
    if "eva" in before:
        book.services.consents.set(book.tenant, "eva", new)
    else:
        enrol(book, HERS, faceid="eva", consent=new)
    assert book.services.faces.get(book.tenant, "eva").consent == new


@pytest.mark.parametrize("days", DAYS)
def test_each_shop_of_the_controller_asks_the_others_and_another_controller_does_not(
    book: Book, end: End, days: int
) -> None:
    settings = replace(book.settings, controller=f" {CONTROLLER.upper()}")
    book.services.tenants.add("station", book.profile, settings)
    book.services.tenants.add("rival", book.profile, replace(settings, controller="Rival Ltd"))
    say_no(book, end, days)
    for fields, look, error in (
        ({"faceid": "eva"}, OTHERS, FaceErased),
        ({}, HERS, FaceErased),
        ({"consent": OLD}, OTHERS, ConsentOlder),
    ):
        with pytest.raises(error):
            enrol(book, look, "station", **fields)
        enrol(book, look, "rival", **fields)
        delete_all(book, "rival")
    new = Consent(Basis.CONSENT, book.clock.now(), "form 9")
    assert enrol(book, HERS, "station", faceid="eva", consent=new) == "eva"


def delete_all(book: Book, tenant: str) -> None:
    its_tenant = book.services.tenants.get_by_name(tenant)
    for group in ("regular",):
        page = book.services.faces.read_page(its_tenant, group, 1, 10)
        ids = [face.faceid for face in page.faces]
        book.services.deletion.delete_faces(its_tenant, ids, by="first")


@pytest.fixture
def restored(tmp_path: Path, end: End) -> Iterator[Book]:
    """A book of a backup from before she was enrolled, with the receipts of what came after it."""
    with closing(Book(tmp_path / "first")) as book:
        book.services.audit.signing.read_face_key("shop")
        book.services.tenants.change_settings("shop", {"controller": CONTROLLER})
        shutil.copytree(tmp_path / "first", tmp_path / "backup")
        say_no(book, end, 15)
        receipts = [
            parse_receipt(require_done(one))
            for one in book.services.erasure.records.list_all("shop")
        ]
        now = book.clock.now()
    assert receipts
    with closing(Book(tmp_path / "backup")) as back:
        back.clock.advance(now - back.clock.now())
        for receipt in receipts:
            assert receipt is not None
            people = back.services.erasure.again.read_people("shop")
            back.services.erasure.again.begin(receipt, people)
            back.services.erasure.again.end(receipt)
        yield back


def test_a_restored_book_refuses_by_the_receipts(restored: Book) -> None:
    with pytest.raises(FaceErased, match="'eva'"):
        enrol(restored, OTHERS, faceid="eva")
    with pytest.raises(FaceErased, match="this picture"):
        enrol(restored, HERS)
    new = Consent(Basis.CONSENT, restored.clock.now(), "form 9")
    enrol(restored, HERS, faceid="eva", consent=new)


def test_a_number_that_comes_again_is_let_in_by_a_word_and_the_old_record_is_not(
    book: Book, end: End
) -> None:
    say_no(book, end, 15)
    own = replace(OLD, evidence="form 21")
    with pytest.raises(ConsentOlder):
        book.enrol(OTHERS, faceid="eva", consent=OLD, is_somebody_else=True)
    book.enrol(OTHERS, faceid="eva", consent=own, is_somebody_else=True)
    with pytest.raises(ConsentOlder):
        book.services.consents.set(book.tenant, "eva", OLD)
    book.services.consents.set(book.tenant, "eva", replace(own, given_at=GIVEN - DAY))


def test_a_record_that_others_have_too_says_nothing_of_whom_it_is(book: Book) -> None:
    """An import wrote the same words for all members."""
    book.enrol(Person(21), faceid="ben", consent=OLD)
    say_no(book, withdraw, 15)
    assert enrol(book, Person(22), consent=OLD)
    with pytest.raises(ConsentOlder):
        enrol(book, HERS, consent=OLD)


def test_a_record_without_evidence_says_nothing_of_whom_it_is(book: Book) -> None:
    bare = replace(OLD, evidence="")
    book.enrol(HERS, faceid="eva", consent=bare)
    book.clock.advance(DAY)
    withdraw(book)
    assert enrol(book, OTHERS, consent=bare)


def test_who_came_back_by_a_new_record_and_says_no_again_needs_a_newer_one(book: Book) -> None:
    say_no(book, withdraw, 15)
    new = Consent(Basis.CONSENT, book.clock.now(), "form 9")
    enrol(book, HERS, faceid="eva", consent=new)
    book.clock.advance(DAY)
    withdraw(book)
    pass_days(book, 15)
    for record in (OLD, new):
        with pytest.raises(ConsentOlder):
            enrol(book, HERS, faceid="eva", consent=record)


def test_ids_of_merged_faces_and_of_users_are_refused_too(book: Book) -> None:
    book.enrol(HERS, faceid="eva", consent=OLD)
    book.enrol(OTHERS, faceid="eva-second")
    book.services.merges.merging.merge(book.tenant, "eva", "eva-second")
    book.clock.advance(DAY)
    withdraw(book)
    pass_days(book, 15)
    for fields in ({"faceid": "eva-second"}, {}):
        with pytest.raises(FaceErased):
            enrol(book, OTHERS, **fields)


def test_another_key_signs_from_now_on_and_the_no_stays(book: Book, end: End) -> None:
    say_no(book, end, 15)
    book.services.audit.signing.renew_key("shop")
    with pytest.raises(FaceErased):
        enrol(book, OTHERS, faceid="eva")


# --- who did not say no
# --------------------------------------------------------------------------------------------------


def delete(book: Book) -> None:
    """As a program does that deletes and adds again; the setting has that erase."""
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first")


def delete_group(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.services.deletion.groups.delete(book.tenant, "guests", by="first")


def forget_unseen(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.services.groups.change_by_name(book.tenant, "guests", {"unseen_days": 20})
    book.clock.advance(21 * DAY)
    book.services.erasure.retention.sweep_tenant(book.tenant, is_confirmed=True)


@pytest.mark.parametrize("leave", [delete, delete_group, forget_unseen])
def test_whom_the_shop_itself_deletes_comes_in_again(
    book: Book, leave: Callable[[Book], None]
) -> None:
    book.services.groups.create(book.tenant, "guests", None, "")
    book.enrol(HERS, "guests", faceid="eva", consent=OLD)
    leave(book)
    person.worked_off(book)
    assert book.faceids() == []
    assert list_refused(book) == []
    enrol(book, HERS, faceid="eva", consent=OLD)


def test_strangers_who_are_forgotten_leave_nothing(book: Book) -> None:
    book.see(shot(0, 31), shot(10, 32))
    book.services.tenants.change_settings("shop", {"strangers": FORGET})
    book.services.erasure.strangers.forget(book.tenant)
    person.worked_off(book)
    assert book.faceids() == []
    assert list_refused(book) == []


def list_refused(book: Book) -> list[str]:
    listed = walk_items(book.storage.items, keys.DIRECTORY, "shop")
    return [item["item"] for item in listed if item["item"].startswith(keys.refused_item(""))]


# --- what is kept, and what it costs
# --------------------------------------------------------------------------------------------------


def test_what_is_kept_tells_nothing_without_the_key_of_the_shop(book: Book, end: End) -> None:
    """By hand: an HMAC of kind and value by the shop's key. Another shop has another key."""
    say_no(book, end, 15)
    kept = list(walk_items(book.storage.items, keys.DIRECTORY, "shop"))
    refused = [item for item in kept if item["item"].startswith("REFUSED#")]
    assert {name for item in refused for name in item} == {
        "tenant",
        "item",
        "ended",
        "at",
        "counts_from",
    }
    key = book.services.audit.signing.read_face_key("shop")
    hashed = hmac.new(key, b"id\neva", hashlib.sha256).hexdigest()
    assert f"REFUSED#{hashed}" in {item["item"] for item in refused}
    book.services.tenants.add("rival", book.profile, book.settings)
    assert book.services.audit.signing.read_face_key("rival") != key


def test_an_enrolment_reads_as_few_however_many_said_no(tmp_path: Path) -> None:
    meter = Meter()
    with closing(
        Book(tmp_path, wrap=lambda given: replace(given, items=MeteredItems(given.items, meter)))
    ) as book:

        def measure(seed: int) -> dict[str, float]:
            meter.clear()
            book.enrol(Person(seed), faceid=f"new{seed}")
            return {name: units for name, units in meter.reads.items() if "directory" in name}

        def erase_some(seeds: range) -> None:
            for seed in seeds:
                book.enrol(Person(seed), faceid=f"gone{seed}")
                book.services.deletion.delete_faces(
                    book.tenant, [f"gone{seed}"], by="first", erase=True
                )

        erase_some(range(100, 101))
        before = measure(300)
        erase_some(range(101, 121))
        assert measure(301) == before


# --- the decision
# --------------------------------------------------------------------------------------------------

IDS, WORDS = st.sampled_from(["", "a", "b", "eva"]), st.sampled_from(["", "form 1", "form 2"])
PHOTOS = st.lists(st.sampled_from("pqrs"), unique=True, max_size=3)
RECORDS = st.one_of(
    st.none(),
    st.builds(
        lambda days, words: Consent(Basis.CONSENT, MONDAY - days * DAY, words),
        st.integers(0, 3),
        WORDS,
    ),
)


@st.composite
def faces(draw: st.DrawFn) -> Face:
    photos = [Picture(photo, photo, MONDAY, ()) for photo in draw(PHOTOS)]
    return Face(
        faceid=draw(IDS) or "own",
        group_id="regular",
        enrolled_at=MONDAY,
        face_set=draw(IDS),
        external_id=draw(IDS),
        pictures=tuple(photos),
        consent=draw(RECORDS),
    )


def tell(face: Face) -> set[object]:
    """By what a person is known again, by hand."""
    told: set[object] = {
        ("id", id_) for id_ in (face.faceid, face.face_set, face.external_id) if id_
    }
    told |= {("picture", photo.id) for photo in face.pictures}
    if face.consent and face.consent.evidence:
        told.add(("record", face.consent.given_at, face.consent.evidence))
    return told


@given(faces(), faces())
def test_somebody_is_refused_if_and_only_if_something_is_of_who_said_no(
    gone: Face, new: Face
) -> None:
    claims = [{(one.kind, one.value) for one in list_claims(face)} for face in (gone, new)]
    assert bool(claims[0] & claims[1]) == bool(tell(gone) & tell(new))


ENDED = st.lists(
    st.builds(
        lambda days, later: EndedRecord(
            Ending.WITHDRAWN, MONDAY - days * DAY, MONDAY - days * DAY + later * DAY / 2
        ),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=3,
)


@given(RECORDS, ENDED)
def test_a_record_counts_if_it_is_of_after_each_end_and_none_counts_never(
    record: Consent | None, ended: list[EndedRecord]
) -> None:
    claims = [(Claim("id", "eva", "somebody with the id 'eva'"), end) for end in ended]
    if record is None:
        wanted = FaceErased if ended else None
    else:
        is_older = any(record.given_at < end.counts_from for end in ended)
        wanted = ConsentOlder if is_older else None
    if wanted is None:
        require_not_ended(record, claims, MONDAY)
        return
    with pytest.raises(wanted, match="the id 'eva'") as refused:
        require_not_ended(record, claims, MONDAY)
    said = str(refused.value)
    assert any(time_text(end.at) in said and time_text(end.counts_from) in said for end in ended)
    assert record is None or time_text(record.given_at) in said


@given(faces(), faces())
def test_a_change_is_asked_for_what_it_adds_alone(before: Face, after: Face) -> None:
    added = {(one.kind, one.value) for one in list_claims(after, before)}
    of_before = {(one.kind, one.value) for one in list_claims(before)}
    assert added == {(one.kind, one.value) for one in list_claims(after)} - of_before
    assert (added == set()) == (tell(after) <= tell(before))
