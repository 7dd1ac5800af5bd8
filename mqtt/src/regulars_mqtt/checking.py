"""The check of a broker: a topic of one's own is filled, emptied and filled again.

The bridge relies on what a broker retains: each new listener is told of who is here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from regulars_client.errors import OperatorError

from regulars_mqtt.broker import Broker

PATIENCE_S = 30.0
"""Time in which a broker has to answer, and to do what it has confirmed."""
_QUIET_S = 1.0
"""Time in which a broker would have sent what it retains."""
_LOOK_S = 0.02
_TOPIC = "regulars-check/broker"
"""The same at each check, so that one that was killed leaves no more than the next empties."""
_CONNECT = "set --broker, --user and the password; see the broker's log"
_RIGHTS = "allow this user to write and read that topic, as `regulars-check/#`"
_RETAIN = "allow retained messages (mosquitto: `retain_available true`)"


def check_broker(connect: Callable[[], Broker], patience_s: float = PATIENCE_S) -> None:
    """Fill a topic, empty it and fill it again, and check each time what a new subscriber receives.

    Raises OperatorError, which says what was otherwise and what mends it.
    """
    try:
        for payload in ("1", "", "2", ""):
            _fill(connect, payload, patience_s)
    except (OperatorError, OSError) as error:
        _empty(connect, patience_s)
        raise OperatorError(f"messages to a topic of its own: {error}") from error


def _empty(connect: Callable[[], Broker], patience_s: float) -> None:
    """Empty the topic of a check that failed, if the broker lets us."""
    with suppress(OperatorError, OSError), _listening(connect, patience_s) as (broker, _):
        number = broker.tell(_TOPIC, "", retain=True)
        _wait(lambda: number in broker.take_confirmations(), patience_s)


def _fill(connect: Callable[[], Broker], payload: str, patience_s: float) -> None:
    """Write a retained message; see that the writer hears it, and what a new listener is told.

    Raises OperatorError, which says what was otherwise.
    """
    with _listening(connect, patience_s) as (broker, heard):
        broker.tell(_TOPIC, payload, retain=True)
        if not _wait(lambda: payload.encode() in heard, patience_s):
            lost = "it was written, and nobody heard it" if broker.is_connected else broker.said
            raise OperatorError(f"{lost}: {_RIGHTS}, and {_RETAIN}")
    told_at = patience_s if payload else _QUIET_S
    with _listening(connect, patience_s) as (_, heard):
        _wait(lambda: bool(heard), told_at)
        told = b"".join(heard).decode(errors="replace")
    if told != payload:
        raise OperatorError(f"a new listener was told {told!r}, not {payload!r}: {_RETAIN}")


@contextmanager
def _listening(
    connect: Callable[[], Broker], patience_s: float
) -> Iterator[tuple[Broker, list[bytes]]]:
    """Listen to the topic while a block lasts. Raises OperatorError if the broker lets nobody."""
    heard: list[bytes] = []
    broker = connect()
    broker.listen(_TOPIC, lambda _topic, payload: heard.append(payload))
    broker.start()
    try:
        _wait(lambda: broker.is_listening or _is_refused(broker), patience_s)
        if not broker.is_listening:
            raise OperatorError(f"the broker {broker.said or 'says nothing'}: {_CONNECT}")
        yield broker, heard
    finally:
        broker.stop()


def _is_refused(broker: Broker) -> bool:
    """Tell whether something was said of a broker that has let nobody in."""
    return bool(broker.said) and not broker.connections


def _wait(is_so: Callable[[], bool], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < until:
        time.sleep(_LOOK_S)
    return is_so()
