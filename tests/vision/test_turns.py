"""Who computes when more threads want to than there are cores."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.vision.turns import Turns

PLACES = 2
REQUESTS = 24
STEPS = 4


class Watch:
    """Counts who is inside and how many pictures are open."""

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


def rush(turns: Turns, watch: Watch) -> None:
    def request(_: int) -> None:
        with turns.opening():
            watch.step()
            watch.opened(1)
        for _ in range(STEPS):
            with turns.with_picture():
                watch.step()
        watch.opened(-1)

    with ThreadPoolExecutor(REQUESTS) as threads:
        list(threads.map(request, range(2 * REQUESTS)))


def test_no_more_threads_compute_than_there_are_places() -> None:
    watch = Watch()
    rush(Turns(PLACES), watch)
    assert watch.most_computing == PLACES


def test_few_pictures_are_open_however_many_requests_wait() -> None:
    watch = Watch()
    rush(Turns(PLACES), watch)
    assert watch.open == 0
    # one more opens in the moment between a thread's two turns
    assert watch.most_open <= 4 * PLACES


def test_a_turn_that_fails_is_given_back() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="damaged"), turns.opening():
        raise ValueError("damaged")
    with turns.with_picture():
        pass


def test_who_opens_waits_for_who_has_a_picture() -> None:
    turns, order = Turns(1), []
    first = threading.Event()

    def holds() -> None:
        with turns.with_picture():
            first.set()
            time.sleep(0.1)

    def comes(name: str, turn: threading.Barrier) -> None:
        turn.wait()
        with turns.opening() if name == "opens" else turns.with_picture():
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
