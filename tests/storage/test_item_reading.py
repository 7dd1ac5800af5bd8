import base64
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import DIRECTORY, FACES, TENANTS
from chalicelib.storage.limits import item_from_json
from chalicelib.storage.ports import Delete, Item, ItemStore, Put, Update, exists

EVERY_KIND: dict[str, Any] = {
    "nothing": None,
    "yes": True,
    "no": False,
    "zero": 0,
    "one": 1,
    "negative": -17,
    "biggest": 10**38 - 1,
    "smallest": -(10**38) + 1,
    "beyond_float": 2**53 + 1,
    "fraction": Decimal("-0.1234567890123456789012345678901234567"),
    "tiny": Decimal("1E-100"),
    "empty_text": "",
    "text": 'naïve "日本語" 🙂 \x00 \n {"N": "1"}',
    "empty_bytes": b"",
    "bytes": bytes(range(256)),
    "empty_list": [],
    "list": [1, "1", True, None, b"1", [Decimal("1.5")], {"a": 1}],
    "empty_map": {},
    "map": {"S": "a key like a type", "N": {"deep": [{"er": b"\xff"}]}},
    "count": "a reserved word",
    "a name with spaces, dots . and #:": "quoted",
}


def put_all(items: ItemStore, tenant: str, sorts: list[str]) -> None:
    for start in range(0, len(sorts), 50):
        items.transact(
            [Put(DIRECTORY, {"tenant": tenant, "item": s}) for s in sorts[start : start + 50]]
        )


def put_pages(items: ItemStore, tenant: str) -> list[str]:
    """Put more than a scan reads at once: a thousand items from SQLite, a megabyte from
    DynamoDB."""
    count, size = (1_001, 1) if isinstance(items, SqliteItemStore) else (7, 300_000)
    sorts = [f"{number:04d}" for number in range(count)]
    for sort in sorts:
        items.transact([Put(DIRECTORY, {"tenant": tenant, "item": sort, "data": bytes(size)})])
    return sorts


def all_pages(items: ItemStore, *args: Any, limit: int = 3, **kwargs: Any) -> list[Item]:
    """Everything a query yields, in pages of three."""
    found: list[Item] = []
    token = None
    while True:
        page = items.query(*args, limit=limit, token=token, **kwargs)
        assert len(page.items) <= limit
        found += page.items
        token = page.token
        if token is None:
            return found


def sorts_of(found: list[Item]) -> list[str]:
    return [item["item"] for item in found]


def test_an_item_of_every_kind_of_value_comes_back_as_it_was(items: ItemStore, tenant: str) -> None:
    item = {"tenant": tenant, "item": "all kinds", **EVERY_KIND}
    items.transact([Put(DIRECTORY, item)])
    found = items.get(DIRECTORY, (tenant, "all kinds"))
    assert found == item
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in item.items()
    }


@pytest.mark.parametrize(
    ("stored", "read"), [(Decimal("7.0"), 7), (Decimal("1E+3"), 1000), (Decimal("-0"), 0)]
)
def test_a_whole_decimal_comes_back_as_an_int(
    items: ItemStore, tenant: str, stored: Decimal, read: int
) -> None:
    items.transact(
        [Put(DIRECTORY, {"tenant": tenant, "item": "n", "n": stored, "short": Decimal("1.50")})]
    )
    found = items.get(DIRECTORY, (tenant, "n"))
    assert (found["n"], type(found["n"])) == (read, int)
    assert str(found["short"]) == "1.5"


def test_a_number_larger_than_any_that_is_stored_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ValueError, match="1e999999999 is a larger number than any that is stored"):
        item_from_json('{"n": {"N": "1e999999999"}}')


def test_what_is_not_there_is_none(items: ItemStore, tenant: str) -> None:
    assert items.get(DIRECTORY, (tenant, "nothing")) is None
    assert items.get_many(DIRECTORY, [(tenant, "nothing"), (tenant, "none")]) == [None, None]
    assert items.get_many(DIRECTORY, []) == []
    assert items.query(DIRECTORY, tenant).items == ()


def test_get_many_answers_in_the_order_of_the_keys_with_gaps_and_repeats(
    items: ItemStore, tenant: str
) -> None:
    put_all(items, tenant, [f"i{n:03d}" for n in range(130)])
    wanted = ["i129", "missing", "i000", "i129", *(f"i{n:03d}" for n in range(130))]
    found = items.get_many(DIRECTORY, [(tenant, sort) for sort in wanted])
    assert [item and item["item"] for item in found] == [
        None if sort == "missing" else sort for sort in wanted
    ]


def test_items_come_in_the_byte_order_of_their_keys(items: ItemStore, tenant: str) -> None:
    sorts = [
        "a",
        "B",
        "a#",
        "a$",
        "a#1",
        "é",
        "e",
        "z",
        "日本",
        "\ue000",
        "🙂",
        "\uffff",
        "A\x7f",
        "0",
        "10",
        "9",
    ]
    put_all(items, tenant, sorts)
    in_byte_order = sorted(sorts, key=str.encode)
    assert sorts_of(all_pages(items, DIRECTORY, tenant)) == in_byte_order
    assert sorts_of(all_pages(items, DIRECTORY, tenant, reverse=True)) == in_byte_order[::-1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 6, 7, 100, None])
def test_pages_follow_each_other_without_gap_or_repeat(
    items: ItemStore, tenant: str, limit: int | None, reverse: bool
) -> None:
    sorts = [f"k{n}" for n in range(7)]
    put_all(items, tenant, sorts)
    page = items.query(DIRECTORY, tenant, limit=limit, reverse=reverse)
    found = list(page.items)
    while page.token:
        page = items.query(DIRECTORY, tenant, limit=limit, reverse=reverse, token=page.token)
        found += page.items
    assert sorts_of(found) == (sorts[::-1] if reverse else sorts)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, ["a", "b", "c", "d", "e"]),
        ("b", None, ["b", "c", "d", "e"]),
        (None, "b", ["a", "b"]),
        ("b", "d", ["b", "c", "d"]),
        ("bb", "cc", ["c"]),
        ("c", "c", ["c"]),
        ("d", "b", []),
        ("x", "z", []),
        ("", "b", ["a", "b"]),
        ("a", "", []),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_bounds_are_included(
    items: ItemStore,
    tenant: str,
    low: str | None,
    high: str | None,
    expected: list[str],
    reverse: bool,
) -> None:
    put_all(items, tenant, list("abcde"))
    found = sorts_of(
        all_pages(items, DIRECTORY, tenant, low=low, high=high, reverse=reverse, limit=2)
    )
    assert found == (expected[::-1] if reverse else expected)


def test_partitions_and_tables_keep_apart(items: ItemStore, tenant: str) -> None:
    put_all(items, tenant, ["x"])
    put_all(items, f"{tenant}#", ["y"])
    items.transact([Put(TENANTS, {"kind": tenant, "id": "z"})])
    assert sorts_of(all_pages(items, DIRECTORY, tenant)) == ["x"]
    assert all_pages(items, TENANTS, tenant) == [{"kind": tenant, "id": "z"}]


def test_a_page_token_survives_changes_around_it(items: ItemStore, tenant: str) -> None:
    put_all(items, tenant, ["a", "c", "e", "g"])
    page = items.query(DIRECTORY, tenant, limit=2)
    items.transact(
        [
            Delete(DIRECTORY, (tenant, "c")),
            *(Put(DIRECTORY, {"tenant": tenant, "item": s}) for s in "bd"),
        ]
    )
    rest = items.query(DIRECTORY, tenant, limit=10, token=page.token)
    assert sorts_of(list(rest.items)) == ["d", "e", "g"]


# --- indexes
# --------------------------------------------------------------------------------------------------


def face(
    tenant: str, faceid: str, enrolment: str | None = None, arrival: str | None = None
) -> dict[str, Any]:
    keys = {"enrolment_key": enrolment, "arrival_key": arrival}
    indexed = {name: key for name, key in keys.items() if key is not None}
    return {"tenant": tenant, "faceid": faceid, "labels": {"a": "x"}, **indexed}


CARRIED = FACES.projections["by_arrival"]


def enrolled(items: ItemStore, tenant: str, **kwargs: Any) -> list[Item]:
    return all_pages(items, FACES, tenant, index="by_enrolment", **kwargs)


def test_an_index_yields_keys_only_in_its_own_order(items: ItemStore, tenant: str) -> None:
    items.transact([Put(FACES, face(tenant, f"f{n}", f"g#{9 - n}", f"g#{n}")) for n in range(5)])
    assert enrolled(items, tenant) == [
        {"tenant": tenant, "faceid": f"f{n}", "enrolment_key": f"g#{9 - n}"}
        for n in (4, 3, 2, 1, 0)
    ]
    arrivals = all_pages(items, FACES, tenant, index="by_arrival", reverse=True)
    assert [item["faceid"] for item in arrivals] == ["f4", "f3", "f2", "f1", "f0"]


def test_an_index_yields_the_rows_that_it_carries_only_if_they_are_asked_for(
    items: ItemStore, tenant: str
) -> None:
    carried = {"name": "Ann", "labels": {"a": "x"}, "portrait": {"nonce": b"1"}}
    whole = [
        face(tenant, f"f{n}", "g#1", f"g#{9 - n}") | carried | {"templates": [b"t"]}
        for n in range(5)
    ]
    items.transact([Put(FACES, one) for one in whole])
    expected = [
        {"tenant": tenant, "faceid": f"f{n}", "arrival_key": f"g#{9 - n}"} for n in (4, 3, 2, 1, 0)
    ]
    assert all_pages(items, FACES, tenant, index="by_arrival") == expected
    rows = all_pages(items, FACES, tenant, index="by_arrival", carried=CARRIED)
    assert rows == [one | carried for one in expected]
    names = all_pages(items, FACES, tenant, index="by_arrival", carried=("name", "note"))
    assert names == [one | {"name": "Ann"} for one in expected]
    assert all_pages(
        items,
        FACES,
        tenant,
        index="by_arrival",
        carried=CARRIED,
        low="g#6",
        high="g#7",
        reverse=True,
    ) == [
        rows[2],
        rows[1],
    ]
    items.transact(
        [
            Update(
                FACES, (tenant, "f4"), (exists("face"),), set={"name": "Ben"}, remove=("portrait",)
            )
        ]
    )
    [changed, *_] = all_pages(items, FACES, tenant, index="by_arrival", carried=CARRIED)
    assert changed == {**expected[0], "name": "Ben", "labels": {"a": "x"}}


def test_rows_are_not_asked_of_an_index_that_carries_none(items: ItemStore, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="does not carry name"):
        items.query(FACES, tenant, index="by_enrolment", carried=("name",))


def test_a_table_yields_the_attributes_alone_that_are_asked_for(
    items: ItemStore, tenant: str
) -> None:
    whole = [face(tenant, f"f{n}", "g#1") | {"name": "Ann", "templates": [b"t"]} for n in range(3)]
    items.transact([Put(FACES, one) for one in whole])
    assert all_pages(items, FACES, tenant, carried=("name", "note"), limit=2) == [
        {"tenant": tenant, "faceid": f"f{n}", "name": "Ann"} for n in range(3)
    ]


def test_an_index_takes_bounds_and_pages(items: ItemStore, tenant: str) -> None:
    items.transact([Put(FACES, face(tenant, f"f{n}", f"{'gh'[n % 2]}#{n}")) for n in range(10)])
    for reverse in (False, True):
        found = [
            item["faceid"]
            for item in enrolled(items, tenant, low="g#", high="g$", reverse=reverse, limit=2)
        ]
        assert found == ["f0", "f2", "f4", "f6", "f8"][:: -1 if reverse else 1]


# --- what a reader may not ask
# ----------------------------------------------------------------------------------------


def damaged(token: str) -> list[str]:
    raw = base64.urlsafe_b64decode(token)
    flipped = raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:]
    return [
        "",
        "x",
        "????",
        token[:-4],
        "A" * 40,
        base64.urlsafe_b64encode(flipped).decode(),
        token + "AAAA",
    ]


def test_a_damaged_token_is_refused(items: ItemStore, tenant: str) -> None:
    put_all(items, tenant, list("abcd"))
    token = items.query(DIRECTORY, tenant, limit=2).token
    assert token is not None
    for wrong in damaged(token):
        with pytest.raises(InvalidInput):
            items.query(DIRECTORY, tenant, limit=2, token=wrong)


def test_a_token_of_another_call_is_refused(items: ItemStore, tenant: str) -> None:
    items.transact([Put(FACES, face(tenant, f"f{n}", f"g#{n}")) for n in range(4)])
    token = items.query(FACES, tenant, limit=2).token
    others: list[dict[str, Any]] = [
        {"reverse": True},
        {"low": "a"},
        {"high": "z"},
        {"index": "by_enrolment"},
    ]
    for other in others:
        with pytest.raises(InvalidInput):
            items.query(FACES, tenant, limit=2, token=token, **other)
    with pytest.raises(InvalidInput):
        items.query(FACES, f"{tenant}2", limit=2, token=token)


def test_a_token_says_nothing_of_the_store_behind(items: ItemStore, tenant: str) -> None:
    put_all(items, tenant, list("abcd"))
    token = items.query(DIRECTORY, tenant, limit=2).token
    assert token.isascii()
    assert len(token) < 200


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_of_nothing_is_refused(items: ItemStore, tenant: str, limit: int) -> None:
    with pytest.raises(InvalidInput):
        items.query(DIRECTORY, tenant, limit=limit)


@pytest.mark.parametrize(
    "key", [("", "s"), ("p", ""), ("p" * 2049, "s"), ("p", "é" * 513), ("p", "\ud800")]
)
def test_a_key_that_no_item_can_have_is_refused(items: ItemStore, key: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput):
        items.get(DIRECTORY, key)
    with pytest.raises(InvalidInput):
        items.get_many(DIRECTORY, [("p", "s"), key])
    with pytest.raises(InvalidInput):
        items.query(DIRECTORY, key[0], low=key[1] or "x" * 1025)


def test_keys_may_have_their_full_length(items: ItemStore, tenant: str) -> None:
    key = (tenant + "p" * (2048 - len(tenant)), "é" * 512)
    items.transact([Put(DIRECTORY, {"tenant": key[0], "item": key[1]})])
    assert items.get(DIRECTORY, key) == {"tenant": key[0], "item": key[1]}
    assert sorts_of(all_pages(items, DIRECTORY, key[0])) == [key[1]]


def test_an_unknown_index_is_refused(items: ItemStore, tenant: str) -> None:
    with pytest.raises(InvalidInput):
        items.query(FACES, tenant, index="by_name")


def test_a_scan_finds_all_items_whose_partition_begins_so_and_no_others(items: ItemStore) -> None:
    many = put_pages(items, "shop")
    put_all(items, "shop#heads", ["1"])
    put_all(items, "shop-2", ["1"])
    put_all(items, "sho", ["1"])
    items.transact([Put(TENANTS, {"kind": "shop", "id": "1"})])
    found = sorted((item["tenant"], item["item"]) for item in items.scan(DIRECTORY, "shop"))
    expected = [*(("shop", sort) for sort in many), ("shop#heads", "1"), ("shop-2", "1")]
    assert found == sorted(expected)
    assert ("sho", "1") in {(item["tenant"], item["item"]) for item in items.scan(DIRECTORY)}
    assert list(items.scan(DIRECTORY, "nobody")) == []


def test_what_is_deleted_while_it_is_scanned_is_deleted(items: ItemStore) -> None:
    at_once = max(2, len(put_pages(items, "shop")) // 20)
    found = items.scan(DIRECTORY, "shop")
    while some := list(islice(found, at_once)):
        items.transact([Delete(DIRECTORY, (item["tenant"], item["item"])) for item in some])
    assert list(items.scan(DIRECTORY, "shop")) == []
