"""The part of SQS and the scheduler on one box: it calls the app's event handlers with messages,
and by schedule.

The handlers are those of app.py, and get the events that AWS would send. The app's own
registrations say which handlers there are, and how often a schedule runs.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig, ScheduleExpression, SQSEventConfig

from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.ports import Message
from chalicelib.telemetry import log_failure
from regulars.serve import logs
from regulars.serve.gateway import Context

VISIBILITY_S = 300
"""How long a message stays hidden if its handler was killed."""

SHARED_VISIBILITY_S = 60
"""The same if several threads take one message each."""

IDLE_S = 1.0
"""Pause before the next look into an empty queue, unless this process sends a message meanwhile."""

MAX_BATCH = 10
"""Messages that a function gets at once, as of SQS."""

NICENESS = 5
"""By how much the threads that feed handlers are nicer: answers come before a backlog of
captures."""

FAILED_S = 5.0
"""Pause after a step that failed."""

Handler = Callable[[Mapping[str, Any], Context], Any]

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_HOURLY = re.compile(r"cron\(\d+ \* \* \* \? \*\)")
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86_400}
"""Seconds of the units that a schedule's rate may have."""


class Background:
    """Threads that feed an app's event handlers until `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []

    @property
    def ends(self) -> bool:
        return self._stop.is_set()

    def start(self, name: str, step: Callable[[], float]) -> None:
        """Start a thread that calls `step` again and again; it returns the seconds to wait until
        the next call."""
        thread = threading.Thread(target=self._run, args=(name, step), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait until all threads have ended. Return False if one still runs after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str, step: Callable[[], float]) -> None:
        """Call `step` until the end, each time after the seconds that it returns, or FAILED_S if it
        fails."""
        if sys.platform == "linux":  # only there do threads have a niceness of their own
            this_thread = os.PRIO_PROCESS, threading.get_native_id()
            os.setpriority(*this_thread, os.getpriority(*this_thread) + NICENESS)
        while not self._stop.is_set():
            try:
                wait_s = step()
            except Exception as error:
                log_failure(error, f"{name} failed; it goes on in {FAILED_S:.0f} s")
                wait_s = FAILED_S
            self._stop.wait(wait_s)


def feed_handlers(
    app: Chalice,
    queues: Mapping[str, tuple[SqliteQueue, int]],
    background: Background,
    only: Collection[str] | None = None,
    shared_visibility_s: int = SHARED_VISIBILITY_S,
) -> None:
    """Start the threads of each event handler that `app` has registered.

    Schedules run once at the start.

    `queues`: the queue and the number of its threads, by the handler's name. `only`: the names of
    the handlers that are wanted; None: all. Several threads of a queue take one message each at a
    time, so that none waits behind another's. Raises ValueError if nothing on one box feeds a
    handler.
    """
    for source in app.event_sources:
        name, handler = source.name, app.handler_map[source.name]
        if only is not None and name not in only:
            continue
        if isinstance(source, SQSEventConfig):
            queue, threads = queues[name]
            visibility_s = VISIBILITY_S if threads == 1 else shared_visibility_s
            _feed_queue(source, handler, queue, threads, background, visibility_s)
        elif isinstance(source, ScheduledEventConfig):
            every_s = parse_interval_s(source.schedule_expression)
            background.start(name, partial(_run_schedule, handler, name, every_s))
        else:
            raise ValueError(
                f"nothing on one box feeds the handler {name} ({type(source).__name__})"
            )


def _feed_queue(
    source: SQSEventConfig,
    handler: Handler,
    queue: SqliteQueue,
    threads: int,
    background: Background,
    visibility_s: int,
) -> None:
    """Start the threads that take messages from a queue and call its handler.

    A message stays hidden while its handler works, however long: a mail server that takes minutes
    would get the mail from another thread, too. One that the handler has hidden itself comes when
    it said.
    """
    name = source.name
    limit = min(source.batch_size, MAX_BATCH) if threads == 1 else 1
    receiving = threading.Lock()

    def step() -> float:
        """Wait for messages, one thread for all of the handler's, and hand them over."""
        messages: list[Message] = []
        with receiving:
            while not messages and not background.ends:
                messages = queue.receive(limit, visibility_s)
                if not messages:
                    queue.wait(IDLE_S)
        with queue.hold([message.receipt for message in messages]):
            return handle_messages(messages, queue, handler, name, visibility_s)

    def keep_hidden() -> float:
        queue.hide_held(visibility_s)
        return visibility_s / 3

    background.start(f"{name}-hidden", keep_hidden)
    for number in range(threads):
        background.start(name if threads == 1 else f"{name}-{number}", step)


def handle_messages(
    messages: list[Message],
    queue: SqliteQueue,
    handler: Handler,
    name: str,
    visibility_s: int = VISIBILITY_S,
) -> float:
    """Give a queue's messages to `handler`, then delete those that succeeded.

    Return the seconds to wait.

    As on SQS, a failed message comes again after the visibility timeout, or after the time that its
    handler has set. After its last try it goes to the dead letters. If a handler answers
    `batchItemFailures`, only these have failed.
    """
    if not messages:
        return IDLE_S
    context = Context(name, deadline=time.monotonic() + visibility_s)
    with logs.observe_invocation(name, context.aws_request_id):
        answer = handler({"Records": [_record(message) for message in messages]}, context)
    failures = answer.get("batchItemFailures", ()) if isinstance(answer, Mapping) else ()
    failed_receipts = {failure["itemIdentifier"] for failure in failures}
    for message in messages:
        if message.receipt not in failed_receipts:
            queue.delete(message.receipt)
    return 0.0


def parse_interval_s(expression: str | ScheduleExpression) -> float:
    """Return the seconds between two runs of a schedule.

    Raises ValueError if it is no rate, nor a minute each hour.
    """
    text = expression.to_string() if isinstance(expression, ScheduleExpression) else expression
    if _HOURLY.fullmatch(text):
        return _UNIT_S["hour"]
    matched = _RATE.fullmatch(text)
    if matched is None:
        raise ValueError(
            "schedules on one box are rate(<n> minutes|hours|days) or cron(<minute> * * * ? *), "
            f"not {text}"
        )
    return int(matched[1]) * _UNIT_S[matched[2]]


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": message.receipt,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receive_count)},
    }


def _run_schedule(handler: Handler, name: str, every_s: float) -> float:
    """Call the handler with the event that the scheduler of AWS would send; return the seconds
    until the next call."""
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
    context = Context(name, deadline=time.monotonic() + every_s)
    with logs.observe_invocation(name, context.aws_request_id):
        handler(event, context)
    return every_s
