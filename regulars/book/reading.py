"""The visitor book of a tenant as it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalicelib.core import keys
from chalicelib.core.local_time import Span
from chalicelib.core.model import REGULAR, Tenant
from chalicelib.core.observations import EVERYTHING
from chalicelib.core.page_tokens import FaceOrder
from chalicelib.core.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services
    from chalicelib.services.sightings.sightings import FaceArrival

_PAGE = 100


@dataclass(frozen=True)
class Visit:
    """One arrival of a face. `number`: 7 for its seventh; None: not known any more. `called`: see `_called`."""

    face: str
    called: str
    group: str
    first_at: datetime
    last_at: datetime
    sightings: int
    number: int | None

    @property
    def who(self) -> str:
        return self.called or self.face


@dataclass(frozen=True)
class Absent:
    """A regular, and when the last arrival began; None: there was none."""

    who: str
    last_at: datetime | None


@dataclass(frozen=True)
class OwnBook:
    """The book of a tenant. `title`: whose it is."""

    services: Services
    tenant: Tenant

    @property
    def title(self) -> str:
        return self.tenant.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tenant.time_zone)

    def visits(self, since: datetime) -> Iterator[Visit]:
        span, token = Span(milliseconds(since), keys.LAST_MS), None
        while True:
            page = self.services.sightings.arrivals.page(self.tenant, EVERYTHING, span, _PAGE, token)
            yield from map(_visit, page.rows)
            token = page.next_token
            if token is None:
                return

    def longest_away(self, count: int) -> list[Absent]:
        page = self.services.faces.lists.page(self.tenant, REGULAR, FaceOrder.ARRIVED, count)
        return [
            Absent(_called(face.name, REGULAR, face.number) or face.faceid, face.last_arrival_at) for face in page.rows
        ]


def _called(name: str | None, group: str, number: int | None) -> str:
    """Return what people call a face: by its name, else as in "Stranger 135"; "" if there is neither."""
    return name or (f"{group[:1].upper()}{group[1:]} {number}" if number else "")


def _visit(one: FaceArrival) -> Visit:
    return Visit(
        one.first.faceid,
        _called(one.face.name, one.first.group_name, one.face.number) if one.face else "",
        one.first.group_name,
        one.first.at,
        one.last_at,
        sightings=one.sightings,
        number=one.number,
    )
