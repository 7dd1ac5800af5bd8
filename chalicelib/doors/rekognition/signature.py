"""Signature Version 4: by whom a request is signed, and whether with that one's secret.

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

from chalicelib.doors.http import Failure

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
    """A request as it was signed. `path`: as it was called, escapes and all. `headers`: by name in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Claim(Struct, frozen=True):
    """The claim in a request's Authorization header. `at`: the time in X-Amz-Date."""

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


def read_signature(headers: Mapping[str, str], *, presigned: bool = False) -> Claim:
    """Read the claim from the headers, whose names are in small letters. Raises Failure if there is none, or half."""
    authorization = headers.get("authorization", "").strip()
    if presigned or not authorization:
        raise Failure(MISSING, "Missing Authentication Token")
    algorithm, _, parameters = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise _make_incomplete(f"Authorization must begin with {ALGORITHM}, not with {algorithm[:40]!r}")
    pairs = (part.strip().partition("=") for part in parameters.split(","))
    parts = {name: value for name, _, value in pairs}
    lacking = [name for name in _PARTS if not parts.get(name)]
    if lacking:
        raise _make_incomplete(f"Authorization header requires {', '.join(repr(name) for name in lacking)}")
    credential = parts["Credential"].split("/")
    if len(credential) != 5 or not all(credential):
        raise _make_incomplete("Credential must be <access key>/<yyyymmdd>/<region>/rekognition/aws4_request")
    signed = tuple(parts["SignedHeaders"].split(";"))
    needed = [*_ALWAYS_SIGNED, *(name for name in _SIGNED_IF_SENT if name in headers)]
    unsigned = [name for name in needed if name not in signed]
    if unsigned:
        raise _make_incomplete(f"SignedHeaders must name {', '.join(unsigned)}")
    id_, day, region, service, terminator = credential
    sent_at, signed_at = _read_time(headers)
    return Claim(
        access_key_id=id_,
        day=day,
        region=region,
        service=service,
        terminator=terminator,
        signed_headers=signed,
        signature=parts["Signature"],
        sent_at=sent_at,
        at=signed_at,
    )


def verify_signature(
    claim: Claim,
    request: SignedRequest,
    secret: str,
    now: datetime,
    *,
    tolerance: timedelta,
    hosts: Sequence[str],
    prefix: str = "",
) -> None:
    """Raise Failure unless the request is as it was signed with this secret, at most `tolerance` ago or ahead.

    `hosts`: names under which a proxy is called in front of us. `prefix`: beginning of the path that it takes off.
    Whichever of them the client signed is right, with or without a slash at the path's end.
    """
    _require_now(claim, now, tolerance)
    if (claim.service, claim.terminator) != (SERVICE, TERMINATOR) or claim.day != claim.sent_at[:8]:
        right_scope = f"<access key>/{claim.sent_at[:8]}/<region>/{SERVICE}/{TERMINATOR}"
        raise Failure("InvalidSignatureException", f"{_DIFFERS} Credential should be scoped to {right_scope}.")
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
        compute_signature(claim, signed_request, body_hash, secret)
        for signed_request in _list_variants(request, hosts, prefix)
    ]
    matches = [hmac.compare_digest(candidate.encode(), claim.signature.encode()) for candidate in candidates]
    if not any(matches):
        fault = "The secret, the path, the host or a signed header differs from what arrived here"
        raise Failure("InvalidSignatureException", f"{_DIFFERS} {fault}; Host arrived as {_read_host(request)!r}.")


def compute_signature(claim: Claim, request: SignedRequest, hashed: str, secret: str) -> str:
    """Make the signature of a POST, in small hexadecimal digits. `hashed`: the SHA-256 of the body."""
    lines = [f"{name}:{re.sub(' +', ' ', request.headers.get(name, '')).strip()}" for name in claim.signed_headers]
    names = ";".join(claim.signed_headers)
    path = quote(request.path, safe="/~")  # what was sent is escaped once more, as for every service but S3
    canonical = "\n".join(("POST", path, _write_query(request.query), *lines, "", names, hashed))
    text = "\n".join((ALGORITHM, claim.sent_at, claim.scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (claim.day, claim.region, claim.service, claim.terminator):
        key = _compute_mac(key, part)
    return _compute_mac(key, text).hex()


def _list_variants(request: SignedRequest, hosts: Sequence[str], prefix: str) -> Iterator[SignedRequest]:
    """Yield the request as a client may have signed it."""
    path_without_slash = request.path.rstrip("/")
    other_paths = [
        begin
        for path in dict.fromkeys([path_without_slash, prefix + path_without_slash])
        for begin in (path or "/", f"{path}/")
    ]
    for host in dict.fromkeys([_read_host(request), *hosts]):
        for path in dict.fromkeys([request.path or "/", *other_paths]):
            yield replace(request, path=path, headers={**request.headers, "host": host})


def _require_now(claim: Claim, now: datetime, tolerance: timedelta) -> None:
    """Raise Failure, in the words of AWS, if the request was signed too long ago or too far ahead."""
    minutes = f"{tolerance.total_seconds() / 60:g} min."
    if claim.at < now - tolerance:
        limit = f"{(now - tolerance).strftime(_TIME)} ({now.strftime(_TIME)} - {minutes})"
        text = f"Signature expired: {claim.sent_at} is now earlier than {limit}"
    elif claim.at > now + tolerance:
        limit = f"{(now + tolerance).strftime(_TIME)} ({now.strftime(_TIME)} + {minutes})"
        text = f"Signature not yet current: {claim.sent_at} is still later than {limit}"
    else:
        return
    raise Failure("InvalidSignatureException", text)


def _read_time(headers: Mapping[str, str]) -> tuple[str, datetime]:
    sent = headers.get("x-amz-date", "")
    try:
        return sent, datetime.strptime(sent, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise _make_incomplete(f"X-Amz-Date must be a time such as 20260115T093000Z, not {sent[:40]!r}") from None


def _write_query(query: Mapping[str, Sequence[str]]) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, all_ in query.items() for value in all_
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _read_host(request: SignedRequest) -> str:
    return request.headers.get("host", "")


def _compute_mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _make_incomplete(fault: str) -> Failure:
    return Failure("IncompleteSignatureException", fault)
