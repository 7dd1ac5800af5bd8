"""Types that bodies, queries and answers of v1 are made of, and how they are read: what does not
fit gets a sentence.

A Struct names its members; the document follows from it. msgspec reads a Struct's annotations at
its first use, so bounds are numbers here; tests compare them with the code's. Times are written as
RFC 3339 in UTC with milliseconds; numbers are read too.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from operator import getitem
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct

from chalicelib.api.base64_text import parse_base64
from chalicelib.api.forms import (
    MAX_COMMAS,
    collect_once,
    decode_field,
    is_file,
    parse_form,
    parse_object,
    parse_parts,
)
from chalicelib.api.http import JSON, MIXED, MULTIPART, HttpRequest, MediaType, Part, is_picture
from chalicelib.api.v1.times import parse_time, parse_time_parameter
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.pictures import ATTRIBUTES, MAX_PICTURE_BYTES, PictureRules, find_type
from chalicelib.domain.setting import Setting
from chalicelib.storage.values import time_text


class Sent(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of bodies and queries. A name that it does not have is refused."""

    RULES: ClassVar[Mapping[str, Any]] = {}
    """Rules of its JSON schema beside the fields, such as that one of two members is sent. The view
    refuses a body that breaks one."""
    MOST_COMMAS: ClassVar[int] = MAX_COMMAS
    """Of its JSON, as a bound of its values."""


class Changes(Sent):
    """Base of bodies that change what is sent: any member may be left out (`| UnsetType = UNSET`),
    but not all."""

    RULES: ClassVar[Mapping[str, Any]] = {"minProperties": 1}


class WithPicture(Sent):
    """Base of bodies with a picture, in any of three forms, between which its view sees no
    difference.

    - `Content-Type: application/json`: `{"picture": "<base64>", "group": "VIP"}`.
    - `Content-Type: image/jpeg` (or any of MEDIA_TYPES): the body is the first picture, all else
      stands in the query.
    - `Content-Type: multipart/form-data`: a file for each picture, a field for everything else.

    In the last two, a list is sent by its name repeated, an object as JSON. What is empty counts as
    not sent.
    """

    MEDIA_TYPES: ClassVar[Sequence[str]] = (
        "image/*",
        "application/octet-stream",
        "binary/octet-stream",
    )
    """Of a bare picture, as the document says; which format it is, its first bytes tell."""


Revision = Annotated[
    int,
    Meta(
        ge=1,
        description="The one that was read: if another caller has made changes since, this is 409 "
        "Changed.",
    ),
]
PictureFile = Annotated[bytes, Meta(description="A picture file; in JSON in base64.")]


class PictureSent(WithPicture):
    """Base of bodies with one picture at least."""

    picture: PictureFile


class PicturePushed(PictureSent):
    """Base of bodies that a camera sends by itself, too, in the form of its maker.

    Its first bytes tell a picture that has no content type, or a wrong one. Of a form, also of
    multipart/mixed, the one part that is a picture counts, whatever its name, with the query beside
    it. Fields count if it is called as ours is; all else is its maker's, and passed over.
    """


class Answer(Struct, kw_only=True):
    """Base of answers and of their parts."""

    @classmethod
    def made_of(cls, source: object, /, **others: Any) -> Self:
        """Make an answer: each member is one of `others`, or else the attribute of that name of
        `source`.

        A value whose type is in CONVERTERS is converted: a datetime becomes a text.
        """
        members = {
            name: getattr(source, name) for name in cls.__struct_fields__ if name not in others
        } | others
        return cls(
            **{name: CONVERTERS.get(type(value), _keep)(value) for name, value in members.items()}
        )


def _keep(value: Any) -> Any:
    return value


class Instant(datetime):
    """Time that was sent: RFC 3339 with any offset, or UNIX seconds, or from 100000000000 on
    milliseconds."""

    @classmethod
    def of(cls, at: datetime) -> Instant:
        return cls.combine(at, at.timetz())


CONVERTERS: dict[type, Callable[[Any], Any]] = {datetime: time_text, Instant: time_text}
"""How an answer says the values of these types; `shapes` has more of them."""

Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2026-11-20T10:22:40.123Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
FirstWeekday = Annotated[
    int, Meta(ge=0, le=6, description="Day on which the tenant's weeks begin; 0 is Monday.")
]
Text = Annotated[str, Meta(max_length=1000)]
Token = Annotated[
    str, Meta(description="The `next_token` of the page before; good for the same query only.")
]
NextToken = Annotated[str | None, Meta(description="For the next page; null if this is the last.")]


class Paged(Sent, kw_only=True):
    """Base of queries of a list that comes in pages.

    Its members stand last: generators make arguments by position.
    """

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


def list_sent_members(struct: Struct) -> dict[str, Any]:
    """Return the members that were sent, by name, and those of members likewise."""
    values = ((name, getattr(struct, name)) for name in struct.__struct_fields__)
    return {
        name: list_sent_members(value) if isinstance(value, Struct) else value
        for name, value in values
        if value is not UNSET
    }


_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_SHOWN = 40
"""Characters of a wrong value that an error repeats."""
_WHOLE_TO = 2.0**53
"""From here on a float of JSON no longer tells two whole numbers apart."""

_looking, _looked_into = threading.Lock(), set[Any]()


def parse_as(kind: type[_Struct], value: object, **how: Any) -> _Struct:
    """Convert what JSON has to a type. `how`: as msgspec.convert takes it, whose errors it raises.

    msgspec looks into a type at its first use. A second thread that uses the type meanwhile finds
    it half done, and the process crashes.
    """
    if kind not in _looked_into:
        with _looking:
            msgspec.json.Decoder(kind)
            _looked_into.add(kind)
    read: _Struct = msgspec.convert(value, kind, **how)
    return read


def parse_body(body: bytes, struct: type[_Struct]) -> _Struct:
    """Read a JSON object as `struct`; no bytes are an empty object.

    Raises InvalidInput that names the wrong member, such as `labels.a`. An empty object is wrong,
    too, where it says what to change.
    """
    most_commas = getattr(struct, "MOST_COMMAS", MAX_COMMAS)
    value = parse_finite_object(body, most_commas) if body.strip() else {}
    if not value and issubclass(struct, Changes):
        raise InvalidInput(
            f"send what to change: {', '.join(sorted(struct.__struct_encode_fields__))}"
        )
    for name, kind in find_kinds(struct).items():
        if kind is bytes and isinstance(value.get(name), str):
            with suppress(ValueError):  # what is no base64 is told as any other wrong value
                value[name] = parse_base64(value[name])
    return _parse_struct(value, struct, are_texts=False)


@cache
def find_kinds(struct: type[msgspec.Struct]) -> Mapping[str, type]:
    """Return for each member whether it is `bytes`, a `list`, an object (`dict`), or plain
    (`str`)."""
    return {field.encode_name: _find_kind(field.type) for field in msgspec.structs.fields(struct)}


def _find_kind(annotation: Any) -> type:
    if annotation is bytes or get_origin(annotation) is list:
        return bytes if annotation is bytes else list
    if get_origin(annotation) in (dict, Mapping) or (
        isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    ):
        return dict
    part_kinds = {_find_kind(part) for part in get_args(annotation)}
    return next((kind for kind in (bytes, list, dict) if kind in part_kinds), str)


def parse_query(query: Mapping[str, Sequence[str]], struct: type[_Struct]) -> _Struct:
    """Read the parameters of a query, each sent at most once, except lists.

    An empty one counts as not sent.

    Raises InvalidInput.
    """
    kinds = find_kinds(struct)
    value: dict[str, Any] = {}
    for name, values in query.items():
        if name not in kinds:
            names = ", ".join(sorted(kinds)) if kinds else "none"
            raise InvalidInput(f"there is no parameter {name[:_SHOWN]!r} here: {names} can be sent")
        if kinds[name] is list:
            value[name] = [text for text in values if text]
        elif len(values) > 1:
            raise InvalidInput(f"{name} was sent {len(values)} times: send each parameter once")
        elif values and values[0]:
            value[name] = values[0]
    return _parse_struct(value, struct)


def _parse_struct(
    value: Mapping[str, Any], struct: type[_Struct], *, are_texts: bool = True
) -> _Struct:
    """Read members by name as `struct`.

    `are_texts`: they are, apart from files and lists. Raises InvalidInput.
    """
    try:
        read = parse_as(
            struct, value, strict=not are_texts, dec_hook=_of_parameter if are_texts else _of_json
        )
        for name, attribute in zip(
            struct.__struct_encode_fields__, struct.__struct_fields__, strict=True
        ):
            if are_texts and name in value and getattr(read, attribute) is None:
                raise msgspec.ValidationError(f"the word null is no null - at `$.{name}`")
        return read
    except msgspec.ValidationError as error:
        # not at a cold start: it looks into all types
        from chalicelib.api.v1.validation import make_validation_error

        raise make_validation_error(value, struct, error, has_null=not are_texts) from error


def parse_finite_object(body: bytes, most_commas: int = MAX_COMMAS) -> dict[str, Any]:
    """Parse a body that is a JSON object.

    Raises InvalidInput as `parse_object` does, and for infinite numbers.
    """
    return parse_object(
        body,
        most_commas=most_commas,
        parse_int=_parse_whole_number,
        parse_float=_parse_finite_number,
        parse_constant=_refuse_constant,
    )


def _parse_whole_number(text: str) -> int:
    """Read a whole number.

    One of thousands of digits takes time with their square, and no other request goes on.
    """
    if len(text) > _SHOWN:
        raise InvalidInput(f"{text[:_SHOWN]}... is too large for a number")
    return int(text)


def _parse_finite_number(text: str) -> float | int:
    """Read a number; 3.0 is the whole number 3, as JSON Schema has it."""
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"{text[:_SHOWN]} is too large for a number")
    return int(value) if value.is_integer() and abs(value) < _WHOLE_TO else value


def _refuse_constant(name: str) -> Any:
    raise InvalidInput(f"{name} is no JSON value: send a number, or null")


def _parse_instant(read: Callable[[Any], datetime], _kind: type[Instant], value: Any) -> Instant:
    """Read a time, the only type that msgspec does not know itself."""
    return Instant.of(read(value))


_of_json = partial(_parse_instant, parse_time)
_of_parameter = partial(_parse_instant, parse_time_parameter)


MAX_BYTES = MAX_PICTURE_BYTES * 4 // 3 + 64 * 1024
"""Of a body with one picture in base64, and everything else. AWS's gateway lets no more than 4 MiB
pass."""

PICTURES = PictureRules(
    frozenset({"JPEG", "PNG", "BMP", "WEBP", "HEIC"}),
    MAX_PICTURE_BYTES,
    max_long_side_px=8_192,
    max_short_side_px=8_192,
)
"""Rules of the pictures that v1 takes, for enrolment and to be looked at."""

_Body = TypeVar("_Body", bound=WithPicture)


def read_with_picture(request: HttpRequest, struct: type[_Body]) -> _Body:
    """Read a body, and for a bare picture the query, as `struct`. Raises Refused, InvalidInput."""
    data = request.read_body(MAX_BYTES)
    allowed = (JSON, MULTIPART)
    media_type = request.parse_media_type(allowed, or_picture=True) if data.strip() else None
    return _parse_with_picture(request, media_type, data, struct)


def read_pushed(request: HttpRequest, struct: type[_Body]) -> _Body:
    """Read what a camera sends by itself, as `struct`: as `read_with_picture`, or in the form of
    its maker.

    Raises Refused, InvalidInput.
    """
    data = request.read_body(MAX_BYTES)
    media_type = _parse_pushed_type(request, data) if data.strip() else None
    if media_type is None or media_type.name == JSON or is_picture(media_type.name):
        return _parse_with_picture(request, media_type, data, struct)
    picture, kinds = _name_picture(struct), find_kinds(struct)
    parts = parse_parts(media_type, data)
    pushed = _find_pushed_picture(parts, picture)
    texts = _list_texts(request)
    if pushed.name == picture:  # else the fields are its maker's
        texts += [
            (part.name, decode_field(part, media_type.codec))
            for part in parts
            if part is not pushed and (_is_plain(part) or kinds.get(part.name) is str)
        ]
    return _parse_texts(texts, [(picture, pushed.data)], struct)


def _parse_with_picture(
    request: HttpRequest, media_type: MediaType | None, data: bytes, struct: type[_Body]
) -> _Body:
    if media_type is not None and is_picture(media_type.name):
        return _parse_texts(_list_texts(request), [(_name_picture(struct), data)], struct)
    if media_type is None and request.query:
        raise InvalidInput(
            "the body is empty: send the picture there, with everything else in the query"
        )
    parse_query(request.query, Sent)  # raises if it has anything: all stands in the body
    if media_type is not None and media_type.name == MULTIPART:
        form = parse_form(media_type, data)
        return _parse_texts(form.fields, [(part.name, part.data) for part in form.uploads], struct)
    return parse_body(data, struct)


def _name_picture(struct: type[WithPicture]) -> str:
    return next(name for name, kind in find_kinds(struct).items() if kind is bytes)


def _list_texts(request: HttpRequest) -> list[tuple[str, str]]:
    return [(name, value) for name, values in request.query.items() for value in values]


def _parse_pushed_type(request: HttpRequest, data: bytes) -> MediaType:
    """Return the type of a body; of a picture by its first bytes, whatever is declared.

    Raises Refused.
    """
    kind = find_type(data)
    if kind in _SURE_TYPES:
        return MediaType(kind)
    return request.parse_media_type((JSON, MULTIPART, MIXED), or_picture=True)


_SURE_TYPES = ("image/jpeg", "image/png")
"""Types of which a capture is, and whose first bytes no text has: a BMP begins as BMW does."""


def _find_pushed_picture(parts: Sequence[Part], name: str) -> Part:
    """Return the one part of a form that is a picture, else the one that is called so.

    Raises InvalidInput.
    """
    pictures = [part for part in parts if _is_pushed_picture(part, name)] or [
        part for part in parts if part.name == name
    ]
    if len(pictures) == 1:
        return pictures[0]
    if not pictures:
        raise InvalidInput(
            f"none of the {len(parts)} parts of this form is a picture: have the camera send one "
            "with each event"
        )
    names = ", ".join(repr((part.name or part.filename or "")[:_SHOWN]) for part in pictures[:5])
    raise InvalidInput(
        f"{len(pictures)} parts of this form are pictures ({names}), and a capture is one: have "
        "the camera send the whole picture alone"
    )


def _is_pushed_picture(part: Part, name: str) -> bool:
    kind = find_type(part.data)
    return kind in _SURE_TYPES or (kind is not None and part.name == name and is_file(part))


def _is_plain(part: Part) -> bool:
    """Tell whether a part is a field that somebody may have misspelt, and no file of a maker."""
    return not is_file(part) and not part.media_type


def _parse_texts(
    texts: Iterable[tuple[str, str]], files: Sequence[tuple[str, bytes]], struct: type[_Body]
) -> _Body:
    """Read a form's texts and files into a struct. Raises InvalidInput."""
    kinds = find_kinds(struct)
    for name, _ in files:
        if kinds.get(name) is not bytes:
            pictures = ", ".join(name for name, kind in kinds.items() if kind is bytes)
            raise InvalidInput(f"there is no file {name[:40]!r} here: {pictures} can be sent")
    filled_texts = [(name, text) for name, text in texts if text]
    value: dict[str, Any] = collect_once(
        [*files, *(pair for pair in filled_texts if kinds.get(pair[0]) is not list)]
    )
    for name, text in filled_texts:
        if kinds.get(name) is list:
            value.setdefault(name, []).append(text)
        elif kinds.get(name) is dict:
            value[name] = _parse_object_text(name, text)
    return _parse_struct(value, struct)


def _parse_object_text(name: str, text: str) -> Any:
    try:
        return parse_finite_object(text.encode())
    except InvalidInput as error:
        raise InvalidInput(f"{name} is an object in JSON: {error}") from error


def make_setting_type(setting: Setting) -> Any:
    """Return the type of a setting in v1, with its bounds and what it means.

    A whole number from 1 to 30 is `Annotated[Annotated[int, Meta(ge=1, le=30)],
    Meta(description=...)]`.
    """
    item_type = getitem(Literal, tuple(ATTRIBUTES)) if setting.name == "attributes_off" else Text
    kind: Any = GenericAlias(list, (item_type,)) if setting.kind is frozenset else setting.kind
    description = f"{setting.says} Null: {setting.nothing}." if setting.nothing else setting.says
    if setting.choices:
        return Annotated[getitem(Literal, setting.choices), Meta(description=description)]
    if setting.kind in (str, frozenset):
        max_length = None if setting.most is None else int(setting.most)
        return Annotated[kind, Meta(max_length=max_length or 100, description=description)]
    low = (
        {"gt" if setting.above else "ge": setting.kind(setting.least)}
        if setting.least is not None
        else {}
    )
    bounded = (
        Annotated[kind, Meta(**low, le=setting.kind(setting.most))]
        if setting.most is not None
        else kind
    )
    said = Meta(description=description or None)
    return Annotated[bounded | None if setting.nothing else bounded, said]
