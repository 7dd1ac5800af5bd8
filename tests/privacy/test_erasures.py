import base64
import hashlib
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.hooks import MOST_LEAVING, weight_of
from chalicelib.domain.model import MAX_COMPARED, Face, Picture
from chalicelib.privacy import signing
from chalicelib.privacy.erasure_progress import (
    MOST_NAMED,
    Erasure,
    add_face_hashes,
    erasure_item,
    list_named_faces,
    make_statement,
    require_receipt,
)
from chalicelib.storage import keys
from chalicelib.storage.limits import MAX_ITEM_BYTES, item_size


def test_who_has_a_receipt_and_not_the_tenants_key_cannot_try_ids() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    erasure = add_face_hashes(Erasure("1", at, "first", True, ("21", "22"), 2), b"key")
    said = make_statement(
        "shop", "4B47", erasure, "2026-03-02T00:03:00.000Z", "2026-03-02T00:00:00.000Z"
    )
    ids = [f"{n}" for n in range(100)]
    assert list_named_faces(said, b"key", ids) == ["21", "22"]
    assert list_named_faces(said, b"another", ids) == list_named_faces(said, b"", ids) == []


def test_a_record_of_the_most_faces_with_all_their_pictures_can_be_stored_at_its_begin_and_at_its_end() -> (  # noqa: E501
    None
):
    at, ids = datetime(2026, 3, 2, tzinfo=UTC), tuple(f"{n:064}" for n in range(MOST_NAMED))
    hashes = [
        hashlib.sha256(f"{n}".encode()).hexdigest() for n in range(3 * MAX_COMPARED * MOST_LEAVING)
    ]
    removed = {"templates": tuple(hashes[::3]), "pictures": tuple(hashes[1::3] + hashes[2::3])}
    names = tuple(f"{n:0120}" for n in range(MOST_LEAVING))
    begun = Erasure("1", at, "first", True, ids, MOST_LEAVING, names, hashes=removed)
    wiped = replace(add_face_hashes(begun, b"key"), faceids=(), names=())
    time = "2026-03-02T00:00:00.000Z"
    receipt = signing.sign_statement(
        make_statement("shop", "4B47", wiped, time, time), signing.new_key()[0]
    )
    for one in (begun, replace(wiped, receipt=receipt)):
        assert item_size(keys.ERASURES, erasure_item("shop", one)) <= MAX_ITEM_BYTES


def test_a_receipt_is_good_by_the_key_of_its_time() -> None:
    (old, was), (private, public) = signing.new_key(), signing.new_key()
    terms = {
        "tenant": "shop",
        "since": "2026-01-01T00:00:00.000Z",
        "until": "2026-03-01T00:00:00.000Z",
        "heads": 0,
    }
    named_keys = {"old": base64.b64encode(was).decode(), "new": base64.b64encode(public).decode()}
    known = signing.PublicKeys(
        public, [signing.sign_renewal({**terms, **named_keys}, old, private)]
    )
    said = {"kind": "erasure", "tenant": "shop", "done_at": "2026-03-01T00:00:00.000Z"}
    late = {**said, "done_at": "2026-03-01T00:00:00.001Z"}
    require_receipt(said, was, "shop", known, ())
    require_receipt(late, public, "shop", known, ())
    require_receipt(late, was, "shop", known, {signing.fingerprint(was)})
    with pytest.raises(InvalidInput, match="a time after 2026-03-01"):
        require_receipt(late, was, "shop", known, ())


def test_a_face_weighs_as_many_of_eight_pictures_as_have_its_hashes() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    face = Face("1", "regular", at, tuple(Picture(f"{n:032x}", "", at, ()) for n in range(100)))
    assert [weight_of(replace(face, pictures=face.pictures[:n])) for n in (1, 8, 9, 100)] == [
        1,
        1,
        2,
        13,
    ]
    assert weight_of(replace(face, pictures=face.pictures[:8], merges=3)) == 4
    assert weight_of(replace(face, merges=3)) == 13 + 3 + 12
