"""The commands `regulars tenants`, `regulars tenants keys` and `regulars console`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import IO, TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from msgspec.structs import asdict

from chalicelib.api import dialects
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.domain.rules.decision import MIN_QUALITY
from chalicelib.domain.setting import Setting
from chalicelib.domain.tenant_settings import SETTINGS, SIGHTING_DAYS, TenantSettings
from chalicelib.privacy.signing import Renewal, fingerprint, renewal_of
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, parse_text
from chalicelib.storage.values import is_uuid
from regulars import folder
from regulars.errors import NotWrittenDown, OperatorError
from regulars.options import (
    SERVICE_URL,
    ask_before_deed,
    ask_yes_or_no,
    choose_settings,
    data_option,
    join_options,
    named_tenant,
    of_only_tenant,
    open_services,
    read_configuration,
    storage_options,
    with_services,
)
from regulars.tenants.credentials import FILE, CredentialsFile, find_machine_zone, read_credentials

if TYPE_CHECKING:
    from chalicelib.book.tenants import Tenants

_NONE = "none"
_SETTABLE = {name: row for name, row in SETTINGS.items() if name != "no_pictures_of"}
"""Settings that `--set` takes. `no_pictures_of` is stored by ids of groups: v1 sets it by names."""


def _parse_value(setting: Setting, text: str) -> Any:
    """Parse a setting's text; `none` becomes None, or no text. Raises ValueError."""
    if setting.kind is bool or text != _NONE:
        if setting.kind is frozenset:
            names = frozenset(name.strip() for name in text.split(","))
            if not all(names):  # an empty shell variable must not turn everything on
                raise ValueError
            return names
        return setting.kind(text) if setting.kind in (int, float) else parse_text(setting, text)
    return "" if setting.kind is str else frozenset() if setting.kind is frozenset else None


def _describe_values(setting: Setting) -> str:
    """Describe the values that a setting takes."""
    if setting.choices:
        return " or ".join(setting.choices)
    if setting.kind is bool:
        return "yes or no"
    if setting.kind is frozenset:
        return "names with commas between them, or none"
    if setting.kind is str:
        return "text, or none"
    number = "a whole number" if setting.kind is int else "a number"
    return f"{number}, {setting.bounds}{setting.or_none}"


class _Assignment(click.ParamType[tuple[str, Any]]):
    """A setting and its value."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        setting = _SETTABLE.get(name)
        if setting is None or not equals:
            self.fail(
                f"{value[:40]!r} is not NAME=VALUE, where NAME is one of {', '.join(_SETTABLE)}",
                param,
                ctx,
            )
        try:
            return name, _parse_value(setting, text)
        except ValueError:
            self.fail(f"{name} must be {_describe_values(setting)}; not {text[:40]!r}", param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        return [
            CompletionItem(f"{name}=", help=setting.says)
            for name, setting in _SETTABLE.items()
            if name.startswith(incomplete)
        ]


class _SettingCommand(click.Command):
    """A command whose help lists the settings."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        initial = TenantSettings()
        with formatter.section("Settings (--set NAME=VALUE)"):
            formatter.write_dl(
                [
                    (
                        name,
                        f"{setting.says} Valid: {_describe_values(setting)}. "
                        f"Initially {_write_in_words(getattr(initial, name))}.",
                    )
                    for name, setting in _SETTABLE.items()
                ]
            )


_settings_options = join_options(
    click.option(
        "--strangers",
        type=click.Choice(SETTINGS["strangers"].choices),
        help="What to do with unknown visitors; short for --set strangers=...",
    ),
    click.option(
        "--set",
        "assignments",
        type=_Assignment(),
        metavar="NAME=VALUE",
        multiple=True,
        help="Setting to change, from the list below; repeatable.",
    ),
)


def _list_changes(strangers: str | None, assignments: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the given settings, by their names in TenantSettings."""
    return {**({} if strangers is None else {"strangers": strangers}), **dict(assignments)}


@click.group(no_args_is_help=False, short_help="Add, list, change and erase tenants.")
def tenants() -> None:
    """Manage tenants. Each has its own visitor book and credentials.

    \b
    Examples:
      regulars tenants add shop-12 --strangers forget --set time_zone=Europe/Berlin
      regulars tenants list
      regulars tenants set shop-12 --set requests_a_day=10000
    """


@tenants.command(cls=_SettingCommand)
@click.argument("name")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default="cloud",
    help="Limits of the tenant.",
)
@_settings_options
@storage_options
def add(
    name: str,
    profile: str,
    data: Path | None,
    stage: str | None,
    strangers: str | None,
    assignments: tuple[tuple[str, Any], ...],
) -> None:
    """Add a tenant and print its credentials.

    NAME consists of 1 to 40 lower-case letters, digits and hyphens. The time zone defaults to that
    of this machine; for a stage, set it with --set time_zone=ZONE. With `--strangers undecided`,
    unknown visitors are forgotten until an admin of the tenant decides in the console.

    \b
    Examples:
      regulars tenants add shop-12 --strangers forget
      regulars tenants add door-7 --profile camera --strangers undecided
      regulars tenants add shop-12 --strangers undecided --stage prod \\
        --set time_zone=Europe/Berlin
    """
    changes = _list_changes(strangers, assignments)
    if "strangers" not in changes:
        raise click.UsageError(
            "choose what to do with unknown visitors: --strangers forget keeps only a count of "
            "them, so they never become regulars; --strangers keep remembers them for "
            "stranger_days (1: for the day), so that they can. In the EU, keeping requires a "
            "ground under GDPR Article 9(2): record it with --set basis=TEXT and who decided with "
            "--set strangers_decided_by=NAME (docs/tasks/consent.md)"
        )
    with closing(open_services(choose_settings(data=data, stage=stage), new=True)) as services:
        if "time_zone" not in changes and not isinstance(services.settings.storage, Path):
            raise InvalidInput(
                "time_zone is required for a stage: set the shop's, such as --set "
                "time_zone=Europe/Berlin"
            )
        settings = TenantSettings(**{"time_zone": find_machine_zone(), **changes})
        with begin_in_tenant(name):
            _change_and_print_credentials(
                services, lambda book: book.add(name, Profile(profile), settings)
            )
        tenant = services.tenants.read_stored(name)
        for said in (*tenant.asked, dialects.describe_feelings(tenant)):
            print(said, file=sys.stderr)
        if tenant.model != services.ports.model():
            print(
                "it uses the face models of the other tenants until a day after an update; change "
                "them then with `regulars reembed`",
                file=sys.stderr,
            )
    print(
        f"days start and end in the time zone {settings.time_zone}; change it with `tenants set`",
        file=sys.stderr,
    )
    stage_options = f" --stage {stage} --url URL, with the URL that `regulars deploy` printed"
    place_options = stage_options if stage else f" --data {quote(str(data))}" if data else ""
    print(
        f"to sign a browser in: regulars console --tenant {name}{place_options}",
        file=sys.stderr,
    )


@tenants.command("list", short_help="List all tenants, or all settings of one.")
@click.argument("name", required=False)
@with_services
def list_all(services: Services, name: str | None) -> None:
    """List all tenants, or all settings and the face model of the tenant NAME."""
    if name is not None:
        _print_settings(services, services.tenants.get_by_name(name))
        return
    for line in format_tenants(services.tenants.list_all()):
        print(line)
    for erasure in services.erasure.of_tenants.list_all():
        how = (
            "is erased"
            if erasure.next_step is None
            else f"is being erased: `regulars tenants erase {erasure.tenant}` continues"
        )
        print(f"{erasure.tenant}  {how}, requested {erasure.at:%Y-%m-%d}")


@tenants.command("set", cls=_SettingCommand, short_help="Change, disable or enable a tenant.")
@_settings_options
@click.option(
    "--disable/--enable", "is_disabled", default=None, help="Reject or accept its requests."
)
@click.option("--yes", is_flag=True, help="Do not ask before unknown visitors are erased.")
@named_tenant
def change(
    services: Services,
    tenant: Tenant,
    *,
    strangers: str | None,
    assignments: tuple[tuple[str, Any], ...],
    is_disabled: bool | None,
    yes: bool,
) -> None:
    """Change settings of a tenant. The service can keep running.

    If the change erases unknown visitors who are remembered now, the command shows how many and
    asks. Requests of a disabled tenant are rejected; its data stays.

    \b
    Examples:
      regulars tenants set shop-12 --set time_zone=Europe/Berlin --set requests_a_day=10000
      regulars tenants set shop-12 --set attributes_off=beauty,emotion
      regulars tenants set shop-12 --disable
    """
    changes = _list_changes(strangers, assignments)
    if not changes and is_disabled is None:
        raise InvalidInput(
            "nothing to change: pass --set, --strangers, --disable or --enable (`regulars tenants "
            "set --help` lists the settings)"
        )
    choice = {each: changes[each] for each in changes if each in ("strangers", "stranger_days")}
    going = services.erasure.strangers.count_forgotten(tenant, choice)
    if going and not (yes or ask_yes_or_no(f"This erases {going} unknown visitors now. Go on?")):
        raise OperatorError("cancelled; nothing was changed")
    if changes:
        services.tenants.change_settings(tenant.name, changes)
    if is_disabled is not None:
        (services.tenants.disable if is_disabled else services.tenants.enable)(tenant.name)
    _print_settings(services, services.tenants.get_by_name(tenant.name))


@tenants.command(short_help="Replace a tenant's keys and code.")
@ask_before_deed
@named_tenant
def rotate(services: Services, tenant: Tenant, confirm: Callable[[str], bool]) -> None:
    """Replace a tenant's keys and code. The old ones stop working at once."""
    if confirm(f"Replace the keys and code of {tenant.name}? The old ones stop working."):
        _change_and_print_credentials(services, lambda book: book.rotate_keys(tenant.name))


@tenants.command(short_help="Print a tenant's API key.")
@click.argument("name")
@data_option
def key(name: str, data: Path | None) -> None:
    """Print the API key of a box's tenant, for REGULARS_API_KEY of clients.

    \b
    Examples:
      export REGULARS_API_KEY=$(regulars tenants key shop)
    """
    storage = choose_settings(data=data, here=True).storage
    assert isinstance(storage, Path)  # noqa: S101 -- it is of one box
    credentials_of_tenant = read_credentials(storage).get(name)
    if credentials_of_tenant is None:
        raise OperatorError(
            f"{storage / FILE} has no tenant {name!r}; `regulars tenants list` lists all"
        )
    print(credentials_of_tenant.api_key)


@tenants.command("renew-signing")
@click.option(
    "--lost",
    is_flag=True,
    help="Proceed although the old key is unreadable and cannot sign the new one.",
)
@named_tenant
def renew_signing(services: Services, tenant: Tenant, *, lost: bool) -> None:
    """Replace the key that signs a tenant's receipts and audit.

    Signatures of the old key stay valid. The next sweep signs hours and receipts that wait for a
    key.

    \b
    Examples:
      regulars tenants renew-signing shop-12
      regulars tenants renew-signing shop-12 --lost --stage prod
    """
    renewal = renewal_of(services.audit.signing.renew_key(tenant.name, is_lost=lost))
    print(f"fingerprint  {fingerprint(renewal.new)}")
    print(f"before that  {describe_earlier_key(renewal)}")
    print(
        "give the new fingerprint to those who verify, and store the next head of the audit "
        "elsewhere; pending receipts are signed by the next sweep"
    )


def _print_settings(services: Services, tenant: Tenant) -> None:
    """Print all settings of one tenant, a line each."""
    value_by_setting = describe_tenant(tenant)
    for setting, days in (
        ("capture_days", services.settings.capture_days),
        ("sighting_days", SIGHTING_DAYS),
    ):
        value_by_setting[setting] = (
            f"{days} (the service's)"
            if value_by_setting[setting] == "any"
            else value_by_setting[setting]
        )
    for line in align_rows([*value_by_setting.items()]):
        print(line)


def describe_tenant(tenant: Tenant) -> dict[str, str]:
    """Describe a tenant's settings in words, by the settings' names."""
    return {
        "tenant": tenant.name,
        "profile": tenant.profile.value,
        "app_id": tenant.app_id,
        "state": _name_state(tenant),
        "since": f"{tenant.created_at:%Y-%m-%d}",
        **{setting.name: _describe_value(tenant, setting) for setting in SETTINGS.values()},
        "enrol_quality": _write_in_words(
            MIN_QUALITY if tenant.enrol_quality is None else tenant.enrol_quality
        ),
        "faces": str(tenant.limits.faces),
        "groups": str(tenant.limits.groups),
        "model": tenant.model,
    }


def _describe_value(tenant: Tenant, setting: Setting) -> str:
    return _write_in_words(getattr(tenant, setting.name), "any" if setting.kind is int else "none")


def _write_in_words(value: object, nothing: str = "none") -> str:
    """Write a setting's value. `nothing`: the word for one that is not set."""
    match value:
        case None | "":
            return nothing
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case frozenset():
            return ",".join(sorted(value)) or nothing
    return str(value)


def format_tenants(tenants: Iterable[Tenant]) -> list[str]:
    """Format a heading and a line for each tenant, in aligned columns."""
    heading = "TENANT|PROFILE|APP_ID|STATE|SINCE|TIME ZONE|REQUESTS A DAY|ONLY|NAME"
    return align_rows([heading.split("|"), *map(_list_cells, tenants)])


def _list_cells(tenant: Tenant) -> list[str]:
    strict = {"HMAC-SHA256": tenant.refuse_md5, "numeric faceids": tenant.numeric_faceids_only}
    return [
        *(tenant.name, tenant.profile.value, tenant.app_id, _name_state(tenant)),
        f"{tenant.created_at:%Y-%m-%d}",
        tenant.time_zone,
        _write_in_words(tenant.requests_a_day, "any"),
        ", ".join(rule for rule, is_set in strict.items() if is_set),
        tenant.display_name,
    ]


def align_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows in columns, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    ]


def _name_state(tenant: Tenant) -> str:
    return "disabled" if tenant.disabled else "active"


def describe_earlier_key(renewal: Renewal) -> str:
    """Describe the key that a renewal ended: its fingerprint, when it was in use, and if it signed
    the next one."""
    vouches = (
        "it signed the next key"
        if renewal.is_vouched
        else "it was lost and did not sign the next key"
    )
    return f"{fingerprint(renewal.old)}, from {renewal.since} to {renewal.until}; {vouches}"


def _change_and_print_credentials(
    services: Services, change: Callable[[CredentialsFile | Tenants], Credentials]
) -> None:
    """Make the change and print the new credentials.

    A box also writes them to credentials.json; if that fails, they are printed before the error is
    raised. A stage never shows them again.
    """
    if isinstance(services.settings.storage, Path):
        book = CredentialsFile(services.settings.storage, services.tenants)
        try:
            print(json.dumps(asdict(change(book)), indent=2))
        except NotWrittenDown as error:
            print(json.dumps(asdict(error.credentials), indent=2), flush=True)
            raise
        print(f"also in {book.path}", file=sys.stderr)
    else:
        print(json.dumps(asdict(change(services.tenants)), indent=2))
        print(
            "save these credentials now: they are stored encrypted or hashed and never shown again",
            file=sys.stderr,
        )


_MOST_READ = 1000
"""Characters of a file with a key."""

_WITH_SERVICES = [one.name for one in dialects.DIALECTS if one.services]

_key_files = join_options(
    *(
        click.option(
            f"--{one}",
            type=click.File(),
            help=f"File with the {one} key that clients already use (-: standard input).",
        )
        for one in dialects.SERVICES
    )
)


@tenants.group(no_args_is_help=False, short_help="Make keys for another API's clients.")
def keys() -> None:
    """Make keys for clients of another API. For v1, use `regulars call add-key`.

    \b
    Examples:
      regulars tenants keys add shop-12 "Double Take" --for DIALECT --group family
    """


@keys.command("add")
@named_tenant
@click.argument("key_name", metavar="KEY_NAME")
@click.option(
    "--for",
    "dialect",
    type=click.Choice(_WITH_SERVICES),
    required=True,
    help="API of the clients.",
)
@click.option(
    "--group",
    metavar="NAME",
    required=True,
    help="Group of its subjects; created if missing.",
)
@_key_files
def add_key(
    services: Services,
    tenant: Tenant,
    key_name: str,
    *,
    dialect: str,
    group: str,
    **files: IO[str] | None,
) -> None:
    """Make keys for clients of an API and print them. They are never shown again."""
    given_uuids = {
        service: None if file is None else file.read(_MOST_READ).strip()
        for service, file in files.items()
    }
    names = [*dialects.find_dialect(dialect).services]
    _add_services(services, tenant, key_name, names, group, given_uuids)


def _add_services(
    services: Services,
    tenant: Tenant,
    key_name: str,
    names: Sequence[str],
    group_name: str,
    given_uuids: Mapping[str, str | None],
) -> None:
    """Make and print a key for each of these services of a dialect.

    The first key reaches the group `group_name`, which is created if missing. `given_uuids`: keys
    that clients already use, by service; None: make a new one. Raises OperatorError, before
    anything is made, if a key is not a UUID or belongs to a service of another dialect.
    """
    if not all(value is None or is_uuid(value) for value in given_uuids.values()):
        raise OperatorError("a key file must contain one UUID of 36 characters and nothing else")
    if other := next(
        (name for name, value in given_uuids.items() if value is not None and name not in names),
        None,
    ):
        raise OperatorError(
            f"--{other} is not of this dialect; valid: {', '.join(f'--{name}' for name in names)}"
        )
    groups = services.groups
    if groups.find(tenant, group_name) is None:
        groups.create(tenant, group_name, groups.choose_implicit_capacity(tenant), "")
    group = groups.get_by_name(tenant, group_name)
    for service in names:
        group_id = group.id if service == names[0] else ""
        print(
            f"{service}:",
            add_service_key(
                services, tenant, f"{key_name}, {service}", service, group_id, given_uuids[service]
            ),
        )
    print(f"save these keys of {tenant.name} now: they are never shown again", file=sys.stderr)


@click.command(short_help="Print a sign-in link for the console.")
@click.option(
    "--key", "key_id", metavar="ID", default=FIRST, help="Key that gives the session its role."
)
@click.option(
    "--url",
    type=SERVICE_URL,
    metavar="URL",
    help="Base URL of the service.  [default: public_url, or where the service listens]",
)
@of_only_tenant
def console(services: Services, tenant: Tenant, key_id: str, url: str | None) -> None:
    """Print a link that signs a browser in to the console. It works once, for ten minutes.

    The code follows `#`, so that it appears in no server log.

    \b
    Examples:
      regulars console --tenant shop
      regulars console --tenant shop-12 --url https://box.example
    """
    base_url = url or services.settings.public_url or find_url(services.settings.storage)
    print(make_link(services, tenant, key_id, base_url))


def make_link(services: Services, tenant: Tenant, key_id: str, url: str) -> str:
    """Return a sign-in link to the console with a new code for the key. Raises KeyNotFound."""
    code = services.access.sessions.make_code(tenant, services.access.keys.get(tenant, key_id))
    return f"{url.rstrip('/')}/console#code={code}"


def find_url(storage: Path | AwsStorage) -> str:
    """Return the URL of the running service, or the one that the settings give it.

    Raises OperatorError for a stage.
    """
    if not isinstance(storage, Path):
        raise OperatorError(
            "--url is required for a stage: pass the URL that `regulars deploy` printed"
        )
    running = folder.find_server(storage)
    return running.url if running and running.url else read_configuration().serving.url
