"""ItemStore: any sequence of transactions does what it does to a dictionary."""

import copy
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.domain.errors import ConditionFailed, InvalidInput
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import FACES, TABLES
from chalicelib.storage.ports import (
    Action,
    Check,
    Condition,
    Delete,
    ItemStore,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)
from tests.support.storage.emulated import PREFIX

State = dict[str, dict[str, Any]]
"""Faces of one tenant by faceid."""

SORTS = ["a", "a#", "b", "é", "🙂"]
NUMBERS = st.integers(-3, 3)
# Text that no number is compared with (at_least names "n"), for moto cannot; no bools, for moto
# takes True for 1.
VALUES = st.none() | NUMBERS | st.sampled_from(["", "x", b"x", [1, "x"], {"m": None}])
CONDITIONS: st.SearchStrategy[Condition] = st.one_of(
    st.just(exists("exists")),
    st.builds(equals, st.just("v"), VALUES, st.just("v equals")),
    st.builds(equals, st.just("n"), NUMBERS, st.just("n equals")),
    st.builds(at_least, st.just("n"), NUMBERS, st.just("n at least")),
)
ANY_CONDITION = st.just(absent("absent")) | CONDITIONS
ANY_CONDITIONS = st.lists(ANY_CONDITION, max_size=2).map(tuple)
INDEXED = st.fixed_dictionaries({}, optional={"enrolment_key": st.sampled_from(["k1", "k2", "k#"])})


@st.composite
def actions(draw: st.DrawFn, tenant: str, sort: str) -> Action:
    key = (tenant, sort)
    match draw(st.integers(0, 4)):
        case 0:
            return Delete(FACES, key, draw(ANY_CONDITIONS))
        case 1:
            return Check(FACES, key, tuple(draw(st.lists(ANY_CONDITION, min_size=1, max_size=2))))
        case 2:
            when = tuple(draw(st.lists(CONDITIONS, min_size=1, max_size=2)))
            change: dict[str, Any] = draw(
                st.sampled_from(
                    [
                        {},
                        {"add": {"n": 2}},
                        {"add": {"n": -1}, "remove": ("v",)},
                        {"remove": ("n", "enrolment_key")},
                    ]
                )
            )
            wanted = {"v": draw(VALUES), **draw(INDEXED)}
            kept = {
                name: value
                for name, value in wanted.items()
                if name not in change.get("remove", ())
            }
            return Update(FACES, key, when, set=kept, **change)
        case _:
            item = {"tenant": tenant, "faceid": sort, "v": draw(VALUES), **draw(INDEXED)}
            return Put(
                FACES,
                item | draw(st.just({}) | NUMBERS.map(lambda n: {"n": n})),
                draw(ANY_CONDITIONS),
            )


TENANT = "the tenant"
TRANSACTIONS = st.lists(st.sampled_from(SORTS), min_size=1, max_size=3, unique=True).flatmap(
    lambda sorts: st.tuples(*(actions(TENANT, sort) for sort in sorts))
)


def holds(item: dict[str, Any] | None, condition: Condition) -> bool:
    if condition.kind == "absent" or item is None:
        return condition.kind == "absent" and item is None
    value = item.get(condition.field)
    if condition.kind == "at_least":
        return value is not None and bool(value >= condition.value)
    return condition.kind == "exists" or value == condition.value


def model_of(state: State, transaction: tuple[Action, ...]) -> set[str]:
    """Does the transaction to the state, or nothing and returns the names of the conditions that do
    not hold."""
    sorts = [a.item["faceid"] if isinstance(a, Put) else a.key[1] for a in transaction]
    names = {
        c.name
        for a, s in zip(transaction, sorts, strict=True)
        for c in a.when
        if not holds(state.get(s), c)
    }
    for action, sort in zip(transaction, sorts, strict=True) if not names else ():
        match action:
            case Put():
                state[sort] = dict(action.item)
            case Delete():
                state.pop(sort, None)
            case Update():
                item = state[sort] | dict(action.set)
                item |= {name: item.get(name, 0) + amount for name, amount in action.add.items()}
                state[sort] = {
                    name: value for name, value in item.items() if name not in action.remove
                }
    return names


def agree(items: ItemStore, tenant: str, transactions: list[tuple[Action, ...]]) -> None:
    state: State = {}
    for transaction in transactions:
        attempt = copy.deepcopy(state)
        try:
            names = model_of(attempt, transaction)
        except TypeError:
            # Adding to null: no dictionary does that either.
            with pytest.raises(InvalidInput):
                items.transact(transaction)
            continue
        if names:
            with pytest.raises(ConditionFailed) as raised:
                items.transact(transaction)
            assert raised.value.names == names
        else:
            items.transact(transaction)
            state = attempt
        assert_same(items, tenant, state)


def assert_same(items: ItemStore, tenant: str, state: State) -> None:
    in_order = sorted(state, key=str.encode)
    assert list(items.query(FACES, tenant).items) == [state[sort] for sort in in_order]
    indexed = [
        (state[sort]["enrolment_key"], sort) for sort in in_order if "enrolment_key" in state[sort]
    ]
    page = items.query(FACES, tenant, index="by_enrolment", limit=3)
    found = [(item["enrolment_key"], item["faceid"]) for item in page.items]
    if page.token:
        rest = items.query(FACES, tenant, index="by_enrolment", token=page.token)
        found += [(item["enrolment_key"], item["faceid"]) for item in rest.items]
    assert sorted(found) == sorted(indexed)
    assert [key for key, _ in found] == sorted(key for key, _ in indexed)


def for_tenant(transactions: list[tuple[Action, ...]], tenant: str) -> list[tuple[Action, ...]]:
    """The transactions, moved to another partition."""

    def moved(action: Action) -> Action:
        if isinstance(action, Put):
            return Put(action.table, {**action.item, "tenant": tenant}, action.when)
        return structs.replace(action, key=(tenant, action.key[1]))

    return [tuple(moved(action) for action in transaction) for transaction in transactions]


@contextmanager
def fresh_sqlite() -> Iterator[SqliteItemStore]:
    with TemporaryDirectory() as folder:
        store = SqliteItemStore(Path(folder) / "items.sqlite", TABLES)
        try:
            yield store
        finally:
            store.close()


@given(st.lists(TRANSACTIONS, min_size=1, max_size=12))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_sqlite_does_what_a_dictionary_does(transactions: list[tuple[Action, ...]]) -> None:
    with fresh_sqlite() as items:
        agree(items, TENANT, transactions)


@given(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=5))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_dynamo_does_what_a_dictionary_does(
    dynamodb: Any, transactions: list[tuple[Action, ...]]
) -> None:
    tenant = uuid.uuid4().hex
    items = DynamoItemStore(dynamodb, PREFIX)
    agree(items, tenant, for_tenant(transactions, tenant))
    items.transact([Delete(FACES, (tenant, sort)) for sort in SORTS])
