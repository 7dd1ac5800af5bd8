"""`regulars models`: the pack of face models, where its files lie, whether they are whole, and how to get them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chalicelib.vision import packs
from chalicelib.vision.packs import FileStatus, Pack, State

_MIB = 1024 * 1024


def show(models: Path | None) -> int:
    """List the pack's files, where each was found, and the places that were looked in."""
    pack = _pack(models)
    print(f"{pack.manifest.name}  ({pack.manifest.licence})")
    for file in pack.files:
        found = next((str(path) for path in pack.candidates(file)), "not found")
        print(f"  {file.name:<44} {file.size_bytes / _MIB:6.1f} MB  {found}")
    print("looked in " + ", ".join(str(place) for place in pack.places))
    return 0


def check(models: Path | None) -> int:
    """Compare every file with its digest; 1 if one is missing or damaged."""
    return _report(packs.verify(_pack(models)))


def fetch(models: Path | None) -> int:
    """Get what is missing or damaged and can be had; 1 if something is still missing."""
    progress = _show_progress if sys.stderr.isatty() else None
    return _report(packs.pull(models, progress))


def _pack(models: Path | None) -> Pack:
    return packs.at(packs.default_places(models))


def _report(statuses: Sequence[FileStatus]) -> int:
    for status in statuses:
        where = status.detail or (str(status.path) if status.path else "")
        print(f"{status.state:<8} {status.file.name:<44} {where}".rstrip())
    bad = sum(status.state is not State.OK for status in statuses)
    print(f"{len(statuses) - bad} of {len(statuses)} files are whole")
    return 1 if bad else 0


def _show_progress(name: str, done_bytes: int, all_bytes: int) -> None:
    end = "\n" if done_bytes >= all_bytes else "\r"
    print(f"{name}  {done_bytes / _MIB:.1f} of {all_bytes / _MIB:.1f} MB", end=end, file=sys.stderr, flush=True)
