"""Pages of a query neither skip nor repeat, whatever is observed, sealed or deleted between them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.local_time import Span
from chalicelib.core.model import Labels
from chalicelib.core.observations import Observation, ObservationFilter, ObservationKind
from chalicelib.core.page_tokens import PageTokens
from chalicelib.services import Services
from tests.api.icredit.client import EVER, MarketClient, persons, tokens
from tests.fakes import FakeClock


def observe(services: Services, clock: FakeClock, name: str, *hours_ago: float, label: str = "a") -> None:
    made = [
        Observation(
            at=clock.now() - timedelta(hours=ago),
            id=f"{name}.{place}",
            faceid=f"{name}-{place}",
            group_name="vip",
            labels=Labels(a=label),
            kind=ObservationKind.SIGHTING,
        )
        for place, ago in enumerate(hours_ago)
    ]
    services.statistics.recorder.record("shop", made)


def pages(market: MarketClient, size: int, **fields: str) -> Any:
    """Page by page, as a client asks for them."""
    token = ""
    while True:
        page = market.query(PAGE_SIZE=str(size), PAGE_TOKEN=token, **fields)
        yield [person["PERSON_TOKEN"] for person in persons(page)]
        token = page["NEXT_PAGE_TOKEN"]
        if not token:
            return


@pytest.mark.parametrize("fields", [{}, {"LABLE_A": "a"}, {"PERSON_GROUP_LABEL": "vip", "LABEL_A": "a"}])
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_pages_hold_each_observation_once_newest_first(
    market: MarketClient, services: Services, clock: FakeClock, size: int, fields: dict[str, str]
) -> None:
    observe(services, clock, "there", *(5 * n for n in range(20)), label="a")
    observe(services, clock, "other", *(3 * n for n in range(9)), label="b")
    found = [token for page in pages(market, size, **fields) for token in page]
    wanted = [token for token in tokens(market.query()) if not fields or token.startswith("there")]
    assert found == wanted
    assert len(found) == len(set(found)) == (20 if fields else 29)


@pytest.mark.parametrize("place", ["abc", "abc#x", "9" * 5000 + "#x", "-1#x", "0#", "1795195650592#" + "z" * 3000])
def test_a_forged_token_is_no_fault_of_ours(
    market: MarketClient, services: Services, clock: FakeClock, place: str
) -> None:
    observe(services, clock, "there", 1, 2)
    span = Span.of_seconds(int(EVER["START_TIME"]), int(EVER["END_TIME"]))
    query = json.dumps(["shop", asdict(ObservationFilter(Labels(), None, None)), asdict(span)])
    answer = market.query(PAGE_TOKEN=PageTokens(query).token(place))
    assert answer.get("ERROR_CODE") in (None, "INVALID_PARAMETER"), answer


def test_pages_of_one_moments_observations_hold_them_all(
    market: MarketClient, services: Services, clock: FakeClock
) -> None:
    observe(services, clock, "crowd", *[0.0] * 31)
    for size in (1, 4, 31, 32):
        found = [token for page in pages(market, size) for token in page]
        assert len(found) == len(set(found)) == 31
