"""Copies of a public demo's shop, which forget themselves: a visitor who corrects something does so
in one.

All is called in the server's event loop; threads only make and delete copies.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

from msgspec import Struct

from chalicelib.auth.rate_limits import Buckets, Rate
from chalicelib.domain.errors import NotAllowed, StorageUnavailable
from chalicelib.services import Services
from regulars.errors import OperatorError
from regulars.serve.site import Site


class Limits(Struct, frozen=True):
    """The most that all visitors of a public demo take."""

    copies: int = 24
    """Copies at once. Each takes 4 MB of disk and 2 MB of memory; pictures are links."""
    kept_s: float = 3600
    unused_s: float = 900
    """A copy goes so long after it was made, or was last asked for something."""
    spared_s: float = 60
    """If all are taken, the one goes that was unused for longest, if it was for so long."""
    changes: int = 300
    bytes: int = 16 * 2**20
    """Disk that one copy has before its last change."""
    of_address: Rate = Rate("copies", "copies for an address", a_second=1 / 300, burst=5)


LIMITS = Limits()


class Copy:
    """A visitor's copy of the shop, in a folder of its own."""

    def __init__(self, services: Services, site: Site, folder: Path, limits: Limits) -> None:
        """Take what the copy has, and the limits of what is done in it."""
        self.site = site
        self._services, self._folder, self._limits = services, folder, limits
        self._changes_left = limits.changes
        self.used_at_s = monotonic()
        self._over_at_s = self.used_at_s + limits.kept_s
        self.requests = 0
        """Requests under way."""

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep it while a request is under way."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.used_at_s = monotonic()

    @property
    def is_over(self) -> bool:
        """Tell whether its longest time is over: then it takes no new request."""
        return monotonic() >= self._over_at_s

    @property
    def left_s(self) -> float:
        """Seconds until it goes, if it is not used."""
        return min(self._over_at_s, self.used_at_s + self._limits.unused_s) - monotonic()

    def count_change(self) -> None:
        """Count a change. Raises NotAllowed if there were too many, or they wrote too much."""
        if not self._changes_left or self._count_bytes() >= self._limits.bytes:
            raise NotAllowed(
                "this copy of the shop was changed as much as a public demo allows: run `make "
                "demo` for your own"
            )
        self._changes_left -= 1

    def _count_bytes(self) -> int:
        """Return what its database takes: nobody sends a picture."""
        return sum(file.stat().st_size for file in self._folder.iterdir() if file.is_file())

    def close(self) -> None:
        """Delete it. Nobody may use it any more."""
        self.site.close(0)
        self._services.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Copies:
    """The copies of all visitors, each by the token that its visitor sends."""

    def __init__(
        self,
        folder: Path,
        open_copy: Callable[[Path], Services],
        make_site: Callable[[Services], Site],
        limits: Limits,
    ) -> None:
        """Keep copies below `folder`. `open_copy`: fills a folder with the shop as it is, and opens
        it."""
        self._folder, self._open_copy, self._make_site = folder, open_copy, make_site
        self._limits, self._buckets = limits, Buckets(limits.of_address)
        self._by_token: dict[str, Copy] = {}
        self._making = asyncio.Lock()

    def find(self, token: str) -> Copy | None:
        """Return the visitor's copy; None: there is none that takes requests."""
        copy = self._by_token.get(token)
        return None if copy is None or copy.is_over else copy

    async def provide(self, token: str, address: str) -> Copy:
        """Return the visitor's copy, and make it first if there is none.

        Raises NotAllowed if all are in use or the visitor's just ends, TooManyRequests if the
        address had too many, and StorageUnavailable.
        """
        # A visitor who goes meanwhile leaves a copy behind that is known, and forgets itself.
        return await asyncio.shield(self._provide(token, address))

    async def _provide(self, token: str, address: str) -> Copy:
        async with self._making:
            known = self._by_token.get(token)
            if known is not None and known.is_over:
                raise NotAllowed("this copy of the shop just ends: correct it in a minute, anew")
            if known is not None:
                return known
            spared = self._find_spared()
            self._buckets.take(address)
            if spared is not None:
                self._forget(spared)
            copy = await asyncio.to_thread(self._make_copy)
            self._by_token[token] = copy
            self._look_later(token, copy.left_s)
            return copy

    def _find_spared(self) -> str | None:
        """Return the token of the copy that has to go before another is made; None: none has to.

        Raises NotAllowed if all are in use.
        """
        if len(self._by_token) < self._limits.copies:
            return None
        unused = {token: copy for token, copy in self._by_token.items() if not copy.requests}
        longest = min(unused, key=lambda token: unused[token].used_at_s, default=None)
        if longest is None or monotonic() - unused[longest].used_at_s < self._limits.spared_s:
            raise NotAllowed(
                f"all copies of this public demo ({self._limits.copies}) are in use: look around, "
                "and correct something in some minutes"
            )
        return longest

    def _make_copy(self) -> Copy:
        with ExitStack() as undo:
            try:
                folder = Path(mkdtemp(dir=self._folder))
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                services = self._open_copy(folder)
            except (OSError, OperatorError) as error:
                raise StorageUnavailable(
                    "the shop could not be copied: try it again later"
                ) from error
            undo.pop_all()
        return Copy(services, self._make_site(services), folder, self._limits)

    def _look_later(self, token: str, in_s: float) -> None:
        asyncio.get_running_loop().call_later(in_s, self._forget_if_due, token)

    def _forget_if_due(self, token: str) -> None:
        """Forget a copy whose time has come, or look again when it may have."""
        copy = self._by_token.get(token)
        if copy is None:
            return
        if copy.left_s <= 0 and not copy.requests:
            self._forget(token)
        else:
            self._look_later(token, max(copy.left_s, 1.0))

    def _forget(self, token: str) -> None:
        copy = self._by_token.pop(token)
        asyncio.get_running_loop().run_in_executor(None, copy.close)

    def close(self) -> None:
        """Delete all copies. The loop must have stopped."""
        for copy in self._by_token.values():
            copy.close()
        self._by_token.clear()
