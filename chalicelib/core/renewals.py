"""Renewals of a tenant's signing key: which key signed what, and if it signed the next key, too.

A renewal is a statement that the new key signs (core/signing). It holds the old key's signature, too, unless nobody
could read the old key any more. So a thief of the old key alone cannot make its time longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core import signing
from chalicelib.core.errors import InvalidInput

_KIND = "renewal of the signing key"
_BY_OLD = "old_signature"
_FIELDS = {"kind": str, "tenant": str, "old": str, "new": str, "since": str, "until": str, "heads": int, _BY_OLD: str}

Document = Mapping[str, Any]
"""A signed renewal."""


@dataclass(frozen=True)
class Renewal:
    """The end of one signing key and the beginning of the next.

    `since`, `until`: when the old key was made and replaced; `heads`: the number of the newest head of the audit that
    it signed, 0 if none; `is_vouched`: whether it signed the renewal, too.
    """

    tenant: str
    old: bytes
    new: bytes
    since: str
    until: str
    heads: int
    is_vouched: bool


@dataclass(frozen=True)
class PublicKeys:
    """The public keys of a tenant: the one in use, and how it came from those before, the oldest first."""

    current: bytes
    renewals: Sequence[Document] = ()


def renewed(statement: Mapping[str, Any], old: str | None, new: str) -> Document:
    """Sign a renewal. `statement`: the fields of Renewal but the last; `old`, `new`: private halves; None: lost."""
    said = {"kind": _KIND, **statement}
    return signing.signed({**said, _BY_OLD: signing.signed(said, old)["signature"] if old else ""}, new)


def renewal_of(document: Any) -> Renewal:
    """Read a renewal. Raises InvalidInput if it is none, or not as the keys signed it that it names."""
    statement, by = signing.verified(document)
    if {name: type(value) for name, value in statement.items()} != _FIELDS or statement["kind"] != _KIND:
        raise InvalidInput("this is no renewal of a signing key")
    said = {name: value for name, value in statement.items() if name != _BY_OLD}
    old, new = (signing.public_key_from(said[name]) for name in ("old", "new"))
    if by != new:
        raise InvalidInput("the renewal of a signing key is signed by another key than the new one")
    is_vouched = bool(statement[_BY_OLD])
    if is_vouched:
        signing.verified({"statement": said, "public_key": said["old"], "signature": statement[_BY_OLD]})
    return Renewal(said["tenant"], old, new, said["since"], said["until"], said["heads"], is_vouched)
