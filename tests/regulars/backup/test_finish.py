"""A restore that is cut off anywhere, and then ended as the product prints, gives nothing back."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.model import Profile
from chalicelib.privacy.signing import canonical_json, new_key, sign_statement
from regulars import folder
from regulars.backup.backup import check_box_file, fill_folder, hold_empty_folder
from regulars.backup.owed import Owed, Questions, Step, hold_restore, note_owed, read_owed
from regulars.backup.receipts import write_beside
from regulars.backup.restoring import end_restore
from regulars.cli import main
from regulars.errors import UnusableFolder
from tests.support.book.book import MONDAY, Book
from tests.support.book.ended_shop import Shop, end_shop, make_shop, opens, require_nothing_back
from tests.support.book.person import worked_off
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with its backup, and beside that the document of a time when all of it had ended."""
    place = tmp_path_factory.mktemp("place")
    shop = make_shop(place)
    end_shop(shop, place / "later")
    later = str(shop.backup.with_name("tuesday.tar"))
    assert main(["backup", later, "--data", str(place / "later")]) == 0
    return shop


def begin_restore(
    shop: Shop, again: Path, sent: signal.Signals, at: str, file: Path | None = None
) -> str:
    """Begin a restore, and send it a signal once it prints a line; return all that it printed.

    On a busy machine it may be over before the signal comes.
    """
    command = [sys.executable, "-m", "regulars", "restore", str(file or shop.backup)]
    with subprocess.Popen(
        [*command, "--data", str(again)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if at in line and process.poll() is None:
                process.send_signal(sent)
        process.wait()
    return "".join(lines)


def cut_restore_off(
    shop: Shop, place: Path, sent: signal.Signals, at: str, file: Path | None = None
) -> Path:
    """Begin restores until the signal meets one that has something left; return its folder."""
    for number in range(9):
        again = place / f"again-{number}"
        begin_restore(shop, again, sent, at, file)
        if read_owed(again):
            return again
    pytest.fail("each restore was over before the signal came")


def do_what_is_printed(again: Path, capsys: Captured) -> str:
    """Ask to serve, and run the command that the refusal prints; return what that says."""
    assert main(["serve", "--port", "0", "--data", str(again)]) == 1
    refusal = capsys.readouterr().err
    printed = re.search(r"`regulars ([^`]+)`", refusal)
    assert printed, refusal
    assert main(shlex.split(printed[1])) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at", ["are copied", "is deleted", "sessions, invitations"])
def test_a_restore_that_is_killed_and_ended_as_printed_gives_nothing_back(
    shop: Shop, sent: signal.Signals, at: str, tmp_path: Path, capsys: Captured
) -> None:
    again = cut_restore_off(shop, tmp_path, sent, at)
    said = do_what_is_printed(again, capsys)
    assert "is as it was on" in said
    assert re.search(r"shop: keys, members, .* are as on", said), "it says what a restore says"
    require_nothing_back(again, shop)
    folder.require_finished(again)


def test_a_restore_that_was_killed_while_it_copied_begins_its_files_again(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    left = tuple(step for step in Step if step is not Step.SECRETS)
    backed_up_at = check_box_file(shop.backup).created_at
    note_owed(again, Owed(str(shop.backup), backed_up_at, left, (str(shop.backup.parent),)))
    (again / "blobs").mkdir()
    (again / "blobs" / "half").write_text("of a picture")
    do_what_is_printed(again, capsys)
    require_nothing_back(again, shop)
    assert not (again / "blobs" / "half").exists()


def test_another_backup_does_not_end_a_restore(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    note_owed(again, Owed(str(shop.backup), MONDAY, (Step.FILES, Step.LIFE)))
    assert main(["restore", "--finish", "--data", str(again)]) == 1
    assert "was started with" in capsys.readouterr().err
    assert read_owed(again), "the list stays"


def test_nothing_works_in_a_folder_whose_restore_has_not_ended_but_what_ends_it(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    shutil.copytree(shop.data, again)
    note_owed(again, Owed(str(shop.backup), MONDAY, (Step.ACCESSES,)))
    for command in (
        ["backup", str(tmp_path / "more.tar"), "--data", str(again)],
        ["tenants", "list", "--data", str(again)],
        ["folder", "copied", "--data", str(again)],
        ["restore", str(shop.backup), "--data", str(again)],
        ["serve", "--trial", "--port", "0", "--data", str(again)],
        ["today", "--data", str(again)],
    ):
        assert main(command) == 1, command
        assert "left: accesses" in capsys.readouterr().err, command


def test_a_list_of_an_earlier_version_is_not_ended_in_part(
    tmp_path: Path, capsys: Captured
) -> None:
    with closing(Book(tmp_path / "again")):
        pass
    (tmp_path / "again" / folder.UNFINISHED).write_text('{"receipts": ["/backups"]}\n')
    assert main(["restore", "--finish", "--data", str(tmp_path / "again")]) == 1
    assert "move the folder away, and restore the backup again" in capsys.readouterr().err


def test_what_nobody_knows_is_said_before_anything_is_copied(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    alone = Path(shutil.copy(shop.backup, tmp_path))
    arguments = [str(alone), "--data", str(tmp_path / "again")]
    assert main(["restore", *arguments]) == 0
    said = capsys.readouterr().out
    before, copied, _ = said.partition("are copied to")
    assert copied
    assert f"shop: key {shop.ids['deleted']} is open" in before
    assert "unless --new-secrets replaces all keys" in before


# --- two of everything: another box's backups and receipts beside this one's
# --------------------------------------------------------------------------


def lives_and_erases(data: Path, backups: Path, name: str) -> tuple[str, str]:
    """Make a box whose shop is called `shop`, back it up as `name`, take a key away, erase a guest
    and back it up again; return the secret of the key and the guest's face."""
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        guest = book.enrol(Person(len(name)), faceid="guest").faceid
        key, secret = book.services.access.keys.add(book.tenant, "thief")
    assert main(["backup", str(backups / f"{name}.tar"), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        book.services.access.keys.delete(book.tenant, key.id)
        book.services.deletion.delete_faces(book.tenant, [guest], by="first", erase=True)
        worked_off(book)
    assert main(["backup", str(backups / f"{name}-2.tar"), "--data", str(data)]) == 0
    return secret, guest


def test_a_box_is_restored_beside_another_boxs_backups(tmp_path: Path, capsys: Captured) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    secrets = {name: lives_and_erases(tmp_path / name, backups, name)[0] for name in ("a", "bb")}
    for name, secret in secrets.items():
        again = tmp_path / f"{name} again"
        arguments = [str(backups / f"{name}.tar"), "--data", str(again)]
        assert main(["restore", *arguments]) == 0
        said = capsys.readouterr()
        assert "--key" not in said.out + said.err
        assert "left aside" not in said.out
        with closing(Book(again)) as book:
            assert book.services.access.keys.find_by_api_key(secret) is None
            assert book.faceids() == []


def test_a_first_box_is_restored_at_its_branchs_witness(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, branch, backups, witness = (
        tmp_path / name for name in ("first", "branch", "backups", "witness")
    )
    backups.mkdir()
    witness.mkdir()
    monkeypatch.setenv("REGULARS_WITNESS", str(witness))
    with closing(Book(first)) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(1), faceid="ann")
        book.enrol(Person(2), faceid="bert")
    shutil.copytree(first, branch)
    assert main(["folder", "copied", "--data", str(branch)]) == 0
    assert main(["backup", str(backups / "first.tar"), "--data", str(first)]) == 0
    with closing(Book(branch)) as book:
        book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)
        worked_off(book)
        assert write_beside(book.services, witness) == 1
    again = tmp_path / "again"
    arguments = [str(backups / "first.tar"), "--data", str(again)]
    capsys.readouterr()
    assert main(["restore", *arguments]) == 0
    assert "--key" not in capsys.readouterr().out
    with closing(Book(again)) as book:
        assert sorted(book.faceids()) == ["ann", "bert"], "the branch's erasure is its own"


def test_a_receipt_that_lies_alone_and_is_another_boxs_is_left_aside(
    tmp_path: Path, capsys: Captured
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    lives_and_erases(tmp_path / "a", backups, "a")
    lives_and_erases(tmp_path / "bb", tmp_path, "bb")
    for number, receipt in enumerate((tmp_path / "receipts").rglob("[0-9]*.json")):
        shutil.copy(receipt, backups / f"erasure-{number}.json")
    arguments = [str(backups / "a.tar"), "--data", str(tmp_path / "again")]
    capsys.readouterr()
    assert main(["restore", *arguments]) == 0
    with closing(Book(tmp_path / "again")) as book:
        assert book.faceids() == []


# --- two at once, disks that are away, and what is told later
# --------------------------------------------------------------------------


def plan(shop: Shop, *left: Step) -> Owed:
    """Return the list of a restore that has these steps left; none: all but new secrets."""
    steps = left or tuple(step for step in Step if step is not Step.SECRETS)
    backed_up_at = check_box_file(shop.backup).created_at
    return Owed(str(shop.backup), backed_up_at, steps, (str(shop.backup.parent),))


def copy_shop(shop: Shop, again: Path, owed: Owed) -> None:
    """Copy the backup's files into a folder, and have the list say what is left."""
    with hold_empty_folder(again):
        fill_folder(again, shop.backup, owed, lambda planned: planned)


def see_what_opens(again: Path, shop: Shop) -> set[str]:
    with closing(Book(again)) as book:
        return opens(book.services, shop)


def test_nobody_ends_a_restore_that_another_process_does(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    copy_shop(shop, again, plan(shop))
    with hold_restore(again):
        assert main(["restore", "--finish", "--data", str(again)]) == 1
        assert "another process restores" in capsys.readouterr().err
        arguments = [str(shop.backup), "--data", str(again)]
        assert main(["restore", *arguments]) == 1
    do_what_is_printed(again, capsys)
    require_nothing_back(again, shop)


def test_a_book_that_was_begun_meanwhile_stays_as_it_is(shop: Shop, tmp_path: Path) -> None:
    again = tmp_path / "again"

    def begin_book(owed: Owed) -> Owed:
        raise AssertionError("nothing is looked at, since the folder is not empty any more")

    def restore() -> None:
        with hold_empty_folder(again):
            with closing(Book(again)) as book:
                book.enrol(Person(1), faceid="new")
            fill_folder(again, shop.backup, plan(shop), begin_book)

    with pytest.raises(UnusableFolder, match="is not empty"):
        restore()
    folder.require_finished(again)
    with closing(Book(again)) as book:
        assert book.faceids() == ["new"]


def test_a_restore_does_not_end_while_the_disk_of_its_documents_is_away(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    disk = tmp_path / "disk"
    shutil.copytree(shop.backup.parent, disk)
    again = cut_restore_off(shop, tmp_path, signal.SIGKILL, "are copied", disk / "monday.tar")
    receipts = disk / "receipts"
    receipts.rename(tmp_path / "away")
    assert main(["restore", "--finish", "--data", str(again)]) == 1
    assert "less is known than when the restore began" in capsys.readouterr().err
    assert see_what_opens(again, shop) >= {"deleted"}, "nothing is done, and nobody serves it"
    assert read_owed(again)
    (tmp_path / "away").rename(receipts)
    do_what_is_printed(again, capsys)
    require_nothing_back(again, shop)


def test_documents_that_are_told_later_are_done_though_that_step_was_over(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    alone = Path(shutil.copy(shop.backup, tmp_path))
    owed = replace(plan(shop, Step.FILES, Step.LIFE), file=str(alone), places=(str(tmp_path),))
    copy_shop(shop, again, owed)
    places = ["--receipts", str(shop.backup.parent)]
    assert main(["restore", "--finish", "--data", str(again), *places]) == 0
    assert "is deleted" in capsys.readouterr().out
    assert "deleted" not in see_what_opens(again, shop)


def test_a_backup_whose_disk_is_elsewhere_now_is_named_at_the_end(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again, disk, elsewhere = tmp_path / "again", tmp_path / "disk", tmp_path / "elsewhere"
    shutil.copytree(shop.backup.parent, disk)
    again.mkdir()
    file = disk / "monday.tar"
    note_owed(again, replace(plan(shop), file=str(file), places=(str(disk),)))
    disk.rename(elsewhere)
    disk.mkdir()
    assert main(["restore", "--finish", str(elsewhere / "monday.tar"), "--data", str(again)]) == 0
    require_nothing_back(again, shop)


def test_what_nobody_knows_is_said_again_if_it_was_cut_off_before_the_copy(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    alone = Path(shutil.copy(shop.backup, tmp_path))
    note_owed(again, replace(plan(shop), file=str(alone), places=(str(tmp_path),)))
    assert main(["restore", "--finish", "--data", str(again)]) == 0
    before, copied, _ = capsys.readouterr().out.partition("are copied to")
    assert copied
    assert f"shop: key {shop.ids['deleted']} is open" in before
    assert f"--data {again}`" in before, "the command is of the folder, not of a scratch"


def test_new_secrets_end_though_somebody_was_erased_since(tmp_path: Path, capsys: Captured) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    secret, _ = lives_and_erases(tmp_path / "a", backups, "a")
    again = tmp_path / "again"
    arguments = [str(backups / "a.tar"), "--data", str(again)]
    assert main(["restore", *arguments, "--new-secrets"]) == 0
    with closing(Book(again)) as book:
        assert book.services.access.keys.find_by_api_key(secret) is None
        assert book.faceids() == []


def test_a_receipt_that_a_stranger_signed_stops_a_restore_before_it_copies(
    tmp_path: Path, capsys: Captured
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    lives_and_erases(tmp_path / "a", backups, "a")
    with closing(Book(tmp_path / "a")) as book:
        app_id, life = book.tenant.app_id, book.tenant.life
    statement = {
        "kind": "erasure of a tenant",
        "id": "777",
        "tenant": "shop",
        "app_id": app_id,
        "by": "operator",
        "asked_at": "2030-01-01T00:00:00.000Z",
        "done_at": "2030-01-01T00:00:00.000Z",
        "counts": {},
    }
    forged = backups / "receipts" / app_id / "777.json"
    forged.write_bytes(canonical_json(sign_statement(statement, new_key()[0])))
    again = tmp_path / "again"
    arguments = [str(backups / "a.tar"), "--data", str(again)]
    capsys.readouterr()
    assert main(["restore", *arguments]) == 2
    assert "else take its file away" in capsys.readouterr().err
    assert not again.exists()
    assert main(["restore", "--finish", "--data", str(tmp_path / "a")]) == 2, "a healthy folder"
    folder.require_finished(tmp_path / "a")
    with closing(Book(tmp_path / "a")) as book:
        assert book.tenant.life == life


def test_a_healthy_folder_has_nothing_left_to_do(tmp_path: Path, capsys: Captured) -> None:
    data, backups = tmp_path / "data", tmp_path / "backups"
    backups.mkdir()
    lives_and_erases(data, backups, "a")
    with closing(Book(data)) as book:
        book.clock.advance(datetime.now(UTC) - book.clock.now())  # after the document's time
        with begin_audit_event(AuditEvent("something", "operator", Kind.CHANGE, "shop")):
            _, secret = book.services.access.keys.add(book.tenant, "kept")
        session, _ = book.services.access.sessions.begin_by_key(secret)
    capsys.readouterr()
    assert main(["restore", "--finish", "--data", str(data)]) == 1
    assert "nothing is left to do" in capsys.readouterr().err
    with closing(Book(data)) as book:
        assert book.services.access.sessions.find(session)


@pytest.mark.parametrize("is_used", [False, True], ids=["untouched", "used since"])
def test_a_snapshot_gives_nothing_back_that_the_witness_knows_to_be_over(
    is_used: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, snapshot, witness = tmp_path / "data", tmp_path / "snapshot", tmp_path / "witness"
    witness.mkdir()
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(1), faceid="guest")
        key, secret = book.services.access.keys.add(book.tenant, "thief")
    shutil.copytree(data, snapshot)
    with closing(Book(data)) as book:
        book.clock.advance(timedelta(days=1))
        book.services.access.keys.delete(book.tenant, key.id)
        book.services.deletion.delete_faces(book.tenant, ["guest"], by="first", erase=True)
        worked_off(book)
        write_beside(book.services, witness)
    if is_used:
        with closing(Book(snapshot)) as book:
            book.clock.advance(timedelta(days=2))
            with begin_audit_event(AuditEvent("something", "operator", Kind.CHANGE, "shop")):
                book.enrol(Person(5), faceid="later")
    monkeypatch.setenv("REGULARS_WITNESS", str(witness))
    assert main(["restore", "--finish", "--data", str(snapshot)]) == 0
    with closing(Book(snapshot)) as book:
        assert book.services.access.keys.find_by_api_key(secret) is None
        assert book.faceids() == (["later"] if is_used else [])


def test_a_restore_that_has_erased_a_whole_shop_again_is_ended(
    tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.tenants.add("other", Profile.CLOUD)
        for name in ("shop", "other"):
            book.services.audit.signing.read_public_keys(name)
    file = backups / "monday.tar"
    assert main(["backup", str(file), "--data", str(data)]) == 0
    receipt = ["--receipt", str(tmp_path / "other.json")]
    assert main(["tenants", "erase", "other", "--yes", "other", "--data", str(data), *receipt]) == 0
    left = tuple(step for step in Step if step is not Step.SECRETS)
    owed = Owed(str(file), check_box_file(file).created_at, left, (str(backups),))
    with hold_empty_folder(again):
        copied = fill_folder(again, file, owed, lambda planned: planned)
    with closing(Book(again)) as book:
        said = end_restore(book.services, copied, Questions())
        assert any("other: the whole tenant is erased again" in line for line in said)
        said.close()  # type: ignore[attr-defined] # it is a generator
    assert read_owed(again), "it was cut off before the step was struck"
    assert main(["restore", "--finish", "--data", str(again)]) == 0
    with closing(Book(again)) as book:
        assert [tenant.name for tenant in book.services.tenants.list_all()] == ["shop"]
