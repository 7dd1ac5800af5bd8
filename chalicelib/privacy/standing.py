"""The access register: a signed document of a tenant's accesses, settings and marks of people at
one time.

It lies beside backups and at the witness. A restored book is from before it: what the book has and
the document lacks has ended since, and ends again. So its size is that of what there is, however
much has ended.

Each document has a number, by which the order of two is known, whatever the clock said (Point).

It names no person and holds no secret. Of a secret it has a hash by the tenant's face key, and of a
face's id, too, as receipts of erasures do. Accesses have their ids: `key 12`. A text of a setting
is a hash.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from chalicelib.domain.effects import SHARED_KEYS
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Tenant
from chalicelib.domain.tenant_settings import SETTINGS
from chalicelib.privacy.erasure_progress import RECEIPTS
from chalicelib.privacy.signing import canonical_json, fingerprint, parse_statement
from chalicelib.storage.values import moment_of_text, time_text

KIND = "what stands"
"""The kind of the document's statement."""

HELD, RESTRICTED, WITHDRAWN = "held", "restricted", "withdrawn"
"""Marks of a face: under legal hold; restricted for a reason; its consent was withdrawn."""

REMEMBERED = "remembered "
"""The beginning of the mark of a face whose person asks to be remembered; then the ground."""

SINCE = "since "
"""The beginning of the mark of a face whose consent was withdrawn; then the time."""

KINDS = (SHARED_KEYS, "key", "member", "hook", "camera")
"""Kinds of accesses: the beginnings of their names."""

_HASH_CHARACTERS = 32
"""Hexadecimal characters of a hash, 128 bits: they are compared, and nobody has the key."""
_NAME = "stands-"
_WIDTH = 13
"""Digits of a number in a name."""


class Point(Struct, frozen=True):
    """Point in a book's history at which a document or a backup was made, independent of any clock.

    `number`: how many documents the book had made. It only rises, also by a restore, which goes on
    from the highest that it knows. `life`: the book's; `line`: its former lives, with the number at
    which the next one left each. `signer`: the fingerprint of the tenant's public key.
    """

    life: str
    number: int
    line: Mapping[str, int]
    signer: str

    def find_left(self, life: str) -> int | None:
        """Return the number up to which a life led to this point; None: it did not."""
        return self.number if life == self.life else self.line.get(life)

    def includes(self, other: Point) -> bool:
        """Tell whether the book had been at the other point, or is there."""
        left = self.find_left(other.life)
        return left is not None and other.number <= left


class Access(Struct, frozen=True):
    """An access: something by which a person signs in, or is notified.

    `secrets`: hashes of what opens it; `rights`: what it may.
    """

    secrets: frozenset[str] = frozenset()
    rights: Mapping[str, Any] = field(default_factory=dict)


class Standing(Struct, frozen=True):
    """Accesses, settings and marks of a tenant's book at one time.

    `faces`: the marks of faces, by the hash of the id. `kinds`: those of accesses that it tells of:
    a later version may add some.
    """

    accesses: Mapping[str, Access]
    settings: Mapping[str, Any]
    faces: Mapping[str, Sequence[str]]
    is_disabled: bool
    point: Point
    at: datetime
    kinds: frozenset[str] = frozenset(KINDS)


Rotate = Callable[[str], object]
"""Gives a tenant other shared keys, and writes them down."""


class Restored(Struct, frozen=True):
    """A tenant of a restored book.

    `backed_up_at`, `point`: when the backup was made; `standing`: what stood then; `rotate`: as
    Rotate.
    """

    tenant: Tenant
    backed_up_at: datetime
    point: Point
    standing: Standing
    rotate: Rotate


class Ended(Struct, frozen=True):
    """An access of a restored book that is not as it was last.

    `is_gone`: the access itself is over; else `over` are the hashes of its secrets that are, and
    `rights` those that it had last, with their values.
    """

    access: str
    is_gone: bool = False
    over: frozenset[str] = frozenset()
    rights: Mapping[str, Any] = field(default_factory=dict)


def hash_with(key: bytes, *parts: str) -> str:
    """Return the hash of a secret, or of a face's id, by the tenant's face key."""
    text = "\n".join((KIND, *parts)).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]


def make_statement(tenant: str, app_id: str, key: bytes, standing: Standing) -> dict[str, Any]:
    """Make the statement that the tenant signs."""
    return {
        "kind": KIND,
        "tenant": tenant,
        "app_id": app_id,
        "life": standing.point.life,
        "number": standing.point.number,
        "line": dict(standing.point.line),
        "kinds": sorted(standing.kinds),
        "at": time_text(standing.at),
        "key": fingerprint(key),
        "disabled": standing.is_disabled,
        "settings": dict(standing.settings),
        "accesses": {
            name: {"secrets": sorted(access.secrets), "rights": dict(access.rights)}
            for name, access in standing.accesses.items()
        },
        "faces": {hashed: sorted(marks) for hashed, marks in standing.faces.items()},
    }


def compute_digest(statement: Mapping[str, Any]) -> str:
    """Return a digest for the comparison of two statements, whenever each was made."""
    return hashlib.sha256(canonical_json({**statement, "at": "", "number": 0})).hexdigest()


def name_document(app_id: str, life: str, number: int | None = None) -> str:
    """Make the name of a document where it is kept: one beside a backup, and with `number` one of
    many at a witness.

    A book that was restored, or copied, has another life, and so never writes over the documents of
    the former one.
    """
    suffix = "" if number is None else f"-{number:0{_WIDTH}d}"
    return f"{RECEIPTS}{app_id}/{_NAME}{life}{suffix}.json"


def is_document(name: str) -> bool:
    """Tell whether a name among the receipts is that of an access register."""
    return name.rpartition("/")[2].startswith(_NAME)


def is_before(name: str, point: Point) -> bool:
    """Tell whether a document at a witness is, by its name, from before a point."""
    life, _, number = name.rpartition(_NAME)[2].removesuffix(".json").rpartition("-")
    left = point.find_left(life)
    return left is not None and number.isdecimal() and int(number) <= left


class Document(Struct, frozen=True):
    """A signed access register that was kept elsewhere.

    `name`: where it lies; `app_id`: the book's id; `key`: the fingerprint of the key by which it
    has hashes.
    """

    name: str
    app_id: str
    key: str
    standing: Standing

    @property
    def point(self) -> Point:
        """Return the point at which it was made, as it states."""
        return self.standing.point


def parse_document(data: bytes, name: str = "") -> Document | None:
    """Read a document; None if it is another statement.

    Raises InvalidInput if it is not as it was signed.
    """
    said, signer = parse_statement(data, "")
    if said.get("kind") != KIND:
        return None
    try:
        accesses = {
            str(access): Access(frozenset(map(str, of["secrets"])), dict(of["rights"]))
            for access, of in said["accesses"].items()
        }
        line = {str(life): int(number) for life, number in said["line"].items()}
        standing = Standing(
            accesses,
            dict(said["settings"]),
            {str(hashed): tuple(map(str, marks)) for hashed, marks in said["faces"].items()},
            bool(said["disabled"]),
            Point(str(said["life"]), int(said["number"]), line, fingerprint(signer)),
            moment_of_text(said["at"]),
            frozenset(map(str, said["kinds"])),
        )
        return Document(name, str(said["app_id"]), str(said["key"]), standing)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InvalidInput("this is no document of what stands") from error


class Chosen(Struct, frozen=True):
    """Documents of one book, judged for a restore.

    `later`: what those say that count, the newest last. By name of the others: `aside`, why each
    tells nothing of the time since the backup; `refused`, why each cannot be relied on that may.
    `asked`: the fingerprints of keys by which all of `refused` counted or went aside.
    """

    later: Sequence[Standing] = ()
    aside: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    asked: Sequence[str] = ()


def choose_documents(
    point: Point, key: str, trusted: Collection[str], documents: Sequence[Document]
) -> Chosen:
    """Choose the valid access registers of a book whose backup was made at a point.

    `key`: the fingerprint of the book's face key. `trusted`: those of signing keys that the
    operator names. If one of these signed something, what the backup's own key signed counts no
    more: it may be a thief's.
    """
    since = [document for document in documents if not point.includes(document.point)]
    newer = [document for document in since if document.point.includes(point)]
    aside = {
        document.name: _explain_branch(point, document.point)
        for document in since
        if document not in newer
    }
    legible = [document for document in newer if document.key == key]
    named = [document for document in legible if document.point.signer in trusted]
    own = [document for document in legible if document.point.signer == point.signer]
    counting = named or own
    unread = list[Document]()
    for document in newer:
        if document in counting:
            continue
        follower = _find_follower(document, named)
        if follower is not None:
            aside[document.name] = f"{follower.name} is newer"
        elif named and document in own:
            aside[document.name] = "it is signed with the backup's key, and --key names a newer one"
        else:
            unread.append(document)
    return Chosen(
        [document.standing for document in sorted(counting, key=_order)],
        aside,
        {document.name: _explain_refusal(document, key) for document in unread},
        sorted(
            {
                document.point.signer
                for document in unread
                if document.key == key and _find_follower(document, unread) is None
            }
        ),
    )


def _order(document: Document) -> tuple[int, int, str]:
    point = document.point
    return point.number, len(point.line), point.life


def _find_follower(document: Document, others: Sequence[Document]) -> Document | None:
    """Return a document by which the book went on from this one."""
    return next(
        (each for each in others if each is not document and each.point.includes(document.point)),
        None,
    )


def _explain_branch(point: Point, other: Point) -> str:
    """Say why a document tells nothing of a book that was never at its point."""
    if other.find_left(point.life) is not None:
        return "its book was restored from an older backup, such as a trial"
    if other.life in point.line:
        return "its book went on after this one was restored from it"
    return "its book is another copy, which neither led to this backup nor came from it"


def _explain_refusal(document: Document, key: str) -> str:
    if document.key != key:
        return "its hashes use a face key that this backup lacks"
    return f"it is signed with key {document.point.signer}, which this backup does not know"


def list_ended(present: Standing, later: Sequence[Standing]) -> Iterator[Ended]:
    """Yield the accesses of a restored book that are not as they were last.

    `later`: of times since, the newest last.

    An access, and a secret, has to stand in all of them: none comes back under the same id. So a
    document that somebody took away, or a clock that was wrong once, gives nothing back. Of rights
    the newest document has the last word.
    """
    for name, access in present.accesses.items():
        telling = [standing for standing in later if _get_kind(name) in standing.kinds]
        if not telling:
            continue
        known = [standing.accesses.get(name) for standing in telling]
        secrets_left = access.secrets.intersection(
            *(each.secrets for each in known if each is not None)
        )
        last = known[-1]
        if last is None or any(each is None for each in known):
            yield Ended(name, is_gone=True)
            continue
        rights = {right: value for right, value in last.rights.items() if right in access.rights}
        if secrets_left != access.secrets or rights != {
            right: access.rights[right] for right in rights
        }:
            yield Ended(name, over=access.secrets - secrets_left, rights=rights)


def _get_kind(access: str) -> str:
    return access if access in KINDS else access.partition(" ")[0]


def list_new(present: Standing, later: Sequence[Standing]) -> list[str]:
    """Return the accesses that were made since, and that a restored book does not have."""
    return sorted(later[-1].accesses.keys() - present.accesses.keys())


def find_marked_since(later: Sequence[Standing], hashed: str, mark: str) -> datetime | None:
    """Return the time of the first document that has a face's mark, of those that had it last
    without a break; None: none has it.

    `later`: the newest last.
    """
    since, was_marked = None, False
    for standing in later:
        is_marked = mark in standing.faces.get(hashed, ())
        if is_marked and not was_marked:
            since = standing.at
        was_marked = is_marked
    return since


def find_withdrawn_at(later: Sequence[Standing], hashed: str, since: datetime) -> datetime:
    """Return when the consent of a face was withdrawn, according to its documents.

    `since`: as `find_marked_since` returns it, which is the withdrawal or later: the next document
    takes the place of the one before.
    """
    times = [
        moment_of_text(mark.removeprefix(SINCE))
        for standing in later
        for mark in standing.faces.get(hashed, ())
        if mark.startswith(SINCE)
    ]
    return min(since, max(times, default=since))


def write_value(value: Any, key: bytes, name: str) -> Any:
    """Return a setting's value in the form of a document: a hash of free text, else the value
    itself."""
    if isinstance(value, str) and not SETTINGS[name].choices:
        return f"#{hash_with(key, name, value)}"
    if isinstance(value, Set):
        return f"#{hash_with(key, name, *sorted(map(str, value)))}"
    return value
