"""A restore does again what documents of what stands say of people who were marked since the
backup."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.consent import Basis, Consent, Remembered
from chalicelib.domain.model import Face
from chalicelib.privacy.erasure_progress import is_of_face
from chalicelib.privacy.standing import HELD, WITHDRAWN, Point, Standing, find_marked_since
from regulars.backup.receipts import write_beside
from regulars.cli import main
from tests.support.book.book import MONDAY, Book
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]
WITHDRAW = "DELETE /v1/faces/{id}/consent"
FACES = (
    "held",
    "free",
    "restricted",
    "lifted",
    "withdrawn",
    "deleted",
    "survivor",
    "merged",
    "gone",
    "its-other",
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data")) as made:
        for seed, faceid in enumerate(FACES, 1):
            made.enrol(Person(seed), faceid=faceid)
        done(made, "regulars hold set", "free", "before")
        made.services.restrictions.set(made.tenant, "lifted", "before")
        made.services.consents.set(made.tenant, "withdrawn", Consent(Basis.CONSENT, MONDAY, "form"))
        made.clock.advance(timedelta(hours=3))
        made.sweep()  # which closes hours, and so makes the tenant's key
        yield made


def done(book: Book, what: str, *arguments: object) -> None:
    """Do something as a command or a route does, so that the audit has it."""
    services, tenant = book.services, book.tenant
    calls: dict[str, Callable[..., object]] = {
        "regulars hold set": services.faces.holds.set,
        "regulars hold lift": services.faces.holds.lift,
        "PUT /v1/faces/{id}/restriction": services.restrictions.set,
        "regulars restriction lift": services.restrictions.lift,
        "DELETE /v1/faces/{id}/consent": services.consents.withdraw_consent,
        "DELETE /v1/faces/{id}": lambda tenant, faceid: services.deletion.delete_faces(
            tenant, [faceid]
        ),
        "POST /v1/faces/{id}/merge": services.merges.merging.merge,
    }
    book.clock.advance(timedelta(minutes=1))
    with audit_events.begin_audit_event(AuditEvent(what, "operator", kind_of(what), "shop")):
        calls[what](tenant, *arguments)


def make_standing(minute: int, *marks: str) -> Standing:
    at, point = MONDAY + timedelta(minutes=minute), Point("life", minute, {}, "")
    return Standing({}, {}, {"eva": marks} if marks else {}, False, point, at)


@pytest.mark.parametrize(
    ("documents", "since"),
    [
        ([make_standing(1, WITHDRAWN), make_standing(2, HELD, WITHDRAWN)], 1),
        ([make_standing(1), make_standing(2, HELD), make_standing(3, WITHDRAWN)], 3),
        ([make_standing(1, WITHDRAWN), make_standing(2), make_standing(3)], 1),
        ([make_standing(1, WITHDRAWN), make_standing(2), make_standing(3, WITHDRAWN)], 3),
        ([], None),
    ],
)
def test_a_mark_counts_since_the_first_document_of_the_last_that_have_it(
    documents: list[Standing], since: int | None
) -> None:
    """A true record that was given between two documents is refused by none of the later ones."""
    found = find_marked_since(documents, "eva", WITHDRAWN)
    assert found == (None if since is None else MONDAY + timedelta(minutes=since))


@pytest.mark.parametrize("days", [0, 15], ids=["before it goes", "once the template alone is left"])
def test_who_asks_to_be_remembered_is_remembered_after_a_restore_from_before(
    book: Book, tmp_path: Path, days: int
) -> None:
    """The entry of the withdrawal goes with all else; that of the strip tells the same."""
    backup = tmp_path / "box.tar"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    book.clock.advance(timedelta(days=20_000))
    wish = Remembered(Basis.LEGAL_CLAIMS, "letter 7", book.clock.now())
    with audit_events.begin_audit_event(
        AuditEvent(WITHDRAW, "operator", kind_of(WITHDRAW), tenant="shop")
    ):
        book.services.consents.withdraw_consent(book.tenant, "withdrawn", wish=wish)
    book.clock.advance(timedelta(days=days))
    for _ in range(2):
        book.sweep()
        book.clock.advance(timedelta(hours=3))
    book.sweep()
    assert read_face(book).stripped_at is not None or not days
    again = tmp_path / "again"
    restore_after(book, backup, again)
    with closing(Book(again)) as restored:
        face = read_face(restored)
        assert face.restriction is not None
        assert face.remembered is not None
        assert face.remembered.basis is Basis.LEGAL_CLAIMS
        was = read_face(book)
        assert face.withdrawn_at == was.withdrawn_at, "the days do not begin anew"
        restored.clock.advance(timedelta(days=20_000 + 14 + days + 15))
        for _ in range(2):
            restored.sweep()
            restored.clock.advance(timedelta(minutes=5))
        face = read_face(restored)
        assert face.stripped_at is not None
        assert {one.key for one in face.pictures} == {""}


def test_who_was_merged_before_the_strip_is_withdrawn_after_a_restore_from_before(
    book: Book, tmp_path: Path
) -> None:
    """Once the template alone is left, neither merge nor entry tells of the other face."""
    book.services.tenants.change_settings("shop", {"expired_consent_erases": False})
    backup = tmp_path / "box.tar"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    book.clock.advance(timedelta(days=20_000))
    done(book, "POST /v1/faces/{id}/merge", "withdrawn", "merged")
    done(book, WITHDRAW, "withdrawn")
    strip(book)
    again = tmp_path / "again"
    restore_after(book, backup, again)
    with closing(Book(again)) as restored:
        other = read_face(restored, "merged")
        assert other.restriction is not None
        assert other.restriction.ended
    book.clock.advance(timedelta(days=400))
    strip(book)
    receipts = [one for one in book.services.erasure.records.list_all("shop") if one.receipt]
    assert len(receipts) == 1
    key = book.services.audit.signing.read_face_key("shop")
    assert is_of_face(receipts[0], key, "merged"), "as for the face itself"


def strip(book: Book) -> None:
    """Let the days pass, and the sweeps and steps be done."""
    book.clock.advance(timedelta(days=15))
    for _ in range(3):
        book.sweep()
        book.clock.advance(timedelta(hours=3))


def restore_after(book: Book, backup: Path, again: Path) -> None:
    """Restore a backup beside the document of what stands in the book."""
    write_beside(book.services, backup.parent)
    assert main(["restore", str(backup), "--data", str(again)]) == 0


def read_face(book: Book, faceid: str = "withdrawn") -> Face:
    return book.services.faces.get(book.tenant, faceid, restricted=True)
