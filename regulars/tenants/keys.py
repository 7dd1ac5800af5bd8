"""`regulars tenants keys`: the keys of a tenant, and `regulars console`, which makes a link that signs in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from chalicelib.core.access import DIALECTS, FIRST, Role
from chalicelib.core.values import is_uuid
from regulars import folder
from regulars.errors import OperatorError
from regulars.options import asking, configured, tenant_of, with_services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from chalicelib.core.access import ApiKey
    from chalicelib.core.model import Tenant
    from chalicelib.services import Services
    from chalicelib.settings import AwsStorage


_MOST_READ = 1000
"""Characters of a file with a key."""


@click.group(no_args_is_help=False, short_help="Make, list, renew and delete keys of a tenant.")
def keys() -> None:
    """Manage keys of a tenant: for v1 one for each person and each program, with a role.

    \b
    Examples:
      regulars tenants keys add shop-12 "Ann's phone" --role operator
      regulars tenants keys add shop-12 "Double Take" --for compreface --group family
      regulars tenants keys add shop-12 Viseron --for deepstack --group family
      regulars tenants keys list shop-12
      regulars tenants keys delete shop-12 2305843009213693952
    """


@keys.command("list")
@click.argument("name")
@with_services
def show(services: Services, name: str) -> None:
    """List the keys: id, role, last use, end, name."""
    for line in table(services.access.keys.all(services.tenants.named(name))):
        print(line)


@keys.command()
@click.argument("name")
@click.argument("key_name", metavar="KEY_NAME")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", help="What it may do.")
@click.option("--pictures/--no-pictures", default=True, help="Whether it sees pictures of people.")
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="Days until it ends.  [default: no end]")
@click.option("--for", "dialect", type=click.Choice(list(DIALECTS)), help="Keys for this API's clients instead.")
@click.option("--group", metavar="NAME", help="With --for: the group of its subjects; it is made if there is none.")
@click.option(
    "--recognition",
    type=click.File(),
    metavar="FILE",
    help="With --for: file of the key (a UUID) that clients have already; - is the standard input. Likewise:",
)
@click.option("--detection", type=click.File(), metavar="FILE")
@click.option("--verification", type=click.File(), metavar="FILE")
@click.option("--deepstack", type=click.File(), metavar="FILE")
@with_services
def add(
    services: Services,
    name: str,
    key_name: str,
    role: str,
    *,
    pictures: bool,
    days: int | None,
    dialect: str | None,
    group: str | None,
    **files: IO[str] | None,
) -> None:
    """Make a key and print its secret, which is shown nowhere else."""
    if (dialect is None) != (group is None) or (dialect is None and any(files.values())):
        raise OperatorError("--for and --group go together, and the keys that clients have already go with them")
    if dialect is not None and group is not None:
        given = {service: None if file is None else file.read(_MOST_READ).strip() for service, file in files.items()}
        _add_services(services, services.tenants.named(name), key_name, DIALECTS[dialect], group, given)
        return
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    tenant = services.tenants.named(name)
    key, secret = services.access.keys.add(tenant, key_name, Role(role), pictures=pictures, expires_at=expires_at)
    print(secret)
    print(f"key {key.id} of {name}; only a hash of it is kept: note it now", file=sys.stderr)


def _add_services(
    services: Services,
    tenant: Tenant,
    key_name: str,
    names: Sequence[str],
    group_name: str,
    given: Mapping[str, str | None],
) -> None:
    if not all(one is None or is_uuid(one) for one in given.values()):
        raise OperatorError("a key of such a client is a UUID in 36 characters, and nothing else stands in its file")
    if other := next((name for name, one in given.items() if one is not None and name not in names), None):
        raise OperatorError(f"--{other} is of another dialect: here are {', '.join(f'--{name}' for name in names)}")
    groups = services.groups
    if groups.find(tenant, group_name) is None:
        groups.create(tenant, group_name, groups.implicit_capacity(tenant), "")
    group = groups.named(tenant, group_name)
    for service in names:
        of = group.id if service == names[0] else ""
        print(
            f"{service}:", services.access.keys.add_for(tenant, f"{key_name}, {service}", service, of, given[service])
        )
    print(f"keys of {tenant.name}; only hashes of them are kept: note them now", file=sys.stderr)


@keys.command(short_help="Give a key another secret; the old one stops.")
@click.argument("name")
@click.argument("key_id", metavar="ID")
@asking
@with_services
def renew(services: Services, name: str, key_id: str, may: Callable[[str], bool]) -> None:
    """Give a key another secret and print that; the old one stops at once. For the first: `regulars tenants rotate`."""
    if _agreed(services, name, key_id, may, "gets another secret"):
        print(services.access.keys.renew(services.tenants.named(name), key_id))


@keys.command()
@click.argument("name")
@click.argument("key_id", metavar="ID")
@asking
@with_services
def delete(services: Services, name: str, key_id: str, may: Callable[[str], bool]) -> None:
    """Delete a key; it and the sessions that it began stop at once."""
    if _agreed(services, name, key_id, may, "is deleted"):
        services.access.keys.delete(services.tenants.named(name), key_id)


def _agreed(services: Services, name: str, key_id: str, may: Callable[[str], bool], what: str) -> bool:
    key = services.access.keys.get(services.tenants.named(name), key_id)
    return may(f"Key {key.id} ({key.name}) {what}, and who has it is signed out. Go on?")


@click.command(short_help="Print a link that signs a browser in.")
@click.option("--tenant", metavar="NAME", help="Tenant to sign in to.  [default: the only one]")
@click.option("--key", "key_id", metavar="ID", default=FIRST, help="Key whose rights the session has.")
@click.option("--url", help="Beginning of the service's URLs.  [default: public_url, or where the service listens]")
@with_services
def console(services: Services, tenant: str | None, key_id: str, url: str | None) -> None:
    """Print a link that signs a browser in, once, within ten minutes.

    The code stands behind `#`, so that it gets into no log.

    \b
    Examples:
      regulars console --tenant shop
      regulars console --tenant shop-12 --url https://box.example
    """
    at = url or services.settings.public_url or _listens(services.settings.storage)
    print(link(services, tenant_of(services, tenant), key_id, at))


def link(services: Services, tenant: Tenant, key_id: str, url: str) -> str:
    """Make a code for the key, and the link that brings it to the console. Raises KeyNotFound."""
    code = services.access.sessions.code(tenant, services.access.keys.get(tenant, key_id))
    return f"{url.rstrip('/')}/console#code={code}"


def _listens(storage: Path | AwsStorage) -> str:
    """Return where the folder's service listens or, if none runs, would listen. Raises OperatorError for a stage."""
    if not isinstance(storage, Path):
        raise OperatorError("say where the stage is served, with --url: `regulars deploy` printed it")
    running = folder.served(storage)
    return running.url if running and running.url else configured().serving.url


def table(held: Iterable[ApiKey]) -> list[str]:
    """Format a heading and a line for each key, in aligned columns."""
    from regulars.tenants.tenants import aligned

    rows = [("ID", "ROLE", "PICTURES", "LAST USED", "UNTIL", "NAME")]
    for key in held:
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:00}"
        until = "no end" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}"
        rows.append((key.id, key.role.value, "yes" if key.pictures else "no", used, until, key.name))
    return aligned(rows)
