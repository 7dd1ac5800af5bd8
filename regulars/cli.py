"""The command line `regulars`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import InvalidInput, RegularsError
from chalicelib.core.model import Profile
from chalicelib.settings import SettingError, Settings
from regulars import deploy_command
from regulars.errors import OperatorError

if TYPE_CHECKING:
    from regulars import tenants

DATA = Path("regulars-data")
FAILED, MISUSED = 1, 2
"""Exit codes, as argparse's own."""

_ABOUT = "A visitor book from cameras: who is a regular, who is a stranger."
_QUOTA_HELP = "requests of the iCREDIT dialect a day, 1 or more, or `none` for any number (as a tenant begins)"
_ZONE_HELP = "IANA time zone of its days, quota's and statistics' (default at the start: Asia/Shanghai)"
_MORE = """\
start here:
  regulars demo                     see it work on pictures of yours or ours
  regulars serve                    serve http://127.0.0.1:8000 from ./regulars-data
  regulars tenants add shop-12      a customer of its own; prints its credentials
  regulars deploy --stage prod      the same service in an AWS account

Settings that have no option are read from the environment (REGULARS_*); see docs/operations.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. A mistake of the operator is one line on stderr."""
    arguments = parser().parse_args(argv)
    try:
        code: int | None = arguments.run(arguments)
    except (InvalidInput, SettingError) as error:
        return _complain(error, MISUSED)
    except (OperatorError, RegularsError, OSError) as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return 130
    return code or 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "regulars", description=_ABOUT, epilog=_MORE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_tenants(commands)
    _add_models(commands)
    _add_demo(commands)
    _add_week(commands)
    _add_captures(commands)
    deploy_command.add(commands)
    return top


_Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def _add_serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve", help="serve a data folder over HTTP", description="Serve a data folder over HTTP."
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8000, help="port; 0 picks a free one (default: %(default)s)")
    _add_data(serve)
    _add_model_folder(serve)
    serve.set_defaults(run=_serve)


def _add_tenants(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Customers: isolated galleries with credentials of their own."
    tenants = commands.add_parser(
        "tenants", help="add, list, set, rotate, disable and enable tenants", description=about
    )
    actions = tenants.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a tenant and print its credentials")
    add.add_argument("name", help="1 to 40 small letters, digits and hyphens")
    profiles = [profile.value for profile in Profile]
    add.add_argument("--profile", choices=profiles, default="camera", help="whose limits it has (default: %(default)s)")
    show = actions.add_parser("list", help="list all tenants")
    change = actions.add_parser("set", help="change what holds for a tenant, also while the service runs")
    for options in (add, change):
        options.add_argument("--requests-a-day", type=_quota, metavar="N", help=_QUOTA_HELP)
        options.add_argument("--time-zone", type=_zone, metavar="ZONE", help=_ZONE_HELP)
        yes_or_no = argparse.BooleanOptionalAction
        options.add_argument("--refuse-md5", action=yes_or_no, help="take signatures by HMAC-SHA256 only")
        options.add_argument(
            "--shards", type=int, metavar="N", help="cut its search gallery into N shards (docs/search.md)"
        )
        options.add_argument("--numeric-faceids", action=yes_or_no, help="take only faceids from 1 to 2^63 - 1")
    rotate = actions.add_parser("rotate", help="give a tenant new keys and a new code; the old ones stop")
    disable = actions.add_parser("disable", help="refuse a tenant's requests; its data stays")
    enable = actions.add_parser("enable", help="take a disabled tenant's requests again")
    for action, name in (
        (add, "add"),
        (show, "list"),
        (change, "set"),
        (rotate, "rotate"),
        (disable, "disable"),
        (enable, "enable"),
    ):
        if action not in (add, show):
            action.add_argument("name")
        _add_data(action)
        action.set_defaults(run=_tenants, action=name)


def _add_models(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "The pack of face models: its files, whether they are whole, and how to get them."
    models = commands.add_parser("models", help="list, verify and pull the face models", description=about)
    actions = models.add_subparsers(metavar="ACTION", required=True)
    for name, text in (
        ("list", "list the pack's files and where they were found"),
        ("verify", "check every file against its digest"),
        ("pull", "get the files that are not here"),
    ):
        action = actions.add_parser(name, help=text)
        _add_model_folder(action)
        action.set_defaults(run=_models, action=name)


def _add_demo(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Start the service, enrol people, search them and strangers, and show the answers in a table and a page."
    demo = commands.add_parser("demo", help="see it work on pictures", description=about)
    demo.add_argument("--photos", type=Path, help="folder: labels.csv, or one folder a person, or files NAME_1.jpg")
    demo.add_argument("--host", default="127.0.0.1", help="address of the service (default: %(default)s)")
    demo.add_argument("--port", type=_port, default=8000, help="its port; 0 picks a free one (default: %(default)s)")
    demo.add_argument("--once", action="store_true", help="stop when all is shown, in place of waiting for Ctrl-C")
    demo.add_argument("--out", type=Path, default=DATA / "demo", help="where the page goes (default: %(default)s)")
    _add_model_folder(demo)
    demo.set_defaults(run=_demo)


def _add_week(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Draw a week of captures with a stated timeline, upload them, and compare the visitor book with it."
    week = commands.add_parser("week", help="a week of captures, from upload to visitor book", description=about)
    week.add_argument("--photos", type=Path, help="folder: labels.csv, or one folder a person, or files NAME_1.jpg")
    week.add_argument("--out", type=Path, default=DATA / "week", help="where the captures go (default: %(default)s)")
    _add_model_folder(week)
    week.set_defaults(run=_week)


def _add_captures(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Captures that could not be resolved: parked, with the reason."
    captures = commands.add_parser("captures", help="list and redrive parked captures", description=about)
    verbs = captures.add_subparsers(metavar="VERB", required=True)
    for verb, does in (("parked", "list them"), ("redrive", "send them again, once what was wrong is mended")):
        one = verbs.add_parser(verb, help=does, description=about)
        one.add_argument("--tenant", help="of this tenant only (default: of all)")
        one.add_argument("--camera", help="of this camera only (its id)")
        _add_data(one)
        one.set_defaults(run=_captures, verb=verb)


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help=f"data folder (default: $REGULARS_DATA, or {DATA})")


def _add_model_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models", type=Path, help="folder of the model packs (default: $REGULARS_MODELS, or found)")


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str], *, here: bool) -> Settings:
    """The environment's settings under the options. `here`: storage is a folder, whatever AWS names are set."""
    values = dict(environ)
    data: Path | None = getattr(arguments, "data", None)
    if data is not None:
        values["REGULARS_DATA"] = str(data)
    elif here or not values.get("REGULARS_TABLE_PREFIX"):
        values["REGULARS_DATA"] = values.get("REGULARS_DATA") or str(DATA)
    models: Path | None = getattr(arguments, "models", None)
    if models is not None:
        values["REGULARS_MODELS"] = str(models)
    return Settings.from_environment(values)


def _serve(arguments: argparse.Namespace) -> None:
    from regulars import folder, server  # a command imports what it runs, so that help is quick

    settings = settings_of(arguments, os.environ, here=True)
    assert isinstance(settings.storage, Path)  # noqa: S101 -- `here` says so
    server.serve(settings, folder.prepare(settings.storage), arguments.host, arguments.port)


def _tenant_options(arguments: argparse.Namespace) -> tenants.Options:
    from regulars import tenants

    return tenants.Options(
        requests_a_day=arguments.requests_a_day,
        time_zone=arguments.time_zone,
        refuse_md5=arguments.refuse_md5,
        numeric_faceids=arguments.numeric_faceids,
        shards=arguments.shards,
    )


def _tenants(arguments: argparse.Namespace) -> None:
    from regulars import tenants

    settings = settings_of(arguments, os.environ, here=False)
    match arguments.action:
        case "add":
            tenants.add(settings, arguments.name, Profile(arguments.profile), _tenant_options(arguments))
        case "set":
            tenants.change(settings, arguments.name, _tenant_options(arguments))
        case "rotate":
            tenants.rotate(settings, arguments.name)
        case "list":
            tenants.show(settings)
        case action:
            tenants.set_disabled(settings, arguments.name, disabled=action == "disable")


def _models(arguments: argparse.Namespace) -> int:
    from regulars import models

    settings = settings_of(arguments, os.environ, here=True)
    match arguments.action:
        case "list":
            return models.show(settings.models)
        case "verify":
            return models.check(settings.models)
        case _:
            return models.fetch(settings.models)


def _demo(arguments: argparse.Namespace) -> int:
    from regulars.demo import run

    return run.demo(
        run.Options(
            photos=arguments.photos,
            host=arguments.host,
            port=arguments.port,
            once=arguments.once,
            out=arguments.out,
            models=arguments.models,
        )
    )


def _week(arguments: argparse.Namespace) -> int:
    from regulars.week import run

    return run.week(arguments.photos, arguments.models, arguments.out)


def _captures(arguments: argparse.Namespace) -> None:
    from regulars import captures

    settings = settings_of(arguments, os.environ, here=False)
    if arguments.verb == "parked":
        captures.show_parked(settings, arguments.tenant, arguments.camera)
    else:
        captures.redrive(settings, arguments.tenant, arguments.camera)


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return port


def _quota(text: str) -> int | str:
    if text == "none":
        return text
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**12):
        raise argparse.ArgumentTypeError(f"a quota is a whole number from 1, or `none`, not {text[:40]!r}")
    return int(text)


def _zone(text: str) -> str:
    from chalicelib.core.buckets import require_zone

    try:
        return require_zone(text)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _complain(error: BaseException, code: int) -> int:
    said = str(error)
    if isinstance(error, OSError) and error.strerror:  # without Python's "[Errno 28]"
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(said.split()) or type(error).__name__
    print(f"regulars: {text}", file=sys.stderr)
    return code
