"""The narrow ports behind which all state and all machinery stand.

`ItemStore`, `BlobStore` and `Queue` have an AWS adapter and an embedded one each, and one test suite a port runs on
every adapter (tests/adapters). `Vision` is the ONNX pipeline. The ports of searching are in core/search.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.core.pictures import DetectedFace, Estimates, PictureRules, Quality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import ImpostorCurve

Item = Mapping[str, Any]
"""Attribute values: None, bool, int, Decimal, str, bytes, and lists and string-keyed maps of them; no floats."""

NOTHING: Item = MappingProxyType({})


# --- items ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table's name, the attributes that are its key, and its strongly consistent indexes.

    Key and index attributes are non-empty strings, ordered by their UTF-8 bytes. An index maps its name to the
    attribute that sorts it (within the same partition); an item without that attribute is not in the index (sparse).
    An index yields keys only: partition, sort and index attribute.
    """

    name: str
    partition: str
    sort: str
    indexes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """One named requirement on the item as it was before the transaction; make it with the functions below."""

    kind: str
    name: str
    field: str = ""
    value: Any = None


def absent(name: str) -> Condition:
    """No item has this key."""
    return Condition("absent", name)


def exists(name: str) -> Condition:
    """An item has this key."""
    return Condition("exists", name)


def equals(field: str, value: Any, name: str) -> Condition:
    """The item exists and its attribute equals `value`; None: it exists and has no such attribute (or null)."""
    return Condition("equals", name, field, value)


def at_least(field: str, value: int, name: str) -> Condition:
    """The item exists and its attribute is a number >= `value`."""
    return Condition("at_least", name, field, value)


@dataclass(frozen=True)
class Put:
    """Write the whole item, replacing what has its key. None values are stored as null."""

    table: Table
    item: Item
    when: tuple[Condition, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Partition and sort key of the item, whose attributes they are; KeyError without them."""
        return self.item[self.table.partition], self.item[self.table.sort]


@dataclass(frozen=True)
class Update:
    """Change attributes of an item. It must exist: an Update always needs an `exists`, `equals` or `at_least`.

    `add` adds integers to numbers (a missing one counts as 0); `remove` drops attributes. An attribute stands in one of
    the three only.
    """

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...]
    set: Item = field(default_factory=lambda: NOTHING)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delete:
    """Remove an item; removing what is not there is no error unless `when` says so."""

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Check:
    """Require conditions of an item without changing it."""

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...]


Action = Put | Update | Delete | Check


@dataclass(frozen=True)
class Page:
    """Some items in order, and an opaque token for the rest (None: no more). A page may end early, even empty."""

    items: tuple[Item, ...]
    token: str | None


class ItemStore(Protocol):
    """Items in tables, read consistently, changed in transactions.

    Every method raises Busy (throttled, contended: nothing changed) or StorageUnavailable (nothing changed, or for
    `transact`: the outcome is unknown and `token` makes a repeat safe for ten minutes).
    """

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        """The item, strongly consistent, or None."""

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        """One answer a key, in the keys' order, strongly consistent each (not a snapshot of all)."""

    def query(
        self,
        table: Table,
        partition: str,
        *,
        index: str | None = None,
        low: str | None = None,
        high: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        """Items of one partition in key order (or the index's), `low` <= sort <= `high`, strongly consistent.

        `limit` bounds the page. Through an index, items hold keys only. A token is good for the same call only;
        a damaged one raises InvalidInput.
        """

    def transact(self, actions: Sequence[Action]) -> None:
        """Do all actions or none.

        Raises ConditionFailed with the names of the conditions that did not hold; InvalidInput, before anything is
        sent, for what DynamoDB would refuse: none or over 100 actions, 4 MB, 400 KB an item, two actions on one item,
        an empty key, a float.
        """


# --- blobs ----------------------------------------------------------------------------------------------------------


class BlobStore(Protocol):
    """Immutable bytes under `/`-separated keys. Raises StorageUnavailable, InvalidInput for a key that leaves it."""

    def get(self, key: str) -> bytes | None:
        """The whole object, or None."""

    def size(self, key: str) -> int | None:
        """Bytes of the object, or None."""

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        """Bytes `begin`..`begin + length` of the object, as many of them as there are; None where there is no object.

        `begin` >= 0 and `length` >= 1, else InvalidInput.
        """

    def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """Store durably; False, and nothing changed, where the key is taken."""

    def list(self, prefix: str, after: str | None = None, limit: int = 1000) -> Sequence[BlobInfo]:
        """Objects whose key starts with `prefix` and is greater than `after`, in byte order of the key."""

    def delete(self, key: str) -> None:
        """Remove the object; no error where there is none."""


class UploadStore(BlobStore, Protocol):
    """Blobs that others put there themselves: by an URL that allows one object, once, with these bytes.

    What was put announces itself in the captures' queue (S3's event notification, or its twin on one box).
    """

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        """What to send so that the object is stored: `PUT` to the url with exactly these headers.

        Answered 200: stored; 412: the key is taken; 409: two at once, try again; 400: the bytes are not those that
        were announced; 403: expired or changed.
        """

    def presigned_get(self, key: str, expires_s: int) -> str:
        """A URL that gives the object to whoever has it, for so long."""


@dataclass(frozen=True)
class Upload:
    """What will be put: `sha256` are 64 hexadecimal digits, `size` bytes."""

    sha256: str
    size: int
    content_type: str


@dataclass(frozen=True)
class PresignedRequest:
    method: str
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class BlobInfo:
    key: str
    size: int
    stored_at: datetime


# --- queues -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    body: str
    receipt: str
    receive_count: int


class Queue(Protocol):
    """At-least-once messages. A message received and not deleted within the visibility timeout comes again.

    After `max_receives` receives it goes to the dead letters instead. Raises Busy or StorageUnavailable.
    """

    def send(self, body: str, delay_s: int = 0) -> None:
        """Put a message in, to be received in `delay_s` (0..900) seconds at the earliest."""

    def receive(self, limit: int, visibility_s: int) -> list[Message]:
        """Up to `limit` (at most 10) messages, hidden from others for `visibility_s`."""

    def delete(self, receipt: str) -> None:
        """The message is done; a receipt whose message is gone is no error."""

    def dead_letters(self, limit: int) -> list[Message]:
        """Up to `limit` (at most 10) messages that were received too often, left where they are."""


# --- machinery --------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime:
        """The present time, aware, UTC."""


class Vault(Protocol):
    """Seals secrets at rest."""

    def seal(self, secret: str, context: str) -> bytes: ...

    def unseal(self, sealed: bytes, context: str) -> str:
        """The secret; a wrong context or damaged bytes raise StorageUnavailable."""


class Postman(Protocol):
    def require_url(self, url: str) -> None:
        """Raises InvalidInput for a URL that is never posted to."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """POST to a URL that a stranger chose; the answer's status, its body is not read. Redirects are not followed.

        Raises InvalidInput for a URL that is never posted to, Unusable with what was wrong on the way, Busy.
        """


class PictureFetcher(Protocol):
    def fetch(self, url: str) -> bytes:
        """The picture that is at a stranger's URL. Raises Unusable with what was wrong, Busy."""


class Vision(Protocol):
    """Image bytes to faces. Pictures are (height, width, 3) uint8 RGB, upright.

    Thread-safe; at most as many calls as there are cores run at a time, others wait.
    """

    @property
    def model(self) -> str:
        """Id of the embedding model; templates of different ids are never compared."""

    @property
    def impostor_curve(self) -> ImpostorCurve:
        """The embedding's measured impostor-score curve."""

    def read(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        """Decode and turn upright. Raises Unusable, before decoding where a limit is passed."""

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """All faces, largest box first."""

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        """(n, dimensions) unit rows, one a face, in order; n may be 0."""

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        """Quality but for the pose, one a face, in order: from the pixels, at the cost of no model."""

    def describe(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Estimates]:
        """Attributes, pose and quality, one a face, in order."""

    def crop(self, image: NDArray[np.uint8], face: DetectedFace) -> bytes:
        """A JPEG of the face with enough margin to detect and embed it again."""


@dataclass(frozen=True)
class Storage:
    """Where the state is kept: one box or AWS."""

    items: ItemStore
    blobs: BlobStore
    uploads: UploadStore
    index_queue: Queue
    captures_queue: Queue
    deliveries_queue: Queue
    vault: Vault
    close: Callable[[], None]
    """Let go of what is open; the storage is of no use afterwards."""
    expires_items: bool
    """Items go by themselves behind their `expires_at`."""
