"""The command line `regulars`. Each command imports its code only when it runs, so that help is
quick."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from chalicelib.book.vision.packs.packs import MissingModel
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.errors import InvalidInput, RegularsError
from chalicelib.settings import SettingError
from chalicelib.storage.values import one_line
from regulars import audit, box, call, privacy, report, today
from regulars.backup import command as backup
from regulars.demo import command as demo
from regulars.deploy import command as deploy
from regulars.errors import CopiedFolder, OperatorError
from regulars.models import command as models
from regulars.tenants import command as tenants
from regulars.tenants import erasing
from regulars.uninstall import uninstall

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes."""

GROUP = "regulars.commands"
"""Entry point group through which other distributions add commands to the section Models.
`GROUP.day` adds to "A shop's day", `GROUP.models` to `regulars models`."""


class Sections(click.Group):
    """A command group that lists its commands in sections, by audience."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sections: dict[str, tuple[click.Command, ...]] = {}

    def add_section(self, title: str, *added: click.Command) -> None:
        """Add commands below a title of their own."""
        self._sections[title] = added
        for command in added:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for title, section in self._sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(str(one.name), one.get_short_help_str(limit)) for one in section]
                )


def load_commands(group: str) -> list[click.Command]:
    """Return the commands that other distributions add to this entry point group, by name."""
    entries = sorted(metadata.entry_points(group=group), key=lambda entry: entry.name)
    return [entry.load() for entry in entries]


@contextmanager
def serve_folder(data: Path, tenant: str | None) -> Iterator[Any]:
    """Serve a data folder for the duration of a block and yield a client of the tenant, or of the
    first one.

    Commands of other distributions find this function as click's `obj`. Raises OperatorError.
    """
    from regulars_client import Regulars

    from regulars.serve.service import run_service
    from regulars.tenants.credentials import read_credentials

    with run_service(data) as served:  # creates the folder if it is missing
        by_tenant = read_credentials(data)
        if tenant is not None and tenant not in by_tenant:
            raise OperatorError(
                f"{data} has no tenant {tenant!r}; its tenants: {', '.join(by_tenant)}"
            )
        key = by_tenant[tenant or next(iter(by_tenant))].api_key
        with Regulars(served.url, api_key=key) as client:
            yield client


@click.group(
    cls=Sections,
    no_args_is_help=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 120,
        "obj": serve_folder,
    },
)
@click.version_option(package_name="regulars", message="regulars %(version)s")
def commands() -> None:
    """Turn camera pictures into a visitor book that tells regulars from unknown visitors.

    \b
    Start here:
      regulars demo                     try it on sample pictures
      regulars serve                    serve http://127.0.0.1:8000 from ./regulars-data
      regulars import people/ --group regular
                                        enrol people from a folder of pictures each
      regulars today                    print today's visitors
      regulars doctor                   diagnose this machine and suggest fixes
      regulars tenants add shop-12 --strangers forget
                                        add a tenant and print its credentials
      regulars deploy --stage prod      run the same service in an AWS account

    Options take precedence over environment variables (REGULARS_*), and those over regulars.toml;
    `regulars config` prints the result. For completion in bash:
    eval "$(_REGULARS_COMPLETE=bash_source regulars)"
    """


tenants.tenants.add_command(erasing.erase)

commands.add_section(
    "A shop's day",
    demo.demo,
    today.today,
    report.report,
    tenants.console,
    box.redrive,
    call.call,
    *load_commands(f"{GROUP}.day"),
)
commands.add_section(
    "Privacy",
    privacy.about,
    privacy.erase,
    privacy.receipt,
    privacy.consent,
    privacy.retention,
    privacy.privacy,
    audit.audit,
)
commands.add_section(
    "A box",
    box.serve,
    tenants.tenants,
    box.doctor,
    box.config,
    box.folder,
    backup.backup,
    backup.restore,
    backup.compare,
    uninstall,
)
commands.add_section("AWS", deploy.deploy)
commands.add_section("Models", models.models, models.reembed, *load_commands(GROUP))

for command in load_commands(f"{GROUP}.models"):
    models.models.add_command(command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    An operator's mistake is reported as one line on stderr, without a traceback.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command_name = _name_command(arguments)
    try:
        with audit_events.begin_audit_event(
            AuditEvent(command_name, "operator", kind_of(command_name))
        ):
            code: int | None = commands.main(arguments, "regulars", standalone_mode=False)
    except click.UsageError as error:
        path = "regulars" if error.ctx is None else error.ctx.command_path
        return _complain(f"{error.format_message().rstrip('.')}; see `{path} --help`", MISUSED)
    except (InvalidInput, SettingError) as error:
        return _complain(str(error), MISUSED)
    # exit code 2 keeps a supervisor from restarting the service: a person has to decide
    except CopiedFolder as error:
        return _complain(str(error), MISUSED)
    except (OperatorError, RegularsError, MissingModel) as error:
        return _complain(str(error) or type(error).__name__, FAILED)
    except OSError as error:
        return _complain(_describe_os_error(error), FAILED)
    except UnicodeEncodeError as error:
        # surrogates stand for undecodable bytes of an argument
        if not "\ud800" <= error.object[error.start] <= "\udfff":
            raise
        return _complain(
            "an argument is not valid UTF-8: rename the file or folder, or type the text again",
            MISUSED,
        )
    except click.Abort:  # Ctrl-C
        return INTERRUPTED
    return code or 0


def _name_command(arguments: Sequence[str]) -> str:
    """Return the full name of the command that is called, without options and arguments."""
    names = ["regulars"]
    group: click.Command = commands
    for argument in arguments:
        command = group.commands.get(argument) if isinstance(group, click.Group) else None
        if command is None:
            break
        names.append(argument)
        group = command
    return " ".join(names)


def _describe_os_error(error: OSError) -> str:
    """Return the error's text without Python's prefix, as in "[Errno 28]"."""
    if not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _complain(text: str, code: int) -> int:
    print(f"regulars: {' '.join(one_line(text).split())}", file=sys.stderr)
    return code
