"""The progress of an import, in a file: killed at any moment and run again, it goes on.

A line an event, in JSON. A line that a kill cut off is the last and is taken as not written.

The file outlives an erasure, so it names nobody: a person is a keyed hash of what the source calls the person, and all
that was noted of the person is sealed with a key made of the same. The import reads it because it has the source.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from regulars.errors import DamagedFile, FolderInUse, OperatorError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


_NONCE_BYTES = 12
"""Random bytes before each sealed line, as AES-GCM wants them (NIST SP 800-38D)."""

_Noted = Mapping[str, Sequence[tuple[str, bool]]]
"""The sealed events, and whether a picture came in by each, by the hash of the person."""


class _Seals:
    """The hashes of people, and what was noted of each, sealed. `secret`: the journal's own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def hash_person(self, person: str) -> str:
        return self._make_digest("person", person).hex()

    def seal(self, person: str, event: Mapping[str, Any]) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._make_cipher(person).encrypt(nonce, json.dumps(event).encode(), None)
        return base64.b64encode(nonce + sealed).decode()

    def unseal(self, person: str, sealed: str) -> Mapping[str, Any]:
        """Raise ValueError if it was changed."""
        from cryptography.exceptions import InvalidTag

        data = base64.b64decode(sealed)
        try:
            event = json.loads(self._make_cipher(person).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None))
        except InvalidTag as error:
            raise ValueError("a line was changed") from error
        return dict(event)

    def _make_cipher(self, person: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._make_digest("key", person))

    def _make_digest(self, what: str, person: str) -> bytes:
        return hmac.digest(self._secret, f"{what}\n{person}".encode("utf-8", "surrogatepass"), "sha256")


class Journal:
    """Events of an import, on disk and in memory. Threads may share it. `noted`: by the hash of a person."""

    def __init__(self, descriptor: int, path: Path, seals: _Seals, noted: _Noted) -> None:
        self._descriptor, self._path = descriptor, path
        self._seals, self._noted = seals, noted
        self._progress: dict[str, Progress] = {}
        self._in = {hashed for hashed, events in noted.items() if any(is_in for _, is_in in events)}
        self._lock = threading.Lock()

    def read_progress(self, person: str) -> Progress:
        """Return how far a person is. Raises DamagedFile."""
        with self._lock:
            return self._provide_progress(person)

    @property
    def people(self) -> int:
        """The number of people who are in."""
        with self._lock:
            return len(self._in)

    def note_order(self, person: str, faceid: str, order: Sequence[str]) -> None:
        """Note the id and the order before anything is sent, so that the next run sends the same."""
        self._note(person, {"face": faceid, "order": list(order)})

    def note_outcome(self, person: str, photo: str, outcome: Outcome) -> None:
        self._note(person, {"photo": photo, "outcome": [outcome.name, outcome.state, outcome.why]})

    def _provide_progress(self, person: str) -> Progress:
        if person not in self._progress:
            progress = Progress()
            try:
                for sealed, _ in self._noted.get(self._seals.hash_person(person), ()):
                    _apply(progress, self._seals.unseal(person, sealed))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise _make_damage_error(self._path, error) from error
            self._progress[person] = progress
        return self._progress[person]

    def _note(self, person: str, event: Mapping[str, Any]) -> None:
        is_in = "outcome" in event and event["outcome"][1] == KEPT
        hashed = self._seals.hash_person(person)
        noted = {"person": hashed, "sealed": self._seals.seal(person, event), "in": is_in}
        with self._lock:
            _apply(self._provide_progress(person), event)
            self._in |= {hashed} if is_in else set()
            _write_line(self._descriptor, json.dumps(noted).encode() + b"\n")
            os.fdatasync(self._descriptor)


@contextmanager
def open_journal(path: Path, about: Mapping[str, str]) -> Iterator[Journal]:
    """Open the journal of an import, or begin it.

    `about`: what is imported, and into what: the same as in earlier runs. Raises FolderInUse if another import holds
    it, OperatorError if it is another import's or an earlier version's, DamagedFile.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(f"another import is at work with {path}") from error
        yield Journal(descriptor, path, *_read_progress(descriptor, path, about))
    finally:
        os.close(descriptor)


def _read_progress(descriptor: int, path: Path, about: Mapping[str, str]) -> tuple[_Seals, _Noted]:
    """Read what earlier runs noted, and cut off a line that is not complete. An empty file gets its first line.

    Raises OperatorError, DamagedFile as `open_journal`.
    """
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        data = stream.read()
    complete_lines = data[: data.rfind(b"\n") + 1]
    os.ftruncate(descriptor, len(complete_lines))
    os.lseek(descriptor, 0, os.SEEK_END)
    if not complete_lines:
        secret = secrets.token_bytes(32)
        _write_line(descriptor, json.dumps({"import": dict(about), "secret": secret.hex()}).encode() + b"\n")
        return _Seals(secret), {}
    noted: dict[str, list[tuple[str, bool]]] = {}
    try:
        first, *events = map(json.loads, complete_lines.splitlines())
        if first.keys() == {"import"}:
            raise _make_version_error(path)
        former_about, secret = first["import"], bytes.fromhex(first["secret"])
        for event in events:
            noted.setdefault(str(event["person"]), []).append((str(event["sealed"]), bool(event["in"])))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _make_damage_error(path, error) from error
    if former_about != about:
        raise OperatorError(
            f"{path} is the journal of another import ({_describe_import(former_about)}; "
            f"this one: {_describe_import(about)}): name another one with --journal, or move it away"
        )
    return _Seals(secret), noted


def _make_damage_error(path: Path, error: Exception) -> DamagedFile:
    return DamagedFile(f"{path} is no journal of an import: {error}. Move it away to begin anew")


def _make_version_error(path: Path) -> OperatorError:
    return OperatorError(
        f"{path} is the journal of an earlier version, and names people in clear: delete it. The import then begins "
        "anew; --if-known refuse leaves out those who are in"
    )


def _apply(progress: Progress, event: Mapping[str, Any]) -> None:
    if "face" in event:
        progress.faceid, progress.order = event["face"], event["order"]
    else:
        progress.outcomes[event["photo"]] = Outcome(*event["outcome"])


def _write_line(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _describe_import(about: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in about.items()) if isinstance(about, dict) else "unknown"
