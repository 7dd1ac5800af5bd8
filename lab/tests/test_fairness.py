"""bench.fairness in short: a thousand captures of one tenant, and a small shop beside it."""

from pathlib import Path

import pytest

from regulars_lab.bench import fairness


@pytest.mark.parametrize(
    ("where", "backlog", "a_second", "longest_s"),
    [("aws", 0, 80, 12), ("aws", 2_000, 0, 12), ("box", 1_000, 0, 2)],
)
def test_a_small_shops_capture_waits_for_seconds_and_did_for_minutes(
    tmp_path: Path, where: str, backlog: int, a_second: int, longest_s: float
) -> None:
    """ANY: what is played; without groups nobody of the small shop came within as long."""
    with_groups, without = (
        fairness.play_case(tmp_path / str(fair), fairness.Case(where, backlog, a_second, 60, fair))
        for fair in (True, False)
    )
    assert with_groups["longest_s"] < longest_s < without["longest_s"]
    assert with_groups["others_resolved"] > 0.9 * without["others_resolved"]
