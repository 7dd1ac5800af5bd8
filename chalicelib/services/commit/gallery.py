"""The one way in which a gallery changes: one transaction for faces, counts, seq, journal and answers.

`seq` serialises a tenant's gallery. A process commits one transaction at a time per tenant and puts the changes that
wait meanwhile into the next one (group commit); another process that came first makes it try again with the new seq.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, RegularsError, WrongModel
from chalicelib.core.items import directory_of
from chalicelib.core.model import Edit, Group, JournalEntry
from chalicelib.core.ports import (
    Action,
    Clock,
    Condition,
    Item,
    ItemStore,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)
from chalicelib.core.records.faces import journal_item
from chalicelib.core.telemetry import stage
from chalicelib.services.commit.transaction import attempts

GROUP_EXISTS = "group-exists"
GROUP_ROOM = "group-room"
TENANT_ROOM = "tenant-room"
NEXT = "next-model"
_SEQ = "seq"

_MAX_ACTIONS = 90


class GalleryMoved(Exception):
    """The gallery is no longer at the seq that the change was based on; nothing was changed."""


@dataclass(frozen=True)
class Change:
    """What one use case wants done, all of it or nothing.

    `counts`: faces gained or lost by group id, of groups that exist; `capped`: those of them that have a capacity.
    `tenant`: further fields of the tenant's directory item to add to, each of which must not fall below zero.
    `based_on`: only if the gallery is at this seq, else GalleryMoved.
    `embedded_by`: the model that its new templates are of, if a face that has others gets them.
    `carried`: its templates are of faces that are there or were, and need not be of the model that searches go by.
    `switch_to`: the model that the gallery is searched with from then on, if it is still the one that comes next.
    """

    actions: tuple[Action, ...]
    journal: tuple[JournalEntry, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    capped: frozenset[str] = frozenset()
    new_group: Item | None = None
    tenant: Mapping[str, int] = field(default_factory=dict)
    based_on: int | None = None
    embedded_by: str | None = None
    carried: bool = False
    switch_to: str | None = None

    @property
    def gained(self) -> int:
        return sum(self.counts.values()) + (int(self.new_group["count"]) if self.new_group else 0)

    def keys(self) -> set[tuple[str, tuple[str, str]]]:
        return {(action.table.name, action.key) for action in self.actions}


def capped(group: Group) -> frozenset[str]:
    """For a Change's `capped`."""
    return frozenset() if group.capacity is None else frozenset({group.id})


class _Ticket:
    def __init__(self, change: Change) -> None:
        self.change = change
        self.seq: int | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.seq is not None or self.error is not None


class _Lane:
    """One tenant's changes on their way, in the order in which they came."""

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.waiting: deque[_Ticket] = deque()
        self.seq: int | None = None
        self.model: str | None = None
        """What the gallery is searched with, as of `seq`; None: the tenant names no model."""


class GalleryWriter:
    """Commits changes. `on_commit(tenant, seq)` is told of every commit, after it; it must not raise."""

    def __init__(self, items: ItemStore, clock: Clock, on_commit: Callable[[str, int], None]) -> None:
        self._items = items
        self._clock = clock
        self._on_commit = on_commit
        self._lanes: dict[str, _Lane] = {}
        self._lanes_lock = threading.Lock()

    def commit(self, tenant: str, change: Change) -> int:
        """Returns the gallery's seq after the change.

        Raises ConditionFailed (the named conditions; those on groups end in ":" + group id), GalleryMoved, Busy,
        WrongModel (a face would have no template of the model that searches go by), StorageUnavailable, TenantNotFound.
        """
        lane, ticket = self._lane(tenant), _Ticket(change)
        # What is based on a seq was prepared during this process's turn, and goes before what waits for the turn.
        (lane.waiting.append if change.based_on is None else lane.waiting.appendleft)(ticket)
        with stage("commit"), lane.turn:
            while not ticket.done:
                self._commit_next(tenant, lane)
        if ticket.error is not None:
            raise ticket.error
        assert ticket.seq is not None  # noqa: S101 - done without error
        return ticket.seq

    @contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Keep this process's other commits for the tenant out while a change is prepared that depends on the seq."""
        with self._lane(tenant).turn:
            yield

    def seq(self, tenant: str) -> int:
        """The gallery's seq now. Raises TenantNotFound."""
        return int(directory_of(self._items, tenant)["seq"])

    def _lane(self, tenant: str) -> _Lane:
        with self._lanes_lock:
            return self._lanes.setdefault(tenant, _Lane())

    def _commit_next(self, tenant: str, lane: _Lane) -> None:
        batch = _take_batch(lane.waiting)
        try:
            seq = self._transact(tenant, lane, [ticket.change for ticket in batch])
        except (ConditionFailed, GalleryMoved, WrongModel) as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for ticket in batch:
                self._commit_alone(tenant, lane, ticket)
        except BaseException as error:
            for ticket in batch:
                ticket.error = error
        else:
            for ticket in batch:
                ticket.seq = seq

    def _commit_alone(self, tenant: str, lane: _Lane, ticket: _Ticket) -> None:
        """After a merged transaction was refused: whose condition it was shows when each goes alone."""
        try:
            ticket.seq = self._transact(tenant, lane, [ticket.change])
        except BaseException as error:
            ticket.error = error

    def _transact(self, tenant: str, lane: _Lane, changes: list[Change]) -> int:
        for _ in attempts():
            held = self._read(tenant, lane) if lane.seq is None else lane.seq
            if not _is_of_model(changes, lane.model):
                held = self._read(tenant, lane)  # a search may have told of the change first
            based_on = next((c.based_on for c in changes if c.based_on is not None), held)
            if based_on != held and based_on != self._read(tenant, lane):
                raise GalleryMoved
            if not _is_of_model(changes, lane.model):
                raise WrongModel(
                    f"tenant {tenant!r} is searched with the model {lane.model!r} by now: embed the picture with it"
                )
            seq = based_on + 1
            try:
                self._items.transact(_actions(tenant, seq, changes, self._journal_item(tenant, seq, changes)))
            except ConditionFailed as error:
                lane.seq = None
                if _SEQ not in error.names:
                    raise
            except Busy:
                lane.seq = None
            except RegularsError:
                lane.seq = None
                raise
            else:
                lane.seq = seq
                lane.model = next((c.switch_to for c in changes if c.switch_to is not None), lane.model)
                self._on_commit(tenant, seq)
                return seq
        raise Busy("many changes of this tenant's gallery arrive at once: send the request again in a moment")

    def _read(self, tenant: str, lane: _Lane) -> int:
        """The gallery's seq now, which the lane knows from now on."""
        item = directory_of(self._items, tenant)
        lane.seq, lane.model = int(item["seq"]), item.get("model")
        return lane.seq

    def _journal_item(self, tenant: str, seq: int, changes: list[Change]) -> Item:
        entries = [entry for change in changes for entry in change.journal]
        return journal_item(tenant, seq, self._clock.now(), entries)


def _is_of_model(changes: list[Change], model: str | None) -> bool:
    """Whoever is enrolled must be found by the searches that there are, and by the picture that was given for it."""
    entries = [entry for change in changes if not change.carried for entry in change.journal]
    embedded = [
        {template.model for template in entry.templates}
        for entry in entries
        if entry.edit in (Edit.PUT, Edit.REPLACE) and entry.templates
    ]
    embedded += [{change.embedded_by} for change in changes if change.embedded_by is not None]
    return model is None or all(model in models for models in embedded)


def _take_batch(waiting: deque[_Ticket]) -> list[_Ticket]:
    """The longest run from the front that fits one transaction and touches no item twice; one at least.

    A change that is based on a seq, or makes a group, goes alone.
    """
    batch = [waiting.popleft()]
    size, touched = _size(batch[0].change), batch[0].change.keys()
    while waiting and _mergeable(batch[0].change) and _mergeable(waiting[0].change):
        size += _size(waiting[0].change)
        item_keys = waiting[0].change.keys()
        if size > _MAX_ACTIONS or touched & item_keys:
            break
        touched |= item_keys
        batch.append(waiting.popleft())
    return batch


def _mergeable(change: Change) -> bool:
    return change.based_on is None and change.new_group is None and change.switch_to is None


def _size(change: Change) -> int:
    return len(change.actions) + len(change.counts)


def _actions(tenant: str, seq: int, changes: list[Change], journal: Item) -> list[Action]:
    actions: list[Action] = [action for change in changes for action in change.actions]
    actions += _group_actions(tenant, changes)
    gained = sum(change.gained for change in changes)
    switch_to = next((change.switch_to for change in changes if change.switch_to is not None), None)
    room: tuple[Condition, ...] = (at_least("free", gained, TENANT_ROOM),) if gained > 0 else ()
    added = {name: n for change in changes for name, n in change.tenant.items()}
    room += tuple(at_least(name, -n, name) for name, n in added.items() if n < 0)
    actions.append(
        Update(
            keys.DIRECTORY,
            (tenant, keys.TENANT_ITEM),
            when=(equals("seq", seq - 1, _SEQ), *room, *([equals("next_model", switch_to, NEXT)] if switch_to else [])),
            set={"seq": seq, **({"model": switch_to} if switch_to else {})},
            add={"free": -gained, **added},
            remove=("next_model",) if switch_to else (),
        )
    )
    actions.append(Put(keys.JOURNAL, journal, (absent("journal-free"),)))
    return actions


def _group_actions(tenant: str, changes: list[Change]) -> list[Action]:
    counts: dict[str, int] = {}
    capped: set[str] = set()
    actions: list[Action] = []
    for change in changes:
        capped |= change.capped
        for group_id, gained in change.counts.items():
            counts[group_id] = counts.get(group_id, 0) + gained
        if change.new_group:
            actions.append(Put(keys.DIRECTORY, change.new_group, (absent(f"{GROUP_EXISTS}:{change.new_group['id']}"),)))
    for group_id, gained in counts.items():
        when: list[Condition] = [exists(f"{GROUP_EXISTS}:{group_id}")]
        added = {"count": gained}
        if group_id in capped:
            added["free"] = -gained
            when.append(at_least("free", max(gained, 0), f"{GROUP_ROOM}:{group_id}"))
        else:
            when.append(equals("free", None, f"{GROUP_ROOM}:{group_id}"))
        actions.append(Update(keys.DIRECTORY, (tenant, keys.group_item(group_id)), tuple(when), add=added))
    return actions
