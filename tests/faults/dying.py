"""A worker of the one box that a picture kills: `python -m tests.faults.dying FOLDER STARTS`."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import app
from chalicelib.domain.pictures import PictureRules
from regulars.serve.events import MAX_BATCH, VISIBILITY_S, handle_messages
from tests.support.book.book import Book
from tests.support.fakes import FakeVision

DEADLY = b"[]  "
"""What kills: to others it is a picture of nobody."""


class Deadly(FakeVision):
    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        if picture == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read_picture(picture, rules)


def main(folder: Path, starts: int) -> None:
    """Do what `regulars serve` does: resume what was cut off, then work the queue off.

    `starts`: how often it was started before. Each time, what the one before held can be received
    again.
    """
    book = Book(folder, vision=Deadly())
    book.clock.advance(starts * timedelta(seconds=VISIBILITY_S))
    app.provide.use(book.services)
    book.services.watch.resume_all()
    queue = book.storage.captures_queue
    while (
        handle_messages(queue.receive(MAX_BATCH, VISIBILITY_S), queue, app.ingest, "ingest") == 0.0
    ):
        pass
    book.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
