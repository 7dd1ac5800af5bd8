"""Each act of a client, a page, an operator or the clock.

Use cases have a row in tests/support/faults/use_cases.py. Beside them stand all reads of v1 with
each parameter and each value of a choice, since a page asks with any of them; each job alone; and
what commands do besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec import Struct, inspect

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.domain.jobs import NIGHT_HOUR, JobContext
from chalicelib.domain.texts import LANGUAGES
from chalicelib.storage.values import time_text
from tests.slopes.pages import PAGE_READS
from tests.support.api.gateway import Reply
from tests.support.api.samples import SAMPLES, Sample
from tests.support.book.years import Filled
from tests.support.faults.shop import Box
from tests.support.faults.use_cases import USE_CASES, UseCase

A_PAGE = "5"
"""The limit of each list, so that the shorter book fills a page, too."""


class Act(Struct, frozen=True):
    name: str
    do: Callable[[], object]


def ids_of(box: Box, filled: Filled) -> dict[str, str]:
    """What stands for the slots of samples: somebody who comes often, and a capture of theirs."""
    visit = next(one for one in reversed(filled.visits) if one.person == 0)
    face = box.services.faces.get(box.tenant, filled.faceids[0])
    return {
        **box.ids,
        "face": face.faceid,
        "face_name": face.name,
        "other_face": filled.faceids[1],
        "survivor": face.faceid,
        "group": "regular",
        "group_id": "regular",
        "camera": visit.camera,
        "camera_name": visit.camera,
        "capture": visit.capture_id,
        "sighting": f"{visit.capture_id}-0",
    }


def list_reads(box: Box, filled: Filled) -> Iterator[Act]:
    """Yield each read of v1, by its samples and by each value that a parameter may choose.

    A sample with an id of something that the shop lacks is left out: its use case has it.
    """
    ids = ids_of(box, filled)
    since = {"from": time_text(filled.visits[0].at), "to": time_text(box.clock.now())}
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.role is None:
            continue
        samples = [one for one in SAMPLES["GET", operation.path] if _is_filled_by(one, ids)]
        if not samples:
            continue
        fields = _fields_of(operation.query)
        always = {"limit": A_PAGE} if "limit" in fields else {}
        always |= since if {"from", "to"} <= {*fields} else {}
        queries = [dict(sample.query) for sample in samples]
        queries += [{name: value} for name, kind in fields.items() for value in _choices_of(kind)]
        for query in {str(sorted(query.items())): query for query in queries}.values():
            sample = Sample(samples[0].path, {**query, **always})
            pairs = (f"{name}={value}" for name, value in query.items() if name not in always)
            name = " ".join(("GET", operation.path, *pairs))
            yield Act(name, partial(_read, box, operation.path, sample, ids))


def list_page_reads(box: Box, filled: Filled) -> Iterator[Act]:
    """Yield each read that a page of the console sends with several parameters."""
    ids = ids_of(box, filled)
    since = {"from": time_text(filled.visits[0].at), "to": time_text(box.clock.now())}
    operations = {one.path: one for one in OPERATIONS if one.method == "GET"}
    for read in PAGE_READS:
        path, *pairs = read.split()
        fields = _fields_of(operations[path].query)
        always = {"limit": A_PAGE} if "limit" in fields else {}
        always |= since if {"from", "to"} <= {*fields} else {}
        asked = dict(pair.split("=") for pair in pairs)
        sample = Sample(SAMPLES["GET", path][0].path, {**asked, **always})
        yield Act(f"page {read}", partial(_require_read, box, path, sample, ids))


def _require_read(box: Box, path: str, sample: Sample, ids: Mapping[str, str]) -> None:
    reply = _read(box, path, sample, ids)
    assert reply.status == 200, reply.json


def _is_filled_by(sample: Sample, ids: Mapping[str, str]) -> bool:
    return all(slot in ids or _is_token(f"{{{slot}}}") for slot in sample.slots)


def _is_token(value: str) -> bool:
    return value.endswith("_token}")


def _read(box: Box, path: str, sample: Sample, ids: Mapping[str, str]) -> Reply:
    """Read; of a sample with a token, the page behind the first."""
    without = {name: value for name, value in sample.query.items() if not _is_token(value)}
    asked = Sample(sample.path, without).filled(ids)
    place, query = path.format(**asked.path), dict(asked.query)
    if len(without) < len(sample.query):
        first = box.v1.send("GET", place, query=query).json
        [token] = sample.query.keys() - without.keys()
        query |= {token: first["next_token"]} if first.get("next_token") else {}
    return box.v1.send("GET", place, query=query)


def _fields_of(query: Any) -> dict[str, inspect.Type]:
    """Return the parameters of a query, and what they take."""
    if query is None:
        return {}
    described = inspect.type_info(query)
    assert isinstance(described, inspect.StructType)
    return {field.encode_name: field.type for field in described.fields}


def _choices_of(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.EnumType():
            return [str(one.value) for one in kind.cls]
        case inspect.LiteralType() if {*kind.values} == {*LANGUAGES}:
            return []  # it changes words alone
        case inspect.LiteralType():
            return [str(value) for value in kind.values]
        case inspect.BoolType():
            return ["true", "false"]
        case inspect.Metadata():
            return _choices_of(kind.type)
        case inspect.UnionType():
            return [choice for one in kind.types for choice in _choices_of(one)]
        case _:
            return []


def list_jobs(box: Box) -> Iterator[Act]:
    """Yield each job of an hour and of a night, when all was done that was due before."""
    night = box.clock.now().replace(hour=NIGHT_HOUR) + timedelta(days=1)
    for when, hour in (("hour", night + timedelta(hours=5)), ("night", night)):
        for name, job in box.services.sweep._list_jobs(hour).items():
            context = JobContext(box.tenant, hour, lambda: float("inf"))
            yield Act(f"job {name}, {when}", partial(job.do, context))
    yield Act("watch", partial(box.tick, "watch"))


def list_use_cases() -> list[UseCase]:
    """Return a use case of each route, function and job: one of the first shop, if it has one."""
    by_route: dict[str, UseCase] = {}
    for case in sorted(USE_CASES, key=lambda case: case.shop != "shop"):
        by_route.setdefault(case.route, case)
    return list(by_route.values())


def list_commands(box: Box) -> Iterator[Act]:
    """Yield what commands do that no page does."""
    services = box.services
    today = box.clock.now().date()
    monday = today - timedelta(days=7 + today.weekday())
    retention = services.erasure.retention
    yield Act("regulars report", partial(services.sightings.weeks.count_week, box.tenant, monday))
    yield Act(
        "regulars retention --dry-run",
        lambda: (retention.plan(box.tenant), retention.list_waiting(box.tenant)),
    )


def withhold_strangers(box: Box) -> Act:
    """Have much more strangers be due than a sweep deletes, and return the sweep an hour later."""
    box.services.tenants.change_settings("shop", {"stranger_days": 10})
    box.services.erasure.retention.sweep_tenant(box.tenant)
    assert box.services.erasure.retention.read_withheld(box.tenant)
    box.clock.advance(timedelta(hours=1))
    return Act(
        "job retention, hour, much is withheld",
        partial(box.services.erasure.retention.sweep_tenant, box.tenant),
    )


COMMANDS: Mapping[str, str] = {
    "about": "GET /v1/faces/{id}/everything",
    "consent": "DELETE /v1/faces/{id}/consent (consented)",
    "erase": "DELETE /v1/faces/{id}",
    "import": "POST /v1/faces",
    "privacy": "GET /v1/notice language=zh",
    "redrive": "GET /v1/captures",
    "reembed": "reembed",
    "report": "regulars report",
    "retention": "regulars retention --dry-run",
    "tenants": "tenants list",
    "today": "today",
}
"""The act that does what a command does."""

UNCOUNTED: Mapping[str, str] = {
    "audit": "reads the hours that are asked for, and `verify` all of them",
    "backup": "copies all",
    "uninstall": "reads no book",
    "call": "does what an operation of v1 does, which is counted",
    "compare": "reads copies whole, as a restore does",
    "config": "reads no book",
    "console": "makes a code",
    "demo": "makes a book of its own",
    "deploy": "is about an account",
    "doctor": "looks at the machine, and into the file whole",
    "export": "copies all people",
    "folder": "reads no book",
    "models": "reads no book",
    "mqtt": "follows what is told",
    "receipt": "reads receipts",
    "restore": "copies all",
    "serve": "does what others ask for",
}
"""Why a command is not counted."""
