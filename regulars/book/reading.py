"""The visitor book as it is printed: of a data folder or a stage, by the use cases; of a running service, over v1."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from chalicelib.core import keys
from chalicelib.core.local_time import Span
from chalicelib.core.model import REGULAR, Tenant
from chalicelib.core.observations import EVERYTHING
from chalicelib.core.page_tokens import FaceOrder
from chalicelib.core.values import milliseconds
from regulars.clients import V1

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


class VisitorBook(Protocol):
    """One tenant's book. `title`: whose it is."""

    @property
    def title(self) -> str: ...

    @property
    def zone(self) -> ZoneInfo: ...

    def visits(self, since: datetime) -> Iterator[Visit]:
        """Yield the arrivals that began since then, newest first."""

    def longest_away(self, count: int) -> list[Absent]:
        """Return so many regulars, those first who stayed away longest."""


@dataclass(frozen=True)
class OwnBook:
    """The book of a tenant, by the use cases."""

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


@dataclass(frozen=True)
class ServedBook:
    """The book of the tenant whose key is used, over v1."""

    v1: V1
    title: str

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self._asked("arrivals", {"limit": 1})["time_zone"])

    def visits(self, since: datetime) -> Iterator[Visit]:
        query: dict[str, Any] = {"from": since.isoformat(), "limit": _PAGE}
        while True:
            page = self._asked("arrivals", query)
            for one in page["arrivals"]:
                yield Visit(
                    one["face"],
                    _called(one["name"], one["group"], one["number"]),
                    one["group"],
                    datetime.fromisoformat(one["first"]),
                    datetime.fromisoformat(one["last"]),
                    sightings=one["sightings"],
                    number=one["visit"],
                )
            if page["next_token"] is None:
                return
            query["token"] = page["next_token"]

    def longest_away(self, count: int) -> list[Absent]:
        page = self._asked("faces", {"group": REGULAR, "order": "arrived", "limit": count})
        return [
            Absent(
                _called(face["name"], face["group"], face["number"]) or face["id"],
                face["arrive_time"] and datetime.fromisoformat(face["arrive_time"]),
            )
            for face in page["faces"]
        ]

    def _asked(self, path: str, query: Mapping[str, Any]) -> Any:
        return self.v1.call("GET", f"/v1/{path}?{urllib.parse.urlencode(query)}")


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
