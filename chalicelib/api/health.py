"""Health and readiness, for load balancers and monitors: without a key, and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api.http import HttpRequest, Provide, add_route, make_json_response, report_answer


def make_blueprint(provide: Provide) -> Blueprint:
    """Register both paths.

    `provide` returns the services; the first question about readiness calls it.
    """
    routes = Blueprint(__name__)

    def answer_health(_request: HttpRequest) -> Response:
        return make_json_response({"alive": True})

    def answer_ready(_request: HttpRequest) -> Response:
        try:
            readiness = provide().readiness.check()
        except Exception as error:  # there are no services
            report_answer(error, "InternalError", "GET /ready")
            return _answer({"ready": False})
        damage = {"damage": readiness.damage} if readiness.damage else {}
        return _answer(
            {"ready": readiness.is_ready, "pack": readiness.pack, **readiness.subjects, **damage}
        )

    add_route(routes, "/health", lambda: {"GET": answer_health})
    add_route(routes, "/ready", lambda: {"GET": answer_ready})
    return routes


def _answer(body: Mapping[str, Any]) -> Response:
    return (
        make_json_response(body, 200)
        if body["ready"]
        else make_json_response(body, 503, {"Retry-After": "5"})
    )
