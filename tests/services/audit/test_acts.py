"""The one table of acts holds every route, command and chore, and says of each what becomes an entry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest

from chalicelib.api.icredit import manage
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.rekognition import routes as rekognition
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.v1 import routes as v1
from chalicelib.core.acts import ACTS, Kind, kind_of
from chalicelib.core.model import Profile
from chalicelib.services import Services
from chalicelib.services.sweep import LOST_CAPTURES_HOUR
from regulars.cli import commands
from tests.services.conftest import add_tenant

WATCHED = {"watch cameras", "watch captures", "watch outbox", "watch faces", "index joining", "sighting"}
OVER_V1 = {"regulars import", "regulars export"}
CHANGES_NOTHING = {
    "regulars audit head": "prints a head, which names nobody",
    "regulars audit replay": "searches, and stores nothing",
    "regulars audit verify": "reads, and names nobody",
    "regulars backup": "reads what is stored, beside the services",
    "regulars calibrate": "writes a file of its own",
    "regulars captures parked": "lists",
    "regulars completion": "prints a script",
    "regulars config": "prints",
    "regulars cost": "prints",
    "regulars demo": "begins a folder of its own",
    "regulars deploy": "changes the account of AWS, which has an audit of its own",
    "regulars doctor": "looks",
    "regulars hold list": "lists",
    "regulars mqtt": "takes what a mailbox or a hook tells, over v1",
    "regulars notice": "prints a text",
    "regulars receipt key": "prints the public key",
    "regulars receipt verify": "reads a file",
    "regulars evaluate": "writes files of its own",
    "regulars restore": "writes a new folder, chain included",
    "regulars serve": "each request and chore is an act of its own",
    "regulars tenants keys list": "lists",
    "regulars tenants list": "lists",
    "regulars tenants show": "shows",
    "regulars today": "shows names and times, no pictures",
    "regulars week": "begins a folder of its own",
}


def routes() -> set[str]:
    return {
        *(f"{one.method} {one.path}" for one in v1.OPERATIONS),
        *(f"sunmi {one.name}" for one in sunmi.ENDPOINTS),
        *(f"icredit {one.name}" for one in icredit.OPERATIONS if one.name != "manage"),
        *(f"icredit manage {control}" for control in manage._CONTROLS),
        *(f"rekognition {operation}" for operations in rekognition.MODULES.values() for operation in operations),
    }


def named(command: click.Command, path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name, inner in command.commands.items():
        yield from named(inner, f"{path} {name}")


def chores(services: Services) -> set[str]:
    tenant = add_tenant(services, "shop", Profile.CLOUD)
    night = datetime(2026, 3, 2, LOST_CAPTURES_HOUR, tzinfo=UTC)
    return {f"sweep {name}" for name in services.sweep._chores(tenant, night)}


def test_every_route_chore_and_command_has_its_line_and_no_other_has_one(services: Services) -> None:
    """Add a line to chalicelib/core/acts.py for what is missing: what of it becomes an entry."""
    found = set(named(commands, "regulars")) - OVER_V1
    local = {one for one in found if not one.startswith("regulars models ")}  # files of models only
    there = {*routes(), *chores(services), *WATCHED, *(local - CHANGES_NOTHING.keys())}
    assert sorted(there - ACTS.keys()) == []
    assert sorted(ACTS.keys() - there) == []
    assert local >= CHANGES_NOTHING.keys()


@pytest.mark.parametrize("route", sorted(one for one in routes() if one.split()[0] in ("PATCH", "DELETE")))
def test_what_changes_by_its_method_is_an_entry(route: str) -> None:
    assert kind_of(route) is Kind.CHANGE


def test_an_act_that_the_table_does_not_name_is_no_entry() -> None:
    assert kind_of("POST /v1/nothing") is Kind.NOTHING
