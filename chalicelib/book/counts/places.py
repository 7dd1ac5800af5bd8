"""Which places are there, how many people are inside, and who is told that one is full?

All places of a tenant are one item: so no camera ever is a door of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.counts import (
    MAX_AHEAD,
    TOLD_WITHIN,
    Correction,
    CountedDay,
    DayCounts,
    Place,
    Void,
    forget_counts,
    list_void_minutes,
)
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import (
    Conflict,
    InvalidInput,
    PlaceNotFound,
    TooManyPlaces,
    require_revision,
)
from chalicelib.domain.events import PlaceFree, PlaceFull
from chalicelib.domain.local_time import HOURS_PER_DAY, Span, local_hour
from chalicelib.domain.model import Tenant
from chalicelib.domain.names import printable_name
from chalicelib.domain.opening import list_open_seconds, parse_opening
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
from chalicelib.storage.ports import Action, Item, Put
from chalicelib.storage.records.counts import places_from, places_item
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

_BUSY = "the places are changed by others all the time: send the request again in a moment"
_PLACES_SAME = "places-same"
"""Name of the condition that the places are as they were read."""


class PlaceFields(Struct, frozen=True, kw_only=True):
    """Fields of a place that a caller sets. `doors`: ids or names of cameras."""

    name: str
    doors: Sequence[str]
    full_at: int | None = None
    free_at: int | None = None


class PlaceNow(Struct, frozen=True):
    """A place, and its openings that began in the last days, the newest last."""

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
        """Return all places as they were made, with the openings that began in the last local days,
        today included."""
        places = places_from(self._find_item(tenant.name))
        doors = frozenset(door for place in places for door in place.doors)
        now = self.services.clock.now()
        openings = _list_openings(tenant, days, now)
        counted_days = (
            list(self.services.counts.walk_days(tenant.name, _list_days(openings, now), doors))
            if places and openings
            else []
        )
        return [_describe(place, openings, counted_days) for place in places]

    def get(self, tenant: Tenant, id_: str) -> PlaceNow:
        """Return a place with the openings of today. Raises PlaceNotFound."""
        for place_now in self.list_all(tenant):
            if place_now.place.id == id_:
                return place_now
        raise _make_not_found_error(id_)

    @retry_if_changed(_BUSY)
    def add(self, tenant: Tenant, fields: PlaceFields, request: RequestId | None = None) -> str:
        """Make a place, and return its id.

        Raises InvalidInput, CameraNotFound, Conflict, TooManyPlaces, Busy, AnsweredAlready with the
        `id`.
        """
        item = self._find_item(tenant.name)
        places = places_from(item)
        if len(places) >= MAX_PLACES:
            raise TooManyPlaces(f"there are {MAX_PLACES} places already, the most of a tenant")
        id_ = time_ordered_id(self.services.clock.now())
        place = self._apply_fields(tenant, Place(id_, fields.name, ()), fields, places)
        self._store(tenant, [*places, place], item, request, {"id": id_})
        return id_

    @retry_if_changed(_BUSY)
    def change(
        self,
        tenant: Tenant,
        id_: str,
        changes: Mapping[str, Any],
        revision: int | None = None,
        request: RequestId | None = None,
    ) -> None:
        """Set the fields in `changes`, any of PlaceFields.

        `revision`: the place's version that the caller read; None: any. Raises PlaceNotFound,
        Changed, InvalidInput, CameraNotFound, Conflict, Busy, AnsweredAlready.
        """
        item = self._find_item(tenant.name)
        places = places_from(item)
        place = _find(places, id_)
        require_revision("the place", place.version, revision)
        if "full_at" in changes and "free_at" not in changes:
            changes = {**changes, "free_at": None}  # that of the former limit says nothing
        names = PlaceFields.__struct_fields__
        fields = PlaceFields(**{**{name: getattr(place, name) for name in names}, **changes})
        others = [other for other in places if other.id != id_]
        wanted_place = self._apply_fields(tenant, place, fields, others)
        changed_place = replace(wanted_place, version=place.version + 1)
        self._store(tenant, _put_in_place(places, changed_place), item, request)

    @retry_if_changed(_BUSY)
    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Forget a place; the counts of its doors stay.

        Raises PlaceNotFound, Busy, AnsweredAlready.
        """
        item = self._find_item(tenant.name)
        places = places_from(item)
        place = _find(places, id_)
        self._store(tenant, [other for other in places if other != place], item, request)

    @retry_if_changed(_BUSY)
    def correct(
        self, tenant: Tenant, id_: str, inside: int, by: str, request: RequestId | None = None
    ) -> None:
        """Say how many are inside now. `by`: who says so.

        Raises PlaceNotFound, InvalidInput, Conflict while the place is closed, Busy,
        AnsweredAlready.
        """
        if not 0 <= inside <= MAX_LIMIT:
            raise InvalidInput(f"inside is 0 to {MAX_LIMIT:,}, not {inside:,}")
        item, now = self._find_item(tenant.name), self.services.clock.now()
        places = places_from(item)
        place = _find(places, id_)
        place_now = self._read_present(tenant, place, now, {})
        if place_now.present is None:
            raise Conflict("this place is closed by the setting opening, and so nobody is inside")
        audit_events.add_details(of=id_, inside=inside, before=place_now.inside)
        kept = (one for one in place.corrections if now - one.at < _CORRECTIONS_KEPT)
        corrections = (*kept, Correction(now, inside, by))[-_MOST_CORRECTIONS:]
        corrected_place = replace(place, corrections=corrections)
        told_place, puts = self._tell_crossing(tenant, corrected_place, inside, now)
        self._store(tenant, _put_in_place(places, told_place), item, request, more_actions=puts)
        self.services.webhooks.outbox.send_messages(tenant.name, puts)

    def make_crossing_actions(
        self,
        tenant: Tenant,
        camera_id: str,
        changed_days: Mapping[int, DayCounts],
        voids: Sequence[Void] | None = None,
    ) -> list[Action]:
        """Return the actions that note and tell that the place of a camera gets full, or free, by
        its counts.

        `changed_days`: the UTC days of the camera that the same transaction stores. `voids`: those
        that it stores; None: it stores none. There are no actions if nothing changes for the place,
        or the camera is a door of none.
        """
        item, now = self._find_item(tenant.name), self.services.clock.now()
        places = places_from(item)
        place = next((place for place in places if camera_id in place.doors), None)
        if place is None or (place.full_at is None and not place.is_full):
            return []
        changed_keys = {(day, camera_id): counts for day, counts in changed_days.items()}
        inside = self._read_present(tenant, place, now, changed_keys, voids).inside
        told_place, puts = self._tell_crossing(tenant, place, inside, now)
        if told_place == place:
            return []
        return [_make_put(tenant.name, _put_in_place(places, told_place), item), *puts]

    def _tell_crossing(
        self, tenant: Tenant, place: Place, inside: int, now: datetime
    ) -> tuple[Place, list[Action]]:
        """Return the place with whether it is full, and the deliveries of the event that says so;
        none, if that was said."""
        is_full = is_full_now(place, inside)
        if is_full == place.is_full:
            return place, []
        kind = PlaceFull if is_full else PlaceFree
        data = kind(
            place=place.id,
            name=place.name,
            inside=inside,
            full_at=place.full_at,
            free_at=place.free_at,
        )
        event = Event(f"{data.KIND}-{place.id}-{milliseconds(now)}", data, now)
        puts = self.services.webhooks.outbox.make_delivery_puts(tenant.name, [event])
        return replace(place, is_full=is_full), puts

    def _read_present(
        self,
        tenant: Tenant,
        place: Place,
        now: datetime,
        changed: Mapping[tuple[int, str], DayCounts],
        voids: Sequence[Void] | None = None,
    ) -> PlaceNow:
        """Return a place with the opening that goes on. `changed`: days of cameras that are not
        stored yet; `voids` likewise."""
        counts = self.services.counts
        openings = [one for one in _list_openings(tenant, 1, now) if one.end_ms is None]
        if voids is None and openings:
            voids = counts.voids.list_all(tenant.name)
        day_doors = [
            (day, door)
            for day in (_list_days(openings, now) if openings else ())
            for door in place.doors
        ]
        counted_days = []
        for day, door in day_doors:
            all_counts = changed.get((day, door))
            if all_counts is None:
                all_counts = counts.read_day(tenant.name, day, door)
            void_minutes = list_void_minutes(voids or (), day, door)
            counted_days.append(CountedDay(day, door, forget_counts(all_counts, void_minutes)))
        return _describe(place, openings, counted_days)

    def _apply_fields(
        self, tenant: Tenant, place: Place, fields: PlaceFields, others: Iterable[Place]
    ) -> Place:
        """Return the place with these fields. A door that it has may be a camera of before.

        Raises InvalidInput, CameraNotFound, and Conflict if another place has one of the doors.
        """
        if not 1 <= len(fields.doors) <= MAX_DOORS:
            raise InvalidInput(f"a place has 1 to {MAX_DOORS} doors, not {len(fields.doors)}")
        cameras = self.services.cameras
        found_doors = (
            door if door in place.doors else cameras.get_by_any_name(tenant, door).id
            for door in fields.doors
        )
        doors = tuple(dict.fromkeys(found_doors))
        for other in others:
            if taken := [door for door in doors if door in other.doors]:
                raise Conflict(
                    f"camera {taken[0]!r} is a door of {other.name!r}: take it out there first"
                )
        name = printable_name(fields.name, NAME_LENGTH, "a place's")
        full_at, free_at = fields.full_at, _choose_free_at(fields)
        return replace(place, name=name, doors=doors, full_at=full_at, free_at=free_at)

    def _store(
        self,
        tenant: Tenant,
        places: Sequence[Place],
        item_before: Item | None,
        request: RequestId | None,
        answer: Mapping[str, Any] | None = None,
        more_actions: Sequence[Action] = (),
    ) -> None:
        actions = [_make_put(tenant.name, places, item_before), *more_actions]
        self.services.requests.write_with_answer(tenant.name, actions, request, answer or {})

    def _find_item(self, tenant: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.PLACES_ITEM))


def _list_openings(tenant: Tenant, days: int, now: datetime) -> list[Opening]:
    """List the openings that began in the last local days, and the one that goes on."""
    local, open_hours = tenant.local_time, parse_opening(tenant.opening)
    today = int(local_hour(now, ZoneInfo(tenant.time_zone))) // HOURS_PER_DAY
    return [
        replace(opening, open_s=_measure_open_s(opening, tenant, now))
        for opening in list_openings(open_hours, local, span_of_days(days, now))
        if opening.day > today - days or opening.end_ms is None
    ]


def _measure_open_s(opening: Opening, tenant: Tenant, now: datetime) -> int:
    """Return for how many seconds of an opening the shop was open, as far as boxes have told."""
    told_ms = milliseconds(now - TOLD_WITHIN)
    end_ms = told_ms if opening.end_ms is None else min(opening.end_ms, told_ms)
    span = Span(opening.first_ms, end_ms - 1)
    return sum(list_open_seconds(tenant.opening, tenant.local_time, span).values())


def _list_days(openings: Sequence[Opening], now: datetime) -> range:
    """Return the UTC days in which the minutes of openings may lie."""
    return Span(openings[0].first_ms, milliseconds(now + MAX_AHEAD)).utc_days


def _describe(
    place: Place, openings: Iterable[Opening], counted_days: Iterable[CountedDay]
) -> PlaceNow:
    """Return a place with its openings, by the counts of all cameras."""
    minutes = [
        minute
        for counted in counted_days
        if counted.camera in place.doors
        for minute in counted.list_within(_ALWAYS)
    ]
    occupancies = (
        replay(opening, minutes, place.corrections, len(place.doors)) for opening in openings
    )
    return PlaceNow(place, tuple(occupancies))


_ALWAYS = Span(0, keys.LAST_MS)


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
            "at 80 is free again at 72, say"
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


def _put_in_place(places: Iterable[Place], changed: Place) -> list[Place]:
    return [changed if place.id == changed.id else place for place in places]


def _make_put(tenant: str, places: Sequence[Place], item_before: Item | None) -> Put:
    """Return the action that stores all places, if they are as they were read."""
    version, condition = next_version(item_before, _PLACES_SAME)
    does = ((Effect.ARRANGES, "places"),)
    return Put(keys.DIRECTORY, places_item(tenant, places, version), (condition,), does)
