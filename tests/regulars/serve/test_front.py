"""What strangers send: it is decided at the head, bounded in size and time, and never keeps others
waiting."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from chalicelib.api.http import Refused
from chalicelib.domain.errors import Busy
from chalicelib.settings import parse_networks
from regulars.serve.callers import CallerHint
from regulars.serve.connections import HEAD_BYTES, Connection, Timeouts
from regulars.serve.gateway import Gateway
from regulars.serve.lanes import SMALL_BYTES, UNPROVED, Budget, Holding, Lanes
from regulars.serve.messages import Request, Response, make_message
from regulars.serve.server import Front, open_listener
from regulars.serve.site import PLACES, Site
from tests.regulars.serve.encrypted import encrypted
from tests.support.box.apps import echo_app, served, serving
from tests.support.waiting import PATIENCE_S, until

GET = b"GET /faces/1 HTTP/1.1\r\nHost: box\r\n"
LAST = b"Connection: close\r\n\r\n"
POST = b"POST /length HTTP/1.1\r\nHost: box\r\nContent-Type: application/json\r\n"


class Shop:
    """A part of the server that answers with the body's length, and callers who say in a header who
    they are."""

    copies = 1

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.answered: list[str] = []
        self.slow: list[str] = []
        """The slow answers that were begun."""
        self.text = ""

    def admit(self, head: Request) -> int:
        if head.path == "/nowhere":
            raise Refused(403, "no such route")
        return 1_000_000

    def answer(self, request: Request) -> Response:
        if request.path == "/slow":
            self.slow.append(request.path)
            self.go_on.wait(PATIENCE_S)
        self.answered.append(request.path)
        return make_message(200, self.text or str(len(request.body)))

    def answer_error(self, _head: Request, error: Exception) -> Response:
        if isinstance(error, Busy):
            return Response(503, (("Retry-After", "1"),))
        return make_message(error.status if isinstance(error, Refused) else 413, str(error))

    def read(self, head: Request) -> CallerHint:
        tenant = head.headers.get("x-tenant")
        return CallerHint() if tenant == "unknown" else CallerHint(tenant, in_body, by_body=True)


def in_body(request: Request) -> str | None:
    return "other" if request.body.endswith(b"signed") else None


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str, int]]:
    part = Shop()
    with serving(Site(part, read_caller=part.read, bodies_bytes=4_000_000)) as (host, port, _):
        yield part, host, port


@pytest.fixture
def box() -> Iterator[tuple[str, int]]:
    with served(echo_app()) as (host, port, _):
        yield host, port


def exchanged(address: tuple[str, int], *sent: bytes) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(address, timeout=PATIENCE_S) as client:
        got = b""
        try:
            for piece in sent:
                client.sendall(piece)
            while piece := client.recv(65_536):
                got += piece
        except TimeoutError:
            pytest.fail(f"the server keeps a connection open on which it said {got!r}")
        except OSError:
            pass
        return got


def has_read_all(address: tuple[str, int]) -> None:
    """Wait until the server has read what was sent to it before: it reads in the order in which
    things come."""
    for _ in range(2):
        assert exchanged(address, GET.replace(b"Host", b"X-Tenant: asks\r\nHost") + LAST)


def status(answer: bytes) -> int:
    return int(answer[9:12])


@pytest.mark.parametrize("blanks", [10_000, 40_000, 200_000])
@pytest.mark.parametrize("end", [b"\x7f", b"y"])
def test_a_header_of_blanks_is_answered_or_refused(
    box: tuple[str, int], blanks: int, end: bytes
) -> None:
    answer = exchanged(box, GET + b"X:" + b" " * blanks + end + b"\r\n" + LAST)
    assert not answer or status(answer) in (200, 400)


def test_a_head_has_16_kib(box: tuple[str, int]) -> None:
    for size, expected in ((HEAD_BYTES, 200), (HEAD_BYTES + 1, 400)):
        filling = b"a" * (size - len(GET) - len(b"X: \r\n") - len(LAST))
        assert status(exchanged(box, GET + b"X: " + filling + b"\r\n" + LAST)) == expected


@pytest.mark.parametrize(
    ("start", "line"),
    [(b"", b"a"), (b"0\r\nX: ", b"a"), (b"1;", b"a"), (b"0\r\n", b"a: b\r\n")],
    ids=["a size line", "a trailer", "an extension", "trailers"],
)
def test_what_has_no_end_is_not_read_on(box: tuple[str, int], start: bytes, line: bytes) -> None:
    sent = 0
    with socket.create_connection(box, timeout=2) as client, suppress(OSError):
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + start)
        while sent < 50_000_000:
            client.sendall(line * 20_000)
            sent += len(line) * 20_000
    assert sent < 5_000_000


@pytest.mark.parametrize(
    "head",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        b"GET http://[::1/x HTTP/1.1\r\nHost: box\r\n\r\n",
        b"GET /faces/1 HTTP/1.1\r\n\r\n",
        GET + b"Host: other\r\n\r\n",
        b"GET /faces/1 HTTP/1.1\r\nHost: evil.example/x?\r\n\r\n",
        b"GET /faces/1 HTTP/9.9\r\nHost: box\r\n\r\n",
        b"GET /faces/1 HTTP/1.1\nHost: box\n\n",
        GET + b"X: y\r\n z\r\n\r\n",
        GET + b"X: y\0z\r\n\r\n",
        GET + b"X:" + b" " * 16_000 + b"\0\r\n\r\n",
        GET + b"X: y\rz\r\n\r\n",
        b"CONNECT box:443 HTTP/1.1\r\nHost: box\r\n\r\n",
        "GET /Jörg HTTP/1.1\r\nHost: box\r\n\r\n".encode(),
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_no_request_is_400_and_the_end(
    box: tuple[str, int], head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = exchanged(box, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()
    assert {(told.levelname, told.exc_info) for told in caplog.records} == {("WARNING", None)}
    assert all("400 BadRequest" in told for told in caplog.messages)


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces", [(CHUNKED + b"0\r\nX:" + b" " * 2000,), (CHUNKED, b"0\r\nX:", b" " * 60_000)]
)
def test_trailers_have_no_more_than_a_kilobyte_however_they_come(
    box: tuple[str, int], pieces: list[bytes]
) -> None:
    """H11 takes time with the square of a line's leading blanks."""
    answer = exchanged(box, *pieces, b"y\0\r\n\r\n")
    assert status(answer) == 400
    assert b"too long" in answer


@pytest.mark.parametrize(
    "head",
    [CHUNKED.replace(b"POST", b"HEAD"), CHUNKED.replace(b"Host", b"Expect: 100-continue\r\nHost")],
)
def test_a_chunk_that_is_none_is_400_and_no_fault_of_ours(
    box: tuple[str, int], head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = exchanged(box, head + b"ZZ\r\n")
    assert (status(answer), answer.count(b"HTTP/1.1")) == (400, 1)
    assert not [told for told in caplog.records if told.levelname == "ERROR"]


def test_requests_that_wait_for_answers_are_not_gathered(box: tuple[str, int]) -> None:
    request, waiting = POST + b"Content-Length: 2\r\n\r\n12", []
    with socket.create_connection(box, timeout=PATIENCE_S) as client:

        def send() -> None:
            with suppress(OSError):
                client.sendall(request * 40_000)

        threading.Thread(target=send, daemon=True).start()
        answers = 0
        while answers < 1000:
            answers += client.recv(65_536).count(b"HTTP/1.1 200")
            waiting += [len(one._unread) for one in gc.get_objects() if isinstance(one, Connection)]
    assert max(waiting) < 600_000


def test_a_400_is_read_by_a_client_that_sends_its_body_to_the_end(box: tuple[str, int]) -> None:
    head = (
        "POST /length?name=Jörg HTTP/1.1\r\nHost: box\r\nContent-Length: 5000000\r\n\r\n".encode()
    )
    answer = exchanged(box, head, bytes(5_000_000))
    assert status(answer) == 400
    assert b"percent-encoded" in answer


def test_requests_that_are_sent_at_once_are_answered_in_their_order(box: tuple[str, int]) -> None:
    requests = [b"GET /faces/%d HTTP/1.1\r\nHost: box\r\n\r\n" % number for number in range(5)]
    answers = exchanged(box, b"".join(requests) + b"rubbish\r\n\r\n").split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers[:5]] == [b"200"] * 5
    assert [json.loads(answer.rpartition(b"\r\n")[2])["faceid"] for answer in answers[:5]] == list(
        "01234"
    )


def test_many_requests_at_once_are_answered_one_after_the_other(box: tuple[str, int]) -> None:
    assert exchanged(box, (GET + b"\r\n") * 300 + GET + LAST).count(b"HTTP/1.1 200") == 301
    assert status(exchanged(box, GET + LAST)) == 200


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        (b"/nowhere", b"", 403),
        (b"/", b"Content-Length: 1000001\r\n", 413),
        (b"/", b"X-Tenant: unknown\r\n", 200),
    ],
    ids=["no route", "too long", "no credentials"],
)
def test_a_body_that_is_not_wanted_is_not_asked_for(
    shop: tuple[Shop, str, int], path: bytes, more: bytes, expected: int
) -> None:
    length = b"" if b"Length" in more else b"Content-Length: 5\r\n"
    head = (
        b"POST "
        + path
        + b" HTTP/1.1\r\nHost: box\r\nExpect: 100-continue\r\n"
        + length
        + more
        + b"\r\n"
    )
    answer = exchanged(shop[1:], head)
    assert status(answer) == expected
    assert expected != 200 or answer.endswith(b'{"message": "0"}')
    assert b"connection: close" in answer.lower()


def test_a_body_that_is_wanted_is_asked_for(shop: tuple[Shop, str, int]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: box\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with socket.create_connection(shop[1:], timeout=PATIENCE_S) as client:
        client.sendall(head)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert json.loads(answer.read()) == {"message": "5"}


class Bodies:
    """Bodies of a million bytes that come in part."""

    def __init__(self, host: str, port: int) -> None:
        self._address, self._clients = (host, port), ExitStack()

    def __enter__(self) -> Bodies:
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.close()

    def begin(
        self, size: int, tenant: str = "", *, announced: int = 1_000_000, starts: bytes = b""
    ) -> socket.socket:
        """Send so many bytes of one; an unknown tenant names itself inside, if at all."""
        client = self._clients.enter_context(
            socket.create_connection(self._address, timeout=PATIENCE_S)
        )
        head = POST + (f"X-Tenant: {tenant}\r\n" if tenant else "").encode()
        client.sendall(
            head + f"Content-Length: {announced}\r\n\r\n".encode() + starts.ljust(size, b"x")
        )
        has_read_all(self._address)
        return client


def length_told(client: socket.socket) -> int:
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return int(json.loads(answer.read())["message"])


def is_answered(client: socket.socket) -> bool:
    client.settimeout(0.2)
    with suppress(TimeoutError):
        return bool(client.recv(1000))
    return False


@pytest.fixture
def bodies(shop: tuple[Shop, str, int]) -> Iterator[Bodies]:
    """Of a budget of four million bytes."""
    with Bodies(*shop[1:]) as bodies:
        yield bodies


def test_bodies_have_a_budget_of_which_a_tenant_has_half(bodies: Bodies) -> None:
    first, second, third = (bodies.begin(900_000, "greedy") for _ in range(3))
    refused = third.recv(1000)
    assert (status(refused), b"\r\nretry-after: 1\r\n" in refused.lower()) == (503, True)
    assert not is_answered(first)
    assert not is_answered(second)
    assert length_told(bodies.begin(900_000, "other", announced=900_000)) == 900_000


def test_what_was_announced_and_has_not_come_takes_no_room(bodies: Bodies) -> None:
    for _ in range(20):
        bodies.begin(60_000)
    assert length_told(bodies.begin(900_000, announced=900_000)) == 900_000


def test_strangers_have_a_third_together_in_which_the_largest_goes_and_a_slow_camera_stays(
    bodies: Bodies,
) -> None:
    camera = bodies.begin(300_000, announced=310_000)
    for _ in range(6):
        bodies.begin(700_000)
    camera.sendall(b"signed".rjust(10_000))
    assert length_told(camera) == 310_000
    assert length_told(bodies.begin(1_000_000, "greedy")) == 1_000_000, (
        "a tenant's has room beside them"
    )


def test_the_sender_who_holds_most_goes_first_however_many_connections_it_has() -> None:
    ended: list[str] = []

    def of(sender: str, name: str) -> Holding:
        return held.enter_context(Holding(budget, UNPROVED, 1, lambda: ended.append(name), sender))

    with ExitStack() as held:
        budget = Budget(3_000_000)
        for number in range(9):
            of("192.0.2.1", f"one of nine: {number}").grow(100_000 + number)
        camera = of("192.0.2.2", "camera")
        camera.grow(90_000)
        camera.grow(200_000)
        assert ended == ["one of nine: 8", "one of nine: 7"]
        with pytest.raises(Busy):
            of("192.0.2.2", "another").grow(900_000)
    assert "camera" not in ended


def test_what_is_proved_is_charged_to_its_tenant(bodies: Bodies) -> None:
    """It is a stranger's until its end, and then its tenant's, which has no room for it here."""
    held = [bodies.begin(900_000, "other") for _ in range(2)]
    refused = bodies.begin(900_000, announced=900_006)
    refused.sendall(b"signed")
    assert status(refused.recv(1000)) == 503
    held[0].sendall(bytes(100_000))
    assert length_told(held[0]) == 1_000_000


def test_a_budget_gets_back_what_was_held() -> None:
    budget = Budget(3_000_000)
    for _ in range(10):
        with Holding(budget, UNPROVED, 1) as small, Holding(budget, UNPROVED, 1) as large:
            small.grow(1)
            large.grow(900_000)
            large.move("shop")
            with pytest.raises(Busy):
                large.grow(2_000_000)
    with Holding(budget, "shop", 2) as whole:
        whole.grow(750_000)
        with pytest.raises(Busy):
            whole.grow(1)
        with Holding(budget, "other", 1) as other, Holding(budget, UNPROVED, 1) as small:
            other.grow(750_000)
            small.grow(SMALL_BYTES)
            small.move("shop")  # what is small finds room, however much its tenant holds


def test_a_large_answer_has_the_time_that_its_size_takes(shop: tuple[Shop, str, int]) -> None:
    part, host, port = shop
    part.text = "x" * 24_000_000
    with socket.create_connection((host, port), timeout=PATIENCE_S) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.sendall(GET + LAST)
        got = 0
        while piece := client.recv(1_000_000):
            got += len(piece)
            if got < 5_000_000:
                time.sleep(0.02)
    assert got > 24_000_000


def test_what_is_no_request_ends_a_connection_whose_body_nobody_wanted(
    shop: tuple[Shop, str, int],
) -> None:
    _, host, port = shop
    with socket.create_connection((host, port), timeout=PATIENCE_S / 2) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: box\r\nContent-Length: 5\r\n\r\n")
        answer = b""
        while b"no such route" not in answer:
            answer += client.recv(10_000)
        client.sendall(b"12345post / HTTP/1.1\r\n\r\n")
        answer = b""
        while piece := client.recv(10_000):  # until the server closes
            answer += piece
        assert status(answer) == 400


def test_slow_readers_do_not_fill_the_memory(shop: tuple[Shop, str, int]) -> None:
    part, host, port = shop
    part.text = "x" * 24_000_000
    held = []

    def read(address: str, size: int) -> bytes:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_S)
        client.bind((address, 0))
        client.connect((host, port))
        client.sendall(GET + LAST)
        held.append(client)
        return client.recv(size)

    answers = [status(read("127.0.0.1", 100)) for _ in range(8)]
    assert answers.count(200) == 2
    assert set(answers) == {200, 503}
    assert status(read("127.0.0.2", 100)) == 200
    part.text = ""
    assert status(read("127.0.0.1", 100)) == 200
    for client in held:
        client.close()
    has_read_all((host, port))
    part.text = "x" * 24_000_000
    assert status(read("127.0.0.1", 100)) == 200
    held[-1].close()


def test_a_tenant_that_holds_all_its_threads_keeps_no_other_waiting(
    shop: tuple[Shop, str, int],
) -> None:
    part, host, port = shop

    def slow() -> None:
        exchanged((host, port), b"GET /slow HTTP/1.1\r\nHost: box\r\nX-Tenant: greedy\r\n" + LAST)

    threads = [threading.Thread(target=slow) for _ in range(60)]
    for thread in threads:
        thread.start()
    until(lambda: len(part.slow) == PLACES)
    assert (
        status(
            exchanged((host, port), b"GET / HTTP/1.1\r\nHost: box\r\nX-Tenant: other\r\n" + LAST)
        )
        == 200
    )
    assert len(part.slow) == PLACES, "it was answered while the others wait"
    part.go_on.set()
    for thread in threads:
        thread.join()


def test_more_than_may_wait_is_told_to_come_again(shop: tuple[Shop, str, int]) -> None:
    part, host, port = shop
    statuses: list[int] = []

    def slow() -> None:
        request = b"GET /slow HTTP/1.1\r\nHost: box\r\nX-Tenant: greedy\r\n" + LAST
        statuses.append(status(exchanged((host, port), request)))

    threads = [threading.Thread(target=slow) for _ in range(PLACES + 64 + 10)]
    for thread in threads:
        thread.start()
    until(lambda: len(statuses) >= 10)
    assert statuses == [503] * 10
    part.go_on.set()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == PLACES + 64


def test_who_went_away_while_waiting_is_not_served(shop: tuple[Shop, str, int]) -> None:
    part, host, port = shop
    request = b"GET /slow HTTP/1.1\r\nHost: box\r\nX-Tenant: greedy\r\n" + LAST
    clients = [socket.create_connection((host, port)) for _ in range(PLACES + 5)]
    for client in clients:
        client.sendall(request)
    until(lambda: len(part.slow) == PLACES)
    has_read_all((host, port))
    for client in clients[PLACES:]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    has_read_all((host, port))
    part.go_on.set()
    for client in clients[:PLACES]:
        assert client.recv(1000)
    has_read_all((host, port))
    assert part.answered.count("/slow") == PLACES
    for client in clients:
        client.close()


def test_a_crowd_that_gives_up_at_once_takes_no_place_with_it(
    shop: tuple[Shop, str, int], caplog: pytest.LogCaptureFixture
) -> None:
    _, host, port = shop
    request = b"GET / HTTP/1.1\r\nHost: box\r\n\r\n"
    for tenant in (b"unknown", b"shop") * 4:
        clients = [socket.create_connection((host, port), timeout=PATIENCE_S) for _ in range(200)]
        for client in clients:
            client.sendall(request.replace(b"Host", b"X-Tenant: " + tenant + b"\r\nHost"))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for client in clients:
            client.close()
    for tenant in (b"unknown", b"shop"):
        answer = exchanged(
            (host, port), GET.replace(b"Host", b"X-Tenant: " + tenant + b"\r\nHost") + LAST
        )
        assert status(answer) == 200
    assert not [told for told in caplog.records if told.levelname == "ERROR"]


def test_a_client_that_does_not_read_its_answer_is_closed() -> None:
    class Large(Shop):
        def answer(self, _request: Request) -> Response:
            return Response(200, body=bytes(20_000_000))

    patience = Timeouts(body_s=0.5)
    with (
        serving(Site(Large()), patience=patience) as (host, port, _),
        socket.create_connection((host, port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: box\r\n\r\n")
        time.sleep(4)
        got = 0
        with suppress(OSError):
            while piece := client.recv(1_000_000):
                got += len(piece)
        assert got < 20_000_000


def test_lanes_say_whether_all_calls_have_ended() -> None:
    end, begun = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        end.wait(PATIENCE_S)

    async def closed(lanes: Lanes) -> None:
        calling = asyncio.create_task(lanes.run("shop", call))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        calling.cancel()

    lanes = Lanes(threads=3, places=2, waiting=2)
    assert Lanes(threads=3, places=2, waiting=2).close(PATIENCE_S)
    asyncio.run(closed(lanes))
    assert not lanes.close(0.1)
    end.set()
    assert lanes.close(PATIENCE_S)


@pytest.mark.parametrize(
    ("proxies", "expected"), [("", "127.0.0.1"), ("127.0.0.1", "198.51.100.1")]
)
def test_a_proxy_that_is_trusted_tells_the_sender_and_nobody_else_does(
    proxies: str, expected: str
) -> None:
    with served(echo_app(), proxies=parse_networks(proxies)) as (host, port, _):
        said = b"X-Forwarded-For: 192.0.2.9, 198.51.100.1\r\nConnection: close\r\n\r\n"
        answer = exchanged((host, port), b"GET /echo HTTP/1.1\r\nHost: box\r\n" + said)
    event = json.loads(answer.rpartition(b"\r\n")[2])
    assert event["requestContext"]["identity"]["sourceIp"] == expected


@pytest.mark.parametrize(
    ("proxies", "said", "expected"),
    [
        ("", "https", "http"),
        ("198.51.100.1", "https", "http"),
        ("127.0.0.1", "https", "https"),
        ("127.0.0.1", "HTTPS, http", "http"),
        ("127.0.0.1", "javascript", "http"),
    ],
)
def test_a_proxy_that_is_trusted_tells_that_browsers_came_by_https_and_nobody_else_does(
    proxies: str, said: str, expected: str
) -> None:
    """By that the session's cookie is for https alone: without it, whoever listens where somebody
    opens the shop's address by http reads the cookie of who is signed in."""
    with served(echo_app(), proxies=parse_networks(proxies)) as (host, port, _):
        head = f"GET /echo HTTP/1.1\r\nHost: box\r\nX-Forwarded-Proto: {said}\r\n".encode()
        answer = exchanged((host, port), head + b"Connection: close\r\n\r\n")
    event = json.loads(answer.rpartition(b"\r\n")[2])
    assert event["headers"]["X-Forwarded-Proto"] == expected


def test_answers_are_not_cached(box: tuple[str, int]) -> None:
    assert b"\r\ncache-control: no-store\r\n" in exchanged(box, GET + LAST).lower()


def test_a_connection_that_comes_as_the_server_stops_is_left_open_by_nobody() -> None:
    async def stopped(sock: socket.socket, turns: int) -> None:
        taking = asyncio.create_task(Front(Site(Gateway(echo_app())), sock)._take())
        await asyncio.sleep(0.01)
        with socket.create_connection(sock.getsockname()), suppress(asyncio.CancelledError):
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
            await taking

    with warnings.catch_warnings(record=True) as found:
        for turns in range(5):
            with open_listener("127.0.0.1", 0) as sock:
                asyncio.run(stopped(sock, turns))
        gc.collect()
    assert [str(one.message) for one in found] == []


def test_a_certificate_makes_it_speak_tls(tmp_path: Path) -> None:
    with encrypted(tmp_path) as (host, port):
        trusting = ssl.create_default_context(cafile=tmp_path / "chain.pem")
        connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=trusting)
        connection.request(
            "POST",
            "/echo",
            b"{}",
            {"Content-Type": "application/json", "X-Forwarded-Proto": "http"},
        )
        event = json.loads(connection.getresponse().read())
        assert event["headers"]["X-Forwarded-Proto"] == "https"
        connection.close()
        assert exchanged((host, port), GET + LAST) == b""


def test_a_client_that_does_not_end_its_tls_does_not_disturb_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    with (
        encrypted(tmp_path, stop=(stop := threading.Event())) as address,
        socket.create_connection(address) as plain,
    ):
        trusting = ssl.create_default_context(cafile=tmp_path / "chain.pem")
        with trusting.wrap_socket(plain, server_hostname=address[0]) as client:
            client.sendall(GET + LAST)
            assert status(client.recv(1000)) == 200
            stop.set()
            time.sleep(0.5)
            assert not errors


def test_a_client_that_shakes_hands_after_the_stop_does_not_delay_it(tmp_path: Path) -> None:
    trusting, stop = ssl.create_default_context(), threading.Event()
    patient = Timeouts(new_s=10 * PATIENCE_S)
    with (
        ExitStack() as stack,
        encrypted(tmp_path, stop, 10 * PATIENCE_S, patience=patient) as address,
    ):
        trusting.load_verify_locations(tmp_path / "chain.pem")
        plain = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
        has_read_all_tls(address, trusting)
        stop.set()
        with suppress(OSError):  # it may be closed by now
            stack.enter_context(trusting.wrap_socket(plain, server_hostname=address[0]))


def has_read_all_tls(address: tuple[str, int], trusting: ssl.SSLContext) -> None:
    """Wait until the server has taken the connections that came before."""
    connection = http.client.HTTPSConnection(*address, timeout=PATIENCE_S, context=trusting)
    connection.request("GET", "/faces/1")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_crowd_that_never_shakes_hands_is_closed_like_any_other(tmp_path: Path) -> None:
    with encrypted(tmp_path, connections=40, patience=Timeouts(head_s=10 * PATIENCE_S)) as address:
        crowd = [socket.create_connection(address, timeout=PATIENCE_S) for _ in range(120)]
        trusting = ssl.create_default_context(cafile=tmp_path / "chain.pem")
        connection = http.client.HTTPSConnection(*address, timeout=PATIENCE_S, context=trusting)
        connection.request("GET", "/faces/1")
        assert connection.getresponse().status == 200
        connection.close()
        for client in crowd:
            client.settimeout(0.001)
        assert sum(is_open(client) for client in crowd) <= 40
    for client in crowd:
        client.close()


def is_open(client: socket.socket) -> bool:
    try:
        return client.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_few_connections_are_taken_before_they_are_counted() -> None:
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("only Linux lists the files that are open")
    before, most, crowd = len(list(files.iterdir())), 0, []
    with served(echo_app(), connections=40) as (host, port, _):
        for _ in range(500):
            client = socket.socket()
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect((host, port))
            crowd.append(client)
        began = time.monotonic()
        while (passed_s := time.monotonic() - began) < 2 or (most < 40 and passed_s < PATIENCE_S):
            most = max(most, len(list(files.iterdir())) - before - len(crowd))
        for client in crowd:
            client.close()
    assert 40 <= most < 300
