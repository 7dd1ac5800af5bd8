"""Pauses after a camera has refused a password: it is tried again after 5 minutes, then every 30; a
new password at once. While a login is not answered, the others of its account wait."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from regulars_edge.errors import PasswordRefused, SourceFailed
from regulars_edge.logs import redact_url

FIRST_WAIT_S, NEXT_WAIT_S = 300.0, 1_800.0
"""Wait in s after the first refusal of a password, and after each later one: many cameras lock a
user after five."""
YIELD_S = 60.0
"""So much longer in s waits the URL that was refused last: another may have the right to its
stream."""
FRESH_S = 1.0
"""A password that was taken so lately, in s, is given by several at once."""
LOGIN_WAIT_S = 10.0
"""How long a login waits for the outcome of another one, in s: less than FFmpeg waits."""

Account = tuple[str | None, str, str]
"""A host, a user and a password."""
Way = Literal["rtsp", "http", "onvif"]


@dataclass(frozen=True)
class _Refusal:
    """A refusal of an account. `is_alone`: whether it holds for its URL only."""

    url: str
    way: Way
    times: int
    until: float
    is_alone: bool

    def concerns(self, url: str, way: Way) -> bool:
        """Tell whether a login at `url` is likely to be refused, too.

        A device has one port for streams and one for pictures: behind one address, another port of
        the same kind is another camera. Its users of ONVIF may be others than those of all else.
        """
        if self.is_alone:
            return url == self.url
        if self.way != way:
            return self.way != "onvif"
        return way == "onvif" or _find_port(url) == _find_port(self.url)


class Refusals:
    """Memory of the passwords that hosts have refused or taken: all cameras, streams and channels
    of a host share it.

    If a password was taken for another URL there, a URL for which it never was waits alone: it may
    have no right to what it asks for. Only one does, until the password is taken again: else each
    channel would give a former one.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, wait_s: float = LOGIN_WAIT_S
    ) -> None:
        """Remember nothing yet. `wait_s`: how long a login waits for another one's outcome."""
        self._now, self._wait_s = now, wait_s
        self._refusals = defaultdict[Account, list[_Refusal]](list)
        self._taken_for = defaultdict[Account, set[str]](set)
        self._taken_at: dict[Account, float] = {}
        """When each account was taken last; none if it was refused since, or its host was away."""
        self._open: dict[Account, int] = {}
        """The thread whose login is not answered yet."""
        self._changed = threading.Condition()

    def check(self, url: str, user: str, password: str, way: Way | None = None) -> None:
        """Raise PasswordRefused if this is not to be given yet."""
        now, way = self._now(), way or _find_way(url)
        for one in self._refusals.get(_find_account(url, user, password), ()):
            yield_s = YIELD_S if one.url == url and not one.is_alone else 0.0
            if one.concerns(url, way) and now < one.until + yield_s:
                raise PasswordRefused(_explain_refusal(url))

    @contextmanager
    def open_login(
        self, url: str, user: str, password: str, way: Way | None = None
    ) -> Iterator[None]:
        """Have the only login of this account at its host that is not answered, until the block is
        left; within it, one more of the same thread may be opened.

        An account that was taken within FRESH_S waits for nobody. Raises PasswordRefused if the
        other one was refused, SourceFailed if that has no outcome in time.
        """
        account, thread = _find_account(url, user, password), threading.get_ident()
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(account, thread), self._wait_s):
                raise SourceFailed(
                    f"{redact_url(url)} is not asked: its host has not answered another login of "
                    "this user yet"
                )
            self.check(url, user, password, way)
            is_ours = account not in self._open and not self._is_fresh(account)
            if is_ours:
                self._open[account] = thread
        try:
            yield
        finally:
            if is_ours:
                with self._changed:
                    del self._open[account]
                    self._changed.notify_all()

    def _is_free(self, account: Account, thread: int) -> bool:
        return self._open.get(account, thread) == thread or self._is_fresh(account)

    def _is_fresh(self, account: Account) -> bool:
        return self._now() - self._taken_at.get(account, float("-inf")) < FRESH_S

    def count(
        self, url: str, user: str, password: str, said: str = "", way: Way | None = None
    ) -> PasswordRefused:
        """Count a refusal, and return it as an error, in these words.

        One that comes while another is waited for was given before that, and counts no more: many
        channels may be asked for a picture when a password changes.
        """
        account, way = _find_account(url, user, password), way or _find_way(url)
        with self._changed:
            known = self._refusals[account]
            was_taken = self._taken_at.pop(account, None) is not None
            is_alone = any(one.is_alone and one.url == url for one in known) or (
                was_taken and url not in self._taken_for[account]
            )
            before = [one for one in known if one.concerns(url, way)]
            times = max((one.times for one in before), default=0)
            if any(self._now() < one.until for one in before):
                return PasswordRefused(said or _explain_refusal(url))
            until = self._now() + (NEXT_WAIT_S if times else FIRST_WAIT_S)
            new = _Refusal(url, way, times + 1, until, is_alone)
            self._refusals[account] = [
                *(
                    one
                    for one in known
                    if one.is_alone != is_alone or not new.concerns(one.url, one.way)
                ),
                new,
            ]
        return PasswordRefused(said or _explain_refusal(url))

    def forget(self, url: str, user: str, password: str, way: Way | None = None) -> None:
        """Forget its refusals: it was taken. If another URL was refused, that one alone has no
        right."""
        account, way = _find_account(url, user, password), way or _find_way(url)
        with self._changed:
            self._taken_for[account].add(url)
            self._taken_at[account] = self._now()
            self._refusals[account] = [
                replace(one, is_alone=True) if one.concerns(url, way) else one
                for one in self._refusals[account]
                if one.url != url
            ]
            self._changed.notify_all()

    def doubt(self, url: str, user: str, password: str) -> None:
        """Let one login go first again: its host was away, and may have another password by now."""
        with self._changed:
            self._taken_at.pop(_find_account(url, user, password), None)

    def clear(self) -> None:
        self._refusals.clear()
        self._taken_for.clear()
        self._taken_at.clear()


REFUSALS = Refusals()


def _find_account(url: str, user: str, password: str) -> Account:
    return urlsplit(url).hostname, user, password


def _find_way(url: str) -> Way:
    return "rtsp" if url.lower().startswith("rtsp") else "http"


def _find_port(url: str) -> int:
    """Return the port at which a device is asked: its usual ones, with TLS or without, are one."""
    port = urlsplit(url).port
    return 0 if port in (None, 80, 443, 554, 322) else port


def _explain_refusal(url: str) -> str:
    waits = f"{FIRST_WAIT_S / 60:.0f}, then {NEXT_WAIT_S / 60:.0f} minutes"
    return (
        f"{redact_url(url)} refuses user and password: correct them; they are tried again "
        f"after {waits}"
    )
