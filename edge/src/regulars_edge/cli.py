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
    about = "Pushes camera pictures to Regulars: none lost, none twice."
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
_GIVE_UP = "end with code 4 when nothing has got through for so long (default: 60)"
_PAGE = (
    "ask for code and camera on a page for the local network, if there is no edge.toml "
    "(default port: 9110)"
)
_NEW_FILE = {
    "type": Path,
    "default": Path("edge.toml"),
    "help": "file to write (default: edge.toml)",
}
_CAMERA_USER: Mapping[str, Mapping[str, Any]] = {
    "--camera-user": {"metavar": "USER", "help": "the cameras' user"},
    "--password-file": {"type": Path, "help": "file with that user's password, mode 600"},
}
COMMANDS = {
    "run": Command(
        "run:run",
        "take pictures from the cameras of edge.toml and send them, until SIGTERM or Ctrl-C",
        "What is not sent by then stays in the spool and goes with the next run.",
        "--config edge.toml",
        {"--config": _FILE},
    ),
    "upload": Command(
        "upload:upload",
        "send the JPEG and PNG files of a folder and its sub-folders, once",
        "They stay where they are.",
        arguments={
            "folder": {"type": Path, "metavar": "DIR"},
            "--url": {"help": "the service (default: that of --config)"},
            "--camera": {
                "required": True,
                "help": "the camera's id or name; made if it is not there",
            },
            "--config": {"type": Path, "help": "edge.toml, for the service, the key and the spool"},
            "--key-file": {
                "type": Path,
                "help": "file with the API key (default: REGULARS_API_KEY)",
            },
            "--zone": {"help": "time zone of times without an offset (default: this machine's)"},
            "--time-in-name": {
                "metavar": "PATTERN",
                "help": "how names say the time, such as %%Y%%m%%d%%H%%M%%S",
            },
            "--no-progress": {"action": "store_true", "help": "do not show how far it is"},
            "--log": {
                "choices": ("text", "json"),
                "default": "text",
                "help": "form of the logs (default: text)",
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
        "print for each camera what is spooled, sent and refused",
        "A running uploader is not disturbed.",
        "--config edge.toml --refused",
        {
            "--config": {
                "type": Path,
                "help": "edge.toml, for the spool (default: the spool of `upload`)",
            },
            "--json": {"action": "store_true", "help": "as JSON"},
            "--refused": {
                "action": "store_true",
                "help": "list the refused pictures with the reason",
            },
            "--retry-refused": {
                "action": "store_true",
                "help": "offer those once more (the uploader must be stopped)",
            },
            "--release": {
                "metavar": "URL",
                "help": "send what waits for a shop there to the one that is configured",
            },
        },
    ),
    "check": Command(
        "check:check",
        "look at cameras, network, credential, clock and disk, and print a line each, with what to "
        "do",
        "No picture is sent. With --camera one camera is examined, and the lines of edge.toml with "
        "which it works.",
        "--camera rtsp://10.0.0.9/live --camera-user admin --password-file till",
        {
            "--config": {"type": Path, "help": "edge.toml"},
            "--camera": {
                "metavar": "PLACE",
                "help": "its URL or device; an address alone is asked by ONVIF",
            },
            "--ca-file": {"type": Path, "help": "what its certificate is verified against"},
            **_CAMERA_USER,
        },
    ),
    "count": Command(
        "count.command:count",
        "print who crosses a line in a film, with time and direction, and write a film that shows "
        "it",
        "Nothing is sent. The line is that of `count` in edge.toml, in shares of the picture.",
        "--check door.mp4 --line 0.1,0.5,0.9,0.5",
        {
            "--check": {
                "type": Path,
                "metavar": "FILM",
                "required": True,
                "help": "a film of the camera",
            },
            "--line": {
                "type": parse_line,
                "metavar": "X1,Y1,X2,Y2",
                "required": True,
                "help": "in is from its left to its right, seen from its first point",
            },
            "--times": {
                "type": Path,
                "metavar": "TABLE",
                "help": "the true crossings, a CSV of time,way, such as 0:12.5,in: say how right "
                "the count is",
            },
            "--looks": {
                "type": parse_looks,
                "default": 5.0,
                "metavar": "NUMBER",
                "help": "a second, 1 to 25 (default: 5, as `run` does)",
            },
            "--film": {
                "type": Path,
                "metavar": "FILE",
                "help": "the film to write (default: FILM.counted.mp4, in this folder)",
            },
        },
    ),
    "setup": Command(
        "setup.command:setup",
        "find the cameras of this network (ONVIF), save a picture of each, and write edge.toml",
        arguments={
            "--config": _NEW_FILE,
            "--url": {"help": "the service; without it, nothing but the pictures is written"},
            "--key-file": {
                "type": Path,
                "help": "file with the API key, for edge.toml (default: REGULARS_API_KEY)",
            },
            **_CAMERA_USER,
            "--pictures": {
                "type": Path,
                "metavar": "DIR",
                "help": "folder (default: cameras, beside edge.toml)",
            },
            "--replace": {"action": "store_true", "help": "write edge.toml anew if it is there"},
            "--probe": {
                "type": parse_address,
                "metavar": "ADDRESS[:PORT]",
                "help": "ask this address alone",
            },
            "--wait": {
                "type": float,
                "default": 4.0,
                "metavar": "SECONDS",
                "help": "for answers (default: 4)",
            },
        },
    ),
    "claim": Command(
        "setup.claim:claim",
        "take a camera over by a code from the console, which is good once; write its key and "
        "edge.toml",
        example="7KQM-2XHP-94TD https://regulars.example --camera rtsp://10.0.0.9/live",
        arguments={
            "code": {
                "metavar": "CODE",
                "nargs": "?",
                "help": "without it, the camera reads the console's QR code",
            },
            "url": {"metavar": "URL", "nargs": "?", "help": "the service"},
            "--config": _NEW_FILE,
            "--camera": {
                "metavar": "PLACE",
                "help": "its URL, device or folder (default: a folder of its name)",
            },
            "--page": {"type": int, "nargs": "?", "const": 9110, "metavar": "PORT", "help": _PAGE},
            "--url": {
                "dest": "only_url",
                "metavar": "URL",
                "help": "with --page: take codes of this service alone",
            },
        },
    ),
    "update": Command(
        "update:update",
        "install the signed release that the service asks for; go back if it is not well",
        "It does the next step of an update; a timer runs it.",
        arguments={
            "--config": {"type": Path, "required": True, "help": "edge.toml, with [update]"},
            "--dry-run": {"action": "store_true", "help": "print the step and do nothing"},
        },
    ),
    "uninstall": Command(
        "uninstall:uninstall",
        "name all that the uploader made on this box, and delete what you say",
        "Without --with-pictures it deletes nothing.",
        "--config edge.toml --with-pictures",
        {
            "--config": {"type": Path, "help": "edge.toml"},
            "--with-pictures": {
                "action": "store_true",
                "help": "delete the spool: pictures that were not sent go, too",
            },
            "--yes": {"action": "store_true", "help": "do it without asking"},
        },
    ),
    "completion": Command(
        "cli:print_completion",
        "print a script that lets a shell complete commands on Tab",
        arguments={"shell": {"choices": ("bash", "zsh", "tcsh")}},
    ),
}
