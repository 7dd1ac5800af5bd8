"""The end of a process by SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def call_on_signals(act: Callable[[int], object]) -> None:
    """Call `act` with the number of each SIGTERM and SIGINT that comes, in a thread of its own.

    Nothing is done in the handler, which may interrupt this thread while it holds a lock that `act`
    needs: Python writes the signal's byte into a pipe.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def await_signals() -> None:
        while came := os.read(reading, 1):
            act(came[0])

    threading.Thread(target=await_signals, name="signals", daemon=True).start()


def stop_on_signals() -> threading.Event:
    """Return the event that a signal sets to ask this process to stop.

    A second signal ends it at once.
    """
    event = threading.Event()

    def stop(number: int) -> None:
        if event.is_set():
            os._exit(128 + number)
        event.set()

    call_on_signals(stop)
    return event
