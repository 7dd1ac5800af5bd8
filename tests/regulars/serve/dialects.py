"""A call of each dialect, and what its answer says if it was understood."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib.api.http import JSON, URLENCODED
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Credentials as Keys
from tests.support.api.icredit.client import EVER
from tests.support.api.sunmi.client import md5_sign
from tests.support.box.box import Box

Sent = tuple[str, Mapping[str, str], bytes]
"""Path, headers and body of a POST."""


class Client:
    """One tenant's calls, one of each dialect that changes or finds something by its body."""

    def __init__(self, box: Box, keys: Keys) -> None:
        self._url, self._keys = box.url, keys
        tenants, groups = box.services.tenants, box.services.groups
        tenant = tenants.get_by_name("mall")
        groups.create(tenant, "family", None, "")
        group = groups.get_by_name(tenant, "family").id
        self._service = {
            name: add_service_key(box.services, tenant, name, name, group)
            for name in ("recognition", "deepstack")
        }

    def v1(self) -> Sent:
        return (
            "/v1/groups",
            self._of(JSON, Authorization=f"Bearer {self._keys.api_key}"),
            b'{"name": "staff"}',
        )

    def sign_in(self) -> Sent:
        return "/v1/session", self._of(JSON), json.dumps({"api_key": self._keys.api_key}).encode()

    def sunmi(self) -> Sent:
        pairs = {
            "app_id": self._keys.app_id,
            "random": "1234567890",
            "timestamp": str(int(time.time())),
        }
        pairs |= {"name": "guests", "capacity": "10", "description": ""}
        pairs["sign"] = md5_sign(pairs.items(), self._keys.app_key)
        return "/openapi/face/createGroup", self._of(URLENCODED), urlencode(pairs).encode()

    def icredit(self) -> Sent:
        headers = self._of(URLENCODED, Authorization=f"APPCODE {self._keys.appcode}")
        return (
            "/icredit/face/query",
            headers,
            urlencode({**EVER, "PERSON_GROUP_LABEL": "family"}).encode(),
        )

    def rekognition(self) -> Sent:
        body = b'{"CollectionId": "shop"}'
        sent = AWSRequest(
            "POST", f"{self._url}//", {"X-Amz-Target": "RekognitionService.CreateCollection"}, body
        )
        pair = Credentials(self._keys.access_key_id, self._keys.secret_access_key)
        SigV4Auth(pair, "rekognition", "box").add_auth(sent)
        return "/", dict(sent.headers.items()), body

    def compreface(self) -> Sent:
        headers = self._of(JSON, **{"x-api-key": self._service["recognition"]})
        return "/api/v1/recognition/subjects", headers, b'{"subject": "Ann"}'

    def deepstack(self) -> Sent:
        form = urlencode({"api_key": self._service["deepstack"]})
        return "/v1/vision/face/list", self._of(URLENCODED), form.encode()

    def _of(self, kind: str, **headers: str) -> dict[str, str]:
        return {"Content-Type": kind, **headers}


DIALECTS: dict[str, tuple[Callable[[Client], Sent], Callable[[int, Any], bool]]] = {
    "v1": (Client.v1, lambda status, told: (status, told["name"]) == (201, "staff")),
    "sign-in": (Client.sign_in, lambda status, told: (status, told["tenant"]) == (201, "mall")),
    "sunmi": (Client.sunmi, lambda status, told: (status, told["code"]) == (200, 0)),
    "icredit": (
        Client.icredit,
        lambda status, told: (status, told["PERSON_TOKEN_STATUS"]) == (200, "0"),
    ),
    "rekognition": (
        Client.rekognition,
        lambda status, told: (status, told["StatusCode"]) == (200, 200),
    ),
    "compreface": (
        Client.compreface,
        lambda status, told: (status, told["subject"]) == (201, "Ann"),
    ),
    "deepstack": (Client.deepstack, lambda status, told: (status, told["success"]) == (200, True)),
}
"""How it is called, and what shows that the call succeeded."""
