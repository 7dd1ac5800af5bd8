"""Emulated AWS that fails at one of the calls of our clients: what botocore raises then, and what
AWS has done or not.

A call is one of the client library, after its own retries. A transaction that is sent again is
known by its token, which the emulation does not do by itself.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.support.storage.failing import Killed

WRITES = {"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"} | {
    "PutObject",
    "DeleteObject",
}
WRITES |= {"SendMessage", "DeleteMessage"}
TRANSACT = "TransactWriteItems"


def _answer(code: str, status: int, **more: Any) -> Callable[[str], BaseException]:
    response = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return lambda operation: ClientError(response, operation)  # type: ignore[arg-type]


@dataclass(frozen=True)
class WireFault:
    """`made`: the error of an operation.

    `done`: AWS has done it. `again`: each repeat of the call has the fault, too.

    `only`: the operation that may have it; "": all.
    """

    name: str
    made: Callable[[str], BaseException] = field(repr=False)  # `Points` chooses by what is shown
    done: bool = False
    again: bool = True
    only: str = ""

    def fits(self, operation: str) -> bool:
        return (not self.done or operation in WRITES) and operation.startswith(self.only)


LOST = ReadTimeoutError(endpoint_url="https://aws")
RESET = ConnectionClosedError(endpoint_url="https://aws")
CONFLICT = _answer(
    "TransactionCanceledException", 400, CancellationReasons=[{"Code": "TransactionConflict"}]
)
WIRE_FAULTS = (
    WireFault("throttled", _answer("ThrottlingException", 400)),
    WireFault("conflict", CONFLICT, only=TRANSACT),
    WireFault("500", _answer("InternalServerError", 500)),
    WireFault("reset", lambda _: RESET),
    WireFault("timed out", lambda _: LOST),
    WireFault("done, timed out", lambda _: LOST, done=True),
    WireFault("done, timed out once", lambda _: LOST, done=True, again=False, only=TRANSACT),
    WireFault("killed", lambda _: Killed()),
    WireFault("done, killed", lambda _: Killed(), done=True),
)


class Wire:
    """The calls of a process to AWS, in order: `names` are the operations'.

    The same as ports.Calls, at the wire.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.dead = False
        self._at = 0
        self._fault = WIRE_FAULTS[0]
        self._struck = ""
        self._seen: set[str] = set()
        self._done: set[str] = set()
        self._lock = threading.Lock()

    def fail(self, at: int, fault: WireFault) -> None:
        """Count anew; the call with number `at`, from 1, has the fault. After a kill all die."""
        self.names.clear()
        self._at, self._fault, self._struck = at, fault, ""

    def listen(self, client: Any) -> Any:
        client.meta.events.register("before-call", self._before)
        client.meta.events.register("after-call", self._after)
        return client

    def _before(self, model: Any, params: Any, context: dict[str, Any], **_: Any) -> Any:
        token = json.loads(params["body"])["ClientRequestToken"] if model.name == TRANSACT else ""
        with self._lock:
            if self.dead:
                raise Killed
            struck = token != "" and token == self._struck and self._fault.again
            if token not in self._seen:
                self.names.append(model.name)
                struck = len(self.names) == self._at
                self._struck = token if struck else self._struck
            self._seen |= {token} - {""}
        if struck and (not self._fault.done or token in self._done):
            self._happen(model.name)
        context["regulars"] = (token, struck)
        return (SimpleNamespace(status_code=200), {}) if token in self._done else None

    def _after(self, http_response: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        token, struck = context["regulars"]
        if token and http_response.status_code < 300:
            self._done.add(token)
        if struck and self._fault.done:
            self._happen(model.name)

    def _happen(self, operation: str) -> None:
        error = self._fault.made(operation)
        self.dead = isinstance(error, Killed)
        raise error
