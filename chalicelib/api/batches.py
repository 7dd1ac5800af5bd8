"""Batches of SQS messages: the failed messages of a batch come again, the others do not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalice.app import SQSEvent

from chalicelib.core.errors import RegularsError

_log = logging.getLogger(__name__)


def bodies(event: SQSEvent) -> Mapping[str, str]:
    """Return the messages' bodies by id."""
    return {record["messageId"]: record["body"] for record in event.to_dict()["Records"]}


def done_but_for(failed: Iterable[str]) -> dict[str, Any]:
    """Make the answer to SQS (ReportBatchItemFailures): the ids of the messages that are to come again."""
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}


def one_by_one(event: SQSEvent, work: Callable[[str], object]) -> dict[str, Any]:
    """Give each message to `work`. A failed one comes again and does not stop the others.

    A RegularsError, such as contention, is logged as a warning; any other error with its traceback.
    """
    failed = []
    for id_, body in bodies(event).items():
        try:
            work(body)
        except RegularsError as error:
            _log.warning("a message is received again: %s", error)
            failed.append(id_)
        except Exception:
            _log.exception("a message is received again")
            failed.append(id_)
    return done_but_for(failed)
