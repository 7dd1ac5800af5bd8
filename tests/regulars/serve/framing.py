"""Requests cut into two pieces at every byte, and what the application saw of them: direct, and
behind a proxy.

Each connection has a number, which the path of each of its requests ends with. So a request that
nobody sent shows.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from chalicelib.api.http import Refused
from regulars.serve.callers import CallerHint
from regulars.serve.messages import Request, Response, make_json_response
from regulars.serve.site import Site
from testing.needs import needed
from testing.ports import free_port
from tests.support.box.apps import serving
from tests.support.waiting import PATIENCE_S

Sent = tuple[str, Mapping[str, str], bytes]
"""Path, headers and body of a POST."""

Seen = tuple[str, str, bytes]
"""Method, path and body of a request, as the application saw it."""

BATCH = 200
"""Connections that are open at a time."""

CUTS_OF_A_BODY = 100

_NUMBER = "000000"
"""Stands in a request for its connection's number, of as many digits."""

OFFER = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk",
}
"""What Java's client sends."""


class Recorder:
    """A part of the server that remembers each request, and answers with the length of its body."""

    copies = 1

    def __init__(self) -> None:
        self.seen: dict[str, list[Seen]] = defaultdict(list)
        """By the number of the connection."""
        self.head_bytes = 0
        """Of the last POST, as it came here."""

    def admit(self, _head: Request) -> int:
        return 1_000_000

    def answer(self, request: Request) -> Response:
        path, _, number = request.path.rpartition("/")
        if request.method == "POST":
            lines = [
                f"POST {request.path} HTTP/1.1",
                *(f"{name}: {text}" for name, text in request.headers.items()),
                "",
            ]
            self.head_bytes = sum(len(line) + 2 for line in lines)
        self.seen[number].append((request.method, path, request.body))
        return make_json_response(200, {"length": len(request.body)})

    def answer_error(self, _head: Request, error: Exception) -> Response:
        return make_json_response(
            error.status if isinstance(error, Refused) else 500, {"message": str(error)}
        )

    def read(self, head: Request) -> CallerHint:
        return CallerHint(head.path.rpartition("/")[2], None, by_body=False)


class Case(Struct, frozen=True):
    """What is sent on a connection, and the requests in it. `head_bytes`: of the first of them."""

    data: bytes
    requests: Sequence[Seen]
    head_bytes: int

    def with_number(self, number: int) -> bytes:
        return self.data.replace(_NUMBER.encode(), f"{number:06}".encode())

    @property
    def cuts(self) -> list[int]:
        """Each byte of the first head, and at most CUTS_OF_A_BODY of what follows, from its first
        and last bytes on."""
        rest = range(self.head_bytes, len(self.data))
        step = max(1, len(rest) // CUTS_OF_A_BODY)
        return [*range(1, self.head_bytes), *rest[::step]]


def of_request(
    sent: Sent,
    *,
    chunked: bool = False,
    trailer: bytes = b"",
    more: Mapping[str, str] | None = None,
) -> Case:
    """Make the case of a POST, with a second request close behind it."""
    path, headers, body = sent
    lines = {"Host": "box", **headers, **(more or {})}
    lines |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    head = f"POST {path.rstrip('/')}/{_NUMBER} HTTP/1.1\r\n" + "".join(
        f"{name}: {lines[name]}\r\n" for name in lines
    )
    third = max(1, len(body) // 3)
    pieces = [body[at : at + third] for at in range(0, len(body), third)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    whole = chunks + b"0\r\n" + trailer + b"\r\n" if chunked else body
    last = f"GET /last/{_NUMBER} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n".encode()
    data = head.encode() + b"\r\n" + whole + last
    return Case(data, [("POST", path.rstrip("/"), body), ("GET", "/last", b"")], len(head) + 2)


VARIANTS: Mapping[str, Callable[[Sent], Case]] = {
    "as it is": of_request,
    "upgrade": lambda sent: of_request(sent, more=OFFER),
    "upgrade, chunks": lambda sent: of_request(sent, chunked=True, more=OFFER),
    "expect": lambda sent: of_request(sent, more={"Expect": "100-continue"}),
    "chunks": lambda sent: of_request(sent, chunked=True),
    "chunks, trailer": lambda sent: of_request(
        sent, chunked=True, trailer=b"X-Sum: 1\r\n", more={"Trailer": "X-Sum"}
    ),
}


def hostile_request(padding: int = 0) -> Sent:
    """Return a request whose body has lines of a head, and at its end a whole request with another
    caller's key.

    `padding`: bytes of a header that only makes the head longer.
    """
    inner = b"GET /stolen/000000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer another\r\n\r\n"
    body = b"x" + b"\nupgrade:y\r\nupgrade: h2c\r\ncontent-length: 0\r\n\r\n" * 20 + inner
    return "/v1/cameras", {"Content-Type": "application/json", "X-Pad": "p" * padding}, body


class Traffic:
    """Cases on their way to an address, and what came of them."""

    def __init__(self, recorder: Recorder, address: tuple[str, int]) -> None:
        self.recorder, self._address = recorder, address
        self._number = 0
        self.connections = 0

    def wrong(self, case: Case, cuts: Sequence[int]) -> list[str]:
        """Send the case once for each cut, or whole if the cut is at 0.

        Return what was seen or answered wrongly.
        """
        lines: list[str] = []
        for at in range(0, len(cuts), BATCH):
            lines += self._wrong(case, cuts[at : at + BATCH])
        lines += [f"nobody sent {seen}" for number, seen in self.recorder.seen.items() if seen]
        self.recorder.seen.clear()
        return lines

    def _wrong(self, case: Case, cuts: Sequence[int]) -> Iterator[str]:
        with ExitStack() as stack:
            sockets = [
                stack.enter_context(socket.create_connection(self._address, PATIENCE_S))
                for _ in cuts
            ]
            first = self._number
            self._number += len(cuts)
            self.connections += len(cuts)
            for number, (sock, cut) in enumerate(zip(sockets, cuts, strict=True), first):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(case.with_number(number)[:cut])
            self._wait_until_read()
            for number, (sock, cut) in enumerate(zip(sockets, cuts, strict=True), first):
                sock.sendall(case.with_number(number)[cut:])
            for number, (sock, cut) in enumerate(zip(sockets, cuts, strict=True), first):
                answers = answers_of(everything(sock))
                expected = [(200, {"length": len(body)}) for _, _, body in case.requests]
                seen = self.recorder.seen.pop(f"{number:06}", [])
                if seen != [
                    (method, path, renumber(body, number)) for method, path, body in case.requests
                ]:
                    yield f"cut at {cut}: the application saw {seen}"
                if answers != expected:
                    yield f"cut at {cut}: answered {answers}"

    def _wait_until_read(self) -> None:
        """Return when the server has read what was sent before: it reads in the order in which
        things come."""
        for _ in range(2):
            with socket.create_connection(self._address, PATIENCE_S) as sock:
                sock.sendall(b"GET /read/waits HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n")
                everything(sock)
        self.recorder.seen.pop("waits")


def renumber(body: bytes, number: int) -> bytes:
    return body.replace(_NUMBER.encode(), f"{number:06}".encode())


def everything(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65_536):
        data += piece
    return data


def answers_of(data: bytes) -> list[tuple[int, object]]:
    """Read the status and JSON of each answer, which all have a length.

    Interim answers are left out.
    """
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        if (status := int(head[9:12])) >= 200:
            size = int(re.findall(rb"(?i)\ncontent-length: (\d+)", head)[0])
            answers.append((status, json.loads(data[:size])))
            data = data[size:]
    return answers


@contextmanager
def serve_recorder(recorder: Recorder) -> Iterator[tuple[str, int]]:
    with serving(Site(recorder, read_caller=recorder.read)) as (host, port, _):
        yield host, port


@contextmanager
def caddy(address: tuple[str, int], folder: Path) -> Iterator[tuple[str, int]]:
    """Run Caddy before the address, as infra/box has it, without TLS."""
    port = free_port()
    config = folder / "Caddyfile"
    config.write_text(
        f"{{\n admin off\n auto_https off\n}}\n"
        f":{port} {{\n bind 127.0.0.1\n reverse_proxy {address[0]}:{address[1]}\n}}\n"
    )
    with _proxy([needed("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"], port):
        yield "127.0.0.1", port


@contextmanager
def nginx(address: tuple[str, int], folder: Path) -> Iterator[tuple[str, int]]:
    """Run nginx before the address, with connections that it keeps, over which it sends several
    clients' requests."""
    port = free_port()
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{name}_temp_path {folder}/{name};\n" for name in names)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{ "
        f"worker_connections 2000; }}\n"
        f"http {{ access_log off; {folders} upstream box {{ server {address[0]}:{address[1]}; "
        f"keepalive 8; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://box; "
        "proxy_http_version 1.1;\n"
        'proxy_request_buffering off; proxy_set_header Connection ""; proxy_set_header Host box; } '
        "} }\n"
    )
    with _proxy([needed("nginx"), "-c", str(config), "-e", str(folder / "error.log")], port):
        yield "127.0.0.1", port


def is_listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _proxy(command: Sequence[str], port: int) -> Iterator[None]:
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_S
        while not is_listening(port):
            assert running.poll() is None, "it does not start"
            assert time.monotonic() < end
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(timeout=60)
