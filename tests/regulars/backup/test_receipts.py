"""Who was erased since a backup is erased again by a restore, before anything is served, by any kind of erasure."""

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

from chalicelib.book.enrolment.enrolment import FaceChanges
from chalicelib.book.words.consent import Basis, Consent
from chalicelib.book.words.model import Profile
from chalicelib.bootstrap import build
from chalicelib.rights.words.erasures import RECEIPTS
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.backup import receipts
from regulars.backup.backup import backup, restore
from regulars.cli import main
from regulars.errors import OperatorError
from tests.support.book.book import Book, shot
from tests.support.book.erased_tenant import finished, traces
from tests.support.book.person import left, worked_off
from tests.support.fakes import RULES, UNHURRIED, FakeClock, FakeVision, Person, picture
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Killed

Captured = pytest.CaptureFixture[str]
NAME = "Zacharias"
ANN, OTHER, STAYS = 1, 2, 3
DAY = timedelta(days=1)


class Kind(Struct, frozen=True):
    """A kind of erasure. `before`: what was so at the backup; `erase`: how the person, whose face is `ann`, goes."""

    erase: Callable[[Book], object]
    before: Callable[[Book], object] = lambda _: None
    stays: bool = False
    """Whether the id is somebody else's, who stays."""


def ask_for_erasure(book: Book) -> object:
    return book.services.deletion.of_faces(book.tenant, ["ann"], by="first", erase=True)


def lift_and_ask(book: Book) -> object:
    book.services.faces.holds.lift(book.tenant, "ann", "closed")
    return ask_for_erasure(book)


def merged_and_asked(book: Book) -> object:
    book.services.merges.merging.merge(book.tenant, "other", "ann")
    return book.services.deletion.of_faces(book.tenant, ["other"], by="first", erase=True)


def with_its_group(book: Book) -> None:
    book.services.tenants.change("shop", {"deletes_erase": True})
    book.services.deletion.of_groups.delete(book.tenant, "vip", by="first")
    book.services.deletion.of_groups.tenant(book.tenant, lambda: 600.0)


def in_a_group(book: Book) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    book.services.enrolment.update.of_id(book.tenant, "ann", FaceChanges(new_group_name="vip"))


def consented(book: Book) -> None:
    until = book.clock.now() + DAY
    book.services.tenants.change("shop", {"expired_consent_erases": True})
    book.services.consents.set(book.tenant, "ann", Consent(Basis.CONSENT, book.clock.now(), "form", expires_at=until))


def swept_after(days: int) -> Callable[[Book], None]:
    def sweep(book: Book) -> None:
        book.clock.advance(days * DAY)
        book.services.erasure.retention.tenant(book.tenant, yes=True)

    return sweep


def kept_shortly(book: Book) -> None:
    book.services.tenants.change("shop", {"deletes_erase": True, "regular_days": 5})


def deleted_and_asked(book: Book) -> object:
    book.services.deletion.of_faces(book.tenant, ["ann"])
    worked_off(book)
    return book.services.erasure.of_gone(book.tenant, "ann", by="first")


def deleted(book: Book) -> None:
    book.services.deletion.of_faces(book.tenant, ["ann"])
    worked_off(book)


def given_to_another(book: Book) -> None:
    deleted(book)
    book.enrol(Person(STAYS), faceid="ann")


KINDS = {
    "asked for": Kind(ask_for_erasure),
    "by the setting": Kind(
        lambda book: book.services.deletion.of_faces(book.tenant, ["ann"]),
        lambda book: book.services.tenants.change("shop", {"deletes_erase": True}),
    ),
    "restricted": Kind(ask_for_erasure, lambda book: book.services.restrictions.set(book.tenant, "ann", "letter")),
    "held then": Kind(lift_and_ask, lambda book: book.services.faces.holds.set(book.tenant, "ann", "case 7")),
    "merged since": Kind(merged_and_asked),
    "with a group": Kind(with_its_group, in_a_group),
    "consent expired": Kind(swept_after(3), consented),
    "kept no longer": Kind(swept_after(9), kept_shortly),
    "deleted since": Kind(deleted_and_asked),
    "deleted before": Kind(lambda book: book.services.erasure.of_gone(book.tenant, "ann", by="first"), deleted),
    "id of another now": Kind(
        lambda book: book.services.erasure.of_gone(book.tenant, "ann", by="first"),
        given_to_another,
        stays=True,
    ),
    "a whole tenant": Kind(lambda book: (book.services.erasure.of_tenants.begin("shop", "operator"), finished(book))),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nobody_who_was_erased_since_is_in_a_restored_book(kind: Kind, tmp_path: Path) -> None:
    file, again = tmp_path / "backups" / "box.tar", tmp_path / "again"
    file.parent.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        book.services.audit.signing.public_keys("shop")  # as the first entry of `regulars tenants add` makes it
        face = book.enrol(Person(ANN), faceid="ann", name=NAME)
        book.enrol(Person(OTHER), faceid="other")
        book.see(shot(0, ANN), shot(60, ANN, 7))
        kind.before(book)
        backup(book.services.settings, file)
        book.clock.advance(DAY)
        kind.erase(book)
        if kind is not KINDS["a whole tenant"]:
            worked_off(book)
            book.sweep()
            worked_off(book)
        assert receipts.write_beside(book.services, file.parent) > 0
    found = receipts.read_receipts([str(file.parent)])
    restore(Settings(storage=again), file, mark=receipts.format_mark([str(file.parent)]))
    with closing(Book(again)) as restored:
        with pytest.raises(OperatorError, match="receipt redo"):
            receipts.require_done(restored.services, again)
        restored.clock.advance(40 * DAY)
        templates = {f"template {n}": one.vector for n, one in enumerate(face.templates)}
        name = {} if kind.stays else {"id": b'"ann"', "name": NAME.encode(), "term": NAME.lower().encode()}
        wanted = {**templates, **name}
        assert kind.stays or left(restored, wanted) != []
        list(receipts.redo(restored.services, found))
        receipts.require_done(restored.services, again)
        assert left(restored, wanted) == []
        if restored.services.tenants.find("shop") is None:
            assert traces(restored) == []
            return
        match = restored.services.recognition.face_analysis.by_picture(
            restored.tenant, picture(Person(ANN)), RULES
        ).match
        assert match is None
        assert restored.services.erasure.again.unknown(found) == []
        assert restored.disagreements() == []
        if kind.stays:
            there = restored.services.recognition.face_analysis.by_picture(
                restored.tenant, picture(Person(STAYS)), RULES
            ).match
            assert there is not None
            assert there.face.faceid == "ann"
        assert list(receipts.redo(restored.services, found)) == [], "each is done once"


# --- where the receipts are -------------------------------------------------------------------------------------------


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
        book.services.audit.signing.public_keys("shop")
        book.enrol(Person(ANN), faceid="ann")
    shutil.copytree(data, tmp_path / "disk")
    with closing(served_by(data, str(witness))) as services:
        tenant = services.tenants.get_by_name("shop")
        [id_] = services.deletion.of_faces(tenant, ["ann"], by="first", erase=True).erasures
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        services.erasure.records.go_on(tenant, id_)
        receipts.require_done(services, data)
        assert [one.stem for one in (witness / RECEIPTS).rglob("*.json")] == [id_]
    with closing(served_by(tmp_path / "disk", str(witness))) as services:
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        with pytest.raises(OperatorError, match=f"erasure {id_} of shop.*receipt redo --data"):
            receipts.require_done(services, tmp_path / "disk")
        found = receipts.read_receipts(receipts.places_of(tmp_path / "disk", services))
        assert list(receipts.redo(services, found)) == [f"shop: erased again by receipt {id_}"]
        receipts.require_done(services, tmp_path / "disk")
        assert services.erasure.records.get("shop", id_).receipt is not None, "the person's own receipt is there again"
        assert len(list((witness / RECEIPTS).rglob("*.json"))) == 1, "what was done again is no news"
    with closing(served_by(tmp_path / "other", str(witness))) as services:
        services.tenants.add("shop", Profile.CLOUD)
        receipts.require_done(services, tmp_path / "other")  # another box of the same witness, with the same name


def test_serve_refuses_a_folder_that_is_not_done(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        assert book.faceids() == []
    (tmp_path / "data" / receipts.MARK).write_text(receipts.format_mark([str(tmp_path)]))
    command = [sys.executable, "-m", "regulars", "serve", "--port", "0", "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"`regulars receipt redo --data {tmp_path / 'data'}` does them" in ended.stderr
    assert "ready" not in ended.stdout


def test_a_witness_that_is_away_gets_the_receipt_with_the_next_sweep_and_stops_no_start(tmp_path: Path) -> None:
    data, away = tmp_path / "data", tmp_path / "away"
    with closing(Book(data)) as book:
        book.enrol(Person(ANN), faceid="ann")
    with closing(served_by(data, str(away))) as services:
        tenant = services.tenants.get_by_name("shop")
        [id_] = services.deletion.of_faces(tenant, ["ann"], by="first", erase=True).erasures
        services.clock.advance(DAY)  # type: ignore[attr-defined] # the test's clock
        services.erasure.records.go_on(tenant, id_)
        assert services.erasure.records.get("shop", id_).done_at is not None
        receipts.require_done(services, data)
        away.mkdir()
        services.erasure.records.tenant(tenant)
        services.erasure.records.tenant(tenant)
        assert [one.stem for one in away.rglob("*.json")] == [id_]


def test_the_commands_do_it_by_what_lies_beside_the_backup(tmp_path: Path, capsys: Captured) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.audit.signing.public_keys("shop")
        book.enrol(Person(ANN), faceid="ann")
        book.enrol(Person(OTHER), faceid="other")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        for faceid in ("ann", "other"):
            book.services.deletion.of_faces(book.tenant, [faceid], by="first", erase=True)
        worked_off(book)
    assert main(["backup", str(backups / "tuesday.tar"), "--data", str(data)]) == 0
    mine, *others = sorted((backups / RECEIPTS).rglob("*.json"))
    assert len(others) == 1
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again), "--after", "none"]) == 0
    said = capsys.readouterr().out
    assert f"shop: erased again by receipt {mine.stem}" in said
    assert "erasures are done again by 2 receipts" in said
    with closing(Book(again)) as book:
        assert book.faceids() == []
    assert main(["receipt", "get", mine.stem, "--tenant", "shop", "--data", str(again)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(mine.read_text())
    assert main(["receipt", "redo", "--data", str(again), str(backups)]) == 0
    assert "nobody of these receipts is in the book" in capsys.readouterr().err
    mine.write_text(mine.read_text().replace("first", "third"))
    asked = ["restore", str(backups / "monday.tar"), "--data", str(tmp_path / "third"), "--after", "none"]
    assert main(asked) == 1
    assert "is not as it was signed" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


def test_a_restore_that_was_cut_off_is_not_served_until_it_is_done(tmp_path: Path) -> None:
    """Killed at each of its writes, and done again by `receipt redo`."""
    backups = tmp_path / "backups"
    backups.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        book.services.audit.signing.public_keys("shop")
        book.enrol(Person(ANN), faceid="ann", name=NAME)
        book.see(shot(0, ANN))
        backup(book.services.settings, backups / "box.tar")
        ask_for_erasure(book)
        worked_off(book)
        receipts.write_beside(book.services, backups)
    found = receipts.read_receipts([str(backups)])
    for fault in (KILLED, DONE_KILLED):
        for number in count(1):
            again, calls = tmp_path / f"{fault.name} {number}", Calls()
            restore(Settings(storage=again), backups / "box.tar", mark=receipts.format_mark([str(backups)]))
            with closing(Book(again, wrap=calls.wrap)) as restored:
                restored.clock.advance(40 * DAY)
                calls.fail(number, fault, "items.transact")
                with suppress(Killed):
                    list(receipts.redo(restored.services, found))
            with closing(Book(again)) as restored:
                restored.clock.advance(40 * DAY)
                if calls.dead:
                    with pytest.raises(OperatorError):
                        receipts.require_done(restored.services, again)
                    list(
                        receipts.redo(
                            restored.services, receipts.read_receipts(receipts.places_of(again, restored.services))
                        )
                    )
                receipts.require_done(restored.services, again)
                assert left(restored, {"id": b'"ann"', "name": NAME.encode()}) == [], (fault, number)
            if not calls.dead:
                assert number > 5
                break
