"""Figures of days, weeks and months as they were when these ended, signed, and their proof.

They are stored as numbers, in a statement that the tenant's key signs. The audit has its SHA-256,
so nobody can put other figures in their place, not even with the key. The one transaction that
stores them writes the entry, too: there is nothing between the two. The statement is written beside
the backups and given to the witness then, from where a restore takes it.

The statements of a period have numbers: 1, and 2 if it was closed again, since the clock was ahead
when it was closed first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import dropwhile, islice, takewhile
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.statistics.closed import parse_closed
from chalicelib.book.week import Figures, Week
from chalicelib.domain.counts import Entries
from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.jobs import JobContext, Unfinished
from chalicelib.domain.local_time import DAY_MS, Granularity, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import CLOSED, Period, find_last_period, is_ahead
from chalicelib.privacy.audit_entries import HOUR_MS, Entry, entry_put, new_entry
from chalicelib.privacy.signing import canonical_json, fingerprint, parse_statement, renewal_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write_unless_changed
from chalicelib.storage.ports import Condition, Item, Put, Update, absent, equals
from chalicelib.storage.values import milliseconds, moment, time_text

if TYPE_CHECKING:
    from chalicelib.privacy.audit.chain import Element
    from chalicelib.services import Services

_KINDS = {by: f"figures of a {by}" for by in CLOSED}
"""The kind of each statement."""
CLOSINGS = {by: f"{by} closed" for by in CLOSED}
"""The entries of the audit with the SHA-256 of a statement."""
_NOTED = timedelta(days=1)
"""So often it is noted that a period goes on which is closed already."""
_RAN_ON = timedelta(days=7)
"""A clock that is further on than this since such a note has jumped: it was behind when that was
noted."""
_AWAY = timedelta(days=100)
"""A disk or a witness that is away for less gets all statements when it is back. A backup that is
made later has the older ones."""
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
    """Closes the last day, week and month that ended, and reads closed figures."""

    def close_last(self, context: JobContext) -> Unfinished | None:
        """Close the last day, week and month that ended, once anything was observed by their end.

        Return Unfinished if the time ran out before all days of a week or month were sealed. A day
        alone costs no more to count than to seal. What ended by a clock that was set ahead goes on
        when it is set back: an earlier call of the schedule has to be behind the end, too. What was
        closed all the same is closed again once it has ended.
        """
        unfinished = self._close_due(context)
        self._tell_witness(context.tenant)
        return unfinished

    def _close_due(self, context: JobContext) -> Unfinished | None:
        tenant, now = context.tenant, self.services.clock.now()
        stored = self._read_newest(tenant, now)
        for item in stored.values():
            if _is_ahead(item, now) and now - _NOTED >= _get_open_at(item):
                self._note(item, open_at=milliseconds(now))
        due_periods = [
            period
            for period in self._list_due(tenant, stored, now)
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
            self._close(tenant, period, begun, stored.get(period))
        return None

    def _list_due(
        self, tenant: Tenant, stored: Mapping[Period, Item], now: datetime
    ) -> list[Period]:
        """List what has ended last and is to be closed, if anything was observed by its end."""
        open_periods = [
            period
            for period in (find_last_period(by, tenant, now) for by in CLOSED)
            if period not in stored or _is_void(stored[period], now)
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

    def _read_newest(self, tenant: Tenant, now: datetime) -> dict[Period, Item]:
        """Return what is stored of the last periods that ended, and of those that go on or are to
        come in the next week: the clock was ahead when they were closed."""
        until = (now + _RAN_ON).date()
        return {
            period: item
            for by in CLOSED
            for period, item in self._walk(
                tenant,
                by,
                between=(find_last_period(by, tenant, now).time, Period(by, until).time),
            )
        }

    def _walk(
        self, tenant: Tenant, by: Granularity, **bounds: Any
    ) -> Iterator[tuple[Period, Item]]:
        """Yield the closed periods of a kind, each as it is stored. `bounds`: as of walk_items."""
        place = keys.closed_periods(tenant.name, by)
        for item in walk_items(self.services.items, keys.SUMMARIES, place, **bounds):
            yield Period.of_time(by, item["day"]), item

    def _note(self, item: Item, **fields: Any) -> None:
        """Note something of a statement, unless another has taken its place."""
        place = item["tenant_zone"], item["day"]
        update = Update(keys.SUMMARIES, place, _require_same(item), set=fields)
        write_unless_changed(self.services.items, [update])

    def _close(
        self, tenant: Tenant, period: Period, begun: date | None, before: Item | None
    ) -> None:
        """Store a period's figures, with the entry of the audit.

        If another process was first, its figures stay. `begun`: the day of the first sighting: the
        empty days of a period before it are left out. `before`: what is stored of it. All days are
        counted: who was erased is one person of a whole period, but somebody else on each day of a
        part.
        """
        week = self.services.sightings.weeks.count_days(tenant, period.first, period.day_count)
        if begun and begun <= week.days[-1][0]:
            days = tuple(dropwhile(lambda one: one[0] < begun and not one[1].visits, week.days))
            week = replace(week, days=days)
        number = 1 + _get_number(before)
        statement = _make_statement(tenant, period, week, self.services.clock.now(), number)
        signed = self.services.audit.signing.sign_statement(tenant.name, statement)
        self._store(tenant, period, canonical_json(signed), before)

    def _store(self, tenant: Tenant, period: Period, document: bytes, before: Item | None) -> bool:
        """Store a signed statement, with the entry of the audit, and write it beside the backups;
        return False, and do nothing, if the one before is no more as it was read."""
        partition, day = _find_place(tenant.name, period)
        text, (statement, signer) = document.decode(), parse_statement(document, "")
        number = statement["number"]
        item = {"tenant_zone": partition, "day": day, "document": text, "number": number}
        entry = new_entry(
            self.services.clock,
            CLOSINGS[period.by],
            "regulars",
            of=period.name,
            sha256=_hash(text),
            number=number,
            replaces="" if before is None else _hash(before["document"]),
            signer=fingerprint(signer),
        )
        put = Put(keys.SUMMARIES, item, _require_same(before))
        is_stored = write_unless_changed(self.services.items, [put, entry_put(tenant.name, entry)])
        if is_stored:
            self.services.ports.backups.keep(_name_outside(tenant, period, item), document)
        return is_stored

    def list_documents(self, tenant: Tenant) -> Iterator[tuple[str, bytes]]:
        """Yield the signed statements that have to lie outside, each with its name there."""
        for period, item in self._walk_recent(tenant):
            yield _name_outside(tenant, period, item), item["document"].encode()

    def _walk_recent(self, tenant: Tenant) -> Iterator[tuple[Period, Item]]:
        since = (self.services.clock.now() - _AWAY).date()
        for by in CLOSED:
            yield from self._walk(tenant, by, between=(Period(by, since).time, None))

    def _tell_witness(self, tenant: Tenant) -> None:
        """Give the witness the statements that it has not, if there is a witness.

        May be cut off anywhere and repeated. Raises StorageUnavailable, Unusable, Busy.
        """
        if (witness := self.services.ports.witness) is None:
            return
        for period, item in self._walk_recent(tenant):
            if not item.get("is_told"):
                witness.keep(_name_outside(tenant, period, item), item["document"].encode())
                self._note(item, is_told=True)

    def restore(
        self, tenant: Tenant, documents: Mapping[str, bytes], trusted: Collection[str] = ()
    ) -> Iterator[str]:
        """Store a tenant's statements again that were kept elsewhere, and are later than those of
        the book; yield a line for each.

        `documents`: by their names. Those that are damaged, or of a signer who is neither the
        book's nor `trusted` (fingerprints), are said and left aside. May be cut off anywhere and
        repeated.
        """
        found: dict[tuple[Period, int], dict[bytes, str]] = {}
        for name, document in documents.items():
            try:
                place = self._read_outside(tenant, document, trusted)
                found.setdefault(place, {})[document] = name
            except InvalidInput as error:
                yield f"{name} is left aside: {error}"
        newest = dict(sorted(found, key=lambda each: each[1]))  # the highest number of each
        for period, number in newest.items():
            before = self._read_item(tenant.name, period)
            document, *others = found[period, number]
            if number <= _get_number(before):
                continue
            if others:
                names = " and ".join(sorted(found[period, number].values()))
                yield f"{names} contradict each other, and are left aside"
            elif self._store(tenant, period, document, before):
                yield f"the figures of the closed {period.by} {period.name} are stored again"

    def _read_outside(
        self, tenant: Tenant, document: bytes, trusted: Collection[str]
    ) -> tuple[Period, int]:
        """Return of what period a statement is, and its number. Raises InvalidInput."""
        statement, signer = parse_statement(document, "")
        place = find_place_in_time(statement)
        if statement.get("tenant") != tenant.name:
            raise InvalidInput("it has no figures of this tenant")
        self._require_own(tenant, signer, str(statement.get("at")), trusted)
        return place

    def find_week(self, tenant: Tenant, day: date) -> Period:
        """Return the closed week with a day, by the weekday on which weeks started then; if none
        was closed, the week by today's setting."""
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
        name, hint, now = period.name, _HINTS[period.by], self.services.clock.now()
        item = self._read_item(tenant.name, period)
        document = None if item is None else str(item["document"])
        is_void = item is not None and _is_ahead(item, now)
        last_period = find_last_period(period.by, tenant, now)
        if is_void or (document is None and period.first > last_period.first):
            raise InvalidInput(
                f"the {period.by} {name} is not over: it is closed an hour after its end, in the "
                f"time zone {tenant.time_zone}; {hint}"
            )
        entries, is_whole = self._find_entries(tenant, period, document)
        if document is None and not entries:
            raise InvalidInput(
                f"the {period.by} {name} was not closed: the service closes the last {period.by} "
                f"that ended, and no earlier one; {hint}"
            )
        newest = max((int(entry["number"]) for entry in entries), default=0)
        hashes = {entry["sha256"] for entry in entries if entry["number"] == newest}
        if is_whole and _hash(document or "") not in hashes:
            what = "are gone" if document is None else "are not those"
            raise Conflict(
                f"the figures of {name} {what} that the audit has the SHA-256 of: somebody changed "
                "them beside the service, or its audit (`regulars audit verify`). A backup of a "
                f"day after the {period.by}'s end has them"
            )
        try:
            signers = {each["signer"] for each in entries if each["number"] == newest}
            sheet = self._verify(tenant, period, document or "", signers, is_audited=is_whole)
        except InvalidInput as error:
            raise Conflict(f"the figures of {name} are not as they were signed: {error}") from error
        if item is None or "open_at" not in item:
            return sheet
        open_at = time_text(_get_open_at(item))
        return replace(sheet, proof=f"{sheet.proof}; later the clock was set back to {open_at}")

    def _verify(
        self,
        tenant: Tenant,
        period: Period,
        document: str,
        signers: Collection[str],
        *,
        is_audited: bool,
    ) -> ClosedSheet:
        """Read a signed sheet. Raises InvalidInput if another key signed it, or it is another's.

        `signers`: keys that the audit vouches for.
        """
        statement, signer = parse_statement(document.encode(), _KINDS[period.by])
        at = str(statement.get("at"))
        self._require_own(tenant, signer, at, signers)
        if (statement["tenant"], statement[period.by]) != (tenant.name, period.name):
            raise InvalidInput(f"they are of another {period.by} or another tenant")
        of_then = replace(
            tenant,
            display_name=statement["shop"],
            time_zone=statement["time_zone"],
            language=statement["language"],
        )
        where = "in the audit" if is_audited else "not compared: the audit keeps that hour no more"
        signed = f"signed at {at} by the key {fingerprint(signer)}"
        proof = f"{signed}; SHA-256 {_hash(document)}, {where}"
        week = _parse_week(statement, period.by)
        return ClosedSheet(period, week, of_then, proof, tenant.time_zone)

    def _require_own(
        self, tenant: Tenant, signer: bytes, at: str, trusted: Collection[str]
    ) -> None:
        """Raise InvalidInput if a signer was no key of the tenant at a time, and is not trusted."""
        public_keys = self.services.audit.signing.read_public_keys(tenant.name)
        is_own = signer == public_keys.current or any(
            signer == renewal.old and at <= renewal.until
            for renewal in map(renewal_of, public_keys.renewals)
        )
        if not is_own and fingerprint(signer) not in trusted:
            raise InvalidInput(f"{fingerprint(signer)} was no key of this tenant at {at}")

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

    def _read_item(self, tenant: str, period: Period) -> Item | None:
        return self.services.items.get(keys.SUMMARIES, _find_place(tenant, period))

    def _find_entries(
        self, tenant: Tenant, period: Period, document: str | None
    ) -> tuple[list[Entry], bool]:
        """Return the entries of a period's closing, and whether all hours are kept that may have
        one.

        It is closed as the last one that ended: before the next one of its kind has ended. If no
        entry of then is of the document, one of later may be: of a restore, or while the chain
        waited since the clock had been ahead.
        """
        chain, since_ms = self.services.audit.chain, _find_span(tenant, period).last_ms - DAY_MS
        until_ms = since_ms + 2 * (period.day_count + 1) * DAY_MS
        since_then = takewhile(
            lambda element: element.head.hour + HOUR_MS > since_ms,
            chain.list_elements(tenant.name, newest_first=True),
        )
        elements = [*since_then][::-1]
        of_then = [element for element in elements if element.head.hour <= until_ms]
        wanted = {"what": CLOSINGS[period.by], "of": period.name}

        def find_in(elements: list[Element]) -> Iterator[Entry]:
            kept_elements = [element for element in elements if element.entries is not None]
            for _, leaves in chain.read_each(kept_elements, chain.read_intact_leaves):
                contents = (leaf.content for leaf in leaves or ())
                yield from (each for each in contents if each and wanted.items() <= each.items())

        waiting = (entry.leaf.content for entry in chain.list_waiting(tenant.name))
        found = [each for each in waiting if each and wanted.items() <= each.items()]
        found += find_in(of_then)
        sha256 = _hash(document or "")
        if document is not None and sha256 not in (each["sha256"] for each in found):
            later = find_in(elements[len(of_then) :])
            found += islice((each for each in later if each["sha256"] == sha256), 1)
        return found, bool(found) or all(element.entries is not None for element in of_then)


def _find_place(tenant: str, period: Period) -> tuple[str, str]:
    return keys.closed_periods(tenant, period.by), period.time


def _find_span(tenant: Tenant, period: Period) -> Span:
    return period.find_span(ZoneInfo(tenant.time_zone))


def find_place_in_time(statement: Mapping[str, Any]) -> tuple[Period, int]:
    """Return the period of a statement's figures, and its number: of two for one period, the one
    with the higher number replaces the other.

    Raises InvalidInput.
    """
    kind = next((by for by in CLOSED if statement.get("kind") == _KINDS[by]), None)
    if kind is None:
        raise InvalidInput("it has no figures of a day, week or month")
    try:
        period = Period.of_time(kind, str(statement[kind]).replace("-", ""))
        return period, int(statement["number"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("its period and number cannot be read") from error


def name_folder(tenant: Tenant) -> str:
    """Return the prefix of the names of a tenant's statements that are kept elsewhere."""
    return f"closed/{tenant.app_id}/"


def _name_outside(tenant: Tenant, period: Period, item: Item) -> str:
    """Make the name of a statement beside a backup, or at a witness. Two of one number, of a book
    and of an earlier backup of it that goes on, have different ones."""
    name = f"{period.by}-{period.name}-{item['number']}-{_hash(item['document'])[:16]}"
    return f"{name_folder(tenant)}{name}.json"


def _hash(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def _get_number(item: Item | None) -> int:
    """Return the number of the statement that is stored; 0: none is."""
    return 0 if item is None else int(item["number"])


def _get_open_at(item: Item) -> datetime:
    """Return when a period went on that was closed already; 1970: that was never seen."""
    return moment(int(item.get("open_at", 0)))


def _require_same(item: Item | None) -> tuple[Condition]:
    """Require what is stored of a period to be the statement that was read; None: none was."""
    if item is None:
        return (absent("not-closed"),)
    return (equals("document", item["document"], "not-closed-again"),)


def _is_ahead(item: Item, now: datetime) -> bool:
    statement = parse_closed(item)  # None: a damaged one stays, and its readers are told
    return statement is not None and is_ahead(statement.at, now)


def _is_void(item: Item, now: datetime) -> bool:
    """Tell whether a period that has ended is to be closed again: it was closed by a clock that was
    ahead, and went on."""
    return _is_ahead(item, now) or now - _get_open_at(item) <= _RAN_ON


def _list_amounts(week: Week) -> dict[str, int]:
    return {**week.amounts, "visits of staff": week.staff}


def _make_statement(
    tenant: Tenant, period: Period, week: Week, at: datetime, number: int
) -> dict[str, Any]:
    busiest = week.busiest
    return {
        "kind": _KINDS[period.by],
        "tenant": tenant.name,
        str(period.by): period.name,
        "number": number,
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
