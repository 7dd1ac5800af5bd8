"""The gateway makes of a request the event that API Gateway makes, and of the app's answer what it
answers."""

import gc
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.api.icredit.operation import CODES
from chalicelib.domain.errors import NotFound
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request, Response
from tests.support.api.v1.client import document
from tests.support.box.apps import echo_app, served
from tests.support.waiting import PATIENCE_S


def request(method: str, path: str, body: bytes = b"", query: str = "", **headers: str) -> Request:
    """`headers`: underscores stand for hyphens."""
    length = {"content-length": str(len(body))} if body else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, query, length | named, body, client="10.0.0.9")


def answered(asked: Request) -> Response:
    """Answer as a server does."""
    gateway = Gateway(echo_app())
    try:
        return gateway.answer(asked)
    except NotFound as error:
        return gateway.answer_error(asked, error)


def echoed(
    method: str, path: str, body: bytes = b"", query: str = "", **headers: str
) -> dict[str, Any]:
    response = Gateway(echo_app()).answer(request(method, path, body, query, **headers))
    assert response.status == 200, response.body
    return json.loads(response.body)


@pytest.mark.parametrize(
    "kind", ["Multipart/Form-Data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_a_body_arrives_as_it_came(kind: str) -> None:
    app, seen = echo_app(), []

    @app.middleware("http")
    def see(event: Any, get_response: Any) -> Any:
        seen.append(event.to_original_event())
        return get_response(event)

    picture = b"\xff\xd8picture"
    response = Gateway(app).answer(request("POST", "/length", picture, content_type=kind))
    assert json.loads(response.body) == {"length": len(picture)}
    assert seen[0]["body"] is picture, "it is not copied"
    assert seen[0]["isBase64Encoded"] is False


def test_a_request_without_a_body_has_none() -> None:
    event = echoed("GET", "/echo")
    assert event["body"] is None
    assert event["isBase64Encoded"] is False
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["pathParameters"] is None


def test_repeated_query_parameters_are_all_there_and_the_last_is_the_single_one() -> None:
    event = echoed("GET", "/echo", query="a=1&a=2&b=&c=%E5%91%A8")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""], "c": ["周"]}
    assert event["queryStringParameters"] == {"a": "2", "b": "", "c": "周"}


def test_headers_and_source_address_are_in_the_event() -> None:
    event = echoed("GET", "/echo", x_ca_key="k", user_agent="camera/1")
    assert event["headers"]["X-Ca-Key"] == "k"
    assert event["requestContext"]["identity"] == {"sourceIp": "10.0.0.9", "userAgent": "camera/1"}


def test_the_event_holds_all_that_chalice_local_gives_its_app() -> None:
    seen: list[dict[str, Any]] = []
    app = Chalice("recorder", configure_logs=False)

    @app.route("/record", methods=["GET"])
    def record() -> dict[str, str]:
        seen.append(app.current_request.to_original_event())
        return {}

    LocalGateway(app, Config.create()).handle_request(
        "GET", "/record?a=1&a=2", {"X-Marker": "m"}, b""
    )
    Gateway(app).answer(request("GET", "/record", query="a=1&a=2", x_marker="m"))
    theirs, ours = seen
    assert set(theirs) <= set(ours)
    assert set(theirs["requestContext"]) <= set(ours["requestContext"])
    assert ours["multiValueQueryStringParameters"] == theirs["multiValueQueryStringParameters"]


def test_path_parameters_are_captured_and_a_literal_route_goes_first() -> None:
    gateway = Gateway(echo_app())
    assert json.loads(gateway.answer(request("GET", "/faces/007")).body) == {"faceid": "007"}
    assert json.loads(gateway.answer(request("GET", "/faces/latest")).body) == {
        "faceid": "the literal route"
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("DELETE", "/echo"), ("GET", "/faces/"), ("GET", "/faces/{faceid}/x")],
)
def test_an_undeclared_path_or_method_gets_404_and_is_told_where_to_look(
    method: str, path: str
) -> None:
    response = answered(request(method, path))
    assert response.status == 404
    document().require(json.loads(response.body), "Problem")
    assert "/v1/openapi.json" in json.loads(response.body)["detail"]
    assert dict(response.headers)["Content-Type"] == "application/problem+json"


def test_an_undeclared_path_of_another_dialect_gets_404_in_its_words() -> None:
    sunmi = json.loads(answered(request("POST", "/openapi/face/getNobody")).body)
    assert sunmi["code"] == 2
    assert sunmi["msg"].startswith(
        "There is no such call here: by POST, there are createGroup, updateGroup, "
    )
    icredit = json.loads(answered(request("POST", "/icredit/face/nobody")).body)
    assert (icredit["PERSON_TOKEN_STATUS"], icredit["ERROR_CODE"]) == ("1", CODES[NotFound])
    assert (
        icredit["ERROR_MSG"]
        == "There is no such call here: by POST, there are manage, query, analysis."
    )
    compreface = answered(request("POST", "/api/v1/recognition/nobody"))
    assert (compreface.status, json.loads(compreface.body)["code"]) == (404, 0)


def test_a_base64_answer_is_decoded_and_repeated_headers_stay_apart() -> None:
    response = Gateway(echo_app()).answer(
        request("GET", "/binary", accept="application/octet-stream")
    )
    assert response.body == b"\x00\xff"
    assert [value for name, value in response.headers if name == "X-Kind"] == ["a", "b"]


def test_an_answer_that_chalice_cannot_write_is_the_gateways_502(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Chalice("broken", configure_logs=False)

    @app.route("/broken", methods=["GET"])
    def broken() -> dict[str, object]:
        return {"not": object()}

    response = Gateway(app).answer(request("GET", "/broken"))
    assert (response.status, json.loads(response.body)) == (
        502,
        {"message": "Internal server error"},
    )
    assert "the handler of a GET failed" in caplog.text


def test_every_thread_sees_its_own_request() -> None:
    pause = threading.Event()
    with served(echo_app(pause)) as (host, port, _):
        answers: dict[str, dict[str, str]] = {}

        def call(marker: str) -> None:
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
            headers = {"X-Marker": marker, "Content-Type": "application/json"}
            connection.request("POST", "/slow", b"{}", headers)
            answers[marker] = json.loads(connection.getresponse().read())
            connection.close()

        threads = [threading.Thread(target=call, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        pause.set()
        for thread in threads:
            thread.join()
        assert answers == {str(n): {"before": str(n), "after": str(n)} for n in range(4)}


class Pause(threading.Event):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.is_waited_for.set()
        return super().wait(timeout)


def test_stopping_lets_a_request_in_flight_finish() -> None:
    pause = Pause()
    with served(echo_app(pause)) as (host, port, stop):
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        connection.request(
            "POST", "/slow", b"{}", {"X-Marker": "m", "Content-Type": "application/json"}
        )
        assert pause.is_waited_for.wait(PATIENCE_S)
        stop.set()
        time.sleep(0.2)
        pause.set()
        assert json.loads(connection.getresponse().read()) == {"before": "m", "after": "m"}
        connection.close()


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    with served(echo_app()) as (host, port, _):
        opened = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        yield opened
        opened.close()


def chunks(size: int) -> Iterator[bytes]:
    for start in range(0, size, 65_536):
        yield bytes(min(65_536, size - start))


HEADERS = {"Content-Type": "multipart/form-data; boundary=x"}


def test_a_body_of_4_mib_passes_and_a_longer_one_is_413_and_the_connection_goes_on(
    connection: http.client.HTTPConnection,
) -> None:
    for whole in (bytes(MAX_BODY_BYTES), chunks(MAX_BODY_BYTES)):
        connection.request(
            "POST", "/length", whole, HEADERS, encode_chunked=not isinstance(whole, bytes)
        )
        assert json.loads(connection.getresponse().read()) == {"length": MAX_BODY_BYTES}
    for body in (bytes(MAX_BODY_BYTES + 1), chunks(MAX_BODY_BYTES + 1)):
        connection.request(
            "POST", "/length", body, HEADERS, encode_chunked=not isinstance(body, bytes)
        )
        response = connection.getresponse()
        told = json.loads(response.read())
        assert (response.status, told["code"]) == (413, "BodyTooLarge")
        assert response.headers["X-Request-Id"] == told["request_id"]
        assert (
            abs(int(response.headers["X-Regulars-Time"]) - time.time() * 1000) < PATIENCE_S * 1000
        )
    connection.request("POST", "/length", b"x", HEADERS)
    assert json.loads(connection.getresponse().read()) == {"length": 1}


def test_head_has_the_headers_only(connection: http.client.HTTPConnection) -> None:
    connection.request("HEAD", "/echo")
    response = connection.getresponse()
    assert response.status == 200
    assert int(response.headers["Content-Length"]) > 100
    assert response.read() == b""
    connection.request("HEAD", "/length")
    assert connection.getresponse().status == 404


def test_a_kept_alive_request_takes_no_nagle_pause(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/length", b"x" * 2000, HEADERS)
    connection.getresponse().read()
    ends = {connection.sock.getsockname(), connection.sock.getpeername()}
    sockets = [
        one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() >= 0
    ]
    ours = [one for one in sockets if one.family == socket.AF_INET and _ends(one) == ends]
    assert len(ours) == 2, "the client's and the server's, which are of this process"
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in ours)


def _ends(one: socket.socket) -> set[object]:
    try:
        return {one.getsockname(), one.getpeername()}
    except OSError:  # it listens, or the other end has gone
        return set()
