"""Of somebody who is remembered the template alone is left: nothing else of hers, and nobody
else loses anything."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.consent import Basis, Consent, Remembered
from chalicelib.domain.errors import ConsentOlder
from chalicelib.domain.model import REGULAR, STRANGER, Face
from chalicelib.privacy.retention import Kind, find_outlook
from chalicelib.storage import keys
from chalicelib.storage.ports import Storage
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.book.withdrawn import DAY, EVA, GUS, withdraw
from tests.support.fakes import Person


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path)) as made:
        made.services.tenants.change_settings("shop", {"expired_consent_erases": False})
        yield made


def enrol(book: Book, faceid: str, seed: int = EVA) -> None:
    record = Consent(Basis.CONSENT, MONDAY, f"form of {faceid}")
    book.enrol(Person(seed), faceid=faceid, name=f"{faceid} Lee", consent=record)


def read(book: Book, faceid: str) -> Face:
    return book.services.faces.get(book.tenant, faceid, restricted=True)


def ask(book: Book, faceid: str) -> None:
    """Withdraw, and ask to be remembered."""
    wish = Remembered(Basis.CONSENT, "letter 7", book.clock.now())
    book.services.consents.withdraw_consent(book.tenant, faceid, wish=wish)


def sweep_ended(book: Book) -> None:
    book.services.erasure.retention.sweep_tenant(
        book.tenant, swept_kinds=(Kind.CONSENTS, Kind.REMEMBERED), is_confirmed=True
    )


def do_steps(book: Book) -> None:
    for _ in range(3):
        book.clock.advance(timedelta(minutes=10))
        book.services.erasure.steps.continue_all(book.tenant)


def test_who_has_the_id_of_a_merged_face_now_keeps_all_sightings(book: Book) -> None:
    enrol(book, "eva")
    enrol(book, "second", EVA + 9_000)
    book.services.merges.merging.merge(book.tenant, "eva", "second")
    book.clock.advance(DAY)
    enrol(book, "second", GUS)
    for visit in range(3):
        book.clock.advance(DAY)
        book.see(Shot(book.clock.now(), (Person(GUS, side_px=110.0 - visit),)))
    withdraw(book, "eva")
    book.clock.advance(15 * DAY)
    sweep_ended(book)
    assert read(book, "eva").stripped_at is not None
    assert read(book, "eva").absorbed == (), "a restore withdraws the one of now for nobody else"
    do_steps(book)
    timeline = book.services.sightings.read_timeline(book.tenant, "second", 10)
    assert (read(book, "second").arrive_count, len(timeline.sightings)) == (3, 3)
    assert book.disagreements() == []


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), 100 * DAY], ids=str)
def test_a_sighting_by_a_clock_ahead_goes_as_well(book: Book, ahead: timedelta) -> None:
    settings = {"ended_days": 0, "expired_consent_erases": True}
    book.services.tenants.change_settings("shop", settings)
    enrol(book, "eva")
    book.clock.advance(ahead)
    book.see(Shot(book.clock.now(), (Person(EVA),)))
    book.clock.advance(timedelta(seconds=30) - ahead)
    ask(book, "eva")
    sweep_ended(book)
    assert read(book, "eva").stripped_at is not None
    do_steps(book)
    for table in (keys.OBSERVATIONS, keys.CAPTURES):
        assert [item for item in book.storage.items.scan(table, "shop") if "eva" in str(item)] == []


def test_a_withdrawal_that_a_restore_does_again_ends_when_it_would_have(book: Book) -> None:
    enrol(book, "eva")
    said_at = book.clock.now()
    book.clock.advance(15 * DAY)
    book.services.consents.withdraw_again(book.tenant, "eva", said_at)
    outlook = find_outlook(book.tenant, read(book, "eva"))
    assert outlook is not None
    assert outlook.stripped_at == said_at + 14 * DAY


@pytest.mark.parametrize("is_stripped", [False, True], ids=["whole", "stripped"])
@pytest.mark.parametrize("says", [withdraw, ask], ids=["a second no", "a wish"])
def test_the_days_run_from_the_first_end_whatever_is_said_later(
    book: Book, says: Callable[[Book, str], None], is_stripped: bool
) -> None:
    """It is refused all the same that a record from before the second no takes it back."""
    ends_at = book.clock.now() + timedelta(hours=1)
    record = Consent(Basis.CONSENT, MONDAY, "form 7", expires_at=ends_at)
    book.enrol(Person(EVA), faceid="eva", name="Eva Lee", consent=record)
    book.clock.advance(timedelta(hours=2))
    book.services.restrictions.restrict_expired(book.tenant, looks=True)
    book.clock.advance((15 if is_stripped else 13) * DAY)
    sweep_ended(book)
    before = find_outlook(book.tenant, read(book, "eva"))
    assert before is not None
    assert (before.stripped_at is None) is is_stripped
    book.clock.advance(timedelta(hours=1))
    says(book, "eva")
    face = read(book, "eva")
    assert find_outlook(book.tenant, face) == before
    assert face.withdrawn_at == book.clock.now()
    older = Consent(Basis.CONSENT, ends_at, "form 8")
    with pytest.raises(ConsentOlder):
        book.services.consents.set(book.tenant, "eva", older)


def test_a_new_yes_is_refused_and_pushed_out_by_no_strangers(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"stranger_days": 90})
    enrol(book, "eva")
    withdraw(book, "eva")
    book.clock.advance(15 * DAY)
    sweep_ended(book)
    do_steps(book)
    book.see(Shot(book.clock.now(), (Person(300),)))
    book.services.groups.change_by_name(book.tenant, STRANGER, {"capacity": 1})
    record = Consent(Basis.CONSENT, book.clock.now(), "form 8")
    book.services.consents.set(book.tenant, "eva", record)
    book.clock.advance(DAY)
    book.see(Shot(book.clock.now(), (Person(500),)))
    book.clock.advance(95 * DAY)
    book.services.erasure.retention.sweep_tenant(book.tenant, is_confirmed=True)
    assert read(book, "eva").group_id == REGULAR


@pytest.mark.parametrize("erases", [False, True], ids=["stripped", "some are erased"])
def test_one_scrub_of_the_database_does_for_all(tmp_path: Path, erases: bool) -> None:
    """It writes the whole database anew."""
    scrubs = list[None]()

    def count_scrubs(storage: Storage) -> Storage:
        def scrub() -> None:
            storage.scrub()
            scrubs.append(None)

        return replace(storage, scrub=scrub)

    with closing(Book(tmp_path, wrap=count_scrubs)) as book:
        book.services.tenants.change_settings("shop", {"expired_consent_erases": erases})
        for seed in range(4):
            enrol(book, f"face-{seed}", 100 + seed)
            says_no = ask if seed < 2 else withdraw
            says_no(book, f"face-{seed}")
        book.clock.advance(15 * DAY)
        sweep_ended(book)
        for _ in range(3):  # as the messages come
            book.clock.advance(timedelta(minutes=3))
            book.services.erasure.steps.continue_all(book.tenant)
        assert len(scrubs) == 1
        assert [
            one for one in book.services.erasure.records.list_all("shop") if not one.receipt
        ] == []
