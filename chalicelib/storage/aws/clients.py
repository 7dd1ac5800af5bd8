"""AWS clients with our time limits and retries; region and credentials come from the environment.

Clients are botocore's: boto3 would add features that nothing here uses, and 50 ms. Importing
botocore takes as much again, and creating a client 20 to 50 ms. So each client is created at its
first call: most functions' first requests need only one or two of them.

`begin_in_thread` makes calls to storage beside the caller's own: each answer takes milliseconds, in
which nothing is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.lazy import lazy

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from botocore.config import Config


_CONNECT_TIMEOUT_S = 2
"""Wait for a connection to AWS, in s: within a region it takes milliseconds, so more means that the
network is down."""
_CONNECTIONS = 50
"""Open connections of one client: more than the threads that one function uses at once."""

_LIMITS: dict[str, tuple[int, int]] = {
    # The client repeats TransactWriteItems with the same token, and other writes do no harm if they
    # are repeated (aws/items.find_single_write), so retrying is safe everywhere. The adapter
    # retries too, and all of that has to end within the 29 seconds that API Gateway waits.
    "dynamodb": (2, 3),
    "s3": (10, 3),
    "sqs": (5, 3),
    "kms": (3, 3),
    # Once: who calls the search function has no time for a second one that hangs. A cold one on
    # arm64 loads a million faces in some 16 s.
    "lambda": (20, 1),
}
"""Seconds to wait for more of a service's answer, and the number of attempts."""

_S3_URLS: dict[str, Any] = {
    # Version 2, the default in regions that accept it, signs neither the length nor the condition
    # of an upload.
    "signature_version": "s3v4",
    # The bucket's own host in its own region: the global host redirects for days after a bucket was
    # created, and a client that uploads to a signed URL cannot follow.
    "s3": {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
}


SERVICES = tuple(_LIMITS)
"""AWS services that functions call. The package for Lambda holds the client library's data of these
(infra)."""


class _Client:
    """The process's client of a service, made when it is first asked for an operation."""

    def __init__(self, service: str, config: Callable[[], Config]) -> None:
        self._service = service
        self._config = config

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._made, operation)

    @lazy  # with its lock: a session is not safe to make clients from in several threads
    def _made(self) -> Any:
        return _open_session().create_client(self._service, config=self._config())


@cache
def open_aws_client(
    service: str, read_timeout_s: int | None = None, *, of_others: bool = False
) -> Any:
    """Return the process's client of `service`, one of SERVICES; its first call makes it.

    Many threads may use it.

    `read_timeout_s`: how long it waits for more of an answer; None: as long as is usual for the
    service. `of_others`: it reads buckets of others, whose addresses are as the environment has
    them.
    """
    return _Client(
        service, partial(make_client_config, service, read_timeout_s, of_others=of_others)
    )


def make_client_config(
    service: str, read_timeout_s: int | None = None, *, of_others: bool = False
) -> Config:
    """Make the configuration of a client of `service`, for any account and region."""
    from botocore.config import Config

    usual_s, attempts = _LIMITS[service]
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s or usual_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        **(_S3_URLS if service == "s3" and not of_others else {}),
    )


def open_aws_credentials() -> Any:
    """Return the process's credentials, which renew themselves: what they are now is
    `get_frozen_credentials()`."""
    return _open_session().get_credentials()


@cache
def _open_session() -> Any:
    from botocore.session import Session

    return Session()


_T = TypeVar("_T")

_AT_ONCE = 4
"""More than one invocation of a function begins. What finds no thread free, waits for one."""


def begin_in_thread(work: Callable[[], _T], /) -> Callable[[], _T]:
    """Begin the work in a thread, as CallStarter says (storage/ports).

    The work begins none itself.
    """
    return _open_threads().submit(copy_context().run, work).result


@cache
def _open_threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="beside")
