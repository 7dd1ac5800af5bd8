"""The views of a recognition service: subjects, their examples, and who is on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.api.compreface.details import Body, judged, least_score, looked
from chalicelib.api.compreface.errors import NO_SUBJECT_NAME
from chalicelib.api.compreface.looking import compared, vectors
from chalicelib.api.compreface.operation import Call, call_of
from chalicelib.api.compreface.requests import RULES, image_id, name_in_path
from chalicelib.api.http import Failure, HttpRequest, search_headers
from chalicelib.core.acts import shows
from chalicelib.core.errors import PictureNotFound, UserNotFound
from chalicelib.core.users import User
from chalicelib.services.subjects import MOST_NAMED, Example, Near

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.recognised import DescribedFace
    from chalicelib.services import Services


def list_subjects(call: Call) -> Body:
    return {"subjects": [one.name for one in call.services.subjects.all(call.tenant, call.group)]}


def add_subject(call: Call) -> Body:
    return {"subject": call.services.subjects.add(call.tenant, call.group, call.sent.new_name()).name}


def rename_subject(call: Call) -> Body:
    name, new = name_in_path(call.request), call.sent.new_name()
    if name == new:
        return {"updated": False}
    _subject(call, name)
    call.services.subjects.rename(call.tenant, call.group, name, new)
    return {"updated": True}


def delete_subject(call: Call) -> Body:
    subject = _subject(call, name_in_path(call.request))
    call.services.subjects.delete(call.tenant, call.group, subject, call.key.id)
    return {"subject": subject.name}


def delete_subjects(call: Call) -> Body:
    subjects = call.services.subjects.all(call.tenant, call.group)
    for one in subjects:
        call.services.subjects.delete(call.tenant, call.group, one, call.key.id)
    return {"deleted": len(subjects)}


def list_examples(call: Call) -> Body:
    wanted = _wanted(call, call.sent.text("subject"))
    examples = call.services.subjects.examples_of(call.tenant, call.group, wanted)
    found = sorted(examples, key=lambda each: (each.picture.added_at, each.id))
    page, size = call.sent.page()
    return {
        "faces": [_told(each) for each in found[page * size : (page + 1) * size]],
        "page_number": page,
        "page_size": size,
        "total_pages": -(-len(found) // size),
        "total_elements": len(found),
    }


def add_example(call: Call) -> Body:
    name, photo = call.sent.subject(), call.sent.picture()
    least = least_score(call.options.threshold)
    with judged(photo):
        added = call.services.subjects.enrol(call.tenant, call.group, name, photo.data, RULES, least)
    return {"image_id": added.id, "subject": name}


def delete_examples_of_subject(call: Call) -> Body:
    subjects, name = call.services.subjects, call.sent.values.get("subject")
    if name is not None and not name.strip():
        raise Failure(26, NO_SUBJECT_NAME)
    wanted = _wanted(call, name)
    return {"deleted": sum(subjects.delete(call.tenant, call.group, each, call.key.id) for each in wanted)}


def _wanted(call: Call, name: str | None) -> list[User]:
    """Return the subject of a name, if there is one; None: all of them."""
    if name is None:
        return call.services.subjects.all(call.tenant, call.group)
    found = call.services.subjects.find(call.tenant, call.group, name)
    return [found] if found else []


def delete_example(call: Call) -> Body:
    id_ = image_id(call.request.parameters["id"])
    found = _example(call, id_, f"Image {id_} not found")
    call.services.subjects.remove(call.tenant, found, call.key.id)
    return _told(found)


def delete_examples(call: Call) -> list[Body]:
    deleted: list[Body] = []
    for id_ in dict.fromkeys(one.lower() for one in call.sent.ids()):
        try:
            found = call.services.subjects.example(call.tenant, call.group, id_)
            call.services.subjects.remove(call.tenant, found, call.key.id)
        except PictureNotFound:
            continue
        deleted.append(_told(found))
    return deleted


def show_example(call: Call) -> Response:
    return _shown(call, image_id(call.request.parameters["id"]))


def show_static(services: Services, request: HttpRequest) -> Response:
    """Show a picture by the key in the path: what is not there, or not this key's, has no bytes."""
    id_ = image_id(request.parameters["id"])
    what = "compreface show_example"
    call = call_of(services, request, "recognition", request.parameters["key"], what)
    if call is None:
        return _picture(b"")
    with services.audit.reads.of(call.act(what)):
        return _shown(call, id_)


def recognize(call: Call) -> Body:
    photo = call.sent.picture()
    found = looked(call, photo, embeds=True, live=True, cropped=not call.options.detects)
    faces = found.seen.described.faces
    near = _nearest(call, found.seen.embeddings, [one.quality.total for one in faces])
    results = [
        found.body(number, subjects=_likely(face, each))
        for number, (face, each) in enumerate(zip(faces, near, strict=True))
    ]
    return {"result": results, **found.versions(call)}


def verify_example(call: Call) -> Body:
    photo, id_ = call.sent.picture(), image_id(call.request.parameters["id"])
    call.options  # noqa: B018 -- what is wrong with the values comes before what is not there
    photo.data  # noqa: B018
    example = _example(call, id_, "Image Id is incorrect")
    own = call.services.subjects.template_of(call.tenant, example.picture)
    found = looked(call, photo, embeds=True, live=True)
    faces = found.seen.described.faces
    qualities = [(one.quality.total, example.picture.estimates.quality) for one in faces]
    close = call.services.subjects.close_to(call.tenant, own, found.seen.embeddings, qualities)
    results = [
        found.body(number, subject=example.subject, similarity=0.0 if face.spoof else close[number])
        for number, face in enumerate(faces)
    ]
    return {"result": results, **found.versions(call)}


def recognize_embeddings(call: Call) -> Body:
    sent = call.sent.vectors("embeddings")
    near = _nearest(call, vectors(call, sent), [None] * len(sent))
    close = [[{"subject": one.name, "similarity": one.closeness} for one in each] for each in near]
    return {"result": [{"embedding": one, "similarities": each} for one, each in zip(sent, close, strict=True)]}


def verify_embeddings(call: Call) -> Body:
    sent, id_ = call.sent.vectors("embeddings"), image_id(call.request.parameters["id"])
    vectors(call, sent)
    example = _example(call, id_, "Image Id is incorrect")
    return {"result": compared(call, call.services.subjects.template_of(call.tenant, example.picture), sent)}


def _nearest(call: Call, probes: NDArray[np.float32], qualities: Sequence[float | None]) -> list[list[Near]]:
    most = min(call.options.count, MOST_NAMED)
    found = call.services.subjects.nearest(call.tenant, call.group, probes, qualities, most)
    call.headers.update(search_headers(found.decisions))
    return found.near


def _likely(face: DescribedFace, near: list[Near]) -> list[Body]:
    """Return who the face may be: nobody if it is left out by its age, and like none of them if it is no live one."""
    if face.young:
        return []
    return [{"subject": one.name, "similarity": 0.0 if face.spoof else one.closeness} for one in near]


def _subject(call: Call, name: str) -> User:
    try:
        return call.services.subjects.get(call.tenant, call.group, name)
    except UserNotFound:
        raise Failure(42, f"Subject {name} not found", 404) from None


def _example(call: Call, id_: str, otherwise: str) -> Example:
    try:
        return call.services.subjects.example(call.tenant, call.group, id_)
    except PictureNotFound:
        raise Failure(44, otherwise, 404) from None


def _told(example: Example) -> Body:
    return {"image_id": example.id, "subject": example.subject}


def _shown(call: Call, id_: str) -> Response:
    try:
        found = call.services.subjects.example(call.tenant, call.group, id_)
    except PictureNotFound:
        return _picture(b"")
    jpeg = call.services.portraits.load_jpeg(found.picture) if call.key.pictures else None
    if jpeg:
        shows(f"face {found.face.faceid}")
    return _picture(jpeg or b"")


def _picture(jpeg: bytes) -> Response:
    return Response(jpeg, {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400"}, 200)
