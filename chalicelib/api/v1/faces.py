"""Faces: enrol, list, read, change, delete, one or many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType, field

from chalicelib.api.v1.book import FaceArrival, describe_arrivals
from chalicelib.api.v1.captures import (
    CropUrl,
    PictureUrl,
    Sighting,
    describe_sighting,
    find_faces_seen,
    link_sighting,
    list_partly_shown,
)
from chalicelib.api.v1.data_protection import (
    Erasure,
    NewConsent,
    Whole,
    describe_erasure,
    make_consent_record,
)
from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as
from chalicelib.api.v1.shapes import (
    LISTED,
    Box,
    Decided,
    Estimates,
    Labels,
    Number,
    Portrait,
    describe_decision,
    describe_portrait,
    parse_number,
)
from chalicelib.api.v1.wire import (
    PICTURES,
    Answer,
    Changes,
    NextToken,
    Paged,
    PictureSent,
    Revision,
    Sent,
    Text,
    Time,
    list_sent_members,
)
from chalicelib.auth.roles import Role
from chalicelib.book.faces import is_shown_by_name, show_all
from chalicelib.domain import audit_events, errors, model
from chalicelib.domain.captures import Instead, parts_of_sighting
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.observations import Observation
from chalicelib.domain.person_texts import TEXTS, copy_texts
from chalicelib.domain.pictures import Gender
from chalicelib.domain.rules.hold import require_free
from chalicelib.privacy.retention import goes_at
from chalicelib.storage.items import FaceOrder
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    from chalicelib.book.deletion.deletion import Deleted
    from chalicelib.domain.rules import sighting, visits

operations = Operations()


FaceId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Meta(max_length=100, description="One line of text.")]
Note = Annotated[str, Meta(max_length=TEXTS["note"].most)]
CounterNote = Annotated[
    str,
    Meta(
        max_length=TEXTS["counter_note"].most,
        description="One line, which a screen on the wall shows; it never shows the note.",
    ),
]
Age = Annotated[int, Meta(ge=0, le=120)]
Value = Annotated[str, Meta(max_length=50)]
Label = Annotated[str, Meta(max_length=100)]
Values = Annotated[
    dict[str, Value],
    Meta(description="By the names of the group's attributes; one that is not named has no value."),
]


class FaceLabels(Sent):
    """Labels that are not sent stay as they are."""

    a: Label | UnsetType = UNSET
    b: Label | UnsetType = UNSET
    c: Label | UnsetType = UNSET
    d: Label | UnsetType = UNSET


class Face(Answer):
    id: str
    group: str
    name: Name
    number: Number
    note: Note
    counter_note: Annotated[CounterNote | None, Meta(description="Null in lists of faces.")]
    age: Annotated[
        int | None,
        Meta(description="The age that was set, else the estimate. The gender likewise."),
    ]
    gender: Gender
    attributes: Annotated[
        dict[str, str], Meta(description="Values by the names of the group's attributes.")
    ]
    labels: Labels
    enrolled_at: Time
    arrive_count: Annotated[int, Meta(ge=0)]
    arrive_time: Annotated[Time | None, Meta(description="When the last arrival began.")]
    quality: Annotated[
        float | None,
        Meta(description="0 to 100, of the face's first picture."),
    ]
    estimates: Estimates
    portrait: Portrait
    pictures: Annotated[int, Meta(ge=1, le=100, description="How many there are.")]
    rejections: Annotated[
        int, Meta(ge=0, le=20, description="How many pictures were rejected for it.")
    ]
    revision: Annotated[
        int,
        Meta(
            ge=1,
            description="Grows with each change that a caller makes. A sighting and its effects do "
            "not count.",
        ),
    ]
    kept_until: Annotated[
        Time | None,
        Meta(
            description="When retention deletes the face, unless it is seen or changed before. "
            "Null: never, such as a "
            "stranger with a name; lists of a group or of all do not say it."
        ),
    ]
    hidden: Annotated[
        bool | None,
        Meta(
            description="Whether the console's lists of people and its suggestions leave the face "
            "out. Null in lists of a group or of all."
        ),
    ]


class EnrolledFace(Face):
    absorbed: Annotated[
        list[str],
        Meta(
            description="Strangers of the cameras who are surely this person: they are part of "
            "this face now."
        ),
    ]


class NewFace(PictureSent):
    group: Text
    id: Annotated[
        FaceId | None,
        Meta(
            description="If you send none, one is chosen. Some tenants have whole numbers only, "
            "from 1 on."
        ),
    ] = None
    name: Name = ""
    note: Note = ""
    counter_note: CounterNote = ""
    age: Age | None = None
    gender: Gender | None = None
    attributes: Values = field(default_factory=dict)
    labels: FaceLabels = field(default_factory=FaceLabels)
    hidden: bool = False
    consent: Annotated[
        NewConsent | None,
        Meta(description="400 ConsentMissing without it if the tenant has `consent_required`."),
    ] = None
    if_known: Annotated[
        Literal["enrol", "refuse"],
        Meta(
            description="`refuse`: 409 FaceKnown if the same person is enrolled already, in any "
            "group."
        ),
    ] = "enrol"
    if_erased: Annotated[
        Literal["enrol", "refuse"],
        Meta(
            description="409 FaceErased if somebody with the id, or with this very picture, was "
            "erased or withdrew consent in a shop of the controller, and the record of consent was "
            "not given after that. `enrol`: this is somebody else, and is enrolled."
        ),
    ] = "refuse"


class FaceChanges(Changes):
    name: Name | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    counter_note: CounterNote | UnsetType = UNSET
    group: Text | UnsetType = UNSET
    age: Annotated[Age | None, Meta(description="Null: as it is estimated.")] | UnsetType = UNSET
    gender: Annotated[Gender | None, Meta(description="Null: as it is estimated.")] | UnsetType = (
        UNSET
    )
    attributes: (
        Annotated[
            dict[str, Value],
            Meta(description='By name; "" clears one, one that is not sent stays.'),
        ]
        | UnsetType
    ) = UNSET
    labels: FaceLabels | UnsetType = UNSET
    hidden: (
        Annotated[
            bool,
            Meta(
                description="Lists with `listed`, and `GET /v1/duplicates`, leave the face out. "
                "409 TooMany beyond 500."
            ),
        ]
        | UnsetType
    ) = UNSET
    portrait: (
        Annotated[
            str | None,
            Meta(
                description="The id of the picture of the face that answers show as its portrait; "
                "searches and estimates do not go by it. Null: the first. 409 Conflict if "
                "only its template is kept."
            ),
        ]
        | UnsetType
    ) = UNSET
    revision: Revision | UnsetType = UNSET


class FacesWanted(Paged):
    group: Annotated[Text | None, Meta(description="Its name; not sent, all groups.")] = None
    order: Annotated[
        FaceOrder | None,
        Meta(
            description="`enrolled`, as without one: by the time of enrolment. `arrived`: by the "
            "last arrival or else "
            "the enrolment, so that the person away longest comes first. `id`: of all groups only. "
            "`name`: from A to "
            "Z, people without one last. `visits`: the fewest first, without those since the first "
            "page was read. If "
            "captures come late meanwhile, a face may be on two pages or on none. These two list "
            "10,000 faces at most, "
            "else 409 TooMany, and go on for an hour after the first page."
        ),
    ] = None
    desc: Annotated[bool, Meta(description="The other way round.")] = False
    ids: Annotated[
        Annotated[list[FaceId], Meta(max_length=100)] | None,
        Meta(
            description="These faces, in this order; those that are not there are left out. An "
            "empty list: no faces."
        ),
    ] = None
    name: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(
            description="Those in whose name each of these words begins a word, whatever its case; "
            "in Chinese, "
            "Japanese and Korean, any part of a name. Found are the first eight words, or "
            "characters of such a part. "
            "`135` and `stranger 135` find a number, too."
        ),
    ] = None
    listed: Annotated[
        bool, Meta(description=f"{LISTED}; by `name`, unless it is the name in full.")
    ] = False


class FacesPage(Answer):
    faces: list[Face]
    next_token: NextToken


class FaceIdsWanted(Sent):
    group: Annotated[Text | None, Meta(description="Its name; not sent, all groups.")] = None
    known: Annotated[bool, Meta(description="Of all groups, leave out the strangers'.")] = False
    listed: Annotated[bool, Meta(description=f"{LISTED}.")] = False
    hidden: Annotated[bool, Meta(description="Those only, of whom `listed` has none.")] = False
    order: FaceOrder = FaceOrder.ENROLLED
    desc: Annotated[bool, Meta(description="The other way round.")] = False


class FaceIds(Answer):
    ids: Annotated[list[str], Meta(max_length=100_000)]
    seq: Annotated[
        int,
        Meta(ge=0, description="How many changes the faces had seen before these ids were read."),
    ]


class FaceSighting(Decided):
    """A time at which the face was seen."""

    id: str
    capture: str
    camera: str
    captured_at: Time
    group: Annotated[str, Meta(description="What the face was when it was sighted.")]
    box: Annotated[Box | None, Meta(description="The place of the face in the capture.")]
    picture_url: PictureUrl
    crop_url: CropUrl


class Arrival(Answer):
    """Sightings that are so close together that the person came once."""

    first: Time
    last: Time
    sightings: int


class Habit(Answer):
    """Way in which the face usually comes, by the visits of the last twelve weeks.

    What is not certain is empty or null. Of staff nothing is said but the visits of this month.
    """

    weekdays: Annotated[
        list[Annotated[int, Meta(ge=0, le=6)]],
        Meta(
            max_length=6,
            description="On which it mostly comes, from 0, Monday, in the tenant's time zone.",
        ),
    ]
    part_of_day: Annotated[
        Literal["morning", "afternoon", "evening"] | None,
        Meta(description="In which it mostly comes: 5 to 12, 12 to 17, or 17 to 5."),
    ]
    every_days: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Usual days from one visit to the next."),
    ]
    next_day: Annotated[
        Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")] | None,
        Meta(description="When the next visit is expected: today or later."),
    ]
    visits_this_month: Annotated[int, Meta(ge=0)]
    missed_day: Annotated[
        Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")] | None,
        Meta(description="When a visit was expected after the last one, if that day is over."),
    ]


class SightingsWanted(Paged): ...


class SightingsPage(Answer):
    name: Annotated[str, Meta(description="The face's.")]
    number: Number
    sightings: list[FaceSighting]
    total: int
    next_token: NextToken
    arrivals: Annotated[list[Arrival], Meta(description="All of them, newest first.")]
    habit: Habit


class FaceDeletion(Sent):
    erase: Annotated[
        bool, Meta(description="Leave nothing of the person, and answer the erasure.")
    ] = False
    former: Annotated[
        bool,
        Meta(
            description="With `erase`, if somebody else has the id now: erase the person who had "
            "it before, and nobody else."
        ),
    ] = False
    whole: Whole = None


class Erased(Erasure):
    """The erasure of a person; of dozens of faces it has several parts, and this is the last."""

    erasures: Annotated[
        list[str],
        Meta(description="Ids of all parts, this one last; each has a receipt of its own."),
    ]


class NotThisFace(Sent):
    """A rejection. Without `other` and `instead`, a search says whose sighting it is."""

    other: Annotated[
        Text | None, Meta(description="Id of the face that the sighting is instead.")
    ] = None
    instead: Annotated[
        Instead | None,
        Meta(
            description="stranger: nobody known. new: somebody new, with `name`. nobody: no face "
            "at all, and no visit."
        ),
    ] = None
    name: Annotated[Name | None, Meta(description="Of somebody new, who is a regular then.")] = None
    visit: Annotated[bool, Meta(description="Whether all sightings of its visit go along.")] = False
    only: Annotated[
        Annotated[list[Text], Meta(max_length=500)] | None,
        Meta(description="With `visit`, these of its sightings."),
    ] = None


class Rejected(Answer):
    """The sighting as it is now, and the face that it left, or the one that this was merged into.

    `sightings`: all that went along. `arrival`: the visit that the sighting is of now; null: it is
    none.
    """

    sighting: Sighting
    face: Face
    sightings: list[str]
    arrival: FaceArrival | None


@operations("GET", "/v1/faces", Role.VIEWER)
def list_faces(context: V1Context, query: FacesWanted) -> FacesPage:
    """List faces: of a group or of all, those of some ids, or those of a name.

    A page costs the same wherever it is in the list. One of a name reads a thousand names at most,
    so it may have fewer than `limit`, even none, and not be the last: go on until `next_token` is
    null. Faces that come, go or move while pages are read may be missing. Of a tenant of over 100
    groups, the orders `enrolled` and `arrived` need a `group`.
    """
    _require_one_list(query)
    faces, order = context.services.faces, query.order or FaceOrder.ENROLLED
    if query.ids is not None:
        return FacesPage(
            faces=describe_faces(context, faces.by_id(context.tenant, query.ids).values()),
            next_token=None,
        )
    if query.name is not None:
        shows = is_shown_by_name if query.listed else show_all
        name_page = faces.search_by_name(
            context.tenant, query.name, query.limit, query.token, shows=shows
        )
        return FacesPage(
            faces=describe_faces(context, name_page.rows), next_token=name_page.next_token
        )
    page = faces.lists.read_page(
        context.tenant,
        query.group,
        order,
        query.limit,
        query.token,
        descending=query.desc,
        left_out=faces.list_hidden(context.tenant) if query.listed else frozenset(),
    )
    return FacesPage(faces=describe_faces(context, page.rows), next_token=page.next_token)


@operations("GET", "/v1/face-ids", Role.VIEWER)
def list_face_ids(context: V1Context, query: FaceIdsWanted) -> FaceIds:
    """List the ids of all faces of a group, or of all groups, in one answer.

    409 TooMany if there are over 100,000.
    """
    if query.listed and query.hidden:
        raise errors.InvalidInput("nobody is in both: ask for those listed or hidden")
    face_ids = context.services.faces.lists.list_ids(
        context.tenant, query.group, query.order, descending=query.desc, known=query.known
    )
    ids = face_ids.ids
    if query.listed or query.hidden:
        hidden_ids = context.services.faces.list_hidden(context.tenant)
        ids = [id_ for id_ in ids if (id_ in hidden_ids) is query.hidden]
    audit_events.report_people(ids)
    return FaceIds(ids=ids, seq=face_ids.seq)


def _answer_enrolment_again(context: V1Context, body: Mapping[str, Any]) -> EnrolledFace:
    face = context.services.faces.get(context.tenant, body["faceid"])
    return _describe_enrolled_face(
        context, context.services.enrolment.absorb_strangers(context.tenant, face)
    )


@operations(
    "POST", "/v1/faces", Role.OPERATOR, status=201, again=_answer_enrolment_again, searches=True
)
def enrol_face(context: V1Context, body: NewFace) -> EnrolledFace:
    """Enrol somebody: the largest face of a picture becomes a face of a group.

    422 Unusable, with the reason, if no face is clearly the largest (at least twice the next one's
    area), or it is too small, too poor or not alive. A search finds the face at once.

    Strangers whom the cameras made of the same person become part of the face, with their visits
    and pictures, if they are surely that person: `absorbed` names them. Each is a merge, which can
    be undone. A face that somebody put into a group is never absorbed. With `if_known` `refuse`,
    nothing is: 409 FaceKnown names the `face` that the picture looks like, strangers too, and the
    `score`.
    """
    # not at the other routes' cold starts
    from chalicelib.book.enrolment.fields import require_attributes

    if body.attributes:
        require_attributes(
            context.services.groups.get_by_name(context.tenant, body.group), body.attributes
        )
    face = context.services.enrolment.enrol_largest_face(
        context.tenant,
        body.group,
        body.picture,
        PICTURES,
        model.NewFace(
            faceid=body.id,
            age=body.age,
            gender=body.gender,
            values=body.attributes,
            name=body.name,
            hidden=body.hidden,
            labels=model.Labels(**list_sent_members(body.labels)),
            consent=None if body.consent is None else make_consent_record(body.consent),
            **copy_texts(body),
        ),
        refuses_known=body.if_known == "refuse",
        is_somebody_else=body.if_erased == "enrol",
        request=context.request_id,
    )
    return _describe_enrolled_face(context, face)


def _describe_enrolled_face(context: V1Context, face: model.Face) -> EnrolledFace:
    absorbed = context.services.enrolment.list_absorbed(context.tenant, face)
    audit_events.report_people(absorbed)
    return EnrolledFace.made_of(describe_face(context, face), absorbed=absorbed)


@operations("GET", "/v1/faces/{id}", Role.VIEWER)
def get_face(context: V1Context) -> Face:
    """Read one enrolled face."""
    return describe_face(
        context, context.services.faces.get(context.tenant, context.path_values["id"])
    )


@operations("PATCH", "/v1/faces/{id}", Role.OPERATOR, again=answer_as(get_face))
def change_face(context: V1Context, body: FaceChanges) -> Face:
    """Change what is sent; the rest stays.

    With another `group` the face moves there; values of attributes follow their names, and those
    that the group lacks are dropped. With `revision`, 409 Changed if another caller has changed the
    face since it was read; `present` is the face as it is now. A visit is no change.
    """
    from chalicelib.book.enrolment import fields  # not at the other routes' cold starts

    changes = list_sent_members(body)
    revision = changes.pop("revision", None)
    if "portrait" in changes:
        changes["portrait_id"] = changes.pop("portrait")
    face_changes = fields.FaceChanges(
        new_group_name=changes.pop("group", None),
        values=changes.pop("attributes", {}),
        cleared_names=frozenset(name for name, value in changes.items() if value is None),
        **changes,
    )
    face = context.services.enrolment.update.change_face(
        context.tenant,
        context.path_values["id"],
        face_changes,
        revision=revision,
        request=context.request_id,
    )
    return describe_face(context, face)


def _answer_deletion_again(context: V1Context, body: Mapping[str, Any]) -> Erased | None:
    return _describe_erasures(context, body.get("erasures", ()))


@operations("DELETE", "/v1/faces/{id}", Role.OPERATOR, status=202, again=_answer_deletion_again)
def delete_face(context: V1Context, query: FaceDeletion) -> Erased | None:
    """Forget a face: its templates, pictures, names and merges. Its visits stay in the statistics.

    No search finds it from then on. Its pictures are gone at once, its templates from every copy
    within three hours, and age, gender and crops of its sightings within the hour.

    With `erase`, or if the setting `deletes_erase` says so, nothing is left of the person: not in
    captures either, where the face is made unrecognisable if the picture shows others. Counts stay,
    under a random name. 202 has the erasure, which takes some minutes: `GET /v1/erasures/{id}` says
    how far it is, and has the receipt at its end. It also erases what is left of a face that was
    deleted without it. With `erase`, all faces of its named face set go, too, or with `whole` of
    any: `GET /v1/faces/{id}/hold` lists them before. Of dozens there are several erasures, and the
    last is answered; 503 Busy says that some are left. If the id was given to somebody else since,
    `former` erases what is left of the one before. 410 FaceMerged names the face into which it was
    merged: who erases that one erases both.
    """
    faceid = context.path_values["id"]
    deletion = context.services.deletion
    caller_id = context.caller.id
    if (query.former or query.whole) and not query.erase:
        raise errors.InvalidInput("former and whole go with erase: a deletion is of one face")
    if query.former or (
        query.erase and not context.services.faces.by_id(context.tenant, [faceid], restricted=True)
    ):
        context.services.faces.require_not_merged(context.tenant, faceid)
        deleted = context.services.erasure.erase_gone_face(
            context.tenant, faceid, context.request_id, by=caller_id
        )
    else:
        context.services.faces.get(context.tenant, faceid, restricted=query.erase)
        faceids = (
            context.services.faces.find_person(context.tenant, faceid).choose_faces(query.whole)
            if query.erase
            else (faceid,)
        )
        # The named one last, by which a repeat finds those that are left.
        deleted = deletion.delete_faces(
            context.tenant, faceids[::-1], context.request_id, by=caller_id, erase=query.erase
        )
    if deleted.failed:
        require_free(
            context.services.faces.by_id(context.tenant, deleted.failed, restricted=True).values()
        )
        raise errors.Busy(
            f"{len(deleted.failed)} faces of this person are left: send the request again in a "
            "moment"
        )
    if faceid in deleted.not_exist:
        raise errors.FaceNotFound(f"there is no face {faceid!r} any more")
    return _describe_erasures(context, deleted.erasures)


def _describe_erasures(context: V1Context, ids: Sequence[str]) -> Erased | None:
    if not ids:
        return None
    last = describe_erasure(context.services.erasure.records.get(context.tenant.name, ids[-1]))
    return Erased.made_of(last, erasures=list(ids))


@operations("GET", "/v1/faces/{id}/sightings", Role.VIEWER)
def list_sightings(context: V1Context, query: SightingsWanted) -> SightingsPage:
    """List when the face was seen, newest first, and its arrivals, as far back as they are kept
    (100 days and more)."""
    timeline = context.services.sightings.read_timeline(
        context.tenant, context.path_values["id"], query.limit, query.token
    )
    audit_events.report_people([timeline.face.faceid])
    partly_shown = list_partly_shown(
        context, ((observation.camera, observation.id) for observation in timeline.sightings)
    )
    return SightingsPage(
        name=timeline.face.name,
        number=parse_number(timeline.face),
        sightings=[
            _describe_face_sighting(context, observation, partly_shown)
            for observation in timeline.sightings
        ],
        total=timeline.total,
        next_token=timeline.next_token,
        arrivals=[
            Arrival.made_of(arrival, first=moment(arrival.first_ms), last=moment(arrival.last_ms))
            for arrival in timeline.arrivals
        ],
        habit=_describe_habit(context, timeline.face, timeline.arrivals),
    )


def _describe_habit(
    context: V1Context, face: model.Face, arrivals: Sequence[visits.Arrival]
) -> Habit:
    """Describe how a face usually comes; of staff nothing. `arrivals`: the face's, newest first."""
    from chalicelib.domain.rules.habits import find_habit  # not at the other routes' cold starts

    begins_ms = [arrival.first_ms for arrival in reversed(arrivals)]
    habit = find_habit(begins_ms, ZoneInfo(context.tenant.time_zone), context.services.clock.now())
    if habit.is_certain:  # when employees come is no matter of the book
        group = context.services.groups.find_by_id(context.tenant, face.group_id)
        habit = habit.leave_month() if group is not None and group.staff else habit
    next_day, missed_day = map(_write_day, (habit.next_day, habit.missed_day))
    return Habit.made_of(
        habit, weekdays=list(habit.weekdays), next_day=next_day, missed_day=missed_day
    )


def _write_day(day: int | None) -> str | None:
    return None if day is None else moment(day * DAY_MS).date().isoformat()


def _answer_rejection_again(context: V1Context, body: Mapping[str, Any]) -> Rejected:
    faceid, sighting = context.path_values["id"], context.path_values["sighting"]
    if "visit" in body:
        gift_answer = context.services.sightings.rejection.answer_gift_again(
            context.tenant, faceid, sighting, body
        )
        return _describe_rejection(context, gift_answer.rejected, gift_answer.sightings)
    rejected = context.services.sightings.rejection.continue_rejection(
        context.tenant, faceid, sighting, body["camera"], body.get("other")
    )
    return _describe_rejection(context, rejected, [sighting])


@operations(
    "POST",
    "/v1/faces/{id}/sightings/{sighting}/reject",
    Role.OPERATOR,
    again=_answer_rejection_again,
)
def reject_sighting(context: V1Context, body: NotThisFace) -> Rejected:
    """Say "not this person": the sighting leaves the face, and is resolved anew without it.

    The face's arrivals and counts follow, a regular may be a stranger again. The picture is
    remembered (20 of a face at most): a later one that is nearer to it than to the face does not
    match the face. The sighting goes to another face that matches. Else it makes a stranger, if it
    is good enough and the camera keeps strangers; else it is nobody's. Hooks are told as of any
    sighting, with an id of its own. If the photo is one of the face's pictures, it is taken away
    first: 409 LastPicture if it is the only one.

    409 Conflict if a face was made from the sighting, and nobody gave it another picture (delete
    the face, merge it, or undo the merge), if the sighting's picture is not kept any more, or if it
    is over 100 days old. 404 SightingNotFound if it is not, or no longer, this face's.

    With `other`, it is that face's sighting, without a score, whatever a search would say; the face
    learns from it as from any other. With `instead`, it is a new stranger, somebody new, or nobody.
    If it was that face's before, it comes back as it was: with group, score, threshold and what the
    face had learnt; hooks are told nothing.

    With `visit`, all sightings of its visit go to the same person by this one call, which a repeat
    finishes; a face that was made from them, and has no other, no name and no picture by hand, is
    merged into `other`. What is refused changes nothing. To take it back, send `sightings` of the
    answer as `only`, with the former face as `other`: who was made of them goes, too.
    """
    faceid, sighting = context.path_values["id"], context.path_values["sighting"]
    if body.only is not None and not body.visit:
        raise errors.InvalidInput("only names sightings of a visit: send visit: true with it")
    if body.visit or body.name or body.instead is Instead.NEW:
        # not at the other routes' cold starts
        from chalicelib.domain.rules.sighting import Reassignment

        sighting_ids = tuple(body.only or ()) if body.visit else (sighting,)
        gift = Reassignment(body.other, body.instead, body.name or "", sighting_ids)
        gift_answer = context.services.sightings.rejection.give_visit(
            context.tenant, faceid, sighting, gift, context.request_id
        )
        return _describe_rejection(context, gift_answer.rejected, gift_answer.sightings)
    rejected = context.services.sightings.rejection.reject(
        context.tenant, faceid, sighting, context.request_id, other=body.other, instead=body.instead
    )
    return _describe_rejection(context, rejected, [sighting])


def _describe_rejection(
    context: V1Context, rejected: sighting.Rejected, ids: Sequence[str]
) -> Rejected:
    """Describe a rejection: the sighting as it is now, the face that it left, and the arrival of
    its new face.

    If nobody has the sighting now, there is no arrival.

    `ids`: all sightings that were rejected together.
    """
    seen_sighting = rejected.sighting
    sighting = describe_sighting(
        context,
        rejected.capture,
        seen_sighting,
        find_faces_seen(context, [(rejected.capture, seen_sighting)]),
    )
    arrivals = context.services.sightings.arrivals
    arrival = (
        arrivals.find_by_sighting(context.tenant, sighting.face, sighting.id)
        if sighting.face
        else None
    )
    return Rejected(
        sighting=sighting,
        face=describe_face(context, rejected.face),
        sightings=list(ids),
        arrival=None if arrival is None else describe_arrivals(context, [arrival])[0],
    )


def _describe_face_sighting(
    context: V1Context, observation: Observation, partly_shown: Collection[str]
) -> FaceSighting:
    return FaceSighting.made_of(
        observation,
        capture=parts_of_sighting(observation.id)[0],
        captured_at=observation.at,
        group=observation.group_name,
        **describe_decision(observation.decision),
        **link_sighting(context, observation.camera, observation.id, partly_shown),
    )


def describe_face(context: V1Context, face: model.Face) -> Face:
    """Describe a face. Age and gender are the ones that were set, else the estimates."""
    (described,) = describe_faces(context, [face])
    return described


def describe_faces(
    context: V1Context, faces: Iterable[model.Face | model.ListedFace]
) -> list[Face]:
    """Describe faces, reading each of their groups once."""
    faces = list(faces)
    audit_events.report_people(face.faceid for face in faces)
    ids = dict.fromkeys(face.group_id for face in faces)
    groups = {id_: context.services.groups.find_by_id(context.tenant, id_) for id_ in ids}
    return [_describe_face_of_group(context, face, groups[face.group_id]) for face in faces]


def _describe_face_of_group(
    context: V1Context, face: model.Face | model.ListedFace, group: model.Group | None
) -> Face:
    """Describe a face, with the estimates where nobody has set age or gender.

    `group`: None: it is being deleted.
    """
    estimates = face.estimates
    age = estimates.age if face.age is None else face.age
    names = (
        {} if group is None else {attribute.id: attribute.name for attribute in group.attributes}
    )
    return Face.made_of(
        face,
        id=face.faceid,
        group=group.name if group else "",
        **copy_texts(face),
        number=parse_number(face),
        age=None if age is None else round(age),
        gender=face.gender or estimates.gender or Gender.UNKNOWN,
        attributes={names[id_]: value for id_, value in face.attributes.items() if id_ in names},
        arrive_time=face.last_arrival_at,
        quality=estimates.quality,
        portrait=describe_portrait(context, face),
        pictures=face.picture_count,
        rejections=face.negatives,
        kept_until=goes_at(context.tenant, group, face)
        if group and isinstance(face, model.Face)
        else None,
        hidden=face.hidden if isinstance(face, model.Face) else None,
    )


def _require_one_list(query: FacesWanted) -> None:
    """Raise InvalidInput if the query asks for two kinds of lists at once."""
    order_parameters = {
        "group": query.group is not None,
        "order": query.order is not None,
        "desc": query.desc,
    }
    others = (query.name is not None, query.token is not None, query.listed)
    if query.ids is not None and any((*others, *order_parameters.values())):
        raise errors.InvalidInput(
            "ids are answered all at once, in their order: send them without any other parameter"
        )
    if query.name is not None and any(order_parameters.values()):
        names = ", ".join(name for name, is_sent in order_parameters.items() if is_sent)
        raise errors.InvalidInput(
            f"names are searched in all groups, in the order of the names: leave out {names}"
        )


class FaceSelection(Sent):
    """Some faces, and one of `group`, `labels`, `hidden` and `delete`."""

    ids: Annotated[list[FaceId], Meta(min_length=1, max_length=100)]
    group: Annotated[Text, Meta(description="The group that they move to.")] | UnsetType = UNSET
    labels: FaceLabels | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    delete: bool = False


class FailedFace(Answer):
    """A face that stays as it was."""

    id: str
    code: Annotated[
        str, Meta(description="The error's name, as if this face alone had been changed.")
    ]
    message: str


class FacesChanged(Answer):
    """The outcome of a change of many faces. Each id is in one of the two lists."""

    done: list[str]
    failed: list[FailedFace]


def _answer_change_again(_context: V1Context, body: Mapping[str, Any]) -> FacesChanged:
    if "done" in body:
        return FacesChanged(
            done=body["done"], failed=[FailedFace(**fields) for fields in body["failed"]]
        )
    from chalicelib.book.deletion.deletion import Deleted

    return _describe_deletion(Deleted(**body))


@operations(
    "POST", "/v1/face-changes", Role.OPERATOR, tag="face_changes", again=_answer_change_again
)
def change_faces(context: V1Context, body: FaceSelection) -> FacesChanged:
    """Move, label, hide or delete up to 100 faces of any groups: each by itself, so that one that
    fails stops no other.

    But 409 FaceHeld, and nothing is changed, if one that is to be deleted is under legal hold.
    """
    kinds = (body.group, body.labels, body.hidden)
    if sum(kind is not UNSET for kind in kinds) + body.delete != 1:
        raise errors.InvalidInput(
            "send one of group, labels, hidden and delete (true): one kind of change at a time"
        )
    if body.delete:
        return _describe_deletion(
            context.services.deletion.delete_faces(
                context.tenant, body.ids, context.request_id, by=context.caller.id
            )
        )
    from chalicelib.book.enrolment.fields import FaceChanges

    if isinstance(body.group, str):
        context.services.groups.get_by_name(context.tenant, body.group)  # raises if there is none
        changes = FaceChanges(new_group_name=body.group)
    elif isinstance(body.hidden, bool):
        changes = FaceChanges(hidden=body.hidden)
    else:
        changes = FaceChanges(labels=list_sent_members(body).get("labels", {}))
    changed = context.services.enrolment.update.change_many(
        context.tenant, body.ids, changes, context.request_id
    )
    return FacesChanged.made_of(
        changed, failed=[FailedFace.made_of(failed_face) for failed_face in changed.failed]
    )


def _describe_deletion(deleted: Deleted) -> FacesChanged:
    missing = [
        FailedFace(id=id_, code="FaceNotFound", message=f"there is no face {id_!r}")
        for id_ in deleted.not_exist
    ]
    busy = "storage was busy, and the face is still there: send it again in a moment"
    failed_faces = [FailedFace(id=id_, code="Busy", message=busy) for id_ in deleted.failed]
    return FacesChanged(done=deleted.success, failed=[*missing, *failed_faces])
