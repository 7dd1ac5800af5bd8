"""Threads and memory, shared fairly: each lane has so many threads at most, and lanes that wait
take turns.

A lane may hold half of the memory that the others leave; strangers, of no tenant as far as is
proved, a third of all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from contextvars import copy_context
from typing import Any, TypeVar

from chalicelib.domain.errors import Busy

_Result = TypeVar("_Result")

UNPROVED = ""
"""Lane of all that no tenant is proved to have sent."""

ASKED_EVERY = 10
"""If no call of a lane ended at so many looks, a test call is made in it."""

SMALL_BYTES = 64 * 1024
"""Up to this size a piece does not count in a budget: all connections together have no more than 64
MiB of them."""


FULL = "the service has no room for this request now: send it again in a second"


class _Lane:
    """Places of a lane, and its door: one of the lane at a time waits for a thread, so that lanes
    take turns."""

    def __init__(self, places: int) -> None:
        self.places, self.door = asyncio.Semaphore(places), asyncio.Lock()
        self.inside = 0
        """Calls that run or wait."""
        self.still = 0
        """Looks since a call of it ended."""
        self.asking: asyncio.Task[None] | None = None


class Lanes:
    """Threads for the calls of an event loop. A lane is a tenant's, or a sender's.

    `threads`: all there are. `places`: most threads of one lane. `waiting`: most calls that wait in
    one lane. All methods are called in the event loop's thread.
    """

    def __init__(self, threads: int, places: int, waiting: int) -> None:
        self._free, self._places, self._waiting = asyncio.Semaphore(threads), places, waiting
        self._pool = ThreadPoolExecutor(threads, "lanes")
        self._lanes: dict[str, _Lane] = {}
        self._works: set[Future[Any]] = set()

    async def run(self, lane_name: str, work: Callable[[], _Result]) -> _Result:
        """Do `work` in a thread, in the caller's context, as soon as it is the lane's turn.

        If the caller is cancelled, work that has not begun leaves the lane. Work that has begun
        keeps its place in the lane until its end. Raises Busy if the lane's places and its queue
        are full, and what the work raises.
        """
        lane = self._lanes.setdefault(lane_name, _Lane(self._places))
        if lane.inside >= self._places + self._waiting:
            raise Busy(FULL)
        with ExitStack() as undo:
            lane.inside += 1
            undo.callback(self._leave, lane_name)
            await lane.places.acquire()
            undo.callback(lane.places.release)
            async with lane.door:
                await self._free.acquire()
                undo.callback(self._free.release)
            undo.callback(setattr, lane, "still", 0)
            future = self._pool.submit(copy_context().run, work)
            self._give_back_after(future, undo.pop_all())
        return await asyncio.wrap_future(future)

    def _give_back_after(self, work: Future[Any], place_stack: ExitStack) -> None:
        loop = asyncio.get_running_loop()
        self._works.add(work)
        place_stack.callback(self._works.discard, work)

        def close_held(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(place_stack.close)

        work.add_done_callback(close_held)

    def _leave(self, lane_name: str) -> None:
        self._lanes[lane_name].inside -= 1
        if not self._lanes[lane_name].inside:
            del self._lanes[lane_name]

    def count_still_looks(self) -> dict[str, int]:
        """Return for each lane at how many looks in a row, this one with them, no call had ended.

        Such a lane may have nothing to do but one long call. A test call tells whether it moves.
        """
        for name, lane in self._lanes.items():
            lane.still += 1
            if lane.still % ASKED_EVERY == 0:
                lane.asking = asyncio.create_task(self._ask(name))
        return {name: lane.still for name, lane in self._lanes.items()}

    async def _ask(self, name: str) -> None:
        with suppress(Busy):  # the lane is full: its own calls test it
            await self.run(name, lambda: None)

    def close(self, timeout_s: float) -> bool:
        """End the threads, and wait so long for calls that run. The loop must have stopped.

        Return False if one still runs.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not wait(self._works, timeout_s).not_done


class Budget:
    """A budget of bytes for requests under way.

    A lane may hold half of what others leave, strangers a third of all.

    It is used in one thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.holdings: set[Holding] = set()
        self._held: Counter[str] = Counter()
        """What they hold in all, by lane, so that each piece that comes costs the same however many
        there are."""

    def note(self, holding: Holding, size: int) -> None:
        """Add `size`, which may be negative, to what the lane holds, unless the holding was
        ended."""
        if holding in self.holdings:
            self._held[holding.lane] += size

    def make_room(self, lane: str, size: int, asks: Holding) -> None:
        """Return if the lane has room for `size` more bytes. Raises Busy if it has none.

        Requests whose tenant is not known yet have a lane in common, in which room is made. The
        sender that holds the most bytes has its largest request ended. If that is the request that
        asks, it gets Busy.
        """
        while size and not self._has_room(lane, size):
            strangers = [
                holding
                for holding in self.holdings
                if lane == holding.lane == UNPROVED and holding.stop and holding.held
            ]
            bytes_by_sender: Counter[str] = Counter({asks.sender: size})
            for holding in strangers:
                bytes_by_sender[holding.sender] += holding.held
            largest = max(
                [asks, *strangers],
                key=lambda holding: (
                    bytes_by_sender[holding.sender],
                    holding.held + size * (holding is asks),
                ),
            )
            if largest is asks:
                raise Busy(FULL)
            largest.end()

    def _has_room(self, lane: str, size: int) -> bool:
        would = self._held[lane] + size
        return would <= (
            self._size // 3 if lane == UNPROVED else self._size - self._held.total() - size
        )


class Holding:
    """A block during which the bytes that have come count in a lane, each `copies` times.

    `stop`: ends what is still coming, so that others have its room; None: all has come. `sender`:
    whose it is.
    """

    def __init__(
        self,
        budget: Budget,
        lane: str,
        copies: int,
        stop: Callable[[], None] | None = None,
        sender: str = "",
    ) -> None:
        self.lane, self.stop, self.sender, self.held = lane, stop, sender, 0
        self._budget, self._copies, self._bytes = budget, copies, 0

    def __enter__(self) -> Holding:
        self._budget.holdings.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.note(self, -self.held)
        self._budget.holdings.discard(self)

    def grow(self, size: int) -> None:
        """Hold so many bytes more. Raises Busy."""
        self._bytes += size
        if self._bytes > SMALL_BYTES:
            self._hold(self.lane, self._bytes * self._copies - self.held)

    def move(self, lane: str) -> None:
        """Charge another lane for it. Raises Busy."""
        if lane != self.lane:
            held_bytes, self.held = self.held, 0
            self._budget.note(self, -held_bytes)
            self._hold(lane, held_bytes)

    def _hold(self, lane: str, size: int) -> None:
        self._budget.make_room(lane, size, self)
        self.lane = lane
        self._budget.note(self, size)
        self.held += size

    def end(self) -> None:
        """Stop what is coming, and give its room back."""
        self.__exit__()
        if self.stop:
            self.stop()
