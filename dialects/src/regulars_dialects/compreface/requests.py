"""Requests as clients send them: parameters of the query and the form, pictures as files or base64,
names in paths."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api.base64_text import parse_base64
from chalicelib.api.forms import Form, Texts, parse_form, parse_value
from chalicelib.api.http import FORMS, JSON, MULTIPART, Failure, HttpRequest, Part
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.names import LONGEST_NAME
from chalicelib.domain.pictures import PictureRules
from chalicelib.storage.values import is_uuid

ONE_BOX_BODY_BYTES = 10 * 1024 * 1024
"""Bytes of a request's body on one box, as CompreFace takes them."""
NO_SUBJECT_NAME = "Subject name is empty; "
PLUGINS = ("age", "gender", "landmarks", "pose", "calculator")
FORMATS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "GIF"})
LARGEST_FILE_BYTES = 5 * 1024 * 1024
"""Bytes of a picture, as CompreFace takes them."""
RULES = PictureRules(
    formats=FORMATS, max_bytes=LARGEST_FILE_BYTES, max_long_side_px=8_192, max_short_side_px=8_192
)

_NAMES = (
    *("limit", "det_prob_threshold", "prediction_count", "face_plugins", "status", "detect_faces"),
    *("subject", "page", "size"),
)
_JOINED = re.compile(rf"\?(?=(?:{'|'.join(_NAMES)})=)")
"""The JavaScript SDK puts `?` before each parameter; from the second on it should be `&`."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FLAGS = dict.fromkeys(("true", "on", "yes", "1"), True) | dict.fromkeys(
    ("false", "off", "no", "0"), False
)
_NOT_BASE64 = Failure(21, "Provided value is not Base64")
_MAX_NAME_CHARACTERS, _FORBIDDEN_CHARACTER = 50, re.compile(r"[;/\\]")
_MAX_PAGE, _USUAL_PAGE = 2_000, 20
"""Examples on a page at most, and on one whose size was not sent."""
_MAX_WHOLE = 2**31 - 1
"""The largest int of Java, in which CompreFace is written: a larger number counts as this one."""

_Value = TypeVar("_Value", int, float, bool)


class Sent(Texts, frozen=True):
    """Texts by name, files and a JSON body, as they came."""

    uploads: Sequence[Part] = ()
    json: Any = None
    is_json: bool = False

    @classmethod
    def read(cls, request: HttpRequest) -> Sent:
        """Read the query and the body, if its method has one. A value of the query counts before
        the form's. Raises Refused, Failure."""
        query = dict(_parse_query(request.query))
        if request.method in ("GET", "DELETE"):
            return cls(query)
        sent_type = request.parse_media_type((JSON, *FORMS))
        body = request.read_body(request.limit_bytes(ONE_BOX_BODY_BYTES))
        if sent_type.name == JSON:
            return cls(query, json=_parse_json(body), is_json=True)
        if sent_type.name == MULTIPART and not sent_type.boundary:
            # "--" and the boundary, which the header did not name
            first_line = body.partition(b"\n")[0].strip()
            form_type = replace(sent_type, boundary=first_line[2:])
        else:
            form_type = sent_type
        try:
            form = parse_form(form_type, body) if body else Form()
        except InvalidInput as error:
            raise Failure(0, str(error)) from error
        # of a field that came twice, the first one counts
        first_values = dict(reversed(form.fields))
        return cls({**first_values, **query}, form.uploads)

    def read_picture(self, name: str = "file") -> Photo:
        """Return a picture as it was sent. Raises Failure."""
        if self.is_json:
            return Photo(self.read_member(name))
        found_part = next((part for part in self.uploads if part.name == name), None)
        if found_part is None:
            raise Failure(34, f"Required part {name} is missing")
        return Photo(found_part.data, found_part.filename or "")

    def read_member(self, name: str) -> Any:
        """Return a member of the JSON object. Raises Failure if it is missing or empty."""
        member = self.json.get(name) if isinstance(self.json, dict) else None
        if member is None or member in ([], ""):
            raise Failure(5, f"Field {name} cannot be empty")
        return member

    def parse_subject(self) -> str:
        """Return the name in the parameter `subject`. Raises Failure."""
        name = self.values.get("subject")
        if name is None:
            raise Failure(33, "Required parameter subject is missing")
        return check_name(name)

    def parse_new_name(self) -> str:
        """Return the name in a JSON body: its member `subject`, or all of it. Raises Failure."""
        name = self.json.get("subject") if isinstance(self.json, dict) else self.json
        if not isinstance(name, str) or not name.strip():
            raise Failure(26, "Subject name cannot be empty")
        if len(name) > _MAX_NAME_CHARACTERS:
            raise Failure(26, f"Subject name size must be between 1 and {_MAX_NAME_CHARACTERS}")
        if _FORBIDDEN_CHARACTER.search(name):
            raise Failure(
                36, r"The name cannot contain the following special characters: ';', '/', '\'"
            )
        return name

    def read_ids(self) -> list[str]:
        """Return the ids in a body that is a list of them. Raises Failure."""
        if not isinstance(self.json, list):
            raise Failure(0, "The body is a JSON list of image ids")
        if len(self.json) > 1_000:
            raise Failure(26, "1,000 ids are deleted at once, at most")
        return [parse_image_id(text) for text in self.json]

    def read_page(self) -> tuple[int, int]:
        """Return the number of the page, from 0, and its size; what is no such number counts as not
        sent."""
        page, size = (self.values.get(name, "") for name in ("page", "size"))
        number = int(page) if _WHOLE.fullmatch(page) else 0
        wanted_size = int(size) if _WHOLE.fullmatch(size) else 0
        return max(number, 0), min(wanted_size, _MAX_PAGE) if wanted_size > 0 else _USUAL_PAGE

    def read_vectors(self, name: str) -> list[Any]:
        """Return a member that is a list of embeddings. Raises Failure."""
        embeddings = self.read_member(name)
        if not isinstance(embeddings, list):
            raise Failure(0, f"{name} is a list of embeddings")
        return embeddings


class Photo(Struct, frozen=True):
    """A picture. `name`: the file's; "": it has none.

    `raw`: its bytes, or what stands in place of base64.
    """

    raw: Any
    name: str = ""

    @property
    def data(self) -> bytes:
        """Return its bytes. Raises Failure."""
        return self.raw if isinstance(self.raw, bytes) else _decode_base64(self.raw)


class Options(Struct, frozen=True):
    """Parameters of what looks at a picture. `limit`: 0 for all faces."""

    limit: int = 0
    threshold: float = 0.8
    count: int = 1
    plugins: frozenset[str] = frozenset()
    status: bool = False
    detects: bool = True

    @classmethod
    def read(cls, sent: Sent) -> Options:
        """Read the options from the parameters that were sent, and take the default of each that
        was not.

        Raises Failure: for the first value of a wrong type, or for all values that are out of their
        bounds. Unknown plugins are left out.
        """
        defaults = cls()
        limit = _parse_parameter(sent, "limit", defaults.limit, _parse_whole, "a whole number")
        count = _parse_parameter(
            sent, "prediction_count", defaults.count, _parse_whole, "a whole number"
        )
        threshold = _parse_parameter(
            sent, "det_prob_threshold", defaults.threshold, _parse_finite, "a number"
        )
        status = _parse_parameter(sent, "status", defaults.status, _parse_flag, "true or false")
        detects = _parse_parameter(
            sent, "detect_faces", defaults.detects, _parse_flag, "true or false"
        )
        flaws = [
            ("Limit should be equal or greater than 0; ", limit < 0),
            ("prediction_count should be equal or greater than 1; ", count < 1),
            ("det_prob_threshold lies between 0 and 1; ", not 0 <= threshold <= 1),
        ]
        if text := "".join(text for text, is_there in flaws if is_there):
            raise Failure(26, text)
        names = {part.strip() for part in (sent.text("face_plugins") or "").split(",")}
        return cls(
            limit=limit,
            threshold=threshold,
            count=count,
            plugins=frozenset(names.intersection(PLUGINS)),
            status=status,
            detects=detects,
        )


def check_name(name: str) -> str:
    """Return a name from a query or a path. Raises Failure."""
    if not name.strip():
        raise Failure(26, NO_SUBJECT_NAME)
    if len(name) > LONGEST_NAME:
        raise Failure(26, f"Subject name size must be between 1 and {LONGEST_NAME}; ")
    return name


def parse_name_in_path(request: HttpRequest) -> str:
    """Return the name in a path, which may have slashes. Raises Failure."""
    parts = (request.parameters.get(name) for name in ("name", "second", "third"))
    return check_name("/".join(part for part in parts if part is not None))


def parse_image_id(value: Any) -> str:
    """Return an id of an example. Raises Failure if it is no UUID."""
    if not isinstance(value, str) or not is_uuid(value):
        raise Failure(0, f"An image id is a UUID, not {str(value)[:40]!r}")
    return value


def _parse_query(query: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, str]]:
    """Yield the parameters, of repeated ones the first last, so that it counts."""
    for name, values in query.items():
        first_part, *other_parts = _JOINED.split(values[0])
        for other in reversed(other_parts):
            joined, _, value = other.partition("=")
            yield joined, value
        yield name, first_part


def _parse_json(body: bytes) -> Any:
    """Read any JSON value. Raises Failure."""
    try:
        return parse_value(body)
    except InvalidInput as error:
        raise Failure(0, f"The body is no JSON that can be read: {error}") from error


def _decode_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _NOT_BASE64
    try:
        return parse_base64(value)
    except ValueError:
        raise _NOT_BASE64 from None


def _parse_parameter(
    sent: Sent, name: str, default: _Value, read: Callable[[str], _Value], right_values: str
) -> _Value:
    """Read a parameter; one that is not sent has its default. Raises Failure."""
    text = sent.text(name)
    try:
        return default if text is None else read(text)
    except (ValueError, KeyError):
        raise Failure(0, f"{name} is {right_values}, not {str(text)[:40]!r}") from None


def _parse_whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return min(int(text), _MAX_WHOLE)


def _parse_flag(text: str) -> bool:
    return _FLAGS[text.lower()]


def _parse_finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value
