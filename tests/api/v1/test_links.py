"""What a link to figures tells of one person: nothing, whatever is asked by it.

Two shops have the same visits, but by two regulars who have changed places: the first to come to
the one shop is the last to come to the other. They differ in face, name, group and age. A link may
ask only what is answered alike for both shops, so no parameter tells the one regular from the
other.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from chalice.app import Chalice
from msgspec import Struct

from chalicelib.api.v1.book import Format, Measure, Split
from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from tests.support.api.devices import BY_HTTPS, invitation_of, sign_in
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.document import names_of
from tests.support.fakes import FakeClock, Person, photo, picture

READS = [
    one
    for one in OPERATIONS
    if one.role is not None and one.method == "GET" and "{" not in one.path
]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REGULARS = (Person(1, age=24.0), Person(2, age=71.0))


class Shop(Struct, frozen=True):
    """A shop's key, the cookies of its links, and the words by which it may be asked for its first
    visitor."""

    v1: V1Client
    cookies: Mapping[str, str]
    words: Mapping[str, str]


@pytest.fixture
def shops(app: Chalice, services: Services) -> tuple[Shop, Shop]:
    one, other = (
        make_shop(app, services, name, order) for name, order in (("one", 1), ("two", -1))
    )
    return one, other


def make_shop(app: Chalice, services: Services, name: str, order: int) -> Shop:
    """A shop to which both regulars came, the first of them in this order five hours ago, the other
    an hour ago."""
    settings = TenantSettings(time_zone="Etc/UTC", strangers="keep", basis="consent")
    v1 = V1Client(app, services.tenants.add(name, Profile.CLOUD, settings).api_key)
    v1.done("POST", "/v1/groups", {"name": "vip"})
    v1.add_camera("door", labels={"a": "front"})
    words = {}
    for who, group in zip(REGULARS, ("vip", "regular"), strict=True):
        face = v1.done(
            "POST",
            "/v1/faces",
            {"picture": photo(who.seed), "group": group, "name": f"Ann {who.seed}"},
        )
        words[who] = {"face": face["id"], "group": group, "name": f"Ann {who.seed}"}
    for minutes_ago, who in zip((300, 60), REGULARS[::order], strict=True):
        v1.take(services, picture(who), minutes_ago, tenant=name)
        at = (NOON - timedelta(minutes=minutes_ago)).isoformat()
        minute = {"at": at, "seconds": 60, "in": 2, "out": 0, "faces": 1}
        v1.done("PUT", "/v1/cameras/door/counts", {"minutes": [minute]})
    links = {page: v1.done("POST", "/v1/members", screen(page)) for page in ("report", "traffic")}
    sessions = {
        page: sign_in(v1, {"invitation": invitation_of(link)}) for page, link in links.items()
    }
    cookies = {
        page: reply.headers["set-cookie"].partition(";")[0] for page, reply in sessions.items()
    }
    return Shop(v1, cookies, {**words[REGULARS[0]], "camera": "door"})


def screen(page: str) -> dict[str, Any]:
    return {"name": f"Boss of {page}", "role": "viewer", "screen": True, "page": page}


def values_of(name: str, shop: Shop) -> list[str]:
    """Values of a query that may ask for a person, by its name."""
    known = {
        "split": [*Split],
        "measure": [*Measure],
        "format": [*Format],
        "by": ["hour"],
        "staff": ["true", "false"],
        "entries": ["true"],
        "kind": ["sighting", "all"],
        "from": [(NOON - timedelta(hours=9)).isoformat()],
        "to": [(NOON - timedelta(hours=3)).isoformat()],
    }
    return known.get(name) or ([shop.words[name]] if name in shop.words else ["1"])


def questions_of(operation: V1Operation, shop: Shop) -> Iterator[dict[str, str]]:
    """Nothing, each parameter alone, and each two of them, with each of their values."""
    singles = [
        {name: value} for name in names_of(operation.query) for value in values_of(name, shop)
    ]
    yield {}
    yield from singles
    yield from (
        one | other for one, other in combinations(singles, 2) if not one.keys() & other.keys()
    )


def answer(
    shop: Shop, page: str, operation: V1Operation, question: Mapping[str, str]
) -> tuple[int, str]:
    """Status and body of what a link is answered, without the shop's own name and ids."""
    headers = {"Cookie": shop.cookies[page], **BY_HTTPS}
    reply = V1Client(shop.v1.app, None).send(
        "GET", operation.path, query=dict(question), headers=headers
    )
    return reply.status, re.sub(
        r'"(request_id|begun_at|expires_at|book|tenant|display_name|member)":"[^"]*"|'
        r'"books":\["[^"]*"\]',
        "",
        reply.body,
    )


@pytest.mark.parametrize("page", ["report", "traffic"])
def test_no_parameter_of_a_link_to_figures_tells_one_person_from_another(
    shops: tuple[Shop, Shop], clock: FakeClock, page: str
) -> None:
    assert clock.now() == NOON
    told, answered = [], set()
    for operation in READS:
        for of_one, of_other in zip(
            *(questions_of(operation, shop) for shop in shops), strict=True
        ):
            one, other = (
                answer(*asked)
                for asked in zip(
                    shops, [page] * 2, [operation] * 2, (of_one, of_other), strict=True
                )
            )
            answered |= {operation.path} if one[0] == 200 else set()
            told += [(operation.path, of_one)] if one != other else []
    assert not told
    assert answered == {"/v1/session", "/v1/statistics"} | (
        {"/v1/cameras"} if page == "traffic" else set()
    )


def test_the_walk_tells_two_regulars_apart_by_a_key(shops: tuple[Shop, Shop]) -> None:
    asked = {"by": "hour", "split": "group", "from": (NOON - timedelta(hours=9)).isoformat()}
    one, other = (shop.v1.send("GET", "/v1/statistics", query=asked).body for shop in shops)
    assert one != other, "else the walk could not fail"


def test_a_link_to_traffic_reads_of_a_camera_its_name_alone(shops: tuple[Shop, Shop]) -> None:
    shop = shops[0]
    status = {"host": "till-3", "message": "cannot open rtsp://admin@10.0.0.8"}
    shop.v1.done("POST", "/v1/cameras/door/heartbeat", {"status": status, "working": False})
    headers = {"Cookie": shop.cookies["traffic"], **BY_HTTPS}
    reply = V1Client(shop.v1.app, None).send("GET", "/v1/cameras", headers=headers)
    [camera] = reply.json["cameras"]
    assert (camera["id"], camera["name"]) == ("door", "door")
    assert not re.search("till-3|rtsp|front", reply.body)
