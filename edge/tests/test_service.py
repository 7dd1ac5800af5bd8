import base64
import io
import json
import re
import shutil
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from regulars_edge.clock import ServiceTime
from regulars_edge.errors import Busy, Damaged, Misconfigured, NotAllowed, Refused, Unreachable
from regulars_edge.http import Http, Timeouts, proxies_of_environment
from regulars_edge.picture import JPEG, Content
from regulars_edge.service import Offer, Service
from regulars_edge.spool.model import Entry
from rig.clock import FakeClock
from rig.real import Regulars
from rig.server import Handler, Served
from rig.standin import StandIn

from testing.needs import needed

CONTENT = Content(bytes(range(32)), 3, JPEG)
CAPTURE = Entry(1, "door", CONTENT, 1_760_000_000_000, "a copy")


class Scripted(Served):
    """Answers every request with what it is told."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.headers: dict[str, str] = {}
        self.silent = threading.Event()
        self.hangs = False
        super().__init__(_Handler)

    def says(self, status: int, body: Any = b"", **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def stop(self) -> None:
        self.silent.set()
        super().stop()


class _Handler(Handler):
    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Wed, 21 Oct 2026 07:28:00 GMT"

    def answer(self) -> None:
        scripted: Scripted = self.server.owner
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if scripted.hangs:
            scripted.silent.wait(10)
        self.reply(scripted.status, scripted.body, scripted.headers)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.stop()


def service_at(url: str, ca_file: Path | None = None, **more: Any) -> Service:
    clock = FakeClock()
    return Service(Http(clock, ca_file=ca_file, **more), url, lambda: "rk_1", ServiceTime(clock))


def offer_of(url: str) -> Offer:
    return Offer("c1", "wanted", "PUT", url + "/blob", {"Content-Length": "3"})


def xml(code: str) -> bytes:
    return (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as S3 says it</Message></Error>"
    ).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, xml("BadDigest"), Damaged),
        (400, xml("RequestTimeout"), Busy),
        (400, xml("ExpiredToken"), Busy),
        (400, xml("EntityTooLarge"), Refused),
        (403, xml("AccessDenied"), Busy),
        (404, xml("NoSuchBucket"), Busy),
        (409, xml("ConditionalRequestConflict"), Busy),
        (411, xml("MissingContentLength"), Refused),
        (413, b"<html>a proxy's limit</html>", Unreachable),
        (500, xml("InternalError"), Busy),
        (503, xml("SlowDown"), Busy),
        (307, b"", Unreachable),
    ],
)
def test_what_the_store_answers_to_a_put(
    scripted: Scripted, status: int, body: bytes, error: type[Exception]
) -> None:
    scripted.says(status, body)
    with pytest.raises(error):
        service_at(scripted.url).put_picture(offer_of(scripted.url), io.BytesIO(b"abc"), CONTENT)


DIGEST = base64.b64encode(CONTENT.sha256).decode()


@pytest.mark.parametrize("digest", ["", base64.b64encode(bytes(32)).decode()])
def test_an_answer_that_does_not_name_the_picture_is_no_proof(
    scripted: Scripted, digest: str
) -> None:
    scripted.says(200, b"", x_amz_checksum_sha256=digest, ETag='"abc"')
    with pytest.raises(Busy, match="does not name the picture"):
        service_at(scripted.url).put_picture(offer_of(scripted.url), io.BytesIO(b"abc"), CONTENT)


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
def test_what_the_service_answers_to_an_offer(
    scripted: Scripted, status: int, error: type[Exception]
) -> None:
    scripted.says(status, {"code": "Some", "detail": "words", "index": 0})
    with pytest.raises(error, match="Some: words") as caught:
        service_at(scripted.url).offer_pictures([CAPTURE])
    if isinstance(caught.value, Refused):
        assert caught.value.index == 0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17.0),
        ("Wed, 21 Oct 2026 07:30:00 GMT", 120.0),
        ("soon", None),
        ("\u00b2", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_of_the_services_clock(
    scripted: Scripted, said: str, seconds: float | None
) -> None:
    scripted.says(503, b"", Retry_After=said)
    with pytest.raises(Busy) as caught:
        service_at(scripted.url).offer_pictures([CAPTURE])
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("status", [407, 413, 451])
def test_what_a_proxy_refuses_is_no_verdict_on_a_picture(scripted: Scripted, status: int) -> None:
    scripted.says(status, b"<html>Proxy</html>")
    with pytest.raises(Unreachable, match="or a proxy's"):
        service_at(scripted.url).offer_pictures([CAPTURE])


def upload(**changes: object) -> dict[str, object]:
    checksum = base64.b64encode(CONTENT.sha256).decode()
    row = {
        "id": "c1",
        "state": "wanted",
        "url": "http://x/",
        "headers": {"x-amz-checksum-sha256": checksum},
    }
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
        {
            "uploads": [
                upload(headers={"X-Amz-Checksum-Sha256": base64.b64encode(b"x" * 32).decode()})
            ]
        },
        {"uploads": [upload(headers={"x-amz-checksum-sha256": "no base64"})]},
    ],
)
def test_an_answer_that_cannot_be_this_requests_is_no_answer(
    scripted: Scripted, body: object
) -> None:
    scripted.says(200, body)
    with pytest.raises(Unreachable, match="is not understood"):
        service_at(scripted.url).offer_pictures([CAPTURE])


def test_two_pictures_with_one_id_are_no_answer(scripted: Scripted) -> None:
    scripted.says(200, {"uploads": [upload(), upload()]})
    with pytest.raises(Unreachable, match="is not understood"):
        service_at(scripted.url).offer_pictures([CAPTURE, CAPTURE])


def test_a_service_that_hangs_is_given_up(scripted: Scripted) -> None:
    scripted.hangs = True
    with pytest.raises(Unreachable, match="does not answer"):
        service_at(scripted.url, timeouts=Timeouts(1, 0.2, 1)).offer_pictures([CAPTURE])


def test_an_endless_answer_is_given_up(scripted: Scripted) -> None:
    scripted.says(200, b"x" * (9 * 2**20))
    with pytest.raises(Unreachable, match="more than"):
        service_at(scripted.url).offer_pictures([CAPTURE])


def test_a_host_that_is_no_regulars_is_told_by_its_missing_time(scripted: Scripted) -> None:
    scripted.says(404)
    with pytest.raises(Unreachable, match="is it Regulars"):
        service_at(scripted.url).ask_time("door")


def certified(scripted: Scripted, folder: Path, days: int = 2) -> Path:
    """Give the server a new certificate of its own, good for so long, and return the file."""
    needed("openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                key,
                "-out",
                certificate,
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    signed = [
        "openssl",
        "x509",
        "-in",
        certificate,
        "-signkey",
        key,
        "-days",
        str(days),
        "-out",
        certificate,
    ]
    subprocess.run(signed, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    scripted.server.socket = context.wrap_socket(scripted.server.socket, server_side=True)
    return certificate


def test_a_new_certificate_counts_as_soon_as_ca_file_has_it(tmp_path: Path) -> None:
    ca_file, client = tmp_path / "ca.pem", None
    for number in range(2):
        server = Scripted()
        server.says(200, {"uploads": [upload()]})
        (tmp_path / str(number)).mkdir()
        certificate = certified(server, tmp_path / str(number))
        url = server.url.replace("http:", "https:")
        if client is None:
            shutil.copy(certificate, ca_file)
            client = Http(FakeClock(), ca_file=ca_file)
        else:
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                client.exchange("GET", url)
            ca_file.write_text("half a file")
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                client.exchange("GET", url)
            shutil.copy(certificate, ca_file)
        assert client.exchange("GET", url).status == 200
        server.stop()


def test_a_certificate_that_has_expired_may_be_a_clock_that_is_ahead(
    scripted: Scripted, tmp_path: Path
) -> None:
    certificate = certified(scripted, tmp_path, days=-1)
    with pytest.raises(
        Unreachable, match=r"certificate has expired.*Is this machine's clock right"
    ):
        service_at(scripted.url.replace("http:", "https:"), ca_file=certificate).offer_pictures(
            [CAPTURE]
        )


def test_certificates_are_verified(scripted: Scripted, tmp_path: Path) -> None:
    certificate = certified(scripted, tmp_path)
    scripted.says(200, {"uploads": [upload()]})
    url = scripted.url.replace("http:", "https:")
    with pytest.raises(
        Unreachable, match=r"CERTIFICATE_VERIFY_FAILED.*let ca_file of \[server\] name it"
    ):
        service_at(url).offer_pictures([CAPTURE])
    assert len(service_at(url, ca_file=certificate).offer_pictures([CAPTURE])) == 1
    with pytest.raises(Unreachable, match=r"(?i)hostname|localhost"):
        service_at(url.replace("127.0.0.1", "localhost"), ca_file=certificate).offer_pictures(
            [CAPTURE]
        )
    with pytest.raises(Misconfigured, match="cannot be read"):
        service_at(url, ca_file=tmp_path / "nothing.pem")


class Proxy(Served):
    """Notes what it is asked for, and answers with a status and a page."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        super().__init__(_Proxies)


class _Proxies(Handler):
    def answer(self) -> None:
        self.server.owner.asked.append(
            f"{self.command} {self.path} {self.headers.get('Proxy-Authorization')}"
        )
        self.reply(502 if self.command == "CONNECT" else self.server.owner.status)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy, whose address no variable of this machine names."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = Proxy()
    yield made
    made.stop()


def test_a_proxy_of_the_environment_is_honoured(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_user = proxy.url.replace("http://", "http://user:p%40ss@")
    for name, value in (
        ("http_proxy", with_user),
        ("https_proxy", proxy.url),
        ("no_proxy", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
    http = Http(FakeClock(), proxies=proxies_of_environment())
    assert http.exchange("GET", "http://service.example/v1").status == 200
    with pytest.raises(Unreachable):
        http.exchange("GET", "https://service.example/v1")
    user = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert proxy.asked == [
        f"GET http://service.example/v1 {user}",
        "CONNECT service.example:443 None",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_a_proxy(
    host: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = Proxy()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    Http(FakeClock(), proxies=proxies_of_environment()).exchange(
        "GET", f"{direct.url.replace('127.0.0.1', host)}/v1"
    )
    assert (proxy.asked, direct.asked) == ([], ["GET /v1 None"])
    direct.stop()


@pytest.mark.parametrize("host", ["127.8.8.8", "[::1]", "LOCALHOST.", "shop.localhost"])
def test_this_machine_is_known_by_its_name_or_address(host: str, proxy: Proxy) -> None:
    with pytest.raises(Unreachable):
        Http(FakeClock(), proxies={"http": proxy.url}).exchange("GET", f"http://{host}:1/v1")
    assert proxy.asked == []


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("scheme", ["", "http://", "http://someone:hush@"])
def test_a_proxy_that_does_not_answer_is_named_by_its_variable_without_its_password(
    variable: str, scheme: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"{scheme}127.0.0.1:1")
    url = f"{variable.lower().removesuffix('_proxy')}://service.example"
    with pytest.raises(Unreachable) as told:
        service_at(url, proxies=proxies_of_environment()).find_camera_id("door")
    assert str(told.value) == (
        f"{url}/v1/cameras/door does not answer: Failed to establish a new connection: [Errno 111] "
        "Connection refused. "
        f"It was asked through {variable} (http://127.0.0.1:1): NO_PROXY=service.example asks it "
        "directly"
    )


@pytest.mark.parametrize("status", [403, 407, 502, 503, 418])
def test_what_a_proxy_says_in_place_of_the_service_is_said_with_its_variable(
    status: int, proxy: Proxy
) -> None:
    proxy.status = status
    told = re.escape(f"through HTTP_PROXY ({proxy.url}), which may have said it")
    with pytest.raises((Unreachable, Busy, NotAllowed), match=told):
        service_at("http://service.example", proxies={"http": proxy.url}).find_camera_id("door")


def test_no_proxy_is_blamed_for_a_service_that_is_asked_directly() -> None:
    with pytest.raises(Unreachable) as told:
        service_at("http://127.0.0.1:1", proxies={"http": "http://127.0.0.1:2"}).find_camera_id(
            "door"
        )
    assert str(told.value).endswith(
        "does not answer: Failed to establish a new connection: [Errno 111] Connection refused"
    )


def test_what_is_no_proxy_is_said() -> None:
    with pytest.raises(Misconfigured, match="no URL of an HTTP proxy"):
        Http(FakeClock(), proxies={"http": "socks5://proxy:1080"})


def test_the_tenants_key_is_not_used_on_a_box_unless_that_was_asked_for(
    service: StandIn | Regulars,
) -> None:
    clock = FakeClock()

    def with_key(key: str, tenant_key: bool) -> Service:
        time = ServiceTime(clock)
        return Service(
            Http(clock),
            service.url,
            lambda: key,
            time,
            tenant_key=tenant_key,
            makes_cameras=tenant_key,
        )

    assert with_key(service.key, True).find_camera_id("boxed")
    request = urllib.request.Request(
        f"{service.url}/v1/cameras",
        b'{"id": "own", "name": "own"}',
        {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        own = json.load(response)["api_key"]
    for call in (
        lambda one: one.find_camera_id("own"),
        lambda one: one.send_heartbeat("own", {}),
        lambda one: one.offer_pictures([CAPTURE]),
    ):
        with pytest.raises(NotAllowed, match="give it the camera's own key"):
            call(with_key(service.key, False))
    assert with_key(own, False).find_camera_id("own") == "own"


def test_a_heartbeat_brings_what_a_box_that_counts_may_tell(service: StandIn | Regulars) -> None:
    clock = FakeClock()
    known = Service(
        Http(clock), service.url, lambda: service.key, ServiceTime(clock), makes_cameras=True
    )
    answer = known.send_heartbeat(known.find_camera_id("door"), {})
    assert answer.counting == {"film_wanted": False}
