"""The tables of acts hold every route, command and job, and say of each what becomes an entry."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata

import click
import pytest
from regulars_dialects.compreface import routes as compreface
from regulars_dialects.deepstack import routes as deepstack
from regulars_dialects.rekognition import requests as rekognition

from chalicelib.api.dialects import DIALECTS, READS
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.v1 import routes as v1
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import Kind
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.services import Services
from regulars.cli import GROUP, commands

WATCHED = {
    "watch cameras",
    "watch captures",
    "watch outbox",
    "watch consents",
    "watch faces",
    "sighting",
}
OF_DIALECTS = {f"{one.name} {act}": kind for one in DIALECTS for act, kind in one.acts.items()}
OVER_V1 = {"regulars import", "regulars export"}
CHANGES_NOTHING = {
    "regulars audit head": "prints a head, which names nobody",
    "regulars audit verify": "reads, and names nobody",
    "regulars compare": "prints ids, keys and members that copies have",
    "regulars config": "prints",
    "regulars demo": "begins a folder of its own",
    "regulars deploy": "changes the account of AWS, which has an audit of its own",
    "regulars mqtt": "takes what a mailbox or a hook tells, over v1",
    "regulars privacy record": "prints a text",
    "regulars receipt verify": "reads a file",
    "regulars report": "prints numbers of a day, a week or a month, or mails them",
    "regulars restore": "writes a new folder, chain included",
    "regulars uninstall": "takes the book away, and its audit with it",
    "regulars serve": "each request and job is an act of its own",
    "regulars tenants key": "prints what credentials.json has",
    "regulars tenants list": "lists",
}

ADDED = {
    f"{group} {one.name}"
    for group, name in (("regulars", GROUP), ("regulars models", f"{GROUP}.models"))
    for one in metadata.entry_points(group=name)
}
"""Commands of other distributions, if they are installed: they write files of their own."""

NO_ENTRY = {
    line.strip()
    for line in """
        GET /v1/boxes
        GET /v1/fleet
        regulars tenants erase
        sweep withdrawn
        GET /v1/cameras
        GET /v1/cameras/{id}
        POST /v1/cameras/{id}/heartbeat
        GET /v1/cameras/{id}/checks
        PUT /v1/cameras/{id}/counts
        PUT /v1/cameras/{id}/film
        PUT /v1/cameras/{id}/still
        PUT /v1/cameras/{id}/view
        POST /v1/captures/uploads
        POST /v1/detect
        GET /v1/dialects
        GET /v1/groups
        GET /v1/groups/{id}
        GET /v1/hooks
        GET /v1/hooks/{id}
        POST /v1/hooks/{id}/ack
        GET /v1/keys
        GET /v1/notice
        GET /v1/openapi.json
        GET /v1/session
        POST /v1/session/challenge
        GET /v1/erasures
        GET /v1/erasures/{id}
        GET /v1/erasures/{id}/page
        sweep erasures
        sweep groups
        GET /v1/places
        GET /v1/places/{id}
        GET /v1/push-key
        GET /v1/retention
        GET /v1/settings
        GET /v1/signing-key
        GET /v1/usage
        GET /v1/usual
        GET /v1/voids
        sunmi getGroupList
        sunmi getFaceInfoItem
        rekognition ListCollections
        rekognition DescribeCollection
        rekognition ListTagsForResource
        rekognition DetectFaces
        compreface detect
        deepstack detect
        sweep snapshots
        sweep pictures
        sweep seals
        sweep seal objects
        sweep periods
        sweep subjects
        sweep usage
        sweep usual
        sweep checks
        sweep acts
        sweep audit
        sweep standing
        sweep audit retention
        sweep lost captures
        sweep rejections
        sweep reviews
        sweep duplicates
        sweep requests
        sweep sessions
        sweep events
        sweep format
        sweep old keys
        sweep absences
        sweep files
        watch cameras
        watch captures
        watch outbox
    """.strip().split("\n")
}
"""Acts that tell of nobody and change nothing that somebody decided: a camera's own traffic (its
captures' entries are the sightings), figures, deliveries that were taken, what storage needs, and
commands that act over v1."""


def kind_of(what: str) -> Kind:
    return OF_DIALECTS.get(what) or audit_events.kind_of(what)


def routes() -> set[str]:
    return {
        *(f"{one.method} {one.path}" for one in v1.OPERATIONS),
        *(f"sunmi {one.name}" for one in sunmi.ENDPOINTS),
        *(f"icredit {one.name}" for one in icredit.OPERATIONS if one.name != "manage"),
        *(f"icredit manage {control}" for control in icredit._CONTROLS),
        *(one.name for one in compreface.OPERATIONS if one.service),
        *(one.name for one in deepstack.OPERATIONS),
        *(f"rekognition {operation}" for operation in rekognition.REQUESTS),
    }


def named(command: click.Command, path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name, inner in command.commands.items():
        yield from named(inner, f"{path} {name}")


def jobs(services: Services) -> set[str]:
    night = datetime(2026, 3, 2, NIGHT_HOUR, tzinfo=UTC)
    return {f"sweep {name}" for name in services.sweep._list_jobs(night)}


def test_every_route_job_and_command_has_its_line_and_no_other_has_one(services: Services) -> None:
    """Add a line for what is missing: to privacy/reading if it tells of people, to
    domain/audit_events if it makes an entry by itself, to both in its folder if it is a dialect's,
    else to NO_ENTRY."""
    local = set(named(commands, "regulars")) - OVER_V1
    there = {*routes(), *jobs(services), *WATCHED, *(local - CHANGES_NOTHING.keys() - ADDED)}
    assert sorted(one for one in there - READS.keys() if kind_of(one) is Kind.NOTHING) == sorted(
        NO_ENTRY
    )
    assert sorted({*audit_events.ACTS, *OF_DIALECTS, *READS} - there) == []
    assert NO_ENTRY.isdisjoint(READS)
    assert local >= CHANGES_NOTHING.keys()


@pytest.mark.parametrize(
    "route", sorted(one for one in routes() if one.split()[0] in ("PATCH", "DELETE"))
)
def test_what_changes_by_its_method_is_an_entry(route: str) -> None:
    assert kind_of(route) is Kind.CHANGE


def test_a_change_over_v1_is_an_entry_even_if_the_table_does_not_name_it() -> None:
    assert kind_of("POST /v1/something-new") is Kind.CHANGE


@pytest.mark.parametrize("what", ["GET /v1/something-new", "sweep something", "regulars something"])
def test_any_other_act_that_the_table_does_not_name_is_no_entry(what: str) -> None:
    assert kind_of(what) is Kind.NOTHING
