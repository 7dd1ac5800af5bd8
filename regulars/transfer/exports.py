"""The file of an export: a tar of JSON lines and pictures, with the digests of all last.

rules.json           the tenant's settings
groups.jsonl         a line a group
faces.jsonl          a line a face; `pictures` names its members of the tar, the portrait first
pictures/0/0.jpg     picture 0 of face 0; those that it learnt by itself are left out
observations.csv     with --history, as arrivals.csv: for people to read, and never imported
manifest.json        size and SHA-256 of each
"""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chalicelib.services.account import OF_MIGRATION, OF_TENANT
from regulars.backup import archive
from regulars.errors import DamagedFile
from regulars.transfer.people import Person, Photo, Source

FORMAT = "export-1"
RULES, GROUPS, FACES = "rules.json", "groups.jsonl", "faces.jsonl"
RULES_KEPT = tuple(name for name in (*OF_TENANT, *OF_MIGRATION) if name != "no_pictures_of")
"""Settings that are a tenant's own choice, and mean the same elsewhere. `no_pictures_of` names groups, made later."""

Line = TypeVar("Line")


class GroupLine(msgspec.Struct, kw_only=True):
    """A group, as it is made again."""

    name: str
    capacity: int | None = None
    description: str = ""
    attributes: list[str] = []
    learns: bool = True


class FaceLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A face, as it is made again. `age` and `gender` only if somebody set them."""

    id: str
    group: str
    pictures: list[str]
    name: str = ""
    note: str = ""
    age: int | None = None
    gender: str | None = None
    attributes: dict[str, str] = {}
    labels: dict[str, str] = {}
    consent: dict[str, Any] | None = None
    """As it is sent with an enrolment."""


def is_export(path: Path) -> bool:
    """Tell whether a file is a tar, so that it can only be an export."""
    return path.is_file() and tarfile.is_tarfile(path)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Check an export to the last byte and open it: its people's photos can be read within the block.

    Raises DamagedFile, OperatorError if it is another kind of file.
    """
    archive.checked(path, _wrong_format)
    with tarfile.open(path, "r:") as tar:
        members, lock = {member.name: member for member in tar}, threading.Lock()

        def read(name: str) -> bytes:
            with lock:  # one file, several readers
                content = tar.extractfile(members[name]) if name in members else None
                if content is None:
                    raise DamagedFile(f"{path} holds no {name}")
                return content.read()

        groups = _lines(path, GROUPS, read(GROUPS), GroupLine)
        people = [_person(path, line, members, read) for line in _lines(path, FACES, read(FACES), FaceLine)]
        rules = _rules(path, read(RULES))
        yield Source(f"{path}, an export", people, [msgspec.to_builtins(group) for group in groups], rules)


def _person(path: Path, line: FaceLine, members: Mapping[str, Any], read: Any) -> Person:
    if missing := [name for name in line.pictures if name not in members]:
        raise DamagedFile(f"{path} holds no {missing[0]}, a picture of face {line.id!r}")
    more = {name: getattr(line, name) for name in ("note", "age", "gender", "attributes", "labels", "consent")}
    return Person(
        key=line.id,
        name=line.name,
        photos=tuple(Photo(name, partial(read, name)) for name in line.pictures),
        id=line.id,
        group=line.group,
        more={name: value for name, value in more.items() if value},
        is_vouched_for=True,
    )


def _lines(path: Path, name: str, data: bytes, kind: type[Line]) -> Sequence[Line]:
    decoder, found = msgspec.json.Decoder(kind), []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedFile(f"line {number} of {name} in {path} is none of ours: {error}") from error
    return found


def _rules(path: Path, data: bytes) -> Mapping[str, Any]:
    try:
        rules = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{RULES} in {path} is none of ours: {error}") from error
    if not isinstance(rules, dict):
        raise DamagedFile(f"{RULES} in {path} is none of ours: it should be an object")
    return rules


def _wrong_format(file: str, found: object) -> str | None:
    if found == FORMAT:
        return None
    if isinstance(found, int):
        return f"{file} is a backup, not an export: `regulars restore` makes a data folder from it"
    return f"{file} is an export of the format {found!r}, and this version reads {FORMAT}"
