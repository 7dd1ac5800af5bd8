"""What a restore would give back, said beforehand, is what it gives back."""

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.bootstrap import build
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import RegularsError
from chalicelib.privacy.standing import Point
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.backup.backup import check_box_file
from regulars.backup.owed import Owed, Step
from regulars.backup.preview import Book as ReadBook
from regulars.backup.preview import read_book, read_restored_books
from regulars.backup.restoring import open_records
from regulars.cli import main
from tests.support.book.book import MONDAY, Book
from tests.support.book.person import worked_off
from tests.support.fakes import Person

BEGIN = Point("", 0, {}, "")
Captured = pytest.CaptureFixture[str]


def act(book: Book, dice: random.Random, number: int) -> None:
    """Do one drawn act: give or take an access, or something of a person."""
    services, tenant = book.services, book.tenant
    ring, hooks, members = services.access.keys, services.webhooks.hooks, services.access.members
    faceid = dice.choice(["ann", "bert", "carl", "dora"])

    def drop_key() -> None:
        ring.delete(tenant, dice.choice(ring.list_all(tenant)).id)

    def drop_hook() -> None:
        hooks.delete("shop", dice.choice(list(hooks.list_all("shop"))).id)

    def drop_member() -> None:
        members.delete(tenant, dice.choice(list(members.list_all(tenant))).id)

    acts: list[Callable[[], object]] = [
        lambda: ring.add(tenant, f"key {number}", dice.choice(list(Role))),
        drop_key,
        lambda: hooks.add("shop", f"https://partner.example/{number}"),
        drop_hook,
        lambda: members.add(tenant, f"member {number}", Role.VIEWER),
        drop_member,
        lambda: book.enrol(Person(100 + number), faceid=f"new-{number}"),
        lambda: services.deletion.delete_faces(tenant, [faceid]),
        lambda: services.deletion.delete_faces(tenant, [faceid], by="first", erase=True),
        lambda: services.consents.set(tenant, faceid, Consent(Basis.CONSENT, MONDAY, "form")),
        lambda: services.consents.withdraw_consent(tenant, faceid),
        lambda: services.restrictions.set(tenant, faceid, "a letter"),
        lambda: services.tenants.change_settings("shop", {"strangers": "forget"}),
    ]
    try:
        dice.choice(acts)()
    except (RegularsError, IndexError):
        return  # nothing of the kind is there


def live(book: Book, dice: random.Random, count: int, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        act(book, dice, number)
    worked_off(book)


def predict(file: Path, scratch: Path) -> dict[str, ReadBook]:
    settings = Settings(storage=scratch.parent)
    left = tuple(step for step in Step if step is not Step.SECRETS)
    owed = Owed(str(file), check_box_file(file).created_at, left, (str(file.parent),))
    with open_records(settings, file, scratch) as services:
        return read_restored_books(services, owed)[1]


def read_all(services: Services) -> dict[str, ReadBook]:
    return {one.app_id: read_book(services, one) for one in services.tenants.list_all()}


def without_times(books: dict[str, ReadBook]) -> dict[str, ReadBook]:
    """Leave out when each was read, the life that a restore begins, and marks of the erased."""
    return {
        id_: replace(book, standing=replace(book.standing, at=MONDAY, point=BEGIN, faces={}))
        for id_, book in books.items()
    }


@pytest.mark.parametrize("seed", range(10))
def test_what_is_foretold_comes_back_and_nothing_else(
    seed: int, tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    dice = random.Random(seed)
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        for number, faceid in enumerate(("ann", "bert", "carl", "dora"), 1):
            book.enrol(Person(number), faceid=faceid)
        live(book, dice, 12)
    file = backups / "monday.tar"
    assert main(["backup", str(file), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        live(book, dice, 20, 12)
    if seed % 5:  # else nothing tells what ended since
        assert main(["backup", str(backups / "tuesday.tar"), "--data", str(data)]) == 0
    foretold = predict(file, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    assert main(["restore", str(file), "--data", str(again)]) == 0
    with closing(build(Settings(storage=again))) as services:
        assert without_times(read_all(services)) == without_times(foretold)


def test_the_command_names_what_the_book_of_today_lacks(tmp_path: Path, capsys: Captured) -> None:
    data, backups = tmp_path / "data", tmp_path / "backups"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
        book.enrol(Person(1), faceid="ann")
        with begin_audit_event(AuditEvent("add", "key first", Kind.CHANGE, tenant="shop")):
            gone, _ = book.services.access.keys.add(book.tenant, "gone")
    assert main(["backup", str(backups), "--data", str(data)]) == 0
    [file] = backups.glob("*.tar")
    shutil.copy(file, backups / "z.tar")
    (backups / "newer.tar").write_text("of something else")
    with closing(Book(data)) as book:
        book.services.deletion.delete_faces(book.tenant, ["ann"])
        book.services.access.keys.delete(book.tenant, gone.id)
    for document in backups.rglob("stands-*.json"):
        document.unlink()  # else the key ends again
    before = {path: path.stat().st_mtime_ns for path in data.iterdir() if path.is_file()}
    capsys.readouterr()
    assert main(["restore", "--preview", "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert f"shop: would come back: key {gone.id} is open (gone, viewer), made by key first" in said
    assert "shop: ann would be in the book again" in said
    assert {path.name for path in data.iterdir() if path.is_file()} >= {one.name for one in before}
    with closing(Book(data)) as book:
        assert book.services.access.keys.list_all(book.tenant)
        assert book.faceids() == []


def test_another_boxs_backup_is_not_taken_for_this_ones(tmp_path: Path, capsys: Captured) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    for name in ("mine", "others"):
        with closing(Book(tmp_path / name)):
            pass
        file = str(backups / f"{name}.tar")
        assert main(["backup", file, "--data", str(tmp_path / name)]) == 0
    capsys.readouterr()
    assert main(["restore", "--preview", "--data", str(tmp_path / "mine")]) == 0
    assert "mine.tar" in capsys.readouterr().out
    with closing(Book(tmp_path / "third")):
        pass
    assert main(["restore", "--preview", "--data", str(tmp_path / "third")]) == 1
    assert "there is no backup of this box" in capsys.readouterr().err
