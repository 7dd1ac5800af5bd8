"""Commands that run and maintain one box: serve, folder, doctor, redrive, config."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from chalicelib.api import dialects
from chalicelib.api.v1.filters import require_named
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.items import camera_ids
from regulars.errors import CopiedFolder
from regulars.options import (
    PATH,
    SERVICE_URL,
    ask_yes_or_no,
    choose_settings,
    data_option,
    models_option,
    open_services_of,
    read_configuration,
    serve_options,
    with_services,
)
from regulars.shops import do_in_each, list_shops

_LOOPBACK = "127.0.0.1"
"""Default address of a trial, whatever the settings say: an old backup still accepts members and
keys that were removed since."""


@click.command(short_help="Serve a data folder over HTTP.")
@data_option
@models_option
@serve_options
@click.option(
    "--trial",
    is_flag=True,
    help="Try out a backup: send no events or mail, run no scheduled jobs, contact no witness.",
)
@click.option("--with-caller", is_flag=True, hidden=True)
def serve(*, trial: bool, with_caller: bool, **options: Any) -> None:
    """Serve a data folder over HTTP or HTTPS until Ctrl-C.

    Logs one line per request to stderr.

    Use --trial to serve a restored backup next to the live service. A trial answers requests and
    resolves pictures, but contacts no hooks, mail, push or witness, and runs no scheduled jobs.
    The console shows that it is a trial. Without --host, only this machine can reach it.

    \b
    Examples:
      regulars serve
      regulars serve --trial --data tried --port 0
      regulars serve --host 0.0.0.0 --port 80 --data /srv/regulars
      regulars serve --host 0.0.0.0 --port 443 --tls-cert chain.pem --tls-key key.pem
      regulars serve --config /etc/regulars/regulars.toml
    """
    if trial and options["host"] is None:
        options["host"] = _LOOPBACK
    configuration = replace(read_configuration(**options), is_trial=trial)
    settings, serving = configuration.settings, configuration.serving
    from chalicelib.book.vision.packs import packs
    from regulars import folder
    from regulars.serve import server
    from regulars.serve.service import stop_with_caller
    from regulars.serve.tls import Certificate

    tls = (
        Certificate(serving.tls_cert, serving.tls_key)
        if serving.tls_cert and serving.tls_key
        else None
    )
    # fail before the tenants of a new folder get the model of a missing pack
    packs.find(settings.models, settings.pack)
    assert isinstance(settings.storage, Path)  # noqa: S101 -- it is of one box
    data = folder.prepare_folder(settings.storage)
    if with_caller:
        stop_with_caller()
    try:
        server.serve(configuration, data, tls=tls)
    except CopiedFolder as error:
        if not sys.stdin.isatty():
            raise
        _settle_place(data, error)
        server.serve(configuration, data, tls=tls)


def _settle_place(data: Path, doubt: CopiedFolder) -> None:
    """Ask whether the folder was moved or copied, and apply the answer.

    Raises the doubt again if the answer is neither.
    """
    print(doubt, file=sys.stderr)
    answer = input("Was the folder moved or copied? [moved/copied] ").strip().lower()
    if answer not in ("moved", "copied"):
        raise doubt
    (_note_moved if answer == "moved" else _make_copy_a_box)(data)


def _note_moved(data: Path) -> None:
    from regulars import folder, place

    folder.require_data(data)
    with folder.hold_folder(data):
        place.note_place(data)
    print(f"{data} was moved: `regulars serve` serves it from here from now on", file=sys.stderr)


COPIED = "regulars folder"
"""Audit act of each tenant of a copied folder, also if `serve` asked about it."""


def _make_copy_a_box(data: Path) -> None:
    """Make a copied data folder an independent box with new keys and disabled hooks.

    Prints the new secrets of each tenant as a line of JSON. Can be repeated after an interruption.
    Raises UnusableFolder, FolderInUse.
    """
    from chalicelib.storage.box.uploads import renew_signing_secret
    from regulars import folder, place
    from regulars.backup.new_secrets import renew_tenant_secrets

    folder.require_data(data)
    with folder.hold_folder(data), open_services_of(data, None) as services:
        for tenant in services.tenants.list_all():
            with audit_events.begin_audit_event(
                AuditEvent(COPIED, "operator", kind_of(COPIED), tenant=tenant.name)
            ):
                print(place.part_book(services, tenant), file=sys.stderr)
                print(json.dumps(renew_tenant_secrets(services, tenant)), flush=True)
        services.storage.begin_life()
        renew_signing_secret(data)
        place.note_place(data)  # last, so that an interrupted copy is asked about again
    print(
        f"{data} is now an independent box: give its clients and cameras the new keys above",
        file=sys.stderr,
    )


@click.command(short_help="Declare a data folder moved or copied.")
@click.argument("what", type=click.Choice(["moved", "copied"]))
@data_option
def folder(what: str, data: Path | None) -> None:
    """Declare whether a data folder that `serve` does not recognise was moved or copied.

    moved: this is the folder that was served before, and the old location is no longer used.

    copied: make it an independent box. People, pictures, visits and settings stay. Each tenant's
    book gets a new ID and signing key. All keys, including those of cameras, are replaced and
    printed. Hooks are disabled; sessions and invitations end.

    \b
    Examples:
      regulars folder moved --data /srv/regulars
      regulars folder copied --data /srv/branch
    """
    (_note_moved if what == "moved" else _make_copy_a_box)(_find_folder(data))


def _find_folder(data: Path | None) -> Path:
    storage = choose_settings(data=data, here=True).storage
    assert isinstance(storage, Path)  # noqa: S101 -- it is of one box
    return storage


@click.command(short_help="Diagnose this machine and suggest fixes.")
@data_option
@click.option(
    "--dialect",
    type=click.Choice(dialects.NAMES),
    help="Instead, call the service at --url as a client of this dialect would.",
)
@click.option(
    "--url",
    type=SERVICE_URL,
    metavar="URL",
    default="http://127.0.0.1:8000",
    help="With --dialect: URL of the service, as configured in that client.",
)
@click.option(
    "--keys",
    type=PATH,
    metavar="FILE",
    help="With --dialect: file of the client's keys, one `name: value` per line.",
)
@click.option(
    "--reach",
    is_flag=True,
    help="Instead, send a test to everything the service talks to: phones, mail, hooks, cameras.",
)
@click.option(
    "--yes", is_flag=True, help="With --reach: send tests to people and hooks without asking."
)
@click.option("--stage", help="With --reach: test a stage in AWS instead of this box.")
def doctor(
    *,
    dialect: str | None,
    url: str,
    keys: Path | None,
    reach: bool,
    yes: bool,
    stage: str | None,
    **options: Any,
) -> int:
    """Diagnose this machine and suggest fixes: settings, folder, disk, clock, ports, TLS, models,
    cameras and hooks.

    Reads the same settings as `serve` and changes nothing; the service need not be running. Exits
    with 1 if any line says `failed`, otherwise with 0, also if there are warnings.

    With --reach, real tests are sent: to the witness, and to the service as cameras would. Before
    it sends anything to phones, channels, hooks and mail, it lists the recipients and asks; without
    a terminal, pass --yes. Lines marked `unasked` name what is not set up or was not tested.

    \b
    Examples:
      regulars doctor
      regulars doctor --config /etc/regulars/regulars.toml
      regulars doctor --dialect DIALECT --url http://box:8000 --keys client.keys
      regulars doctor --reach --stage prod
    """
    from regulars.doctor import clients, doctor
    from regulars.findings import print_findings

    if dialect is not None:
        return print_findings(clients.check_client_calls(dialect, url, clients.read_keys(keys)))
    if reach:
        from regulars.doctor.reach.reach import check_box, check_stage

        agree = _agree_to_all if yes else _ask_to_send
        if stage is not None:
            return print_findings(check_stage(stage, agree))
        return print_findings(check_box(read_configuration(**options), agree))
    if stage is not None or yes:
        raise click.UsageError("--stage and --yes require --reach")
    return print_findings(doctor.check_all(lambda: read_configuration(**options)))


def _agree_to_all(_tests: Sequence[str]) -> bool:
    return True


def _ask_to_send(tests: Sequence[str]) -> bool:
    """List the tests to send with their recipients and ask; return False without a terminal."""
    if not sys.stdin.isatty():
        return False
    print(*(f"to send: {test}" for test in tests), sep="\n", flush=True)
    return ask_yes_or_no(f"Send {len(tests)} tests now?")


@click.command(short_help="Retry parked captures.")
@click.option(
    "--tenant", metavar="NAME", help="Retry captures of this tenant only.  [default: all]"
)
@click.option("--camera", metavar="ID", help="Retry captures of this camera only.  [default: all]")
@with_services
def redrive(services: Services, tenant: str | None, camera: str | None) -> None:
    """Put parked captures back into the queue once their cause is fixed.

    `regulars call list-captures --state parked` lists them with reasons. A running service resolves
    them.

    \b
    Examples:
      regulars redrive
      regulars redrive --tenant shop-12 --camera door --stage prod
    """
    sent: list[int] = []
    lacking: list[Tenant] = []
    known: list[str] = []

    def send(owner: Tenant) -> None:
        captures = list(services.captures.redrive.list_parked(owner, camera))
        is_known = captures or camera is None or camera in camera_ids(services.items, owner.name)
        known.extend([owner.name] if is_known else [])
        lacking.append(owner)
        sent.extend(services.captures.redrive.redrive(owner, [one]) for one in captures)

    shops = list_shops(services, [tenant] if tenant else [])
    left = do_in_each(services, shops, "not read", send)
    for owner in [] if known else lacking[:1]:
        require_named(services, owner, camera=camera)
    print(f"{sum(sent)} captures queued again")
    left.require_all()


@click.command(short_help="Print all settings and where each comes from.")
@data_option
def config(**options: Any) -> None:
    """Print all settings of a box in the format of regulars.toml, with the source of each that is
    set.

    \b
    Examples:
      regulars config
      REGULARS_PORT=443 regulars config > regulars.toml
    """
    for line in read_configuration(**options).write_lines():
        print(line)
