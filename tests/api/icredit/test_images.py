"""IMAGE: base64 with everything that URL-encoding, browsers and mail programs do to it."""

from __future__ import annotations

import base64
import textwrap
from contextlib import suppress
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.api.icredit.request import MAX_ENCODED, decoded
from chalicelib.api.icredit.views import PICTURES
from chalicelib.core.errors import Unusable
from tests.api.icredit.client import MarketClient, persons
from tests.fakes import Person, picture

BYTES = bytes(range(256)) * 3 + b"\xfb\xff\xbf"
TEXT = base64.b64encode(BYTES).decode()


@pytest.mark.parametrize(
    "sent",
    [
        TEXT,
        TEXT.rstrip("="),
        TEXT.replace("+", " "),
        TEXT.replace("+", " ").rstrip("="),
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:image/png;charset=utf-8;base64,{TEXT}",
        quote(TEXT, safe=""),
        quote(quote(TEXT, safe=""), safe=""),
        quote(f"data:image/jpeg;base64,{TEXT}", safe=""),
        unquote_plus(TEXT),
        "\r\n".join(textwrap.wrap(TEXT, 76)),
        f"\n{TEXT}\n",
    ],
)
def test_base64_is_read_as_it_was_meant(sent: str) -> None:
    assert decoded(sent) == BYTES


@given(st.binary(), st.booleans(), st.integers(0, 2), st.booleans(), st.booleans())
def test_every_mixture_of_the_tolerated_faults_is_read(
    data: bytes, prefixed: bool, times: int, unpadded: bool, as_spaces: bool
) -> None:
    text = base64.b64encode(data).decode()
    assume(not text.startswith("+"))  # as those of no picture do
    text = text.rstrip("=") if unpadded else text
    text = f"data:image/png;base64,{text}" if prefixed else text
    for _ in range(times):
        text = quote_plus(text)
    text = text.replace("+", " ") if as_spaces else text
    assert decoded(text) == data


@pytest.mark.parametrize("sent", ["!", "abc*", "会员", "a", "abcde", "data:image/png;base64", "%", "ab=c", "\x00"])
def test_what_is_no_base64_is_refused(sent: str) -> None:
    with pytest.raises(Unusable):
        decoded(sent)


@given(st.text(max_size=40) | st.text(st.sampled_from("data:,%2Bb=+ /Aé"), max_size=40))
def test_any_text_is_bytes_or_unusable(sent: str) -> None:
    """Shows that nothing else is raised; what is read from good input other tests say."""
    with suppress(Unusable):
        assert isinstance(decoded(sent), bytes)


def test_the_size_is_counted_in_characters_of_base64_after_url_decoding() -> None:
    largest = "+" * MAX_ENCODED
    assert len(decoded(quote(largest, safe=""))) == PICTURES.max_bytes == 1_572_864
    assert decoded(f"data:image/png;base64,{largest}")
    with pytest.raises(Unusable, match="2097152"):
        decoded(largest + "+")


def test_the_documented_rules_of_pictures() -> None:
    assert PICTURES.formats == {"JPEG", "PNG", "BMP"}
    assert (PICTURES.min_short_side_px, PICTURES.max_long_side_px, PICTURES.max_short_side_px) == (15, 4096, 4096)


@pytest.mark.parametrize("times", [0, 1])
def test_a_form_may_be_url_encoded_once_too_often(market: MarketClient, times: int) -> None:
    image = "data:image/jpeg;base64," + base64.b64encode(picture(Person(1))).decode()
    for _ in range(times):
        image = quote(image, safe="")
    answer = market.manage(CONTROL_TYPE="0", IMAGE_TYPE="0", IMAGE=image, PERSON_GROUP_LABEL="vip")
    assert len(persons(answer)) == 1
