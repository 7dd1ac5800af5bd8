"""Requests that come again with their Idempotency-Key: they are answered, and not done a second time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn

from msgspec import Struct, to_builtins

from chalicelib.api.http import HttpRequest
from chalicelib.core.errors import Changed, InvalidInput, RegularsError, SecretNotKept
from chalicelib.services.idempotency import OK, Answer, AnsweredAlready, RequestId, Requests

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)

_KEY = re.compile(r"[!-~]{1,64}")
_REUSED = (
    f"this {HEADER} came with another method, path, query or body within the last 24 hours: take a new one for each "
    "new request"
)


def request_id(request: HttpRequest, caller_id: str, most_bytes: int) -> RequestId | None:
    """Identify a request that changes something; None: it came without an Idempotency-Key.

    The key is stored as a hash, since it may hold what must be forgotten: a name, a face's id. `most_bytes`: that the
    body may have. Raises InvalidInput, Refused.
    """
    sent = request.headers.get(HEADER.lower())
    if sent is None or request.method == "GET":
        return None
    if not _KEY.fullmatch(sent):
        raise InvalidInput(f"{HEADER} has 1 to 64 visible ASCII characters, not {sent[:64]!r}")
    told = [request.method, request.path, sorted(request.parameters.items()), sorted(request.query.items())]
    digest = hashlib.sha256(json.dumps(told).encode() + b"\n" + request.body(most_bytes))
    key = hashlib.sha256(sent.encode()).hexdigest()
    return RequestId(f"v1#{caller_id}#{key}", digest.hexdigest(), _REUSED, KEPT)


def answered(
    requests: Requests,
    tenant: str,
    request: RequestId | None,
    do: Callable[[], Any],
    *,
    again: Callable[[Mapping[str, Any]], Any] | None,
) -> Any:
    """Do what is asked, or answer it `again` from what was stored when it was done.

    `again` None: it can be done as often as it comes. What failed changed nothing, and is tried anew.
    """
    if request is None:
        return do()
    stored = requests.find(tenant, request)
    if stored is None:
        try:
            answer = do()
        except AnsweredAlready as already:
            stored = already.answer
        except RegularsError:
            stored = requests.find(tenant, request)  # its twin, at the same time, may have done it
            if stored is None:
                raise
        else:
            if again is None:
                requests.store(tenant, request, Answer(OK, {}))
            return answer
    return do() if again is None else again(stored.body)


def secret_not_kept(what: str, instead: str) -> Callable[..., NoReturn]:
    """Return an `again` for an operation whose answer has a secret. `what`: was made; `instead`: how to go on."""

    def again(_call: object, body: Mapping[str, Any]) -> NoReturn:
        raise SecretNotKept(
            f"this request was done before: {what} {body['id']!r} is made, and its secret was shown once: {instead}",
            id=str(body["id"]),
        )

    return again


def answer_of(view: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return an `again` that answers as `view` does: what was changed, as it is now."""
    return lambda call, _body: view(call)


@contextmanager
def describing_present(describe: Callable[[Any], Struct]) -> Iterator[None]:
    """Add to an error that something was changed meanwhile how that is now, as `describe` answers it."""
    try:
        yield
    except Changed as error:
        error.details["present"] = to_builtins(describe(error.present))
        raise


def nothing(_call: object, _body: Mapping[str, Any]) -> None:
    """Answer a repeat of what is answered without a body."""
