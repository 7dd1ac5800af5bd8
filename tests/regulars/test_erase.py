"""`regulars erase` beside a service that runs, again on a restored book, and the receipts that it writes."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from regulars.cli import main
from tests.fakes import Person, picture
from tests.services.conftest import RULES
from tests.services.sightings.book import Book, shot


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a shop where Ann and Bob are enrolled and were seen, and a backup of it beside."""
    with closing(Book(tmp_path / "data")) as book:
        for seed, faceid in ((1, "ann"), (2, "bob")):
            book.services.enrolment.of_largest_face(book.tenant, "regular", picture(Person(seed)), RULES, faceid=faceid)
        book.see(shot(0, 1), shot(60, 1, 2))
    shutil.copytree(tmp_path / "data", tmp_path / "restored")
    return tmp_path / "data"


@contextmanager
def served(folder: Path, at_each_erasure: Callable[[], None] = lambda: None) -> Iterator[Book]:
    """A service that has the steps done, and whose clock is ahead: nothing has to be waited for."""
    with closing(Book(folder)) as book:
        book.clock.advance(datetime.now(UTC) - book.clock.now() + timedelta(minutes=5))
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.wait(0.1):
                for erasure in book.services.erasure.records.unfinished("shop"):
                    at_each_erasure()
                    book.services.erasure.steps.go_on(book.tenant, erasure.id)

        worker = threading.Thread(target=serve)
        worker.start()
        try:
            yield book
        finally:
            is_over.set()
            worker.join()


def run(folder: Path, *options: str) -> int:
    return main(["erase", "--tenant", "shop", "--data", str(folder), *options])


def erased(data: Path) -> Path:
    """Erase Ann; returns the receipt."""
    receipt = data.parent / "receipt.json"
    with served(data) as book:
        assert run(data, "--face", "ann", "--receipt", str(receipt)) == 0
        assert [face.faceid for face in book.faces()] == ["bob"]
    return receipt


def test_a_face_is_erased_and_its_receipt_verified(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = erased(data)
    assert f"regulars receipt verify {receipt}" in capsys.readouterr().out
    assert main(["receipt", "key", "--tenant", "shop", "--data", str(data)]) == 0
    fingerprint = capsys.readouterr().out.split()[-1]
    assert main(["receipt", "verify", str(receipt), "--key", fingerprint]) == 0
    out = capsys.readouterr().out
    assert '"captures_hidden": 1' in out
    assert "ann" not in receipt.read_text()


def test_a_receipt_in_which_something_was_changed_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = erased(data)
    document = json.loads(receipt.read_text())
    document["statement"]["counts"]["captures_hidden"] = 0
    receipt.write_text(json.dumps(document))
    capsys.readouterr()
    assert main(["receipt", "verify", str(receipt)]) == 1
    assert "was changed" in capsys.readouterr().err
    assert run(data, "--again", str(receipt)) == 1
    assert "was changed" in capsys.readouterr().err


def test_whom_a_restored_backup_brings_back_is_erased_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt, restored = erased(data), data.parent / "restored"
    monkeypatch.chdir(data.parent)
    with served(restored) as book:
        assert {face.faceid for face in book.faces()} == {"ann", "bob"}
        assert run(restored, "--again", str(receipt), "--again", str(receipt)) == 0
        assert {face.faceid for face in book.faces()} == {"bob"}
        assert not book.services.consistency.disagreements("shop")
        capsys.readouterr()
        assert run(restored, "--again", str(receipt)) == 0
        assert "nobody of these receipts is in the book" in capsys.readouterr().out
    [again] = data.parent.glob("erasure-*.json")
    assert main(["receipt", "verify", str(again)]) == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "name the person by --face, or by the receipts"),
        (["--face", "ann", "--again", "receipt.json"], 2, "name the person by --face, or by the receipts"),
        (["--again", "a.json", "--receipt", "b.json"], 2, "--receipt goes with --face"),
        (["--face", "nobody"], 1, "there is no face 'nobody'"),
        (["--again", "missing.json"], 1, "missing.json"),
    ],
)
def test_what_cannot_be_done_is_said_and_nobody_is_erased(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    assert run(data, *options) == code
    assert said in capsys.readouterr().err
    with closing(Book(data)) as book:
        assert {face.faceid for face in book.faces()} == {"ann", "bob"}


def test_nobody_is_erased_if_the_receipt_cannot_be_written(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = data.parent / "another.json"
    there.write_text("another receipt")
    for receipt, said in ((there, "is there already"), (data.parent / "none" / "r.json", "nobody is erased")):
        assert run(data, "--face", "ann", "--receipt", str(receipt)) == 1
        assert said in capsys.readouterr().err
    assert there.read_text() == "another receipt"
    with closing(Book(data)) as book:
        assert book.services.faces.find(book.tenant, "ann")


def test_a_receipt_goes_into_a_pipe(data: Path) -> None:
    reads, writes = os.pipe()
    with served(data):
        assert run(data, "--face", "ann", "--receipt", f"/dev/fd/{writes}") == 0
    os.close(writes)
    with os.fdopen(reads) as pipe:
        assert json.load(pipe)["statement"]["kind"] == "erasure"


def test_a_receipt_that_the_disk_has_no_room_for_is_printed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(data):
        assert run(data, "--face", "ann", "--receipt", "/dev/full") == 1
    said = capsys.readouterr()
    assert "cannot be written" in said.err
    receipt = data.parent / "kept.json"
    receipt.write_text(said.out.partition("\n")[2])
    assert main(["receipt", "verify", str(receipt)]) == 0


def test_the_place_of_a_receipt_is_taken_before_the_face_goes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, taken = data.parent / "places", list[list[int]]()
    places.mkdir()
    monkeypatch.chdir(places)

    def look() -> None:
        taken.append([path.stat().st_size for path in places.iterdir()])

    with served(data, at_each_erasure=look):
        assert run(data, "--face", "ann") == 0
        assert run(data, "--face", "bob", "--receipt", "receipt.json") == 0
    assert {len(sizes) for sizes in taken} == {1, 2}
    assert all(0 in sizes for sizes in taken)
    assert len(list(places.glob("erasure-*.json"))) == 1
    assert len(list(places.iterdir())) == 2


@pytest.mark.parametrize("options", [[], ["--receipt", "receipt.json"]])
def test_a_place_that_was_taken_for_a_receipt_is_free_again_if_nobody_is_erased(
    data: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(data.parent)
    before = sorted(data.parent.iterdir())
    assert run(data, "--face", "nobody", *options) == 1
    assert sorted(data.parent.iterdir()) == before
