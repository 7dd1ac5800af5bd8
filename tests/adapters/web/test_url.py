"""Every hostile URL once: read and connected to, as pictures, redirects and hooks are.

The tests of those callers show that they go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.adapters.web.connection import Connector, Deadline
from chalicelib.adapters.web.url import Target, read_url, redirected
from chalicelib.core.errors import Unusable
from tests.adapters.web.hostile_urls import HOSTILE_URLS, ONE_OF_EACH_KIND, SPELLINGS, Internet, is_sentence

OWN_PORTS = {"http://public.example:443/", "http://public.example:8080/", "https://public.example:80/"}
"""What pictures are not fetched from; of these, hooks may use ports from 1024 on."""

ORIGIN = read_url("http://public.example/here")
RELATIVE = {
    *("", "//", "http:", "http://", "http:///", "http:///picture.jpg", "http://?picture.jpg"),
    *("http:public.example/", "public.example/picture.jpg"),
}
"""A redirect to one of these stays with the host that sent it."""


def readers(url: str) -> Iterator[Callable[[], Target]]:
    """All ways in which such a URL comes to us: a picture's, a hook's, a redirect's."""
    yield lambda: read_url(url)
    if url not in OWN_PORTS:
        yield lambda: read_url(url, user_ports=True)
    if url not in RELATIVE:
        yield lambda: redirected(ORIGIN, url.encode(errors="surrogatepass").decode("latin-1"))


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=ascii)
def test_hostile_url_makes_no_connection(url: str) -> None:
    internet = Internet()
    connector = Connector(internet.resolve, internet.dial, tls=None, at_once=1)
    for read in readers(url):
        with pytest.raises(Unusable) as refusal:
            connector.connected(read(), Deadline(5))
        assert is_sentence(str(refusal.value))
    assert internet.dialled == []
    assert url not in SPELLINGS or internet.resolved == [], "no spelling of an address is taken for a name"


@pytest.mark.parametrize("url", sorted(RELATIVE))
def test_redirect_without_a_host_stays_with_the_one_it_came_from(url: str) -> None:
    assert redirected(ORIGIN, url).host == ORIGIN.host


def test_hostile_urls_are_many_and_none_is_there_twice() -> None:
    assert len(HOSTILE_URLS) == len(set(HOSTILE_URLS)) > 150
    assert set(ONE_OF_EACH_KIND) <= set(HOSTILE_URLS)
