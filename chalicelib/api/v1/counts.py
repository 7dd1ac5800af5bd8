"""People counted at doors over v1: the minutes of a camera, and the places that doors lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as, answer_nothing
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.wire import (
    Answer,
    Changes,
    Instant,
    Revision,
    Sent,
    Text,
    Time,
    list_sent_members,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import counts
from chalicelib.domain.counts import Count, CountedMinute, Doubts
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.book.counts import places
    from chalicelib.domain.rules import inside

operations = Operations()

Crossings = Annotated[int, Meta(ge=0, le=1_000)] | None


Sure = Annotated[int, Meta(ge=0, le=1_000)]


class MinuteSent(Sent):
    at: Annotated[Instant, Meta(description="The first instant of a minute.")]
    seconds: Annotated[int, Meta(ge=0, le=60, description="So many of it were watched.")]
    in_: Annotated[
        Crossings,
        Meta(
            description="So many came in. `in`, `out` and `faces` are null together: nobody "
            "watched, or `why` says what spoke against them."
        ),
    ] = field(name="in")
    out: Crossings
    faces: Annotated[
        Crossings, Meta(description="Of those who came in, so many showed a usable face.")
    ]
    why: Annotated[
        counts.Why | None,
        Meta(
            description="Why its numbers are null: slow, the box looked too seldom; dark, it was "
            "too dark; crowd, people hid each other; moved, the camera was covered or turned; "
            "narrow, people were larger than the room beside the line. A box sends it if a "
            "heartbeat's answer has `counting`."
        ),
    ] = None
    sure_in: Annotated[
        Sure, Meta(description="Of a minute with `why`: at least so many came in.")
    ] = 0
    sure_out: Sure = 0


class MinutesCounted(Sent):
    minutes: Annotated[list[MinuteSent], Meta(min_length=1, max_length=2_880)]


class MinutesStored(Answer):
    stored: Annotated[int, Meta(ge=1)]


@operations("PUT", "/v1/cameras/{id}/counts", Role.OPERATOR, of_cameras=True)
def give_counts(context: V1Context, body: MinutesCounted) -> MinutesStored:
    """Report how many people crossed a camera's line, in whole minutes (UTC) of the last 30 days.

    All minutes are stored, or none. Of two reports of a minute the one with more watched seconds
    stays; of equal ones numbers stay before null, null with `why` before null alone, then the
    larger. So a report may come twice, late
    and in any order. A camera's own key changes no minute that is stored and older than two days;
    it is answered as stored.
    """
    id_ = context.path_values["id"]
    context.caller.require_camera(id_)
    caller = context.caller.camera
    camera = (
        caller
        if caller is not None and caller.id == id_
        else context.services.cameras.get(context.tenant, id_)
    )
    minutes = [CountedMinute(minute.at, _read_count(minute)) for minute in body.minutes]
    stored = context.services.counts.store_minutes(
        context.tenant, camera, minutes, is_by_camera=caller is not None
    )
    return MinutesStored(stored=stored)


def _read_count(minute: MinuteSent) -> Count:
    doubts = Doubts.of_minute(minute.why, minute.sure_in, minute.sure_out)
    return Count(minute.seconds, minute.in_, minute.out, minute.faces, doubts)


class TimeOfCounts(Sent):
    from_: Annotated[Instant, Meta(description="The first instant of a minute.")] = field(
        name="from"
    )
    to: Annotated[
        Instant, Meta(description="The instant behind the last minute, at most the coming minute.")
    ]


class Void(Answer):
    camera: Annotated[str, Meta(description="The camera's id; it may be deleted.")]
    from_: Time = field(name="from")
    to: Annotated[Time, Meta(description="The instant behind the last minute.")]


class Voids(Answer):
    voids: Annotated[list[Void], Meta(max_length=200)]


@operations("GET", "/v1/voids", Role.ADMIN)
def list_voids(context: V1Context) -> Voids:
    """List the times whose counts of a camera are void, by camera and time. Times that follow each
    other are one. The audit says who made them.
    """
    voids = context.services.counts.voids.list_all(context.tenant.name)
    return Voids(
        voids=[
            Void.made_of(void, from_=moment(void.first_ms), to=moment(void.end_ms))
            for void in voids
        ]
    )


@operations("DELETE", "/v1/cameras/{id}/counts", Role.ADMIN, again=answer_as(list_voids))
def void_counts(context: V1Context, query: TimeOfCounts) -> Voids:
    """Take a camera's minutes back that are wrong: they count nowhere, also if they are told again.

    They are kept, and `DELETE /v1/cameras/{id}/voids` has them count again. After 30 days minutes
    become hours, and those that are void then make hours of their own. A void of a later time takes
    whole hours, also if it holds only a part of them. It answers with all voids.
    """
    context.services.counts.voids.add(
        context.tenant, _read_void(context, query), context.request_id
    )
    return list_voids(context)


@operations("DELETE", "/v1/cameras/{id}/voids", Role.ADMIN, again=answer_as(list_voids))
def undo_void(context: V1Context, query: TimeOfCounts) -> Voids:
    """Have a camera's minutes count again that were void, whole or a part. Of an hour, minutes that
    were void when they were 30 days old count again once none of them is void. It answers with the
    voids that are left.
    """
    context.services.counts.voids.take_back(
        context.tenant, _read_void(context, query), context.request_id
    )
    return list_voids(context)


def _read_void(context: V1Context, query: TimeOfCounts) -> counts.Void:
    """Read of which camera a time is meant, one that is deleted perhaps. Raises CameraNotFound."""
    id_or_name = context.path_values["id"]
    require_named(context.services, context.tenant, camera=id_or_name)
    camera = context.services.cameras.id_of(context.tenant, id_or_name)
    return counts.Void(camera, milliseconds(query.from_), milliseconds(query.to))


PlaceName = Annotated[str, Meta(min_length=1, max_length=100)]
Doors = Annotated[
    list[Text],
    Meta(
        min_length=1,
        max_length=50,
        description="Ids or names of cameras that count. A camera is a door of one place at most.",
    ),
]
FullAt = Annotated[
    Annotated[int, Meta(ge=1, le=100_000)] | None,
    Meta(description="From so many inside on it is full: hooks get `place.full`. null: never."),
]
FreeAt = Annotated[
    Annotated[int, Meta(ge=0, le=99_999)] | None,
    Meta(
        description="A full place is free again with so few inside: hooks get `place.free`. Less "
        "than `full_at`; null or not sent with it: nine tenths of that."
    ),
]


InsideNow = Annotated[
    int,
    Meta(
        ge=0,
        le=100_000,
        description="So many are inside now. It is a correction in the same write.",
    ),
]


Takes = Annotated[
    bool, Meta(description="Whether doors of other places are taken from these; else it is a 409.")
]


class NewPlace(Sent):
    name: PlaceName
    doors: Doors
    full_at: FullAt = None
    free_at: FreeAt = None
    inside: InsideNow | UnsetType = UNSET
    takes: Takes = False


class PlaceChanges(Changes):
    name: PlaceName | UnsetType = UNSET
    doors: Doors | UnsetType = UNSET
    full_at: FullAt | UnsetType = UNSET
    free_at: FreeAt | UnsetType = UNSET
    inside: InsideNow | UnsetType = UNSET
    takes: Takes | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET


class InsideSaid(Sent):
    inside: Annotated[int, Meta(ge=0, le=100_000, description="So many are inside now.")]


class PlacesWanted(Sent):
    days: Annotated[
        int, Meta(ge=1, le=30, description="Openings of so many local days, today included.")
    ] = 1


class Correction(Answer):
    at: Time
    inside: Annotated[int, Meta(ge=0, description="So many were inside, somebody said.")]
    change: Annotated[int, Meta(description="By so much that changed what was counted.")]
    by: Annotated[str, Meta(description="Who said so, as the audit names them.")]


class Opening(Answer):
    """A time in which the shop is open, by the setting `opening`; of one that never closes, a day.

    `left` is `in` less `out`, with `dropped` and `corrected`.
    """

    opened_at: Time
    closed_at: Annotated[Time | None, Meta(description="null: it is open.")]
    in_: Annotated[int, Meta(ge=0)] = field(name="in")
    out: Annotated[int, Meta(ge=0)]
    dropped: Annotated[int, Meta(ge=0, description="Who went out while nobody was inside.")]
    corrected: Annotated[int, Meta(description="The sum of the corrections' changes.")]
    most: Annotated[int, Meta(ge=0, description="The most inside at once.")]
    left: Annotated[
        int,
        Meta(ge=0, description="Inside now; or at closing, by the counts: they were set to 0."),
    ]
    watched_s: Annotated[
        int, Meta(ge=0, description="Seconds that were counted, those of all doors together.")
    ]
    open_s: Annotated[
        int,
        Meta(ge=0, description="Seconds that were to be counted until ten minutes ago, likewise."),
    ]
    whole: Annotated[
        bool,
        Meta(
            description="Whether at least nine tenths of these seconds were counted. Otherwise "
            "show the numbers with their share alone."
        ),
    ]
    corrections: list[Correction]


class Place(Answer):
    id: str
    name: str
    doors: Annotated[list[str], Meta(description="Ids of cameras.")]
    full_at: FullAt
    free_at: FreeAt
    inside: Annotated[int, Meta(ge=0, description="0 while it is closed.")]
    full: bool
    open: bool
    openings: Annotated[list[Opening], Meta(description="The newest last.")]
    revision: Annotated[
        int, Meta(ge=1, description="Grows with each change of name, doors and limits.")
    ]


class Places(Answer):
    places: Annotated[list[Place], Meta(max_length=50)]
    time_zone: str


@operations("GET", "/v1/places", Role.VIEWER)
def list_places(context: V1Context, query: PlacesWanted) -> Places:
    """List the places, and how many people are inside.

    Inside are those who came in less those who went out since the shop opened, never less than 0.
    At closing it is 0 again.
    """
    all_places = context.services.counts.places.list_all(context.tenant, query.days)
    return Places(
        places=[_describe_place(place_now) for place_now in all_places],
        time_zone=context.tenant.time_zone,
    )


def _answer_place_again(context: V1Context, body: Mapping[str, Any]) -> Place:
    return _read_place(context, body["id"])


@operations("POST", "/v1/places", Role.ADMIN, status=201, again=_answer_place_again)
def add_place(context: V1Context, body: NewPlace) -> Place:
    """Make a place of cameras that count at its doors.

    What a camera counted before it was ever a door of a place is of this one. 409 Conflict if one
    of them is a door of another place, and `takes` is not sent or it is the only one there. Or if
    `inside` is sent while the place is closed.
    """
    # not at the other routes' cold starts
    from chalicelib.book.counts.places import PlaceFields

    members = list_sent_members(body)
    said, takes = _read_inside_said(context, members), members.pop("takes")
    id_ = context.services.counts.places.add(
        context.tenant, PlaceFields(**members), said, context.request_id, takes=takes
    )
    return _read_place(context, id_)


@operations("GET", "/v1/places/{id}", Role.VIEWER)
def get_place(context: V1Context) -> Place:
    """Read one place, with the openings of today."""
    return _read_place(context, context.path_values["id"])


@operations("PATCH", "/v1/places/{id}", Role.ADMIN, again=answer_as(get_place))
def change_place(context: V1Context, body: PlaceChanges) -> Place:
    """Change what is sent; the rest stays. `doors` takes the place of all.

    A new door counts here from the next minute on; what it counted before stays where it was. So
    does what was counted here at a door that is none any more. `inside` says how many are inside
    after the change: the answer's last correction says by how much that changed the count, and by
    whom it was said. 409 Conflict if it is sent while the place is closed, or if a door is another
    place's as in `POST /v1/places`.
    """
    changes = list_sent_members(body)
    revision, takes = changes.pop("revision", None), changes.pop("takes", False)
    said = _read_inside_said(context, changes)
    context.services.counts.places.change(
        context.tenant,
        context.path_values["id"],
        changes,
        said=said,
        takes=takes,
        revision=revision,
        request=context.request_id,
    )
    return get_place(context)


@operations("DELETE", "/v1/places/{id}", Role.ADMIN, again=answer_nothing)
def delete_place(context: V1Context) -> None:
    """Forget a place. What was counted at its doors stays, and is of no other place."""
    context.services.counts.places.delete(
        context.tenant, context.path_values["id"], context.request_id
    )


@operations("PUT", "/v1/places/{id}/inside", Role.OPERATOR, again=answer_as(get_place))
def correct_inside(context: V1Context, body: InsideSaid) -> Place:
    """Say how many are inside now. Minutes that begin later add to that.

    The audit names who said it, and the place shows it for 30 days. 409 Conflict while the place is
    closed.
    """
    context.services.counts.places.correct(
        context.tenant,
        context.path_values["id"],
        counts.InsideSaid(body.inside, context.caller.audit_name),
        context.request_id,
    )
    return get_place(context)


def _read_inside_said(context: V1Context, members: dict[str, Any]) -> counts.InsideSaid | None:
    """Take out of the sent members how many are inside; None: that was not sent."""
    inside = members.pop("inside", None)
    return None if inside is None else counts.InsideSaid(inside, context.caller.audit_name)


def _read_place(context: V1Context, id_: str) -> Place:
    return _describe_place(context.services.counts.places.get(context.tenant, id_))


def _describe_place(place_now: places.PlaceNow) -> Place:
    return Place.made_of(
        place_now.place,
        doors=list(place_now.place.doors),
        inside=place_now.inside,
        full=place_now.is_full,
        open=place_now.present is not None,
        openings=[_describe_opening(occupancy) for occupancy in place_now.openings],
        revision=place_now.place.version,
    )


def _describe_opening(occupancy: inside.Occupancy) -> Opening:
    opening = occupancy.opening
    return Opening.made_of(
        occupancy,
        opened_at=moment(opening.first_ms),
        closed_at=None if opening.end_ms is None else moment(opening.end_ms),
        in_=occupancy.entries,
        out=occupancy.exits,
        whole=occupancy.is_whole,
        corrections=[
            Correction.made_of(applied.correction, change=applied.change)
            for applied in occupancy.corrections
        ],
    )
