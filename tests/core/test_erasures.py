"""What the receipt of an erasure says."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.core.erasures import Erasure, hashed, named, statement


def test_who_has_a_receipt_and_not_the_tenants_key_cannot_try_ids() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    erasure = hashed(Erasure("1", at, "first", True, ("21", "22"), 2), b"key")
    said = statement("shop", erasure, "2026-03-02T00:03:00.000Z", "2026-03-02T00:00:00.000Z")
    ids = [f"{n}" for n in range(100)]
    assert named(said, b"key", ids) == ["21", "22"]
    assert named(said, b"another", ids) == named(said, b"", ids) == []
