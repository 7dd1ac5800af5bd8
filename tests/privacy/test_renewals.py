"""Renewals of a signing key: read as the keys signed them that they name, and not otherwise."""

import base64
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy import signing
from chalicelib.privacy.signing import Renewal, renewal_of, sign_renewal

(OLD, OLD_PUBLIC), (NEW, NEW_PUBLIC) = signing.new_key(), signing.new_key()
SINCE, UNTIL = "2026-03-02T09:00:00.000Z", "2026-03-16T09:00:00.000Z"


def text(public_key: bytes) -> str:
    return base64.b64encode(public_key).decode()


SAID = {
    "tenant": "shop",
    "old": text(OLD_PUBLIC),
    "new": text(NEW_PUBLIC),
    "since": SINCE,
    "until": UNTIL,
    "heads": 7,
}


@pytest.mark.parametrize("old", [OLD, None], ids=["kept", "lost"])
def test_a_renewal_says_which_key_signed_what_and_whether_it_vouches_for_the_next(
    old: str | None,
) -> None:
    read = renewal_of(sign_renewal(SAID, old, NEW))
    assert read == Renewal(
        "shop", OLD_PUBLIC, NEW_PUBLIC, SINCE, UNTIL, 7, is_vouched=old is not None
    )


def test_who_has_one_of_the_keys_alone_cannot_change_a_renewal() -> None:
    """With the old one nothing is signed; with the new one the old one's signature is not of what
    is said."""
    document = sign_renewal(SAID, OLD, NEW)
    longer = {**document["statement"], "heads": 70}
    for forged in (
        {**document, "statement": longer},
        signing.sign_statement(longer, OLD),
        signing.sign_statement(longer, NEW),
    ):
        with pytest.raises(InvalidInput):
            renewal_of(forged)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "erasure"},
        {"heads": "7"},
        {"heads": True},
        {"more": 1},
        {"old": "no key"},
        {"tenant": None},
    ],
    ids=str,
)
def test_what_is_no_renewal_is_refused(change: dict[str, Any]) -> None:
    statement = {**sign_renewal(SAID, None, NEW)["statement"], **change}
    with pytest.raises(InvalidInput):
        renewal_of(signing.sign_statement(statement, NEW))
