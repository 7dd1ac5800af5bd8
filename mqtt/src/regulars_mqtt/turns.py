"""Turns of several programs with one mailbox: the one that was started first works, the others wait
until it ends.

Each publishes its presence on one topic, with its *rank*: its start time, and a random number.
Nothing is retained there. A program that hangs publishes nothing, so the next one takes its place.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import time
from collections.abc import Callable

from regulars_mqtt.broker import Broker

EVERY_S = 5.0
"""How often a program says that it is there."""

_SILENT_AFTER = 4
"""Times of `EVERY_S` after which a program is gone that has said nothing."""

SETTLE_S = 1.0
"""How long a program waits for an answer after it connected, before it works."""

_log = logging.getLogger(__name__)


def parse_turn(payload: bytes) -> tuple[str, str] | None:
    """Read the rank of a program, and its host as a log may have it; None: another one wrote
    this."""
    try:
        said = json.loads(payload)
        rank, host = str(said["rank"]), str(said["host"])[:100]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return rank, "".join(character for character in host if character.isprintable())


class Turns:
    """The turn of this program among those of one mailbox, at `topic`.

    `every_s`, `settle_s`: as the constants.
    """

    def __init__(
        self, broker: Broker, topic: str, *, every_s: float = EVERY_S, settle_s: float = SETTLE_S
    ) -> None:
        """Begin to listen; the broker connects later."""
        self._broker, self._topic = broker, topic
        self._every_s, self._settle_s = every_s, settle_s
        self._rank = f"{time.time_ns():020d}-{secrets.token_hex(8)}"
        self._connection_number, self._settled_at, self._told_at = 0, 0.0, 0.0
        self._senior, self._senior_heard_at = "", 0.0
        broker.listen(topic, self._hear)

    def step(self) -> float:
        """Say that this program is there; return the seconds until the next step."""
        now = time.monotonic()
        if self._connection_number != self._broker.connections:
            self._connection_number, self._told_at = self._broker.connections, 0.0
            self._settled_at = now + self._settle_s
        if self._broker.is_listening and now >= self._told_at + self._every_s:
            self._tell()
        if self._senior and now > self._senior_heard_at + _SILENT_AFTER * self._every_s:
            _log.info("the other one, %s, has ended: this one goes on", self._senior)
            self._senior = ""
        return min(self._settle_s, self._every_s) / 4

    @property
    def is_mine(self) -> bool:
        """Tell whether this program may work: since it connected it has waited for an answer, and
        none came."""
        has_settled = (
            self._connection_number == self._broker.connections
            and time.monotonic() >= self._settled_at
        )
        return (
            self._broker.is_connected
            and bool(self._connection_number)
            and has_settled
            and not self._senior
        )

    def guard(self, step: Callable[[], float]) -> Callable[[], float]:
        """Make a step that does nothing while it is another program's turn."""
        return lambda: step() if self.is_mine else self._settle_s / 4

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._broker.tell_now(
            self._topic, json.dumps({"rank": self._rank, "host": socket.gethostname()})
        )

    def _hear(self, _topic: str, payload: bytes) -> None:
        """Give way to a program that was started before this one; tell one that came later that
        this one is there."""
        if (said := parse_turn(payload)) is None:
            return
        rank, host = said
        if rank < self._rank:
            if not self._senior:
                _log.warning(
                    "`regulars mqtt` tells this mailbox already, on %s: this one waits until that "
                    "one has ended",
                    host,
                )
            self._senior, self._senior_heard_at = host, time.monotonic()
        elif rank > self._rank and not self._senior:
            self._told_at = 0.0  # the next step tells it, however many came
