"""The operations by their paths, and their views: detection, verification, subjects, their examples, recognition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalice.app import Response

from chalicelib.book.rules.hold import require_free
from chalicelib.book.rules.recognised import DescribedFace
from chalicelib.book.rules.templates import User
from chalicelib.book.words.acts import report_people, report_picture, report_users
from chalicelib.book.words.errors import PictureNotFound, StorageUnavailable, UserNotFound
from chalicelib.book.words.version import VERSION
from chalicelib.doors.claims import Head, KeyClaim, find_by_service_key
from chalicelib.doors.compreface import DIALECT, PREFIX
from chalicelib.doors.compreface.details import (
    Body,
    compute_least_score,
    keep_only_face,
    look_at_picture,
    translate_unusable,
)
from chalicelib.doors.compreface.operation import Call, Operation, answer_error, answer_preflight, make_response
from chalicelib.doors.compreface.requests import (
    LARGEST_FILE_BYTES,
    NO_SUBJECT_NAME,
    ONE_BOX_BODY_BYTES,
    PLUGINS,
    RULES,
    read_image_id,
    read_name_in_path,
)
from chalicelib.doors.http import Failure, HttpRequest, Provide, Refused, Views, make_search_headers
from chalicelib.doors.service_keys import find_holder
from chalicelib.services import Services

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.subjects import Example
    from chalicelib.settings import Settings

_ZERO_LENGTH = 1e-12
"""Length below which a vector counts as zero: it has no direction."""
_MOST_NAMED = 100
"""Most subjects of which a search says how close they are."""


def detect(call: Call) -> Body:
    photo = call.sent.read_picture()
    looked_at = look_at_picture(call, photo, embeds=False)
    return {
        "result": [looked_at.describe_face(number) for number in range(len(looked_at.seen.described.faces))],
        **looked_at.describe_versions(call),
    }


def verify(call: Call) -> Body:
    """Compare the only face of the source picture with each face of the target picture."""
    photos = call.sent.read_picture("source_image"), call.sent.read_picture("target_image")
    source, target = (look_at_picture(call, photo, embeds=True, live=True) for photo in photos)
    source = keep_only_face(source)
    closeness = call.services.subjects.compare_pictures(call.tenant, source.seen, target.seen)
    matches = [target.describe_face(number, similarity=value) for number, value in enumerate(closeness)]
    return {
        "result": [
            {"source_image_face": source.describe_face(0), "face_matches": matches, **source.describe_versions(call)}
        ]
    }


def verify_embeddings(call: Call) -> Body:
    """Compare embeddings with one that was sent or, in a recognition service, with an example."""
    if "id" in call.request.parameters:
        targets, id_ = call.sent.read_vectors("embeddings"), read_image_id(call.request.parameters["id"])
        normalize_vectors(call, targets)  # what is wrong with them is said first
        example = _find_example(call, id_, "Image Id is incorrect")
        report_people([example.face.faceid])
        return {
            "result": compare_embeddings(
                call, call.services.subjects.template_of(call.tenant, example.picture), targets
            )
        }
    source, targets = call.sent.read_vectors("source"), call.sent.read_vectors("targets")
    (vector,) = normalize_vectors(call, [source])
    return {"result": compare_embeddings(call, vector, targets)}


def show_config(_services: Services, request: HttpRequest) -> Body:
    file, body = request.limit_bytes(LARGEST_FILE_BYTES), request.limit_bytes(ONE_BOX_BODY_BYTES)
    return {"clientMaxFileSize": file, "clientMaxBodySize": body}


def show_consistence(services: Services, _request: HttpRequest) -> Body:
    if not services.readiness.check().is_ready:
        raise StorageUnavailable("the service is not ready")
    flags = {"demoFaceCollectionIsInconsistent": False, "dbIsInconsistent": False, "saveImagesToDB": True}
    return {**flags, "status": "OK"}


def show_health(_services: Services, _request: HttpRequest) -> Body:
    return {"status": "OK"}


def show_status(services: Services, _request: HttpRequest) -> Body:
    vision = services.ports.vision()
    versions = {"build_version": VERSION, "calculator_version": vision.model}
    return {"status": "OK", **versions, "available_plugins": dict.fromkeys(PLUGINS, vision.pack)}


def compare_embeddings(call: Call, template: NDArray[np.float32], embeddings: list[Any]) -> list[Body]:
    """Return each embedding as it was sent, with its closeness to a face, the closest first.

    `template`: the face's.
    """
    closeness = call.services.subjects.rate_closeness_to_each(
        call.tenant, template, normalize_vectors(call, embeddings), [None] * len(embeddings)
    )
    bodies = [{"embedding": each, "similarity": value} for each, value in zip(embeddings, closeness, strict=True)]
    return sorted(bodies, key=lambda body: -body["similarity"])


def normalize_vectors(call: Call, embeddings: Sequence[Any]) -> NDArray[np.float32]:
    """Return embeddings that were sent as rows of length 1. Raises Failure."""
    import numpy as np

    length = call.services.tenant_vision.choose_vision(call.tenant.model).dimensions
    for embedding in embeddings:
        if not isinstance(embedding, list) or not all(type(value) in (int, float) for value in embedding):
            raise Failure(0, "An embedding is a list of numbers")
        if len(embedding) != length:
            raise Failure(36, f"This embedding has {len(embedding)} numbers, and those of the model here have {length}")
    try:
        rows = np.asarray(embeddings, dtype=np.float64)
        rows /= max(float(np.abs(rows).max()), _ZERO_LENGTH)  # so that no square of a number overflows
    except OverflowError:
        raise Failure(36, "An embedding's numbers are finite") from None
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms < _ZERO_LENGTH).any():
        raise Failure(36, f"An embedding is {length} finite numbers, and not all of them are 0")
    return np.asarray(rows / norms, dtype=np.float32)


def list_subjects(call: Call) -> Body:
    subjects = call.services.subjects.list_all(call.tenant, call.group)
    report_users(subjects)
    return {"subjects": [user.name for user in subjects]}


def add_subject(call: Call) -> Body:
    return {"subject": call.services.subjects.add(call.tenant, call.group, call.sent.read_new_name()).name}


def rename_subject(call: Call) -> Body:
    name, new = read_name_in_path(call.request), call.sent.read_new_name()
    if name == new:
        return {"updated": False}
    _find_subject(call, name)  # raises if there is none
    call.services.subjects.rename(call.tenant, call.group, name, new)
    return {"updated": True}


def delete_subject(call: Call) -> Body:
    subject = _find_subject(call, read_name_in_path(call.request))
    call.services.subjects.delete(call.tenant, call.group, [subject], call.key.id)
    return {"subject": subject.name}


def delete_subjects(call: Call) -> Body:
    subjects = call.services.subjects.list_all(call.tenant, call.group)
    call.services.subjects.delete(call.tenant, call.group, subjects, call.key.id)
    return {"deleted": len(subjects)}


def list_examples(call: Call) -> Body:
    """List a page of the examples of one subject, or of all, oldest first."""
    subjects = _find_subjects(call, call.sent.text("subject"))
    examples = call.services.subjects.list_examples(call.tenant, call.group, subjects)
    oldest_first = sorted(examples, key=lambda each: (each.picture.added_at, each.id))
    page, size = call.sent.read_page()
    return {
        "faces": [_describe_example(each) for each in oldest_first[page * size : (page + 1) * size]],
        "page_number": page,
        "page_size": size,
        "total_pages": -(-len(oldest_first) // size),
        "total_elements": len(oldest_first),
    }


def add_example(call: Call) -> Body:
    name, photo = call.sent.read_subject(), call.sent.read_picture()
    least_score = compute_least_score(call.options.threshold)
    with translate_unusable(photo):
        added = call.services.subjects.enrol_photo(call.tenant, call.group, name, photo.data, RULES, least_score)
    if added.like:
        call.headers["X-Regulars-Looks-Like"] = quote(added.like)
    return {"image_id": added.id, "subject": added.subject}


def delete_examples_of_subject(call: Call) -> Body:
    name = call.sent.values.get("subject")
    if name is not None and not name.strip():
        raise Failure(26, NO_SUBJECT_NAME)
    return {"deleted": call.services.subjects.delete(call.tenant, call.group, _find_subjects(call, name), call.key.id)}


def _find_subjects(call: Call, name: str | None) -> list[User]:
    """Return the subject of a name, if there is one; None: all of them."""
    if name is None:
        return call.services.subjects.list_all(call.tenant, call.group)
    user = call.services.subjects.find(call.tenant, call.group, name)
    return [user] if user else []


def delete_example(call: Call) -> Body:
    id_ = read_image_id(call.request.parameters["id"])
    example = _find_example(call, id_, f"Image {id_} not found")
    call.services.subjects.remove_example(call.tenant, example, call.key.id)
    return _describe_example(example)


def delete_examples(call: Call) -> list[Body]:
    """Delete examples by their ids: none of them if the face of one is held. Ids of no example are left out."""
    subjects = call.services.subjects
    examples: list[Example] = []
    deleted: list[Body] = []
    for id_ in dict.fromkeys(text.lower() for text in call.sent.read_ids()):
        with suppress(PictureNotFound):
            examples.append(subjects.get_example(call.tenant, call.group, id_))
    require_free(example.face for example in examples)
    for example in examples:
        with suppress(PictureNotFound):
            subjects.remove_example(call.tenant, example, call.key.id)
            deleted.append(_describe_example(example))
    return deleted


def show_example(call: Call) -> Response:
    return _show_picture(call, read_image_id(call.request.parameters["id"]))


def show_static(services: Services, request: HttpRequest) -> Response:
    """Show a picture by the key in the path: what is not there, or not this key's, has no bytes."""
    id_ = read_image_id(request.parameters["id"])
    holder = find_holder(services, DIALECT, "recognition", request.parameters["key"], show_example.__name__)
    if holder is None:
        return _answer_picture(b"")
    call = Call(services, request, *holder)
    with services.audit.reads.enter_act(call.make_act(show_example.__name__)):
        return _show_picture(call, id_)


def recognize(call: Call) -> Body:
    photo = call.sent.read_picture()
    looked_at = look_at_picture(call, photo, embeds=True, live=True, cropped=not call.options.detects)
    subjects_by_face = _find_nearest(call, looked_at.seen.embeddings, looked_at.seen.described.faces)
    results = [looked_at.describe_face(number, subjects=subjects) for number, subjects in enumerate(subjects_by_face)]
    return {"result": results, **looked_at.describe_versions(call)}


def verify_example(call: Call) -> Body:
    """Compare the faces of a picture with those of one example."""
    photo, id_ = call.sent.read_picture(), read_image_id(call.request.parameters["id"])
    call.options  # noqa: B018 -- what is wrong with the values comes before what is not there
    photo.data  # noqa: B018 -- read here, so that a picture that is none comes before it, too
    example = _find_example(call, id_, "Image Id is incorrect")
    report_people([example.face.faceid])
    example_template = call.services.subjects.template_of(call.tenant, example.picture)
    looked_at = look_at_picture(call, photo, embeds=True, live=True)
    faces, quality = looked_at.seen.described.faces, example.picture.estimates.quality
    closeness = call.services.subjects.rate_closeness_to_each(
        call.tenant, example_template, looked_at.seen.embeddings, faces, quality
    )
    results = [
        looked_at.describe_face(number, subject=example.subject, similarity=value)
        for number, value in enumerate(closeness)
    ]
    return {"result": results, **looked_at.describe_versions(call)}


def recognize_embeddings(call: Call) -> Body:
    vectors = call.sent.read_vectors("embeddings")
    subjects_by_embedding = _find_nearest(call, normalize_vectors(call, vectors), [None] * len(vectors))
    return {
        "result": [
            {"embedding": embedding, "similarities": each}
            for embedding, each in zip(vectors, subjects_by_embedding, strict=True)
        ]
    }


def _find_nearest(
    call: Call, probes: NDArray[np.float32], described_faces: Sequence[DescribedFace | None]
) -> list[list[Body]]:
    """Return the candidates for each probe. `described_faces`: its face; None: a vector was sent."""
    nearest = call.services.subjects.find_nearest(
        call.tenant, call.group, probes, described_faces, min(call.options.count, _MOST_NAMED)
    )
    call.headers.update(make_search_headers(nearest.decisions))
    report_people(faceid for each in nearest.near for near in each for faceid in near.faceids)
    return [[{"subject": near.name, "similarity": near.closeness} for near in each] for each in nearest.near]


def _find_subject(call: Call, name: str) -> User:
    try:
        return call.services.subjects.get(call.tenant, call.group, name)
    except UserNotFound:
        raise Failure(42, f"Subject {name} not found", 404) from None


def _find_example(call: Call, id_: str, absence_text: str) -> Example:
    try:
        return call.services.subjects.get_example(call.tenant, call.group, id_)
    except PictureNotFound:
        raise Failure(44, absence_text, 404) from None


def _describe_example(example: Example) -> Body:
    report_people([example.face.faceid])
    return {"image_id": example.id, "subject": example.subject}


def _show_picture(call: Call, id_: str) -> Response:
    try:
        example = call.services.subjects.get_example(call.tenant, call.group, id_)
    except PictureNotFound:
        return _answer_picture(b"")
    jpeg = call.services.face_pictures.load_jpeg(example.picture) if call.key.pictures else None
    if jpeg:
        report_picture(example.face.faceid)
    return _answer_picture(jpeg or b"")


def _answer_picture(jpeg: bytes) -> Response:
    return Response(jpeg, {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400"}, 200)


_RECOGNITION = f"{PREFIX}recognition"
_NAMED = tuple(f"{_RECOGNITION}/subjects/{name}" for name in ("{name}", "{name}/{second}", "{name}/{second}/{third}"))
"""A name may have slashes, which are escaped or not."""

OPERATIONS = (
    Operation("GET", f"{_RECOGNITION}/subjects", list_subjects),
    Operation("POST", f"{_RECOGNITION}/subjects", add_subject, status=201),
    Operation("DELETE", f"{_RECOGNITION}/subjects", delete_subjects),
    *(Operation("PUT", path, rename_subject) for path in _NAMED),
    *(Operation("DELETE", path, delete_subject) for path in _NAMED),
    Operation("GET", f"{_RECOGNITION}/faces", list_examples),
    Operation("POST", f"{_RECOGNITION}/faces", add_example, status=201),
    Operation("DELETE", f"{_RECOGNITION}/faces", delete_examples_of_subject),
    Operation("POST", f"{_RECOGNITION}/faces/delete", delete_examples),
    Operation("DELETE", f"{_RECOGNITION}/faces/{{id}}", delete_example),
    Operation("GET", f"{_RECOGNITION}/faces/{{id}}/img", show_example),
    Operation("GET", f"{PREFIX}static/{{key}}/images/{{id}}", show_static, service=""),
    Operation("POST", f"{_RECOGNITION}/faces/{{id}}/verify", verify_example),
    Operation("POST", f"{_RECOGNITION}/recognize", recognize),
    Operation("POST", f"{_RECOGNITION}/embeddings/recognize", recognize_embeddings),
    Operation("POST", f"{_RECOGNITION}/embeddings/faces/{{id}}/verify", verify_embeddings),
    Operation("POST", f"{PREFIX}verification/verify", verify, "verification"),
    Operation("POST", f"{PREFIX}verification/embeddings/verify", verify_embeddings, "verification"),
    Operation("POST", f"{PREFIX}detection/detect", detect, "detection"),
    Operation("GET", f"{PREFIX}consistence/status", show_consistence, service=""),
    Operation("GET", f"{PREFIX}config", show_config, service=""),
    Operation("GET", "/core/healthcheck", show_health, service=""),
    Operation("GET", "/core/status", show_status, service=""),
)


_BY_PATH: dict[str, dict[str, Callable[[Provide, HttpRequest], Response]]] = {}
for _one in OPERATIONS:
    _BY_PATH.setdefault(_one.path, {"OPTIONS": answer_preflight})[_one.method] = _one.answer


def read_claim(_settings: Settings, request: Head) -> KeyClaim:
    """Read the key of a request."""
    return KeyClaim(find_by_service_key, request.headers.get("x-api-key", ""))


VIEWS = Views(
    lambda error, _: answer_error(error)[1],
    "There is no such path here: docs/compreface.md names those that are.",
    Refused(413, "The body is larger than 10 MiB, or a file than 5 MiB."),
    read_claim,
    bodies={(one.method, one.path): ONE_BOX_BODY_BYTES for one in OPERATIONS if one.method == "POST"},
    answers=_BY_PATH,
    refusal=make_response,
)
