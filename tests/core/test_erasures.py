"""What the receipt of an erasure says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from chalicelib.core import signing
from chalicelib.core.erasures import Erasure, hashed, named, require_receipt, statement
from chalicelib.core.errors import InvalidInput


def test_who_has_a_receipt_and_not_the_tenants_key_cannot_try_ids() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    erasure = hashed(Erasure("1", at, "first", True, ("21", "22"), 2), b"key")
    said = statement("shop", erasure, "2026-03-02T00:03:00.000Z", "2026-03-02T00:00:00.000Z")
    ids = [f"{n}" for n in range(100)]
    assert named(said, b"key", ids) == ["21", "22"]
    assert named(said, b"another", ids) == named(said, b"", ids) == []


def test_a_receipt_is_good_by_the_key_of_its_time() -> None:
    (old, was), (private, public) = signing.new_key(), signing.new_key()
    terms = {"tenant": "shop", "since": "2026-01-01T00:00:00.000Z", "until": "2026-03-01T00:00:00.000Z", "heads": 0}
    named_keys = {"old": base64.b64encode(was).decode(), "new": base64.b64encode(public).decode()}
    keys = signing.PublicKeys(public, [signing.renewed({**terms, **named_keys}, old, private)])
    said = {"kind": "erasure", "tenant": "shop", "done_at": "2026-03-01T00:00:00.000Z"}
    late = {**said, "done_at": "2026-03-01T00:00:00.001Z"}
    require_receipt(said, was, "shop", keys, ())
    require_receipt(late, public, "shop", keys, ())
    require_receipt(late, was, "shop", keys, {signing.fingerprint(was)})
    with pytest.raises(InvalidInput, match="a time after 2026-03-01"):
        require_receipt(late, was, "shop", keys, ())
