"""What SQS and the scheduler do, for one box: the app's event handlers get their messages and their hours.

The handlers are those of app.py, called with the events that AWS would send; which ones there are, and how often a
schedule runs, is read from the app's own registrations.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig, ScheduleExpression, SQSEventConfig

from chalicelib.core.errors import RegularsError
from chalicelib.core.ports import Message, Queue
from regulars.gateway import Context

VISIBILITY_S = 300
"""How long a message is hidden while its handler works: as long as the deployed queue's."""

IDLE_S = 1.0
"""Pause between two looks into an empty queue."""

Handler = Callable[[Mapping[str, Any], Context], Any]

_log = logging.getLogger(__name__)
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86_400}


class Background:
    """Threads that feed an app's event handlers until they are stopped."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []

    def start(self, name: str, step: Callable[[], float]) -> None:
        """Call `step` again and again; it returns the seconds to wait before the next time."""
        thread = threading.Thread(target=self._run, args=(name, step), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait until all threads have ended; False if one works on."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str, step: Callable[[], float]) -> None:
        while not self._stop.is_set():
            try:
                wait_s = step()
            except RegularsError as error:
                _log.warning("%s: %s", name, error)
                wait_s = 5.0
            except Exception:
                _log.exception("%s failed; it goes on in 5 s", name)
                wait_s = 5.0
            self._stop.wait(wait_s)


def feed(app: Chalice, handlers: Mapping[str, Handler], queues: Mapping[str, Queue], background: Background) -> None:
    """Start a thread for each event handler that `app` has registered.

    `handlers` and `queues` are by the handler's name. Raises ValueError for a handler that nothing would feed.
    """
    for source in app.event_sources:
        name = source.name
        if isinstance(source, SQSEventConfig):
            background.start(name, partial(hand_over, queues[name], handlers[name], name))
        elif isinstance(source, ScheduledEventConfig):
            every_s = interval_s(source.schedule_expression)
            background.start(name, partial(_tick, handlers[name], name, every_s))
        else:
            raise ValueError(f"nothing on one box feeds the handler {name} ({type(source).__name__})")


def hand_over(queue: Queue, handler: Handler, name: str) -> float:
    """Give the queue's next messages to `handler`, then delete those that it did. Returns the seconds to wait.

    A message whose handler failed comes again after the visibility timeout and ends in the dead letters, as on SQS;
    a handler may answer `batchItemFailures` to fail some only.
    """
    messages = queue.receive(10, VISIBILITY_S)
    if not messages:
        return IDLE_S
    answer = handler({"Records": [_record(message, name) for message in messages]}, Context(name))
    failures = answer.get("batchItemFailures", ()) if isinstance(answer, Mapping) else ()
    failed = {failure["itemIdentifier"] for failure in failures}
    for message in messages:
        if message.receipt not in failed:
            queue.delete(message.receipt)
    return 0.0


def interval_s(expression: str | ScheduleExpression) -> float:
    """Seconds between two runs of a schedule, `rate(...)` only."""
    text = expression.to_string() if isinstance(expression, ScheduleExpression) else expression
    matched = _RATE.fullmatch(text)
    if matched is None:
        raise ValueError(f"schedules on one box are rate(<n> minutes|hours|days), not {text}")
    return int(matched[1]) * _UNIT_S[matched[2]]


def _record(message: Message, name: str) -> dict[str, Any]:
    return {
        "messageId": message.receipt,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receive_count)},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:box:000000000000:{name}",
        "awsRegion": "box",
    }


def _tick(handler: Handler, name: str, every_s: float) -> float:
    now = datetime.now(UTC)
    event = {
        "version": "0",
        "id": f"{name}-{int(now.timestamp())}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "region": "box",
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [f"arn:aws:events:box:000000000000:rule/{name}"],
        "detail": {},
    }
    handler(event, Context(name))
    return every_s
