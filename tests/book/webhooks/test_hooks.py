from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.book.webhooks import MAX_HOOKS
from chalicelib.domain.errors import InvalidInput, TooManyHooks
from chalicelib.domain.webhooks import Hindrance, Why
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from tests.support.hooks.hook_desk import TENANT, Desk

URL = "https://shop.example/hook"


def test_each_hook_has_a_secret_of_its_own_that_is_sealed_for_it(desk: Desk) -> None:
    (one, secret), (other, other_secret) = (desk.hooks.add(TENANT, URL) for _ in range(2))
    assert secret != other_secret
    assert one.sealed_secret != other.sealed_secret
    assert secret.encode() not in desk.hooks.get(TENANT, other.id).sealed_secret


def test_names_twice_are_kept_once_and_groups_in_one_form(desk: Desk) -> None:
    hook, _ = desk.hooks.add(
        TENANT, URL, groups=["Cafe\u0301", "Caf\u00e9"], cameras=["door", "door"]
    )
    assert (hook.groups, hook.cameras) == (("Caf\u00e9",), ("door",))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"url": "http://10.0.0.1/"}, "not public"),
        ({"url": "http://shop.example:25/"}, "port"),
        ({"url": "ftp://shop.example/"}, "scheme"),
        ({"url": "shop.example"}, "scheme"),
        ({"url": URL, "kinds": ["face.left"]}, r"face\.arrived, "),
        ({"url": URL, "groups": [""]}, "1 to 96 characters"),
        ({"url": URL, "cameras": ["front door"]}, "camera's id"),
        ({"url": URL, "cameras": ["x" * 65]}, "camera's id"),
    ],
)
def test_what_no_hook_can_be_is_refused_and_nothing_is_kept(
    desk: Desk, given: dict[str, object], what: str
) -> None:
    with pytest.raises(InvalidInput, match=what):
        desk.hooks.add(TENANT, **given)  # type: ignore[arg-type]
    assert desk.hooks.list_all(TENANT) == []
    hook, _ = desk.hooks.add(TENANT, URL)
    with pytest.raises(InvalidInput, match=what):
        desk.hooks.change_hook(TENANT, hook.id, given)
    assert desk.hooks.list_all(TENANT) == [hook]


def test_changed_hook_is_tried_again_at_once(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, URL)
    failing = {"failures": 9, "paused_until": 4_000_000_000_000}
    desk.items.transact([Update(keys.HOOKS, (TENANT, hook.id), (exists("there"),), set=failing)])
    assert desk.hooks.get(TENANT, hook.id).is_failing
    changed = desk.hooks.change_hook(TENANT, hook.id, {"url": "https://new.example/"})
    assert (changed.failures, changed.paused_until) == (0, None)
    assert desk.hooks.get(TENANT, hook.id) == changed


def test_hooks_are_listed_by_age_and_twenty_are_the_most(desk: Desk) -> None:
    made = [desk.hooks.add(TENANT, URL)[0] for _ in range(MAX_HOOKS)]
    assert desk.hooks.list_all(TENANT) == made
    with pytest.raises(TooManyHooks, match="20 hooks"):
        desk.hooks.add(TENANT, URL)
    desk.hooks.delete(TENANT, made[7].id)
    desk.hooks.add(TENANT, URL)
    assert len(desk.hooks.list_all(TENANT)) == MAX_HOOKS


def test_eight_at_once_make_no_more_than_twenty(desk: Desk) -> None:
    for _ in range(MAX_HOOKS - 3):
        desk.hooks.add(TENANT, URL)

    def add(_: int) -> bool:
        try:
            desk.hooks.add(TENANT, URL)
        except TooManyHooks:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(add, range(8)))
    assert made.count(True) == 3
    assert len(desk.hooks.list_all(TENANT)) == MAX_HOOKS


def test_what_counts_additions_is_no_hook(desk: Desk) -> None:
    desk.hooks.add(TENANT, URL)
    assert desk.hooks.find(TENANT, "#additions") is None


@pytest.mark.parametrize(
    ("stored", "read", "taken"),
    [
        (["face.arrived", "face.waved"], ["face.arrived"], 1),
        (["face.waved"], [], 0),
        (None, None, 1),
    ],
)
def test_kinds_of_a_later_version_are_passed_over(
    desk: Desk, stored: list[str] | None, read: list[str] | None, taken: int
) -> None:
    hook, _ = desk.hooks.add(TENANT, URL, kinds=["group.full"])
    desk.items.transact(
        [Update(keys.HOOKS, (TENANT, hook.id), (exists("there"),), set={"kinds": stored})]
    )
    [found] = desk.hooks.list_all(TENANT)
    assert found.kinds == (None if read is None else tuple(read))
    desk.commit(desk.event())
    assert len(desk.pending) == taken


def test_deleted_hook_takes_what_waits_for_it_along(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, URL)
    other, _ = desk.hooks.add(TENANT, URL)
    desk.commit(*(desk.event() for _ in range(30)))
    parked = desk.pending[3]
    desk.outbox.park(parked, Why(Hindrance.ANSWERED, "for the test"))
    assert parked.hook_id == hook.id
    desk.hooks.delete(TENANT, hook.id)
    assert desk.hooks.list_all(TENANT) == [other]
    assert {delivery.hook_id for delivery in [*desk.pending, *desk.parked]} == {other.id}
    assert len(desk.pending) == 30
