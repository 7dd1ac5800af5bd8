"""Reads and writes of stored items, pages of lists, and the pauses of loops that try again.

There are four ways to write. Services use the last three:

- `ItemStore.transact`, the port: one transaction, tried once. For code below services, such as
  index.
- `write`: the same, tried again while storage is busy. For writes that change no gallery and store
  no answer.
- `Requests.write_with_answer`: stores the request's answer in the same transaction, so that a
  repeat is recognised.
- `GalleryWriter.commit`: for changes of faces and their counts, which move the gallery's seq and
  its journal.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import wraps
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar

from msgspec import Struct

from chalicelib.domain.consent import EndedRecords
from chalicelib.domain.errors import Busy, ConditionFailed, InvalidInput, TenantNotFound
from chalicelib.domain.model import RESTRICTED
from chalicelib.storage import keys
from chalicelib.storage.ports import (
    Action,
    Condition,
    Delete,
    Item,
    ItemStore,
    Put,
    Table,
    absent,
    equals,
)

TRIES = 40
"""Tries of a change whose items others have changed since they were read."""
_TRIES_WHILE_BUSY = 18
"""Tries while storage says that it is busy: together two to three seconds."""
_FIRST_PAUSE_S = 0.005
"""Pause after the first try, in s. It doubles with each further one."""
_LONGEST_PAUSE_S = 0.2
"""Longest pause between two tries, in s."""
_A_TRANSACTION = 50
"""Actions of one transaction in a long row of them: half of what DynamoDB takes."""

Bounds = tuple[str | None, str | None]

LIST_SAME = "list-same"
"""Name of the condition that nobody changed a list since it was read."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def walk_items(
    items: ItemStore,
    table: Table,
    partition: str,
    *,
    index: str | None = None,
    carried: tuple[str, ...] = (),
    between: Bounds = (None, None),
    behind: str | None = None,
    reverse: bool = False,
    page_size: int | None = None,
) -> Iterator[Item]:
    """Yield all items of a partition, in the order of their keys, reading page by page as needed.

    `index` names whose keys; None: the table's own. `carried` are the attributes to read. `between`
    is the lowest and the highest key, both included. `behind` is a key behind which to go on.
    `page_size` is the most items of one read. Raises what `query` does.
    """
    low, high = between
    if behind is not None and reverse:  # bounds are included, so it is left out below
        high = min(high or behind, behind)
    elif behind is not None:
        low = max(low or behind, behind)
    key_attribute = table.sort if index is None else table.indexes[index]
    token = None  # for the next page
    while True:
        page = items.query(
            table,
            partition,
            index=index,
            carried=carried,
            low=low,
            high=high,
            reverse=reverse,
            limit=page_size,
            token=token,
        )
        yield from (item for item in page.items if behind is None or item[key_attribute] != behind)
        if (token := page.token) is None:
            return


def cut_in_parts(rows: Iterable[_R], size: int) -> Iterator[list[_R]]:
    """Yield the rows in lists of `size`, the last one of those that are left."""
    remaining_rows = iter(rows)
    while part := list(islice(remaining_rows, size)):
        yield part


def directory_of(items: ItemStore, tenant: str) -> Item:
    """Read the tenant's directory item: seq, model, and the room that is left for it.

    Raises TenantNotFound.
    """
    item = items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM))
    if item is None:
        raise TenantNotFound(f"there is no tenant {tenant!r}")
    return item


WITHDRAWN = "withdrawn"
"""Field of the directory: how often a record of consent ended since somebody whose record has ended
was in the book. 0: there is nobody to compare a sighting with (docs/decisions/0102)."""

ENDED_CHANGES = "ended_changes"
"""Field of the directory: how often it changed who those are whose record has ended. It never
falls. Both change by a commit alone (`Change.directory_counts`), since a process remembers them by
the gallery's seq."""


def read_ended_records(directory: Item) -> EndedRecords:
    """Read the state of a tenant's ended records from its directory."""
    return EndedRecords(int(directory[WITHDRAWN]), int(directory.get(ENDED_CHANGES, 0)))


def gone_of(directory: Item) -> frozenset[str]:
    """Return the ids of the deleted groups whose faces are still being erased."""
    return frozenset(directory.get("gone", ()))


def every_face(items: ItemStore, tenant: str, *, page_size: int | None = None) -> Iterator[Item]:
    """Yield the items of all faces, without those of deleted groups and restricted ones.

    Raises TenantNotFound.
    """
    hidden_groups = {*gone_of(directory_of(items, tenant)), RESTRICTED}
    found_items = walk_items(items, keys.FACES, tenant, page_size=page_size)
    return (item for item in found_items if item["group"] not in hidden_groups)


def every_face_set(items: ItemStore, tenant: str) -> Iterator[Item]:
    """Yield the items of all face sets, without those of deleted groups. Raises TenantNotFound."""
    gone_groups = gone_of(directory_of(items, tenant))
    found_items = walk_items(items, keys.DIRECTORY, tenant, between=keys.FACE_SETS)
    return (item for item in found_items if item["group"] not in gone_groups)


def camera_ids(items: ItemStore, tenant: str) -> list[str]:
    """Return the ids of all cameras, deleted ones too whose captures are kept."""
    stored_items = walk_items(items, keys.CAMERAS, tenant, between=keys.CAMERAS_EVER)
    return sorted({item.get("camera", item["id"]) for item in stored_items})


def list_restricted_faceids(items: ItemStore, tenant: str) -> list[str]:
    """Return the ids of the faces that are kept and used for nothing."""
    return [item["faceid"] for item in faces_in(items, tenant, RESTRICTED)]


def list_faceids_on_hold(items: ItemStore, tenant: str) -> list[str]:
    """Return the ids of the faces under legal hold. Reads the list of these only."""
    return [
        item["faceid"] for item in walk_items(items, keys.DIRECTORY, tenant, between=keys.HOLDS)
    ]


def list_hidden_faceids(items: ItemStore, tenant: str) -> frozenset[str]:
    """Return the ids of the faces that lists leave out. Reads the terms of these only."""
    terms = walk_items(items, keys.NAMES, tenant, between=keys.HIDDEN)
    return frozenset(item["faceid"] for item in terms)


def spared_faces(items: ItemStore, tenant: str) -> frozenset[str]:
    """Return the ids of the faces of which no clock and no setting takes anything: held ones and
    restricted ones."""
    return frozenset(list_faceids_on_hold(items, tenant)).union(
        list_restricted_faceids(items, tenant)
    )


def faces_in(
    items: ItemStore, tenant: str, group_id: str, index: str = "by_enrolment", **how: Any
) -> Iterator[Item]:
    """Yield what an index of the faces has of those in a group, in the index's order.

    As a default that is the order of enrolment. `how` are further arguments of `walk_items`. A
    `between` among them takes the place of the group's range of keys.
    """
    read_options = {"index": index, "between": keys.group_range(group_id), **how}
    return walk_items(items, keys.FACES, tenant, **read_options)


def captures_of(
    items: ItemStore,
    tenant: str,
    camera_id: str | None,
    first_ms: int = 0,
    last_ms: int = keys.LAST_MS,
    **how: Any,
) -> Iterator[Item]:
    """Yield the stored captures, cameras' pictures, that were taken in a time, oldest first.

    With a `camera_id` of None they are those of each camera that there ever was, one camera after
    another. Times are ms since 1970, both included. `how` are further arguments of `walk_items`. A
    `between` among them takes the place of the time's.
    """
    read_options = {"between": keys.capture_range(max(first_ms, 0), last_ms), **how}
    cameras = camera_ids(items, tenant) if camera_id is None else [camera_id]
    for camera in cameras:
        yield from walk_items(items, keys.CAPTURES, keys.captures(tenant, camera), **read_options)


def observed_on(
    items: ItemStore,
    tenant: str,
    day: int,
    first_ms: int = 0,
    last_ms: int = keys.LAST_MS,
    **how: Any,
) -> Iterator[Item]:
    """Yield the stored observations, records of seen faces, of a UTC day between two times.

    `day` is counted from 1970. The times are ms since 1970, both included. `how` are further
    arguments of `walk_items`.
    """
    partition = keys.observations(tenant, day)
    between = keys.observation_range(first_ms, last_ms)
    return walk_items(items, keys.OBSERVATIONS, partition, between=between, **how)


def count_attempts(tries: int = TRIES, first_s: float = _FIRST_PAUSE_S) -> Iterator[int]:
    """Yield before each try how many tries are left after it; sleep before each but the first.

    `for tries_left in count_attempts():` tries again with a backoff. The caller leaves the loop
    when a try succeeds, and raises Busy if none did. Each pause is random, up to a limit that
    doubles from `first_s` (5 ms) to 200 ms. That is "full jitter" (Brooker, 2015), so that callers
    do not try again all at once. 40 tries pause 3.5 s on average, 7 s at most.
    """
    for attempt in range(tries):
        if attempt:
            longest_s = min(_LONGEST_PAUSE_S, first_s * 2 ** (attempt - 1))
            time.sleep(random.uniform(0, longest_s))
        yield tries - 1 - attempt


class Changed(Exception):
    """A change by others of what was read: read it again."""


def retry_if_changed(
    busy_message: str, tries: int = TRIES
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that calls a function again while others change what it has read.

    Such a function reads, decides, and writes under conditions. If the data were changed in
    between, storage raises ConditionFailed, or the function itself Changed. Then it is called again
    after a pause. After `tries` calls Busy is raised, with the sentence `busy_message`. Other
    errors pass.
    """

    def decorate_work(work: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(work)
        def try_work(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for _ in count_attempts(tries):  # sleeps between two tries
                with suppress(ConditionFailed, Changed):
                    return work(*args, **kwargs)
            raise Busy(busy_message)

        return try_work

    return decorate_work


def next_version(item_before: Item | None, name: str) -> tuple[int, Condition]:
    """Return the next version of an item, and the condition that the item is as it was read.

    `item_before`: the item that was read, which has a `version`; None: there was none. `name`: the
    condition's.
    """
    if item_before is None:
        return 1, absent(name)
    version = item_before["version"]
    return int(version) + 1, equals("version", version, name)


def write(items: ItemStore, actions: Sequence[Action]) -> None:
    """Do all actions or none in one transaction, and try again while storage is busy.

    That is for about 2.5 s. Raises what ItemStore.transact does; Busy only after 18 tries, all else
    at once.
    """
    for tries_left in count_attempts(_TRIES_WHILE_BUSY):
        try:
            items.transact(actions)
        except Busy:
            if not tries_left:
                raise
        else:
            return


def write_unless_changed(items: ItemStore, actions: Sequence[Action]) -> bool:
    """Do all actions, as `write` does; return False, and change nothing, if a condition did not
    hold."""
    try:
        write(items, actions)
    except ConditionFailed:
        return False
    return True


class CountedList(Struct, Generic[_R], frozen=True):
    """A list as it was read.

    `counter`: the item that counts the list's changes, which was read before the list.
    """

    rows: Sequence[_R]
    table: Table
    counter_key: Mapping[str, str]
    counter: Item | None

    @property
    def changed(self) -> Put:
        """Return the action that counts a change of the list, for the same transaction.

        The transaction fails by LIST_SAME if somebody changed the list, and so its count, since it
        was read.
        """
        n = int(self.counter["n"]) if self.counter else 0
        # Without a counter the list was never changed, and must not be yet.
        same = equals("n", n, LIST_SAME) if self.counter else absent(LIST_SAME)
        return Put(self.table, {**self.counter_key, "n": n + 1}, when=(same,))


def write_in_parts(items: ItemStore, actions: Iterable[Action]) -> int:
    """Do actions that need not be done together, 50 in a transaction, and return how many.

    If a transaction fails, those before it are done.
    """
    done_count = 0
    for part in cut_in_parts(actions, _A_TRANSACTION):
        write(items, part)
        done_count += len(part)
    return done_count


def delete_in_parts(
    items: ItemStore,
    table: Table,
    items_to_delete: Iterable[Item],
    expired_by: datetime | None = None,
) -> int:
    """Delete items that were read, 50 in a transaction, and return how many.

    With `expired_by`, only those are deleted whose `expires_at` (s since 1970) is not later. That
    is for storage that deletes none by itself. If a write fails, those of the writes before are
    deleted.
    """
    if expired_by is not None:
        now_s = expired_by.timestamp()
        items_to_delete = (item for item in items_to_delete if item["expires_at"] <= now_s)
    item_keys = ((item[table.partition], item[table.sort]) for item in items_to_delete)
    return write_in_parts(items, (Delete(table, key) for key in item_keys))


Position = TypeVar("Position")

MOST_READ = 1_000
"""Stored rows that a page reads at most to find those that it shows. Many may be over."""
_AT_ONCE = 100
"""Items that are read at once."""

_Row = TypeVar("_Row")
_Stored = TypeVar("_Stored")

_CHECK_BYTES = 12
"""Bytes of a page token by which a token of another list is refused."""


class ListPage(Struct, Generic[_Row], frozen=True):
    """A page of a list. It may be short, even empty, and not the last."""

    rows: list[_Row]
    next_token: str | None
    """For the next page; None: this is the last."""


class PageTokens:
    """The page tokens of one query: texts by which a client asks for the next page of its list.

    Each holds a position in the list, and a checksum of that and the query. They do not expire.
    `query` holds everything that makes it different from others: tenant, filters, order.
    """

    def __init__(self, query: str) -> None:
        self._query = query.encode()

    def make_token(self, position: str) -> str:
        """Make the token of a position, the start of the next page.

        Raises UnicodeEncodeError unless it is ASCII.
        """
        payload = position.encode("ascii")
        return base64.urlsafe_b64encode(self._check(payload) + payload).decode("ascii")

    def make_page(self, rows: list[_Row], end: str | None) -> ListPage[_Row]:
        """Make a page. `end`: the position at which the next page begins; None: this is the
        last."""
        return ListPage(rows, None if end is None else self.make_token(end))

    def make_first_page(
        self, rows: Iterable[_Row], limit: int, position: Callable[[_Row], str]
    ) -> ListPage[_Row]:
        """Return the first `limit` of these rows as a page, with a token if there are more.

        `rows` begin where the page does, so it may be any page of a list. `position` returns a
        row's place in the list, as text. The token holds that of the page's last row, behind which
        the next page begins.
        """
        first_rows = list(islice(rows, limit + 1))  # one more shows that there is a next page
        if len(first_rows) <= limit:
            return self.make_page(first_rows, None)
        return self.make_page(first_rows[:limit], position(first_rows[limit - 1]))

    def make_filtered_page(
        self,
        stored_rows: Iterable[_Stored],
        position_of_stored: Callable[[_Stored], str],
        limit: int,
        make_rows: Callable[[list[_Stored]], list[_Row]],
        position_of_row: Callable[[_Row], str],
    ) -> ListPage[_Row]:
        """Return a page of up to `limit` rows made of stored ones, some of which give none.

        `make_rows` makes the rows of a batch of stored ones, in order. At most MOST_READ (1,000)
        stored ones are read for a page. So it may have fewer rows than `limit`, and not be the
        last. The other two functions return a row's position in the list, behind which the next
        page may begin.
        """
        rows: list[_Row] = []
        remaining_rows = iter(stored_rows)
        read_count, last_position = 0, None
        at_once = max(limit + 1, _AT_ONCE)
        while len(rows) <= limit:  # one more than fits shows that there is a next page
            batch = list(islice(remaining_rows, min(at_once, MOST_READ - read_count)))
            if not batch:  # all are read, or MOST_READ
                break
            read_count += len(batch)
            last_position = position_of_stored(batch[-1])
            rows += make_rows(batch)
        if len(rows) > limit:
            return self.make_page(rows[:limit], position_of_row(rows[limit - 1]))
        if read_count == MOST_READ:  # there may be more, behind the last that was read
            return self.make_page(rows, last_position)
        return self.make_page(rows, None)

    def parse_position(
        self, token: str | None, parse_position: Callable[[str], Position]
    ) -> Position | None:
        """Return the position that a page token holds, behind which the page begins.

        None without a token stands for the first page. `parse_position` makes the position of its
        text. A ValueError or TypeError of it becomes InvalidInput, as does a damaged token, or one
        of another query. The checksum finds mistakes. It has no key, so people who know the query
        can forge a token.
        """
        if token is None:
            return None
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
            check, payload = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
            if not payload or check != self._check(payload):
                raise ValueError("another checksum")
            return parse_position(payload.decode("ascii"))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(
                "the page token is damaged or belongs to another query: start again without it"
            ) from error

    def _check(self, payload: bytes) -> bytes:
        return hashlib.blake2b(self._query + payload, digest_size=_CHECK_BYTES).digest()


class FaceOrder(StrEnum):
    ENROLLED = "enrolled"
    ARRIVED = "arrived"
    """By the last arrival or, without one, the enrolment: ascending, the longest away comes
    first."""
    ID = "id"
    NAME = "name"
    """Order of a telephone book; people without a name come last."""
    VISITS = "visits"
