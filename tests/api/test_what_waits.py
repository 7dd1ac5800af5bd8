"""Somebody withdraws while something about her waits, or was given out: from then on nothing of it
tells of her.

What waits is found by what is stored, not by a list: whatever names her afterwards has to be a
place that is kept for nobody to see (chalicelib/privacy/data_map.py), or one of TELL_NOBODY.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

import pytest

from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.storage import keys
from tests.support.api.ways_in import IN, House, Somebody, open_house, tell_broker
from tests.support.book.book import MONDAY, Shot
from tests.support.fakes import Person
from tests.support.faults.stored import stored

TELL_NOBODY = {
    "audit": "who reads it looks for what was done with her data",
    "journal": "of the gallery: it says that she left it, and is cut within three hours",
    "requests": "who sends a request again gets the answer that it got",
}
LINKS_STAY = re.compile(
    r"/_blobs/shop/(-crops/door/.*-whole\.jpg|door/\d+-\w+)$|/_pictures/.*\.zip$"
)
"""Links to whole pictures of captures, which are kept as captures are, and to her own archive: two
hours at most."""


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as made:
        made.box.v1.done("PATCH", "/v1/settings", {"expired_consent_erases": False})
        yield made


HOOKS = 4
"""One of the house, a URL, a phone and a mailbox, to which each event about her goes."""


@pytest.fixture
def eva(house: House) -> Somebody:
    """Enrolled with a record, seen alone and with another, and told of by HOOKS."""
    box, one = house.box, Somebody("v1", "withdrawn")
    for way in (
        {"url": "http://127.0.0.1:1025/hook"},
        {
            "url": None,
            "channel": {"way": "ntfy", "url": "http://127.0.0.1:1025/phone"},
            "events": ["face.arrived"],
        },
        {"url": None, "events": ["face.arrived"]},
    ):
        one.also = box.v1.done("POST", "/v1/hooks", way)["id"]
    one.faceid = IN["v1"].go(house, one)
    record = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z"}
    box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", record)
    at = MONDAY + timedelta(days=6)
    other = Person(one.seed + 1_000_000, side_px=80.0)
    box.see(
        Shot(at, (Person(one.seed),)),
        Shot(at + timedelta(hours=5), (Person(one.seed, side_px=99.0), other)),
    )
    return one


def withdraw(house: House, one: Somebody) -> None:
    assert house.box.v1.send("DELETE", f"/v1/faces/{one.faceid}/consent").status == 204


def list_naming(house: House, one: Somebody) -> dict[str, list[str]]:
    """The rows that name her, by their table."""
    found: dict[str, list[str]] = {}
    for text in stored(house.box.folder):
        if text.startswith("items ") and (one.faceid in text or one.name in text):
            found.setdefault(text.split()[1], []).append(text)
    return found


def test_whatever_names_her_from_then_on_is_kept_for_nobody_to_see(
    house: House, eva: Somebody
) -> None:
    before = list_naming(house, eva)
    assert len(before[keys.OUTBOX.name]) == 2 * HOOKS
    withdraw(house, eva)
    unseen = {place.name for place in DATA_MAP if place.restriction.is_kept}
    assert {*list_naming(house, eva)} <= unseen | {*TELL_NOBODY}
    house.box.tell()
    assert not [one for one in house.box.heard() if eva.faceid in one]
    waiting = house.box.v1.done("GET", f"/v1/hooks/{eva.also}/deliveries")
    assert eva.faceid not in str(waiting)


def test_what_the_broker_retains_of_her_goes(house: House, eva: Somebody) -> None:
    def names_her(retained: dict[str, bytes]) -> bool:
        return any(
            text in f"{topic} {payload!r}"
            for topic, payload in retained.items()
            for text in (eva.faceid, eva.name)
        )

    tell_broker(house, eva.also, names_her)
    withdraw(house, eva)
    tell_broker(house, eva.also, names_her, are_gone=True)


LISTS = (
    "/v1/faces",
    "/v1/captures",
    "/v1/reviews",
    "/v1/observations",
    "/v1/arrivals",
    "/v1/merges",
)


def ask(house: House, one: Somebody) -> Iterator[tuple[str, Any]]:
    """Yield what v1 answers to the calls that show people and what was seen of them, by path."""
    captures = [each["id"] for each in house.box.v1.done("GET", "/v1/captures")["captures"]]
    paths = [
        f"/v1/faces/{one.faceid}{part}" for part in ("", "/pictures", "/sightings", "/everything")
    ]
    for path in [*LISTS, *paths]:
        yield path, house.box.v1.send("GET", path)
    for id_ in captures:
        for part in ("", "/thumbnail", "/crops/0", "/crops/1"):
            yield (
                part,
                house.box.v1.send("GET", f"/v1/captures/{id_}{part}", query={"camera": "door"}),
            )


def list_links(value: Any) -> Iterator[str]:
    """Yield the links in a JSON value that need no key."""
    if isinstance(value, dict):
        for below in value.values():
            yield from list_links(below)
    elif isinstance(value, list):
        for below in value:
            yield from list_links(below)
    elif isinstance(value, str) and "signature=" in value:
        yield value


def find_links(house: House, one: Somebody) -> set[str]:
    found = set[str]()
    for _, reply in ask(house, one):
        found |= {
            *list_links(
                reply.json if reply.body and reply.status == 200 else reply.headers.get("location")
            )
        }
    return found


def is_shown(house: House, link: str, one: Somebody) -> bool:
    """Whether the link of an answer shows her now."""
    address = urlsplit(urljoin(f"{house.url}/v1/", link))
    try:
        with urlopen(f"{house.url}{address.path}?{address.query}") as answer:
            return f'"seed": {one.seed}' in answer.read().decode("latin-1")
    except HTTPError:
        return False


def test_links_that_were_given_out_end(house: House, eva: Somebody) -> None:
    links = [link for link in sorted(find_links(house, eva)) if is_shown(house, link, eva)]
    assert (
        len(links)
        > len({urlsplit(link).path for link in links if LINKS_STAY.search(urlsplit(link).path)})
        > 0
    )
    withdraw(house, eva)
    still = [urlsplit(link).path for link in links if is_shown(house, link, eva)]
    assert [path for path in still if not LINKS_STAY.search(path)] == []


def test_no_list_says_who_was_there_and_no_new_link_shows_her_face(
    house: House, eva: Somebody
) -> None:
    withdraw(house, eva)
    answers = {
        path: str(reply.body) for path, reply in ask(house, eva) if not path.endswith("/everything")
    }
    telling = [
        path for path, text in answers.items() if eva.name in text or f'"{eva.faceid}"' in text
    ]
    assert [path for path in telling if eva.faceid not in path] == []
    new = [urlsplit(link).path for link in find_links(house, eva) if is_shown(house, link, eva)]
    assert [path for path in new if not LINKS_STAY.search(path)] == []
