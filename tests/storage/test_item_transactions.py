"""ItemStore: all of a transaction or nothing of it, and exactly the names of the conditions that
did not hold."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.errors import ConditionFailed, InvalidInput
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.keys import DIRECTORY, FACES
from chalicelib.storage.ports import (
    Action,
    Check,
    Condition,
    Delete,
    Item,
    ItemStore,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)

THERE: dict[str, Any] = {
    "n": 5,
    "fraction": Decimal("2.5"),
    "text": "five",
    "yes": True,
    "null": None,
    "bytes": b"5",
    "list": [1, {"a": None}],
}

OF_AN_ITEM_THAT_IS_THERE = [
    (absent("c"), False),
    (exists("c"), True),
    (equals("n", 5, "c"), True),
    (equals("n", Decimal("5.0"), "c"), True),
    (equals("n", 6, "c"), False),
    (equals("n", "5", "c"), False),
    (equals("n", True, "c"), False),
    (equals("n", None, "c"), False),
    (equals("fraction", Decimal("2.50"), "c"), True),
    (equals("text", "five", "c"), True),
    (equals("text", "Five", "c"), False),
    (equals("text", b"five", "c"), False),
    (equals("yes", True, "c"), True),
    (equals("yes", False, "c"), False),
    (equals("yes", 1, "c"), False),
    (equals("null", None, "c"), True),
    (equals("null", 0, "c"), False),
    (equals("missing", None, "c"), True),
    (equals("missing", "", "c"), False),
    (equals("missing", 0, "c"), False),
    (equals("bytes", b"5", "c"), True),
    (equals("bytes", "5", "c"), False),
    (equals("list", [1, {"a": None}], "c"), True),
    (equals("list", [1, {"a": 0}], "c"), False),
    (equals("list", [1], "c"), False),
    (equals("list", {"a": 1}, "c"), False),
    (equals("item", "there", "c"), True),
    (at_least("n", 5, "c"), True),
    (at_least("n", 4, "c"), True),
    (at_least("n", 6, "c"), False),
    (at_least("n", -(10**37), "c"), True),
    (at_least("fraction", 2, "c"), True),
    (at_least("fraction", 3, "c"), False),
    (at_least("text", 0, "c"), False),
    (at_least("yes", 0, "c"), False),
    (at_least("null", 0, "c"), False),
    (at_least("missing", 0, "c"), False),
    (at_least("missing", -5, "c"), False),
]

# Moto compares as Python does: True with 1, and text with a number not at all (TypeError).
WRONG_IN_MOTO = (equals("yes", 1, "c"), at_least("yes", 0, "c"))
FAILS_IN_MOTO = at_least("text", 0, "c")


def with_condition(tenant: str, sort: str, condition: Condition) -> list[Action]:
    """Every action that can carry the condition."""
    key = (tenant, sort)
    when = (condition,)
    actions: list[Action] = [
        Check(DIRECTORY, key, when),
        Put(DIRECTORY, {"tenant": tenant, "item": sort, "put": True}, when),
        Delete(DIRECTORY, key, when),
    ]
    if condition.kind != "absent":
        actions.append(Update(DIRECTORY, key, when, set={"updated": True}))
    return actions


def put_there(items: ItemStore, tenant: str, sort: str = "there", **more: Any) -> Item:
    item = {"tenant": tenant, "item": sort, **THERE, **more}
    items.transact([Put(DIRECTORY, item)])
    return item


def everything(items: ItemStore, tenant: str) -> tuple[Item, ...]:
    found = (items.query(table, tenant) for table in (DIRECTORY, FACES))
    return tuple(item for page in found for item in page.items)


def refused_names(items: ItemStore, actions: list[Action]) -> set[str]:
    with pytest.raises(ConditionFailed) as raised:
        items.transact(actions)
    return set(raised.value.names)


def expect(items: ItemStore, actions: list[Action], holds: bool) -> None:
    if holds:
        items.transact(actions)
    else:
        assert refused_names(items, actions) == {"c"}


@pytest.mark.parametrize(("condition", "holds"), OF_AN_ITEM_THAT_IS_THERE, ids=str)
def test_a_condition_of_an_item_that_is_there(
    items: ItemStore, tenant: str, condition: Condition, holds: bool
) -> None:
    if condition == FAILS_IN_MOTO and isinstance(items, DynamoItemStore):
        pytest.skip("moto fails to compare a text with a number")
    if str(condition) in map(str, WRONG_IN_MOTO) and isinstance(items, DynamoItemStore):
        # moto compares values of two types as Python does; this tells when it no longer does
        holds = not holds
    for action in with_condition(tenant, "there", condition):
        put_there(items, tenant)
        before = everything(items, tenant)
        expect(items, [action], holds)
        unchanged = everything(items, tenant) == before
        assert unchanged == (not holds or isinstance(action, Check))


# --- what each action does
# --------------------------------------------------------------------------------------------


def test_an_update_sets_adds_and_removes_and_leaves_the_rest(items: ItemStore, tenant: str) -> None:
    item = put_there(items, tenant)
    change = Update(
        DIRECTORY,
        (tenant, "there"),
        (exists("item"),),
        set={"text": "six", "new": [1], "null": 1, "count": {}},
        add={"n": -7, "fraction": 2, "fresh": 3},
        remove=("yes", "missing"),
    )
    items.transact([change])
    expected: dict[str, Any] = {
        **item,
        "text": "six",
        "new": [1],
        "null": 1,
        "count": {},
        "n": -2,
        "fresh": 3,
    }
    expected["fraction"] = Decimal("4.5")
    del expected["yes"]
    assert items.get(DIRECTORY, (tenant, "there")) == expected


def test_sums_are_exact_far_beyond_floats(items: ItemStore, tenant: str) -> None:
    put_there(items, tenant, n=10**37)
    items.transact([Update(DIRECTORY, (tenant, "there"), (exists("item"),), add={"n": 1})])
    found = items.get(DIRECTORY, (tenant, "there"))
    assert found["n"] == 10**37 + 1


def test_a_hundred_actions_are_one_transaction(items: ItemStore, tenant: str) -> None:
    actions: list[Action] = [
        Put(DIRECTORY, {"tenant": tenant, "item": f"{n:03d}"}) for n in range(100)
    ]
    items.transact(actions)
    assert len(everything(items, tenant)) == 100


@pytest.mark.parametrize("field", ["text", "yes", "null", "list", "bytes"])
def test_nothing_is_added_to_what_is_no_number(items: ItemStore, tenant: str, field: str) -> None:
    put_there(items, tenant)
    before = everything(items, tenant)
    with pytest.raises(InvalidInput):
        items.transact(
            [
                Put(DIRECTORY, {"tenant": tenant, "item": "other"}),
                Update(DIRECTORY, (tenant, "there"), (exists("item"),), add={field: 1}),
            ]
        )
    assert everything(items, tenant) == before


# --- what DynamoDB would refuse
# ---------------------------------------------------------------------------------------


def put_of(tenant: str, value: Any) -> list[Action]:
    return [Put(DIRECTORY, {"tenant": tenant, "item": "i", "value": value})]


def update_of(tenant: str, *when: Condition, **changes: Any) -> list[Action]:
    return [Update(DIRECTORY, (tenant, "there"), when or (exists("item"),), **changes)]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def big(tenant: str, sort: str, size: int) -> Put:
    return Put(DIRECTORY, {"tenant": tenant, "item": sort, "v": "x" * size})


REFUSED: dict[str, Callable[[str], list[Action]]] = {
    "no action": lambda t: [],
    "101 actions": lambda t: [Delete(DIRECTORY, (t, str(n))) for n in range(101)],
    "two actions on one item": lambda t: [Delete(DIRECTORY, (t, "i")), *put_of(t, 1)],
    "one item checked twice": lambda t: [Check(DIRECTORY, (t, "i"), (absent(n),)) for n in "ab"],
    "a float": lambda t: put_of(t, 1.5),
    "a whole float": lambda t: put_of(t, 1.0),
    "a float in a list": lambda t: put_of(t, [1, [2.0]]),
    "a float in a map": lambda t: put_of(t, {"a": {"b": 0.0}}),
    "a float that is set": lambda t: update_of(t, set={"a": 1.5}),
    "a float that is added": lambda t: update_of(t, add={"n": 1.5}),
    "a float that is compared": lambda t: [Check(DIRECTORY, (t, "i"), (equals("n", 1.5, "c"),))],
    "a bound that is no number": lambda t: [Check(DIRECTORY, (t, "i"), (at_least("n", "1", "c"),))],  # type: ignore[arg-type]
    "a bound that is a bool": lambda t: [Check(DIRECTORY, (t, "i"), (at_least("n", True, "c"),))],
    "a set": lambda t: put_of(t, {1, 2}),
    "an object": lambda t: put_of(t, object()),
    "not a number": lambda t: put_of(t, Decimal("NaN")),
    "infinity": lambda t: put_of(t, Decimal("Infinity")),
    "39 digits": lambda t: put_of(t, 10**38),
    "39 digits below zero": lambda t: put_of(t, -(10**38)),
    "39 decimals": lambda t: put_of(t, Decimal("1." + "1" * 38)),
    "a fraction too small": lambda t: put_of(t, Decimal("1E-131")),
    "half a surrogate pair": lambda t: put_of(t, "\ud800"),
    "a nameless attribute": lambda t: [Put(DIRECTORY, {"tenant": t, "item": "i", "": 1})],
    "a map with a number for a key": lambda t: put_of(t, {1: 2}),
    "33 levels": lambda t: put_of(t, nested(33)),
    "no partition key": lambda t: [Put(DIRECTORY, {"item": "i"})],
    "no sort key": lambda t: [Put(DIRECTORY, {"tenant": t})],
    "an empty partition key": lambda t: [Put(DIRECTORY, {"tenant": "", "item": "i"})],
    "an empty sort key": lambda t: [Put(DIRECTORY, {"tenant": t, "item": ""})],
    "an empty key to delete": lambda t: [Delete(DIRECTORY, (t, ""))],
    "a null key": lambda t: [Put(DIRECTORY, {"tenant": t, "item": None})],
    "a number for a key": lambda t: [Put(DIRECTORY, {"tenant": t, "item": 1})],
    "a partition key of 2049 bytes": lambda t: [Delete(DIRECTORY, ("p" * 2049, "i"))],
    "a sort key of 1025 bytes": lambda t: [Delete(DIRECTORY, (t, "é" * 512 + "x"))],
    "an empty index key": lambda t: [Put(FACES, {"tenant": t, "faceid": "f", "enrolment_key": ""})],
    "a null index key": lambda t: [Put(FACES, {"tenant": t, "faceid": "f", "enrolment_key": None})],
    "a number for an index key": lambda t: [
        Put(FACES, {"tenant": t, "faceid": "f", "arrival_key": 1})
    ],
    "an index key set to null": lambda t: [
        Update(FACES, (t, "f"), (exists("c"),), set={"arrival_key": None})
    ],
    "an index key added to": lambda t: [
        Update(FACES, (t, "f"), (exists("c"),), add={"arrival_key": 1})
    ],
    "an item over 400 KB": lambda t: [big(t, "i", 400 * 1024)],
    "an update over 400 KB": lambda t: update_of(t, set={"v": "x" * 400 * 1024}),
    "a growth over 400 KB": lambda t: update_of(t, set={"v": "x" * (400 * 1024 - 60)}),
    "over 4 MB": lambda t: [big(t, str(n), 399 * 1024) for n in range(11)],
    "an update without a condition": lambda t: [Update(DIRECTORY, (t, "there"), (), set={"a": 1})],
    "an update of what is absent": lambda t: update_of(t, absent("item"), set={"a": 1}),
    "set and add of one attribute": lambda t: update_of(t, set={"a": 1}, add={"a": 1}),
    "set and remove of one attribute": lambda t: update_of(t, set={"a": 1}, remove=("a",)),
    "add and remove of one attribute": lambda t: update_of(t, add={"a": 1}, remove=("a",)),
    "one attribute removed twice": lambda t: update_of(t, remove=("a", "a")),
    "a partition key that is set": lambda t: update_of(t, set={"tenant": t}),
    "a sort key that is removed": lambda t: update_of(t, remove=("item",)),
    "a sum of 39 digits": lambda t: update_of(t, add={"n": 10**38 - 1}),
    "an amount of 39 digits": lambda t: update_of(t, add={"n": 10**38}),
    "an amount that is a bool": lambda t: update_of(t, add={"n": True}),
    "a check without conditions": lambda t: [Check(DIRECTORY, (t, "i"), ())],
    "201 attributes in an update": lambda t: update_of(t, set={f"a{n}": n for n in range(201)}),
}

MOTO_LETS_THROUGH = {"a sum of 39 digits"}  # it adds without DynamoDB's limit of 38 digits


@pytest.mark.parametrize("case", REFUSED)
def test_what_dynamodb_refuses_is_refused_and_nothing_changes(
    items: ItemStore, tenant: str, case: str
) -> None:
    if case in MOTO_LETS_THROUGH and isinstance(items, DynamoItemStore):
        put_there(items, tenant)
        items.transact(REFUSED[case](tenant))  # this tells when moto no longer lets it through
        return
    put_there(items, tenant)
    before = everything(items, tenant)
    actions = REFUSED[case](tenant)
    with pytest.raises(InvalidInput):
        items.transact(actions)
    assert everything(items, tenant) == before


def test_what_dynamodb_takes_is_taken(items: ItemStore, tenant: str) -> None:
    values: list[Any] = [
        "x" * 1000,
        [],
        {},
        nested(32),
        10**38 - 1,
        Decimal("0." + "1" * 38),
        Decimal("1E-130"),
    ]
    for value in values:
        items.transact(put_of(tenant, value))
    # Moto's parser runs out of stack at DynamoDB's own limit.
    many = {f"a{n}": n for n in range(100)}
    items.transact([Update(DIRECTORY, (tenant, "i"), (exists("i"),), set=many, remove=("value",))])
    # Moto's own limit is 405,000 bytes, a little below DynamoDB's 409,600; test_limits.py holds the
    # exact one.
    items.transact([big(tenant, "large", 404_000)])
    items.transact([Delete(DIRECTORY, (tenant, "large"))])
