"""One operation: who calls, is it within the quota, run it, answer in the dialect's shape."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.api.errors import sentence
from chalicelib.api.http import FORMS, JSON, HttpRequest, Refused, json_response
from chalicelib.api.icredit import auth, wire
from chalicelib.api.icredit.errors import INTERNAL, code_of
from chalicelib.api.icredit.request import Parameters, read_parameters
from chalicelib.core import telemetry
from chalicelib.core.errors import RegularsError
from chalicelib.core.model import Tenant

if TYPE_CHECKING:
    from chalicelib.services import Services

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """What a view gets: the use cases, whose gallery, and what was sent."""

    services: Services
    tenant: Tenant
    parameters: Parameters
    headers: dict[str, str]
    """A view may add response headers."""


@dataclass(frozen=True)
class Operation:
    """`view` does the work and gives the answer; `failed_lists`: what a failure carries as []."""

    name: str
    view: Callable[[Call], wire.Body]
    failed_lists: tuple[str, ...] = (wire.PERSONS,)

    def answer(self, provide: Callable[[], Services], request: HttpRequest) -> Response:
        """Raises Refused for who may not call, and for what is no request of this dialect."""
        headers: dict[str, str] = {}
        try:
            services = provide()
            tenant = auth.caller(request, services)
            telemetry.of_tenant(tenant.name)
            media_type, body = request.media_type((*FORMS, JSON)), request.body()
            call = Call(services, tenant, read_parameters(media_type, body), headers)
            return json_response(self.view(call), headers=headers)
        except Refused:
            raise
        except RegularsError as error:
            return self._failure(code_of(error), sentence(error))
        except Exception:
            _log.exception("%s failed", self.name)
            return self._failure(INTERNAL, "an internal error, which was logged: try again later")

    def _failure(self, code: str, message: str) -> Response:
        return json_response(wire.failure(code, message, self.failed_lists))
