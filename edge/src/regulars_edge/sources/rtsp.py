"""A camera's RTSP connection, which FFmpeg reaches by a line of this machine.

FFmpeg answers no SHA-2, gives the password to wherever a camera redirects, and calls every refusal
"4XX". A connection before its own would take the place of a camera that has one. So the connection
is ours: FFmpeg's requests are sent on with the camera's URL and the Authorization that it asks for,
its answers are read until pictures come, and what goes wrong is said by the camera's own status.
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
from regulars_edge.http import CAMERA, Address, explain_error, limit_time
from regulars_edge.logs import redact_url
from regulars_edge.reach import is_inward
from regulars_edge.sources.login import Credentials

WAIT_S = 15.0
"""How long a camera may be silent, in s."""
MOST_REDIRECTS = 5
"""Redirects, one after the other."""
LARGEST_MESSAGE_BYTES = 65_536
"""Of an answer that describes a stream."""
_FLOWS_S = 5.0
"""A stream of which something came so lately has not stopped."""
_MESSAGE = re.compile(rb"RTSP/|[A-Z_]+ \S+ RTSP/")
"""How an answer or a request begins, such as the answer to a client's TEARDOWN: nothing of a
stream."""
_MAYBE_MESSAGE = re.compile(rb"RTSP/|[A-Z_]{3,20}(?:[ *]|\Z)|[\r\n]+[A-Z]")
"""Likewise, as far as it has come."""
_SIZE = re.compile(rb"(?i)\ncontent-length: *(\d{1,5})")
_LARGEST_HEAD_BYTES = 4_096
_BEGIN = rb"(?s)\$[^$](..)(?=[\x80-\xbf])"
_PACKET, _NEXT, _LEAST_BYTES = re.compile(_BEGIN), re.compile(_BEGIN + rb"|RTSP/"), 5
"""The beginning of a packet: its mark, its channel, its length, and the version of RTP and RTCP,
which is 2. The beginning of that or of a message. Their fewest bytes."""
_LEAVE_S = 0.5
"""How long a thread of a connection may take to end, in s."""
_BATCH_S = 0.01
"""Packets of so long go on together: each by itself would wake three threads."""
_BATCH_BYTES = 2**18
"""Bytes of a stream that are handed on at once."""
_STATUS, _HEAD_END = re.compile(rb"RTSP/\d\.\d +(\d{3})(?!\S)"), re.compile(rb"\r?\n\r?\n")

RARE_KEYS = (
    "switch its smart codec (H.264+, H.265+, Zip) off, and let it send a key frame "
    "(I-frame) each second or two"
)
_PORTS = {"rtsp": 554, "rtsps": 322}
_FAULTS = {
    "401": "lets nobody in without user and password: set them",
    "403": "lets this user not see the stream: it may be locked after wrong passwords, or have no "
    "right to it",
    "404": "has no stream of this name: is that the path which its manual names?",
    "453": "has no place for another viewer: end one, or let it send to more",
    "461": "sends by neither TCP nor UDP",
    "503": "is busy: it may have no place for another viewer",
}
"""Statuses of answers, in words."""


@dataclass
class Line:
    """One connection to a camera, for one client, FFmpeg.

    `url`: where the client finds it, on this machine.

    `fault`: why it ended, as far as the camera's answers say it. Making one raises SourceFailed,
    PasswordRefused, and OSError if the camera is not there.
    """

    address: Address
    tls: Callable[[], ssl.SSLContext]
    tls_name: str | None = None
    whole_s: float = 2 * WAIT_S
    """How long an answer may take."""
    is_inward: Callable[[str], bool] = is_inward
    """Tells whether an address is this machine's own, to which no other machine may send."""
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
        """Connect to the camera, and listen on this machine for the client, in a thread.

        Raises SourceFailed, PasswordRefused, OSError.
        """
        known_address = self.address
        self._credentials = (
            None
            if known_address.user is None
            else Credentials(known_address.user, known_address.password)
        )
        self._camera_url, self._received = known_address.url, bytearray()
        self._asked, self._plays, self._moves, self._is_closed = "", False, 0, False
        self._connect()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        # Other programs of this machine may find the port, and not the name.
        path = f"/{secrets.token_hex(16)}{'/' * self._camera_url.endswith('/')}"
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}{path}"
        self._thread = threading.Thread(target=self._serve, name="rtsp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, when what the client has sent is with the camera: a place that is given back is
        free at once."""
        self._is_closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_LEAVE_S)
        with suppress(OSError):
            self._camera.shutdown(socket.SHUT_RDWR)
        self._camera.close()

    def explain_error(self, error: SourceFailed) -> SourceFailed:
        """Return what the camera did, or did not, in place of an error of the client's."""
        self._thread.join(_LEAVE_S)  # it may be about to set `fault`
        if self.fault is None and self.has_udp_only and not self._plays:
            return SourceFailed(f"{self._place} sends by UDP only: let transport be auto or udp")
        if self.fault is not None or not isinstance(error.__cause__, TimeoutError):
            return self.fault or error
        return SourceFailed(self.explain_silence())

    def explain_silence(self) -> str:
        """Say how far the camera has come, when no picture has come of it."""
        if not self._plays:
            return f"{self._place} does not answer {self._asked}"
        if time.monotonic() - self.sent_at < _FLOWS_S:
            return f"{self._place} gives no whole picture: {RARE_KEYS}"
        silence = "has sent nothing for a while: has it lost its network or its power?"
        begins = "lets its stream begin, and sends no pictures: start the camera anew"
        return f"{self._place} {silence if self.sent_at > 0 else begins}"

    @property
    def _place(self) -> str:
        """The camera's URL, as it may be shown."""
        return redact_url(self._camera_url)

    def _connect(self, sent_by: str | None = None) -> None:
        """Connect to the camera, by TLS for rtsps.

        `sent_by`: the address of another machine that sends there.

        Raises SourceFailed, PasswordRefused; OSError if it is not there.
        """
        if self._credentials is not None:
            self._credentials.check(self._camera_url)
        host, port = _find_host_port(self._camera_url)
        self._camera: socket.socket = socket.create_connection((host, port), WAIT_S)
        self._peer: str = self._camera.getpeername()[0]
        if sent_by is not None and self.is_inward(self._peer) and not self.is_inward(sent_by):
            self._camera.close()
            raise SourceFailed(
                f"{redact_url(self.address.url)} sends to {self._place}, which is this machine "
                "itself"
            )
        if urlsplit(self._camera_url).scheme == "rtsps":
            name, plain = self.tls_name or host, self._camera
            self._camera = line = self.tls().wrap_socket(
                plain, server_hostname=name, do_handshake_on_connect=False
            )
            try:
                with limit_time(line, self.whole_s):
                    line.do_handshake()
            except ssl.SSLError as error:
                line.close()
                raise SourceFailed(
                    f"{self._place} cannot be read: {explain_error(error, CAMERA)}"
                ) from error

    def _serve(self) -> None:
        """Answer one client after the other; at the end set `fault`.

        FFmpeg comes again if hardware fails to decode.
        """
        try:
            while not self._is_closed:
                client, _ = self._listener.accept()
                with client:
                    if self._asked:
                        self._begin_anew()
                    self._answer_client(client)
        except SourceFailed as error:
            self.fault = error
        except OSError as error:
            if not self._is_closed:
                if self._credentials is not None:
                    self._credentials.doubt(self._camera_url)
                self.fault = SourceFailed(f"{self._place} cannot be read: {error}")
        except (HTTPException, ValueError, IndexError) as error:
            self.fault = SourceFailed(
                f"{self._place} answers something that is no RTSP: {error}"[:200]
            )

    def _begin_anew(self) -> None:
        self._camera.close()
        self._asked, self._plays = "", False
        self._received.clear()
        self._connect()

    def _answer_client(self, client: socket.socket) -> None:
        client.settimeout(WAIT_S)
        with client.makefile("rb") as requests:
            while not self._plays and (request := self._next_request(requests)):
                self._relay_request(*request, client)
            if self._plays:
                self._relay_stream(client)

    def _next_request(self, requests: BinaryIO) -> tuple[str, str, bytes] | None:
        """Read a request; None: there is no more, or another program of this machine came in place
        of the client."""
        try:
            request = _read_request(requests)
        except OSError:
            if self._asked:
                raise
            return None
        is_clients = self._asked or request is None or self.url.rstrip("/") in request[1]
        return request if is_clients else None

    def _relay_request(self, method: str, url: str, head: bytes, client: socket.socket) -> None:
        """Send a client's request to the camera, and the answer back.

        Raises SourceFailed if the camera refuses it.
        """
        self._asked = method
        answer = self._follow_redirects(method, url, head)
        if answer[0] == "401" and self._credentials is not None:
            with self._credentials.open_login(self._camera_url):
                answer = self._log_in(answer, method, url, head)
        status, headers, raw, body = answer
        if status == "401" and self.address.user is not None:
            why = "which does not get your password: let `url` name it"
            raise SourceFailed(f"{redact_url(self.address.url)} sends to {self._place}, {why}")
        if method == "SETUP" and b"TCP" in head and _says_udp(status, headers):
            status, raw = "461", _refuse_transport(headers)
        if status == "461" and b"TCP" in head:  # the client tries UDP then, if it may
            self.has_udp_only = True
        elif status[:1] in ("4", "5") and method not in ("OPTIONS", "GET_PARAMETER"):
            raise SourceFailed(
                f"{self._place} {_FAULTS.get(status, f'refuses {method}')} (it answered {status})"
            )
        self.date = headers.get("Date") or self.date
        if method == "DESCRIBE":
            self.said = body.decode("latin-1")
        self._plays = method == "PLAY" and status == "200"
        if method == "SETUP" and status == "200" and "Transport" not in headers:
            raw = raw[:-2] + _find_row(head, b"transport:") + b"\r\n"  # as it was asked
        client.sendall(self._add_source(raw) + body)

    def _log_in(
        self, answer: tuple[str, Message, bytes, bytes], method: str, url: str, head: bytes
    ) -> tuple[str, Message, bytes, bytes]:
        """Meet the challenge of an answer, once a URL: where that sends to puts its own; return the
        last answer. Raises SourceFailed, PasswordRefused."""
        challenged_url = ""
        while (
            answer[0] == "401"
            and self._credentials is not None
            and challenged_url != self._camera_url
        ):
            challenged_url = self._camera_url
            challenges = answer[1].get_all("WWW-Authenticate", [])
            if not self._credentials.accept_challenge(challenges):
                raise SourceFailed(
                    f"{self._place} wants an authentication that is neither Basic nor Digest"
                )
            answer = self._follow_redirects(method, url, head)
        if self._credentials is not None:
            self._credentials.note_answer(self._camera_url, is_refused=answer[0] == "401")
        return answer

    def _follow_redirects(
        self, method: str, url: str, head: bytes
    ) -> tuple[str, Message, bytes, bytes]:
        """Send a request, and follow where the camera sends to, if it does so before a stream is
        set up.

        Return status, headers, head and body of the answer.
        """
        while True:
            status, headers, raw, body = self._send_request(method, self._put_camera_url(url), head)
            if not (status.startswith("3") and method in ("OPTIONS", "DESCRIBE")):
                return status, headers, raw, body
            self._follow_redirect(headers.get("Location", ""))

    def _put_camera_url(self, url: str) -> str:
        """Return the camera's URL in place of the line's; cameras name parts of a stream by URLs of
        their own."""
        return url.replace(self.url, self._camera_url, 1)

    def _send_request(
        self, method: str, url: str, head: bytes
    ) -> tuple[str, Message, bytes, bytes]:
        """Send a request, and return its status, its headers, and its answer's head and body.

        Raises OSError.
        """
        with limit_time(self._camera, self.whole_s):
            self._camera.sendall(self._sign_request(method, url, head))
            while not (answer := self._read_message())[0].startswith(b"RTSP/"):
                pass  # cameras may ask as well, and FFmpeg answers them when pictures come
        first, headers, raw, body = answer
        if (status := _STATUS.match(first)) is None:
            raise ValueError(repr(first[:20]))
        return status[1].decode(), headers, raw, body

    def _read_message(self) -> tuple[bytes, Message, bytes, bytes]:
        """Return an answer's or a request's first line, its headers, its head as a whole, and its
        body."""
        while True:
            self._receive_until(4)
            if self._received[0] == ord("$"):
                self._take_bytes(
                    4 + int.from_bytes(self._received[2:4], "big")
                )  # some send pictures before they say so
            elif self._received[0] in b"\r\n":
                del self._received[0]
            else:
                break
        while (end := _HEAD_END.search(self._received)) is None:
            if len(self._received) > LARGEST_MESSAGE_BYTES:
                raise ValueError(f"a head of more than {LARGEST_MESSAGE_BYTES} bytes")
            self._require_rtsp()
            self._receive_until(len(self._received) + 1)
        self._require_rtsp()
        raw = re.sub(rb"\r?\n", b"\r\n", self._take_bytes(end.end()))
        first, _, rows = raw.partition(b"\r\n")
        headers = parse_headers(BytesIO(rows))
        if not 0 <= (size := int(headers.get("Content-Length") or 0)) <= LARGEST_MESSAGE_BYTES:
            raise SourceFailed(
                f"{self._place} answers with {size} bytes, which is no description of a stream"
            )
        return first, headers, raw, self._take_bytes(size)

    def _require_rtsp(self) -> None:
        """Raise ValueError if no message of RTSP begins so."""
        line, ends, _ = self._received.partition(b"\n")
        if not line[:3].isupper() or (ends and b"RTSP/" not in line):
            raise ValueError(repr(bytes(self._received[:20])))

    def _take_bytes(self, size: int) -> bytes:
        """Take the next bytes of the camera out of what was received. Raises OSError."""
        self._receive_until(size)
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _receive_until(self, size: int) -> None:
        """Receive until so many bytes wait. Raises OSError."""
        while len(self._received) < size:
            if not (data := self._camera.recv(65_536)):
                raise ConnectionError(
                    "it ended the connection: has it no place for another viewer?"
                )
            self._received += data

    def _sign_request(self, method: str, url: str, head: bytes) -> bytes:
        header = self._credentials and self._credentials.header(method, url)
        more = f"Authorization: {header}\r\n".encode("latin-1") if header else b""
        return f"{method} {url} RTSP/1.0\r\n".encode(errors="surrogateescape") + more + head

    def _follow_redirect(self, to: str) -> None:
        """Talk to the URL `to` from now on, without the password if that is at another machine.

        Raises SourceFailed, PasswordRefused, OSError.
        """
        self._moves += 1
        if self._moves == MOST_REDIRECTS:
            why = "sends elsewhere again and again: let `url` name the right place"
            raise SourceFailed(f"{redact_url(self.address.url)} {why}")
        if urlsplit(self._camera_url).scheme != urlsplit(to).scheme:
            raise SourceFailed(
                f"{self._place} sends to {redact_url(to)}, which is another protocol: let `url` "
                "name the right one"
            )
        former_url, self._camera_url = self._camera_url, Address.read(to).url
        if _find_host_port(former_url) != _find_host_port(to):
            credentials, self._credentials = self._credentials, None
            former_peer = self._peer
            self._camera.close()
            self._received.clear()
            self._connect(former_peer)
            if credentials is not None and self._peer == former_peer:
                credentials.check(self._camera_url)
                self._credentials = credentials

    def _add_source(self, head: bytes) -> bytes:
        """Name the camera's address where the client has to know it: it sees the line's."""
        rows = head.split(b"\r\n")
        for at, row in enumerate(rows):
            if (
                row.lower().startswith(b"transport:")
                and b"TCP" not in row.upper()
                and b"source=" not in row.lower()
            ):
                rows[at] = row + f";source={self._peer}".encode()
        return b"\r\n".join(rows)

    def _relay_stream(self, client: socket.socket) -> None:
        """Pass on what camera and client send while the stream plays, until the client leaves.

        The client's requests keep the connection alive, and are signed like all others.
        """
        from_client = bytearray()
        while True:
            self._hear_challenge()
            if whole := take_frames(self._received):
                if not _MESSAGE.match(whole):
                    self.sent_at = time.monotonic()
                client.sendall(whole)
            ready: list[socket.socket] = [self._camera]
            if not (isinstance(self._camera, ssl.SSLSocket) and self._camera.pending()):
                ready, _, _ = select.select([self._camera, client], [], [])
            if client in ready:
                if not (data := client.recv(65_536)):
                    return
                from_client += data
                self._camera.sendall(b"".join(self._take_whole_messages(from_client)))
            if self._camera in ready:
                time.sleep(_BATCH_S)
                self._read_batch()

    def _read_batch(self) -> None:
        """Take what has come by now: one read of TLS gives one record, which may hold no packet at
        all."""
        size_before = len(self._received)
        self._camera.settimeout(0)
        try:
            self._receive_until(_BATCH_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ConnectionError:
            if len(self._received) == size_before:  # what came before the end goes on first
                raise
        finally:
            self._camera.settimeout(WAIT_S)

    def _hear_challenge(self) -> None:
        """Take in a new nonce, by which the next request is signed."""
        if self._credentials is not None and (at := self._received.find(b"RTSP/1.0 401")) >= 0:
            head, is_whole, _ = bytes(self._received[at:]).partition(b"\r\n\r\n")
            challenges = parse_headers(BytesIO(head.partition(b"\r\n")[2])).get_all(
                "WWW-Authenticate"
            )
            if is_whole and challenges:
                self._credentials.accept_challenge(challenges)

    def _take_whole_messages(self, waiting: bytearray) -> Iterator[bytes]:
        """Take what is whole out of a client's bytes: packets that report of the reception ("$"),
        and requests.

        Requests are given as the camera is to get them: signed, with its own URL.
        """
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
                method, url = _parse_line(line)
                is_answer = message.startswith(b"RTSP/")
                yield (
                    message
                    if is_answer
                    else self._sign_request(method, self._put_camera_url(url), head)
                )
            del waiting[:size]


def take_frames(waiting: bytearray) -> bytes:
    """Take the packets and messages out that are whole; what is neither is passed over.

    FFmpeg would look for the next line that begins with a packet, which may never come.
    """
    kept, began, at = list[bytes](), 0, 0
    while at + _LEAST_BYTES <= len(waiting):
        if found := _PACKET.match(waiting, at):
            end = found.end() + int.from_bytes(found[1], "big")
        elif _MAYBE_MESSAGE.match(waiting, at):
            end = _find_message_end(waiting, at)
        else:
            kept.append(bytes(waiting[began:at]))
            found = _NEXT.search(waiting, at + 1)
            began = at = found.start() if found else len(waiting) - _LEAST_BYTES + 1
            continue
        if end > len(waiting):
            break
        at = end
    kept.append(bytes(waiting[began:at]))
    del waiting[:at]
    return b"".join(kept)


def _find_message_end(waiting: bytearray, at: int) -> int:
    """Return where a message ends that begins there; beyond the end, if it is not whole yet."""
    if (head := _HEAD_END.search(waiting, at)) is None:
        return len(waiting) + (1 if len(waiting) - at < _LARGEST_HEAD_BYTES else 0)
    size = _SIZE.search(waiting, at, head.end())
    return head.end() + (int(size[1]) if size else 0)


def _read_request(requests: BinaryIO) -> tuple[str, str, bytes] | None:
    """Return a request's method, its URL, and its headers with the line that ends them; None: there
    is no more."""
    line = requests.readline(2_000)
    if not line.strip():
        return None
    rows = []
    while (row := requests.readline(2_000)).strip():
        rows.append(row)
    return *_parse_line(line), b"".join([*rows, b"\r\n"])


def _find_row(head: bytes, name: bytes) -> bytes:
    """Return the row of a head that begins with a name in small letters, with its end; b"": there
    is none."""
    rows = head.splitlines(keepends=True)
    return next((row for row in rows if row.lower().startswith(name)), b"")


def _says_udp(status: str, headers: Message) -> bool:
    """Tell whether a camera answers a wish for TCP with UDP: it has nothing else."""
    transport = headers.get("Transport", "").upper()
    return status == "200" and bool(transport) and not ("TCP" in transport or "INTERL" in transport)


def _refuse_transport(headers: Message) -> bytes:
    """Return the answer that says so by its status, for a client that goes by that."""
    return (
        f"RTSP/1.0 461 Unsupported Transport\r\nCSeq: {headers.get('CSeq', '0')}\r\n\r\n".encode()
    )


def _parse_line(line: bytes) -> tuple[str, str]:
    """Return a request's method and its URL, in which cameras may have spaces."""
    method, _, rest = line.decode(errors="surrogateescape").strip().partition(" ")
    return method, rest.rpartition(" ")[0]


def _find_host_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 554)
