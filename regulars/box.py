"""The command lines that run one box and look after what it stores: serve, doctor, redrive.

Their work is in the packages of their names.
"""

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
"""Address of a trial, whatever the settings of the service say: a backup lets in who was removed
since."""


@click.command(short_help="Serve a data folder over HTTP.")
@data_option
@models_option
@serve_options
@click.option(
    "--trial",
    is_flag=True,
    help="Try a backup: send no events and mails, sweep nothing, tell no witness.",
)
@click.option("--with-caller", is_flag=True, hidden=True)
def serve(*, trial: bool, with_caller: bool, **options: Any) -> None:
    """Serve a data folder over HTTP or https, until Ctrl-C.

    The log, a line for each request, goes to stderr.

    With --trial it serves a restored backup beside the service. It answers, and resolves pictures
    that are sent. Hooks, mails, pushes and the witness are told nothing, nothing is done by the
    clock, and the console says so. Without --host only this machine reaches it.

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
    # before a new folder's tenants get the model of a pack that is not here
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
    """Ask what a folder is, and make it so. Raises the doubt again if nobody says it."""
    print(doubt, file=sys.stderr)
    answer = input("moved, or copied? [moved/copied] ").strip().lower()
    if answer not in ("moved", "copied"):
        raise doubt
    (_note_moved if answer == "moved" else _make_copy_a_box)(data)


def _note_moved(data: Path) -> None:
    from regulars import folder, place

    folder.require_data(data)
    with folder.hold_folder(data):
        place.note_place(data)
    print(f"{data} is the folder that was served before, and is served as it is", file=sys.stderr)


COPIED = "regulars folder"
"""The act of a copy that goes on, for each tenant: also of one about which `serve` asked."""


def _make_copy_a_box(data: Path) -> None:
    """Make a copied data folder a box of its own, with new keys and hooks that are off.

    The new secrets of each tenant are printed as a line of JSON. May be repeated if it was cut off.
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
        place.note_place(data)  # last: what was cut off is asked about again
    print(
        f"{data} is a box of its own: give its clients and cameras the new keys above",
        file=sys.stderr,
    )


@click.command(short_help="Say whether a data folder was moved, or copied.")
@click.argument("what", type=click.Choice(["moved", "copied"]))
@data_option
def folder(what: str, data: Path | None) -> None:
    """Say what a data folder is that `serve` does not know.

    moved: it is the one that was served before, and nobody serves the one there. copied: it becomes
    a box of its own, beside the first. People, pictures, visits and settings stay; each tenant's
    book has another id and another signing key, all keys and those of cameras are new and printed,
    hooks are off, sessions and invitations end.

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


@click.command(short_help="Say what stops this box, or will, and what mends it.")
@data_option
@click.option(
    "--dialect",
    type=click.Choice(dialects.NAMES),
    help="Call the service at --url as a client of this dialect does, instead.",
)
@click.option(
    "--url",
    type=SERVICE_URL,
    metavar="URL",
    default="http://127.0.0.1:8000",
    help="As that client has it.",
)
@click.option(
    "--keys", type=PATH, metavar="FILE", help="A line `name: value` for each of its keys."
)
@click.option(
    "--reach",
    is_flag=True,
    help="Send each party that the service speaks with a test, instead: phones, mail, cameras.",
)
@click.option(
    "--yes", is_flag=True, help="With --reach: send to people and others' programs without asking."
)
@click.option("--stage", help="With --reach: a stage in AWS, in place of this box.")
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
    """Check settings, folder, disk, clock, ports, TLS, models, cameras and hooks: a line each, with
    what mends it.

    It reads the settings as `serve` does. The service may run or not; nothing is changed. The exit
    code is 1 if a line says `failed`, and 0 if all is `ok` or there are warnings only.

    With --reach, tests are really sent: to the witness, and to the service as cameras do. It asks
    before it sends to phones, channels, hooks and mail, and says to whom; without a terminal it
    needs --yes. A line `unasked` says what is not set up, or not sent, and so not known.

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
        raise click.UsageError("--stage and --yes go with --reach")
    return print_findings(doctor.check_all(lambda: read_configuration(**options)))


def _agree_to_all(_tests: Sequence[str]) -> bool:
    return True


def _ask_to_send(tests: Sequence[str]) -> bool:
    """Say what would be sent and to whom, and ask; False: nobody can be asked."""
    if not sys.stdin.isatty():
        return False
    print(*(f"to send: {test}" for test in tests), sep="\n", flush=True)
    return ask_yes_or_no(f"Send {len(tests)} now?")


@click.command(short_help="Send parked captures again.")
@click.option("--tenant", metavar="NAME", help="Only captures of this tenant.  [default: all]")
@click.option("--camera", metavar="ID", help="Only captures of this camera.  [default: all]")
@with_services
def redrive(services: Services, tenant: str | None, camera: str | None) -> None:
    """Send the parked captures again, once you have mended the cause.

    `regulars call list-captures --state parked` lists them with the reasons. A running service
    resolves them.

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
    print(f"{sum(sent)} captures are sent again")
    left.require_all()


@click.command(short_help="Print the settings in force, and what set them.")
@data_option
def config(**options: Any) -> None:
    """Print all settings of one box, as regulars.toml has them: those in force with what set them,
    and the rest.

    \b
    Examples:
      regulars config
      REGULARS_PORT=443 regulars config > regulars.toml
    """
    for line in read_configuration(**options).write_lines():
        print(line)
