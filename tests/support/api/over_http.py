"""Clients of the SUNMI and iCREDIT dialects, written from their documents.

They share no code with the server, so that a mistake in one shows up against the other.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import urllib3
from msgspec import Struct

from chalicelib.api.sunmi.probe import compute_signature
from chalicelib.domain.model import Credentials
from regulars.clients import Reply, Transport
from regulars.errors import WrongAnswer

_STATUS = "PERSON_TOKEN_STATUS"


class SunmiReply(Struct, frozen=True):
    """An answer of the camera's API. `code`: 0 for done; `data`: empty if the answer has none."""

    code: int
    data: Mapping[str, Any]
    message: str
    reply: Reply


class Sunmi(Struct, frozen=True):
    """Client of the camera's API, `openapi/face/*`, signed with MD5 as the cameras do."""

    connection: Transport
    credentials: Credentials

    def call(
        self, name: str, parameters: Mapping[str, object], picture: bytes | None = None
    ) -> SunmiReply:
        """POST to one endpoint. Raises WrongAnswer if the answer is not in the dialect's form."""
        sent = self._sign_parameters(parameters)
        body, content_type = _form(sent) if picture is None else _multipart(sent, picture)
        reply = self.connection.request(
            "POST", f"/openapi/face/{name}", body, {"Content-Type": content_type}
        )
        if (
            reply.status != 200
            or not isinstance(reply.json, dict)
            or not isinstance(reply.json.get("code"), int)
        ):
            raise WrongAnswer(f"{name} answered HTTP {reply.status}: {reply.json}")
        return SunmiReply(
            reply.json["code"], reply.json.get("data") or {}, reply.json.get("msg", ""), reply
        )

    def create_group(self, name: str, capacity: int, description: str = "") -> SunmiReply:
        return self.call(
            "createGroup", {"name": name, "capacity": capacity, "description": description}
        )

    def add_face(self, group: str, faceid: str, picture: bytes) -> SunmiReply:
        return self.call("addFace", {"group_name": group, "faceid": faceid}, picture)

    def search(self, picture: bytes) -> SunmiReply:
        """Search all groups for the face of the picture. The code is DONE, NO_MATCH or UNUSABLE."""
        return self.call("getFaceByPicture", {}, picture)

    def delete_faces(self, group: str, faceids: list[str]) -> SunmiReply:
        parameters = {"group_name": group, "num": len(faceids), "faceid_list": json.dumps(faceids)}
        return self.call("deleteFace", parameters)

    def _sign_parameters(self, parameters: Mapping[str, object]) -> dict[str, str]:
        sent = {name: str(value) for name, value in parameters.items()}
        sent["app_id"] = self.credentials.app_id
        sent["random"] = f"{secrets.randbelow(10**10):010d}"
        sent["timestamp"] = str(int(time.time()))
        sent["sign"] = compute_signature(sent, self.credentials.app_key)
        return sent


class Entity(Struct, frozen=True):
    """One face of an iCREDIT answer. `similarity`: 0..100, searches only."""

    token: str
    similarity: float | None


class IcreditReply(Struct, frozen=True):
    failed: bool
    entities: tuple[Entity, ...]
    message: str
    reply: Reply


class Icredit(Struct, frozen=True):
    """Client of the cloud API, `icredit/face/*`, with its APPCODE."""

    connection: Transport
    credentials: Credentials

    def enrol(
        self, group: str, picture: bytes, labels: Mapping[str, str] | None = None
    ) -> IcreditReply:
        """Enrol every face of the picture. `labels`: LABLE_A to LABLE_D."""
        return self.manage("0", group, picture, labels or {})

    def search(self, group: str, picture: bytes) -> IcreditReply:
        """Search the group for every face of the picture."""
        return self.manage("1", group, picture, {})

    def manage(
        self, control_type: str, group: str, picture: bytes, more: Mapping[str, str]
    ) -> IcreditReply:
        """POST to `manage`. Raises WrongAnswer if the answer is not in the dialect's form."""
        image = base64.b64encode(picture).decode("ascii")
        sent = {
            "CONTROL_TYPE": control_type,
            "IMAGE_TYPE": "0",
            "IMAGE": image,
            "PERSON_GROUP_LABEL": group,
            **more,
        }
        body, content_type = _form(sent)
        headers = {
            "Content-Type": content_type,
            "Authorization": f"APPCODE {self.credentials.appcode}",
        }
        reply = self.connection.request("POST", "/icredit/face/manage", body, headers)
        answer = reply.json
        if reply.status != 200 or not isinstance(answer, dict) or _STATUS not in answer:
            why = reply.headers.get("x-ca-error-message", answer)
            raise WrongAnswer(f"manage {control_type} answered HTTP {reply.status}: {why}")
        entities = tuple(_entity(fields) for fields in answer.get("PERSON_ENTITY", ()))
        return IcreditReply(answer[_STATUS] != "0", entities, answer.get("ERROR_MSG", ""), reply)


def _entity(fields: Mapping[str, str]) -> Entity:
    similarity = fields.get("SIMILARITY")
    return Entity(fields.get("PERSON_TOKEN", ""), float(similarity) if similarity else None)


def _form(parameters: Mapping[str, str]) -> tuple[bytes, str]:
    return urllib.parse.urlencode(parameters).encode("ascii"), "application/x-www-form-urlencoded"


def _multipart(parameters: Mapping[str, str], picture: bytes) -> tuple[bytes, str]:
    """Encode a form with the picture as its file `pic`; return the body and its content type."""
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return urllib3.encode_multipart_formdata({**parameters, "pic": ("picture", picture, kind)})
