"""`regulars-edge claim --page`: a box without edge.toml is claimed on a page, which strangers
cannot use for more."""

import html
import http.client
import re
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from regulars_edge import cli, config, exits, reach
from regulars_edge.doctor import Findings
from regulars_edge.errors import Busy, Misconfigured, NotAllowed, SourceFailed, Unreachable
from regulars_edge.setup import first_page
from regulars_edge.setup.command import replace_rows
from regulars_edge.setup.first_page import FirstPage, Form
from rig.box import until
from rig.film import RATE
from rig.page_texts import Texts
from rig.real import Regulars
from rig.uploader import ENTRY

from testing.ports import free_port

CODE, URL = "7KQM-2XHP-94TD", "https://regulars.example"
PASSWORD = "s3cr3t<&\"'"
STREAM = "rtsp://10.0.0.9/live"
INNER = "AccessKeyId"
"""What a service that is no camera answers."""


# what is entered


@pytest.mark.parametrize(
    "text",
    [
        f"{CODE} {URL}",
        f"  {CODE}\n{URL}/ \n",
        f"regulars-edge claim {CODE} {URL}",
        f"regulars-edge claim {CODE} {URL} --camera 'rtsp://x'\nregulars-edge check --config "
        "edge.toml",
    ],
)
def test_code_and_address_are_read_as_the_console_shows_them(text: str) -> None:
    assert first_page.parse_code(text, None) == (CODE, URL)
    assert first_page.parse_code(text, URL) == (CODE, URL)


@pytest.mark.parametrize(
    ("text", "only_url", "said"),
    [
        ("", None, "enter code and address"),
        (CODE, None, "enter code and address"),
        (f"{CODE} ftp://x", None, "no URL of a service"),
        (f"{CODE} http://192.168.7.2:8000", None, "has to begin with https://"),
        (f"{CODE} https://u:p@x", None, "without user"),
        (f"{CODE} https://evil.example", URL, f"codes of {URL} alone"),
        (f"<b> {URL}", None, "enter code and address"),
    ],
)
def test_a_code_that_cannot_count_is_not_tried(text: str, only_url: str | None, said: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(said)):
        first_page.parse_code(text, only_url)


def test_a_service_in_the_clear_is_taken_on_the_box_itself_or_if_the_image_names_it() -> None:
    for url, only_url in (
        ("http://127.0.0.1:8000", None),
        ("http://192.168.7.2:8000", "http://192.168.7.2:8000"),
    ):
        assert first_page.parse_code(f"{CODE} {url}", only_url) == (CODE, url)
    assert first_page.parse_code(CODE, URL) == (CODE, URL)


def test_a_camera_is_a_url_or_an_address_and_its_password_leaves_the_url() -> None:
    for place, user, password, found in (
        (STREAM, "", "", (STREAM, None, "")),
        (" 10.0.0.9 ", "admin", "x", ("10.0.0.9", "admin", "x")),
        ("HTTPS://cam/shot.jpg", "admin", "", ("https://cam/shot.jpg", "admin", "")),
        ("rtsp://admin:p%40ss@10.0.0.9/live", "", "", (STREAM, "admin", "p@ss")),
    ):
        address = first_page.parse_camera(Form(place=place, user=user, password=password))
        assert (address.url, address.user, address.password) == found


@pytest.mark.parametrize(
    "form",
    [
        *(
            Form(place=place)
            for place in ("", "/etc/passwd", "/dev/video0", "file:///x", "rtsp://", "rtsp:///live")
        ),
        *(
            Form(place=place)
            for place in (
                "rtsp://a:0/x",
                "rtsp://a/\n[server]",
                "gopher://x/",
                "10.0.0",
                "rtsp://[x/",
            )
        ),
        Form(place=STREAM, password="x"),
        Form(place=STREAM, user="admin", password="x "),
        Form(place=STREAM, user="ad\nmin"),
    ],
)
def test_what_is_no_camera_is_refused(form: Form) -> None:
    with pytest.raises(Misconfigured):
        first_page.parse_camera(form)


@given(st.binary(max_size=200))
def test_any_body_is_a_form_or_a_mistake(body: bytes) -> None:
    try:
        form = first_page.parse_form(body)
        first_page.parse_camera(form)
        first_page.parse_code(form.code, None)
    except Misconfigured:
        pass


# who asks


@pytest.mark.parametrize(
    "host", ["192.168.7.9:9110", "[fe80::1]:9110", "shop-12:9110", "SHOP-12.local", "127.0.0.1"]
)
def test_the_page_answers_by_an_address_and_its_own_names(host: str) -> None:
    for origin in (None, f"http://{host}"):
        assert first_page.find_objection(host, origin, "192.168.7.50", {"shop-12"}) is None


@pytest.mark.parametrize(
    ("host", "origin", "caller"),
    [
        *(
            (host, None, "192.168.7.50")
            for host in ("evil.example", "shop-12.evil.example", "", "[", "a@evil.example")
        ),
        ("192.168.7.9:9110", "https://evil.example", "192.168.7.50"),
        ("192.168.7.9:9110", "http://192.168.7.9", "192.168.7.50"),
        ("192.168.7.9:9110", "null", "192.168.7.50"),
        ("192.168.7.9:9110", None, "8.8.8.8"),
    ],
)
def test_other_websites_other_names_and_the_internet_get_nothing(
    host: str, origin: str | None, caller: str
) -> None:
    assert first_page.find_objection(host, origin, caller, {"shop-12", "localhost"})


# what the page does


class Fakes:
    """The service, whose good codes are `good`, and a camera, which shows `picture` if the password
    is right."""

    def __init__(self, folder: Path) -> None:
        self.good = {CODE}
        self.used = list[str]()
        self.seen = list[Mapping[str, object]]()
        self.now = 1_000.0
        self.address = "10.0.0.9"
        self.id = "cam_1"
        self.page = FirstPage(
            folder / "edge.toml",
            has_cameras=(folder / "edge.toml").exists(),
            use_code=self.use_code,
            examine=self.examine,
            find_address=lambda _: self.address,
            now=lambda: self.now,
            sleep=self.wait,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def use_code(self, code: str, url: str) -> tuple[str, str]:
        self.used.append(code)
        if code not in self.good:
            raise NotAllowed("this code is not good any more")
        self.good.remove(code)
        return self.id, "ck_1"

    def examine(self, values: Mapping[str, object]) -> Findings:
        self.seen.append(values)
        if config.read_secret(Path(str(values["password_file"]))) != PASSWORD:
            return Findings([f"refuses user and password {INNER}"])
        more = {"transport": "udp", "rotate": 90}
        return Findings(
            ["it sends by UDP only"], more, 3, ["no face"], Image.new("RGB", (1920, 1080))
        )

    def press(self, **more: str) -> str:
        token = html.unescape(re.findall('name="token" value="(.*?)"', self.page.show())[0])
        form = {
            "code": f"{CODE} {URL}",
            "place": STREAM,
            "user": "admin",
            "password": PASSWORD,
            "token": token,
        }
        return self.page.answer_form(urlencode(form | more).encode(), "192.168.7.50")


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


def test_a_box_is_connected_by_one_form(fakes: Fakes, tmp_path: Path) -> None:
    said = fakes.press()
    assert "The camera is connected" in said
    assert 'src="data:image/jpeg;base64,/9j/' in said
    [camera] = config.load(tmp_path / "edge.toml").cameras
    assert (camera.name, camera.place, camera.user, camera.send) == (
        "cam_1",
        STREAM,
        "admin",
        "best_shot",
    )
    assert (camera.transport, camera.rotate) == ("udp", 0), (
        "what one face lets guess is not written"
    )
    assert config.read_secret(camera.password_file) == PASSWORD
    assert config.read_secret(camera.api_key_file) == "ck_1"
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert fakes.page.is_over
    assert "has a camera already" in fakes.press()


def test_after_a_wrong_password_the_form_stays_and_the_code_still_counts(
    fakes: Fakes, tmp_path: Path
) -> None:
    said = fakes.press(password="wrong-one")
    assert "are user and password right?" in said
    assert CODE in said
    assert STREAM in said
    assert 'value="admin"' in said
    assert "wrong-one" not in said
    assert [*tmp_path.iterdir()] == [], "nothing is left behind"
    assert "The camera is connected" in fakes.press()
    assert fakes.used == [CODE], "a code is good once, and its answer is remembered"


def fail_with(error: Exception) -> Callable[[object], Findings]:
    def fail(_: object) -> Findings:
        raise error

    return fail


FAILURES = {
    "refused": Findings([f"{STREAM} does not answer: Connection refused"]),
    "empty": Findings(["no picture within 20 s"]),
    "another status": Findings([f"{STREAM} answered 404"]),
    "wrong password": Findings(["refuses user and password"]),
    "no RTSP": Findings([f"answers something that is no RTSP: {INNER}"]),
    "it raises": SourceFailed(INNER),
    "broken picture": OSError(f"broken picture {INNER}"),
    "what nobody thought of": ValueError(INNER),
    "a long answer": SourceFailed(
        f"{'x' * 220} rtsp://admin:{PASSWORD}{'y' * 300}@10.0.0.9/ \n192.168.7.1: all is well"
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_whatever_answers_reads_alike_is_logged_and_leaves_nothing(
    kind: str, fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = fakes.press(password="wrong-one")
    failure = FAILURES[kind]
    fakes.page.examine = fail_with(failure) if isinstance(failure, Exception) else lambda _: failure
    before = capsys.readouterr().out, fakes.now
    assert fakes.press() == first
    assert fakes.now - before[1] >= first_page.WAIT_S, "nor is it told by how soon it is answered"
    assert [*tmp_path.iterdir()] == [], "and no password"
    assert INNER not in first
    assert PASSWORD not in first
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("192.168.7.50: ")
    assert line.endswith(f" (no picture from {STREAM})")
    assert PASSWORD not in line


def test_whatever_a_service_answers_to_a_code_reads_alike_unless_the_box_was_made_for_it(
    fakes: Fakes,
) -> None:
    answers = []
    for error in (
        NotAllowed(f"answered 403 {INNER}"),
        Unreachable("refused"),
        Busy("later"),
        ValueError(INNER),
    ):
        fakes.page.use_code = fail_with_code(error)
        answers.append(fakes.press())
    assert len(set(answers)) == 1
    assert "did not count" in answers[0]
    assert INNER not in answers[0]
    fakes.page.only_url = URL
    fakes.page.use_code = fail_with_code(NotAllowed("this code is not good any more"))
    assert "not good any more" in fakes.press()


def fail_with_code(error: Exception) -> Callable[[str, str], tuple[str, str]]:
    def fail(*_: object) -> tuple[str, str]:
        raise error

    return fail


def test_a_camera_is_asked_where_its_name_led_once_and_edge_toml_has_the_name(
    fakes: Fakes, tmp_path: Path
) -> None:
    fakes.address = "10.0.0.7"
    assert "The camera is connected" in fakes.press(place="rtsps://cam.local:8443/live?channel=2")
    assert (fakes.seen[0]["url"], fakes.seen[0]["tls_name"]) == (
        "rtsps://10.0.0.7:8443/live?channel=2",
        "cam.local",
    )
    [camera] = config.load(tmp_path / "edge.toml").cameras
    assert (camera.place, camera.tls_name) == ("rtsps://cam.local:8443/live?channel=2", None)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_is_entered_becomes_markup_and_no_password_is_shown(
    code: str, place: str, user: str
) -> None:
    hostile = "\"'><script>alert(1)</script></textarea>"
    plain = Texts(first_page.make_page(Form(), ["x"])).tags
    form = Form(hostile + code, hostile + place, hostile + user, PASSWORD)
    said = first_page.make_page(form, [hostile])
    assert Texts(said).tags == plain
    assert PASSWORD not in html.unescape(said)
    for url in (f"rtsp://admin:{PASSWORD}@10.0.0.9/", f"http://10.0.0.9/shot?password={PASSWORD}"):
        assert PASSWORD not in html.unescape(first_page.make_page(Form(place=url), [url]))


def test_another_site_has_no_token_and_gets_no_code_tried(fakes: Fakes) -> None:
    for token in ("", "x", "é"):
        said = fakes.press(token=token)
        assert "fill it in once more" in said
        assert f">{CODE}" not in said
    assert fakes.used == []


def test_the_page_is_no_guesser_of_codes(fakes: Fakes) -> None:
    for number in range(first_page.MOST_FAILED_TRIES):
        began_at = fakes.now
        assert "did not count" in fakes.press(code=f"WRONG-{number} {URL}")
        assert fakes.now - began_at >= first_page.WAIT_S
        assert len(fakes.used) == number + 1
    assert fakes.page.is_over
    assert "too many wrong tries" in fakes.press()
    assert CODE not in fakes.used


def test_the_page_is_no_scanner_of_places_for_who_has_a_code(fakes: Fakes) -> None:
    fakes.press(code=f"WRONG {URL}")
    for number in range(1, first_page.MOST_FAILED_TRIES):
        began_at = fakes.now
        assert "No picture came from there" in fakes.press(
            place=f"rtsp://10.0.0.{number}/", password="x"
        )
        assert fakes.now - began_at >= first_page.WAIT_S
    assert fakes.page.is_over
    assert "too many wrong tries" in fakes.press()
    assert len(fakes.seen) == first_page.MOST_FAILED_TRIES - 1, "codes and places count together"


def test_nothing_else_is_tried_while_a_failed_try_takes_its_time(fakes: Fakes) -> None:
    others = []
    fakes.page.sleep = lambda _: others.append(fakes.press())
    fakes.press(password="x")
    assert ["wait half a minute" in said for said in others] == [True]


def test_the_page_waits_for_an_hour_and_ends_no_trial_that_has_begun(fakes: Fakes) -> None:
    fakes.now += first_page.OPEN_S - 1
    assert not fakes.page.is_over
    fakes.now += 1
    assert fakes.page.is_over
    assert "The camera is connected" in fakes.press()


def test_a_box_of_one_service_takes_no_other_and_the_page_says_only_what_is_needed(
    fakes: Fakes,
) -> None:
    fakes.page.only_url = "https://own.example"
    assert "codes of https://own.example alone" in fakes.press()
    assert "The camera is connected" in fakes.press(code=CODE)


def test_after_the_first_code_that_counts_no_other_service_is_asked(fakes: Fakes) -> None:
    fakes.press(password="x")
    fakes.good.add("OTHER")
    assert f"codes of {URL} alone" in fakes.press(code="OTHER https://evil.example")
    assert "OTHER" not in fakes.used
    assert "The camera is connected" in fakes.press(code=CODE)


# a box that has cameras

MINE = """# the shop's
zone = "Europe/Berlin"
[server]  # ours
url = "https://regulars.example"

[[camera]]
source = "rtsp"
name = "cam_1"                       # the door
url = "rtsp://10.0.0.5:554/live"
user = "root"
transport = "tcp"
motion_url = "rtsp://10.0.0.5:554/sub"
send = "best_shot"
masks = [
    [0.0, 0.0, 0.3, 1.0],
    [[0.6, 0.5], [1.0, 0.4], [1.0, 0.8]],
]
api_key_file = "{key}"

[[camera]]
name = "yard"
source = "snapshot"
url = "http://10.0.0.6/shot.jpg"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Fakes:
    (tmp_path / "edge.toml").write_text(MINE.replace("{key}", str(tmp_path / "cam_1.key")))
    (tmp_path / "cam_1.key").write_text("ck_0")
    (tmp_path / "cam_1.password").write_text("former")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    return Fakes(tmp_path)


def test_a_camera_gets_another_address_and_password_without_a_terminal(
    mine: Fakes, tmp_path: Path
) -> None:
    before = config.load(tmp_path / "edge.toml").cameras
    assert "gives it another address" in mine.page.show()
    assert "The camera is connected" in mine.press(place="rtsp://10.0.0.77:554/live")
    door, yard = config.load(tmp_path / "edge.toml").cameras
    assert (door.place, door.motion_url) == (
        "rtsp://10.0.0.77:554/live",
        "rtsp://10.0.0.77:554/sub",
    )
    assert (door.user, door.transport) == ("admin", "udp")
    assert config.read_secret(door.password_file) == PASSWORD
    assert config.read_secret(door.api_key_file) == "ck_1"
    assert (door.masks, door.send, yard) == (before[0].masks, "best_shot", before[1])
    text = (tmp_path / "edge.toml").read_text()
    for kept in ("# the shop's", "[server]  # ours", "# the door"):
        assert kept in text
    assert not mine.page.is_over, "another camera may follow"
    assert not [*tmp_path.glob("*.tried")]


def test_a_box_takes_a_second_camera_without_a_terminal(mine: Fakes, tmp_path: Path) -> None:
    mine.id = "cam_2"
    before = (tmp_path / "edge.toml").read_text()
    assert "The camera is connected" in mine.press()
    assert (tmp_path / "edge.toml").read_text().startswith(before.rstrip())
    cameras = config.load(tmp_path / "edge.toml").cameras
    assert [(one.name, one.place) for one in cameras][2:] == [("cam_2", STREAM)]
    assert config.read_secret(tmp_path / "cam_1.key") == "ck_0"


def test_a_camera_that_gives_no_picture_changes_nothing_but_the_key_that_the_code_replaced(
    mine: Fakes, tmp_path: Path
) -> None:
    before = {file: file.read_text() for file in tmp_path.iterdir()}
    assert "No picture came from there" in mine.press(password="wrong")
    after = {file: file.read_text() for file in tmp_path.iterdir()}
    assert after == before | {tmp_path / "cam_1.key": "ck_1\n"}
    assert "The camera is connected" in mine.press(), "the code still counts"


@pytest.mark.parametrize("number", range(3))
def test_only_the_rows_of_one_camera_are_replaced(number: int) -> None:
    blocks = [
        f'[[camera]]\nsource = "rtsp"\nurl = "rtsp://a/{name}" # u\nname = "{name}"\ninterval_s = 2'
        for name in ("a", "b", "c")
    ]
    head = '[server]\nurl = "https://a.example"\n'
    name = "abc"[number]
    rows = {"source": "snapshot", "url": "http://b/x", "user": "me"}
    changed = replace_rows("\n".join([head, *blocks]), name, rows)
    blocks[number] = (
        f'[[camera]]\nname = "{name}"\nsource = "snapshot"\nurl = "http://b/x"\nuser = "me"\n'
        "interval_s = 2"
    )
    assert changed == "\n".join([head, *blocks, ""])
    with pytest.raises(Misconfigured, match="is called d"):
        replace_rows("\n".join([head, *blocks]), "d", rows)


def test_the_page_of_a_box_that_has_cameras_is_of_its_service_alone(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(MINE.replace("{key}", "key"))
    port = free_port()
    words = [ENTRY, "claim", "--config", "edge.toml", "--url", "https://other.example"]
    box = subprocess.Popen(
        [*words, "--page", str(port)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert str(port) in box.stdout.readline()
        token = re.findall('name="token" value="(.*?)"', call(port, "GET")[1])[0]
        form = {"code": f"{CODE} https://other.example", "place": STREAM, "token": token}
        assert f"this box takes codes of {URL} alone" in call(port, "POST", urlencode(form))[1]
    finally:
        box.kill()
        box.communicate()


# where it reaches


INWARD = (
    "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0",
    "::", "224.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("address", [*INWARD, first_page.find_own_address()])
def test_the_box_itself_is_inward(address: str) -> None:
    assert reach.is_inward(address)
    with pytest.raises(SourceFailed):
        reach.find_address(address)


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.7.9", "203.0.113.7", "2001:db8::9"])
def test_another_machine_is_not(address: str) -> None:
    assert not reach.is_inward(address)
    assert reach.find_address(address) == address


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "0", "a.localhost"])
def test_a_name_or_another_writing_of_the_box_is_inward_or_leads_nowhere(host: str) -> None:
    with pytest.raises(SourceFailed):
        reach.find_address(host)


def test_a_name_that_leads_to_several_addresses_leads_to_none_if_one_is_barred() -> None:
    barred = list[str]()
    assert reach.find_address("localhost", lambda _: False) in ("127.0.0.1", "::1")
    with pytest.raises(SourceFailed):
        reach.find_address("localhost", lambda address: barred.append(address) or True)
    assert barred


@pytest.mark.parametrize(
    ("url", "address", "moved"),
    [
        (STREAM, "10.0.0.9", {"url": STREAM}),
        ("rtsp://cam/live?a=b", "10.0.0.9", {"url": "rtsp://10.0.0.9/live?a=b"}),
        (
            "https://cam:8443/x",
            "2001:db8::9",
            {"url": "https://[2001:db8::9]:8443/x", "tls_name": "cam"},
        ),
        ("https://[2001:db8::9]/x", "2001:db8::9", {"url": "https://[2001:db8::9]/x"}),
    ],
)
def test_a_url_is_moved_to_the_address(url: str, address: str, moved: Mapping[str, str]) -> None:
    assert reach.move_url(url, address) == moved


# the page of a real box


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def box(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(ENTRY), "claim", "--config", str(tmp_path / "edge.toml"), "--page", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        process.kill()


def call(
    port: int, method: str, body: str = "", source: str = "127.0.0.1", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=90, source_address=(source, 0))
    sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    line.request(method, "/", body or None, sent)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, text, answer.headers


@pytest.fixture
def near(tmp_path: Path, port: int) -> Iterator[FirstPage]:
    with served(tmp_path, port) as page:
        yield page


@contextmanager
def served(folder: Path, port: int, head_s: float = first_page.HEAD_S) -> Iterator[FirstPage]:
    """A page that also asks cameras on this machine, as there is no other; what fails takes no
    time."""
    page = FirstPage(folder / "edge.toml", find_address=lambda host: host, sleep=lambda _: None)
    with first_page._Server(port, page, head_s) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield page
        page.failed_tries = first_page.MOST_FAILED_TRIES
        thread.join()


def test_a_box_is_claimed_on_its_page_with_a_real_camera(
    near: FirstPage,
    port: int,
    started_regulars: Regulars,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av")
    from rig.rtsp import Rtsp, h264

    camera = Rtsp(
        h264(
            tmp_path / "live.h264", [Image.effect_noise((640, 360), 60).convert("RGB")] * RATE, RATE
        ),
        RATE,
    )
    camera.asks_for, camera.password = 'Digest realm="cam", nonce="n0nce", qop="auth"', "r!ght"
    id_ = started_regulars.add_camera()
    code = started_regulars.make_claim_code(id_)
    status, text, headers = call(port, "GET")
    assert (status, headers["Referrer-Policy"], headers["Cache-Control"]) == (
        200,
        "same-origin",
        "no-store",
    )
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    token = html.unescape(re.findall('name="token" value="(.*?)"', text)[0])
    form = {
        "code": f"{code} {started_regulars.url}",
        "place": camera.url,
        "user": "admin",
        "token": token,
    }
    for more in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert call(port, "POST", urlencode(form | {"password": "r!ght"}), **more)[0] == 403
    for size in ("-1", "x", str(first_page.MOST_FORM_BYTES + 1)):
        assert call(port, "POST", "", **{"Content-Length": size})[0] == 413
    assert "No picture came" in call(port, "POST", urlencode(form | {"password": "wr0ng"}))[1]
    assert (
        "The camera is connected" in call(port, "POST", urlencode(form | {"password": "r!ght"}))[1]
    )
    camera.stop()
    said = capsys.readouterr().out
    assert "refuses user and password" in said
    assert "r!ght" not in said
    assert "wr0ng" not in said
    [found] = config.load(tmp_path / "edge.toml").cameras
    assert (found.name, found.place, config.read_secret(found.password_file)) == (
        id_,
        camera.url,
        "r!ght",
    )
    assert config.read_secret(found.api_key_file).startswith("ck_")


def test_a_real_box_asks_nothing_of_itself_and_says_so_in_its_log(
    box: subprocess.Popen[str], port: int, started_regulars: Regulars, tmp_path: Path
) -> None:
    assert re.fullmatch(
        rf"to connect a camera, open http://\S+:{port} in a browser .*\n", box.stdout.readline()
    )
    code = started_regulars.make_claim_code(started_regulars.add_camera())
    token = html.unescape(re.findall('name="token" value="(.*?)"', call(port, "GET")[1])[0])
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.settimeout(0)
        place = f"http://127.0.0.1:{inner.getsockname()[1]}/pic"
        form = {"code": f"{code} {started_regulars.url}", "place": place, "token": token}
        assert "No picture came" in call(port, "POST", urlencode(form))[1]
        with pytest.raises(BlockingIOError):
            inner.accept()
    said = (
        "127.0.0.1: 127.0.0.1 leads to this machine, or to its cable alone (no picture from "
        f"{place})\n"
    )
    assert box.stdout.readline() == said
    (tmp_path / "edge.toml").write_text("")
    assert box.wait(60) == 0, "the uploader begins now"


def test_callers_who_say_nothing_take_their_places_and_no_more(near: FirstPage, port: int) -> None:
    with ExitStack() as silent:
        for caller in range(first_page.MOST_CALLERS // first_page.MOST_OF_ONE):
            if caller:
                assert call(port, "GET", source="127.0.1.1")[0] == 200, (
                    "one address leaves room for others"
                )
            for _ in range(first_page.MOST_OF_ONE):
                source = (f"127.0.0.{caller + 2}", 0)
                silent.enter_context(
                    socket.create_connection(("127.0.0.1", port), source_address=source)
                )
            with socket.create_connection(
                ("127.0.0.1", port), timeout=60, source_address=source
            ) as late:
                assert late.recv(1) == b"", "it hangs up"
        assert [call(port, "GET")[0] for _ in range(15)] == [200] * 15, "a new one has a place"


def test_who_is_new_gets_the_page_while_four_addresses_trickle(near: FirstPage, port: int) -> None:
    stop, sources = threading.Event(), [f"127.0.0.{number}" for number in range(2, 6)]

    def trickle(source: str) -> None:
        while not stop.is_set():
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as line,
            ):
                while not stop.wait(0.05):
                    line.sendall(b"X")

    callers = [threading.Thread(target=trickle, args=(source,)) for source in sources * 4]
    for caller in callers:
        caller.start()
    try:
        until(lambda: not answers(port, sources[0]), said=lambda: "they have no places")
        assert [answers(port) for _ in range(15)] == [True] * 15
    finally:
        stop.set()
        for caller in callers:
            caller.join()


def test_a_call_that_does_not_come_to_its_end_leaves_its_place(tmp_path: Path, port: int) -> None:
    with served(tmp_path, port, head_s=0.5):
        for _ in range(2 * first_page.MOST_OF_ONE):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
                line.sendall(b"GET / HTTP/1.1\r\n")
                assert line.recv(1) == b"", "it hangs up"
        assert answers(port)


def answers(port: int, source: str = "127.0.0.1") -> bool:
    with suppress(OSError, http.client.HTTPException):
        return call(port, "GET", source=source)[0] == 200
    return False


def test_the_page_ends_when_a_terminal_has_claimed_the_box(
    box: subprocess.Popen[str], port: int, tmp_path: Path
) -> None:
    box.stdout.readline()
    (tmp_path / "edge.toml").write_text("")
    assert box.wait(60) == 0


def test_the_unit_of_an_unclaimed_box_shows_the_page_or_waits_for_the_camera() -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "regulars-edge-claim.service").read_text()
    [line] = re.findall(
        "^ExecStart=/opt/regulars-edge/current/bin/regulars-edge (.*)$", unit, re.MULTILINE
    )
    ways = re.findall(r'WAY=(.*?)["`]', unit)
    assert ways == ["--camera /dev/video0", "--page --url https://regulars.example"]
    found = [cli.make_parser().parse_args(line.replace("$WAY", way).split()) for way in ways]
    assert [(one.camera, one.page) for one in found] == [("/dev/video0", None), (None, 9110)]
    ends = f"\nRestartPreventExitStatus={exits.MISUSED} {exits.GAVE_UP}\n"
    assert ends in unit, (
        "the page does not stay for days, nor does it start before the service is filled in"
    )


def test_the_unit_of_a_box_that_has_cameras_shows_the_page() -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "regulars-edge-page.service").read_text()
    [line] = re.findall(
        "^ExecStart=/opt/regulars-edge/current/bin/regulars-edge (.*)$", unit, re.MULTILINE
    )
    found = cli.make_parser().parse_args(line.split())
    assert (found.page, found.config) == (9110, Path("/etc/regulars-edge/edge.toml"))
    assert "\nConditionPathExists=/etc/regulars-edge/edge.toml\n" in unit


@pytest.mark.parametrize(
    "more", [["7KQM", URL], ["--camera", STREAM], ["--url", "ftp://x"], ["--url", URL]]
)
def test_the_page_asks_for_code_and_camera_itself(tmp_path: Path, more: list[str]) -> None:
    done = subprocess.run(
        [ENTRY, "claim", *more, "--page"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done
