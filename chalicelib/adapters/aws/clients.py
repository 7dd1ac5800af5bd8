"""AWS clients with our time limits and retries; region and credentials come from the environment.

Clients are botocore's: boto3 would add what nothing here calls, and 50 ms. Its import takes as much again and a client
20 to 50 ms, so each client waits for its first call: most functions' first requests need one or two of them.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config

_CONNECT_TIMEOUT_S = 2
_CONNECTIONS = 50

_LIMITS: dict[str, tuple[int, int]] = {
    # A repeat of TransactWriteItems by the client carries the same token, so retrying is safe everywhere. The adapter
    # repeats it too, and all of that has to end within the 29 seconds that API Gateway waits.
    "dynamodb": (2, 3),
    "s3": (10, 3),
    "sqs": (5, 3),
    "kms": (3, 3),
    # A little longer than the search function's own limit, so that its timeout is told as such.
    "lambda": (27, 2),
}
"""Seconds to wait for more of a service's answer, and attempts in all."""

_S3_URLS: dict[str, Any] = {
    # Version 2, the default where S3 takes it, signs neither the length nor the condition of an upload.
    "signature_version": "s3v4",
    # The bucket's own host in its own region: the global one redirects for days after a bucket was made, and a
    # client that puts to a signed URL cannot follow.
    "s3": {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
}


SERVICES = tuple(_LIMITS)
"""Of AWS, those that functions call; the package for Lambda holds the client library's data of these (infra)."""

_making = threading.Lock()


class _Client:
    """The process's client of a service, made when it is first asked for an operation."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, operation: str) -> Any:
        with _making:  # a session is not safe to make clients from in several threads
            client = _made(self._service)
        return getattr(client, operation)


@cache
def aws_client(service: str) -> Any:
    """The process's client of `service`, one of SERVICES, made at its first call. Many threads may use it."""
    return _Client(service)


@cache
def _made(service: str) -> Any:
    return _session().create_client(service, config=client_config(service))


def client_config(service: str) -> Config:
    """How a client of `service` behaves, whatever account and region it is of."""
    from botocore.config import Config

    read_timeout_s, attempts = _LIMITS[service]
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        **(_S3_URLS if service == "s3" else {}),
    )


@cache
def _session() -> Any:
    from botocore.session import Session

    return Session()
