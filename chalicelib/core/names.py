"""Names in the one form in which they are compared and stored."""

from __future__ import annotations

import unicodedata

GROUP_NAME_LENGTH = 96
"""Most characters of a group's name."""

_MOST_TO_ONE = 4
"""Most characters that NFC makes one, such as alpha with two accents and an iota below it."""


def composed(name: str, longest: int) -> str:
    """Return the name in Unicode NFC. One that would have more than `longest` characters anyway stays as it is.

    Normalising takes time with the square of a run of combining marks (CPython gh-149079): seconds for 100 KB.
    """
    return name if len(name) > _MOST_TO_ONE * longest else unicodedata.normalize("NFC", name)
