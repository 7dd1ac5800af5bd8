"""Translation of the errors of AWS and its client library to those of domain/errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from chalicelib.domain.errors import Busy, InvalidInput, RegularsError, StorageUnavailable
from chalicelib.storage.ports import LONGEST_ASKED_S
from chalicelib.storage.values import parse_retry_after_s

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
"""Every error that a client's call raises."""

BUSY_CODES = frozenset(
    {
        "ConditionalRequestConflict",
        "EC2ThrottledException",
        "OperationAborted",
        "OverLimit",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ResourceNotReadyException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",
        "TransactionConflictException",
    }
)
"""Codes, of calls and of parts of cancelled transactions, after which nothing was changed and a
repeat may succeed."""

_OF_THE_ITEM = ("exceeded the maximum allowed size", "incorrect data type")
"""In DynamoDB's words for what an update would make of an item, which nobody can tell before. All
else that it finds invalid is a fault of ours."""

_IN_PROGRESS = "TransactionInProgressException"
_SERVER_ERROR = 500
"""HTTP status from which on AWS may have executed a call, and failed behind it."""


@contextmanager
def translate_failures(service: str) -> Iterator[None]:
    """Raise AWS's failures inside the block as `translate_failure` has them, from them; `service`
    names the service."""
    try:
        yield
    except FAILURES as failure:
        raise translate_failure(failure, service) from failure


def translate_failure(failure: Exception, service: str) -> RegularsError:
    """Return the error for a failure, to be raised from it.

    AWS's own words are for the log: they may name accounts, roles and tables.
    """
    code, again_in_s = parse_error_code(failure), _parse_wait_s(failure)
    if code in BUSY_CODES:
        return Busy(f"{service} is busy: try again", again_in_s)
    return find_item_refusal(str(failure), service) or StorageUnavailable(
        f"{service} did not answer as it should: try again later", again_in_s
    )


def _parse_wait_s(failure: Exception) -> int:
    """Return in how many seconds AWS wants to be asked again: 1 unless it says more, an hour at
    most."""
    response = failure.response if isinstance(failure, ClientError) else {}
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    asked_s = parse_retry_after_s(headers.get("retry-after", ""), headers.get("date", ""))
    return math.ceil(min(max(asked_s or 0.0, 1.0), LONGEST_ASKED_S))


def find_item_refusal(message: str, service: str) -> InvalidInput | None:
    """Return the error if DynamoDB refuses what an update would make of an item."""
    if any(phrase in message for phrase in _OF_THE_ITEM):
        return InvalidInput(
            f"{service} does not take an item over 400 KB, or a number added to what is none"
        )
    return None


def parse_error_code(failure: Exception) -> str:
    """Return AWS's error code, or "" if AWS did not answer."""
    return (
        str(failure.response.get("Error", {}).get("Code", ""))
        if isinstance(failure, ClientError)
        else ""
    )


def is_ambiguous(failure: Exception) -> bool:
    """Tell whether the call may have been executed despite the failure."""
    if not isinstance(failure, ClientError):
        return isinstance(failure, HTTPClientError | NoConnection | ResponseParserError)
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = parse_error_code(failure)
    return code == _IN_PROGRESS or (status >= _SERVER_ERROR and code not in BUSY_CODES)
