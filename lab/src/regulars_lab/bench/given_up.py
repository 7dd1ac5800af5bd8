"""Times of a tenant's calls beside somebody whose requests are given up at random moments.

    python -m regulars_lab.bench.given_up [--seconds N] [--per-second N] [--json FILE]

The other has no key. It opens connections, sends each a request by a made-up key, and resets it a
random moment later. It opens as many as it can, or so many a second: a million in an hour are 278.
It has one processor of its own if there are two, and the service and its tenant have the others.
The tenant calls ten times a second, on one connection and on a new one in turn: alone, beside the
other at another address, and at its own. A call is lost if its connection is refused or closed
without an answer.
"""

from __future__ import annotations

import http.client
import math
import multiprocessing
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import asdict

from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.bench.measuring import parser, write

AT_ONCE, LONGEST_S = 400, 0.05
EVERY_S, TIMEOUT_S = 0.1, 30.0
TENANT, OTHER = "127.0.0.1", "127.0.0.2"
RESETS = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER of no time: closing resets the connection."""


class Calls(Struct):
    """Outcome of a tenant's calls. `times_ms`: of those that were answered."""

    beside: str
    given_up: int = 0
    lost: int = 0
    times_ms: list[float] = field(default_factory=list)

    def share(self, share: float) -> float:
        """Return the time within which so many were answered."""
        times_ms = sorted(self.times_ms)
        return (
            times_ms[min(len(times_ms) - 1, int(share * len(times_ms)))]
            if times_ms
            else float("inf")
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if no call was lost."""
    options = parser("given_up", __doc__)
    options.add_argument(
        "--seconds", type=float, default=60, help="of each part (default: %(default)s)"
    )
    options.add_argument(
        "--per-second",
        type=float,
        default=math.inf,
        help="requests given up (default: as many as can be)",
    )
    arguments = options.parse_args(argv)
    before = os.sched_getaffinity(0)
    own, *others = sorted(before)
    os.sched_setaffinity(0, others or [own])
    with (
        tempfile.TemporaryDirectory() as folder,
        service.run_service(Path(folder), log_level="error") as running,
    ):
        key = credentials.read_credentials(running.data)["shop"].api_key
        port = urlsplit(running.url).port or 0
        parts = [
            measure_calls("nobody", arguments.seconds, port, key),
            measure_calls(
                "another address", arguments.seconds, port, key, OTHER, own, arguments.per_second
            ),
            measure_calls(
                "its own address", arguments.seconds, port, key, TENANT, own, arguments.per_second
            ),
        ]
    os.sched_setaffinity(0, before)
    print(
        f"{'beside':16s} {'given up':>9s} {'answered':>9s} {'lost':>5s} {'p50 ms':>8s} "
        f"{'p99 ms':>8s}"
    )
    for one in parts:
        print(
            f"{one.beside:16s} {one.given_up:9d} {len(one.times_ms):9d} {one.lost:5d} "
            f"{one.share(0.5):8.1f} {one.share(0.99):8.1f}"
        )
    write({"parts": [asdict(one) for one in parts]}, arguments.json)
    return int(any(one.lost for one in parts))


def measure_calls(
    beside: str,
    seconds: float,
    port: int,
    key: str,
    address: str = "",
    processor: int = 0,
    per_second: float = math.inf,
) -> Calls:
    """Call for so many seconds, beside requests from the address that are given up."""
    calls, given_up = Calls(beside), multiprocessing.Value("q", 0)
    other = multiprocessing.Process(
        target=gives_up, args=(port, address, processor, per_second, given_up), daemon=True
    )
    if address:
        other.start()
    kept = http.client.HTTPConnection(TENANT, port, timeout=TIMEOUT_S)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for called in (lambda: ask_session(kept, key), lambda: on_a_new_one(port, key)):
            began = time.monotonic()
            note_call(calls, called)
            time.sleep(max(0.0, began + EVERY_S - time.monotonic()))
    kept.close()
    if address:
        other.terminate()
        other.join()
    calls.given_up = given_up.value
    return calls


def note_call(calls: Calls, call: Callable[[], bool]) -> None:
    began = time.monotonic()
    try:
        is_answered = call()
    except (OSError, http.client.HTTPException):
        is_answered = False
    if is_answered:
        calls.times_ms.append((time.monotonic() - began) * 1000)
    else:
        calls.lost += 1


def ask_session(connection: http.client.HTTPConnection, key: str) -> bool:
    connection.request("GET", "/v1/session", headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status == http.client.OK


def on_a_new_one(port: int, key: str) -> bool:
    connection = http.client.HTTPConnection(TENANT, port, timeout=TIMEOUT_S)
    try:
        return ask_session(connection, key)
    finally:
        connection.close()


def gives_up(
    port: int, address: str, processor: int, per_second: float, count: Synchronized[int]
) -> None:
    """Open connections from the address for ever, so many a second, and reset each at a random
    moment."""
    os.sched_setaffinity(0, [processor])
    began, opened = time.monotonic(), 0
    waiting: list[tuple[float, socket.socket]] = []
    while True:
        while len(waiting) < AT_ONCE and opened < (time.monotonic() - began) * per_second:
            opened += 1
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            client.settimeout(LONGEST_S)
            with suppress(OSError):
                client.bind((address, 0))
                client.connect((TENANT, port))
                client.sendall(
                    b"GET /v1/session HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer rk_%032x\r\n"
                    b"\r\n" % random.getrandbits(128)
                )
            waiting.append((time.monotonic() + random.random() * LONGEST_S, client))
        if not math.isinf(per_second):
            time.sleep(0.001)
        now = time.monotonic()
        for _, client in (over := [one for one in waiting if one[0] < now]):
            client.close()
        count.value += len(over)
        waiting = [one for one in waiting if one[0] >= now]


if __name__ == "__main__":
    raise SystemExit(main())
