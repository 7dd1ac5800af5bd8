"""Places: their doors, the number of people inside, and the notifications that a place is full.

All places of a tenant are one item, so a camera is never a door of two. The item also records which
place each camera was a door of before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import NO_BODY, RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.counts import (
    MAX_AHEAD,
    MINUTE_MS,
    TOLD_WITHIN,
    Arrangement,
    Correction,
    CountedDay,
    DayCounts,
    InsideSaid,
    Place,
    Void,
    forget_counts,
    list_void_minutes,
    turn_place,
)
from chalicelib.domain.done import ActKind, Was, make_deletion
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import (
    Conflict,
    InvalidInput,
    PlaceNotFound,
    TooManyPlaces,
    require_revision,
)
from chalicelib.domain.events import PlaceFree, PlaceFull
from chalicelib.domain.local_time import DAY_MS, HOURS_PER_DAY, Span, local_hour
from chalicelib.domain.model import Tenant
from chalicelib.domain.names import printable_name
from chalicelib.domain.opening import list_open_seconds, parse_opening
from chalicelib.domain.rules.doors import arrange, map_doors, set_ahead_right
from chalicelib.domain.rules.inside import (
    Occupancy,
    Opening,
    is_full_now,
    list_openings,
    replay,
    span_of_days,
)
from chalicelib.domain.webhooks import Event
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import next_version, retry_if_changed
from chalicelib.storage.ports import Action, Check, Item, Put
from chalicelib.storage.records.counts import arrangement_from, arrangement_item
from chalicelib.storage.values import milliseconds, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.book.book import Book

MAX_PLACES, MAX_DOORS = 50, 50
"""Places of a tenant, and doors of a place."""
MAX_LIMIT = 100_000
"""People inside a place."""
NAME_LENGTH = 100
"""Characters of a place's name: a line of the console."""
DAYS = range(1, 31)
"""The days of openings that one answer may have: as long as minutes are kept."""
_CORRECTIONS_KEPT, _MOST_CORRECTIONS = timedelta(days=DAYS[-1]), 100
"""Corrections of a place that are kept."""
_FREE_PERCENT = 90
"""Of `full_at`: with so many inside a full place is free again, unless it says otherwise."""

_MOST_CHECKED = 10
"""Doors of a place whose counts are checked when it is decided whether it is full. Each that
reports at the same instant makes the others decide anew. Of a place with more doors, what two
reports of one instant do together may be told with the next one."""
_MOST_ACTIONS = 90
"""Of a transaction, which has a hundred at most on AWS: the rest is for the answer and the
audit."""

_BUSY = "the places are changed by others all the time: send the request again in a moment"
_PLACES_SAME = "places-same"
"""Name of the condition that the places are as they were read."""


Doors = Mapping[str, Sequence[Span]]
"""Cameras that were doors of a place in a time, and when they were."""


class PlaceFields(Struct, frozen=True, kw_only=True):
    """Fields of a place that a caller sets. `doors`: ids or names of cameras."""

    name: str
    doors: Sequence[str]
    full_at: int | None = None
    free_at: int | None = None


class PlaceNow(Struct, frozen=True):
    """A place, with its openings of the last days, the newest last."""

    place: Place
    openings: tuple[Occupancy, ...]

    @property
    def present(self) -> Occupancy | None:
        """Return the opening that goes on; None: it is closed."""
        last = self.openings[-1] if self.openings else None
        return last if last is not None and last.opening.end_ms is None else None

    @property
    def inside(self) -> int:
        return self.present.left if self.present else 0

    @property
    def is_full(self) -> bool:
        return is_full_now(self.place, self.inside)


class Places(Service["Book"]):
    def list_all(self, tenant: Tenant, days: int = 1) -> list[PlaceNow]:
        """Return all places in order of creation, with their openings of the last local days, today
        included."""
        now = self.services.clock.now()
        _, arrangement = self._read(tenant, now)
        openings = _list_openings(tenant, days, now)
        span = _span_of(openings, now)
        doors = map_doors(arrangement, span)
        cameras = frozenset(chain(*(doors[place.id] for place in arrangement.places)))
        walked = self.services.counts.walk_days(tenant.name, span.utc_days, cameras)
        counted = Counted(tenant, now, openings, list(walked) if cameras and openings else [])
        return [_describe(place, doors[place.id], counted) for place in arrangement.places]

    def get(self, tenant: Tenant, id_: str) -> PlaceNow:
        """Return a place with the openings of today. Raises PlaceNotFound."""
        for place_now in self.list_all(tenant):
            if place_now.place.id == id_:
                return place_now
        raise _make_not_found_error(id_)

    @retry_if_changed(_BUSY)
    def add(
        self,
        tenant: Tenant,
        fields: PlaceFields,
        said: InsideSaid | None = None,
        request: RequestId | None = None,
        *,
        takes: bool = False,
    ) -> str:
        """Make a place, and return its id. `said`: the number of people inside, if known. `takes`:
        take doors over from other places.

        Raises InvalidInput, CameraNotFound, Conflict, TooManyPlaces, Busy, AnsweredAlready with the
        `id`.
        """
        now = self.services.clock.now()
        item, before = self._read(tenant, now)
        if len(before.places) >= MAX_PLACES:
            raise TooManyPlaces(f"there are {MAX_PLACES} places already, the most of a tenant")
        id_ = time_ordered_id(now)
        place = self._apply_fields(tenant, Place(id_, fields.name, ()), fields)
        after = arrange(before, [*_give_doors(before.places, place, takes=takes), place], now)
        told, actions = self._tell(tenant, after, place, said, now)
        self._store(tenant, told, item, request, {"id": id_}, actions)
        return id_

    @retry_if_changed(_BUSY)
    def change(
        self,
        tenant: Tenant,
        id_: str,
        changes: Mapping[str, Any],
        *,
        said: InsideSaid | None = None,
        takes: bool = False,
        revision: int | None = None,
        request: RequestId | None = None,
    ) -> None:
        """Set the fields in `changes`, any of PlaceFields.

        A door counts for the place from the next minute on, or no longer. `said`: how many are
        inside, if somebody says so. `takes`: as in `add`. `revision`: the place's version that the
        caller read; None: any. Raises PlaceNotFound, Changed, InvalidInput, CameraNotFound,
        Conflict, Busy, AnsweredAlready.
        """
        now = self.services.clock.now()
        item, before = self._read(tenant, now)
        place = _find(before.places, id_)
        require_revision("the place", place.version, revision)
        if "full_at" in changes and "free_at" not in changes:
            changes = {**changes, "free_at": None}  # that of the former limit says nothing
        names = PlaceFields.__struct_fields__
        fields = PlaceFields(**{**{name: getattr(place, name) for name in names}, **changes})
        wanted_place = self._apply_fields(tenant, place, fields)
        changed_place = replace(wanted_place, version=place.version + 1)
        others = _give_doors(before.places, changed_place, takes=takes)
        after = arrange(before, _put_in_place(others, changed_place), now)
        told, actions = self._tell(tenant, after, changed_place, said, now)
        self._store(tenant, told, item, request, more_actions=actions)

    @retry_if_changed(_BUSY)
    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Forget a place; the counts of its doors stay.

        Raises PlaceNotFound, Busy, AnsweredAlready.
        """
        now = self.services.clock.now()
        item, before = self._read(tenant, now)
        place = _find(before.places, id_)
        after = arrange(before, [other for other in before.places if other != place], now)
        was = make_deletion(ActKind.PLACE, id_, place.name)
        self._store(tenant, after, item, request, was=was)

    @retry_if_changed(_BUSY)
    def correct(
        self, tenant: Tenant, id_: str, said: InsideSaid, request: RequestId | None = None
    ) -> None:
        """Set the number of people inside now.

        Raises PlaceNotFound, InvalidInput, Conflict while the place is closed, Busy,
        AnsweredAlready.
        """
        now = self.services.clock.now()
        item, arrangement = self._read(tenant, now)
        told, actions = self._tell(tenant, arrangement, _find(arrangement.places, id_), said, now)
        self._store(tenant, told, item, request, more_actions=actions)

    def make_crossing_actions(
        self,
        tenant: Tenant,
        camera_id: str,
        changed_days: Mapping[int, DayCounts],
        voids: Sequence[Void] | None = None,
    ) -> list[Action]:
        """Return the actions that record and report a place that becomes full, or free, by its
        camera's counts, with the conditions that the underlying data are unchanged.

        `changed_days`: the UTC days of the camera that the same transaction stores. `voids`: those
        that it stores; None: it stores none. Nothing if the camera was a door of no place since the
        opening that goes on began. Of a place without a limit only that is checked.
        """
        now = self.services.clock.now()
        item = self._find_item(tenant.name)
        stored = arrangement_from(item)
        if not stored.places:
            return []
        arrangement = set_ahead_right(stored, now)
        doors = map_doors(arrangement, _span_of(_list_present(tenant, now), now))
        of_camera = [one for one in arrangement.places if camera_id in doors[one.id]]
        if not of_camera and arrangement == stored:
            return []
        changed_keys = {(day, camera_id): counts for day, counts in changed_days.items()}
        told = arrangement.places
        all_checks: list[Check] = []
        all_puts: list[Action] = []
        for place in filter(_has_limit, of_camera):
            place_now, checks = self._read_present(
                tenant, place, doors[place.id], now, changed=changed_keys, voids=voids
            )
            told_place, puts = self._tell_crossing(tenant, place_now, now, held_ms=MINUTE_MS)
            told = _put_in_place(told, told_place)
            all_checks += checks
            all_puts += puts
        told_arrangement = replace(arrangement, places=told)
        put = _make_put(tenant.name, told_arrangement, item)
        arranged = Check(put.table, put.key, put.when) if told_arrangement == stored else put
        room = _MOST_ACTIONS - len(all_puts) - len(changed_days)
        return [arranged, *_list_once(all_checks, room), *all_puts]

    def _tell(
        self,
        tenant: Tenant,
        arrangement: Arrangement,
        place: Place,
        said: InsideSaid | None,
        now: datetime,
    ) -> tuple[Arrangement, list[Action]]:
        """Return the arrangement with a place that is changed, corrected by what somebody says, and
        the actions that tell hooks if it gets full by that, or free. Raises as `correct` does."""
        actions: list[Action] = []
        if said is not None or _has_limit(place):
            doors = map_doors(arrangement, _span_of(_list_present(tenant, now), now))
            place_now, checks = self._read_present(tenant, place, doors[place.id], now)
            if said is not None:
                place_now = _correct(place_now, said, now)
            place, puts = self._tell_crossing(tenant, place_now, now, held_ms=0)
            actions = [*_list_once(checks, _MOST_ACTIONS - len(puts)), *puts]
        return replace(arrangement, places=_put_in_place(arrangement.places, place)), actions

    def _tell_crossing(
        self, tenant: Tenant, place_now: PlaceNow, now: datetime, *, held_ms: int
    ) -> tuple[Place, list[Action]]:
        """Return the place with whether it is full, and the deliveries of the event that says so;
        none, if that was said, or waits (`turn_place`)."""
        present = place_now.present
        place, turns = turn_place(
            place_now.place, milliseconds(now), is_full=place_now.is_full, held_ms=held_ms
        )
        if not turns:
            return place, []
        kind = PlaceFull if place_now.is_full else PlaceFree
        data = kind(
            place=place.id,
            name=place.name,
            inside=place_now.inside,
            full_at=place.full_at,
            free_at=place.free_at,
            turns=turns,
            watched_s=present.watched_s if present else None,
            open_s=present.open_s if present else None,
            whole=present.is_whole if present else None,
        )
        event = Event(f"{data.KIND}-{place.id}-{milliseconds(now)}", data, now)
        puts = self.services.webhooks.outbox.make_delivery_puts(tenant.name, [event])
        return place, puts

    def _read_present(
        self,
        tenant: Tenant,
        place: Place,
        doors: Doors,
        now: datetime,
        *,
        changed: Mapping[tuple[int, str], DayCounts] = MappingProxyType({}),
        voids: Sequence[Void] | None = None,
    ) -> tuple[PlaceNow, list[Check]]:
        """Return a place with the opening that goes on, and the checks that what was read of it is
        still so.

        `changed`: days of cameras that are not stored yet; `voids` likewise.
        """
        counts = self.services.counts
        openings = _list_present(tenant, now)
        are_checked = len(doors) <= _MOST_CHECKED
        checks: list[Check] = []
        if voids is None:
            voids, check = counts.voids.read_with_check(tenant.name)
            checks.append(check)
        counted_days = []
        for day, door in product(_span_of(openings, now).utc_days, doors):
            all_counts = changed.get((day, door))
            if all_counts is None:
                all_counts, check = counts.read_day_with_check(tenant.name, day, door)
                checks += [check] if are_checked else []
            void_minutes = list_void_minutes(voids, day, door)
            counted_days.append(CountedDay(day, door, forget_counts(all_counts, void_minutes)))
        counted = Counted(tenant, now, openings, counted_days)
        return _describe(place, doors, counted), checks

    def _apply_fields(self, tenant: Tenant, place: Place, fields: PlaceFields) -> Place:
        """Return the place with these fields. A door that it has may be a camera of before.

        Raises InvalidInput, CameraNotFound.
        """
        if not 1 <= len(fields.doors) <= MAX_DOORS:
            raise InvalidInput(f"a place has 1 to {MAX_DOORS} doors, not {len(fields.doors)}")
        cameras = self.services.cameras
        found_doors = (
            door if door in place.doors else cameras.get_by_any_name(tenant, door).id
            for door in fields.doors
        )
        doors = tuple(dict.fromkeys(found_doors))
        name = printable_name(fields.name, NAME_LENGTH, "a place's")
        full_at, free_at = fields.full_at, _choose_free_at(fields)
        return replace(place, name=name, doors=doors, full_at=full_at, free_at=free_at)

    def _store(
        self,
        tenant: Tenant,
        arrangement: Arrangement,
        item_before: Item | None,
        request: RequestId | None,
        answer: Mapping[str, Any] = NO_BODY,
        more_actions: Sequence[Action] = (),
        was: Was | None = None,
    ) -> None:
        put = replace(_make_put(tenant.name, arrangement, item_before), was=was)
        actions = [put, *more_actions]
        self.services.requests.write_with_answer(tenant.name, actions, request, answer)
        self.services.webhooks.outbox.send_messages(tenant.name, more_actions)

    def _read(self, tenant: Tenant, now: datetime) -> tuple[Item | None, Arrangement]:
        """Return the item of all places, and what it says; None, and no place, without one."""
        item = self._find_item(tenant.name)
        return item, set_ahead_right(arrangement_from(item), now)

    def _find_item(self, tenant: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.PLACES_ITEM))


def _list_openings(tenant: Tenant, days: int, now: datetime) -> list[Opening]:
    """List the openings that began in the last local days, and the one that goes on."""
    local, open_hours = tenant.local_time, parse_opening(tenant.opening)
    today = int(local_hour(now, ZoneInfo(tenant.time_zone))) // HOURS_PER_DAY
    return [
        opening
        for opening in list_openings(open_hours, local, span_of_days(days, now))
        if opening.day > today - days or opening.end_ms is None
    ]


def _list_present(tenant: Tenant, now: datetime) -> list[Opening]:
    """List the opening that goes on; none, if the shop is closed."""
    return [one for one in _list_openings(tenant, 1, now) if one.end_ms is None]


def _measure_open_s(opening: Opening, span: Span, tenant: Tenant, now: datetime) -> int:
    """Return for how many seconds of an opening, and of a span, the shop was open, as far as boxes
    have told."""
    told_ms = milliseconds(now - TOLD_WITHIN)
    end_ms = told_ms if opening.end_ms is None else min(opening.end_ms, told_ms)
    open_span = Span(opening.first_ms, end_ms - 1).cut(span)
    return sum(list_open_seconds(tenant.opening, tenant.local_time, open_span).values())


def _span_of(openings: Sequence[Opening], now: datetime) -> Span:
    """Return the time in which the minutes of openings may lie; it is empty without one."""
    end_ms = milliseconds(now + MAX_AHEAD)
    return Span(openings[0].first_ms if openings else end_ms + DAY_MS, end_ms)


class Counted(Struct, frozen=True):
    """Counts of cameras in openings until now. `openings`: of the tenant's setting."""

    tenant: Tenant
    now: datetime
    openings: Sequence[Opening]
    days: Sequence[CountedDay]


def _describe(place: Place, doors: Doors, counted: Counted) -> PlaceNow:
    """Return a place with its openings, by what was counted at its doors while they were its."""
    minutes = [
        minute
        for day in counted.days
        for span in doors.get(day.camera, ())
        for minute in day.list_within(span)
    ]
    door_counts = Counter(chain(*doors.values()))
    occupancies = []
    for opening in counted.openings:
        open_s = sum(
            door_count * _measure_open_s(opening, span, counted.tenant, counted.now)
            for span, door_count in door_counts.items()
        )
        occupancies.append(replay(opening, minutes, place.corrections, open_s))
    return PlaceNow(place, tuple(occupancies))


def _correct(place_now: PlaceNow, said: InsideSaid, now: datetime) -> PlaceNow:
    """Return a place of which somebody says how many are inside. Raises InvalidInput, Conflict."""
    if not 0 <= said.inside <= MAX_LIMIT:
        raise InvalidInput(f"inside is 0 to {MAX_LIMIT:,}, not {said.inside:,}")
    place, present = place_now.place, place_now.present
    if present is None:
        raise Conflict("this place is closed by the setting opening, and so nobody is inside")
    audit_events.add_details(of=place.id, inside=said.inside, before=place_now.inside)
    kept = (one for one in place.corrections if now - one.at < _CORRECTIONS_KEPT)
    corrections = (*kept, Correction(now, said.inside, said.by))[-_MOST_CORRECTIONS:]
    corrected_place = replace(place, corrections=corrections)
    return PlaceNow(corrected_place, (replace(present, left=said.inside),))


def _list_once(checks: Iterable[Check], most: int) -> list[Check]:
    """Return one check of each item, at most so many."""
    return [*{check.key: check for check in checks}.values()][: max(most, 0)]


def _has_limit(place: Place) -> bool:
    """Return whether hooks are to be told that a place gets full, or free."""
    return place.full_at is not None or place.is_full


def _choose_free_at(fields: PlaceFields) -> int | None:
    """Return with how many inside a full place is free again; None: it never is full.

    Raises InvalidInput for limits of which none can be reached.
    """
    full_at, free_at = fields.full_at, fields.free_at
    if full_at is not None and not 1 <= full_at <= MAX_LIMIT:
        raise InvalidInput(f"full_at is 1 to {MAX_LIMIT:,}, not {full_at:,}")
    if free_at is None:
        return None if full_at is None else full_at * _FREE_PERCENT // 100
    if full_at is None or not 0 <= free_at < full_at:
        raise InvalidInput(
            f"free_at is 0 at least and less than full_at, not {free_at:,}: a place that is full "
            "at 80 is free again at 72, say",
            field="free_at",
        )
    return free_at


def _find(places: Iterable[Place], id_: str) -> Place:
    """Return the place of an id. Raises PlaceNotFound."""
    for place in places:
        if place.id == id_:
            return place
    raise _make_not_found_error(id_)


def _make_not_found_error(id_: str) -> PlaceNotFound:
    return PlaceNotFound(f"there is no place {id_[:40]!r}: see the list of places")


def _give_doors(places: Iterable[Place], taker: Place, *, takes: bool) -> list[Place]:
    """Return the places, of which no other has a door of the taker any more. Raises Conflict if one
    has, unless the taker `takes` it, and leaves it another."""
    left_places = []
    for place in places:
        given = [] if place.id == taker.id else [one for one in place.doors if one in taker.doors]
        doors = tuple(door for door in place.doors if door not in given)
        if given and not takes:
            raise Conflict(
                f"camera {given[0]!r} is a door of {place.name!r}: take it out there first, or "
                "send takes: true"
            )
        if given and not doors:
            raise Conflict(f"{place.name!r} would have no door: delete it, or leave it one")
        version = place.version + 1 if given else place.version
        left_places.append(replace(place, doors=doors, version=version))
    return left_places


def _put_in_place(places: Iterable[Place], changed: Place) -> tuple[Place, ...]:
    return tuple(changed if place.id == changed.id else place for place in places)


def _make_put(tenant: str, arrangement: Arrangement, item_before: Item | None) -> Put:
    """Return the action that stores all places, if they are as they were read."""
    version, condition = next_version(item_before, _PLACES_SAME)
    does = ((Effect.ARRANGES, "places"),)
    return Put(keys.DIRECTORY, arrangement_item(tenant, arrangement, version), (condition,), does)
