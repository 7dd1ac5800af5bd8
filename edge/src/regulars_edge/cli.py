"""The command line `regulars-edge`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from regulars_edge import __version__
from regulars_edge.errors import (
    EdgeError,
    Misconfigured,
    NotAllowed,
    SpoolDamaged,
    SpoolFull,
    SpoolInUse,
)

OK, INCOMPLETE, MISUSED, OPERATOR, GAVE_UP, IN_USE, NO_SPOOL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
_CODES: tuple[tuple[type[EdgeError], int], ...] = (
    (Misconfigured, MISUSED),
    (NotAllowed, OPERATOR),
    (SpoolInUse, IN_USE),
    (SpoolFull, NO_SPOOL),
    (SpoolDamaged, NO_SPOOL),
    (EdgeError, INCOMPLETE),
)

_EXITS = """\
exit codes:
  0  done; for `upload`: every picture is at the service
  1  not all of it: pictures were refused or could not be read; for `check`: something is to be done
  2  the command line or the configuration is wrong
  3  the service refuses the key or the camera: see to it, the pictures are kept
  4  the service could not be reached for as long as --give-up-after says; run it again
  5  another uploader uses the spool
  6  the spool is full or damaged
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except EdgeError as error:
        print(f"regulars-edge: {error}", file=sys.stderr)
        return next(code for kind, code in _CODES if isinstance(error, kind))
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "regulars-edge",
        description="Pushes camera pictures to Regulars: none lost, none twice.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_upload(commands)
    _add_status(commands)
    _add_check(commands)
    return top


_Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def _add_run(commands: _Commands[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="take pictures from the configured cameras and send them, for good")
    run.add_argument("--config", type=Path, required=True, help="edge.toml")
    run.set_defaults(run=_run)


def _add_upload(commands: _Commands[argparse.ArgumentParser]) -> None:
    upload = commands.add_parser(
        "upload",
        help="send a folder's pictures, once",
        description="Send the JPEG and PNG files of a folder and its sub-folders, which stay where they are.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    upload.add_argument("folder", type=Path, metavar="DIR")
    upload.add_argument("--url", help="the service (default: that of --config)")
    upload.add_argument("--camera", required=True, help="the camera's id or name; made if it is not there")
    upload.add_argument("--config", type=Path, help="edge.toml, for the service, the key and the spool")
    upload.add_argument("--key-file", type=Path, help="file with the API key (default: REGULARS_API_KEY)")
    upload.add_argument("--zone", help="time zone of EXIF times that name none (default: this machine's)")
    upload.add_argument("--no-progress", action="store_true", help="no progress bar")
    upload.add_argument("--log", choices=("text", "json"), default="text", help="form of the logs (default: text)")
    upload.add_argument(
        "--give-up-after",
        type=float,
        default=60.0,
        metavar="MINUTES",
        help="end with code 4 when nothing has got through for so long (default: 60)",
    )
    upload.set_defaults(run=_upload)


def _add_status(commands: _Commands[argparse.ArgumentParser]) -> None:
    status = commands.add_parser("status", help="what is spooled, sent and refused; also beside a running uploader")
    _add_places(status)
    status.add_argument("--json", action="store_true", help="as JSON")
    status.add_argument("--refused", action="store_true", help="list the refused pictures with the reason")
    status.add_argument(
        "--retry-refused", action="store_true", help="offer the refused ones once more (needs the uploader stopped)"
    )
    status.set_defaults(run=_status)


def _add_check(commands: _Commands[argparse.ArgumentParser]) -> None:
    check = commands.add_parser("check", help="camera, network, credential, clock, disk: a line each, and what to do")
    check.add_argument("--config", type=Path, required=True, help="edge.toml")
    check.set_defaults(run=_check)


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, help="edge.toml, for the spool")


# Each command imports what it needs itself: `status` starts fast on a small machine.


def _run(arguments: argparse.Namespace) -> int:
    from regulars_edge import config, run

    return run.run(config.load(arguments.config))


def _upload(arguments: argparse.Namespace) -> int:
    from regulars_edge import oneshot

    return oneshot.upload_command(arguments)


def _status(arguments: argparse.Namespace) -> int:
    from regulars_edge import config, status

    spool = config.load(arguments.config).spool if arguments.config else config.default_spool()
    return status.status(spool, as_json=arguments.json, refused=arguments.refused, retry=arguments.retry_refused)


def _check(arguments: argparse.Namespace) -> int:
    from regulars_edge import check, config

    return check.check(config.load(arguments.config))
