"""Films of a count's checks, and what people answered, to items and back.

Both are JSON in zlib, so that an item of two hundred answers has some KB, and a film of the most
crowded minute less than the 400 KB that DynamoDB takes.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from chalicelib.domain.checks import CheckAnswer, Film, LeftOut, Line, Look, WaitingFilm, line_of
from chalicelib.domain.counts import Why
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from chalicelib.storage.values import milliseconds, moment


class StoredChecks(Struct, frozen=True):
    """A camera's checks. `waiting`: the film that nobody has answered; None: there is none."""

    waiting: WaitingFilm | None = None
    answers: tuple[CheckAnswer, ...] = ()
    """By the time of their minutes, the newest last."""
    left_out: tuple[LeftOut, ...] = ()


def checks_item(tenant: str, camera_id: str, checks: StoredChecks, version: int) -> Item:
    """Make the item of a camera's checks."""
    waiting = checks.waiting and _row_of(checks.waiting)
    answers, left_out = ([*map(_row_of, rows)] for rows in (checks.answers, checks.left_out))
    content = {"waiting": waiting, "answers": answers, "left_out": left_out}
    key = {"tenant": tenant, "item": keys.checks_item(camera_id)}
    return {**key, "version": version, "checks": _pack(content)}


def checks_from(item: Item | None) -> StoredChecks:
    """Read a camera's checks; without an item there are none."""
    if item is None:
        return StoredChecks()
    content = _unpack(item["checks"])
    waiting = content["waiting"] and _waiting_from(*content["waiting"])
    return StoredChecks(
        waiting,
        tuple(_answer_from(*row) for row in content["answers"]),
        tuple(_left_out_from(*row) for row in content.get("left_out", ())),
    )


def film_item(tenant: str, camera_id: str, film: Film) -> Item:
    """Make the item of the film that waits for an answer."""
    looks = [(look.ms, b64encode(look.moved).decode(), look.bodies) for look in film.looks]
    content = {
        "at": milliseconds(film.at),
        "seconds": film.seconds,
        "line": film.line,
        "looks": looks,
        "crossings": film.crossings,
        "walked": b64encode(film.walked).decode(),
    }
    return {"tenant": tenant, "item": keys.film_item(camera_id), "film": _pack(content)}


def film_from(item: Item) -> Film:
    content = _unpack(item["film"])
    return Film(
        moment(content["at"]),
        content["seconds"],
        line_of(content["line"]),
        tuple(
            Look(ms, b64decode(moved), tuple(map(tuple, bodies)))
            for ms, moved, bodies in content["looks"]
        ),
        tuple((ms, way) for ms, way in content["crossings"]),
        b64decode(content["walked"]),
    )


def _row_of(record: WaitingFilm | CheckAnswer | LeftOut) -> list[Any]:
    return [milliseconds(one) if isinstance(one, datetime) else one for one in record]


def _waiting_from(at_ms: int, line: Line, seconds: int, came_ms: int, *_: Any) -> WaitingFilm:
    return WaitingFilm(moment(at_ms), line_of(line), seconds, moment(came_ms))


def _left_out_from(at_ms: int, line: Line, left_ms: int, *_: Any) -> LeftOut:
    return LeftOut(moment(at_ms), line_of(line), moment(left_ms))


def _answer_from(
    at_ms: int,
    line: Line,
    counted: Sequence[int] | None,
    seen: Sequence[int],
    by: str,
    answered_ms: int,
    why: Why | None = None,
    *_: Any,
) -> CheckAnswer:
    """Read a row. What a later version has added behind it is passed over."""
    counted_pair = None if counted is None else (counted[0], counted[1])
    seen_pair = seen[0], seen[1]
    at, answered_at = moment(at_ms), moment(answered_ms)
    return CheckAnswer(at, line_of(line), counted_pair, seen_pair, by, answered_at, why)


def _pack(content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def _unpack(data: Any) -> Any:
    return json.loads(zlib.decompress(bytes(data)))
