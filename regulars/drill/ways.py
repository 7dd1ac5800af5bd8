"""The ways by which the drill's people come into a book, each as a client sends it over HTTP.

A refusal raises Refused, whatever its words are.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api.http import URLENCODED
from chalicelib.api.probes import encode_multipart
from chalicelib.api.rekognition.operation import CONTENT_TYPE
from chalicelib.api.rekognition.signature import (
    ALGORITHM,
    SERVICE,
    TERMINATOR,
    SentSignature,
    SignedRequest,
    compute_signature,
)
from chalicelib.api.service_keys import add_service_key
from chalicelib.api.sunmi.probe import compute_signature as sign_as_camera
from chalicelib.domain.model import Credentials, Tenant
from chalicelib.services import Services
from chalicelib.storage.values import time_text
from regulars.clients import Connection, Reply
from regulars.demo.drawn_vision import DrawnPerson, draw_capture, draw_portrait
from regulars.demo.shop import PastClock

GROUP, CAMERA = "drill", "door"
_JSON = "application/json"


class Refused(Exception):
    """A way in did not take somebody. `status`: of the answer over HTTP."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {str(reply.json)[:300]}")
        self.status = reply.status


class Somebody(Struct):
    """A drawn person of the drill. `asks`: to be remembered in order to be forgotten."""

    way: str
    number: int
    asks: bool = False
    faceid: str = ""
    template: bytes = b""

    @property
    def name(self) -> str:
        return f"Zora{self.number}"

    @property
    def note(self) -> str:
        return f"theremin-{self.number}"

    @property
    def photo(self) -> bytes:
        return draw_portrait(DrawnPerson(self.number))

    @property
    def former_photo(self) -> bytes:
        """A picture of the same person that comes first, where one has to be there already."""
        return draw_portrait(DrawnPerson(self.number, take=1))

    @property
    def needles(self) -> dict[str, bytes]:
        """The bytes that are looked for, by what they are; in a picture stands the number."""
        return {
            "name": self.name.encode(),
            "name in small letters": self.name.lower().encode(),
            "note": self.note.encode(),
            "id": self.faceid.encode(),
            "picture": f'"number":{self.number},'.encode(),
            "template": self.template,
            "template in base64": base64.b64encode(self.template),
        }


class House(Struct, frozen=True):
    """A copy of a service that is served over HTTP, with its tenant's keys."""

    services: Services
    clock: PastClock
    credentials: Credentials
    url: str

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.credentials.tenant)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Reply:
        with Connection(self.url) as connection:
            return connection.request(method, path, body, headers)

    def send(self, method: str, path: str, body: Any = None) -> Reply:
        """Send a request of v1."""
        key = {"Authorization": f"Bearer {self.credentials.api_key}", "Content-Type": _JSON}
        return self.ask(method, path, b"" if body is None else json.dumps(body).encode(), key)

    def v1(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of v1. Raises Refused."""
        return _take(self.send(method, path, body)).json

    def sunmi(self, endpoint: str, fields: Mapping[str, str], picture: bytes) -> Any:
        at = str(int(self.clock.now().timestamp()))
        random = hashlib.sha256(f"{at}{fields}{len(picture)}".encode()).hexdigest()[:10]
        public = {"app_id": self.credentials.app_id, "random": random, "timestamp": at, **fields}
        public["sign"] = sign_as_camera(public, self.credentials.app_key)
        form = encode_multipart({**public, "pic": ("a.jpg", picture, "image/jpeg")})
        return _take(self.ask("POST", f"/openapi/face/{endpoint}", *form), "code", 0).json

    def icredit(self, control: str, picture: bytes) -> list[Any]:
        fields = {
            "CONTROL_TYPE": control,
            "IMAGE_TYPE": "0",
            "IMAGE": _encode(picture),
            "PERSON_GROUP_LABEL": GROUP,
        }
        headers = {
            "Content-Type": URLENCODED,
            "Authorization": f"APPCODE {self.credentials.appcode}",
        }
        reply = self.ask("POST", "/icredit/face/manage", urlencode(fields).encode(), headers)
        return list(_take(reply, "PERSON_TOKEN_STATUS", "0").json["PERSON_ENTITY"])

    def rekognition(self, operation: str, **members: Any) -> Any:
        """Call an operation, signed for the drill's own time."""
        body, at, own = json.dumps(members).encode(), self.clock.now(), self.credentials
        sent_at, names = at.strftime("%Y%m%dT%H%M%SZ"), ("host", "x-amz-date", "x-amz-target")
        target = f"RekognitionService.{operation}"
        values = (self.url.removeprefix("http://"), sent_at, target)
        claim = SentSignature(
            *(own.access_key_id, sent_at[:8], "box", SERVICE, TERMINATOR, names, "", sent_at, at)
        )
        request = SignedRequest("/", dict(zip(names, values, strict=True)), body)
        body_hash = hashlib.sha256(body).hexdigest()
        signature = compute_signature(claim, request, body_hash, own.secret_access_key)
        scope = replace(claim, signature=signature).scope
        headers = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": sent_at,
            "X-Amz-Target": target,
            "Authorization": f"{ALGORITHM} Credential={own.access_key_id}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}",
        }
        return _take(self.ask("POST", "/", body, headers)).json

    def add_key(self, service: str, name: str) -> str:
        """Make a key of a service of a dialect, which reaches the drill's group."""
        group = self.services.groups.get_by_name(self.tenant, GROUP)
        return add_service_key(self.services, self.tenant, name, service, group.id)


def _take(reply: Reply, member: str = "", right: object = None) -> Reply:
    """Return an answer. Raises Refused if it is none of success: by status or by its member."""
    answer = reply.json if isinstance(reply.json, dict) else {}
    if reply.status >= 300 or (member and answer.get(member) != right):
        raise Refused(reply)
    return reply


def _encode(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def make_record(house: House, one: Somebody) -> dict[str, str]:
    """Return somebody's record of consent: that of a week ago, whenever it is sent."""
    given_at = house.tenant.created_at - timedelta(days=7)
    return {"basis": "consent", "given_at": time_text(given_at), "evidence": one.note}


def _enrol_by_v1(house: House, one: Somebody) -> str:
    """Enrol with the record in the same request."""
    body = {
        "picture": _encode(one.photo),
        "group": GROUP,
        "name": one.name,
        "note": one.note,
        "consent": make_record(house, one),
    }
    return str(house.v1("POST", "/v1/faces", body)["id"])


def _add_photo(house: House, one: Somebody) -> str:
    if not one.faceid:
        body = {"picture": _encode(one.former_photo), "group": GROUP, "name": one.name}
        sent = {**body, "consent": make_record(house, one)}
        one.faceid = str(house.v1("POST", "/v1/faces", sent)["id"])
    picture = {"picture": _encode(one.photo), "trust": True}
    house.v1("POST", f"/v1/faces/{one.faceid}/pictures", picture)
    return one.faceid


def see(house: House, one: Somebody, *, uploads: bool = False) -> Any:
    """Let the camera see somebody, and return the capture, resolved."""
    at, picture = time_text(house.clock.now()), draw_capture(DrawnPerson(one.number))
    sent = {"camera": CAMERA, "captured_at": at}
    if uploads:
        offer = {**sent, "sha256": hashlib.sha256(picture).hexdigest(), "size": len(picture)}
        offers = {"captures": [{**offer, "content_type": "image/jpeg"}]}
        [upload] = house.v1("POST", "/v1/captures/uploads", offers)["uploads"]
        path = upload["url"].removeprefix(house.url)
        _take(house.ask(upload["method"], path, picture, upload["headers"]))
    else:
        upload = house.v1("POST", "/v1/captures", {**sent, "picture": _encode(picture)})
    ingest = house.services.sightings.ingest
    return ingest.resolve_capture(house.tenant.name, CAMERA, upload["id"])


def _capture(house: House, one: Somebody) -> str:
    return str(see(house, one).sightings[0].faceid)


def _upload(house: House, one: Somebody) -> str:
    return str(see(house, one, uploads=True).sightings[0].faceid)


def _add_by_sunmi(house: House, one: Somebody) -> str:
    faceid = f"employee-{one.number}"
    house.sunmi("addFace", {"group_name": GROUP, "faceid": faceid}, one.photo)
    return faceid


def _update_by_sunmi(house: House, one: Somebody) -> str:
    fields = {"group_name": GROUP, "faceid": f"employee-{one.number}"}
    if not one.faceid:
        house.sunmi("addFace", fields, one.former_photo)
    house.sunmi("updateFace", fields, one.photo)
    return fields["faceid"]


def _enrol_by_icredit(house: House, one: Somebody) -> str:
    [person] = house.icredit("0", one.photo)
    return str(person["PERSON_TOKEN"])


def _index(house: House, one: Somebody) -> str:
    image = {"Bytes": _encode(one.photo)}
    answer = house.rekognition(
        "IndexFaces", CollectionId=GROUP, Image=image, ExternalImageId=one.name
    )
    if not answer["FaceRecords"]:
        raise Refused(Reply(200, {}, answer, 0))
    return str(answer["FaceRecords"][0]["Face"]["FaceId"])


def _associate(house: House, one: Somebody) -> str:
    user = {"CollectionId": GROUP, "UserId": f"user-{one.number}"}
    if not one.faceid:
        one.faceid = _index(house, one)
        house.rekognition("CreateUser", **user)
    house.rekognition("AssociateFaces", **user, FaceIds=[one.faceid])
    return one.faceid


def _add_by_compreface(house: House, one: Somebody) -> str:
    key = {"X-Api-Key": house.add_key("recognition", f"recognition {house.clock.now()}")}
    form = encode_multipart({"file": ("a.jpg", one.photo, "image/jpeg")}, key)
    _take(house.ask("POST", f"/api/v1/recognition/faces?subject={one.name}", *form))
    return _find_subject(house, one)


def _register_by_deepstack(house: House, one: Somebody) -> str:
    key = house.add_key("deepstack", f"deepstack {house.clock.now()}")
    fields = {"api_key": key, "userid": one.name, "image": ("a.jpg", one.photo, "image/jpeg")}
    _take(house.ask("POST", "/v1/vision/face/register", *encode_multipart(fields)))
    return _find_subject(house, one)


def _find_subject(house: House, one: Somebody) -> str:
    group = house.services.groups.get_by_name(house.tenant, GROUP)
    return str(house.services.subjects.get(house.tenant, group, one.name).faceids[0])


def _import(house: House, one: Somebody) -> str:
    """Import a person whose record comes along, as that of an export does."""
    from regulars_client import Regulars

    from regulars.transfer.importing import REFUSED, Import
    from regulars.transfer.sources import Person, Photo, Source

    photo, fields = Photo("0.jpg", lambda: one.photo), {"consent": make_record(house, one)}
    person = Person(one.name, one.name, (photo,), group=GROUP, other_fields=fields)
    with Regulars(house.url, api_key=house.credentials.api_key) as service:
        run = Import(service, None).run
        [fate] = run(Source("drill", [person]), lambda _: None, with_rules=False)
    if fate.outcome.state == REFUSED:
        raise Refused(Reply(409, {}, fate.outcome.why, 0))
    [face] = house.v1("GET", f"/v1/faces?name={one.name}")["faces"]
    return str(face["id"])


class Way(NamedTuple):
    """A way in. `go`: brings somebody in, and returns the face; `takes_record`: whether a record of
    consent comes with it; `by_camera`: whether a camera brings somebody."""

    go: Callable[[House, Somebody], str]
    takes_record: bool = False
    by_camera: bool = False


WAYS: Mapping[str, Way] = {
    "v1": Way(_enrol_by_v1, takes_record=True),
    "photo": Way(_add_photo),
    "capture": Way(_capture, by_camera=True),
    "upload": Way(_upload, by_camera=True),
    "sunmi": Way(_add_by_sunmi),
    "updated": Way(_update_by_sunmi),
    "icredit": Way(_enrol_by_icredit),
    "rekognition": Way(_index),
    "user": Way(_associate),
    "compreface": Way(_add_by_compreface),
    "deepstack": Way(_register_by_deepstack),
    "import": Way(_import, takes_record=True),
}

NOT_TRIED: Mapping[str, str] = {
    "camera": "the function behind `capture` and `upload`, which both go through it",
    "frigate": "it needs a broker and Frigate; its picture comes as a capture does",
}
"""Ways in that the drill leaves out, each with the reason."""
