"""The visitor book over v1: who came, what was observed, and how often."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, field
from msgspec.structs import asdict, replace

from chalicelib.api.v1 import endpoint
from chalicelib.api.v1.captures import link_sighting, list_partly_shown
from chalicelib.api.v1.endpoint import Operations, V1Context
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.proofs import Proof, describe_proof
from chalicelib.api.v1.shapes import (
    Box,
    Decided,
    Labels,
    Number,
    Portrait,
    describe_decision,
    describe_portrait,
    parse_number,
    require_today,
)
from chalicelib.api.v1.wire import (
    Answer,
    FirstWeekday,
    Instant,
    NextToken,
    Paged,
    Sent,
    Text,
    Time,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events, observations
from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.counts import Staff, Why, sum_entries
from chalicelib.domain.errors import InvalidInput, NotAllowed
from chalicelib.domain.local_time import LAST_SECOND, Granularity, LocalTime, Span
from chalicelib.domain.model import Face
from chalicelib.domain.observations import Measure, ObservationFilter, ObservationKind, Only, Split
from chalicelib.domain.pictures import Gender
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.storage.values import milliseconds, moment, time_text, write_rows

if TYPE_CHECKING:
    from chalicelib.book.sightings import sightings
    from chalicelib.book.statistics.closed import ClosedFigures
    from chalicelib.book.statistics.statistics import SplitBucket
    from chalicelib.domain import counts

operations = Operations()

TOTAL = "total"
_COUNTED = {
    "in": "entries",
    "out": "exits",
    **{name: name for name in ("known", "not_known", "faceless", "staff", "watched_s", "open_s")},
}
"""Columns of entries, and what they are called in the code."""
_CLOSED: Mapping[tuple[Measure, Split | None], Mapping[str, str]] = {
    (Measure.ARRIVALS, None): {TOTAL: "visits"},
    (Measure.ARRIVALS, Split.VISIT): {name: name for name in ("new", "returning", "known")},
    (Measure.PERSONS, None): {TOTAL: "people"},
}
"""The figures of a closed period that a file has beside its amounts, by their value."""
_CSV = "text/csv; charset=utf-8"

OfCamera = Annotated[Text, Meta(description="Id or name of a camera.")]
OfGroup = Annotated[Text, Meta(description="Name that the group had at that time.")]
OfFace = Annotated[Text, Meta(description="Id of a face.")]
From = Annotated[Instant, Meta(description="The first instant.")]
To = Annotated[
    Instant, Meta(description="The instant behind the last one; without it, there is no end.")
]
Today = Annotated[
    Instant,
    Meta(description="The first instant; without it, today's first in the tenant's time zone."),
]
WithStaff = Annotated[
    bool,
    Meta(description="Whether with staff: who is in a group that is `staff` now, and visits under "
"such a group's name. "
         "A `face`, or a `group` that is staff, is answered with either."),
]  # fmt: skip
OfStaff = Annotated[
    int, Meta(ge=0, description="How many more are left out, since they are of staff.")
]
DaysCountedAgain = Annotated[
    int,
    Meta(
        ge=0,
        description="Number of days whose figures are still those before a change, such as a "
        "merge. They are being counted again, which takes a minute at most. 0: all is up to date.",
    ),
]
PictureUrl = Annotated[
    str | None,
    Meta(
        description="The whole capture, while captures are kept; good for an hour or two. Null if "
        "it is no sighting, "
        "or the key sees no pictures."
    ),
]
PortraitOf = Annotated[
    Portrait | None,
    Meta(description="The face's portrait; null if the face was deleted or is restricted."),
]
Named = Annotated[
    str | None,
    Meta(
        description='The face\'s name, "" if it has none; null if the face was deleted or is '
        "restricted."
    ),
]


class SeenFace(Decided):
    """Base of what tells whom a picture shows."""

    face: Annotated[
        str,
        Meta(
            description="Its id. Of somebody who was erased or is restricted: a name of that "
            "visit, which begins with `erased-`. Other visits have other names, and there is no "
            "picture and no estimate."
        ),
    ]
    name: Named
    number: Number
    portrait: PortraitOf
    picture_url: PictureUrl


class Observation(SeenFace):
    """One face in one picture at one time."""

    id: str
    at: Time
    kind: Annotated[
        ObservationKind,
        Meta(
            description="sighting: a camera saw the face. enrolment, search: somebody sent its "
            "picture; no visit."
        ),
    ]
    group: Annotated[str, Meta(description="What the face was at that time.")]
    camera: Annotated[str | None, Meta(description="Id of the camera; null if it is no sighting.")]
    capture: Annotated[
        str | None, Meta(description="Id of the capture; null if it is no sighting.")
    ]
    labels: Labels
    box: Annotated[Box | None, Meta(description="The place of the face in the picture.")]
    crop_url: Annotated[
        str | None,
        Meta(
            description="Shows the face, cut out of the capture, to who sends a key, while "
            "captures are kept. Null as "
            "`picture_url` is."
        ),
    ]
    age: int | None
    gender: Gender


class ObservationsWanted(Paged):
    from_: From | None = field(default=None, name="from")
    to: To | None = None
    kind: ObservationKind | None = None
    camera: OfCamera | None = None
    group: OfGroup | None = None
    face: OfFace | None = None


class ObservationsPage(Answer):
    observations: list[Observation]
    next_token: NextToken


class FaceArrival(SeenFace):
    """A visit: sightings of a face that are closer together than the camera's gap.

    Picture, crop, score and all else that was decided are those of the first sighting.
    """

    group: Annotated[
        str,
        Meta(
            description="What the face was when it arrived; a stranger who has a name since is in "
            "that of now."
        ),
    ]
    camera: Annotated[str, Meta(description="Id of the camera that saw the face first.")]
    sighting: Annotated[str, Meta(description="Id of the first sighting.")]
    first: Annotated[Time, Meta(description="When the face was seen first.")]
    last: Annotated[Time, Meta(description="When it was seen last, so far.")]
    sightings: Annotated[int, Meta(ge=1)]
    crop_url: Annotated[
        str | None,
        Meta(description="The face as it was sighted first; null: the key sees no pictures."),
    ]
    visit: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="7 for the face's seventh visit. Null if the face was deleted or is "
"restricted, or for an old visit: of visits "
             "older than 100 days and the period of the rule for regulars only the number is "
"kept."),
    ]  # fmt: skip
    before: Annotated[
        Time | None,
        Meta(
            description="When the face was seen last at the visit before. Null if there was none, "
            "or it is that old."
        ),
    ]
    counter_note: Annotated[
        str | None, Meta(description="Of the face, for the counter; null as its name is.")
    ]


class ArrivalsWanted(Paged):
    from_: Today | None = field(default=None, name="from")
    to: To | None = None
    camera: OfCamera | None = None
    group: OfGroup | None = None
    face: OfFace | None = None
    staff: WithStaff = False
    only: Annotated[
        Only | None,
        Meta(description="first: first visits of their faces, as far back as the history is kept. "
"uncertain: visits "
             "whose first sighting waits for a review of its match."),
    ] = None  # fmt: skip
    totals: Annotated[
        bool, Meta(description="Whether to count all pages, too. That reads the whole time.")
    ] = False


class ArrivalTotals(Answer):
    """Counts of the visits of the time, camera, group and face asked for, exact as the
    statistics."""

    arrivals: Annotated[int, Meta(ge=0)]
    persons: Annotated[int, Meta(ge=0, description="How many faces these are.")]
    first: Annotated[int, Meta(ge=0, description="With `only=first`, so many are listed.")]
    uncertain: Annotated[int, Meta(ge=0, description="With `only=uncertain`, so many are listed.")]
    groups: Annotated[dict[str, int], Meta(description="By name, as `group` of the visits.")]
    kinds: Annotated[
        dict[str, int],
        Meta(description="Each visit once: new, returning, known or staff, as by `split=visit`."),
    ]
    staff: OfStaff
    days_counted_again: DaysCountedAgain


class ArrivalsPage(Answer):
    arrivals: list[FaceArrival]
    totals: Annotated[
        ArrivalTotals | None,
        Meta(description="Null unless asked for. `only` does not narrow them."),
    ]
    time_zone: Annotated[str, Meta(description="The tenant's, by which today begins.")]
    next_token: NextToken


class KindCounted(StrEnum):
    ENROLMENT = "enrolment"
    SEARCH = "search"
    SIGHTING = "sighting"
    ALL = "all"


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


class StatisticsWanted(Sent):
    from_: Today | None = field(default=None, name="from")
    to: (
        Annotated[Instant, Meta(description="The instant behind the last one; without it, now.")]
        | None
    ) = None
    by: Granularity = Granularity.DAY
    measure: Annotated[
        Measure,
        Meta(
            description="arrivals: visits, in the bucket in which they began, and with the camera, "
            "group, labels, "
            "gender and age of their first sighting. persons: the faces of these arrivals, each "
            "once a bucket (and once for each value of the split), so never more than arrivals. "
            "present: faces that were observed, of `kind`, each once a bucket: also those that "
            "came before and stayed. observations: all of them, of `kind`. persons with a `kind` "
            "or `split=kind`, as of older programs, are those present."
        ),
    ] = Measure.ARRIVALS
    split: Annotated[
        Split,
        Meta(description="An amount for each value. age: by tens of years. visit, of arrivals: new "
"(the face's first), "
             "returning (a later one of a stranger), known (of somebody in another group), staff. "
"stay, of arrivals: "
             "the minutes from first to last "
             "sighting, the largest of 0, 1, 5, 15, 30 and 60 that they reach. again, of arrivals: "
"yes, no, or open: "
             "whether the face came again within 30 days. Both are `unknown` of a face that was "
"deleted."),
    ] | None = None  # fmt: skip
    kind: Annotated[
        KindCounted,
        Meta(description="What counts as an observation: without it sightings, or all with "
"`split=kind`."),
    ] | None = None  # fmt: skip
    camera: OfCamera | None = None
    group: OfGroup | None = None
    face: OfFace | None = None
    staff: WithStaff = False
    entries: Annotated[
        bool,
        Meta(
            description="Whether each bucket says, too, who came in and went out by the counts of "
            "cameras. Without `split`, `group` and `face`."
        ),
    ] = False
    format: Format = Format.JSON


class Entries(Answer):
    """People who came in and went out at counted doors, as far as these were watched."""

    in_: Annotated[
        int, Meta(ge=0, description="The sum of known, not_known and faceless: without staff.")
    ] = field(name="in")
    out: Annotated[int, Meta(ge=0, description="Everybody, staff too.")]
    known: Annotated[
        int, Meta(ge=0, description="Whom the service knows: in a group other than `stranger`.")
    ]
    not_known: Annotated[int, Meta(ge=0, description="Others who showed a usable face.")]
    faceless: Annotated[int, Meta(ge=0, description="Who showed no usable face.")]
    staff: Annotated[
        int, Meta(ge=0, description="So many arrivals of staff were taken off from `in`.")
    ]
    watched_s: Annotated[
        int, Meta(ge=0, description="Seconds that were counted, those of all cameras together.")
    ]
    open_s: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds that were to be counted: in which the shop was open, by the "
            "setting `opening`, until ten minutes ago; those of all cameras together.",
        ),
    ]
    whole: Annotated[
        bool,
        Meta(
            description="Whether at least nine tenths of these seconds were counted. Otherwise "
            "show the numbers with their share alone, and leave them out of averages."
        ),
    ]
    doubted: Annotated[
        dict[Why, int],
        Meta(
            description="Minutes without numbers while the shop was open, by `why`, as boxes told "
            "it; those with 0 left out. Minutes older than 30 days say nothing of it."
        ),
    ]
    sure_in: Annotated[
        int, Meta(ge=0, description="At least so many came in in these minutes, beside `in`.")
    ]
    sure_out: Annotated[int, Meta(ge=0)]


EntriesOrNull = Annotated[
    Entries | None, Meta(description="null: nobody watched, or `entries` was not asked for.")
]


class Bucket(Answer):
    time: Annotated[
        str,
        Meta(
            description="By the clocks of the tenant's time zone: 2026-11, 2026-11-16 of a week's "
            "first day, 2026-11-20, or 2026-11-20T09:00.",
            pattern=r"^\d{4}-\d\d(-\d\d(T\d\d:00)?)?$",
        ),
    ]
    amounts: Annotated[
        dict[str, int],
        Meta(
            description="By value of the split, those with 0 left out, an age or gender that is "
            "not known as "
            "`unknown`; without a split, `total`."
        ),
    ]
    entries: EntriesOrNull


class Closed(Answer):
    """The figures of a day, week or month as they were when it was closed."""

    time: Annotated[
        str, Meta(description="As that of its bucket.", pattern=r"^\d{4}-\d\d(-\d\d)?$")
    ]
    closed_at: Time
    visits: Annotated[int, Meta(ge=0, description="As in all that follows, without staff.")]
    people: Annotated[int, Meta(ge=0)]
    new: Annotated[int, Meta(ge=0)]
    returning: Annotated[int, Meta(ge=0)]
    known: Annotated[int, Meta(ge=0)]
    entries: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Who came in by the counts of cameras; null: none counted."),
    ]
    is_kept: Annotated[
        bool,
        Meta(
            description="Whether all its observations are kept, or it had none: if not, its bucket "
            "does not say what it would be now."
        ),
    ]


class Statistics(Answer):
    buckets: Annotated[
        list[Bucket], Meta(description="Every bucket of the time asked for, in order.")
    ]
    time_zone: str
    first_weekday: FirstWeekday
    begun: Annotated[
        Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")] | None,
        Meta(description="Day of the first sighting that is kept; null: there is none."),
    ]
    staff: OfStaff
    entries: EntriesOrNull
    proof: Annotated[
        Proof | None,
        Meta(
            description="How right the count of a camera is at its line of now, with `entries` and "
            "`camera`; null: nobody has checked it."
        ),
    ]
    days_counted_again: DaysCountedAgain
    closed: Annotated[
        list[Closed],
        Meta(
            description="The buckets that lie whole in the time asked for, as they were when they "
            "were closed, without split. Those whose observations have gone are there, too. By "
            "day, week or month, of arrivals or persons without a filter; else none. `regulars "
            "report --closed`, `--day` or `--month` verifies them."
        ),
    ]


@operations("GET", "/v1/observations", Role.VIEWER)
def list_observations(context: V1Context, query: ObservationsWanted) -> ObservationsPage:
    """List what was observed, newest first, without counting it.

    Enrolments and searches are no visits: `kind` says what an observation is.
    """
    camera, span = _find_camera(
        context, query, _make_span(context, query.from_, query.to, moment(0))
    )
    require_today(context, span.first_ms)
    if context.caller.is_screen and query.kind is not ObservationKind.SIGHTING:
        raise NotAllowed("a screen shows who was seen: ask for kind=sighting")
    observation_filter = _make_filter(context, query, query.kind, camera)
    page = context.services.statistics.observations.read_page(
        context.tenant, observation_filter, span, query.limit, query.token
    )
    if not page.observations and page.next_token is None:
        require_named(
            context.services,
            context.tenant,
            camera=query.camera,
            group=query.group,
            face=query.face,
        )
    faces = context.services.faces.by_id(
        context.tenant, {observation.faceid for observation in page.observations}
    )
    partly_shown = _list_seen_partly(context, page.observations)
    return ObservationsPage(
        observations=[
            _describe_observation(context, observation, faces.get(observation.faceid), partly_shown)
            for observation in page.observations
        ],
        next_token=page.next_token,
    )


@operations("GET", "/v1/arrivals", Role.VIEWER)
def list_arrivals(context: V1Context, query: ArrivalsWanted) -> ArrivalsPage:
    """List who came and which visit it was, by its first sighting, newest first; without `from` who
    came today.

    It follows late captures, merges and rejections, as the book does. A page reads 5,000
    observations at most. So it may have fewer than `limit`, even none, and not be the last: go on
    until `next_token` is null.
    """
    camera, span = _find_camera(context, query, _make_span(context, query.from_, query.to))
    require_today(context, span.first_ms)
    observation_filter = _make_filter(context, query, None, camera)
    all_arrivals = context.services.sightings.arrivals
    page = all_arrivals.read_page(
        context.tenant, observation_filter, span, query.limit, query.token, choice=query.only
    )
    if not page.rows and page.next_token is None:
        require_named(
            context.services,
            context.tenant,
            camera=query.camera,
            group=query.group,
            face=query.face,
        )
    totals = (
        ArrivalTotals.made_of(all_arrivals.count_arrivals(context.tenant, observation_filter, span))
        if query.totals
        else None
    )
    return ArrivalsPage(
        arrivals=describe_arrivals(context, page.rows, query.only),
        totals=totals,
        time_zone=context.tenant.time_zone,
        next_token=page.next_token,
    )


class UsualWeek(Answer):
    """The visits of a usual week: the mean of the last eight weeks, less if the last two were
    slower. Without staff."""

    hours: Annotated[
        list[Annotated[list[float], Meta(min_length=24, max_length=24)]],
        Meta(description="Visits by weekday, Monday's first, and hour of the tenant's clocks. "
"Empty: the book has "
             "fewer than two weeks, or hardly any visits.", max_length=7),
    ]  # fmt: skip
    proposed: Annotated[
        str, Meta(description="Opening hours that it makes likely, for the setting `opening`.")
    ]
    not_open_yet: Annotated[
        bool,
        Meta(description="Whether the shop has not opened yet today, by the setting `opening`."),
    ]
    time_zone: str


@operations("GET", "/v1/usual", Role.VIEWER)
def get_usual(context: V1Context) -> UsualWeek:
    """Read what is usual, to hold a day against."""
    from zoneinfo import ZoneInfo

    from chalicelib.domain.local_time import hour_of_week, local_hour
    from chalicelib.domain.opening import is_before_opening, write_opening

    # not at the other routes' cold starts
    from chalicelib.domain.rules.usual import propose_hours

    zone = ZoneInfo(context.tenant.time_zone)
    hour = hour_of_week(int(local_hour(context.services.clock.now(), zone)))
    usual = context.services.statistics.find_usual(context.tenant)
    hours = [[*usual.hours[day * 24 : day * 24 + 24]] for day in range(7)] if usual else []
    proposed = write_opening(propose_hours(usual)) if usual else ""
    return UsualWeek(
        hours=hours,
        proposed=proposed,
        not_open_yet=is_before_opening(context.tenant.opening, hour),
        time_zone=context.tenant.time_zone,
    )


@operations("GET", "/v1/statistics", Role.VIEWER)
def get_statistics(context: V1Context, query: StatisticsWanted) -> Statistics | endpoint.TextAnswer:
    """Count arrivals, persons or observations by hour, day, week or month of the tenant's time
    zone.

    Exact: it equals a recount of all observations, each in the group that its face was in then,
    unless `days_counted_again` says otherwise. 400
    if the time has over 10,000 buckets, or a split over 100,000 amounts. With `format=csv` a line
    for each amount. A value that a spreadsheet would take for a formula, or round as a number,
    begins with an apostrophe. A column has what was `closed`: without split, or of arrivals by
    `visit`. The amount of what cannot be counted again is empty.

    With `entries`, known are as many of those who showed a face as there are arrivals of known
    people at that camera in that hour. Hours older than 30 days are whole.

    A link to figures (a screen with the page `report` or `traffic`) is answered for all of each
    hour that its time touches, of `persons` for all of each day. Among those who came in staff
    count as anybody, and `closed` says nothing of `entries`. So spans that are subtracted tell no
    minute at which somebody came. The hour that runs is told as it is now.
    """
    # not at the other routes' cold starts
    from chalicelib.book.statistics.statistics import Question

    _require_attribute(context, query)
    camera, span = _find_camera(context, query, _choose_span(context, query))
    entries = _count_entries(context, query, span, camera)
    observation_filter = _make_filter(context, query, _choose_kind(query), camera)
    question = Question(span, query.by, _choose_measure(query), query.split, observation_filter)
    answer = context.services.statistics.answer(context.tenant, question, fill=True)
    if not any(bucket.amounts for bucket in answer.buckets):
        require_named(
            context.services,
            context.tenant,
            camera=query.camera,
            group=query.group,
            face=query.face,
        )
    elif query.face is not None:
        audit_events.report_people([query.face])
    closed = _read_closed(context, query, span)
    if query.format is Format.CSV:
        return endpoint.TextAnswer(_write_csv(answer.buckets, query, entries, closed), _CSV)
    first_day = context.services.statistics.find_first_day(context.tenant)
    return Statistics(
        buckets=[_describe_bucket(bucket, query.split, entries) for bucket in answer.buckets],
        time_zone=context.tenant.time_zone,
        first_weekday=context.tenant.first_weekday,
        begun=None if first_day is None else _write_bucket_time(first_day),
        staff=0 if context.caller.is_of_figures else answer.staff,
        entries=_describe_entries(sum_entries((entries or {}).values())),
        proof=_find_proof(context, query, camera),
        days_counted_again=answer.days_counted_again,
        closed=_describe_closed(answer.buckets, closed or {}),
    )


def _require_attribute(context: V1Context, query: StatisticsWanted) -> None:
    """Raise InvalidInput if amounts are split by an attribute that the tenant has switched off."""
    attributes_off = context.tenant.attributes_off
    if query.split is not None and query.split.value in attributes_off:
        names = ", ".join(sorted(attributes_off))
        raise InvalidInput(f"split by {query.split.value}: this tenant has switched off {names}")


def _choose_span(context: V1Context, query: StatisticsWanted) -> Span:
    """Return the span that is counted: to now without a `to`, wider for a link to figures."""
    until_now = Instant.of(context.services.clock.now() + timedelta(milliseconds=1))
    span = _make_span(context, query.from_, query.to or until_now)
    if not context.caller.is_of_figures:
        return span
    return _widen_span(context.tenant.local_time, span, query.measure)


def _describe_bucket(
    bucket: SplitBucket, split: Split | None, entries: Mapping[str, counts.Entries] | None
) -> Bucket:
    return Bucket(
        time=_write_bucket_time(bucket.time),
        amounts=_list_amounts(bucket, split),
        entries=_describe_entries(_find_watched(entries, bucket.time)),
    )


def _describe_closed(
    buckets: Iterable[SplitBucket], closed: Mapping[str, ClosedFigures]
) -> list[Closed]:
    return [
        Closed(time=_write_bucket_time(bucket.time), **asdict(figures))
        for bucket in buckets
        if (figures := closed.get(bucket.time))
    ]


def _widen_span(local: LocalTime, span: Span, measure: Measure) -> Span:
    """Return the span of whole hours that a link to figures is answered for, of people whole days.

    People of 8 to 10 o'clock, less those of 8 and those of 9, would tell who came in both hours.
    """
    if measure is not Measure.PERSONS:
        return local.widen_to_hours(span)
    days = local.days(span)
    first, last = local.pieces_of(days[0])[0], local.pieces_of(days[-1])[-1]
    return Span(max(first.first_ms, 0), last.last_ms)


def _find_proof(context: V1Context, query: StatisticsWanted, camera: str | None) -> Proof | None:
    """Return how right the count of the one camera is that is asked for; None: nobody has checked
    it, or it is not there any more."""
    known = context.services.cameras.find_by_any_name(context.tenant, camera) if camera else None
    if not query.entries or known is None:
        return None
    proof = context.services.counts.checks.find_proof(context.tenant, known)
    if proof is not None and context.caller.is_of_figures:
        proof = proof._replace(wrong=())  # who sees figures alone sees no single minutes
    return describe_proof(proof)


def _read_closed(
    context: V1Context, query: StatisticsWanted, span: Span
) -> dict[str, ClosedFigures] | None:
    """Return the closed figures by a bucket's TIME; None unless all visits count, or their people,
    by what is closed."""
    chosen = (query.kind, query.camera, query.group, query.face, query.staff)
    counts_all = not any(chosen) and _choose_measure(query) in (Measure.ARRIVALS, Measure.PERSONS)
    if not counts_all or query.by is Granularity.HOUR:
        return None
    closed = context.services.statistics.closed.list_figures(context.tenant, query.by, span)
    figures_by_time = {period.time: figures for period, figures in closed.items()}
    if not context.caller.is_of_figures:
        return figures_by_time
    # The entries of a closed time are without staff: a link would be told how many of them came.
    return {time: replace(one, entries=None) for time, one in figures_by_time.items()}


def _count_entries(
    context: V1Context, query: StatisticsWanted, span: Span, camera: str | None
) -> Mapping[str, counts.Entries] | None:
    """Count who came in by a bucket's TIME; None: nobody asked for it. Raises InvalidInput.

    On a page of figures staff count as somebody: taken off, they would be told by what is less.
    """
    if not query.entries:
        return None
    if query.split is not None or query.group is not None or query.face is not None:
        raise InvalidInput("entries are counted without split, group and face: leave these out")
    staff = Staff.KNOWN if query.staff else Staff.LEFT_OUT
    if context.caller.is_of_figures:
        staff = Staff.UNTOLD
    return context.services.counts.count_entries(context.tenant, span, query.by, camera, staff)


def _describe_entries(entries: counts.Entries | None) -> Entries | None:
    if entries is None:
        return None
    return Entries.made_of(
        entries,
        in_=entries.entries,
        out=entries.exits,
        whole=entries.is_whole,
        doubted=entries.doubts.minutes,
        sure_in=entries.doubts.entries,
        sure_out=entries.doubts.exits,
    )


def _find_watched(entries: Mapping[str, counts.Entries] | None, time: str) -> counts.Entries | None:
    """Return the entries of a bucket; None if nobody watched, or nobody asked for them."""
    found = (entries or {}).get(time)
    return found if found is not None and found.watched_s else None


def _make_span(
    context: V1Context,
    first: datetime | None,
    end: datetime | None,
    default_first: datetime | None = None,
) -> Span:
    """Return the span from `first` to the instant before `end`; without an `end`, it has none.

    If `first` is None, the span begins at `default_first`. If that is None, too, it begins today at
    midnight, in the tenant's time zone. Raises InvalidInput if the years are out of range, or `end`
    is not after `first`.
    """
    if first is None:
        first = default_first or context.tenant.local_time.begin_of_day(
            context.services.clock.now()
        )
    last_ms = 1000 * LAST_SECOND if end is None else milliseconds(end) - 1
    for name, ms in (("from", milliseconds(first)), ("to", last_ms)):
        if not 0 <= ms <= 1000 * LAST_SECOND:
            raise InvalidInput(f"{name} is a time of the years 1970 to 9998")
    if last_ms < milliseconds(first):
        raise InvalidInput(
            f"to ({time_text(moment(last_ms + 1))}) is not behind from ({time_text(first)})"
        )
    return Span(milliseconds(first), last_ms)


def _find_camera(
    context: V1Context, query: ObservationsWanted | ArrivalsWanted | StatisticsWanted, span: Span
) -> tuple[str | None, Span]:
    """Return the id of the camera that is asked for, and the span without the time in which another
    one had that id."""
    if not query.camera:
        return query.camera, span
    camera = context.services.cameras.find_by_any_name(context.tenant, query.camera)
    if camera is None:
        return query.camera, span
    if camera.former_until is None:
        return camera.id, span
    first_ms = max(span.first_ms, milliseconds(camera.former_until))
    return camera.id, Span(min(first_ms, span.last_ms), span.last_ms)


def _make_filter(
    context: V1Context,
    query: ObservationsWanted | ArrivalsWanted | StatisticsWanted,
    kind: ObservationKind | None,
    camera: str | None,
) -> ObservationFilter:
    observation_filter = ObservationFilter(
        group_name=query.group, faceid=query.face, kind=kind, camera=camera
    )
    if isinstance(query, ObservationsWanted) or query.staff:
        return observation_filter
    return context.services.statistics.visitors.read_staff(context.tenant).leave_out(
        observation_filter
    )


def _choose_measure(query: StatisticsWanted) -> Measure:
    counts_observed = query.kind is not None or query.split is Split.KIND
    is_present = query.measure is Measure.PERSONS and counts_observed
    return Measure.PRESENT if is_present else query.measure


def _choose_kind(query: StatisticsWanted) -> ObservationKind | None:
    if query.kind is None:
        return None if query.split is Split.KIND else ObservationKind.SIGHTING
    return None if query.kind is KindCounted.ALL else ObservationKind(query.kind.value)


def _describe_observation(
    context: V1Context,
    observation: observations.Observation,
    face: Face | None,
    partly_shown: Collection[str],
) -> Observation:
    """Describe an observation: one face in one picture at one time, as v1 says it.

    `face`: the one that was observed; None if it was deleted. `partly_shown`: ids of captures on
    which somebody is hidden. Only a sighting, which a camera saw,
    has a capture; once the person is erased, no answer leads to it.
    """
    age = observation.estimates.age
    return Observation.made_of(
        observation,
        **_describe_seen_face(context, observation, face, partly_shown),
        group=observation.group_name,
        camera=observation.camera or None,
        capture=parts_of_sighting(observation.id)[0] if _has_picture(observation) else None,
        age=None if age is None else round(age),
        gender=observation.estimates.gender or Gender.UNKNOWN,
    )


def describe_arrivals(
    context: V1Context, face_arrivals: Sequence[sightings.FaceArrival], only: Only | None = None
) -> list[FaceArrival]:
    """Describe arrivals by their first sightings.

    `only`: the choice of the query. If it asks for first visits, each has number 1, whatever has
    come late before it.
    """
    partly_shown = _list_seen_partly(context, (arrival.first for arrival in face_arrivals))
    return [_describe_arrival(context, arrival, only, partly_shown) for arrival in face_arrivals]


def _list_seen_partly(
    context: V1Context, seen: Iterable[observations.Observation]
) -> Collection[str]:
    """Return the ids of the captures of these observations on which somebody is hidden."""
    sightings = [one for one in seen if _has_picture(one)]
    return list_partly_shown(context, ((one.camera, one.id) for one in sightings))


def _has_picture(observation: observations.Observation) -> bool:
    is_sighting = observation.kind is ObservationKind.SIGHTING
    return is_sighting and not is_erased(observation.faceid)


def _describe_arrival(
    context: V1Context,
    face_arrival: sightings.FaceArrival,
    only: Only | None,
    partly_shown: Collection[str],
) -> FaceArrival:
    first = face_arrival.first
    return FaceArrival.made_of(
        face_arrival,
        **_describe_seen_face(context, first, face_arrival.face, partly_shown),
        camera=first.camera,
        sighting=first.id,
        first=first.at,
        last=face_arrival.last_at,
        visit=1 if only is Only.FIRST else face_arrival.number,
        before=None if context.caller.is_screen else face_arrival.before_at,
        counter_note=face_arrival.face.counter_note if face_arrival.face else None,
    )


def _describe_seen_face(
    context: V1Context,
    observation: observations.Observation,
    face: Face | None,
    partly_shown: Collection[str],
) -> dict[str, Any]:
    """Return the members of a SeenFace.

    `face`: None if it was deleted. Only a sighting has a picture and a crop.
    """
    urls: dict[str, str | None] = {"picture_url": None, "crop_url": None}
    if not is_erased(observation.faceid):
        audit_events.report_people([observation.faceid])
    if _has_picture(observation):
        urls = link_sighting(context, observation.camera, observation.id, partly_shown)
    return {
        "face": observation.faceid,
        "name": None if face is None else face.name,
        "number": parse_number(face),
        "portrait": None if face is None else describe_portrait(context, face),
        **urls,
        **describe_decision(observation.decision),
    }


def _write_bucket_time(key: str) -> str:
    """Write a bucket's time as people do. `key`: YYYYMM, YYYYMMDD or YYYYMMDDHH.

    2026112009 is 2026-11-20T09:00.
    """
    year, month, day, hour = key[:4], key[4:6], key[6:8], key[8:]
    return "-".join(filter(None, (year, month, day))) + (f"T{hour}:00" if hour else "")


def _list_amounts(bucket: SplitBucket, split: Split | None) -> dict[str, int]:
    return dict(bucket.amounts) if split else {TOTAL: sum(bucket.amounts.values())}


def _write_csv(
    buckets: list[SplitBucket],
    query: StatisticsWanted,
    entries: Mapping[str, counts.Entries] | None,
    closed: Mapping[str, ClosedFigures] | None,
) -> str:
    """Write a line for each amount, now or when its bucket was closed.

    `entries`, `closed`: more columns, empty if nobody watched or nothing was closed; None: no more
    columns. The amount of what cannot be counted again is empty.
    """
    text, split = io.StringIO(), query.split
    names = {} if entries is None else _COUNTED
    closed_names = {} if closed is None else _CLOSED.get((query.measure, split), {})
    rows: list[list[str | int]] = []
    for bucket in buckets:
        figures = (closed or {}).get(bucket.time)
        was = {value: getattr(figures, name, 0) for value, name in closed_names.items()}
        amounts = {value: 0 for value, amount in was.items() if amount}
        amounts |= _list_amounts(bucket, split)
        is_gone = bool(was) and figures is not None and not figures.is_kept
        found = _find_watched(entries, bucket.time)
        counted = [getattr(found, name, "") for name in names.values()]
        rows += [
            [
                _write_bucket_time(bucket.time),
                *([value] if split else []),
                "" if is_gone else amount,
                *counted,
                *([was.get(value, "") if figures else ""] if closed_names else []),
            ]
            for value, amount in amounts.items()
        ]
    heads = ["time", *([split.value] if split else []), "amount", *names]
    write_rows([[*heads, *(["closed"] if closed_names else [])], *rows], text)
    return text.getvalue()
