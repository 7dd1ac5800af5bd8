"""Signature Version 4: the claimed signer of a request, and the check of the signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.api.http import Failure

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "rekognition"
TERMINATOR = "aws4_request"
MISSING = "MissingAuthenticationTokenException"

_TIME = "%Y%m%dT%H%M%SZ"
_ALWAYS_SIGNED = ("host", "x-amz-date", "x-amz-target")
_SIGNED_IF_SENT = ("x-amz-security-token", "x-amz-content-sha256")
_PARTS = ("Credential", "SignedHeaders", "Signature")
_HEX_64 = re.compile(r"[0-9a-f]{64}")
_DIFFERS = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)


class SignedRequest(Struct, frozen=True):
    """A request as it was signed.

    `path`: as it was called, escapes and all. `headers`: by name in small letters.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)


class SentSignature(Struct, frozen=True):
    """A signature, as a request's Authorization header has it, with its scope.

    `at`: the time in X-Amz-Date.
    """

    access_key_id: str
    day: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    signature: str
    sent_at: str
    at: datetime

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/{self.terminator}"


def parse_signature(headers: Mapping[str, str], *, presigned: bool = False) -> SentSignature:
    """Read the signature from the headers, whose names are in small letters.

    Raises Failure if there is none, if it is in the URL (`presigned`), or if one of its parts is
    missing.
    """
    authorization = headers.get("authorization", "").strip()
    if presigned or not authorization:
        raise Failure(MISSING, "Missing Authentication Token")
    algorithm, _, parameters = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise _make_incomplete(
            f"Authorization must begin with {ALGORITHM}, not with {algorithm[:40]!r}"
        )
    pairs = (part.strip().partition("=") for part in parameters.split(","))
    fields = {name: value for name, _, value in pairs}
    missing_names = [name for name in _PARTS if not fields.get(name)]
    if missing_names:
        raise _make_incomplete(
            f"Authorization header requires {', '.join(repr(name) for name in missing_names)}"
        )
    credential = fields["Credential"].split("/")
    if len(credential) != 5 or not all(credential):
        raise _make_incomplete(
            "Credential must be <access key>/<yyyymmdd>/<region>/rekognition/aws4_request"
        )
    signed_names = tuple(fields["SignedHeaders"].split(";"))
    needed_names = [*_ALWAYS_SIGNED, *(name for name in _SIGNED_IF_SENT if name in headers)]
    unsigned_names = [name for name in needed_names if name not in signed_names]
    if unsigned_names:
        raise _make_incomplete(f"SignedHeaders must name {', '.join(unsigned_names)}")
    id_, day, region, service, terminator = credential
    sent_at, signed_at = _parse_time(headers)
    return SentSignature(
        access_key_id=id_,
        day=day,
        region=region,
        service=service,
        terminator=terminator,
        signed_headers=signed_names,
        signature=fields["Signature"],
        sent_at=sent_at,
        at=signed_at,
    )


def verify_signature(
    sent_signature: SentSignature,
    request: SignedRequest,
    secret: str,
    now: datetime,
    *,
    tolerance: timedelta,
    hosts: Sequence[str],
    prefix: str = "",
) -> None:
    """Raise Failure unless the request is as it was signed with this secret, at most `tolerance`
    ago or ahead.

    Each host and path that the client may have signed is tried, with and without a slash at the
    path's end, since a proxy before us may have changed them. `hosts`: the names under which the
    proxy is called. `prefix`: the beginning of the path that the proxy takes off.
    """
    _require_now(sent_signature, now, tolerance)
    day_sent = sent_signature.sent_at[:8]
    scope = sent_signature.day, sent_signature.service, sent_signature.terminator
    if scope != (day_sent, SERVICE, TERMINATOR):
        right_scope = f"<access key>/{day_sent}/<region>/{SERVICE}/{TERMINATOR}"
        raise Failure(
            "InvalidSignatureException", f"{_DIFFERS} Credential should be scoped to {right_scope}."
        )
    body_hash = hashlib.sha256(request.body).hexdigest()
    sent_hash = request.headers.get("x-amz-content-sha256", body_hash)
    if sent_hash != body_hash:
        fault = (
            "is of another body"
            if _HEX_64.fullmatch(sent_hash)
            else f"is a hash of the body here, not {sent_hash[:60]!r}"
        )
        raise Failure("InvalidSignatureException", f"{_DIFFERS} x-amz-content-sha256 {fault}.")
    candidates = [
        compute_signature(sent_signature, signed_request, body_hash, secret)
        for signed_request in _list_variants(request, hosts, prefix)
    ]
    matches = [
        hmac.compare_digest(candidate.encode(), sent_signature.signature.encode())
        for candidate in candidates
    ]
    if not any(matches):
        fault = "The secret, the path, the host or a signed header differs from what arrived here"
        raise Failure(
            "InvalidSignatureException",
            f"{_DIFFERS} {fault}; Host arrived as {_parse_host(request)!r}.",
        )


def compute_signature(
    sent_signature: SentSignature, request: SignedRequest, body_hash: str, secret: str
) -> str:
    """Make the signature of a POST in hexadecimal digits, as AWS's Signature Version 4 says.

    `body_hash`: the SHA-256 of the body.
    """
    lines = [
        f"{name}:{re.sub(' +', ' ', request.headers.get(name, '')).strip()}"
        for name in sent_signature.signed_headers
    ]
    names = ";".join(sent_signature.signed_headers)
    # what was sent is escaped once more, as for every service but S3
    path = quote(request.path, safe="/~")
    values = ((name, value) for name, all_values in request.query.items() for value in all_values)
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in values)
    sent_query = "&".join(f"{name}={value}" for name, value in query)
    canonical = "\n".join(("POST", path, sent_query, *lines, "", names, body_hash))
    text = "\n".join(
        (
            ALGORITHM,
            sent_signature.sent_at,
            sent_signature.scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    key = f"AWS4{secret}".encode()
    for part in (
        sent_signature.day,
        sent_signature.region,
        sent_signature.service,
        sent_signature.terminator,
    ):
        key = _compute_mac(key, part)
    return _compute_mac(key, text).hex()


def _list_variants(
    request: SignedRequest, hosts: Sequence[str], prefix: str
) -> Iterator[SignedRequest]:
    """Yield the request as a client may have signed it."""
    path_without_slash = request.path.rstrip("/")
    other_paths = [
        begin
        for path in dict.fromkeys([path_without_slash, prefix + path_without_slash])
        for begin in (path or "/", f"{path}/")
    ]
    for host in dict.fromkeys([_parse_host(request), *hosts]):
        for path in dict.fromkeys([request.path or "/", *other_paths]):
            yield replace(request, path=path, headers={**request.headers, "host": host})


def _require_now(sent_signature: SentSignature, now: datetime, tolerance: timedelta) -> None:
    """Raise Failure, in the words of AWS, if the request was signed too long ago or too far
    ahead."""
    minutes = f"{tolerance.total_seconds() / 60:g} min."
    if sent_signature.at < now - tolerance:
        limit = f"{(now - tolerance).strftime(_TIME)} ({now.strftime(_TIME)} - {minutes})"
        text = f"Signature expired: {sent_signature.sent_at} is now earlier than {limit}"
    elif sent_signature.at > now + tolerance:
        limit = f"{(now + tolerance).strftime(_TIME)} ({now.strftime(_TIME)} + {minutes})"
        text = f"Signature not yet current: {sent_signature.sent_at} is still later than {limit}"
    else:
        return
    raise Failure("InvalidSignatureException", text)


def _parse_time(headers: Mapping[str, str]) -> tuple[str, datetime]:
    text = headers.get("x-amz-date", "")
    try:
        return text, datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise _make_incomplete(
            f"X-Amz-Date must be a time such as 20260115T093000Z, not {text[:40]!r}"
        ) from None


def _parse_host(request: SignedRequest) -> str:
    return request.headers.get("host", "")


def _compute_mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _make_incomplete(fault: str) -> Failure:
    return Failure("IncompleteSignatureException", fault)
