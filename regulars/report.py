"""`regulars report`: a week of visits on half a page, printed, as CSV, or sent by mail."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import click
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.words.model import Tenant
from chalicelib.services import Services
from regulars.mail import MailSettings, header_text, send_mail
from regulars.options import read_configuration, tenant_of, with_services

if TYPE_CHECKING:
    from chalicelib.book.statistics.statistics import Question
    from chalicelib.book.words.local_time import Span

_DAYS, _WIDEST_BAR = 7, 40
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_COLUMNS = ("visits", "people", "new", "returning", "known")


class Figures(NamedTuple):
    """Visits of a time without staff (book/statistics/visitors). Each visit is new, returning or known."""

    visits: int
    people: int
    new: int
    returning: int
    known: int


class Week(Struct, frozen=True):
    """Visits of seven days of a tenant's time zone, from a Monday on. `busiest`: an hour and its visits.

    `days`: each day with its figures; `total`: those of the week, in which each person counts once; `staff`: how many
    more visits were staff's.
    """

    days: tuple[tuple[date, Figures], ...]
    total: Figures
    before: Figures
    busiest: tuple[datetime, int] | None
    staff: int


def count_week(services: Services, tenant: Tenant, monday: date) -> Week:
    """Count the week that begins on this Monday."""
    from chalicelib.book.statistics.statistics import Question
    from chalicelib.book.words.local_time import Granularity
    from chalicelib.book.words.observations import EVERYTHING, Measure

    statistics, zone = services.statistics, ZoneInfo(tenant.time_zone)
    visitors = statistics.visitors.staff(tenant).leave_out(EVERYTHING)
    arrivals = Question(_span_of_week(zone, monday), Granularity.HOUR, Measure.ARRIVALS, wanted=visitors)
    hours = statistics.list_buckets(tenant, arrivals)
    busiest = max(((sum(one.amounts.values()), one.time) for one in hours), key=lambda pair: pair[0], default=None)
    by_day = _count_by_kind(services, tenant, replace(arrivals, granularity=Granularity.DAY))
    by_week = replace(arrivals, granularity=Granularity.WEEK)
    before = monday - timedelta(_DAYS)
    earlier = _count_by_kind(services, tenant, replace(by_week, span=_span_of_week(zone, before)))
    days = [monday + timedelta(number) for number in range(_DAYS)]
    return Week(
        days=tuple((day, by_day.get(f"{day:%Y%m%d}", _NOTHING)) for day in days),
        total=_count_by_kind(services, tenant, by_week).get(f"{monday:%Y%m%d}", _NOTHING),
        before=earlier.get(f"{before:%Y%m%d}", _NOTHING),
        busiest=busiest and (datetime.strptime(busiest[1], "%Y%m%d%H").replace(tzinfo=zone), busiest[0]),
        staff=statistics.count_staff(tenant, arrivals),
    )


def _span_of_week(zone: ZoneInfo, monday: date) -> Span:
    from chalicelib.book.words.local_time import Span
    from chalicelib.book.words.values import milliseconds

    first, end = (datetime.combine(monday + timedelta(days), time(), zone) for days in (0, _DAYS))
    return Span(milliseconds(first), milliseconds(end) - 1)


_NOTHING = Figures(0, 0, 0, 0, 0)


def _count_by_kind(services: Services, tenant: Tenant, arrivals: Question) -> Mapping[str, Figures]:
    """Return the figures of each bucket that has any, by its time."""
    from chalicelib.book.words.observations import Measure, ObservationKind, Split

    of_persons = replace(arrivals.wanted, kind=ObservationKind.SIGHTING)
    persons = services.statistics.list_buckets(tenant, replace(arrivals, measure=Measure.PERSONS, wanted=of_persons))
    people = {one.time: sum(one.amounts.values()) for one in persons}
    found = {}
    for one in services.statistics.list_buckets(tenant, replace(arrivals, split=Split.VISIT)):
        kinds = [one.amounts.get(name, 0) for name in _COLUMNS[2:]]
        found[one.time] = Figures(sum(one.amounts.values()), people.get(one.time, 0), *kinds)
    return found


def describe_week(week: Week) -> str:
    """Describe the week in a sentence: how many came, how many were new, and the change from the week before."""
    now, before = week.total.visits, week.before.visits
    if not now:
        return "Nobody came."
    came = f"{_count(now, 'visit', 'visits')} by {_count(week.total.people, 'person', 'people')}"
    new = f"{week.total.new:,} for the first time"
    if not before:
        return f"{came}, {new}; nobody came the week before."
    change = f"{abs(round(100 * (now / before - 1)))} % {'more' if now > before else 'fewer'} than the week before"
    return f"{came}, {new}; {change if now != before else 'as many as the week before'}."


def _count(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


def format_text(week: Week, tenant: Tenant) -> str:
    """Write the week as lines: a sentence, a table with a bar for each day, and the busiest hour."""
    first, last = week.days[0][0], week.days[-1][0]
    heading = f"{'':14}" + "".join(f"{name:>10}" for name in _COLUMNS)
    rows = [*((f"{day:%a %d %b}", one) for day, one in week.days), ("week", week.total), ("week before", week.before)]
    most_visits = max(one.visits for _, one in week.days)
    lines = [f"{name:<14}" + "".join(f"{amount:>10,}" for amount in amounts) for name, amounts in rows]
    bars = ["#" * round(_WIDEST_BAR * one.visits / most_visits) if most_visits else "" for _, one in week.days]
    table = [f"{line}  {bar}".rstrip() for line, bar in zip(lines, [*bars, "", ""], strict=True)]
    notes = []
    if week.busiest:
        hour, visits = week.busiest
        notes.append(f"busiest hour: {hour:%A, %d %B, %H:00}, {_count(visits, 'visit', 'visits')}")
    if week.staff:
        notes.append(f"without {_count(week.staff, 'visit', 'visits')} of staff")
    title = f"{tenant.shown_name}: {first:%d %B} to {last:%d %B %Y}, {tenant.time_zone}"
    return "\n".join([title, "", describe_week(week), "", heading, *table, *(["", *notes] if notes else []), ""])


def format_csv(week: Week) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([("day", *_COLUMNS), *((day, *one) for day, one in week.days)])
    return out.getvalue()


def compose_mail(week: Week, tenant: Tenant, sender: str, to: str) -> EmailMessage:
    """Write the mail: the text, and the table as a CSV file beside it."""
    made, first = EmailMessage(), week.days[0][0]
    subject = f"Visits of {tenant.shown_name}, {first:%d %B} to {week.days[-1][0]:%d %B %Y}"
    made["Subject"] = header_text(subject)
    made["From"], made["To"] = sender, to
    made.set_content(format_text(week, tenant))
    made.add_attachment(format_csv(week), subtype="csv", filename=f"visits-{first}.csv")
    return made


@click.command(short_help="Print a week of visits, or mail it.")
@with_services
@click.option("--tenant", metavar="NAME", help="Whose visits.  [default: the only one]")
@click.option("--week", "day", type=click.DateTime(["%Y-%m-%d"]), help="A day of it.  [default: of last week]")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets.")
@click.option("--to", metavar="ADDRESS", help="Mail it there, by the server that `smtp_host` names.")
def report(services: Services, *, tenant: str | None, day: datetime | None, as_csv: bool, to: str | None) -> None:
    """Print the visits of a week by day, without staff: new people, returning strangers, known ones; or mail them.

    \b
    Examples:
      regulars report
      regulars report --week 2026-11-16 --csv > week.csv
      regulars report --to boss@shop.example       smtp_host and others are settings: `regulars config`
    """
    addresses = [one for _, one in getaddresses([to or ""])]
    if to is not None and not (to.isprintable() and addresses and all(map(_ADDRESS.fullmatch, addresses))):
        raise click.UsageError(f"--to is an address such as boss@shop.example, not {to[:60]!r}")
    mail = read_configuration().mail if to else MailSettings()
    if to and mail.smtp_host is None:
        raise click.UsageError("--to needs the setting smtp_host, in regulars.toml or as REGULARS_SMTP_HOST")
    sender = mail.sender
    if to and sender is None:
        raise click.UsageError("--to needs the setting smtp_from, the address that reports are sent from")
    one = tenant_of(services, tenant)
    today = datetime.now(UTC).astimezone(ZoneInfo(one.time_zone)).date()
    within = day.date() if day else today - timedelta(_DAYS)
    if not 1970 < within.year < 9999:
        raise click.UsageError(f"--week is a day of the years 1971 to 9998, not {within}")
    week = count_week(services, one, within - timedelta(within.weekday()))
    if to and sender:
        send_mail(compose_mail(week, one, sender, to), mail)
        print(f"sent to {to}", file=sys.stderr)
    else:
        print(format_csv(week) if as_csv else format_text(week, one), end="")
