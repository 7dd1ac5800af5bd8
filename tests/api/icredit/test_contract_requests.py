"""docs/contract/icredit.md from its paths to its pictures: each rule by its words, on every operation that it is of."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus, urlencode

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.adapters.web import fetch
from chalicelib.adapters.web.fetch import IMAGE_TYPES
from chalicelib.api.icredit.views import PICTURES_BY_URL
from chalicelib.bootstrap import build
from chalicelib.core.pictures import PictureRules
from chalicelib.vision.pictures.image import read
from tests.adapters.web.hostile_urls import ONE_OF_EACH_KIND, Internet
from tests.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.api.icredit.client import (
    ANALYSIS,
    EVER,
    MANAGE,
    PATHS,
    QUERY,
    MarketClient,
    encoded,
    failure,
    persons,
    tokens,
)
from tests.api.icredit.conftest import ANN_URL
from tests.api.icredit.contract import Rules, Shop
from tests.fakes import FakeVision, Person, picture

RULES = Rules()
rule = RULES.rule

ANN = picture(Person(1))
ENROL = {
    "CONTROL_TYPE": "0",
    "IMAGE_TYPE": "0",
    "IMAGE": encoded(ANN),
    "PERSON_GROUP_LABEL": "VIP会员",
    "LABLE_A": "会员",
}
SEARCH = {**ENROL, "CONTROL_TYPE": "1"}
VALID = {MANAGE: ENROL, QUERY: EVER, ANALYSIS: {**EVER, "STATISTICAL": "2"}}


# --- requests and answers ---------------------------------------------------------------------------------------------


@rule("Paths: `POST /icredit/face/manage`, `POST /icredit/face/query`, `POST /icredit/face/analysis`.")
def _(shop: Shop) -> None:
    for path, fields in VALID.items():
        assert shop.market.call(path, fields)["PERSON_TOKEN_STATUS"] == "0"
        assert send(shop.market.app, path, method="GET").status == 405


@rule("Body: `application/x-www-form-urlencoded`, JSON object or multipart, in UTF-8")
def _(shop: Shop) -> None:
    for path, fields in VALID.items():
        bodies = {
            FORM: urlencode(fields).encode(),
            "application/json": json.dumps(fields, ensure_ascii=False).encode(),
            MULTIPART: multipart(Part(name, value.encode()) for name, value in fields.items()),
        }
        answers = [shop.market.post(body, content_type, path).json for content_type, body in bodies.items()]
        assert all(answer["PERSON_TOKEN_STATUS"] == "0" for answer in answers)
        assert all(answer == answers[0] for answer in answers)
        assert shop.market.post(b"x", "text/plain", path).status == 415
    assert [person["LABLE_A"] for person in persons(shop.market.query())] == ["会员"] * 3


@rule("Answer: HTTP 200, JSON, all scalars are strings.")
def _(shop: Shop) -> None:
    for path, fields in VALID.items():
        reply = shop.market.post(urlencode(fields).encode(), FORM, path)
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("application/json")
        assert holds_texts_only(reply.json)
        assert holds_texts_only(shop.market.call(path, {}))


def holds_texts_only(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(holds_texts_only, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str)


# --- who calls --------------------------------------------------------------------------------------------------------


def knock(shop: Shop, path: str, code: str | None = None) -> Reply:
    headers = {"Authorization": f"APPCODE {code}"} if code else {}
    return send(shop.market.app, path, urlencode(VALID[path]).encode(), headers=headers)


def refusal(reply: Reply) -> tuple[int, str]:
    assert reply.body == ""
    assert reply.headers["x-ca-error-code"].isalnum()
    return reply.status, reply.headers["x-ca-error-message"]


@rule(
    "The AppCode comes as the API market sends it: in the header `Authorization: APPCODE <code>`, or as "
    "`?AppCode=<code>`."
)
def _(shop: Shop) -> None:
    for path in PATHS:
        assert knock(shop, path, shop.market.appcode).status == 200
        body = urlencode(VALID[path]).encode()
        assert send(shop.market.app, path, body, query={"AppCode": [shop.market.appcode]}).status == 200


@rule("Missing or unknown: HTTP 400 `Invalid AppCode`, code `A400AC`.")
def _(shop: Shop) -> None:
    for path in PATHS:
        assert refusal(knock(shop, path)) == refusal(knock(shop, path, "0123")) == (400, "Invalid AppCode")


@rule("The tenant is disabled: HTTP 403 `Unauthorized`, code `A403AU`.")
def _(shop: Shop) -> None:
    shop.services.tenants.disable("shop")
    assert {refusal(knock(shop, path, shop.market.appcode)) for path in PATHS} == {(403, "Unauthorized")}


@rule("Its quota of requests is used up: HTTP 403 `Quota Exhausted`, code `A403QE`.")
def _(shop: Shop) -> None:
    shop.services.tenants.change("shop", {"requests_a_day": 4})
    replies = [knock(shop, path, shop.market.appcode) for path in PATHS * 2]
    assert [reply.status for reply in replies] == [200] * 4 + [403] * 2
    assert {refusal(reply) for reply in replies[4:]} == {(403, "Quota Exhausted")}


@rule(
    "Such an answer has an empty body, the text in the header `X-Ca-Error-Message` and the code in `X-Ca-Error-Code`."
)
def _(shop: Shop) -> None:
    reply = knock(shop, MANAGE)
    assert (reply.body, reply.headers["x-ca-error-message"]) == ("", "Invalid AppCode")
    assert reply.headers["x-ca-error-code"]


# --- names ------------------------------------------------------------------------------------------------------------


@rule("Requests accept LABLE_x and LABEL_x for each of A, B, C, D;")
def _(shop: Shop) -> None:
    fields = {name: value for name, value in ENROL.items() if name != "LABLE_A"}
    shop.market.manage(**fields, LABLE_A="1", LABEL_B="2", LABLE_C="3", LABEL_D="4")
    for sent in ({"LABLE_A": "1", "LABEL_B": "2"}, {"LABEL_A": "1", "LABLE_D": "4"}, {"LABEL_C": "3"}):
        assert len(persons(shop.market.query(**sent))) == 1
        assert sum(int(one["AMOUNT"]) for one in shop.market.analysis("0", **sent)["PERSON_TOKEN_ENEITY"]) == 1
    assert persons(shop.market.query(LABEL_A="2")) == []


@rule(
    "Answers have both families: LABLE_A is FIRST_A_LABLE, B is SECOND_A_LABEL, C is FIRST_B_LABEL, D is "
    "SECOND_B_LABEL."
)
def _(shop: Shop) -> None:
    labels = {"LABLE_A": "a", "LABLE_B": "b", "LABLE_C": "c", "LABLE_D": "d"}
    other = {"FIRST_A_LABLE": "a", "SECOND_A_LABEL": "b", "FIRST_B_LABEL": "c", "SECOND_B_LABEL": "d"}
    answers = [shop.market.manage(**ENROL | labels)]
    answers += [shop.market.query(), shop.market.manage(**SEARCH)]
    for person in (persons(answer)[0] for answer in answers):
        assert {name: person[name] for name in labels | other} == labels | other


@rule(
    'The statistics come under the key as printed, `"PERSON_ TOKEN_ENEITY"`, and without the space, '
    '`"PERSON_TOKEN_ENEITY"`.'
)
def _(shop: Shop) -> None:
    shop.market.manage(**ENROL)
    answer = shop.market.analysis("0")
    assert answer["PERSON_ TOKEN_ENEITY"] == answer["PERSON_TOKEN_ENEITY"]
    assert len(answer["PERSON_TOKEN_ENEITY"]) == 1


# --- IMAGE ------------------------------------------------------------------------------------------------------------


@rule(
    "0 is base64, URL-encoded in a form: a `data:` prefix, missing padding, line breaks, `+` that became a space "
    "and double URL-encoding are tolerated."
)
def _(shop: Shop) -> None:
    token = tokens(shop.market.manage(**ENROL))
    text = encoded(ANN)
    once = quote_plus(text)
    for sent in (text.rstrip("="), f"data:image/jpeg;base64,{text}", once, quote_plus(once), text.replace("+", " ")):
        assert tokens(shop.market.manage(**ENROL | {"IMAGE": sent})) == token
    assert failure(shop.market.manage(**ENROL | {"IMAGE": "not base64!"})) == "UNUSABLE_IMAGE"


@rule("1 is a URL, which we fetch:")
def _(shop: Shop) -> None:
    by_url = {"IMAGE_TYPE": "1", "IMAGE": ANN_URL}
    token = tokens(shop.market.manage(**ENROL | by_url))
    assert tokens(shop.market.manage(**SEARCH | by_url)) == token
    assert tokens(shop.market.manage(**SEARCH)) == token
    assert shop.pictures.fetched == [ANN_URL] * 2


@rule("http or https only, public addresses only, checked again after each redirect and answer of DNS;")
def _(shop: Shop) -> None:
    """That every hostile URL is refused, redirects and all, is shown in tests/adapters; here, that they get there."""
    internet = Internet()
    safe = fetch.SafeFetcher(internet.resolve, internet.dial)
    shop.use(pictures_by_url=safe)
    for url in ONE_OF_EACH_KIND:
        for fields in (ENROL, SEARCH):
            assert failure(shop.market.manage(**fields | {"IMAGE_TYPE": "1", "IMAGE": url})) == "UNUSABLE_IMAGE", url
    assert internet.dialled == []
    assert "VIP会员" not in shop.camera.groups(), "nothing of a failed enrolment remains"


@rule("within 5 s, up to 2 MB, image types only.")
def _(shop: Shop) -> None:
    assert (fetch.LIMIT_S, fetch.MAX_BYTES) == (5.0, 2 * 1024 * 1024)
    assert {kind.split("/")[0] for kind in IMAGE_TYPES} == {"image"}
    assert PICTURES_BY_URL.max_bytes == fetch.MAX_BYTES, "what may be fetched may be used"


@rule("3 is a PERSON_TOKEN; 2 is read as 3.")
def _(shop: Shop) -> None:
    token = tokens(shop.market.manage(**ENROL))
    for kind in "23":
        assert tokens(shop.market.manage(**SEARCH | {"IMAGE_TYPE": kind, "IMAGE": token[0]})) == token


class ReadingVision(FakeVision):
    """Reads pictures as the real one does, and sees Ann in each of them, from the left edge to the right."""

    def read(self, picture_: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        width = read(picture_, rules).shape[1]
        return super().read(picture(Person(1, side_px=width)), PictureRules(rules.formats, 10**6, 1, 1))


@pytest.fixture
def reader(floor: Shop) -> Iterator[MarketClient]:
    """The same shop, where pictures are read."""
    vision = ReadingVision()
    floor.stage.services = build(floor.services.settings, clock=floor.clock, vision=lambda: vision)
    yield floor.market
    floor.services.close()


def image(width: int, height: int, file_format: str = "PNG", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(buffer, file_format, **({} if orientation == 1 else {"exif": exif}))
    return buffer.getvalue()


ACCEPTED = {
    "a JPG": image(20, 30, "JPEG"),
    "a PNG": image(20, 30),
    "a BMP": image(20, 30, "BMP"),
    "15 px at the shortest side": image(15, 16),
    "4096 px at the longest side": image(15, 4096),
}
REFUSED = {
    "a GIF": (image(20, 30, "GIF"), "JPG or PNG or BMP"),
    "a WEBP": (image(20, 30, "WEBP"), "JPG or PNG or BMP"),
    "14 px at the shortest side": (image(14, 400), "at least 15"),
    "4097 px at the longest side": (image(20, 4097), "4096"),
    "half a file": (image(200, 300, "JPEG")[:700], "damaged"),
    "no picture": (b"hello", "no picture"),
    "over 2 MB in base64": (image(20, 30, "BMP") + b"\0" * 1_572_864, "2097152"),
}


@rule("The shortest side has at least 15 px, the longest at most 4096 px; JPG, PNG, BMP (not in run lengths).")
def _(shop: Shop) -> None:
    """Pictures are read in the two tests below."""
    assert len(REFUSED) > len(ACCEPTED)


@pytest.mark.parametrize("picture_", ACCEPTED.values(), ids=list(ACCEPTED))
def test_a_picture_within_the_rules_is_taken(reader: MarketClient, picture_: bytes) -> None:
    assert tokens(reader.enrol("vip", picture_)) == tokens(reader.search("vip", picture_))


@pytest.mark.parametrize(("picture_", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_a_picture_outside_the_rules_fails_with_its_own_reason(
    reader: MarketClient, picture_: bytes, reason: str
) -> None:
    for answer in (reader.enrol("vip", picture_), reader.search("vip", picture_)):
        assert failure(answer) == "UNUSABLE_IMAGE"
        assert reason in answer["ERROR_MSG"]


@rule("EXIF orientation is applied before anything else; boxes are in the upright picture.")
def _(shop: Shop) -> None:
    """Shown in the test below, and with a real face in test_real_pictures."""


@pytest.mark.parametrize(("orientation", "width"), [(1, "40"), (3, "40"), (6, "90"), (8, "90")])
def test_boxes_are_in_the_upright_picture(reader: MarketClient, orientation: int, width: str) -> None:
    stored = image(40, 90, "JPEG", orientation)
    assert persons(reader.enrol("vip", stored))[0]["WIDTH"] == width


@pytest.mark.parametrize("words", RULES.checks)
def test_contract(floor: Shop, words: str) -> None:
    RULES.checks[words](floor)
