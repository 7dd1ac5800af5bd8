"""Acts about people since a backup, by the audit's export, which are done again after a restore.

An export has the hours that were closed, and each erasure took the person's entries out of it: of those the receipts
tell. It says what it cannot know.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import click
from msgspec import Struct, field
from msgspec.structs import asdict

from chalicelib.book.words.errors import ConsentNotFound, FaceHeld, FaceNotFound
from chalicelib.book.words.model import Tenant
from chalicelib.book.words.values import format_count, moment, moment_of_text, time_text
from chalicelib.rights.words.audit import Entry, Verified, head_of, list_absorbed_faces, with_absorbed
from chalicelib.rights.words.signing import fingerprint
from chalicelib.services import Services
from regulars.errors import OperatorError

_Said = TypeVar("_Said")

_HOLDS = ("PUT /v1/faces/{id}/hold", "regulars hold set", "regulars hold lift")
_RESTRICTIONS = ("PUT /v1/faces/{id}/restriction", "regulars restriction set", "regulars restriction lift")
_GIVEN, _WITHDRAWN = "PUT /v1/faces/{id}/consent", "DELETE /v1/faces/{id}/consent"


def find_exports(after: Sequence[str]) -> list[Path]:
    """Return the files of exports that `--after` names: none of `none`. Raises click.UsageError, OperatorError."""
    if not after:
        raise click.UsageError(
            "say what was done since the backup: --after FILE, of `regulars audit export`, does again holds, "
            "restrictions, withdrawn consents and deletions; --after none leaves them as they were"
        )
    exports = [Path(text) for text in after if text != "none"]
    for path in exports:
        if not path.is_file():
            raise OperatorError(f"there is no file {path}: `regulars audit export` writes one")
    return exports


@contextmanager
def remove_if_failed(data: object) -> Iterator[None]:
    """Remove a restored folder again if the block fails: nobody serves what lacks the last holds by mistake."""
    try:
        yield
    except BaseException:
        if isinstance(data, Path):
            shutil.rmtree(data)
        raise


class Since(Struct):
    """Changes since a backup, by face: if it is held and restricted, and why; if its consent is withdrawn."""

    holds: dict[str, tuple[bool, str]] = field(default_factory=dict)
    restrictions: dict[str, tuple[bool, str]] = field(default_factory=dict)
    withdrawn: dict[str, bool] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)


def read_changes_since(entries: Iterable[Entry], begin: datetime) -> Since:
    """Read what the acts since `begin` did to faces: holds, restrictions, consents and deletions.

    Of several acts of one kind about a face, the last one counts. It counts as well for a face that was merged into
    that one, since a restored book has both faces again.
    `set a hold of A; merge B into A`: after the restore A and B are held.
    """
    changes = Since()
    ordered_entries = sorted(entries, key=lambda entry: (entry["at"], entry.get("seq", 0)))
    entries_after = [entry for entry in ordered_entries if moment_of_text(entry["at"]) >= begin]
    for entry in entries_after:
        act = entry["what"]
        change = (bool(entry.get("is_set")), entry.get("reason", ""))
        for faceid in entry.get("faces", ()):
            if act in _HOLDS:
                changes.holds[faceid] = change
            elif act in _RESTRICTIONS:
                changes.restrictions[faceid] = change
            elif act in (_GIVEN, _WITHDRAWN):
                changes.withdrawn[faceid] = act == _WITHDRAWN
        deleted_faces = entry.get("deleted", ())
        # A sighting may push a stranger out. A merge deletes a face, too, and names others that stay.
        if act == "sighting" or {*entry.get("faces", ())} <= {*deleted_faces}:
            changes.deleted.update(dict.fromkeys(deleted_faces))
    return Since(**{name: _spread_to_parts(facts, entries_after) for name, facts in asdict(changes).items()})


def _spread_to_parts(facts: dict[str, _Said], entries: Sequence[Entry]) -> dict[str, _Said]:
    """Return the facts by face, and also for each face that was merged into one of these, unless it has its own."""
    parts_by_face = {faceid: with_absorbed([faceid], partial(list_absorbed_faces, entries)) for faceid in facts}
    return {part: facts[faceid] for faceid, parts in parts_by_face.items() for part in parts} | facts


def redo_acts(services: Services, file: Path, begin: datetime, key: str | None) -> Iterator[str]:
    """Do again the acts of an audit's export; yield lines that say what was done, and what nobody knows.

    `key`: the fingerprint of the key that signed the export; None: the tenant's own key. Raises OperatorError if the
    file is not as it was signed, InvalidInput if it is no export.
    """
    from chalicelib.rights.audit.audit import verified_export

    def find_key(name: str) -> str:
        own_public_keys = services.audit.signing.read_public_keys(services.tenants.get_by_name(name).name)
        return key or fingerprint(own_public_keys.current)

    with file.open(encoding="utf-8", errors="replace") as lines:
        verified, entries = verified_export(lines, find_key)
    if verified.findings:
        raise OperatorError(f"{file} is not as it was signed: {verified.findings[0]}")
    tenant = services.tenants.get_by_name(head_of(verified.last).tenant)
    for line in chain(_apply_changes(services, tenant, read_changes_since(entries, begin)), _list_unknown(verified)):
        yield f"{tenant.name}: {line}"


def _apply_changes(services: Services, tenant: Tenant, changes: Since) -> Iterator[str]:
    """Do the changes again, and yield a line for each.

    The order is: lift holds and restrictions, since a held face cannot be deleted; delete faces; withdraw consents; set
    the holds and restrictions of the faces that are left.
    """
    yield from _apply_marks(services, tenant, changes, are_set=False)
    for faceid in services.faces.by_id(tenant, list(changes.deleted), restricted=True) if changes.deleted else ():
        try:
            services.deletion.delete_faces(tenant, [faceid], by="operator")
            yield f"{faceid} is deleted"
        except FaceHeld:
            yield f"{faceid} was deleted, and is held: look at it"
    for faceid in [faceid_of_face for faceid_of_face, is_gone in changes.withdrawn.items() if is_gone]:
        with suppress(FaceNotFound, ConsentNotFound):
            services.consents.withdraw_consent(tenant, faceid)
            yield f"the consent of {faceid} is withdrawn"
    yield from _apply_marks(services, tenant, changes, are_set=True)


def _apply_marks(services: Services, tenant: Tenant, changes: Since, *, are_set: bool) -> Iterator[str]:
    """Set, or lift, the holds and restrictions whose last change did so, and yield a line for each face."""
    for marks, mark_by_face, state in (
        (services.faces.holds, changes.holds, "held"),
        (services.restrictions, changes.restrictions, "restricted"),
    ):
        change = marks.set if are_set else marks.lift
        for faceid in [faceid_of_face for faceid_of_face, (is_set, _) in mark_by_face.items() if is_set is are_set]:
            with suppress(FaceNotFound):
                change(tenant, faceid, mark_by_face[faceid][1])
                yield f"{faceid} is {'' if are_set else 'not '}{state}"


def _list_unknown(verification: Verified) -> Iterator[str]:
    if verification.erased:
        erasures = format_count(len(verification.erased), "erasure", "erasures")
        yield f"{erasures} took entries away: erase again by their receipts"
    last = None if verification.last is None else head_of(verification.last)
    if last is not None:
        yield f"what was done from {time_text(moment(last.hour))[:13]}:59 on is not in this export"
