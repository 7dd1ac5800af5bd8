"""The line between a camera's RTSP connection and FFmpeg, word by word."""

import hashlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from regulars_edge.errors import SourceFailed
from regulars_edge.http import Address
from regulars_edge.sources.rtsp import Line
from regulars_edge.sources.wrong_password import REFUSALS
from rig.certificates import own_certificate

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
PACKETS = 400


class Camera:
    """A camera that answers each message with what `answer` makes of it. `asked`: all messages."""

    def __init__(self, answer: Callable[[bytes], bytes], host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.server = socket.create_server((host, 0))
        self.url = f"rtsp://{host}:{self.server.getsockname()[1]}/live"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._talk, args=(self.server.accept()[0],), daemon=True
                ).start()

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as messages, suppress(OSError):
            # Until the client hangs up, too: readline gives b"" for ever then.
            while message := b"".join(takewhile(bytes.strip, iter(messages.readline, b""))):
                self.asked.append(message)
                line.sendall(self.answer(message))


class Client:
    """What FFmpeg is to a line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.socket = socket.create_connection(("127.0.0.1", urlsplit(line.url).port or 0), 30)

    def close(self) -> None:
        self.socket.close()

    def ask(self, method: str, more: str = "") -> bytes:
        """Send a request, and return the answer's head; nothing if the line has ended."""
        self.socket.sendall(f"{method} {self.line.url}{more} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        return self.read_head()

    def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (data := self.socket.recv(1)):
            head += data
        return head


@contextmanager
def client_of(url: str, ca_file: Path | None = None) -> Iterator[Client]:
    line = Line(Address.read(url), lambda: ssl.create_default_context(cafile=ca_file))
    with closing(line), closing(Client(line)) as client:
        yield client


def test_packets_by_tls_go_on_as_many_as_have_come(tmp_path: Path) -> None:
    """One record of TLS for each batch would hold a camera to a megabit a second."""
    certificate, context = own_certificate(tmp_path, "127.0.0.1")
    packet = b"$\0" + (1396).to_bytes(2, "big") + b"\x80" + bytes(1395)

    def play(line: ssl.SSLSocket) -> None:
        with line, line.makefile("rb") as messages, suppress(OSError):
            list(iter(messages.readline, b"\r\n"))
            line.sendall(OK)
            for _ in range(PACKETS):
                line.sendall(packet)
            messages.read()

    with (
        socket.create_server(("127.0.0.1", 0)) as plain,
        context.wrap_socket(plain, server_side=True) as server,
    ):
        threading.Thread(target=lambda: play(server.accept()[0]), daemon=True).start()
        with client_of(f"rtsps://127.0.0.1:{server.getsockname()[1]}/live", certificate) as client:
            assert client.ask("PLAY") == OK
            size = pieces = 0
            while size < PACKETS * len(packet):
                size += len(client.socket.recv(2**20))
                pieces += 1
    assert pieces < PACKETS / 2


@pytest.mark.parametrize(
    "request_of_camera",
    [
        b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n",
        b"SET_PARAMETER rtsp://cam/live RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 6\r\n\r\nPLAY\r\n",
    ],
)
def test_what_a_camera_asks_before_its_answer_is_passed_over(request_of_camera: bytes) -> None:
    with (
        closing(Camera(lambda message: request_of_camera + OK)) as camera,
        client_of(camera.url) as client,
    ):
        for method in ("OPTIONS", "SETUP", "PLAY"):
            assert client.ask(method) == OK


def test_what_a_camera_asks_while_it_plays_is_answered_by_the_client() -> None:
    asks, answer = b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n", b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n"

    def play(message: bytes) -> bytes:
        return {b"PLAY": OK + asks, b"RTSP": b""}.get(message[:4], OK)

    with closing(Camera(play)) as camera, client_of(camera.url) as client:
        assert (client.ask("PLAY"), client.read_head()) == (OK, asks)
        client.socket.sendall(answer)
        assert client.ask("GET_PARAMETER") == OK, "the stream goes on"
        assert camera.asked[-2] == answer.removesuffix(b"\r\n")


def test_an_answer_behind_play_is_no_picture() -> None:
    with closing(Camera(lambda message: OK)) as camera, client_of(camera.url) as client:
        for method in ("PLAY", "TEARDOWN"):
            assert client.ask(method) == OK
        assert "lets its stream begin, and sends no pictures" in client.line.explain_silence()


def test_a_part_of_a_stream_may_have_a_space_in_its_name() -> None:
    with closing(Camera(lambda message: OK)) as camera, client_of(camera.url) as client:
        for method in ("SETUP", "PLAY", "GET_PARAMETER"):
            assert client.ask(method, "/track 1") == OK
            assert camera.asked[-1].startswith(
                f"{method} {camera.url}/track 1 RTSP/1.0\r\n".encode()
            )


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-camera\r\n", b"\x15\x03\x03\0\2"]
)
def test_what_does_not_speak_rtsp_is_said(answer: bytes) -> None:
    with closing(Camera(lambda message: answer)) as camera, client_of(camera.url) as client:
        assert client.ask("OPTIONS") == b""
        assert re.search(
            "answers something that is no RTSP",
            str(client.line.explain_error(SourceFailed("nothing"))),
        )


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_a_realm_is_given_back_in_the_bytes_in_which_the_camera_said_it(coding: str) -> None:
    realm, user, password = "Büro".encode(coding), "köchin", "pässwort"
    challenge = b'Digest realm="%s", nonce="n"' % realm

    def answer(message: bytes) -> bytes:
        challenged = b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: %s\r\n\r\n" % challenge
        return OK if b"Authorization" in message else challenged

    def md5(text: bytes) -> bytes:
        return hashlib.md5(text, usedforsecurity=False).hexdigest().encode()

    with closing(Camera(answer)) as camera:
        url = camera.url.replace("live", "küche")
        with client_of(url.replace("//", f"//{quote(user)}:{quote(password)}@")) as client:
            assert client.ask("DESCRIBE") == OK
    secret = md5(b"%s:%s:%s" % (user.encode(), realm, password.encode()))
    expected = md5(b"%s:n:%s" % (secret, md5(f"DESCRIBE:{url}".encode())))
    for said in (
        b'response="%s"' % expected,
        b'realm="%s"' % realm,
        f'username="{user}"'.encode(),
        url.encode(),
    ):
        assert said in camera.asked[-1]


CHALLENGE = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="%d"\r\n\r\n'


def lets_in(number: int) -> Callable[[bytes], bytes]:
    """Answer whom has signed by this nonce."""
    return lambda message: OK if b'nonce="%d"' % number in message else CHALLENGE % number


def sends_to(url: str, first: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def answer(message: bytes) -> bytes:
        return first(message).replace(OK, f"RTSP/1.0 302 Found\r\nLocation: {url}\r\n\r\n".encode())

    return answer


def add_password(url: str) -> str:
    return url.replace("//", "//admin:secret@")


@pytest.mark.parametrize("first", [lets_in(1), lambda message: OK], ids=["asks", "lets all in"])
def test_a_camera_that_sends_to_another_name_or_port_of_its_own_gets_its_password_there(
    first: Callable[[bytes], bytes],
) -> None:
    with closing(Camera(lets_in(2))) as camera:
        own = camera.url.replace("127.0.0.1", "localhost")
        with (
            closing(Camera(sends_to(own, first))) as before,
            client_of(add_password(before.url)) as client,
        ):
            assert client.ask("DESCRIBE") == OK
            REFUSALS.check(camera.url, "admin", "secret")


@pytest.mark.parametrize("first", [lets_in(1), lambda message: OK], ids=["asks", "lets all in"])
def test_another_machine_that_a_camera_sends_to_gets_no_password_and_that_is_said(
    first: Callable[[bytes], bytes],
) -> None:
    with closing(Camera(lets_in(2), "127.0.0.2")) as other:
        REFUSALS.count(other.url, "admin", "secret")
        with (
            closing(Camera(sends_to(other.url, first))) as before,
            client_of(add_password(before.url)) as client,
        ):
            assert client.ask("DESCRIBE") == b""
            said = str(client.line.explain_error(SourceFailed("nothing")))
            assert re.search(
                f"sends to {other.url}, which does not get your password: let `url` name it", said
            )
            assert b"Authorization" not in b"".join(other.asked)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PLAY rtsp://127.0.0.1/ RTSP/1.0\r\n\r\n",
    ],
)
def test_another_program_of_this_machine_does_not_end_a_line(said: bytes) -> None:
    with closing(Camera(lambda message: OK)) as camera, client_of(camera.url) as stranger:
        stranger.socket.sendall(said)
        stranger.socket.shutdown(socket.SHUT_WR)
        assert stranger.socket.recv(1) == b""
        with closing(Client(stranger.line)) as client:
            assert client.ask("OPTIONS") == OK
        assert len(camera.asked) == 1


def test_a_program_that_hangs_up_hard_does_not_end_a_line() -> None:
    with closing(Camera(lambda message: OK)) as camera, client_of(camera.url) as stranger:
        stranger.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.close()
        with closing(Client(stranger.line)) as client:
            assert client.ask("OPTIONS") == OK


@pytest.mark.parametrize("status", [b"", b" ", b" 2000", b" OK", b" " + b"4" * 60_000])
def test_a_status_that_is_none_is_said_in_few_words(status: bytes) -> None:
    answer = b"RTSP/1.0%s\r\nCSeq: 1\r\n\r\n" % status
    with closing(Camera(lambda message: answer)) as camera, client_of(camera.url) as client:
        assert client.ask("DESCRIBE") == b""
        said = str(client.line.explain_error(SourceFailed("nothing")))
        assert "answers something that is no RTSP" in said
        assert len(said) <= 200


@pytest.mark.parametrize(
    "answer",
    [OK.replace(b"\r\n", b"\n"), b"\r\n" + OK, b"\n\r\n" + OK],
    ids=["LF", "line", "lines"],
)
def test_an_answer_may_end_its_lines_otherwise_and_begin_with_blank_ones(answer: bytes) -> None:
    with closing(Camera(lambda message: answer)) as camera, client_of(camera.url) as client:
        assert (client.ask("OPTIONS"), client.ask("DESCRIBE")) == (OK, OK)


@pytest.mark.parametrize(
    "refusal",
    [
        b"RTSP/1.0 401 Unauthorized\r\nWWW-Auth\r\n\r\n",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n",
    ],
    ids=["cut", "none"],
)
def test_a_refusal_without_a_challenge_leaves_the_former_one_while_it_plays(refusal: bytes) -> None:
    def answer(message: bytes) -> bytes:
        return refusal if message.startswith(b"GET_PARAMETER") else lets_in(1)(message)

    with closing(Camera(answer)) as camera, client_of(add_password(camera.url)) as client:
        assert client.ask("PLAY") == OK
        for number in (1, 2):
            client.socket.sendall(
                f"GET_PARAMETER {client.line.url} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode()
            )
            assert client.socket.recv(len(refusal), socket.MSG_WAITALL) == refusal
            assert b'Authorization: Digest username="admin"' in camera.asked[-1], number
