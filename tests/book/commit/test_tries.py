import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Busy, ConditionFailed
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import TRIES, count_attempts, walk_items, write, write_in_parts
from chalicelib.storage.ports import Action, Delete, ItemStore, Put, absent
from tests.support.book.book_with import book_with
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Around

PUT = Put(keys.DIRECTORY, {"tenant": "shop", "item": "one"}, (absent("free"),))


class Failing(Around):
    """The real item store, whose transactions raise what is left of `failures`, the first of them
    first."""

    def __init__(self, items: ItemStore) -> None:
        super().__init__(items)
        self.failures: list[Exception] = []
        self.sizes: list[int] = []

    def transact(self, actions: Sequence[Action]) -> None:
        self.sizes.append(len(actions))
        if self.failures:
            raise self.failures.pop(0)
        self._items.transact(actions)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the process would have slept, each time."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def failing(services: Services) -> Failing:
    return Failing(services.requests._items)


@given(tries=st.integers(0, 100))
def test_tries_end_and_the_pauses_between_them_are_bounded(tries: int) -> None:
    pauses: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "sleep", pauses.append)
        assert list(count_attempts(tries)) == list(range(tries))[::-1]
    assert len(pauses) == max(tries - 1, 0)
    assert all(0 <= pause <= min(0.2, 0.005 * 2**number) for number, pause in enumerate(pauses))


def test_a_caller_may_wait_longer_at_first_and_no_longer_in_all(pauses: list[float]) -> None:
    assert len(list(count_attempts(first_s=0.08))) == TRIES
    assert all(pause <= min(0.2, 0.08 * 2**number) for number, pause in enumerate(pauses))
    assert sum(pauses) < 8


def test_all_tries_together_pause_for_some_seconds_at_most(pauses: list[float]) -> None:
    assert len(list(count_attempts())) == TRIES
    assert 0 < sum(pauses) < 7


def test_the_first_try_is_made_at_once_and_no_pause_follows_the_last(pauses: list[float]) -> None:
    tries = count_attempts(2)
    assert next(tries) == 1
    assert pauses == []
    assert next(tries) == 0
    assert len(pauses) == 1
    assert next(tries, None) is None
    assert len(pauses) == 1


def test_a_write_is_tried_again_while_storage_is_busy(
    failing: Failing, pauses: list[float]
) -> None:
    failing.failures = [Busy("throttled")] * 3
    write(failing, [PUT])
    assert failing.get(keys.DIRECTORY, ("shop", "one"))
    assert (len(failing.sizes), len(pauses)) == (4, 3)


def test_a_write_to_storage_that_stays_busy_ends_busy_within_seconds(
    failing: Failing, pauses: list[float]
) -> None:
    failing.failures = [Busy("throttled")] * 1000
    with pytest.raises(Busy, match="throttled"):
        write(failing, [PUT])
    assert len(failing.sizes) < 20
    assert sum(pauses) < 3
    assert failing.get(keys.DIRECTORY, ("shop", "one")) is None


def test_a_condition_that_does_not_hold_is_told_at_once(
    failing: Failing, pauses: list[float]
) -> None:
    write(failing, [PUT])
    with pytest.raises(ConditionFailed, match="free"):
        write(failing, [PUT])
    assert pauses == []


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_parts_are_written_fifty_at_a_time_and_counted(failing: Failing, count: int) -> None:
    puts = [Put(keys.OUTBOX, {"tenant": "shop", "id": f"{number:03}"}) for number in range(count)]
    assert write_in_parts(failing, iter(puts)) == count
    assert len(list(walk_items(failing, keys.OUTBOX, "shop"))) == count
    assert failing.sizes == [min(50, count - begin) for begin in range(0, count, 50)]
    read = walk_items(failing, keys.OUTBOX, "shop", page_size=7)
    deletes = (Delete(keys.OUTBOX, ("shop", item["id"])) for item in read)
    assert write_in_parts(failing, deletes) == count
    assert not list(walk_items(failing, keys.OUTBOX, "shop"))


class Contended:
    """Use cases of a tenant, on storage where somebody else is first, every time, as soon as
    `begin` was called."""

    def __init__(
        self, services: Services, failing: Failing, tenant: Tenant, clock: FakeClock
    ) -> None:
        items: Any = failing
        self._failing = failing
        self.tenant = tenant
        book = book_with(services, items=items)
        self.groups, self.cameras = book.groups, book.cameras
        self.hooks = book.webhooks.hooks
        self.groups.create(tenant, "vip", 10, "")
        self.groups.add_attributes(tenant, "vip", ["seat"])
        self.cameras.add(tenant, "door", "door")
        self.hook, _ = self.hooks.add(tenant.name, "https://example.com/")

    def begin(self) -> None:
        self._failing.failures = [ConditionFailed(frozenset({"as-it-was-read"}))] * 1000


@pytest.fixture
def contended(services: Services, failing: Failing, cloud: Tenant, clock: FakeClock) -> Contended:
    return Contended(services, failing, cloud, clock)


VERBS: dict[str, Callable[[Contended], object]] = {
    "groups.change_by_name": lambda on: on.groups.change_by_name(
        on.tenant, "vip", {"name": "very", "capacity": 10}
    ),
    "groups.delete": lambda on: on.groups.delete(on.tenant, "vip"),
    "groups.add_attributes": lambda on: on.groups.add_attributes(on.tenant, "vip", ["row"]),
    "groups.remove_attributes": lambda on: on.groups.remove_attributes(on.tenant, "vip", ["seat"]),
    "cameras.add": lambda on: on.cameras.add(on.tenant, "hall", "hall"),
    "cameras.change": lambda on: on.cameras.change(on.tenant, "door", {"name": "gate"}),
    "cameras.delete": lambda on: on.cameras.delete(on.tenant, "door"),
    "cameras.replace_key": lambda on: on.cameras.replace_key(on.tenant, "door"),
    "hooks.add": lambda on: on.hooks.add(on.tenant.name, "https://example.com/2"),
    "hooks.change": lambda on: on.hooks.change_hook(on.tenant.name, on.hook.id, {"enabled": False}),
    "hooks.replace_secret": lambda on: on.hooks.replace_secret(on.tenant.name, on.hook.id),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_that_others_overtake_every_time_ends_busy_and_paused_between_its_tries(
    contended: Contended, failing: Failing, pauses: list[float], verb: str
) -> None:
    contended.begin()
    failing.sizes.clear()
    with pytest.raises(Busy, match="send the request again in a moment"):
        VERBS[verb](contended)
    assert len(failing.sizes) == TRIES
    assert len(pauses) == TRIES - 1
