"""Done: what stays of people in what was done, and who sees what of it."""

import io
import json
import zipfile
from typing import Any

import pytest

from chalicelib.domain.done import MOST_IN_THE_WAY
from chalicelib.domain.model import Credentials
from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.erasure_progress import SETTLED
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import Delete, Item, Put
from tests.api.v1.acts import acts, ann, forget, pictured, stored, v1
from tests.api.v1.seen import see
from tests.support.api.stage import Stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book_with import book_with
from tests.support.fakes import FakeClock, Person
from tests.support.meanwhile import Around

__all__ = ["ann", "pictured", "v1"]


def read_archive(services: Services, shop: Credentials, faceid: str) -> list[dict[str, Any]]:
    """Return what a person's archive has of the acts on that person."""
    file = io.BytesIO()
    tenant = services.tenants.get_by_name(shop.tenant)
    assert services.archives.write(tenant, faceid, file, "en") is None
    held = json.loads(zipfile.ZipFile(file).read("everything.json"))["held"]
    return sorted(held["done"], key=lambda act: str(act["at"]))


def test_an_archive_has_the_persons_own_values_and_of_other_acts_that_there_was_one(
    v1: V1Client, pictured: str, services: Services, shop: Credentials
) -> None:
    ann = pictured
    bea, _ = see(v1, services, 60, Person(2))
    see(v1, services, 29, Person(1))
    hook = v1.done("POST", "/v1/hooks", {"url": "https://8.8.8.8/s3cret", "people": [bea]})["id"]
    v1.done("PATCH", f"/v1/hooks/{hook}", {"url": "https://8.8.4.4/other", "people": [bea, ann]})
    sighting = v1.done("GET", f"/v1/faces/{ann}/sightings")["sightings"][0]["id"]
    v1.done("POST", f"/v1/faces/{ann}/sightings/{sighting}/reject", {"other": bea})
    named, hooked, rejected = read_archive(services, shop, ann)
    assert json.loads(named["after"]) == {"name": "Ann", "note": "tea"}
    assert set(hooked) == set(rejected) == {"at", "kind"}
    assert [act["kind"] for act in (hooked, rejected)] == ["hook", "rejection"]
    assert bea not in repr([named, hooked, rejected])


@pytest.fixture
def operator(v1: V1Client) -> V1Client:
    key = v1.done("POST", "/v1/keys", {"name": "till", "role": "operator"})["api_key"]
    return v1.with_key(key)


def test_who_is_no_manager_is_not_told_who_else_has_access(
    v1: V1Client, ann: str, operator: V1Client
) -> None:
    v1.done("POST", "/v1/keys", {"name": "Head office", "role": "admin"})
    assert acts(operator, by="key Nobody") == []
    refused = v1.failed(400, "GET", "/v1/done", by="key Nobody")
    assert "Head office" in repr(refused)


@pytest.mark.parametrize("is_taken_back", [False, True])
def test_an_act_that_somebody_may_not_do_is_not_there_for_them(
    v1: V1Client, operator: V1Client, is_taken_back: bool
) -> None:
    v1.done("PATCH", "/v1/settings", {"audit_days": 300})
    [act] = acts(v1)
    if is_taken_back:
        v1.done("POST", f"/v1/done/{act['id']}/undo")
    refused = operator.failed(404, "POST", f"/v1/done/{act['id']}/undo")
    assert refused["code"] == "ActNotFound"
    assert "audit_days" not in repr(refused)


@pytest.mark.parametrize("others", [{}, {"name": "crm", "events": ["face.arrived"]}])
def test_a_hooks_former_url_is_listed_by_its_host_and_not_given_back(
    v1: V1Client, services: Services, others: dict[str, Any]
) -> None:
    made = v1.done("POST", "/v1/hooks", {"url": "https://8.8.8.8/s3cret", "name": "till"})
    path = f"/v1/hooks/{made['id']}"
    v1.done("PATCH", path, {"url": "https://8.8.8.8/0ther?key=s3cret", **others})
    [act] = acts(v1)
    assert (act["before"]["url"], act["after"]["url"]) == ("8.8.8.8", "8.8.8.8")
    assert {*act["after"]} == {"url", *others}
    for secret in ("s3cret", "0ther"):
        assert secret not in repr(stored(services))
    later_url = "https://8.8.4.4/"
    v1.done("PATCH", path, {"url": later_url})
    if others:
        v1.done("POST", f"/v1/done/{act['id']}/undo")
    else:
        assert act["until"] is None
        refused = v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")
        assert (refused["code"], refused["acts"]) == ("InTheWay", [])
    hook = v1.done("GET", path)
    assert hook["url"] == later_url
    assert (hook["name"], hook["events"]) == ("till", made["events"])


def test_a_later_url_of_a_hook_stands_in_nobodys_way(v1: V1Client) -> None:
    path = f"/v1/hooks/{v1.done('POST', '/v1/hooks', {'url': 'https://8.8.8.8/a'})['id']}"
    v1.done("PATCH", path, {"url": "https://8.8.4.4/b", "name": "crm"})
    [act] = acts(v1)
    for changes in ({"url": "https://8.8.8.8/c"}, {"name": "till"}):
        v1.done("PATCH", path, changes)
    refused = v1.failed(409, "POST", f"/v1/done/{act['id']}/undo")
    assert refused["acts"] == [acts(v1)[0]["id"]]


def test_a_name_that_somebody_had_by_mistake_goes_with_whose_it_is(
    v1: V1Client, ann: str, services: Services, shop: Credentials
) -> None:
    bob, _ = see(v1, services, 60, Person(2))
    v1.done("PATCH", f"/v1/faces/{bob}", {"name": "Bob Miller"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Bob Miller"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"note": "milk"})
    v1.done("DELETE", f"/v1/faces/{bob}", erase="true")
    forget(services, shop)
    assert "Bob" not in repr(stored(services))
    assert acts(v1, name="Bob") == []
    left = [act["after"] for act in acts(v1, face=ann)]
    assert left == [{"note": "milk"}, {"name": "Ann", "note": "tea"}]


@pytest.mark.parametrize("erase", ["true", "false"])
def test_acts_that_gave_somebody_else_the_name_end_as_the_list_of_places_says(
    v1: V1Client, ann: str, services: Services, shop: Credentials, erase: str
) -> None:
    [place] = (place for place in DATA_MAP if place.name == "done")
    says = {"true": place.erasure.says, "false": place.deletion.says}[erase]
    bob, _ = see(v1, services, 60, Person(2))
    for faceid in (bob, ann):
        v1.done("PATCH", f"/v1/faces/{faceid}", {"name": "Bob Miller"})
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann"})
    assert v1.send("DELETE", f"/v1/faces/{bob}", query={"erase": erase}).status < 300
    forget(services, shop)
    left = {act["faces"][0]["id"] for act in acts(v1) if "Bob Miller" in repr(act)}
    assert (says, left) in (
        ("gone in minutes. Acts that gave somebody else the person's name stay", {ann}),
        ("gone in minutes, and acts that gave somebody else the person's name", set()),
    )


@pytest.mark.parametrize("gone", ["ann", "7"])
def test_an_act_goes_with_whom_its_sightings_were_taken_from(gone: str) -> None:
    [place] = (place for place in DATA_MAP if place.name == "done")
    assert place.erasure.take_out
    returned = {"tenant": "shop", "id": "1", "faces": ["ann"], "before": '{"face": "7"}'}
    assert isinstance(place.erasure.take_out(returned, frozenset({gone})), Delete)
    assert place.erasure.take_out(returned, frozenset({"bea"})) is None


def test_an_act_of_a_request_that_was_under_way_goes_with_the_late_ones(
    v1: V1Client, ann: str, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    [named] = stored(services, shop.tenant)
    v1.done("DELETE", f"/v1/faces/{ann}", erase="true")
    forget(services, shop)
    write(services.storage.items, [Put(keys.DONE, named)])
    assert [act["kind"] for act in acts(v1)] == ["deletion"]
    clock.advance(2 * SETTLED)
    forget(services, shop)
    assert ann not in repr(stored(services, shop.tenant))


def test_the_newest_acts_in_the_way_are_named(v1: V1Client, ann: str) -> None:
    [named] = acts(v1)
    for number in range(MOST_IN_THE_WAY + 2):
        v1.done("PATCH", f"/v1/faces/{ann}", {"name": f"Ann {number}"})
    refused = v1.failed(409, "POST", f"/v1/done/{named['id']}/undo")
    assert refused["acts"] == [act["id"] for act in acts(v1)][:MOST_IN_THE_WAY]
    assert f"the newest {MOST_IN_THE_WAY}" in repr(refused)


class CountedReads(Around):
    """An item store that counts the reads of one item alone."""

    single = 0

    def get(self, *key: Any) -> Item | None:
        self.single += 1
        return self._items.get(*key)


def test_a_page_of_merges_reads_all_who_went_at_once(
    v1: V1Client, ann: str, services: Services, stage: Stage
) -> None:
    def count_reads() -> int:
        counted = CountedReads(services.items)
        stage.services = book_with(services, items=counted)
        page = acts(v1)
        stage.services = services
        assert all(who["portrait"] for act in page for who in act["faces"])
        return counted.single

    def merge(seed: int) -> None:
        twin, _ = see(v1, services, 30, Person(seed))
        v1.done("POST", f"/v1/faces/{ann}/merge", {"other": twin})

    merge(2)
    with_one = count_reads()
    for seed in (3, 4, 5):
        merge(seed)
    assert count_reads() == with_one
