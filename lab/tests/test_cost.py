"""What the lab says that an operation and a shop use is what they use."""

import io
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.api.observability import make_observer
from chalicelib.domain.tenant_settings import OBSERVATION_DAYS, SIGHTING_DAYS
from chalicelib.telemetry import CANARY_SECONDS
from regulars_lab.rigs import operations, shop
from regulars_lab.rigs.stage import open_stage
from regulars_lab.rigs.stand_ins import Eyes, draw_picture
from tests.support.bill import table
from tests.support.box.session import DOCS, read


@pytest.fixture
def said() -> Any:
    return json.loads(operations.FIGURES.read_text())


def test_the_committed_figures_are_those_of_this_code(said: Any, tmp_path: Path) -> None:
    """If code changed what an operation uses, `python -m regulars_lab.rigs.operations --write`
    commits that."""
    committed, found = said["used"], operations.measure_operations(tmp_path)
    # A moment's number takes a byte more or less by its last zeros.
    assert committed.pop("bytes") == pytest.approx(found.pop("bytes"), rel=0.02)
    assert committed == found


def test_every_operation_that_is_timed_is_measured_and_the_other_way_round(said: Any) -> None:
    assert {*said["here_ms"]} | {"build_index"} == {*said["used"]["operations"]}
    # it runs more often than it becomes cold
    assert {*said["cold_ms"]} == {*said["used"]["memory_mb"]} - {"canary"}
    assert min([*said["here_ms"].values(), *said["cold_ms"].values()]) > 0


def test_a_capture_of_somebody_who_came_often_uses_no_more(said: Any, tmp_path: Path) -> None:
    within = said["used"]["operations"]["capture_within"]
    with open_stage(tmp_path, Eyes(), draw_picture) as stage:
        stage.capture_new()()
        for _ in range(60):
            stage.capture_arrival()()
        found = stage.second_of(stage.capture_within)
    assert (found["reads"], found["writes"], found["calls"]) == (
        within["reads"],
        within["writes"],
        within["calls"],
    )


def test_a_picture_is_fetched_while_the_capture_is_read(said: Any) -> None:
    """And a new face's two pictures are put side by side."""
    for name in shop.OUTCOMES:
        calls, waits = (said["used"]["operations"][name][which] for which in ("calls", "waits"))
        assert calls["dynamodb"] - waits["dynamodb"] == 1
        assert (waits["s3 get"], waits.get("s3 put", 0)) == (1, calls.get("s3 put", 0) // 2)


def test_in_a_month_of_nobody_only_these_metrics_are_sent(tmp_path: Path) -> None:
    out = io.StringIO()
    observe = make_observer({"AWS_LAMBDA_FUNCTION_NAME": "any"}, out)
    event = SimpleNamespace(context=SimpleNamespace(aws_request_id="1"))
    with open_stage(tmp_path, Eyes(), draw_picture) as stage:
        for operation in (
            stage.watch,
            stage.sweep,
            stage.retention,
            stage.send_sweeps,
            stage.search_nobody,
        ):
            work = operation()
            observe(event, lambda _, work=work: work())
    sent = [
        json.loads(line).get("_aws", {}).get("CloudWatchMetrics", [])
        for line in out.getvalue().splitlines()
    ]
    names = {one["Name"] for (directive,) in filter(None, sent) for one in directive["Metrics"]}
    assert names == {*shop.STANDING_METRICS} - {CANARY_SECONDS}, (
        "the canary itself is played by tests/api alone"
    )


def test_the_committed_table_stores_as_many_bytes_as_the_committed_figures_say(said: Any) -> None:
    """Else both are not of one model: if figures.json changed, `python -m regulars_lab.rigs.shop
    --write` renews the table."""
    size, rows = said["used"]["bytes"], table.read_table().rows
    kept = {
        "face": size["face"],
        "search": size["observation"] * OBSERVATION_DAYS / table.DAYS,
        "capture": size["capture"] * SIGHTING_DAYS / table.DAYS
        + size["observation"] * OBSERVATION_DAYS / table.DAYS,
    }
    for kind, stored in kept.items():
        assert rows[kind]["dynamodb_gb"] == pytest.approx(stored / 1e9, rel=2e-3), kind
    in_s3 = shop.PORTRAIT_BYTES + shop.SNAPSHOT_BYTES
    assert rows["face"]["s3_gb"] == pytest.approx(in_s3 / 1e9, rel=2e-3)


def test_the_page_says_what_the_canary_costs() -> None:
    capture, listed = Counter(table.read_table().rows["capture"]), table.read_prices()
    del capture["s3_gb"]
    used, runs = operations.read_deployment(), 30 * 24 * 12
    seconds = Counter(lambda_gb_s=runs * shop.PROMISE_S * used["memory_mb"]["canary"] / 1024)
    waits = table.sum_up_usd(seconds, listed)
    pictures = table.sum_up_usd(shop.count_promise(capture, used, runs), listed) - waits
    metric = listed.services["cloudwatch"].usd["metrics"]
    page = read(DOCS / "lab" / "cost.md").replace("\n", " ")
    assert (
        f"the canary's pictures are {pictures:.2f} a month, its waits {waits:.2f}, its metric "
        f"{metric:.2f}"
    ) in page


def test_two_days_of_a_shop_cost_what_the_committed_table_says_of_each_kind() -> None:
    """The days cost a little more: of few people fewer come again.

    Times of this machine are in it, too.
    """
    (captures, *_), found, ingest_s = shop.measure_shops(days=2, a_day=200)
    assert ingest_s == pytest.approx(table.read_table().ingest_s, rel=0.1)
    assert captures.spent["offer"].runs == 400
    assert found["search"]["kms_requests"] < 0.02, (
        "the canary keeps the API warm, and a cold start asks KMS"
    )
    off_by_kind = {kind: 0.15 if kind == "capture" else 0.1 for kind in found}
    assert {*off_by_kind} == {*table.read_table().rows}
    for kind, off in off_by_kind.items():
        rows = (found[kind], table.read_table().rows[kind])
        now, committed = (
            sum(table.price_by_service(row, table.read_prices(), with_free=False).values())
            for row in rows
        )
        assert now == pytest.approx(committed, rel=off), kind
