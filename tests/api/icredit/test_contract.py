"""docs/contract/icredit.md: each rule by its words, on every operation that it is of."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.api.icredit.request import MAX_ENCODED
from chalicelib.api.icredit.routes import PICTURES_BY_URL
from chalicelib.book.vision.pictures.image import read_picture
from chalicelib.bootstrap import build
from chalicelib.domain.model import Credentials, Labels, Profile, Tenant
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.pictures import Estimates, PictureRules
from chalicelib.http_client import safe_requests
from chalicelib.http_client.safe_requests import IMAGE_TYPES
from tests.api.icredit.conftest import ANN_URL
from tests.api.icredit.contract import Rules, Shop
from tests.support.api.contract import rules_of, shown, unquoted
from tests.support.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.support.api.icredit.client import (
    ANALYSIS,
    EVER,
    MANAGE,
    PATHS,
    QUERY,
    MarketClient,
    amounts,
    encoded,
    failure,
    persons,
    tokens,
)
from tests.support.api.sunmi.client import CameraClient
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeVision, Person, picture
from tests.support.web.hostile_urls import ONE_OF_EACH_KIND, Internet

RULES = Rules()
rule = RULES.rule

ANN, BOB, NOBODY = picture(Person(1)), picture(Person(2)), picture()
ENROL = {
    "CONTROL_TYPE": "0",
    "IMAGE_TYPE": "0",
    "IMAGE": encoded(ANN),
    "PERSON_GROUP_LABEL": "VIP会员",
    "LABLE_A": "会员",
}
SEARCH = {**ENROL, "CONTROL_TYPE": "1"}
VALID = {MANAGE: ENROL, QUERY: EVER, ANALYSIS: {**EVER, "STATISTICAL": "2"}}


# --- requests and answers
# ---------------------------------------------------------------------------------------------


@rule(
    "Paths: `POST /icredit/face/manage`, `POST /icredit/face/query`, `POST /icredit/face/analysis`."
)
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
        answers = [
            shop.market.post(body, content_type, path).json for content_type, body in bodies.items()
        ]
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


# --- who calls
# --------------------------------------------------------------------------------------------------


def knock(shop: Shop, path: str, code: str | None = None) -> Reply:
    headers = {"Authorization": f"APPCODE {code}"} if code else {}
    return send(shop.market.app, path, urlencode(VALID[path]).encode(), headers=headers)


def refusal(reply: Reply) -> tuple[int, str]:
    assert reply.body == ""
    assert reply.headers["x-ca-error-code"].isalnum()
    return reply.status, reply.headers["x-ca-error-message"]


@rule(
    "The AppCode comes as the API market sends it: in the header `Authorization: APPCODE <code>`, "
    "or as "
    "`?AppCode=<code>`."
)
def _(shop: Shop) -> None:
    for path in PATHS:
        assert knock(shop, path, shop.market.appcode).status == 200
        body = urlencode(VALID[path]).encode()
        assert (
            send(shop.market.app, path, body, query={"AppCode": [shop.market.appcode]}).status
            == 200
        )


@rule("Missing or unknown: HTTP 400 `Invalid AppCode`, code `A400AC`.")
def _(shop: Shop) -> None:
    for path in PATHS:
        assert (
            refusal(knock(shop, path))
            == refusal(knock(shop, path, "0123"))
            == (400, "Invalid AppCode")
        )


@rule("The tenant is disabled: HTTP 403 `Unauthorized`, code `A403AU`.")
def _(shop: Shop) -> None:
    shop.services.tenants.disable("shop")
    assert {refusal(knock(shop, path, shop.market.appcode)) for path in PATHS} == {
        (403, "Unauthorized")
    }


@rule("Its quota of requests is used up: HTTP 403 `Quota Exhausted`, code `A403QE`.")
def _(shop: Shop) -> None:
    shop.services.tenants.change_settings("shop", {"requests_a_day": 4})
    replies = [knock(shop, path, shop.market.appcode) for path in PATHS * 2]
    assert [reply.status for reply in replies] == [200] * 4 + [403] * 2
    assert {refusal(reply) for reply in replies[4:]} == {(403, "Quota Exhausted")}


@rule(
    "Such an answer has an empty body, the text in the header `X-Ca-Error-Message` and the code in "
    "`X-Ca-Error-Code`."
)
def _(shop: Shop) -> None:
    reply = knock(shop, MANAGE)
    assert (reply.body, reply.headers["x-ca-error-message"]) == ("", "Invalid AppCode")
    assert reply.headers["x-ca-error-code"]


# --- names
# --------------------------------------------------------------------------------------------------


@rule("Requests accept LABLE_x and LABEL_x for each of A, B, C, D;")
def _(shop: Shop) -> None:
    fields = {name: value for name, value in ENROL.items() if name != "LABLE_A"}
    shop.market.manage(**fields, LABLE_A="1", LABEL_B="2", LABLE_C="3", LABEL_D="4")
    for sent in (
        {"LABLE_A": "1", "LABEL_B": "2"},
        {"LABEL_A": "1", "LABLE_D": "4"},
        {"LABEL_C": "3"},
    ):
        assert len(persons(shop.market.query(**sent))) == 1
        assert (
            sum(
                int(one["AMOUNT"])
                for one in shop.market.analysis("0", **sent)["PERSON_TOKEN_ENEITY"]
            )
            == 1
        )
    assert persons(shop.market.query(LABEL_A="2")) == []


@rule(
    "Answers have both families: LABLE_A is FIRST_A_LABLE, B is SECOND_A_LABEL, C is "
    "FIRST_B_LABEL, D is "
    "SECOND_B_LABEL."
)
def _(shop: Shop) -> None:
    labels = {"LABLE_A": "a", "LABLE_B": "b", "LABLE_C": "c", "LABLE_D": "d"}
    other = {
        "FIRST_A_LABLE": "a",
        "SECOND_A_LABEL": "b",
        "FIRST_B_LABEL": "c",
        "SECOND_B_LABEL": "d",
    }
    answers = [shop.market.manage(**ENROL | labels)]
    answers += [shop.market.query(), shop.market.manage(**SEARCH)]
    for person in (persons(answer)[0] for answer in answers):
        assert {name: person[name] for name in labels | other} == labels | other


@rule(
    'The statistics come under the key as printed, `"PERSON_ TOKEN_ENEITY"`, and without the '
    "space, "
    '`"PERSON_TOKEN_ENEITY"`.'
)
def _(shop: Shop) -> None:
    shop.market.manage(**ENROL)
    answer = shop.market.analysis("0")
    assert answer["PERSON_ TOKEN_ENEITY"] == answer["PERSON_TOKEN_ENEITY"]
    assert len(answer["PERSON_TOKEN_ENEITY"]) == 1


# --- IMAGE
# --------------------------------------------------------------------------------------------------


@rule(
    "0 is base64, URL-encoded in a form: a `data:` prefix, missing padding, line breaks, `+` that "
    "became a space "
    "and double URL-encoding are tolerated."
)
def _(shop: Shop) -> None:
    token = tokens(shop.market.manage(**ENROL))
    text = encoded(ANN)
    once = quote_plus(text)
    for sent in (
        text.rstrip("="),
        f"data:image/jpeg;base64,{text}",
        once,
        quote_plus(once),
        text.replace("+", " "),
    ):
        assert tokens(shop.market.manage(**ENROL | {"IMAGE": sent})) == token
    assert failure(shop.market.manage(**ENROL | {"IMAGE": "not base64!"})) == "UNUSABLE_IMAGE"


@rule("1 is a URL, which we fetch:")
def _(shop: Shop) -> None:
    by_url = {"IMAGE_TYPE": "1", "IMAGE": ANN_URL}
    token = tokens(shop.market.manage(**ENROL | by_url))
    assert tokens(shop.market.manage(**SEARCH | by_url)) == token
    assert tokens(shop.market.manage(**SEARCH)) == token
    assert shop.pictures.fetched == [ANN_URL] * 2
    as_numbers = json.dumps({**SEARCH, "IMAGE_TYPE": 1, "IMAGE": ANN_URL}).encode()
    reply = shop.market.post(as_numbers, "application/json")
    assert tokens(reply.json) == token
    assert "fetch;dur=" in reply.headers["server-timing"]


@rule(
    "http or https only, public addresses only, checked again after each redirect and answer of "
    "DNS;"
)
def _(shop: Shop) -> None:
    """That every hostile URL is refused, redirects and all, is shown in tests/storage; here, that
    they get there."""
    internet = Internet()
    safe = safe_requests.SafeFetcher(internet.resolve, internet.dial)
    shop.fetch_with(safe)
    for url in ONE_OF_EACH_KIND:
        for fields in (ENROL, SEARCH):
            assert (
                failure(shop.market.manage(**fields | {"IMAGE_TYPE": "1", "IMAGE": url}))
                == "UNUSABLE_IMAGE"
            ), url
    assert internet.dialled == []
    assert "VIP会员" not in shop.camera.groups(), "nothing of a failed enrolment remains"


@rule("within 5 s, up to 2 MB, image types only.")
def _(shop: Shop) -> None:
    assert (safe_requests.LIMIT_S, safe_requests.MAX_BYTES) == (5.0, 2 * 1024 * 1024)
    assert {kind.split("/")[0] for kind in IMAGE_TYPES} == {"image"}
    assert PICTURES_BY_URL.max_bytes == safe_requests.MAX_BYTES, "what may be fetched may be used"


@rule("3 is a PERSON_TOKEN; 2 is read as 3.")
def _(shop: Shop) -> None:
    token = tokens(shop.market.manage(**ENROL))
    for kind in "23":
        assert (
            tokens(shop.market.manage(**SEARCH | {"IMAGE_TYPE": kind, "IMAGE": token[0]})) == token
        )


class ReadingVision(FakeVision):
    """Reads pictures as the real one does, and sees Ann in each of them, from the left edge to the
    right."""

    def read_picture(self, picture_: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        width = read_picture(picture_, rules).shape[1]
        return super().read_picture(
            picture(Person(1, side_px=width)), PictureRules(rules.formats, 10**6, 1, 1)
        )


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
    Image.new("RGB", (width, height), "grey").save(
        buffer, file_format, **({} if orientation == 1 else {"exif": exif})
    )
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


@rule(
    "The shortest side has at least 15 px, the longest at most 4096 px; JPG, PNG, BMP (not in run "
    "lengths)."
)
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
    """Shown in the test below; with a real face: dialects/tests/rekognition/test_programs.py."""


@pytest.mark.parametrize(("orientation", "width"), [(1, "40"), (3, "40"), (6, "90"), (8, "90")])
def test_boxes_are_in_the_upright_picture(
    reader: MarketClient, orientation: int, width: str
) -> None:
    stored = image(40, 90, "JPEG", orientation)
    assert persons(reader.enrol("vip", stored))[0]["WIDTH"] == width


CROWD = picture(Person(1, 50), Person(2, 90), Person(3, 70))
SIDES = ("LEFT", "TOP", "WIDTH", "HEIGHT")
NOBODY_FOUND = {"PERSON_TOKEN_STATUS": "0", "PERSON_ENTITY": []}


def by_token(control: str, group: str, token: str, **fields: str) -> dict[str, str]:
    sent = {"CONTROL_TYPE": control, "IMAGE_TYPE": "3", "IMAGE": token, "PERSON_GROUP_LABEL": group}
    return sent | fields


# --- enrol
# --------------------------------------------------------------------------------------------------


@rule(
    "Every face of the picture is enrolled in PERSON_GROUP_LABEL, which is created on first use, "
    "with the labels."
)
def _(shop: Shop) -> None:
    assert "vip" not in shop.camera.groups()
    enrolled = persons(shop.market.enrol("vip", CROWD, LABLE_A="a"))
    assert [(one["PERSON_GROUP_LABEL"], one["LABLE_A"]) for one in enrolled] == [("vip", "a")] * 3
    assert shop.camera.groups()["vip"]["count"] == 3


@rule("There is one PERSON_ENTITY each, the largest first.")
def _(shop: Shop) -> None:
    enrolled = persons(shop.market.enrol("vip", CROWD))
    assert [one["WIDTH"] for one in enrolled] == ["90", "70", "50"]
    assert len({one["PERSON_TOKEN"] for one in enrolled}) == 3


@rule("A face that already is in that group (above the duplicate threshold) is not enrolled twice:")
def _(shop: Shop) -> None:
    for _ in range(3):
        shop.market.enrol("vip", ANN)
    # who hardly looks like herself is somebody else
    shop.market.enrol("vip", picture(Person(1, 130, likeness=0.1)))
    assert shop.camera.groups()["vip"]["count"] == 2


@rule("its entity carries the known token, its labels are updated,")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="a", LABLE_B="b"))
    again = persons(shop.market.enrol("vip", picture(Person(1, 120), Person(2, 60)), LABLE_A="new"))
    assert (again[0]["PERSON_TOKEN"], again[0]["LABLE_A"], again[0]["LABLE_B"]) == (
        token,
        "new",
        "b",
    )
    assert again[1]["PERSON_TOKEN"] != token
    assert persons(shop.market.search("vip", ANN))[0]["LABLE_A"] == "new"


@rule("and its picture stays unless the new one is better.")
def _(shop: Shop) -> None:
    def similarity() -> float:
        return float(
            persons(shop.market.search("vip", picture(Person(1, 100, quality=80))))[0]["SIMILARITY"]
        )

    shop.market.enrol("vip", picture(Person(1, 100, quality=80)))
    assert similarity() == 100.0
    shop.market.enrol("vip", picture(Person(1, 100, quality=81)))
    assert similarity() == 100.0, "the first picture is still the one that is compared with"
    shop.market.enrol("vip", picture(Person(1, 100, quality=99)))
    assert similarity() < 100.0


# --- search
# --------------------------------------------------------------------------------------------------


@rule(
    "Every face of the picture is searched in PERSON_GROUP_LABEL. There is one entity for each "
    "face that matched,"
)
def _(shop: Shop) -> None:
    two = tokens(shop.market.enrol("vip", picture(Person(1, 50), Person(2, 90))))
    shop.market.enrol("gold", picture(Person(3)))
    assert tokens(shop.market.search("vip", CROWD)) == two


@rule("with the stored token and labels and the box of the probe.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="stored"))
    (found,) = persons(
        shop.market.search("vip", picture(Person(9, 40), Person(1, 120)), LABLE_A="of the call")
    )
    assert (found["PERSON_TOKEN"], found["LABLE_A"]) == (token, "stored")
    assert [found[side] for side in SIDES] == ["15", "20", "120", "120"]


@rule("No match is an empty list,")
@rule('A search that finds nobody is no failure: its status is "0".')
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert shop.market.search("vip", BOB) == NOBODY_FOUND


@rule("and so is a picture without a face or an unknown group.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert shop.market.search("vip", NOBODY) == shop.market.search("gold", ANN) == NOBODY_FOUND


# --- delete
# --------------------------------------------------------------------------------------------------


@rule("IMAGE holds the token (IMAGE_TYPE 3), or PERSON_TOKEN does.")
@rule('The answer is `{"PERSON_TOKEN_STATUS":"0"}` alone.')
def _(shop: Shop) -> None:
    for sent in (
        {"IMAGE_TYPE": "3", "IMAGE": " {} "},
        {"IMAGE_TYPE": "2", "IMAGE": "{}"},
        {"PERSON_TOKEN": "{}"},
        {"PERSON_TOKEN": "{}", "IMAGE_TYPE": "0", "IMAGE": "x"},
        {"PERSON_TOKEN": "{}", "IMAGE_TYPE": "3", "IMAGE": "{}"},
    ):
        (token,) = tokens(shop.market.enrol("vip", ANN))
        fields = {name: value.format(token) for name, value in sent.items()}
        done = shop.market.manage(CONTROL_TYPE="3", PERSON_GROUP_LABEL="vip", **fields)
        assert done == {"PERSON_TOKEN_STATUS": "0"}
        assert shop.market.search("vip", ANN) == NOBODY_FOUND


@rule("An unknown token is a failure.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert failure(shop.market.delete("vip", "7")) == "TOKEN_NOT_FOUND"


@rule("Deletion needs the face's own PERSON_GROUP_LABEL: another group is a failure too.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    shop.market.enrol("gold", BOB)
    assert failure(shop.market.delete("gold", token)) == "TOKEN_NOT_FOUND"
    assert failure(shop.market.delete("nowhere", token)) == "GROUP_NOT_FOUND"
    assert failure(shop.market.manage(CONTROL_TYPE="3", PERSON_TOKEN=token)) == "INVALID_PARAMETER"
    assert tokens(shop.market.search("vip", ANN)) == [token]


# --- tokens in place of pictures, and other rules
# ---------------------------------------------------------------------


@rule("Anything else in CONTROL_TYPE (2 included) is an error.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for control in ("2", "4", "-1", "", "x", "00", "0.0", " 0", "０"):
        assert failure(shop.market.manage(**by_token(control, "vip", token))) == "INVALID_PARAMETER"


@rule(
    "With IMAGE_TYPE 3, enrol makes a new face (a new PERSON_TOKEN) in the group from the stored "
    "picture and "
    "templates; if it is in that group already, the known token is answered."
)
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    (copy,) = tokens(shop.market.manage(**by_token("0", "gold", token)))
    assert copy != token
    assert tokens(shop.market.search("gold", ANN)) == [copy]
    assert tokens(shop.market.manage(**by_token("0", "vip", token))) == [token]
    assert tokens(shop.market.manage(**by_token("0", "gold", token))) == [copy]


@rule(
    "With IMAGE_TYPE 3, search compares the stored template with PERSON_GROUP_LABEL, itself "
    "included."
)
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    shop.market.enrol("gold", BOB)
    (found,) = persons(shop.market.manage(**by_token("1", "vip", token)))
    assert (found["PERSON_TOKEN"], found["SIMILARITY"]) == (token, "100.00")
    assert shop.market.manage(**by_token("1", "gold", token)) == NOBODY_FOUND


@rule('the box is "" if IMAGE held a token.')
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for control in "01":
        (one,) = persons(shop.market.manage(**by_token(control, "vip", token)))
        assert [one[side] for side in SIDES] == [""] * 4


@rule(
    "Group labels follow the camera's rules for names: 1 to 96 characters, no leading space, no "
    "control character."
)
def _(shop: Shop) -> None:
    for name in ("", " vip", "v" * 97, "v\nip"):
        as_sunmi = shop.camera.create_group(name)["code"]
        assert as_sunmi != 0
        assert failure(shop.market.enrol(name, ANN)) == (
            "ILLEGAL_GROUP_LABEL" if name else "INVALID_PARAMETER"
        )
    assert persons(shop.market.enrol("员" * 96, ANN))


@rule("LABLE_A to LABLE_D have up to 100 characters.")
def _(shop: Shop) -> None:
    for letter in "ABCD":
        assert persons(shop.market.enrol("vip", ANN, **{f"LABLE_{letter}": "层" * 100}))
        for answer in (
            shop.market.enrol("vip", ANN, **{f"LABLE_{letter}": "层" * 101}),
            shop.market.query(**{f"LABLE_{letter}": "层" * 101}),
            shop.market.analysis("0", **{f"LABLE_{letter}": "层" * 101}),
        ):
            assert failure(answer) == "INVALID_PARAMETER"


@rule("The encoded size counts the base64 text after URL-decoding: at most 2,097,152 characters.")
def _(shop: Shop) -> None:
    assert MAX_ENCODED == 2_097_152
    for text, reason in (
        ("%41" * 800_000, "cannot be decoded"),
        ("A" * (MAX_ENCODED + 4), "2097152"),
    ):
        answer = shop.market.manage(
            CONTROL_TYPE="1", IMAGE_TYPE="0", IMAGE=text, PERSON_GROUP_LABEL="vip"
        )
        assert failure(answer) == "UNUSABLE_IMAGE"
        assert reason in answer["ERROR_MSG"]


# --- fields
# --------------------------------------------------------------------------------------------------


def answers(shop: Shop) -> list[dict[str, str]]:
    """An entity of each kind: enrolled, found, by token, observed."""
    (token,) = tokens(shop.market.enrol("vip", picture(Person(1, 99.6))))
    return [
        persons(shop.market.enrol("vip", picture(Person(1, 99.6))))[0],
        persons(shop.market.search("vip", picture(Person(1, 80.4))))[0],
        persons(shop.market.manage(**by_token("1", "vip", token)))[0],
        persons(shop.market.query())[0],
    ]


@rule("LEFT, TOP, WIDTH, HEIGHT, AGE, BEAUTY and EMOTION_SCORE are whole numbers;")
def _(shop: Shop) -> None:
    for person in answers(shop):
        for name in (*SIDES, "AGE", "BEAUTY", "EMOTION_SCORE"):
            assert person[name] == "" or person[name].isdigit(), name


@rule('Every field is present, "" if unknown,')
def _(shop: Shop) -> None:
    names = {
        "PERSON_TOKEN",
        *SIDES,
        "AGE",
        "BEAUTY",
        "GENDER",
        "EMOTION_TYPE",
        "EMOTION_SCORE",
        "PERSON_GROUP_LABEL",
    }
    names |= {f"LABLE_{letter}" for letter in "ABCD"} | {"POSE", "SIMILARITY", "QUALITY"}
    names |= {"FIRST_A_LABLE", "SECOND_A_LABEL", "FIRST_B_LABEL", "SECOND_B_LABEL"}
    *manage, observed = answers(shop)
    assert [set(person) for person in manage] == [names] * 3
    assert set(observed) == names | {"TIME"}
    assert manage[0]["SIMILARITY"] == ""  # of an enrolment


@rule('and every success carries PERSON_TOKEN_STATUS "0".')
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for answer in (
        *(shop.market.search(group, ANN) for group in ("vip", "gold")),
        shop.market.query(),
        shop.market.analysis("0"),
        shop.market.delete("vip", token),
    ):
        assert answer["PERSON_TOKEN_STATUS"] == "0"


@rule("AGE is the set age, else the estimate.")
def _(shop: Shop) -> None:
    shop.camera.add_face("regular", ANN, age="21")
    shop.camera.add_face("regular", BOB)
    assert [persons(shop.market.search("regular", one))[0]["AGE"] for one in (ANN, BOB)] == [
        "21",
        "33",
    ]


@rule(
    'An operation that fails answers HTTP 200 with PERSON_TOKEN_STATUS "1", PERSON_ENTITY `[]`, '
    "ERROR_CODE and "
    "ERROR_MSG, one English sentence."
)
def _(shop: Shop) -> None:
    for answer in (
        shop.market.manage(),
        shop.market.query(START_TIME="x"),
        shop.market.analysis("x"),
    ):
        assert failure(answer) == "INVALID_PARAMETER"
        assert answer["PERSON_ENTITY"] == []


@rule(
    "PERSON_TOKEN is the faceid: one id for a face in every dialect, of 1 to 64 letters, digits, "
    "`_`, `-`."
)
def _(shop: Shop) -> None:
    for place, faceid in enumerate(("7", "x" * 64, "A_b-9")):
        person = picture(Person(50 + place))
        assert shop.camera.add_face("regular", person, faceid=faceid)["code"] == 0
        assert tokens(shop.market.search("regular", person)) == [faceid]
        assert tokens(shop.market.manage(**by_token("1", "regular", faceid))) == [faceid]
    for token in ("x" * 65, "a b", "会"):
        assert failure(shop.market.manage(**by_token("1", "regular", token))) == "TOKEN_NOT_FOUND"
        assert failure(shop.market.query(PERSON_TOKEN=token)) == "INVALID_PARAMETER"


@rule("A face enrolled in one dialect is found in the other.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    assert (
        shop.camera.call("getFaceByPicture", pic=picture(Person(1, 130)))["data"]["faceid"] == token
    )
    shop.camera.add_face("regular", BOB, faceid="11024")
    assert tokens(shop.market.search("regular", picture(Person(2, 130)))) == ["11024"]


class Guessing(FakeVision):
    """Sees in each face what it is told to."""

    estimates = Estimates()

    def describe(self, image: Any, faces: Any, wanted: Any = None) -> list[Estimates]:
        return [self.estimates for _ in faces]


@rule("GENDER is MALE or FEMALE.")
def _(shop: Shop) -> None:
    for place, (gender, answered) in enumerate((("1", "MALE"), ("2", "FEMALE"))):
        shop.camera.add_face("regular", picture(Person(70 + place)), gender=gender)
        assert (
            persons(shop.market.search("regular", picture(Person(70 + place))))[0]["GENDER"]
            == answered
        )


@rule(
    "EMOTION_TYPE is HAPPY, SAD, ANGRY, FEAR, SURPRISE, DISGUST or NEUTRAL, and CONTEMPT if the "
    "model has it."
)
def _(shop: Shop) -> None:
    vision = Guessing()
    guessing = build(shop.services.settings, clock=shop.clock, vision=lambda: vision)
    shop.services.enrolment.everybody = guessing.enrolment.everybody
    for emotion in (
        "happy",
        "sad",
        "angry",
        "fear",
        "surprise",
        "disgust",
        "neutral",
        "contempt",
        None,
    ):
        vision.estimates = Estimates(emotion=emotion)
        assert persons(shop.market.enrol("vip", ANN))[0]["EMOTION_TYPE"] == (emotion or "").upper()
    guessing.close()


@rule("EMOTION_SCORE, BEAUTY, QUALITY and SIMILARITY are 0 to 100, POSE is three angles.")
def _(shop: Shop) -> None:
    enrolled, found, *_, observed = answers(shop)
    for person in (enrolled, found, observed):
        assert 0 <= int(person["EMOTION_SCORE"]) <= 100
        assert 0 <= int(person["BEAUTY"]) <= 100
        assert 0 <= int(person["QUALITY"]) <= 100
        assert [float(angle) for angle in person["POSE"].split(",")] == [1.0, 2.0, 3.0]
    assert enrolled["SIMILARITY"] == ""
    assert 0 < float(found["SIMILARITY"]) <= 100


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the fake clock begins: Sunday, 20:00 in Shanghai."""
DAY_OF = {"0": 6, "1": 8, "2": 8, "3": 10}


def second(at: datetime) -> str:
    return str(int(at.timestamp()))


def tenant(shop: Shop) -> Tenant:
    return next(one for one in shop.services.tenants.list_all() if one.name == "shop")


def observe(
    shop: Shop, *moments: datetime, faceid: str = "7", label: str = "", group: str = "vip"
) -> None:
    """Observations of any time, written now, in the order given."""
    made = [
        Observation(
            at,
            f"{place}.{at.timestamp()}",
            faceid,
            group,
            Labels(a=label),
            ObservationKind.SIGHTING,
        )
        for place, at in enumerate(moments)
    ]
    shop.services.statistics.store_observations("shop", made)


# --- what is observed
# -------------------------------------------------------------------------------------------------


@rule(
    "Both run over observations: each enrolment and each search hit is one observation of a token,"
)
def _(shop: Shop) -> None:
    ann, bob = tokens(shop.market.enrol("vip", picture(Person(1, 90), Person(2, 80))))
    shop.market.search("vip", picture(Person(1), Person(3)))
    shop.market.search("vip", picture(Person(3)))
    shop.market.search("gold", ANN)
    shop.camera.call("getFaceByPicture", pic=BOB)
    assert Counter(tokens(shop.market.query())) == {ann: 2, bob: 2}
    assert sum(amounts(shop.market.analysis("0")).values()) == 4


@rule("at the time of the call, with the labels and the group of the call;")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN, LABLE_A="stored")
    shop.clock.advance(timedelta(hours=3))
    shop.market.search("vip", ANN, LABLE_A="of the call", LABEL_D="d")
    newest, oldest = persons(shop.market.query())
    assert (newest["TIME"], oldest["TIME"]) == (second(NOON + timedelta(hours=3)), second(NOON))
    assert (newest["LABLE_A"], newest["LABLE_D"], newest["PERSON_GROUP_LABEL"]) == (
        "of the call",
        "d",
        "vip",
    )
    assert (oldest["LABLE_A"], oldest["PERSON_GROUP_LABEL"]) == ("stored", "vip")


@rule("a search hit without labels in the call carries the stored ones.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="a", LABLE_C="c"))
    shop.market.search("vip", ANN)
    by_token = {"CONTROL_TYPE": "1", "IMAGE_TYPE": "3", "IMAGE": token, "PERSON_GROUP_LABEL": "vip"}
    shop.market.manage(**by_token)
    shop.market.manage(**by_token, LABLE_B="b")
    seen = [
        (one["LABLE_A"], one["LABLE_B"], one["LABLE_C"]) for one in persons(shop.market.query())
    ]
    assert sorted(seen) == [("", "b", ""), *[("a", "", "c")] * 3]


@rule("An enrolment that finds the face known is an observation too.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    shop.market.enrol("vip", ANN)
    assert len(set(tokens(shop.market.query()))) == 1
    assert shop.market.query()["TOTAL"] == "2"


@rule("Deleting a face keeps its observations, until they are erased.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    assert shop.market.delete("vip", token) == {"PERSON_TOKEN_STATUS": "0"}
    assert tokens(shop.market.query(PERSON_TOKEN=token)) == [token]
    assert amounts(shop.market.analysis("0")) == {"202603": 1}


# --- filters
# --------------------------------------------------------------------------------------------------


@rule("All filters that are sent must hold.")
def _(shop: Shop) -> None:
    labels = {"LABLE_A": "a", "LABLE_B": "b", "LABLE_C": "c", "LABLE_D": "d"}
    (token,) = tokens(shop.market.enrol("vip", ANN, **labels))
    shop.market.enrol("gold", BOB, **labels)
    wanted = labels | {"PERSON_GROUP_LABEL": "vip", "PERSON_TOKEN": token}
    assert tokens(shop.market.query(**wanted)) == [token]
    for name in wanted:
        assert shop.market.query(**wanted | {name: "other"})["TOTAL"] == "0", name
        assert amounts(shop.market.analysis("0", **wanted | {name: "other"})) == {}, name
        assert amounts(shop.market.analysis("0", **{name: wanted[name]})) == {
            "202603": 1 if "PERSON" in name else 2
        }


@rule("START_TIME and END_TIME are UNIX seconds, both included.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(milliseconds=ms) for ms in (-1, 0, 999, 1000)))
    for start, end, count in ((0, 0, 2), (-1, 0, 3), (0, 1, 3), (1, 1, 1), (2, 9, 0)):
        span = {
            "START_TIME": second(NOON + timedelta(seconds=start)),
            "END_TIME": second(NOON + timedelta(seconds=end)),
        }
        assert shop.market.query(**span)["TOTAL"] == str(count), (start, end)
        assert sum(amounts(shop.market.analysis("3", **span)).values()) == count
    for name in ("START_TIME", "END_TIME"):
        for wrong in (
            "",
            "x",
            "-1",
            "1.5",
            "1e9",
            "1573441871000",
            "2026-03-01",
            "١",
            " 1",
            "9" * 5000,
        ):
            for answer in (
                shop.market.query(**{name: wrong}),
                shop.market.analysis("0", **{name: wrong}),
            ):
                assert failure(answer) == "INVALID_PARAMETER", wrong
                assert name in answer["ERROR_MSG"]


@rule("END_TIME before START_TIME is an error.")
def _(shop: Shop) -> None:
    span = {"START_TIME": "1573441871", "END_TIME": "1573441870"}
    for answer in (shop.market.query(**span), shop.market.analysis("0", **span)):
        assert failure(answer) == "INVALID_PARAMETER"
        assert "END_TIME (1573441870) lies before START_TIME (1573441871)" in answer["ERROR_MSG"]


# --- query
# --------------------------------------------------------------------------------------------------


@rule("There is one entity per observation, newest first, at most 1000.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON - timedelta(minutes=7 * n) for n in range(1003)))
    answer = shop.market.query()
    times = [int(person["TIME"]) for person in persons(answer)]
    assert len(times) == 1000
    assert times == sorted(times, reverse=True)
    assert times[0] == int(second(NOON))


@rule(
    "PAGE_SIZE (1 to 1000, default 1000) and PAGE_TOKEN go in, NEXT_PAGE_TOKEN and TOTAL come out; "
    "... A page "
    "token goes with the filters that it was answered to."
)
@rule('the last page has NEXT_PAGE_TOKEN ""')
def _(shop: Shop) -> None:
    observe(shop, *(NOON - timedelta(hours=n) for n in range(7)))
    first = shop.market.query(PAGE_SIZE="4")
    second_page = shop.market.query(PAGE_SIZE="4", PAGE_TOKEN=first["NEXT_PAGE_TOKEN"])
    assert [len(persons(page)) for page in (first, second_page)] == [4, 3]
    assert {first["TOTAL"], second_page["TOTAL"]} == {"7"}
    assert second_page["NEXT_PAGE_TOKEN"] == ""
    assert persons(first) + persons(second_page) == persons(shop.market.query())
    for wrong in ("0", "1001", "-1", "x", "1.5", "9" * 30):
        answer = shop.market.query(PAGE_SIZE=wrong)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "PAGE_SIZE is a whole number from 1 to 1000" in answer["ERROR_MSG"]
    token = first["NEXT_PAGE_TOKEN"]
    for fields in (
        {"PAGE_TOKEN": token[:-2]},
        {"PAGE_TOKEN": "会"},
        {"PAGE_TOKEN": "x"},
        {"PAGE_TOKEN": token, "LABLE_A": "of another query"},
        {"PAGE_TOKEN": token, "END_TIME": "9999999998"},
    ):
        answer = shop.market.query(**fields)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "token" in answer["ERROR_MSG"]


@rule("TIME is when it was observed.")
def _(shop: Shop) -> None:
    observe(shop, NOON + timedelta(milliseconds=999))
    assert persons(shop.market.query())[0]["TIME"] == second(NOON)


# --- analysis
# --------------------------------------------------------------------------------------------------


@rule("STATISTICAL is 0 for months, 1 for weeks, 2 for days, 3 for hours.")
@rule("TIME_UNIT is 月, 周, 日 or 小时.")
@rule(
    "TIME is `YYYYMM`, the Monday `YYYYMMDD`, `YYYYMMDD` or `YYYYMMDDHH`, in the tenant's time "
    "zone."
)
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(hours=3, minutes=59), NOON + timedelta(hours=4))
    shop.services.tenants.change_settings("shop", {"week_begins": "sunday"})
    expected = {
        "0": ("月", {"202603": 3}),
        "1": ("周", {"20260223": 2, "20260302": 1}),
        "2": ("日", {"20260301": 2, "20260302": 1}),
        "3": ("小时", {"2026030120": 1, "2026030123": 1, "2026030200": 1}),
    }
    for statistical, (unit, counted) in expected.items():
        answer = shop.market.analysis(statistical)
        assert amounts(answer) == counted
        assert {tuple(one) for one in answer["PERSON_TOKEN_ENEITY"]} == {
            ("TIME_UNIT", "TIME", "AMOUNT")
        }
        assert {one["TIME_UNIT"] for one in answer["PERSON_TOKEN_ENEITY"]} == {unit}
    for wrong in ("", "4", "-1", "x", "00", "月"):
        answer = shop.market.analysis(wrong)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "STATISTICAL" in answer["ERROR_MSG"]


@rule("That is an IANA name, Asia/Shanghai until another is set; daylight saving is handled.")
def _(shop: Shop) -> None:
    shop.services.tenants.change_settings("shop", {"time_zone": "Europe/Berlin"})
    night = datetime(2025, 10, 26, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    observe(shop, *(night + timedelta(hours=n) for n in range(26)))
    hours = amounts(shop.market.analysis("3"))
    assert (hours["2025102601"], hours["2025102602"], hours["2025102603"]) == (1, 2, 1)
    assert amounts(shop.market.analysis("2")) == {"20251026": 25, "20251027": 1}


@rule("AMOUNT is the observations in the bucket.")
@rule('Empty buckets are left out; with `FILL=1` they come as "0".')
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(days=2), NOON + timedelta(days=2, seconds=1))
    span = {"START_TIME": second(NOON), "END_TIME": second(NOON + timedelta(days=3))}
    full = {"20260301": 1, "20260302": 0, "20260303": 2, "20260304": 0}
    assert amounts(shop.market.analysis("2", **span, FILL="1")) == full
    for fields in ({}, {"FILL": "0"}, {"FILL": ""}):
        assert amounts(shop.market.analysis("2", **span, **fields)) == {
            "20260301": 1,
            "20260303": 2,
        }
    answer = shop.market.analysis("2", **span, FILL="yes")
    assert failure(answer) == "INVALID_PARAMETER"
    assert "FILL" in answer["ERROR_MSG"]


@rule("With `DISTINCT=1`, persons are counted in place of observations.")
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(hours=1), NOON + timedelta(days=1), faceid="7")
    observe(shop, NOON + timedelta(minutes=1), faceid="8")
    assert amounts(shop.market.analysis("2", DISTINCT="1")) == {"20260301": 2, "20260302": 1}
    assert amounts(shop.market.analysis("0", DISTINCT="1")) == {"202603": 2}
    assert amounts(shop.market.analysis("0", DISTINCT="0")) == {"202603": 4}
    assert failure(shop.market.analysis("0", DISTINCT="2")) == "INVALID_PARAMETER"


@rule("A bucket that is cut by START_TIME or END_TIME counts only what lies inside.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(minutes=n) for n in (0, 10, 20, 30)))
    span = {
        "START_TIME": second(NOON + timedelta(minutes=10)),
        "END_TIME": second(NOON + timedelta(minutes=20)),
    }
    for statistical in "0123":
        assert list(amounts(shop.market.analysis(statistical, **span)).values()) == [2]


@rule("Buckets ascend by time.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(days=n) for n in (9, -40, 3, -400, 0)))
    for statistical in "0123":
        times = list(amounts(shop.market.analysis(statistical)))
        assert times == sorted(times)
        assert {len(time) for time in times} == {DAY_OF[statistical]}


@rule("FILL over 10,000 buckets is an error.")
def _(shop: Shop) -> None:
    def hours(count: int) -> dict[str, str]:
        return {"START_TIME": "0", "END_TIME": str(3600 * count - 1)}

    assert len(amounts(shop.market.analysis("3", FILL="1", **hours(10_000)))) == 10_000
    answer = shop.market.analysis("3", FILL="1", **hours(10_001))
    assert failure(answer) == "INVALID_PARAMETER"
    assert "10000 buckets" in answer["ERROR_MSG"]
    assert amounts(shop.market.analysis("3", **hours(10_001))) == {}


@rule("A failed analysis carries both statistics keys as `[]`.")
def _(shop: Shop) -> None:
    for answer in (shop.market.analysis("x"), shop.market.analysis("0", START_TIME="x")):
        assert (answer["PERSON_ TOKEN_ENEITY"], answer["PERSON_TOKEN_ENEITY"]) == ([], [])
        assert failure(answer) == "INVALID_PARAMETER"


@rule(
    "The amounts always equal a recount of the raw observations, whatever arrived late, twice or "
    "out of order."
)
def _(shop: Shop) -> None:
    """The property is held against random histories in tests/book/statistics; here, by what query
    shows."""
    shanghai = ZoneInfo("Asia/Shanghai")
    for step in range(4):
        observe(
            shop,
            *(NOON + timedelta(hours=7 * n - 30 * step) for n in range(12)),
            label=str(step % 2),
        )
        shop.services.statistics.sealing.seal_tenant(tenant(shop))
        shop.clock.advance(timedelta(days=1))
        for fields in ({}, {"LABLE_A": "1"}):
            raw = [int(person["TIME"]) for person in persons(shop.market.query(**fields))]
            recount = Counter(f"{datetime.fromtimestamp(at, shanghai):%Y%m%d}" for at in raw)
            assert amounts(shop.market.analysis("2", **fields)) == dict(sorted(recount.items()))


@rule(
    "The limits of 10 groups and 30,000 faces are the camera's. They belong to the tenant, not to "
    "the dialect:"
)
@rule("profile `camera` has 10 groups and capacities that sum up to 30,000.")
def _(shop: Shop) -> None:
    for n in range(8):
        assert persons(shop.market.enrol(f"g{n}", ANN))
    assert failure(shop.market.enrol("eleventh", ANN)) == "TOO_MANY_GROUPS"
    assert len(shop.camera.groups()) == 10


@rule("Profile `cloud` has 1,000 groups and 1,000,000 faces, and a capacity per group is optional.")
@rule("A group without one is limited by the tenant's total, which it shows as its capacity;")
@rule("explicit capacities sum to at most 1,000,000.")
def _(shop: Shop) -> None:
    market, camera = clients(shop, shop.services.tenants.add("cloud", Profile.CLOUD, KEEPING))
    for n in range(10):
        assert persons(market.enrol(f"g{n}", picture(Person(n))))
    assert {
        group["capacity"] for name, group in camera.groups().items() if name.startswith("g")
    } == {1_000_000}
    left = 1_000_000 - sum(camera.groups()[name]["capacity"] for name in ("stranger", "regular"))
    assert camera.create_group("all", capacity=left)["code"] == 0
    assert camera.create_group("more", capacity=1)["code"] == 212
    assert camera.create_group("0", capacity=1_000_001)["code"] == 212
    assert persons(market.enrol("still", ANN)), "a group without a capacity takes none"


@rule("The operator may set other numbers of groups and faces for a tenant.")
def _(shop: Shop) -> None:
    shop.services.tenants.change_settings("shop", {"groups": 3, "faces": 10_001})
    assert persons(shop.market.enrol("third", ANN))
    assert shop.camera.groups()["third"]["capacity"] == 1
    assert failure(shop.market.enrol("third", picture(Person(2)))) == "GROUP_FULL"
    assert failure(shop.market.enrol("fourth", ANN)) == "TENANT_FULL"
    shop.services.tenants.change_settings("shop", {"faces": 10_002})
    assert failure(shop.market.enrol("fourth", ANN)) == "TOO_MANY_GROUPS"
    shop.services.tenants.change_settings("shop", {"groups": 4})
    assert persons(shop.market.enrol("fourth", ANN))


def clients(shop: Shop, credentials: Credentials) -> tuple[MarketClient, CameraClient]:
    app = shop.market.app
    market = MarketClient(app, credentials.appcode)
    return market, CameraClient(app, credentials.app_id, credentials.app_key, shop.clock)


@rule("Groups, faces and attributes are the same records in both dialects;")
@rule("PERSON_GROUP_LABEL is the group's name.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("VIP会员", ANN))
    assert shop.camera.groups()["VIP会员"]["count"] == 1
    assert shop.camera.call("getFace", {"faceid": token})["data"]["group_name"] == "VIP会员"
    fields = {"num": "1", "group_name": "VIP会员", "name_list": '["hobby"]'}
    assert shop.camera.call("addFaceInfoItem", fields)["code"] == 0
    changed = {"group_name": "VIP会员", "faceid": token, "hobby": "tennis", "age": "44"}
    assert shop.camera.call("updateFace", changed)["code"] == 0
    assert persons(shop.market.search("VIP会员", ANN))[0]["AGE"] == "44"
    assert (
        shop.camera.call(
            "updateGroup",
            {"old_name": "VIP会员", "name": "gold", "capacity": "9", "description": ""},
        )["code"]
        == 0
    )
    assert tokens(shop.market.search("gold", ANN)) == [token]


@rule(
    "A group that an enrolment makes gets what is left of the tenant's capacity, at most 1,000 on "
    "profile `camera`."
)
def _(shop: Shop) -> None:
    shop.market.enrol("first", ANN)
    assert shop.camera.groups()["first"]["capacity"] == 1_000
    assert shop.camera.create_group("most", capacity=18_400)["code"] == 0
    shop.market.enrol("second", ANN)
    assert shop.camera.groups()["second"]["capacity"] == 600
    assert failure(shop.market.enrol("third", ANN)) == "TENANT_FULL"


@rule("A full group or tenant is a failure, and nothing is enrolled in part:")
@rule("an enrolment of five faces enrols five or none.")
@rule("A call that fails changes nothing, and is not observed.")
def _(shop: Shop) -> None:
    five = picture(*(Person(n, 50 + n) for n in range(5)))
    shop.camera.create_group("small", capacity=4)
    assert failure(shop.market.enrol("small", five)) == "GROUP_FULL"
    assert shop.camera.groups()["small"]["count"] == 0
    assert persons(shop.market.query()) == [], "what was not done was not observed"
    assert len(persons(shop.market.enrol("vip", five))) == 5


@pytest.mark.shows("icredit", "A label that is not sent stays.")
@pytest.mark.shows("icredit", "Search (1):")
@pytest.mark.shows("icredit", "Delete (3):")
@pytest.mark.parametrize("words", RULES.checks)
def test_contract(floor: Shop, words: str) -> None:
    RULES.checks[words](floor)


HEADINGS = {
    "`PERSON_ENTITY` is the list of an enrolment, a search or a query, and has in each entity:",
    "An enrolment, for instance, is answered so:",
    "Query:",
    "Analysis:",
}
"""Lines over what test_contract_page.py compares."""


def test_no_statement_of_the_page_is_left_out() -> None:
    assert unquoted(rules_of("icredit"), [*RULES.checks, *shown("icredit"), *HEADINGS]) == []
