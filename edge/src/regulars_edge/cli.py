"""The command line `regulars-edge`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import NoReturn

from regulars_edge import __version__, exits
from regulars_edge.errors import EdgeError


def command() -> NoReturn:
    """Run one command and leave the process at once.

    Python's own end takes the interpreter away while threads of the cameras may still wait in FFmpeg, which then asks
    Python whether to go on: that is a crash after everything was done.
    """
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except EdgeError as error:
        print(f"regulars-edge: {error}", file=sys.stderr)
        return exits.code_of(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "regulars-edge",
        description="Pushes camera pictures to Regulars: none lost, none twice.",
        epilog=exits.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"regulars-edge {__version__}")
    add_parser = top.add_subparsers(metavar="COMMAND", required=True).add_parser
    _add_run(add_parser)
    _add_upload(add_parser)
    _add_status(add_parser)
    _add_check(add_parser)
    _add_setup(add_parser)
    _add_claim(add_parser)
    _add_update(add_parser)
    _add_completion(add_parser)
    return top


_AddParser = Callable[..., argparse.ArgumentParser]


def _add_run(add_parser: _AddParser) -> None:
    run = add_parser(
        "run",
        help="take pictures from the configured cameras and send them, for good",
        description="Take pictures from the cameras of edge.toml and send them, until SIGTERM or Ctrl-C.\n"
        "What is not sent by then stays in the spool and goes with the next run.",
        epilog=f"example:\n  regulars-edge run --config edge.toml\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--config", type=Path, required=True, help="edge.toml, as `setup` writes it")
    run.set_defaults(run=_run)


def _add_upload(add_parser: _AddParser) -> None:
    upload = add_parser(
        "upload",
        help="send a folder's pictures, once",
        description="Send the JPEG and PNG files of a folder and its sub-folders, which stay where they are.",
        epilog=exits.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    upload.add_argument("folder", type=Path, metavar="DIR")
    upload.add_argument("--url", help="the service (default: that of --config)")
    upload.add_argument("--camera", required=True, help="the camera's id or name; made if it is not there")
    upload.add_argument("--config", type=Path, help="edge.toml, for the service, the key and the spool")
    upload.add_argument("--key-file", type=Path, help="file with the API key (default: REGULARS_API_KEY)")
    upload.add_argument("--zone", help="time zone of times without an offset (default: this machine's)")
    upload.add_argument(
        "--time-in-name", metavar="PATTERN", help="how names say the time, for example %%Y%%m%%d%%H%%M%%S"
    )
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


def _add_status(add_parser: _AddParser) -> None:
    status = add_parser(
        "status",
        help="what is spooled, sent and refused; also beside a running uploader",
        description="Print for each camera what is spooled, sent and refused. A running uploader is not disturbed.",
        epilog=f"example:\n  regulars-edge status --config edge.toml --refused\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument("--config", type=Path, help="edge.toml, for the spool (default: the spool of `upload`)")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.add_argument("--refused", action="store_true", help="list the refused pictures with the reason")
    status.add_argument(
        "--retry-refused", action="store_true", help="offer the refused ones once more (needs the uploader stopped)"
    )
    status.set_defaults(run=_status)


def _add_check(add_parser: _AddParser) -> None:
    check = add_parser(
        "check",
        help="camera, network, credential, clock, disk: a line each, and what to do",
        description="Look at cameras, network, credential, clock and disk, and print a line each, with what to do.\n"
        "No picture is sent.",
        epilog=f"example:\n  regulars-edge check --config edge.toml\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("--config", type=Path, required=True, help="edge.toml, as `setup` writes it")
    check.set_defaults(run=_check)


def _add_setup(add_parser: _AddParser) -> None:
    setup = add_parser(
        "setup",
        help="find the cameras of this network (ONVIF), save a picture of each, write edge.toml",
        description="Find the cameras of this network (ONVIF), save a picture of each, and write edge.toml.",
    )
    setup.add_argument("--config", type=Path, default=Path("edge.toml"), help="file to write (default: edge.toml)")
    setup.add_argument("--url", help="the service; without it, nothing but the pictures is written")
    setup.add_argument("--key-file", type=Path, help="file with the API key, for edge.toml (default: REGULARS_API_KEY)")
    setup.add_argument("--camera-user", metavar="USER", help="the cameras' user")
    setup.add_argument("--password-file", type=Path, help="file with that user's password, mode 600")
    setup.add_argument("--pictures", type=Path, metavar="DIR", help="folder (default: cameras, beside edge.toml)")
    setup.add_argument("--replace", action="store_true", help="write edge.toml anew if it is there")
    setup.add_argument(
        "--probe",
        type=address,
        metavar="ADDRESS[:PORT]",
        help="ask this address alone, for a camera that the search does not reach",
    )
    setup.add_argument("--wait", type=float, default=4.0, metavar="SECONDS", help="for answers (default: 4)")
    setup.set_defaults(run=_setup)


def _add_claim(add_parser: _AddParser) -> None:
    claim = add_parser(
        "claim",
        help="take a camera over by a code from the console; write its key and edge.toml",
        description="Take a camera over by a code, which is good once: write its key, and add it to edge.toml.",
        epilog=f"example:\n  regulars-edge claim 7KQM-2XHP-94TD https://regulars.example --camera rtsp://10.0.0.9/live"
        f"\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    claim.add_argument("code", metavar="CODE")
    claim.add_argument("url", metavar="URL", help="the service")
    claim.add_argument("--config", type=Path, default=Path("edge.toml"), help="file to write (default: edge.toml)")
    claim.add_argument(
        "--camera", metavar="PLACE", help="its URL, device or folder (default: a folder of its name beside the file)"
    )
    claim.set_defaults(run=_claim)


def _add_update(add_parser: _AddParser) -> None:
    update = add_parser(
        "update",
        help="install the signed release that the service asks for; go back if it is not well",
        description="Do the next step of an update, if the service asks for another version. A timer runs it.",
        epilog=exits.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    update.add_argument("--config", type=Path, required=True, help="edge.toml, with [update]")
    update.add_argument("--dry-run", action="store_true", help="print the step and do nothing")
    update.set_defaults(run=_update)


def _add_completion(add_parser: _AddParser) -> None:
    completion = add_parser("completion", help="print a script that lets a shell complete commands on Tab")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(parser(), arguments.shell))
    return exits.OK


def address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return str(IPv4Address(host)), int(port or 3702)


# Each command imports what it needs itself: `status` starts fast on a small machine.


def _run(arguments: argparse.Namespace) -> int:
    from regulars_edge import config, run

    return run.run(config.load(arguments.config))


def _upload(arguments: argparse.Namespace) -> int:
    from regulars_edge import upload

    return upload.upload_command(arguments)


def _status(arguments: argparse.Namespace) -> int:
    from regulars_edge import config, status

    spool = config.load(arguments.config).spool if arguments.config else config.default_spool()
    return status.status(spool, as_json=arguments.json, refused=arguments.refused, retry=arguments.retry_refused)


def _check(arguments: argparse.Namespace) -> int:
    from regulars_edge import check, config

    return check.check(config.load(arguments.config))


def _setup(arguments: argparse.Namespace) -> int:
    from regulars_edge.setup import command

    return command.setup(arguments)


def _claim(arguments: argparse.Namespace) -> int:
    from regulars_edge.setup import claim

    return claim.claim(arguments)


def _update(arguments: argparse.Namespace) -> int:
    from regulars_edge import config, update

    return update.update(config.load(arguments.config), arguments.config, dry_run=arguments.dry_run)
