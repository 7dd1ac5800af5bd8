"""The machine's time."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The Clock port: the operating system's time, UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)
