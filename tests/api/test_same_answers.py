"""One box and a stage on AWS answer alike, or a page says how not."""

import gzip
import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice.app import Chalice

from chalicelib.api.http import METHODS
from tests.api.same_answers import AT_THE_URL, ROWS, Both, Row, both_served
from tests.support.api.function_url import event_of
from tests.support.api.gateway import Call
from tests.support.api.whole_gateway import Answer, answer_call

ROOT = Path(__file__).resolve().parents[2]
COMPARED = (
    *(
        "content-type",
        "location",
        "allow",
        "retry-after",
        "cache-control",
        "www-authenticate",
        "x-regulars-book",
    ),
    *(
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "accept-encoding",
    ),
    *("content-security-policy", "x-ca-error-message", "x-ca-error-code", "x-regulars-score"),
)
"""Headers that clients read. The gateway gives `WWW-Authenticate` another name, as docs/api.md
says."""
_OF_THE_MOMENT = re.compile(
    rb'(?:https?:[^"]*)?/_pictures/[^"]*|,? '
    rb'?"(?:request_id|Logref|processMs|analysisRoundTripMs)": ?(?:"[^"]*"|[0-9]+)'
)
"""What of a body no two answers have: where its pictures are, its id, and its milliseconds."""
APART = {("POST", "/v1/session/challenge"), ("GET", "/api/v1/config")}
"""A challenge is of the moment. CompreFace's configuration says how large a body may be."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both_served(tmp_path_factory.mktemp("both") / "data") as made:
        yield made


def ask_box(url: str, call: Call) -> Answer:
    target = f"{call.path}?{call.query}" if call.query else call.path
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.putrequest(call.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in call.headers:
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(call.body)))
        connection.endheaders(call.body)
        reply = connection.getresponse()
        headers: dict[str, list[str]] = {}
        for name, value in reply.getheaders():
            headers.setdefault(name.lower(), []).append(value)
        body = reply.read()
    return Answer(
        reply.status,
        headers,
        gzip.decompress(body) if headers.get("content-encoding") == ["gzip"] else body,
    )


def ask_url(app: Chalice, call: Call) -> Answer:
    """Ask the function URL of a stage."""
    headers: dict[str, str] = {}
    for name, value in call.headers:
        headers[name.lower()] = ",".join(filter(None, (headers.get(name.lower()), value)))
    event = event_of(call.method, f"{call.path}?{call.query}", headers, call.body)
    answer = app(event, SimpleNamespace(aws_request_id="1"))
    answered = {name.lower(): [str(value)] for name, value in answer["headers"].items()}
    return Answer(
        answer["statusCode"], answered, b"" if call.method == "HEAD" else answer["body"].encode()
    )


def read(answer: Answer) -> Any:
    """Return what clients read of an answer."""
    headers = {
        name.removeprefix("x-amzn-remapped-"): values for name, values in answer.headers.items()
    }
    told = {name: headers[name] for name in COMPARED if name in headers}
    body = _OF_THE_MOMENT.sub(b"", answer.body)
    try:
        return answer.status, told, json.loads(body)
    except ValueError:
        return answer.status, told, body


@pytest.mark.parametrize(
    ("dialect", "row"),
    [
        pytest.param(dialect, row, id=f"{dialect}: {row.name}")
        for dialect, rows in {**ROWS, **AT_THE_URL}.items()
        for row in rows
    ],
)
def test_a_box_and_a_stage_answer_alike(both: Both, dialect: str, row: Row) -> None:
    box = ask_box(both.box.url, row.call(both))
    stage = (ask_url if dialect in AT_THE_URL else answer_call)(both.app, row.call(both))
    assert box.status == row.status, box.body[:300]
    assert both.filled(row.text) in box.body.decode("utf-8", "replace")
    if row.apart is None:
        assert read(stage) == read(box)
        return
    assert read(stage) != read(box), "it may be taken out of the table"
    assert stage.status == row.apart.status, stage.body[:300]
    assert both.filled(row.apart.text) in stage.body.decode("utf-8", "replace")
    page = (ROOT / row.apart.page).read_text(encoding="utf-8")
    assert row.apart.said in " ".join(page.split())


def test_every_route_answers_each_method_alike_to_those_who_have_no_key(both: Both) -> None:
    """With an escape in each variable, and a slash at the end."""
    apart = []
    for route in both.app.routes:
        path = re.sub(r"\{\w+\}", "x%2Dy%20", route).rstrip("/") + "/"
        for method in METHODS:
            call = Call(method, path, headers=(("Host", urlsplit(both.box.url).netloc),))
            if (method, route) in APART:
                continue
            if (box := read(ask_box(both.box.url, call))) != (
                stage := read(answer_call(both.app, call))
            ):
                apart.append((method, path, box, stage))
    assert apart == []
