"""Twin books with hooks, which differ in one person: who is told of some people only is told
nothing of others.

What is sent to a URL, waits in a mailbox, and is written to a phone or by mail, is all made of one
body (domain/webhooks.write_payload), which is compared here.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.events import CHOSEN, EventKind
from chalicelib.services import Services
from tests.support.fakes import FakeClock, Person, picture
from tests.support.twins import (
    LEAVES,
    MARKED,
    REGULARS,
    Leave,
    Maker,
    Shop,
    Visit,
    both_regulars,
    list_said,
    mask,
    sweep,
)

OF_SOME: Mapping[str, Any] = {"groups": ["vip"], "cameras": ["door"], "people": []}
WEEKLY = {"url": None, "events": [EventKind.WEEK_ENDED]}
GROUPS = ("guest", "staff", None)
COME_AGAIN = (
    Visit(REGULARS[0], "vip", 10),
    Visit(REGULARS[1], "regular", 5),
    Visit(Person(9), None, 3),
)
"""The last is a stranger."""


def list_bodies(shop: Shop, number: int = 0) -> list[str]:
    """The bodies of what a mailbox has, the oldest first."""
    path = f"/v1/hooks/{shop.hooks[number]}/deliveries"
    waiting = shop.v1.done("GET", path, state="pending", limit=100)["deliveries"]
    events = sorted((one["event"] for one in waiting), key=lambda event: event["at"])
    shop_name = shop.own.tenant
    return [mask((200, json.dumps(event).replace(shop_name, "shop"))) for event in events]


def make_twins(make_shop: Maker, hook: Mapping[str, Any], group: str | None) -> list[Shop]:
    """To one of them the marked person came, too, at another door than the regulars."""
    doors, also = ("door", "gate"), Visit(MARKED, group, 280.4, "gate")
    return [
        make_shop(name, *both_regulars(), *more, *COME_AGAIN, cameras=doors, hooks=[hook])
        for name, more in (("without", ()), ("with", (also,)))
    ]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("filtered", OF_SOME)
def test_a_hook_of_some_is_told_nothing_of_others(
    make_shop: Maker, filtered: str, group: str | None
) -> None:
    hook = {"url": None, "events": [*CHOSEN], filtered: OF_SOME[filtered]}
    one, other = (list_bodies(shop) for shop in make_twins(make_shop, hook, group))
    assert len(one) >= 2
    if (filtered, group) == ("cameras", None):
        assert one != other
        one = [body.replace('"number": 1', '"number": 2') for body in one]
        assert any("hook for one camera" in point and "numbers" in point for point in list_said())
    assert one == other


def test_a_hook_of_everybody_is_told_so_the_walk_can_fail(make_shop: Maker) -> None:
    one, other = (list_bodies(shop) for shop in make_twins(make_shop, {"url": None}, "guest"))
    assert len(other) == len(one) + 1
    assert '"gallery_size": 2' in one[0]
    assert '"gallery_size": 3' in other[0]


@pytest.mark.parametrize("filtered", OF_SOME)
@pytest.mark.parametrize("leave", LEAVES)
def test_a_hook_of_some_is_not_told_that_somebody_else_left(
    make_shop: Maker, services: Services, clock: FakeClock, leave: Leave, filtered: str
) -> None:
    hook = {"url": None, "events": [*CHOSEN], filtered: OF_SOME[filtered]}
    hers = Visit(MARKED, "guest", 280.4, "gate")
    stays, leaves = (
        make_shop(name, *both_regulars(), hers, cameras=("door", "gate"), hooks=[hook])
        for name in ("stays", "leaves")
    )
    leave(leaves.v1, leaves.find_marked())
    sweep((stays, leaves), clock)
    for shop in (stays, leaves):
        shop.v1.take(services, picture(REGULARS[0]), camera="door", tenant=shop.own.tenant)
    assert list_bodies(stays) == list_bodies(leaves)


def test_the_number_of_a_face_tells_that_others_stand_in_its_picture(
    make_shop: Maker, services: Services
) -> None:
    hook = {"url": None, "people": []}
    twins = [make_shop(name, *both_regulars(), hooks=[hook]) for name in ("alone", "beside")]
    for shop, others in zip(twins, ((), (Person(9, side_px=140.0),)), strict=True):
        shop.v1.take(services, picture(*others, REGULARS[0]), 0, tenant=shop.own.tenant)
    one, other = (list_bodies(shop)[-1] for shop in twins)
    assert one != other
    assert one.replace("#-0", "#-1").replace("crops/0", "crops/1") == other
    assert any("in the same picture" in point for point in list_said())


def tell_week(shops: Sequence[Shop], clock: FakeClock) -> list[dict[str, Any]]:
    """The messages of the week, without the shop's name."""
    clock.advance(timedelta(days=1))
    bodies = []
    for shop in shops:
        assert shop.services.sightings.weeks.tell_last(shop.tenant, clock.now())
        bodies.append(json.loads(list_bodies(shop)[-1].partition(" ")[2])["data"])
    return bodies


def test_a_message_of_the_week_tells_nobody_from_another(
    make_shop: Maker, clock: FakeClock
) -> None:
    twins = [
        make_shop(name, *both_regulars(order), hooks=[WEEKLY])
        for name, order in (("one", 1), ("two", -1))
    ]
    one, other = tell_week(twins, clock)
    assert one == other


def test_a_message_of_the_week_tells_of_staff_how_often_they_came(
    make_shop: Maker, clock: FakeClock
) -> None:
    hers = Visit(MARKED, "staff", 280.4)
    twins = [
        make_shop(name, *both_regulars(), *more, hooks=[WEEKLY])
        for name, more in (("without", ()), ("with", (hers,)))
    ]
    one, other = tell_week(twins, clock)
    *lines, of_staff = other.pop("report").splitlines()
    others = one.pop("report").splitlines()
    assert [line for line in others if line not in lines] == [others[3]]
    assert "entries" in lines[3]
    assert one == other
    assert "staff" in of_staff
    assert any("weekly message" in point and "staff" in point for point in list_said())
