"""All that is held about one person, over v1."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.wire import Answer, Sent, Text
from chalicelib.core.access import Role
from chalicelib.core.errors import FaceNotFound, NotAllowed


class EverythingWanted(Sent):
    language: Annotated[Literal["en", "zh"], Meta(description="Of the page in it that people read.")] = "en"
    part: Annotated[Text | None, Meta(description="The `next_part` of the answer before; not sent, the first.")] = None


class Everything(Answer):
    url: Annotated[str, Meta(description="The zip file, for an hour. The URL needs no key: give it to nobody else.")]
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    next_part: Annotated[str | None, Meta(description="Ask for the next part with it; null: this is the last.")]


def get_everything(call: Call, query: EverythingWanted) -> Everything:
    """Get all that is held about a person, as a zip file: `everything.json`, `index.html` to read, and pictures.

    Captures that show others, too, come with the faces of these others hidden. An archive of over 24 MB comes in parts:
    ask until `next_part` is null, and unpack all into one folder. The key must see pictures.
    """
    if not call.caller.sees_pictures:
        raise NotAllowed("this key sees no pictures, and all that is held about a person has them: use another key")
    part = call.services.archives.part(call.tenant, call.path["id"], query.language, query.part)
    return Everything.made_of(part, url=call.absolute(part.url))


OPERATIONS = (Operation("GET", "/v1/faces/{id}/everything", get_everything, Role.ADMIN, errors=(FaceNotFound,)),)
