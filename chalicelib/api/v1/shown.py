"""Pictures of faces in answers of v1: links that a browser opens without a key, for those who may see pictures."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1.endpoint import Call
from chalicelib.api.v1.wire import Answer
from chalicelib.core import keys, model

Link = Annotated[
    str | None,
    Meta(
        description="A JPEG, good for an hour or two and the same for an hour. Null: it is not kept, or the key sees "
        "no pictures."
    ),
]
Thumbnail = Annotated[
    str | None, Meta(description="The same of up to 160 pixels; the whole picture if there is no smaller one.")
]


class Portrait(Answer):
    """The face's first picture."""

    picture: Annotated[str, Meta(description="Its id, as in the list of the face's pictures.")]
    url: Link
    thumb_url: Thumbnail
    width: Annotated[int | None, Meta(description="Pixels; null if nobody noted them.")]
    height: int | None


def portrait_of(call: Call, face: model.Face | model.ListedFace) -> Portrait:
    picture = face.portrait
    width, height = picture.sides or (None, None)
    url, thumb_url = links(call, picture)
    return Portrait(picture=picture.id, url=url, thumb_url=thumb_url, width=width, height=height)


def links(call: Call, picture: model.Picture) -> tuple[str | None, str | None]:
    """Return the links to a picture and to its thumbnail."""
    if not picture.key or not call.caller.is_shown_pictures:
        return None, None
    sign = call.services.ports.storage.blobs.signed_get
    of = f"face {keys.faceid_of_picture(call.tenant.name, picture.key)}"
    url = call.shown(sign(picture.key), of)
    return url, call.shown(sign(keys.thumbnail(picture.key)), of) if picture.sides else url


def shown_capture(call: Call, camera: str, capture: str, url: str) -> str | None:
    """Return the link to a capture's picture, or to a part of it."""
    return call.shown(url, f"capture {camera} {capture}")
