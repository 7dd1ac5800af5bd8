"""A shop with accesses of every kind and people of every mark, all of which end after its backup;
and what a restored folder must not give back."""

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec import Struct

from chalicelib.api.service_keys import add_service_key
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import ConsentNotFound, WrongCredentials
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from regulars.cli import main
from regulars.tenants.credentials import read_credentials
from tests.support.book.book import MONDAY, Book
from tests.support.book.tenants import KEEPING
from tests.support.fakes import Person

PEOPLE = ("ann", "consenting", "bert", "carl", "free")


class Shop(Struct):
    """A shop that was backed up, and what was ended since.

    `secrets`: by whose; each opened the shop then.
    """

    data: Path
    backup: Path
    secrets: dict[str, str]
    ids: dict[str, str]


Open = Callable[[Path], Book]
"""Opens a folder: one whose secrets are sealed needs its key."""


def make_shop(folder: Path, open_book: Open = Book) -> Shop:
    """Make the shop and its backup, `backups/monday.tar`."""
    data, backups = folder / "data", folder / "backups"
    backups.mkdir()
    with closing(open_book(data)) as book:
        secrets, ids = furnish(book)
    assert main(["tenants", "rotate", "shop", "--yes", "--data", str(data)]) == 0
    secrets["rotated"] = read_credentials(data)["shop"].api_key
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    return Shop(data, backups / "monday.tar", secrets, ids)


def end_shop(shop: Shop, data: Path) -> None:
    """Copy the shop, and end there all that ends."""
    shutil.copytree(shop.data, data)
    with closing(Book(data)) as book:
        # later than the backup, whose time is the machine's
        book.clock.advance(timedelta(days=20_000))
        end_everything(shop, book)
        book.clock.advance(timedelta(hours=3))
        book.sweep()


def furnish(book: Book) -> tuple[dict[str, str], dict[str, str]]:
    services, tenant = book.services, book.tenant
    for seed, faceid in enumerate(PEOPLE, 1):
        book.enrol(Person(seed), faceid=faceid)
    for faceid in ("ann", "consenting"):
        services.consents.set(tenant, faceid, Consent(Basis.CONSENT, MONDAY, "form"))
    ring, secrets, ids = services.access.keys, {}, {}
    for name in ("deleted", "renewed", "lessened", "kept"):
        key, secrets[name] = ring.add(tenant, name, Role.ADMIN)
        ids[name] = key.id
    secrets["service"] = add_service_key(services, tenant, "service", "recognition", "regular")
    ids["service"] = ring.list_all(tenant)[-1].id
    for camera in ("gone", "renewed"):
        _, secrets[f"camera {camera}"] = services.cameras.add(tenant, camera, camera)
    hook, _ = services.webhooks.hooks.add("shop", "https://partner.example/hook")
    changed, _ = services.webhooks.hooks.add("shop", "https://other.example/hook")
    ids |= {"hook": hook.id, "changed hook": changed.id}
    for name in ("leaver", "lessened member", "screen"):
        member, secrets[f"link of {name}"] = services.access.members.add(tenant, name, Role.ADMIN)
        ids[name] = member.id
    secrets["session"], _ = services.access.sessions.begin_by_key(secrets["kept"])
    secrets["code"] = services.access.sessions.make_code(tenant, ring.get(tenant, ids["kept"]))
    services.tenants.add("other", Profile.CLOUD, KEEPING)
    secrets["other"] = services.tenants.rotate_keys("other").api_key
    return secrets, ids


def end_everything(shop: Shop, book: Book) -> None:
    """End, withdraw and change what there is, as entries of the audit have it."""
    services, tenant, ids = book.services, book.tenant, shop.ids
    ring, members, hooks = services.access.keys, services.access.members, services.webhooks.hooks

    def act(what: str) -> AuditEvent:
        book.clock.advance(timedelta(minutes=1))
        return AuditEvent(what, "operator", Kind.CHANGE, "shop")

    for do in (
        lambda: ring.delete(tenant, ids["deleted"]),
        lambda: ring.renew(tenant, ids["renewed"]),
        lambda: ring.change(tenant, ids["lessened"], {"role": Role.VIEWER}),
        lambda: end_service_key(book),
        lambda: services.cameras.delete(tenant, "gone"),
        lambda: services.cameras.replace_key(tenant, "renewed"),
        lambda: hooks.delete("shop", ids["hook"]),
        lambda: hooks.change_hook("shop", ids["changed hook"], {"url": "https://ours.example/"}),
        lambda: members.delete(tenant, ids["leaver"]),
        lambda: members.change_member(tenant, ids["lessened member"], {"role": Role.VIEWER}),
        lambda: services.tenants.rotate_keys("shop"),
        lambda: services.consents.withdraw_consent(tenant, "ann"),
        lambda: services.restrictions.set(tenant, "bert", "a letter"),
        lambda: services.faces.holds.set(tenant, "carl", "case 7"),
        lambda: services.tenants.change_settings(
            "shop", {"strangers": "forget", "consent_required": True}
        ),
        lambda: services.tenants.change_settings("shop", {"controller": "Somebody else"}),
    ):
        with audit_events.begin_audit_event(act("something that no list names")):
            do()
    services.tenants.disable("other")


def end_service_key(book: Book) -> None:
    """Delete the key of the service, which has another id once all secrets were made anew."""
    ring = book.services.access.keys
    [id_] = [key.id for key in ring.list_all(book.tenant) if key.service]
    ring.delete(book.tenant, id_)


def opens(services: Services, shop: Shop) -> set[str]:
    """Whose secrets of then open the shop."""
    ring, sessions = services.access.keys, services.access.sessions
    found = set()
    for name, secret in shop.secrets.items():
        if name.startswith("camera "):
            is_open = services.cameras.find_by_api_key(secret)
        elif name.startswith("link "):
            is_open = _is_good(partial(services.access.members.find_invited, secret))
        elif name in ("session", "code"):
            is_open = (
                sessions.find(secret)
                if name == "session"
                else _is_good(partial(sessions.begin_by_code, secret))
            )
        elif name == "service":
            is_open = ring.find_by_service_key(secret)
        else:
            is_open = (holder := ring.find_by_api_key(secret)) and not holder[0].disabled
        found |= {name} if is_open else set()
    return found


def _is_good(ask: Callable[[], object]) -> bool:
    try:
        return bool(ask())
    except WrongCredentials:
        return False


def require_nothing_back(again: Path, shop: Shop, open_book: Open = Book) -> None:
    """Look at a restored folder: its keys, members, hooks, people and settings."""
    with closing(open_book(again)) as book:
        services, tenant = book.services, book.tenant
        assert opens(services, shop) <= {"kept", "lessened", "other"}
        assert services.access.keys.get(tenant, shop.ids["lessened"]).role is Role.VIEWER
        assert {one.name: one.role for one in services.access.members.list_all(tenant)} == {
            "lessened member": Role.VIEWER,
            "screen": Role.ADMIN,
        }
        assert {one.id: one.enabled for one in services.webhooks.hooks.list_all("shop")} == {
            shop.ids["changed hook"]: False
        }
        assert [one.id for one in services.cameras.list_all(tenant)] == ["door", "renewed"]
        ended = {
            one.faceid: bool(one.restriction and one.restriction.ended)
            for one in book.services.restrictions.list_all(tenant)
        }
        assert ended == {"ann": True, "bert": False}
        with pytest.raises(ConsentNotFound):
            services.consents.of_face(tenant, "ann")
        assert services.consents.of_face(tenant, "consenting")
        assert [one.faceid for one in services.faces.holds.list_all("shop")] == ["carl"]
        stored = services.tenants.read_stored("shop")
        assert (stored.strangers, stored.consent_required) == ("forget", True)
        assert read_credentials(again)["shop"].api_key not in shop.secrets.values()
        assert services.tenants.find_by_api_key(read_credentials(again)["shop"].api_key)
