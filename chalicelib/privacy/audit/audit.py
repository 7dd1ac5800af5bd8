"""Entries of acts. The store that all services write by puts an act's entry into the act's own
transaction.

So both are there or neither, and no use case can forget its entry. An entry that waits to be closed
is an item of its own: the key begins with the time and ends at random, so no two writers meet at
one. Sightings are the exception: what their entries say stands in the capture, which their
transaction writes anyway (`sightings` in chain.py reads it).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.done import ActKind, Done, Was, join_changes
from chalicelib.domain.effects import DELETING, ENDING, OF_FACES, Effect, read_effects
from chalicelib.domain.errors import Changed, ConditionFailed, RegularsError, TakenBack
from chalicelib.domain.jobs import Job
from chalicelib.lazy import lazy
from chalicelib.privacy.audit_entries import (
    DAYS,
    HOUR_MS,
    READ,
    Entry,
    Sign,
    Verified,
    entry_put,
    faces_of,
    new_entry,
    request_id,
    said_signed,
)
from chalicelib.privacy.makers import OF_MAKERS, Maker, list_maker_writes, maker_from
from chalicelib.privacy.reading import Data, count_key, in_entries, kinds_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import (
    Action,
    Check,
    Clock,
    Delete,
    Does,
    Item,
    ItemStore,
    Put,
    Table,
    Update,
)
from chalicelib.storage.records.done import TAKEN_BACK, done_actions
from chalicelib.storage.values import milliseconds, moment_of_text, omit_none, parse_optional

if TYPE_CHECKING:
    from chalicelib.privacy.audit.breach import Breaches
    from chalicelib.privacy.audit.chain import Chain, Signing
    from chalicelib.privacy.audit.leaving import AuditErasing
    from chalicelib.privacy.audit.periods import Periods
    from chalicelib.privacy.audit.verifying import Verifying
    from chalicelib.services import Services


_ReadKey = tuple[str, str, int, str]
"""Tenant, caller, hour, and a subject that the caller was told of."""
_NOTHING, _PICTURES = frozenset[Data](), frozenset({Data.PICTURES})
_MOST_REMEMBERED = 50_000
"""Subjects that a process remembers to have entered in this hour, so that each is entered once: 10
MB."""
_FOLLOWING_TABLES = {
    table.name
    for table in (
        keys.REQUESTS,
        keys.OBSERVATIONS,
        keys.SUMMARIES,
        keys.ARRIVALS,
        keys.AUDIT,
        keys.DONE,
    )
}
"""Tables whose items alone are no change that somebody decided: they follow from one, or only
count."""
_ACCESSES = {keys.TENANTS.name, keys.HOOKS.name}
"""Tables of accesses and settings, each of whose writes says what it does."""
_OF_JOBS = {table.name for table in (keys.FACES, keys.JOURNAL, keys.NEGATIVES, keys.MERGES)}


class AuditedItems:
    """The ItemStore of all services: it adds an act's entry, and the makers of new accesses, to the
    act's transaction."""

    def __init__(
        self,
        items: ItemStore,
        clock: Clock,
        sign: Sign,
        write_outside: Callable[[str], object],
    ) -> None:
        """`write_outside`: writes what stands in a tenant's book outside of it; must not raise."""
        self.get = items.get
        self.get_many = items.get_many
        self.get_each = items.get_each
        self.query = items.query
        self._items = items
        self._sign = sign
        self._clock = clock
        self._write_outside = write_outside

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        return self._items.scan(table, prefix)

    def transact(self, actions: Sequence[Action]) -> None:
        act = audit_events.current()
        self._transact(act, actions)
        if _ends_something(act, actions) and (tenant := _find_tenant(act, actions)):
            self._write_outside(tenant)

    def _transact(self, act: AuditEvent | None, actions: Sequence[Action]) -> None:
        makers = self._list_maker_writes(act, actions)
        if act is None or not _is_of_note(act, actions):
            return self._items.transact([*actions, *makers])
        if not (tenant := act.tenant):  # what is written does not always say whose it is
            raise RuntimeError(f"{act.what!r} writes an entry: begin it with its tenant")
        entry = _make_entry(act, self._clock, actions)
        act.named |= faces_of(entry)
        if (days := next(filter(None, map(_audit_days, actions)), None)) is not None:
            entry = said_signed(entry, self._sign, tenant, DAYS, audit_days=days)
        listed_act = _make_done(act, entry, actions)
        if listed_act is not None and not listed_act.starts_from(act.takes_from):
            raise Changed("what is to be taken back was set anew meanwhile: look at it again")
        listed = () if listed_act is None else done_actions(tenant, listed_act)
        try:
            self._items.transact([*actions, *makers, entry_put(tenant, entry), *listed])
        except ConditionFailed as error:
            if TAKEN_BACK in error.names:  # by somebody else, or by this very call, sent twice
                raise TakenBack("this act was taken back before") from error
            raise
        act.entered = True
        if listed_act is not None:
            act.takes_back, act.takes_from = "", {}
            act.is_listed |= not listed_act.is_deletion
        return None

    def _list_maker_writes(
        self, act: AuditEvent | None, actions: Sequence[Action]
    ) -> Sequence[Action]:
        """Return the writes that say who gave the accesses of a transaction."""
        if not any(effect in OF_MAKERS for action in actions for effect, _ in _get_does(action)):
            return ()
        by, tenant = "" if act is None else act.by, _find_tenant(act, actions)
        find = partial(self._find_maker, tenant)
        return list_maker_writes(tenant, by, self._clock.now(), actions, find) if tenant else ()

    def _find_maker(self, tenant: str, access: str) -> Maker | None:
        item = self._items.get(keys.TENANTS, keys.maker_item(tenant, access))
        return parse_optional(maker_from, item)


class Reads(Service["Services"]):
    """The writer of entries for acts that store nothing else: decisions, exports, and answers with
    data of people.

    A caller that looks at the same people all the time, as an open console does, makes one entry an
    hour and process.
    """

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._known: OrderedDict[_ReadKey, frozenset[Data]] = OrderedDict()

    @contextmanager
    def enter_act(self, act: AuditEvent) -> Iterator[None]:
        """Start the act, and write its entries at the end if it has none yet and needs some.

        Dialects say by an error that nobody was found, so that is an end, too; with one, nothing
        was exported. Raises Busy, StorageUnavailable: then nobody gets the answer.
        """
        with audit_events.begin_audit_event(act):
            try:
                yield
            except RegularsError:
                if act.kind is not Kind.EXPORT:
                    self._close(act)
                raise
            self._close(act)

    def write_export_entry(self, tenant: str, face: str | None = None) -> None:
        """Write the entry of an export by the command line, before it gives anything out.

        `face`: all that it is of.
        """
        if (act := audit_events.current()) is not None and act.kind is Kind.EXPORT:
            act.tenant, act.about, act.entered = tenant, omit_none({"face": face}), False
            self._close(act)

    def enter_printing(self, tenant: str, people: Iterable[str]) -> None:
        """Write the entry for a command that is about to print data of a tenant's people.

        `people`: as `acts.report_people` takes them.
        """
        if (act := audit_events.current()) is not None:
            act.tenant, act.read = tenant, dict.fromkeys(people)
            self._close(act)

    def _close(self, act: AuditEvent) -> None:
        """Write the act's entries: its own if no write did, and the people of whom it told first in
        this hour."""
        if not act.tenant:
            return
        entries, new_reads = [], self._find_new_reads(act)
        if not act.entered and (
            act.kind is Kind.EXPORT or (act.kind is Kind.DECISION and act.decided)
        ):
            entries.append(_make_entry(act, self.services.clock, ()))
            act.named |= faces_of(entries[0])
        for read_entry in in_entries(
            {
                subject: kinds
                for (*_, subject), kinds in new_reads.items()
                if subject not in act.named
            }
        ):
            entries.append(
                new_entry(
                    self.services.clock,
                    READ,
                    act.by,
                    request=request_id(),
                    acts=[act.what],
                    **read_entry,
                )
            )
        if entries:
            act.entered = True  # first, else the store adds an entry of its own to this write
            write(self.services.items, [entry_put(act.tenant, entry) for entry in entries])
        self._known |= {
            read_key: self._known.get(read_key, kinds) | kinds
            for read_key, kinds in new_reads.items()
        }
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _find_new_reads(self, act: AuditEvent) -> dict[_ReadKey, frozenset[Data]]:
        """Return of whom the act tells what this process has not noted yet in this hour, and what
        that is."""
        hour, kinds = milliseconds(self.services.clock.now()) // HOUR_MS, kinds_of(act)
        read = act.read if not act.unnamed else {**act.read, count_key(act.unnamed): None}
        kinds_by_read = {
            (act.tenant, act.by, hour, subject): (kinds if subject in read else _NOTHING)
            | (_PICTURES if subject in act.shown else _NOTHING)
            for subject in {**read, **act.shown}
        }
        return {
            read_key: kinds_read
            for read_key, kinds_read in kinds_by_read.items()
            if not kinds_read <= self._known.get(read_key, _NOTHING)
        }


def _find_tenant(act: AuditEvent | None, actions: Sequence[Action]) -> str:
    """Return the tenant of an act, or of its writes; "": neither says one."""
    of_act = "" if act is None else act.tenant
    return of_act or next(filter(None, map(_find_owner, actions)), "")


def _ends_something(act: AuditEvent | None, actions: Sequence[Action]) -> bool:
    """Return whether a transaction ends something that a restore would give back.

    What jobs end follows from what is stored, as the end of a consent does: the schedule writes it.
    """
    if act is not None and (act.kind is Kind.JOB or act.is_restore):
        return False
    return any(effect in ENDING for action in actions for effect, _ in _get_does(action))


def _is_of_note(act: AuditEvent, actions: Sequence[Action]) -> bool:
    """Return whether a transaction of an act gets an entry in the audit.

    `a change`: if it writes more than counts and what follows from others. `a decision`: once for
    an act. `a job`: if it changes faces or merges. `a sighting`: if a face goes by it. A read gets
    none here.
    """
    changes = [action for action in actions if not isinstance(action, Check)]
    match act.kind:
        case Kind.CHANGE:
            return any(
                change.table.name not in _FOLLOWING_TABLES
                and not _only_counts(change)
                and not _notes_maker(change)
                for change in changes
            )
        case Kind.DECISION:
            return bool(act.decided) and not act.entered
        case Kind.JOB:
            return any(change.table.name in _OF_JOBS for change in changes)
        case Kind.SIGHTING:
            return bool(_list_subjects(changes, DELETING))
        case _:
            return False


def _only_counts(action: Action) -> bool:
    arranged = keys.PLACES_ITEM, keys.VOIDS_ITEM, keys.checks_item("")
    prefixes = (keys.TENANT_ITEM, *arranged, keys.group_item(""), keys.name_item(""))
    return action.table.name == keys.DIRECTORY.name and not action.key[1].startswith(prefixes)


def _notes_maker(action: Action) -> bool:
    """Return whether a write only notes who gave an access, of which an earlier entry says it."""
    return action.table.name == keys.TENANTS.name and action.key[0] == keys.maker_item("", "")[0]


def _make_entry(act: AuditEvent, clock: Clock, actions: Sequence[Action]) -> Entry:
    """Make an act's entry from what it says, and from the effects that its writes say."""
    changes = [action for action in actions if not isinstance(action, Check)]
    named_faceids = [act.about["face"]] if "face" in act.about else []
    fields = {name: value for name, value in act.about.items() if name != "face"}
    return new_entry(
        clock,
        act.what,
        act.by,
        request=request_id(),
        faces=list(dict.fromkeys([*named_faceids, *_list_subjects(changes, OF_FACES)])),
        deleted=_list_subjects(changes, DELETING),
        seq=next(
            (
                int(put.item["seq"])
                for put in changes
                if put.table is keys.JOURNAL and isinstance(put, Put)
            ),
            None,
        ),
        decided=list(act.decided) if act.kind is Kind.DECISION else None,
        does=_read_effects_of(changes),
        **fields,
    )


def _make_done(act: AuditEvent, entry: Entry, actions: Sequence[Action]) -> Done | None:
    """Return what an act did, as it is listed with what was before; None: nothing of that."""
    if act.kind is not Kind.CHANGE:
        return None
    changes = [action for action in actions if not isinstance(action, Check)]
    was = join_changes(change.was for change in changes)
    if was is None:
        deleted = _list_subjects(changes, (Effect.DELETES,))
        if not deleted or act.is_listed:
            return None
        was = Was(ActKind.DELETION, "", (), {}, {"people": len(deleted)})
    return Done(
        id=entry["id"],
        at=moment_of_text(entry["at"]),
        what=act.what,
        by=act.by,
        takes_back=act.takes_back,
        **asdict(was),
    )


def _read_effects_of(changes: Sequence[Put | Update | Delete]) -> Mapping[str, list[str]]:
    """Return what a transaction does, as its writes say it.

    A face with another effect is not said to be edited, too. Writes of accesses and settings say
    all that they do. Others without a word arrange something that is nobody's.
    """
    others = _list_subjects(changes, OF_FACES - {Effect.EDITS})
    said = (
        word
        for change in changes
        for word in change.does
        if word[0] != Effect.EDITS or word[1] not in others
    )
    if does := read_effects([tuple(said)]):
        return does
    if not changes or any(change.table.name in _ACCESSES for change in changes):
        return {}
    return {Effect.ARRANGES: []}


def _audit_days(action: Action) -> int | str | None:
    """Return what a change of a tenant sets `audit_days` to, since hours go by these only; None: it
    does not."""
    if action.table.name != keys.TENANTS.name or action.key[0] != keys.tenant_item("")[0]:
        return None
    fields = (
        action.item if isinstance(action, Put) else action.set if isinstance(action, Update) else {}
    )
    return (fields["audit_days"] or "none") if "audit_days" in fields else None


def _get_does(action: Action) -> Does:
    return () if isinstance(action, Check) else action.does


def _list_subjects(changes: Sequence[Put | Update | Delete], effects: Collection[str]) -> list[str]:
    return [subject for change in changes for effect, subject in change.does if effect in effects]


def _find_owner(action: Action) -> str:
    """Return whose item this is; "" if it does not say."""
    item = dict(zip((action.table.partition, action.table.sort), action.key, strict=True))
    return keys.tenant_of_item(action.table, action.item if isinstance(action, Put) else item)


class Audit(Service["Services"]):
    """The audit of all tenants: acts and their actors, closed by the hour into a chain that a
    signature vouches for."""

    @lazy
    def reads(self) -> Reads:
        return Reads(self.services)

    @lazy
    def chain(self) -> Chain:
        from chalicelib.privacy.audit.chain import Chain

        return Chain(self.services)

    @lazy
    def signing(self) -> Signing:
        from chalicelib.privacy.audit.chain import Signing

        return Signing(self.services)

    @lazy
    def erasing(self) -> AuditErasing:
        from chalicelib.privacy.audit.leaving import AuditErasing

        return AuditErasing(self.services)

    @lazy
    def verifying(self) -> Verifying:
        from chalicelib.privacy.audit.verifying import Verifying

        return Verifying(self.services)

    @lazy
    def breaches(self) -> Breaches:
        from chalicelib.privacy.audit.breach import Breaches

        return Breaches(self.services)

    @lazy
    def periods(self) -> Periods:
        from chalicelib.privacy.audit.periods import Periods

        return Periods(self.services)

    def _close_hours(self, tenant: str) -> None:
        """Close the hours that are over, and give their heads to the witness, if there is one."""
        self.chain.close_hours(tenant)
        if (witness := self.services.ports.witness) is not None:
            self.chain.send_heads(tenant, witness)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("audit", lambda context: self._close_hours(context.tenant.name)),
            Job(
                "audit retention",
                lambda context: self.erasing.trim_nightly(
                    context.tenant.name, context.tenant.audit_days
                ),
                nightly=True,
            ),
            Job("periods", self.periods.close_last),
        )


def verified_export(
    lines: Iterable[str], key_of: Callable[[str], str]
) -> tuple[Verified, list[Entry]]:
    """Verify the lines of an export, without the service.

    Raises as `leaving.verify_export_lines`.
    """
    from chalicelib.privacy.audit.verifying import verify_export_lines

    return verify_export_lines(lines, key_of)
