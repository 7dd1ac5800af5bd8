"""Faults of cameras that people have reported in public, each replayed."""

import io
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image
from regulars_edge.clock import Clock
from regulars_edge.errors import PasswordRefused, SourceFailed
from regulars_edge.frames import EncodedFrame
from regulars_edge.http import Address, Http, Timeouts
from regulars_edge.setup import onvif
from regulars_edge.setup.onvif import Talk, parse_text, parse_xml
from regulars_edge.sources import video
from regulars_edge.sources.folder import Picture, read_picture
from regulars_edge.sources.rtsp import Line
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.sources.wrong_password import FIRST_WAIT_S, NEXT_WAIT_S, Refusals
from regulars_edge.spool.model import Stamp
from rig.box import until
from rig.camera import Camera
from rig.certificates import own_certificate, signed_certificate
from rig.film import RATE, number_of, numbered
from rig.odd import Odd
from rig.onvif import Device
from rig.sources import stream

from tests.support.reported import replays

pytest.importorskip("av")
import av
from rig.rtsp import Rtsp, h264

DIGEST = 'Digest realm="cam", nonce="n0nce"'


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, with a key frame each second."""
    return h264(
        tmp_path_factory.mktemp("film") / "live.h264",
        [numbered(at) for at in range(4 * RATE)],
        RATE,
        RATE,
    )


@pytest.fixture
def rtsp(film: Path) -> Iterator[Rtsp]:
    camera = Rtsp(film, RATE)
    yield camera
    camera.stop()


def first_picture(url: str, **more: object) -> int:
    """Return the number of a stream's first frame."""
    stop = threading.Event()
    for frame in stream(url, interval_s=0.1, **more).frames(stop):
        if frame is not None:
            stop.set()
            return number_of(frame.image())
    raise AssertionError("no frame")


def with_user(url: str, password: str = "pass%20word") -> str:
    return url.replace("//", f"//admin:{password}@")


# streams


@pytest.mark.parametrize(
    "asks_for",
    [
        DIGEST,
        f'{DIGEST}, qop="auth", algorithm=SHA-256',
        f'{DIGEST}, qop="auth", algorithm=SHA-512-256',
        'Digest Realm="cam", Nonce="n0nce", Qop="auth"',
        'Basic realm="cam"',
    ],
)
def test_a_stream_is_let_in_by_whatever_way_the_camera_asks_for(rtsp: Rtsp, asks_for: str) -> None:
    rtsp.asks_for, rtsp.password = asks_for, "pass word"
    assert first_picture(with_user(rtsp.url)) >= 0


def test_basic_is_never_given_where_digest_was_offered(rtsp: Rtsp) -> None:
    rtsp.asks_for = f'Basic realm="cam", {DIGEST}'
    first_picture(with_user(rtsp.url))
    rtsp.asks_for = f'Basic realm="cam", {DIGEST}, algorithm=MD9'
    with pytest.raises(SourceFailed, match="neither Basic nor Digest"):
        first_picture(with_user(rtsp.url))
    assert rtsp.heard
    assert all(one.startswith("Digest") for one in rtsp.heard)


def test_a_camera_with_udp_only_gives_its_pictures_by_udp(rtsp: Rtsp) -> None:
    rtsp.has_udp_only = True
    assert first_picture(rtsp.url) >= 0
    assert first_picture(rtsp.url, transport="udp") >= 0
    with pytest.raises(SourceFailed, match="sends by UDP only"):
        first_picture(rtsp.url, transport="tcp")


@replays(72, "blakeblackshear/frigate 3007", "blakeblackshear/frigate 1597")
def test_a_camera_that_answers_a_wish_for_tcp_with_udp_gives_its_pictures_by_udp(
    rtsp: Rtsp,
) -> None:
    rtsp.says_udp = True
    assert first_picture(rtsp.url) >= 0
    with pytest.raises(SourceFailed, match="sends by UDP only: let transport be auto or udp"):
        first_picture(rtsp.url, transport="tcp")


def test_a_camera_with_one_place_and_a_user_gives_its_pictures(rtsp: Rtsp) -> None:
    rtsp.places, rtsp.free_s, rtsp.asks_for, rtsp.password = 1, 3.0, DIGEST, "pass word"
    assert first_picture(with_user(rtsp.url)) >= 0
    assert rtsp.connections == 1, "which is the one that FFmpeg reads"


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        ("DESCRIBE", 453, "no place for another viewer"),
        ("SETUP", 453, "no place for another viewer"),
        ("DESCRIBE", 404, "has no stream of this name"),
        ("DESCRIBE", 401, "lets nobody in without user and password"),
        ("PLAY", 500, "refuses PLAY .it answered 500"),
    ],
)
def test_what_a_camera_refuses_is_said_in_words(
    rtsp: Rtsp, method: str, status: int, said: str
) -> None:
    rtsp.refuses = {method: status}
    with pytest.raises(SourceFailed, match=said):
        first_picture(rtsp.url)


def test_a_camera_without_a_place_that_only_hangs_up_is_said(rtsp: Rtsp) -> None:
    rtsp.places = 0
    with pytest.raises(SourceFailed, match="has it no place for another viewer"):
        first_picture(rtsp.url)


def test_silence_behind_play_is_said(rtsp: Rtsp) -> None:
    rtsp.is_silent = True
    before, video.OPEN_S = video.OPEN_S, 1.0
    try:
        with pytest.raises(SourceFailed, match="lets its stream begin, and sends no pictures"):
            first_picture(rtsp.url)
    finally:
        video.OPEN_S = before


def test_a_stream_that_names_its_parts_by_another_address_is_read(rtsp: Rtsp) -> None:
    rtsp.content_base = "rtsp://10.0.0.9:8554/live/"
    rtsp.asks_for = f"{DIGEST}, qop=auth"
    rtsp.password = "pass word"
    assert first_picture(with_user(rtsp.url)) >= 0


def test_the_connection_is_kept_by_signed_requests_and_given_back_at_the_end(rtsp: Rtsp) -> None:
    rtsp.asks_for, rtsp.password, rtsp.session = f"{DIGEST}, qop=auth", "pass word", "1;timeout=2"
    stop = threading.Event()
    for _ in stream(with_user(rtsp.url), interval_s=0.2).frames(stop):
        if rtsp.asked.index("PLAY") < len(rtsp.asked) - 2:
            stop.set()
    assert set(rtsp.asked[rtsp.asked.index("PLAY") + 1 :]) <= {
        "OPTIONS",
        "GET_PARAMETER",
        "TEARDOWN",
    }
    assert len(rtsp.heard) >= len(rtsp.asked) - 2, (
        "all but the first, and the one that brought the challenge"
    )
    until(lambda: rtsp.asked[-1] == "TEARDOWN")


def test_a_client_that_comes_again_is_answered_anew(rtsp: Rtsp) -> None:
    """As FFmpeg does if hardware that is there does not decode a stream."""
    with closing(Line(Address.read(rtsp.url), ssl.create_default_context)) as line:
        for _ in range(2):
            with av.open(line.url, options=video.rtsp_options("tcp")) as container:
                assert next(container.demux(video=0)).size
    assert rtsp.connections == 2


# a wrong password


def test_a_wrong_password_is_given_four_times_an_hour_at_most_whoever_asks(
    rtsp: Rtsp, film: Path
) -> None:
    """A stream, its small stream and snapshots of one host."""
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    account = ("rtsp://10.0.0.9/live", "admin", "wrong")
    given = 0
    for second in range(3600):
        now[0] = float(second)
        for url in (account[0], "http://10.0.0.9/shot.jpg"):
            try:
                refusals.check(url, *account[1:])
            except PasswordRefused:
                continue
            given += 1
            refusals.count(url, *account[1:])
    assert given == 3, "at once, after 5 minutes, and after 30"
    refusals.check(account[0], "admin", "another")
    now[0] += FIRST_WAIT_S + NEXT_WAIT_S
    refusals.check(*account)


def test_a_refusal_counts_for_the_port_at_which_it_came() -> None:
    """Behind one address may be several cameras, each at a port of its own."""
    refusals = Refusals(lambda: 0.0)
    refusals.count("rtsp://nvr:5547/ch7", "admin", "right")
    refusals.check("rtsp://nvr:5541/ch1", "admin", "right")
    with pytest.raises(PasswordRefused):
        refusals.check("rtsp://nvr:5547/ch7", "admin", "right")


def test_a_channel_that_is_refused_waits_alone_if_the_password_was_taken_for_another() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    good, bad = ("rtsp://nvr/ch1", "admin", "right"), ("rtsp://nvr/ch7", "admin", "right")
    refusals.forget(*good)
    for rest_s in (FIRST_WAIT_S, NEXT_WAIT_S, NEXT_WAIT_S):
        refusals.count(*bad)
        refusals.check(*good)
        now[0] += rest_s - 1
        with pytest.raises(PasswordRefused):
            refusals.check(*bad)
        now[0] += 1
        refusals.check(*bad)
    refusals.count(*good)
    with pytest.raises(PasswordRefused):
        refusals.check("rtsp://nvr/ch2", "admin", "right")


def test_a_password_that_has_changed_is_given_once_whatever_the_number_of_channels() -> None:
    refusals, given = Refusals(lambda: 0.0), 0
    urls = [f"rtsp://nvr/ch{number}" for number in range(16)]
    for url in urls:
        refusals.forget(url, "admin", "former")
    for url in urls * 3:
        with suppress(PasswordRefused):
            refusals.check(url, "admin", "former")
            refusals.count(url, "admin", "former")
            given += 1
    assert given == 1


def test_another_channel_is_asked_next_and_if_it_is_let_in_the_first_one_has_no_right() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    bad, good = ("rtsp://nvr/ch7", "admin", "right"), ("rtsp://nvr/ch1", "admin", "right")
    refusals.count(*bad)
    now[0] = FIRST_WAIT_S
    with pytest.raises(PasswordRefused):
        refusals.check(*bad)
    refusals.check(*good)
    refusals.forget(*good)
    refusals.check(*bad)
    refusals.count(*bad)
    refusals.check(*good)
    with pytest.raises(PasswordRefused):
        refusals.check(*bad)


def test_the_users_of_onvif_may_be_others_than_those_of_streams() -> None:
    refusals = Refusals(lambda: 0.0)
    refusals.count("http://nvr:8899/onvif", "admin", "right", way="onvif")
    refusals.check("rtsp://nvr/ch1", "admin", "right")
    with pytest.raises(PasswordRefused):
        refusals.check("http://nvr/onvif/media", "admin", "right", way="onvif")
    refusals.count("rtsp://nvr:554/ch1", "admin", "right")
    for url in ("rtsp://nvr/ch2", "http://nvr:8080/shot.jpg"):
        with pytest.raises(PasswordRefused):
            refusals.check(url, "admin", "right")


def test_a_stream_gives_a_wrong_password_once_and_the_right_one_as_soon_as_its_file_has_it(
    rtsp: Rtsp, tmp_path: Path
) -> None:
    rtsp.asks_for, rtsp.password = f'{DIGEST}, qop="auth"', "right"
    file = tmp_path / "password"
    file.write_text("wrong")
    file.chmod(0o600)
    source = stream(rtsp.url, user="admin", password_file=str(file))
    for _ in range(5):
        with pytest.raises(PasswordRefused, match="refuses user and password"):
            list(source.frames(threading.Event()))
    assert len(rtsp.heard) == 1
    file.write_text("right")
    stop = threading.Event()
    assert next(frame for frame in source.frames(stop) if frame is not None)
    stop.set()


def test_a_snapshot_gives_a_wrong_password_once(camera: Camera, clock: object) -> None:
    camera.asks_for = "Digest"
    address = [Address.read(f"http://{camera.host}/", "admin", "wrong")]
    source = SnapshotSource(Http(Clock()), lambda: address[0], Clock(), 1)
    for _ in range(5):
        with pytest.raises(PasswordRefused):
            source.take_picture()
    assert camera.refused == 2, "one that brought the challenge, one with the password"
    address[0] = Address.read(f"http://{camera.host}/", "admin", camera.password)
    assert source.take_picture().encode_picture()


# snapshots


def photo() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((80, 60), 60).resize((640, 480)).convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


PHOTO = photo()
MJPEG = {"Content-Type": "multipart/x-mixed-replace; boundary=myboundary"}


@pytest.fixture
def odd() -> Iterator[Odd]:
    camera = Odd(PHOTO)
    yield camera
    camera.stop()


def take_snapshot(camera: Odd) -> bytes:
    http = Http(Clock(), Timeouts(1, 1, 3))
    return (
        SnapshotSource(http, lambda: Address.read(f"{camera.url}/shot.jpg"), Clock(), 1)
        .take_picture()
        .encode_picture()
    )


@pytest.mark.parametrize(
    "body",
    [
        PHOTO + b"dhav\x59\x19\x01\x00",
        PHOTO + bytes(5_000),
        PHOTO[:-2],
        PHOTO + b"\xff\xd9",
        PHOTO[:2] + b"\xff\xfe" + struct.pack(">H", 4094) + bytes(4700) + PHOTO[2:],
    ],
    ids=["bytes behind it", "zeros behind it", "no end", "two ends", "a comment that lies"],
)
def test_a_picture_that_decodes_whole_is_whole(odd: Odd, body: bytes) -> None:
    odd.body = body
    for length in (len(body), None, len(body) + 500):
        odd.length = length
        assert take_snapshot(odd) == body


def test_a_whole_picture_can_be_opened_by_all_that_look_at_it(odd: Odd, tmp_path: Path) -> None:
    """The same rule for whoever takes and whoever looks, whether it came by HTTP or as a file."""
    for body in (PHOTO[:-2], PHOTO[:-2] + bytes(30), PHOTO + bytes(3_000)):
        odd.body, odd.length = body, len(body)
        (tmp_path / "shot.jpg").write_bytes(body)
        found = read_picture(tmp_path / "shot.jpg", None, 0)
        assert isinstance(found, Picture)
        for data in (take_snapshot(odd), found.data):
            frame = EncodedFrame(data, Stamp(stated_ms=0))
            assert frame.grey((64, 48)).size == (64, 48)
            assert frame.image().tobytes() == Image.open(io.BytesIO(PHOTO)).tobytes()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_picture_that_was_cut_is_not(odd: Odd, share: float) -> None:
    for whole in (PHOTO, progressive()):
        odd.body = whole[: round(share * len(whole))]
        for length in (len(odd.body), len(whole)):
            odd.length = length
            with pytest.raises(SourceFailed, match="was cut off"):
                take_snapshot(odd)


def progressive() -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(PHOTO)).save(out, "JPEG", progressive=True)
    return out.getvalue()


def test_a_picture_elsewhere_at_the_same_camera_is_taken_and_another_camera_is_named(
    odd: Odd,
) -> None:
    odd.moved = {"/shot.jpg": "/now.jpg"}
    assert take_snapshot(odd) == PHOTO
    for to in ("http://10.0.0.10/shot.jpg", "ftp://127.0.0.1/shot.jpg"):
        odd.moved = {"/shot.jpg": to}
        with pytest.raises(SourceFailed, match=f"sends to {to}"):
            take_snapshot(odd)
    odd.moved = {"/shot.jpg": "/shot.jpg"}
    with pytest.raises(SourceFailed, match="again and again"):
        take_snapshot(odd)


@pytest.mark.parametrize("says_length", [True, False])
def test_mjpeg_is_a_source(odd: Odd, says_length: bool) -> None:
    length = f"Content-Length: {len(PHOTO)}\r\n" if says_length else ""
    part = f"--myboundary\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + PHOTO + b"\r\n"
    odd.headers, odd.length, odd.body = MJPEG, None, part * 3
    began = time.monotonic()
    assert [take_snapshot(odd) for _ in range(3)] == [PHOTO] * 3
    assert time.monotonic() > began


def take_by_https(camera: Odd, context: ssl.SSLContext, **more: str) -> bytes:
    if not isinstance(camera.server.socket, ssl.SSLSocket):
        camera.server.socket = context.wrap_socket(camera.server.socket, server_side=True)
    url = camera.url.replace("http:", "https:")
    frame = next(stream(url, source="snapshot", **more).frames(threading.Event()))
    return bytes(frame.encode_picture())


@replays(76, "blakeblackshear/frigate 10043")
@pytest.mark.parametrize(
    ("name", "alone"),
    [("127.0.0.1", False), ("127.0.0.1", True), ("192.168.1.64", False), ("DS-2CD2143", True)],
)
def test_a_camera_is_known_by_its_own_certificate_whatever_name_is_in_it(
    odd: Odd, tmp_path: Path, name: str, alone: bool
) -> None:
    """As cameras make them: of an address, in the subject alone, of a former one, of a name."""
    certificate, context = own_certificate(tmp_path, name, alone=alone)
    with pytest.raises(SourceFailed, match="let ca_file name it; else ca_file its issuer"):
        take_by_https(odd, context)
    for more in ({}, {"tls_name": name}):
        assert take_by_https(odd, context, ca_file=str(certificate), **more) == PHOTO
    (tmp_path / "other").mkdir()
    other, _ = own_certificate(tmp_path / "other", name, alone=alone)
    with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED"):
        take_by_https(odd, context, ca_file=str(other))


def test_of_a_certificate_that_an_authority_signed_the_name_counts(
    odd: Odd, tmp_path: Path
) -> None:
    authority, context = signed_certificate(tmp_path, "camera-7")
    for more in ({}, {"tls_name": "camera-8"}):
        with pytest.raises(SourceFailed, match="tls_name the name in it"):
            take_by_https(odd, context, ca_file=str(authority), **more)
    right = {"ca_file": str(authority), "tls_name": "camera-7"}
    assert take_by_https(odd, context, **right) == PHOTO


# ONVIF


@pytest.mark.parametrize(
    "around", [(b"\r\n", b""), (b"\n \xef\xbb\xbf", b""), (b"\0", b"\0\0"), (b"", b"\0\r\n")]
)
def test_a_blank_line_or_zeros_around_xml_are_passed_over(around: tuple[bytes, bytes]) -> None:
    xml = b'<?xml version="1.0" encoding="UTF-8"?><a><b>door</b></a>'
    assert parse_text(parse_xml(around[0] + xml + around[1]), "b") == "door"


JPEG_4K, LOW, HIGH = ("JPEG", 3840, 2160), ("H264", 640, 360), ("H265", 2560, 1440)


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    device.password = None
    device.camera.asks_for = ""
    yield device
    device.stop()


def ask_streams(device: Device) -> list[str | None]:
    found = onvif.Device("127.0.0.1", f"{device.url}/onvif/device_service", "it")
    http = Http(Clock(), Timeouts(2, 2, 5))
    return [camera.stream for camera in Talk(http, found, None, "").list_cameras()]


@replays(73, "roleoroleo/onvif_simple_server 66")
@pytest.mark.parametrize(
    ("profiles", "best"),
    [
        ({"sub": LOW, "main": HIGH}, "live"),
        ({"jpeg": JPEG_4K, "sub": LOW}, "sub"),
        ({"jpeg": ("JPEG", 640, 480), "large": JPEG_4K}, "large"),
        ({"main": HIGH, "copy": HIGH}, "live"),
        ({"main": None, "sub": None}, "live"),
        ({"odd": ("H264", -1, 10**9), "main": LOW}, "live"),
    ],
)
def test_the_profile_with_most_pixels_of_a_video_is_taken(
    device: Device, profiles: dict[str, tuple[str, int, int] | None], best: str
) -> None:
    device.profiles, device.channels = profiles, 2
    assert ask_streams(device) == [f"rtsp://127.0.0.1:554/{best}{n}?a=1&b=2" for n in range(2)]


@replays(74, "Jazea/Onvif.Core 43")
def test_a_camera_with_the_second_media_service_alone_is_found(device: Device) -> None:
    device.profiles, device.has_media2_only = {"sub": LOW, "main": HIGH}, True
    assert ask_streams(device) == ["rtsp://127.0.0.1:554/live0?a=1&b=2"]
    assert "/onvif/media2 GetProfiles" in device.calls


@replays(75, "roleoroleo/sonoff-hack 3")
@pytest.mark.parametrize("url", ["http://:80", "http://:80/", "http://:8080"])
def test_a_media_service_without_host_and_path_is_the_devices_own(device: Device, url: str) -> None:
    device.answers["GetCapabilities"] = f"<a><Media><XAddr>{url}</XAddr></Media></a>"
    assert ask_streams(device) == ["rtsp://127.0.0.1:554/live0?a=1&b=2"]
    assert "/onvif/device_service GetProfiles" in device.calls


# USB


def test_what_a_usb_camera_cannot_give_is_only_a_wish(film: Path) -> None:
    """A camera without MJPEG refuses `input_format`, as this reader of raw pictures does a size
    that is none."""
    raw = film.with_suffix(".raw")
    raw.write_bytes(bytes(160 * 120 * 3 // 2) * 3)
    options = {"pixel_format": "yuv420p", "video_size": "160x120"}
    source = video.LiveSource(
        str(raw), "rawvideo", options, Clock(), 60, wishes={"pixel_format": "nothing"}
    )
    found = []
    with pytest.raises(SourceFailed, match="has ended"):
        found.extend(source.frames(threading.Event()))
    assert len(found) == 1
