"""What may be sent: methods, content types, JSON, names, times; and what every answer carries."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from chalice.app import Chalice
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import TIME_HEADER
from chalicelib.api.v1.fields import Fields, Query, read_object
from chalicelib.core.errors import InvalidInput
from tests.api.gateway import send
from tests.api.v1.client import V1Client
from tests.fakes import FakeClock

CAMERAS = "/v1/cameras"
LIMIT = 4 * 1024 * 1024
AT = datetime(2026, 11, 20, 10, 22, 40, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CAMERAS, "GET, POST"),
        ("/v1/cameras/door", "GET, PATCH, DELETE"),
        ("/v1/captures", "GET"),
        ("/v1/captures/uploads", "POST"),
    ],
)
def test_other_methods_are_405_and_told_which_would_do(v1: V1Client, path: str, allowed: str) -> None:
    reply = v1.send("PUT", path)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert reply.json["error"]["code"] == "MethodNotAllowed"
    assert v1.send("HEAD", path).body == ""


def test_every_answer_tells_the_servers_time(v1: V1Client, clock: FakeClock) -> None:
    clock.advance(timedelta(milliseconds=123))
    expected = str(int(clock.now().timestamp() * 1000))
    for reply in (v1.send("GET", CAMERAS), v1.send("PUT", CAMERAS), v1.with_key(None).send("GET", CAMERAS)):
        assert reply.headers[TIME_HEADER.lower()] == expected


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "image/jpeg"])
def test_a_body_that_is_not_called_json_is_415(v1: V1Client, content_type: str | None) -> None:
    headers = {"Authorization": f"Bearer {v1.api_key}"}
    reply = send(v1.app, CAMERAS, b'{"name": "door"}', content_type=content_type, headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == (415, "UnsupportedMediaType")


def test_json_may_say_its_charset(v1: V1Client) -> None:
    headers = {"Authorization": f"Bearer {v1.api_key}"}
    content_type = "Application/JSON; charset=UTF-8"
    body = '{"name": "大门"}'.encode()
    assert send(v1.app, CAMERAS, body, content_type=content_type, headers=headers).status == 201


def test_a_body_over_4_mib_is_413(v1: V1Client) -> None:
    assert v1.failed(413, "POST", CAMERAS, b" " * LIMIT + b"{")["code"] == "BodyTooLarge"
    assert v1.failed(400, "POST", CAMERAS, b" " * (LIMIT - 1) + b"{")["code"] == "InvalidInput"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "is a JSON object, not a list of 0"),
        (b"null", "is a JSON object, not null"),
        (b'"door"', 'is a JSON object, not "door"'),
        (b'{"name": "a", "name": "b"}', "'name' was sent twice"),
        (b'{"name": [' + b"1," * 20_001 + b"1]}", "up to 20000"),
        (b'{"gap_s": ' + b"9" * 41 + b"}", "is too large for a number"),
        (b'{"name": "d\xff"}', "not UTF-8"),
        (b'{"name": "\\ud800"}', "half of a surrogate pair"),
        (b'{"gap_s": NaN, "name": "a"}', "NaN is no JSON value"),
        (b'{"gap_s": 1e999, "name": "a"}', "1e999 is too large"),
        (b'{"gap_s": ' + b"9" * 5000 + b', "name": "a"}', "is too large for a number"),
        (b'{"nam": "door"}', "no field 'nam' here: edge, enabled, gap_s"),
        (b'{"name": "door", "labels": {"e": "x"}}', "no field 'labels.e' here: A, B, C, D, a, b, c, d"),
        (b"{}", "name is missing: it is required"),
        (b"", "name is missing: it is required"),
        (b'{"name": 7}', "name is a text of up to 100 characters, not 7"),
        (b'{"name": null}', "name is a text"),
        (b'{"name": ["door"]}', "name is a text of up to 100 characters, not a list of 1"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(v1: V1Client, body: bytes, part: str) -> None:
    error = v1.failed(400, "POST", CAMERAS, body)
    assert error["code"] == "InvalidInput"
    assert part in error["message"]
    assert v1.done("GET", CAMERAS)["cameras"] == []


def test_unknown_and_repeated_parameters_of_the_query_are_refused(v1: V1Client) -> None:
    error = v1.failed(400, "GET", "/v1/captures", camra="door")
    assert error["message"] == "there is no parameter 'camra' here: camera, limit, token can be sent"
    assert "sent 2 times" in v1.failed(400, "GET", "/v1/captures", limit=["1", "2"])["message"]
    assert "'x' here: none can" in v1.failed(400, "GET", CAMERAS, x="1")["message"]
    for limit in ("0", "1001", "-1", "1.5", "x", "9" * 30, "١"):
        assert "limit is a whole number from 1 to 1000" in v1.failed(400, "GET", "/v1/captures", limit=limit)["message"]
    assert v1.done("GET", "/v1/captures", limit="")["captures"] == [], "an empty one is not sent"


def test_a_path_that_nobody_declared_is_not_ours(app: Chalice) -> None:
    assert "/v1/captures/{id}" in app.routes
    assert not any(path.startswith("/v1") and path.endswith("/") for path in app.routes)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2026-11-20T10:22:40.123Z", AT),
        ("2026-11-20t10:22:40.123z", AT),
        ("2026-11-20 18:22:40.123456789+08:00", AT),
        ("2026-11-20T10:22:40-00:00", AT.replace(microsecond=0)),
        ("2026-11-20T00:22:40.1-10:00", AT.replace(microsecond=100_000)),
        (1763634160, datetime(2025, 11, 20, 10, 22, 40, tzinfo=UTC)),
        (1763634160.1239, datetime(2025, 11, 20, 10, 22, 40, 123_000, tzinfo=UTC)),
        (1763634160123, datetime(2025, 11, 20, 10, 22, 40, 123_000, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (99_999_999_999, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (100_000_000_000, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_any_offset_and_as_numbers(sent: Any, expected: datetime) -> None:
    assert times.instant(sent, "captured_at") == expected


@pytest.mark.parametrize(
    "sent",
    [
        *("", "now", "2026-11-20", "2026-11-20T10:22:40", "2026-11-20T10:22:60Z", "2026-02-30T00:00:00Z", "1763634160"),
        *("2026-11-20T10:22:40.Z", "2026-11-20T10:22:40+0800", "0001-01-01T00:00:00+10:00", "２026-11-20T10:22:40Z"),
        *(True, None, [], {}, 1e300, -1e300, 10**400, "x" * 10_000),
    ],
)
def test_what_is_no_time_is_told_so(sent: Any) -> None:
    with pytest.raises(InvalidInput, match=r"captured_at is a time such as 2026-11-20T10:22:40.123Z") as caught:
        times.instant(sent, "captured_at")
    assert len(str(caught.value)) < 300


@given(
    at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - hypothesis adds the zone
    minutes=st.integers(-720, 720),
)
def test_a_time_that_is_written_is_read_as_the_same_millisecond(at: datetime, minutes: int) -> None:
    local = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=minutes)))
    assert times.instant(times.text(local), "at") == local
    assert times.instant(local.isoformat(), "at") == local


def test_fields_are_taken_by_their_type_only() -> None:
    sent = {"n": 3.0, "half": 0.5, "yes": True, "list": ["a"], "map": {"x": 1}, "none": None}
    fields = Fields(sent, sent.keys(), "there")
    assert (fields.whole("n", range(1, 4)), fields.number("half", 0, 1), fields.flag("yes")) == (3, 0.5, True)
    assert (fields.texts("list", 1), fields.map("map"), fields.is_null("none")) == (["a"], {"x": 1}, True)
    for name in sent:
        wrong = {
            "n": lambda: fields.whole("n", range(4, 9)),
            "half": lambda: fields.whole("half", range(9)),
            "yes": lambda: fields.number("yes", 0, 9),
            "list": lambda: fields.texts("list", 0),
            "map": lambda: fields.list_of_fields("map", range(1, 2), ()),
            "none": lambda: fields.flag("none"),
        }[name]
        with pytest.raises(InvalidInput, match=rf"there\.{name} is .*, not "):
            wrong()


_READABLE = st.characters(exclude_characters="\N{REPLACEMENT CHARACTER}", exclude_categories=["Cs"])
"""All characters but the one that stands for bytes that are not UTF-8."""


@given(
    st.dictionaries(
        st.text(_READABLE, max_size=3),
        st.none() | st.booleans() | st.integers() | st.text(_READABLE, max_size=5),
        max_size=3,
    )
)
def test_any_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert read_object(json.dumps(value).encode()) == value
    assert read_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=40) | st.text(st.sampled_from('{}[]":,\\ud801e.-n0 '), max_size=30).map(str.encode))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    """Shows that nothing else is raised; what is read from good input other tests say."""
    with suppress(InvalidInput):
        assert isinstance(read_object(body), dict)


def test_a_parameter_that_is_empty_is_not_sent() -> None:
    assert Query({"camera": [""]}, {"camera"}).text("camera") is None
