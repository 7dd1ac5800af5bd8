"""What a start says of the console."""

from __future__ import annotations

from pathlib import Path

from chalicelib import bootstrap
from chalicelib.core.model import Profile
from chalicelib.settings import Settings
from regulars.serve.server import LINKED_TENANTS, console_lines


def test_a_start_makes_links_only_for_somebody_who_sits_there(tmp_path: Path) -> None:
    services = bootstrap.build(Settings(storage=tmp_path))
    services.tenants.add("shop", Profile.CAMERA)
    link = "console of tenant shop: http://box:8000/console#code="
    [told] = console_lines(services, "http://box:8000", asks=True)
    assert told.startswith(link)
    assert services.access.sessions.of_code(told.removeprefix(link))[1].tenant.name == "shop"
    assert "code=" not in str(console_lines(services, "http://box:8000", asks=False))
    for number in range(LINKED_TENANTS):
        services.tenants.add(f"shop-{number}", Profile.CAMERA)
    assert "code=" not in str(console_lines(services, "http://box:8000", asks=True))
