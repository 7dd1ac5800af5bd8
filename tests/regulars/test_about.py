"""`regulars about` writes all that is held about one person, named by a face or shown by a photo."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from regulars.about import face_of_photo

from regulars.cli import main
from regulars.errors import OperatorError
from tests.fakes import Person, picture
from tests.services.conftest import RULES
from tests.services.sightings.book import Book, shot


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Somebody is enrolled and seen, and so is somebody else."""
    with closing(Book(tmp_path / "data")) as book:
        book.services.enrolment.of_largest_face(book.tenant, "regular", picture(Person(1)), RULES, faceid="ann")
        book.see(shot(0, 1), shot(60, 2))
        yield book


def run(book: Book, *options: str) -> int:
    return main(["about", "--tenant", "shop", "--data", str(book.folder), *options])


def photo(book: Book, *people: Person) -> Path:
    file = book.folder.parent / "photo.jpg"
    file.write_bytes(picture(*people))
    return file


def test_the_file_is_about_the_person_and_for_its_owner_only(book: Book, tmp_path: Path) -> None:
    out = tmp_path / "ann.zip"
    assert run(book, "--face", "ann", "--out", str(out)) == 0
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("everything.json"))["face"] == "ann"
        assert archive.testzip() is None
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_photo_finds_the_person_and_is_no_visit(book: Book) -> None:
    before = book.observed()
    assert face_of_photo(book.services, book.tenant, photo(book, Person(1, side_px=98.0))) == "ann"
    assert face_of_photo(book.services, book.tenant, photo(book, Person(77))) is None
    assert book.observed() == before


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([Person(1), Person(2)], "shows 2 faces: send a photo of one person alone"),
        ([], "shows 0 faces"),
        ([Person(55, quality=3.0)], "cannot be compared: too poor"),
    ],
)
def test_a_photo_that_cannot_be_compared_is_refused_with_the_reason(
    book: Book, people: list[Person], said: str
) -> None:
    with pytest.raises(OperatorError, match=said):
        face_of_photo(book.services, book.tenant, photo(book, *people))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say who it is"),
        (["--face", "ann", "--photo", "x.jpg"], "say who it is"),
        (["--face", "nobody"], "'nobody'"),
    ],
)
def test_what_cannot_be_answered_is_said_and_leaves_no_file(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    out = tmp_path / "none.zip"
    assert run(book, *options, "--out", str(out)) != 0
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_is_there_is_not_written_over(book: Book, tmp_path: Path) -> None:
    out = tmp_path / "there.zip"
    out.write_text("mine")
    assert run(book, "--face", "ann", "--out", str(out)) == 1
    assert out.read_text() == "mine"
