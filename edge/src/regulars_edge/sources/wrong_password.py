"""When is a password that a camera has refused given again? After 5 minutes, then every 30; a new
one at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from regulars_edge.errors import PasswordRefused
from regulars_edge.logs import redact_url

FIRST_WAIT_S, NEXT_WAIT_S = 300.0, 1_800.0
"""Wait in s after the first refusal of a password, and after each later one: many cameras lock a
user after five."""


class Refusals:
    """Memory of the passwords that hosts have refused: all cameras, streams and channels of a port
    share it.

    If a password was taken for another URL there, the next one that is refused waits alone: it may
    have no right to what it asks for. Only one does, until the password is taken again: else each
    channel would give a former one.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[tuple[object, ...], tuple[int, float]] = {}
        self._taken: dict[tuple[object, ...], str] = {}
        """The URL for which each account was taken last."""
        self._lock = threading.Lock()

    def check(self, url: str, user: str, password: str) -> None:
        """Raise PasswordRefused if this is not to be given yet."""
        account = _find_account(url, user, password)
        if any(
            self._now() < self._until.get(key, (0, 0.0))[1] for key in (account, (*account, url))
        ):
            raise PasswordRefused(_explain_refusal(url))

    def count(self, url: str, user: str, password: str, said: str = "") -> PasswordRefused:
        """Count a refusal, and return it as an error, in these words."""
        with self._lock:
            account = _find_account(url, user, password)
            alone = (*account, url)
            key = alone if alone in self._until or self._taken.pop(account, url) != url else account
            times, _ = self._until.get(key, (0, 0.0))
            self._until[key] = times + 1, self._now() + (NEXT_WAIT_S if times else FIRST_WAIT_S)
        return PasswordRefused(said or _explain_refusal(url))

    def forget(self, url: str, user: str, password: str) -> None:
        """Forget its refusals: it was taken."""
        with self._lock:
            account = _find_account(url, user, password)
            self._taken[account] = url
            for key in (account, (*account, url)):
                self._until.pop(key, None)

    def clear(self) -> None:
        self._until.clear()
        self._taken.clear()


REFUSALS = Refusals()


def _find_account(url: str, user: str, password: str) -> tuple[object, ...]:
    """Return whose refusals count together: a camera's usual ports for RTSP and HTTP are one."""
    parts = urlsplit(url)
    return parts.hostname, parts.port, user, password


def _explain_refusal(url: str) -> str:
    waits = f"{FIRST_WAIT_S / 60:.0f}, then {NEXT_WAIT_S / 60:.0f} minutes"
    return (
        f"{redact_url(url)} refuses user and password: correct them; they are tried again "
        f"after {waits}"
    )
