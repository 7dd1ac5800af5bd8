"""Entries of the audit, how they are stored, and the chain that they are closed into.

An entry is a JSON object. Its leaf is the hash of a random salt and of its canonical JSON: the leaf
alone does not let anybody guess the entry. The leaves of an hour make a Merkle tree, and its head
holds the root, the hash of the head before it and a number. So whatever is changed, dropped or
swapped below a head that somebody still has is found.

Until its hour is closed an entry is an item. A sighting has none if closing finds it by its
capture, whose transaction writes that item anyway.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, fields

from chalicelib import telemetry
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy.signing import (
    PublicKeys,
    Renewal,
    canonical_json,
    renewal_of,
    verify_statement,
)
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, Item, Put, absent
from chalicelib.storage.values import milliseconds, moment, moment_of_text, time_text

Entry = Mapping[str, Any]

_SALT_BYTES = 16
"""Random bytes of each entry's salt, without which an erased entry could be guessed by its hash."""
HOUR_MS = 3_600_000
"""Milliseconds of an hour, whose entries are closed together."""
ERASED, TRIMMED = "audit erased", "audit trimmed"
"""The entries by which entries go: what each says, the tenant has `signed` as a statement of that
kind."""
READ, READING = "people read", "reading"
"""The entries of reading (privacy/reading): those that name people, and that of a closed hour,
which has the numbers."""
DAYS = "audit days"
"""The kind of statement that the entry of a change of `audit_days` has `signed`, since hours go by
these."""
Statement = dict[str, Any]
Sign = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Signs a statement with the key of a tenant."""


class Leaf(Struct, frozen=True):
    """An entry in an hour: its hash, and the salt and the entry itself as long as they are kept
    (both or neither).

    `salt`: hexadecimal; `entry`: canonical JSON as text.
    """

    hash: str
    salt: str | None = None
    entry: str | None = None

    @property
    def content(self) -> Entry | None:
        read: Entry | None = None if self.entry is None else json.loads(self.entry)
        return read

    def names_one_of(
        self, faceids: Collection[str], since: Mapping[str, datetime] = MappingProxyType({})
    ) -> bool:
        """Tell whether the entry is about one of these faces.

        `since`: when somebody else was enrolled with an id.
        """
        text = self.entry or ""
        if not any(faceid in text for faceid in faceids):
            return False
        named_faceids = faces_of(self.content or {}).intersection(faceids)
        if not named_faceids & since.keys():
            return bool(named_faceids)
        at = moment_of_text((self.content or {})["at"])
        return any(faceid not in since or at < since[faceid] for faceid in named_faceids)

    @property
    def without_entry(self) -> Leaf:
        """The leaf without the content that it is the hash of."""
        return Leaf(self.hash)

    @property
    def is_whole(self) -> bool:
        """Tell whether the hash matches salt and entry; True for a bare leaf."""
        if self.entry is None or self.salt is None:
            return self.entry is self.salt
        return self.hash == _hash_entry(self.salt, self.entry)


def leaf_of(entry: Entry, salt: str | None = None) -> Leaf:
    """Make the leaf of an entry. `salt`: None makes a new one."""
    salt, text = salt or secrets.token_hex(_SALT_BYTES), canonical_json(entry).decode()
    return Leaf(_hash_entry(salt, text), salt, text)


def _hash_entry(salt: str, entry: str) -> str:
    return hashlib.sha256(b"\0" + salt.encode() + b"\0" + entry.encode()).hexdigest()


def compute_root(leaves: Iterable[str]) -> str:
    """Return the Merkle root of leaves' hashes (RFC 9162, 2.1.1: a tree is cut at the largest power
    of two)."""
    return _root([bytes.fromhex(leaf) for leaf in leaves]).hex()


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(leaves[:half]) + _root(leaves[half:])).digest()


class Head(Struct, frozen=True):
    """The newest element of the chain when its hour was closed.

    `number`: from 1 on; an hour without entries has none. `hour`: its first millisecond. `root`: of
    the hour's leaves; `before`: the hash of the head before it, "" for the first.
    """

    tenant: str
    number: int
    hour: int
    count: int
    root: str
    before: str
    closed_at: int

    @property
    def statement(self) -> dict[str, Any]:
        """The bytes that are hashed and signed."""
        return asdict(self)

    @property
    def name(self) -> str:
        return f"hour {self.number} ({time_text(moment(self.hour))[:13]})"

    @property
    def hash(self) -> str:
        return hashlib.sha256(canonical_json(self.statement)).hexdigest()


Document = Mapping[str, Any]
"""A signed head (privacy/signing): its `statement` is the head."""


def head_of(document: Any) -> Head:
    """Read the head of a document. Raises InvalidInput if it is none."""
    statement = document.get("statement") if isinstance(document, Mapping) else None
    kinds = {head_field.name: head_field.type for head_field in fields(Head)}
    # of an hour that no calendar has, or half a character
    with suppress(ValueError, OverflowError):
        if (
            isinstance(statement, Mapping)
            and {name: type(value) for name, value in statement.items()} == kinds
        ):
            head = Head(**statement)
            if head.name and head.hash:
                return head
    raise InvalidInput("this is no head of an audit: `regulars audit head` prints one")


def is_as_closed(head: Head, leaves: Sequence[Leaf]) -> bool:
    """Tell whether these are the leaves that an hour was closed with, bare or not."""
    hashes = [leaf.hash for leaf in leaves]
    return (
        len(leaves) == head.count
        and all(leaf.is_whole for leaf in leaves)
        and compute_root(hashes) == head.root
    )


def said_signed(entry: Entry, sign: Sign, tenant: str, kind: str, **said: Any) -> Entry:
    """Add to an entry a statement that the tenant's key signs."""
    return {
        **entry,
        "signed": sign(tenant, {"kind": kind, "tenant": tenant, "at": entry["at"], **said}),
    }


def statement_of(entry: Entry, tenant: str, public_keys: PublicKeys, hour: int) -> Statement:
    """Return the signed statement of an entry.

    `hour`: the hour that the entry is closed with; if open, the next one.

    Raises InvalidInput unless it is signed by the key of its time. An old key counts in the hour of
    its entry only: a late one may be of somebody who stole that key.
    """
    what = entry["what"]
    statement, signer = verify_statement(
        entry.get("signed"), what if what in (ERASED, TRIMMED) else DAYS
    )
    is_late = at_ms(entry) // HOUR_MS * HOUR_MS < hour
    renewals = () if is_late else map(renewal_of, public_keys.renewals)
    if (statement["tenant"], statement["at"]) != (tenant, entry["at"]) or signer not in {
        public_keys.current,
        *(renewal.old for renewal in renewals if entry["at"] <= renewal.until),
    }:
        raise InvalidInput("it is of another tenant, another time or another key")
    return statement


def at_ms(entry: Entry) -> int:
    return milliseconds(datetime.fromisoformat(entry["at"]))


def faces_of(entry: Entry) -> set[str]:
    """Return the ids of the faces that an entry is about, from the members that have some, and from
    no other text.

    The caller who enrols a face chooses its id: it may be a camera's, a key's, or a word of ours
    such as `sighting`.
    """
    faces_decided_on = (
        decision["face"] for decision in entry.get("decided", ()) if "face" in decision
    )
    faces_read = (
        subject
        for subjects in entry.get("read", {}).values()
        for subject in subjects
        if " " not in subject
    )
    return {
        *entry.get("faces", ()),
        *entry.get("deleted", ()),
        *faces_decided_on,
        *faces_read,
        *_parse_faces_of_id(entry),
    }


def _parse_faces_of_id(entry: Entry) -> list[str]:
    """Return the faces in the id of what an act concerns, if that is made of them."""
    what, of = str(entry.get("what", "")), str(entry.get("of", ""))
    if "/v1/reviews/" in what:
        return [of.partition("-")[2]]  # domain/observations: `promoted-FACE`
    return of.split(".") if "/v1/duplicates/" in what or "/v1/merges/" in what else []


def list_absorbed_faces(entries: Iterable[Entry], faceids: Set[str]) -> set[str]:
    """Return the faces that were merged into these, according to the entries.

    A merge that was undone does not count.
    """
    absorbed: set[str] = set()
    for entry in sorted(entries, key=lambda entry: str(entry["at"])):
        named_faceids = {*entry.get("faces", ())}
        deleted_faceids = {*entry.get("deleted", ())}
        absorbed -= _list_parted_faces(entry)
        # A sighting may push a stranger out, who is no part of the face.
        if entry["what"] != "sighting" and not faceids.isdisjoint(named_faceids - deleted_faceids):
            absorbed |= deleted_faceids
    return absorbed


def _list_parted_faces(entry: Entry) -> set[str]:
    """Return the faces that came back as a merge was undone. Another act that is taken back adds
    none."""
    if not str(entry["what"]).endswith("/undo"):
        return set()
    return {*entry.get("does", {}).get(Effect.ADDS, ())}


def with_absorbed(faceids: Iterable[str], parts_of: Callable[[Set[str]], Set[str]]) -> list[str]:
    """Return these faces, and those that became a part of them, or of these.

    `parts_of`: tells of some at once.
    """
    faceids_found = dict.fromkeys(faceids)
    new_faceids: Set[str] = faceids_found.keys()
    while new_faceids := parts_of(new_faceids) - faceids_found.keys():
        faceids_found |= dict.fromkeys(sorted(new_faceids))
    return [*faceids_found]


class Verified(Struct):
    """The result of a check.

    `findings`: faults, none if it is empty; `last`: the newest head; `entries`: all that stand in
    closed hours; `erased`: how many are bare, by the erasure that took their content; `trimmed`:
    how many hours were let go, by the `audit_days` of then; `waiting`: how many entries are not
    closed, the first of which are from `closes_at` on; `renewals`: those of the signing key, the
    oldest first.
    """

    findings: list[str] = field(default_factory=list)
    renewals: list[Renewal] = field(default_factory=list)
    last: Document | None = None
    hours: int = 0
    entries: int = 0
    erased: Counter[str] = field(default_factory=Counter)
    trimmed: Counter[int] = field(default_factory=Counter)
    waiting: int = 0
    closes_at: datetime | None = None


def entry_put(tenant: str, entry: Entry) -> Put:
    """Return the action that stores an entry until its hour is closed.

    `entry`: with its `id` and `at`.
    """
    return Put(keys.AUDIT, entry_item(tenant, entry), (absent("entry-new"),))


def entry_item(tenant: str, entry: Entry) -> Item:
    leaf, at = leaf_of(entry), milliseconds(datetime.fromisoformat(entry["at"]))
    return {"tenant": tenant, "id": entry["id"], "at": at, "salt": leaf.salt, "entry": leaf.entry}


def new_entry(clock: Clock, what: str, by: str, **more: Any) -> Entry:
    """Make an entry of now. Values that are None, "" or empty are left out."""
    ms = milliseconds(clock.now())
    fields = {name: value for name, value in more.items() if value not in (None, "", [], {})}
    return {
        "id": f"{ms:013d}-{secrets.token_hex(6)}",
        "at": time_text(moment(ms)),
        "what": what,
        "by": by,
        **fields,
    }


def request_id() -> str:
    """Return the id that the log has of the request under way; "" if none is."""
    invocation = telemetry.current()
    return "" if invocation is None else invocation.request_id


def is_by(entry: Entry, caller: str) -> bool:
    """Tell whether an entry is of a caller, even if the caller signed in, or has a name beside the
    id."""
    by = entry["by"]
    return by in (caller, f"{caller}, signed in") or (
        caller.startswith("member ") and by.endswith(f", {caller}")
    )


class EntryFilter(Struct, frozen=True):
    """A question to the audit; None: any.

    `face`: entries that name it; `by`: the actor, as `key first`.

    Who was read in a closed hour stands in entries beside that of the reading: these are for
    questions of a face or an act.

    Raises InvalidInput if no time is between `since_ms` and `until_ms`.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    face: str | None = None
    what: str | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        since_ms, until_ms = self.since_ms, self.until_ms
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise InvalidInput("the time ends before it begins, or as it begins: swap its two ends")

    def lets_pass(self, at_ms: int, entry: Entry) -> bool:
        return (
            (self.since_ms is None or at_ms >= self.since_ms)
            and (self.until_ms is None or at_ms < self.until_ms)
            and self.what in (None, entry["what"])
            and (self.by is None or is_by(entry, self.by))
            and ("reading" not in entry or self.what is not None or self.face is not None)
            and (self.face is None or self.face in faces_of(entry))
        )
