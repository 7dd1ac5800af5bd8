"""Logs on stderr, as text or as JSON lines; no secrets in what is shown or logged; and a tally of
what is dropped."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from regulars_client.redaction import HIDDEN as HIDDEN
from regulars_client.redaction import redact_text as redact_text
from regulars_client.redaction import redact_url as redact_url

from regulars_edge.picture import format_rfc3339


class Redaction(logging.Filter):
    """Redacts each log record whole, exceptions included, and the registered secrets by their
    value."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        if secret:
            self._secrets.add(secret)

    def text(self, text: str) -> str:
        for secret in tuple(self._secrets):  # another thread may add one meanwhile
            text = text.replace(secret, HIDDEN)
        return redact_text(text)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.text(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.text(record.exc_text)
        return True


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message"} and "exception" if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": format_rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:  # of `Redaction`
            row["exception"] = record.exc_text
        return json.dumps(row, ensure_ascii=False)


def log_to_stderr(form: str = "text", level: str = "info") -> Redaction:
    """Send all logs there; returns what hides secrets in them."""
    redaction = Redaction()
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(redaction)
    as_text = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else as_text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return redaction


log = logging.getLogger(__name__)

SAY_EVERY_S = 600.0
"""How often the log says the same reason at most, in s."""


class Dropped(Enum):
    """Reasons why pictures, or frames that were looked at, do not get to the service, by their
    names in metrics."""

    SPOOL_FULL = "there was no room for them"
    PER_MINUTE = "they were more than `per_minute` allows"
    NOT_CHOSEN = "`send` does not choose them"
    DAMAGED = "they were cut off"
    REFUSED = "the service refuses them"
    TOO_OLD = "they were not sent within `unsent_days`"
    OUT_OF_HOURS = "they are from outside of `capture_hours`, or nobody knows their hour"


@dataclass(eq=False)
class Tally:
    """The pictures dropped of one camera since this process began.

    May be used from several threads.
    """

    camera: str
    now: Callable[[], float] = time.monotonic
    _counts: Counter[Dropped] = field(default_factory=Counter, init=False)
    _said_at: dict[Dropped, float] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, reason: Dropped, number: int = 1) -> None:
        """Count them; of each reason the log has the first one, and then how many there were, now
        and then."""
        with self._lock:
            self._counts[reason] += number
            now, so_far = self.now(), self._counts[reason]
            if now - self._said_at.get(reason, float("-inf")) < SAY_EVERY_S:
                return
            self._said_at[reason] = now
        level = logging.INFO if reason is Dropped.NOT_CHOSEN else logging.WARNING
        log.log(level, "%s: %d left out since the start: %s", self.camera, so_far, reason.value)

    def counts(self) -> Mapping[Dropped, int]:
        with self._lock:
            return dict(self._counts)
