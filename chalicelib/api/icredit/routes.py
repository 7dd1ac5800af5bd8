"""The iCREDIT operations: each view parses, calls one use case, renders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api.errors import sentence
from chalicelib.api.http import FORMS, JSON, HttpRequest, Refused, json_response, route, search_headers
from chalicelib.api.icredit import auth, wire
from chalicelib.api.icredit.errors import INTERNAL, code_of
from chalicelib.api.icredit.request import MAX_ENCODED, Parameters, read_parameters
from chalicelib.core.errors import Busy, FaceNotFound, InvalidInput, RegularsError
from chalicelib.core.model import PictureRules, Tenant

if TYPE_CHECKING:
    from chalicelib.services import Services

PREFIX = "/icredit/face/"

PICTURES = PictureRules(
    formats=frozenset({"JPEG", "PNG", "BMP"}),
    max_bytes=MAX_ENCODED * 3 // 4,
    max_long_side_px=4096,
    max_short_side_px=4096,
    min_short_side_px=15,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """What an operation gets: whose gallery, and what was sent."""

    services: Services
    tenant: Tenant
    parameters: Parameters
    headers: dict[str, str]
    """An operation may add response headers."""


Operation = Callable[[Call], wire.Body]


def manage(call: Call) -> wire.Body:
    """Enrol, search or delete, as CONTROL_TYPE says."""
    control = call.parameters.required("CONTROL_TYPE")
    if control not in _CONTROLS:
        raise InvalidInput(f"CONTROL_TYPE is 0 (enrol), 1 (search) or 3 (delete), not {control[:40]!r}")
    return _CONTROLS[control](call)


def enrol(call: Call) -> wire.Body:
    parameters, enrolment = call.parameters, call.services.group_enrolment
    group, labels = parameters.required("PERSON_GROUP_LABEL"), parameters.labels()
    if _is_token(parameters):
        return wire.enrolled([enrolment.stored(call.tenant, group, parameters.token("IMAGE"), labels)])
    return wire.enrolled(enrolment.all_in_picture(call.tenant, group, parameters.picture("IMAGE"), PICTURES, labels))


def search(call: Call) -> wire.Body:
    parameters, identify = call.parameters, call.services.identify
    group = parameters.required("PERSON_GROUP_LABEL")
    parameters.labels()
    if _is_token(parameters):
        match = identify.by_face(call.tenant, parameters.token("IMAGE"), group)
        matches = [match] if match else []
    else:
        matches = identify.all_in_picture(call.tenant, parameters.picture("IMAGE"), group, PICTURES).matches
    if matches:
        scores = [match.score for match in matches]
        call.headers.update(search_headers(scores, matches[0].threshold, matches[0].gallery_size))
    return wire.matched(matches)


def delete(call: Call) -> wire.Body:
    parameters = call.parameters
    group = parameters.required("PERSON_GROUP_LABEL")
    token = _token_to_delete(parameters)
    deleted = call.services.deletion.of_group(call.tenant, group, [token])
    if deleted.failed:
        raise Busy("the face is in use and was not deleted: try again")
    if deleted.not_exist:
        raise FaceNotFound(f"there is no face {token!r} in group {group[:100]!r}: delete it with its own group's label")
    return wire.DONE


_TOKEN_TYPES = ("3", "2")
_CONTROLS: Mapping[str, Operation] = {"0": enrol, "1": search, "3": delete}

OPERATIONS: Mapping[str, Operation] = {"manage": manage}


def blueprint(provide: Callable[[], Services]) -> Blueprint:
    """All operations of the dialect; `provide` gives the services, at the first call at the earliest."""
    routes = Blueprint(__name__)
    for name, operation in OPERATIONS.items():
        route(routes, PREFIX + name, partial(_answer, provide, operation))
    return routes


def _answer(provide: Callable[[], Services], operation: Operation, request: HttpRequest) -> Response:
    try:
        services = provide()
        tenant = auth.caller(request, services.tenants)
        media_type, body = request.media_type((*FORMS, JSON)), request.body()
        headers: dict[str, str] = {}
        return json_response(
            operation(Call(services, tenant, read_parameters(media_type, body), headers)), headers=headers
        )
    except Refused:
        raise
    except RegularsError as error:
        return json_response(wire.failure(code_of(error), sentence(error)))
    except Exception:
        _log.exception("%s failed", request.path)
        return json_response(wire.failure(INTERNAL, "an internal error, which was logged: try again later"))


def _is_token(parameters: Parameters) -> bool:
    """Whether IMAGE holds a PERSON_TOKEN; else it holds a picture. Raises InvalidInput for other image types."""
    kind = parameters.required("IMAGE_TYPE")
    if kind in _TOKEN_TYPES:
        return True
    if kind == "1":
        raise InvalidInput(
            "IMAGE_TYPE 1 (the URL of a picture) is not available on this server: send the picture, as 0"
        )
    if kind != "0":
        raise InvalidInput(f"IMAGE_TYPE is 0 (base64 of a picture) or 3 (a PERSON_TOKEN), not {kind[:40]!r}")
    return False


def _token_to_delete(parameters: Parameters) -> str:
    """From PERSON_TOKEN, or from IMAGE with IMAGE_TYPE 3."""
    named = parameters.text("PERSON_TOKEN")
    held = parameters.text("IMAGE") if parameters.text("IMAGE_TYPE") in _TOKEN_TYPES else None
    if not named and not held:
        raise InvalidInput("a deletion needs the face's token: send it as PERSON_TOKEN, or as IMAGE with IMAGE_TYPE 3")
    if named and held and named.strip() != held.strip():
        raise InvalidInput("PERSON_TOKEN and IMAGE hold two different tokens: send the one to delete")
    return parameters.token("PERSON_TOKEN" if named else "IMAGE")
