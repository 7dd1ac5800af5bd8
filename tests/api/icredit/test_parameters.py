import base64
import json
import textwrap
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import asdict

from chalicelib.api.http import MediaType
from chalicelib.api.icredit.request import MAX_ENCODED, Parameters, decode_base64, parse_parameters
from chalicelib.api.icredit.routes import PICTURES
from chalicelib.domain.errors import Unusable
from chalicelib.domain.local_time import Span
from chalicelib.domain.observations import ObservationFilter
from chalicelib.storage.items import PageTokens
from tests.support.api.gateway import MULTIPART, Part, multipart
from tests.support.api.icredit.client import EVER, MarketClient, encoded, failure, persons
from tests.support.fakes import Person, picture

ANN = picture(Person(1))

ENROL = {
    "CONTROL_TYPE": "0",
    "IMAGE_TYPE": "0",
    "IMAGE": encoded(ANN),
    "PERSON_GROUP_LABEL": "VIP会员",
    "LABLE_A": "会员类型",
}

JSON = MediaType("application/json")


def as_json(
    market: MarketClient, body: Any, content_type: str = "application/json; charset=UTF-8"
) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    reply = market.post(text.encode(), content_type)
    assert reply.status == 200
    return reply.json


@pytest.mark.shows("icredit", "An empty one, or a null in JSON, counts as not sent")
def test_a_form_a_json_object_and_multipart_say_the_same(market: MarketClient) -> None:
    parts = [Part(name, value.encode()) for name, value in ENROL.items()]
    answers = [
        market.manage(**ENROL),
        as_json(market, ENROL),
        as_json(
            market,
            ENROL | {"CONTROL_TYPE": 0, "IMAGE_TYPE": 0, "LABLE_B": None},
            "Application/JSON",
        ),
        as_json(market, "\ufeff" + json.dumps(ENROL)),
        market.post(multipart(parts), MULTIPART).json,
        market.post(
            multipart([*parts[:2], Part("IMAGE", ENROL["IMAGE"].encode(), "a.txt"), *parts[3:]]),
            MULTIPART,
        ).json,
    ]
    people = [persons(answer)[0] for answer in answers]
    assert all(person == people[0] for person in people)
    assert people[0]["LABLE_A"] == people[0]["FIRST_A_LABLE"] == "会员类型"


@pytest.mark.shows("icredit", "IMAGE holds what IMAGE_TYPE says:")
@pytest.mark.parametrize("control", ["0", "1"])
@pytest.mark.parametrize("image_type", ["4", "x", "00", "-1", "0 "])
def test_other_image_types_fail(market: MarketClient, control: str, image_type: str) -> None:
    answer = market.manage(**ENROL | {"CONTROL_TYPE": control, "IMAGE_TYPE": image_type})
    assert failure(answer) == "INVALID_PARAMETER"
    assert "IMAGE_TYPE" in answer["ERROR_MSG"]


@pytest.mark.shows("icredit", "if both come, they are the same")
@pytest.mark.parametrize("control", ["0", "1"])
def test_two_different_spellings_of_one_label_fail(market: MarketClient, control: str) -> None:
    answer = market.manage(**ENROL | {"CONTROL_TYPE": control, "LABEL_A": "other"})
    assert failure(answer) == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "7",
        '"text"',
        "null",
        '{"CONTROL_TYPE": true}',
        '{"CONTROL_TYPE": []}',
        '{"CONTROL_TYPE": {}}',
        '{"CONTROL_TYPE": "0", "CONTROL_TYPE": "1"}',
        '{"LABLE_A": "\\ud800"}',
        '{"\\ud800": "1"}',
        '{"CONTROL_TYPE": NaN}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_json_that_is_no_object_of_texts_fails(market: MarketClient, body: str) -> None:
    assert failure(as_json(market, body)) == "INVALID_PARAMETER"


@pytest.mark.shows("icredit", "A parameter is sent once.")
@pytest.mark.parametrize("body", [b"LABLE_A=%ff", b"CONTROL_TYPE=0&CONTROL_TYPE=1", b"\xff=1"])
def test_a_form_that_is_not_utf_8_or_repeats_itself_fails(
    market: MarketClient, body: bytes
) -> None:
    assert (
        failure(market.post(body, "application/x-www-form-urlencoded").json) == "INVALID_PARAMETER"
    )


def test_a_binary_file_is_not_what_image_is(market: MarketClient) -> None:
    body = multipart([Part("IMAGE", b"\xff\xd8\xff", "a.jpg")])
    answer = market.post(body, MULTIPART).json
    assert failure(answer) == "INVALID_PARAMETER"
    assert "base64" in answer["ERROR_MSG"]


@pytest.mark.shows("icredit", "an unknown parameter is ignored")
def test_an_unknown_parameter_is_ignored(market: MarketClient) -> None:
    assert persons(market.manage(**ENROL, COLOUR="red"))


@pytest.mark.shows("icredit", "a number in JSON is read as its digits")
def test_numbers_keep_their_digits() -> None:
    assert parse_parameters(
        JSON, b'{"PERSON_TOKEN": 9007199254740993, "LABLE_A": 1.50}'
    ) == Parameters({"PERSON_TOKEN": "9007199254740993", "LABLE_A": "1.50"})
    digits = "9" * 5000
    assert parse_parameters(JSON, b'{"A": %s}' % digits.encode()).text("A") == digits


BYTES = bytes(range(256)) * 3 + b"\xfb\xff\xbf"

TEXT = base64.b64encode(BYTES).decode()


@pytest.mark.parametrize(
    "sent",
    [
        f"DATA:image/png;charset=utf-8;base64,{TEXT}",
        quote(TEXT, safe=""),
        quote(quote(TEXT, safe=""), safe=""),
        "\r\n".join(textwrap.wrap(TEXT, 76)),
        f"\n{TEXT}\n",
    ],
)
def test_base64_is_read_as_it_was_meant(sent: str) -> None:
    assert decode_base64(sent) == BYTES


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
    assert decode_base64(text) == data


@pytest.mark.parametrize(
    "sent", ["!", "abc*", "会员", "a", "abcde", "data:image/png;base64", "%", "ab=c", "\x00"]
)
def test_what_is_no_base64_is_refused(sent: str) -> None:
    with pytest.raises(Unusable):
        decode_base64(sent)


def test_the_size_is_counted_in_characters_of_base64_after_url_decoding() -> None:
    largest = "+" * MAX_ENCODED
    assert len(decode_base64(quote(largest, safe=""))) == PICTURES.max_bytes == 1_572_864
    assert decode_base64(f"data:image/png;base64,{largest}")
    with pytest.raises(Unusable, match="2097152"):
        decode_base64(largest + "+")


@pytest.mark.parametrize(
    "place", ["abc", "abc#x", "9" * 5000 + "#x", "-1#x", "0#", "1795195650592#" + "z" * 3000]
)
def test_a_forged_page_token_is_no_fault_of_ours(market: MarketClient, place: str) -> None:
    for _ in range(2):
        market.enrol("vip", ANN)
    span = Span.of_seconds(int(EVER["START_TIME"]), int(EVER["END_TIME"]))
    query = json.dumps(["shop", ObservationFilter().text_for_tokens, asdict(span)])
    answer = market.query(PAGE_TOKEN=PageTokens(query).make_token(place))
    assert answer.get("ERROR_CODE") in (None, "INVALID_PARAMETER"), answer
