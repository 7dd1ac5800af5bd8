"""Calls of a program with an SDK of AWS, and the answers that it expects."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.api.probes import Keys, Probe, draw_empty_picture, is_done

LIMITS = (
    "a match has reached the service's threshold; FaceMatchThreshold asks for more "
    "(docs/rekognition.md)"
)


def make_probes(keys: Keys) -> list[Probe]:
    """Make a question and a detection, both signed."""
    image = {"Image": {"Bytes": base64.b64encode(draw_empty_picture()).decode()}}
    return [
        _make_signed_ask(keys, "collections", "ListCollections", {}),
        _make_signed_ask(keys, "detect", "DetectFaces", image),
    ]


def _make_signed_ask(keys: Keys, subject: str, operation: str, members: Mapping[str, Any]) -> Probe:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credentials = Credentials(keys["access_key_id"], keys["secret_access_key"])
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"RekognitionService.{operation}",
    }
    body = json.dumps(members).encode()
    aws_request = AWSRequest("POST", f"{keys['service']}/", headers, body)
    SigV4Auth(credentials, "rekognition", keys.get("region", "eu-central-1")).add_auth(aws_request)
    return Probe(subject, "/", is_done, body, dict(aws_request.headers))
