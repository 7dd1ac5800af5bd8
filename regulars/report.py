"""`regulars report`: a week of visits on half a page, printed, as CSV, or sent by mail."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from zoneinfo import ZoneInfo

import click

from chalicelib.book.week import DAYS, Figures, Week, describe_week, format_notes, format_title
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from regulars.mail import make_header_text, send_mail
from regulars.options import choose_tenant, read_configuration, with_services

_WIDEST_BAR = 40
"""Characters of the longest bar."""
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_COLUMNS = Figures._fields


def format_text(week: Week, tenant: Tenant) -> str:
    """Write the week as lines: a sentence, a table with a bar for each day, and the busiest
    hour."""
    first, last = week.days[0][0], week.days[-1][0]
    heading = f"{'':14}" + "".join(f"{name:>10}" for name in _COLUMNS)
    figures_by_title = [
        *((f"{day:%a %d %b}", figures) for day, figures in week.days),
        ("week", week.total),
        ("week before", week.before),
    ]
    most_visits = max(figures.visits for _, figures in week.days)
    lines = [
        f"{name:<14}" + "".join(f"{amount:>10,}" for amount in amounts)
        for name, amounts in figures_by_title
    ]
    bars = [
        "#" * round(_WIDEST_BAR * figures.visits / most_visits) if most_visits else ""
        for _, figures in week.days
    ]
    table = [f"{line}  {bar}".rstrip() for line, bar in zip(lines, [*bars, "", ""], strict=True)]
    notes = format_notes(week)
    title = f"{tenant.shown_name}: {first:%d %B} to {last:%d %B %Y}, {tenant.time_zone}"
    return "\n".join(
        [title, "", describe_week(week), "", heading, *table, *(["", *notes] if notes else []), ""]
    )


def format_csv(week: Week) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(
        [("day", *_COLUMNS), *((day, *figures) for day, figures in week.days)]
    )
    return out.getvalue()


def compose_mail(week: Week, tenant: Tenant, sender: str, to: str) -> EmailMessage:
    """Write the mail: the text, and the table as a CSV file beside it."""
    letter, first_day = EmailMessage(), week.days[0][0]
    letter["Subject"] = make_header_text(format_title(week, tenant))
    letter["From"], letter["To"] = sender, to
    letter.set_content(format_text(week, tenant))
    letter.add_attachment(format_csv(week), subtype="csv", filename=f"visits-{first_day}.csv")
    return letter


@click.command(short_help="Print a week of visits, or mail it.")
@with_services
@click.option("--tenant", metavar="NAME", help="Whose visits.  [default: the only one]")
@click.option(
    "--week", "day", type=click.DateTime(["%Y-%m-%d"]), help="A day of it.  [default: of last week]"
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets.")
@click.option(
    "--to", metavar="ADDRESS", help="Mail it there, by the server that `smtp_host` names."
)
def report(
    services: Services, *, tenant: str | None, day: datetime | None, as_csv: bool, to: str | None
) -> None:
    """Print the visits of a week by day, without staff: new people, returning strangers, known
    ones; or mail them.

    \b
    Examples:
      regulars report
      regulars report --week 2026-11-16 --csv > week.csv
      regulars report --to boss@shop.example    smtp_host and others are settings: `regulars config`
    """
    send_to = None if to is None else _prepare_mail(to)
    chosen_tenant = choose_tenant(services, tenant)
    today = datetime.now(UTC).astimezone(ZoneInfo(chosen_tenant.time_zone)).date()
    week_day = day.date() if day else today - timedelta(DAYS)
    if not 1970 < week_day.year < 9999:
        raise click.UsageError(f"--week is a day of the years 1971 to 9998, not {week_day}")
    week = services.sightings.weeks.count_week(
        chosen_tenant, week_day - timedelta(week_day.weekday())
    )
    if send_to is not None:
        send_to(week, chosen_tenant)
        print(f"sent to {to}", file=sys.stderr)
    else:
        print(format_csv(week) if as_csv else format_text(week, chosen_tenant), end="")


def _prepare_mail(to: str) -> Callable[[Week, Tenant], None]:
    """Return what mails a week to an address.

    Raises UsageError if the address or a setting is wrong.
    """
    addresses = [address for _, address in getaddresses([to])]
    if not (to.isprintable() and addresses and all(map(_ADDRESS.fullmatch, addresses))):
        raise click.UsageError(f"--to is an address such as boss@shop.example, not {to[:60]!r}")
    mail = read_configuration().mail
    if mail.smtp_host is None:
        raise click.UsageError(
            "--to needs the setting smtp_host, in regulars.toml or as REGULARS_SMTP_HOST"
        )
    sender = mail.sender
    if sender is None:
        raise click.UsageError(
            "--to needs the setting smtp_from, the address that reports are sent from"
        )
    return lambda week, tenant: send_mail(compose_mail(week, tenant, sender, to), mail)
