"""AWS clients with our time limits and retries; region and credentials come from the environment.

Importing boto3 takes 100 ms and a client 50, so both wait for the first use.
"""

from __future__ import annotations

from functools import cache
from typing import Any

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


@cache
def aws_client(service: str) -> Any:
    """The process's client of `service`: dynamodb, s3, sqs, kms or lambda. Clients may be used by many threads."""
    from botocore.config import Config

    read_timeout_s, attempts = _LIMITS[service]
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
    )
    return _session().client(service, config=config)


@cache
def _session() -> Any:
    # A session of our own: boto3's default one is not safe to make clients from in several threads.
    import boto3

    return boto3.session.Session()
