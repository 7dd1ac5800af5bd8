"""The operations of the dialect: their paths and views, who calls them, and answers to errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from chalice.app import Response
from msgspec import Struct

from chalicelib import telemetry
from chalicelib.api import http
from chalicelib.api.base64_text import clean_form_value, parse_base64
from chalicelib.api.credentials import (
    NOBODY,
    Head,
    KeyCredential,
    find_by_service_key,
    parse_form_value,
)
from chalicelib.api.forms import Form, read_sent_form
from chalicelib.api.http import (
    Failure,
    HttpRequest,
    Part,
    Provide,
    Refused,
    Views,
    Wording,
    answer_request,
    describe_error,
    enter_book,
    make_json_response,
)
from chalicelib.api.service_keys import Holder, find_holder, use_key
from chalicelib.api.sites import is_of_another_site, is_own_host, list_own_names
from chalicelib.auth.addresses import FORWARDING, is_in_networks
from chalicelib.auth.roles import ApiKey
from chalicelib.domain import errors
from chalicelib.domain.audit_events import report_people
from chalicelib.domain.errors import TenantNotFound, Unusable
from chalicelib.domain.model import Group, Tenant
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, PictureRules
from chalicelib.domain.rules.recognised import (
    DescribedFace,
    DescribedPicture,
    PictureOptions,
    SeenPicture,
)
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.version import VERSION
from regulars_dialects.deepstack import DIALECT, PREFIX, SERVICE, KeylessClients
from regulars_dialects.face_sets import subjects_of
from regulars_dialects.records import report_users

NO_FACE = "no face detected"
NO_IMAGE = "No valid image file found"
_TABLE = {
    error: Wording(status, status)
    for error, status in {**http.STATUSES, errors.LimitReached: 400}.items()
}
"""Errors as HTTP statuses, by which the answer's `code` goes, too; a used-up limit is a bad
request."""


def translate_error(error: Exception) -> Failure:
    """Translate an error."""
    if isinstance(error, Unusable):
        return Failure(
            0, NO_FACE if error.breaks == "no face" else f"invalid image: {describe_error(error)}"
        )
    return http.translate_error(_TABLE, error)


def make_response(failure: Failure) -> Response:
    body = {"success": False, "error": failure.text, "code": failure.status}
    return make_json_response(body, failure.status, failure.headers)


def answer_error(error: Exception) -> tuple[int, Response]:
    failure = translate_error(error)
    return failure.status, make_response(failure)


class DeepStackContext(Struct, frozen=True):
    """Argument of a view: the services, the tenant whose key was sent, the key and its group, and
    what was sent.

    `values`: of the form's fields, by their names. `uploads`: its files.
    """

    services: Services
    tenant: Tenant
    key: ApiKey
    group: Group
    values: Mapping[str, str]
    uploads: Sequence[Part]

    def parse_userid(self) -> str:
        """Return the name that was sent. Raises Failure."""
        name = self.values.get("userid", "")
        if not name.strip():
            raise Failure(0, "userid not specified")
        return name

    def parse_image(self) -> bytes:
        """Return the picture that was sent. Raises Failure."""
        image = next((part.data for part in self.uploads if part.name == "image"), None)
        if image is None:
            raise Failure(0, NO_IMAGE)
        return image

    def parse_least_confidence(self, default: float) -> float:
        """Return `min_confidence`. Raises Failure."""
        text = self.values.get("min_confidence") or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise Failure(0, "Invalid value for min_confidence")
        if value > 1:
            raise Failure(0, "min_confidence cannot be greater than 1")
        return value


Body = dict[str, Any]

RULES = PictureRules(
    formats=frozenset({"JPEG", "PNG", "BMP", "WEBP", "GIF"}),
    max_bytes=10 * 2**20,
    max_long_side_px=8_192,
    max_short_side_px=8_192,
)
REGISTER_TIME = timedelta(seconds=10)
"""How long a call begins with photos. A tenant whose calls all take a minute looks like a server
that stands still."""
LEAST_DETECTED, LEAST_NAMED = 0.55, 0.5
"""The least confidence if none is sent: of DeepStack's detector; and of a name, for which no less
counts."""


def detect(context: DeepStackContext) -> Body:
    image, min_score = context.parse_image(), context.parse_least_confidence(LEAST_DETECTED)
    picture = _look_at_picture(context, image, embeds=False)
    faces = [face for face in picture.described.faces if face.detected.score >= min_score]
    return {
        "predictions": [
            {"confidence": round(face.detected.score, 5), **_describe_box(face, picture.described)}
            for face in faces
        ]
    }


def register(context: DeepStackContext) -> Body:
    """Enrol a person by the pictures of all files in the request.

    The answer's `refused` has a line for each picture that was not enrolled. Such a picture shows
    no clear face, or several, or REGISTER_TIME was over before it. `looks_like` is the name of
    somebody else whom a picture looks like. `looks_unlike` has each picture that looks unlike the
    person's others. Raises Failure if no name or no picture was sent.
    Raises the error of the first picture if all are refused.
    """
    name = context.parse_userid()
    subjects = subjects_of(context.services)
    clock = context.services.clock
    if not context.uploads:
        raise Failure(0, NO_IMAGE)
    is_known = subjects.find(context.tenant, context.group, name, matches_case=True) is not None
    errors_by_field: list[tuple[str, errors.RegularsError]] = []
    looks_like, looks_unlike = "", []
    ends_at = clock.now() + REGISTER_TIME
    for upload in context.uploads:
        if clock.now() > ends_at:
            no_time_left = errors.Busy(
                "the photos before it took all the time of this call: send it again"
            )
            errors_by_field.append((upload.name, no_time_left))
            continue
        try:
            enrolled = subjects.enrol_photo(
                context.tenant, context.group, name, upload.data, RULES, 0.0, matches_case=True
            )
            looks_like = looks_like or enrolled.like
            looks_unlike += [upload.name] if enrolled.is_unlike else []
        except Unusable as error:
            errors_by_field.append((upload.name, error))
    if len(errors_by_field) == len(context.uploads):
        _, first_error = errors_by_field[0]
        raise first_error
    refused = [f"{field}: {translate_error(error).text}" for field, error in errors_by_field]
    return {
        "message": "face updated" if is_known else "face added",
        **({"looks_like": looks_like} if looks_like else {}),
        **({"looks_unlike": looks_unlike} if looks_unlike else {}),
        **({"refused": refused} if refused else {}),
    }


def recognize(context: DeepStackContext) -> Body:
    """Match each face of the picture: the nearest person of the group, or "unknown" if none is near
    enough.

    `min_confidence` can only raise the least closeness that gets a name (LEAST_NAMED).
    """
    image = context.parse_image()
    min_closeness = max(LEAST_NAMED, context.parse_least_confidence(LEAST_NAMED))
    picture = _look_at_picture(context, image, embeds=True)
    faces = picture.described.faces
    if not faces:
        return {"predictions": []}
    found_nearest = subjects_of(context.services).find_nearest(
        context.tenant, context.group, picture.embeddings, faces, 1
    )
    predictions = []
    for face, (near, _) in zip(faces, found_nearest, strict=True):
        nearest = near[0] if near and near[0].closeness >= min_closeness else None
        if nearest is None:
            answer: Body = {"confidence": 0, "userid": "unknown"}
        else:
            report_people(nearest.faceids)
            answer = {"confidence": round(nearest.closeness, 5), "userid": nearest.name}
        predictions.append({**answer, **_describe_box(face, picture.described)})
    return {"predictions": predictions}


def match(context: DeepStackContext) -> Body:
    if not context.uploads:
        raise Failure(0, NO_IMAGE)
    if len(context.uploads) != 2:
        few = "expected two image files, only one found"
        raise Failure(0, few if len(context.uploads) == 1 else "only two images allowed")
    picture, other = (
        _keep_largest_face(_look_at_picture(context, upload.data, embeds=True))
        for upload in context.uploads
    )
    (closeness,) = subjects_of(context.services).compare_pictures(context.tenant, picture, other)
    return {"similarity": round(closeness, 5)}


def list_names(context: DeepStackContext) -> Body:
    subjects = subjects_of(context.services).list_all(context.tenant, context.group)
    report_users(subjects)
    return {"faces": [user.name for user in subjects]}


def delete(context: DeepStackContext) -> None:
    """Delete a name with its faces; one that is not there is gone already."""
    subjects = subjects_of(context.services)
    if (
        subject := subjects.find(
            context.tenant, context.group, context.parse_userid(), matches_case=True
        )
    ) is not None:
        subjects.delete(context.tenant, context.group, [subject], context.key.id)


def _look_at_picture(context: DeepStackContext, image: bytes, *, embeds: bool) -> SeenPicture:
    analysis = context.services.recognition.face_analysis
    options = PictureOptions(embeds=embeds, poses=False, checks_liveness=embeds)
    return analysis.describe_picture(context.tenant, image, RULES, options)


def _keep_largest_face(seen_picture: SeenPicture) -> SeenPicture:
    if not seen_picture.described.faces:
        raise Failure(0, NO_FACE)
    largest = seen_picture.described.faces[0]
    return seen_picture.leave_out(lambda face: face is not largest)


def _describe_box(face: DescribedFace, picture: DescribedPicture) -> Body:
    box = face.detected.box
    return {
        "y_min": max(round(box.y), 0),
        "x_min": max(round(box.x), 0),
        "y_max": min(round(box.y + box.height), picture.height),
        "x_max": min(round(box.x + box.width), picture.width),
    }


class DeepStackOperation(Struct, frozen=True):
    """An operation, by its path and its view."""

    path: str
    view: Callable[[DeepStackContext], Body | None]

    @property
    def act(self) -> str:
        """Its name among the dialect's acts."""
        return self.view.__name__

    @property
    def name(self) -> str:
        """Its name in the audit and in the log."""
        return f"{DIALECT.name} {self.act}"

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer a request. Raises WrongModel once, and Refused."""
        return answer_request(
            request,
            lambda: make_json_response(self._run_view(provide(), request)),
            answer_error,
            self.name,
        )

    def _run_view(self, services: Services, request: HttpRequest) -> dict[str, Any]:
        """Authenticate the form and answer by the view.

        If pictures were sent, the answer has their times.
        """
        most_bytes = request.limit_bytes(MAX_PICTURE_BYTES)
        form = read_sent_form(request, most_bytes) if request.read_body(most_bytes) else Form()
        values = dict(reversed(form.fields))
        uploads = (*form.uploads, *_parse_base64_pictures(form))
        holder = authenticate(services, request, values.get("api_key", ""), self.act)
        act = DIALECT.make_act(self.act, f"key {holder.key.id}", holder.tenant)
        enter_book(request.headers, holder.tenant, act.by)
        began = time.perf_counter()
        with services.audit.reads.enter_act(act), telemetry.collect_stages() as stages:
            answer = {
                "success": True,
                **(self.view(DeepStackContext(services, *holder, values, uploads)) or {}),
            }
        return {**answer, **_describe_times(stages, began)} if uploads else answer


OPERATIONS = tuple(
    DeepStackOperation(f"{PREFIX}face{path}", view)
    for path, view in (
        ("", detect),
        ("/register", register),
        ("/recognize", recognize),
        ("/list", list_names),
        ("/delete", delete),
        ("/match", match),
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
"""Questions of CodeProject.AI's clients before the first face: is there a server, which, and what
can it do? No key is needed."""


def _parse_base64_pictures(form: Form) -> Iterator[Part]:
    """Yield the picture among the fields: `image` in base64, of a client that sends no file.

    Raises Failure.
    """
    for name, value in form.fields:
        if name == "image" and value:
            try:
                yield Part(
                    name=name,
                    filename=None,
                    media_type="",
                    charset="",
                    data=parse_base64(clean_form_value(value)),
                )
            except ValueError:
                raise Failure(0, NO_IMAGE) from None


def _describe_times(stages: Mapping[str, float], began: float) -> Mapping[str, int]:
    """Return how long a picture took, in ms, as clients read it."""
    whole = math.ceil((time.perf_counter() - began) * 1000)
    models = math.ceil(sum(stages.get(name, 0) for name in ("detect", "embed", "quality")))
    return {"inferenceMs": models, "processMs": whole, "analysisRoundTripMs": whole}


def _answer_status(_provide: Provide, _request: HttpRequest) -> Response:
    """Answer that the server is there, with its version and its one module."""
    major, minor, patch = map(int, VERSION.split("."))
    version = {
        "major": major,
        "minor": minor,
        "patch": patch,
        "preRelease": "",
        "securityUpdate": False,
        "build": 0,
    }
    version_members = {
        "version": version,
        "current": version,
        "latest": version,
        "updateAvailable": False,
    }
    module = {
        "moduleId": "FaceProcessing",
        "name": "Face Processing",
        "version": VERSION,
        "status": "Started",
    }
    return make_json_response(
        {"success": True, "message": VERSION, "statuses": [module], **version_members}
    )


def authenticate(services: Services, request: HttpRequest, secret: str, act: str) -> Holder:
    """Return the holder of the request's key or, without one, the tenant of the address that it
    comes from.

    `act`: the operation's name among the dialect's acts. Raises Failure, TooManyRequests.
    """
    if secret:
        holder = find_holder(services, DIALECT, SERVICE, secret, act)
    else:
        holder = _find_keyless_holder(
            services,
            find_tenant_of_keyless_client(services.settings, request.address, request.headers),
            act,
        )
    if holder is None:
        raise Failure(0, "Incorrect api key", 401)
    return holder


def find_tenant_of_keyless_client(
    settings: Settings, address: str, headers: Mapping[str, str]
) -> str | None:
    """Return the tenant whose calls without a key come from this address; None: none is set for
    this address.

    The address must be the caller's own. So Failure is raised if the call came through an unnamed
    proxy, from a page of another site, or to a host name that is not this machine's.
    """
    keyless = settings.get_dialect_settings(DIALECT.name, KeylessClients)
    if not is_in_networks(address, keyless.networks):
        return None
    if any(name in headers for name in FORWARDING):
        raise Failure(
            0,
            "Incorrect api key: a proxy that `trusted_proxies` does not name sent this without one",
            401,
        )
    if is_of_another_site(headers, settings.public_url):
        raise Failure(0, "Incorrect api key: another site's page sent this without one", 401)
    if not is_own_host(headers.get("host", ""), list_own_names(settings.public_url)):
        raise Failure(
            0, "Incorrect api key: without one, call this machine by its address or its name", 401
        )
    return keyless.tenant


def _find_keyless_holder(services: Services, name: str | None, act: str) -> Holder | None:
    """Return what the oldest key for this service reaches that the tenant has."""
    if name is None:
        return None
    try:
        tenant = services.tenants.get_by_name(name)
    except TenantNotFound:
        return None
    now, keys = services.clock.now(), services.access.keys.list_all(tenant)
    own_key = next(
        (key for key in keys if key.service == SERVICE and not key.is_expired(now)), None
    )
    return None if own_key is None else use_key(services, DIALECT, tenant, own_key, act)


def parse_credential(settings: Settings, request: Head) -> KeyCredential:
    """Read the key in a form or, without one, whose calls from this address are.

    A question of status needs none.
    """
    if not request.path.startswith(PREFIX):
        return NOBODY
    try:
        tenant = find_tenant_of_keyless_client(settings, request.client, request.headers)
    except Failure:
        tenant = None
    return KeyCredential(
        find_by_service_key, parse_form_value(b"api_key", request.body), tenant, in_body=True
    )


VIEWS = Views(
    answer_error=lambda error, _: answer_error(error)[1],
    unknown_path="There is no such path here: docs/deepstack.md names those that are.",
    body_too_long=Refused(413, "The body is larger than 20 MiB."),
    parse_credential=parse_credential,
    max_bytes_by_route={("POST", one.path): MAX_PICTURE_BYTES for one in OPERATIONS},
    answers_by_path={one.path: {"POST": one.answer} for one in OPERATIONS}
    | {path: {"GET": _answer_status} for path in STATUS_PATHS},
    answer_refusal=make_response,
)
