"""Faults of cameras that people have reported in public, each replayed."""

import io
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from regulars_edge.clock import Clock
from regulars_edge.errors import PasswordRefused, SourceFailed
from regulars_edge.frames import LARGEST_BYTES, EncodedFrame
from regulars_edge.http import Address, Http, Rest, Timeouts
from regulars_edge.setup import onvif
from regulars_edge.setup.onvif import Talk, parse_text, parse_xml
from regulars_edge.sources import video
from regulars_edge.sources.folder import Picture, read_picture
from regulars_edge.sources.mjpeg import Film, PictureFinder
from regulars_edge.sources.rtsp import Line
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.sources.wrong_password import FIRST_WAIT_S, NEXT_WAIT_S, Refusals
from regulars_edge.spool.model import Stamp
from rig.box import until
from rig.camera import Camera
from rig.certificates import OLD_KEY, expired_certificate, own_certificate, signed_certificate
from rig.film import RATE, number_of, numbered
from rig.odd import Odd
from rig.onvif import Device
from rig.sources import stream

from testing.reported import replays

pytest.importorskip("av")
import av
from rig.rtsp import Rtsp, h264
from rig.server import Handler, Served

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


@replays(77, "bluenviron/gortsplib 456")
@pytest.mark.parametrize("transport", ["", "RTP/AVP/TCP;unicast", "RTP/AVP/TCP;interleaved=0-1"])
def test_a_camera_that_says_little_of_its_transport_gives_its_pictures(
    rtsp: Rtsp, transport: str
) -> None:
    rtsp.transport = transport
    assert first_picture(rtsp.url, transport="tcp") >= 0


@replays(89, "blakeblackshear/frigate 7199")
@pytest.mark.parametrize("numbers", ["0", ""])
def test_answers_without_their_requests_number_are_read(rtsp: Rtsp, numbers: str) -> None:
    rtsp.numbers = numbers
    assert first_picture(rtsp.url) >= 0


@replays(78, "AlexxIT/go2rtc 208", "AlexxIT/go2rtc 1852")
@pytest.mark.parametrize("base", ["rtsp://rtsp://{}/live/", "{}/live/", "{}/", "*"])
def test_a_base_of_a_stream_that_is_no_url_is_passed_over(rtsp: Rtsp, base: str) -> None:
    rtsp.content_base = base.format(rtsp.url.split("/")[2])
    assert first_picture(rtsp.url) >= 0


MEDIA = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:{}\r\n"


@replays(79, "AlexxIT/go2rtc 1663", "bluenviron/mediamtx 231", "scottlamb/retina 9")
@pytest.mark.parametrize(
    ("head", "control"),
    [
        ("v=0\r\no=- 1001 1 IN\r\ns=VCP IPC Realtime stream\r\nc=IN\r\n", "{}/track"),
        ("v=0\r\no=-2208991488 2208991488 IN IP4 10.255.1.119\r\ns=x\r\nt=0 0\r\n", "track"),
        ("v=0\r\no=VSTC 38 38 IN IP4 192.168.1.198\r\ns=x\r\ne=NONE\r\nt=0 0\r\n", "track0"),
    ],
)
def test_a_description_that_breaks_its_standard_is_read(
    rtsp: Rtsp, head: str, control: str
) -> None:
    rtsp.sdp = head + MEDIA.format(control.format(rtsp.url))
    assert first_picture(rtsp.url) >= 0


@replays(80, "ngraziano/SharpRTSP 63")
def test_a_camera_that_refuses_signs_of_life_goes_on(rtsp: Rtsp) -> None:
    rtsp.refuses, rtsp.session = {"GET_PARAMETER": 501, "SET_PARAMETER": 501}, "1;timeout=2"
    stop = threading.Event()
    for _ in stream(rtsp.url, interval_s=0.2).frames(stop):
        if rtsp.asked.index("PLAY") < len(rtsp.asked) - 2:
            stop.set()
    assert rtsp.connections == 1


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


def test_a_password_that_changes_while_all_channels_give_it_is_one_refusal() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    accounts = [(f"http://nvr/ch{number}.jpg", "admin", "former") for number in range(16)]
    for account in accounts:
        refusals.forget(*account)
    with ExitStack() as logins:
        for account in accounts:
            logins.enter_context(refusals.open_login(*account))
        for account in accounts:
            refusals.count(*account)
    now[0] = FIRST_WAIT_S
    refusals.check(*accounts[1])
    assert isinstance(refusals.count(*accounts[1]), PasswordRefused)
    now[0] += NEXT_WAIT_S - 1
    with pytest.raises(PasswordRefused):
        refusals.check(*accounts[2])


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


class Forgetful(Served):
    """Says at each second answer that the nonce which it gave before has run out."""

    def __init__(self) -> None:
        super().__init__(_Forgetful)
        self.answers, self.signed = 0, 0


class _Forgetful(Handler):
    def answer(self) -> None:
        camera: Forgetful = self.server.owner
        camera.answers += 1
        is_signed = "Authorization" in self.headers
        camera.signed += is_signed
        if is_signed and camera.answers % 2:
            self.reply(200, PHOTO, {"Content-Type": "image/jpeg"})
            return
        says = f'Digest realm="cam", nonce="n{camera.answers}", qop="auth", stale=TRUE'
        self.reply(401, headers={"WWW-Authenticate": says})


@replays(88, "tchellomello/python-amcrest 102")
def test_a_nonce_that_has_run_out_is_no_wrong_password() -> None:
    camera = Forgetful()
    source = stream(with_user(camera.url), source="snapshot")
    try:
        assert [source.take_picture().encode_picture() for _ in range(3)] == [PHOTO] * 3
        assert camera.signed == camera.answers - 1
    finally:
        camera.stop()


# snapshots


def photo(number: int, size_px: tuple[int, int] = (640, 480)) -> bytes:
    picture = Image.effect_noise((80, 60), 60 + number).resize(size_px)
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


PHOTO, TINY = photo(1), photo(1, (16, 16))


def with_thumbnail(picture: bytes, thumbnail: bytes) -> bytes:
    """Return the picture with another one inside, as EXIF data have it."""
    size = struct.pack(">H", 2 + len(thumbnail))
    return picture[:2] + b"\xff\xe1" + size + thumbnail + picture[2:]


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


@replays(85, "intel/libyami 801", "haraldk/TwelveMonkeys 1054", "rroller/dahua 658")
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


def progressive(picture: bytes = PHOTO) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(out, "JPEG", progressive=True)
    return out.getvalue()


def test_a_picture_elsewhere_at_the_same_camera_is_taken_and_another_camera_is_named(
    odd: Odd,
) -> None:
    for to in ("/now.jpg", "now.jpg", "/my shot.jpg", "/küche.jpg"):
        odd.moved = {"/shot.jpg": to}
        assert take_snapshot(odd) == PHOTO
    for to in ("http://10.0.0.10/shot.jpg", "ftp://127.0.0.1/shot.jpg"):
        odd.moved = {"/shot.jpg": to}
        with pytest.raises(SourceFailed, match=f"sends to {to}"):
            take_snapshot(odd)
    odd.moved = {"/shot.jpg": "/shot.jpg"}
    with pytest.raises(SourceFailed, match="again and again"):
        take_snapshot(odd)


SECOND = photo(2)
CUT = PHOTO[: len(PHOTO) // 2]
HEAD = b"Content-Type: image/jpeg\r\n"


@replays(
    81,
    "ArduPilot/MissionPlanner 3604",
    "arendst/Tasmota 12376",
    "roflcoopter/viseron 355",
    "OpenCentauri/cc-fw-tools 108",
    "Motion-Project/motion 1187",
)
@pytest.mark.parametrize(
    "kind",
    [
        "multipart/x-mixed-replace",
        "multipart/x-mixed-replace; boundary=b; charset=x",
        "text/plain",
        "",
    ],
)
@pytest.mark.parametrize(
    "begin",
    [
        b"--b\r\n" + HEAD + b"\r\n",
        b"--b\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(PHOTO),
        b"--b\r\n" + HEAD + b"Content-Length: 12\r\n\r\n",
        b"--b\n" + HEAD.replace(b"\r", b"") + b"\n",
        b"----b" + HEAD + b"\r\n",
        HEAD + b"\r\n",
        b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n" + HEAD + b"\r\n",
        b"--b\r\n" + HEAD + b"\r\n" + CUT + b"\r\n--b\r\n" + HEAD + b"\r\n",
        b"\r\n",
    ],
    ids=[
        "usual",
        "length",
        "a length that lies",
        "line feeds",
        "no line",
        "no boundary",
        "a text",
        "a part that is cut",
        "a blank line",
    ],
)
def test_pictures_are_found_by_their_marks(odd: Odd, kind: str, begin: bytes) -> None:
    odd.headers, odd.length = ({"Content-Type": kind} if kind else {}), None
    for picture in (PHOTO, with_thumbnail(PHOTO, TINY)):
        odd.body = begin + picture + b"\r\n--b\r\n"
        assert take_snapshot(odd) == picture


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(1, 900))
def test_pictures_are_found_however_their_bytes_come(order: list[int], size: int) -> None:
    junk = b"\xff\r\n--b\xff\xd8\r\n" + HEAD
    parts = [TINY, with_thumbnail(TINY, TINY), progressive(TINY), photo(2, (16, 16)), junk]
    data, finder = b"".join(parts[number] for number in order), PictureFinder()
    found = [
        picture for at in range(0, len(data), size) for picture in finder.feed(data[at : at + size])
    ]
    assert found == [parts[number] for number in order if number < 4]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_bytes_hurt_whoever_looks_for_pictures(noise: bytes, size: int) -> None:
    finder, data = PictureFinder(), b"\xff\xd8\xff" + noise
    for at in range(0, len(data), size):
        finder.feed(data[at : at + size])
    assert PHOTO in [*finder.feed(b"\xff\xd9" + PHOTO + PHOTO), *finder.feed(PHOTO)]


def test_an_endless_picture_is_given_up() -> None:
    finder = PictureFinder()
    finder.feed(b"\xff\xd8\xff\xda\0\2")

    def feed_on() -> None:
        for _ in range(LARGEST_BYTES // 2**20 + 1):
            finder.feed(bytes(2**20))

    with pytest.raises(ValueError, match="more than"):
        feed_on()


class Raw(socketserver.ThreadingTCPServer):
    """Answers whatever is asked with these bytes, and hangs up."""

    daemon_threads = True

    def __init__(self, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Raw)
        self.answer = answer

    def __enter__(self) -> str:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self.server_address[1]}/shot.jpg"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Raw(socketserver.StreamRequestHandler):
    server: Raw

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.server.answer)


class Mjpeg(Served):
    """Sends pictures over each connection until told to break off; `sent`: how many in all.

    `kind`: the type that it says; `head`: what is before each picture.
    """

    def __init__(self) -> None:
        super().__init__(_Mjpeg)
        self.kind, self.head = "multipart/x-mixed-replace; boundary=b", b"--b\r\n" + HEAD + b"\r\n"
        self.connections, self.sent, self.most = 0, 0, 10**9
        self.goes_on = threading.Event()


class _Mjpeg(Handler):
    def answer(self) -> None:
        camera: Mjpeg = self.server.owner
        camera.connections += 1
        self.close_connection = True
        self.send_response_only(200)
        self.send_header("Content-Type", camera.kind)
        self.end_headers()
        for _ in range(camera.most):
            self.wfile.write(camera.head + (PHOTO, SECOND)[camera.sent % 2])
            camera.sent += 1
            assert camera.goes_on.wait(30)
            camera.goes_on.clear()


@pytest.fixture
def mjpeg() -> Iterator[Mjpeg]:
    camera = Mjpeg()
    yield camera
    camera.most = 0
    camera.goes_on.set()
    camera.stop()


def test_mjpeg_is_read_by_one_connection_and_each_picture_once(mjpeg: Mjpeg) -> None:
    stop, found = threading.Event(), list[bytes]()
    for frame in stream(f"{mjpeg.url}/", source="snapshot", interval_s=0.01).frames(stop):
        assert frame is not None
        found.append(frame.encode_picture())
        mjpeg.goes_on.set()
        if len(found) == 20:
            stop.set()
    assert found == [PHOTO, SECOND] * 10
    assert mjpeg.connections == 1


@pytest.mark.parametrize("kind", ["image/jpeg", "video/x-mjpeg"])
def test_pictures_one_behind_the_other_without_heads_are_read_by_one_connection(
    mjpeg: Mjpeg, kind: str
) -> None:
    mjpeg.kind, mjpeg.head = kind, b""
    mjpeg.goes_on.set()  # for the second one, which says that they go on
    stop, found = threading.Event(), list[bytes]()
    for frame in stream(f"{mjpeg.url}/", source="snapshot", interval_s=0.01).frames(stop):
        assert frame is not None
        found.append(frame.encode_picture())
        mjpeg.goes_on.set()
        if len(found) == 6:
            stop.set()
    assert found == [SECOND, PHOTO] * 3
    assert mjpeg.connections == 1


@pytest.mark.parametrize("asks_for", ["Basic", "Digest"])
def test_mjpeg_behind_a_password_is_read_from_its_first_part(camera: Camera, asks_for: str) -> None:
    camera.asks_for, camera.kind = asks_for, "multipart/x-mixed-replace; boundary=b"
    camera.gives = lambda _: b"--b\r\n" + HEAD + b"\r\n" + TINY
    url = with_user(f"http://{camera.host}/", "p%40ss%20word")
    source = stream(url, source="snapshot")
    assert [source.take_picture().encode_picture() for _ in range(2)] == [TINY] * 2


def test_mjpeg_that_ends_its_connection_is_asked_again_at_once(mjpeg: Mjpeg) -> None:
    """Some end it after a minute, some behind each picture."""
    mjpeg.most = 2
    mjpeg.goes_on.set()
    stop, found = threading.Event(), 0
    for frame in stream(f"{mjpeg.url}/", source="snapshot", interval_s=0.01).frames(stop):
        found += frame is not None
        mjpeg.goes_on.set()
        if found == 7:
            stop.set()
    assert mjpeg.connections >= 3


class SlowRest:
    """Rest of an answer from a camera that says nothing until it is stopped."""

    place = "http://camera/"

    def __init__(self) -> None:
        self.stopped, self.read_by, self.closed_by = threading.Event(), 0, [0]

    def read(self) -> bytes:
        self.read_by = threading.get_ident()
        assert self.stopped.wait(30)
        return b""

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed_by.append(threading.get_ident())


def test_a_connection_is_closed_by_the_thread_that_reads_it() -> None:
    rest = SlowRest()
    film = Film(cast(Rest, rest), PictureFinder(), Clock(), 30)
    until(lambda: rest.read_by)
    film.close()
    assert film.take_newest() is None
    until(lambda: rest.closed_by[-1])
    assert set(rest.closed_by) == {0, rest.read_by}


@replays(82, "home-assistant/core 14960", "home-assistant/core 38673", "home-assistant/core 46600")
@pytest.mark.parametrize(
    "line",
    ["Tue, 12 Jun 2012 01:56:34 GMT", "X-Frame-Options : SAMEORIGIN", "Server: x\r\n folded"],
)
def test_a_head_with_a_line_that_is_none_is_passed_over(line: str) -> None:
    body = f"HTTP/1.1 200 OK\r\n{line}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(PHOTO)}"
    with Raw(body.encode() + b"\r\nConnection: close\r\n\r\n" + PHOTO) as url:
        frame = next(stream(url, source="snapshot").frames(threading.Event()))
        assert frame.encode_picture() == PHOTO


@replays(83, "OctoPrint/OctoPrint 3207", "home-assistant/core 47511")
@pytest.mark.parametrize("less", [0, 48])
def test_a_picture_without_a_type_and_with_a_wrong_length_is_taken(odd: Odd, less: int) -> None:
    odd.length = len(PHOTO) + less
    assert take_snapshot(odd) == PHOTO


@replays(84, "home-assistant/core 45259")
def test_a_camera_that_is_busy_is_said_to_be(odd: Odd) -> None:
    odd.status, odd.body = 503, b"<statusString>Device Busy</statusString>"
    odd.length = len(odd.body)
    with pytest.raises(SourceFailed, match=r"is busy \(it answered 503\)"):
        take_snapshot(odd)


@replays(91, "koush/scrypted 1873")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'[{"error": {"detail": "max\tsession"}}]',
            r"""PNG: '\[{"error": {"detail": "max session"}}\]'$""",
        ),
        ("<p>Zugriff gesperrt für Gäste".encode(), "PNG: '<p>Zugriff gesperrt für Gäste'$"),
        (bytes(range(128, 256)), "PNG$"),
        (b"", "PNG$"),
        ("xä".encode() * 100, "PNG: '(xä){40}'$"),
        (b"x" + "ä".encode() * 100, "PNG: 'xä{59}'$"),
        (b"\x1b[2J\r\nSet-Cookie: x", r"PNG: '\[2J Set-Cookie: x'$"),
    ],
)
def test_what_a_camera_says_in_place_of_a_picture_is_told(odd: Odd, body: bytes, said: str) -> None:
    odd.body, odd.length = body, len(body)
    with pytest.raises(SourceFailed, match=said):
        take_snapshot(odd)


def take_by_https(camera: Odd, context: ssl.SSLContext, **more: str) -> bytes:
    if not isinstance(camera.server.socket, ssl.SSLSocket):
        camera.server.socket = context.wrap_socket(camera.server.socket, server_side=True)
    url = camera.url.replace("http:", "https:")
    frame = next(stream(url, source="snapshot", **more).frames(threading.Event()))
    return bytes(frame.encode_picture())


@replays(76, "blakeblackshear/frigate 10043")
@replays(76, "thomasnordquist/MQTT-Explorer 598")
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


@pytest.mark.parametrize("kind", ["expired", "an old key"])
def test_a_cameras_own_certificate_is_known_whatever_its_dates_and_its_key(
    odd: Odd, tmp_path: Path, kind: str
) -> None:
    """A camera whose clock is of 1970 makes one that has expired. The box's clock may be, too."""
    certificate, context = (
        expired_certificate(tmp_path)
        if kind == "expired"
        else own_certificate(tmp_path, "camera", new_key=OLD_KEY)
    )
    assert take_by_https(odd, context, ca_file=str(certificate)) == PHOTO


def test_a_certificate_that_an_authority_signed_has_its_dates(odd: Odd, tmp_path: Path) -> None:
    authority, context = signed_certificate(tmp_path, "camera-7", days=-1)
    with pytest.raises(SourceFailed, match=r"has expired\. Is this machine's clock right\?"):
        take_by_https(odd, context, ca_file=str(authority), tls_name="camera-7")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_camera_that_speaks_old_tls_alone_is_said_to(odd: Odd, tmp_path: Path) -> None:
    certificate, context = own_certificate(tmp_path, "camera")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
    with pytest.raises(SourceFailed, match="only old versions of TLS: update its firmware"):
        take_by_https(odd, context, ca_file=str(certificate))


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
