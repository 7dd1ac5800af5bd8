import re
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.channels import Channel
from chalicelib.domain.webhooks import Way
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.cli import main
from regulars.doctor.doctor import check_left

SHOP = "shop-12"
ROOM = Channel(Way.SLACK, url="https://8.8.8.8/services/T/B/X")
PHONE = Channel(Way.NTFY, url="https://8.8.8.8/leaver")


class Shop:
    """A folder in which Ann, who manages, made a key and two hooks."""

    def __init__(self, data: str) -> None:
        self.data = data
        with closing(self.open()) as services:
            tenant = services.tenants.get_by_name(SHOP)
            ann, _ = services.access.members.add(tenant, "Ann", Role.ADMIN)
            self.ann, self.of_ann = ann.id, ("--data", data, SHOP, "Ann")
            act = AuditEvent("POST /v1/keys", ann.audit_name, Kind.CHANGE, SHOP)
            with begin_audit_event(act):
                key, self.secret = services.access.keys.add(tenant, "hers", Role.ADMIN)
                room, phone = (
                    services.webhooks.hooks.add(SHOP, None, channel=channel)[0].id
                    for channel in (ROOM, PHONE)
                )
            self.key, self.room, self.phone = f"key {key.id}", f"hook {room}", f"hook {phone}"

    def open(self) -> Services:
        return bootstrap.build(Settings(storage=Path(self.data)))

    def list_standing(self) -> set[str]:
        """What stands of what Ann made."""
        with closing(self.open()) as services:
            tenant = services.tenants.get_by_name(SHOP)
            made = services.access.made.list_made(tenant, f"member {self.ann}")
            return {each.access for each in made}

    def find_left(self) -> list[str]:
        """What doctor says of it."""
        with closing(self.open()) as services:
            found = check_left(services, services.tenants.list_all())
            return [finding.says for finding in found]


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    data = str(tmp_path / "data")
    assert main(["tenants", "add", SHOP, "--strangers", "forget", "--data", data]) == 0
    capsys.readouterr()
    return Shop(data)


def said(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(["tenants", "members", *command]) == 0
    return capsys.readouterr().out


def test_what_she_made_is_listed_and_one_of_it_ends(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(
        rf"^{shop.ann} +admin +yes +never +Ann$", said(capsys, "list", *shop.of_ann[:3]), re.M
    )
    listed = said(capsys, "made", *shop.of_ann)
    for access, ends in ((shop.key, "by --end"), (shop.room, "by --end"), (shop.phone, "with")):
        assert re.search(rf"^{access} +\S+ \S+ +{ends}", listed, re.M), listed
    said(capsys, "end", *shop.of_ann, shop.key, "--yes")
    assert shop.list_standing() == {shop.room, shop.phone}
    assert main(["tenants", "members", "end", *shop.of_ann, "key first", "--yes"]) != 0
    assert "made no 'key first'" in capsys.readouterr().err


def test_who_is_removed_leaves_what_is_named_by_the_command_the_keys_and_doctor(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.find_left() == []
    answer = said(capsys, "remove", *shop.of_ann, "--yes")
    assert {f"{shop.key} stands still (hers)", "Ann is removed"} <= {*answer.splitlines()}
    assert shop.list_standing() == {shop.key, shop.room}
    for access, says in zip((shop.room, shop.key), sorted(shop.find_left()), strict=True):
        assert says.startswith(access)
        assert "was made by Ann, who is no member any more" in says
    assert main(["tenants", "keys", "list", SHOP, "--data", shop.data]) == 0
    assert re.search(
        r"Ann, who is no member any more +hers$", capsys.readouterr().out, re.MULTILINE
    )
    # as doctor says it
    end = ("end", "--data", shop.data, SHOP, shop.ann, shop.key, "--yes")
    said(capsys, *end)
    assert shop.list_standing() == {shop.room}


def test_all_of_it_ends_in_the_same_act(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "remove", *shop.of_ann, "--end", "all", "--dry-run")
    assert len(shop.list_standing()) == 3
    said(capsys, "remove", *shop.of_ann, "--end", "all", "--yes")
    assert shop.list_standing() == set()
    assert shop.find_left() == []
    with closing(shop.open()) as services:
        assert services.access.keys.find_by_api_key(shop.secret) is None


def test_nobody_of_another_name_is_removed(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tenants", "members", "remove", "--data", shop.data, SHOP, "Bob", "--yes"]) != 0
    assert "nobody who signs in is 'Bob'" in capsys.readouterr().err
