"""`regulars today`: who came, printed from one's own visitor book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from msgspec import Struct

from chalicelib.book.week import list_doubts
from chalicelib.domain.counts import Doubts, Entries, sum_entries
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.model import REGULAR, Tenant
from chalicelib.domain.texts import DEFAULT_LANGUAGE, Texts
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import FaceOrder
from chalicelib.storage.values import milliseconds, one_line
from regulars.options import read_rows, with_services
from regulars.shops import do_in_each, list_shops

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chalicelib.book.counts.places import PlaceNow
    from chalicelib.book.sightings.sightings import FaceArrival
    from chalicelib.book.statistics.statistics import Totals
    from chalicelib.domain.model import ListedFace
    from chalicelib.domain.rules.inside import Occupancy

_PAGE = 100
"""Arrivals that are read at a time."""
_MOST_AWAY = 5
"""How many of the regulars who stayed away longest are printed."""
_NAMES = ("who", "group")
"""Columns that others' texts fill. They go on in the next line if there is no room, so that no time
is cut off."""


@click.command(short_help="Print today's visitors.")
@with_services
@click.option("--tenant", metavar="NAME", help="Only this tenant.  [default: all with faces]")
def today(services: Services, tenant: str | None) -> None:
    """Print today's visitors with the number of their visit, who is new, and the regulars who have
    been away longest.

    Days are in the tenant's time zone.

    \b
    Examples:
      regulars today
      regulars today --data shop --tenant shop
    """
    from rich.console import Console

    empty: list[str] = []

    def show_all(each: Tenant) -> None:
        print_today(read_today(services, each, datetime.now(UTC)), Console(soft_wrap=True))

    def show(each: Tenant) -> None:
        if tenant is None and not services.account.measure_usage(each).faces:
            empty.append(each.name)
            return
        show_all(each)

    shops = list_shops(services, [tenant] if tenant else [])
    left = do_in_each(services, shops, "not read", show)
    if len(empty) == len(shops):
        left = do_in_each(services, empty, "not read", show_all)
    left.require_all()


class Today(Struct, frozen=True):
    """The visits of a tenant since `midnight` in its time zone, staff left out.

    `totals`: of the visits. `away`: the regulars who stayed away longest. `entries`: what cameras
    counted; None: nothing.
    """

    tenant: str
    zone: ZoneInfo
    midnight: datetime
    visits: list[FaceArrival]
    totals: Totals
    away: list[ListedFace]
    entries: Entries | None
    places: list[PlaceNow]
    needs: list[str]
    """Lines that say which cameras need somebody."""


def read_today(services: Services, tenant: Tenant, now: datetime) -> Today:
    """Read who came today, to be printed: the audit notes whom that names."""
    from chalicelib.domain.observations import EVERYTHING

    zone = ZoneInfo(tenant.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    span = Span(milliseconds(midnight), keys.LAST_MS)
    visitors = services.statistics.visitors.read_staff(tenant).leave_out(EVERYTHING)
    arrivals = services.sightings.arrivals
    visits = list(read_rows(partial(arrivals.read_page, tenant, visitors, span, _PAGE)))
    away = _read_away(services, tenant, midnight)
    shown_faces = [*(arrival.first.faceid for arrival in visits), *(face.faceid for face in away)]
    services.audit.reads.enter_printing(
        tenant.name, (shown_face for shown_face in shown_faces if not is_erased(shown_face))
    )
    return Today(
        tenant.name,
        zone,
        midnight,
        visits,
        arrivals.count_arrivals(tenant, visitors, span),
        away,
        _count_entries(services, tenant, Span(milliseconds(midnight), milliseconds(now))),
        services.counts.places.list_all(tenant),
        services.cameras.describe_needs(tenant, now, Texts(DEFAULT_LANGUAGE)),
    )


def print_today(today: Today, console: Console) -> None:
    """Print who came today, who of them is new, which cameras need somebody, and which regulars
    stayed away longest."""
    console.print(
        f"{today.tenant}: {today.midnight:%A, %d %B %Y}, {today.zone.key}",
        style="bold",
        markup=False,
    )
    if today.visits:
        console.print(_make_table_of_visits(today))
    console.print(_write_summary(today.totals))
    if staff_count := today.totals.staff:
        console.print(f"without {staff_count} {'visit' if staff_count == 1 else 'visits'} of staff")
    for line in [*_list_counted(today), *today.needs]:
        console.print(line, markup=False)
    if today.away:
        console.print("\nregulars who stayed away longest", style="bold")
        console.print(_make_table_of_away(today))


def _make_table_of_visits(today: Today) -> Table:
    """Make the table of today's visits, one a line, with local times.

    A face without name and number is shown by its id, and who may not be named as somebody.
    """
    table = _make_table("who", "group", "first", "last", "seen", "visit")
    for arrival in today.visits:
        first, last = (
            f"{at.astimezone(today.zone):%H:%M}" for at in (arrival.first.at, arrival.last_at)
        )
        _add(
            table,
            _say_who(arrival),
            arrival.first.group_name,
            first,
            last,
            arrival.sightings,
            _write_ordinal(arrival.number),
        )
    return table


def _write_summary(totals: Totals) -> str:
    if not totals.persons:
        return "nobody came yet"
    noun = "person" if totals.persons == 1 else "people"
    return f"{totals.persons} {noun} came, {totals.first} of them for the first time"


def _list_counted(today: Today) -> Iterator[str]:
    """Say who came in by the counts of cameras, and who is inside."""
    if (counted := today.entries) is not None:
        staff = f", without {counted.staff} of staff" if counted.staff else ""
        yield (
            f"counted: {counted.entries} in, {counted.exits} out{_say_share(counted)}; "
            f"{counted.known} known, "
            f"{counted.not_known} not known, {counted.faceless} without a usable face{staff}"
        )
    for place_now in today.places:
        state = ", full" if place_now.is_full else "" if place_now.present else ", closed"
        share = _say_share(place_now.present) if place_now.present else ""
        yield f"{one_line(place_now.place.name)}: {place_now.inside} inside{state}{share}"


def _say_share(counted: Entries | Occupancy) -> str:
    """Say in how many minutes it was counted, and why not in others, unless it was in the whole
    time."""
    if counted.is_whole:
        return ""
    share = f", of {counted.watched_s // 60:,} minutes of {counted.open_s // 60:,}"
    doubts = counted.doubts if isinstance(counted, Entries) else Doubts()
    return " · ".join([share, *list_doubts(doubts, Texts(DEFAULT_LANGUAGE))])


def _count_entries(services: Services, tenant: Tenant, span: Span) -> Entries | None:
    entries = services.counts.count_entries(tenant, span, Granularity.DAY)
    return sum_entries(entries.values())


def _make_table_of_away(today: Today) -> Table:
    table = _make_table("who", "last came", "days ago")
    for face in today.away:
        last_day = face.last_arrival_at and face.last_arrival_at.astimezone(today.zone).date()
        days = (today.midnight.date() - last_day).days if last_day else ""
        _add(
            table,
            _name_face(face.name, REGULAR, face.number) or face.faceid,
            last_day or "never",
            days,
        )
    return table


def _read_away(services: Services, tenant: Tenant, since: datetime) -> list[ListedFace]:
    hidden = services.faces.list_hidden(tenant)
    page = services.faces.lists.read_page(
        tenant, REGULAR, FaceOrder.ARRIVED, _MOST_AWAY, left_out=hidden
    )
    return [
        face for face in page.rows if face.last_arrival_at is None or face.last_arrival_at < since
    ]


def _say_who(arrival: FaceArrival) -> str:
    """Return what a visitor is called."""
    if is_erased(arrival.first.faceid):
        return "somebody"
    face, group = arrival.face, arrival.first.group_name
    return (face and _name_face(face.name, group, face.number)) or arrival.first.faceid


def _name_face(name: str | None, group: str, number: int | None) -> str:
    """Return a face's name for people: by its name, else as in "Stranger 135"; "" if there is
    neither."""
    return name or (f"{group[:1].upper()}{group[1:]} {number}" if number else "")


def _write_ordinal(number: int | None) -> str:
    """Write the number of a visit; None: it is not known any more."""
    if number is None or number == 1:
        return "new" if number else ""
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def _make_table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column not in _NAMES, overflow="fold")
    return table


def _add(table: Table, *cells: object) -> None:
    from rich.text import Text

    table.add_row(*(Text(one_line(str(cell))) for cell in cells))
