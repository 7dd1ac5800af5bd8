"""docs/api/v1.yaml is a legal document, and says what the code does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice
from regulars_dialects.deepstack.routes import PREFIX as DEEPSTACK
from regulars_dialects.deepstack.routes import STATUS_PATHS

from chalicelib.api.v1 import errors
from chalicelib.api.v1.document import get_document
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.book import cameras as bounds
from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.captures import captures as capture_pages
from chalicelib.book.captures.captures import CONTENT_TYPES, OFFERS, PICTURE_BYTES
from chalicelib.domain.captures import (
    DEFAULT_GAP_S,
    DEFAULT_STRANGER_QUALITY,
    CaptureState,
    Resolution,
)
from chalicelib.domain.errors import every_error
from chalicelib.domain.model import MAX_PICTURES
from regulars.openapi import PATH, PATHS, ROOT, format_document, format_paths, write_changed
from tests.support.api.v1.client import V1Client, document
from tests.support.api.v1.document import names_of

PAGE_SIZES = range(1, 101)

OF_PATHS = {
    "/v1/arrivals": PAGE_SIZES,
    "/v1/observations": range(1, 101),
    "/v1/captures": capture_pages.PAGE_SIZES,
    "/v1/merges": PAGE_SIZES,
    "/v1/faces/{id}/sightings": PAGE_SIZES,
}
SCHEMAS = document().all["components"]["schemas"]
DOCUMENTED = {(method, path): operation for method, path, operation in document().operations()}


def test_it_is_the_one_that_the_code_makes() -> None:
    assert PATH.read_text("utf-8") == format_document(), "run `python -m regulars.openapi --write`"
    assert PATHS.read_text("utf-8") == format_paths(), "run `python -m regulars.openapi --write`"


def test_its_command_says_that_nothing_changed() -> None:
    command = [sys.executable, "-m", "regulars.openapi", "--write"]
    assert (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        == "nothing changed\n"
    )


def test_only_files_whose_text_changes_are_written(tmp_path: Path) -> None:
    same, other, new = (tmp_path / name for name in ("same", "other", "new"))
    same.write_text("a")
    other.write_text("a")
    same.chmod(0o400)
    assert write_changed({same: "a", other: "b", new: "c"}) == [other, new]
    assert [path.read_text() for path in (same, other, new)] == ["a", "b", "c"]


def test_it_is_served_without_a_key(v1: V1Client) -> None:
    assert v1.with_key(None).done("GET", "/v1/openapi.json") == document().all
    assert get_document() is get_document(), "it takes 40 ms to make, and anybody may ask for it"


def test_it_is_a_legal_openapi_document() -> None:
    from openapi_spec_validator import validate  # this and jsonschema: their imports take a second

    validate(document().all)


def test_it_has_the_operations_that_there_are(app: Chalice) -> None:
    assert set(DOCUMENTED) == {(operation.method, operation.path) for operation in OPERATIONS}
    own = {
        path
        for path in app.routes
        if path.startswith("/v1/") and not path.startswith((DEEPSTACK, *STATUS_PATHS))
    }
    assert {path for _, path in DOCUMENTED} == own


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_it_names_what_may_be_sent_and_by_whom(operation: Any) -> None:
    said = DOCUMENTED[operation.method, operation.path]
    named = {
        place: {p["name"] for p in said["parameters"] if p["in"] == place}
        for place in ("query", "path")
    }
    beside = {name for name in names_of(operation.body) if operation.takes_picture} - {
        "picture",
        "other",
    }
    assert named["query"] == set(names_of(operation.query)) | beside
    assert named["path"] == set(re.findall(r"{(\w+)}", operation.path))
    assert said["operationId"]
    assert said["summary"]
    assert said.get("x-role") == (None if operation.role is None else operation.role)
    assert said.get("x-camera-key", False) == operation.of_cameras
    done = {status for status in said["responses"] if status < "400"}
    assert str(operation.status) in done or done == {"204"}


def test_a_picture_is_sent_in_each_way_that_the_service_takes() -> None:
    verify = DOCUMENTED["POST", "/v1/verify"]["requestBody"]["content"]
    assert verify["multipart/form-data"]["schema"] == {
        "$ref": "#/components/schemas/PicturesToVerifyForm"
    }
    assert SCHEMAS["PicturesToVerifyForm"]["properties"].keys() == {"picture", "face", "other"}
    capture = DOCUMENTED["POST", "/v1/captures"]["requestBody"]["content"]
    assert SCHEMAS["CaptureTakenForm"]["properties"].keys() == {
        "picture",
        "camera",
        "captured_at",
        "track",
    }
    bare = {"image/*", "application/octet-stream", "binary/octet-stream"}
    assert all(
        content.keys() == bare | {"application/json", "multipart/form-data"}
        for content in (capture, verify)
    )
    enrolment = DOCUMENTED["POST", "/v1/faces"]["requestBody"]["content"]["multipart/form-data"]
    assert SCHEMAS["NewFaceForm"]["properties"].keys() >= {
        "id",
        "age",
        "gender",
        "labels",
        "attributes",
        "consent",
    }
    assert enrolment["encoding"].keys() >= {"attributes", "consent"}


def test_its_bounds_are_the_codes() -> None:
    settings = SCHEMAS["NewCamera"]["properties"]
    assert (settings["gap_s"]["minimum"], settings["gap_s"]["maximum"]) == (1, 86_400)
    assert f"At first {DEFAULT_GAP_S}." in settings["gap_s"]["description"]
    silent = settings["silent_after_s"]["anyOf"][0]
    assert (silent["minimum"], silent["maximum"]) == (300, 30 * 86_400)
    quality = settings["stranger_quality"]
    assert (quality["minimum"], quality["maximum"]) == (0, 100)
    assert f"At first {DEFAULT_STRANGER_QUALITY:g}." in quality["description"]
    assert settings["name"]["maxLength"] == bounds.NAME_LENGTH
    size = SCHEMAS["OfferedCapture"]["properties"]["size"]
    assert (size["minimum"], size["maximum"]) == (PICTURE_BYTES[0], PICTURE_BYTES[-1])
    assert set(SCHEMAS["OfferedCapture"]["properties"]["content_type"]["enum"]) == set(
        CONTENT_TYPES
    )
    captures = SCHEMAS["Offers"]["properties"]["captures"]
    assert (captures["minItems"], captures["maxItems"]) == (OFFERS[0], OFFERS[-1])
    for path, sizes in OF_PATHS.items():
        (limit,) = [
            p["schema"] for p in DOCUMENTED["GET", path]["parameters"] if p["name"] == "limit"
        ]
        assert (limit["minimum"], limit["maximum"]) == (sizes[0], sizes[-1])
    assert SCHEMAS["Pictures"]["properties"]["pictures"]["maxItems"] == MAX_PICTURES
    assert SCHEMAS["Cameras"]["properties"]["cameras"]["maxItems"] == MAX_CAMERAS


def test_its_words_are_the_codes() -> None:
    assert set(SCHEMAS["CaptureState"]["enum"]) == set(CaptureState)
    assert set(SCHEMAS["Resolution"]["enum"]) == set(Resolution)


def test_every_error_is_listed_with_its_status_and_no_other_is_as_documented() -> None:
    for error in every_error():
        answer = errors.answer_error(error("none"))[1]
        document().require_answer("GET", "/v1/cameras", answer.status_code, json.loads(answer.body))
    with pytest.raises(AssertionError, match="lists no Odd of 503"):
        document().require_answer("GET", "/v1/cameras", 503, errors.make_problem(503, "Odd", "odd"))


def test_an_answer_with_a_member_too_many_or_too_few_is_not_as_documented() -> None:
    from jsonschema import ValidationError

    good = errors.make_problem(429, "Busy", "busy")
    document().require_answer("GET", "/v1/cameras", 429, good)
    few = {name: value for name, value in good.items() if name != "code"}
    for wrong in (
        {**good, "details": "x"},
        {**good, "error": {"code": "Busy"}},
        few,
        {},
        {**good, "x": 1},
    ):
        with pytest.raises(ValidationError):
            document().require_answer("GET", "/v1/cameras", 429, wrong)
    with pytest.raises(AssertionError):
        document().require_answer("GET", "/v1/cameras", 201, {"cameras": []})
