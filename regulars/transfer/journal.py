"""The progress of an import, in a file: killed at any moment and run again, it goes on.

A line an event, in JSON. A line that a kill cut off is the last and is taken as not written.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from regulars.errors import DamagedFile, FolderInUse, OperatorError

KEPT, REFUSED, LEFT_OUT, BARE = "kept", "refused", "left out", "without a picture"


class Outcome(Struct, frozen=True):
    """The fate of a photo. `name`: its file; `why`: the reason of a refusal, in the service's words; or
    who else a person looks like."""

    name: str
    state: str
    why: str = ""


class Progress(Struct):
    """The progress of a person. `order`: ids of the photos, as they are tried."""

    faceid: str = ""
    order: Sequence[str] = ()
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        return sum(outcome.state == KEPT for outcome in self.outcomes.values())


class Journal:
    """Events of an import, on disk and in memory. Threads may share it."""

    def __init__(self, descriptor: int, progress: dict[str, Progress]) -> None:
        self._descriptor = descriptor
        self._progress = progress
        self._lock = threading.Lock()

    def of(self, person: str) -> Progress:
        with self._lock:
            return self._progress.setdefault(person, Progress())

    @property
    def people(self) -> int:
        """The number of people who are in."""
        with self._lock:
            return sum(progress.kept > 0 for progress in self._progress.values())

    def begun(self, person: str, faceid: str, order: Sequence[str]) -> None:
        """Note the id and the order before anything is sent, so that the next run sends the same."""
        self._note({"person": person, "face": faceid, "order": list(order)})

    def tried(self, person: str, photo: str, outcome: Outcome) -> None:
        self._note({"person": person, "photo": photo, "outcome": [outcome.name, outcome.state, outcome.why]})

    def _note(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            _apply(self._progress, event)
            _written(self._descriptor, line)
            os.fdatasync(self._descriptor)


@contextmanager
def opened(path: Path, about: Mapping[str, str]) -> Iterator[Journal]:
    """Open the journal, or begin it. `about`: what is imported into what, which must be as it was.

    Raises FolderInUse if another import holds it, OperatorError if it is another import's, DamagedFile.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(f"another import is at work with {path}") from error
        yield Journal(descriptor, _read(descriptor, path, about))
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: Path, about: Mapping[str, str]) -> dict[str, Progress]:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        data = stream.read()
    whole = data[: data.rfind(b"\n") + 1]
    os.ftruncate(descriptor, len(whole))
    os.lseek(descriptor, 0, os.SEEK_END)
    if not whole:
        _written(descriptor, json.dumps({"import": dict(about)}).encode() + b"\n")
        return {}
    progress: dict[str, Progress] = {}
    try:
        first, *events = map(json.loads, whole.splitlines())
        before = first["import"]
        for event in events:
            _apply(progress, event)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedFile(f"{path} is no journal of an import: {error}. Move it away to begin anew") from error
    if before != about:
        raise OperatorError(
            f"{path} is the journal of another import ({_shown(before)}; this one: {_shown(about)}): "
            "name another one with --journal, or move it away"
        )
    return progress


def _apply(progress: dict[str, Progress], event: Mapping[str, Any]) -> None:
    one = progress.setdefault(event["person"], Progress())
    if "face" in event:
        one.faceid, one.order = event["face"], event["order"]
    else:
        one.outcomes[event["photo"]] = Outcome(*event["outcome"])


def _written(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _shown(about: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in about.items()) if isinstance(about, dict) else "unknown"
