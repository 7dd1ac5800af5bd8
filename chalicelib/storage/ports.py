"""The ports: narrow interfaces to storage, to face models and to all else that is outside.

`ItemStore`, `BlobStore` and `Queue` have an AWS adapter and an embedded one each. Each port has one
test suite, which runs on every adapter (tests/storage). `Vision` is the ONNX pipeline. The ports of
search are in domain/rules/decision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from msgspec import Struct, field

from chalicelib.domain.done import Was
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    PictureRules,
    Quality,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.domain.rules.decision import ImpostorCurve, Population
    from chalicelib.storage.pieces import Pieces

Does = tuple[tuple[str, str], ...]
"""Effects of a write, each with its subject."""

Item = Mapping[str, Any]
"""Attribute values: None, bool, int, Decimal, str, bytes, and lists and string-keyed maps of them;
no floats."""

NOTHING: Item = MappingProxyType({})


# --- items
# --------------------------------------------------------------------------------------------------


class Table(Struct, frozen=True):
    """A table's name, its key attributes, and its strongly consistent indexes.

    Key and index attributes are non-empty strings, ordered by their UTF-8 bytes. `indexes` maps the
    name of an index to the attribute that sorts it within a partition. An item without that
    attribute is not in the index (sparse). An index yields keys: partition, sort and index
    attribute. `projections` maps an index to the attributes that it carries besides, for reads that
    ask for them. `expires`: DynamoDB deletes its items after their `expires_at`. `beside`: those of
    a projection that one box keeps beside the index's keys, so that a list of all does not read the
    items.
    """

    name: str
    partition: str
    sort: str
    indexes: Mapping[str, str] = field(default_factory=dict)
    projections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expires: bool = False
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Condition(Struct, frozen=True):
    """A named requirement on an item's state before the transaction; make it with the functions
    below."""

    kind: str
    name: str
    field: str = ""
    value: Any = None


def absent(name: str) -> Condition:
    """Require that no item has this key."""
    return Condition("absent", name)


def exists(name: str) -> Condition:
    """Require that an item has this key."""
    return Condition("exists", name)


def equals(field: str, value: Any, name: str) -> Condition:
    """Require an item whose attribute equals `value`; None: an item without the attribute, or with
    null in it."""
    return Condition("equals", name, field, value)


def at_least(field: str, value: int, name: str) -> Condition:
    """Require an item whose attribute is a number >= `value`."""
    return Condition("at_least", name, field, value)


class Put(Struct, frozen=True, dict=True):  # for `key`
    """A write of a whole item, which replaces the item of the same key.

    None values are stored as null.

    `does`: its effects on people and accesses, for the audit (domain/effects); `was`: what it
    changes, if somebody may take it back (domain/done). Storage does not read them.
    """

    table: Table
    item: Item
    when: tuple[Condition, ...] = ()
    does: Does = ()
    was: Was | None = None

    @cached_property
    def key(self) -> tuple[str, str]:
        """Partition and sort key, from the item's attributes. Raises KeyError if one is missing."""
        return self.item[self.table.partition], self.item[self.table.sort]


class Update(Struct, frozen=True):
    """A change of an item's attributes.

    The item must exist: `when` needs an `exists`, `equals` or `at_least`.

    `add` adds integers to numbers (a missing one counts as 0); `remove` drops attributes. An
    attribute may be in only one of `set`, `add` and `remove`. `repeatable`: it does no harm if an
    Update that comes alone is done twice, should its answer be lost: that costs half. Not `lasts`:
    a power cut may undo one that comes alone, and it waits for no disk. `does`, `was`: as of Put.
    """

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...]
    set: Item = NOTHING
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    repeatable: bool = False
    lasts: bool = True
    does: Does = ()
    was: Was | None = None


class Delete(Struct, frozen=True):
    """A removal of an item; a missing item is no error unless `when` says so. `does`, `was`: as of
    Put."""

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...] = ()
    does: Does = ()
    was: Was | None = None


class Check(Struct, frozen=True):
    """A check of conditions on an item that does not change it."""

    table: Table
    key: tuple[str, str]
    when: tuple[Condition, ...]


Action = Put | Update | Delete | Check
TableKey = tuple[Table, tuple[str, str]]


class Page(Struct, frozen=True):
    """Some items in order, and an opaque token for the rest (None: no more).

    A page may end early, even empty.
    """

    items: tuple[Item, ...]
    token: str | None


class ItemStore(Protocol):
    """Items in tables, read consistently, changed in transactions.

    Every method raises Busy (throttled, contended: nothing changed) or StorageUnavailable (nothing
    changed, or for `transact`: the outcome is unknown and `token` makes a repeat safe for ten
    minutes).
    """

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        """Read an item, strongly consistent; None if there is none."""

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        """Read the item of each key, in the keys' order; each read is strongly consistent, but they
        are no snapshot."""

    def get_each(self, table_keys: Sequence[TableKey]) -> list[Item | None]:
        """Read the item of each table and key, as `get_many` does."""

    def query(
        self,
        table: Table,
        partition: str,
        *,
        index: str | None = None,
        carried: tuple[str, ...] = (),
        low: str | None = None,
        high: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        """Read a page of one partition's items, strongly consistent, in the order of their keys.

        `low` and `high` are the bounds of the sort key or, with an `index`, of its key; both are
        included. `limit` is the most items. `token` is that of the page before, for the same
        arguments only. `carried` are attributes to read beside the keys. Without any, a read by an
        index has the keys alone, another one all attributes. Fewer attributes take less time, and
        cost as much. Raises InvalidInput for a damaged token, or an attribute that the index does
        not carry.
        """

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        """Iterate over all items whose partition begins so, in no order.

        Of those written meanwhile, some may be there.

        On AWS it reads the whole table: for an operator's commands; no function has the permission.
        """

    def transact(self, actions: Sequence[Action]) -> None:
        """Do all actions or none.

        If all are deletions from one table without conditions, some may be done when it raises.

        Raises ConditionFailed with the names of the conditions that did not hold. Raises
        InvalidInput, before anything is sent, for actions that DynamoDB would refuse: none or over
        100, over 4 MB, over 400 KB an item, two on one item, an empty key, a float.
        """


# --- blobs
# --------------------------------------------------------------------------------------------------


class BlobStore(Protocol):
    """Bytes under `/`-separated keys. They do not change, but for what an erasure replaces.

    Every method raises StorageUnavailable, and InvalidInput for a key that would lead out of the
    store.
    """

    def get(self, key: str) -> bytes | None:
        """Read the whole object; None if there is none."""

    def size(self, key: str) -> int | None:
        """Return the object's size in bytes; None if there is no object."""

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        """Read up to `length` bytes of the object from `begin` on; None if there is no object.

        Raises InvalidInput unless `begin` >= 0 and `length` >= 1.
        """

    def put_if_absent(self, key: str, data: bytes | Pieces, content_type: str) -> bool:
        """Store durably. Returns False, and changes nothing, if the key is taken."""

    def replace(self, key: str, data: bytes, content_type: str) -> None:
        """Store durably in place of what the key holds, so that a reader finds one or the other,
        whole."""

    def walk(self, prefix: str, after: str | None = None) -> Iterator[BlobInfo]:
        """Iterate over objects whose key starts with `prefix` and is greater than `after`, in byte
        order of the key.

        Objects that are stored or deleted meanwhile may come or not. Its errors may be raised on
        the way.
        """

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""


class PictureStore(BlobStore, Protocol):
    """Blobs that browsers fetch by themselves."""

    def signed_get(self, key: str) -> str:
        """Make a URL that gives the object to anybody, for one to two hours.

        Calls within an hour give the same URL, and caches may keep its answer for that long. Raises
        InvalidInput for a key that would lead out of the store.
        """


UPLOADED = "ObjectCreated:Put"
SENT_AGAIN = "SentAgain"
"""The name of our events. The receiver counts the attempt, since there may have been one before."""


def picture_event(name: str, key: str) -> str:
    """Write a message like the one that S3 sends to a queue when an object is stored, as far as it
    is read."""
    return json.dumps({"Records": [{"eventName": name, "s3": {"object": {"key": quote(key)}}}]})


class UploadStore(PictureStore, Protocol):
    """Blobs that clients put there themselves: by a URL that allows one object, once, with the
    announced bytes.

    Each upload sends a message to the captures' queue (S3's event notification, or its twin on one
    box).
    """

    def put_upload(self, key: str, data: bytes, content_type: str) -> bool:
        """Store an object as a client's upload does, message included.

        Returns False if the key is taken.
        """

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        """Make the request by which a client stores an object: `PUT` to a URL with exact headers.

        `upload`: what the client announced, its hash, size and type. The request expires after
        `expires_s`. The store answers 200: stored; 412: the key is taken; 409: two at once, try
        again; 400: the bytes are not the announced ones; 403: expired or changed.
        """


class Upload(Struct, frozen=True):
    """An announced upload: `sha256` is 64 hexadecimal digits, `size` is in bytes."""

    sha256: str
    size: int
    content_type: str


class PresignedRequest(Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str]


class BlobInfo(Struct, frozen=True):
    key: str
    size: int
    stored_at: datetime


# --- queues
# --------------------------------------------------------------------------------------------------


class Message(Struct, frozen=True):
    body: str
    receipt: str
    receive_count: int


class Queue(Protocol):
    """At-least-once messages.

    A received message that is not deleted within the visibility timeout comes again.

    After `max_receives` receives it is put aside, for people. Lambda, or a box's server, receives
    and deletes messages. Every method raises Busy or StorageUnavailable.
    """

    def send(self, body: str, delay_s: int = 0, group: str = "") -> None:
        """Put in a message that can be received after `delay_s` (0..900) seconds.

        `group`: the tenant whose it is. Many messages of one group let those of others pass.
        """

    def drop(self, group: str) -> None:
        """Delete all messages of a group, if the queue can do so.

        SQS cannot: they are dropped as they are received.
        """

    def hide(self, receipt: str, visibility_s: int) -> None:
        """Let a received message come again after `visibility_s` from now; one that is gone is no
        error."""


# --- machinery
# --------------------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present time, aware, UTC."""


class Vault(Protocol):
    """Encryption of stored secrets."""

    def seal(self, secret: str, context: str) -> bytes: ...

    def unseal(self, sealed: bytes, context: str) -> str:
        """Decrypt the secret. Raises StorageUnavailable for a wrong context or damaged bytes."""


class OtherKey(StrEnum):
    """Ways to open a folder whose secrets another key sealed than the one that is named."""

    REFUSED = "refused"
    RENEWED = "renewed"
    """It is the folder's once it seals, and what the other one sealed is lost: so a restore makes
    all secrets anew. A folder that began without a key gets none, and one with a key keeps one."""
    IGNORED = "ignored"
    """The folder is only looked at."""


LONGEST_ASKED_S = 3_600.0
"""Longest wait that a receiver may ask for: more is a mistake over there, and would silence it."""


class ComeBackLater(Unusable):
    """A receiver that takes nothing now, and says when: `again_in_s`, an hour at most."""

    def __init__(self, message: str, again_in_s: float = 0.0) -> None:
        super().__init__(message)
        self.again_in_s = min(again_in_s, LONGEST_ASKED_S)


class TooMany(ComeBackLater):
    """A receiver that is well, and takes no more for the moment."""


class Answered(NamedTuple):
    """A receiver's answer: its status, and the reason that it names in a few words; "": none."""

    status: int
    reason: str = ""
    says_no: bool = False
    """Refusal in its words, also by a status of success: it has taken nothing."""

    @property
    def is_well(self) -> bool:
        """Return whether its status is one of success."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.status} ({self.reason})" if self.reason else f"{self.status}"


class SenderRefused(Unusable):
    """A receiver that refuses this sender in general: a setting has to be changed."""


class Postman(Protocol):
    def require_url(self, url: str) -> None:
        """Raise InvalidInput for a URL that is never posted to."""

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
    ) -> Answered:
        """Post to a URL that a stranger chose, and return what was answered.

        No redirect is followed.

        Raises InvalidInput for a URL that is never posted to, ComeBackLater if the receiver says
        when, Unusable if the call failed, and Busy.
        """


class Mailer(Protocol):
    def mail(self, to: str, subject: str, text: str, picture: bytes | None = None) -> None:
        """Send a mail to one address, with a JPEG if there is one.

        Raises InvalidInput if it can be no mail, and Unusable, which a tenant may read, if it was
        not sent: ComeBackLater if the server takes it later.
        """


class Witness(Protocol):
    def keep(self, name: str, head: bytes) -> None:
        """Keep a signed head (JSON) outside of the service; one of this name stays.

        Raises StorageUnavailable, Unusable and Busy.
        """


class PictureFetcher(Protocol):
    def fetch(self, url: str, tenant: str) -> bytes:
        """Fetch the picture at a stranger's URL. Raises Unusable, which says what was wrong.

        Raises Busy if too many are being fetched, for this tenant or altogether.
        """


class ObjectReader(Protocol):
    def read_object(
        self, bucket: str, key: str, version: str | None, most_bytes: int
    ) -> bytes | None:
        """Read an object of S3; None if it cannot be read, for whatever reason.

        Raises Unusable if it is larger.
        """


class Examined(Struct, frozen=True, eq=False):
    """Findings about some faces, in their order. `embeddings`: (n, dimensions) unit rows."""

    embeddings: NDArray[np.float32]
    estimates: list[Estimates]
    jpegs: list[FaceJpeg]


class Vision(Protocol):
    """Image bytes to faces. Pictures are (height, width, 3) uint8 RGB, upright.

    It is thread-safe. At most one call for each core runs at a time; others wait.
    """

    @property
    def model(self) -> str:
        """Id of the embedding model; templates of different ids are never compared."""

    @property
    def dimensions(self) -> int:
        """Length of its embeddings."""

    @property
    def pack(self) -> str:
        """Name of its model pack."""

    @property
    def impostor_curve(self) -> ImpostorCurve:
        """The embedding's measured impostor-score curve."""

    @property
    def population(self) -> Population:
        """The population by which scores of this embedding are judged."""

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        """Decode a picture and turn it upright.

        Raises Unusable; a broken limit is found before decoding.
        """

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        """Return the width and height of the picture, upright, without decoding it: `read_picture`
        may reduce it.

        Raises Unusable.
        """

    def split_views(self, picture: bytes) -> list[bytes]:
        """Return the further pictures of a face's passage that a picture's file holds, MAX_VIEWS at
        most; some may be damaged, or empty."""

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find all faces, the largest box first."""

    def detect_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find the largest face, as `detect` does, and all of at least half its area, largest
        first.

        Smaller ones may be missing: in a huge picture nobody looks for them.
        """

    def take_whole_as_face(self, image: NDArray[np.uint8]) -> DetectedFace:
        """Take the whole picture as a face that was cropped already, in the form that this
        embedding model needs."""

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        """Return each face's embedding and its estimates (age, quality and so on), in order.

        It does what `embed` and `describe` do, in parallel on free cores. `wanted_attributes` are
        the names of the estimates to make. If `all_boxes`, the boxes of all faces in the picture,
        are given, each face is cut out, too, as by `crop`.
        """

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        """Embed each face, in order: (n, dimensions) unit rows; n may be 0."""

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        """Measure each face's quality without its pose, in order, from the pixels: no model
        runs."""

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        """Return each face's estimates: pose, quality, and those wanted of age, gender and so on.

        They are in the faces' order. `wanted_attributes` are names of ATTRIBUTES. The others are
        None, and no model runs for them.
        """

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        """Make a JPEG of the face with enough margin to detect and embed it again, and a thumbnail.

        `others`: boxes of the picture's other faces. If one of them is in the thumbnail, that shows
        which face is meant.
        """

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        """Make a JPEG of the face in a box to look at, which is brighter than all else if another
        face is in it."""

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        """Make a JPEG of the whole picture, no side of which is longer than `side_px`."""

    def hide_faces(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        """Make a JPEG of the whole picture with the faces in these boxes made unrecognisable."""


FULL_BYTES = 500 * 10**6
"""A disk with less than this free counts as full: SQLite needs room to tidy up, too."""


class Disk(Struct, frozen=True):
    """The size of a disk, and how much of it is free for this process."""

    free_bytes: int
    total_bytes: int

    @property
    def is_full(self) -> bool:
        return self.free_bytes < FULL_BYTES


_T = TypeVar("_T")


class CallStarter(Protocol):
    """A way to begin a call to storage whose answer the caller does not need yet."""

    def __call__(self, work: Callable[[], _T], /) -> Callable[[], _T]:
        """Begin the work, and return what waits for its end: it gives what the work returns, or
        raises its error."""


def defer_call(work: Callable[[], _T], /) -> Callable[[], _T]:
    """Do the work when its end is asked for: on one box, storage answers sooner than a thread
    begins."""
    return work


class Storage(Struct, frozen=True):
    """The storage of all state, on one box or on AWS."""

    items: ItemStore
    blobs: PictureStore
    uploads: UploadStore
    index_queue: Queue
    captures_queue: Queue
    deliveries_queue: Queue
    vault: Vault
    close: Callable[[], None]
    """Closes open files and connections; the storage cannot be used afterwards."""
    wipe: Callable[[], None]
    """Leaves nothing of deleted items in storage's own files, but for what somebody reads just
    then, if storage does not see to that by itself."""
    expires_items: bool
    """Whether storage deletes items by itself after their `expires_at`."""
    scrub: Callable[[], None] = lambda: None
    """Leaves nothing at all, whatever it costs: what an erasure ends with. Raises Busy while
    somebody reads the files or backs them up, StorageUnavailable."""
    begin_life: Callable[[], None] = lambda: None
    """Makes a box's database another one than those that it was copied from, or to."""
    begin_call: CallStarter = defer_call
    """Begins a call to storage beside the caller's other work."""
    disk: Callable[[], Disk] | None = None
    """Measures the disk that all of it is on; None: storage has no end."""
    waiting: Callable[[], int] | None = None
    """Counts the captures that wait to be resolved; None: storage has a metric of its own for
    them."""
    damage: Callable[[], str | None] = lambda: None
    """Reads all items and says what is damaged, if anything is. Storage that sees to that itself
    says nothing."""
