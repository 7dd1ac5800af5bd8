import re
import shlex
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
            self.ann = ann.id
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


def said(shop: Shop, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(["call", *command, "--tenant", SHOP, "--data", shop.data]) == 0
    return capsys.readouterr().out


def test_who_is_removed_leaves_what_is_named_by_the_command_the_keys_and_doctor(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.find_left() == []
    said(shop, capsys, "delete-member", shop.ann)
    assert shop.list_standing() == {shop.key, shop.room}
    findings = sorted(shop.find_left())
    for access, says in zip((shop.room, shop.key), findings, strict=True):
        assert says.startswith(access)
        assert "was made by Ann, who is no member any more" in says
    for says in findings:
        command = re.search("end it with `regulars (call end-made [^`]*)`", says)
        assert main([*shlex.split(command[1]), "--data", shop.data]) == 0
    assert shop.list_standing() == set()


def test_nobody_of_another_name_is_looked_at(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--browser", "Bob", "--tenant", SHOP, "--data", shop.data]
    assert main(["audit", "breach", *options]) != 0
    assert "there is no member 'Bob'" in capsys.readouterr().err
