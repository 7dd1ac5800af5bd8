"""Bodies with a picture, in any of three forms: base64 in JSON, the picture's bytes as they are, or multipart.

A body that derives from `WithPicture` (wire.py) is read here, whatever its form; its view sees no difference:

    class Enrolment(WithPicture):
        picture: PictureFile
        group: str

    def enrol(call: Call, body: Enrolment) -> Face:
        call.services.enrolment.of_largest_face(call.tenant, body.group, body.picture, PICTURES)

- `Content-Type: application/json`: `{"picture": "<base64>", "group": "VIP"}`.
- `Content-Type: image/jpeg` (or another of IMAGES): the body is the first picture, all else stands in the query.
- `Content-Type: multipart/form-data`: a file for each picture, a field for everything else.

In the last two, a list is sent by its name repeated, an object as JSON. What is empty counts as not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from chalicelib.api.forms import read_form
from chalicelib.api.http import IMAGES, JSON, MULTIPART, HttpRequest
from chalicelib.api.v1.wire import Sent, WithPicture, converted, finite_object, kinds_of, read_body, read_query
from chalicelib.core.errors import InvalidInput
from chalicelib.core.pictures import MAX_PICTURE_BYTES, PictureRules

"""Content types of a body that is a picture. Which format it is, its first bytes tell."""

MAX_BYTES = MAX_PICTURE_BYTES * 4 // 3 + 64 * 1024
"""Of a body with one picture in base64, and everything else. AWS's gateway lets no more than 4 MiB pass."""

PICTURES = PictureRules(
    frozenset({"JPEG", "PNG", "BMP", "WEBP", "HEIC"}),
    MAX_PICTURE_BYTES,
    max_long_side_px=8_192,
    max_short_side_px=8_192,
    most_pixels=1 << 24,
)
"""What v1 takes for enrolment and to be looked at."""

_Body = TypeVar("_Body", bound=WithPicture)


def read(request: HttpRequest, struct: type[_Body]) -> _Body:
    """Read a body, and for a bare picture the query, as `struct`. Raises Refused, InvalidInput."""
    data = request.body(MAX_BYTES)
    media_type = request.media_type((JSON, MULTIPART, *IMAGES)) if data.strip() else None
    if media_type is not None and media_type.name in IMAGES:
        picture = next(name for name, kind in kinds_of(struct).items() if kind is bytes)
        texts = [(name, value) for name, values in request.query.items() for value in values]
        return _of_texts(texts, [(picture, data)], struct)
    if media_type is None and request.query:
        raise InvalidInput("the body is empty: send the picture there, with everything else in the query")
    read_query(request.query, Sent)
    if media_type is not None and media_type.name == MULTIPART:
        form = read_form(media_type, data)
        return _of_texts(form.fields, [(one.name, one.data) for one in form.uploads], struct)
    return read_body(data, struct)


def _of_texts(texts: Iterable[tuple[str, str]], files: Sequence[tuple[str, bytes]], struct: type[_Body]) -> _Body:
    kinds = kinds_of(struct)
    for name, _ in files:
        if kinds.get(name) is not bytes:
            pictures = ", ".join(name for name, kind in kinds.items() if kind is bytes)
            raise InvalidInput(f"there is no file {name[:40]!r} here: {pictures} can be sent")
    value: dict[str, Any] = {}
    for name, sent in [*files, *((name, text) for name, text in texts if text)]:
        if kinds.get(name) is list:
            value.setdefault(name, []).append(sent)
        elif name in value:
            raise InvalidInput(f"{name[:40]!r} was sent twice: send each name once")
        else:
            value[name] = _object(name, sent) if kinds.get(name) is dict and isinstance(sent, str) else sent
    return converted(value, struct)


def _object(name: str, text: str) -> Any:
    try:
        return finite_object(text.encode())
    except InvalidInput as error:
        raise InvalidInput(f"{name} is an object in JSON: {error}") from error
