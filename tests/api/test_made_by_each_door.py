"""What somebody made is listed and ended by each door, for each kind of access that the code knows;
then it opens nothing, and the audit says who ended it, in which tenant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy.makers import parse_caller
from regulars.cli import main
from tests.support.api.devices import invitation_of, sign_in
from tests.support.api.person import HOOKS, MEMBERS, ROOM, Person
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book

OPERATOR = "operator"


class House:
    """A data folder of two shops, which is served until `close`; a leaver and a manager of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(Book(folder)) as book:
            other = TenantSettings(time_zone="UTC")
            book.services.tenants.add("beside", Profile.CLOUD, other)
            self.key = book.services.tenants.rotate_keys("shop").api_key
        self.open()
        self.leaver, self.manager = Person(self.v1, "Leaver"), Person(self.v1, "Manager")

    def open(self) -> None:
        self.book = Book(self.folder)
        self.book.clock.advance(datetime.now(UTC) - self.book.clock.now())  # as commands have it
        self.v1 = V1Client(make_stage(self.book.services).app, self.key)

    def close(self) -> None:
        self.book.services.close()

    def list_kinds(self) -> set[str]:
        return {*self.book.services.access.made._kinds()}

    def list_enders(self, tenant: str, access: str) -> list[str]:
        """Who ended an access, by this tenant's audit."""
        return [
            parse_caller(str(entry["by"]))
            for entry in self.book.services.audit.chain.walk_entries(tenant)
            for effect, subjects in entry.get("does", {}).items()
            if access in subjects and effect in ENDS
        ]


ENDS = {"takes access", "changes access", "signs out"}


class Access(NamedTuple):
    """`opens`: whether it lets anybody in, or tells anybody."""

    name: str
    opens: Callable[[House], bool]


def make_key(house: House) -> Access:
    key = house.leaver.add_key()
    return Access(f"key {key['id']}", lambda house: lets_in(house, key["api_key"]))


def make_screen(house: House) -> Access:
    screen = house.leaver.done("POST", MEMBERS, {"name": "wall", "role": "viewer", "screen": True})
    link = {"invitation": invitation_of(screen)}
    return Access(f"member {screen['id']}", lambda house: sign_in(house.v1, link).status == 201)


def make_hook(house: House) -> Access:
    hook = house.leaver.add_hook(ROOM)
    return Access(
        hook, lambda house: hook[5:] in {one["id"] for one in house.v1.done("GET", HOOKS)["hooks"]}
    )


def make_camera(house: House) -> Access:
    camera = house.leaver.done("POST", "/v1/cameras", {"id": "yard", "name": "Yard"})
    return Access("camera yard", lambda house: lets_in(house, camera["api_key"]))


def make_code(house: House) -> Access:
    code = house.leaver.done("POST", "/v1/cameras/door/claim")["claim_code"]

    def opens(house: House) -> bool:
        claims = house.v1.with_key(None)
        return claims.send("POST", "/v1/claims", {"code": code}).status == 201

    return Access("code of camera door", opens)


def make_session(house: House) -> Access:
    [made] = house.v1.done("GET", f"{MEMBERS}/{house.leaver.id}/made")["made"]
    browser = house.leaver.headers

    def opens(house: House) -> bool:
        anybody = house.v1.with_key(None)
        return anybody.send("GET", "/v1/session", headers=browser).status == 200

    return Access(made["access"], opens)


MAKES: Mapping[str, Callable[[House], Access]] = {
    "key": make_key,
    "member": make_screen,
    "hook": make_hook,
    "camera": make_camera,
    "code": make_code,
    "session": make_session,
}


def lets_in(house: House, secret: str) -> bool:
    return house.v1.with_key(secret).send("GET", "/v1/session").status == 200


class Door:
    """A way in by which somebody lists and ends: v1 by a key."""

    by = "key first"

    def __init__(self, house: House) -> None:
        self.house = house

    def list_made(self) -> set[str]:
        return {made["access"] for made in self.ask("GET", "/made")["made"]}

    def end(self, access: str) -> None:
        self.ask("DELETE", f"/made/{quote(access)}")

    def remove(self) -> set[str]:
        """Remove the leaver with all that ends so; return what is said to stand still."""
        return {made["access"] for made in self.ask("DELETE", "", end="all")["made"]}

    def ask(self, method: str, path: str, **query: str) -> Any:
        reply = self.house.v1.with_key(self.key).send(
            method,
            f"{MEMBERS}/{self.house.leaver.id}{path}",
            query=query,
            headers=self.headers,
        )
        assert reply.status < 300, reply
        return reply.json if reply.body else None

    @property
    def key(self) -> str | None:
        return self.house.key

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class Console(Door):
    """The page of somebody who is signed in."""

    @property
    def by(self) -> str:  # type: ignore[override]
        return f"member {self.house.manager.id}"

    @property
    def key(self) -> str | None:
        return None

    @property
    def headers(self) -> Mapping[str, str]:
        return self.house.manager.headers


class Command(Door):
    """The command line while the folder is served."""

    by = OPERATOR

    def __init__(self, house: House, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(house)
        self.capsys = capsys

    def list_made(self) -> set[str]:
        return list_accesses(self.run("list-made"))

    def end(self, access: str) -> None:
        self.run("end-made", access)

    def remove(self) -> set[str]:
        return list_accesses(self.run("delete-member", "--end", "all"))

    def run(self, command: str, *more: str) -> str:
        data, leaver = str(self.house.folder), self.house.leaver.id
        options = ["--data", data, "--tenant", "shop", "--json"]
        assert main(["call", command, leaver, *more, *options]) == 0
        return self.capsys.readouterr().out


def list_accesses(said: str) -> set[str]:
    return {each["access"] for each in json.loads(said)["made"]}


class Unserved(Command):
    """The command line on a folder that nobody serves."""

    def run(self, command: str, *more: str) -> str:
        self.house.close()
        try:
            return super().run(command, *more)
        finally:
            self.house.open()


DOORS: Mapping[str, Callable[[House, pytest.CaptureFixture[str]], Door]] = {
    "v1": lambda house, _: Door(house),
    "console": lambda house, _: Console(house),
    "command": Command,
    "command, unserved": Unserved,
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, house: House, capsys: pytest.CaptureFixture[str]) -> Door:
    return DOORS[request.param](house, capsys)


def test_each_kind_of_access_is_walked(house: House) -> None:
    assert MAKES.keys() == house.list_kinds(), "a new kind: say above how somebody makes one"


@pytest.mark.parametrize("kind", MAKES)
def test_what_somebody_made_opens_something(kind: str, house: House) -> None:
    assert MAKES[kind](house).opens(house)


@pytest.mark.parametrize("kind", MAKES)
def test_what_somebody_made_ends_by_each_door(kind: str, door: Door, house: House) -> None:
    name, opens = MAKES[kind](house)
    assert name in door.list_made()
    door.end(name)
    assert not opens(house)
    assert house.list_enders("shop", name) == [door.by]
    assert house.list_enders("beside", name) == []


def test_who_is_removed_with_all_is_out_and_each_door_says_what_stands(
    door: Door, house: House
) -> None:
    made = {kind: make(house) for kind, make in reversed(MAKES.items())}
    invited = house.leaver.done("POST", MEMBERS, {"name": "Bob", "role": "viewer"})
    entered = {"invitation": invitation_of(invited), "password": "four words that fit"}
    assert sign_in(house.v1, entered).status == 201
    assert door.remove() == {f"member {invited['id']}"}, "he signs in by himself"
    assert [kind for kind, access in made.items() if access.opens(house)] == []
    assert house.leaver.id not in {one["id"] for one in house.v1.done("GET", MEMBERS)["members"]}
    assert {kind: house.list_enders("shop", access.name) for kind, access in made.items()} == {
        kind: [door.by] for kind in MAKES
    }
