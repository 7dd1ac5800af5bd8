"""The data folder that each release left is opened by this code: read, recognised by, verified, and
erased from."""

import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.version import VERSION
from regulars.cli import main
from tests.support.book.book import Book, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.examples import rest
from tests.support.fakes import RULES, Person, picture
from tests.support.releases import ENDING, FOLDER

pytestmark = rest

RELEASES = {file.name.removesuffix(ENDING): file for file in sorted(FOLDER.glob(f"*{ENDING}"))}


@pytest.fixture(params=RELEASES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(RELEASES[request.param]) as tar:
        tar.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


@pytest.fixture
def book(folder: Path) -> Iterator[Book]:
    with closing(Book(folder)) as opened:
        yield opened


def test_there_is_one_of_this_version() -> None:
    assert VERSION in RELEASES, "`python -m tests.releases.make` writes it"


def test_faces_visits_and_statistics_are_as_they_were_left(book: Book) -> None:
    faces = {face.faceid: face for face in book.faces()}
    assert (faces["anna"].name, faces["anna"].arrive_count, faces["ben"].arrive_count) == (
        "Anna Lee",
        3,
        0,
    )
    assert len(faces) == 4
    assert sum(book.observed().values()) == 3 + 5  # enrolments, sightings
    assert book.disagreements() == []


def test_who_was_enrolled_is_recognised_and_visits_go_on(book: Book) -> None:
    found = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(1)), RULES
    )
    assert found.match
    book.see(shot(72 * 60, 1, 5))
    assert next(face.arrive_count for face in book.faces() if face.faceid == "anna") == 4


def test_its_audit_is_verified_and_nothing_disagrees(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", "--tenant", "shop", "--data", str(folder)]) == 0
    assert "what is there is unchanged (" in capsys.readouterr().out
    with closing(Book(folder)) as book:
        assert list_disagreements(book.services, "shop") == []


def test_somebody_is_erased_from_it(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["anna"], erase=True)
    assert "anna" not in set(book.faceids())
    assert not book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(1)), RULES
    ).match
    assert book.services.audit.verifying.verify_tenant("shop").findings == []
