"""Twin books, which differ in one person: who was not given that person is answered alike by both.

All that a link, a screen or a camera may ask is asked of both. Equal answers have equal
differences, so no two of them tell more when they are subtracted. Roles: test_twins_of_roles;
hooks: test_twins_of_hooks; keys of other APIs: test_twins_of_dialects; the broker:
mqtt/tests/test_twins.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations

import pytest

from chalicelib.api.v1.book import Format, Measure, Split
from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import PAGES, Member, Role
from chalicelib.domain.local_time import Granularity
from chalicelib.services import Services
from tests.support.api.devices import BY_HTTPS
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.document import names_of
from tests.support.fakes import FakeClock, photo
from tests.support.twins import (
    LEAVES,
    MARKED,
    NOON,
    READS,
    REGULARS,
    Leave,
    Maker,
    Shop,
    Visit,
    both_regulars,
    list_paths_said,
    list_said,
    mask,
    restrict,
    sweep,
    withdraw,
)


def is_of_figures(page: str) -> bool:
    screen = Member("1", "", Role.VIEWER, NOON, "", screen=True, page=page)
    return screen.is_of_figures


FIGURES = [page for page in PAGES if is_of_figures(page)]
"""Pages on which nobody is seen."""

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
        **{name: ["true"] for name in ("entries", "totals", "listed", "known", "hidden")},
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
        if twins[0].ask(page, operation, questions[0])[0] == 200:
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
                shop.ask(page, operation, question)
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
        one, other = (shop.ask("report", statistics, day | more) for shop in twins)
        assert one == other
    assert '"closed":[{' in twins[1].ask("report", statistics, day)[1]


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
            one, other = (shop.ask("report", statistics, asked) for shop in shops)
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
    said = "link to figures.*in which hour someone came"
    assert [point for point in list_said() if re.search(said, point)]


@pytest.mark.parametrize("measure", ["arrivals", "persons"])
def test_a_link_to_figures_may_ask_until_the_end_of_time(make_shop: Maker, measure: str) -> None:
    shop = make_shop("one", *both_regulars())
    [statistics] = [one for one in READS if one.path == "/v1/statistics"]
    for first, last in (("9998-12-30", "9998-12-31"), ("1970-01-01", "1970-01-02")):
        span = {"from": f"{first}T10:00:00Z", "to": f"{last}T12:00:00Z"}
        asked = {"by": "day", "measure": measure, **span}
        assert shop.ask("report", statistics, asked)[0] == 200


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FIGURES])
@pytest.mark.parametrize("leave", LEAVES)
def test_a_screen_of_people_tells_of_who_is_shown_no_more_what_a_viewer_tells(
    make_shop: Maker, services: Services, clock: FakeClock, page: str, leave: Leave
) -> None:
    """One twin never knew her."""
    hers = Visit(MARKED, "guest", 280.4)
    twins = make_shop("without", *both_regulars()), make_shop("with", *both_regulars(), hers)
    face = twins[1].find_marked()
    leave(twins[1].v1, face)
    sweep(twins, clock)
    told, answered = set(), set()
    for operation in READS:
        for questions in zip(*(questions_of(operation, shop) for shop in twins), strict=True):
            replies = [
                shop.ask(page, operation, question)
                for shop, question in zip(twins, questions, strict=True)
            ]
            answered |= {operation.path} if replies[1][0] == 200 else set()
            told |= {f"GET {operation.path}"} if mask(replies[0]) != mask(replies[1]) else set()
            assert "Ann 3" not in replies[1][1]
            assert face not in replies[1][1]
    assert {"/v1/arrivals", "/v1/statistics", "/v1/groups"} <= answered
    assert told <= list_paths_said(Role.VIEWER)


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
    return [mask((one.status, one.body)) for one in (*replies, listed)]


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
