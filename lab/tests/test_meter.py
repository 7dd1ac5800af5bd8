"""The meter counts what AWS charges for, by its documents."""

from pathlib import Path

import pytest

from chalicelib.domain.errors import ConditionFailed, StorageUnavailable
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage.keys import FACES, HOOKS
from chalicelib.storage.ports import Delete, Put, Update, absent, equals, exists
from tests.support.fakes import FakeClock
from tests.support.storage.meter import Meter, MeteredItems


@pytest.fixture
def items(tmp_path: Path) -> MeteredItems:
    return MeteredItems(open_storage(Settings(storage=tmp_path), FakeClock()).items)


def item(size: int, **more: str) -> dict[str, str]:
    """Of so many bytes, its two keys and the attributes `more` besides."""
    keys = {"tenant": "shop", "id": "7"}
    return {**keys, "x": "x" * (size - len("tenant" + "shop" + "id" + "7" + "x")), **more}


@pytest.mark.parametrize(("size", "units"), [(100, 2), (1024, 2), (1025, 4), (2049, 6)])
def test_a_kilobyte_begun_is_two_units_in_a_transaction(
    items: MeteredItems, size: int, units: int
) -> None:
    items.transact([Put(HOOKS, item(size))])
    assert items.written["hooks"] == units


def test_an_item_that_must_be_new_is_one_unit_a_kilobyte_begun_also_if_it_is_refused(
    items: MeteredItems,
) -> None:
    items.transact([Put(HOOKS, item(1025), (absent("new"),))])
    assert items.written["hooks"] == 2
    with pytest.raises(ConditionFailed):
        items.transact([Put(HOOKS, item(1025), (absent("new"),))])
    assert items.written["hooks"] == 4


def test_an_update_that_may_be_done_twice_is_one_unit_a_kilobyte_begun(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(1025))])
    items.written.clear()
    items.transact(
        [Update(HOOKS, ("shop", "7"), (exists("there"),), add={"n": 1}, repeatable=True)]
    )
    assert items.written["hooks"] == 2


def test_the_larger_of_before_and_after_counts(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(3000))])
    items.written.clear()
    items.transact([Put(HOOKS, item(100))])
    assert items.written["hooks"] == 6


def test_deletions_without_conditions_are_one_unit_each(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(100))])
    items.written.clear()
    items.transact([Delete(HOOKS, ("shop", id_)) for id_ in ("7", "8")])
    assert items.written["hooks"] == 2


def test_a_transaction_that_a_condition_cancels_is_charged_all_the_same(
    items: MeteredItems,
) -> None:
    items.transact([Put(HOOKS, item(1500))])
    items.written.clear()
    with pytest.raises(ConditionFailed):
        items.transact([Put(HOOKS, item(100), (equals("x", "y", "same"),))])
    assert items.written["hooks"] == 4


def test_an_index_entry_that_moves_is_two_writes_which_a_transaction_does_not_double(
    items: MeteredItems,
) -> None:
    face = {"tenant": "shop", "faceid": "7", "enrolment_key": "a", "arrival_key": "a"}
    items.transact([Put(FACES, face)])
    assert items.written["faces"] == 2 + 2
    items.written.clear()
    items.transact([Put(FACES, {**face, "arrival_key": "b"})])
    assert items.written["faces"] == 2 + 2


@pytest.mark.parametrize(("size", "units"), [(100, 1), (4096, 1), (4097, 2)])
def test_a_consistent_read_is_a_unit_for_four_kilobytes_begun(
    items: MeteredItems, size: int, units: int
) -> None:
    items.transact([Put(HOOKS, item(size))])
    items.get(HOOKS, ("shop", "7"))
    assert items.spent["hooks get"] == units


def test_of_what_is_called_side_by_side_the_longer_way_is_waited_for() -> None:
    meter = Meter()

    def calls(*kinds: str) -> None:
        for kind in kinds:
            meter.count_call(kind)

    longer = meter.begin_call(lambda: calls("s3 get"))
    shorter = meter.begin_call(lambda: calls("dynamodb"))
    calls("dynamodb", "dynamodb")
    shorter()
    assert meter.waits == {"dynamodb": 2}
    longer()
    assert meter.waits == {"s3 get": 1}
    calls("dynamodb")
    assert meter.waits == {"s3 get": 1, "dynamodb": 1}
    assert meter.calls == {"s3 get": 1, "dynamodb": 4}


def test_what_fails_beside_its_caller_fails_when_its_end_is_asked_for() -> None:
    def away() -> None:
        raise StorageUnavailable("storage does not answer: try again")

    end = Meter().begin_call(away)
    with pytest.raises(StorageUnavailable):
        end()
