"""Forms, urlencoded and multipart: read within limits into fields and files, in the order sent, repeats kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from chalicelib.api.http import CHARSETS, MULTIPART, MediaType
from chalicelib.core.errors import InvalidInput

if TYPE_CHECKING:
    from python_multipart.multipart import Field, File

MAX_FIELDS = 200
"""Fields and files of one form; the richest request of any dialect has some twenty."""

_MULTIPART_LIMITS = {"MAX_HEADER_COUNT": 8, "MAX_HEADER_SIZE": 4096, "MAX_MEMORY_FILE_SIZE": float("inf")}


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form: the field's name, the file's own, its bytes."""

    name: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Form:
    """(name, value) of every field, and every file, each in the order sent."""

    fields: tuple[tuple[str, str], ...] = ()
    uploads: tuple[Upload, ...] = ()


def read_form(media_type: MediaType, body: bytes) -> Form:
    """Parse the body of a form. Raises InvalidInput: no form, not the declared charset, too many fields."""
    if media_type.name == MULTIPART:
        return _multipart(media_type, body)
    return _urlencoded(media_type.codec, body)


def _urlencoded(codec: str, body: bytes) -> Form:
    # Latin-1 maps each byte to one character: names and values come out as the bytes that were sent.
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError as error:
        raise _too_many() from error
    return Form(tuple((_text(name, codec), _text(value, codec, name)) for name, value in pairs))


def _multipart(media_type: MediaType, body: bytes) -> Form:
    from python_multipart.multipart import FormParser

    fields: list[tuple[str, str]] = []
    uploads: list[Upload] = []
    ends: list[bool] = []

    def on_field(part: Field) -> None:
        fields.append(_field(part, media_type.codec))
        _require_few(len(fields) + len(uploads))

    def on_file(part: File) -> None:
        uploads.append(_upload(part, media_type.codec))
        _require_few(len(fields) + len(uploads))

    parser = FormParser(
        MULTIPART,
        on_field,
        on_file,
        on_end=lambda: ends.append(True),
        boundary=_boundary(media_type),
        config=_MULTIPART_LIMITS,
    )
    try:
        parser.write(body)
        parser.finalize()
    except ValueError as error:  # the library's own errors are ValueErrors too
        raise InvalidInput(f"the body is no multipart form ({error}): send one with the boundary declared") from error
    if not ends:
        raise InvalidInput("the multipart body has no end: send its closing boundary")
    return Form(tuple(fields), tuple(uploads))


def _boundary(media_type: MediaType) -> bytes:
    if not 0 < len(media_type.boundary) <= 200:
        raise InvalidInput("the content type has no usable boundary: send multipart/form-data; boundary=...")
    return media_type.boundary


def _field(part: Field, codec: str) -> tuple[str, str]:
    from python_multipart.multipart import parse_options_header

    _, options = parse_options_header(part.content_type)
    own = CHARSETS.get(options.get(b"charset", b"").decode("latin-1").lower(), codec)
    name = _decoded(part.field_name or b"", codec)
    return name, _decoded(part.value or b"", own, name)


def _upload(part: File, codec: str) -> Upload:
    part.file_object.seek(0)
    return Upload(
        name=_decoded(part.field_name or b"", codec),
        filename=(part.file_name or b"").decode("utf-8", "replace"),
        content_type=part.content_type or "",
        data=part.file_object.read(),
    )


def _text(latin1: str, codec: str, name: str = "") -> str:
    return _decoded(latin1.encode("latin-1"), codec, name)


def _decoded(data: bytes, codec: str, name: str = "") -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        what = f"parameter {name!r}" if name else "a parameter's name"
        raise InvalidInput(f"{what} is not {codec} text: send UTF-8, or declare the charset that you use") from error


def _require_few(count: int) -> None:
    if count > MAX_FIELDS:
        raise _too_many()


def _too_many() -> InvalidInput:
    return InvalidInput(f"a form may have {MAX_FIELDS} parameters, and this one has more")
