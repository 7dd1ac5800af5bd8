"""One endpoint: authenticate, repeat a stored answer or run, and answer in the camera's envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.api.forms import Form, sent_form
from chalicelib.api.http import HttpRequest, Provide, answered, json_response, sentence
from chalicelib.api.sunmi.errors import DONE, NEVER_STORED, code_of
from chalicelib.api.sunmi.parameters import Parameters
from chalicelib.api.sunmi.request import SignedForm
from chalicelib.core import telemetry
from chalicelib.core.acts import Act, kind_of
from chalicelib.core.errors import RegularsError
from chalicelib.core.model import Tenant
from chalicelib.services.idempotency import OK, Answer, AnsweredAlready, RequestId

if TYPE_CHECKING:
    from chalicelib.services import Services

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """Arguments of a view beside its parameters: the use cases, and the authenticated tenant."""

    services: Services
    tenant: Tenant
    form: Form
    request: RequestId | None
    """Set for endpoints that change something; the use case stores its answer with the change."""
    headers: dict[str, str]
    """A view may add response headers."""


def signer(services: Services, request: HttpRequest) -> Tenant:
    """Return the tenant that signed a request. Raises RegularsError, Refused."""
    return SignedForm.of(sent_form(request)).caller(services)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the dialect. `view` does the work, and `render` makes the `data` of its result.

    A stored result is rendered again, without the view. `means` returns another endpoint if the form was meant for that
    one; the answer then has that one's codes.
    """

    name: str
    view: Callable[[Call, Parameters], Body | None]
    parameters: frozenset[str] = frozenset()
    changes: bool = False
    render: Callable[[Body], Body] = dict
    means: Callable[[Form], Endpoint | None] | None = None

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        headers: dict[str, str] = {}
        asked = self

        def work() -> Response:
            nonlocal asked
            form = sent_form(request)
            asked = (self.means(form) if self.means else None) or self
            return json_response(asked.respond(provide, request.path, form, headers), headers=headers)

        def failed(error: Exception) -> tuple[int, Response]:
            return asked.failed(error, headers)

        return answered(request, work, failed, self.name)

    def failed(self, error: Exception, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, Response]:
        failure = self.failure_body(error)
        return failure["code"], json_response(failure, headers=headers)

    def respond(self, provide: Provide, path: str, form: Form, headers: dict[str, str]) -> Body:
        signed = SignedForm.of(form)
        services = provide()
        caller = signed.caller(services)
        telemetry.of_tenant(caller.name)
        request_id = signed.request_id(path) if self.changes else None
        if request_id is None:
            services.requests.read(signed.key)
        what = f"sunmi {self.name}"
        with services.audit.reads.of(Act(what, "app_id", kind_of(what), caller.name)):
            answer = self._answered(Call(services, caller, form, request_id, headers))
        return self._envelope(answer)

    def _answered(self, call: Call) -> Answer:
        if call.request is None:
            return Answer(OK, self._run(call))
        return call.services.requests.find(call.tenant.name, call.request) or self._first(call, call.request)

    def _first(self, call: Call, request: RequestId) -> Answer:
        """Run the view. A permanent failure is stored, so that a retry fails in the same words."""
        try:
            return Answer(OK, self._run(call))
        except AnsweredAlready as already:
            return already.answer
        except RegularsError as error:
            failure = self.failure_body(error)
            if failure["code"] in NEVER_STORED:
                raise
            return call.services.requests.store(call.tenant.name, request, Answer(type(error).__name__, failure))

    def _run(self, call: Call) -> Body:
        return self.view(call, Parameters.of(call.form, self.parameters)) or {}

    def _envelope(self, answer: Answer) -> Body:
        if answer.code != OK:
            telemetry.answered(answer.body["code"], answer.code)
            return answer.body
        data = self.render(answer.body)
        return {"code": DONE, "data": data} if data else {"code": DONE}

    def failure_body(self, error: Exception) -> Body:
        return {"code": code_of(error, self.name), "msg": sentence(error)}
