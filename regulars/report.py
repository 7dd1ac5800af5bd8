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
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click
from msgspec import Struct

from chalicelib.book.words.model import Tenant
from chalicelib.services import Services
from regulars.mail import MailSettings, send
from regulars.options import read_configuration, tenant_of, with_services

_DAYS, _WIDEST_BAR = 7, 40
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_COLUMNS = ("visits", "new", "returning", "regular")


class Day(NamedTuple):
    """Visits of a day. `regular`: visits of regulars; each visit is new, returning or regular."""

    day: date
    visits: int
    new: int
    returning: int
    regular: int


class Week(Struct, frozen=True):
    """Visits of seven days of a tenant's time zone, from a Monday on. `busiest`: an hour and its visits."""

    days: tuple[Day, ...]
    busiest: tuple[datetime, int] | None

    @property
    def total(self) -> tuple[int, ...]:
        return tuple(sum(column) for column in list(zip(*self.days, strict=True))[1:])


def week_of(services: Services, tenant: Tenant, monday: date) -> Week:
    """Count the week that begins on this Monday."""
    from chalicelib.book.statistics.statistics import Question
    from chalicelib.book.words.local_time import Granularity, Span
    from chalicelib.book.words.observations import Measure, Split
    from chalicelib.book.words.values import milliseconds

    zone = ZoneInfo(tenant.time_zone)
    first, end = (datetime.combine(monday + timedelta(days), time(), zone) for days in (0, _DAYS))
    span = Span(milliseconds(first), milliseconds(end) - 1)
    by_day = Question(span, Granularity.DAY, Measure.ARRIVALS, Split.VISIT)
    counted = {one.time: one.amounts for one in services.statistics.amounts(tenant, by_day)}
    days = tuple(_day(monday + timedelta(number), counted) for number in range(_DAYS))
    hours = services.statistics.amounts(tenant, Question(span, Granularity.HOUR, Measure.ARRIVALS))
    most = max(((sum(one.amounts.values()), one.time) for one in hours), key=lambda pair: pair[0], default=None)
    return Week(days, most and (datetime.strptime(most[1], "%Y%m%d%H").replace(tzinfo=zone), most[0]))


def _day(day: date, counted: Mapping[str, Mapping[str, int]]) -> Day:
    amounts = counted.get(f"{day:%Y%m%d}", {})
    kinds = [amounts.get(name, 0) for name in _COLUMNS[1:]]
    return Day(day, sum(amounts.values()), *kinds)


def text_of(week: Week, tenant: Tenant) -> str:
    """Write the week as lines: a table with a bar for each day, and the busiest hour."""
    first, last = week.days[0].day, week.days[-1].day
    head = f"{'':14}" + "".join(f"{name:>10}" for name in _COLUMNS)
    rows = [(f"{day:%a %d %b}", amounts) for day, *amounts in week.days] + [("week", [*week.total])]
    most = max(day.visits for day in week.days)
    lines = [f"{name:<14}" + "".join(f"{amount:>10,}" for amount in amounts) for name, amounts in rows]
    bars = ["#" * round(_WIDEST_BAR * day.visits / most) if most else "" for day in week.days]
    table = [f"{line}  {bar}".rstrip() for line, bar in zip(lines, [*bars, ""], strict=True)]
    busiest = "nobody came"
    if week.busiest:
        hour, visits = week.busiest
        busiest = f"busiest hour: {hour:%A, %d %B, %H:00}, {visits:,} {'visit' if visits == 1 else 'visits'}"
    title = f"{tenant.shown_name}: {first:%d %B} to {last:%d %B %Y}, {tenant.time_zone}"
    return "\n".join([title, "", head, *table, "", busiest, ""])


def csv_of(week: Week) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([("day", *_COLUMNS), *week.days])
    return out.getvalue()


def letter(week: Week, tenant: Tenant, sender: str, to: str) -> EmailMessage:
    """Write the mail: the text, and the table as a CSV file beside it."""
    made, first = EmailMessage(), week.days[0].day
    made["Subject"] = f"Visits of {tenant.shown_name}, {first:%d %B} to {week.days[-1].day:%d %B %Y}"
    made["From"], made["To"] = sender, to
    made.set_content(text_of(week, tenant))
    made.add_attachment(csv_of(week), subtype="csv", filename=f"visits-{first}.csv")
    return made


@click.command(short_help="Print a week of visits, or mail it.")
@with_services
@click.option("--tenant", metavar="NAME", help="Whose visits.  [default: the only one]")
@click.option("--week", "day", type=click.DateTime(["%Y-%m-%d"]), help="A day of it.  [default: of last week]")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets.")
@click.option("--to", metavar="ADDRESS", help="Mail it there, by the server that `smtp_host` names.")
def report(services: Services, *, tenant: str | None, day: datetime | None, as_csv: bool, to: str | None) -> None:
    """Print the visits of a week by day: new people, returning ones, regulars, and the busiest hour; or mail them.

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
    sender = mail.smtp_from or mail.smtp_user
    if to and sender is None:
        raise click.UsageError("--to needs the setting smtp_from, the address that reports are sent from")
    one = tenant_of(services, tenant)
    today = datetime.now(UTC).astimezone(ZoneInfo(one.time_zone)).date()
    within = day.date() if day else today - timedelta(_DAYS)
    if not 1970 < within.year < 9999:
        raise click.UsageError(f"--week is a day of the years 1971 to 9998, not {within}")
    week = week_of(services, one, within - timedelta(within.weekday()))
    if to and sender:
        send(letter(week, one, sender, to), mail)
        print(f"sent to {to}", file=sys.stderr)
    else:
        print(csv_of(week) if as_csv else text_of(week, one), end="")
