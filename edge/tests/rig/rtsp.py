"""A camera that streams by RTSP: it waits for clients, as cameras do, and sends each of them its
films in real time.

FFmpeg makes the RTP packets; they go out over the connection that the client came by (RFC 2326,
interleaved).
"""

import base64
import fractions
import hashlib
import itertools
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import av
from PIL import Image

from rig.film import encoded

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=film\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:track\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:sound\r\n"
)
_RTCP = range(200, 205)


def h264(path: Path, pictures: Sequence[Image.Image], rate: int, every: int | None = None) -> Path:
    """Make a film of these pictures, with a key frame for each `every` (default: one).

    `x.h264` is as cameras stream it, `x.mp4` has times.
    """
    keys = f"keyint={every or len(pictures)}:min-keyint={every or len(pictures)}:scenecut=0"
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"{keys}:repeat-headers=1",
    }
    return encoded(path, pictures, rate, codec="libx264", options=options)


class Rtsp(socketserver.ThreadingTCPServer):
    """Plays `film` over and over, until `stop`; another film from when it is set.

    `clients`: how many play it now.

    It has a microphone that sends nothing. `setups`: what its clients have asked for. `asks_for`: a
    WWW-Authenticate header, to which any answer is right, unless there is a `password`; `moved`:
    where it sends clients that are let in, by method and path; `heard`: all answers; `refuses`:
    statuses by method; `says_udp`: whether it answers a wish for TCP with UDP; `transport`: how
    it answers one with TCP; "": not at all. `places`: None for any number of clients.

    `answers`: what goes out in place of an answer to a method; `frames`: and in place of a packet
    within the connection.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, film: Path, rate: int, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Client)
        self.film = film
        self.rate = rate
        self.clients = 0
        self.setups: list[str] = []
        self.asks_for = ""
        self.moved: dict[str, str] = {}
        self.heard: list[str] = []
        self.password: str | None = None
        self.refuses: dict[str, int] = {}
        self.has_udp_only = self.says_udp = self.is_silent = False
        self.places: int | None = None
        self.free_s = 0.0
        """How long a place stays taken after its client left."""
        self.connected, self.connections = 0, 0
        self.begins_at = 0
        self.numbers: str | None = None
        """What its answers say as the number of the request; "": nothing, None: the right one."""
        self.content_base = self.date = ""
        self.sdp, self.transport = _SDP, "RTP/AVP/TCP;unicast;interleaved=0-1"
        self.session = "1"
        self.asked: list[str] = []
        self.answers: Callable[[str, bytes], bytes] = lambda method, answer: answer
        self.frames: Callable[[bytes], bytes] = bytes
        self.stopped = threading.Event()
        self.url = f"rtsp://{host}:{self.server_address[1]}/live"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def push(self, send: Callable[[int, bytes], object]) -> None:
        """Send the film's packets as RTP, each when it is due."""
        began, number = time.monotonic(), itertools.count()
        with (
            av.open(str(self.film)) as first,
            av.open(_Sink(send), "w", format="rtp", options={"packetsize": "1400"}) as out,
        ):
            stream = out.add_stream_from_template(first.streams.video[0])
            while not self.stopped.is_set():
                for data in _packets(str(self.film))[self.begins_at :]:
                    packet = av.Packet(data)
                    packet.pts = packet.dts = at = next(number)
                    packet.stream, packet.time_base = stream, fractions.Fraction(1, self.rate)
                    time.sleep(max(0.0, began + at / self.rate - time.monotonic()))
                    out.mux(packet)


def _packets(film: str) -> list[bytes]:
    with av.open(film) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


class _Sink:
    """Each write is one packet of RTP or RTCP."""

    def __init__(self, send: Callable[[int, bytes], object]) -> None:
        self._send = send

    def write(self, data: bytes) -> int:
        self._send(1 if data[1] in _RTCP else 0, data)
        return len(data)


def fields_of(header: str) -> dict[str, str]:
    """Return what a challenge or an answer says, by names in small letters."""
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', header)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


class _Client(socketserver.StreamRequestHandler):
    server: Rtsp
    disable_nagle_algorithm = True
    _line: socket.socket | None = None

    def handle(self) -> None:
        camera = self.server
        camera.connections += 1
        if camera.places is not None and camera.connected >= camera.places:
            return
        camera.connected += 1
        try:
            self._talk()
        finally:
            if self._line is not None:
                self._line.close()
            time.sleep(camera.free_s)
            camera.connected -= 1

    def _talk(self) -> None:
        self._send = self._interleaved
        with suppress(OSError):
            while request := self._request():
                method, place, headers = request
                self._answer(method, place, headers)
                if method == "PLAY" and not self.server.is_silent:
                    threading.Thread(target=self._play, daemon=True).start()
                if method == "TEARDOWN":
                    return

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        while (first := self.rfile.read(1)) == b"$":  # what the client reports of its reception
            _, size = struct.unpack(">BH", self.rfile.read(3))
            self.rfile.read(size)
        if not first:
            return None
        line = first + self.rfile.readline()
        if line.startswith(b"RTSP/"):  # its answer to what the camera asked
            while self.rfile.readline().strip():
                pass
            return self._request()
        method, place, _ = line.decode().split()
        if method == "SETUP":
            self.server.setups.append(place.rpartition("/")[2])
        headers = {}
        while row := self.rfile.readline().strip():
            name, _, value = row.decode().partition(":")
            headers[name.lower()] = value.strip()
        return method, place, headers

    def _answer(self, method: str, place: str, headers: dict[str, str]) -> None:
        camera, answer = self.server, headers.get("authorization", "")
        camera.asked.append(method)
        camera.heard += [answer] if answer else []
        number = headers.get("cseq", "0") if camera.numbers is None else camera.numbers
        head = f"CSeq: {number}\r\n" if number else ""
        if status := camera.refuses.get(method):
            self.wfile.write(f"RTSP/1.0 {status} No\r\n{head}\r\n".encode())
            return
        if method == "SETUP" and camera.has_udp_only and "TCP" in headers["transport"]:
            self.wfile.write(f"RTSP/1.0 461 Unsupported Transport\r\n{head}\r\n".encode())
            return
        if method != "OPTIONS" and camera.asks_for and not self._is_right(method, answer):
            head += f"WWW-Authenticate: {camera.asks_for}\r\n\r\n"
            whole = f"RTSP/1.0 401 Unauthorized\r\n{head}".encode()
            self.wfile.write(camera.answers(method, whole))
            return
        if to := camera.moved.get(f"{method} {urlsplit(place).path}"):
            self.wfile.write(f"RTSP/1.0 302 Found\r\n{head}Location: {to}\r\n\r\n".encode())
            return
        body = camera.sdp if method == "DESCRIBE" else ""
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": "Content-Type: application/sdp\r\n",
            "SETUP": f"Transport: {camera.transport}\r\n" if camera.transport else "",
        }.get(method, "")
        if method == "DESCRIBE" and camera.content_base:
            more += f"Content-Base: {camera.content_base}\r\n"
        if method == "SETUP" and "TCP" in headers["transport"] and camera.says_udp:
            more = "Transport: RTP/AVP;unicast;client_port=9-10;server_port=5000-5001\r\n"
        elif method == "SETUP" and "TCP" not in headers["transport"]:
            more = self._by_udp(headers["transport"])
        more += f"Date: {camera.date}\r\n" if camera.date else ""
        head = f"RTSP/1.0 200 OK\r\n{head}Session: {camera.session}\r\n{more}"
        whole = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        self.wfile.write(camera.answers(method, whole))

    def _is_right(self, method: str, answer: str) -> bool:
        """Tell whether an answer is right (RFC 7616, MD5 or SHA-256, with and without quality)."""
        password, asked = self.server.password, fields_of(self.server.asks_for)
        if password is None or not answer:
            return bool(answer)
        if answer.startswith("Basic"):
            return base64.b64decode(answer[6:]).decode() == f"admin:{password}"
        said = fields_of(answer)
        kind = {"SHA-256": "sha256", "SHA-512-256": "sha512_256"}.get(
            asked.get("algorithm", ""), "md5"
        )

        def digest(text: str) -> str:
            return hashlib.new(kind, text.encode()).hexdigest()

        middle = [said["nc"], said["cnonce"], "auth"] if "qop" in said else []
        parts = [
            digest(f"admin:{asked['realm']}:{password}"),
            asked["nonce"],
            *middle,
            digest(f"{method}:{said['uri']}"),
        ]
        return said.get("response") == digest(":".join(parts))

    def _interleaved(self, channel: int, data: bytes) -> None:
        packet = b"$" + struct.pack(">BH", channel, len(data)) + data
        self.connection.sendall(self.server.frames(packet))

    def _by_udp(self, transport: str) -> str:
        (port,) = re.findall(r"client_port=(\d+)", transport)
        self._line = line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host = self.client_address[0]
        line.bind((self.connection.getsockname()[0], 0))
        self._send = lambda channel, data: line.sendto(data, (host, int(port) + channel))
        own = line.getsockname()[1]
        return (
            f"Transport: RTP/AVP;unicast;client_port={port}-{int(port) + 1};"
            f"server_port={own}-{own + 1}\r\n"
        )

    def _play(self) -> None:
        self.server.clients += 1
        try:
            with suppress(OSError, av.error.FFmpegError):
                self.server.push(self._send)
        finally:
            self.server.clients -= 1
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
