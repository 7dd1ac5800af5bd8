"""Whom hooks reach, and what receivers may do: real servers, and nobody who is not public unless it
is allowed."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from chalicelib.domain.errors import Busy, InvalidInput, Unusable
from chalicelib.http_client.safe_requests import POST_LIMIT_S, SafeFetcher, SafePostman
from chalicelib.settings import SettingError, Settings
from chalicelib.storage.ports import Postman
from tests.http_client.certificates import Authority
from tests.support.hooks.receiver import Behaviour, answers, hangs, receiving, says
from tests.support.web.hostile_urls import (
    ONE_OF_EACH_KIND,
    OTHER_PUBLIC,
    PUBLIC,
    SPELLINGS,
    Internet,
)
from tests.support.web.servers import head, serving
from tests.support.web.servers import says as serves

LOOPBACK = ip_network("127.0.0.0/8")
HEADERS = {"Content-Type": "application/json", "X-Regulars-Event": "face.arrived"}
BODY = '{"name": "\u4eba"}'.encode()


def local(limit_s: float = 2.0, at_once: int = 4) -> Postman:
    return SafePostman(networks=[LOOPBACK], limit_s=limit_s, at_once=at_once)


def posted(behaviour: Behaviour, limit_s: float = 2.0) -> int:
    with receiving(behaviour) as receiver:
        return local(limit_s).post(receiver.url, BODY, HEADERS).status


def refusal(behaviour: Behaviour, limit_s: float = 2.0) -> str:
    with pytest.raises(Unusable) as error:
        posted(behaviour, limit_s)
    return str(error.value)


# --- what is sent
# --------------------------------------------------------------------------------------------------


def test_receiver_gets_the_body_and_the_headers_that_were_given() -> None:
    with receiving(answers(200)) as receiver:
        assert local().post(receiver.url, BODY, HEADERS).status == 200
        (heard,) = receiver.heard
        assert (heard.path, heard.body) == ("/hook?shop=12", BODY)
        assert dict(heard.headers) == {
            "Host": f"127.0.0.1:{receiver.port}",
            "Accept-Encoding": "identity",
            "Content-Length": str(len(BODY)),
            "User-Agent": "Regulars",
            "Content-Type": "application/json",
            "X-Regulars-Event": "face.arrived",
            "Connection": "close",
        }


@pytest.mark.parametrize(
    ("url", "port", "host"),
    [
        ("http://public.example/", 80, "public.example"),
        ("http://public.example:80/", 80, "public.example"),
        ("http://public.example:8080/", 8080, "public.example:8080"),
        ("http://public.example:1024/", 1024, "public.example:1024"),
        ("http://public.example:65535/", 65535, "public.example:65535"),
        (f"http://[{OTHER_PUBLIC}]:8080/", 8080, f"[{OTHER_PUBLIC}]:8080"),
    ],
)
def test_port_is_dialled_and_named_in_the_host_header(url: str, port: int, host: str) -> None:
    internet = Internet()
    with receiving(answers(204, b"")) as receiver:
        for address in (PUBLIC, OTHER_PUBLIC):
            internet.listen(address, port, receiver.port)
        assert SafePostman(internet.resolve, internet.dial).post(url, BODY, HEADERS).status == 204
        assert receiver.heard[0].headers["Host"] == host


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 410, 429, 500, 503])
def test_status_is_what_the_receiver_answered(status: int) -> None:
    assert posted(answers(status, b"" if status == 204 else b"said")) == status


# --- what receivers do
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    with (
        receiving(answers(200)) as elsewhere,
        receiving(answers(status, headers={"Location": elsewhere.url})) as first,
    ):
        assert local().post(first.url, BODY, HEADERS).status == status
        assert len(first.heard) == 1
        assert elsewhere.heard == []


def test_receiver_that_hangs_is_given_up_at_the_deadline() -> None:
    over = threading.Event()
    assert (
        refusal(hangs(over), limit_s=0.2)
        == "no answer within 0.2 s: answer first and work afterwards"
    )
    over.set()


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\n", *([b"X-More: 1\r\n"] * 100)],
        [b"H"] * 100,
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 100,
    ],
    ids=["headers", "status line", "interim answers"],
)
def test_answer_that_drips_is_given_up_at_the_deadline(parts: list[bytes]) -> None:
    assert "no answer within 0.3 s" in refusal(says(*parts, pause_s=0.1), limit_s=0.3)


def test_answer_that_drips_behind_its_head_counts_and_is_not_waited_for() -> None:
    drips = says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *([b"x"] * 1000), pause_s=0.05)
    assert posted(drips, limit_s=30.0) == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Cut",
        b"220 secret.internal ESMTP\r\n\r\n",
    ],
    ids=["nothing", "status", "headers", "no HTTP"],
)
def test_receiver_that_closes_before_its_answer_has_not_taken_it_and_is_not_quoted(
    said: bytes,
) -> None:
    why = refusal(says(said))
    assert why.startswith(("the connection broke off", "the receiver did not answer in HTTP"))
    assert "secret" not in why


def test_receiver_that_closes_in_the_middle_of_the_body_has_taken_it() -> None:
    assert posted(says(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\nhal")) == 202


def test_huge_body_is_not_read_to_its_end() -> None:
    sent = 0

    def pour(handler: object) -> None:
        nonlocal sent
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        while sent < 1_000_000_000:
            handler.wfile.write(b"x" * 65_536)  # type: ignore[attr-defined]
            sent += 65_536

    assert posted(pour) == 200
    assert sent < 100_000_000


def test_nobody_there_is_said_so() -> None:
    with receiving(answers(200)) as receiver:
        url = receiver.url
    with pytest.raises(Unusable, match="no connection"):
        local().post(url, BODY, HEADERS)


def test_calls_at_a_time_are_limited_and_the_next_is_told_so_at_once() -> None:
    over = threading.Event()
    with receiving(hangs(over)) as receiver:
        one = local(limit_s=10.0, at_once=1)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(one.post, receiver.url, BODY, HEADERS)
            while not receiver.heard:
                time.sleep(0.005)
            with pytest.raises(Busy):
                one.post(receiver.url, BODY, HEADERS)
            over.set()
            with pytest.raises(Unusable):
                first.result()


# --- TLS
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority: Authority) -> Iterator[Internet]:
    """public.example on port 8443, whose certificate is for hooks.example."""
    internet = Internet({"hooks.example": [[PUBLIC]]})
    answer = serves(head("Content-Length: 0"))
    with serving(answer, authority.server("hooks.example")) as port:
        internet.listen(PUBLIC, 8443, port)
        yield internet


def test_certificate_is_checked_for_the_name_though_an_address_is_dialled(
    secured: Internet, authority: Authority
) -> None:
    postman = SafePostman(secured.resolve, secured.dial, tls=authority.client())
    assert postman.post("https://hooks.example:8443/", BODY, HEADERS).status == 200
    with pytest.raises(Unusable, match="certificate"):
        postman.post("https://public.example:8443/", BODY, HEADERS)


# --- whom a hook reaches
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ONE_OF_EACH_KIND)
def test_hostile_url_makes_no_connection(url: str) -> None:
    internet = Internet()
    with pytest.raises((InvalidInput, Unusable)):
        SafePostman(internet.resolve, internet.dial).post(url, BODY, HEADERS)
    assert internet.dialled == []


@pytest.mark.parametrize(
    "url",
    [
        SPELLINGS[0],
        "ftp://public.example/",
        "http://user:secret@public.example/",
        *(
            f"http://public.example:{port}/"
            for port in (0, 1, 22, 25, 443, 1023, 65536, 100000, "08080", "+8080")
        ),
        "https://public.example:80/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1:8080/",
    ],
    ids=ascii,
)
def test_url_that_is_never_posted_to_is_known_without_asking_anybody(url: str) -> None:
    internet = Internet()
    postman = SafePostman(internet.resolve, internet.dial)
    for use in (postman.require_url, lambda url: postman.post(url, BODY, HEADERS)):
        with pytest.raises(InvalidInput) as error:
            use(url)
        assert "secret" not in str(error.value)
    assert internet.resolved == []


def test_name_may_be_looked_up_later() -> None:
    internet = Internet()
    SafePostman(internet.resolve, internet.dial).require_url(
        "https://not-there-yet.example:8443/hook"
    )
    assert internet.resolved == []


@pytest.mark.parametrize(
    ("networks", "answer", "reached"),
    [
        (["192.168.7.0/24"], ["192.168.7.9"], True),
        (["192.168.7.0/24"], ["192.168.7.9", PUBLIC], True),
        (["192.168.7.0/24"], ["192.168.8.9"], False),
        (["192.168.7.0/24"], ["192.168.7.9", "192.168.8.9"], False),
        (["192.168.7.0/24"], ["192.168.7.9", "169.254.169.254"], False),
        (["192.168.7.0/24", "fd12::/16"], ["192.168.7.9", "fd12::9"], True),
        (["fd12::/16"], ["fd13::9"], False),
        (["127.0.0.0/8"], ["::1"], False),
        (["127.0.0.0/8"], ["::ffff:127.0.0.1"], False),
        (["10.0.0.0/8"], ["64:ff9b::10.0.0.1"], False),
        (["fe80::/10"], ["fe80::1%eth0"], False),
        ([], ["127.0.0.1"], False),
    ],
)
def test_only_the_networks_that_the_operator_names_are_reached_besides(
    networks: list[str], answer: list[str], reached: bool
) -> None:
    internet = Internet({"inside.example": [answer]})
    with receiving(answers(200)) as receiver:
        internet.listen(answer[0], 8000, receiver.port)
        postman = SafePostman(
            internet.resolve, internet.dial, networks=[ip_network(text) for text in networks]
        )
        if reached:
            assert postman.post("http://inside.example:8000/", BODY, HEADERS).status == 200
        else:
            with pytest.raises(Unusable, match=r"not public: .* REGULARS_HOOK_NETWORKS"):
                postman.post("http://inside.example:8000/", BODY, HEADERS)
            assert internet.dialled == []


def test_picture_is_not_fetched_from_where_hooks_may_go() -> None:
    settings = Settings.from_environment(
        {"REGULARS_DATA": "x", "REGULARS_HOOK_NETWORKS": "127.0.0.0/8, ::1/128"}
    )
    assert settings.hook_networks == (LOOPBACK, ip_network("::1/128"))
    with pytest.raises(Unusable, match="not public"):
        SafeFetcher().fetch("http://127.0.0.1/", "shop")


@pytest.mark.parametrize(
    "text", ["127.0.0.1/8", "localhost", "10.0.0.0/8;127.0.0.0/8", "10.0.0.0/33"]
)
def test_networks_that_are_none_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingError, match="REGULARS_HOOK_NETWORKS"):
        Settings.from_environment({"REGULARS_DATA": "x", "REGULARS_HOOK_NETWORKS": text})


def test_one_deadline_of_ten_seconds_holds_for_all_of_a_call() -> None:
    assert POST_LIMIT_S == 10.0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"reason":"BadJwtToken"}', "BadJwtToken"),
        (b'{"reason": "Vapid key mismatch", "code": 7}', "Vapid key mismatch"),
        *((body, "") for body in (b"", b"thanks", b'["reason"]', b'{"reason":7}', b"[" * 9_000)),
        *((b'{"reason":"%s"}' % text, "") for text in (b"<b>", b"10.0.0.7:22", b"a" * 101, b"")),
        (
            b'{"ok":false,"description":"Bad Request: chat not found"}',
            "Bad Request: chat not found",
        ),
        (b'{"message": "Unknown Webhook", "code": 10015}', "Unknown Webhook"),
        (b'{"status":0,"errors":["user key is invalid"]}', "user key is invalid"),
        (b'{"status":0,"errors":{"a":1}}', ""),
        (b"channel_is_archived\n", "channel_is_archived"),
        *((body, "") for body in (b"db01_internal", b"root:x:0:0", b"a_" * 60, b"no_\xff")),
    ],
)
def test_of_an_answer_only_a_reason_in_a_few_words_is_taken_over(body: bytes, reason: str) -> None:
    with receiving(answers(403, body=body)) as receiver:
        assert local().post(receiver.url, BODY, HEADERS)[:2] == (403, reason)
