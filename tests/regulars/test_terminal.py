"""Terminals of operators: what a server, a broker or a camera said moves no cursor, paints nothing
and writes no line of its own."""

import logging
import sys

import pytest

from regulars.cli import main
from regulars.errors import OperatorError
from regulars.findings import failed, print_findings
from regulars.serve.logs import TextLines

SAID = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egood\u2028\x85\n2026-01-01 00:00:00 INFO    all is well"
)
"""A title, a cleared screen, a colour, a line written over, letters that run backwards, and a line
that looks like one of the log."""


def assert_plain(text: str) -> None:
    """Assert that a text is one line that a terminal shows as it is."""
    [line] = text.rstrip("\n").split("\n")
    assert line.isprintable(), ascii(line)
    assert "good" in line


def test_a_finding_of_doctor_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([failed("mail", f"the server said {SAID}")])
    assert_plain(capsys.readouterr().out)


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", SAID]) != 0
    assert_plain(capsys.readouterr().err)


def test_a_line_of_the_log_is_one_line() -> None:
    record = logging.LogRecord("foe", logging.WARNING, "", 1, "it said %s", (SAID,), None)
    assert_plain(TextLines().format(record))


def test_the_lines_of_a_failure_are_plain() -> None:
    try:
        raise OperatorError(SAID)
    except OperatorError:
        record = logging.LogRecord("foe", logging.ERROR, "", 1, "it failed", (), sys.exc_info())
    lines = TextLines().format(record).rstrip("\n").split("\n")
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)


def test_a_failure_writes_no_line_of_the_log() -> None:
    forged = "2026-11-30 09:00:00 INFO    erased by operator: all is well"
    try:
        raise OperatorError(f"the camera said: x\n{forged}")
    except OperatorError:
        record = logging.LogRecord("foe", logging.ERROR, "", 1, "it failed", (), sys.exc_info())
    lines = TextLines().format(record).rstrip("\n").split("\n")
    assert forged in lines[-1]
    assert [line for line in lines if not line.startswith(" ")] == lines[:1]
