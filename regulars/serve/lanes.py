"""Threads and memory, shared fairly: each lane has so many threads at most, and lanes that wait take turns.

Of a budget of memory for what is under way, a lane may hold half of what the others leave, and strangers a quarter.
What only names a lane's tenant has half of the lane's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from contextvars import copy_context
from typing import Any, TypeVar

_Result = TypeVar("_Result")

STRANGERS = ""
"""Lane of all whose tenant is not known."""

SMALL_BYTES = 64 * 1024
"""What is not larger does not count in a budget: all connections together have no more than 64 MiB of it."""

_LEAST_S = 0.001


class Full(Exception):
    """A lane has no place left, and as much waits in it as may wait."""


class _Lane:
    """Places of a lane, and its door: one of the lane at a time waits for a thread, so that lanes take turns."""

    def __init__(self, places: int) -> None:
        self.places, self.door = asyncio.Semaphore(places), asyncio.Lock()
        self.inside = 0
        """Calls that run or wait."""


class Lanes:
    """Threads for the calls of an event loop. A lane is a tenant's, or that of all who are not known.

    `threads`: all there are. `places`: most threads of one lane; `of`: of these lanes. `waiting`: most calls that wait
    in one lane. All methods are called in the event loop's thread.
    """

    def __init__(self, threads: int, places: int, waiting: int, of: Mapping[str, int] | None = None) -> None:
        self._free, self._places, self._waiting, self._of = asyncio.Semaphore(threads), places, waiting, of or {}
        self._pool = ThreadPoolExecutor(threads, "lanes")
        self._lanes: dict[str, _Lane] = {}
        self._works: set[Future[Any]] = set()

    async def run(self, lane: str, call: Callable[[], _Result]) -> _Result:
        """Make the call in a thread, in the caller's context, when it is its turn.

        Raises Full, and what the call raises.
        A caller that is cancelled leaves the lane if its call has not begun. The place is the call's, not the caller's.
        """
        places = self._of.get(lane, self._places)
        own = self._lanes.setdefault(lane, _Lane(places))
        if own.inside >= places + self._waiting:
            raise Full
        with ExitStack() as held:
            own.inside += 1
            held.callback(self._leave, lane)
            await own.places.acquire()
            held.callback(own.places.release)
            async with own.door:
                await self._free.acquire()
                held.callback(self._free.release)
            work = self._pool.submit(copy_context().run, call)
            self._give_back_after(work, held.pop_all())
        return await asyncio.wrap_future(work)

    def _give_back_after(self, work: Future[Any], held: ExitStack) -> None:
        loop = asyncio.get_running_loop()
        self._works.add(work)
        held.callback(self._works.discard, work)

        def ended(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(held.close)

        work.add_done_callback(ended)

    def _leave(self, lane: str) -> None:
        self._lanes[lane].inside -= 1
        if not self._lanes[lane].inside:
            del self._lanes[lane]

    def close(self, timeout_s: float) -> bool:
        """End the threads; wait so long for those whose calls have not ended. No loop may run any more.

        Return False if one still runs.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not wait(self._works, timeout_s).not_done


class Budget:
    """So many bytes for what is under way. A lane may hold half of what the others leave; strangers a quarter of all.

    What is `unproved` of a lane has half of what the lane may hold. It is used in one thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.holdings: set[Holding] = set()
        self._held: Counter[str] = Counter()
        self._unproved: Counter[str] = Counter()
        """What they hold in all, by lane, so that each piece that comes costs the same however many there are."""

    def note(self, one: Holding, size: int) -> None:
        """Reckon with so many bytes more that a holding has, or fewer; one that was ended has none."""
        if one in self.holdings:
            self._held[one.lane] += size
            self._unproved[one.lane] += size * one.unproved

    def make_room(self, lane: str, size: int, asks: Holding) -> None:
        """Return if the lane may hold so many bytes more. The slowest of what is unproved goes first. Raises Full."""
        while size:
            held, left = self._held[lane], self._size - self._held.total()
            shared = self._size if lane == STRANGERS else left + held
            is_share = not asks.unproved or self._unproved[lane] + size <= shared // 4
            if held + size <= left - size and is_share:
                return
            unproved = [one for one in self.holdings if one.lane == lane and one.unproved and asks.unproved]
            coming = [one for one in unproved if one.stop and one.held]
            slowest = min([asks, *coming], key=Holding.bytes_a_second)
            if not coming or slowest is asks:
                raise Full
            slowest.end()


class Holding:
    """A hold during a block on the bytes that have come, each so many `copies` of times.

    `stop`: ends what is still coming, so that something faster has its room; None: all has come. `unproved`: nothing
    shows yet that the lane's tenant sends it.
    """

    def __init__(
        self, budget: Budget, lane: str, copies: int, stop: Callable[[], None] | None = None, *, unproved: bool = False
    ) -> None:
        self.lane, self.stop, self.held, self.unproved = lane, stop, 0, unproved or lane == STRANGERS
        self._budget, self._copies = budget, copies
        self._began, self._bytes = time.monotonic(), 0

    def __enter__(self) -> Holding:
        self._budget.holdings.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.note(self, -self.held)
        self._budget.holdings.discard(self)

    def grow(self, size: int) -> None:
        """Hold so many bytes more. Raises Full."""
        self._bytes += size
        if self._bytes > SMALL_BYTES:
            self._hold(self.lane, self._bytes * self._copies - self.held)

    def move(self, lane: str) -> None:
        """Charge another lane for it, as unproved as it was. Raises Full."""
        if lane != self.lane:
            held, self.held = self.held, 0
            self._budget.note(self, -held)
            self._hold(lane, held)

    def _hold(self, lane: str, size: int) -> None:
        self._budget.make_room(lane, size, self)
        self.lane = lane
        self._budget.note(self, size)
        self.held += size

    def bytes_a_second(self) -> float:
        return self._bytes / max(_LEAST_S, time.monotonic() - self._began)

    def end(self) -> None:
        """Stop what is coming, and give its room back."""
        self.__exit__()
        if self.stop:
            self.stop()
