"""Bodies as every dialect reads them, within limits: forms with their fields, files and repeats in
order, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from chalicelib.api.http import (
    CHARSETS,
    FORMS,
    MAX_BODY_BYTES,
    MULTIPART,
    URLENCODED,
    HttpRequest,
    MediaType,
    Part,
)
from chalicelib.domain.errors import InvalidInput

MAX_FIELDS = 200
"""Most fields of an urlencoded form."""

MAX_URLENCODED_BYTES = 512 * 1024
"""Largest urlencoded form of a dialect whose pictures come in multipart: a deletion of 100 ids
takes less, however they are escaped."""

MAX_BOUNDARY = 70
"""Most characters of a multipart form's boundary (RFC 2046, 5.1.1)."""

_TEXTS = ("text/", "application/json")
"""Beginnings of a content type by which a part without a file name is a field. A part need not have
a content type."""


class Form(Struct, frozen=True):
    """The fields, (name, value) each, and the files of a form, each in the order sent."""

    fields: tuple[tuple[str, str], ...] = ()
    uploads: tuple[Part, ...] = ()


def read_sent_form(request: HttpRequest, most_bytes: int = MAX_BODY_BYTES) -> Form:
    """Read the form of a dialect whose pictures come in multipart, with up to `most_bytes`.

    A request with neither type nor body has an empty one. Raises Refused, and InvalidInput as
    `parse_form`.
    """
    if not (request.encoded_body or request.headers.get("content-type")):
        return Form()
    media_type = request.parse_media_type(FORMS)
    most_bytes = MAX_URLENCODED_BYTES if media_type.name == URLENCODED else most_bytes
    return parse_form(media_type, request.read_body(most_bytes))


def parse_form(media_type: MediaType, body: bytes) -> Form:
    """Parse the body of a form.

    Raises InvalidInput if it is no form, is not in the declared charset, or has too many fields.
    """
    if media_type.name == MULTIPART:
        return _parse_multipart(media_type, body)
    return _parse_urlencoded(media_type.codec, body)


def _parse_urlencoded(codec: str, body: bytes) -> Form:
    """Parse a body that is URL-encoded, as `NAME=ann&AGE=30`, into its parameters in order.

    `codec`: the charset of names and values. Raises InvalidInput if the form has more than
    MAX_FIELDS parameters, or bytes that the charset lacks.
    """
    # Latin-1 maps each byte to one character: names and values come out as the bytes that were
    # sent.
    try:
        pairs = parse_qsl(
            body.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=MAX_FIELDS,
            separator="&",
        )
    except ValueError as error:
        raise _make_count_error(MAX_FIELDS) from error
    return Form(
        tuple(
            (_decode_latin1(name, codec), _decode_latin1(value, codec, name))
            for name, value in pairs
        )
    )


def _parse_multipart(media_type: MediaType, body: bytes) -> Form:
    """Read a multipart form, and divide its parts into fields and files.

    Raises InvalidInput as `parse_parts`, and if a part has no name.
    """
    parts = parse_parts(media_type, body)
    if not all(part.name for part in parts):
        raise _make_form_error("a part has no name")
    return Form(
        fields=tuple(
            (part.name, decode_field(part, media_type.codec)) for part in parts if not is_file(part)
        ),
        uploads=tuple(part for part in parts if is_file(part)),
    )


def parse_parts(media_type: MediaType, body: bytes) -> list[Part]:
    """Read the parts of a multipart body, in order; one without a name has "".

    Raises InvalidInput if there are too many parts, the body is no such form, or a name is not in
    the form's charset.
    """
    from werkzeug.exceptions import RequestEntityTooLarge

    from chalicelib.api import multipart

    try:
        parts = multipart.parse_parts(body, _check_boundary(media_type), media_type.codec)
    except RequestEntityTooLarge as error:
        raise _make_count_error(multipart.MAX_PARTS) from error
    except ValueError as error:
        raise _make_form_error(str(error)) from error
    if any("\ufffd" in part.name for part in parts):
        raise _make_charset_error("a parameter's name", media_type.codec)
    return parts


def _make_form_error(reason: str) -> InvalidInput:
    return InvalidInput(
        f"the body is no multipart form ({reason}): send its parts between the declared "
        "boundaries, and the last one"
    )


def decode_field(part: Part, codec: str) -> str:
    """Return the text of a part, in its own charset or else the form's. Raises InvalidInput."""
    return _decode_text(part.data, CHARSETS.get(part.charset, codec), part.name)


def _check_boundary(media_type: MediaType) -> bytes:
    if not 0 < len(media_type.boundary) <= MAX_BOUNDARY:
        raise InvalidInput(
            f"a multipart form's boundary has 1 to {MAX_BOUNDARY} characters: send "
            "multipart/form-data; boundary=..."
        )
    return media_type.boundary


def is_file(part: Part) -> bool:
    """Return whether a part is a file: it has a file name, or a type other than text, as some
    clients' pictures do."""
    return part.filename is not None or not (part.media_type or "text/").startswith(_TEXTS)


def _decode_latin1(latin1: str, codec: str, name: str = "") -> str:
    return _decode_text(latin1.encode("latin-1"), codec, name)


def _decode_text(data: bytes, codec: str, name: str = "") -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise _make_charset_error(
            f"parameter {name!r}" if name else "a parameter's name", codec
        ) from error


def _make_charset_error(what: str, codec: str) -> InvalidInput:
    return InvalidInput(
        f"{what} is not {codec} text: send UTF-8, or declare the charset that you use; a file has "
        "a file name"
    )


def _make_count_error(max_parameters: int) -> InvalidInput:
    return InvalidInput(
        f"a form of this kind may have {max_parameters} parameters, and this one has more"
    )


Value = TypeVar("Value")

MAX_COMMAS = 20_000
"""Most commas of a JSON object, as a bound of its values. The largest requests have some hundred.
While Python parses a million, which is one step to it, no other request goes on."""

_NUMBER = re.compile(r"-?[0-9]+")
_MAX_DIGITS = 18
"""Digits that a number may have: a longer one is read as so many nines, which is beyond every
bound."""


class Texts(Struct, frozen=True):
    """Text parameters by name. Unless a method states otherwise, an empty one counts as not
    sent."""

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.values.get(name) or None

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise InvalidInput(f"{name} is missing or empty: it is required")
        return value

    def parse_number(
        self, name: str, low: int | None = None, high: int | None = None
    ) -> int | None:
        """Read a whole number in ASCII digits, within `low` .. `high` if given; None if not sent.

        Raises InvalidInput.
        """
        text = self.text(name)
        return None if text is None else _parse_number(name, text, low, high)

    def required_number(self, name: str) -> int:
        return _parse_number(name, self.required_text(name))


def _parse_number(name: str, text: str, low: int | None = None, high: int | None = None) -> int:
    value = parse_whole(text)
    if value is None or not (low is None or low <= value) or not (high is None or value <= high):
        limits = ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")
        raise InvalidInput(f"{name} is a whole number{limits}, not {text[:40]!r}")
    return value


def parse_whole(text: str) -> int | None:
    """Parse a number; None if the text is none.

    A number of more than 18 digits counts as the largest of 18, because no parameter allows either.
    """
    if not _NUMBER.fullmatch(text):
        return None
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
    digits = digits.lstrip("0") or "0"
    return sign * int(digits if len(digits) <= _MAX_DIGITS else "9" * _MAX_DIGITS)


def collect_once(pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Return the values by name. Raises InvalidInput if a name was sent twice."""
    values: dict[str, Value] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidInput(f"{name[:40]!r} was sent twice: send each name once")
        values[name] = value
    return values


def parse_object(body: bytes, codec: str = "utf-8", **reads: Any) -> dict[str, Any]:
    """Parse a body that is a JSON object.

    Raises InvalidInput, as `parse_value`, and if it is no object.
    """
    value = parse_value(body, codec, **reads)
    if not isinstance(value, dict):
        raise InvalidInput(f"the body is a JSON object, not {describe_value(value)}")
    return value


def parse_value(
    body: bytes, codec: str = "utf-8", *, most_commas: int = MAX_COMMAS, **parsers: Any
) -> Any:
    """Parse a body that is JSON.

    `most_commas`: more are refused. `parsers`: how numbers and constants are read, as json.loads
    takes it.

    Raises InvalidInput if it is no JSON, has too many values, or a name twice. Half a surrogate
    pair is refused, too, and so is U+FFFD, which a gateway puts in the place of bytes that are not
    UTF-8.
    """
    try:
        text = body.decode(codec).removeprefix("\ufeff")
        if text.count(",") > most_commas:
            raise InvalidInput(
                f"a body may have up to {most_commas} commas, and this one has more: send fewer "
                "values"
            )
        value = json.loads(text, object_pairs_hook=collect_once, **parsers)
        is_whole = is_unicode(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the body is not JSON in {codec} ({str(error)[:100]}): send an object"
        ) from error
    if not is_whole:
        raise InvalidInput(
            "the body holds half of a surrogate pair, which is no character: send whole ones"
        )
    if "\ufffd" in text:
        raise InvalidInput(
            "the body is not UTF-8, or holds U+FFFD, which stands for what is not: send UTF-8"
        )
    return value


def is_unicode(text: str) -> bool:
    """Tell whether the text has no lone surrogates, which JSON can encode and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def describe_value(value: Any) -> str:
    """Describe the value that was sent, briefly enough for a sentence."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."
