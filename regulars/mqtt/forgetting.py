"""Empties all that a broker retains of a tenant that was erased, and whose key is no longer good."""

from __future__ import annotations

import time
from collections.abc import Callable

from regulars.errors import OperatorError
from regulars.mqtt.broker import Broker
from regulars.mqtt.discovery import Topics

PATIENCE_S = 10.0
"""How long the broker may take to answer, and to confirm."""

_SETTLE_S = 1.0
"""Once nothing new has come for this time, the broker has sent all its retained messages."""

_LOOK_S = 0.05
"""How often it is looked whether the broker has answered, in s."""


def forget_tenant(broker: Broker, topics: Topics) -> int:
    """Empty the tenant's retained messages; return how many. Raises OperatorError if the broker does not do it."""
    retained_topics: set[str] = set()
    newest_at = 0.0

    def hear(topic: str, payload: bytes) -> None:
        nonlocal newest_at
        if payload and topic not in retained_topics:
            newest_at = time.monotonic()
        (retained_topics.add if payload else retained_topics.discard)(topic)

    for pattern in topics.retained:
        broker.listen(pattern, hear)
    broker.start()
    try:
        _wait_until(lambda: broker.is_listening, "the broker does not take the connection: nothing is changed")
        listens_at = time.monotonic()
        while time.monotonic() - max(listens_at, newest_at) < _SETTLE_S:
            time.sleep(_LOOK_S)
        emptied_topics = sorted(retained_topics)
        for topic in emptied_topics:
            broker.tell(topic, "", retain=True)
        _wait_until(
            lambda: not retained_topics, "the broker still has messages of this tenant: may its user write them all?"
        )
        return len(emptied_topics)
    finally:
        broker.stop()


def _wait_until(is_so: Callable[[], bool], complaint: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise OperatorError(complaint)
        time.sleep(_LOOK_S)
