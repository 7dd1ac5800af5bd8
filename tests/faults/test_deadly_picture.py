"""A picture that kills the process which opens it."""

import hashlib
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.book.captures.redrive import MAX_ATTEMPTS
from chalicelib.domain.captures import Capture, CaptureState, capture_id
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from tests.faults.dying import DEADLY
from tests.support.book.book import MONDAY, Book, shot

pytestmark = pytest.mark.disk


def put_deadly(book: Book) -> Capture:
    at, sha256 = MONDAY - timedelta(minutes=1), hashlib.sha256(DEADLY).hexdigest()
    id_ = capture_id("shop", "door", at, sha256)
    capture = Capture(id_, "door", at, sha256, len(DEADLY), "image/jpeg", CaptureState.WANTED)
    book.storage.uploads.put_if_absent(
        keys.capture_picture("shop", "door", id_), DEADLY, "image/jpeg"
    )
    book.storage.items.transact(
        [Put(keys.CAPTURES, capture_item("shop", capture, book.clock.now()))]
    )
    return capture


def test_a_picture_that_kills_its_worker_is_parked_and_all_others_are_resolved(
    tmp_path: Path,
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        deadly = put_deadly(book)
        others = [book.put(shot(minutes, seed)) for minutes, seed in ((-2, 1), (0, 2), (1, 3))]
    ends = []
    for starts in range(MAX_ATTEMPTS + 3):
        command = [sys.executable, "-m", "tests.faults.dying", str(tmp_path / "data"), str(starts)]
        done = subprocess.run(command, timeout=180)
        ends.append(done.returncode)
        if done.returncode == 0:
            break
    assert ends == [-signal.SIGKILL] * MAX_ATTEMPTS + [0]
    with closing(Book(tmp_path / "data")) as book:
        parked = book.services.captures.get(book.tenant, "door", deadly.id)
        assert parked.state is CaptureState.PARKED
        assert f"opened {MAX_ATTEMPTS} times" in parked.reason
        for capture in others:
            assert (
                book.services.captures.get(book.tenant, "door", capture.id).state
                is CaptureState.RESOLVED
            )
