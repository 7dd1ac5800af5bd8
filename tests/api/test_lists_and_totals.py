"""A list has as many visits as its totals count, and names nobody who is restricted.

All with the settings that a new tenant begins with.
"""

import html
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import asdict, replace
from rich.console import Console

from chalicelib.api.sunmi.routes import ENDPOINTS
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import Role
from chalicelib.domain.captures import SOMEBODY
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.model import Labels
from chalicelib.domain.observations import NearFace
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Put
from chalicelib.storage.records.observations import review_from, review_item
from regulars.today import print_today, read_today
from tests.support.api.icredit.client import EVER, MarketClient, amounts, persons
from tests.support.api.samples import SAMPLES, Sample
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, shot
from tests.support.book.person import worked_off
from tests.support.book.tenants import CHOICE
from tests.support.fakes import HIDDEN, Person

HER, HER_TWIN = (11, "Eva Nightingale", "plays the theremin"), (12, "Zoe Kingfisher", "has a dog")
FINN, GUS, ANN, STRANGER = 13, 14, 15, 16
HOUR, DAY = 60, 24 * 60
ALWAYS = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
NO_ID = "none"
"""Stands in a sample for an id of something that the shop does not have."""
ID = re.compile(r"\d{13}-[0-9a-f]{24}-\d")
"""A sighting's."""
URL = re.compile(r"https?://[^\s\"<>]+|/(?:captures|blobs|pictures|v1)/[^\s\"<>]+")
RANDOM = re.compile(r"[A-Za-z0-9+/]{43}=|[0-9a-f]{8,}|[0-9A-F]{8,}|\d{8,}|[A-Za-z0-9_-]{40,}={0,2}")
"""Values by a picture, a clock or chance: ids, hashes, URLs' signatures and tokens of pages."""


class Shop:
    """A shop in which one of its regulars is restricted, another withdrew, a third was erased."""

    def __init__(self, folder: Path, seed: int, name: str, note: str) -> None:
        self.book = book = Book(folder)
        services = book.services
        services.tenants.change_settings("shop", asdict(TenantSettings(**CHOICE, time_zone="UTC")))
        self.stage = make_stage(services)
        credentials = services.tenants.rotate_keys("shop")
        self.owner = V1Client(self.stage.app, credentials.api_key)
        key = self.owner.done("POST", "/v1/keys", {"name": "door", "role": "viewer"})
        self.viewer = self.owner.with_key(key["api_key"])
        self.market = MarketClient(self.stage.app, credentials.appcode)
        self.sunmi = CameraClient(
            self.stage.app, credentials.app_id, credentials.app_key, book.clock
        )
        vip = Labels("vip")
        self.her = self._enrol(seed, name=name, note=note, age=40, labels=vip)
        self._enrol(FINN, name="Finn")
        gus, ann = (self._enrol(who, name="Gone", labels=vip) for who in (GUS, ANN))
        self.owner.done("PATCH", "/v1/cameras/door", {"labels": {"a": "front"}})
        shots = [*self._come(seed)]
        services.tenants.change_settings("shop", {"review_margin": 0.5})
        self.captures = book.see(*shots[:6])
        default_margin = TenantSettings().review_margin
        services.tenants.change_settings("shop", {"review_margin": default_margin})
        self.captures += book.see(*shots[6:])
        self._make_reviews_near_her()
        restriction = {"restricted": True, "reason": "letter 7"}
        self.owner.done("PUT", f"/v1/faces/{self.her}/restriction", restriction)
        services.consents.set(book.tenant, ann, Consent(Basis.CONSENT, MONDAY))
        services.consents.withdraw_consent(book.tenant, ann)
        self.owner.done("DELETE", f"/v1/faces/{gus}")
        worked_off(book)
        self.hidden = {self.her, ann, gus, name, note}
        self.sightings = {
            f"{capture.id}-{sighting.number}"
            for capture in self.captures
            for sighting in capture.sightings
            if sighting.faceid in (self.her, ann, gus)
        }

    def _enrol(self, seed: int, **fields: Any) -> str:
        """Enrol somebody a minute behind the one before, so that lists have one order."""
        self.book.clock.advance(MINUTE)
        return self.book.enrol(Person(seed), **fields).faceid

    def _come(self, seed: int) -> Iterator[Shot]:
        """She comes twice on two days and once on a third, with Finn and alone."""
        for day in range(3):
            yield shot(day * DAY, seed, FINN)
            yield shot(day * DAY + 20, seed)
            yield shot(day * DAY + HOUR, GUS)
            yield shot(day * DAY + HOUR + 10, STRANGER + day)
            yield shot(day * DAY + 2 * HOUR, ANN)
            yield shot(day * DAY + 3 * HOUR, FINN)
        for day in range(2):
            yield shot(day * DAY + 5 * HOUR, seed)

    def _make_reviews_near_her(self) -> None:
        """Make the first day's matches nearly hers: people of pictures here are like nobody."""
        items = self.book.storage.items
        for item in [*walk_items(items, keys.REVIEWS, "shop")]:
            review = review_from(item)
            near_her = (*review.near, NearFace(self.her, 0.4))
            items.transact([Put(keys.REVIEWS, review_item("shop", replace(review, near=near_her)))])

    def list_all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read all pages of a list."""
        rows, token = [], None
        while True:
            more = {} if token is None else {"token": token}
            page = self.viewer.done("GET", f"/v1/{path}", limit=4, **query, **more)
            rows += page[path]
            if (token := page["next_token"]) is None:
                return rows

    def count(self, value: str = "", **query: Any) -> int:
        """Count by the statistics; `value`: of a split, that one alone."""
        asked = {"by": "month", **query}
        buckets = self.viewer.done("GET", "/v1/statistics", **asked)["buckets"]
        amounts = [bucket["amounts"] for bucket in buckets]
        return sum(one.get(value, 0) if value else sum(one.values()) for one in amounts)

    def answer_everything(self) -> dict[str, str]:
        """Return what each door that reads answers to who may only look, by what was asked.

        Her id is known from before, and asked for wherever a face can be.
        """
        answers = {}
        for operation in OPERATIONS:
            if operation.method != "GET" or operation.role is not Role.VIEWER:
                continue
            for number, sample in enumerate(SAMPLES[operation.method, operation.path]):
                filled = self._fill(sample)
                path = operation.path.format_map(filled.path)
                reply = self.viewer.send("GET", path, query=filled.query)
                said = reply.body or reply.headers.get("location", "")
                # a refusal repeats what was asked for
                answers[f"{path} {number}"] = (
                    said if reply.status < 400 else said.replace(self.her, "")
                )
        for name in ("query", "analysis"):
            for number, sample in enumerate(SAMPLES["POST", f"/icredit/face/{name}"]):
                answers[f"iCREDIT {name} {number}"] = json.dumps(
                    self.market.call(f"/icredit/face/{name}", {**EVER, **self._fill(sample).fields})
                )
        for name in (one.name for one in ENDPOINTS if one.name.startswith("get")):
            for number, sample in enumerate(SAMPLES["POST", f"/openapi/face/{name}"]):
                if not sample.pic:
                    said = json.dumps(self.sunmi.call(name, self._fill(sample).fields))
                    is_refusal = '"msg"' in said
                    answers[f"SUNMI {name} {number}"] = (
                        said.replace(self.her, "") if is_refusal else said
                    )
        for path in ("arrivals", "observations"):
            answers[path] = json.dumps(self.list_all(path, **ALWAYS))
        return answers

    def list_shown(self) -> dict[str, str]:
        """Return the pictures that any answer leads to, by their URLs, as text."""
        urls = {url for answer in self.answer_everything().values() for url in URL.findall(answer)}
        return {url: picture for url in urls if (picture := self._fetch(html.unescape(url)))}

    def _fetch(self, url: str) -> str | None:
        """Return the picture behind a URL: of storage, or of a route that leads there."""
        path, _, query = url.partition("?")
        if "/v1/" in path:
            asked = dict(parse_qsl(query))
            reply = self.viewer.send("GET", path[path.index("/v1/") :], query=asked)
            return self._fetch(reply.headers["location"]) if reply.status == 302 else None
        _, found, key = path.partition("/shop/")
        storage = self.book.storage
        stores = (storage.uploads, storage.blobs) if found and query else ()
        kept = filter(None, (store.get(f"shop/{key}") for store in stores))
        return next((picture.decode() for picture in kept), None)

    def _fill(self, sample: Sample) -> Sample:
        known = {
            "face": self.her,
            "camera": "door",
            "camera_name": "door",
            "capture": self.captures[0].id,
            "book": self.book.tenant.book_id,
            "group": "regular",
            "group_id": "regular",
        }
        return sample.filled({slot: known.get(slot, NO_ID) for slot in sample.slots})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("her"), *HER)
    yield shop
    shop.book.services.close()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same shop, but for who is restricted."""
    twin = Shop(tmp_path_factory.mktemp("twin"), *HER_TWIN)
    yield twin
    twin.book.services.close()


def test_it_has_the_settings_of_a_new_tenant(shop: Shop) -> None:
    of_new = asdict(TenantSettings(**CHOICE, time_zone="UTC"))
    assert {name: getattr(shop.book.tenant, name) for name in of_new} == of_new


PARTS: list[dict[str, str]] = [
    {},
    {"staff": "true"},
    {"group": "regular"},
    {"group": "stranger"},
    {"camera": "door"},
    {"from": "2026-03-03T00:00:00Z", "to": "2026-03-04T00:00:00Z"},
    {"from": "2026-03-03T14:00:00Z", "to": "2026-03-03T15:00:00Z"},
]


@pytest.mark.parametrize("part", PARTS)
def test_visits_are_as_many_as_their_totals_and_the_statistics_say(
    shop: Shop, part: dict[str, str]
) -> None:
    asked = ALWAYS | part
    visits = shop.list_all("arrivals", **asked)
    totals = shop.viewer.done("GET", "/v1/arrivals", limit=1, totals="true", **asked)["totals"]
    assert len(visits) == totals["arrivals"] == shop.count(**asked) > 0
    assert Counter(one["group"] for one in visits) == totals["groups"]
    firsts = shop.list_all("arrivals", **asked, only="first")
    assert len(firsts) == totals["first"] == shop.count(**asked, split="visit", value="new")
    days = Counter(one["first"][:10] for one in visits)
    people = {(one["first"][:10], one["face"]) for one in visits if one["name"] is not None}
    assert len(people) <= shop.count(**asked, measure="persons", by="day") <= len(visits)
    assert sum(days.values()) == len({one["sighting"] for one in visits})


@pytest.mark.parametrize("kind", ["sighting", "enrolment", "all"])
def test_observations_are_as_many_as_the_statistics_say(shop: Shop, kind: str) -> None:
    of_kind = {} if kind == "all" else {"kind": kind}
    listed = shop.list_all("observations", **ALWAYS, **of_kind)
    counted = shop.count(**ALWAYS, measure="observations", kind=kind, staff="true")
    assert len(listed) == counted == len({one["id"] for one in listed})


def test_who_is_restricted_is_somebody_in_each_list(shop: Shop) -> None:
    somebody = [one for one in shop.list_all("arrivals", **ALWAYS) if one["name"] is None]
    assert len(somebody) == 5 + 3 + 3, "hers, of who withdrew, and of who was erased"
    nothing = dict.fromkeys(
        ["name", "number", "portrait", "picture_url", "crop_url", "score", "before", "counter_note"]
    )
    assert all(nothing.items() <= one.items() for one in somebody)
    seen = [one for one in shop.list_all("observations", **ALWAYS) if one["name"] is None]
    nothing = dict.fromkeys(
        ["name", "number", "portrait", "picture_url", "crop_url", "capture", "box", "age", "score"]
    )
    nothing |= {"gender": "unknown", "labels": dict.fromkeys("abcd", "")}
    assert all(nothing.items() <= one.items() for one in seen)
    labelled = {
        "split": "labels.a",
        "value": "front",
        "group": "regular",
        "measure": "observations",
    }
    of_finn = 3 + 3
    assert shop.count(**ALWAYS, **labelled) == 8 + 3 + 3 + of_finn


def test_two_days_have_nobody_in_common(shop: Shop) -> None:
    days: dict[str, set[str]] = {}
    for one in shop.list_all("observations", **ALWAYS):
        if one["name"] is None:
            days.setdefault(one["face"], set()).add(one["at"][:10])
    assert all(len(of_one) == 1 for of_one in days.values())


def test_a_filter_by_who_is_restricted_finds_and_counts_nobody(shop: Shop) -> None:
    her = {"face": shop.her}
    for path in ("arrivals", "observations", "statistics"):
        shop.viewer.failed(404, "GET", f"/v1/{path}", **ALWAYS, **her)
    answer = shop.market.query(PERSON_TOKEN=shop.her)
    assert (persons(answer), answer["TOTAL"]) == ([], "0")
    assert amounts(shop.market.analysis("3", PERSON_TOKEN=shop.her)) == {}


def test_icredit_lists_as_many_as_it_counts(shop: Shop) -> None:
    answer = shop.market.query()
    assert (
        len(persons(answer))
        == int(answer["TOTAL"])
        == sum(amounts(shop.market.analysis("2")).values())
    )
    somebody = [one for one in persons(answer) if is_erased(one["PERSON_TOKEN"])]
    named = {"PERSON_TOKEN", "PERSON_GROUP_LABEL", "TIME"}
    assert somebody
    assert not any(value for one in somebody for name, value in one.items() if name not in named)


def test_today_prints_as_many_visits_as_are_counted(shop: Shop) -> None:
    now = MONDAY + timedelta(hours=8)
    today = read_today(shop.book.services, shop.book.tenant, now)
    listed = [one for one in today.visits if one.first.at <= now]
    to = now.isoformat().replace("+00:00", "Z")
    assert len(listed) == shop.count(**{"from": "2026-03-02T00:00:00Z", "to": to})
    assert len(today.visits) == today.totals.arrivals
    out = io.StringIO()
    print_today(today, Console(file=out, width=200))
    assert not [text for text in shop.hidden if text in out.getvalue()]


def test_no_door_names_who_is_restricted(shop: Shop) -> None:
    """A new list that forgets it fails here."""
    answers = shop.answer_everything()
    found = [
        (asked, text) for asked, answer in answers.items() for text in shop.hidden if text in answer
    ]
    assert not found
    # a page of captures says where faces are in them
    lists = {asked: answer for asked, answer in answers.items() if "captures" not in asked}
    assert not [asked for asked, answer in lists.items() if shop.sightings & {*ID.findall(answer)}]


def test_no_picture_that_a_door_leads_to_shows_who_is_restricted(shop: Shop) -> None:
    shown = shop.list_shown()
    seeds = [
        {person["seed"] for person in json.loads(picture.removeprefix("small "))}
        for picture in shown.values()
    ]
    assert FINN in set().union(*seeds)
    assert not [url for url, on_it in zip(shown, seeds, strict=True) if on_it & {HER[0], GUS, ANN}]
    beside = [on_it for on_it in seeds if on_it == {FINN, HIDDEN.seed}]
    assert len(beside) > 2, "in the picture and in what was made of it"


def test_on_a_capture_nobody_can_tell_who_was_erased_and_who_is_restricted(shop: Shop) -> None:
    captures = shop.list_all("captures")
    nobody = [one for each in captures for one in each["sightings"] if one["reason"] == SOMEBODY]
    assert len(nobody) == 8 + 3 + 3, "hers, of who withdrew, and of who was erased"
    assert len({json.dumps(one | {"id": "", "box": None}) for one in nobody}) == 1
    skipped = {one["id"] for one in shop.list_all("captures", faces="skipped")}
    assert {one["id"] for one in captures if one["url"] and "/picture?" in one["url"]} == skipped
    for one in captures:
        asked = {"camera": "door"}
        assert shop.viewer.done("GET", f"/v1/captures/{one['id']}", **asked) == one
        for face in one["sightings"]:
            if face["reason"] == SOMEBODY:
                number = face["id"].rpartition("-")[2]
                path = f"/v1/captures/{one['id']}/crops/{number}"
                assert shop.viewer.failed(409, "GET", path, **asked)


def test_no_answer_tells_which_of_two_people_is_restricted(shop: Shop, twin: Shop) -> None:
    """Their names, notes, faces and ids differ, and nothing else."""
    answers, others = shop.answer_everything(), twin.answer_everything()
    assert [RANDOM.sub("#", text) for text in answers.values()] == [
        RANDOM.sub("#", text) for text in others.values()
    ]
    assert len(answers) == len(others) > 50


def test_a_review_is_near_to_who_is_restricted_once_that_is_lifted(shop: Shop) -> None:
    def list_near() -> set[str]:
        return {near["face"] for one in shop.list_all("reviews") for near in one["near"]}

    before = list_near()
    assert before
    restriction = f"/v1/faces/{shop.her}/restriction"
    shop.owner.done("PUT", restriction, {"restricted": False, "reason": "letter 8"})
    lifted = list_near()
    shop.owner.done("PUT", restriction, {"restricted": True, "reason": "letter 7"})
    assert (lifted, list_near()) == ({*before, shop.her}, before)


def test_lists_and_totals_agree_after_retention(shop: Shop) -> None:
    """Strangers are erased after 90 days, and who withdrew."""
    shop.book.clock.advance(timedelta(days=100))
    for _ in range(3):
        shop.book.sweep()
        worked_off(shop.book)
    test_visits_are_as_many_as_their_totals_and_the_statistics_say(shop, {})
    test_observations_are_as_many_as_the_statistics_say(shop, "all")
    test_two_days_have_nobody_in_common(shop)
