"""How did the last week go, and who is told of it?

The console's week on paper, `regulars report` and the message of each Monday have the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import Tenant
from chalicelib.domain.texts import Texts
from chalicelib.domain.webhooks import Event, EventKind
from chalicelib.service import Service
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.statistics.statistics import Question
    from chalicelib.domain.counts import Entries
    from chalicelib.domain.local_time import Span

DAYS = 7
"""Days that a report is about."""
_KINDS = ("new", "returning", "known")
_SENT_AT = time(7)
"""On Monday, in the tenant's time zone."""


class Figures(NamedTuple):
    """Visits of a time without staff (book/statistics/visitors).

    Each visit is new, returning or known.
    """

    visits: int
    people: int
    new: int
    returning: int
    known: int


_NOTHING = Figures(0, 0, 0, 0, 0)


class Week(Struct, frozen=True):
    """Visits of seven days of a tenant's time zone, from a Monday on.

    `busiest`: an hour and its visits.

    `days`: each day with its figures; `total`: those of the week, in which each person counts once;
    `staff`: how many more visits were staff's. `entries`: who came in by the counts of cameras,
    without staff; None: no camera counted.
    """

    days: tuple[tuple[date, Figures], ...]
    total: Figures
    before: Figures
    busiest: tuple[datetime, int] | None
    staff: int
    entries: Entries | None = None


class Weeks(Service["Book"]):
    def count_week(self, tenant: Tenant, monday: date) -> Week:
        """Count the visits of the week that begins on this Monday."""
        from chalicelib.book.statistics.statistics import Question
        from chalicelib.domain.local_time import Granularity
        from chalicelib.domain.observations import EVERYTHING, Measure

        statistics, zone = self.services.statistics, ZoneInfo(tenant.time_zone)
        visitors = statistics.visitors.read_staff(tenant).leave_out(EVERYTHING)
        arrivals = Question(
            _span_of_week(zone, monday), Granularity.HOUR, Measure.ARRIVALS, wanted=visitors
        )
        hour_buckets = statistics.list_buckets(tenant, arrivals)
        busiest = max(
            ((sum(bucket.amounts.values()), bucket.time) for bucket in hour_buckets),
            key=lambda pair: pair[0],
            default=None,
        )
        counts_by_day = self._count_by_kind(tenant, replace(arrivals, granularity=Granularity.DAY))
        by_week = replace(arrivals, granularity=Granularity.WEEK)
        monday_before = monday - timedelta(DAYS)
        counts_before = self._count_by_kind(
            tenant, replace(by_week, span=_span_of_week(zone, monday_before))
        )
        days = [monday + timedelta(number) for number in range(DAYS)]
        return Week(
            days=tuple((day, counts_by_day.get(f"{day:%Y%m%d}", _NOTHING)) for day in days),
            total=self._count_by_kind(tenant, by_week).get(f"{monday:%Y%m%d}", _NOTHING),
            before=counts_before.get(f"{monday_before:%Y%m%d}", _NOTHING),
            busiest=busiest
            and (datetime.strptime(busiest[1], "%Y%m%d%H").replace(tzinfo=zone), busiest[0]),
            staff=statistics.count_staff(tenant, arrivals),
            entries=self.services.counts.count_entries(tenant, arrivals.span, Granularity.WEEK).get(
                f"{monday:%Y%m%d}"
            ),
        )

    def tell_last(self, tenant: Tenant, now: datetime) -> bool:
        """Send hooks the report of last week once, from Monday morning on.

        Return whether it was sent now.

        A hook that is made later in the week gets it within the hour if no hook has got it yet.
        """
        local_now = now.astimezone(ZoneInfo(tenant.time_zone))
        this_monday = local_now.date() - timedelta(local_now.weekday())
        if local_now < datetime.combine(this_monday, _SENT_AT, local_now.tzinfo):
            return False
        monday = this_monday - timedelta(DAYS)
        outbox = self.services.webhooks.outbox
        last_reported_week = outbox.read_last_position(tenant.name, EventKind.WEEK_ENDED)
        week_to_tell = f"{monday}"
        if last_reported_week is not None and last_reported_week >= week_to_tell:
            return False
        return outbox.send_event_once(
            tenant.name,
            week_to_tell,
            last_reported_week,
            _make_event(self.count_week(tenant, monday), tenant, now),
        )

    def _count_by_kind(self, tenant: Tenant, arrivals: Question) -> Mapping[str, Figures]:
        """Return the figures of each bucket that has any, by its time."""
        from chalicelib.domain.observations import Measure, Split

        persons = self.services.statistics.list_buckets(
            tenant, replace(arrivals, measure=Measure.PERSONS)
        )
        people = {bucket.time: sum(bucket.amounts.values()) for bucket in persons}
        figures = {}
        for bucket in self.services.statistics.list_buckets(
            tenant, replace(arrivals, split=Split.VISIT)
        ):
            kinds = [bucket.amounts.get(name, 0) for name in _KINDS]
            figures[bucket.time] = Figures(
                sum(bucket.amounts.values()), people.get(bucket.time, 0), *kinds
            )
        return figures


def _span_of_week(zone: ZoneInfo, monday: date) -> Span:
    from chalicelib.domain.local_time import Span

    first, end = (datetime.combine(monday + timedelta(days), time(), zone) for days in (0, DAYS))
    return Span(milliseconds(first), milliseconds(end) - 1)


def _make_event(week: Week, tenant: Tenant, now: datetime) -> Event:
    first = week.days[0][0]
    data: dict[str, Any] = {
        "first": f"{first}",
        **week.total._asdict(),
        "before": week.before.visits,
        "report": format_message(week, tenant),
    }
    return Event(f"{EventKind.WEEK_ENDED}-{first}", EventKind.WEEK_ENDED, now, data=data)


def describe_week(week: Week, texts: Texts) -> str:
    """Say the week in a sentence."""
    now, before = week.total.visits, week.before.visits
    if not now:
        return texts.write("week.nobody")
    name = (
        "alone" if not before else "more" if now > before else "fewer" if now < before else "same"
    )
    return texts.write(
        f"week.{name}",
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
    """Say what else there is to say: how many came in and were known, if cameras counted; the
    busiest hour, and what staff is left out."""
    notes = []
    if entries := week.entries:
        count, known = entries.entries, entries.known
        percent = round(100 * known / max(count, 1))
        notes.append(texts.write("week.entries", count=count, known=known, percent=percent))
    if week.busiest:
        hour, visits = week.busiest
        hour_text = texts.write_day("date.hour", hour)
        visits_text = texts.write("visits", count=visits)
        notes.append(texts.write("week.busiest", hour=hour_text, visits=visits_text))
    if week.staff:
        notes.append(texts.write("week.staff", count=week.staff))
    return notes


def format_message(week: Week, tenant: Tenant) -> str:
    """Write the week in a few lines, which a phone shows, in the tenant's language."""
    texts = Texts(tenant.language)
    days = ", ".join(
        f"{texts.write_day('date.weekday', day)} {texts.write_number(figures.visits)}"
        for day, figures in week.days
    )
    title, sentence = format_title(week, tenant, texts), describe_week(week, texts)
    return "\n".join([title, sentence, days, *format_notes(week, texts)])
