"""Storage whose process is killed at one of its calls, or that fails there, or that others use just
before."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import audit_events
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.storage.ports import Disk, Storage

PORTS = ("items", "blobs", "uploads", "index_queue", "captures_queue", "deliveries_queue", "vault")
WRITES = frozenset({"transact", "put_if_absent", "replace", "delete", "send"})
DISK = Disk(free_bytes=1, total_bytes=2)
"""What the disk says, so that two answers that tell of it can be the same."""


class Killed(BaseException):
    """The process is gone: nothing of ours runs after it."""


class Fault(Struct, frozen=True):
    """What happens at a call: `error` is raised before the call is carried out or, if it is `done`,
    after that."""

    name: str
    error: type[BaseException]
    done: bool = False


THROTTLED = Fault("throttled", Busy)
UNANSWERED = Fault("unanswered", StorageUnavailable)
"""A 500, a reset or a time-out: chalicelib/storage/aws makes one error of all three
(tests/storage/aws/test_dynamo.py)."""
DONE_UNANSWERED = Fault("done, unanswered", StorageUnavailable, done=True)
KILLED = Fault("killed", Killed)
DONE_KILLED = Fault("done, killed", Killed, done=True)
FAULTS = (THROTTLED, UNANSWERED, DONE_UNANSWERED, KILLED, DONE_KILLED)


def points(calls: Sequence[str]) -> list[tuple[int, str, Fault]]:
    """Return each call's number and name, with each fault that it may have.

    A process is killed at writes only: killed at a call that reads it leaves what it leaves behind
    the write before.
    """
    return [
        (at, name, fault)
        for at, name in enumerate(calls, 1)
        for fault in FAULTS
        if name.partition(".")[2] in WRITES or fault in (THROTTLED, UNANSWERED)
    ]


class Calls:
    """The calls of a process to its storage, in order: `names` are of the form `items.transact`.

    `writers`: what the audit calls those who wrote.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.writers: set[str] = set()
        self.dead = False
        self._left = 0
        self._of = ""
        self._first: Callable[[], object] | None = None
        self._then: Callable[[], object] | None = None
        self._share, self._weather, self._dice = 0.0, THROTTLED, random.Random(1)
        self._lock = threading.Lock()

    def fail(self, at: int, fault: Fault, of: str = "") -> None:
        """Count anew, calls of the name `of` or all; number `at`, from 1, has the fault.

        After a kill all die.
        """

        def happens() -> None:
            self.dead = issubclass(fault.error, Killed)
            raise fault.error(f"{fault.name}: try again")

        self._arm(at, None if fault.done else happens, happens if fault.done else None, of)

    def let(self, at: int, others: Callable[[], object], of: str = "") -> None:
        """Count anew, calls of the name `of` or all; just before number `at`, from 1, others do
        what they do."""
        self._arm(at, others, None, of)

    def refuse(self, share: float, fault: Fault = THROTTLED) -> None:
        """From now on this share of all calls, by chance, has the fault; 0: none has."""
        self._share, self._weather = share, fault

    def wrap(self, storage: Storage) -> Storage:
        ports = {name: self.port(name, getattr(storage, name)) for name in PORTS}
        return replace(storage, **ports, disk=lambda: DISK)

    def port(self, name: str, port: Any) -> Any:
        """The port, whose calls are counted and may fail."""
        return _Port(name, port, self)

    def call(self, name: str, method: Callable[[], Any]) -> Any:
        with self._lock:
            if self.dead:
                raise Killed
            self.names.append(name)
            if name.partition(".")[2] in WRITES and (act := audit_events.current()) is not None:
                self.writers.add(act.what)
            self._left -= name.startswith(self._of)
            is_it = self._left == 0 and name.startswith(self._of)
            is_refused = self._dice.random() < self._share
        if is_it and self._first is not None:
            self._first()
        if is_refused and not self._weather.done:
            raise self._weather.error(f"{self._weather.name}: try again")
        answer = method()
        if is_refused:
            raise self._weather.error(f"{self._weather.name}: try again")
        if is_it and self._then is not None:
            self._then()
        return answer

    def _arm(
        self,
        at: int,
        first: Callable[[], object] | None,
        then: Callable[[], object] | None,
        of: str,
    ) -> None:
        self.names.clear()
        self._left, self._of, self._first, self._then = at, of, first, then


class _Port:
    def __init__(self, name: str, port: Any, calls: Calls) -> None:
        self._name = name
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        # a signature is made without a call
        if not callable(method) or name.startswith("presigned"):
            return method
        return lambda *given, **named: self._calls.call(
            f"{self._name}.{name}", lambda: method(*given, **named)
        )
