"""A camera that streams by RTSP: it waits for clients, as cameras do, and sends each of them its films in real time.

FFmpeg makes the RTP packets; they go out over the connection that the client came by (RFC 2326, interleaved).
"""

import fractions
import itertools
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
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:sound\r\n"
)
_RTCP = range(200, 205)


def h264(path: Path, pictures: Sequence[Image.Image], rate: int, every: int | None = None) -> Path:
    """Make a film of these pictures, with a key frame for each `every` (default: one).

    `x.h264` is as cameras stream it, `x.mp4` has times.
    """
    keys = f"keyint={every or len(pictures)}:min-keyint={every or len(pictures)}:scenecut=0"
    options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"{keys}:repeat-headers=1"}
    return encoded(path, pictures, rate, codec="libx264", options=options)


class Rtsp(socketserver.ThreadingTCPServer):
    """Plays `film` over and over, until `stop`; another film from when it is set. `clients`: how many play it now.

    It has a microphone that sends nothing. `setups`: what its clients have asked for. `asks_for`: a WWW-Authenticate
    header, to which any answer is right; `moved`: where it sends clients that are let in, by method and path;
    `heard`: all answers.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, film: Path, rate: int) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.film = film
        self.rate = rate
        self.clients = 0
        self.setups: list[str] = []
        self.asks_for = ""
        self.moved: dict[str, str] = {}
        self.heard: list[str] = []
        self.stopped = threading.Event()
        self.url = f"rtsp://127.0.0.1:{self.server_address[1]}/live"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def push(self, send: Callable[[bytes], object]) -> None:
        """Send the film's packets as RTP, each when it is due."""
        began, number = time.monotonic(), itertools.count()
        with (
            av.open(str(self.film)) as first,
            av.open(_Sink(send), "w", format="rtp", options={"packetsize": "1400"}) as out,
        ):
            stream = out.add_stream_from_template(first.streams.video[0])
            while not self.stopped.is_set():
                for data in _packets(str(self.film)):
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

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send

    def write(self, data: bytes) -> int:
        channel = 1 if data[1] in _RTCP else 0
        self._send(b"$" + struct.pack(">BH", channel, len(data)) + data)
        return len(data)


class _Client(socketserver.StreamRequestHandler):
    server: Rtsp
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError):
            while request := self._request():
                method, place, headers = request
                self._answer(method, place, headers)
                if method == "PLAY":
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
        camera.heard += [answer] if answer else []
        head = f"CSeq: {headers.get('cseq', '0')}\r\n"
        if method == "DESCRIBE" and camera.asks_for and not answer:
            self.wfile.write(f"RTSP/1.0 401 Unauthorized\r\n{head}WWW-Authenticate: {camera.asks_for}\r\n\r\n".encode())
            return
        if to := camera.moved.get(f"{method} {urlsplit(place).path}"):
            self.wfile.write(f"RTSP/1.0 302 Found\r\n{head}Location: {to}\r\n\r\n".encode())
            return
        body = _SDP if method == "DESCRIBE" else ""
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": "Content-Type: application/sdp\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
        }.get(method, "")
        head = f"RTSP/1.0 200 OK\r\n{head}Session: 1\r\n{more}"
        self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def _play(self) -> None:
        self.server.clients += 1
        try:
            with suppress(OSError, av.error.FFmpegError):
                self.server.push(self.connection.sendall)
        finally:
            self.server.clients -= 1
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
