"""A restore does again what the audit's export says was done to people since the backup, and loses
none silently."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.consent import NO_WISH, Basis, Consent, Remembered
from chalicelib.domain.effects import SHARED_KEYS, SHOP
from chalicelib.domain.model import STRANGER, Face
from chalicelib.privacy.erasure_progress import is_of_face
from chalicelib.privacy.standing import HELD, WITHDRAWN, Restored, Standing, find_marked_since
from regulars.backup.after import AccessSince, Export, Since, read_changes_since, redo_export
from regulars.backup.receipts import write_beside
from regulars.cli import main
from tests.support.book import person
from tests.support.book.book import MONDAY, Book, shot
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
    with audit_events.begin_audit_event(AuditEvent(what, "operator", kind_of(what))):
        calls[what](tenant, *arguments)


def shop_since_its_backup(book: Book, folder: Path) -> tuple[Path, Path]:
    """Return the backup, and an export of later."""
    data, backup, export = str(book.folder), folder / "box.tar", folder / "audit.jsonl"
    assert main(["backup", str(backup), "--data", data]) == 0
    book.clock.advance(timedelta(days=20_000))  # later than the backup, whose time is the machine's
    for what, *arguments in (
        ("regulars hold set", "held", "case 7\u2028of ours"),
        ("regulars hold lift", "free", "it is closed"),
        ("PUT /v1/faces/{id}/restriction", "restricted", "asked"),
        ("regulars restriction lift", "lifted", "asked again"),
        ("DELETE /v1/faces/{id}/consent", "withdrawn"),
        ("DELETE /v1/faces/{id}", "deleted"),
        ("POST /v1/faces/{id}/merge", "survivor", "merged"),
        ("regulars hold set", "survivor", "case 8"),
        ("POST /v1/faces/{id}/merge", "gone", "its-other"),
        ("DELETE /v1/faces/{id}", "gone"),
    ):
        done(book, what, *arguments)
    book.clock.advance(timedelta(hours=3))
    book.sweep()
    assert main(["audit", "export", "--tenant", "shop", str(export), "--data", data]) == 0
    return backup, export


def test_what_was_done_since_the_backup_is_done_again(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    backup, export = shop_since_its_backup(book, tmp_path)
    again = tmp_path / "again"
    assert main(["restore", str(backup), "--data", str(again), "--after", str(export)]) == 0
    assert "is not in this export" in capsys.readouterr().out
    with closing(Book(again)) as restored:
        faces = restored.services.faces
        assert [one.faceid for one in faces.holds.list_all("shop")] == [
            "held",
            "merged",
            "survivor",
        ]
        ended = ["restricted", "withdrawn"]
        assert [
            one.faceid for one in restored.services.restrictions.list_all(restored.tenant)
        ] == ended
        withdrawn = faces.get(restored.tenant, "withdrawn", restricted=True)
        was = book.services.faces.get(book.tenant, "withdrawn", restricted=True)
        assert withdrawn.consent is None
        assert withdrawn.withdrawn_at == was.withdrawn_at, "a record given since counts again"
        there = faces.by_id(restored.tenant, FACES, restricted=True)
        left = {*FACES} - {"deleted", "gone", "its-other"}
        assert {*there} == left, (
            "who was merged is still there, since a merge keeps all, unless both were deleted"
        )


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("regulars hold set", "holds"),
        ("regulars restriction set", "restrictions"),
        ("DELETE /v1/faces/{id}/consent", "withdrawn"),
        ("regulars consent withdraw", "withdrawn"),
        ("DELETE /v1/faces/{id}", "deleted"),
    ],
)
def test_what_is_said_of_a_face_is_said_of_those_that_became_a_part_of_it(
    what: str, said: str
) -> None:
    at = "2026-03-02T09:00:00.000Z"
    merged = {
        "at": at,
        "what": "POST /v1/faces/{id}/merge",
        "faces": ["eva", "same"],
        "deleted": ["same"],
    }
    gone = {"deleted": ["eva"]} if said == "deleted" else {}
    found = read_changes_since(
        [merged, {"at": at, "seq": 1, "what": what, "faces": ["eva"], "is_set": True, **gone}],
        MONDAY,
    )
    assert {*getattr(found, said)} == {"eva", "same"}


def test_a_wish_that_was_taken_back_is_none() -> None:
    said = {"at": "2026-03-02T09:00:00.000Z", "what": WITHDRAW, "faces": ["eva"]}
    wish = {"remember_basis": "consent", "remember_evidence": "letter 7"}
    entries = [{**said, **wish, "seq": 1}, {**said, **NO_WISH, "seq": 2}]
    assert read_changes_since(entries, MONDAY).wishes == {"eva": None}


def make_standing(minute: int, *marks: str) -> Standing:
    at = MONDAY + timedelta(minutes=minute)
    return Standing({}, {}, {"eva": marks} if marks else {}, False, "life", at)


@pytest.mark.parametrize(
    ("documents", "freed", "since"),
    [
        ([make_standing(1, WITHDRAWN), make_standing(2, HELD, WITHDRAWN)], 0, 1),
        ([make_standing(1), make_standing(2, HELD), make_standing(3, WITHDRAWN)], 0, 3),
        ([make_standing(1, WITHDRAWN), make_standing(2), make_standing(3)], 0, 1),
        ([make_standing(1, WITHDRAWN), make_standing(2), make_standing(3, WITHDRAWN)], 0, 3),
        ([make_standing(1, WITHDRAWN), make_standing(3, WITHDRAWN)], 2, 3),
        ([make_standing(1, WITHDRAWN), make_standing(3, HELD)], 2, None),
        ([], 0, None),
    ],
)
def test_a_mark_counts_since_the_first_document_of_the_last_that_have_it(
    documents: list[Standing], freed: int, since: int | None
) -> None:
    """A true record that was given between two documents is refused by none of the later ones."""
    found = find_marked_since(documents, "eva", WITHDRAWN, MONDAY + timedelta(minutes=freed))
    assert found == (None if since is None else MONDAY + timedelta(minutes=since))


@pytest.mark.parametrize(
    ("what", "of", "access", "state"),
    [
        ("DELETE /v1/keys/{id}", "12", "key 12", AccessSince(is_over=True, is_gone=True)),
        ("POST /v1/keys/{id}/renew", "12", "key 12", AccessSince(is_over=True)),
        ("PATCH /v1/members/{id}", "7", "member 7", AccessSince(is_changed=True)),
        ("DELETE /v1/members/{id}/passkeys/{passkey}", "7", "member 7", AccessSince(is_over=True)),
        ("POST /v1/cameras/{id}/key", "door", "camera door", AccessSince(is_over=True)),
        ("regulars tenants rotate", None, SHARED_KEYS, AccessSince(is_over=True)),
        ("regulars tenants disable", None, SHOP, AccessSince(is_over=True, is_gone=True)),
    ],
)
def test_an_entry_of_a_version_that_wrote_no_effects_is_known_by_its_act(
    what: str, of: str | None, access: str, state: AccessSince
) -> None:
    entry = {"at": "2026-03-02T09:00:00.000Z", "what": what, **({} if of is None else {"of": of})}
    assert read_changes_since([entry], MONDAY).accesses == {access: state}
    assert read_changes_since([{**entry, "does": {"arranges": []}}], MONDAY).accesses == {}, (
        "what it says itself counts"
    )


def test_a_stranger_who_was_pushed_out_of_a_full_group_is_deleted_again(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(0, 91), shot(60, 92))
    first = min(
        (one for one in book.faces() if one.group_id == STRANGER),
        key=lambda one: one.last_arrival_at or MONDAY,
    )
    backup, export, again = tmp_path / "box.tar", tmp_path / "audit.jsonl", tmp_path / "again"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    book.clock.advance(timedelta(days=20_000))
    book.see(shot(120, 93))
    assert first.faceid not in set(book.faceids())
    book.clock.advance(timedelta(hours=3))
    book.sweep()
    assert (
        main(["audit", "export", "--tenant", "shop", str(export), "--data", str(book.folder)]) == 0
    )
    assert main(["restore", str(backup), "--data", str(again), "--after", str(export)]) == 0
    assert f"{first.faceid} is deleted" in capsys.readouterr().out
    with closing(Book(again)) as restored:
        assert restored.group_counts()["stranger"] == 1


def test_nothing_is_restored_until_it_is_said_what_came_after(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    backup, again = tmp_path / "box.tar", tmp_path / "again"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    assert main(["restore", str(backup), "--data", str(again)]) == 2
    assert "--after none" in capsys.readouterr().err
    assert not again.exists()
    assert main(["restore", str(backup), "--data", str(again), "--after", "none"]) == 0
    assert "end what you ended since" in capsys.readouterr().out


def test_an_export_of_the_hour_of_an_erasure_is_as_it_was_signed(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    """The entry that says what was erased is of an hour that is not closed yet."""
    backup, export = shop_since_its_backup(book, tmp_path)
    book.services.deletion.delete_faces(book.tenant, ["free"], by="first", erase=True)
    person.worked_off(book)
    export.unlink()
    assert (
        main(["audit", "export", "--tenant", "shop", str(export), "--data", str(book.folder)]) == 0
    )
    again = tmp_path / "again"
    assert main(["restore", str(backup), "--data", str(again), "--after", str(export)]) == 0
    assert "1 erasure took entries away" in capsys.readouterr().out
    lines = export.read_text().splitlines(keepends=True)
    export.write_text("".join(one for one in lines if "audit erased" not in one))
    assert (
        main(["restore", str(backup), "--data", str(tmp_path / "other"), "--after", str(export)])
        == 1
    )
    assert "was erased, and no signed entry says so" in capsys.readouterr().err


def test_an_export_that_was_changed_does_nothing(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    backup, export = shop_since_its_backup(book, tmp_path)
    export.write_text(export.read_text().replace("case 7", "case 8"))
    again = tmp_path / "again"
    assert main(["restore", str(backup), "--data", str(again), "--after", str(export)]) == 1
    assert "not as it was signed" in capsys.readouterr().err
    assert not again.exists(), "all or nothing"


@pytest.mark.parametrize("days", [0, 15], ids=["before it goes", "once the template alone is left"])
@pytest.mark.parametrize("by_export", [True, False], ids=["by an export", "by a document"])
def test_who_asks_to_be_remembered_is_remembered_after_a_restore_from_before(
    book: Book, tmp_path: Path, by_export: bool, days: int
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
    restore_after(book, backup, again, by_export=by_export)
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


@pytest.mark.parametrize("by_export", [True, False], ids=["by an export", "by a document"])
def test_who_was_merged_before_the_strip_is_withdrawn_after_a_restore_from_before(
    book: Book, tmp_path: Path, by_export: bool
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
    restore_after(book, backup, again, by_export=by_export)
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


def test_a_wish_that_came_after_the_withdrawal_is_kept_by_a_restore_also_of_who_was_merged(
    book: Book, tmp_path: Path
) -> None:
    backup = tmp_path / "before.tar"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    book.clock.advance(timedelta(days=20_000))
    done(book, "POST /v1/faces/{id}/merge", "withdrawn", "merged")
    done(book, WITHDRAW, "withdrawn")
    book.clock.advance(timedelta(days=1))
    wish = Remembered(Basis.CONSENT, "letter 8", book.clock.now())
    done(book, WITHDRAW, "withdrawn", None, wish)
    book.clock.advance(timedelta(hours=3))
    book.sweep()
    restore_after(book, backup, tmp_path / "again", by_export=True)
    with closing(Book(tmp_path / "again")) as restored:
        for faceid in ("withdrawn", "merged"):
            face = read_face(restored, faceid)
            assert face.remembered is not None
            assert face.remembered.evidence == "letter 8"
            assert face.withdrawn_at == read_face(book).withdrawn_at


def test_of_a_backup_between_a_withdrawal_and_a_wish_the_wish_is_done_again(book: Book) -> None:
    done(book, WITHDRAW, "withdrawn")
    before = read_face(book)
    wish = Remembered(Basis.CONSENT, "letter 8", book.clock.now() + timedelta(days=1))
    export = Export("shop", Since(wishes={"withdrawn": wish}), None, ())
    standing = book.services.access.standing.read(book.tenant)
    restored = Restored(book.tenant, MONDAY, standing, print)
    assert list(redo_export(book.services, restored, export))
    after = read_face(book)
    assert (after.remembered, after.withdrawn_at) == (wish, before.withdrawn_at)
    export = Export("shop", Since(wishes={"withdrawn": None}), None, ())
    assert [*redo_export(book.services, restored, export)] == []
    after = read_face(book)
    assert (after.remembered, after.withdrawn_at) == (None, before.withdrawn_at)


def strip(book: Book) -> None:
    """Let the days pass, and the sweeps and steps be done."""
    book.clock.advance(timedelta(days=15))
    for _ in range(3):
        book.sweep()
        book.clock.advance(timedelta(hours=3))


def restore_after(book: Book, backup: Path, again: Path, *, by_export: bool) -> None:
    """Restore a backup, and do again what the book's export or document says."""
    after = again.with_name("after.json")
    if by_export:
        data = str(book.folder)
        assert main(["audit", "export", "--tenant", "shop", str(after), "--data", data]) == 0
    else:
        write_beside(book.services, backup.parent)
    words = ["restore", str(backup), "--data", str(again)]
    assert main([*words, "--after", str(after) if by_export else "none"]) == 0


def read_face(book: Book, faceid: str = "withdrawn") -> Face:
    return book.services.faces.get(book.tenant, faceid, restricted=True)
