"""How much of a process one hook, and one tenant, may hold with receivers that hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chalicelib.core.errors import Busy

OF_TENANT = 24
OF_HOOK = 4
WAITED_S = 1.0
"""For a place to be free, so that a burst to a quick receiver is not put off."""


class Places:
    """At most so many posts at a time; one more waits a second, then is Busy."""

    def __init__(self, of_tenant: int = OF_TENANT, of_hook: int = OF_HOOK, waited_s: float = WAITED_S) -> None:
        self._limits = {"tenant": of_tenant, "hook": of_hook}
        self._waited_s = waited_s
        self._held: dict[tuple[str, str], threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one(self, tenant: str, hook_id: str) -> Iterator[None]:
        """A place, the hook's first: its many hold none of the tenant's others while they wait. Raises Busy."""
        with ExitStack() as held:
            for kind, name in (("hook", f"{tenant}/{hook_id}"), ("tenant", tenant)):
                place = self._of(kind, name)
                if not place.acquire(timeout=self._waited_s):
                    raise Busy(f"this {kind}'s receivers hang: as many as may be are being told just now")
                held.callback(place.release)
            yield

    def _of(self, kind: str, name: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._held.setdefault((kind, name), threading.BoundedSemaphore(self._limits[kind]))
