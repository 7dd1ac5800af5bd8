"""Findings about a machine or an account: a line each, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from chalicelib.storage.values import one_line


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNASKED = "unasked"
    """Not tested, so nothing is known."""


class Finding(NamedTuple):
    """One line: `says` what was found and, unless it is well, the command or setting that fixes
    it."""

    level: Level
    subject: str
    says: str


well, warning, failed, unasked = (partial(Finding, level) for level in Level)


def print_findings(findings: Iterable[Finding]) -> int:
    """Print findings; return the exit code."""
    worst = 0
    for level, subject, sentence in findings:
        print(one_line(f"{level:<8} {subject:<8} {sentence}"), flush=True)
        worst |= level is Level.FAILED
    return worst
