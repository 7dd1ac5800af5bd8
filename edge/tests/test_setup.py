import contextlib
import re
import socket
import stat
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge import config
from regulars_edge.clock import Clock
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.http import Http, Timeouts
from regulars_edge.setup import command, onvif
from regulars_edge.setup.onvif import Camera, Talk, is_url_at, parse_xml
from rig.camera import PASSWORD, USER
from rig.onvif import GROUP, Device
from rig.uploader import ENTRY

from testing.reported import replays

URL = "https://regulars.example"


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.stop()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "cameras_password"
    file.write_text("secret")
    file.chmod(0o600)
    return file


def setup(device: Device, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    probe = ":".join(map(str, device.address))
    return subprocess.run(
        [ENTRY, "setup", "--probe", probe, "--wait", "2", *more],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def asked(device: Device, password: str = PASSWORD) -> list[Camera]:
    http = Http(Clock(), Timeouts(connect_s=2.0, silence_s=2.0, whole_s=2.0))
    found = onvif.Device("127.0.0.1", f"{device.url}/onvif/device_service", "it")
    return list(Talk(http, found, USER, password).list_cameras())


# what it is for


def test_a_camera_is_found_shown_and_written(
    device: Device, tmp_path: Path, password_file: Path
) -> None:
    device.password = device.camera.password = "secret"
    done = setup(
        device,
        tmp_path,
        "--url",
        URL,
        "--camera-user",
        USER,
        "--password-file",
        str(password_file),
        "--key-file",
        "key",
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    toml = tmp_path / "edge.toml"
    found = config.load(toml)
    (camera,) = found.cameras
    name = f"{command.find_box_word()}-front-door"
    assert (camera.name, camera.source, camera.place) == (name, "snapshot", device.snapshot)
    assert (camera.user, camera.password_file) == (USER, password_file)
    assert (found.url, found.api_key_file, found.make_cameras) == (URL, tmp_path / "key", True)
    assert 'source = "rtsp", url = "rtsp://127.0.0.1:554/live0?a=1&b=2"' in toml.read_text()
    picture = tmp_path / f"cameras/{name}.setup.jpg"
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    assert {stat.S_IMODE(file.stat().st_mode) for file in (toml, picture)} == {0o600}
    assert "secret" not in toml.read_text() + done.stdout
    for said in (
        f"{name}: Front door at 127.0.0.1",
        device.snapshot,
        "rtsp://127.0.0.1:554/live0",
        str(picture.name),
    ):
        assert said in done.stdout
    assert device.calls[0] == "/onvif/device_service GetSystemDateAndTime"
    assert "/onvif/media GetProfiles" in device.calls


def test_a_file_that_is_there_stays_until_told_otherwise(device: Device, tmp_path: Path) -> None:
    device.password, device.camera.asks_for = None, ""
    toml = tmp_path / "edge.toml"
    toml.write_text("mine")
    done = setup(device, tmp_path, "--url", URL)
    assert (done.returncode, toml.read_text(), device.calls) == (2, "mine", [])
    assert "--replace writes it anew" in done.stderr
    assert setup(device, tmp_path, "--url", URL, "--replace").returncode == 0
    assert config.load(toml).cameras[0].user is None
    assert stat.S_IMODE(toml.stat().st_mode) == 0o600


def test_without_a_service_it_only_shows(device: Device, tmp_path: Path) -> None:
    device.password, device.camera.asks_for = None, ""
    done = setup(device, tmp_path)
    assert done.returncode == 0
    assert "nothing was written: --url" in done.stdout
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "cameras",
        f"{command.find_box_word()}-front-door.setup.jpg",
    ]


def test_what_is_missing_is_said(device: Device, tmp_path: Path) -> None:
    done = setup(device, tmp_path, "--url", URL)
    assert done.returncode == 1
    assert (
        "lets nobody in without a password: give --camera-user and --password-file" in done.stdout
    )
    assert not (tmp_path / "edge.toml").exists()
    device.datagrams = []
    done = setup(device, tmp_path, "--url", URL)
    assert done.returncode == 1
    assert "no camera answered" in done.stdout
    assert "belong together" in setup(device, tmp_path, "--camera-user", USER).stderr
    assert "--wait: should be a number" in setup(device, tmp_path, "--wait", "nan").stderr
    assert (
        "is no address: write it as 10.0.0.9"
        in setup(device, tmp_path, "--probe", "no address").stderr
    )


def test_a_wrong_password_is_said(device: Device) -> None:
    with pytest.raises(SourceFailed, match="check user and password"):
        asked(device, "wrong")


def test_a_camera_with_a_wrong_clock_lets_in_who_asks_for_its_time(device: Device) -> None:
    device.ahead_s = 40 * 365 * 86_400
    (camera,) = asked(device)
    assert camera.picture is not None


def test_each_channel_of_a_recorder_is_a_camera(device: Device) -> None:
    device.channels = 3
    found = asked(device)
    assert [camera.stream for camera in found] == [
        f"rtsp://127.0.0.1:554/live{n}?a=1&b=2" for n in range(3)
    ]
    assert command.name_cameras(found, "box") == ["box-it-1", "box-it-2", "box-it-3"]


def test_names_are_the_devices_own_and_differ() -> None:
    def camera(address: str, name: str) -> Camera:
        return Camera(onvif.Device(address, "", name), 1)

    cameras = [
        camera("10.0.0.9", "IPC"),
        camera("10.0.0.10", "ipc"),
        camera("10.0.0.11", "Küche"),
        camera("10.0.0.12", "门"),
    ]
    assert command.name_cameras(cameras, "a") == [
        "a-ipc-10-0-0-9",
        "a-ipc-10-0-0-10",
        "a-k-che",
        "a-camera",
    ]


def test_boxes_of_one_name_call_their_cameras_apart_and_within_the_length_of_an_id() -> None:
    hosts, cards = ("raspberrypi", "Kasse (2).example.com", "门", "x" * 63), (2**47 - 1, 1)
    words = [command.find_box_word(host, card) for host in hosts for card in cards]
    assert len(set(words)) == len(words)
    device = onvif.Device("192.168.100.200", "", "a name " * 9)
    other = onvif.Device("192.168.100.201", "", "a name " * 9)
    cameras = [Camera(one, channel) for one in (device, other) for channel in range(1, 17)]
    names = [name for word in words for name in command.name_cameras(cameras, word)]
    assert len(set(names)) == len(names) == len(words) * len(cameras)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", name) for name in names)


def test_a_camera_keeps_the_name_that_it_has_in_the_file_that_is_replaced(
    device: Device, tmp_path: Path
) -> None:
    device.password, device.camera.asks_for = None, ""
    toml = tmp_path / "edge.toml"
    text = f"""
        [server]
        url = "{URL}"
        [[camera]]
        name = "ip-camera"
        source = "snapshot"
        url = "{device.snapshot}"
    """
    toml.write_text(text)
    assert setup(device, tmp_path, "--url", URL, "--replace").returncode == 0
    assert config.load(toml).cameras[0].name == "ip-camera"


def test_the_search_asks_its_group_on_the_networks_that_it_is_told(device: Device) -> None:
    target = (GROUP, device.address[1])
    found = onvif.search_devices(target, 2.0, [socket.if_nametoindex("lo")])
    assert [one.name for one in found] == ["Front door"]


# what strangers may try


def test_a_picture_is_never_paid_for_with_the_password_in_the_clear(device: Device) -> None:
    device.camera.asks_for = "Basic"
    (camera,) = asked(device)
    assert camera.picture is None
    assert "wants the password in the clear" in camera.said[0]
    assert device.camera.refused == 1


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://127.0.0.1@10.0.0.1/",
        "",
        "http://[",
        "http://127.0.0.1/\x1b",
    ],
)
def test_no_other_host_is_called_because_a_device_says_so(device: Device, uri: str) -> None:
    device.snapshot = uri.replace("\x1b", "&#127;")
    (camera,) = asked(device)
    assert camera.picture is None
    assert camera.snapshot is None or urlsplit(camera.snapshot).hostname == "127.0.0.1"
    assert camera.said


@replays(86, "agsh/onvif 170", "BigTonyTones/Tonys-Onvf-RTSP-Server 12")
@pytest.mark.parametrize("host", ["192.168.1.10", "0.0.0.0", "127.0.1.1", ""])
def test_a_camera_that_names_another_address_of_its_own_is_asked_where_it_answered(
    device: Device, host: str
) -> None:
    """It has two networks, or had another address; path and port are as it says."""
    own = urlsplit(device.snapshot)
    device.snapshot = f"http://{host}:{own.port}{own.path}"
    media = f"http://{host}:{urlsplit(device.url).port}/onvif/media_service"
    device.answers["GetCapabilities"] = f"<a><Media><XAddr>{media}</XAddr></Media></a>"
    (camera,) = asked(device)
    assert camera.picture is not None
    assert camera.snapshot == f"http://127.0.0.1:{own.port}{own.path}"
    assert "/onvif/media_service GetProfiles" in device.calls


@pytest.mark.parametrize("kind", ["LocalDateTime", "UTCDateTime"])
def test_a_wrong_clock_is_named_as_the_trouble(device: Device, kind: str) -> None:
    """It tells its local time as UTC, or nothing else, and goes by another."""
    device.ahead_s = 10 * 3600.0
    told = device.body("GetSystemDateAndTime", "").replace("UTCDateTime", kind)
    device.answers["GetSystemDateAndTime"] = f"<a>{told}</a>"
    if kind == "LocalDateTime":
        assert asked(device)[0].picture is not None
    device.ahead_s = 0.0
    with pytest.raises(SourceFailed, match=r"its clock is \+10\.0 h off"):
        asked(device)
    assert [call for call in device.calls if "GetProfiles" in call][1:] == [], (
        "nor is it tried again"
    )


def test_a_camera_with_a_wrong_clock_that_does_not_tell_it_is_said_to_be_one(
    device: Device,
) -> None:
    device.ahead_s, device.answers["GetSystemDateAndTime"] = -1.7e9, "<a/>"
    with pytest.raises(SourceFailed, match="it does not tell its time, which it may mean"):
        asked(device)


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>'
)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (LAUGHS, "document type"),
        (LAUGHS.encode("utf-16"), "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        ("", "no XML"),
        ("<a>" * 100_000, "no XML"),
        ("<a>" * 100_000 + "</a>" * 100_000, "no camera"),
        (b"<a/>" * 2**20, "more than"),
        (
            "<e><Fault><Text>not\x07 today</Text></Fault></e>".replace("\x07", "\x85"),
            "answered 200 not  today",
        ),
        ('<e><Profiles token="1"/></e>', "no camera"),
    ],
)
def test_no_answer_hurts(device: Device, answer: str | bytes, complaint: str) -> None:
    device.answers["GetProfiles"] = answer
    with pytest.raises(SourceFailed, match=complaint):
        asked(device)


def test_a_device_of_endless_channels_has_an_end(device: Device) -> None:
    many = "".join(
        f'<Profiles token="p&amp;0main"><VideoSourceConfiguration><SourceToken>{number}</'
        "SourceToken>"
        "</VideoSourceConfiguration></Profiles>"
        for number in range(500)
    )
    device.answers["GetProfiles"] = f"<a>{many}</a>"
    assert len(asked(device)) == 64


def test_what_nobody_asked_for_is_no_device(device: Device) -> None:
    device.datagrams = [b"", b"\0" * 60_000, LAUGHS.encode(), device.match(str(uuid.uuid4()))] * 20
    assert onvif.search_devices(device.address, 0.6) == []


def test_a_device_that_names_other_addresses_is_asked_at_its_own() -> None:
    question = uuid.uuid4()
    datagram = (
        f"<a><RelatesTo>uuid:{question}</RelatesTo><ProbeMatch><XAddrs>http://10.0.0.1:"
        "8899/x</XAddrs></ProbeMatch></a>"
    )
    found = onvif.parse_device(datagram.encode(), "10.0.0.9", question)
    assert found == onvif.Device("10.0.0.9", "http://10.0.0.9:8899/x", "camera")


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"<ProbeMatch>{text}</ProbeMatch>".encode())
)
def test_a_datagram_is_a_device_or_none_or_refused(data: bytes) -> None:
    with contextlib.suppress(SourceFailed):
        onvif.parse_device(data, "10.0.0.9", uuid.uuid4())


@given(st.text(max_size=40))
def test_a_url_of_another_host_is_never_at_this_one(text: str) -> None:
    assert not is_url_at(f"http://{text}", "10.0.0.9", "http") or "10.0.0.9" in text
    assert is_url_at(f"http://10.0.0.9/{text}", "10.0.0.9", "http") is (
        text.isascii() and text.isprintable() and not set(text) & set(' "\\<>')
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_file_is_valid_whatever_a_device_calls_itself(name: str, path: str) -> None:
    camera = Camera(onvif.Device("10.0.0.9", "", name), 1, stream="rtsp://10.0.0.9/a")
    try:
        text = command.make_toml(
            URL,
            [(command.name_cameras([camera])[0], camera)],
            key_file=None,
            user=path,
            password_file=Path("p"),
        )
    except Misconfigured:
        assert not path.isprintable()
        return
    assert text.count("[[camera]]") == 1


def test_xml_declares_no_encoding_that_counts() -> None:
    assert parse_xml(b'<?xml version="1.0" encoding="utf-16"?><a>x</a>').text == "x"
