"""The operations by their paths, and their views: detection, verification, subjects, their
examples, recognition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalice.app import Response

from chalicelib.api.credentials import Head, KeyCredential, find_by_service_key
from chalicelib.api.http import Failure, HttpRequest, Provide, Refused, Views, make_search_headers
from chalicelib.api.service_keys import find_holder
from chalicelib.domain.audit_events import report_people, report_picture
from chalicelib.domain.errors import PictureNotFound, StorageUnavailable
from chalicelib.domain.rules.hold import require_free
from chalicelib.domain.rules.recognised import DescribedFace
from chalicelib.services import Services
from chalicelib.version import VERSION
from regulars_dialects.compreface import DIALECT, PREFIX
from regulars_dialects.compreface.details import (
    Body,
    compute_least_score,
    keep_only_face,
    look_at_picture,
    translate_unusable,
)
from regulars_dialects.compreface.operation import (
    CompreFaceContext,
    CompreFaceOperation,
    answer_error,
    answer_preflight,
    make_response,
)
from regulars_dialects.compreface.requests import (
    LARGEST_FILE_BYTES,
    NO_SUBJECT_NAME,
    ONE_BOX_BODY_BYTES,
    PLUGINS,
    RULES,
    parse_image_id,
    parse_name_in_path,
)
from regulars_dialects.face_sets import subjects_of
from regulars_dialects.records import User, UserNotFound, report_users

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.settings import Settings
    from regulars_dialects.subjects import Example

_ZERO_LENGTH = 1e-12
"""Length below which a vector counts as zero: it has no direction."""
_MOST_NAMED = 100
"""Most subjects of which a search says how close they are."""


def detect(context: CompreFaceContext) -> Body:
    photo = context.sent.read_picture()
    looked_at = look_at_picture(context, photo, embeds=False)
    return {
        "result": [
            looked_at.describe_face(number) for number in range(len(looked_at.seen.described.faces))
        ],
        **looked_at.describe_versions(context),
    }


def verify(context: CompreFaceContext) -> Body:
    """Compare the only face of the source picture with each face of the target picture."""
    photos = context.sent.read_picture("source_image"), context.sent.read_picture("target_image")
    source, target = (look_at_picture(context, photo, embeds=True, live=True) for photo in photos)
    source = keep_only_face(source)
    closeness = subjects_of(context.services).compare_pictures(
        context.tenant, source.seen, target.seen
    )
    matches = [
        target.describe_face(number, similarity=value) for number, value in enumerate(closeness)
    ]
    return {
        "result": [
            {
                "source_image_face": source.describe_face(0),
                "face_matches": matches,
                **source.describe_versions(context),
            }
        ]
    }


def verify_embeddings(context: CompreFaceContext) -> Body:
    """Compare embeddings with an example, if the path has the example's id; else with an embedding
    that was sent."""
    if "id" in context.request.parameters:
        targets = context.sent.read_vectors("embeddings")
        id_ = parse_image_id(context.request.parameters["id"])
        normalize_vectors(context, targets)  # what is wrong with them is said first
        example = _find_example(context, id_, "Image Id is incorrect")
        report_people([example.face.faceid])
        return {
            "result": compare_embeddings(
                context,
                subjects_of(context.services).template_of(context.tenant, example.picture),
                targets,
            )
        }
    source, targets = context.sent.read_vectors("source"), context.sent.read_vectors("targets")
    (vector,) = normalize_vectors(context, [source])
    return {"result": compare_embeddings(context, vector, targets)}


def show_config(_services: Services, request: HttpRequest) -> Body:
    file, body = request.limit_bytes(LARGEST_FILE_BYTES), request.limit_bytes(ONE_BOX_BODY_BYTES)
    return {"clientMaxFileSize": file, "clientMaxBodySize": body}


def show_consistence(services: Services, _request: HttpRequest) -> Body:
    if not services.readiness.check().is_ready:
        raise StorageUnavailable("the service is not ready")
    flags = {
        "demoFaceCollectionIsInconsistent": False,
        "dbIsInconsistent": False,
        "saveImagesToDB": True,
    }
    return {**flags, "status": "OK"}


def show_health(_services: Services, _request: HttpRequest) -> Body:
    return {"status": "OK"}


def show_status(services: Services, _request: HttpRequest) -> Body:
    vision = services.ports.vision()
    versions = {"build_version": VERSION, "calculator_version": vision.model}
    return {"status": "OK", **versions, "available_plugins": dict.fromkeys(PLUGINS, vision.pack)}


def compare_embeddings(
    context: CompreFaceContext, template: NDArray[np.float32], embeddings: list[Any]
) -> list[Body]:
    """Return each embedding as it was sent, with its closeness to a face, the closest first.

    `template`: the face's.
    """
    closeness = subjects_of(context.services).rate_closeness_to_each(
        context.tenant, template, normalize_vectors(context, embeddings), [None] * len(embeddings)
    )
    bodies = [
        {"embedding": each, "similarity": value}
        for each, value in zip(embeddings, closeness, strict=True)
    ]
    return sorted(bodies, key=lambda body: -body["similarity"])


def normalize_vectors(context: CompreFaceContext, embeddings: Sequence[Any]) -> NDArray[np.float32]:
    """Return embeddings that were sent, scaled to length 1, as an array of (embeddings,
    dimensions).

    Raises Failure if one is no list of numbers, or has more or fewer numbers than the model's. It
    also raises Failure if one has no direction, since a number is not finite, or all are 0.
    """
    import numpy as np

    length = context.services.tenant_vision.choose_vision(context.tenant.model).dimensions
    for embedding in embeddings:
        if not isinstance(embedding, list) or not all(
            type(value) in (int, float) for value in embedding
        ):
            raise Failure(0, "An embedding is a list of numbers")
        if len(embedding) != length:
            raise Failure(
                36,
                f"This embedding has {len(embedding)} numbers, and those of the model here have "
                f"{length}",
            )
    try:
        vectors = np.asarray(embeddings, dtype=np.float64)
        # so that no square of a number overflows
        vectors /= max(float(np.abs(vectors).max()), _ZERO_LENGTH)
    except OverflowError:
        raise Failure(36, "An embedding's numbers are finite") from None
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms < _ZERO_LENGTH).any():
        raise Failure(36, f"An embedding is {length} finite numbers, and not all of them are 0")
    return np.asarray(vectors / norms, dtype=np.float32)


def list_subjects(context: CompreFaceContext) -> Body:
    subjects = subjects_of(context.services).list_all(context.tenant, context.group)
    report_users(subjects)
    return {"subjects": [user.name for user in subjects]}


def add_subject(context: CompreFaceContext) -> Body:
    return {
        "subject": subjects_of(context.services)
        .add(context.tenant, context.group, context.sent.parse_new_name())
        .name
    }


def rename_subject(context: CompreFaceContext) -> Body:
    name, new = parse_name_in_path(context.request), context.sent.parse_new_name()
    if name == new:
        return {"updated": False}
    _find_subject(context, name)  # raises if there is none
    subjects_of(context.services).rename(context.tenant, context.group, name, new)
    return {"updated": True}


def delete_subject(context: CompreFaceContext) -> Body:
    subject = _find_subject(context, parse_name_in_path(context.request))
    subjects_of(context.services).delete(context.tenant, context.group, [subject], context.key.id)
    return {"subject": subject.name}


def delete_subjects(context: CompreFaceContext) -> Body:
    subjects = subjects_of(context.services).list_all(context.tenant, context.group)
    subjects_of(context.services).delete(context.tenant, context.group, subjects, context.key.id)
    return {"deleted": len(subjects)}


def list_examples(context: CompreFaceContext) -> Body:
    """List a page of the examples of one subject, or of all, oldest first."""
    subjects = _find_subjects(context, context.sent.text("subject"))
    examples = subjects_of(context.services).list_examples(context.tenant, context.group, subjects)
    oldest_first = sorted(examples, key=lambda each: (each.picture.added_at, each.id))
    page, size = context.sent.read_page()
    return {
        "faces": [
            _describe_example(each) for each in oldest_first[page * size : (page + 1) * size]
        ],
        "page_number": page,
        "page_size": size,
        "total_pages": -(-len(oldest_first) // size),
        "total_elements": len(oldest_first),
    }


def add_example(context: CompreFaceContext) -> Body:
    name, photo = context.sent.parse_subject(), context.sent.read_picture()
    least_score = compute_least_score(context.options.threshold)
    with translate_unusable(photo):
        added = subjects_of(context.services).enrol_photo(
            context.tenant, context.group, name, photo.data, RULES, least_score
        )
    if added.like:
        context.response_headers["X-Regulars-Looks-Like"] = quote(added.like)
    if added.is_unlike:
        context.response_headers["X-Regulars-Looks-Unlike"] = "the other examples"
    return {"image_id": added.id, "subject": added.subject}


def delete_examples_of_subject(context: CompreFaceContext) -> Body:
    name = context.sent.values.get("subject")
    if name is not None and not name.strip():
        raise Failure(26, NO_SUBJECT_NAME)
    return {
        "deleted": subjects_of(context.services).delete(
            context.tenant, context.group, _find_subjects(context, name), context.key.id
        )
    }


def _find_subjects(context: CompreFaceContext, name: str | None) -> list[User]:
    """Return the subject of a name, if there is one; None: all of them."""
    if name is None:
        return subjects_of(context.services).list_all(context.tenant, context.group)
    user = subjects_of(context.services).find(context.tenant, context.group, name)
    return [user] if user else []


def delete_example(context: CompreFaceContext) -> Body:
    id_ = parse_image_id(context.request.parameters["id"])
    example = _find_example(context, id_, f"Image {id_} not found")
    subjects_of(context.services).remove_example(context.tenant, example, context.key.id)
    return _describe_example(example)


def delete_examples(context: CompreFaceContext) -> list[Body]:
    """Delete examples by their ids: none of them if the face of one is held.

    Ids of no example are left out.
    """
    subjects = subjects_of(context.services)
    examples: list[Example] = []
    deleted: list[Body] = []
    for id_ in dict.fromkeys(text.lower() for text in context.sent.read_ids()):
        with suppress(PictureNotFound):
            examples.append(subjects.get_example(context.tenant, context.group, id_))
    require_free(example.face for example in examples)
    for example in examples:
        with suppress(PictureNotFound):
            subjects.remove_example(context.tenant, example, context.key.id)
            deleted.append(_describe_example(example))
    return deleted


def show_example(context: CompreFaceContext) -> Response:
    return _show_picture(context, parse_image_id(context.request.parameters["id"]))


def show_static(services: Services, request: HttpRequest) -> Response:
    """Show a picture by the key in the path: what is not there, or not this key's, has no bytes."""
    id_ = parse_image_id(request.parameters["id"])
    holder = find_holder(
        services, DIALECT, "recognition", request.parameters["key"], show_example.__name__
    )
    if holder is None:
        return _answer_picture(b"")
    context = CompreFaceContext(services, request, *holder)
    with services.audit.reads.enter_act(context.make_act(show_example.__name__)):
        return _show_picture(context, id_)


def recognize(context: CompreFaceContext) -> Body:
    photo = context.sent.read_picture()
    looked_at = look_at_picture(
        context, photo, embeds=True, live=True, cropped=not context.options.detects
    )
    subjects_by_face = _find_nearest(
        context, looked_at.seen.embeddings, looked_at.seen.described.faces
    )
    results = [
        looked_at.describe_face(number, subjects=subjects)
        for number, subjects in enumerate(subjects_by_face)
    ]
    return {"result": results, **looked_at.describe_versions(context)}


def verify_example(context: CompreFaceContext) -> Body:
    """Compare the faces of a picture with those of one example."""
    photo, id_ = context.sent.read_picture(), parse_image_id(context.request.parameters["id"])
    context.options  # noqa: B018 -- what is wrong with the values comes before what is not there
    photo.data  # noqa: B018 -- read here, so that a picture that is none comes before it, too
    example = _find_example(context, id_, "Image Id is incorrect")
    report_people([example.face.faceid])
    example_template = subjects_of(context.services).template_of(context.tenant, example.picture)
    looked_at = look_at_picture(context, photo, embeds=True, live=True)
    faces, quality = looked_at.seen.described.faces, example.picture.estimates.quality
    closeness = subjects_of(context.services).rate_closeness_to_each(
        context.tenant, example_template, looked_at.seen.embeddings, faces, quality
    )
    results = [
        looked_at.describe_face(number, subject=example.subject, similarity=value)
        for number, value in enumerate(closeness)
    ]
    return {"result": results, **looked_at.describe_versions(context)}


def recognize_embeddings(context: CompreFaceContext) -> Body:
    vectors = context.sent.read_vectors("embeddings")
    subjects_by_embedding = _find_nearest(
        context, normalize_vectors(context, vectors), [None] * len(vectors)
    )
    return {
        "result": [
            {"embedding": embedding, "similarities": each}
            for embedding, each in zip(vectors, subjects_by_embedding, strict=True)
        ]
    }


def _find_nearest(
    context: CompreFaceContext,
    probes: NDArray[np.float32],
    described_faces: Sequence[DescribedFace | None],
) -> list[list[Body]]:
    """Return the candidates for each probe.

    `described_faces`: its face; None: a vector was sent.
    """
    nearest = subjects_of(context.services).find_nearest(
        context.tenant,
        context.group,
        probes,
        described_faces,
        min(context.options.count, _MOST_NAMED),
    )
    context.response_headers.update(
        make_search_headers([of_probe.decision for of_probe in nearest])
    )
    report_people(
        faceid for of_probe in nearest for near in of_probe.near for faceid in near.faceids
    )
    return [
        [{"subject": near.name, "similarity": near.closeness} for near in of_probe.near]
        for of_probe in nearest
    ]


def _find_subject(context: CompreFaceContext, name: str) -> User:
    try:
        return subjects_of(context.services).get(context.tenant, context.group, name)
    except UserNotFound:
        raise Failure(42, f"Subject {name} not found", 404) from None


def _find_example(context: CompreFaceContext, id_: str, absence_text: str) -> Example:
    try:
        return subjects_of(context.services).get_example(context.tenant, context.group, id_)
    except PictureNotFound:
        raise Failure(44, absence_text, 404) from None


def _describe_example(example: Example) -> Body:
    report_people([example.face.faceid])
    return {"image_id": example.id, "subject": example.subject}


def _show_picture(context: CompreFaceContext, id_: str) -> Response:
    try:
        example = subjects_of(context.services).get_example(context.tenant, context.group, id_)
    except PictureNotFound:
        return _answer_picture(b"")
    jpeg = (
        context.services.face_pictures.load_jpeg(example.picture) if context.key.pictures else None
    )
    if jpeg:
        report_picture(example.face.faceid)
    return _answer_picture(jpeg or b"")


def _answer_picture(jpeg: bytes) -> Response:
    return Response(
        jpeg, {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400"}, 200
    )


_RECOGNITION = f"{PREFIX}recognition"
_NAMED = tuple(
    f"{_RECOGNITION}/subjects/{name}"
    for name in ("{name}", "{name}/{second}", "{name}/{second}/{third}")
)
"""A name may have slashes, which are escaped or not."""

OPERATIONS = (
    CompreFaceOperation("GET", f"{_RECOGNITION}/subjects", list_subjects),
    CompreFaceOperation("POST", f"{_RECOGNITION}/subjects", add_subject, status=201),
    CompreFaceOperation("DELETE", f"{_RECOGNITION}/subjects", delete_subjects),
    *(CompreFaceOperation("PUT", path, rename_subject) for path in _NAMED),
    *(CompreFaceOperation("DELETE", path, delete_subject) for path in _NAMED),
    CompreFaceOperation("GET", f"{_RECOGNITION}/faces", list_examples),
    CompreFaceOperation("POST", f"{_RECOGNITION}/faces", add_example, status=201),
    CompreFaceOperation("DELETE", f"{_RECOGNITION}/faces", delete_examples_of_subject),
    CompreFaceOperation("POST", f"{_RECOGNITION}/faces/delete", delete_examples),
    CompreFaceOperation("DELETE", f"{_RECOGNITION}/faces/{{id}}", delete_example),
    CompreFaceOperation("GET", f"{_RECOGNITION}/faces/{{id}}/img", show_example),
    CompreFaceOperation("GET", f"{PREFIX}static/{{key}}/images/{{id}}", show_static, service=""),
    CompreFaceOperation("POST", f"{_RECOGNITION}/faces/{{id}}/verify", verify_example),
    CompreFaceOperation("POST", f"{_RECOGNITION}/recognize", recognize),
    CompreFaceOperation("POST", f"{_RECOGNITION}/embeddings/recognize", recognize_embeddings),
    CompreFaceOperation(
        "POST", f"{_RECOGNITION}/embeddings/faces/{{id}}/verify", verify_embeddings
    ),
    CompreFaceOperation("POST", f"{PREFIX}verification/verify", verify, "verification"),
    CompreFaceOperation(
        "POST", f"{PREFIX}verification/embeddings/verify", verify_embeddings, "verification"
    ),
    CompreFaceOperation("POST", f"{PREFIX}detection/detect", detect, "detection"),
    CompreFaceOperation("GET", f"{PREFIX}consistence/status", show_consistence, service=""),
    CompreFaceOperation("GET", f"{PREFIX}config", show_config, service=""),
    CompreFaceOperation("GET", "/core/healthcheck", show_health, service=""),
    CompreFaceOperation("GET", "/core/status", show_status, service=""),
)


_BY_PATH: dict[str, dict[str, Callable[[Provide, HttpRequest], Response]]] = {}
for _one in OPERATIONS:
    _BY_PATH.setdefault(_one.path, {"OPTIONS": answer_preflight})[_one.method] = _one.answer


def parse_credential(_settings: Settings, request: Head) -> KeyCredential:
    """Read the key of a request."""
    return KeyCredential(find_by_service_key, request.headers.get("x-api-key", ""))


VIEWS = Views(
    answer_error=lambda error, _: answer_error(error)[1],
    unknown_path="There is no such path here: docs/compreface.md names those that are.",
    body_too_long=Refused(413, "The body is larger than 10 MiB, or a file than 5 MiB."),
    parse_credential=parse_credential,
    max_bytes_by_route={
        (one.method, one.path): ONE_BOX_BODY_BYTES for one in OPERATIONS if one.method == "POST"
    },
    answers_by_path=_BY_PATH,
    answer_refusal=make_response,
)
