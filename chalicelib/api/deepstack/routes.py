"""The operations of the dialect by their paths, whose call each is, and the views that answer them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib.api.deepstack.errors import NO_IMAGE, TOO_LONG, UNKNOWN, Failure, failed, response
from chalicelib.api.forms import Form, sent_form
from chalicelib.api.http import MAX_BODY_BYTES, ONE_BOX, Dialect, HttpRequest, Provide, answered, json_response, route
from chalicelib.api.service_keys import holder, reached
from chalicelib.api.sites import is_of_another_site, is_own, own_names
from chalicelib.core import telemetry
from chalicelib.core.access import ApiKey
from chalicelib.core.acts import Act, kind_of
from chalicelib.core.addresses import FORWARDING, is_in
from chalicelib.core.errors import InvalidInput, TenantNotFound
from chalicelib.core.model import Group, Tenant
from chalicelib.core.pictures import MAX_PICTURE_BYTES
from chalicelib.core.version import VERSION

if TYPE_CHECKING:
    from chalicelib.api.multipart import Part
    from chalicelib.api.service_keys import Holder
    from chalicelib.services import Services
    from chalicelib.settings import Settings

PREFIX = "/v1/vision/"
SERVICE = "deepstack"


@dataclass(frozen=True)
class Call:
    """Arguments of a view: the use cases, whose call it is, and what was sent."""

    services: Services
    tenant: Tenant
    key: ApiKey
    group: Group
    values: Mapping[str, str]
    uploads: Sequence[Part]

    def userid(self) -> str:
        """Return the name that was sent. Raises Failure."""
        name = self.values.get("userid", "").strip()
        if not name:
            raise Failure("userid not specified")
        return name

    def image(self) -> bytes:
        """Return the picture that was sent. Raises Failure."""
        found = next((one.data for one in self.uploads if one.name == "image"), None)
        if found is None:
            raise Failure(NO_IMAGE)
        return found

    def least(self, default: float) -> float:
        """Return `min_confidence`. Raises Failure."""
        text = self.values.get("min_confidence") or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise Failure("Invalid value for min_confidence")
        if value > 1:
            raise Failure("min_confidence cannot be greater than 1")
        return value


@dataclass(frozen=True)
class Operation:
    """An operation, by its path behind PREFIX and its view in `faces`."""

    path: str
    view: str

    @property
    def name(self) -> str:
        """Its name in the audit."""
        return f"deepstack {self.view}"

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer a request. Raises WrongModel once, and Refused."""

        def work() -> Response:
            return json_response({"success": True, **self._answered(provide(), request)})

        return answered(request, work, failed, self.name)

    def _answered(self, services: Services, request: HttpRequest) -> dict[str, Any]:
        form = _form(request)
        values = dict(reversed(form.fields))
        found = caller(services, request, values.get("api_key", ""), self.name)
        telemetry.of_tenant(found.tenant.name)
        view = getattr(import_module(f"{__package__}.faces"), self.view)  # not at other dialects' cold starts
        act = Act(self.name, f"key {found.key.id}", kind_of(self.name), found.tenant.name)
        began = time.perf_counter()
        with services.audit.reads.of(act), telemetry.collected() as stages:
            answer = view(Call(services, *found, values, form.uploads)) or {}
        return {**answer, **_times(stages, began)} if form.uploads else answer


OPERATIONS = tuple(
    Operation(f"{PREFIX}face{path}", view)
    for path, view in (
        ("", "detect"),
        ("/register", "register"),
        ("/recognize", "recognize"),
        ("/list", "list_names"),
        ("/delete", "delete"),
        ("/match", "match"),
    )
)

STATUS_PATHS = (
    "/v1/module/list/status",
    *(
        f"/v1/{server}status/{what}"
        for server in ("", "server/")
        for what in ("ping", "version", "updateavailable", "analysis/list")
    ),
)
"""Questions of CodeProject.AI's clients before the first face: is there a server, which, and what can it do? No key is
needed."""

_BODIES = {("POST", one.path): MAX_PICTURE_BYTES for one in OPERATIONS}
DIALECT = Dialect((PREFIX,), lambda error, _: failed(error)[1], UNKNOWN, TOO_LONG, _BODIES)


def _times(stages: Mapping[str, float], began: float) -> Mapping[str, int]:
    """Return how long a picture took, in ms, as clients read it."""
    whole = math.ceil((time.perf_counter() - began) * 1000)
    models = math.ceil(sum(stages.get(name, 0) for name in ("detect", "embed", "quality")))
    return {"inferenceMs": models, "processMs": whole, "analysisRoundTripMs": whole}


def _status(_request: HttpRequest) -> Response:
    """Answer that the server is there, with its version and its one module."""
    major, minor, patch = map(int, VERSION.split("."))
    version = {"major": major, "minor": minor, "patch": patch, "preRelease": "", "securityUpdate": False, "build": 0}
    known = {"version": version, "current": version, "latest": version, "updateAvailable": False}
    module = {"moduleId": "FaceProcessing", "name": "Face Processing", "version": VERSION, "status": "Started"}
    return json_response({"success": True, "message": VERSION, "statuses": [module], **known})


def caller(services: Services, request: HttpRequest, secret: str, what: str) -> Holder:
    """Return whose call `what` is: by its key or, without one, by the address that it comes from.

    Raises Failure, TooManyRequests.
    """
    if secret:
        found = holder(services, SERVICE, secret, what)
    else:
        found = _keyless(services, keyless_tenant(services.settings, request.address, request.headers), what)
    if found is None:
        raise Failure("Incorrect api key", 401)
    return found


def keyless_tenant(settings: Settings, address: str, headers: Mapping[str, str]) -> str | None:
    """Return whose calls without a key from this address are, by the settings. Raises Failure.

    Browsers and proxies of a named machine send what others tell them to: theirs are refused.
    """
    if not is_in(address, settings.deepstack_networks):
        return None
    if any(name in headers for name in FORWARDING):
        raise Failure("Incorrect api key: a proxy that `trusted_proxies` does not name sent this without one", 401)
    if is_of_another_site(headers, settings.public_url):
        raise Failure("Incorrect api key: another site's page sent this without one", 401)
    if not is_own(headers.get("host", ""), own_names(settings.public_url)):
        raise Failure("Incorrect api key: without one, call this machine by its address or its name", 401)
    return settings.deepstack_tenant


def _keyless(services: Services, name: str | None, what: str) -> Holder | None:
    """Return what the oldest key for this service reaches that the tenant has."""
    if name is None:
        return None
    try:
        tenant = services.tenants.named(name)
    except TenantNotFound:
        return None
    now, keys = services.clock.now(), services.access.keys.all(tenant)
    own = next((key for key in keys if key.service == SERVICE and not key.is_expired(now)), None)
    return None if own is None else reached(services, tenant, own, what)


def _form(request: HttpRequest) -> Form:
    """Read the body, which may lack. Raises Refused, Failure."""
    most_bytes = MAX_PICTURE_BYTES if request.stage == ONE_BOX else MAX_BODY_BYTES
    if not request.body(most_bytes):
        return Form()
    try:
        return sent_form(request, most_bytes)
    except InvalidInput as error:
        raise Failure(str(error)) from error


def blueprint(provide: Provide) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    for one in OPERATIONS:
        route(routes, one.path, {"POST": partial(one.answer, provide)}, response)
    for path in STATUS_PATHS:
        route(routes, path, {"GET": _status}, response)
    return routes
