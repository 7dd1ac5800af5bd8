"""The line of an invocation, of requests as they come through the app."""

import io
import json
import logging
import sys
from types import SimpleNamespace

import pytest
from chalice.app import Chalice

from chalicelib import telemetry
from chalicelib.api import observability
from chalicelib.domain.errors import Busy, InvalidInput, StorageUnavailable
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.api.logs import LAMBDA, lines
from tests.support.api.gateway import LAMBDAS_ID, send
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture


@pytest.fixture
def app(services: Services) -> Chalice:
    return make_stage(services).app


@pytest.fixture
def out(app: Chalice) -> io.StringIO:
    out = io.StringIO()
    app.register_middleware(observability.make_observer(LAMBDA, out), "all")
    return out


def test_a_request_is_a_line_with_route_status_tenant_and_times(
    out: io.StringIO, v1: V1Client, shop: Credentials
) -> None:
    v1.failed(404, "GET", "/v1/faces/somebody")
    [line] = lines(out)
    assert (line["route"], line["status"], line["tenant"]) == (
        "GET /v1/faces/{id}",
        404,
        shop.tenant,
    )
    assert line["function"] == "regulars-prod-APIHandler"
    assert line["ms"] > 0
    assert "_aws" not in line


def test_an_answer_and_the_log_have_one_id_of_the_request_by_one_name(
    out: io.StringIO, v1: V1Client
) -> None:
    refused = v1.send("GET", "/v1/faces/somebody")
    [line] = lines(out)
    assert refused.json["request_id"] == line["request_id"] == LAMBDAS_ID


def test_a_mistake_of_the_caller_is_a_code_on_the_line_and_no_failure(
    out: io.StringIO, camera: CameraClient, v1: V1Client, caplog: pytest.LogCaptureFixture
) -> None:
    mistaken = camera.signed("deleteGroup", [("name", "nowhere")])
    # the second as it was stored
    assert [mistaken.answer()["code"], mistaken.answer()["code"]] == [204, 204]
    v1.failed(404, "GET", "/v1/faces/somebody")
    camera.call("getGroupList")
    assert [line.get("code") for line in lines(out)] == [204, 204, "FaceNotFound", None]
    assert not any("_aws" in line for line in lines(out))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailable("no answer"),
        Busy("try again"),
        InvalidInput("no search"),
        KeyError("a bug"),
    ],
)
def test_a_function_that_fails_says_why_and_leaves_the_count_to_aws(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    out, said = io.StringIO(), ValueError("what storage said")
    said.add_note("in detail")

    def fails(_event: object) -> object:
        raise error from said

    observed = observability.make_observer({**LAMBDA, "AWS_LAMBDA_FUNCTION_NAME": "search"}, out)
    with pytest.raises(type(error)):
        observed(SimpleNamespace(context=SimpleNamespace(aws_request_id="r-1")), fails)
    [line] = lines(out)
    assert "_aws" not in line
    [record] = caplog.records
    text = logging.Formatter().format(record)
    assert all(
        word in text
        for word in ("search failed", type(error).__name__, "what storage said", "in detail")
    )


def test_a_search_measures_itself_in_the_stack_that_it_is_of(
    out: io.StringIO, camera: CameraClient
) -> None:
    camera.call("getFaceByPicture", pic=picture(Person(1)))
    [line] = lines(out)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": "SearchMs", "Unit": "Milliseconds"}]
    assert (line["Stack"], line["SearchMs"]) == ("regulars-prod", line["stages_ms"]["search"])


def test_a_line_has_the_functions_memory() -> None:
    out = io.StringIO()
    observed = observability.make_observer(
        {**LAMBDA, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, out
    )
    observed(SimpleNamespace(context=SimpleNamespace(aws_request_id="r-1")), lambda _: None)
    [line] = lines(out)
    assert line["mb"] == 1769


def test_who_is_not_known_is_nobodys_request(out: io.StringIO, app: Chalice) -> None:
    send(app, "/v1/cameras", method="GET", content_type=None)
    [line] = lines(out)
    assert (line["status"], "tenant" in line) == (401, False)


def test_on_one_box_nothing_is_written(
    app: Chalice, camera: CameraClient, capsys: pytest.CaptureFixture[str]
) -> None:
    app.register_middleware(observability.make_observer({}), "all")
    camera.call("getGroupList")
    assert capsys.readouterr().out == ""


def test_a_record_is_one_line_of_json_with_the_fault_in_it() -> None:
    try:
        raise ValueError("what went wrong\nand where")
    except ValueError:
        fault = sys.exc_info()
    record = logging.LogRecord(
        "chalicelib.x", logging.ERROR, "x.py", 1, "%s failed", ("this",), fault
    )
    with telemetry.begin_invocation("ingest", "r-1"):
        telemetry.of_tenant("shop")
        text = observability.JsonLines().format(record)
    said = json.loads(text)
    assert text.count("\n") == 1
    assert (said["level"], said["message"]) == ("ERROR", "this failed")
    assert (said["function"], said["request_id"], said["tenant"]) == ("ingest", "r-1", "shop")
    assert "ValueError: what went wrong" in said["exception"]


def test_the_handlers_that_lambda_set_up_write_json_from_info_on() -> None:
    out, root = io.StringIO(), logging.Logger("root")
    root.addHandler(logging.StreamHandler(out))
    observability.log_as_json(LAMBDA, root)
    root.debug("not this")
    root.info("this")
    assert json.loads(out.getvalue())["message"] == "this"


def test_of_values_that_are_told_the_highest_is_kept_and_counts_add_up() -> None:
    with telemetry.begin_invocation("sweep", "r") as this:
        for tail in (3, 9, 4):
            telemetry.at_least(telemetry.JOURNAL_TAIL, tail)
            telemetry.count(telemetry.FACES_NEW)
    telemetry.count(telemetry.FACES_NEW)  # nobody listens
    assert this.measured == {telemetry.JOURNAL_TAIL: 9, telemetry.FACES_NEW: 3}
