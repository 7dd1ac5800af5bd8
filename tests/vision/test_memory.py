"""Room for pictures: what does not fit into the process's memory waits, or is told to come again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chalicelib.core import telemetry
from chalicelib.core.errors import Busy
from chalicelib.vision.machine import PictureMemory, resident_bytes

ONE = 18_000_000


@contextmanager
def of_tenant(name: str) -> Iterator[None]:
    with telemetry.begun("test", ""):
        telemetry.of_tenant(name)
        yield


class Process:
    def __init__(self) -> None:
        self.resident = 0

    def __call__(self) -> int:
        return self.resident


def has_room(memory: PictureMemory, size: int) -> bool:
    try:
        with memory.room(size):
            return True
    except Busy:
        return False


def test_what_is_promised_counts_as_used() -> None:
    process = Process()
    memory = PictureMemory(4 * ONE, process, wait_s=0.1)
    with memory.room(2 * ONE), of_tenant("other"), memory.room(2 * ONE), of_tenant("third"):
        assert not has_room(memory, 1)
    process.resident = 3 * ONE + 1
    assert not has_room(memory, ONE)


def test_a_full_process_decodes_one_small_picture_at_a_time() -> None:
    process = Process()
    process.resident = 100 * ONE
    memory = PictureMemory(16 * ONE, process, wait_s=0.1)
    assert not has_room(memory, ONE + 1)
    with memory.room(ONE), of_tenant("other"):
        assert not has_room(memory, 1)


def test_one_tenant_leaves_room_for_another() -> None:
    memory = PictureMemory(4 * ONE, Process(), wait_s=0.1)
    with of_tenant("greedy"), memory.room(ONE), memory.room(ONE):
        assert not has_room(memory, ONE)
        with of_tenant("other"):
            assert has_room(memory, ONE)


def test_a_picture_waits_until_another_is_done() -> None:
    memory = PictureMemory(ONE, Process(), wait_s=60)
    began, end = threading.Event(), threading.Event()

    def first() -> None:
        with memory.room(ONE):
            began.set()
            end.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(60)
    threading.Timer(0.2, end.set).start()
    with memory.room(ONE):
        assert end.is_set()
    thread.join()


def test_room_is_given_back_if_decoding_fails() -> None:
    memory = PictureMemory(ONE, Process(), wait_s=0.1)
    with pytest.raises(ValueError, match="damaged"), memory.room(ONE):
        raise ValueError("damaged")
    with memory.room(ONE):
        pass


def test_the_process_has_memory() -> None:
    assert resident_bytes() > 10_000_000
