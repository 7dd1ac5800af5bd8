"""Lines of a log on a terminal."""

from __future__ import annotations

import logging


class TextLines(logging.Formatter):
    """A formatter for people.

    A terminal obeys nothing in it, and a message is one line: others' words may be in both. The
    lines of a failure below it are indented, so that none of them looks like one of the log.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text, message = super().format(record), self.formatMessage(record)
        lines = (message, *text.removeprefix(message).split("\n")[1:])
        return "\n    ".join(map(one_line, lines))


def one_line(text: str) -> str:
    """Return a text that no terminal obeys: control characters in it are spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
