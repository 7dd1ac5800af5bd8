"""The machine's limits: how many threads may compute (CPU slots), and how many pictures may be
decoded at once (the process's memory stays below a limit).
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import Struct

from chalicelib import telemetry
from chalicelib.book.vision.cgroup_quota import Quota, quota
from chalicelib.domain.errors import Busy

Part = TypeVar("Part")
Answer = TypeVar("Answer")
Changed = TypeVar("Changed")


class Work(Struct, Generic[Answer], frozen=True):
    """Independent parts of a computation, and the function that joins their results.

    Nothing is done when a work is made. `CpuSlots.do_works` calls the parts side by side, and then
    `join` with what they returned, in their order.
    """

    parts: Sequence[Callable[[], Any]]
    join: Callable[[list[Any]], Answer]

    def then(self, change: Callable[[Answer], Changed]) -> Work[Changed]:
        """Return a work of the same parts whose result is passed through `change`."""
        return Work(self.parts, join=lambda answers: change(self.join(answers)))


class _Waiting(Struct, eq=False):
    """A thread that waits for a slot. `to_open`: to open a picture, with which it waits longer."""

    tenant: str
    to_open: bool


class CpuSlots:
    """A limit of computing threads: a thread holds a slot while it computes. `count` are of one
    tenant, and twice as many of all, so that none waits for another.

    Threads with an open picture go before those that would open one. Without that, all requests of
    a rush open their pictures before any is processed, and an upload of a few megabytes waits as 50
    megabytes of pixels. Among equals, the tenant with the fewest slots goes first. Threads that
    work for no tenant count as one.
    """

    def __init__(self, count: int) -> None:
        self.count, self._free = count, 2 * count
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        # It starts no thread before one is needed.
        self._helpers = ThreadPoolExecutor(max(count - 1, 1), "cpu-slot")

    @contextmanager
    def take_slot(self, *, to_open: bool = False) -> Iterator[None]:
        """Wait for a slot, a thread's right to compute, and hold it for the block.

        Slots go first to tenants who hold few. A thread that is to open a picture (`to_open`) lets
        those with an open one go first.
        """
        waiter = _Waiting(telemetry.tenant(), to_open)
        with self._changed:
            self._waiting.append(waiter)
            try:
                self._changed.wait_for(lambda: self._choose_next() is waiter)
                self._free -= 1
                self._held[waiter.tenant] += 1
            finally:
                self._waiting.remove(waiter)
                self._changed.notify_all()  # it may be another's turn now
        try:
            yield
        finally:
            self._give_back(waiter.tenant)

    def spread_work(self, work: Callable[[Part], Answer], parts: Sequence[Part]) -> list[Answer]:
        """Return the answers of `work` for each of the parts, in their order, by several threads.

        The caller's thread works, too, and holds a slot, a thread's right to compute. Others help
        on slots that are free now, and stop after a part as soon as anybody waits for a slot. So
        one picture uses all cores of an idle machine, and in a rush nobody waits for helpers.
        """
        tenant = telemetry.tenant()
        numbers_left = iter(range(len(parts)))  # each thread takes the next one when it is free
        answers = dict[int, Answer]()

        def work_on_parts(has_to_stop: Callable[[], object]) -> None:
            for number in numbers_left:
                answers[number] = work(parts[number])
                if has_to_stop():
                    return

        def help_out() -> None:
            try:
                with telemetry.begin_invocation("", ""):  # what it logs is of the tenant, too
                    telemetry.of_tenant(tenant)
                    work_on_parts(lambda: self._waiting)  # true if anybody waits for a slot
            finally:
                self._give_back(tenant)

        helper_count = self._take_spare(tenant, len(parts) - 1)
        helpers = [self._helpers.submit(help_out) for _ in range(helper_count)]
        try:
            work_on_parts(lambda: False)  # this thread goes on until no part is left
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()  # raise what a helper raised
        return [answers[number] for number in range(len(parts))]

    def do_works(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do the parts of all these works side by side; return the answer of each work."""
        parts = [part for work in works for part in work.parts]
        answers = iter(self.spread_work(lambda part: part(), parts))
        return [work.join([next(answers) for _ in work.parts]) for work in works]

    @contextmanager
    def one_more(self) -> Iterator[int]:
        """Take a slot for a second thread, if one is free now; yield 1, or 0 if none is."""
        tenant = telemetry.tenant()
        taken = self._take_spare(tenant, 1)
        try:
            yield taken
        finally:
            self._give_back(tenant, taken)

    def _take_spare(self, tenant: str, max_slots: int) -> int:
        """Take up to `max_slots` more slots for a caller that holds one; return how many.

        They are on cores that nobody uses, and none if somebody waits for a slot.
        """
        with self._changed:
            spare = 0 if self._waiting else self.count - max(self._held.total(), 1)
            taken = max(min(spare, max_slots), 0)
            self._free -= taken
            self._held[tenant] += taken
            return taken

    def _give_back(self, tenant: str, slots: int = 1) -> None:
        with self._changed:
            self._free += slots
            self._held[tenant] -= slots
            self._changed.notify_all()

    def _choose_next(self) -> _Waiting | None:
        """Return which waiting thread gets a slot now; None if there is no slot for any.

        A thread with an open picture goes before one that would open another. Among these, the one
        whose tenant holds the fewest slots goes first.
        """
        if not self._free:
            return None
        ready = [waiter for waiter in self._waiting if self._held[waiter.tenant] < self.count]
        return min(
            ready, key=lambda waiter: (waiter.to_open, self._held[waiter.tenant]), default=None
        )


MEGABYTES_A_CORE = 1769
"""Memory for which a function in Lambda gets the time of one core."""


def count_cores() -> int:
    """Return how many whole cores this process may use, one at least.

    A function in Lambda has them by its memory; elsewhere it is what the quota leaves of those that
    the process may run on.
    """
    if megabytes := os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
        return max(int(megabytes) // MEGABYTES_A_CORE, 1)
    return cores_within(quota(), cores_to_run_on())


def cores_within(quota: Quota, core_count: int) -> int:
    """Return how many whole cores a quota leaves, one at least.

    One thread more would be stopped in each period.
    """
    return core_count if quota.cores is None else max(min(int(quota.cores), core_count), 1)


def cores_to_run_on(process: int = 0) -> int:
    """Return how many cores a process may run on, by its affinity. `process`: 0 for this one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(process))
    return os.cpu_count() or 1


OWN_BYTES = 280 * 1024 * 1024
"""Least memory of the process with its models. Measured: 292 MiB on one box without a gallery."""


def limit_memory(quota: Quota, limit_bytes: int) -> int:
    """Return below which resident memory a process stays: its limit, or nine tenths of a quota that
    leaves less.

    The kernel kills a process above its quota, in which buffers count, too.
    """
    if quota.memory_bytes is None:
        return limit_bytes
    return min(limit_bytes, quota.memory_bytes * 9 // 10)


WAIT_S = 20.0
"""How long a picture may wait for room; Lambda's gateway waits 29 s for an answer."""

_LOOK_EVERY_S = 0.05
"""How often a picture that waits looks whether there is room, in s."""
_SMALL = 16
"""A picture that takes this part of the limit or less is small: 7 megapixels of 2 GB."""
_STATM = Path("/proc/self/statm")


def read_resident_bytes() -> int:
    """Return the process's resident memory; 0 if the system does not report it."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def read_held_bytes() -> int:
    """Return the process's memory that the system cannot reclaim, unlike mapped files; 0 if it is
    not reported."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    held_kb = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return 1024 * int(next(held_kb, "0"))


class PictureMemory:
    """A limit of the process's resident memory: a picture is decoded only when there is room for
    its pixels.

    Room is promised from when decoding begins, though memory is taken only by and by. What a tenant
    holds beyond one picture is at most half of what is left, so that there is room for others. If
    the process is full without any picture, of galleries say, it still decodes one small picture at
    a time.
    """

    def __init__(
        self,
        limit_bytes: int,
        resident: Callable[[], int] = read_resident_bytes,
        wait_s: float = WAIT_S,
        own_bytes: int = OWN_BYTES,
    ) -> None:
        self._limit = limit_bytes
        self._resident = resident
        self._wait_s = wait_s
        self._own = own_bytes
        self._promised: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold_room(self, size: int) -> Iterator[None]:
        """Wait for room for decoding that takes `size` bytes, and hold it for the block.

        Raises Busy if there is none for WAIT_S. Raises MemoryError at once if it is more than the
        limit leaves beside the process's own memory.
        """
        if size > self._limit - self._own:
            raise MemoryError
        tenant, deadline = telemetry.tenant(), time.monotonic() + self._wait_s
        while not self._promise(tenant, size):
            if time.monotonic() > deadline:
                raise Busy(
                    "there is no memory for a picture of this size now: send it again later, or a "
                    "smaller one"
                )
            time.sleep(_LOOK_EVERY_S)  # memory comes free without a word
        try:
            yield
        finally:
            with self._lock:
                self._promised[tenant] -= size

    def _promise(self, tenant: str, size: int) -> bool:
        """Promise so many bytes to a tenant if there is room; return whether they were promised.

        Promised bytes count as taken, though a picture takes them only by and by. A tenant with one
        picture may have more only in half of the room.
        """
        with self._lock:
            free_bytes = self._limit - self._resident()
            held_bytes, promised_bytes = self._promised[tenant], self._promised.total()
            # Without this exception nobody's picture would be decoded while galleries fill it all.
            is_small_and_alone = not promised_bytes and size <= self._limit / _SMALL
            if promised_bytes + size > free_bytes and not is_small_and_alone:
                return False
            # A tenant's first picture always may, a further one only in half of the room.
            if held_bytes and held_bytes + size > free_bytes / 2:
                return False
            self._promised[tenant] += size
            return True
