"""The report of a running uploader to `regulars-edge update`, a file in its spool with its state
and pending requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from regulars_edge.clock import Clock
from regulars_edge.spool import files

FILE = "report.json"
TOLD_BY_UPDATE = "update.json"
"""Beside the versions, and therefore beside the environment that runs."""
VERSION = re.compile(r"(0|[1-9][0-9]{0,3})(\.(0|[1-9][0-9]{0,3})){2}")
REPEAT_S, OUTDATED_S = 30.0, 90.0
"""So often is the same told again; what was told so long ago counts no more: the process may have
ended."""
_LONGEST = 65_536
"""Bytes of a report that is read."""


@dataclass(frozen=True)
class Report:
    """`version`: that runs; `wanted`: that the service asks for; `is_well`: it `lasts` and is
    heard."""

    version: str
    wanted: str | None = None
    is_well: bool = False
    cameras: tuple[str, ...] = ()
    """That give pictures."""
    lasts: bool = False
    """It has run for long enough, and its threads turn."""
    starts: int = 0
    """How often this version began without a start of the machine."""

    @classmethod
    def begin(cls, version: str, folder: Path, clock: Clock) -> Report:
        """Return what a process reports when it begins."""
        told = read_object(folder / FILE)
        if told.get("version") != version or not isinstance(starts := told.get("starts"), int):
            return cls(version)
        return cls(version, starts=starts + (told.get("boot_id") == clock.boot_id))

    def write(self, folder: Path, clock: Clock) -> None:
        write_object(
            folder / FILE, {**asdict(self), "boot_id": clock.boot_id, "boot_ms": clock.boot_ms()}
        )

    @classmethod
    def read_file(cls, folder: Path, clock: Clock) -> Report:
        """Read what was told last; what is not there, old or makes no sense counts as not told, but
        for `wanted`."""
        told = read_object(folder / FILE)
        version, wanted, cameras = told.get("version"), told.get("wanted"), told.get("cameras")
        at_ms = told.get("boot_ms") if told.get("boot_id") == clock.boot_id else None
        is_new = isinstance(at_ms, int) and clock.boot_ms() - at_ms < OUTDATED_S * 1000
        return cls(
            version if is_new and isinstance(version, str) else "",
            wanted if isinstance(wanted, str) and VERSION.fullmatch(wanted) else None,
            is_new and told.get("is_well") is True,
            tuple(camera for camera in cameras if isinstance(camera, str))
            if isinstance(cameras, list)
            else (),
            is_new and told.get("lasts") is True,
            starts if isinstance(starts := told.get("starts"), int) else 0,
        )


def find_newest(versions: Iterable[object]) -> str | None:
    """Return the highest of those that are versions; None: none is."""
    known = [
        version for version in versions if isinstance(version, str) and VERSION.fullmatch(version)
    ]
    return max(known, key=split_version, default=None)


def split_version(version: str) -> tuple[int, ...]:
    """Return a version in a form that compares."""
    return tuple(map(int, version.split(".")))


def write_object(file: Path, value: Mapping[str, object]) -> None:
    """Write JSON that others may read. Raises OSError."""
    files.replace_file(file, json.dumps(dict(value)).encode(), 0o644)


def read_object(file: Path) -> dict[str, Any]:
    """Read a short JSON object; {} if it is not there or is none."""
    with suppress(OSError, ValueError, RecursionError), file.open(encoding="utf-8") as stream:
        found = json.loads(stream.read(_LONGEST))
        if isinstance(found, dict):
            return found
    return {}
