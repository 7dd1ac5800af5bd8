"""Who is removed is out: what a member made is listed, by whatever route it was given, and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fido2.utils import websafe_encode
from msgspec.structs import replace

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import Role
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.effects import Effect
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.domain.model import Tenant
from chalicelib.privacy.makers import parse_caller
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import delete_in_parts, walk_items, write_in_parts
from chalicelib.storage.ports import Put, Storage
from tests.api.neighbours import ALPHA, BETA, Street, Walk
from tests.support.api.devices import Device, asked, invitation_of, sign_in
from tests.support.api.person import HOOKS, MEMBERS, ROOM, Person
from tests.support.api.routes import samples_of
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Meanwhile

KEYS = "/v1/keys"
_POINT = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
PHONE = {
    "way": "push",
    "url": "https://8.8.8.8/phone",
    "p256dh": websafe_encode(_POINT),
    "auth": websafe_encode(bytes(16)),
}
HER_OTHER_PHONE = {**PHONE, "url": "https://8.8.8.8/other-phone"}
_SECRET = re.compile(r"[rc]k_[0-9a-f]{32}")
_CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}(?:-[A-Z0-9]{4})*")
_INVITATION = re.compile(r"#invitation=([a-z0-9-]+\.\d+\.[\w-]{43})")


@pytest.fixture
def leaver(v1: V1Client) -> Person:
    return Person(v1)


@pytest.fixture
def tenant(services: Services, v1: V1Client) -> Tenant:
    assert v1
    return services.tenants.get_by_name("shop")


def made(v1: V1Client, member: str) -> dict[str, str]:
    """When each access ends that somebody made, but for sessions."""
    answer = v1.done("GET", f"{MEMBERS}/{member}/made")
    return {one["access"]: one["ends"] for one in answer["made"] if one["kind"] != "session"}


def remove(v1: V1Client, member: str, **query: str) -> None:
    reply = v1.send("DELETE", f"{MEMBERS}/{member}", query=query)
    assert reply.status == 200, reply
    standing = v1.send("GET", f"{MEMBERS}/{member}/made")
    assert reply.json["made"] == (standing.json["made"] if standing.status == 200 else [])


def hooks(v1: V1Client) -> set[str]:
    return {f"hook {hook['id']}" for hook in v1.done("GET", HOOKS)["hooks"]}


def list_given(services: Services, tenant: str, caller: str) -> set[str]:
    """The accesses that somebody gave, as the audit has it."""
    return {
        access
        for entry in services.audit.chain.walk_entries(tenant)
        if parse_caller(str(entry["by"])) == caller
        for access in entry.get("does", {}).get(Effect.GIVES_ACCESS, ())
    }


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    return Street.made(tmp_path_factory.mktemp("street") / "data")


@pytest.fixture
def walk(street: Street, tmp_path: Path) -> Iterator[Walk]:
    with closing(Walk(street, tmp_path)) as walk:
        yield walk


def is_answered(v1: V1Client, secret: str) -> bool:
    """Whether a secret that was shown once lets anybody in."""
    if _SECRET.fullmatch(secret):
        return v1.with_key(secret).send("GET", "/v1/session").status < 400
    if _CODE.fullmatch(secret):
        return v1.with_key(None).send("POST", "/v1/claims", {"code": secret}).status < 400
    body = {"invitation": secret, "password": "four words that fit"}
    return sign_in(v1, body).status < 400


def find_secrets(text: str) -> set[str]:
    return {*_SECRET.findall(text), *_CODE.findall(text), *_INVITATION.findall(text)}


def test_whatever_gives_access_is_listed_and_ends_with_who_gave_it(walk: Walk) -> None:
    """The walk is made from the table of v1's routes: one that is new goes along."""
    shop = walk.street.shops[BETA]
    v1 = V1Client(walk.app, shop.credentials.api_key)
    leaver = Person(v1)
    secrets: set[str] = set()
    done: set[str] = set()
    writes = [one for one in OPERATIONS if one.is_write and one.method != "DELETE"]
    # who manages gives accesses, so their acts come first, before others leave nothing to name
    for operation in sorted(writes, key=lambda one: (one.role is not Role.ADMIN, one.method)):
        for sample in samples_of(operation.method, operation.path):
            filled = sample.filled(shop.ids)
            reply = walk.send(operation.method, operation.path, filled, headers=leaver.headers)
            secrets |= find_secrets(reply.body)
            done |= {f"{operation.method} {operation.path}"} if reply.status < 300 else set()
    managing = {f"{one.method} {one.path}" for one in writes if one.role is Role.ADMIN}
    assert managing <= done, "an act that was refused gave nothing that could be listed"
    given = list_given(walk.services, BETA, f"member {leaver.id}")
    listed = made(v1, leaver.id)
    assert {access.split()[0] for access in given} >= {"key", "member", "hook", "camera", "code"}
    assert given == set(listed), "each is listed, and nothing else"
    assert secrets, "some were shown"

    remove(v1, leaver.id, end="all")
    assert set(made(v1, leaver.id).values()) <= {"renewed", "own"}
    assert not {one for one in given if one.startswith("hook")} & hooks(v1)
    assert [secret for secret in sorted(secrets) if is_answered(v1, secret)] == []


def test_nothing_new_is_sent_and_only_what_reaches_her_ends(v1: V1Client, leaver: Person) -> None:
    phone, room = leaver.add_hook(PHONE), leaver.add_hook(ROOM)
    key = leaver.add_key()
    remove(v1, leaver.id)
    assert hooks(v1) == {room} != {phone}
    assert made(v1, leaver.id) == {room: "asked", f"key {key['id']}": "asked"}
    assert v1.with_key(key["api_key"]).send("GET", KEYS).status == 200, "it stays on purpose"


def test_the_list_of_keys_says_who_made_each(v1: V1Client, leaver: Person) -> None:
    leaver.add_key("hers")
    remove(v1, leaver.id)
    said = {one["name"]: one["made_by"] for one in v1.done("GET", KEYS)["keys"]}
    assert said["hers"] == {"name": "Leaver", "is_gone": True}


def test_each_ends_alone(v1: V1Client, leaver: Person) -> None:
    room, key = leaver.add_hook(ROOM), leaver.add_key()
    v1.send("DELETE", f"{MEMBERS}/{leaver.id}/made/key {key['id']}")
    assert v1.with_key(key["api_key"]).send("GET", KEYS).status == 401
    assert made(v1, leaver.id) == {room: "asked"}
    remove(v1, leaver.id, end=room)
    assert made_or_nobody(v1, leaver.id) == {}


def made_or_nobody(v1: V1Client, member: str) -> dict[str, str]:
    reply = v1.send("GET", f"{MEMBERS}/{member}/made")
    assert reply.status == 404, reply
    return {}


def test_what_somebody_else_made_is_refused(v1: V1Client, leaver: Person) -> None:
    other = v1.done("POST", KEYS, {"name": "of others", "role": "viewer"})
    reply = v1.send("DELETE", f"{MEMBERS}/{leaver.id}/made/key {other['id']}")
    assert reply.status == 404, reply
    reply = v1.send("DELETE", f"{MEMBERS}/{leaver.id}", query={"end": f"key {other['id']}"})
    assert reply.status == 404, reply
    assert v1.with_key(other["api_key"]).send("GET", "/v1/session").status == 200
    assert v1.send("GET", f"{MEMBERS}/{leaver.id}/made").status == 200, "she is there still"


def test_what_a_key_of_hers_made_is_hers_also_if_that_key_is_gone(
    v1: V1Client, leaver: Person
) -> None:
    first = leaver.add_key("first of hers")
    second = v1.with_key(first["api_key"]).done("POST", KEYS, {"name": "second", "role": "admin"})
    third = v1.with_key(second["api_key"]).done("POST", KEYS, {"name": "third", "role": "admin"})
    v1.send("DELETE", f"{KEYS}/{second['id']}")
    [of_third] = [
        one
        for one in v1.done("GET", f"{MEMBERS}/{leaver.id}/made")["made"]
        if one["name"] == "third"
    ]
    assert of_third["via"] == f"key {second['id']}"
    said = {one["name"]: one["made_by"] for one in v1.done("GET", KEYS)["keys"]}
    assert said["third"] == {"name": "Leaver", "is_gone": False}
    remove(v1, leaver.id, end="all")
    for key in (first, second, third):
        assert v1.with_key(key["api_key"]).send("GET", "/v1/session").status == 401


def test_a_key_that_somebody_else_renewed_is_theirs(v1: V1Client, leaver: Person) -> None:
    key, other = leaver.add_key(), Person(v1, "Stayer")
    renewed = other.done("POST", f"{KEYS}/{key['id']}/renew")
    assert made(v1, leaver.id) == {}
    remove(v1, leaver.id, end="all")
    assert v1.with_key(renewed["api_key"]).send("GET", "/v1/session").status == 200


def test_a_key_that_renews_itself_stays_hers(v1: V1Client, leaver: Person) -> None:
    key = leaver.add_key()
    v1.with_key(key["api_key"]).done("POST", f"{KEYS}/{key['id']}/renew")
    assert made(v1, leaver.id) == {f"key {key['id']}": "asked"}


def test_a_hook_is_of_who_said_last_where_it_goes(v1: V1Client, leaver: Person) -> None:
    """Another secret that signs, or another filter, changes no receiver."""
    other = Person(v1, "Stayer")
    shops = other.done("POST", HOOKS, {"url": "https://8.8.8.8/"})
    path = f"{HOOKS}/{shops['id']}"
    leaver.done("POST", f"{path}/secret")
    leaver.done("PATCH", path, {"events": ["group.full"]})
    assert made(v1, leaver.id) == {}
    leaver.done("PATCH", path, {"url": "https://9.9.9.9/"})
    assert made(v1, leaver.id) == {f"hook {shops['id']}": "asked"}
    of_other = other.add_hook(PHONE)
    leaver.done("PATCH", f"{HOOKS}/{of_other[5:]}", {"channel": HER_OTHER_PHONE})
    remove(v1, leaver.id)
    assert of_other not in hooks(v1)


def test_a_box_that_used_her_code_up_has_its_key_from_her(v1: V1Client, leaver: Person) -> None:
    camera = v1.add_camera("door")
    code = leaver.done("POST", f"/v1/cameras/{camera['id']}/claim")["claim_code"]
    claimed = v1.with_key(None).done("POST", "/v1/claims", {"code": code})
    assert made(v1, leaver.id) == {f"camera {camera['id']}": "asked"}
    remove(v1, leaver.id, end="all")
    assert v1.with_key(claimed["api_key"]).send("GET", "/v1/session").status == 401
    assert v1.done("GET", f"/v1/cameras/{camera['id']}")["enabled"], "it goes on with another key"


def test_who_made_a_code_is_forgotten_with_it(
    v1: V1Client, leaver: Person, services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    """A code that is used up ends in a transaction; one that expires does not."""
    claims = [f"/v1/cameras/{v1.add_camera(id_)['id']}/claim" for id_ in ("door", "till")]
    used, _ = (leaver.done("POST", path)["claim_code"] for path in claims)
    v1.with_key(None).done("POST", "/v1/claims", {"code": used})
    assert services.access.made.read_makers(tenant).keys() >= {"camera door", "code of camera till"}
    assert "code of camera door" not in services.access.made.read_makers(tenant)
    clock.advance(timedelta(hours=1))
    services.access.made.forget_over(tenant)
    left = services.access.made.read_makers(tenant)
    assert "camera door" in left, "it stands"
    assert "code of camera till" not in left


def test_a_code_that_is_ended_by_name_leaves_no_maker(
    v1: V1Client, leaver: Person, services: Services, tenant: Tenant
) -> None:
    v1.add_camera("door")
    leaver.done("POST", "/v1/cameras/door/claim")
    reply = v1.send("DELETE", f"{MEMBERS}/{leaver.id}/made/code of camera door")
    assert reply.status == 204, reply
    assert "code of camera door" not in services.access.made.read_makers(tenant)


def test_whom_she_invited_and_who_signs_in_stays(v1: V1Client, leaver: Person) -> None:
    invited = leaver.done("POST", MEMBERS, {"name": "Bob", "role": "operator"})
    device, invitation = Device(), invitation_of(invited)
    entered = {"invitation": invitation, "passkey": device.make(asked(v1, invitation))}
    assert sign_in(v1, entered).status == 201
    assert made(v1, leaver.id) == {f"member {invited['id']}": "own"}
    him = f"{MEMBERS}/{leaver.id}/made/member {invited['id']}"
    assert v1.send("DELETE", him).status == 400, "a member is removed as such"
    again = invitation_of(leaver.done("POST", f"{MEMBERS}/{invited['id']}/invitation"))
    assert made(v1, leaver.id) == {f"member {invited['id']}": "asked"}
    remove(v1, leaver.id, end="all")
    assert not is_answered(v1, again), "she may have kept the link"
    assert sign_in(v1, {"passkey": device.sign(asked(v1))}).status == 201, "he is in"


def test_whom_she_invited_and_whose_phone_was_lost_stays(v1: V1Client, leaver: Person) -> None:
    invited = leaver.done("POST", MEMBERS, {"name": "Bob", "role": "operator"})
    device, invitation = Device(), invitation_of(invited)
    entered = {"invitation": invitation, "passkey": device.make(asked(v1, invitation))}
    assert sign_in(v1, entered).status == 201
    him = next(one for one in v1.done("GET", MEMBERS)["members"] if one["name"] == "Bob")
    [passkey] = him["passkeys"]
    v1.send("DELETE", f"{MEMBERS}/{him['id']}/passkeys/{passkey['id']}")
    assert made(v1, leaver.id) == {f"member {him['id']}": "own"}
    again = invitation_of(leaver.done("POST", f"{MEMBERS}/{him['id']}/invitation"))
    remove(v1, leaver.id, end="all")
    assert not is_answered(v1, again), "she may have kept the link"
    assert [one["name"] for one in v1.done("GET", MEMBERS)["members"]] == ["Bob"]


def test_what_is_signed_in_ends_one_by_one(v1: V1Client, leaver: Person) -> None:
    """As a laptop is lost, and the phone is not."""
    reply = sign_in(v1, {"passkey": leaver.device.sign(asked(v1))})
    laptop = {**leaver.headers, "Cookie": reply.headers["set-cookie"].partition(";")[0]}
    listed = v1.done("GET", f"{MEMBERS}/{leaver.id}/made")["made"]
    assert [one["kind"] for one in listed] == ["session", "session"]
    open_before = count_open(v1, leaver.headers, laptop)
    v1.send("DELETE", f"{MEMBERS}/{leaver.id}/made/{listed[0]['access']}")
    assert (open_before, count_open(v1, leaver.headers, laptop)) == (2, 1)


def count_open(v1: V1Client, *browsers: dict[str, str]) -> int:
    anybody = v1.with_key(None)
    return sum(
        anybody.send("GET", "/v1/session", headers=browser).status == 200 for browser in browsers
    )


def test_a_key_that_she_makes_before_she_is_out_ends_with_all(tmp_path: Path) -> None:
    writes = list[Meanwhile]()

    def wrapped(storage: Storage) -> Storage:
        writes.append(Meanwhile(storage.items))
        return replace(storage, items=writes[0])

    with closing(Book(tmp_path, wrap=wrapped)) as book:
        access, tenant = book.services.access, book.tenant
        leaver, _ = access.members.add(tenant, "Leaver", Role.ADMIN)
        act = AuditEvent("POST /v1/keys", leaver.audit_name, Kind.CHANGE, tenant.name)

        def add_key() -> None:
            with begin_audit_event(act):
                access.keys.add(tenant, "hers", Role.ADMIN)

        writes[0].first = [add_key]
        access.made.remove_member(tenant, leaver.id, ["all"])
        assert not writes[0].first
        assert [key.id for key in access.keys.list_all(tenant)] == [FIRST]


def test_she_removes_herself_by_a_key_that_she_made(v1: V1Client, leaver: Person) -> None:
    key, phone = leaver.add_key(), leaver.add_hook(PHONE)
    remove(v1.with_key(key["api_key"]), leaver.id, end="all")
    assert phone not in hooks(v1)
    assert v1.with_key(key["api_key"]).send("GET", "/v1/session").status == 401


def test_a_member_who_removes_herself_is_out(v1: V1Client, leaver: Person) -> None:
    phone = leaver.add_hook(PHONE)
    reply = leaver.v1.send("DELETE", f"{MEMBERS}/{leaver.id}", headers=leaver.headers)
    assert reply.status == 200, reply
    assert phone not in hooks(v1)
    assert count_open(v1, leaver.headers) == 0


def test_the_last_admins_key_stays_and_is_listed(v1: V1Client, leaver: Person) -> None:
    key = leaver.add_key()
    assert v1.with_key(key["api_key"]).send("DELETE", f"{KEYS}/first").status == 204
    last = v1.with_key(key["api_key"])
    remove(last, leaver.id, end="all")
    assert made(last, leaver.id) == {f"key {key['id']}": "asked"}


def test_who_may_do_less_now_has_left_what_may_do_more(
    v1: V1Client, leaver: Person, services: Services, tenant: Tenant
) -> None:
    admin, viewer = leaver.add_key("wide", "admin"), leaver.add_key("narrow", "viewer")
    assert services.access.made.list_left(tenant) == []
    v1.done("PATCH", f"{MEMBERS}/{leaver.id}", {"role": "viewer"})
    [left] = services.access.made.list_left(tenant)
    assert left.access == f"key {admin['id']}" != f"key {viewer['id']}"


def test_the_list_says_whom_each_alert_tells(v1: V1Client, leaver: Person) -> None:
    """The owner's phone that she set up ends with her, so who removes her has to see it."""
    owners = {"way": "ntfy", "url": "https://8.8.8.8/owner"}
    hook = leaver.add_hook(owners, name="Evenings")
    listed = v1.done("GET", f"{MEMBERS}/{leaver.id}/made")["made"]
    [alert] = [one for one in listed if one["access"] == hook]
    assert (alert["name"], alert["ends"]) == ("Evenings (8.8.8.8)", "always")


def test_what_a_removal_left_that_was_cut_off_ends_at_night(
    v1: V1Client, leaver: Person, services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    phone, room = leaver.add_hook(PHONE), leaver.add_hook(ROOM)
    kind, _ = keys.maker_item("", "")
    between = keys.makers_range("shop")
    makers = [*walk_items(services.items, keys.TENANTS, kind, between=between)]
    delete_in_parts(services.items, keys.TENANTS, makers)  # so that it ends nothing
    services.access.members.delete(tenant, leaver.id)
    write_in_parts(services.items, (Put(keys.TENANTS, item) for item in makers))
    assert hooks(v1) == {phone, room}
    services.sweep.sweep_tenant(tenant, clock.now().replace(hour=NIGHT_HOUR), ["makers"])
    assert hooks(v1) == {room} != {phone}
    entries = services.audit.chain.walk_entries(tenant.name)
    of_night = [entry["does"] for entry in entries if entry["what"] == "sweep makers"]
    assert of_night == [{Effect.TAKES_ACCESS: [phone]}], "the audit says it"


def test_a_person_who_is_removed_from_one_shop_stays_as_she_is_in_another(walk: Walk) -> None:
    """She has a number of each shop, and is a member of each."""
    alpha, beta = (
        V1Client(walk.app, walk.street.shops[name].credentials.api_key) for name in (ALPHA, BETA)
    )
    before = Person(alpha), Person(beta)
    phones = [leaver.add_hook(PHONE) for leaver in before]
    remove(beta, before[1].id, end="all")
    assert phones[0] in hooks(alpha)
    assert phones[1] not in hooks(beta)
    assert count_open(alpha, before[0].headers) == 1
