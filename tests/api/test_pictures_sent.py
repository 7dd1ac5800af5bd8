"""What is read as a picture: any type that says so, and base64 as people's programs write it, alike
in the dialects."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from chalice.app import Chalice

from chalicelib.api.base64_text import clean_form_value, parse_base64
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from chalicelib.storage.in_process import SystemClock
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import FACE
from tests.support.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.support.api.icredit.client import MarketClient
from tests.support.api.rekognition.client import client as rekognition
from tests.support.api.rekognition.client import refused
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture

ANY = bytes(range(256)) + b"\xfb\xef\xbe\xff"
"""In its base64 stand all letters, digits and both signs."""

PEOPLE = picture(Person(1), Person(2))

WRITTEN: dict[str, Callable[[bytes], str]] = {
    "as the standard says": lambda data: base64.b64encode(data).decode(),
    "with line breaks": lambda data: base64.encodebytes(data).decode(),
    "with a carriage return": lambda data: base64.encodebytes(data).decode().replace("\n", "\r\n"),
    "as a data URI": lambda data: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}",
    "as a data URI in capitals": lambda data: f"DATA:;BASE64,{base64.b64encode(data).decode()}",
    "URL-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "with all of it": lambda data: (
        "data:;base64,\n" + base64.urlsafe_b64encode(data).decode().rstrip("=") + "\n"
    ),
}
written = pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)

NO_BASE64 = ["~", "a", "YQ==YQ==", "ä", "data:image/png;base64,?"]


@pytest.fixture
def home(services: Services) -> Credentials:
    made = services.tenants.add("home", Profile.CLOUD)
    services.groups.create(services.tenants.get_by_name("home"), "family", None, "")
    return made


@pytest.fixture
def key_for(services: Services, home: Credentials) -> Callable[[str], str]:
    tenant = services.tenants.get_by_name("home")
    family = services.groups.get_by_name(tenant, "family").id
    return lambda name: add_service_key(
        services, tenant, name, name, family if name == "deepstack" else ""
    )


@written
def test_one_reader_knows_all_that_is_written(write: Callable[[bytes], str]) -> None:
    for length in range(250, len(ANY) + 1):
        assert (
            parse_base64(write(ANY[:length]))
            == parse_base64(clean_form_value(write(ANY[:length])))
            == ANY[:length]
        )


@pytest.mark.parametrize("text", NO_BASE64)
def test_what_is_none_is_told(text: str) -> None:
    for one in (text, clean_form_value(text)):
        with pytest.raises(ValueError, match=r"."):
            parse_base64(one)


@written
def test_every_dialect_that_takes_base64_takes_it_written_so(
    app: Chalice, home: Credentials, key_for: Callable[[str], str], write: Callable[[bytes], str]
) -> None:
    v1, market = V1Client(app, home.api_key), MarketClient(app, home.appcode)
    assert len(v1.done("POST", "/v1/detect", {"picture": write(PEOPLE)})["faces"]) == 2
    compreface = CompreFace(app, key_for("detection"))
    assert (
        len(compreface.json("/api/v1/detection/detect", {"file": write(PEOPLE)}).json["result"])
        == 2
    )
    key = key_for("deepstack")
    for type_, body in (
        (FORM, f"api_key={key}&image={quote(write(PEOPLE), safe='')}".encode()),
        (
            MULTIPART,
            multipart([Part("api_key", key.encode()), Part("image", write(PEOPLE).encode())]),
        ),
    ):
        seen = send(app, FACE, body, content_type=type_, headers={"Host": "127.0.0.1"})
        assert len(seen.json["predictions"]) == 2, seen
    found = market.manage(
        CONTROL_TYPE="0", IMAGE_TYPE="0", IMAGE=write(PEOPLE), PERSON_GROUP_LABEL="family"
    )
    assert len(found["PERSON_ENTITY"]) == 2


def test_a_form_whose_plus_signs_became_spaces_is_read(
    app: Chalice, key_for: Callable[[str], str]
) -> None:
    text = base64.b64encode(PEOPLE + b" " * 3 + b">>>").decode()
    assert parse_base64(clean_form_value(base64.b64encode(ANY).decode().replace("+", " "))) == ANY
    body = f"api_key={key_for('deepstack')}&image={text}".encode()
    # its JSON has an end
    assert send(app, FACE, body, content_type=FORM, headers={"Host": "127.0.0.1"}).status == 400


@pytest.mark.parametrize("text", NO_BASE64)
def test_no_base64_is_told_in_each_dialects_words(
    app: Chalice, home: Credentials, key_for: Callable[[str], str], text: str
) -> None:
    reply = V1Client(app, home.api_key).send("POST", "/v1/detect", {"picture": text})
    assert (reply.status, "picture is a text in base64" in reply.json["detail"]) == (400, True)
    found = CompreFace(app, key_for("detection")).json("/api/v1/detection/detect", {"file": text})
    assert found.json == {"message": "Provided value is not Base64", "code": 21}
    sent = multipart([Part("api_key", key_for("deepstack").encode()), Part("image", text.encode())])
    seen = send(app, FACE, sent, content_type=MULTIPART, headers={"Host": "127.0.0.1"})
    assert seen.json == {"success": False, "error": "No valid image file found", "code": 400}


@pytest.mark.parametrize(
    "name", ["with line breaks", "as a data URI", "URL-safe", "without padding"]
)
def test_rekognition_refuses_what_amazon_refuses(
    app: Chalice, home: Credentials, clock: Any, name: str
) -> None:
    """Its clients give bytes, and write the base64 themselves."""
    clock.advance(SystemClock().now() - clock.now())
    image = {"Bytes": WRITTEN[name](PEOPLE).encode()}
    assert (
        refused(rekognition(app, home).detect_faces, Image=image)[0]
        == "InvalidImageFormatException"
    )


TYPES = [
    *(
        "image/jpeg",
        "image/jpg",
        "image/pjpeg",
        "IMAGE/JPEG",
        "image/png",
        "image/gif",
        "image/webp",
        "image/heic",
    ),
    *(
        "application/octet-stream",
        "binary/octet-stream",
        "image/jpeg; charset=binary",
        "image/jpeg;name=a.jpg",
    ),
]


def sent_as(app: Chalice, home: Credentials, content_type: str) -> Reply:
    headers = {"Authorization": f"Bearer {home.api_key}"}
    return send(app, "/v1/detect", PEOPLE, content_type=content_type, headers=headers)


@pytest.mark.parametrize("content_type", TYPES)
def test_a_bare_picture_may_be_called_any_picture_or_octets(
    app: Chalice, home: Credentials, content_type: str
) -> None:
    reply = sent_as(app, home, content_type)
    assert (reply.status, len(reply.json.get("faces", ()))) == (200, 2)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/pdf", "video/mp4", "image", "octet-stream"]
)
def test_anything_else_is_415_and_says_what_to_send(
    app: Chalice, home: Credentials, content_type: str
) -> None:
    reply = sent_as(app, home, content_type)
    assert (reply.status, "image/jpeg" in reply.json["detail"]) == (415, True)


def test_a_picture_that_a_gateway_has_read_as_text_is_415(app: Chalice, home: Credentials) -> None:
    """AWS's API gateway passes bytes on of those types alone that it was told of."""
    assert sent_as(app, home, "image/x-unheard-of").status == 415
