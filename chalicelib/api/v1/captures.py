"""Captures over v1: offer for upload, list, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.fields import Fields
from chalicelib.api.v1.render import decision_body
from chalicelib.core.captures import Capture, CaptureState, Sighting, sighting_id
from chalicelib.core.errors import CameraNotFound, InvalidInput, concerning

if TYPE_CHECKING:
    from chalicelib.services.captures.captures import Offer, OfferedUpload

_OFFER = frozenset({"camera", "sha256", "size", "content_type", "captured_at"})
_READABLE_SIZES = range(2**53)
"""Sizes that can be read. The use case refuses those that are too large for a picture."""


def offer(call: Call) -> Body:
    """Offer captures; the answer has, in the same order, an upload for each picture."""
    from chalicelib.services.captures.captures import OFFERS  # not at the other routes' cold starts

    offers = []
    for index, fields in enumerate(call.fields.list_of_fields("captures", OFFERS, _OFFER)):
        with concerning(index):
            offers.append(_offer(call, fields))
    uploads = call.services.captures.offer(call.tenant, offers)
    now = call.services.clock.now()
    return {"uploads": [_upload(call, upload) for upload in uploads], "server_time": times.text(now)}


def page(call: Call) -> Body:
    """List the captures whose picture was uploaded, newest first, of one camera or of all."""
    from chalicelib.services.captures.pages import PAGE_SIZES  # not at the other routes' cold starts

    camera = _camera(call, call.query.text("camera"))
    limit = call.query.whole("limit", PAGE_SIZES, 100)
    found = call.services.captures.page(call.tenant, camera, limit, call.query.text("token"))
    captures = [_capture(capture) for capture in found.captures]
    return {"captures": captures, "next_token": found.next_token}


def get(call: Call) -> Body:
    """Read one capture, even if its picture was never uploaded."""
    named = _camera(call, call.query.text("camera"))
    if named is None:
        raise InvalidInput("camera is missing: say whose capture this is")
    try:
        camera_id = call.services.cameras.named(call.tenant, named).id
    except CameraNotFound:
        camera_id = named  # the camera may have been deleted; its captures stay
    return _capture(call.services.captures.get(call.tenant, camera_id, call.path["id"]))


OPERATIONS = (
    Operation("POST", "/v1/captures/uploads", offer, fields=frozenset({"captures"}), of_cameras=True),
    Operation("GET", "/v1/captures", page, query=frozenset({"camera", "limit", "token"}), of_cameras=True),
    Operation("GET", "/v1/captures/{id}", get, query=frozenset({"camera"}), of_cameras=True),
)


def _camera(call: Call, named: str | None) -> str | None:
    """Return the camera that is meant; a camera that names none means itself. Raises NotAllowed."""
    call.caller.require_camera(named)
    return call.caller.camera.id if call.caller.camera is not None else named


def _offer(call: Call, fields: Fields) -> Offer:
    from chalicelib.services.captures.captures import Offer  # not at the other routes' cold starts

    camera = _camera(call, fields.text("camera") if "camera" in fields or call.caller.camera is None else None)
    return Offer(
        camera=camera or "",
        sha256=fields.text("sha256"),
        size=fields.whole("size", _READABLE_SIZES),
        content_type=fields.text("content_type"),
        captured_at=fields.instant("captured_at"),
    )


def _upload(call: Call, upload: OfferedUpload) -> Body:
    request = upload.request
    return {
        "id": upload.capture.id,
        "state": upload.capture.state.value,
        "method": None if request is None else request.method,
        "url": None if request is None else call.absolute(request.url),
        "headers": {} if request is None else dict(request.headers),
    }


def _capture(capture: Capture) -> Body:
    return {
        "id": capture.id,
        "camera": capture.camera_id,
        "captured_at": times.text(capture.captured_at),
        "sha256": capture.sha256,
        "size": capture.size,
        "content_type": capture.content_type,
        "state": capture.state.value,
        "reason": capture.reason if capture.state is CaptureState.PARKED else None,
        "sightings": [sighting_body(capture, sighting) for sighting in capture.sightings],
    }


def sighting_body(capture: Capture, sighting: Sighting) -> Body:
    return {
        "id": sighting_id(capture.id, sighting.number),
        "resolution": sighting.resolution.value,
        "face": sighting.faceid,
        "box": sighting.box._asdict(),
        **decision_body(sighting.decision),
        "quality": sighting.quality,
        "reason": sighting.reason or None,
    }
