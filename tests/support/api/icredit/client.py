"""A client of the iCREDIT API as its users write one."""

import base64
from typing import Any
from urllib.parse import urlencode

from chalice.app import Chalice

from tests.support.api.gateway import FORM, Reply, send

MANAGE, QUERY, ANALYSIS = PATHS = tuple(
    f"/icredit/face/{name}" for name in ("manage", "query", "analysis")
)
EVER = {"START_TIME": "0", "END_TIME": "9999999999"}


class MarketClient:
    def __init__(self, app: Chalice, appcode: str) -> None:
        self.app = app
        self.appcode = appcode

    def post(self, body: bytes, content_type: str, path: str = MANAGE) -> Reply:
        headers = {"Authorization": f"APPCODE {self.appcode}"}
        return send(self.app, path, body, content_type=content_type, headers=headers)

    def call(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        reply = self.post(urlencode(fields).encode(), f"{FORM}; charset=UTF-8", path)
        assert reply.status == 200, reply
        return reply.json

    def manage(self, **fields: str) -> dict[str, Any]:
        return self.call(MANAGE, fields)

    def enrol(self, group: str, picture: bytes, **fields: str) -> dict[str, Any]:
        return self.manage(
            CONTROL_TYPE="0",
            IMAGE_TYPE="0",
            IMAGE=encoded(picture),
            PERSON_GROUP_LABEL=group,
            **fields,
        )

    def search(self, group: str, picture: bytes, **fields: str) -> dict[str, Any]:
        return self.manage(
            CONTROL_TYPE="1",
            IMAGE_TYPE="0",
            IMAGE=encoded(picture),
            PERSON_GROUP_LABEL=group,
            **fields,
        )

    def delete(self, group: str, token: str) -> dict[str, Any]:
        return self.manage(CONTROL_TYPE="3", IMAGE_TYPE="3", IMAGE=token, PERSON_GROUP_LABEL=group)

    def query(self, **fields: str) -> dict[str, Any]:
        """Of all times, where none are given."""
        return self.call(QUERY, {**EVER, **fields})

    def analysis(self, statistical: str, **fields: str) -> dict[str, Any]:
        """Of all times, where none are given."""
        return self.call(ANALYSIS, {**EVER, "STATISTICAL": statistical, **fields})


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def persons(answer: dict[str, Any]) -> list[dict[str, str]]:
    assert answer["PERSON_TOKEN_STATUS"] == "0", answer
    return answer["PERSON_ENTITY"]


def tokens(answer: dict[str, Any]) -> list[str]:
    return [person["PERSON_TOKEN"] for person in persons(answer)]


def amounts(answer: dict[str, Any]) -> dict[str, int]:
    """AMOUNT by TIME, in the order answered."""
    assert answer["PERSON_TOKEN_STATUS"] == "0", answer
    assert answer["PERSON_ TOKEN_ENEITY"] == answer["PERSON_TOKEN_ENEITY"]
    entities = answer["PERSON_TOKEN_ENEITY"]
    counted = {entity["TIME"]: int(entity["AMOUNT"]) for entity in entities}
    assert len(counted) == len(entities)
    return counted


def failure(answer: dict[str, Any]) -> str:
    """ERROR_CODE of an answer that is a failure in every field."""
    lists = {name: value for name, value in answer.items() if "ENTITY" in name or "ENEITY" in name}
    assert set(answer) == {"PERSON_TOKEN_STATUS", *lists, "ERROR_CODE", "ERROR_MSG"}
    assert set(lists) in (
        {"PERSON_ENTITY"},
        {"PERSON_ENTITY", "PERSON_ TOKEN_ENEITY", "PERSON_TOKEN_ENEITY"},
    )
    assert answer["PERSON_TOKEN_STATUS"] == "1", answer
    assert all(value == [] for value in lists.values())
    assert answer["ERROR_MSG"]
    return str(answer["ERROR_CODE"])
