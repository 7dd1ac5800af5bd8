"""The commands `backup`, `restore` and `compare`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import RegularsError
from chalicelib.settings import Settings
from chalicelib.storage.box.blobs import BACKUP
from chalicelib.storage.ports import OtherKey
from chalicelib.witness import BackupFolders
from regulars import folder
from regulars.backup.owed import Owed, Questions, Step, hold_restore, note_owed, read_owed
from regulars.errors import OperatorError
from regulars.options import (
    MOMENT,
    PATH,
    choose_settings,
    open_services,
    storage_options,
)
from regulars.shops import describe_failure

if TYPE_CHECKING:
    from regulars_client.archive import Manifest

    from chalicelib.services import Services

    Build = Callable[[Settings], Services]


@click.command(short_help="Back up a data folder or a stage to one file.")
@click.argument("to", type=PATH, metavar="FILE|DIR")
@click.option(
    "--at", type=MOMENT, help="AWS: state of the tables at this time (UTC), up to 35 days ago."
)
@storage_options
def backup(to: Path, data: Path | None, stage: str | None, at: datetime | None) -> None:
    """Back up records, pictures, captures and credentials to one file. The service can keep
    running.

    FILE must not exist. For a folder DIR, the file is named after the time. Next to the file, the
    folder `receipts` gets the receipts of erasures and the access register (the valid keys,
    members, hooks, settings and consents), so that `restore` does not bring back anything that has
    ended. The folder `closed` gets the signed figures of closed days, weeks and months. If the
    service can write there, it keeps both folders up to date.

    \b
    Examples:
      regulars backup /mnt/backups
      regulars backup monday.tar --data /srv/regulars
      regulars backup before.tar --stage prod --at 2026-11-20T09:00:00
    """
    write_backup(choose_settings(data=data, stage=stage), to, at)


def write_backup(settings: Settings, to: Path, at: datetime | None = None) -> None:
    """Write the storage of the settings into one file, as `backup` does."""
    from regulars.backup import backup, receipts

    if isinstance(settings.storage, Path) and to.resolve().is_relative_to(
        settings.storage.resolve()
    ):
        raise OperatorError(
            f"{to} is in the data folder and would be lost with it: choose a file elsewhere"
        )
    with closing(open_services(settings)) as services:
        enter_backup(services)
    path = backup.backup(settings, to, at and at.replace(tzinfo=UTC))
    lacking: Exception | None = None
    with closing(open_services(settings)) as services:
        try:
            receipts.write_beside(services, path.resolve().parent)
        except (OSError, RegularsError) as error:
            lacking = error  # the file is whole, whatever a full disk or a busy book stops
    if isinstance(settings.storage, Path):
        BackupFolders(settings.storage).add(path.resolve().parent)
    print(
        f"{path}  {path.stat().st_size:,} bytes; it holds pictures, templates and keys: keep it "
        "secure"
    )
    if lacking is not None:
        raise OperatorError(
            f"the backup is complete, but the receipts beside it are not: {lacking}"
        ) from lacking


def enter_backup(services: Services) -> None:
    """Enter the backup in each tenant's audit.

    A full disk or a busy book must not stop the backup, so failures are only printed.
    """
    for tenant in services.tenants.list_all():
        try:
            services.access.standing.begin_backup(tenant)
            services.audit.reads.write_export_entry(tenant.name)
        except Exception as error:
            lacking = f"the audit of {tenant.name} has no entry of this backup"
            print(f"regulars: {lacking}: {describe_failure(error, lacking)}", file=sys.stderr)


@click.command(short_help="Restore a backup to a new data folder or stage.")
@click.argument("file", type=PATH, required=False)
@click.option(
    "--receipts",
    "places",
    multiple=True,
    metavar="PLACE",
    help="Folder, file or s3://BUCKET/PREFIX with further receipts, in addition to those beside "
    "FILE and at the witness; repeatable.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="FINGERPRINT",
    help="Fingerprint of a further accepted signing key, if a tenant has renewed its key since; "
    "repeatable.",
)
@click.option(
    "--new-secrets",
    is_flag=True,
    help="Replace all keys and print the new ones: if the backup may have leaked, or the KMS key "
    "or vault_key_file is missing.",
)
@click.option(
    "--finish",
    is_flag=True,
    help="Finish an interrupted restore; with --new-secrets, replace the keys of any folder.",
)
@click.option(
    "--preview",
    "is_preview",
    is_flag=True,
    help="Print what a restore would bring back, and change nothing. FILE defaults to the newest "
    "backup of the folder.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask: apply the latest settings, and restore even if it is unknown what ended "
    "since the backup.",
)
@storage_options
def restore(
    file: Path | None,
    *,
    places: tuple[str, ...],
    keys: tuple[str, ...],
    new_secrets: bool,
    finish: bool,
    is_preview: bool,
    yes: bool,
    data: Path | None,
    stage: str | None,
) -> None:
    """Restore a backup to an empty data folder: completely, or not at all if it fails.

    With --stage, restore to a new stage, whose functions are stopped meanwhile.

    A restore does not bring back anything that has ended since the backup: erasures, withdrawn
    consents, holds, restrictions, and the removal of keys, members, hooks and cameras are applied
    again, from the receipts beside FILE, at the witness and in --receipts. If such a file cannot be
    verified, nothing is restored and the file is named. A face that was deleted but not erased
    comes back. Days, weeks and months closed since are closed again with the signed figures.

    Sessions, invitations and codes always end. Settings that changed since are listed and applied;
    on a terminal, the command asks first. The folder cannot be served until the restore is done. If
    it is interrupted, finish it with --finish.

    \b
    Examples:
      regulars restore monday.tar --data /srv/regulars
      regulars restore --finish --data /srv/regulars
      regulars restore --preview --data /srv/regulars
      regulars restore monday.tar --stage prod2 --new-secrets
    """
    if finish and is_preview:
        raise click.UsageError("--finish and --preview exclude each other")
    told = Told(places, keys, new_secrets=new_secrets)
    settings = choose_settings(data=data, stage=stage)
    questions = _choose_questions(is_agreed=yes)
    if is_preview:
        lines = _preview(settings, file, told)
    elif finish:
        lines = _finish(settings, file, told, questions)
    elif file is None:
        raise click.UsageError("FILE, the backup, is required without --finish or --preview")
    elif isinstance(settings.storage, Path):
        lines = restore_box(settings, settings.storage, file, told, questions)
    else:
        lines = _restore_stage(settings, stage, file, told, questions)
    for line in lines:
        print(line, flush=True)


class Told(Struct, frozen=True):
    """Options of a restore."""

    places: tuple[str, ...]
    keys: tuple[str, ...]
    new_secrets: bool

    def add_to(self, owed: Owed) -> Owed:
        """Return a list of what is owed with what is told now.

        Further places and keys are looked at also by steps that are done.
        """
        told = replace(
            owed,
            places=tuple(dict.fromkeys([*owed.places, *map(_make_absolute, self.places)])),
            keys=tuple(dict.fromkeys([*owed.keys, *self.keys])),
        )
        if told != owed:
            told = told.add(Step.ACCESSES, Step.SETTINGS, Step.CLOSINGS, Step.ERASURES)
        return told.add(Step.SECRETS) if self.new_secrets else told

    def replace_file(self, owed: Owed, file: Path | None) -> Owed:
        """Return a list with another place of the backup, such as that of a disk which is mounted
        elsewhere now."""
        if file is None:
            return owed
        before, now = str(Path(owed.file).parent), str(file.absolute().parent)
        places = tuple(now if place == before else place for place in owed.places)
        return replace(owed, file=str(file.absolute()), places=places)


def _make_absolute(place: str) -> str:
    """Return a place that means the same from any folder. A bucket is a URL."""
    return place if "://" in place else str(Path(place).absolute())


def ask_settings(question: str) -> bool:
    """Ask on the terminal whether settings are to be as they were last.

    Only `n` leaves them as in the backup.
    """
    return input(f"{question} [Y/n] ").strip().lower() not in ("n", "no")


def ask_to_go_on(question: str) -> bool:
    """Ask on the terminal. Only `y` agrees."""
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _choose_questions(*, is_agreed: bool) -> Questions:
    """Return what asks on the terminal, if there is one. `is_agreed`: as `--yes` says it; a receipt
    is left out by an answer alone."""
    if not sys.stdin.isatty():
        return Questions()
    if is_agreed:
        return Questions(ask_to_leave=ask_to_go_on)
    return Questions(ask_settings, ask_to_go_on, ask_to_go_on)


def _plan(settings: Settings, file: Path, told: Told, backed_up_at: datetime) -> Owed:
    """Return what a restore of a backup has to do."""
    left = tuple(step for step in Step if step is not Step.SECRETS)
    witness = [_make_absolute(settings.witness)] if settings.witness else []
    places = (str(file.absolute().parent), *witness)
    return told.add_to(Owed(str(file.absolute()), backed_up_at, left, places))


def restore_box(
    settings: Settings,
    data: Path,
    file: Path,
    told: Told,
    questions: Questions,
    build: Build | None = None,
) -> Iterator[str]:
    """Restore a box's backup; yield lines that say what was done, and what nobody knows.

    `build`: makes the services that do again what ended; None: as a service makes them.
    """
    from regulars.backup import backup

    with backup.hold_empty_folder(data):
        manifest = backup.check_box_file(file)
        owed = _plan(settings, file, told, manifest.created_at)
        look_ahead = partial(_look_ahead, settings, data, questions)
        left = backup.fill_folder(data, file, owed, look_ahead)
        yield _say_copied(manifest, data)
        yield from _end(settings, left, questions, build)


def _restore_stage(
    settings: Settings, stage: str | None, file: Path, told: Told, questions: Questions
) -> Iterator[str]:
    """Fill a new stage with a backup; yield lines that say what was done, and what nobody knows."""
    from regulars.backup import backup
    from regulars.deploy.stage import stop_functions

    yield (
        "do not interrupt this: the stage's functions would stay stopped, and you would have to "
        "delete the stage and start with another"
    )
    with ExitStack() as block:
        manifest = backup.restore(
            settings, file, lambda: block.enter_context(stop_functions(stage))
        )
        yield _say_copied(manifest, stage)
        owed = _plan(settings, file, told, manifest.created_at)
        yield from _end(settings, owed.strike(Step.FILES), questions)


def _say_copied(manifest: Manifest, where: object) -> str:
    return (
        f"{len(manifest.entries):,} files of {manifest.created_at.isoformat()} are copied to "
        f"{where}, which nobody serves before what ended since has ended again"
    )


def _look_ahead(settings: Settings, data: Path, questions: Questions, owed: Owed) -> Owed:
    """Say before anything is copied of which tenants nobody knows what ended since the backup, and
    ask whether to restore all the same. Return the list with what is known.

    Raises OperatorError if that is refused; InvalidInput or DamagedFile if a document or a receipt
    cannot be relied on.
    """
    from regulars.backup.restoring import note_known, open_records, read_evidence, say_before

    renewing = _let_renew(settings, owed)
    with open_records(renewing, Path(owed.file), data.absolute() / BACKUP) as services:
        known = note_known(services, owed, read_evidence(services, owed))
        lines = list(say_before(services, known, f"--data {quote(str(data))}"))
    if not lines or Step.SECRETS in owed.left:
        return known
    for line in lines:
        print(line)
    print("all of these will be valid again, unless --new-secrets replaces all keys", flush=True)
    if not questions.ask_to_restore("Restore anyway?"):
        raise OperatorError("cancelled; nothing was restored")
    return known


def _finish(
    settings: Settings, file: Path | None, told: Told, questions: Questions
) -> Iterator[str]:
    """End a restore that was cut off, and yield lines that say what was done, and what nobody
    knows.

    A folder that came back in another way, as from a disk's snapshot, has no list of what is left:
    it is treated as a backup of the time of its last act. Raises OperatorError.
    """
    data = settings.storage
    if not isinstance(data, Path):
        raise OperatorError(
            "--finish works on a data folder only: delete the stage and restore into a new one"
        )
    if not data.is_dir():
        raise OperatorError(f"there is no folder {data}: pass the folder to finish with --data")
    if folder.find_server(data) is not None:
        raise OperatorError(f"{data} is served: stop its service first")
    with hold_restore(data):
        noted = read_owed(data)
        if noted is None:
            owed = _find_owed_by_snapshot(settings, data, told)
        else:
            owed = told.replace_file(told.add_to(noted), file)
        if Step.FILES in owed.left:
            owed = _copy_again(settings, data, owed, questions)
            yield f"the files of {owed.file} are copied to {data}"
        yield from _end(settings, owed, questions)


def _copy_again(settings: Settings, data: Path, owed: Owed, questions: Questions) -> Owed:
    """Copy the files of a restore that was cut off before they were copied; return what is left."""
    from regulars.backup import backup

    manifest = backup.check_box_file(Path(owed.file))
    if manifest.created_at != owed.backed_up_at:
        raise OperatorError(
            f"{owed.file} is of {manifest.created_at.isoformat()}, but the restore was started "
            f"with a backup of {owed.backed_up_at.isoformat()}: pass that one"
        )
    backup.clear_folder(data)
    looked_at = _look_ahead(settings, data, questions, owed)
    note_owed(data, looked_at)
    return backup.copy_files(data, Path(owed.file), looked_at)


def _find_owed_by_snapshot(settings: Settings, data: Path, told: Told) -> Owed:
    """Return what is owed by a folder without a list. Raises OperatorError if that is nothing."""
    from chalicelib import bootstrap
    from regulars.backup.restoring import find_owed_by_snapshot

    witness = [_make_absolute(settings.witness)] if settings.witness else []
    noted_folders = [str(path) for path in BackupFolders(data).list_mounted()]
    left = tuple(step for step in Step if step not in (Step.FILES, Step.SECRETS))
    places = (*noted_folders, *witness)
    asked = told.add_to(Owed("", datetime.fromtimestamp(0, UTC), left, places))
    folder.require_copied(data)
    with closing(bootstrap.build(_let_renew(settings, asked))) as services:
        owed = find_owed_by_snapshot(services, asked)
    if owed is None:
        looked_at = ", ".join(asked.places) or "none: neither a witness nor a backup is known"
        raise OperatorError(
            f"nothing is left to do in {data}: it has no interrupted restore, and nothing has "
            f"ended since its last change (checked: {looked_at})"
        )
    return owed


def _end(
    settings: Settings, owed: Owed, questions: Questions, build: Build | None = None
) -> Iterator[str]:
    """Do what is left once the files are copied, and yield lines about it."""
    from chalicelib import bootstrap
    from regulars.backup.restoring import end_restore

    with closing((build or bootstrap.build)(_let_renew(settings, owed))) as services:
        try:
            yield from end_restore(services, owed, questions)
        except BaseException:
            if isinstance(settings.storage, Path):
                print(
                    f"{settings.storage} is not served yet: `regulars restore --finish --data "
                    f"{quote(str(settings.storage))}` goes on, once what follows is mended",
                    file=sys.stderr,
                )
            raise
    yield (
        f"{settings.storage} is as it was on {owed.backed_up_at.isoformat()}, but for what ended "
        "since"
    )


def _let_renew(settings: Settings, owed: Owed) -> Settings:
    """Let a restore that makes all secrets anew take another key of the vault."""
    is_due = Step.SECRETS in owed.left
    return replace(settings, other_key=OtherKey.RENEWED) if is_due else settings


def _preview(settings: Settings, file: Path | None, told: Told) -> Iterator[str]:
    """Yield lines that say what a restore would give back now."""
    from regulars.backup.compare import compare_places
    from regulars.backup.preview import find_newest_backup

    data = settings.storage
    if not isinstance(data, Path):
        raise OperatorError("--preview works on backups of a box only")
    places = [file or find_newest_backup(settings, data)]
    if folder.has_database(data):
        places.append(data)
    else:
        yield f"{data} holds no book yet: a restore would bring back all of this"
    plan = partial(_plan_restore, settings, told)
    yield from compare_places(settings, places, plan, is_strict=True)


def _plan_restore(settings: Settings, told: Told, file: Path) -> Owed:
    """Return what a restore of a checked backup of a box has to do."""
    from regulars.backup import backup

    return _plan(settings, file, told, backup.check_box_file(file).created_at)


@click.command(short_help="Compare copies of a book.")
@click.argument("places", nargs=-1, required=True, type=PATH, metavar="PLACE...")
def compare(places: tuple[Path, ...]) -> None:
    """Compare copies of a book: which one is newest, and what each older one would bring back in
    people, keys, members, hooks, cameras and consents.

    PLACE is a data folder, a database file, a backup of a box, or a signed file of the folders
    `receipts` and `closed`. Nothing is changed.

    \b
    Examples:
      regulars compare shop backups/monday.tar
      regulars compare shop/regulars.sqlite copy/regulars.sqlite
    """
    from regulars.backup.compare import compare_places

    settings = choose_settings(here=True)
    told = Told((), (), new_secrets=False)
    for line in compare_places(settings, places, partial(_plan_restore, settings, told)):
        print(line)
