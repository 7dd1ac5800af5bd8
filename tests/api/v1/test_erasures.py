"""Erasures over v1: the receipt is answered as it was signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from chalicelib.api.v1.data_protection import erasure_of
from chalicelib.core import erasures, signing

AT, NOW = datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:03:00.000Z"
COUNTS = st.dictionaries(st.sampled_from(("observations", "captures_deleted", "captures_hidden")), st.integers(1, 9))
HASHES = st.dictionaries(st.sampled_from(("templates", "pictures")), st.lists(st.just("0" * 64)).map(tuple))


@given(counts=COUNTS, hashes=HASHES)
def test_a_receipt_that_is_saved_from_an_answer_is_verified_whatever_was_found(counts: Any, hashes: Any) -> None:
    private, _ = signing.new_key()
    erasure = erasures.Erasure("1", AT, "first", True, (), 1, faces=("0" * 64,), hashes=hashes, counts=counts)
    receipt = signing.signed(erasures.statement("shop", erasure, NOW, NOW), private)
    done = erasures.Erasure("1", AT, "first", True, (), 1, counts=counts, done_at=AT, receipt=receipt)
    statement, _ = signing.verified(json.decode(json.encode(erasure_of(done)))["receipt"])
    assert {name: number for name, number in statement["counts"].items() if number} == counts
