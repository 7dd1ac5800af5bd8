from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from regulars_edge.clock import Clock
from regulars_edge.config import parse_config
from regulars_edge.errors import SourceFailed
from regulars_edge.run import Uploader
from regulars_edge.sources.video import DecodedFrame, LiveSource, Mailbox, VideoFileSource
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Stamp
from rig.film import RATE, SIZE_PX, encoded, number_of, numbered

from testing.ports import free_port

av = pytest.importorskip("av")

PUSH = Path(__file__).parent / "rig" / "push_rtsp.py"
LISTENING = {"rtsp_transport": "tcp", "rtsp_flags": "listen", "listen_timeout": "90"}


class Camera:
    """A process that streams for so many seconds to an address that FFmpeg listens at."""

    def __init__(self, seconds: float) -> None:
        self.url = f"rtsp://127.0.0.1:{free_port()}/live"
        self._process = subprocess.Popen(
            [sys.executable, str(PUSH), self.url, str(seconds)], stdout=subprocess.PIPE, text=True
        )

    def began_ms(self) -> int:
        """When it took its first frame, by the boot clock; to be asked once."""
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    found = Camera(request.config.getoption("--edge-stream-s") + 5)
    yield found
    found.stop()


def test_a_consumer_that_is_slower_than_the_interval_gets_the_newest_frame_with_the_time_it_was_taken(  # noqa: E501
    camera: Camera, request: pytest.FixtureRequest
) -> None:
    """15 frames a second, an interval of 0.2 s, a consumer of 0.5 s.

    `make lag-edge` is exact, for ten minutes. Beside other tests the machine itself may be late.
    """
    clock, stop = Clock(), threading.Event()
    source = LiveSource(camera.url, None, LISTENING, clock, 0.2)
    off_ms, late_ms, began_ms, until = [], [], None, 0.0
    for frame in source.frames(stop):
        if began_ms is None:
            began_ms = camera.began_ms()
            until = time.monotonic() + request.config.getoption("--edge-stream-s")
        assert isinstance(frame, DecodedFrame)
        taken_ms = began_ms + number_of(frame.image()) * 1000 / RATE
        off_ms.append(frame.stamp.moment.boot_ms - taken_ms)
        late_ms.append(clock.boot_ms() - taken_ms)
        time.sleep(0.5)
        if time.monotonic() > until:
            stop.set()
    print(
        f"{len(off_ms)} frames, off by {min(off_ms):.0f} to {max(off_ms):.0f} ms, late by "
        f"{max(late_ms):.0f} ms at most"
    )
    assert len(off_ms) >= request.config.getoption("--edge-stream-s") / 2
    is_short = request.config.getoption("--edge-stream-s") < 60
    assert max(abs(off) for off in off_ms) <= (1_000 if is_short else 300)
    assert max(late_ms) <= (5_000 if is_short else 1_500), (
        "one after the other they would be 7 s late after 12 s"
    )


def noise(packet: av.Packet) -> av.Packet:
    damaged = av.Packet(random.Random(packet.pts).randbytes(packet.size))
    for name in ("pts", "dts", "time_base", "stream"):
        setattr(damaged, name, getattr(packet, name))
    return damaged


def pushed(
    place: Path, waits_s: dict[int, float], frames: int, damaged: range = range(0)
) -> threading.Thread:
    """Write frames into a named pipe, each when a camera would have it, some later; `damaged` ones
    are noise."""
    os.mkfifo(place)

    def push() -> None:
        # Opened here: PyAV keeps Python's lock while it waits for the one who reads, who needs it.
        with (
            place.open("wb", buffering=0) as pipe,
            av.open(pipe, "w", format="nut", options={"flush_packets": "1"}) as container,
        ):
            stream = container.add_stream("mpeg4", rate=RATE)
            (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
            due_s = time.monotonic()
            for number in range(frames):
                due_s += 1 / RATE + waits_s.get(number, 0)
                time.sleep(max(0, due_s - time.monotonic()))
                for packet in stream.encode(av.VideoFrame.from_image(numbered(number))):
                    container.mux(noise(packet) if number in damaged else packet)

    thread = threading.Thread(target=push)
    thread.start()
    return thread


def test_a_stream_that_falls_behind_is_said_and_its_frames_keep_the_time_when_they_were_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = LiveSource(str(tmp_path / "live"), "nut", {}, Clock(), 0.1)
    pushing = pushed(tmp_path / "live", {40: 4}, 43)
    found: list[Any] = []
    with pytest.raises(SourceFailed, match="has ended"):
        found.extend(source.frames(threading.Event()))
    pushing.join()
    taken_ms = {number_of(frame.image()): frame.stamp.moment.boot_ms for frame in found}
    before, last = max(number for number in taken_ms if number < 40), max(taken_ms)
    assert last >= 40
    assert abs((taken_ms[last] - taken_ms[before]) - (last - before) * 1000 / RATE) <= 50
    assert found[0].lag_s < 1
    assert found[-1].lag_s > 3
    assert caplog.text.count("has sent nothing for 4 s, and sends what is late now") == 1
    assert "Wi-Fi" in caplog.text
    assert "s behind" not in caplog.text


def test_a_stream_that_comes_more_slowly_than_it_is_filmed_falls_behind_without_a_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = LiveSource(str(tmp_path / "live"), "nut", {}, Clock(), 0.1)
    pushing = pushed(tmp_path / "live", dict.fromkeys(range(5, 12), 0.7), 12)
    with pytest.raises(SourceFailed, match="has ended"):
        for _ in source.frames(threading.Event()):
            pass
    pushing.join()
    assert caplog.text.count("s behind: the network or this machine is too slow; use its") == 1


def test_how_far_a_stream_is_behind_is_a_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", "key")
    yard = {"name": "yard", "source": "rtsp", "url": "rtsp://127.0.0.1:9/"}
    door = {"name": "door", "source": "folder", "folder": str(tmp_path)}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [yard, door]}
    with spools.open_spool(tmp_path / "spool") as spool:
        box = Uploader(parse_config(raw), spool, str)
        name = "regulars_edge_camera_lag_seconds"
        assert name not in [metric.name for metric in box.collect()]
        box.captures[0].lag_s = 2.5
        (found,) = [metric.samples for metric in box.collect() if metric.name == name]
    assert [(sample.labels, sample.value) for sample in found] == [({"camera": "yard"}, 2.5)]


def test_damaged_packets_of_a_stream_are_left_out_and_it_goes_on(tmp_path: Path) -> None:
    source = LiveSource(str(tmp_path / "live"), "nut", {}, Clock(), 0.1)
    pushing = pushed(
        tmp_path / "live", dict.fromkeys(range(20, 35), 0.15), 35, damaged=range(21, 30)
    )
    found = []
    with pytest.raises(SourceFailed, match="has ended"):
        found.extend(number_of(frame.image()) for frame in source.frames(threading.Event()))
    pushing.join()
    assert found[-1] == 34


class Decoder:
    def __init__(self) -> None:
        self.flushed = 0

    def flush_buffers(self) -> None:
        self.flushed += 1

    def decode(self, packet: Packet) -> list[int]:
        return [packet.pts]


@dataclass
class Packet:
    """As much of PyAV's as a mailbox needs; its frame is its number."""

    pts: int
    is_keyframe: bool = False
    size: int = 10
    time_base: float = 1 / RATE


def test_a_mailbox_decodes_only_what_the_newest_frame_needs_and_stays_small() -> None:
    decoder, mailbox = Decoder(), Mailbox(most_bytes=100)
    mailbox.decoder = decoder

    def put(*numbers: int, key: bool = False) -> None:
        for number in numbers:
            mailbox.put_packet(Packet(number, key), 0)

    put(0)
    assert mailbox.decode_newest() is None, "without its key frame a packet cannot be decoded"
    put(1, key=True)
    put(2)
    assert (mailbox.decode_newest(), decoder.flushed) == (2, 0)
    put(3)
    put(4, key=True)
    assert (mailbox.decode_newest(), decoder.flushed) == (4, 1), (
        "3 is left out, so the decoder begins anew"
    )
    put(*range(5, 30))
    assert mailbox.decode_newest() is None, "more than it may hold"
    put(30, key=True)
    assert (mailbox.decode_newest(), decoder.flushed) == (30, 2)
    put(31, key=True)
    assert (mailbox.decode_newest(), decoder.flushed) == (31, 2), "nothing was left out"


# films


def test_a_frames_pixels_are_those_that_pyav_says_also_if_its_lines_are_padded_or_a_part_is_asked_for() -> (  # noqa: E501
    None
):
    for size in ((160, 120), (161, 33), (1918, 2)):
        frame = av.VideoFrame.from_image(Image.effect_noise(size, 90).convert("RGB")).reformat(
            format="yuv444p"
        )
        made, meant = DecodedFrame(frame, Stamp(stated_ms=0)), frame.to_image()
        assert made.image().tobytes() == meant.tobytes()
        for box in ((0, 0, 1, 1), (3, 1, size[0] - 7, size[1]), (size[0] - 1, 0, size[0], size[1])):
            assert made.crop(box).tobytes() == meant.crop(box).tobytes()
        small = meant.convert("L").resize((16, 2), Image.Resampling.BOX).tobytes()
        apart = [abs(a - b) for a, b in zip(made.grey((16, 2)).tobytes(), small, strict=True)]
        assert max(apart) < 20, "noise of 90 shows every part that is another's"


def film(path: Path, seconds: float) -> Path:
    return encoded(path, [numbered(number) for number in range(round(seconds * 10))])


def taken(file: Path, interval_s: float) -> list[int]:
    """Return when its frames were taken, from the first one on."""
    frames = VideoFileSource(file, interval_s).frames(threading.Event())
    times = [
        frame.stamp.stated_ms
        for frame in frames
        if frame is not None and frame.stamp.stated_ms is not None
    ]
    return [at - times[0] for at in times]


def test_one_frame_an_interval_is_one_in_each_however_many_intervals_there_are(
    tmp_path: Path,
) -> None:
    assert taken(film(tmp_path / "film.mp4", 60), 0.2) == [200 * number for number in range(300)]


@pytest.mark.parametrize("name", ["film.mp4", "film.avi", "film.mkv", "film.ts"])
def test_garbage_amid_a_film_is_passed_over(tmp_path: Path, name: str) -> None:
    file = film(tmp_path / name, 60)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = random.Random(1).randbytes(4096)
    file.write_bytes(data)
    times = taken(file, 1)
    assert times[-1] >= 50_000, "AVI counts its frames in place of times"
    assert len(times) >= 50


def test_a_film_that_cannot_be_read_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "film.mp4").write_bytes(film(tmp_path / "whole.mp4", 3).read_bytes()[:1000])
    source = VideoFileSource(tmp_path / "film.mp4", 1)
    for _ in range(source.TRIES - 1):
        with pytest.raises(SourceFailed, match="cannot be read"):
            list(source.frames(threading.Event()))
    assert list(source.frames(threading.Event())) == []
    assert "given up" in caplog.text
