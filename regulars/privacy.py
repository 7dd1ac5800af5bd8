"""Commands for requests of people about their data: about, erase, receipt, consent, retention,
privacy."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.consent import Basis, Ending
from chalicelib.domain.errors import Busy, FaceNotFound, InvalidInput
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.rules.hold import require_free
from chalicelib.privacy import signing
from chalicelib.privacy.erasure_progress import (
    RECEIPT,
    Erasure,
    list_named_faces,
    require_face_key,
    require_receipt,
)
from chalicelib.privacy.retention import (
    Kind,
    find_outlook,
    say_after_erasure,
    say_missed,
    say_outlook,
)
from chalicelib.privacy.signing import fingerprint
from chalicelib.privacy.standing import is_document
from chalicelib.privacy.tenant_erasure_progress import RECEIPT_OF_TENANT
from chalicelib.privacy.texts import LANGUAGES
from chalicelib.services import Services
from chalicelib.storage.box.durable import write_durably, write_new
from chalicelib.storage.values import format_count, time_text
from regulars.errors import DamagedFile, OperatorError
from regulars.folder import find_server
from regulars.options import (
    PATH,
    ask_before_deed,
    ask_yes_or_no,
    of_restored_shops,
    of_shops,
    of_tenant,
    with_services,
)
from regulars.person_of_photo import AskedShops, ask_shops
from regulars.shops import do_in_each, list_shops
from regulars.tenants.command import align_rows

if TYPE_CHECKING:
    from chalicelib.privacy.erasure.retention import Planned
    from chalicelib.privacy.notices import Facts
    from chalicelib.privacy.texts import Language

_PAUSE_S = 1.0
"""Polling interval while an erasure runs, in s."""
_CUT_OFF_WITHIN = timedelta(hours=1)
"""So long after it a command by a photo ends what one before has begun."""

_face = click.option("--face", metavar="ID", required=True, help="ID of the person's face.")


@click.command(short_help="Export all data held about one person.")
@click.option("--face", metavar="ID", help="ID of the person's face.")
@click.option(
    "--photo", type=PATH, metavar="FILE", help="Instead of --face: photo of this person alone."
)
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    required=True,
    help="Zip file to write; it must not exist.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    help="Language of the page for the person.",
)
@of_shops
def about(
    services: Services,
    tenants: Sequence[Tenant],
    *,
    face: str | None,
    photo: Path | None,
    out: Path,
    language: Language,
) -> int:
    """Export all data held about one person into a zip file: a readable page, data for programs,
    and pictures.

    Other people in the pictures are made unrecognisable. A photo is only compared: it is not
    stored, and no visit is counted. With several shops, each shop that knows the person gets a file
    with its name in the file name. Exits with 1 if no enrolled person matches the photo. The
    service can keep running.

    \b
    Examples:
      regulars about --tenant shop-12 --face 42 --out answer.zip
      regulars about --tenant shop-12 --photo letter.jpg --out answer.zip --language zh
      regulars about --all-shops --photo letter.jpg --out answer.zip
      regulars about --tenant shop-12 --face 42 --out answer.zip --stage prod
    """
    if (face is None) == (photo is None):
        raise click.UsageError("pass either --face ID or --photo FILE")
    asked = _ask(services, tenants, face, photo)
    write_archives_of_shops(services, asked, tenants, out, language)
    asked.require_all()
    if not asked.known:
        print("no file was written; the photo was not stored")
    return 0 if asked.known else 1


def write_archives_of_shops(
    services: Services, asked: AskedShops, tenants: Sequence[Tenant], out: Path, language: Language
) -> None:
    """Write a file for each face in each shop that knows the person, and note what is left.

    Of several shops, a file that is there stays: the command may have been cut off behind it.
    """
    for tenant, faceids in asked.known:
        file = name_by_shop(out, tenant, tenants)
        with asked.try_in(tenant.name, "not written"), begin_in_tenant(tenant.name):
            _write_archives(services, tenant, faceids, file, language, goes_on=len(tenants) > 1)


def _ask(
    services: Services, tenants: Sequence[Tenant], face: str | None, photo: Path | None
) -> AskedShops:
    """Return the faces of the person whose face or photo is given. Raises FaceNotFound."""
    if photo is not None:
        return ask_shops(services, tenants, photo)
    person = services.faces.find_person(tenants[0], str(face))
    return AskedShops([], [(tenants[0], [*person.faces])], [])


def name_by_shop(file: Path, tenant: Tenant, tenants: Sequence[Tenant]) -> Path:
    """Return the name of a shop's file, which has the shop's if there are several."""
    return file if len(tenants) == 1 else file.with_stem(f"{file.stem}-{tenant.name}")


def _write_archives(
    services: Services,
    tenant: Tenant,
    faceids: Sequence[str],
    out: Path,
    language: Language,
    *,
    goes_on: bool,
) -> None:
    """Write the archive of each face of a person, and say what else may be theirs.

    `goes_on`: whether a file that is there stays, and is said, in place of an error.
    """
    for faceid in faceids:
        file = out if faceid == faceids[0] else out.with_stem(f"{out.stem}-{faceid}")
        if goes_on and file.exists():
            print(
                f"{tenant.name}: {file} already exists and was kept; if it is about another "
                "person, pass another --out"
            )
            continue
        services.audit.reads.write_export_entry(tenant.name, faceid)
        write_archive_file(services, tenant, faceid, file, language)
        print(f"{file}  face {faceid}, {file.stat().st_size:,} bytes; give it to this person only")
    for other in services.faces.find_person(tenant, faceids[0]).others:
        print(f"face {other} is in the same face set: if it is the same person, export it too")
    facts = services.notices.read_facts(tenant)
    warn_of_blanks(facts, facts.missing)


def write_set_command(facts: Facts, missing: Sequence[str]) -> str:
    """Write the command that sets these settings, with what is known already."""
    values = {"recipients": quote(", ".join(facts.known))} if facts.known else {}
    options = " ".join(f"--set {name}={values.get(name, 'TEXT')}" for name in missing)
    return f"regulars tenants set {facts.tenant.name} {options}"


def warn_of_blanks(facts: Facts, missing: Sequence[str]) -> None:
    """Warn about empty settings that leave blanks on a page."""
    if missing:
        click.echo(
            "the page has blanks: fill them in by hand, or run "
            f"{write_set_command(facts, missing)}",
            err=True,
        )


def write_archive_file(
    services: Services, tenant: Tenant, faceid: str, out: Path, language: Language
) -> None:
    """Write the archive into a new file that only its owner may read; leave none if that fails."""
    with write_new(out) as file:
        shops = [one.shown_name for one in services.tenants.list_other_shops(tenant)]
        services.archives.write(tenant, faceid, file, language, shops=shops)


@click.command(short_help="Erase a person and write a receipt.")
@click.option("--face", "faceid", metavar="ID", help="ID of the person's face.")
@click.option(
    "--photo", type=PATH, metavar="FILE", help="Instead of --face: photo of this person alone."
)
@click.option(
    "--former",
    is_flag=True,
    help="With --face: erase the former owner of a reused ID; the present one stays.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Repeat the erasures of these receipts after restoring a backup.",
)
@click.argument("receipts", type=PATH, metavar="[RECEIPT]...", nargs=-1)
@click.option(
    "--key",
    "trusted",
    multiple=True,
    metavar="KEY",
    help="With --again: public key or fingerprint of another accepted signer; repeatable.",
)
@click.option(
    "--receipt",
    type=PATH,
    help="File for the receipt of --face or --photo.  [default: erasure-ID.json]",
)
@ask_before_deed
@of_restored_shops
def erase(
    services: Services,
    tenants: Sequence[Tenant],
    *,
    faceid: str | None,
    photo: Path | None,
    former: bool,
    again: bool,
    receipts: tuple[Path, ...],
    trusted: tuple[str, ...],
    receipt: Path | None,
    confirm: Callable[[str], bool],
) -> None:
    """Erase a person: face, pictures, templates, names, sightings, and the face in captures that
    show it. Counts stay.

    Shows who will be erased and asks. The face is gone at once; the rest takes some minutes, since
    requests under way finish first. A running service does the work, otherwise this command.

    A photo is only compared, not stored. --again accepts receipts signed by this tenant's current
    or former keys.

    \b
    Examples:
      regulars erase --tenant shop-12 --face 21
      regulars erase --all-shops --photo letter.jpg
      regulars erase --tenant shop-12 --again receipts/*.json
    """
    ways = [faceid is not None, photo is not None, again]
    if ways.count(True) != 1 or again is not bool(receipts):
        raise click.UsageError(
            "pass one of --face ID, --photo FILE, or --again with receipts of earlier erasures"
        )
    tenant = tenants[0]
    if receipt is not None and again:
        raise click.UsageError(
            "--receipt requires --face or --photo: --again writes receipts to the current folder"
        )
    if trusted and not again:
        raise click.UsageError("--key requires --again")
    if former and again:
        raise click.UsageError("--former requires --face")
    if photo is not None:
        erase_in_shops(services, tenants, photo, receipt, confirm)
    elif faceid is not None:
        erase_one(services, tenant, faceid, receipt, confirm, is_former=former)
    elif faceids := _find_erased_faces(services, tenant, receipts, trusted):
        _require_place(None)
        _erase_faces(services, tenant, faceids, None, confirm)
    else:
        print("no person of these receipts is in the book")


def erase_in_shops(
    services: Services,
    tenants: Sequence[Tenant],
    photo: Path,
    receipt: Path | None,
    confirm: Callable[[str], bool],
) -> None:
    """Erase the person of a photo in each shop that knows the person, and end what goes on there.

    All are deleted before the first is waited for. In a shop that was cut off after that, nobody
    looks like the photo any more: its erasures that go on are ended, too. Nobody can tell whether
    they are this person's, so no receipt is written of them. Raises OperatorError if a shop is
    left.
    """
    receipts = {
        tenant.name: receipt and name_by_shop(receipt, tenant, tenants) for tenant in tenants
    }
    for file in receipts.values():
        _require_place(file, is_new=len(tenants) == 1)
    asked = ask_shops(services, tenants, photo)
    known: list[tuple[Tenant, list[str]]] = []
    for tenant, faceids in asked.known:
        with asked.try_in(tenant.name, "not erased"), begin_in_tenant(tenant.name):
            _print_people(services, tenant, faceids)
            known.append((tenant, faceids))
    begun: list[tuple[Tenant, list[str]]] = []
    for tenant in asked.strange:
        with asked.try_in(tenant.name, "what goes on is not known"):
            begun.append((tenant, _list_going_on(services, tenant)))
    shops = format_count(len(known), "shop", "shops")
    question = f"Erase this person in {shops}?" if known else "End what goes on?"
    if (known or any(ids for _, ids in begun)) and confirm(question):
        for tenant, erasures in _delete_in_shops(services, asked, known):
            with asked.try_in(tenant.name, "no receipt"), begin_in_tenant(tenant.name):
                _wait_and_write_receipts(services, tenant, erasures, receipts[tenant.name])
        for tenant, ids in begun:
            with asked.try_in(tenant.name, "not ended"), begin_in_tenant(tenant.name):
                _end_perhaps(services, tenant, ids)
    asked.require_all()


def _end_perhaps(services: Services, tenant: Tenant, ids: Sequence[str]) -> None:
    """Wait for erasures that may be of somebody else, and say where their receipts are."""
    for erasure in wait_for_erasures(services, tenant, ids):
        print(
            f"{tenant.name}: erasure {erasure.id}, perhaps of this person, is done: `regulars "
            f"call get-erasure {erasure.id} --tenant {tenant.name} --field receipt` prints the "
            "receipt"
        )


def _delete_in_shops(
    services: Services, asked: AskedShops, known: Sequence[tuple[Tenant, Sequence[str]]]
) -> list[tuple[Tenant, Sequence[str]]]:
    """Delete a person in each shop; return the erasures that have begun, and note what is left."""
    begun: list[tuple[Tenant, Sequence[str]]] = []
    for tenant, faceids in known:
        with asked.try_in(tenant.name, "not erased"), begin_in_tenant(tenant.name):
            deleted = services.deletion.delete_faces(tenant, faceids, by="operator", erase=True)
            begun.append((tenant, deleted.erasures))
            if left := services.faces.by_id(tenant, faceids, restricted=True):
                raise OperatorError(f"{', '.join(left)} changed meanwhile")
    return begun


def _print_people(services: Services, tenant: Tenant, faceids: Sequence[str]) -> None:
    """Print a line for each face, with the command that ends its erasure if this one is cut off."""
    services.audit.reads.enter_printing(tenant.name, faceids)
    for face in services.faces.by_id(tenant, faceids, restricted=True).values():
        name = face.name or "(no name)"
        print(
            f"{tenant.name}: {face.faceid}, {name}; if this is interrupted, finish it with "
            f"`regulars erase --tenant {tenant.name} --face {face.faceid}`",
            flush=True,
        )


def _list_going_on(services: Services, tenant: Tenant) -> list[str]:
    """List the erasures of the last hour that an operator asked for and that go on, and say so:
    perhaps a command was cut off."""
    since = services.clock.now() - _CUT_OFF_WITHIN
    erasures = services.erasure.records.list_running(tenant.name, since)
    ids = [erasure.id for erasure in erasures if erasure.by == "operator"]
    for id_ in ids:
        print(f"{tenant.name}: erasure {id_} is running, perhaps of this person", flush=True)
    return ids


def _require_place(receipt: Path | None, *, is_new: bool = True) -> None:
    """Raise OperatorError if the receipt could not be written.

    A device or a pipe is opened as it is. `is_new`: whether there may be no such file; else the
    receipt goes beside it.
    """
    if is_new and receipt is not None and receipt.is_file():
        raise OperatorError(f"{receipt} already exists: pass a new file with --receipt")
    folder = (receipt or Path("receipt")).absolute().parent
    if (receipt is None or not receipt.exists()) and not os.access(folder, os.W_OK):
        raise OperatorError(
            f"the receipt cannot be written to {folder}; nothing was erased. Pass a writable file "
            "with --receipt"
        )


def _confirm_erasure(faces: Mapping[str, Face], confirm: Callable[[str], bool]) -> bool:
    """Show who will be erased and ask. Raises FaceHeld."""
    require_free(faces.values())
    for face in faces.values():
        print(f"{face.faceid}  {face.name or '(no name)'}", flush=True)
    return confirm("Erase this person?" if len(faces) == 1 else f"Erase these {len(faces)} people?")


def erase_one(
    services: Services,
    tenant: Tenant,
    faceid: str,
    receipt: Path | None,
    confirm: Callable[[str], bool],
    *,
    is_former: bool,
) -> None:
    """Erase the person of a face, wait for the end, and write the receipts.

    If there is no such face any more, ask whether to erase what a deleted face of this id has left,
    and do so. `is_former`: whether to do only that, since somebody else has the id now. Raises
    FaceNotFound if nothing is left, FaceMerged if the face was merged into another one,
    OperatorError, also if some faces of the person are left.
    """
    _require_place(receipt)
    present_faces = services.faces.by_id(tenant, [] if is_former else [faceid], restricted=True)
    if present_faces:
        _erase_faces(
            services, tenant, services.faces.find_person(tenant, faceid).faces, receipt, confirm
        )
        return
    services.faces.require_not_merged(tenant, faceid)
    if go_on_with_erasure(services, tenant, faceid, receipt):
        return
    if not services.erasure.has_left_traces(tenant, faceid):
        raise FaceNotFound(
            f"there is no {'former ' if is_former else ''}face {faceid!r}, and nothing is left of "
            "a deleted one"
        )
    state = "now another person's, who stays" if is_former else "in no group"
    print(f"{faceid!r} is {state}", flush=True)
    if not confirm("Erase everything left of the deleted face with this ID?"):
        return
    deleted = services.erasure.erase_gone_face(tenant, faceid, by="operator")
    _wait_and_write_receipts(services, tenant, deleted.erasures, receipt)


def go_on_with_erasure(
    services: Services, tenant: Tenant, faceid: str, receipt: Path | None
) -> bool:
    """Wait for the end of a face's erasure, as after a command that was cut off, and write its
    receipt.

    False: none is under way, and if one was, the face has left something since.
    """
    erasures = services.erasure.records.list_of_face(tenant.name, faceid)
    going_on = [erasure.id for erasure in erasures if erasure.done_at is None]
    if not going_on and services.erasure.has_left_traces(tenant, faceid):
        return False
    newest = going_on or [erasure.id for erasure in erasures[-1:]]
    _wait_and_write_receipts(services, tenant, newest, receipt)
    return bool(newest)


def _erase_faces(
    services: Services,
    tenant: Tenant,
    faceids: Sequence[str],
    receipt: Path | None,
    confirm: Callable[[str], bool],
) -> None:
    """Delete all, and wait once."""
    if _confirm_erasure(services.faces.by_id(tenant, faceids, restricted=True), confirm):
        deleted = services.deletion.delete_faces(tenant, faceids, by="operator", erase=True)
        _wait_and_write_receipts(services, tenant, deleted.erasures, receipt)
        if remaining_faces := services.faces.by_id(tenant, faceids, restricted=True):
            raise OperatorError(
                f"{len(remaining_faces)} faces changed meanwhile and are still in the book: run "
                f"the command again with --face {next(iter(remaining_faces))} or the receipts"
            )


def _wait_and_write_receipts(
    services: Services, tenant: Tenant, ids: Sequence[str], receipt: Path | None
) -> None:
    """Wait for erasures, and write the receipt of each.

    `receipt`: the file of the first receipt, or a device that gets all of them. The others go
    beside it, with the erasure's id in their names; so do all if it is there. None: the files have
    the ids, in the working folder.
    """
    for id_ in ids:
        print(f"the face is deleted; erasure {id_} is running", flush=True)
    for erasure in wait_for_erasures(services, tenant, ids):
        text, path = _format_receipt(erasure), receipt or Path(f"erasure-{erasure.id}.json")
        if receipt and receipt.is_file():
            path = receipt.with_stem(f"{receipt.stem}-{erasure.id}")
        try:
            if _is_device(path):
                path.write_text(text, encoding="utf-8")
            else:
                write_durably(path, text)
        except OSError as error:
            raise OperatorError(
                f"the person is erased, but {path} cannot be written ({error.strerror}): print the "
                f"receipt with `regulars call get-erasure {erasure.id} --tenant {tenant.name} "
                "--field receipt`"
            ) from error
        print(f"erased; receipt: {path}; verify it with `regulars receipt verify {path}`")


def _is_device(path: Path) -> bool:
    """Tell whether a path is no file, such as /dev/stdout, which takes several receipts."""
    return path.exists() and not path.is_file()


def _format_receipt(erasure: Erasure) -> str:
    return f"{json.dumps(erasure.receipt, indent=2, ensure_ascii=False)}\n"


def wait_for_erasures(
    services: Services, tenant: Tenant, ids: Sequence[str], *, alone: bool = False
) -> list[Erasure]:
    """Wait until the erasures are done, and return them, with the further records in which they go
    on.

    A service that runs, or a stage, does the steps. If nobody serves the folder, they are done
    here, with the others of the tenant, since erasures of a few minutes wait for each other.
    `alone`: they are done here in any case, since not even the stage runs. What they wait for is
    said once.
    """
    storage = services.settings.storage
    said = set[str]()
    former_erasures: list[Erasure] | None = None
    while True:
        erasures = [
            erasure
            for id_ in ids
            for erasure in services.erasure.records.get_with_further(tenant.name, id_)
        ]
        unfinished = [erasure for erasure in erasures if erasure.done_at is None]
        if not unfinished:
            return erasures
        if erasures == former_erasures:
            time.sleep(_PAUSE_S)
        former_erasures = erasures
        for erasure in unfinished:
            if (wait := services.erasure.steps.find_wait(tenant, erasure)) is not None:
                _say_once(f"waiting {wait}", said)
        if alone or (isinstance(storage, Path) and find_server(storage) is None):
            for erasure in services.erasure.records.list_unfinished(tenant.name):
                _go_on_unless_waiting(services, tenant, erasure, said)


def _go_on_unless_waiting(
    services: Services, tenant: Tenant, erasure: Erasure, said: set[str]
) -> None:
    """Do the steps of an erasure that can be done now. `said`: as `_say_once` takes it."""
    if services.erasure.steps.find_wait(tenant, erasure) is not None:
        return
    try:
        services.erasure.steps.go_on(tenant, erasure.id)
    except Busy as error:
        _say_once(f"waiting: {error}", said)


def _say_once(text: str, said: set[str]) -> None:
    """Print a line to stderr unless `said` has it, and add it there."""
    if text not in said:
        said.add(text)
        click.echo(text, err=True)


def _find_erased_faces(
    services: Services, tenant: Tenant, receipts: Sequence[Path], trusted: Sequence[str]
) -> list[str]:
    """Return the ids of the faces in the book that were erased according to these receipts, each
    once.

    If another person has the id of an erased face now, it is left out. All receipts are checked
    before a face is looked for. `trusted`: fingerprints of keys, beside the tenant's own, that may
    have signed. Raises OperatorError if a receipt is not the tenant's, or names no faces.
    """
    keys = services.audit.signing.read_public_keys(tenant.name)
    trusted_keys = [_make_fingerprint(key) for key in trusted]
    statements = []
    # they lie beside each other
    for path in [path for path in receipts if not is_document(path.name)]:
        statement, signer = _read_receipt(path)
        try:
            require_receipt(statement, signer, tenant.name, keys, trusted_keys)
        except InvalidInput as error:
            raise OperatorError(f"{path} cannot be applied: {error}") from error
        statements.append((path, statement))
    ids = [*services.faces.lists.list_every_id(tenant)]
    key = services.audit.signing.read_face_key(tenant.name)
    erased_faces: list[str] = []
    for path, statement in statements:
        try:
            require_face_key(statement, key)
            named_faces = list_named_faces(statement, key, ids)
            erased_faces += services.erasure.again.part_faces(tenant, statement, named_faces)[0]
        except (KeyError, TypeError) as error:
            raise OperatorError(f"{path} cannot be applied: it names no faces") from error
        except InvalidInput as error:
            raise OperatorError(f"{path} cannot be applied: {error}") from error
    return list(dict.fromkeys(erased_faces))


@click.group(no_args_is_help=False, short_help="Verify signed receipts of erasures.")
def receipt() -> None:
    """Verify receipts of erasures.

    `regulars call get-erasure` prints a receipt again; `regulars call get-signing-key` prints the
    keys.

    \b
    Examples:
      regulars receipt verify erasure.json --key 3f0c...
    """


@receipt.command(short_help="Verify a receipt offline.")
@click.argument("file", type=PATH)
@click.option("--key", metavar="KEY", help="Signer's public key (base64) or its fingerprint.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S.%f%z"]),
    metavar="TIME",
    help="Time at which that key was renewed, as `regulars call get-signing-key` prints it.",
)
def verify(file: Path, key: str | None, until: datetime | None) -> int:
    """Verify offline that a receipt is unchanged and signed with --key.

    Exits with 1 if FILE is not a receipt of an erasure, was changed, was signed with another key,
    or is dated after --until; with 2 if it is unchanged but no --key was given.
    """
    statement, public_key = _read_receipt(file, (RECEIPT, RECEIPT_OF_TENANT))
    print(json.dumps(statement, indent=2, ensure_ascii=False, sort_keys=True))
    signer = fingerprint(public_key)
    if until is not None and str(statement.get("done_at", "~")) > time_text(until):
        raise OperatorError(
            f"{file} is dated after {time_text(until)}, when its key was renewed: do not trust it"
        )
    if key is None:
        print(f"the receipt is unchanged, but its key is not verified; fingerprint: {signer}")
        print(
            "anyone can sign a receipt: ask the signer for the fingerprint (`regulars call "
            "get-signing-key`) and pass it with --key"
        )
        return 2
    if _make_fingerprint(key) != signer:
        raise OperatorError(
            f"{file} is unchanged, but signed with another key than --key; fingerprint: {signer}"
        )
    print("the receipt is valid: unchanged and signed with the given key")
    return 0


def _read_receipt(
    file: Path, kinds: Sequence[str] = (RECEIPT, RECEIPT_OF_TENANT)
) -> tuple[dict[str, Any], bytes]:
    """Read a receipt; return its statement and its signer's key. Raises DamagedFile."""
    try:
        statement, signer = signing.parse_statement(file.read_bytes(), "")
        if statement.get("kind") not in kinds:
            raise InvalidInput(f"its kind is {str(statement.get('kind'))[:60]!r}, not {RECEIPT!r}")
    except InvalidInput as error:
        raise DamagedFile(f"{file} is not a valid receipt of an erasure: {error}") from error
    return statement, signer


def _make_fingerprint(text: str) -> str:
    is_fingerprint = len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")
    return text.lower() if is_fingerprint else fingerprint(signing.public_key_from(text))


@click.group(no_args_is_help=False, short_help="Withdraw a person's consent.")
def consent() -> None:
    """Withdraw a person's consent (GDPR, Article 7(3); docs/tasks/consent.md).

    \b
    Examples:
      regulars consent withdraw --tenant shop-12 --face 21
    """


@consent.command(short_help="Withdraw a consent and restrict the person.")
@_face
@click.option(
    "--erase/--later",
    "erases",
    default=None,
    help="Erase the person now, or later; do not ask.",
)
@click.option(
    "--remember",
    type=click.Choice([str(basis) for basis in Basis]),
    help="Keep the template on this ground, as the person asks to be recognised and ignored.",
)
@click.option("--evidence", default="", help="Evidence of that request, such as where a letter is.")
@of_tenant
def withdraw(
    services: Services,
    tenant: Tenant,
    *,
    face: str,
    erases: bool | None,
    remember: str | None,
    evidence: str,
) -> None:
    """Withdraw a consent and restrict the person: from now on the face is no longer matched, named,
    updated or reported.

    Asks whether to erase the person now; otherwise the sweep does so after the tenant's ended_days.
    With --remember, the template stays for remembered_days.

    \b
    Examples:
      regulars consent withdraw --tenant shop-12 --face 21
      regulars consent withdraw --tenant shop-12 --face 21 --erase
      regulars consent withdraw --tenant shop-12 --face 21 --remember consent --evidence "letter 7"
    """
    wish = services.consents.make_wish(remember, evidence)
    if wish is not None and erases:
        raise click.UsageError("--remember and --erase exclude each other")
    present_faces = services.faces.by_id(tenant, [face], restricted=True)
    # the same command was cut off
    if erases and not present_faces and go_on_with_erasure(services, tenant, face, None):
        return
    person = services.faces.find_person(tenant, face)
    restriction = present_faces[face].restriction
    if wish is not None or restriction is None or restriction.ended is not Ending.WITHDRAWN:
        services.consents.withdraw_consent(tenant, face, wish=wish)
    print(
        f"the consent of {face} is withdrawn; the person is restricted and no longer matched or "
        "named.",
        flush=True,
    )
    _print_outlook(services, tenant, face)
    print(
        f"{say_missed()}\n{say_after_erasure(tenant)}",
        flush=True,
    )
    if erases is None and wish is None:
        erases = sys.stdin.isatty() and ask_yes_or_no("Erase this person now?")
    if erases:
        _erase_faces(services, tenant, person.faces, None, lambda _: True)
        return
    print(f"to erase the person now: regulars erase --tenant {tenant.name} --face {face}")


def _print_outlook(services: Services, tenant: Tenant, faceid: str) -> None:
    """Print what happens to the data after the consent ended, and when."""
    for face in services.faces.by_id(tenant, [faceid], restricted=True).values():
        outlook = find_outlook(tenant, face)
        print(
            say_outlook(outlook)
            if outlook
            else "Nothing is deleted: the face is on hold or restricted."
        )


@click.command(short_help="List and delete expired data.")
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="NAME",
    help="Only this tenant; repeatable.  [default: all]",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Include unusually large deletions, after checking the clock and retention days.",
)
@ask_before_deed
@with_services
def retention(
    services: Services,
    tenants: tuple[str, ...],
    *,
    everything: bool,
    confirm: Callable[[str], bool],
) -> None:
    """List expired data and delete it as the sweep does (docs/tenants.md).

    If more than a fifth of a kind would go at once, it is kept for another week unless you pass
    --all.

    \b
    Examples:
      regulars retention --dry-run
      regulars retention --dry-run --tenant shop-12 --stage prod
      regulars retention --tenant shop-12
    """
    shown: list[str] = []

    def show(tenant: Tenant) -> None:
        print(f"{tenant.name}:")
        heading = ["KIND", "GROUP", "DAYS", "NOW", "IN 7 DAYS", "OLDEST"]
        plans = services.erasure.retention.plan(tenant)
        for line in align_rows([heading, *map(_list_plan_cells, plans)]):
            print(line)
        for kind, withheld in (
            {} if everything else services.erasure.retention.list_waiting(tenant).items()
        ):
            print(f"{kind}: {withheld.number} kept until {withheld.goes_at:%Y-%m-%d} without --all")
        shown.append(tenant.name)

    def sweep(tenant: Tenant) -> None:
        services.erasure.retention.sweep_tenant(
            tenant, swept_kinds=tuple(Kind), is_confirmed=everything
        )
        waits = services.erasure.retention.read_withheld(tenant)
        print(f"{tenant.name}: expired data deleted{', except what needs --all' if waits else ''}")

    left = do_in_each(services, list_shops(services, tenants), "not checked", show)
    if shown and confirm("Delete the data under NOW?"):
        left = do_in_each(services, shown, "not deleted", sweep, left.left)
    left.require_all()


def _list_plan_cells(plan: Planned) -> list[str]:
    days = "any" if plan.days is None else str(plan.days)
    oldest = f"{plan.oldest:%Y-%m-%d}" if plan.oldest else "-"
    kind, soon = plan.kind.replace("_", " "), f"{plan.soon}{'+' if plan.more else ''}"
    return [kind, plan.group or "", days, str(plan.now), soon, oldest]


@click.group(no_args_is_help=False, short_help="Print the record of processing.")
def privacy() -> None:
    """Print documents that a controller is required to have.

    \b
    Examples:
      regulars privacy record --tenant shop-12 > record.md
    """


@privacy.command(short_help="Print the record of processing (GDPR, Article 30).")
@of_tenant
def record(services: Services, tenant: Tenant) -> None:
    """Print the record of processing (GDPR, Article 30) in Markdown, filled in from the tenant's
    settings. Complete the parts in brackets.

    \b
    Examples:
      regulars privacy record --tenant shop-12 > record.md
      regulars privacy record --tenant shop-12 --stage prod
    """
    from chalicelib.privacy.notices import write_record
    from regulars.protection import list_protection_measures

    print(
        write_record(
            services.notices.read_facts(tenant), list_protection_measures(services, tenant)
        ),
        end="",
    )
