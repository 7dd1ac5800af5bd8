"""Batches of SQS messages: the failed messages of a batch come again, the others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.domain.errors import RegularsError
from chalicelib.storage.ports import Queue
from chalicelib.storage.values import moment
from chalicelib.telemetry import report_failure

WORST_MESSAGE_S = 60
"""Seconds that the worst message of `ingest` takes: a picture of a hundred faces, and a search that
hangs."""

LONGEST_PAUSE_S = 900
"""A failed message can be received again after 2 s, twice as long each time, up to this."""

_AGAIN = "a message is received again"


def parse_bodies(event: SQSEvent) -> Mapping[str, str]:
    """Return the messages' bodies by id."""
    return {record["messageId"]: record["body"] for record in _parse_records(event)}


def parse_time_left_s(event: SQSEvent | CloudWatchEvent) -> float:
    """Return the seconds that the run may still take."""
    context: Any = event.context  # chalice says that it is a dict
    left_ms: int = context.get_remaining_time_in_millis()
    return left_ms / 1000


def report_failed(event: SQSEvent, failed: Mapping[str, Exception], queue: Queue) -> dict[str, Any]:
    """Make the answer to SQS (ReportBatchItemFailures).

    The messages that `failed`, by id, are reported and come again soon.
    """
    again = [record for record in _parse_records(event) if record["messageId"] in failed]
    for record in again:
        report_failure(failed[record["messageId"]], _AGAIN)
        _hide_message(record, queue, _compute_pause_s(record))
    return _make_answer(again)


def handle_each(
    event: SQSEvent, work: Callable[[str, int, datetime | None], object], queue: Queue
) -> dict[str, Any]:
    """Give each message to `work`, and return the answer to SQS.

    `work`: takes the body, how often SQS has given it out, and the time at which it was sent (None
    on one box).

    A failed message is reported, comes again and does not stop the others. After a RegularsError,
    such as contention, it comes soon. Any other error is a fault, and its message comes after the
    queue's own time. So a bad deployment can be taken back before the retries are used up. If the
    function has less than WORST_MESSAGE_S left, the messages that were not begun come again at
    once. The first is always begun.
    """
    failed_messages: list[Mapping[str, Any]] = []
    for number, record in enumerate(_parse_records(event)):
        if number and parse_time_left_s(event) < WORST_MESSAGE_S:
            _hide_message(record, queue, 0)
            failed_messages.append(record)
            continue
        try:
            sent_ms = record["attributes"].get("SentTimestamp")
            work(record["body"], count_receives(record), moment(int(sent_ms)) if sent_ms else None)
        except Exception as error:
            report_failure(error, _AGAIN)
            if isinstance(error, RegularsError):
                _hide_message(record, queue, _compute_pause_s(record))
            failed_messages.append(record)
    return _make_answer(failed_messages)


def _make_answer(again: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in again]}


def _hide_message(record: Mapping[str, Any], queue: Queue, visibility_s: int) -> None:
    with suppress(RegularsError):  # then the queue's own time passes first
        queue.hide(record["receiptHandle"], visibility_s)


def _compute_pause_s(record: Mapping[str, Any]) -> int:
    return int(min(2 ** count_receives(record), LONGEST_PAUSE_S))


def count_receives(record: Mapping[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def _parse_records(event: SQSEvent) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = event.to_dict()["Records"]
    return records
