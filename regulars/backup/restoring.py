"""The steps of a restore: what ended since the backup ends again.

The files are copied first (backup.py). Each step is struck from the folder's list once it is done
(owed.py), so that one command ends a restore that was killed anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import chain as chain_times
from pathlib import Path
from shlex import quote

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.privacy.erasure.again import Receipt
from chalicelib.privacy.standing import Document, Restored
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.box.uploads import renew_signing_secret
from chalicelib.storage.values import moment, moment_of_text, time_text
from regulars.backup import archive
from regulars.backup.after import (
    Export,
    begin_restore_act,
    find_known_until,
    make_rotate,
    read_export,
    redo_accesses,
    redo_settings,
    say_unknown,
)
from regulars.backup.backup import OBJECTS, open_scratch
from regulars.backup.new_secrets import renew_secrets
from regulars.backup.owed import Owed, Questions, Step, note_owed
from regulars.backup.receipts import (
    read_receipts,
    read_standing_documents,
    redo_erasures,
)
from regulars.errors import OperatorError

_RECORDS = "secrets"
"""Folder of a backup whose files are needed to read its records."""


class Evidence(Struct, frozen=True):
    """Evidence of the time since a backup: exports of the audit, and documents of what stands.

    `damaged`: the names of documents that are not as they were signed.
    """

    exports: Sequence[Export]
    documents: Sequence[Document]
    damaged: Sequence[str]


def read_evidence(services: Services, owed: Owed) -> Evidence:
    """Read the exports and documents of a restore.

    Raises OperatorError if an export is not as it was signed, or a place cannot be read.
    """
    exports = [
        read_export(services, Path(export), owed.backed_up_at, owed.key or None)
        for export in owed.exports
    ]
    documents, damaged = read_standing_documents(
        owed.places, list_books(services), owed.backed_up_at
    )
    return Evidence(exports, documents, damaged)


def list_books(services: Services) -> list[str]:
    """Return the ids of all books that are stored here."""
    return [tenant.app_id for tenant in services.tenants.list_all()]


def read_own_receipts(services: Services, owed: Owed) -> list[Receipt]:
    """Read the receipts of erasures of these books in all places of a restore, also of books that
    it has erased again.

    Raises DamagedFile, OperatorError.
    """
    return read_receipts(owed.places, {*owed.books, *list_books(services)})


def note_known(services: Services, owed: Owed, evidence: Evidence) -> Owed:
    """Return the list with what later steps need and change: each book's life, up to which time it
    is known what ended, and how many receipts there are.

    Raises OperatorError if less is known than when the restore began, as if a disk is missing.
    """
    books = list(_list_restored(services, owed))
    known_until = {
        restored.tenant.name: find_known_until(
            services, restored, evidence.exports, evidence.documents
        )
        for restored in books
    }
    for name, before in owed.known_until.items():
        now = known_until.get(name)
        if name in known_until and before is not None and (now is None or now < before):
            raise OperatorError(
                f"of {name} less is known than when the restore began, which knew what ended until "
                f"{time_text(before)}: is a disk missing? Its places are {', '.join(owed.places)}"
            )
    lives = {restored.tenant.name: restored.tenant.life for restored in books}
    noted = replace(
        owed,
        known_until=known_until,
        lives=lives,
        books=tuple({*owed.books, *list_books(services)}),
    )
    return replace(noted, receipts=len(require_receipts(services, noted)))


def require_receipts(services: Services, owed: Owed) -> list[Receipt]:
    """Read the receipts of erasures of these books in all places of a restore.

    Raises OperatorError if there are fewer than when the restore began, or one is of a signer whom
    the book does not know; DamagedFile.
    """
    receipts = read_own_receipts(services, owed)
    if len(receipts) < owed.receipts:
        raise OperatorError(
            f"there are {len(receipts)} receipts of erasures, and were {owed.receipts} when the "
            f"restore began: is a disk missing? Its places are {', '.join(owed.places)}"
        )
    trusted = [owed.key] if owed.key else []
    again = services.erasure.again
    for receipt in again.list_unknown(receipts):
        if not again.is_of_another_book(receipt):
            again.require_acceptable(receipt, trusted)
    return receipts


def _list_restored(services: Services, owed: Owed) -> Iterator[Restored]:
    """Yield each tenant of a restored book, with the life that it had in the backup."""
    rotate = make_rotate(services)
    for tenant in services.tenants.list_all():
        life = owed.lives.get(tenant.name, tenant.life)
        yield Restored(
            replace(tenant, life=life),
            owed.backed_up_at,
            services.access.standing.read(tenant),
            rotate,
            [owed.key] if owed.key else (),
        )


class Act(Struct, frozen=True):
    """Restore under way: its services, its list, what is known, and what it asks."""

    services: Services
    owed: Owed
    evidence: Evidence
    questions: Questions


def _end_accesses(act: Act) -> Iterator[str]:
    evidence = act.evidence
    for restored, name in _enter_each(act):
        for line in redo_accesses(act.services, restored, evidence.exports, evidence.documents):
            yield f"{name}: {line}"


def _take_settings(act: Act) -> Iterator[str]:
    evidence = act.evidence
    for restored, name in _enter_each(act):
        for line in redo_settings(
            act.services,
            restored,
            evidence.exports,
            evidence.documents,
            act.questions.ask_settings,
        ):
            yield f"{name}: {line}"


def _end_sessions(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        yield f"{name}: {act.services.access.standing.end_sign_ins(restored.tenant)}"


def _begin_lives(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        act.services.tenants.begin_life(name)
        act.services.access.standing.note_base(restored)
    yield from ()


def _erase_again(act: Act) -> Iterator[str]:
    def ask_to_leave(receipt: Receipt) -> bool:
        return act.questions.ask_to_leave(
            f"nobody can find out whom the receipt of {receipt} names, since the backup is older "
            "than the shop's first key. Have you erased these people by their faces' ids "
            "(`regulars erase`), or are they not in this backup? Leave the receipt out?"
        )

    receipts = require_receipts(act.services, act.owed)
    trusted = [act.owed.key] if act.owed.key else []
    yield from redo_erasures(act.services, receipts, trusted, ask_to_leave)
    done_times = (str(receipt.statement["done_at"]) for receipt in receipts)
    newest = max(done_times, default="none")
    yield (
        f"erasures are done again by {len(receipts):,} receipts, the newest of {newest}: those "
        "without one are not known"
    )


def _renew_secrets(act: Act) -> Iterator[str]:
    if isinstance(act.services.settings.storage, Path):
        renew_signing_secret(act.services.settings.storage)
        # by this another key is the folder's, whether a shop has secrets or not
        act.services.ports.storage.vault.seal("renewed", "vault/renewed")
    for secrets in renew_secrets(act.services):
        yield json.dumps(secrets)


def _enter_each(act: Act) -> Iterator[tuple[Restored, str]]:
    """Yield each restored tenant and its name; what is written meanwhile counts in its audit as the
    restore's."""
    for restored in _list_restored(act.services, act.owed):
        with begin_restore_act(restored.tenant):
            yield restored, restored.tenant.name


_DO: Mapping[Step, Callable[[Act], Iterator[str]]] = {
    Step.ACCESSES: _end_accesses,
    Step.SETTINGS: _take_settings,
    Step.SESSIONS: _end_sessions,
    Step.LIFE: _begin_lives,
    Step.SECRETS: _renew_secrets,
    Step.ERASURES: _erase_again,
}
_BY_EVIDENCE = {Step.ACCESSES, Step.SETTINGS}


def end_restore(services: Services, owed: Owed, questions: Questions) -> Iterator[str]:
    """Do what is left of a restore whose files are copied; yield lines that say it, and what nobody
    knows. The folder's list ends with it.

    May be cut off anywhere and repeated. Raises OperatorError and InvalidInput, which say what
    stops it: what is left then stays on the list.
    """
    data = services.settings.storage
    evidence, left = Evidence((), (), ()), owed
    if _BY_EVIDENCE.intersection(owed.left):
        evidence = read_evidence(services, owed)
        yield from (
            f"{name} is not as it was signed, and is left aside" for name in evidence.damaged
        )
        left = note_known(services, owed, evidence)
    note_owed(data, left)
    for step in owed.left:
        yield from _DO[step](Act(services, left, evidence, questions))
        left = left.strike(step)
        if left.left:  # the list itself goes when all is said
            note_owed(data, left)
    yield from _say_what_is_unknown(services, left)
    note_owed(data, left)


def _say_what_is_unknown(services: Services, owed: Owed) -> Iterator[str]:
    for restored in _list_restored(services, owed):
        name = restored.tenant.name
        where = name_place(services)
        for line in say_unknown(services, restored, owed.known_until.get(name), where):
            yield f"{name}: {line}"


def name_place(services: Services) -> str:
    """Return the option that names where the services' data are, for a command that is printed."""
    storage = services.settings.storage
    return f"--data {quote(str(storage))}" if isinstance(storage, Path) else "--stage STAGE"


@contextmanager
def open_records(settings: Settings, file: Path, scratch_folder: Path) -> Iterator[Services]:
    """Open the records of a box's backup while the block lasts, without its pictures.

    They are unpacked into a scratch folder, which goes at the end with all that was changed there.
    Nothing is sent from it.
    """
    with open_scratch(scratch_folder) as scratch:
        archive.unpack_file(file, scratch, _is_record)
        own_settings = replace(settings, storage=scratch, is_trial=True)
        with closing(bootstrap.build(own_settings)) as services:
            yield services


def find_last_act(services: Services, before: datetime | None = None) -> datetime:
    """Return when something was done last in these books, by their audits.

    `before`: look at what was done until then.
    """
    chain = services.audit.chain
    last = datetime.fromtimestamp(0, UTC)
    for tenant in services.tenants.list_all():
        closed_hour = moment(max(chain.read_end(tenant.name).hour, 0))  # all in it may be erased
        entry_times = (moment_of_text(entry["at"]) for entry in chain.walk_entries(tenant.name))
        for at in chain_times([closed_hour], entry_times):
            if at > last and (before is None or at <= before):
                last = at
    return last


def find_owed_by_snapshot(services: Services, owed: Owed) -> Owed | None:
    """Return what is owed by a folder that came back without a restore, as from a disk's snapshot;
    None: nothing.

    `owed`: a list with the places to look into. Something is owed if receipts name people who are
    in the book, or documents of later than its last act know that an access has ended. New secrets
    are owed if they were asked for. Raises OperatorError if the folder was restored without these
    receipts, and has been used since.
    """
    receipts = require_receipts(services, owed)
    open_receipts = services.erasure.again.list_open(receipts)
    asked_times = [moment_of_text(str(each.statement["asked_at"])) for each in open_receipts]
    last_act = find_last_act(services)
    oldest = min(asked_times, default=last_act)
    if oldest < last_act and any(
        services.access.standing.read(tenant).base for tenant in services.tenants.list_all()
    ):
        raise OperatorError(
            "this folder was restored without the receipts that name people in it, and was used "
            "since. What else ended nobody can tell from it: restore the backup again, with the "
            "witness (REGULARS_WITNESS)"
        )
    since = find_last_act(services, oldest) if oldest < last_act else last_act
    found = replace(owed, backed_up_at=since)
    evidence = read_evidence(services, found)
    has_ended = any(
        services.access.standing.list_ended(restored, evidence.documents)
        for restored in _list_restored(services, found)
    )
    is_asked = Step.SECRETS in owed.left
    return found if open_receipts or has_ended or is_asked else None


def _is_record(name: str) -> bool:
    first_folder, *inner = name.split("/")
    return not inner or first_folder == _RECORDS or first_folder not in OBJECTS


def say_before(services: Services, known: Owed, where: str) -> Iterator[str]:
    """Yield lines about the tenants of a backup of which nothing tells what ended since: what will
    be open again.

    `services`: those of the backup's records; `known`: as `note_known` returns it; `where`: the
    option that names the folder.
    """
    for restored in _list_restored(services, known):
        name = restored.tenant.name
        if known.known_until[name] is None:
            for line in say_unknown(services, restored, None, where):
                yield f"{name}: {line}"
