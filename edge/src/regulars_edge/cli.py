"""The command line `regulars-edge`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

from regulars_edge import __version__, exits
from regulars_edge.count import line
from regulars_edge.count.line import CountLine
from regulars_edge.errors import EdgeError
from regulars_edge.logs import redact_text


def command() -> NoReturn:
    """Run one command and leave the process at once.

    Python's own end takes the interpreter away while threads of the cameras may still wait in
    FFmpeg, which then asks Python whether to go on: that is a crash after everything was done.
    """
    try:
        code = main()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # `| head` has read enough
        code = exits.INCOMPLETE
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    try:
        return int(resolve_name(f"regulars_edge.{arguments.run}")(arguments))
    except EdgeError as error:
        print(f"regulars-edge: {redact_text(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return exits.INTERRUPTED


@dataclass(frozen=True)
class Command:
    """A command: its function, its `help` and what else it says, an example, and its arguments as
    argparse takes them.

    The function's module is imported when it runs: `status` starts fast on a small machine.
    """

    run: str
    help: str
    more: str = ""
    example: str = ""
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(redact_text(message))  # a URL may stand in a wrong place


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all COMMANDS; what it parses has the function to call as `run`."""
    raw = argparse.RawDescriptionHelpFormatter
    about = "Send camera pictures to Regulars without loss or duplicates."
    top = _Parser("regulars-edge", description=about, epilog=exits.HELP, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"regulars-edge {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        description = (
            f"{command.help[0].upper()}{command.help[1:]}.{command.more and chr(10)}{command.more}"
        )
        example = (
            f"example:\n  regulars-edge {name} {command.example}\n\n" if command.example else ""
        )
        sub = commands.add_parser(
            name,
            help=command.help,
            description=description,
            epilog=f"{example}{exits.HELP}",
            formatter_class=raw,
        )
        sub.set_defaults(run=command.run)
        for argument, settings in command.arguments.items():
            sub.add_argument(argument, **settings)
    return top


def parse_address(text: str) -> tuple[str, int]:
    """Read an address and perhaps its port. Raises ArgumentTypeError."""
    host, _, port = text.partition(":")
    try:
        return str(IPv4Address(host)), int(port or 3702)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: write it as 10.0.0.9 or 10.0.0.9:3702"
        ) from None


def parse_line(text: str) -> CountLine:
    """Read x1,y1,x2,y2. Raises ArgumentTypeError."""
    try:
        x1, y1, x2, y2 = map(float, text.split(","))
        return line.parse_line([[x1, y1], [x2, y2]])
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no line; write x1,y1,x2,y2, such as 0.1,0.5,0.9,0.5: {error}"
        ) from None


def parse_looks(text: str) -> float:
    """Read how many looks a second. Raises ArgumentTypeError."""
    with suppress(ValueError):
        if 1.0 <= (looks := float(text)) <= 25.0:
            return looks
    raise argparse.ArgumentTypeError(f"{text!r} is no number of looks: write 1 to 25 a second")


def print_completion(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(make_parser(), arguments.shell))
    return exits.OK


_FILE = {"type": Path, "required": True, "help": "edge.toml, as `setup` writes it"}
_GIVE_UP = "exit with 4 after so many minutes without contact to the service (default: 60)"
_PAGE = (
    "if edge.toml is missing, serve a page on the local network that asks for code and camera "
    "(default port: 9110)"
)
_NEW_FILE = {
    "type": Path,
    "default": Path("edge.toml"),
    "help": "file to write (default: edge.toml)",
}
_CAMERA_USER: Mapping[str, Mapping[str, Any]] = {
    "--camera-user": {"metavar": "USER", "help": "user name at the cameras"},
    "--password-file": {"type": Path, "help": "file with the password of that user, mode 600"},
}
COMMANDS = {
    "run": Command(
        "run:run",
        "take pictures from the cameras in edge.toml and send them until SIGTERM or Ctrl-C",
        "Unsent pictures stay in the spool for the next run.",
        "--config edge.toml",
        {"--config": _FILE},
    ),
    "upload": Command(
        "upload:upload",
        "send the JPEG and PNG files of a folder and its subfolders once",
        "The files are left in place.",
        arguments={
            "folder": {"type": Path, "metavar": "DIR"},
            "--url": {"help": "URL of the service (default: from --config)"},
            "--camera": {
                "required": True,
                "help": "ID or name of the camera; created if missing",
            },
            "--config": {"type": Path, "help": "edge.toml to take service, key and spool from"},
            "--key-file": {
                "type": Path,
                "help": "file with the API key (default: REGULARS_API_KEY)",
            },
            "--zone": {"help": "time zone of times without an offset (default: this machine's)"},
            "--time-in-name": {
                "metavar": "PATTERN",
                "help": "pattern of the time in file names, such as %%Y%%m%%d%%H%%M%%S",
            },
            "--no-progress": {"action": "store_true", "help": "do not show progress"},
            "--log": {
                "choices": ("text", "json"),
                "default": "text",
                "help": "log format (default: text)",
            },
            "--give-up-after": {
                "type": float,
                "default": 60.0,
                "metavar": "MINUTES",
                "help": _GIVE_UP,
            },
        },
    ),
    "status": Command(
        "status:status",
        "print the numbers of spooled, sent and refused pictures of each camera",
        "The uploader can keep running.",
        "--config edge.toml --refused",
        {
            "--config": {
                "type": Path,
                "help": "edge.toml to take the spool from (default: the spool of `upload`)",
            },
            "--json": {"action": "store_true", "help": "print JSON"},
            "--refused": {
                "action": "store_true",
                "help": "list the refused pictures with reasons",
            },
            "--retry-refused": {
                "action": "store_true",
                "help": "retry the refused pictures (stop the uploader first)",
            },
            "--release": {
                "metavar": "URL",
                "help": "send pictures that wait for a shop at URL to the configured shop instead",
            },
        },
    ),
    "check": Command(
        "check:check",
        "diagnose cameras, network, credential, clock and disk, and suggest fixes",
        "No picture is sent. With --camera, examine one camera and print the lines of edge.toml "
        "that work with it.",
        "--camera rtsp://10.0.0.9/live --camera-user admin --password-file till",
        {
            "--config": {"type": Path, "help": "edge.toml"},
            "--camera": {
                "metavar": "PLACE",
                "help": "URL or device of the camera; an address alone is queried by ONVIF",
            },
            "--ca-file": {"type": Path, "help": "CA certificate of the camera"},
            **_CAMERA_USER,
        },
    ),
    "count": Command(
        "count.command:count",
        "count people who cross a line in a film, and write an annotated film",
        "Prints time and direction of each crossing and sends nothing. The line is the setting "
        "`count` of edge.toml, as fractions of the picture's width and height.",
        "--check door.mp4 --line 0.1,0.5,0.9,0.5",
        {
            "--check": {
                "type": Path,
                "metavar": "FILM",
                "required": True,
                "help": "film recorded by the camera",
            },
            "--line": {
                "type": parse_line,
                "metavar": "X1,Y1,X2,Y2",
                "required": True,
                "help": "counting line; `in` is from left to right, seen from its first point",
            },
            "--times": {
                "type": Path,
                "metavar": "TABLE",
                "help": "CSV of the true crossings (time,way: 0:12.5,in): print the accuracy",
            },
            "--looks": {
                "type": parse_looks,
                "default": 5.0,
                "metavar": "NUMBER",
                "help": "frames to analyse per second, 1 to 25 (default: 5, as in `run`)",
            },
            "--film": {
                "type": Path,
                "metavar": "FILE",
                "help": "film to write (default: FILM.counted.mp4 in the current folder)",
            },
        },
    ),
    "setup": Command(
        "setup.command:setup",
        "find the cameras of this network (ONVIF), save a picture of each, and write edge.toml",
        arguments={
            "--config": _NEW_FILE,
            "--url": {"help": "URL of the service; without it, only the pictures are written"},
            "--key-file": {
                "type": Path,
                "help": "file with the API key, for edge.toml (default: REGULARS_API_KEY)",
            },
            **_CAMERA_USER,
            "--pictures": {
                "type": Path,
                "metavar": "DIR",
                "help": "folder for the pictures (default: cameras, next to edge.toml)",
            },
            "--replace": {"action": "store_true", "help": "overwrite an existing edge.toml"},
            "--probe": {
                "type": parse_address,
                "metavar": "ADDRESS[:PORT]",
                "help": "query this address only",
            },
            "--wait": {
                "type": float,
                "default": 4.0,
                "metavar": "SECONDS",
                "help": "time to wait for answers (default: 4)",
            },
        },
    ),
    "claim": Command(
        "setup.claim:claim",
        "claim a camera with a one-time code from the console, and write its key and edge.toml",
        example="7KQM-2XHP-94TD https://regulars.example --camera rtsp://10.0.0.9/live",
        arguments={
            "code": {
                "metavar": "CODE",
                "nargs": "?",
                "help": "one-time code; without it, the camera reads the console's QR code",
            },
            "url": {"metavar": "URL", "nargs": "?", "help": "URL of the service"},
            "--config": _NEW_FILE,
            "--camera": {
                "metavar": "PLACE",
                "help": "URL, device or folder of the camera (default: a folder of its name)",
            },
            "--page": {"type": int, "nargs": "?", "const": 9110, "metavar": "PORT", "help": _PAGE},
            "--url": {
                "dest": "only_url",
                "metavar": "URL",
                "help": "with --page: accept codes of this service only",
            },
        },
    ),
    "update": Command(
        "update:update",
        "install the signed release that the service requests; roll back if it does not work",
        "Performs the next step of an update; run it from a timer.",
        arguments={
            "--config": {"type": Path, "required": True, "help": "edge.toml, with [update]"},
            "--dry-run": {"action": "store_true", "help": "print the step and do nothing"},
        },
    ),
    "uninstall": Command(
        "uninstall:uninstall",
        "list everything that the uploader created on this box, and delete what you choose",
        "Deletes nothing without --with-pictures.",
        "--config edge.toml --with-pictures",
        {
            "--config": {"type": Path, "help": "edge.toml"},
            "--with-pictures": {
                "action": "store_true",
                "help": "delete the spool, including unsent pictures",
            },
            "--yes": {"action": "store_true", "help": "do not ask for confirmation"},
        },
    ),
    "completion": Command(
        "cli:print_completion",
        "print the completion script of a shell",
        arguments={"shell": {"choices": ("bash", "zsh", "tcsh")}},
    ),
}
