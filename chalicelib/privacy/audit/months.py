"""Figures of months as they were when these ended, signed, and their proof.

They are stored once, as numbers, in a statement that the tenant's key signs. The audit has its
SHA-256, so nobody can put other figures in their place, not even with the key. The one transaction
that stores them writes the entry, too: there is nothing between the two.
"""

from __future__ import annotations

import hashlib
import json
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.week import Figures, Week, span_of_days
from chalicelib.domain.counts import Entries
from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.jobs import SEAL_AFTER, JobContext, Unfinished
from chalicelib.domain.local_time import DAY_MS, Span
from chalicelib.domain.model import Tenant
from chalicelib.privacy.audit_entries import HOUR_MS, Entry, entry_put, new_entry
from chalicelib.privacy.signing import canonical_json, fingerprint, parse_statement, renewal_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write_unless_changed
from chalicelib.storage.ports import Put, absent
from chalicelib.storage.values import moment, time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

_KIND = "figures of a month"
MONTH_CLOSED = "month closed"
"""The entry of the audit with the SHA-256 of a month's statement."""
_ENTERED_WITHIN_DAYS = 62
"""So long after its end a month's entry is looked for: it is closed as the last one that ended."""


class ClosedMonth(Struct, frozen=True):
    """A month as it was closed. `tenant`: with its title, time zone and language of then.

    `proof`: says when it was signed, by which key, and that the audit has its hash.
    """

    month: date
    week: Week
    tenant: Tenant
    proof: str


class Months(Service["Services"]):
    """Closes the last month that ended, and reads what was closed."""

    def close_last(self, context: JobContext) -> Unfinished | None:
        """Close the last month that ended, once anything was observed by its end.

        Return Unfinished if the time ran out before all days were sealed.
        """
        tenant = context.tenant
        month = find_last_month(tenant, self.services.clock.now())
        if self._read_document(tenant.name, month) is not None or not self._has_begun(
            tenant, month
        ):
            return None
        if not self.services.statistics.sealing.seal_within(tenant, context.remaining_s):
            return Unfinished()
        self._close(tenant, month)
        return None

    def _has_begun(self, tenant: Tenant, month: date) -> bool:
        """Tell whether anything was observed by the end of the month."""
        until = range(_span(tenant, month).utc_days[-1] + 1)
        return bool(self.services.statistics.calendar.read_days(tenant.name, until).months)

    def _close(self, tenant: Tenant, month: date) -> None:
        """Store a month's figures, with the entry of the audit.

        If another process was first, its figures stay.
        """
        last = month + timedelta(_count_days(month) - 1)
        sighting_day = self.services.statistics.find_first_day(tenant)
        begun = date.fromisoformat(sighting_day) if sighting_day else month
        first = max(month, begun) if begun <= last else month
        week = self.services.sightings.weeks.count_days(tenant, first, (last - first).days + 1)
        statement = _make_statement(tenant, month, week, self.services.clock.now())
        signed = self.services.audit.signing.sign_statement(tenant.name, statement)
        document = canonical_json(signed)
        sha256 = hashlib.sha256(document).hexdigest()
        entry = new_entry(
            self.services.clock, MONTH_CLOSED, "regulars", of=statement["month"], sha256=sha256
        )
        item = {
            "tenant_zone": keys.closed_months(tenant.name),
            "day": f"{month:%Y%m}",
            "document": document.decode(),
        }
        put = Put(keys.SUMMARIES, item, (absent("not-closed"),))
        write_unless_changed(self.services.items, [put, entry_put(tenant.name, entry)])

    def read(self, tenant: Tenant, month: date) -> ClosedMonth:
        """Read a month as it was closed, and verify it. `month`: its first day.

        Raises InvalidInput if it is not over or was not closed, Conflict if its figures are not
        those that were signed and are in the audit.
        """
        name = f"{month:%Y-%m}"
        if month > find_last_month(tenant, self.services.clock.now()):
            raise InvalidInput(
                f"{name} is not over: it is closed an hour after its end, in the time zone "
                f"{tenant.time_zone}. Weeks are printed at any time"
            )
        document = self._read_document(tenant.name, month)
        entries, is_whole = self._find_entries(tenant, month)
        if document is None and not entries:
            raise InvalidInput(
                f"{name} was not closed: the service closes the last month that ended, and no "
                "earlier one. Print a month that ended while it ran, or a week"
            )
        sha256 = hashlib.sha256((document or "").encode()).hexdigest()
        if is_whole and sha256 not in {entry["sha256"] for entry in entries}:
            what = "are gone" if document is None else "are not those"
            raise Conflict(
                f"the figures of {name} {what} that the audit has the SHA-256 of: somebody changed "
                "them beside the service, or its audit (`regulars audit verify`). A backup of a "
                "day after the month's end has them"
            )
        try:
            return self._verify(tenant, month, document or "", is_audited=is_whole)
        except InvalidInput as error:
            raise Conflict(f"the figures of {name} are not as they were signed: {error}") from error

    def _verify(
        self, tenant: Tenant, month: date, document: str, *, is_audited: bool
    ) -> ClosedMonth:
        """Read a signed month. Raises InvalidInput if another key signed it, or it is another's."""
        statement, signer = parse_statement(document.encode(), _KIND)
        at = str(statement.get("at"))
        public_keys = self.services.audit.signing.read_public_keys(tenant.name)
        former = map(renewal_of, public_keys.renewals)
        if signer != public_keys.current and not any(
            signer == renewal.old and at <= renewal.until for renewal in former
        ):
            raise InvalidInput(f"{fingerprint(signer)} was no key of this tenant at {at}")
        if (statement["tenant"], statement["month"]) != (tenant.name, f"{month:%Y-%m}"):
            raise InvalidInput("they are of another month or another tenant")
        of_then = replace(
            tenant,
            display_name=statement["shop"],
            time_zone=statement["time_zone"],
            language=statement["language"],
        )
        where = "in the audit" if is_audited else "not compared: the audit keeps that hour no more"
        sha256 = hashlib.sha256(document.encode()).hexdigest()
        proof = f"signed at {at} by the key {fingerprint(signer)}; SHA-256 {sha256}, {where}"
        return ClosedMonth(month, _parse_week(statement), of_then, proof)

    def list_totals(self, tenant: str, first: str, last: str) -> list[dict[str, Any]]:
        """List the stored months from the one to the other, such as 202611: the month, when it was
        closed, and its figures, not verified."""
        partition, between = keys.closed_months(tenant), (first, last)
        items = walk_items(self.services.items, keys.SUMMARIES, partition, between=between)
        statements = (json.loads(item["document"])["statement"] for item in items)
        return [
            {"month": one["month"], "closed_at": one["at"], **one["total"]} for one in statements
        ]

    def list_changes(self, closed: ClosedMonth) -> list[str]:
        """Count the month again, and list which of its figures are others now."""
        if not self._keeps_observations(closed):
            return ["the observations of this month are kept no longer: nobody can count it again"]
        days = _count_days(closed.month)
        now = self.services.sightings.weeks.count_days(closed.tenant, closed.month, days)
        before, after = _list_amounts(closed.week), _list_amounts(now)
        return [
            f"{amount} {name} when the month was closed, now {after[name]}"
            for name, amount in before.items()
            if after[name] != amount
        ]

    def _keeps_observations(self, closed: ClosedMonth) -> bool:
        """Tell whether the days are kept still of which the month has visits."""
        zone = ZoneInfo(closed.tenant.time_zone)
        first = next((day for day, figures in closed.week.days if figures.visits), None)
        if first is None:
            return True
        utc_days = span_of_days(zone, first, 1).utc_days
        observed_days = self.services.statistics.calendar.read_days(closed.tenant.name, utc_days)
        kept = closed.tenant.observation_days
        ends_at = moment((utc_days[0] + 1) * DAY_MS)
        is_due = kept is not None and ends_at + timedelta(kept) <= self.services.clock.now()
        return bool(observed_days.list_within(utc_days)) and not is_due

    def _read_document(self, tenant: str, month: date) -> str | None:
        place = keys.closed_months(tenant), f"{month:%Y%m}"
        item = self.services.items.get(keys.SUMMARIES, place)
        return None if item is None else str(item["document"])

    def _find_entries(self, tenant: Tenant, month: date) -> tuple[list[Entry], bool]:
        """Return the entries of a month's closing, and whether all hours are kept that may have
        one."""
        chain, since_ms = self.services.audit.chain, _span(tenant, month).last_ms - DAY_MS
        until_ms = since_ms + _ENTERED_WITHIN_DAYS * DAY_MS
        since_then = takewhile(
            lambda element: element.head.hour + HOUR_MS > since_ms,
            chain.list_elements(tenant.name, newest_first=True),
        )
        elements = [element for element in since_then if element.head.hour <= until_ms][::-1]
        wanted = {"what": MONTH_CLOSED, "of": f"{month:%Y-%m}"}

        def list_contents() -> Iterator[Entry | None]:
            kept_elements = [element for element in elements if element.entries is not None]
            for _, leaves in chain.read_each(kept_elements, chain.read_intact_leaves):
                yield from (leaf.content for leaf in leaves or ())
            yield from (entry.leaf.content for entry in chain.list_waiting(tenant.name))

        found = [entry for entry in list_contents() if entry and wanted.items() <= entry.items()]
        return found, bool(found) or all(element.entries is not None for element in elements)


def find_last_month(tenant: Tenant, now: datetime) -> date:
    """Return the first day of the last month that has ended, an hour behind its end."""
    day = (now - SEAL_AFTER).astimezone(ZoneInfo(tenant.time_zone)).date()
    return (day.replace(day=1) - timedelta(1)).replace(day=1)


def _count_days(month: date) -> int:
    return monthrange(month.year, month.month)[1]


def _span(tenant: Tenant, month: date) -> Span:
    return span_of_days(ZoneInfo(tenant.time_zone), month, _count_days(month))


def _list_amounts(week: Week) -> dict[str, int]:
    entries = week.entries.entries if week.entries else 0
    return {**week.total._asdict(), "visits of staff": week.staff, "entries": entries}


def _make_statement(tenant: Tenant, month: date, week: Week, at: datetime) -> dict[str, Any]:
    busiest = week.busiest
    return {
        "kind": _KIND,
        "tenant": tenant.name,
        "month": f"{month:%Y-%m}",
        "at": time_text(at),
        "shop": tenant.shown_name,
        "time_zone": tenant.time_zone,
        "language": tenant.language,
        "days": [{"day": f"{day}", **figures._asdict()} for day, figures in week.days],
        "total": week.total._asdict(),
        "busiest": busiest and {"hour": busiest[0].isoformat(), "visits": busiest[1]},
        "staff": week.staff,
        "entries": week.entries and week.entries._asdict(),
    }


def _parse_week(statement: dict[str, Any]) -> Week:
    days = ({**day} for day in statement["days"])
    busiest, entries = statement["busiest"], statement["entries"]
    return Week(
        days=tuple((date.fromisoformat(day.pop("day")), Figures(**day)) for day in days),
        total=Figures(**statement["total"]),
        before=None,
        busiest=busiest and (datetime.fromisoformat(busiest["hour"]), busiest["visits"]),
        staff=statement["staff"],
        entries=entries and Entries(**entries),
    )
