"""Signed statements: what a tenant can prove to others, such as the receipt of an erasure.

A signed statement is a JSON object of three: `statement`, `public_key` and `signature`. Signed are
the statement's bytes in one form (`canonical_json`), by Ed25519 (RFC 8032). `cryptography` is
imported at the first use.

A renewal of a tenant's signing key is a statement that the new key signs. It holds the old key's
signature, too, unless nobody could read the old key any more. So a thief of the old key alone
cannot make its time longer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput

_KEY_BYTES = 32
"""Bytes of an Ed25519 key."""

_P = 2**255 - 19

_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826

_SMALL_ORDER = {0, 1, _P - 1, _ORDER_8, _P - _ORDER_8}
"""The y of the points whose order is 8 at most (RFC 8032, 5.1): a key of one of these signs any
statement."""

_SIGNED = {"statement", "public_key", "signature"}

_KIND = "renewal of the signing key"

_BY_OLD = "old_signature"

_FIELDS = {
    "kind": str,
    "tenant": str,
    "old": str,
    "new": str,
    "since": str,
    "until": str,
    "heads": int,
    _BY_OLD: str,
}


def canonical_json(value: Any) -> bytes:
    """Write a JSON value in the one form that is signed and hashed (RFC 8785).

    Raises ValueError if it has none.

    It has none with NaN, or with an integer that a double does not hold exactly. Raises
    UnicodeEncodeError if a text of it is no UTF-8, as an argument of a command may be.
    """
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        reason = error.__cause__ or error.__context__
        raise reason if isinstance(reason, UnicodeEncodeError) else error from None


def fingerprint(public_key: bytes) -> str:
    """Return the SHA-256 of a public key, in hexadecimal, for people to compare."""
    return hashlib.sha256(public_key).hexdigest()


def new_key() -> tuple[str, bytes]:
    """Make a key: the private half in base64, as the Vault seals it, and the public one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private_key = Ed25519PrivateKey.generate()
    return _text(private_key.private_bytes_raw()), private_key.public_key().public_bytes_raw()


def sign_statement(statement: Mapping[str, Any], private: str) -> dict[str, Any]:
    """Sign a statement. `private`: as `new_key` made it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return {
        "statement": dict(statement),
        "public_key": _text(key.public_key().public_bytes_raw()),
        "signature": _text(key.sign(canonical_json(statement))),
    }


def parse_statement(text: bytes, kind: str) -> tuple[dict[str, Any], bytes]:
    """Read a file with a signed statement as `verify_statement` does."""
    try:
        return verify_statement(json.loads(text), kind)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("it is not JSON") from error


def verify_statement(document: Any, kind: str = "") -> tuple[dict[str, Any], bytes]:
    """Return a signed statement and the public key that it was signed with.

    Whose key that is, the caller must know.

    `kind`: what the statement has to say that it is. Raises InvalidInput if it is no signed
    statement, of another kind, or not as it was signed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    fields = document if isinstance(document, dict) else {}
    statement = fields.get("statement")
    if not isinstance(statement, dict):
        raise InvalidInput(
            "this is no signed statement: `statement`, `public_key` and `signature` are its fields"
        )
    if unsigned_fields := sorted(fields.keys() - _SIGNED):
        raise InvalidInput(
            f"{str(unsigned_fields[0])[:60]!r} stands beside the statement: nobody has signed it, "
            "take it away"
        )
    if kind and statement.get("kind") != kind:
        raise InvalidInput(
            f"the kind of this statement is {str(statement.get('kind'))[:60]!r}, not {kind!r}"
        )
    public_key = public_key_from(fields.get("public_key"))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            _bytes(fields.get("signature")), canonical_json(statement)
        )
    except (InvalidSignature, ValueError, RecursionError) as error:
        raise InvalidInput(
            "the signature is not of this statement and this key: one of them was changed"
        ) from error
    return statement, public_key


def public_key_from(text: Any) -> bytes:
    """Read a public key of Ed25519 in base64.

    Raises InvalidInput, also for one that anything is signed by.
    """
    try:
        key = _bytes(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidInput(f"a public key is {_KEY_BYTES} bytes in base64, not {str(text)[:60]!r}")
    if (int.from_bytes(key, "little") & (2**255 - 1)) % _P in _SMALL_ORDER:
        raise InvalidInput(
            "this public key is of small order: it fits any statement, so it proves nothing"
        )
    return key


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    """Raise ValueError unless it is base64."""
    if not isinstance(text, str):
        raise ValueError("no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


Document = Mapping[str, Any]
"""A signed renewal."""


class Renewal(Struct, frozen=True):
    """The end of one signing key and the beginning of the next.

    `since`, `until`: when the old key was made and replaced; `heads`: the number of the newest head
    of the audit that it signed, 0 if none; `is_vouched`: whether it signed the renewal, too.
    """

    tenant: str
    old: bytes
    new: bytes
    since: str
    until: str
    heads: int
    is_vouched: bool


class PublicKeys(Struct, frozen=True):
    """The public keys of a tenant: the one in use, and how it came from those before, the oldest
    first."""

    current: bytes
    renewals: Sequence[Document] = ()


def sign_renewal(statement: Mapping[str, Any], old: str | None, new: str) -> Document:
    """Sign a renewal.

    `statement`: the fields of Renewal but the last; `old`, `new`: private halves; None: lost.
    """
    fields = {"kind": _KIND, **statement}
    return sign_statement(
        {**fields, _BY_OLD: sign_statement(fields, old)["signature"] if old else ""}, new
    )


def renewal_of(document: Any) -> Renewal:
    """Read a renewal.

    Raises InvalidInput if it is none, or not as the keys signed it that it names.
    """
    statement, by = verify_statement(document, _KIND)
    if {name: type(value) for name, value in statement.items()} != _FIELDS:
        raise InvalidInput("this is no renewal of a signing key")
    fields = {name: value for name, value in statement.items() if name != _BY_OLD}
    old, new = (public_key_from(fields[name]) for name in ("old", "new"))
    if by != new:
        raise InvalidInput("the renewal of a signing key is signed by another key than the new one")
    is_vouched = bool(statement[_BY_OLD])
    if is_vouched:
        verify_statement(
            {"statement": fields, "public_key": fields["old"], "signature": statement[_BY_OLD]}
        )
    return Renewal(
        fields["tenant"], old, new, fields["since"], fields["until"], fields["heads"], is_vouched
    )
