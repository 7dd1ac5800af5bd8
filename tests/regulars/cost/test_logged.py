"""The bill of a log: what its lines say, at the prices of the one table."""

import json
from pathlib import Path

import pytest

from chalicelib.aws.cost import table
from regulars.cli import main
from regulars.cost.logged import STAGE, read_runs

INGEST = {
    "function": "regulars-prod-ingest",
    "tenant": "shop-1",
    "ms": 250.0,
    "mb": 1769,
    "CapturesResolved": 2,
    "units": {"dynamodb_write_units": 12, "dynamodb_read_units": 17, "s3_gets": 2},
}
WATCH = {"function": "regulars-prod-watch", "ms": 40.0, "mb": 512}
LINES = [
    f"2026-11-27T10:00:00 {json.dumps(INGEST)}",
    json.dumps(INGEST),
    json.dumps(WATCH),
    'START RequestId: 1 Version: $LATEST {"no',
    '{"level":"WARNING","message":"a record has no time"}',
    "[1]",
    "",
]


def test_each_run_counts_for_its_tenant_and_its_function() -> None:
    by_tenant, by_function = read_runs(LINES)
    assert {name: (runs.number, runs.captures) for name, runs in by_tenant.items()} == {"shop-1": (2, 4), STAGE: (1, 0)}
    assert set(by_function) == {"regulars-prod-ingest", "regulars-prod-watch"}
    units = by_tenant["shop-1"].units
    assert (units["dynamodb_write_units"], units["s3_gets"], units["lambda_requests"]) == (24, 4, 2)
    assert units["lambda_gb_s"] == pytest.approx(2 * 0.25 * 1769 / 1024)


def test_the_command_prints_dollars_at_the_prices_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "ingest.log"
    log.write_text("\n".join(LINES * 1_000))
    assert main(["cost", "--log", str(log)]) == 0
    each = {**INGEST["units"], "lambda_requests": 1, "lambda_gb_s": 0.25 * 1769 / 1024}  # type: ignore[dict-item] # INGEST is a line of a log, whose values mypy calls objects
    usd = 2_000 * sum(table.price_by_service(each, table.read_prices(), with_free=False).values())
    said = capsys.readouterr().out
    [shop] = [line.split() for line in said.splitlines() if "shop-1" in line]
    assert shop == ["shop-1", "2,000", "4,000", f"{usd:.4f}", f"{usd / 4:.4f}"]
    assert table.read_prices().date in said


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"units": {"dynamodb_lists": 3}}, "line 2 of the log has the unit 'dynamodb_lists', which has no price here"),
        ({"units": {"s3_gets": "many"}}, "line 2 of the log is no run as this version writes it: Expected `float`"),
        ({"units": 3}, "line 2 of the log is no run"),
        ({"units": None}, "line 2 of the log is no run"),
        ({"ms": "long"}, "line 2 of the log is no run"),
        ({"mb": None}, "line 2 of the log is no run"),
        ({"function": 1}, "line 2 of the log is no run"),
        ({"tenant": ["a"]}, "line 2 of the log is no run"),
        ({"CapturesResolved": "two"}, "line 2 of the log is no run"),
    ],
)
def test_a_run_that_cannot_be_priced_is_named_by_its_line_and_nothing_is_priced(
    changes: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "newer.log"
    log.write_text("\n".join(["START", json.dumps({**INGEST, **changes}), *LINES]))
    assert main(["cost", "--log", str(log)]) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert not out


def test_a_unit_without_a_price_is_told_with_those_that_have_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "newer.log"
    log.write_text(json.dumps({**INGEST, "units": {"dynamodb_lists": 3}}))
    main(["cost", "--log", str(log)])
    said = capsys.readouterr().err
    assert all(unit in said for service in table.read_prices().services.values() for unit in service.usd)
    assert "Call `regulars cost` of the version that the stage has" in said
