from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.keys import DIRECTORY, FACES
from chalicelib.storage.limits import MAX_ITEM_BYTES, attribute_size, item_size

KEY = {"tenant": "t", "item": "i"}
KEY_BYTES = len("tenant" + "t" + "item" + "i")


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        ("", 0),
        ("é🙂", 6),
        (b"12345", 5),
        (0, 1),
        (7, 2),
        (12, 2),
        (123, 3),
        (-123, 3),
        (1000, 2),
        (10**37, 2),
        (10**38 - 1, 20),
        (Decimal("1.5"), 2),
        (Decimal("1.50"), 2),
        (Decimal("0.001"), 2),
        ([], 3),
        (["a", None], 3 + 2 + 1 + 1),
        ({}, 3),
        ({"é": "b"}, 3 + 1 + 2 + 1),
        ({"a": {"b": []}}, 3 + 1 + 1 + (3 + 1 + 1 + 3)),
    ],
    ids=repr,
)
def test_a_value_counts_as_the_guide_says(value: Any, size: int) -> None:
    assert attribute_size("name", value) == len("name") + size


def test_an_item_may_have_400_kilobytes_and_no_byte_more() -> None:
    room = MAX_ITEM_BYTES - KEY_BYTES - len("v")
    assert item_size(DIRECTORY, {**KEY, "v": "x" * room}) == 409_600
    with pytest.raises(InvalidInput):
        item_size(DIRECTORY, {**KEY, "v": "x" * (room + 1)})


def test_an_items_largest_index_entry_counts_too() -> None:
    plain = {"tenant": "t", "faceid": "f"}
    key = len("tenant" + "t" + "faceid" + "f")
    short, long = len("arrival_key" + "a"), len("enrolment_key" + "long")
    assert item_size(FACES, plain) == key
    assert item_size(FACES, {**plain, "arrival_key": "a"}) == 2 * key + 2 * short
    assert (
        item_size(FACES, {**plain, "arrival_key": "a", "enrolment_key": "long"})
        == 2 * key + short + 2 * long
    )
