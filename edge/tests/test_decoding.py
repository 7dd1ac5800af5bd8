import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat
from regulars_edge.capture import make_source
from regulars_edge.choose.chooser import Moving
from regulars_edge.clock import Clock, Moment
from regulars_edge.config import parse_config
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.http import Address, Http
from regulars_edge.sources.rtsp import Line
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.sources.source import OPEN_S, MotionGate
from regulars_edge.sources.video import (
    DecodedFrame,
    LiveSource,
    Mailbox,
    VideoFileSource,
    open_decoder,
)
from regulars_edge.spool.model import Stamp
from rig.box import until
from rig.camera import Camera
from rig.certificates import own_certificate
from rig.clock import FakeClock
from rig.film import RATE, decoded, encoded, number_of, numbered
from rig.sources import stream

pytest.importorskip("av")
from rig.rtsp import Rtsp, h264

GOP = 15


def made(path: Path) -> Path:
    """Four seconds, with a key frame each second."""
    return h264(path, [numbered(at) for at in range(4 * GOP)], RATE, every=GOP)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return made(tmp_path / "film.mp4")


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Rtsp]:
    camera = Rtsp(made(tmp_path / "live.h264"), RATE)
    yield camera
    camera.stop()


def live(url: str, hardware: str | None = None) -> LiveSource:
    return stream(url, interval_s=0.2, **({"hardware": hardware} if hardware else {}))


def numbers(source: LiveSource | VideoFileSource, most: int = 1_000) -> list[int]:
    found: list[int] = []
    stop = threading.Event()
    for frame in source.frames(stop):
        found += [] if frame is None else [number_of(frame.image())]
        if len(found) == most:
            stop.set()
    return found


def test_a_cameras_sound_is_not_asked_for(camera: Rtsp) -> None:
    assert numbers(live(camera.url), 1)
    assert camera.setups == ["track"]


@pytest.mark.parametrize("name", ["127.0.0.1", "camera-7"])
def test_a_stream_is_verified_by_the_cameras_own_certificate(
    camera: Rtsp, tmp_path: Path, name: str
) -> None:
    certificate, context = own_certificate(tmp_path, name)
    camera.socket = context.wrap_socket(camera.socket, server_side=True)

    url, camera.asks_for = camera.url.replace("rtsp://", "rtsps://admin:secret@"), 'Basic realm="x"'

    def source(**more: str) -> LiveSource:
        return stream(url, interval_s=0.2, **more)

    with pytest.raises(
        SourceFailed, match="If the camera's certificate is its own, let ca_file name it"
    ):
        numbers(source(), 1)
    assert numbers(source(ca_file=str(certificate)), 1), "whatever name is in it"


@pytest.mark.parametrize(
    ("begins", "goes_on", "each_s", "said"),
    [
        (
            b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            bytes(65_536),
            0.0,
            "99999999999 bytes",
        ),
        (b"RTSP/1.0 200 OK\r\nX: ", b"x", 0.05, r"was not whole after 0\.3 s"),
    ],
    ids=["flood", "drip"],
)
def test_a_camera_that_answers_without_end_fails(
    begins: bytes, goes_on: bytes, each_s: float, said: str
) -> None:
    """A thread that waited for each drop would stay, and one more would come with each try."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line, suppress(OSError):
                line.recv(1000)
                line.sendall(begins)
                for _ in range(200):
                    line.sendall(goes_on)
                    time.sleep(each_s)

        threading.Thread(target=answer, daemon=True).start()
        address = Address.read(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")
        with closing(Line(address, ssl.create_default_context, whole_s=0.3)) as line:
            with socket.create_connection(("127.0.0.1", urlsplit(line.url).port or 0)) as client:
                client.sendall(f"OPTIONS {line.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                with suppress(OSError):
                    client.recv(1)
            assert re.search(said, str(line.explain_error(SourceFailed("nothing"))))


def test_a_camera_that_sends_to_another_gets_its_password_and_the_other_does_not(
    camera: Rtsp,
) -> None:
    first = Rtsp(camera.film, RATE, "127.0.0.2")
    url = first.url.replace("//", "//admin:secret@")
    try:
        hall = first.url.replace("live", "hall")
        for asks_for, way in (
            ("", {"DESCRIBE /live": camera.url}),
            ('Basic realm="x"', {"DESCRIBE /live": camera.url}),
            ('Digest realm="x", nonce="1"', {"OPTIONS /live": camera.url}),
            (
                'Digest realm="x", nonce="1", qop="auth"',
                {"DESCRIBE /live": hall, "DESCRIBE /hall": camera.url},
            ),
        ):
            first.asks_for, first.moved, camera.asks_for, first.heard = asks_for, way, "", []
            assert numbers(live(url), 1)
            assert bool(first.heard) == bool(asks_for and "OPTIONS /live" not in way)
            camera.asks_for = 'Basic realm="x"'
            with pytest.raises(SourceFailed):
                numbers(live(url), 1)
            assert camera.heard == [], "no password, not even its digest"
        first.moved = {"DESCRIBE /live": "http://127.0.0.2/live"}
        with pytest.raises(SourceFailed, match="another protocol"):
            numbers(live(url), 1)
        first.moved = {"DESCRIBE /live": first.url}
        with pytest.raises(SourceFailed, match="again and again"):
            numbers(live(url), 1)
        first.moved = {}
        assert numbers(live(url), 1), "and one that sends nowhere gives its own pictures"
    finally:
        first.stop()


def test_a_camera_of_another_machine_sends_nobody_to_this_one(camera: Rtsp) -> None:
    other = Rtsp(camera.film, RATE, "127.0.0.2")
    other.moved = {"DESCRIBE /live": camera.url}
    with closing(
        Line(
            Address.read(other.url),
            ssl.create_default_context,
            is_inward=lambda address: address == "127.0.0.1",
        )
    ) as line:
        with socket.create_connection(("127.0.0.1", urlsplit(line.url).port or 0)) as client:
            client.sendall(f"DESCRIBE {line.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert client.recv(1) == b""
        assert "which is this machine itself" in str(line.explain_error(SourceFailed("nothing")))
    other.stop()
    assert camera.asked == [], "nothing is said to it"


@pytest.mark.parametrize("hardware", ["v4l2m2m", "vaapi"])
def test_hardware_that_is_not_there_is_said_and_the_processor_decodes(
    film: Path, hardware: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = numbers(VideoFileSource(film, 0.01, hardware=hardware))
    assert found == list(range(4 * GOP)), "the same frames, whatever decodes"
    assert caplog.text.count(f"{hardware} is not used") in (0, 1), "none on a machine that has it"
    if not any(Path("/dev").glob("dri/renderD*")):
        assert caplog.text.count(f"{hardware} is not used") == 1


def test_a_stream_is_decoded_all_the_same_if_hardware_that_has_decoders_is_not_there(
    camera: Rtsp, caplog: pytest.LogCaptureFixture
) -> None:
    source = live(camera.url, hardware="v4l2m2m")
    assert len(set(numbers(source, 5))) == 5
    assert caplog.text.count("v4l2m2m is not used") <= 1


def test_a_decoder_with_a_name_gives_the_frames_of_the_usual_one(
    film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Software stands in for hardware: its decoder is made, opened and asked as one with a name of
    its own is."""
    import av

    with av.open(str(film)) as container:
        (stream,) = container.streams.video
        decoder = open_decoder(stream, "h264", "film")
        found = [
            frame.to_image()
            for packet in container.demux(stream)
            for frame in decoder.decode(packet)
        ]
    assert [number_of(picture) for picture in found] == list(range(4 * GOP))
    assert not caplog.text


def test_a_camera_that_is_not_there_is_no_fault_of_the_hardware(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = live("rtsp://127.0.0.1:9/live", hardware="vaapi")
    with pytest.raises(SourceFailed, match="cannot be read"):
        list(source.frames(threading.Event()))
    assert "is not used" not in caplog.text


class Failing(LiveSource):
    """A stream whose decoder gives so many pictures, and then none; a second of it takes some
    milliseconds."""

    def __init__(self, pictures: int) -> None:
        self.clock, self.pictures = FakeClock(), pictures
        super().__init__("rtsp://10.0.0.9/live", None, {}, self.clock, 0.01, hardware="vaapi")

    def _fill(self, mailbox: Mailbox) -> None:
        mailbox.decoder = self
        while not mailbox.closed.wait(0.003):
            self.clock.pass_(1_000)
            mailbox.put_packet(
                SimpleNamespace(pts=None, is_keyframe=True, size=1), self.clock.boot_ms()
            )

    def decode(self, _packet: object) -> list[Any]:
        import av

        self.pictures -= 1
        return [av.VideoFrame.from_image(numbered(1))] if self.pictures >= 0 else []

    def flush_buffers(self) -> None: ...


def test_hardware_is_left_if_nothing_came_from_the_beginning_and_not_if_it_has_given_pictures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Failing(pictures=1)
    for left in (0, 1, 1):
        with pytest.raises(SourceFailed, match="nothing that can be decoded"):
            list(source.frames(threading.Event()))
        assert caplog.text.count("vaapi is not used: it gives no picture") == left


# the gate


def scene(x: int) -> Image.Image:
    picture = Image.new("RGB", (160, 120), (60, 60, 60))
    ImageDraw.Draw(picture).rectangle((x, 30, x + 40, 90), (220, 220, 220))
    return picture


class Small:
    """A small stream that shows what it is told, or fails."""

    def __init__(self) -> None:
        self.x: int | None = 20
        self.looked = 0

    def frames(self, stop: threading.Event) -> Iterator[DecodedFrame]:
        while not stop.wait(0.01):
            if self.x is None:
                raise SourceFailed("the small stream is gone")
            self.looked += 1
            yield decoded(scene(self.x), Stamp(Moment("boot", 0, 0)))


def test_a_gate_is_open_while_something_moves_and_as_long_as_nothing_can_be_seen() -> None:
    small, now = Small(), [100.0]
    gate = MotionGate(small, Moving(0.01), lambda: now[0])
    assert gate.is_open(), "it has seen nothing yet"
    with gate.watching():
        until(lambda: small.looked > 3 and not gate.is_open())
        small.x = 100
        until(gate.is_open)
        looked = small.looked
        until(lambda: small.looked > looked + 30)
        assert gate.is_open(), "for a while after the motion"
        now[0] += OPEN_S
        assert not gate.is_open()
        small.x = None
        until(gate.is_open)
        small.x = 100
        until(lambda: not gate.is_open())

    def is_at_rest() -> bool:
        looked = small.looked
        time.sleep(0.1)
        return small.looked == looked

    until(is_at_rest)


def test_a_camera_is_asked_for_snapshots_only_while_its_small_stream_moves() -> None:
    camera, small, stop = Camera(), Small(), threading.Event()
    gate = MotionGate(small, Moving(0.01))
    source = SnapshotSource(
        Http(Clock()), lambda: Address.read(f"http://{camera.host}/"), Clock(), 0.02, gate
    )
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(source.frames(stop)))
    thread.start()
    until(lambda: small.looked > 3 and not gate.is_open())
    given = camera.given
    time.sleep(0.5)
    assert camera.given <= given + 1
    small.x = 100
    until(lambda: camera.given > given + 5)
    stop.set()
    thread.join()
    camera.stop()
    assert None in found, "a sign of life while nothing moves"
    assert len([frame for frame in found if frame]) == camera.given


def test_a_large_stream_is_looked_at_only_while_the_small_one_moves(
    camera: Rtsp, tmp_path: Path
) -> None:
    still = h264(tmp_path / "still.h264", [scene(20)] * 15, RATE)
    moves = h264(tmp_path / "moves.h264", [scene(x * 5) for x in range(15)], RATE)
    small = Rtsp(still, RATE)
    row = {
        "name": "door",
        "source": "rtsp",
        "url": camera.url,
        "motion_url": small.url,
        "interval_s": 0.1,
    }
    config = parse_config({"server": {"url": "http://127.0.0.1:9"}, "camera": [row]})
    source = make_source(config.cameras[0], config, Clock())
    stop = threading.Event()
    found = list[Any]()
    thread = threading.Thread(target=lambda: found.extend(source.frames(stop)))
    thread.start()
    until(lambda: found[-20:] == [None] * 20)
    before = len([frame for frame in found if frame])
    small.film = moves
    until(lambda: len([frame for frame in found if frame]) > before + 5)
    small.film = still
    until(lambda: found[-20:] == [None] * 20)
    stop.set()
    thread.join()
    small.stop()
    assert {number_of(frame.image()) for frame in found if frame} <= set(range(4 * GOP)), (
        "they are the large stream's"
    )


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"source": "snapshot", "hardware": "vaapi"}, "is of sources rtsp and video"),
        ({"hardware": "gpu"}, "should be one of v4l2m2m, vaapi"),
        (
            {"source": "video", "file": "a.mp4", "url": None, "motion_url": "rtsp://cam/sub"},
            "rtsp and snapshot",
        ),
        ({"rotate": 45}, "should be 0, 90, 180 or 270"),
    ],
)
def test_what_does_not_fit_the_source_is_told(more: dict[str, Any], complaint: str) -> None:
    row = {"name": "yard", "source": "rtsp", "url": "rtsp://cam/live", **more}
    with pytest.raises(Misconfigured, match=complaint):
        parse_config(
            {
                "server": {"url": "http://a"},
                "camera": [{key: row[key] for key in row if row[key] is not None}],
            }
        )


MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Of a film that is to be turned so far to the right: ISO/IEC 14496-12, 8.3.2."""


def turned(film: Path, degrees: int) -> Path:
    """Let a film say how it is turned, as a phone does that is held upright."""
    data = bytearray(film.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = MATRICES[degrees]
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    film.write_bytes(data)
    return film


@pytest.mark.parametrize("degrees", MATRICES)
@pytest.mark.parametrize("pixel", [1, 2])
def test_a_film_is_seen_upright_and_as_wide_as_the_place_is(
    tmp_path: Path, degrees: int, pixel: int
) -> None:
    corner = Image.new("RGB", (320, 180), "black")
    corner.paste("white", (0, 0, 80, 60))
    film = turned(encoded(tmp_path / "film.mp4", [corner] * 3, pixel=pixel), degrees)
    frame = next(
        one for one in VideoFileSource(film, 0.1).frames(threading.Event()) if one is not None
    )
    meant = corner.resize((320 * pixel, 180)).rotate(-degrees, expand=True)
    pictures = [
        frame.image(),
        frame.grey((64, 48)),
        frame.crop((20, 10, meant.width - 30, meant.height - 40)),
    ]
    expected = [
        meant,
        meant.resize((64, 48)),
        meant.crop((20, 10, meant.width - 30, meant.height - 40)),
    ]
    for picture, like in zip(pictures, expected, strict=True):
        assert picture.size == like.size
        difference = ImageChops.difference(picture.convert("L"), like.convert("L"))
        assert ImageStat.Stat(difference).mean[0] < 6
