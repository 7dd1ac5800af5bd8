"""The figures of the last week, and the people who get them as a message.

The console's printed week, `regulars report` and each week's message have the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.events import EventKind, WeekEnded
from chalicelib.domain.local_time import Granularity, begin_of_week
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import ObservationFilter, VisitKind
from chalicelib.domain.periods import Period, span_of_days
from chalicelib.domain.texts import Texts
from chalicelib.domain.webhooks import Event
from chalicelib.service import Service

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.book.statistics.arrivals import Begun
    from chalicelib.book.statistics.closed import ClosedFigures
    from chalicelib.domain.counts import Doubts, Entries

DAYS = 7
"""Days that a report is about."""
_LEAST_DAYS = 4
"""Days of a message at least, if weeks begin on another day than before."""
_KINDS = (VisitKind.NEW, VisitKind.RETURNING, VisitKind.KNOWN)
_SENT_AT = time(7)
"""On the first day of the next week, in the tenant's time zone."""


class Figures(NamedTuple):
    """Visits of a time without staff (book/statistics/visitors).

    Each visit is new, returning or known.
    """

    visits: int
    people: int
    new: int
    returning: int
    known: int


class Week(Struct, frozen=True):
    """Visits of days of a tenant's time zone that follow each other: a week, a month, or one day.

    `busiest`: an hour and its visits; `by`: what it is. `closed`, `closed_before`: the figures of
    the week and of the one before when these were closed; None: they were not, or nobody asked.

    `days`: each day with its figures; `total`: those of the time, in which each person counts once;
    `before`: those of as many days before, None of what is closed; `staff`: how many more visits
    were of staff. `entries`: who came in by the counts of cameras, without staff; None: no camera
    counted.
    """

    days: tuple[tuple[date, Figures], ...]
    total: Figures
    before: Figures | None
    busiest: tuple[datetime, int] | None
    staff: int
    entries: Entries | None = None
    by: Granularity = Granularity.WEEK
    closed: ClosedFigures | None = None
    closed_before: ClosedFigures | None = None

    @property
    def amounts(self) -> dict[str, int]:
        """Its figures by name, with the entries that cameras counted."""
        return {**self.total._asdict(), "entries": self.entries.entries if self.entries else 0}


class Weeks(Service["Book"]):
    def count_week(self, tenant: Tenant, first: date, days: int = DAYS) -> Week:
        """Count the visits of a week that starts on this day, and of the one before, with current
        data, beside the figures from when these were closed."""
        visitors, zone = self._choose_visitors(tenant), ZoneInfo(tenant.time_zone)
        first_before = first - timedelta(days)
        span_before = span_of_days(zone, first_before, days)
        begun = self.services.statistics.arrivals.read_begun(tenant, span_before, finds_first=True)
        before = _count_figures(begun, begun.select_rows(visitors), visitors)
        both = span_of_days(zone, first_before, 2 * days)
        closed = self.services.statistics.closed.list_figures(tenant, Granularity.WEEK, both)
        week, week_before = (Period(Granularity.WEEK, day) for day in (first, first_before))
        return replace(
            self.count_days(tenant, first, days, visitors),
            before=before,
            closed=closed.get(week) if days == DAYS else None,
            closed_before=closed.get(week_before) if days == DAYS else None,
        )

    def _choose_visitors(self, tenant: Tenant) -> ObservationFilter:
        from chalicelib.domain.observations import EVERYTHING

        return self.services.statistics.visitors.read_staff(tenant).leave_out(EVERYTHING)

    def count_days(
        self, tenant: Tenant, first: date, days: int, visitors: ObservationFilter | None = None
    ) -> Week:
        """Count the visits of this many days with current data, without a comparison to those
        before.

        `visitors`: whose visits count; None: all but staff's.
        """
        from chalicelib.domain.counts import sum_entries
        from chalicelib.domain.observations import EVERYTHING

        zone = ZoneInfo(tenant.time_zone)
        visitors = visitors or self._choose_visitors(tenant)
        span = span_of_days(zone, first, days)
        begun = self.services.statistics.arrivals.read_begun(tenant, span, finds_first=True)
        rows = begun.select_rows(visitors)
        entries = self.services.counts.count_entries(tenant, span, Granularity.DAY)
        dates = [first + timedelta(number) for number in range(days)]
        return Week(
            days=_count_days(begun, rows, visitors, dates),
            total=_count_figures(begun, rows, visitors),
            before=None,
            busiest=_find_busiest(begun, rows, zone),
            staff=len(begun.select_rows(EVERYTHING)) - len(rows),
            entries=sum_entries(entries.values()),
        )

    def tell_last(self, tenant: Tenant, now: datetime) -> bool:
        """Send hooks the report of last week once, from the morning behind it on.

        Return whether it was sent now.

        A hook that is made later in the week gets it within the hour if no hook has got it yet.
        """
        local_now = now.astimezone(ZoneInfo(tenant.time_zone))
        this_week = begin_of_week(local_now.date(), tenant.first_weekday)
        if local_now < datetime.combine(this_week, _SENT_AT, local_now.tzinfo):
            return False
        outbox = self.services.webhooks.outbox
        # the first day of a whole week that ended with the days that were told
        position = outbox.read_last_position(tenant.name, EventKind.WEEK_ENDED)
        told_until = None if position is None else date.fromisoformat(position) + timedelta(DAYS)
        days = count_untold_days(this_week, told_until)
        if not days:
            return False
        week = self.count_week(tenant, this_week - timedelta(days), days)
        return outbox.send_event_once(
            tenant.name,
            f"{this_week - timedelta(DAYS)}",
            position,
            _make_event(week, now, self._format_report(week, tenant, now)),
        )

    def _format_report(self, week: Week, tenant: Tenant, now: datetime) -> str:
        """Write the week for a message, with the cameras that need somebody now."""
        needs = self.services.cameras.describe_needs(tenant, now, Texts(tenant.language))
        return "\n".join([format_message(week, tenant), *needs])


def _count_figures(begun: Begun, rows: NDArray[np.intp], visitors: ObservationFilter) -> Figures:
    kinds = begun.count_kinds(rows, begun.mark_firsts(rows))
    people = begun.count_faces(rows, visitors)
    return Figures(len(rows), people, *(kinds[kind] for kind in _KINDS))


def _count_days(
    begun: Begun, rows: NDArray[np.intp], visitors: ObservationFilter, days: Sequence[date]
) -> tuple[tuple[date, Figures], ...]:
    from chalicelib.domain.local_time import day_number
    from chalicelib.domain.observations import Split

    people = begun.count_people(rows, visitors, Granularity.DAY, None)
    visits = begun.count(rows, Granularity.DAY, Split.VISIT)
    counted = []
    for day in days:
        number = day_number(f"{day:%Y%m%d}")
        kinds = [visits[number, kind] for kind in _KINDS]
        counted.append((day, Figures(sum(kinds), people[number, ""], *kinds)))
    return tuple(counted)


def _find_busiest(
    begun: Begun, rows: NDArray[np.intp], zone: ZoneInfo
) -> tuple[datetime, int] | None:
    """Return the hour with most visits, the earliest of several, and how many they are."""
    from chalicelib.domain.local_time import time_key

    visits = begun.count(rows, Granularity.HOUR, None)
    if not visits:
        return None
    (hour, _), most = max(visits.items(), key=lambda one: (one[1], -one[0][0]))
    time_text = time_key(Granularity.HOUR, hour)
    return datetime.strptime(time_text, "%Y%m%d%H").replace(tzinfo=zone), most


def count_untold_days(this_week: date, told_until: date | None) -> int:
    """Return the number of days before this week that a message reports; 0 if it waits.

    So no day is told twice or left out if weeks begin on another day than before. `told_until`: the
    day behind the last one that was told; None: nothing was.

    `from Monday to Sunday, in the middle of a week`: the next message is of six days. `from Sunday
    to Monday`: the next message is of eight days, since one of a day would come in the same week.
    `a message was missed`: the next one is of a whole week, as ever.
    """
    untold = DAYS if told_until is None else (this_week - told_until).days
    if untold < _LEAST_DAYS:
        return 0
    return untold if untold < DAYS + _LEAST_DAYS else DAYS


def _make_event(week: Week, now: datetime, report: str) -> Event:
    first, last = week.days[0][0], week.days[-1][0]
    data = WeekEnded(
        first=f"{first}",
        last=f"{last}",
        **week.total._asdict(),
        before=week.before.visits if week.before else 0,
        report=report,
    )
    return Event(f"{data.KIND}-{first}", data, now)


def describe_week(week: Week, texts: Texts) -> str:
    """Return the visits of a week or a longer period in a sentence."""
    if not week.total.visits:
        return texts.write("week.nobody")
    now, before = week.total.visits, week.before.visits if week.before else 0
    name = (
        "alone" if not before else "more" if now > before else "fewer" if now < before else "same"
    )
    return texts.write(
        f"week.{name}" if week.before else "month.visits",
        visits=texts.write("visits", count=now),
        people=texts.write("people", count=week.total.people),
        new=week.total.new,
        percent=abs(round(100 * (now / before - 1))) if before else 0,
    )


def format_title(week: Week, tenant: Tenant, texts: Texts) -> str:
    first, last = week.days[0][0], week.days[-1][0]
    return texts.write(
        "week.title",
        shop=tenant.shown_name,
        first=texts.write_day("date.first", first),
        last=texts.write_day("date.last", last),
    )


def format_notes(week: Week, texts: Texts) -> list[str]:
    """Return further notes: changes since the week was closed; entries and the known among them, if
    cameras counted; the busiest hour, and the staff left out."""
    notes = format_changes(week, texts)
    if entries := week.entries:
        count, known = entries.entries, entries.known
        percent = round(100 * known / max(count, 1))
        note = texts.write("week.entries", count=count, known=known, percent=percent)
        notes.append(_add_share(note, entries, texts))
    if week.busiest:
        hour, visits = week.busiest
        hour_text = texts.write_day("date.hour", hour)
        visits_text = texts.write("visits", count=visits)
        notes.append(texts.write("week.busiest", hour=hour_text, visits=visits_text))
    if week.staff:
        notes.append(texts.write("week.staff", count=week.staff))
    return notes


def _add_share(note: str, entries: Entries, texts: Texts) -> str:
    """Say of a count in how many minutes it was made, unless it was in the whole time.

    What was closed does not say how long the time was: of that the minutes are said alone.
    """
    minutes, of = entries.watched_s // 60, entries.open_s // 60
    if not of:
        return texts.write("week.watched.closed", entries=note, minutes=minutes)
    if entries.is_whole:
        return note
    share = note + texts.write("watched", minutes=minutes, of=of)
    return " · ".join([share, *list_doubts(entries.doubts, texts)])


def list_doubts(doubts: Doubts, texts: Texts) -> list[str]:
    """Return the reasons why minutes have no numbers, the most frequent first, and the certain
    entries in them."""
    said = [
        texts.write(f"week.watched.{why}", count=minutes)
        for why, minutes in sorted(doubts.minutes.items(), key=lambda one: -one[1])
    ]
    sure = [texts.write("week.watched.sure", count=doubts.entries)] if doubts.entries else []
    return [*said, *sure]


def format_changes(week: Week, texts: Texts) -> list[str]:
    """Return the changes since this week and the one before were closed, as a line, or none."""
    return [
        *_list_changes("week.since", week.amounts, week.closed, texts),
        *_list_changes(
            "week.since.before",
            week.before._asdict() if week.before else {},
            week.closed_before,
            texts,
        ),
    ]


def _list_changes(
    name: str, now: Mapping[str, int], closed: ClosedFigures | None, texts: Texts
) -> list[str]:
    """Say which figures were others when a week was closed, and what they were, if any was."""
    if closed is None or not now:
        return []
    if not closed.is_kept:
        return [texts.write(f"{name}.gone", visits=texts.write("visits", count=closed.visits))]
    was = {figure: getattr(closed, figure) or 0 for figure in now}
    changes = [
        texts.write("was.now", figure=texts.write(f"column.{figure}"), was=was[figure], now=after)
        for figure, after in now.items()
        if was[figure] != after
    ]
    return [texts.write(name, changes="; ".join(changes))] if changes else []


def ask_of_restore(tenant: Tenant) -> list[str]:
    """Return a request to the recipients of the week to check the data after a restore; nothing if
    there was none."""
    if not tenant.restore_gap:
        return []
    since, _, until = tenant.restore_gap.partition("/")
    texts = Texts(tenant.language)
    return [texts.write("restore.gap", since=since[:16], until=until[:16])]


def format_message(week: Week, tenant: Tenant) -> str:
    """Write the week in a few lines, which a phone shows, in the tenant's language."""
    texts = Texts(tenant.language)
    days = ", ".join(
        f"{texts.write_day('date.weekday', day)} {texts.write_number(figures.visits)}"
        for day, figures in week.days
    )
    title, sentence = format_title(week, tenant, texts), describe_week(week, texts)
    return "\n".join([title, sentence, days, *format_notes(week, texts), *ask_of_restore(tenant)])
