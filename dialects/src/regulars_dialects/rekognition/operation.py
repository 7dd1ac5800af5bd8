"""One operation: its caller, its members, and the answer in Rekognition's form and words.

The order of checks is the contract's: body and method, operation known, signature, tenant,
operation supported, types, constraints; then the views' own.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from chalice.app import Response
from msgspec import Struct

from chalicelib import telemetry
from chalicelib.api.credentials import Recognise
from chalicelib.api.http import (
    NOTHING,
    Failure,
    HttpRequest,
    Provide,
    Refused,
    Wording,
    answer_request,
    describe_error,
    enter_book,
    translate_error,
)
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import errors
from chalicelib.domain.model import Tenant
from chalicelib.domain.pictures import PictureRules
from chalicelib.domain.rules.recognised import MOST_BYTES
from chalicelib.services import Services
from regulars_dialects.records import UserExists, UserNotFound
from regulars_dialects.rekognition import DIALECT, SignedHosts, requests, signature

TARGET = "RekognitionService."
_CALLER = "access key"
"""Whose calls they are in audit and log: a tenant has one."""
_INVOCATION = "amz-sdk-invocation-id"

CONTENT_TYPE = "application/x-amz-json-1.1"

ONE_BOX_BODY_BYTES = 14 * 1024 * 1024
"""Two pictures of the largest size, in base64. Lambda takes the MAX_BODY_BYTES of all dialects."""

BAD_REQUEST = "Request has invalid parameters"

RULES = PictureRules(
    formats=frozenset({"JPEG", "PNG"}),
    max_bytes=MOST_BYTES,
    max_long_side_px=8_192,
    max_short_side_px=8_192,
    min_short_side_px=80,
)

_INVALID = Wording("InvalidParameterException", text=BAD_REQUEST + ": {}")
_LIMIT = Wording("ServiceQuotaExceededException")
_DENIED = Wording("AccessDeniedException")
_THROTTLED = Wording("ThrottlingException")
_NO_COLLECTION = Wording(
    "ResourceNotFoundException", text="The collection id: {CollectionId} does not exist"
)

TABLE: Mapping[type[errors.RegularsError], Wording] = {
    errors.RegularsError: Wording("InternalServerError", 500, "Internal server error"),
    errors.InvalidInput: _INVALID,
    errors.DefaultGroup: _DENIED,
    errors.IllegalCapacity: _LIMIT,
    errors.NotFound: Wording("ResourceNotFoundException"),
    errors.GroupNotFound: _NO_COLLECTION,
    errors.TenantNotFound: _NO_COLLECTION,
    UserNotFound: Wording("ResourceNotFoundException", text="The user id: {UserId} does not exist"),
    errors.FaceNotFound: Wording(
        "InvalidParameterException", text="faceId was not found in the collection."
    ),
    errors.Conflict: Wording("ConflictException"),
    errors.GroupExists: Wording(
        "ResourceAlreadyExistsException", text="The collection id: {CollectionId} already exists"
    ),
    UserExists: Wording("ConflictException", text="The user id: {UserId} already exists"),
    errors.FaceHeld: _DENIED,
    errors.RequestReused: Wording("IdempotentParameterMismatchException"),
    errors.ConditionFailed: _THROTTLED,
    errors.LimitReached: _LIMIT,
    errors.TooManyRequests: _THROTTLED,
    errors.Unauthorized: _DENIED,
    errors.Busy: _THROTTLED,
    errors.StorageUnavailable: Wording("ThrottlingException", 500, "Service Unavailable"),
}


def make_too_long(most_bytes: int) -> Failure:
    text = f"Image size is too large: a request has up to {most_bytes} bytes here"
    return Failure("ImageTooLargeException", text)


def word_error(error: Exception, members: Mapping[str, Any] = NOTHING) -> Failure:
    """Say an error in Rekognition's words. `members`: the request's."""
    if isinstance(error, errors.Unusable):
        return _translate_unusable(error)
    return translate_error(TABLE, error, {**members, "CollectionId": _name_collection(members)})


def _name_collection(members: Mapping[str, Any]) -> str:
    """Return the name of the collection that a request is about; "": it names none."""
    name: str = members.get("CollectionId") or members.get("ResourceArn", "").rpartition("/")[2]
    return name


def _translate_unusable(error: errors.Unusable) -> Failure:
    if error.breaks == "largest side" and error.sides is not None:
        width, height = error.sides
        limit = f"exceed the maximum limit of {RULES.max_long_side_px} x {RULES.max_short_side_px}"
        return Failure(
            "ImageTooLargeException", f"Image dimensions: {width} x {height} pixels {limit}"
        )
    if error.breaks == "bytes":
        return Failure(
            "ImageTooLargeException", f"Image size is too large: {describe_error(error)}"
        )
    if error.breaks == "least side":
        return Failure("InvalidParameterException", f"{BAD_REQUEST}: {describe_error(error)}")
    return Failure("InvalidImageFormatException", "Request has invalid image format")


def answer_error(error: Exception, _path: str) -> Response:
    """Make the response of an error before the application saw the request."""
    id_ = str(uuid.uuid4())
    return make_response(
        word_error(error), id_, {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": id_}
    )


def make_response(failure: Failure, request_id: str, headers: Mapping[str, str]) -> Response:
    """Make the HTTP response of a failure. `headers`: those of every answer."""
    body = {
        "__type": failure.code,
        "Code": failure.code,
        "Message": failure.text,
        "Logref": request_id,
    }
    return Response(
        json.dumps(body), {**headers, "x-amzn-ErrorType": str(failure.code)}, failure.status
    )


Members = Mapping[str, Any]

_Made = TypeVar("_Made")


class RekognitionContext(Struct, frozen=True):
    """First argument of a view, beside the request's members: the services, the tenant and the
    region of its ARNs."""

    services: Services
    tenant: Tenant
    region: str
    call_id: str = ""
    """What is the same in all attempts of this call: the SDK's number of it, else its signature."""
    request_id: RequestId | None = None
    """Of an operation that changes something: what is the same if the client sends it again."""

    def change_once(self, change: Callable[[], _Made]) -> _Made | Mapping[str, Any]:
        """Make a change that stores its answer under `request_id`.

        Return that, or what an earlier attempt stored.

        Two attempts of one call may run at the same time. The second finds what the first has
        changed, and returns the answer of the first.
        """
        answer, stored_answer = self.services.requests.do_once(
            self.tenant.name, self.request_id, change
        )
        return cast(_Made, answer) if stored_answer is None else stored_answer.body


View = Callable[[RekognitionContext, Members], Members | None]


def answer(provide: Provide, request: HttpRequest, views: Mapping[str, View]) -> Response:
    """Answer a request by the view that has its operation's name in snake case.

    Raises WrongModel once.
    """
    sent_headers = {name.lower(): value for name, value in request.headers.items()}
    operation = sent_headers.get("x-amz-target", "").removeprefix(TARGET)
    invocation = telemetry.current()
    id_ = invocation.request_id if invocation else str(uuid.uuid4())
    headers = {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": id_}
    members: Members = {}

    def work() -> Response:
        nonlocal members
        services = provide()
        headers["Date"] = format_datetime(services.clock.now(), usegmt=True)
        context, members = _read_context(services, request, sent_headers, operation)
        with services.audit.reads.enter_act(DIALECT.make_act(operation, _CALLER, context.tenant)):
            answer = (
                views[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()](context, members) or {}
            )
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return Response(body, {**headers})

    def answer_failure(error: Exception) -> tuple[int | str, Response]:
        failure = word_error(error, members)
        return failure.code, make_response(failure, id_, headers)

    return answer_request(request, work, answer_failure, operation[:40])


def find_signer(services: Services, request: HttpRequest) -> tuple[str, Tenant]:
    """Return the id of the key that signed a request, and its tenant. Raises Failure."""
    sent_signature, tenant = _verify_signature(
        services, request, request.headers, _read_body(request)
    )
    return sent_signature.access_key_id, tenant


def remember_signer(services: Services, tenant: Tenant) -> Recognise:
    """Take the secret of the tenant's access key, and return what tells whether it signed a
    request."""
    secret = services.tenants.read_secret_access_key(tenant.name)

    def is_signed(request: HttpRequest) -> bool:
        sent_signature = _read_signature(request, request.headers)
        _require_signed(
            services, request, request.headers, _read_body(request), sent_signature, secret
        )
        return True

    return is_signed


def _read_context(
    services: Services, request: HttpRequest, sent_headers: Mapping[str, str], operation: str
) -> tuple[RekognitionContext, Members]:
    """Check the operation, the signature and the members, in this order.

    Return the context, and the members.

    Raises Failure. A request that writes is also refused if its signature came before in another
    call. The client's SDK then signs anew; somebody who overheard the request cannot.
    """
    body = _read_body(request)
    is_ours = sent_headers.get("x-amz-target", "").startswith(TARGET)
    if not is_ours or operation not in {*requests.REQUESTS, *requests.OTHER_OPERATIONS}:
        raise Failure(
            "UnknownOperationException", f"X-Amz-Target names no operation of {TARGET.rstrip('.')}"
        )
    sent_signature, tenant = _verify_signature(services, request, sent_headers, body)
    enter_book(sent_headers, tenant, _CALLER)
    if operation not in requests.REQUESTS:
        refusal = (
            f"Regulars has no {operation}: it answers the face operations of Amazon Rekognition"
        )
        raise Failure("AccessDeniedException", refusal)
    members = requests.parse_members(body, requests.REQUESTS[operation])
    id_ = sent_headers.get(_INVOCATION) or sent_signature.signature
    context = RekognitionContext(
        services,
        tenant,
        sent_signature.region,
        id_,
        _identify_request(operation, sent_headers, members),
    )
    # A name that is not signed may show that two requests are attempts of one call. It cannot show
    # that they are two calls: somebody who overheard a signed request could send it again under
    # another name.
    sent_name = members.get("ClientRequestToken") or sent_headers.get(_INVOCATION)
    name = sent_name or (str(uuid.uuid4()) if operation in requests.CHANGES else id_)
    if operation in requests.WRITES and services.requests.is_repeat(
        tenant.name, sent_signature.signature, name
    ):
        raise _explain_repeat(services, tenant, operation, members)
    return context, members


def _explain_repeat(
    services: Services, tenant: Tenant, operation: str, members: Members
) -> Failure:
    """Say why another call of a signature that came before changes nothing.

    If its collection is gone, or was made already, it says that: DeleteCollection of a collection
    that another call deleted in the same second. Else the client signs again.
    """
    is_there = services.groups.find(tenant, _name_collection(members)) is not None
    is_made = operation == "CreateCollection"
    if is_there and is_made:
        return word_error(errors.GroupExists(""), members)
    if not is_there and not is_made:
        return word_error(errors.GroupNotFound(""), members)
    return Failure("ThrottlingException", "This signature came before: sign the call again")


def _identify_request(
    operation: str, sent_headers: Mapping[str, str], members: Members
) -> RequestId | None:
    """Return the id that all attempts of one call share; None: the operation changes nothing, or no
    id was sent.

    It is the client's token or, without one, the id that the SDK has for the call. If a token comes
    again with other content, the service raises an error. If the SDK's id comes again with other
    content, it is another call.
    """
    token = members.get("ClientRequestToken")
    name = token or sent_headers.get(_INVOCATION)
    if operation not in requests.CHANGES or not name:
        return None
    content = {key: value for key, value in members.items() if key != "ClientRequestToken"}
    digest = hashlib.sha256(
        json.dumps(content, sort_keys=True, default=bytes.hex).encode()
    ).hexdigest()
    call_name = f"token-{token}" if token else f"call-{name}-{digest}"
    reused = f"The ClientRequestToken: {token} you have supplied is already in use."
    return RequestId(
        f"{operation}-{hashlib.sha256(call_name.encode()).hexdigest()}", digest, reused
    )


def _read_body(request: HttpRequest) -> bytes:
    limit = request.limit_bytes(ONE_BOX_BODY_BYTES)
    try:
        return request.read_body(limit)
    except Refused as refused:
        if refused.status != 413:
            raise
        raise make_too_long(limit) from None


def _verify_signature(
    services: Services, request: HttpRequest, sent_headers: Mapping[str, str], body: bytes
) -> tuple[signature.SentSignature, Tenant]:
    """Return the signature, and the tenant whose key made it.

    `sent_headers`: by names in small letters.

    Raises Failure if the key is unknown, the signature is wrong or too old, or the tenant is
    disabled.
    """
    sent_signature = _read_signature(request, sent_headers)
    tenant_and_secret = services.tenants.find_by_access_key(sent_signature.access_key_id)
    if tenant_and_secret is None:
        raise Failure(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    tenant, secret = tenant_and_secret
    _require_signed(services, request, sent_headers, body, sent_signature, secret)
    if tenant.disabled:
        raise Failure("AccessDeniedException", "This tenant is not activated: ask its operator")
    return sent_signature, tenant


def _require_signed(
    services: Services,
    request: HttpRequest,
    sent_headers: Mapping[str, str],
    body: bytes,
    sent_signature: signature.SentSignature,
    secret: str,
) -> None:
    """Raise Failure if the signature is not the secret's, or is too old."""
    signed = signature.SignedRequest(request.called_path, sent_headers, body, request.query)
    tolerance = timedelta(seconds=services.settings.clock_tolerance_s)
    public_url = urlsplit(services.settings.public_url or "")
    own_signed_hosts = services.settings.get_dialect_settings(DIALECT.name, SignedHosts)
    hosts = [*own_signed_hosts.endpoint_hosts, *([public_url.netloc] if public_url.netloc else [])]
    now = services.clock.now()
    signature.verify_signature(
        sent_signature,
        signed,
        secret,
        now,
        tolerance=tolerance,
        hosts=hosts,
        prefix=public_url.path,
    )


def _read_signature(
    request: HttpRequest, sent_headers: Mapping[str, str]
) -> signature.SentSignature:
    """Read the signature. API Gateway may drop it: its callers are told which endpoint keeps it."""
    try:
        return signature.parse_signature(sent_headers, presigned="X-Amz-Signature" in request.query)
    except Failure as failure:
        if failure.code != signature.MISSING or not request.is_through_gateway:
            raise
        where = (
            "API Gateway drops it. Call the endpoint that the stack's output "
            "RekognitionEndpoint names; a stack with FunctionUrl=off has none"
        )
        raise Failure(failure.code, f"{failure.text}: {where}") from None
