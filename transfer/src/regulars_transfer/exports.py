"""The file of an export, written and read: a tar of JSON lines and pictures, with the digests of
all last.

It holds the book as it is while the export runs.

rules.json           the tenant's settings
groups.jsonl         a line a group
faces.jsonl          a line a face; `pictures` names its members of the tar, the portrait first
pictures/0/0.jpg     picture 0 of face 0; those that it learnt by itself are left out
observations.csv     with --history, as arrivals.csv: for people to read, and never imported
manifest.json        size and SHA-256 of each
"""

from __future__ import annotations

import fcntl
import inspect
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

import msgspec
from regulars_client import Regulars, archive, codes, models
from regulars_client.errors import ApiError, DamagedFile, OperatorError

from regulars_transfer.sources import Person, Photo, Source
from regulars_transfer.texts import write_rows

FORMAT = "export-1"
IN_FLIGHT = 4
"""Faces or people that are looked after at a time."""

RULES, GROUPS, FACES = "rules.json", "groups.jsonl", "faces.jsonl"
RULES_KEPT = tuple(
    name
    for name in inspect.signature(Regulars.change_settings).parameters
    if name not in ("self", "no_pictures_of", "idempotency_key")
)
"""Settings that are a tenant's own choice, and mean the same elsewhere. `no_pictures_of` names
groups, made later."""

Line = TypeVar("Line")


class GroupLine(msgspec.Struct, kw_only=True):
    """A group, as it is made again."""

    name: str
    capacity: int | None = None
    description: str = ""
    attributes: list[str] = []
    learns: bool = True
    staff: bool = False


class FaceLine(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A face, as it is made again by an enrolment, whose members these are.

    `age` and `gender` only if somebody set them.
    """

    id: str
    group: str
    pictures: list[str]
    name: str = ""
    note: str = ""
    counter_note: str = ""
    age: int | None = None
    gender: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    hidden: bool = False
    consent: dict[str, Any] | None = None
    """As it is sent with an enrolment."""


@contextmanager
def open_export(path: Path) -> Iterator[Source]:
    """Check an export to the last byte and open it: its people's photos can be read within the
    block.

    Raises DamagedFile, OperatorError if it is another kind of file.
    """
    archive.check_file(path, _judge_format)
    with archive.open_archive(path, "r:") as tar:
        members, lock = {member.name: member for member in tar}, threading.Lock()

        def read_member(name: str) -> bytes:
            with lock:  # one file, several readers
                content = tar.extractfile(members[name]) if name in members else None
                if content is None:
                    raise DamagedFile(f"{path} holds no {name}")
                return content.read()

        groups = _read_lines(path, GROUPS, read_member(GROUPS), GroupLine)
        people = [
            _export_person(path, line, members, read_member)
            for line in _read_lines(path, FACES, read_member(FACES), FaceLine)
        ]
        rules = next(iter(_read_lines(path, RULES, read_member(RULES), dict[str, Any])), {})
        yield Source(
            f"{path}, an export", people, [msgspec.to_builtins(group) for group in groups], rules
        )


def _export_person(path: Path, line: FaceLine, members: Mapping[str, Any], read: Any) -> Person:
    """Make the person of a line, whose photos `read` takes from the tar.

    Raises DamagedFile if one is not there.
    """
    if missing := [name for name in line.pictures if name not in members]:
        raise DamagedFile(f"{path} holds no {missing[0]}, a picture of face {line.id!r}")
    others = ("id", "group", "pictures", "name")
    other_fields = {
        name: getattr(line, name) for name in FaceLine.__struct_fields__ if name not in others
    }
    return Person(
        key=line.id,
        name=line.name,
        photos=tuple(Photo(name, partial(read, name)) for name in line.pictures),
        id=line.id,
        group=line.group,
        other_fields={name: value for name, value in other_fields.items() if value},
        is_vouched_for=True,
    )


def _read_lines(path: Path, name: str, data: bytes, kind: type[Line]) -> Sequence[Line]:
    """Read a member of JSON lines, each as a `kind`. Raises DamagedFile, which names the line."""
    decoder, lines = msgspec.json.Decoder(kind), []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        try:
            lines.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedFile(
                f"line {number} of {name} in {path} is none of ours: {error}"
            ) from error
    return lines


def _judge_format(file: str, file_format: object) -> str | None:
    if file_format == FORMAT:
        return None
    if isinstance(file_format, int):
        return f"{file} is a backup, not an export: `regulars restore` makes a data folder from it"
    return f"{file} is an export of the format {file_format!r}, and this version reads {FORMAT}"


@contextmanager
def write_archive(path: Path) -> Iterator[archive.Writer]:
    """Write a new file, readable by its owner only.

    It appears at `path` when the block ends without an error. Raises FileExistsError if `path`
    exists.
    """
    # always the same: what a killed export left is written over
    partial = path.with_name(f".{path.name}.partial")
    if path.exists():
        partial.unlink(missing_ok=True)  # one that was killed behind the link left its other name
        raise FileExistsError(
            f"{path} is there already, and nothing is written over it: name a new file"
        )
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OperatorError(f"another export writes {path}: name another file") from error
        file.truncate()
        try:
            with archive.write_members(file) as writer:
                yield writer
            file.flush()
            os.fsync(file.fileno())
            os.link(partial, path)  # fails if another process has made `path` meanwhile
        finally:
            partial.unlink(missing_ok=True)


OBSERVATIONS, ARRIVALS = "observations.csv", "arrivals.csv"

_LINKS = ("url", "portrait")
_AT_ONCE = 100
"""Faces that are exported in one step."""
_NO_PICTURE = (403, 404)
"""Answers of a signed URL if its picture is gone. S3 answers 403 to people who may not list the
bucket."""

Exported = tuple[FaceLine, list[bytes]]


def export(
    service: Regulars, path: Path, *, history: bool, advance: Callable[[int], object]
) -> int:
    """Write a tenant's settings, groups, faces and pictures into a new file, and return the number
    of faces.

    `history`: whether to add tables of all observations and arrivals. `advance`: gets how many more
    faces were written.

    Raises FileExistsError, OperatorError if the key sees no pictures, and what the service refuses
    with.
    """
    if not service.get_session().pictures:
        raise OperatorError(
            "this key sees no pictures, and an export without them is none: use another key"
        )
    service.begin_export()
    with write_archive(path) as writer, tempfile.TemporaryFile() as lines:
        rules = msgspec.to_builtins(service.get_settings())
        _add(
            writer,
            RULES,
            io.BytesIO(msgspec.json.encode({name: rules[name] for name in RULES_KEPT})),
        )
        groups = [
            msgspec.convert(group, GroupLine, from_attributes=True)
            for group in service.list_groups()
        ]
        _add(
            writer,
            GROUPS,
            io.BytesIO(b"".join(msgspec.json.encode(group) + b"\n" for group in groups)),
        )
        staff_groups, staff = {group.name for group in groups if group.staff}, set[str]()
        count = 0
        for line, pictures in _fetch_faces(service):
            for name, data in zip(line.pictures, pictures, strict=True):
                _add(writer, name, io.BytesIO(data))
            lines.write(msgspec.json.encode(line) + b"\n")
            if line.group in staff_groups:
                staff.add(line.id)
            count += 1
            advance(1)
        _add(writer, FACES, lines)
        if history:
            zone = ZoneInfo(rules["time_zone"])
            _add_table(writer, OBSERVATIONS, service.list_observations(), zone)
            arrivals = _list_arrivals(service, staff_groups, staff)
            _add_table(writer, ARRIVALS, arrivals, zone)
        writer.finish(datetime.now(UTC), FORMAT)
    return count


class _HistoryArrival(models.FaceArrival, kw_only=True):
    staff: bool


def _list_arrivals(
    service: Regulars, groups: Collection[str], faceids: Collection[str]
) -> Iterator[_HistoryArrival]:
    """Yield all arrivals, each with whether it is of staff.

    `groups`: those of staff; `faceids`: who is in one of them now.
    """
    # without `from_` only today's
    for arrival in service.list_arrivals(from_="1970-01-01T00:00:00Z", staff=True):
        is_staff = arrival.face in faceids or arrival.group in groups
        yield _HistoryArrival(**msgspec.structs.asdict(arrival), staff=is_staff)


def _fetch_faces(service: Regulars) -> Iterator[Exported]:
    """Yield every face with its pictures, by id. The pictures of a few are fetched at a time."""
    consents = {consent.face: consent for consent in service.list_consents()}
    faces = (
        (number, face, consents.get(face.id))
        for number, face in enumerate(service.list_faces(order="id"))
    )
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        while batch := list(islice(faces, _AT_ONCE)):
            exported_faces = pool.map(lambda person: _fetch_pictures(service, *person), batch)
            yield from (exported for exported in exported_faces if exported is not None)


def _fetch_pictures(
    service: Regulars, number: int, face: models.Face, consent: models.Consent | None
) -> Exported | None:
    """Fetch a face's pictures, without those that it has learnt, unless it has no others.

    None if the face was deleted meanwhile. If a picture was deleted meanwhile, the pictures are
    listed once more.
    """
    for may_have_gone in (True, False):
        try:
            if any(
                getattr(face, name) is None for name in ("note", "counter_note")
            ):  # lists do not say them
                face = service.get_face(face.id)
            pictures = [
                picture for picture in service.list_pictures(face.id).pictures if picture.url
            ]
            given_pictures = [picture for picture in pictures if picture.learnt is None] or pictures
            return _make_line(number, face, len(given_pictures), consent), [
                service.fetched(picture.url) for picture in given_pictures if picture.url
            ]
        except codes.FaceNotFound:
            return None
        except ApiError as error:
            if error.status not in _NO_PICTURE or not may_have_gone:
                raise
    raise AssertionError("a picture is there or not")


def _make_line(
    number: int, face: models.Face, picture_count: int, consent: models.Consent | None
) -> FaceLine:
    """Make the line of a face.

    An age or a gender that was estimated is left out: an import estimates it anew.
    """
    estimates = face.estimates
    age = None if estimates.age is not None and face.age == round(estimates.age.value) else face.age
    is_estimated = estimates.gender is not None and face.gender == estimates.gender.value
    unlike: dict[str, Any] = {
        "pictures": [
            f"pictures/{number}/{picture_number}.jpg" for picture_number in range(picture_count)
        ],
        "age": age,
        "gender": None if is_estimated or face.gender == "unknown" else face.gender,
        "labels": {
            name: value for name, value in msgspec.to_builtins(face.labels).items() if value
        },
        "consent": None
        if consent is None
        else {
            name: getattr(consent, name) for name in ("basis", "given_at", "evidence", "expires_at")
        },
    }
    alike = {name: getattr(face, name) for name in FaceLine.__struct_fields__ if name not in unlike}
    return FaceLine(**alike, **unlike)


def _add(writer: archive.Writer, name: str, file: IO[bytes]) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    writer.add_stream(name, file, size)


def _add_table(
    writer: archive.Writer, name: str, records: Iterable[msgspec.Struct], zone: tzinfo
) -> None:
    with tempfile.TemporaryFile() as file:
        write_table(records, file, zone)
        _add(writer, name, file)


def write_table(records: Iterable[msgspec.Struct], file: IO[bytes], zone: tzinfo) -> None:
    """Write a table with a column a member; members of members are JSON.

    A time has a second column, of its name and "_local": the clock of the shop's `zone`, in a form
    that spreadsheets take for a time. Links are left out: they soon end.

    A text that a spreadsheet would take for a formula begins with `'`.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    write_rows(_list_rows(records, zone), text)
    text.detach()  # which writes what is left


def _list_rows(records: Iterable[msgspec.Struct], zone: tzinfo) -> Iterator[Iterable[Any]]:
    """Yield the names of the columns, and then the cells of each record."""
    for number, record in enumerate(records):
        cells = {
            name: _make_cell(value)
            for name, value in msgspec.to_builtins(record).items()
            if not name.endswith(_LINKS)
        }
        local_times = {
            f"{one.encode_name}_local": _write_local(getattr(record, one.name), zone)
            for one in msgspec.structs.fields(record)
            if datetime in (one.type, *get_args(one.type))
        }
        row = cells | local_times
        if not number:
            yield row
        yield row.values()


def _write_local(at: datetime | None, zone: tzinfo) -> str:
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _make_cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        # it divides cells in some countries
        return json.dumps(value, ensure_ascii=False).replace(";", "\\u003b")
    return value
