"""docs/api/v1.yaml is a legal document, and says what the code does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chalice.app import Chalice
from jsonschema import ValidationError
from openapi_spec_validator import validate

from chalicelib.api.v1.errors import STATUSES
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.core.captures import DEFAULT_GAP_S, DEFAULT_STRANGER_QUALITY, CaptureState, Resolution
from chalicelib.core.model import MAX_PICTURES
from chalicelib.services.captures import camera_settings as bounds
from chalicelib.services.captures.cameras import MAX_CAMERAS
from chalicelib.services.captures.captures import CONTENT_TYPES, OFFERS, PICTURE_BYTES
from chalicelib.services.captures.pages import PAGE_SIZES
from tests.api.v1.client import document

SCHEMAS = document().all["components"]["schemas"]
DOCUMENTED = {(method, path): operation for method, path, operation in document().operations()}


def body_of(operation: Any) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {})
    return document().members(content["application/json"]["schema"]) if content else set()


def test_it_is_a_legal_openapi_document() -> None:
    validate(document().all)


def test_it_has_the_operations_that_there_are(app: Chalice) -> None:
    assert set(DOCUMENTED) == {(operation.method, operation.path) for operation in OPERATIONS}
    assert {path for _, path in DOCUMENTED} == {path for path in app.routes if path.startswith("/v1/")}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_it_names_what_may_be_sent_and_by_whom(operation: Any) -> None:
    said = DOCUMENTED[operation.method, operation.path]
    named = {place: {p["name"] for p in said["parameters"] if p["in"] == place} for place in ("query", "path")}
    assert named["query"] == operation.query
    assert named["path"] == set(re.findall(r"{(\w+)}", operation.path))
    assert body_of(said) == operation.fields
    assert said.get("x-camera-key", False) == operation.of_cameras
    done = {status for status in said["responses"] if status != "default"}
    assert done == {str(operation.status)} or done == {"204"}


def test_its_bounds_are_the_codes() -> None:
    settings = SCHEMAS["CameraSettings"]["properties"]
    for name, allowed in (("gap_s", bounds.GAPS_S), ("silent_after_s", bounds.SILENT_AFTER_S)):
        assert (settings[name]["minimum"], settings[name]["maximum"]) == (allowed[0], allowed[-1])
    quality = settings["stranger_quality"]
    assert (quality["minimum"], quality["maximum"], quality["default"]) == (*bounds.QUALITIES, DEFAULT_STRANGER_QUALITY)
    assert settings["gap_s"]["default"] == DEFAULT_GAP_S
    assert settings["groups"]["maxItems"] == bounds.MAX_GROUPS
    assert SCHEMAS["CameraName"]["maxLength"] == bounds.NAME_LENGTH
    assert SCHEMAS["LabelRead"]["maxLength"] == bounds.LABEL_LENGTH
    status = SCHEMAS["Status"]
    assert status["maxProperties"] == bounds.MAX_STATUS
    assert status["propertyNames"]["maxLength"] == bounds.STATUS_NAME_LENGTH
    assert status["additionalProperties"]["maxLength"] == bounds.STATUS_TEXT_LENGTH
    size = SCHEMAS["Offer"]["properties"]["size"]
    assert (size["minimum"], size["maximum"]) == (PICTURE_BYTES[0], PICTURE_BYTES[-1])
    assert set(SCHEMAS["Offer"]["properties"]["content_type"]["enum"]) == set(CONTENT_TYPES)
    offers = DOCUMENTED["POST", "/v1/captures/uploads"]["requestBody"]["content"]["application/json"]["schema"]
    captures = offers["properties"]["captures"]
    assert (captures["minItems"], captures["maxItems"]) == (OFFERS[0], OFFERS[-1])
    (limit,) = [p["schema"] for p in DOCUMENTED["GET", "/v1/captures"]["parameters"] if p["name"] == "limit"]
    assert (limit["minimum"], limit["maximum"]) == (PAGE_SIZES[0], PAGE_SIZES[-1])
    pictures = DOCUMENTED["GET", "/v1/faces/{id}/pictures"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert pictures["properties"]["pictures"]["maxItems"] == MAX_PICTURES
    assert f"Up to {MAX_CAMERAS}" in DOCUMENTED["GET", "/v1/cameras"]["responses"]["200"]["description"]


def test_its_words_are_the_codes() -> None:
    assert set(SCHEMAS["CaptureState"]["enum"]) == set(CaptureState)
    assert set(SCHEMAS["Sighting"]["properties"]["resolution"]["enum"]) == set(Resolution)
    said = document().all["components"]["responses"]["Error"]["description"]
    assert all(str(status) in said for status in STATUSES.values())


def test_an_answer_with_a_member_too_many_or_too_few_is_not_as_documented() -> None:
    error = {"code": "Busy", "message": "busy"}
    document().require_answer("GET", "/v1/cameras", 503, {"error": error})
    for wrong in ({"error": {**error, "detail": "x"}}, {"error": {"code": "Busy"}}, {}, {"error": error, "x": 1}):
        with pytest.raises(ValidationError):
            document().require_answer("GET", "/v1/cameras", 503, wrong)
    with pytest.raises(AssertionError):
        document().require_answer("GET", "/v1/cameras", 201, {"cameras": []})
