"""No order of arrivals, cancellations and ends takes a place of a lane, or leaves a caller without
an answer."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import Busy
from regulars.serve.lanes import Lanes
from tests.support.waiting import PATIENCE_S

THREADS, PLACES, WAITING = 4, 2, 3
LANES = ("", "shop", "other")

Steps = list[tuple[str, int]]


class Crowd:
    """Callers of lanes whose calls last until they are told to end."""

    def __init__(self) -> None:
        self.lanes = Lanes(THREADS, PLACES, WAITING)
        self._calls: list[tuple[asyncio.Task[str], threading.Event]] = []
        self._running: list[str] = []
        self._most = 0

    def arrive(self, number: int) -> None:
        lane, end = LANES[number % len(LANES)], threading.Event()

        def call() -> str:
            self._running.append(lane)
            if self._running.count(lane) > PLACES or len(self._running) > THREADS:
                return "too many at once"
            end.wait(PATIENCE_S)
            self._running.remove(lane)
            return "answered"

        self._calls.append((asyncio.ensure_future(self.lanes.run(lane, call)), end))

    def cancel(self, number: int) -> None:
        if self._calls:
            self._calls[number % len(self._calls)][0].cancel()

    def end(self, number: int) -> None:
        """End a call. What its thread tells the loop waits until the loop's next turn, as does what
        comes after."""
        if self._calls:
            self._calls[number % len(self._calls)][1].set()
            time.sleep(0.001)

    def swap(self, number: int) -> None:
        """End a call, and cancel one that waits for its place, in the same turn."""
        self.end(number)
        self.cancel(number + PLACES)

    async def turn(self, _number: int) -> None:
        await asyncio.sleep(0.001)

    async def see_out(self) -> None:
        """End all calls; each that was not cancelled is answered, or was told that its lane is
        full."""
        for _, end in self._calls:
            end.set()
        async with asyncio.timeout(PATIENCE_S):
            ended = await asyncio.gather(*(task for task, _ in self._calls), return_exceptions=True)
        for told in ended:
            assert told == "answered" or isinstance(told, asyncio.CancelledError | Busy)

    async def has_every_place(self) -> None:
        """Fill each lane, and all threads by several."""
        for lanes in ([0] * PLACES, [1] * PLACES, [2] * PLACES, [0, 0, 1, 1]):
            self._calls = []
            for lane in lanes:
                self.arrive(lane)
            async with asyncio.timeout(PATIENCE_S):
                while len(self._running) < len(lanes):
                    await asyncio.sleep(0.001)
            await self.see_out()


async def played(steps: Steps) -> None:
    crowd = Crowd()
    todo: dict[str, Callable[[int], Awaitable[None] | None]] = {
        name: getattr(crowd, name) for name in ("arrive", "cancel", "end", "swap", "turn")
    }
    for name, number in steps:
        if (waits := todo[name](number)) is not None:
            await waits
    await crowd.see_out()
    await crowd.has_every_place()
    assert crowd.lanes.close(PATIENCE_S)


STEP = st.tuples(
    st.sampled_from(["arrive", "arrive", "arrive", "cancel", "end", "swap", "turn"]),
    st.integers(0, 8),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_any_order_leaves_every_place_free_and_everybody_answered(steps: Steps) -> None:
    asyncio.run(played(steps))


@pytest.mark.parametrize("waiters", [1, 2, 3])
def test_a_waiter_that_is_cancelled_as_a_place_comes_free_takes_nothing_with_it(
    waiters: int,
) -> None:
    arrivals = [("arrive", 0)] * (PLACES + waiters)
    asyncio.run(played([*arrivals, ("turn", 0), ("end", 0), ("cancel", PLACES), ("turn", 0)]))


def test_lanes_that_wait_take_turns() -> None:
    async def in_turns() -> list[str]:
        lanes, begun, go_on = Lanes(1, 1, 9), list[str](), threading.Event()

        def call(name: str) -> None:
            go_on.wait(PATIENCE_S)
            begun.append(name)

        names = ("first", "greedy", "greedy", "greedy", "shop", "other")
        calls = [
            asyncio.ensure_future(lanes.run(name, lambda name=name: call(name))) for name in names
        ]  # type: ignore[misc]
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*calls)
        return begun

    assert asyncio.run(in_turns()) == ["first", "greedy", "shop", "other", "greedy", "greedy"]
