"""A cap of bytes a month: no picture more is begun beyond it, and a kill forgets no byte."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from regulars_edge import config
from regulars_edge.clock import ServiceTime
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http
from regulars_edge.lane import SPENT_WAIT_S, Lane
from regulars_edge.pace import Bandwidth
from regulars_edge.service import Service
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Stamp
from regulars_edge.spool.totals import BLOCK_BYTES, Allowance
from rig.clock import FakeClock
from rig.spooled import add
from rig.standin import StandIn

MIB = 2**20
PICTURE_BYTES = 60_000


def ms(year: int, month: int, day: int, hour: int = 0) -> int:
    return round(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


def test_bytes_are_counted_by_month(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = ms(2026, 1, 31, 23)
    with spools.opened(tmp_path) as spool:
        allowance = Allowance(spool.books, 3 * MIB, lambda: now, UTC)
        with caplog.at_level(logging.WARNING):
            for _ in range(30):
                allowance.spend(MIB // 10)
            assert not allowance.is_spent()
            allowance.spend(18)
        assert (allowance.spent(), allowance.is_spent()) == (3 * MIB, True)
        assert [record.getMessage() for record in caplog.records] == [
            "the 3 MiB of this month are sent; pictures wait for the next one"
        ]
        now = ms(2026, 2, 1)
        assert (allowance.spent(), allowance.is_spent()) == (0, False)


def test_the_count_outlives_the_process_and_is_never_too_low(tmp_path: Path) -> None:
    sent = 0
    for _ in range(3):
        with spools.opened(tmp_path) as spool:
            allowance = Allowance(spool.books, math.inf, lambda: ms(2026, 1, 5), UTC)
            assert sent <= allowance.spent() <= sent + 3 * BLOCK_BYTES
            allowance.spend(2 * MIB + 7)
            allowance.spend(1000)
            sent += 2 * MIB + 1007


def test_pictures_wait_for_the_next_month(stand_in: StandIn, tmp_path: Path, clock: FakeClock) -> None:
    stand_in.now_ms = clock.wall_ms
    with spools.opened(tmp_path / "spool", clock=clock) as spool:
        for number in range(40):
            add(spool, number, Stamp(clock.moment()), size=PICTURE_BYTES)
        allowance = Allowance(spool.books, MIB, clock.wall_ms, UTC)
        service_time = ServiceTime(clock)
        lane = Lane(
            spool,
            Service(Http(clock), stand_in.url, partial(str, stand_in.key), service_time),
            "door",
            service_time,
            bandwidth=Bandwidth(None, count=allowance.spend),
            make_camera=True,
            is_spent=allowance.is_spent,
        )
        rounds = [lane.round() for _ in range(6)]
        assert rounds[-1].wait_s == SPENT_WAIT_S, rounds
        sent = math.ceil(MIB / PICTURE_BYTES)
        assert len(spool.outbox.next("door", 100, 10**9)) == 40 - sent
        assert sum(one.done for one in rounds) == sent, "those that were put are confirmed, too"
        clock.pass_(31 * 86_400_000)
        assert any(lane.round().wait_s == SPENT_WAIT_S for _ in range(20))
        assert len(spool.outbox.next("door", 100, 10**9)) == 40 - 2 * sent


def test_the_cap_is_set_in_mib(tmp_path: Path) -> None:
    server = {"url": "https://regulars.example"}
    assert config.parsed({"server": server, "upload": {"mib_per_month": 500}}).bytes_a_month == 500 * MIB
    assert config.parsed({"server": server}).bytes_a_month == math.inf
    with pytest.raises(Misconfigured, match="more than 0"):
        config.parsed({"server": server, "upload": {"mib_per_month": 0}})
