import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from PIL import Image

from chalicelib import telemetry
from chalicelib.book.vision.machine import CpuSlots, PictureMemory, Work, read_resident_bytes
from chalicelib.book.vision.pictures.image import read_picture
from chalicelib.domain.errors import Busy, Unusable
from chalicelib.domain.pictures import PictureRules

RULES = PictureRules(frozenset({"WEBP"}), 2**20, 8_192, 8_192)
SLOTS = 2
REQUESTS = 24
STEPS = 4


class Watch:
    """Counts the threads that compute and the pictures that are open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.computing = self.most_computing = 0
        self.open = self.most_open = 0

    def step(self) -> None:
        with self.lock:
            self.computing += 1
            self.most_computing = max(self.most_computing, self.computing)
        time.sleep(0.002)
        with self.lock:
            self.computing -= 1

    def opened(self, by: int) -> None:
        with self.lock:
            self.open += by
            self.most_open = max(self.most_open, self.open)


def rush(slots: CpuSlots, watch: Watch) -> None:
    def request(_: int) -> None:
        with slots.take_slot(to_open=True):
            watch.step()
            watch.opened(1)
        for _ in range(STEPS):
            with slots.take_slot():
                watch.step()
        watch.opened(-1)

    with ThreadPoolExecutor(REQUESTS) as threads:
        list(threads.map(request, range(2 * REQUESTS)))


def test_no_more_threads_compute_than_there_are_slots() -> None:
    watch = Watch()
    rush(CpuSlots(SLOTS), watch)
    assert watch.most_computing == SLOTS


def test_few_pictures_are_open_however_many_requests_wait() -> None:
    watch = Watch()
    rush(CpuSlots(SLOTS), watch)
    assert watch.open == 0
    # one more opens in the moment between the time between two slots of a thread
    assert watch.most_open <= 4 * SLOTS


def test_a_slot_whose_work_fails_is_given_back() -> None:
    slots = CpuSlots(1)
    with pytest.raises(ValueError, match="damaged"), slots.take_slot(to_open=True):
        raise ValueError("damaged")
    with slots.take_slot():
        pass


def test_a_thread_that_opens_a_picture_waits_for_one_that_has_one() -> None:
    slots, order = CpuSlots(1), []
    first = threading.Event()

    def holds() -> None:
        with slots.take_slot():
            first.set()
            time.sleep(1.0)  # until both others wait

    def comes(name: str, start: threading.Barrier) -> None:
        start.wait()
        with slots.take_slot(to_open=name == "opens"):
            order.append(name)

    holder = threading.Thread(target=holds)
    holder.start()
    first.wait()
    barrier = threading.Barrier(2)
    others = [threading.Thread(target=comes, args=(name, barrier)) for name in ("opens", "has one")]
    for thread in others:
        thread.start()
    for thread in (holder, *others):
        thread.join()
    assert order == ["has one", "opens"]


def of_tenant(
    name: str, slots: CpuSlots, begun: threading.Event, end: threading.Event
) -> threading.Thread:
    """Start a thread that holds a slot for a tenant until `end`."""

    def hold() -> None:
        with telemetry.begin_invocation("test", ""):
            telemetry.of_tenant(name)
            with slots.take_slot(to_open=True):
                begun.set()
                end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


def test_a_tenant_does_not_wait_for_another_that_computes_all_it_can() -> None:
    slots, end, here = CpuSlots(SLOTS), threading.Event(), threading.Event()
    rushing = [of_tenant("busy", slots, threading.Event(), end) for _ in range(5 * SLOTS)]
    time.sleep(0.05)
    other = of_tenant("other", slots, here, end)
    try:
        assert here.wait(30)
    finally:
        end.set()
        for thread in (*rushing, other):
            thread.join()


class TestSpread:
    """The parts of one thread's work, done on cores that are free."""

    @pytest.mark.parametrize("count", [1, 2, 4])
    @pytest.mark.parametrize("parts", [0, 1, 3, 40])
    def test_the_answers_are_in_order_and_no_core_is_used_twice(
        self, count: int, parts: int
    ) -> None:
        slots, watch = CpuSlots(count), Watch()

        def square(number: int) -> int:
            watch.step()
            return number**2

        with slots.take_slot():
            assert slots.spread_work(square, range(parts)) == [number**2 for number in range(parts)]
        assert watch.most_computing <= count

    def test_all_free_cores_help(self) -> None:
        slots, all_at_once = CpuSlots(4), threading.Barrier(4)
        with slots.take_slot():
            slots.spread_work(lambda _: all_at_once.wait(30), range(4))

    def test_a_rush_uses_no_more_cores_than_there_are(self) -> None:
        slots, watch = CpuSlots(SLOTS), Watch()

        def request(_: int) -> None:
            with slots.take_slot():
                slots.spread_work(lambda _: watch.step(), range(STEPS))

        with ThreadPoolExecutor(REQUESTS) as threads:
            list(threads.map(request, range(REQUESTS)))
        assert watch.most_computing <= SLOTS

    def test_a_helper_leaves_its_slot_to_a_thread_that_waits(self) -> None:
        slots, done, got_in, both_busy = CpuSlots(2), list[int](), list[int](), threading.Barrier(3)

        def part(number: int) -> None:
            if number < 2:
                both_busy.wait(30)
            time.sleep(0.005)
            done.append(number)

        def comes() -> None:
            both_busy.wait(30)
            with slots.take_slot():
                got_in.append(len(done))

        waiting = threading.Thread(target=comes)
        waiting.start()
        with slots.take_slot():
            slots.spread_work(part, range(200))
        waiting.join()
        assert got_in[0] < 100

    def test_work_that_fails_in_any_thread_fails_and_gives_all_slots_back(self) -> None:
        slots = CpuSlots(4)

        def fails(number: int) -> None:
            time.sleep(0.002)
            if number == 5:
                raise ValueError("damaged")

        for _ in range(10):
            with pytest.raises(ValueError, match="damaged"), slots.take_slot():
                slots.spread_work(fails, range(8))
        all_at_once = threading.Barrier(4)
        with slots.take_slot():
            slots.spread_work(lambda _: all_at_once.wait(30), range(4))

    def test_a_helper_works_for_the_tenant_that_it_helps(self) -> None:
        slots, both_at_once = CpuSlots(2), threading.Barrier(2)

        def tenant(_: int) -> str:
            both_at_once.wait(30)
            return telemetry.tenant()

        with telemetry.begin_invocation("test", ""):
            telemetry.of_tenant("shop")
            with slots.take_slot():
                assert slots.spread_work(tenant, range(2)) == ["shop", "shop"]

    def test_parts_may_have_parts(self) -> None:
        slots = CpuSlots(3)
        with slots.take_slot():
            found = slots.spread_work(
                lambda part: slots.spread_work(lambda number: number * part, range(9)), range(9)
            )
        assert found == [[number * part for number in range(9)] for part in range(9)]


class TestDone:
    """Several works, whose parts are spread together."""

    def test_each_work_gets_the_answers_of_its_own_parts(self) -> None:
        slots = CpuSlots(4)
        works = [
            Work([partial(pow, number, 2) for number in range(count)], list) for count in (3, 0, 5)
        ]
        with slots.take_slot():
            assert slots.do_works(works) == [[0, 1, 4], [], [0, 1, 4, 9, 16]]

    def test_parts_of_two_works_go_side_by_side(self) -> None:
        slots, both_at_once = CpuSlots(2), threading.Barrier(2)
        with slots.take_slot():
            slots.do_works([Work([partial(both_at_once.wait, 30)], list) for _ in range(2)])


class TestOneMore:
    """The slot for a second thread of one run."""

    def test_it_is_taken_while_a_core_is_free_and_given_back(self) -> None:
        slots = CpuSlots(3)
        for _ in range(10):
            with (
                slots.take_slot(),
                slots.one_more() as first,
                slots.one_more() as second,
                slots.one_more() as third,
            ):
                assert (first, second, third) == (1, 1, 0)

    def test_it_is_not_taken_from_anybody(self) -> None:
        slots, begun, end = CpuSlots(2), threading.Event(), threading.Event()
        other = of_tenant("other", slots, begun, end)
        try:
            assert begun.wait(30)
            with slots.take_slot(), slots.one_more() as more:
                assert more == 0
        finally:
            end.set()
            other.join()

    def test_one_core_has_no_other(self) -> None:
        slots = CpuSlots(1)
        with slots.take_slot(), slots.one_more() as more:
            assert more == 0


ONE = 18_000_000


@contextmanager
def for_tenant(name: str) -> Iterator[None]:
    with telemetry.begin_invocation("test", ""):
        telemetry.of_tenant(name)
        yield


class Process:
    def __init__(self) -> None:
        self.resident = 0

    def __call__(self) -> int:
        return self.resident


def memory_of(limit_bytes: int, process: Process, wait_s: float) -> PictureMemory:
    """Memory of a process that takes none itself."""
    return PictureMemory(limit_bytes, process, wait_s, own_bytes=0)


def has_room(memory: PictureMemory, size: int) -> bool:
    try:
        with memory.hold_room(size):
            return True
    except Busy:
        return False


def test_what_is_promised_counts_as_used() -> None:
    process = Process()
    memory = memory_of(4 * ONE, process, wait_s=0.1)
    with (
        memory.hold_room(2 * ONE),
        for_tenant("other"),
        memory.hold_room(2 * ONE),
        for_tenant("third"),
    ):
        assert not has_room(memory, 1)
    process.resident = 3 * ONE + 1
    assert not has_room(memory, ONE)


def test_a_full_process_decodes_one_small_picture_at_a_time() -> None:
    process = Process()
    process.resident = 100 * ONE
    memory = memory_of(16 * ONE, process, wait_s=0.1)
    assert not has_room(memory, ONE + 1)
    with memory.hold_room(ONE), for_tenant("other"):
        assert not has_room(memory, 1)


def test_one_tenant_leaves_room_for_another() -> None:
    memory = memory_of(4 * ONE, Process(), wait_s=0.1)
    with for_tenant("greedy"), memory.hold_room(ONE), memory.hold_room(ONE):
        assert not has_room(memory, ONE)
        with for_tenant("other"):
            assert has_room(memory, ONE)


def test_a_picture_waits_until_another_is_done() -> None:
    memory = memory_of(ONE, Process(), wait_s=60)
    began, end = threading.Event(), threading.Event()

    def first() -> None:
        with memory.hold_room(ONE):
            began.set()
            end.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(60)
    threading.Timer(0.2, end.set).start()
    with memory.hold_room(ONE):
        assert end.is_set()
    thread.join()


def test_what_never_fits_is_refused_at_once_and_for_good() -> None:
    with (
        pytest.raises(MemoryError),
        PictureMemory(4 * ONE, Process(), wait_s=60, own_bytes=ONE).hold_room(3 * ONE + 1),
    ):
        pass
    full = Process()
    full.resident = 4 * ONE
    memory = PictureMemory(4 * ONE, full, wait_s=0.1, own_bytes=ONE)
    assert not has_room(memory, 3 * ONE), "now"


def test_a_picture_that_never_fits_is_none_that_can_be_used() -> None:
    largest = io.BytesIO()
    Image.new("RGB", (4_032, 3_024)).save(largest, "WEBP", method=0, quality=1)
    memory = PictureMemory(400 * 1024 * 1024, Process(), wait_s=60)
    with pytest.raises(Unusable, match="does not fit into memory") as refused:
        read_picture(largest.getvalue(), RULES, memory.hold_room)
    assert refused.value.breaks == "bytes"


def test_room_is_given_back_if_decoding_fails() -> None:
    memory = memory_of(ONE, Process(), wait_s=0.1)
    with pytest.raises(ValueError, match="damaged"), memory.hold_room(ONE):
        raise ValueError("damaged")
    with memory.hold_room(ONE):
        pass


def test_the_process_has_memory() -> None:
    assert read_resident_bytes() > 10_000_000
