"""A client of the iCREDIT API as its users write one."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from chalice.app import Chalice

from tests.dialects.gateway import Reply, send

MANAGE = "/icredit/face/manage"


class MarketClient:
    def __init__(self, app: Chalice, appcode: str) -> None:
        self.app = app
        self.appcode = appcode

    def post(self, body: bytes, content_type: str) -> Reply:
        headers = {"Authorization": f"APPCODE {self.appcode}"}
        return send(self.app, MANAGE, body, content_type=content_type, headers=headers)

    def manage(self, **fields: str) -> dict[str, Any]:
        reply = self.post(urlencode(fields).encode(), "application/x-www-form-urlencoded; charset=UTF-8")
        assert reply.status == 200, reply
        return reply.json

    def enrol(self, group: str, picture: bytes, **fields: str) -> dict[str, Any]:
        return self.manage(CONTROL_TYPE="0", IMAGE_TYPE="0", IMAGE=encoded(picture), PERSON_GROUP_LABEL=group, **fields)

    def search(self, group: str, picture: bytes, **fields: str) -> dict[str, Any]:
        return self.manage(CONTROL_TYPE="1", IMAGE_TYPE="0", IMAGE=encoded(picture), PERSON_GROUP_LABEL=group, **fields)

    def delete(self, group: str, token: str) -> dict[str, Any]:
        return self.manage(CONTROL_TYPE="3", IMAGE_TYPE="3", IMAGE=token, PERSON_GROUP_LABEL=group)


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()
