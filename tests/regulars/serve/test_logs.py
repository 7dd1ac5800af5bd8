import io
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from regulars_client import Regulars
from regulars_client.errors import ApiError, RegularsError

from chalicelib.api.observability import JsonLines
from regulars.serve import logs
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture
from tests.support.waiting import PATIENCE_S

NAME = "Zdeněk Quixote"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The log of a box, as JSON, and all that must not be in it."""
    out, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(out), root.level
    handler.terminator = ""
    handler.setFormatter(JsonLines())
    # the client's own log
    handler.addFilter(lambda record: not record.name.startswith("urllib3"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with serving(tmp_path_factory.mktemp("log")) as box:
            secrets = played(box)
        yield out.getvalue(), secrets
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def played(box: Box) -> list[str]:
    """Enrol, search, upload and be refused, and return the secrets and names in it."""
    with box.client() as shop:
        enrolled = shop.enrol_face(group="regular", picture=picture(Person(1)), name=NAME)
        assert shop.identify(picture=picture(Person(1))).faces
        list(shop.list_faces(name=NAME))
        shop.add_camera(id="door", name="The door of Quixote", labels={})
        shop.take_capture(picture=picture(Person(1)), camera="door", captured_at=datetime.now(UTC))
        with pytest.raises(RegularsError):
            shop.get_face("f-nobody-Quixote")
        with pytest.raises(RegularsError):
            shop.enrol_face(group="Quixotes", picture=picture(Person(2)))
    bad = "k-of-a-stranger-0123456789"
    with pytest.raises(RegularsError), Regulars(box.url, api_key=bad) as stranger:
        stranger.get_face(enrolled.id)
    for path in ("/no/such/Quixote", "/_blobs/shop/door/Quixote?signature=Quixote"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{box.url}{path}", timeout=PATIENCE_S)
    look(box)
    return ["Quixote", "Zden", box.key, bad, enrolled.id]


def look(box: Box) -> None:
    """Ask as an open console does: for the page, for groups, and whether they changed."""
    urllib.request.urlopen(f"{box.url}/console", timeout=PATIENCE_S).close()
    asked = urllib.request.Request(
        f"{box.url}/v1/groups", headers={"Authorization": f"Bearer {box.key}"}
    )
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        asked.add_header("If-None-Match", answer.headers["ETag"])
    with pytest.raises(urllib.error.HTTPError, match="304"):
        urllib.request.urlopen(asked, timeout=PATIENCE_S)


def lines_of(told: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, told[0].splitlines()) if "ms" in line]


def test_each_request_is_a_line_with_its_route_tenant_status_and_times(
    told: tuple[str, list[str]],
) -> None:
    lines = lines_of(told)
    assert {line["route"] for line in lines} >= {
        "POST /v1/faces",
        "POST /v1/identify",
        "POST /v1/captures",
    }
    [enrolled] = [
        line for line in lines if (line["route"], line["status"]) == ("POST /v1/faces", 201)
    ]
    assert (enrolled["level"], enrolled["tenant"], enrolled["function"]) == ("INFO", "shop", "api")
    assert enrolled["ms"] >= sum(enrolled["stages_ms"].values()) > 0
    assert all(line["request_id"] for line in lines)


def test_an_open_console_buries_no_other_line(told: tuple[str, list[str]]) -> None:
    quiet = {(line["route"], line["status"]) for line in lines_of(told) if line["level"] == "DEBUG"}
    assert quiet == {("GET /console", 200), ("GET /v1/groups", 304)}


def test_each_refusal_is_a_warning_with_its_reason(told: tuple[str, list[str]]) -> None:
    refused = [line for line in lines_of(told) if line["status"] >= 400]
    assert {(line["route"], line["status"], line["code"]) for line in refused} == {
        ("GET /v1/faces/{id}", 404, "FaceNotFound"),
        ("POST /v1/faces", 404, "GroupNotFound"),
        ("GET /v1/faces/{id}", 401, "WrongCredentials"),
        ("GET -", 404, "NotFound"),
        ("GET /_blobs/{key}", 403, "SignatureDoesNotMatch"),
    }
    assert {line["level"] for line in refused} == {"WARNING"}
    assert {line["level"] for line in lines_of(told) if line not in refused} == {"INFO", "DEBUG"}


def test_no_key_name_or_value_of_a_url_is_in_the_log(told: tuple[str, list[str]]) -> None:
    text, secrets = told
    assert text
    assert not [line for line in text.splitlines() for secret in secrets if secret in line]


def test_an_answer_names_its_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path) as box, box.client() as shop, pytest.raises(ApiError) as refused:
        shop.get_face("f-nobody")
    [line] = [record.line for record in caplog.records if hasattr(record, "line")]
    assert line["request_id"] == refused.value.request_id


def test_people_read_the_same_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level, start = root.handlers, root.level, logs.summary.level
    try:
        logs.log_to_stderr("text", "warning")
        with logs.observe_invocation("api") as this:
            this.route, this.status, this.tenant = "GET /v1/faces", 200, "shop"
        with logs.observe_invocation("api") as this:
            this.route = "POST createGroup"
            this.status = 200
            this.code = 202
            this.error = "GroupExists"
        logs.summary.info("tenants: %d", 2)
    finally:
        root.handlers = handlers
        root.setLevel(level)
        logs.summary.setLevel(start)
    refused, summary = capsys.readouterr().err.splitlines()
    assert refused.partition(" WARNING ")[2].startswith("POST createGroup 200 202 GroupExists ")
    assert summary.endswith(" INFO    tenants: 2")
