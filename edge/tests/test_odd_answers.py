"""Cameras that answer oddly by RTSP and ONVIF, as people have reported them, each replayed."""

import base64
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge.clock import Clock
from regulars_edge.errors import SourceFailed
from regulars_edge.http import Http, Timeouts
from regulars_edge.setup import onvif
from regulars_edge.setup.onvif import Talk
from regulars_edge.sources.rtsp import take_frames
from rig.camera import PASSWORD, USER
from rig.film import RATE, encoded, number_of, numbered
from rig.onvif import Device
from rig.sources import stream

from testing.cost import cost
from testing.reported import replays

pytest.importorskip("av")
import av
from rig.rtsp import Rtsp, fields_of, h264

NUMBERS = [numbered(at) for at in range(4 * RATE)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, with a key frame each second."""
    return h264(tmp_path_factory.mktemp("film") / "live.h264", NUMBERS, RATE, RATE)


@pytest.fixture
def rtsp(film: Path) -> Iterator[Rtsp]:
    camera = Rtsp(film, RATE)
    yield camera
    camera.stop()


def take_pictures(url: str, number: int = 1) -> list[int]:
    """Return the numbers of a stream's first frames, each as it is drawn in the picture."""
    stop, found = threading.Event(), list[int]()
    for frame in stream(url, interval_s=0.1).frames(stop):
        found += [] if frame is None else [number_of(frame.image())]
        if len(found) == number:
            stop.set()
    return found


# descriptions of a stream

HEAD = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=film\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
MEDIA = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track\r\n"
SETS = "a=fmtp:96 packetization-mode=1;sprop-parameter-sets={}\r\na=control:track\r\n"


def with_sets(sets: str) -> str:
    return HEAD + MEDIA.replace("a=control:track\r\n", SETS.format(sets))


DESCRIPTIONS = {
    "no head": MEDIA,
    "no end of its last line": HEAD + MEDIA[:-2],
    "no c= line": HEAD.replace("c=IN IP4 127.0.0.1\r\n", "") + MEDIA,
    "no carriage returns": (HEAD + MEDIA).replace("\r\n", "\n"),
    "another codec that nothing names": (HEAD + MEDIA).replace(
        "a=control", "a=rtpmap:102 H265/90000\r\na=control"
    ),
    "two types, of which the first is used": HEAD
    + MEDIA.replace("AVP 96", "AVP 96 98").replace(
        "a=control", "a=rtpmap:98 H265/90000\r\na=control"
    ),
    "empty sets": with_sets(""),
    "one set of two": with_sets("Z0IAH5WoPASaEAAAcIAAFfkIQA==,"),
    "sets that are none": with_sets("6QAfKyiS,AAAA"),
    "sets that are no base64": with_sets("%%%%,!!"),
}


@replays(92, "AlexxIT/go2rtc 2245", "AlexxIT/go2rtc 679", "themactep/thingino-firmware 1621")
@replays(93, "DDVTECH/mistserver 295", "bluenviron/gortsplib 65")
@replays(94, "FFmpeg/FFmpeg 181", "scottlamb/retina 42", "bluenviron/mediamtx 861")
@pytest.mark.parametrize("said", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_stream_is_read_though_its_description_lacks_or_invents_something(
    rtsp: Rtsp, said: str
) -> None:
    rtsp.sdp = said
    assert take_pictures(rtsp.url) >= [0]


@replays(95, "meetecho/janus-gateway 849")
def test_parameter_sets_that_stand_in_the_description_alone_are_used(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"keyint={RATE}"}
    film = encoded(tmp_path / "film.mp4", NUMBERS, RATE, codec="libx264", options=options)
    with av.open(str(film)) as container:
        head = container.streams.video[0].codec_context.extradata
    size = int.from_bytes(head[6:8], "big")
    sets = head[8 : 8 + size], head[11 + size :]  # as MP4 has them (ISO 14496-15)
    camera = Rtsp(film, RATE)
    camera.sdp = with_sets(",".join(base64.b64encode(each).decode() for each in sets))
    try:
        assert take_pictures(camera.url) >= [0]
    finally:
        camera.stop()


@replays(96, "Ullaakut/cameradar 199")
def test_a_description_that_repeats_the_password_is_read(rtsp: Rtsp) -> None:
    rtsp.password, rtsp.asks_for = "secret", 'Digest realm="cam", nonce="n0nce"'
    place = rtsp.url.replace("//", "//admin:secret@")
    rtsp.content_base = place
    rtsp.sdp = HEAD + f"a=control:{place}\r\n" + MEDIA.replace("track", f"{place}/track")
    assert take_pictures(place) >= [0]


# answers


def lose_session(method: str, answer: bytes) -> bytes:
    return answer.replace(b"Session: 1\r\n", b"") if method == "SETUP" else answer


def write_small(_: str, answer: bytes) -> bytes:
    return answer.replace(b"Content-Length", b"Content-length").replace(b"CSeq", b"Cseq")


def say_no_reason(_: str, answer: bytes) -> bytes:
    return answer.replace(b"200 OK", b"200")


PACKET = b"$\0\0\x0c\x80\x60" + bytes(10)


def begin_early(method: str, answer: bytes) -> bytes:
    return PACKET + answer if method == "PLAY" else answer


@replays(97, "bluenviron/mediamtx 840")
@replays(98, "mbullington/yellowstone 17")
@replays(99, "membraneframework/membrane_rtsp 54", "scottlamb/retina 46")
@pytest.mark.parametrize("answers", [lose_session, write_small, say_no_reason, begin_early])
def test_a_stream_is_read_though_its_camera_answers_unlike_others(
    rtsp: Rtsp, answers: Callable[[str, bytes], bytes]
) -> None:
    rtsp.answers = answers
    assert take_pictures(rtsp.url, 3) >= [0]


@replays(100, "AlexxIT/go2rtc 2344", "AlexxIT/go2rtc 2451")
@pytest.mark.parametrize("first", [0, 1])
def test_the_surest_of_several_challenges_is_met_in_any_order(rtsp: Rtsp, first: int) -> None:
    rtsp.asks_for = 'Digest realm="cam", nonce="n0nce", algorithm="SHA-256", stale="FALSE"'
    rtsp.password, weak = "secret", b'WWW-Authenticate: Digest realm="cam", nonce="n0nce"\r\n'
    mark = [b"WWW-", b"\r\n\r\n"][first]
    with_weak = [weak + mark, b"\r\n" + weak + b"\r\n"][first]
    rtsp.answers = lambda _, answer: (
        answer.replace(mark, with_weak) if b" 401 " in answer else answer
    )
    assert take_pictures(rtsp.url.replace("//", "//admin:secret@")) >= [0]
    assert {fields_of(one)["algorithm"] for one in rtsp.heard} == {"SHA-256"}


# while it plays

OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"
BETWEEN = {
    "asks a question": OPTIONS,
    "asks without spaces": OPTIONS.replace(b" * ", b"*"),
    "bytes of no packet": bytes(range(37, 90)),
    "bytes that begin like packets": b"\0" * 9 + b"$" * 3,
    "bytes that begin like a message": b"OPTION",
    "blank lines": b"\r\n\r\n",
}


@replays(101, "bluenviron/gortsplib 93")
@replays(102, "bluenviron/gortsplib 653")
@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_what_a_camera_sends_between_packets_loses_no_picture(rtsp: Rtsp, between: bytes) -> None:
    counted = itertools.count()
    rtsp.frames = lambda packet: packet + (b"" if next(counted) % 7 else between)
    assert len(set(take_pictures(rtsp.url, 20))) == 20
    assert rtsp.connections == 1


def test_channels_may_have_any_numbers(rtsp: Rtsp) -> None:
    rtsp.transport = "RTP/AVP/TCP;unicast;interleaved=200-201"
    rtsp.frames = lambda packet: b"$" + bytes([packet[1] + 200]) + packet[2:]
    assert len(set(take_pictures(rtsp.url, 20))) == 20


class Ending(Rtsp):
    """Ends its connection within a packet."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        counted = itertools.count()

        def cut(packet: bytes) -> bytes:
            if next(counted) < 30:
                return packet
            threading.Timer(0.2, request.shutdown, (socket.SHUT_RDWR,)).start()
            self.frames = lambda _: b""
            return packet[:-9]

        self.frames = cut
        super().finish_request(request, client_address)


def test_a_camera_that_ends_within_a_packet_is_noticed_at_once(film: Path) -> None:
    camera = Ending(film, RATE)
    with pytest.raises(SourceFailed, match="has ended"):  # not: has sent nothing for 15 s
        take_pictures(camera.url, 10_000)
    camera.stop()


def test_marks_without_packets_are_passed_over_in_one_step() -> None:
    few, many = (cost(partial(take_frames, bytearray(b"$" * n))) for n in (100, 100_000))
    assert many.lines < 2 * few.lines


MESSAGE = b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 2\r\n\r\nok"


@given(
    st.lists(st.sampled_from([PACKET, OPTIONS, MESSAGE]), max_size=6),
    st.lists(st.integers(1, 60), max_size=30),
)
def test_packets_and_messages_are_taken_whole_however_their_bytes_come(
    sent: list[bytes], sizes: list[int]
) -> None:
    data, waiting, taken = b"".join(sent), bytearray(), list[bytes]()
    for size in [*sizes, len(data)]:
        waiting += data[:size]
        data = data[size:]
        taken.append(take_frames(waiting))
    assert b"".join(taken) == b"".join(sent)
    assert not waiting


@given(st.binary(max_size=300))
def test_no_bytes_hurt_whoever_looks_for_packets(noise: bytes) -> None:
    waiting = bytearray(noise)
    assert len(take_frames(waiting)) + len(waiting) <= len(noise)
    waiting += PACKET * 6_000
    taken = b"".join(take_frames(waiting) for _ in range(3))
    assert PACKET * 1_000 in taken


# ONVIF


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    device.password = None
    device.camera.asks_for = ""
    yield device
    device.stop()


def ask_streams(device: Device, user: str | None = None, password: str = "") -> list[str | None]:
    found = onvif.Device("127.0.0.1", f"{device.url}/onvif/device_service", "it")
    http = Http(Clock(), Timeouts(2, 2, 5))
    return [camera.stream for camera in Talk(http, found, user, password).list_cameras()]


def envelope(body: str, head: str = "", named: str = "") -> str:
    soap = 'xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    return (
        f'<?xml version="1.0"?><e:Envelope {soap} {named}><e:Header>{head}</e:Header>'
        f"<e:Body>{body}</e:Body></e:Envelope>"
    )


LIVE = "rtsp://127.0.0.1:554/live0?a=1&b=2"
NAMED = 'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:trt="x" xmlns:wsa="y"'
SOURCE = (
    "<tt:VideoSourceConfiguration><tt:SourceToken>v0</tt:SourceToken></tt:VideoSourceConfiguration>"
)
ENCODER = (
    "<tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1280"
    "</tt:Width><tt:Height>720</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration>"
)
FAULT = "<e:Fault><e:Reason><e:Text>AudioOutputNotSupported</e:Text></e:Reason></e:Fault>"


def profiles(*parts: str) -> str:
    found = "".join(
        part if part == FAULT else f'<trt:Profiles token="{token}">{part}</trt:Profiles>'
        for token, part in zip(["p&amp;0main", "p&amp;0sub"], parts, strict=False)
    )
    return f"<trt:GetProfilesResponse>{found}</trt:GetProfilesResponse>"


PROFILES = {
    "a prefix that it does not declare": envelope(
        profiles(SOURCE + ENCODER), "<wsa:Action>x</wsa:Action>", NAMED.partition(" xmlns:wsa")[0]
    ),
    "prefixes of which it declares none": envelope(profiles(SOURCE + ENCODER)),
    "a fault amid its answer": envelope(profiles(SOURCE + ENCODER, FAULT), named=NAMED),
    "no encoder": envelope(profiles(SOURCE), named=NAMED),
    "a profile of sound first": envelope(
        profiles("", SOURCE + ENCODER).replace("main", "none").replace("sub", "main"), named=NAMED
    ),
}


@replays(103, "home-assistant/home-assistant.io 40942")
@replays(104, "themactep/thingino-firmware 1413")
@replays(105, "agsh/onvif 369")
@pytest.mark.parametrize("answer", PROFILES.values(), ids=PROFILES)
def test_profiles_are_found_though_the_answer_is_not_as_it_should_be(
    device: Device, answer: str
) -> None:
    device.answers["GetProfiles"] = answer
    assert ask_streams(device) == [LIVE]


def tell_date(date: str) -> str:
    clock = "<Time><Hour>18</Hour><Minute>14</Minute><Second>13</Second></Time>"
    return envelope(f"<UTCDateTime>{clock}<Date>{date}</Date></UTCDateTime>")


@replays(106, "home-assistant/core 138579", "slydiman/ha_custom_onvif 5", "agsh/onvif 65")
@pytest.mark.parametrize(
    "answer",
    [
        envelope("<e:Fault><e:Reason><e:Text>not implemented</e:Text></e:Reason></e:Fault>"),
        tell_date("<Year>2485</Year><Month>13</Month><Day>13</Day>"),
        tell_date("<Year>2022</Year><Month>8</Month>"),
    ],
)
def test_a_device_that_tells_no_time_or_none_that_is_one_is_asked_by_ours(
    device: Device, answer: str
) -> None:
    device.password = PASSWORD
    device.answers["GetSystemDateAndTime"] = answer
    assert ask_streams(device, USER, PASSWORD) == [LIVE]


@replays(107, "agsh/onvif 239")
def test_an_answer_to_another_question_is_no_stream(device: Device) -> None:
    device.answers["GetStreamUri"] = envelope("<ProbeMatches><ProbeMatch/></ProbeMatches>")
    assert ask_streams(device) == [None]


@replays(108, "agsh/onvif 497", "cdavis-code/easy_onvif_workspace 72")
def test_each_part_of_a_question_is_in_its_own_namespace(device: Device) -> None:
    """Some check it (gSOAP); what they accept was reported as it went over the network."""
    schema, media = "http://www.onvif.org/ver10/schema", "http://www.onvif.org/ver10/media/wsdl"
    ask_streams(device)
    (asked,) = (text for text in device.requests if "GetStreamUri" in text)
    names = [each.tag for each in onvif.ET.fromstring(asked).iter()]
    assert [name for name in names if "soap" not in name] == [
        f"{{{media}}}GetStreamUri",
        f"{{{media}}}StreamSetup",
        f"{{{schema}}}Stream",
        f"{{{schema}}}Transport",
        f"{{{schema}}}Protocol",
        f"{{{media}}}ProfileToken",
    ]


@replays(109, "agsh/onvif 294")
def test_a_device_that_lets_in_by_digest_of_http_alone_is_asked_so(device: Device) -> None:
    device.has_http_digest = True
    assert ask_streams(device, USER, PASSWORD) == [LIVE]
    with pytest.raises(SourceFailed):
        ask_streams(device, USER, "another")
