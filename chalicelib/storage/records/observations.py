"""Observations (records of seen faces), visits and reviews to stored items and back.

Beside it the row of an observation: the values that are counted.

Beside it observations, and the days that have any, to actions of one transaction. A day enters the
calendar with its first observation. A change counts as late like a new observation, so that no seal
of its day stays valid after it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.domain.captures import captured_ms
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import DAY_MS, Span
from chalicelib.domain.model import NO_LABELS, Labels
from chalicelib.domain.observations import (
    ChangedObservation,
    Dimensions,
    NearFace,
    Observation,
    Review,
    ReviewKind,
    review_id,
)
from chalicelib.domain.pictures import BoundingBox, Gender
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.visits import Arrival, Arrivals, Visits
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import (
    Action,
    Delete,
    Item,
    ItemStore,
    Put,
    Update,
    absent,
    equals,
    exists,
)
from chalicelib.storage.records.columns import Row, decade_of
from chalicelib.storage.records.faces import DECISION, ESTIMATES, estimates_by_name
from chalicelib.storage.values import (
    Codec,
    Form,
    form_of,
    many,
    moment,
    number,
    numbers,
    omit_none,
    parse_optional,
    row,
)

_LABELS = form_of(Labels)
_RULE = Codec(PromotionRule).make_list_form()
_PROMOTION = Form(
    lambda promotion: [promotion.at_ms, *_RULE.write(promotion.rule)],
    lambda stored: Promotion(int(stored[0]), _RULE.read(stored[1:])),
)

STORABLE = Span(0, keys.LAST_MS)
"""The times that an observation may have."""


_OBSERVATION = Codec(
    Observation,
    {"group_name": "group"},
    apart="at id labels",
    rare="camera estimates passages mark",
    box=numbers(BoundingBox),
    estimates=ESTIMATES,
    decision=DECISION,
)
_REVIEW = Codec(
    Review,
    {"sighting_id": "sighting"},
    rare="near twice",
    box=numbers(BoundingBox),
    near=many(row(NearFace, (Form(str, str), number(".6f")))),
    decision=DECISION,
)
review_from = _REVIEW.read


def observation_item(tenant: str, observation: Observation) -> Item:
    """Make the item by which an observation, the record of a seen face, is stored.

    Its key is the UTC day, and time and id in it. Values that are not known take no room.
    """
    day, time_id = keys.observation(tenant, observation.at_ms, observation.id)
    labels = {} if observation.labels == NO_LABELS else {"labels": list(observation.labels)}
    return {"tenant_day": day, "time_id": time_id, **labels, **_OBSERVATION.write(observation)}


def observation_from(item: Item) -> Observation:
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    labels: Labels = _LABELS.read(item.get("labels", ()))
    return _OBSERVATION.read(item, at=moment(at_ms), id=id_, labels=labels)


COUNTED = ("faceid", "group", "kind", "camera", "labels", "estimates", "gap_s", "mark")
"""Attributes of an observation that `row_from` reads beside its key: half of its bytes."""


def row_from(item: Item) -> Row:
    """Return those values of a stored observation (record of a seen face) that are counted.

    `item` has its key and the attributes COUNTED; others need not be read. Of the estimates, gender
    and the decade of age are counted.
    """
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    labels: Labels = _LABELS.read(item.get("labels", ()))
    estimates = estimates_by_name(item.get("estimates", ()))
    age = estimates.get("age")
    return Row(
        at_ms=at_ms,
        id=id_,
        faceid=item["faceid"],
        dimensions=Dimensions(*labels, item["group"], item.get("camera", ""), item["kind"]),
        gender=Gender(estimates.get("gender") or Gender.UNKNOWN),
        decade=None if age is None else decade_of(float(age)),
        gap_s=int(item.get("gap_s", 0)),
        mark=str(item.get("mark", "")),
    )


def visits_item(tenant: str, faceid: str, visits: Visits) -> Item:
    """Make the item of a face's visits (arrivals): the newest, and counts of all older ones.

    The oldest arrivals are folded, which means that they are only counted. Those between may be in
    items of their own, pages. While these are unread, `visits.arrivals` counts theirs as folded,
    too. So they are taken off `folded` here. `paged` has them: arrivals, sightings, each page's
    start.
    """
    arrivals, promotion = visits.arrivals, visits.promotion
    paged_arrivals, paged_sightings = visits.unread
    fields = {
        "tenant": tenant,
        "faceid": faceid,
        "recent": arrivals.pack_arrivals(),
        "folded": arrivals.folded - paged_arrivals,
        "folded_sightings": arrivals.folded_sightings - paged_sightings,
        "folded_until": arrivals.folded_until_ms or None,
        "paged": [paged_arrivals, paged_sightings, *visits.pages] if paged_arrivals else None,
        "version": visits.version,
        "promotion": promotion and _PROMOTION.write(promotion),
        "regrouping": visits.is_regrouped or None,
    }
    return omit_none(fields)


def visits_from(item: Item | None) -> Visits:
    """Read a face's visits (arrivals) from the item that `visits_item` made; None: it has none.

    The oldest arrivals are folded: they are only counted. Those between may be in items of their
    own, pages, which are not read here. Until they are, they count as folded, too, and `unread`
    keeps how many of these they are.
    """
    if item is None:
        return Visits()
    paged_arrivals, paged_sightings, *page_starts = map(int, item.get("paged", (0, 0)))
    arrivals = Arrivals.unpack_arrivals(
        bytes(item["recent"]),
        folded=int(item["folded"]) + paged_arrivals,
        folded_sightings=int(item["folded_sightings"]) + paged_sightings,
        folded_until_ms=int(item.get("folded_until", 0)),
    )
    return Visits(
        arrivals=arrivals,
        promotion=parse_optional(_PROMOTION.read, item.get("promotion")),
        is_regrouped=bool(item.get("regrouping", False)),
        version=int(item["version"]),
        pages=tuple(page_starts),
        unread=(paged_arrivals, paged_sightings),
    )


def page_item(tenant: str, faceid: str, start_ms: int, arrivals: tuple[Arrival, ...]) -> Item:
    return {
        "tenant": tenant,
        "faceid": keys.visits_page(faceid, start_ms),
        "recent": Arrivals(arrivals).pack_arrivals(),
    }


def pages_from(items: Iterable[Item | None]) -> dict[int, tuple[Arrival, ...]]:
    """Return the older arrivals of one face from the items (pages) that hold them.

    They are by page, under the time at which it starts. An item that was not found (None) is passed
    over.
    """
    pages: dict[int, tuple[Arrival, ...]] = {}
    for item in items:
        if item:
            _, start_ms = keys.parts_of_visits(item["faceid"])
            pages[start_ms] = Arrivals.unpack_arrivals(bytes(item["recent"])).recent
    return pages


def review_item(tenant: str, review: Review) -> Item:
    return {"tenant": tenant, "id": review.id, **_REVIEW.write(review)}


LATE_AFTER = timedelta(minutes=30)
"""An observation that is written later than this after its own time counts as late for its UTC day.

This is safe in any time zone. A local day is sealed 60 minutes after its end or later. An
observation of that day that is not late is written at most 30 minutes after the day's end, so the
seal, which is made 30 minutes later still, includes it. (These last 30 minutes allow for clocks
that differ and for writes under way.) All other observations count as late for a UTC day that the
local day touches, and a seal remembers the late counts of all UTC days that it touches.
"""

OBSERVATION_NEW = "observation-new"
"""Name of the condition that this observation is not stored yet."""

OBSERVATION_SAME = "observation-same"
"""Name of the condition that this observation is still stored, with the same face and group."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")

Months = Mapping[str, Item | None]
"""Items of the calendar by month, as they were read for days that are to be entered; None: the
month has no item yet. A month that is not among them has all of these days already."""


def make_observation_actions(
    tenant: str,
    observations: Sequence[Observation],
    changes: Sequence[ChangedObservation],
    months: Months,
    now: datetime,
) -> list[Action]:
    """Return the writes that store observations (records of seen faces) and change stored ones.

    They also enter the days of these into the calendar, the list of days with observations. It has
    an item for each month, and `months` are those items as they were read for these days.

    The transaction fails by OBSERVATION_NEW if an observation is stored already, by
    OBSERVATION_SAME if others changed one of `changes`. It fails, too, if others entered one of the
    days. Raises InvalidInput, before any write, for a time or an id that cannot be stored.
    """
    for observation in observations:
        _require_storable(observation)
    if_new = (absent(OBSERVATION_NEW),)
    new_items = [observation_item(tenant, observation) for observation in observations]
    # The counts of a day that is over may be stored, without what is written now. So the calendar
    # counts such late writes for each day. Stored counts remember that number. Once it is another,
    # they are not used any more.
    touched_observations = [*observations, *(change.before for change in changes)]
    late_days = [
        observation.at_ms // DAY_MS
        for observation in touched_observations
        if now - observation.at > LATE_AFTER
    ]
    return [
        *(Put(keys.OBSERVATIONS, item, if_new) for item in new_items),
        *(_make_change_action(tenant, change) for change in changes),
        *make_calendar_actions(tenant, days_of(observations, changes), late_days, months),
    ]


def days_of(
    observations: Sequence[Observation], changes: Sequence[ChangedObservation] = ()
) -> set[int]:
    """Return the UTC days of these observations, counted from 1970."""
    return {
        observation.at_ms // DAY_MS
        for observation in (*observations, *(change.before for change in changes))
    }


def make_calendar_actions(
    tenant: str, days: Iterable[int], late_days: Iterable[int], months: Months
) -> list[Action]:
    """Return the writes that enter days into the calendar, and count late observations there.

    The calendar has one item a month, so there is one write a month. An item has a field for each
    day with observations, whose number is how many came late. `late_days` has a day for each late
    observation. `months` are items as they were read. A month not among them has all of its `days`
    already.
    """
    late_counts: dict[str, Counter[str]] = defaultdict(Counter)  # by month, by day in it
    for month, field in map(keys.calendar_field, late_days):
        late_counts[month][field] += 1
    new_days: dict[str, set[str]] = defaultdict(set)  # those that the months as read lack
    for month, field in map(keys.calendar_field, days):
        if month in months and field not in (months[month] or {}):
            new_days[month].add(field)
    return [
        _make_month_action(tenant, month, new_days[month], late_counts[month], months.get(month))
        for month in sorted({*late_counts, *new_days})
    ]


def _make_month_action(
    tenant: str, month: str, new_days: set[str], late_counts: Counter[str], stored: Item | None
) -> Put | Update:
    """Return the write that enters days into a month of the calendar, and counts late observations.

    A month is one item, with a field for each day that has observations. The field's number is how
    many of these were stored late. `stored` is the month as it was read, None if there was none.
    `new_days` are the fields to create. `late_counts` has by field how many more came late.

    Example: the month has `03` and `04`, `05` is new, and two observations of `05` and one of `03`
    came late. Then `05` is set to 2, and 1 is added to `03`. The write fails if others made the
    month, or `05`, since it was read. The caller reads the month again and tries again.
    """
    partition = keys.calendar(tenant)
    numbers_of_new = {field: late_counts[field] for field in sorted(new_days)}
    if new_days and stored is None:  # a month that is new has new days only
        month_item = {"tenant_zone": partition, "day": month, **numbers_of_new}
        return Put(keys.SUMMARIES, month_item, when=(absent("month-free"),))

    additions = {field: count for field, count in late_counts.items() if field not in new_days}
    # equal to None: there is no such field yet
    conditions = tuple(equals(field, None, "day-free") for field in numbers_of_new)
    if not conditions:  # nothing is created, and an update needs a condition: the month is there
        conditions = (exists("calendar-exists"),)
    return Update(keys.SUMMARIES, (partition, month), conditions, set=numbers_of_new, add=additions)


def _make_change_action(tenant: str, change: ChangedObservation) -> Update | Delete:
    """Return the write that changes a stored observation, or deletes it if `change.after` is None.

    Only attributes that differ are written or removed. The write fails by the condition
    OBSERVATION_SAME if the stored observation has another face or group than `change.before`, since
    others changed it.
    """
    before, after = change.before, change.after
    key = keys.observation(tenant, before.at_ms, before.id)
    if_same = (
        equals("faceid", before.faceid, OBSERVATION_SAME),
        equals("group", before.group_name, OBSERVATION_SAME),
    )
    if after is None:
        return Delete(keys.OBSERVATIONS, key, if_same)
    old_item, new_item = observation_item(tenant, before), observation_item(tenant, after)
    fields = {name: value for name, value in new_item.items() if value != old_item.get(name)}
    removed_fields = tuple(name for name in old_item if name not in new_item)
    return Update(keys.OBSERVATIONS, key, if_same, set=fields, remove=removed_fields)


def _require_storable(observation: Observation) -> None:
    if not 0 <= observation.at_ms <= keys.LAST_MS:
        raise InvalidInput(
            f"an observation is of the years 1970 to 2286, not of {observation.at:%Y-%m-%d}"
        )
    if not _ID.fullmatch(observation.id):
        raise InvalidInput(
            f"an observation's id is 1 to 100 letters, digits, `_`, `.` and `-`: {observation.id!r}"
        )


def read_visits(items: ItemStore, tenant: str, faceid: str) -> Visits:
    """Read a face's visits whole."""
    return read_missing_pages(
        items, tenant, faceid, visits_from(items.get(keys.ARRIVALS, (tenant, faceid)))
    )


def read_missing_pages(items: ItemStore, tenant: str, faceid: str, visits: Visits) -> Visits:
    """Return visits with their older arrivals, which are read from items of their own (pages)."""
    if visits.is_whole:
        return visits
    page_keys = ((tenant, keys.visits_page(faceid, start)) for start in visits.pages)
    return visits.with_pages(pages_from(items.get(keys.ARRIVALS, key) for key in page_keys))


def read_visits_reaching(
    items: ItemStore, tenant: str, begins: Iterable[tuple[int, str]]
) -> dict[str, Visits]:
    """Read the visits of faces, by faceid, each as far back as the earliest time asked for.

    `begins` has pairs of a time, in ms, and a faceid. A face's newest visits are in one item, which
    is read for all faces at once. Its older ones are in further items (pages), which are read only
    if the time is before them.
    """
    earliest_ms: dict[str, int] = {}  # by faceid
    for at_ms, faceid in begins:
        earliest_ms[faceid] = min(at_ms, earliest_ms.get(faceid, at_ms))
    if not earliest_ms:
        return {}
    stored_items = items.get_many(keys.ARRIVALS, [(tenant, faceid) for faceid in earliest_ms])
    visits_of: dict[str, Visits] = {}
    for faceid, item in zip(earliest_ms, stored_items, strict=True):
        visits = visits_from(item)
        if not visits.has_read_back_to(earliest_ms[faceid]):
            visits = read_missing_pages(items, tenant, faceid, visits)
        visits_of[faceid] = visits
    return visits_of


def list_shown_faces(items: ItemStore, tenant: str, capture_id: str) -> set[str]:
    """Return the ids of the faces that a capture (a picture) shows, by its observations.

    If two faces are merged into one, their observations change, so these ids are today's.
    """
    partition, capture_key = keys.observation(tenant, captured_ms(capture_id), capture_id)
    # An observation's key is its capture's, "-" and a number; "." is the byte after "-".
    between = (capture_key, f"{capture_key}.")
    seen_items = walk_items(items, keys.OBSERVATIONS, partition, between=between)
    return {item["faceid"] for item in seen_items}


def review_delete(tenant: str, sighting_id: str) -> Delete:
    """Return the action that forgets the review of a rejected sighting, if there is one."""
    return Delete(keys.REVIEWS, (tenant, review_id(ReviewKind.UNCERTAIN, sighting_id)))
