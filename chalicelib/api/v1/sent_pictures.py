"""Pictures that are sent as they are: as the body of a request, or as a file of a multipart form with fields beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.api.http import MULTIPART
from chalicelib.api.v1 import reading
from chalicelib.api.v1.endpoint import Raw
from chalicelib.api.v1.wire import Sent
from chalicelib.core.errors import InvalidInput

PICTURES = ("image/jpeg", "image/png", "application/octet-stream")
"""Content types of a body that is a picture."""

MAX_PARTS = 16

_BEGINNINGS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_Fields = TypeVar("_Fields", bound=Sent)


@dataclass(frozen=True)
class SentForm:
    """A picture and what was sent beside it. `fields`: the texts of a form by name."""

    picture: bytes
    content_type: str
    fields: Mapping[str, Sequence[str]]


def sent_form(body: Raw) -> SentForm:
    """Read the picture of a request. Raises InvalidInput unless there is exactly one."""
    if body.media_type != MULTIPART:
        return SentForm(body.data, _type_of(body.media_type, body.data), {})
    from chalicelib.api.multipart import TooManyParts, parts_of  # takes 35 ms to load

    try:
        parts = parts_of(body.data, body.boundary, body.codec, MAX_PARTS)
    except TooManyParts as error:
        raise InvalidInput(f"a form has up to {MAX_PARTS} parts: the picture and its fields") from error
    except ValueError as error:
        raise InvalidInput(f"the body is no multipart form: {error}") from error
    files = [part for part in parts if part.filename is not None]
    if len(files) != 1:
        raise InvalidInput(f"a form has one file, the picture, not {len(files)}")
    fields: dict[str, list[str]] = {}
    for part in parts:
        if part.filename is None:
            fields.setdefault(part.name, []).append(_text(part.name, part.data, body.codec))
    return SentForm(files[0].data, _type_of(files[0].media_type, files[0].data), fields)


def with_fields(query: _Fields, fields: Mapping[str, Sequence[str]]) -> _Fields:
    """Return the query with a form's fields, each as a parameter is read. Raises InvalidInput, also for one in both."""
    read = reading.read_query(fields, type(query))
    both: dict[str, object] = {}
    for name, encoded in zip(query.__struct_fields__, query.__struct_encode_fields__, strict=True):
        in_query, in_form = getattr(query, name), getattr(read, name)
        if in_query is not None and in_form is not None:
            raise InvalidInput(f"{encoded} was sent in the query and in the form: send it once")
        both[name] = in_form if in_query is None else in_query
    return type(query)(**both)


def _type_of(said: str, data: bytes) -> str:
    """Return the picture's content type as it was said or, if that says nothing, by the picture's first bytes."""
    if said.startswith("image/"):
        return said
    found = next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None)
    if found is None:
        raise InvalidInput("the picture is neither a JPEG nor a PNG: send one of these")
    return found


def _text(name: str, data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the field {name[:40]!r} of the form is no text in {codec}") from error
