"""The steps of a restore: what ended since the backup ends again.

The files are copied first (backup.py). Each step is struck from the folder's list once it is done
(owed.py), so that one command ends a restore that was killed anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy.erasure.again import Receipt
from chalicelib.privacy.signing import fingerprint
from chalicelib.privacy.standing import Chosen, Restored, choose_documents, list_ended
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.box.uploads import renew_signing_secret
from chalicelib.storage.values import moment, moment_of_text, time_text
from regulars.backup import archive
from regulars.backup.after import begin_restore_act, make_rotate, redo_settings, say_unknown
from regulars.backup.backup import OBJECTS, open_scratch
from regulars.backup.closings import restore_closings
from regulars.backup.new_secrets import renew_secrets
from regulars.backup.owed import Known, Owed, Questions, Step, note_owed
from regulars.backup.receipts import (
    read_receipts,
    read_standing_documents,
    redo_erasures,
)
from regulars.errors import OperatorError

_NEVER = datetime.fromtimestamp(0, UTC)

_RECORDS = "secrets"
"""Folder of a backup whose files are needed to read its records."""


Evidence = Mapping[str, Chosen]
"""What the documents of what stands tell of each tenant since the backup."""


def read_evidence(services: Services, owed: Owed) -> Evidence:
    """Read the documents of a restore, and judge them.

    Raises InvalidInput if one may say what ended since, and cannot be relied on; OperatorError if a
    place cannot be read.
    """
    books = list(_list_restored(services, owed))
    documents, refused = read_standing_documents(
        owed.places, {restored.tenant.app_id: restored.point for restored in books}
    )
    evidence = {
        restored.tenant.name: choose_documents(
            restored.point,
            fingerprint(services.audit.signing.read_face_key(restored.tenant.name)),
            owed.keys,
            [each for each in documents if each.app_id == restored.tenant.app_id],
        )
        for restored in books
    }
    for chosen in evidence.values():
        refused |= chosen.refused
    if refused:
        asked = dict.fromkeys(key for chosen in evidence.values() for key in chosen.asked)
        raise InvalidInput(_explain_refused(refused, [*owed.keys, *asked] if asked else []))
    return evidence


def _explain_refused(refused: Mapping[str, str], asked: Sequence[str]) -> str:
    """Say why no restore begins, and what would let it. `asked`: keys that may be the shop's."""
    lines = ["nothing is restored: these files may say what ended since, and cannot be verified:"]
    lines += [f"{name}: {why}" for name, why in refused.items()]
    if asked:
        options = " ".join(f"--key {key}" for key in asked)
        lines.append(
            "If the shop has renewed its signing key since, compare it with `regulars call "
            f"get-signing-key` of a later folder, and add {options}"
        )
    lines.append(
        "To restore without a document, move it out of its folder; replace a damaged one by an "
        "undamaged copy"
    )
    return "\n".join(lines)


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
    """Return the list with what later steps need and change: what is known of each book, and how
    many receipts there are.

    Raises OperatorError if less is known than when the restore began, as if a disk is missing.
    """
    known = {}
    for restored in _list_restored(services, owed):
        name, later = restored.tenant.name, evidence[restored.tenant.name].later
        newest = max(restored.point.number, *(standing.point.number for standing in later), 0)
        known[name] = Known(restored.point, newest, later[-1].at if later else None)
        before = owed.known.get(name)
        if before is not None and newest < before.newest:
            until = time_text(before.until or owed.backed_up_at)
            raise OperatorError(
                f"of {name} less is known than when the restore began, which knew what ended until "
                f"{until}: is a disk missing? Its places are {', '.join(owed.places)}"
            )
    noted = replace(owed, known=known, books=tuple({*owed.books, *list_books(services)}))
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
    again = services.erasure.again
    for receipt in again.list_unknown(receipts):
        if not again.is_of_another_book(receipt):
            again.require_acceptable(receipt, owed.keys)
    return receipts


def _list_restored(services: Services, owed: Owed) -> Iterator[Restored]:
    """Yield each tenant of a restored book, and the point of the backup."""
    rotate = make_rotate(services)
    for tenant in services.tenants.list_all():
        standing, known = services.access.standing.read(tenant), owed.known.get(tenant.name)
        point = standing.point if known is None else known.point
        yield Restored(tenant, owed.backed_up_at, point, standing, rotate)


class Act(Struct, frozen=True):
    """Restore under way: its services, its list, what is known, and what it asks."""

    services: Services
    owed: Owed
    evidence: Evidence
    questions: Questions


def _end_accesses(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        later = act.evidence[name].later
        for line in act.services.access.standing.end_by_documents(restored, later):
            yield f"{name}: {line}"


def _take_settings(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        later, ask = act.evidence[name].later, act.questions.ask_settings
        for line in redo_settings(act.services, restored, later, ask):
            yield f"{name}: {line}"


def _end_sessions(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        yield f"{name}: {act.services.access.standing.end_sign_ins(restored.tenant)}"


def _begin_lives(act: Act) -> Iterator[str]:
    for restored, name in _enter_each(act):
        newest, until = act.owed.known[name].newest, act.owed.known[name].until
        gap = (until or restored.backed_up_at, act.services.clock.now())
        act.services.tenants.begin_life(name, gap if act.owed.file else None)
        act.services.access.standing.begin_line(name, restored.point, newest)
    act.services.storage.begin_life()
    yield from ()


def _erase_again(act: Act) -> Iterator[str]:
    def ask_to_leave(receipt: Receipt) -> bool:
        return act.questions.ask_to_leave(
            f"nobody can find out whom the receipt of {receipt} names, since the backup is older "
            "than the shop's first key. Have you erased these people by their faces' ids "
            "(`regulars erase`), or are they not in this backup? Leave the receipt out?"
        )

    receipts = require_receipts(act.services, act.owed)
    yield from redo_erasures(act.services, receipts, act.owed.keys, ask_to_leave)
    done_times = (str(receipt.statement["done_at"]) for receipt in receipts)
    newest = max(done_times, default="none")
    yield (
        f"erasures are done again by {len(receipts):,} receipts, the newest of {newest}: those "
        "without one are not known"
    )


def _restore_closings(act: Act) -> Iterator[str]:
    yield from restore_closings(act.services, act.owed.places, act.owed.keys)


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
    Step.CLOSINGS: _restore_closings,
    Step.SECRETS: _renew_secrets,
    Step.ERASURES: _erase_again,
}
_BY_EVIDENCE = {Step.ACCESSES, Step.SETTINGS, Step.LIFE}


def end_restore(services: Services, owed: Owed, questions: Questions) -> Iterator[str]:
    """Do what is left of a restore whose files are copied; yield lines that say it, and what nobody
    knows. The folder's list ends with it.

    May be cut off anywhere and repeated. Raises OperatorError and InvalidInput, which say what
    stops it: what is left then stays on the list.
    """
    data = services.settings.storage
    evidence: Evidence = {}
    left = owed
    if _BY_EVIDENCE.intersection(owed.left):
        evidence = read_evidence(services, owed)
        left = note_known(services, owed, evidence)
        for name, chosen in evidence.items():
            yield from (f"{name}: {line}" for line in _list_aside(chosen))
    note_owed(data, left)
    for step in owed.left:
        yield from _DO[step](Act(services, left, evidence, questions))
        left = left.strike(step)
        if left.left:  # the list itself goes when all is said
            note_owed(data, left)
    yield from _say_what_is_unknown(services, left)
    note_owed(data, left)


def _list_aside(chosen: Chosen) -> Iterator[str]:
    """Yield a line for each reason why documents tell nothing of the time since the backup."""
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in chosen.aside.items():
        names_by_reason.setdefault(reason, []).append(name)
    for reason, names in names_by_reason.items():
        yield f"left out, since {reason}: {', '.join(sorted(names))}"


def _say_what_is_unknown(services: Services, owed: Owed) -> Iterator[str]:
    for restored in _list_restored(services, owed):
        name = restored.tenant.name
        where = name_place(services)
        until = owed.known[name].until if name in owed.known else None
        for line in say_unknown(services, restored, until, where):
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
    names = [tenant.name for tenant in services.tenants.list_all()]
    return max((find_last_act_of(services, name, before) for name in names), default=_NEVER)


def find_last_act_of(services: Services, name: str, before: datetime | None = None) -> datetime:
    """Return when something was done last in a tenant's book. `before`: as in `find_last_act`."""
    chain = services.audit.chain
    closed_hour = moment(max(chain.read_end(name).hour, 0))  # all in it may be erased
    times = [closed_hour, *(moment_of_text(entry["at"]) for entry in chain.walk_entries(name))]
    return max((at for at in times if before is None or at <= before), default=_NEVER)


def find_owed_by_snapshot(services: Services, owed: Owed) -> Owed | None:
    """Return the remaining steps for a folder that came back without a restore, as from a disk's
    snapshot; None if there are none.

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
    was_used = oldest < last_act
    if was_used and any(restored.point.line for restored in _list_restored(services, owed)):
        raise OperatorError(
            "this folder was restored without the receipts that name people in it, and was used "
            "since. What else ended nobody can tell from it: restore the backup again, with the "
            "witness (REGULARS_WITNESS)"
        )
    since = find_last_act(services, oldest) if was_used else last_act
    found = replace(owed, backed_up_at=since)
    if was_used:
        found = replace(found, known=dict(_find_points(services, found)))
    evidence = read_evidence(services, found)
    has_ended = any(
        any(list_ended(services.access.standing.read(tenant), evidence[tenant.name].later))
        for tenant in services.tenants.list_all()
        if evidence[tenant.name].later
    )
    is_asked = Step.SECRETS in owed.left
    return found if open_receipts or has_ended or is_asked else None


def _find_points(services: Services, owed: Owed) -> Iterator[tuple[str, Known]]:
    """Yield the point of each book at `backed_up_at`, in a folder that was used since then: it has
    counted its own documents meanwhile, so those of then say it by their time."""
    books = {each.tenant.app_id: each for each in _list_restored(services, owed)}
    begins = {app_id: replace(each.point, number=-1) for app_id, each in books.items()}
    documents, _ = read_standing_documents(owed.places, begins)
    for app_id, restored in books.items():
        numbers = [
            document.point.number
            for document in documents
            if (document.app_id, document.point.life) == (app_id, restored.point.life)
            and document.standing.at <= owed.backed_up_at
        ]
        point = replace(restored.point, number=max(numbers, default=0))
        yield restored.tenant.name, Known(point, point.number, None)


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
        if known.known[name].until is None:
            for line in say_unknown(services, restored, None, where):
                yield f"{name}: {line}"
