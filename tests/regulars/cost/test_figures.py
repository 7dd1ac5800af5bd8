"""What `regulars cost` says that an operation uses is what it uses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from chalicelib.api.observability import observer
from chalicelib.core.errors import ConditionFailed, StorageUnavailable
from chalicelib.core.keys import FACES, HOOKS
from chalicelib.core.ports import Delete, Put, Update, absent, equals, exists
from chalicelib.settings import Settings
from chalicelib.storage import opened
from regulars.cost import figures
from regulars.cost.usage import IDLE_METRICS
from tests.fakes import FakeClock
from tests.metering import operations
from tests.metering.meter import Meter, MeteredItems
from tests.metering.stage import staged
from tests.metering.stand_ins import Eyes, drawn


def test_the_committed_figures_are_those_of_this_code(tmp_path: Path) -> None:
    """If code changed what an operation uses, `python -m tests.metering.operations --write` commits that."""
    said, found = figures.read_json()["used"], operations.measured(tmp_path)
    # A moment's number takes a byte more or less by its last zeros.
    assert said.pop("bytes") == pytest.approx(found.pop("bytes"), rel=0.02)
    assert said == found


def test_every_operation_that_is_timed_is_measured_and_the_other_way_round() -> None:
    said = figures.load()
    assert set(said.here_ms) | {"build_index"} == set(said.used)
    assert set(said.cold_ms) == set(said.memory_mb) - {"canary"}  # it runs more often than it would become cold
    assert min(said.here_ms.values()) > 0
    assert min(said.cold_ms.values()) > 0


def test_a_capture_of_somebody_who_came_often_uses_no_more(tmp_path: Path) -> None:
    said = figures.read_json()["used"]["operations"]["capture_within"]
    with staged(tmp_path, Eyes(), drawn) as stage:
        stage.capture_new()()
        for _ in range(60):
            stage.capture_arrival()()
        found = stage.second_of(stage.capture_within)
    assert (found["reads"], found["writes"], found["calls"]) == (said["reads"], said["writes"], said["calls"])


def test_in_a_month_of_nobody_only_these_metrics_are_sent(tmp_path: Path) -> None:
    out = io.StringIO()
    observe = observer({"AWS_LAMBDA_FUNCTION_NAME": "any"}, out)
    event = SimpleNamespace(context=SimpleNamespace(aws_request_id="1"))
    with staged(tmp_path, Eyes(), drawn) as stage:
        for operation in (stage.watch, stage.sweep, stage.retention, stage.send_sweeps, stage.search_nobody):
            work = operation()
            observe(event, lambda _, work=work: work())
    sent = [json.loads(line).get("_aws", {}).get("CloudWatchMetrics", []) for line in out.getvalue().splitlines()]
    assert {one["Name"] for (directive,) in filter(None, sent) for one in directive["Metrics"]} == IDLE_METRICS


@pytest.fixture
def items(tmp_path: Path) -> MeteredItems:
    return MeteredItems(opened(Settings(storage=tmp_path), FakeClock()).items)


def item(size: int, **more: str) -> dict[str, str]:
    """Of so many bytes, its two keys and the attributes `more` besides."""
    keys = {"tenant": "shop", "id": "7"}
    return {**keys, "x": "x" * (size - len("tenant" + "shop" + "id" + "7" + "x")), **more}


@pytest.mark.parametrize(("size", "units"), [(100, 2), (1024, 2), (1025, 4), (2049, 6)])
def test_a_kilobyte_begun_is_two_units_in_a_transaction(items: MeteredItems, size: int, units: int) -> None:
    items.transact([Put(HOOKS, item(size))])
    assert items.written["hooks"] == units


def test_an_item_that_must_be_new_is_one_unit_a_kilobyte_begun_also_if_it_is_refused(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(1025), (absent("new"),))])
    assert items.written["hooks"] == 2
    with pytest.raises(ConditionFailed):
        items.transact([Put(HOOKS, item(1025), (absent("new"),))])
    assert items.written["hooks"] == 4


def test_an_update_that_may_be_done_twice_is_one_unit_a_kilobyte_begun(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(1025))])
    items.written.clear()
    items.transact([Update(HOOKS, ("shop", "7"), (exists("there"),), add={"n": 1}, twice=True)])
    assert items.written["hooks"] == 2


def test_the_larger_of_before_and_after_counts(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(3000))])
    items.written.clear()
    items.transact([Delete(HOOKS, ("shop", "7"))])
    assert items.written["hooks"] == 6


def test_a_transaction_that_a_condition_cancels_is_charged_all_the_same(items: MeteredItems) -> None:
    items.transact([Put(HOOKS, item(1500))])
    items.written.clear()
    with pytest.raises(ConditionFailed):
        items.transact([Put(HOOKS, item(100), (equals("x", "y", "same"),))])
    assert items.written["hooks"] == 4


def test_an_index_entry_that_moves_is_two_writes(items: MeteredItems) -> None:
    face = {"tenant": "shop", "faceid": "7", "enrolment_key": "a", "arrival_key": "a"}
    items.transact([Put(FACES, face)])
    assert items.written["faces"] == 2 * (1 + 2)
    items.written.clear()
    items.transact([Put(FACES, {**face, "arrival_key": "b"})])
    assert items.written["faces"] == 2 * (1 + 2)


@pytest.mark.parametrize(("size", "units"), [(100, 1), (4096, 1), (4097, 2)])
def test_a_consistent_read_is_a_unit_for_four_kilobytes_begun(items: MeteredItems, size: int, units: int) -> None:
    items.transact([Put(HOOKS, item(size))])
    items.get(HOOKS, ("shop", "7"))
    assert items.spent["hooks get"] == units


def test_of_what_is_called_side_by_side_the_longer_way_is_waited_for() -> None:
    meter = Meter()

    def calls(*kinds: str) -> None:
        for kind in kinds:
            meter.called(kind)

    longer = meter.beside(lambda: calls("s3 get"))
    shorter = meter.beside(lambda: calls("dynamodb"))
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

    end = Meter().beside(away)
    with pytest.raises(StorageUnavailable):
        end()


def test_a_picture_is_fetched_while_the_capture_is_read() -> None:
    """And a new face's two pictures are put side by side, and groups are read beside a face."""
    for name in ("capture_new", "capture_arrival", "capture_within"):
        used = figures.load().used[name]
        assert used.calls["dynamodb"] - used.waits["dynamodb"] >= 3
        assert (used.waits["s3 get"], used.waits.get("s3 put", 0)) == (1, used.calls.get("s3 put", 0) // 2)
