"""Twin books, which differ in one person: who was not given that person is answered alike by both.

Each twin is a shop of its own. Two regulars came to both, and were counted at the door. The person
came to one of them alone, or to both at another second of the same hour. All that a link, a screen,
a key or a camera may ask is asked of both. Equal answers have equal differences, so no two of them
tell more when they are subtracted.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from chalice.app import Chalice
from msgspec import Struct

from chalicelib.api.v1.book import Format, Measure, Split
from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.domain.local_time import Granularity
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
MARKED = Person(3, age=45.0)
"""The person in whom two twins differ."""

RANDOM = re.compile(
    r'"(?:request_id|book|tenant|display_name|public_key|fingerprint)":"[^"]*"|'
    r"[0-9a-f]{12,}|\d{5,}|/(?:with|without|a-stranger|a-guest|withdrew|restricted)/"
)
"""Ids, hashes, addresses and the names of shops."""

FIGURES = ("report", "traffic")
"""Pages on which nobody is seen."""


class Visit(Struct, frozen=True):
    """A person comes, so many minutes before noon. `group` None: nobody enrolled them."""

    person: Person
    group: str | None
    minutes_ago: float


class Shop(Struct, frozen=True):
    """A shop's key, the cookies of its links, and the words by which it may be asked for its first
    visitor."""

    v1: V1Client
    cookies: Mapping[str, str]
    words: Mapping[str, str]


Maker = Callable[..., Shop]


@pytest.fixture
def make_shop(app: Chalice, services: Services) -> Maker:
    """Make a shop to which these came. A minute of two people is counted at the door for each of
    the `counted`, so many minutes before noon."""

    def make(
        name: str, *visits: Visit, counted: tuple[float, ...] = (300, 60), strangers: str = "keep"
    ) -> Shop:
        settings = TenantSettings(time_zone="Etc/UTC", strangers=strangers, basis="consent")
        v1 = V1Client(app, services.tenants.add(name, Profile.CLOUD, settings).api_key)
        for group in ("vip", "guest", "staff"):
            id_ = v1.done("POST", "/v1/groups", {"name": group})["id"]
            v1.done("PATCH", f"/v1/groups/{id_}", {"staff": group == "staff"})
        v1.add_camera("door", labels={"a": "front"})
        words = {}
        for one in visits:
            if one.group and one.person not in words:
                words[one.person] = enrol(v1, one)
        for one in visits:
            v1.take(services, picture(one.person), one.minutes_ago, tenant=name)
        for minutes_ago in counted:
            at = (NOON - timedelta(minutes=minutes_ago)).isoformat()
            minute = {"at": at, "seconds": 60, "in": 2, "out": 0, "faces": 2}
            v1.done("PUT", "/v1/cameras/door/counts", {"minutes": [minute]})
        cookies = {page: enter(v1, page) for page in FIGURES}
        return Shop(v1, cookies, {**words[REGULARS[0]], "camera": "door"})

    return make


def enrol(v1: V1Client, visit: Visit) -> dict[str, str]:
    """Enrol who comes, and return the words by which a shop may be asked for them."""
    name = f"Ann {visit.person.seed}"
    asked = {"picture": photo(visit.person.seed), "group": visit.group, "name": name}
    face = v1.done("POST", "/v1/faces", asked)
    return {"face": face["id"], "group": visit.group or "", "name": name}


def enter(v1: V1Client, page: str) -> str:
    """The cookie of a link to a page."""
    wanted = {"name": f"Boss of {page}", "role": "viewer", "screen": True, "page": page}
    link = v1.done("POST", "/v1/members", wanted)
    reply = sign_in(v1, {"invitation": invitation_of(link)})
    return reply.headers["set-cookie"].partition(";")[0]


def both_regulars(order: int = 1) -> list[Visit]:
    """The first of them in this order came five hours ago, the other an hour ago."""
    groups = dict(zip(REGULARS, ("vip", "regular"), strict=True))
    return [
        Visit(who, groups[who], minutes_ago)
        for minutes_ago, who in zip((300, 60), REGULARS[::order], strict=True)
    ]


SPANS = [
    {"from": (NOON - timedelta(minutes=first)).isoformat()}
    | ({"to": (NOON - timedelta(minutes=last)).isoformat()} if last is not None else {})
    for first, last in (
        (540, None),
        (540, 180),
        # These end or begin before, between and behind the seconds at which the person came.
        *((300, last) for last in (280.3, 250.7)),
        *((first, 60) for first in (280.3, 250.7)),
        (281, 279),
    )
]
"""Spans of questions, of which many cut the hour in which the person came."""


def values_of(name: str, shop: Shop) -> list[str]:
    """Values of a query that may ask for a person, by its name."""
    known: dict[str, list[str]] = {
        "split": [*Split],
        "measure": [*Measure],
        "format": [*Format],
        "by": [*Granularity],
        "staff": ["true", "false"],
        "entries": ["true"],
        "kind": ["sighting", "all"],
    }
    return known.get(name) or ([shop.words[name]] if name in shop.words else ["1"])


def questions_of(operation: V1Operation, shop: Shop) -> Iterator[dict[str, str]]:
    """Nothing, each parameter alone, and each two of them, with each of their values."""
    names = names_of(operation.query)
    singles = [
        {name: value}
        for name in names
        if name not in ("from", "to")
        for value in values_of(name, shop)
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


def list_questions(
    operation: V1Operation,
    twins: tuple[Shop, Shop],
    page: str,
    spans: Sequence[dict[str, str]],
) -> Iterator[tuple[dict[str, str], ...]]:
    """Yield the questions to both twins, and those that are answered over each span, too."""
    for questions in zip(*(questions_of(operation, shop) for shop in twins), strict=True):
        yield questions
        if "to" not in names_of(operation.query):
            continue
        if answer(twins[0], page, operation, questions[0])[0] == 200:
            yield from (tuple(asked | span for asked in questions) for span in spans)


def list_told(
    twins: tuple[Shop, Shop], page: str, spans: Sequence[dict[str, str]] = SPANS
) -> list[tuple[str, dict[str, str]]]:
    """List the questions of a link that twins answer otherwise, after all of its reads were asked
    of both."""
    told, answered = [], set()
    for operation in READS:
        for questions in list_questions(operation, twins, page, spans):
            one, other = (
                answer(shop, page, operation, question)
                for shop, question in zip(twins, questions, strict=True)
            )
            answered |= {operation.path} if one[0] == 200 else set()
            told += [(operation.path, questions[0])] if one != other else []
    of_traffic = {"/v1/cameras"} if page == "traffic" else set()
    assert answered == {"/v1/session", "/v1/statistics"} | of_traffic
    return told


@pytest.mark.parametrize("page", FIGURES)
def test_no_parameter_of_a_link_to_figures_tells_one_person_from_another(
    make_shop: Maker, clock: FakeClock, page: str
) -> None:
    assert clock.now() == NOON
    twins = make_shop("one", *both_regulars()), make_shop("two", *both_regulars(-1))
    assert list_told(twins, page, SPANS[:2]) == []


def test_a_link_to_figures_tells_nothing_of_staff(make_shop: Maker) -> None:
    """Neither that she came, nor when: what the box counted at the door is the same."""
    counted = (300, 281, 280, 279, 60)
    hers = Visit(MARKED, "staff", 280.4)
    twins = (
        make_shop("without", *both_regulars(), counted=counted),
        make_shop("with", *both_regulars(), hers, counted=counted),
    )
    assert list_told(twins, "traffic") == []


def test_a_closed_day_tells_a_link_nothing_of_staff(
    make_shop: Maker, services: Services, clock: FakeClock
) -> None:
    """The entries of a closed day are without staff, and what is counted now is not."""
    hers = Visit(MARKED, "staff", 280.4)
    twins = (
        make_shop("without", *both_regulars(), counted=(280,)),
        make_shop("with", *both_regulars(), hers, counted=(280,)),
    )
    for _ in range(5):
        clock.advance(timedelta(hours=11))
        for name in ("without", "with"):
            services.sweep.sweep_tenant(services.tenants.get_by_name(name), clock.now())
    [statistics] = [one for one in READS if one.path == "/v1/statistics"]
    day = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z", "by": "day"}
    for more in ({}, {"entries": "true"}, {"entries": "true", "format": "csv"}):
        one, other = (answer(shop, "report", statistics, day | more) for shop in twins)
        assert one == other
    assert '"closed":[{' in answer(twins[1], "report", statistics, day)[1]


def test_people_of_hours_that_are_subtracted_tell_a_link_nobodys_next_hour(
    make_shop: Maker,
) -> None:
    """Two who came twice on one day; in the one shop the second hours have changed places."""
    orders = ((0, 1, 0, 1), (0, 1, 1, 0))
    shops = [
        make_shop(
            f"shop{number}",
            *(
                Visit(REGULARS[who], ("vip", "guest")[who], minutes_ago)
                for who, minutes_ago in zip(order, (290, 230, 170, 110), strict=True)
            ),
        )
        for number, order in enumerate(orders)
    ]
    [statistics] = [one for one in READS if one.path == "/v1/statistics"]
    for first, last in combinations(range(7, 12), 2):
        span = {"from": f"2026-03-01T{first:02}:00:00Z", "to": f"2026-03-01T{last:02}:00:00Z"}
        for by in Granularity:
            asked = {"by": by.value, "measure": "persons", **span}
            one, other = (answer(shop, "report", statistics, asked) for shop in shops)
            assert one == other


def test_a_link_to_figures_tells_in_which_hour_somebody_came_and_not_when(
    make_shop: Maker,
) -> None:
    counted = (300, 281, 280, 279, 251, 250, 60)
    twins = (
        make_shop("early", *both_regulars(), Visit(MARKED, "guest", 280.4), counted=counted),
        make_shop("late", *both_regulars(), Visit(MARKED, "guest", 250.6), counted=counted),
    )
    assert list_told(twins, "traffic") == []


def test_a_link_to_figures_tells_by_figures_alone_that_somebody_came(make_shop: Maker) -> None:
    hers = Visit(MARKED, "guest", 280.4)
    twins = make_shop("without", *both_regulars()), make_shop("with", *both_regulars(), hers)
    assert {path for path, _ in list_told(twins, "traffic", SPANS[:1])} == {"/v1/statistics"}
    assert re.search("link to figures.*in which hour somebody came", list_said()[1])


def list_said() -> list[str]:
    """The points that docs/privacy.md makes of what can still be told."""
    page = Path("docs/privacy.md").read_text()
    part = page.partition("## What can still be told of somebody\n")[2].partition("\n## ")[0]
    return [" ".join(point.split()) for point in re.findall(r"^- (.*(?:\n  .*)*)", part, re.M)]


def erase(v1: V1Client, face: str) -> None:
    v1.done("DELETE", f"/v1/faces/{face}", erase="true")


def withdraw(v1: V1Client, face: str) -> None:
    record = {"basis": "consent", "given_at": "2026-01-01T00:00:00Z", "evidence": "signed"}
    v1.done("PUT", f"/v1/faces/{face}/consent", record)
    v1.done_without_body("DELETE", f"/v1/faces/{face}/consent")


def restrict(v1: V1Client, face: str) -> None:
    v1.done("PUT", f"/v1/faces/{face}/restriction", {"restricted": True, "reason": "asked"})


@pytest.mark.parametrize("measure", ["arrivals", "persons"])
def test_a_link_to_figures_may_ask_until_the_end_of_time(make_shop: Maker, measure: str) -> None:
    shop = make_shop("one", *both_regulars())
    [statistics] = [one for one in READS if one.path == "/v1/statistics"]
    for first, last in (("9998-12-30", "9998-12-31"), ("1970-01-01", "1970-01-02")):
        span = {"from": f"{first}T10:00:00Z", "to": f"{last}T12:00:00Z"}
        asked = {"by": "day", "measure": measure, **span}
        assert answer(shop, "report", statistics, asked)[0] == 200


@pytest.mark.parametrize("leave", [erase, withdraw, restrict])
def test_a_viewer_tells_of_who_is_shown_no_more_what_the_page_says(
    make_shop: Maker, services: Services, clock: FakeClock, leave: Callable[[V1Client, str], None]
) -> None:
    """One twin never knew her."""
    hers = Visit(MARKED, "guest", 280.4)
    twins = make_shop("without", *both_regulars()), make_shop("with", *both_regulars(), hers)
    [face] = twins[1].v1.done("GET", "/v1/faces", name="Ann 3")["faces"]
    leave(twins[1].v1, face["id"])
    for _ in range(9):
        clock.advance(timedelta(minutes=1))
        for name in ("without", "with"):
            services.sweep.sweep_tenant(services.tenants.get_by_name(name), clock.now())
    keys = [shop.v1.done("POST", "/v1/keys", {"name": "Max", "role": "viewer"}) for shop in twins]
    viewers = [V1Client(twins[0].v1.app, key["api_key"]) for key in keys]
    told = set()
    for operation in READS:
        bodies = [viewer.send("GET", operation.path).body for viewer in viewers]
        one, other = (RANDOM.sub("#", body) for body in bodies)
        told |= {operation.path} if one != other else set()
        assert "Ann 3" not in bodies[1]
        assert face["id"] not in bodies[1]
    assert told == {path for point in list_said() for path in re.findall(r"`GET (\S+)`", point)}


@pytest.mark.parametrize("strangers", ["keep", "forget"])
def test_a_cameras_key_tells_nobody_from_another(
    make_shop: Maker, services: Services, strangers: str
) -> None:
    """A camera is answered alike of its pictures, also of people who are in the book."""
    ways = {"a stranger": None, "a guest": None, "withdrew": withdraw, "restricted": restrict}
    answers: dict[str, list[str]] = {}
    for who, leave in ways.items():
        name, group = who.replace(" ", "-"), None if who == "a stranger" else "guest"
        shop = make_shop(name, *both_regulars(), Visit(MARKED, group, 280.4), strangers=strangers)
        if leave:
            [face] = shop.v1.done("GET", "/v1/faces", name="Ann 3")["faces"]
            leave(shop.v1, face["id"])
        answers[who] = ask_as_camera(shop, services, name)
    assert [*answers.values()] == [answers["a stranger"]] * 4


def ask_as_camera(shop: Shop, services: Services, name: str) -> list[str]:
    """Have the door send a picture of the marked person, and read all that its key may read."""
    door = V1Client(shop.v1.app, shop.v1.done("POST", "/v1/cameras/door/key")["api_key"])
    sent = door.send("POST", "/v1/captures", {"picture": photo(3), "camera": "door"})
    services.sightings.ingest.resolve_capture(name, "door", sent.json["id"])
    paths = [
        one.path.replace("{id}", "door" if "cameras" in one.path else sent.json["id"])
        for one in OPERATIONS
        if one.of_cameras and one.method == "GET"
    ]
    replies = [sent, *(door.send("GET", path, query={"camera": "door"}) for path in paths)]
    listed = door.send("GET", "/v1/captures")
    return [f"{one.status} {RANDOM.sub('#', one.body)}" for one in (*replies, listed)]


def test_the_walk_tells_two_regulars_apart_by_a_key(make_shop: Maker) -> None:
    twins = make_shop("one", *both_regulars()), make_shop("two", *both_regulars(-1))
    asked = {"by": "hour", "split": "group", "from": (NOON - timedelta(hours=9)).isoformat()}
    one, other = (shop.v1.send("GET", "/v1/statistics", query=asked).body for shop in twins)
    assert one != other, "else the walk could not fail"


def test_a_link_to_traffic_reads_of_a_camera_its_name_alone(make_shop: Maker) -> None:
    shop = make_shop("one", *both_regulars())
    status = {"host": "till-3", "message": "cannot open rtsp://admin@10.0.0.8"}
    shop.v1.done("POST", "/v1/cameras/door/heartbeat", {"status": status, "working": False})
    headers = {"Cookie": shop.cookies["traffic"], **BY_HTTPS}
    reply = V1Client(shop.v1.app, None).send("GET", "/v1/cameras", headers=headers)
    [camera] = reply.json["cameras"]
    assert (camera["id"], camera["name"]) == ("door", "door")
    assert not re.search("till-3|rtsp|front", reply.body)
