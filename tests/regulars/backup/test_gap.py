"""After a restore somebody has to confirm that what ended between has been checked."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.book.week import ask_of_restore
from chalicelib.domain.errors import InvalidInput
from regulars.cli import main
from tests.support.book.book import Book
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(1), faceid="ann")
        book.services.audit.signing.read_public_keys("shop")
    assert main(["backup", str(tmp_path), "--data", str(tmp_path / "data")]) == 0
    [file] = tmp_path.glob("*.tar")
    return file


@pytest.fixture
def restored(backup: Path, tmp_path: Path) -> Iterator[Book]:
    assert main(["restore", str(backup), "--data", str(tmp_path / "again")]) == 0
    with closing(Book(tmp_path / "again")) as book:
        yield book


def test_the_gap_is_asked_about_until_somebody_confirms(
    restored: Book, tmp_path: Path, capsys: Captured
) -> None:
    since, until = restored.tenant.restore_gap.split("/")
    [document] = tmp_path.rglob("stands-*.json")
    assert since == json.loads(document.read_text())["statement"]["at"]
    assert since < until
    asked = f"what ended between {since} and {until} is not known"
    assert asked in " ".join(restored.tenant.asked), "serve and doctor say so"
    data = str(tmp_path / "again")
    [note] = ask_of_restore(restored.tenant)
    assert f"between {since[:16]} and {until[:16]} UTC" in note, "as each mail of a week says"
    assert main(["doctor", "--data", data]) in (0, 1)
    assert asked in capsys.readouterr().out
    assert main(["tenants", "set", "shop", "--set", "restore_gap=none", "--data", data]) == 0
    assert main(["doctor", "--data", data]) in (0, 1)
    assert "is not known" not in capsys.readouterr().out
    entries = restored.services.audit.chain.walk_entries("shop")
    assert [entry for entry in entries if "restore_gap" in str(entry.get("does", {}).get("sets"))]


def test_a_further_restore_asks_about_the_whole_time(
    restored: Book, backup: Path, tmp_path: Path
) -> None:
    first = restored.tenant.restore_gap
    restored.close()
    data, again = str(tmp_path / "again"), tmp_path / "third"
    assert main(["backup", str(tmp_path / "second.tar"), "--data", data]) == 0
    assert main(["restore", str(tmp_path / "second.tar"), "--data", str(again)]) == 0
    with closing(Book(again)) as book:
        since, until = book.tenant.restore_gap.split("/")
    assert since == first.partition("/")[0]
    assert until > first.partition("/")[2]
    assert backup.exists()


def test_new_secrets_in_place_leave_no_gap(backup: Path, tmp_path: Path) -> None:
    command = ["restore", "--finish", "--new-secrets", "--yes", "--data", str(tmp_path / "data")]
    assert main(command) == 0
    with closing(Book(tmp_path / "data")) as book:
        assert book.tenant.restore_gap == ""


def test_nobody_but_a_restore_sets_it(restored: Book) -> None:
    before = restored.tenant.restore_gap
    with pytest.raises(InvalidInput, match="can only be cleared"):
        restored.services.tenants.change_settings("shop", {"restore_gap": "a/b"})
    assert restored.tenant.restore_gap == before
    restored.clock.advance(timedelta(days=1))
    restored.services.tenants.change_settings("shop", {"restore_gap": ""})
    assert restored.tenant.restore_gap == ""
