"""Export of a tenant over v1 into one file: what there is while the export runs."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec
from regulars_client import codes, models
from regulars_client.client import Regulars
from regulars_client.errors import ApiError

from chalicelib.core.values import plain_cell
from regulars.backup import archive
from regulars.errors import OperatorError
from regulars.transfer.exports import FACES, FORMAT, GROUPS, RULES, RULES_KEPT, FaceLine, GroupLine
from regulars.transfer.importing import IN_FLIGHT

OBSERVATIONS, ARRIVALS = "observations.csv", "arrivals.csv"

_LINKS = ("url", "portrait")
_AT_ONCE = 100
_NO_PICTURE = (403, 404)
"""Answers of a signed URL if its picture is gone. S3 answers 403 to people who may not list the bucket."""

Exported = tuple[FaceLine, list[bytes]]


def export(service: Regulars, path: Path, *, history: bool, told: Callable[[int], object]) -> int:
    """Write the tenant into a new file and return the number of faces. `told` hears of the faces that are written.

    Raises FileExistsError, OperatorError if the key sees no pictures, and what the service refuses with.
    """
    if not service.get_session().pictures:
        raise OperatorError("this key sees no pictures, and an export without them is none: use another key")
    with archive.writing(path) as writer, tempfile.TemporaryFile() as lines:
        rules = msgspec.to_builtins(service.get_settings())
        _add(writer, RULES, msgspec.json.encode({name: rules[name] for name in RULES_KEPT}))
        groups = [_group(group) for group in service.list_groups()]
        _add(writer, GROUPS, b"".join(msgspec.json.encode(group) + b"\n" for group in groups))
        count = 0
        for line, pictures in _exported(service):
            for name, data in zip(line.pictures, pictures, strict=True):
                _add(writer, name, data)
            lines.write(msgspec.json.encode(line) + b"\n")
            count += 1
            told(1)
        size = lines.tell()
        lines.seek(0)
        writer.add_stream(FACES, lines, size)
        if history:
            _add_table(writer, OBSERVATIONS, service.list_observations())
            _add_table(writer, ARRIVALS, service.list_arrivals(from_=0))  # without it, only today's
        writer.finish(datetime.now(UTC), FORMAT)
    return count


def _exported(service: Regulars) -> Iterator[Exported]:
    """Yield every face with its pictures, by id. The pictures of a few are fetched at a time."""
    consents = {one.face: one for one in service.list_consents()}
    faces = ((number, face, consents.get(face.id)) for number, face in enumerate(service.list_faces(order="id")))
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        while some := list(islice(faces, _AT_ONCE)):
            found = pool.map(lambda one: _with_pictures(service, *one), some)
            yield from (exported for exported in found if exported is not None)


def _with_pictures(
    service: Regulars, number: int, face: models.Face, consent: models.Consent | None
) -> Exported | None:
    """Fetch a face's pictures, listed once more if one went meanwhile; None if the face itself did."""
    for may_have_gone in (True, False):
        try:
            kept = [one for one in service.list_pictures(face.id).pictures if one.url]
            own = [one for one in kept if one.learnt is None] or kept
            return _line(number, face, len(own), consent), [service.fetched(one.url) for one in own if one.url]
        except codes.FaceNotFound:
            return None
        except ApiError as error:
            if error.status not in _NO_PICTURE or not may_have_gone:
                raise
    raise AssertionError("a picture is there or not")


def _line(number: int, face: models.Face, pictures: int, consent: models.Consent | None) -> FaceLine:
    """Write down a face. An age or a gender that was estimated is left out, since it will be estimated anew."""
    estimates = face.estimates
    age = None if estimates.age is not None and face.age == round(estimates.age.value) else face.age
    is_estimated = estimates.gender is not None and face.gender == estimates.gender.value
    return FaceLine(
        id=face.id,
        group=face.group,
        pictures=[f"pictures/{number}/{one}.jpg" for one in range(pictures)],
        name=face.name,
        note=face.note,
        age=age,
        gender=None if is_estimated or face.gender == "unknown" else face.gender,
        attributes=face.attributes,
        labels={name: value for name, value in msgspec.to_builtins(face.labels).items() if value},
        consent=None
        if consent is None
        else {name: getattr(consent, name) for name in ("basis", "given_at", "evidence", "expires_at")},
    )


def _group(group: models.Group) -> GroupLine:
    return GroupLine(
        name=group.name,
        capacity=group.capacity,
        description=group.description,
        attributes=group.attributes,
        learns=group.learns,
    )


def _add(writer: archive.Writer, name: str, data: bytes) -> None:
    writer.add_stream(name, io.BytesIO(data), len(data))


def _add_table(writer: archive.Writer, name: str, rows: Iterable[msgspec.Struct]) -> None:
    with tempfile.TemporaryFile() as file:
        write_table(rows, file)
        size = file.tell()
        file.seek(0)
        writer.add_stream(name, file, size)


def write_table(rows: Iterable[msgspec.Struct], file: IO[bytes]) -> None:
    """Write a table with a column a member; members of members are JSON. Links are left out: they soon end.

    A text that a spreadsheet would take for a formula begins with `'`.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text)
    for number, row in enumerate(rows):
        members = {name: value for name, value in msgspec.to_builtins(row).items() if not name.endswith(_LINKS)}
        if not number:
            table.writerow(members)
        table.writerow(map(_cell, members.values()))
    text.detach()  # which writes what is left


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return plain_cell(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
