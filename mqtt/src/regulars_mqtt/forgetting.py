"""Deletes all that a broker retains of an erased tenant, whose key is no longer valid."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from regulars_client.errors import OperatorError

from regulars_mqtt.broker import Broker
from regulars_mqtt.discovery import Topics, find_described, name_device, parse_device

PATIENCE_S = 10.0
"""How long the broker may take to answer, and to confirm."""

_SETTLE_S = 1.0
"""Once nothing new has come for this time, the broker has sent all its retained messages."""

HEARD_S = 60.0
"""How long a broker is listened to that goes on naming topics: anybody who writes to it can make it
do so."""

_LOOK_S = 0.05
"""How often it is looked whether the broker has answered, in s."""


def find_books(broker: Broker, tenant: str, prefix: str) -> dict[str, str]:
    """Return the books at the broker whose tenant has this name, with the URL of each one's
    service.

    `prefix`: of Home Assistant's discovery. Raises OperatorError if the broker does not answer.
    """
    books: dict[str, str] = {}

    def hear(topic: str, payload: bytes) -> None:
        found = find_described(topic, payload, prefix)
        if found and found[1] == name_device(tenant):
            books[found[0]] = str(parse_device(payload).get("configuration_url"))

    with _listen(broker, [Topics("+", prefix).today_config.replace("regulars_+", "+")], hear):
        return books


def empty_messages(broker: Broker, books: Iterable[Topics], heard_s: float = HEARD_S) -> int:
    """Empty the books' retained messages; return how many.

    Raises OperatorError if the broker does not do it.
    """
    retained_topics: set[str] = set()

    def hear(topic: str, payload: bytes) -> None:
        (retained_topics.add if payload else retained_topics.discard)(topic)

    with _listen(
        broker, [pattern for topics in books for pattern in topics.retained], hear, heard_s
    ):
        emptied_topics = sorted(retained_topics)
        for topic in emptied_topics:
            broker.tell(topic, "", retain=True)
        _wait_until(
            lambda: not retained_topics,
            "the broker still has messages of this tenant: may its user write them all?",
        )
        return len(emptied_topics)


@contextmanager
def _listen(
    broker: Broker,
    patterns: Iterable[str],
    hear: Callable[[str, bytes], object],
    heard_s: float = HEARD_S,
) -> Iterator[None]:
    """Connect while the block runs, which begins when `hear` was called with all that the broker
    retains there.

    Raises OperatorError if the broker does not answer, or goes on for longer than `heard_s`.
    """
    heard_topics: set[str] = set()
    newest_at = 0.0

    def note(topic: str, payload: bytes) -> None:
        nonlocal newest_at
        if topic not in heard_topics:
            newest_at = time.monotonic()
        heard_topics.add(topic)
        hear(topic, payload)

    for pattern in patterns:
        broker.listen(pattern, note)
    broker.start()
    try:
        _wait_until(
            lambda: broker.is_listening,
            "the broker does not take the connection: nothing is changed",
        )
        listens_at = time.monotonic()
        while time.monotonic() - max(listens_at, newest_at) < _SETTLE_S:
            if time.monotonic() - listens_at > heard_s:
                raise OperatorError("the broker goes on naming new topics: nothing is changed")
            time.sleep(_LOOK_S)
        yield
    finally:
        broker.stop()


def _wait_until(is_so: Callable[[], bool], complaint: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise OperatorError(complaint)
        time.sleep(_LOOK_S)
