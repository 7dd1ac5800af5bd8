import io
import json
import logging
import random
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from hashlib import md5
from pathlib import Path
from pkgutil import resolve_name
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge import cli, config, exits
from regulars_edge.capture import read_address
from regulars_edge.cli import main
from regulars_edge.config import KEY_VARIABLE, CameraConfig, load, read_api_key, read_secret
from regulars_edge.errors import Misconfigured
from regulars_edge.health import Machine
from regulars_edge.http import Address
from regulars_edge.logs import JsonLines, Redaction, redact_text
from regulars_edge.pace import PIECE_BYTES, Backoff, Bandwidth, Hours, PerMinute, throttle_stream
from regulars_edge.picture import parse_exif_ms
from regulars_edge.sources.login import Credentials
from rig import pictures

NOW_MS = 1_790_000_000_000


# pictures


@pytest.mark.parametrize(
    ("offset", "zone", "expected"),
    [
        ("+02:00", None, datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)),
        (None, ZoneInfo("Asia/Shanghai"), datetime(2026, 3, 3, 21, 6, 7, tzinfo=UTC)),
        (None, timezone(timedelta(hours=-5)), datetime(2026, 3, 4, 10, 6, 7, tzinfo=UTC)),
        (None, None, datetime(2026, 3, 4, 5, 6, 7).astimezone()),
    ],
    ids=["its own offset", "the zone that is set", "another zone", "the machine's zone"],
)
def test_exif_time_with_and_without_an_offset(
    offset: str | None, zone: ZoneInfo | None, expected: datetime
) -> None:
    data = pictures.jpeg_with_exif(1, "2026:03:04 05:06:07", offset)
    assert parse_exif_ms(data, zone, NOW_MS) == round(expected.timestamp() * 1000)


def test_exif_subseconds_that_are_no_number_count_as_none() -> None:
    data = pictures.jpeg_with_exif(1, "2026:03:04 05:06:07", "+00:00", "777").replace(
        b"777\0", b"\xb277\0"
    )
    assert parse_exif_ms(data, None, NOW_MS) == round(
        datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp() * 1000
    )


@pytest.mark.parametrize(
    "taken",
    [
        "0000:00:00 00:00:00",
        "1970:01:01 00:00:00",
        "2000:01:01 00:00:12",
        "2099:01:01 00:00:00",
        "yesterday",
        "",
    ],
)
def test_an_exif_time_that_cannot_be_is_none(taken: str) -> None:
    assert parse_exif_ms(pictures.jpeg_with_exif(1, taken, "+00:00"), None, NOW_MS) is None


@given(st.binary(max_size=400))
def test_no_bytes_make_the_exif_reader_fail(data: bytes) -> None:
    parse_exif_ms(b"\xff\xd8\xff\xe1" + data, None, NOW_MS)


# pace


def test_backoff_is_full_jitter_under_a_cap() -> None:
    backoff = Backoff(base_s=1, cap_s=60, rng=random.Random(1))
    waits = [backoff.count_failure() for _ in range(200)]
    assert waits[0] <= 1
    assert max(waits) <= 60
    assert min(waits[10:]) < 10
    assert 25 < sum(waits[10:]) / 190 < 35, "on the average, half of the cap"
    backoff.reset_failures()
    assert backoff.count_failure() <= 1


def test_backoff_waits_at_least_what_the_service_asks_for_within_reason() -> None:
    backoff = Backoff(base_s=1, rng=random.Random(1))
    assert 30 <= backoff.count_failure(retry_after_s=30) <= 31
    assert backoff.count_failure(retry_after_s=1e9) <= 3602


def test_bandwidth_is_kept_over_all_streams() -> None:
    now = [0.0]
    cap = Bandwidth(
        2 * PIECE_BYTES,
        now=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
    )
    for _ in range(2):
        assert (
            sum(map(len, throttle_stream(io.BytesIO(bytes(10 * PIECE_BYTES)), cap)))
            == 10 * PIECE_BYTES
        )
    assert 9.0 <= now[0] <= 10.0


def test_hours_over_midnight_and_by_zone() -> None:
    night = Hours.read_spans(["22:00-06:00"], ZoneInfo("Europe/Berlin"))

    def at(hour: int) -> int:
        return round(
            datetime(2026, 1, 5, hour, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000
        )

    assert [night.is_open_at(at(hour)) for hour in (21, 22, 23, 0, 5, 6, 12)] == [
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert Hours.read_spans([]).is_open_at(0)
    with pytest.raises(ValueError, match="write them as 22:00-06:00"):
        Hours.read_spans(["22-6"])


def test_hours_of_some_days() -> None:
    shop = Hours.read_spans(["Mon-Fri 08:00-20:00", "sat 09:00-14:00", "Fri-Sat 22:00-02:00"], UTC)

    def open_at(day: int, hour: int) -> bool:
        return shop.is_open_at(
            round(datetime(2026, 1, 4 + day, hour, tzinfo=UTC).timestamp() * 1000)
        )

    sunday, monday, friday, saturday = 0, 1, 5, 6
    assert [open_at(monday, hour) for hour in (1, 7, 8, 19, 20, 23)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert [open_at(friday, hour) for hour in (1, 21, 22, 23)] == [False, False, True, True]
    assert [open_at(saturday, hour) for hour in (1, 8, 9, 14, 23)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert [open_at(sunday + 7, hour) for hour in (1, 2, 12, 23)] == [True, False, False, False]
    assert [span.start // 1440 for span in Hours.read_spans(["Sat-Mon 08:00-09:00"]).spans] == [
        5,
        6,
        0,
    ]
    with pytest.raises(ValueError, match="or as Mon-Fri"):
        Hours.read_spans(["Mo-Fr 08:00-20:00"])


@given(st.lists(st.floats(0, 40), max_size=60), st.integers(1, 10))
def test_never_more_than_the_number_a_minute(passed_s: list[float], limit: int) -> None:
    now = [0.0]
    per_minute = PerMinute(limit, now=lambda: now[0])
    taken: list[float] = []
    for seconds in passed_s:
        now[0] += seconds
        if not per_minute.wait_s():
            per_minute.take()
            taken.append(now[0])
    assert all(sum(at <= other < at + 60 for other in taken) <= limit for at in taken)


# secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa@ss:w@10.0.0.9:554/live", "rtsp://***@10.0.0.9:554/live"),
        ("Authorization: Bearer rk_12345", "Authorization: Bearer ***"),
        (
            "https://s3/x?X-Amz-Signature=abc&X-Amz-Date=1",
            "https://s3/x?X-Amz-Signature=***&X-Amz-Date=***",
        ),
        ("http://admin:12/x@cam/1 is refused", "http://***@cam/1 is refused"),
        (
            "the folder rtsp:/admin:it's x@cam cannot be read",
            "the folder rtsp://***@cam cannot be read",
        ),
        ("http://host/path@home and nothing else", "http://***@home and nothing else"),
    ],
)
def test_secrets_are_redacted(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_no_password_of_a_url_survives(password: str) -> None:
    assert f":{password}@" not in redact_text(f"error at rtsp://user:{password}@cam/1: refused")


@pytest.mark.parametrize("source", ["rtsp", "snapshot"])
@pytest.mark.parametrize(
    "password", ["geheim/x", "geheim?x", "geheim#x", "geh[eim", "geheim℀", "12/geheim", "/geheim"]
)
def test_a_url_whose_password_cuts_it_short_is_refused_and_not_shown(
    source: str, password: str
) -> None:
    scheme = {"rtsp": "rtsp", "snapshot": "http"}[source]
    with pytest.raises(Misconfigured, match=r"url is none.* password_file") as told:
        read_address(CameraConfig("door", source, f"{scheme}://admin:{password}@127.0.0.1/1"))
    assert "geh" not in str(told.value)


def test_a_url_in_a_wrong_place_of_edge_toml_is_said_without_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(
        '[server]\nurl = "https://a.example"\n[[camera]]\nname = "a"\nsource = '
        '"rtsp://admin:12/x@cam"\n'
    )
    assert main(["check", "--config", str(file)]) == exits.MISUSED
    assert "'rtsp://***@cam' should be one of" in capsys.readouterr().err


def test_logs_hide_keys_in_messages_arguments_and_exceptions() -> None:
    out = io.StringIO()
    handler, redaction = logging.StreamHandler(out), Redaction()
    redaction.hide("rk_secret")
    handler.addFilter(redaction)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("test_redaction")
    log.addHandler(handler)
    log.propagate = False
    try:
        raise ValueError("key rk_secret at http://u:p@h/")
    except ValueError:
        log.exception("with %s", "rk_secret")
    log.removeHandler(handler)
    row = json.loads(out.getvalue())
    assert row["message"] == "with ***"
    assert "rk_secret" not in out.getvalue()
    assert "u:p" not in out.getvalue()


def test_a_key_that_comes_while_a_line_is_written_is_no_fault() -> None:
    """Each camera's threads read their key anew, and all write to one log."""
    redaction = Redaction()
    redaction.hide("rk_old")

    class Line(str):
        def replace(self, *_: object) -> str:
            redaction.hide("rk_new")
            return "***"

    assert redaction.text(Line("rk_old")) == "***"


@pytest.mark.parametrize("text", ["port = ", "port = " + "9" * 5_000, "port = " + "[" * 20_000])
def test_a_configuration_that_is_no_toml_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=r"edge\.toml is no TOML"):
        load(file)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rk_1\n")
    file.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        read_api_key(file, {})
    file.chmod(0o600)
    assert read_api_key(file, {}) == "rk_1"
    assert read_api_key(None, {"REGULARS_API_KEY": "rk_2"}) == "rk_2"
    with pytest.raises(Misconfigured, match="no API key"):
        read_api_key(None, {})
    file.write_text("two words")
    with pytest.raises(Misconfigured, match="one word"):
        read_api_key(file, {})


def test_what_systemd_hands_out_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rk_1")
    file.chmod(0o440)
    assert read_secret(file, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "rk_1"


@pytest.mark.parametrize("password", ["correct horse", "Käsekuchen", "p@ss:w/rd"])
def test_a_cameras_password_may_hold_any_character(tmp_path: Path, password: str) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password}\n")
    file.chmod(0o600)
    assert read_secret(file) == password
    with pytest.raises(Misconfigured, match="is no API key"):
        read_api_key(file, {}) if " " in password or not password.isascii() else read_api_key(
            None, {KEY_VARIABLE: "two words"}
        )


# cameras' authentication


def test_digest_as_rfc_7616_works_it_out() -> None:
    """Section 3.9.1: the same user, both algorithms; the stronger one is chosen."""
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    expected = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, response in expected.items():
        credentials = Credentials("Mufasa", "Circle of Life", lambda: cnonce)
        assert credentials.accept_challenge([challenge.format(algorithm)])
        assert f'response="{response}"' in str(
            credentials.header("GET", "http://www.example.org/dir/index.html")
        )
    credentials = Credentials("Mufasa", "Circle of Life", lambda: cnonce)
    assert credentials.accept_challenge(
        [challenge.format("MD5"), challenge.format("SHA-256"), 'Basic realm="x"']
    )
    assert expected["SHA-256"] in str(
        credentials.header("GET", "http://www.example.org/dir/index.html")
    )


def test_digest_without_quality_as_rfc_2069() -> None:
    credentials = Credentials("Mufasa", "CircleOfLife")
    assert credentials.accept_challenge(
        [
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )
    header = str(credentials.header("GET", "http://www.nowhere.org/dir/index.html"))
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in header, "the erratum's value"
    assert "qop" not in header


@pytest.mark.parametrize("url", ["http://cam/küche", "http://cam/厨房"])
def test_an_authorization_can_be_sent_as_a_header_whatever_is_in_it(url: str) -> None:
    for challenge in (
        'Digest realm="Büro", nonce="y"',
        'Digest realm="\xe5\x8e\xa8", nonce="y"',
        'Basic realm="Büro"',
    ):
        credentials = Credentials("köchin厨", "pässwort厨")
        assert credentials.accept_challenge([challenge])
        header = credentials.header("GET", url) or ""
        assert header.encode("latin-1")
        assert challenge.startswith("Basic") or challenge.split(",")[0].partition(" ")[2] in header


def test_a_password_of_a_url_may_be_latin_1_as_old_cameras_know_it() -> None:
    address = Address.read("http://admin:p%E4ss@cam/")
    credentials = Credentials(address.user or "", address.password, lambda: "c")
    assert credentials.accept_challenge(['Basic realm="x"'])
    basic = b64encode(b"admin:p\xe4ss").decode()
    assert credentials.header("GET", address.url) == f"Basic {basic}"
    assert credentials.accept_challenge(['Digest realm="x", nonce="n"'])
    secret, what = (md5(text).hexdigest() for text in (b"admin:x:p\xe4ss", b"GET:/"))
    response = md5(f"{secret}:n:{what}".encode()).hexdigest()
    assert f'response="{response}"' in (credentials.header("GET", address.url) or "")


def test_a_number_sign_in_a_query_is_one_of_its_value() -> None:
    assert Address.read("http://cam/shot?pwd=a#b&x=c#d").url == "http://cam/shot?pwd=a%23b&x=c%23d"
    assert Address.read("rtsp://cam/live?pwd=a#b").url == "rtsp://cam/live?pwd=a#b"


@pytest.mark.parametrize(
    "more", ['qop="auth', 'QOP="AUTH"', 'qop="auth", algorithm=""', "qop=auth, algorithm=md5,"]
)
def test_a_challenge_that_is_written_carelessly_is_met(more: str) -> None:
    credentials = Credentials("u", "p")
    assert credentials.accept_challenge([f'Digest realm="x", nonce="n", {more}'])
    header = credentials.header("GET", "http://cam/") or ""
    assert 'nonce="n"' in header
    assert "qop=auth, nc=00000001" in header


def test_basic_is_not_given_to_who_has_asked_for_digest_before() -> None:
    credentials = Credentials("u", "p")
    for challenge, is_met in (
        ('Digest realm="x", nonce="y"', True),
        ('Basic realm="x"', False),
        ('Basic realm="x"', False),
    ):
        assert credentials.accept_challenge([challenge]) == is_met
        assert not (credentials.header("GET", "http://cam/") or "").startswith("Basic")


def test_a_challenge_that_cannot_be_met_is_said() -> None:
    assert not Credentials("u", "p").accept_challenge(
        ['Digest realm="x", nonce="y", algorithm=MD9']
    )
    assert not Credentials("u", "p").accept_challenge(
        ['Digest realm="x", nonce="y", qop="auth-int"', "Negotiate"]
    )


@pytest.mark.parametrize(
    "challenge", ["Digest nonsense", "Digest nonce=", 'Digest nonce="a", realm=, =b, "']
)
def test_a_challenge_that_is_no_challenge_breaks_nothing(challenge: str) -> None:
    credentials = Credentials("u", "p")
    if credentials.accept_challenge([challenge]):
        assert 'nonce="a"' in (credentials.header("GET", "http://cam/") or "")


# configuration

CAMERA = {"name": "door", "source": "snapshot", "url": "http://cam/shot.jpg"}
FOLDER = {"name": "d", "source": "folder", "folder": "/f"}
SERVER = {"url": "https://regulars.example/"}


def of(**more: object) -> dict[str, object]:
    return {"camera": [{**CAMERA, **more}]}


def test_a_small_configuration_has_sensible_defaults(tmp_path: Path) -> None:
    found = config.parse_config(
        {"server": SERVER, "camera": [CAMERA]}, environment={"HOME": str(tmp_path)}
    )
    assert found.url == "https://regulars.example"
    assert found.spool == tmp_path / ".local/state/regulars-edge"
    assert (found.cameras[0].interval_s, found.cameras[0].per_minute) == (1.0, 60)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ({"server": {}}, r"\[server\]: url is missing"),
        ({"server": {"url": "regulars.example"}}, "no URL of a service"),
        ({"server": {"url": "http://."}}, "no URL of a service"),
        ({"server": {"url": "http://regulars example"}}, "no URL of a service"),
        ({"server": {"url": "https://regulars..example"}}, "no URL of a service"),
        ({"server": {"url": "https://u:p@regulars.example"}}, "the key goes into a file"),
        ({"server": {"url": "https://u:12/p@regulars.example"}}, "the key goes into a file"),
        ({"spool": {"max_mib": float("nan")}}, r"max_mib: should be a number of at most 1,000"),
        ({"spool": {"min_free_mib": 10**400}}, "min_free_mib: should be a number of at most"),
        ({"spool": {"max_mib": -1}}, "max_mib: should be more than 0"),
        ({"spool": {"unsent_days": 0}}, "unsent_days: should be more than 0"),
        ({"spool": {"drop": "all"}}, "one of newest, oldest"),
        ({"upload": {"kib_per_s": 0}}, "kib_per_s: should be more than 0"),
        (
            {"server": {**SERVER, "heartbeat_s": 301}},
            "heartbeat_s: should be more than 0 and at most 300",
        ),
        ({"metrics": {"port": 99_999}}, "port: should be 0 to 65535"),
        ({"metrics": {"port": -1}}, "port: should be 0 to 65535"),
        (of(per_minute=0), "per_minute: should be 1 or more"),
        (of(min_face_px=0), "min_face_px: should be 1 or more"),
        (of(early=True), "early needs send"),
        (of(face_score=70), "face_score: should be more than 0 and at most 1"),
        (of(name="\u95e8" * 51), "at most 150 bytes: use the id"),
        ({"camera": CAMERA}, r"write \[\[camera\]\]"),
        ({"camera": [CAMERA, CAMERA]}, "the same source twice"),
        ({"upload": {"hours": ["8-18"]}}, "22:00-06:00"),
        (of(capture_hours=["8-18"]), "capture_hours: '8-18' are no hours"),
        (
            {
                "server": SERVER,
                "camera": [
                    {
                        "name": "d",
                        "source": "folder",
                        "folder": "/f",
                        "capture_hours": ["08:00-18:00"],
                    }
                ],
            },
            "of cameras that are asked",
        ),
        ({"zone": "Berlin"}, "Europe/Berlin"),
        ({"spol": {}}, "spol: no such setting; did you mean spool?"),
        ({"camera": [{**FOLDER, "send": "faces"}]}, "leave out `send`"),
        ({"camera": [{**FOLDER, "after": "move:"}]}, "after is"),
    ],
)
def test_a_wrong_configuration_is_told_with_the_place(
    raw: dict[str, object], complaint: str
) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        config.parse_config({"server": SERVER, **raw}, environment={"HOME": "/nowhere"})


def test_settings_of_the_whole_box_take_the_place_of_the_files_and_what_makes_no_sense_is_left_out() -> (  # noqa: E501
    None
):
    upload = {"kib_per_s": 5, "hours": ["08:00-09:00"]}
    found = config.parse_config({"server": SERVER, "zone": "Asia/Tokyo", "upload": upload})
    now = found.with_settings(
        {"kib_per_s": 200, "mib_per_month": 7, "upload_hours": ["09:00-10:00"], "send": "all"}
    )
    assert (now.bandwidth_bytes_s, now.bytes_a_month) == (200 * 1024, 7 * 2**20)
    assert now.hours.is_open_at(0) != found.hours.is_open_at(0), "9 o'clock in Tokyo"
    assert (
        found.with_settings({"kib_per_s": "much", "mib_per_month": 0, "upload_hours": ["x"]})
        == found
    )


def test_all_faults_of_a_configuration_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        config.parse_config(
            {
                "server": {**SERVER, "keyfile": "/k"},
                "spool": {"max_mib": "2"},
                "camera": [{**CAMERA, "interval_s": 0, "sent": "all"}, {**FOLDER, "source": "ftp"}],
            },
            environment={"HOME": "/nowhere"},
        )
    assert sorted(str(caught.value).split("\n")) == [
        "edge.toml [[camera]] 1 interval_s: should be more than 0",
        "edge.toml [[camera]] 1: sent: no such setting; did you mean send?",
        "edge.toml [[camera]] 2 source: 'ftp' should be one of folder, snapshot, rtsp, usb, video",
        "edge.toml [server]: keyfile: no such setting; did you mean api_key_file?",
        "edge.toml [spool] max_mib: '2' should be of type float",
    ]


def test_importing_the_command_line_is_cheap() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import regulars_edge.cli, sys; print([m for m in ('PIL','urllib3','av','numpy') if m "
            "in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_says_what_it_does_and_what_its_codes_mean(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.make_parser().parse_args([command, "--help"])
    usage, said, *_, codes = capsys.readouterr().out.split("\n\n")
    assert codes.startswith("exit codes:")
    assert usage.startswith(f"usage: regulars-edge {command} ")
    assert said.endswith(".")
    assert callable(resolve_name(f"regulars_edge.{cli.COMMANDS[command].run}"))


# the machine


def test_a_machine_keeps_its_id_and_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    parsed = config.parse_config({"server": {"url": "https://regulars.example", "box": "shop-12"}})
    machine = Machine.of_folder(parsed, tmp_path)
    assert len(machine.id) == 16
    assert machine.name == "shop-12"
    assert Machine.of_folder(parsed, tmp_path) == machine
    for damaged in ("", machine.id[:7], machine.id + "x"):
        (tmp_path / "box").write_text(damaged)
        assert len(Machine.of_folder(parsed, tmp_path).id) == 16
    (tmp_path / "box").write_bytes(b"\xff" * 16)
    assert Machine.of_folder(parsed, tmp_path).id not in (
        machine.id,
        Machine.of_folder(parsed, tmp_path / "gone").id,
    )


def test_the_temperature_is_that_of_the_hottest_sensor_that_can_be_read(tmp_path: Path) -> None:
    assert Machine("b1", "shop", tmp_path).describe() == {"box": "b1", "box_name": "shop"}
    for number, text in enumerate(["48500\n", "61234\n", "asleep"]):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(text)
    assert Machine("b1", "shop", tmp_path).describe()["temperature_c"] == 61
