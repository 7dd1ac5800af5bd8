"""Named values of a request as every dialect reads them: each name once, and JSON objects within limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chalicelib.core.errors import InvalidInput

Value = TypeVar("Value")

MAX_COMMAS = 20_000
"""Most commas of a JSON object, as a bound of its values. The largest requests have some hundred. While Python parses a
million, which is one step to it, no other request goes on."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Texts:
    """Texts by name. Unless a method says otherwise, an empty one counts as not sent."""

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise InvalidInput(f"{name} is missing or empty: it is required")
        return value


def each_once(pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Return the values by name. Raises InvalidInput if a name was sent twice."""
    values: dict[str, Value] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidInput(f"{name[:40]!r} was sent twice: send each name once")
        values[name] = value
    return values


def read_object(body: bytes, codec: str = "utf-8", **reads: Any) -> dict[str, Any]:
    """Parse a body that is a JSON object. Raises InvalidInput, as `read_value`, and if it is no object."""
    value = read_value(body, codec, **reads)
    if not isinstance(value, dict):
        raise InvalidInput(f"the body is a JSON object, not {described(value)}")
    return value


def read_value(body: bytes, codec: str = "utf-8", **reads: Any) -> Any:
    """Parse a body that is JSON. `reads`: how numbers and constants are read, as json.loads takes it.

    Raises InvalidInput if it is no JSON, has too many values, a name twice, half a surrogate pair, or U+FFFD, which is
    what a gateway puts in the place of bytes that are not UTF-8.
    """
    try:
        text = body.decode(codec).removeprefix("\ufeff")
        if text.count(",") > MAX_COMMAS:
            raise InvalidInput(f"a body may have up to {MAX_COMMAS} commas, and this one has more: send fewer values")
        value = json.loads(text, object_pairs_hook=each_once, **reads)
        is_whole = is_unicode(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON in {codec} ({str(error)[:100]}): send an object") from error
    if not is_whole:
        raise InvalidInput("the body holds half of a surrogate pair, which is no character: send whole ones")
    if "\ufffd" in text:
        raise InvalidInput("the body is not UTF-8, or holds U+FFFD, which stands for what is not: send UTF-8")
    return value


def is_unicode(text: str) -> bool:
    """Tell whether the text is free of half surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return not _SURROGATE.search(text)


def described(value: Any) -> str:
    """Describe the value that was sent, briefly enough for a sentence."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
