"""Sources of frames, and a gate that is open while something moves in another source."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from regulars_edge.errors import EdgeError
from regulars_edge.frames import Frame
from regulars_edge.pace import Backoff

if TYPE_CHECKING:
    from regulars_edge.choose.chooser import Chooser


class Source(Protocol):
    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        """Frames as they come, None as a sign of life in between, until `stop`, or until there are
        no more.

        Raises SourceFailed if the camera does not answer; the caller may begin again.
        """
        ...


log = logging.getLogger(__name__)

OPEN_S = 3.0
"""How long the gate stays open after a motion: people stand still, and look into the camera; and a
face counts as gone only if it is missing for two seconds (choose/by_face.py), for which frames have
to come."""


@dataclass(eq=False)
class MotionGate:
    """A gate, open while something moves, and if the small stream cannot be read: nobody shall be
    missed."""

    source: Source
    chooser: Chooser
    now: Callable[[], float] = time.monotonic
    _sees: bool = field(default=False, init=False)
    _moved_at: float = field(default=float("-inf"), init=False)

    def is_open(self) -> bool:
        return not self._sees or self.now() - self._moved_at < OPEN_S

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the small stream, in a thread, until the block is left."""
        stop = threading.Event()
        threading.Thread(target=self.watch, args=(stop,), name="gate", daemon=True).start()
        try:
            yield
        finally:
            stop.set()

    def watch(self, stop: threading.Event) -> None:
        """Look for motion until `stop` is set; each motion opens the gate.

        While the stream cannot be read, the gate stays open. It is tried again after 1 s, then
        after longer and longer waits, up to 60 s.
        """
        backoff = Backoff(base_s=1.0, cap_s=60.0)
        while not stop.is_set():
            try:
                for _ in self.chooser.choose(self._watch_frames(stop, backoff)):
                    self._moved_at = self.now()
            except EdgeError as error:
                wait_s = backoff.count_failure()
                log.error(
                    "no motion can be seen: %s; all frames count until it can; next try in %.0f s",
                    error,
                    wait_s,
                )
                stop.wait(wait_s)
            finally:
                self._sees = False

    def _watch_frames(self, stop: threading.Event, backoff: Backoff) -> Iterator[Frame]:
        for frame in self.source.frames(stop):
            if frame is not None:
                self._sees = True
                backoff.reset_failures()
                yield frame
