"""Whatever is sent, the answer has the documented shape, and no fault of ours shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.bootstrap import build
from chalicelib.core.model import Profile
from chalicelib.settings import Settings
from tests.dialects.conftest import make_stage
from tests.dialects.icredit.client import MarketClient, encoded
from tests.dialects.icredit.test_manage import failure
from tests.fakes import FakeClock, FakeVision, Person, picture

VALUES = {
    "CONTROL_TYPE": ["0", "1", "3", "2"],
    "IMAGE_TYPE": ["0", "0", "3", "2", "1"],
    "IMAGE": [encoded(picture(Person(1))), encoded(picture(Person(1), Person(2))), encoded(picture()), "7", "%2B", ""],
    "PERSON_GROUP_LABEL": ["vip", "stranger", "", " ", "x" * 97],
    "PERSON_TOKEN": ["7", "", "x" * 65],
    "LABLE_A": ["a", "x" * 101],
    "LABEL_A": ["a", "b"],
}
thorough = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
requests = st.fixed_dictionaries(
    {name: st.sampled_from(VALUES[name]) for name in ("CONTROL_TYPE", "IMAGE_TYPE", "IMAGE", "PERSON_GROUP_LABEL")},
    optional={name: st.sampled_from(VALUES[name]) for name in ("PERSON_TOKEN", "LABLE_A", "LABEL_A")},
)
odd = st.dictionaries(
    st.sampled_from([*VALUES]) | st.text(max_size=3),
    st.text(max_size=4) | st.integers(-1, 4) | st.none() | st.booleans() | st.lists(st.none(), max_size=1),
    max_size=3,
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketClient]:
    folder: Path = tmp_path_factory.mktemp("any-request")
    vision = FakeVision()
    services = build(Settings(storage=folder / "data"), clock=FakeClock(), vision=lambda: vision)
    yield MarketClient(make_stage(services).app, services.tenants.add("shop", Profile.CAMERA).appcode)
    services.close()


def is_in_shape(answer: dict[str, Any]) -> bool:
    if answer["PERSON_TOKEN_STATUS"] == "1":
        return failure(answer) != "INTERNAL_ERROR"
    return all(isinstance(value, str) for person in answer.get("PERSON_ENTITY", []) for value in person.values())


@thorough
@given(fields=requests)
def test_a_form_gets_an_answer_in_shape(market: MarketClient, fields: dict[str, str]) -> None:
    assert is_in_shape(market.manage(**fields))


@thorough
@given(fields=requests, changed=odd)
def test_json_gets_an_answer_in_shape(market: MarketClient, fields: dict[str, str], changed: dict[str, Any]) -> None:
    reply = market.post(json.dumps({**fields, **changed}).encode(), "application/json")
    assert reply.status == 200
    assert is_in_shape(reply.json)
