import logging
import socketserver
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest
from regulars_client import (
    ApiError,
    NoAnswer,
    NotConfigured,
    Regulars,
    RegularsError,
    WrongAnswer,
    codes,
)
from regulars_client.keys import VARIABLE, choose_key

from tests.support.web.answering import Service, answer, problem

CAMERA_KEY = {"id": "door", "api_key": "ck_0"}


class NoTls(socketserver.BaseRequestHandler):
    """A service that speaks plain HTTP, and gets the first bytes of TLS.

    `met`: the number of connections.
    """

    met = 0

    def handle(self) -> None:
        NoTls.met += 1
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def make_client(url: str, patience_s: float = 10.0) -> Regulars:
    return Regulars(url, api_key="rk_test", patience_s=patience_s)


@pytest.mark.parametrize(
    "first", [None, problem("503 Busy", "Busy"), problem("429 Often", "", "Retry-After: 0")]
)
def test_a_write_that_met_a_busy_service_or_a_broken_connection_is_sent_again_with_its_key(
    first: bytes | None,
) -> None:
    service = Service(first, first, answer(CAMERA_KEY))
    with service.running() as url, make_client(url) as regulars:
        assert regulars.renew_camera_key("door").id == "door"
    sent = service.header("Idempotency-Key")
    assert len(sent) == 3
    assert len(set(sent)) == 1


def test_each_write_has_a_key_of_its_own_and_a_given_one_is_sent() -> None:
    service = Service(answer(CAMERA_KEY))
    with service.running() as url, make_client(url) as regulars:
        regulars.renew_camera_key("door")
        regulars.renew_camera_key("door")
        regulars.renew_camera_key("door", idempotency_key="mine")
    one, other, given = service.header("Idempotency-Key")
    assert one != other
    assert given == "mine"


def test_it_waits_as_long_as_it_is_told_to() -> None:
    service = Service(problem("429 Often", "TooOften", "Retry-After: 1"), answer(CAMERA_KEY))
    began = time.monotonic()
    with service.running() as url, make_client(url) as regulars:
        regulars.renew_camera_key("door")
    assert time.monotonic() - began >= 1.0


def test_what_would_take_longer_than_its_patience_is_not_tried_again() -> None:
    service = Service(problem("429 Often", "DailyLimitReached", "Retry-After: 40000"))
    with (
        service.running() as url,
        make_client(url) as regulars,
        pytest.raises(codes.DailyLimitReached) as caught,
    ):
        regulars.renew_camera_key("door")
    assert caught.value.retry_after_s == 40000
    assert len(service.heads) == 1


def test_a_repeat_is_not_printed() -> None:
    service = Service(problem("503 Busy", "Busy"), answer(CAMERA_KEY))
    with service.running() as url:
        program = (
            f"from regulars_client import Regulars; Regulars({url!r}, "
            "api_key='rk_x').renew_camera_key('door')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
    assert (done.stdout, done.stderr) == ("", "")
    assert len(service.heads) == 2


def test_https_that_cannot_be_spoken_is_told_at_once() -> None:
    NoTls.met = 0
    with socketserver.TCPServer(("127.0.0.1", 0), NoTls) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with (
            make_client(f"https://127.0.0.1:{server.server_address[1]}", patience_s=60) as regulars,
            pytest.raises(NoAnswer, match=r"WRONG_VERSION_NUMBER.*begins with http://"),
        ):
            regulars.renew_camera_key("door")
        server.shutdown()
    assert NoTls.met == 1, "it was not tried again"


def test_it_gives_up_when_its_patience_ends() -> None:
    service = Service(problem("503 Busy", "Busy"))
    with (
        service.running() as url,
        make_client(url, patience_s=0.5) as regulars,
        pytest.raises(codes.Busy),
    ):
        regulars.renew_camera_key("door")
    assert len(service.heads) > 1
    with (
        make_client("http://127.0.0.1:1", patience_s=0.3) as regulars,
        pytest.raises(NoAnswer, match=r"127\.0\.0\.1:1"),
    ):
        regulars.renew_camera_key("door")


def test_a_refusal_is_a_class_by_its_code_with_its_details() -> None:
    service = Service(problem("422 No", "AnotherFace", score=0.3, face="7"))
    with (
        service.running() as url,
        make_client(url) as regulars,
        pytest.raises(codes.NotThisPerson) as caught,
    ):
        regulars.add_picture("8", picture=b"x")
    error = caught.value
    assert (type(error), error.status, error.code, error.request_id) == (
        codes.AnotherFace,
        422,
        "AnotherFace",
        "r-1",
    )
    assert (str(error), error.details) == ("what was wrong", {"score": 0.3, "face": "7"})
    places = {Path(frame.filename).parts[-2] for frame in traceback.extract_tb(error.__traceback__)}
    assert places == {"tests", "regulars_client"}, "no frames of the loop that tries again"
    assert len(service.heads) == 1


@pytest.mark.parametrize("body", [{"message": "Forbidden"}, ["?"], "text"])
def test_a_refusal_that_is_none_of_the_services_is_an_error_all_the_same(body: object) -> None:
    service = Service(answer(body, status="403 Forbidden"))
    with service.running() as url, make_client(url) as regulars, pytest.raises(ApiError) as caught:
        regulars.get_camera("door")
    assert caught.value.status == 403


OURS = "X-Regulars-Time: 1773651600000"
OF_ANOTHER = "another program than Regulars"


def test_an_answer_that_is_not_in_the_contract_says_so() -> None:
    service = Service(answer({"id": 7}, OURS))
    with (
        service.running() as url,
        make_client(url) as regulars,
        pytest.raises(WrongAnswer, match="CameraKeyMade") as no,
    ):
        regulars.renew_camera_key("door")
    assert OF_ANOTHER not in str(no.value)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 Who", "404 Not Found", "405 No"])
def test_an_answer_of_another_program_is_said_to_be_one(status: str) -> None:
    bodies = ({"detail": "Not Found"}, {"message": "no"}, {"ok": True}, ["?"], "<html>")
    service = Service(*(answer(body, "Location: /login", status=status) for body in bodies))
    with service.running() as url, make_client(url) as regulars:
        for body in bodies:
            with pytest.raises(RegularsError) as said:
                regulars.renew_camera_key("door")
            assert OF_ANOTHER in str(said.value), body
            assert "version" not in str(said.value)


def test_a_refusal_of_the_service_is_its_own() -> None:
    service = Service(answer({"detail": "no such page"}, OURS, status="404 No"))
    with service.running() as url, make_client(url) as regulars, pytest.raises(ApiError) as said:
        regulars.renew_camera_key("door")
    assert str(said.value) == "no such page"


def test_any_text_may_be_an_id() -> None:
    service = Service(answer(CAMERA_KEY))
    with service.running() as url, make_client(url + "/stage/") as regulars:
        for id_ in ("a/b?c=1 é", ".."):
            regulars.renew_camera_key(id_)
    assert service.heads[0].startswith("POST /stage/v1/cameras/a%2Fb%3Fc%3D1%20%C3%A9/key HTTP")
    assert service.heads[1].startswith("POST /stage/v1/cameras/%2E%2E/key HTTP")


def test_a_list_is_read_page_by_page_as_far_as_it_is_wanted() -> None:
    pages = [answer({"merges": [], "next_token": token}) for token in ("one", "two", None)]
    service = Service(*pages)
    with service.running() as url, make_client(url) as regulars:
        assert list(regulars.list_merges(limit=5)) == []
        first = service.heads[:3]
        assert len(list(regulars.list_merges().pages())) == 1
    assert [text.split(" ")[1] for text in first] == [
        "/v1/merges?limit=5",
        "/v1/merges?limit=5&token=one",
        "/v1/merges?limit=5&token=two",
    ]


def test_a_picture_is_fetched_without_the_key() -> None:
    service = Service(answer("bytes"))
    with service.running() as url, make_client(url) as regulars:
        assert regulars.fetched("/_blobs/a?signed=1") == b'"bytes"'
        assert regulars.fetched(f"{url}/elsewhere") == b'"bytes"'
    assert service.header("Authorization") == []


def test_a_crop_is_asked_for_with_the_key_at_the_own_service_only() -> None:
    store, service = Service(answer("bytes")), Service(b"")
    with (
        store.running() as elsewhere,
        service.running() as url,
        make_client(url + "/stage/") as regulars,
    ):
        service.answers = [answer("", f"Location: {elsewhere}/signed", status="302 Found")]
        crop = "/v1/captures/1-a/crops/0?camera=a%26b"
        thumbnail = "/v1/captures/1-a/thumbnail?camera=b"
        for link in (f"{url}/stage{crop}", f"https://box.example{crop}", crop, thumbnail):
            assert regulars.fetched(link) == b'"bytes"'
    assert {head.partition(" HTTP")[0] for head in service.heads} == {
        f"GET /stage{crop}",
        f"GET /stage{thumbnail}",
    }
    assert service.header("Authorization") == ["Bearer rk_test"] * 4
    assert store.header("Authorization") == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Moved", "308 Moved"])
def test_a_write_that_is_redirected_is_not_done(status: str) -> None:
    service = Service(answer("", "Location: https://box.example/v1/cameras/door", status=status))
    with (
        service.running() as url,
        make_client(url) as regulars,
        pytest.raises(ApiError, match=f"HTTP {status[:3]}"),
    ):
        regulars.delete_camera("door")
    assert len(service.heads) == 1


def test_a_crop_that_leads_to_itself_is_no_endless_loop() -> None:
    crop = "/v1/captures/1-a/thumbnail?camera=b"
    service = Service(answer("", f"Location: {crop}", status="301 Moved"))
    with service.running() as url, make_client(url) as regulars, pytest.raises(WrongAnswer):
        regulars.fetched(crop)
    assert len(service.heads) < 10
    assert service.header("Authorization") == ["Bearer rk_test"]


def test_what_cannot_be_sent_is_told_at_once() -> None:
    service = Service(answer("", "Location: ftp://box.example/a", status="302 Found"))
    with service.running() as url, make_client(url, patience_s=3600) as regulars:
        with pytest.raises(NoAnswer, match="ftp"):
            regulars.fetched("/_blobs/a")
        with pytest.raises(NoAnswer):
            regulars.renew_camera_key("door", idempotency_key="\u2026")


@pytest.mark.parametrize(
    "url",
    [
        "box:8000",
        "ftp://box",
        "http://",
        "",
        "http://[::1",
        "http://box:80a",
        "http://.",
        "https://xn--/",
        "http://a\n",
        "http://a?b",
        "http://a#b",
    ],
)
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured, match="http"):
        Regulars(url, api_key="rk_test")


KEY = "rk_0123456789abcdef0123456789abcdef"


def test_a_given_key_comes_before_a_file_and_a_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rk_file\n")
    file.chmod(0o600)
    environment = {VARIABLE: "rk_environment"}
    assert choose_key("rk_given", file, environment).reveal() == "rk_given"
    assert choose_key(None, file, environment).reveal() == "rk_file"
    assert choose_key(None, None, environment).reveal() == "rk_environment"


def test_without_a_key_it_says_where_to_put_one() -> None:
    with pytest.raises(NotConfigured, match=VARIABLE):
        choose_key(None, None, {})


@pytest.mark.parametrize("text", ["", "two words", "rk_x\r\nX-Other: 1", "clé"])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(NotConfigured) as caught:
        choose_key(None, file, {})
    assert not text or text not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.raises(NotConfigured, match="chmod 600"):
        choose_key(None, file, {})


def test_of_windows_whose_files_have_no_modes_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "key").write_text("rk_file")
    file.chmod(0o666)
    with monkeypatch.context() as windows:
        windows.setattr("os.name", "nt")
        windows.delattr("os.geteuid")
        assert choose_key(None, file).reveal() == "rk_file"


def test_no_text_and_no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        Regulars("http://127.0.0.1:1", api_key=KEY, patience_s=0.3) as regulars,
    ):
        with pytest.raises(RegularsError) as caught:
            regulars.get_camera("door")
        shown = [
            repr(regulars),
            repr(vars(regulars)),
            repr(caught.value),
            str(caught.value),
            caplog.text,
        ]
    assert len(caplog.records) > 1  # the libraries say much at this level
    assert not any(KEY in text for text in shown)


READ_BY_MANY = """
import sys, threading
from contextlib import suppress
import json, msgspec, urllib3
from regulars_client import models
from regulars_client.connection import read_answer
from regulars_client.errors import WrongAnswer
from regulars_client.http import Answer

def read(struct, answer):
    barrier.wait()
    with suppress(WrongAnswer):
        read_answer(answer, struct)

sys.setswitchinterval(1e-6)
kinds = [kind for kind in vars(models).values() if isinstance(kind, type)]
kinds = [kind for kind in kinds if issubclass(kind, msgspec.Struct)]
assert len(kinds) > 30
for kind in kinds:
    barrier = threading.Barrier(8)
    members = dict.fromkeys(kind.__struct_encode_fields__, "a")
    answer = Answer(200, urllib3.HTTPHeaderDict(), json.dumps(members).encode())
    threads = [threading.Thread(target=read, args=(kind, answer)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_many_threads_may_be_the_first_to_read_an_answer() -> None:
    """msgspec looks into a type when it is first used; a thread that used it meanwhile crashed the
    process."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", READ_BY_MANY], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
