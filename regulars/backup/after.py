"""What was done since a backup, and a restore does again: by the audit's export, and by documents
of what stands.

An export has the hours that were closed, and each erasure took the person's entries out of it: of
those the receipts tell. What nobody can know is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import asdict

from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.consent import NO_WISH, Basis, Remembered
from chalicelib.domain.effects import SHOP, Effect, parse_setting
from chalicelib.domain.errors import FaceHeld, FaceNotFound, RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.privacy.audit_entries import Document as Head
from chalicelib.privacy.audit_entries import (
    Entry,
    Verified,
    head_of,
    list_absorbed_faces,
    with_absorbed,
)
from chalicelib.privacy.entry_effects import list_effects
from chalicelib.privacy.signing import fingerprint
from chalicelib.privacy.standing import (
    HELD,
    RESTRICTED,
    WITHDRAWN,
    Document,
    Ended,
    Restored,
    Rotate,
)
from chalicelib.services import Services
from chalicelib.storage.values import format_count, moment, moment_of_text, time_text
from regulars.backup.owed import Ask
from regulars.errors import OperatorError

_Said = TypeVar("_Said")

_LEAST: Mapping[str, Any] = {"role": "viewer", "pictures": False, "enabled": False}
"""Rights of an access that were changed, to values that an export does not say."""


def make_rotate(services: Services) -> Rotate:
    """Return what gives a tenant other shared keys: a box writes them into credentials.json, a
    stage prints them."""
    from regulars.tenants.credentials import CredentialsFile

    storage = services.settings.storage

    def rotate(name: str) -> None:
        if isinstance(storage, Path):
            CredentialsFile(storage, services.tenants).rotate_keys(name)
        else:
            print(json.dumps(asdict(services.tenants.rotate_keys(name))), flush=True)

    return rotate


class AccessSince(Struct, frozen=True):
    """Sum of what entries say of one access.

    `is_over`: its secret of the backup is; `is_gone`: the access itself.
    """

    is_over: bool = False
    is_gone: bool = False
    is_changed: bool = False


class Since(Struct):
    """Changes since a backup.

    By face: if it is held and restricted, and why; when its consent was withdrawn, None if it was
    given since; who is deleted. By access, and by setting with the value, if entries say one.
    """

    holds: dict[str, tuple[bool, str]] = field(default_factory=dict)
    restrictions: dict[str, tuple[bool, str]] = field(default_factory=dict)
    withdrawn: dict[str, datetime | None] = field(default_factory=dict)
    wishes: dict[str, Remembered | None] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)
    accesses: dict[str, AccessSince] = field(default_factory=dict)
    freed_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When a face lost a mark of documents (privacy/standing) last."""
    settings: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    """The last value of each, and since when."""
    unsaid_settings: dict[str, None] = field(default_factory=dict)


_FREE = {Effect.RELEASES: HELD, Effect.FREES: RESTRICTED, Effect.CONSENTS: WITHDRAWN}
_OF_FACES = ("holds", "restrictions", "withdrawn", "wishes", "deleted")


def read_changes_since(entries: Iterable[Entry], begin: datetime) -> Since:
    """Read what the acts since `begin` did: to faces, accesses and settings.

    Of several acts of one kind about a face, the last one counts. It counts as well for a face that
    was merged into that one, since a restored book has both faces again. `set a hold of A; merge B
    into A`: after the restore A and B are held.
    """
    changes = Since()
    ordered_entries = sorted(entries, key=lambda entry: (entry["at"], entry.get("seq", 0)))
    entries_after = [entry for entry in ordered_entries if moment_of_text(entry["at"]) >= begin]
    for entry in entries_after:
        effects, at = list_effects(entry), moment_of_text(entry["at"])
        ended_at = moment_of_text(entry.get("ended_at", entry["at"]))
        _note_faces(changes, effects, entry.get("reason", ""), ended_at)
        if "remember_basis" in entry:  # it may have come later than the withdrawal
            wish = _read_wish(entry, at)
            changes.wishes.update(dict.fromkeys(entry.get("faces", ()), wish))
        _note_accesses(changes, effects)
        for effect, mark in _FREE.items():
            changes.freed_at.update({(faceid, mark): at for faceid in effects.get(effect, ())})
        for subject in effects.get(Effect.SETS, ()):
            if (named := parse_setting(subject)) is not None:
                changes.settings[named[0]] = (at, named[1])
            else:
                changes.unsaid_settings[subject] = None
    spread = {name: _spread_to_parts(asdict(changes)[name], entries_after) for name in _OF_FACES}
    return Since(
        **spread,
        accesses=changes.accesses,
        freed_at=changes.freed_at,
        settings=changes.settings,
        unsaid_settings=changes.unsaid_settings,
    )


def _read_wish(entry: Entry, at: datetime) -> Remembered | None:
    if entry["remember_basis"] == NO_WISH["remember_basis"]:
        return None
    return Remembered(Basis(entry["remember_basis"]), entry["remember_evidence"], at)


def _note_faces(
    changes: Since, effects: Mapping[str, Sequence[str]], reason: str, at: datetime
) -> None:
    for effect, faceids in effects.items():
        for faceid in faceids:
            match effect:
                case Effect.HOLDS | Effect.RELEASES:
                    changes.holds[faceid] = (effect == Effect.HOLDS, reason)
                case Effect.RESTRICTS | Effect.FREES:
                    changes.restrictions[faceid] = (effect == Effect.RESTRICTS, reason)
                case Effect.CONSENTS | Effect.WITHDRAWS:
                    changes.withdrawn[faceid] = at if effect == Effect.WITHDRAWS else None
                case Effect.DELETES:
                    changes.deleted[faceid] = None
                case Effect.ADDS:
                    changes.deleted.pop(faceid, None)


def _note_accesses(changes: Since, effects: Mapping[str, Sequence[str]]) -> None:
    """Note what one entry does to accesses.

    A secret that is over stays over: none comes back under the same id.
    """
    given = set(effects.get(Effect.GIVES_ACCESS, ()))
    taken = set(effects.get(Effect.TAKES_ACCESS, ()))
    for access in given | taken:
        before = changes.accesses.get(access, AccessSince())
        changes.accesses[access] = AccessSince(
            before.is_over or access in taken,
            is_gone=access not in given,
            is_changed=before.is_changed,
        )
    for access in effects.get(Effect.TAKES_SIGN_IN, ()):
        before = changes.accesses.get(access, AccessSince())
        changes.accesses[access] = AccessSince(
            is_over=True, is_gone=before.is_gone, is_changed=before.is_changed
        )
    for access in effects.get(Effect.CHANGES_ACCESS, ()):
        before = changes.accesses.get(access, AccessSince())
        changes.accesses[access] = AccessSince(
            before.is_over, is_gone=before.is_gone, is_changed=True
        )


def _spread_to_parts(facts: dict[str, _Said], entries: Sequence[Entry]) -> dict[str, _Said]:
    """Return the facts by face, and also for each face that was merged into one of these, unless it
    has its own."""
    parts_by_face = {
        faceid: with_absorbed([faceid], partial(list_absorbed_faces, entries)) for faceid in facts
    }
    return {
        part: facts[faceid] for faceid, parts in parts_by_face.items() for part in parts
    } | facts


class Export(Struct, frozen=True):
    """A verified export of a tenant's audit.

    `until`: the time up to which it tells; None: it has no closed hour.
    """

    tenant: str
    changes: Since
    until: datetime | None
    unknown: Sequence[str]


def read_export(services: Services, file: Path, begin: datetime, key: str | None) -> Export:
    """Read an audit's export: what it says of the time since `begin`.

    `key`: the fingerprint of the key that signed the export; None: the tenant's own key. Raises
    OperatorError if the file is not as it was signed, InvalidInput if it is no export.
    """
    from chalicelib.privacy.audit.audit import verified_export

    def find_key(name: str) -> str:
        own_public_keys = services.audit.signing.read_public_keys(
            services.tenants.get_by_name(name).name
        )
        return key or fingerprint(own_public_keys.current)

    with file.open(encoding="utf-8", errors="replace") as lines:
        verified, entries = verified_export(lines, find_key)
    if verified.findings:
        raise OperatorError(f"{file} is not as it was signed: {verified.findings[0]}")
    last: Head | None = verified.last
    tenant = services.tenants.get_by_name(head_of(last).tenant)
    until = None if last is None else moment(head_of(last).hour) + timedelta(hours=1)
    return Export(
        tenant.name, read_changes_since(entries, begin), until, list(_list_unknown(verified))
    )


def redo_export(services: Services, restored: Restored, export: Export) -> Iterator[str]:
    """Do again what an export says, but settings; yield lines that say what was done, and what
    nobody knows."""
    yield from _apply_changes(services, restored.tenant, export.changes)
    yield from _end_accesses(services, restored, export.changes)
    yield from export.unknown


def _end_accesses(services: Services, restored: Restored, changes: Since) -> Iterator[str]:
    present = services.access.standing.read(restored.tenant).accesses
    for access, since in changes.accesses.items():
        if access == SHOP:
            if since.is_gone and not restored.tenant.disabled:
                services.tenants.disable(restored.tenant.name)
                yield "the shop is disabled"
        elif access in present:
            over = present[access].secrets if since.is_over else frozenset[str]()
            ended = Ended(
                access, is_gone=since.is_gone, over=over, rights=_LEAST if since.is_changed else {}
            )
            if ended.is_gone or ended.over or since.is_changed:
                yield from services.access.standing.end_access(restored, ended)


def _apply_changes(services: Services, tenant: Tenant, changes: Since) -> Iterator[str]:
    """Do the changes of faces again, and yield a line for each.

    The order is: lift holds and restrictions, since a held face cannot be deleted; delete faces;
    withdraw consents; set the holds and restrictions of the faces that are left.
    """
    yield from _apply_marks(services, tenant, changes, are_set=False)
    for faceid in (
        services.faces.by_id(tenant, list(changes.deleted), restricted=True)
        if changes.deleted
        else ()
    ):
        try:
            services.deletion.delete_faces(tenant, [faceid], by="operator")
            yield f"{faceid} is deleted"
        except FaceHeld:
            yield f"{faceid} was deleted, and is held: look at it"
    wished_at = {faceid: wish.at for faceid, wish in changes.wishes.items() if wish is not None}
    for faceid, withdrawn_at in (wished_at | changes.withdrawn).items():
        if withdrawn_at is None:
            continue
        with suppress(FaceNotFound):
            wish = changes.wishes.get(faceid)
            services.consents.withdraw_again(tenant, faceid, withdrawn_at, wish)
            yield f"the consent of {faceid} is withdrawn"
    for faceid in (faceid for faceid, wish in changes.wishes.items() if wish is None):
        with suppress(FaceNotFound):
            services.consents.take_wish_back(tenant, faceid)
    yield from _apply_marks(services, tenant, changes, are_set=True)


def _apply_marks(
    services: Services, tenant: Tenant, changes: Since, *, are_set: bool
) -> Iterator[str]:
    """Set, or lift, the holds and restrictions whose last change did so, and yield a line for each
    face."""
    for marks, mark_by_face, state in (
        (services.faces.holds, changes.holds, "held"),
        (services.restrictions, changes.restrictions, "restricted"),
    ):
        change = marks.set if are_set else marks.lift
        for faceid in [
            faceid_of_face
            for faceid_of_face, (is_set, _) in mark_by_face.items()
            if is_set is are_set
        ]:
            try:
                change(tenant, faceid, mark_by_face[faceid][1])
                yield f"{faceid} is {'' if are_set else 'not '}{state}"
            except FaceNotFound:
                continue
            except RegularsError as error:
                yield (
                    f"{faceid} is to be {'' if are_set else 'not '}{state}, and that cannot be "
                    f"done: {error}"
                )


def _list_unknown(verification: Verified) -> Iterator[str]:
    if verification.erased:
        erasures = format_count(len(verification.erased), "erasure", "erasures")
        yield f"{erasures} took entries away: erase again by their receipts"
    last = None if verification.last is None else head_of(verification.last)
    if last is not None:
        yield f"what was done from {time_text(moment(last.hour))[:13]}:59 on is not in this export"


def begin_restore_act(tenant: Tenant) -> AbstractContextManager[AuditEvent]:
    """Count what is written inside as the restore of this tenant's book: the audit has it."""
    return begin_audit_event(
        AuditEvent("regulars restore", "operator", Kind.CHANGE, tenant=tenant.name, is_restore=True)
    )


def redo_accesses(
    services: Services,
    restored: Restored,
    exports: Sequence[Export],
    documents: Sequence[Document],
) -> Iterator[str]:
    """Do again what happened since its backup to the accesses and people of one tenant; yield lines
    that say it.

    Of `exports` and `documents` the tenant's own count. May be cut off anywhere and repeated.
    """
    own_exports = [export for export in exports if export.tenant == restored.tenant.name]
    for export in own_exports:
        yield from redo_export(services, restored, export)
    freed_at = {
        freed: at for export in own_exports for freed, at in export.changes.freed_at.items()
    }
    yield from services.access.standing.end_by_documents(restored, documents, freed_at)


def find_known_until(
    services: Services,
    restored: Restored,
    exports: Sequence[Export],
    documents: Sequence[Document],
) -> datetime | None:
    """Return up to which time it is known what ended in a tenant's book; None: nothing tells of the
    time since its backup."""
    times = services.access.standing.list_times(restored, documents)
    times += [
        export.until
        for export in exports
        if export.tenant == restored.tenant.name and export.until is not None
    ]
    return max(times, default=None)


def redo_settings(
    services: Services,
    restored: Restored,
    exports: Sequence[Export],
    documents: Sequence[Document],
    ask: Ask,
) -> Iterator[str]:
    """Say which settings are back that were others last, and set those again, if that is
    answered."""
    said: dict[str, tuple[datetime, Any]] = {}
    unsaid: dict[str, None] = {}
    for export in (each for each in exports if each.tenant == restored.tenant.name):
        said |= export.changes.settings
        unsaid |= export.changes.unsaid_settings
    documented_at, documented = services.access.standing.read_settings_changed(restored, documents)
    for name, value in documented.items():
        if isinstance(value, str) and value.startswith("#"):
            unsaid[name] = None
        elif name not in said or said[name][0] <= documented_at:
            said[name] = (documented_at, value)
    last = {name: value for name, (_, value) in said.items()}
    for name in unsaid:
        yield f"{name} was changed since, and is as it was then: look at it"
    changes = {
        name: value for name, value in last.items() if getattr(restored.tenant, name) != value
    }
    for name, value in changes.items():
        yield (
            f"{name} is {_say_value(getattr(restored.tenant, name))} in the backup, and was "
            f"{_say_value(value)} last"
        )
    if changes and ask(f"{restored.tenant.name}: set these as they were last?"):
        for name, value in changes.items():
            try:
                services.tenants.change_settings(restored.tenant.name, {name: value})
                yield f"{name} is {_say_value(value)} again"
            except RegularsError as error:
                yield f"{name} cannot be set: {error}"


def _say_value(value: Any) -> str:
    return "none" if value is None else json.dumps(value).strip('"')


_MOST_NAMED = 20
"""People with a record of consent who are named."""


def say_unknown(
    services: Services, restored: Restored, known_until: datetime | None, where: str
) -> Iterator[str]:
    """Say one by one what is open or stands in the restored book, of which nobody knows whether it
    ended later.

    `known_until`: the time of the newest document or export; None: there is none. `where`: the
    option that names the folder or stage in a command.
    """
    tenant, time = restored.tenant, time_text(known_until or restored.backed_up_at)
    if known_until is None:
        yield (
            f"nothing is known of it since then ({time}): no document of what stands lies beside "
            "the backup or at the "
            "witness, and no export was given"
        )
    yield (
        f"keys, members, hooks, cameras, settings and consents are as on {time}: end what you "
        "ended since, such as by "
        f"`regulars tenants keys list {restored.tenant.name} {where}`, or restore with "
        "--new-secrets"
    )
    for access in services.access.standing.list_names(tenant):
        yield f"{access}, as on {time}"
    consenting = [face.faceid for face in services.consents.list_all(tenant)]
    if consenting:
        more = f" and {len(consenting) - _MOST_NAMED} more" if len(consenting) > _MOST_NAMED else ""
        yield f"record of consent of {', '.join(consenting[:_MOST_NAMED])}{more}, as on {time}"
    yield (f"if the shop was erased since: `regulars tenants erase {restored.tenant.name} {where}`")
