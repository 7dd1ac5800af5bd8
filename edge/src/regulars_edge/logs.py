"""Logs on stderr, as text or as JSON lines; and no secrets in whatever is shown or logged."""

from __future__ import annotations

import json
import logging
import re
import sys

from regulars_edge.picture import rfc3339

_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+(?:@[^/@\s'\"]+)*@")
_BEARER = re.compile(r"(?i)\b(bearer|basic|digest)\s+[^\s,'\"]+")
_SIGNED = re.compile(r"(?i)\b(x-amz-(?:signature|credential|security-token)|signature|token|password|pwd)=[^&\s'\"]+")

HIDDEN = "***"


def redacted(text: str) -> str:
    """`text` without the user part of URLs, without authorization values and signatures of presigned URLs.

    >>> redacted("rtsp://admin:pa@ss@10.0.0.9/live?password=x")
    'rtsp://***@10.0.0.9/live?password=***'
    """
    text = _USERINFO.sub(f"{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _SIGNED.sub(rf"\1={HIDDEN}", text)


class Redaction(logging.Filter):
    """Redacts each log record whole, exceptions included, and the secrets it was told of by their value."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        if secret:
            self._secrets.add(secret)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return redacted(text)

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
            "time": rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:  # of `Redaction`
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
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return redaction
