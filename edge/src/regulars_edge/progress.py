"""A progress bar of one line, where somebody watches."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from regulars_edge.upload import Report

_WIDTH = 30
_EVERY_S = 0.2


class Bar:
    """Draws on a terminal only."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._next = 0.0
        self._drawn = False

    def show(self, report: Report) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        share = min(1.0, report.there / report.found) if report.found else 0.0
        bar = ("#" * round(share * _WIDTH)).ljust(_WIDTH, "-")
        rate = report.there / max(now - self._began, 0.001)
        self._stream.write(f"\r[{bar}] {report.there} of {report.found} pictures, {rate:.1f}/s \033[K")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        if self._drawn:
            self._stream.write("\n")
