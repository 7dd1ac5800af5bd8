"""A camera's RTSP connection, which FFmpeg reaches by a line of this machine.

FFmpeg answers no SHA-2, gives the password to wherever a camera redirects, and calls every refusal "4XX". A connection
before its own would take the place of a camera that has one. So the connection is ours: FFmpeg's requests are sent on
with the camera's URL and the Authorization that it asks for, its answers are read until pictures come, and what goes
wrong is said by the camera's own status.
"""

from __future__ import annotations

import re
import secrets
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import BinaryIO
from urllib.parse import urlsplit

from regulars_edge.errors import SourceFailed
from regulars_edge.http import CAMERA, Address, explain, limit_time
from regulars_edge.sources.login import Credentials

WAIT_S = 15.0
MOST = 5
"""Redirects, one after the other."""
LARGEST_BYTES = 65_536
"""Of an answer that describes a stream."""
_FLOWS_S = 5.0
"""A stream of which something came so lately has not stopped."""
_LEAVE_S = 0.5
_BATCH_S = 0.01
"""Packets of so long go on together: each by itself would wake three threads."""
_BATCH_BYTES = 2**18
_STATUS, _HEAD_END = re.compile(rb"RTSP/\d\.\d +(\d{3})(?!\S)"), re.compile(rb"\r?\n\r?\n")

RARE_KEYS = "switch its smart codec (H.264+, H.265+, Zip) off, and let it send a key frame (I-frame) each second or two"
_PORTS = {"rtsp": 554, "rtsps": 322}
_FAULTS = {
    "401": "lets nobody in without user and password: set them",
    "403": "lets this user not see the stream: it may be locked after wrong passwords, or have no right to it",
    "404": "has no stream of this name: is that the path which its manual names?",
    "453": "has no place for another viewer: end one, or let it send to more",
    "461": "sends by neither TCP nor UDP",
    "503": "is busy: it may have no place for another viewer",
}
"""Statuses of answers, in words."""


@dataclass
class Line:
    """One connection to a camera, for one client. `url`: where the client finds it; `said`: what the camera answered.

    `fault`: why it ended, as far as the camera's answers say it. Making one raises SourceFailed, PasswordRefused, and
    OSError if the camera is not there.
    """

    address: Address
    tls: Callable[[], ssl.SSLContext]
    tls_name: str | None = None
    whole_s: float = 2 * WAIT_S
    """How long an answer may take."""
    url: str = field(default="", init=False)
    fault: SourceFailed | None = field(default=None, init=False)
    said: str = field(default="", init=False)
    """The camera's answer to DESCRIBE."""
    sent_at: float = field(default=float("-inf"), init=False)
    """When it last sent something of a stream, by the monotonic clock."""
    has_udp_only: bool = field(default=False, init=False)
    date: str = field(default="", init=False)
    """When the camera thinks it is."""

    def __post_init__(self) -> None:
        known = self.address
        self._credentials = None if known.user is None else Credentials(known.user, known.password)
        self._at, self._held = known.url, bytearray()
        self._asked, self._plays, self._moves, self._is_closed = "", False, 0, False
        self._connect()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(WAIT_S)
        # Other programs of this machine may find the port, and not the name.
        path = f"/{secrets.token_hex(16)}{'/' * self._at.endswith('/')}"
        self.url = f"rtsp://127.0.0.1:{self._door.getsockname()[1]}{path}"
        self._thread = threading.Thread(target=self._serve, name="rtsp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, when what the client has sent is with the camera: a place that is given back is free at once."""
        self._is_closed = True
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(_LEAVE_S)
        with suppress(OSError):
            self._camera.shutdown(socket.SHUT_RDWR)
        self._camera.close()

    def explain(self, error: SourceFailed) -> SourceFailed:
        """Return what the camera did, or did not, in place of an error of the client's."""
        self._thread.join(0.5)  # it may be about to say it
        if self.fault is None and self.has_udp_only and not self._plays:
            return SourceFailed(f"{self._at} sends by UDP only: let transport be auto or udp")
        if self.fault is not None or not isinstance(error.__cause__, TimeoutError):
            return self.fault or error
        return SourceFailed(self.explain_silence())

    def explain_silence(self) -> str:
        """Say how far the camera has come."""
        if not self._plays:
            return f"{self._at} does not answer {self._asked}"
        if time.monotonic() - self.sent_at < _FLOWS_S:
            return f"{self._at} gives no whole picture: {RARE_KEYS}"
        silence = "has sent nothing for a while: has it lost its network or its power?"
        begins = "lets its stream begin, and sends no pictures: start the camera anew"
        return f"{self._at} {silence if self.sent_at > 0 else begins}"

    def _connect(self) -> None:
        """Raise SourceFailed, PasswordRefused; OSError if it is not there."""
        if self._credentials is not None:
            self._credentials.check(self._at)
        host, port = _place(self._at)
        self._camera: socket.socket = socket.create_connection((host, port), WAIT_S)
        self._peer: str = self._camera.getpeername()[0]
        if urlsplit(self._at).scheme == "rtsps":
            name, plain = self.tls_name or host, self._camera
            self._camera = line = self.tls().wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
            try:
                with limit_time(line, self.whole_s):
                    line.do_handshake()
            except ssl.SSLError as error:
                line.close()
                raise SourceFailed(f"{self._at} cannot be read: {explain(error, CAMERA)}") from error

    def _serve(self) -> None:
        """Answer a client, and the next one if it leaves by itself: FFmpeg comes again if hardware does not decode."""
        try:
            while not self._is_closed:
                client, _ = self._door.accept()
                with client:
                    if self._asked:
                        self._begin_anew()
                    self._answer_client(client)
        except SourceFailed as error:
            self.fault = error
        except OSError as error:
            if not self._is_closed:
                self.fault = SourceFailed(f"{self._at} cannot be read: {error}")
        except (HTTPException, ValueError, IndexError) as error:
            self.fault = SourceFailed(f"{self._at} answers something that is no RTSP: {error}"[:200])

    def _begin_anew(self) -> None:
        self._camera.close()
        self._asked, self._plays = "", False
        self._held.clear()
        self._connect()

    def _answer_client(self, client: socket.socket) -> None:
        client.settimeout(WAIT_S)
        with client.makefile("rb") as requests:
            while not self._plays and (request := self._next_request(requests)):
                self._pass_on(*request, client)
            if self._plays:
                self._play(client)

    def _next_request(self, requests: BinaryIO) -> tuple[str, str, bytes] | None:
        """Read one; None if there is no more, or if another program of this machine came in place of the client."""
        try:
            request = _read_request(requests)
        except OSError:
            if self._asked:
                raise
            return None
        is_clients = self._asked or request is None or self.url.rstrip("/") in request[1]
        return request if is_clients else None

    def _pass_on(self, method: str, url: str, head: bytes, client: socket.socket) -> None:
        """Ask the camera, and answer the client. Raises SourceFailed if the camera does not do as it is asked."""
        self._asked = method
        status, headers, raw, body = self._ask_there(method, url, head)
        challenged = ""
        while status == "401" and self._credentials is not None and challenged != self._at:
            challenged = self._at  # where that sends to puts a challenge of its own
            if not self._credentials.accept_challenge(headers.get_all("WWW-Authenticate", [])):
                raise SourceFailed(f"{self._at} wants an authentication that is neither Basic nor Digest")
            status, headers, raw, body = self._ask_there(method, url, head)
        if challenged and self._credentials is not None:
            self._credentials.note_answer(self._at, is_refused=status == "401")
        if status == "401" and self.address.user is not None:
            why = "which does not get your password: let `url` name it"
            raise SourceFailed(f"{self.address.url} sends to {self._at}, {why}")
        if status == "461" and b"TCP" in head:  # the client tries UDP then, if it may
            self.has_udp_only = True
        elif status[:1] in ("4", "5") and method not in ("OPTIONS", "GET_PARAMETER"):
            raise SourceFailed(f"{self._at} {_FAULTS.get(status, f'refuses {method}')} (it answered {status})")
        self.date = headers.get("Date") or self.date
        if method == "DESCRIBE":
            self.said = body.decode("latin-1")
        self._plays = method == "PLAY" and status == "200"
        client.sendall(self._with_source(raw) + body)

    def _ask_there(self, method: str, url: str, head: bytes) -> tuple[str, Message, bytes, bytes]:
        """Ask where the camera sends to, if it does so before a stream is set up."""
        while True:
            status, headers, raw, body = self._ask(method, self._real(url), head)
            if not (status.startswith("3") and method in ("OPTIONS", "DESCRIBE")):
                return status, headers, raw, body
            self._move(headers.get("Location", ""))

    def _real(self, url: str) -> str:
        """Return the camera's URL in place of the line's; cameras name parts of a stream by URLs of their own."""
        return url.replace(self.url, self._at, 1)

    def _ask(self, method: str, url: str, head: bytes) -> tuple[str, Message, bytes, bytes]:
        """Send a request, and return its status, its headers, and its answer's head and body. Raises OSError."""
        with limit_time(self._camera, self.whole_s):
            self._camera.sendall(self._signed(method, url, head))
            while not (answer := self._read_message())[0].startswith(b"RTSP/"):
                pass  # cameras may ask as well, and FFmpeg answers them when pictures come
        first, headers, raw, body = answer
        if (status := _STATUS.match(first)) is None:
            raise ValueError(repr(first[:20]))
        return status[1].decode(), headers, raw, body

    def _read_message(self) -> tuple[bytes, Message, bytes, bytes]:
        """Return an answer's or a request's first line, its headers, its head as a whole, and its body."""
        while True:
            self._read_on(4)
            if self._held[0] == ord("$"):
                self._take(4 + int.from_bytes(self._held[2:4], "big"))  # some send pictures before they say so
            elif self._held[0] in b"\r\n":
                del self._held[0]
            else:
                break
        while (end := _HEAD_END.search(self._held)) is None:
            if len(self._held) > LARGEST_BYTES:
                raise ValueError(f"a head of more than {LARGEST_BYTES} bytes")
            self._require_rtsp()
            self._read_on(len(self._held) + 1)
        self._require_rtsp()
        raw = re.sub(rb"\r?\n", b"\r\n", self._take(end.end()))
        first, _, rows = raw.partition(b"\r\n")
        headers = parse_headers(BytesIO(rows))
        if not 0 <= (size := int(headers.get("Content-Length") or 0)) <= LARGEST_BYTES:
            raise SourceFailed(f"{self._at} answers with {size} bytes, which is no description of a stream")
        return first, headers, raw, self._take(size)

    def _require_rtsp(self) -> None:
        """Raise ValueError if no message of RTSP begins so."""
        line, ends, _ = self._held.partition(b"\n")
        if not line[:3].isupper() or (ends and b"RTSP/" not in line):
            raise ValueError(repr(bytes(self._held[:20])))

    def _take(self, size: int) -> bytes:
        self._read_on(size)
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    def _read_on(self, size: int) -> None:
        while len(self._held) < size:
            if not (data := self._camera.recv(65_536)):
                raise ConnectionError("it ended the connection: has it no place for another viewer?")
            self._held += data

    def _signed(self, method: str, url: str, head: bytes) -> bytes:
        header = self._credentials and self._credentials.header(method, url)
        more = f"Authorization: {header}\r\n".encode("latin-1") if header else b""
        return f"{method} {url} RTSP/1.0\r\n".encode(errors="surrogateescape") + more + head

    def _move(self, to: str) -> None:
        """Ask there from now on: another machine hears no password. Raises SourceFailed, PasswordRefused, OSError."""
        self._moves += 1
        if self._moves == MOST:
            raise SourceFailed(f"{self.address.url} sends elsewhere again and again: let `url` name the right place")
        if urlsplit(self._at).scheme != urlsplit(to).scheme:
            raise SourceFailed(f"{self._at} sends to {to}, which is another protocol: let `url` name the right one")
        was, self._at = self._at, Address.of(to).url
        if _place(was) != _place(to):
            credentials, self._credentials = self._credentials, None
            peer = self._peer
            self._camera.close()
            self._held.clear()
            self._connect()
            if credentials is not None and self._peer == peer:
                credentials.check(self._at)
                self._credentials = credentials

    def _with_source(self, head: bytes) -> bytes:
        """Name the camera's address where the client has to know it: it sees the line's."""
        rows = head.split(b"\r\n")
        for at, row in enumerate(rows):
            if row.lower().startswith(b"transport:") and b"TCP" not in row.upper() and b"source=" not in row.lower():
                rows[at] = row + f";source={self._peer}".encode()
        return b"\r\n".join(rows)

    def _play(self, client: socket.socket) -> None:
        """Pass on what both send. Requests are there to keep the connection: they are signed, too."""
        waiting = bytearray()
        while True:
            if self._held:
                self._hear_challenge()
                self.sent_at = time.monotonic()
                client.sendall(self._held)
                self._held.clear()
            ready: list[socket.socket] = [self._camera]
            if not (isinstance(self._camera, ssl.SSLSocket) and self._camera.pending()):
                ready, _, _ = select.select([self._camera, client], [], [])
            if client in ready:
                if not (data := client.recv(65_536)):
                    return
                waiting += data
                self._camera.sendall(b"".join(self._whole_messages(waiting)))
            if self._camera in ready:
                time.sleep(_BATCH_S)
                self._read_batch()

    def _read_batch(self) -> None:
        """Take what has come by now: one read of TLS gives one record, which may hold no packet at all."""
        self._camera.settimeout(0)
        try:
            self._read_on(_BATCH_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ConnectionError:
            if not self._held:  # what came before the end goes on first
                raise
        finally:
            self._camera.settimeout(WAIT_S)

    def _hear_challenge(self) -> None:
        """Take in a new nonce, by which the next request is signed."""
        if self._credentials is not None and (at := self._held.find(b"RTSP/1.0 401")) >= 0:
            head, is_whole, _ = bytes(self._held[at:]).partition(b"\r\n\r\n")
            challenges = parse_headers(BytesIO(head.partition(b"\r\n")[2])).get_all("WWW-Authenticate")
            if is_whole and challenges:
                self._credentials.accept_challenge(challenges)

    def _whole_messages(self, waiting: bytearray) -> Iterator[bytes]:
        """Take what is whole: packets that report of the reception, and requests."""
        while waiting:
            if waiting[0] == ord("$"):
                size = 4 + int.from_bytes(waiting[2:4], "big") if len(waiting) >= 4 else 4
                if len(waiting) < size:
                    return
                yield bytes(waiting[:size])
            else:
                if (size := waiting.find(b"\r\n\r\n") + 4) < 4:
                    return
                message = bytes(waiting[:size])
                line, _, head = message.partition(b"\r\n")
                method, url = _read_line(line)
                is_answer = message.startswith(b"RTSP/")
                yield message if is_answer else self._signed(method, self._real(url), head)
            del waiting[:size]


def _read_request(requests: BinaryIO) -> tuple[str, str, bytes] | None:
    """Return a request's method, its URL, and its headers with the line that ends them; None: there is no more."""
    line = requests.readline(2_000)
    if not line.strip():
        return None
    rows = []
    while (row := requests.readline(2_000)).strip():
        rows.append(row)
    return *_read_line(line), b"".join([*rows, b"\r\n"])


def _read_line(line: bytes) -> tuple[str, str]:
    """Return a request's method and its URL, in which cameras may have spaces."""
    method, _, rest = line.decode(errors="surrogateescape").strip().partition(" ")
    return method, rest.rpartition(" ")[0]


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 554)
