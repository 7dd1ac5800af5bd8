"""The operations of the dialect by their paths, and the views that answer them."""

from __future__ import annotations

from functools import partial

from chalice.app import Blueprint

from chalicelib.api.compreface import errors
from chalicelib.api.compreface.operation import Operation, preflight
from chalicelib.api.http import Answer, Dialect, Provide, route

PREFIX = "/api/v1/"
PREFIXES = (PREFIX, "/core/")
"""What the paths of the dialect begin with."""

_RECOGNITION = f"{PREFIX}recognition"
_NAMED = tuple(f"{_RECOGNITION}/subjects/{name}" for name in ("{name}", "{name}/{second}", "{name}/{second}/{third}"))
"""A name may have slashes, which are escaped or not."""

OPERATIONS = (
    Operation("GET", f"{_RECOGNITION}/subjects", "recognition.list_subjects"),
    Operation("POST", f"{_RECOGNITION}/subjects", "recognition.add_subject", status=201),
    Operation("DELETE", f"{_RECOGNITION}/subjects", "recognition.delete_subjects"),
    *(Operation("PUT", path, "recognition.rename_subject") for path in _NAMED),
    *(Operation("DELETE", path, "recognition.delete_subject") for path in _NAMED),
    Operation("GET", f"{_RECOGNITION}/faces", "recognition.list_examples"),
    Operation("POST", f"{_RECOGNITION}/faces", "recognition.add_example", status=201),
    Operation("DELETE", f"{_RECOGNITION}/faces", "recognition.delete_examples_of_subject"),
    Operation("POST", f"{_RECOGNITION}/faces/delete", "recognition.delete_examples"),
    Operation("DELETE", f"{_RECOGNITION}/faces/{{id}}", "recognition.delete_example"),
    Operation("GET", f"{_RECOGNITION}/faces/{{id}}/img", "recognition.show_example"),
    Operation("GET", f"{PREFIX}static/{{key}}/images/{{id}}", "recognition.show_static", service=""),
    Operation("POST", f"{_RECOGNITION}/faces/{{id}}/verify", "recognition.verify_example"),
    Operation("POST", f"{_RECOGNITION}/recognize", "recognition.recognize"),
    Operation("POST", f"{_RECOGNITION}/embeddings/recognize", "recognition.recognize_embeddings"),
    Operation("POST", f"{_RECOGNITION}/embeddings/faces/{{id}}/verify", "recognition.verify_embeddings"),
    Operation("POST", f"{PREFIX}verification/verify", "looking.verify", "verification"),
    Operation("POST", f"{PREFIX}verification/embeddings/verify", "looking.verify_embeddings", "verification"),
    Operation("POST", f"{PREFIX}detection/detect", "looking.detect", "detection"),
    Operation("GET", f"{PREFIX}consistence/status", "looking.show_consistence", service=""),
    Operation("GET", f"{PREFIX}config", "looking.show_config", service=""),
    Operation("GET", "/core/healthcheck", "looking.show_health", service=""),
    Operation("GET", "/core/status", "looking.show_status", service=""),
)

_BODIES = {(one.method, one.path): errors.ONE_BOX_BODY_BYTES for one in OPERATIONS if one.method == "POST"}
DIALECT = Dialect(PREFIXES, lambda error, _: errors.failed(error)[1], errors.UNKNOWN, errors.TOO_LONG, _BODIES)


def blueprint(provide: Provide) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    answers: dict[str, dict[str, Answer]] = {}
    for one in OPERATIONS:
        answers.setdefault(one.path, {"OPTIONS": preflight})[one.method] = partial(one.answer, provide)
    for path, own in answers.items():
        route(routes, path, own, errors.response)
    return routes
