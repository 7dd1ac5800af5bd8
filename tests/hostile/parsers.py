"""Every parser of what others send: how it is fed, its corpus and strategy, and the errors that it
documents."""

import base64
import io
import itertools
import json
import re
import socket
import struct
import tempfile
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode

import numpy as np
import pillow_heif
from chalice.app import Chalice
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from regulars_client.connection import make_refusal, read_answer
from regulars_client.errors import RegularsError as ClientError
from regulars_client.models import CameraKeyMade
from regulars_dialects.compreface.requests import Options, Sent, parse_image_id, parse_name_in_path
from regulars_dialects.rekognition.collections import parse_place
from regulars_dialects.rekognition.requests import REQUESTS
from regulars_dialects.rekognition.requests import parse_members as read_request
from regulars_dialects.rekognition.signature import SignedRequest, verify_signature
from regulars_dialects.rekognition.signature import parse_signature as parse_signature
from regulars_edge import config as edge_config
from regulars_edge import page, report
from regulars_edge import picture as edge_picture
from regulars_edge.addresses import Addresses
from regulars_edge.choose.faces import Face
from regulars_edge.choose.morning import MorningView
from regulars_edge.choose.still import StillFaces
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.config import CameraConfig
from regulars_edge.errors import Misconfigured, ServiceError, SourceFailed
from regulars_edge.frames import EncodedFrame, encode_jpeg
from regulars_edge.http import Answer
from regulars_edge.reach import move_url
from regulars_edge.service import Offer
from regulars_edge.service import Service as EdgeService
from regulars_edge.setup import first_page, onvif
from regulars_edge.sources.blockage_check import BlockageCheck
from regulars_edge.spool import files
from regulars_edge.spool.model import Entry, Memory, Stamp
from regulars_mqtt import frigate
from regulars_mqtt.discovery import parse_device
from regulars_mqtt.turns import parse_turn
from regulars_transfer import exports, services, sources
from urllib3 import HTTPHeaderDict

from chalicelib.api.application import Routes, convert_to_rest_event
from chalicelib.api.base64_text import clean_form_value, parse_base64
from chalicelib.api.forms import parse_form
from chalicelib.api.http import CHARSETS, FORMS, JSON, Failure, HttpRequest, MediaType, Refused
from chalicelib.api.icredit.request import decode_base64, parse_parameters
from chalicelib.api.sites import is_own_host
from chalicelib.api.sunmi.request import Parameters, SignedForm, is_signed
from chalicelib.api.v1.auth import parse_session_token, require_own_page
from chalicelib.api.v1.cameras import NewCamera
from chalicelib.api.v1.captures import Offers
from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.hooks import NewHook
from chalicelib.api.v1.pictures import NewPicture
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.api.v1.times import parse_time, parse_time_parameter
from chalicelib.api.v1.wire import parse_body, parse_finite_object
from chalicelib.auth import passkeys
from chalicelib.auth.addresses import find_network, find_sender
from chalicelib.auth.roles import Passkey
from chalicelib.book.cameras import CameraSettings, legal_camera_name
from chalicelib.book.faces import parse_rank_position
from chalicelib.book.search.snapshots import segment
from chalicelib.book.search.snapshots.segment import DamagedSnapshot, segment_of_faces
from chalicelib.book.vision.pictures import containers, image
from chalicelib.book.web_push import new_key, write_push
from chalicelib.bootstrap import build
from chalicelib.domain import channels
from chalicelib.domain.channels import write_message
from chalicelib.domain.counts import Count
from chalicelib.domain.errors import (
    Busy,
    FaceNotFound,
    InvalidInput,
    NotAllowed,
    RegularsError,
    StaleRequest,
    StorageUnavailable,
    Unusable,
    WrongCredentials,
)
from chalicelib.domain.model import Credentials, Edit, JournalEntry, NewFace, Profile, Template
from chalicelib.domain.observations import Dimensions, ObservationFilter
from chalicelib.domain.opening import parse_opening
from chalicelib.domain.pictures import VIEW_RULES, PictureRules, may_be_read
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.domain.webhooks import Way
from chalicelib.http_client.safe_requests import SafeFetcher, SafePostman, parse_reason
from chalicelib.http_client.url import parse_url
from chalicelib.privacy import audit_entries, signing
from chalicelib.privacy.audit.audit import verified_export
from chalicelib.privacy.erasure.again import parse_receipt
from chalicelib.privacy.standing import parse_document
from chalicelib.services import Services
from chalicelib.settings import SettingError, Settings, parse_networks
from chalicelib.storage import keys
from chalicelib.storage.aws import search as remote_search
from chalicelib.storage.box.uploads import SignedPaths
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.items import FaceOrder, PageTokens
from chalicelib.storage.limits import Span, item_from_json, item_to_json
from chalicelib.storage.records import columns, presences
from chalicelib.storage.records.columns import DamagedData
from chalicelib.storage.records.counts import pack_counts, unpack_counts
from chalicelib.storage.records.faces import journal_entries, journal_item
from chalicelib.witness import BackupFolders
from regulars import configuration, place
from regulars import folder as data_folder
from regulars.backup import archive, owed
from regulars.errors import DamagedFile, OperatorError, UnfinishedRestore
from regulars.serve.asgi import parse_paths
from regulars.serve.server import make_site
from tests.hostile import words
from tests.hostile.fuzz import Opened, Parser, Read
from tests.support.api.devices import device
from tests.support.api.gateway import BOUNDARY, FORM, MULTIPART, Part, Reply, multipart, send
from tests.support.api.icredit.client import PATHS
from tests.support.api.rekognition import signed as rekognition
from tests.support.api.samples import SAMPLES as V1_SAMPLES
from tests.support.api.samples import Sample
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import SAMPLES, furnish, jpeg
from tests.support.api.v1.client import offer_of, require_as_documented
from tests.support.api.v1.document import names_of
from tests.support.box.apps import serving
from tests.support.fakes import (
    FakeClock,
    FakePictures,
    FakeVision,
    Person,
    embedding_of,
    photo,
    picture,
)
from tests.support.mqtt.frigate import message as frigates_message
from tests.support.storage.search import FOUND, FakeSearch

PAGE_TOKENS = Span(keys.FACES, "shop", None, None, None, reverse=False)


def plain(read: Read) -> Opened:
    """A parser that needs no folder."""
    return lambda _: nullcontext(read)


PASSKEY_SITE = passkeys.parse_site("https://box.example")


def passkey(data: bytes) -> None:
    """Read what a page says that a device signed: a line of what was asked, and then the device's
    data."""
    asked, _, signed = data.partition(b"\n")
    parts = {
        "clientDataJSON": asked,
        "attestationObject": signed,
        "authenticatorData": signed,
        "signature": signed,
    }
    answer = {name: websafe_encode(part) for name, part in parts.items()}
    sent = {
        "id": "AA",
        "rawId": "AA",
        "type": "public-key",
        "response": {**answer, "userHandle": "AA"},
    }
    known = Passkey("AA", PASSKEY_SITE.host, signed, 0, datetime.now(UTC))
    for read in (
        passkeys.parse_challenge,
        passkeys.parse_signer,
        lambda sent: passkeys.check_registration(PASSKEY_SITE, "AA", sent, known.created_at),
        lambda sent: passkeys.check_sign_in(PASSKEY_SITE, "AA", [known], sent),
    ):
        with suppress(WrongCredentials):
            read(sent)


PASSKEYS = [
    websafe_decode(one["client_data"])
    + b"\n"
    + websafe_decode(one.get("attestation") or one["authenticator_data"])
    for one in (
        device(1).make({"user_handle": "AA", "challenge": "AA"}),
        device(1).sign({"challenge": "AA"}),
    )
]


def one_of(choices: Sequence[Any], data: bytes) -> Any:
    """A choice that the input makes."""
    return choices[zlib.crc32(data) % len(choices)]


def tried(*reads: Callable[[], object]) -> None:
    """Read all of them: one that refuses, as it documents, keeps no other from being read."""
    for read in reads:
        with suppress(RegularsError):
            read()


# --- strategies
# --------------------------------------------------------------------------------------------------

texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


json_values = values.map(as_json)
lines = st.lists(
    st.sampled_from("abcCONTENT-:;= \t\"'\\/%&*[]{}.,0123456789é会\r\n\x00"), max_size=60
).map("".join)
any_bytes = st.binary(max_size=80) | lines.map(str.encode)

# --- forms, JSON, parameters
# ------------------------------------------------------------------------------------------

PARTS = multipart(
    [
        Part("name", b"vip"),
        Part("pic", b"\xff\xd8\xff\x00picture", "a.jpg", ("Content-Type: image/jpeg",)),
        Part("x", "大门".encode("gbk"), None, ("Content-Type: text/plain; charset=gbk",)),
        Part("y", b"YWJj", None, ("Content-Transfer-Encoding: base64",)),
        Part(
            "z",
            b"a=3D=\r\n",
            "",
            ("Content-Transfer-Encoding: quoted-printable", "X-Folded: a\r\n b"),
        ),
    ]
)
PAIRS = urlencode(
    {"name": "大门", "num": "2", "faceid_list": '["7","8"]', "age": "", "weight": "59 kg"}
).encode()
SIGNED = (
    b"app_id=a&random=abc123&timestamp=1772366400&sign=00ff&sign_type=HMAC-SHA256&name="
    b"%E5%A4%A7&Sign=x"
)
LISTS = (
    '["105","106"]',
    "[\u201c7\u201d]",
    "a,b\uff0cc",
    "[[]]",
    "{}",
    "7",
    "[",
    '["\\ud800"]',
    "[1e999]",
)
ICREDIT = urlencode(
    {"CONTROL_TYPE": "1", "IMAGE": "data:image/jpeg;base64,%2F9j%2FAA==", "PERSON_TOKEN": "7",
        "LABLE_A": "a",
     "START_TIME": "1772323200", "PAGE_SIZE": "1000", "FILL": "1"}
)  # fmt: skip
OFFERED = [offer_of(b"x", "2026-03-01T12:00:00Z"), offer_of(b"y", 1772366400, "till")]
OFFER = {
    "captures": OFFERED,
    "limit": 3,
    "at": "2026-03-01T12:00:00.5+02:00",
    "n": -0.5,
    "p": "/9j/",
}


def form_of(data: bytes) -> object:
    return parse_form(MediaType(FORM, one_of([*CHARSETS.values()], data)), data)


def multipart_of(data: bytes) -> object:
    return parse_form(
        MediaType("multipart/form-data", one_of([*CHARSETS.values()], data), BOUNDARY.encode()),
        data,
    )


def members_of(data: bytes) -> object:
    parse_finite_object(data)
    tried(
        *(partial(parse_body, data, struct) for struct in (NewCamera, Offers, NewHook, NewPicture))
    )
    return parse_parameters(MediaType(JSON), data)


def channel_of(data: bytes) -> object:
    """Read a channel and a template as an admin sends them, and write the message of an event that
    has such words."""
    texts = [*data.decode("latin-1").split("\n"), *[""] * 9]
    fields = dict(zip(("url", "token", "to", "p256dh", "auth"), texts, strict=False))
    headers = {texts[5]: texts[6]} if texts[5] else {}
    way, method = one_of([*Way], data), one_of(["POST", "PUT"], data)
    channel = channels.check_channel(
        channels.Channel(way, **fields, method=method, headers=headers)
    )
    if way is not Way.MAIL:
        parse_url(channel.url)
    channels.check_template(texts[7], None, channel)
    values = {"who": texts[8], "name": texts[8], "camera": "door"}
    if way is Way.PUSH:
        return write_push(
            channel, {"text": texts[8]}, new_key(), "https://box.example", datetime.now(UTC)
        )
    return (
        channels.message_text(texts[7], values)
        if way is Way.MAIL
        else write_message(channel, texts[7], values)
    )


def opening_of(data: bytes) -> object:
    return parse_opening(data.decode("latin-1"))


def content_type_of(data: bytes) -> object:
    request = HttpRequest(
        "POST", "/", {"content-type": data.decode("latin-1")}, {}, data, one_of([True, False], data)
    )
    return request.parse_media_type(FORMS)


def signature_of(data: bytes) -> object:
    form = SignedForm.read(parse_form(MediaType(FORM), data))
    form.identify("/openapi/face/addFace")
    return is_signed(form.form.fields, "key", form.sign, form.sign_type)


REKOGNITION_NAMES = sorted({name for kind in REQUESTS.values() for name in kind.members})


def rekognition_members_of(data: bytes) -> object:
    for kind in REQUESTS.values():
        with suppress(Failure):
            read_request(data, kind)
    return parse_place(PageTokens("q"), data.decode("latin-1"))


def compreface_request_of(data: bytes) -> object:
    """What the dialect reads of a request: query and body are these, the type one of those that it
    takes."""
    query, _, body = data.partition(b"\n")
    types = (
        "application/json",
        FORM,
        "multipart/form-data",
        f"multipart/form-data; boundary={BOUNDARY}",
    )
    headers = {"content-type": one_of(list(types), data)}
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    named = {"name": query.decode("latin-1")}
    request = HttpRequest("POST", "/api/v1/recognition/faces", headers, values, body, False, named)
    sent = Sent.read(request)
    for read in (
        partial(Options.read, sent), sent.read_page, sent.parse_subject, sent.parse_new_name,
        sent.read_ids,
        lambda: sent.read_picture().data,
        partial(sent.read_vectors, "embeddings"), partial(parse_image_id, named["name"]),
        partial(parse_name_in_path, request),
    ):  # fmt: skip
        with suppress(Failure):
            read()
    return None


def target_of(data: bytes) -> object:
    """A request's target, as uvicorn gives it: decoded, and as it came."""
    return parse_paths(
        {"path": unquote(data.decode("ascii", "replace")).partition("?")[0], "raw_path": data}
    )


def function_url_of(data: bytes) -> object:
    """An event of a function URL whose path, query and body are these; Lambda itself writes the
    event."""
    path, query, body = ([*data.decode("utf-8", "replace").split("\n", 2), "", ""])[:3]
    http = {"method": "POST", "path": path, "sourceIp": "203.0.113.7", "userAgent": body}
    context = {"requestId": "x", "http": http}
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "x"},
        "body": body,
    }
    return convert_to_rest_event(
        {**event, "requestContext": context, "isBase64Encoded": False}, path, {"id": query}, ""
    )


def picture_place_of(data: bytes) -> object:
    bucket, _, key = data.decode("utf-8", "replace").partition("\n")
    return may_be_read({"photos", "archive/staff"}, bucket, key)


def rekognition_signature_of(data: bytes) -> object:
    authorization, at, path, body = (*data.decode("latin-1").split("\n", 3), "", "", "")[:4]
    headers = {"authorization": authorization, "x-amz-date": at, "host": "box"}
    request = SignedRequest(path, headers, body.encode(), {path: [at]})
    now = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    verify_signature(
        parse_signature(headers), request, "secret", now, tolerance=timedelta(hours=1), hosts=()
    )
    return None


def sunmi_parameters_of(data: bytes) -> object:
    media_type = one_of(
        [MediaType(FORM), MediaType("multipart/form-data", boundary=BOUNDARY.encode())], data
    )
    if data.startswith(b"--"):
        media_type = MediaType("multipart/form-data", boundary=BOUNDARY.encode())
    found = Parameters.read(parse_form(media_type, data), frozenset(words.SUNMI_NAMES))
    for name in found.values:
        tried(
            lambda name=name: found.parse_number(name, 1, 100),
            lambda name=name: found.read_ids(name),
            lambda name=name: found.required_file(name),
            found.list_others,
        )
    return found


def icredit_parameters_of(data: bytes) -> object:
    media_type = MediaType(JSON) if data.startswith(b"{") else MediaType(FORM)
    found = parse_parameters(media_type, data)
    for name in found.values:
        tried(
            found.parse_labels,
            lambda name=name: found.parse_token(name),
            lambda name=name: found.parse_number(name, 1, 999),
            lambda name=name: found.parse_seconds(name),
            lambda name=name: found.parse_flag(name),
            lambda name=name: decode_base64(found.required_text(name)),
        )
    return found


def base64_of(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    with suppress(ValueError):
        parse_base64(clean_form_value(text))
    return parse_base64(text)


def time_of(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    parse_time(one_of([text, float(zlib.crc32(data)) * 1e9, zlib.crc32(data) - 2**31], data))
    return parse_time_parameter(text)


def cookie_of(data: bytes) -> object:
    """A cookie, and who says to have sent it: each line a header."""
    cookie, site, origin, host, *_ = [*data.decode("latin-1").split("\n"), "", "", "", ""]
    sent = {
        "cookie": cookie,
        "sec-fetch-site": site,
        "origin": origin,
        "host": host,
        "content-type": JSON,
    }
    request = HttpRequest(
        "POST", "/v1/keys", {name: value for name, value in sent.items() if value}, {}, b"", False
    )
    with suppress(NotAllowed):
        require_own_page(request, "https://box.example")
    return parse_session_token(request.headers, None)


def sender_behind(told: str) -> str:
    return find_sender("127.0.0.1", {"x-forwarded-for": told}, parse_networks("127.0.0.1"))[0]


# --- whole requests
# --------------------------------------------------------------------------------------------------

KEY = b"rk_KEY"
"""Stands for the credential in a request's head."""


def request(method: str, path: str, body: bytes, *headers: str) -> bytes:
    """A request as `answered` reads it: HTTP's lines, so that mutations reach each of its parts."""
    return "\n".join([f"{method} {path}", *headers, "", ""]).encode("utf-8", "surrogatepass") + body


def answered(app: Chalice, credential: str, data: bytes) -> object:
    """Send a request as the gateway would, which lets no other through; the answer is as the
    contract says."""
    head, _, body = data.replace(KEY, credential.encode()).partition(b"\n\n")
    first, *headers = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    path = unquote(path, errors="replace")
    if Routes(app.routes).match(method, path) is None:
        return None
    pairs = [line.partition(": ")[::2] for line in headers if ": " in line]
    content_type = next((value for name, value in pairs if name.lower() == "content-type"), None)
    others = {name: value for name, value in pairs if name.lower() != "content-type"}
    reply = send(
        app, path, body, method=method, content_type=content_type, headers=others,
        query=parse_qs(query, keep_blank_values=True) or None,
    )  # fmt: skip
    assert reply.status < 500, reply
    if path.startswith("/v1/"):
        require_as_documented(method, path, reply)
    elif reply.status == 200:
        words.require_shape(path, reply)
    return reply


KNOWN_PICTURES = {
    *words.PICTURES,
    *(sample.pic for sample in SAMPLES.values()),
    picture(Person(1, side_px=90)),
}


class SeesWhole(FakeVision):
    """Cannot read a broken picture, as vision; here pictures are texts, which break in other
    ways."""

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return super().read_picture(picture if picture in KNOWN_PICTURES else b"", rules)


@contextmanager
def shop(folder: Path) -> Iterator[tuple[Services, Any]]:
    """Services with the tenant `shop`, and its credentials."""
    vision = SeesWhole()
    services = build(Settings(storage=folder / "data"), clock=FakeClock(), vision=lambda: vision)
    services.ports.pictures_by_url = FakePictures(words.URLS)
    try:
        yield services, services.tenants.add("shop", Profile.CAMERA)
    finally:
        services.close()


def requests(credential: Callable[[Any], str]) -> Opened:
    @contextmanager
    def opened(folder: Path) -> Iterator[Read]:
        with shop(folder) as (services, credentials):
            app = make_stage(services).app
            rules = PictureRules(frozenset({"JPEG"}), 10**7, 4096, 4096)
            services.enrolment.enrol_largest_face(
                services.tenants.get_by_name("shop"),
                "regular",
                picture(Person(1, side_px=90)),
                rules,
                NewFace(faceid="door"),
            )
            yield lambda data: answered(app, credential(credentials), data)

    return opened


V1_HEADERS = (
    "Host: box.example",
    "Content-Type: application/json",
    f"Authorization: Bearer {KEY.decode()}",
)
V1_IDS = defaultdict(lambda: "door", photo=photo(1))


def v1_request(operation: V1Operation) -> bytes:
    """The operation's first sample, or texts where others send credentials."""
    route = operation.method, operation.path
    sample = (
        V1_SAMPLES[route][0]
        if route in V1_SAMPLES
        else Sample(fields=dict.fromkeys(names_of(operation.body), "x"))
    )
    filled, path = sample.filled(V1_IDS), operation.path
    for name, value in filled.path.items():
        path = path.replace(f"{{{name}}}", value)
    body = (
        base64.b64decode(filled.pic)
        if filled.pic
        else as_json(filled.fields)
        if filled.fields
        else b""
    )
    return request(operation.method, f"{path}?{urlencode(filled.query)}", body, *V1_HEADERS)


ICREDIT_KEY = f"Authorization: APPCODE {KEY.decode()}"
NEEDED = {name: found[0] for name, found in words.ICREDIT_VALUES.items()}
ICREDIT_REQUESTS = [
    request("POST", path, body, f"Content-Type: {kind}", ICREDIT_KEY)
    for path in PATHS
    for kind, body in (
        (FORM, urlencode(NEEDED).encode()),
        (JSON, as_json(NEEDED)),
        (MULTIPART, multipart([Part(name, value.encode()) for name, value in NEEDED.items()])),
    )
]


@st.composite
def icredit_requests(draw: st.DrawFn) -> bytes:
    path = draw(st.sampled_from(PATHS))
    fields = {**draw(words.fields_of(path)), **draw(words.icredit_odd)}
    return request("POST", path, as_json(fields), f"Content-Type: {JSON}", ICREDIT_KEY)


def sunmi_form(endpoint: str, fields: dict[str, str], pic: bytes | None) -> bytes:
    return (
        f"{endpoint}\n".encode()
        + urlencode({**fields, **({"pic": pic} if pic else {})}, errors="replace").encode()
    )


SUNMI = [sunmi_form(endpoint, sample.fields, sample.pic) for endpoint, sample in SAMPLES.items()]
sunmi_forms = st.builds(
    sunmi_form,
    st.sampled_from([*SAMPLES]),
    st.dictionaries(
        st.sampled_from(words.SUNMI_NAMES),
        st.sampled_from(words.SUNMI_VALUES) | st.text(max_size=6),
        max_size=5,
    ),
    st.none() | st.just(picture(Person(1))),
)


@contextmanager
def sunmi_signed(folder: Path) -> Iterator[Read]:
    """Forms that are signed after they were broken, so that they reach what is behind the
    signature."""
    with shop(folder) as (services, credentials):
        camera = CameraClient(
            make_stage(services).app, credentials.app_id, credentials.app_key, services.clock
        )
        furnish(camera)

        def sent(data: bytes) -> None:
            endpoint, _, form = data.partition(b"\n")
            pairs = parse_qsl(form.decode("latin-1"), keep_blank_values=True, errors="replace")
            files = [jpeg(value.encode()) for name, value in pairs if name == "pic"]
            # signed by MD5
            fields = [pair for pair in pairs if pair[0] not in ("pic", "sign_type")]
            if any(set(name) & set('"\\\r\n') for name, _ in fields):
                files = []  # such names have no one spelling in multipart
            name = (
                endpoint.decode("latin-1")
                if endpoint.decode("latin-1") in SAMPLES
                else one_of([*SAMPLES], endpoint)
            )
            reply = camera.signed(name, fields, files).sent()
            if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return
            answer = reply.json
            sent_names = {name for name, value in fields if value} | {file.name for file in files}
            assert answer["code"] in words.listed(name, sent_names), answer
            assert answer["code"] == 0 or answer["msg"]

        yield sent


SECRET = "victim5secret"
"""A word that the other tenant alone has."""
MEMBERS: dict[str, Any] = {
    "CollectionId": "staff",
    "ResourceArn": "arn:aws:rekognition:box:000000000000:collection/staff",
    "Tags": {"a": "b"},
    "TagKeys": ["a"],
    **{name: {"Bytes": photo(1)} for name in ("Image", "SourceImage", "TargetImage")},
    "FaceId": "11111111-1111-1111-1111-111111111111",
    "FaceIds": ["11111111-1111-1111-1111-111111111111"],
    "UserId": "ann",
    "ExternalImageId": "e1",
}


def rekognition_call(operation: str, changes: dict[str, Any]) -> bytes:
    """A call with all members that fit it, but for some changes."""
    fitting = {name: MEMBERS[name] for name in REQUESTS[operation].members if name in MEMBERS}
    return operation.encode() + b"\n" + as_json({**fitting, **changes})


rekognition_calls = st.builds(
    rekognition_call,
    st.sampled_from([*REQUESTS]),
    st.dictionaries(
        st.sampled_from(REKOGNITION_NAMES),
        values
        | st.sampled_from(
            [{"S3Object": {"Bucket": "169.254.169.254", "Name": ".."}}, {"Bytes": ""}, "vault"]
        ),
        max_size=3,
    ),
)


@contextmanager
def rekognition_signed(folder: Path) -> Iterator[Read]:
    """Calls that are signed after they were broken, and reach what is behind the signature; another
    tenant is there."""
    with shop(folder) as (services, credentials):
        app, other = make_stage(services).app, services.tenants.add("other", Profile.CLOUD)
        numbers = itertools.count()

        def call(of: Credentials, operation: str, members: dict[str, Any] | bytes) -> Reply:
            """Make a call with a signed number, so that the same call of the same second is another
            one."""
            pair = (of.access_key_id, of.secret_access_key)
            at = services.clock.now()
            number = str(next(numbers))
            return rekognition.call(
                app, *pair, operation, members, at, number, signs_invocation=True
            )

        def furnished(of: Credentials, collection: str, word: str) -> None:
            assert (
                call(
                    of, "CreateCollection", {"CollectionId": collection, "Tags": {word: word}}
                ).status
                == 200
            )
            sent = {"CollectionId": collection, "Image": MEMBERS["Image"], "ExternalImageId": word}
            assert call(of, "IndexFaces", sent).json["FaceRecords"]

        furnished(other, "vault", SECRET)
        furnished(credentials, "staff", "ann")

        def sent(data: bytes) -> None:
            name, _, body = data.partition(b"\n")
            operation = (
                name.decode("latin-1")
                if name.decode("latin-1") in REQUESTS
                else one_of([*REQUESTS], name)
            )
            reply = call(credentials, operation, body)
            assert reply.status in (200, 400, 413), reply.json
            assert reply.status == 200 or reply.json["Code"]
            assert SECRET not in str(reply.body)
            if operation == "DeleteCollection" and reply.status == 200:
                furnished(credentials, "staff", "ann")

        yield sent


# --- pictures
# --------------------------------------------------------------------------------------------------

RULES = PictureRules(
    frozenset({"JPEG", "PNG", "BMP", "WEBP", "HEIC", "GIF"}), 2**24, 2048, 2048, most_pixels=600
)
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, file_format, **options)
    return target.getvalue()


def bmp(compression: int, bits: int, header: int) -> bytes:
    """A bitmap of kinds that Pillow does not write."""
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    offset, pixels = 14 + header + len(palette), bytes(range(256)) * 12
    fields = struct.pack(
        "<IiiHHIIiiII", header, 40, 30, 1, bits, compression, len(pixels), 2835, 2835, 256, 0
    )
    head = b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    return head + fields + bytes(header - 40) + palette + pixels


def pictures() -> list[bytes]:
    noise = Image.frombytes("RGB", (40, 30), np.random.default_rng(1).bytes(3600))
    timed = Image.Exif()
    timed[0x0132], timed[0x0112] = "2026:03:01 12:00:00", 6
    timed.get_ifd(0x8769).update({0x9003: "2026:03:01 12:00:00", 0x9291: "123", 0x9011: "+02:00"})
    return [
        *(encoded(noise.convert(mode), "JPEG") for mode in ("RGB", "L", "CMYK")),
        encoded(noise, "JPEG", progressive=True, restart_marker_rows=1),
        encoded(noise, "JPEG", exif=EXIF),
        encoded(noise, "JPEG", exif=timed),
        encoded(noise, "MPO", save_all=True, append_images=[noise.resize((24, 24))] * 5),
        encoded(Image.new("RGB", (40, 30), (128, 128, 128)), "JPEG"),
        *(
            encoded(noise.convert(mode), "PNG")
            for mode in ("RGB", "L", "P", "1", "RGBA", "LA", "I;16")
        ),
        encoded(noise.convert("P"), "PNG", transparency=b"\x80\x40", exif=timed),
        encoded(noise, "PNG", save_all=True, append_images=[noise]),
        *(encoded(noise.convert(mode), "BMP") for mode in ("RGB", "L", "P", "1", "RGBA")),
        *(
            bmp(*kind, header)
            for kind in ((1, 8), (2, 4), (0, 16), (3, 16), (3, 32), (0, 2))
            for header in (40, 124)
        ),
        *(
            encoded(noise.convert(mode), "WEBP", lossless=lossless)
            for mode in ("RGB", "RGBA")
            for lossless in (0, 1)
        ),
        encoded(noise.convert("RGBA"), "WEBP", exif=timed),
        encoded(noise, "GIF", save_all=True, append_images=[Image.new("RGB", (60, 50))]),
        encoded(noise.convert("RGBA"), "GIF"),
        encoded(noise, "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 30))]),
        heic(noise),
    ]


def heic(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    pillow_heif.from_pillow(picture).save(target, quality=80)
    return target.getvalue()


PICTURES = pictures()


def picture_of(data: bytes) -> None:
    for view in containers.split_views(data):
        assert len(view) <= VIEW_RULES.max_bytes
        with suppress(Unusable):
            assert max(image.read_picture(view, VIEW_RULES).shape) <= VIEW_RULES.max_long_side_px
    seen = image.read_picture(data, RULES)
    assert (seen.ndim, seen.shape[2], seen.dtype) == (3, 3, np.uint8)


def edge_picture_of(data: bytes) -> object:
    whole = edge_picture.is_whole(edge_picture.JPEG, data)
    assert len(edge_picture.join_pictures(data, [data])) >= len(data)
    return (
        edge_picture.parse_content(data),
        whole,
        edge_picture.parse_exif_ms(data, UTC, 1_800_000_000_000),
    )


exif_texts = st.text(st.characters(max_codepoint=127), max_size=8)


def with_exif(at: str, fraction: str, offset: str) -> bytes:
    """A picture that says such times."""
    tags = Image.Exif()
    tags.get_ifd(0x8769).update(
        {0x9003: f"2026:03:01 12:00:0{at}", 0x9291: fraction, 0x9011: offset}
    )
    return encoded(Image.new("L", (8, 8)), "JPEG", exif=tags)


# --- what is stored
# --------------------------------------------------------------------------------------------------


def snapshot(faces: int) -> bytes:
    rows = [
        (f"face{n}", f"g{n % 3}", [embedding_of(n).astype("<f2").tobytes()] * (1 + n % 2))
        for n in range(faces)
    ]
    return segment.encode_segment(segment_of_faces("m", 7, rows)).readall()


def snapshot_of(data: bytes) -> object:
    return list(segment.decode(data).ids)


AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOURNAL = [
    item_to_json(
        journal_item("shop", 7, AT, [JournalEntry(edit, "f", "g", (Template("m", b"\0\x3c" * 8),))])
    ).encode()
    for edit in Edit
]
DAY = columns.Columns.from_rows(
    columns.Row(
        1_772_366_400_000 + n,
        f"id{n}",
        f"face{n % 3}",
        Dimensions("a", "", "", "", "vip", "door", "sighting"),
        gap_s=60 * (n % 2),
    )
    for n in range(9)
)
DAYS = [
    columns.encode_columns(DAY),
    presences.encode_presences(presences.find_presences(DAY)),
    *columns.encode_counts(columns.LabelCounts.from_columns(DAY, np.arange(9)), 10_000),
]


def day_of(data: bytes) -> object:
    if data.startswith(DAYS[0][:8]):
        return columns.decode_columns(data).faceids
    if data.startswith(DAYS[1][:8]):
        return presences.join_presences([presences.decode_presences(data)]).faceids
    return columns.decode_counts(data).count_by_hour(ObservationFilter())


def journal_of(data: bytes) -> object:
    return journal_entries(item_from_json(data.decode("utf-8", "replace")))


def page_token_of(data: bytes) -> None:
    """The token as it is, and one that is forged for such a place."""
    text = data.decode("utf-8", "replace")
    tried(lambda: PAGE_TOKENS.parse_position(text))
    if text.isascii():
        tried(lambda: PAGE_TOKENS.parse_position(PAGE_TOKENS._tokens.make_token(text)))


def sorted_list_place_of(data: bytes) -> None:
    for order in (FaceOrder.NAME, FaceOrder.VISITS):
        # of which a page token makes a refusal
        with suppress(ValueError, TypeError, RecursionError):
            parse_rank_position(order, data.decode("utf-8", "replace"))


def backup_of(*names: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept"
        kept.write_bytes(b"content" * 100)
        with archive.write_archive(Path(folder) / "backup") as writer:
            for name in names:
                writer.add(name, kept)
            writer.finish(AT, FORMAT)
        return (Path(folder) / "backup").read_bytes()


@contextmanager
def exported(folder: Path) -> Iterator[Read]:
    """What an export holds, before it is closed: who writes one can write its digests, too."""

    def read(data: bytes) -> object:
        path = folder / "export"
        path.unlink(missing_ok=True)
        rules, groups, *faces = [*data.split(b"\n"), b""]
        members = {
            exports.RULES: rules,
            exports.GROUPS: groups,
            exports.FACES: b"\n".join(faces),
            "a/0.jpg": b"photo",
        }
        with exports.write_archive(path) as writer:
            for name, content in members.items():
                writer.add_stream(name, io.BytesIO(content), len(content))
            writer.finish(AT, exports.FORMAT)
        with exports.open_export(path) as source:
            return [photo.read() for person in source.people for photo in person.photos]

    yield read


EXPORT = b"\n".join(
    (
        as_json({"time_zone": "Asia/Shanghai", "arrive_times": 3}),
        as_json({"name": "VIP", "capacity": 100, "attributes": ["hobby"]}),
        as_json(
            {
                "id": "7",
                "group": "VIP",
                "name": "Ann",
                "age": 34,
                "labels": {"a": "x"},
                "pictures": ["a/0.jpg"],
            }
        ),
        as_json({"id": "8", "group": "VIP", "pictures": []}),
    )
)


@contextmanager
def tables_of_people(folder: Path) -> Iterator[Read]:
    def read(data: bytes) -> object:
        path = folder / "people.csv"
        path.write_bytes(data)
        return sources.read_table(path).people

    (folder / "1.jpg").write_bytes(b"photo")
    yield read


@contextmanager
def notes_of_backups(folder: Path) -> Iterator[Read]:
    def read(data: bytes) -> object:
        (folder / BackupFolders.FILE).write_bytes(data)
        return BackupFolders(folder).list_all()

    yield read


@contextmanager
def lists_of_what_is_owed(folder: Path) -> Iterator[Read]:
    """A restored folder's list: what reads it to go on, and what says that it is there."""

    def read(data: bytes) -> object:
        (folder / data_folder.UNFINISHED).write_bytes(data)
        with suppress(UnfinishedRestore):
            data_folder.require_finished(folder)
        return owed.read_owed(folder)

    yield read


@contextmanager
def marks_of_folders(folder: Path) -> Iterator[Read]:
    def read(data: bytes) -> object:
        (folder / place.FILE).write_bytes(data)
        return place.read_noted_place(folder)

    yield read


STANDS = {
    "kind": "what stands",
    "tenant": "shop",
    "app_id": "7",
    "life": "a",
    "number": 3,
    "line": {"b": 2},
    "key": "0",
    "kinds": [],
    "disabled": False,
    "settings": {"faces": 7},
    "accesses": {},
    "faces": {},
    "at": "2026-11-20T10:00:00.000Z",
}


def standing_of(data: bytes) -> object:
    return parse_document(data)


@contextmanager
def backups(folder: Path) -> Iterator[Read]:
    def checked(data: bytes) -> object:
        path = folder / "backup"
        path.write_bytes(data)
        return archive.check_file(path)

    yield checked


SIGNED_PATHS = SignedPaths(b"s" * 32, FakeClock())
SIGNED_PATH = SIGNED_PATHS.sign(
    "PUT", "shop/door/1-abc", {"Content-Type": "image/jpeg"}, 900
).encode()


def signed_path_of(data: bytes) -> None:
    path, _, query = data.decode("latin-1").partition("?")
    SIGNED_PATHS.require_signed("PUT", unquote(path), query, {"content-type": "image/jpeg"})


# --- messages and events
# ----------------------------------------------------------------------------------------------


def event_of(key: object) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "b"}, "object": {"key": key}},
            }
        ]
    }


S3_EVENTS = [
    as_json(event_of("shop/door/1772366400000-" + "0" * 24)),
    as_json(event_of("shop%2Fdoor%2F1+2")),
    as_json({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
]
NOTICES = [as_json({"tenant": "shop", "id": "1#arrival-1", "due": 1772366400000})]


def message(read: Callable[[Services, str], object]) -> Opened:
    """A message as SQS carries it, for what works on it."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Read]:
        with shop(folder) as (services, _):
            yield lambda data: read(services, data.decode("utf-8", "replace"))

    return opened


SEARCH = SearchRequest("m", np.zeros((2, 4), np.float32), ("g",))
SEARCHES = [as_json(remote_search.make_event("shop", SEARCH))]


def search_of(data: bytes) -> object:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):  # Lambda parses events itself
        return None
    return remote_search.answer_search(event, FakeSearch()) if isinstance(event, dict) else None


class Replies:
    """Lambda, if the search function answers so."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {
            "Payload": io.BytesIO(self._data),
            "FunctionError": one_of(["", "Unhandled"], self._data),
        }


REPLIES = [
    as_json(remote_search.answer_search(json.loads(SEARCHES[0]), FakeSearch(FOUND))),
    as_json({"errorType": "WrongModel", "errorMessage": "another", "stackTrace": []}),
]


def reply_of(data: bytes) -> object:
    return remote_search.LambdaSearch(Replies(data), ["search"]).search("shop", SEARCH)  # type: ignore[arg-type]


# --- answers of hosts that others chose
# -------------------------------------------------------------------------------


class Wire:
    """A connection on which these bytes come."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def settimeout(self, _seconds: float) -> None: ...

    def sendall(self, _data: bytes) -> None: ...

    def recv_into(self, buffer: memoryview) -> int:
        part = self._data[: min(len(buffer), 1000)]
        self._data = self._data[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None: ...


def dialled(data: bytes) -> Callable[..., Any]:
    def dial(_address: object, port: int, _timeout_s: float) -> Any:
        if port == 443:
            raise OSError("no TLS here")
        return Wire(data)

    return dial


def hosts(_name: str) -> list[str]:
    return ["93.184.216.34"]


class Answered(services.Api):
    """A service that says something twice, and then that there is no more."""

    def __init__(self, data: bytes) -> None:
        self._url, self._left = "http://faces.example", [data, data]

    def get(self, path: str, **query: Any) -> bytes:
        return self._left.pop() if self._left else b'{"subjects": [], "faces": [], "people": []}'


def answers_of_services(data: bytes) -> None:
    for service in services.APIS:
        with suppress(OperatorError):
            services.read_people(service, Answered(data))


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\x00",
    b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;a=b\r\nabcd\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Type: image/bmp\r\nContent-Encoding: identity\r\n\r\nBM",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nSet-Cookie: a\r\n b\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://a.example/x?y=%20#z\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 410 Gone\r\nRetry-After: 5\r\n\r\n",
]
URLS = [
    *(
        b"http://a.example/x.jpg?y=z",
        b"https://[2001:db8::1]:443/",
        b"http://192.0.2.1/",
        b"http://xn--e1afmkfd.example",
    ),
    *(
        "http://会.example/é".encode(),
        b"http://0x7f.1/",
        b"http://u@a.example/",
        b"http://a.example:8080/%zz",
    ),
]


def posted(data: bytes) -> object:
    return SafePostman(hosts, dialled(data)).post("http://a.example/hook", b"{}", {})


def fetched(data: bytes) -> object:
    return SafeFetcher(hosts, dialled(data)).fetch("http://a.example/x.jpg", "shop")


def url_of(data: bytes) -> object:
    return parse_url(data.decode("utf-8", "replace"), user_ports=one_of([True, False], data))


class Said:
    """The edge uploader's HTTP, if the service answers so."""

    def __init__(self, data: bytes) -> None:
        head, _, body = data.partition(b"\n\n")
        first, *headers = head.decode("latin-1").split("\n")
        pairs = [line.partition(": ")[::2] for line in headers]
        status = int(first) if re.fullmatch("[1-5][0-9]{2}", first) else 200
        self._answer = Answer(status, HTTPHeaderDict(pairs), body, 1, 2)

    def exchange(self, *_request: object, **_options: object) -> Answer:
        return self._answer

    def close_idle(self) -> None: ...


def client_answer_of(data: bytes) -> object:
    """What the client makes of an answer, and of a refusal."""
    status = one_of((200, 404, 429, 500), data)
    answer = Answer(status, HTTPHeaderDict(), data)
    if status >= 400:
        return make_refusal(answer).details
    return read_answer(answer, CameraKeyMade)


PICTURE = edge_picture.parse_content(PICTURES[0])
UPLOADS = {
    "uploads": [
        {"id": "1", "state": "new", "url": "http://a", "headers": {"x-amz-checksum-sha256": "AA=="}}
    ]
}
SERVICE_ANSWERS = [
    b"200\nX-Regulars-Time: 1772366400000\n\n" + as_json(UPLOADS),
    b"429\nRetry-After: 5\nDate: Sun, 01 Mar 2026 12:00:00 GMT\n\n"
    + as_json({"code": "x", "index": 0}),
    b"503\nRetry-After: Sun, 01 Mar 2026 12:00:05 GMT\nDate: Sun, 01 Mar 2026 12:00:00 GMT\n\n",
    b"403\n\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
    b"200\n\n" + as_json({"cameras": [{"id": "door", "name": "door"}], "id": "door"}),
]


def service_answer_of(data: bytes) -> None:
    service = EdgeService(Said(data), "http://a.example", lambda: "key", ServiceTime(Clock()))
    assert PICTURE is not None
    for call in (
        lambda: service.offer_pictures([Entry(1, "door", PICTURE, 1_772_366_400_000, "a copy")]),
        lambda: service.put_picture(Offer("1", "new", "PUT", "http://a", {}), b"", PICTURE),
        lambda: service.send_heartbeat("door", {}),
        lambda: service.ask_time("door"),
        lambda: service.find_camera_id("door"),
    ):
        with suppress(ServiceError):
            call()


PROBED = uuid.UUID(int=7)
PROBE_MATCH = (
    "<e:Envelope xmlns:e='e' "
    f"xmlns:d='d'><RelatesTo>urn:uuid:{PROBED}</RelatesTo><d:ProbeMatch><d:Scopes>"
    "onvif://www.onvif.org/name/Front%20door</d:Scopes><d:XAddrs>http://10.0.0.9/onvif/"
    "device_service</d:XAddrs>"
    "</d:ProbeMatch></e:Envelope>"
).encode()


def probe_answer_of(data: bytes) -> None:
    onvif.parse_device(data, "10.0.0.9", PROBED)


def spooled_name_of(data: bytes) -> None:
    files.parse_name(data.decode("latin-1"))


def asked_host_of(data: bytes) -> None:
    page.is_of_this_machine(data.decode("latin-1"))


def first_form_of(data: bytes) -> None:
    """Read what a caller in its network sends to a new box: a Host, and the form."""
    host, _, body = data.partition(b"\n")
    first_page.find_objection(host.decode("latin-1"), None, "10.0.0.7", ())
    form = first_page.parse_form(body)
    assert "<script" not in first_page.make_page(form).lower()
    camera = first_page.parse_camera(form)
    assert re.match(r"(rtsps?|https?)://[^/]|[0-9a-fA-F:.%]+", camera.url)
    first_page.parse_code(form.code, None)


def box_report_of(data: bytes) -> None:
    """Read what the uploader, which may be anybody's by then, tells the command that root runs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / report.FILE).write_bytes(data)
        told = report.Report.read_file(Path(folder), Clock())
    assert told.wanted is None or re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){2}", told.wanted)
    report.find_newest([told.version, told.wanted])


VIEW_MEMORY = (
    b'{"used_s": 90000, "right_at": null, "usual": {"hours": [[[["f", 90], ["0", 3], ["1", 2], '
    b'["a", 9]], 0.5]], "kept_at": 88000, "trusts_until": 0.0}, "nights": {"began": 1.0, '
    b'"seen_at": 9.0, "past": [[1, 2]], "right": [[3, 4]], "last": [1, 2, null]}, '
    b'"alarm": ["covered", 1.5, null]}'
)
MORNING_MEMORY = (
    b'{"right": [[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 0.4]], "last": null, '
    b'"is_changed": true, "right_at": "2026-03-01T12:00:00.000Z"}'
)


LIT = encode_jpeg(Image.linear_gradient("L").convert("RGB"))


STILL_MEMORY = b'[[[0, 0, 32, 32], "' + b"003c" * 256 + b'"]]'
ADDRESS_MEMORY = b'{"10.0.0.9": ["ec:71:db:00:00:09", "10.0.0.23"]}'


def view_memory_of(data: bytes) -> None:
    """Go on with what the uploader kept of a camera's views, posters and address."""
    text = data.decode("utf-8", "replace")
    check, frame = BlockageCheck(lambda: 100_000.0, text), EncodedFrame(LIT, Stamp(stated_ms=0))
    check.look(frame)
    assert BlockageCheck(lambda: 0.0, check.memory).memory == check.memory
    view = MorningView(lambda: 0.0, memory=text)
    view.right_at = "now"
    view.look(frame)
    StillFaces(memory=text).find_still(frame, [Face((0, 0, 32, 32), (), 1.0)], 0)
    camera = CameraConfig("door", "rtsp", "rtsp://10.0.0.9/live")
    Addresses([camera], Memory(str, text)).move(camera)


# --- settings
# --------------------------------------------------------------------------------------------------

labels = st.lists(texts, max_size=3).map(tuple)
numbers = st.integers() | st.floats()
camera_settings = st.fixed_dictionaries(
    {},
    optional={
        "groups": st.none() | st.lists(texts, max_size=3),
        "gap_s": st.integers(),
        "stranger_quality": numbers,
        "silent_after_s": st.none() | st.integers(),
    },
)
tenant_settings = st.fixed_dictionaries(
    {},
    optional={
        "requests_a_day": st.none() | st.integers(),
        "capture_mb_a_day": st.none() | st.integers(),
        "time_zone": texts | st.sampled_from(["Europe/Berlin", "../etc", "Factory"]),
        "attributes_off": st.frozensets(texts, max_size=2).map(sorted),
        "least_liveness": st.none() | st.floats(),
        "least_gender": st.none() | st.floats(),
        "min_age": st.none() | st.floats(),
        "fpir": st.none() | st.floats(),
        "enrol_quality": st.none() | st.floats(),
        "learnt_days": st.none() | st.integers(),
        "display_name": texts,
        "controller": texts,
        "purposes": texts,
        "notice_url": texts
        | st.sampled_from(["https://shop.example/cameras", "javascript:alert(1)"]),
        "faces": st.none() | st.integers(),
        "groups": st.none() | st.integers(),
    },
)
all_settings = st.tuples(camera_settings, tenant_settings, texts)


def settings_of(data: bytes) -> None:
    """Settings with the types that they have behind the wire."""
    camera, tenant, name = json.loads(data)
    off = frozenset(tenant.pop("attributes_off", ()))
    tried(
        lambda: CameraSettings(**camera),
        lambda: TenantSettings(**tenant, attributes_off=off),
        lambda: legal_camera_name(name),
    )


ENVIRONMENT = [
    b"REGULARS_DATA=shop\nREGULARS_CLOCK_TOLERANCE_S=300\nREGULARS_FPIR=0.001\n"
    b"REGULARS_CAPTURE_DAYS=30\n"
    b"REGULARS_SEARCH_MEMORY_MB=1024\nREGULARS_SEARCH_DISK_MB=2048\n"
    b"REGULARS_PUBLIC_URL=https://box.example:8443\n"
    b"REGULARS_HOOK_NETWORKS=192.168.7.0/24, fd00::/8"
]


def file_of_settings(data: bytes) -> object:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        return configuration.read_settings({}, {}, Path(file.name))


def environment_of(data: bytes) -> object:
    lines = data.decode("utf-8", "replace").split("\n")
    return Settings.from_environment(
        {name: value for name, _, value in (line.partition("=") for line in lines)}
    )


EDGE = [
    block.encode()
    for page in ("edge", "tasks/boxes")
    for block in re.findall(
        r"```toml\n(.*?)```", Path(f"docs/{page}.md").read_text(encoding="utf-8"), re.DOTALL
    )
]


@contextmanager
def edge_files(folder: Path) -> Iterator[Read]:
    def loaded(data: bytes) -> object:
        file = folder / "edge.toml"
        file.write_bytes(data)
        return edge_config.load(file, {})

    yield loaded


edge_numbers = st.sampled_from(["max_mib", "min_free_mib", "unsent_days", "kept_days"]).flatmap(
    lambda name: st.floats().map(
        lambda number: f'[server]\nurl="http://a"\n[spool]\n{name} = {number!r}\n'.encode()
    )
)

# --- bytes on a connection
# --------------------------------------------------------------------------------------------

AUTHORISED = b"Host: a\r\nAuthorization: Bearer " + KEY + b"\r\n"
CONNECTIONS = [
    b"GET /v1/cameras HTTP/1.1\r\n" + AUTHORISED + b"\r\n",
    b"POST /v1/cameras HTTP/1.1\r\n"
    + AUTHORISED
    + b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    b'{"name":"door"}',
    b"POST /v1/cameras HTTP/1.1\r\n"
    + AUTHORISED
    + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;a=b\r\n{"nam\r\na\r\ne":"till"}\r\n0\r\nX: y\r\n\r\n',
    b"POST /icredit/face/query?AppCode=x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET /",
    b"POST /openapi/face/getGroupList HTTP/1.1\r\nHost: a\r\nContent-Type: "
    + FORM.encode()
    + b"\r\n"
    b"Content-Length: %d\r\n\r\n" % len(SIGNED) + SIGNED,
    b"POST /openapi/face/addFace HTTP/1.1\r\nHost: a\r\nContent-Type: "
    + MULTIPART.encode()
    + b"\r\n"
    b"Content-Length: %d\r\n\r\n" % len(PARTS) + PARTS,
    b"PUT "
    + SIGNED_PATH
    + b" HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\n\xff\xd8\xff",
    b"GET http://a/v1/faces/%e4%bc%9a?limit=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"HEAD /v1/cameras HTTP/1.0\r\nX: " + b"y" * 2000 + b"\r\n\r\n",
    b"POST /v1/cameras HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /v1/faces HTTP/1.1\r\n"
    + (AUTHORISED + b"\r\nGET /v1/hooks HTTP/1.1\r\n") * 2
    + AUTHORISED
    + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
]
NOT_IMPLEMENTED = (501, 505)
"""Statuses for methods, transfer codings and versions that the server does not speak (RFC 9110,
15.6)."""


@contextmanager
def connections(folder: Path) -> Iterator[Read]:
    """The HTTP front of one box with all behind it: each input is all that comes on one
    connection."""
    with (
        shop(folder) as (services, credentials),
        serving(make_site(make_stage(services).app, services)) as (host, port, _),
    ):

        def sent(data: bytes) -> None:
            answer = b""
            with (
                suppress(ConnectionError),
                socket.create_connection((host, port), timeout=10) as client,
            ):
                client.sendall(data.replace(KEY, credentials.api_key.encode()))
                with suppress(OSError):  # the server has closed by now
                    client.shutdown(socket.SHUT_WR)
                while part := client.recv(65536):
                    answer += part
            statuses = [int(found) for found in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3}) ", answer)]
            assert all(status < 500 or status in NOT_IMPLEMENTED for status in statuses), answer[
                :500
            ]

        yield sent


# --- the table
# --------------------------------------------------------------------------------------------------

API, WEB = "chalicelib.api", "chalicelib.http_client"
DIALECTS = "regulars_dialects"

PARSERS = {
    "multipart forms": Parser(
        plain(multipart_of), (InvalidInput,), (f"{API}.forms", f"{API}.multipart"), [PARTS],
        any_bytes
    ),
    "base64": Parser(
        plain(base64_of), (ValueError,), (f"{API}.base64_text",),
        [b"YQ==", b"data:image/png;base64,-_8\r\n", b" DATA:,+/ +="], any_bytes,
    ),
    "urlencoded forms": Parser(plain(form_of), (InvalidInput,), (f"{API}.forms",), [PAIRS, SIGNED],
        any_bytes),
    "content types": Parser(
        plain(content_type_of), (Refused,), (f"{API}.http",),
        [MULTIPART.encode(), b"application/x-www-form-urlencoded; charset*=utf-8''utf%2d8",
            b'a/b; boundary*0="x"'],
        lines.map(lambda text: text.encode()),
    ),
    "JSON bodies": Parser(
        plain(members_of), (InvalidInput,),
        (f"{API}.forms", f"{API}.v1.wire", f"{API}.v1.validation"),
        [as_json(OFFER), b'{"a": "\\ud83d\\ude00", "b": 1e308, "c": [[]], "d": '
b'99999999999999999999}'],
        st.dictionaries(texts, values, max_size=4).map(as_json) | json_values,
    ),
    "channels": Parser(
        plain(channel_of), (InvalidInput, Unusable),
        ("chalicelib.domain.channels", "chalicelib.book.web_push"),
        [
            b"https://ntfy.sh/door\ntk_1\n\n\n\n\n\n{who} is here\nAnn",
            b"https://a.example/\n\n\n\n\nContent-Type\napplication/json\n{\"a\": \"{name}\"}\n"
b"\"[x](y)",
            b"\n\nboss@shop.example\n\n\n\n\n{who}, {camera}\n=?utf-8?q?=0A?=", b"\n1:a\n9\n\n\n\n"
b"\n{name}\n",
        ],
        lines.map(lambda text: text.encode()),
    ),
    "reasons of receivers": Parser(
        plain(parse_reason), (), ("chalicelib.http_client.safe_requests",),
        [b'{"reason":"BadJwtToken"}', b'{"reason": ["a"]}', b"thanks"], json_values,
    ),
    "opening hours": Parser(
        plain(opening_of), (InvalidInput,), ("chalicelib.domain.opening",),
        [b"Mon-Fri 08:00-19:00, Sat 09:00-14:00", b"18:00-02:00", b"Sun-Mon 00:00-24:00"],
        lines.map(lambda text: text.encode()),
    ),
    "times": Parser(
        plain(time_of), (ValueError,), (f"{API}.v1.times",),
        [b"2026-03-01T12:00:00.123456789+02:00", b"9999-12-31T23:59:59-23:59",
            b"0001-01-01t00:00:00z"],
        st.datetimes(allow_imaginary=False).map(lambda at: f"{at.isoformat()}Z".encode()),
    ),
    "cookies": Parser(
        plain(cookie_of), (WrongCredentials,), (f"{API}.v1.auth",),
        [
            b"regulars=" + b"A" * 43, b"a=b; regulars=x; regulars=y\nsame-origin", b"regulars=x\n\n"
b"http://box:1\nbox:1",
            b"x\n\nhttp://[::1\nbox", b"x\n\nhttp://u@[v1.x]:99999\nbox", b"x\n\n//\xbd\nbox",
        ],
        any_bytes,
    ),
    "Rekognition requests": Parser(
        plain(rekognition_members_of), (Failure,),
        (f"{DIALECTS}.rekognition.requests", f"{DIALECTS}.rekognition.collections"),
        [
            as_json({"CollectionId": "a", "Image": {"Bytes": "/9j/"}, "MaxFaces": 5.0,
                "FaceIds": ["1", None]}),
            as_json({"ResourceArn": "arn:aws:rekognition:x:1:collection/a", "Tags": {"a": ""},
                "NextToken": "x"}),
        ],
        st.dictionaries(st.sampled_from(REKOGNITION_NAMES) | texts, values, max_size=6).map(as_json)
        | json_values,
        share=2,
    ),
    "Rekognition calls": Parser(
        rekognition_signed, (), (f"{DIALECTS}.rekognition.collections",),
        [rekognition_call(operation, {}) for operation in REQUESTS], rekognition_calls, share=16,
    ),
    "CompreFace requests": Parser(
        plain(compreface_request_of), (Failure, Refused),
        (f"{DIALECTS}.compreface.requests", f"{DIALECTS}.compreface.details"),
        [
            b"limit=1?status=True&det_prob_threshold=0.8\n"
            + as_json({"file": "data:;base64,/9j_", "subject": "a"}),
            b'&subject=a+b&page=1&size=9\n["11111111-2222-4333-8444-555555555555"]',
            b'limit=-1\n{"embeddings": [[0.1, 1e400, -0]]}',
            b"\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--",
        ],
        any_bytes,
        share=2,
    ),
    "Rekognition signatures": Parser(
        plain(rekognition_signature_of), (Failure,),
        (f"{DIALECTS}.rekognition.signature", f"{DIALECTS}.rekognition.operation"),
        [
            b"AWS4-HMAC-SHA256 Credential=RKA/20260115/x/rekognition/aws4_request, "
            b"SignedHeaders=host;x-amz-date;x-amz-target, Signature=00\n20260115T093000Z\n/a%20b\n"
b"{}",
            b"AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature=\nx\n\n",
        ],
        any_bytes,
    ),
    "request targets": Parser(
        plain(target_of), (ValueError,), ("regulars.serve.asgi",),
        [b"/a%20b", b"http://box/a%2Fb", b"http://[::1/x", b"*", b"box:443"], any_bytes,
    ),
    "function URL events": Parser(
        plain(function_url_of), (), (f"{API}.application",), [b"/\nX-Amz-Signature=00&a=%zz&=&;\n"
b"{}"], any_bytes
    ),
    "places of pictures": Parser(
        plain(picture_place_of), (), ("chalicelib.domain.pictures",),
        [b"archive\nstaff/%2e%2E/x", b"archive\nstaff/..\\x", b"photos\n%"], any_bytes,
    ),
    "SUNMI signatures": Parser(
        plain(signature_of), (InvalidInput,), (f"{API}.sunmi.request",), [SIGNED], any_bytes
    ),
    "SUNMI parameters": Parser(
        plain(sunmi_parameters_of), (InvalidInput,), (f"{API}.sunmi.request",),
        [PAIRS, PARTS, *(urlencode({"faceid_list": text}).encode() for text in LISTS)],
        st.dictionaries(st.sampled_from(words.SUNMI_NAMES),
            st.sampled_from(words.SUNMI_VALUES) | texts).map(
            lambda pairs: urlencode(pairs, errors="replace").encode()
        ),
    ),
    "SUNMI requests": Parser(
        sunmi_signed, (), (f"{API}.sunmi.endpoint", f"{API}.sunmi.routes"), SUNMI, sunmi_forms
    ),
    "iCREDIT parameters": Parser(
        plain(icredit_parameters_of), (InvalidInput, FaceNotFound, Unusable),
        (f"{API}.icredit.request",),
        [ICREDIT.encode(), as_json(dict(parse_qsl(ICREDIT)))],
        st.dictionaries(st.sampled_from([*NEEDED]), texts).map(as_json),
    ),
    "iCREDIT requests": Parser(
        requests(lambda found: found.appcode), (), (f"{API}.icredit.routes",),
        ICREDIT_REQUESTS, icredit_requests(),
    ),
    "v1 requests": Parser(
        requests(lambda found: found.api_key), (),
        (f"{API}.v1.routes", f"{API}.v1.hooks", f"{API}.v1.wire"), [*map(v1_request, OPERATIONS)],
    ),
    "passkeys": Parser(plain(passkey), (), ("chalicelib.auth.passkeys",), PASSKEYS),
    "pictures": Parser(
        plain(picture_of), (Unusable,),
        ("chalicelib.book.vision.pictures.image", "chalicelib.book.vision.pictures.containers"),
        PICTURES, share=16,
    ),
    "pictures at the edge": Parser(
        plain(edge_picture_of), (), ("regulars_edge.picture",), PICTURES[:21],
        st.builds(with_exif, exif_texts, exif_texts, exif_texts),
    ),
    "snapshots": Parser(
        plain(snapshot_of), (DamagedSnapshot,), ("chalicelib.book.search.snapshots.segment",),
        [snapshot(0), snapshot(1), snapshot(9)], any_bytes,
    ),
    "journal items": Parser(
        # Rows of our own table: no damage to them is provided for, so any plain error will do.
        plain(journal_of),
        (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError),
        ("chalicelib.storage.records.faces", "chalicelib.storage.limits"), JOURNAL, json_values,
    ),
    "counts of a day": Parser(
        plain(unpack_counts), (zlib.error, struct.error),
        ("chalicelib.storage.records.counts",),
        [pack_counts({7: Count(60, 3, 1, 2), 8: Count(30)}), pack_counts({})], any_bytes,
    ),
    "sealed days": Parser(plain(day_of), (DamagedData,),
        ("chalicelib.storage.records.columns", "chalicelib.storage.records.presences"),
        DAYS, any_bytes),
    "page tokens": Parser(
        plain(page_token_of), (), ("chalicelib.storage.items", "chalicelib.storage.limits"),
        [PAGE_TOKENS._tokens.make_token('["a", null]').encode(), b'["a", "b"]', b'[1, "b"]', b"[["],
        any_bytes | json_values,
    ),
    "places in sorted lists": Parser(
        plain(sorted_list_place_of), (), ("chalicelib.book.faces",),
        [b'[1, [3, "7"]]', b'[1, [false, "a", "A", "7"]]', b'[1, "ab"]', b'["a", 1]', b"[[["],
        any_bytes | json_values,
    ),
    "signed paths": Parser(
        plain(signed_path_of), (WrongCredentials, StaleRequest),
        ("chalicelib.storage.box.uploads",),
        [SIGNED_PATH], any_bytes,
    ),
    "S3 events": Parser(
        message(lambda services, body: services.sightings.ingest.take_message(body)),
        (InvalidInput, Busy, StorageUnavailable), ("chalicelib.book.sightings.ingest",), S3_EVENTS,
        json_values | values.map(lambda key: as_json(event_of(key))), share=4,
    ),
    "delivery messages": Parser(
        message(lambda services, body: services.webhooks.deliveries.attempt_delivery(body)),
        (ValueError, InvalidInput, Busy, StorageUnavailable),
        ("chalicelib.book.webhooks",), NOTICES,
        st.fixed_dictionaries({"tenant": values, "id": values | texts, "due": values}).map(as_json),
        share=4,
    ),
    "index messages": Parser(
        message(lambda services, body: services.sweep.handle_message(body, 1, lambda: 300.0)),
        # As app.build_index: a message that it cannot read ends in the dead letters.
        (RegularsError, ValueError, KeyError, TypeError, OverflowError, RecursionError),
        ("chalicelib.sweep",),
        [as_json({"tenant": "shop"}),
            as_json({"tenant": "shop", "hour": 0, "chores": ["pictures"], "after": ""})],
        st.fixed_dictionaries(
            dict.fromkeys(("tenant", "hour", "chores", "after"), values)
        ).map(as_json), share=4,
    ),
    "search events": Parser(
        plain(search_of), (Busy,), ("chalicelib.storage.aws.search",), SEARCHES, json_values
    ),
    "search answers": Parser(
        plain(reply_of), (RegularsError,), ("chalicelib.storage.aws.search",), REPLIES, json_values
    ),
    "receivers' answers": Parser(
        plain(posted), (InvalidInput, Unusable, Busy), (f"{WEB}.post", f"{WEB}.connection"),
        ANSWERS, any_bytes
    ),
    "picture hosts' answers": Parser(plain(fetched), (Unusable, Busy), (f"{WEB}.fetch",), ANSWERS,
        any_bytes, share=4),
    "URLs": Parser(plain(url_of), (Unusable,), (f"{WEB}.url",), URLS, lines.map(lambda text: f"http://{text}".encode())),
    "service's answers": Parser(
        plain(service_answer_of), (), ("regulars_edge.service",), SERVICE_ANSWERS,
        st.builds(lambda text, value: f"429\nRetry-After: {text}\n\n".encode() + as_json(value),
            texts, values),
    ),
    "settings": Parser(
        plain(settings_of), (),
        ("chalicelib.book.cameras", "chalicelib.book.tenants"),
        strategy=all_settings.map(as_json),
    ),
    "operator's settings": Parser(
        plain(environment_of), (SettingError,), ("chalicelib.settings",), ENVIRONMENT, any_bytes
    ),
    "operator's file": Parser(
        plain(file_of_settings), (SettingError,), ("regulars.configuration",),
        [b'data = "shop"\nport = 8443\nhook_networks = ["192.168.7.0/24"]\n# comment\nfpir = '
b'1e-3'], any_bytes,
    ),
    "cameras' answers to a probe": Parser(
        plain(probe_answer_of), (SourceFailed,), ("regulars_edge.setup.onvif",),
        [PROBE_MATCH], any_bytes,
    ),
    "names of spooled pictures": Parser(
        plain(spooled_name_of), (), ("regulars_edge.spool.files",),
        [b"00ff_1772366400000_5000_boot_door.jpg", b"00ff_1772366400000___a%2fb.png"], any_bytes,
    ),
    "hosts of the edge's page": Parser(
        plain(asked_host_of), (), ("regulars_edge.page",), [b"127.0.0.1:9109", b"[::1]:80", b"a@b"],
        any_bytes
    ),
    "forms of a new box": Parser(
        plain(first_form_of), (Misconfigured,), ("regulars_edge.setup.first_page",),
        [b"10.0.0.9:9110\ncode=7KQM-2XHP-94TD+https%3A%2F%2Fa.example&place="
b"rtsp%3A%2F%2Fu%3Ap%4010.0.0.9%2Flive&user=a&password=b",
         b"box.local\ncode=%3Cscript%3E&place=10.0.0.9"], any_bytes,
    ),
    "reports of a box": Parser(
        plain(box_report_of), (), ("regulars_edge.report",),
        [b'{"version": "1.2.3", "wanted": "1.2.4", "is_well": true, "cameras": ["door", "till"]}'],
        any_bytes,
    ),
    "memories of views": Parser(
        plain(view_memory_of), (),
        ("regulars_edge.sources.blockage_check", "regulars_edge.choose.morning",
         "regulars_edge.choose.still", "regulars_edge.addresses"),
        [VIEW_MEMORY, MORNING_MEMORY, STILL_MEMORY, ADDRESS_MEMORY], any_bytes,
    ),
    "edge.toml": Parser(edge_files, (Misconfigured,), ("regulars_edge.config",), EDGE,
        edge_numbers),
    "backups": Parser(
        backups, (DamagedFile, OperatorError, OSError), ("regulars.backup.archive",),
        [backup_of("book.sqlite"), backup_of("a/b", "c")], share=4,
    ),
    "exports": Parser(
        exported, (OperatorError,),
        ("regulars_transfer.exports", "regulars_client.archive"), [EXPORT], any_bytes, share=4
    ),
    "tables of people": Parser(
        tables_of_people, (DamagedFile,), ("regulars_transfer.sources",),
        [b"path,name,age,label_a,hobby\n1.jpg,Ann,34,x,tennis\n", b"path;id\n1.jpg;7\n1.jpg;7\n",
         *("path\tname\n1.jpg\t李小明\n".encode(encoding) for encoding in ("utf-16", "gb18030"))],
        any_bytes,
    ),
    "Frigate's messages": Parser(
        plain(frigate.parse_event), (frigate.NotFrigates,), ("regulars_mqtt.frigate",),
        [as_json(frigates_message("1607123955.475377-mxklsc", 1607123965.975463))], json_values,
    ),
    "Frigate's lists of events": Parser(
        plain(frigate.parse_events), (frigate.NotFrigates,), ("regulars_mqtt.frigate",),
        [as_json([{"id": "a", "camera": "door", "start_time": 1, "end_time": 2,
            "data": {"snapshot_frame_time": 2}}])],
        json_values,
    ),
    "answers of other face services": Parser(
        plain(answers_of_services), (OperatorError,),
        ("regulars_transfer.services",),
        [
            as_json({"subjects": ["Ann"], "faces": [{"subject": "Ann", "image_id": "1"}]}),
            as_json({"people": [{"id": "1", "name": "Ann"}], "hasNextPage": True}),
        ],
        json_values,
    ),
    "heads of an audit": Parser(
        plain(lambda data: audit_entries.head_of(json.loads(data))),
        (InvalidInput, ValueError, RecursionError),
        ("chalicelib.privacy.audit_entries", "regulars.audit"),
        [as_json({"statement": {"tenant": "a", "hour": 1, "number": 1, "root": "00", "before": "",
            "entries": 0}})],
        json_values,
    ),
    "exports of the audit": Parser(
        plain(lambda data: verified_export(io.StringIO(data.decode(errors="replace")), str)),
        (InvalidInput,),
        ("chalicelib.privacy.audit.verifying",),
        [b'{"statement": {"tenant": "a"}}\n{"entry": "{}"}\n', b"[]\n"], any_bytes,
    ),
    "documents of what stands": Parser(
        plain(standing_of), (InvalidInput, ValueError, RecursionError),
        ("chalicelib.privacy.standing",),
        [as_json(signing.sign_statement(STANDS, signing.new_key()[0]))],
        json_values,
    ),
    "notes of backups": Parser(
        notes_of_backups, (), ("chalicelib.witness",), [b'{"folders": ["/srv/backups"]}\n'],
        any_bytes
    ),
    "lists of what is owed": Parser(
        lists_of_what_is_owed, (OperatorError,),
        ("regulars.backup.owed", "regulars.folder"),
        [b'{"file": "a.tar", "backed_up_at": "2026-11-29T10:00:00Z", "left": ["files"]}'],
        any_bytes,
    ),
    "marks of folders": Parser(
        marks_of_folders, (), ("regulars.place",),
        [b'{"inode": 7, "born_ns": 7, "machine": "", "path": "/srv"}'], any_bytes,
    ),
    "what others keep at a broker": Parser(
        plain(lambda data: (parse_device(data), parse_turn(data))), (),
        ("regulars_mqtt.discovery", "regulars_mqtt.turns"),
        [b'{"device": {"configuration_url": "http://box:8000"}}', b'{"rank": "0", "host": "box"}'],
        any_bytes,
    ),
    "URLs of cameras that are moved": Parser(
        plain(lambda data: move_url(data.decode("latin-1"), "10.0.0.9")), (ValueError,),
        ("regulars_edge.reach",),
        [b"https://door:8443/x?channel=1", b"rtsp://[::1]/x"], any_bytes,
    ),
    "receipts": Parser(
        plain(lambda data: parse_receipt(json.loads(data))),
        (InvalidInput, ValueError, RecursionError),
        ("chalicelib.privacy.signing", "regulars.privacy", "regulars.backup.receipts"),
        [as_json(signing.sign_statement({"id": "7"}, signing.new_key()[0]))],
        json_values,
    ),
    "renewals of a signing key": Parser(
        plain(lambda data: signing.renewal_of(json.loads(data))),
        (InvalidInput, ValueError, RecursionError),
        ("chalicelib.privacy.signing",),
        [as_json(signing.sign_statement({"kind": "renewal of the signing key", "heads": 7},
            signing.new_key()[0]))],
        json_values,
    ),
    "answers to the client": Parser(
        plain(client_answer_of), (ClientError,), ("regulars_client.connection",),
        [as_json({"code": "AnotherFace", "detail": "no", "score": 0.3}),
            as_json({"id": "7", "api_key": "ck_"}), b"[]"],
        any_bytes,
    ),
    "senders behind proxies": Parser(
        plain(lambda data: find_network(sender_behind(data.decode("latin-1")))), (),
        ("chalicelib.auth.addresses",),
        [b"198.51.100.1, ::ffff:127.0.0.1", b"fe80::1%eth0", b"1.2.3.4:5"], any_bytes,
    ),
    "hosts that ask for metrics": Parser(
        plain(lambda data: is_own_host(data.decode("latin-1"), {"box.example"})), (),
        ("chalicelib.api.sites",), [b"box.example:9108", b"[::1]:9", b"[::::]", b"[v1.x]"],
        any_bytes,
    ),
    "bytes on a connection": Parser(
        connections, (),
        ("regulars.serve.connections", "regulars.serve.callers", "regulars.serve.gateway",
            "regulars.serve.uploads"),
        CONNECTIONS, any_bytes, share=2,
    ),
}  # fmt: skip
