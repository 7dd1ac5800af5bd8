"""One endpoint: authenticate, repeat a stored answer or run, and answer in the camera's envelope,
or with its codes.

The vendor does not publish its table of codes. The meanings follow from the endpoints that list
each code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Response
from msgspec import Struct

from chalicelib import telemetry
from chalicelib.api.credentials import Recognise
from chalicelib.api.forms import Form, read_sent_form
from chalicelib.api.http import (
    NOTHING,
    HttpRequest,
    Provide,
    answer_request,
    describe_error,
    enter_book,
    find_nearest,
    make_json_response,
)
from chalicelib.api.sunmi import DIALECT
from chalicelib.api.sunmi.request import Parameters, SignedForm
from chalicelib.book.idempotency import OK, Answer, RequestId
from chalicelib.domain import errors
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.services import Services

Body = Mapping[str, Any]

_CALLER = "app_id"
"""Whose calls they are in audit and log: a tenant has one."""
DONE = 0
INTERNAL = 1
MALFORMED = 2
STORAGE_UNAVAILABLE = 211
BUSY = 220
NO_MATCH = 283

CODES: Mapping[type[errors.RegularsError], int] = {
    errors.RegularsError: INTERNAL,
    errors.InvalidInput: MALFORMED,
    errors.IllegalGroupName: 201,
    errors.IllegalCapacity: 212,
    errors.DefaultGroup: 240,
    errors.IllegalAttribute: 242,
    errors.WrongAttributeCount: 241,
    errors.NotFound: MALFORMED,
    errors.GroupNotFound: 204,
    errors.FaceNotFound: 207,
    errors.AttributeNotFound: 243,
    errors.Conflict: BUSY,
    errors.GroupExists: 200,
    errors.GroupNotEmpty: 205,
    errors.FaceExists: 206,
    errors.FaceHeld: MALFORMED,  # not BUSY, after which a client sends it again
    errors.ConsentOlder: MALFORMED,  # likewise
    errors.FaceErased: MALFORMED,
    errors.RequestReused: 3,
    errors.LimitReached: 208,
    errors.TooManyGroups: 202,
    errors.Unauthorized: 5,
    errors.StaleRequest: 3,
    errors.TenantDisabled: 7,
    errors.Unusable: 210,
    errors.Busy: BUSY,
    errors.StorageUnavailable: STORAGE_UNAVAILABLE,
}

NEVER_STORED = frozenset({INTERNAL, STORAGE_UNAVAILABLE, BUSY})
"""Codes after which the same request may be tried again."""

_ALWAYS_LISTED = frozenset({0, 1, 2, 3, 5, 7, 211})
"""Codes that the source lists for every endpoint."""

LISTED: Mapping[str, frozenset[int]] = {
    endpoint: _ALWAYS_LISTED | codes
    for endpoint, codes in {
        "createGroup": {200, 201, 202, 212, 220},
        "updateGroup": {200, 201, 202, 204, 212, 220},
        "updateMigration": {204, 220},
        "deleteGroup": {201, 204, 205, 220},
        "getGroupList": {220},
        "addFaceInfoItem": {204, 220, 240, 241, 242},
        "removeFaceInfoItem": {204, 220, 240, 241, 242, 243},
        "getFaceInfoItem": {204, 220},
        "addFace": {204, 206, 208, 210, 220},
        "deleteFace": {204, 220},
        "updateFace": {204, 207, 208, 210, 220},
        "getFace": set[int](),
        "getFaceList": set[int](),
        "getFaceByArrival": {207},
        "getFaceByPicture": {210, 283},
    }.items()
}
"""Codes that each endpoint's section of the source lists; the endpoint answers no other."""

_SUBSTITUTES: Mapping[tuple[str, int], int] = {
    ("updateGroup", 240): 201,
    ("deleteGroup", 240): 201,
    ("getFaceByArrival", 204): 207,
    ("getFaceByPicture", 207): 283,
}
"""Substitutes for codes that an endpoint does not list. Without one, BUSY becomes 211 and any other
code 2."""


def choose_code(error: Exception, endpoint: str) -> int:
    """Return the code with which `endpoint` answers this error: always one of those that it
    lists."""
    code = find_nearest(CODES, type(error))
    if code in LISTED[endpoint]:
        return code
    return _SUBSTITUTES.get((endpoint, code), STORAGE_UNAVAILABLE if code == BUSY else MALFORMED)


class SunmiContext(Struct, frozen=True):
    """First argument of a view, beside the parameters that were sent: the services, and the
    authenticated tenant."""

    services: Services
    tenant: Tenant
    request_id: RequestId | None
    """Set for endpoints that change something; the service stores its answer with the change."""
    response_headers: dict[str, str]
    """A view may add response headers."""


def find_signer(services: Services, request: HttpRequest) -> tuple[str, Tenant]:
    """Return the app_id of a signed request, and its tenant. Raises RegularsError, Refused."""
    signed = SignedForm.read(read_sent_form(request))
    return signed.app_id, signed.authenticate(services)


def remember_signer(services: Services, tenant: Tenant) -> Recognise:
    """Take the tenant's newest app_key, and return the check whether it signed a form."""
    _, app_key = services.tenants.read_signing_key(tenant.name)
    return lambda request: SignedForm.read(read_sent_form(request)).is_signed_by(app_key)


class Endpoint(Struct, frozen=True):
    """An endpoint of the dialect.

    `view` does the work, and `render` makes the `data` of its result.

    A stored result is rendered again, without the view. `means` returns another endpoint if the
    form was meant for that one; the answer then has that one's codes.
    """

    name: str
    view: Callable[[SunmiContext, Parameters], Body | None]
    parameters: frozenset[str] = frozenset()
    changes: bool = False
    render: Callable[[Body], Body] = dict
    means: Callable[[Form], Endpoint | None] | None = None

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer a request by this endpoint, or by the one that its form means (`means`)."""
        headers: dict[str, str] = {}
        meant_endpoint = self

        def work() -> Response:
            nonlocal meant_endpoint
            form = read_sent_form(request)
            meant_endpoint = (self.means(form) if self.means else None) or self
            return make_json_response(
                meant_endpoint.respond(provide, request, form, headers), headers=headers
            )

        return answer_request(
            request, work, lambda error: meant_endpoint.answer_error(error, headers), self.name
        )

    def answer_error(
        self, error: Exception, headers: Mapping[str, str] = NOTHING
    ) -> tuple[int, Response]:
        failure = self.describe_failure(error)
        return failure["code"], make_json_response(failure, headers=headers)

    def respond(
        self, provide: Provide, request: HttpRequest, form: Form, headers: dict[str, str]
    ) -> Body:
        """Authenticate a signed form, run its view once, and render the view's result.

        A request that changes something has an id, by which a repeat gets the stored answer. Of a
        request that only reads, the signature is remembered.
        """
        signed = SignedForm.read(form)
        services = provide()
        caller = signed.authenticate(services)
        enter_book(request.headers, caller, _CALLER)
        request_id = signed.identify(request.path) if self.changes else None
        if request_id is None:
            services.requests.remember_read(signed.key)
        with services.audit.reads.enter_act(DIALECT.make_act(self.name, _CALLER, caller)):
            answer = self._run_view_once(SunmiContext(services, caller, request_id, headers), form)
        if answer.code != OK:
            telemetry.report_error_code(answer.body["code"], answer.code)
            return answer.body
        data = self.render(answer.body)
        return {"code": DONE, "data": data} if data else {"code": DONE}

    def _run_view_once(self, context: SunmiContext, form: Form) -> Answer:
        """Run the view once.

        A permanent failure is stored, so that a retry fails in the same words.
        """
        requests, tenant = context.services.requests, context.tenant.name
        try:
            answer_body, stored_answer = requests.do_once(
                tenant,
                context.request_id,
                lambda: self.view(context, Parameters.read(form, self.parameters)),
            )
        except RegularsError as error:
            failure = self.describe_failure(error)
            if context.request_id is None or failure["code"] in NEVER_STORED:
                raise
            return requests.store_answer(
                tenant, context.request_id, Answer(type(error).__name__, failure)
            )
        return stored_answer or Answer(OK, answer_body or {})

    def describe_failure(self, error: Exception) -> Body:
        return {"code": choose_code(error, self.name), "msg": describe_error(error)}
