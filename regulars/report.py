"""`regulars report`: a week of visits on half a page, or a closed day, week or month, printed, as
CSV, or sent by mail."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from itertools import zip_longest
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

import click
from msgspec.structs import replace

from chalicelib.book.week import (
    DAYS,
    Figures,
    Week,
    ask_of_restore,
    describe_week,
    format_changes,
    format_notes,
    format_title,
)
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import Period
from chalicelib.domain.texts import LANGUAGES, Texts
from chalicelib.services import Services
from chalicelib.storage.values import write_rows
from regulars.mail import make_header_text, send_mail
from regulars.options import of_only_tenant, read_configuration

_WIDEST_BAR = 40
"""Characters of the longest bar."""
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_COLUMNS = Figures._fields
_ROWS = {Granularity.WEEK: "row.week", Granularity.MONTH: "row.month"}
"""Names of the row of all days; one day has none."""
_TITLE_WIDTH, _COLUMN_WIDTH = 14, 10
"""Widths of the table's columns, in characters of a terminal."""


def format_text(week: Week, tenant: Tenant) -> str:
    """Write the week as lines: a sentence, a table with a bar for each day, and the busiest
    hour."""
    texts = Texts(tenant.language)
    heading = " " * _TITLE_WIDTH + "".join(
        _pad(texts.write(f"column.{name}"), -_COLUMN_WIDTH) for name in _COLUMNS
    )
    row_name = _ROWS.get(week.by)
    figures_by_title = [
        *((texts.write_day("date.row", day), figures) for day, figures in week.days),
        *([(texts.write(row_name), week.total)] if row_name else []),
        *([(texts.write("row.before"), week.before)] if week.before else []),
    ]
    most_visits = max(figures.visits for _, figures in week.days)
    lines = [
        _pad(name, _TITLE_WIDTH)
        + "".join(_pad(texts.write_number(amount), -_COLUMN_WIDTH) for amount in amounts)
        for name, amounts in figures_by_title
    ]
    bars = [
        "#" * round(_WIDEST_BAR * figures.visits / most_visits) if most_visits else ""
        for _, figures in week.days
    ]
    table = [f"{line}  {bar}".rstrip() for line, bar in zip_longest(lines, bars, fillvalue="")]
    notes = format_notes(week, texts)
    title = texts.write(
        "report.title",
        shop=tenant.shown_name,
        first=texts.write_day("date.first", week.days[0][0]),
        last=texts.write_day("date.last", week.days[-1][0]),
        zone=tenant.time_zone,
    )
    sentence = describe_week(week, texts)
    return "\n".join(
        [title, "", sentence, "", heading, *table, *(["", *notes] if notes else []), ""]
    )


def _pad(text: str, width: int) -> str:
    """Fill a text with spaces behind it, or before it if `width` is negative; Chinese letters are
    two wide."""
    missing = " " * (
        abs(width) - sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    )
    return missing + text if width < 0 else text + missing


def format_csv(week: Week, tenant: Tenant) -> str:
    """Write the days as a table for spreadsheets: with semicolons if the tenant's language has a
    decimal comma."""
    out, texts = io.StringIO(), Texts(tenant.language)
    heading = [texts.write(f"column.{name}") for name in ("day", *_COLUMNS)]
    days = ((day, *figures) for day, figures in week.days)
    write_rows([heading, *days], out, texts.separator)
    return out.getvalue()


def compose_mail(week: Week, tenant: Tenant, sender: str, to: str) -> EmailMessage:
    """Write the mail: the text, and the table as a CSV file beside it."""
    letter, first_day = EmailMessage(), week.days[0][0]
    letter["Subject"] = make_header_text(format_title(week, tenant, Texts(tenant.language)))
    letter["From"], letter["To"] = sender, to
    letter.set_content("\n".join([*ask_of_restore(tenant), format_text(week, tenant)]))
    table = format_csv(week, tenant)
    letter.add_attachment(table, subtype="csv", filename=f"visits-{first_day}.csv")
    return letter


@click.command(short_help="Print or mail the visits of a week, day or month.")
@of_only_tenant
@click.option(
    "--week",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Week of this day.  [default: last week]",
)
@click.option("--closed", is_flag=True, help="Print the closed week, verified.")
@click.option(
    "--day",
    "closed_day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Print this closed day, verified.",
)
@click.option(
    "--month",
    type=click.DateTime(["%Y-%m"]),
    help="Print this closed month, verified.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of the report.  [default: the tenant's]",
)
@click.option(
    "--to", metavar="ADDRESS", help="Mail the report to this address through `smtp_host`."
)
def report(
    services: Services,
    tenant: Tenant,
    *,
    day: datetime | None,
    closed: bool,
    closed_day: datetime | None,
    month: datetime | None,
    as_csv: bool,
    language: str | None,
    to: str | None,
) -> None:
    """Print or mail the visits of a week by day, without staff: new people, returning unknown
    visitors and enrolled people. With --closed, --day or --month, use the signed closed figures.

    \b
    Examples:
      regulars report
      regulars report --week 2026-11-16 --csv > week.csv
      regulars report --month 2026-11          closed figures; later changes go to stderr
      regulars report --week 2026-11-16 --closed
      regulars report --language de
      regulars report --to boss@shop.example    smtp_host and others are settings: `regulars config`
    """
    send_to = None if to is None else _prepare_mail(to)
    period = _choose_period(tenant, day=closed_day, week=day, month=month)
    if closed and day and period.by == Granularity.WEEK:
        period = services.audit.periods.find_week(tenant, day.date())
    if closed or period.by != Granularity.WEEK:
        week, of_then = _read_closed(services, tenant, period)
    else:
        week, of_then = services.sightings.weeks.count_week(tenant, period.first), tenant
    chosen_tenant = replace(of_then, language=language or of_then.language)
    if send_to is not None:
        send_to(week, chosen_tenant)
        print(f"sent to {to}", file=sys.stderr)
    elif as_csv:
        print(format_csv(week, chosen_tenant), end="")
        for line in format_changes(week, Texts(chosen_tenant.language)):
            print(line, file=sys.stderr)
    else:
        print(format_text(week, chosen_tenant), end="")


def _choose_period(tenant: Tenant, **wanted: datetime | None) -> Period:
    """Return what is asked for by an option: `day`, `week` or `month`; none: last week.

    Raises UsageError if several are named, or for a day that calendars may not hold.
    """
    days = [(name, moment.date()) for name, moment in wanted.items() if moment]
    if len(days) > 1:
        names = " and ".join(f"--{name}" for name, _ in days)
        raise click.UsageError(f"{names} exclude each other")
    today = datetime.now(UTC).astimezone(ZoneInfo(tenant.time_zone)).date()
    [(name, day)] = days or [("week", today - timedelta(DAYS))]
    _require_year(f"--{name}", day)
    return Period.holding(Granularity(name), day, tenant.first_weekday)


def _require_year(option: str, day: date) -> None:
    """Raise UsageError for a day that calendars may not hold in each time zone."""
    if not 1970 < day.year < 9999:
        raise click.UsageError(f"{option} must be in the years 1971 to 9998, not {day}")


def _read_closed(services: Services, tenant: Tenant, period: Period) -> tuple[Week, Tenant]:
    """Read a closed period, and the tenant as it was called then; say on stderr what proves it, and
    what came since."""
    closed = services.audit.periods.read(tenant, period)
    for line in (closed.proof, *services.audit.periods.list_changes(closed)):
        print(line, file=sys.stderr)
    return closed.week, closed.tenant


def _prepare_mail(to: str) -> Callable[[Week, Tenant], None]:
    """Return what mails a week to an address.

    Raises UsageError if the address or a setting is wrong.
    """
    addresses = [address for _, address in getaddresses([to])]
    if not (to.isprintable() and addresses and all(map(_ADDRESS.fullmatch, addresses))):
        raise click.UsageError(
            f"--to must be an address such as boss@shop.example, not {to[:60]!r}"
        )
    mail = read_configuration().mail
    if mail.smtp_host is None:
        raise click.UsageError(
            "--to requires the setting smtp_host, in regulars.toml or as REGULARS_SMTP_HOST"
        )
    sender = mail.sender
    if sender is None:
        raise click.UsageError("--to requires the setting smtp_from, the sender's address")
    return lambda week, tenant: send_mail(compose_mail(week, tenant, sender, to), mail)
