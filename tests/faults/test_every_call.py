"""Every use case, failed or killed at every call to storage that it makes, is answered, and done if
done again."""

from pathlib import Path

import pytest

import app
from chalicelib.domain.jobs import NIGHT_HOUR
from tests.faults.conftest import Points
from tests.faults.walk import Walk
from tests.support.examples import parametrize
from tests.support.faults.shop import Shop
from tests.support.faults.use_cases import (
    JOBS_WITHOUT,
    USE_CASES,
    WITHOUT_STORAGE,
    UseCase,
    everything,
)
from tests.support.storage.failing import Killed
from tests.support.storage.failing import points as faulty


def test_everything_has_a_row() -> None:
    """Add a row to support/faults/use_cases.py for what is missing: how it is called, and in which
    shop it succeeds."""
    rows = {case.route for case in USE_CASES}
    assert sorted(set(everything()) - rows) == [], (
        "has no row in tests/support/faults/use_cases.py: add one"
    )
    assert sorted(rows - set(everything())) == [], (
        "is no route, function or job any more: take its row away"
    )
    paths = {route.split()[1] for route in rows if "/" in route}
    paths |= {path for _, path in WITHOUT_STORAGE}
    assert sorted(set(app.app.routes) - paths) == [], (
        "is served by no dialect that `everything` knows: add its table"
    )
    assert len({str(case) for case in USE_CASES}) == len(USE_CASES), "two rows have the same name"


def test_every_job_has_a_row_in_which_it_writes(shops: dict[str, Shop], tmp_path: Path) -> None:
    """Add a row to SWEPT in support/faults/use_cases.py for a new job: a shop in which it has
    something to do."""
    with shops["shop"].copied(tmp_path) as box:
        night = box.clock.now().replace(hour=NIGHT_HOUR)
        jobs = {*box.services.sweep._list_jobs(night)}
    rows = {job for case in USE_CASES for job in case.jobs}
    assert sorted(jobs - rows - set(JOBS_WITHOUT)) == [], "has no row, and no reason for none"
    assert sorted((rows | set(JOBS_WITHOUT)) - jobs) == [], "is no job any more"


KILLS, FAILURES, GATE = 1, 1, 75
"""How many kills and failures of a use case that writes the gate tries, and how many use cases.
Each commit draws other ones."""

ROWS = [
    pytest.param(
        case,
        id=str(case),
        marks=pytest.mark.xfail(strict=True, reason=case.defect) if case.defect else (),
    )
    for case in USE_CASES
]


@parametrize("case", ROWS, gate=GATE)
def test_failed_or_killed_at_any_call_and_done_again_it_is_done(
    case: UseCase,
    shops: dict[str, Shop],
    tmp_path: Path,
    points: Points,
) -> None:
    """Of what only reads, `make faults` tries the points; the gate, some kills and some failures of
    each write."""
    walk = Walk(case, shops[case.shop], tmp_path)
    answer, calls = walk.answered()
    every = faulty(calls)
    kills = [one for one in every if one[2].error is Killed]
    if not points.every and not kills:
        points.told(len(every), 0, 0, 0)
        return
    right = walk.undisturbed(answer)
    failures = [one for one in every if one[2].error is not Killed]
    chosen = points.chosen(kills, f"{case} killed", KILLS) + points.chosen(
        failures, f"{case} failed", FAILURES
    )
    wrong = [
        f"{fault.name} at call {at}, {name}: {what}"
        for at, name, fault in chosen
        for what in walk.disturbed(at, fault, right)
    ]
    points.told(len(every), walk.tried, len(chosen) - walk.tried, len(walk.endings))
    assert walk.tried > 0, "no call of it was reached again"
    assert not wrong, "\n".join(wrong)
