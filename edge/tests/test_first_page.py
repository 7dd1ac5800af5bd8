"""`regulars-edge claim --page`: a box without edge.toml is claimed on a page, which strangers cannot use for more."""

import html
import http.client
import re
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from regulars_edge import cli, config, exits
from regulars_edge.doctor import Findings
from regulars_edge.errors import Misconfigured, NotAllowed
from regulars_edge.setup import first_page
from regulars_edge.setup.first_page import FirstPage, Form
from rig.box import until
from rig.film import RATE
from rig.page_texts import Texts
from rig.real import Regulars
from rig.uploader import ENTRY

from tests.support.ports import free_port

CODE, URL = "7KQM-2XHP-94TD", "https://regulars.example"
PASSWORD = "s3cr3t<&\"'"
STREAM = "rtsp://10.0.0.9/live"


# what is entered


@pytest.mark.parametrize(
    "text",
    [
        f"{CODE} {URL}",
        f"  {CODE}\n{URL}/ \n",
        f"regulars-edge claim {CODE} {URL}",
        f"regulars-edge claim {CODE} {URL} --camera 'rtsp://x'\nregulars-edge check --config edge.toml",
    ],
)
def test_code_and_address_are_read_as_the_console_shows_them(text: str) -> None:
    assert first_page.read_code(text, None) == (CODE, URL)
    assert first_page.read_code(text, URL) == (CODE, URL)


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
        first_page.read_code(text, only_url)


def test_a_service_in_the_clear_is_taken_on_the_box_itself_or_if_the_image_names_it() -> None:
    for url, only_url in (("http://127.0.0.1:8000", None), ("http://192.168.7.2:8000", "http://192.168.7.2:8000")):
        assert first_page.read_code(f"{CODE} {url}", only_url) == (CODE, url)
    assert first_page.read_code(CODE, URL) == (CODE, URL)


def test_a_camera_is_a_url_or_an_address_and_its_password_leaves_the_url() -> None:
    for place, user, password, found in (
        (STREAM, "", "", (STREAM, None, "")),
        (" 10.0.0.9 ", "admin", "x", ("10.0.0.9", "admin", "x")),
        ("HTTPS://cam/shot.jpg", "admin", "", ("https://cam/shot.jpg", "admin", "")),
        ("rtsp://admin:p%40ss@10.0.0.9/live", "", "", (STREAM, "admin", "p@ss")),
    ):
        address = first_page.read_camera(Form(place=place, user=user, password=password))
        assert (address.url, address.user, address.password) == found


@pytest.mark.parametrize(
    "form",
    [
        *(Form(place=place) for place in ("", "/etc/passwd", "/dev/video0", "file:///x", "rtsp://", "rtsp:///live")),
        *(
            Form(place=place)
            for place in ("rtsp://a:0/x", "rtsp://a/\n[server]", "gopher://x/", "10.0.0", "rtsp://[x/")
        ),
        Form(place=STREAM, password="x"),
        Form(place=STREAM, user="admin", password="x "),
        Form(place=STREAM, user="ad\nmin"),
    ],
)
def test_what_is_no_camera_is_refused(form: Form) -> None:
    with pytest.raises(Misconfigured):
        first_page.read_camera(form)


@given(st.binary(max_size=200))
def test_any_body_is_a_form_or_a_mistake(body: bytes) -> None:
    try:
        form = first_page.read_form(body)
        first_page.read_camera(form)
        first_page.read_code(form.code, None)
    except Misconfigured:
        pass


# who asks


@pytest.mark.parametrize("host", ["192.168.7.9:9110", "[fe80::1]:9110", "shop-12:9110", "SHOP-12.local", "127.0.0.1"])
def test_the_page_answers_by_an_address_and_its_own_names(host: str) -> None:
    for origin in (None, f"http://{host}"):
        assert first_page.find_objection(host, origin, "192.168.7.50", {"shop-12"}) is None


@pytest.mark.parametrize(
    ("host", "origin", "caller"),
    [
        *((host, None, "192.168.7.50") for host in ("evil.example", "shop-12.evil.example", "", "[", "a@evil.example")),
        ("192.168.7.9:9110", "https://evil.example", "192.168.7.50"),
        ("192.168.7.9:9110", "http://192.168.7.9", "192.168.7.50"),
        ("192.168.7.9:9110", "null", "192.168.7.50"),
        ("192.168.7.9:9110", None, "8.8.8.8"),
    ],
)
def test_other_websites_other_names_and_the_internet_get_nothing(host: str, origin: str | None, caller: str) -> None:
    assert first_page.find_objection(host, origin, caller, {"shop-12", "localhost"})


# what the page does


class Fakes:
    """The service, whose good codes are `good`, and a camera, which shows `picture` if the password is right."""

    def __init__(self, folder: Path) -> None:
        self.good, self.used, self.seen, self.now = {CODE}, list[str](), list[Mapping[str, object]](), 1_000.0
        self.page = FirstPage(folder / "edge.toml", None, self.use_code, self.examine, lambda: self.now)

    def use_code(self, code: str, url: str) -> tuple[str, str]:
        self.used.append(code)
        if code not in self.good:
            raise NotAllowed("this code is not good any more")
        self.good.remove(code)
        return "cam_1", "ck_1"

    def examine(self, values: Mapping[str, object]) -> Findings:
        self.seen.append(values)
        if config.read_secret(Path(str(values["password_file"]))) != PASSWORD:
            return Findings(["refuses user and password <b>"])
        more = {"transport": "udp", "rotate": 90}
        return Findings(["it sends by UDP only"], more, 3, ["no face"], Image.new("RGB", (1920, 1080)))

    def press(self, **more: str) -> str:
        token = html.unescape(re.findall('name="token" value="(.*?)"', self.page.show())[0])
        form = {"code": f"{CODE} {URL}", "place": STREAM, "user": "admin", "password": PASSWORD, "token": token}
        return self.page.answer_form(urlencode(form | more).encode())


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


def test_a_box_is_connected_by_one_form(fakes: Fakes, tmp_path: Path) -> None:
    said = fakes.press()
    assert "The camera is connected" in said
    assert 'src="data:image/jpeg;base64,/9j/' in said
    [camera] = config.load(tmp_path / "edge.toml").cameras
    assert (camera.name, camera.place, camera.user, camera.send) == ("cam_1", STREAM, "admin", "best_shot")
    assert (camera.transport, camera.rotate) == ("udp", 0), "what one face lets guess is not written"
    assert config.read_secret(camera.password_file) == PASSWORD
    assert config.read_secret(camera.api_key_file) == "ck_1"
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert fakes.page.is_over
    assert "has a camera already" in fakes.press()


def test_a_wrong_password_is_said_the_form_stays_and_the_code_still_counts(fakes: Fakes, tmp_path: Path) -> None:
    said = fakes.press(password="wrong-one")
    assert "refuses user and password &lt;b&gt;" in said
    assert CODE in said
    assert STREAM in said
    assert 'value="admin"' in said
    assert "wrong-one" not in said
    assert [*tmp_path.iterdir()] == [], "nothing is left behind"
    assert "The camera is connected" in fakes.press()
    assert fakes.used == [CODE], "a code is good once, and its answer is remembered"


def test_whatever_breaks_no_password_is_left(fakes: Fakes, tmp_path: Path) -> None:
    fakes.page.examine = lambda _: broken_picture()
    assert "broken picture" in fakes.press()
    assert [*tmp_path.iterdir()] == []


def broken_picture() -> Findings:
    raise OSError("broken picture")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_is_entered_becomes_markup_and_no_password_is_shown(code: str, place: str, user: str) -> None:
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
    for number in range(first_page.MOST_WRONG_CODES):
        assert "not good any more" in fakes.press(code=f"WRONG-{number} {URL}")
        assert re.search("seconds, then press again|too many wrong codes", fakes.press())
        assert len(fakes.used) == number + 1
        fakes.now += first_page.WAIT_S
    assert fakes.page.is_over
    assert CODE not in fakes.used


def test_the_page_waits_for_an_hour_and_ends_no_trial_that_has_begun(fakes: Fakes) -> None:
    fakes.now += first_page.OPEN_S - 1
    assert not fakes.page.is_over
    fakes.now += 1
    assert fakes.page.is_over
    assert "The camera is connected" in fakes.press()


def test_a_box_of_one_service_takes_no_other_and_the_page_says_only_what_is_needed(fakes: Fakes) -> None:
    fakes.page.only_url = "https://own.example"
    assert "codes of https://own.example alone" in fakes.press()
    assert "The camera is connected" in fakes.press(code=CODE)


# the page of a real box


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def box(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(ENTRY), "claim", "--config", str(tmp_path / "edge.toml"), "--page", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


def call(port: int, method: str, body: str = "", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    line.request(method, "/", body or None, sent)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, text, answer.headers


def test_a_real_box_is_claimed_on_its_page_with_a_real_camera(
    box: subprocess.Popen[str], port: int, started_regulars: Regulars, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    from rig.rtsp import Rtsp, h264

    assert re.fullmatch(rf"to connect a camera, open http://\S+:{port} in a browser .*\n", box.stdout.readline())
    camera = Rtsp(h264(tmp_path / "live.h264", [Image.effect_noise((640, 360), 60).convert("RGB")] * RATE, RATE), RATE)
    camera.asks_for, camera.password = 'Digest realm="cam", nonce="n0nce", qop="auth"', "r!ght"
    id_ = started_regulars.add_camera()
    code = started_regulars.make_claim_code(id_)
    status, text, headers = call(port, "GET")
    assert (status, headers["Referrer-Policy"], headers["Cache-Control"]) == (200, "same-origin", "no-store")
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    token = html.unescape(re.findall('name="token" value="(.*?)"', text)[0])
    form = {"code": f"{code} {started_regulars.url}", "place": camera.url, "user": "admin", "token": token}
    for more in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert call(port, "POST", urlencode(form | {"password": "r!ght"}), **more)[0] == 403
    for size in ("-1", "x", str(first_page.MOST_FORM_BYTES + 1)):
        assert call(port, "POST", "", **{"Content-Length": size})[0] == 413
    assert "refuses user and password" in call(port, "POST", urlencode(form | {"password": "wr0ng"}))[1]
    assert "The camera is connected" in call(port, "POST", urlencode(form | {"password": "r!ght"}))[1]
    assert box.wait(60) == 0, "the uploader begins now"
    camera.stop()
    said = box.stdout.read()
    assert "r!ght" not in said
    assert "wr0ng" not in said
    [found] = config.load(tmp_path / "edge.toml").cameras
    assert (found.name, found.place, config.read_secret(found.password_file)) == (id_, camera.url, "r!ght")
    assert config.read_secret(found.api_key_file).startswith("ck_")
    again = subprocess.run(box.args, capture_output=True, text=True, check=False)
    assert (again.returncode, "is there already" in again.stderr) == (2, True), again


def test_callers_who_say_nothing_take_their_places_and_no_more(box: subprocess.Popen[str], port: int) -> None:
    box.stdout.readline()
    with ExitStack() as silent:
        for _ in range(first_page.MOST_CALLERS):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as late:
            assert late.recv(1) == b"", "it hangs up"
    until(lambda: answers(port), said=lambda: "the places are not free again")


def answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return call(port, "GET")[0] == 200
    return False


def test_the_page_ends_when_a_terminal_has_claimed_the_box(
    box: subprocess.Popen[str], port: int, tmp_path: Path
) -> None:
    box.stdout.readline()
    (tmp_path / "edge.toml").write_text("")
    assert box.wait(60) == 0


def test_the_unit_of_an_unclaimed_box_shows_the_page_or_waits_for_the_camera() -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "regulars-edge-claim.service").read_text()
    [line] = re.findall("^ExecStart=/opt/regulars-edge/current/bin/regulars-edge (.*)$", unit, re.MULTILINE)
    ways = re.findall(r'WAY=(.*?)["`]', unit)
    assert ways == ["--camera /dev/video0", "--page"]
    found = [cli.make_parser().parse_args(line.replace("$WAY", way).split()) for way in ways]
    assert [(one.camera, one.page) for one in found] == [("/dev/video0", None), (None, 9110)]
    assert f"\nRestartPreventExitStatus={exits.GAVE_UP}\n" in unit, "the page does not stay for days"


@pytest.mark.parametrize("more", [["7KQM", URL], ["--camera", STREAM], ["--url", "ftp://x"]])
def test_the_page_asks_for_code_and_camera_itself(tmp_path: Path, more: list[str]) -> None:
    done = subprocess.run([ENTRY, "claim", *more, "--page"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
