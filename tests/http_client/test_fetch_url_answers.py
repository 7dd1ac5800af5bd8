"""What a public host may answer, and how long it may take: real servers, reached under a public
address."""

import gzip
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from chalicelib.domain.errors import Unusable
from chalicelib.http_client.safe_requests import MAX_BYTES, SafeFetcher
from chalicelib.http_client.url import Address
from tests.http_client.certificates import Authority
from tests.support.web.hostile_urls import OTHER_PUBLIC, PUBLIC, Internet
from tests.support.web.servers import PICTURE, Answer, chunked, head, redirect, says, serving

JPEG = "Content-Type: image/jpeg"
LENGTH = f"Content-Length: {len(PICTURE)}"
URL = "http://public.example/picture.jpg"


def fetched(answer: Answer, *, limit_s: float = 5.0, max_bytes: int = MAX_BYTES) -> bytes:
    with serving(answer) as port:
        internet = Internet()
        internet.listen(PUBLIC, 80, port)
        return SafeFetcher(
            internet.resolve, internet.dial, limit_s=limit_s, max_bytes=max_bytes
        ).fetch(URL, "shop")


def refusal(answer: Answer, *, limit_s: float = 5.0, max_bytes: int = MAX_BYTES) -> str:
    with pytest.raises(Unusable) as error:
        fetched(answer, limit_s=limit_s, max_bytes=max_bytes)
    return str(error.value)


def dripping(start: bytes, parts: Iterable[bytes]) -> Answer:
    """`start`, then a part each 100 ms."""

    def answer(sock: socket.socket, _request: bytes) -> None:
        sock.sendall(start)
        for part in parts:
            time.sleep(0.1)
            sock.sendall(part)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        says(head(JPEG, LENGTH), PICTURE),
        says(head(JPEG), PICTURE),
        says(head(JPEG, "Transfer-Encoding: chunked"), chunked(PICTURE[:100], PICTURE[100:])),
        says(head(JPEG, "Transfer-Encoding: Chunked", LENGTH), chunked(PICTURE)),
        says(head(JPEG, LENGTH), PICTURE, b"and more that nobody asked for"),
        says(head(JPEG, LENGTH, "Content-Encoding: identity"), PICTURE),
        says(head(JPEG, LENGTH, "Connection: keep-alive"), PICTURE),
        says(head(LENGTH, "content-type:IMAGE/JPEG ; q=1"), PICTURE),
        says(b"HTTP/1.1 100 Continue\r\n\r\n", head(JPEG, LENGTH), PICTURE),
        says(head(JPEG, LENGTH).replace(b"HTTP/1.1", b"HTTP/1.0"), PICTURE),
        dripping(head(JPEG, LENGTH), [PICTURE[:5000], PICTURE[5000:]]),
    ],
    ids=[
        "length", "no length", "chunked", "chunked and length", "more than its length", "identity",
        "keep-alive", "type in capitals", "100 Continue", "HTTP/1.0", "in parts",
    ],
)  # fmt: skip
def test_picture_is_fetched(answer: Answer) -> None:
    assert fetched(answer) == PICTURE


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/jpg", "image/png", "image/bmp", "image/x-ms-bmp"]
)
def test_picture_of_each_type_is_fetched(media_type: str) -> None:
    assert fetched(says(head(f"Content-Type: {media_type}", LENGTH), PICTURE)) == PICTURE


def test_picture_is_fetched_from_an_ordinary_web_server(tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(PICTURE)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        internet = Internet()
        internet.listen(PUBLIC, 80, server.server_port)
        try:
            assert SafeFetcher(internet.resolve, internet.dial).fetch(URL, "shop") == PICTURE
        finally:
            server.shutdown()
            thread.join()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert fetched(says(head(JPEG, LENGTH), PICTURE)) == PICTURE


@pytest.mark.parametrize("status", ["301 A", "302 A", "303 A", "307 A", "308 A"])
def test_three_redirects_are_followed(status: str) -> None:
    def answer(sock: socket.socket, request: bytes) -> None:
        places = {
            b"/picture.jpg": "two",
            b"/two": f"http://{PUBLIC}/three",
            b"/three": "//public.example/\u56db",
        }
        place = places.get(request.split(b" ")[1])
        (redirect(place, status) if place else says(head(JPEG, LENGTH), PICTURE))(sock, request)

    assert fetched(answer) == PICTURE


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (redirect("/picture.jpg"), "redirects more than 3 times"),
        (says(head(status="302 Found")), "redirects to nowhere"),
        (
            says(head("Location: http://\xff/", status="302 Found").replace(b"\xc3\xbf", b"\xff")),
            "no URL",
        ),
        (redirect("http://[/"), "no URL"),
        (redirect("/a\tb"), "control character"),
        (redirect("ftp://public.example/"), "after a redirect, the URL's scheme"),
        (says(head(status="304 Not Modified")), "status 304"),
        (says(head(JPEG, status="404 Not Found"), b"secret"), "status 404"),
        (says(head(JPEG, status="206 Partial Content"), PICTURE), "status 206"),
        (says(head(JPEG, status="204 No Content")), "status 204"),
        (says(head(JPEG, status="500 secret"), b"secret"), "status 500"),
        (says(head("Content-Type: text/html; charset=utf-8"), b"secret"), "type is text/html"),
        (
            says(head("Content-Type: application/octet-stream"), PICTURE),
            "type is application/octet-stream",
        ),
        (says(head("Content-Type: image/svg+xml"), b"<svg>secret</svg>"), "type is image/svg+xml"),
        (says(head(), PICTURE), "type is none"),
        (says(head("Content-Type: secret <script>"), PICTURE), "type is none"),
        (says(head(JPEG, "Content-Type: text/html"), PICTURE), "type is"),
        (says(head(JPEG, "Content-Encoding: gzip"), gzip.compress(PICTURE)), "compressed"),
        (says(head(JPEG, "Content-Encoding: identity, br"), PICTURE), "compressed"),
        (
            says(head(JPEG, "Transfer-Encoding: gzip, chunked"), chunked(PICTURE)),
            "transfer encoding",
        ),
        (says(head(JPEG, "Content-Length: 5, 6"), PICTURE), "one number"),
        (says(head(JPEG, "Content-Length: 5", "Content-Length: 6"), PICTURE), "one number"),
        (says(head(JPEG, "Content-Length: -1"), PICTURE), "one number"),
        (says(head(JPEG, "Content-Length: +5"), PICTURE), "one number"),
        (says(head(JPEG, "Content-Length: 0")), "empty"),
        (says(head(JPEG, LENGTH), PICTURE[:-1]), "before the picture was complete"),
        (
            says(head(JPEG, "Transfer-Encoding: chunked"), chunked(PICTURE)[:-9]),
            "before the picture was complete",
        ),
        (
            says(head(JPEG, "Transfer-Encoding: chunked"), b"secret\r\n"),
            "before the picture was complete",
        ),
        (says(head(JPEG)[:-2]), "broke off"),
        (says(head(JPEG, "X-Secret: secret")[:-9]), "broke off"),
        (says(), "HTTP/1.1"),
        (says(b"220 mail.example ESMTP secret\r\n"), "HTTP/1.1"),
        (says(b"SSH-2.0-secret\r\n"), "HTTP/1.1"),
        (says(b"HTTP/1.1 secret\r\n\r\n"), "HTTP/1.1"),
        (says(head(*("X: y",) * 200, JPEG), PICTURE), "HTTP/1.1"),
    ],
)
def test_other_answer_is_refused_and_not_quoted(answer: Answer, what: str) -> None:
    message = refusal(answer)
    assert what in message
    assert "secret" not in message
    assert ": " in message


def test_picture_of_just_the_limit_is_fetched() -> None:
    assert (
        len(fetched(says(head(JPEG, f"Content-Length: {MAX_BYTES}"), bytes(MAX_BYTES))))
        == MAX_BYTES
    )


@pytest.mark.parametrize(
    "answer",
    [
        says(head(JPEG, f"Content-Length: {MAX_BYTES + 1}")),
        says(head(JPEG, "Content-Length: 999999999999")),
        says(head(JPEG), bytes(MAX_BYTES + 1)),
        says(head(JPEG, "Transfer-Encoding: chunked"), chunked(bytes(MAX_BYTES), b"1")),
        says(head(JPEG, "Transfer-Encoding: chunked"), b"7fffffffffff\r\n", bytes(MAX_BYTES + 1)),
    ],
    ids=["by its header", "by far", "by what comes", "in chunks", "in one chunk"],
)
def test_larger_picture_is_refused(answer: Answer) -> None:
    assert "more than 2097152 bytes" in refusal(answer)


def _endless(sock: socket.socket, _request: bytes) -> None:
    sock.sendall(head(JPEG))
    while True:
        sock.sendall(bytes(65536))


def test_endless_picture_is_refused_as_soon_as_it_is_too_large() -> None:
    assert "more than" in refusal(_endless)


@pytest.mark.parametrize(
    "answer",
    [
        says(head(JPEG, f"X: {'x' * 40_000}"), PICTURE),
        says(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, head(JPEG), PICTURE),
        says(head(JPEG, "Transfer-Encoding: chunked"), b"1;%s\r\nx\r\n" % (b"x" * 1_000) * 3_000),
        says(head(JPEG, "Transfer-Encoding: chunked"), b"0\r\n", b"X: y\r\n" * 400_000),
        says(head(JPEG, "Transfer-Encoding: chunked"), b"-1\r\n", bytes(3_000_000)),
    ],
    ids=["headers", "interim answers", "chunk extensions", "trailers", "negative chunk"],
)
def test_much_beside_the_picture_is_refused(answer: Answer) -> None:
    assert "too much" in refusal(answer, max_bytes=1_000_000)


def _hanging(sock: socket.socket, _request: bytes) -> None:
    sock.recv(1)


CHUNKED = head(JPEG, "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "answer",
    [
        _hanging,
        dripping(b"", [b"H"] * 100),
        dripping(b"HTTP/1.1 200 OK\r\n", [b"X"] * 100),
        dripping(b"HTTP/1.1 200 OK\r\n", [b"X: y\r\n"] * 99),
        dripping(b"", [b"HTTP/1.1 100 Continue\r\n\r\n"] * 100),
        dripping(head(JPEG, LENGTH), [b"x"] * 100),
        dripping(head(JPEG), [b"x"] * 100),
        dripping(CHUNKED, [b"1\r\nx\r\n"] * 100),
        dripping(CHUNKED + b"0\r\n", [b"X: y\r\n"] * 100),
    ],
    ids=[
        "hang", "status line", "header line", "headers", "interim answers", "length", "no length",
        "chunks", "trailers",
    ],
)  # fmt: skip
def test_slow_answer_is_given_up_at_the_deadline(answer: Answer) -> None:
    assert "within 0.2 s" in refusal(answer, limit_s=0.2)


def test_redirects_share_one_deadline() -> None:
    def answer(sock: socket.socket, request: bytes) -> None:
        time.sleep(0.15)
        redirect("/again")(sock, request)

    assert "within 0.25 s" in refusal(answer, limit_s=0.25)


def test_host_that_accepts_no_connection_is_given_up_at_the_deadline() -> None:
    def dial(_address: Address, _port: int, timeout_s: float) -> socket.socket:
        time.sleep(timeout_s)
        raise TimeoutError

    with pytest.raises(Unusable, match=r"within 0\.1 s"):
        SafeFetcher(lambda _: [PUBLIC, OTHER_PUBLIC], dial, limit_s=0.1).fetch(URL, "shop")


# --- https
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def fetched_by_tls(
    answer: Answer,
    server: ssl.SSLContext | None,
    client: ssl.SSLContext | None,
    limit_s: float = 5.0,
) -> bytes:
    with serving(answer, server) as port:
        internet = Internet()
        internet.listen(PUBLIC, 443, port)
        fetcher = SafeFetcher(internet.resolve, internet.dial, tls=client, limit_s=limit_s)
        return fetcher.fetch("https://public.example/picture.jpg", "shop")


def test_picture_is_fetched_by_https_with_the_hosts_name(authority: Authority) -> None:
    server, named, requests = authority.server("public.example"), [], []

    def answer(sock: socket.socket, request: bytes) -> None:
        requests.append(request)
        says(head(JPEG), PICTURE)(sock, request)

    server.sni_callback = lambda _sock, name, _context: named.append(name)
    assert fetched_by_tls(answer, server, authority.client()) == PICTURE
    assert named == ["public.example"]
    assert b"\r\nHost: public.example\r\n" in requests[0]


def test_certificate_of_another_name_is_refused(authority: Authority) -> None:
    with pytest.raises(Unusable, match="certificate"):
        fetched_by_tls(
            says(head(JPEG), PICTURE), authority.server("other.example"), authority.client()
        )


def test_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    with pytest.raises(Unusable, match="certificate"):
        fetched_by_tls(says(head(JPEG), PICTURE), authority.server("public.example"), client=None)


def test_certificate_for_a_name_is_none_for_its_address(authority: Authority) -> None:
    with serving(says(head(JPEG), PICTURE), authority.server("public.example")) as port:
        internet = Internet()
        internet.listen(PUBLIC, 443, port)
        with pytest.raises(Unusable, match="certificate"):
            SafeFetcher(internet.resolve, internet.dial, tls=authority.client()).fetch(
                f"https://{PUBLIC}/", "shop"
            )


def test_server_without_tls_is_refused(authority: Authority) -> None:
    with serving(says(head(JPEG), PICTURE), speaks_first=True) as port:
        internet = Internet()
        internet.listen(PUBLIC, 443, port)
        with pytest.raises(Unusable, match="broke off"):
            SafeFetcher(internet.resolve, internet.dial, tls=authority.client()).fetch(
                "https://public.example/", "shop"
            )


def test_silent_handshake_is_given_up_at_the_deadline(authority: Authority) -> None:
    with pytest.raises(Unusable, match=r"within 0\.2 s"):
        fetched_by_tls(_hanging, None, authority.client(), limit_s=0.2)


def test_slow_picture_by_https_is_given_up_at_the_deadline(authority: Authority) -> None:
    with pytest.raises(Unusable, match=r"within 0\.3 s"):
        fetched_by_tls(
            dripping(head(JPEG, LENGTH), [b"x"] * 100),
            authority.server("public.example"),
            authority.client(),
            limit_s=0.3,
        )


def test_picture_without_a_length_is_refused_where_tls_was_cut(authority: Authority) -> None:
    def cut(sock: socket.socket, _request: bytes) -> None:
        sock.sendall(head(JPEG) + PICTURE)
        sock.shutdown(socket.SHUT_RDWR)

    with pytest.raises(Unusable, match="broke off"):
        fetched_by_tls(cut, authority.server("public.example"), authority.client())


@pytest.mark.parametrize("location", ["http://public.example/picture.jpg", "HTTP://other.example/"])
def test_redirect_from_https_to_http_is_refused(authority: Authority, location: str) -> None:
    with pytest.raises(Unusable, match="from https to http"):
        fetched_by_tls(redirect(location), authority.server("public.example"), authority.client())


def test_redirect_from_http_to_https_is_followed(authority: Authority) -> None:
    internet = Internet()
    with (
        serving(redirect("https://public.example/picture.jpg")) as clear,
        serving(says(head(JPEG), PICTURE), authority.server("public.example")) as sealed,
    ):
        internet.listen(PUBLIC, 80, clear)
        internet.listen(PUBLIC, 443, sealed)
        assert (
            SafeFetcher(internet.resolve, internet.dial, tls=authority.client()).fetch(URL, "shop")
            == PICTURE
        )
