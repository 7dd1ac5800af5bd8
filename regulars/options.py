"""Options of several commands, the settings made from them, and the services that these settings
name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from functools import reduce, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from chalicelib.api.dialects import SETTINGS
from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.model import Tenant
from chalicelib.domain.setting import Setting
from chalicelib.services import Services
from chalicelib.settings import Settings, describe_default, list_rows, name_variable, parse_text
from chalicelib.storage.items import ListPage
from chalicelib.storage.ports import Mailer
from chalicelib.storage.values import one_line
from regulars import configuration, folder
from regulars.configuration import FILE, FILE_VARIABLE, TABLE, Configuration
from regulars.errors import OperatorError
from regulars.serve.settings import ServeSettings

PATH = click.Path(path_type=Path)
_Any = Callable[..., Any]
_Row = TypeVar("_Row")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_NAMED = "regulars.configuration"
"""Key of the file that --config names, in click's context."""


def join_options(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Make one decorator of several options, which help shows in this order."""
    return lambda command: reduce(
        lambda decorated, option: option(decorated), reversed(options), command
    )


class _Read(click.ParamType[Any]):
    """Click type that parses an option as its setting is parsed."""

    def __init__(self, setting: Setting) -> None:
        self.name = setting.name
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_text(self._setting, value)
        except ValueError as error:
            self.fail(f"it {error}, not {value[:40]!r}", param, ctx)


SERVICE_URL = _Read(TABLE["public_url"])
"""Click type of the URL of a service."""


class _Moment(click.ParamType[Any]):
    """Click type of a time in UTC, as this program prints times; seconds and Z are optional."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            example = "2026-11-28, 2026-11-28T07:23 or 2026-11-28T07:23:05Z"
            self.fail(f"{value[:40]!r} is not a time; write it as {example}", param, ctx)
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).replace(tzinfo=UTC)


MOMENT = _Moment()


def make_option(setting: Setting) -> Callable[[_Command], _Command]:
    """Make the option of a setting.

    Its value is None if it is not given; environment and file are read next.
    """
    kind: click.ParamType[Any] = PATH if setting.read is Path else _Read(setting)
    if setting.choices:
        kind = click.Choice(setting.choices)
    source_and_default = f"[{name_variable(setting)}; default: {describe_default(setting)}]"
    help_text = f"{setting.says[0].upper()}{setting.says[1:]}.  {source_and_default}"
    return click.option(f"--{setting.name.replace('_', '-')}", type=kind, help=help_text)


def _keep_named(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    context.meta[_NAMED] = file


config_option = click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    expose_value=False,
    callback=_keep_named,
    help=f"Settings file (docs/operations.md).  [{FILE_VARIABLE}; default: ./{FILE}, if it exists]",
)
data_option = join_options(make_option(TABLE["data"]), config_option)
models_option = make_option(TABLE["models"])
serve_options = join_options(*(make_option(setting) for setting in list_rows(ServeSettings)))
stage_option = click.option("--stage", help="Use the stack of this stage in AWS instead of --data.")
storage_options = join_options(data_option, stage_option)
photos_option = click.option(
    "--photos",
    type=PATH,
    help="Folder with labels.csv, a folder per person, or files such as NAME_1.jpg.",
)
host_option = click.option("--host", default="127.0.0.1", help="Address to listen on.")
port_option = click.option(
    "--port",
    type=_Read(TABLE["port"]),
    metavar="PORT",
    default="8000",
    help="Port; 0 picks a free one.",
)


def read_configuration(**options: Any) -> Configuration:
    """Read the settings of one box: options (None: not given), environment and file.

    Raises SettingError.
    """
    return configuration.read_settings(options, os.environ, _find_named_file())


def choose_settings(
    *,
    data: Path | None = None,
    models: Path | None = None,
    here: bool = False,
    stage: str | None = None,
) -> Settings:
    """Read the settings: those of a stage, of one box or, if the environment names tables and no
    folder, of AWS.

    `here`: those of one box in any case. `data`, `models`: take precedence over the environment and
    the file. Raises NotDeployed if there is no such stage.
    """
    if stage is not None and (data is not None or _find_named_file() is not None):
        option = "--config" if data is None else "--data"
        raise click.UsageError(
            f"{option} and --stage exclude each other: data is in a folder or in a stage"
        )
    in_aws = stage is not None or not (
        here
        or data is not None
        or os.environ.get("REGULARS_DATA")
        or not os.environ.get("REGULARS_TABLE_PREFIX")
    )
    if not in_aws:
        return read_configuration(data=data, models=models).settings
    own_values = configuration.select_variables(os.environ)
    models_value = {} if models is None else {"REGULARS_MODELS": str(models)}
    if stage is None:
        return Settings.from_environment({**own_values, **models_value}, SETTINGS)
    from regulars.deploy.stage import read_settings

    values = {**own_values, **read_settings(stage), "REGULARS_DATA": "", **models_value}
    pack = os.environ.get("REGULARS_PACK") or values.get("REGULARS_PACK", "")
    return Settings.from_environment({**values, "REGULARS_PACK": pack}, SETTINGS)


def open_services(
    settings: Settings, *, new: bool = False, mailer: Mailer | None = None
) -> Services:
    """Open the services over the storage.

    `new`: make the data folder if there is none, else raise OperatorError, also if a restore of it
    has not ended. `mailer`: what sends mail; None: no mail is sent.
    """
    if isinstance(settings.storage, Path):
        (folder.prepare_folder if new else folder.require_data)(settings.storage)
    return _build(settings, mailer)


def _build(settings: Settings, mailer: Mailer | None = None) -> Services:
    from chalicelib import bootstrap  # `regulars --help` need not load storage

    return bootstrap.build(settings, mailer=mailer)


def open_services_of(data: Path | None, stage: str | None) -> AbstractContextManager[Services]:
    """Open the storage of `storage_options` while a block lasts.

    Raises OperatorError if there is no such folder, or a restore of it has not ended.
    """
    return closing(open_services(choose_settings(data=data, stage=stage)))


def open_unfinished(data: Path | None, stage: str | None) -> AbstractContextManager[Services]:
    """Open the storage of `storage_options` while a block lasts, also if a restore that has copied
    its files has not ended.

    Raises OperatorError if there is no such folder.
    """
    settings = choose_settings(data=data, stage=stage)
    if isinstance(settings.storage, Path):
        folder.require_copied(settings.storage)
    return closing(_build(settings))


_Open = Callable[[Path | None, str | None], AbstractContextManager[Services]]


def _give_services(open_storage: _Open) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a decorator that gives a command the `storage_options`, and passes it the open services
    that they name in place of them."""

    def decorate_command(command: Callable[..., Any]) -> Callable[..., Any]:
        @storage_options
        @wraps(command)
        def run(*, data: Path | None, stage: str | None, **options: Any) -> Any:
            with open_storage(data, stage) as services:
                return command(services, **options)

        return run

    return decorate_command


with_services = _give_services(open_services_of)


def _with_tenant(add_option: Callable[[_Any], _Any]) -> Callable[[_Any], _Any]:
    """Make a decorator that gives a command a tenant's name and the services, and passes it the
    tenant, in whose audit the command's act is."""

    def decorate_command(command: _Any) -> _Any:
        @add_option
        @with_services
        @wraps(command)
        def run(services: Services, *, tenant: str | None, **others: Any) -> Any:
            chosen = choose_tenant(services, tenant)
            with begin_in_tenant(chosen.name):
                return command(services, chosen, **others)

        return run

    return decorate_command


_tenant_option = click.option("--tenant", metavar="NAME", required=True, help="Tenant to work in.")
of_tenant = _with_tenant(_tenant_option)
of_only_tenant = _with_tenant(
    click.option("--tenant", metavar="NAME", help="Tenant to work in.  [default: the only one]")
)
named_tenant = _with_tenant(click.argument("tenant", metavar="NAME"))


def _with_shops(
    give_services: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Callable[[_Any], _Any]:
    """Make a decorator that gives a command the names of tenants, or all, and the services, and
    passes it the tenants."""

    def decorate_command(command: _Any) -> _Any:
        @click.option(
            "--tenant",
            "names",
            metavar="NAME",
            multiple=True,
            help="Tenant to work in; repeatable.",
        )
        @click.option("--all-shops", is_flag=True, help="With --photo: work in all tenants.")
        @give_services
        @wraps(command)
        def run(
            services: Services, *, names: tuple[str, ...], all_shops: bool, **others: Any
        ) -> Any:
            if bool(names) is all_shops:
                raise click.UsageError("pass either --tenant NAME or --all-shops")
            if others["photo"] is None and (all_shops or len(names) > 1):
                raise click.UsageError("with several tenants, name the person by --photo")
            found = _find_tenants(services, names)
            # of several, each is entered where its book is
            with begin_in_tenant(found[0].name) if len(found) == 1 else nullcontext():
                return command(services, found, **others)

        return run

    return decorate_command


of_shops = _with_shops(with_services)
of_restored_shops = _with_shops(_give_services(open_unfinished))
"""As `of_shops`, also in a book whose restore has not ended."""


def _find_tenants(services: Services, names: Sequence[str]) -> list[Tenant]:
    """Return the tenants of these names, each once, or without names all.

    One alone is ready for work on its faces. Of several each is opened by who works in it, so that
    one that is busy holds up no other. Raises TenantNotFound, Busy.
    """
    if len(names) == 1:
        return [services.tenants.get_by_name(names[0])]
    tenants = services.tenants
    return [tenants.read_stored(name) for name in dict.fromkeys(names)] or tenants.list_all()


def _find_named_file() -> Path | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_NAMED)


def print_lines(lines: Iterable[str], empty: str) -> None:
    """Print the lines of a list; if there are none, print `empty` on stderr, so that stdout has no
    lines to count."""
    line = None
    for line in lines:
        print(one_line(line))
    if line is None:
        click.echo(empty, err=True)


def read_rows(page: Callable[[str | None], ListPage[_Row]]) -> Iterator[_Row]:
    """Yield the rows of all pages of a list."""
    token, is_last = None, False
    while not is_last:
        list_page = page(token)
        yield from list_page.rows
        token, is_last = list_page.next_token, list_page.next_token is None


deed_options = join_options(
    click.option("--dry-run", is_flag=True, help="Print what would be done and change nothing."),
    click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
)


def ask_before_deed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the `deed_options` and pass it `confirm`, which asks before an irreversible
    act.

    `confirm` takes the question and returns whether to go on: False in a dry run. It raises
    OperatorError if the answer is no.
    """

    @deed_options
    @wraps(command)
    def run(*others: Any, dry_run: bool, yes: bool, **given: Any) -> Any:
        def confirm(question: str) -> bool:
            if not (dry_run or yes or ask_yes_or_no(question)):
                raise OperatorError("cancelled; nothing was changed")
            return not dry_run

        return command(*others, confirm=confirm, **given)

    return run


def ask_yes_or_no(question: str) -> bool:
    """Ask on the terminal; end of input means no. Raises OperatorError without a terminal."""
    if not sys.stdin.isatty():
        raise OperatorError("no terminal to ask for confirmation; pass --yes. Nothing was changed")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def choose_tenant(services: Services, name: str | None) -> Tenant:
    """Return the tenant of that name, or the only tenant if no name is given.

    Raises TenantNotFound, OperatorError.
    """
    if name is not None:
        return services.tenants.get_by_name(name)
    tenants = services.tenants.list_all()
    if len(tenants) != 1:
        raise OperatorError("name the tenant with --tenant; `regulars tenants list` lists them")
    return services.tenants.get_by_name(tenants[0].name)
