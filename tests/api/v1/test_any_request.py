"""Whatever is sent to whichever operation, the answer is as documented, and no fault of ours shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api.v1.endpoint import Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.bootstrap import build
from chalicelib.core.model import Profile
from chalicelib.core.pictures import PictureRules
from chalicelib.settings import Settings
from tests.api.conftest import make_stage
from tests.api.gateway import send
from tests.api.v1.client import V1Client, offer_of, require_as_documented
from tests.api.v1.document import names_of
from tests.fakes import UNHURRIED, FakeClock, FakeVision, Person, picture

OFFERED = [
    offer_of(b"x", "2026-03-01T12:00:00Z"),
    offer_of(b"y", 1772366400, "till"),
    {**offer_of(b"x", "2026-03-01T12:00:00Z"), "size": 9},
    {**offer_of(b"x", "2026-03-01T12:00:00Z"), "content_type": "image/png"},
    {**offer_of(b"x", "9999-12-31T23:59:59.999999Z")},
    {**offer_of(b"x", "0001-01-01T00:00:00-12:00")},
    {"camera": "door"},
]
VALUES: dict[str, list[Any]] = {
    "captures": [[OFFERED[0]], OFFERED[:2], OFFERED[2:4], OFFERED[4:5], OFFERED[5:6], OFFERED[6:], []],
    "id": ["door", "back.1", "..", "", None],
    "name": ["door", "till", "大门", "\u0000", " ", "e\u0301", "x" * 101],
    "labels": [{"a": "x"}, {"D": None}, {"A": "x", "a": "y"}, {"a": "\u2028"}],
    "groups": [None, [], ["vip"], ["stranger", "stranger"], [""], ["#"], ["x" * 100]],
    "gap_s": [1, 86_400, 60.0, 0],
    "stranger_quality": [0, 100, 55.55, 1e-300],
    "keeps_strangers": [True, False],
    "learns": [True, False],
    "enabled": [True, True, False],
    "silent_after_s": [None, 300, 1],
    "status": [{}, {"x": 1.5}, {"x": 2**63}, {"x": "\u0000"}, {"x": -0.0}, None],
    "camera": ["door", "till", "大门", "#left", "..", ""],
    "limit": ["1", "1000", "0", ""],
    "token": ["x", "AAAA", "会", ""],
    "from": ["2026-03-01T12:00:00Z", "1772366400", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59Z", "today", ""],
    "to": ["2026-03-01T12:00:00Z", "1772366400.5", "0", "9998-12-31T23:59:59Z", "-1", ""],
    "by": ["hour", "day", "week", "month", "year"],
    "measure": ["observations", "persons", "arrivals", "visits"],
    "split": ["camera", "group", "kind", "gender", "age", "labels.a", "labels.e", ""],
    "kind": ["sighting", "search", "enrolment", "all", "x"],
    "format": ["json", "csv", "xml"],
    "group": ["stranger", "会", "\u0000", "x" * 1001],
    "face": ["1", "x" * 100, "../.."],
    "picture": [base64.b64encode(picture(Person(1))).decode(), "", "AAAA", "x", "会", "\n"],
    "sighting": ["1772366400000-" + "0" * 24 + "-0", "x", "", "会"],
    "trust": [True, False, None],
    "other": [base64.b64encode(picture(Person(2))).decode(), "door", None],
    "k": [1, 20, 0, "3", None],
    "record": [True, False],
}
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ids = st.sampled_from(["door", "till", "no", "%00", "#left", "会", "x" * 300, "1772366400000-" + "0" * 24])
thorough = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[V1Client]:
    folder: Path = tmp_path_factory.mktemp("any-request")
    vision = FakeVision()
    services = build(Settings(storage=folder / "data", **UNHURRIED), clock=FakeClock(), vision=lambda: vision)
    client = V1Client(make_stage(services).app, services.tenants.add("shop", Profile.CLOUD).api_key)
    client.add_camera("door")
    rules = PictureRules(frozenset({"JPEG"}), 10**7, 4_096, 4_096)
    shop = services.tenants.named("shop")
    services.enrolment.of_largest_face(shop, "regular", picture(Person(1, side_px=90)), rules, faceid="door")
    yield client
    services.close()


def some(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the names, with values that are nearly right, or with others."""
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES.get(name, [""])) | odd for name in names})


@every_operation
@thorough
@given(data=st.data(), id_=ids)
def test_json_gets_an_answer_as_documented(v1: V1Client, operation: Operation, data: st.DataObject, id_: str) -> None:
    body = data.draw(some(names_of(operation.body))) if operation.body else None
    query = {name: str(value) for name, value in data.draw(some(names_of(operation.query))).items()}
    assert v1.send(operation.method, operation.path.replace("{id}", id_), body, query=query).status < 500


@every_operation
@thorough
@given(
    body=st.binary(max_size=60) | odd.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    content_type=st.sampled_from(["application/json", "application/json; charset=gbk", "text/plain", None]),
    key=st.sampled_from(["right", "right", "wrong", "", None]) | st.text(max_size=9),
    query=st.dictionaries(st.text(max_size=3), st.lists(st.text(max_size=3), min_size=1, max_size=2), max_size=1),
)
def test_any_bytes_get_an_answer_as_documented(
    v1: V1Client, operation: Operation, body: bytes, content_type: str | None, key: str | None, query: dict[str, Any]
) -> None:
    sent = {"right": v1.api_key, "wrong": f"rk_{'0' * 32}"}.get(key or "", key)
    reply = send(
        v1.app,
        operation.path.replace("{id}", "door"),
        body,
        method=operation.method,
        content_type=content_type,
        headers={} if sent is None else {"Authorization": f"Bearer {sent}"},
        query=query,
    )
    require_as_documented(operation.method, operation.path, reply)
    assert reply.status < 500
