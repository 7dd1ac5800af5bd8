"""Whether a box answered well, all that it stores agrees with itself, and it logged no error of
ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import telemetry
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.observations import ObservationFilter
from tests.support.book.recount import disagreements
from tests.support.book.recount_statistics import recount
from tests.support.book.recount_visits import disagreements_of_visits, every_observation
from tests.support.faults.shop import Box
from tests.support.faults.stored import Beginning


class Errors(logging.Handler):
    """What is logged as an error of ours: none of these faults is one, and to tell of them is
    right."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == telemetry.__name__ and not record.exc_info:
            return  # a failure that the service expects, told without a traceback
        cause = record.exc_info[1] if record.exc_info else None
        self._records.append(f"logged {record.getMessage()}: {cause!r}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)

    def told(self) -> list[str]:
        told, self._records = self._records, []
        return told


class Endings:
    """Faults at the ends of a walk's points, looked for once if several ends are alike, as most
    are.

    Alike is what is stored, what the hook heard and the time, but for what was drawn at random.
    """

    def __init__(self, before: frozenset[str]) -> None:
        self._before = Beginning(before)
        self._said: dict[object, list[str]] = {}

    def __len__(self) -> int:
        return len(self._said)

    def add(self, others: Endings) -> None:
        """Take over what another process asked."""
        self._said |= others._said

    def wrong(self, box: Box, ask: Callable[[], list[str]]) -> list[str]:
        end = self._before.changes(box.texts())
        if end not in self._said:
            self._said[end] = ask()
        return self._said[end]


def is_success(answer: Any) -> bool:
    """In any dialect, and of any function."""
    if not isinstance(answer, dict):
        return True
    return (
        "raised" not in answer
        and answer.get("status", 200) < 400
        and answer.get("code", 0) == 0
        and answer.get("PERSON_TOKEN_STATUS", "0") == "0"
        and not answer.get("batchItemFailures")
    )


def disagreeing(box: Box) -> list[str]:
    """What does not agree with itself when all jobs were done."""
    box.settle()
    return [
        *(
            []
            if box.nothing_else_is_stored()
            else ["a picture without a face, or a face without its picture"]
        ),
        *disagreements(box.services, box.tenant),
        *disagreements_of_visits(box),
        *amounts(box),
        *box.services.audit.verifying.verify_tenant("shop").findings,
    ]


def amounts(box: Box) -> list[str]:
    """Of sealed days, too."""
    observed = every_observation(box)
    times = [one.at for one in observed]
    # of a month that is cut, erased people may count more than once
    begin = min(times).replace(day=1, hour=0, minute=0, second=0)
    first, last = (int(at.timestamp()) for at in (begin, max(times)))
    return [
        f"amounts by {granularity.name} (distinct: {distinct}) are not the observations'"
        for granularity, distinct in ((Granularity.DAY, False), (Granularity.MONTH, True))
        if box.services.statistics.count_by_time(
            box.tenant, ObservationFilter(), first, last, granularity, distinct=distinct
        )
        != recount(observed, box.tenant.time_zone, granularity, distinct=distinct)
    ]
