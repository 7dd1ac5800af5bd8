"""A call of an operation at any clock's time, which boto3 cannot sign for; that botocore signs
alike, test_signature shows."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalice.app import Chalice
from msgspec.structs import replace
from regulars_dialects.rekognition.operation import CONTENT_TYPE
from regulars_dialects.rekognition.signature import (
    ALGORITHM,
    SERVICE,
    TERMINATOR,
    SentSignature,
    SignedRequest,
    compute_signature,
)

from tests.support.api.gateway import Reply, send

_INVOCATION = "amz-sdk-invocation-id"
_NAMES = ("host", "x-amz-date", "x-amz-target")


def call(
    app: Chalice,
    access_key_id: str,
    secret: str,
    operation: str,
    members: Mapping[str, Any] | bytes,
    at: datetime,
    invocation: str = "",
    *,
    signs_invocation: bool = False,
) -> Reply:
    """Sign and send a call.

    `members`: with bytes for blobs, or the body; `invocation`: the SDK's id of it, if any.
    """
    if not isinstance(members, bytes):
        members = json.dumps(members, default=lambda blob: base64.b64encode(blob).decode()).encode()
    body = members
    sent_at = at.strftime("%Y%m%dT%H%M%SZ")
    names = (_INVOCATION, *_NAMES) if signs_invocation else _NAMES
    headers = {
        "host": "box",
        "x-amz-date": sent_at,
        "x-amz-target": f"RekognitionService.{operation}",
    }
    if invocation:
        headers[_INVOCATION] = invocation
    claim = SentSignature(
        access_key_id, sent_at[:8], "box", SERVICE, TERMINATOR, names, "", sent_at, at
    )
    signature = compute_signature(
        claim, SignedRequest("/api/", headers, body), hashlib.sha256(body).hexdigest(), secret
    )
    claim = replace(claim, signature=signature)
    credential = f"Credential={access_key_id}/{claim.scope}"
    headers["authorization"] = (
        f"{ALGORITHM} {credential}, SignedHeaders={';'.join(names)}, Signature={claim.signature}"
    )
    return send(app, "/", body, content_type=CONTENT_TYPE, headers=headers)
