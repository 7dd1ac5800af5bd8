"""Who was erased since a backup is erased again by a restore, before anything is served, by any
kind of erasure."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.bootstrap import build
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent
from chalicelib.domain.audit_events import Kind as ActKind
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Face, Profile
from chalicelib.privacy.erasure.again import Receipt, parse_receipt
from chalicelib.privacy.erasure_progress import RECEIPTS
from chalicelib.privacy.signing import fingerprint
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.records.merges import UNDONE_WITHIN
from chalicelib.storage.values import moment_of_text, time_text
from regulars import folder
from regulars.backup import receipts
from regulars.backup.backup import backup, fill_folder, hold_empty_folder
from regulars.backup.owed import Ask, Owed, Questions, Step, note_owed, read_owed
from regulars.backup.restoring import end_restore, list_books
from regulars.cli import main
from regulars.errors import OperatorError, UnfinishedRestore
from regulars.privacy import wait_for_erasures
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.erased_tenant import finished, traces
from tests.support.book.person import left, worked_off
from tests.support.fakes import RULES, UNHURRIED, FakeClock, FakeVision, Person, picture
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Killed

Captured = pytest.CaptureFixture[str]
NAME = "Zacharias"
ANN, OTHER, STAYS = 1, 2, 3
DAY = timedelta(days=1)


class Kind(Struct, frozen=True):
    """A kind of erasure.

    `before`: what was so at the backup; `erase`: how the person, whose face is `ann`, goes.
    """

    erase: Callable[[Book], object]
    before: Callable[[Book], object] = lambda _: None
    stays: bool = False
    """Whether the id is somebody else's, who stays."""


def ask_for_erasure(book: Book) -> object:
    return book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)


def lift_and_ask(book: Book) -> object:
    book.services.faces.holds.lift(book.tenant, "ann", "closed")
    return ask_for_erasure(book)


def merged_and_asked(book: Book) -> object:
    book.services.merges.merging.merge(book.tenant, "other", "ann")
    return book.services.deletion.delete_faces(book.tenant, ["other"], by="first", erase=True)


def with_its_group(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.services.deletion.groups.delete(book.tenant, "vip", by="first")
    book.services.deletion.groups.continue_tenant(book.tenant, lambda: 600.0)


def in_a_group(book: Book) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    book.services.enrolment.update.change_face(
        book.tenant, "ann", FaceChanges(new_group_name="vip")
    )


def consented(book: Book) -> None:
    until = book.clock.now() + DAY
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.services.consents.set(
        book.tenant, "ann", Consent(Basis.CONSENT, book.clock.now(), "form", expires_at=until)
    )


def swept_after(days: int) -> Callable[[Book], None]:
    def sweep(book: Book) -> None:
        book.clock.advance(days * DAY)
        book.services.erasure.retention.sweep_tenant(book.tenant, is_confirmed=True)

    return sweep


def kept_shortly(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True, "regular_days": 5})


def deleted_and_asked(book: Book) -> object:
    book.services.deletion.delete_faces(book.tenant, ["ann"])
    worked_off(book)
    return book.services.erasure.erase_gone_face(book.tenant, "ann", by="first")


def deleted(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["ann"])
    worked_off(book)


def given_to_another(book: Book) -> None:
    deleted(book)
    book.enrol(Person(STAYS), faceid="ann")


def erase_former(book: Book) -> object:
    return book.services.erasure.erase_gone_face(book.tenant, "ann", by="first")


def given_away_and_asked(book: Book) -> object:
    given_to_another(book)
    book.clock.advance(DAY)
    return erase_former(book)


def merged_long_ago_and_asked(book: Book) -> object:
    """After 30 days only the audit knows the merge; of faces that are many, a further record is
    then made."""
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/faces/{id}/merge", "key first", ActKind.CHANGE, "shop")
    ):
        book.services.merges.merging.merge(book.tenant, "other", "ann")
    book.clock.advance(UNDONE_WITHIN + DAY)
    book.sweep()
    book.services.erasure.steps.most_named = 1
    return book.services.deletion.delete_faces(book.tenant, ["other"], by="first", erase=True)


KINDS = {
    "asked for": Kind(ask_for_erasure),
    "by the setting": Kind(
        lambda book: book.services.deletion.delete_faces(book.tenant, ["ann"]),
        lambda book: book.services.tenants.change_settings("shop", {"deletes_erase": True}),
    ),
    "restricted": Kind(
        ask_for_erasure, lambda book: book.services.restrictions.set(book.tenant, "ann", "letter")
    ),
    "held then": Kind(
        lift_and_ask, lambda book: book.services.faces.holds.set(book.tenant, "ann", "case 7")
    ),
    "merged since": Kind(merged_and_asked),
    "with a group": Kind(with_its_group, in_a_group),
    "consent expired": Kind(swept_after(3), consented),
    "kept no longer": Kind(swept_after(9), kept_shortly),
    "deleted since": Kind(deleted_and_asked),
    "deleted before": Kind(erase_former, deleted),
    "id of another now": Kind(erase_former, given_to_another, stays=True),
    "id of another since": Kind(given_away_and_asked),
    "merged long ago": Kind(merged_long_ago_and_asked),
    "a whole tenant": Kind(
        lambda book: (book.services.erasure.of_tenants.begin("shop", "operator"), finished(book))
    ),
}


A_TENANT = "a whole tenant"
OF_PEOPLE = {name: kind for name, kind in KINDS.items() if name != A_TENANT}


def restore_after(kind: Kind, place: Path) -> tuple[list[Receipt], Face]:
    """Live in a book, back it up, erase by its kind, and restore the backup into `place/again`.

    Return the receipts, and the face of `ann` as it was at first.
    """
    file = place / "backups" / "box.tar"
    file.parent.mkdir()
    with closing(Book(place / "data")) as book:
        # as the first entry of `regulars tenants add` makes it
        book.services.audit.signing.read_public_keys("shop")
        face = book.enrol(Person(ANN), faceid="ann", name=NAME)
        book.enrol(Person(OTHER), faceid="other")
        book.see(shot(0, ANN), shot(60, ANN, 7))
        kind.before(book)
        books = [book.tenant.app_id]
        backup(book.services.settings, file)
        book.clock.advance(DAY)
        kind.erase(book)
        if kind is not KINDS[A_TENANT]:
            worked_off(book)
            book.sweep()
            worked_off(book)
            book.clock.advance(DAY)  # the night ends what nobody asked for
            book.services.erasure.steps.continue_all(book.tenant)
        assert receipts.write_beside(book.services, file.parent) > 0
    restore_owing_erasures(place / "again", file)
    return receipts.read_receipts([str(file.parent)], books), face


def restore_owing_erasures(again: Path, file: Path) -> None:
    """Copy a backup's files into a folder whose list says that erasures are left to do."""
    owed = Owed(str(file), MONDAY, (Step.FILES, Step.ERASURES), (str(file.parent),))
    with hold_empty_folder(again):
        fill_folder(again, file, owed, lambda owed: owed)


def redo(restored: Book, again: Path, ask_to_leave: Ask = lambda _: False) -> list[str]:
    """Do what the folder's list says is left."""
    owed = read_owed(again)
    assert owed
    return list(end_restore(restored.services, owed, Questions(ask_to_leave=ask_to_leave)))


def begin_all(services: Services, found: list[Receipt]) -> None:
    """Do again what a redo does that is killed just before it notes that it is done."""
    again = services.erasure.again
    people = again.read_people("shop")
    ids = [id_ for one in again.list_unknown(found) for id_ in again.begin(one, people)]
    wait_for_erasures(services, services.tenants.get_by_name("shop"), ids, alone=True)


def faceid_of(book: Book, seed: int) -> str | None:
    match = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(seed)), RULES
    ).match
    return match and match.face.faceid


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nobody_who_was_erased_since_is_in_a_restored_book(kind: Kind, tmp_path: Path) -> None:
    again = tmp_path / "again"
    found, face = restore_after(kind, tmp_path)
    with closing(Book(again)) as restored:
        with pytest.raises(UnfinishedRestore, match=r"left: erasures.*restore --finish"):
            folder.require_finished(again)
        restored.clock.advance(40 * DAY)
        templates = {f"template {n}": one.vector for n, one in enumerate(face.templates)}
        name = (
            {}
            if kind.stays
            else {"id": b'"ann"', "name": NAME.encode(), "term": NAME.lower().encode()}
        )
        wanted = {**templates, **name}
        assert kind.stays or left(restored, wanted) != []
        redo(restored, again)
        folder.require_finished(again)
        assert left(restored, wanted) == []
        if restored.services.tenants.find("shop") is None:
            assert traces(restored) == []
            return
        assert faceid_of(restored, ANN) is None
        assert restored.services.erasure.again.list_unknown(found) == []
        assert restored.disagreements() == []
        if kind.stays:
            assert faceid_of(restored, STAYS) == "ann"
        assert list(receipts.redo_erasures(restored.services, found)) == [], "each is done once"


@pytest.mark.parametrize("kind", OF_PEOPLE.values(), ids=OF_PEOPLE)
def test_a_redo_that_is_cut_off_before_its_end_does_the_same_when_repeated(
    kind: Kind, tmp_path: Path
) -> None:
    found, _ = restore_after(kind, tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        restored.clock.advance(40 * DAY)
        for _ in range(2):
            begin_all(restored.services, found)
            assert faceid_of(restored, ANN) is None
            assert faceid_of(restored, STAYS) == ("ann" if kind.stays else None)
        list(receipts.redo_erasures(restored.services, found))
        assert restored.services.erasure.again.list_unknown(found) == []
        assert faceid_of(restored, STAYS) == ("ann" if kind.stays else None)
        assert kind.stays or left(restored, {"id": b'"ann"', "name": NAME.encode()}) == []


def test_who_has_the_id_stays_though_nothing_of_the_former_is_left(tmp_path: Path) -> None:
    found, _ = restore_after(KINDS["id of another now"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        restored.clock.advance(40 * DAY)
        erase_former(restored)
        worked_off(restored)
        list(receipts.redo_erasures(restored.services, found))
        assert faceid_of(restored, STAYS) == "ann"


# --- an id that somebody else has since
# -------------------------------------------------------------------------------


def served_and_given_away(book: Book, seed: int) -> None:
    """Go on with a restored book as if nobody had been erased; enrol somebody with the id of Ann,
    who was deleted."""
    book.clock.advance(40 * DAY)
    deleted(book)
    book.enrol(Person(seed), faceid="ann", name="Later")
    book.services.faces.holds.set(book.tenant, "ann", "case 8")


def test_who_was_enrolled_later_with_the_id_stays_and_what_the_former_left_goes(
    tmp_path: Path,
) -> None:
    found, face = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        served_and_given_away(restored, STAYS)
        for _ in range(2):
            begin_all(restored.services, found)
            there = restored.services.faces.get(restored.tenant, "ann")
            assert (there.name, there.hold is None, faceid_of(restored, STAYS)) == (
                "Later",
                False,
                "ann",
            )
        assert len(list(receipts.redo_erasures(restored.services, found))) == 0, (
            "the former is gone since before"
        )
        own = list(restored.services.merges.mover.list_observations(restored.tenant, "ann"))
        assert min(one.at for one in own) == there.enrolled_at, "the later one keeps the own"
        assert left(restored, {"template": face.templates[0].vector, "name": NAME.encode()}) == []
        assert restored.disagreements() == []


def test_who_was_enrolled_later_while_the_clock_ran_behind_is_taken_for_the_former(
    tmp_path: Path,
) -> None:
    """Nobody can tell: a person's pictures change between a backup and the erasure."""
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        deleted(restored)
        face = restored.enrol(Person(STAYS), faceid="ann")
        assert face.enrolled_at < moment_of_text(found[0].statement["asked_at"])
        restored.clock.advance(40 * DAY)
        list(receipts.redo_erasures(restored.services, found))
        assert faceid_of(restored, STAYS) is None


def test_a_later_erasure_of_the_id_takes_whom_an_earlier_one_leaves(tmp_path: Path) -> None:
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        served_and_given_away(restored, STAYS)
        restored.services.faces.holds.lift(restored.tenant, "ann", "closed")
        restored.clock.advance(DAY)
        asked_at = time_text(restored.clock.now())
        said = {**found[0].statement, "id": "9", "asked_at": asked_at, "done_at": asked_at}
        later = parse_receipt(restored.services.audit.signing.sign_statement("shop", said))
        assert later is not None
        restored.clock.advance(DAY)
        list(receipts.redo_erasures(restored.services, [*found, later]))
        assert "ann" not in restored.faceids()


def test_who_was_brought_back_by_the_same_picture_is_erased_whatever_the_clock_says(
    tmp_path: Path,
) -> None:
    """An import of an old file enrols anew; and a clock that was wrong then may say that somebody
    came later."""
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        served_and_given_away(restored, ANN)
        list(receipts.redo_erasures(restored.services, found))
        assert "ann" not in restored.faceids()


def test_erase_again_lists_nobody_who_has_the_id_since(tmp_path: Path, capsys: Captured) -> None:
    restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        served_and_given_away(restored, STAYS)
    (tmp_path / "again" / folder.UNFINISHED).unlink()
    files = map(str, (tmp_path / "backups" / RECEIPTS).rglob("*.json"))
    assert (
        main(
            [
                "erase",
                "--data",
                str(tmp_path / "again"),
                "--tenant",
                "shop",
                "--yes",
                "--again",
                *files,
            ]
        )
        == 0
    )
    assert "no person of these receipts is in the book" in capsys.readouterr().out


def test_a_book_of_before_the_first_key_asks_whether_to_leave_out_whom_nobody_can_find(
    tmp_path: Path,
) -> None:
    """Whoever trusts the signer by name would else believe that it is done."""
    file, again = tmp_path / "backups" / "box.tar", tmp_path / "again"
    file.parent.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(ANN), faceid="ann", name=NAME)
        backup(book.services.settings, file)
        ask_for_erasure(book)
        worked_off(book)
        receipts.write_beside(book.services, file.parent)
        found = receipts.read_receipts([str(file.parent)], [book.tenant.app_id])
    restore_owing_erasures(again, file)
    owed = read_owed(again)
    assert owed
    note_owed(again, replace(owed, keys=(fingerprint(found[0].signer),)))
    asked: list[str] = []

    def answer(is_left: bool) -> Ask:
        return lambda question: bool(asked.append(question)) or is_left

    with closing(Book(again)) as restored:
        restored.clock.advance(DAY)
        with pytest.raises(InvalidInput, match="a key that this book never had"):
            redo(restored, again, answer(is_left=False))
        with pytest.raises(UnfinishedRestore, match="left: erasures"):
            folder.require_finished(again)
        assert f"shop: receipt {found[0].id} is left out" in redo(
            restored, again, answer(is_left=True)
        )
        folder.require_finished(again)
        assert len(asked) == 2
        assert f"the receipt of erasure {found[0].id} of shop" in asked[0]
        assert restored.services.erasure.again.list_unknown(found) == []
        assert restored.faceids() == ["ann"], "by her id, as the question says"


def of_another_key(services: Services, receipt: Receipt) -> Receipt:
    """A receipt like another, whose faces a key hashed that this book never had."""
    faces = {**receipt.statement["faces"], "key": "0" * 64}
    made = parse_receipt(
        services.audit.signing.sign_statement(
            "shop", {**receipt.statement, "id": "9", "faces": faces}
        )
    )
    assert made is not None
    return made


@pytest.mark.parametrize("name", ["app_id", "asked_at", "faces", "removed"])
def test_a_signed_receipt_that_lacks_something_is_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    statement = {key: value for key, value in found[0].statement.items() if key != name}
    with closing(Book(tmp_path / "again")) as restored:
        signed = restored.services.audit.signing.sign_statement("shop", statement)
        with pytest.raises(InvalidInput, match=f"no {name}"):
            parse_receipt(signed)


def test_a_receipt_that_cannot_be_done_stops_no_other(tmp_path: Path) -> None:
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        restored.clock.advance(40 * DAY)
        mine = [of_another_key(restored.services, found[0]), *found]
        with pytest.raises(InvalidInput, match=r"erasure 9 of shop erases nobody.*A restore then"):
            list(receipts.redo_erasures(restored.services, mine))
        assert "ann" not in restored.faceids()
        assert restored.services.erasure.again.list_unknown(mine) == mine[:1]
        assert list(receipts.redo_erasures(restored.services, mine, (), lambda _: True)) == [
            "shop: receipt 9 is left out"
        ]


def test_nobody_is_asked_about_a_receipt_that_can_be_done(tmp_path: Path) -> None:
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    asked: list[Receipt] = []
    with closing(Book(tmp_path / "again")) as restored:
        restored.clock.advance(40 * DAY)
        list(
            receipts.redo_erasures(
                restored.services, found, (), lambda receipt: bool(asked.append(receipt)) or True
            )
        )
        assert asked == []
        assert "ann" not in restored.faceids()


def test_a_receipt_names_its_faces_after_the_signing_key_was_lost(tmp_path: Path) -> None:
    found, _ = restore_after(KINDS["asked for"], tmp_path)
    with closing(Book(tmp_path / "again")) as restored:
        restored.clock.advance(40 * DAY)
        restored.services.audit.signing.renew_key("shop", is_lost=True)
        list(receipts.redo_erasures(restored.services, found))
        assert "ann" not in restored.faceids()


# --- where the receipts are
# -------------------------------------------------------------------------------------------


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    folder = tmp_path / "witness"
    folder.mkdir()
    return folder


def served_by(folder: Path, witness: str) -> Services:
    """A service on its folder, which gives heads and receipts to this witness."""
    settings = Settings(storage=folder, **UNHURRIED, witness=witness)
    clock = FakeClock()
    return build(settings, clock=clock, vision=FakeVision, vision_of=lambda _: FakeVision())


def test_a_folder_that_was_copied_back_is_not_served_while_the_witness_knows_more(
    tmp_path: Path, witness: Path
) -> None:
    """A restore by other means, as of a virtual machine's disk, has no mark: the witness knows."""
    data = tmp_path / "data"
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(ANN), faceid="ann")
    shutil.copytree(data, tmp_path / "disk")
    with closing(served_by(data, str(witness))) as services:
        tenant = services.tenants.get_by_name("shop")
        [id_] = services.deletion.delete_faces(tenant, ["ann"], by="first", erase=True).erasures
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        services.erasure.steps.go_on(tenant, id_)
        receipts.require_erasures_done(services, data)
        assert [one.stem for one in (witness / RECEIPTS).rglob("*.json")] == [id_]
    with closing(served_by(tmp_path / "disk", str(witness))) as services:
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        with pytest.raises(OperatorError, match=f"erasure {id_} of shop.*restore --finish"):
            receipts.require_erasures_done(services, tmp_path / "disk")
        found = receipts.read_receipts([str(witness)], list_books(services))
        assert list(receipts.redo_erasures(services, found)) == [
            f"shop: erased again by receipt {id_}"
        ]
        receipts.require_erasures_done(services, tmp_path / "disk")
        assert services.erasure.records.get("shop", id_).receipt is not None, (
            "the person's own receipt is there again"
        )
        assert len(list((witness / RECEIPTS).rglob("*.json"))) == 1, (
            "what was done again is no news"
        )
    with closing(served_by(tmp_path / "other", str(witness))) as services:
        services.tenants.add("shop", Profile.CLOUD)
        receipts.require_erasures_done(
            services, tmp_path / "other"
        )  # another box of the same witness, with the same name


def test_serve_refuses_a_folder_that_is_not_done(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        assert book.faceids() == []
    note_owed(tmp_path / "data", Owed("box.tar", MONDAY, (Step.ACCESSES, Step.ERASURES)))
    command = [
        sys.executable,
        "-m",
        "regulars",
        "serve",
        "--port",
        "0",
        "--data",
        str(tmp_path / "data"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "left: accesses, consents, holds and restrictions; erasures" in ended.stderr
    assert f"`regulars restore --finish --data {tmp_path / 'data'}` has finished it" in ended.stderr
    assert "ready" not in ended.stdout


def test_a_witness_that_is_away_gets_the_receipt_with_the_next_sweep_and_stops_no_start(
    tmp_path: Path,
) -> None:
    data, away = tmp_path / "data", tmp_path / "away"
    with closing(Book(data)) as book:
        book.enrol(Person(ANN), faceid="ann")
    with closing(served_by(data, str(away))) as services:
        tenant = services.tenants.get_by_name("shop")
        [id_] = services.deletion.delete_faces(tenant, ["ann"], by="first", erase=True).erasures
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        services.erasure.steps.go_on(tenant, id_)
        assert services.erasure.records.get("shop", id_).done_at is not None
        receipts.require_erasures_done(services, data)
        away.mkdir()
        services.erasure.steps.continue_all(tenant)
        services.erasure.steps.continue_all(tenant)
        assert [one.stem for one in away.rglob("*.json")] == [id_]


def test_the_commands_do_it_by_what_lies_beside_the_backup(
    tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(ANN), faceid="ann")
        book.enrol(Person(OTHER), faceid="other")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        for faceid in ("ann", "other"):
            book.services.deletion.delete_faces(book.tenant, [faceid], by="first", erase=True)
        worked_off(book)
    assert main(["backup", str(backups / "tuesday.tar"), "--data", str(data)]) == 0
    mine, *others = sorted((backups / RECEIPTS).rglob("[0-9]*.json"))
    assert len(others) == 1
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    said = capsys.readouterr().out
    assert f"shop: erased again by receipt {mine.stem}" in said
    assert "erasures are done again by 2 receipts" in said
    with closing(Book(again)) as book:
        assert book.faceids() == []
    get = ["call", "get-erasure", mine.stem, "--field", "receipt", "--data", str(again)]
    assert main(get) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(mine.read_text())
    finish = ["restore", "--finish", "--data", str(again), "--receipts", str(backups)]
    assert main(finish) == 1
    assert "nothing is left to do" in capsys.readouterr().err
    mine.write_text(mine.read_text().replace("first", "third"))
    asked = [
        "restore",
        str(backups / "monday.tar"),
        "--data",
        str(tmp_path / "third"),
    ]
    assert main(asked) == 1
    assert "is not as it was signed" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


def test_a_restore_that_was_cut_off_is_not_served_until_it_is_done(tmp_path: Path) -> None:
    """Killed at each of its writes, and done again by `restore --finish`."""
    backups = tmp_path / "backups"
    backups.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(ANN), faceid="ann", name=NAME)
        book.see(shot(0, ANN))
        backup(book.services.settings, backups / "box.tar")
        ask_for_erasure(book)
        worked_off(book)
        receipts.write_beside(book.services, backups)
    for fault in (KILLED, DONE_KILLED):
        for number in count(1):
            again, calls = tmp_path / f"{fault.name} {number}", Calls()
            restore_owing_erasures(again, backups / "box.tar")
            with closing(Book(again, wrap=calls.wrap)) as restored:
                restored.clock.advance(40 * DAY)
                calls.fail(number, fault, "items.transact")
                with suppress(Killed):
                    redo(restored, again)
            with closing(Book(again)) as restored:
                restored.clock.advance(40 * DAY)
                if calls.dead:
                    with pytest.raises(UnfinishedRestore):
                        folder.require_finished(again)
                    redo(restored, again)
                folder.require_finished(again)
                assert left(restored, {"id": b'"ann"', "name": NAME.encode()}) == [], (
                    fault,
                    number,
                )
            if not calls.dead:
                assert number > 5
                break
