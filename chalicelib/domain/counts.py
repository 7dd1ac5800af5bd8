"""People that a camera counts as they cross a line: how many came in and went out, minute by
minute.

A count is a number and nobody's face. A box beside the camera sends whole minutes; of two reports
of a minute the better one stays. So reports may come twice, late and in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import reduce
from itertools import pairwise
from math import dist
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput, mark_errors
from chalicelib.domain.local_time import DAY_MS, HOUR_MS, HOURS_PER_DAY, LocalTime, Span
from chalicelib.storage.values import milliseconds, time_text

MINUTE_MS = 60_000
MINUTES = range(1, 2_881)
"""How many minutes one report may have: up to two days."""
MINUTES_KEPT = timedelta(days=30)
"""How long minutes are kept; then hours are. One entry beside one arrival of somebody whom we know
is a person."""
TOLD_WITHIN = timedelta(minutes=10)
"""A minute that is older is missing if no box has told it."""
WAITS_HOURS = 7 * HOURS_PER_DAY
"""So long after an hour in which a camera counted it is expected to count."""
_LEAST_TENTHS = 9
"""A time is whole from so many tenths on that were watched."""
SETTLED_AFTER = timedelta(days=2)
"""How long a camera's own key may tell a minute anew: as long as a box keeps what it could not
send."""
MAX_AHEAD = timedelta(minutes=5)
"""How far a box's clock may be ahead."""
MAX_CROSSINGS = 1_000
"""Of one direction in a minute."""
LEAST_LINE = 0.05
"""Length of the shortest line that people are counted at, in shares of the picture."""
LEAST_ROOM = 0.1
"""Between that line's middle and the picture's edge, on both sides, in shares of the picture: what
the smallest person that is found takes."""
_ALONG = 1e-9
_MINUTES_OF_HOUR = 60


Why = Literal["slow", "dark", "crowd", "moved", "narrow"]
"""Why nobody knows how many came in a minute, as its box says: it looked too seldom, or it was too
dark. People hid each other, the camera was covered or turned, or people were too large for the
line."""


class Doubts(NamedTuple):
    """Minutes without numbers, by `Why`, and the certain crossings in them.

    `entries`, `exits`: at least so many came in and went out. Others were perhaps not seen.
    """

    slow: int = 0
    dark: int = 0
    crowd: int = 0
    moved: int = 0
    narrow: int = 0
    entries: int = 0
    exits: int = 0

    @classmethod
    def of_minute(cls, why: Why | None, entries: int, exits: int) -> Doubts:
        """Return the doubts of a minute. `why`: None if its numbers are known, or no box reported
        it."""
        return cls(**{why: 1} if why else {}, entries=entries, exits=exits)

    @property
    def minutes(self) -> dict[str, int]:
        """Return the number of minutes by their `Why`, without those that have none."""
        by_why = zip(self._fields, self[: len(WHYS)], strict=False)
        return {why: minutes for why, minutes in by_why if minutes}


WHYS = get_args(Why)


def add_doubts(one: Doubts, other: Doubts) -> Doubts:
    """Return the sum of the doubts of different times, or cameras."""
    return Doubts(*map(sum, zip(one, other, strict=True)))


class Count(NamedTuple):
    """The people of a minute, or of an hour. `faces`: those who came in with a usable face.

    All three are None together: it was too dark or too crowded to say.
    """

    seconds: int = 0
    """So many were watched."""
    entries: int | None = None
    exits: int | None = None
    faces: int | None = None
    doubts: Doubts = Doubts()
    """Of its minutes without numbers; hours that are stored do not say it."""

    @property
    def numbers(self) -> tuple[int, int, int] | None:
        """Return entries, exits and faces; None if they are unknown."""
        if self.entries is None or self.exits is None or self.faces is None:
            return None
        return self.entries, self.exits, self.faces


class CountedMinute(Struct, frozen=True):
    """A minute that a box reports. `at`: its first instant."""

    at: datetime
    count: Count


DayCounts = Mapping[int, Count]
"""The counts of a UTC day by their first minute, 0 to 1439. An hour stands at its first minute of
that day."""


class CountedDay(Struct, frozen=True):
    """The counts of a camera in a UTC day since 1970."""

    day: int
    camera: str
    counts: DayCounts

    def list_within(self, span: Span) -> Iterator[tuple[int, Count]]:
        """Yield the counts that start in a span, each with its first instant in ms."""
        for minute, count in self.counts.items():
            at_ms = self.day * DAY_MS + minute * MINUTE_MS
            if span.first_ms <= at_ms <= span.last_ms:
                yield at_ms, count


def require_minutes(minutes: Sequence[CountedMinute], now: datetime) -> None:
    """Raise InvalidInput if a counted minute cannot be: too old, ahead, or with wrong numbers.

    A minute says how many people came in and went out at a camera. The error has the `index` of the
    first wrong one.
    """
    if len(minutes) not in MINUTES:
        raise InvalidInput(
            f"send {MINUTES[0]} to {MINUTES[-1]:,} minutes at a time, not {len(minutes):,}"
        )
    for index, minute in enumerate(minutes):
        with mark_errors(index):
            _require_minute(minute, now)


def _require_minute(minute: CountedMinute, now: datetime) -> None:
    """Raise InvalidInput if no box can have counted this minute so, or it is kept no longer.

    A box is the device beside a camera. Its minute says for how many `seconds` it watched, and how
    many people came in (`entries`) and went out. `faces` of those who came in showed a usable face.
    """
    at, count = minute.at, minute.count
    if milliseconds(at) % MINUTE_MS:
        raise InvalidInput(f"a minute begins at its second 0, not at {time_text(at)}")
    if not now - MINUTES_KEPT <= at <= now + MAX_AHEAD:
        raise InvalidInput(
            f"the minute {time_text(at)} is more than {MINUTES_KEPT.days} days old, or ahead of "
            f"the service's clock, which shows {time_text(now)}: leave it out, or set the box's "
            "clock"
        )
    if not 0 <= count.seconds <= 60:
        raise InvalidInput(f"seconds is 0 to 60, not {count.seconds}")

    _require_doubts(count)
    if count.numbers is None:  # one of the three is not known: then none may be told
        if {count.entries, count.exits, count.faces} != {None}:
            raise InvalidInput("in, out and faces are numbers, or all three are null")
        return
    entries, exits, faces = count.numbers
    if not (0 <= entries <= MAX_CROSSINGS and 0 <= exits <= MAX_CROSSINGS):
        raise InvalidInput(f"in and out are 0 to {MAX_CROSSINGS:,}, not {entries} and {exits}")
    if not 0 <= faces <= entries:
        raise InvalidInput(f"faces is 0 to in ({entries}), not {faces}")


def _require_doubts(count: Count) -> None:
    """Raise InvalidInput if a minute says why it has no numbers, and has some; or if it says who
    crossed for sure, and not why."""
    entries, exits = count.doubts.entries, count.doubts.exits
    if not (0 <= entries <= MAX_CROSSINGS and 0 <= exits <= MAX_CROSSINGS):
        raise InvalidInput(
            f"sure_in and sure_out are 0 to {MAX_CROSSINGS:,}, not {entries} and {exits}"
        )
    has_why = bool(count.doubts.minutes)
    if has_why and count.numbers is not None:
        raise InvalidInput("why says why in, out and faces are null: send null, or leave why out")
    if (entries or exits) and not has_why:
        raise InvalidInput("sure_in and sure_out stand beside why: say why, or leave them out")


def require_line(line: Sequence[Sequence[float]]) -> None:
    """Raise InvalidInput unless a line is long enough to be crossed, and has room beside it.

    The uploader (edge: count/line.py) and the console (admin/counting.js) judge by the same rule.
    """
    if dist(*line) < LEAST_LINE:
        raise InvalidInput(
            f"the line `count` is at least {LEAST_LINE} long, in shares of the picture: draw its "
            "two points further apart"
        )
    if _measure_room(line) < LEAST_ROOM:
        raise InvalidInput(
            "the line `count` is too near to the picture's edge: draw it so that a person has room "
            f"on both sides, at least {LEAST_ROOM} of the picture"
        )


def _measure_room(line: Sequence[Sequence[float]]) -> float:
    """Return how far the line's middle is from the picture's edge, across the line, on the side
    that has less room; in shares of the picture."""
    (x1, y1), (x2, y2) = line
    length = dist(*line)
    across = (y1 - y2) / length, (x2 - x1) / length
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    rooms = [
        min(at, 1 - at) / abs(step)
        for at, step in zip(middle, across, strict=True)
        if abs(step) > _ALONG  # else the way goes along that edge
    ]
    return min(rooms)


def choose_count(one: Count, other: Count) -> Count:
    """Return the better of two counts of one time, whichever comes first.

    `longer watched`: 60 seconds win over 40. `as long`: numbers win over none, then the larger. Of
    two without numbers, one that says why wins, then more who crossed for sure.
    """
    return max(one, other, key=lambda count: (count.seconds, count.numbers or (), count.doubts))


def join_counts(one: DayCounts, other: DayCounts) -> dict[int, Count]:
    """Return the better count of each minute of a day that was reported twice.

    A minute of which nothing is known is told, too: a camera was to watch, and saw nothing.
    """
    nothing = Count()
    return {
        minute: choose_count(one.get(minute, nothing), other.get(minute, nothing))
        for minute in one.keys() | other.keys()
    }


def leave_out(counts: DayCounts, minutes: Collection[int]) -> dict[int, Count]:
    """Return the counts of a day without those of these minutes."""
    return {minute: count for minute, count in counts.items() if minute not in minutes}


def forget_counts(counts: DayCounts, minutes: Collection[int]) -> dict[int, Count]:
    """Return the counts of a day, with those of these minutes unknown.

    They do not lack: the camera was to watch then.
    """
    return {minute: Count() if minute in minutes else count for minute, count in counts.items()}


class Void(Struct, frozen=True, order=True):
    """A time in which a camera's counts are wrong, as a person declared: they are kept, but left
    out of all figures.

    `camera`: its id. The time is in ms, in whole minutes; `end_ms` is the instant behind it.
    """

    camera: str
    first_ms: int
    end_ms: int

    def touches(self, other: Void) -> bool:
        """Tell whether both are of one camera, without a gap between them."""
        follow = self.first_ms <= other.end_ms and other.first_ms <= self.end_ms
        return self.camera == other.camera and follow


def require_void(void: Void, now: datetime) -> None:
    """Raise InvalidInput unless a void is of whole minutes that a camera can have counted."""
    if void.first_ms % MINUTE_MS or void.end_ms % MINUTE_MS:
        raise InvalidInput("whole minutes are void: from and to are times with second 0")
    if not 0 <= void.first_ms < void.end_ms:
        raise InvalidInput("to is behind from: swap them", field="to")
    if void.end_ms > milliseconds(now + MAX_AHEAD) + MINUTE_MS:
        raise InvalidInput(
            f"nobody has counted yet what comes: to is at most now, {time_text(now)}",
            field="to",
        )


def join_voids(voids: Iterable[Void], added: Void) -> list[Void]:
    """Return the voids with one more, in order. Those that it touches become one with it."""
    others = []
    for void in voids:
        if void.touches(added):
            first_ms, end_ms = min(void.first_ms, added.first_ms), max(void.end_ms, added.end_ms)
            added = Void(added.camera, first_ms, end_ms)
        else:
            others.append(void)
    return sorted([*others, added])


def cut_voids(voids: Iterable[Void], counting: Void) -> list[Void]:
    """Return the voids without a time that counts again, in order."""
    pieces = []
    for void in voids:
        if void.touches(counting):
            before = Void(void.camera, void.first_ms, min(void.end_ms, counting.first_ms))
            behind = Void(void.camera, max(void.first_ms, counting.end_ms), void.end_ms)
            pieces += [piece for piece in (before, behind) if piece.first_ms < piece.end_ms]
        else:
            pieces.append(void)
    return sorted(pieces)


def list_void_minutes(voids: Iterable[Void], day: int, camera: str) -> set[int]:
    """Return the minutes of a UTC day that are void at a camera."""
    begin_ms = day * DAY_MS
    ranges = (
        range(
            max(void.first_ms - begin_ms, 0) // MINUTE_MS,
            min(void.end_ms - begin_ms, DAY_MS) // MINUTE_MS,
        )
        for void in voids
        if void.camera == camera
    )
    return {minute for minutes in ranges for minute in minutes}


def forget_hours(
    hours: DayCounts, void_minutes: Collection[int], summed_minutes: Collection[int]
) -> dict[int, Count]:
    """Return the hours of a day, with those that have a void minute unknown.

    `summed_minutes`: those that are in the hours.
    """
    wrong_minutes = {minute for minute in void_minutes if minute in summed_minutes}
    ends = pairwise([*sorted(hours), DAY_MS // MINUTE_MS])
    wrong_hours = {
        first
        for first, end in ends
        if not wrong_minutes.isdisjoint(range(first, min(end, first + _MINUTES_OF_HOUR)))
    }
    return forget_counts(hours, wrong_hours)


class SummedDay(Struct, frozen=True):
    """Hours of a camera's UTC day, and those of the minutes that were void when they were made.

    Each has the minutes that are in its hours.
    """

    hours: DayCounts = MappingProxyType({})
    minutes: frozenset[int] = frozenset()
    held: DayCounts = MappingProxyType({})
    held_minutes: frozenset[int] = frozenset()

    @property
    def all_minutes(self) -> frozenset[int]:
        return self.held_minutes | self.minutes

    def forget(self, void_minutes: Collection[int]) -> dict[int, Count]:
        """Return the counts of all hours, with those that have a void minute unknown."""
        return add_days(
            forget_hours(self.hours, void_minutes, self.minutes),
            forget_hours(self.held, void_minutes, self.held_minutes),
        )

    def add(
        self, day: int, told_counts: DayCounts, void_minutes: Collection[int], local: LocalTime
    ) -> SummedDay:
        """Return the day with further minutes, void ones apart. Those that it has already stay
        out."""
        counts = {
            minute: count
            for minute, count in leave_out(told_counts, self.all_minutes).items()
            if count.numbers is not None
        }
        valid = leave_out(counts, void_minutes)
        held = leave_out(counts, valid)
        return SummedDay(
            add_days(self.hours, sum_hours(day, valid, local)),
            self.minutes.union(valid),
            add_days(self.held, sum_hours(day, held, local)),
            self.held_minutes.union(held),
        )


def leave_out_settled(reported: DayCounts, stored: DayCounts, settled: int) -> dict[int, Count]:
    """Return a day's report of a camera's own key without the minutes that this key can no longer
    change.

    These are the minutes before `settled` that are stored already.
    """
    return leave_out(reported, {minute for minute in stored if minute < settled})


def add_days(one: DayCounts, other: DayCounts) -> dict[int, Count]:
    """Return the sums of two days of hours that have no minute in common."""
    nothing = Count()
    return {
        minute: add_counts(one.get(minute, nothing), other.get(minute, nothing))
        for minute in one.keys() | other.keys()
    }


def group_by_day(minutes: Iterable[CountedMinute]) -> dict[int, dict[int, Count]]:
    """Return the minutes by their UTC day since 1970."""
    days: dict[int, dict[int, Count]] = {}
    for reported in minutes:
        day, in_day_ms = divmod(milliseconds(reported.at), DAY_MS)
        counts = days.setdefault(day, {})
        minute = in_day_ms // MINUTE_MS
        counts[minute] = choose_count(counts.get(minute, Count()), reported.count)
    return days


def add_counts(one: Count, other: Count) -> Count:
    """Return the sum of two counts of different times, or cameras; an unknown one adds nothing."""
    doubts = add_doubts(one.doubts, other.doubts)
    known = [count for count in (one, other) if count.numbers is not None]
    if not known:
        return Count(doubts=doubts)
    numbers = ((count.seconds, *(count.numbers or ())) for count in known)
    return Count._make([*map(sum, zip(*numbers, strict=True)), doubts])


def list_local_hours(day: int, local: LocalTime) -> Iterator[tuple[range, int]]:
    """Yield the stretches of a UTC day that have one local hour: their minutes, and that hour."""
    for piece in local.divide_span(Span(day * DAY_MS, (day + 1) * DAY_MS - 1)):
        for hour in piece.hours:
            begin_ms = max(hour * HOUR_MS - piece.offset_ms, piece.first_ms)
            end_ms = min((hour + 1) * HOUR_MS - piece.offset_ms, piece.last_ms + 1)
            first, end = ((ms - day * DAY_MS) // MINUTE_MS for ms in (begin_ms, end_ms))
            yield range(first, end), hour


def sum_hours(day: int, counts: DayCounts, local: LocalTime) -> dict[int, Count]:
    """Return the counts of a UTC day by local hours, each at its first minute of that day."""
    sums: dict[int, Count] = {}
    for minutes, _ in list_local_hours(day, local):
        for minute in minutes:
            if (count := counts.get(minute, Count())).numbers is not None:
                sums[minutes[0]] = add_counts(sums.get(minutes[0], Count()), count)
    return sums


class Entries(NamedTuple):
    """The people who came in and went out in a time, as far as it was watched.

    `known`: those whom we know; `not_known`: others who showed a face; `faceless`: those who showed
    no usable face. These three are all who came in, but for `staff`.
    """

    known: int = 0
    not_known: int = 0
    faceless: int = 0
    staff: int = 0
    """So many were taken off. Of those who went out nobody knows who they are."""
    exits: int = 0
    watched_s: int = 0
    open_s: int = 0
    """So many seconds were to be watched, by all cameras together."""
    doubts: Doubts = Doubts()
    """Of the minutes in which the shop was open."""

    @property
    def entries(self) -> int:
        return self.known + self.not_known + self.faceless

    @property
    def is_whole(self) -> bool:
        return is_whole(self.watched_s, self.open_s)


def is_whole(watched_s: int, open_s: int) -> bool:
    """Return whether enough of a time was watched for its figure to represent all of it.

    That is nine tenths of the seconds in which the shop was open. Otherwise the time was watched
    in part. Its figure is then shown with its share alone, and counts in no average.
    """
    return 10 * watched_s >= _LEAST_TENTHS * open_s


def expect_seconds(
    counts: Mapping[tuple[int, str], Count],
    earlier: Collection[tuple[int, str]],
    open_seconds: Mapping[int, int],
    present: Collection[str],
) -> dict[tuple[int, str], int]:
    """Return how long each camera was to watch, by local hour and camera.

    It is to watch while the shop is open, from the first hour in which it counted, and WAITS_HOURS
    beyond the last. One that is not `present` any more is not waited for. What it watched while
    the shop was closed is added to both sides, so nobody watches more than there is.

    `counts`: of a time; `earlier`: hours before it in which cameras counted; `open_seconds`: by
    hour of that time.
    """
    hours_by_camera: dict[str, set[int]] = {}
    for hour, camera in (*earlier, *counts):
        hours_by_camera.setdefault(camera, set()).add(hour)
    expected: dict[tuple[int, str], int] = {}
    for camera, counted_hours in hours_by_camera.items():
        last = max(counted_hours) + (WAITS_HOURS if camera in present else 1)
        for hour, next_hour in pairwise([*sorted(counted_hours), last]):
            for waited in range(hour, min(next_hour, hour + WAITS_HOURS)):
                key = waited, camera
                seconds = max(open_seconds.get(waited, 0), counts.get(key, Count()).seconds)
                if seconds:
                    expected[key] = seconds
    return expected


class Staff(Enum):
    """The ways to count members of staff among the entries."""

    LEFT_OUT = auto()
    """They are taken off, and their number is said."""
    KNOWN = auto()
    """They count as people whom we know."""
    UNTOLD = auto()
    """They count as somebody, so that no figure tells when one of them came."""


def part_by_faces(count: Count, known: int, staff: int, counted: Staff) -> Entries:
    """Divide entries as `part_entries` does, with staff `counted` in this way."""
    match counted:
        case Staff.LEFT_OUT:
            return part_entries(count, known, staff)
        case Staff.KNOWN:
            return part_entries(count, known + staff, 0)
        case Staff.UNTOLD:
            return part_entries(count, known, 0)


def part_entries(count: Count, known: int, staff: int) -> Entries:
    """Divide the entries at a camera in an hour into known, unknown, faceless and staff.

    `count` says how many crossed the camera's line. `known` and `staff` say of how many known
    people, and of staff, it saw an arrival in that hour. Line and faces are counted apart and may
    disagree, so the parts are cut to add up to those who came in. All is 0 if nobody watched.
    """
    if count.numbers is None:
        return Entries(doubts=count.doubts)
    entries, exits, faces = count.numbers
    staff = min(staff, entries)
    faces = max(faces - staff, 0)  # staff were recognised by theirs
    known = min(known, faces)
    return Entries(
        known=known,
        not_known=faces - known,
        faceless=entries - staff - faces,
        staff=staff,
        exits=exits,
        watched_s=count.seconds,
        doubts=count.doubts,
    )


def add_entries(one: Entries, other: Entries) -> Entries:
    """Return the sum of two counts of different times, or cameras."""
    sums = map(sum, zip(one[:-1], other[:-1], strict=True))
    return Entries._make([*sums, add_doubts(one.doubts, other.doubts)])


def sum_entries(every: Iterable[Entries]) -> Entries | None:
    """Return the sum of the entries of all watched parts of a time; None if nothing was watched."""
    total = reduce(add_entries, every, Entries())
    return total if total.watched_s else None


class Correction(NamedTuple):
    """A person's correction of the number inside. `by`: the person, as the audit names them."""

    at: datetime
    inside: int
    by: str


class InsideSaid(NamedTuple):
    """The number inside now, as a person states it. `by`: the person."""

    inside: int
    by: str


class Place(Struct, frozen=True):
    """A place that people enter and leave by counted doors."""

    id: str
    """Digits; never changes."""
    name: str
    doors: tuple[str, ...]
    """Ids of cameras. Each is a door of one place at most."""
    full_at: int | None = None
    """So many inside are too many; None: no number is."""
    free_at: int | None = None
    """A place that was full is free again with so few inside: less than `full_at`."""
    is_full: bool = False
    """Whether the last event said so."""
    untold_turns: int = 0
    """So often it has got full, or free, since then, without an event."""
    told_at_ms: tuple[int, ...] = ()
    """When the last two events said so; each of a kind of its own."""
    corrections: tuple[Correction, ...] = ()
    """Of the last days, the newest last."""
    version: int = 1
    """Grows with each change of its name, doors and limits."""


def turn_place(place: Place, now_ms: int, *, is_full: bool, held_ms: int) -> tuple[Place, int]:
    """Return a place as it becomes full, or free, and the number of turns for an event to report; 0
    if none is to be sent.

    Of each kind one is sent a minute, the counts' own grain: a stolen key of a door could have
    hooks wait for 20 a second. What was not told is told by a later report. So of full, free, full,
    free, full in one minute the first two are told, and the next report tells the last, for three.

    `held_ms`: so long after an event the next one of its kind waits; 0: a person says so.
    """
    was_full = place.is_full is not (place.untold_turns % 2 == 1)
    turns = place.untold_turns + (is_full is not was_full)
    same_kind_at_ms = place.told_at_ms[0] if len(place.told_at_ms) == 2 else 0
    is_held = 0 <= now_ms - same_kind_at_ms < held_ms  # a clock may have been ahead
    if is_full is place.is_full or is_held:
        return replace(place, untold_turns=turns), 0
    told_at_ms = (*place.told_at_ms[-1:], now_ms)
    return replace(place, is_full=is_full, untold_turns=0, told_at_ms=told_at_ms), turns


class DoorChange(NamedTuple):
    """A camera's change of place. `at_ms`: the first minute that it counts there."""

    camera: str
    at_ms: int
    place: str
    """The place's id, which may be deleted; "": it is a door of none from then on."""


class Arrangement(Struct, frozen=True):
    """All places of a tenant, and how their doors changed in the last weeks."""

    places: tuple[Place, ...] = ()
    door_changes: tuple[DoorChange, ...] = ()
    """Those of a camera in the order of their times. A camera without one has always counted for
    the place that it belongs to."""
