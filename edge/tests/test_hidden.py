"""What a camera's URL asks for is shown nowhere: not by a command, a page, a log, or what the
service is told."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from regulars_edge import config, logs
from regulars_edge.capture import make_source
from regulars_edge.cli import COMMANDS, main
from regulars_edge.clock import Clock
from regulars_edge.doctor import examine_camera
from regulars_edge.errors import EdgeError
from regulars_edge.logs import redact_text, redact_url
from regulars_edge.setup import first_page
from regulars_edge.setup.command import make_camera_values, say
from rig.odd import Odd
from rig.onvif import Device
from rig.pictures import jpeg

NAMES = (
    "password", "pwd", "pass", "passwd", "loginpas", "psw", "userpwd", "pw", "auth", "token", "key",
    "secret", "zz9",
)  # fmt: skip
"""Twelve names under which cameras take a password, and one that nobody has."""
SECRET = "geheim"
QUERY = urlencode({name: f"{SECRET}{number}" for number, name in enumerate(NAMES)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.9/shot.cgi?{}={}",
        "http://10.0.0.9/shot.cgi?user=admin&{}={} answered 404: is this the snapshot's URL?",
        "rtsp://10.0.0.9:554/user=admin&{}={}&channel=1.sdp",
        'url = "rtsp://10.0.0.9/live?{}={}"',
        "{{'url': 'rtsp://10.0.0.9/live?{}={}', 'user': 'x'}}",
        "Max retries exceeded with url: /shot.cgi?{}={} (Caused by it)",
        "the folder http:/10.0.0.9/shot?{}={}: cannot be read",
        "10.0.0.9/shot?u=1;{}={}",
    ],
)
def test_no_value_of_a_query_is_shown_whatever_its_name(text: str, name: str) -> None:
    for secret in (SECRET, f"{SECRET}/{SECRET}", f"%20{SECRET};{SECRET}#{SECRET}", f"{SECRET}="):
        assert SECRET not in redact_text(text.format(name, secret))


def test_a_query_without_names_is_hidden_whole() -> None:
    for query in (SECRET, f"{SECRET}==", f"admin:{SECRET}", f"x&{SECRET}"):
        assert SECRET not in redact_text(f"at http://10.0.0.9/shot?{query}, which is busy")


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.9/0/admin:{}/main is busy",
        "rtsp://10.0.0.9:554/admin:{}",
        "rtsp://[fe80::1]:554/u/admin:{}/main",
        "http:/cam/user:{}/shot.jpg: cannot be read",
        "rtsp://10.0.0.9/0/admin%3A{}/main",
        "rtsp://10.0.0.9/0/admin%3a{}/main",
    ],
)
@pytest.mark.parametrize("secret", [SECRET, f"{SECRET}:{SECRET}", "4711471147"])
def test_no_password_in_a_path_is_shown(text: str, secret: str) -> None:
    shown = redact_text(text.format(secret))
    assert secret not in shown
    assert SECRET not in shown
    assert redact_text(shown) == shown


def test_what_stands_beside_a_url_stays_and_a_second_look_changes_nothing() -> None:
    shown = redact_text(
        'edge.toml: url = "http://10.0.0.9/shot?a=b&c=d": it is busy (http://a/b?c=d). What? a = b'
    )
    assert (
        shown
        == 'edge.toml: url = "http://10.0.0.9/shot?a=***&c=***": it is busy (http://a/b?c=***). '
        "What? a = b"
    )
    assert redact_text(shown) == shown


def test_a_url_alone_has_its_spaces_and_quotes() -> None:
    for letters in (" ", "'", '"', ") ", "\t", "\n", "ä"):
        assert SECRET not in redact_url(f"http://10.0.0.9/shot?pass=x{letters}{SECRET}")
    assert (
        redact_url("rtsp://10.0.0.9:554/Streaming/Channels/101")
        == "rtsp://10.0.0.9:554/Streaming/Channels/101"
    )


# a walk over what prints


@pytest.fixture
def odd() -> Iterator[Odd]:
    camera = Odd(jpeg(1))
    yield camera
    camera.stop()


URLS = tuple(f"{scheme}://127.0.0.1:9/shot.cgi?{QUERY}" for scheme in ("http", "rtsp", "rtsps"))


@pytest.mark.parametrize(
    ("command", "argument"),
    [(name, argument) for name, command in COMMANDS.items() for argument in command.arguments],
)
def test_no_command_shows_a_url_at_whichever_argument_it_stands(
    command: str,
    argument: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARS_EDGE_SPOOL", str(tmp_path / "spool"))
    url = URLS[1]
    others = {
        "run": ["--config", "a.toml"],
        "update": ["--config", "a.toml"],
        "setup": ["--wait", "0.1"],
    }
    needed = others.get(command, []) if argument not in ("--config", "--wait") else []
    given = [url] if argument[0] != "-" else [argument, url]
    with contextlib.suppress(SystemExit):  # of argparse
        main([command, *needed, *given])
    out = capfd.readouterr()
    assert out.out + out.err, "it said something"
    assert SECRET not in out.out + out.err


def test_no_mistake_of_edge_toml_shows_a_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [*config._CAMERA, *config.PLACES.values()]
    tables = "".join(f'[[camera]]\n{key} = "{URLS[0]}"\n' for key in dict.fromkeys(keys))
    file = tmp_path / "edge.toml"
    file.write_text(f'[server]\nurl = "{URLS[0]}"\nbox = "{URLS[0]}"\n{tables}')
    main(["check", "--config", str(file)])
    said = capsys.readouterr().err
    assert said.count("[[camera]]") >= len(set(keys)) - 3, said
    assert SECRET not in said


@pytest.mark.parametrize("url", URLS)
def test_a_camera_that_does_not_answer_is_said_without_its_secrets(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(f"""
        [server]
        url = "http://127.0.0.1:9"
        [spool]
        folder = "{tmp_path / "spool"}"
        [metrics]
        port = 0
        [[camera]]
        name = "a"
        source = "{"rtsp" if "rtsp" in url else "snapshot"}"
        url = "{url}"
    """)
    main(["check", "--config", str(file)])
    main(["check", "--camera", url])
    say(f"{examine_camera(make_camera_values('a', url)).faults}")
    out = capsys.readouterr()
    assert (out.out + out.err).count("127.0.0.1:9/shot.cgi") >= 3, out
    assert SECRET not in out.out + out.err


@pytest.mark.parametrize("kind", ["well", "no picture", "status", "moved", "wrong password"])
def test_a_camera_that_answers_is_said_without_its_secrets(
    kind: str, odd: Odd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "no picture":
        odd.body, odd.length = b"<html>", 6
    elif kind == "moved":
        odd.moved = {f"/shot.cgi?{QUERY}": f"http://10.0.0.1/elsewhere?{QUERY}"}
    elif kind != "well":
        odd.status = 401 if kind == "wrong password" else 404
        odd.headers = {"WWW-Authenticate": 'Basic realm="cam"'}
    url = f"{odd.url}/shot.cgi?{QUERY}".replace("//", "//admin:geheim@")
    code = main(["check", "--camera", url])
    out = capsys.readouterr()
    assert (code == 0 or kind != "well", "password=***" in out.out) == (True, True)
    assert SECRET not in out.out + out.err


def test_what_the_service_and_the_log_are_told_has_none(
    odd: Odd, caplog: pytest.LogCaptureFixture
) -> None:
    odd.status = 404
    row = make_camera_values("a", f"{odd.url}/shot.cgi?{QUERY}") | {"send": "all"}
    read = config.parse_config({"server": {"url": "http://127.0.0.1:9"}, "camera": [row]})
    with pytest.raises(EdgeError) as told:
        next(iter(make_source(read.cameras[0], read, Clock()).frames(threading.Event())))
    assert SECRET not in str(told.value), "a heartbeat has it so"
    with caplog.at_level(logging.ERROR):
        logging.getLogger("regulars_edge").error("%s", f"{odd.url}/shot.cgi?{QUERY}")
    [record] = caplog.records
    assert logs.Redaction().filter(record)
    assert SECRET not in record.getMessage()


def test_the_search_for_cameras_shows_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device()
    device.password = None
    device.snapshot = f"http://127.0.0.1:{device.camera.port}/shot.jpg?{escape(QUERY)}"
    device.camera.asks_for = ""
    monkeypatch.chdir(tmp_path)
    address = ":".join(map(str, device.address))
    main(
        [
            "setup",
            "--url",
            "https://a.example",
            "--probe",
            address,
            "--wait",
            "1",
            "--pictures",
            str(tmp_path),
        ]
    )
    out = capsys.readouterr()
    device.stop()
    assert "password=***" in out.out, out
    assert SECRET not in out.out + out.err
    assert QUERY in (tmp_path / "edge.toml").read_text(), "which is what it is for"


def test_the_page_of_a_new_box_gives_no_url_back_that_has_any(tmp_path: Path) -> None:
    assert SECRET not in first_page.make_page(first_page.Form(), [f"{url} is none" for url in URLS])
    for place in (
        *URLS,
        f"10.0.0.9/shot?{QUERY}",
        f"admin:{SECRET}@10.0.0.9",
        f"rtsp://10.0.0.9/pass={SECRET}",
    ):
        assert SECRET not in first_page.make_page(first_page.Form(place=place))
    assert "rtsp://10.0.0.9/live" in first_page.make_page(
        first_page.Form(place="rtsp://10.0.0.9/live")
    )
