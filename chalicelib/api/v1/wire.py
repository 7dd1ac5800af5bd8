"""Types that bodies, queries and answers of v1 are made of. A Struct names its members; the document follows from it.

msgspec reads a Struct's annotations at its first use, so bounds are numbers here; tests compare them with the code's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from msgspec import UNSET, Meta, Struct

from chalicelib.core.values import time_text


class Sent(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of bodies and queries. A name that it does not have is refused."""

    RULES: ClassVar[Mapping[str, Any]] = {}
    """What else its JSON schema says, such as that one of two members is sent. The view refuses what breaks it."""


class Changes(Sent):
    """Base of bodies that change what is sent: any member may be left out (`| UnsetType = UNSET`), but not all."""

    RULES: ClassVar[Mapping[str, Any]] = {"minProperties": 1}


class WithPicture(Sent):
    """Base of bodies with a picture: JSON, a bare picture with the rest in the query, or multipart (picture_bodies)."""


Revision = Annotated[
    int, Meta(ge=1, description="The one that was read: if another caller has made changes since, this is 409 Changed.")
]
PictureFile = Annotated[bytes, Meta(description="A picture file; in JSON in base64, without line breaks.")]


class Answer(Struct, kw_only=True):
    """Base of answers and of their parts."""

    @classmethod
    def made_of(cls, source: object, **others: Any) -> Self:
        """Make an answer: each member is one of `others`, or else the attribute of that name, a time as a text."""
        own = {name: getattr(source, name) for name in cls.__struct_fields__ if name not in others}
        texts = {name: time_text(value) for name, value in own.items() if isinstance(value, datetime)}
        return cls(**{**own, **texts}, **others)


class Instant(datetime):
    """Time that was sent: RFC 3339 with any offset, or UNIX seconds, or from 100000000000 on milliseconds."""

    @classmethod
    def of(cls, at: datetime) -> Instant:
        return cls.combine(at, at.timetz())


Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2026-11-20T10:22:40.123Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
"""A time in an answer: `times.text` writes it."""

Text = Annotated[str, Meta(max_length=1000)]
Token = Annotated[str, Meta(description="The `next_token` of the page before; good for the same query only.")]
NextToken = Annotated[str | None, Meta(description="For the next page; null if this is the last.")]


def sent(struct: Struct) -> dict[str, Any]:
    """Return the members that were sent, by name."""
    values = ((name, getattr(struct, name)) for name in struct.__struct_fields__)
    return {name: value for name, value in values if value is not UNSET}
