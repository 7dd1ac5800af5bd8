"""What a check found, and what mends it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(NamedTuple):
    """One line: `says` what was found and, unless it is well, the command or setting that mends it."""

    level: Level
    subject: str
    says: str


def well(subject: str, says: str) -> Finding:
    return Finding(Level.OK, subject, says)


def warning(subject: str, says: str) -> Finding:
    return Finding(Level.WARNING, subject, says)


def failed(subject: str, says: str) -> Finding:
    return Finding(Level.FAILED, subject, says)
