"""The command line `regulars`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalicelib.core.errors import InvalidInput, RegularsError
from chalicelib.core.model import Profile
from chalicelib.settings import SettingError
from chalicelib.vision.packs.packs import MissingModel
from regulars.backup import command as backup_command
from regulars.cost import command as cost_command
from regulars.deploy import command as deploy_command
from regulars.errors import OperatorError
from regulars.evaluate import command as evaluate_command
from regulars.options import DATA, add_data, add_model_folder, settings_of

FAILED, MISUSED = 1, 2
"""Exit codes, as argparse's own."""

_ABOUT = "A visitor book from cameras: who is a regular, who is a stranger."
_ATTRIBUTES_HELP = "attributes neither stored nor answered, of age,gender,emotion,pose,beauty,liveness; `none`: all are"
_LIVENESS_HELP = "refuse faces that look less alive than this, 0 to 1, or `none` (as a tenant begins; docs/vision.md)"
_FACES_HELP = "how many faces it may hold, or `none` for as many as its profile says (docs/search.md: over a million)"
_GROUPS_HELP = "how many groups it may have, or `none` for as many as its profile says"
_QUALITY_HELP = "least quality of a picture to enrol, 20 (as a tenant begins) to 100"
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
    except (OperatorError, RegularsError, MissingModel, OSError) as error:
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
    _add_reembed(commands)
    _add_demo(commands)
    _add_week(commands)
    _add_captures(commands)
    evaluate_command.add(commands)
    deploy_command.add(commands)
    cost_command.add(commands)
    backup_command.add(commands, add_data, lambda arguments: settings_of(arguments, os.environ, here=False))
    return top


_Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def _add_serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve", help="serve a data folder over HTTP", description="Serve a data folder over HTTP."
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8000, help="port; 0 picks a free one (default: %(default)s)")
    add_data(serve)
    add_model_folder(serve)
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
    listing = actions.add_parser("list", help="list all tenants")
    show = actions.add_parser("show", help="show all that is set of a tenant, and the model it goes by")
    change = actions.add_parser("set", help="change what holds for a tenant, also while the service runs")
    for options in (add, change):
        options.add_argument("--requests-a-day", type=_quota, metavar="N", help=_QUOTA_HELP)
        options.add_argument("--time-zone", type=_zone, metavar="ZONE", help=_ZONE_HELP)
        options.add_argument("--faces", type=_limit, metavar="N", help=_FACES_HELP)
        options.add_argument("--groups", type=_limit, metavar="N", help=_GROUPS_HELP)
        yes_or_no = argparse.BooleanOptionalAction
        options.add_argument("--refuse-md5", action=yes_or_no, help="take signatures by HMAC-SHA256 only")
        options.add_argument(
            "--shards", type=int, metavar="N", help="cut its search gallery into N shards (docs/search.md)"
        )
        options.add_argument("--attributes-off", type=_names, metavar="NAMES", help=_ATTRIBUTES_HELP)
        options.add_argument("--least-liveness", type=_liveness, metavar="SHARE", help=_LIVENESS_HELP)
        options.add_argument("--enrol-quality", type=float, metavar="SCORE", help=_QUALITY_HELP)
        options.add_argument(
            "--numeric-faceids",
            action=yes_or_no,
            dest="numeric_faceids_only",
            help="take only faceids from 1 to 2^63 - 1",
        )
    rotate = actions.add_parser("rotate", help="give a tenant new keys and a new code; the old ones stop")
    disable = actions.add_parser("disable", help="refuse a tenant's requests; its data stays")
    enable = actions.add_parser("enable", help="take a disabled tenant's requests again")
    for action, name in (
        (add, "add"),
        (listing, "list"),
        (show, "show"),
        (change, "set"),
        (rotate, "rotate"),
        (disable, "disable"),
        (enable, "enable"),
    ):
        if action not in (add, listing):
            action.add_argument("name")
        add_data(action)
        action.set_defaults(run=_tenants, action=name)


def _add_models(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "The packs of face models: their files, whether they are whole, and how to get them (docs/models.md)."
    models = commands.add_parser("models", help="list, verify, pull and build the face models", description=about)
    actions = models.add_subparsers(metavar="ACTION", required=True)
    for name, text in (
        ("list", "list the packs' files and where they were found"),
        ("verify", "check every file against its digest"),
        ("pull", "get the files that are not here: download them, or convert what is downloaded"),
        ("build", "convert a pack's files anew from their upstream's, and compare"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--pack", metavar="NAME", help="only this pack (pull and build: default face-pack-1)")
        add_model_folder(action)
        if name == "pull":
            action.add_argument("--any", action="store_true", help="no pack in particular: the best that can be had")
        if name == "build":
            action.add_argument("--out", type=Path, default=Path("built-models"), help="folder (default: %(default)s)")
        action.set_defaults(run=_models, action=name)


def _add_reembed(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = (
        "Embed the stored pictures with another pack's model, while the service runs, and let searches go by it from "
        "then on. Begun again after a kill, it goes on where it was (docs/models.md)."
    )
    reembed = commands.add_parser("reembed", help="change tenants to another model", description=about)
    reembed.add_argument("--pack", required=True, metavar="NAME", help="the pack to change to, such as face-pack-1")
    reembed.add_argument("--tenant", action="append", metavar="NAME", help="only this one; may be given several times")
    reembed.add_argument("--estimate", action="store_true", help="only say how long it takes and what it costs")
    add_data(reembed)
    add_model_folder(reembed)
    reembed.set_defaults(run=_reembed)


def _add_demo(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Start the service, enrol people, search them and strangers, and show the answers in a table and a page."
    demo = commands.add_parser("demo", help="see it work on pictures", description=about)
    demo.add_argument("--photos", type=Path, help="folder: labels.csv, or one folder a person, or files NAME_1.jpg")
    demo.add_argument("--host", default="127.0.0.1", help="address of the service (default: %(default)s)")
    demo.add_argument("--port", type=_port, default=8000, help="its port; 0 picks a free one (default: %(default)s)")
    demo.add_argument("--once", action="store_true", help="stop when all is shown, in place of waiting for Ctrl-C")
    demo.add_argument("--out", type=Path, default=DATA / "demo", help="where the page goes (default: %(default)s)")
    add_model_folder(demo)
    demo.set_defaults(run=_demo)


def _add_week(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Draw a week of captures with a stated timeline, upload them, and compare the visitor book with it."
    week = commands.add_parser("week", help="a week of captures, from upload to visitor book", description=about)
    week.add_argument("--photos", type=Path, help="folder: labels.csv, or one folder a person, or files NAME_1.jpg")
    week.add_argument("--out", type=Path, default=DATA / "week", help="where the captures go (default: %(default)s)")
    add_model_folder(week)
    week.set_defaults(run=_week)


def _add_captures(commands: _Commands[argparse.ArgumentParser]) -> None:
    about = "Captures that could not be resolved: parked, with the reason."
    captures = commands.add_parser("captures", help="list and redrive parked captures", description=about)
    verbs = captures.add_subparsers(metavar="VERB", required=True)
    for verb, does in (("parked", "list them"), ("redrive", "send them again, once what was wrong is mended")):
        one = verbs.add_parser(verb, help=does, description=about)
        one.add_argument("--tenant", help="of this tenant only (default: of all)")
        one.add_argument("--camera", help="of this camera only (its id)")
        add_data(one)
        one.set_defaults(run=_captures, verb=verb)


def _serve(arguments: argparse.Namespace) -> None:
    from regulars.serve import folder, server  # a command imports what it runs, so that help is quick

    settings = settings_of(arguments, os.environ, here=True)
    assert isinstance(settings.storage, Path)  # noqa: S101 -- `here` says so
    server.serve(settings, folder.prepare(settings.storage), arguments.host, arguments.port)


_SETTINGS = (
    "requests_a_day",
    "time_zone",
    "refuse_md5",
    "numeric_faceids_only",
    "faces",
    "groups",
    "shards",
    "attributes_off",
    "least_liveness",
    "enrol_quality",
)


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of a tenant that were given, by their names in TenantSettings."""
    given = {name: getattr(arguments, name) for name in _SETTINGS}
    return {name: None if value == "none" else value for name, value in given.items() if value is not None}


def _tenants(arguments: argparse.Namespace) -> None:
    from regulars.tenants import tenants

    settings = settings_of(arguments, os.environ, here=False)
    match arguments.action:
        case "add":
            tenants.add(settings, arguments.name, Profile(arguments.profile), _changes(arguments))
        case "set":
            tenants.change(settings, arguments.name, _changes(arguments))
        case "rotate":
            tenants.rotate(settings, arguments.name)
        case "list":
            tenants.show_all(settings)
        case "show":
            tenants.show(settings, arguments.name)
        case action:
            tenants.set_disabled(settings, arguments.name, disabled=action == "disable")


def _models(arguments: argparse.Namespace) -> int:
    from chalicelib.vision.packs import packs
    from regulars.models import models

    folder = settings_of(arguments, os.environ, here=True).models
    match arguments.action:
        case "list":
            return models.show(folder, arguments.pack)
        case "verify":
            return models.check(packs.default_places(folder), arguments.pack)
        case "build":
            return models.build(folder, arguments.pack, arguments.out)
        case _:
            return models.fetch(folder, arguments.pack, any_pack=arguments.any)


def _reembed(arguments: argparse.Namespace) -> int:
    from regulars.models import reembed

    settings = settings_of(arguments, os.environ, here=False)
    return reembed.run(settings, arguments.pack, arguments.tenant, estimate_only=arguments.estimate)


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
    from regulars.demo.week import run

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
    return _count(text, "quota")


def _limit(text: str) -> int | str:
    return _count(text, "limit")


def _count(text: str, what: str) -> int | str:
    if text == "none":
        return text
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**12):
        raise argparse.ArgumentTypeError(f"a {what} is a whole number from 1, or `none`, not {text[:40]!r}")
    return int(text)


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(","))
    if not all(names):  # an empty shell variable is no wish to have everything on
        raise argparse.ArgumentTypeError(f"names with commas between them, or `none` for all on, not {text[:40]!r}")
    return frozenset() if names == {"none"} else names


def _liveness(text: str) -> float | str:
    try:
        return text if text == "none" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a share from 0 to 1, or `none`, not {text[:40]!r}") from None


def _zone(text: str) -> str:
    from chalicelib.core.local_time import require_zone

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
