"""Whatever is sent to whichever operation, the answer has a documented shape, and no fault of ours shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.bootstrap import build
from chalicelib.core.errors import Busy
from chalicelib.core.model import Profile
from chalicelib.settings import Settings
from tests.api.conftest import make_stage
from tests.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.api.icredit.client import ANALYSIS, MANAGE, PATHS, QUERY, MarketClient, encoded, failure
from tests.fakes import FakeClock, FakePictures, FakeVision, Person, picture

URLS = {"http://a.example/": picture(Person(1)), "http://b.example/": b"no picture", "http://c.example/": Busy("busy")}
TIMES = ["0", "1772323200", "1772366400", "1772409600", "253370764799", "253370764800", "-1", "x", "1e9", ""]
VALUES = {
    "CONTROL_TYPE": ["0", "1", "3", "2"],
    "IMAGE_TYPE": ["0", "0", "3", "2", "1"],
    "IMAGE": [
        *(encoded(picture(*people)) for people in ([Person(1)], [Person(1), Person(2)], [])),
        *(*URLS, "7", "%2B", ""),
    ],
    "PERSON_GROUP_LABEL": ["vip", "stranger", "", " ", "x" * 97],
    "PERSON_TOKEN": ["7", "", "x" * 65],
    "LABLE_A": ["a", "x" * 101],
    "LABEL_A": ["a", "b"],
    "START_TIME": TIMES,
    "END_TIME": TIMES,
    "STATISTICAL": ["0", "1", "2", "3", "4", ""],
    "FILL": ["0", "1", "x"],
    "DISTINCT": ["0", "1", "x"],
    "PAGE_SIZE": ["1", "2", "1000", "1001", "0", "x"],
    "PAGE_TOKEN": ["", "x", "AAAA", "会"],
}
NEEDED = {
    MANAGE: ("CONTROL_TYPE", "IMAGE_TYPE", "IMAGE", "PERSON_GROUP_LABEL"),
    QUERY: ("START_TIME", "END_TIME"),
    ANALYSIS: ("START_TIME", "END_TIME", "STATISTICAL"),
}
ENTITIES = {MANAGE: {"PERSON_ENTITY"}, QUERY: {"PERSON_ENTITY", "NEXT_PAGE_TOKEN", "TOTAL"}}
ENTITIES[ANALYSIS] = {"PERSON_ TOKEN_ENEITY", "PERSON_TOKEN_ENEITY"}

thorough = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
every_operation = pytest.mark.parametrize("path", PATHS)


def fields_of(path: str) -> st.SearchStrategy[dict[str, str]]:
    """What the operation needs, and any of what it knows."""
    return st.fixed_dictionaries(
        {name: st.sampled_from(VALUES[name]) for name in NEEDED[path]},
        optional={name: st.sampled_from(values) for name, values in VALUES.items() if name not in NEEDED[path]},
    )


odd = st.dictionaries(
    st.sampled_from([*VALUES]) | st.text(max_size=3),
    st.text(max_size=4) | st.floats() | st.sampled_from([-1, 0, 1, 3, None, True, [], [None], {}]),
    max_size=3,
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketClient]:
    folder: Path = tmp_path_factory.mktemp("any-request")
    vision, pictures = FakeVision(), FakePictures(URLS)
    services = build(Settings(storage=folder / "data"), clock=FakeClock(), vision=lambda: vision)
    services.ports.pictures_by_url = pictures
    yield MarketClient(make_stage(services).app, services.tenants.add("shop", Profile.CAMERA).appcode)
    services.close()


def require_shape(path: str, reply: Reply) -> None:
    assert reply.status == 200
    assert "Traceback" not in reply.body
    answer = reply.json
    if answer["PERSON_TOKEN_STATUS"] == "1":
        assert failure(answer) != "INTERNAL_ERROR"
        assert ("PERSON_TOKEN_ENEITY" in answer) == (path == ANALYSIS)
    elif answer != {"PERSON_TOKEN_STATUS": "0"}:  # of a deletion
        assert set(answer) == {"PERSON_TOKEN_STATUS"} | ENTITIES[path]
        rows = [row for value in answer.values() if isinstance(value, list) for row in value]
        assert all(isinstance(value, str) for row in rows for value in row.values())


@every_operation
@thorough
@given(data=st.data())
def test_a_form_gets_an_answer_in_shape(market: MarketClient, path: str, data: st.DataObject) -> None:
    fields = data.draw(fields_of(path))
    require_shape(path, market.post(urlencode(fields).encode(), FORM, path))


@every_operation
@thorough
@given(data=st.data(), changed=odd, dropped=st.integers(0, 9))
def test_json_gets_an_answer_in_shape(
    market: MarketClient, path: str, data: st.DataObject, changed: dict[str, Any], dropped: int
) -> None:
    fields = list(data.draw(fields_of(path)).items())
    del fields[dropped : dropped + 1]
    body = json.dumps({**dict(fields), **changed}).encode("utf-8", "surrogatepass")
    require_shape(path, market.post(body, "application/json", path))


@every_operation
@thorough
@given(data=st.data(), filename=st.none() | st.sampled_from(["", "a.jpg"]), extra=st.binary(max_size=9))
def test_multipart_gets_an_answer_in_shape(
    market: MarketClient, path: str, data: st.DataObject, filename: str | None, extra: bytes
) -> None:
    parts = [Part(name, value.encode(), filename) for name, value in data.draw(fields_of(path)).items()]
    body = multipart([*parts, *([Part("X", extra)] if extra else [])])
    require_shape(path, market.post(body, MULTIPART, path))


@every_operation
@thorough
@given(
    body=st.binary(max_size=60) | st.text(st.sampled_from('{}[]":,\\ud801e.-n&=%'), max_size=30).map(str.encode),
    content_type=st.sampled_from([FORM, MULTIPART, "application/json", f"{FORM}; charset=gbk", "text/plain", None]),
    code=st.sampled_from(["right", "right", "wrong", None]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD"]),
)
def test_any_bytes_get_an_answer_in_shape_or_are_refused(
    market: MarketClient, path: str, body: bytes, content_type: str | None, code: str | None, method: str
) -> None:
    sent = {"right": market.appcode, "wrong": "0" * 32, None: ""}[code]
    headers = {"Authorization": f"APPCODE {sent}"} if sent else {}
    reply = send(market.app, path, body, method=method, content_type=content_type, headers=headers)
    assert reply.status in {200, 400, 405, 415}
    if reply.status == 200:
        require_shape(path, reply)
    elif reply.status == 400:
        assert (reply.body, reply.headers["x-ca-error-message"]) == ("", "Invalid AppCode")
