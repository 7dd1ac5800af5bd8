"""Figures of days, weeks and months as they were when these ended, signed, and their proof.

They are stored once, as numbers, in a statement that the tenant's key signs. The audit has its
SHA-256, so nobody can put other figures in their place, not even with the key. The one transaction
that stores them writes the entry, too: there is nothing between the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.week import Figures, Week
from chalicelib.domain.counts import Entries
from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.jobs import JobContext, Unfinished
from chalicelib.domain.local_time import DAY_MS, Granularity, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import CLOSED, Period, find_last_period
from chalicelib.privacy.audit_entries import HOUR_MS, Entry, entry_put, new_entry
from chalicelib.privacy.signing import canonical_json, fingerprint, parse_statement, renewal_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import write_unless_changed
from chalicelib.storage.ports import Put, absent
from chalicelib.storage.values import moment, time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

_KINDS = {by: f"figures of a {by}" for by in CLOSED}
"""The kind of each statement."""
CLOSINGS = {by: f"{by} closed" for by in CLOSED}
"""The entries of the audit with the SHA-256 of a statement."""
_HINTS = {
    Granularity.DAY: "--week prints its week as it is now",
    Granularity.WEEK: "without --closed it is printed as it is now",
    Granularity.MONTH: "--week prints its weeks as they are now",
}


class ClosedSheet(Struct, frozen=True):
    """A day, week or month as it was closed. `tenant`: with its title, time zone and language of
    then.

    `proof`: says when it was signed, by which key, and that the audit has its hash. `zone_now`: the
    tenant's time zone of now.
    """

    period: Period
    week: Week
    tenant: Tenant
    proof: str
    zone_now: str


class Periods(Service["Services"]):
    """Closes the last day, week and month that ended, and reads what was closed."""

    def close_last(self, context: JobContext) -> Unfinished | None:
        """Close the last day, week and month that ended, once anything was observed by their end.

        Return Unfinished if the time ran out before all days of a week or month were sealed. A day
        alone costs no more to count than to seal. What ended by a clock that was set ahead goes on
        when it is set back: an earlier call of the schedule has to be behind the end, too.
        """
        tenant = context.tenant
        due_periods = [
            period
            for period in self._list_due(tenant)
            if context.is_settled(moment(_find_span(tenant, period).last_ms))
        ]
        if not due_periods:
            return None
        begun = None
        if any(period.by != Granularity.DAY for period in due_periods):
            if not self.services.statistics.sealing.seal_within(tenant, context.remaining_s):
                return Unfinished()
            sighting_day = self.services.statistics.find_first_day(tenant)
            begun = date.fromisoformat(sighting_day) if sighting_day else None
        for period in due_periods:
            self._close(tenant, period, begun)
        return None

    def _list_due(self, tenant: Tenant) -> list[Period]:
        """List what has ended last and is not closed, if anything was observed by its end."""
        now = self.services.clock.now()
        last_periods = [find_last_period(by, tenant, now) for by in CLOSED]
        places = [_find_place(tenant.name, period) for period in last_periods]
        items = self.services.items.get_many(keys.SUMMARIES, places)
        open_periods = [
            period for period, item in zip(last_periods, items, strict=True) if item is None
        ]
        if not open_periods:
            return []
        ends = {period: _find_span(tenant, period).utc_days[-1] + 1 for period in open_periods}
        observed_days = self.services.statistics.calendar.read_days(
            tenant.name, range(max(ends.values()))
        )
        return [
            period
            for period in open_periods
            if observed_days.has_lost_a_month or observed_days.list_within(range(ends[period]))
        ]

    def _close(self, tenant: Tenant, period: Period, begun: date | None) -> None:
        """Store a period's figures, with the entry of the audit.

        If another process was first, its figures stay. `begun`: the day of the first sighting: the
        empty days of a period before it are left out. All days are counted: who was erased is one
        person of a whole period, but somebody else on each day of a part.
        """
        week = self.services.sightings.weeks.count_days(tenant, period.first, period.day_count)
        if begun and begun <= week.days[-1][0]:
            days = tuple(dropwhile(lambda one: one[0] < begun and not one[1].visits, week.days))
            week = replace(week, days=days)
        statement = _make_statement(tenant, period, week, self.services.clock.now())
        signed = self.services.audit.signing.sign_statement(tenant.name, statement)
        document = canonical_json(signed)
        sha256 = hashlib.sha256(document).hexdigest()
        entry = new_entry(
            self.services.clock, CLOSINGS[period.by], "regulars", of=period.name, sha256=sha256
        )
        partition, day = _find_place(tenant.name, period)
        item = {"tenant_zone": partition, "day": day, "document": document.decode()}
        put = Put(keys.SUMMARIES, item, (absent("not-closed"),))
        write_unless_changed(self.services.items, [put, entry_put(tenant.name, entry)])

    def find_week(self, tenant: Tenant, day: date) -> Period:
        """Return the closed week that holds a day, on whichever day weeks began then; if none was
        closed, that of now."""
        now = Period.holding(Granularity.WEEK, day, tenant.first_weekday)
        others = (Period(Granularity.WEEK, day - timedelta(days)) for days in range(now.day_count))
        weeks = [now, *(week for week in others if week != now)]
        places = [_find_place(tenant.name, week) for week in weeks]
        items = self.services.items.get_many(keys.SUMMARIES, places)
        return next((week for week, item in zip(weeks, items, strict=True) if item), now)

    def read(self, tenant: Tenant, period: Period) -> ClosedSheet:
        """Read a day, week or month as it was closed, and verify it.

        Raises InvalidInput if it is not over or was not closed, Conflict if its figures are not
        those that were signed and are in the audit.
        """
        name, hint = period.name, _HINTS[period.by]
        document = self._read_document(tenant.name, period)
        last_period = find_last_period(period.by, tenant, self.services.clock.now())
        if document is None and period.first > last_period.first:
            raise InvalidInput(
                f"the {period.by} {name} is not over: it is closed an hour after its end, in the "
                f"time zone {tenant.time_zone}; {hint}"
            )
        entries, is_whole = self._find_entries(tenant, period)
        if document is None and not entries:
            raise InvalidInput(
                f"the {period.by} {name} was not closed: the service closes the last {period.by} "
                f"that ended, and no earlier one; {hint}"
            )
        sha256 = hashlib.sha256((document or "").encode()).hexdigest()
        if is_whole and sha256 not in {entry["sha256"] for entry in entries}:
            what = "are gone" if document is None else "are not those"
            raise Conflict(
                f"the figures of {name} {what} that the audit has the SHA-256 of: somebody changed "
                "them beside the service, or its audit (`regulars audit verify`). A backup of a "
                f"day after the {period.by}'s end has them"
            )
        try:
            return self._verify(tenant, period, document or "", is_audited=is_whole)
        except InvalidInput as error:
            raise Conflict(f"the figures of {name} are not as they were signed: {error}") from error

    def _verify(
        self, tenant: Tenant, period: Period, document: str, *, is_audited: bool
    ) -> ClosedSheet:
        """Read a signed sheet. Raises InvalidInput if another key signed it, or it is another's."""
        statement, signer = parse_statement(document.encode(), _KINDS[period.by])
        at = str(statement.get("at"))
        public_keys = self.services.audit.signing.read_public_keys(tenant.name)
        former = map(renewal_of, public_keys.renewals)
        if signer != public_keys.current and not any(
            signer == renewal.old and at <= renewal.until for renewal in former
        ):
            raise InvalidInput(f"{fingerprint(signer)} was no key of this tenant at {at}")
        if (statement["tenant"], statement[period.by]) != (tenant.name, period.name):
            raise InvalidInput(f"they are of another {period.by} or another tenant")
        of_then = replace(
            tenant,
            display_name=statement["shop"],
            time_zone=statement["time_zone"],
            language=statement["language"],
        )
        where = "in the audit" if is_audited else "not compared: the audit keeps that hour no more"
        sha256 = hashlib.sha256(document.encode()).hexdigest()
        proof = f"signed at {at} by the key {fingerprint(signer)}; SHA-256 {sha256}, {where}"
        week = _parse_week(statement, period.by)
        return ClosedSheet(period, week, of_then, proof, tenant.time_zone)

    def list_changes(self, closed: ClosedSheet) -> list[str]:
        """Count the period again, and list which of its figures are others now.

        In another time zone than the tenant's of now it cannot be: who was erased is somebody else
        on each day there.
        """
        by, of_then = closed.period.by, closed.tenant
        kept_since = self.services.statistics.expiry.find_kept_since(of_then)
        if _find_span(of_then, closed.period).utc_days[0] < kept_since:
            return [f"the observations of this {by} are kept no longer: nobody can count it again"]
        if of_then.time_zone != closed.zone_now:
            return [
                f"another time zone since: not compared ({closed.zone_now}, {of_then.time_zone} "
                f"when the {by} was closed)"
            ]
        now = self.services.sightings.weeks.count_days(
            of_then, closed.period.first, closed.period.day_count
        )
        before, after = _list_amounts(closed.week), _list_amounts(now)
        return [
            f"{amount} {name} when the {by} was closed, now {after[name]}"
            for name, amount in before.items()
            if after[name] != amount
        ]

    def _read_document(self, tenant: str, period: Period) -> str | None:
        item = self.services.items.get(keys.SUMMARIES, _find_place(tenant, period))
        return None if item is None else str(item["document"])

    def _find_entries(self, tenant: Tenant, period: Period) -> tuple[list[Entry], bool]:
        """Return the entries of a period's closing, and whether all hours are kept that may have
        one.

        It is closed as the last one that ended: before the next one of its kind has ended.
        """
        chain, since_ms = self.services.audit.chain, _find_span(tenant, period).last_ms - DAY_MS
        until_ms = since_ms + 2 * (period.day_count + 1) * DAY_MS
        since_then = takewhile(
            lambda element: element.head.hour + HOUR_MS > since_ms,
            chain.list_elements(tenant.name, newest_first=True),
        )
        elements = [element for element in since_then if element.head.hour <= until_ms][::-1]
        wanted = {"what": CLOSINGS[period.by], "of": period.name}

        def list_contents() -> Iterator[Entry | None]:
            kept_elements = [element for element in elements if element.entries is not None]
            for _, leaves in chain.read_each(kept_elements, chain.read_intact_leaves):
                yield from (leaf.content for leaf in leaves or ())
            yield from (entry.leaf.content for entry in chain.list_waiting(tenant.name))

        found = [entry for entry in list_contents() if entry and wanted.items() <= entry.items()]
        return found, bool(found) or all(element.entries is not None for element in elements)


def _find_place(tenant: str, period: Period) -> tuple[str, str]:
    return keys.closed_periods(tenant, period.by), period.time


def _find_span(tenant: Tenant, period: Period) -> Span:
    return period.find_span(ZoneInfo(tenant.time_zone))


def _list_amounts(week: Week) -> dict[str, int]:
    return {**week.amounts, "visits of staff": week.staff}


def _make_statement(tenant: Tenant, period: Period, week: Week, at: datetime) -> dict[str, Any]:
    busiest = week.busiest
    return {
        "kind": _KINDS[period.by],
        "tenant": tenant.name,
        str(period.by): period.name,
        "at": time_text(at),
        "shop": tenant.shown_name,
        "time_zone": tenant.time_zone,
        "language": tenant.language,
        "days": [{"day": f"{day}", **figures._asdict()} for day, figures in week.days],
        "total": week.total._asdict(),
        "busiest": busiest and {"hour": busiest[0].isoformat(), "visits": busiest[1]},
        "staff": week.staff,
        "entries": week.entries and {name: getattr(week.entries, name) for name in _ENTERED},
    }


_ENTERED = ("known", "not_known", "faceless", "staff", "exits", "watched_s")
"""Numbers of entries in a statement. It does not say how many minutes were to be counted."""


def _parse_week(statement: dict[str, Any], by: Granularity) -> Week:
    days = statement["days"]
    busiest, entries = statement["busiest"], statement["entries"]
    return Week(
        days=tuple((date.fromisoformat(day["day"]), _parse_figures(day)) for day in days),
        total=_parse_figures(statement["total"]),
        before=None,
        by=by,
        busiest=busiest and (datetime.fromisoformat(busiest["hour"]), busiest["visits"]),
        staff=statement["staff"],
        entries=entries and Entries(**{name: entries[name] for name in _ENTERED}),
    )


def _parse_figures(stored: dict[str, Any]) -> Figures:
    """Read the figures that this version knows: a newer one's may be more."""
    return Figures(*(stored[name] for name in Figures._fields))
