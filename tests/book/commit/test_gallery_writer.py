import threading
from collections.abc import Sequence

import pytest

from chalicelib.book.commit import Change, GalleryMoved, GalleryWriter
from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable, TenantNotFound
from chalicelib.domain.model import Edit, JournalEntry, Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, ItemStore, Put, absent
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Around
from tests.support.waiting import PATIENCE_S


class Gated(Around):
    """The real item store, whose transactions wait for a gate and may be told to fail."""

    def __init__(self, items: ItemStore) -> None:
        super().__init__(items)
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.transactions: list[int] = []
        self.failures: list[Exception] = []

    def transact(self, actions: Sequence[Action]) -> None:
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
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
    return GalleryWriter(gated, clock, lambda tenant: None)  # type: ignore[arg-type] # a fake of the store


def test_change_based_on_a_seq_that_passed_is_told_so(
    writer: GalleryWriter, camera: Tenant
) -> None:
    assert writer.commit("camera", change("a", based_on=0)) == 1

    with pytest.raises(GalleryMoved):
        writer.commit("camera", change("b", based_on=0))
    assert writer.commit("camera", change("b", based_on=1)) == 2


def test_a_change_prepared_in_its_turn_goes_before_those_that_wait(
    writer: GalleryWriter, camera: Tenant
) -> None:
    with writer.hold_up_commits("camera"):
        seq = writer.read_seq("camera")
        others = [
            threading.Thread(target=writer.commit, args=("camera", change(f"f{n}")))
            for n in range(3)
        ]
        for thread in others:
            thread.start()
        assert writer.commit("camera", change("mine", based_on=seq)) == seq + 1
    for thread in others:
        thread.join()
    assert writer.read_seq("camera") == seq + 4


def test_a_refused_change_leaves_the_others_alone(
    writer: GalleryWriter, camera: Tenant, services: Services
) -> None:
    results: dict[int, object] = {}

    def work(n: int, one: Change) -> None:
        try:
            results[n] = writer.commit("camera", one)
        except ConditionFailed as error:
            results[n] = error.names

    changes = [change("a"), change("b"), change("c"), change("d", "gone")]
    threads = [threading.Thread(target=work, args=(n, one)) for n, one in enumerate(changes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for seq in results.values() if isinstance(seq, int)) == [1, 2, 3]
    assert "group-exists:gone" in results[3]  # type: ignore[operator]
    assert services.groups.get_by_name(camera, "regular").count == 3


def test_another_process_that_came_first_makes_it_try_again(
    writer: GalleryWriter, services: Services, camera: Tenant, clock: FakeClock
) -> None:
    other = GalleryWriter(services.requests._items, clock, lambda tenant: None)
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
