"""What stands: a signed document of the accesses, settings and marks of people that a tenant has at
one time.

It lies beside backups and at the witness. A restored book is from before it: what the book has and
the document lacks has ended since, and ends again. So its size is that of what there is, however
much has ended.

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
from chalicelib.privacy.signing import canonical_json, fingerprint, verify_statement
from chalicelib.storage.values import milliseconds, moment_of_text, time_text

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
_MS_WIDTH = 13


class Access(Struct, frozen=True):
    """Something by which somebody gets in, or is told.

    `secrets`: hashes of what opens it; `rights`: what it may.
    """

    secrets: frozenset[str] = frozenset()
    rights: Mapping[str, Any] = field(default_factory=dict)


class Standing(Struct, frozen=True):
    """Accesses, settings and marks of a tenant's book at one time.

    `faces`: the marks of faces, by the hash of the id. `base`: when the backup was made from which
    the book was restored last; None: it never was. `kinds`: those of accesses that it tells of: a
    later version may add some.
    """

    accesses: Mapping[str, Access]
    settings: Mapping[str, Any]
    faces: Mapping[str, Sequence[str]]
    is_disabled: bool
    life: str
    at: datetime
    base: datetime | None = None
    kinds: frozenset[str] = frozenset(KINDS)


Rotate = Callable[[str], object]
"""Gives a tenant other shared keys, and writes them down."""


class Restored(Struct, frozen=True):
    """A tenant of a restored book.

    `backed_up_at`: when the backup was made; `standing`: what stood then; `rotate`: as Rotate;
    `trusted`: the fingerprints of signers besides the tenant's keys.
    """

    tenant: Tenant
    backed_up_at: datetime
    standing: Standing
    rotate: Rotate
    trusted: Collection[str] = ()


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
    """Make the statement that the tenant signs, but for its time (`at`)."""
    return {
        "kind": KIND,
        "tenant": tenant,
        "app_id": app_id,
        "life": standing.life,
        "base": "" if standing.base is None else time_text(standing.base),
        "kinds": sorted(standing.kinds),
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
    """Return by what two statements are compared, whenever each was made."""
    return hashlib.sha256(canonical_json({**statement, "at": ""})).hexdigest()


def name_document(app_id: str, life: str, at: datetime | None = None) -> str:
    """Make the name of a document where it is kept: one beside a backup, and with `at` one of many
    at a witness.

    A book that was restored, or copied, has another life, and so never writes over the documents of
    the former one.
    """
    time = "" if at is None else f"-{milliseconds(at):0{_MS_WIDTH}d}"
    return f"{RECEIPTS}{app_id}/{_NAME}{life or '0'}{time}.json"


def is_document(name: str) -> bool:
    """Tell whether a name among the receipts is that of such a document."""
    return name.rpartition("/")[2].startswith(_NAME)


def is_before(name: str, at: datetime) -> bool:
    """Tell whether the name of a document at a witness says that it is from before a time."""
    time = name.removesuffix(".json").rpartition("-")[2]
    return (
        is_document(name)
        and time.isdecimal()
        and len(time) == _MS_WIDTH
        and int(time) <= milliseconds(at)
    )


class Document(Struct, frozen=True):
    """A signed document that somebody kept. `signer`: the public key that signed it."""

    statement: Mapping[str, Any]
    signer: bytes

    @property
    def tenant(self) -> str:
        return str(self.statement["tenant"])

    @property
    def at(self) -> datetime:
        return moment_of_text(self.statement["at"])

    def read_standing(self) -> Standing:
        """Return what it says. Raises InvalidInput if it is no such document."""
        said = self.statement
        try:
            accesses = {
                str(name): Access(frozenset(map(str, access["secrets"])), dict(access["rights"]))
                for name, access in said["accesses"].items()
            }
            faces = {str(hashed): tuple(map(str, marks)) for hashed, marks in said["faces"].items()}
            settings = dict(said["settings"])
            is_disabled = bool(said["disabled"])
            life = str(said["life"])
            base = moment_of_text(said["base"]) if said["base"] else None
            kinds = frozenset(map(str, said["kinds"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidInput("this is no document of what stands") from error
        return Standing(accesses, settings, faces, is_disabled, life, self.at, base, kinds)


def parse_document(document: Any) -> Document | None:
    """Read a document; None if it is another statement.

    Raises InvalidInput if it is not as it was signed.
    """
    statement, signer = verify_statement(document)
    if statement.get("kind") != KIND:
        return None
    read = Document(statement, signer)
    try:
        if (
            read.tenant
            and read.at
            and isinstance(statement["app_id"], str)
            and isinstance(statement["key"], str)
        ):
            read.read_standing()
            return read
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput("this is no document of what stands") from error
    raise InvalidInput("this is no document of what stands")


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


def find_marked_since(
    later: Sequence[Standing], hashed: str, mark: str, freed: datetime
) -> datetime | None:
    """Return the time of the first document that has a face's mark, of those that had it last
    without a break; None: none has it.

    `later`: the newest last. `freed`: when the face lost the mark: documents of before then, and of
    that time, count as without it.
    """
    since, was_marked = None, False
    for standing in later:
        is_marked = standing.at > freed and mark in standing.faces.get(hashed, ())
        if is_marked and not was_marked:
            since = standing.at
        was_marked = is_marked
    return since


def find_withdrawn_at(later: Sequence[Standing], hashed: str, since: datetime) -> datetime:
    """Return when the consent of a face was withdrawn, as its documents say it.

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
    """Return a setting's value as a document has it: a hash of what somebody wrote, else the value
    itself."""
    if isinstance(value, str) and not SETTINGS[name].choices:
        return f"#{hash_with(key, name, value)}"
    if isinstance(value, Set):
        return f"#{hash_with(key, name, *sorted(map(str, value)))}"
    return value
