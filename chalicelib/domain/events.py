"""The events that hooks receive: a Struct for each kind, whose members are its `data`.

A kind says here, once, what others ask of it: hooks, mailboxes, messages, the console's
list, the table of docs/webhooks.md, and the removal of people. To add one, write its class and put
it into EVENTS. A new member stands last, so that bodies grow at their end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType, to_builtins
from msgspec.structs import fields, replace


class EventKind(StrEnum):
    FACE_ARRIVED = "face.arrived"
    STRANGER_CREATED = "stranger.created"
    STRANGER_PROMOTED = "stranger.promoted"
    FACE_MERGED = "face.merged"
    FACE_OVERDUE = "face.overdue"
    WEEK_ENDED = "week.ended"
    GROUP_FULL = "group.full"
    PLACE_FULL = "place.full"
    PLACE_FREE = "place.free"
    CAMERA_SILENT = "camera.silent"
    CAMERA_UNWELL = "camera.unwell"
    CAMERA_WELL = "camera.well"
    TEST = "test"


class Member(Struct, frozen=True):
    """Declaration of a member of an event, with its use in texts for people and in messages."""

    of: bool = False
    """It is the id of a face that the event is about."""
    names: bool = False
    """It is a text of these people: if one of them leaves, it is emptied."""
    shown_as: str = ""
    """The field of a template that shows it; "": none does."""
    sample: str = ""
    """Text that a test shows there."""
    is_who: bool = False
    """Messages call the event's subject so."""
    form: Literal["line", "lines", "time", "share", "state"] = "line"
    """How a template shows it. `share`: of how many minutes, if some were not watched. `state`: of
    a camera, in the words of domain/languages."""
    of_book: bool = False
    """It tells how many people the book has."""
    says: str = ""
    """Words of the docs beside its name."""


FaceId = Annotated[str, Member(of=True)]
Name = Annotated[str, Member(names=True, shown_as="name", sample="Ann Lee", is_who=True)]
Number = Annotated[int | None, Member(shown_as="number", sample="135")]
VisitCount = Annotated[int, Member(shown_as="visits", sample="7")]
Id = Annotated[str, Member()]
"""Id or address of a thing."""
ThingName = Annotated[str, Member(is_who=True)]
Inside = Annotated[int, Member(shown_as="inside", sample="80")]
_NOT_OF_SOME = "not for a hook of some `groups`, `cameras` or `people`"


class EventData(Struct, frozen=True, kw_only=True):
    """The members of an event. The first paragraph of a kind's docstring says when it is sent."""

    KIND: ClassVar[EventKind]
    WORDS: ClassVar[str]
    """Name of the kind in the console."""
    GROUP: ClassVar[str] = "null"
    CAMERA: ClassVar[str] = "null"
    """Whose group and camera the event has, as docs say it."""
    OF_PEOPLE: ClassVar[bool] = True
    """It says something about people: who gets it is a recipient of the notice."""
    PAUSES: ClassVar[bool] = False
    """A pause of messages holds it back; not what is told once, nor alarms, of which the next is
    about something else."""
    WAITS: ClassVar[bool] = False
    """Outside of the hours of a hook it waits for them, and is told then if it still lasts."""

    @property
    def about(self) -> str:
        """The id of the face that it is about, of two the one that stays; "": it is about none."""
        faceid: str = getattr(self, "faceid", "")
        return faceid

    def hide_book(self) -> EventData:
        """Return the event without what reveals the number of people in the book."""
        members = members_of(self.KIND).items()
        return replace(self, **{name: UNSET for name, member in members if member.of_book})

    def write(self) -> dict[str, Any]:
        """Return the members as JSON has them, without those that are not set."""
        written: dict[str, Any] = to_builtins(self)
        return written


class FaceEvent(EventData, frozen=True, kw_only=True):
    GROUP: ClassVar = "the face's"
    faceid: FaceId
    name: Name
    number: Number


class SightingEvent(FaceEvent, frozen=True, kw_only=True):
    CAMERA: ClassVar = "yes"
    PAUSES: ClassVar = True
    arrive_count: VisitCount
    capture: Id
    sighting: Id
    crop_url: Annotated[str, Member(says="for a key that sees pictures")]
    captured_at: Id
    score: float | UnsetType = UNSET
    threshold: Annotated[float | UnsetType, Member(of_book=True, says=_NOT_OF_SOME)] = UNSET
    gallery_size: Annotated[int | UnsetType, Member(of_book=True, says="as `threshold`")] = UNSET
    false_match_probability: Annotated[
        float | UnsetType, Member(of_book=True, says="as `threshold`")
    ] = UNSET


class FaceArrived(SightingEvent, frozen=True, kw_only=True):
    """a visit begins: the first sighting of a face after the camera's gap"""

    KIND: ClassVar = EventKind.FACE_ARRIVED
    WORDS: ClassVar = "Somebody comes"


class StrangerCreated(SightingEvent, frozen=True, kw_only=True):
    """a face that matched nobody is remembered"""

    KIND: ClassVar = EventKind.STRANGER_CREATED
    WORDS: ClassVar = "A new stranger"
    GROUP: ClassVar = "`stranger`"


class StrangerPromoted(SightingEvent, frozen=True, kw_only=True):
    """a stranger came often enough to be a regular"""

    KIND: ClassVar = EventKind.STRANGER_PROMOTED
    WORDS: ClassVar = "A stranger becomes a regular"
    GROUP: ClassVar = "`regular`"


class FaceMerged(FaceEvent, frozen=True, kw_only=True):
    """a person or the service itself merged two faces"""

    KIND: ClassVar = EventKind.FACE_MERGED
    WORDS: ClassVar = "Two people become one"
    PAUSES: ClassVar = True
    other: Annotated[
        str,
        Member(
            of=True,
            says="the id of the merged face: [what calls answer for "
            "it](faces.md#strangers-who-become-one)",
        ),
    ]
    arrive_count: VisitCount
    merge: Annotated[str, Member(says="undo the merge by this id")]
    joined: Annotated[bool, Member(says="true: the service did it")]


class FaceOverdue(FaceEvent, frozen=True, kw_only=True):
    """a regular has stayed away for [unusually long](#when-is-a-regular-overdue), if `events` lists
    it"""

    KIND: ClassVar = EventKind.FACE_OVERDUE
    WORDS: ClassVar = "Somebody stays away for longer than ever"
    arrive_count: VisitCount
    days: Annotated[int, Member(shown_as="days", sample="15", says="since the last visit")]


class WeekEnded(EventData, frozen=True, kw_only=True):
    """on the [first day of the next week](visits.md#weeks) at 7:00, in the tenant's time zone, if
    `events` lists it; all figures are without staff"""

    KIND: ClassVar = EventKind.WEEK_ENDED
    WORDS: ClassVar = "A week is over"
    first: Annotated[str, Member(says="the week's first day")]
    last: Id
    visits: Annotated[int, Member(shown_as="visits", sample="7")]
    people: int
    new: int
    returning: int
    known: Annotated[int, Member(says="[each visit is one of the three](visits.md#who-is-what)")]
    before: Annotated[int, Member(says="visits of as many days before")]
    report: Annotated[
        str,
        Member(
            shown_as="report",
            form="lines",
            says="these figures as a short text, and which cameras need somebody",
        ),
    ]


class GroupFull(EventData, frozen=True, kw_only=True):
    """a face took the last place of a group, or found no place; sent once an hour at most"""

    KIND: ClassVar = EventKind.GROUP_FULL
    WORDS: ClassVar = "A group is full"
    GROUP: ClassVar = "the full group"
    CAMERA: ClassVar = "the camera that saw the face"
    OF_PEOPLE: ClassVar = False
    capacity: Annotated[int | None, Member(shown_as="capacity", sample="1000")]


class PlaceEvent(EventData, frozen=True, kw_only=True):
    OF_PEOPLE: ClassVar = False
    place: Annotated[str, Member(says="its id")]
    name: ThingName
    inside: Inside
    full_at: int | None
    free_at: int | None
    watched_s: int | None = None
    open_s: int | None = None
    whole: Annotated[
        bool | None,
        Member(
            shown_as="inside_share",
            form="share",
            says="false: all doors together watched `watched_s` of `open_s` seconds; null: it is "
            "closed",
        ),
    ] = None
    turns: Annotated[int, Member(says="how many turns it stands for: one a minute is told")] = 1


class PlaceFull(PlaceEvent, frozen=True, kw_only=True):
    """people are inside a [place](visits.md#places), as many as its `full_at` says"""

    KIND: ClassVar = EventKind.PLACE_FULL
    WORDS: ClassVar = "A place is full"


class PlaceFree(PlaceEvent, frozen=True, kw_only=True):
    """a full place is down to its `free_at`, or it closed"""

    KIND: ClassVar = EventKind.PLACE_FREE
    WORDS: ClassVar = "A place is free again"


class CameraSilent(EventData, frozen=True, kw_only=True):
    """a camera is [silent, or quieter than usual](console.md#usual), and nobody muted it"""

    KIND: ClassVar = EventKind.CAMERA_SILENT
    WORDS: ClassVar = "A camera is silent or quieter than usual"
    CAMERA: ClassVar = "yes"
    OF_PEOPLE: ClassVar = False
    WAITS: ClassVar = True
    name: ThingName
    last_seen_at: Annotated[
        str | None,
        Member(shown_as="last_seen", sample="10:22", form="time", says="null: never"),
    ]
    state: Annotated[str, Member(says="`silent` or `quiet`")]
    silent_after_s: Annotated[int | None, Member(says="null if `quiet`")]
    error: Annotated[
        str | None,
        Member(
            says="what the edge uploader reports about the camera; null: it reports nothing",
        ),
    ]
    trouble: Annotated[
        str,
        Member(
            shown_as="state",
            sample="covered",
            form="state",
            says="why: `state`, or what its box says, such as `login`",
        ),
    ] = "silent"


class CameraUnwell(EventData, frozen=True, kw_only=True):
    """something has been [wrong with a camera](console.md#needs) for ten minutes though it is
    heard, and nobody muted it"""

    KIND: ClassVar = EventKind.CAMERA_UNWELL
    WORDS: ClassVar = "A camera shows something else, or has another trouble"
    CAMERA: ClassVar = "yes"
    OF_PEOPLE: ClassVar = False
    WAITS: ClassVar = True
    name: ThingName
    trouble: Annotated[
        str,
        Member(
            shown_as="state",
            sample="covered",
            form="state",
            says="[its name](console.md#needs), such as `covered`",
        ),
    ]
    blind: Annotated[bool, Member(says="true: nobody is recognised")]
    error: Annotated[
        str | None, Member(says="what the edge uploader reports about it; null: nothing")
    ]


class CameraWell(EventData, frozen=True, kw_only=True):
    """a camera of which one of the two was told has been well again for ten minutes"""

    KIND: ClassVar = EventKind.CAMERA_WELL
    WORDS: ClassVar = "A camera is well again"
    CAMERA: ClassVar = "yes"
    OF_PEOPLE: ClassVar = False
    name: ThingName
    was: Annotated[str, Member(says="the trouble that was told last")]
    state: Annotated[
        str,
        Member(shown_as="state", sample="covered", form="state", says="`well`"),
    ] = "well"


class HookTested(EventData, frozen=True, kw_only=True):
    """somebody tests the hook; sent to that hook alone, whatever its filters are"""

    KIND: ClassVar = EventKind.TEST
    WORDS: ClassVar = "Test"
    OF_PEOPLE: ClassVar = False
    hook: Annotated[str, Member(says="its id")]


EVENTS: Mapping[str, type[EventData]] = {
    event.KIND: event
    for event in (
        FaceArrived,
        StrangerCreated,
        StrangerPromoted,
        FaceMerged,
        FaceOverdue,
        WeekEnded,
        GroupFull,
        PlaceFull,
        PlaceFree,
        CameraSilent,
        CameraUnwell,
        CameraWell,
        HookTested,
    )
}
"""The kinds, in the order in which they are shown."""

CHOSEN = tuple(kind for kind in EVENTS if kind != EventKind.TEST)
"""Kinds that a hook may choose from. A test comes to every hook that is tested."""


@cache
def members_of(kind: str) -> Mapping[str, Member]:
    """Return the declarations of a kind's members."""
    return {field.name: _read_member(field.type) for field in fields(EVENTS[kind])}


def _read_member(type_: Any) -> Member:
    said = getattr(type_, "__metadata__", ())
    return next((one for one in said if isinstance(one, Member)), Member())


@cache
def list_samples() -> Mapping[str, str]:
    """Return a sample for each field of a template that an event has of its own."""
    return {
        member.shown_as: member.sample
        for kind in EVENTS
        for member in members_of(kind).values()
        if member.shown_as
    }


@cache
def list_shown(kind: str) -> tuple[str, ...]:
    """Return the fields of a template that events of a kind have of their own."""
    return tuple(member.shown_as for member in members_of(kind).values() if member.shown_as)


@cache
def _list_face_ids() -> frozenset[str]:
    return frozenset(
        name for kind in EVENTS for name, member in members_of(kind).items() if member.of
    )


def empty_names(
    kind: str, data: Mapping[str, Any], faceids: Collection[str]
) -> dict[str, Any] | None:
    """Return empty values for those members of a stored event's `data` that name these faces.

    {}: the event names nobody. None: it is about none of the faces. A newer version of the software
    may have written the event, with members that this one does not know. As nobody knows what they
    hold, all texts in them are emptied. Ids of faces stay.
    """
    members = members_of(kind) if kind in EVENTS else {}
    id_members = _list_face_ids()  # the names of those members that are faces' ids
    unknown = {
        name: value
        for name, value in data.items()
        if name not in members and name not in id_members
    }
    mentioned = {data.get(name) for name in id_members}.union(_list_texts(unknown))
    if mentioned.isdisjoint(faceids):
        return None
    emptied = {name: "" for name, member in members.items() if member.names and data.get(name)}
    for name, value in unknown.items():
        if _list_texts(value):
            emptied[name] = _without_texts(value)
    return emptied


def _list_texts(value: Any) -> set[str]:
    """Return the texts in a value of JSON."""
    if isinstance(value, str):
        return {value} - {""}
    if isinstance(value, Mapping):
        return _list_texts([*value, *value.values()])
    return (
        {text for one in value for text in _list_texts(one)} if isinstance(value, list) else set()
    )


def _without_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else ""
