"""What answers mean, over HTTP and TLS."""

from __future__ import annotations

import base64
import io
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from regulars_edge.clock import ServiceTime
from regulars_edge.errors import Busy, Damaged, Expired, Misconfigured, NotAllowed, Refused, Unreachable
from regulars_edge.http import Http, Timeouts
from regulars_edge.picture import JPEG, Content
from regulars_edge.service import Capture, Offer, Service
from rig.clock import FakeClock

CONTENT = Content(bytes(range(32)), 3, JPEG)
CAPTURE = Capture("door", CONTENT, 1_760_000_000_000)


class Scripted:
    """Answers every request with what it is told."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.headers: dict[str, str] = {}
        self.silent = threading.Event()
        self.hangs = False
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.scripted = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def says(self, status: int, body: Any = b"", **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def stop(self) -> None:
        self.silent.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    scripted: Scripted

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients here hang up, that is what they are tried for


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Wed, 21 Oct 2026 07:28:00 GMT"

    def do_PUT(self) -> None:
        assert isinstance(self.server, _Server)
        scripted = self.server.scripted
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if scripted.hangs:
            scripted.silent.wait(10)
        self.send_response(scripted.status)
        for name, value in scripted.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(scripted.body)))
        self.end_headers()
        self.wfile.write(scripted.body)

    do_POST = do_GET = do_PUT  # noqa: N815 -- the names that http.server calls


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.stop()


def service_at(url: str, ca_file: Path | None = None, timeouts: Timeouts | None = None) -> Service:
    clock = FakeClock()
    return Service(Http(clock, timeouts, ca_file), url, "rk_1", ServiceTime(clock))


def offer_of(url: str) -> Offer:
    return Offer("c1", "wanted", "PUT", url + "/blob", {"Content-Length": "3"})


def xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as S3 says it</Message></Error>".encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, xml("BadDigest"), Damaged),
        (400, xml("RequestTimeout"), Busy),
        (400, xml("ExpiredToken"), Expired),
        (400, xml("EntityTooLarge"), Refused),
        (403, xml("AccessDenied"), Expired),
        (404, xml("NoSuchBucket"), Expired),
        (409, xml("ConditionalRequestConflict"), Busy),
        (411, b"", Refused),
        (500, xml("InternalError"), Busy),
        (503, xml("SlowDown"), Busy),
        (307, b"", Unreachable),
    ],
)
def test_what_the_store_answers_to_a_put(scripted: Scripted, status: int, body: bytes, error: type[Exception]) -> None:
    scripted.says(status, body)
    with pytest.raises(error):
        service_at(scripted.url).put(offer_of(scripted.url), io.BytesIO(b"abc"), 3)


@pytest.mark.parametrize(("status", "was_there"), [(200, False), (412, True)])
def test_a_put_that_did_it_or_was_not_needed(scripted: Scripted, status: int, was_there: bool) -> None:
    scripted.says(status, xml("PreconditionFailed"))
    assert service_at(scripted.url).put(offer_of(scripted.url), io.BytesIO(b"abc"), 3) is was_there


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NotAllowed),
        (408, Busy),
        (409, Busy),
        (422, Refused),
        (425, Busy),
        (429, Busy),
        (500, Busy),
        (502, Busy),
        (301, Unreachable),
    ],
)
def test_what_the_service_answers_to_an_offer(scripted: Scripted, status: int, error: type[Exception]) -> None:
    scripted.says(status, {"error": {"code": "Some", "message": "words", "index": 0}})
    with pytest.raises(error, match="Some: words") as caught:
        service_at(scripted.url).offer([CAPTURE])
    if isinstance(caught.value, Refused):
        assert caught.value.index == 0


@pytest.mark.parametrize(
    ("said", "seconds"), [("17", 17.0), ("Wed, 21 Oct 2026 07:30:00 GMT", 120.0), ("soon", None), ("", None)]
)
def test_retry_after_in_seconds_or_as_a_date_of_the_services_clock(
    scripted: Scripted, said: str, seconds: float | None
) -> None:
    scripted.says(503, b"", Retry_After=said)
    with pytest.raises(Busy) as caught:
        service_at(scripted.url).offer([CAPTURE])
    assert caught.value.retry_after_s == seconds


def upload(**changes: object) -> dict[str, object]:
    checksum = base64.b64encode(CONTENT.sha256).decode()
    row = {"id": "c1", "state": "wanted", "url": "http://x/", "headers": {"x-amz-checksum-sha256": checksum}}
    return {**row, **changes}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>captive portal</html>",
        [],
        {},
        {"uploads": []},
        {"uploads": [upload(), upload(id="c2")]},
        {"uploads": [{"id": "c1"}]},
        {"uploads": [upload(headers={"X-Amz-Checksum-Sha256": base64.b64encode(b"x" * 32).decode()})]},
        {"uploads": [upload(headers={"x-amz-checksum-sha256": "no base64"})]},
    ],
)
def test_an_answer_that_cannot_be_this_requests_is_no_answer(scripted: Scripted, body: object) -> None:
    scripted.says(200, body)
    with pytest.raises(Unreachable, match="is not understood"):
        service_at(scripted.url).offer([CAPTURE])


def test_two_pictures_with_one_id_are_no_answer(scripted: Scripted) -> None:
    scripted.says(200, {"uploads": [upload(), upload()]})
    with pytest.raises(Unreachable, match="is not understood"):
        service_at(scripted.url).offer([CAPTURE, CAPTURE])


def test_an_answer_that_fits_is_taken(scripted: Scripted) -> None:
    scripted.says(200, {"uploads": [upload(method="PUT")]})
    (offer,) = service_at(scripted.url).offer([CAPTURE])
    assert (offer.id, offer.state, offer.method, offer.url) == ("c1", "wanted", "PUT", "http://x/")


def test_a_service_that_hangs_is_given_up(scripted: Scripted) -> None:
    scripted.hangs = True
    with pytest.raises(Unreachable, match="does not answer"):
        service_at(scripted.url, timeouts=Timeouts(1, 0.2, 1)).offer([CAPTURE])


def test_an_endless_answer_is_given_up(scripted: Scripted) -> None:
    scripted.says(200, b"x" * (9 * 2**20))
    with pytest.raises(Unreachable, match="more than"):
        service_at(scripted.url).offer([CAPTURE])


def test_a_host_that_is_no_regulars_is_told_by_its_missing_time(scripted: Scripted) -> None:
    scripted.says(404)
    with pytest.raises(Unreachable, match="is it Regulars"):
        service_at(scripted.url).ask_time("door")


def test_certificates_are_verified(scripted: Scripted, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("a certificate is made with openssl: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    scripted.server.socket = context.wrap_socket(scripted.server.socket, server_side=True)
    scripted.says(200, {"uploads": [upload()]})
    url = scripted.url.replace("http:", "https:")
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        service_at(url).offer([CAPTURE])
    assert len(service_at(url, ca_file=certificate).offer([CAPTURE])) == 1
    with pytest.raises(Unreachable, match=r"(?i)hostname|localhost"):
        service_at(url.replace("127.0.0.1", "localhost"), ca_file=certificate).offer([CAPTURE])
    with pytest.raises(Misconfigured, match="cannot be read"):
        service_at(url, ca_file=tmp_path / "nothing.pem")
