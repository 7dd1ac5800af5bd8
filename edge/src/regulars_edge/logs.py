"""Logs on stderr, as text or as JSON lines, without secrets."""

from __future__ import annotations

import json
import logging
import sys

from regulars_edge.picture import rfc3339
from regulars_edge.redact import Redaction


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message"} and "exception" if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            row["exception"] = record.exc_text
        return json.dumps(row, ensure_ascii=False)


def to_stderr(form: str = "text", level: str = "info") -> Redaction:
    """Send all logs there; returns what hides secrets in them."""
    redaction = Redaction()
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(redaction)
    if form == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return redaction
