"""The command lines of `regulars import` and `regulars export`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from msgspec import Struct
from regulars_client.errors import OperatorError

if TYPE_CHECKING:
    from regulars_client import Regulars

    from regulars_transfer.importing import Fate, Import, Rehearsal
    from regulars_transfer.sources import Source

_Import = TypeVar("_Import", bound="Import")

_PATH = click.Path(path_type=Path)


@contextmanager
def _open_tenant(
    url: str | None, key_file: Path | None, data: Path | None, tenant: str | None
) -> Iterator[Regulars]:
    """Yield the client of a tenant: by a URL and a key, or in a data folder, which `regulars`
    serves while the block lasts.

    Raises OperatorError, also for what the client raises within the block.
    """
    from regulars_client import RegularsError, commands

    try:
        if data is None:
            if tenant is not None:
                raise click.UsageError("a key belongs to one tenant: --tenant goes with --data")
            with commands.open_service(url, key_file) as service:
                yield service
            return
        if url is not None or key_file is not None:
            raise click.UsageError(
                "a tenant is reached by --url and a key, or in a folder by --data, not by both"
            )
        # of regulars/cli.py
        serve_folder: Callable[..., AbstractContextManager[Regulars]]
        serve_folder = click.get_current_context().find_root().obj
        with serve_folder(data, tenant) as service:
            yield service
    except RegularsError as error:
        raise OperatorError(str(error)) from error


def _with_access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a tenant, and pass it `access`, which opens it, in place
    of them."""

    @click.option(
        "--url", help="URL of the service.  [default: $REGULARS_URL, or http://127.0.0.1:8000]"
    )
    @click.option(
        "--key-file",
        type=_PATH,
        help="File with the tenant's key.  [default: $REGULARS_API_KEY]",
    )
    @click.option(
        "--data",
        type=_PATH,
        help="Instead of --url and a key: data folder that is not being served.",
    )
    @click.option(
        "--tenant", metavar="NAME", help="Tenant of the data folder.  [default: its first]"
    )
    @wraps(command)
    def run(
        *,
        url: str | None,
        key_file: Path | None,
        data: Path | None,
        tenant: str | None,
        **others: Any,
    ) -> Any:
        return command(access=_open_tenant(url, key_file, data, tenant), **others)

    return run


class ImportOptions(Struct, frozen=True):
    """The source, the rules by which its people come in, and the report, as the options say."""

    source: str
    service: str | None
    from_key_file: Path | None
    collection: str | None
    group: str | None
    if_known: Literal["enrol", "refuse"]
    if_erased: Literal["enrol", "refuse"]
    trust: bool
    rules: bool
    dry_run: bool
    report: Path | None

    @property
    def report_file(self) -> Path:
        """The file of refused pictures: beside the source, if no option names one."""
        return self.report or self._name_beside_source("refused.csv")

    def _name_beside_source(self, ending: str) -> Path:
        """Name a file by the source; if that is a URL, in the working folder."""
        is_url = "://" in self.source
        base = Path(re.sub(r"[^\w.-]+", "-", self.source.strip("/")) if is_url else self.source)
        if base.name in ("", ".."):  # `.` and `..` have no name of their own
            base = base.resolve()
        return base.parent / f"{base.name}.{ending}"

    def require_report_folder(self) -> None:
        """Raise OperatorError if the file of refused pictures could not be written in the end."""
        if self.report and not self.report.absolute().parent.is_dir():
            raise OperatorError(
                f"there is no folder {self.report.parent} for --report: make it, or name another "
                "file"
            )

    def require_group(self, source: Source) -> None:
        """Raise UsageError if neither the source nor an option names a person's group."""
        if self.group is None and any(person.group is None for person in source.people):
            raise click.UsageError(
                f"{source.about}, does not say the group of everybody: name one with --group"
            )

    def make_import(self, kind: type[_Import], tenant: Regulars) -> _Import:
        """Make an import, or its rehearsal, by the rules that the options choose."""
        return kind(
            service=tenant,
            group=self.group,
            if_known=self.if_known,
            is_vouched_for=self.trust,
            if_erased=self.if_erased,
        )


@click.command("import", short_help="Enrol people from folders, a table or an export.")
@click.argument("source")
@click.option(
    "--from",
    "service",
    type=click.Choice(["compreface", "immich"]),
    help="Type of the service at the URL SOURCE.",
)
@click.option(
    "--from-key-file", type=_PATH, metavar="FILE", help="File with the key of that service."
)
@click.option(
    "--collection",
    metavar="ID",
    help="Rekognition collection with the names for the pictures in S3.",
)
@click.option(
    "--group",
    metavar="NAME",
    help="Group of the people; created if missing. Tables and exports name their groups.",
)
@click.option(
    "--if-known",
    type=click.Choice(["enrol", "refuse"]),
    default="enrol",
    help="What to do with people who are already enrolled.",
)
@click.option(
    "--if-erased",
    type=click.Choice(["enrol", "refuse"]),
    default="refuse",
    help="What to do with people whom receipts of erasures name.",
)
@click.option(
    "--trust", is_flag=True, help="Accept further pictures of a person without comparing them."
)
@click.option("--rules", is_flag=True, help="Import the settings of an export too.")
@click.option("--dry-run", is_flag=True, help="Check every picture and change nothing.")
@click.option(
    "--report",
    type=_PATH,
    metavar="FILE",
    help="CSV file for refused pictures.  [default: next to the source]",
)
@_with_access
def import_(*, access: AbstractContextManager[Regulars], **given: Any) -> int:
    """Enrol the people of SOURCE with up to a hundred pictures each, the best first.

    \b
    SOURCE is one of
      a folder with a folder for each person, or with files NAME_1.jpg, NAME_2.jpg
      the folder of Frigate (with clips/faces) or of Double Take (with .storage/train)
      a table: CSV with the column path, and name, id, group, age, gender, note, label_a to label_d
      the file of an export
      the URL of CompreFace or immich, with --from and --from-key-file
      s3://BUCKET/PREFIX, a folder a person, or with --collection what Rekognition indexed

    Killed at any moment and run again, it goes on; nothing comes twice: the book says who is in
    already. It ends with who has no picture in and why. The exit code is 1 if a picture was
    refused.

    \b
    Examples:
      regulars import people/ --group VIP
      regulars import staff.csv --group Staff --dry-run
      regulars import shop.tar --data regulars-data --tenant shop-12
      regulars import http://compreface.lan:8000 --from compreface --from-key-file key --group Staff
    """
    from regulars_transfer.importing import Import, Rehearsal, print_outcome

    options = ImportOptions(**given)
    options.require_report_folder()
    with (
        open_source(
            options.source, options.service, options.from_key_file, options.collection
        ) as people,
        access as tenant,
    ):
        options.require_group(people)
        if options.dry_run:
            rehearsal = options.make_import(Rehearsal, tenant)
            fates = _rehearse(rehearsal, people)
            code = print_outcome(people, fates, options.report_file, dry_run=True)
            rehearsal.require_room(people, fates)
            return code
        enrolment = options.make_import(Import, tenant)
        fates = _enrol_people(enrolment, people, with_rules=options.rules)
    return print_outcome(people, fates, options.report_file, dry_run=False)


def _rehearse(rehearsal: Rehearsal, source: Source) -> list[Fate]:
    from regulars_transfer.importing import show_progress

    with (
        show_progress(source.photo_count) as advance,
        _tell_if_stopped(lambda: "nothing was changed"),
    ):
        return rehearsal.rehearse(source, advance)


def _enrol_people(import_: Import, source: Source, *, with_rules: bool) -> list[Fate]:
    from regulars_transfer.importing import show_progress

    def say_how_far() -> str:
        return (
            f"{len(import_.people_in):,} of {len(source.people):,} people are in, as far as it "
            "looked; "
            "nothing is lost, and the same command goes on"
        )

    with show_progress(source.photo_count) as advance, _tell_if_stopped(say_how_far):
        return import_.run(source, advance, with_rules=with_rules)


@contextmanager
def _tell_if_stopped(how_far: Callable[[], str]) -> Iterator[None]:
    """Say how far it came if Ctrl-C, or an error that is no refusal, ends it."""
    try:
        yield
    except BaseException:
        print(f"stopped: {how_far()}", file=sys.stderr)
        raise


@click.command(short_help="Export a tenant's people to one file.")
@click.argument("file", type=_PATH)
@click.option(
    "--history",
    is_flag=True,
    help="Include observations and arrivals as CSV, which cannot be imported.",
)
@_with_access
def export(*, access: AbstractContextManager[Regulars], file: Path, history: bool) -> None:
    """Write a tenant's groups, faces with their names, settings and pictures into FILE, a new tar.

    It holds no templates: an import computes them anew, with whatever models are there then.

    \b
    Examples:
      regulars export shop.tar
      regulars export shop.tar --history --data regulars-data --tenant shop-12
    """
    from regulars_transfer import exports, importing

    with access as service, importing.show_progress(None) as advance:
        count = exports.export(service, file, history=history, advance=advance)
    print(
        f"{file}  {count:,} faces, {file.stat().st_size:,} bytes; it holds pictures and names: "
        "keep it safe"
    )
    print("legal holds and restricted faces are not in it: `regulars backup` keeps those")


def open_source(
    source: str,
    service: str | None = None,
    key_file: Path | None = None,
    collection: str | None = None,
) -> AbstractContextManager[Source]:
    """Read the people of a source: a service's URL, a bucket, a folder, the file of an export, or a
    table.

    Raises UsageError if the options do not go with the source, OperatorError if it cannot be read.
    """
    from regulars_client.archive import is_tar

    from regulars_transfer import exports, services, sources

    if (service is None) != (key_file is None) or (service is not None) != source.startswith(
        ("http://", "https://")
    ):
        raise click.UsageError(
            "a service's people are read by its URL, --from and --from-key-file together"
        )
    if collection is not None and not source.startswith("s3://"):
        raise click.UsageError(
            "a collection has no pictures: name those that were indexed, s3://BUCKET/PREFIX"
        )
    if service is not None and key_file is not None:
        return nullcontext(services.read_service(service, source, key_file))
    if source.startswith("s3://"):
        return nullcontext(services.read_bucket(source, collection))
    path = Path(source)
    if path.is_dir():
        return nullcontext(sources.read_folder(path))
    if not path.is_file():
        raise OperatorError(
            f"there is no {path}: name a folder, a table (.csv or .xlsx), or the file of an export"
        )
    return exports.open_export(path) if is_tar(path) else nullcontext(sources.read_table(path))
