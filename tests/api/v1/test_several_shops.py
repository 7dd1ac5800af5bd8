"""A browser that is signed in to several shops: a session and a cookie for each, and one passkey
for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import pytest
from chalice.app import Chalice
from msgspec import Struct, field

from chalicelib.api.v1 import auth
from chalicelib.auth import sessions
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.domain.hooks import BookHooks
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Action, Put
from tests.support.api.devices import BY_HTTPS, Device, asked, invitation_of, sign_in
from tests.support.api.gateway import Reply
from tests.support.api.stage import Stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book_with import book_with
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, Person, photo, picture
from tests.support.meanwhile import Around, Meanwhile

SESSION, MEMBERS = "/v1/session", "/v1/members"
SECOND, THIRD = "second", "third"


class Browser(Struct):
    """A browser that keeps cookies as browsers do, and sends all of them."""

    v1: V1Client
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, **body: Any) -> Reply:
        return self._keep(sign_in(self.v1, body, Cookie=self.sent))

    def ask(self, method: str, path: str, book: str = "", body: Any = None) -> Reply:
        headers = {"Cookie": self.sent, **({"X-Regulars-Book": book} if book else {}), **BY_HTTPS}
        own = {} if method == "GET" else {"Sec-Fetch-Site": "same-origin"}
        return self._keep(self.v1.send(method, path, body, headers={**headers, **own}))

    def see(self, path: str, link: dict[str, str]) -> Reply:
        """Load a picture that a page shows."""
        return self.v1.send("GET", path, query=link, headers={"Cookie": self.sent, **BY_HTTPS})

    @property
    def sent(self) -> str:
        return "; ".join(f"{name}={token}" for name, token in self.cookies.items())

    def _keep(self, reply: Reply) -> Reply:
        for name, token, lasts in re.findall(
            r"([\w-]+)=([\w-]*); Max-Age=(\d+)", reply.headers.get("set-cookie", "")
        ):
            self.cookies.pop(name, None)
            if int(lasts):
                self.cookies[name] = token
        return reply


class Shop(Struct, frozen=True):
    """A shop, by its admin's key."""

    v1: V1Client
    credentials: Credentials
    book: str

    def invite(self, name: str = "Maria", role: str = "operator") -> str:
        return invitation_of(self.v1.done("POST", MEMBERS, {"name": name, "role": role}))

    def members(self) -> list[dict[str, Any]]:
        return list(self.v1.done("GET", MEMBERS)["members"])


@pytest.fixture
def shops(app: Chalice, services: Services, shop: Credentials) -> list[Shop]:
    every = [
        shop,
        *(services.tenants.add(name, Profile.CLOUD, KEEPING) for name in (SECOND, THIRD)),
    ]
    books = [services.tenants.get_by_name(one.tenant).book_id for one in every]
    return [
        Shop(V1Client(app, one.api_key), one, book) for one, book in zip(every, books, strict=True)
    ]


@pytest.fixture
def person(browser: V1Client) -> Browser:
    return Browser(browser)


@pytest.fixture
def device(person: Browser, shops: list[Shop]) -> Device:
    """A device whose one passkey was made in the first shop, and signs in to all three."""
    device, first = Device(), shops[0].invite()
    assert (
        person.sign_in(invitation=first, passkey=device.make(asked(person.v1, first))).status == 201
    )
    for shop in shops[1:]:
        assert joined(person, shop, device).status == 201
    return device


def joined(person: Browser, shop: Shop, device: Device, **said: Any) -> Reply:
    """Accept a shop's invitation by a passkey of another shop."""
    link = shop.invite(**said)
    return person.sign_in(invitation=link, passkey=device.sign(asked(person.v1, link)))


def test_a_browser_that_signs_in_to_another_shop_stays_signed_in_to_the_first(
    person: Browser, shops: list[Shop]
) -> None:
    for shop in shops:
        begun = person.sign_in(api_key=shop.credentials.api_key)
    assert {*begun.json["books"]} == {shop.book for shop in shops}
    assert begun.json["book"].startswith(begun.json["books"][0])
    for shop in shops:
        for meant in (
            shop.book,
            f"{shop.book}.{shop.v1.done('GET', SESSION)['book'].partition('.')[2]}",
        ):
            answer = person.ask("GET", SESSION, meant)
            assert (answer.status, answer.json["tenant"]) == (200, shop.credentials.tenant)
            assert {*answer.json["books"]} == {one.book for one in shops}
    assert person.ask("GET", SESSION).json["tenant"] == "shop", "the first one, if no book is meant"


def test_what_a_page_of_a_shop_writes_is_written_there_whatever_shop_signed_in_last(
    person: Browser, shops: list[Shop]
) -> None:
    for shop in shops:
        person.sign_in(api_key=shop.credentials.api_key)
    for shop in shops:
        made = person.ask(
            "POST",
            "/v1/groups",
            shop.book,
            {"name": f"of {shop.credentials.tenant}", "capacity": 5},
        )
        assert made.status == 201, made
    for shop in shops:
        names = {group["name"] for group in shop.v1.done("GET", "/v1/groups")["groups"]}
        assert [name for name in names if name.startswith("of ")] == [
            f"of {shop.credentials.tenant}"
        ]


def test_a_book_without_a_session_here_is_refused_and_the_others_are_not_asked(
    person: Browser, shops: list[Shop]
) -> None:
    for shop in shops[:2]:
        person.sign_in(api_key=shop.credentials.api_key)
    refused = person.ask("POST", "/v1/groups", shops[2].book, {"name": "nobody's", "capacity": 5})
    assert (refused.status, refused.json["code"]) == (412, "OtherBook")
    for shop in shops:
        assert "nobody's" not in str(shop.v1.done("GET", "/v1/groups"))


def test_a_picture_in_a_page_is_that_of_the_pages_shop_although_it_sends_no_header(
    person: Browser, shops: list[Shop], services: Services
) -> None:
    for shop in shops:
        person.sign_in(api_key=shop.credentials.api_key)
    second = shops[1]
    second.v1.add_camera()
    second.v1.take(services, picture(Person(1)), tenant=SECOND)
    [capture] = person.ask("GET", "/v1/captures", second.book).json["captures"]
    for url in (capture["thumb_url"], capture["sightings"][0]["crop_url"]):
        path, _, query = url.partition("/api")[2].partition("?")
        link = dict(parse_qsl(query))
        assert person.see(path, link).status == 302
        assert person.see(path, {"camera": link["camera"]}).status == 404, (
            "the first shop has no such picture"
        )
        for book, status in ((shops[0].book, 404), ("0" * 16, 412)):
            assert person.see(path, {**link, "book": book}).status == status
    [listed] = second.v1.done("GET", "/v1/captures")["captures"]
    assert "book=" not in listed["thumb_url"], "a program sends its key"


def test_signing_out_of_a_shop_ends_that_session_and_no_other(
    person: Browser, shops: list[Shop]
) -> None:
    for shop in shops:
        person.sign_in(api_key=shop.credentials.api_key)
    left = dict(person.cookies)
    for number, shop in enumerate(shops[:2], 1):
        assert person.ask("DELETE", SESSION, shop.book).status == 204
        assert len(person.cookies) == len(shops) - number
        assert person.ask("GET", SESSION, shop.book).status == 412
    alone = person.ask("GET", SESSION)
    assert (alone.json["tenant"], alone.json["books"]) == (THIRD, [shops[2].book])
    again = Browser(person.v1, left)
    assert again.ask("GET", SESSION, shops[1].book).status == 401, (
        "its session is over, whoever has its cookie"
    )
    person.sign_in(api_key=shops[0].credentials.api_key)
    assert "__Host-regulars-8080" in person.cookies


def end_by_key(shop: Shop, services: Services, key: str) -> None:
    shop.v1.done_without_body("DELETE", f"/v1/keys/{key}")


def end_by_disabling(shop: Shop, services: Services, key: str) -> None:
    services.tenants.disable(shop.credentials.tenant)


@pytest.mark.parametrize("end", [end_by_key, end_by_disabling])
def test_the_others_open_though_the_first_shop_lets_nobody_in_any_more(
    person: Browser, shops: list[Shop], services: Services, end: Callable[..., None]
) -> None:
    made = shops[0].v1.done("POST", "/v1/keys", {"name": "for a while", "role": "admin"})
    for key in (made["api_key"], *(shop.credentials.api_key for shop in shops[1:])):
        person.sign_in(api_key=key)
    end(shops[0], services, made["id"])
    for _ in "once", "signed in again":
        begun = person.ask("GET", SESSION)
        assert begun.status == 200
        assert begun.json["tenant"] in (SECOND, THIRD)
        assert {one.book for one in shops[1:]} <= {*begun.json["books"]}
        person.sign_in(api_key=shops[1].credentials.api_key)
    assert person.ask("GET", SESSION, shops[0].book).status in (401, 403), "it was meant"
    body = {"name": "nobody's", "capacity": 5}
    assert person.ask("POST", "/v1/groups", body=body).status in (401, 403), "it would change"


def test_a_cookie_opens_no_other_shop_whatever_its_name_says(
    person: Browser, shops: list[Shop]
) -> None:
    first, second = shops[:2]
    person.sign_in(api_key=first.credentials.api_key)
    [token] = person.cookies.values()
    renamed = Browser(person.v1, {f"__Host-regulars-8080-{second.book}": token})
    assert renamed.ask("GET", "/v1/faces", second.book).status == 412
    for name in (f"{second.book}0", second.book[1:], second.book.upper(), "../x"):
        assert (
            Browser(person.v1, {f"__Host-regulars-8080-{name}": token}).ask("GET", SESSION).status
            == 401
        )
    twice = f"__Host-regulars-8080-{second.book}"
    sent = {"Cookie": f"{twice}={token}; {twice}={token}", **BY_HTTPS}
    assert person.v1.send("GET", SESSION, headers=sent).status == 401


def test_a_browser_has_no_more_cookies_than_proxies_take(
    person: Browser, shops: list[Shop], services: Services
) -> None:
    full = {f"__Host-regulars-8080-{number:016x}": "A" * 43 for number in range(auth.MAX_COOKIES)}
    assert len(Browser(person.v1, full).sent) < 4096
    reply = Browser(person.v1, full).sign_in(api_key=shops[0].credentials.api_key)
    assert (reply.status, reply.json["code"]) == (409, "LimitReached")
    assert not [*walk_items(services.items, keys.TENANTS, "session")]


def test_one_passkey_signs_in_to_all_shops_that_it_was_added_to(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    assert [len(shop.members()[0]["passkeys"]) for shop in shops] == [1, 1, 1]
    another = Browser(person.v1)
    begun = another.sign_in(passkey=device.sign(asked(person.v1)), keep=True)
    assert (begun.status, begun.json["tenant"]) == (201, "shop")
    assert begun.json["books"] == [
        shops[0].book,
        *(book for book in begun.json["books"] if book != shops[0].book),
    ]
    assert {*begun.json["books"]} == {shop.book for shop in shops}
    for shop in shops:
        answer = another.ask("GET", SESSION, shop.book).json
        assert (answer["tenant"], answer["key"], answer["role"]) == (
            shop.credentials.tenant,
            "Maria",
            "operator",
        )
        assert answer["expires_at"] == begun.json["expires_at"]


def test_an_invitation_taken_by_a_passkey_of_another_shop_takes_nothing_away(
    person: Browser, shops: list[Shop]
) -> None:
    device, first = Device(), shops[0].invite()
    person.sign_in(invitation=first, passkey=device.make(asked(person.v1, first)))
    reply = joined(person, shops[1], device, name="M. Rossi", role="viewer")
    assert (reply.status, reply.json["tenant"], reply.json["role"]) == (201, SECOND, "viewer")
    assert {*reply.json["books"]} == {shop.book for shop in shops[:2]}
    assert person.ask("GET", SESSION, shops[0].book).json["role"] == "operator"


def test_each_shop_has_its_own_audit_of_a_sign_in_to_several(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    for shop in shops:
        entries = [
            one for one in shop.v1.done("GET", "/v1/audit")["entries"] if one["by"] == "sign-in"
        ]
        assert len(entries) == 2, "the invitation and the passkey"
        assert {one["details"]["member"] for one in entries} == {
            f"Maria (editor), member {shop.members()[0]['id']}"
        }
        others = [other.credentials.tenant for other in shops if other is not shop]
        assert not [name for name in others if name != "shop" and name in str(entries)]


def test_a_shop_ends_a_persons_passkey_there_and_in_no_other_shop(
    person: Browser, shops: list[Shop], device: Device, services: Services
) -> None:
    first, second, third = shops
    [member] = second.members()
    second.v1.done_without_body(
        "DELETE", f"{MEMBERS}/{member['id']}/passkeys/{member['passkeys'][0]['id']}"
    )
    assert person.ask("GET", SESSION, second.book).status == 401
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert {*begun.json["books"]} == {first.book, third.book}
    [member] = first.members()
    first.v1.done("DELETE", f"{MEMBERS}/{member['id']}")
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert (begun.status, begun.json["books"]) == (201, [third.book]), (
        "although the first one made it"
    )
    third.v1.done("DELETE", f"{MEMBERS}/{third.members()[0]['id']}")
    assert sign_in(person.v1, {"passkey": device.sign(asked(person.v1))}).status == 401
    assert not [*walk_items(services.items, keys.TENANTS, "shared_passkey")]


def test_a_disabled_shop_is_left_out_unless_there_is_no_other(
    person: Browser, shops: list[Shop], device: Device, services: Services
) -> None:
    services.tenants.disable("shop")
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert (begun.status, {*begun.json["books"]}) == (201, {shop.book for shop in shops[1:]})
    for name in (SECOND, THIRD):
        services.tenants.disable(name)
    assert (
        sign_in(person.v1, {"passkey": device.sign(asked(person.v1))}).json["code"]
        == "TenantDisabled"
    )


class Changing(Around):
    """A store in which a manager of these shops changes each member there just before somebody
    signs in."""

    def __init__(self, services: Services, *shops: str) -> None:
        super().__init__(services.items)
        self.services, self.shops, self.changes = services, shops, 0

    def transact(self, actions: Sequence[Action]) -> None:
        if any(isinstance(one, Put) and one.item.get("kind") == "session" for one in actions):
            for tenant in map(self.services.tenants.get_by_name, self.shops):
                for member in self.services.access.members.list_all(tenant):
                    self.changes += 1
                    name = f"Maria {self.changes}"
                    self.services.access.members.change_member(tenant, member.id, {"name": name})
        self._items.transact(actions)


def test_a_shop_that_changes_its_member_all_the_time_keeps_her_out_of_no_other_shop(
    person: Browser, shops: list[Shop], device: Device, services: Services, stage: Stage
) -> None:
    busy = Changing(services, "shop")
    stage.services = book_with(services, items=busy)
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert (begun.status, {*begun.json["books"]}) == (201, {shop.book for shop in shops[1:]})
    assert busy.changes == 5, "three tries there, and one each in the other two"
    busy.shops = ()
    again = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert {*again.json["books"]} == {shop.book for shop in shops}
    stage.services = book_with(services, items=Changing(services, "shop", SECOND, THIRD))
    refused = sign_in(person.v1, {"passkey": device.sign(asked(person.v1))})
    assert (refused.status, refused.json["detail"]) == (
        429,
        "this person was changed meanwhile: try again",
    )


class Full(Around):
    """Storage that takes nothing of one shop any more."""

    def transact(self, actions: Sequence[Action]) -> None:
        if any(isinstance(one, Put) and one.item.get("tenant") == "shop" for one in actions):
            raise StorageUnavailable("the disk is full")
        self._items.transact(actions)


def test_a_shop_whose_storage_is_full_keeps_her_out_of_no_other_shop(
    person: Browser, shops: list[Shop], device: Device, services: Services, stage: Stage
) -> None:
    stage.services = book_with(services, items=Full(services.items))
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert (begun.status, {*begun.json["books"]}) == (201, {shop.book for shop in shops[1:]})


class Restricting(BookHooks):
    """A book in which the consent of so many people has just ended that all wait."""

    def restrict_expired(self, tenant: Tenant) -> None:
        raise Busy(f"the consent of many people of {tenant.name} has just expired")


@pytest.fixture
def restricting(
    device: Device, shops: list[Shop], services: Services, stage: Stage, clock: FakeClock
) -> None:
    """The first shop goes on restricting people after all have made their sessions."""
    face = shops[0].v1.done("POST", "/v1/faces", {"picture": photo(1), "group": "regular"})["id"]
    record = {"basis": "consent", "given_at": 0, "evidence": "signed"}
    ends_at = (clock.now() + timedelta(minutes=1)).isoformat()
    shops[0].v1.done("PUT", f"/v1/faces/{face}/consent", {**record, "expires_at": ends_at})
    clock.advance(timedelta(minutes=2))
    stage.services = book_with(services, book_hooks=Restricting())


@pytest.mark.usefixtures("restricting")
def test_a_shop_whose_people_are_being_restricted_keeps_her_out_of_no_other_shop(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    begun = Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert begun.status == 201, begun
    assert {*begun.json["books"]} == {shop.book for shop in shops}


@pytest.mark.usefixtures("restricting")
def test_a_browser_that_is_signed_in_is_kept_out_of_no_other_shop_by_its_busy_first(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    assert person.ask("GET", "/v1/groups", shops[0].book).status == 429
    for shop in shops[1:]:
        answer = person.ask("GET", SESSION, shop.book)
        assert (answer.status, answer.json["tenant"]) == (200, shop.credentials.tenant)
        assert {*answer.json["books"]} == {each.book for each in shops}
    assert person.ask("GET", SESSION).json["tenant"] in (SECOND, THIRD)
    again = person.sign_in(passkey=device.sign(asked(person.v1)))
    assert again.status == 201
    assert {*again.json["books"]} == {each.book for each in shops}
    assert person.ask("DELETE", SESSION, shops[1].book).status == 204


def test_a_member_who_is_changed_once_while_she_signs_in_is_signed_in_there_too(
    person: Browser, shops: list[Shop], device: Device, services: Services, stage: Stage
) -> None:
    once = Meanwhile(services.items)
    stage.services = book_with(services, items=once)
    tenant = services.tenants.get_by_name("shop")
    [member] = services.access.members.list_all(tenant)
    signed = device.sign(asked(person.v1))
    change = partial(services.access.members.change_member, tenant, member.id, {"name": "Mary"})
    once.first = [change]
    begun = Browser(person.v1).sign_in(passkey=signed)
    assert (begun.status, {*begun.json["books"]}) == (201, {shop.book for shop in shops})
    assert [one.name for one in services.access.members.list_all(tenant)] == ["Mary"]
    assert sign_in(person.v1, {"passkey": signed}).status == 401, "once is enough"


def test_a_shop_that_takes_the_passkey_while_it_signs_in_is_left_out(
    person: Browser, shops: list[Shop], device: Device, services: Services, stage: Stage
) -> None:
    meanwhile = Meanwhile(services.items)
    stage.services = book_with(services, items=meanwhile)
    tenant = services.tenants.get_by_name("shop")
    [member] = services.access.members.list_all(tenant)

    def disable() -> None:
        services.access.members.change_member(tenant, member.id, {"name": "Mary"})
        services.tenants.disable("shop")

    def delete() -> None:
        services.tenants.enable("shop")
        services.access.members.delete(tenant, member.id)

    for leave in (disable, delete):
        signed = device.sign(asked(person.v1))
        meanwhile.first = [leave]
        begun = Browser(person.v1).sign_in(passkey=signed)
        assert (begun.status, {*begun.json["books"]}) == (201, {shop.book for shop in shops[1:]})


# --- what an attacker tries
# -------------------------------------------------------------------------------------------


def test_a_passkey_is_added_to_a_shop_only_by_the_answer_to_that_shops_invitation(
    person: Browser, shops: list[Shop]
) -> None:
    device, first = Device(), shops[0].invite()
    person.sign_in(invitation=first, passkey=device.make(asked(person.v1, first)))
    link, other = shops[1].invite(), shops[2].invite()
    for answer in (
        device.sign(asked(person.v1)),
        device.sign(asked(person.v1, other)),
        Device(id=device.id, handle=device.handle).sign(asked(person.v1, link)),
        Device(handle=device.handle).sign(asked(person.v1, link)),
    ):
        reply = person.sign_in(invitation=link, passkey=answer)
        assert (reply.status, reply.json["code"]) == (401, "WrongCredentials")
    assert shops[1].members()[0]["passkeys"] == []
    sign = device.sign(asked(person.v1, link))
    assert person.sign_in(invitation=link, passkey=sign).status == 201
    assert person.sign_in(invitation=link, passkey=sign).status == 401, "a link is good once"


def test_who_gives_a_passkey_the_id_of_somebody_elses_gets_in_nowhere_and_keeps_nobody_out(
    person: Browser, shops: list[Shop]
) -> None:
    """Managers see the ids of their people's passkeys."""
    first, second, third = shops
    device, link = Device(), first.invite()
    person.sign_in(invitation=link, passkey=device.make(asked(person.v1, link)))
    thief, link = Device(id=device.id), second.invite("Eva")
    assert (
        sign_in(
            person.v1, {"invitation": link, "passkey": thief.make(asked(person.v1, link))}
        ).status
        == 201
    )
    assert joined(Browser(person.v1), third, thief, name="Eva").status == 201
    assert joined(person, second, device).status == 201
    for one, books in ((device, {first.book, second.book}), (thief, {second.book, third.book})):
        begun = Browser(person.v1).sign_in(passkey=one.sign(asked(person.v1)))
        assert (begun.status, {*begun.json["books"]}) == (201, books)
    thief.handle = device.handle
    assert sign_in(person.v1, {"passkey": thief.sign(asked(person.v1))}).json["tenant"] != "shop"


def test_who_manages_a_shop_gets_into_no_other_shop_of_its_people(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    """A new link for the same person, opened by the one who made it, adds a passkey to this shop
    alone."""
    first = shops[0]
    again = invitation_of(first.v1.done("POST", f"{MEMBERS}/{first.members()[0]['id']}/invitation"))
    own, thief = Device(), Browser(person.v1)
    assert thief.sign_in(invitation=again, passkey=own.make(asked(person.v1, again))).status == 201
    begun = thief.sign_in(passkey=own.sign(asked(person.v1)))
    assert (begun.status, begun.json["books"]) == (201, [first.book])
    for shop in shops[1:]:
        assert thief.ask("GET", SESSION, shop.book).status == 412


def test_a_copy_of_a_passkey_that_one_shop_tells_by_its_counter_opens_none(
    person: Browser, shops: list[Shop], device: Device
) -> None:
    copy = Device(id=device.id, key=device.key, handle=device.handle, counter=device.counter)
    Browser(person.v1).sign_in(passkey=device.sign(asked(person.v1)))
    assert sign_in(person.v1, {"passkey": copy.sign(asked(person.v1))}).status == 401


def test_a_passkey_signs_in_to_so_many_shops_at_most(
    person: Browser, shops: list[Shop], device: Device, services: Services
) -> None:
    stored = sessions.MAX_SHOPS - len(shops)
    for number in range(stored):
        other = services.tenants.add(f"one-more-{number}", Profile.CLOUD)
        shop = Shop(shops[0].v1.with_key(other.api_key), other, "")
        person.cookies.clear()
        reply = joined(person, shop, device)
        assert reply.status == 201, reply
    assert (
        joined(person, Shop(shops[0].v1, shops[0].credentials, ""), device, name="Eva").status
        == 400
    )
