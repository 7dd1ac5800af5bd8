"""The server's watchdog: a process that hangs for a minute is ended and restarted, whatever the
cause.

systemd and containers start a process again that ends with an error, so nothing else has to watch
it. A timer of faulthandler's ends it if its loop does not turn: that needs neither the loop nor the
GIL.
"""

from __future__ import annotations

import faulthandler
import logging
import os

ENDS_AFTER_S = 60.0
"""How long the loop may stand still, in s; then the process ends, and is started again."""

_log = logging.getLogger(__name__)


class Watchdog:
    """A watchdog that ends the process, and logs why, if the server hangs for this number of
    seconds."""

    def __init__(self, ends_after_s: float = ENDS_AFTER_S) -> None:
        self._ends_after_s = ends_after_s

    def __enter__(self) -> Watchdog:
        self.note_turn(0.0, "")
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()

    def note_turn(self, still_s: float, lane_name: str) -> None:
        """Take note that the loop turns, and that a lane has been still for so long."""
        faulthandler.dump_traceback_later(self._ends_after_s, exit=True)
        if still_s >= self._ends_after_s:
            _log.critical(
                "for %d s no call of %s has ended: the server ends, to be started again",
                still_s,
                lane_name,
            )
            faulthandler.dump_traceback()
            os._exit(1)
