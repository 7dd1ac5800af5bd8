"""The command line of `regulars tenants`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Profile
from chalicelib.core.setting import Setting
from chalicelib.core.tenant_settings import SETTINGS, TenantSettings
from regulars.errors import OperatorError
from regulars.options import asking, data_option, opened, settings_of, storage_options, together, with_services
from regulars.tenants import keys

if TYPE_CHECKING:
    from chalicelib.services import Services

_NONE = "none"


def _count(text: str) -> int | str:
    if text == _NONE:
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text)):
        raise click.BadParameter(f"a whole number from 1, or `none`, not {text[:40]!r}")
    return int(text)


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(","))
    if not all(names):  # an empty shell variable must not turn everything on
        raise click.BadParameter(f"names with commas between them, or `none`, not {text[:40]!r}")
    return frozenset() if names == {_NONE} else names


def _amount(text: str) -> float | str:
    try:
        return text if text == _NONE else float(text)
    except ValueError:
        raise click.BadParameter(f"a number, or `none`, not {text[:40]!r}") from None


def _option(one: Setting) -> Callable[[Any], Any]:
    """Make the option of a setting."""
    called = one.name.replace("_", "-") if one.option == "=" else one.option
    if one.kind is bool:
        on, _, off = called.partition("/--")
        return click.option(f"--{on}/--{off or f'no-{on}'}", one.name, default=None, help=one.says)
    kind, metavar = _KINDS[one.kind]
    bounds = f"Legal: {one.bounds}{one.or_none}." if one.kind in (int, float) else ""
    begins = getattr(TenantSettings(), one.name)
    initial = f"Initially {begins:,}." if isinstance(begins, int | float) else ""
    says = " ".join(filter(None, (one.says, bounds, initial)))
    return click.option(f"--{called}", one.name, type=kind, metavar=metavar, help=says)


_KINDS = {int: (_count, "N"), float: (_amount, "NUMBER"), str: (str, "TEXT"), frozenset: (_names, "NAMES")}
_settings_options = together(*(_option(one) for one in SETTINGS.values() if one.option))


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """Pick the given settings, by their names in TenantSettings; `none` becomes None, or no text."""
    texts = {name for name, one in SETTINGS.items() if one.kind is str}
    nothing = dict.fromkeys(texts, "")
    return {name: nothing.get(name) if value == _NONE else value for name, value in given.items() if value is not None}


@click.group(no_args_is_help=False, short_help="Add, list, set, rotate, disable and enable tenants.")
def tenants() -> None:
    """Manage customers: isolated galleries with credentials of their own.

    \b
    Examples:
      regulars tenants add shop-12 --time-zone Europe/Berlin
      regulars tenants list
      regulars tenants set shop-12 --requests-a-day 10000
    """


@tenants.command()
@click.argument("name")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default="cloud",
    help="Set of limits that it gets.",
)
@_settings_options
@storage_options
def add(name: str, profile: str, data: Path | None, stage: str | None, **given: Any) -> None:
    """Make a tenant and print its credentials.

    NAME has 1 to 40 small letters, digits and hyphens. Its days are those of this machine's time zone, or of the one
    that you name; a stage has none of its own.

    \b
    Examples:
      regulars tenants add shop-12
      regulars tenants add door-7 --profile camera
      regulars tenants add shop-12 --stage prod --time-zone Europe/Berlin
    """
    from regulars.tenants import tenants

    with closing(opened(settings_of(data=data, stage=stage), new=True)) as services:
        tenants.add(services, name, Profile(profile), _changes(given))
    there = f" --stage {stage} --url URL, with the URL that `regulars deploy` printed"
    where = there if stage else f" --data {quote(str(data))}" if data else ""
    print(f"for a link that signs a browser in: regulars console --tenant {name}{where}", file=sys.stderr)


@tenants.command("list")
@with_services
def list_all(services: Services) -> None:
    """List all tenants."""
    from regulars.tenants.tenants import table

    for line in table(services.tenants.all()):
        print(line)


@tenants.command(short_help="Show all settings of a tenant.")
@click.argument("name")
@with_services
def show(services: Services, name: str) -> None:
    """Show all settings of a tenant, and the model of its searches."""
    from regulars.tenants import tenants

    tenants.show(services, name)


@tenants.command("set")
@click.argument("name")
@_settings_options
@with_services
def change(services: Services, name: str, **given: Any) -> None:
    """Change settings of a tenant, also while the service runs.

    \b
    Examples:
      regulars tenants set shop-12 --time-zone Europe/Berlin --requests-a-day 10000
      regulars tenants set shop-12 --attributes-off beauty,emotion
      regulars tenants set shop-12 --faces 100000
    """
    from regulars.tenants import tenants

    changes = _changes(given)
    if not changes:
        raise InvalidInput("say what to set; `regulars tenants set --help` lists what there is")
    services.tenants.change(name, changes)
    tenants.show(services, name)


@tenants.command(short_help="Give a tenant new keys and a new code.")
@click.argument("name")
@asking
@with_services
def rotate(services: Services, name: str, may: Callable[[str], bool]) -> None:
    """Give a tenant new keys and a new code; the old ones stop working."""
    from regulars.tenants.tenants import print_new

    services.tenants.named(name)
    if may(f"The keys and the code that {name} has stop working. Make new ones?"):
        print_new(services, lambda book: book.rotate(name))


@tenants.command(short_help="Print a tenant's API key.")
@click.argument("name")
@data_option
def key(name: str, data: Path | None) -> None:
    """Print a tenant's API key, of one box: what clients take as REGULARS_API_KEY.

    \b
    Examples:
      export REGULARS_API_KEY=$(regulars tenants key shop)
    """
    from regulars.tenants import credentials

    storage = settings_of(data=data, here=True).storage
    assert isinstance(storage, Path)  # noqa: S101 -- it is of one box
    found = credentials.read(storage).get(name)
    if found is None:
        raise OperatorError(f"{storage / credentials.FILE} has no tenant {name!r}: `regulars tenants list` shows all")
    print(found.api_key)


@tenants.command("renew-signing")
@click.argument("name")
@click.option(
    "--lost", is_flag=True, help="Go on if the old key cannot be read any more, and so cannot sign the new one."
)
@with_services
def renew_signing(services: Services, name: str, *, lost: bool) -> None:
    """Give a tenant a new key that signs receipts and the audit.

    What the old key signed stays as good as it was. What waits for a key is signed by the next sweep.

    \b
    Examples:
      regulars tenants renew-signing shop-12
      regulars tenants renew-signing shop-12 --lost --stage prod
    """
    from chalicelib.core.signing import fingerprint, renewal_of
    from regulars.tenants.tenants import earlier

    renewal = renewal_of(services.audit.signing.renew(services.tenants.named(name).name, is_lost=lost))
    print(f"fingerprint  {fingerprint(renewal.new)}")
    print(f"before that  {earlier(renewal)}")
    print(
        "hand out the new fingerprint, and keep the audit's next head elsewhere; what waits is signed by the next sweep"
    )


@tenants.command()
@click.argument("name")
@with_services
def disable(services: Services, name: str) -> None:
    """Refuse a tenant's requests; its data stays."""
    services.tenants.disable(name)
    print(f"{name} is disabled: its requests are refused, its data stays")


@tenants.command()
@click.argument("name")
@with_services
def enable(services: Services, name: str) -> None:
    """Accept a disabled tenant's requests again."""
    services.tenants.enable(name)
    print(f"{name} is enabled")


tenants.add_command(keys.keys)
