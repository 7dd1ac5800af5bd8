import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

import app
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK, remove_killed_backup
from regulars import folder
from regulars.serve.events import handle_messages
from regulars.serve.gateway import Context
from tests.support.book import person
from tests.support.book.book import Book, Shot, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person

SCHEDULED = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "detail": {},
}
HOURLY = {
    **SCHEDULED,
    "account": "0",
    "time": "2026-03-16T09:00:00Z",
    "region": "box",
    "resources": [],
}


def test_three_hours_after_its_deletion_template_and_name_are_in_no_file_of_a_box_that_runs_on(
    book: Book,
) -> None:
    face, wanted = person.live(book)
    book.see(shot(4 * person.DAY, person.EVA))  # an event with the name waits in a mailbox
    book.services.deletion.delete_faces(book.tenant, [face.faceid])
    app.provide.use(book.services)
    queue = book.storage.index_queue
    for _ in range(3):
        book.clock.advance(timedelta(hours=1))
        app.sweep(HOURLY, Context("sweep"))
        while (
            handle_messages(queue.receive(1, 600), queue, app.build_index, "build_index", 600)
            == 0.0
        ):
            pass
    gone = ("template", "mean", "name", "note")
    assert (
        person.left(book, {what: one for what, one in wanted.items() if what.startswith(gone)})
        == []
    )


def test_a_deletion_takes_along_what_shows_the_person_and_was_rejected_for_another(
    book: Book,
) -> None:
    first, mistaken = book.see(shot(0, 1), Shot(shot(200).at, (Person(1, side_px=91.0),)))
    faceid = first.sightings[0].faceid
    assert faceid
    book.services.sightings.rejection.reject(book.tenant, faceid, f"{mistaken.id}-0")
    assert book.services.faces.get(book.tenant, faceid).negatives == 1
    [other] = [face.faceid for face in book.faces() if face.faceid != faceid]
    book.services.deletion.delete_faces(book.tenant, [other])
    person.worked_off(book)
    assert book.services.faces.get(book.tenant, faceid).negatives == 0
    assert not list_disagreements(book.services, "shop")


def test_what_killed_processes_left_goes_with_the_next_sweep(book: Book) -> None:
    left = [
        book.folder / place
        for place in (
            *("blobs/.temporary/a", "captures/.temporary/b"),
            *("regulars.sqlite.anew", ".backup/copy/c"),
        )
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"Zacharias")
        os.utime(path, (0, 0))
    with folder.hold_lock(book.folder / BACKUP_LOCK):
        book.storage.wipe()
        # of a backup that is under way
        assert [path for path in left if path.exists()] == [left[-1]]
    book.storage.wipe()
    assert [path for path in left if path.exists()] == []


def test_an_erasure_ends_without_what_a_killed_backup_copied(book: Book) -> None:
    with folder.hold_lock(book.folder / BACKUP_LOCK):  # as the backup held it until it was killed
        (book.folder / ".backup").mkdir()
    book.storage.scrub()
    assert not (book.folder / ".backup").exists()


def test_what_was_deleted_leaves_the_database_even_if_leftovers_cannot_be_looked_at(
    book: Book,
) -> None:
    (book.folder / "blobs" / ".temporary").rmdir()
    log = book.folder / "regulars.sqlite-wal"
    assert log.stat().st_size > 0
    with pytest.raises(StorageUnavailable):
        book.storage.wipe()
    assert log.stat().st_size == 0


@contextmanager
def nobody() -> Iterator[None]:
    """Let root have no more rights than another user."""
    before = os.geteuid()
    os.seteuid(65_534 if before == 0 else before)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("is_locked_to_all", [False, True])
def test_what_another_user_left_of_a_backup_stops_nothing_and_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_locked_to_all: bool,
) -> None:
    monkeypatch.chdir(tmp_path)  # what is above is its owner's only
    tmp_path.chmod(0o755)
    lock, left = Path(BACKUP_LOCK), Path(BACKUP)
    lock.touch()
    lock.chmod(0 if is_locked_to_all else 0o644)
    with nobody(), caplog.at_level(logging.WARNING):
        remove_killed_backup(Path())
    assert caplog.messages == []
    (left / "copy").mkdir(parents=True)
    left.chmod(0)
    with nobody(), caplog.at_level(logging.WARNING):
        remove_killed_backup(Path())
    left.chmod(0o700)
    [said] = caplog.messages
    assert f"{left} cannot be deleted" in said
    assert f"user {left.stat().st_uid}" in said
