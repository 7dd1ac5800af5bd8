from __future__ import annotations

import base64
import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import app
from chalicelib.adapters.embedded.leftovers import BACKUP_LOCK
from regulars.serve import folder
from regulars.serve.events import hand_over
from regulars.serve.gateway import Context
from tests.fakes import Person, picture
from tests.services.conftest import RULES
from tests.services.sightings.book import Book

SCHEDULED = {"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
HOURLY = {**SCHEDULED, "account": "0", "time": "2026-03-16T09:00:00Z", "region": "box", "resources": []}


def test_three_hours_after_its_deletion_template_and_name_are_in_no_file_of_a_box_that_runs_on(
    tmp_path: Path,
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        face = book.services.enrolment.of_largest_face(
            book.tenant, "regular", picture(Person(1)), RULES, name="Zacharias", note="Plays the theremin"
        )
        book.services.deletion.of_group(book.tenant, "regular", [face.faceid])
        app.provide.use(book.services)
        for _ in range(3):
            book.clock.advance(timedelta(hours=1))
            app.sweep(HOURLY, Context("sweep"))
            while hand_over(book.storage.index_queue, app.build_index, "build_index", limit=1, visibility_s=600) == 0.0:
                pass
        files = [path for path in book.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
        texts = (b"Zacharias", b"zacharias", b"theremin")
        needles = (face.templates[0].vector, base64.b64encode(face.templates[0].vector), *texts)
        assert [path.name for path in files if any(needle in path.read_bytes() for needle in needles)] == []


def test_what_killed_processes_left_goes_with_the_next_sweep(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        left = [book.folder / place for place in ("blobs/.temporary/a", "captures/.temporary/b", ".backup/copy/c")]
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"Zacharias")
            os.utime(path, (0, 0))
        with folder.locked(book.folder / BACKUP_LOCK):
            book.storage.wipe()
            assert [path for path in left if path.exists()] == [left[-1]]  # of a backup that is under way
        book.storage.wipe()
        assert [path for path in left if path.exists()] == []


def test_an_erasure_ends_without_what_a_killed_backup_copied(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        with folder.locked(book.folder / BACKUP_LOCK):  # as the backup held it until it was killed
            (book.folder / ".backup").mkdir()
        book.storage.scrub()
        assert not (book.folder / ".backup").exists()
