"""The views that compare with nobody who is enrolled: detection, verification, and what the service says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.api.compreface.details import Body, looked, the_only
from chalicelib.api.compreface.errors import ONE_BOX_BODY_BYTES
from chalicelib.api.compreface.operation import Call
from chalicelib.api.compreface.requests import LARGEST_FILE_BYTES, PLUGINS
from chalicelib.api.http import MAX_BODY_BYTES, ONE_BOX, Failure, HttpRequest
from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.version import VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.services import Services

_TINY = 1e-12


def detect(call: Call) -> Body:
    photo = call.sent.picture()
    found = looked(call, photo, embeds=False)
    return {"result": [found.body(number) for number in range(len(found.seen.described.faces))], **found.versions(call)}


def verify(call: Call) -> Body:
    photos = call.sent.picture("source_image"), call.sent.picture("target_image")
    source, target = (looked(call, photo, embeds=True, live=True) for photo in photos)
    source = the_only(source)
    one, others = source.seen.described.faces[0], target.seen.described.faces
    qualities = [(one.quality.total, other.quality.total) for other in others]
    close = call.services.subjects.close_to(call.tenant, source.seen.embeddings[0], target.seen.embeddings, qualities)
    matches = [
        target.body(number, similarity=0.0 if one.spoof or other.spoof else close[number])
        for number, other in enumerate(others)
    ]
    return {"result": [{"source_image_face": source.body(0), "face_matches": matches, **source.versions(call)}]}


def verify_embeddings(call: Call) -> Body:
    source, targets = call.sent.vectors("source"), call.sent.vectors("targets")
    (one,) = vectors(call, [source])
    return {"result": compared(call, one, targets)}


def show_config(_services: Services, request: HttpRequest) -> Body:
    if request.stage == ONE_BOX:
        return {"clientMaxFileSize": LARGEST_FILE_BYTES, "clientMaxBodySize": ONE_BOX_BODY_BYTES}
    return {"clientMaxFileSize": MAX_BODY_BYTES, "clientMaxBodySize": MAX_BODY_BYTES}


def show_consistence(services: Services, _request: HttpRequest) -> Body:
    if not services.readiness.check().is_ready:
        raise StorageUnavailable("the service is not ready")
    flags = {"demoFaceCollectionIsInconsistent": False, "dbIsInconsistent": False, "saveImagesToDB": True}
    return {**flags, "status": "OK"}


def show_health(_services: Services, _request: HttpRequest) -> Body:
    return {"status": "OK"}


def show_status(services: Services, _request: HttpRequest) -> Body:
    vision = services.ports.vision()
    told = {"build_version": VERSION, "calculator_version": vision.model}
    return {"status": "OK", **told, "available_plugins": dict.fromkeys(PLUGINS, vision.pack)}


def compared(call: Call, one: NDArray[np.float32], sent: list[Any]) -> list[Body]:
    """Return how close embeddings are to a face, the closest first, each as it was sent."""
    close = call.services.subjects.close_to(call.tenant, one, vectors(call, sent), [()] * len(sent))
    bodies = [{"embedding": each, "similarity": value} for each, value in zip(sent, close, strict=True)]
    return sorted(bodies, key=lambda body: -body["similarity"])


def vectors(call: Call, sent: Sequence[Any]) -> NDArray[np.float32]:
    """Return embeddings that were sent as unit rows. Raises Failure."""
    import numpy as np

    length = call.services.tenant_vision.of(call.tenant.model).dimensions
    for one in sent:
        if not isinstance(one, list) or not all(type(value) in (int, float) for value in one):
            raise Failure(0, "An embedding is a list of numbers")
        if len(one) != length:
            raise Failure(36, f"This embedding has {len(one)} numbers, and those of the model here have {length}")
    try:
        rows = np.asarray(sent, dtype=np.float64)
        rows /= max(float(np.abs(rows).max()), _TINY)
    except OverflowError:
        raise Failure(36, "An embedding's numbers are finite") from None
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms < _TINY).any():
        raise Failure(36, f"An embedding is {length} finite numbers, and not all of them are 0")
    return np.asarray(rows / norms, dtype=np.float32)
