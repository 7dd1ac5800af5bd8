"""Parts of several answers: boxes, labels, estimates, what was decided about a face's identity, and
links to pictures.

A browser opens such a link without a key; only callers who may see pictures get one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib.api.v1.endpoint import V1Context
from chalicelib.api.v1.wire import CONVERTERS, Answer
from chalicelib.domain import model, pictures
from chalicelib.domain.errors import NotAllowed
from chalicelib.domain.pictures import ATTRIBUTES
from chalicelib.storage import keys
from chalicelib.storage.values import milliseconds, time_text

LISTED = "Leave out people who are hidden from lists"
"""The words of a query's `listed`."""

Name = Annotated[
    str,
    Meta(
        max_length=100,
        description="Printable, without a space at either end.",
        extra_json_schema={"minLength": 1},
    ),
]
Score = Annotated[
    Annotated[float, Meta(le=1)] | None,
    Meta(description="How much it looks like the face; null if it was nobody."),
]
Threshold = Annotated[
    float | None,
    Meta(
        description="The score that was enough for this picture among so many faces. A picture "
        "that looks like many "
        "has to reach more. If the score is far above that, this is the most that any picture "
        "would have had to reach. "
        "Null if nobody was looked for."
    ),
]
GallerySize = Annotated[
    Annotated[int, Meta(ge=0)] | None, Meta(description="How many faces it was compared with.")
]
FalseMatchProbability = Annotated[
    Annotated[float, Meta(ge=0, le=1)] | None,
    Meta(
        description="How probable it is that a stranger finds anybody among so many faces with as "
        "high a score."
    ),
]
By = Annotated[
    str | None,
    Meta(
        description="The sighting of the same visit (same camera, within a minute or on one track) "
        "that was surely "
        "this face; without it, this score would not have been enough. Its own id: the score is of "
        "the mean of all views in its picture's file. Null: the score was enough by itself."
    ),
]
Source = Literal["model", "heuristic"]
"""Whether a model estimated it, or a formula because the pack has no model for it."""


Condition = Annotated[
    Literal["mask"] | None,
    Meta(
        description="A condition of the face that counts in `threshold`: mask, if one covers mouth "
        "and nose. Null: none does."
    ),
]
Masked = Annotated[
    bool | None,
    Meta(
        description="Whether a mask covers mouth and nose. Null: the models cannot tell, or it was "
        "not asked then."
    ),
]


class Compared(Answer, kw_only=True):
    """Base of what was compared with enrolled faces.

    Its members stand behind those of its kinds.
    """

    score: Score
    threshold: Threshold
    gallery_size: GallerySize
    false_match_probability: FalseMatchProbability


class Decided(Compared, kw_only=True):
    """Base of what a search decided."""

    by: By
    condition: Condition


def describe_decision(
    decision: model.Decision | None, kind: type[Compared] = Decided
) -> dict[str, Any]:
    """Give the members of `kind`: the score, and the threshold and gallery size that it was
    compared with.

    A null score means that no candidate reached the threshold. All are null if no search was made.
    """
    return {
        name: None if decision is None else getattr(decision, name)
        for name in kind.__struct_fields__
    }


class Box(Answer):
    """In pixels of the upright picture; it may reach over the edge."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, box: pictures.BoundingBox) -> Box:
        return cls(**{side: round(pixels, 2) for side, pixels in box._asdict().items()})


class Labels(Answer):
    """Of each sighting, for statistics; "" is none."""

    a: Annotated[str, Meta(max_length=100)]
    b: Annotated[str, Meta(max_length=100)]
    c: Annotated[str, Meta(max_length=100)]
    d: Annotated[str, Meta(max_length=100)]


class EstimatedNumber(Answer):
    """A number, and whether a model estimated it or a formula."""

    value: float
    source: Source


class EstimatedName(Answer):
    """A word, how certain it is, and whether a model estimated it or a formula."""

    value: str
    score: Annotated[float, Meta(ge=0, le=1)] | None
    source: Source


class Pose(Answer):
    """In degrees; yaw above 0 is the nose towards the picture's right, roll above 0 is
    clockwise."""

    yaw: float
    pitch: float
    roll: float
    source: Source


class Estimates(Answer):
    """Estimates from the face's first picture.

    Null if no model of the pack says so, if its gender is too unsure, or if the tenant switched it
    off.
    """

    age: EstimatedNumber | None
    gender: EstimatedName | None
    emotion: EstimatedName | None
    pose: Pose | None
    beauty: Annotated[
        EstimatedNumber | None,
        Meta(
            description="0 to 100, how symmetric the mouth lies under the eyes, and nothing else "
            "(docs/vision.md)."
        ),
    ]
    liveness: Annotated[
        EstimatedNumber | None,
        Meta(
            description="0 to 1, how little it looks like a picture of a face; advice, and no "
            "proof."
        ),
    ]

    @classmethod
    def of(cls, estimates: pictures.Estimates) -> Estimates:
        """Give the estimates by name, each with its source; None if unknown or switched off."""
        source: dict[str, Any] = {name: estimates.find_source(name) for name in ATTRIBUTES}

        def make_number(name: str) -> EstimatedNumber | None:
            return (
                EstimatedNumber(value=getattr(estimates, name), source=source[name])
                if source[name]
                else None
            )

        def make_name(name: str) -> EstimatedName | None:
            value, score = getattr(estimates, name), getattr(estimates, f"{name}_score")
            return (
                EstimatedName(value=value, score=score, source=source[name])
                if source[name]
                else None
            )

        return cls(
            age=make_number("age"),
            gender=make_name("gender"),
            emotion=make_name("emotion"),
            pose=describe_pose(estimates),
            beauty=make_number("beauty"),
            liveness=make_number("liveness"),
        )


CONVERTERS |= {
    pictures.BoundingBox: Box.of,
    pictures.Estimates: Estimates.of,
    model.Labels: Labels.made_of,
}


def describe_pose(estimates: pictures.Estimates) -> Pose | None:
    source: Any = estimates.find_source("pose")
    return None if estimates.pose is None else Pose.made_of(estimates.pose, source=source)


Number = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(
        description="Of a face that a camera saw as a stranger, to call it by while it has no "
        "name. It stays the same, "
        "and no other face of the tenant ever gets it. Null: there is none."
    ),
]


def parse_number(face: model.Face | model.ListedFace | None) -> int | None:
    return (face.number or None) if face else None


Link = Annotated[
    str | None,
    Meta(
        description="A JPEG, good for an hour or two and the same for an hour. Null: it is not "
        "kept, or the key sees "
        "no pictures."
    ),
]
Thumbnail = Annotated[
    str | None,
    Meta(description="The same of up to 160 pixels; the whole picture if there is no smaller one."),
]


class Portrait(Answer):
    """The picture that stands for the face: the chosen one, or else the first."""

    picture: Annotated[str, Meta(description="Its id, as in the list of the face's pictures.")]
    url: Link
    thumb_url: Thumbnail
    width: Annotated[int | None, Meta(description="Pixels; null if nobody noted them.")]
    height: int | None
    box: Annotated[
        Box | None,
        Meta(description="The place of the face, if another one shows in the picture, too."),
    ]


def describe_portrait(context: V1Context, face: model.Face | model.ListedFace) -> Portrait:
    """Describe the picture that stands for a face, with its links."""
    picture = face.portrait
    width, height = picture.sides or (None, None)
    return Portrait.made_of(
        picture,
        picture=picture.id,
        **link_picture(context, picture),
        width=width,
        height=height,
        box=picture.meant,
    )


def link_picture(context: V1Context, picture: model.Picture) -> dict[str, str | None]:
    """Give the links to a picture and to its thumbnail."""
    if not picture.key or not context.caller.is_shown_pictures:
        return {"url": None, "thumb_url": None}
    sign = context.services.ports.storage.blobs.signed_get
    faceid = keys.faceid_of_picture(context.tenant.name, picture.key)
    url = context.show_picture(sign(picture.key), faceid)
    return {
        "url": url,
        "thumb_url": context.show_picture(sign(keys.thumbnail(picture.key)), faceid)
        if picture.sides
        else url,
    }


_JUST_SEEN = timedelta(hours=1)
"""Time after midnight in which a screen may still ask for the day before."""


def require_today(context: V1Context, first_ms: int) -> None:
    """Raise NotAllowed if a screen asks who came before today. `first_ms`: from when on it asks."""
    now, local_time = context.services.clock.now(), context.tenant.local_time
    begin = local_time.begin_of_day(now - _JUST_SEEN)
    if context.caller.is_screen and first_ms < milliseconds(begin):
        raise NotAllowed(
            f"a screen shows who came today: ask from {time_text(begin)} on, or sign in as somebody"
        )


def link_capture(context: V1Context, camera: str, capture: str, url: str) -> str | None:
    """Return the link to a capture's picture, or to a part of it."""
    return context.show_picture(url, f"capture {camera} {capture}")


ScreenPage = Literal["visits", "counter", "traffic", "report"]
ShownPage = Annotated[
    ScreenPage | None, Meta(description="The page that a screen shows; null: it is none.")
]
QrPath = Annotated[
    str, Meta(description="A QR code: an SVG path of its dark squares, `qr_size` of them a side.")
]


def draw_qr_code(text: str) -> dict[str, Any]:
    """Draw a text as a QR code with a margin: give the path of its dark squares, and the squares of
    a side. Of "" both are null."""
    if not text:
        return {"qr_path": None, "qr_size": None}
    from chalicelib.qr_code import draw_code  # not at the other routes' cold starts

    code = draw_code(text)
    return {"qr_path": code.path, "qr_size": code.size}
