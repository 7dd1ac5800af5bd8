"""Threads and memory, shared fairly: each lane has so many threads at most, and lanes that wait take turns.

Of a budget of memory for what is under way, a lane may hold half of what the others leave.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from ipaddress import ip_network
from queue import SimpleQueue
from typing import TypeVar

_Result = TypeVar("_Result")
_Work = Callable[[], None]


class Full(Exception):
    """A lane has no place left, and as much waits in it as may wait."""


class Lanes:
    """Threads for the calls of an event loop. A lane is a tenant's, or that of all who are not known.

    `threads`: all there are. `places`: most threads of one lane. `waiting`: most calls that wait in one lane. All
    methods are called in the event loop's thread.
    """

    def __init__(self, threads: int, places: int, waiting: int) -> None:
        self._free, self._places, self._longest = threads, places, waiting
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """In the order of the lanes' turns."""
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, lane: str, call: Callable[[], _Result]) -> _Result:
        """Make the call in a thread, in the caller's context, when it is its turn.

        Raises Full, and what the call raises.
        A caller that is cancelled leaves the lane if its call has not begun.
        """
        await self._turn(lane)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[_Result] = loop.create_future()

        def end(value: _Result | None, error: BaseException | None) -> None:
            self._give_back(lane)
            if not result.done():
                result.set_exception(error) if error else result.set_result(value)  # type: ignore[arg-type]

        def work() -> None:
            value: _Result | None = None
            error: BaseException | None = None
            try:
                value = call()
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(end, value, error)

        self._work.put(partial(copy_context().run, work))
        return await result

    async def _turn(self, lane: str) -> None:
        if self._free and self._running[lane] < self._places:
            self._take(lane)
            return
        queue = self._waiting.setdefault(lane, deque())
        if len(queue) >= self._longest:
            raise Full
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in queue:
                queue.remove(turn)
            elif not turn.cancelled():
                self._give_back(lane)
            raise

    def _take(self, lane: str) -> None:
        self._free -= 1
        self._running[lane] += 1

    def _give_back(self, lane: str) -> None:
        self._free += 1
        self._running[lane] -= 1
        if not self._running[lane]:
            del self._running[lane]
        for name in list(self._waiting):
            queue = self._waiting[name]
            if not queue or (self._free and self._running[name] < self._places):
                del self._waiting[name]
            if queue and name not in self._waiting:
                self._take(name)
                queue.popleft().set_result(None)
                self._waiting[name] = queue  # behind the others

    def close(self, timeout_s: float) -> bool:
        """End the threads; wait so long for those whose calls have not ended. No loop may run any more.

        Return False if one still runs.
        """
        deadline = time.monotonic() + timeout_s
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while work := self._work.get():
            work()


class Budget:
    """So many bytes, of which a lane may hold half of what the others leave. It is used in one thread."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.held: Counter[str] = Counter()


class Holding:
    """A hold on so many bytes of a budget during a block. Raises Full if the lane would hold more than is left then."""

    def __init__(self, budget: Budget, lane: str, size: int) -> None:
        self._budget, self._lane, self._size = budget, lane, size

    def __enter__(self) -> Holding:
        self._charge(self._lane, self._budget.left - self._size)
        self._budget.left -= self._size
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.left += self._size
        self._budget.held[self._lane] -= self._size

    def move(self, lane: str) -> None:
        """Charge another lane for it."""
        if lane != self._lane:
            self._charge(lane, self._budget.left)
            self._budget.held[self._lane] -= self._size
            self._lane = lane

    def _charge(self, lane: str, left: int) -> None:
        if self._size and self._budget.held[lane] + self._size > left:
            raise Full
        self._budget.held[lane] += self._size


def lane_of_sender(address: str) -> str:
    """Return the lane of a sender whose tenant is not known: its address, or the IPv6 network, all of which is its."""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
