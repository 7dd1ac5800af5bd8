"""Erasures: what is still to be forgotten of faces that were deleted, how far that is, and the
receipt at its end."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.consent import EndedRecord, Ending
from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.model import NOBODY, Face, make_name_of_visit
from chalicelib.domain.texts import DEFAULT_LANGUAGE
from chalicelib.privacy.data_map import DATA_MAP, Step
from chalicelib.privacy.signing import PublicKeys, fingerprint, renewal_of
from chalicelib.privacy.texts import words_of
from chalicelib.storage.ports import Item
from chalicelib.storage.values import Codec, Form, milliseconds, moment_of_text, time_text

RECEIPT = "erasure"
"""The kind of a receipt's statement."""

RECEIPTS = "receipts/"
"""What the names of all receipts begin with that are kept outside."""

COUNTED, HASHED = ("captures_deleted", "captures_hidden", "observations"), ("pictures", "templates")
"""What a receipt counts, and what it has the hashes of."""

SETTLED = timedelta(minutes=2)
"""After so long no request runs on that found a face before it was deleted."""


MOST_NAMED = 400
"""Faces in one record with those that only the audit knows as a part of them; for more there are
further records."""

OF_ERASURE = tuple(Step)
"""Also after all but the template of somebody went, who is remembered. Then the last step makes no
receipt, since the person is not erased yet."""
OF_DELETION = (Step.TRACES, Step.SIGHTINGS)
"""After a deletion that erases nobody: observations stay without age, gender and crops, events
without the name."""


class Refused(Struct, frozen=True):
    """Keyed hashes, which cannot be reversed, by which people who withdrew are refused.

    `end`: how their consent ended; `hashes`: of ids, pictures and a record (`hash_claim`).
    """

    end: EndedRecord
    hashes: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return it as a receipt has it."""
        return {
            "ended": str(self.end.ending) or "erased",
            "at": time_text(self.end.at),
            "counts_from": time_text(self.end.counts_from),
            "hmac_sha256": list(self.hashes),
        }


def parse_refused(said: Mapping[str, Any]) -> Refused:
    """Parse the output of `Refused.describe`. Raises KeyError, TypeError or ValueError."""
    ending = Ending.NONE if said["ended"] == "erased" else Ending(said["ended"])
    times = (moment_of_text(said[name]) for name in ("at", "counts_from"))
    return Refused(EndedRecord(ending, *times), tuple(said["hmac_sha256"]))


class Erasure(Struct, frozen=True):
    """An erasure, or the steps after a deletion (`erases` false). Once done, it holds no face any
    more."""

    id: str
    at: datetime
    by: str
    """The asker: id of a key, or a word for another way."""
    erases: bool
    faceids: tuple[str, ...] = ()
    """The faces, and those that were merged into them; () once the receipt alone is left to do."""
    number: int = 0
    """How many faces were deleted; 0: it goes on with an earlier one, whose faces had become too
    many."""
    names: tuple[str, ...] = ()
    """What the people are called, which their observations may have as labels; () once the receipt
    alone is left."""
    step: int = 0
    """Number of its steps that are done."""
    seq: int | None = None
    """A change of the gallery after which the faces are gone; None: not looked up yet."""
    pseudonym: str = ""
    """A secret of which the names are made that the observations get (`name_visit`); "" once the
    receipt alone is left to do: then nobody can tell which names are of one person."""
    groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The last group of each face that has a name, by which its visits as a stranger count; empty
    once the receipt alone is left, as are the next two."""
    staff: tuple[str, ...] = ()
    """Ids of the faces that were staff."""
    firsts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """When faces came for the first time, in ms, by faceid; 0: longer ago than is kept. Only of a
    tenant whose observations go."""
    faces: tuple[str, ...] = ()
    """A hash of each faceid (`add_face_hashes`); () until the receipt alone is left to do."""
    face_key: str = ""
    """The fingerprint of the key that hashed them."""
    others: tuple[str, ...] = ()
    """A hash of each other face that has one of the ids, and is not erased (`add_face_hashes`)."""
    refused: tuple[Refused, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """SHA-256 of what was removed, by kind."""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    done_at: datetime | None = None
    receipt: Mapping[str, Any] | None = None
    is_told: bool = False
    """Whether the witness has the receipt."""
    strips: bool = False
    """Whether the face is still there, with its id and templates, and all else goes as by an
    erasure."""

    @property
    def is_whole(self) -> bool:
        """Return whether no trace of the person stays beside the face."""
        return self.erases or self.strips

    @property
    def steps(self) -> Sequence[Step]:
        return OF_ERASURE if self.is_whole else OF_DELETION

    @property
    def next_step(self) -> Step | None:
        """The step that is being done; None: all are."""
        return self.steps[self.step] if self.step < len(self.steps) else None

    @property
    def goes_on_at(self) -> datetime:
        """The time from which the next step may start."""
        return (
            self.at + SETTLED
            if self.next_step in (Step.LATE, Step.GALLERY, Step.RECEIPT)
            else self.at
        )


def receipt_name(app_id: str, id_: str) -> str:
    """Make the name of a receipt where it is kept outside: at a witness, or beside a backup.

    `app_id`: the tenant's, since two boxes that share a witness may have tenants of one name.
    """
    return f"{RECEIPTS}{app_id}/{id_}.json"


def names_of(face: Face) -> set[str]:
    """Return the names of a face: its name and, if it is in a face set, its first label, which may
    repeat that set's name."""
    return {face.name, face.labels.a if face.own_face_set else ""} - {""}


def name_visit(erasure: Erasure, faceid: str, begin_ms: int) -> str:
    """Make the name under which the observations of one visit of a face are counted. It is stored
    nowhere else."""
    return make_name_of_visit(erasure.pseudonym, faceid, begin_ms)


def is_erased(faceid: str) -> bool:
    """Return whether an observation belongs to no face: its person was erased, or, in a list, is
    restricted."""
    return faceid.startswith(NOBODY)


def add_face_hashes(erasure: Erasure, key: bytes, present_faces: Iterable[Face] = ()) -> Erasure:
    """Give an erasure the hashes of its faces' ids.

    `key`: the tenant's, since ids can be guessed: they are times.

    `present_faces`: the faces that have one of the ids now. Those that had it when the erasure was
    asked for are noted: done again, the erasure of a former face leaves them. They are hashes,
    since the receipt tells nobody when others came.
    """
    earlier_faces = [face for face in present_faces if face.enrolled_at <= erasure.at]
    return replace(
        erasure,
        face_key=fingerprint(key),
        faces=tuple(hash_claim(key, "id", faceid) for faceid in erasure.faceids),
        others=tuple(hash_claim(key, "other", _name_exactly(face)) for face in earlier_faces),
    )


def require_receipt(
    statement: Mapping[str, Any],
    signer: bytes,
    tenant: str,
    public_keys: PublicKeys,
    trusted_signers: Collection[str],
) -> None:
    """Raise InvalidInput unless a receipt is the tenant's, signed with its key of that time.

    `public_keys`: the tenant's; `trusted_signers`: fingerprints of others that the operator
    believes at any time.
    """
    if statement.get("tenant") != tenant:
        raise InvalidInput(
            f"it is of tenant {str(statement.get('tenant'))[:60]!r}, not of {tenant!r}"
        )
    require_signer(
        signer, tenant, public_keys, trusted_signers, at=str(statement.get("done_at", "~"))
    )


def require_signer(
    signer: bytes,
    tenant: str,
    public_keys: PublicKeys,
    trusted_signers: Collection[str],
    *,
    at: str,
) -> None:
    """Raise InvalidInput unless the signer is the tenant's key of the time `at`, or one that the
    operator believes.

    `public_keys`, `trusted_signers`: as `require_receipt` has them.
    """
    signer_fingerprint = fingerprint(signer)
    if signer == public_keys.current or signer_fingerprint in trusted_signers:
        return
    ends = [
        renewal.until for renewal in map(renewal_of, public_keys.renewals) if renewal.old == signer
    ]
    if not ends:
        raise InvalidInput(
            f"tenant {tenant!r} has no key of this signer's fingerprint, {signer_fingerprint}: if "
            "you know whose it "
            "is, and trust it, name it by --key; else take its file away"
        )
    if at > max(ends):
        raise InvalidInput(
            f"it says a time after {max(ends)}, when the key that signed it was renewed"
        )


def require_done(erasure: Erasure) -> Mapping[str, Any]:
    """Return the receipt. Raises Conflict if there is none yet."""
    if erasure.receipt is None:
        raise Conflict(f"erasure {erasure.id} goes on: it has a receipt at its end")
    return erasure.receipt


def is_of_face_key(statement: Mapping[str, Any], key: bytes) -> bool:
    """Return whether the tenant's key hashed the faces."""
    return bool(statement["faces"]["key"] == fingerprint(key))


def require_face_key(statement: Mapping[str, Any], key: bytes) -> None:
    """Raise InvalidInput if another key than the tenant's hashed the faces."""
    if not is_of_face_key(statement, key):
        raise InvalidInput(
            "a key that this book never had hashed its faces, so nobody can tell whom it names. "
            "The book is from "
            "before the tenant's first key: erase each person by the face's id (`regulars erase`). "
            "A restore then asks on a terminal whether to leave this receipt out"
        )


def list_named_faces(statement: Mapping[str, Any], key: bytes, faceids: Iterable[str]) -> list[str]:
    """Return those of the faces that a receipt's statement names.

    `key`: as `add_face_hashes` got it.

    Raises KeyError or TypeError if this is no statement of an erasure.
    """
    hashes = set(statement["faces"]["sha256"])
    return [faceid for faceid in faceids if hash_claim(key, "id", faceid) in hashes]


def find_refusal(statement: Mapping[str, Any], key: bytes, faceid: str) -> EndedRecord | None:
    """Return the end after which a receipt's statement has a face's person refused; None: none."""
    hashed = hash_claim(key, "id", faceid)
    refused = map(parse_refused, statement["refused"])
    return next((one.end for one in refused if hashed in one.hashes), None)


def is_of_face(erasure: Erasure, key: bytes, faceid: str) -> bool:
    """Return whether an erasure is of a face. `key`: as `add_face_hashes` got it."""
    return faceid in erasure.faceids or hash_claim(key, "id", faceid) in erasure.faces


def is_noted_as_other(statement: Mapping[str, Any], key: bytes, face: Face) -> bool:
    """Return whether a receipt's statement marks a face with an id of its own as another one, which
    stays."""
    return hash_claim(key, "other", _name_exactly(face)) in statement["faces"]["others"]


def _name_exactly(face: Face) -> str:
    return f"{face.faceid}\n{milliseconds(face.enrolled_at)}"


def hash_claim(key: bytes, kind: str, value: str) -> str:
    """Return the hash of an id, a picture's id or a record (`Claim`) by a tenant's face key: it
    takes that key, so two tenants' hashes cannot be compared."""
    return hmac.new(key, f"{kind}\n{value}".encode(), hashlib.sha256).hexdigest()


def list_left(language: str, *, refuses: bool) -> list[str]:
    """List in words what remains of a person after an erasure, by the data map, and elsewhere.

    `refuses`: the person is refused from then on.
    """
    words, comma = words_of("receipt", language), words_of("notice", language)["and"]
    return [
        words[f"left {place.name}"].format(
            fields=comma.join(words[f"left {attribute}"] for attribute in place.left)
        )
        for place in DATA_MAP
        if place.left and (refuses or place.name != "refused")
    ] + [words["backups"], words["others"]]


def make_statement(
    tenant: str, app_id: str, erasure: Erasure, done_at: str, asked_at: str
) -> dict[str, Any]:
    """Make the statement of an erasure's receipt, which its tenant signs.

    `app_id`: the id of the book, since two boxes may have tenants of one name. It has all counts,
    zeros too.
    """
    return {
        "kind": RECEIPT,
        "tenant": tenant,
        "app_id": app_id,
        "id": erasure.id,
        "asked_at": asked_at,
        "done_at": done_at,
        "by": erasure.by,
        "faces": {
            "key": erasure.face_key,
            "sha256": list(erasure.faces),
            "others": list(erasure.others),
        },
        "refused": [refused.describe() for refused in erasure.refused],
        "removed": {name: list(erasure.hashes.get(name, ())) for name in HASHED},
        "counts": {name: erasure.counts.get(name, 0) for name in COUNTED},
        "left": " ".join(list_left(DEFAULT_LANGUAGE, refuses=bool(erasure.refused))),
    }


COUNT = "n_"
"""Beginning of the names of counts: each is added to in the transaction that it counts."""

_ERASURE = Codec(
    Erasure,
    rare="faceids names pseudonym groups staff firsts faces face_key others refused hashes "
    "is_told strips",
    refused=Form(
        lambda refused: [json.dumps(one.describe()) for one in refused],
        lambda stored: tuple(parse_refused(json.loads(text)) for text in stored),
    ),
    hashes=Form(
        lambda hashes: {name: list(of) for name, of in hashes.items()},
        lambda stored: {name: tuple(of) for name, of in stored.items()},
    ),
    counts=Form(
        lambda counts: {f"{COUNT}{name}": number for name, number in counts.items()},
        lambda item: {
            name.removeprefix(COUNT): int(item[name])
            for name in sorted(item)
            if name.startswith(COUNT)
        },
        whole=True,
    ),
    receipt=Form(json.dumps, json.loads),
)
erasure_from, erasure_fields = _ERASURE.read, _ERASURE.write


def erasure_item(tenant: str, erasure: Erasure) -> Item:
    return {"tenant": tenant, **_ERASURE.write(erasure)}
