from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, StorageUnavailable, TenantNotFound
from chalicelib.core.model import Edit, JournalEntry, Tenant
from chalicelib.core.ports import Action, ItemStore, Put, absent
from chalicelib.services import Services
from chalicelib.services.commit.gallery import Change, GalleryMoved, GalleryWriter
from tests.fakes import FakeClock


class Gated:
    """The real item store, whose transactions wait for a gate and may be told to fail."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.transactions: list[int] = []
        self.failures: list[Exception] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._items, name)

    def transact(self, actions: Sequence[Action]) -> None:
        self.entered.set()
        assert self.open.wait(5)
        if self.failures:
            raise self.failures.pop()
        self.transactions.append(len(actions))
        self._items.transact(actions)


def change(faceid: str, group: str = "regular", **more: object) -> Change:
    item = {"tenant": "camera", "faceid": faceid}
    entry = JournalEntry(Edit.PUT, faceid, group)
    put = Put(keys.FACES, item, (absent(f"free:{faceid}"),))
    return Change((put,), (entry,), {group: 1}, frozenset({group}), **more)  # type: ignore[arg-type]


@pytest.fixture
def gated(services: Services) -> Gated:
    return Gated(services.requests._items)


@pytest.fixture
def writer(gated: Gated, clock: FakeClock) -> GalleryWriter:
    return GalleryWriter(gated, clock, lambda tenant, seq: None)  # type: ignore[arg-type]


def commit_together(writer: GalleryWriter, gated: Gated, changes: Sequence[Change]) -> list[object]:
    """The first change enters its transaction; the others wait behind it; then the gate opens."""
    results: list[object] = [None] * len(changes)

    def work(n: int) -> None:
        try:
            results[n] = writer.commit("camera", changes[n])
        except Exception as error:
            results[n] = error

    gated.open.clear()
    gated.entered.clear()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(changes))]
    threads[0].start()
    assert gated.entered.wait(5)
    for n, thread in enumerate(threads[1:], start=1):
        thread.start()
        while len(writer._lane("camera").waiting) < n:
            pass
    gated.open.set()
    for thread in threads:
        thread.join()
    return results


def test_changes_that_wait_share_one_transaction_and_one_seq(
    writer: GalleryWriter, gated: Gated, camera: Tenant, services: Services
) -> None:
    seqs = commit_together(writer, gated, [change(f"f{n}") for n in range(6)])

    assert seqs == [1, 2, 2, 2, 2, 2]
    assert len(gated.transactions) == 2
    assert services.groups.named(camera, "regular").count == 6


def test_refused_change_does_not_take_the_others_down(
    writer: GalleryWriter, gated: Gated, camera: Tenant, services: Services
) -> None:
    results = commit_together(writer, gated, [change("a"), change("b"), change("a"), change("c"), change("d", "gone")])

    assert isinstance(results[2], ConditionFailed)
    assert results[2].names == {"free:a"}
    assert isinstance(results[4], ConditionFailed)
    assert "group-exists:gone" in results[4].names
    assert services.groups.named(camera, "regular").count == 3
    assert writer.seq("camera") == 3


def test_two_changes_of_one_item_never_share_a_transaction(writer: GalleryWriter, gated: Gated, camera: Tenant) -> None:
    results = commit_together(writer, gated, [change("a"), change("b"), change("b"), change("c")])

    assert isinstance(results[2], ConditionFailed)
    assert [results[n] for n in (0, 1)] == [1, 2]


def test_change_based_on_a_seq_that_passed_is_told_so(writer: GalleryWriter, camera: Tenant) -> None:
    assert writer.commit("camera", change("a", based_on=0)) == 1

    with pytest.raises(GalleryMoved):
        writer.commit("camera", change("b", based_on=0))
    assert writer.commit("camera", change("b", based_on=1)) == 2


def test_change_prepared_in_its_turn_goes_before_those_that_wait(
    writer: GalleryWriter, gated: Gated, camera: Tenant
) -> None:
    others: list[threading.Thread] = []
    with writer.turn("camera"):
        seq = writer.seq("camera")
        for n in range(3):
            others.append(threading.Thread(target=writer.commit, args=("camera", change(f"f{n}"))))
            others[-1].start()
        while len(writer._lane("camera").waiting) < 3:
            pass
        assert writer.commit("camera", change("mine", based_on=seq)) == seq + 1
    for thread in others:
        thread.join()
    assert writer.seq("camera") == seq + 2


def test_another_process_that_came_first_makes_it_try_again(
    writer: GalleryWriter, services: Services, camera: Tenant, clock: FakeClock
) -> None:
    other = GalleryWriter(services.requests._items, clock, lambda tenant, seq: None)
    assert writer.commit("camera", change("a")) == 1
    assert other.commit("camera", change("b")) == 2

    assert writer.commit("camera", change("c")) == 3


def test_busy_storage_is_asked_again_and_failing_storage_is_reported(
    writer: GalleryWriter, gated: Gated, camera: Tenant
) -> None:
    gated.failures = [Busy("throttled")] * 3
    assert writer.commit("camera", change("a")) == 1

    gated.failures = [StorageUnavailable("gone")]
    with pytest.raises(StorageUnavailable):
        writer.commit("camera", change("b"))
    assert writer.commit("camera", change("b")) == 2


def test_unknown_tenant_is_an_error(writer: GalleryWriter) -> None:
    with pytest.raises(TenantNotFound):
        writer.commit("nobody", change("a"))
