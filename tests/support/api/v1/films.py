"""Films of a camera's count, as its box sends them over v1."""

import base64
import random
from datetime import timedelta
from typing import Any

from chalicelib.domain.checks import Film, Look, line_of
from chalicelib.storage.values import moment_of_text
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.counting import NOON, minute, report

CHECKS = "/v1/cameras/door/checks"
FILM = "/v1/cameras/door/film"
LINE = [[0.1, 0.5], [0.9, 0.5]]
MOVED_BYTES, WALKED_BYTES = 162, 1_296


def time_of(ago: float) -> str:
    """The minute that began so many before noon, as v1 writes it."""
    at = NOON - timedelta(minutes=ago)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_film(ago: float = 30, **changes: Any) -> dict[str, Any]:
    """Two looks at somebody who comes in."""
    moved = base64.b64encode(bytes([0b10000000, *[0] * (MOVED_BYTES - 2), 1])).decode()
    looks = [
        {"ms": 200 * number, "moved": moved, "bodies": [[480, 100 * number, 90, 240, number % 2]]}
        for number in range(2)
    ]
    walked = base64.b64encode(bytes(range(256)) * 5 + bytes(16)).decode()
    return {
        "at": time_of(ago),
        "seconds": 60,
        "in": 1,
        "out": 0,
        "line": LINE,
        "grid": [48, 27],
        "looks": looks,
        "crossings": [{"ms": 200, "way": "in"}],
        "walked": walked,
        **changes,
    }


def make_stored_film(at: str) -> Film:
    """A film of two people, of whom one may be none."""
    bodies = ((480, 300, 90, 240, 1), (100, 500, 80, 220, 0))
    look = Look(0, bytes([0xF0] * MOVED_BYTES), bodies)
    walked = bytes(range(256)) * 5 + bytes(16)
    return Film(moment_of_text(at), 60, line_of(LINE), (look,), ((200, "in"),), walked)


def make_worst_film(ago: float = 30) -> dict[str, Any]:
    """More than a box sends: as many looks as may be, of which nothing can be packed."""
    drawn = random.Random(7)
    looks = [
        {
            "ms": drawn.randrange(60_000),
            "moved": base64.b64encode(drawn.randbytes(MOVED_BYTES)).decode(),
            "bodies": [[*drawn.choices(range(1_000), k=4), number % 2] for number in range(20)],
        }
        for _ in range(400)
    ]
    crossings = [{"ms": drawn.randrange(60_000), "way": "in"} for _ in range(1_000)]
    walked = base64.b64encode(drawn.randbytes(WALKED_BYTES)).decode()
    return make_film(ago, looks=looks, crossings=crossings, walked=walked)


def send_film(v1: V1Client, box: V1Client, ago: float = 30, **changes: Any) -> dict[str, Any]:
    """Ask for a film, and have the box send one."""
    v1.send("POST", CHECKS)
    film = make_film(ago, **changes)
    sent = box.send("PUT", FILM, film)
    assert sent.status == 204, sent
    return film


def check(
    v1: V1Client, box: V1Client, ago: float, counted: tuple[int, int] | None, seen: tuple[int, int],
    **changes: Any,
) -> Any:  # fmt: skip
    """Have a minute counted and filmed, and somebody say what they saw."""
    told = (None, None, None) if counted is None else (*counted, 0)
    report(box, minute(ago, *told, seconds=60))
    send_film(v1, box, ago, **changes)
    return v1.done("PUT", f"{CHECKS}/{time_of(ago)}", {"in": seen[0], "out": seen[1]})
