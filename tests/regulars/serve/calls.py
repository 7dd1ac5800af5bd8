"""A signed call of two dialects, of any length."""

from __future__ import annotations

import hashlib
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from msgspec import Struct

from chalicelib.api.http import URLENCODED
from chalicelib.domain.model import Credentials
from regulars.serve.messages import Request


class Call(Struct, frozen=True):
    """A request as it is sent.

    `body`: with NOBODYS in it, the answer takes until the test lets it go.
    """

    path: str
    headers: dict[str, str]
    body: bytes = b""

    def last_request(self) -> Request:
        """Return it as the front has it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request("POST", self.path, headers=headers, body=self.body)


def sunmi(keys: Credentials, filling: bytes = b"", *, is_signed: bool = True) -> Call:
    form = {
        "app_id": keys.app_id,
        "random": "abcdef",
        "timestamp": str(int(time.time())),
        "x": filling.decode(),
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(form.items()))
    sign = hashlib.md5(f"{text}&key={keys.app_key}".encode(), usedforsecurity=False).hexdigest()
    body = f"{text}&sign={sign if is_signed else sign[::-1]}".encode()
    return Call("/openapi/face/getGroupList", {"Content-Type": URLENCODED}, body)


def rekognition(keys: Credentials, filling: bytes = b"", *, is_signed: bool = True) -> Call:
    host = "box:8000"
    sent = AWSRequest(
        "POST", f"http://{host}/", {"X-Amz-Target": "RekognitionService.ListCollections"}, filling
    )
    secret = keys.secret_access_key if is_signed else "another"
    SigV4Auth(Keys(keys.access_key_id, secret), "rekognition", "box").add_auth(sent)
    return Call("/", {**dict(sent.headers.items()), "Host": host}, filling)
