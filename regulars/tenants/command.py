"""The command line of `regulars tenants`, with `keys` of a tenant, and `regulars console`: a link
that signs in."""

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
                f"it is NAME=VALUE, where NAME is {' or '.join(_SETTABLE)}, not {value[:40]!r}",
                param,
                ctx,
            )
        try:
            return name, _parse_value(setting, text)
        except ValueError:
            self.fail(f"{name} is {_describe_values(setting)}; not {text[:40]!r}", param, ctx)

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
        help="Short for --set strangers=...",
    ),
    click.option(
        "--set",
        "assignments",
        type=_Assignment(),
        metavar="NAME=VALUE",
        multiple=True,
        help="Setting to change, from the list below; repeat for several.",
    ),
)


def _list_changes(strangers: str | None, assignments: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the given settings, by their names in TenantSettings."""
    return {**({} if strangers is None else {"strangers": strangers}), **dict(assignments)}


@click.group(no_args_is_help=False, short_help="Add, list, change and erase tenants.")
def tenants() -> None:
    """Manage customers: isolated galleries with credentials of their own.

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
    help="Set of limits that it gets.",
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
    """Make a tenant and print its credentials.

    NAME has 1 to 40 small letters, digits and hyphens. Its days are those of this machine's time
    zone, or of the one that you name; a stage has none of its own. With `--strangers undecided`,
    unknown visitors are forgotten until an admin of the tenant chooses in the console.

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
            "say what becomes of strangers: --strangers forget keeps nothing of somebody who "
            "matches nobody, but a count, so nobody unknown becomes a regular; --strangers keep "
            "remembers them for stranger_days (1: within the day), so that they can become "
            "regulars. In the EU that needs a ground of the GDPR's Article 9(2): say it by "
            "--set basis=TEXT, and who decided it by --set strangers_decided_by=NAME "
            "(docs/tasks/consent.md)"
        )
    with closing(open_services(choose_settings(data=data, stage=stage), new=True)) as services:
        if "time_zone" not in changes and not isinstance(services.settings.storage, Path):
            raise InvalidInput(
                "a stage has no time zone of its own: set the shop's, as --set "
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
                "its face models are those of the other tenants, for a day after an update: "
                "`regulars reembed` changes "
                "them later",
                file=sys.stderr,
            )
    print(
        f"its days are counted in the time zone {settings.time_zone}; `tenants set` changes that",
        file=sys.stderr,
    )
    stage_options = f" --stage {stage} --url URL, with the URL that `regulars deploy` printed"
    place_options = stage_options if stage else f" --data {quote(str(data))}" if data else ""
    print(
        f"for a link that signs a browser in: regulars console --tenant {name}{place_options}",
        file=sys.stderr,
    )


@tenants.command("list", short_help="List all tenants, or all settings of one.")
@click.argument("name", required=False)
@with_services
def list_all(services: Services, name: str | None) -> None:
    """List all tenants; or all settings of the tenant NAME, and the model of its searches."""
    if name is not None:
        _print_settings(services, services.tenants.get_by_name(name))
        return
    for line in format_tenants(services.tenants.list_all()):
        print(line)
    for erasure in services.erasure.of_tenants.list_all():
        how = (
            "is erased"
            if erasure.next_step is None
            else f"is being erased: `regulars tenants erase {erasure.tenant}` goes on"
        )
        print(f"{erasure.tenant}  {how}, asked {erasure.at:%Y-%m-%d}")


@tenants.command("set", cls=_SettingCommand, short_help="Change, disable or enable a tenant.")
@_settings_options
@click.option(
    "--disable/--enable", "is_disabled", default=None, help="Refuse its requests, or accept them."
)
@click.option("--yes", is_flag=True, help="Delete strangers by `--strangers` without asking.")
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
    """Change settings of a tenant, also while the service runs.

    If `strangers` deletes strangers who are kept now, it says how many, and asks. While a tenant is
    disabled, its requests are refused; its data stays.

    \b
    Examples:
      regulars tenants set shop-12 --set time_zone=Europe/Berlin --set requests_a_day=10000
      regulars tenants set shop-12 --set attributes_off=beauty,emotion
      regulars tenants set shop-12 --disable
    """
    changes = _list_changes(strangers, assignments)
    if not changes and is_disabled is None:
        raise InvalidInput("say what to set; `regulars tenants set --help` lists what there is")
    choice = {each: changes[each] for each in changes if each in ("strangers", "stranger_days")}
    going = services.erasure.strangers.count_forgotten(tenant, choice)
    if going and not (yes or ask_yes_or_no(f"{going} strangers are erased at once. Go on?")):
        raise OperatorError("nothing is changed")
    if changes:
        services.tenants.change_settings(tenant.name, changes)
    if is_disabled is not None:
        (services.tenants.disable if is_disabled else services.tenants.enable)(tenant.name)
    _print_settings(services, services.tenants.get_by_name(tenant.name))


@tenants.command(short_help="Give a tenant new keys and a new code.")
@ask_before_deed
@named_tenant
def rotate(services: Services, tenant: Tenant, confirm: Callable[[str], bool]) -> None:
    """Give a tenant new keys and a new code; the old ones stop working."""
    if confirm(f"The keys and the code that {tenant.name} has stop working. Make new ones?"):
        _change_and_print_credentials(services, lambda book: book.rotate_keys(tenant.name))


@tenants.command(short_help="Print a tenant's API key.")
@click.argument("name")
@data_option
def key(name: str, data: Path | None) -> None:
    """Print a tenant's API key, of one box: what clients take as REGULARS_API_KEY.

    \b
    Examples:
      export REGULARS_API_KEY=$(regulars tenants key shop)
    """
    storage = choose_settings(data=data, here=True).storage
    assert isinstance(storage, Path)  # noqa: S101 -- it is of one box
    credentials_of_tenant = read_credentials(storage).get(name)
    if credentials_of_tenant is None:
        raise OperatorError(
            f"{storage / FILE} has no tenant {name!r}: `regulars tenants list` shows all"
        )
    print(credentials_of_tenant.api_key)


@tenants.command("renew-signing")
@click.option(
    "--lost",
    is_flag=True,
    help="Go on if the old key cannot be read any more, and so cannot sign the new one.",
)
@named_tenant
def renew_signing(services: Services, tenant: Tenant, *, lost: bool) -> None:
    """Give a tenant a new key that signs receipts and the audit.

    The old key's signatures stay good. The next sweep signs the hours and receipts that wait for a
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
        "hand out the new fingerprint, and keep the audit's next head elsewhere; what waits is "
        "signed by the next sweep"
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
        "it signed the next key, too"
        if renewal.is_vouched
        else "it was lost, and did not sign the next key"
    )
    return f"{fingerprint(renewal.old)}, from {renewal.since} to {renewal.until}; {vouches}"


def _change_and_print_credentials(
    services: Services, change: Callable[[CredentialsFile | Tenants], Credentials]
) -> None:
    """Make the change and print the credentials.

    On one box they are also written to credentials.json. If that fails, they are printed before the
    error is raised. A stage never shows them again.
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
            "keep these: the cloud keeps app_key and secret_access_key sealed, appcode and api_key "
            "as hashes, "
            "and shows none of them again",
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
            help=f"File (-: standard input) of the {one} key that clients have.",
        )
        for one in dialects.SERVICES
    )
)


@tenants.group(no_args_is_help=False, short_help="Make keys for another API's clients.")
def keys() -> None:
    """Make keys for clients of another API. Keys of v1 are made by `regulars call add-key`.

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
    help="The group of its subjects; it is made if there is none.",
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
    """Make and print the keys of an API's clients.

    They are shown nowhere else.
    """
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

    The first one reaches the group `group_name`.

    The group is made if it is not there. `given_uuids`: the keys that clients have already, by
    service; None: a new key is made. Raises OperatorError, before anything is made, if one is no
    UUID, or is of another dialect's service.
    """
    if not all(value is None or is_uuid(value) for value in given_uuids.values()):
        raise OperatorError(
            "a key of such a client is a UUID in 36 characters, and nothing else stands in its file"
        )
    if other := next(
        (name for name, value in given_uuids.items() if value is not None and name not in names),
        None,
    ):
        raise OperatorError(
            f"--{other} is of another dialect: here are {', '.join(f'--{name}' for name in names)}"
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
    print(f"keys of {tenant.name}; only hashes of them are kept: note them now", file=sys.stderr)


@click.command(short_help="Print a link that signs a browser in.")
@click.option(
    "--key", "key_id", metavar="ID", default=FIRST, help="Key whose rights the session has."
)
@click.option(
    "--url",
    type=SERVICE_URL,
    metavar="URL",
    help="Beginning of the service's URLs.  [default: public_url, or where the service listens]",
)
@of_only_tenant
def console(services: Services, tenant: Tenant, key_id: str, url: str | None) -> None:
    """Print a link that signs a browser in, once, within ten minutes.

    The code stands behind `#`, so that it gets into no log.

    \b
    Examples:
      regulars console --tenant shop
      regulars console --tenant shop-12 --url https://box.example
    """
    base_url = url or services.settings.public_url or find_url(services.settings.storage)
    print(make_link(services, tenant, key_id, base_url))


def make_link(services: Services, tenant: Tenant, key_id: str, url: str) -> str:
    """Make a code for the key, and the link that brings it to the console. Raises KeyNotFound."""
    code = services.access.sessions.make_code(tenant, services.access.keys.get(tenant, key_id))
    return f"{url.rstrip('/')}/console#code={code}"


def find_url(storage: Path | AwsStorage) -> str:
    """Return the folder's URL or, if no service runs, the one that it would have.

    Raises OperatorError for a stage.
    """
    if not isinstance(storage, Path):
        raise OperatorError(
            "say where the stage is served, with --url: `regulars deploy` printed it"
        )
    running = folder.find_server(storage)
    return running.url if running and running.url else read_configuration().serving.url
