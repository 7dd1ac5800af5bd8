from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import pytest
from chalice.app import Chalice
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from chalicelib import telemetry
from chalicelib.api.forms import parse_object
from chalicelib.api.v1.captures import CapturesWanted
from chalicelib.api.v1.endpoint import TIME_HEADER
from chalicelib.api.v1.times import parse_time
from chalicelib.api.v1.wire import Instant, Sent, parse_body, parse_query
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.pictures import Gender
from chalicelib.storage.values import time_text
from tests.support.api.gateway import send
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock

CAMERAS = "/v1/cameras"

LIMIT = 4 * 1024 * 1024

AT = datetime(2026, 11, 20, 10, 22, 40, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CAMERAS, "GET, HEAD, POST"),
        ("/v1/cameras/door", "GET, HEAD, PATCH, DELETE"),
        ("/v1/captures", "POST, GET, HEAD"),
        ("/v1/captures/uploads", "POST"),
    ],
)
def test_other_methods_are_405_and_told_which_would_do(
    v1: V1Client, path: str, allowed: str
) -> None:
    reply = v1.send("PUT", path)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert reply.json["code"] == "MethodNotAllowed"
    assert v1.send("HEAD", path).body == ""


def test_what_can_be_read_can_be_asked_for_without_its_body(v1: V1Client) -> None:
    v1.add_camera("door")
    read, asked = v1.send("GET", CAMERAS), v1.send("HEAD", CAMERAS)
    assert (asked.status, asked.body, asked.headers["etag"]) == (200, "", read.headers["etag"])


def test_who_read_it_changes_it_only_as_it_was_read(v1: V1Client) -> None:
    path = f"{CAMERAS}/{v1.add_camera('door')['id']}"
    tag = v1.send("GET", path).headers["etag"]
    once = {"If-Match": tag, "Idempotency-Key": "one"}
    first = v1.send("PATCH", path, {"name": "gate"}, headers=once)
    assert (first.status, first.json["name"]) == (200, "gate")
    again = v1.send("PATCH", path, {"name": "gate"}, headers=once)
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert "idempotent-replayed" not in first.headers
    stale = v1.send("PATCH", path, {"name": "hall"}, headers={"If-Match": tag})
    assert (stale.status, stale.json["code"]) == (412, "PreconditionFailed")
    assert v1.send("DELETE", path, headers={"If-Match": f'"x", {tag}'}).status == 412
    assert v1.done("GET", path)["name"] == "gate"
    now = v1.send("GET", path).headers["etag"]
    assert v1.send("DELETE", path, headers={"If-Match": f'"x", {now}'}).status == 204


def test_every_answer_has_the_id_by_which_the_log_knows_the_request(v1: V1Client) -> None:
    with telemetry.begin_invocation("box", "7"):
        answers = [
            v1.send("GET", CAMERAS),
            v1.send("PUT", CAMERAS),
            v1.send("GET", f"{CAMERAS}/nobody"),
        ]
    assert [one.headers["x-request-id"] for one in answers] == ["7"] * 3


def test_what_was_read_before_is_not_sent_again_until_it_changes(v1: V1Client) -> None:
    v1.add_camera("door")
    tag = v1.send("GET", CAMERAS).headers["etag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = v1.send("GET", CAMERAS, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, "", tag)
    assert v1.send("GET", CAMERAS, headers={"If-None-Match": '"other"'}).status == 200
    v1.add_camera("till")
    changed = v1.send("GET", CAMERAS, headers={"If-None-Match": tag})
    assert changed.status == 200
    assert changed.headers["etag"] != tag


def test_only_what_is_read_has_a_tag(v1: V1Client) -> None:
    assert "etag" not in v1.send("POST", CAMERAS, {"name": "door"}).headers
    assert "etag" not in v1.send("GET", f"{CAMERAS}/nobody").headers
    assert "etag" in v1.with_key(None).send("GET", "/v1/openapi.json").headers


def test_every_answer_tells_the_servers_time(v1: V1Client, clock: FakeClock) -> None:
    clock.advance(timedelta(milliseconds=123))
    expected = str(int(clock.now().timestamp() * 1000))
    for reply in (
        v1.send("GET", CAMERAS),
        v1.send("PUT", CAMERAS),
        v1.with_key(None).send("GET", CAMERAS),
    ):
        assert reply.headers[TIME_HEADER.lower()] == expected


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "image/jpeg"]
)
def test_a_body_that_is_not_called_json_is_415(v1: V1Client, content_type: str | None) -> None:
    headers = {"Authorization": f"Bearer {v1.api_key}"}
    reply = send(v1.app, CAMERAS, b'{"name": "door"}', content_type=content_type, headers=headers)
    assert (reply.status, reply.json["code"]) == (415, "UnsupportedMediaType")


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
        (b'{"name": "door", "labels": {"e": "x"}}', "no field 'labels.e' here: a, b, c, d"),
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
    assert part in error["detail"]
    assert v1.done("GET", CAMERAS)["cameras"] == []


def test_unknown_and_repeated_parameters_of_the_query_are_refused(v1: V1Client) -> None:
    error = v1.failed(400, "GET", "/v1/captures", camra="door")
    known = "camera, faces, from, limit, state, to, token"
    assert error["detail"] == f"there is no parameter 'camra' here: {known} can be sent"
    assert "sent 2 times" in v1.failed(400, "GET", "/v1/captures", limit=["1", "2"])["detail"]
    assert "'x' here: none can" in v1.failed(400, "GET", CAMERAS, x="1")["detail"]
    for limit in ("0", "1001", "-1", "1.5", "x", "9" * 30, "١"):
        assert (
            "limit is a whole number from 1 to 1000"
            in v1.failed(400, "GET", "/v1/captures", limit=limit)["detail"]
        )
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
    assert parse_time(sent) == expected


@pytest.mark.parametrize(
    "sent",
    [
        *(
            "",
            "now",
            "2026-11-20",
            "2026-11-20T10:22:40",
            "2026-11-20T10:22:60Z",
            "2026-02-30T00:00:00Z",
            "1763634160",
        ),
        *(
            "2026-11-20T10:22:40.Z",
            "2026-11-20T10:22:40+0800",
            "0001-01-01T00:00:00+10:00",
            "２026-11-20T10:22:40Z",
        ),
        *(True, None, [], {}, 1e300, -1e300, 10**39, "x" * 10_000),
    ],
)
def test_what_is_no_time_is_told_so(sent: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_time(sent)
    with pytest.raises(
        InvalidInput, match=r"at is a time such as 2026-11-20T10:22:40.123Z"
    ) as caught:
        convert({"at": sent}, When)
    assert len(str(caught.value)) < 300


def test_a_number_is_a_time_in_a_query_too() -> None:
    for text in ("1763634160", "1763634160000", "1763634160.0", "2025-11-20T10:22:40Z"):
        assert parse_query({"at": [text]}, When).at == datetime(
            2025, 11, 20, 10, 22, 40, tzinfo=UTC
        )
    with pytest.raises(InvalidInput, match=r"at is a time such as .*, not \"1e9\""):
        parse_query({"at": ["1e9"]}, When)


def test_a_plus_that_came_as_a_space_in_a_query_is_the_offsets() -> None:
    assert parse_query({"at": ["2025-11-20T18:22:40 08:00"]}, When).at == datetime(
        2025, 11, 20, 10, 22, 40, tzinfo=UTC
    )
    for text in ("2025-11-20 10:22", "2025-11-20T18:22:40  08:00", "2025-11-20T18:22:40 0800"):
        with pytest.raises(InvalidInput, match="at is a time"):
            parse_query({"at": [text]}, When)


@given(
    at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - hypothesis adds the zone
    minutes=st.integers(-720, 720),
)
def test_a_time_that_is_written_is_read_as_the_same_millisecond(at: datetime, minutes: int) -> None:
    local = at.replace(
        microsecond=at.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=minutes))
    )
    assert parse_time(time_text(local)) == local
    assert parse_time(local.isoformat()) == local


class Inner(Sent):
    a: Annotated[str, Meta(max_length=3)] | UnsetType | None = UNSET


class When(Sent):
    at: Instant


class Everything(Sent):
    text: Annotated[str, Meta(max_length=3)] | UnsetType = UNSET
    whole: Annotated[int, Meta(ge=1, le=3)] | UnsetType = UNSET
    number: Annotated[float, Meta(ge=0, le=0.5)] | UnsetType = UNSET
    flag: bool | UnsetType = UNSET
    word: Literal["in", "out"] | UnsetType = UNSET
    gender: Gender | UnsetType = UNSET
    data: bytes | UnsetType = UNSET
    texts: (
        Annotated[list[Annotated[str, Meta(max_length=3)]], Meta(max_length=2)] | UnsetType | None
    ) = UNSET
    inner: Inner | UnsetType | None = UNSET
    inners: Annotated[list[Inner], Meta(min_length=1, max_length=2)] | UnsetType = UNSET
    amounts: (
        Annotated[dict[Annotated[str, Meta(min_length=1)], int | None], Meta(max_length=2)]
        | UnsetType
    ) = UNSET
    pairs: list[list[int]] | UnsetType = UNSET


WRONG: list[tuple[Any, str]] = [
    ({"text": 7}, "text is a text of up to 3 characters, not 7"),
    ({"text": "abcd"}, 'text is a text of up to 3 characters, not "abcd"'),
    ({"text": None}, "text is a text of up to 3 characters, not null"),
    ({"whole": True}, "whole is a whole number from 1 to 3, not true"),
    ({"whole": 1.5}, "whole is a whole number from 1 to 3, not 1.5"),
    ({"whole": 4}, "whole is a whole number from 1 to 3, not 4"),
    ({"number": 0.6}, "number is a number from 0 to 0.5, not 0.6"),
    ({"number": "1"}, 'number is a number from 0 to 0.5, not "1"'),
    ({"flag": 1}, "flag is true or false, not 1"),
    ({"word": "up"}, 'word is in or out, not "up"'),
    ({"gender": "x"}, 'gender is unknown, male or female, not "x"'),
    ({"data": "a"}, 'data is a text in base64, not "a"'),
    (
        {"texts": "abc"},
        'texts is a list of up to 2 texts of up to 3 characters each or null, not "abc"',
    ),
    (
        {"texts": ["a"] * 3},
        "texts is a list of up to 2 texts of up to 3 characters each, not a list of 3",
    ),
    ({"texts": ["a", 7]}, "texts[1] is a text of up to 3 characters, not 7"),
    ({"inner": 7}, "inner is an object or null, not 7"),
    ({"inner": {"a": "abcd"}}, 'inner.a is a text of up to 3 characters or null, not "abcd"'),
    ({"inner": {"b": 1}}, "there is no field 'inner.b' here: a can be sent"),
    ({"inners": []}, "inners is a list of 1 to 2 objects, not a list of 0"),
    ({"inners": [{}, 7]}, "inners[1] is an object, not 7"),
    ({"inners": [{}, {"a": 7}]}, "inners[1].a is a text of up to 3 characters or null, not 7"),
    ({"amounts": {"x": 1, "y": "z"}}, 'amounts.y is a whole number or null, not "z"'),
    ({"amounts": {"": 1}}, "each name in amounts is a text of 1 or more characters"),
    ({"amounts": {"x": 1, "y": 2, "z": 3}}, "amounts is an object of up to 2 members, not of 3"),
    ({"amounts": 7}, "amounts is an object of up to 2 members, not 7"),
    ({"pairs": [[1], ["x"]]}, 'pairs[1][0] is a whole number, not "x"'),
    (
        {"a` - at `$.inners[9].b`": 1},
        "there is no field 'a` - at `$.inners[9].b`' here: amounts, data",
    ),
]


def convert(value: Any, struct: type[Sent]) -> Sent:
    return parse_body(json.dumps(value).encode(), struct)


@pytest.mark.parametrize(("sent", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_what_does_not_fit_is_said_with_its_place_and_what_would_be_right(
    sent: Any, sentence: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        convert(sent, Everything)
    assert str(caught.value).startswith(sentence)
    assert caught.value.index == (1 if "inners[1]" in sentence else None)


def test_what_fits_is_read_by_its_type() -> None:
    read = convert(
        {"whole": 3.0, "number": 0, "data": "YQ==", "texts": None, "inner": {"a": None}}, Everything
    )
    assert read == Everything(whole=3, number=0.0, data=b"a", texts=None, inner=Inner(a=None))


def test_a_missing_member_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"^at is missing: it is required$"):
        convert({}, When)


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
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_parameter_that_is_empty_is_not_sent() -> None:
    assert parse_query({"camera": [""]}, CapturesWanted).camera is None


def test_a_parameter_that_is_a_list_may_be_sent_several_times() -> None:
    class Wanted(Sent):
        ids: list[str] = []  # noqa: RUF012 -- each Struct gets a list of its own

    assert parse_query({"ids": ["a", "", "b"]}, Wanted).ids == ["a", "b"]
    assert parse_query({"ids": ["a"]}, Wanted).ids == ["a"]


def test_a_query_is_told_nothing_of_null() -> None:
    class Wanted(Sent):
        n: Annotated[int, Meta(ge=1, le=3)] | None = None

    with pytest.raises(InvalidInput, match=r'^n is a whole number from 1 to 3, not "9"$'):
        parse_query({"n": ["9"]}, Wanted)
    with pytest.raises(InvalidInput, match=r'^n is a whole number from 1 to 3, not "null"$'):
        parse_query({"n": ["null"]}, Wanted)


READ_BY_MANY = """
import json, sys, threading
from contextlib import suppress
import msgspec
from chalicelib.api.v1.data_protection import Receipt
from chalicelib.api.v1.hooks import Event
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.api.v1.wire import parse_as, parse_body
from chalicelib.domain.errors import InvalidInput

def read(struct, all_members):
    barrier.wait()
    with suppress(InvalidInput, msgspec.ValidationError):
        if struct in ANSWERS:
            parse_as(struct, all_members)
        else:
            parse_body(json.dumps(all_members).encode(), struct)

sys.setswitchinterval(1e-6)
kinds = {kind for one in OPERATIONS for kind in (one.body, one.query) if isinstance(kind, type)}
assert len(kinds) > 30
ANSWERS = (Event, Receipt)
for kind in (*ANSWERS, *kinds):
    barrier = threading.Barrier(8)
    all_members = dict.fromkeys(kind.__struct_encode_fields__, "a")
    threads = [threading.Thread(target=read, args=(kind, all_members)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_many_threads_may_be_the_first_to_read_a_type() -> None:
    """msgspec looks into a type when it is first used; a thread that used it meanwhile crashed the
    process."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", READ_BY_MANY], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
