"""Texts that people read in English and Chinese. chalicelib/words has a file a kind of page, with both languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh"]

_FOLDER = Path(__file__).resolve().parents[1] / "words"


@cache
def words_of(kind: str, language: str) -> Mapping[str, str]:
    """Return the words of a kind of page, by what they say."""
    found: Mapping[str, str] = json.loads((_FOLDER / f"{kind}.json").read_text(encoding="utf-8"))[language]
    return found
