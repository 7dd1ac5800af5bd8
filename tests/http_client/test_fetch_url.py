"""Whom a stranger's URL makes us connect to: nobody who is not public."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from chalicelib.domain.errors import Busy, Unusable
from chalicelib.http_client.connection import Connector, Deadline, dial
from chalicelib.http_client.safe_requests import OF_TENANT, SafeFetcher
from chalicelib.http_client.url import Target, is_public, parse_redirect, parse_url
from chalicelib.storage.ports import PictureFetcher
from tests.support.web.hostile_urls import (
    A_FEW_NOT_PUBLIC,
    HOSTILE_URLS,
    NEARLY_NOT_PUBLIC,
    NOT_PUBLIC,
    ONE_OF_EACH_KIND,
    OTHER_PUBLIC,
    PUBLIC,
    SPELLINGS,
    Internet,
    is_sentence,
)
from tests.support.web.servers import PICTURE, head, redirect, says, serving


def fetcher(internet: Internet, limit_s: float = 5.0, at_once: int = 4) -> PictureFetcher:
    return SafeFetcher(internet.resolve, internet.dial, limit_s=limit_s, at_once=at_once)


@pytest.mark.parametrize("url", ONE_OF_EACH_KIND)
def test_hostile_url_makes_no_connection(url: str) -> None:
    internet = Internet()
    with pytest.raises(Unusable) as refusal:
        fetcher(internet).fetch(url, "shop")
    assert internet.dialled == []
    assert is_sentence(str(refusal.value))


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://user:secret@public.example/", "user name"),
        ("http://public.example\\@127.0.0.1/", "backslash"),
        ("ftp://public.example/", "scheme"),
        ("http://public.example:22/", "port"),
        ("http://2130706433/", "ends in a number"),
        ("http://fa\u00df.example/", "one way only"),
        (f"http://public.example/{'a' * 3000}", "at most 2048"),
    ],
)
def test_refusal_says_what_was_wrong_and_quotes_nothing(url: str, what: str) -> None:
    with pytest.raises(Unusable, match=what) as refusal:
        fetcher(Internet()).fetch(url, "shop")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ONE_OF_EACH_KIND)
def test_redirect_to_hostile_url_makes_no_further_connection(url: str) -> None:
    internet = Internet()
    with serving(redirect(url)) as port:
        internet.listen(PUBLIC, 80, port)
        with pytest.raises(Unusable) as refusal:
            fetcher(internet).fetch("http://public.example/", "shop")
    assert internet.dialled == [PUBLIC]
    assert is_sentence(str(refusal.value))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_none_by_any_name(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", A_FEW_NOT_PUBLIC)
@pytest.mark.parametrize(
    "beside", [[], [PUBLIC], [PUBLIC, OTHER_PUBLIC]], ids=["alone", "second", "third"]
)
def test_name_with_an_address_that_is_not_public_is_refused_whole(
    address: str, beside: list[str]
) -> None:
    internet = Internet({"picture.example": [[*beside, address]]})
    with pytest.raises(Unusable, match="not public"):
        fetcher(internet).fetch("https://picture.example/", "shop")
    assert internet.dialled == []


@pytest.mark.parametrize("address", NEARLY_NOT_PUBLIC)
def test_neighbours_of_what_is_not_public_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_name_is_resolved_once_so_that_a_second_answer_is_never_asked_for() -> None:
    internet = Internet({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    with serving(says(head("Content-Type: image/jpeg"), PICTURE)) as port:
        internet.listen(PUBLIC, 80, port)
        assert fetcher(internet).fetch("http://rebind.example/", "shop") == PICTURE
    assert internet.resolved == ["rebind.example"]
    assert internet.dialled == [PUBLIC]


def test_name_that_changes_between_redirects_is_checked_again() -> None:
    internet = Internet({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    with serving(redirect("/again")) as port:
        internet.listen(PUBLIC, 80, port)
        with pytest.raises(Unusable, match="not public"):
            fetcher(internet).fetch("http://rebind.example/", "shop")
    assert internet.resolved == ["rebind.example", "rebind.example"]
    assert internet.dialled == [PUBLIC]


def test_third_redirect_is_checked_like_the_first() -> None:
    internet = Internet()

    def answer(sock: socket.socket, request: bytes) -> None:
        hops = int(request.split(b" ")[1][1:])
        redirect(f"/{hops + 1}" if hops < 2 else "http://169.254.169.254/latest/meta-data/")(
            sock, request
        )

    with serving(answer) as port:
        internet.listen(PUBLIC, 80, port)
        with pytest.raises(Unusable, match="not public"):
            fetcher(internet).fetch("http://public.example/0", "shop")
    assert internet.dialled == [PUBLIC] * 3


def test_refusals_tell_nothing_of_the_names_and_addresses_of_our_network() -> None:
    messages = set()
    for host in (
        "private.example",
        "loopback.example",
        "nobody.example",
        "unheard-of.example",
        "10.1.2.3",
    ):
        with pytest.raises(Unusable) as refusal:
            fetcher(Internet()).fetch(f"http://{host}/", "shop")
        messages.add(str(refusal.value))
    assert len(messages) == 1


def test_next_address_is_tried_where_one_does_not_answer() -> None:
    internet = Internet({"two.example": [[OTHER_PUBLIC, PUBLIC]]})
    with serving(says(head("Content-Type: image/jpeg"), PICTURE)) as port:
        internet.listen(PUBLIC, 80, port)
        assert fetcher(internet).fetch("http://two.example/", "shop") == PICTURE
    assert internet.dialled == [OTHER_PUBLIC, PUBLIC]


def test_host_of_many_addresses_is_tried_at_a_few() -> None:
    internet = Internet({"many.example": [[f"8.8.8.{last}" for last in range(50)]]})
    with pytest.raises(Unusable, match="no connection"):
        fetcher(internet).fetch("http://many.example/", "shop")
    assert len(internet.dialled) == 4


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://public.example", "public.example", "/"),
        ("HTTP://Public.Example.:80/a/../b?c=d#e", "public.example", "/a/../b?c=d"),
        (
            "http://public.example/%E4%BA%BA/a%20b.jpg?x=%2F&y",
            "public.example",
            "/%E4%BA%BA/a%20b.jpg?x=%2F&y",
        ),
        ("http://public.example/\u4eba.jpg?\u4eba", "public.example", "/%E4%BA%BA.jpg?%E4%BA%BA"),
        ("http://public.example?a@127.0.0.1", "public.example", "/?a@127.0.0.1"),
        ("http://public.example#@127.0.0.1/", "public.example", "/"),
        ("http://public.example//127.0.0.1/", "public.example", "//127.0.0.1/"),
        ("http://public.example/%0d%0aX:y", "public.example", "/%0d%0aX:y"),
        (f"http://{PUBLIC}/", PUBLIC, "/"),
        (f"http://[{OTHER_PUBLIC}]/", f"[{OTHER_PUBLIC}]", "/"),
        ("http://[2606:4700:4700:0:0:0:0:1111]:80/", f"[{OTHER_PUBLIC}]", "/"),
        ("http://M\u00dcNCHEN.example/", "xn--mnchen-3ya.example", "/"),
        ("http://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", "/"),
        ("http://\u7167\u7247.example/", "xn--2uxqs.example", "/"),
        ("http://under_score.example/", "under_score.example", "/"),
    ],
)
def test_good_url_is_asked_for_in_one_form(url: str, host: str, target: str) -> None:
    requests: list[str] = []
    names = ("public.example", "xn--mnchen-3ya.example", "xn--2uxqs.example", "under_score.example")
    internet = Internet({name: [[PUBLIC]] for name in names})

    def answer(sock: socket.socket, request: bytes) -> None:
        requests.append(request.decode("ascii"))
        sock.sendall(head("Content-Type: image/jpeg") + PICTURE)

    with serving(answer) as port:
        internet.listen(PUBLIC, 80, port)
        internet.listen(OTHER_PUBLIC, 80, port)
        fetcher(internet).fetch(url, "shop")
    line, *headers = requests[0].rstrip().split("\r\n")
    assert line == f"GET {target} HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: image/jpeg, image/png, image/bmp",
        "Connection: close",
        f"Host: {host}",
        "User-Agent: Regulars",
    ]
    assert internet.resolved in ([], [urlsplit(f"//{host}").hostname])


def test_slow_resolver_is_given_up_at_the_deadline() -> None:
    release = threading.Event()

    def resolve(_name: str) -> list[str]:
        release.wait()  # for good, unless the fetch is over
        return [PUBLIC]

    internet = Internet()
    with pytest.raises(Unusable, match=r"within 0\.1 s"):
        SafeFetcher(resolve, internet.dial, limit_s=0.1).fetch("http://public.example/", "shop")
    release.set()
    assert internet.dialled == []


def test_lookups_that_work_on_are_limited() -> None:
    release = threading.Event()

    def resolve(_name: str) -> list[str]:
        release.wait(60)
        return []

    slow = SafeFetcher(resolve, Internet().dial, limit_s=0.02, at_once=1)
    for _ in range(4):
        with pytest.raises(Unusable):
            slow.fetch("http://public.example/", "shop")
    with pytest.raises(Busy):
        slow.fetch("http://public.example/", "shop")
    release.set()


def test_fetches_at_a_time_are_limited_and_the_next_is_told_so_at_once() -> None:
    asked, release = threading.Event(), threading.Event()
    internet = Internet()

    def answer(sock: socket.socket, _: bytes) -> None:
        asked.set()
        release.wait(60)
        sock.sendall(head("Content-Type: image/jpeg") + PICTURE)

    with serving(answer) as port:
        internet.listen(PUBLIC, 80, port)
        one = fetcher(internet, at_once=1)
        thread = threading.Thread(target=one.fetch, args=("http://public.example/", "shop"))
        thread.start()
        assert asked.wait(60)
        with pytest.raises(Busy):
            one.fetch("http://public.example/", "shop")
        release.set()
        thread.join()
        assert one.fetch("http://public.example/", "shop") == PICTURE


def test_a_tenant_whose_hosts_hang_leaves_places_to_the_others() -> None:
    asked, release = threading.Semaphore(0), threading.Event()
    internet = Internet()

    def hangs(_sock: socket.socket, _: bytes) -> None:
        asked.release()
        release.wait(60)

    def answers(sock: socket.socket, _: bytes) -> None:
        sock.sendall(head("Content-Type: image/jpeg") + PICTURE)

    def hang() -> None:
        with suppress(Unusable):
            fetches.fetch("http://public.example/", "hanging")

    with serving(hangs) as hanging, serving(answers) as answering:
        internet.listen(PUBLIC, 80, hanging)
        internet.listen(OTHER_PUBLIC, 80, answering)
        fetches = fetcher(internet, at_once=16)
        threads = [threading.Thread(target=hang) for _ in range(OF_TENANT)]
        for thread in threads:
            thread.start()
        assert all(asked.acquire(timeout=60) for _ in threads)
        with pytest.raises(Busy, match="for this tenant"):
            fetches.fetch("http://public.example/", "hanging")
        assert fetches.fetch(f"http://[{OTHER_PUBLIC}]/", "other") == PICTURE
        release.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost/", "https://[::1]/"])
def test_systems_own_resolver_leads_to_no_loopback(url: str) -> None:
    with pytest.raises(Unusable, match="not public"):
        SafeFetcher().fetch(url, "shop")


def test_dialer_connects_to_an_address_and_a_port() -> None:
    with serving(says()) as port, dial(ip_address("127.0.0.1"), port, 1.0) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)


def test_dialer_closes_what_it_could_not_connect() -> None:
    with serving(says()) as port:
        pass
    with pytest.raises(OSError, match="refused"):
        dial(ip_address("127.0.0.1"), port, 1.0)


OWN_PORTS = {
    "http://public.example:443/",
    "http://public.example:8080/",
    "https://public.example:80/",
}
"""What pictures are not fetched from; of these, hooks may use ports from 1024 on."""

ORIGIN = parse_url("http://public.example/here")
RELATIVE = {
    *("", "//", "http:", "http://", "http:///", "http:///picture.jpg", "http://?picture.jpg"),
    *("http:public.example/", "public.example/picture.jpg"),
}
"""A redirect to one of these stays with the host that sent it."""


def readers(url: str) -> Iterator[Callable[[], Target]]:
    """All ways in which such a URL comes to us: a picture's, a hook's, a redirect's."""
    yield lambda: parse_url(url)
    if url not in OWN_PORTS:
        yield lambda: parse_url(url, user_ports=True)
    if url not in RELATIVE:
        yield lambda: parse_redirect(ORIGIN, url.encode(errors="surrogatepass").decode("latin-1"))


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=ascii)
def test_every_hostile_url_is_refused_however_it_comes(url: str) -> None:
    internet = Internet()
    connector = Connector(internet.resolve, internet.dial, tls=None, at_once=1)
    for read in readers(url):
        with pytest.raises(Unusable) as refusal:
            connector.open_connection(read(), Deadline(5))
        assert is_sentence(str(refusal.value))
    assert internet.dialled == []
    assert url not in SPELLINGS or internet.resolved == [], (
        "no spelling of an address is taken for a name"
    )


@pytest.mark.parametrize("url", sorted(RELATIVE))
def test_redirect_without_a_host_stays_with_the_one_it_came_from(url: str) -> None:
    assert parse_redirect(ORIGIN, url).host == ORIGIN.host


def test_hostile_urls_are_many_and_none_is_there_twice() -> None:
    assert len(HOSTILE_URLS) == len(set(HOSTILE_URLS)) > 150
    assert set(ONE_OF_EACH_KIND) <= set(HOSTILE_URLS)
