"""The operation manage: enrol, search or delete, depending on CONTROL_TYPE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from chalicelib.api.http import search_headers
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.operation import Call
from chalicelib.api.icredit.request import MAX_ENCODED, Parameters
from chalicelib.core.errors import Busy, FaceNotFound, InvalidInput
from chalicelib.core.pictures import PictureRules
from chalicelib.core.telemetry import stage

PICTURES = PictureRules(
    formats=frozenset({"JPEG", "PNG", "BMP"}),
    max_bytes=MAX_ENCODED * 3 // 4,
    max_long_side_px=4096,
    max_short_side_px=4096,
    min_short_side_px=15,
)
PICTURES_BY_URL = replace(PICTURES, max_bytes=MAX_ENCODED)
"""A downloaded picture is not encoded, so the whole 2 MB may be its own."""

_BASE64, _URL = "0", "1"
_TOKENS = ("3", "2")


def manage(call: Call) -> wire.Body:
    control = call.parameters.required("CONTROL_TYPE")
    if control not in _CONTROLS:
        raise InvalidInput(f"CONTROL_TYPE is 0 (enrol), 1 (search) or 3 (delete), not {control[:40]!r}")
    return _CONTROLS[control](call)


def enrol(call: Call) -> wire.Body:
    parameters, enrolment = call.parameters, call.services.enrolment.everybody
    group, labels = parameters.required("PERSON_GROUP_LABEL"), parameters.labels()
    if _is_token(parameters):
        return wire.enrolled([enrolment.stored(call.tenant, group, parameters.token("IMAGE"), labels)])
    picture, rules = _picture(call)
    return wire.enrolled(enrolment.all_in_picture(call.tenant, group, picture, rules, labels))


def search(call: Call) -> wire.Body:
    """Search; the answer carries the stored labels, and the observations those of the call."""
    parameters, identify = call.parameters, call.services.recognition.identify
    group, labels = parameters.required("PERSON_GROUP_LABEL"), parameters.labels()
    if _is_token(parameters):
        match = identify.by_face(call.tenant, parameters.token("IMAGE"), group, labels)
        matches = [match] if match else []
    else:
        picture, rules = _picture(call)
        matches = identify.all_in_picture(call.tenant, picture, group, rules, labels).matches
    if matches:
        call.headers.update(search_headers([match.decision for match in matches]))
    return wire.matched(matches)


def delete(call: Call) -> wire.Body:
    parameters = call.parameters
    group = parameters.required("PERSON_GROUP_LABEL")
    token = _token_to_delete(parameters)
    deleted = call.services.erasure.deletion.of_group(call.tenant, group, [token], by="icredit")
    if deleted.failed:
        raise Busy("the face is in use and was not deleted: try again")
    if deleted.not_exist:
        raise FaceNotFound(f"there is no face {token!r} in group {group[:100]!r}: delete it with its own group's label")
    return wire.DONE


_CONTROLS: Mapping[str, Callable[[Call], wire.Body]] = {"0": enrol, "1": search, "3": delete}


def _is_token(parameters: Parameters) -> bool:
    """Tell whether IMAGE holds a PERSON_TOKEN; otherwise it holds a picture or its URL.

    Raises InvalidInput for another IMAGE_TYPE.
    """
    kind = parameters.required("IMAGE_TYPE")
    if kind not in (_BASE64, _URL, *_TOKENS):
        raise InvalidInput(
            f"IMAGE_TYPE is 0 (base64 of a picture), 1 (its URL) or 3 (a PERSON_TOKEN), not {kind[:40]!r}"
        )
    return kind in _TOKENS


def _picture(call: Call) -> tuple[bytes, PictureRules]:
    """Return the picture that IMAGE holds or links to, and the rules for it.

    Raises Unusable; Busy if too many pictures are being fetched.
    """
    if call.parameters.required("IMAGE_TYPE") == _BASE64:
        return call.parameters.picture("IMAGE"), PICTURES
    url = call.parameters.required("IMAGE")
    with stage("fetch"):
        return call.services.ports.pictures_by_url.fetch(url, call.tenant.name), PICTURES_BY_URL


def _token_to_delete(parameters: Parameters) -> str:
    """Read the token from PERSON_TOKEN, or from IMAGE with IMAGE_TYPE 3.

    Raises InvalidInput if both are missing or they differ.
    """
    named = parameters.text("PERSON_TOKEN")
    held = parameters.text("IMAGE") if parameters.text("IMAGE_TYPE") in _TOKENS else None
    if not named and not held:
        raise InvalidInput("a deletion needs the face's token: send it as PERSON_TOKEN, or as IMAGE with IMAGE_TYPE 3")
    if named and held and named.strip() != held.strip():
        raise InvalidInput("PERSON_TOKEN and IMAGE hold two different tokens: send the one to delete")
    return parameters.token("PERSON_TOKEN" if named else "IMAGE")
