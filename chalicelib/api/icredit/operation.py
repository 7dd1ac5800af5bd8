"""One operation: authenticate by the app code, count against the quota, run, and answer in the
dialect's form.

The API market sends an app code with each call; a call that is not allowed is refused in the words
of its gateway. The source names no codes of errors. Those in CODES are ours, and callers may rely
on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalice.app import Response
from msgspec import Struct

from chalicelib.api.http import (
    FORMS,
    JSON,
    HttpRequest,
    Provide,
    Refused,
    answer_request,
    describe_error,
    enter_book,
    find_nearest,
    make_json_response,
)
from chalicelib.api.icredit import DIALECT
from chalicelib.api.icredit.request import Parameters, parse_parameters
from chalicelib.domain import errors
from chalicelib.domain.model import Tenant
from chalicelib.services import Services

INTERNAL = "INTERNAL_ERROR"

CODES: Mapping[type[errors.RegularsError], str] = {
    errors.RegularsError: INTERNAL,
    errors.InvalidInput: "INVALID_PARAMETER",
    errors.IllegalGroupName: "ILLEGAL_GROUP_LABEL",
    errors.IllegalCapacity: "ILLEGAL_CAPACITY",
    errors.DefaultGroup: "DEFAULT_GROUP",
    errors.ConsentMissing: "CONSENT_REQUIRED",
    errors.NotFound: "NOT_FOUND",
    errors.GroupNotFound: "GROUP_NOT_FOUND",
    errors.FaceNotFound: "TOKEN_NOT_FOUND",
    errors.Conflict: "CONFLICT",
    errors.GroupExists: "GROUP_EXISTS",
    errors.GroupNotEmpty: "GROUP_NOT_EMPTY",
    errors.FaceExists: "TOKEN_EXISTS",
    errors.FaceHeld: "TOKEN_HELD",
    errors.LimitReached: "LIMIT_REACHED",
    errors.TooManyGroups: "TOO_MANY_GROUPS",
    errors.GroupFull: "GROUP_FULL",
    errors.TenantFull: "TENANT_FULL",
    errors.Unauthorized: "UNAUTHORIZED",
    errors.TenantDisabled: "TENANT_DISABLED",
    errors.Unusable: "UNUSABLE_IMAGE",
    errors.Busy: "BUSY",
    errors.StorageUnavailable: "STORAGE_UNAVAILABLE",
}
"""ERROR_CODE of each error; ERROR_MSG is the error's own sentence."""

Body = Mapping[str, Any]
PERSONS = "PERSON_ENTITY"


class ICreditContext(Struct, frozen=True):
    """Argument of a view: the services, the tenant and the parameters of the request."""

    services: Services
    tenant: Tenant
    parameters: Parameters
    response_headers: dict[str, str]
    """A view may add response headers."""


class ICreditOperation(Struct, frozen=True):
    """An operation of the dialect. `view` does the work and returns the answer.

    `failed_lists`: names of the lists that are empty in the answer to a failure.
    """

    name: str
    view: Callable[[ICreditContext], Body]
    failed_lists: tuple[str, ...] = (PERSONS,)

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer the request.

        Raises Refused if the caller may not call, or if the request is not one of this dialect.
        Raises WrongModel once.
        """
        headers: dict[str, str] = {}

        def work() -> Response:
            services = provide()
            tenant = authenticate(request, services)
            enter_book(request.headers, tenant, _APPCODE)
            media_type, body = request.parse_media_type((*FORMS, JSON)), request.read_body()
            parameters = parse_parameters(media_type, body)
            context = ICreditContext(services, tenant.with_feelings(), parameters, headers)
            # What `manage` does depends on a parameter.
            control = context.parameters.text("CONTROL_TYPE") if self.name == "manage" else None
            name = " ".join(filter(None, (self.name, control)))
            with services.audit.reads.enter_act(DIALECT.make_act(name, _APPCODE, tenant)):
                answer = self.view(context)
            return make_json_response(answer, headers=headers)

        return answer_request(request, work, self.answer_error, self.name)

    def answer_error(self, error: Exception) -> tuple[str, Response]:
        code = find_nearest(CODES, type(error))
        empty = dict.fromkeys(self.failed_lists, ())
        failure = {
            "PERSON_TOKEN_STATUS": "1",
            **empty,
            "ERROR_CODE": code,
            "ERROR_MSG": describe_error(error),
        }
        return code, make_json_response(failure)


_APPCODE = "appcode"


def authenticate(request: HttpRequest, services: Services) -> Tenant:
    """Return the tenant with the app code of the request, and count the request against its quota.

    It counts whatever is answered, but not twice if it is tried again after a change of the model.
    Raises Refused: 400 if the code is missing or unknown, 403 if the tenant is disabled or its
    quota is used up.
    """
    appcode = parse_appcode(request.headers, request.query)
    newest = services.tenants.find_by_appcode(appcode) if appcode else None
    tenant = newest or (
        services.tenants.find_by_old_appcode(appcode, DIALECT.name) if appcode else None
    )
    if tenant is None:
        raise _make_refusal(400, "Invalid AppCode", "A400AC")
    if tenant.disabled:
        raise _make_refusal(403, "Unauthorized", "A403AU")
    if not request.is_second_try and not services.daily_limits.take_request(tenant):
        raise _make_refusal(403, "Quota Exhausted", "A403QE")
    services.tenants.note_use(tenant, DIALECT.name, is_old=newest is None)
    return tenant


def parse_appcode(headers: Mapping[str, str], query: Mapping[str, Sequence[str]]) -> str | None:
    """Read the app code from `Authorization: APPCODE <code>`, else from the query, in which its
    name has any case."""
    scheme, _, code = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == _APPCODE:
        return code.strip()
    codes = {
        value for name, values in query.items() if name.lower() == _APPCODE for value in values
    }
    return codes.pop().strip() if len(codes) == 1 else None


def _make_refusal(status: int, message: str, code: str) -> Refused:
    return Refused(status, "", {"X-Ca-Error-Message": message, "X-Ca-Error-Code": code})
